// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_ves_sequencer`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-24 in the runtime's wasm (Compiled) on AMD EPYC: 12 steps,
//! 8 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.
//! Estimates until the script runs again, derived from those measurements when signatures came to be
//! checked in batches and records became smaller: `submit_events`, `submit_commands`, `check_singly`,
//! `forget_events` and `forget_commands`.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each benchmark.
pub trait WeightInfo {
    /// `submit_events` at its worst.
    fn submit_events(n: u32) -> Weight;
    /// `submit_commands` at its worst.
    fn submit_commands(n: u32) -> Weight;
    /// `check_singly` at its worst.
    fn check_singly(n: u32) -> Weight;
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
    /// `forget_commands` at its worst.
    fn forget_commands(n: u32) -> Weight;
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
        // At least 107_861 ns.
        Weight::from_parts(110_816_000, 0)
            // Standard error: 148_757.
            .saturating_add(Weight::from_parts(30_334_476, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(7))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 256.
    fn submit_commands(n: u32) -> Weight {
        // At least 107_861 ns.
        Weight::from_parts(110_816_000, 0)
            // Standard error: 148_757.
            .saturating_add(Weight::from_parts(54_334_476, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(7))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 256.
    fn check_singly(n: u32) -> Weight {
        Weight::from_parts(33_000_000, 0).saturating_mul(n.into())
    }
    // `n` from 1 to 256.
    fn submit_events_of_authors(n: u32) -> Weight {
        // At least 110_655 ns.
        Weight::from_parts(114_681_000, 0)
            // Standard error: 306_437.
            .saturating_add(Weight::from_parts(105_006_785, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads((10_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(n.into())))
    }
    // `b` from 1 to 65536.
    fn submit_payload(b: u32) -> Weight {
        // At least 107_280 ns.
        Weight::from_parts(116_392_628, 0)
            // Standard error: 3.
            .saturating_add(Weight::from_parts(744, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(15))
            .saturating_add(T::DbWeight::get().writes(10))
    }
    // `n` from 1 to 256.
    fn authorize_submission(n: u32) -> Weight {
        // At least 31_868 ns.
        Weight::from_parts(50_339_529, 0)
            // Standard error: 36_288.
            .saturating_add(Weight::from_parts(4_222_828, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
    }
    fn forget_nothing() -> Weight {
        // At least 130 ns.
        Weight::from_parts(170_000, 0)
    }
    // `n` from 1 to 8192.
    fn forget_events(n: u32) -> Weight {
        // At least 12_929 ns.
        Weight::from_parts(13_360_000, 0)
            // Standard error: 47_487.
            .saturating_add(Weight::from_parts(4_374_673, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 8192.
    fn forget_commands(n: u32) -> Weight {
        Weight::from_parts(13_360_000, 0)
            .saturating_add(Weight::from_parts(6_374_673, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(n.into())))
    }
    // `r` from 1 to 8192.
    fn forget_runs(r: u32) -> Weight {
        // At least 12_779 ns.
        Weight::from_parts(13_580_000, 0)
            // Standard error: 62_598.
            .saturating_add(Weight::from_parts(11_451_170, 0).saturating_mul(r.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(r.into())))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(r.into())))
    }
    fn commit_block_base() -> Weight {
        // At least 1_752 ns.
        Weight::from_parts(2_083_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    // `l` from 1 to 16384.
    fn commit_leaves(l: u32) -> Weight {
        // At least 26_099 ns.
        Weight::from_parts(36_470_962, 0)
            // Standard error: 162.
            .saturating_add(Weight::from_parts(394_129, 0).saturating_mul(l.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(7))
    }
    // `s` from 1 to 1024.
    fn commit_streams(s: u32) -> Weight {
        // At least 38_518 ns.
        Weight::from_parts(39_078_000, 0)
            // Standard error: 234_258.
            .saturating_add(Weight::from_parts(44_346_907, 0).saturating_mul(s.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().reads((6_u64).saturating_mul(s.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((7_u64).saturating_mul(s.into())))
    }
    fn unlist_batches() -> Weight {
        // At least 1_202 ns.
        Weight::from_parts(1_412_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    // `n` from 0 to 16.
    fn set_relays(n: u32) -> Weight {
        // At least 98_156 ns.
        Weight::from_parts(102_909_577, 0)
            // Standard error: 2_414.
            .saturating_add(Weight::from_parts(4_727_668, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(17))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(17))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    // `p` from 0 to 32.
    fn note_anchored(p: u32) -> Weight {
        // At least 17_456 ns.
        Weight::from_parts(18_400_462, 0)
            // Standard error: 1_569.
            .saturating_add(Weight::from_parts(5_220_033, 0).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(p.into())))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(p.into())))
    }
}
