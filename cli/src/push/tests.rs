// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{
    capture::{Draft, append},
    error::Exit,
    inbox,
    keys::{KeyStore, Purpose},
    testing::{AGENT, FakeChain, GENESIS, STORE, TENANT, draft, key_store, pool, ui},
    vault::Passphrase,
    verify::{self, TrustAnchors, TrustedAuthorities},
};
use ves_primitives::{EventId, KeyId};

mod decided;
mod finality;
mod key_policy;
mod waiting;

struct Setup {
    _dirs: (tempfile::TempDir, tempfile::TempDir),
    pool: SqlitePool,
    keys: KeyStore,
    chain: FakeChain,
}

fn no_passphrase() -> Result<Passphrase> {
    Err(Failure::unexpected("asked for a passphrase"))
}

impl Setup {
    async fn new() -> Self {
        let (db_dir, pool) = pool().await;
        let (key_dir, keys) = key_store();
        let public = keys
            .load(AGENT, Purpose::Signing, KeyId(1))
            .unwrap()
            .public_key;
        Self {
            _dirs: (db_dir, key_dir),
            pool,
            keys,
            chain: FakeChain::new(public),
        }
    }

    async fn append(&self, draft: &Draft) -> EventId {
        append(&mut self.pool.acquire().await.unwrap(), draft)
            .await
            .unwrap()
            .event_id
    }

    async fn append_many(&self, count: u32) {
        for n in 0..count {
            self.append(&Draft {
                entity_id: n.to_string(),
                ..draft()
            })
            .await;
        }
    }

    async fn push_with(&self, options: PushOptions) -> PushReport {
        let mut signers = Signers::new(&self.keys, &no_passphrase);
        push(&self.pool, &self.chain, &mut signers, &options, &ui())
            .await
            .unwrap()
    }

    /// Whether what was kept here proves an event final to somebody without a node.
    async fn has_evidence(&self, event: EventId) -> bool {
        let stream = Stream {
            tenant: TENANT,
            store: STORE,
        };
        let Some(evidence) = inbox::evidence_of(&self.pool, stream, event).await.unwrap() else {
            return false;
        };
        let key = inbox::key_record(&self.pool, GENESIS, TENANT, (AGENT, KeyId(1)))
            .await
            .unwrap()
            .unwrap();
        let sets = crate::finality::load(&self.pool, GENESIS)
            .await
            .unwrap()
            .unwrap();
        let trust = TrustAnchors {
            genesis: Some(GENESIS),
            authorities: Some(TrustedAuthorities::Sets(sets)),
            finality_demanded: true,
            ..TrustAnchors::default()
        };
        let bundle = evidence.bundle(GENESIS, key);
        assert_eq!(bundle.event.event.event_id, event);
        verify::failure(&verify::offline(&bundle, &trust)).is_none()
    }

    async fn push(&self) -> PushReport {
        self.push_with(PushOptions::default()).await
    }
}

#[tokio::test]
async fn every_event_becomes_final_in_its_order() {
    let s = Setup::new().await;
    s.append_many(10).await;
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 10);
    let places: Vec<_> = report
        .events
        .iter()
        .map(|entry| entry.sequence.unwrap())
        .collect();
    assert_eq!(places, (1..=10).collect::<Vec<u64>>());
    // The chain of these tests takes four events at a time.
    assert_eq!(report.submissions, 3);
    assert!(s.push().await.events.is_empty());
}

#[tokio::test]
async fn a_stop_at_any_point_loses_nothing_and_doubles_nothing() {
    for point in CrashPoint::OF_PUSH {
        let s = Setup::new().await;
        s.append_many(6).await;
        let report = s
            .push_with(PushOptions {
                stop: Some(point),
                ..PushOptions::default()
            })
            .await;
        assert!(report.stopped.is_some(), "{point:?}");
        let before: Vec<_> = outbox::latest(&s.pool, None, 10).await.unwrap();

        let report = s.push().await;
        assert_eq!(report.failure(), None, "{point:?}");
        assert_eq!(s.chain.sequenced(), 6, "{point:?}");
        let after = outbox::latest(&s.pool, None, 10).await.unwrap();
        assert!(
            after.iter().all(|entry| entry.state == State::Finalized),
            "{point:?}"
        );
        for entry in &after {
            assert!(s.has_evidence(entry.event_id()).await, "{point:?}");
        }
        for (before, after) in before
            .iter()
            .zip(&after)
            .filter(|(before, _)| before.signed)
        {
            assert_eq!(
                before.event, after.event,
                "{point:?}: the bytes stayed the same"
            );
        }
    }
}

