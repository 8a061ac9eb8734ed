// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod set_aside;

use super::*;
use crate::{
    capture::{Audience, Draft, append},
    entities::Content,
    error::Exit,
    keys::{KeyStore, Purpose, Signer},
    push::{PushOptions, PushReport, Signers, push},
    testing::{AGENT, FakeChain, SEED, draft, key_store, pool, proofs::STREAM, signed, ui},
    vault::Passphrase,
};
use serde_json::{Value, json};
use ves_primitives::{
    CommandId, EncryptionPublicKey, KeyId, Payload, RecipientKid, wire::SequencedEventJson,
};

struct Setup {
    _dirs: (tempfile::TempDir, tempfile::TempDir),
    pool: SqlitePool,
    keys: KeyStore,
    chain: FakeChain,
}

fn clear(record: &SequencedEventJson) -> Result<Content> {
    let payload = record.event.payload.clone();
    Ok(payload.map_or(Content::Opaque, Content::Clear))
}

fn own(entry: &Entry) -> Result<Value> {
    match &entry.event.payload {
        Payload::Plain(json) => Ok(serde_json::from_slice(json).unwrap()),
        Payload::Encrypted(_) => panic!("public events only"),
    }
}

fn no_passphrase() -> Result<Passphrase> {
    panic!("asked for a passphrase")
}

fn change(payload: &str, base_version: Option<u64>) -> Draft {
    Draft {
        event_type: "order.updated".into(),
        payload: payload.into(),
        base_version,
        ..draft()
    }
}

impl Setup {
    /// The entity is at version 1 and pulled. Another machine signs with key 1, this one with key 2.
    async fn new() -> Self {
        let (db_dir, pool) = pool().await;
        let (key_dir, keys) = key_store();
        let second = keys
            .generate(AGENT, Purpose::Signing, &crate::keys::Protection::Plaintext)
            .unwrap();
        let chain = FakeChain::with_seed();
        chain.register(KeyId(2), second.public_key);
        let s = Self {
            _dirs: (db_dir, key_dir),
            pool,
            keys,
            chain,
        };
        s.elsewhere(r#"{"status":"new","quantity":10,"note":"a"}"#);
        s.pull().await;
        s
    }

    /// Somebody else's event.
    fn elsewhere(&self, payload: &str) {
        assert_eq!(
            Signer::from_seed(KeyId(1), &SEED).key_id,
            KeyId(1),
            "`signed` signs as key 1"
        );
        self.chain.commit(vec![signed(&change(payload, None))]);
    }

    async fn pull(&self) {
        let report = crate::pull::pull(&self.pool, &self.chain, STREAM, None, &ui())
            .await
            .unwrap();
        assert_eq!(report.failure(), None);
    }

    async fn append(&self, draft: &Draft) -> EventId {
        append(&mut self.pool.acquire().await.unwrap(), draft)
            .await
            .unwrap()
            .event_id
    }

    async fn push(&self) -> PushReport {
        let mut signers = Signers::new(&self.keys, &no_passphrase);
        let options = PushOptions::default();
        push(&self.pool, &self.chain, &mut signers, &options, &ui())
            .await
            .unwrap()
    }

    async fn conflicts(&self) -> Vec<Conflict> {
        detect(&self.pool, STREAM).await.unwrap()
    }

    async fn plan(&self, conflict: &Conflict, strategy: Strategy) -> Result<Resolution> {
        plan(&self.pool, STREAM, conflict, strategy, &mut clear, &mut own).await
    }

    async fn resolve(&self, strategy: Strategy) -> usize {
        let conflict = self.conflicts().await.remove(0);
        let resolution = self.plan(&conflict, strategy).await.unwrap();
        commit(&self.pool, &resolution).await.unwrap().len()
    }

    async fn state(&self) -> Option<Value> {
        self.pull().await;
        crate::entities::project(&self.pool, STREAM, false, &mut clear)
            .await
            .unwrap();
        let mut db = self.pool.acquire().await.unwrap();
        let found = crate::entities::entity(&mut db, STREAM, "order", "A-1")
            .await
            .unwrap();
        found.and_then(|(entity, _)| entity.state)
    }
}

#[tokio::test]
async fn an_event_whose_entity_moved_on_is_a_conflict_and_the_same_one_each_time() {
    let s = Setup::new().await;
    let id = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.conflicts().await, [], "the version is the present one");
    s.elsewhere(r#"{"note":"b"}"#);
    assert_eq!(s.conflicts().await, [], "not pulled yet");
    s.pull().await;
    let found = s.conflicts().await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            found[0].id(),
            found[0].base_version,
            found[0].remote_version
        ),
        (id, 1, 2)
    );
    assert!(found[0].pulled && found[0].followers.is_empty());
    assert_eq!(s.conflicts().await, found);
    // Without a base version nothing is promised, so nothing is in conflict.
    s.append(&Draft {
        entity_id: "B".into(),
        ..change("{}", None)
    })
    .await;
    assert_eq!(s.conflicts().await.len(), 1);
}

