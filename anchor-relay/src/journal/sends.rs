// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Transactions: one [`Send`] per nonce, with every [`Attempt`] ever signed for it.

use super::{
    Checkpoint, Journal, JournalError, array, checkpoints, damaged, now_ms, optional_array, to_i64,
    to_u64,
};
use sqlx::{Row, sqlite::SqliteRow};
use std::collections::BTreeMap;
use ves_primitives::StreamId;

const WEI_PER_GWEI: u128 = 1_000_000_000;

/// How far the transaction of a nonce has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendState {
    /// The nonce is reserved, nothing is signed.
    Intent,
    /// Signed; the network may or may not know it.
    Signed,
    /// A node took it.
    Sent,
    /// In a block.
    Included,
    /// In a block that counts as confirmed.
    Final,
    /// The nonce was used by a transaction that is not in this journal.
    Lost,
}

impl SendState {
    const ALL: [Self; 6] = [
        Self::Intent,
        Self::Signed,
        Self::Sent,
        Self::Included,
        Self::Final,
        Self::Lost,
    ];

    /// The name stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Signed => "signed",
            Self::Sent => "sent",
            Self::Included => "included",
            Self::Final => "final",
            Self::Lost => "lost",
        }
    }

    /// Not in a block yet.
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Intent | Self::Signed | Self::Sent)
    }
}

/// The transaction of one nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Nonce.
    pub nonce: u64,
    /// Gas limit; the same in every attempt that carries something.
    pub gas_limit: u64,
    /// How far it has come.
    pub state: SendState,
    /// Did it succeed? Known once included.
    pub ok: Option<bool>,
    /// The attempt that was mined.
    pub tx_hash: Option<[u8; 32]>,
    /// Block it is in.
    pub block_number: Option<u64>,
    /// Hash of that block; a reorg shows here.
    pub block_hash: Option<[u8; 32]>,
    /// When the last attempt was given to a node, Unix milliseconds.
    pub sent_at_ms: Option<u64>,
}

/// What a transaction may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemKind {
    /// A batch.
    Batch,
    /// The proof of a batch.
    Proof,
}

impl ItemKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Proof => "proof",
        }
    }
}

/// One thing that a transaction carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Stream of the batch.
    pub stream: StreamId,
    /// Number of the batch.
    pub batch_index: u64,
}

/// An item with what became of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The item.
    pub item: Item,
    /// How far its transaction has come.
    pub state: SendState,
    /// Did it succeed? Known once included.
    pub ok: Option<bool>,
}

impl Carried {
    /// Does the transaction still stand for the item, or has it failed?
    pub const fn stands(&self) -> bool {
        !matches!(self.state, SendState::Lost) && !matches!(self.ok, Some(false))
    }
}

/// One signed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its hash.
    pub tx_hash: [u8; 32],
    /// Nonce.
    pub nonce: u64,
    /// Encoded, ready to send.
    pub raw: Vec<u8>,
    /// `maxFeePerGas`, wei.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`, wei.
    pub tip: u128,
}

/// What a transaction that no block holds may cost at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingCost {
    /// Gas limit times fee cap of the dearest attempt, wei.
    pub execution: u128,
    /// Length of the longest attempt, for its L1 data.
    pub bytes: u64,
}

// Partial indexes are used only by statements that repeat their conditions word for word. They are
// named, and the order of joins is given, where SQLite would rather read all rows.
pub(super) const NEXT_NONCE: &str = "SELECT COALESCE(MAX(nonce) + 1, 0) AS next FROM sends";
pub(super) const DROP_INTENTS: &str = "DELETE FROM sends WHERE state = 'intent' \
                                       AND state NOT IN ('final', 'lost')";
pub(super) const SPENT_SINCE: &str = "SELECT COALESCE(SUM(fee_gwei), 0) FROM sends \
                                      WHERE paid_at > 0 AND paid_at > ?";
pub(super) const PENDING_COSTS: &str = "SELECT s.nonce, s.gas_limit, a.max_fee, \
     LENGTH(a.raw) AS bytes FROM sends s INDEXED BY sends_live \
     CROSS JOIN attempts a ON a.nonce = s.nonce \
     WHERE s.state IN ('signed', 'sent') AND s.state NOT IN ('final', 'lost')";
