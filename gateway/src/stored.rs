// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events as the node's event store has them: with their payloads, or without, since a node may be told
//! to forget payloads. What an event is, the envelope alone decides: it holds the hashes of the payload.

use crate::error::{Answer, ApiError};
use ves_primitives::{
    Envelope, SubmittedEvent,
    wire::{EventJson, SequencedEventJson},
};
use ves_verify::rules;

/// The envelope of a stored event, whether or not its payload is still there.
///
/// # Errors
/// 502 if the record is no event.
pub fn envelope(mut record: SequencedEventJson) -> Answer<Envelope> {
    let event = &mut record.event;
    event.payload = None;
    event.payload_raw_b64u = None;
    event.payload_encrypted = None;
    rules::pruned_form(&record)
        .map(|event| event.envelope)
        .map_err(|_| ApiError::node("the node's event is none"))
}

/// Whether exactly this event is what is stored, its signature included. Its payload must have been
/// checked against the envelope ([`SubmittedEvent::check`]): one that the node has forgotten can be
/// compared by its hashes only.
pub fn is_of(record: &SequencedEventJson, event: &SubmittedEvent) -> bool {
    let payload = (!rules::is_pruned(record)).then_some(&event.payload);
    record.event == EventJson::of(&event.envelope, payload)
        && event
            .envelope
            .signing_hash()
            .is_ok_and(|hash| hash == record.event_signing_hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use ves_primitives::{LeafHash, Payload, ReceiptHash};

    /// The recorded events: plain and encrypted, of both versions.
    fn recorded() -> Vec<SubmittedEvent> {
        let text = include_str!("../../tests/gateway/fixtures.json");
        let recorded: Value = serde_json::from_str(text).unwrap();
        let events: Vec<SubmittedEvent> = recorded["requests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|request| {
                let json: EventJson =
                    serde_json::from_value(request["request"]["events"][0].clone()).unwrap();
                SubmittedEvent::try_from(&json).unwrap()
            })
            .collect();
        let encrypted = |event: &&SubmittedEvent| matches!(event.payload, Payload::Encrypted(_));
        assert_eq!(events.iter().filter(encrypted).count(), 2);
        assert_eq!(events.len(), 9);
        events
    }

    fn record(event: &SubmittedEvent, payload: Option<&Payload>) -> SequencedEventJson {
        SequencedEventJson {
            stream_id: event.envelope.stream_id(),
            sequence: 7,
            block_number: 3,
            block_hash: [3; 32],
            block_time_ms: 1_000,
            extrinsic_index: 1,
            event_signing_hash: event.envelope.signing_hash().unwrap(),
            leaf_hash: LeafHash([1; 32]),
            receipt_hash: ReceiptHash([2; 32]),
            event: EventJson::of(&event.envelope, payload),
        }
    }

    #[test]
    fn the_envelope_of_a_stored_event_is_read_with_or_without_its_payload() {
        for event in recorded() {
            for payload in [Some(&event.payload), None] {
                let read = envelope(record(&event, payload)).ok().unwrap();
                assert_eq!(read, event.envelope);
            }
        }
    }

    #[test]
    fn a_record_that_is_no_event_has_no_envelope() {
        let event = &recorded()[0];
        for payload in [Some(&event.payload), None] {
            let mut odd = record(event, payload);
            odd.event.payload_kind = 2;
            assert!(envelope(odd).is_err());
            let mut long = record(event, payload);
            long.event.entity_type = "x".repeat(1_000);
            assert!(envelope(long).is_err());
        }
    }

    #[test]
    fn an_exact_replay_is_known_with_or_without_the_stored_payload() {
        for event in recorded() {
            assert!(is_of(&record(&event, Some(&event.payload)), &event));
            assert!(is_of(&record(&event, None), &event));
        }
    }

    #[test]
    fn another_event_with_the_same_id_is_not_the_stored_one() {
        for event in recorded() {
            let mut others = vec![event.clone(); 6];
            others[0].envelope.agent_signature.0[63] ^= 1;
            others[1].envelope.payload_plain_hash.0[0] ^= 1;
            others[2].envelope.payload_cipher_hash.0[0] ^= 1;
            others[3].envelope.entity_id = b"ORD-002".to_vec().try_into().unwrap();
            others[4].envelope.base_version = Some(41);
            others[5].envelope.created_at =
                b"2025-12-20T17:51:10.244Z".to_vec().try_into().unwrap();
            for payload in [Some(&event.payload), None] {
                let stored = record(&event, payload);
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
        let event = recorded().swap_remove(0);
        let mut stored = record(&event, Some(&event.payload));
        stored.event.payload = Some(json!({"orderId": "ORD-002"}));
        assert!(!is_of(&stored, &event));
        stored.event.payload = None;
        stored.event.payload_raw_b64u = Some("e30".into());
        assert!(!is_of(&stored, &event));
    }
}
