// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the peer's external anchor service polls and reports to (VES v1 §7.2).
//!
//! Offered are the batches of the streams in the settings: those of a list, or all that the node's event
//! store knows. What is reported is kept in the ledger; with a relay's account it goes on to the chain as
//! soon as all earlier batches of the stream are reported too.

use crate::{
    App,
    batches::{self, BatchName},
    config::AnchoredStreams,
    error::{Answer, ApiError, Code},
    extract::{Access, Body, Part, Query, Stream, part},
    keys::Permission,
    ledger::{Entered, Ledger, Report},
    openapi,
    wire::{batch_uuid, time_text},
};
use axum::{Json, extract::State, http::StatusCode};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::{pin::pin, sync::Arc};
use utoipa::ToSchema;
use ves_client::{AdminCall, ChainClient, ClientError, Wait};
use ves_primitives::wire::{BatchJson, hex32};

/// Commitments unless asked otherwise, and at most: the peer's.
const PAGE: u32 = 1_000;
const PAGE_MAX: u32 = 5_000;
/// Streams that are looked through at a time. Each holds up to a page of batches.
const STREAMS_AT_A_TIME: usize = 4;

/// A batch that is not anchored. Hashes have `0x`, as with the peer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PendingCommitment {
    /// UUIDv8 made of the batch's id.
    #[schema(format = "uuid")]
    pub batch_id: String,
    /// The tenant.
    pub tenant_id: String,
    /// The store.
    pub store_id: String,
    /// State root before.
    pub prev_state_root: String,
    /// State root after.
    pub new_state_root: String,
    /// Root over the events.
    pub events_root: String,
    /// First sequence.
    pub sequence_start: u64,
    /// Last sequence.
    pub sequence_end: u64,
    /// Events.
    pub event_count: u32,
    /// Time of the block.
    pub committed_at: String,
    /// Always null here.
    pub chain_tx_hash: Option<String>,
}

/// What is to be anchored.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PendingCommitments {
    /// Oldest first; of each stream without gaps.
    pub commitments: Vec<PendingCommitment>,
    /// How many there are in this answer.
    pub total: u32,
}

fn ledger(app: &App) -> Answer<&Ledger> {
    app.ledger.as_ref().ok_or_else(|| {
        ApiError::not_found(
            Code::AnchorNotConfigured,
            "this gateway offers no commitments for anchoring",
        )
    })
}

/// The streams whose batches are offered, with the number of batches of each.
async fn offered(app: &App, chain: &ChainClient) -> Answer<Vec<(Stream, u64)>> {
    match &app.settings.anchored_streams {
        AnchoredStreams::All => Ok(batches::streams(chain).await?),
        AnchoredStreams::Listed(streams) => Ok(stream::iter(streams.clone())
            .map(|of| async move {
                let head = chain.store_head(of.tenant, of.store).await?;
                Ok::<_, ClientError>((of, head.batch_count))
            })
            .buffered(batches::AT_A_TIME)
            .try_collect()
            .await?),
    }
}

/// A stream's batches that neither the chain nor the ledger knows as anchored, oldest first.
async fn pending_of(
    app: &App,
    chain: &ChainClient,
    (of, batch_count): (Stream, u64),
    limit: u64,
) -> Answer<Vec<BatchJson>> {
    let finalized = app.node.heads()?.finalized_hash;
    let anchored = chain.kept_batches(of.id(), Some(finalized)).await?.anchored;
    let mut pending = Vec::new();
    let mut from = anchored;
    while from < batch_count && (pending.len() as u64) < limit {
        let count = limit.min(batch_count.saturating_sub(from));
        let found = batches::range(chain, of, from, count).await?;
        if found.is_empty() {
            break;
        }
        from = from.saturating_add(found.len() as u64);
        for batch in found {
            if app.report(batch.batch.batch_id).is_none() {
                pending.push(batch);
            }
        }
    }
    Ok(pending)
}

