// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The table of wishes.

use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
    outbox::{self, Entry},
    proofs::policy::Wish,
};
use codec::{DecodeAll, Encode};
use serde::Serialize;
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use std::collections::{BTreeSet, HashMap};
use ves_primitives::{
    AgentId, Envelope, EventId, Policy, ProofHash, StoreId, TenantId, proof::ProofRecord,
};

/// Where a wish stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// To be proven once the event is final.
    Wanted,
    /// On chain, final.
    Proven,
    /// The event has no amount.
    Skipped,
    /// No proof exists, or none can be made here.
    Impossible,
    /// The chain does not take it.
    Refused,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Wanted,
        Self::Proven,
        Self::Skipped,
        Self::Impossible,
        Self::Refused,
    ];

    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Proven => "proven",
            Self::Skipped => "skipped",
            Self::Impossible => "impossible",
            Self::Refused => "refused",
        }
    }
}

/// A wish and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WishEntry {
    /// Its number.
    pub wish_id: i64,
    /// Owner of the event's stream.
    pub tenant: TenantId,
    /// Store of the event's stream.
    pub store: StoreId,
    /// The event.
    pub event: EventId,
    /// What is wished for.
    pub wish: Wish,
    /// Where it stands.
    pub state: State,
    /// Why it is not proven, or not yet.
    pub reason: Option<String>,
    /// Hash of the proof that the chain verified.
    pub proof_hash: Option<ProofHash>,
    /// The block that did.
    pub block: Option<u32>,
}

#[derive(FromRow)]
struct RawRow {
    wish_id: i64,
    tenant_id: Vec<u8>,
    store_id: Vec<u8>,
    event_id: Vec<u8>,
    policy: Vec<u8>,
    currency: String,
    amount_field: String,
    state: String,
    reason: Option<String>,
    proof_hash: Option<Vec<u8>>,
    block_number: Option<i64>,
}

fn damaged(column: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a wish for a proof is damaged: {column}"),
    )
    .hint("restore the database from a backup")
}

impl TryFrom<RawRow> for WishEntry {
    type Error = Failure;

    fn try_from(row: RawRow) -> Result<Self> {
        let state = State::ALL
            .into_iter()
            .find(|state| state.name() == row.state)
            .ok_or_else(|| damaged("state"))?;
        Ok(Self {
            wish_id: row.wish_id,
            tenant: TenantId(row.tenant_id.try_into().map_err(|_| damaged("tenant_id"))?),
            store: StoreId(row.store_id.try_into().map_err(|_| damaged("store_id"))?),
            event: EventId(row.event_id.try_into().map_err(|_| damaged("event_id"))?),
            wish: Wish {
                policy: Policy::decode_all(&mut row.policy.as_slice())
                    .map_err(|_| damaged("policy"))?,
                currency: row.currency.parse().map_err(|_| damaged("currency"))?,
                amount_field: row.amount_field,
            },
            state,
            reason: row.reason,
            proof_hash: row
                .proof_hash
                .map(|hash| hash.try_into().map(ProofHash).map_err(|_| damaged("proof")))
                .transpose()?,
            block: row
                .block_number
                .map(|n| u32::try_from(n).map_err(|_| damaged("block_number")))
                .transpose()?,
        })
    }
}

/// Commits a wish about one event, in the caller's transaction. A wish made before stays as it is.
///
/// # Errors
/// The database's refusal.
pub async fn wish(
    db: &mut SqliteConnection,
    tenant: TenantId,
    store: StoreId,
    event: EventId,
    wish: &Wish,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO ves_proof_wishes (tenant_id, store_id, event_id, policy, currency, \
         amount_field, wished_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.0.as_slice())
    .bind(store.0.as_slice())
    .bind(event.0.as_slice())
    .bind(wish.policy.encode())
    .bind(wish.currency.to_string())
    .bind(&wish.amount_field)
    .bind(now_rfc3339())
    .execute(db)
    .await?;
    Ok(())
}

