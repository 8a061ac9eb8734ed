// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay under simulation: its own code and its own SQL, with the L2, the appchain, the clock
//! and every failure drawn from one seed (ADR 0055).
//!
//! The relay runs from [`AnchorLoop::look`] and [`Walker::advance`] down to the JSON-RPC requests.
//! Below them is a model of the L2 with the contract's rules. A stop of the process unwinds it at a
//! request or at a [`Point`]; what is committed to the journal stays, everything else is gone.
//!
//! A failure names its seed, and `VES_SEED=<seed>` plays that schedule again and prints what
//! happened; `VES_SCHEDULES` and `VES_FIRST_SEED` choose others.

mod appchain;
mod bugs;
mod cases;
mod l2;
mod lasting;
mod registry;
mod rpc;
mod world;

use super::{AnchorLoop, Settings};
use crate::{
    Observer,
    journal::Journal,
    metrics,
    sink::{Chain, Confirmation, FeeLimits, Identity, Key, SendPolicy},
    source::{Progress, WalkError, Walker},
};
use alloy::{primitives::Address, providers::RootProvider, rpc::client::RpcClient};
use bugs::Bug;
use futures::FutureExt;
use l2::Owner;
use rand::Rng;
use rpc::{AppNode, Endpoint, Lie};
use std::{
    hash::Hasher,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex},
    time::Duration,
};
use world::{Crash, Shared, Stats, World};

const CHAIN_ID: u64 = 10;
const REGISTRY: Address = Address::repeat_byte(0x5e);
/// What each sender has, wei.
const FUNDS: u128 = 1_000_000_000_000_000_000;
/// Looks after the last fault until everything must be anchored.
const PATIENCE: u32 = 400;
const DAY: Duration = Duration::from_secs(25 * 60 * 60);
const KEYS: [&str; 2] = [
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];

/// One relay: what lives and what its journal keeps.
struct Running {
    number: usize,
    world: Shared,
    journal: Arc<Journal>,
    key: Key,
    settings: Settings,
    node: AppNode,
    metrics: Arc<metrics::Shared>,
    walker: Walker<AppNode>,
    anchor: AnchorLoop,
    bug: Option<Bug>,
    /// Batches that counted as anchored at the last look.
    anchored: u64,
}

impl Running {
    async fn start(world: &Shared, number: usize, settings: Settings, bug: Option<Bug>) -> Self {
        let key = bugs::key(number, bug);
        let journal = Arc::new(Journal::in_memory().await.unwrap());
        let mut settings = settings;
        settings.daily_budget_gwei = world.lock().actors[number].budget;
        bugs::misconfigure(&mut settings, bug);
        let node = AppNode {
            world: world.clone(),
            relay: number,
            best_is_final: bug == Some(Bug::FinalityIgnored),
            skips: (bug == Some(Bug::BlockSkipped)).then_some(2),
        };
        let metrics = Arc::new(metrics::Shared::new().unwrap());
        let walker = Walker::new(node.clone(), settings.genesis);
        let anchor = Self::anchor_loop(world, number, &journal, &key, &settings, &metrics);
        Self {
            number,
            world: world.clone(),
            journal,
            key,
            settings,
            node,
            metrics,
            walker,
            anchor,
            bug,
            anchored: 0,
        }
    }

