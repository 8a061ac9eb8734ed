// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The appchain through `ves-client`: connects when first asked and again after a loss.

use crate::{
    read_proof::{ReadProof, ReadProofError, batch_key, batch_proof_key, block_batches_key},
    secret_url::SecretUrl,
    source::{BlockHash, Commitment, Source, SourceBlock, SourceError},
};
use async_trait::async_trait;
use tokio::sync::Mutex;
use ves_client::{ChainClient, ClientError, DigestItem, Header};
use ves_primitives::{
    BatchCommitment, GenesisHash, StreamId, UnreadableCommitment, limits,
    proof::{BatchProofRecord, BatchProofSubmission},
};

/// The engine whose slots are times.
const AURA: [u8; 4] = *b"aura";

/// A node reached over JSON-RPC, and perhaps a second one that must agree about what is final.
#[derive(Debug)]
pub struct NodeSource {
    node: Connection,
    witness: Option<Connection>,
    prove_reads: bool,
}

#[derive(Debug)]
struct Connection {
    url: SecretUrl,
    client: Mutex<Option<ChainClient>>,
}

impl From<ClientError> for SourceError {
    fn from(error: ClientError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<ReadProofError> for SourceError {
    fn from(error: ReadProofError) -> Self {
        Self::Contradicted(error.to_string())
    }
}

impl Connection {
    const fn new(url: SecretUrl) -> Self {
        Self {
            url,
            client: Mutex::const_new(None),
        }
    }

    async fn client(&self, genesis: Option<GenesisHash>) -> Result<ChainClient, ClientError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let client = ChainClient::connect(self.url.expose(), genesis).await?;
        *slot = Some(client.clone());
        Ok(client)
    }
}

impl NodeSource {
    /// Will talk to the node at `url`. `witness`: another one, which must report the same finalized
    /// blocks. `prove_reads`: batches and verdicts are believed only with a proof that leads to them
    /// from the state root of the block they are read at. Does not connect yet.
    pub fn new(url: impl Into<SecretUrl>, witness: Option<SecretUrl>, prove_reads: bool) -> Self {
        Self {
            node: Connection::new(url.into()),
            witness: witness.map(Connection::new),
            prove_reads,
        }
    }

    async fn client(&self) -> Result<ChainClient, SourceError> {
        Ok(self.node.client(None).await?)
    }

    /// A proof of what the state at a block holds under these keys.
    async fn proof(&self, keys: &[Vec<u8>], at: BlockHash) -> Result<ReadProof, SourceError> {
        let client = self.client().await?;
        let missing = || SourceError::Unavailable(format!("the node does not have block {at}"));
        let header = client.header(at).await?.ok_or_else(missing)?;
        let nodes = client.read_proof(keys, at).await?;
        Ok(ReadProof::new(header.state_root, nodes))
    }

    /// These batches, and no others, are what the state lists for the block.
    async fn prove_batches(
        &self,
        number: u32,
        at: BlockHash,
        batches: &[BatchCommitment],
    ) -> Result<(), SourceError> {
        let list = block_batches_key(number);
        let mut keys = vec![list.clone()];
        keys.extend(
            batches
                .iter()
                .map(|batch| batch_key(batch.stream_id(), batch.batch_index)),
        );
        let proof = self.proof(&keys, at).await?;
        let listed: Vec<(StreamId, u64)> = proof.get(&list)?.unwrap_or_default();
        let given = batches
            .iter()
            .map(|batch| (batch.stream_id(), batch.batch_index));
        if !given.eq(listed) {
            return Err(SourceError::Contradicted(format!(
                "state at {at} lists other batches of block {number}"
            )));
        }
        for (batch, key) in batches.iter().zip(&keys[1..]) {
            if proof.get::<BatchCommitment>(key)?.as_ref() != Some(batch) {
                return Err(SourceError::Contradicted(format!(
                    "state at {at} holds another batch than {}",
                    batch.batch_id
                )));
            }
        }
        Ok(())
    }

    /// These verdicts, and no others, are in state for these batches.
    async fn prove_verdicts(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
        records: &[BatchProofRecord],
    ) -> Result<(), SourceError> {
        let keys: Vec<Vec<u8>> = (from..from.saturating_add(count.into()))
            .map(|index| batch_proof_key(stream, index))
            .collect();
        let proof = self.proof(&keys, at).await?;
        let mut held = Vec::new();
        for key in &keys {
            held.extend(proof.get::<BatchProofRecord>(key)?);
        }
        if held != records {
            return Err(SourceError::Contradicted(format!(
                "state at {at} holds other verdicts about batches of {stream} from {from} on"
            )));
        }
        Ok(())
    }

