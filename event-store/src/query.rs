// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Questions about what was appended. Each answer is read from one snapshot.

use crate::{
    Store, StoreError,
    store::sqlite::{bytes, tip, unsigned},
};
use codec::DecodeAll;
use futures::TryStreamExt;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use ves_primitives::{
    BatchCommitment, EventId, InclusionProof, LeafHash, StoreId, StreamId, StreamTip,
    SubmittedEvent, TenantId, block_leaves, path_of,
    sequencer::Rejection,
    stream_id,
    wire::{BatchJson, EventsPageJson, HeadJson, InclusionJson, RejectionJson, SequencedEventJson},
};

/// Most events of one page.
pub const MAX_PAGE_EVENTS: u32 = 1_000;
/// Most bytes of one page, estimated; a single larger event still makes a page of its own.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most rejections of one event that are reported, the newest.
pub const MAX_REJECTIONS: u32 = 100;
/// What an event's JSON needs besides its payload, bytes, rounded up.
const EVENT_JSON_OVERHEAD: usize = 1_536;

const EVENT_COLUMNS: &str = "SELECT e.sequence, e.extrinsic_index, e.event, e.block_number, \
     b.hash AS block_hash, b.time_ms FROM events e \
     JOIN streams s ON s.id = e.stream JOIN blocks b ON b.number = e.block_number \
     WHERE s.stream_id = ?";
const BATCH_COLUMNS: &str = "SELECT x.batch, x.sequence_start, b.hash AS block_hash \
     FROM batches x JOIN streams s ON s.id = x.stream JOIN blocks b ON b.number = x.block_number \
     WHERE s.stream_id = ?";

/// A stored event and where it stands.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The stream.
    pub stream_id: StreamId,
    /// Its place in the stream.
    pub sequence: u64,
    /// Block that sequenced it.
    pub block_number: u32,
    /// Hash of that block.
    pub block_hash: [u8; 32],
    /// Chain time of that block, milliseconds since the Unix epoch.
    pub block_time_ms: u64,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// The event.
    pub event: SubmittedEvent,
    /// SCALE length of the event, bytes.
    encoded_len: usize,
}

impl StoredEvent {
    fn read(stream_id: StreamId, row: &SqliteRow) -> Result<Self, StoreError> {
        let mut encoded: &[u8] = row.try_get("event")?;
        let encoded_len = encoded.len();
        Ok(Self {
            stream_id,
            sequence: unsigned(row, "sequence")?,
            block_number: unsigned(row, "block_number")?,
            block_hash: bytes(row, "block_hash")?,
            block_time_ms: unsigned(row, "time_ms")?,
            extrinsic_index: unsigned(row, "extrinsic_index")?,
            event: SubmittedEvent::decode_all(&mut encoded)
                .map_err(|_| StoreError::Corrupt { what: "event" })?,
            encoded_len,
        })
    }

    /// The JSON form, its hashes recomputed from the event.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the event has no signing hash.
    pub fn to_json(&self) -> Result<SequencedEventJson, StoreError> {
        let envelope = &self.event.envelope;
        let signing_hash = envelope
            .signing_hash()
            .map_err(|_| StoreError::Corrupt { what: "event" })?;
        Ok(SequencedEventJson {
            stream_id: self.stream_id,
            sequence: self.sequence,
            block_number: self.block_number,
            block_hash: self.block_hash,
            block_time_ms: self.block_time_ms,
            extrinsic_index: self.extrinsic_index,
            event_signing_hash: signing_hash,
            leaf_hash: envelope.leaf_hash(self.sequence, &signing_hash),
            receipt_hash: envelope.receipt_hash(self.sequence, &signing_hash),
            event: (&self.event).into(),
        })
    }

    /// Rough size of the JSON form: base64url adds a third to what is encrypted.
    const fn json_len(&self) -> usize {
        EVENT_JSON_OVERHEAD + self.encoded_len + self.encoded_len / 3
    }
}

