// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The hand-over from a signing key to its successor.

use super::{AuthorProblem, KeyProblem};
#[cfg(doc)]
use crate::limits;
use crate::{
    AgentId, GenesisHash, KeyId, KeyPurpose, PossessionStatement, RotationStatement, Signature,
    SigningPublicKey, TenantId, WeakKey,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// A signing key hands over to its successor: the argument of the `rotate_signing_key` call.
///
/// Field order is the SCALE layout of the call.
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
pub struct KeyRotation {
    /// The agent's tenant.
    pub tenant_id: TenantId,
    /// The agent.
    pub agent_id: AgentId,
    /// Number of the key that hands over.
    pub outgoing: KeyId,
    /// Number of its successor; never used before.
    pub successor: KeyId,
    /// The successor.
    pub public_key: SigningPublicKey,
    /// Seconds for which the outgoing key may still sign, at most
    /// [`limits::MAX_ROTATION_GRACE_SECONDS`].
    pub grace_seconds: u32,
    /// The successor's signature over its possession statement.
    pub possession: Signature,
    /// The outgoing key's signature over the rotation statement.
    pub handover: Signature,
}

impl KeyRotation {
    /// What the outgoing key signs, on the chain with this block 0.
    pub const fn statement(&self, genesis: GenesisHash) -> RotationStatement {
        RotationStatement {
            successor: PossessionStatement {
                genesis,
                tenant: self.tenant_id,
                agent: self.agent_id,
                key_id: self.successor,
                purpose: KeyPurpose::Signing,
                public_key: self.public_key.0,
            },
            outgoing: self.outgoing,
            grace_seconds: self.grace_seconds,
        }
    }
}

/// Why a rotation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationRefusal {
    /// The outgoing key may not sign now, or its revocation is decided.
    Author(AuthorProblem),
    /// The successor's number was used before.
    NumberTaken,
    /// The outgoing key has handed over already.
    HandedOver,
    /// The agent has used up the numbers that it may give out itself.
    NumbersExhausted,
    /// The grace is longer than [`limits::MAX_ROTATION_GRACE_SECONDS`].
    Grace,
    /// The successor is no admissible key.
    WeakKey(WeakKey),
    /// The successor's signature does not verify.
    InvalidPossession,
    /// The outgoing key's signature does not verify.
    InvalidHandover,
}

impl RotationRefusal {
    /// The number the transaction pool answers with, in the namespace of
    /// [`Rejection::pool_code`](crate::sequencer::Rejection::pool_code).
    pub const fn pool_code(self) -> u8 {
        match self {
            Self::Author(problem) => problem.pool_code(),
            Self::NumberTaken => 25,
            Self::HandedOver => 26,
            Self::NumbersExhausted => 27,
            Self::Grace => 28,
            Self::WeakKey(_) => 29,
            Self::InvalidPossession => 30,
            Self::InvalidHandover => 31,
        }
    }
}

/// The name behind a pool answer to a rotation, for clients that only see the number.
pub const fn rotation_code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        25 => "rotation: key number taken",
        26 => "rotation: key has handed over",
        27 => "rotation: key numbers exhausted",
        28 => "rotation: grace too long",
        29 => "rotation: weak key",
        30 => "rotation: invalid possession",
        31 => "rotation: invalid hand-over",
        _ => return None,
    })
}

impl From<AuthorProblem> for RotationRefusal {
    fn from(problem: AuthorProblem) -> Self {
        Self::Author(problem)
    }
}

impl From<KeyProblem> for RotationRefusal {
    fn from(problem: KeyProblem) -> Self {
        Self::Author(AuthorProblem::Key(problem))
    }
}

impl From<WeakKey> for RotationRefusal {
    fn from(weak: WeakKey) -> Self {
        Self::WeakKey(weak)
    }
}
