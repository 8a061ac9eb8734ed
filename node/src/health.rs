// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tells a balancer whether readers should be sent here (`/ready`), and a supervisor that the node
//! answers (`/live`), if asked to.

use crate::{
    cli::HealthParams,
    event_store::Fed,
    readiness::{Limits, Observed, reasons},
    service::FullClient,
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderName, StatusCode, header::CACHE_CONTROL},
    response::IntoResponse,
    routing::get,
};
use polkadot_sdk::{
    sc_consensus_aura::find_pre_digest,
    sc_network::config::NetworkConfiguration,
    sc_network_sync::SyncingService,
    sc_service::{Error as ServiceError, TaskManager},
    sp_blockchain::HeaderBackend,
    sp_consensus::SyncOracle,
    sp_consensus_aura::sr25519::AuthoritySignature,
    sp_timestamp,
};
use serde_json::json;
use std::sync::Arc;
use ves_runtime::{Hash, SLOT_DURATION_MS, opaque::Block};

/// No proxy in between keeps an answer.
const FRESH: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// What is looked at. No look waits for anything, so that a busy node answers too.
pub(crate) struct Node {
    pub(crate) client: Arc<FullClient>,
    pub(crate) sync: Arc<SyncingService<Block>>,
    pub(crate) peers_expected: bool,
    pub(crate) store: Option<Fed>,
}

/// Whether a node of this configuration should have peers. The SDK's own readiness asks for boot
/// nodes only, and believes a node that knows its peers by `--reserved-nodes` to be alone.
pub(crate) fn peers_expected(network: &NetworkConfiguration) -> bool {
    !network.boot_nodes.is_empty() || !network.default_peers_set.reserved_nodes.is_empty()
}

impl Node {
    fn observe(&self) -> Observed {
        let chain = self.client.info();
        Observed {
            syncing: self.sync.is_major_syncing(),
            peers: self.sync.num_connected_peers(),
            peers_expected: self.peers_expected,
            best_block: chain.best_number,
            block_age: self.age(chain.best_hash),
            finalized_block: chain.finalized_number,
            store: self.store.as_ref().map(Fed::observe),
        }
    }

    /// Seconds since the block's slot, by this machine's clock; since 1970 for the genesis block.
    fn age(&self, block: Hash) -> Option<u64> {
        let header = self.client.header(block).ok().flatten()?;
        let slot = find_pre_digest::<Block, AuthoritySignature>(&header).ok()?;
        let made = u64::from(slot).saturating_mul(SLOT_DURATION_MS);
        let now = sp_timestamp::Timestamp::current().as_millis();
        Some(now.saturating_sub(made) / 1_000)
    }
}

/// Starts the server, if an address is given. It is not essential: a node that nobody can ask is taken
/// for one that is not ready.
///
/// # Errors
/// If the address cannot be had.
pub(crate) async fn spawn(
    params: &HealthParams,
    node: Node,
    task_manager: &TaskManager,
) -> Result<(), ServiceError> {
    let Some(address) = params.health else {
        return Ok(());
    };
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|error| {
            ServiceError::Other(format!("cannot serve health at {address}: {error}"))
        })?;
    // With the port that was given, if any free one was asked for.
    let address = listener.local_addr().unwrap_or(address);
    log::info!("🩺 Health: http://{address}/ready");
    let routes = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .with_state(Arc::new((node, params.limits)));
    task_manager
        .spawn_handle()
        .spawn("health", "ves", async move {
            if let Err(error) = axum::serve(listener, routes).await {
                log::error!("health: {error}");
            }
        });
    Ok(())
}

/// That the node's tasks are run. If one that it needs ends, the node does.
async fn live() -> impl IntoResponse {
    (FRESH, Json(json!({ "live": true })))
}

async fn ready(State(state): State<Arc<(Node, Limits)>>) -> impl IntoResponse {
    let (node, limits) = &*state;
    let reasons = reasons(node.observe(), limits);
    let ready = reasons.is_empty();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let answer = Json(json!({ "ready": ready, "reasons": reasons }));
    (status, FRESH, answer)
}
