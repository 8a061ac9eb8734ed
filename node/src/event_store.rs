// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Opens the event store and keeps it fed.

use crate::{cli::EventStoreParams, service::FullClient};
use polkadot_sdk::{
    sc_client_api::HeaderBackend,
    sc_service::{Configuration, Error as ServiceError, TaskManager},
};
use std::sync::Arc;
use ves_event_store::{Store, StoreConfig};
use ves_indexer::{Metrics, ingest};
use ves_primitives::GenesisHash;

/// File name of the store within the chain's directory.
const FILE_NAME: &str = "event-store.sqlite";

/// Where a node's store is, if it is not told otherwise.
pub(crate) fn default_place(config: &Configuration) -> StoreConfig {
    let folder = config.base_path.config_dir(config.chain_spec.id());
    StoreConfig::Sqlite(folder.join(FILE_NAME))
}

/// Opens the store, unless the operator runs without one.
///
/// # Errors
/// If it cannot be used: it is locked, damaged, not to be reached, or belongs to another chain.
pub(crate) async fn open(
    config: &Configuration,
    params: &EventStoreParams,
    client: &FullClient,
) -> Result<Option<Store>, ServiceError> {
    if params.no_event_store {
        return Ok(None);
    }
    let place = params.event_store.clone();
    let place = place.unwrap_or_else(|| default_place(config));
    let genesis = GenesisHash(client.info().genesis_hash.0);
    let store = Store::open(&place, genesis)
        .await
        .map_err(|error| ServiceError::Other(format!("event store: {error}")))?;
    Ok(Some(store))
}

/// Starts the indexer. It is not essential: a validator that cannot index still validates, and
/// `ves_health` tells why.
pub(crate) fn spawn(
    store: Store,
    client: Arc<FullClient>,
    config: &Configuration,
    task_manager: &TaskManager,
) -> Result<(), ServiceError> {
    let metrics = config
        .prometheus_registry()
        .map(Metrics::register)
        .transpose()
        .map_err(|error| ServiceError::Other(format!("event store metrics: {error}")))?;
    task_manager
        .spawn_handle()
        .spawn("event-store", "ves", async move {
            if let Err(error) = ingest::run(client, store, metrics).await {
                log::error!(target: "ves-store", "event store stopped: {error}");
            }
        });
    Ok(())
}
