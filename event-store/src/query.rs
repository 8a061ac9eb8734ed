// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Questions about single events, batches and blocks. Each answer is read from one snapshot.

use crate::{
    BatchName, Store, StoreError,
    db::{Connection, Row, args, clamped},
    store::{cursor, tip},
};
use codec::{Decode, DecodeAll};
use ves_primitives::{
    BatchCommitment, Envelope, EventId, Payload, StoreId, StreamId, StreamTip, SubmittedEvent,
    TenantId,
    sequencer::Rejection,
    stream_id,
    wire::{
        BatchJson, BatchesPageJson, BlockCommitmentJson, EventJson, EventsPageJson, HeadJson,
        RejectionJson, SequencedEventJson,
    },
};

/// Most events of one page.
pub const MAX_PAGE_EVENTS: u32 = 1_000;
/// Most bytes of one page, estimated; a single larger event still makes a page of its own.
pub const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Most rejections of one event that are reported, the newest.
pub const MAX_REJECTIONS: u32 = 100;
/// What an event's JSON needs besides its payload, bytes, rounded up.
const EVENT_JSON_OVERHEAD: usize = 1_536;
/// Most events that are read at once, so that a page of long ones is not in memory before its bytes
/// are counted. One default page.
pub(crate) const READ_AHEAD: u32 = 100;

/// Most batches that are compared with a UUID, whose first 48 bits are those of the batch's id.
const MAX_NAMESAKES: u32 = 64;

/// What is read of an event, and where from.
pub(crate) const EVENT_COLUMNS: &str =
    "e.sequence, e.extrinsic_index, e.event, e.block_number, b.hash AS block_hash, b.time_ms";
pub(crate) const EVENT_TABLES: &str = "events e JOIN blocks b ON b.number = e.block_number";
/// By the stream's number and not by a join with its id, after which PostgreSQL would sort all batches of
/// the stream.
const BATCH_COLUMNS: &str = "SELECT x.batch, x.sequence_start, b.hash AS block_hash \
     FROM batches x JOIN blocks b ON b.number = x.block_number WHERE x.stream = ?";

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
    /// The signed statement.
    pub envelope: Envelope,
    /// The payload, unless it is pruned.
    pub payload: Option<Payload>,
    /// SCALE length of what is kept, bytes.
    encoded_len: usize,
}

impl StoredEvent {
    pub(crate) fn read(stream_id: StreamId, row: &Row) -> Result<Self, StoreError> {
        let damaged = |_| StoreError::Corrupt { what: "event" };
        let mut encoded = row.slice("event")?;
        let encoded_len = encoded.len();
        let envelope = Envelope::decode(&mut encoded).map_err(damaged)?;
        let payload = match encoded {
            [] => None,
            mut rest => Some(Payload::decode_all(&mut rest).map_err(damaged)?),
        };
        Ok(Self {
            stream_id,
            sequence: row.unsigned("sequence")?,
            block_number: row.unsigned("block_number")?,
            block_hash: row.bytes("block_hash")?,
            block_time_ms: row.unsigned("time_ms")?,
            extrinsic_index: row.unsigned("extrinsic_index")?,
            envelope,
            payload,
            encoded_len,
        })
    }

    /// The event as it was submitted, unless its payload is pruned.
    pub fn submitted(&self) -> Option<SubmittedEvent> {
        Some(SubmittedEvent {
            envelope: self.envelope.clone(),
            payload: self.payload.clone()?,
        })
    }

    /// The JSON form, its hashes recomputed from the event.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the event has no signing hash.
    pub fn to_json(&self) -> Result<SequencedEventJson, StoreError> {
        let envelope = &self.envelope;
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
            event: EventJson::of(envelope, self.payload.as_ref()),
        })
    }

    /// Rough size of the JSON form: base64url adds a third to what is encrypted.
    pub(crate) const fn json_len(&self) -> usize {
        EVENT_JSON_OVERHEAD + self.encoded_len + self.encoded_len / 3
    }
}

/// A stream as the database numbers it, and where it stands.
pub(crate) struct StreamRow {
    pub(crate) id: i64,
    pub(crate) tip: StreamTip,
}

