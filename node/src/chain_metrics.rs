// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Figures of finalized blocks that no event store holds: verdicts about compliance proofs, how much of
//! their quotas tenants use, and what is wrong with validators. Every node says the same, validators
//! without an event store too. Beside them: how far this node's clock is from new blocks.
//!
//! No label names a tenant: there may be any number of them. Who comes close to its quota is named in
//! the log, and so is a validator that was expelled.
//!
//! What is wrong with validators is read from state and not counted from events: it is told as long as
//! it lasts, by a node that was down when it happened too.

use crate::service::FullClient;
use codec::Decode;
use futures::StreamExt;
use pallet_agent_registry::{Tenant, Tenants};
use pallet_consortium_runtime_api::{ConsortiumApi, ValidatorStatus};
use pallet_stark_verifier::Event as ProofEvent;
use pallet_ves_sequencer::{TenantUsage, Usage};
use pallet_ves_sequencer_runtime_api::VesSequencerApi;
use polkadot_sdk::{
    frame_support::storage::storage_prefix,
    frame_system::EventRecord,
    sc_client_api::{BlockchainEvents, StorageProvider},
    sc_service::TaskManager,
    sp_api::ProvideRuntimeApi,
    sp_blockchain::HeaderBackend,
    sp_consensus::BlockOrigin,
    sp_core::storage::StorageKey,
    substrate_prometheus_endpoint::{
        Counter, CounterVec, F64, Gauge, Histogram, HistogramOpts, Opts, PrometheusError, Registry,
        U64, register,
    },
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use ves_primitives::{TenantId, registry::Quota};
use ves_runtime::{AccountId, Hash, Runtime, RuntimeEvent, pallet_timestamp};

const LOG: &str = "ves-metrics";
/// Share of its quota from which a tenant is named in the log, once in a window.
const NEARLY_ALL: f64 = 0.9;
/// Upper ends of the buckets, shares of a quota.
const SHARES: [f64; 8] = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0];

#[derive(Clone)]
struct Metrics {
    verdicts: CounterVec<U64>,
    quota: Histogram,
    expelled: Gauge<U64>,
    absent: Gauge<U64>,
    held_back: Gauge<U64>,
    clock: Gauge<F64>,
    unreadable: Counter<U64>,
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, PrometheusError> {
        Ok(Self {
            verdicts: register(
                CounterVec::new(
                    Opts::new(
                        "ves_proof_verdicts_total",
                        "Compliance proofs in finalized blocks, by subject and verdict",
                    ),
                    &["subject", "verdict"],
                )?,
                registry,
            )?,
            quota: register(
                Histogram::with_opts(
                    HistogramOpts::new(
                        "ves_tenant_quota_used_ratio",
                        "Share of its quota that a tenant has used after a finalized block with its events",
                    )
                    .buckets(SHARES.to_vec()),
                )?,
                registry,
            )?,
            expelled: register(
                Gauge::new(
                    "ves_validators_expelled",
                    "Validators that were proven to have signed twice, until they are taken back or gone",
                )?,
                registry,
            )?,
            absent: register(
                Gauge::new(
                    "ves_validators_absent",
                    "Validators that made no block in the last whole session",
                )?,
                registry,
            )?,
            held_back: register(
                Gauge::new(
                    "ves_validators_held_back",
                    "Validators that are to join or to leave and that the next set does not show yet",
                )?,
                registry,
            )?,
            clock: register(
                Gauge::new(
                    "ves_block_clock_difference_seconds",
                    "Time of the newest block of another node less this node's clock, when it came in",
                )?,
                registry,
            )?,
            unreadable: register(
                Counter::new(
                    "ves_unreadable_blocks_total",
                    "Finalized blocks that these figures leave out: the node does not fit their runtime, or has no state",
                )?,
                registry,
            )?,
        })
    }

    fn proof(&self, event: &ProofEvent<Runtime>) {
        let (subject, verdict) = match event {
            ProofEvent::ProofVerified { .. } => ("event", "verified".to_owned()),
            ProofEvent::BatchProofVerified { .. } => ("batch", "verified".to_owned()),
            ProofEvent::ProofRejected { reason, .. } => ("event", reason.to_string()),
            ProofEvent::BatchProofRejected { reason, .. } => ("batch", reason.to_string()),
            _ => return,
        };
        // A reason may carry figures of the single case behind a colon: labels are few.
        let verdict = verdict.split(':').next().unwrap_or_default();
        self.verdicts.with_label_values(&[subject, verdict]).inc();
    }
}

/// Starts counting. Not essential.
pub(crate) fn spawn(
    client: Arc<FullClient>,
    registry: &Registry,
    task_manager: &TaskManager,
) -> Result<(), PrometheusError> {
    let metrics = Metrics::register(registry)?;
    let handle = task_manager.spawn_handle();
    let clock = watch_clock(client.clone(), metrics.clock.clone());
    handle.spawn("block-clock", "ves", clock);
    handle.spawn("chain-metrics", "ves", watch(client, metrics));
    Ok(())
}