/// The oldest of these batches, in order. Block numbers order the batches of all streams in time, and
/// those of one stream as their numbers do: what is left of a stream has no gap.
fn oldest(batches: &mut Vec<BatchJson>, limit: u32) {
    batches.sort_by_key(|batch| (batch.batch.block_number, batch.batch.batch_id));
    batches.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
}

/// Batches that are not anchored, of the streams in the settings, for an operator's key with `admin`.
#[utoipa::path(get, path = "/v1/commitments/pending", tag = "anchoring",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 5000)),
    responses((status = 200, description = "What is to be anchored", body = PendingCommitments),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn pending(
    State(app): State<Arc<App>>,
    access: Access,
    query: Query,
) -> Answer<Json<PendingCommitments>> {
    access.operator(Permission::Admin)?;
    let limit = query.limit(PAGE, PAGE_MAX)?;
    ledger(&app)?;
    let chain = app.node.chain()?;
    let mut of_streams = pin!(
        stream::iter(offered(&app, &chain).await?)
            .map(|offered| pending_of(&app, &chain, offered, limit.into()))
            .buffer_unordered(STREAMS_AT_A_TIME)
    );
    let mut found: Vec<BatchJson> = Vec::new();
    while let Some(pending) = of_streams.try_next().await? {
        // However many streams there are, no more than two pages are kept here.
        found.extend(pending);
        oldest(&mut found, limit);
    }
    let commitments: Vec<PendingCommitment> = stream::iter(found)
        .map(|batch| shown(&chain, batch))
        .buffered(batches::AT_A_TIME)
        .try_collect()
        .await?;
    Ok(Json(PendingCommitments {
        total: u32::try_from(commitments.len()).unwrap_or(u32::MAX),
        commitments,
    }))
}

async fn shown(chain: &ChainClient, found: BatchJson) -> Answer<PendingCommitment> {
    let committed = batches::committed_at(chain, &found).await?;
    let batch = found.batch;
    Ok(PendingCommitment {
        batch_id: batch_uuid(batch.batch_id),
        tenant_id: batch.tenant_id.to_string(),
        store_id: batch.store_id.to_string(),
        prev_state_root: batch.prev_state_root.to_string(),
        new_state_root: batch.new_state_root.to_string(),
        events_root: batch.events_root.to_string(),
        sequence_start: batch.sequence_start,
        sequence_end: batch.sequence_end,
        event_count: batch.leaf_count,
        committed_at: time_text(committed),
        chain_tx_hash: None,
    })
}

/// That a batch is anchored.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AnchoredRequest {
    /// The transaction, 32 bytes hex.
    #[serde(with = "hex32")]
    #[schema(value_type = String, pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    chain_tx_hash: [u8; 32],
    /// The EVM chain.
    chain_id: u32,
    /// Its block.
    block_number: u64,
    /// Not used, as with the peer.
    #[serde(default)]
    #[allow(dead_code)]
    gas_used: Option<u64>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AnchoredAnswer {
    /// `anchored` or `already_anchored`.
    pub status: &'static str,
    /// The batch.
    #[schema(format = "uuid")]
    pub batch_id: String,
    /// How many batches of the stream, counted from the first, the chain knows as anchored now.
    pub anchored_on_chain: u64,
}

/// Reports a batch as anchored, for an operator's key with `admin`. It is the reporter's word: the
/// gateway does not look at the EVM chain.
#[utoipa::path(post, path = "/v1/commitments/{batch_id}/anchored", tag = "anchoring",
    params(("batch_id" = String, Path, description = "UUID or 32 bytes hex")),
    request_body = AnchoredRequest,
    responses((status = 200, description = "It is recorded", body = AnchoredAnswer),
        (status = 409, description = "Another transaction is recorded", body = openapi::ErrorBody),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn anchored(
    State(app): State<Arc<App>>,
    access: Access,
    Part(name): Part,
    Body(request): Body<AnchoredRequest>,
) -> Answer<Json<AnchoredAnswer>> {
    access.operator(Permission::Admin)?;
    let name: BatchName = part("batch_id", &name)?;
    let ledger = ledger(&app)?;
    let chain = app.node.chain()?;
    let streams = &app.settings.anchored_streams;
    let batch = batches::find(&chain, |of| streams.have(of), &name).await?;
    let report = Report {
        batch_id: batch.batch.batch_id,
        chain_tx_hash: request.chain_tx_hash,
        chain_id: request.chain_id,
        block_number: request.block_number,
        anchored_at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    };
    let entered = ledger.enter(report).map_err(|error| {
        tracing::error!(%error, "the ledger cannot be written");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "the report could not be recorded",
        )
    })?;
    let status = match entered {
        Entered::New => "anchored",
        Entered::Known => "already_anchored",
        Entered::Conflict => {
            return Err(ApiError::conflict(
                "another transaction is recorded for this batch",
            ));
        }
    };
    let of = Stream {
        tenant: batch.batch.tenant_id,
        store: batch.batch.store_id,
    };
    let anchored_on_chain = tell_chain(&app, &chain, of).await?;
    Ok(Json(AnchoredAnswer {
        status,
        batch_id: batch_uuid(batch.batch.batch_id),
        anchored_on_chain,
    }))
}

/// Reports to the chain how many batches of a stream are anchored without a gap, if the gateway has
/// an account for it. A failure is for the next report to mend.
async fn tell_chain(app: &App, chain: &ChainClient, of: Stream) -> Answer<u64> {
    let known = chain.kept_batches(of.id(), None).await?.anchored;
    let Some(relay) = &app.settings.relay else {
        return Ok(known);
    };
    let _one_at_a_time = app.signing.lock().await;
    let known = chain.kept_batches(of.id(), None).await?.anchored;
    let mut count = known;
    while let Some(batch) = chain.store_batch(of.tenant, of.store, count).await? {
        if app.report(batch.batch.batch_id).is_none() {
            break;
        }
        count = count.saturating_add(1);
    }
    if count == known {
        return Ok(known);
    }
    let call = AdminCall::NoteAnchored {
        stream: of.id(),
        batch_count: count,
    };
    match chain.execute(relay, &[call], Wait::InBlock).await {
        Ok(_) => Ok(count),
        Err(error) => {
            tracing::warn!(%error, "the chain was not told what is anchored");
            Ok(known)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ves_primitives::{BatchCommitment, BatchId, EventsRoot, StateRoot, StoreId, TenantId};

    fn batch(store: u8, index: u64, block: u32) -> BatchJson {
        let batch = BatchCommitment {
            batch_id: BatchId([store; 32]),
            tenant_id: TenantId([1; 16]),
            store_id: StoreId([store; 16]),
            batch_index: index,
            sequence_start: index + 1,
            sequence_end: index + 1,
            leaf_count: 1,
            events_root: EventsRoot([0; 32]),
            prev_state_root: StateRoot([0; 32]),
            new_state_root: StateRoot([0; 32]),
            block_number: block,
        };
        BatchJson {
            stream_id: batch.stream_id(),
            block_hash: [0; 32],
            batch,
        }
    }

    #[test]
    fn the_oldest_batches_of_all_streams_are_kept_and_no_stream_has_a_gap() {
        let (one, two) = ([4, 7, 9], [5, 6, 20]);
        let of = |store: u8, blocks: [u32; 3]| {
            (0u64..)
                .zip(blocks)
                .map(move |(index, block)| batch(store, index, block))
        };
        for limit in 1u32..=6 {
            let mut found: Vec<BatchJson> = of(2, two).chain(of(1, one)).collect();
            oldest(&mut found, limit);
            let blocks: Vec<u32> = found.iter().map(|found| found.batch.block_number).collect();
            assert_eq!(blocks, [4, 5, 6, 7, 9, 20][..limit as usize]);
            for store in [1, 2] {
                let indexes: Vec<u64> = found
                    .iter()
                    .filter(|found| found.batch.store_id == StoreId([store; 16]))
                    .map(|found| found.batch.batch_index)
                    .collect();
                assert!(
                    (0u64..)
                        .zip(&indexes)
                        .all(|(expected, index)| expected == *index)
                );
            }
        }
    }
}
