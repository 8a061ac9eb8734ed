// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Dispatches the command line.

use crate::{
    chain_spec,
    cli::{Cli, Subcommand},
    service,
};
use polkadot_sdk::{
    sc_cli::{self, DatabasePruningMode, SubstrateCli},
    sc_service::{self, ChainSpec, PartialComponents},
};
use std::path::Path;
use ves_runtime::Block;

/// Submissions in the pool: about a minute of full blocks of submissions of 16 events.
const POOL_LIMIT: &str = "16384";
/// Their KiB: about half a minute of the longest blocks.
const POOL_KBYTES: &str = "131072";
/// Seconds for which the pool does not look at bytes again that it has refused. It refuses those that wait
/// in it already, too, so that half an hour, the SDK's default, would keep an agent from sending again what
/// left the pool.
const POOL_BAN: &str = "60";

/// The argument, off by default if it is the size of the trie cache.
fn without_trie_cache(arg: clap::Arg) -> clap::Arg {
    if arg.get_id() == "trie_cache_size" {
        arg.default_value("0")
    } else {
        arg
    }
}

impl SubstrateCli for Cli {
    fn impl_name() -> String {
        "VES Node".into()
    }

    fn impl_version() -> String {
        env!("SUBSTRATE_CLI_IMPL_VERSION").into()
    }

    fn executable_name() -> String {
        "ves-node".into()
    }

    fn description() -> String {
        env!("CARGO_PKG_DESCRIPTION").into()
    }

    fn author() -> String {
        "The VES Appchain contributors".into()
    }

    fn support_url() -> String {
        concat!(env!("CARGO_PKG_REPOSITORY"), "/issues").into()
    }

    fn copyright_start_year() -> i32 {
        2026
    }

    /// As the SDK does it, with defaults of this chain. The pool: few validators fork rarely, and
    /// submissions are long. The trie cache: none, since copying its nodes for each submission of a
    /// block costs more than reading them from the database (`docs/adr/0016-throughput.md`). The network:
    /// the other backend leaves named peers hanging (`docs/adr/0056-network-backend.md`).
    fn setup_command(command: clap::Command) -> clap::Command {
        command
            .name(Self::executable_name())
            .version(Self::impl_version() + "\n")
            .author(Self::author())
            .about(Self::description())
            .long_about(Self::description())
            .after_help(format!("Support: {}", Self::support_url()))
            .propagate_version(true)
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .mut_arg("pool_type", |arg| arg.default_value("single-state"))
            .mut_arg("pool_limit", |arg| arg.default_value(POOL_LIMIT))
            .mut_arg("pool_kbytes", |arg| arg.default_value(POOL_KBYTES))
            .mut_arg("tx_ban_seconds", |arg| arg.default_value(POOL_BAN))
            .mut_arg("network_backend", |arg| arg.default_value("libp2p"))
            .mut_args(without_trie_cache)
            .mut_subcommands(|command| command.mut_args(without_trie_cache))
    }

    fn load_spec(&self, id: &str) -> Result<Box<dyn ChainSpec>, String> {
        Ok(match id {
            "dev" => Box::new(chain_spec::development()?),
            "" | "local" => Box::new(chain_spec::local()?),
            path => Box::new(
                sc_service::GenericChainSpec::<sc_service::NoExtension>::from_json_file(
                    path.into(),
                )?,
            ),
        })
    }
}

/// Runs whatever the command line asks for.
pub(crate) fn run() -> sc_cli::Result<()> {
    let mut cli = Cli::from_args();
    match &cli.subcommand {
        None => {
            let state_pruning = &mut cli.run.import_params.pruning_params.state_pruning;
            if cli.event_store.indexes() && state_pruning.is_none() {
                *state_pruning = Some(DatabasePruningMode::ArchiveCanonical);
            }
            let runner = cli.create_runner(&cli.run)?;
            let event_store = cli.event_store.clone();
            let explorer = cli.explorer;
            let health = cli.health.clone();
            runner.run_node_until_exit(|config| async move {
                service::new_full(config, &event_store, explorer, &health)
                    .await
                    .map_err(sc_cli::Error::Service)
            })
        }
        Some(Subcommand::Key(cmd)) => cmd.run(&cli),
        #[allow(deprecated, reason = "zombienet calls it by this name")]
        Some(Subcommand::BuildSpec(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run(config.chain_spec, config.network))
        }
        Some(Subcommand::ExportChainSpec(cmd)) => {
            let spec = cli.load_spec(&cmd.chain)?;
            cmd.run(spec)
        }
        Some(Subcommand::ConsortiumSpec(cmd)) => {
            let unreadable =
                |path: &Path, error| format!("{} cannot be read: {error}", path.display());
            let json = std::fs::read_to_string(&cmd.consortium)
                .map_err(|error| unreadable(&cmd.consortium, error))?;
            let code = cmd
                .code
                .as_ref()
                .map(|path| std::fs::read(path).map_err(|error| unreadable(path, error)))
                .transpose()?;
            let spec = chain_spec::consortium(&json, code.as_deref())?;
            println!("{}", spec.as_json(cmd.raw)?);
            Ok(())
        }
        Some(Subcommand::CheckBlock(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    import_queue,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, import_queue), task_manager))
            })
        }
        Some(Subcommand::ExportBlocks(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, config.database), task_manager))
            })
        }
        Some(Subcommand::ExportState(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, config.chain_spec), task_manager))
            })
        }
        Some(Subcommand::ImportBlocks(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    import_queue,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client, import_queue), task_manager))
            })
        }
        Some(Subcommand::MeasureImport(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            let cmd = cmd.clone();
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    ..
                } = service::new_partial(&config)?;
                Ok((cmd.run(client), task_manager))
            })
        }
        Some(Subcommand::EventStore(cmd)) => cmd.run(&cli),
        Some(Subcommand::PurgeChain(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run(config.database))
        }
        Some(Subcommand::Revert(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.async_run(|config| {
                let PartialComponents {
                    client,
                    task_manager,
                    backend,
                    ..
                } = service::new_partial(&config)?;
                let revert_grandpa = Box::new(|client, _, blocks| {
                    polkadot_sdk::sc_consensus_grandpa::revert(client, blocks)?;
                    Ok(())
                });
                Ok((cmd.run(client, backend, Some(revert_grandpa)), task_manager))
            })
        }
        Some(Subcommand::ChainInfo(cmd)) => {
            let runner = cli.create_runner(cmd)?;
            runner.sync_run(|config| cmd.run::<Block>(&config))
        }
    }
}
