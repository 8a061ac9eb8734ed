// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From events to the header of their block. Needs no payload, so it works for pruned events too.

use crate::{
    Store, StoreError,
    db::{Connection, Row, args, clamped},
    query::{batch_of_sequence, batches_of_block},
};
use ves_primitives::{
    BatchCommitment, InclusionProof, LeafHash, MultiProof, StoreId, StreamId, TenantId,
    block_leaves, path_of, path_through, stream_id,
    wire::{BatchJson, InclusionJson, MultiInclusionJson},
};

/// What one batch's proofs are made of, besides its leaves.
struct Ground {
    batch: BatchJson,
    block_proof: InclusionProof,
    header: Vec<u8>,
}

/// A proof reads a subtree of 128 leaves and the roots of all such subtrees: of the largest batch as many.
pub(crate) const SUBTREE_HEIGHT: u32 = 7;
const SUBTREE_LEAVES: u32 = 1 << SUBTREE_HEIGHT;

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
        let stream = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(ground) = ground(&mut snapshot, stream, sequence).await? else {
            return Ok(None);
        };
        let batch = &ground.batch.batch;
        let index = ground.index(sequence).ok_or(DAMAGED)?;
        let leaf_count = batch.leaf_count;
        let (leaf, path) = match subtree(&mut snapshot, stream, batch, index).await? {
            Some((leaves, roots)) => {
                drop(snapshot);
                let leaf = leaf_at(&leaves, index % SUBTREE_LEAVES);
                (leaf, path_through(leaves, roots, SUBTREE_HEIGHT, index))
            }
            None => {
                let leaves = batch_leaves(&mut snapshot, stream, batch).await?;
                // Hashing comes when the connection is free again.
                drop(snapshot);
                (leaf_at(&leaves, index), path_of(leaves, index))
            }
        };
        Ok(Some(InclusionJson {
            leaf_hash: leaf.ok_or(DAMAGED)?,
            proof: InclusionProof {
                leaf_index: index,
                leaf_count,
                path: path.ok_or(DAMAGED)?,
            },
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
        let stream = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(ground) = ground(&mut snapshot, stream, *first).await? else {
            return Ok(None);
        };
        let leaves = batch_leaves(&mut snapshot, stream, &ground.batch.batch).await?;
        drop(snapshot);
        let found: Option<(Vec<u32>, Vec<LeafHash>)> = sequences
            .iter()
            .map(|sequence| {
                let index = ground.index(*sequence)?;
                Some((index, leaf_at(&leaves, index)?))
            })
            .collect();
        let Some((indices, leaf_hashes)) = found else {
            return Ok(Some(None));
        };
        let proof = MultiProof::build(&leaves, &indices).ok_or(DAMAGED)?;
        Ok(Some(Some(MultiInclusionJson {
            leaf_hashes,
            proof,
            batch: ground.batch,
            block_proof: ground.block_proof,
            header: ground.header,
        })))
    }
}

/// Reads what proofs about the batch that holds this sequence need.
async fn ground(
    snapshot: &mut Connection,
    stream: StreamId,
    sequence: u64,
) -> Result<Option<Ground>, StoreError> {
    let Some(batch) = batch_of_sequence(snapshot, stream, sequence).await? else {
        return Ok(None);
    };
    let number = batch.batch.block_number;
    let row = snapshot
        .one("SELECT header FROM blocks WHERE number = ?", args![number])
        .await?;
    let siblings = batches_of_block(snapshot, number).await?;
    Ok(Some(Ground {
        block_proof: block_proof(&siblings, stream)?,
        header: row.slice("header")?.to_vec(),
        batch,
    }))
}

impl Ground {
    /// Position of a sequence in the batch.
    fn index(&self, sequence: u64) -> Option<u32> {
        u32::try_from(sequence.checked_sub(self.batch.batch.sequence_start)?).ok()
    }
}

fn leaf_at(leaves: &[[u8; 32]], index: u32) -> Option<LeafHash> {
    let leaf = leaves.get(usize::try_from(index).ok()?)?;
    Some(LeafHash(*leaf))
}

/// The hashes of a column, which must be so many.
fn hashes(row: &Row, column: &'static str, count: u32) -> Result<Vec<[u8; 32]>, StoreError> {
    let (hashes, rest) = row.slice(column)?.as_chunks::<32>();
    if !rest.is_empty() || u32::try_from(hashes.len()) != Ok(count) {
        return Err(DAMAGED);
    }
    Ok(hashes.to_vec())
}

type Hashes = Vec<[u8; 32]>;

/// The leaves of one subtree and the roots of all; nothing if the batch has but one, or none are kept of it.
async fn subtree(
    connection: &mut Connection,
    stream: StreamId,
    batch: &BatchCommitment,
    index: u32,
) -> Result<Option<(Hashes, Hashes)>, StoreError> {
    if batch.leaf_count <= SUBTREE_LEAVES || index >= batch.leaf_count {
        return Ok(None);
    }
    let first = index - index % SUBTREE_LEAVES;
    // From 1, as SQL counts.
    let from = i64::from(first) * 32 + 1;
    let sql = "SELECT substr(x.leaves, CAST(? AS INTEGER), CAST(? AS INTEGER)) AS leaves, x.nodes \
         FROM batches x JOIN streams s ON s.id = x.stream \
         WHERE s.stream_id = ? AND x.batch_index = ? AND x.nodes IS NOT NULL";
    let part = args![
        from,
        SUBTREE_LEAVES * 32,
        stream.0,
        clamped(batch.batch_index)
    ];
    let Some(row) = connection.optional(sql, part).await? else {
        return Ok(None);
    };
    let leaves = hashes(&row, "leaves", SUBTREE_LEAVES.min(batch.leaf_count - first))?;
    let roots = hashes(&row, "nodes", batch.leaf_count.div_ceil(SUBTREE_LEAVES))?;
    Ok(Some((leaves, roots)))
}

async fn batch_leaves(
    connection: &mut Connection,
    stream: StreamId,
    batch: &BatchCommitment,
) -> Result<Hashes, StoreError> {
    let row = connection
        .one(
            "SELECT x.leaves FROM batches x JOIN streams s ON s.id = x.stream \
             WHERE s.stream_id = ? AND x.batch_index = ?",
            args![stream.0, clamped(batch.batch_index)],
        )
        .await?;
    hashes(&row, "leaves", batch.leaf_count)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{both::on_both_databases, db::asked, testing::*};

    on_both_databases! {
        async fn a_proof_in_a_batch_of_any_size_leads_to_its_root_with_or_without_kept_nodes(place: Place) {
            let store = place.open().await;
            let sizes = [1, 127, 128, 129, 255, 256, 257, 300];
            let mut chain = Chain::default();
            let blocks: Vec<_> = sizes.iter().map(|size| prepared(chain.block(&[(STORE, *size)], "{}"))).collect();
            store.append(&blocks).await.unwrap();
            let all = async || {
                let mut proofs = Vec::new();
                for sequence in 1..=sizes.iter().sum() {
                    let found = store.inclusion(TENANT, STORE, sequence).await.unwrap().unwrap();
                    found.batch.batch.check_leaf(sequence, &found.leaf_hash, &found.proof).unwrap();
                    proofs.push(found);
                }
                proofs
            };
            let with = all().await;
            let mut transaction = store.db.write().await.unwrap();
            let forgotten = transaction.execute("UPDATE batches SET nodes = NULL WHERE nodes IS NOT NULL", args![]).await.unwrap();
            transaction.commit().await.unwrap();
            // Those of more than 128 leaves; what a store of the version before has.
            assert_eq!(forgotten, 5);
            assert_eq!(all().await, with);
            for block in &blocks {
                assert_eq!(store.block_checksum(block.number()).await.unwrap(), block.checksum());
            }
        }

        async fn a_proof_in_a_long_batch_does_not_read_all_its_leaves(place: Place) {
            let store = place.open().await;
            store.append(&[prepared(Chain::default().block(&[(STORE, 300)], "{}"))]).await.unwrap();
            let asked = asked::by(async { store.inclusion(TENANT, STORE, 200).await.unwrap().unwrap(); }).await;
            assert!(asked.iter().any(|(sql, _)| sql.contains("x.nodes")), "{asked:?}");
            assert!(asked.iter().all(|(sql, _)| !sql.contains("SELECT x.leaves")), "{asked:?}");
        }

        async fn kept_nodes_of_other_leaves_make_no_proof(place: Place) {
            let store = place.open().await;
            store.append(&[prepared(Chain::default().block(&[(STORE, 300)], "{}"))]).await.unwrap();
            for damage in ["substr(leaves, 1, 96)", "substr(leaves, 1, 64)", "leaves"] {
                let mut transaction = store.db.write().await.unwrap();
                transaction.execute(&format!("UPDATE batches SET nodes = {damage}"), args![]).await.unwrap();
                transaction.commit().await.unwrap();
                let answer = store.inclusion(TENANT, STORE, 200).await;
                assert!(matches!(answer, Err(StoreError::Corrupt { what: "leaves" })), "{damage}");
            }
        }
    }
}
