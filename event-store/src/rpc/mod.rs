// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The `ves_*` JSON-RPC. Only finalized data is ever served, because the store holds no other.
//!
//! Malformed parameters (a bad UUID, a limit out of range) are answered with JSON-RPC's own
//! `-32602` and the name of the parameter, everything else with one of
//! [`wire::codes`](ves_primitives::wire::codes). The methods, their parameters, answers and errors are
//! described in `openrpc.json`, which `rpc.discover` serves.

mod agent_cursors;
mod args;
mod chain;
mod errors;
mod events;
mod page_cursor;
mod proofs;
mod subscribe;

pub use chain::ChainSource;

use crate::{MAX_PAGE_EVENTS, Store};
use args::Args;
use errors::invalid;
use jsonrpsee::{RpcModule, core::RpcResult};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{sync::Arc, time::Duration};
use subscribe::Subscriptions;
use ves_primitives::wire::StoreHealthJson;

/// Events of a page when the caller names no limit.
pub const DEFAULT_PAGE_EVENTS: u32 = 100;
/// Most subscriptions of events that a node serves at a time.
pub const MAX_SUBSCRIPTIONS: usize = 4_096;
/// How long a subscriber may leave what was sent to it unread.
const PATIENCE: Duration = Duration::from_secs(30);

/// The description of all methods (OpenRPC 1.3).
pub const OPENRPC: &str = include_str!("../../openrpc.json");

/// The node's RPC module over this store; `chain` answers what only the node knows.
pub fn module(store: Store, chain: Arc<dyn ChainSource>) -> RpcModule<()> {
    register(VesRpc {
        store,
        chain,
        subscriptions: Subscriptions::new(MAX_SUBSCRIPTIONS, PATIENCE),
    })
}

/// What the methods work with.
struct VesRpc {
    store: Store,
    chain: Arc<dyn ChainSource>,
    subscriptions: Subscriptions,
}

/// How the store is, with what follows from it said as well, for monitors that do not calculate.
#[derive(Serialize, Clone)]
struct Health {
    #[serde(flatten)]
    store: StoreHealthJson,
    lag_blocks: u32,
    replica: bool,
}

/// Hand-registered: the methods that `#[rpc]` generates need a jsonrpsee-core with debug
/// assertions, which this workspace's profile switches off for dependencies.
fn register(rpc: VesRpc) -> RpcModule<()> {
    let mut module = RpcModule::new(rpc);
    /// `method(names of the parameters) => handler(their values)`.
    macro_rules! methods {
        ($($method:literal ($($name:ident),*) => $handler:ident;)*) => {$(
            let registered = module.register_async_method($method, |params, rpc, _| async move {
                let names = [$(stringify!($name)),*];
                #[allow(unused_mut, unused_variables, reason = "some methods take nothing")]
                let mut args = Args::parse(&params, &names)?;
                rpc.$handler($(args.take(stringify!($name))?),*).await
            });
            debug_assert!(registered.is_ok(), "{} is registered twice", $method);
        )*};
    }
    methods! {
        "ves_head" (tenant_id, store_id) => head;
        "ves_streams" (tenant_id, cursor, limit) => streams;
        "ves_events" (tenant_id, store_id, from, limit) => events;
        "ves_findEvents" (tenant_id, store_id, filter, newest_first, cursor, limit) => find_events;
        "ves_event" (tenant_id, store_id, event_id) => event;
        "ves_eventsByCommand" (tenant_id, store_id, command_id) => events_by_command;
        "ves_entityHistory" (tenant_id, store_id, entity_type, entity_id, cursor, limit)
            => entity_history;
        "ves_batch" (tenant_id, store_id, batch_index) => batch;
        "ves_batches" (tenant_id, store_id, from, limit) => batches;
        "ves_batchOfSequence" (tenant_id, store_id, sequence) => batch_of_sequence;
        "ves_batchById" (batch_id) => batch_by_id;
        "ves_blockCommitment" (block_number) => block_commitment;
        "ves_inclusionProof" (tenant_id, store_id, sequence) => inclusion_proof;
        "ves_multiProof" (tenant_id, store_id, sequences) => multi_proof;
        "ves_bundle" (tenant_id, store_id, event_id) => bundle;
        "ves_rejections" (tenant_id, store_id, event_id) => rejections;
        "ves_finality" (block_number) => finality;
        "ves_setChanges" (above, limit) => set_changes;
        "ves_anchored" (tenant_id, store_id) => anchored;
        "ves_refusedProofs" (tenant_id, store_id, event_id) => refused_proofs;
        "ves_refusedBatchProofs" (tenant_id, store_id, batch_index) => refused_batch_proofs;
        "ves_complianceProofs" (tenant_id, store_id, event_id) => compliance_proofs;
        "ves_batchProof" (tenant_id, store_id, batch_index) => batch_proof;
        "ves_agentCursors" (tenant_id, store_id, agent_id) => agent_cursors;
        "ves_setAgentCursor" (tenant_id, store_id, agent_id, cursor) => set_agent_cursor;
        "ves_health" () => health;
        "rpc.discover" () => discover;
    }
    let registered = module.register_subscription(
        "ves_subscribeEvents",
        "ves_newEvents",
        "ves_unsubscribeEvents",
        |params, pending, rpc, _| async move { rpc.subscribe(&params, pending).await },
    );
    debug_assert!(
        registered.is_ok(),
        "ves_subscribeEvents is registered twice"
    );
    module.remove_context()
}

/// The number of rows asked for, [`DEFAULT_PAGE_EVENTS`] if none is.
fn page_limit(limit: Option<u32>) -> RpcResult<u32> {
    let limit = limit.unwrap_or(DEFAULT_PAGE_EVENTS);
    if limit == 0 || limit > MAX_PAGE_EVENTS {
        return Err(invalid(
            "limit",
            format!("expected 1 to {MAX_PAGE_EVENTS}, found {limit}"),
        ));
    }
    Ok(limit)
}

impl VesRpc {
    /// `null` is a statement about the finalized chain, so a store that is far behind must not make it. Up to
    /// the few blocks that every store is behind now and then, it may mean "not yet".
    fn found<T>(&self, value: Option<T>) -> RpcResult<Option<T>> {
        if value.is_none() && self.store.is_backfilling() {
            return Err(self.not_indexed_yet());
        }
        Ok(value)
    }

    /// Refuses to speak about a block that is final but not indexed.
    fn indexed(&self, block_number: u32) -> RpcResult<()> {
        let health = self.store.health();
        if block_number > health.indexed_block && block_number <= health.finalized_block {
            return Err(self.not_indexed_yet());
        }
        Ok(())
    }

    async fn health(&self) -> RpcResult<Health> {
        let store = self.store.health();
        Ok(Health {
            lag_blocks: store.finalized_block.saturating_sub(store.indexed_block),
            replica: self.store.is_replica(),
            store,
        })
    }

    async fn discover(&self) -> RpcResult<&'static RawValue> {
        serde_json::from_str(OPENRPC).map_err(|error| invalid("openrpc.json", error))
    }
}

/// Puts a question to the node without holding up other calls.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> RpcResult<T> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(errors::unavailable),
        Err(error) => Err(errors::unavailable(error.to_string())),
    }
}

#[cfg(test)]
pub(crate) mod tests;