    fn anchor_loop(
        world: &Shared,
        number: usize,
        journal: &Arc<Journal>,
        key: &Key,
        settings: &Settings,
        metrics: &Arc<metrics::Shared>,
    ) -> AnchorLoop {
        let (endpoints, witness, retention) = {
            let world = world.lock();
            let endpoints = world.actors[number].lags.len();
            (endpoints, world.witness, world.retention)
        };
        let provider = |endpoint| {
            let endpoint = Endpoint {
                world: world.clone(),
                relay: number,
                number: endpoint,
                registry: REGISTRY,
            };
            RootProvider::new(RpcClient::new(endpoint, true))
        };
        let identity = Identity {
            chain_id: CHAIN_ID,
            registry: REGISTRY,
            sender: key.address(),
        };
        let over = |providers| Chain::over(providers, identity, Duration::from_secs(600));
        let mut chain = over((0..endpoints).map(provider).collect());
        if witness {
            chain = chain.witnessed_by(over(vec![provider(endpoints - 1)]));
        }
        let watched = world.clone();
        let mut anchor = AnchorLoop::new(
            Arc::clone(journal),
            Arc::new(chain),
            key.clone(),
            settings.clone(),
            Arc::clone(metrics),
            Observer::new(move |point| watched.at(number, point)),
        );
        anchor.retention = retention;
        anchor
    }

    /// The process ends and starts again: only the journal is left.
    async fn restart(&mut self) {
        self.world.lock().note("restart", &self.number);
        self.walker = Walker::new(self.node.clone(), self.settings.genesis);
        self.anchor = Self::anchor_loop(
            &self.world,
            self.number,
            &self.journal,
            &self.key,
            &self.settings,
            &self.metrics,
        );
        bugs::on_restart(&self.journal, self.bug).await;
    }

    /// Finalized blocks into the journal.
    async fn walk(&mut self) -> Option<Progress> {
        let step = AssertUnwindSafe(self.walker.advance(&self.journal));
        match step.catch_unwind().await {
            Err(payload) => self.stopped(payload).await,
            Ok(Ok(progress)) => return Some(progress),
            Ok(Err(WalkError::Halt(halt))) => {
                {
                    let mut world = self.world.lock();
                    world.stats.halts += 1;
                    if world.actors[self.number].lie.take().is_none() {
                        let what = format!("relay {} halted: {halt}", self.number);
                        world.violation(what);
                    }
                }
                // The operator looks at it and points it at an honest node.
                self.restart().await;
            }
            Ok(Err(WalkError::Unavailable(_))) => {}
            Ok(Err(WalkError::Journal(error))) => {
                self.world.lock().violation(format!("journal: {error}"));
            }
        }
        None
    }

    async fn collect(&mut self) {
        let step = AssertUnwindSafe(self.walker.collect_proofs(&self.journal));
        if let Err(payload) = step.catch_unwind().await {
            self.stopped(payload).await;
        }
    }

    /// One look of the anchor loop, and what must hold after it.
    async fn look(&mut self) {
        bugs::before_look(&self.journal, self.bug).await;
        let over = {
            let mut world = self.world.lock();
            let spent = world.l2.paid(self.key.address()) / 1_000_000_000;
            let today = world.passed < Duration::from_secs(24 * 60 * 60);
            let actor = &mut world.actors[self.number];
            // Later on what was spent first counts no more.
            let over = today && actor.budget.is_some_and(|budget| spent >= budget.into());
            actor.faults = 0;
            // It decides with what it learnt at the look before.
            actor.frugal = over && actor.knew;
            over
        };
        let result = AssertUnwindSafe(self.anchor.look()).catch_unwind().await;
        {
            let mut world = self.world.lock();
            let actor = &mut world.actors[self.number];
            let lags = actor.lags.iter().any(|lag| *lag > 0);
            let clean = matches!(result, Ok(Ok(_))) && actor.faults == 0 && !lags;
            actor.knew = clean && over;
            actor.frugal = false;
        }
        match result {
            Err(payload) => self.stopped(payload).await,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let mut world = self.world.lock();
                world.note("look failed", &error.to_string());
                if !world.troubled {
                    world.violation(format!("a look without faults failed: {error}"));
                }
            }
        }
        self.check_anchored().await;
    }

    /// What counts as anchored is in the contract at the confirmed block.
    async fn check_anchored(&mut self) {
        let (_, anchored) = self.journal.totals().await.unwrap();
        let more = anchored > self.anchored;
        self.anchored = anchored;
        let confirmation = self.world.lock().confirmation;
        // Other rules take reorgs into account that undo what was confirmed.
        if !more || confirmation != Confirmation::Finalized {
            return;
        }
        for (stream, count) in self.journal.anchored_prefixes().await.unwrap() {
            let limit = u32::try_from(count).unwrap();
            let known = self.journal.batches_from(stream, 0, limit).await.unwrap();
            // Some may be forgotten: then later ones are given.
            for batch in known.iter().filter(|batch| batch.batch_index < count) {
                let mut world = self.world.lock();
                let at = world.l2.finalized;
                if !world.is_confirmed(&batch.batch_id, at) {
                    let index = batch.batch_index;
                    let what = format!("batch {index} of {stream} counts as anchored and is not");
                    world.violation(what);
                }
            }
        }
    }

    async fn stopped(&mut self, payload: Box<dyn std::any::Any + Send>) {
        if !payload.is::<Crash>() {
            resume_unwind(payload);
        }
        self.restart().await;
    }

    /// Does the journal say that nothing is left to do?
    async fn is_done(&self) -> bool {
        let (all, anchored) = self.journal.totals().await.unwrap();
        let (proofs, proven, aside) = self.journal.proof_totals().await.unwrap();
        let live = self.journal.live_sends().await.unwrap();
        all == anchored && proofs == proven && aside == 0 && live.is_empty()
    }
}