pub(super) const RECHECK_OPEN: &str = "UPDATE sends SET state = 'included' \
     WHERE state = 'final' AND nonce IN \
         (SELECT i.nonce FROM batches b INDEXED BY batches_open CROSS JOIN items i ON i.kind = 'batch' \
          AND i.stream = b.stream AND i.batch_index = b.batch_index \
          WHERE b.anchored = 0 \
          UNION \
          SELECT i.nonce FROM proofs p INDEXED BY proofs_open CROSS JOIN items i ON i.kind = 'proof' \
          AND i.stream = p.stream AND i.batch_index = p.batch_index \
          WHERE p.anchored = 0)";
pub(super) const LIVE_SENDS: &str =
    "SELECT * FROM sends WHERE state NOT IN ('final', 'lost') ORDER BY nonce";
pub(super) const SETTLED_FROM: &str =
    "SELECT * FROM sends WHERE state = 'final' AND nonce >= ? ORDER BY nonce";
pub(super) const CARRIED: &str = "SELECT i.kind, i.stream, i.batch_index, s.state, s.ok \
     FROM items i JOIN sends s ON s.nonce = i.nonce \
     WHERE i.stream = ? AND i.batch_index >= ? ORDER BY i.nonce";
pub(super) const FAILURES: &str = "SELECT i.stream, i.batch_index, COUNT(*) AS n \
     FROM sends s INDEXED BY sends_failed \
     CROSS JOIN items i ON i.nonce = s.nonce AND i.kind = 'batch' \
     CROSS JOIN batches b ON b.stream = i.stream AND b.batch_index = i.batch_index \
     WHERE s.ok = 0 AND b.anchored = 0 GROUP BY i.stream, i.batch_index";
pub(super) const ITEMS: &str = "SELECT kind, stream, batch_index FROM items WHERE nonce = ?";
pub(super) const SEND_COUNTS: &str = "SELECT substr(name, 6) AS state, value FROM counters \
     WHERE name >= 'send ' AND name < 'send!' AND value > 0 ORDER BY name";
pub(super) const ATTEMPTS: &str = "SELECT tx_hash, nonce, raw, max_fee, tip FROM attempts \
     WHERE nonce = ? ORDER BY signed_at DESC, rowid DESC";

