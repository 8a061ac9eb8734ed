// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Where an agent stands in a stream, as it tells its node to remember.

use crate::{AgentId, GenesisHash, KeyId, StoreId, TenantId, domain, hash::Preimage};

/// What an agent signs to move one of its durable cursors.
///
/// Anybody may carry it to a node, so it names the chain, the stream and the key, and a node takes only
/// a higher revision than the one it has: an old statement cannot move the cursor back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorStatement {
    /// The chain.
    pub genesis: GenesisHash,
    /// Owner of the stream.
    pub tenant_id: TenantId,
    /// Store of the stream.
    pub store_id: StoreId,
    /// Whose cursor it is.
    pub agent_id: AgentId,
    /// Which of the agent's keys signs.
    pub key_id: KeyId,
    /// Which of the agent's cursors, below [`crate::limits::MAX_AGENT_CURSORS`].
    pub slot: u32,
    /// The last sequence that the agent is done with, 0 for none.
    pub sequence: u64,
    /// Rises with each move; the agent's clock in milliseconds will do.
    pub revision: u64,
}

impl CursorStatement {
    /// `H("VES_AGENT_CURSOR_V1" || genesis || tenant || store || agent || U32(key id) || U32(slot) ||
    /// U64(sequence) || U64(revision))`.
    pub fn hash(&self) -> [u8; 32] {
        Preimage::new(domain::AGENT_CURSOR)
            .bytes(&self.genesis.0)
            .bytes(&self.tenant_id.0)
            .bytes(&self.store_id.0)
            .bytes(&self.agent_id.0)
            .u32(self.key_id.0)
            .u32(self.slot)
            .u64(self.sequence)
            .u64(self.revision)
            .finish()
    }
}
