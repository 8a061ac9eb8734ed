// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the relay must not forget, in one SQLite file.
//!
//! Every change is one transaction, written with `synchronous = FULL`: when a call returns, the
//! change survives a power cut. A signed transaction is here before the network sees it.

mod checkpoints;
mod deployed;
mod error;
mod proofs;
mod sends;
mod streams;

pub use crate::clock::now_ms;
pub use checkpoints::{Checkpoint, Retention, Undone};
pub use deployed::Deployed;
pub use error::JournalError;
pub use proofs::{ProofKey, ProofRow};
pub use sends::{Attempt, Carried, Item, ItemKind, PendingCost, Send, SendState};
pub use streams::{OpenBatch, StreamRow};

use crate::source::BlockHash;
use codec::{Decode, Encode};
use sqlx::{
    Connection, Row, Sqlite, SqlitePool, Transaction,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};
use ves_primitives::{BatchCommitment, GenesisHash, StoreId, StreamId, StreamTip, TenantId};

/// How long to wait for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Format of the file. A newer one is refused.
const FORMAT: &str = "3";
/// What brings a file of a format up to the next one.
const MIGRATIONS: [(&[u8], &str); 2] = [
    (b"1", include_str!("migrate-2.sql")),
    (b"2", include_str!("migrate-3.sql")),
];

/// The last block taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Height.
    pub number: u32,
    /// Hash.
    pub hash: BlockHash,
}

/// What one block adds to the journal.
#[derive(Clone, Debug, Default)]
pub struct BlockBatches {
    /// Batches that continue their streams.
    pub batches: Vec<BatchCommitment>,
    /// Streams whose batch does not, with the reason.
    pub broken: Vec<(TenantId, StoreId, String)>,
    /// When the block was final, at the earliest, Unix milliseconds.
    pub final_ms: u64,
}

/// The relay's journal.
#[derive(Debug)]
pub struct Journal {
    pool: SqlitePool,
    // Held for the life of the process: two relays on one journal would share nonces.
    _lock: Option<File>,
}

