// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The command line.

use crate::{
    checker,
    faults::{Kind, Schedule},
    groups::Controller,
    history::History,
    machine::{Machine, Unfit},
    network::{NAMES, Tools},
    process::Guard,
    run::{Outcome, Stage},
};
use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Exit code when a promise was broken.
const EXIT_BROKEN: u8 = 1;
/// Exit code when it could not be tried.
const EXIT_FAILED: u8 = 2;
/// Exit code when this machine does not allow it.
const EXIT_UNFIT: u8 = 3;

/// Does to a network of four validators, an archive and a relay what a bad week does, by seed, and checks
/// what it promised: exit code 0 if every promise was kept, 1 if not, 2 if it could not be tried, 3 if this
/// machine does not allow it.
#[derive(Parser)]
#[command(name = "ves-chaos", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run schedules of faults, each by its own seed.
    Run(Run),
    /// Kill nodes with SIGKILL again and again, at random moments: one, all, or one after the other.
    KillCycles(KillCycles),
    /// Check a recorded history.
    Check {
        /// Where its files are.
        dir: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print the table of faults.
    List,
}

#[derive(Args)]
struct Run {
    /// Seed of the first schedule; the following ones count up.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1)]
    schedules: u64,
    /// Schedules that one network goes through before a new one is made. To repeat a schedule that was not
    /// its network's first, begin with the first.
    #[arg(long, default_value_t = 1)]
    per_network: u64,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Kind>,
    /// Steps of a schedule; each has a fault of the nodes, of the relay, or both.
    #[arg(long, default_value_t = 2)]
    steps: usize,
    /// Longest time that a fault lasts, seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Every fault lasts that long, and not half of it or more by chance.
    #[arg(long)]
    exact: bool,
    /// Only say what would be done.
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct KillCycles {
    /// How many.
    cycles: usize,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Cycles between two checks of everything.
    #[arg(long, default_value_t = 25)]
    check_every: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    /// Events per second that agents offer.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Where nodes, logs and histories go [default: a temporary directory, kept if a promise was broken].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print a JSON object for each schedule on stdout.
    #[arg(long)]
    json: bool,
    /// The node [default: ves-node next to this program].
    #[arg(long, env = "VES_NODE_BIN", value_name = "FILE")]
    node_bin: Option<PathBuf>,
    /// The relay [default: anchor-relay next to this program].
    #[arg(long, env = "VES_RELAY_BIN", value_name = "FILE")]
    relay_bin: Option<PathBuf>,
    /// Contracts with their node packages [default: contracts/ above this program or the working directory].
    #[arg(long, env = "VES_CONTRACTS_DIR", value_name = "DIR")]
    contracts: Option<PathBuf>,
}

fn existing(paths: impl IntoIterator<Item = PathBuf>, what: &str) -> Result<PathBuf> {
    let mut paths = paths.into_iter();
    let found = paths.find(|path| path.exists());
    found
        .with_context(|| format!("no {what}: build it, or name it"))?
        .canonicalize()
        .with_context(|| what.to_owned())
}

impl Common {
    fn tools(&self) -> Result<Tools> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| own.parent().map(|dir| dir.join(name));
        let program = |named: &Option<PathBuf>, name: &str| {
            existing(named.clone().or_else(|| beside(name)), name)
        };
        let here = std::env::current_dir()?;
        let above = own.ancestors().chain(here.ancestors());
        let contracts = match &self.contracts {
            Some(named) => vec![named.clone()],
            None => above.map(|dir| dir.join("contracts")).collect(),
        };
        let contracts = contracts
            .into_iter()
            .filter(|dir| dir.join("node_modules").exists());
        Ok(Tools {
            node: program(&self.node_bin, "ves-node")?,
            relay: program(&self.relay_bin, "anchor-relay")?,
            contracts: existing(contracts, "contracts with node packages")?,
        })
    }

    /// The place of the run, whose name tells a later run whether this one still lives.
    fn place(&self) -> Result<PathBuf> {
        let name = format!("ves-chaos-{}", std::process::id());
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let place = parent.join(name);
        std::fs::create_dir_all(&place)?;
        Ok(place.canonicalize()?)
    }
}

fn say(text: &str) {
    eprintln!("{text}");
}

