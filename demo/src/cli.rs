// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The command line.

use crate::{
    report::{Reporter, Style},
    scenario,
    stage::{Stage, Tools},
    submit, tamper,
};
use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use std::{
    io::IsTerminal,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::signal::unix::{SignalKind, signal};

/// Exit code when a claim failed.
const EXIT_CLAIM_FAILED: u8 = 1;
/// Exit code when the demo could not begin.
const EXIT_NOT_STARTED: u8 = 2;
/// Exit code after Ctrl-C or SIGTERM.
const EXIT_INTERRUPTED: u8 = 130;
/// Pause after each claim with `--slow`.
const SLOW: Duration = Duration::from_millis(2500);

/// Runs the whole main path with the real programs and states every claim with its evidence.
#[derive(Parser)]
#[command(name = "ves-demo", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Change one thing in an event or bundle, as an attacker would.
    Tamper(tamper::TamperArgs),
    /// Hand signed events to a node's transaction pool in one submission, whoever signed them.
    Submit(submit::SubmitArgs),
    /// Fill the disks of an agent and of the relay. Needs the right to mount a file system.
    FullDisk(RunArgs),
    /// Let three of four validators take no events, and show that events are taken all the same.
    Censorship(RunArgs),
}

/// Which scenario to play.
#[derive(Clone, Copy)]
enum Play {
    MainPath,
    FullDisk,
    Censorship,
}

#[derive(Args)]
struct RunArgs {
    /// The node [default: ves-node next to this program]
    #[arg(long, env = "VES_NODE_BIN", value_name = "FILE")]
    node_bin: Option<PathBuf>,
    /// The agents' tool [default: stateset-sync next to this program]
    #[arg(long, env = "VES_CLI_BIN", value_name = "FILE")]
    cli_bin: Option<PathBuf>,
    /// The relay [default: anchor-relay next to this program]
    #[arg(long, env = "VES_RELAY_BIN", value_name = "FILE")]
    relay_bin: Option<PathBuf>,
    /// Contracts with their node packages [default: contracts/ above this program or the working
    /// directory]
    #[arg(long, env = "VES_CONTRACTS_DIR", value_name = "DIR")]
    contracts: Option<PathBuf>,
    /// Print one JSON object on stdout, everything else on stderr.
    #[arg(long)]
    json: bool,
    /// Write a transcript.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Plain text; NO_COLOR does the same.
    #[arg(long)]
    no_color: bool,
    /// Pause after each claim, for talks.
    #[arg(long)]
    slow: bool,
    /// Keep the working directory also when every claim holds.
    #[arg(long)]
    keep: bool,
}

/// Runs the program.
pub(crate) async fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match &cli.command {
        None => demo(&cli.run, Play::MainPath).await,
        Some(Command::FullDisk(args)) => demo(args, Play::FullDisk).await,
        Some(Command::Censorship(args)) => demo(args, Play::Censorship).await,
        Some(Command::Tamper(args)) => tamper::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Submit(args)) => submit::run(args).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(EXIT_NOT_STARTED)
    })
}

fn colored(args: &RunArgs) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let terminal = if args.json {
        std::io::stderr().is_terminal()
    } else {
        std::io::stdout().is_terminal()
    };
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    terminal && !args.no_color && !set("NO_COLOR") && !dumb
}

async fn demo(args: &RunArgs, play: Play) -> Result<ExitCode> {
    let tools = Tools::find(
        args.node_bin.clone(),
        args.cli_bin.clone(),
        args.relay_bin.clone(),
        args.contracts.clone(),
    )?;
    let mut directory = tempfile::Builder::new().prefix("ves-demo-").tempdir()?;
    let style = Style {
        to_stderr: args.json,
        color: colored(args),
        pause: if args.slow { SLOW } else { Duration::ZERO },
    };
    let reporter = Reporter::new(style, args.record.as_deref()).context("--record")?;
    let mut stage = Stage::new(tools, directory.path(), reporter)?;

    // Whatever is not told to clean up by itself: a panic or a signal must find it kept.
    directory.disable_cleanup(true);
    let began = Instant::now();
    let (mut term, mut hangup) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::hangup())?,
    );
    let playing = async {
        match play {
            Play::MainPath => scenario::play(&mut stage).await,
            Play::FullDisk => scenario::play_full_disk(&mut stage).await,
            Play::Censorship => scenario::play_censorship(&mut stage).await,
        }
    };
    let interrupted = tokio::select! {
        () = playing => false,
        _ = tokio::signal::ctrl_c() => true,
        _ = term.recv() => true,
        _ = hangup.recv() => true,
    };
    let ok = !interrupted && stage.report.all_hold();
    stage.report.finish(began.elapsed(), interrupted);
    if args.json {
        println!("{:#}", stage.report.to_json(began.elapsed(), interrupted));
    }
    // Ends every process that is still there.
    drop(stage);
    if ok && !args.keep {
        directory.disable_cleanup(false);
    } else {
        eprintln!(
            "kept, with the logs of all programs: {}",
            directory.path().display()
        );
    }
    Ok(match (ok, interrupted) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(EXIT_INTERRUPTED),
        (false, false) => ExitCode::from(EXIT_CLAIM_FAILED),
    })
}
