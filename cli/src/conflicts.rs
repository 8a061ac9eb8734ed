// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events of the outbox whose entity has moved on, and what to do about them.
//!
//! An event that names a base version is sequenced at exactly that version or not at all. It is in
//! conflict if the verified events show a newer version, or if the chain rejected it for that reason.
//! Whatever this agent captured on top of it is part of the same conflict: its base version may have been
//! taken by somebody else's event, and then the chain would let it pass although nobody saw that state.
//! So an entity has at most one conflict, and it is named by its first event. Nothing is stored about it:
//! the same outbox and the same stream give the same conflicts.

mod merge;
mod resolve;

pub use merge::{Field, Outcome, merge};
pub use resolve::{Planned, Resolution, commit, plan};

use crate::{
    error::Result,
    inbox::{self, Stream},
    outbox::{self, Entry, State},
};
use serde::Serialize;
use sqlx::SqlitePool;
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::EventId;

/// How the chain's reason for such a rejection begins.
pub const REASON: &str = "version_conflict";

/// What to do about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The event gives way; nothing is captured instead.
    RemoteWins,
    /// The same payload is captured anew, on top of what happened meanwhile.
    LocalWins,
    /// Each side keeps the fields it changed; a field that both changed is a clash.
    Merge,
    /// As merge, and numbers that both sides changed are moved by as much as the event moved them.
    Reapply,
    /// The event is given up without a replacement, and the conflict counts as seen.
    Skip,
}

impl Strategy {
    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RemoteWins => "remote_wins",
            Self::LocalWins => "local_wins",
            Self::Merge => "merge",
            Self::Reapply => "reapply",
            Self::Skip => "skip",
        }
    }
}

/// An event in conflict, with those that build on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The first event; names the conflict.
    pub head: Entry,
    /// Later events of the same entity, oldest first.
    pub followers: Vec<Entry>,
    /// The version that the first event builds on.
    pub base_version: u64,
    /// The version that the entity has, as far as it is known here.
    pub remote_version: u64,
    /// Whether that version was pulled and verified; if not, only a rejection tells of it.
    pub pulled: bool,
}

impl Conflict {
    /// The event that names it.
    pub const fn id(&self) -> EventId {
        self.head.event_id()
    }

    /// Kind and id of the entity.
    pub fn entity(&self) -> (String, String) {
        entity_of(&self.head)
    }

    /// All its events, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.head).chain(&self.followers)
    }
}

fn entity_of(entry: &Entry) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let envelope = &entry.event.envelope;
    (text(&envelope.entity_type), text(&envelope.entity_id))
}

/// Whether the chain rejected the event because its entity had moved on.
fn is_rejected_for_version(entry: &Entry) -> bool {
    entry.state == State::Rejected
        && entry
            .reason
            .as_deref()
            .is_some_and(|reason| reason.starts_with(REASON))
}

/// The version that a rejection says the entity had.
fn stated_version(entry: &Entry) -> Option<u64> {
    let reason = entry.reason.as_deref()?;
    reason.rsplit_once("actual ")?.1.parse().ok()
}

/// The conflicts of a stream, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn detect(pool: &SqlitePool, stream: Stream) -> Result<Vec<Conflict>> {
    let mut by_entity: BTreeMap<(String, String), Vec<Entry>> = BTreeMap::new();
    for entry in outbox::with_base_version(pool, stream, REASON).await? {
        by_entity.entry(entity_of(&entry)).or_default().push(entry);
    }
    let mut conflicts = Vec::new();
    for ((entity_type, entity_id), entries) in by_entity {
        let pulled = inbox::version_of(pool, stream, &entity_type, &entity_id).await?;
        let stale = |entry: &Entry| {
            let base = entry.event.envelope.base_version.unwrap_or(u64::MAX);
            is_rejected_for_version(entry) || base < pulled
        };
        let mut rest = entries.into_iter().skip_while(|entry| !stale(entry));
        let Some(head) = rest.next() else { continue };
        // What was captured when the news was here already builds on the news.
        let known_since = match is_rejected_for_version(&head) {
            true => Some(head.updated_at.clone()),
            false => {
                let base = head.event.envelope.base_version.unwrap_or_default();
                inbox::pulled_at(pool, stream, (&entity_type, &entity_id), base).await?
            }
        };
        let unaware = |entry: &Entry| {
            known_since
                .as_ref()
                .is_none_or(|at| entry.captured_at <= *at)
        };
        let remote_version = match is_rejected_for_version(&head) {
            true => stated_version(&head).map_or(pulled, |stated| stated.max(pulled)),
            false => pulled,
        };
        conflicts.push(Conflict {
            base_version: head.event.envelope.base_version.unwrap_or_default(),
            remote_version,
            pulled: remote_version == pulled,
            followers: rest.filter(unaware).collect(),
            head,
        });
    }
    conflicts.sort_unstable_by_key(|conflict| conflict.head.local_seq);
    Ok(conflicts)
}

/// The conflict that this event is part of.
///
/// # Errors
/// As [`detect`].
pub async fn of_event(
    pool: &SqlitePool,
    stream: Stream,
    event: EventId,
) -> Result<Option<Conflict>> {
    Ok(detect(pool, stream)
        .await?
        .into_iter()
        .find(|conflict| conflict.events().any(|entry| entry.event_id() == event)))
}

/// Positions of unsent events that a push must leave alone until somebody decides.
///
/// # Errors
/// As [`detect`].
pub async fn held(pool: &SqlitePool, streams: &BTreeSet<Stream>) -> Result<BTreeSet<i64>> {
    let mut held = BTreeSet::new();
    for stream in streams {
        for conflict in detect(pool, *stream).await? {
            held.extend(
                conflict
                    .events()
                    .filter(|entry| matches!(entry.state, State::Queued | State::Signed))
                    .map(|entry| entry.local_seq),
            );
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests;
