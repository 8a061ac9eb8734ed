// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Keys with their history, and how a key is judged at a block.

use crate::{
    AgentId, EncryptionPublicKey, KeyId, RecipientKid, SigningPublicKey, TenantId, limits,
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

/// The withdrawal of a signing key. Once recorded it is never undone, only brought forward.
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
pub struct Revocation {
    /// First block whose events the key may not sign.
    pub effective_from: u32,
    /// When the withdrawal was last decided.
    pub decided_at: RecordedAt,
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
    /// Its withdrawal, if decided.
    pub revocation: Option<Revocation>,
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

    /// Ends the window at this moment if it would last longer. Never widens it.
    pub fn end_by(&mut self, time_ms: u64) {
        self.valid_to = Some(self.valid_to.map_or(time_ms, |end| end.min(time_ms)));
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

/// Why a signing key cannot be revoked as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationProblem {
    /// It is revoked already, from the same block or an earlier one.
    AlreadyRevoked,
    /// The block lies further ahead than [`limits::MAX_REVOCATION_NOTICE_BLOCKS`].
    TooFarAhead,
}

impl fmt::Display for RevocationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyRevoked => "already revoked from that block or an earlier one",
            Self::TooFarAhead => "the block lies too far ahead",
        })
    }
}

impl core::error::Error for RevocationProblem {}

impl SigningKeyRecord {
    /// Judges the key at the block that holds an event: the chain while it makes the block, and
    /// every reader afterwards, by this one function.
    ///
    /// # Errors
    /// Why the key could not sign then.
    pub fn check_at(&self, at: &RecordedAt) -> Result<(), KeyProblem> {
        if at.block < self.registered_at.block {
            return Err(KeyProblem::NotFound);
        }
        if self
            .revocation
            .is_some_and(|revocation| at.block >= revocation.effective_from)
        {
            return Err(KeyProblem::Revoked);
        }
        self.window.check(at.time_ms)
    }

    /// Withdraws the key from a block on, from the next one if none is named.
    ///
    /// The current block is never affected: it may hold events of the key already, and a reader
    /// who knows only their block could not tell those before the withdrawal from those after it.
    ///
    /// # Errors
    /// [`RevocationProblem`]; the record is unchanged then.
    pub fn revoke(
        &mut self,
        effective_from: Option<u32>,
        now: RecordedAt,
    ) -> Result<Revocation, RevocationProblem> {
        let next = now.block.saturating_add(1);
        let effective_from = effective_from.unwrap_or(next).max(next);
        if effective_from.saturating_sub(now.block) > limits::MAX_REVOCATION_NOTICE_BLOCKS {
            return Err(RevocationProblem::TooFarAhead);
        }
        if self
            .revocation
            .is_some_and(|known| known.effective_from <= effective_from)
        {
            return Err(RevocationProblem::AlreadyRevoked);
        }
        let revocation = Revocation {
            effective_from,
            decided_at: now,
        };
        self.revocation = Some(revocation);
        Ok(revocation)
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
        if now.block < self.registered_at.block {
            return Err(KeyProblem::NotFound);
        }
        self.window.check(now.time_ms)
    }
}
