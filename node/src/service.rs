// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Assembles the node: client, pool, network, block production, finality, event store.

use crate::{
    back_off, chain_metrics,
    cli::{EventStoreParams, HealthParams},
    double_blocks, event_store, explorer, health, proposer,
    rpc::{self, Deps, GrandpaDeps},
    votes,
};
use futures::FutureExt;
use polkadot_sdk::{
    sc_basic_authorship,
    sc_client_api::{AuxStore, Backend, BlockBackend},
    sc_consensus,
    sc_consensus_aura::{self, ImportQueueParams, SlotProportion, StartAuraParams},
    sc_consensus_grandpa::{self, FinalityProofProvider, SharedVoterState},
    sc_executor::WasmExecutor,
    sc_network, sc_offchain,
    sc_service::{
        self, Configuration, Error as ServiceError, PartialComponents, TaskManager, WarpSyncConfig,
        build_network,
    },
    sc_telemetry::{Telemetry, TelemetryWorker},
    sc_transaction_pool::{self, TransactionPoolHandle},
    sc_transaction_pool_api::OffchainTransactionPoolFactory,
    sp_consensus::SyncOracle,
    sp_consensus_aura::sr25519::AuthorityPair as AuraPair,
    sp_io, sp_timestamp,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use ves_primitives::limits::JUSTIFICATION_PERIOD_BLOCKS;
use ves_runtime::{apis::RuntimeApi, configs::MAXIMUM_BLOCK_LENGTH, opaque::Block};

/// What the runtime may ask of the node: the SDK's functions and this chain's one.
type HostFunctions = (sp_io::SubstrateHostFunctions, ves_host::HostFunctions);
/// Full client.
pub(crate) type FullClient =
    sc_service::TFullClient<Block, RuntimeApi, WasmExecutor<HostFunctions>>;
/// Database backend.
pub(crate) type FullBackend = sc_service::TFullBackend<Block>;
/// Transaction pool.
pub(crate) type FullPool = TransactionPoolHandle<Block, FullClient>;
type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
type FullGrandpaBlockImport =
    sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;

/// The first block that is finalized in each so many keeps its justification.
const JUSTIFICATION_PERIOD: u32 = JUSTIFICATION_PERIOD_BLOCKS;

type Partial = PartialComponents<
    FullClient,
    FullBackend,
    FullSelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    FullPool,
    (
        FullGrandpaBlockImport,
        sc_consensus_grandpa::LinkHalf<Block, FullClient, FullSelectChain>,
        Option<Telemetry>,
    ),
>;

/// The parts that offline commands need too.
pub(crate) fn new_partial(config: &Configuration) -> Result<Partial, ServiceError> {
    let telemetry = config
        .telemetry_endpoints
        .clone()
        .filter(|endpoints| !endpoints.is_empty())
        .map(
            |endpoints| -> Result<_, polkadot_sdk::sc_telemetry::Error> {
                let worker = TelemetryWorker::new(16)?;
                let telemetry = worker.handle().new_telemetry(endpoints);
                Ok((worker, telemetry))
            },
        )
        .transpose()?;
    let executor = sc_service::new_wasm_executor(&config.executor);
    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            executor,
            Vec::new(),
        )?;
    let client = Arc::new(client);
    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager
            .spawn_handle()
            .spawn("telemetry", None, worker.run());
        telemetry
    });
    let select_chain = sc_consensus::LongestChain::new(backend.clone());
    let transaction_pool = Arc::from(
        sc_transaction_pool::Builder::new(
            task_manager.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build(),
    );
    let (grandpa_block_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        telemetry.as_ref().map(Telemetry::handle),
    )?;
    let slot_duration = sc_consensus_aura::slot_duration(&*client)?;
    let import_queue = sc_consensus_aura::import_queue::<AuraPair, _, _, _, _, _>(
        ImportQueueParams {
            block_import: grandpa_block_import.clone(),
            justification_import: Some(Box::new(grandpa_block_import.clone())),
            client: client.clone(),
            create_inherent_data_providers: move |_, ()| async move {
                let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
                let slot = polkadot_sdk::sp_consensus_aura::inherents::InherentDataProvider::from_timestamp_and_slot_duration(
                    *timestamp,
                    slot_duration,
                );
                Ok((slot, timestamp))
            },
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            check_for_equivocation: Default::default(),
            telemetry: telemetry.as_ref().map(Telemetry::handle),
            compatibility_mode: Default::default(),
        },
    )?;
    Ok(PartialComponents {
        client,
        backend,
        task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: (grandpa_block_import, grandpa_link, telemetry),
    })
}

