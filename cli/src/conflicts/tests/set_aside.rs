// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Conflicts about entities of which events were set aside: the chain counts them.

use super::*;
use crate::testing::{forge, prune};

impl Setup {
    /// Another machine changes the entity for the second time, and the node shows that differently.
    async fn with_second(lie: impl Fn(&mut SequencedEventJson) + Send + Sync + 'static) -> Self {
        let mut s = Self::new().await;
        s.chain.lie_about(2, lie);
        s.elsewhere(r#"{"note":"b"}"#);
        s
    }

    /// Pulls, whatever is quarantined.
    async fn pull_somehow(&self) {
        let report = crate::pull::pull(&self.pool, &self.chain, STREAM, None, &ui())
            .await
            .unwrap();
        assert_eq!(report.stopped, None);
    }

    async fn only(&self) -> Conflict {
        let mut found = self.conflicts().await;
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    async fn refusal(&self, conflict: &Conflict, strategy: Strategy) -> &'static str {
        self.plan(conflict, strategy).await.unwrap_err().code
    }

    /// A node that shows everything as it is.
    async fn promote(&mut self) {
        self.chain.record_lie = None;
        let again = crate::pull::recheck(&self.pool, &self.chain, STREAM, None, false, &ui()).await;
        assert!(again.unwrap().iter().all(|item| item.promoted));
    }
}

#[tokio::test]
async fn a_version_that_counts_an_event_without_payload_is_the_chains() {
    let s = Setup::with_second(prune).await;
    s.pull().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(2))).await;
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.count(State::Finalized), 1);
}

#[tokio::test]
async fn a_conflict_about_an_event_without_payload_can_be_decided_but_not_merged() {
    let s = Setup::with_second(prune).await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.push().await.count(State::Rejected), 1);
    let conflict = s.only().await;
    assert_eq!(
        s.refusal(&conflict, Strategy::LocalWins).await,
        "pull_first"
    );
    s.pull().await;
    let conflict = s.only().await;
    assert_eq!((conflict.remote_version, conflict.pulled), (2, true));
    assert!(!conflict.incomplete);
    for strategy in [Strategy::Merge, Strategy::Reapply] {
        assert_eq!(s.refusal(&conflict, strategy).await, "state_incomplete");
    }
    assert_eq!(s.resolve(Strategy::LocalWins).await, 1);
    assert_eq!(s.push().await.count(State::Finalized), 1);
    assert_eq!(s.conflicts().await, []);
}

#[tokio::test]
async fn an_event_in_quarantine_is_counted_by_what_the_rejection_says() {
    let mut s = Setup::with_second(forge).await;
    s.pull_somehow().await;
    // As `state` shows it: too low, and said to be incomplete.
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.count(State::Rejected), 1);
    let conflict = s.only().await;
    assert_eq!((conflict.remote_version, conflict.pulled), (2, false));
    assert!(conflict.quarantined && conflict.incomplete);
    for strategy in [Strategy::Merge, Strategy::Reapply] {
        assert_eq!(s.refusal(&conflict, strategy).await, "state_incomplete");
    }
    assert_eq!(s.resolve(Strategy::LocalWins).await, 1);
    assert_eq!(s.conflicts().await, [], "the replacement is not held");
    assert_eq!(s.push().await.count(State::Finalized), 1);
    s.promote().await;
    let state = s.state().await.unwrap();
    assert_eq!(
        (&state["status"], &state["note"]),
        (&json!("paid"), &json!("b"))
    );
}

#[tokio::test]
async fn once_it_is_promoted_the_same_conflict_can_be_merged() {
    let mut s = Setup::with_second(forge).await;
    s.pull_somehow().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.push().await.count(State::Rejected), 1);
    s.promote().await;
    let conflict = s.only().await;
    assert!(conflict.pulled && !conflict.quarantined && !conflict.incomplete);
    assert_eq!(s.resolve(Strategy::Merge).await, 1);
    assert_eq!(s.push().await.failure(), None);
}

#[tokio::test]
async fn a_record_in_quarantine_that_names_another_entity_is_found_by_pulling_once_more() {
    let s = Setup::with_second(|record| record.event.entity_id = "B".into()).await;
    s.pull_somehow().await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.push().await.count(State::Rejected), 1);
    let conflict = s.only().await;
    assert_eq!(
        s.refusal(&conflict, Strategy::LocalWins).await,
        "pull_first"
    );
    s.pull_somehow().await;
    let conflict = s.only().await;
    assert!(conflict.quarantined && conflict.incomplete);
    assert_eq!(
        s.refusal(&conflict, Strategy::Merge).await,
        "state_incomplete"
    );
    assert_eq!(s.resolve(Strategy::LocalWins).await, 1);
    assert_eq!(s.conflicts().await, []);
    assert_eq!(s.push().await.count(State::Finalized), 1);
}

#[tokio::test]
async fn what_is_not_pulled_yet_is_to_be_pulled_whatever_is_in_quarantine() {
    let s = Setup::with_second(forge).await;
    s.pull_somehow().await;
    s.elsewhere(r#"{"note":"c"}"#);
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    assert_eq!(s.push().await.count(State::Rejected), 1);
    let conflict = s.only().await;
    assert!(!conflict.quarantined && conflict.incomplete);
    assert_eq!(
        s.refusal(&conflict, Strategy::LocalWins).await,
        "pull_first"
    );
    s.pull_somehow().await;
    let conflict = s.only().await;
    assert_eq!(conflict.remote_version, 3);
    assert_eq!(s.resolve(Strategy::LocalWins).await, 1);
    assert_eq!(s.push().await.count(State::Finalized), 1);
}

#[tokio::test]
async fn what_builds_on_a_replacement_that_is_lost_is_held_although_events_are_in_quarantine() {
    let s = Setup::with_second(forge).await;
    s.pull_somehow().await;
    s.append(&change(r#"{"status":"paid"}"#, Some(1))).await;
    s.append(&change(r#"{"status":"sent"}"#, Some(2))).await;
    assert_eq!(s.push().await.count(State::Rejected), 1);
    assert_eq!(s.resolve(Strategy::LocalWins).await, 2);
    assert_eq!(s.conflicts().await, []);
    let newest = outbox::latest(&s.pool, Some(State::Queued), 9)
        .await
        .unwrap();
    let (second, first) = (&newest[0], &newest[1]);
    let mut db = s.pool.acquire().await.unwrap();
    assert!(
        outbox::set_aside(&mut db, first.local_seq, State::Queued, State::Dead)
            .await
            .unwrap()
    );
    drop(db);
    let conflict = s.only().await;
    assert_eq!(
        (conflict.cause, conflict.id()),
        (Cause::LostBase, second.event_id())
    );
}
