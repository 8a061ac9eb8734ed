// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bytes of calls and events, which wallets, relays and indexers know.

use crate::{Call, Event, mock::*};
use codec::Encode;
use ves_primitives::{
    BatchCommitment, EventId, LeafHash, StreamId, StreamTip, sequencer::Rejection,
};

#[test]
fn calls_are_frozen() {
    let relays = vec![1, 2].try_into().expect("few");
    let accounts = [[1, 0, 0, 0, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0, 0, 0]].concat();
    let event = event(1);
    for (call, expected) in [
        (
            Call::<Test>::submit_events {
                events: vec![event.clone()].try_into().expect("few"),
            },
            [&[0, 4][..], &event.encode()].concat(),
        ),
        (
            Call::set_relays { relays },
            [&[1, 8][..], &accounts].concat(),
        ),
        (
            Call::note_anchored {
                stream_id: StreamId([3; 32]),
                batch_count: 4,
            },
            [&[2][..], &[3; 32], &[4, 0, 0, 0, 0, 0, 0, 0]].concat(),
        ),
    ] {
        assert_eq!(call.encode(), expected, "{call:?}");
    }
}

#[test]
fn events_are_frozen() {
    let stream_id = StreamId([1; 32]);
    let event_id = EventId([2; 16]);
    let three = [3, 0, 0, 0, 0, 0, 0, 0];
    let batch = BatchCommitment::commit(TENANT, STORE, 1, &StreamTip::EMPTY, &[LeafHash([4; 32])])
        .expect("one leaf");
    let told: Vec<(Event<Test>, Vec<u8>)> = vec![
        (
            Event::EventsSequenced {
                stream_id,
                first_sequence: 3,
                event_ids: vec![event_id, event_id].try_into().expect("few"),
            },
            [&[0][..], &[1; 32], &three, &[8], &[2; 32]].concat(),
        ),
        (
            Event::EventReplayed {
                stream_id,
                sequence: 3,
                event_id,
            },
            [&[1][..], &[1; 32], &three, &[2; 16]].concat(),
        ),
        (
            Event::EventRejected {
                stream_id,
                event_id,
                reason: Rejection::InvalidSignature,
            },
            [&[2][..], &[1; 32], &[2; 16], &[4]].concat(),
        ),
        (
            Event::BatchCommitted {
                stream_id,
                batch: batch.clone(),
            },
            [&[3][..], &[1; 32], &batch.encode()].concat(),
        ),
        (
            Event::BatchesAnchored {
                stream_id,
                batch_count: 3,
                relay: 3,
            },
            [&[4][..], &[1; 32], &three, &three].concat(),
        ),
        (
            Event::RelaysChanged {
                relays: vec![3].try_into().expect("few"),
            },
            [&[5, 4][..], &three].concat(),
        ),
    ];
    for (event, expected) in told {
        assert_eq!(event.encode(), expected, "{event:?}");
    }
}
