// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Weights of the registry's calls.
//!
//! Estimates, not yet benchmarked: reads and writes counted by hand, at the database weights, plus
//! the cost of curve arithmetic in wasm, rounded up.

use crate::{frame_support, frame_system};
use core::marker::PhantomData;
use frame_support::{traits::Get, weights::Weight};

/// Weight of each call.
pub trait WeightInfo {
    /// `register_tenant`
    fn register_tenant() -> Weight;
    /// `set_tenant_suspended`
    fn set_tenant_suspended() -> Weight;
    /// `register_store`
    fn register_store() -> Weight;
    /// `register_agent`
    fn register_agent() -> Weight;
    /// `set_agent_suspended`
    fn set_agent_suspended() -> Weight;
    /// `register_signing_key`
    fn register_signing_key() -> Weight;
    /// `register_encryption_key`
    fn register_encryption_key() -> Weight;
    /// `revoke_signing_key`
    fn revoke_signing_key() -> Weight;
    /// `revoke_encryption_key`
    fn revoke_encryption_key() -> Weight;
    /// `rotate_signing_key`
    fn rotate_signing_key() -> Weight;
    /// The pool's judgement of `rotate_signing_key`.
    fn authorize_rotation() -> Weight;
    /// `set_key_policy`
    fn set_key_policy() -> Weight;
    /// `set_tenant_quota`
    fn set_tenant_quota() -> Weight;
    /// `set_agent_quota`
    fn set_agent_quota() -> Weight;
    /// `propose_tenant_admin`
    fn propose_tenant_admin() -> Weight;
    /// `accept_tenant_admin`
    fn accept_tenant_admin() -> Weight;
    /// `cancel_tenant_admin`
    fn cancel_tenant_admin() -> Weight;
    /// `create_group`
    fn create_group() -> Weight;
    /// `set_group_member`
    fn set_group_member() -> Weight;
    /// `remove_group_member`
    fn remove_group_member() -> Weight;
    /// `dissolve_group`
    fn dissolve_group() -> Weight;
    /// `register_schema`
    fn register_schema() -> Weight;
    /// `set_schema_status`
    fn set_schema_status() -> Weight;
}

/// Estimates over the runtime's database weights.
pub struct SubstrateWeight<T>(PhantomData<T>);

/// Proof size of a handful of reads; the chain is no parachain, so it only has to be non-zero.
const PROOF_BYTES: u64 = 8_192;
/// Admission of a point and one signature check, generously.
const KEY_CHECK_REF_TIME: u64 = 1_500_000_000;
/// Decoding, hashing and an event.
const BASE_REF_TIME: u64 = 30_000_000;

impl<T: frame_system::Config> SubstrateWeight<T> {
    fn of(ref_time: u64, reads: u64, writes: u64) -> Weight {
        Weight::from_parts(ref_time, PROOF_BYTES)
            .saturating_add(T::DbWeight::get().reads_writes(reads, writes))
    }
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
    fn register_tenant() -> Weight {
        Self::of(BASE_REF_TIME, 2, 2)
    }
    fn set_tenant_suspended() -> Weight {
        Self::of(BASE_REF_TIME, 1, 1)
    }
    fn register_store() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn register_agent() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn set_agent_suspended() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn register_signing_key() -> Weight {
        Self::of(KEY_CHECK_REF_TIME, 5, 2)
    }
    fn register_encryption_key() -> Weight {
        Self::of(KEY_CHECK_REF_TIME, 7, 4)
    }
    fn revoke_signing_key() -> Weight {
        Self::of(BASE_REF_TIME, 3, 1)
    }
    fn revoke_encryption_key() -> Weight {
        Self::of(BASE_REF_TIME, 3, 1)
    }
    fn rotate_signing_key() -> Weight {
        Self::of(2 * KEY_CHECK_REF_TIME, 8, 6)
    }
    fn authorize_rotation() -> Weight {
        Self::of(2 * KEY_CHECK_REF_TIME, 6, 0)
    }
    fn set_key_policy() -> Weight {
        Self::of(BASE_REF_TIME, 3, 1)
    }
    fn set_tenant_quota() -> Weight {
        Self::of(BASE_REF_TIME, 1, 1)
    }
    fn set_agent_quota() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn propose_tenant_admin() -> Weight {
        Self::of(BASE_REF_TIME, 4, 3)
    }
    fn accept_tenant_admin() -> Weight {
        Self::of(BASE_REF_TIME, 3, 2)
    }
    fn cancel_tenant_admin() -> Weight {
        Self::of(BASE_REF_TIME, 3, 2)
    }
    fn create_group() -> Weight {
        Self::of(BASE_REF_TIME, 2, 2)
    }
    fn set_group_member() -> Weight {
        Self::of(BASE_REF_TIME, 3, 1)
    }
    fn remove_group_member() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn dissolve_group() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
    fn register_schema() -> Weight {
        Self::of(BASE_REF_TIME, 3, 2)
    }
    fn set_schema_status() -> Weight {
        Self::of(BASE_REF_TIME, 2, 1)
    }
}
