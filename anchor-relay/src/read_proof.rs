// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the chain's state holds under a key, or that it holds nothing there, out of a proof.
//!
//! A node answers `state_getReadProof` with nodes of the state's trie. Each counts only under its
//! own hash, and the walk begins at the state root of a header: whatever else is among them, or is
//! changed, is not found.

use codec::{Decode, DecodeAll};
use sp_core::{Blake2Hasher, H256};
use sp_crypto_hashing::{twox_64, twox_128};
use sp_trie::{LayoutV1, MemoryDB, StorageProof, read_trie_value};
use std::fmt;
use ves_primitives::StreamId;

/// Why a proof does not say what is in state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadProofError {
    /// Nodes on the way from the state root to the key are missing, or were changed.
    #[error("the read proof does not lead from the header's state root to what was asked")]
    Incomplete,
    /// The value has another type.
    #[error("a proven value of state cannot be read; use a newer relay")]
    Unreadable,
}

/// Nodes of a state's trie, and its root.
pub struct ReadProof {
    nodes: MemoryDB<Blake2Hasher>,
    root: H256,
}

impl fmt::Debug for ReadProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadProof({:?})", self.root)
    }
}

impl ReadProof {
    /// `nodes` as a node sent them; `root` from a header whose hash was checked.
    pub fn new(root: [u8; 32], nodes: Vec<Vec<u8>>) -> Self {
        Self {
            nodes: StorageProof::new(nodes).into_memory_db(),
            root: H256(root),
        }
    }

    /// The value under `key`; `None` if the state holds none.
    ///
    /// # Errors
    /// [`ReadProofError`].
    pub fn get<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, ReadProofError> {
        let value =
            read_trie_value::<LayoutV1<Blake2Hasher>, _>(&self.nodes, &self.root, key, None, None);
        value
            .map_err(|_| ReadProofError::Incomplete)?
            .map(|bytes| T::decode_all(&mut bytes.as_slice()))
            .transpose()
            .map_err(|_| ReadProofError::Unreadable)
    }
}

/// Where the batches that a block committed are listed.
pub fn block_batches_key(number: u32) -> Vec<u8> {
    let mut key = item_prefix("VesSequencer", "BlockBatches");
    push_twox(&mut key, &number.to_le_bytes());
    key
}

/// Where a batch is.
pub fn batch_key(stream: StreamId, index: u64) -> Vec<u8> {
    of_stream("VesSequencer", "Batches", stream, index)
}

/// Where the verdict about the proof of a batch is.
pub fn batch_proof_key(stream: StreamId, index: u64) -> Vec<u8> {
    of_stream("StarkVerifier", "BatchProofs", stream, index)
}

fn of_stream(pallet: &str, item: &str, stream: StreamId, index: u64) -> Vec<u8> {
    let mut key = item_prefix(pallet, item);
    key.extend_from_slice(&stream.0);
    push_twox(&mut key, &index.to_le_bytes());
    key
}

fn item_prefix(pallet: &str, item: &str) -> Vec<u8> {
    [twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat()
}

fn push_twox(key: &mut Vec<u8>, part: &[u8]) {
    key.extend_from_slice(&twox_64(part));
    key.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;
    use proptest::prelude::*;
    use sp_core::Hasher;
    use sp_trie::{TrieMut, trie_types::TrieDBMutBuilderV1};

    /// A state with a value under each key, and all nodes of its trie.
    fn state(keys: &[Vec<u8>]) -> ([u8; 32], Vec<Vec<u8>>) {
        let mut nodes = MemoryDB::<Blake2Hasher>::default();
        let mut root = H256::default();
        {
            let mut trie = TrieDBMutBuilderV1::new(&mut nodes, &mut root).build();
            for (n, key) in keys.iter().enumerate() {
                trie.insert(key, &vec![n as u64; 9].encode()).unwrap();
            }
        }
        let nodes = nodes.drain().into_values().map(|(node, _)| node).collect();
        (root.0, nodes)
    }

    fn keys() -> Vec<Vec<u8>> {
        let stream = |n: u8| StreamId([n; 32]);
        (0..40u8)
            .map(|n| batch_key(stream(n / 10), u64::from(n)))
            .chain([block_batches_key(7), batch_proof_key(stream(1), 3)])
            .collect()
    }

    #[test]
    fn s4_a_proof_shows_what_is_there_and_that_something_is_not() {
        let keys = keys();
        let (root, nodes) = state(&keys);
        let proof = ReadProof::new(root, nodes);
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(proof.get(key), Ok(Some(vec![n as u64; 9])));
            assert_eq!(proof.get::<u8>(key), Err(ReadProofError::Unreadable));
        }
        assert_eq!(proof.get::<u64>(&block_batches_key(8)), Ok(None));
    }

    #[test]
    fn s4_a_proof_with_a_missing_or_changed_node_shows_nothing() {
        let keys = keys();
        let (root, nodes) = state(&keys);
        let read = |root, nodes: &[Vec<u8>]| {
            let proof = ReadProof::new(root, nodes.to_vec());
            let read = |key: &Vec<u8>| proof.get::<Vec<u64>>(key);
            keys.iter().map(read).collect::<Result<Vec<_>, _>>()
        };
        for n in 0..nodes.len() {
            let mut missing = nodes.clone();
            missing.remove(n);
            assert_eq!(read(root, &missing), Err(ReadProofError::Incomplete));
            let mut changed = nodes.clone();
            let last = changed[n].last_mut().unwrap();
            *last ^= 1;
            assert_eq!(read(root, &changed), Err(ReadProofError::Incomplete));
        }
        assert_eq!(read([1; 32], &nodes), Err(ReadProofError::Incomplete));
        assert_eq!(read(root, &[]), Err(ReadProofError::Incomplete));
    }

    proptest! {
        #[test]
        fn s4_no_bytes_in_a_proof_do_harm(
            nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6),
        ) {
            // The worst case: the root is that of what was made up.
            let root = Blake2Hasher::hash(&nodes[0]).0;
            let proof = ReadProof::new(root, nodes);
            let _ = proof.get::<Vec<u64>>(&block_batches_key(7));
        }
    }
}
