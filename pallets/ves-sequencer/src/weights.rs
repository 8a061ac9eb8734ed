// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_ves_sequencer`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-27 in the runtime's wasm (Compiled) on AMD EPYC: 12 steps,
//! 8 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

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
        // At least 144_264 ns.
        Weight::from_parts(191_226_869, 0)
            // Standard error: 307_293.
            .saturating_add(Weight::from_parts(23_491_191, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().reads((2_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(6))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 256.
    fn submit_commands(n: u32) -> Weight {
        // At least 174_268 ns.
        Weight::from_parts(365_271_317, 0)
            // Standard error: 1_147_222.
            .saturating_add(Weight::from_parts(31_358_974, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().reads((3_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(6))
            .saturating_add(T::DbWeight::get().writes((3_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 256.
    fn check_singly(n: u32) -> Weight {
        // At least 44_356 ns.
        Weight::from_parts(45_227_000, 0)
            // Standard error: 495_411.
            .saturating_add(Weight::from_parts(41_501_521, 0).saturating_mul(n.into()))
    }
    // `n` from 1 to 256.
    fn submit_events_of_authors(n: u32) -> Weight {
        // At least 153_207 ns.
        Weight::from_parts(116_612_939, 0)
            // Standard error: 3_210_099.
            .saturating_add(Weight::from_parts(100_666_405, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().reads((9_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((5_u64).saturating_mul(n.into())))
    }
    // `b` from 1 to 65536.
    fn submit_payload(b: u32) -> Weight {
        // At least 143_493 ns.
        Weight::from_parts(168_444_945, 0)
            // Standard error: 22.
            .saturating_add(Weight::from_parts(1_224, 0).saturating_mul(b.into()))
            .saturating_add(T::DbWeight::get().reads(14))
            .saturating_add(T::DbWeight::get().writes(8))
    }
    // `n` from 1 to 256.
    fn authorize_submission(n: u32) -> Weight {
        // At least 49_003 ns.
        Weight::from_parts(69_365_189, 0)
            // Standard error: 86_019.
            .saturating_add(Weight::from_parts(5_253_922, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
    }
    fn forget_nothing() -> Weight {
        // At least 170 ns.
        Weight::from_parts(230_000, 0)
    }
    // `n` from 1 to 8192.
    fn forget_events(n: u32) -> Weight {
        // At least 15_213 ns.
        Weight::from_parts(16_284_000, 0)
            // Standard error: 1_556.
            .saturating_add(Weight::from_parts(2_109_913, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    // `n` from 1 to 8192.
    fn forget_commands(n: u32) -> Weight {
        // At least 17_226 ns.
        Weight::from_parts(17_796_000, 0)
            // Standard error: 8_995.
            .saturating_add(Weight::from_parts(4_300_479, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(n.into())))
    }
    // `r` from 1 to 8192.
    fn forget_runs(r: u32) -> Weight {
        // At least 16_043 ns.
        Weight::from_parts(17_025_000, 0)
            // Standard error: 142_741.
            .saturating_add(Weight::from_parts(12_076_179, 0).saturating_mul(r.into()))
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(r.into())))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((2_u64).saturating_mul(r.into())))
    }
    fn commit_block_base() -> Weight {
        // At least 2_123 ns.
        Weight::from_parts(2_543_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    // `l` from 1 to 16384.
    fn commit_leaves(l: u32) -> Weight {
        // At least 34_281 ns.
        Weight::from_parts(50_186_024, 0)
            // Standard error: 1_370.
            .saturating_add(Weight::from_parts(639_390, 0).saturating_mul(l.into()))
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(6))
    }
    // `s` from 1 to 1024.
    fn commit_streams(s: u32) -> Weight {
        // At least 52_137 ns.
        Weight::from_parts(52_659_000, 0)
            // Standard error: 559_711.
            .saturating_add(Weight::from_parts(62_671_863, 0).saturating_mul(s.into()))
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().reads((6_u64).saturating_mul(s.into())))
            .saturating_add(T::DbWeight::get().writes(3))
            .saturating_add(T::DbWeight::get().writes((6_u64).saturating_mul(s.into())))
    }
    fn unlist_batches() -> Weight {
        // At least 1_632 ns.
        Weight::from_parts(2_253_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    // `n` from 0 to 16.
    fn set_relays(n: u32) -> Weight {
        // At least 124_114 ns.
        Weight::from_parts(130_484_419, 0)
            // Standard error: 7_423.
            .saturating_add(Weight::from_parts(6_076_438, 0).saturating_mul(n.into()))
            .saturating_add(T::DbWeight::get().reads(17))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(n.into())))
            .saturating_add(T::DbWeight::get().writes(17))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(n.into())))
    }
    // `p` from 0 to 32.
    fn note_anchored(p: u32) -> Weight {
        // At least 24_567 ns.
        Weight::from_parts(32_066_933, 0)
            // Standard error: 27_417.
            .saturating_add(Weight::from_parts(7_707_250, 0).saturating_mul(p.into()))
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(p.into())))
            .saturating_add(T::DbWeight::get().writes(1))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(p.into())))
    }
}
