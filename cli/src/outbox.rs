// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The outbox: events on their way to the chain, and the moves between their states.
//!
//! ```text
//! queued ─► signed ─► submitted ─► in_block ─► finalized
//!    │        │           │            │
//!    ├────────┴───────────┴────────────┴─────► rejected ─┐
//!    ├────────┴───────────┴──────────────────► dead      ├─► (`retry`) queued, signed
//!    └────────┴───────────┴──────────────────► superseded
//! ```
//!
//! `finalized` is proven: the evidence is kept with it, by the push or by the pull that verified it. What
//! a node calls final and does not prove stays `in_block`, with a note. A `rejected` or `dead` event that a
//! pull finds in a final block is `finalized` too: the chain has the last word.
//!
//! `superseded` is somebody's decision about a conflict; `dead` is a decision too, or the end of a row
//! of failures that are the event's own. Content never changes; key id and signature are fixed at first
//! signing, so a crash and a retry produce the same bytes.

mod decisions;
mod outcomes;
mod retries;
mod row;
mod settled;

pub use decisions::{revive, set_aside, with_base_version};
pub use outcomes::{Outcome, hand_over, record, record_in, store_signatures};
pub use retries::{
    MAX_HANDOVERS, Retry, backoff, forget, next_due, note_failure, retries, waiting,
};
pub use settled::settle_verified;

use crate::{
    error::{Exit, Failure, Result},
    inbox::Stream,
    keys::Signer,
};
use row::{RawRow, damaged};
use serde::Serialize;
use sqlx::SqlitePool;
use std::fmt;
use ves_primitives::{EventId, KeyId, SubmittedEvent};

/// Where an event stands on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum State {
    /// Captured.
    Queued,
    /// Signed, never handed to a node.
    Signed,
    /// Handed to a node, or about to be.
    Submitted,
    /// In a block that is not proven final and may be replaced.
    InBlock,
    /// In a block that the tracked authorities made final, which was verified here.
    Finalized,
    /// Refused by the chain.
    Rejected,
    /// Given up.
    Dead,
    /// Replaced by another event.
    Superseded,
}

impl State {
    /// Every state, in order of life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Signed,
        Self::Submitted,
        Self::InBlock,
        Self::Finalized,
        Self::Rejected,
        Self::Dead,
        Self::Superseded,
    ];

    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Signed => "signed",
            Self::Submitted => "submitted",
            Self::InBlock => "in_block",
            Self::Finalized => "finalized",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
        }
    }

    fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| damaged(&format!("unknown state {name:?}")))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One event of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position in the outbox.
    pub local_seq: i64,
    /// Where it stands.
    pub state: State,
    /// The event. Its signature is zero until it is signed.
    pub event: SubmittedEvent,
    /// The key that signs, once fixed.
    pub key_id: Option<KeyId>,
    /// Whether the signature is there.
    pub signed: bool,
    /// How often it was handed to a node.
    pub attempts: i64,
    /// Hash of the extrinsic that carried it last.
    pub extrinsic_hash: Option<[u8; 32]>,
    /// Best block when it was last handed to a node.
    pub submitted_block: Option<u32>,
    /// Block that holds it.
    pub block_number: Option<u32>,
    /// Its place in the stream.
    pub sequence: Option<u64>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// When it was captured.
    pub captured_at: String,
    /// When its state changed last.
    pub updated_at: String,
}

impl Entry {
    /// Whether it was refused for a reason that passes, and waits to be due again.
    pub fn is_deferred(&self) -> bool {
        self.state == State::Signed && self.last_error.is_some()
    }

    /// Whether a node says that its block is final and did not prove it.
    pub fn is_unproven(&self) -> bool {
        self.state == State::InBlock && self.last_error.is_some()
    }

    /// The event's id.
    pub const fn event_id(&self) -> EventId {
        self.event.envelope.event_id
    }

    /// Fixes key and signature in memory; [`store_signatures`] commits them.
    ///
    /// # Errors
    /// A row whose content no longer passes the checks it passed at capture, or whose key is fixed
    /// to another one.
    pub fn sign(&mut self, signer: &Signer) -> Result<()> {
        if self.key_id.is_some_and(|key| key != signer.key_id) {
            return Err(Failure::new(
                Exit::Key,
                "key_mismatch",
                format!("event {} must be signed by another key", self.event_id()),
            ));
        }
        self.event.envelope.agent_key_id = signer.key_id;
        self.event.check().map_err(|e| damaged(&e.to_string()))?;
        let hash = self
            .event
            .envelope
            .signing_hash()
            .map_err(|e| damaged(&e.to_string()))?;
        self.event.envelope.agent_signature = signer.sign(&hash.0)?;
        self.key_id = Some(signer.key_id);
        self.signed = true;
        Ok(())
    }
}

/// Events still on their way behind an outbox position, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn open_entries(pool: &SqlitePool, after: i64, limit: i64) -> Result<Vec<Entry>> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE state IN ('queued', 'signed', 'submitted', 'in_block') \
         AND local_seq > ?1 ORDER BY local_seq LIMIT ?2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The events at these outbox positions, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn by_local_seq(
    pool: &SqlitePool,
    positions: &std::collections::BTreeSet<i64>,
) -> Result<Vec<Entry>> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE local_seq IN (SELECT value FROM json_each(?1)) \
         ORDER BY local_seq",
    )
    .bind(serde_json::json!(positions).to_string())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Where the event at this position stands.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn state_of(pool: &SqlitePool, local_seq: i64) -> Result<Option<State>> {
    let name: Option<String> =
        sqlx::query_scalar("SELECT state FROM ves_outbox WHERE local_seq = ?1")
            .bind(local_seq)
            .fetch_optional(pool)
            .await?;
    name.as_deref().map(State::parse).transpose()
}

