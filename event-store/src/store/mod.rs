// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The store: appends verified blocks in order, and tells readers when there are new ones.

mod prune;
mod rewind;
mod rows;

use crate::{
    BlockError, PreparedBlock, StoreConfig, StoreError,
    db::{Connection, Db},
    pages::Pages,
    refused,
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use tokio::sync::watch;
use ves_primitives::{GenesisHash, wire::StoreHealthJson};

pub(crate) use rows::{cursor, tip};

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
        write!(f, "{} (0x{})", self.number, hex::encode(self.hash))
    }
}

/// How far the indexer is, for `ves_health`. Never an authority: that is the cursor.
#[derive(Debug)]
struct Progress {
    /// The newest indexed block that this process knows of; wakes subscriptions.
    indexed: watch::Sender<u32>,
    finalized: AtomicU32,
    backfilling: AtomicBool,
    last_error: Mutex<String>,
}

/// Handle to an open event store. Cheap to clone; all clones share connections and progress.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) db: Db,
    genesis: GenesisHash,
    progress: Arc<Progress>,
    pub(crate) pages: Arc<Pages>,
}

impl Store {
    /// Opens or creates the store of the chain with this genesis.
    ///
    /// # Errors
    /// [`StoreError::WrongChain`] if it belongs to another chain, [`StoreError::Open`] if it is no
    /// usable store.
    pub async fn open(config: &StoreConfig, genesis: GenesisHash) -> Result<Self, StoreError> {
        let db = Db::open(config).await?;
        let found = rows::bind(&db, genesis).await?;
        if found != genesis {
            return Err(StoreError::WrongChain {
                expected: genesis,
                found,
            });
        }
        Self::over(db, genesis).await
    }

    /// Opens a store that another process writes, to read it only: a file, a database, or a server's
    /// streaming replica. [`Store::cursor`] has to be asked now and then for subscribers to hear of new
    /// blocks.
    ///
    /// # Errors
    /// [`StoreError::Replica`] if it is not one yet or of another version, [`StoreError::WrongChain`].
    pub async fn open_replica(
        config: &StoreConfig,
        genesis: GenesisHash,
    ) -> Result<Self, StoreError> {
        let db = Db::open_replica(config).await?;
        let found = rows::genesis_of(&mut db.snapshot().await?).await?;
        match found {
            Some(found) if found == genesis => Self::over(db, genesis).await,
            Some(found) => Err(StoreError::WrongChain {
                expected: genesis,
                found,
            }),
            None => Err(StoreError::Replica {
                place: config.to_string(),
                reason: "no node has used it".into(),
            }),
        }
    }

    /// Whether another process writes it, and this one only reads.
    pub const fn is_replica(&self) -> bool {
        self.db.is_replica()
    }

    /// Opens a store whatever chain it is of, for commands that need no node.
    ///
    /// # Errors
    /// [`StoreError::Open`] if it is no usable store, or a new one.
    pub async fn open_existing(config: &StoreConfig) -> Result<Self, StoreError> {
        let missing = |reason: &str| StoreError::Open {
            place: config.to_string(),
            reason: reason.into(),
        };
        if let StoreConfig::Sqlite(path) = config
            && !path.exists()
        {
            return Err(missing("there is no such file"));
        }
        let db = Db::open(config).await?;
        let genesis = rows::genesis_of(&mut db.snapshot().await?).await?;
        Self::over(db, genesis.ok_or_else(|| missing("no node has used it"))?).await
    }

    async fn over(db: Db, genesis: GenesisHash) -> Result<Self, StoreError> {
        let cursor = rows::cursor(&mut db.snapshot().await?).await?;
        Ok(Self {
            db,
            genesis,
            progress: Arc::new(Progress {
                indexed: watch::Sender::new(cursor.number),
                finalized: AtomicU32::new(0),
                backfilling: AtomicBool::new(true),
                last_error: Mutex::default(),
            }),
            pages: Arc::default(),
        })
    }

    /// The chain this store belongs to.
    pub const fn genesis(&self) -> GenesisHash {
        self.genesis
    }

    /// The newest indexed block.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn cursor(&self) -> Result<Cursor, StoreError> {
        let cursor = rows::cursor(&mut self.snapshot().await?).await?;
        // Another node that shares the database may have moved it.
        self.report_indexed(cursor.number);
        Ok(cursor)
    }

    /// Appends blocks in one transaction: either all of them and the new cursor, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Gap`] or [`StoreError::Fork`] if the blocks do not follow the cursor,
    /// [`StoreError::Block`] if a batch does not continue its stream, [`StoreError::Constraint`]
    /// if a row is already there, [`StoreError::Database`] if writing fails.
    pub async fn append(&self, blocks: &[PreparedBlock]) -> Result<(), StoreError> {
        let Some(last) = blocks.last() else {
            return Ok(());
        };
        let transaction = self.write(blocks).await?;
        transaction.commit().await?;
        self.report_indexed(last.number);
        Ok(())
    }

    /// Everything [`Store::append`] does but the commit; dropping the result undoes it.
    async fn write(&self, blocks: &[PreparedBlock]) -> Result<Connection, StoreError> {
        let mut transaction = self.db.write().await?;
        let mut cursor = rows::locked_cursor(&mut transaction).await?;
        let mut tips = rows::Tips::default();
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
                rows::insert_block(&mut transaction, block, &tips).await?;
            }
            refused::insert(&mut transaction, block.number, &block.refused_proofs).await?;
            cursor = Cursor {
                number: block.number,
                hash: block.hash,
            };
        }
        tips.save(&mut transaction).await?;
        rows::set_cursor(&mut transaction, &cursor).await?;
        Ok(transaction)
    }

    /// A snapshot for reading: every query of one answer sees the same state.
    pub(crate) async fn snapshot(&self) -> Result<Connection, StoreError> {
        self.db.snapshot().await
    }

    /// The same without a limit of time, for what reads everything.
    pub(crate) async fn long_snapshot(&self) -> Result<Connection, StoreError> {
        self.db.long_snapshot().await
    }

    fn report_indexed(&self, number: u32) {
        self.progress.indexed.send_if_modified(|known| {
            let newer = number > *known;
            *known = (*known).max(number);
            newer
        });
    }

    /// Records how far the node's finality is, and whether the store is still catching up.
    pub fn report_finalized(&self, finalized: u32, backfilling: bool) {
        self.progress.finalized.store(finalized, Ordering::Relaxed);
        self.progress
            .backfilling
            .store(backfilling, Ordering::Relaxed);
    }

    /// Records the indexer's last error; empty when it is well.
    pub fn report_error(&self, text: String) {
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

    /// Whether blocks are final that are not indexed.
    pub(crate) fn is_behind(&self) -> bool {
        *self.progress.indexed.borrow() < self.progress.finalized.load(Ordering::Relaxed)
    }

    /// Tells of every newer indexed block.
    pub(crate) fn watch_indexed(&self) -> watch::Receiver<u32> {
        self.progress.indexed.subscribe()
    }

    /// How far the indexer is.
    pub fn health(&self) -> StoreHealthJson {
        let progress = &self.progress;
        StoreHealthJson {
            indexed_block: *progress.indexed.borrow(),
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
mod replica_tests;
#[cfg(test)]
mod tests;
