// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What an auditor can follow.

use crate::frame_support;

#[frame_support::pallet_macros::pallet_section]
mod events {
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
        /// A signing key was revoked, or its revocation brought forward.
        SigningKeyRevoked {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
            /// First block whose events the key may not sign.
            effective_from: u32,
        },
        /// A signing key handed over to its successor. `SigningKeyRegistered` of the successor, and
        /// `KeyPolicyChanged` if it inherits a policy, go before.
        SigningKeyRotated {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key that handed over.
            outgoing: KeyId,
            /// Last moment at which it may sign, milliseconds since the Unix epoch.
            outgoing_valid_to: u64,
            /// Number of its successor.
            successor: KeyId,
        },
        /// What a signing key may be used for changed, for events of later transactions.
        KeyPolicyChanged {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// Number of the key.
            key_id: KeyId,
            /// The policy now; none allows everything.
            policy: Option<KeyPolicy>,
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
        /// Governance set what a tenant may have sequenced in a window.
        TenantQuotaChanged {
            /// The tenant.
            tenant: TenantId,
            /// The quota now; none is the default.
            quota: Option<Quota>,
        },
        /// A tenant set what one of its agents may have sequenced in a window.
        AgentQuotaChanged {
            /// The tenant.
            tenant: TenantId,
            /// The agent.
            agent: AgentId,
            /// The quota now; none is the default.
            quota: Option<Quota>,
        },
        /// A tenant is offered to a new administrator, who has yet to accept.
        TenantAdminProposed {
            /// The tenant.
            tenant: TenantId,
            /// The account it is offered to. An earlier offer is void.
            proposed: T::AccountId,
        },
        /// The offer of a tenant was taken back.
        TenantAdminProposalCancelled {
            /// The tenant.
            tenant: TenantId,
            /// The account it was offered to.
            proposed: T::AccountId,
        },
        /// A tenant has a new administrator.
        TenantAdminChanged {
            /// The tenant.
            tenant: TenantId,
            /// The administrator until now.
            previous: T::AccountId,
            /// The administrator from now on.
            admin: T::AccountId,
        },
        /// An encryption group came into being, without members.
        GroupCreated {
            /// The tenant.
            tenant: TenantId,
            /// The group.
            group: GroupId,
        },
        /// An agent joined a group, or changed its role in it.
        GroupMemberSet {
            /// The tenant.
            tenant: TenantId,
            /// The group.
            group: GroupId,
            /// The member.
            agent: AgentId,
            /// Its role now.
            role: GroupRole,
            /// Changes of the group's membership so far.
            epoch: u32,
        },
        /// An agent left a group: it reads nothing that is encrypted to the group from now on.
        GroupMemberRemoved {
            /// The tenant.
            tenant: TenantId,
            /// The group.
            group: GroupId,
            /// The agent.
            agent: AgentId,
            /// Changes of the group's membership so far.
            epoch: u32,
        },
        /// A group has no members any more, and will have none.
        GroupDissolved {
            /// The tenant.
            tenant: TenantId,
            /// The group.
            group: GroupId,
            /// Changes of the group's membership so far.
            epoch: u32,
        },
        /// A tenant registered the schema of an event type's payloads.
        SchemaRegistered {
            /// The tenant.
            tenant: TenantId,
            /// The event type.
            event_type: EventType,
            /// Version of the schema.
            version: u32,
            /// SHA-256 of its canonical JSON.
            hash: SchemaHash,
        },
        /// A tenant deprecated a schema, or took that back.
        SchemaStatusChanged {
            /// The tenant.
            tenant: TenantId,
            /// The event type.
            event_type: EventType,
            /// Version of the schema.
            version: u32,
            /// Its status now.
            status: SchemaStatus,
        },
    }
}
