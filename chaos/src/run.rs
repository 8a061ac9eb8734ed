// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runs schedules against a network under load, waits for what must hold again after each fault, and
//! has the whole history checked.

use crate::{
    checker::{self, CATCH_UP_MAX_MS, RESUME_MAX_MS, Report, Scope},
    contents,
    faults::{Fault, Kind, Schedule, Step},
    history::{ClientEntry, FaultRecord, Finality, History, SkewRecord, StrangerRecord, Verdicts},
    load::{Counts, Door, Load, now_ms},
    network::{ARCHIVE, NAMES, Network, Tools},
    process::Guard,
    record::{self, Watch},
    refused::Skew,
    strike::{self, Strike},
};
use anyhow::{Context, Result};
use serde::Serialize;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use ves_client::{BlockHash, ChainClient};

/// Blocks that one node may be behind another.
const CLOSE: u32 = 4;
/// How long votes cast before a fault may still finalize something.
const GRACE: Duration = Duration::from_secs(6);
/// A node that may have to be repaired is given this long to come back by itself.
const BY_ITSELF: Duration = Duration::from_secs(45);
/// Longest wait for events and anchors at the end.
const SETTLE_MAX: Duration = Duration::from_secs(150);

/// What a schedule came to.
#[derive(Serialize)]
pub(crate) struct Outcome {
    /// Seed of the schedule.
    pub(crate) seed: u64,
    /// Its faults, as they were done.
    pub(crate) faults: Vec<FaultRecord>,
    /// What the checker says.
    #[serde(flatten)]
    pub(crate) report: Report,
    /// The load.
    pub(crate) load: Counts,
    /// Packets carried and lost by the network so far.
    pub(crate) packets: (u64, u64),
    /// Nodes that had to be repaired by hand.
    pub(crate) repaired: Vec<String>,
    /// Length, seconds.
    pub(crate) seconds: u64,
}

/// A network with everything that looks at it.
pub(crate) struct Stage {
    network: Network,
    load: Load,
    watch: Watch,
    faults: Vec<FaultRecord>,
    duplicated: Vec<String>,
    crashed: Vec<String>,
    repaired: Vec<String>,
    /// Clocks that were wrong, with the seed, until their blocks are looked at.
    skews: Vec<(u64, Skew)>,
    skewed: Vec<SkewRecord>,
    strangers: Vec<StrangerRecord>,
    genesis: BlockHash,
    /// What was there when everything was checked last.
    before: Scope,
    say: fn(&str),
}

impl Stage {
    /// Starts it all and waits until it is under load and finalizes.
    pub(crate) async fn start(
        guard: &Arc<Guard>,
        tools: &Tools,
        dir: &Path,
        seed: u64,
        rate: u32,
        small_disk: bool,
        say: fn(&str),
    ) -> Result<Self> {
        let mut network = Network::start(guard, tools, dir, seed, small_disk).await?;
        let urls: Vec<_> = (0..NAMES.len()).map(|node| network.url(node)).collect();
        let watch = Watch::start(urls.clone(), &network.lives);
        wait(Duration::from_secs(90), async || watch.finalized() >= 2)
            .await
            .context("the network does not finalize")?;
        let door = Door::new(network.url(0), None);
        let genesis = door.client().await?.genesis_hash();
        network.set_up_relay(&genesis.to_string())?;
        let load = Load::start(urls, seed, rate).await?;
        Ok(Self {
            network,
            load,
            watch,
            faults: Vec::new(),
            duplicated: Vec::new(),
            crashed: Vec::new(),
            repaired: Vec::new(),
            skews: Vec::new(),
            skewed: Vec::new(),
            strangers: Vec::new(),
            genesis: BlockHash(genesis.0),
            before: Scope::default(),
            say,
        })
    }

    /// Runs a schedule and has everything since the network's start checked.
    pub(crate) async fn play(
        &mut self,
        schedule: &Schedule,
        dir: &Path,
        keep: bool,
    ) -> Result<Outcome> {
        let begun = Instant::now();
        let first = self.faults.len();
        self.load.run(true);
        for step in &schedule.steps {
            self.step(schedule.seed, step).await?;
        }
        let (history, load) = self.gather().await?;
        let report = checker::check_since(&history, &self.before);
        self.before = report.scope;
        if keep || !report.violations.is_empty() {
            history.save(&dir.join("history"))?;
        }
        Ok(Outcome {
            seed: schedule.seed,
            faults: self.faults.get(first..).unwrap_or_default().to_vec(),
            report,
            load,
            packets: self.network.machine.switch.counts(),
            repaired: std::mem::take(&mut self.repaired),
            seconds: begun.elapsed().as_secs(),
        })
    }

