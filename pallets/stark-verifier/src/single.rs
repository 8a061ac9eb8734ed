// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs about one event, with or without a budget.

use crate::{
    BudgetTotals, Config, DisabledCircuits, Event, Pallet, Proofs, ProofsOfEvent,
    frame_support::{defensive, ensure},
    sp_io,
    stark::{check_form, check_proof, signed_by, unstatable},
};
use alloc::vec::Vec;
use codec::Encode;
use ves_primitives::{
    AmountCommitment, EventId, GenesisHash, Policy, PolicyHash, ProofHash, SigningPublicKey,
    StreamId, endorsement_hash, limits,
    proof::{ProofRecord, ProofRefusal, ProofSubmission},
    registry::AuthorDirectory,
    sequencer::SequencedEvents,
};
use ves_stark_air::{CIRCUIT_VERSION, Statement, empty_total};

/// What state says of an admissible submission.
pub(crate) struct Reviewed {
    pub(crate) stream_id: StreamId,
    pub(crate) policy_hash: PolicyHash,
    pub(crate) key: [u8; 32],
    sequence: u64,
    agent_key: SigningPublicKey,
}

/// What is stated, once the agent's signatures hold.
struct Vouched {
    statement: Statement,
    proof_hash: ProofHash,
}

/// Storage key of a proof.
pub(crate) fn proof_key(
    event: EventId,
    policy: PolicyHash,
    commitment: AmountCommitment,
) -> [u8; 32] {
    (event, policy, commitment).using_encoded(sp_io::hashing::blake2_256)
}

/// Most bytes of this submission's proof.
const fn size_limit(submission: &ProofSubmission) -> u32 {
    match submission.budget {
        None => limits::MAX_PROOF_BYTES,
        Some(_) => limits::MAX_BATCH_PROOF_BYTES,
    }
}

fn context(
    submission: &ProofSubmission,
    genesis: &GenesisHash,
    sequence: u64,
) -> Result<[u8; 32], ProofRefusal> {
    // A sequenced event has a version with a signing hash.
    submission
        .context(genesis, CIRCUIT_VERSION, sequence)
        .map_err(|_| ProofRefusal::EventMismatch)
}

impl<T: Config> Pallet<T> {
    /// Everything that state decides; no signature and nothing of the proof but its length.
    pub(crate) fn review_proof(submission: &ProofSubmission) -> Result<Reviewed, ProofRefusal> {
        let envelope = &submission.envelope;
        let (tenant, agent) = (envelope.tenant_id, envelope.source_agent_id);
        ensure!(
            !DisabledCircuits::<T>::contains_key(CIRCUIT_VERSION),
            ProofRefusal::CircuitDisabled
        );
        ensure!(
            submission.proof.len() <= size_limit(submission) as usize,
            ProofRefusal::ProofTooLong
        );
        ensure!(
            matches!(submission.policy, Policy::AgentBudget { .. }) == submission.budget.is_some(),
            ProofRefusal::BudgetStep
        );
        let stream_id = envelope.stream_id();
        let record = T::Events::event_record(stream_id, envelope.event_id)
            .ok_or(ProofRefusal::UnknownEvent)?;
        ensure!(record.is_of(envelope), ProofRefusal::EventMismatch);
        let policy_hash = submission.policy.hash();
        let key = proof_key(envelope.event_id, policy_hash, submission.commitment);
        ensure!(
            !Proofs::<T>::contains_key(stream_id, key),
            ProofRefusal::AlreadyProven
        );
        let kept = ProofsOfEvent::<T>::decode_len(stream_id, envelope.event_id).unwrap_or(0);
        ensure!(
            kept < limits::MAX_PROOFS_PER_EVENT as usize,
            ProofRefusal::TooManyProofs
        );
        Self::check_quota(tenant, agent)?;
        let agent_key =
            T::Authors::author_key(tenant, envelope.store_id, agent, submission.key_id)?;
        if let Some(step) = &submission.budget {
            let total = BudgetTotals::<T>::get((stream_id, agent, policy_hash))
                .unwrap_or_else(|| empty_total(submission.currency));
            ensure!(step.previous == total, ProofRefusal::BudgetTotal);
        }
        Ok(Reviewed {
            stream_id,
            policy_hash,
            key,
            sequence: record.sequence,
            agent_key,
        })
    }

    /// Both signatures of the agent, then what they are about.
    fn vouch_proof(
        submission: &ProofSubmission,
        reviewed: &Reviewed,
    ) -> Result<Vouched, ProofRefusal> {
        let context = context(submission, &Self::genesis(), reviewed.sequence)?;
        let key = &reviewed.agent_key;
        ensure!(
            signed_by(
                key,
                &submission.signing_hash(&context),
                &submission.signature
            ),
            ProofRefusal::InvalidSignature
        );
        let event = submission
            .envelope
            .signing_hash()
            .map_err(|_| ProofRefusal::EventMismatch)?;
        let endorsed = endorsement_hash(&event, &submission.commitment, submission.currency);
        ensure!(
            signed_by(key, &endorsed, &submission.endorsement),
            ProofRefusal::InvalidEndorsement
        );
        Ok(Vouched {
            statement: Statement::in_context(submission, context).map_err(unstatable)?,
            proof_hash: submission.proof_hash(),
        })
    }

