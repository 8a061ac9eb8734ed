// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One proof for several leaves of a tree: what their paths have in common is there once.

use crate::{InclusionError, limits, node_hash, pad_leaf};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Proof that leaves stand at indices of one tree of known size.
///
/// From the leaf level upwards, each level from left to right, `siblings` holds the nodes that do not
/// follow from what is known already. Padding follows from the size of the tree and is never in it, so
/// that a set of leaves has exactly one proof.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct MultiProof {
    /// Positions of the leaves, from 0, strictly ascending.
    pub leaf_indices: Vec<u32>,
    /// Number of real leaves of the tree. A claim until it is compared with the commitment's own
    /// count, as [`crate::BatchCommitment::check_leaves`] does.
    pub leaf_count: u32,
    /// The nodes that the leaves do not lead to.
    #[cfg_attr(feature = "wire", serde(with = "crate::wire::hex_list"))]
    pub siblings: Vec<[u8; 32]>,
}

/// A known node: its position in its level and its hash.
type Node = (usize, [u8; 32]);

/// The next level's known nodes. `sibling` gives the node at a position that neither is known nor
/// lies in the padding.
fn climb(
    known: &[Node],
    width: usize,
    pad: &[u8; 32],
    mut sibling: impl FnMut(usize) -> Option<[u8; 32]>,
) -> Option<Vec<Node>> {
    let mut above = Vec::with_capacity(known.len());
    let mut rest = known.iter().copied().peekable();
    while let Some((position, hash)) = rest.next() {
        let parent = position >> 1;
        if position & 1 == 1 {
            above.push((parent, node_hash(&sibling(position ^ 1)?, &hash)));
        } else if let Some((_, right)) = rest.next_if(|(next, _)| *next == position | 1) {
            above.push((parent, node_hash(&hash, &right)));
        } else if position | 1 >= width {
            above.push((parent, node_hash(&hash, pad)));
        } else {
            above.push((parent, node_hash(&hash, &sibling(position | 1)?)));
        }
    }
    Some(above)
}

impl MultiProof {
    /// Builds the proof of the leaves at `indices`, in order and without repetition. `None` if one of
    /// them is not there, or if they are no indices of a proof.
    pub fn build(leaves: &[[u8; 32]], indices: &[u32]) -> Option<Self> {
        let leaf_count = u32::try_from(leaves.len()).ok()?;
        check_indices(indices, leaf_count).ok()?;
        let mut known: Vec<Node> = indices
            .iter()
            .map(|index| {
                let position = usize::try_from(*index).ok()?;
                Some((position, *leaves.get(position)?))
            })
            .collect::<Option<_>>()?;
        let mut siblings = Vec::new();
        let mut level = leaves.to_vec();
        let mut pad = pad_leaf();
        while level.len() > 1 {
            known = climb(&known, level.len(), &pad, |position| {
                let node = *level.get(position)?;
                siblings.push(node);
                Some(node)
            })?;
            level = crate::merkle::parents(&level, &pad);
            pad = node_hash(&pad, &pad);
        }
        Some(Self {
            leaf_indices: indices.to_vec(),
            leaf_count,
            siblings,
        })
    }

    /// Checks that the leaves stand at the indices under `root`, with not one node more or less than
    /// that takes. Total, and its work is bounded by the number of leaves.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn verify(&self, root: &[u8; 32], leaves: &[[u8; 32]]) -> Result<(), InclusionError> {
        if self.leaf_count == 0 || self.leaf_count > limits::MAX_EVENTS_PER_BLOCK {
            return Err(InclusionError::LeafCount);
        }
        if leaves.len() != self.leaf_indices.len() {
            return Err(InclusionError::Indices);
        }
        check_indices(&self.leaf_indices, self.leaf_count)?;
        let mut known: Vec<Node> = self
            .leaf_indices
            .iter()
            .filter_map(|index| usize::try_from(*index).ok())
            .zip(leaves.iter().copied())
            .collect();
        let mut width = usize::try_from(self.leaf_count).map_err(|_| InclusionError::LeafCount)?;
        let mut siblings = self.siblings.iter().copied();
        let mut pad = pad_leaf();
        while width > 1 {
            known = climb(&known, width, &pad, |_| siblings.next())
                .ok_or(InclusionError::PathLength)?;
            width = width.div_ceil(2);
            pad = node_hash(&pad, &pad);
        }
        if siblings.next().is_some() {
            return Err(InclusionError::PathLength);
        }
        match known.as_slice() {
            [(0, found)] if found == root => Ok(()),
            _ => Err(InclusionError::RootMismatch),
        }
    }
}

fn check_indices(indices: &[u32], leaf_count: u32) -> Result<(), InclusionError> {
    let most = usize::try_from(limits::MAX_MULTI_PROOF_LEAVES).unwrap_or(usize::MAX);
    if indices.is_empty() || indices.len() > most || !indices.is_sorted_by(|a, b| a < b) {
        return Err(InclusionError::Indices);
    }
    match indices.last() {
        Some(last) if *last < leaf_count => Ok(()),
        _ => Err(InclusionError::IndexOutOfRange),
    }
}
