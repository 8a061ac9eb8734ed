// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Streams, receipts, the chain of batches and the block commitment.

mod common;

use codec::{DecodeAll, Encode};
use common::*;
use proptest::prelude::*;
use ves_primitives::*;

const TENANT: TenantId = TenantId([0x11; 16]);
const STORE: StoreId = StoreId([0x22; 16]);

fn leaves(count: usize, salt: u64) -> Vec<LeafHash> {
    (0..count as u64)
        .map(|n| LeafHash(h(&[b"leaf", &salt.to_be_bytes(), &n.to_be_bytes()])))
        .collect()
}

fn commit(tip: &StreamTip, count: usize) -> BatchCommitment {
    BatchCommitment::commit(TENANT, STORE, 7, tip, &leaves(count, tip.sequence))
        .expect("a committable batch")
}

#[test]
fn published_stream_ids_are_reproduced() {
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let cli = vectors("cli/ves_crypto_vectors.json");
    let in_cli = cases(&cli["hashes"], 13)
        .iter()
        .find(|case| case["id"] == "stream_id")
        .unwrap();
    for case in [&cases(&sdk["stream_id"], 1)[0], in_cli] {
        let stream = stream_id(id(&case["tenant_id"]), id(&case["store_id"]));
        assert_eq!(stream, id(&case["expected"]));
    }
    let generated = vectors("sequencer/generated/merkle_commitments.json");
    let stream = stream_id(id(&generated["tenant_id"]), id(&generated["store_id"]));
    assert_eq!(stream, id(&generated["stream_id"]));
}

#[test]
fn published_receipts_are_reproduced() {
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let cli = vectors("cli/ves_crypto_vectors.json");
    let in_cli = cases(&cli["hashes"], 13)
        .iter()
        .find(|case| case["id"] == "receipt_hash")
        .unwrap();
    for case in [&cases(&sdk["receipt_hash"], 1)[0], in_cli] {
        let receipt = receipt_hash(
            id(&case["tenant_id"]),
            id(&case["store_id"]),
            id(&case["event_id"]),
            number(&case["sequence_number"]),
            &id(&case["event_signing_hash"]),
        );
        assert_eq!(receipt, id(&case["expected"]));
    }
    // The yellow paper gives inputs only; the value is the generated set's.
    let yellow = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let generated = vectors("sequencer/generated/merkle_commitments.json");
    let envelope = envelope(&yellow["22.1_event_signing"]["input"]);
    let sequence = number(&yellow["22.8_receipt"]["sequence_number"]);
    let receipt = envelope.receipt_hash(sequence, &envelope.signing_hash().unwrap());
    assert_eq!(receipt, id(&generated["yellowpaper_22_8_receipt_hash"]));
}

#[test]
fn the_generated_state_root_chain_is_reproduced() {
    let file = vectors("sequencer/generated/merkle_commitments.json");
    let all: Vec<LeafHash> = cases(&file["leaves"], 9).iter().map(id).collect();
    let (tenant, store) = (id(&file["tenant_id"]), id(&file["store_id"]));
    let stream = stream_id(tenant, store);
    let mut tip = StreamTip::EMPTY;
    for (index, case) in cases(&file["commitment_chain"], 3).iter().enumerate() {
        let (start, end) = (
            number(&case["sequence_start"]),
            number(&case["sequence_end"]),
        );
        let leaf_count = number32(&case["leaf_count"]);
        let root: EventsRoot = id(&case["merkle_root"]);
        let previous: StateRoot = id(&case["prev_state_root"]);
        let next: StateRoot = id(&case["new_state_root"]);
        assert_eq!(
            state_root(stream, previous, root, start, end, leaf_count),
            next
        );
        assert_eq!(tree_depth(leaf_count), number32(&case["tree_depth"]));
        assert_eq!(
            1 << tree_depth(leaf_count),
            number(&case["padded_leaf_count"])
        );

        let range = (start as usize - 1)..(end as usize);
        let batch = BatchCommitment::commit(tenant, store, 1, &tip, &all[range]).unwrap();
        assert_eq!((batch.sequence_start, batch.sequence_end), (start, end));
        assert_eq!((batch.leaf_count, batch.events_root), (leaf_count, root));
        assert_eq!(
            (batch.prev_state_root, batch.new_state_root),
            (previous, next)
        );
        assert_eq!(batch.batch_index, index as u64);
        assert_eq!(batch.stream_id(), stream);
        assert_eq!(batch.check_continues(&tip), Ok(()));
        tip = batch.tip();
    }
    assert_eq!((tip.sequence, tip.batch_count), (9, 3));

    // The yellow paper gives inputs only; the value is the generated set's.
    let inputs = &vectors("sequencer/transcribed/yellowpaper_section_22.json")["22.9_state_root"];
    let case = &file["yellowpaper_22_9"];
    assert_eq!(inputs["merkle_root"], case["merkle_root"]);
    let root = state_root(
        stream,
        id(&inputs["prev_state_root"]),
        id(&inputs["merkle_root"]),
        number(&inputs["sequence_start"]),
        number(&inputs["sequence_end"]),
        number32(&inputs["leaf_count"]),
    );
    assert_eq!(root, id(&case["state_root"]));
}

