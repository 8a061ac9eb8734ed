// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Answers to "was this sequenced?".

use crate::{Batches, Config, Events, Pallet, sequence::fingerprint};
use ves_primitives::{
    BatchCommitment, Envelope, EventId, StreamId,
    sequencer::{EventRecord, SequencedEvents},
};

impl<T: Config> SequencedEvents for Pallet<T> {
    fn event_record(stream: StreamId, event: EventId) -> Option<EventRecord> {
        Events::<T>::get(stream, event)
    }

    fn batch(stream: StreamId, index: u64) -> Option<BatchCommitment> {
        Batches::<T>::get(stream, index)
    }

    fn is_record_of(record: &EventRecord, envelope: &Envelope) -> bool {
        record.fingerprint == fingerprint(envelope)
    }
}
