// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long batches stay, and whose word counts for it.

use crate::{Batches, BlockBatches, Error, Event, Kept, mock::*};
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        dispatch::{DispatchResultWithPostInfo, PostDispatchInfo},
    },
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{StreamId, limits, sequencer::KeptBatches};

const RELAY: u64 = 9;
const OTHER_RELAY: u64 = 10;
const ANCHORED: u64 = limits::ANCHORED_RETENTION_BLOCKS as u64;
const UNANCHORED: u64 = limits::UNANCHORED_RETENTION_BLOCKS as u64;

fn name_relays(relays: &[u64]) {
    let relays = relays.to_vec().try_into().expect("few");
    assert_ok!(Sequencer::set_relays(RuntimeOrigin::root(), relays));
}

fn note(relay: u64, stream: StreamId, batch_count: u64) -> DispatchResultWithPostInfo {
    Sequencer::note_anchored(RuntimeOrigin::signed(relay), stream, batch_count)
}

/// One batch with one event in each block from the current one on; ends the last.
fn batches(first: u16, count: u16) {
    for n in first..first + count {
        submit(&[event_now(n)]);
        next_block();
    }
}

/// Numbers of the first stream's batches in state.
fn held() -> Vec<u64> {
    let mut held: Vec<_> = Batches::<Test>::iter_key_prefix(stream()).collect();
    held.sort_unstable();
    held
}

#[test]
fn an_anchored_batch_leaves_state_a_day_later_when_its_stream_goes_on() {
    chain(|| {
        name_relays(&[RELAY]);
        batches(1, 3);
        assert_ok!(note(RELAY, stream(), 1));
        skip_to_block(ANCHORED);
        batches(4, 1);
        assert_eq!(held(), [0, 1, 2, 3], "a block before its time");
        batches(5, 1);
        assert_eq!(held(), [1, 2, 3, 4], "batch 1 is as old and not anchored");
        batches(6, 2);
        assert_eq!(held(), [1, 2, 3, 4, 5, 6]);
    });
}

#[test]
fn a_batch_that_nobody_reports_stays_for_thirty_days() {
    chain(|| {
        batches(1, 2);
        skip_to_block(UNANCHORED);
        batches(3, 1);
        assert_eq!(held(), [0, 1, 2], "a block before its time");
        batches(4, 1);
        assert_eq!(held(), [1, 2, 3]);
        batches(5, 1);
        assert_eq!(held(), [2, 3, 4]);
    });
}

#[test]
fn a_commit_prunes_two_batches_and_a_report_thirty_two() {
    chain(|| {
        name_relays(&[RELAY]);
        batches(1, 50);
        assert_ok!(note(RELAY, stream(), 50));
        skip_to_block(ANCHORED + 100);
        batches(51, 1);
        assert_eq!(held().first(), Some(&2));
        let paid = note(RELAY, stream(), 51).expect("a relay may");
        assert_eq!(held().first(), Some(&34));
        let again = note(RELAY, stream(), 51).expect("the same number again is no mistake");
        assert_eq!(held(), [50], "the last batch is too young");
        let time = |paid: PostDispatchInfo| paid.actual_weight.expect("measured").ref_time();
        assert!(time(again) < time(paid), "less was pruned");
    });
}

#[test]
fn a_stream_that_stands_still_can_be_pruned_to_nothing_and_goes_on() {
    chain(|| {
        name_relays(&[RELAY]);
        batches(1, 3);
        let tip = crate::Tips::<Test>::get(stream()).expect("a tip");
        skip_to_block(ANCHORED + 4);
        assert_ok!(note(RELAY, stream(), 3));
        assert_eq!(held(), [0u64; 0]);
        assert_eq!(
            Kept::<Test>::get(stream()),
            KeptBatches {
                oldest: 3,
                anchored: 3
            }
        );
        assert_eq!(Sequencer::batch_of_sequence(stream(), 3), None);
        submit(&[event_now(4)]);
        assert_eq!(sequenced(), [4]);
        let block = System::block_number() as u32;
        next_block();
        let next = Sequencer::batches_in_block(block).pop().expect("a batch");
        next.check_continues(&tip)
            .expect("the chain of roots goes on");
    });
}

