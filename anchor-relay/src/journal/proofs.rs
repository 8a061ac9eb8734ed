// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified proofs of batches: which are anchored, which are set aside.

use super::{Journal, JournalError, array, decode, now_ms, to_i64, to_u64};
use codec::Encode;
use sqlx::{Row, sqlite::SqliteRow};
use ves_primitives::{BatchCommitment, StreamId, proof::BatchProofRecord};

/// A stream and the number of a batch.
pub type ProofKey = (StreamId, u64);

/// A verified proof with the batch it is about.
#[derive(Clone, Debug)]
pub struct ProofRow {
    /// The stream.
    pub stream: StreamId,
    /// The chain's verdict.
    pub record: BatchProofRecord,
    /// The batch.
    pub batch: BatchCommitment,
    /// Does the batch count as anchored?
    pub batch_anchored: bool,
    /// Does the proof count as anchored?
    pub anchored: bool,
    /// Why it is not sent, if so.
    pub set_aside: Option<String>,
    /// When it was taken over, Unix milliseconds.
    pub taken_ms: u64,
}

impl ProofRow {
    /// Stream and number of the batch.
    pub const fn key(&self) -> ProofKey {
        (self.stream, self.record.batch_index)
    }
}

const COLUMNS: &str = "SELECT p.stream, p.record, p.anchored, p.set_aside, p.taken_at, b.batch, \
                       b.anchored AS batch_anchored FROM proofs p \
                       JOIN batches b ON b.stream = p.stream AND b.batch_index = p.batch_index";
/// Joined to [`COLUMNS`]: proofs to be anchored. Those of a stream that is set aside are not, however
/// many they are: they must not take the places of others.
const OPEN: &str = "JOIN streams s ON s.stream = p.stream AND s.quarantine IS NULL \
                    WHERE p.anchored = 0 AND p.set_aside IS NULL";
/// A transaction stands for the proof: on its way, or mined and not failed.
const CARRIED: &str = "EXISTS (SELECT 1 FROM items i JOIN sends n ON n.nonce = i.nonce \
                       WHERE i.kind = 'proof' AND i.stream = p.stream \
                       AND i.batch_index = p.batch_index \
                       AND n.state <> 'lost' AND n.ok IS NOT 0)";