/// The newest events, newest first, of one state or of all.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn latest(pool: &SqlitePool, state: Option<State>, limit: u32) -> Result<Vec<Entry>> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE ?1 IS NULL OR state = ?1 \
         ORDER BY local_seq DESC LIMIT ?2",
    )
    .bind(state.map(State::name))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Captured events before a place of the outbox, newest first, of one state or of all.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn page(
    pool: &SqlitePool,
    state: Option<State>,
    before: i64,
    limit: u32,
) -> Result<Vec<Entry>> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE (?1 IS NULL OR state = ?1) AND local_seq < ?2 \
         ORDER BY local_seq DESC LIMIT ?3",
    )
    .bind(state.map(State::name))
    .bind(before)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The event with this id, in whichever stream.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn find(pool: &SqlitePool, event: EventId) -> Result<Option<Entry>> {
    let row: Option<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE event_id = ?1 ORDER BY local_seq DESC LIMIT 1",
    )
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// The event with this id in one stream.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn find_in(pool: &SqlitePool, stream: Stream, event: EventId) -> Result<Option<Entry>> {
    let row: Option<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// How many events are in each state, every state listed.
///
/// # Errors
/// The database's refusal.
pub async fn counts(pool: &SqlitePool) -> Result<Vec<(State, i64)>> {
    let found: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM ves_outbox GROUP BY state")
            .fetch_all(pool)
            .await?;
    Ok(State::ALL
        .into_iter()
        .map(|state| {
            let count = found
                .iter()
                .find(|(name, _)| name == state.name())
                .map_or(0, |(_, n)| *n);
            (state, count)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capture::append,
        testing::{draft, pool},
    };
    use std::collections::BTreeSet;

    async fn one_signed(pool: &SqlitePool) -> Entry {
        append(&mut pool.acquire().await.unwrap(), &draft())
            .await
            .unwrap();
        let mut entry = open_entries(pool, 0, 1).await.unwrap().remove(0);
        entry.sign(&Signer::from_seed(KeyId(1), &[5; 32])).unwrap();
        store_signatures(pool, &[&entry]).await.unwrap();
        entry
    }

    #[tokio::test]
    async fn signing_again_from_the_committed_row_gives_the_same_bytes() {
        let (_dir, pool) = pool().await;
        let entry = one_signed(&pool).await;
        let mut again = open_entries(&pool, 0, 1).await.unwrap().remove(0);
        assert_eq!(again.state, State::Signed);
        assert_eq!(again.event, entry.event);
        again.sign(&Signer::from_seed(KeyId(1), &[5; 32])).unwrap();
        assert_eq!(again.event, entry.event);
        let other = Signer::from_seed(KeyId(2), &[5; 32]);
        assert_eq!(again.sign(&other).unwrap_err().code, "key_mismatch");
    }

    #[tokio::test]
    async fn events_are_read_by_their_positions_and_those_between_are_not() {
        let (_dir, pool) = pool().await;
        for _ in 0..4 {
            one_signed(&pool).await;
        }
        let found = by_local_seq(&pool, &BTreeSet::from([4, 1, 9]))
            .await
            .unwrap();
        let positions: Vec<i64> = found.iter().map(|entry| entry.local_seq).collect();
        assert_eq!(positions, [1, 4]);
        let none = by_local_seq(&pool, &BTreeSet::new()).await.unwrap();
        assert!(none.is_empty());
    }

    #[tokio::test]
    async fn a_final_state_is_never_left() {
        let (_dir, pool) = pool().await;
        let entry = one_signed(&pool).await;
        let finalized = Outcome::Finalized {
            block_number: 3,
            sequence: 7,
        };
        record(&pool, &[(entry.local_seq, finalized)])
            .await
            .unwrap();
        for outcome in [
            Outcome::Submitted { best_block: 4 },
            Outcome::Rejected {
                reason: "late".into(),
            },
            Outcome::InBlock {
                block_number: 9,
                sequence: 9,
            },
        ] {
            record(&pool, &[(entry.local_seq, outcome)]).await.unwrap();
        }
        let kept = find(&pool, entry.event_id()).await.unwrap().unwrap();
        assert_eq!((kept.state, kept.sequence), (State::Finalized, Some(7)));
    }

    #[tokio::test]
    async fn content_and_signature_cannot_be_changed_behind_our_back() {
        let (_dir, pool) = pool().await;
        one_signed(&pool).await;
        for change in [
            "UPDATE ves_outbox SET payload = x'7b7d'",
            "UPDATE ves_outbox SET entity_id = 'other'",
            "UPDATE ves_outbox SET key_id = 9",
            "UPDATE ves_outbox SET signature = zeroblob(64)",
        ] {
            assert!(
                sqlx::query(change).execute(&pool).await.is_err(),
                "{change}"
            );
        }
    }
}
