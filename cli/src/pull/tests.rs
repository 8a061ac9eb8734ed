// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod pins;
mod set_aside;

use super::*;
use crate::{
    capture::Draft,
    testing::{
        FakeChain, GENESIS, STORE, TENANT, draft, forge, pool, signed, signed_events, ui,
        validators_of,
    },
};
use serde_json::json;
use ves_primitives::{
    FinalityProof, KeyId, SigningPublicKey, StateRoot, StoreId, payload_plain_hash,
    registry::{Revocation, SigningKeyRecord, ValidityWindow},
};

const STREAM: Stream = Stream {
    tenant: TENANT,
    store: STORE,
};

/// Three batches of 4, 9 and 1 events.
fn chain() -> FakeChain {
    let chain = FakeChain::with_seed();
    for range in [0..4, 4..13, 13..14] {
        chain.commit(signed_events(range));
    }
    chain
}

async fn run(chain: &FakeChain, db: &SqlitePool) -> PullReport {
    pull(db, chain, STREAM, None, &ui()).await.unwrap()
}

#[tokio::test]
async fn everything_up_to_the_final_head_is_verified_and_stored_once() {
    let (_dir, db) = pool().await;
    let chain = chain();
    let report = run(&chain, &db).await;
    assert_eq!(report.failure(), None);
    assert_eq!((report.stored, report.batches, report.to), (14, 3, 14));
    let again = run(&chain, &db).await;
    assert_eq!((again.stored, again.from, again.to), (0, 14, 14));
    chain.commit(signed_events(14..16));
    assert_eq!(run(&chain, &db).await.stored, 2);
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (16, 0));
}

#[tokio::test]
async fn a_pull_hands_over_each_event_and_ends_behind_the_batch_with_which_its_caller_has_enough() {
    let (_dir, db) = pool().await;
    let chain = chain();
    let mut sequences = Vec::new();
    let take = &mut |record: SequencedEventJson| {
        sequences.push(record.sequence);
        match sequences.len() > 5 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let report = pull_into(&db, &chain, STREAM, None, take, &ui())
        .await
        .unwrap();
    assert_eq!((report.failure(), report.paused), (None, true));
    assert_eq!((report.stored, report.to, report.head), (13, 13, 14));
    let rest = pull_into(&db, &chain, STREAM, None, take, &ui())
        .await
        .unwrap();
    assert_eq!((rest.paused, rest.from, rest.to), (false, 13, 14));
    assert_eq!(sequences, (1..=14).collect::<Vec<u64>>());
}

#[tokio::test]
async fn stored_events_cannot_be_changed_or_removed() {
    let (_dir, db) = pool().await;
    run(&chain(), &db).await;
    for change in [
        "UPDATE ves_events SET record = '{}'",
        "DELETE FROM ves_events",
    ] {
        assert!(sqlx::query(change).execute(&db).await.is_err(), "{change}");
    }
}

/// Pulls with one record altered; returns what was quarantined.
async fn with_record_lie(
    lie: impl Fn(&mut SequencedEventJson) + Send + Sync + 'static,
) -> (PullReport, Vec<inbox::Quarantined>) {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, lie);
    let report = run(&chain, &db).await;
    let quarantined = inbox::quarantined(&db, STREAM).await.unwrap();
    (report, quarantined)
}

/// The altered event is set aside for this reason; the 13 others are stored and the tip is the
/// head.
async fn expect_quarantine(
    reason: &str,
    lie: impl Fn(&mut SequencedEventJson) + Send + Sync + 'static,
) {
    let (report, quarantined) = with_record_lie(lie).await;
    assert_eq!(
        report.failure().map(|f| (f.code, f.exit)),
        Some(("quarantined", Exit::NotVerified))
    );
    assert_eq!((report.stored, report.to), (13, 14), "{reason}");
    let found: Vec<_> = quarantined
        .iter()
        .map(|q| (q.sequence, q.reason.as_str()))
        .collect();
    assert_eq!(found, [(6, reason)], "{quarantined:?}");
}

