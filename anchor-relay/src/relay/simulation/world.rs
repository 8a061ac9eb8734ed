// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Both chains, the clock, the faults, and what may never happen. Everything random is drawn here,
//! from one generator: a seed is a schedule.

use super::{
    appchain::Appchain,
    l2::{L2, Owner, Rules, Tx},
    registry::Write,
    rpc::Lie,
};
use crate::{
    Point,
    clock::simulated,
    journal::Retention,
    plan::Head,
    sink::{Confirmation, Refusal, same_proof},
};
use alloy::primitives::{Address, B256};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash},
    panic::resume_unwind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use ves_primitives::BatchId;

/// So short that it matters. A proof may come at any time, and the budget is of a day.
const SHORT_RETENTION: Retention = Retention {
    proven: 2,
    unproven: u32::MAX,
    sends_ms: 25 * 60 * 60 * 1_000,
};

/// What a process that stops leaves behind: nothing but its journal.
pub(super) struct Crash;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    Answered,
    /// It never arrives.
    Lost,
    /// It arrives, the answer does not.
    AnswerLost,
    /// It arrives twice.
    Twice,
    /// It arrives later, without an answer.
    Late,
    /// The relay stops before it.
    CrashBefore,
    /// The relay stops after it.
    CrashAfter,
}

/// One relay as the world sees it.
pub(super) struct Actor {
    pub(super) address: Address,
    /// How many blocks each of its endpoints lags behind.
    pub(super) lags: Vec<u64>,
    /// The height that each endpoint shows; the final one never goes back.
    finals: Vec<u64>,
    /// Gwei it may spend in a day.
    pub(super) budget: Option<u64>,
    /// Nothing new may be sent: the budget was spent when the look began.
    pub(super) frugal: bool,
    /// The last undisturbed look began with the budget spent.
    pub(super) knew: bool,
    /// What its appchain node says that is not so.
    pub(super) lie: Option<Lie>,
    /// Blocks that its appchain node lags behind.
    pub(super) app_lag: u32,
    /// Faults since the look began.
    pub(super) faults: u32,
}

pub(super) struct World {
    pub(super) rng: StdRng,
    pub(super) passed: Duration,
    pub(super) l2: L2,
    pub(super) appchain: Appchain,
    pub(super) actors: Vec<Actor>,
    /// Requests fail, relays stop, chains move while a relay looks.
    pub(super) troubled: bool,
    /// How rare faults are: of so many requests, eighteen have one.
    one_in: u16,
    /// How the confirmed block is told.
    pub(super) confirmation: Confirmation,
    /// Does each relay ask a second endpoint about what is done?
    pub(super) witness: bool,
    /// How long journals keep what is final.
    pub(super) retention: Retention,
    /// The call of each nonce that was ever announced.
    announced: BTreeMap<(Address, u64), Vec<u8>>,
    late: Vec<Tx>,
    pub(super) log: DefaultHasher,
    pub(super) trace: Option<Vec<String>>,
    /// What went wrong.
    pub(super) violations: Vec<String>,
    pub(super) stats: Stats,
}

/// What a schedule contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) crashes: u64,
    pub(super) faults: u64,
    pub(super) reorgs: u64,
    pub(super) batches: u64,
    pub(super) proofs: u64,
    pub(super) transactions: u64,
    pub(super) reverts: u64,
    pub(super) halts: u64,
    /// Times the owner took away the right to write.
    pub(super) closures: u64,
    /// Times a transfer to itself was announced.
    pub(super) fillers: u64,
}

impl Stats {
    pub(super) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.faults += other.faults;
        self.reorgs += other.reorgs;
        self.batches += other.batches;
        self.proofs += other.proofs;
        self.transactions += other.transactions;
        self.reverts += other.reverts;
        self.halts += other.halts;
        self.closures += other.closures;
        self.fillers += other.fillers;
    }
}

