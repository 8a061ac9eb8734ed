// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs: submission, verdicts, and the proofs themselves out of the blocks.

use crate::{
    BlockHash, ChainClient, ClientError, TxWatch,
    tx::{call_prefix, general_extrinsic},
};
use codec::{DecodeAll, Encode};
use ves_primitives::{
    EventId, StreamId,
    proof::{ProofRecord, ProofRefusal, ProofSubmission},
};

const PALLET: &str = "StarkVerifier";
const SUBMIT: &str = "submit_proof";

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

    /// Hands a proof to the pool and follows it. Needs a WebSocket.
    ///
    /// # Errors
    /// As [`ChainClient::submit_events_and_watch`], with the reasons of
    /// [`ProofRefusal`].
    pub async fn submit_proof_and_watch(
        &self,
        submission: &ProofSubmission,
    ) -> Result<TxWatch, ClientError> {
        let (metadata, _) = self.runtime(None).await?;
        let mut call = call_prefix(&metadata, PALLET, SUBMIT, &["submission"])?;
        submission.encode_to(&mut call);
        let extrinsic = general_extrinsic(&metadata, &call)?;
        self.submit_and_watch(&extrinsic).await
    }

    /// The submission behind a verdict, out of the block that verified it. The chain keeps verdicts
    /// in its state, the proofs themselves only in its blocks.
    ///
    /// The hash of the proof decides, so that an answer is the right one or none.
    ///
    /// # Errors
    /// Any transport error, or [`ClientError::Decode`].
    pub async fn proof_behind(
        &self,
        record: &ProofRecord,
    ) -> Result<Option<ProofSubmission>, ClientError> {
        let Some(hash) = self.block_hash(record.block).await? else {
            return Ok(None);
        };
        let extrinsics = self.block_extrinsics(hash).await?;
        let (metadata, _) = self.runtime(Some(hash)).await?;
        let prefix = call_prefix(&metadata, PALLET, SUBMIT, &["submission"])?;
        // The call ends the extrinsic. What stands before it depends on who carried it, so every
        // place where the call could begin is tried.
        let found = extrinsics.iter().find_map(|extrinsic| {
            let bytes = &extrinsic.0;
            bytes
                .windows(prefix.len())
                .enumerate()
                .take(MAX_EXTENSION_BYTES)
                .filter(|(_, window)| *window == prefix.as_slice())
                .find_map(|(at, _)| {
                    let call = bytes.get(at + prefix.len()..)?;
                    let submission = ProofSubmission::decode_all(&mut &*call).ok()?;
                    (submission.proof_hash() == record.proof_hash).then_some(submission)
                })
        });
        Ok(found)
    }
}

/// Where the call begins at the latest: length, version and extensions take a few dozen bytes.
const MAX_EXTENSION_BYTES: usize = 512;