/// What one schedule came to.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    trace: u64,
    stats: Stats,
    violations: Vec<String>,
    /// Reverts that say that it was there already, and others.
    wasted: (usize, usize),
}

/// Plays the schedule of a seed.
async fn play(seed: u64, bug: Option<Bug>, verbose: bool) -> Outcome {
    let addresses: Vec<Address> = (0..2).map(|n| bugs::key(n, bug).address()).collect();
    let mut world = World::new(seed, &addresses, verbose);
    bugs::mark(&mut world, bug);
    let relays = bugs::relays(&mut world, bug);
    let steps = world.rng.gen_range(15..70);
    let settings = settings(&mut world);
    world.note("settings", &(&settings, world.l2.rules, relays));
    let world = Shared(Arc::new(Mutex::new(world)));
    let mut running = Vec::new();
    for number in 0..relays {
        running.push(Running::start(&world, number, settings.clone(), bug).await);
    }
    for _ in 0..steps {
        step(&world, &mut running).await;
    }
    quiesce(&world, &mut running).await;
    for relay in &running {
        relay.journal.close().await;
    }
    let mut world = world.lock();
    judge_waste(&mut world, relays, &settings);
    world.stats.batches = world.appchain.final_batches.len() as u64;
    world.stats.proofs = world.appchain.final_proofs.len() as u64;
    let wasted = world.wasted();
    world.stats.reverts = (wasted.0 + wasted.1) as u64;
    if verbose && let Some(trace) = &world.trace {
        for line in trace {
            eprintln!("{line}");
        }
    }
    Outcome {
        trace: world.log.finish(),
        stats: world.stats,
        violations: world.violations.clone(),
        wasted,
    }
}

fn settings(world: &mut World) -> Settings {
    let rng = &mut world.rng;
    Settings {
        confirmation: world.confirmation,
        window: rng.gen_range(1..6),
        per_stream: rng.gen_range(1..6),
        max_batches: rng.gen_range(1..8),
        proof_wait: Duration::from_secs(if rng.gen_bool(0.3) { 5 } else { 0 }),
        daily_budget_gwei: None,
        approved: Vec::new(),
        poll: Duration::from_secs(1),
        genesis: Some(appchain::GENESIS),
        min_balance: 0,
        send: SendPolicy {
            fees: FeeLimits {
                min_tip: 1_000_000,
                min_fee: 10_000_000,
                max_fee: 200_000_000_000,
                max_multiple: 5,
                multiple_from: 1_000_000_000,
            },
            gas_default: 300_000,
            gas_cap: 10_000_000,
            bump_after: Duration::from_secs(12),
        },
    }
}

