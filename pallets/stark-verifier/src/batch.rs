// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs about all events of one batch.

use crate::{
    BatchProofs, Config, DisabledCircuits, Event, Pallet,
    frame_support::ensure,
    stark::{check_form, check_proof, signed_by, unstatable},
};
use alloc::vec::Vec;
use ves_primitives::{
    AgentId, BatchCommitment, KeyId, Policy, SigningPublicKey, StreamId, endorsement_hash, limits,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRefusal},
    registry::AuthorDirectory,
    sequencer::SequencedEvents,
};
use ves_stark_air::{CIRCUIT_VERSION, Statement};

/// What state says of an admissible submission.
pub(crate) struct ReviewedBatch {
    batch: BatchCommitment,
    submitter_key: SigningPublicKey,
}

impl<T: Config> Pallet<T> {
    /// Everything that state decides; no signature, no tree and nothing of the proof but its length.
    pub(crate) fn review_batch_proof(
        submission: &BatchProofSubmission,
    ) -> Result<ReviewedBatch, ProofRefusal> {
        let (tenant, agent) = (submission.tenant_id, submission.agent_id);
        ensure!(
            !DisabledCircuits::<T>::contains_key(CIRCUIT_VERSION),
            ProofRefusal::CircuitDisabled
        );
        // The proof's type bounds its length. A budget is a running total, which a batch has not.
        ensure!(
            !matches!(submission.policy, Policy::AgentBudget { .. }),
            ProofRefusal::BudgetStep
        );
        let stream_id = submission.stream_id();
        let batch = T::Events::batch(stream_id, submission.batch_index)
            .ok_or(ProofRefusal::UnknownBatch)?;
        ensure!(
            submission.entries.len() == batch.leaf_count as usize,
            ProofRefusal::BatchMismatch
        );
        ensure!(
            !BatchProofs::<T>::contains_key(stream_id, submission.batch_index),
            ProofRefusal::AlreadyProven
        );
        Self::check_quota(tenant, agent)?;
        let submitter_key =
            T::Authors::author_key(tenant, submission.store_id, agent, submission.key_id)?;
        Ok(ReviewedBatch {
            batch,
            submitter_key,
        })
    }

    /// The submitter's signature, the tree, and what is stated.
    fn vouch_batch_proof(
        submission: &BatchProofSubmission,
        reviewed: &ReviewedBatch,
    ) -> Result<Statement, ProofRefusal> {
        let batch = &reviewed.batch;
        let context = submission.context(&Self::genesis(), CIRCUIT_VERSION, batch);
        ensure!(
            signed_by(
                &reviewed.submitter_key,
                &submission.signing_hash(&context),
                &submission.signature
            ),
            ProofRefusal::InvalidSignature
        );
        ensure!(
            submission.events_root(batch.sequence_start) == Some(batch.events_root),
            ProofRefusal::BatchMismatch
        );
        Statement::batch_in_context(submission, context).map_err(unstatable)
    }

    /// Each entry belongs to the agent it names, who vouches for its commitment. Two signatures per
    /// entry, hence left to the dispatch.
    fn check_entries(submission: &BatchProofSubmission) -> Result<(), ProofRefusal> {
        let (tenant, store) = (submission.tenant_id, submission.store_id);
        let mut last: Option<((AgentId, KeyId), SigningPublicKey)> = None;
        for entry in &submission.entries {
            let author = (entry.agent_id, entry.key_id);
            let key = match last {
                Some((known, key)) if known == author => key,
                _ => T::Authors::author_key(tenant, store, entry.agent_id, entry.key_id)?,
            };
            last = Some((author, key));
            ensure!(
                signed_by(&key, &entry.event.0, &entry.agent_signature),
                ProofRefusal::InvalidEventSignature
            );
            let endorsed = endorsement_hash(&entry.event, &entry.commitment, entry.currency);
            ensure!(
                signed_by(&key, &endorsed, &entry.endorsement),
                ProofRefusal::InvalidEndorsement
            );
        }
        Ok(())
    }

