// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Streams and their batches: which are open, which are anchored, which are set aside.

use super::{Checkpoint, Journal, JournalError, array, checkpoints, decode, to_i64, to_u64};
use sqlx::{Row, sqlite::SqliteRow};
use ves_primitives::{BatchCommitment, StoreId, StreamId, StreamTip, TenantId};

/// A stream as the journal knows it.
#[derive(Clone, Debug)]
pub struct StreamRow {
    /// Id.
    pub stream: StreamId,
    /// Owner.
    pub tenant: TenantId,
    /// Store.
    pub store: StoreId,
    /// After the last finalized batch.
    pub tip: StreamTip,
    /// Finalized batches that do not count as anchored yet.
    pub open: u64,
    /// Events in them.
    pub open_sequences: u64,
    /// When the oldest of them was final on the appchain, at the earliest, Unix milliseconds; 0
    /// without.
    pub oldest_open_ms: u64,
    /// Why nothing is submitted, if so.
    pub quarantine: Option<String>,
}

/// A finalized batch that does not count as anchored.
#[derive(Clone, Debug)]
pub struct OpenBatch {
    /// The batch.
    pub batch: BatchCommitment,
    /// When it was taken over, Unix milliseconds.
    pub taken_ms: u64,
}

// Indexes are named: left alone, SQLite reads all batches of a stream, by their key.
pub(super) const STREAMS: &str = "SELECT s.stream, s.tenant, s.store, s.tip, s.quarantine, \
     s.batches - s.anchored AS open, COALESCE( \
         (SELECT b.final_at FROM batches b INDEXED BY batches_open \
          WHERE b.stream = s.stream AND b.anchored = 0 ORDER BY b.batch_index LIMIT 1), 0) AS oldest, \
         (SELECT b.sequence_start FROM batches b INDEXED BY batches_open \
          WHERE b.stream = s.stream AND b.anchored = 0 ORDER BY b.batch_index LIMIT 1) AS open_from \
     FROM streams s ORDER BY s.stream";
pub(super) const OPEN_BATCHES: &str = "SELECT batch, taken_at FROM batches \
     INDEXED BY batches_open \
     WHERE stream = ? AND anchored = 0 ORDER BY batch_index LIMIT ?";
pub(super) const OPEN_BATCHES_AT: &str = "SELECT batch, taken_at FROM batches \
     WHERE stream = ?1 AND anchored = 0 AND sequence_start >= COALESCE( \
         (SELECT MAX(sequence_start) FROM batches \
          WHERE stream = ?1 AND anchored = 0 AND sequence_start <= ?2), 0) \
     ORDER BY sequence_start LIMIT ?3";
pub(super) const BATCHES_FROM: &str = "SELECT batch FROM batches \
     WHERE stream = ? AND batch_index >= ? ORDER BY batch_index LIMIT ?";
/// Index from 0: the first open batch's number is the number of those before it.
pub(super) const ANCHORED_PREFIXES: &str = "SELECT stream, COALESCE( \
         (SELECT MIN(batch_index) FROM batches b INDEXED BY batches_open \
          WHERE b.stream = s.stream AND b.anchored = 0), \
         s.batches) AS n FROM streams s WHERE broken = 0";
pub(super) const OLDEST_KEPT: &str = "SELECT MIN(batch_index) FROM batches WHERE stream = ?";
pub(super) const TOTALS: &str = "SELECT COALESCE(SUM(batches), 0) AS n, \
     COALESCE(SUM(anchored), 0) AS a FROM streams";

