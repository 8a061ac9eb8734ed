// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the registry knows about tenants, stores, agents and keys, and how a key is judged.

use crate::{
    AgentId, EncryptionPublicKey, KeyId, RecipientKid, SigningPublicKey, StoreId, TenantId,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// When a key may be used, in chain time (milliseconds since the Unix epoch).
#[derive(
    Clone,
    Copy,
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
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct ValidityWindow {
    /// First valid moment; unlimited if absent.
    pub valid_from: Option<u64>,
    /// Last valid moment; unlimited if absent.
    pub valid_to: Option<u64>,
}

/// Where and when something was recorded.
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
pub struct RecordedAt {
    /// Block number.
    pub block: u32,
    /// Chain time of that block, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// A registered Ed25519 key.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct SigningKeyRecord {
    /// The key.
    pub public_key: SigningPublicKey,
    /// When it may sign.
    pub window: ValidityWindow,
    /// When it entered the registry.
    pub registered_at: RecordedAt,
    /// When it was revoked, if it was. Events of later blocks are refused.
    pub revoked_at: Option<RecordedAt>,
}

/// A registered X25519 key.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct EncryptionKeyRecord {
    /// The key.
    pub public_key: EncryptionPublicKey,
    /// Chain-wide recipient number.
    pub kid: RecipientKid,
    /// When senders may use it.
    pub window: ValidityWindow,
    /// When it entered the registry.
    pub registered_at: RecordedAt,
    /// When it was revoked, if it was. Senders stop using it; old events stay readable.
    pub revoked_at: Option<RecordedAt>,
}

/// An encryption key as a sender finds it in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct DirectoryEntry {
    /// The reader's tenant.
    pub tenant_id: TenantId,
    /// The reader.
    pub agent_id: AgentId,
    /// Number of the key among the reader's keys.
    pub key_id: KeyId,
    /// The key and its history.
    pub record: EncryptionKeyRecord,
}

/// Why a key may not sign at a given moment.
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
pub enum KeyProblem {
    /// No such key of this agent.
    NotFound,
    /// Revoked at or before the block in question.
    Revoked,
    /// Past `valid_to`.
    Expired,
    /// Before `valid_from`.
    NotYetValid,
}

impl KeyProblem {
    /// Text after `agent_key_invalid: `.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
        }
    }
}

impl ValidityWindow {
    /// Whether the window contains at least one moment.
    pub fn is_well_formed(&self) -> bool {
        match (self.valid_from, self.valid_to) {
            (Some(from), Some(to)) => from <= to,
            _ => true,
        }
    }

    fn check(&self, time_ms: u64) -> Result<(), KeyProblem> {
        if self.valid_from.is_some_and(|from| time_ms < from) {
            return Err(KeyProblem::NotYetValid);
        }
        if self.valid_to.is_some_and(|to| time_ms > to) {
            return Err(KeyProblem::Expired);
        }
        Ok(())
    }
}

fn check_at(
    window: &ValidityWindow,
    registered: &RecordedAt,
    revoked: Option<&RecordedAt>,
    at: &RecordedAt,
) -> Result<(), KeyProblem> {
    if at.block < registered.block {
        return Err(KeyProblem::NotFound);
    }
    // A revocation counts from its own block on. Within that block the order of transactions
    // decides on chain; a later reader cannot see it and gives the block's events the benefit.
    if revoked.is_some_and(|revoked| at.block > revoked.block) {
        return Err(KeyProblem::Revoked);
    }
    window.check(at.time_ms)
}

impl SigningKeyRecord {
    /// Judges the key at the block that included an event, as a later reader does.
    ///
    /// # Errors
    /// Why the key could not sign then.
    pub fn check_at(&self, at: &RecordedAt) -> Result<(), KeyProblem> {
        check_at(
            &self.window,
            &self.registered_at,
            self.revoked_at.as_ref(),
            at,
        )
    }

    /// Judges the key now, as the chain does: a revocation earlier in this very block counts.
    ///
    /// # Errors
    /// Why the key cannot sign now.
    pub fn check_now(&self, now: &RecordedAt) -> Result<(), KeyProblem> {
        if self.revoked_at.is_some() {
            return Err(KeyProblem::Revoked);
        }
        self.check_at(now)
    }
}

impl EncryptionKeyRecord {
    /// Whether a sender may wrap for this key now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_now(&self, now: &RecordedAt) -> Result<(), KeyProblem> {
        if self.revoked_at.is_some() {
            return Err(KeyProblem::Revoked);
        }
        check_at(&self.window, &self.registered_at, None, now)
    }
}

/// Who may write, as the sequencer asks it. The runtime joins it to the registry.
pub trait AuthorDirectory {
    /// The key with which this author signs for this store now.
    ///
    /// # Errors
    /// Why the author may not write, the widest reason first.
    fn author_key(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<SigningPublicKey, AuthorProblem>;
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
