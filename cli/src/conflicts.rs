// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events of the outbox whose entity has moved on, and what to do about them.
//!
//! An event that names a base version is sequenced at exactly that version or not at all. It is in
//! conflict if the verified events show a newer version, if the chain rejected it for that reason, or if
//! the own event that it was made on top of is lost: refused, given up, replaced, or in conflict itself.
//! Such an event's version may have been taken by somebody else's, and then the chain would let it pass
//! although nobody saw that state. What was captured when that version was pulled already was made on top
//! of what was pulled. So an entity has at most one conflict, and it is named by its first event. Nothing
//! is stored about it: the same outbox and the same stream give the same conflicts.
//!
//! An event in quarantine is missing here and counts on the chain. The version of its entity is then what
//! the chain's rejection says: pulling would not bring it, so nobody is told to pull for it.

mod merge;
mod resolve;

pub use merge::{Field, Outcome, merge};
pub use resolve::{Planned, Resolution, commit, plan};

use crate::{
    error::Result,
    inbox::{self, Missing, Stream},
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

/// Why an event is in conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody else's event came first.
    MovedOn,
    /// The own event that it was made on top of will not be sequenced.
    LostBase,
}

/// An event in conflict, with those that build on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Why its first event is in conflict.
    pub cause: Cause,
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
    /// Whether what was not pulled of that version is in quarantine, where no pull gets it from.
    pub quarantined: bool,
    /// Whether events of the entity may be in quarantine at all: its state here may then lack them.
    pub incomplete: bool,
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
    let whole_since = inbox::whole_since(pool, stream).await?;
    let mut conflicts = Vec::new();
    for ((entity_type, entity_id), entries) in by_entity {
        let name = (entity_type.as_str(), entity_id.as_str());
        let known = Known {
            pool,
            stream,
            name,
            version: inbox::version_of(pool, stream, name.0, name.1).await?,
            missing: inbox::missing(pool, stream, name).await?,
            whole_since: whole_since.as_deref(),
        };
        conflicts.extend(of_entity(&known, &entries).await?);
    }
    conflicts.sort_unstable_by_key(|conflict| conflict.head.local_seq);
    Ok(conflicts)
}

/// Whether nobody was given the event yet.
fn is_unsent(entry: &Entry) -> bool {
    matches!(entry.state, State::Queued | State::Signed)
}

/// What was pulled of an entity.
struct Known<'a> {
    pool: &'a SqlitePool,
    stream: Stream,
    name: (&'a str, &'a str),
    /// Events that are here.
    version: u64,
    /// Those that may be in quarantine.
    missing: Missing,
    /// When the newest pull began that came to the end of the stream.
    whole_since: Option<&'a str>,
}

impl Known<'_> {
    /// Whether the quarantine explains that the chain had this version when it rejected the event: by
    /// records that name the entity, or by any once a pull to the end has not brought what is lacking.
    fn explains(&self, stated: u64, rejected_at: &str) -> bool {
        let lacking = stated.saturating_sub(self.version);
        let pulled_since = self.whole_since.is_some_and(|at| at >= rejected_at);
        let most = match pulled_since {
            true => self.missing.in_stream,
            false => self.missing.of_entity,
        };
        lacking > 0 && lacking <= most
    }

    /// When the event that followed a version was pulled.
    async fn pulled_at(&self, version: u64) -> Result<Option<String>> {
        inbox::pulled_at(self.pool, self.stream, self.name, version).await
    }

    /// Whether it was known that somebody's event followed this version when the own event was captured:
    /// it was pulled, or it may be in quarantine and the chain had told an earlier own event of it.
    async fn was_known(&self, version: u64, entry: &Entry, entries: &[Entry]) -> Result<bool> {
        let at = self.pulled_at(version).await?;
        if at.is_some_and(|at| at <= entry.captured_at) {
            return Ok(true);
        }
        let most = self.version.saturating_add(self.missing.in_stream);
        let told = |earlier: &Entry| {
            stated_version(earlier).is_some_and(|stated| version < stated && stated <= most)
                && earlier.updated_at <= entry.captured_at
        };
        Ok(version >= self.version && entries.iter().any(told))
    }
}

/// The conflict of one entity, of which these are the own events with a base version, oldest first.
async fn of_entity(known: &Known<'_>, entries: &[Entry]) -> Result<Option<Conflict>> {
    let pulled = known.version;
    let base = |entry: &Entry| entry.event.envelope.base_version.unwrap_or_default();
    // For each version, whether the newest own event that was to lead beyond it is lost.
    let mut lost_at: BTreeMap<u64, bool> = BTreeMap::new();
    let mut known_since = None;
    let mut found: Option<Conflict> = None;
    for entry in entries {
        let rejected = is_rejected_for_version(entry);
        let moved_on = rejected || (is_unsent(entry) && base(entry) < pulled);
        let before = base(entry).checked_sub(1);
        let lost_base = match before.filter(|before| lost_at.get(before) == Some(&true)) {
            Some(before) if is_unsent(entry) => !known.was_known(before, entry, entries).await?,
            _ => false,
        };
        // What was captured before the news was here was made without it, whatever it builds on.
        let unaware = found.is_some()
            && (rejected || is_unsent(entry))
            && known_since
                .as_ref()
                .is_none_or(|at: &String| entry.captured_at <= *at);
        let lost = match entry.state {
            State::Queued | State::Signed => moved_on || lost_base || unaware,
            State::Rejected | State::Dead | State::Superseded => true,
            State::Submitted | State::InBlock | State::Finalized => false,
        };
        lost_at.insert(base(entry), lost);
        let belongs = moved_on || lost_base || unaware;
        match &mut found {
            _ if !belongs => {}
            Some(conflict) => conflict.followers.push(entry.clone()),
            None => {
                known_since = match rejected {
                    true => Some(entry.updated_at.clone()),
                    false => known.pulled_at(base(entry)).await?,
                };
                let remote_version = match rejected {
                    true => stated_version(entry).map_or(pulled, |stated| stated.max(pulled)),
                    false => pulled,
                };
                let quarantined = known.explains(remote_version, &entry.updated_at);
                if !moved_on {
                    // No news came: only what leads on from the lost event is part of it.
                    known_since = Some(String::new());
                }
                found = Some(Conflict {
                    cause: if moved_on {
                        Cause::MovedOn
                    } else {
                        Cause::LostBase
                    },
                    base_version: base(entry),
                    remote_version,
                    pulled: remote_version == pulled,
                    quarantined,
                    incomplete: quarantined || known.missing.of_entity > 0,
                    followers: Vec::new(),
                    head: entry.clone(),
                });
            }
        }
    }
    Ok(found)
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
