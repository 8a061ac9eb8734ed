// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_stark_verifier`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-24 in the runtime's wasm (Compiled) on AMD EPYC: 2 steps,
//! 30 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

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
        // At least 979_563 ns.
        Weight::from_parts(1_026_993_000, 0)
            .saturating_add(T::DbWeight::get().reads(13))
            .saturating_add(T::DbWeight::get().writes(4))
    }
    fn submit_budget_proof() -> Weight {
        // At least 1_337_016 ns.
        Weight::from_parts(1_403_816_000, 0)
            .saturating_add(T::DbWeight::get().reads(14))
            .saturating_add(T::DbWeight::get().writes(5))
    }
    fn authorize_proof() -> Weight {
        // At least 56_414 ns.
        Weight::from_parts(60_701_000, 0).saturating_add(T::DbWeight::get().reads(13))
    }
    fn authorize_batch_proof() -> Weight {
        // At least 65_197 ns.
        Weight::from_parts(75_723_000, 0).saturating_add(T::DbWeight::get().reads(11))
    }
    fn submit_batch_proof_12() -> Weight {
        // At least 2_262_558 ns.
        Weight::from_parts(2_418_321_000, 0)
            .saturating_add(T::DbWeight::get().reads(48))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_28() -> Weight {
        // At least 4_067_613 ns.
        Weight::from_parts(4_413_300_000, 0)
            .saturating_add(T::DbWeight::get().reads(96))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_60() -> Weight {
        // At least 7_874_757 ns.
        Weight::from_parts(8_205_150_000, 0)
            .saturating_add(T::DbWeight::get().reads(192))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_124() -> Weight {
        // At least 14_593_638 ns.
        Weight::from_parts(15_345_622_000, 0)
            .saturating_add(T::DbWeight::get().reads(384))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn submit_batch_proof_128() -> Weight {
        // At least 18_687_461 ns.
        Weight::from_parts(19_449_509_000, 0)
            .saturating_add(T::DbWeight::get().reads(396))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn set_circuit_enabled() -> Weight {
        // At least 4_517 ns.
        Weight::from_parts(5_038_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn end_block() -> Weight {
        // At least 310 ns.
        Weight::from_parts(421_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
}
