// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the transcript of a proof is bound to: one proof serves no other chain, stream, event,
//! policy, commitment or circuit.

use super::ComplianceInputs;
use crate::{
    AmountCommitment, BatchCommitment, EventSigningHash, GenesisHash, PolicyHash, ProofHash,
    StreamId, domain, hash::Preimage, proof::BatchEntry, stream_id,
};

/// `H("VES_PROOF_CONTEXT_V1" || genesis || stream || U32(circuit version) || SHA-256(inputs))`,
/// where the inputs are the canonical JSON with the commitment.
pub fn proof_context(
    genesis: &GenesisHash,
    circuit_version: u32,
    inputs: &ComplianceInputs,
) -> [u8; 32] {
    let stream = stream_id(inputs.tenant_id, inputs.store_id);
    Preimage::new(domain::PROOF_CONTEXT)
        .bytes(&genesis.0)
        .bytes(&stream.0)
        .u32(circuit_version)
        .bytes(&crate::sha256(inputs.canonical_json().as_bytes()))
        .finish()
}

/// One event in a batch proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProofEntry {
    /// What the event's agent signed.
    pub event: EventSigningHash,
    /// The policy it is proven under.
    pub policy: PolicyHash,
    /// The amount commitment its agent endorsed.
    pub commitment: AmountCommitment,
}

/// `H("VES_BATCH_PROOF_CONTEXT_V1" || genesis || stream || U32(circuit version) || batch id ||
/// events root || previous state root || new state root || U32(count) || (signing hash || policy
/// hash || C)…)`.
pub fn batch_proof_context<'a>(
    genesis: &GenesisHash,
    circuit_version: u32,
    stream: &StreamId,
    batch: &BatchCommitment,
    entries: impl ExactSizeIterator<Item = &'a BatchProofEntry>,
) -> [u8; 32] {
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let preimage = Preimage::new(domain::BATCH_PROOF_CONTEXT)
        .bytes(&genesis.0)
        .bytes(&stream.0)
        .u32(circuit_version)
        .bytes(&batch.batch_id.0)
        .bytes(&batch.events_root.0)
        .bytes(&batch.prev_state_root.0)
        .bytes(&batch.new_state_root.0)
        .u32(count);
    entries
        .fold(preimage, |preimage, entry| {
            preimage
                .bytes(&entry.event.0)
                .bytes(&entry.policy.0)
                .bytes(&entry.commitment.0)
        })
        .finish()
}

/// `H("VES_BUDGET_PROOF_CONTEXT_V1" || genesis || stream || U32(circuit version) || policy hash ||
/// previous C || new C || SHA-256(inputs))`: the spending of one event moves the committed total.
pub fn budget_proof_context(
    genesis: &GenesisHash,
    circuit_version: u32,
    inputs: &ComplianceInputs,
    previous: &AmountCommitment,
    new: &AmountCommitment,
) -> [u8; 32] {
    let stream = stream_id(inputs.tenant_id, inputs.store_id);
    Preimage::new(domain::BUDGET_PROOF_CONTEXT)
        .bytes(&genesis.0)
        .bytes(&stream.0)
        .u32(circuit_version)
        .bytes(&inputs.policy.hash().0)
        .bytes(&previous.0)
        .bytes(&new.0)
        .bytes(&crate::sha256(inputs.canonical_json().as_bytes()))
        .finish()
}

/// What an agent signs to submit a proof, so that nobody else can spend its proof quota:
/// `H("VES_PROOF_SUBMISSION_V1" || context || proof hash)`.
pub fn proof_submission_hash(context: &[u8; 32], proof: &ProofHash) -> [u8; 32] {
    Preimage::new(domain::PROOF_SUBMISSION)
        .bytes(context)
        .bytes(&proof.0)
        .finish()
}

/// What an agent signs to submit a batch proof:
/// `H("VES_BATCH_PROOF_SUBMISSION_V1" || context || proof hash || U32(count) || (agent signature ||
/// agent || U32(key) || currency tag || endorsement)…)`.
///
/// Beyond the context it covers the rest of each entry, so that nobody who carries a submission can
/// spoil one entry at the submitter's expense.
pub fn batch_submission_hash(
    context: &[u8; 32],
    proof: &ProofHash,
    entries: &[BatchEntry],
) -> [u8; 32] {
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let preimage = Preimage::new(domain::BATCH_PROOF_SUBMISSION)
        .bytes(context)
        .bytes(&proof.0)
        .u32(count);
    entries
        .iter()
        .fold(preimage, |preimage, entry| {
            preimage
                .bytes(&entry.agent_signature.0)
                .bytes(&entry.agent_id.0)
                .u32(entry.key_id.0)
                .u64(entry.currency.as_u64())
                .bytes(&entry.endorsement.0)
        })
        .finish()
}
