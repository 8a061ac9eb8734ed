// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which pallets have benchmarks, and how they get authors, events and batches.

use crate::{AgentRegistry, Runtime, pallet_timestamp};
use alloc::{string::String, vec::Vec};
use polkadot_sdk::{
    frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList, define_benchmarks},
    frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys},
    frame_system_benchmarking::{self, Pallet as SystemBench},
};
use ves_primitives::{
    AgentId, BatchCommitment, EventId, KeyId, SigningPublicKey, StoreId, StreamId, TenantId,
    sequencer::EventRecord,
};

define_benchmarks!(
    [frame_system, SystemBench::<Runtime>]
    [pallet_timestamp, crate::Timestamp]
    [pallet_collective, crate::Council]
    [pallet_utility, crate::Utility]
    [pallet_consortium, crate::Consortium]
    [pallet_agent_registry, AgentRegistry]
    [pallet_ves_sequencer, crate::VesSequencer]
    [pallet_stark_verifier, crate::StarkVerifier]
);

/// Every benchmark there is.
pub fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
    let mut list = Vec::<BenchmarkList>::new();
    list_benchmarks!(list, extra);
    (list, crate::AllPalletsWithSystem::storage_info())
}

/// Runs one benchmark.
///
/// # Errors
/// Why it could not run.
pub fn run(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
    let whitelist = crate::AllPalletsWithSystem::whitelisted_storage_keys();
    let mut batches = Vec::<BenchmarkBatch>::new();
    let params = (&config, &whitelist);
    add_benchmarks!(params, batches);
    Ok(batches)
}

impl frame_system_benchmarking::Config for Runtime {}

/// Without a time the registry's clock complains at every question, which would be measured too.
fn admit(tenant: TenantId, store: StoreId, agent: AgentId, key_id: KeyId, key: SigningPublicKey) {
    pallet_timestamp::Now::<Runtime>::put(1_800_000_000_000);
    AgentRegistry::admit_for_benchmark(tenant, store, agent, key_id, key);
}

/// What one pallet's benchmarks need of another.
pub struct Fixtures;

impl pallet_ves_sequencer::BenchmarkHelper for Fixtures {
    fn register(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        key: SigningPublicKey,
    ) {
        admit(tenant, store, agent, key_id, key);
    }
}

impl pallet_stark_verifier::BenchmarkHelper for Fixtures {
    fn register(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        key: SigningPublicKey,
    ) {
        admit(tenant, store, agent, key_id, key);
    }

    fn remember_event(stream: StreamId, event: EventId, record: EventRecord) {
        crate::VesSequencer::remember_for_benchmark(stream, event, record);
    }

    fn remember_batch(batch: &BatchCommitment) {
        let (stream, index) = (batch.stream_id(), batch.batch_index);
        pallet_ves_sequencer::Batches::<Runtime>::insert(stream, index, batch);
    }
}
