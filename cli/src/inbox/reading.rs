// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified events by entity and by place.

use super::{Stream, parse_record, signed, unsigned};
use crate::error::Result;
use sqlx::{SqliteConnection, SqlitePool};
use ves_primitives::wire::SequencedEventJson;

/// Every verified event of an entity, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged record.
pub async fn of_entity(
    pool: &SqlitePool,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
) -> Result<Vec<SequencedEventJson>> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND entity_type = ?3 AND entity_id = ?4 ORDER BY sequence",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_all(pool)
    .await?;
    texts.iter().map(|text| parse_record(text)).collect()
}

/// How many verified events an entity has: its version, as far as it was pulled.
///
/// # Errors
/// The database's refusal.
pub async fn version_of(
    pool: &SqlitePool,
    stream: Stream,
    entity_type: &str,
    entity_id: &str,
) -> Result<u64> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND entity_type = ?3 AND entity_id = ?4",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .fetch_one(pool)
    .await?;
    unsigned(count)
}

/// The verified events behind a sequence, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged record.
pub async fn after(
    db: &mut SqliteConnection,
    stream: Stream,
    sequence: u64,
    limit: i64,
) -> Result<Vec<SequencedEventJson>> {
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND sequence > ?3 ORDER BY sequence LIMIT ?4",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(sequence)?)
    .bind(limit)
    .fetch_all(db)
    .await?;
    texts.iter().map(|text| parse_record(text)).collect()
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
    Ok(sqlx::query_scalar(
        "SELECT pulled_at FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND entity_type = ?3 AND entity_id = ?4 ORDER BY sequence LIMIT 1 OFFSET ?5",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(entity_type)
    .bind(entity_id)
    .bind(signed(version)?)
    .fetch_optional(pool)
    .await?)
}
