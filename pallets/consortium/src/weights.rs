// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_consortium`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-27 in the runtime's wasm (Compiled) on AMD EPYC: 16 steps,
//! 10 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each benchmark.
pub trait WeightInfo {
    /// `note_author` at its worst.
    fn note_author() -> Weight;
    /// `next_session` at its worst.
    fn next_session(v: u32) -> Weight;
    /// `add_validator` at its worst.
    fn add_validator() -> Weight;
    /// `remove_validator` at its worst.
    fn remove_validator() -> Weight;
    /// `reinstate_validator` at its worst.
    fn reinstate_validator() -> Weight;
    /// `set_council` at its worst.
    fn set_council() -> Weight;
    /// `authorize_upgrade` at its worst.
    fn authorize_upgrade() -> Weight;
    /// `recover_finality` at its worst.
    fn recover_finality() -> Weight;
    /// `report_double_block` at its worst.
    fn report_double_block() -> Weight;
    /// `authorize_double_block` at its worst.
    fn authorize_double_block() -> Weight;
}

/// As measured, over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn note_author() -> Weight {
        // At least 13_880 ns.
        Weight::from_parts(16_625_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    // `v` from 2 to 64.
    fn next_session(v: u32) -> Weight {
        // At least 72_328 ns.
        Weight::from_parts(23_341_965, 0)
            // Standard error: 28_392.
            .saturating_add(Weight::from_parts(15_169_357, 0).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(10))
            .saturating_add(T::DbWeight::get().reads((1_u64).saturating_mul(v.into())))
            .saturating_add(T::DbWeight::get().writes(11))
            .saturating_add(T::DbWeight::get().writes((1_u64).saturating_mul(v.into())))
    }
    fn add_validator() -> Weight {
        // At least 39_078 ns.
        Weight::from_parts(47_921_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn remove_validator() -> Weight {
        // At least 260_957 ns.
        Weight::from_parts(276_980_000, 0)
            .saturating_add(T::DbWeight::get().reads(65))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn reinstate_validator() -> Weight {
        // At least 45_187 ns.
        Weight::from_parts(56_835_000, 0)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn set_council() -> Weight {
        // At least 891_232 ns.
        Weight::from_parts(961_676_000, 0)
            .saturating_add(T::DbWeight::get().reads(130))
            .saturating_add(T::DbWeight::get().writes(130))
    }
    fn authorize_upgrade() -> Weight {
        // At least 7_111 ns.
        Weight::from_parts(8_062_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn recover_finality() -> Weight {
        // At least 10_435 ns.
        Weight::from_parts(11_708_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn report_double_block() -> Weight {
        // At least 517_827 ns.
        Weight::from_parts(586_089_000, 0)
            .saturating_add(T::DbWeight::get().reads(6))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn authorize_double_block() -> Weight {
        // At least 218_594 ns.
        Weight::from_parts(238_814_000, 0).saturating_add(T::DbWeight::get().reads(4))
    }
}
