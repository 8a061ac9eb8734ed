// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Remembering what was sequenced, and forgetting events whose age alone would refuse them.

use crate::{
    Commands, Config, Events, ForgetNext, Forgotten, Memory, MemoryIndex, Pallet, Remembered,
    frame_support::{traits::Get, weights::Weight},
    frame_system::pallet_prelude::BlockNumberFor,
    sp_io,
    sp_runtime::SaturatedConversion,
    weights::WeightInfo,
};
use codec::Encode;
use ves_primitives::{CommandId, EventId, StreamId, limits, sequencer::EventRecord};

/// Most empty blocks passed over in one block: more than come to be in one.
pub(crate) const MAX_STEPS: u32 = 64;

/// Key of an event or a command in state: the first 48 bits of its id, then 96 bits of a hash of
/// stream and id.
///
/// A UUID of version 7 begins with its time (RFC 9562 §5.7). Ids of one moment are neighbours in the
/// trie then, so that a block touches few of its nodes, however many are remembered. Other ids are as
/// scattered as their hashes would be. Whoever chooses ids to lie deep makes twelve nodes of a path at
/// most.
pub(crate) type IdKey = [u8; 18];

/// Key of an entity in state: 128 bits of a hash of stream and name.
pub(crate) type EntityKey = [u8; 16];

fn id_key(stream: StreamId, id: [u8; 16]) -> IdKey {
    let hash = (stream, id).using_encoded(sp_io::hashing::blake2_128);
    let mut key = [0; 18];
    let (time, rest) = key.split_at_mut(6);
    time.iter_mut().zip(id).for_each(|(to, from)| *to = from);
    rest.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    key
}

/// Key of an event.
pub(crate) fn event_key(stream: StreamId, event: EventId) -> IdKey {
    id_key(stream, event.0)
}

/// Key of a command.
pub(crate) fn command_key(stream: StreamId, command: CommandId) -> IdKey {
    id_key(stream, command.0)
}

/// Key of an entity. The lengths in the SCALE encoding keep ("a", "bc") and ("ab", "c") apart.
pub(crate) fn entity_key(stream: StreamId, entity_type: &[u8], entity_id: &[u8]) -> EntityKey {
    (stream, entity_type, entity_id).using_encoded(sp_io::hashing::blake2_128)
}

/// The run looked into last: events that were sequenced together are asked for together.
#[derive(Default)]
pub(crate) struct Recollection(Option<(u32, u16, Remembered)>);

impl Recollection {
    /// What is remembered under this key.
    pub(crate) fn recall<T: Config>(&mut self, event: IdKey) -> Option<EventRecord> {
        let index = Events::<T>::get(event)?;
        let run = match &self.0 {
            Some((block, run, known)) if (*block, *run) == (index.block, index.run) => known,
            _ => {
                let run = Memory::<T>::get(index.block, index.run)?;
                &self.0.insert((index.block, index.run, run)).2
            }
        };
        record(index, run)
    }
}

/// The record of the event at this index of its run.
fn record(index: MemoryIndex, run: &Remembered) -> Option<EventRecord> {
    let event = run.events.get(usize::from(index.position))?;
    Some(EventRecord {
        sequence: run.first_sequence.saturating_add(index.position.into()),
        block_number: index.block,
        leaf: event.leaf,
    })
}

impl<T: Config> Pallet<T> {
    /// What the chain remembers of an event.
    pub fn event_record(stream: StreamId, event: EventId) -> Option<EventRecord> {
        let index = Events::<T>::get(event_key(stream, event))?;
        let run = Memory::<T>::get(index.block, index.run)?;
        let found = run.events.get(usize::from(index.position))?;
        // Two events may have one key.
        (run.stream_id == stream && found.event_id == event)
            .then(|| record(index, &run))
            .flatten()
    }

    /// What forgetting may weigh in one block before it begins its last run: so much that it keeps up
    /// with what blocks take in beside it, which `integrity_test` checks.
    pub(crate) fn forgetting_budget() -> Weight {
        T::BlockWeights::get().max_block.div(3)
    }

    /// Forgets whole runs, oldest first, until the window begins or the budget is used up.
    pub(crate) fn forget_old_events(now: BlockNumberFor<T>, budget: Weight) -> Weight {
        let now: u32 = now.saturated_into();
        let Some(last_block) = now.checked_sub(limits::DEDUPE_BLOCKS) else {
            return T::WeightInfo::forget_nothing();
        };
        let begun_at = Forgotten::<T>::get();
        let mut next = begun_at;
        let (mut events, mut commands, mut runs, mut steps) = (0u32, 0u32, 0u32, 0u32);
        while next.block <= last_block
            && steps < MAX_STEPS
            && Self::weight_of_forgetting(events, commands, runs).all_lt(budget)
        {
            let Some(run) = Memory::<T>::take(next.block, next.run) else {
                next = ForgetNext {
                    block: next.block.saturating_add(1),
                    run: 0,
                };
                steps = steps.saturating_add(1);
                continue;
            };
            runs = runs.saturating_add(1);
            for event in &run.events {
                Events::<T>::remove(event_key(run.stream_id, event.event_id));
                events = events.saturating_add(1);
                if let Some(command) = event.command_id {
                    Commands::<T>::remove(command_key(run.stream_id, command));
                    commands = commands.saturating_add(1);
                }
            }
            next.run = next.run.saturating_add(1);
        }
        if next != begun_at {
            Forgotten::<T>::put(next);
        }
        Self::weight_of_forgetting(events, commands, runs.saturating_add(steps))
    }

    pub(crate) fn weight_of_forgetting(events: u32, commands: u32, runs: u32) -> Weight {
        T::WeightInfo::forget_nothing()
            .saturating_add(T::WeightInfo::forget_events(events))
            .saturating_add(
                T::WeightInfo::forget_commands(commands)
                    .saturating_sub(T::WeightInfo::forget_events(commands)),
            )
            .saturating_add(T::WeightInfo::forget_runs(runs))
    }
}