impl Journal {
    /// The nonce after the highest one in the journal; 0 when there is none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn next_nonce(&self) -> Result<u64, JournalError> {
        let row = sqlx::query(NEXT_NONCE).fetch_one(&self.pool).await?;
        Ok(to_u64(row.try_get("next")?))
    }

    /// Reserves a nonce for what its transaction will carry.
    ///
    /// # Errors
    /// [`JournalError`]; the nonce is taken at most once.
    pub async fn reserve(
        &self,
        nonce: u64,
        items: &[Item],
        gas_limit: u64,
    ) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO sends (nonce, gas_limit, state, created_at) VALUES (?, ?, 'intent', ?)",
        )
        .bind(to_i64(nonce))
        .bind(to_i64(gas_limit))
        .bind(to_i64(now_ms()))
        .execute(&mut *tx)
        .await?;
        for item in items {
            sqlx::query("INSERT INTO items (nonce, kind, stream, batch_index) VALUES (?, ?, ?, ?)")
                .bind(to_i64(nonce))
                .bind(item.kind.name())
                .bind(item.stream.0.as_slice())
                .bind(to_i64(item.batch_index))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Gives back the nonces for which nothing was ever signed.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn drop_intents(&self) -> Result<u64, JournalError> {
        // A nonce is signed before the next one is reserved, so this never makes a gap.
        let done = sqlx::query(DROP_INTENTS).execute(&self.pool).await?;
        Ok(done.rows_affected())
    }

    /// Stores a signed transaction. Must return before the network sees it.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn add_attempt(&self, attempt: &Attempt) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO attempts (tx_hash, nonce, raw, max_fee, tip, signed_at) \
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(attempt.tx_hash.as_slice())
        .bind(to_i64(attempt.nonce))
        .bind(attempt.raw.as_slice())
        .bind(attempt.max_fee.to_string())
        .bind(attempt.tip.to_string())
        .bind(to_i64(now_ms()))
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE sends SET state = 'signed' WHERE nonce = ? AND state = 'intent'")
            .bind(to_i64(attempt.nonce))
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// A node took the transaction of `nonce` now.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_sent(&self, nonce: u64) -> Result<(), JournalError> {
        sqlx::query(
            "UPDATE sends SET sent_at = ?1, \
                    state = CASE state WHEN 'signed' THEN 'sent' ELSE state END \
             WHERE nonce = ?2",
        )
        .bind(to_i64(now_ms()))
        .bind(to_i64(nonce))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The transaction `tx_hash` of `nonce` is in a block.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_included(
        &self,
        nonce: u64,
        tx_hash: &[u8; 32],
        block_number: u64,
        block_hash: &[u8; 32],
        ok: bool,
        fee_wei: u128,
    ) -> Result<(), JournalError> {
        let gwei = u64::try_from(fee_wei.div_ceil(WEI_PER_GWEI)).unwrap_or(u64::MAX);
        sqlx::query(
            "UPDATE sends SET state = 'included', tx_hash = ?, block_number = ?, \
                    block_hash = ?, ok = ?, fee_gwei = ?, paid_at = ? WHERE nonce = ?",
        )
        .bind(tx_hash.as_slice())
        .bind(to_i64(block_number))
        .bind(block_hash.as_slice())
        .bind(i64::from(ok))
        .bind(to_i64(gwei))
        .bind(to_i64(now_ms()))
        .bind(to_i64(nonce))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gwei paid for transactions since a time, Unix milliseconds.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn spent_since(&self, since_ms: u64) -> Result<u64, JournalError> {
        let sum: i64 = sqlx::query_scalar(SPENT_SINCE)
            .bind(to_i64(since_ms))
            .fetch_one(&self.pool)
            .await?;
        Ok(to_u64(sum))
    }

    /// What each transaction that no block holds may cost at most.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn pending_costs(&self) -> Result<Vec<PendingCost>, JournalError> {
        let rows = sqlx::query(PENDING_COSTS).fetch_all(&self.pool).await?;
        let mut costs: BTreeMap<i64, PendingCost> = BTreeMap::new();
        for row in rows {
            let gas = to_u64(row.try_get("gas_limit")?);
            let cost = costs.entry(row.try_get("nonce")?).or_default();
            let execution = u128::from(gas).saturating_mul(wei(&row, "max_fee")?);
            cost.execution = cost.execution.max(execution);
            cost.bytes = cost.bytes.max(to_u64(row.try_get("bytes")?));
        }
        Ok(costs.into_values().collect())
    }

    /// Included transactions whose blocks are confirmed, as seen at the confirmed block.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn settle(&self, nonces: &[u64], at: &Checkpoint) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for nonce in nonces {
            sqlx::query("UPDATE sends SET state = 'final' WHERE nonce = ?")
                .bind(to_i64(*nonce))
                .execute(&mut *tx)
                .await?;
        }
        checkpoints::note(&mut tx, at).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Transactions whose nonces somebody else used.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn lose(&self, nonces: &[u64]) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for nonce in nonces {
            sqlx::query("UPDATE sends SET state = 'lost', paid_at = ? WHERE nonce = ?")
                .bind(to_i64(now_ms()))
                .bind(to_i64(*nonce))
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The chain does not hold these nonces any more: their transactions go out again.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn mark_unmined(&self, nonces: &[u64]) -> Result<(), JournalError> {
        let mut tx = self.begin().await?;
        for nonce in nonces {
            sqlx::query(
                "UPDATE sends SET state = 'signed', ok = NULL, tx_hash = NULL, \
                        block_number = NULL, block_hash = NULL, sent_at = NULL, \
                        fee_gwei = 0, paid_at = 0 \
                 WHERE nonce = ? AND state IN ('included', 'final')",
            )
            .bind(to_i64(*nonce))
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// Looks again at settled transactions of batches and proofs that do not count as anchored.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn recheck_open(&self) -> Result<(), JournalError> {
        sqlx::query(RECHECK_OPEN).execute(&self.pool).await?;
        Ok(())
    }

    /// Transactions that are not settled, by nonce.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn live_sends(&self) -> Result<Vec<Send>, JournalError> {
        let rows = sqlx::query(LIVE_SENDS).fetch_all(&self.pool).await?;
        rows.iter().map(read_send).collect()
    }

    /// Settled transactions with a nonce that the chain says is still free: a deep reorg.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn settled_from(&self, nonce: u64) -> Result<Vec<Send>, JournalError> {
        let rows = sqlx::query(SETTLED_FROM)
            .bind(to_i64(nonce))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_send).collect()
    }

    /// What transactions carry of a stream from `batch_index` on, by nonce.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn carried(
        &self,
        stream: StreamId,
        batch_index: u64,
    ) -> Result<Vec<Carried>, JournalError> {
        let rows = sqlx::query(CARRIED)
            .bind(stream.0.as_slice())
            .bind(to_i64(batch_index))
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Carried {
                    item: read_item(row)?,
                    state: read_state(row)?,
                    ok: row.try_get::<Option<i64>, _>("ok")?.map(|ok| ok != 0),
                })
            })
            .collect()
    }

    /// How often transactions failed on chain that carried batches which are still open.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn failures(&self) -> Result<BTreeMap<(StreamId, u64), u32>, JournalError> {
        let rows = sqlx::query(FAILURES).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let stream = StreamId(array(row.try_get("stream")?)?);
                let index = to_u64(row.try_get("batch_index")?);
                let count = u32::try_from(to_u64(row.try_get("n")?)).unwrap_or(u32::MAX);
                Ok(((stream, index), count))
            })
            .collect()
    }

    /// What the transaction of a nonce carries.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn items(&self, nonce: u64) -> Result<Vec<Item>, JournalError> {
        let rows = sqlx::query(ITEMS)
            .bind(to_i64(nonce))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_item).collect()
    }

    /// Number of transactions per state, those included that were forgotten.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn send_counts(&self) -> Result<Vec<(String, u64)>, JournalError> {
        let rows = sqlx::query(SEND_COUNTS).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| Ok((row.try_get("state")?, to_u64(row.try_get("value")?))))
            .collect()
    }

    /// Attempts of a nonce, the last one first.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn attempts(&self, nonce: u64) -> Result<Vec<Attempt>, JournalError> {
        let rows = sqlx::query(ATTEMPTS)
            .bind(to_i64(nonce))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_attempt).collect()
    }
}

