// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Batch commitments, the state-root chain and the block commitment (VES v1 §4.4, §16.1).

use crate::{
    BatchId, BlockRoot, EventsRoot, InclusionError, InclusionProof, LeafHash, MultiProof,
    StateRoot, StoreId, StreamId, TenantId, domain, events_root, hash::Preimage, limits, root_of,
    stream_id,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// `H("VES_STATE_ROOT_V1" || stream || previous || events root || U64(start) || U64(end) ||
/// U32(count))` (VES v1 §4.4): a hash chain over batches, not a root of application state.
pub fn state_root(
    stream: StreamId,
    previous: StateRoot,
    root: EventsRoot,
    start: u64,
    end: u64,
    leaf_count: u32,
) -> StateRoot {
    StateRoot(
        Preimage::new(domain::STATE_ROOT)
            .bytes(&stream.0)
            .bytes(&previous.0)
            .bytes(&root.0)
            .u64(start)
            .u64(end)
            .u32(leaf_count)
            .finish(),
    )
}

/// `H("VES_BATCH_ID_V1" || stream || U64(start) || U64(end) || events root || previous state
/// root)` (§16.1). Derived from content, so that sending a batch twice is recognisable.
pub fn batch_id(
    stream: StreamId,
    start: u64,
    end: u64,
    root: EventsRoot,
    previous: StateRoot,
) -> BatchId {
    BatchId(
        Preimage::new(domain::BATCH_ID)
            .bytes(&stream.0)
            .u64(start)
            .u64(end)
            .bytes(&root.0)
            .bytes(&previous.0)
            .finish(),
    )
}

impl BatchId {
    /// UUIDv8 form for peers that want a UUID: the first 16 bytes with version and variant bits.
    pub fn to_uuid_bytes(self) -> [u8; 16] {
        let mut out = [0u8; 16];
        out.copy_from_slice(&self.0[..16]);
        out[6] = (out[6] & 0x0f) | 0x80;
        out[8] = (out[8] & 0x3f) | 0x80;
        out
    }
}

/// Where a stream stands: the last sequence handed out and the root of its batch chain.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct StreamTip {
    /// Last sequence of the last batch; 0 before the first.
    pub sequence: u64,
    /// State root after the last batch; zero before the first.
    pub state_root: StateRoot,
    /// Number of batches so far.
    pub batch_count: u64,
}

impl StreamTip {
    /// A stream without events.
    pub const EMPTY: Self = Self {
        sequence: 0,
        state_root: StateRoot::GENESIS,
        batch_count: 0,
    };
}

/// The commitment of one stream's events in one block.
///
/// Built by [`BatchCommitment::commit`] only, so that range, roots and id always agree; a decoded
/// one proves itself with [`BatchCommitment::check`].
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchCommitment {
    /// Content-derived id, the `bytes32 batchId` on `SetRegistry`.
    pub batch_id: BatchId,
    /// Owner of the stream.
    pub tenant_id: TenantId,
    /// Store of the stream.
    pub store_id: StoreId,
    /// Number of this batch within its stream, from 0.
    pub batch_index: u64,
    /// Block that committed it.
    pub block_number: u32,
    /// First sequence, inclusive.
    pub sequence_start: u64,
    /// Last sequence, inclusive.
    pub sequence_end: u64,
    /// `sequence_end - sequence_start + 1`.
    pub leaf_count: u32,
    /// Merkle root over the leaves.
    pub events_root: EventsRoot,
    /// State root before.
    pub prev_state_root: StateRoot,
    /// State root after.
    pub new_state_root: StateRoot,
}

/// Why a batch is not a valid continuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// No leaves, or more than [`limits::MAX_EVENTS_PER_BLOCK`].
    LeafCount,
    /// The range would pass [`limits::MAX_SEQUENCE`].
    SequenceExhausted,
    /// `leaf_count` is not the length of the range, or the range starts before it could: below 1,
    /// or with more batches before it than sequences.
    Range,
    /// The new state root does not follow from the other fields.
    StateRoot,
    /// The id does not follow from the other fields.
    BatchId,
    /// The batch does not continue the previous one.
    Discontinuous,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeafCount => "batch has no leaves or too many",
            Self::SequenceExhausted => "sequence numbers are exhausted",
            Self::Range => "leaf count is not the length of the sequence range",
            Self::StateRoot => "new state root does not follow from the batch",
            Self::BatchId => "batch id does not follow from the batch",
            Self::Discontinuous => "batch does not continue the previous one",
        })
    }
}

