// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Where agents say that they stand. The only rows that no block holds: a store that is rebuilt has
//! lost them, and agents begin from what they know themselves.

use crate::{
    Store, StoreError,
    db::{Row, args, signed},
};
use ves_primitives::{
    AgentId, KeyId, Signature, StoreId, TenantId, stream_id, wire::AgentCursorJson,
};

/// What became of a move of a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorMove {
    /// It is stored.
    Stored,
    /// The store has this revision or a later one.
    Outdated {
        /// The revision that it has.
        revision: u64,
    },
}

impl Store {
    /// An agent's cursors in a stream, by slot.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn agent_cursors(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
    ) -> Result<Vec<AgentCursorJson>, StoreError> {
        let sql = "SELECT slot, sequence, revision, key_id, signature FROM agent_cursors \
             WHERE stream_id = ? AND agent_id = ? ORDER BY slot";
        let mut snapshot = self.snapshot().await?;
        let args = args![stream_id(tenant, store).0, agent.0];
        let rows = snapshot.all(sql, args).await?;
        rows.iter().map(read).collect()
    }

    /// Stores a cursor whose signature the caller has verified, unless a later revision is there.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn move_cursor(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        cursor: &AgentCursorJson,
    ) -> Result<CursorMove, StoreError> {
        let stream = stream_id(tenant, store);
        let mut transaction = self.db.write().await?;
        let changed = transaction
            .execute(
                "INSERT INTO agent_cursors \
                 (stream_id, agent_id, slot, sequence, revision, key_id, signature) \
                 VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream_id, agent_id, slot) DO UPDATE \
                 SET sequence = excluded.sequence, revision = excluded.revision, \
                 key_id = excluded.key_id, signature = excluded.signature \
                 WHERE agent_cursors.revision < excluded.revision",
                args![
                    stream.0,
                    agent.0,
                    cursor.slot,
                    signed(cursor.sequence)?,
                    signed(cursor.revision)?,
                    cursor.key_id.0,
                    cursor.signature.0,
                ],
            )
            .await?;
        if changed == 0 {
            let sql = "SELECT revision FROM agent_cursors \
                 WHERE stream_id = ? AND agent_id = ? AND slot = ?";
            let row = transaction
                .one(sql, args![stream.0, agent.0, cursor.slot])
                .await?;
            return Ok(CursorMove::Outdated {
                revision: row.unsigned("revision")?,
            });
        }
        transaction.commit().await?;
        Ok(CursorMove::Stored)
    }
}

fn read(row: &Row) -> Result<AgentCursorJson, StoreError> {
    Ok(AgentCursorJson {
        slot: row.unsigned("slot")?,
        sequence: row.unsigned("sequence")?,
        revision: row.unsigned("revision")?,
        key_id: KeyId(row.unsigned("key_id")?),
        signature: Signature(row.bytes("signature")?),
    })
}
