// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The writer's statements. Reading for answers is in [`crate::query`] and [`crate::find`].

use crate::{
    Cursor, PreparedBlock, StoreError,
    db::{Arg, Connection, Db, Row, args, signed},
    verify::PreparedBatch,
};
use codec::Encode;
use std::collections::{BTreeMap, btree_map::Entry};
use ves_primitives::{
    BatchCommitment, GenesisHash, StateRoot, StreamId, StreamTip,
    sequencer::{IndexedEvent, IndexedRejection},
};

/// Events of one INSERT: 12 columns each, far below SQLite's 32,766 and PostgreSQL's 65,535
/// arguments.
const EVENTS_PER_INSERT: usize = 128;
/// Rows of the smaller tables of one INSERT.
const ROWS_PER_INSERT: usize = 256;

/// The genesis of the store; a new one takes the given genesis and starts at block 0.
pub(super) async fn bind(db: &Db, genesis: GenesisHash) -> Result<GenesisHash, StoreError> {
    let mut transaction = db.write().await?;
    transaction
        .execute(
            "INSERT INTO meta (id, genesis, cursor_number, cursor_hash) VALUES (1, ?, 0, ?) \
             ON CONFLICT (id) DO NOTHING",
            args![genesis.0, genesis.0],
        )
        .await?;
    let found = genesis_of(&mut transaction).await?;
    transaction.commit().await?;
    found.ok_or(StoreError::Corrupt { what: "meta" })
}

/// The genesis of the store, if it has one.
pub(super) async fn genesis_of(
    connection: &mut Connection,
) -> Result<Option<GenesisHash>, StoreError> {
    let sql = "SELECT genesis FROM meta WHERE id = 1";
    let row = connection.optional(sql, args![]).await?;
    row.map(|row| Ok(GenesisHash(row.bytes("genesis")?)))
        .transpose()
}

fn read_cursor(row: &Row) -> Result<Cursor, StoreError> {
    Ok(Cursor {
        number: row.unsigned("cursor_number")?,
        hash: row.bytes("cursor_hash")?,
    })
}

pub(crate) async fn cursor(connection: &mut Connection) -> Result<Cursor, StoreError> {
    let sql = "SELECT cursor_number, cursor_hash FROM meta WHERE id = 1";
    read_cursor(&connection.one(sql, args![]).await?)
}

/// The cursor, which nobody else moves until the transaction ends.
pub(super) async fn locked_cursor(connection: &mut Connection) -> Result<Cursor, StoreError> {
    let sql = format!(
        "SELECT cursor_number, cursor_hash FROM meta WHERE id = 1{}",
        connection.for_update()
    );
    read_cursor(&connection.one(&sql, args![]).await?)
}

pub(super) async fn set_cursor(
    connection: &mut Connection,
    cursor: &Cursor,
) -> Result<(), StoreError> {
    let sql = "UPDATE meta SET cursor_number = ?, cursor_hash = ? WHERE id = 1";
    connection
        .execute(sql, args![cursor.number, cursor.hash])
        .await?;
    Ok(())
}

/// A stream's row and where the stream stands within the running transaction.
pub(super) struct StreamRow {
    id: i64,
    pub(super) tip: StreamTip,
}

/// The streams that the running transaction touches.
#[derive(Default)]
pub(super) struct Tips(BTreeMap<StreamId, StreamRow>);

impl Tips {
    /// The stream that `batch` extends, created if it is new.
    pub(super) async fn load(
        &mut self,
        connection: &mut Connection,
        batch: &BatchCommitment,
    ) -> Result<&mut StreamRow, StoreError> {
        let stream = batch.stream_id();
        match self.0.entry(stream) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(load_stream(connection, stream, batch).await?)),
        }
    }

    fn id(&self, stream: &StreamId) -> Result<i64, StoreError> {
        self.0
            .get(stream)
            .map(|row| row.id)
            .ok_or(StoreError::Corrupt { what: "streams" })
    }

    /// Writes every tip back.
    pub(super) async fn save(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let sql = "UPDATE streams SET sequence = ?, state_root = ?, batch_count = ? WHERE id = ?";
        for row in self.0.values() {
            let (sequence, batch_count) = (signed(row.tip.sequence)?, signed(row.tip.batch_count)?);
            connection
                .execute(
                    sql,
                    args![sequence, row.tip.state_root.0, batch_count, row.id],
                )
                .await?;
        }
        Ok(())
    }
}

async fn load_stream(
    connection: &mut Connection,
    stream: StreamId,
    batch: &BatchCommitment,
) -> Result<StreamRow, StoreError> {
    let sql = "SELECT id, sequence, state_root, batch_count FROM streams WHERE stream_id = ?";
    if let Some(row) = connection.optional(sql, args![stream.0]).await? {
        return Ok(StreamRow {
            id: row.int("id")?,
            tip: tip(&row)?,
        });
    }
    let row = connection
        .one(
            "INSERT INTO streams (stream_id, tenant_id, store_id, sequence, state_root, batch_count) \
             VALUES (?, ?, ?, 0, ?, 0) RETURNING id",
            args![
                stream.0,
                batch.tenant_id.0,
                batch.store_id.0,
                StateRoot::GENESIS.0
            ],
        )
        .await?;
    Ok(StreamRow {
        id: row.int("id")?,
        tip: StreamTip::EMPTY,
    })
}

