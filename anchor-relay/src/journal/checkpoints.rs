// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What counts as done but can still be taken back on the destination, and what cannot.
//!
//! A batch or proof counts as anchored at a block of the destination, a transaction as settled. The
//! hash of each such block is kept until the chain calls it final. When a reorg takes one away, what
//! was done at it or after it is open again, and the chain is asked anew, whoever's transaction it was.

use super::{Journal, JournalError, array, decode, to_i64, to_u64};
use sqlx::{Row, Sqlite, Transaction};
use ves_primitives::{BatchCommitment, StreamId, limits};

/// Rows made final, or forgotten, at a time: a look at the chain must not wait for a year's rows.
const PORTION: u32 = 512;
/// Days for which settled transactions stay to be looked at; more than the day of the budget.
const SENDS_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// A block of the destination at which something came to count as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: [u8; 32],
}

/// How long rows are kept once they are final on the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Blocks of the appchain after a batch's own, if its proof is anchored too.
    pub proven: u32,
    /// The same without a proof: until the appchain forgets the batch, a proof may come.
    pub unproven: u32,
    /// Milliseconds after a transaction was found in a block.
    pub sends_ms: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            proven: limits::ANCHORED_RETENTION_BLOCKS,
            unproven: limits::UNANCHORED_RETENTION_BLOCKS,
            sends_ms: SENDS_KEPT_MS,
        }
    }
}

/// What a reorg undid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Batches and proofs that counted as anchored.
    pub anchored: u64,
    /// Transactions that counted as settled.
    pub settled: u64,
}

pub(super) const CHECKPOINTS: &str = "SELECT number, hash FROM checkpoints ORDER BY number";
pub(super) const FINAL_TO: &str = "SELECT value FROM counters WHERE name = 'final_to'";
pub(super) const NEWEST_FINAL: &str = "SELECT MAX(number) FROM checkpoints WHERE number <= ?";
pub(super) const LOOSE_PROOFS: &str = "SELECT stream, batch_index FROM proofs \
                                       WHERE anchored_in <= ? ORDER BY anchored_in LIMIT ?";
pub(super) const LOOSE_BATCHES: &str = "SELECT stream, batch_index FROM batches \
                                        WHERE anchored_in <= ? ORDER BY anchored_in LIMIT ?";
pub(super) const TO_FORGET: &str = "SELECT stream, batch_index FROM batches \
                                    WHERE keep_until <= ? ORDER BY keep_until LIMIT ?";
pub(super) const REOPEN_BATCHES: &str = "UPDATE batches SET anchored = 0, anchored_in = NULL \
                                         WHERE anchored_in > ?";
pub(super) const REOPEN_PROOFS: &str = "UPDATE proofs SET anchored = 0, anchored_in = NULL \
                                        WHERE anchored_in > ?";
pub(super) const REOPEN_SENDS: &str = "UPDATE sends SET state = 'included' \
                                       WHERE state = 'final' AND block_number > ?";
/// The newest nonce stays: the next one is counted from it.
pub(super) const SENDS_TO_FORGET: &str = "SELECT s.nonce FROM sends s \
     WHERE s.paid_at > 0 AND s.paid_at < ?1 AND s.state IN ('final', 'lost') \
     AND COALESCE(s.block_number, 0) <= (SELECT value FROM counters WHERE name = 'final_to') \
     AND s.nonce < (SELECT MAX(nonce) FROM sends) \
     AND NOT EXISTS (SELECT 1 FROM items i JOIN batches b \
                     ON b.stream = i.stream AND b.batch_index = i.batch_index \
                     WHERE i.nonce = s.nonce AND i.kind = 'batch' AND b.anchored = 0) \
     AND NOT EXISTS (SELECT 1 FROM items i JOIN proofs p \
                     ON p.stream = i.stream AND p.batch_index = i.batch_index \
                     WHERE i.nonce = s.nonce AND i.kind = 'proof' AND p.anchored = 0) \
     ORDER BY s.paid_at LIMIT ?2";