#[tokio::test]
async fn a_rejected_event_does_not_hold_the_others_back() {
    let s = Setup::new().await;
    s.append(&Draft {
        entity_id: "a".into(),
        ..draft()
    })
    .await;
    let bad = s
        .append(&Draft {
            entity_id: "b".into(),
            base_version: Some(7),
            ..draft()
        })
        .await;
    s.append(&Draft {
        entity_id: "c".into(),
        ..draft()
    })
    .await;
    let report = s.push().await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("events_rejected", Exit::Rejected)
    );
    assert_eq!(report.count(State::Finalized), 2);
    let rejected = outbox::find(&s.pool, bad).await.unwrap().unwrap();
    assert_eq!(rejected.state, State::Rejected);
    assert_eq!(
        rejected.reason.as_deref(),
        Some("version_conflict: expected 7, actual 0")
    );
    // It is settled: the next push leaves it alone.
    assert!(s.push().await.events.is_empty());
}

#[tokio::test]
async fn only_approved_events_go_out_and_only_with_the_approved_hash() {
    let s = Setup::new().await;
    s.append_many(3).await;
    let due = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    let hash = |entry: &Entry| {
        let mut envelope = entry.event.envelope.clone();
        envelope.agent_key_id = KeyId(1);
        envelope.signing_hash().unwrap()
    };
    let approve = |hash| PushOptions {
        approved: Some(BTreeMap::from([(due[1].local_seq, hash)])),
        ..PushOptions::default()
    };
    let report = s.push_with(approve(hash(&due[0]))).await;
    assert_eq!(report.failure().unwrap().code, "approval_stale");
    assert_eq!(report.events[0].state, State::Queued);
    assert_eq!(s.chain.lock().submissions, 0);

    let report = s.push_with(approve(hash(&due[1]))).await;
    assert_eq!(report.count(State::Finalized), 1);
    assert_eq!(report.events[0].event_id(), due[1].event_id());
    assert_eq!(s.chain.sequenced(), 1);
    let waiting = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    let states: Vec<_> = waiting.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Queued, State::Queued]);
}

#[tokio::test]
async fn versions_chain_within_and_across_submissions() {
    let s = Setup::new().await;
    for version in 0..9 {
        s.append(&Draft {
            base_version: Some(version),
            ..draft()
        })
        .await;
    }
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 9);
}

#[tokio::test]
async fn a_refusal_by_the_pool_marks_one_event_and_sends_the_rest() {
    let s = Setup::new().await;
    s.append_many(3).await;
    // The pool's view is newer than the pre-flight's: it refuses once.
    s.chain.lock().refuse = vec![ChainError::PoolRefused(5)];
    let report = s.push().await;
    assert_eq!(report.count(State::Rejected), 1);
    assert_eq!(report.count(State::Finalized), 2);
    let first = &report.events[0];
    assert_eq!(first.reason.as_deref(), Some("invalid_signature"));
}

#[tokio::test]
async fn a_node_that_fails_on_the_way_leaves_the_events_to_the_next_push() {
    let s = Setup::new().await;
    s.append_many(2).await;
    s.chain.lock().refuse = vec![ChainError::Unreachable("gone".into())];
    let report = s.push().await;
    assert_eq!(report.failure().unwrap().exit, Exit::Unreachable);
    assert!(
        report
            .events
            .iter()
            .all(|entry| entry.state == State::Submitted)
    );
    assert!(
        report.events[0]
            .last_error
            .as_deref()
            .unwrap()
            .contains("gone")
    );
    assert_eq!(s.push().await.failure(), None);
    assert_eq!(s.chain.sequenced(), 2);
}

