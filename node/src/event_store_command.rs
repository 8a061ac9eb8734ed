// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-node event-store`: what an operator does to a store besides letting the node fill it.

use crate::{cli::Cli, durable::finish, event_store::default_place, refused_proofs, service};
use clap::Parser;
use polkadot_sdk::{
    sc_cli::{self, CliConfiguration, SharedParams, SubstrateCli},
    sc_client_api::HeaderBackend,
    sc_service::{Configuration, PartialComponents, TaskManager},
};
use std::{
    fs::File,
    future::Future,
    io::{BufWriter, Write},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use ves_event_store::{
    Store, StoreConfig,
    export::{self, Part},
};
use ves_indexer::ingest;
use ves_primitives::{GenesisHash, StoreId, TenantId};
use ves_runtime::opaque::Block;

/// Interval of progress lines.
const PROGRESS: Duration = Duration::from_secs(2);
/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What can be done to a store.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum EventStoreCmd {
    /// Index finalized blocks while the node is not running.
    ///
    /// May be stopped at any time, by kill -9 too, and goes on where it was.
    Backfill(BackfillCmd),

    /// Compare the store with the node's chain, block by block, while the node is not running.
    ///
    /// Prints a checksum that is the same for every node whose store stands at the same block.
    Check(CheckCmd),

    /// Write events to a file. The node may be running.
    Export(ExportCmd),

    /// Forget payloads of old blocks. The node may be running.
    ///
    /// Envelopes, batches and headers stay: every event is still found and proven.
    Prune(PruneCmd),
}

/// Which store.
#[derive(Clone, Debug, Parser)]
pub(crate) struct PlaceParams {
    /// The store, if it is not the one in the chain's directory.
    #[arg(long, value_name = "PATH|URL")]
    event_store: Option<StoreConfig>,
}

impl PlaceParams {
    fn place(&self, config: &Configuration) -> StoreConfig {
        let place = self.event_store.clone();
        place.unwrap_or_else(|| default_place(config))
    }
}

/// Arguments of `backfill`.
#[derive(Clone, Debug, Parser)]
pub(crate) struct BackfillCmd {
    /// Index from this block on anew; what the store has from there on is forgotten first, if the node still
    /// has the block and its state.
    #[arg(long, value_name = "BLOCK")]
    from: Option<u32>,

    /// Stop after this block; the newest finalized one if absent.
    #[arg(long, value_name = "BLOCK")]
    to: Option<u32>,

    #[command(flatten)]
    place: PlaceParams,

    #[command(flatten)]
    shared_params: SharedParams,
}

/// Arguments of `check`.
#[derive(Clone, Debug, Parser)]
pub(crate) struct CheckCmd {
    #[command(flatten)]
    place: PlaceParams,

    #[command(flatten)]
    shared_params: SharedParams,
}

/// A file format.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// One line of JSON for each event.
    Ndjson,
    /// Apache Parquet, compressed.
    Parquet,
}

/// Arguments of `export`.
#[derive(Clone, Debug, Parser)]
pub(crate) struct ExportCmd {
    /// Format of the file.
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,

    /// The file. It appears when it is complete.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Only streams of this tenant.
    #[arg(long)]
    tenant: Option<TenantId>,

    /// Only the stream of this store of the tenant.
    #[arg(long, requires = "tenant")]
    store: Option<StoreId>,

    /// First sequence of the stream.
    #[arg(long, requires = "store", default_value_t = 1)]
    from: u64,

    /// Last sequence of the stream.
    #[arg(long, requires = "store", default_value_t = u64::MAX)]
    to: u64,

    #[command(flatten)]
    place: PlaceParams,

    #[command(flatten)]
    shared_params: SharedParams,
}

/// Arguments of `prune`.
#[derive(Clone, Debug, Parser)]
#[command(group = clap::ArgGroup::new("bound").required(true))]
pub(crate) struct PruneCmd {
    /// Forget payloads of blocks that are older than so many days.
    #[arg(long, value_name = "DAYS", group = "bound")]
    older_than: Option<u64>,

    /// Forget payloads of blocks below this one.
    #[arg(long, value_name = "BLOCK", group = "bound")]
    below: Option<u32>,

    #[command(flatten)]
    place: PlaceParams,

    #[command(flatten)]
    shared_params: SharedParams,
}

macro_rules! shared_params {
    ($($command:ty),*) => {$(
        impl CliConfiguration for $command {
            fn shared_params(&self) -> &SharedParams {
                &self.shared_params
            }
        }
    )*};
}
shared_params!(BackfillCmd, CheckCmd, ExportCmd, PruneCmd);

fn failed(error: impl std::fmt::Display) -> sc_cli::Error {
    sc_cli::Error::Input(error.to_string())
}

/// Runs a command that needs the store alone.
fn without_chain<C: CliConfiguration, F: Future<Output = sc_cli::Result<()>>>(
    cli: &Cli,
    command: &C,
    run: impl FnOnce(Configuration) -> F,
) -> sc_cli::Result<()> {
    cli.create_runner(command)?.async_run(|config| {
        let tasks = TaskManager::new(config.tokio_handle.clone(), None)
            .map_err(|error| failed(format!("tasks: {error}")))?;
        Ok((run(config), tasks))
    })
}

