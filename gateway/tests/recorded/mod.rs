// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Recorded requests of the peer's clients, and their events as a node's store has them.

use serde_json::Value;
use ves_primitives::{
    LeafHash, Payload, ReceiptHash, SubmittedEvent,
    wire::{EventJson, SequencedEventJson},
};

/// The bodies of the requests, each with one event.
pub(crate) fn requests() -> Vec<Value> {
    let text = include_str!("../../../tests/gateway/fixtures.json");
    let recorded: Value = serde_json::from_str(text).unwrap();
    let requests = recorded["requests"].as_array().unwrap().iter();
    requests.map(|one| one["request"].clone()).collect()
}

/// The event of a request.
pub(crate) fn event(request: &Value) -> SubmittedEvent {
    let json: EventJson = serde_json::from_value(request["events"][0].clone()).unwrap();
    SubmittedEvent::try_from(&json).unwrap()
}

/// An event as a node's store has it, with a payload or without.
pub(crate) fn record(
    sequence: u64,
    event: &SubmittedEvent,
    payload: Option<&Payload>,
) -> SequencedEventJson {
    SequencedEventJson {
        stream_id: event.envelope.stream_id(),
        sequence,
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