/// Compares the time of each new block with the clock. One's own blocks have the time of this clock, and
/// blocks that are synced are old.
async fn watch_clock(client: Arc<FullClient>, difference: Gauge<F64>) {
    let mut imports = client.import_notification_stream();
    while let Some(import) = imports.next().await {
        if import.origin != BlockOrigin::NetworkBroadcast {
            continue;
        }
        let key = pallet_timestamp::Now::<Runtime>::hashed_key();
        let time = value::<u64>(&client, import.hash, key);
        if let (Ok(Some(ms)), Ok(now)) = (time, SystemTime::now().duration_since(UNIX_EPOCH)) {
            difference.set(ms as f64 / 1_000.0 - now.as_secs_f64());
        }
    }
}

async fn watch(client: Arc<FullClient>, metrics: Metrics) {
    let mut finalized = client.finality_notification_stream();
    let mut named = Named::default();
    let mut expelled = BTreeSet::new();
    while let Some(notification) = finalized.next().await {
        let blocks = notification.tree_route.iter().copied();
        for block in blocks.chain([notification.hash]) {
            if let Err(error) = count(&client, &metrics, &mut named, block) {
                metrics.unreadable.inc();
                log::debug!(target: LOG, "block {block:?} is not counted: {error}");
            }
        }
        let hash = notification.hash;
        match validators(&client, &metrics, hash) {
            Ok(found) => {
                for account in found.difference(&expelled) {
                    log::warn!(target: LOG, "validator {account} is expelled: it has signed twice");
                }
                expelled = found;
            }
            Err(error) => {
                log::debug!(target: LOG, "block {hash:?} does not show its validators: {error}")
            }
        }
    }
}

/// Sets what is wrong with validators; answers who is expelled.
fn validators(
    client: &FullClient,
    metrics: &Metrics,
    block: Hash,
) -> Result<BTreeSet<AccountId>, String> {
    let all: Vec<ValidatorStatus<AccountId>> = client
        .runtime_api()
        .validators(block)
        .map_err(|error| error.to_string())?;
    let absent: Vec<AccountId> =
        value(client, block, storage_prefix(b"Consortium", b"Absent"))?.unwrap_or_default();
    let held_back = all.iter().filter(|status| is_held_back(status)).count();
    let expelled: BTreeSet<_> = all
        .into_iter()
        .filter(|status| status.expelled)
        .map(|status| status.account)
        .collect();
    metrics.expelled.set(expelled.len() as u64);
    metrics.absent.set(absent.len() as u64);
    metrics.held_back.set(held_back as u64);
    Ok(expelled)
}

/// Whether the next set is not what was decided about a validator.
fn is_held_back<A>(status: &ValidatorStatus<A>) -> bool {
    let belongs = status.has_keys && !status.leaving && !status.expelled;
    belongs != status.in_next_set
}

/// Tenants that were named in a window.
#[derive(Default)]
struct Named {
    window: u32,
    tenants: BTreeSet<TenantId>,
}

/// Reads a value of a block's state.
fn value<T: Decode>(
    client: &FullClient,
    block: Hash,
    key: impl Into<Vec<u8>>,
) -> Result<Option<T>, String> {
    let data = client
        .storage(block, &StorageKey(key.into()))
        .map_err(|error| error.to_string())?;
    data.map(|data| T::decode(&mut &data.0[..]).map_err(|error| error.to_string()))
        .transpose()
}

/// What a block says happened in it, as far as this program's runtime knows the words.
pub(crate) fn block_events(
    client: &FullClient,
    block: Hash,
) -> Result<Vec<EventRecord<RuntimeEvent, Hash>>, String> {
    let events = storage_prefix(b"System", b"Events");
    Ok(value(client, block, events)?.unwrap_or_default())
}

fn count(
    client: &FullClient,
    metrics: &Metrics,
    named: &mut Named,
    block: Hash,
) -> Result<(), String> {
    for record in block_events(client, block)? {
        if let RuntimeEvent::StarkVerifier(event) = &record.event {
            metrics.proof(event);
        }
    }
    let number = client
        .number(block)
        .map_err(|error| error.to_string())?
        .ok_or("its header is missing")?;
    let batches = client
        .runtime_api()
        .batches_in_block(block, number)
        .map_err(|error| error.to_string())?;
    let tenants: BTreeSet<TenantId> = batches.iter().map(|batch| batch.tenant_id).collect();
    for tenant in tenants {
        let usage = TenantUsage::<Runtime>::hashed_key_for(tenant);
        let entry = Tenants::<Runtime>::hashed_key_for(tenant);
        let Some(usage) = value::<Usage>(client, block, usage)? else {
            continue;
        };
        let entry = value::<Tenant<AccountId>>(client, block, entry)?;
        let quota = entry.and_then(|entry| entry.quota);
        let share = used(&usage, &quota.unwrap_or(Quota::DEFAULT_TENANT));
        metrics.quota.observe(share);
        if named.window != usage.window {
            *named = Named {
                window: usage.window,
                ..Named::default()
            };
        }
        if share >= NEARLY_ALL && named.tenants.insert(tenant) {
            log::info!(
                target: LOG,
                "tenant {tenant} has used {:.0} % of its quota in block {number}",
                share * 100.0,
            );
        }
    }
    Ok(())
}

/// The larger share: of events or of bytes.
fn used(usage: &Usage, quota: &Quota) -> f64 {
    let share = |used: u64, of: u64| {
        if of == 0 {
            1.0
        } else {
            used as f64 / of as f64
        }
    };
    share(usage.events.into(), quota.events.into())
        .max(share(usage.payload_bytes, quota.payload_bytes))
}
