// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a push keeps of its own events: that they are in final blocks, before any pull got there.
//!
//! Beside what is pulled, and not among it: pulled events follow each other without a gap, these do not.
//! The events themselves stand in the outbox.

use super::{Evidence, Stream, VerifiedKeys, damaged, pins, signed, unsigned};
use crate::{
    capture::now_rfc3339,
    error::{Failure, Result},
    outbox::Entry,
};
use codec::{Decode, DecodeAll, Encode};
use serde_json::{Value, json};
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use ves_primitives::{
    BatchCommitment, EventId, FinalityProof, GenesisHash, InclusionProof, LeafHash,
    wire::{BatchJson, EventJson, InclusionJson, SequencedEventJson},
};

/// A final batch that holds events of this agent.
#[derive(Clone, Debug)]
pub struct OwnBatch {
    /// Its stream.
    pub stream: Stream,
    /// How it leads to its block's header.
    pub inclusion: InclusionJson,
    /// Why the block is final.
    pub finality: FinalityProof,
    /// All its leaves, if they were looked at; else each receipt has its path.
    pub leaves: Option<Vec<LeafHash>>,
    /// Those events.
    pub receipts: Vec<Receipt>,
    /// The keys under which they verified.
    pub keys: VerifiedKeys,
}

/// The place of one event.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The record as verified.
    pub record: SequencedEventJson,
    /// The way from its leaf to the root, where the batch does not have the leaves.
    pub path: Option<InclusionProof>,
}

/// Keeps the evidence about own events, and pins the keys under which they verified, in the transaction
/// that calls them final.
///
/// # Errors
/// `peer_key_conflict` if another key was pinned meanwhile, or the database's refusal.
pub async fn keep_receipts(
    db: &mut SqliteConnection,
    genesis: GenesisHash,
    own: &OwnBatch,
) -> Result<()> {
    let stream = own.stream;
    pins::pin_verified(db, genesis, stream.tenant, &own.keys).await?;
    let batch = &own.inclusion.batch.batch;
    // The same batch may come twice, of two pushes; whichever has the leaves serves both.
    sqlx::query(
        "INSERT INTO ves_receipt_batches (tenant_id, store_id, batch_index, genesis_hash, \
         commitment, header, block_hash, block_proof, finality, leaves, kept_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
         ON CONFLICT (tenant_id, store_id, batch_index) DO UPDATE SET \
         leaves = coalesce(leaves, excluded.leaves)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(batch.batch_index)?)
    .bind(genesis.0.as_slice())
    .bind(batch.encode())
    .bind(&own.inclusion.header)
    .bind(own.inclusion.batch.block_hash.as_slice())
    .bind(serde_json::to_string(&own.inclusion.block_proof).map_err(Failure::unexpected)?)
    .bind(serde_json::to_string(&own.finality).map_err(Failure::unexpected)?)
    .bind(own.leaves.as_ref().map(Encode::encode))
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?;
    let rows: Vec<Value> = own
        .receipts
        .iter()
        .map(|Receipt { record, path }| {
            json!([
                hex::encode(record.event.event_id.0),
                record.sequence,
                record.block_time_ms,
                record.extrinsic_index,
                path.as_ref().map(|path| hex::encode(path.encode())),
            ])
        })
        .collect();
    sqlx::query(
        "INSERT OR IGNORE INTO ves_receipts (tenant_id, store_id, event_id, batch_index, sequence, \
         block_time_ms, extrinsic_index, path) \
         SELECT ?1, ?2, unhex(value ->> 0), ?3, value ->> 1, value ->> 2, value ->> 3, \
         unhex(value ->> 4) FROM json_each(?4)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(batch.batch_index)?)
    .bind(Value::from(rows).to_string())
    .execute(db)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    sequence: i64,
    block_time_ms: i64,
    extrinsic_index: i64,
    path: Option<Vec<u8>>,
    commitment: Vec<u8>,
    header: Vec<u8>,
    block_hash: Vec<u8>,
    block_proof: String,
    finality: String,
    leaves: Option<Vec<u8>>,
}

fn decoded<T: Decode>(bytes: &[u8], what: &str) -> Result<T> {
    T::decode_all(&mut &*bytes).map_err(|_| damaged(what))
}

fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| damaged(&error.to_string()))
}

/// What a push kept about an event of the outbox; none if it is not proven final.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub(super) async fn receipt_of(
    pool: &SqlitePool,
    stream: Stream,
    event: EventId,
) -> Result<Option<Evidence>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT r.sequence, r.block_time_ms, r.extrinsic_index, r.path, b.commitment, b.header, \
         b.block_hash, b.block_proof, b.finality, b.leaves \
         FROM ves_receipts r JOIN ves_receipt_batches b USING (tenant_id, store_id, batch_index) \
         WHERE r.tenant_id = ?1 AND r.store_id = ?2 AND r.event_id = ?3",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(event.0.as_slice())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let entry = crate::outbox::find_in(pool, stream, event)
        .await?
        .ok_or_else(|| damaged("the event of a receipt is not in the outbox"))?;
    evidence(row, &entry).map(Some)
}

fn evidence(row: Row, entry: &Entry) -> Result<Evidence> {
    let batch: BatchCommitment = decoded(&row.commitment, "batch commitment")?;
    let block_hash = row
        .block_hash
        .try_into()
        .map_err(|_| damaged("block hash"))?;
    let sequence = unsigned(row.sequence)?;
    let index = sequence
        .checked_sub(batch.sequence_start)
        .and_then(|index| u32::try_from(index).ok())
        .ok_or_else(|| damaged("the sequence of a receipt"))?;
    let proof = match (row.path, row.leaves) {
        (Some(path), _) => decoded(&path, "path")?,
        (None, Some(leaves)) => {
            let leaves: Vec<LeafHash> = decoded(&leaves, "leaves")?;
            InclusionProof::build(&leaves, index).ok_or_else(|| damaged("leaves"))?
        }
        (None, None) => return Err(damaged("a receipt without a path")),
    };
    let envelope = &entry.event.envelope;
    let hash = envelope
        .signing_hash()
        .map_err(|error| damaged(&error.to_string()))?;
    let leaf_hash = envelope.leaf_hash(sequence, &hash);
    let record = SequencedEventJson {
        stream_id: batch.stream_id(),
        sequence,
        block_number: batch.block_number,
        block_hash,
        block_time_ms: unsigned(row.block_time_ms)?,
        extrinsic_index: u32::try_from(row.extrinsic_index).map_err(|_| damaged("extrinsic"))?,
        event_signing_hash: hash,
        leaf_hash,
        receipt_hash: envelope.receipt_hash(sequence, &hash),
        event: EventJson::from(&entry.event),
    };
    Ok(Evidence {
        record,
        inclusion: InclusionJson {
            leaf_hash,
            proof,
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash,
                batch,
            },
            block_proof: parsed(&row.block_proof)?,
            header: row.header,
        },
        finality: parsed(&row.finality)?,
    })
}
