// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The calls: who may make them, and what they promise. What they do is in the other files.

use crate::frame_support;

#[frame_support::pallet_macros::pallet_section]
mod calls {
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
            Tenants::<T>::insert(tenant, Tenant::new(admin.clone()));
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
            Agents::<T>::insert(tenant, agent, Agent::default());
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

        /// Revokes a signing key from a block on.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed; a suspended tenant's too.
        /// ## Details
        /// Without `effective_from`, or with one that is not ahead, the key stops with the next
        /// block: this block may hold events of it already. A revocation that lies ahead can be
        /// brought forward, and never postponed or undone.
        /// ## Errors
        /// [`Error::KeyNotFound`], [`Error::KeyRevoked`], [`Error::RevocationTooFarAhead`], and why
        /// the admin may not act.
        /// ## Events
        /// [`Event::SigningKeyRevoked`].
        #[pallet::call_index(7)]
        #[pallet::weight(T::WeightInfo::revoke_signing_key())]
        pub fn revoke_signing_key(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
            effective_from: Option<u32>,
        ) -> DispatchResult {
            Self::ensure_admin_even_suspended(origin, tenant)?;
            let revocation = SigningKeys::<T>::try_mutate((tenant, agent), key_id, |record| {
                let record = record.as_mut().ok_or(Error::<T>::KeyNotFound)?;
                record
                    .revoke(effective_from, Self::recorded_now())
                    .map_err(Error::<T>::from)
            })?;
            Self::deposit_event(Event::SigningKeyRevoked {
                tenant,
                agent,
                key_id,
                effective_from: revocation.effective_from,
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

        /// Hands over from a signing key to its successor.
        ///
        /// ## Dispatch Origin
        /// Nobody: the two keys' signatures authorise the call, and anyone may carry it. No account, no
        /// nonce, no fee.
        /// ## Details
        /// The successor inherits the outgoing key's policy and the end of its validity window. The outgoing
        /// key's window is shortened to the grace, so that events which wait at the agent can still be
        /// submitted; it hands over once. The transaction pool refuses what would fail here.
        /// ## Errors
        /// [`Error::KeyHandedOver`], [`Error::KeyExists`], [`Error::GraceTooLong`],
        /// [`Error::InvalidHandover`], [`Error::InvalidProofOfPossession`], [`Error::MaxKeysExceeded`], the
        /// `Key…` errors, and why the agent may not write.
        /// ## Events
        /// [`Event::SigningKeyRegistered`], [`Event::KeyPolicyChanged`] if there is a policy, and
        /// [`Event::SigningKeyRotated`].
        #[pallet::call_index(9)]
        #[pallet::weight(T::WeightInfo::rotate_signing_key())]
        #[pallet::authorize(|source, rotation| Pallet::<T>::authorize_rotation(source, rotation))]
        #[pallet::weight_of_authorize(T::WeightInfo::authorize_rotation())]
        pub fn rotate_signing_key(origin: OriginFor<T>, rotation: KeyRotation) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::do_rotate_signing_key(&rotation).map_err(Error::<T>::from)?;
            Ok(())
        }

        /// Sets or lifts what a signing key may be used for.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Details
        /// Counts for every later transaction. The key's successors inherit the policy in force when they
        /// take over.
        /// ## Errors
        /// [`Error::KeyNotFound`], [`Error::InvalidKeyPolicy`], and why the admin may not act.
        /// ## Events
        /// [`Event::KeyPolicyChanged`].
        #[pallet::call_index(10)]
        #[pallet::weight(T::WeightInfo::set_key_policy())]
        pub fn set_key_policy(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            key_id: KeyId,
            policy: Option<KeyPolicy>,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            ensure!(
                SigningKeys::<T>::contains_key((tenant, agent), key_id),
                Error::<T>::KeyNotFound
            );
            ensure!(
                policy.as_ref().is_none_or(KeyPolicy::is_well_formed),
                Error::<T>::InvalidKeyPolicy
            );
            KeyPolicies::<T>::set((tenant, agent), key_id, policy.clone());
            Self::deposit_event(Event::KeyPolicyChanged {
                tenant,
                agent,
                key_id,
                policy,
            });
            Ok(())
        }

        /// Sets what a tenant may have sequenced in a window, or returns it to the default.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Errors
        /// [`Error::TenantNotFound`].
        /// ## Events
        /// [`Event::TenantQuotaChanged`].
        #[pallet::call_index(11)]
        #[pallet::weight(T::WeightInfo::set_tenant_quota())]
        pub fn set_tenant_quota(
            origin: OriginFor<T>,
            tenant: TenantId,
            quota: Option<Quota>,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Tenants::<T>::try_mutate(tenant, |entry| {
                entry.as_mut().ok_or(Error::<T>::TenantNotFound)?.quota = quota;
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::TenantQuotaChanged { tenant, quota });
            Ok(())
        }

        /// Sets what an agent may have sequenced in a window, or returns it to the default.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Details
        /// The tenant's own quota holds beside it: the smaller one decides.
        /// ## Errors
        /// [`Error::AgentNotFound`], and why the admin may not act.
        /// ## Events
        /// [`Event::AgentQuotaChanged`].
        #[pallet::call_index(12)]
        #[pallet::weight(T::WeightInfo::set_agent_quota())]
        pub fn set_agent_quota(
            origin: OriginFor<T>,
            tenant: TenantId,
            agent: AgentId,
            quota: Option<Quota>,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Agents::<T>::try_mutate(tenant, agent, |entry| {
                entry.as_mut().ok_or(Error::<T>::AgentNotFound)?.quota = quota;
                Ok::<_, Error<T>>(())
            })?;
            Self::deposit_event(Event::AgentQuotaChanged {
                tenant,
                agent,
                quota,
            });
            Ok(())
        }

        /// Offers a tenant to a new administrator, who has to accept.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed; or governance, for a tenant whose admin has lost the key.
        /// ## Details
        /// The proposed account comes into being, so that it can sign its acceptance. An earlier offer is
        /// void.
        /// ## Errors
        /// [`Error::AlreadyTenantAdmin`], and why the admin may not act.
        /// ## Events
        /// [`Event::TenantAdminProposed`].
        #[pallet::call_index(13)]
        #[pallet::weight(T::WeightInfo::propose_tenant_admin())]
        pub fn propose_tenant_admin(
            origin: OriginFor<T>,
            tenant: TenantId,
            proposed: T::AccountId,
        ) -> DispatchResult {
            Self::ensure_governance_or_admin(origin, tenant)?;
            Self::do_propose_admin(tenant, proposed)
        }

        /// Takes over a tenant that was offered to the signer.
        ///
        /// ## Dispatch Origin
        /// The proposed account, signed; of a suspended tenant too.
        /// ## Details
        /// The previous administrator's account lives on only if something else refers to it.
        /// ## Errors
        /// [`Error::TenantNotFound`], [`Error::NotProposedAdmin`].
        /// ## Events
        /// [`Event::TenantAdminChanged`].
        #[pallet::call_index(14)]
        #[pallet::weight(T::WeightInfo::accept_tenant_admin())]
        pub fn accept_tenant_admin(origin: OriginFor<T>, tenant: TenantId) -> DispatchResult {
            let signer = ensure_signed(origin)?;
            Self::do_accept_admin(tenant, signer)
        }

        /// Takes back the offer of a tenant.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed; or governance.
        /// ## Errors
        /// [`Error::NoProposal`], and why the admin may not act.
        /// ## Events
        /// [`Event::TenantAdminProposalCancelled`].
        #[pallet::call_index(15)]
        #[pallet::weight(T::WeightInfo::cancel_tenant_admin())]
        pub fn cancel_tenant_admin(origin: OriginFor<T>, tenant: TenantId) -> DispatchResult {
            Self::ensure_governance_or_admin(origin, tenant)?;
            Self::do_cancel_admin(tenant)
        }

        /// Creates an encryption group without members.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::GroupExists`], [`Error::MaxGroupsExceeded`], and why the admin may not act.
        /// ## Events
        /// [`Event::GroupCreated`].
        #[pallet::call_index(16)]
        #[pallet::weight(T::WeightInfo::create_group())]
        pub fn create_group(
            origin: OriginFor<T>,
            tenant: TenantId,
            group: GroupId,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Self::do_create_group(tenant, group)?;
            Ok(())
        }

        /// Admits an agent of the tenant to a group, or changes its role.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::AgentNotFound`], [`Error::GroupNotFound`], [`Error::GroupDissolved`],
        /// [`Error::GroupFull`], [`Error::GroupMemberUnchanged`], and why the admin may not act.
        /// ## Events
        /// [`Event::GroupMemberSet`].
        #[pallet::call_index(17)]
        #[pallet::weight(T::WeightInfo::set_group_member())]
        pub fn set_group_member(
            origin: OriginFor<T>,
            tenant: TenantId,
            group: GroupId,
            agent: AgentId,
            role: GroupRole,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Self::do_set_group_member(tenant, group, agent, role)?;
            Ok(())
        }

        /// Removes an agent from a group. What was encrypted to it before stays readable for it.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed; a suspended tenant's too.
        /// ## Errors
        /// [`Error::GroupNotFound`], [`Error::NotAGroupMember`], and why the admin may not act.
        /// ## Events
        /// [`Event::GroupMemberRemoved`].
        #[pallet::call_index(18)]
        #[pallet::weight(T::WeightInfo::remove_group_member())]
        pub fn remove_group_member(
            origin: OriginFor<T>,
            tenant: TenantId,
            group: GroupId,
            agent: AgentId,
        ) -> DispatchResult {
            Self::ensure_admin_even_suspended(origin, tenant)?;
            Self::do_remove_group_member(tenant, group, agent)?;
            Ok(())
        }

        /// Removes every member of a group for good. Its id is not used again.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed; a suspended tenant's too.
        /// ## Errors
        /// [`Error::GroupNotFound`], [`Error::GroupDissolved`], and why the admin may not act.
        /// ## Events
        /// [`Event::GroupDissolved`].
        #[pallet::call_index(19)]
        #[pallet::weight(T::WeightInfo::dissolve_group())]
        pub fn dissolve_group(
            origin: OriginFor<T>,
            tenant: TenantId,
            group: GroupId,
        ) -> DispatchResult {
            Self::ensure_admin_even_suspended(origin, tenant)?;
            Self::do_dissolve_group(tenant, group)?;
            Ok(())
        }

        /// Registers a version of the schema of an event type's payloads, by hash.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Details
        /// `hash` is SHA-256 of the schema's canonical JSON (RFC 8785). The content stays off the chain. The
        /// chain judges no payload by it: readers do.
        /// ## Errors
        /// [`Error::SchemaExists`], [`Error::InvalidEventType`], [`Error::MaxSchemasExceeded`], and why the
        /// admin may not act.
        /// ## Events
        /// [`Event::SchemaRegistered`].
        #[pallet::call_index(20)]
        #[pallet::weight(T::WeightInfo::register_schema())]
        pub fn register_schema(
            origin: OriginFor<T>,
            tenant: TenantId,
            event_type: EventType,
            version: u32,
            hash: SchemaHash,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Self::do_register_schema(tenant, event_type, version, hash)?;
            Ok(())
        }

        /// Deprecates a version of a schema, or takes that back.
        ///
        /// ## Dispatch Origin
        /// The tenant's admin, signed.
        /// ## Errors
        /// [`Error::SchemaNotFound`], [`Error::SchemaStatusUnchanged`], and why the admin may not act.
        /// ## Events
        /// [`Event::SchemaStatusChanged`].
        #[pallet::call_index(21)]
        #[pallet::weight(T::WeightInfo::set_schema_status())]
        pub fn set_schema_status(
            origin: OriginFor<T>,
            tenant: TenantId,
            event_type: EventType,
            version: u32,
            status: SchemaStatus,
        ) -> DispatchResult {
            Self::ensure_admin(origin, tenant)?;
            Self::do_set_schema_status(tenant, event_type, version, status)?;
            Ok(())
        }
    }
}