fn wei(row: &SqliteRow, column: &str) -> Result<u128, JournalError> {
    row.try_get::<&str, _>(column)?
        .parse()
        .map_err(|error| damaged(column, error))
}

fn read_attempt(row: &SqliteRow) -> Result<Attempt, JournalError> {
    Ok(Attempt {
        tx_hash: array(row.try_get("tx_hash")?)?,
        nonce: to_u64(row.try_get("nonce")?),
        raw: row.try_get("raw")?,
        max_fee: wei(row, "max_fee")?,
        tip: wei(row, "tip")?,
    })
}

fn read_item(row: &SqliteRow) -> Result<Item, JournalError> {
    let kind = match row.try_get::<&str, _>("kind")? {
        "batch" => ItemKind::Batch,
        "proof" => ItemKind::Proof,
        other => return Err(damaged("kind of item", other)),
    };
    Ok(Item {
        kind,
        stream: StreamId(array(row.try_get("stream")?)?),
        batch_index: to_u64(row.try_get("batch_index")?),
    })
}

fn read_state(row: &SqliteRow) -> Result<SendState, JournalError> {
    let name: &str = row.try_get("state")?;
    SendState::ALL
        .into_iter()
        .find(|state| state.name() == name)
        .ok_or_else(|| damaged("transaction state", name))
}

fn read_send(row: &SqliteRow) -> Result<Send, JournalError> {
    Ok(Send {
        nonce: to_u64(row.try_get("nonce")?),
        gas_limit: to_u64(row.try_get("gas_limit")?),
        state: read_state(row)?,
        ok: row.try_get::<Option<i64>, _>("ok")?.map(|ok| ok != 0),
        tx_hash: optional_array(row, "tx_hash")?,
        block_number: row.try_get::<Option<i64>, _>("block_number")?.map(to_u64),
        block_hash: optional_array(row, "block_hash")?,
        sent_at_ms: row.try_get::<Option<i64>, _>("sent_at")?.map(to_u64),
    })
}
