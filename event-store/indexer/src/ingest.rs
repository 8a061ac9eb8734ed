// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From the node's finalized chain to the store, one height after the other.

use crate::{IngestError, Metrics};
use codec::Encode;
use futures::{FutureExt, StreamExt};
use pallet_ves_sequencer_runtime_api::VesSequencerApi;
use polkadot_sdk::{
    sc_client_api::{BlockBackend, BlockchainEvents},
    sp_api::{ApiError, ProvideRuntimeApi},
    sp_blockchain::HeaderBackend,
    sp_core::{H256, hexdisplay::HexDisplay},
    sp_runtime::{
        DigestItem, SaturatedConversion,
        traits::{Block as BlockT, Header as HeaderT, NumberFor},
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use ves_event_store::{Cursor, PreparedBlock, RawBlock, RefusedProof, Store, StoreError};
use ves_primitives::{BlockCommitment, UnreadableCommitment};

const LOG: &str = "ves-store";
/// Most blocks of one transaction while catching up.
const STEP_BLOCKS_MAX: u32 = 256;
/// Soft bound of a transaction's event bytes; the block that passes it is the last one.
const STEP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Lag behind finality from which absent rows count as not indexed yet, blocks.
pub(crate) const BACKFILL_LAG: u32 = 8;
/// Extrinsics that every block has: the timestamp.
const INHERENTS: usize = 1;
/// Wake-up without a notification, in case one was lost.
const POLL: Duration = Duration::from_secs(6);
/// First and longest pause after a failure that may pass.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Interval of progress lines while catching up.
const PROGRESS: Duration = Duration::from_secs(10);

/// The compliance proofs that a block refused, as the node can read them from its state; an error says why it
/// cannot. The runtime has no question for it.
pub type RefusedProofs = Arc<dyn Fn(H256) -> Result<Vec<RefusedProof>, String> + Send + Sync>;

/// Follows the finalized chain until the node stops or the store and the chain contradict each
/// other.
///
/// Failures that may pass (a locked file, a full disk) are logged, shown in `ves_health` and tried
/// again. Nothing is ever skipped.
///
/// # Errors
/// What ended it: [`IngestError::Stopped`] at shutdown, otherwise an error whose text says what to
/// do. The caller decides whether the node goes on without an event store.
pub async fn run<Block, Client>(
    client: Arc<Client>,
    store: Store,
    refused: RefusedProofs,
    metrics: Option<Metrics>,
) -> Result<(), IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + BlockchainEvents<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: VesSequencerApi<Block>,
{
    // Subscribed before the first look, so that no finalization falls between the two.
    let mut wake_ups = client.finality_notification_stream();
    let mut progress = ProgressLog::default();
    let mut pause = RETRY.0;
    loop {
        let step = catch_up(
            &client,
            &store,
            &refused,
            metrics.as_ref(),
            &mut progress,
            u32::MAX,
        );
        match step.await {
            Ok(()) => {
                pause = RETRY.0;
                store.report_error(String::new());
            }
            Err(error) if error.is_retryable() => {
                log::warn!(target: LOG, "{error}; next attempt in {} s", pause.as_secs());
                store.report_error(error.to_string());
                tokio::time::sleep(pause).await;
                pause = pause.saturating_mul(2).min(RETRY.1);
                continue;
            }
            Err(error) => {
                log::error!(target: LOG, "indexing stopped: {error}");
                store.report_error(error.to_string());
                return Err(error);
            }
        }
        // A notification only wakes: the heights to walk come from the cursor. Its block handle is
        // dropped at once, and notifications that queued up meanwhile count as one.
        match tokio::time::timeout(POLL, wake_ups.next()).await {
            Ok(None) => return Err(IngestError::Stopped),
            Ok(Some(_)) => while let Some(Some(_)) = wake_ups.next().now_or_never() {},
            Err(_) => {}
        }
    }
}

/// Indexes every block from the cursor to `to`, or to the newest finalized one if that comes first.
/// What it does is the same as what a running node does, so it may be stopped at any time and goes on
/// where it was.
///
/// # Errors
/// What ended it; its text says what to do.
pub async fn backfill<Block, Client>(
    client: &Arc<Client>,
    store: &Store,
    refused: &RefusedProofs,
    to: u32,
) -> Result<Cursor, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: VesSequencerApi<Block>,
{
    let progress = &mut ProgressLog::default();
    catch_up(client, store, refused, None, progress, to).await?;
    Ok(store.cursor().await?)
}

/// The cursor of a store that goes back to block `number`, if this node can index anew what follows it. To be
/// asked before anything is forgotten: with the states or bodies gone, it would be gone for good.
///
/// # Errors
/// If the next block is not final, or the node has not its body and its state. What a node keeps has no
/// gaps, so that with these it has those of all later blocks.
pub fn rewind_target<Block, Client>(client: &Client, number: u32) -> Result<Cursor, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + BlockBackend<Block>,
    Client::Api: VesSequencerApi<Block>,
{
    let next = number.saturating_add(1);
    let finalized: u32 = client.info().finalized_number.saturated_into();
    if next > finalized {
        return Err(IngestError::NotFinal {
            number: next,
            finalized,
        });
    }
    let hash = hash_of::<Block, _>(client, next)?;
    let body = body_of::<Block, _>(client, next, hash)?;
    // Of an empty block too, which indexing would not ask: only this tells whether the state is there.
    client
        .runtime_api()
        .index_block(hash, body)
        .map_err(|error| runtime_error(next, &error))?;
    Ok(Cursor {
        number,
        hash: hash_of::<Block, _>(client, number)?.0,
    })
}

/// Indexes every block from the cursor to the newest finalized one, or to `to`.
async fn catch_up<Block, Client>(
    client: &Arc<Client>,
    store: &Store,
    refused: &RefusedProofs,
    metrics: Option<&Metrics>,
    progress: &mut ProgressLog,
    to: u32,
) -> Result<(), IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: VesSequencerApi<Block>,
{
    let mut cursor = store.cursor().await?;
    loop {
        let finalized: u32 = client.info().finalized_number.saturated_into();
        let lag = finalized.saturating_sub(cursor.number);
        store.report_finalized(finalized, lag > BACKFILL_LAG);
        if let Some(metrics) = metrics {
            metrics.at(cursor.number, lag);
        }
        if cursor.number > finalized {
            // The node's database is younger than the store, for example after a resync, or another
            // node that shares the store has heard of finality earlier. The cursor is compared when
            // the chain has grown to it.
            progress.ahead(cursor.number, finalized);
            return Ok(());
        }
        check_cursor(client.as_ref(), &cursor)?;
        let target = finalized.min(to);
        if cursor.number >= target {
            return Ok(());
        }
        let from = cursor.number.saturating_add(1);
        let (step_client, step_refused) = (Arc::clone(client), Arc::clone(refused));
        let blocks = tokio::task::spawn_blocking(move || {
            prepare_step(step_client.as_ref(), &*step_refused, from, target)
        })
        .await
        .map_err(|_| IngestError::Stopped)??;
        match store.append(&blocks).await {
            // Another node that shares the store was faster. It wrote what this one would have.
            Err(StoreError::Gap { cursor: at, found }) if at >= found => {
                cursor = store.cursor().await?;
                continue;
            }
            appended => appended?,
        }
        let Some(last) = blocks.last() else {
            return Ok(());
        };
        cursor = Cursor {
            number: last.number(),
            hash: last.hash(),
        };
        if let Some(metrics) = metrics {
            blocks.iter().for_each(|block| metrics.count(block));
        }
        progress.indexed(cursor.number, finalized);
    }
}

/// The finalized chain must still hold the newest indexed block.
pub(crate) fn check_cursor<Block, Client>(
    client: &Client,
    cursor: &Cursor,
) -> Result<(), IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block>,
{
    let hash = hash_of(client, cursor.number)?;
    if hash.0 != cursor.hash {
        return Err(IngestError::FinalityContradiction {
            number: cursor.number,
            stored: format!("0x{}", HexDisplay::from(&cursor.hash)),
            finalized: format!("{hash:?}"),
        });
    }
    Ok(())
}

/// Reads and checks the next blocks, as many as one transaction takes. Blocking: it runs the
/// runtime once per block with submissions.
pub(crate) fn prepare_step<Block, Client>(
    client: &Client,
    refused: &dyn Fn(H256) -> Result<Vec<RefusedProof>, String>,
    from: u32,
    finalized: u32,
) -> Result<Vec<PreparedBlock>, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + BlockBackend<Block>,
    Client::Api: VesSequencerApi<Block>,
{
    let to = finalized.min(from.saturating_add(STEP_BLOCKS_MAX - 1));
    let mut blocks = Vec::new();
    let mut step_bytes = 0usize;
    for number in from..=to {
        let raw = match read_block(client, refused, number) {
            Ok(raw) => raw,
            // What was read before the failure is kept: it advances the cursor.
            Err(_) if !blocks.is_empty() => break,
            Err(error) => return Err(error),
        };
        let block =
            PreparedBlock::check(raw).map_err(|source| IngestError::Block { number, source })?;
        step_bytes = step_bytes.saturating_add(block.weight());
        blocks.push(block);
        if step_bytes > STEP_BYTES_MAX {
            break;
        }
    }
    Ok(blocks)
}

/// One finalized block and what its own runtime says it did.
fn read_block<Block, Client>(
    client: &Client,
    refused: &dyn Fn(H256) -> Result<Vec<RefusedProof>, String>,
    number: u32,
) -> Result<RawBlock, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + BlockBackend<Block>,
    Client::Api: VesSequencerApi<Block>,
{
    let client_error = |reason: String| IngestError::Client { number, reason };
    let hash = hash_of(client, number)?;
    let header = client
        .header(hash)
        .map_err(|error| client_error(error.to_string()))?
        .ok_or_else(|| client_error("the header is missing".into()))?;
    let body = body_of::<Block, _>(client, number, hash)?;
    let commitment = commitment_of::<Block>(&header, number)?;
    let mut raw = RawBlock {
        number,
        hash: hash.0,
        parent_hash: header.parent_hash().0,
        header: header.encode(),
        commitment,
        ..RawBlock::default()
    };
    // Without a commitment nothing was sequenced, and without a submission nothing was refused:
    // most blocks of a quiet chain need no runtime and no state.
    if commitment.is_some() || body.len() > INHERENTS {
        raw.index = client
            .runtime_api()
            .index_block(hash, body)
            .map_err(|error| runtime_error(number, &error))?;
        // No proof and no batch rests on them: a block whose refusals cannot be read is indexed all the
        // same.
        raw.refused_proofs = refused(hash).unwrap_or_else(|reason| {
            log::warn!(target: LOG, "block {number}: refused proofs are not indexed: {reason}");
            Vec::new()
        });
    }
    Ok(raw)
}

fn hash_of<Block, Client>(client: &Client, number: u32) -> Result<H256, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block>,
{
    let client_error = |reason: String| IngestError::Client { number, reason };
    client
        .hash(NumberFor::<Block>::from(number))
        .map_err(|error| client_error(error.to_string()))?
        .ok_or_else(|| client_error("no finalized block at this height".into()))
}

fn body_of<Block, Client>(
    client: &Client,
    number: u32,
    hash: H256,
) -> Result<Vec<Block::Extrinsic>, IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: BlockBackend<Block>,
{
    client
        .block_body(hash)
        .map_err(|error| IngestError::Client {
            number,
            reason: error.to_string(),
        })?
        .ok_or(IngestError::BodyMissing { number })
}

fn runtime_error(number: u32, error: &ApiError) -> IngestError {
    let reason = error.to_string();
    // The client has no typed error for it: sc-client-db says "State already discarded for ...",
    // wrapped as an unknown block.
    if matches!(error, ApiError::UnknownBlock(_)) || reason.contains("State already discarded") {
        return IngestError::StatePruned { number };
    }
    IngestError::Runtime { number, reason }
}

/// The block commitment of a header's digest, if it has one.
fn commitment_of<Block: BlockT>(
    header: &Block::Header,
    number: u32,
) -> Result<Option<BlockCommitment>, IngestError> {
    let items = header.digest().logs().iter();
    let commitment = BlockCommitment::read(items.filter_map(|item| match item {
        DigestItem::Consensus(engine, data) => Some((*engine, data.as_slice())),
        _ => None,
    }))
    .map_err(|UnreadableCommitment| IngestError::Digest { number })?;
    match commitment {
        Some(known) if known.version != BlockCommitment::VERSION => {
            Err(IngestError::Digest { number })
        }
        commitment => Ok(commitment),
    }
}

/// Keeps the log readable: a line per interval while catching up, one when done.
#[derive(Default)]
struct ProgressLog {
    started: Option<(Instant, u32)>,
    last_line: Option<Instant>,
    said_ahead: bool,
}

impl ProgressLog {
    fn indexed(&mut self, number: u32, finalized: u32) {
        let now = Instant::now();
        let (started, first) = *self.started.get_or_insert((now, number));
        if number >= finalized {
            if self.last_line.is_some() {
                log::info!(target: LOG, "event store caught up at block {number}");
            }
            *self = Self::default();
            return;
        }
        let due = self.last_line.unwrap_or(started);
        if now.duration_since(due) >= PROGRESS {
            self.last_line = Some(now);
            let seconds = now.duration_since(started).as_secs().max(1);
            let speed = u64::from(number.saturating_sub(first)) / seconds;
            log::info!(
                target: LOG,
                "indexing block {number} of {finalized} ({speed} blocks/s)",
            );
        }
    }

    fn ahead(&mut self, cursor: u32, finalized: u32) {
        if cursor.saturating_sub(finalized) <= BACKFILL_LAG {
            return;
        }
        if !std::mem::replace(&mut self.said_ahead, true) {
            log::info!(
                target: LOG,
                "event store stands at block {cursor}, the node's finality at {finalized}: waiting",
            );
        }
    }
}

#[cfg(test)]
mod tests;