#[test]
fn batch_ids_follow_the_written_formula() {
    let first = commit(&StreamTip::EMPTY, 3);
    let second = commit(&first.tip(), 5);
    for batch in [&first, &second] {
        let stream = h(&[b"VES_STREAM_V1", &TENANT.0, &STORE.0]);
        let expected = h(&[
            b"VES_BATCH_ID_V1",
            &stream,
            &batch.sequence_start.to_be_bytes(),
            &batch.sequence_end.to_be_bytes(),
            &batch.events_root.0,
            &batch.prev_state_root.0,
        ]);
        assert_eq!(batch.batch_id.0, expected);
        let state = h(&[
            b"VES_STATE_ROOT_V1",
            &stream,
            &batch.prev_state_root.0,
            &batch.events_root.0,
            &batch.sequence_start.to_be_bytes(),
            &batch.sequence_end.to_be_bytes(),
            &batch.leaf_count.to_be_bytes(),
        ]);
        assert_eq!(batch.new_state_root.0, state);
    }
    assert_eq!(first.prev_state_root, StateRoot::GENESIS);
    // Known answer, computed outside of this crate.
    let id = batch_id(
        StreamId([1; 32]),
        1,
        10,
        EventsRoot([2; 32]),
        StateRoot::GENESIS,
    );
    assert_eq!(
        id.to_string(),
        "0xb3a651baf35f9f31d16910b8e3ba9705aebea7dddd025fd4be9c8d0f5d22aecf"
    );
}

#[test]
fn the_uuid_form_of_a_batch_id_is_a_uuid_of_version_8() {
    let id = BatchId([0xff; 32]);
    let mut expected = [0xff; 16];
    expected[6] = 0x8f;
    expected[8] = 0xbf;
    assert_eq!(id.to_uuid_bytes(), expected);
    let mut expected = [0; 16];
    expected[6] = 0x80;
    expected[8] = 0x80;
    assert_eq!(BatchId([0; 32]).to_uuid_bytes(), expected);
}

mod the_commitment_of_a_header {
    use super::*;

    const OTHER_ENGINE: [u8; 4] = *b"aura";

    fn value() -> BlockCommitment {
        BlockCommitment {
            version: 9,
            batch_count: 2,
            root: BlockRoot([7; 32]),
        }
    }

    fn read(payloads: &[&[u8]]) -> Result<Option<BlockCommitment>, UnreadableCommitment> {
        BlockCommitment::read(payloads.iter().map(|data| (BLOCK_COMMITMENT_ENGINE, *data)))
    }

    #[test]
    fn is_absent_without_an_item_of_its_engine() {
        assert_eq!(read(&[]), Ok(None));
        let encoded = value().encode();
        let others = [(OTHER_ENGINE, encoded.as_slice()), (*b"VESA", &[])];
        assert_eq!(BlockCommitment::read(others), Ok(None));
    }