/// Runs a command that needs the chain's database too.
fn with_chain<C: CliConfiguration, F: Future<Output = sc_cli::Result<()>>>(
    cli: &Cli,
    command: &C,
    place: &PlaceParams,
    run: impl FnOnce(Client, StoreConfig) -> F,
) -> sc_cli::Result<()> {
    cli.create_runner(command)?.async_run(|config| {
        let place = place.place(&config);
        let PartialComponents {
            client,
            task_manager,
            ..
        } = service::new_partial(&config)?;
        Ok((run(client, place), task_manager))
    })
}

type Client = std::sync::Arc<service::FullClient>;

async fn open(client: &Client, place: &StoreConfig) -> sc_cli::Result<Store> {
    let genesis = GenesisHash(client.info().genesis_hash.0);
    Store::open(place, genesis).await.map_err(failed)
}

impl EventStoreCmd {
    pub(crate) fn run(&self, cli: &Cli) -> sc_cli::Result<()> {
        match self {
            Self::Backfill(command) => {
                let backfill = command.clone();
                with_chain(cli, command, &command.place, |client, place| {
                    backfill.run(client, place)
                })
            }
            Self::Check(command) => with_chain(cli, command, &command.place, check),
            Self::Export(command) => {
                let export = command.clone();
                without_chain(cli, command, |config| async move {
                    export.run(&export.place.place(&config)).await
                })
            }
            Self::Prune(command) => {
                let prune = command.clone();
                without_chain(cli, command, |config| async move {
                    prune.run(&prune.place.place(&config)).await
                })
            }
        }
    }
}

impl BackfillCmd {
    async fn run(self, client: Client, place: StoreConfig) -> sc_cli::Result<()> {
        let store = open(&client, &place).await?;
        if let Some(from) = self.from {
            let number = from
                .checked_sub(1)
                .ok_or_else(|| failed("the first block is 1"))?;
            let cursor = ingest::rewind_target::<Block, _>(&*client, number)
                .map_err(|error| failed(format!("nothing is forgotten: {error}")))?;
            store.rewind(&cursor).await.map_err(failed)?;
        }
        let to = self.to.unwrap_or(u32::MAX);
        let refused = refused_proofs::of(client.clone());
        let cursor = ingest::backfill::<Block, _>(&client, &store, &refused, to)
            .await
            .map_err(failed)?;
        let (events, rejections) = store.counts().await.map_err(failed)?;
        println!(
            "{}",
            serde_json::json!({
                "indexed_block": cursor.number,
                "finalized_block": client.info().finalized_number,
                "events": events,
                "rejections": rejections,
            })
        );
        Ok(())
    }
}

async fn check(client: Client, place: StoreConfig) -> sc_cli::Result<()> {
    let store = open(&client, &place).await?;
    let mut said = Instant::now();
    let checked = ves_indexer::check::<Block, _>(&client, &store, |at, to| {
        if said.elapsed() >= PROGRESS {
            said = Instant::now();
            log::info!("checked block {at} of {to}");
        }
    })
    .await
    .map_err(failed)?;
    println!(
        "{}",
        serde_json::json!({
            "block": checked.to,
            "checksum": format!("0x{}", hex::encode(checked.checksum)),
        })
    );
    Ok(())
}

impl ExportCmd {
    async fn run(&self, place: &StoreConfig) -> sc_cli::Result<()> {
        let store = Store::open_existing(place).await.map_err(failed)?;
        let parts = match (self.tenant, self.store) {
            (Some(tenant), Some(store)) => vec![Part {
                tenant,
                store,
                from: self.from,
                to: self.to,
            }],
            (tenant, _) => export::whole(&store, tenant).await.map_err(failed)?,
        };
        let mut unfinished = self.out.clone().into_os_string();
        unfinished.push(".part");
        let unfinished = PathBuf::from(unfinished);
        let mut file = BufWriter::new(File::create(&unfinished)?);
        let written = match self.format {
            Format::Ndjson => export::ndjson(&store, &parts, &mut file).await,
            Format::Parquet => export::parquet(&store, &parts, &mut file).await,
        };
        let events = written.map_err(failed)?;
        file.flush()?;
        finish(file.get_ref(), &unfinished, &self.out)?;
        println!(
            "{}",
            serde_json::json!({ "events": events, "file": self.out })
        );
        Ok(())
    }
}

impl PruneCmd {
    async fn run(&self, place: &StoreConfig) -> sc_cli::Result<()> {
        let store = Store::open_existing(place).await.map_err(failed)?;
        let below = match (self.below, self.older_than) {
            (Some(below), _) => below,
            (None, days) => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_err(failed)?;
                let now = u64::try_from(now.as_millis()).map_err(failed)?;
                let age = days.unwrap_or(u64::MAX).saturating_mul(DAY_MS);
                let bound = now.saturating_sub(age);
                store.first_block_since(bound).await.map_err(failed)?
            }
        };
        let mut events = 0u64;
        let mut said = Instant::now();
        loop {
            let (step, more) = store.prune_step(below).await.map_err(failed)?;
            events = events.saturating_add(step);
            if !more {
                break;
            }
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                log::info!("pruned {events} events so far");
            }
        }
        let pruned_below = store.pruned_below().await.map_err(failed)?;
        println!(
            "{}",
            serde_json::json!({ "events": events, "pruned_below": pruned_below })
        );
        Ok(())
    }
}