    /// All but the proof itself: what the pool asks.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn can_submit_proof(submission: &ProofSubmission) -> Result<(), ProofRefusal> {
        let reviewed = Self::review_proof(submission)?;
        Self::check_rest(submission, &reviewed)
    }

    /// What the pool asks after the review.
    pub(crate) fn check_rest(
        submission: &ProofSubmission,
        reviewed: &Reviewed,
    ) -> Result<(), ProofRefusal> {
        let vouched = Self::vouch_proof(submission, reviewed)?;
        check_form(&submission.proof, &vouched.statement)
    }

    /// The proof alone, as if the event stood at `sequence`.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify_proof(submission: &ProofSubmission, sequence: u64) -> Result<(), ProofRefusal> {
        let statement =
            Statement::of(submission, &Self::genesis(), sequence).map_err(unstatable)?;
        check_proof(&submission.proof, &statement)
    }

    /// Judges everything, verifies the proof and keeps the verdict.
    pub(crate) fn settle_proof(submission: ProofSubmission) {
        Self::count_in_block();
        let judged = Self::review_proof(&submission).and_then(|reviewed| {
            let vouched = Self::vouch_proof(&submission, &reviewed)?;
            Ok((reviewed, vouched))
        });
        let (tenant, agent) = (
            submission.envelope.tenant_id,
            submission.envelope.source_agent_id,
        );
        // Up to here the pool has judged too, and somebody else may have altered what does not
        // carry the agent's signature: only a proof that the agent stands for costs.
        let (outcome, units) = match judged {
            Err(reason) => (Err(reason), 0),
            Ok((reviewed, vouched)) => match check_proof(&submission.proof, &vouched.statement) {
                Ok(()) => (Ok((reviewed, vouched)), limits::PROOF_VERIFIED_UNITS),
                Err(reason) => (Err(reason), limits::PROOF_REJECTED_UNITS),
            },
        };
        if units > 0 {
            Self::debit(tenant, agent, units);
        }
        match outcome {
            Ok((reviewed, vouched)) => Self::keep_proof(submission, &reviewed, &vouched),
            Err(reason) => Self::deposit_event(Event::ProofRejected {
                stream_id: submission.stream_id(),
                event_id: submission.envelope.event_id,
                agent_id: agent,
                reason,
                units,
            }),
        }
    }

    fn keep_proof(submission: ProofSubmission, reviewed: &Reviewed, vouched: &Vouched) {
        let stream_id = reviewed.stream_id;
        let event_id = submission.envelope.event_id;
        let agent_id = submission.envelope.source_agent_id;
        // `review_proof` has seen room for it.
        if ProofsOfEvent::<T>::try_append(stream_id, event_id, reviewed.key).is_err() {
            defensive!("event has more proofs than its limit");
            return;
        }
        if let Some(step) = &submission.budget {
            BudgetTotals::<T>::insert((stream_id, agent_id, reviewed.policy_hash), step.new);
        }
        let bytes = u32::try_from(submission.proof.len()).unwrap_or(u32::MAX);
        let record = ProofRecord {
            event_id,
            sequence: reviewed.sequence,
            policy: submission.policy,
            commitment: submission.commitment,
            currency: submission.currency,
            budget: submission.budget,
            proof_hash: vouched.proof_hash,
            bytes,
            block: Self::now(),
            circuit_version: CIRCUIT_VERSION,
            agent_id,
        };
        Proofs::<T>::insert(stream_id, reviewed.key, record);
        Self::deposit_event(Event::ProofVerified {
            stream_id,
            event_id,
            sequence: reviewed.sequence,
            agent_id,
            policy_hash: reviewed.policy_hash,
            limit: vouched.statement.limit(),
            proof_hash: vouched.proof_hash,
            bytes,
        });
    }

    /// The verified proofs of an event, oldest first.
    pub fn proofs_of_event(stream: StreamId, event: EventId) -> Vec<ProofRecord> {
        ProofsOfEvent::<T>::get(stream, event)
            .into_iter()
            .filter_map(|key| Proofs::<T>::get(stream, key))
            .collect()
    }

    /// The verified proofs of the first `MAX_LISTED_PROOF_EVENTS` of these events, in their order.
    pub fn proofs_of_events(stream: StreamId, events: Vec<EventId>) -> Vec<ProofRecord> {
        events
            .into_iter()
            .take(limits::MAX_LISTED_PROOF_EVENTS as usize)
            .flat_map(|event| Self::proofs_of_event(stream, event))
            .collect()
    }
}
