// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance policies, the public inputs of their proofs, and the hashes of both (VES v1 §6,
//! VES-STARK B2 and B3).

mod context;
mod inputs;
mod policy;

pub use context::*;
pub use inputs::*;
pub use policy::*;

use crate::{ProofHash, domain, hash::Preimage};

/// Hash of one event's compliance proof.
pub fn compliance_proof_hash(proof: &[u8]) -> ProofHash {
    ProofHash(
        Preimage::new(domain::COMPLIANCE_PROOF)
            .bytes(proof)
            .finish(),
    )
}

/// Hash of a batch proof, the `proofHash` anchored on `SetRegistry`.
pub fn batch_proof_hash(proof: &[u8]) -> ProofHash {
    ProofHash(Preimage::new(domain::BATCH_PROOF).bytes(proof).finish())
}

/// `bundleHash` of a proof bundle: over the canonical JSON (RFC 8785) of all its other members.
pub fn bundle_hash(canonical: &str) -> [u8; 32] {
    Preimage::new(domain::PROOF_BUNDLE)
        .bytes(canonical.as_bytes())
        .finish()
}

/// `receiptHash` of a commerce authorization receipt: over the canonical JSON of all its other
/// members.
pub fn authorization_receipt_hash(canonical: &str) -> [u8; 32] {
    Preimage::new(domain::AUTHORIZATION_RECEIPT)
        .bytes(canonical.as_bytes())
        .finish()
}

/// `bindingHash` of a payload amount binding: over the canonical JSON of all its other members.
pub fn amount_binding_hash(canonical: &str) -> [u8; 32] {
    Preimage::new(domain::AMOUNT_BINDING)
        .bytes(canonical.as_bytes())
        .finish()
}