/// A running node.
pub(crate) async fn new_full(
    config: Configuration,
    event_store_params: &EventStoreParams,
    explorer_address: Option<SocketAddr>,
    health_params: &HealthParams,
) -> Result<TaskManager, ServiceError> {
    // The libp2p backend stays selectable by flag; everything else of the node is the same.
    match config.network.network_backend {
        sc_network::config::NetworkBackendType::Libp2p => {
            start::<sc_network::NetworkWorker<_, _>>(
                config,
                event_store_params,
                explorer_address,
                health_params,
            )
            .await
        }
        sc_network::config::NetworkBackendType::Litep2p => {
            start::<sc_network::Litep2pNetworkBackend>(
                config,
                event_store_params,
                explorer_address,
                health_params,
            )
            .await
        }
    }
}

async fn start<N>(
    config: Configuration,
    event_store_params: &EventStoreParams,
    explorer_address: Option<SocketAddr>,
    health_params: &HealthParams,
) -> Result<TaskManager, ServiceError>
where
    N: sc_network::NetworkBackend<Block, <Block as polkadot_sdk::sp_runtime::traits::Block>::Hash>,
{
    let PartialComponents {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other: (block_import, grandpa_link, mut telemetry),
    } = new_partial(&config)?;

    let mut net_config = sc_network::config::FullNetworkConfiguration::<Block, _, N>::new(
        &config.network,
        config.prometheus_registry().cloned(),
    );
    let metrics = N::register_notification_metrics(config.prometheus_registry());
    let genesis_hash = client
        .block_hash(0)?
        .ok_or_else(|| ServiceError::Other("the database holds no genesis block".into()))?;
    let grandpa_protocol_name =
        sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
    let (grandpa_protocol_config, grandpa_notification_service) =
        sc_consensus_grandpa::grandpa_peers_set_config::<_, N>(
            grandpa_protocol_name.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
    net_config.add_notification_protocol(grandpa_protocol_config);
    let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
        backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        Vec::new(),
    ));
    let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
        build_network(sc_service::BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    if config.offchain_worker.enabled {
        let offchain_workers =
            sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
                runtime_api_provider: client.clone(),
                is_validator: config.role.is_authority(),
                keystore: Some(keystore_container.keystore()),
                offchain_db: backend.offchain_storage(),
                transaction_pool: Some(OffchainTransactionPoolFactory::new(
                    transaction_pool.clone(),
                )),
                network_provider: Arc::new(network.clone()),
                enable_http_requests: false,
                custom_extensions: |_| Vec::new(),
            })?;
        task_manager.spawn_handle().spawn(
            "offchain-workers-runner",
            "offchain-worker",
            offchain_workers
                .run(client.clone(), task_manager.spawn_handle())
                .boxed(),
        );
    }

    let store = event_store::open(&config, event_store_params, &client).await?;
    let fed = store
        .clone()
        .map(|store| {
            event_store::spawn(
                store,
                client.clone(),
                event_store_params,
                &config,
                &task_manager,
            )
        })
        .transpose()?;
    if let Some(registry) = config.prometheus_registry() {
        chain_metrics::spawn(client.clone(), registry, &task_manager)
            .map_err(|error| ServiceError::Other(format!("metrics of the chain: {error}")))?;
    }

    double_blocks::spawn(
        client.clone(),
        OffchainTransactionPoolFactory::new(transaction_pool.clone()),
        &task_manager,
    );

    let peers_expected = health::peers_expected(&config.network);
    let role = config.role;
    let force_authoring = config.force_authoring;
    let backoff_authoring_blocks = Some(back_off::strategy());
    let name = config.network.node_name.clone();
    let enable_grandpa = !config.disable_grandpa;
    let prometheus_registry = config.prometheus_registry().cloned();
    let votes = (enable_grandpa && role.is_authority())
        .then(|| {
            let database = votes::Database {
                genesis: genesis_hash,
                set: grandpa_link.shared_authority_set().set_id(),
                rounds: client.get_aux(votes::ROUNDS_KEY)?,
                knows: &|hash| client.header(hash).is_ok_and(|header| header.is_some()),
            };
            votes::guard(keystore_container.keystore(), &config, &database)
                .map_err(ServiceError::from)
        })
        .transpose()?;

    let shared_voter_state = SharedVoterState::empty();
    let rpc_builder = {
        let deps = Deps {
            client: client.clone(),
            pool: transaction_pool.clone(),
            grandpa: GrandpaDeps {
                authority_set: grandpa_link.shared_authority_set().clone(),
                voter_state: shared_voter_state.clone(),
                justifications: grandpa_link.justification_stream(),
                finality_proofs: FinalityProofProvider::new_for_service(
                    backend.clone(),
                    Some(grandpa_link.shared_authority_set().clone()),
                ),
            },
            event_store: store,
        };
        Box::new(move |executor| rpc::module(deps.clone(), executor).map_err(Into::into))
    };
    let rpc_handlers = sc_service::spawn_tasks(sc_service::SpawnTasksParams {
        network: Arc::new(network.clone()),
        client: client.clone(),
        keystore: keystore_container.keystore(),
        task_manager: &mut task_manager,
        transaction_pool: transaction_pool.clone(),
        rpc_builder,
        backend,
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        config,
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })?;
    if let Some(address) = explorer_address {
        explorer::spawn(address, &rpc_handlers, &task_manager).await?;
    }
    let seen = health::Node {
        client: client.clone(),
        sync: sync_service.clone(),
        peers_expected,
        store: fed,
    };
    health::spawn(health_params, seen, &task_manager).await?;

    if role.is_authority() {
        let mut proposer_factory = sc_basic_authorship::ProposerFactory::new(
            task_manager.spawn_handle(),
            client.clone(),
            transaction_pool.clone(),
            prometheus_registry.as_ref(),
            telemetry.as_ref().map(Telemetry::handle),
        );
        // The default would stop at 4 MiB, long before the runtime's own limit.
        proposer_factory.set_default_block_size_limit(MAXIMUM_BLOCK_LENGTH as usize);
        let proposer_factory = proposer::Factory::new(proposer_factory, client.clone());
        let (building, parts) = back_off::BUILDING;
        let slot_duration = sc_consensus_aura::slot_duration(&*client)?;
        let aura = sc_consensus_aura::start_aura::<AuraPair, _, _, _, _, _, _, _, _, _, _>(
            StartAuraParams {
                slot_duration,
                client,
                select_chain,
                block_import,
                proposer_factory,
                create_inherent_data_providers: move |_, ()| async move {
                    let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
                    let slot = polkadot_sdk::sp_consensus_aura::inherents::InherentDataProvider::from_timestamp_and_slot_duration(
                        *timestamp,
                        slot_duration,
                    );
                    Ok((slot, timestamp))
                },
                force_authoring,
                backoff_authoring_blocks,
                keystore: keystore_container.keystore(),
                sync_oracle: sync_service.clone(),
                justification_sync_link: sync_service.clone(),
                block_proposal_slot_portion: SlotProportion::new(
                    f32::from(building) / f32::from(parts),
                ),
                // What was built on a machine that is slow is kept if slots were missed; the proposer
                // does not build more in that time.
                max_block_proposal_slot_portion: None,
                telemetry: telemetry.as_ref().map(Telemetry::handle),
                compatibility_mode: Default::default(),
            },
        )?;
        task_manager
            .spawn_essential_handle()
            .spawn_blocking("aura", Some("block-authoring"), aura);
    }

    if enable_grandpa {
        let (keystore, votes) = votes.unzip();
        if let Some(votes) = votes.flatten() {
            let withheld = prometheus_registry.as_ref().map(votes::gauge);
            let withheld = withheld
                .transpose()
                .map_err(|error| ServiceError::Other(format!("metric of votes: {error}")))?;
            let set = grandpa_link.shared_authority_set().clone();
            let (authorities, keys) = (set.clone(), keystore_container.keystore());
            let sync = sync_service.clone();
            let needed =
                move || !sync.is_major_syncing() && votes::has_seat(&authorities, keys.as_ref());
            let watch = votes.watch(shared_voter_state.clone(), set, needed, withheld);
            task_manager
                .spawn_essential_handle()
                .spawn("votes", "ves", watch);
        }
        let grandpa_config = sc_consensus_grandpa::Config {
            gossip_duration: Duration::from_millis(333),
            justification_generation_period: JUSTIFICATION_PERIOD,
            name: Some(name),
            observer_enabled: false,
            keystore,
            local_role: role,
            telemetry: telemetry.as_ref().map(Telemetry::handle),
            protocol_name: grandpa_protocol_name,
        };
        let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
            config: grandpa_config,
            link: grandpa_link,
            network,
            sync: Arc::new(sync_service),
            notification_service: grandpa_notification_service,
            // No rule: validators vote for the best block itself. See docs/adr/0006.
            voting_rule: sc_consensus_grandpa::VotingRulesBuilder::new().build(),
            prometheus_registry,
            shared_voter_state,
            telemetry: telemetry.as_ref().map(Telemetry::handle),
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
        })?;
        task_manager
            .spawn_essential_handle()
            .spawn_blocking("grandpa-voter", None, voter);
    }
    Ok(task_manager)
}