    #[test]
    fn is_found_among_items_of_other_engines_whatever_its_version() {
        let encoded = value().encode();
        let items = [
            (OTHER_ENGINE, [1u8].as_slice()),
            (BLOCK_COMMITMENT_ENGINE, &encoded),
            (OTHER_ENGINE, &encoded),
        ];
        assert_eq!(BlockCommitment::read(items), Ok(Some(value())));
    }

    #[test]
    fn is_unreadable_when_malformed_truncated_or_followed_by_more_bytes() {
        let encoded = value().encode();
        for end in 0..encoded.len() {
            assert_eq!(read(&[&encoded[..end]]), Err(UnreadableCommitment), "{end}");
        }
        let mut longer = encoded.clone();
        longer.push(0);
        assert_eq!(read(&[&longer]), Err(UnreadableCommitment));
    }

    #[test]
    fn is_unreadable_when_repeated() {
        let encoded = value().encode();
        for payloads in [[&*encoded, &*encoded], [&*encoded, &[]], [&[], &*encoded]] {
            assert_eq!(read(&payloads), Err(UnreadableCommitment));
        }
    }
}

#[test]
fn the_block_commitment_is_a_tree_over_the_batches_in_stream_order() {
    let batches: Vec<BatchCommitment> = (0..5u8)
        .map(|n| {
            let store = StoreId([n; 16]);
            BatchCommitment::commit(TENANT, store, 7, &StreamTip::EMPTY, &leaves(2, n.into()))
                .unwrap()
        })
        .collect();
    let mut keyed: Vec<([u8; 32], [u8; 32])> = batches
        .iter()
        .map(|batch| {
            let stream = h(&[b"VES_STREAM_V1", &batch.tenant_id.0, &batch.store_id.0]);
            let leaf = h(&[
                b"VES_BLOCK_LEAF_V1",
                &batch.batch_id.0,
                &stream,
                &batch.new_state_root.0,
            ]);
            assert_eq!(batch.block_leaf(), leaf);
            (stream, leaf)
        })
        .collect();
    keyed.sort_unstable();
    let n = |left: &[u8; 32], right: &[u8; 32]| h(&[b"VES_NODE_V1", left, right]);
    let pad = h(&[b"VES_PAD_LEAF_V1"]);
    let l: Vec<[u8; 32]> = keyed.iter().map(|(_, leaf)| *leaf).collect();
    let left = n(&n(&l[0], &l[1]), &n(&l[2], &l[3]));
    let right = n(&n(&l[4], &pad), &n(&pad, &pad));
    let block = BlockCommitment::commit(&batches).unwrap();
    assert_eq!(block.root.0, n(&left, &right));
    assert_eq!((block.version, block.batch_count), (1, 5));
    assert_eq!(BLOCK_COMMITMENT_ENGINE, *b"VESB");

    let mut shuffled = batches.clone();
    shuffled.rotate_left(2);
    shuffled.swap(0, 1);
    assert_eq!(BlockCommitment::commit(&shuffled), Some(block));
    assert_eq!(
        BlockCommitment::commit(&[]),
        None,
        "a block without batches has no digest item"
    );

    let ordered = block_leaves(&batches);
    assert_eq!(ordered, l);
    for batch in &batches {
        let index = ordered
            .iter()
            .position(|leaf| *leaf == batch.block_leaf())
            .unwrap() as u32;
        let path = path_of(ordered.clone(), index).unwrap();
        let mut proof = InclusionProof {
            leaf_index: index,
            leaf_count: 5,
            path,
        };
        assert_eq!(block.check_batch(batch, &proof), Ok(()));
        let mut other = batch.clone();
        other.new_state_root.0[0] ^= 1;
        assert_eq!(
            block.check_batch(&other, &proof),
            Err(InclusionError::RootMismatch)
        );
        proof.leaf_count = 6;
        assert_eq!(
            block.check_batch(batch, &proof),
            Err(InclusionError::LeafCount)
        );
    }
}