impl core::error::Error for BatchError {}

impl BatchCommitment {
    /// Commits `leaves` as the continuation of `tip`.
    ///
    /// # Errors
    /// [`BatchError::LeafCount`] or [`BatchError::SequenceExhausted`].
    pub fn commit(
        tenant_id: TenantId,
        store_id: StoreId,
        block_number: u32,
        tip: &StreamTip,
        leaves: &[LeafHash],
    ) -> Result<Self, BatchError> {
        let leaf_count = u32::try_from(leaves.len()).map_err(|_| BatchError::LeafCount)?;
        if leaf_count > limits::MAX_EVENTS_PER_BLOCK {
            return Err(BatchError::LeafCount);
        }
        let events_root = events_root(leaves).ok_or(BatchError::LeafCount)?;
        let sequence_start = tip
            .sequence
            .checked_add(1)
            .ok_or(BatchError::SequenceExhausted)?;
        let sequence_end = tip
            .sequence
            .checked_add(u64::from(leaf_count))
            .filter(|end| *end <= limits::MAX_SEQUENCE)
            .ok_or(BatchError::SequenceExhausted)?;
        let stream = stream_id(tenant_id, store_id);
        Ok(Self {
            batch_id: batch_id(
                stream,
                sequence_start,
                sequence_end,
                events_root,
                tip.state_root,
            ),
            tenant_id,
            store_id,
            batch_index: tip.batch_count,
            block_number,
            sequence_start,
            sequence_end,
            leaf_count,
            events_root,
            prev_state_root: tip.state_root,
            new_state_root: state_root(
                stream,
                tip.state_root,
                events_root,
                sequence_start,
                sequence_end,
                leaf_count,
            ),
        })
    }

    /// The stream this batch extends.
    pub fn stream_id(&self) -> StreamId {
        stream_id(self.tenant_id, self.store_id)
    }

    /// Where the stream stands after this batch.
    pub const fn tip(&self) -> StreamTip {
        StreamTip {
            sequence: self.sequence_end,
            state_root: self.new_state_root,
            batch_count: self.batch_index.saturating_add(1),
        }
    }

    /// Checks that range, state root and id follow from each other.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn check(&self) -> Result<(), BatchError> {
        if self.leaf_count == 0 || self.leaf_count > limits::MAX_EVENTS_PER_BLOCK {
            return Err(BatchError::LeafCount);
        }
        if self.sequence_end > limits::MAX_SEQUENCE {
            return Err(BatchError::SequenceExhausted);
        }
        let next = self.sequence_start.checked_add(u64::from(self.leaf_count));
        if self.sequence_start == 0 || next != self.sequence_end.checked_add(1) {
            return Err(BatchError::Range);
        }
        // Every earlier batch holds at least one earlier sequence.
        if self.batch_index >= self.sequence_start {
            return Err(BatchError::Range);
        }
        let stream = self.stream_id();
        let (start, end) = (self.sequence_start, self.sequence_end);
        let expected = state_root(
            stream,
            self.prev_state_root,
            self.events_root,
            start,
            end,
            self.leaf_count,
        );
        if expected != self.new_state_root {
            return Err(BatchError::StateRoot);
        }
        if batch_id(stream, start, end, self.events_root, self.prev_state_root) != self.batch_id {
            return Err(BatchError::BatchId);
        }
        Ok(())
    }

    /// Checks [`BatchCommitment::check`] and that this batch is the next one after `tip`.
    ///
    /// # Errors
    /// [`BatchError::Discontinuous`] or what `check` finds.
    pub fn check_continues(&self, tip: &StreamTip) -> Result<(), BatchError> {
        if self.prev_state_root != tip.state_root
            || tip.sequence.checked_add(1) != Some(self.sequence_start)
            || self.batch_index != tip.batch_count
        {
            return Err(BatchError::Discontinuous);
        }
        self.check()
    }

    /// Checks that `leaf` stands at `sequence` of this batch.
    ///
    /// The tree itself does not say how many leaves are padding, so a proof's `leaf_count` is a
    /// claim; here it must be this batch's own, which the state root commits to.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check_leaf(
        &self,
        sequence: u64,
        leaf: &LeafHash,
        proof: &InclusionProof,
    ) -> Result<(), InclusionError> {
        if proof.leaf_count != self.leaf_count {
            return Err(InclusionError::LeafCount);
        }
        if self.sequence_start.checked_add(u64::from(proof.leaf_index)) != Some(sequence) {
            return Err(InclusionError::IndexOutOfRange);
        }
        proof.verify(&self.events_root.0, &leaf.0)
    }

    /// Checks that `leaves` stand at `sequences` of this batch, as [`Self::check_leaf`] does for one.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check_leaves(
        &self,
        sequences: &[u64],
        leaves: &[LeafHash],
        proof: &MultiProof,
    ) -> Result<(), InclusionError> {
        if proof.leaf_count != self.leaf_count {
            return Err(InclusionError::LeafCount);
        }
        let start = self.sequence_start;
        let places = proof
            .leaf_indices
            .iter()
            .map(|index| start.checked_add((*index).into()));
        if !places.eq(sequences.iter().copied().map(Some)) {
            return Err(InclusionError::IndexOutOfRange);
        }
        let leaves: Vec<_> = leaves.iter().map(|leaf| leaf.0).collect();
        proof.verify(&self.events_root.0, &leaves)
    }

    /// This batch's leaf in the block commitment (§16.1).
    pub fn block_leaf(&self) -> [u8; 32] {
        Preimage::new(domain::BLOCK_LEAF)
            .bytes(&self.batch_id.0)
            .bytes(&self.stream_id().0)
            .bytes(&self.new_state_root.0)
            .finish()
    }
}