#[tokio::test]
async fn a_conflicting_event_is_not_sent_and_the_others_are() {
    let s = Setup::new().await;
    let id = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.append(&Draft {
        entity_id: "B".into(),
        ..draft()
    })
    .await;
    s.elsewhere(r#"{"note":"b"}"#);
    s.pull().await;
    let report = s.push().await;
    let failure = report.failure().unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("unresolved_conflicts", Exit::Conflicts)
    );
    assert_eq!(report.count(State::Finalized), 1);
    assert_eq!(report.held.len(), 1);
    let kept = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(kept.state, State::Queued, "nothing was signed for it");
}

/// Both are in one submission: without care the chain would take the second, whose number somebody else
/// has taken meanwhile.
#[tokio::test]
async fn what_builds_on_a_rejected_event_is_held_although_its_version_is_right_by_now() {
    let s = Setup::new().await;
    let first = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    let second = s.append(&change(r#"{"status":"sent"}"#, Some(2))).await;
    s.elsewhere(r#"{"status":"cancelled"}"#);
    let report = s.push().await;
    assert_eq!(report.count(State::Rejected), 1);
    assert_eq!(
        report.held.iter().map(Entry::event_id).collect::<Vec<_>>(),
        [second]
    );
    assert_eq!(s.chain.sequenced(), 2);
    // Nor by the next push, nor after the news was pulled.
    for _ in 0..2 {
        assert_eq!(s.push().await.held.len(), 1);
        s.pull().await;
    }
    let conflict = s.conflicts().await.remove(0);
    assert_eq!(conflict.id(), first);
    assert_eq!(conflict.followers.len(), 1);
    // What is captured in the knowledge of the news is no part of it.
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    s.append(&change(r#"{"note":"c"}"#, Some(2))).await;
    assert_eq!(s.conflicts().await.remove(0).followers.len(), 1);
    assert_eq!(s.push().await.count(State::Finalized), 1);
}

/// Its version may be taken by somebody else's event, and then the chain would let it pass.
#[tokio::test]
async fn what_was_made_on_top_of_a_lost_event_is_in_conflict_whatever_became_of_that_one() {
    for (state, reason) in [
        ("dead", None),
        ("superseded", None),
        ("rejected", Some("policy_forbids_type")),
    ] {
        let s = Setup::new().await;
        let first = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
        let second = s.append(&change(r#"{"status":"sent"}"#, Some(2))).await;
        let third = s.append(&change(r#"{"note":"c"}"#, Some(3))).await;
        assert_eq!(s.conflicts().await, [], "a row of own events is none");
        sqlx::query("UPDATE ves_outbox SET state = ?1, reason = ?2 WHERE event_id = ?3")
            .bind(state)
            .bind(reason)
            .bind(first.0.as_slice())
            .execute(&s.pool)
            .await
            .unwrap();
        let conflict = s.conflicts().await.remove(0);
        assert_eq!(
            (conflict.cause, conflict.id()),
            (Cause::LostBase, second),
            "{state}"
        );
        assert_eq!(conflict.followers[0].event_id(), third);
        // Somebody takes the place of the first: now the number of the second is right by accident.
        s.elsewhere(r#"{"status":"cancelled"}"#);
        let report = s.push().await;
        assert_eq!((report.held.len(), s.chain.sequenced()), (2, 2), "{state}");
        assert_eq!(report.failure().unwrap().code, "unresolved_conflicts");

        s.pull().await;
        assert_eq!(s.resolve(Strategy::LocalWins).await, 2);
        assert_eq!(s.push().await.failure(), None);
        let status = s.state().await.unwrap();
        assert_eq!(
            (&status["status"], &status["note"]),
            (&json!("sent"), &json!("c"))
        );
    }
}

#[tokio::test]
async fn what_was_made_on_top_of_pulled_news_or_of_an_event_made_anew_is_not_in_conflict() {
    let s = Setup::new().await;
    let first = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    let mut db = s.pool.acquire().await.unwrap();
    let entry = outbox::find(&s.pool, first).await.unwrap().unwrap();
    assert!(
        outbox::set_aside(&mut db, entry.local_seq, State::Queued, State::Dead)
            .await
            .unwrap()
    );
    drop(db);
    // Made anew: what follows builds on this one.
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.append(&change(r#"{"status":"sent"}"#, Some(2))).await;
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.count(State::Finalized), 2);
    s.pull().await;
    // On top of what was pulled, of which the third event is somebody else's.
    s.elsewhere(r#"{"note":"b"}"#);
    s.pull().await;
    s.append(&change(r#"{"note":"c"}"#, Some(4))).await;
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.count(State::Finalized), 1);
}

/// Both are in one submission, and the first is refused for a reason of its own.
#[tokio::test]
async fn what_builds_on_an_event_that_is_refused_on_the_way_is_held() {
    let s = Setup::new().await;
    let command = Some(CommandId([9; 16]));
    let elsewhere = Draft {
        command_id: command,
        entity_id: "B".into(),
        ..change("{}", None)
    };
    s.chain.commit(vec![signed(&elsewhere)]);
    let first = s
        .append(&Draft {
            command_id: command,
            ..change(r#"{"status":"paid"}"#, Some(1))
        })
        .await;
    let second = s.append(&change(r#"{"status":"sent"}"#, Some(2))).await;
    let report = s.push().await;
    let entry = outbox::find(&s.pool, first).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Rejected, "{:?}", entry.reason);
    assert_eq!(
        report.held.iter().map(Entry::event_id).collect::<Vec<_>>(),
        [second]
    );
    assert_eq!(s.conflicts().await.remove(0).id(), second);
}

#[tokio::test]
async fn remote_wins_gives_way_and_captures_nothing() {
    let s = Setup::new().await;
    let id = s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.elsewhere(r#"{"status":"cancelled"}"#);
    s.pull().await;
    assert_eq!(s.resolve(Strategy::RemoteWins).await, 0);
    let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Superseded);
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.failure(), None);
    assert_eq!(s.state().await.unwrap()["status"], "cancelled");
}

#[tokio::test]
async fn local_wins_says_the_same_again_on_top_with_the_same_command() {
    let s = Setup::new().await;
    let command = Some(CommandId([7; 16]));
    let id = s
        .append(&Draft {
            command_id: command,
            ..change(r#"{"status":"paid"}"#, Some(1))
        })
        .await;
    s.append(&change(r#"{"quantity":9}"#, Some(2))).await;
    s.elsewhere(r#"{"status":"cancelled"}"#);
    s.pull().await;
    assert_eq!(s.resolve(Strategy::LocalWins).await, 2);
    let newest = outbox::latest(&s.pool, Some(State::Queued), 9)
        .await
        .unwrap();
    let versions: Vec<_> = newest
        .iter()
        .rev()
        .map(|entry| entry.event.envelope.base_version)
        .collect();
    assert_eq!(versions, [Some(2), Some(3)]);
    assert_eq!(newest[1].event.envelope.command_id, command);
    assert_ne!(newest[1].event_id(), id);
    assert_eq!(s.push().await.count(State::Finalized), 2);
    let state = s.state().await.unwrap();
    assert_eq!(
        (&state["status"], &state["quantity"]),
        (&json!("paid"), &json!(9))
    );
}

#[tokio::test]
async fn a_merge_keeps_what_each_side_changed_over_a_whole_chain() {
    let s = Setup::new().await;
    s.append(&change(r#"{"status":"new","note":"mine"}"#, Some(1)))
        .await;
    s.append(&change(r#"{"note":"mine again"}"#, Some(2))).await;
    s.elsewhere(r#"{"status":"paid"}"#);
    s.pull().await;
    assert_eq!(s.resolve(Strategy::Merge).await, 2);
    assert_eq!(s.push().await.failure(), None);
    assert_eq!(
        s.state().await.unwrap(),
        json!({"status": "paid", "note": "mine again", "quantity": 10})
    );
}

#[tokio::test]
async fn an_encrypted_event_is_not_replaced_by_a_public_one() {
    let s = Setup::new().await;
    let own_key = s
        .keys
        .generate(
            AGENT,
            Purpose::Encryption,
            &crate::keys::Protection::Plaintext,
        )
        .unwrap();
    let readers = Audience::Recipients {
        key_id: KeyId(2),
        keys: vec![(RecipientKid(1), EncryptionPublicKey(own_key.public_key))],
    };
    let secret = Draft {
        audience: readers.clone(),
        ..change(r#"{"note":"c"}"#, Some(1))
    };
    let id = s.append(&secret).await;
    s.elsewhere(r#"{"note":"b"}"#);
    s.pull().await;
    let conflict = s.conflicts().await.remove(0);
    let mut opened = |_: &Entry| -> Result<Value> { Ok(json!({"note": "c"})) };
    let mut planned = plan(
        &s.pool,
        STREAM,
        &conflict,
        Strategy::LocalWins,
        &mut clear,
        &mut opened,
    )
    .await
    .unwrap();
    let failure = commit(&s.pool, &planned).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("replacement_in_the_clear", Exit::Usage)
    );
    let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Queued, "nothing is decided");

    planned.events[0].draft.as_mut().unwrap().audience = readers;
    let captured = commit(&s.pool, &planned).await.unwrap();
    let replacement = outbox::find(&s.pool, captured[0].event_id).await.unwrap();
    let payload = replacement.unwrap().event.payload;
    assert!(matches!(payload, Payload::Encrypted(_)));
}

#[tokio::test]
async fn a_merge_with_a_clash_commits_nothing_and_a_reapplied_number_does() {
    let s = Setup::new().await;
    let id = s.append(&change(r#"{"quantity":8}"#, Some(1))).await;
    s.elsewhere(r#"{"quantity":7}"#);
    s.pull().await;
    let conflict = s.conflicts().await.remove(0);
    let clash = s.plan(&conflict, Strategy::Merge).await.unwrap();
    assert_eq!(clash.clashes(), ["quantity"]);
    let failure = commit(&s.pool, &clash).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("fields_clash", Exit::Conflicts)
    );
    let entry = outbox::find(&s.pool, id).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Queued);

    let planned = s.plan(&conflict, Strategy::Reapply).await.unwrap();
    let field = &planned.events[0].fields[0];
    assert_eq!(
        (&field.base, &field.remote, &field.local, &field.result),
        (
            &Some(json!(10)),
            &Some(json!(7)),
            &Some(json!(8)),
            &Some(json!(5))
        )
    );
    assert_eq!(commit(&s.pool, &planned).await.unwrap().len(), 1);
    assert_eq!(s.push().await.failure(), None);
    assert_eq!(s.state().await.unwrap()["quantity"], 5);
}

#[tokio::test]
async fn a_rejection_that_is_not_pulled_yet_cannot_be_merged_but_can_give_way() {
    let s = Setup::new().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.elsewhere(r#"{"note":"b"}"#);
    assert_eq!(s.push().await.count(State::Rejected), 1);
    let conflict = s.conflicts().await.remove(0);
    assert!(!conflict.pulled);
    assert_eq!(conflict.remote_version, 2);
    let failure = s.plan(&conflict, Strategy::Merge).await.unwrap_err();
    assert_eq!(failure.code, "pull_first");
    let planned = s.plan(&conflict, Strategy::Skip).await.unwrap();
    commit(&s.pool, &planned).await.unwrap();
    assert_eq!(
        outbox::latest(&s.pool, Some(State::Dead), 9)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(s.conflicts().await, []);
}

#[tokio::test]
async fn a_merge_of_what_cannot_be_read_is_refused() {
    let s = Setup::new().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.elsewhere(r#"{"note":"b"}"#);
    s.pull().await;
    let conflict = s.conflicts().await.remove(0);
    let mut blind = |_: &SequencedEventJson| Ok(Content::Opaque);
    let attempt = |strategy| (strategy, conflict.clone());
    for (strategy, conflict) in [attempt(Strategy::Merge), attempt(Strategy::Reapply)] {
        let failure = plan(&s.pool, STREAM, &conflict, strategy, &mut blind, &mut own)
            .await
            .unwrap_err();
        assert_eq!(failure.code, "state_incomplete");
    }
    let strategy = Strategy::LocalWins;
    let planned = plan(&s.pool, STREAM, &conflict, strategy, &mut blind, &mut own).await;
    assert!(planned.is_ok());
}

#[tokio::test]
async fn two_decisions_about_one_conflict_do_not_both_count() {
    let s = Setup::new().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.elsewhere(r#"{"note":"b"}"#);
    s.pull().await;
    let conflict = s.conflicts().await.remove(0);
    let one = s.plan(&conflict, Strategy::LocalWins).await.unwrap();
    let other = s.plan(&conflict, Strategy::Merge).await.unwrap();
    commit(&s.pool, &one).await.unwrap();
    let failure = commit(&s.pool, &other).await.unwrap_err();
    assert_eq!(failure.code, "conflict_changed");
    let queued = outbox::latest(&s.pool, Some(State::Queued), 9)
        .await
        .unwrap();
    assert_eq!(queued.len(), 1, "the second one left nothing behind");
}
