// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs on their way to the chain, what the chain keeps of them, and why it refuses.

use crate::{
    AgentId, AmountCommitment, BatchCommitment, BatchId, BatchProofEntry, ComplianceInputs,
    CurrencyTag, Envelope, EnvelopeError, EventId, EventSigningHash, EventsRoot, GenesisHash,
    KeyId, LeafHash, Policy, PolicyHash, ProofHash, Signature, StateRoot, StoreId, StreamId,
    TenantId, batch_proof_context, batch_proof_hash, batch_submission_hash, budget_proof_context,
    compliance_proof_hash, events_root, leaf_hash, limits, proof_context, proof_submission_hash,
    registry::AuthorProblem, sequencer::Rejection, stream_id,
};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// A proof as it travels. Each kind has a lower limit of its own, see `limits`.
pub type ProofBytes = BoundedVec<u8, ConstU32<{ limits::MAX_BATCH_PROOF_BYTES }>>;
/// The events of one batch proof.
pub type BatchEntries = BoundedVec<BatchEntry, ConstU32<{ limits::MAX_PROOF_EVENTS }>>;

/// The committed total of a budget before and after one event.
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
pub struct BudgetStep {
    /// The total so far; of a new budget, the commitment to 0 with an all-zero salt.
    pub previous: AmountCommitment,
    /// The total with this event's amount.
    pub new: AmountCommitment,
}

/// A proof about one sequenced event, submitted by the event's own agent.
///
/// Field order is the SCALE layout of the `submit_proof` call.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ProofSubmission {
    /// The event, exactly as it was sequenced.
    pub envelope: Envelope,
    /// The policy it is proven under.
    pub policy: Policy,
    /// Commitment to its amount.
    pub commitment: AmountCommitment,
    /// What the amount is counted in.
    pub currency: CurrencyTag,
    /// Signature over [`crate::endorsement_hash`]: the amount is the event's.
    pub endorsement: Signature,
    /// Which of the agent's keys made `endorsement` and `signature`.
    pub key_id: KeyId,
    /// Given with `agent.budget.v1`, and with no other policy.
    pub budget: Option<BudgetStep>,
    /// Hash of an authorization receipt, if the proof goes with one.
    pub authorization_receipt_hash: Option<[u8; 32]>,
    /// Hash of a payload amount binding, if the proof goes with one.
    pub amount_binding_hash: Option<[u8; 32]>,
    /// Signature over [`ProofSubmission::signing_hash`].
    pub signature: Signature,
    /// The proof.
    pub proof: ProofBytes,
}

impl ProofSubmission {
    /// The event's stream.
    pub fn stream_id(&self) -> StreamId {
        self.envelope.stream_id()
    }

    /// Public inputs of the event at its place in the stream.
    ///
    /// # Errors
    /// [`EnvelopeError::UnsupportedVersion`].
    pub fn inputs(&self, sequence: u64) -> Result<ComplianceInputs, EnvelopeError> {
        let envelope = &self.envelope;
        Ok(ComplianceInputs {
            event_id: envelope.event_id,
            tenant_id: envelope.tenant_id,
            store_id: envelope.store_id,
            sequence,
            payload_kind: envelope.payload_kind,
            payload_plain_hash: envelope.payload_plain_hash,
            payload_cipher_hash: envelope.payload_cipher_hash,
            event_signing_hash: envelope.signing_hash()?,
            policy: self.policy,
            commitment: Some(self.commitment),
            authorization_receipt_hash: self.authorization_receipt_hash,
            amount_binding_hash: self.amount_binding_hash,
        })
    }

    /// What the proof's transcript is bound to.
    ///
    /// # Errors
    /// [`EnvelopeError::UnsupportedVersion`].
    pub fn context(
        &self,
        genesis: &GenesisHash,
        circuit_version: u32,
        sequence: u64,
    ) -> Result<[u8; 32], EnvelopeError> {
        let inputs = self.inputs(sequence)?;
        Ok(match &self.budget {
            None => proof_context(genesis, circuit_version, &inputs),
            Some(step) => {
                budget_proof_context(genesis, circuit_version, &inputs, &step.previous, &step.new)
            }
        })
    }

    /// Hash of the proof.
    pub fn proof_hash(&self) -> ProofHash {
        compliance_proof_hash(&self.proof)
    }

    /// What the agent signs to submit.
    pub fn signing_hash(&self, context: &[u8; 32]) -> [u8; 32] {
        proof_submission_hash(context, &self.proof_hash())
    }
}