#[derive(Clone)]
pub(super) struct Shared(pub(super) Arc<Mutex<World>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A relay passes a point; it may be its last.
    pub(super) fn at(&self, relay: usize, point: Point) {
        let mut world = self.lock();
        world.note("point", &(relay, format!("{point:?}")));
        if world.troubled && world.rng.gen_bool(0.01) {
            world.stats.crashes += 1;
            drop(world);
            resume_unwind(Box::new(Crash));
        }
    }
}

impl World {
    pub(super) fn new(seed: u64, addresses: &[Address], trace: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rules = Rules {
            final_after: rng.gen_range(2..12),
            pool_survives_reorgs: rng.gen_bool(0.5),
            refuses_cheap: rng.gen_bool(0.3),
            remembers_orphans: rng.gen_bool(0.3),
            strict_genesis: false,
            reorgs: true,
            // Enough for one batch or proof in any case, for many together not always.
            block_gas: if rng.gen_bool(0.2) {
                450_000
            } else {
                30_000_000
            },
        };
        // Without strict genesis a reorg of what counts as confirmed can make a hole that nobody fills:
        // the first batch fails where it stood before, and the next one, on its way, does not. So it is
        // final there.
        let rules = match rng.gen_range(0..4u8) {
            0 => Rules {
                reorgs: false,
                ..rules
            },
            1 => rules,
            _ => Rules {
                strict_genesis: true,
                ..rules
            },
        };
        let confirmation = match rng.gen_range(0..4u8) {
            _ if rules.reorgs && !rules.strict_genesis => Confirmation::Finalized,
            0 => Confirmation::Blocks(rng.gen_range(1..4)),
            1 => Confirmation::Safe,
            _ => Confirmation::Finalized,
        };
        let actors = addresses.iter().map(|address| {
            let endpoints = rng.gen_range(1..3);
            Actor {
                address: *address,
                lags: vec![0; endpoints],
                finals: vec![0; endpoints],
                // Some transactions a day at least, or the days of patience are not enough for all of them.
                budget: rng.gen_bool(0.2).then(|| rng.gen_range(80_000..400_000)),
                frugal: false,
                knew: false,
                lie: None,
                app_lag: 0,
                faults: 0,
            }
        });
        let actors: Vec<Actor> = actors.collect();
        let streams = rng.gen_range(1..5);
        let one_in = if rng.gen_bool(0.3) { 250 } else { 1000 };
        simulated::set(Duration::ZERO);
        Self {
            l2: L2::new(rules, addresses, super::FUNDS),
            appchain: Appchain::new(streams),
            rng,
            passed: Duration::ZERO,
            actors,
            troubled: true,
            one_in,
            confirmation,
            witness: seed.is_multiple_of(5),
            retention: if seed.is_multiple_of(2) {
                Retention::default()
            } else {
                SHORT_RETENTION
            },
            announced: BTreeMap::new(),
            late: Vec::new(),
            log: DefaultHasher::new(),
            trace: trace.then(Vec::new),
            violations: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Everything observable goes into the trace.
    pub(super) fn note(&mut self, what: &str, detail: &impl Debug) {
        let line = format!("{:?} {what} {detail:?}", self.passed);
        line.hash(&mut self.log);
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    pub(super) fn violation(&mut self, text: String) {
        self.note("VIOLATION", &text);
        self.violations.push(text);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.passed += time;
        simulated::set(self.passed);
    }

    /// What becomes of the next request of a relay. Chains may move before it.
    pub(super) fn fate(&mut self, relay: usize) -> Fate {
        if !self.troubled {
            return Fate::Answered;
        }
        if self.rng.gen_bool(0.02) {
            self.nudge();
        }
        let fate = match self.rng.gen_range(0..self.one_in) {
            0..=4 => Fate::Lost,
            5..=7 => Fate::AnswerLost,
            8..=11 => Fate::Twice,
            12..=13 => Fate::Late,
            14..=15 => Fate::CrashBefore,
            16..=17 => Fate::CrashAfter,
            _ => Fate::Answered,
        };
        if fate != Fate::Answered {
            self.note("fate", &(relay, fate));
            self.stats.faults += 1;
            self.actors[relay].faults += 1;
        }
        if matches!(fate, Fate::CrashBefore | Fate::CrashAfter) {
            self.stats.crashes += 1;
        }
        fate
    }

    /// The L2 moves while a relay looks at it.
    fn nudge(&mut self) {
        for actor in &mut self.actors {
            actor.faults += 1;
        }
        if self.rng.gen_bool(0.7) {
            self.mine();
        } else {
            self.reorg();
        }
    }

    pub(super) fn mine(&mut self) {
        let late = std::mem::take(&mut self.late);
        for tx in late {
            let _ = self.l2.accept(tx);
        }
        self.l2.mine(&mut self.rng);
        let head = (self.l2.head().number, self.l2.head().hash);
        self.note("mined", &(head, self.l2.head().mined.len()));
    }

    pub(super) fn reorg(&mut self) {
        if !self.l2.rules.reorgs {
            return;
        }
        let depth = self.rng.gen_range(1..=10);
        let new = self.rng.gen_range(0..=depth + 1);
        let depth = self.l2.reorg(&mut self.rng, depth, new);
        self.stats.reorgs += u64::from(depth > 0);
        self.note("reorg", &(depth, new, self.l2.head().hash));
    }

    pub(super) fn owner(&mut self, action: Owner) {
        let closes = matches!(action, Owner::Pause(true) | Owner::Authorise(_, false));
        self.stats.closures += u64::from(closes);
        self.note("owner", &action);
        self.l2.owner(action);
    }

    /// The height that an endpoint shows as its head.
    pub(super) fn view(&self, relay: usize, endpoint: usize) -> u64 {
        let head = self.l2.head().number;
        head.saturating_sub(self.actors[relay].lags[endpoint])
    }

    /// The height that an endpoint shows as final.
    pub(super) fn final_view(&mut self, relay: usize, endpoint: usize) -> u64 {
        let shown = self.l2.finalized.min(self.view(relay, endpoint));
        let known = &mut self.actors[relay].finals[endpoint];
        *known = (*known).max(shown);
        *known
    }

    /// A signed transaction reaches a node.
    pub(super) fn announce(&mut self, relay: usize, raw: &[u8]) -> Result<(), &'static str> {
        let from = self.actors[relay].address;
        let Some(tx) = Tx::decode(from, raw) else {
            self.violation(format!("relay {relay} sent what is no transaction"));
            return Err("cannot decode");
        };
        self.note("announced", &(relay, tx.nonce, tx.max_fee, tx.hash));
        self.judge_call(relay, &tx);
        if tx.filler {
            return self.l2.accept(tx);
        }
        match self.announced.insert((from, tx.nonce), tx.call.clone()) {
            None => {
                self.stats.transactions += 1;
                if self.actors[relay].frugal && self.actors[relay].faults == 0 {
                    self.violation(format!(
                        "relay {relay} sent nonce {} although its daily budget was spent",
                        tx.nonce
                    ));
                }
            }
            Some(before) if before != tx.call => {
                let what = format!("nonce {} of relay {relay} has carried two calls", tx.nonce);
                self.violation(what);
            }
            Some(_) => {}
        }
        self.l2.accept(tx)
    }

    /// The same, but it arrives with the next block only.
    pub(super) fn announce_late(&mut self, relay: usize, raw: &[u8]) {
        let from = self.actors[relay].address;
        if let Some(tx) = Tx::decode(from, raw) {
            self.judge_call(relay, &tx);
            if !tx.filler {
                self.announced
                    .entry((from, tx.nonce))
                    .or_insert_with(|| tx.call.clone());
            }
            self.late.push(tx);
        }
    }

    /// R4: nothing is sent but what is final, unchanged.
    fn judge_call(&mut self, relay: usize, tx: &Tx) {
        if tx.filler {
            self.stats.fillers += 1;
            if self.l2.rules.block_gas > 1_000_000 {
                self.violation(format!("relay {relay} filled a nonce without a reason"));
            }
            return;
        }
        let Some(write) = Write::decode(&tx.call) else {
            self.violation(format!("relay {relay} sent a call that commits nothing"));
            return;
        };
        for batch in write.batches() {
            let known = self.appchain.final_batches.get(&BatchId(batch.batchId.0));
            let same = known.is_some_and(|known| {
                let call = crate::sink::commit_call(known);
                call.tenantId == batch.tenantId
                    && call.storeId == batch.storeId
                    && call.eventsRoot == batch.eventsRoot
                    && call.prevStateRoot == batch.prevStateRoot
                    && call.newStateRoot == batch.newStateRoot
                    && call.sequenceStart == batch.sequenceStart
                    && call.sequenceEnd == batch.sequenceEnd
                    && call.eventCount == batch.eventCount
            });
            if !same {
                let id = batch.batchId;
                self.violation(format!(
                    "relay {relay} sent {id}, which is not a final batch"
                ));
            }
        }
        if let Some((batch, proof)) = write.proof() {
            let known = self.appchain.final_proofs.get(&BatchId(batch.0));
            if !known.is_some_and(|known| same_proof(proof, known)) {
                self.violation(format!(
                    "relay {relay} sent a proof of {batch} that is not final"
                ));
            }
        }
    }

    /// Is a batch in the contract at the block that counts as confirmed?
    pub(super) fn is_confirmed(&self, batch: &BatchId, at: u64) -> bool {
        let block = self.l2.block(at);
        block.is_some_and(|block| {
            let batches = &block.state.registry.batches;
            batches.contains_key(&B256::new(batch.0))
        })
    }

    /// R4 on the chain as it is now: every final batch and proof, once, in order, equal. Gives what
    /// is missing.
    pub(super) fn unanchored(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let at = self.l2.finalized;
        let registry = &self.l2.block(at).unwrap().state.registry;
        let mut tips = BTreeMap::new();
        for (id, batch) in &self.appchain.final_batches {
            let record = registry.batches.get(&B256::new(id.0));
            match record {
                None => missing.push(format!(
                    "batch {} of {}",
                    batch.batch_index,
                    batch.stream_id()
                )),
                Some((record, _)) if !crate::sink::same_record(record, batch) => {
                    missing.push(format!("batch {id} is in the contract with other fields"));
                }
                Some(_) => {}
            }
            let tip = tips.entry(batch.stream_id()).or_insert(batch);
            if batch.sequence_end > tip.sequence_end {
                *tip = batch;
            }
        }
        for tip in tips.values() {
            let call = crate::sink::commit_call(tip);
            let (sequence, root) = registry.head(call.tenantId, call.storeId);
            let expected = Head {
                sequence: tip.sequence_end,
                state_root: tip.new_state_root,
            };
            if sequence != expected.sequence || root.0 != expected.state_root.0 {
                missing.push(format!("head of {} is {sequence}", tip.stream_id()));
            }
        }
        for (id, proof) in &self.appchain.final_proofs {
            let held = registry.proofs.get(&B256::new(id.0));
            if !held.is_some_and(|held| same_proof(held, proof)) {
                missing.push(format!("proof of batch {id}"));
            }
        }
        if registry.batches.len() > self.appchain.final_batches.len() {
            missing.push("the contract holds more than what is final".into());
        }
        missing
    }

    /// Reverts on the chain as it is, told apart: those that say that it was there already, others.
    pub(super) fn wasted(&self) -> (usize, usize) {
        let twice = |refusal: &Refusal| {
            matches!(
                refusal,
                Refusal::AlreadyCommitted | Refusal::ProofAlreadyCommitted
            )
        };
        let (mut double, mut other) = (0, 0);
        for (_, refusal) in self.l2.reverts() {
            if twice(refusal) {
                double += 1;
            } else {
                other += 1;
            }
        }
        (double, other)
    }
}
