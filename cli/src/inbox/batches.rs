// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified batches, and the encrypted events in them.

use super::{Stream, damaged, event_ids, parse_record, signed, unsigned};
use crate::error::Result;
use codec::DecodeAll;
use sqlx::SqlitePool;
use ves_primitives::{AgentId, BatchCommitment, EventId, wire::SequencedEventJson};

/// The newest verified encrypted events of a stream, newest first.
///
/// # Errors
/// The database's refusal.
pub async fn encrypted(pool: &SqlitePool, stream: Stream, limit: u32) -> Result<Vec<EventId>> {
    let ids = sqlx::query_scalar(
        "SELECT event_id FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND json_extract(record, '$.event.payload_kind') = 1 ORDER BY sequence DESC LIMIT ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    event_ids(ids)
}

/// Every encrypted event of an agent that is known to be on chain: pulled, or pushed from here.
///
/// # Errors
/// The database's refusal.
pub async fn own_encrypted(
    pool: &SqlitePool,
    stream: Stream,
    agent: AgentId,
) -> Result<Vec<EventId>> {
    let ids = sqlx::query_scalar(
        "SELECT event_id FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 AND agent_id = ?3 \
         AND json_extract(record, '$.event.payload_kind') = 1 \
         UNION SELECT event_id FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 \
         AND agent_id = ?3 AND payload_kind = 1 AND state = 'finalized'",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(agent.0.as_slice())
    .fetch_all(pool)
    .await?;
    event_ids(ids)
}

/// The number of the verified batch that holds an event.
///
/// # Errors
/// The database's refusal.
pub async fn batch_of(pool: &SqlitePool, stream: Stream, event: EventId) -> Result<Option<u64>> {
    let index: Option<i64> = sqlx::query_scalar(
        "SELECT batch_index FROM ves_events \
         WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    index.map(unsigned).transpose()
}

/// A verified batch and its verified events in order.
///
/// # Errors
/// The database's refusal.
pub async fn batch(
    pool: &SqlitePool,
    stream: Stream,
    index: u64,
) -> Result<Option<(BatchCommitment, Vec<SequencedEventJson>)>> {
    let commitment: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT commitment FROM ves_batches \
         WHERE tenant_id = ?1 AND store_id = ?2 AND batch_index = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(index)?)
    .fetch_optional(pool)
    .await?;
    let Some(commitment) = commitment else {
        return Ok(None);
    };
    let batch = BatchCommitment::decode_all(&mut commitment.as_slice())
        .map_err(|_| damaged("batch commitment"))?;
    let texts: Vec<String> = sqlx::query_scalar(
        "SELECT record FROM ves_events WHERE tenant_id = ?1 AND store_id = ?2 \
         AND sequence BETWEEN ?3 AND ?4 ORDER BY sequence",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(batch.sequence_start)?)
    .bind(signed(batch.sequence_end)?)
    .fetch_all(pool)
    .await?;
    let records: Result<Vec<_>> = texts.iter().map(|text| parse_record(text)).collect();
    Ok(Some((batch, records?)))
}

/// The verified batch that holds a place of the stream.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn batch_at(
    pool: &SqlitePool,
    stream: Stream,
    sequence: u64,
) -> Result<Option<BatchCommitment>> {
    // Commitments are opaque to SQL; the index rises with the sequence, so a search by halves does.
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM ves_batches WHERE tenant_id = ?1 AND store_id = ?2",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_one(pool)
    .await?;
    let (mut low, mut high) = (0i64, count);
    while low < high {
        let middle = low.saturating_add(high) / 2;
        let commitment: Vec<u8> = sqlx::query_scalar(
            "SELECT commitment FROM ves_batches WHERE tenant_id = ?1 AND store_id = ?2 \
             ORDER BY batch_index LIMIT 1 OFFSET ?3",
        )
        .bind(stream.tenant.0.as_slice())
        .bind(stream.store.0.as_slice())
        .bind(middle)
        .fetch_one(pool)
        .await?;
        let batch = BatchCommitment::decode_all(&mut commitment.as_slice())
            .map_err(|_| damaged("batch commitment"))?;
        if sequence < batch.sequence_start {
            high = middle;
        } else if sequence > batch.sequence_end {
            low = middle.saturating_add(1);
        } else {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}
