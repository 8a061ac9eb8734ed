// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An opened signing key.

use super::{KeyFile, external};
use crate::error::{Exit, Failure, Result};
use ed25519_zebra::SigningKey;
use ves_primitives::{
    AgentId, AmountCommitment, AmountSalt, EventSigningHash, KeyId, PolicyHash, Signature,
    SigningPublicKey,
};
use zeroize::Zeroizing;

/// An opened signing key. One of our own is erased when dropped.
pub struct Signer {
    /// Its number.
    pub key_id: KeyId,
    hand: Hand,
}

enum Hand {
    // Boxed: the key is large, and most of it is its own precomputed half.
    Own(Box<Zeroizing<SigningKey>>),
    External {
        agent: AgentId,
        public_key: SigningPublicKey,
        command: Vec<String>,
    },
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.key_id)
    }
}

impl Signer {
    /// Opens a signer from its 32-byte seed.
    pub fn from_seed(key_id: KeyId, seed: &[u8; 32]) -> Self {
        Self {
            key_id,
            hand: Hand::Own(Box::new(Zeroizing::new(SigningKey::from(*seed)))),
        }
    }

    pub(super) const fn external(file: &KeyFile, command: Vec<String>) -> Self {
        Self {
            key_id: file.key_id,
            hand: Hand::External {
                agent: file.agent_id,
                public_key: SigningPublicKey(file.public_key),
                command,
            },
        }
    }

    /// The public half.
    pub fn public_key(&self) -> SigningPublicKey {
        match &self.hand {
            Hand::Own(key) => SigningPublicKey(key.verification_key().into()),
            Hand::External { public_key, .. } => *public_key,
        }
    }

    /// Signs a 32-byte hash. Deterministic for our own keys: the same hash gives the same signature.
    ///
    /// # Errors
    /// `signer_failed` or `signer_wrong` of a key that another program holds.
    pub fn sign(&self, hash: &[u8; 32]) -> Result<Signature> {
        match &self.hand {
            Hand::Own(key) => Ok(Signature(key.sign(hash).into())),
            Hand::External {
                agent,
                public_key,
                command,
            } => external::sign(command, *agent, self.key_id, public_key, hash),
        }
    }

    /// The salt of a budget's new total: recomputable with this key, and with nothing less.
    ///
    /// # Errors
    /// `key_external` of a key that another program holds.
    pub fn total_salt(
        &self,
        event: &EventSigningHash,
        policy: &PolicyHash,
        previous: &AmountCommitment,
    ) -> Result<AmountSalt> {
        match &self.hand {
            Hand::Own(key) => Ok(AmountSalt::derive_total(
                key.as_bytes(),
                event,
                policy,
                previous,
            )),
            Hand::External { .. } => Err(Failure::new(
                Exit::Key,
                "key_external",
                "a budget needs a signing key that is on this machine",
            )
            .hint("prove single events, or rotate to a key of keys:generate")),
        }
    }
}
