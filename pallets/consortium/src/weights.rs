// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_consortium`.
//!
//! ESTIMATES, NOT MEASURED YET: the times are at least twice those of comparable measured calls of the
//! other pallets, the accesses are counted. `scripts/bench-weights.sh pallet_consortium` replaces this
//! file by measured ones.

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

/// As estimated, over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn note_author() -> Weight {
        Weight::from_parts(15_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn next_session(v: u32) -> Weight {
        Weight::from_parts(200_000_000, 0)
            .saturating_add(Weight::from_parts(40_000_000, 0).saturating_mul(v.into()))
            .saturating_add(T::DbWeight::get().reads(24))
            .saturating_add(T::DbWeight::get().reads(4_u64.saturating_mul(v.into())))
            .saturating_add(T::DbWeight::get().writes(20))
            // A validator that goes: account, keys, owners of two keys.
            .saturating_add(T::DbWeight::get().writes(4_u64.saturating_mul(v.into())))
    }
    fn add_validator() -> Weight {
        Weight::from_parts(60_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn remove_validator() -> Weight {
        Weight::from_parts(300_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(66))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn reinstate_validator() -> Weight {
        Weight::from_parts(80_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(4))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn set_council() -> Weight {
        // 64 members come, 64 go, 64 motions lose their votes.
        Weight::from_parts(4_000_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(200))
            .saturating_add(T::DbWeight::get().writes(200))
    }
    fn authorize_upgrade() -> Weight {
        Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn recover_finality() -> Weight {
        Weight::from_parts(30_000_000, 0).saturating_add(T::DbWeight::get().writes(1))
    }
    fn report_double_block() -> Weight {
        // Two sr25519 signatures and the hashes of 16 KiB, each twice.
        Weight::from_parts(400_000_000, 0)
            .saturating_add(T::DbWeight::get().reads(9))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn authorize_double_block() -> Weight {
        Weight::from_parts(400_000_000, 0).saturating_add(T::DbWeight::get().reads(7))
    }
}
