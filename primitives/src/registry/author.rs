// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Who may write, and how much.

use super::{KeyPolicy, KeyProblem};
use crate::{AgentId, KeyId, SigningPublicKey, StoreId, TenantId, limits};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Most that a tenant or an agent may have sequenced within
/// [`limits::EVENT_QUOTA_WINDOW_BLOCKS`] blocks.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct Quota {
    /// Events.
    pub events: u32,
    /// Payload bytes of those events.
    pub payload_bytes: u64,
}

impl Quota {
    /// Of a tenant for whom governance set nothing: what the chain itself can take in a window.
    pub const DEFAULT_TENANT: Self = Self {
        events: limits::DEFAULT_QUOTA_EVENTS,
        payload_bytes: limits::DEFAULT_QUOTA_PAYLOAD_BYTES,
    };
    /// Of an agent for whom its tenant's admin set nothing: as much as any tenant by default. The
    /// tenant's quota holds beside it.
    pub const DEFAULT_AGENT: Self = Self::DEFAULT_TENANT;
}

/// An author who may write now.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct Author {
    /// The key that signs.
    pub key: SigningPublicKey,
    /// What the key may be used for; anything if absent.
    pub policy: Option<KeyPolicy>,
    /// What the author's tenant may have sequenced in a window.
    pub tenant_quota: Quota,
    /// What the author may have sequenced in a window.
    pub agent_quota: Quota,
}

/// Who may write, as the sequencer asks it. The runtime joins it to the registry.
pub trait AuthorDirectory {
    /// What the registry knows of an author who may sign for this store now.
    ///
    /// # Errors
    /// Why the author may not write, the widest reason first.
    fn author(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Author, AuthorProblem>;

    /// The key alone, for those who judge no event.
    ///
    /// # Errors
    /// As [`AuthorDirectory::author`].
    fn author_key(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<SigningPublicKey, AuthorProblem> {
        Self::author(tenant, store, agent, key).map(|author| author.key)
    }
}

/// Why the registry refuses an author, before any key is looked at.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum AuthorProblem {
    /// The tenant is not registered.
    UnknownTenant,
    /// The tenant is suspended.
    TenantSuspended,
    /// The store is not registered for the tenant.
    UnknownStore,
    /// The agent is not registered for the tenant.
    UnknownAgent,
    /// The agent is suspended.
    AgentSuspended,
    /// The key cannot sign.
    Key(KeyProblem),
}

impl AuthorProblem {
    /// The number the transaction pool answers with.
    pub const fn pool_code(self) -> u8 {
        match self {
            Self::UnknownTenant => 16,
            Self::TenantSuspended => 17,
            Self::UnknownStore => 18,
            Self::UnknownAgent => 19,
            Self::AgentSuspended => 20,
            Self::Key(KeyProblem::NotFound) => 21,
            Self::Key(KeyProblem::Revoked) => 22,
            Self::Key(KeyProblem::Expired) => 23,
            Self::Key(KeyProblem::NotYetValid) => 24,
        }
    }
}

impl fmt::Display for AuthorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTenant => f.write_str("unknown_tenant"),
            Self::TenantSuspended => f.write_str("tenant_suspended"),
            Self::UnknownStore => f.write_str("unknown_store"),
            Self::UnknownAgent => f.write_str("unknown_agent"),
            Self::AgentSuspended => f.write_str("agent_suspended"),
            Self::Key(problem) => write!(f, "agent_key_invalid: {}", problem.name()),
        }
    }
}