#[test]
fn a_leaf_is_checked_against_the_batchs_own_range() {
    let first = commit(&StreamTip::EMPTY, 4);
    let batch = commit(&first.tip(), 5);
    let all = leaves(5, 4);
    for (index, leaf) in all.iter().enumerate() {
        let proof = InclusionProof::build(&all, index as u32).unwrap();
        let sequence = batch.sequence_start + index as u64;
        assert_eq!(batch.check_leaf(sequence, leaf, &proof), Ok(()));
        for other in [0, sequence - 1, sequence + 1, u64::MAX] {
            let verdict = batch.check_leaf(other, leaf, &proof);
            assert_eq!(verdict, Err(InclusionError::IndexOutOfRange));
        }
        let forged = InclusionProof {
            leaf_count: 6,
            ..proof.clone()
        };
        assert_eq!(
            forged.verify(&batch.events_root.0, &leaf.0),
            Ok(()),
            "the tree cannot tell"
        );
        assert_eq!(
            batch.check_leaf(sequence, leaf, &forged),
            Err(InclusionError::LeafCount)
        );
        assert_eq!(
            first.check_leaf(sequence, leaf, &proof),
            Err(InclusionError::LeafCount)
        );
    }
}

#[test]
fn empty_oversized_and_exhausting_batches_are_refused() {
    let commit = |sequence, count| {
        let tip = StreamTip {
            sequence,
            batch_count: 1,
            state_root: StateRoot([1; 32]),
        };
        BatchCommitment::commit(TENANT, STORE, 7, &tip, &leaves(count, 0))
    };
    let most = limits::MAX_EVENTS_PER_BLOCK as usize;
    assert_eq!(commit(1, 0), Err(BatchError::LeafCount));
    assert_eq!(commit(1, most + 1), Err(BatchError::LeafCount));
    assert_eq!(commit(1, most).map(|batch| batch.check()), Ok(Ok(())));
    let last = limits::MAX_SEQUENCE;
    assert_eq!(
        commit(last - 2, 2).map(|batch| (batch.check(), batch.sequence_end)),
        Ok((Ok(()), last))
    );
    for sequence in [last - 1, last, last + 1, u64::MAX - 1, u64::MAX] {
        assert_eq!(
            commit(sequence, 2),
            Err(BatchError::SequenceExhausted),
            "{sequence}"
        );
    }
}

/// Makes id and root agree with the fields again, as a forger would.
fn resealed(mut batch: BatchCommitment) -> BatchCommitment {
    let stream = batch.stream_id();
    let (start, end) = (batch.sequence_start, batch.sequence_end);
    batch.batch_id = batch_id(stream, start, end, batch.events_root, batch.prev_state_root);
    batch.new_state_root = state_root(
        stream,
        batch.prev_state_root,
        batch.events_root,
        start,
        end,
        batch.leaf_count,
    );
    batch
}

