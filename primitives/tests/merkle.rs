// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Leaves, the padded tree and strict inclusion proofs.

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::Value;
use ves_primitives::*;

/// A leaf with one byte repeated, as the vectors write it.
fn filled(byte: u64) -> [u8; 32] {
    [u8::try_from(byte).expect("one byte"); 32]
}

/// The tree of VES v1 §4.2 in its plainest form: pad first, then fold.
fn reference_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    let mut level = leaves.to_vec();
    level.resize(leaves.len().next_power_of_two(), h(&[b"VES_PAD_LEAF_V1"]));
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| h(&[b"VES_NODE_V1", &pair[0], &pair[1]]))
            .collect();
    }
    level[0]
}

fn numbered_leaves(count: u32) -> Vec<LeafHash> {
    (0..count)
        .map(|n| LeafHash(h(&[b"leaf", &n.to_be_bytes()])))
        .collect()
}

#[test]
fn published_leaf_node_and_pad_hashes_are_reproduced() {
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let cli = vectors("cli/ves_crypto_vectors.json");
    let upstream = vectors("sequencer/transcribed/upstream_sdk_tests.json");
    let yellow = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let generated = vectors("sequencer/generated/merkle_commitments.json");
    let in_cli = |name: &str| {
        cases(&cli["hashes"], 13)
            .iter()
            .find(|case| case["id"] == name)
            .expect("the case")
    };
    for case in [&cases(&sdk["leaf_hash"], 1)[0], in_cli("leaf_hash")] {
        let leaf = leaf_hash(
            id(&case["tenant_id"]),
            id(&case["store_id"]),
            number(&case["sequence_number"]),
            &id(&case["event_signing_hash"]),
            &id(&case["agent_signature"]),
        );
        assert_eq!(leaf, id(&case["expected"]));
    }
    for case in [
        &cases(&sdk["node_hash"], 1)[0],
        &cases(&upstream["node_hash"], 1)[0],
        in_cli("node_hash"),
    ] {
        let node = node_hash(&array(&case["left"]), &array(&case["right"]));
        assert_eq!(node, array::<32>(&case["expected"]));
    }
    for pad in [
        &sdk["pad_leaf"],
        &yellow["22.4_pad_leaf"],
        &generated["pad_leaf"],
        &in_cli("pad_leaf")["expected"],
    ] {
        assert_eq!(pad_leaf(), array::<32>(pad));
    }
}

/// Checks a tree given as an expression over its leaves, as the peer's tests do.
fn check_expression(leaf_bytes: &[Value], expression: &Value) {
    let leaves: Vec<LeafHash> = leaf_bytes
        .iter()
        .map(|byte| LeafHash(filled(number(byte))))
        .collect();
    let n = |left: [u8; 32], right: [u8; 32]| node_hash(&left, &right);
    let f = filled;
    let expected = match expression.as_str() {
        // The peer's sequencer says zero, its SDK says the pad leaf; here nothing is committed.
        Some("zero32" | "PAD_LEAF") => None,
        Some("leaf") => Some(leaves[0].0),
        Some("N(1,2)") => Some(n(f(1), f(2))),
        Some("N(N(1,2),N(3,PAD))") => Some(n(n(f(1), f(2)), n(f(3), pad_leaf()))),
        Some("N(N(1,2),N(3,4))") => Some(n(n(f(1), f(2)), n(f(3), f(4)))),
        None => Some(reference_root(
            &leaves.iter().map(|leaf| leaf.0).collect::<Vec<_>>(),
        )),
        Some(other) => panic!("unknown expression {other}"),
    };
    assert_eq!(events_root(&leaves), expected.map(EventsRoot));
    for index in 0..u32::try_from(leaves.len()).expect("within the tree") {
        let proof = InclusionProof::build(&leaves, index).expect("within the tree");
        let leaf = &leaves[index as usize].0;
        assert_eq!(
            proof.verify(&expected.expect("within the tree"), leaf),
            Ok(())
        );
    }
}

