// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which events are the stored ones, with the recorded requests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use recorded::record;
use serde_json::json;
use ves_gateway::stored::{envelope, is_of};
use ves_primitives::{Payload, SubmittedEvent};

/// The recorded events: plain and encrypted, of both versions.
fn events() -> Vec<SubmittedEvent> {
    let events: Vec<_> = recorded::requests().iter().map(recorded::event).collect();
    let encrypted = |event: &&SubmittedEvent| matches!(event.payload, Payload::Encrypted(_));
    assert_eq!(events.iter().filter(encrypted).count(), 2);
    assert_eq!(events.len(), 9);
    events
}

#[test]
fn the_envelope_of_a_stored_event_is_read_with_or_without_its_payload() {
    for event in events() {
        for payload in [Some(&event.payload), None] {
            let read = envelope(record(7, &event, payload)).ok().unwrap();
            assert_eq!(read, event.envelope);
        }
    }
}

#[test]
fn a_record_that_is_no_event_has_no_envelope() {
    let event = &events()[0];
    for payload in [Some(&event.payload), None] {
        let mut odd = record(7, event, payload);
        odd.event.payload_kind = 2;
        assert!(envelope(odd).is_err());
        let mut long = record(7, event, payload);
        long.event.entity_type = "x".repeat(1_000);
        assert!(envelope(long).is_err());
    }
}

#[test]
fn an_exact_replay_is_known_with_or_without_the_stored_payload() {
    for event in events() {
        assert!(is_of(&record(7, &event, Some(&event.payload)), &event));
        assert!(is_of(&record(7, &event, None), &event));
    }
}

#[test]
fn another_event_with_the_same_id_is_not_the_stored_one() {
    for event in events() {
        let mut others = vec![event.clone(); 6];
        others[0].envelope.agent_signature.0[63] ^= 1;
        others[1].envelope.payload_plain_hash.0[0] ^= 1;
        others[2].envelope.payload_cipher_hash.0[0] ^= 1;
        others[3].envelope.entity_id = b"ORD-002".to_vec().try_into().unwrap();
        others[4].envelope.base_version = Some(41);
        others[5].envelope.created_at = b"2025-12-20T17:51:10.244Z".to_vec().try_into().unwrap();
        for payload in [Some(&event.payload), None] {
            let stored = record(7, &event, payload);
            for other in &others {
                assert_eq!(other.envelope.event_id, event.envelope.event_id);
                assert!(!is_of(&stored, other));
            }
            let mut signed_otherwise = stored.clone();
            signed_otherwise.event_signing_hash.0[0] ^= 1;
            assert!(!is_of(&signed_otherwise, &event));
        }
    }
}

#[test]
fn a_stored_payload_is_compared_too() {
    let event = events().swap_remove(0);
    let mut stored = record(7, &event, Some(&event.payload));
    stored.event.payload = Some(json!({"orderId": "ORD-002"}));
    assert!(!is_of(&stored, &event));
    stored.event.payload = None;
    stored.event.payload_raw_b64u = Some("e30".into());
    assert!(!is_of(&stored, &event));
}
