// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_ves_sequencer`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-24 in the runtime's wasm (Compiled) on AMD EPYC: 16 steps,
//! 10 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

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
    /// `forget_nothing` at its worst.
    fn forget_nothing() -> Weight;
    /// `forget_events` at its worst.
    fn forget_events(n: u32) -> Weight;
    /// `forget_runs` at its worst.
    fn forget_runs(r: u32) -> Weight;
    /// `commit_block_base` at its worst.
    fn commit_block_base() -> Weight;
    /// `commit_leaves` at its worst.
    fn commit_leaves(l: u32) -> Weight;
    /// `commit_streams` at its worst.
    fn commit_streams(s: u32) -> Weight;
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
    // `n` from 1 to 256.
    fn submit_events(n: u32) -> Weight {
        // At least 111_727 ns.
        Weight::from_parts(395_780_392, 0)
            // Standard error: 968_466.
            .saturating_add(Weight::from_parts(47_444_236, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(7))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 256.
    fn submit_events_of_authors(n: u32) -> Weight {
        // At least 107_310 ns.
        Weight::from_parts(109_794_000, 0)
            // Standard error: 1_327_248.
            .saturating_add(Weight::from_parts(127_095_808, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads((10_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(n.into())))
    }
    // `b` from 1 to 65536.
    fn submit_payload(b: u32) -> Weight {
        // At least 105_598 ns.
        Weight::from_parts(117_463_017, 0)
            // Standard error: 7.
            .saturating_add(Weight::from_parts(741, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(15))
            .saturating_add(T::DbWeight::get().writes(10))
    }
    // `n` from 1 to 256.
    fn authorize_submission(n: u32) -> Weight {
        // At least 23_365 ns.
        Weight::from_parts(52_328_482, 0)
            // Standard error: 43_815.
            .saturating_add(Weight::from_parts(3_911_122, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
    }
    fn forget_nothing() -> Weight {
        // At least 120 ns.
        Weight::from_parts(160_000, 0)
    }
    // `n` from 1 to 8192.
    fn forget_events(n: u32) -> Weight {
        // At least 12_308 ns.
        Weight::from_parts(12_719_000, 0)
            // Standard error: 34_195.
            .saturating_add(Weight::from_parts(4_811_518, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(n.into())))
    }
    // `r` from 1 to 8192.
    fn forget_runs(r: u32) -> Weight {
        // At least 12_158 ns.
        Weight::from_parts(432_044_831, 0)
            // Standard error: 179_627.
            .saturating_add(Weight::from_parts(12_769_696, 0).saturating_mul(r.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(r.into())))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(r.into())))
    }
    fn commit_block_base() -> Weight {
        // At least 1_683 ns.
        Weight::from_parts(1_973_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    // `l` from 1 to 16384.
    fn commit_leaves(l: u32) -> Weight {
        // At least 21_963 ns.
        Weight::from_parts(23_475_000, 0)
            // Standard error: 1_346.
            .saturating_add(Weight::from_parts(394_598, 0).saturating_mul(l.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(7))
    }
    // `s` from 1 to 1024.
    fn commit_streams(s: u32) -> Weight {
        // At least 23_045 ns.
        Weight::from_parts(23_585_000, 0)
            // Standard error: 242_795.
            .saturating_add(Weight::from_parts(21_456_656, 0).saturating_mul(s.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(s.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((4_u64).saturating_mul(s.into())))
    }
    fn unlist_batches() -> Weight {
        Weight::from_parts(20_000_000, 0)
    }
    fn set_relays(n: u32) -> Weight {
        Weight::from_parts(20_000_000 * u64::from(n), 0)
    }
    fn note_anchored(p: u32) -> Weight {
        Weight::from_parts(50_000_000 * u64::from(p), 0)
    }
}
