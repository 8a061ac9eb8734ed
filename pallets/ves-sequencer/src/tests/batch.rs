// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a block leaves behind.

use crate::{Event, Tips, mock::*};
use codec::Decode;
use polkadot_sdk::{frame_system::Phase, sp_runtime::generic::DigestItem};
use ves_primitives::{
    BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, LeafHash, StateRoot, StreamTip,
    SubmittedEvent, events_root,
};

fn leaf(event: &SubmittedEvent, sequence: u64) -> LeafHash {
    let hash = event.envelope.signing_hash().expect("a known version");
    event.envelope.leaf_hash(sequence, &hash)
}

fn header_commitment() -> Option<BlockCommitment> {
    let mut found = System::digest()
        .logs
        .into_iter()
        .filter_map(|item| match item {
            DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, bytes) => {
                Some(BlockCommitment::decode(&mut &bytes[..]).expect("our own encoding"))
            }
            _ => None,
        });
    let first = found.next();
    assert!(found.next().is_none(), "at most one commitment per block");
    first
}

#[test]
fn a_block_commits_the_merkle_root_of_its_events_in_order() {
    chain(|| {
        let events = [event(1), event(2), event(3)];
        submit(&events);
        end_block();
        let leaves: Vec<_> = events.iter().zip(1..).map(|(e, n)| leaf(e, n)).collect();
        let batches = Sequencer::batches_in_block(1);
        let expected =
            BatchCommitment::commit(TENANT, STORE, 1, &StreamTip::EMPTY, &leaves).expect("valid");
        assert_eq!(batches, std::slice::from_ref(&expected));
        assert_eq!(Some(expected.events_root), events_root(&leaves));
        assert_eq!(expected.prev_state_root, StateRoot::GENESIS);
        assert_eq!(Tips::<Test>::get(stream()), Some(expected.tip()));
        assert_eq!(
            outcomes().pop(),
            Some(Event::BatchCommitted {
                stream_id: stream(),
                batch: expected
            })
        );
        assert_eq!(header_commitment(), BlockCommitment::commit(&batches));
        next_block();
    });
}

#[test]
fn a_block_without_events_commits_nothing() {
    chain(|| {
        end_block();
        assert_eq!(header_commitment(), None);
        assert!(Sequencer::batches_in_block(1).is_empty());
        next_block();
    });
}

#[test]
fn batches_of_a_stream_chain_over_blocks() {
    chain(|| {
        let mut at = StreamTip::EMPTY;
        let mut n = 0;
        for size in [1, 5, 2, 8] {
            let events: Vec<_> = (0..size)
                .map(|_| {
                    n += 1;
                    event(n)
                })
                .collect();
            submit(&events);
            let block = System::block_number() as u32;
            next_block();
            let batch = Sequencer::batches_in_block(block).pop().expect("one batch");
            batch.check_continues(&at).expect("continues");
            at = batch.tip();
        }
        assert_eq!(at.sequence, 16);
        for sequence in 1..=16 {
            let batch = Sequencer::batch_of_sequence(stream(), sequence).expect("found");
            assert!((batch.sequence_start..=batch.sequence_end).contains(&sequence));
        }
        assert_eq!(Sequencer::batch_of_sequence(stream(), 0), None);
        assert_eq!(Sequencer::batch_of_sequence(stream(), 17), None);
        assert_eq!(Sequencer::batch_of_sequence(other_stream(), 1), None);
    });
}

#[test]
fn every_touched_stream_gets_one_batch_in_stream_order() {
    chain(|| {
        let elsewhere = |n| event_with(n, |e| e.store_id = OTHER_STORE);
        submit(&[event(1), elsewhere(2), event(3)]);
        submit(&[elsewhere(4)]);
        end_block();
        let batches = Sequencer::batches_in_block(1);
        assert_eq!(batches.len(), 2);
        assert!(batches.is_sorted_by_key(BatchCommitment::stream_id));
        assert!(batches.iter().all(|batch| batch.leaf_count == 2));
        let commitment = header_commitment().expect("batches exist");
        assert_eq!(commitment.batch_count, 2);
        assert_eq!(Some(commitment), BlockCommitment::commit(&batches));
        next_block();
    });
}

#[test]
fn a_block_of_rejections_commits_nothing() {
    chain(|| {
        submit(&[event_with(1, |e| e.ves_version = 9)]);
        end_block();
        assert_eq!(header_commitment(), None);
        next_block();
    });
}

#[test]
fn the_index_of_a_block_joins_each_event_with_its_outcome() {
    chain(|| {
        submit(&[event(1)]);
        next_block();
        let first = vec![event(2), event_with(3, |e| e.ves_version = 9), event(1)];
        let second = vec![event(4)];
        System::note_finished_initialize();
        next_extrinsic();
        submit(&first);
        next_extrinsic();
        next_extrinsic();
        submit(&second);
        end_block();
        assert!(
            System::events()
                .iter()
                .any(|record| record.phase == Phase::ApplyExtrinsic(3))
        );
        let index = Sequencer::index_block(
            77,
            vec![(1, first.clone()), (3, second.clone())],
            outcomes_by_extrinsic(),
        );
        assert_eq!(index.time_ms, 77);
        let found: Vec<_> = index
            .events
            .iter()
            .map(|e| (e.extrinsic_index, e.sequence, e.event.clone()))
            .collect();
        assert_eq!(found, [(1, 2, first[0].clone()), (3, 3, second[0].clone())]);
        let rejected: Vec<_> = index
            .rejections
            .iter()
            .map(|r| (r.extrinsic_index, r.event_id))
            .collect();
        assert_eq!(rejected, [(1, first[1].envelope.event_id)]);
        assert_eq!(index.batches, Sequencer::batches_in_block(2));
        let leaves: Vec<_> = index.events.iter().map(|e| e.leaf).collect();
        assert_eq!(events_root(&leaves), Some(index.batches[0].events_root));
        next_block();
    });
}
