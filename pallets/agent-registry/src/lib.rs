// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
// Nothing that a block executes may panic or wrap unseen.
#![cfg_attr(
    not(any(test, feature = "runtime-benchmarks")),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

extern crate alloc;

use frame_support::pallet_macros::import_section;
use polkadot_sdk::{self, frame_support, frame_system, sp_io, sp_runtime};

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod calls;
mod directory;
mod errors;
mod events;
mod groups;
mod keys;
pub mod migrations;
#[cfg(test)]
mod mock;
mod rotation;
mod schemas;
mod tenants;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Agent, AgentRef, Tenant};
pub use weights::WeightInfo;

/// What the registry holds.
#[import_section(calls::calls)]
#[import_section(errors::errors)]
#[import_section(events::events)]
#[frame_support::pallet]
#[allow(
    clippy::too_many_arguments,
    reason = "a call lists what it registers, flat, as explorers show it"
)]
pub mod pallet {
    use super::{
        Agent, AgentRef, Tenant, WeightInfo, frame_support, frame_system, migrations, polkadot_sdk,
        sp_runtime,
    };
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::UnixTime};
    use frame_system::{ensure_authorized, pallet_prelude::*};
    use ves_primitives::{
        AgentId, EncryptionPublicKey, EventType, GroupId, KeyId, RecipientKid, SchemaHash,
        Signature, SigningPublicKey, StoreId, TenantId, WeakKey, limits,
        registry::{
            AuthorProblem, EncryptionKeyRecord, Group, GroupProblem, GroupRole, KeyPolicy,
            KeyProblem, KeyRotation, Quota, RecordedAt, RevocationProblem, RotationRefusal,
            SchemaRecord, SchemaStatus, SigningKeyRecord, ValidityWindow,
        },
    };

    #[pallet::pallet]
    #[pallet::storage_version(migrations::STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Who registers and suspends tenants: the consortium's governance.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Chain time, by which validity windows are judged.
        type Clock: UnixTime;
        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// Tenants.
    // Hasher: Blake2 - ids are chosen freely by their registrar. Bound: governance. Kept for ever:
    // a tenant's streams outlive it.
    #[pallet::storage]
    pub type Tenants<T: Config> = StorageMap<_, Blake2_128Concat, TenantId, Tenant<T::AccountId>>;

    /// Stores of each tenant.
    // Hasher: Blake2 - ids are chosen freely. Bound: one signed, weighed call each. Kept for ever.
    #[pallet::storage]
    pub type Stores<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, TenantId, Blake2_128Concat, StoreId, ()>;

    /// Agents of each tenant.
    // Hasher: Blake2 - ids are chosen freely. Bound: one signed, weighed call each. Kept for ever,
    // since old events are judged by it.
    #[pallet::storage]
    pub type Agents<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, TenantId, Blake2_128Concat, AgentId, Agent>;

    /// Signing keys. Never overwritten, never removed: old events are judged by them.
    // Hasher: Blake2 for the agent (chosen freely), Twox for the key number (counted, bounded by
    // `limits::MAX_KEYS_PER_AGENT`).
    #[pallet::storage]
    pub type SigningKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AgentRef, Twox64Concat, KeyId, SigningKeyRecord>;

    /// Encryption keys. Never overwritten, never removed.
    // Hasher and bound: as `SigningKeys`.
    #[pallet::storage]
    pub type EncryptionKeys<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AgentRef, Twox64Concat, KeyId, EncryptionKeyRecord>;

    /// Whose key a recipient number names.
    // Hasher: Twox - the chain counts the numbers itself. One entry per encryption key.
    #[pallet::storage]
    pub type Recipients<T: Config> =
        StorageMap<_, Twox64Concat, RecipientKid, (TenantId, AgentId, KeyId)>;

    /// The recipient number handed out last; 0 before the first.
    #[pallet::storage]
    pub type LastRecipientKid<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// Which key a signing key handed over to. Never removed: a key hands over once.
    // Hasher and bound: as `SigningKeys`.
    #[pallet::storage]
    pub type Successors<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AgentRef, Twox64Concat, KeyId, KeyId>;

    /// What signing keys may be used for; a key without an entry may be used for anything.
    // Hasher and bound: as `SigningKeys`. Kept until the tenant's admin lifts it.
    #[pallet::storage]
    pub type KeyPolicies<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, AgentRef, Twox64Concat, KeyId, KeyPolicy>;

    /// Encryption groups of each tenant. Kept for ever, dissolved ones too: (group, epoch) names
    /// one set of members.
    // Hasher: Blake2 - ids are chosen freely. Bound: `limits::MAX_GROUPS_PER_TENANT` each.
    #[pallet::storage]
    pub type Groups<T: Config> =
        StorageDoubleMap<_, Blake2_128Concat, TenantId, Blake2_128Concat, GroupId, Group>;

    /// Schemas of each tenant's payloads by event type and version. Kept for ever: old events are
    /// read by them.
    // Hasher: Blake2 - types and versions are chosen freely. Bound:
    // `limits::MAX_SCHEMAS_PER_TENANT` each.
    #[pallet::storage]
    pub type Schemas<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        TenantId,
        Blake2_128Concat,
        (EventType, u32),
        SchemaRecord,
    >;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Accounts that may transact from block 1 without being a tenant's admin: the council.
        pub accounts: Vec<T::AccountId>,
        /// Tenants with their admin and stores.
        pub tenants: Vec<(TenantId, T::AccountId, Vec<StoreId>)>,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            for account in &self.accounts {
                frame_system::Pallet::<T>::inc_providers(account);
            }
            for (tenant, admin, stores) in &self.tenants {
                frame_system::Pallet::<T>::inc_providers(admin);
                Tenants::<T>::insert(tenant, Tenant::new(admin.clone()));
                for store in stores {
                    Stores::<T>::insert(tenant, store, ());
                }
            }
        }
    }

    impl<T: Config> Pallet<T> {
        /// The moment that calls of this block are recorded at.
        pub fn recorded_now() -> RecordedAt {
            use sp_runtime::SaturatedConversion;
            RecordedAt {
                // Block numbers are 32 bits wide in every runtime of this chain.
                block: frame_system::Pallet::<T>::block_number().saturated_into(),
                time_ms: T::Clock::now().as_millis().saturated_into(),
            }
        }

        pub(crate) fn ensure_admin(origin: OriginFor<T>, tenant: TenantId) -> DispatchResult {
            let entry = Self::ensure_admin_even_suspended(origin, tenant)?;
            ensure!(!entry.suspended, Error::<T>::TenantSuspended);
            Ok(())
        }

        pub(crate) fn ensure_governance_or_admin(
            origin: OriginFor<T>,
            tenant: TenantId,
        ) -> DispatchResult {
            match T::GovernanceOrigin::try_origin(origin) {
                Ok(_) => Ok(()),
                Err(origin) => Self::ensure_admin(origin, tenant),
            }
        }

        /// A suspended tenant may still revoke: taking rights away is always allowed.
        pub(crate) fn ensure_admin_even_suspended(
            origin: OriginFor<T>,
            tenant: TenantId,
        ) -> Result<Tenant<T::AccountId>, DispatchError> {
            let signer = ensure_signed(origin)?;
            let entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
            ensure!(entry.admin == signer, Error::<T>::NotTenantAdmin);
            Ok(entry)
        }
    }

    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// Blocks after which a quota of events is whole again.
        fn event_quota_window_blocks() -> u32 {
            limits::EVENT_QUOTA_WINDOW_BLOCKS
        }
        /// Longest time that a key may sign after handing over, seconds.
        fn max_rotation_grace_seconds() -> u32 {
            limits::MAX_ROTATION_GRACE_SECONDS
        }
        /// Furthest block ahead for which a signing key may be revoked.
        fn max_revocation_notice_blocks() -> u32 {
            limits::MAX_REVOCATION_NOTICE_BLOCKS
        }
        /// Most keys of one purpose that one agent may ever register.
        fn max_keys_per_agent() -> u32 {
            limits::MAX_KEYS_PER_AGENT
        }
        /// Most members of an encryption group.
        fn max_group_members() -> u32 {
            limits::MAX_RECIPIENTS
        }
        /// Most encryption groups that one tenant may ever create.
        fn max_groups_per_tenant() -> u32 {
            limits::MAX_GROUPS_PER_TENANT
        }
        /// Most schema versions that one tenant may ever register.
        fn max_schemas_per_tenant() -> u32 {
            limits::MAX_SCHEMAS_PER_TENANT
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
