// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime API of the proof pallet: verified proofs, totals, quotas, pre-flight checks.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use polkadot_sdk::sp_api;
use ves_primitives::{
    AgentId, AmountCommitment, BatchCommitment, EventId, PolicyHash, StreamId, TenantId,
    proof::{
        BatchProofRecord, BatchProofSubmission, ProofQuota, ProofRecord, ProofRefusal,
        ProofSubmission,
    },
};

sp_api::decl_runtime_apis! {
    /// Questions about proofs at a block's state.
    pub trait StarkVerifierApi {
        /// The verified proofs of an event, oldest first.
        fn proofs_of_event(stream: StreamId, event: EventId) -> Vec<ProofRecord>;
        /// The verified proof of a batch.
        fn batch_proof(stream: StreamId, index: u64) -> Option<BatchProofRecord>;
        /// The verified proofs among `count` batches, at most 256, in order.
        fn batch_proofs_in(stream: StreamId, from_index: u64, count: u32) -> Vec<BatchProofRecord>;
        /// Whether the pool would admit the submission now. Does not verify the proof itself.
        fn can_submit_proof(submission: ProofSubmission) -> Result<(), ProofRefusal>;
        /// As `can_submit_proof`; also checks every entry's signatures, which the pool does not.
        fn can_submit_batch_proof(submission: BatchProofSubmission) -> Result<(), ProofRefusal>;
        /// The committed total of an agent's budget, from which the next step must start.
        fn budget_total(
            stream: StreamId,
            agent: AgentId,
            policy: PolicyHash,
        ) -> Option<AmountCommitment>;
        /// Where an agent stands with its quota.
        fn quota(tenant: TenantId, agent: AgentId) -> ProofQuota;
        /// Verifies the proof as if the event stood at `sequence`; nothing else is checked.
        fn verify_proof(submission: ProofSubmission, sequence: u64) -> Result<(), ProofRefusal>;
        /// Verifies the proof as if it were about `batch`; nothing else is checked.
        fn verify_batch_proof(
            submission: BatchProofSubmission,
            batch: BatchCommitment,
        ) -> Result<(), ProofRefusal>;
        /// The verified proofs of at most 1,000 events, in the order of the events.
        fn proofs_of_events(stream: StreamId, events: Vec<EventId>) -> Vec<ProofRecord>;
    }
}