/// The stream's row; nothing if no event of it is indexed.
pub(crate) async fn stream_row(
    connection: &mut Connection,
    stream: StreamId,
) -> Result<Option<StreamRow>, StoreError> {
    let sql = "SELECT id, sequence, state_root, batch_count FROM streams WHERE stream_id = ?";
    let row = connection.optional(sql, args![stream.0]).await?;
    row.map(|row| {
        Ok(StreamRow {
            id: row.int("id")?,
            tip: tip(&row)?,
        })
    })
    .transpose()
}

impl Store {
    /// Where the stream stands; sequence 0 if nothing of it is finalized.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn head(&self, tenant: TenantId, store: StoreId) -> Result<HeadJson, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let row = stream_row(&mut snapshot, stream_id).await?;
        let tip = row.map_or(StreamTip::EMPTY, |row| row.tip);
        let cursor = cursor(&mut snapshot).await?;
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
    /// If the database fails or a row is damaged.
    pub async fn events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
    ) -> Result<EventsPageJson, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let page = Page::new(
            stream_id(tenant, store),
            limit.min(MAX_PAGE_EVENTS),
            MAX_PAGE_BYTES,
        );
        let (events, head_sequence) = events_from(&mut snapshot, from, page).await?;
        let last = events.last().map(|event| event.sequence);
        Ok(EventsPageJson {
            events: events
                .iter()
                .map(StoredEvent::to_json)
                .collect::<Result<_, _>>()?,
            head_sequence,
            next_sequence: last
                .filter(|last| *last < head_sequence)
                .map(|last| last.saturating_add(1)),
        })
    }

    /// Events from sequence `from` on, at most `limit` and about `bytes` of JSON, with the head. For what
    /// reads whole streams and shall not end because one page was slow.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn stored_events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
        bytes: usize,
    ) -> Result<(Vec<StoredEvent>, u64), StoreError> {
        let mut snapshot = self.long_snapshot().await?;
        let stream_id = stream_id(tenant, store);
        let page = Page::new(stream_id, limit.min(MAX_PAGE_EVENTS), bytes);
        events_from(&mut snapshot, from, page).await
    }

    /// The event with this id; the newest, if an agent used the id again after the chain forgot it.
    ///
    /// # Errors
    /// If the database fails or the row is damaged.
    pub async fn event(
        &self,
        tenant: TenantId,
        store: StoreId,
        event_id: EventId,
    ) -> Result<Option<StoredEvent>, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(stream) = stream_row(&mut snapshot, stream_id).await? else {
            return Ok(None);
        };
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} \
             WHERE e.stream = ? AND e.event_id = ? ORDER BY e.sequence DESC LIMIT 1"
        );
        let row = snapshot
            .optional(&sql, args![stream.id, event_id.0])
            .await?;
        row.map(|row| StoredEvent::read(stream_id, &row))
            .transpose()
    }

    /// The stream's batch with this number, from 0.
    ///
    /// # Errors
    /// If the database fails or the row is damaged.
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
        let sql = format!("{BATCH_COLUMNS} AND x.batch_index = ?");
        let mut snapshot = self.snapshot().await?;
        let Some(stream) = stream_row(&mut snapshot, stream_id).await? else {
            return Ok(None);
        };
        let row = snapshot.optional(&sql, args![stream.id, index]).await?;
        row.map(|row| read_batch(stream_id, &row)).transpose()
    }

    /// The batch of this name, whichever stream it is of.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn batch_by_name(&self, name: &BatchName) -> Result<Option<BatchJson>, StoreError> {
        // As the index has it.
        const ID: &str = "substr(x.batch, 1, 32)";
        let sql = format!(
            "SELECT x.batch, b.hash AS block_hash FROM batches x \
             JOIN blocks b ON b.number = x.block_number \
             WHERE {ID} >= ? AND {ID} <= ? ORDER BY {ID} LIMIT ?"
        );
        let (first, last) = name.range();
        let mut snapshot = self.snapshot().await?;
        let rows = snapshot
            .all(&sql, args![first, last, MAX_NAMESAKES])
            .await?;
        for row in &rows {
            let batch = decode_batch(row)?;
            if name.is(batch.batch_id) {
                return read_batch(batch.stream_id(), row).map(Some);
            }
        }
        Ok(None)
    }

    /// The stream's batches from number `from` on, at most `limit`.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn batches(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
    ) -> Result<BatchesPageJson, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(stream) = stream_row(&mut snapshot, stream_id).await? else {
            return Ok(BatchesPageJson {
                batches: Vec::new(),
                batch_count: 0,
                next_index: None,
            });
        };
        let batch_count = stream.tip.batch_count;
        let sql = format!("{BATCH_COLUMNS} AND x.batch_index >= ? ORDER BY x.batch_index LIMIT ?");
        let rows = snapshot
            .all(
                &sql,
                args![stream.id, clamped(from), limit.min(MAX_PAGE_EVENTS)],
            )
            .await?;
        let batches: Vec<_> = rows
            .iter()
            .map(|row| read_batch(stream_id, row))
            .collect::<Result<_, _>>()?;
        let next = batches
            .last()
            .map(|last| last.batch.batch_index.saturating_add(1));
        Ok(BatchesPageJson {
            batches,
            batch_count,
            next_index: next.filter(|next| *next < batch_count),
        })
    }

    /// The batch that holds a sequence.
    ///
    /// # Errors
    /// If the database fails or the row is damaged.
    pub async fn batch_of_sequence(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<BatchJson>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        batch_of_sequence(&mut snapshot, stream_id(tenant, store), sequence).await
    }

    /// What a block commits to; nothing if it has no batches.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn block_commitment(
        &self,
        number: u32,
    ) -> Result<Option<BlockCommitmentJson>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let sql = "SELECT hash, time_ms, header FROM blocks WHERE number = ?";
        let Some(row) = snapshot.optional(sql, args![number]).await? else {
            return Ok(None);
        };
        let batches = batches_of_block(&mut snapshot, number).await?;
        if batches.is_empty() {
            return Ok(None);
        }
        Ok(Some(BlockCommitmentJson {
            block_number: number,
            block_hash: row.bytes("hash")?,
            block_time_ms: row.unsigned("time_ms")?,
            header: row.slice("header")?.to_vec(),
            batches,
        }))
    }

    /// The chain's refusals of an event, oldest first, at most [`MAX_REJECTIONS`] of the newest.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn rejections(
        &self,
        tenant: TenantId,
        store: StoreId,
        event_id: EventId,
    ) -> Result<Vec<RejectionJson>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let rows = snapshot
            .all(
                "SELECT r.block_number, r.extrinsic_index, r.reason, b.hash AS block_hash \
                 FROM rejections r JOIN blocks b ON b.number = r.block_number \
                 WHERE r.stream_id = ? AND r.event_id = ? ORDER BY r.id DESC LIMIT ?",
                args![stream_id(tenant, store).0, event_id.0, MAX_REJECTIONS],
            )
            .await?;
        rows.iter().rev().map(read_rejection).collect()
    }

    /// Number of stored events and rejections.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn counts(&self) -> Result<(u64, u64), StoreError> {
        let mut snapshot = self.long_snapshot().await?;
        let sql = "SELECT (SELECT CAST(COALESCE(SUM(sequence), 0) AS BIGINT) FROM streams) \
             AS events, (SELECT COUNT(*) FROM rejections) AS rejections";
        let row = snapshot.one(sql, args![]).await?;
        Ok((row.unsigned("events")?, row.unsigned("rejections")?))
    }
}