impl Journal {
    /// Takes over proofs; those that are known stay as they are. `reason`: why it is set aside.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn take_proofs(
        &self,
        proofs: &[(StreamId, BatchProofRecord, Option<String>)],
    ) -> Result<u64, JournalError> {
        let now = to_i64(now_ms());
        let mut new = 0;
        let mut tx = self.begin().await?;
        for (stream, record, reason) in proofs {
            new += sqlx::query(
                "INSERT INTO proofs (stream, batch_index, record, set_aside, taken_at) \
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )
            .bind(stream.0.as_slice())
            .bind(to_i64(record.batch_index))
            .bind(record.encode())
            .bind(reason.as_deref())
            .bind(now)
            .execute(&mut *tx)
            .await?
            .rows_affected();
        }
        tx.commit().await?;
        Ok(new)
    }

    /// Numbers of the batches of a stream, within a range, whose proofs are known.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn known_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
    ) -> Result<Vec<u64>, JournalError> {
        let rows: Vec<i64> = sqlx::query_scalar(
            "SELECT batch_index FROM proofs WHERE stream = ? AND batch_index >= ? \
             AND batch_index < ?",
        )
        .bind(stream.0.as_slice())
        .bind(to_i64(from))
        .bind(to_i64(from.saturating_add(u64::from(count))))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(to_u64).collect())
    }

    /// Proofs to anchor, the longest known first; none of a stream that is set aside.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn open_proofs(&self, limit: u32) -> Result<Vec<ProofRow>, JournalError> {
        let sql = format!("{COLUMNS} {OPEN} ORDER BY p.taken_at LIMIT ?");
        let rows = sqlx::query(&sql).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Proofs to anchor for which a transaction stands: they wait for a block, or for the block to be
    /// confirmed. The longest known first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn carried_proofs(&self, limit: u32) -> Result<Vec<ProofRow>, JournalError> {
        let sql = format!("{COLUMNS} {OPEN} AND {CARRIED} ORDER BY p.taken_at LIMIT ?");
        let rows = sqlx::query(&sql).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Streams with proofs to anchor.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn streams_with_open_proofs(&self) -> Result<Vec<StreamId>, JournalError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT s.stream FROM streams s WHERE s.quarantine IS NULL AND EXISTS \
                 (SELECT 1 FROM proofs p WHERE p.stream = s.stream \
                  AND p.anchored = 0 AND p.set_aside IS NULL) ORDER BY s.stream",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(StreamId(array(row)?))).collect()
    }

    /// Proofs of a stream for which no transaction stands and whose batches the contract may hold:
    /// they start at or before `head`, or count as anchored.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn unsent_proofs(
        &self,
        stream: StreamId,
        head: u64,
        limit: u32,
    ) -> Result<Vec<ProofRow>, JournalError> {
        let sql = format!(
            "{COLUMNS} {OPEN} AND p.stream = ?1 AND p.batch_index < COALESCE( \
                 (SELECT next.batch_index FROM batches next WHERE next.stream = ?1 \
                  AND next.anchored = 0 AND next.sequence_start > ?2 \
                  ORDER BY next.sequence_start LIMIT 1), {}) \
             AND NOT {CARRIED} ORDER BY p.batch_index LIMIT ?3",
            i64::MAX
        );
        let rows = sqlx::query(&sql)
            .bind(stream.0.as_slice())
            .bind(to_i64(head))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Every proof of a stream from a batch on.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn proofs_from(
        &self,
        stream: StreamId,
        from: u64,
        limit: u32,
    ) -> Result<Vec<ProofRow>, JournalError> {
        let sql = format!(
            "{COLUMNS} WHERE p.stream = ? AND p.batch_index >= ? ORDER BY p.batch_index LIMIT ?"
        );
        let rows = sqlx::query(&sql)
            .bind(stream.0.as_slice())
            .bind(to_i64(from))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Records that proofs are in the contract for good, or (`false`) that they are not after all.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_proofs(&self, keys: &[ProofKey], anchored: bool) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for (stream, index) in keys {
            sqlx::query("UPDATE proofs SET anchored = ? WHERE stream = ? AND batch_index = ?")
                .bind(i64::from(anchored))
                .bind(stream.0.as_slice())
                .bind(to_i64(*index))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Sets a proof aside until an operator releases its stream.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn set_proof_aside(&self, key: ProofKey, reason: &str) -> Result<(), JournalError> {
        sqlx::query("UPDATE proofs SET set_aside = ? WHERE stream = ? AND batch_index = ?")
            .bind(reason)
            .bind(key.0.0.as_slice())
            .bind(to_i64(key.1))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Proofs known, anchored, and set aside.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn proof_totals(&self) -> Result<(u64, u64, u64), JournalError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS n, COALESCE(SUM(anchored), 0) AS a, \
             COUNT(set_aside) AS q FROM proofs",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((
            to_u64(row.try_get("n")?),
            to_u64(row.try_get("a")?),
            to_u64(row.try_get("q")?),
        ))
    }
}

fn read(row: &SqliteRow) -> Result<ProofRow, JournalError> {
    Ok(ProofRow {
        stream: StreamId(array(row.try_get("stream")?)?),
        record: decode("proof record", row.try_get("record")?)?,
        batch: decode("batch", row.try_get("batch")?)?,
        batch_anchored: row.try_get::<i64, _>("batch_anchored")? != 0,
        anchored: row.try_get::<i64, _>("anchored")? != 0,
        set_aside: row.try_get("set_aside")?,
        taken_ms: to_u64(row.try_get("taken_at")?),
    })
}
