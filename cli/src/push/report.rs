// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a push did, and what that means.

use crate::{
    error::{Exit, Failure},
    outbox::{Entry, State},
};

/// What a push did.
#[derive(Clone, Debug, Default)]
pub struct PushReport {
    /// Events looked at, with their state after the push.
    pub events: Vec<Entry>,
    /// Events left alone because their entity has moved on.
    pub held: Vec<Entry>,
    /// Submissions handed to the node.
    pub submissions: u32,
    /// Why the push stopped before every event was settled.
    pub stopped: Option<Failure>,
}

impl PushReport {
    /// Says what an interrupted push did, now that it is known.
    pub(super) fn tell_of_interruption(&mut self) {
        let (finalized, all) = (self.count(State::Finalized), self.events.len());
        let on_their_way = self
            .events
            .iter()
            .filter(|entry| matches!(entry.state, State::Submitted | State::InBlock))
            .count();
        if let Some(stopped) = &mut self.stopped
            && stopped.exit == Exit::Interrupted
        {
            stopped.message = format!(
                "interrupted: {finalized} of {all} events are final, {on_their_way} on their way; \
                 every step that was begun is whole or undone"
            );
        }
    }

    /// Events in this state after the push.
    pub fn count(&self, state: State) -> usize {
        self.events
            .iter()
            .filter(|entry| entry.state == state)
            .count()
    }

    /// The failure to exit with: what stopped the push, else rejected events, else those that wait for a
    /// decision, else those that are not proven final, else those that wait for a quota.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        let all = self.events.len();
        let rejected = self.count(State::Rejected);
        if rejected > 0 {
            let message = format!("{rejected} of {all} events were rejected");
            return Some(
                Failure::new(Exit::Rejected, "events_rejected", message)
                    .hint("the reasons are in the report and in `stateset-sync history`"),
            );
        }
        if !self.held.is_empty() {
            let message = format!(
                "{} event(s) wait for a decision, or for an earlier event of their entity",
                self.held.len()
            );
            return Some(
                Failure::new(Exit::Conflicts, "unresolved_conflicts", message)
                    .hint("see `stateset-sync conflicts`, then `resolve` or `rebase`"),
            );
        }
        let unproven = self
            .events
            .iter()
            .filter(|entry| entry.is_unproven())
            .count();
        if unproven > 0 {
            let message =
                format!("the node calls {unproven} of {all} events final and does not prove it");
            return Some(
                Failure::new(Exit::NotVerified, "finality_not_proven", message).hint(
                    "the reasons are in the report; the next pull or push settles the events, \
                     if need be with another node",
                ),
            );
        }
        let deferred = self
            .events
            .iter()
            .filter(|entry| entry.is_deferred())
            .count();
        (deferred > 0).then(|| {
            let message = format!("{deferred} of {all} events wait for a quota");
            Failure::new(Exit::Rejected, "quota_exhausted", message)
                .hint("push again later; the events are kept")
        })
    }
}
