// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the chain's state holds under a key, or that it holds nothing there, out of a proof.
//!
//! A node answers [`ChainClient::read_proof`](crate::ChainClient::read_proof) with nodes of the state's
//! trie. Each counts only under its own hash, and the walk begins at the state root of a header:
//! whatever else is among them, or is changed, is not found. Whether the header itself is the chain's is
//! another question, see [`crate::recipients`].

#[cfg(any(test, feature = "testing"))]
pub mod testing;

use codec::{Decode, DecodeAll};
use sp_core::{Blake2Hasher, H256};
use sp_crypto_hashing::{blake2_128, blake2_256, twox_64, twox_128};
use sp_trie::{LayoutV1, MemoryDB, StorageProof, read_trie_value};
use std::fmt;

/// Why a proof does not say what is in state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadProofError {
    /// The state root is the hash of none of the nodes.
    #[error(
        "the read proof does not lead from the header's state root to anything: it is about \
         another state"
    )]
    OtherState,
    /// Nodes on the way from the state root to the key are missing, or were changed.
    #[error("the read proof does not lead from the header's state root to what was asked")]
    Incomplete,
    /// The value has another type.
    #[error("a proven value of state cannot be read; use a newer release")]
    Unreadable,
}

/// Nodes of a state's trie, and its root.
pub struct ReadProof {
    nodes: MemoryDB<Blake2Hasher>,
    root: H256,
    has_root: bool,
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
            has_root: nodes.iter().any(|node| blake2_256(node) == root),
            nodes: StorageProof::new(nodes).into_memory_db(),
            root: H256(root),
        }
    }

    /// The value under `key`; `None` if the state holds none.
    ///
    /// # Errors
    /// [`ReadProofError`].
    pub fn get<T: Decode>(&self, key: &[u8]) -> Result<Option<T>, ReadProofError> {
        if !self.has_root {
            return Err(ReadProofError::OtherState);
        }
        let value =
            read_trie_value::<LayoutV1<Blake2Hasher>, _>(&self.nodes, &self.root, key, None, None);
        value
            .map_err(|_| ReadProofError::Incomplete)?
            .map(|bytes| T::decode_all(&mut bytes.as_slice()))
            .transpose()
            .map_err(|_| ReadProofError::Unreadable)
    }
}

/// A key of the chain's state, put together as FRAME does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageKey(Vec<u8>);

impl StorageKey {
    /// Where a pallet's storage item is, or begins if it is a map.
    pub fn item(pallet: &str, item: &str) -> Self {
        Self([twox_128(pallet.as_bytes()), twox_128(item.as_bytes())].concat())
    }

    /// Adds a part of a map's key that was hashed with `Blake2_128Concat`.
    #[must_use]
    pub fn blake2(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&blake2_128(part));
        self.0.extend_from_slice(part);
        self
    }

    /// Adds a part of a map's key that was hashed with `Twox64Concat`.
    #[must_use]
    pub fn twox(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(&twox_64(part));
        self.0.extend_from_slice(part);
        self
    }

    /// Adds a part of a map's key that was not hashed (`Identity`).
    #[must_use]
    pub fn identity(mut self, part: &[u8]) -> Self {
        self.0.extend_from_slice(part);
        self
    }

    /// The key's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests;