impl Journal {
    /// Opens or creates the journal for writing.
    ///
    /// # Errors
    /// [`JournalError`]; in particular [`JournalError::InUse`].
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        let fail = |reason: String| JournalError::Open {
            path: path.to_owned(),
            reason,
        };
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent).map_err(|e| fail(e.to_string()))?;
        }
        let lock = lock(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = connect(path, options).await?;
        migrate(&pool).await?;
        sqlx::raw_sql(include_str!("schema.sql"))
            .execute(&pool)
            .await?;
        let journal = Self {
            pool,
            _lock: Some(lock),
        };
        journal
            .pin("format", "format", FORMAT.as_bytes(), show_text)
            .await
            .map_err(|error| match error {
                JournalError::Foreign { expected, .. } => JournalError::Format(expected),
                other => other,
            })?;
        Ok(journal)
    }

    /// A journal that ends with the process.
    #[cfg(test)]
    pub(crate) async fn in_memory() -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true);
        let pool = connect(Path::new(":memory:"), options).await?;
        sqlx::raw_sql(include_str!("schema.sql"))
            .execute(&pool)
            .await?;
        Ok(Self { pool, _lock: None })
    }

    /// Changes it by hand, as a faulty program would.
    #[cfg(test)]
    pub(crate) async fn tamper(&self, sql: &'static str) -> Result<(), JournalError> {
        sqlx::query(sql).execute(&self.pool).await?;
        Ok(())
    }

    /// Opens an existing journal for reading; works beside a running relay.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = connect(path, options).await?;
        let journal = Self { pool, _lock: None };
        match journal.meta("format").await? {
            Some(format) if format != FORMAT.as_bytes() => {
                let found = show_text(&format);
                let older = MIGRATIONS.iter().any(|(known, _)| *known == format);
                Err(match older {
                    true => JournalError::Old(found),
                    false => JournalError::Format(found),
                })
            }
            _ => Ok(journal),
        }
    }

    /// Begins a transaction, never one inside another: what that would commit is not on disk.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, JournalError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let row = sqlx::query("SELECT value FROM meta WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }

    /// Stores a value the first time and insists on it from then on.
    async fn pin(
        &self,
        key: &str,
        what: &'static str,
        value: &[u8],
        show: fn(&[u8]) -> String,
    ) -> Result<(), JournalError> {
        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(&self.pool)
            .await?;
        let stored = self.meta(key).await?.unwrap_or_default();
        if stored == value {
            return Ok(());
        }
        Err(JournalError::Foreign {
            what,
            expected: show(&stored),
            found: show(value),
        })
    }

    /// The appchain this journal belongs to, once known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn genesis(&self) -> Result<Option<GenesisHash>, JournalError> {
        self.meta("genesis")
            .await?
            .map(|value| Ok(GenesisHash(array(&value)?)))
            .transpose()
    }

    /// Ties the journal to an appchain.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] when it belongs to another.
    pub async fn pin_genesis(&self, genesis: GenesisHash) -> Result<(), JournalError> {
        self.pin("genesis", "the appchain with genesis", &genesis.0, show_hex)
            .await
    }

    /// The address that sends, once known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn sender(&self) -> Result<Option<[u8; 20]>, JournalError> {
        let sender = self.meta("sender").await?;
        sender.map(|value| array(&value)).transpose()
    }

    /// Ties the journal to a destination: chain, its block 0, registry and sender.
    ///
    /// # Errors
    /// [`JournalError::Foreign`] when it belongs to another.
    pub async fn pin_destination(
        &self,
        chain_id: u64,
        genesis: &[u8; 32],
        registry: &[u8; 20],
        sender: &[u8; 20],
    ) -> Result<(), JournalError> {
        let id = chain_id.to_string();
        self.pin(
            "chain_id",
            "the destination chain id",
            id.as_bytes(),
            show_text,
        )
        .await?;
        self.pin(
            "l2_genesis",
            "the destination chain with block 0",
            genesis,
            show_hex,
        )
        .await?;
        self.pin("registry", "the registry", registry, show_hex)
            .await?;
        self.pin("sender", "the sender", sender, show_hex).await
    }

    /// The last block taken over; `None` before the first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn cursor(&self) -> Result<Option<Cursor>, JournalError> {
        let row = sqlx::query("SELECT number, hash FROM cursor")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            let number: i64 = row.try_get("number")?;
            let number = u32::try_from(number).map_err(|e| damaged("cursor", e))?;
            Ok(Cursor {
                number,
                hash: BlockHash(array(row.try_get("hash")?)?),
            })
        })
        .transpose()
    }

    /// Where a stream stands after its finalized batches; `None` when its data was broken.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn tip(&self, stream: StreamId) -> Result<Option<StreamTip>, JournalError> {
        let row = sqlx::query("SELECT tip, broken FROM streams WHERE stream = ?")
            .bind(stream.0.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else {
            return Ok(Some(StreamTip::EMPTY));
        };
        if row.try_get::<i64, _>("broken")? != 0 {
            return Ok(None);
        }
        Ok(Some(decode("stream tip", row.try_get("tip")?)?))
    }

    /// Before this the block after the cursor was not final, Unix milliseconds; 0 when that is not
    /// known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn next_final_ms(&self) -> Result<u64, JournalError> {
        let value: Option<i64> = sqlx::query_scalar("SELECT next_final_at FROM cursor")
            .fetch_optional(&self.pool)
            .await?;
        Ok(value.map_or(0, to_u64))
    }

    /// Takes over blocks up to `cursor`, all or none. `next_final_ms`: before this the block after it
    /// was not final.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn take_blocks(
        &self,
        cursor: Cursor,
        blocks: &[BlockBatches],
        next_final_ms: u64,
    ) -> Result<(), JournalError> {
        let now = to_i64(now_ms());
        let mut tx = self.begin().await?;
        for block in blocks {
            for batch in &block.batches {
                let stream = batch.stream_id();
                sqlx::query(
                    "INSERT INTO streams (stream, tenant, store, tip) VALUES (?, ?, ?, ?) \
                     ON CONFLICT (stream) DO UPDATE SET tip = excluded.tip",
                )
                .bind(stream.0.as_slice())
                .bind(batch.tenant_id.0.as_slice())
                .bind(batch.store_id.0.as_slice())
                .bind(batch.tip().encode())
                .execute(&mut *tx)
                .await?;
                sqlx::query(
                    "INSERT INTO batches \
                     (stream, batch_index, batch, sequence_start, taken_at, final_at) \
                     VALUES (?, ?, ?, ?, ?, ?)",
                )
                .bind(stream.0.as_slice())
                .bind(to_i64(batch.batch_index))
                .bind(batch.encode())
                .bind(to_i64(batch.sequence_start))
                .bind(now)
                .bind(to_i64(block.final_ms))
                .execute(&mut *tx)
                .await?;
            }
            for (tenant, store, reason) in &block.broken {
                let stream = ves_primitives::stream_id(*tenant, *store);
                sqlx::query(
                    "INSERT INTO streams (stream, tenant, store, tip, quarantine, broken) \
                     VALUES (?1, ?2, ?3, ?4, ?5, 1) \
                     ON CONFLICT (stream) DO UPDATE SET quarantine = ?5, broken = 1",
                )
                .bind(stream.0.as_slice())
                .bind(tenant.0.as_slice())
                .bind(store.0.as_slice())
                .bind(StreamTip::EMPTY.encode())
                .bind(reason)
                .execute(&mut *tx)
                .await?;
            }
        }
        sqlx::query(
            "INSERT INTO cursor (id, number, hash, next_final_at) VALUES (1, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET number = excluded.number, hash = excluded.hash, \
             next_final_at = excluded.next_final_at",
        )
        .bind(i64::from(cursor.number))
        .bind(cursor.hash.0.as_slice())
        .bind(to_i64(next_final_ms))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Brings a file of an older format up to this one.
async fn migrate(pool: &SqlitePool) -> Result<(), JournalError> {
    let known: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'",
    )
    .fetch_one(pool)
    .await?;
    if known == 0 {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut begun = None;
    for (known, script) in MIGRATIONS {
        let format: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT value FROM meta WHERE key = 'format'")
                .fetch_optional(&mut *tx)
                .await?;
        if format.as_deref() == Some(known) {
            sqlx::raw_sql(script).execute(&mut *tx).await?;
            begun.get_or_insert(known);
        }
    }
    tx.commit().await?;
    if let Some(from) = begun {
        let from = show_text(from);
        tracing::info!("the journal was brought from format {from} to {FORMAT}");
    }
    Ok(())
}

/// The lock is beside the database: SQLite's own locks must stay free for `status`.
fn lock(path: &Path) -> Result<File, JournalError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let fail = |reason: String| JournalError::Open {
        path: path.to_owned(),
        reason,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(name))
        .map_err(|e| fail(e.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(fail(error.to_string())),
    }
}

async fn connect(path: &Path, options: SqliteConnectOptions) -> Result<SqlitePool, JournalError> {
    SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(BUSY_TIMEOUT * 2)
        .after_release(|connection, _| {
            Box::pin(async move {
                // On a full disk SQLite ends the transaction whose commit fails by itself, and
                // sqlx goes on counting it. On such a connection nothing would be committed any
                // more although every call succeeds. The rollback that is under way comes first.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(options)
        .await
        .map_err(|error| match JournalError::from(error) {
            JournalError::Sqlite(error) => JournalError::Open {
                path: path.to_owned(),
                reason: error.to_string(),
            },
            other => other,
        })
}

fn show_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn show_hex(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn damaged(what: &str, error: impl std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!("{what}: {error}"))
}

fn decode<T: Decode>(what: &str, bytes: Vec<u8>) -> Result<T, JournalError> {
    codec::DecodeAll::decode_all(&mut bytes.as_slice()).map_err(|error| damaged(what, error))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], JournalError> {
    bytes
        .try_into()
        .map_err(|error| damaged("length of a stored value", error))
}

fn optional_array<const N: usize>(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<[u8; N]>, JournalError> {
    row.try_get::<Option<&[u8]>, _>(column)?
        .map(array)
        .transpose()
}

// Sequences are at most 2^53 - 1 and times are far below 2^63.
fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn to_u64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
