// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of submissions and of the end of a block.
//!
//! Estimates, not yet benchmarked. Computing time is charged by the components' costs, rounded up:
//! one Ed25519 host call 32 us, SHA-256 in wasm 2.5 us per KiB and 0.5 us per short preimage.
//! Database accesses are charged below the worst case, each place says by how much: a benchmark has
//! to show what they cost beside the cache that one block's events share.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each part.
pub trait WeightInfo {
    /// Judging and sequencing `events` with `payload_bytes` in total.
    fn submit_events(events: u32, payload_bytes: u32) -> Weight;
    /// The pool's judgement of a submission whose events are all replays but the last.
    fn authorize_submission(events: u32) -> Weight;
    /// End of block without any stream.
    fn commit_block_base() -> Weight;
    /// End-of-block hashing of this many leaves.
    fn commit_leaves(leaves: u32) -> Weight;
    /// End-of-block records of this many streams.
    fn commit_streams(streams: u32) -> Weight;
}

/// Estimates over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

const EVENT_REF_TIME: u64 = 60_000_000;
const PAYLOAD_BYTE_REF_TIME: u64 = 4_000;
const REPLAY_REF_TIME: u64 = 6_000_000;
const LEAF_REF_TIME: u64 = 1_500_000;
const STREAM_REF_TIME: u64 = 15_000_000;
const PROOF_BYTES: u64 = 1_024;

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn submit_events(events: u32, payload_bytes: u32) -> Weight {
        // An event reads up to four records here (event, command, entity version, tip) and four of
        // the registry, and leaves up to three (event, command, entity version). Charged are one
        // read and one write per event, and six and two per submission.
        let per_event = Weight::from_parts(EVENT_REF_TIME, PROOF_BYTES)
            .saturating_add(T::DbWeight::get().reads_writes(1, 1));
        per_event
            .saturating_mul(u64::from(events))
            .saturating_add(Weight::from_parts(
                PAYLOAD_BYTE_REF_TIME.saturating_mul(u64::from(payload_bytes)),
                0,
            ))
            .saturating_add(T::DbWeight::get().reads_writes(6, 2))
    }

    // Each replay reads its record; charged are eight reads per submission, whatever its size.
    fn authorize_submission(events: u32) -> Weight {
        Weight::from_parts(REPLAY_REF_TIME, PROOF_BYTES)
            .saturating_mul(u64::from(events))
            .saturating_add(Weight::from_parts(EVENT_REF_TIME, PROOF_BYTES))
            .saturating_add(T::DbWeight::get().reads(8))
    }

    fn commit_block_base() -> Weight {
        Weight::from_parts(STREAM_REF_TIME, PROOF_BYTES)
            .saturating_add(T::DbWeight::get().reads_writes(2, 3))
    }

    fn commit_leaves(leaves: u32) -> Weight {
        Weight::from_parts(LEAF_REF_TIME.saturating_mul(u64::from(leaves)), 0)
    }

    fn commit_streams(streams: u32) -> Weight {
        Weight::from_parts(STREAM_REF_TIME, PROOF_BYTES)
            .saturating_add(T::DbWeight::get().reads_writes(2, 4))
            .saturating_mul(u64::from(streams))
    }
}