#[tokio::test]
async fn an_altered_payload_is_quarantined() {
    expect_quarantine("payload_hash_invalid", |record| {
        record.event.payload = Some(json!({"total": 9999}));
    })
    .await;
}

#[tokio::test]
async fn an_altered_signature_is_quarantined_and_the_rest_of_the_batch_is_not() {
    expect_quarantine("signature_invalid", forge).await;
}

#[tokio::test]
async fn an_event_of_another_stream_is_quarantined() {
    expect_quarantine("stream_mismatch", |record| {
        record.event.store_id = StoreId([7; 16])
    })
    .await;
}

#[tokio::test]
async fn a_forged_receipt_is_quarantined() {
    expect_quarantine("receipt_invalid", |record| record.receipt_hash.0[0] ^= 1).await;
}

#[tokio::test]
async fn a_record_that_is_no_event_is_quarantined() {
    expect_quarantine("event_malformed", |record| record.event.payload_kind = 9).await;
}

#[tokio::test]
async fn a_record_that_states_another_block_is_quarantined() {
    expect_quarantine("position_mismatch", |record| record.block_number += 1).await;
}

#[tokio::test]
async fn an_unknown_author_is_quarantined() {
    expect_quarantine("key_unresolved", |record| {
        record.event.agent_key_id = KeyId(9);
    })
    .await;
}

#[tokio::test]
async fn a_validly_signed_event_that_was_never_sequenced_is_quarantined() {
    // Another event of the same author in the place of the real one: everything about it holds,
    // but it is not in the tree.
    let forged = signed(&Draft {
        entity_id: "never".into(),
        ..draft()
    });
    expect_quarantine("inclusion_invalid", move |record| {
        let hash = forged.envelope.signing_hash().unwrap();
        record.event = (&forged).into();
        record.event_signing_hash = hash;
        record.leaf_hash = forged.envelope.leaf_hash(record.sequence, &hash);
        record.receipt_hash = forged.envelope.receipt_hash(record.sequence, &hash);
    })
    .await;
}

#[tokio::test]
async fn plaintext_that_is_not_canonical_is_quarantined() {
    // The chain hashes bytes as they are; the rule is the reader's to enforce.
    let (_dir, db) = pool().await;
    let chain = FakeChain::with_seed();
    let mut sloppy = signed(&draft());
    let bytes = br#"{ "total": 12 }"#.to_vec();
    sloppy.envelope.payload_plain_hash = payload_plain_hash(None, &bytes);
    sloppy.payload = ves_primitives::Payload::Plain(bytes.try_into().unwrap());
    let hash = sloppy.envelope.signing_hash().unwrap();
    let signer = crate::keys::Signer::from_seed(KeyId(1), &crate::testing::SEED);
    sloppy.envelope.agent_signature = signer.sign(&hash.0).unwrap();
    chain.commit(vec![sloppy, signed(&draft())]);
    let report = run(&chain, &db).await;
    assert_eq!(report.quarantined.len(), 1);
    assert_eq!(report.quarantined[0].reason, Reason::PayloadNotCanonical);
    assert_eq!(report.stored, 1);
}

#[tokio::test]
async fn keys_are_judged_at_the_block_of_inclusion() {
    let judge = async |edit: fn(&mut SigningKeyRecord)| {
        let (_dir, db) = pool().await;
        let chain = chain();
        chain.edit_key(edit);
        let report = run(&chain, &db).await;
        let reasons: Vec<_> = report
            .quarantined
            .iter()
            .map(|q| (q.sequence, q.reason))
            .collect();
        (report.stored, reasons.first().copied())
    };
    // Revoked after the last event: everything stands.
    let late = judge(|key| {
        key.revocation = Some(Revocation {
            effective_from: 9,
            decided_at: key.registered_at,
        })
    })
    .await;
    assert_eq!(late, (14, None));
    // Revoked from block 2 on: the batches of blocks 2 and 3 do not stand, whatever created_at says.
    let early = judge(|key| {
        key.revocation = Some(Revocation {
            effective_from: 2,
            decided_at: key.registered_at,
        })
    })
    .await;
    assert_eq!(early, (4, Some((5, Reason::KeyRevoked))));
    // Blocks have the times 2000, 4000, 6000.
    let expired = judge(|key| {
        key.window = ValidityWindow {
            valid_from: None,
            valid_to: Some(4000),
        };
    })
    .await;
    assert_eq!(expired, (13, Some((14, Reason::KeyOutsideValidityWindow))));
    let unborn = judge(|key| key.registered_at.block = 2).await;
    assert_eq!(unborn, (10, Some((1, Reason::KeyUnresolved))));
}

