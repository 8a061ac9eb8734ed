// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::{testing::State, *};
use proptest::prelude::*;
use sp_core::Hasher;

fn keys() -> Vec<Vec<u8>> {
    let item = |n: u8| {
        StorageKey::item("Pallet", "Map")
            .identity(&[n / 10; 32])
            .twox(&u64::from(n).to_le_bytes())
            .into_bytes()
    };
    (0..40).map(item).collect()
}

/// A state with a value under each key, and all nodes of its trie.
fn state(keys: &[Vec<u8>]) -> ([u8; 32], Vec<Vec<u8>>) {
    let mut state = State::default();
    for (n, key) in keys.iter().enumerate() {
        state.put(key.clone(), &vec![n as u64; 9]);
    }
    state.prove()
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
    let absent = StorageKey::item("Pallet", "Other").into_bytes();
    assert_eq!(proof.get::<u64>(&absent), Ok(None));
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
        let expected = Err(match blake2_256(&nodes[n]) == root {
            true => ReadProofError::OtherState,
            false => ReadProofError::Incomplete,
        });
        let mut missing = nodes.clone();
        missing.remove(n);
        assert_eq!(read(root, &missing), expected);
        let mut changed = nodes.clone();
        let last = changed[n].last_mut().unwrap();
        *last ^= 1;
        assert_eq!(read(root, &changed), expected);
    }
    assert_eq!(read([1; 32], &nodes), Err(ReadProofError::OtherState));
    assert_eq!(read(root, &[]), Err(ReadProofError::OtherState));
}

#[test]
fn what_is_not_there_is_not_proven_absent_by_leaving_nodes_out() {
    let keys = keys();
    let (root, nodes) = state(&keys);
    let only_root: Vec<_> = nodes
        .into_iter()
        .filter(|node| blake2_256(node) == root)
        .collect();
    let proof = ReadProof::new(root, only_root);
    let absent = StorageKey::item("Pallet", "Map")
        .identity(&[0; 32])
        .twox(&99u64.to_le_bytes())
        .into_bytes();
    assert_eq!(proof.get::<u64>(&absent), Err(ReadProofError::Incomplete));
}

proptest! {
    #[test]
    fn s4_no_bytes_in_a_proof_do_harm(
        nodes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6),
    ) {
        // The worst case: the root is that of what was made up.
        let root = Blake2Hasher::hash(&nodes[0]).0;
        let proof = ReadProof::new(root, nodes);
        let _ = proof.get::<Vec<u64>>(&keys()[0]);
    }
}