impl Store {
    /// Where the stream stands; sequence 0 if nothing of it is finalized.
    ///
    /// # Errors
    /// If SQLite fails.
    pub async fn head(&self, tenant: TenantId, store: StoreId) -> Result<HeadJson, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let tip = read_tip(&mut snapshot, stream_id).await?;
        let cursor = crate::store::sqlite::cursor(&mut snapshot).await?;
        Ok(HeadJson {
            stream_id,
            sequence: tip.sequence,
            state_root: tip.state_root,
            batch_count: tip.batch_count,
            finalized_block_number: cursor.number,
            finalized_block_hash: cursor.hash,
        })
    }

    /// Events from sequence `from` on, at most `limit` and about [`MAX_PAGE_BYTES`].
    ///
    /// # Errors
    /// If SQLite fails or a row is damaged.
    pub async fn events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
    ) -> Result<EventsPageJson, StoreError> {
        let stream_id = stream_id(tenant, store);
        let limit = limit.min(MAX_PAGE_EVENTS);
        let mut snapshot = self.snapshot().await?;
        let tip = read_tip(&mut snapshot, stream_id).await?;
        let sql = format!("{EVENT_COLUMNS} AND e.sequence >= ? ORDER BY e.sequence LIMIT ?");
        let mut rows = sqlx::query(&sql)
            .bind(stream_id.0.as_slice())
            .bind(i64::try_from(from).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch(&mut *snapshot);
        let mut events = Vec::new();
        let mut page_bytes = 0usize;
        while let Some(row) = rows.try_next().await? {
            let event = StoredEvent::read(stream_id, &row)?;
            page_bytes = page_bytes.saturating_add(event.json_len());
            if page_bytes > MAX_PAGE_BYTES && !events.is_empty() {
                break;
            }
            events.push(event.to_json()?);
        }
        let last = events.last().map(|event| event.sequence);
        let next_sequence = last
            .filter(|last| *last < tip.sequence)
            .map(|last| last.saturating_add(1));
        Ok(EventsPageJson {
            events,
            head_sequence: tip.sequence,
            next_sequence,
        })
    }

    /// The event with this id.
    ///
    /// # Errors
    /// If SQLite fails or the row is damaged.
    pub async fn event(
        &self,
        tenant: TenantId,
        store: StoreId,
        event_id: EventId,
    ) -> Result<Option<StoredEvent>, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut connection = self.snapshot().await?;
        let sql = format!("{EVENT_COLUMNS} AND e.event_id = ?");
        let row = sqlx::query(&sql)
            .bind(stream_id.0.as_slice())
            .bind(event_id.0.as_slice())
            .fetch_optional(&mut *connection)
            .await?;
        row.map(|row| StoredEvent::read(stream_id, &row))
            .transpose()
    }

    /// The stream's batch with this number, from 0.
    ///
    /// # Errors
    /// If SQLite fails or the row is damaged.
    pub async fn batch(
        &self,
        tenant: TenantId,
        store: StoreId,
        index: u64,
    ) -> Result<Option<BatchJson>, StoreError> {
        let stream_id = stream_id(tenant, store);
        let Ok(index) = i64::try_from(index) else {
            return Ok(None);
        };
        let mut connection = self.snapshot().await?;
        let sql = format!("{BATCH_COLUMNS} AND x.batch_index = ?");
        let row = sqlx::query(&sql)
            .bind(stream_id.0.as_slice())
            .bind(index)
            .fetch_optional(&mut *connection)
            .await?;
        row.map(|row| read_batch(stream_id, &row)).transpose()
    }

    /// The batch that holds a sequence.
    ///
    /// # Errors
    /// If SQLite fails or the row is damaged.
    pub async fn batch_of_sequence(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<BatchJson>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        batch_of_sequence(&mut snapshot, stream_id(tenant, store), sequence).await
    }

    /// The way from an event's leaf to the header of its block.
    ///
    /// # Errors
    /// If SQLite fails or a row is damaged.
    pub async fn inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<InclusionJson>, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(batch) = batch_of_sequence(&mut snapshot, stream_id, sequence).await? else {
            return Ok(None);
        };
        let leaves = batch_leaves(&mut snapshot, stream_id, &batch.batch).await?;
        let header = header(&mut snapshot, batch.batch.block_number).await?;
        let siblings = batches_of_block(&mut snapshot, batch.batch.block_number).await?;
        // The reading is done; hashing up to 16,384 leaves must not hold the connection.
        drop(snapshot);

        let damaged = StoreError::Corrupt { what: "leaves" };
        let position = sequence.checked_sub(batch.batch.sequence_start);
        let Some(index) = position.and_then(|position| u32::try_from(position).ok()) else {
            return Err(damaged);
        };
        let leaf = usize::try_from(index)
            .ok()
            .and_then(|index| leaves.get(index))
            .copied();
        let (Some(leaf_hash), Some(proof)) = (leaf, InclusionProof::build(&leaves, index)) else {
            return Err(damaged);
        };
        let block_proof = block_proof(&siblings, stream_id)?;
        Ok(Some(InclusionJson {
            leaf_hash,
            proof,
            batch,
            block_proof,
            header,
        }))
    }

    /// The chain's refusals of an event, oldest first, at most [`MAX_REJECTIONS`] of the newest.
    ///
    /// # Errors
    /// If SQLite fails or a row is damaged.
    pub async fn rejections(
        &self,
        tenant: TenantId,
        store: StoreId,
        event_id: EventId,
    ) -> Result<Vec<RejectionJson>, StoreError> {
        let mut connection = self.snapshot().await?;
        let rows = sqlx::query(
            "SELECT r.block_number, r.extrinsic_index, r.reason, b.hash AS block_hash \
             FROM rejections r JOIN blocks b ON b.number = r.block_number \
             WHERE r.stream_id = ? AND r.event_id = ? ORDER BY r.id DESC LIMIT ?",
        )
        .bind(stream_id(tenant, store).0.as_slice())
        .bind(event_id.0.as_slice())
        .bind(i64::from(MAX_REJECTIONS))
        .fetch_all(&mut *connection)
        .await?;
        rows.iter().rev().map(read_rejection).collect()
    }

    /// Number of stored events and rejections.
    ///
    /// # Errors
    /// If SQLite fails.
    pub async fn counts(&self) -> Result<(u64, u64), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let row = sqlx::query(
            "SELECT (SELECT COALESCE(SUM(sequence), 0) FROM streams) AS events, \
             (SELECT COUNT(*) FROM rejections) AS rejections",
        )
        .fetch_one(&mut *snapshot)
        .await?;
        Ok((unsigned(&row, "events")?, unsigned(&row, "rejections")?))
    }
}