#[tokio::test]
async fn a_key_that_changes_under_its_number_is_a_conflict() {
    let (_dir, db) = pool().await;
    let chain = chain();
    run(&chain, &db).await;
    chain.commit(signed_events(14..15));
    chain.edit_key(|key| key.public_key = SigningPublicKey([3; 32]));
    let report = run(&chain, &db).await;
    assert_eq!(report.quarantined[0].reason, Reason::PeerKeyConflict);
}

/// Pulls with the evidence of the second batch altered: the pull stops behind the first.
async fn expect_stop(reason: Reason, lie: impl Fn(&mut InclusionJson) + Send + Sync + 'static) {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.inclusion_lie = Some(Box::new(move |inclusion| {
        if inclusion.batch.batch.sequence_start == 5 {
            lie(inclusion);
        }
    }));
    let report = run(&chain, &db).await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("batch_not_verified", Exit::NotVerified)
    );
    assert_eq!((report.to, report.stored), (4, 4), "{reason}");
    assert!(
        report.quarantined.iter().all(|q| q.reason == reason),
        "{:?}",
        report.quarantined
    );
    assert_eq!(report.quarantined.len(), 9);

    // An honest node later: the records are released and the stream goes on.
    chain.inclusion_lie = None;
    let report = run(&chain, &db).await;
    assert_eq!(report.failure(), None);
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (14, 0));
}

