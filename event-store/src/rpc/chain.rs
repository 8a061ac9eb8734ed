// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What only the node knows.

use ves_primitives::{
    AgentId, EventId, FinalityProof, KeyId, SigningPublicKey, StoreId, StreamId, TenantId,
    proof::{BatchProofRecord, ProofRecord},
    registry::{AuthorProblem, SigningKeyRecord},
    sequencer::KeptBatches,
};

/// Questions to the node about its newest finalized block, and about finality. All of them may block;
/// an error is the reason in words.
pub trait ChainSource: Send + Sync + 'static {
    /// The record of a signing key.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Option<SigningKeyRecord>, String>;

    /// The key with which an agent may sign for a store now, or why it may not.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn author(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Result<SigningPublicKey, AuthorProblem>, String>;

    /// Which batches of a stream the chain still holds, and how many are reported as anchored.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn kept_batches(&self, stream: StreamId) -> Result<KeptBatches, String>;

    /// The verified proofs about an event.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn proofs_of_event(&self, stream: StreamId, event: EventId)
    -> Result<Vec<ProofRecord>, String>;

    /// The verified proof about a batch.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn batch_proof(&self, stream: StreamId, index: u64)
    -> Result<Option<BatchProofRecord>, String>;

    /// That the canonical block at this height is final; nothing if it is not yet.
    ///
    /// # Errors
    /// If the evidence is lost.
    fn prove(&self, number: u32) -> Result<Option<FinalityProof>, String>;

    /// The changes of the authority set above this height, oldest first, at most `limit`.
    ///
    /// # Errors
    /// If the evidence is lost.
    fn set_changes(&self, above: u32, limit: usize) -> Result<Vec<FinalityProof>, String>;
}
