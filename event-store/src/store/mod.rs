// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The store: one writer that appends verified blocks, many readers of what was appended.

pub(crate) mod sqlite;

use crate::{BlockError, PreparedBlock, StoreError};
use polkadot_sdk::sp_core::hexdisplay::HexDisplay;
use sqlx::{Sqlite, SqlitePool, Transaction};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};
use ves_primitives::{GenesisHash, wire::StoreHealthJson};

/// Where the store lives.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The SQLite file; created, with its folder, if missing.
    pub path: PathBuf,
}

/// The newest block that the store has indexed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Height; 0 is the genesis block, which holds no events.
    pub number: u32,
    /// Block hash.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (0x{})", self.number, HexDisplay::from(&self.hash))
    }
}

/// How far the indexer is, for `ves_health`. Never an authority: that is the cursor.
#[derive(Debug, Default)]
struct Progress {
    indexed: AtomicU32,
    finalized: AtomicU32,
    backfilling: AtomicBool,
    last_error: Mutex<String>,
}

/// Handle to an open event store. Cheap to clone; all clones share connections and progress.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    genesis: GenesisHash,
    progress: Arc<Progress>,
}

impl Store {
    /// Opens or creates the store of the chain with this genesis.
    ///
    /// # Errors
    /// [`StoreError::WrongChain`] if the file belongs to another chain, [`StoreError::Open`] if it
    /// is no usable store.
    pub async fn open(config: &StoreConfig, genesis: GenesisHash) -> Result<Self, StoreError> {
        let (writer, readers) = sqlite::connect(&config.path).await?;
        let found = sqlite::bind(&writer, genesis).await?;
        if found != genesis {
            return Err(StoreError::WrongChain {
                expected: genesis,
                found,
            });
        }
        let store = Self {
            writer,
            readers,
            genesis,
            progress: Arc::default(),
        };
        let cursor = store.cursor().await?;
        store
            .progress
            .indexed
            .store(cursor.number, Ordering::Relaxed);
        store.progress.backfilling.store(true, Ordering::Relaxed);
        Ok(store)
    }

    /// The chain this store belongs to.
    pub const fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// The newest indexed block.
    ///
    /// # Errors
    /// If SQLite fails.
    pub async fn cursor(&self) -> Result<Cursor, StoreError> {
        sqlite::cursor(&mut *self.readers.acquire().await?).await
    }

    /// Appends blocks in one transaction: either all of them and the new cursor, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Gap`] or [`StoreError::Fork`] if the blocks do not follow the cursor,
    /// [`StoreError::Block`] if a batch does not continue its stream, [`StoreError::Constraint`]
    /// if an event is already stored, [`StoreError::Sqlite`] if writing fails.
    pub async fn append(&self, blocks: &[PreparedBlock]) -> Result<(), StoreError> {
        let Some(last) = blocks.last() else {
            return Ok(());
        };
        let transaction = self.write(blocks).await?;
        transaction.commit().await?;
        self.progress.indexed.store(last.number, Ordering::Relaxed);
        Ok(())
    }

    /// Everything [`Store::append`] does but the commit; dropping the result undoes it.
    async fn write(
        &self,
        blocks: &[PreparedBlock],
    ) -> Result<Transaction<'static, Sqlite>, StoreError> {
        // IMMEDIATE: take the write lock before reading the cursor, so that a second process on the
        // same file waits instead of building upon a cursor that moves.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut cursor = sqlite::cursor(&mut transaction).await?;
        let mut tips = sqlite::Tips::default();
        for block in blocks {
            if cursor.number.checked_add(1) != Some(block.number) {
                return Err(StoreError::Gap {
                    cursor: cursor.number,
                    found: block.number,
                });
            }
            if block.parent_hash != cursor.hash {
                return Err(StoreError::Fork {
                    number: block.number,
                    cursor: cursor.number,
                });
            }
            if !block.is_empty() {
                for batch in &block.batches {
                    let stream = batch.commitment.stream_id();
                    let row = tips.load(&mut transaction, &batch.commitment).await?;
                    batch
                        .commitment
                        .check_continues(&row.tip)
                        .map_err(|source| StoreError::Block {
                            number: block.number,
                            source: BlockError::Batch { stream, source },
                        })?;
                    row.tip = batch.commitment.tip();
                }
                sqlite::insert_block(&mut transaction, block, &tips).await?;
            }
            cursor = Cursor {
                number: block.number,
                hash: block.hash,
            };
        }
        tips.save(&mut transaction).await?;
        sqlite::set_cursor(&mut transaction, &cursor).await?;
        Ok(transaction)
    }

    /// A snapshot for reading: every query of one answer sees the same state.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.readers.begin().await?)
    }

    /// Records how far the node's finality is, and whether the store is still catching up.
    pub(crate) fn report_finalized(&self, finalized: u32, backfilling: bool) {
        self.progress.finalized.store(finalized, Ordering::Relaxed);
        self.progress
            .backfilling
            .store(backfilling, Ordering::Relaxed);
    }

    /// Records the indexer's last error; empty when it is well.
    pub(crate) fn report_error(&self, text: String) {
        *self
            .progress
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = text;
    }

    /// Whether absent rows may only be absent because the store is still catching up.
    pub(crate) fn is_backfilling(&self) -> bool {
        self.progress.backfilling.load(Ordering::Relaxed)
    }

    /// How far the indexer is.
    pub fn health(&self) -> StoreHealthJson {
        let progress = &self.progress;
        StoreHealthJson {
            indexed_block: progress.indexed.load(Ordering::Relaxed),
            finalized_block: progress.finalized.load(Ordering::Relaxed),
            backfilling: self.is_backfilling(),
            last_error: progress
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

#[cfg(test)]
mod tests;
