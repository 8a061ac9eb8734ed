// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a verifier already trusts, from outside the bundle.

use ves_finality::TrackedSets;
use ves_primitives::{
    AuthoritySetHash, BatchCommitment, EventsRoot, GenesisHash, SigningPublicKey, StreamId,
    wire::AnchorJson,
};

/// Authority sets that are trusted to finalize blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedAuthorities {
    /// A set by its name; the bundle has to hold it.
    Named(AuthoritySetHash),
    /// Sets, tracked or from a file.
    Sets(TrackedSets),
}

/// What the verifier already trusts, from outside the bundle.
#[derive(Clone, Debug, Default)]
pub struct TrustAnchors {
    /// The chain.
    pub genesis: Option<GenesisHash>,
    /// The author's key.
    pub agent_key: Option<SigningPublicKey>,
    /// The batch's events root, for instance read from the contract.
    pub events_root: Option<EventsRoot>,
    /// Hash of the block, for instance from another node.
    pub block_hash: Option<[u8; 32]>,
    /// The stream the event must be of.
    pub stream: Option<StreamId>,
    /// What the contract says, if it was asked: nothing when it knows no such batch.
    pub contract: Option<Option<AnchoredBatch>>,
    /// Who finalizes blocks.
    pub authorities: Option<TrustedAuthorities>,
    /// Whether a bundle that proves no finality fails.
    pub finality_demanded: bool,
}

/// A batch as the contract holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchoredBatch {
    /// EVM chain id.
    pub chain_id: u64,
    /// Contract address.
    pub registry: String,
    /// Block at which the contract was read.
    pub read_at_block: u64,
    /// Events root.
    pub events_root: [u8; 32],
    /// State root.
    pub new_state_root: [u8; 32],
    /// First sequence.
    pub sequence_start: u64,
    /// Last sequence.
    pub sequence_end: u64,
    /// Number of events.
    pub event_count: u32,
}

impl AnchoredBatch {
    /// Compares every anchored field with the batch.
    ///
    /// # Errors
    /// The field that differs.
    pub fn check(&self, batch: &BatchCommitment) -> Result<(), String> {
        let differs = |field: &str| Err(format!("the contract holds another {field}"));
        if self.events_root != batch.events_root.0 {
            return differs("events root");
        }
        if self.new_state_root != batch.new_state_root.0 {
            return differs("state root");
        }
        if (self.sequence_start, self.sequence_end) != (batch.sequence_start, batch.sequence_end) {
            return differs("sequence range");
        }
        if self.event_count != batch.leaf_count {
            return differs("event count");
        }
        Ok(())
    }
}

impl From<&AnchoredBatch> for AnchorJson {
    fn from(found: &AnchoredBatch) -> Self {
        Self {
            chain_id: found.chain_id,
            registry: found.registry.clone(),
            events_root: found.events_root,
            new_state_root: found.new_state_root,
            read_at_block: found.read_at_block,
        }
    }
}