/// Events being collected until there are enough of them or they are too long together.
pub(crate) struct Page {
    stream_id: StreamId,
    limit: u32,
    bytes_left: usize,
    pub(crate) events: Vec<StoredEvent>,
}

impl Page {
    pub(crate) const fn new(stream_id: StreamId, limit: u32, bytes: usize) -> Self {
        Self {
            stream_id,
            limit,
            bytes_left: bytes,
            events: Vec::new(),
        }
    }

    /// How many events to read next; nothing when the page is full.
    pub(crate) fn wanted(&self) -> Option<u32> {
        let left = self
            .limit
            .saturating_sub(u32::try_from(self.events.len()).unwrap_or(u32::MAX));
        (left > 0).then(|| left.min(READ_AHEAD))
    }

    /// Takes what was read; whether there may be more, and room for it.
    pub(crate) fn take(&mut self, rows: &[Row], wanted: u32) -> Result<bool, StoreError> {
        for row in rows {
            let event = StoredEvent::read(self.stream_id, row)?;
            match self.bytes_left.checked_sub(event.json_len()) {
                Some(left) => self.bytes_left = left,
                None if self.events.is_empty() => self.bytes_left = 0,
                None => return Ok(false),
            }
            self.events.push(event);
        }
        Ok(u32::try_from(rows.len()) == Ok(wanted))
    }