/// One step of a schedule.
async fn step(shared: &Shared, running: &mut [Running]) {
    let (what, relay) = {
        let mut world = shared.lock();
        let relay = world.rng.gen_range(0..running.len());
        (world.rng.gen_range(0..100u8), relay)
    };
    match what {
        0..=24 => running[relay].look().await,
        25..=38 => {
            let _ = running[relay].walk().await;
        }
        39..=44 => running[relay].collect().await,
        45..=46 => {
            shared.lock().stats.crashes += 1;
            running[relay].restart().await;
        }
        _ => {
            let mut world = shared.lock();
            let world = &mut *world;
            move_chains(world, what, relay);
        }
    }
}

fn move_chains(world: &mut World, what: u8, relay: usize) {
    let address = world.actors[relay].address;
    match what {
        47..=57 => world.appchain.produce(&mut world.rng),
        58..=65 => {
            let head = world.appchain.head();
            let to = world.rng.gen_range(world.appchain.finalized..=head);
            world.appchain.finalize(to);
        }
        66..=67 => world.appchain.fork(&mut world.rng),
        68..=79 => world.mine(),
        80..=82 => world.reorg(),
        83..=88 => {
            let seconds = world.rng.gen_range(1..30);
            world.pass(Duration::from_secs(seconds));
        }
        89..=90 => {
            let exponent = world.rng.gen_range(8..12);
            world.l2.base_fee = 10u128.pow(exponent) * 3;
        }
        91 => world.owner(Owner::Pause(true)),
        92 => world.owner(Owner::Pause(false)),
        93 => {
            let right = world.rng.gen_bool(0.6);
            world.owner(Owner::Authorise(address, right));
        }
        94 => world.l2.lose(&mut world.rng),
        95 => {
            let balance = if world.rng.gen_bool(0.5) { 0 } else { FUNDS };
            world.owner(Owner::Fund(address, balance));
        }
        96..=97 => {
            let lag = world.rng.gen_range(0..5);
            let endpoint = world.rng.gen_range(0..world.actors[relay].lags.len());
            world.actors[relay].lags[endpoint] = lag;
        }
        98 => world.actors[relay].app_lag = world.rng.gen_range(0..3),
        _ => {
            let lies = [Lie::Genesis, Lie::Fork, Lie::Batch, Lie::Newer];
            world.actors[relay].lie = Some(lies[world.rng.gen_range(0..lies.len())]);
        }
    }
    let state = (
        world.appchain.head(),
        world.appchain.finalized,
        world.l2.head().number,
        world.l2.base_fee,
    );
    world.note("moved", &(what, relay, state));
}

/// The faults stop. Before long everything final must be anchored and every journal must know it.
async fn quiesce(shared: &Shared, running: &mut [Running]) {
    {
        let mut world = shared.lock();
        let world = &mut *world;
        world.note("quiet", &());
        world.troubled = false;
        world.l2.base_fee = l2::CALM_BASE_FEE;
        let head = world.appchain.head();
        world.appchain.finalize(head);
        world.owner(Owner::Pause(false));
        for actor in &mut world.actors {
            actor.lags.fill(0);
            actor.lie = None;
            actor.app_lag = 0;
            world.l2.owner(Owner::Authorise(actor.address, true));
            world.l2.owner(Owner::Fund(actor.address, FUNDS));
        }
    }
    let mut missing = Vec::new();
    for round in 0..PATIENCE {
        for relay in running.iter_mut() {
            while relay.walk().await.is_some_and(|progress| progress.behind()) {}
            relay.collect().await;
            relay.look().await;
        }
        {
            let mut world = shared.lock();
            world.mine();
            world.mine();
            // Budgets are of a day.
            let time = Duration::from_secs(20);
            world.pass(if round % 40 == 39 { DAY } else { time });
            missing = world.unanchored();
            if !world.violations.is_empty() {
                return;
            }
        }
        if missing.is_empty() {
            let mut done = true;
            for relay in running.iter() {
                done &= relay.is_done().await;
            }
            if done {
                return;
            }
        }
    }
    let mut why = missing;
    for relay in running.iter() {
        for row in relay.journal.streams().await.unwrap() {
            if let Some(reason) = row.quarantine {
                why.push(format!("relay {}: {reason}", relay.number));
            }
        }
    }
    shared.lock().violation(format!(
        "not everything is anchored after {PATIENCE} looks: {why:?}"
    ));
}

