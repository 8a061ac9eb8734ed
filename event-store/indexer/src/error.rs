// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What can go wrong between a finalized block and the store, and what to do about it.

use ves_event_store::{BlockError, StoreError};

/// Why indexing stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A block contradicts itself.
    #[error("block {number}: {source}")]
    Block {
        /// The block.
        number: u32,
        /// What is wrong.
        source: BlockError,
    },
    /// The finalized chain has another block at an indexed height.
    #[error(
        "finalized block {number} is {finalized}, the event store has indexed {stored}: the store \
         is from another history of this chain. Move the store away to have it rebuilt"
    )]
    FinalityContradiction {
        /// The height.
        number: u32,
        /// Hash in the store, hex.
        stored: String,
        /// Hash on the finalized chain, hex.
        finalized: String,
    },
    /// A store would have to begin again above the node's finality.
    #[error("block {number} is not final, the newest final one is {finalized}")]
    NotFinal {
        /// The block.
        number: u32,
        /// The newest finalized block.
        finalized: u32,
    },
    /// The node has thrown the block's state away.
    #[error(
        "the state of block {number} is pruned, so its events cannot be indexed. Start the node \
         with `--state-pruning archive-canonical` from an empty database (resync), or restore an \
         event store that already covers this block"
    )]
    StatePruned {
        /// The block.
        number: u32,
    },
    /// The node has thrown the block's extrinsics away or never had them.
    #[error(
        "the body of block {number} is not in the node's database, so its events cannot be indexed. \
         Start the node with `--blocks-pruning archive-canonical` and full sync from an empty \
         database (resync), or restore an event store that already covers this block"
    )]
    BodyMissing {
        /// The block.
        number: u32,
    },
    /// The header carries a `VESB` digest item that is not one block commitment.
    #[error("block {number} has a malformed VESB digest item")]
    Digest {
        /// The block.
        number: u32,
    },
    /// The node's database failed.
    #[error("node database at block {number}: {reason}")]
    Client {
        /// The block.
        number: u32,
        /// What the client said.
        reason: String,
    },
    /// The runtime failed to index the block.
    #[error("runtime of block {number} cannot index it: {reason}")]
    Runtime {
        /// The block.
        number: u32,
        /// What the runtime API said.
        reason: String,
    },
    /// The node is shutting down.
    #[error("the node stopped sending finality notifications")]
    Stopped,
}

impl IngestError {
    /// Whether the same step may succeed later without anyone's doing.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Client { .. } | Self::Runtime { .. } => true,
            _ => false,
        }
    }
}
