// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Commitments and inclusion proofs (VES v1 §4), of finalized blocks only.

use crate::{
    App,
    batches::{self, BatchName},
    error::{Answer, ApiError, Code},
    extract::{Access, Body, Part, Query, Stream, part},
    keys::Permission,
    ledger::Report,
    openapi,
    wire::{batch_uuid, time_text},
};
use axum::{Json, extract::State};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;
use ves_client::ChainClient;
use ves_primitives::{
    EventsRoot, InclusionProof, LeafHash, tree_depth,
    wire::{BatchJson, hex_list},
};

/// Commitments of a page unless asked otherwise, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 500;
/// Longest path that is looked at, as with the peer.
const PATH_MAX: usize = 64;

/// A commitment (VES v1 §4.4).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Commitment {
    /// The first 16 bytes of the batch's id as a UUIDv8.
    #[schema(format = "uuid")]
    pub batch_id: String,
    /// The whole id, the `bytes32 batchId` on the EVM chain.
    pub batch_hash: String,
    /// Its number within the stream, from 0.
    pub batch_index: u64,
    /// The tenant.
    pub tenant_id: String,
    /// The store.
    pub store_id: String,
    /// 1.
    pub ves_version: u32,
    /// Depth of the tree.
    pub tree_depth: u32,
    /// Events.
    pub leaf_count: u32,
    /// Leaves with the padding.
    pub padded_leaf_count: u32,
    /// Root over the events' leaves.
    pub merkle_root: String,
    /// State root before.
    pub prev_state_root: String,
    /// State root after.
    pub new_state_root: String,
    /// First sequence.
    pub sequence_start: u64,
    /// Last sequence.
    pub sequence_end: u64,
    /// Time of the block.
    pub committed_at: String,
    /// The block.
    pub block_number: u32,
    /// Its hash.
    pub block_hash: String,
    /// Of the anchor, as an anchor service reported it to this gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u32>,
    /// As `chain_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_tx_hash: Option<String>,
    /// As `chain_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_block_number: Option<u64>,
    /// As `chain_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchored_at: Option<String>,
}

impl Commitment {
    fn new(found: &BatchJson, committed_ms: u64, report: Option<Report>) -> Self {
        let batch = &found.batch;
        Self {
            batch_id: batch_uuid(batch.batch_id),
            batch_hash: hex::encode(batch.batch_id),
            batch_index: batch.batch_index,
            tenant_id: batch.tenant_id.to_string(),
            store_id: batch.store_id.to_string(),
            ves_version: 1,
            tree_depth: tree_depth(batch.leaf_count),
            leaf_count: batch.leaf_count,
            padded_leaf_count: batch.leaf_count.next_power_of_two(),
            merkle_root: hex::encode(batch.events_root),
            prev_state_root: hex::encode(batch.prev_state_root),
            new_state_root: hex::encode(batch.new_state_root),
            sequence_start: batch.sequence_start,
            sequence_end: batch.sequence_end,
            committed_at: time_text(committed_ms),
            block_number: batch.block_number,
            block_hash: hex::encode(found.block_hash),
            chain_id: report.as_ref().map(|report| report.chain_id),
            chain_tx_hash: report
                .as_ref()
                .map(|report| hex::encode(report.chain_tx_hash)),
            chain_block_number: report.as_ref().map(|report| report.block_number),
            anchored_at: report.map(|report| report.anchored_at),
        }
    }
}

/// A page of commitments.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Commitments {
    /// In order of their numbers.
    pub commitments: Vec<Commitment>,
    /// How many are in this page.
    pub count: u32,
    /// How many the stream has.
    pub total: u64,
    /// How many of them, counted from the first, are reported to the chain as anchored.
    pub anchored: u64,
    /// Number of the first one of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_from: Option<u64>,
}

async fn commitment(app: &App, chain: &ChainClient, batch: BatchJson) -> Answer<Commitment> {
    let committed = batches::committed_at(chain, &batch).await?;
    let report = app.report(batch.batch.batch_id);
    Ok(Commitment::new(&batch, committed, report))
}

