// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use polkadot_sdk::{self, frame_support, frame_system, sp_io, sp_runtime};

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod directory;
mod keys;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

pub use pallet::*;
pub use weights::WeightInfo;

/// What the registry holds.
#[frame_support::pallet]
#[allow(
    clippy::too_many_arguments,
    reason = "a call lists what it registers, flat, as explorers show it"
)]
pub mod pallet {
    use super::{WeightInfo, frame_support, frame_system, polkadot_sdk, sp_runtime};
    use alloc::vec::Vec;
    use frame_support::{pallet_prelude::*, traits::UnixTime};
    use frame_system::pallet_prelude::*;
    use ves_primitives::{
        AgentId, EncryptionPublicKey, KeyId, RecipientKid, Signature, SigningPublicKey, StoreId,
        TenantId, WeakKey,
        registry::{EncryptionKeyRecord, RecordedAt, SigningKeyRecord, ValidityWindow},
    };

    /// Most keys of one purpose that one agent may ever register: bounds listings and growth.
    pub const MAX_KEYS_PER_AGENT: u32 = 1_024;

    /// A registered tenant.
    #[derive(
        Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct Tenant<AccountId> {
        /// The account that registers the tenant's stores, agents and keys.
        pub admin: AccountId,
        /// Whether governance has stopped the tenant from writing.
        pub suspended: bool,
    }

    /// A registered agent.
    #[derive(
        Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct Agent {
        /// Whether the tenant's admin has stopped the agent from writing.
        pub suspended: bool,
        /// Signing keys ever registered.
        pub signing_keys: u32,
        /// Encryption keys ever registered.
        pub encryption_keys: u32,
    }

    /// An agent's full name.
    pub type AgentRef = (TenantId, AgentId);

