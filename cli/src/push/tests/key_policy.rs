// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Keys that may sign only so much.

use super::*;
use crate::keys::{Enforcement, Protection, UsePolicy, set_policy, uses_of};

impl Setup {
    async fn limit(&self, policy: UsePolicy) {
        let mut db = self.pool.acquire().await.unwrap();
        set_policy(&mut db, AGENT, Purpose::Signing, Some(&policy))
            .await
            .unwrap();
    }

    async fn uses(&self, key: u32) -> Option<u64> {
        let uses = uses_of(&self.pool, AGENT).await.unwrap();
        uses.get(&KeyId(key)).copied()
    }

    /// A second key takes over.
    fn rotate(&self) {
        let next = self
            .keys
            .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
            .unwrap();
        self.chain.register(next.key_id, next.public_key);
    }
}

fn at_most(max_uses: u64, enforcement: Enforcement) -> UsePolicy {
    UsePolicy {
        max_uses: Some(max_uses),
        enforcement,
        ..UsePolicy::default()
    }
}

#[tokio::test]
async fn a_key_signs_as_much_as_its_policy_allows_and_its_successor_the_rest() {
    let s = Setup::new().await;
    s.limit(at_most(6, Enforcement::Refuse)).await;
    s.append_many(10).await;
    let report = s.push().await;
    let failure = report.failure().unwrap();
    assert_eq!((failure.code, failure.exit), ("key_used_up", Exit::Key));
    assert!(failure.hint.unwrap().contains("keys:rotate"));
    let states: Vec<State> = report.events.iter().map(|entry| entry.state).collect();
    let expected = [[State::Finalized; 6].as_slice(), &[State::Queued; 4]].concat();
    assert_eq!(states, expected, "what was signed before is final");
    assert_eq!(s.uses(1).await, Some(6));

    // Asked again, it signs nothing, and says so again.
    let report = s.push().await;
    assert_eq!(report.failure().unwrap().code, "key_used_up");
    assert_eq!(s.chain.sequenced(), 6);

    s.rotate();
    let report = s.push().await;
    assert_eq!(report.failure(), None);
    assert_eq!(report.count(State::Finalized), 4);
    assert_eq!((s.uses(1).await, s.uses(2).await), (Some(6), Some(4)));
}

#[tokio::test]
async fn a_policy_that_only_warns_keeps_no_event_from_being_signed() {
    let s = Setup::new().await;
    s.limit(at_most(2, Enforcement::Warn)).await;
    s.append_many(5).await;
    assert_eq!(s.push().await.failure(), None);
    assert_eq!(s.uses(1).await, Some(5), "uses are counted all the same");
}

#[tokio::test]
async fn a_use_is_counted_with_the_signature_and_once_however_often_the_push_stops() {
    for (point, uses) in [
        (CrashPoint::BeforeSign, None),
        (CrashPoint::AfterSign, Some(3)),
        (CrashPoint::AfterSubmit, Some(3)),
    ] {
        let s = Setup::new().await;
        s.limit(at_most(3, Enforcement::Refuse)).await;
        s.append_many(3).await;
        let stop = PushOptions {
            stop: Some(point),
            ..PushOptions::default()
        };
        s.push_with(stop).await;
        assert_eq!(s.uses(1).await, uses, "{point:?}");
        let report = s.push().await;
        assert_eq!(report.failure(), None, "{point:?}");
        assert_eq!(s.uses(1).await, Some(3), "{point:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_old_signs_nothing_new_but_what_it_signed_goes_out() {
    let s = Setup::new().await;
    s.append(&draft()).await;
    let stop = PushOptions {
        stop: Some(CrashPoint::AfterSign),
        ..PushOptions::default()
    };
    s.push_with(stop).await;
    let second = s
        .append(&Draft {
            entity_id: "b".into(),
            ..draft()
        })
        .await;
    s.limit(UsePolicy {
        max_age_hours: Some(0),
        enforcement: Enforcement::Refuse,
        ..UsePolicy::default()
    })
    .await;
    let report = s.push().await;
    assert_eq!(report.failure().unwrap().code, "key_too_old");
    assert_eq!(report.count(State::Finalized), 1);
    let left = outbox::find(&s.pool, second).await.unwrap().unwrap();
    assert_eq!(left.state, State::Queued);
}

/// Two versions of one entity: the second must not go out without the first.
#[tokio::test]
async fn what_builds_on_an_event_that_may_not_be_signed_waits_with_it() {
    let s = Setup::new().await;
    let on = |version| Draft {
        base_version: Some(version),
        ..draft()
    };
    s.append(&on(0)).await;
    s.append(&on(1)).await;
    s.append(&on(2)).await;
    s.limit(at_most(1, Enforcement::Refuse)).await;
    let report = s.push().await;
    assert_eq!(report.failure().unwrap().code, "key_used_up");
    assert_eq!(report.count(State::Rejected), 0);
    assert_eq!(s.chain.sequenced(), 1);
    // Each key signs one, in their order.
    for (sequenced, code) in [(2, Some("key_used_up")), (3, None)] {
        s.rotate();
        let report = s.push().await;
        assert_eq!(report.failure().map(|failure| failure.code), code);
        assert_eq!(report.count(State::Rejected), 0);
        assert_eq!(s.chain.sequenced(), sequenced);
    }
}

/// Whatever an earlier look said: the transaction that stores the signatures has the last word.
#[tokio::test]
async fn two_processes_together_do_not_sign_more_than_one_may() {
    let s = Setup::new().await;
    s.append_many(3).await;
    s.limit(at_most(2, Enforcement::Refuse)).await;
    let mut entries = outbox::open_entries(&s.pool, 0, 10).await.unwrap();
    let mut signers = Signers::new(&s.keys, &no_passphrase);
    for entry in &mut entries {
        entry.sign(signers.open(AGENT, KeyId(1)).unwrap()).unwrap();
    }
    let (first, others) = entries.split_first().unwrap();
    outbox::store_signatures(&s.pool, &[first]).await.unwrap();
    let others: Vec<&Entry> = others.iter().collect();
    let refused = outbox::store_signatures(&s.pool, &others).await;
    assert_eq!(refused.unwrap_err().code, "key_used_up");
    assert_eq!(s.uses(1).await, Some(1), "none of them is stored");
    let states: Vec<State> = outbox::open_entries(&s.pool, 0, 10)
        .await
        .unwrap()
        .iter()
        .map(|entry| entry.state)
        .collect();
    assert_eq!(states, [State::Signed, State::Queued, State::Queued]);
}

#[tokio::test]
async fn a_preview_shows_what_a_key_that_is_used_up_would_not_sign() {
    let s = Setup::new().await;
    s.limit(at_most(2, Enforcement::Refuse)).await;
    s.append_many(3).await;
    let mut signers = Signers::new(&s.keys, &no_passphrase);
    let shown = preview(&s.pool, &s.chain, &mut signers, usize::MAX)
        .await
        .unwrap();
    assert_eq!((shown.events.len(), shown.unsigned.len()), (2, 1));
    assert_eq!(shown.refusal.unwrap().code, "key_used_up");
    assert_eq!(s.uses(1).await, None, "nothing was signed for good");
    assert_eq!(s.push().await.count(State::Finalized), 2);
}
