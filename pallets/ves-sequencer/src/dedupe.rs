// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Forgetting events whose age alone would refuse them.

use crate::{
    Commands, Config, Events, ForgetNext, Forgotten, Memory, Pallet,
    frame_support::weights::Weight, frame_system::pallet_prelude::BlockNumberFor,
    sp_runtime::SaturatedConversion, weights::WeightInfo,
};
use ves_primitives::limits;

/// Most empty blocks passed over in one block: more than come to be in one.
pub(crate) const MAX_STEPS: u32 = 64;

impl<T: Config> Pallet<T> {
    /// Forgets whole runs, oldest first, until the window begins or the block has done its share.
    pub(crate) fn forget_old_events(now: BlockNumberFor<T>) -> Weight {
        let now: u32 = now.saturated_into();
        let Some(last_block) = now.checked_sub(limits::DEDUPE_BLOCKS) else {
            return T::WeightInfo::forget_nothing();
        };
        let begun_at = Forgotten::<T>::get();
        let mut next = begun_at;
        let (mut events, mut runs, mut steps) = (0u32, 0u32, 0u32);
        while next.block <= last_block
            && events < limits::MAX_FORGOTTEN_PER_BLOCK
            && steps < MAX_STEPS
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
            for (event, command) in &run.events {
                Events::<T>::remove(run.stream_id, event);
                if let Some(command) = command {
                    Commands::<T>::remove(run.stream_id, command);
                }
                events = events.saturating_add(1);
            }
            next.run = next.run.saturating_add(1);
        }
        if next != begun_at {
            Forgotten::<T>::put(next);
        }
        T::WeightInfo::forget_nothing()
            .saturating_add(T::WeightInfo::forget_events(events))
            .saturating_add(T::WeightInfo::forget_runs(runs.saturating_add(steps)))
    }
}
