// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The sequencer's invariants, each a named check.

use crate::{
    Batches, BlockBatches, Commands, Config, EntityVersions, Events, Forgotten, Kept, Load, Memory,
    MemoryIndex, OpenBatches, OpenStreams, Pallet, Tips,
    dedupe::{command_key, event_key},
    frame_system,
    sp_runtime::{SaturatedConversion, TryRuntimeError},
};
use alloc::{collections::BTreeMap, vec::Vec};
use ves_primitives::{StreamId, StreamTip, limits};

impl<T: Config> Pallet<T> {
    /// Runs every check; ask between blocks.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::nothing_of_a_block_outlives_it()?;
        Self::kept_batches_of_every_stream_form_one_chain()?;
        Self::remembered_events_end_at_the_tip_without_a_gap()?;
        Self::what_is_remembered_will_be_forgotten()?;
        Self::versions_count_the_events_of_entities()?;
        Self::every_recent_batch_is_listed_by_its_block()
    }

    fn nothing_of_a_block_outlives_it() -> Result<(), TryRuntimeError> {
        let clean = OpenBatches::<T>::iter_keys().next().is_none()
            && OpenStreams::<T>::get().is_empty()
            && !Load::<T>::exists();
        clean
            .then_some(())
            .ok_or_else(|| "open batches remain after the block".into())
    }

    fn kept_batches_of_every_stream_form_one_chain() -> Result<(), TryRuntimeError> {
        let mut counted = 0u64;
        for (stream, tip) in Tips::<T>::iter() {
            let kept = Kept::<T>::get(stream);
            if kept.anchored > tip.batch_count {
                return Err("more batches are anchored than a stream has".into());
            }
            let held = tip.batch_count.checked_sub(kept.oldest);
            let held = held.ok_or("the oldest batch lies beyond the tip")?;
            counted = counted.saturating_add(held);
            // Where the oldest one begins was checked while its predecessor was there.
            let mut at = None;
            for index in kept.oldest..tip.batch_count {
                let batch = Batches::<T>::get(stream, index).ok_or("a batch is missing")?;
                if batch.stream_id() != stream {
                    return Err("a batch belongs to another stream".into());
                }
                let begin = at.unwrap_or_else(|| StreamTip {
                    sequence: batch.sequence_start.saturating_sub(1),
                    state_root: batch.prev_state_root,
                    batch_count: index,
                });
                if index == 0 && begin != StreamTip::EMPTY {
                    return Err("a first batch does not begin its stream".into());
                }
                batch
                    .check_continues(&begin)
                    .map_err(|_| "a batch does not continue its stream")?;
                at = Some(batch.tip());
            }
            if at.is_some_and(|at| at != tip) {
                return Err("a tip is not its last batch's".into());
            }
        }
        if Batches::<T>::iter_keys().count() as u64 != counted {
            return Err("there are batches beyond a tip or below the oldest".into());
        }
        if Kept::<T>::iter_keys().any(|stream| !Tips::<T>::contains_key(stream)) {
            return Err("batches of a stream without a tip are anchored".into());
        }
        Ok(())
    }

    fn remembered_events_end_at_the_tip_without_a_gap() -> Result<(), TryRuntimeError> {
        let mut sequences = BTreeMap::<StreamId, Vec<u64>>::new();
        for run in Memory::<T>::iter_values() {
            let places = (run.first_sequence..).take(run.events.len());
            sequences.entry(run.stream_id).or_default().extend(places);
        }
        for (stream, mut sequences) in sequences {
            let tip = Tips::<T>::get(stream).ok_or("there are events of a stream without a tip")?;
            sequences.sort_unstable();
            let first = sequences
                .first()
                .copied()
                .unwrap_or_else(|| tip.sequence.saturating_add(1));
            if !sequences.into_iter().eq(first..=tip.sequence) {
                return Err("sequences of a stream are not dense".into());
            }
        }
        Ok(())
    }

    fn what_is_remembered_will_be_forgotten() -> Result<(), TryRuntimeError> {
        let next = Forgotten::<T>::get();
        let (mut events, mut commands) = (0usize, 0usize);
        for (block, run, remembered) in Memory::<T>::iter() {
            if (block, run) < (next.block, next.run) {
                return Err("a run was passed over when it was to be forgotten".into());
            }
            for (position, event) in (0u8..=u8::MAX).zip(&remembered.events) {
                let index = MemoryIndex {
                    block,
                    run,
                    position,
                };
                let stream = remembered.stream_id;
                if Events::<T>::get(event_key(stream, event.event_id)) != Some(index) {
                    return Err("an event was forgotten too early".into());
                }
                events = events.saturating_add(1);
                if let Some(command) = event.command_id {
                    if Commands::<T>::get(command_key(stream, command)) != Some(index) {
                        return Err("a command was forgotten too early".into());
                    }
                    commands = commands.saturating_add(1);
                }
            }
        }
        if Events::<T>::iter_keys().count() != events {
            return Err("an event would never be forgotten".into());
        }
        if Commands::<T>::iter_keys().count() != commands {
            return Err("a command would never be forgotten".into());
        }
        Ok(())
    }

    fn versions_count_the_events_of_entities() -> Result<(), TryRuntimeError> {
        let sequenced: u64 = Tips::<T>::iter_values().map(|tip| tip.sequence).sum();
        let counted: u64 = EntityVersions::<T>::iter_values()
            .map(|version| version.0)
            .sum();
        if sequenced != counted {
            return Err("versions of entities do not add up to the events".into());
        }
        Ok(())
    }

    fn every_recent_batch_is_listed_by_its_block() -> Result<(), TryRuntimeError> {
        let now: u32 = frame_system::Pallet::<T>::block_number().saturated_into();
        let is_old = |block: u32| now.saturating_sub(block) >= limits::ANCHORED_RETENTION_BLOCKS;
        let mut listed = 0usize;
        for (block, batches) in BlockBatches::<T>::iter() {
            if is_old(block) {
                return Err("a block's list was not dropped".into());
            }
            for (stream, index) in batches {
                let batch = Batches::<T>::get(stream, index).ok_or("a block lists no batch")?;
                if batch.block_number != block {
                    return Err("a block lists another block's batch".into());
                }
                listed = listed.saturating_add(1);
            }
        }
        let recent = Batches::<T>::iter_values().filter(|batch| !is_old(batch.block_number));
        if listed != recent.count() {
            return Err("a recent batch is listed by no block".into());
        }
        Ok(())
    }
}
