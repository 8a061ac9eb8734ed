// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The sequencer's invariants, each a named check.

use crate::{
    Batches, BlockBatches, Commands, Config, Events, EventsInBlock, OpenLeaves, OpenStreams,
    Pallet, Tips, sp_runtime::TryRuntimeError,
};
use ves_primitives::StreamTip;

impl<T: Config> Pallet<T> {
    /// Runs every check; ask between blocks.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::nothing_of_a_block_outlives_it()?;
        Self::batches_of_every_stream_form_one_chain()?;
        Self::every_sequence_has_exactly_one_event()?;
        Self::every_batch_is_listed_by_its_block()?;
        Self::every_command_names_an_event()
    }

    fn nothing_of_a_block_outlives_it() -> Result<(), TryRuntimeError> {
        let clean = OpenLeaves::<T>::iter_keys().next().is_none()
            && OpenStreams::<T>::get().is_empty()
            && EventsInBlock::<T>::get() == 0;
        clean
            .then_some(())
            .ok_or_else(|| "open batches remain after the block".into())
    }

    fn batches_of_every_stream_form_one_chain() -> Result<(), TryRuntimeError> {
        for (stream, tip) in Tips::<T>::iter() {
            let mut at = StreamTip::EMPTY;
            for index in 0..tip.batch_count {
                let batch = Batches::<T>::get(stream, index).ok_or("a batch is missing")?;
                if batch.stream_id() != stream {
                    return Err("a batch belongs to another stream".into());
                }
                batch
                    .check_continues(&at)
                    .map_err(|_| "a batch does not continue its stream")?;
                at = batch.tip();
            }
            if at != tip {
                return Err("a tip is not its last batch's".into());
            }
        }
        let counted: u64 = Tips::<T>::iter_values().map(|tip| tip.batch_count).sum();
        if Batches::<T>::iter_keys().count() as u64 != counted {
            return Err("there are batches beyond a tip".into());
        }
        Ok(())
    }

    fn every_sequence_has_exactly_one_event() -> Result<(), TryRuntimeError> {
        for (stream, tip) in Tips::<T>::iter() {
            let mut sequences: alloc::vec::Vec<u64> = Events::<T>::iter_prefix_values(stream)
                .map(|record| record.sequence)
                .collect();
            sequences.sort_unstable();
            if !sequences.into_iter().eq(1..=tip.sequence) {
                return Err("sequences of a stream are not dense".into());
            }
        }
        Ok(())
    }

    fn every_batch_is_listed_by_its_block() -> Result<(), TryRuntimeError> {
        let mut listed = 0usize;
        for (block, batches) in BlockBatches::<T>::iter() {
            for (stream, index) in batches {
                let batch = Batches::<T>::get(stream, index).ok_or("a block lists no batch")?;
                if batch.block_number != block {
                    return Err("a block lists another block's batch".into());
                }
                listed = listed.saturating_add(1);
            }
        }
        if listed != Batches::<T>::iter_keys().count() {
            return Err("a batch is listed by no block".into());
        }
        Ok(())
    }

    fn every_command_names_an_event() -> Result<(), TryRuntimeError> {
        for (stream, _, event) in Commands::<T>::iter() {
            if !Events::<T>::contains_key(stream, event) {
                return Err("a command names an unknown event".into());
            }
        }
        Ok(())
    }
}