    /// Sequence of the last event, 0 if there is none.
    pub(crate) fn last(&self) -> u64 {
        self.events.last().map_or(0, |event| event.sequence)
    }
}

/// Fills a page of its stream's events from a sequence on; with the stream's head.
async fn events_from(
    connection: &mut Connection,
    from: u64,
    mut page: Page,
) -> Result<(Vec<StoredEvent>, u64), StoreError> {
    let Some(row) = stream_row(connection, page.stream_id).await? else {
        return Ok((Vec::new(), 0));
    };
    let head = row.tip.sequence;
    if from > head {
        return Ok((Vec::new(), head));
    }
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM {EVENT_TABLES} \
         WHERE e.stream = ? AND e.sequence >= ? ORDER BY e.sequence LIMIT ?"
    );
    let mut next = clamped(from);
    while let Some(wanted) = page.wanted() {
        let rows = connection.all(&sql, args![row.id, next, wanted]).await?;
        if !page.take(&rows, wanted)? {
            break;
        }
        next = clamped(page.last().saturating_add(1));
    }
    Ok((page.events, head))
}

pub(crate) async fn batch_of_sequence(
    connection: &mut Connection,
    stream: StreamId,
    sequence: u64,
) -> Result<Option<BatchJson>, StoreError> {
    let Ok(sequence) = i64::try_from(sequence) else {
        return Ok(None);
    };
    let Some(found) = stream_row(connection, stream).await? else {
        return Ok(None);
    };
    let sql = format!("{BATCH_COLUMNS} AND x.sequence_end >= ? ORDER BY x.sequence_end LIMIT 1");
    let row = connection.optional(&sql, args![found.id, sequence]).await?;
    let Some(row) = row else { return Ok(None) };
    if row.int("sequence_start")? > sequence {
        return Ok(None);
    }
    read_batch(stream, &row).map(Some)
}

/// The batches of a block in stream-id order.
pub(crate) async fn batches_of_block(
    connection: &mut Connection,
    number: u32,
) -> Result<Vec<BatchCommitment>, StoreError> {
    let sql = "SELECT batch FROM batches WHERE block_number = ? ORDER BY id";
    let rows = connection.all(sql, args![number]).await?;
    rows.iter().map(decode_batch).collect()
}

pub(crate) fn decode_batch(row: &Row) -> Result<BatchCommitment, StoreError> {
    let mut encoded = row.slice("batch")?;
    BatchCommitment::decode_all(&mut encoded).map_err(|_| StoreError::Corrupt { what: "batch" })
}

fn read_batch(stream_id: StreamId, row: &Row) -> Result<BatchJson, StoreError> {
    Ok(BatchJson {
        stream_id,
        block_hash: row.bytes("block_hash")?,
        batch: decode_batch(row)?,
    })
}

fn read_rejection(row: &Row) -> Result<RejectionJson, StoreError> {
    let mut encoded = row.slice("reason")?;
    let reason =
        Rejection::decode_all(&mut encoded).map_err(|_| StoreError::Corrupt { what: "reason" })?;
    Ok(RejectionJson {
        block_number: row.unsigned("block_number")?,
        block_hash: row.bytes("block_hash")?,
        extrinsic_index: row.unsigned("extrinsic_index")?,
        reason: reason.to_string(),
    })
}
