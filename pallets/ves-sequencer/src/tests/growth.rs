// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What events cost in state for the time being, and for ever: bytes of keys and values, without the
//! nodes of the trie above them.

use crate::{Kept, RelayList, Relays, mock::*};
use polkadot_sdk::sp_io::{hashing::twox_128, storage};
use ves_primitives::{SubmittedEvent, limits};

const RELAY: u64 = 9;
const EVENTS: u64 = 2_560;
const PER_SUBMISSION: u64 = 128;

/// Bytes of all that the sequencer holds.
fn bytes_held() -> u64 {
    let prefix = twox_128(b"Sequencer");
    let mut bytes = 0;
    let mut at = prefix.to_vec();
    while let Some(key) = storage::next_key(&at).filter(|key| key.starts_with(&prefix)) {
        let value = storage::get(&key).map_or(0, |value| value.len());
        bytes += (key.len() + value) as u64;
        at = key;
    }
    bytes
}

/// The event with this number, about one of so many entities, with a command of its own.
fn numbered(n: u64, entities: u64) -> SubmittedEvent {
    let mut event = draft(0);
    let envelope = &mut event.envelope;
    envelope.event_id.0[8..].copy_from_slice(&n.to_be_bytes());
    let entity = format!("order-{}", n % entities);
    envelope.entity_id = entity.into_bytes().try_into().expect("short");
    envelope.command_id = command(0).map(|mut command| {
        command.0[8..].copy_from_slice(&n.to_be_bytes());
        command
    });
    envelope.created_at = created_at(now_ms());
    signed(event)
}

/// One submission in each block.
fn sequence(numbers: std::ops::Range<u64>, entities: u64) {
    let numbers: Vec<_> = numbers.collect();
    for part in numbers.chunks(PER_SUBMISSION as usize) {
        let events: Vec<_> = part.iter().map(|n| numbered(*n, entities)).collect();
        submit(&events);
        assert_eq!(sequenced().len(), events.len());
        next_block();
    }
}

/// Waits until all that is ever forgotten is forgotten, anchored batches included.
fn forget() {
    let later = System::block_number() + u64::from(limits::DEDUPE_BLOCKS);
    skip_to_block(later);
    let count = crate::Tips::<Test>::get(stream()).map_or(0, |tip| tip.batch_count);
    while Kept::<Test>::get(stream()).oldest < count {
        Sequencer::note_anchored(RuntimeOrigin::signed(RELAY), stream(), count)
            .expect("a relay may report");
    }
    assert_eq!(crate::Events::<Test>::iter_keys().count(), 0);
    assert_eq!(crate::Memory::<Test>::iter_keys().count(), 0);
    assert_eq!(crate::BlockBatches::<Test>::iter_keys().count(), 0);
}

/// Bytes that so many events add: while they are remembered, and for ever. What the stream and its
/// first entities take is not theirs.
fn growth(entities: u64) -> (f64, f64) {
    let mut measured = (0.0, 0.0);
    chain(|| {
        Relays::<Test>::put(RelayList::<Test>::truncate_from(vec![RELAY]));
        let first = EVENTS..EVENTS + 10;
        sequence(first, entities);
        forget();
        let before = bytes_held();
        let per_event = |bytes: u64| (bytes - before) as f64 / EVENTS as f64;
        sequence(0..EVENTS, entities);
        let for_now = per_event(bytes_held());
        forget();
        measured = (for_now, per_event(bytes_held()));
    });
    println!(
        "{entities} entities: {:.1} bytes of state an event while remembered, {:.3} for ever",
        measured.0, measured.1
    );
    measured
}

#[test]
fn an_event_of_a_new_entity_leaves_less_than_sixty_four_bytes_for_ever() {
    let (_, for_ever) = growth(u64::MAX);
    assert!(for_ever <= 64.0, "{for_ever}");
}

#[test]
fn events_of_entities_that_exist_leave_nothing() {
    let (_, for_ever) = growth(10);
    // But for the second byte of each version above 63.
    let digits = 10.0 / EVENTS as f64;
    assert!(for_ever <= digits, "{for_ever}");
}