/// What was paid for nothing is bounded by what caused it.
fn judge_waste(world: &mut World, relays: usize, settings: &Settings) {
    let (double, other) = world.wasted();
    // One relay never sends what is there, unless a reorg undoes a failure after it has sent again what that
    // one carried. Of two the slower one may lose each race once.
    let items = world.appchain.final_batches.len() + world.appchain.final_proofs.len();
    let races = match relays {
        1 => world.l2.revived() * settings.max_batches,
        _ => items,
    };
    if double > races {
        world.violation(format!(
            "{double} transactions reverted: it was there already"
        ));
    }
    // What is on its way when the contract closes fails, once; what follows it in its stream too.
    let closures = usize::try_from(world.stats.closures).unwrap();
    // So may what a reorg puts behind the closing.
    let moved = if closures == 0 {
        0
    } else {
        world.l2.taken_back
    };
    let caught = closures * settings.window * relays + moved + races;
    if other > caught {
        world.violation(format!(
            "{other} transactions reverted, {caught} had a reason to"
        ));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Schedules that once broke a promise: a reorg deeper than `safe` puts a transaction that counts as
/// settled behind a pause, where it fails; a nonce is being filled, and what would build on its batches is sent.
const REGRESSIONS: [u64; 2] = [1296, 23354];
/// Failing schedules after which a run ends.
const MOST_FAILURES: usize = 10;
/// Schedules of a short run.
const SHORT: u64 = 60;

#[test]
fn r4_seeds_keep_every_promise() {
    let runtime = runtime();
    if let Some(seed) = number("VES_SEED") {
        let outcome = runtime.block_on(play(seed, None, true));
        assert_eq!(outcome.violations, Vec::<String>::new(), "VES_SEED={seed}");
        return;
    }
    let first = number("VES_FIRST_SEED").unwrap_or(1);
    let count = number("VES_SCHEDULES").unwrap_or(SHORT);
    let begun = std::time::Instant::now();
    let mut stats = Stats::default();
    let mut wasted = (0, 0);
    let mut failures = Vec::new();
    for seed in (first..first + count).chain(REGRESSIONS) {
        let outcome = runtime.block_on(play(seed, None, false));
        if !outcome.violations.is_empty() {
            failures.push(format!("VES_SEED={seed}: {:?}", outcome.violations));
            if failures.len() == MOST_FAILURES {
                break;
            }
        }
        stats.add(&outcome.stats);
        wasted = (
            wasted.0.max(outcome.wasted.0),
            wasted.1.max(outcome.wasted.1),
        );
    }
    println!(
        "{count} schedules from seed {first} in {:?}, most reverts {wasted:?}: {stats:?}",
        begun.elapsed()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_seed_is_a_schedule() {
    let runtime = runtime();
    let mut traces = Vec::new();
    for seed in 1..=8 {
        let once = runtime.block_on(play(seed, None, false));
        let again = runtime.block_on(play(seed, None, false));
        assert_eq!(once, again, "VES_SEED={seed}");
        traces.push(once.trace);
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 8);
}

#[test]
fn the_simulation_finds_every_seeded_bug() {
    let runtime = runtime();
    for bug in Bug::ALL {
        let found = (1..=100).find_map(|seed| {
            let outcome = runtime.block_on(play(seed, Some(bug), false));
            let violation = outcome.violations.into_iter().next()?;
            Some((seed, violation))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        println!("{bug:?}: seed {seed}: {violation}");
        assert!(bug.explains(&violation), "{bug:?}: {violation}");
    }
}