async fn read_tip(
    connection: &mut SqliteConnection,
    stream: StreamId,
) -> Result<StreamTip, StoreError> {
    let row =
        sqlx::query("SELECT sequence, state_root, batch_count FROM streams WHERE stream_id = ?")
            .bind(stream.0.as_slice())
            .fetch_optional(connection)
            .await?;
    row.map_or(Ok(StreamTip::EMPTY), |row| tip(&row))
}

async fn batch_of_sequence(
    connection: &mut SqliteConnection,
    stream: StreamId,
    sequence: u64,
) -> Result<Option<BatchJson>, StoreError> {
    let Ok(sequence) = i64::try_from(sequence) else {
        return Ok(None);
    };
    let sql = format!("{BATCH_COLUMNS} AND x.sequence_end >= ? ORDER BY x.sequence_end LIMIT 1");
    let row = sqlx::query(&sql)
        .bind(stream.0.as_slice())
        .bind(sequence)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let start: i64 = row.try_get("sequence_start")?;
    if start > sequence {
        return Ok(None);
    }
    read_batch(stream, &row).map(Some)
}

async fn batch_leaves(
    connection: &mut SqliteConnection,
    stream: StreamId,
    batch: &BatchCommitment,
) -> Result<Vec<LeafHash>, StoreError> {
    let index = i64::try_from(batch.batch_index).map_err(|_| StoreError::Corrupt {
        what: "batch_index",
    })?;
    let row = sqlx::query(
        "SELECT x.leaves FROM batches x JOIN streams s ON s.id = x.stream \
         WHERE s.stream_id = ? AND x.batch_index = ?",
    )
    .bind(stream.0.as_slice())
    .bind(index)
    .fetch_one(connection)
    .await?;
    let leaves: &[u8] = row.try_get("leaves")?;
    let (chunks, rest) = leaves.as_chunks::<32>();
    if !rest.is_empty() || u32::try_from(chunks.len()) != Ok(batch.leaf_count) {
        return Err(StoreError::Corrupt { what: "leaves" });
    }
    Ok(chunks.iter().copied().map(LeafHash).collect())
}

async fn header(connection: &mut SqliteConnection, number: u32) -> Result<Vec<u8>, StoreError> {
    let row = sqlx::query("SELECT header FROM blocks WHERE number = ?")
        .bind(i64::from(number))
        .fetch_one(connection)
        .await?;
    Ok(row.try_get("header")?)
}

async fn batches_of_block(
    connection: &mut SqliteConnection,
    number: u32,
) -> Result<Vec<BatchCommitment>, StoreError> {
    let rows = sqlx::query("SELECT batch FROM batches WHERE block_number = ?")
        .bind(i64::from(number))
        .fetch_all(connection)
        .await?;
    rows.iter().map(decode_batch).collect()
}

/// The path from one stream's batch to the root over all batches of its block.
fn block_proof(
    batches: &[BatchCommitment],
    stream: StreamId,
) -> Result<InclusionProof, StoreError> {
    let damaged = StoreError::Corrupt { what: "batches" };
    let leaves = block_leaves(batches);
    let own = batches.iter().find(|batch| batch.stream_id() == stream);
    let own = own.map(BatchCommitment::block_leaf);
    let position = leaves.iter().position(|leaf| Some(*leaf) == own);
    let position = position.and_then(|position| u32::try_from(position).ok());
    let (Some(leaf_index), Ok(leaf_count)) = (position, u32::try_from(leaves.len())) else {
        return Err(damaged);
    };
    let path = path_of(leaves, leaf_index).ok_or(damaged)?;
    Ok(InclusionProof {
        leaf_index,
        leaf_count,
        path,
    })
}

fn decode_batch(row: &SqliteRow) -> Result<BatchCommitment, StoreError> {
    let mut encoded: &[u8] = row.try_get("batch")?;
    BatchCommitment::decode_all(&mut encoded).map_err(|_| StoreError::Corrupt { what: "batch" })
}

fn read_batch(stream_id: StreamId, row: &SqliteRow) -> Result<BatchJson, StoreError> {
    Ok(BatchJson {
        stream_id,
        block_hash: bytes(row, "block_hash")?,
        batch: decode_batch(row)?,
    })
}

fn read_rejection(row: &SqliteRow) -> Result<RejectionJson, StoreError> {
    let mut encoded: &[u8] = row.try_get("reason")?;
    let reason =
        Rejection::decode_all(&mut encoded).map_err(|_| StoreError::Corrupt { what: "reason" })?;
    Ok(RejectionJson {
        block_number: unsigned(row, "block_number")?,
        block_hash: bytes(row, "block_hash")?,
        extrinsic_index: unsigned(row, "extrinsic_index")?,
        reason: reason.to_string(),
    })
}