#[tokio::test]
async fn a_batch_with_inconsistent_roots_stops_the_pull() {
    expect_stop(Reason::BatchInvalid, |i| {
        i.batch.batch.new_state_root = StateRoot([1; 32])
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_does_not_continue_the_last_one_stops_the_pull() {
    expect_stop(Reason::BatchDiscontinuous, |i| {
        let b = &mut i.batch.batch;
        b.prev_state_root = StateRoot([1; 32]);
        let stream = b.stream_id();
        b.new_state_root = ves_primitives::state_root(
            stream,
            b.prev_state_root,
            b.events_root,
            b.sequence_start,
            b.sequence_end,
            b.leaf_count,
        );
        b.batch_id = ves_primitives::batch_id(
            stream,
            b.sequence_start,
            b.sequence_end,
            b.events_root,
            b.prev_state_root,
        );
    })
    .await;
}

#[tokio::test]
async fn an_altered_header_stops_the_pull() {
    expect_stop(Reason::HeaderHashMismatch, |i| i.header[40] ^= 1).await;
}

#[tokio::test]
async fn a_header_that_is_not_the_chains_stops_the_pull() {
    // Consistent in itself, but not the block the chain has at this height.
    expect_stop(Reason::NotCanonical, |i| {
        i.header[0] ^= 1;
        i.batch.block_hash = ves_client::blake2_256(&i.header);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_sibling_in_the_block_proof_stops_the_pull() {
    expect_stop(Reason::BlockCommitmentInvalid, |i| {
        i.block_proof.path[0][0] ^= 1
    })
    .await;
}

#[tokio::test]
async fn a_node_with_a_shorter_stream_than_verified_is_refused() {
    let (_dir, db) = pool().await;
    run(&chain(), &db).await;
    let shorter = FakeChain::with_seed();
    shorter.commit(signed_events(0..2));
    let report = run(&shorter, &db).await;
    assert_eq!(report.failure().unwrap().code, "remote_head_regressed");
}

#[tokio::test]
async fn rewritten_history_does_not_link_to_what_was_verified() {
    let (_dir, db) = pool().await;
    run(&chain(), &db).await;
    // Another chain of the same length and one batch more.
    let rewritten = FakeChain::with_seed();
    for range in [0..4, 4..13, 13..14, 14..15] {
        rewritten.commit(signed_events(range));
    }
    let report = run(&rewritten, &db).await;
    assert_eq!(report.to, 14);
    assert_eq!(report.quarantined[0].reason, Reason::BatchDiscontinuous);
}

/// The node lies about the finality of the first batch's block.
async fn expect_unproven(reason: Reason, lie: impl Fn(&mut FinalityProof) + Send + Sync + 'static) {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.finality_lie = Some(Box::new(move |number, proof| {
        if number == 1 {
            lie(proof);
        }
    }));
    let report = run(&chain, &db).await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("batch_not_verified", Exit::NotVerified)
    );
    assert_eq!((report.to, report.stored), (0, 0), "nothing is taken");
    assert_eq!(report.quarantined.len(), 4);
    let found: Vec<_> = report.quarantined.iter().map(|q| q.reason).collect();
    assert!(found.iter().all(|r| *r == reason), "{found:?}");

    chain.finality_lie = None;
    assert_eq!(run(&chain, &db).await.to, 14, "an honest node later");
}

#[tokio::test]
async fn a_block_without_a_sound_justification_stops_the_pull_by_name() {
    use Reason::{JustificationInvalid, NotCanonical};
    expect_unproven(JustificationInvalid, |proof| {
        *proof.justification.last_mut().unwrap() ^= 1;
    })
    .await;
    expect_unproven(JustificationInvalid, |proof| proof.justification[60] ^= 1).await;
    expect_unproven(JustificationInvalid, |proof| proof.justification.clear()).await;
    expect_unproven(NotCanonical, |proof| {
        proof.headers.pop();
    })
    .await;
    expect_unproven(NotCanonical, |proof| proof.headers.swap(0, 1)).await;
}

#[tokio::test]
async fn a_chain_that_the_trusted_authorities_did_not_finalize_is_refused_however_consistent() {
    let (_dir, db) = pool().await;
    let foreign = [ves_finality::testing::Validator(99)];
    let trusted = Pinned::Set(ves_finality::testing::set(0, &foreign));
    let chain = chain();
    let failure = pull(
        &db,
        &chain,
        STREAM,
        Some(&Pinned::Named(trusted.hash(GENESIS))),
        &ui(),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("authorities_conflict", Exit::NotVerified)
    );
    let report = pull(&db, &chain, STREAM, Some(&trusted), &ui())
        .await
        .unwrap();
    assert_eq!(report.failure().unwrap().code, "batch_not_verified");
    assert_eq!(report.to, 0);
    // Trusted once, the set stays, whatever this node says.
    let report = run(&chain, &db).await;
    assert_eq!(report.to, 0);
}

#[tokio::test]
async fn changes_of_the_authority_set_are_followed_and_remembered() {
    let (_dir, db) = pool().await;
    let chain = FakeChain::with_seed();
    chain.lock().set_ends = vec![2, 4, 5];
    for n in 0..4 {
        chain.commit(signed_events(n..n + 1));
    }
    let report = run(&chain, &db).await;
    assert_eq!((report.failure(), report.to), (None, 4));
    let sets = finality::load(&db, GENESIS).await.unwrap().unwrap();
    let eras: Vec<_> = sets
        .eras()
        .iter()
        .map(|era| (era.set.set_id, era.after))
        .collect();
    assert_eq!(eras, [(0, 0), (1, 2), (2, 4)]);

    chain.commit(signed_events(4..5));
    chain.commit(signed_events(5..6));
    assert_eq!(run(&chain, &db).await.to, 6);
    let sets = finality::load(&db, GENESIS).await.unwrap().unwrap();
    let latest = ves_finality::testing::set(3, &validators_of(3));
    assert_eq!(sets.latest().set, latest);
}

#[tokio::test]
async fn a_former_authority_set_finalizes_nothing_new() {
    let (_dir, db) = pool().await;
    let mut chain = FakeChain::with_seed();
    chain.lock().set_ends = vec![1];
    for n in 0..2 {
        chain.commit(signed_events(n..n + 1));
    }
    assert_eq!(run(&chain, &db).await.to, 2);
    chain.commit(signed_events(2..3));
    let header = ves_client::Header::decode(
        &chain
            .inclusion(TENANT, STORE, 3)
            .await
            .unwrap()
            .unwrap()
            .header,
    )
    .unwrap();
    let number = header.number;
    let by_former = ves_finality::testing::justify(&header, 1, 0, &validators_of(0));
    chain.finality_lie = Some(Box::new(move |asked, proof| {
        if asked == number {
            *proof = ves_finality::testing::proof(&[], &by_former);
        }
    }));
    let report = run(&chain, &db).await;
    assert_eq!(report.to, 2);
    assert_eq!(report.quarantined[0].reason, Reason::JustificationInvalid);
}

#[tokio::test]
async fn a_quarantined_event_is_promoted_when_the_node_shows_it_as_it_is() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, forge);
    run(&chain, &db).await;
    let again = async |chain: &FakeChain, keep| {
        recheck(&db, chain, STREAM, None, keep, &ui())
            .await
            .unwrap()
    };
    let still = again(&chain, false).await;
    assert_eq!((still.len(), still[0].promoted), (1, false));
    assert!(
        still[0]
            .problem
            .as_deref()
            .unwrap()
            .starts_with("signature_invalid")
    );
    chain.record_lie = None;
    // Only looking changes nothing.
    assert!(again(&chain, true).await[0].promoted);
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (13, 1));
    assert!(again(&chain, false).await[0].promoted);
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (14, 0));
    assert!(again(&chain, false).await.is_empty());
}