#[tokio::test]
async fn a_dropped_submission_is_sent_again_by_the_next_push() {
    let s = Setup::new().await;
    s.append_many(2).await;
    s.chain.lock().lossy = true;
    let impatient = PushOptions {
        timeout: Duration::from_millis(500),
        ..PushOptions::default()
    };
    let report = s.push_with(impatient).await;
    assert_eq!(report.failure().unwrap().code, "node_timeout");
    s.chain.lock().lossy = false;
    assert_eq!(s.push().await.count(State::Finalized), 2);
    assert_eq!(s.chain.sequenced(), 2);
}

#[tokio::test]
async fn a_busy_pool_is_asked_again() {
    let s = Setup::new().await;
    s.append_many(2).await;
    s.chain.lock().refuse = vec![ChainError::PoolBusy("priority too low".into())];
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 2);
    assert_eq!(s.chain.lock().submissions, 1);
}

/// The pool first has no room, then, asked again, knows better than the pre-flight.
#[tokio::test]
async fn an_event_refused_at_the_second_attempt_is_settled_and_not_waited_for() {
    let s = Setup::new().await;
    s.append_many(1).await;
    s.chain.lock().refuse = vec![
        ChainError::PoolRefused(22),
        ChainError::PoolBusy("temporarily banned".into()),
    ];
    let report = s
        .push_with(PushOptions {
            timeout: Duration::from_secs(20),
            ..PushOptions::default()
        })
        .await;
    assert_eq!(
        report.events[0].reason.as_deref(),
        Some("agent_key_invalid: revoked")
    );
    assert_eq!(report.count(State::Rejected), 1);
}

#[tokio::test]
async fn without_waiting_the_events_stay_submitted_and_settle_later() {
    let s = Setup::new().await;
    s.append_many(2).await;
    let report = s
        .push_with(PushOptions {
            wait: false,
            ..PushOptions::default()
        })
        .await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Submitted), 2);
    assert_eq!(s.push().await.count(State::Finalized), 2);
    assert_eq!(s.chain.lock().submissions, 1);
}

#[tokio::test]
async fn an_event_that_somebody_else_carried_is_settled_without_sending() {
    let s = Setup::new().await;
    s.append_many(2).await;
    let stop = PushOptions {
        stop: Some(CrashPoint::AfterSign),
        ..PushOptions::default()
    };
    s.push_with(stop).await;
    let entries = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    s.chain
        .commit(entries.into_iter().map(|entry| entry.event).collect());
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 2);
    assert_eq!(s.chain.lock().submissions, 0);
}

#[tokio::test]
async fn a_taken_event_id_is_a_named_rejection() {
    let s = Setup::new().await;
    let id = EventId([8; 16]);
    let mut foreign = crate::testing::signed(&Draft {
        event_id: Some(id),
        ..draft()
    });
    foreign.envelope.agent_key_id = KeyId(1);
    // Put on chain by a key of another machine.
    let other = FakeChain::with_seed();
    let s = Setup { chain: other, ..s };
    s.chain.commit(vec![foreign]);
    let public = s
        .keys
        .load(AGENT, Purpose::Signing, KeyId(1))
        .unwrap()
        .public_key;
    s.chain.register(KeyId(1), public);
    s.append(&Draft {
        event_id: Some(id),
        payload: "{}".into(),
        ..draft()
    })
    .await;
    let report = s.push().await;
    assert_eq!(
        report.events[0].reason.as_deref(),
        Some("duplicate_event_id")
    );
}

#[tokio::test]
async fn an_unregistered_key_stops_the_push_before_anything_is_signed() {
    let s = Setup::new().await;
    s.append_many(1).await;
    s.chain.edit_key(|key| key.public_key.0 = [9; 32]);
    let report = s.push().await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("key_not_registered", Exit::Key)
    );
    assert_eq!(report.events[0].state, State::Queued);
}