#[test]
fn a_batch_whose_fields_contradict_each_other_is_refused() {
    let batch = commit(&commit(&StreamTip::EMPTY, 3).tip(), 4);
    assert_eq!(batch.check(), Ok(()));
    type Change = (fn(&mut BatchCommitment), BatchError);
    let unsealed: &[Change] = &[
        (|b| b.batch_id.0[0] ^= 1, BatchError::BatchId),
        (|b| b.tenant_id.0[0] ^= 1, BatchError::StateRoot),
        (|b| b.store_id.0[0] ^= 1, BatchError::StateRoot),
        (|b| b.events_root.0[0] ^= 1, BatchError::StateRoot),
        (|b| b.prev_state_root.0[0] ^= 1, BatchError::StateRoot),
        (|b| b.new_state_root.0[0] ^= 1, BatchError::StateRoot),
    ];
    for (n, (change, error)) in unsealed.iter().enumerate() {
        let mut other = batch.clone();
        change(&mut other);
        assert_eq!(other.check(), Err(*error), "change {n}");
    }
    let sealed: &[Change] = &[
        (|b| b.leaf_count = 0, BatchError::LeafCount),
        (|b| b.leaf_count = u32::MAX, BatchError::LeafCount),
        (|b| b.leaf_count += 1, BatchError::Range),
        (|b| b.sequence_end += 1, BatchError::Range),
        (|b| b.sequence_start = 0, BatchError::Range),
        (|b| b.sequence_start = 8, BatchError::Range),
        (
            |b| (b.sequence_start, b.sequence_end) = (0, 3),
            BatchError::Range,
        ),
        (|b| b.batch_index = b.sequence_start, BatchError::Range),
        (|b| b.batch_index = u64::MAX, BatchError::Range),
        (
            |b| b.sequence_end = limits::MAX_SEQUENCE + 1,
            BatchError::SequenceExhausted,
        ),
        // Both ends past 2^64: neither end may be taken for the other's overflow.
        (
            |b| (b.sequence_start, b.sequence_end) = (u64::MAX, u64::MAX),
            BatchError::SequenceExhausted,
        ),
        (
            |b| (b.sequence_start, b.sequence_end) = (u64::MAX, limits::MAX_SEQUENCE),
            BatchError::Range,
        ),
    ];
    for (n, (change, error)) in sealed.iter().enumerate() {
        let mut other = batch.clone();
        change(&mut other);
        assert_eq!(resealed(other).check(), Err(*error), "change {n}");
    }
}

#[test]
fn a_batch_that_leaves_a_gap_or_overlaps_does_not_continue() {
    let first = commit(&StreamTip::EMPTY, 3);
    let second = commit(&first.tip(), 4);
    assert_eq!(first.check_continues(&StreamTip::EMPTY), Ok(()));
    assert_eq!(second.check_continues(&first.tip()), Ok(()));
    let tip = first.tip();
    for other in [
        StreamTip {
            sequence: tip.sequence - 1,
            ..tip
        },
        StreamTip {
            sequence: tip.sequence + 1,
            ..tip
        },
        StreamTip {
            sequence: u64::MAX,
            ..tip
        },
        StreamTip {
            state_root: StateRoot::GENESIS,
            ..tip
        },
        StreamTip {
            batch_count: 0,
            ..tip
        },
        StreamTip {
            batch_count: 2,
            ..tip
        },
        StreamTip::EMPTY,
        second.tip(),
    ] {
        assert_eq!(
            second.check_continues(&other),
            Err(BatchError::Discontinuous),
            "{other:?}"
        );
    }
    // The first batch of a stream starts at 1, whatever the peer allows.
    let late = resealed(BatchCommitment {
        sequence_start: 2,
        sequence_end: 4,
        ..first
    });
    assert_eq!(late.check(), Ok(()));
    assert_eq!(
        late.check_continues(&StreamTip::EMPTY),
        Err(BatchError::Discontinuous)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_of_batches_forms_one_chain(
        sizes in prop::collection::vec(1usize..200, 1..24),
        skipped in any::<prop::sample::Index>(),
    ) {
        let mut tip = StreamTip::EMPTY;
        let mut batches = Vec::new();
        for size in &sizes {
            let batch = commit(&tip, *size);
            prop_assert_eq!(batch.check_continues(&tip), Ok(()));
            let decoded = BatchCommitment::decode_all(&mut &batch.encode()[..]);
            prop_assert_eq!(decoded.as_ref(), Ok(&batch));
            tip = batch.tip();
            batches.push(batch);
        }
        prop_assert_eq!(tip.sequence, sizes.iter().sum::<usize>() as u64);
        prop_assert_eq!(tip.batch_count, sizes.len() as u64);

        // Without one of them, the chain breaks right behind it.
        let skipped = skipped.index(batches.len());
        batches.remove(skipped);
        let mut tip = StreamTip::EMPTY;
        let mut accepted = 0;
        for batch in &batches {
            match batch.check_continues(&tip) {
                Ok(()) => accepted += 1,
                Err(error) => {
                    prop_assert_eq!(error, BatchError::Discontinuous);
                    break;
                }
            }
            tip = batch.tip();
        }
        prop_assert_eq!(accepted, skipped);
    }
}