    async fn step(&mut self, seed: u64, step: &Step) -> Result<()> {
        tokio::time::sleep(step.quiet).await;
        let text: Vec<_> = step.faults.iter().map(|f| f.describe(&NAMES)).collect();
        let text = text.join(", ");
        let began_ms = now_ms();
        let began_at = self.watch.finalized();
        let begun = Instant::now();
        let mut strikes = Vec::new();
        for fault in &step.faults {
            let strike = Strike::begin(fault, seed, &mut self.network, &self.watch).await;
            strikes.push(strike.with_context(|| text.clone())?);
        }
        let finality = step.faults.iter().map(|fault| fault.kind.finality());
        let finality = finality.reduce(|a, b| match (a, b) {
            (Finality::Stops, _) | (_, Finality::Stops) => Finality::Stops,
            (Finality::MayLag, _) | (_, Finality::MayLag) => Finality::MayLag,
            _ => Finality::GoesOn,
        });
        let finality = finality.unwrap_or(Finality::GoesOn);
        let healed_at_once = step.faults.iter().all(|fault| fault.kind.heals_at_once());
        let lasts = match finality {
            // Long enough to see that nothing becomes final.
            Finality::Stops => step.lasts.max(2 * GRACE),
            // The time until finality is back runs already.
            _ if healed_at_once => Duration::ZERO,
            _ => step.lasts,
        };
        let mut from = None;
        while begun.elapsed() < lasts || from.is_none() {
            for strike in &mut strikes {
                strike
                    .go_on(&mut self.network, &self.watch, self.genesis)
                    .await?;
            }
            if from.is_none() && begun.elapsed() > GRACE.min(lasts / 2) {
                from = Some((self.watch.finalized(), Instant::now()));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let duplicate = |fault: &&Fault| fault.kind == Kind::DuplicateKey;
        if let Some(fault) = step.faults.iter().find(duplicate) {
            self.await_expulsion(fault).await;
        }
        let (from, since) = from.context("nobody looked at finality")?;
        let finalized_during = self.watch.finalized().saturating_sub(from);
        let observed_ms = u64::try_from(since.elapsed().as_millis())?;
        let mut notes = Vec::new();
        for strike in &mut strikes {
            let healed = strike.heal(&mut self.network, &self.watch).await;
            healed.with_context(|| format!("healing {text}"))?;
            notes.append(&mut strike.notes);
            self.skews
                .extend(strike.skew.take().map(|skew| (seed, skew)));
            let seen = strike.stranger.take().map(|stranger| stranger.record());
            self.strangers.extend(seen);
        }
        let healed_ms = now_ms();
        let (resumed_after_ms, caught_up_after_ms) = self.recover(step, healed_ms).await?;
        let shown = |ms: Option<u64>| ms.map_or_else(|| "never".into(), |ms| format!("{ms} ms"));
        (self.say)(&format!(
            "   {text} for {} s: {finalized_during} blocks final meanwhile; finality back after {}, \
             all nodes after {}",
            (healed_ms - began_ms) / 1_000,
            shown(resumed_after_ms),
            shown(caught_up_after_ms)
        ));
        for note in &notes {
            (self.say)(&format!("      {note}"));
        }
        self.faults.push(FaultRecord {
            seed,
            fault: text,
            began_ms,
            healed_ms,
            finality,
            notes,
            began_at,
            finalized_during,
            observed_ms,
            resumed_after_ms,
            caught_up_after_ms,
        });
        Ok(())
    }

    /// Gives the chain the time to notice a key that is used twice.
    async fn await_expulsion(&mut self, fault: &Fault) {
        let name = NAMES.get(fault.order[0]).copied().unwrap_or_default();
        self.duplicated.push(name.to_owned());
        let door = Door::new(self.network.url(fault.order[1]), None);
        let noticed = async || {
            let Ok(client) = door.client().await else {
                return false;
            };
            let expelled = record::expelled(&client).await;
            expelled.is_ok_and(|names| names.iter().any(|expelled| expelled == name))
        };
        // The checker says so if it does not.
        let _ = wait(SETTLE_MAX, noticed).await;
    }

    /// Waits until blocks made after healing are final, and until every node has them.
    async fn recover(&mut self, step: &Step, healed_ms: u64) -> Result<(Option<u64>, Option<u64>)> {
        let begun = Instant::now();
        let target = self.watch.best() + 1;
        let mut resumed = None;
        let mut repaired = false;
        let fault = step.faults.iter().find(|fault| strike::may_end(fault.kind));
        let limit = Duration::from_millis(RESUME_MAX_MS.max(CATCH_UP_MAX_MS));
        while begun.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let tips = self.watch.tips();
            let final_there = |tip: &&record::Tip| tip.finalized >= target;
            if resumed.is_none() && tips.iter().any(|tip| final_there(&tip)) {
                resumed = Some(now_ms() - healed_ms);
            }
            let highest = self.watch.finalized();
            let close = |tip: &record::Tip| {
                tip.at_ms > healed_ms && tip.finalized + CLOSE >= highest && tip.finalized >= target
            };
            if resumed.is_some() && tips.iter().all(close) {
                return Ok((resumed, Some(now_ms() - healed_ms)));
            }
            for node in 0..NAMES.len() {
                let Some(status) = self.network.has_ended(node) else {
                    continue;
                };
                let name = NAMES.get(node).copied().unwrap_or_default();
                match fault.filter(|fault| strike::victim(fault) == node) {
                    Some(fault) => {
                        self.repaired.push(format!("{name} ended: {status}"));
                        strike::repair(&mut self.network, &self.watch, fault).await?;
                        repaired = true;
                    }
                    None => {
                        let log = self.network.log(node).display().to_string();
                        self.crashed
                            .push(format!("{name} ended by itself: {status}; see {log}"));
                        self.network.kill_node(node)?;
                        self.network.start_node(node)?;
                    }
                }
            }
            if let Some(fault) = fault.filter(|_| !repaired && begun.elapsed() > BY_ITSELF) {
                let name = NAMES.get(strike::victim(fault)).copied();
                let name = name.unwrap_or_default();
                self.repaired
                    .push(format!("{name} did not go on by itself"));
                strike::repair(&mut self.network, &self.watch, fault).await?;
                repaired = true;
            }
        }
        Ok((resumed, None))
    }

    /// Quiets the load, lets everything settle, and collects the history.
    async fn gather(&mut self) -> Result<(History, Counts)> {
        let counts = self.load.quiet(SETTLE_MAX).await;
        let (tenant, streams) = self.load.streams();
        // What a client was told may be newer than what the watch has seen.
        let told = self.load.log().iter().filter_map(ClientEntry::block).max();
        let final_now = self.watch.finalized().max(told.unwrap_or_default());
        for node in 0..NAMES.len() {
            let door = Door::new(self.network.url(node), None);
            let ready = async || {
                let Ok(client) = door.client().await else {
                    return false;
                };
                let indexed = record::indexed(&client).await;
                indexed.is_ok_and(|indexed| indexed >= final_now)
            };
            // A node whose store stays behind lacks events, and the checker says which.
            let _ = wait(SETTLE_MAX, ready).await;
        }
        let heights = contents::heights(final_now, self.faults.iter().map(|f| f.began_at));
        let mut exports = Vec::new();
        for (node, name) in NAMES.iter().enumerate() {
            let client = ChainClient::connect(&self.network.url(node), None).await?;
            let mut export = record::export(&client, name, tenant, streams).await?;
            export.held = contents::held(&client, &heights).await;
            exports.push(export);
        }
        let batches = exports.iter().map(|export| export.batches.len()).max();
        let all = batches.unwrap_or_default();
        let settled = wait(SETTLE_MAX, async || {
            let anchors = record::anchors(&self.network).await;
            anchors.is_ok_and(|anchors| anchors.len() >= all)
        });
        let relay_settled = settled.await.is_ok();
        let archive = ChainClient::connect(&self.network.url(ARCHIVE), None).await?;
        for (seed, skew) in std::mem::take(&mut self.skews) {
            self.skewed.push(skew.look(seed, &archive).await?);
        }
        let history = History {
            clients: self.load.log(),
            heads: self.watch.heads(),
            exports,
            anchors: record::anchors(&self.network).await?,
            faults: self.faults.clone(),
            verdicts: Verdicts {
                expelled: record::expelled(&archive).await?,
                duplicated: self.duplicated.clone(),
                relay_settled,
                unknown: counts.waiting,
                crashed: self.crashed.clone(),
                skews: self.skewed.clone(),
                strangers: self.strangers.clone(),
            },
        };
        Ok((history, counts))
    }
}

/// Looks at a condition until it holds.
async fn wait(limit: Duration, mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !holds().await {
        anyhow::ensure!(
            Instant::now() < deadline,
            "not within {} s",
            limit.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}