/// Commitments of a stream: those not reported as anchored, as with the peer, or all of them.
#[utoipa::path(get, path = "/api/v1/ves/commitments", tag = "commitments",
    params(("tenant_id" = String, Query, format = "uuid"), ("store_id" = String, Query, format = "uuid"),
        ("include_anchored" = Option<bool>, Query, description = "All of them; false by default"),
        ("from" = Option<u64>, Query, description = "Number of the first one"),
        ("sequence" = Option<u64>, Query, description = "Only the one that holds this sequence"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500)),
    responses((status = 200, description = "A page", body = Commitments),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    access: Access,
    query: Query,
) -> Answer<Json<Commitments>> {
    let of = query.stream()?;
    access.stream(Permission::Read, of)?;
    let limit = u64::from(query.limit(PAGE, PAGE_MAX)?);
    let chain = app.node.chain()?;
    let head = chain.store_head(of.tenant, of.store).await?;
    let finalized = app.node.heads()?.finalized_hash;
    let anchored = chain.kept_batches(of.id(), Some(finalized)).await?.anchored;
    let found = match query.find::<u64>("sequence")? {
        Some(sequence) => chain
            .store_batch_of_sequence(of.tenant, of.store, sequence)
            .await?
            .into_iter()
            .collect(),
        None => {
            let least = match query.find("include_anchored")? {
                Some(true) => 0,
                _ => anchored,
            };
            let from = query.find("from")?.unwrap_or(0).max(least);
            let count = head.batch_count.saturating_sub(from).min(limit);
            batches::range(&chain, of, from, count).await?
        }
    };
    let next_from = found
        .last()
        .map(|last| last.batch.batch_index.saturating_add(1))
        .filter(|next| *next < head.batch_count);
    let commitments: Vec<Commitment> = stream::iter(found)
        .map(|batch| commitment(&app, &chain, batch))
        .buffered(batches::AT_A_TIME)
        .try_collect()
        .await?;
    Ok(Json(Commitments {
        count: u32::try_from(commitments.len()).unwrap_or(u32::MAX),
        commitments,
        total: head.batch_count,
        anchored,
        next_from,
    }))
}

