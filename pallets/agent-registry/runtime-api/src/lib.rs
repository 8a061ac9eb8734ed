// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime API of the agent registry: who may write, and with which key.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use polkadot_sdk::sp_api;
use ves_primitives::{
    AgentId, EventType, GroupId, KeyId, RecipientKid, StoreId, TenantId,
    registry::{
        Author, AuthorProblem, DirectoryEntry, GroupRecipients, KeyPolicy, RecordedAt, SchemaEntry,
        SchemaRecord, SigningKeyRecord,
    },
};

sp_api::decl_runtime_apis! {
    /// Questions about tenants, stores, agents and keys at a block's state.
    pub trait AgentRegistryApi {
        /// The signing key with this number, with its whole history.
        fn signing_key(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<SigningKeyRecord>;
        /// Every signing key of an agent in key order.
        fn signing_keys(tenant: TenantId, agent: AgentId) -> Vec<(KeyId, SigningKeyRecord)>;
        /// Every encryption key of an agent in key order, revoked ones included.
        fn encryption_keys(tenant: TenantId, agent: AgentId) -> Vec<DirectoryEntry>;
        /// The encryption key with this chain-wide recipient number.
        fn encryption_key_by_kid(kid: RecipientKid) -> Option<DirectoryEntry>;
        /// Whether this author may write to this store with this key in the next block.
        fn author_status(
            tenant: TenantId,
            store: StoreId,
            agent: AgentId,
            key: KeyId,
        ) -> Result<(), AuthorProblem>;
        /// As `author_status`, with the author's key, policy and quotas.
        fn author(
            tenant: TenantId,
            store: StoreId,
            agent: AgentId,
            key: KeyId,
        ) -> Result<Author, AuthorProblem>;
        /// The policy of a signing key; none allows everything.
        fn key_policy(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<KeyPolicy>;
        /// Which key a signing key handed over to.
        fn successor(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<KeyId>;
        /// A group with the encryption key of each member that senders may use now.
        fn group(tenant: TenantId, group: GroupId) -> Option<GroupRecipients>;
        /// Every group of a tenant in order of id, dissolved ones included.
        fn groups(tenant: TenantId) -> Vec<GroupId>;
        /// One version of the schema of an event type's payloads.
        fn schema(tenant: TenantId, event_type: EventType, version: u32) -> Option<SchemaRecord>;
        /// Every schema of a tenant in order of event type and version.
        fn schemas(tenant: TenantId) -> Vec<SchemaEntry>;
        /// The administrator account of a tenant.
        fn tenant_admin(tenant: TenantId) -> Option<[u8; 32]>;
        /// The account that a tenant is offered to.
        fn proposed_tenant_admin(tenant: TenantId) -> Option<[u8; 32]>;
        /// Block number and chain time the answers refer to.
        fn now() -> RecordedAt;
    }
}
