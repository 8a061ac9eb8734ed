// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events by entity and by place, as the chain counts them.
//!
//! The chain counts every event of an entity, also those that were set aside here. One without its payload
//! is verified but for that, so it counts here too, with a payload that nobody can read. What is in
//! quarantine is missing: of whom it is a record's own word.

use super::{Stream, parse_record, signed, unsigned};
use crate::error::Result;
use sqlx::{SqliteConnection, SqlitePool};
use ves_primitives::wire::SequencedEventJson;

/// Of an entity (`?3`, `?4`) of a stream; the second half reads the index of quarantined entities.
const ENTITY: &str = "tenant_id = ?1 AND store_id = ?2 AND entity_type = ?3 AND entity_id = ?4";
const ENTITY_ASIDE: &str = "tenant_id = ?1 AND store_id = ?2 \
     AND json_extract(record, '$.event.entity_type') = ?3 \
     AND json_extract(record, '$.event.entity_id') = ?4";
/// Set aside for its payload alone.
const PRUNED: &str = "reason = 'payload_pruned'";
/// In quarantine, and of a verified batch: behind the tip the next pull judges anew.
const MISSING: &str = "reason <> 'payload_pruned' AND sequence <= (SELECT sequence FROM ves_streams \
     WHERE tenant_id = ?1 AND store_id = ?2)";

/// Verified events, with or without their payload, that are still on their way in the outbox or failed there.
///
/// # Errors
/// The database's refusal, or a damaged record.
pub async fn verified_and_open(
    pool: &SqlitePool,
    stream: Stream,
) -> Result<Vec<SequencedEventJson>> {
    // Few are open or failed, and thousands are settled: the planner does not know.
    const OPEN: &str = "event_id IN (SELECT event_id FROM ves_outbox INDEXED BY ves_outbox_open \
         WHERE tenant_id = ?1 AND store_id = ?2 AND state IN ('queued', 'signed', 'submitted', 'in_block') \
         AND signature IS NOT NULL \
         UNION ALL SELECT event_id FROM ves_outbox INDEXED BY ves_outbox_failed \
         WHERE tenant_id = ?1 AND store_id = ?2 AND state IN ('rejected', 'dead') \
         AND signature IS NOT NULL)";
    let texts: Vec<String> = sqlx::query_scalar(&format!(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 AND {OPEN} \
         UNION ALL SELECT record FROM ves_quarantine WHERE tenant_id = ?1 AND store_id = ?2 \
         AND {PRUNED} AND sequence <= (SELECT sequence FROM ves_streams \
         WHERE tenant_id = ?1 AND store_id = ?2) AND {OPEN}"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_all(pool)
    .await?;
    texts.iter().map(|text| parse_record(text)).collect()
}

/// Every event of an entity, oldest first; of those that were pruned there is the envelope.
///
/// # Errors
/// The database's refusal, or a damaged record.
pub async fn of_entity(
    pool: &SqlitePool,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
) -> Result<Vec<SequencedEventJson>> {
    let rows: Vec<(i64, String)> = sqlx::query_as(&format!(
        "SELECT sequence, record FROM ves_events WHERE {ENTITY} UNION ALL \
         SELECT sequence, record FROM ves_quarantine WHERE {ENTITY_ASIDE} AND {PRUNED} \
         ORDER BY sequence"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|(_, text)| parse_record(text)).collect()
}

/// How many events an entity has: its version, as far as it was pulled and is not missing.
///
/// # Errors
/// The database's refusal.
pub async fn version_of(
    pool: &SqlitePool,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
) -> Result<u64> {
    let count: i64 = sqlx::query_scalar(&format!(
        "SELECT (SELECT count(*) FROM ves_events WHERE {ENTITY}) + \
         (SELECT count(*) FROM ves_quarantine WHERE {ENTITY_ASIDE} AND {PRUNED})"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_one(pool)
    .await?;
    unsigned(count)
}

/// What the verified part of a stream lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Quarantined records that name the entity.
    pub of_entity: u64,
    /// All quarantined records: a record that does not verify may name the wrong entity.
    pub in_stream: u64,
}

/// What an entity may lack, because it is in quarantine.
///
/// # Errors
/// The database's refusal.
pub async fn missing(
    pool: &SqlitePool,
    stream: Stream,
    (entity_type, entity_id): (&str, &str),
) -> Result<Missing> {
    let (of_entity, in_stream): (i64, i64) = sqlx::query_as(&format!(
        "SELECT (SELECT count(*) FROM ves_quarantine WHERE {ENTITY_ASIDE} AND {MISSING}), \
         (SELECT count(*) FROM ves_quarantine WHERE tenant_id = ?1 AND store_id = ?2 AND {MISSING})"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_one(pool)
    .await?;
    Ok(Missing {
        of_entity: unsigned(of_entity)?,
        in_stream: unsigned(in_stream)?,
    })
}

/// The events behind a sequence, oldest first; of those that were pruned there is the envelope.
///
/// # Errors
/// The database's refusal, or a damaged record.
pub async fn after(
    db: &mut SqliteConnection,
    stream: Stream,
    sequence: u64,
    limit: i64,
) -> Result<Vec<SequencedEventJson>> {
    const BEHIND: &str = "tenant_id = ?1 AND store_id = ?2 AND sequence > ?3";
    let rows: Vec<(i64, String)> = sqlx::query_as(&format!(
        "SELECT sequence, record FROM ves_events WHERE {BEHIND} UNION ALL \
         SELECT sequence, record FROM ves_quarantine WHERE {BEHIND} AND {PRUNED} \
         ORDER BY sequence LIMIT ?4"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(sequence)?)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|(_, text)| parse_record(text)).collect()
}

/// When the event that followed this version of an entity was pulled.
///
/// # Errors
/// The database's refusal.
pub async fn pulled_at(
    pool: &SqlitePool,
    stream: Stream,
    (entity_type, entity_id): (&str, &str),
    version: u64,
) -> Result<Option<String>> {
    let row: Option<(i64, String)> = sqlx::query_as(&format!(
        "SELECT sequence, pulled_at FROM ves_events WHERE {ENTITY} UNION ALL \
         SELECT sequence, quarantined_at FROM ves_quarantine WHERE {ENTITY_ASIDE} AND {PRUNED} \
         ORDER BY sequence LIMIT 1 OFFSET ?5"
    ))
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .bind(signed(version)?)
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|(_, at)| at))
}

/// Notes that a pull which began then came to the end of the stream.
///
/// # Errors
/// The database's refusal.
pub async fn note_whole_pull(pool: &SqlitePool, stream: Stream, begun_at: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO ves_whole_pulls (tenant_id, store_id, begun_at) VALUES (?1, ?2, ?3) \
         ON CONFLICT (tenant_id, store_id) DO UPDATE SET begun_at = max(begun_at, excluded.begun_at)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(begun_at)
    .execute(pool)
    .await?;
    Ok(())
}

/// When the newest pull began that came to the end of the stream.
///
/// # Errors
/// The database's refusal.
pub async fn whole_since(pool: &SqlitePool, stream: Stream) -> Result<Option<String>> {
    Ok(sqlx::query_scalar(
        "SELECT begun_at FROM ves_whole_pulls WHERE tenant_id = ?1 AND store_id = ?2",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_optional(pool)
    .await?)
}