#[tokio::test]
async fn a_key_revoked_after_signing_is_the_chains_rejection() {
    let s = Setup::new().await;
    s.append_many(1).await;
    s.push_with(PushOptions {
        stop: Some(CrashPoint::AfterSign),
        ..PushOptions::default()
    })
    .await;
    s.chain.edit_key(|key| {
        key.revocation = Some(ves_primitives::registry::Revocation {
            effective_from: 0,
            decided_at: key.registered_at,
        });
    });
    let report = s.push().await;
    assert_eq!(
        report.events[0].reason.as_deref(),
        Some("agent_key_invalid: revoked")
    );
}

#[tokio::test]
async fn an_event_over_the_quota_is_kept_signed_and_goes_out_when_there_is_room_again() {
    let s = Setup::new().await;
    let id = s.append(&draft()).await;
    s.chain.lock().exhausted = true;
    let report = s.push().await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("quota_exhausted", Exit::Rejected)
    );
    let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Signed);
    assert_eq!(entry.last_error.as_deref(), Some("agent_quota_exhausted"));
    let retry = outbox::retries(&s.pool).await.unwrap();
    assert_eq!(retry[&entry.local_seq].failures, 1);

    // A patient push waits until it is due, an impatient one does not.
    sqlx::query("UPDATE ves_retries SET next_attempt_ms = next_attempt_ms + 1000000")
        .execute(&s.pool)
        .await
        .unwrap();
    s.chain.lock().exhausted = false;
    let patient = PushOptions {
        patient: true,
        ..PushOptions::default()
    };
    assert!(s.push_with(patient).await.events.is_empty());
    assert_eq!(s.push().await.count(State::Finalized), 1);
    assert!(outbox::retries(&s.pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_event_that_no_block_takes_is_given_up_and_can_be_brought_back() {
    let s = Setup::new().await;
    let id = s.append(&draft()).await;
    s.chain.lock().lossy = true;
    let impatient = PushOptions {
        timeout: Duration::from_millis(300),
        ..PushOptions::default()
    };
    s.push_with(impatient.clone()).await;
    sqlx::query("UPDATE ves_outbox SET attempts = ?1")
        .bind(outbox::MAX_HANDOVERS)
        .execute(&s.pool)
        .await
        .unwrap();
    let report = s.push_with(impatient).await;
    assert_eq!(report.failure(), None, "nothing is on its way any more");
    let dead = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(
        (dead.state, dead.reason.as_deref()),
        (State::Dead, Some("never_included"))
    );
    s.chain.lock().lossy = false;
    assert!(s.push().await.events.is_empty());

    let mut db = s.pool.acquire().await.unwrap();
    assert!(outbox::revive(&mut db, dead.local_seq).await.unwrap());
    drop(db);
    let report = s.push().await;
    assert_eq!(report.count(State::Finalized), 1);
    assert_eq!(report.events[0].event, dead.event, "the bytes are the same");
}

#[tokio::test]
async fn a_preview_shows_the_bytes_of_the_push_and_changes_nothing() {
    let s = Setup::new().await;
    s.append_many(6).await;
    let bad = Draft {
        entity_id: "0".into(),
        base_version: Some(9),
        ..draft()
    };
    s.append(&bad).await;
    let mut signers = Signers::new(&s.keys, &no_passphrase);
    let shown = preview(&s.pool, &s.chain, &mut signers, usize::MAX)
        .await
        .unwrap();
    assert_eq!((shown.events.len(), shown.submissions), (7, 2));
    assert_eq!(s.chain.lock().submissions, 0);
    let kept = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    assert!(kept.iter().all(|entry| entry.state == State::Queued));
    let report = s.push().await;
    for ((before, verdict), after) in shown.events.iter().zip(&report.events) {
        assert_eq!(before.event, after.event);
        let rejected = matches!(verdict, Admission::Rejected(_));
        assert_eq!(rejected, after.state == State::Rejected);
    }
}

#[tokio::test]
async fn two_pushes_at_once_sequence_everything_once() {
    let s = Setup::new().await;
    s.append_many(20).await;
    let (one, other) = tokio::join!(s.push(), s.push());
    assert_eq!((one.failure(), other.failure()), (None, None));
    assert_eq!(s.chain.sequenced(), 20);
    let all = outbox::latest(&s.pool, None, 30).await.unwrap();
    assert!(all.iter().all(|entry| entry.state == State::Finalized));
}
