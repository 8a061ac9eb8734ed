// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs: submission, verdicts, and the proofs themselves out of the blocks.

use crate::{
    BlockHash, ChainClient, ClientError, TxHash, TxWatch,
    tx::{call_prefix, general_extrinsic},
};
use codec::{DecodeAll, Encode};
use ves_primitives::{
    AgentId, AmountCommitment, EventId, PolicyHash, StreamId, TenantId,
    proof::{
        BatchProofRecord, BatchProofSubmission, ProofQuota, ProofRecord, ProofRefusal,
        ProofSubmission,
    },
};

const PALLET: &str = "StarkVerifier";
const SUBMIT: &str = "submit_proof";
const SUBMIT_BATCH: &str = "submit_batch_proof";
const ARGUMENT: &str = "submission";

/// Every proof that a block carries, accepted or refused: the chain's verdicts tell which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockProofs {
    /// About single events.
    pub events: Vec<ProofSubmission>,
    /// About batches.
    pub batches: Vec<BatchProofSubmission>,
}

impl BlockProofs {
    /// The submissions behind a verdict about an event. More than one only if somebody carried an
    /// altered copy into the same block.
    pub fn behind<'a>(
        &'a self,
        record: &'a ProofRecord,
    ) -> impl Iterator<Item = &'a ProofSubmission> {
        self.events.iter().filter(|submission| {
            submission.envelope.event_id == record.event_id
                && submission.proof_hash() == record.proof_hash
        })
    }

    /// The submissions behind a verdict about a batch.
    pub fn behind_batch<'a>(
        &'a self,
        record: &'a BatchProofRecord,
    ) -> impl Iterator<Item = &'a BatchProofSubmission> {
        self.batches.iter().filter(|submission| {
            submission.batch_index == record.batch_index
                && submission.proof_hash() == record.proof_hash
        })
    }
}

