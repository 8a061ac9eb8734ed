// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified events of other agents (and our own, as the chain has them): what pull writes and
//! everybody else reads.

use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
    journal::{self, Fact, Kind},
    rules::Problem,
};
use codec::Encode;
use serde_json::json;
use sqlx::{SqliteConnection, SqliteExecutor, SqlitePool};
use std::collections::HashSet;
use ves_primitives::{
    AgentId, EventId, GenesisHash, StateRoot, StoreId, StreamTip, TenantId,
    wire::{InclusionJson, SequencedEventJson},
};

mod batches;
mod bundles;
mod evidence;
mod pins;
mod quarantine;
mod reading;
mod receipts;

pub use batches::{batch, batch_at, batch_of, encrypted, own_encrypted};
pub use bundles::{Imported, bundle_of, bundles, keep_bundle};
pub use evidence::{Evidence, evidence_of, key_record, store_evidence};
pub use pins::{VerifiedKeys, pin_key, pinned_key};
pub use quarantine::{Quarantined, pruned, quarantine, quarantined};
pub use reading::{
    Missing, after, missing, note_whole_pull, of_entity, pulled_at, verified_and_open, version_of,
    whole_since,
};
pub use receipts::{OwnBatch, Receipt, keep_receipts};

/// A stream by its owner and store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stream {
    /// Owner.
    pub tenant: TenantId,
    /// Store.
    pub store: StoreId,
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a pulled row is damaged: {why}"),
    )
    .hint("restore the database from a backup")
}

fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| damaged("number out of range"))
}

fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| damaged("negative number"))
}

/// Where the pulled copy of a stream stands.
///
/// # Errors
/// `wrong_chain` if the copy was pulled from another chain, or the database's refusal.
pub async fn tip(
    db: impl SqliteExecutor<'_>,
    stream: Stream,
    genesis: GenesisHash,
) -> Result<StreamTip> {
    let row: Option<(Vec<u8>, i64, Vec<u8>, i64)> = sqlx::query_as(
        "SELECT genesis_hash, sequence, state_root, batch_count FROM ves_streams \
         WHERE tenant_id = ?1 AND store_id = ?2",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_optional(db)
    .await?;
    let Some((known, sequence, root, batches)) = row else {
        return Ok(StreamTip::EMPTY);
    };
    if known != genesis.0 {
        return Err(Failure::new(
            Exit::Refused,
            "wrong_chain",
            format!(
                "this stream was pulled from chain 0x{}, not {genesis}",
                hex::encode(known)
            ),
        )
        .hint("give the address of a node of that chain, or pull into another --home"));
    }
    Ok(StreamTip {
        sequence: unsigned(sequence)?,
        state_root: StateRoot(root.try_into().map_err(|_| damaged("state root"))?),
        batch_count: unsigned(batches)?,
    })
}

/// One record of a batch, judged.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The record as the node gave it.
    pub record: SequencedEventJson,
    /// Its problem, if it has one.
    pub problem: Option<Problem>,
}

