// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{
    capture::append,
    crypto::EncryptionSecret,
    testing::{
        AGENT, draft, pool,
        proofs::{Prover, cap, usd},
    },
};
use ves_primitives::{AgentId, EventId, Policy, proof::ProofRefusal};

async fn wish_all(prover: &Prover, wishes: &[Wish]) {
    wish_for_open(&prover.pool, AGENT, wishes).await.unwrap();
}

fn states(report: &Fulfilled) -> Vec<(State, Option<&str>)> {
    report
        .wishes
        .iter()
        .map(|entry| (entry.state, entry.reason.as_deref()))
        .collect()
}

#[tokio::test]
async fn every_wish_about_a_final_event_is_proven_once() {
    let prover = Prover::new().await;
    for total in ["10.00", "20.00", "30.00"] {
        prover.hide(&format!(r#"{{"total":"{total}"}}"#)).await;
    }
    let threshold = Wish {
        policy: Policy::AmlThreshold { threshold: 5_000 },
        ..cap(0)
    };
    wish_all(&prover, &[cap(5_000), threshold.clone()]).await;
    assert!(
        !any_due(&prover.pool, AGENT).await.unwrap(),
        "nothing is final yet"
    );
    prover.push().await;
    assert!(any_due(&prover.pool, AGENT).await.unwrap());
    let report = prover.fulfil().await;
    assert_eq!(report.failure(), None);
    assert_eq!(states(&report), [(State::Proven, None); 6]);
    assert!(
        report
            .wishes
            .iter()
            .all(|w| w.proof_hash.is_some() && w.block.is_some())
    );
    assert_eq!(prover.chain.proofs_taken(), 6);

    // Wishing again and pushing again changes nothing.
    wish_all(&prover, &[threshold]).await;
    assert!(prover.fulfil().await.wishes.is_empty());
    assert_eq!(prover.chain.proofs_taken(), 6);
}

#[tokio::test]
async fn public_events_are_not_wished_for() {
    let prover = Prover::new().await;
    append(&mut prover.pool.acquire().await.unwrap(), &draft())
        .await
        .unwrap();
    wish_all(&prover, &[cap(5_000)]).await;
    prover.push().await;
    assert!(prover.fulfil().await.wishes.is_empty());
}

#[tokio::test]
async fn events_of_another_agent_in_the_same_outbox_are_left_to_it() {
    let prover = Prover::new().await;
    prover.hide(r#"{"total":"10.00"}"#).await;
    let other = AgentId([0x77; 16]);
    wish_for_open(&prover.pool, other, &[cap(5_000)])
        .await
        .unwrap();
    assert_eq!(counts(&prover.pool).await.unwrap()[0], (State::Wanted, 0));
    wish_all(&prover, &[cap(5_000)]).await;
    prover.push().await;
    assert!(!any_due(&prover.pool, other).await.unwrap());
    assert!(any_due(&prover.pool, AGENT).await.unwrap());
}

#[tokio::test]
async fn a_stop_at_any_point_proves_everything_once_in_the_end() {
    for point in [CrashPoint::BeforeProve, CrashPoint::AfterProve] {
        let prover = Prover::new().await;
        prover.hide(r#"{"total":"10.00"}"#).await;
        prover.hide(r#"{"total":"20.00"}"#).await;
        wish_all(&prover, &[cap(5_000)]).await;
        prover.push().await;
        let stopped = prover
            .fulfil_with(PushOptions {
                stop: Some(point),
                ..PushOptions::default()
            })
            .await;
        assert!(stopped.failure().is_some(), "{point:?}");
        assert_eq!(states(&stopped), [(State::Wanted, None); 2], "{point:?}");
        let report = prover.fulfil().await;
        assert_eq!(states(&report), [(State::Proven, None); 2], "{point:?}");
        assert_eq!(prover.chain.proofs_taken(), 2, "{point:?}");
    }
}

#[tokio::test]
async fn an_amount_over_the_limit_is_reported_by_name_and_holds_nothing_up() {
    let prover = Prover::new().await;
    let over = prover.hide(r#"{"total":"77.77"}"#).await;
    prover.hide(r#"{"total":"50.00"}"#).await;
    wish_all(&prover, &[cap(5_000)]).await;
    prover.push().await;
    let report = prover.fulfil().await;
    assert_eq!(
        states(&report),
        [
            (State::Impossible, Some("over_limit")),
            (State::Proven, None)
        ]
    );
    let failure = report.failure().unwrap();
    assert_eq!((failure.code, failure.exit), ("over_limit", Exit::Refused));
    assert!(failure.message.contains("order_total.cap 50.00 USD"));
    assert!(failure.message.contains(&over.to_string()));
    assert!(!failure.message.contains("77.77"), "the amount is told");
    // It was said once.
    assert_eq!(prover.fulfil().await.failure(), None);
}

#[tokio::test]
async fn events_without_an_amount_are_skipped_and_unreadable_ones_named() {
    let prover = Prover::new().await;
    prover.hide(r#"{"note":"no amount"}"#).await;
    prover.hide(r#"{"total":"12.345"}"#).await;
    let stranger = EncryptionSecret::generate().public_key().0;
    prover.hide_from(r#"{"total":"1.00"}"#, stranger).await;
    wish_all(&prover, &[cap(5_000)]).await;
    prover.push().await;
    let report = prover.fulfil().await;
    let (first, rest) = report.wishes.split_first().unwrap();
    assert_eq!(
        (first.state, first.reason.as_deref()),
        (State::Skipped, Some("amount_missing"))
    );
    assert!(rest.iter().all(|wish| wish.state == State::Impossible));
    assert!(report.failure().is_some());
    assert_eq!(prover.chain.proofs_taken(), 0);
}

#[tokio::test]
async fn a_spent_quota_keeps_the_wish_and_a_full_event_ends_it() {
    let prover = Prover::new().await;
    prover.hide(r#"{"total":"10.00"}"#).await;
    wish_all(&prover, &[cap(5_000)]).await;
    prover.push().await;
    prover.chain.refuse_proof(ProofRefusal::QuotaExhausted);
    let report = prover.fulfil().await;
    assert_eq!(
        states(&report),
        [(State::Wanted, Some("proof_quota_exhausted"))]
    );
    assert_eq!(report.failure().unwrap().exit, Exit::Rejected);
    prover.chain.refuse_proof(ProofRefusal::TooManyProofs);
    let report = prover.fulfil().await;
    assert_eq!(states(&report), [(State::Refused, Some("too_many_proofs"))]);
    assert_eq!(report.failure().unwrap().code, "proof_refused");
    assert!(prover.fulfil().await.wishes.is_empty());
}

#[tokio::test]
async fn with_required_proofs_nothing_is_sent_that_cannot_be_proven() {
    let prover = Prover::new().await;
    prover.hide(r#"{"total":"10.00"}"#).await;
    let over = prover.hide(r#"{"total":"60.00"}"#).await;
    let mut opener = prover.opener();
    require(&prover.pool, AGENT, &mut opener, &[cap(6_000)])
        .await
        .unwrap();
    let refused = require(&prover.pool, AGENT, &mut opener, &[cap(5_000)])
        .await
        .unwrap_err();
    assert_eq!((refused.code, refused.exit), ("over_limit", Exit::Refused));
    assert!(refused.message.contains(&over.to_string()));
    assert_eq!(counts(&prover.pool).await.unwrap()[0], (State::Wanted, 0));
    // Wishes that are committed count as well.
    wish_all(&prover, &[cap(5_000)]).await;
    assert!(
        require(&prover.pool, AGENT, &mut opener, &[])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_wish_about_a_rejected_event_goes_with_it() {
    let (_dir, db) = pool().await;
    append(&mut db.acquire().await.unwrap(), &draft())
        .await
        .unwrap();
    let event: EventId = outbox::latest(&db, None, 1).await.unwrap()[0].event_id();
    let envelope = outbox::find(&db, event)
        .await
        .unwrap()
        .unwrap()
        .event
        .envelope;
    wish(
        &mut db.acquire().await.unwrap(),
        envelope.tenant_id,
        envelope.store_id,
        event,
        &cap(1),
    )
    .await
    .unwrap();
    sqlx::query("UPDATE ves_outbox SET state = 'rejected', reason = 'r'")
        .execute(&db)
        .await
        .unwrap();
    assert!(!any_due(&db, AGENT).await.unwrap());
    let known = of_event(&db, &envelope).await.unwrap();
    assert_eq!(known[0].state, State::Skipped);
    assert_eq!(known[0].reason.as_deref(), Some("event_not_sequenced"));
    assert_eq!(known[0].wish.currency, usd());
}
