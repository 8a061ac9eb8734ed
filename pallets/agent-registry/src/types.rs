// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What is stored of tenants and agents.

use crate::frame_support::pallet_prelude::*;
use ves_primitives::{AgentId, TenantId, registry::Quota};

/// A registered tenant.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Tenant<AccountId> {
    /// The account that registers the tenant's stores, agents and keys.
    pub admin: AccountId,
    /// The account that the tenant is offered to, until it accepts.
    pub proposed_admin: Option<AccountId>,
    /// Whether governance has stopped the tenant from writing.
    pub suspended: bool,
    /// What governance lets it have sequenced in a window; none is the default.
    pub quota: Option<Quota>,
    /// Groups ever created.
    pub groups: u32,
    /// Schema versions ever registered.
    pub schemas: u32,
}

impl<AccountId> Tenant<AccountId> {
    /// A tenant as it is admitted.
    pub const fn new(admin: AccountId) -> Self {
        Self {
            admin,
            proposed_admin: None,
            suspended: false,
            quota: None,
            groups: 0,
            schemas: 0,
        }
    }
}

/// A registered agent.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Agent {
    /// Whether the tenant's admin has stopped the agent from writing.
    pub suspended: bool,
    /// What the admin lets it have sequenced in a window; none is the default.
    pub quota: Option<Quota>,
    /// Signing keys ever registered.
    pub signing_keys: u32,
    /// Encryption keys ever registered.
    pub encryption_keys: u32,
}

/// An agent's full name.
pub type AgentRef = (TenantId, AgentId);