/// Commits one verified batch: its events, the quarantined ones among them, the evidence, the pins of
/// the keys under which its events verified, and the new tip, in the caller's transaction.
///
/// # Errors
/// `peer_key_conflict` if another key was pinned meanwhile, or the database's refusal.
pub async fn store_batch(
    db: &mut SqliteConnection,
    stream: Stream,
    genesis: GenesisHash,
    inclusion: &InclusionJson,
    judged: &[Judged],
    keys: &VerifiedKeys,
) -> Result<()> {
    pins::pin_verified(db, genesis, stream.tenant, keys).await?;
    let batch = &inclusion.batch.batch;
    let now = now_rfc3339();
    let (tenant, store) = (stream.tenant.0.to_vec(), stream.store.0.to_vec());
    // Records that were quarantined before and verify now are released; the others come again.
    release(db, stream, batch.sequence_start, batch.sequence_end).await?;
    for item in judged {
        match &item.problem {
            None => store_event(db, stream, batch.batch_index, &item.record, &now).await?,
            Some(problem) => quarantine(db, stream, &item.record, problem).await?,
        }
    }
    sqlx::query(
        "INSERT INTO ves_batches (tenant_id, store_id, batch_index, commitment, header, \
         block_hash, pulled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(&tenant)
    .bind(&store)
    .bind(signed(batch.batch_index)?)
    .bind(batch.encode())
    .bind(&inclusion.header)
    .bind(inclusion.batch.block_hash.as_slice())
    .bind(&now)
    .execute(&mut *db)
    .await?;
    let tip = batch.tip();
    sqlx::query(
        "INSERT INTO ves_streams (tenant_id, store_id, genesis_hash, sequence, state_root, \
         batch_count, pulled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
         ON CONFLICT (tenant_id, store_id) DO UPDATE SET sequence = excluded.sequence, \
         state_root = excluded.state_root, batch_count = excluded.batch_count, \
         pulled_at = excluded.pulled_at WHERE excluded.sequence > sequence",
    )
    .bind(&tenant)
    .bind(&store)
    .bind(genesis.0.as_slice())
    .bind(signed(tip.sequence)?)
    .bind(tip.state_root.0.as_slice())
    .bind(signed(tip.batch_count)?)
    .bind(&now)
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// Stores an event that was quarantined before and verifies now, and pins the key that it verified with.
///
/// # Errors
/// `peer_key_conflict` if another key was pinned meanwhile, or the database's refusal.
pub async fn promote(
    db: &mut SqliteConnection,
    stream: Stream,
    genesis: GenesisHash,
    batch_index: u64,
    judged: &Judged,
    keys: &VerifiedKeys,
) -> Result<()> {
    pins::pin_verified(db, genesis, stream.tenant, keys).await?;
    let sequence = judged.record.sequence;
    release(db, stream, sequence, sequence).await?;
    let event = judged.record.event.event_id;
    let fact = Fact {
        kind: Kind::Promoted,
        event: Some((stream.tenant, stream.store, event)),
        reason: "verifies now",
        detail: json!({ "sequence": sequence }),
    };
    journal::note(&mut *db, &fact).await?;
    store_event(db, stream, batch_index, &judged.record, &now_rfc3339()).await?;
    // A promoted event belongs before what was projected already.
    for table in ["ves_entities", "ves_projections"] {
        sqlx::query(&format!(
            "DELETE FROM {table} WHERE tenant_id = ?1 AND store_id = ?2"
        ))
        .bind(stream.tenant.0.as_slice())
        .bind(stream.store.0.as_slice())
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn store_event(
    db: &mut SqliteConnection,
    stream: Stream,
    batch_index: u64,
    record: &SequencedEventJson,
    now: &str,
) -> Result<()> {
    let event = &record.event;
    let text = serde_json::to_string(record).map_err(Failure::unexpected)?;
    sqlx::query(
        "INSERT INTO ves_events (tenant_id, store_id, sequence, event_id, agent_id, entity_type, \
         entity_id, event_type, batch_index, block_number, block_time_ms, record, pulled_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(record.sequence)?)
    .bind(event.event_id.0.as_slice())
    .bind(event.source_agent_id.0.as_slice())
    .bind(&event.entity_type)
    .bind(&event.entity_id)
    .bind(&event.event_type)
    .bind(signed(batch_index)?)
    .bind(i64::from(record.block_number))
    .bind(signed(record.block_time_ms)?)
    .bind(text)
    .bind(now)
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// Takes what stands between two places of the stream out of quarantine.
async fn release(db: &mut SqliteConnection, stream: Stream, from: u64, to: u64) -> Result<()> {
    sqlx::query(
        "DELETE FROM ves_quarantine WHERE tenant_id = ?1 AND store_id = ?2 \
         AND sequence BETWEEN ?3 AND ?4",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(from)?)
    .bind(signed(to)?)
    .execute(db)
    .await?;
    Ok(())
}

/// Whether this event id is verified already at another place of the stream.
///
/// # Errors
/// The database's refusal.
pub async fn sequence_of(pool: &SqlitePool, stream: Stream, event: EventId) -> Result<Option<u64>> {
    const QUERY: &str = "SELECT sequence FROM ves_events \
                         WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3";
    number_of(pool, stream, event, QUERY).await
}

/// Which of these records' ids are verified already at some place of the stream.
///
/// # Errors
/// The database's refusal.
pub async fn taken_ids(
    pool: &SqlitePool,
    stream: Stream,
    records: &[SequencedEventJson],
) -> Result<HashSet<EventId>> {
    let ids: Vec<String> = records
        .iter()
        .map(|record| hex::encode(record.event.event_id.0))
        .collect();
    let taken: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT event_id FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND event_id IN (SELECT unhex(value) FROM json_each(?3))",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(serde_json::to_string(&ids).map_err(Failure::unexpected)?)
    .fetch_all(pool)
    .await?;
    Ok(event_ids(taken)?.into_iter().collect())
}

/// A number that a query finds for an event of a stream.
async fn number_of(
    pool: &SqlitePool,
    stream: Stream,
    event: EventId,
    query: &'static str,
) -> Result<Option<u64>> {
    let number: Option<i64> = sqlx::query_scalar(query)
        .bind(stream.tenant.0.as_slice())
        .bind(stream.store.0.as_slice())
        .bind(event.0.as_slice())
        .fetch_optional(pool)
        .await?;
    number.map(unsigned).transpose()
}

fn parse_record(text: &str) -> Result<SequencedEventJson> {
    serde_json::from_str(text).map_err(|e| damaged(&e.to_string()))
}

/// A verified event by id, in whichever stream.
///
/// # Errors
/// The database's refusal.
pub async fn find(pool: &SqlitePool, event: EventId) -> Result<Option<SequencedEventJson>> {
    let text: Option<String> =
        sqlx::query_scalar("SELECT record FROM ves_events WHERE event_id = ?1 LIMIT 1")
            .bind(event.0.as_slice())
            .fetch_optional(pool)
            .await?;
    text.as_deref().map(parse_record).transpose()
}

/// A verified event of one stream.
///
/// # Errors
/// The database's refusal.
pub async fn find_in(
    pool: &SqlitePool,
    stream: Stream,
    event: EventId,
) -> Result<Option<SequencedEventJson>> {
    let text: Option<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events \
         WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    text.as_deref().map(parse_record).transpose()
}

fn event_ids(ids: Vec<Vec<u8>>) -> Result<Vec<EventId>> {
    ids.into_iter()
        .map(|id| id.try_into().map(EventId).map_err(|_| damaged("event id")))
        .collect()
}

/// The newest verified events of a stream, newest first.
///
/// # Errors
/// The database's refusal.
pub async fn latest(
    pool: &SqlitePool,
    stream: Stream,
    limit: u32,
) -> Result<Vec<SequencedEventJson>> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         ORDER BY sequence DESC LIMIT ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    texts.iter().map(|text| parse_record(text)).collect()
}

/// Which verified events to list.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of entities of this type.
    pub entity_type: Option<String>,
    /// Of the entity with this id.
    pub entity_id: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// Before this place of the stream.
    pub before: Option<u64>,
}

/// Verified events of a stream that are wanted, newest first.
///
/// # Errors
/// The database's refusal.
pub async fn page(
    pool: &SqlitePool,
    stream: Stream,
    wanted: &Wanted,
    limit: u32,
) -> Result<Vec<SequencedEventJson>> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 AND sequence < ?3 \
         AND (?4 IS NULL OR entity_type = ?4) AND (?5 IS NULL OR entity_id = ?5) \
         AND (?6 IS NULL OR event_type = ?6) ORDER BY sequence DESC LIMIT ?7",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(wanted.before.map_or(Ok(i64::MAX), signed)?)
    .bind(&wanted.entity_type)
    .bind(&wanted.entity_id)
    .bind(&wanted.event_type)
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    texts.iter().map(|text| parse_record(text)).collect()
}

/// Verified events and quarantined records of a stream; those without their payload count as neither.
///
/// # Errors
/// The database's refusal.
pub async fn counts(pool: &SqlitePool, stream: Stream) -> Result<(i64, i64)> {
    let count = async |sql: &'static str| -> Result<i64> {
        Ok(sqlx::query_scalar(sql)
            .bind(stream.tenant.0.as_slice())
            .bind(stream.store.0.as_slice())
            .fetch_one(pool)
            .await?)
    };
    Ok((
        count("SELECT count(*) FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2").await?,
        count(
            "SELECT count(*) FROM ves_quarantine WHERE tenant_id = ?1 AND store_id = ?2 \
             AND reason <> 'payload_pruned'",
        )
        .await?,
    ))
}

/// Ids of captured, pulled and imported events that begin with these hex digits, at most so many.
///
/// # Errors
/// The database's refusal.
pub async fn ids_with_prefix(
    pool: &SqlitePool,
    hex_prefix: &str,
    most: u32,
) -> Result<Vec<EventId>> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT event_id FROM ves_events WHERE lower(hex(event_id)) LIKE ?1 || '%' \
         UNION SELECT event_id FROM ves_outbox WHERE lower(hex(event_id)) LIKE ?1 || '%' \
         UNION SELECT event_id FROM ves_parked WHERE lower(hex(event_id)) LIKE ?1 || '%' \
         UNION SELECT event_id FROM ves_bundles WHERE lower(hex(event_id)) LIKE ?1 || '%' LIMIT ?2",
    )
    .bind(hex_prefix)
    .bind(i64::from(most))
    .fetch_all(pool)
    .await?;
    event_ids(ids)
}

/// Agents whose events were verified, and those that captured some here.
///
/// # Errors
/// The database's refusal.
pub async fn known_agents(pool: &SqlitePool) -> Result<Vec<AgentId>> {
    let ids: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT agent_id FROM ves_events UNION SELECT agent_id FROM ves_outbox \
         UNION SELECT agent_id FROM ves_key_pins ORDER BY 1",
    )
    .fetch_all(pool)
    .await?;
    ids.into_iter()
        .map(|id| id.try_into().map(AgentId).map_err(|_| damaged("agent id")))
        .collect()
}
