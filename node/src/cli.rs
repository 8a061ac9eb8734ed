// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Command line of `ves-node`.

use crate::readiness::Limits;
use clap::Parser;
use polkadot_sdk::sc_cli::{self, RunCmd};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use ves_event_store::{StoreConfig, retention::Retention};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Where the node keeps its event store.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct EventStoreParams {
    /// The event store, which serves the `ves_*` RPCs: a SQLite file, or a PostgreSQL database.
    ///
    /// By default `event-store.sqlite` in the chain's directory under the base path. A URL is
    /// `postgres://user@host/database`; the password is better in PGPASSWORD or ~/.pgpass than on the
    /// command line. Several nodes of one chain may share a database.
    #[arg(long, value_name = "PATH|URL", conflicts_with = "no_event_store")]
    pub(crate) event_store: Option<StoreConfig>,

    /// Run without an event store; the `ves_*` RPCs are then absent.
    ///
    /// A node with an event store keeps the state of every finalized block unless
    /// `--state-pruning` says otherwise, so that the store can be rebuilt at any time.
    #[arg(long)]
    pub(crate) no_event_store: bool,

    /// Read an event store that another node writes: its database, a streaming replica of that, or a
    /// file. This node indexes nothing, and needs no old states.
    #[arg(long, requires = "event_store")]
    pub(crate) event_store_replica: bool,

    /// Forget the payloads of blocks whose chain time is more than so many days ago, for ever; what
    /// proves the events is kept. By default nothing is forgotten.
    #[arg(
        long,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["no_event_store", "event_store_replica", "event_store_retain_blocks"]
    )]
    pub(crate) event_store_retain_days: Option<u32>,

    /// Forget the payloads of all but the newest so many blocks, for ever; what proves the events is
    /// kept.
    #[arg(
        long,
        value_name = "BLOCKS",
        value_parser = clap::value_parser!(u32).range(1..),
        conflicts_with_all = ["no_event_store", "event_store_replica"]
    )]
    pub(crate) event_store_retain_blocks: Option<u32>,
}

impl EventStoreParams {
    /// Whether this node indexes, for which it needs the states of all blocks.
    pub(crate) const fn indexes(&self) -> bool {
        !self.no_event_store && !self.event_store_replica
    }

    /// What is to be forgotten.
    pub(crate) fn retention(&self) -> Option<Retention> {
        let days = |days: u32| Retention::Age(Duration::from_secs(u64::from(days) * DAY_SECONDS));
        self.event_store_retain_days
            .map(days)
            .or_else(|| self.event_store_retain_blocks.map(Retention::Blocks))
    }
}

/// Where the node tells whether it is well, and what counts as that.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct HealthParams {
    /// Answer `/ready` and `/live` over HTTP; on this machine only, unless another address is given.
    ///
    /// `/ready` is 200 if readers should be sent to this node, and 503 with the reasons if not: it is
    /// not in sync, has no peers, sees no new blocks, or finality or its event store is behind. It tells
    /// nothing that the RPCs do not tell.
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:9951"
    )]
    pub(crate) health: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) limits: Limits,
}

/// Command line.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,

    #[command(flatten)]
    pub(crate) run: RunCmd,

    #[command(flatten)]
    pub(crate) event_store: EventStoreParams,

    /// Serve the explorer page; on this machine only, unless another address is given.
    ///
    /// The page asks this node's RPC server over WebSocket, so whoever opens it must reach that too.
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = ves_explorer::DEFAULT_ADDRESS
    )]
    pub(crate) explorer: Option<SocketAddr>,

    #[command(flatten)]
    pub(crate) health: HealthParams,
}

/// Makes the chain specification of a consortium.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsortiumSpecCmd {
    /// JSON file with the operators' public keys, see docs/OPERATIONS.md.
    pub(crate) consortium: PathBuf,

    /// The runtime's wasm, if not the one that this program was built with.
    #[arg(long, value_name = "FILE")]
    pub(crate) code: Option<PathBuf>,

    /// Print the raw form, which nodes start with, instead of the plain one, which people read.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// What the node can do besides running.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Key management utilities.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),

    /// Print a chain specification.
    #[allow(deprecated, reason = "zombienet calls it by this name")]
    BuildSpec(sc_cli::BuildSpecCmd),

    /// Print the chain specification of a consortium, made from its operators' public keys.
    ConsortiumSpec(ConsortiumSpecCmd),

    /// Export the chain specification.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),

    /// Validate blocks.
    CheckBlock(sc_cli::CheckBlockCmd),

    /// Export blocks.
    ExportBlocks(sc_cli::ExportBlocksCmd),

    /// Export the state of a given block into a chain specification.
    ExportState(sc_cli::ExportStateCmd),

    /// Import blocks.
    ImportBlocks(sc_cli::ImportBlocksCmd),

    /// Import exported blocks and compare the time of each with the weight it declares.
    MeasureImport(crate::measure_import::MeasureImportCmd),

    /// Fill, check, export or prune an event store.
    #[command(subcommand)]
    EventStore(crate::event_store_command::EventStoreCmd),

    /// Remove the whole chain.
    PurgeChain(sc_cli::PurgeChainCmd),

    /// Revert the chain to a previous state.
    Revert(sc_cli::RevertCmd),

    /// Database meta columns information.
    ChainInfo(sc_cli::ChainInfoCmd),
}