/// Commits wishes about every encrypted event of an agent that is still on its way, all or none.
///
/// # Errors
/// The database's refusal.
pub async fn wish_for_open(pool: &SqlitePool, agent: AgentId, wishes: &[Wish]) -> Result<()> {
    if wishes.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for wish in wishes {
        sqlx::query(
            "INSERT INTO ves_proof_wishes (tenant_id, store_id, event_id, policy, currency, \
             amount_field, wished_at, updated_at) \
             SELECT tenant_id, store_id, event_id, ?1, ?2, ?3, ?4, ?4 FROM ves_outbox \
             WHERE payload_kind = 1 AND agent_id = ?5 \
             AND state IN ('queued', 'signed', 'submitted', 'in_block') \
             ORDER BY local_seq ON CONFLICT DO NOTHING",
        )
        .bind(wish.policy.encode())
        .bind(wish.currency.to_string())
        .bind(&wish.amount_field)
        .bind(now_rfc3339())
        .bind(agent.0.as_slice())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Wishes about an agent's final events behind this one, oldest first, each with its event. Wishes about
/// events that the chain refused are settled on the way.
pub(super) async fn wanted(
    pool: &SqlitePool,
    agent: AgentId,
    after: i64,
    limit: i64,
) -> Result<Vec<(WishEntry, Entry)>> {
    sqlx::query(
        "UPDATE ves_proof_wishes SET state = 'skipped', reason = 'event_not_sequenced', \
         updated_at = ?1 WHERE state = 'wanted' AND EXISTS (SELECT 1 FROM ves_outbox o \
         WHERE o.tenant_id = ves_proof_wishes.tenant_id AND o.store_id = ves_proof_wishes.store_id \
         AND o.event_id = ves_proof_wishes.event_id \
         AND o.state IN ('rejected', 'dead', 'superseded'))",
    )
    .bind(now_rfc3339())
    .execute(pool)
    .await?;
    let positions: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT w.wish_id, o.local_seq FROM ves_proof_wishes w \
         JOIN ves_outbox o USING (tenant_id, store_id, event_id) \
         WHERE w.state = 'wanted' AND o.state = 'finalized' AND o.agent_id = ?3 \
         AND w.wish_id > ?1 \
         ORDER BY w.wish_id LIMIT ?2",
    )
    .bind(after)
    .bind(limit)
    .bind(agent.0.as_slice())
    .fetch_all(pool)
    .await?;
    let seqs: BTreeSet<i64> = positions.iter().map(|(_, seq)| *seq).collect();
    let entries: HashMap<i64, Entry> = outbox::by_local_seq(pool, &seqs)
        .await?
        .into_iter()
        .map(|entry| (entry.local_seq, entry))
        .collect();
    let ids: Vec<i64> = positions.iter().map(|(id, _)| *id).collect();
    let wishes = by_id(pool, &ids).await?;
    Ok(wishes
        .into_iter()
        .zip(&positions)
        .filter_map(|(wish, (_, seq))| Some((wish, entries.get(seq)?.clone())))
        .collect())
}

/// These wishes, in the order of their numbers.
pub(super) async fn by_id(pool: &SqlitePool, ids: &[i64]) -> Result<Vec<WishEntry>> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(Vec::new());
    };
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_proof_wishes WHERE wish_id BETWEEN ?1 AND ?2 ORDER BY wish_id",
    )
    .bind(first)
    .bind(last)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .filter(|row| ids.contains(&row.wish_id))
        .map(WishEntry::try_from)
        .collect()
}

/// Every wish about an event.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn of_event(pool: &SqlitePool, event: &Envelope) -> Result<Vec<WishEntry>> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_proof_wishes WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3 \
         ORDER BY wish_id",
    )
    .bind(event.tenant_id.0.as_slice())
    .bind(event.store_id.0.as_slice())
    .bind(event.event_id.0.as_slice())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(WishEntry::try_from).collect()
}

/// How many wishes are in each state, every state listed.
///
/// # Errors
/// The database's refusal.
pub async fn counts(pool: &SqlitePool) -> Result<Vec<(State, i64)>> {
    let found: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM ves_proof_wishes GROUP BY state")
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

/// The newest wishes, newest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn latest(pool: &SqlitePool, limit: u32) -> Result<Vec<WishEntry>> {
    let rows: Vec<RawRow> =
        sqlx::query_as("SELECT * FROM ves_proof_wishes ORDER BY wish_id DESC LIMIT ?1")
            .bind(limit)
            .fetch_all(pool)
            .await?;
    rows.into_iter().map(WishEntry::try_from).collect()
}

/// Whether a wish about an agent's final event waits to be fulfilled.
///
/// # Errors
/// The database's refusal.
pub async fn any_due(pool: &SqlitePool, agent: AgentId) -> Result<bool> {
    Ok(!wanted(pool, agent, 0, 1).await?.is_empty())
}

/// What became of a wish.
pub(super) enum Outcome {
    Proven(Box<ProofRecord>),
    Skipped(String),
    Impossible(String),
    Refused(String),
    /// Still wanted; what stood in the way.
    Later(String),
}

/// Records outcomes in one transaction.
pub(super) async fn record(pool: &SqlitePool, outcomes: &[(i64, Outcome)]) -> Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for (wish, outcome) in outcomes {
        let (state, reason, verdict) = match outcome {
            Outcome::Proven(verdict) => (State::Proven, None, Some(verdict)),
            Outcome::Skipped(why) => (State::Skipped, Some(why), None),
            Outcome::Impossible(why) => (State::Impossible, Some(why), None),
            Outcome::Refused(why) => (State::Refused, Some(why), None),
            Outcome::Later(why) => (State::Wanted, Some(why), None),
        };
        sqlx::query(
            "UPDATE ves_proof_wishes SET state = ?2, reason = ?3, proof_hash = ?4, \
             block_number = ?5, updated_at = ?6 WHERE wish_id = ?1 AND state = 'wanted'",
        )
        .bind(wish)
        .bind(state.name())
        .bind(reason)
        .bind(verdict.map(|verdict| verdict.proof_hash.0.to_vec()))
        .bind(verdict.map(|verdict| i64::from(verdict.block)))
        .bind(now_rfc3339())
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Notes a proof that was made without a wish, so that the place of its amount is known later.
///
/// # Errors
/// The database's refusal.
pub async fn note_proven(
    pool: &SqlitePool,
    event: &Envelope,
    made: &Wish,
    verdict: &ProofRecord,
) -> Result<()> {
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    wish(
        &mut tx,
        event.tenant_id,
        event.store_id,
        event.event_id,
        made,
    )
    .await?;
    sqlx::query(
        "UPDATE ves_proof_wishes SET state = 'proven', reason = NULL, proof_hash = ?6, \
         block_number = ?7, amount_field = ?8, updated_at = ?9 WHERE tenant_id = ?1 \
         AND store_id = ?2 AND event_id = ?3 AND policy = ?4 AND currency = ?5",
    )
    .bind(event.tenant_id.0.as_slice())
    .bind(event.store_id.0.as_slice())
    .bind(event.event_id.0.as_slice())
    .bind(made.policy.encode())
    .bind(made.currency.to_string())
    .bind(verdict.proof_hash.0.as_slice())
    .bind(i64::from(verdict.block))
    .bind(&made.amount_field)
    .bind(now_rfc3339())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}
