// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Answers to "was this sequenced?".

use crate::{Batches, Config, Pallet};
use ves_primitives::{
    BatchCommitment, EventId, StreamId,
    sequencer::{EventRecord, SequencedEvents},
};

impl<T: Config> SequencedEvents for Pallet<T> {
    fn event_record(stream: StreamId, event: EventId) -> Option<EventRecord> {
        Self::event_record(stream, event)
    }

    fn batch(stream: StreamId, index: u64) -> Option<BatchCommitment> {
        Batches::<T>::get(stream, index)
    }
}
