// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Leaves, the padded binary tree and strict inclusion proofs (VES v1 §4.1 - §4.3).

use crate::{
    EventSigningHash, EventsRoot, LeafHash, Signature, StoreId, TenantId, domain, hash::Preimage,
    limits,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use core::fmt;
use scale_info::TypeInfo;

/// `H("VES_LEAF_V1" || tenant || store || U64(sequence) || signing hash || signature)`.
pub fn leaf_hash(
    tenant: TenantId,
    store: StoreId,
    sequence: u64,
    signing_hash: &EventSigningHash,
    signature: &Signature,
) -> LeafHash {
    LeafHash(
        Preimage::new(domain::LEAF)
            .bytes(&tenant.0)
            .bytes(&store.0)
            .u64(sequence)
            .bytes(&signing_hash.0)
            .bytes(&signature.0)
            .finish(),
    )
}

/// The leaf that fills a tree up to a power of two.
pub fn pad_leaf() -> [u8; 32] {
    Preimage::new(domain::PAD_LEAF).finish()
}

/// `H("VES_NODE_V1" || left || right)`.
pub fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Preimage::new(domain::NODE)
        .bytes(left)
        .bytes(right)
        .finish()
}

/// Depth of the tree over `leaf_count` leaves: `ceil(log2(leaf_count))`, 0 for one leaf.
pub const fn tree_depth(leaf_count: u32) -> u32 {
    match leaf_count {
        0 | 1 => 0,
        n => u32::BITS - (n - 1).leading_zeros(),
    }
}

/// One level up. `pad` is the root of an all-padding subtree of this level's height; only real
/// nodes are hashed, so the cost is linear in the number of leaves, not in the padded width.
pub(crate) fn parents(level: &[[u8; 32]], pad: &[u8; 32]) -> Vec<[u8; 32]> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node_hash(left, right),
            [left] => node_hash(left, pad),
            _ => *pad,
        })
        .collect()
}

/// Root over arbitrary 32-byte leaves in order, padded to a power of two. `None` without leaves.
pub fn root_of(leaves: Vec<[u8; 32]>) -> Option<[u8; 32]> {
    let mut level = leaves;
    let mut pad = pad_leaf();
    while level.len() > 1 {
        level = parents(&level, &pad);
        pad = node_hash(&pad, &pad);
    }
    level.first().copied()
}

/// Root of one batch. `None` without leaves: an empty batch is never committed.
pub fn events_root(leaves: &[LeafHash]) -> Option<EventsRoot> {
    root_of(leaves.iter().map(|leaf| leaf.0).collect()).map(EventsRoot)
}

/// Siblings from the leaf level upwards. `None` if `index` is out of range.
pub fn path_of(leaves: Vec<[u8; 32]>, index: u32) -> Option<Vec<[u8; 32]>> {
    let mut position = usize::try_from(index).ok()?;
    if position >= leaves.len() {
        return None;
    }
    let mut level = leaves;
    let mut pad = pad_leaf();
    let mut path = Vec::new();
    while level.len() > 1 {
        path.push(*level.get(position ^ 1).unwrap_or(&pad));
        level = parents(&level, &pad);
        pad = node_hash(&pad, &pad);
        position >>= 1;
    }
    Some(path)
}

/// Roots of the subtrees of `2^height` leaves, in order: all that a proof about one leaf needs of the others
/// besides its own subtree.
pub fn subtree_roots(leaves: Vec<[u8; 32]>, height: u32) -> Vec<[u8; 32]> {
    let mut level = leaves;
    let mut pad = pad_leaf();
    for _ in 0..height {
        level = parents(&level, &pad);
        pad = node_hash(&pad, &pad);
    }
    level
}