#[test]
fn structural_trees_of_the_peers_tests_are_reproduced() {
    let sequencer = vectors("sequencer/transcribed/ves_commitment_rs_merkle.json");
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    for case in cases(&sequencer["vectors"], 6)
        .iter()
        .chain(cases(&sdk["merkle_root_js"], 5))
    {
        check_expression(case["leaf_bytes"].as_array().unwrap(), &case["root_expr"]);
    }
    let cli = vectors("cli/ves_crypto_vectors.json");
    let numbers: Vec<Value> = (1..=4).map(Value::from).collect();
    for rule in cases(&cli["merkle_root_relations"]["rules"], 5) {
        match text(rule) {
            "[] -> pad_leaf" => check_expression(&[], &"PAD_LEAF".into()),
            "[x] -> x" => check_expression(&[42.into()], &"leaf".into()),
            "[a,b] -> node(a,b)" => check_expression(&numbers[..2], &"N(1,2)".into()),
            "[a,b,c] -> node(node(a,b),node(c,pad_leaf))" => {
                check_expression(&numbers[..3], &"N(N(1,2),N(3,PAD))".into());
            }
            "[a,b,c,d] -> node(node(a,b),node(c,d))" => {
                check_expression(&numbers, &"N(N(1,2),N(3,4))".into());
            }
            other => panic!("unknown rule {other}"),
        }
    }
    let shared = vectors("cli/cross_binding_v1.json");
    let mut empty = 0;
    for case in cases(&shared["merkle_root"]["cases"], 4) {
        let leaves: Vec<LeafHash> = case["leaves_hex"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect();
        if leaves.is_empty() {
            assert_eq!(
                events_root(&leaves),
                None,
                "an empty batch is never committed"
            );
            empty += 1;
            continue;
        }
        assert_eq!(
            events_root(&leaves),
            Some(id(&case["expected_hex"])),
            "{}",
            case["id"]
        );
    }
    assert_eq!(empty, 1);
}

#[test]
fn the_padded_width_is_the_next_power_of_two() {
    let file = vectors("sequencer/transcribed/rust_crypto_hash_rs.json");
    for pair in cases(&file["next_power_of_two"], 6) {
        assert_eq!(1 << tree_depth(number32(&pair[0])), number(&pair[1]));
    }
    for (count, depth) in [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 2),
        (1_024, 10),
        (1_025, 11),
        (limits::MAX_EVENTS_PER_BLOCK, 14),
        (1 << 31, 31),
        ((1 << 31) + 1, 32),
        (u32::MAX, 32),
    ] {
        assert_eq!(tree_depth(count), depth, "{count}");
    }
}