    /// What the pool asks: all but the entries' signatures and the proof itself.
    pub(crate) fn admit_batch_proof(submission: &BatchProofSubmission) -> Result<(), ProofRefusal> {
        let reviewed = Self::review_batch_proof(submission)?;
        let statement = Self::vouch_batch_proof(submission, &reviewed)?;
        check_form(&submission.proof, &statement)
    }

    /// All but the proof itself.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn can_submit_batch_proof(submission: &BatchProofSubmission) -> Result<(), ProofRefusal> {
        Self::admit_batch_proof(submission)?;
        Self::check_entries(submission)
    }

    /// The proof alone, as if it were about `batch`.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn verify_batch_proof(
        submission: &BatchProofSubmission,
        batch: &BatchCommitment,
    ) -> Result<(), ProofRefusal> {
        let statement =
            Statement::of_batch(submission, &Self::genesis(), batch).map_err(unstatable)?;
        check_proof(&submission.proof, &statement)
    }

    /// Judges everything, verifies the proof and keeps the verdict.
    pub(crate) fn settle_batch_proof(submission: BatchProofSubmission) {
        Self::count_in_block();
        let submission = &submission;
        let judged = Self::review_batch_proof(submission).and_then(|reviewed| {
            let statement = Self::vouch_batch_proof(submission, &reviewed)?;
            Ok((reviewed.batch, statement))
        });
        // The submitter's signature covers every entry and the proof: what fails after it costs.
        let (outcome, units) = match judged {
            Err(reason) => (Err(reason), 0),
            Ok((batch, statement)) => {
                let verdict = Self::check_entries(submission)
                    .and_then(|()| check_proof(&submission.proof, &statement));
                match verdict {
                    Ok(()) => (Ok((batch, statement.limit())), limits::PROOF_VERIFIED_UNITS),
                    Err(reason) => (Err(reason), limits::PROOF_REJECTED_UNITS),
                }
            }
        };
        if units > 0 {
            Self::debit(submission.tenant_id, submission.agent_id, units);
        }
        match outcome {
            Ok((batch, limit)) => Self::keep_batch_proof(submission, &batch, limit),
            Err(reason) => Self::deposit_event(Event::BatchProofRejected {
                stream_id: submission.stream_id(),
                batch_index: submission.batch_index,
                agent_id: submission.agent_id,
                reason,
                units,
            }),
        }
    }

    fn keep_batch_proof(
        submission: &BatchProofSubmission,
        batch: &BatchCommitment,
        policy_limit: u64,
    ) {
        let stream_id = batch.stream_id();
        let record = BatchProofRecord {
            batch_id: batch.batch_id,
            batch_index: batch.batch_index,
            prev_state_root: batch.prev_state_root,
            new_state_root: batch.new_state_root,
            events: batch.leaf_count,
            policy: submission.policy,
            policy_hash: submission.policy.hash(),
            policy_limit,
            proof_hash: submission.proof_hash(),
            bytes: u32::try_from(submission.proof.len()).unwrap_or(u32::MAX),
            block: Self::now(),
            circuit_version: CIRCUIT_VERSION,
            agent_id: submission.agent_id,
        };
        let event = Event::BatchProofVerified {
            stream_id,
            batch_id: record.batch_id,
            batch_index: record.batch_index,
            agent_id: record.agent_id,
            policy_hash: record.policy_hash,
            policy_limit,
            proof_hash: record.proof_hash,
            bytes: record.bytes,
            prev_state_root: record.prev_state_root,
            new_state_root: record.new_state_root,
        };
        BatchProofs::<T>::insert(stream_id, record.batch_index, record);
        Self::deposit_event(event);
    }

    /// The verified proofs among at most `MAX_LISTED_BATCH_PROOFS` batches, in order.
    pub fn batch_proofs_in(stream: StreamId, from: u64, count: u32) -> Vec<BatchProofRecord> {
        let count = u64::from(count.min(limits::MAX_LISTED_BATCH_PROOFS));
        (from..from.saturating_add(count))
            .filter_map(|index| BatchProofs::<T>::get(stream, index))
            .collect()
    }
}
