// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Retention: payloads of old blocks are forgotten; envelopes, batches and headers stay, so that every
//! event is still found and proven.

use super::{Store, rows};
use crate::{
    StoreError,
    db::{Connection, Row, args},
    find::first_block_since,
};

/// Batches of one transaction, rounded up to whole blocks.
const BATCHES_PER_STEP: u32 = 16;

impl Store {
    /// The first block whose events the store may still hold with their payloads.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn pruned_below(&self) -> Result<u32, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let sql = "SELECT pruned_below FROM meta WHERE id = 1";
        snapshot.one(sql, args![]).await?.unsigned("pruned_below")
    }

    /// The first block of this chain time or later; the block after the newest with events if there is
    /// none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn first_block_since(&self, time_ms: u64) -> Result<u32, StoreError> {
        let mut snapshot = self.snapshot().await?;
        match first_block_since(&mut snapshot, time_ms).await? {
            Some(number) => {
                u32::try_from(number).map_err(|_| StoreError::Corrupt { what: "number" })
            }
            None => {
                let cursor = rows::cursor(&mut snapshot).await?;
                Ok(cursor.number.saturating_add(1))
            }
        }
    }

    /// Forgets the payloads of some events in blocks below `bound`: one short transaction. Answers how
    /// many events it was, and whether there is more to do; may be stopped and resumed at any time.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn prune_step(&self, bound: u32) -> Result<(u64, bool), StoreError> {
        let mut transaction = self.db.write().await?;
        // The lock that appending takes too: a block is pruned whole or not at all.
        let cursor = rows::locked_cursor(&mut transaction).await?;
        let bound = bound.min(cursor.number.saturating_add(1));
        let sql = "SELECT pruned_below FROM meta WHERE id = 1";
        let from: u32 = transaction
            .one(sql, args![])
            .await?
            .unsigned("pruned_below")?;
        if from >= bound {
            return Ok((0, false));
        }
        // Whole blocks, as many as have about so many batches.
        let sql = "SELECT block_number FROM batches WHERE block_number >= ? AND block_number < ? \
             ORDER BY block_number LIMIT 1 OFFSET ?";
        let last = transaction
            .optional(sql, args![from, bound, BATCHES_PER_STEP])
            .await?;
        let next = match last {
            Some(row) => row.unsigned::<u32>("block_number")?.saturating_add(1),
            None => bound,
        };
        let sql = "SELECT stream, sequence_start, sequence_end FROM batches \
             WHERE block_number >= ? AND block_number < ?";
        let mut events = 0u64;
        for batch in transaction.all(sql, args![from, next]).await? {
            events = events.saturating_add(forget(&mut transaction, &batch).await?);
        }
        transaction
            .execute("UPDATE meta SET pruned_below = ? WHERE id = 1", args![next])
            .await?;
        transaction.commit().await?;
        Ok((events, next < bound))
    }
}

/// Cuts a batch's events down to their envelopes.
async fn forget(transaction: &mut Connection, batch: &Row) -> Result<u64, StoreError> {
    transaction
        .execute(
            "UPDATE events SET event = substr(event, 1, CAST(envelope_len AS INTEGER)) \
             WHERE stream = ? AND sequence >= ? AND sequence <= ?",
            args![
                batch.int("stream")?,
                batch.int("sequence_start")?,
                batch.int("sequence_end")?
            ],
        )
        .await
}
