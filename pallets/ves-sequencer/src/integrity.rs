// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether the limits of the protocol fit each other, and a runtime them.

use crate::{
    Config, Pallet,
    admission::Size,
    dedupe,
    frame_support::{dispatch::DispatchClass, weights::Weight},
    frame_system::limits::{BlockLength, BlockWeights},
    weights::WeightInfo,
};
use codec::MaxEncodedLen;
use ves_primitives::{SubmittedEvent, limits};

// A full submission, and one whose events are all of different streams, must fit into a block.
const _: () = assert!(limits::MAX_EVENTS_PER_SUBMISSION <= limits::MAX_EVENTS_PER_BLOCK);
const _: () = assert!(limits::MAX_EVENTS_PER_SUBMISSION <= limits::MAX_STREAMS_PER_BLOCK);
// What `MemoryIndex` has room for.
const _: () = assert!(limits::MAX_EVENTS_PER_BLOCK <= u16::MAX as u32);
const _: () = assert!(limits::MAX_EVENTS_PER_SUBMISSION <= u8::MAX as u32 + 1);
// An event must be remembered until its age refuses it, however far ahead its clock was, and be of
// some age before: blocks do not follow faster than slots.
const _: () = assert!(
    limits::DEDUPE_BLOCKS as u64 * limits::SLOT_MS
        > limits::EVENT_WINDOW_MS + limits::EVENT_SKEW_MS
);
// A stream must lose batches faster than it gets them.
const _: () = assert!(limits::MAX_PRUNED_PER_COMMIT > 1);
// A batch that a block lists must be there.
const _: () = assert!(limits::ANCHORED_RETENTION_BLOCKS <= limits::UNANCHORED_RETENTION_BLOCKS);

impl<T: Config> Pallet<T> {
    /// The dearest submission there can be, its authorisation included.
    fn dearest_submission(length: &BlockLength) -> Weight {
        let most = limits::MAX_EVENTS_PER_SUBMISSION;
        let size = Size {
            events: most,
            bytes: *length.max.get(DispatchClass::Normal),
            commands: most,
            changes: most,
        };
        Self::weight_of_size(size).saturating_add(T::WeightInfo::authorize_submission(most))
    }

    /// The most that the hooks take for themselves.
    fn dearest_hooks() -> Weight {
        // The last run begins within the budget and is taken whole.
        let last = limits::MAX_EVENTS_PER_SUBMISSION;
        Self::forgetting_budget()
            .saturating_add(Self::weight_of_forgetting(
                last,
                last,
                1 + dedupe::MAX_STEPS,
            ))
            .saturating_add(T::WeightInfo::unlist_batches())
            .saturating_add(Self::weight_of_empty_commit())
    }

    /// Whether blocks that are full of submissions like this one, one after another, forget as many
    /// events as they take in.
    fn forgets_what_it_takes_in(size: Size, max_block: Weight) -> bool {
        let budget = Self::forgetting_budget();
        let left = max_block.saturating_sub(budget).ref_time();
        let submission = Self::honest_weight_of_size(size).ref_time();
        let runs = left.checked_div(submission).unwrap_or(u64::MAX);
        let all =
            |of_each: u32| u32::try_from(runs.saturating_mul(of_each.into())).unwrap_or(u32::MAX);
        Self::weight_of_forgetting(all(size.events), all(size.commands), all(1)).all_lte(budget)
    }

    /// Whether every submission that the protocol allows has a chance to be included, and memory a
    /// bound.
    pub(crate) fn check_runtime(
        weights: &BlockWeights,
        length: &BlockLength,
    ) -> Result<(), &'static str> {
        let normal = weights.get(DispatchClass::Normal);
        let submission = Self::dearest_submission(length);
        if normal
            .max_extrinsic
            .is_some_and(|most| submission.any_gt(most))
        {
            return Err("the dearest submission is too heavy for a transaction");
        }
        let together = Self::dearest_hooks()
            .saturating_add(weights.base_block)
            .saturating_add(normal.base_extrinsic)
            .saturating_add(submission);
        if together.any_gt(weights.max_block) {
            return Err("the hooks leave no room for the dearest submission");
        }
        let keeps_up = [1, limits::MAX_EVENTS_PER_SUBMISSION]
            .into_iter()
            .flat_map(|events| [(events, 0), (events, events)])
            .all(|(events, commands)| {
                let size = Size {
                    events,
                    bytes: 0,
                    commands,
                    changes: 1,
                };
                Self::forgets_what_it_takes_in(size, weights.max_block)
            });
        if !keeps_up {
            return Err("events are taken in faster than they are forgotten");
        }
        if SubmittedEvent::max_encoded_len() > *length.max.get(DispatchClass::Normal) as usize {
            return Err("the longest event is too long for a block");
        }
        Ok(())
    }
}
