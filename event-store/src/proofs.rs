// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From events to the header of their block. Needs no payload, so it works for pruned events too.

use crate::{
    Store, StoreError,
    db::{Connection, args, clamped},
    query::{batch_of_sequence, batches_of_block},
};
use ves_primitives::{
    BatchCommitment, InclusionProof, LeafHash, MultiProof, StoreId, StreamId, TenantId,
    block_leaves, path_of, stream_id,
    wire::{BatchJson, InclusionJson, MultiInclusionJson},
};

/// What one batch's proofs are made of.
struct Ground {
    batch: BatchJson,
    leaves: Vec<LeafHash>,
    block_proof: InclusionProof,
    header: Vec<u8>,
}

const DAMAGED: StoreError = StoreError::Corrupt { what: "leaves" };

impl Store {
    /// The way from an event's leaf to the header of its block.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<InclusionJson>, StoreError> {
        let Some(ground) = self.ground(stream_id(tenant, store), sequence).await? else {
            return Ok(None);
        };
        let index = ground.index(sequence).ok_or(DAMAGED)?;
        let leaf_hash = ground.leaf(index).ok_or(DAMAGED)?;
        let proof = InclusionProof::build(&ground.leaves, index).ok_or(DAMAGED)?;
        Ok(Some(InclusionJson {
            leaf_hash,
            proof,
            batch: ground.batch,
            block_proof: ground.block_proof,
            header: ground.header,
        }))
    }

    /// The way from several events of one batch to the header of its block. `sequences` are strictly
    /// ascending, and at most as many as one proof may have. Nothing if the first is not indexed; the
    /// inner nothing if one of the others is not in the first one's batch.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn multi_inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequences: &[u64],
    ) -> Result<Option<Option<MultiInclusionJson>>, StoreError> {
        let Some(first) = sequences.first() else {
            return Ok(Some(None));
        };
        let Some(ground) = self.ground(stream_id(tenant, store), *first).await? else {
            return Ok(None);
        };
        let found: Option<(Vec<u32>, Vec<LeafHash>)> = sequences
            .iter()
            .map(|sequence| {
                let index = ground.index(*sequence)?;
                Some((index, ground.leaf(index)?))
            })
            .collect();
        let Some((indices, leaf_hashes)) = found else {
            return Ok(Some(None));
        };
        let leaves: Vec<_> = ground.leaves.iter().map(|leaf| leaf.0).collect();
        let proof = MultiProof::build(&leaves, &indices).ok_or(DAMAGED)?;
        Ok(Some(Some(MultiInclusionJson {
            leaf_hashes,
            proof,
            batch: ground.batch,
            block_proof: ground.block_proof,
            header: ground.header,
        })))
    }

    /// Reads what proofs about the batch that holds this sequence need. The hashing of up to 16,384
    /// leaves comes after, when the connection is free again.
    async fn ground(&self, stream: StreamId, sequence: u64) -> Result<Option<Ground>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let Some(batch) = batch_of_sequence(&mut snapshot, stream, sequence).await? else {
            return Ok(None);
        };
        let number = batch.batch.block_number;
        let leaves = batch_leaves(&mut snapshot, stream, &batch.batch).await?;
        let row = snapshot
            .one("SELECT header FROM blocks WHERE number = ?", args![number])
            .await?;
        let siblings = batches_of_block(&mut snapshot, number).await?;
        drop(snapshot);
        Ok(Some(Ground {
            block_proof: block_proof(&siblings, stream)?,
            header: row.slice("header")?.to_vec(),
            batch,
            leaves,
        }))
    }
}

impl Ground {
    /// Position of a sequence in the batch.
    fn index(&self, sequence: u64) -> Option<u32> {
        u32::try_from(sequence.checked_sub(self.batch.batch.sequence_start)?).ok()
    }

    fn leaf(&self, index: u32) -> Option<LeafHash> {
        self.leaves.get(usize::try_from(index).ok()?).copied()
    }
}

async fn batch_leaves(
    connection: &mut Connection,
    stream: StreamId,
    batch: &BatchCommitment,
) -> Result<Vec<LeafHash>, StoreError> {
    let row = connection
        .one(
            "SELECT x.leaves FROM batches x JOIN streams s ON s.id = x.stream \
             WHERE s.stream_id = ? AND x.batch_index = ?",
            args![stream.0, clamped(batch.batch_index)],
        )
        .await?;
    let (chunks, rest) = row.slice("leaves")?.as_chunks::<32>();
    if !rest.is_empty() || u32::try_from(chunks.len()) != Ok(batch.leaf_count) {
        return Err(DAMAGED);
    }
    Ok(chunks.iter().copied().map(LeafHash).collect())
}

/// The path from one stream's batch to the root over all batches of its block.
fn block_proof(
    batches: &[BatchCommitment],
    stream: StreamId,
) -> Result<InclusionProof, StoreError> {
    let damaged = StoreError::Corrupt { what: "batches" };
    let leaves = block_leaves(batches);
    let own = batches.iter().find(|batch| batch.stream_id() == stream);
    let own = own.map(BatchCommitment::block_leaf);
    let position = leaves.iter().position(|leaf| Some(*leaf) == own);
    let position = position.and_then(|position| u32::try_from(position).ok());
    let (Some(leaf_index), Ok(leaf_count)) = (position, u32::try_from(leaves.len())) else {
        return Err(damaged);
    };
    let path = path_of(leaves, leaf_index).ok_or(damaged)?;
    Ok(InclusionProof {
        leaf_index,
        leaf_count,
        path,
    })
}
