// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What can go wrong between a finalized block and an answer, and what to do about it.

use ves_primitives::{BatchError, GenesisHash, StreamId};

/// Why a block's index contradicts itself. Either the runtime's `index_block` or the node is broken;
/// nothing of the block is stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The header's commitment does not cover exactly the block's batches.
    #[error("the header's VESB digest item does not commit to the block's batches")]
    CommitmentMismatch,
    /// A batch names another block.
    #[error("batch of stream {stream} names block {found}")]
    BatchBlock {
        /// The stream.
        stream: StreamId,
        /// The block the batch names.
        found: u32,
    },
    /// Two batches of one stream in one block, or batches out of stream-id order.
    #[error("batches are not in strict stream-id order at stream {stream}")]
    BatchOrder {
        /// The stream at which the order breaks.
        stream: StreamId,
    },
    /// Events that no batch of the block covers.
    #[error("stream {stream} has {count} events outside its batch")]
    EventsOutsideBatch {
        /// The stream.
        stream: StreamId,
        /// How many.
        count: usize,
    },
    /// The events of a batch are not the batch's sequence range.
    #[error("stream {stream}: expected sequence {expected}, found {found:?}")]
    Sequence {
        /// The stream.
        stream: StreamId,
        /// The sequence that should come next.
        expected: u64,
        /// The sequence that came, if any.
        found: Option<u64>,
    },
    /// An event is filed under a stream it does not belong to.
    #[error("an event of another stream is filed under stream {stream}")]
    EventStream {
        /// The stream.
        stream: StreamId,
    },
    /// A leaf or receipt does not follow from its event.
    #[error("stream {stream} sequence {sequence}: {field} does not follow from the event")]
    Hash {
        /// The stream.
        stream: StreamId,
        /// The event's place.
        sequence: u64,
        /// `leaf`, `receipt` or `signing hash`.
        field: &'static str,
    },
    /// The leaves do not lead to the batch's events root.
    #[error("stream {stream}: the leaves do not lead to the batch's events root")]
    EventsRoot {
        /// The stream.
        stream: StreamId,
    },
    /// A batch's own fields contradict each other or the stream's tip.
    #[error("stream {stream}: {source}")]
    Batch {
        /// The stream.
        stream: StreamId,
        /// The rule broken.
        source: BatchError,
    },
}

/// What the database answers instead of doing as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed: locked, disk full, connection lost. Trying again later may succeed.
    #[error("event store: {0}")]
    Database(#[source] sqlx::Error),
    /// The database cannot be opened as an event store of this version.
    #[error(
        "event store {place}: {reason}. If it is damaged or from a newer version, move the file or \
         the schema away; the node rebuilds it from its blocks"
    )]
    Open {
        /// The file, or the server and database, without a password.
        place: String,
        /// What the database or the migration said.
        reason: String,
    },
    /// The database cannot be read as a replica of an event store of this version.
    #[error(
        "event store {place} cannot be read as a replica: {reason}. The node that writes it creates \
         and migrates it: start that one first, in the version of this one"
    )]
    Replica {
        /// The file, or the server and database, without a password.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else writes this store.
    #[error("the event store is a replica here: only the node that indexes it writes it")]
    ReadOnly,
    /// The database holds another chain.
    #[error(
        "event store belongs to the chain with genesis {found}, this node runs {expected}: point \
         the node at its own store, or move this one away to have it rebuilt"
    )]
    WrongChain {
        /// The node's genesis.
        expected: GenesisHash,
        /// The store's genesis.
        found: GenesisHash,
    },
    /// Blocks must be appended in height order without gaps.
    #[error("event store stands at block {cursor}; block {found} does not follow")]
    Gap {
        /// Newest indexed block.
        cursor: u32,
        /// The block offered.
        found: u32,
    },
    /// The block offered is not a child of the newest indexed block.
    #[error(
        "block {number} is not a child of the indexed block {cursor}: the store holds another \
         fork. Finalized blocks never change, so the node's database or the store is from another \
         history; move the store away to have it rebuilt"
    )]
    Fork {
        /// The block offered.
        number: u32,
        /// Newest indexed block.
        cursor: u32,
    },
    /// A block whose batches do not continue the stored streams.
    #[error("block {number} contradicts the store: {source}")]
    Block {
        /// The block.
        number: u32,
        /// What is wrong.
        source: BlockError,
    },
    /// A row that already exists, or that the schema forbids.
    #[error("block {number} contradicts the store: {reason}")]
    Constraint {
        /// The block.
        number: u32,
        /// What the database said.
        reason: String,
    },
    /// A stored row that this program cannot have written.
    #[error("event store is damaged ({what}): move it away; the node rebuilds it from its blocks")]
    Corrupt {
        /// Which row or column.
        what: &'static str,
    },
}

impl StoreError {
    /// Whether the same request may succeed later without anyone's doing.
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Database(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt {
                what: "column type",
            },
            other => Self::Database(other),
        }
    }
}
