// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{
    proofs::checks::Flaw,
    testing::{
        AGENT, pool,
        proofs::{Prover, STREAM},
    },
};
use ves_primitives::{
    AmountCommitment, KeyId, Policy,
    registry::{RecordedAt, Revocation},
};

fn flaw(report: &ProofsPulled) -> &str {
    assert!(report.verified.is_empty());
    let problem = report.quarantined[0].problem.as_ref().unwrap();
    &problem.0
}

#[tokio::test]
async fn a_reader_verifies_each_proof_once_and_compares_what_it_can_read() {
    let prover = Prover::new().await;
    prover.proven("10.00").await;
    prover.proven("20.00").await;
    let (_dir, db) = pool().await;
    assert_eq!(prover.pull_events(&db).await, 2);
    let report = prover.pull_proofs(&db, true).await;
    assert_eq!(report.failure(), None);
    let payloads: Vec<_> = report.verified.iter().map(|proof| proof.payload).collect();
    assert_eq!(payloads, [PayloadVerdict::Matches; 2]);
    assert_eq!(counts(&db, STREAM).await.unwrap(), (2, 0));
    assert!(prover.pull_proofs(&db, true).await.verified.is_empty());
}

#[tokio::test]
async fn without_keys_the_proof_is_verified_and_with_them_the_payload_later() {
    let prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    let report = prover.pull_proofs(&db, false).await;
    assert_eq!(report.verified[0].payload, PayloadVerdict::Unchecked);
    assert!(prover.pull_proofs(&db, false).await.verified.is_empty());
    let report = prover.pull_proofs(&db, true).await;
    assert_eq!(report.verified[0].payload, PayloadVerdict::Matches);
}

#[tokio::test]
async fn a_proof_that_comes_after_its_event_was_pulled_is_found() {
    let prover = Prover::new().await;
    prover.hide(r#"{"total":"10.00"}"#).await;
    let wish = crate::testing::proofs::cap(5_000);
    crate::proofs::wishes::wish_for_open(&prover.pool, AGENT, &[wish])
        .await
        .unwrap();
    prover.push().await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    assert!(prover.pull_proofs(&db, true).await.verified.is_empty());
    prover.fulfil().await;
    assert_eq!(prover.pull_proofs(&db, true).await.verified.len(), 1);
}

#[tokio::test]
async fn a_proof_that_does_not_verify_is_quarantined_by_name_and_its_event_stays() {
    type Lie = fn(&mut ves_primitives::proof::ProofSubmission);
    let lies: [(Flaw, Lie); 4] = [
        (Flaw::EndorsementInvalid, |s| s.endorsement.0[0] ^= 1),
        (Flaw::EventMismatch, |s| {
            s.envelope.payload_plain_hash.0[0] ^= 1
        }),
        (Flaw::RecordMismatch, |s| {
            s.policy = Policy::OrderTotalCap { cap: 1 };
        }),
        (Flaw::KeyInvalid, |s| s.key_id = KeyId(9)),
    ];
    for (expected, lie) in lies {
        let mut prover = Prover::new().await;
        prover.proven("10.00").await;
        prover.chain.proofs.submission_lie = Some(Box::new(lie));
        let (_dir, db) = pool().await;
        assert_eq!(prover.pull_events(&db).await, 1);
        let report = prover.pull_proofs(&db, true).await;
        assert_eq!(flaw(&report), expected.name());
        let failure = report.failure().unwrap();
        assert_eq!(
            (failure.code, failure.exit),
            ("proofs_quarantined", Exit::NotVerified)
        );
        assert_eq!(counts(&db, STREAM).await.unwrap(), (0, 1));
        assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (1, 0));
        // Said once, and released when a better node shows the real one.
        assert!(prover.pull_proofs(&db, true).await.quarantined.is_empty());
        prover.chain.proofs.submission_lie = None;
        assert_eq!(prover.pull_proofs(&db, true).await.verified.len(), 1);
        assert_eq!(counts(&db, STREAM).await.unwrap(), (1, 0));
    }
}

#[tokio::test]
async fn a_record_without_its_proof_is_quarantined() {
    let mut prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    prover.chain.proofs.submission_lie = Some(Box::new(|s| s.proof[100] ^= 1));
    assert_eq!(flaw(&prover.pull_proofs(&db, true).await), "proof_missing");
}

/// The node makes up a record and a submission that fit each other; the proof does not hold.
#[tokio::test]
async fn an_altered_proof_with_a_fitting_record_does_not_hold() {
    let mut prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    let cap = Policy::OrderTotalCap { cap: 999 };
    prover.chain.proofs.submission_lie = Some(Box::new(move |s| s.policy = cap));
    prover.chain.proofs.record_lie = Some(Box::new(move |r| r.policy = cap));
    assert_eq!(flaw(&prover.pull_proofs(&db, true).await), "proof_invalid");
}

#[tokio::test]
async fn a_proof_endorsed_with_a_revoked_key_does_not_count() {
    let prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    prover.chain.edit_key(|key| {
        key.revocation = Some(Revocation {
            effective_from: 0,
            decided_at: RecordedAt {
                block: 0,
                time_ms: 0,
            },
        });
    });
    assert_eq!(flaw(&prover.pull_proofs(&db, true).await), "key_invalid");
}

#[tokio::test]
async fn a_commitment_to_another_amount_than_the_payloads_is_noticed_by_readers() {
    let prover = Prover::new().await;
    // The author proves about a member that is not the total.
    prover
        .hide(r#"{"discounted":"10.00","total":"5000.00"}"#)
        .await;
    let wish = crate::proofs::policy::Wish {
        amount_field: "discounted".into(),
        ..crate::testing::proofs::cap(5_000)
    };
    crate::proofs::wishes::wish_for_open(&prover.pool, AGENT, &[wish])
        .await
        .unwrap();
    prover.push().await;
    prover.fulfil().await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    assert_eq!(prover.pull_proofs(&db, false).await.verified.len(), 1);
    let report = prover.pull_proofs(&db, true).await;
    assert_eq!(flaw(&report), "amount_mismatch");
    assert_eq!(report.quarantined[0].payload, PayloadVerdict::Differs);
}

#[tokio::test]
async fn a_node_without_old_blocks_says_nothing_about_a_proof() {
    let mut prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    prover.chain.proofs.pruned = true;
    let report = prover.pull_proofs(&db, true).await;
    assert_eq!((report.unavailable, report.failure()), (1, None));
    assert_eq!(counts(&db, STREAM).await.unwrap(), (0, 0));
    prover.chain.proofs.pruned = false;
    assert_eq!(prover.pull_proofs(&db, true).await.verified.len(), 1);
}

#[tokio::test]
async fn records_about_events_nobody_asked_for_are_ignored() {
    let mut prover = Prover::new().await;
    prover.proven("10.00").await;
    let (_dir, db) = pool().await;
    prover.pull_events(&db).await;
    prover.chain.proofs.record_lie = Some(Box::new(|r| {
        r.event_id.0[0] ^= 1;
        r.commitment = AmountCommitment([1; 32]);
    }));
    let report = prover.pull_proofs(&db, true).await;
    assert!(report.verified.is_empty() && report.quarantined.is_empty());
}