/// Runs what was asked for.
pub(crate) fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(6)
        .enable_all()
        .build();
    let done = runtime
        .context("tokio")
        .and_then(|runtime| runtime.block_on(act(Cli::parse().command)));
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_BROKEN),
        Err(error) => {
            eprintln!("error: {error:#}");
            let unfit = error.downcast_ref::<Unfit>().is_some();
            ExitCode::from(if unfit { EXIT_UNFIT } else { EXIT_FAILED })
        }
    }
}

async fn act(command: Command) -> Result<bool> {
    match command {
        Command::List => {
            for kind in Kind::value_variants() {
                println!("{:16} {}", kind.name(), kind.help());
            }
            Ok(true)
        }
        Command::Check { dir, json } => {
            let report = checker::check(&History::load(&dir)?);
            if json {
                println!("{}", serde_json::to_string(&report)?);
            } else {
                println!("{}", serde_json::to_string_pretty(&report.scope)?);
                for violation in &report.violations {
                    println!("{violation}");
                }
            }
            ensure!(report.scope.nodes > 0, "the history has no exports");
            Ok(report.violations.is_empty())
        }
        Command::Run(run) => schedules(&run).await,
        Command::KillCycles(cycles) => kill_cycles(&cycles).await,
    }
}

/// Tells of a schedule; answers whether all is well.
fn tell(outcome: &Outcome, json: bool) -> Result<bool> {
    let scope = &outcome.report.scope;
    say(&format!(
        "   seed {}: {} events final of {} offered, {} blocks, {} anchors, {} nodes and {} of their blocks \
         compared, {} violations, {} s",
        outcome.seed,
        scope.events,
        scope.offered,
        scope.blocks,
        scope.anchors,
        scope.nodes,
        scope.contents,
        outcome.report.violations.len() + outcome.report.more,
        outcome.seconds
    ));
    for note in &outcome.repaired {
        say(&format!("   repaired: {note}"));
    }
    for violation in &outcome.report.violations {
        say(&format!("   VIOLATION {violation}"));
    }
    if json {
        println!("{}", serde_json::to_string(outcome)?);
    }
    Ok(outcome.report.violations.is_empty())
}

fn begin() -> Result<std::sync::Arc<Guard>> {
    Machine::sweep();
    Machine::check()?;
    Guard::start()
}

/// Faults that cannot be had on this machine, and why. Limits are tried out only if that is asked for.
fn lacking(try_out: bool) -> Vec<(Kind, String)> {
    let limits = [
        (Kind::Processor, Controller::Processor),
        (Kind::Memory, Controller::Memory),
    ];
    let lacks = limits.map(|(kind, what)| Some((kind, Machine::lacks(what, try_out)?)));
    lacks.into_iter().flatten().collect()
}

/// What schedules draw from: what was named, or all that can be had.
fn allowed(named: &[Kind], lacking: &[(Kind, String)]) -> Result<Vec<Kind>, Unfit> {
    let why = |kind: &Kind| lacking.iter().find(|(lacks, _)| lacks == kind);
    if let Some((kind, why)) = named.iter().find_map(why) {
        return Err(Unfit(format!("no {}: {why}", kind.name())));
    }
    if named.is_empty() {
        let all = Kind::value_variants().iter().copied();
        Ok(all.filter(|kind| why(kind).is_none()).collect())
    } else {
        Ok(named.to_vec())
    }
}

/// The same, and says what is left out.
fn allowed_here(run: &Run) -> Result<Vec<Kind>> {
    let lacking = lacking(!run.plan);
    let allowed = allowed(&run.faults, &lacking)?;
    if run.faults.is_empty() {
        for (kind, why) in &lacking {
            let kind = kind.name();
            say(&format!(
                "{kind} is left out, so that a seed draws other faults than elsewhere: {why}"
            ));
        }
    }
    Ok(allowed)
}

fn plan(schedule: &Schedule) {
    println!("seed {}", schedule.seed);
    for step in &schedule.steps {
        let faults: Vec<_> = step.faults.iter().map(|f| f.describe(&NAMES)).collect();
        let seconds = step.lasts.as_secs_f32();
        println!("   {} for {seconds:.1} s", faults.join(", "));
    }
}

/// What is done by this seed.
fn schedule(run: &Run, seed: u64, allowed: &[Kind]) -> Schedule {
    let longest = Duration::from_secs(run.seconds);
    let made = Schedule::make(seed, allowed, run.steps, longest);
    if run.exact {
        made.lasting(longest)
    } else {
        made
    }
}

