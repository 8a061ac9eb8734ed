// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Going back, so that a range of blocks is indexed anew.

use super::{Cursor, Store, rows};
use crate::{
    StoreError,
    db::{args, signed},
    query::decode_batch,
};
use std::collections::BTreeSet;

impl Store {
    /// Forgets everything above a block, in one transaction; answers whether there was anything. Agents'
    /// cursors stay.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn rewind(&self, to: &Cursor) -> Result<bool, StoreError> {
        let mut transaction = self.db.write().await?;
        let cursor = rows::locked_cursor(&mut transaction).await?;
        if cursor.number <= to.number {
            return Ok(false);
        }
        // Not DISTINCT, for which SQLite would read the batches of all blocks in the order of streams.
        let sql = "SELECT stream FROM batches WHERE block_number > ?";
        let rows = transaction.all(sql, args![to.number]).await?;
        let touched: BTreeSet<i64> = rows
            .iter()
            .map(|row| row.int("stream"))
            .collect::<Result<_, _>>()?;
        for table in ["refused_proofs", "rejections", "events", "batches"] {
            let sql = format!("DELETE FROM {table} WHERE block_number > ?");
            transaction.execute(&sql, args![to.number]).await?;
        }
        let sql = "DELETE FROM blocks WHERE number > ?";
        transaction.execute(sql, args![to.number]).await?;
        for id in touched {
            let sql =
                "SELECT batch FROM batches WHERE stream = ? ORDER BY batch_index DESC LIMIT 1";
            let Some(last) = transaction.optional(sql, args![id]).await? else {
                let sql = "DELETE FROM streams WHERE id = ?";
                transaction.execute(sql, args![id]).await?;
                continue;
            };
            let tip = decode_batch(&last)?.tip();
            let sql =
                "UPDATE streams SET sequence = ?, state_root = ?, batch_count = ? WHERE id = ?";
            let (sequence, batch_count) = (signed(tip.sequence)?, signed(tip.batch_count)?);
            let args = args![sequence, tip.state_root.0, batch_count, id];
            transaction.execute(sql, args).await?;
        }
        let sql = "UPDATE meta SET pruned_below = ? WHERE id = 1 AND pruned_below > ?";
        let bound = to.number.saturating_add(1);
        transaction.execute(sql, args![bound, bound]).await?;
        rows::set_cursor(&mut transaction, to).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
