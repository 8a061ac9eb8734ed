// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified proofs of batches: which are anchored, which are set aside.

use super::{
    Checkpoint, Journal, JournalError, array, checkpoints, decode, now_ms, to_i64, to_u64,
};
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
                       b.anchored AS batch_anchored FROM proofs p";
const BATCH: &str = "JOIN batches b ON b.stream = p.stream AND b.batch_index = p.batch_index";
/// Joined to [`BATCH`]: proofs to be anchored. Those of a stream that is set aside are not, however
/// many they are: they must not take the places of others.
const OPEN: &str = "JOIN streams s ON s.stream = p.stream AND s.quarantine IS NULL \
                    WHERE p.anchored = 0 AND p.set_aside IS NULL";
/// A transaction stands for the proof: on its way, or mined and not failed.
const CARRIED: &str = "EXISTS (SELECT 1 FROM items i JOIN sends n ON n.nonce = i.nonce \
                       WHERE i.kind = 'proof' AND i.stream = p.stream \
                       AND i.batch_index = p.batch_index \
                       AND n.state <> 'lost' AND n.ok IS NOT 0)";
pub(super) const KNOWN_PROOFS: &str = "SELECT batch_index FROM proofs \
     WHERE stream = ? AND batch_index >= ? AND batch_index < ?";
pub(super) const STREAMS_WITH_OPEN: &str = "SELECT s.stream FROM streams s \
     WHERE s.quarantine IS NULL AND EXISTS \
         (SELECT 1 FROM proofs p INDEXED BY proofs_open_of WHERE p.stream = s.stream \
          AND p.anchored = 0 AND p.set_aside IS NULL) ORDER BY s.stream";
pub(super) const PROOF_TOTALS: &str =
    "SELECT name, value FROM counters WHERE name >= 'proofs' AND name < 'proofs!'";

pub(super) fn carried_proofs() -> String {
    format!(
        "{COLUMNS} INDEXED BY proofs_open {BATCH} {OPEN} AND {CARRIED} \
         ORDER BY p.taken_at LIMIT ?"
    )
}

pub(super) fn unsent_proofs() -> String {
    format!(
        "{COLUMNS} INDEXED BY proofs_open_of {BATCH} {OPEN} AND p.stream = ?1 AND p.batch_index < COALESCE( \
             (SELECT next.batch_index FROM batches next WHERE next.stream = ?1 \
              AND next.anchored = 0 AND next.sequence_start > ?2 \
              ORDER BY next.sequence_start LIMIT 1), {}) \
         AND NOT {CARRIED} ORDER BY p.batch_index LIMIT ?3",
        i64::MAX
    )
}

pub(super) fn proofs_from() -> String {
    format!(
        "{COLUMNS} {BATCH} WHERE p.stream = ? AND p.batch_index >= ? ORDER BY p.batch_index LIMIT ?"
    )
}

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
            // The batch is kept as long as its proof has something before it.
            sqlx::query(
                "UPDATE batches SET keep_until = NULL WHERE stream = ?1 AND batch_index = ?2 \
                 AND EXISTS (SELECT 1 FROM proofs WHERE stream = ?1 AND batch_index = ?2 \
                             AND final = 0)",
            )
            .bind(stream.0.as_slice())
            .bind(to_i64(record.batch_index))
            .execute(&mut *tx)
            .await?;
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
        let rows: Vec<i64> = sqlx::query_scalar(KNOWN_PROOFS)
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
        let sql = format!("{COLUMNS} {BATCH} {OPEN} ORDER BY p.taken_at LIMIT ?");
        let rows = sqlx::query(&sql).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Proofs to anchor for which a transaction stands: they wait for a block, or for the block to be
    /// confirmed. The longest known first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn carried_proofs(&self, limit: u32) -> Result<Vec<ProofRow>, JournalError> {
        let rows = sqlx::query(&carried_proofs())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Streams with proofs to anchor.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn streams_with_open_proofs(&self) -> Result<Vec<StreamId>, JournalError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(STREAMS_WITH_OPEN)
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
        let rows = sqlx::query(&unsent_proofs())
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
        let rows = sqlx::query(&proofs_from())
            .bind(stream.0.as_slice())
            .bind(to_i64(from))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Records that proofs are in the contract, as seen at the confirmed block.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_proofs(
        &self,
        keys: &[ProofKey],
        at: &Checkpoint,
    ) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for (stream, index) in keys {
            sqlx::query(
                "UPDATE proofs SET anchored = 1, anchored_in = ? \
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

    /// Takes up again a proof: its transaction left the chain.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn reopen_proof(&self, (stream, index): ProofKey) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for table in [
            "UPDATE proofs SET anchored = 0, anchored_in = NULL, final = 0 \
             WHERE stream = ? AND batch_index = ?",
            "UPDATE batches SET keep_until = NULL WHERE stream = ? AND batch_index = ?",
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

    /// Proofs known, anchored, and set aside, those included that were forgotten.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn proof_totals(&self) -> Result<(u64, u64, u64), JournalError> {
        let rows = sqlx::query(PROOF_TOTALS).fetch_all(&self.pool).await?;
        let (mut known, mut anchored, mut aside) = (0, 0, 0);
        for row in rows {
            let value = to_u64(row.try_get("value")?);
            match row.try_get::<&str, _>("name")? {
                "proofs anchored" => anchored = value,
                "proofs aside" => aside = value,
                _ => known = value,
            }
        }
        Ok((known, anchored, aside))
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