/// As [`path_of`], out of one subtree's leaves and the roots of all ([`subtree_roots`]), of which there are
/// at least two. `None` if `index` is out of range or the roots are not of this subtree.
pub fn path_through(
    subtree: Vec<[u8; 32]>,
    roots: Vec<[u8; 32]>,
    height: u32,
    index: u32,
) -> Option<Vec<[u8; 32]>> {
    let width = 1u32.checked_shl(height)?;
    let mut position = usize::try_from(index % width).ok()?;
    if position >= subtree.len() || roots.len() < 2 {
        return None;
    }
    let mut level = subtree;
    let mut pad = pad_leaf();
    let mut path = Vec::new();
    for _ in 0..height {
        path.push(*level.get(position ^ 1).unwrap_or(&pad));
        level = parents(&level, &pad);
        pad = node_hash(&pad, &pad);
        position >>= 1;
    }
    position = usize::try_from(index / width).ok()?;
    if level.len() != 1 || roots.get(position) != level.first() {
        return None;
    }
    level = roots;
    while level.len() > 1 {
        path.push(*level.get(position ^ 1).unwrap_or(&pad));
        level = parents(&level, &pad);
        pad = node_hash(&pad, &pad);
        position >>= 1;
    }
    Some(path)
}

/// Proof that a leaf stands at an index of a tree of known size.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct InclusionProof {
    /// Position of the leaf, from 0.
    pub leaf_index: u32,
    /// Number of real leaves of the tree. A claim until it is compared with the commitment's own
    /// count, as `BatchCommitment::check_leaf` and `BlockCommitment::check_batch` do: the root
    /// does not show which leaves are padding.
    pub leaf_count: u32,
    /// Siblings from the leaf level upwards; exactly `tree_depth(leaf_count)` of them.
    #[cfg_attr(feature = "wire", serde(with = "crate::wire::hex_list"))]
    pub path: Vec<[u8; 32]>,
}

/// Why an inclusion proof does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InclusionError {
    /// No tree has zero leaves, and none may exceed [`limits::MAX_EVENTS_PER_BLOCK`].
    LeafCount,
    /// The index is not below the leaf count.
    IndexOutOfRange,
    /// The path is not as long as the tree is deep.
    PathLength,
    /// The path leads to another root.
    RootMismatch,
    /// The indices of a proof of many leaves are not in strictly ascending order, are none, are more
    /// than [`limits::MAX_MULTI_PROOF_LEAVES`], or are not as many as the leaves.
    Indices,
}

impl fmt::Display for InclusionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeafCount => "leaf count is zero or above the limit",
            Self::IndexOutOfRange => "leaf index is not below the leaf count",
            Self::PathLength => "path length is not the tree depth",
            Self::RootMismatch => "path does not lead to the root",
            Self::Indices => "leaf indices are not strictly ascending and one for each leaf",
        })
    }
}

impl core::error::Error for InclusionError {}

impl InclusionProof {
    /// Builds the proof of `leaves[index]`. `None` if there is no such leaf.
    pub fn build(leaves: &[LeafHash], index: u32) -> Option<Self> {
        let leaf_count = u32::try_from(leaves.len()).ok()?;
        let path = path_of(leaves.iter().map(|leaf| leaf.0).collect(), index)?;
        Some(Self {
            leaf_index: index,
            leaf_count,
            path,
        })
    }

    /// Checks that `leaf` stands at `leaf_index` under `root`.
    ///
    /// Strict where the peer is lax: the path must be exactly as long as the tree is deep and the
    /// index below the leaf count, so no inner node passes for a leaf and no index has two names.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn verify(&self, root: &[u8; 32], leaf: &[u8; 32]) -> Result<(), InclusionError> {
        if self.leaf_count == 0 || self.leaf_count > limits::MAX_EVENTS_PER_BLOCK {
            return Err(InclusionError::LeafCount);
        }
        if self.leaf_index >= self.leaf_count {
            return Err(InclusionError::IndexOutOfRange);
        }
        if u32::try_from(self.path.len()) != Ok(tree_depth(self.leaf_count)) {
            return Err(InclusionError::PathLength);
        }
        let mut position = self.leaf_index;
        let mut running = *leaf;
        for sibling in &self.path {
            running = if position & 1 == 0 {
                node_hash(&running, sibling)
            } else {
                node_hash(sibling, &running)
            };
            position >>= 1;
        }
        if running != *root {
            return Err(InclusionError::RootMismatch);
        }
        Ok(())
    }
}
