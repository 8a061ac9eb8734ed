// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The outbox: events on their way to the chain, and the moves between their states.
//!
//! ```text
//! queued ─► signed ─► submitted ─► in_block ─► finalized
//!    └────────┴───────────┴────────────┴─────► rejected
//! ```
//!
//! `dead` and `superseded` are set aside by a person's decision. Content never changes; key id and
//! signature are fixed at first signing, so a crash and a retry produce the same bytes.

use crate::{
    capture::{VES_VERSION, now_rfc3339},
    error::{Exit, Failure, Result},
    keys::Signer,
};
use codec::DecodeAll;
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use std::fmt;
use ves_primitives::{
    AgentId, CommandId, EncryptedPayload, Envelope, EventId, KeyId, Payload, PayloadCipherHash,
    PayloadKind, PayloadPlainHash, Signature, StoreId, SubmittedEvent, TenantId,
};

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

#[derive(FromRow)]
struct RawRow {
    local_seq: i64,
    tenant_id: Vec<u8>,
    store_id: Vec<u8>,
    event_id: Vec<u8>,
    agent_id: Vec<u8>,
    entity_type: String,
    entity_id: String,
    event_type: String,
    created_at: String,
    command_id: Option<Vec<u8>>,
    base_version: Option<i64>,
    payload_kind: i64,
    payload: Vec<u8>,
    payload_plain_hash: Vec<u8>,
    payload_cipher_hash: Vec<u8>,
    key_id: Option<i64>,
    signature: Option<Vec<u8>>,
    state: String,
    attempts: i64,
    extrinsic_hash: Option<Vec<u8>>,
    submitted_block: Option<i64>,
    block_number: Option<i64>,
    sequence: Option<i64>,
    reason: Option<String>,
    last_error: Option<String>,
    captured_at: String,
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
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("an outbox row is damaged: {why}"),
    )
    .hint("restore the database from a backup")
}

fn fixed<const N: usize>(bytes: Vec<u8>, column: &str) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| damaged(column))
}

impl TryFrom<RawRow> for Entry {
    type Error = Failure;

    fn try_from(row: RawRow) -> Result<Self> {
        let bytes = |text: String| text.into_bytes();
        let (payload_kind, payload) = match row.payload_kind {
            0 => {
                let json = row.payload.try_into().map_err(|_| damaged("payload"))?;
                (PayloadKind::Plaintext, Payload::Plain(json))
            }
            _ => {
                let bundle = EncryptedPayload::decode_all(&mut row.payload.as_slice())
                    .map_err(|_| damaged("payload"))?;
                (PayloadKind::Encrypted, Payload::Encrypted(bundle))
            }
        };
        let key_id = row
            .key_id
            .map(|id| u32::try_from(id).map(KeyId).map_err(|_| damaged("key_id")))
            .transpose()?;
        let number = |value: Option<i64>, column: &str| {
            value
                .map(|n| u32::try_from(n).map_err(|_| damaged(column)))
                .transpose()
        };
        let signature: Option<[u8; 64]> = row
            .signature
            .map(|bytes| fixed(bytes, "signature"))
            .transpose()?;
        let envelope = Envelope {
            ves_version: VES_VERSION,
            event_id: EventId(fixed(row.event_id, "event_id")?),
            tenant_id: TenantId(fixed(row.tenant_id, "tenant_id")?),
            store_id: StoreId(fixed(row.store_id, "store_id")?),
            source_agent_id: AgentId(fixed(row.agent_id, "agent_id")?),
            agent_key_id: key_id.unwrap_or(KeyId(0)),
            entity_type: bytes(row.entity_type)
                .try_into()
                .map_err(|_| damaged("entity_type"))?,
            entity_id: bytes(row.entity_id)
                .try_into()
                .map_err(|_| damaged("entity_id"))?,
            event_type: bytes(row.event_type)
                .try_into()
                .map_err(|_| damaged("event_type"))?,
            created_at: bytes(row.created_at)
                .try_into()
                .map_err(|_| damaged("created_at"))?,
            payload_kind,
            payload_plain_hash: PayloadPlainHash(fixed(row.payload_plain_hash, "plain hash")?),
            payload_cipher_hash: PayloadCipherHash(fixed(row.payload_cipher_hash, "cipher hash")?),
            command_id: row
                .command_id
                .map(|id| fixed(id, "command_id").map(CommandId))
                .transpose()?,
            base_version: row
                .base_version
                .map(|v| u64::try_from(v).map_err(|_| damaged("base_version")))
                .transpose()?,
            agent_signature: Signature(signature.unwrap_or([0; 64])),
        };
        Ok(Self {
            local_seq: row.local_seq,
            state: State::parse(&row.state)?,
            event: SubmittedEvent { envelope, payload },
            key_id,
            signed: signature.is_some(),
            attempts: row.attempts,
            extrinsic_hash: row
                .extrinsic_hash
                .map(|hash| fixed(hash, "extrinsic_hash"))
                .transpose()?,
            submitted_block: number(row.submitted_block, "submitted_block")?,
            block_number: number(row.block_number, "block_number")?,
            sequence: row
                .sequence
                .map(|n| u64::try_from(n).map_err(|_| damaged("sequence")))
                .transpose()?,
            reason: row.reason,
            last_error: row.last_error,
            captured_at: row.captured_at,
        })
    }
}

impl Entry {
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
        self.event.envelope.agent_signature = signer.sign(&hash.0);
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
    let now = now_rfc3339();
    let set = match outcome {
        Outcome::Submitted { .. } => {
            "state = 'submitted', submitted_block = ?3, attempts = attempts + 1, last_error = NULL"
        }
        Outcome::Carried { .. } => "extrinsic_hash = ?3",
        Outcome::InBlock { .. } => "state = 'in_block', block_number = ?3, sequence = ?4",
        Outcome::Finalized { .. } => {
            "state = 'finalized', block_number = ?3, sequence = ?4, last_error = NULL"
        }
        Outcome::Rejected { .. } => {
            "state = 'rejected', reason = ?3, block_number = NULL, sequence = NULL"
        }
        Outcome::Trouble { .. } => "last_error = ?3",
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
        Outcome::Trouble { error } => query.bind(error.clone()),
    };
    query.execute(db).await?;
    Ok(())
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
