// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Key admission, proof of possession and the signature rule (VES v1 §2, §14-S3, §16.1).

use crate::{AgentId, GenesisHash, KeyId, SigningPublicKey, TenantId, domain, hash::Preimage};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// What a registered key is for; the number enters the proof of possession.
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
pub enum KeyPurpose {
    /// Ed25519, signs events.
    Signing,
    /// X25519, receives wrapped content keys.
    Encryption,
}

impl KeyPurpose {
    /// 1 signing, 2 encryption.
    pub const fn code(self) -> u8 {
        match self {
            Self::Signing => 1,
            Self::Encryption => 2,
        }
    }
}

/// The statement that binds a key to its registry entry on one chain.
///
/// A signing key signs its own statement; an encryption key's statement is signed by an active
/// signing key of the same agent, since X25519 cannot sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PossessionStatement {
    /// Hash of block 0: a proof for one chain is void on another.
    pub genesis: GenesisHash,
    /// The agent's tenant.
    pub tenant: TenantId,
    /// The agent.
    pub agent: AgentId,
    /// Number of the key.
    pub key_id: KeyId,
    /// What the key is for.
    pub purpose: KeyPurpose,
    /// The key's bytes.
    pub public_key: [u8; 32],
}

impl PossessionStatement {
    /// `H("VES_POP_BIND_V1" || genesis || tenant || agent || U32(key id) || U8(purpose) || key)`.
    pub fn hash(&self) -> [u8; 32] {
        Preimage::new(domain::POP_BIND)
            .bytes(&self.genesis.0)
            .bytes(&self.tenant.0)
            .bytes(&self.agent.0)
            .u32(self.key_id.0)
            .u8(self.purpose.code())
            .bytes(&self.public_key)
            .finish()
    }
}

/// The statement by which a signing key hands over to its successor. The outgoing key signs it, and
/// the successor signs its own possession statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationStatement {
    /// The successor's possession statement; binds genesis, tenant, agent, its number and bytes.
    pub successor: PossessionStatement,
    /// Number of the outgoing key.
    pub outgoing: KeyId,
    /// Seconds for which the outgoing key may still sign.
    pub grace_seconds: u32,
}

impl RotationStatement {
    /// `H("VES_KEY_ROTATE_V2" || pop || U32(outgoing key id) || U32(grace seconds))`.
    pub fn hash(&self) -> [u8; 32] {
        Preimage::new(domain::KEY_ROTATE)
            .bytes(&self.successor.hash())
            .u32(self.outgoing.0)
            .u32(self.grace_seconds)
            .finish()
    }
}

/// The peer's unbound challenge `H("VES_POP_V1" || key)`: for a compatibility gateway only, the
/// chain never accepts it.
pub fn unbound_challenge(public_key: &SigningPublicKey) -> [u8; 32] {
    Preimage::new(domain::POP).bytes(&public_key.0).finish()
}

/// Why a public key may not be registered.
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
pub enum WeakKey {
    /// The bytes name no curve point.
    NotAPoint,
    /// The bytes are not the one canonical encoding of their point.
    NonCanonical,
    /// The point generates at most eight elements: one signature would fit every message.
    SmallOrder,
    /// The point has a small-order component.
    MixedOrder,
}

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAPoint => "not a curve point",
            Self::NonCanonical => "non-canonical encoding",
            Self::SmallOrder => "small-order point",
            Self::MixedOrder => "mixed-order point",
        })
    }
}

impl core::error::Error for WeakKey {}

#[cfg(feature = "keys")]
mod admission {
    use super::WeakKey;
    use crate::{EncryptionPublicKey, SigningPublicKey};
    use curve25519_dalek::{
        edwards::{CompressedEdwardsY, EdwardsPoint},
        montgomery::MontgomeryPoint,
    };

    fn check_order(point: &EdwardsPoint) -> Result<(), WeakKey> {
        if point.is_small_order() {
            return Err(WeakKey::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(WeakKey::MixedOrder);
        }
        Ok(())
    }

    impl SigningPublicKey {
        /// Admits canonical encodings of prime-order points only. With such a key no signature
        /// fits two messages, and every verifier of Ed25519 agrees on honest signatures.
        ///
        /// # Errors
        /// What is wrong with the point.
        pub fn check(&self) -> Result<(), WeakKey> {
            let compressed = CompressedEdwardsY(self.0);
            let point = compressed.decompress().ok_or(WeakKey::NotAPoint)?;
            if point.compress() != compressed {
                return Err(WeakKey::NonCanonical);
            }
            check_order(&point)
        }
    }

    impl EncryptionPublicKey {
        /// Admits what an honest key generation can produce: the canonical u-coordinate of a
        /// prime-order point of Curve25519 itself, not of its twist.
        ///
        /// # Errors
        /// What is wrong with the point.
        pub fn check(&self) -> Result<(), WeakKey> {
            let point = MontgomeryPoint(self.0)
                .to_edwards(0)
                .ok_or(WeakKey::NotAPoint)?;
            if point.to_montgomery().0 != self.0 {
                return Err(WeakKey::NonCanonical);
            }
            check_order(&point)
        }
    }
}

/// Verifies an Ed25519 signature by the chain's rule: ZIP-215, the library behind the chain's own
/// host function. Total: any bytes in, a verdict out.
#[cfg(feature = "ed25519")]
pub fn verify_ed25519(
    key: &SigningPublicKey,
    message: &[u8],
    signature: &crate::Signature,
) -> bool {
    let signature = ed25519_zebra::Signature::from_bytes(&signature.0);
    ed25519_zebra::VerificationKey::try_from(key.0)
        .is_ok_and(|key| key.verify(&signature, message).is_ok())
}
