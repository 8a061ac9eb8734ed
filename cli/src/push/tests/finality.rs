// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a node calls final: proven and kept, or not believed.

use super::*;
use crate::{
    finality::Pinned,
    inbox::Wanted,
    keys::Signer,
    pull::pull,
    testing::{SEED, forge, prune, validators_of},
};
use ves_finality::testing::set;

const STREAM: Stream = Stream {
    tenant: TENANT,
    store: STORE,
};

/// Waits for missing evidence no longer than a test can bear.
fn briefly() -> PushOptions {
    PushOptions {
        timeout: Duration::from_millis(500),
        ..PushOptions::default()
    }
}

/// An event of another program of the same agent, which signs with key 2.
fn foreign(entity: u32) -> SubmittedEvent {
    let other = Draft {
        entity_id: format!("other-{entity}"),
        ..draft()
    };
    let mut event = other.build().unwrap();
    event.envelope.agent_key_id = KeyId(2);
    let hash = event.envelope.signing_hash().unwrap();
    let signer = Signer::from_seed(KeyId(2), &SEED);
    event.envelope.agent_signature = signer.sign(&hash.0).unwrap();
    event
}

impl Setup {
    /// Captures and signs so many events, and has somebody else bring them into one block after so many
    /// of another program.
    async fn among_others(own: u32, others: u32) -> Self {
        let s = Self::new().await;
        let public = Signer::from_seed(KeyId(2), &SEED).public_key().0;
        s.chain.register(KeyId(2), public);
        s.append_many(own).await;
        let stop = PushOptions {
            stop: Some(CrashPoint::AfterSign),
            ..PushOptions::default()
        };
        s.push_with(stop).await;
        let signed = outbox::open_entries(&s.pool, 0, 100).await.unwrap();
        let signed = signed.into_iter().map(|entry| entry.event);
        s.chain
            .commit((0..others).map(foreign).chain(signed).collect());
        s
    }

    /// What is noted at the only event, which is not settled.
    async fn note(&self) -> String {
        let entry = outbox::latest(&self.pool, None, 1).await.unwrap().remove(0);
        assert_eq!(entry.state, State::InBlock);
        assert!(!self.has_evidence(entry.event_id()).await);
        entry.last_error.unwrap()
    }

    /// Pushes one event to a node that cannot convince us, and returns what is noted at it.
    async fn push_in_vain(&self) -> String {
        let report = self.push_with(briefly()).await;
        let failure = report.failure().unwrap();
        assert_eq!(
            (failure.code, failure.exit),
            ("finality_not_proven", Exit::NotVerified)
        );
        assert_eq!(report.count(State::Finalized), 0);
        self.note().await
    }
}

#[tokio::test]
async fn what_a_push_calls_final_can_be_proven_before_any_pull() {
    let s = Setup::new().await;
    s.append_many(9).await;
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 9);
    for entry in &report.events {
        assert!(s.has_evidence(entry.event_id()).await);
    }
    let pulled = inbox::page(&s.pool, STREAM, &Wanted::default(), 10).await;
    assert!(pulled.unwrap().is_empty());

    // And a pull takes the same events as it always does.
    let report = pull(&s.pool, &s.chain, STREAM, None, &ui()).await.unwrap();
    assert_eq!(report.failure(), None);
    assert_eq!((report.stored, report.settled), (9, 0));
}

#[tokio::test]
async fn own_events_are_proven_among_many_of_others() {
    // Few others: by the root. Many: by a path for each own event.
    for (own, others) in [(3, 5), (1, 40)] {
        let s = Setup::among_others(own, others).await;
        let report = s.push().await;
        assert_eq!(report.failure(), None);
        assert_eq!(report.count(State::Finalized), own as usize);
        for entry in &report.events {
            assert!(s.has_evidence(entry.event_id()).await, "{own} of {others}");
        }
    }
}

#[tokio::test]
async fn a_lie_about_another_event_of_the_batch_does_not_matter() {
    let mut s = Setup::among_others(2, 3).await;
    s.chain.lie_about(1, forge);
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 2);
    for entry in &report.events {
        assert!(s.has_evidence(entry.event_id()).await);
    }
}

#[tokio::test]
async fn a_node_that_pruned_the_payload_proves_the_event_all_the_same() {
    let mut s = Setup::new().await;
    s.chain.record_lie = Some(Box::new(prune));
    let id = s.append(&draft()).await;
    assert_eq!(s.push().await.count(State::Finalized), 1);
    assert!(s.has_evidence(id).await, "the payload is here");
}