/// One commitment, by UUID or by its whole id.
#[utoipa::path(get, path = "/api/v1/ves/commitments/{batch_id}", tag = "commitments",
    params(("batch_id" = String, Path, description = "UUID or 32 bytes hex"),
        ("tenant_id" = Option<String>, Query, format = "uuid", description = "Needed by operators' keys"),
        ("store_id" = Option<String>, Query, format = "uuid", description = "Needed by keys that reach all stores"),
        ("sequence" = Option<u64>, Query, description = "If given, the batch must hold this sequence")),
    responses((status = 200, description = "The commitment", body = Commitment),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn get(
    State(app): State<Arc<App>>,
    access: Access,
    Part(name): Part,
    query: Query,
) -> Answer<Json<Commitment>> {
    let name: BatchName = part("batch_id", &name)?;
    let streams = access.streams(&query)?;
    let chain = app.node.chain()?;
    let batch = batches::find(&chain, |of| streams.contains(&of), &name).await?;
    let held = batch.batch.sequence_start..=batch.batch.sequence_end;
    if let Some(sequence) = query.find::<u64>("sequence")?
        && !held.contains(&sequence)
    {
        return Err(ApiError::not_found(
            Code::BatchNotFound,
            "the batch that holds this sequence is another one",
        ));
    }
    commitment(&app, &chain, batch).await.map(Json)
}

/// Refused: the chain commits each block's events of a stream by itself.
#[utoipa::path(post, path = "/api/v1/ves/commitments", tag = "commitments",
    responses((status = 409, description = "Commitments are automatic", body = openapi::ErrorBody),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn create(_: Access) -> ApiError {
    ApiError::conflict(
        "the chain commits the events of a stream in every block by itself; read the commitments \
         with GET",
    )
}

/// From an event's leaf to the root of its batch (VES v1 §4.3).
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Inclusion {
    /// The event's place in the stream.
    pub sequence_number: u64,
    /// Its batch.
    #[schema(format = "uuid")]
    pub batch_id: String,
    /// Root of the batch.
    pub merkle_root: String,
    /// The leaf.
    pub leaf_hash: String,
    /// Its place in the batch.
    pub leaf_index: u32,
    /// Events of the batch.
    pub leaf_count: u32,
    /// Siblings from the leaf upwards.
    pub proof_path: Vec<String>,
    /// Whether the running hash is the left input.
    pub directions: Vec<bool>,
    /// The block that holds the batch; `ves_bundle` of a node has the way on to its header.
    pub block_number: u32,
    /// Its hash.
    pub block_hash: String,
}

/// The inclusion proof of an event by its sequence.
#[utoipa::path(get, path = "/api/v1/ves/proofs/{sequence_number}", tag = "commitments",
    params(("sequence_number" = u64, Path), ("tenant_id" = String, Query, format = "uuid"),
        ("store_id" = String, Query, format = "uuid"),
        ("batch_id" = Option<String>, Query, description = "If given, must be the event's batch")),
    responses((status = 200, description = "The proof", body = Inclusion),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn inclusion(
    State(app): State<Arc<App>>,
    access: Access,
    Part(sequence): Part,
    query: Query,
) -> Answer<Json<Inclusion>> {
    let sequence: u64 = part("sequence_number", &sequence)?;
    let Stream { tenant, store } = query.stream()?;
    access.stream(Permission::Read, Stream { tenant, store })?;
    let expected: Option<BatchName> = query.find("batch_id")?;
    let found = app
        .node
        .chain()?
        .store_inclusion(tenant, store, sequence)
        .await?
        .ok_or_else(|| {
            ApiError::not_found(Code::EventNotFound, "no final event has this sequence")
                .about(sequence)
        })?;
    if expected.is_some_and(|name| !name.is(&found.batch)) {
        return Err(ApiError::not_found(
            Code::BatchNotFound,
            "the event is in another batch",
        ));
    }
    let index = found.proof.leaf_index;
    let depth = u32::try_from(found.proof.path.len()).unwrap_or(u32::MAX);
    Ok(Json(Inclusion {
        sequence_number: sequence,
        batch_id: batch_uuid(found.batch.batch.batch_id),
        merkle_root: hex::encode(found.batch.batch.events_root),
        leaf_hash: hex::encode(found.leaf_hash),
        leaf_index: index,
        leaf_count: found.proof.leaf_count,
        proof_path: found.proof.path.iter().map(hex::encode).collect(),
        directions: directions(index, depth),
        block_number: found.batch.batch.block_number,
        block_hash: hex::encode(found.batch.block_hash),
    }))
}

/// Of each level, whether the running hash is the left input: whether that bit of the index is 0.
fn directions(index: u32, depth: u32) -> Vec<bool> {
    (0..depth)
        .map(|level| index.checked_shr(level).unwrap_or(0) & 1 == 0)
        .collect()
}

/// What to verify.
#[derive(Debug, Deserialize, ToSchema)]
pub struct VerifyInclusion {
    /// The leaf.
    #[schema(value_type = String, pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    leaf_hash: LeafHash,
    /// The root.
    #[schema(value_type = String, pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    merkle_root: EventsRoot,
    /// Siblings from the leaf upwards, at most 64.
    #[serde(with = "hex_list")]
    #[schema(value_type = Vec<String>)]
    proof_path: Vec<[u8; 32]>,
    /// Place of the leaf.
    leaf_index: u32,
    /// Leaves of the tree. Without it the path's length cannot be checked against the tree.
    leaf_count: Option<u32>,
}

/// Whether the path leads from the leaf to the root.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct InclusionVerdict {
    /// Whether it does.
    pub valid: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Verifies an inclusion proof from what is sent alone. Whether the root is one of the chain's is for
/// the caller to know.
#[utoipa::path(post, path = "/api/v1/ves/proofs/verify", tag = "commitments", request_body = VerifyInclusion,
    responses((status = 200, description = "The verdict", body = InclusionVerdict),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn verify(
    _: Access,
    Body(request): Body<VerifyInclusion>,
) -> Answer<Json<InclusionVerdict>> {
    let depth = request.proof_path.len();
    if depth > PATH_MAX {
        return Err(ApiError::value(format!(
            "proof_path: at most {PATH_MAX} siblings"
        )));
    }
    Ok(Json(verdict(request)))
}

fn verdict(request: VerifyInclusion) -> InclusionVerdict {
    let depth = u32::try_from(request.proof_path.len()).unwrap_or(u32::MAX);
    // Without a count the path itself says how large a full tree would be.
    let leaf_count = request
        .leaf_count
        .or_else(|| 1u32.checked_shl(depth))
        .unwrap_or(u32::MAX);
    let proof = InclusionProof {
        leaf_index: request.leaf_index,
        leaf_count,
        path: request.proof_path,
    };
    match proof.verify(&request.merkle_root.0, &request.leaf_hash.0) {
        Ok(()) => InclusionVerdict {
            valid: true,
            reason: None,
        },
        Err(error) => InclusionVerdict {
            valid: false,
            reason: Some(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ves_primitives::events_root;

    fn request(leaves: &[LeafHash], index: u32, count: Option<u32>) -> VerifyInclusion {
        let place = usize::try_from(index).unwrap();
        VerifyInclusion {
            leaf_hash: leaves[place],
            merkle_root: events_root(leaves).unwrap(),
            proof_path: InclusionProof::build(leaves, index).unwrap().path,
            leaf_index: index,
            leaf_count: count,
        }
    }

    #[test]
    fn a_path_is_verified_with_and_without_the_number_of_leaves() {
        let leaves: Vec<LeafHash> = (1..=5).map(|n| LeafHash([n; 32])).collect();
        for index in 0..5 {
            assert!(verdict(request(&leaves, index, None)).valid);
            assert!(verdict(request(&leaves, index, Some(5))).valid);
            assert!(!verdict(request(&leaves, index, Some(4))).valid);
            let mut other = request(&leaves, index, None);
            other.leaf_hash.0[0] ^= 1;
            assert!(!verdict(other).valid);
            let mut beyond = request(&leaves, index, None);
            beyond.leaf_index += 8;
            assert!(!verdict(beyond).valid, "an index has one name only");
        }
        let mut long = request(&leaves, 0, None);
        long.proof_path = vec![[0; 32]; PATH_MAX];
        assert!(!verdict(long).valid);
    }

    #[test]
    fn directions_follow_the_bits_of_the_index() {
        assert_eq!(directions(0b101, 3), [false, true, false]);
        assert_eq!(directions(0, 2), [true, true]);
        assert!(directions(7, 0).is_empty());
        assert_eq!(directions(0, 40).len(), 40);
    }
}
