// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The appchain through `ves-client`: connects when first asked and again after a loss.

use crate::source::{BlockHash, Commitment, Source, SourceBlock, SourceError};
use async_trait::async_trait;
use tokio::sync::Mutex;
use ves_client::{ChainClient, ClientError, Header};
use ves_primitives::{
    BatchCommitment, GenesisHash, StreamId, UnreadableCommitment,
    proof::{BatchProofRecord, BatchProofSubmission},
};

/// A node reached over JSON-RPC.
#[derive(Debug)]
pub struct NodeSource {
    url: String,
    client: Mutex<Option<ChainClient>>,
}

impl From<ClientError> for SourceError {
    fn from(error: ClientError) -> Self {
        Self(error.to_string())
    }
}

impl NodeSource {
    /// Will talk to the node at `url`. Does not connect yet.
    pub const fn new(url: String) -> Self {
        Self {
            url,
            client: Mutex::const_new(None),
        }
    }

    async fn client(&self) -> Result<ChainClient, SourceError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let client = ChainClient::connect(&self.url, None).await?;
        *slot = Some(client.clone());
        Ok(client)
    }
}

/// What the header says about batches: the relay must not pass over a block it does not understand.
fn commitment(header: &Header) -> Commitment {
    match header.block_commitment() {
        Ok(None) => Commitment::Absent,
        Ok(Some(commitment)) => Commitment::Present(commitment),
        Err(UnreadableCommitment) => Commitment::Unreadable,
    }
}

#[async_trait]
impl Source for NodeSource {
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError> {
        let client = self.client().await?;
        // Asked again each time: after a reconnect another chain may answer.
        match client.check_chain().await {
            Ok(()) => Ok(client.genesis_hash()),
            Err(ClientError::WrongChain { found, .. }) => {
                *self.client.lock().await = None;
                Ok(found)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError> {
        let header = self.client().await?.finalized_header().await?;
        Ok((header.number, header.hash()))
    }

    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError> {
        let client = self.client().await?;
        let missing = || SourceError(format!("the node does not have block {number} yet"));
        let hash = client.block_hash(number).await?.ok_or_else(missing)?;
        let header = client.header(hash).await?.ok_or_else(missing)?;
        Ok(SourceBlock {
            number: header.number,
            hash,
            parent: header.parent_hash,
            commitment: commitment(&header),
        })
    }

    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError> {
        Ok(self
            .client()
            .await?
            .batches_in_block(number, Some(at))
            .await?)
    }

    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError> {
        let client = self.client().await?;
        Ok(client
            .batch_proofs_in(stream, from, count, Some(at))
            .await?)
    }

    async fn proof_bytes(
        &self,
        stream: StreamId,
        record: &BatchProofRecord,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        let found = self.client().await?.proofs_in_block(record.block).await?;
        Ok(found.map(|proofs| {
            let about = |p: &BatchProofSubmission| {
                p.stream_id() == stream && p.batch_index == record.batch_index
            };
            let batches = proofs.batches.into_iter();
            batches.filter(about).map(|p| p.proof.to_vec()).collect()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;
    use ves_client::DigestItem;
    use ves_primitives::{BLOCK_COMMITMENT_ENGINE, BlockCommitment, BlockRoot};

    fn header(payloads: &[Vec<u8>]) -> Header {
        let item = |data: &Vec<u8>| DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, data.clone());
        Header {
            parent_hash: BlockHash([1; 32]),
            number: 1,
            state_root: [2; 32],
            extrinsics_root: [3; 32],
            digest: payloads.iter().map(item).collect(),
        }
    }

    #[test]
    fn a_block_without_batches_is_told_from_one_that_cannot_be_read() {
        let value = BlockCommitment {
            version: 9,
            batch_count: 1,
            root: BlockRoot([7; 32]),
        };
        let good = value.encode();
        assert_eq!(commitment(&header(&[])), Commitment::Absent);
        assert_eq!(
            commitment(&header(std::slice::from_ref(&good))),
            Commitment::Present(value)
        );
        assert_eq!(
            commitment(&header(&[good[1..].to_vec()])),
            Commitment::Unreadable
        );
        assert_eq!(
            commitment(&header(&[good.clone(), good])),
            Commitment::Unreadable
        );
    }
}
