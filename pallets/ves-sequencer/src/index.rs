// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A block told to an indexer by the block's own runtime, so that no indexer has to decode
//! extrinsics of past and future runtime versions.

use crate::{Config, Event, Pallet, frame_system, sp_runtime::SaturatedConversion};
use alloc::{vec, vec::Vec};
use ves_primitives::{
    EventId, StreamId, SubmittedEvent,
    sequencer::{BlockIndex, IndexedEvent, IndexedRejection, Rejection},
};

/// What became of one event.
#[derive(Clone, Copy)]
enum Outcome {
    Sequenced(StreamId, u64),
    Replayed,
    Rejected(StreamId, EventId, Rejection),
}

/// What a pallet event says, event by event.
fn outcomes_of<T: Config>(event: Event<T>) -> alloc::vec::IntoIter<Outcome> {
    let outcomes = match event {
        Event::EventsSequenced {
            stream_id,
            first_sequence,
            event_ids,
        } => (first_sequence..)
            .zip(event_ids)
            .map(|(sequence, _)| Outcome::Sequenced(stream_id, sequence))
            .collect(),
        Event::EventReplayed { .. } => vec![Outcome::Replayed],
        Event::EventRejected {
            stream_id,
            event_id,
            reason,
        } => vec![Outcome::Rejected(stream_id, event_id, reason)],
        _ => vec![],
    };
    outcomes.into_iter()
}

impl<T: Config> Pallet<T> {
    /// Joins the submissions of the current block with what became of them.
    ///
    /// `submissions` are the block's `submit_events` calls with their extrinsic index;
    /// `outcomes` are this pallet's events with the extrinsic index of their phase. They name each
    /// event of a submission exactly once, in order; that is what joins them.
    pub fn index_block(
        time_ms: u64,
        submissions: Vec<(u32, Vec<SubmittedEvent>)>,
        outcomes: Vec<(u32, Event<T>)>,
    ) -> BlockIndex {
        let number = frame_system::Pallet::<T>::block_number().saturated_into();
        let mut index = BlockIndex {
            time_ms,
            batches: Self::batches_in_block(number),
            ..BlockIndex::default()
        };
        let mut outcomes = outcomes
            .into_iter()
            .flat_map(|(at, event)| outcomes_of(event).map(move |outcome| (at, outcome)))
            .peekable();
        for (extrinsic_index, events) in submissions {
            // Outcomes of extrinsics without a decoded submission belong to nobody here.
            while outcomes.next_if(|(at, _)| *at < extrinsic_index).is_some() {}
            for event in events {
                let Some((_, outcome)) = outcomes.next_if(|(at, _)| *at == extrinsic_index) else {
                    break;
                };
                match outcome {
                    Outcome::Sequenced(stream_id, sequence) => {
                        let Ok(signing_hash) = event.envelope.signing_hash() else {
                            continue;
                        };
                        index.events.push(IndexedEvent {
                            stream_id,
                            sequence,
                            extrinsic_index,
                            leaf: event.envelope.leaf_hash(sequence, &signing_hash),
                            receipt: event.envelope.receipt_hash(sequence, &signing_hash),
                            event,
                        });
                    }
                    Outcome::Rejected(stream_id, event_id, reason) => {
                        index.rejections.push(IndexedRejection {
                            stream_id,
                            event_id,
                            extrinsic_index,
                            reason,
                        });
                    }
                    Outcome::Replayed => {}
                }
            }
        }
        index
    }
}
