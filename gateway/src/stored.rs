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
