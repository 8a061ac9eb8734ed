// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One proof for several leaves, against the proofs of each alone.

use proptest::{prelude::*, sample::subsequence};
use ves_primitives::*;

fn leaves(count: u32) -> Vec<[u8; 32]> {
    (0..count).map(|n| sha256(&n.to_be_bytes())).collect()
}

fn chosen(leaves: &[[u8; 32]], indices: &[u32]) -> Vec<[u8; 32]> {
    indices
        .iter()
        .map(|index| leaves[*index as usize])
        .collect()
}

#[test]
fn every_set_of_leaves_of_every_small_tree_is_proven() {
    let mut proofs = 0;
    for count in 1..=9 {
        let leaves = leaves(count);
        let root = root_of(leaves.clone()).unwrap();
        for set in 1u32..1 << count {
            let indices: Vec<u32> = (0..count).filter(|index| set >> index & 1 == 1).collect();
            let proof = MultiProof::build(&leaves, &indices).unwrap();
            assert_eq!(proof.verify(&root, &chosen(&leaves, &indices)), Ok(()));
            if let [index] = indices[..] {
                let alone = path_of(leaves.clone(), index).unwrap();
                assert!(proof.siblings.iter().all(|sibling| alone.contains(sibling)));
            }
            if indices.len() == leaves.len() {
                assert!(proof.siblings.is_empty(), "all leaves need no help");
            }
            proofs += 1;
        }
    }
    assert_eq!(proofs, (1..=9).map(|count| (1 << count) - 1).sum::<u32>());
}

#[test]
fn indices_out_of_order_repeated_missing_or_beyond_the_tree_are_no_proof() {
    let leaves = leaves(300);
    let root = root_of(leaves.clone()).unwrap();
    for indices in [&[][..], &[1, 1], &[2, 1], &[300], &[0, u32::MAX]] {
        assert_eq!(MultiProof::build(&leaves, indices), None, "{indices:?}");
    }
    assert_eq!(MultiProof::build(&[], &[0]), None);
    let many: Vec<u32> = (0..=limits::MAX_MULTI_PROOF_LEAVES).collect();
    assert_eq!(MultiProof::build(&leaves, &many), None);
    assert!(MultiProof::build(&leaves, &many[1..]).is_some());

    let good = MultiProof::build(&leaves, &[3, 7]).unwrap();
    let with = |indices: &[u32]| MultiProof {
        leaf_indices: indices.to_vec(),
        ..good.clone()
    };
    let two = chosen(&leaves, &[3, 7]);
    let cases = [
        (with(&[7, 3]), InclusionError::Indices),
        (with(&[7, 7]), InclusionError::Indices),
        (with(&[]), InclusionError::Indices),
        (with(&[3]), InclusionError::Indices),
        (with(&[3, 300]), InclusionError::IndexOutOfRange),
        (
            MultiProof {
                leaf_count: 0,
                ..good.clone()
            },
            InclusionError::LeafCount,
        ),
        (
            MultiProof {
                leaf_count: u32::MAX,
                ..good.clone()
            },
            InclusionError::LeafCount,
        ),
    ];
    for (proof, error) in cases {
        assert_eq!(proof.verify(&root, &two), Err(error), "{proof:?}");
    }
    assert_eq!(good.verify(&root, &two[..1]), Err(InclusionError::Indices));
    assert_eq!(good.verify(&root, &two), Ok(()));
}

#[test]
fn a_batch_takes_only_a_proof_of_its_own_size_and_at_its_own_sequences() {
    let leaves: Vec<_> = leaves(5).into_iter().map(LeafHash).collect();
    let tip = StreamTip {
        sequence: 40,
        ..StreamTip::EMPTY
    };
    let (tenant, store) = (TenantId([1; 16]), StoreId([2; 16]));
    let batch = BatchCommitment::commit(tenant, store, 9, &tip, &leaves).unwrap();
    let plain: Vec<_> = leaves.iter().map(|leaf| leaf.0).collect();
    let proof = MultiProof::build(&plain, &[0, 4]).unwrap();
    let two = [leaves[0], leaves[4]];
    assert_eq!(batch.check_leaves(&[41, 45], &two, &proof), Ok(()));
    for sequences in [&[41, 44][..], &[41], &[45, 41], &[41, 45, 46]] {
        assert_eq!(
            batch.check_leaves(sequences, &two, &proof),
            Err(InclusionError::IndexOutOfRange)
        );
    }
    let swapped = [leaves[4], leaves[0]];
    assert_eq!(
        batch.check_leaves(&[41, 45], &swapped, &proof),
        Err(InclusionError::RootMismatch)
    );
    // The same path in a tree of another size: six leaves are as deep as five.
    let other = MultiProof {
        leaf_count: 6,
        ..proof
    };
    assert_eq!(
        batch.check_leaves(&[41, 45], &two, &other),
        Err(InclusionError::LeafCount)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_node_leaf_or_index_verifies(
        (count, indices) in (2u32..400).prop_flat_map(|count| {
            let all: Vec<u32> = (0..count).collect();
            let most = all.len().min(40);
            (Just(count), subsequence(all, 1..=most))
        }),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let leaves = leaves(count);
        let root = root_of(leaves.clone()).unwrap();
        let proof = MultiProof::build(&leaves, &indices).unwrap();
        let known = chosen(&leaves, &indices);
        prop_assert_eq!(proof.verify(&root, &known), Ok(()));

        let mut leaf_changed = known.clone();
        leaf_changed[place.index(known.len())][7] ^= 1 << bit;
        prop_assert_eq!(proof.verify(&root, &leaf_changed), Err(InclusionError::RootMismatch));
        let mut surplus = proof.clone();
        surplus.siblings.push([0; 32]);
        prop_assert_eq!(surplus.verify(&root, &known), Err(InclusionError::PathLength));
        if !proof.siblings.is_empty() {
            let at = place.index(proof.siblings.len());
            let mut changed = proof.clone();
            changed.siblings[at][3] ^= 1 << bit;
            prop_assert_eq!(changed.verify(&root, &known), Err(InclusionError::RootMismatch));
            let mut short = proof.clone();
            short.siblings.remove(at);
            prop_assert_eq!(short.verify(&root, &known), Err(InclusionError::PathLength));
        }
        // Never more nodes than the single proofs have together.
        let together: usize = indices
            .iter()
            .map(|index| path_of(leaves.clone(), *index).unwrap().len())
            .sum();
        prop_assert!(proof.siblings.len() <= together);
    }

    /// Whatever a stranger sends is judged, never a panic.
    #[test]
    fn any_proof_gets_a_verdict(
        leaf_indices in prop::collection::vec(any::<u32>(), 0..6),
        leaf_count in any::<u32>(),
        siblings in prop::collection::vec(any::<[u8; 32]>(), 0..40),
    ) {
        let leaves = vec![[1; 32]; leaf_indices.len()];
        let proof = MultiProof { leaf_indices, leaf_count, siblings };
        prop_assert!(proof.verify(&[0; 32], &leaves).is_err());
    }
}