/// One event of a batch proof.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BatchEntry {
    /// What the event's agent signed.
    pub event: EventSigningHash,
    /// The event's signature, which its leaf holds.
    pub agent_signature: Signature,
    /// The event's agent.
    pub agent_id: AgentId,
    /// Which of the agent's keys made `agent_signature` and `endorsement`.
    pub key_id: KeyId,
    /// Commitment to the event's amount.
    pub commitment: AmountCommitment,
    /// What the amount is counted in.
    pub currency: CurrencyTag,
    /// Signature over [`crate::endorsement_hash`].
    pub endorsement: Signature,
}

/// A proof about every event of one batch, submitted by an agent of the tenant.
///
/// Field order is the SCALE layout of the `submit_batch_proof` call.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BatchProofSubmission {
    /// Owner of the stream.
    pub tenant_id: TenantId,
    /// Store of the stream.
    pub store_id: StoreId,
    /// Number of the batch within its stream, from 0.
    pub batch_index: u64,
    /// The policy every event is proven under.
    pub policy: Policy,
    /// All events of the batch in order.
    pub entries: BatchEntries,
    /// Who submits, and pays with quota.
    pub agent_id: AgentId,
    /// Which of the submitter's keys signs.
    pub key_id: KeyId,
    /// Signature over [`BatchProofSubmission::signing_hash`].
    pub signature: Signature,
    /// The proof.
    pub proof: ProofBytes,
}

impl BatchProofSubmission {
    /// The batch's stream.
    pub fn stream_id(&self) -> StreamId {
        stream_id(self.tenant_id, self.store_id)
    }

    /// What the proof's transcript is bound to.
    pub fn context(
        &self,
        genesis: &GenesisHash,
        circuit_version: u32,
        batch: &BatchCommitment,
    ) -> [u8; 32] {
        let policy = self.policy.hash();
        let entries: Vec<_> = self
            .entries
            .iter()
            .map(|entry| BatchProofEntry {
                event: entry.event,
                policy,
                commitment: entry.commitment,
            })
            .collect();
        batch_proof_context(
            genesis,
            circuit_version,
            &self.stream_id(),
            batch,
            entries.iter(),
        )
    }

    /// Root over the entries as if they were the events from `sequence_start` on. `None` without
    /// entries, or if they run out of sequence numbers.
    pub fn events_root(&self, sequence_start: u64) -> Option<EventsRoot> {
        let leaves: Option<Vec<LeafHash>> = (0u64..)
            .zip(&self.entries)
            .map(|(place, entry)| {
                Some(leaf_hash(
                    self.tenant_id,
                    self.store_id,
                    sequence_start.checked_add(place)?,
                    &entry.event,
                    &entry.agent_signature,
                ))
            })
            .collect();
        events_root(&leaves?)
    }

    /// Hash of the proof, as anchored.
    pub fn proof_hash(&self) -> ProofHash {
        batch_proof_hash(&self.proof)
    }

    /// What the submitter signs.
    pub fn signing_hash(&self, context: &[u8; 32]) -> [u8; 32] {
        batch_submission_hash(context, &self.proof_hash(), &self.entries)
    }
}

/// What the chain keeps of one event's verified proof.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ProofRecord {
    /// The event.
    pub event_id: EventId,
    /// Its place in the stream.
    pub sequence: u64,
    /// The policy it obeys.
    pub policy: Policy,
    /// Commitment to its amount.
    pub commitment: AmountCommitment,
    /// What the amount is counted in.
    pub currency: CurrencyTag,
    /// The step of a budget.
    pub budget: Option<BudgetStep>,
    /// Hash of the proof.
    pub proof_hash: ProofHash,
    /// Length of the proof.
    pub bytes: u32,
    /// Block that verified it.
    pub block: u32,
    /// Circuit that it is for.
    pub circuit_version: u32,
    /// The event's agent.
    pub agent_id: AgentId,
}

/// What the chain keeps of a batch's verified proof: all that an anchor needs.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BatchProofRecord {
    /// The batch.
    pub batch_id: BatchId,
    /// Its number within the stream.
    pub batch_index: u64,
    /// State root before the batch.
    pub prev_state_root: StateRoot,
    /// State root after the batch.
    pub new_state_root: StateRoot,
    /// Events proven: all of the batch.
    pub events: u32,
    /// The policy they obey.
    pub policy: Policy,
    /// Its hash.
    pub policy_hash: PolicyHash,
    /// Largest amount it allows, inclusive: of `aml.threshold` one less than the threshold.
    pub policy_limit: u64,
    /// Hash of the proof.
    pub proof_hash: ProofHash,
    /// Length of the proof.
    pub bytes: u32,
    /// Block that verified it.
    pub block: u32,
    /// Circuit that it is for.
    pub circuit_version: u32,
    /// Who submitted it.
    pub agent_id: AgentId,
}