impl ChainClient {
    /// The verified proofs of an event, oldest first.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn proofs_of_event(
        &self,
        stream: StreamId,
        event: EventId,
        at: Option<BlockHash>,
    ) -> Result<Vec<ProofRecord>, ClientError> {
        self.runtime_call("StarkVerifierApi_proofs_of_event", &(stream, event), at)
            .await
    }

    /// The verified proofs of at most `MAX_LISTED_PROOF_EVENTS` events, in one question.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn proofs_of_events(
        &self,
        stream: StreamId,
        events: &[EventId],
        at: Option<BlockHash>,
    ) -> Result<Vec<ProofRecord>, ClientError> {
        self.runtime_call("StarkVerifierApi_proofs_of_events", &(stream, events), at)
            .await
    }

    /// The verified proofs among at most 256 batches, in order.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn batch_proofs_in(
        &self,
        stream: StreamId,
        from_index: u64,
        count: u32,
        at: Option<BlockHash>,
    ) -> Result<Vec<BatchProofRecord>, ClientError> {
        let arguments = (stream, from_index, count);
        self.runtime_call("StarkVerifierApi_batch_proofs_in", &arguments, at)
            .await
    }

    /// The committed total of an agent's budget, from which the next step must start.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn budget_total(
        &self,
        stream: StreamId,
        agent: AgentId,
        policy: PolicyHash,
        at: Option<BlockHash>,
    ) -> Result<Option<AmountCommitment>, ClientError> {
        let arguments = (stream, agent, policy);
        self.runtime_call("StarkVerifierApi_budget_total", &arguments, at)
            .await
    }

    /// Where an agent stands with its quota of proofs.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn proof_quota(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: Option<BlockHash>,
    ) -> Result<ProofQuota, ClientError> {
        self.runtime_call("StarkVerifierApi_quota", &(tenant, agent), at)
            .await
    }

    /// Whether the pool would take the submission now. Does not verify the proof itself.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn can_submit_proof(
        &self,
        submission: &ProofSubmission,
        at: Option<BlockHash>,
    ) -> Result<Result<(), ProofRefusal>, ClientError> {
        self.runtime_call("StarkVerifierApi_can_submit_proof", submission, at)
            .await
    }

    /// Whether the chain would take the submission now, but for the proof itself.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn can_submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
        at: Option<BlockHash>,
    ) -> Result<Result<(), ProofRefusal>, ClientError> {
        self.runtime_call("StarkVerifierApi_can_submit_batch_proof", submission, at)
            .await
    }

    /// Has the node's runtime verify the proof as if its event stood at `sequence`. Changes nothing
    /// and checks nothing else.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn verify_proof(
        &self,
        submission: &ProofSubmission,
        sequence: u64,
    ) -> Result<Result<(), ProofRefusal>, ClientError> {
        let arguments = (submission, sequence);
        self.runtime_call("StarkVerifierApi_verify_proof", &arguments, None)
            .await
    }

    /// Hands a proof to the pool, and returns once the pool has taken it. Harmless to repeat.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events`], with the reasons of [`ProofRefusal`].
    pub async fn submit_proof(&self, submission: &ProofSubmission) -> Result<TxHash, ClientError> {
        let extrinsic = self.proof_extrinsic(SUBMIT, submission).await?;
        self.submit(&extrinsic).await
    }

    /// Hands a proof about a batch to the pool. Harmless to repeat.
    ///
    /// # Errors
    /// As [`ChainClient::submit_proof`].
    pub async fn submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
    ) -> Result<TxHash, ClientError> {
        let extrinsic = self.proof_extrinsic(SUBMIT_BATCH, submission).await?;
        self.submit(&extrinsic).await
    }

    /// Hands a proof to the pool and follows it. Needs a WebSocket.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events_and_watch`], with the reasons of [`ProofRefusal`].
    pub async fn submit_proof_and_watch(
        &self,
        submission: &ProofSubmission,
    ) -> Result<TxWatch, ClientError> {
        let extrinsic = self.proof_extrinsic(SUBMIT, submission).await?;
        self.submit_and_watch(&extrinsic).await
    }

    async fn proof_extrinsic(
        &self,
        call: &str,
        submission: &impl Encode,
    ) -> Result<Vec<u8>, ClientError> {
        let (metadata, _) = self.runtime(None).await?;
        let mut call = call_prefix(&metadata, PALLET, call, &[ARGUMENT])?;
        submission.encode_to(&mut call);
        general_extrinsic(&metadata, &call)
    }

    /// The submission behind a verdict, out of the block that verified it. The chain keeps verdicts
    /// in its state, the proofs themselves only in its blocks.
    ///
    /// The hash of the proof decides, so that an answer is the right one or none.
    ///
    /// # Errors
    /// As [`ChainClient::proofs_in_block`].
    pub async fn proof_behind(
        &self,
        record: &ProofRecord,
    ) -> Result<Option<ProofSubmission>, ClientError> {
        let proofs = self.proofs_in_block(record.block).await?;
        Ok(proofs.and_then(|proofs| proofs.behind(record).next().cloned()))
    }

    /// Every proof that the canonical block of this number carries; `None` if the node has no such
    /// block, or no longer its body.
    ///
    /// # Errors
    /// Any transport error, or [`ClientError::Metadata`].
    pub async fn proofs_in_block(&self, number: u32) -> Result<Option<BlockProofs>, ClientError> {
        let Some(hash) = self.block_hash(number).await? else {
            return Ok(None);
        };
        let Some(extrinsics) = self.find_block_extrinsics(hash).await? else {
            return Ok(None);
        };
        let (metadata, _) = self.runtime(Some(hash)).await?;
        let single = call_prefix(&metadata, PALLET, SUBMIT, &[ARGUMENT])?;
        let batch = call_prefix(&metadata, PALLET, SUBMIT_BATCH, &[ARGUMENT])?;
        let mut proofs = BlockProofs::default();
        for extrinsic in &extrinsics {
            proofs.events.extend(argument_of(&extrinsic.0, &single));
            proofs.batches.extend(argument_of(&extrinsic.0, &batch));
        }
        Ok(Some(proofs))
    }
}

/// The argument of the call that ends an extrinsic. What stands before it depends on who carried
/// it, so every place where the call could begin is tried.
fn argument_of<T: DecodeAll>(extrinsic: &[u8], prefix: &[u8]) -> Option<T> {
    extrinsic
        .windows(prefix.len())
        .enumerate()
        .take(MAX_EXTENSION_BYTES)
        .filter(|(_, window)| *window == prefix)
        .find_map(|(at, _)| {
            let mut argument = extrinsic.get(at.checked_add(prefix.len())?..)?;
            T::decode_all(&mut argument).ok()
        })
}

/// Where the call begins at the latest: length, version and extensions take a few dozen bytes.
const MAX_EXTENSION_BYTES: usize = 512;