#[tokio::test]
async fn final_without_a_justification_is_not_final_until_the_node_has_one() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    s.chain.lock().unjustified = true;
    let note = s.push_in_vain().await;
    assert!(
        note.starts_with("not proven final: not_final: the node does not prove block"),
        "{note}"
    );
    // Neither sent again nor settled by another try.
    s.push_in_vain().await;
    assert_eq!(s.chain.lock().submissions, 1);

    s.chain.lock().unjustified = false;
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 1);
    assert_eq!(report.events[0].last_error, None);
    assert!(outbox::retries(&s.pool).await.unwrap().is_empty());
    assert!(s.has_evidence(report.events[0].event_id()).await);
    assert_eq!(s.chain.lock().submissions, 1);
}

#[tokio::test]
async fn a_pull_settles_what_a_push_could_not_prove() {
    for pruned in [false, true] {
        let mut s = Setup::new().await;
        let id = s.append(&draft()).await;
        s.chain.lock().unjustified = true;
        s.push_in_vain().await;
        s.chain.lock().unjustified = false;
        if pruned {
            s.chain.record_lie = Some(Box::new(prune));
        }
        let report = pull(&s.pool, &s.chain, STREAM, None, &ui()).await.unwrap();
        assert_eq!(report.settled, 1);
        let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
        assert_eq!((entry.state, entry.sequence), (State::Finalized, Some(1)));
        assert_eq!(entry.last_error, None);
    }
}

/// The push that handed it over ended, another process pulled, and only then somebody looks.
#[tokio::test]
async fn a_pull_settles_what_an_earlier_pull_verified_already() {
    let s = Setup::new().await;
    let id = s.append(&draft()).await;
    s.push().await;
    pull(&s.pool, &s.chain, STREAM, None, &ui()).await.unwrap();
    sqlx::query("UPDATE ves_outbox SET state = 'in_block'")
        .execute(&s.pool)
        .await
        .unwrap();
    let report = pull(&s.pool, &s.chain, STREAM, None, &ui()).await.unwrap();
    assert_eq!((report.stored, report.settled), (0, 1));
    let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Finalized);
}

#[tokio::test]
async fn a_justification_by_another_set_proves_nothing() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    s.chain.lock().impostors = Some(1);
    let note = s.push_in_vain().await;
    assert!(note.contains("justification_invalid"), "{note}");
}

#[tokio::test]
async fn a_justification_by_another_set_than_the_pinned_one_proves_nothing() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    let pinned = PushOptions {
        authorities: Some(Pinned::Set(set(0, &validators_of(7)))),
        ..briefly()
    };
    let report = s.push_with(pinned).await;
    assert_eq!(report.failure().unwrap().code, "finality_not_proven");
    let note = s.note().await;
    assert!(note.contains("justification_invalid"), "{note}");
}

#[tokio::test]
async fn an_event_that_its_batch_does_not_hold_is_not_final() {
    // The node shows evidence for another place than the event's.
    let mut s = Setup::new().await;
    s.append(&draft()).await;
    let public = Signer::from_seed(KeyId(2), &SEED).public_key().0;
    s.chain.register(KeyId(2), public);
    s.chain.commit(vec![foreign(0)]);
    let other = s.chain.inclusion(TENANT, STORE, 1).await.unwrap().unwrap();
    s.chain.inclusion_lie = Some(Box::new(move |inclusion| *inclusion = other.clone()));
    let note = s.push_in_vain().await;
    assert!(note.contains("position_mismatch"), "{note}");

    // Another event stands at its place.
    let mut s = Setup::new().await;
    s.append(&draft()).await;
    s.chain.record_lie = Some(Box::new(|record| record.event.entity_id = "B-2".into()));
    let note = s.push_in_vain().await;
    assert!(
        note.contains("event_identity_conflict: the node shows another event at sequence 1"),
        "{note}"
    );

    // The path leads elsewhere.
    let mut s = Setup::among_others(1, 40).await;
    s.chain.inclusion_lie = Some(Box::new(|inclusion| {
        inclusion.proof.path[0][0] ^= 1;
    }));
    let note = s.push_in_vain().await;
    assert!(note.contains("inclusion_invalid"), "{note}");

    // The header does not commit to the batch.
    let mut s = Setup::new().await;
    s.append(&draft()).await;
    s.chain.inclusion_lie = Some(Box::new(|inclusion| {
        inclusion.block_proof.path[0][0] ^= 1;
    }));
    let note = s.push_in_vain().await;
    assert!(note.contains("block_commitment_invalid"), "{note}");
}

#[tokio::test]
async fn one_event_that_is_not_proven_does_not_keep_the_others_from_being_final() {
    let mut s = Setup::new().await;
    s.append_many(4).await;
    s.chain
        .lie_about(2, |record| record.event.entity_id = "B-2".into());
    let report = s.push_with(briefly()).await;
    assert_eq!(report.failure().unwrap().code, "finality_not_proven");
    let states: Vec<State> = report.events.iter().map(|entry| entry.state).collect();
    assert_eq!(
        states,
        [
            State::Finalized,
            State::InBlock,
            State::Finalized,
            State::Finalized
        ]
    );
    assert!(s.has_evidence(report.events[0].event_id()).await);
}
