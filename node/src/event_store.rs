// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Opens the event store and keeps it fed.

use crate::{cli::EventStoreParams, readiness::ObservedStore, refused_proofs, service::FullClient};
use polkadot_sdk::{
    sc_client_api::HeaderBackend,
    sc_service::{Configuration, Error as ServiceError, TaskManager},
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use ves_event_store::{Store, StoreConfig, retention};
use ves_indexer::{Metrics, ingest, replica};
use ves_primitives::GenesisHash;

/// File name of the store within the chain's directory.
const FILE_NAME: &str = "event-store.sqlite";

/// How often it is looked whether payloads have grown too old.
const RETENTION_PERIOD: Duration = Duration::from_secs(10);

/// A store that a task feeds, and whether that one still runs.
#[derive(Clone)]
pub(crate) struct Fed {
    store: Store,
    /// What it points to is dropped with the task, however that ends.
    task: Weak<()>,
}

impl Fed {
    /// How it is now.
    pub(crate) fn observe(&self) -> ObservedStore {
        let health = self.store.health();
        ObservedStore {
            indexed_block: health.indexed_block,
            running: self.task.strong_count() > 0,
            error: health.last_error,
        }
    }
}

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
    let opened = if params.event_store_replica {
        Store::open_replica(&place, genesis).await
    } else {
        Store::open(&place, genesis).await
    };
    let store = opened.map_err(|error| ServiceError::Other(format!("event store: {error}")))?;
    Ok(Some(store))
}

/// Starts the indexer, or what looks at another one's work, and retention. None is essential: a
/// validator that cannot index still validates, and `ves_health` tells why, as `/ready` does.
pub(crate) fn spawn(
    store: Store,
    client: Arc<FullClient>,
    params: &EventStoreParams,
    config: &Configuration,
    task_manager: &TaskManager,
) -> Result<Fed, ServiceError> {
    let metrics = config
        .prometheus_registry()
        .map(Metrics::register)
        .transpose()
        .map_err(|error| ServiceError::Other(format!("event store metrics: {error}")))?;
    if let Some(retention) = params.retention() {
        let (store, metrics) = (store.clone(), metrics.clone());
        task_manager
            .spawn_handle()
            .spawn("event-store-retention", "ves", async move {
                retention::run(&store, retention, RETENTION_PERIOD, |step| {
                    if let Some(metrics) = &metrics {
                        metrics.retention(&step);
                    }
                })
                .await;
            });
    }
    let running = Arc::new(());
    let fed = Fed {
        store: store.clone(),
        task: Arc::downgrade(&running),
    };
    task_manager
        .spawn_handle()
        .spawn("event-store", "ves", async move {
            let ended = if store.is_replica() {
                replica::follow(client, store, metrics).await
            } else {
                let refused = refused_proofs::of(client.clone());
                ingest::run(client, store, refused, metrics).await
            };
            if let Err(error) = ended {
                log::error!(target: "ves-store", "event store stopped: {error}");
            }
            drop(running);
        });
    Ok(fed)
}
