// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_stark_verifier`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-27 in the runtime's wasm (Compiled) on AMD EPYC: 12 steps,
//! 8 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each benchmark.
pub trait WeightInfo {
    /// `submit_proof` at its worst.
    fn submit_proof() -> Weight;
    /// `submit_budget_proof` at its worst.
    fn submit_budget_proof() -> Weight;
    /// `authorize_proof` at its worst.
    fn authorize_proof() -> Weight;
    /// `authorize_batch_proof` at its worst.
    fn authorize_batch_proof() -> Weight;
    /// `submit_batch_proof_12` at its worst.
    fn submit_batch_proof_12() -> Weight;
    /// `submit_batch_proof_28` at its worst.
    fn submit_batch_proof_28() -> Weight;
    /// `submit_batch_proof_60` at its worst.
    fn submit_batch_proof_60() -> Weight;
    /// `submit_batch_proof_124` at its worst.
    fn submit_batch_proof_124() -> Weight;
    /// `submit_batch_proof_128` at its worst.
    fn submit_batch_proof_128() -> Weight;
    /// `set_circuit_enabled` at its worst.
    fn set_circuit_enabled() -> Weight;
    /// `end_block` at its worst.
    fn end_block() -> Weight;
}

/// As measured, over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit_proof() -> Weight {
        // At least 1_616_587 ns.
        Weight::from_parts(1_809_552_000, 0)
            .saturating_add(T::DbWeight::get().reads(14))
            .saturating_add(T::DbWeight::get().writes(4))
    }
    fn submit_budget_proof() -> Weight {
        // At least 2_163_237 ns.
        Weight::from_parts(2_433_186_000, 0)
            .saturating_add(T::DbWeight::get().reads(15))
            .saturating_add(T::DbWeight::get().writes(5))
    }
    fn authorize_proof() -> Weight {
        // At least 127_039 ns.
        Weight::from_parts(158_645_000, 0).saturating_add(T::DbWeight::get().reads(14))
    }
    fn authorize_batch_proof() -> Weight {
        // At least 90_925 ns.
        Weight::from_parts(132_867_000, 0).saturating_add(T::DbWeight::get().reads(11))
    }
    fn submit_batch_proof_12() -> Weight {
        // At least 3_289_126 ns.
        Weight::from_parts(3_643_781_000, 0)
            .saturating_add(T::DbWeight::get().reads(48))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_28() -> Weight {
        // At least 5_723_414 ns.
        Weight::from_parts(6_173_652_000, 0)
            .saturating_add(T::DbWeight::get().reads(96))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_60() -> Weight {
        // At least 10_070_779 ns.
        Weight::from_parts(10_790_916_000, 0)
            .saturating_add(T::DbWeight::get().reads(192))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_124() -> Weight {
        // At least 18_857_183 ns.
        Weight::from_parts(19_966_688_000, 0)
            .saturating_add(T::DbWeight::get().reads(384))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_128() -> Weight {
        // At least 24_949_184 ns.
        Weight::from_parts(30_913_786_000, 0)
            .saturating_add(T::DbWeight::get().reads(396))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn set_circuit_enabled() -> Weight {
        // At least 7_050 ns.
        Weight::from_parts(12_980_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn end_block() -> Weight {
        // At least 480 ns.
        Weight::from_parts(1_142_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
}
