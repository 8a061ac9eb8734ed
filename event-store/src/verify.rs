// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Everything a block's contents can prove about themselves, checked before anything is stored.
//!
//! Pure: no clock, no database, no chain. What needs the stream's history (continuity) is checked
//! by the store in the transaction that writes the block.

use crate::{BlockError, RefusedProof, proofs::SUBTREE_HEIGHT};
use std::collections::BTreeMap;
use ves_primitives::{
    BatchCommitment, BlockCommitment, LeafHash, StreamId, events_root,
    sequencer::{BlockIndex, IndexedEvent, IndexedRejection, Rejection},
    subtree_roots,
};

/// A finalized block as the node and its runtime report it.
#[derive(Clone, Debug, Default)]
pub struct RawBlock {
    /// Height.
    pub number: u32,
    /// Block hash.
    pub hash: [u8; 32],
    /// Hash of the block before.
    pub parent_hash: [u8; 32],
    /// SCALE-encoded header.
    pub header: Vec<u8>,
    /// The header's `VESB` digest item.
    pub commitment: Option<BlockCommitment>,
    /// What the block did.
    pub index: BlockIndex,
    /// Compliance proofs that it refused, in order of execution.
    pub refused_proofs: Vec<RefusedProof>,
}

/// A batch and the leaves it was recomputed from.
#[derive(Clone, Debug)]
pub(crate) struct PreparedBatch {
    pub(crate) commitment: BatchCommitment,
    /// Concatenated leaf hashes in sequence order.
    pub(crate) leaves: Vec<u8>,
    /// Concatenated roots of the subtrees, if there are several.
    pub(crate) nodes: Option<Vec<u8>>,
}

/// A block whose events, leaves, batches and header commitment follow from each other.
#[derive(Clone, Debug)]
pub struct PreparedBlock {
    pub(crate) number: u32,
    pub(crate) hash: [u8; 32],
    pub(crate) parent_hash: [u8; 32],
    pub(crate) header: Vec<u8>,
    pub(crate) time_ms: u64,
    pub(crate) events: Vec<IndexedEvent>,
    pub(crate) rejections: Vec<IndexedRejection>,
    pub(crate) batches: Vec<PreparedBatch>,
    pub(crate) refused_proofs: Vec<RefusedProof>,
}

impl PreparedBlock {
    /// Recomputes every leaf, receipt, root and the block commitment.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(raw: RawBlock) -> Result<Self, BlockError> {
        let BlockIndex {
            time_ms,
            events,
            rejections,
            batches,
        } = raw.index;
        if BlockCommitment::commit(&batches) != raw.commitment {
            return Err(BlockError::CommitmentMismatch);
        }
        let mut leaves_by_stream: BTreeMap<StreamId, Vec<(u64, LeafHash)>> = BTreeMap::new();
        for event in &events {
            let leaf = check_event(event)?;
            leaves_by_stream
                .entry(event.stream_id)
                .or_default()
                .push((event.sequence, leaf));
        }
        let mut prepared = Vec::with_capacity(batches.len());
        let mut last_stream = None;
        for commitment in batches {
            let stream = commitment.stream_id();
            if last_stream.is_some_and(|last| last >= stream) {
                return Err(BlockError::BatchOrder { stream });
            }
            last_stream = Some(stream);
            if commitment.block_number != raw.number {
                return Err(BlockError::BatchBlock {
                    stream,
                    found: commitment.block_number,
                });
            }
            let leaves = leaves_by_stream.remove(&stream).unwrap_or_default();
            prepared.push(check_batch(commitment, &leaves)?);
        }
        if let Some((stream, leaves)) = leaves_by_stream.into_iter().next() {
            return Err(BlockError::EventsOutsideBatch {
                stream,
                count: leaves.len(),
            });
        }
        Ok(Self {
            number: raw.number,
            hash: raw.hash,
            parent_hash: raw.parent_hash,
            header: raw.header,
            time_ms,
            events,
            rejections,
            batches: prepared,
            refused_proofs: raw
                .refused_proofs
                .into_iter()
                .filter(RefusedProof::is_about_something)
                .collect(),
        })
    }

    /// Height.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Block hash.
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Number of sequenced events.
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// Why the block refused events, one for each.
    pub fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.rejections.iter().map(|rejection| &rejection.reason)
    }

    /// Events of each batch.
    pub fn batch_sizes(&self) -> impl Iterator<Item = u32> {
        self.batches.iter().map(|batch| batch.commitment.leaf_count)
    }

    /// SCALE bytes of all events, for bounding how much one transaction holds in memory.
    pub fn weight(&self) -> usize {
        self.events
            .iter()
            .map(|event| codec::Encode::encoded_size(&event.event))
            .sum()
    }

    /// Whether the block leaves nothing to store but the cursor.
    pub(crate) const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.rejections.is_empty() && self.batches.is_empty()
    }
}

fn check_event(indexed: &IndexedEvent) -> Result<LeafHash, BlockError> {
    let (stream, sequence) = (indexed.stream_id, indexed.sequence);
    let mismatch = |field| BlockError::Hash {
        stream,
        sequence,
        field,
    };
    let envelope = &indexed.event.envelope;
    if envelope.stream_id() != stream {
        return Err(BlockError::EventStream { stream });
    }
    let signing_hash = envelope
        .signing_hash()
        .map_err(|_| mismatch("signing hash"))?;
    let leaf = envelope.leaf_hash(sequence, &signing_hash);
    if leaf != indexed.leaf {
        return Err(mismatch("leaf"));
    }
    if envelope.receipt_hash(sequence, &signing_hash) != indexed.receipt {
        return Err(mismatch("receipt"));
    }
    Ok(leaf)
}

fn check_batch(
    commitment: BatchCommitment,
    leaves: &[(u64, LeafHash)],
) -> Result<PreparedBatch, BlockError> {
    let stream = commitment.stream_id();
    commitment
        .check()
        .map_err(|source| BlockError::Batch { stream, source })?;
    // `check` has tied the length of the range to the leaf count, so this loop is bounded.
    let mut found = leaves.iter();
    for expected in commitment.sequence_start..=commitment.sequence_end {
        let next = found.next().map(|(sequence, _)| *sequence);
        if next != Some(expected) {
            return Err(BlockError::Sequence {
                stream,
                expected,
                found: next,
            });
        }
    }
    let count = found.count();
    if count > 0 {
        return Err(BlockError::EventsOutsideBatch { stream, count });
    }
    let hashes: Vec<LeafHash> = leaves.iter().map(|(_, leaf)| *leaf).collect();
    if events_root(&hashes) != Some(commitment.events_root) {
        return Err(BlockError::EventsRoot { stream });
    }
    let leaves = hashes.iter().flat_map(|leaf| leaf.0).collect();
    let hashes: Vec<_> = hashes.into_iter().map(|leaf| leaf.0).collect();
    Ok(PreparedBatch {
        commitment,
        leaves,
        nodes: nodes_of(hashes),
    })
}

/// What is kept of the levels above a batch's leaves: nothing if one subtree holds all of them.
pub(crate) fn nodes_of(leaves: Vec<[u8; 32]>) -> Option<Vec<u8>> {
    let roots = subtree_roots(leaves, SUBTREE_HEIGHT);
    (roots.len() > 1).then(|| roots.concat())
}