impl Journal {
    /// All streams.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn streams(&self) -> Result<Vec<StreamRow>, JournalError> {
        let rows = sqlx::query(STREAMS).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let tip: StreamTip = decode("stream tip", row.try_get("tip")?)?;
                let open_from: Option<i64> = row.try_get("open_from")?;
                Ok(StreamRow {
                    stream: StreamId(array(row.try_get("stream")?)?),
                    tenant: TenantId(array(row.try_get("tenant")?)?),
                    store: StoreId(array(row.try_get("store")?)?),
                    tip,
                    open: to_u64(row.try_get("open")?),
                    open_sequences: open_from.map_or(0, |from| {
                        tip.sequence.saturating_add(1).saturating_sub(to_u64(from))
                    }),
                    oldest_open_ms: to_u64(row.try_get("oldest")?),
                    quarantine: row.try_get("quarantine")?,
                })
            })
            .collect()
    }

    /// The oldest `limit` batches of a stream that do not count as anchored.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_batches(
        &self,
        stream: StreamId,
        limit: u32,
    ) -> Result<Vec<OpenBatch>, JournalError> {
        let rows = sqlx::query(OPEN_BATCHES)
            .bind(stream.0.as_slice())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_open).collect()
    }

    /// `limit` batches of a stream that do not count as anchored, from the last one on that starts
    /// at or before `sequence`; from the first one on if none does.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_batches_at(
        &self,
        stream: StreamId,
        sequence: u64,
        limit: u32,
    ) -> Result<Vec<OpenBatch>, JournalError> {
        let rows = sqlx::query(OPEN_BATCHES_AT)
            .bind(stream.0.as_slice())
            .bind(to_i64(sequence))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_open).collect()
    }

    /// `limit` batches of a stream from a number on, anchored or not, none that was forgotten.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn batches_from(
        &self,
        stream: StreamId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<BatchCommitment>, JournalError> {
        let rows = sqlx::query(BATCHES_FROM)
            .bind(stream.0.as_slice())
            .bind(to_i64(from))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| decode("batch", row.try_get("batch")?))
            .collect()
    }

    /// How many batches of each stream, counted from the first, are anchored without a gap.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn anchored_prefixes(&self) -> Result<Vec<(StreamId, u64)>, JournalError> {
        let rows = sqlx::query(ANCHORED_PREFIXES).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    StreamId(array(row.try_get("stream")?)?),
                    to_u64(row.try_get("n")?),
                ))
            })
            .collect()
    }

    /// Number of the oldest batch of a stream that was not forgotten; `None` when there is none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn oldest_kept(&self, stream: StreamId) -> Result<Option<u64>, JournalError> {
        let oldest: Option<i64> = sqlx::query_scalar(OLDEST_KEPT)
            .bind(stream.0.as_slice())
            .fetch_one(&self.pool)
            .await?;
        Ok(oldest.map(to_u64))
    }

    /// Batches taken over and batches that count as anchored, those included that were forgotten.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn totals(&self) -> Result<(u64, u64), JournalError> {
        let row = sqlx::query(TOTALS).fetch_one(&self.pool).await?;
        Ok((to_u64(row.try_get("n")?), to_u64(row.try_get("a")?)))
    }

    /// Records that batches are in the contract, as seen at the confirmed block.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_anchored(
        &self,
        batches: &[(StreamId, u64)],
        at: &Checkpoint,
    ) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for (stream, index) in batches {
            sqlx::query(
                "UPDATE batches SET anchored = 1, anchored_in = ? \
                 WHERE stream = ? AND batch_index = ?",
            )
            .bind(to_i64(at.number))
            .bind(stream.0.as_slice())
            .bind(to_i64(*index))
            .execute(&mut *tx)
            .await?;
        }
        checkpoints::note(&mut tx, at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes up again a batch and its successors: their transactions left the chain.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn reopen_from(&self, stream: StreamId, index: u64) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for table in [
            "UPDATE batches SET anchored = 0, anchored_in = NULL, final = 0, keep_until = NULL \
             WHERE stream = ? AND batch_index >= ?",
            "UPDATE proofs SET anchored = 0, anchored_in = NULL, final = 0 \
             WHERE stream = ? AND batch_index >= ?",
        ] {
            sqlx::query(table)
                .bind(stream.0.as_slice())
                .bind(to_i64(index))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Takes up again every batch that starts after `above`: the contract lost them.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn reopen(&self, stream: StreamId, above: u64) -> Result<u64, JournalError> {
        let mut tx = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE batches SET anchored = 0, anchored_in = NULL, final = 0, keep_until = NULL \
             WHERE stream = ? AND anchored = 1 AND sequence_start > ?",
        )
        .bind(stream.0.as_slice())
        .bind(to_i64(above))
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query(
            "UPDATE proofs SET anchored = 0, anchored_in = NULL, final = 0 \
             WHERE stream = ?1 AND batch_index IN \
                 (SELECT batch_index FROM batches WHERE stream = ?1 AND anchored = 0)",
        )
        .bind(stream.0.as_slice())
        .execute(&mut *tx)
        .await?;
        // Their transactions are looked at again: still mined, back in the pool, or gone.
        sqlx::query(
            "UPDATE sends SET state = 'included' WHERE state = 'final' AND nonce IN \
                 (SELECT i.nonce FROM items i JOIN batches b \
                  ON b.stream = i.stream AND b.batch_index = i.batch_index \
                  WHERE i.stream = ?1 AND b.anchored = 0)",
        )
        .bind(stream.0.as_slice())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Sets a stream aside until an operator releases it.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn quarantine(&self, stream: StreamId, reason: &str) -> Result<(), JournalError> {
        sqlx::query("UPDATE streams SET quarantine = ? WHERE stream = ? AND quarantine IS NULL")
            .bind(reason)
            .bind(stream.0.as_slice())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Lets a quarantined stream and its proofs go on; false when there is nothing to release.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn release(&self, stream: StreamId) -> Result<bool, JournalError> {
        let done = sqlx::query(
            "UPDATE streams SET quarantine = NULL \
             WHERE stream = ? AND quarantine IS NOT NULL AND broken = 0",
        )
        .bind(stream.0.as_slice())
        .execute(&self.pool)
        .await?;
        let proofs = sqlx::query(
            "UPDATE proofs SET set_aside = NULL WHERE stream = ? AND set_aside IS NOT NULL",
        )
        .bind(stream.0.as_slice())
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() + proofs.rows_affected() > 0)
    }
}

fn read_open(row: &SqliteRow) -> Result<OpenBatch, JournalError> {
    Ok(OpenBatch {
        batch: decode("batch", row.try_get("batch")?)?,
        taken_ms: to_u64(row.try_get("taken_at")?),
    })
}
