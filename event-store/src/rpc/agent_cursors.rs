// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Durable cursors. Anybody may read them; only the agent's own key moves one, so an RPC without
//! accounts neither lets a stranger move it nor fill the disk: there are eight for each agent and
//! stream of the registry.

use super::{
    VesRpc, blocking,
    errors::{invalid, named},
};
use crate::CursorMove;
use jsonrpsee::{core::RpcResult, types::ErrorObjectOwned};
use serde_json::json;
use std::sync::Arc;
use ves_primitives::{
    AgentId, CursorStatement, StoreId, TenantId,
    limits::{MAX_AGENT_CURSORS, MAX_SEQUENCE},
    verify_ed25519,
    wire::{
        AgentCursorJson,
        codes::{CURSOR_OUTDATED, CURSOR_UNAUTHORIZED},
    },
};

fn unauthorized(reason: impl std::fmt::Display) -> ErrorObjectOwned {
    let text = format!("the cursor is not moved: {reason}");
    named(
        CURSOR_UNAUTHORIZED,
        text,
        json!({ "reason": reason.to_string() }),
    )
}

fn outdated(revision: u64) -> ErrorObjectOwned {
    named(
        CURSOR_OUTDATED,
        format!("the cursor is at revision {revision}"),
        json!({ "revision": revision }),
    )
}

impl VesRpc {
    /// An agent's cursors in a stream.
    pub(super) async fn agent_cursors(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        agent_id: AgentId,
    ) -> RpcResult<Vec<AgentCursorJson>> {
        Ok(self
            .store
            .agent_cursors(tenant_id, store_id, agent_id)
            .await?)
    }

    /// Moves one. Cheap checks come first; the same statement again is no error.
    pub(super) async fn set_agent_cursor(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        agent_id: AgentId,
        cursor: AgentCursorJson,
    ) -> RpcResult<AgentCursorJson> {
        if cursor.slot >= MAX_AGENT_CURSORS {
            return Err(invalid(
                "cursor",
                format!("expected a slot below {MAX_AGENT_CURSORS}"),
            ));
        }
        if cursor.revision > MAX_SEQUENCE {
            return Err(invalid(
                "cursor",
                format!("a revision above {MAX_SEQUENCE}"),
            ));
        }
        let known = self
            .store
            .agent_cursors(tenant_id, store_id, agent_id)
            .await?;
        if let Some(known) = known.iter().find(|known| known.slot == cursor.slot) {
            if *known == cursor {
                return Ok(cursor);
            }
            if known.revision >= cursor.revision {
                return Err(outdated(known.revision));
            }
        }
        let head = self.store.head(tenant_id, store_id).await?.sequence;
        if cursor.sequence > head {
            if self.store.is_behind() || self.store.is_backfilling() {
                return Err(self.not_indexed_yet());
            }
            let text = format!("sequence {} is beyond the head {head}", cursor.sequence);
            return Err(invalid("cursor", text));
        }
        let chain = Arc::clone(&self.chain);
        let key_id = cursor.key_id;
        let author = blocking(move || chain.author(tenant_id, store_id, agent_id, key_id)).await?;
        let key = author.map_err(unauthorized)?;
        let statement = CursorStatement {
            genesis: self.store.genesis(),
            tenant_id,
            store_id,
            agent_id,
            key_id,
            slot: cursor.slot,
            sequence: cursor.sequence,
            revision: cursor.revision,
        };
        if !verify_ed25519(&key, &statement.hash(), &cursor.signature) {
            return Err(unauthorized("invalid_signature"));
        }
        let moved = self
            .store
            .move_cursor(tenant_id, store_id, agent_id, &cursor)
            .await?;
        match moved {
            CursorMove::Stored => Ok(cursor),
            CursorMove::Outdated { revision } => Err(outdated(revision)),
        }
    }
}
