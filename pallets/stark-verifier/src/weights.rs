// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_stark_verifier`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-24 in the runtime's wasm (Compiled) on AMD EPYC: 2 steps,
//! 20 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

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
        // At least 1_935_750 ns.
        Weight::from_parts(2_071_273_000, 0)
            .saturating_add(T::DbWeight::get().reads(12))
            .saturating_add(T::DbWeight::get().writes(4))
    }
    fn submit_budget_proof() -> Weight {
        // At least 2_441_816 ns.
        Weight::from_parts(2_630_327_000, 0)
            .saturating_add(T::DbWeight::get().reads(13))
            .saturating_add(T::DbWeight::get().writes(5))
    }
    fn authorize_proof() -> Weight {
        // At least 996_498 ns.
        Weight::from_parts(1_075_906_000, 0).saturating_add(T::DbWeight::get().reads(12))
    }
    fn authorize_batch_proof() -> Weight {
        // At least 1_185_790 ns.
        Weight::from_parts(1_287_673_000, 0).saturating_add(T::DbWeight::get().reads(13))
    }
    fn submit_batch_proof_12() -> Weight {
        // At least 3_521_347 ns.
        Weight::from_parts(3_670_420_000, 0)
            .saturating_add(T::DbWeight::get().reads(35))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_28() -> Weight {
        // At least 5_961_581 ns.
        Weight::from_parts(6_353_145_000, 0)
            .saturating_add(T::DbWeight::get().reads(67))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_60() -> Weight {
        // At least 9_922_885 ns.
        Weight::from_parts(10_477_654_000, 0)
            .saturating_add(T::DbWeight::get().reads(131))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_124() -> Weight {
        // At least 17_488_771 ns.
        Weight::from_parts(18_597_397_000, 0)
            .saturating_add(T::DbWeight::get().reads(259))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_128() -> Weight {
        // At least 21_846_708 ns.
        Weight::from_parts(22_583_028_000, 0)
            .saturating_add(T::DbWeight::get().reads(267))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn set_circuit_enabled() -> Weight {
        // At least 4_947 ns.
        Weight::from_parts(5_428_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn end_block() -> Weight {
        // At least 350 ns.
        Weight::from_parts(481_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
}