#[test]
fn all_generated_trees_and_proofs_are_reproduced_and_none_bends() {
    let file = vectors("sequencer/generated/merkle_commitments.json");
    let leaves: Vec<LeafHash> = cases(&file["leaves"], 9).iter().map(id).collect();
    let mut proofs = 0;
    for (n, tree) in cases(&file["trees"], 9).iter().enumerate() {
        let count = n + 1;
        let (leaves, leaf_count) = (&leaves[..count], number32(&tree["leaf_count"]));
        assert_eq!(leaf_count as usize, count);
        let depth = number32(&tree["tree_depth"]);
        assert_eq!(tree_depth(leaf_count), depth);
        assert_eq!(1 << depth, number(&tree["padded_leaf_count"]));
        let root: EventsRoot = id(&tree["merkle_root"]);
        assert_eq!(events_root(leaves), Some(root));
        for (index, case) in cases(&tree["proofs"], count).iter().enumerate() {
            let leaf_index = number32(&case["leaf_index"]);
            assert_eq!(leaf_index as usize, index);
            let path: Vec<[u8; 32]> = case["proof_path"]
                .as_array()
                .unwrap()
                .iter()
                .map(array)
                .collect();
            let directions: Vec<bool> = case["directions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|direction| direction.as_bool().unwrap())
                .collect();
            // `true`: the running hash is the left input, so the index bit is 0.
            let bits: Vec<bool> = (0..depth).map(|bit| leaf_index >> bit & 1 == 0).collect();
            assert_eq!(directions, bits);
            let proof = InclusionProof {
                leaf_index,
                leaf_count,
                path,
            };
            assert_eq!(
                InclusionProof::build(leaves, leaf_index).as_ref(),
                Some(&proof)
            );
            assert_eq!(proof.verify(&root.0, &leaves[index].0), Ok(()));
            check_negatives(&proof, &root.0, &leaves[index].0);
            proofs += 1;
        }
        assert_eq!(InclusionProof::build(leaves, leaf_count), None);
    }
    assert_eq!(proofs, 45);
}

/// Everything that must not verify, derived from a proof that does.
fn check_negatives(proof: &InclusionProof, root: &[u8; 32], leaf: &[u8; 32]) {
    let verify = |change: &dyn Fn(&mut InclusionProof)| {
        let mut other = proof.clone();
        change(&mut other);
        other.verify(root, leaf)
    };
    for level in 0..proof.path.len() {
        assert_eq!(
            verify(&|p| p.path[level][31] ^= 1),
            Err(InclusionError::RootMismatch)
        );
        assert_eq!(
            verify(&|p| p.path = [&p.path[..level], &p.path[level + 1..]].concat()),
            Err(InclusionError::PathLength)
        );
    }
    assert_eq!(
        verify(&|p| p.path.push(pad_leaf())),
        Err(InclusionError::PathLength)
    );
    assert_eq!(
        verify(&|p| p.path = vec![[0; 32]; 65]),
        Err(InclusionError::PathLength)
    );
    assert_eq!(
        verify(&|p| p.leaf_index = p.leaf_count),
        Err(InclusionError::IndexOutOfRange)
    );
    assert_eq!(
        verify(&|p| p.leaf_index = u32::MAX),
        Err(InclusionError::IndexOutOfRange)
    );
    assert_eq!(
        verify(&|p| p.leaf_index += 1 << tree_depth(p.leaf_count)),
        Err(InclusionError::IndexOutOfRange),
        "no index has two names"
    );
    for index in (0..proof.leaf_count).filter(|index| *index != proof.leaf_index) {
        assert_eq!(
            verify(&|p| p.leaf_index = index),
            Err(InclusionError::RootMismatch)
        );
    }
    assert_eq!(
        verify(&|p| p.leaf_count = 0),
        Err(InclusionError::LeafCount)
    );
    assert_eq!(
        verify(&|p| p.leaf_count = limits::MAX_EVENTS_PER_BLOCK + 1),
        Err(InclusionError::LeafCount)
    );
    let mut other = *root;
    other[0] ^= 1;
    assert_eq!(
        proof.verify(&other, leaf),
        Err(InclusionError::RootMismatch)
    );
    let mut other = *leaf;
    other[0] ^= 1;
    assert_eq!(
        proof.verify(root, &other),
        Err(InclusionError::RootMismatch)
    );

    // An inner node does not pass for a leaf, neither with the shorter path nor in a smaller tree.
    if let Some((sibling, rest)) = proof.path.split_first() {
        let inner = if proof.leaf_index & 1 == 0 {
            node_hash(leaf, sibling)
        } else {
            node_hash(sibling, leaf)
        };
        let mut shorter = InclusionProof {
            path: rest.to_vec(),
            ..proof.clone()
        };
        assert_eq!(
            shorter.verify(root, &inner),
            Err(InclusionError::PathLength)
        );
        shorter.leaf_index /= 2;
        assert_eq!(
            shorter.verify(root, &inner),
            Err(InclusionError::PathLength)
        );
        // Only a forged leaf count gets that far, and the commitment knows the true one.
        shorter.leaf_count = shorter.leaf_count.div_ceil(2);
        assert_eq!(shorter.verify(root, &inner), Ok(()));
    }
}

#[test]
fn negative_cases_of_the_newer_sdk_fail_as_far_as_our_proof_can_state_them() {
    let file = vectors("sequencer/transcribed/upstream_sdk_tests.json");
    let leaves = numbered_leaves(5);
    let root = events_root(&leaves).unwrap().0;
    let proof = InclusionProof::build(&leaves, 2).unwrap();
    let leaf = leaves[2].0;
    let mut without_directions = 0;
    for case in cases(&file["inclusion_negative"], 9) {
        let mut other = proof.clone();
        let verdict = match text(case) {
            // Our proof carries no directions: the index is their only source.
            "directions != index parity"
            | "directions length != path length"
            | "directions given as integers" => {
                without_directions += 1;
                continue;
            }
            "leaf_index >= 2^path_len" => {
                other.leaf_index = 8;
                other.verify(&root, &leaf)
            }
            "wrong sibling" => {
                other.path[1] = [7; 32];
                other.verify(&root, &leaf)
            }
            "wrong leaf" => other.verify(&root, &leaves[3].0),
            "wrong root" => other.verify(&[7; 32], &leaf),
            "path of 65 entries" => {
                other.path = vec![[7; 32]; 65];
                other.verify(&root, &leaf)
            }
            "leaf_index given as boolean" => {
                let mut json = serde_json::to_value(&other).unwrap();
                json["leaf_index"] = true.into();
                assert!(serde_json::from_value::<InclusionProof>(json).is_err());
                continue;
            }
            unknown => panic!("unknown case {unknown}"),
        };
        assert!(verdict.is_err(), "{case}");
    }
    assert_eq!(without_directions, 3);
}

#[test]
fn the_trees_of_other_pipelines_are_not_ours() {
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    let roots = file["legacy"]["rs_merkle_roots_by_count"]
        .as_object()
        .unwrap();
    assert_eq!(roots.len(), 5);
    for (count, root) in roots {
        let count: usize = count.parse().unwrap();
        let leaves: Vec<LeafHash> = cases(&file["legacy"]["leaves"], 5)[..count]
            .iter()
            .map(id)
            .collect();
        // A single leaf is its own root in every tree.
        assert_eq!(
            events_root(&leaves) == Some(id(root)),
            count == 1,
            "{count}"
        );
    }
    let leaves: Vec<LeafHash> = cases(&file["x402"]["leaves"], 3).iter().map(id).collect();
    assert_ne!(
        events_root(&leaves),
        Some(id(&file["x402"]["rs_merkle_root"]))
    );

    // A proof the peer's guide prints: index 4 of 10 with two siblings.
    let guide = &vectors("sequencer/transcribed/docs_embedded_examples.json")["LOCAL_GUIDE_proof"];
    let proof = InclusionProof {
        leaf_index: number32(&guide["leaf_index"]),
        leaf_count: number32(&guide["events"]),
        path: cases(&guide["proof_path"], 2).iter().map(array).collect(),
    };
    let (root, leaf) = (array(&guide["events_root"]), array(&guide["leaf_hash"]));
    assert_eq!(proof.verify(&root, &leaf), Err(InclusionError::PathLength));
}

#[test]
fn every_leaf_of_every_tree_up_to_300_leaves_has_a_proof() {
    for count in 1..=300 {
        let leaves = numbered_leaves(count);
        let raw: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
        let root = events_root(&leaves).unwrap().0;
        assert_eq!(root, reference_root(&raw), "{count} leaves");
        assert_eq!(root_of(raw.clone()), Some(root));
        for index in 0..count {
            let proof = InclusionProof::build(&leaves, index).unwrap();
            assert_eq!(
                proof.verify(&root, &raw[index as usize]),
                Ok(()),
                "{index} of {count}"
            );
        }
        assert_eq!(path_of(raw, count), None);
    }
}

#[test]
fn a_path_through_one_subtree_is_the_path_of_the_whole_tree() {
    for count in [2, 3, 4, 5, 8, 9, 31, 32, 33, 300] {
        let leaves: Vec<_> = numbered_leaves(count).iter().map(|leaf| leaf.0).collect();
        for height in 0..=8 {
            let roots = subtree_roots(leaves.clone(), height);
            let width = 1usize << height;
            assert_eq!(roots.len(), leaves.len().div_ceil(width));
            for index in 0..count {
                let own: Vec<_> = leaves
                    .chunks(width)
                    .nth(index as usize / width)
                    .unwrap_or_default()
                    .to_vec();
                let path = path_through(own, roots.clone(), height, index);
                let expected = (roots.len() > 1).then(|| path_of(leaves.clone(), index));
                assert_eq!(
                    path,
                    expected.flatten(),
                    "{index} of {count}, height {height}"
                );
            }
        }
    }
}

#[test]
fn no_path_leads_through_another_subtree_or_out_of_one() {
    let leaves: Vec<_> = numbered_leaves(10).iter().map(|leaf| leaf.0).collect();
    let roots = subtree_roots(leaves.clone(), 2);
    let last = leaves[8..].to_vec();
    assert!(path_through(last.clone(), roots.clone(), 2, 9).is_some());
    for (subtree, roots, height, index) in [
        (leaves[4..8].to_vec(), roots.clone(), 2, 9),
        (last.clone(), roots.clone(), 2, 1),
        // Beyond the last leaf, and beyond the last subtree.
        (last.clone(), roots.clone(), 2, 10),
        (last.clone(), roots.clone(), 2, 13),
        // Longer than a subtree is.
        (leaves.clone(), roots.clone(), 2, 9),
        (last.clone(), roots[..1].to_vec(), 2, 9),
        (last.clone(), Vec::new(), 2, 9),
        (Vec::new(), roots.clone(), 2, 9),
        (last, roots, 32, 9),
    ] {
        assert_eq!(path_through(subtree, roots, height, index), None);
    }
}

#[test]
fn the_largest_tree_is_fourteen_deep() {
    let leaves = numbered_leaves(limits::MAX_EVENTS_PER_BLOCK);
    let root = events_root(&leaves).unwrap().0;
    let last = limits::MAX_EVENTS_PER_BLOCK - 1;
    let proof = InclusionProof::build(&leaves, last).unwrap();
    assert_eq!(proof.path.len(), 14);
    assert_eq!(proof.verify(&root, &leaves[last as usize].0), Ok(()));
    let too_many = numbered_leaves(limits::MAX_EVENTS_PER_BLOCK + 1);
    let root = events_root(&too_many).unwrap().0;
    let proof = InclusionProof::build(&too_many, 0).unwrap();
    assert_eq!(
        proof.verify(&root, &too_many[0].0),
        Err(InclusionError::LeafCount)
    );
}

#[test]
fn nothing_has_no_root() {
    assert_eq!(events_root(&[]), None);
    assert_eq!(root_of(Vec::new()), None);
    assert_eq!(path_of(Vec::new(), 0), None);
    assert_eq!(InclusionProof::build(&[], 0), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_change_of_a_single_byte_survives(
        count in 1u32..=300,
        which in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let leaves = numbered_leaves(count);
        let root = events_root(&leaves).unwrap().0;
        let index = which.index(leaves.len());
        let leaf = leaves[index].0;
        let proof = InclusionProof::build(&leaves, u32::try_from(index).unwrap()).unwrap();

        let mut other = leaf;
        other[byte.index(32)] ^= flip;
        prop_assert_eq!(proof.verify(&root, &other), Err(InclusionError::RootMismatch));

        let mut other = root;
        other[byte.index(32)] ^= flip;
        prop_assert_eq!(proof.verify(&other, &leaf), Err(InclusionError::RootMismatch));

        if !proof.path.is_empty() {
            let mut other = proof.clone();
            let at = byte.index(32 * other.path.len());
            other.path[at / 32][at % 32] ^= flip;
            prop_assert_eq!(other.verify(&root, &leaf), Err(InclusionError::RootMismatch));
        }

        let mut other = proof.clone();
        let mut raw = other.leaf_index.to_be_bytes();
        raw[byte.index(4)] ^= flip;
        other.leaf_index = u32::from_be_bytes(raw);
        prop_assert!(other.verify(&root, &leaf).is_err());

        // The root does not show which leaves are padding, so a proof alone cannot defend its
        // leaf count within one depth. The commitment can.
        let mut other = proof;
        let mut raw = other.leaf_count.to_be_bytes();
        raw[byte.index(4)] ^= flip;
        other.leaf_count = u32::from_be_bytes(raw);
        let same_shape = other.leaf_count > other.leaf_index
            && other.leaf_count <= limits::MAX_EVENTS_PER_BLOCK
            && tree_depth(other.leaf_count) == tree_depth(count);
        prop_assert_eq!(other.verify(&root, &leaf).is_ok(), same_shape);
        let batch = BatchCommitment::commit(
            TenantId([1; 16]), StoreId([2; 16]), 1, &StreamTip::EMPTY, &leaves,
        ).unwrap();
        let sequence = batch.sequence_start + u64::from(other.leaf_index);
        prop_assert_eq!(
            batch.check_leaf(sequence, &LeafHash(leaf), &other),
            Err(InclusionError::LeafCount)
        );
    }
}