    /// Makes sure that the witness has the same block final, or takes the lower of the two heights.
    async fn witnessed(
        &self,
        witness: &Connection,
        number: u32,
        hash: BlockHash,
    ) -> Result<(u32, BlockHash), SourceError> {
        let client = self.client().await?;
        let away = |error| SourceError::Unavailable(format!("the witness: {error}"));
        let other = witness
            .client(Some(client.genesis_hash()))
            .await
            .map_err(away)?;
        other.check_chain().await.map_err(away)?;
        let final_there = other.finalized_header().await.map_err(away)?;
        let lower = final_there.number.min(number);
        let (here, there) = if final_there.number >= number {
            (Some(hash), other.block_hash(number).await.map_err(away)?)
        } else {
            (client.block_hash(lower).await?, Some(final_there.hash()))
        };
        match (here, there) {
            (Some(here), Some(there)) if here == there => Ok((lower, here)),
            (Some(here), Some(there)) => Err(SourceError::Contradicted(format!(
                "finalized block {lower} is {here} at the node and {there} at the witness"
            ))),
            _ => Err(SourceError::Unavailable(format!(
                "one of the two nodes does not have block {lower} yet"
            ))),
        }
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

/// When a block was made, Unix milliseconds: Aura's slot in its header.
fn time_ms(header: &Header) -> Option<u64> {
    header.digest.iter().find_map(|item| match item {
        DigestItem::PreRuntime(AURA, slot) => {
            let slot = u64::from_le_bytes(slot.as_slice().try_into().ok()?);
            slot.checked_mul(limits::SLOT_MS)
        }
        _ => None,
    })
}

#[async_trait]
impl Source for NodeSource {
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError> {
        let client = self.client().await?;
        // Asked again each time: after a reconnect another chain may answer.
        match client.check_chain().await {
            Ok(()) => Ok(client.genesis_hash()),
            Err(ClientError::WrongChain { found, .. }) => {
                *self.node.client.lock().await = None;
                Ok(found)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn spec_name(&self) -> Result<String, SourceError> {
        Ok(self.client().await?.runtime_version(None).await?.spec_name)
    }

    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError> {
        let header = self.client().await?.finalized_header().await?;
        match &self.witness {
            Some(witness) => self.witnessed(witness, header.number, header.hash()).await,
            None => Ok((header.number, header.hash())),
        }
    }

    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError> {
        let client = self.client().await?;
        let missing =
            || SourceError::Unavailable(format!("the node does not have block {number} yet"));
        let hash = client.block_hash(number).await?.ok_or_else(missing)?;
        let header = client.header(hash).await?.ok_or_else(missing)?;
        Ok(SourceBlock {
            number: header.number,
            hash,
            parent: header.parent_hash,
            commitment: commitment(&header),
            time_ms: time_ms(&header),
        })
    }

    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError> {
        let client = self.client().await?;
        let batches = client.batches_in_block(number, Some(at)).await?;
        if self.prove_reads {
            self.prove_batches(number, at, &batches).await?;
        }
        Ok(batches)
    }

    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError> {
        let client = self.client().await?;
        let records = client
            .batch_proofs_in(stream, from, count, Some(at))
            .await?;
        if self.prove_reads {
            self.prove_verdicts(stream, from, count, at, &records)
                .await?;
        }
        Ok(records)
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
    fn d16_the_time_of_a_block_is_that_of_its_slot() {
        let with = |item: DigestItem| Header {
            digest: vec![item],
            ..header(&[])
        };
        let slot = 900_000_000u64.to_le_bytes().to_vec();
        let read = time_ms(&with(DigestItem::PreRuntime(AURA, slot.clone())));
        assert_eq!(read, Some(1_800_000_000_000));
        assert_eq!(time_ms(&header(&[])), None);
        assert_eq!(time_ms(&with(DigestItem::PreRuntime(*b"BABE", slot))), None);
        // No number, and one that no clock shows.
        for bytes in [vec![1; 7], vec![0xff; 8]] {
            assert_eq!(time_ms(&with(DigestItem::PreRuntime(AURA, bytes))), None);
        }
    }

    #[test]
    fn s1_a_block_without_batches_is_told_from_one_that_cannot_be_read() {
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
