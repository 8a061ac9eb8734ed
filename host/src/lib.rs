// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The one host function of this chain's nodes beyond the SDK's: many Ed25519 signatures checked at
//! once, for about half of what they cost one by one (`docs/adr/0013-signatures-in-batches.md`).
//!
//! The verdict on each signature is that of ZIP-215, the rule of the SDK's `ed25519_verify`. That rule
//! exists so that checking in batches and one by one agree on every input; strict rules do not.

#![cfg_attr(not(feature = "std"), no_std)]
// `unsafe` stands in what the macro generates for the wasm side, nowhere else.
#![deny(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use sp_runtime_interface::{
    pass_by::{AllocateAndReturnByCodec, PassFatPointerAndRead},
    runtime_interface,
};

#[cfg(feature = "std")]
mod ed25519;

/// Bytes of one signed hash as it is handed to the node: key, signature, message.
const ITEM_BYTES: usize = 32 + 64 + 32;

/// A 32-byte message and who is said to have signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHash {
    /// Ed25519 public key.
    pub key: [u8; 32],
    /// Ed25519 signature, `R || S`.
    pub signature: [u8; 64],
    /// What is signed.
    pub message: [u8; 32],
}

/// Whether each signature holds, in order; as many answers as questions.
///
/// Costs the more the more keys there are; one signature that does not hold makes all be checked one
/// by one as well.
pub fn verify_each(signed: &[SignedHash]) -> Vec<bool> {
    if signed.is_empty() {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(signed.len().saturating_mul(ITEM_BYTES));
    for item in signed {
        bytes.extend_from_slice(&item.key);
        bytes.extend_from_slice(&item.signature);
        bytes.extend_from_slice(&item.message);
    }
    let mut verdicts = ves_crypto::ed25519_verify_each(&bytes);
    // The node answers each question; were it ever to answer fewer, nothing holds that it left out.
    verdicts.resize(signed.len(), false);
    verdicts
}

/// Cryptography of this chain's nodes.
#[runtime_interface]
pub trait VesCrypto {
    /// Checks Ed25519 signatures over 32-byte messages by ZIP-215; `items` are key, signature and
    /// message of each, one after another. An incomplete item at the end has no answer.
    fn ed25519_verify_each(
        items: PassFatPointerAndRead<&[u8]>,
    ) -> AllocateAndReturnByCodec<Vec<bool>> {
        ed25519::verify_each(items)
    }
}

/// Host functions that a node registers with its executor beside the SDK's.
#[cfg(feature = "std")]
pub type HostFunctions = ves_crypto::HostFunctions;
