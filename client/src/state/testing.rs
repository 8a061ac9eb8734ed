// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A state in memory that proves what it holds.

use codec::Encode;
use sp_core::{Blake2Hasher, H256};
use sp_trie::{MemoryDB, TrieMut, trie_types::TrieDBMutBuilderV1};
use std::collections::BTreeMap;

/// A chain's state at one block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(BTreeMap<Vec<u8>, Vec<u8>>);

impl State {
    /// Puts a value under a key.
    pub fn put(&mut self, key: Vec<u8>, value: &impl Encode) {
        self.put_bytes(key, value.encode());
    }

    /// Puts an encoded value under a key.
    pub fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.0.insert(key, value);
    }

    /// Removes what is under a key.
    pub fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// The state root, and every node of the trie: a proof of whatever is asked.
    ///
    /// # Panics
    /// Never: the trie is built anew in memory.
    pub fn prove(&self) -> ([u8; 32], Vec<Vec<u8>>) {
        let mut nodes = MemoryDB::<Blake2Hasher>::default();
        let mut root = H256::default();
        {
            let mut trie = TrieDBMutBuilderV1::new(&mut nodes, &mut root).build();
            for (key, value) in &self.0 {
                trie.insert(key, value)
                    .expect("every node is in memory; qed");
            }
        }
        let nodes = nodes.drain().into_values().map(|(node, _)| node).collect();
        (root.0, nodes)
    }

    /// The state root.
    pub fn root(&self) -> [u8; 32] {
        self.prove().0
    }
}