impl Journal {
    /// Blocks at which something came to count as done and that are not known to be final, the lowest
    /// first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, JournalError> {
        let rows = sqlx::query(CHECKPOINTS).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                Ok(Checkpoint {
                    number: to_u64(row.try_get("number")?),
                    hash: array(row.try_get("hash")?)?,
                })
            })
            .collect()
    }

    /// The highest block of the destination at which something was done that is final.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn final_to(&self) -> Result<u64, JournalError> {
        let value: i64 = sqlx::query_scalar(FINAL_TO).fetch_one(&self.pool).await?;
        Ok(to_u64(value))
    }

    /// Takes up again what came to count as done after block `good` of the destination: a reorg took
    /// away later ones.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn reopen_after(&self, good: u64) -> Result<Undone, JournalError> {
        let good = to_i64(good);
        let mut tx = self.begin().await?;
        let mut undone = Undone::default();
        for table in [REOPEN_BATCHES, REOPEN_PROOFS] {
            let done = sqlx::query(table).bind(good).execute(&mut *tx).await?;
            undone.anchored += done.rows_affected();
        }
        undone.settled = sqlx::query(REOPEN_SENDS)
            .bind(good)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        sqlx::query("DELETE FROM checkpoints WHERE number > ?")
            .bind(good)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(undone)
    }

    /// What came to count as done up to a block that is final on the destination stays so; a portion
    /// of it. Gives whether there was any.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn make_final(&self, finalized: u64, keep: &Retention) -> Result<bool, JournalError> {
        let newest: Option<i64> = sqlx::query_scalar(NEWEST_FINAL)
            .bind(to_i64(finalized))
            .fetch_one(&self.pool)
            .await?;
        // At most looks there is none: nothing is written then.
        let Some(newest) = newest else {
            return Ok(false);
        };
        let mut tx = self.begin().await?;
        let proofs = keys(&mut tx, LOOSE_PROOFS, newest).await?;
        for key in &proofs {
            sqlx::query(
                "UPDATE proofs SET anchored_in = NULL, final = 1 \
                 WHERE stream = ? AND batch_index = ?",
            )
            .bind(key.0.0.as_slice())
            .bind(to_i64(key.1))
            .execute(&mut *tx)
            .await?;
            set_keep(&mut tx, *key, keep).await?;
        }
        let batches = keys(&mut tx, LOOSE_BATCHES, newest).await?;
        for key in &batches {
            sqlx::query(
                "UPDATE batches SET anchored_in = NULL, final = 1 \
                 WHERE stream = ? AND batch_index = ?",
            )
            .bind(key.0.0.as_slice())
            .bind(to_i64(key.1))
            .execute(&mut *tx)
            .await?;
            set_keep(&mut tx, *key, keep).await?;
        }
        sqlx::query("UPDATE counters SET value = MAX(value, ?) WHERE name = 'final_to'")
            .bind(newest)
            .execute(&mut *tx)
            .await?;
        let full = usize::try_from(PORTION).unwrap_or(usize::MAX);
        if proofs.len() < full && batches.len() < full {
            sqlx::query("DELETE FROM checkpoints WHERE number <= ?")
                .bind(newest)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes a portion of what is final and was kept long enough. `now`: Unix milliseconds. Gives
    /// how many batches and transactions went.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn forget(&self, keep: &Retention, now: u64) -> Result<(u64, u64), JournalError> {
        let cursor = self.cursor().await?.map_or(0, |cursor| cursor.number);
        let batches = sqlx::query(TO_FORGET)
            .bind(i64::from(cursor))
            .bind(PORTION)
            .fetch_all(&self.pool)
            .await?;
        let sends: Vec<i64> = sqlx::query_scalar(SENDS_TO_FORGET)
            .bind(to_i64(now.saturating_sub(keep.sends_ms)))
            .bind(PORTION)
            .fetch_all(&self.pool)
            .await?;
        if batches.is_empty() && sends.is_empty() {
            return Ok((0, 0));
        }
        let mut tx = self.begin().await?;
        for row in &batches {
            for table in [
                "DELETE FROM proofs WHERE stream = ? AND batch_index = ?",
                "DELETE FROM batches WHERE stream = ? AND batch_index = ?",
            ] {
                sqlx::query(table)
                    .bind(row.try_get::<&[u8], _>("stream")?)
                    .bind(row.try_get::<i64, _>("batch_index")?)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        for nonce in &sends {
            // What it carried and its attempts go with it.
            sqlx::query("DELETE FROM sends WHERE nonce = ?")
                .bind(nonce)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok((len(&batches), len(&sends)))
    }
}

/// Notes that something came to count as done at a block.
pub(super) async fn note(
    tx: &mut Transaction<'static, Sqlite>,
    at: &Checkpoint,
) -> Result<(), JournalError> {
    sqlx::query(
        "INSERT INTO checkpoints (number, hash) VALUES (?, ?) \
         ON CONFLICT (number) DO UPDATE SET hash = excluded.hash",
    )
    .bind(to_i64(at.number))
    .bind(at.hash.as_slice())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Until when a batch that is final is kept: without end as long as its proof is not final.
async fn set_keep(
    tx: &mut Transaction<'static, Sqlite>,
    (stream, index): (StreamId, u64),
    keep: &Retention,
) -> Result<(), JournalError> {
    let row = sqlx::query(
        "SELECT b.batch, b.final, p.final AS proof_final, p.set_aside FROM batches b \
         LEFT JOIN proofs p ON p.stream = b.stream AND p.batch_index = b.batch_index \
         WHERE b.stream = ? AND b.batch_index = ?",
    )
    .bind(stream.0.as_slice())
    .bind(to_i64(index))
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(()) };
    if row.try_get::<i64, _>("final")? == 0 {
        return Ok(());
    }
    let batch: BatchCommitment = decode("batch", row.try_get("batch")?)?;
    let aside = row.try_get::<Option<&str>, _>("set_aside")?.is_some();
    let blocks = match row.try_get::<Option<i64>, _>("proof_final")? {
        None => Some(keep.unproven),
        Some(1) if !aside => Some(keep.proven),
        Some(_) => None,
    };
    let until = blocks.map(|blocks| i64::from(batch.block_number) + i64::from(blocks));
    sqlx::query("UPDATE batches SET keep_until = ? WHERE stream = ? AND batch_index = ?")
        .bind(until)
        .bind(stream.0.as_slice())
        .bind(to_i64(index))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn keys(
    tx: &mut Transaction<'static, Sqlite>,
    sql: &'static str,
    to: i64,
) -> Result<Vec<(StreamId, u64)>, JournalError> {
    let rows = sqlx::query(sql)
        .bind(to)
        .bind(PORTION)
        .fetch_all(&mut **tx)
        .await?;
    rows.iter()
        .map(|row| {
            let stream = StreamId(array(row.try_get("stream")?)?);
            Ok((stream, to_u64(row.try_get("batch_index")?)))
        })
        .collect()
}

fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