#[tokio::test]
async fn a_node_with_another_batch_promotes_nothing() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, forge);
    run(&chain, &db).await;
    chain.record_lie = None;
    chain.inclusion_lie = Some(Box::new(|inclusion| {
        inclusion.batch.batch.events_root.0[3] ^= 1;
    }));
    let still = recheck(&db, &chain, STREAM, None, false, &ui())
        .await
        .unwrap();
    assert!(!still[0].promoted);
    assert_eq!(inbox::counts(&db, STREAM).await.unwrap(), (13, 1));
}

#[tokio::test]
async fn what_a_pull_keeps_proves_each_event_without_a_node() {
    let (_dir, db) = pool().await;
    run(&chain(), &db).await;
    let sets = crate::finality::load(&db, GENESIS).await.unwrap().unwrap();
    for record in inbox::latest(&db, STREAM, 14).await.unwrap() {
        let event = &record.event;
        let evidence = inbox::evidence_of(&db, STREAM, event.event_id)
            .await
            .unwrap()
            .unwrap();
        let author = (event.source_agent_id, event.agent_key_id);
        let key = inbox::key_record(&db, GENESIS, TENANT, author)
            .await
            .unwrap()
            .unwrap();
        let bundle = evidence.bundle(GENESIS, key);
        let trust = crate::verify::TrustAnchors {
            genesis: Some(GENESIS),
            authorities: Some(crate::verify::TrustedAuthorities::Sets(sets.clone())),
            finality_demanded: true,
            ..Default::default()
        };
        let verification = crate::verify::offline(&bundle, &trust);
        let failure = verification.first_failure();
        assert!(
            failure.is_none(),
            "sequence {}: {failure:?}",
            record.sequence
        );
    }
}

#[tokio::test]
async fn a_batch_with_an_event_in_quarantine_proves_nothing_offline() {
    let (_dir, db) = pool().await;
    let mut chain = chain();
    chain.lie_about(6, forge);
    run(&chain, &db).await;
    let events = inbox::latest(&db, STREAM, 14).await.unwrap();
    for record in events {
        let kept = inbox::evidence_of(&db, STREAM, record.event.event_id)
            .await
            .unwrap();
        // Batches of 4, 9 and 1: the sixth event is in the second.
        let in_second = (5..=13).contains(&record.sequence);
        assert_eq!(kept.is_none(), in_second, "{}", record.sequence);
    }
}