async fn schedules(run: &Run) -> Result<bool> {
    ensure!(run.schedules > 0, "no schedule was asked for");
    if run.plan {
        let allowed = allowed_here(run)?;
        for seed in run.seed..run.seed + run.schedules {
            plan(&schedule(run, seed, &allowed));
        }
        return Ok(true);
    }
    let tools = run.common.tools()?;
    let guard = begin()?;
    let allowed = allowed_here(run)?;
    let place = run.common.place()?;
    let (mut good, mut seed, end) = (true, run.seed, run.seed + run.schedules);
    while seed < end {
        let mut group = Vec::new();
        while seed < end && (group.len() as u64) < run.per_network.max(1) {
            let schedule = schedule(run, seed, &allowed);
            let last = schedule.faults().any(|fault| fault.kind.is_last());
            group.push(schedule);
            seed += 1;
            if last {
                break;
            }
        }
        let Some(first) = group.first().map(|schedule| schedule.seed) else {
            break;
        };
        let dir = place.join(format!("seed-{first}"));
        std::fs::create_dir_all(&dir)?;
        let small = group.iter().any(|schedule| schedule.has(Kind::DiskFull));
        say(&format!("network for seed {first}"));
        let rate = run.common.rate;
        let mut stage = Stage::start(&guard, &tools, &dir, first, rate, small, say).await?;
        let mut fine = true;
        for schedule in &group {
            say(&format!("schedule of seed {}", schedule.seed));
            let outcome = stage.play(schedule, &dir, run.common.dir.is_some()).await;
            let outcome = outcome
                .with_context(|| format!("seed {}; see {}", schedule.seed, dir.display()))?;
            fine &= tell(&outcome, run.common.json)?;
        }
        drop(stage);
        good &= fine;
        finish(&dir, fine, run.common.dir.is_some())?;
    }
    let _ = std::fs::remove_dir(&place);
    Ok(good)
}

/// Databases go; logs and histories stay if they tell something.
fn finish(dir: &Path, fine: bool, keep: bool) -> Result<()> {
    if fine && !keep {
        std::fs::remove_dir_all(dir)?;
    } else {
        say(&format!("   kept: {}", dir.display()));
    }
    Ok(())
}

async fn kill_cycles(cycles: &KillCycles) -> Result<bool> {
    ensure!(cycles.cycles > 0, "no cycle was asked for");
    let guard = begin()?;
    let tools = cycles.common.tools()?;
    let place = cycles.common.place()?;
    let dir = place.join(format!("kills-{}", cycles.seed));
    std::fs::create_dir_all(&dir)?;
    let (rate, seed) = (cycles.common.rate, cycles.seed);
    let mut stage = Stage::start(&guard, &tools, &dir, seed, rate, false, say).await?;
    let (mut fine, mut done, mut part) = (true, 0, 0);
    while done < cycles.cycles {
        let count = cycles.check_every.max(1).min(cycles.cycles - done);
        let (schedule, next) = Schedule::of_kills(seed, part, count);
        part = next;
        done += count;
        let outcome = stage
            .play(&schedule, &dir, cycles.common.dir.is_some())
            .await;
        let outcome = outcome.with_context(|| format!("see {}", dir.display()))?;
        fine &= tell(&outcome, cycles.common.json)?;
        say(&format!("{done} of {} cycles", cycles.cycles));
    }
    drop(stage);
    finish(&dir, fine, cycles.common.dir.is_some())?;
    let _ = std::fs::remove_dir(&place);
    Ok(fine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn faults_that_the_machine_lacks_are_left_out_or_refused_if_they_were_named() {
        let lacking = [(Kind::Memory, "there is no control group".to_owned())];
        let drawn = allowed(&[], &lacking).unwrap();
        assert!(!drawn.contains(&Kind::Memory) && drawn.contains(&Kind::Processor));
        assert_eq!(drawn.len() + 1, Kind::value_variants().len());
        let error = allowed(&[Kind::Kill, Kind::Memory], &lacking);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("no memory: there is no control group"),
            "{error}"
        );
        assert_eq!(allowed(&[Kind::Kill], &lacking).unwrap(), [Kind::Kill]);
        assert_eq!(allowed(&[Kind::Memory], &[]).unwrap(), [Kind::Memory]);
    }

    #[test]
    fn an_unknown_fault_is_refused_by_name() {
        let error = Cli::try_parse_from(["ves-chaos", "run", "--faults", "kill,flood"]);
        assert!(error.err().unwrap().to_string().contains("flood"));
    }
}
