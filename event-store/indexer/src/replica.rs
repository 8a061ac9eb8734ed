// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A node that reads a store which another one writes: nothing is indexed, only looked at.

use crate::{
    IngestError, Metrics,
    ingest::{BACKFILL_LAG, check_cursor},
};
use polkadot_sdk::{
    sp_blockchain::HeaderBackend,
    sp_core::H256,
    sp_runtime::{SaturatedConversion, traits::Block as BlockT},
};
use std::{sync::Arc, time::Duration};
use ves_event_store::Store;

const LOG: &str = "ves-store";
/// Between two looks. One row is read, so that subscribers hear of a block soon after the replica has it.
const LOOK: Duration = Duration::from_millis(250);

/// Tells the store, for as long as the node runs, how far it is behind this node's finality, and its
/// subscribers of new blocks.
///
/// # Errors
/// If the store has another history than the node's finalized chain. What may pass is logged once, shown
/// in `ves_health` and looked at again.
pub async fn follow<Block, Client>(
    client: Arc<Client>,
    store: Store,
    metrics: Option<Metrics>,
) -> Result<(), IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block> + Send + Sync + 'static,
{
    let mut said = String::new();
    let mut checked = None;
    loop {
        let error = match look(client.as_ref(), &store, metrics.as_ref(), &mut checked).await {
            Ok(()) => String::new(),
            Err(error) if error.is_retryable() => error.to_string(),
            Err(error) => {
                store.report_error(error.to_string());
                return Err(error);
            }
        };
        if said != error {
            if error.is_empty() {
                log::info!(target: LOG, "the replica can be read again");
            } else {
                log::warn!(target: LOG, "{error}");
            }
            store.report_error(error.clone());
            said = error;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look<Block, Client>(
    client: &Client,
    store: &Store,
    metrics: Option<&Metrics>,
    checked: &mut Option<u32>,
) -> Result<(), IngestError>
where
    Block: BlockT<Hash = H256>,
    Client: HeaderBackend<Block>,
{
    let finalized: u32 = client.info().finalized_number.saturated_into();
    let cursor = match store.cursor().await {
        Ok(cursor) => cursor,
        Err(error) => {
            // Nobody knows how far it is; the node's own finality goes on.
            let health = store.health();
            report(store, metrics, health.indexed_block, finalized);
            return Err(error.into());
        }
    };
    report(store, metrics, cursor.number, finalized);
    // A writer may have heard of finality earlier than this node.
    if cursor.number <= finalized && *checked != Some(cursor.number) {
        check_cursor(client, &cursor)?;
        *checked = Some(cursor.number);
    }
    Ok(())
}

fn report(store: &Store, metrics: Option<&Metrics>, indexed: u32, finalized: u32) {
    let lag = finalized.saturating_sub(indexed);
    store.report_finalized(finalized, lag > BACKFILL_LAG);
    if let Some(metrics) = metrics {
        metrics.at(indexed, lag);
    }
}