/// Writes a block's rows. The streams of its batches must be loaded.
pub(super) async fn insert_block(
    connection: &mut Connection,
    block: &PreparedBlock,
    tips: &Tips,
) -> Result<(), StoreError> {
    let result = insert_rows(connection, block, tips).await;
    result.map_err(|error| match error {
        StoreError::Database(sqlx::Error::Database(database))
            if database.is_unique_violation()
                || database.is_check_violation()
                || database.is_foreign_key_violation() =>
        {
            StoreError::Constraint {
                number: block.number,
                reason: database.to_string(),
            }
        }
        other => other,
    })
}

async fn insert_rows(
    connection: &mut Connection,
    block: &PreparedBlock,
    tips: &Tips,
) -> Result<(), StoreError> {
    connection
        .execute(
            "INSERT INTO blocks (number, hash, time_ms, header) VALUES (?, ?, ?, ?)",
            args![
                block.number,
                block.hash,
                signed(block.time_ms)?,
                block.header.as_slice()
            ],
        )
        .await?;
    for events in block.events.chunks(EVENTS_PER_INSERT) {
        insert_events(connection, block.number, events, tips).await?;
    }
    for batches in block.batches.chunks(ROWS_PER_INSERT) {
        insert_batches(connection, block.number, batches, tips).await?;
    }
    for rejections in block.rejections.chunks(ROWS_PER_INSERT) {
        insert_rejections(connection, block.number, rejections).await?;
    }
    Ok(())
}

async fn insert_events(
    connection: &mut Connection,
    block_number: u32,
    events: &[IndexedEvent],
    tips: &Tips,
) -> Result<(), StoreError> {
    let mut values = Vec::with_capacity(events.len().saturating_mul(12));
    // The chain admits UTF-8 only; lossy keeps this total, and the SCALE bytes decide.
    let name = |bytes: &[u8]| Arg::Name(String::from_utf8_lossy(bytes).into_owned());
    for indexed in events {
        let envelope = &indexed.event.envelope;
        values.extend(args![
            tips.id(&indexed.stream_id)?,
            signed(indexed.sequence)?,
            envelope.event_id.0,
            block_number,
            indexed.extrinsic_index,
        ]);
        values.extend([
            name(&envelope.entity_type),
            name(&envelope.entity_id),
            name(&envelope.event_type),
            Arg::from(envelope.source_agent_id.0),
            Arg::MaybeBytes(envelope.command_id.map(|command| command.0.to_vec())),
            Arg::Int(i64::try_from(envelope.encoded_size()).unwrap_or(i64::MAX)),
            Arg::from(indexed.event.encode()),
        ]);
    }
    let columns = "events (stream, sequence, event_id, block_number, extrinsic_index, \
         entity_type, entity_id, event_type, agent_id, command_id, envelope_len, event)";
    let full = events.len() == EVENTS_PER_INSERT;
    insert(connection, columns, 12, values, full).await
}

async fn insert_batches(
    connection: &mut Connection,
    block_number: u32,
    batches: &[PreparedBatch],
    tips: &Tips,
) -> Result<(), StoreError> {
    let mut values = Vec::with_capacity(batches.len().saturating_mul(8));
    for batch in batches {
        let commitment = &batch.commitment;
        values.extend(args![
            tips.id(&commitment.stream_id())?,
            signed(commitment.batch_index)?,
            signed(commitment.sequence_start)?,
            signed(commitment.sequence_end)?,
            block_number,
            commitment.encode(),
            batch.leaves.as_slice(),
        ]);
        values.push(Arg::MaybeBytes(batch.nodes.clone()));
    }
    let columns = "batches (stream, batch_index, sequence_start, sequence_end, block_number, \
         batch, leaves, nodes)";
    let full = batches.len() == ROWS_PER_INSERT;
    insert(connection, columns, 8, values, full).await
}

async fn insert_rejections(
    connection: &mut Connection,
    block_number: u32,
    rejections: &[IndexedRejection],
) -> Result<(), StoreError> {
    let mut values = Vec::with_capacity(rejections.len().saturating_mul(5));
    for rejection in rejections {
        values.extend(args![
            rejection.stream_id.0,
            rejection.event_id.0,
            block_number,
            rejection.extrinsic_index,
            rejection.reason.encode(),
        ]);
    }
    let columns = "rejections (stream_id, event_id, block_number, extrinsic_index, reason)";
    let full = rejections.len() == ROWS_PER_INSERT;
    insert(connection, columns, 5, values, full).await
}

/// Writes rows of `width` values. Full chunks share one prepared statement; the odd remainder must not
/// fill the statement cache.
async fn insert(
    connection: &mut Connection,
    columns: &str,
    width: usize,
    values: Vec<Arg>,
    full: bool,
) -> Result<(), StoreError> {
    let row = format!("({})", vec!["?"; width].join(", "));
    let rows = vec![row.as_str(); values.len() / width].join(", ");
    let sql = format!("INSERT INTO {columns} VALUES {rows}");
    if full {
        connection.execute(&sql, values).await?;
    } else {
        connection.execute_once(&sql, values).await?;
    }
    Ok(())
}

/// Reads a stream's tip from its row.
pub(crate) fn tip(row: &Row) -> Result<StreamTip, StoreError> {
    Ok(StreamTip {
        sequence: row.unsigned("sequence")?,
        state_root: StateRoot(row.bytes("state_root")?),
        batch_count: row.unsigned("batch_count")?,
    })
}
