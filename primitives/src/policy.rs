// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Policy and proof hashes (VES v1 §6).

use crate::{PolicyHash, ProofHash, domain, hash::Preimage};

/// `H("STATESET_VES_COMPLIANCE_POLICY_HASH_V1" || canonical JSON)` where the JSON is
/// `{"policyId":…,"policyParams":…}` in canonical form.
pub fn policy_hash_of_canonical(canonical_json: &[u8]) -> PolicyHash {
    PolicyHash(Preimage::new(domain::POLICY).bytes(canonical_json).finish())
}

/// Policy hash of an id and its parameters (VES v1 §6.1).
///
/// # Errors
/// [`crate::jcs::JcsError`] if the parameters have no canonical form.
#[cfg(feature = "jcs")]
pub fn policy_hash(
    policy_id: &str,
    params: &serde_json::Value,
) -> Result<PolicyHash, crate::jcs::JcsError> {
    let json = serde_json::json!({ "policyId": policy_id, "policyParams": params });
    let canonical = crate::jcs::canonicalize_value(&json)?;
    Ok(policy_hash_of_canonical(canonical.as_bytes()))
}

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
