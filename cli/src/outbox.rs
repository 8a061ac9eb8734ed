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
//! `superseded` is somebody's decision about a conflict; `dead` is a decision too, or the end of a row
//! of failures that are the event's own. Content never changes; key id and signature are fixed at first
//! signing, so a crash and a retry produce the same bytes.

mod decisions;
mod retries;
mod row;

pub use decisions::{revive, set_aside, with_base_version};
pub use retries::{
    MAX_HANDOVERS, Retry, backoff, forget, next_due, note_failure, retries, waiting,
};

use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
    keys::Signer,
};
use row::{RawRow, damaged};
use serde::Serialize;
use sqlx::{SqliteConnection, SqlitePool};
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
    /// In a block that is not final yet and may be replaced.
    InBlock,
    /// In a final block.
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

/// Commits the signatures of freshly signed entries in one transaction.
///
/// # Errors
/// The database's refusal.
pub async fn store_signatures(pool: &SqlitePool, entries: &[&Entry]) -> Result<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for entry in entries {
        sqlx::query(
            "UPDATE ves_outbox SET key_id = ?2, signature = ?3, state = 'signed', updated_at = ?4 \
             WHERE local_seq = ?1 AND state = 'queued' AND signature IS NULL",
        )
        .bind(entry.local_seq)
        .bind(entry.key_id.map(|key| i64::from(key.0)))
        .bind(entry.event.envelope.agent_signature.0.as_slice())
        .bind(now_rfc3339())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// About to be handed to a node, whose best block is this.
    Submitted {
        /// Best block at that time.
        best_block: u32,
    },
    /// The node took it in this extrinsic.
    Carried {
        /// Hash of the extrinsic.
        extrinsic_hash: [u8; 32],
    },
    /// In a block that is not final yet.
    InBlock {
        /// The block.
        block_number: u32,
        /// Its place, should the block become final.
        sequence: u64,
    },
    /// In a final block.
    Finalized {
        /// The block.
        block_number: u32,
        /// Its place in the stream.
        sequence: u64,
    },
    /// Refused by the chain.
    Rejected {
        /// The chain's reason.
        reason: String,
    },
    /// Refused for now: it keeps its signature and is due again later.
    Deferred {
        /// The chain's reason.
        error: String,
    },
    /// It was marked as handed over and was not.
    NotSent,
    /// Given up after too many attempts.
    GivenUp {
        /// What they had in common.
        error: String,
    },
    /// Something went wrong on the way; the state stays.
    Trouble {
        /// What.
        error: String,
    },
}

/// Records outcomes in one transaction. A final state is never left again.
///
/// # Errors
/// The database's refusal.
pub async fn record(pool: &SqlitePool, outcomes: &[(i64, Outcome)]) -> Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (local_seq, outcome) in outcomes {
        record_one(&mut tx, *local_seq, outcome).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn record_one(db: &mut SqliteConnection, local_seq: i64, outcome: &Outcome) -> Result<()> {
    const OPEN: &str = "state IN ('signed', 'submitted', 'in_block')";
    const UNPLACED: &str = "block_number = NULL, sequence = NULL";
    let now = now_rfc3339();
    let set = match outcome {
        Outcome::Submitted { .. } => {
            "state = 'submitted', submitted_block = ?3, attempts = attempts + 1, last_error = NULL"
                .to_owned()
        }
        Outcome::Carried { .. } => "extrinsic_hash = ?3".to_owned(),
        Outcome::InBlock { .. } => {
            "state = 'in_block', block_number = ?3, sequence = ?4".to_owned()
        }
        Outcome::Finalized { .. } => {
            "state = 'finalized', block_number = ?3, sequence = ?4, last_error = NULL".to_owned()
        }
        Outcome::Rejected { .. } => format!("state = 'rejected', reason = ?3, {UNPLACED}"),
        Outcome::Deferred { .. } => format!("state = 'signed', last_error = ?3, {UNPLACED}"),
        Outcome::NotSent => {
            format!("state = 'signed', attempts = max(attempts - 1, 0), {UNPLACED}")
        }
        Outcome::GivenUp { .. } => {
            format!("state = 'dead', reason = 'never_included', last_error = ?3, {UNPLACED}")
        }
        Outcome::Trouble { .. } => "last_error = ?3".to_owned(),
    };
    let sql =
        format!("UPDATE ves_outbox SET updated_at = ?2, {set} WHERE local_seq = ?1 AND {OPEN}");
    let query = sqlx::query(&sql).bind(local_seq).bind(now);
    let place = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
    let query = match outcome {
        Outcome::Submitted { best_block } => query.bind(i64::from(*best_block)),
        Outcome::Carried { extrinsic_hash } => query.bind(extrinsic_hash.to_vec()),
        Outcome::InBlock {
            block_number,
            sequence,
        }
        | Outcome::Finalized {
            block_number,
            sequence,
        } => query.bind(i64::from(*block_number)).bind(place(*sequence)),
        Outcome::Rejected { reason } => query.bind(reason.clone()),
        Outcome::NotSent => query,
        Outcome::Deferred { error } | Outcome::GivenUp { error } | Outcome::Trouble { error } => {
            query.bind(error.clone())
        }
    };
    query.execute(&mut *db).await?;
    match outcome {
        Outcome::Deferred { error } | Outcome::Trouble { error } => {
            note_failure(db, local_seq, error).await
        }
        Outcome::InBlock { .. }
        | Outcome::Finalized { .. }
        | Outcome::Rejected { .. }
        | Outcome::GivenUp { .. } => forget(db, local_seq).await,
        Outcome::Submitted { .. } | Outcome::Carried { .. } | Outcome::NotSent => Ok(()),
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
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else {
        return Ok(Vec::new());
    };
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE local_seq BETWEEN ?1 AND ?2 ORDER BY local_seq",
    )
    .bind(first)
    .bind(last)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .filter(|row| positions.contains(&row.local_seq))
        .map(Entry::try_from)
        .collect()
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
