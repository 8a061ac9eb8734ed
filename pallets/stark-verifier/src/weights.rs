// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of submissions of proofs.
//!
//! Estimates, not yet benchmarked. Verification is charged at its native time on the development
//! machine (one event 0.34 ms, a batch of 128 events 5.4 ms, hence 0.9 ms and 36 us for each of its
//! events, counted up to a power of two as the circuit does), times 4 for wasm, times 1.5 for
//! safety. One Ed25519 host call counts 32 us, SHA-256 in wasm 4 ns per byte. The charge does not
//! depend on the verdict and is not refunded.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each part.
pub trait WeightInfo {
    /// Judging and verifying a proof of one event of this length.
    fn submit_proof(bytes: u32) -> Weight;
    /// As `submit_proof`, with a step of a budget.
    fn submit_budget_proof(bytes: u32) -> Weight;
    /// Judging and verifying a proof of this many events and this length.
    fn submit_batch_proof(entries: u32, bytes: u32) -> Weight;
    /// The pool's judgement of a proof of one event.
    fn authorize_proof(bytes: u32) -> Weight;
    /// The pool's judgement of a proof of this many events.
    fn authorize_batch_proof(entries: u32, bytes: u32) -> Weight;
    /// Switching a circuit.
    fn set_circuit_enabled() -> Weight;
    /// End of block.
    fn end_block() -> Weight;
}

/// Estimates over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

/// Wasm, and safety: four times one and a half.
const FACTOR: u64 = 6;
const SINGLE_REF_TIME: u64 = 340_000_000 * FACTOR;
const BLOCKS_REF_TIME: u64 = 900_000_000 * FACTOR;
const BLOCK_REF_TIME: u64 = 36_000_000 * FACTOR;
/// Totals and amount of a budget step fill a circuit of eight blocks at most.
const BUDGET_BLOCKS: u64 = 8;
/// Signatures, envelope, public inputs and records of one event.
const JUDGE_REF_TIME: u64 = 150_000_000;
/// Two signatures, leaf, tree and public inputs of one entry.
const ENTRY_REF_TIME: u64 = 80_000_000;
/// Leaf, tree and public inputs of one entry.
const ENTRY_FORM_REF_TIME: u64 = 15_000_000;
/// Walk, transcript and remainder of a proof.
const FORM_REF_TIME: u64 = 300_000_000;
const BYTE_REF_TIME: u64 = 4_000;
const PROOF_BYTES: u64 = 2_048;

const fn of_bytes(bytes: u32) -> u64 {
    BYTE_REF_TIME.saturating_mul(bytes as u64)
}

const fn of_blocks(blocks: u64) -> u64 {
    BLOCKS_REF_TIME.saturating_add(BLOCK_REF_TIME.saturating_mul(blocks))
}

fn sum(parts: &[u64]) -> Weight {
    Weight::from_parts(
        parts.iter().copied().fold(0, u64::saturating_add),
        PROOF_BYTES,
    )
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit_proof(bytes: u32) -> Weight {
        sum(&[SINGLE_REF_TIME, JUDGE_REF_TIME, of_bytes(bytes)])
            .saturating_add(T::DbWeight::get().reads_writes(11, 4))
    }

    fn submit_budget_proof(bytes: u32) -> Weight {
        sum(&[of_blocks(BUDGET_BLOCKS), JUDGE_REF_TIME, of_bytes(bytes)])
            .saturating_add(T::DbWeight::get().reads_writes(12, 5))
    }

    // An entry of another agent than its predecessor reads four records of the registry; charged
    // are two reads per entry.
    fn submit_batch_proof(entries: u32, bytes: u32) -> Weight {
        let events = u64::from(entries);
        sum(&[
            of_blocks(events.next_power_of_two()),
            JUDGE_REF_TIME,
            ENTRY_REF_TIME.saturating_mul(events),
            of_bytes(bytes),
        ])
        .saturating_add(
            T::DbWeight::get().reads_writes(10u64.saturating_add(events.saturating_mul(2)), 3),
        )
    }

    fn authorize_proof(bytes: u32) -> Weight {
        sum(&[JUDGE_REF_TIME, FORM_REF_TIME, of_bytes(bytes)])
            .saturating_add(T::DbWeight::get().reads(11))
    }

    fn authorize_batch_proof(entries: u32, bytes: u32) -> Weight {
        sum(&[
            JUDGE_REF_TIME,
            FORM_REF_TIME,
            ENTRY_FORM_REF_TIME.saturating_mul(u64::from(entries)),
            of_bytes(bytes),
        ])
        .saturating_add(T::DbWeight::get().reads(10))
    }

    fn set_circuit_enabled() -> Weight {
        Weight::from_parts(10_000_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }

    fn end_block() -> Weight {
        T::DbWeight::get().writes(1)
    }
}
