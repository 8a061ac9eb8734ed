// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod batch;
mod benchmark;
mod budget;
mod bundle;
mod cli;
mod error;
mod events;
mod files;
mod inspect;
mod json;
mod output;
mod prove;
mod secret;
mod sequencer;
mod submit;
mod verify;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command};
use error::{Exit, Failure, Result};
use output::{Report, Ui};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(refuse(&error).code()),
    };
    let ui = Ui::new(cli.json);
    let exit = match run(&ui, cli.command) {
        Ok(report) => ui.print(&report),
        Err(failure) => ui.print_failure(&failure),
    };
    ExitCode::from(exit.code())
}

fn run(ui: &Ui, command: Command) -> Result<Report> {
    match command {
        Command::GenInputs(args) => prove::gen_inputs(&args),
        Command::Prove(args) => prove::run(ui, &args),
        Command::ProveSubmit(args) => submit::run(ui, &args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Benchmark(args) => benchmark::run(ui, &args),
        Command::BatchProve(args) => batch::prove(ui, &args),
        Command::BatchVerify(args) => batch::verify(&args),
        Command::Sequencer(args) => sequencer::run(ui, &args),
    }
}

/// Help, version, or a command line that cannot be read. A bare number that was refused might be
/// an amount, so it is not repeated.
fn refuse(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    let mut text = error.to_string();
    for arg in std::env::args().skip(1) {
        let word = arg.trim_start_matches('-');
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            text = text.replace(&format!("'{arg}'"), "[a number]");
        }
    }
    let json = std::env::args().any(|arg| arg == "--json");
    let message = if json {
        text.lines().next().unwrap_or_default().to_owned()
    } else {
        text
    };
    let message = message.trim_start_matches("error: ").trim_end();
    Ui::new(json).print_failure(&Failure::usage("usage", message))
}
