// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What proving and verifying ask of a node, beyond what [`Chain`] has.

use super::{BlockRef, Chain, ChainResult, live::Live};
use std::future::Future;
use ves_client::{BlockHash, BlockProofs};
use ves_primitives::{
    AgentId, AmountCommitment, EventId, PolicyHash, StreamId,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRecord, ProofRefusal, ProofSubmission},
};

/// A node and the proofs of its chain.
pub trait ProofChain: Chain {
    /// The verified proofs of at most `MAX_LISTED_PROOF_EVENTS` events, in their order.
    fn proofs_of_events(
        &self,
        stream: StreamId,
        events: &[EventId],
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Vec<ProofRecord>>> + Send;
    /// The verified proofs among at most `MAX_LISTED_BATCH_PROOFS` batches.
    fn batch_proofs_in(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Vec<BatchProofRecord>>> + Send;
    /// Every proof that a canonical block carries; `None` if the node has no such block, or no
    /// longer.
    fn proofs_in_block(
        &self,
        number: u32,
    ) -> impl Future<Output = ChainResult<Option<BlockProofs>>> + Send;
    /// Where a budget stands.
    fn budget_total(
        &self,
        stream: StreamId,
        agent: AgentId,
        policy: PolicyHash,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Option<AmountCommitment>>> + Send;
    /// Whether the pool would take the proof at this state.
    fn can_submit_proof(
        &self,
        submission: &ProofSubmission,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Result<(), ProofRefusal>>> + Send;
    /// Whether the chain would take the proof at this state, but for the proof itself.
    fn can_submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Result<(), ProofRefusal>>> + Send;
    /// Hands a proof to the pool.
    fn submit_proof(
        &self,
        submission: &ProofSubmission,
    ) -> impl Future<Output = ChainResult<()>> + Send;
    /// Hands a proof about a batch to the pool.
    fn submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
    ) -> impl Future<Output = ChainResult<()>> + Send;
}

const fn at(block: BlockRef) -> Option<BlockHash> {
    Some(BlockHash(block.hash))
}

impl ProofChain for Live {
    async fn proofs_of_events(
        &self,
        stream: StreamId,
        events: &[EventId],
        block: BlockRef,
    ) -> ChainResult<Vec<ProofRecord>> {
        let records = self
            .client()
            .proofs_of_events(stream, events, at(block))
            .await?;
        Ok(records)
    }

    async fn batch_proofs_in(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        block: BlockRef,
    ) -> ChainResult<Vec<BatchProofRecord>> {
        let records = self
            .client()
            .batch_proofs_in(stream, from, count, at(block))
            .await?;
        Ok(records)
    }

    async fn proofs_in_block(&self, number: u32) -> ChainResult<Option<BlockProofs>> {
        Ok(self.client().proofs_in_block(number).await?)
    }

    async fn budget_total(
        &self,
        stream: StreamId,
        agent: AgentId,
        policy: PolicyHash,
        block: BlockRef,
    ) -> ChainResult<Option<AmountCommitment>> {
        let total = self
            .client()
            .budget_total(stream, agent, policy, at(block))
            .await?;
        Ok(total)
    }

    async fn can_submit_proof(
        &self,
        submission: &ProofSubmission,
        block: BlockRef,
    ) -> ChainResult<Result<(), ProofRefusal>> {
        Ok(self
            .client()
            .can_submit_proof(submission, at(block))
            .await?)
    }

    async fn can_submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
        block: BlockRef,
    ) -> ChainResult<Result<(), ProofRefusal>> {
        let verdict = self
            .client()
            .can_submit_batch_proof(submission, at(block))
            .await?;
        Ok(verdict)
    }

    async fn submit_proof(&self, submission: &ProofSubmission) -> ChainResult<()> {
        // After a reconnect another chain may answer at the same address.
        self.client().check_chain().await?;
        self.client().submit_proof(submission).await?;
        Ok(())
    }

    async fn submit_batch_proof(&self, submission: &BatchProofSubmission) -> ChainResult<()> {
        self.client().check_chain().await?;
        self.client().submit_batch_proof(submission).await?;
        Ok(())
    }
}
