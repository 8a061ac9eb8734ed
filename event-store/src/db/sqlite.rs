// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The file that a node keeps for itself.

use sqlx::{
    Connection as _, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Concurrent readers.
const READERS_MAX: u32 = 4;
/// The write-ahead log is cut back to this size after a checkpoint, bytes.
const WAL_BYTES_MAX: &str = "67108864";

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The version of the schema.
pub(super) fn version() -> i64 {
    MIGRATIONS
        .iter()
        .map(|step| step.version)
        .max()
        .unwrap_or(0)
}

fn readers() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(READERS_MAX)
}

/// A pool of readers of a file that another process writes. Needs the right to write its folder, where
/// readers and writer agree on what is read, but not the file.
pub(super) async fn connect_to_read(path: &Path) -> Result<SqlitePool, String> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", "ON");
    readers()
        .connect_with(options)
        .await
        .map_err(|error| error.to_string())
}

/// A pool with the one writer, and a pool of readers.
pub(super) async fn connect(path: &Path) -> Result<(SqlitePool, SqlitePool), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // FULL syncs every commit; NORMAL would in WAL mode sync at checkpoints only. A power cut could
        // then take the last transactions back: blocks are indexed again, but an agent's cursor is in no
        // block, and its agent was told that it is stored.
        .synchronous(SqliteSynchronous::Full)
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
        .map_err(|error| error.to_string())?;
    MIGRATIONS
        .run(&writer)
        .await
        .map_err(|error| error.to_string())?;
    let readers = readers()
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(|error| error.to_string())?;
    Ok((writer, readers))
}
