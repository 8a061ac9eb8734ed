// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The writer's SQL. Reading for answers is in [`crate::query`].

use crate::{Cursor, PreparedBlock, StoreError, verify::PreparedBatch};
use codec::Encode;
use sqlx::{
    Connection, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
    time::Duration,
};
use ves_primitives::{
    BatchCommitment, GenesisHash, StateRoot, StreamId, StreamTip,
    sequencer::{IndexedEvent, IndexedRejection},
};

/// Events of one INSERT: 12 columns each, far below SQLite's 32,766 variables.
const EVENTS_PER_INSERT: usize = 128;
/// Rows of the smaller tables of one INSERT.
const ROWS_PER_INSERT: usize = 256;
/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Concurrent readers.
const READERS_MAX: u32 = 4;
/// The write-ahead log is cut back to this size after a checkpoint, bytes.
const WAL_BYTES_MAX: &str = "67108864";

pub(super) async fn connect(path: &Path) -> Result<(SqlitePool, SqlitePool), StoreError> {
    let open_error = |reason: String| StoreError::Open {
        path: path.to_owned(),
        reason,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| open_error(error.to_string()))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL, not FULL: in WAL mode it syncs at checkpoints only. A power cut may then lose
        // the last transactions but never part of one, and whatever is lost is indexed again from
        // the cursor that was lost with it. A crash of the process alone loses nothing.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", WAL_BYTES_MAX);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .after_release(|connection, _| {
            Box::pin(async move {
                // On a full disk SQLite ends the transaction whose commit fails by itself, and
                // sqlx goes on counting it: on such a connection no other could begin. The
                // rollback that is under way comes first.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(|error| open_error(error.to_string()))?;
    sqlx::migrate!()
        .run(&writer)
        .await
        .map_err(|error| open_error(error.to_string()))?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(|error| open_error(error.to_string()))?;
    Ok((writer, readers))
}

/// The genesis of the file; a new file takes the given one and starts at block 0.
pub(super) async fn bind(
    pool: &SqlitePool,
    genesis: GenesisHash,
) -> Result<GenesisHash, StoreError> {
    sqlx::query(
        "INSERT INTO meta (id, genesis, cursor_number, cursor_hash) VALUES (1, ?1, 0, ?1) \
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(genesis.0.as_slice())
    .execute(pool)
    .await?;
    let row = sqlx::query("SELECT genesis FROM meta WHERE id = 1")
        .fetch_one(pool)
        .await?;
    Ok(GenesisHash(bytes(&row, "genesis")?))
}

pub(crate) async fn cursor(connection: &mut SqliteConnection) -> Result<Cursor, StoreError> {
    let row = sqlx::query("SELECT cursor_number, cursor_hash FROM meta WHERE id = 1")
        .fetch_one(connection)
        .await?;
    Ok(Cursor {
        number: unsigned(&row, "cursor_number")?,
        hash: bytes(&row, "cursor_hash")?,
    })
}

pub(super) async fn set_cursor(
    connection: &mut SqliteConnection,
    cursor: &Cursor,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE meta SET cursor_number = ?, cursor_hash = ? WHERE id = 1")
        .bind(i64::from(cursor.number))
        .bind(cursor.hash.as_slice())
        .execute(connection)
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
        connection: &mut SqliteConnection,
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
    pub(super) async fn save(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        for row in self.0.values() {
            sqlx::query(
                "UPDATE streams SET sequence = ?, state_root = ?, batch_count = ? WHERE id = ?",
            )
            .bind(signed(row.tip.sequence)?)
            .bind(row.tip.state_root.0.as_slice())
            .bind(signed(row.tip.batch_count)?)
            .bind(row.id)
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }
}

async fn load_stream(
    connection: &mut SqliteConnection,
    stream: StreamId,
    batch: &BatchCommitment,
) -> Result<StreamRow, StoreError> {
    let row = sqlx::query(
        "SELECT id, sequence, state_root, batch_count FROM streams WHERE stream_id = ?",
    )
    .bind(stream.0.as_slice())
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = row {
        return Ok(StreamRow {
            id: row.try_get("id")?,
            tip: tip(&row)?,
        });
    }
    let (id,): (i64,) = sqlx::query_as(
        "INSERT INTO streams (stream_id, tenant_id, store_id, sequence, state_root, batch_count) \
         VALUES (?, ?, ?, 0, ?, 0) RETURNING id",
    )
    .bind(stream.0.as_slice())
    .bind(batch.tenant_id.0.as_slice())
    .bind(batch.store_id.0.as_slice())
    .bind(StateRoot::GENESIS.0.as_slice())
    .fetch_one(connection)
    .await?;
    Ok(StreamRow {
        id,
        tip: StreamTip::EMPTY,
    })
}

/// Writes a block's rows. The streams of its batches must be loaded.
pub(super) async fn insert_block(
    connection: &mut SqliteConnection,
    block: &PreparedBlock,
    tips: &Tips,
) -> Result<(), StoreError> {
    let result = insert_rows(connection, block, tips).await;
    result.map_err(|error| match error {
        StoreError::Sqlite(sqlx::Error::Database(database))
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
    connection: &mut SqliteConnection,
    block: &PreparedBlock,
    tips: &Tips,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO blocks (number, hash, time_ms, header) VALUES (?, ?, ?, ?)")
        .bind(i64::from(block.number))
        .bind(block.hash.as_slice())
        .bind(signed(block.time_ms)?)
        .bind(block.header.as_slice())
        .execute(&mut *connection)
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
    connection: &mut SqliteConnection,
    block_number: u32,
    events: &[IndexedEvent],
    tips: &Tips,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(events.len());
    for event in events {
        rows.push((tips.id(&event.stream_id)?, signed(event.sequence)?, event));
    }
    let mut insert: QueryBuilder<'_, Sqlite> = QueryBuilder::new(
        "INSERT INTO events (stream, sequence, event_id, block_number, extrinsic_index, \
         entity_type, entity_id, event_type, agent_id, agent_key_id, payload_kind, event) ",
    );
    insert.push_values(rows, |mut row, (stream, sequence, indexed)| {
        let envelope = &indexed.event.envelope;
        row.push_bind(stream)
            .push_bind(sequence)
            .push_bind(envelope.event_id.0.to_vec())
            .push_bind(i64::from(block_number))
            .push_bind(i64::from(indexed.extrinsic_index))
            // The chain admits UTF-8 only; lossy keeps this total, and the SCALE bytes decide.
            .push_bind(String::from_utf8_lossy(&envelope.entity_type).into_owned())
            .push_bind(String::from_utf8_lossy(&envelope.entity_id).into_owned())
            .push_bind(String::from_utf8_lossy(&envelope.event_type).into_owned())
            .push_bind(envelope.source_agent_id.0.to_vec())
            .push_bind(i64::from(envelope.agent_key_id.0))
            .push_bind(i64::from(envelope.payload_kind.code()))
            .push_bind(indexed.event.encode());
    });
    execute(insert, events.len() == EVENTS_PER_INSERT, connection).await
}

async fn insert_batches(
    connection: &mut SqliteConnection,
    block_number: u32,
    batches: &[PreparedBatch],
    tips: &Tips,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(batches.len());
    for batch in batches {
        let commitment = &batch.commitment;
        rows.push((
            tips.id(&commitment.stream_id())?,
            signed(commitment.batch_index)?,
            signed(commitment.sequence_start)?,
            signed(commitment.sequence_end)?,
            batch,
        ));
    }
    let mut insert: QueryBuilder<'_, Sqlite> = QueryBuilder::new(
        "INSERT INTO batches (stream, batch_index, sequence_start, sequence_end, block_number, \
         batch, leaves) ",
    );
    insert.push_values(rows, |mut row, (stream, index, start, end, batch)| {
        row.push_bind(stream)
            .push_bind(index)
            .push_bind(start)
            .push_bind(end)
            .push_bind(i64::from(block_number))
            .push_bind(batch.commitment.encode())
            .push_bind(batch.leaves.as_slice());
    });
    execute(insert, batches.len() == ROWS_PER_INSERT, connection).await
}

async fn insert_rejections(
    connection: &mut SqliteConnection,
    block_number: u32,
    rejections: &[IndexedRejection],
) -> Result<(), StoreError> {
    let mut insert: QueryBuilder<'_, Sqlite> = QueryBuilder::new(
        "INSERT INTO rejections (stream_id, event_id, block_number, extrinsic_index, reason) ",
    );
    insert.push_values(rejections, |mut row, rejection| {
        row.push_bind(rejection.stream_id.0.to_vec())
            .push_bind(rejection.event_id.0.to_vec())
            .push_bind(i64::from(block_number))
            .push_bind(i64::from(rejection.extrinsic_index))
            .push_bind(rejection.reason.encode());
    });
    execute(insert, rejections.len() == ROWS_PER_INSERT, connection).await
}

/// Full chunks share one prepared statement; the odd remainder must not fill the statement cache.
async fn execute(
    mut insert: QueryBuilder<'_, Sqlite>,
    full: bool,
    connection: &mut SqliteConnection,
) -> Result<(), StoreError> {
    insert.build().persistent(full).execute(connection).await?;
    Ok(())
}

/// Reads a fixed number of bytes from a column.
pub(crate) fn bytes<const N: usize>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<[u8; N], StoreError> {
    let value: &[u8] = row.try_get(column)?;
    value
        .try_into()
        .map_err(|_| StoreError::Corrupt { what: column })
}

/// Reads a number that was unsigned when it was written.
pub(crate) fn unsigned<T: TryFrom<i64>>(
    row: &SqliteRow,
    column: &'static str,
) -> Result<T, StoreError> {
    let value: i64 = row.try_get(column)?;
    T::try_from(value).map_err(|_| StoreError::Corrupt { what: column })
}

/// Reads a stream's tip from its row.
pub(crate) fn tip(row: &SqliteRow) -> Result<StreamTip, StoreError> {
    Ok(StreamTip {
        sequence: unsigned(row, "sequence")?,
        state_root: StateRoot(bytes(row, "state_root")?),
        batch_count: unsigned(row, "batch_count")?,
    })
}

/// SQLite's integers are signed; sequences end at 2^63 - 1 for that very reason.
fn signed(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Corrupt {
        what: "number above 2^63 - 1",
    })
}