    #[pallet::pallet]
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
    // `MAX_KEYS_PER_AGENT`).
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
                Tenants::<T>::insert(
                    tenant,
                    Tenant {
                        admin: admin.clone(),
                        suspended: false,
                    },
                );
                for store in stores {
                    Stores::<T>::insert(tenant, store, ());
                }
            }
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Governance admitted a tenant.
        TenantRegistered {
            /// The tenant.
            tenant: TenantId,
            /// Its administrator account.
            admin: T::AccountId,
        },
        /// Governance stopped or readmitted a tenant.
        TenantSuspensionChanged {
            /// The tenant.
            tenant: TenantId,
            /// Whether it is stopped now.
            suspended: bool,
        },
        /// A tenant opened a store.
        StoreRegistered {
            /// The tenant.
            tenant: TenantId,
            /// The store.
            store: StoreId,
        },
        /// A tenant admitted an agent.
        AgentRegistered {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
        },
        /// A tenant stopped or readmitted an agent.
        AgentSuspensionChanged {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Whether it is stopped now.
            suspended: bool,
        },
        /// A signing key became valid.
        SigningKeyRegistered {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
            /// The key.
            public_key: SigningPublicKey,
        },
        /// A signing key was revoked; events in later transactions are refused.
        SigningKeyRevoked {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
        },
        /// An encryption key entered the directory.
        EncryptionKeyRegistered {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
            /// Chain-wide recipient number.
            kid: RecipientKid,
            /// The key.
            public_key: EncryptionPublicKey,
        },
        /// An encryption key left the directory; old events stay readable.
        EncryptionKeyRevoked {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The tenant is already registered.
        TenantExists,
        /// The tenant is not registered. Governance registers tenants.
        TenantNotFound,
        /// Governance has suspended the tenant.
        TenantSuspended,
        /// The signer is not the tenant's admin.
        NotTenantAdmin,
        /// The store is already registered.
        StoreExists,
        /// The agent is already registered.
        AgentExists,
        /// The agent is not registered. The tenant's admin registers agents.
        AgentNotFound,
        /// The agent is suspended.
        AgentSuspended,
        /// This key number was used before. Numbers are never reused: take the next one.
        KeyExists,
        /// The agent has no key with this number.
        KeyNotFound,
        /// The key is already revoked.
        KeyRevoked,
        /// The signing key that vouches for an encryption key cannot sign now.
        VouchingKeyInvalid,
        /// The key bytes name no curve point.
        KeyNotAPoint,
        /// The key bytes are not the canonical encoding of their point.
        KeyNonCanonical,
        /// The key is a small-order point.
        KeySmallOrder,
        /// The key has a small-order component.
        KeyMixedOrder,
        /// The proof of possession does not verify for this chain, tenant, agent and key number.
        InvalidProofOfPossession,
        /// `valid_from` lies after `valid_to`.
        InvalidValidityWindow,
        /// The agent has registered `MAX_KEYS_PER_AGENT` keys.
        MaxKeysExceeded,
        /// The chain has handed out every recipient number.
        RecipientNumbersExhausted,
    }

    impl<T> From<WeakKey> for Error<T> {
        fn from(weak: WeakKey) -> Self {
            match weak {
                WeakKey::NotAPoint => Self::KeyNotAPoint,
                WeakKey::NonCanonical => Self::KeyNonCanonical,
                WeakKey::SmallOrder => Self::KeySmallOrder,
                WeakKey::MixedOrder => Self::KeyMixedOrder,
            }
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Admits a tenant and names its administrator account.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// The admin's account comes into being: from now on it can sign transactions.
        /// ## Errors
        /// [`Error::TenantExists`].
        /// ## Events
        /// [`Event::TenantRegistered`].
        #[pallet::call_index(0)]
        #[pallet::weight(T::WeightInfo::register_tenant())]
        pub fn register_tenant(
            origin: OriginFor<T>,
            tenant: TenantId,
            admin: T::AccountId,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            ensure!(
                !Tenants::<T>::contains_key(tenant),
                Error::<T>::TenantExists
            );
            frame_system::Pallet::<T>::inc_providers(&admin);
            Tenants::<T>::insert(
                tenant,
                Tenant {
                    admin: admin.clone(),
                    suspended: false,
                },
            );
            Self::deposit_event(Event::TenantRegistered { tenant, admin });
            Ok(())
        }

        /// Stops a tenant from writing, or readmits it.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Errors
        /// [`Error::TenantNotFound`].
        /// ## Events
        /// [`Event::TenantSuspensionChanged`].
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::set_tenant_suspended())]
        pub fn set_tenant_suspended(
            origin: OriginFor<T>,
            tenant: TenantId,
            suspended: bool,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Tenants::<T>::try_mutate(tenant, |entry| {
                entry.as_mut().ok_or(Error::<T>::TenantNotFound)?.suspended = suspended;
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::TenantSuspensionChanged { tenant, suspended });
            Ok(())
        }

        /// Opens a store of a tenant: one more stream.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::StoreExists`], and why the admin may not act.
        /// ## Events
        /// [`Event::StoreRegistered`].
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::register_store())]
        pub fn register_store(
            origin: OriginFor<T>,
            tenant: TenantId,
            store: StoreId,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            ensure!(
                !Stores::<T>::contains_key(tenant, store),
                Error::<T>::StoreExists
            );
            Stores::<T>::insert(tenant, store, ());
            Self::deposit_event(Event::StoreRegistered { tenant, store });
            Ok(())
        }

        /// Admits an agent. It can write once it has a signing key.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::AgentExists`], and why the admin may not act.
        /// ## Events
        /// [`Event::AgentRegistered`].
        #[pallet::call_index(3)]
        #[pallet::weight(T::WeightInfo::register_agent())]
        pub fn register_agent(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            ensure!(
                !Agents::<T>::contains_key(tenant, agent),
                Error::<T>::AgentExists
            );
            let entry = Agent {
                suspended: false,
                signing_keys: 0,
                encryption_keys: 0,
            };
            Agents::<T>::insert(tenant, agent, entry);
            Self::deposit_event(Event::AgentRegistered { tenant, agent });
            Ok(())
        }

        /// Stops an agent from writing, or readmits it.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::AgentNotFound`], and why the admin may not act.
        /// ## Events
        /// [`Event::AgentSuspensionChanged`].
        #[pallet::call_index(4)]
        #[pallet::weight(T::WeightInfo::set_agent_suspended())]
        pub fn set_agent_suspended(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            suspended: bool,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Agents::<T>::try_mutate(tenant, agent, |entry| {
                entry.as_mut().ok_or(Error::<T>::AgentNotFound)?.suspended = suspended;
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::AgentSuspensionChanged {
                tenant,
                agent,
                suspended,
            });
            Ok(())
        }

        /// Registers an Ed25519 key with which the agent signs events.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Details
        /// `proof` is the new key's own signature over the possession statement, which binds
        /// genesis, tenant, agent and key number. Small-order, mixed-order and non-canonical keys
        /// are refused.
        /// ## Errors
        /// [`Error::KeyExists`], [`Error::InvalidProofOfPossession`], [`Error::InvalidValidityWindow`],
        /// the `Key…` errors, and why the admin may not act.
        /// ## Events
        /// [`Event::SigningKeyRegistered`].
        #[pallet::call_index(5)]
        #[pallet::weight(T::WeightInfo::register_signing_key())]
        pub fn register_signing_key(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
            public_key: SigningPublicKey,
            window: ValidityWindow,
            proof: Signature,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Self::do_register_signing_key(tenant, agent, key_id, public_key, window, &proof)?;
            Self::deposit_event(Event::SigningKeyRegistered {
                tenant,
                agent,
                key_id,
                public_key,
            });
            Ok(())
        }

        /// Registers an X25519 key for which senders wrap content keys.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Details
        /// X25519 cannot sign, so `proof` is the signature of the agent's signing key
        /// `signing_key_id` over the possession statement. The chain hands out the recipient
        /// number.
        /// ## Errors
        /// As [`Pallet::register_signing_key`], and [`Error::VouchingKeyInvalid`].
        /// ## Events
        /// [`Event::EncryptionKeyRegistered`].
        #[pallet::call_index(6)]
        #[pallet::weight(T::WeightInfo::register_encryption_key())]
        pub fn register_encryption_key(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
            public_key: EncryptionPublicKey,
            window: ValidityWindow,
            signing_key_id: KeyId,
            proof: Signature,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            let kid = Self::do_register_encryption_key(
                tenant,
                agent,
                key_id,
                public_key,
                window,
                signing_key_id,
                &proof,
            )?;
            Self::deposit_event(Event::EncryptionKeyRegistered {
                tenant,
                agent,
                key_id,
                kid,
                public_key,
            });
            Ok(())
        }

        /// Revokes a signing key, effective for every later transaction.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::KeyNotFound`], [`Error::KeyRevoked`], and why the admin may not act.
        /// ## Events
        /// [`Event::SigningKeyRevoked`].
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::revoke_signing_key())]
        pub fn revoke_signing_key(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
        ) -> DispatchResult {
            Self::ensure_admin_even_suspended(origin, tenant)?;
            SigningKeys::<T>::try_mutate((tenant, agent), key_id, |record| {
                let record = record.as_mut().ok_or(Error::<T>::KeyNotFound)?;
                ensure!(record.revoked_at.is_none(), Error::<T>::KeyRevoked);
                record.revoked_at = Some(Self::recorded_now());
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::SigningKeyRevoked {
                tenant,
                agent,
                key_id,
            });
            Ok(())
        }

        /// Takes an encryption key out of the directory.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::KeyNotFound`], [`Error::KeyRevoked`], and why the admin may not act.
        /// ## Events
        /// [`Event::EncryptionKeyRevoked`].
        #[pallet::call_index(8)]
        #[pallet::weight(T::WeightInfo::revoke_encryption_key())]
        pub fn revoke_encryption_key(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
        ) -> DispatchResult {
            Self::ensure_admin_even_suspended(origin, tenant)?;
            EncryptionKeys::<T>::try_mutate((tenant, agent), key_id, |record| {
                let record = record.as_mut().ok_or(Error::<T>::KeyNotFound)?;
                ensure!(record.revoked_at.is_none(), Error::<T>::KeyRevoked);
                record.revoked_at = Some(Self::recorded_now());
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::EncryptionKeyRevoked {
                tenant,
                agent,
                key_id,
            });
            Ok(())
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

        fn ensure_admin(origin: OriginFor<T>, tenant: TenantId) -> DispatchResult {
            let entry = Self::ensure_admin_even_suspended(origin, tenant)?;
            ensure!(!entry.suspended, Error::<T>::TenantSuspended);
            Ok(())
        }

        /// A suspended tenant may still revoke: taking rights away is always allowed.
        fn ensure_admin_even_suspended(
            origin: OriginFor<T>,
            tenant: TenantId,
        ) -> Result<Tenant<T::AccountId>, DispatchError> {
            let signer = ensure_signed(origin)?;
            let entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
            ensure!(entry.admin == signer, Error::<T>::NotTenantAdmin);
            Ok(entry)
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
