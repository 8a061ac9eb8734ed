// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime API of the agent registry: who may write, and with which key.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use polkadot_sdk::sp_api;
use ves_primitives::{
    AgentId, KeyId, RecipientKid, StoreId, TenantId,
    registry::{AuthorProblem, DirectoryEntry, RecordedAt, SigningKeyRecord},
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
        /// Whether this author may write to this store with this key now.
        fn author_status(
            tenant: TenantId,
            store: StoreId,
            agent: AgentId,
            key: KeyId,
        ) -> Result<(), AuthorProblem>;
        /// The administrator account of a tenant.
        fn tenant_admin(tenant: TenantId) -> Option<[u8; 32]>;
        /// Block number and chain time the answers refer to.
        fn now() -> RecordedAt;
    }
}
