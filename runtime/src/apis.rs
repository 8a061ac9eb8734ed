// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime APIs: what nodes and clients ask the runtime.

use crate::{
    AccountId, AgentRegistry, Aura, Block, Consortium, Executive, Grandpa, InherentDataExt, Nonce,
    Runtime, RuntimeCall, RuntimeEvent, RuntimeGenesisConfig, StarkVerifier, System, VERSION,
    VesSequencer, configs, genesis_config_presets, opaque::SessionKeys,
};
use alloc::vec::Vec;
use codec::Encode;
use pallet_consortium_runtime_api::ValidatorStatus;
use polkadot_sdk::{
    frame_support::{
        genesis_builder_helper::{build_state, get_preset},
        traits::UnixTime,
    },
    frame_system::Phase,
    pallet_aura, pallet_grandpa,
    sp_api::{self, impl_runtime_apis},
    sp_block_builder, sp_consensus_aura,
    sp_consensus_aura::sr25519::AuthorityId as AuraId,
    sp_consensus_grandpa,
    sp_core::{
        OpaqueMetadata,
        crypto::{KeyTypeId, key_types},
        sr25519,
    },
    sp_genesis_builder, sp_inherents, sp_offchain,
    sp_runtime::{
        ApplyExtrinsicResult, ExtrinsicInclusionMode, SaturatedConversion,
        traits::{Block as BlockT, NumberFor},
        transaction_validity::{TransactionSource, TransactionValidity},
    },
    sp_session, sp_transaction_pool,
    sp_version::RuntimeVersion,
};
use ves_primitives::{
    AgentId, AmountCommitment, BatchCommitment, EventId, EventType, GroupId, KeyId, PolicyHash,
    RecipientKid, StoreId, StreamId, StreamTip, SubmittedEvent, TenantId, limits,
    proof::{
        BatchProofRecord, BatchProofSubmission, ProofQuota, ProofRecord, ProofRefusal,
        ProofSubmission,
    },
    registry::{
        Author, AuthorDirectory, AuthorProblem, DirectoryEntry, GroupRecipients, KeyPolicy,
        RecordedAt, SchemaEntry, SchemaRecord, SigningKeyRecord,
    },
    sequencer::{Admission, BlockIndex, EventRecord, KeptBatches, SequencerLimits},
};

/// The block's `submit_events` calls, with their place.
fn submissions(extrinsics: Vec<<Block as BlockT>::Extrinsic>) -> Vec<(u32, Vec<SubmittedEvent>)> {
    extrinsics
        .into_iter()
        .zip(0u32..)
        .filter_map(|(extrinsic, at)| match extrinsic.function {
            RuntimeCall::VesSequencer(pallet_ves_sequencer::Call::submit_events { events }) => {
                Some((at, events.into_inner()))
            }
            _ => None,
        })
        .collect()
}

/// The sequencer's events of the current block, with the place of their extrinsic.
fn outcomes() -> Vec<(u32, pallet_ves_sequencer::Event<Runtime>)> {
    System::read_events_no_consensus()
        .filter_map(|record| match (record.phase, record.event) {
            (Phase::ApplyExtrinsic(at), RuntimeEvent::VesSequencer(event)) => Some((at, event)),
            _ => None,
        })
        .collect()
}

/// Moves on to the next block, in which whatever is submitted now will stand at the earliest. The
/// pool judges so too. Nothing of it outlives the question.
fn as_in_next_block() {
    let next = System::block_number().saturating_add(1);
    System::initialize(&next, &System::parent_hash(), &Default::default());
}

impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block);
        }

        fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> <Block as BlockT>::Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(
            data: sp_inherents::InherentData,
        ) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as BlockT>::LazyBlock,
            data: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
        fn offchain_worker(header: &<Block as BlockT>::Header) {
            Executive::offchain_worker(header)
        }
    }

    impl sp_consensus_aura::AuraApi<Block, AuraId> for Runtime {
        fn slot_duration() -> sp_consensus_aura::SlotDuration {
            sp_consensus_aura::SlotDuration::from_millis(Aura::slot_duration())
        }

        fn authorities() -> Vec<AuraId> {
            pallet_aura::Authorities::<Runtime>::get().into_inner()
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(
            owner: Vec<u8>,
            seed: Option<Vec<u8>>,
        ) -> sp_session::OpaqueGeneratedSessionKeys {
            SessionKeys::generate(&owner, seed).into()
        }

        fn decode_session_keys(encoded: Vec<u8>) -> Option<Vec<(Vec<u8>, KeyTypeId)>> {
            SessionKeys::decode_into_raw_public_keys(&encoded)
        }
    }

    impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
        fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
            Grandpa::grandpa_authorities()
        }

        fn current_set_id() -> sp_consensus_grandpa::SetId {
            pallet_grandpa::CurrentSetId::<Runtime>::get()
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            proof: sp_consensus_grandpa::EquivocationProof<
                <Block as BlockT>::Hash,
                NumberFor<Block>,
            >,
            key_owner_proof: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            Grandpa::submit_unsigned_equivocation_report(proof, key_owner_proof.decode()?)
        }

        fn generate_key_ownership_proof(
            set_id: sp_consensus_grandpa::SetId,
            authority: sp_consensus_grandpa::AuthorityId,
        ) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
            let session = Grandpa::session_for_set(set_id)?;
            let ownership =
                Consortium::key_ownership(session, key_types::GRANDPA, authority.as_ref())?;
            Some(sp_consensus_grandpa::OpaqueKeyOwnershipProof::new(
                ownership.encode(),
            ))
        }
    }

    impl polkadot_sdk::frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }

        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, genesis_config_presets::get_preset)
        }

        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            genesis_config_presets::preset_names()
        }
    }

    impl pallet_consortium_runtime_api::ConsortiumApi<Block, AccountId> for Runtime {
        fn validators() -> Vec<ValidatorStatus<AccountId>> {
            Consortium::statuses()
        }

        fn submit_block_equivocation(
            offender: sr25519::Public,
            first: <Block as BlockT>::Header,
            second: <Block as BlockT>::Header,
        ) -> Option<()> {
            Consortium::submit_double_block(offender, first, second)
        }
    }

    impl pallet_agent_registry_runtime_api::AgentRegistryApi<Block> for Runtime {
        fn signing_key(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<SigningKeyRecord> {
            AgentRegistry::signing_key(tenant, agent, key)
        }

        fn signing_keys(tenant: TenantId, agent: AgentId) -> Vec<(KeyId, SigningKeyRecord)> {
            AgentRegistry::signing_keys(tenant, agent)
        }

        fn encryption_keys(tenant: TenantId, agent: AgentId) -> Vec<DirectoryEntry> {
            AgentRegistry::encryption_keys(tenant, agent)
        }

        fn encryption_key_by_kid(kid: RecipientKid) -> Option<DirectoryEntry> {
            AgentRegistry::encryption_key_by_kid(kid)
        }

        fn author_status(
            tenant: TenantId,
            store: StoreId,
            agent: AgentId,
            key: KeyId,
        ) -> Result<(), AuthorProblem> {
            as_in_next_block();
            <AgentRegistry as AuthorDirectory>::author_key(tenant, store, agent, key).map(|_| ())
        }

        fn author(
            tenant: TenantId,
            store: StoreId,
            agent: AgentId,
            key: KeyId,
        ) -> Result<Author, AuthorProblem> {
            as_in_next_block();
            <AgentRegistry as AuthorDirectory>::author(tenant, store, agent, key)
        }

        fn key_policy(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<KeyPolicy> {
            pallet_agent_registry::KeyPolicies::<Runtime>::get((tenant, agent), key)
        }

        fn successor(tenant: TenantId, agent: AgentId, key: KeyId) -> Option<KeyId> {
            pallet_agent_registry::Successors::<Runtime>::get((tenant, agent), key)
        }

        fn group(tenant: TenantId, group: GroupId) -> Option<GroupRecipients> {
            AgentRegistry::group_recipients(tenant, group)
        }

        fn groups(tenant: TenantId) -> Vec<GroupId> {
            AgentRegistry::groups(tenant)
        }

        fn schema(tenant: TenantId, event_type: EventType, version: u32) -> Option<SchemaRecord> {
            pallet_agent_registry::Schemas::<Runtime>::get(tenant, (event_type, version))
        }

        fn schemas(tenant: TenantId) -> Vec<SchemaEntry> {
            AgentRegistry::schemas(tenant)
        }

        fn tenant_admin(tenant: TenantId) -> Option<[u8; 32]> {
            pallet_agent_registry::Tenants::<Runtime>::get(tenant)
                .map(|entry| entry.admin.into())
        }

        fn proposed_tenant_admin(tenant: TenantId) -> Option<[u8; 32]> {
            pallet_agent_registry::Tenants::<Runtime>::get(tenant)?
                .proposed_admin
                .map(Into::into)
        }

        fn now() -> RecordedAt {
            AgentRegistry::recorded_now()
        }
    }

    impl pallet_ves_sequencer_runtime_api::VesSequencerApi<Block> for Runtime {
        fn tip(stream: StreamId) -> StreamTip {
            pallet_ves_sequencer::Tips::<Runtime>::get(stream).unwrap_or(StreamTip::EMPTY)
        }

        fn batch(stream: StreamId, index: u64) -> Option<BatchCommitment> {
            pallet_ves_sequencer::Batches::<Runtime>::get(stream, index)
        }

        fn batch_of_sequence(stream: StreamId, sequence: u64) -> Option<BatchCommitment> {
            VesSequencer::batch_of_sequence(stream, sequence)
        }

        fn kept_batches(stream: StreamId) -> KeptBatches {
            pallet_ves_sequencer::Kept::<Runtime>::get(stream)
        }

        fn batches_in_block(number: u32) -> Vec<BatchCommitment> {
            VesSequencer::batches_in_block(number)
        }

        fn event_status(stream: StreamId, event: EventId) -> Option<EventRecord> {
            VesSequencer::event_record(stream, event)
        }

        fn entity_version(stream: StreamId, entity_type: Vec<u8>, entity_id: Vec<u8>) -> u64 {
            VesSequencer::entity_version(stream, &entity_type, &entity_id)
        }

        fn can_submit(events: Vec<SubmittedEvent>) -> Vec<Admission> {
            as_in_next_block();
            VesSequencer::can_submit(&events)
        }

        fn limits() -> SequencerLimits {
            SequencerLimits {
                events_per_submission: limits::MAX_EVENTS_PER_SUBMISSION,
                events_per_block: limits::MAX_EVENTS_PER_BLOCK,
                streams_per_block: limits::MAX_STREAMS_PER_BLOCK,
                payload_bytes: limits::MAX_PAYLOAD_BYTES,
                recipients: limits::MAX_RECIPIENTS,
                submission_bytes: *configs::RuntimeBlockLength::get()
                    .max
                    .get(polkadot_sdk::frame_support::dispatch::DispatchClass::Normal),
            }
        }

        fn index_block(extrinsics: Vec<<Block as BlockT>::Extrinsic>) -> BlockIndex {
            let time_ms = crate::Timestamp::now().as_millis().saturated_into();
            VesSequencer::index_block(time_ms, submissions(extrinsics), outcomes())
        }
    }

    impl pallet_stark_verifier_runtime_api::StarkVerifierApi<Block> for Runtime {
        fn proofs_of_event(stream: StreamId, event: EventId) -> Vec<ProofRecord> {
            StarkVerifier::proofs_of_event(stream, event)
        }

        fn batch_proof(stream: StreamId, index: u64) -> Option<BatchProofRecord> {
            pallet_stark_verifier::BatchProofs::<Runtime>::get(stream, index)
        }

        fn batch_proofs_in(stream: StreamId, from_index: u64, count: u32) -> Vec<BatchProofRecord> {
            StarkVerifier::batch_proofs_in(stream, from_index, count)
        }

        fn can_submit_proof(submission: ProofSubmission) -> Result<(), ProofRefusal> {
            StarkVerifier::can_submit_proof(&submission)
        }

        fn can_submit_batch_proof(submission: BatchProofSubmission) -> Result<(), ProofRefusal> {
            StarkVerifier::can_submit_batch_proof(&submission)
        }

        fn budget_total(
            stream: StreamId,
            agent: AgentId,
            policy: PolicyHash,
        ) -> Option<AmountCommitment> {
            pallet_stark_verifier::BudgetTotals::<Runtime>::get((stream, agent, policy))
        }

        fn quota(tenant: TenantId, agent: AgentId) -> ProofQuota {
            StarkVerifier::quota(tenant, agent)
        }

        fn verify_proof(submission: ProofSubmission, sequence: u64) -> Result<(), ProofRefusal> {
            StarkVerifier::verify_proof(&submission, sequence)
        }

        fn verify_batch_proof(
            submission: BatchProofSubmission,
            batch: BatchCommitment,
        ) -> Result<(), ProofRefusal> {
            StarkVerifier::verify_batch_proof(&submission, &batch)
        }

        fn proofs_of_events(stream: StreamId, events: Vec<EventId>) -> Vec<ProofRecord> {
            StarkVerifier::proofs_of_events(stream, events)
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    impl polkadot_sdk::frame_benchmarking::Benchmark<Block> for Runtime {
        fn benchmark_metadata(
            extra: bool,
        ) -> (
            Vec<polkadot_sdk::frame_benchmarking::BenchmarkList>,
            Vec<polkadot_sdk::frame_support::traits::StorageInfo>,
        ) {
            crate::benchmarks::metadata(extra)
        }

        fn dispatch_benchmark(
            config: polkadot_sdk::frame_benchmarking::BenchmarkConfig,
        ) -> Result<Vec<polkadot_sdk::frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
            crate::benchmarks::run(config)
        }
    }
}