#[test]
fn a_sequence_is_found_in_the_batches_that_are_left() {
    chain(|| {
        name_relays(&[RELAY]);
        batches(1, 9);
        assert_ok!(note(RELAY, stream(), 4));
        skip_to_block(ANCHORED + 20);
        assert_ok!(note(RELAY, stream(), 4));
        for sequence in 1..=4 {
            assert_eq!(Sequencer::batch_of_sequence(stream(), sequence), None);
        }
        for sequence in 5..=9 {
            let batch = Sequencer::batch_of_sequence(stream(), sequence).expect("left");
            assert_eq!(batch.sequence_start, sequence);
        }
    });
}

#[test]
fn a_block_lists_its_batches_for_a_day() {
    chain(|| {
        batches(1, 1);
        skip_to_block(ANCHORED);
        assert_eq!(Sequencer::batches_in_block(1).len(), 1);
        next_block();
        assert!(Sequencer::batches_in_block(1).is_empty());
        assert_eq!(BlockBatches::<Test>::iter_keys().count(), 0);
        assert_eq!(held(), [0], "the batch itself is not anchored");
    });
}

#[test]
fn a_report_is_told_once_and_counts_for_its_stream_alone() {
    chain(|| {
        name_relays(&[RELAY, OTHER_RELAY]);
        submit(&[event(1), event_with(2, |e| e.store_id = OTHER_STORE)]);
        next_block();
        assert_ok!(note(OTHER_RELAY, stream(), 1));
        assert_ok!(note(RELAY, stream(), 1));
        assert_eq!(
            outcomes(),
            [Event::BatchesAnchored {
                stream_id: stream(),
                batch_count: 1,
                relay: OTHER_RELAY
            }]
        );
        assert_eq!(Kept::<Test>::get(stream()).anchored, 1);
        assert_eq!(Kept::<Test>::get(other_stream()).anchored, 0);
    });
}

#[test]
fn a_report_can_be_wrong_in_four_ways_and_changes_nothing_then() {
    chain(|| {
        name_relays(&[RELAY]);
        batches(1, 3);
        assert_ok!(note(RELAY, stream(), 2));
        for (relay, stream, count, error) in [
            (ADMIN, stream(), 3, Error::<Test>::NotARelay),
            (RELAY, other_stream(), 0, Error::<Test>::StreamNotFound),
            (RELAY, stream(), 4, Error::<Test>::AnchoredBeyondTip),
            (RELAY, stream(), 1, Error::<Test>::AnchoredBefore),
        ] {
            let refused = note(relay, stream, count).expect_err("wrong");
            assert_eq!(refused.error, error.into());
        }
        let unsigned = Sequencer::note_anchored(RuntimeOrigin::none(), stream(), 3);
        assert_eq!(unsigned.expect_err("nobody").error, BadOrigin);
        assert_eq!(Kept::<Test>::get(stream()).anchored, 2);
    });
}

#[test]
fn an_open_batch_is_not_yet_there_to_be_anchored() {
    chain(|| {
        name_relays(&[RELAY]);
        submit(&[event(1)]);
        let refused = note(RELAY, stream(), 1).expect_err("not committed");
        assert_eq!(refused.error, Error::<Test>::StreamNotFound.into());
    });
}

#[test]
fn governance_alone_names_relays_and_each_once() {
    chain(|| {
        let set = |origin, relays: &[u64]| {
            Sequencer::set_relays(origin, relays.to_vec().try_into().expect("few"))
        };
        assert_noop!(set(RuntimeOrigin::signed(ADMIN), &[ADMIN]), BadOrigin);
        assert_noop!(
            set(RuntimeOrigin::root(), &[RELAY, RELAY]),
            Error::<Test>::RelayNamedTwice
        );
        assert_ok!(set(RuntimeOrigin::root(), &[RELAY]));
        assert_eq!(
            outcomes(),
            [Event::RelaysChanged {
                relays: vec![RELAY].try_into().expect("few")
            }]
        );
    });
}

#[test]
fn an_account_can_transact_exactly_as_long_as_it_is_a_relay() {
    chain(|| {
        name_relays(&[RELAY, ADMIN]);
        assert_eq!(System::providers(&RELAY), 1);
        name_relays(&[OTHER_RELAY, RELAY]);
        assert_eq!(System::providers(&RELAY), 1, "it stays");
        assert_eq!(System::providers(&OTHER_RELAY), 1);
        assert_eq!(System::providers(&ADMIN), 1, "the tenant holds it too");
        name_relays(&[]);
        assert_eq!(System::providers(&RELAY), 0);
        batches(1, 1);
        let refused = note(RELAY, stream(), 1).expect_err("no relay any more");
        assert_eq!(refused.error, Error::<Test>::NotARelay.into());
    });
}
