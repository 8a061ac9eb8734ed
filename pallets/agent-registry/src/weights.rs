// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of `pallet_agent_registry`, written by `scripts/bench-weights.sh`. Not edited by hand.
//!
//! Measured on 2026-11-24 in the runtime's wasm (Compiled) on AMD EPYC: 5 steps,
//! 20 repetitions. Full nodes alone validate this chain, so proof sizes count nothing.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each benchmark.
pub trait WeightInfo {
    /// `register_tenant` at its worst.
    fn register_tenant() -> Weight;
    /// `set_tenant_suspended` at its worst.
    fn set_tenant_suspended() -> Weight;
    /// `register_store` at its worst.
    fn register_store() -> Weight;
    /// `register_agent` at its worst.
    fn register_agent() -> Weight;
    /// `set_agent_suspended` at its worst.
    fn set_agent_suspended() -> Weight;
    /// `register_signing_key` at its worst.
    fn register_signing_key() -> Weight;
    /// `register_encryption_key` at its worst.
    fn register_encryption_key() -> Weight;
    /// `revoke_signing_key` at its worst.
    fn revoke_signing_key() -> Weight;
    /// `revoke_encryption_key` at its worst.
    fn revoke_encryption_key() -> Weight;
    /// `rotate_signing_key` at its worst.
    fn rotate_signing_key() -> Weight;
    /// `authorize_rotation` at its worst.
    fn authorize_rotation() -> Weight;
    /// `set_key_policy` at its worst.
    fn set_key_policy() -> Weight;
    /// `set_tenant_quota` at its worst.
    fn set_tenant_quota() -> Weight;
    /// `set_agent_quota` at its worst.
    fn set_agent_quota() -> Weight;
    /// `propose_tenant_admin` at its worst.
    fn propose_tenant_admin() -> Weight;
    /// `accept_tenant_admin` at its worst.
    fn accept_tenant_admin() -> Weight;
    /// `cancel_tenant_admin` at its worst.
    fn cancel_tenant_admin() -> Weight;
    /// `create_group` at its worst.
    fn create_group() -> Weight;
    /// `set_group_member` at its worst.
    fn set_group_member() -> Weight;
    /// `remove_group_member` at its worst.
    fn remove_group_member() -> Weight;
    /// `dissolve_group` at its worst.
    fn dissolve_group() -> Weight;
    /// `register_schema` at its worst.
    fn register_schema() -> Weight;
    /// `set_schema_status` at its worst.
    fn set_schema_status() -> Weight;
}

/// As measured, over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register_tenant() -> Weight {
        // At least 13_410 ns.
        Weight::from_parts(14_411_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn set_tenant_suspended() -> Weight {
        // At least 9_885 ns.
        Weight::from_parts(11_196_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn register_store() -> Weight {
        // At least 16_815 ns.
        Weight::from_parts(18_718_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn register_agent() -> Weight {
        // At least 15_844 ns.
        Weight::from_parts(17_887_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_agent_suspended() -> Weight {
        // At least 14_472 ns.
        Weight::from_parts(16_134_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn register_signing_key() -> Weight {
        // At least 150_214 ns.
        Weight::from_parts(160_970_000, 0)
            .saturating_add(T::DbWeight::get().reads(5))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn register_encryption_key() -> Weight {
        // At least 154_150 ns.
        Weight::from_parts(166_448_000, 0)
            .saturating_add(T::DbWeight::get().reads(7))
            .saturating_add(T::DbWeight::get().writes(4))
    }
    fn revoke_signing_key() -> Weight {
        // At least 16_565 ns.
        Weight::from_parts(18_889_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn revoke_encryption_key() -> Weight {
        // At least 17_917 ns.
        Weight::from_parts(20_601_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn rotate_signing_key() -> Weight {
        // At least 207_620 ns.
        Weight::from_parts(225_537_000, 0)
            .saturating_add(T::DbWeight::get().reads(8))
            .saturating_add(T::DbWeight::get().writes(5))
    }
    fn authorize_rotation() -> Weight {
        // At least 20_520 ns.
        Weight::from_parts(23_215_000, 0).saturating_add(T::DbWeight::get().reads(6))
    }
    fn set_key_policy() -> Weight {
        // At least 27_911 ns.
        Weight::from_parts(30_866_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_tenant_quota() -> Weight {
        // At least 9_895 ns.
        Weight::from_parts(11_427_000, 0)
            .saturating_add(T::DbWeight::get().reads(1))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn set_agent_quota() -> Weight {
        // At least 14_331 ns.
        Weight::from_parts(15_834_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn propose_tenant_admin() -> Weight {
        // At least 22_985 ns.
        Weight::from_parts(24_887_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(3))
    }
    fn accept_tenant_admin() -> Weight {
        // At least 16_214 ns.
        Weight::from_parts(17_997_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn cancel_tenant_admin() -> Weight {
        // At least 18_308 ns.
        Weight::from_parts(20_190_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn create_group() -> Weight {
        // At least 17_216 ns.
        Weight::from_parts(19_038_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn set_group_member() -> Weight {
        // At least 21_593 ns.
        Weight::from_parts(24_286_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn remove_group_member() -> Weight {
        // At least 18_117 ns.
        Weight::from_parts(19_959_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn dissolve_group() -> Weight {
        // At least 16_815 ns.
        Weight::from_parts(18_938_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
    fn register_schema() -> Weight {
        // At least 21_822 ns.
        Weight::from_parts(24_086_000, 0)
            .saturating_add(T::DbWeight::get().reads(3))
            .saturating_add(T::DbWeight::get().writes(2))
    }
    fn set_schema_status() -> Weight {
        // At least 17_686 ns.
        Weight::from_parts(19_229_000, 0)
            .saturating_add(T::DbWeight::get().reads(2))
            .saturating_add(T::DbWeight::get().writes(1))
    }
}
