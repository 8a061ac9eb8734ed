// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How old an event may be, and how long it is remembered.

use crate::{
    Commands, Event, Events, Memory,
    dedupe::{command_key, event_key},
    mock::*,
};
use ves_primitives::{CommandId, EventId, StreamId, SubmittedEvent, limits, sequencer::Rejection};

const DEDUPE: u64 = limits::DEDUPE_BLOCKS as u64;

/// An event of a moment, milliseconds before or after block 1.
fn event_at(n: u16, offset_ms: i64) -> SubmittedEvent {
    let moment = NOW_MS.saturating_add_signed(offset_ms);
    event_with(n, |e| e.created_at = created_at(moment))
}

#[test]
fn an_event_is_taken_from_within_the_window_only() {
    let window = i64::try_from(limits::EVENT_WINDOW_MS).expect("days");
    let skew = i64::try_from(limits::EVENT_SKEW_MS).expect("minutes");
    for (offset, rejection) in [
        (-window, None),
        (-window - 1, Some(Rejection::CreatedAtTooOld)),
        (0, None),
        (skew, None),
        (skew + 1, Some(Rejection::CreatedAtInFuture)),
    ] {
        chain(|| {
            submit(&[event_at(1, offset)]);
            match rejection {
                None => assert_eq!(sequenced(), [1], "{offset}"),
                Some(reason) => assert_eq!(only_rejection(), reason, "{offset}"),
            }
        });
    }
}

#[test]
fn an_event_is_remembered_until_its_age_alone_refuses_it() {
    let skew = i64::try_from(limits::EVENT_SKEW_MS).expect("minutes");
    let youngest = event_at(1, skew);
    chain(|| {
        submit(std::slice::from_ref(&youngest));
        skip_to_block(DEDUPE);
        submit(std::slice::from_ref(&youngest));
        assert!(
            matches!(outcomes()[..], [Event::EventReplayed { sequence: 1, .. }]),
            "still known"
        );
        skip_to_block(DEDUPE + 1);
        assert_eq!(Events::<Test>::iter().count(), 0, "forgotten");
        assert_eq!(Memory::<Test>::iter().count(), 0);
        submit(&[youngest]);
        assert_eq!(only_rejection(), Rejection::CreatedAtTooOld);
    });
}

#[test]
fn a_command_is_remembered_as_long_as_its_event() {
    chain(|| {
        submit(&[event_with(1, |e| e.command_id = command(5))]);
        skip_to_block(DEDUPE);
        assert_eq!(Commands::<Test>::iter().count(), 1);
        skip_to_block(DEDUPE + 1);
        assert_eq!(Commands::<Test>::iter().count(), 0);
    });
}

#[test]
fn more_than_one_block_can_forget_is_forgotten_over_several_and_none_is_passed_over() {
    chain(|| {
        // More runs than empty blocks are passed over, in two blocks.
        for n in 0..40 {
            submit(&[event(2 * n)]);
        }
        next_block();
        for n in 0..40 {
            submit(&[event(2 * n + 1)]);
        }
        assert_eq!(Memory::<Test>::iter().count(), 80);
        for later in 1..=3 {
            skip_to_block(DEDUPE + later);
        }
        assert_eq!(Events::<Test>::iter().count(), 0);
        assert_eq!(Memory::<Test>::iter().count(), 0);
    });
}

#[test]
fn sequences_and_versions_go_on_when_events_are_forgotten() {
    chain(|| {
        submit(&[event(1), event(2)]);
        skip_to_block(DEDUPE + 2);
        let late = event_with(3, |e| {
            e.created_at = created_at(now_ms());
            e.entity_id = b"1".to_vec().try_into().expect("short");
            e.base_version = Some(1);
        });
        submit(&[late]);
        assert_eq!(sequenced(), [3]);
        assert_eq!(Sequencer::entity_version(stream(), b"order", b"1"), 2);
    });
}

#[test]
fn ids_of_one_moment_are_neighbours_in_state_and_no_two_are_the_same() {
    let moment = |ms: u64, rest: u8| {
        let mut id = [rest; 16];
        id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
        EventId(id)
    };
    let key = |ms, rest| event_key(stream(), moment(ms, rest));
    assert_eq!(key(7, 1)[..6], key(7, 2)[..6]);
    assert!(key(7, 1).max(key(7, 2)) < key(8, 1).min(key(8, 2)));
    assert_ne!(key(7, 1), key(7, 2));
    let elsewhere = event_key(StreamId([9; 32]), moment(7, 1));
    assert_eq!(elsewhere[..6], key(7, 1)[..6]);
    assert_ne!(elsewhere, key(7, 1));
    assert_eq!(
        command_key(stream(), CommandId(moment(7, 1).0)),
        key(7, 1),
        "commands have a map of their own"
    );
}