/// Consensus engine id of the block commitment's digest item.
pub const BLOCK_COMMITMENT_ENGINE: [u8; 4] = *b"VESB";

/// What a block's header says about the batches in it: the payload of the `VESB` digest item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct BlockCommitment {
    /// Format version, 1.
    pub version: u8,
    /// Number of batches in the block.
    pub batch_count: u32,
    /// Tree over [`BatchCommitment::block_leaf`] in stream-id order.
    pub root: BlockRoot,
}

/// A header says something about batches that is not one block commitment: the item is malformed,
/// or there is more than one. Such a header proves nothing about batches, not even their absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableCommitment;

impl fmt::Display for UnreadableCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header does not carry exactly one well-formed block commitment")
    }
}

impl core::error::Error for UnreadableCommitment {}

impl BlockCommitment {
    /// The only format so far.
    pub const VERSION: u8 = 1;

    /// Finds the commitment among the consensus items of a header's digest, each an engine id with
    /// its payload; items of other engines are passed over. `None`: the block has no batches.
    ///
    /// The version is not judged, so that a caller can tell a newer format from damage; whoever
    /// relies on the commitment compares it with [`Self::VERSION`].
    ///
    /// # Errors
    /// [`UnreadableCommitment`], never to be taken for a block without batches.
    pub fn read<'a>(
        items: impl IntoIterator<Item = ([u8; 4], &'a [u8])>,
    ) -> Result<Option<Self>, UnreadableCommitment> {
        let mut payloads = items
            .into_iter()
            .filter_map(|(engine, payload)| (engine == BLOCK_COMMITMENT_ENGINE).then_some(payload));
        let Some(mut payload) = payloads.next() else {
            return Ok(None);
        };
        if payloads.next().is_some() {
            return Err(UnreadableCommitment);
        }
        Self::decode_all(&mut payload)
            .map(Some)
            .map_err(|_| UnreadableCommitment)
    }

    /// Checks that `batch` is one of the batches this block committed. The batch still has to prove
    /// itself with [`BatchCommitment::check`].
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check_batch(
        &self,
        batch: &BatchCommitment,
        proof: &InclusionProof,
    ) -> Result<(), InclusionError> {
        if proof.leaf_count != self.batch_count {
            return Err(InclusionError::LeafCount);
        }
        proof.verify(&self.root.0, &batch.block_leaf())
    }

    /// Commits the batches of one block. `None` without batches: such a block has no digest item.
    /// The order of `batches` does not matter; the tree is in stream-id order.
    pub fn commit(batches: &[BatchCommitment]) -> Option<Self> {
        let batch_count = u32::try_from(batches.len()).ok()?;
        let root = root_of(block_leaves(batches))?;
        Some(Self {
            version: Self::VERSION,
            batch_count,
            root: BlockRoot(root),
        })
    }
}

/// The leaves of a block commitment in tree order.
pub fn block_leaves(batches: &[BatchCommitment]) -> Vec<[u8; 32]> {
    let mut keyed: Vec<(StreamId, [u8; 32])> = batches
        .iter()
        .map(|batch| (batch.stream_id(), batch.block_leaf()))
        .collect();
    // By stream, and by leaf too, so that the order never depends on the caller's.
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, leaf)| leaf).collect()
}