/// Where an agent stands with its quota of proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ProofQuota {
    /// Units spent in this window.
    pub spent: u32,
    /// Units left.
    pub left: u32,
    /// First block of the next window.
    pub renewed_at: u32,
}

/// Why a submission of a proof is refused, in the order of the checks as far as one submission
/// passes them all.
///
/// SCALE indexes are positions: append only. Pinned by `refusal_encoding_is_frozen`.
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
pub enum ProofRefusal {
    /// Governance has switched off the circuit of these proofs.
    CircuitDisabled,
    /// The proof is longer than any honest one of its kind.
    ProofTooLong,
    /// No such event was sequenced.
    UnknownEvent,
    /// Another envelope with this id was sequenced.
    EventMismatch,
    /// No such batch was committed.
    UnknownBatch,
    /// The entries are not all the events of the batch in their order.
    BatchMismatch,
    /// A proof of this event, policy and commitment, or of this batch, is on chain.
    AlreadyProven,
    /// The event has as many proofs as the chain keeps.
    TooManyProofs,
    /// The agent has spent its quota. Wait for the next window.
    QuotaExhausted,
    /// The registry does not let this agent sign.
    Author(AuthorProblem),
    /// A budget policy needs a step of its total; no other policy and no batch may have one.
    BudgetStep,
    /// The step does not start at the total the chain knows. Prove again from there.
    BudgetTotal,
    /// The submission's signature does not verify with the named key.
    InvalidSignature,
    /// An entry's event signature does not verify with the named key of the named agent.
    InvalidEventSignature,
    /// An endorsement does not verify with the named key.
    InvalidEndorsement,
    /// The policy allows no amount, or its limit is too large to be proven.
    InvalidPolicy,
    /// Not a currency.
    InvalidCurrency,
    /// The bytes are no amount commitment.
    InvalidCommitment,
    /// The proof was made for another circuit, size or parameters.
    ProofHeader,
    /// The bytes are not a well-formed proof.
    ProofStructure,
    /// The proof of work falls short: made for another statement, or damaged.
    ProofOfWork,
    /// The openings are not those the transcript asks for.
    ProofPositions,
    /// The FRI remainder is not the committed one.
    ProofRemainder,
    /// The proof does not hold.
    ProofInvalid,
}

impl fmt::Display for ProofRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Author(problem) => problem.fmt(f),
            other => f.write_str(refusal_code_name(other.pool_code()).unwrap_or_default()),
        }
    }
}

impl core::error::Error for ProofRefusal {}

impl From<AuthorProblem> for ProofRefusal {
    fn from(problem: AuthorProblem) -> Self {
        Self::Author(problem)
    }
}

impl ProofRefusal {
    /// The number the transaction pool answers with (`InvalidTransaction::Custom`): 64 to 95, and
    /// for an author's problem the sequencer's number.
    pub const fn pool_code(self) -> u8 {
        match self {
            Self::CircuitDisabled => 64,
            Self::ProofTooLong => 65,
            Self::UnknownEvent => 66,
            Self::EventMismatch => 67,
            Self::UnknownBatch => 68,
            Self::BatchMismatch => 69,
            Self::AlreadyProven => 70,
            Self::TooManyProofs => 71,
            Self::QuotaExhausted => 72,
            Self::Author(problem) => Rejection::Author(problem).pool_code(),
            Self::BudgetStep => 73,
            Self::BudgetTotal => 74,
            Self::InvalidSignature => 75,
            Self::InvalidEventSignature => 76,
            Self::InvalidEndorsement => 77,
            Self::InvalidPolicy => 78,
            Self::InvalidCurrency => 79,
            Self::InvalidCommitment => 80,
            Self::ProofHeader => 81,
            Self::ProofStructure => 82,
            Self::ProofOfWork => 83,
            Self::ProofPositions => 84,
            Self::ProofRemainder => 85,
            Self::ProofInvalid => 86,
        }
    }
}

/// The name behind a pool answer of the proof pallet's own numbers.
pub(crate) const fn refusal_code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        64 => "circuit_disabled",
        65 => "proof_too_long",
        66 => "unknown_event",
        67 => "event_mismatch",
        68 => "unknown_batch",
        69 => "batch_mismatch",
        70 => "already_proven",
        71 => "too_many_proofs",
        72 => "proof_quota_exhausted",
        73 => "budget_step",
        74 => "budget_total",
        75 => "invalid_submission_signature",
        76 => "invalid_event_signature",
        77 => "invalid_endorsement",
        78 => "invalid_policy",
        79 => "invalid_currency",
        80 => "invalid_commitment",
        81 => "proof_header",
        82 => "proof_structure",
        83 => "proof_of_work",
        84 => "proof_positions",
        85 => "proof_remainder",
        86 => "proof_invalid",
        _ => return None,
    })
}
