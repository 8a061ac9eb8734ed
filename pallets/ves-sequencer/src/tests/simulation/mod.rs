// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Several nodes with the real pallets under simulation: a network that loses, delays, repeats and
//! reorders, authors on forks with clocks of their own, finality that lags, nodes that stop, all
//! drawn from one seed (ADR 0055).
//!
//! A failure names its seed, and `VES_SEED=<seed>` plays that schedule again and prints what
//! happened; `VES_SCHEDULES` and `VES_FIRST_SEED` choose others.

mod bugs;
mod chain;
mod node;

use crate::mock::*;
use bugs::Bug;
use chain::{BEGIN_MS, Block, Call, Ledger, State, fresh};
use node::Node;
use polkadot_sdk::sp_core::H256;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};
use ves_primitives::{EventId, StreamId, SubmittedEvent};

/// Rounds after the last fault until everything must be final.
const PATIENCE: u32 = 12;
/// Schedules of a short run.
const SHORT: u64 = 100;
/// Failing schedules after which a run ends.
const MOST_FAILURES: usize = 10;

enum Message {
    Submit(Rc<Vec<SubmittedEvent>>),
    Block(Block),
    Final(H256),
}

struct Letter {
    to: usize,
    /// Step before which it does not arrive.
    at: u32,
    message: Message,
}

/// What a schedule contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stats {
    blocks: u64,
    /// Blocks that do not extend the author's best one.
    forks: u64,
    reorgs: u64,
    events: u64,
    submissions: u64,
    crashes: u64,
    lost: u64,
}

struct Network {
    rng: StdRng,
    step: u32,
    now_ms: u64,
    nodes: Vec<Node>,
    letters: Vec<Letter>,
    /// What agents want, with the moment of each.
    events: Vec<(SubmittedEvent, u64)>,
    /// What has stood in any block.
    included: BTreeSet<(StreamId, EventId)>,
    calm: bool,
    salt: u64,
    bug: Option<Bug>,
    log: DefaultHasher,
    verbose: bool,
    stats: Stats,
}

type Verdict = Result<(), String>;

impl Network {
    fn new(seed: u64, bug: Option<Bug>, verbose: bool) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let state = State::genesis();
        let genesis = Block {
            hash: H256::repeat_byte(1),
            parent: H256::zero(),
            number: 1,
            timestamp: BEGIN_MS,
            calls: Vec::new(),
            state_root: H256::zero(),
            commitment: None,
        };
        let count = rng.gen_range(2..5);
        let nodes = (0..count).map(|n| Node::new(n, &genesis, state.clone(), bug));
        Self {
            nodes: nodes.collect(),
            rng,
            step: 0,
            now_ms: BEGIN_MS,
            letters: Vec::new(),
            events: Vec::new(),
            included: BTreeSet::new(),
            calm: false,
            salt: 0,
            bug,
            log: DefaultHasher::new(),
            verbose,
            stats: Stats::default(),
        }
    }

    fn note(&mut self, what: &str, detail: &impl Debug) {
        let line = format!("{} {what} {detail:?}", self.step);
        line.hash(&mut self.log);
        if self.verbose {
            eprintln!("{line}");
        }
    }

    /// To all others, each copy with a fate of its own.
    fn tell(&mut self, from: usize, message: impl Fn() -> Message) {
        for to in 0..self.nodes.len() {
            if to == from {
                continue;
            }
            let copies = match self.rng.gen_range(0..20u8) {
                _ if self.calm => 1,
                0..=1 => 0,
                2 => 2,
                _ => 1,
            };
            self.stats.lost += u64::from(copies == 0);
            for _ in 0..copies {
                let late = if self.calm {
                    0
                } else {
                    self.rng.gen_range(0..6)
                };
                self.letters.push(Letter {
                    to,
                    at: self.step + late,
                    message: message(),
                });
            }
        }
    }

    fn deliver(&mut self) -> Verdict {
        let (mut due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.letters)
            .into_iter()
            .partition(|letter| letter.at <= self.step);
        self.letters = later;
        due.shuffle(&mut self.rng);
        for Letter { to, message, .. } in due {
            if !self.nodes[to].up {
                continue;
            }
            match message {
                Message::Submit(events) => self.receive(to, events)?,
                Message::Block(block) => {
                    if let Some(missing) = self.on_node(to, |node, now| node.import(block, now))? {
                        self.fetch(to, missing);
                    }
                }
                Message::Final(hash) => self.on_node(to, |node, _| node.finalize(hash))?,
            }
        }
        for n in 0..self.nodes.len() {
            let missing = self.on_node(n, Node::retry)?;
            for hash in missing {
                self.fetch(n, hash);
            }
        }
        Ok(())
    }

    /// Does something to a node and looks whether it changed chains.
    fn on_node<T>(&mut self, n: usize, f: impl FnOnce(&mut Node, u64) -> T) -> T {
        let now = self.now_ms;
        let node = &mut self.nodes[n];
        let before = node.best;
        let result = f(node, now);
        let (after, finalized) = (node.best, node.finalized);
        if after != before {
            self.stats.reorgs += u64::from(!node.is_below(before, after));
            self.note("best", &(n, after, finalized));
        }
        result
    }

    /// A node asks another one for a block.
    fn fetch(&mut self, to: usize, hash: H256) {
        let found = self.nodes.iter().find_map(|node| node.blocks.get(&hash));
        if let Some(known) = found {
            let block = known.block.clone();
            let late = if self.calm {
                0
            } else {
                self.rng.gen_range(0..4)
            };
            self.letters.push(Letter {
                to,
                at: self.step + late,
                message: Message::Block(block),
            });
        }
    }

    /// A submission arrives at a node, which passes on what it takes.
    fn receive(&mut self, to: usize, events: Rc<Vec<SubmittedEvent>>) -> Verdict {
        let taken = self.nodes[to].submit(Rc::clone(&events))?;
        self.note("submitted", &(to, events.len(), taken));
        if taken {
            self.tell(to, || Message::Submit(Rc::clone(&events)));
        }
        Ok(())
    }

    // What agents do.

    fn make_event(&mut self) {
        let n = u16::try_from(self.events.len()).expect("few");
        let ms = 1_000 * self.rng.gen_range(0..400u64);
        let created = if self.rng.gen_bool(0.8) {
            self.now_ms
        } else if self.rng.gen_bool(0.5) {
            self.now_ms - ms
        } else {
            self.now_ms + ms
        };
        let other_store = self.rng.gen_bool(0.4);
        // Now and then another event has the id of one that is there already.
        let id = if n > 0 && self.rng.gen_bool(0.1) {
            self.rng.gen_range(0..n)
        } else {
            n
        };
        let event = event_with(id, |e| {
            e.created_at = created_at(created);
            e.entity_id = n.to_string().into_bytes().try_into().expect("short");
            if other_store {
                e.store_id = OTHER_STORE;
            }
        });
        self.stats.events += 1;
        self.events.push((event, created));
    }

    /// Some events, new ones and such that were submitted before, go to a node or two.
    fn submit(&mut self) -> Verdict {
        let fresh = self.rng.gen_range(0..3);
        for _ in 0..fresh {
            self.make_event();
        }
        let count = self.events.len();
        let again = if count == 0 {
            0
        } else {
            self.rng.gen_range(0..3)
        };
        let mut picks: Vec<usize> = (count - fresh..count).collect();
        picks.extend((0..again).map(|_| self.rng.gen_range(0..count)));
        if picks.is_empty() {
            return Ok(());
        }
        picks.shuffle(&mut self.rng);
        let events = picks.iter().map(|at| self.events[*at].0.clone());
        let events = Rc::new(events.collect::<Vec<_>>());
        for _ in 0..self.rng.gen_range(1..3) {
            let to = self.rng.gen_range(0..self.nodes.len());
            if self.nodes[to].up {
                self.stats.submissions += 1;
                self.receive(to, Rc::clone(&events))?;
            }
        }
        Ok(())
    }

    // What nodes do.

    /// A node makes a block, on its best one or on another fork.
    fn author(&mut self, n: usize, extra: Option<Call>) -> Verdict {
        let node = &self.nodes[n];
        let mut on = node.best;
        if !self.calm && self.rng.gen_bool(0.25) {
            let leaves = node.leaves();
            on = leaves[self.rng.gen_range(0..leaves.len())];
            // Or beside its best block.
            let parent = node.known(on).block.parent;
            if self.rng.gen_bool(0.5) && on != node.finalized && node.blocks.contains_key(&parent) {
                on = parent;
            }
        }
        self.stats.forks += u64::from(on != node.best);
        let known = node.known(on);
        let number = known.block.number + 1;
        let timestamp = node.clock(self.now_ms).max(known.block.timestamp + 1);
        let mut calls = node.offers();
        calls.shuffle(&mut self.rng);
        if !self.calm {
            calls.truncate(self.rng.gen_range(0..4));
        }
        calls.extend(extra);
        let executed = known.state.execute(on, number, timestamp, &calls, self.bug);
        let ledger = known.ledger.read(&executed)?;
        for (stream, events) in &ledger.streams {
            self.included.extend(events.iter().map(|id| (*stream, *id)));
        }
        self.salt += 1;
        let block = Block {
            hash: chain::hash(on, number, timestamp, &executed, self.salt),
            parent: on,
            number,
            timestamp,
            calls: executed.calls.clone(),
            state_root: executed.state_root,
            commitment: executed.commitment,
        };
        self.stats.blocks += 1;
        self.note("block", &(n, number, block.hash, block.calls.len()));
        let told = block.clone();
        self.on_node(n, |node, _| node.adopt(block, executed.state, ledger))?;
        self.tell(n, || Message::Block(told.clone()));
        Ok(())
    }

    /// A block becomes final that more than two thirds have on their best chains.
    fn finalize(&mut self) -> Verdict {
        let n = self.rng.gen_range(0..self.nodes.len());
        let node = &self.nodes[n];
        let from = node.known(node.finalized).block.number;
        let to = self.rng.gen_range(from..=node.height());
        let to = if self.calm { node.height() } else { to };
        let Some(hash) = node.ancestor(node.best, to) else {
            return Ok(());
        };
        let have = self.nodes.iter().filter(|node| {
            node.up && node.blocks.contains_key(&hash) && node.is_below(hash, node.best)
        });
        if have.count() * 3 <= self.nodes.len() * 2 {
            return Ok(());
        }
        // Votes lock: whoever voted for it follows no other chain.
        self.note("final", &(to, hash));
        for n in 0..self.nodes.len() {
            let node = &self.nodes[n];
            if node.up && node.blocks.contains_key(&hash) && node.is_below(hash, node.best) {
                self.on_node(n, |node, _| node.finalize(hash))?;
            }
        }
        self.tell(usize::MAX, || Message::Final(hash));
        Ok(())
    }

    fn act(&mut self) -> Verdict {
        let n = self.rng.gen_range(0..self.nodes.len());
        match self.rng.gen_range(0..100u8) {
            0..=34 => self.submit()?,
            35..=69 => {
                if self.nodes[n].up {
                    let suspend = self.rng.gen_bool(0.06);
                    let call = suspend.then(|| Call::Suspend(self.rng.gen_bool(0.5)));
                    self.author(n, call)?;
                }
            }
            70..=84 => self.finalize()?,
            85..=88 => {
                self.stats.crashes += 1;
                self.note("crash", &n);
                self.nodes[n].crash();
            }
            89..=94 => self.nodes[n].up = true,
            _ => self.nodes[n].skew_ms = self.rng.gen_range(-60_000..60_000),
        }
        Ok(())
    }

    fn check(&self) -> Verdict {
        // R3: what is final anywhere is on one chain.
        let finals: BTreeMap<u64, H256> = self
            .nodes
            .iter()
            .map(|node| (node.known(node.finalized).block.number, node.finalized))
            .collect();
        for node in &self.nodes {
            let number = node.known(node.finalized).block.number;
            for (below, hash) in finals.range(..=number) {
                if node.ancestor(node.finalized, *below) != Some(*hash) {
                    return Err(format!("two blocks {below} are final"));
                }
            }
            if !node.is_below(node.finalized, node.best) {
                return Err(format!("node {} left a final block", node.number));
            }
        }
        Ok(())
    }

    fn play(&mut self) -> Verdict {
        for _ in 0..self.rng.gen_range(15..45) {
            self.step += 1;
            self.now_ms += 1_000 * self.rng.gen_range(1..4u64);
            self.act()?;
            self.deliver()?;
            self.check()?;
        }
        self.quiesce()
    }

    /// The faults stop. Before long every event that is fresh enough is final, once, everywhere.
    fn quiesce(&mut self) -> Verdict {
        self.calm = true;
        self.note("calm", &());
        for node in &mut self.nodes {
            node.up = true;
            node.skew_ms = 0;
        }
        let mut missing = Vec::new();
        for round in 0..PATIENCE {
            self.step += 10;
            self.now_ms += 10_000;
            self.meet();
            self.deliver()?;
            // Whoever has no answer submits again.
            missing = self.missing();
            for event in missing.clone() {
                let envelope = &event.envelope;
                let stood = self
                    .included
                    .contains(&(envelope.stream_id(), envelope.event_id));
                if self.bug == Some(Bug::NotSubmittedAgain) && stood {
                    continue;
                }
                self.receive(0, Rc::new(vec![event]))?;
            }
            for _ in 0..4 {
                self.deliver()?;
            }
            // Again each time: a re-org may take it back.
            let call = Some(Call::Suspend(false));
            let author = usize::try_from(round).expect("few") % self.nodes.len();
            self.author(author, call)?;
            for _ in 0..4 {
                self.deliver()?;
            }
            self.finalize()?;
            self.deliver()?;
            self.check()?;
            let finalized = self.nodes[0].finalized;
            if missing.is_empty() && self.nodes.iter().all(|node| node.finalized == finalized) {
                break;
            }
        }
        if !missing.is_empty() {
            return Err(format!("{} events never became final", missing.len()));
        }
        let first = &self.nodes[0];
        for node in &self.nodes {
            if node.finalized != first.finalized {
                return Err("the nodes do not come together again".into());
            }
            node.known(node.finalized).state.check()?;
        }
        Ok(())
    }

    /// Every node asks the others for what it lacks.
    fn meet(&mut self) {
        let best: Vec<(usize, H256)> = self.nodes.iter().map(|n| (n.number, n.best)).collect();
        for to in 0..self.nodes.len() {
            for (from, best) in &best {
                let mut at = *best;
                while !self.nodes[to].blocks.contains_key(&at) {
                    self.fetch(to, at);
                    at = self.nodes[*from].known(at).block.parent;
                }
                let finalized = self.nodes[*from].finalized;
                self.letters.push(Letter {
                    to,
                    at: self.step,
                    message: Message::Final(finalized),
                });
            }
        }
    }

    /// Events that could still be sequenced and are not final.
    fn missing(&self) -> Vec<SubmittedEvent> {
        let node = &self.nodes[0];
        let ledger: &Ledger = &node.known(node.finalized).ledger;
        let mut ids: BTreeMap<(StreamId, EventId), &SubmittedEvent> = BTreeMap::new();
        // Late in the window now is too late in the next block.
        let soon = self.now_ms + 60_000;
        for (event, created) in &self.events {
            if fresh(*created, self.now_ms) && fresh(*created, soon) {
                let envelope = &event.envelope;
                ids.entry((envelope.stream_id(), envelope.event_id))
                    .or_insert(event);
            }
        }
        ids.into_iter()
            .filter(|((stream, id), _)| !ledger.holds(*stream, id))
            .map(|(_, event)| event.clone())
            .collect()
    }
}

/// Plays the schedule of a seed: its trace, what it contained, what went wrong.
fn play(seed: u64, bug: Option<Bug>, verbose: bool) -> (u64, Stats, Verdict) {
    let mut network = Network::new(seed, bug, verbose);
    let verdict = network.play();
    (network.log.finish(), network.stats, verdict)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[test]
fn r2_seeds_keep_every_promise() {
    if let Some(seed) = number("VES_SEED") {
        assert_eq!(play(seed, None, true).2, Ok(()), "VES_SEED={seed}");
        return;
    }
    let first = number("VES_FIRST_SEED").unwrap_or(1);
    let count = number("VES_SCHEDULES").unwrap_or(SHORT);
    let begun = std::time::Instant::now();
    let mut total = Stats::default();
    let mut failures = Vec::new();
    for seed in first..first + count {
        let (_, stats, verdict) = play(seed, None, false);
        if let Err(what) = verdict {
            failures.push(format!("VES_SEED={seed}: {what}"));
            if failures.len() == MOST_FAILURES {
                break;
            }
        }
        total.blocks += stats.blocks;
        total.forks += stats.forks;
        total.reorgs += stats.reorgs;
        total.events += stats.events;
        total.submissions += stats.submissions;
        total.crashes += stats.crashes;
        total.lost += stats.lost;
    }
    let time = begun.elapsed();
    println!("{count} schedules from seed {first} in {time:?}: {total:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_seed_is_a_schedule() {
    let mut traces = Vec::new();
    for seed in 1..=10 {
        let once = play(seed, None, false);
        assert_eq!(once, play(seed, None, false), "VES_SEED={seed}");
        traces.push(once.0);
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), 10);
}

#[test]
fn the_simulation_finds_every_seeded_bug() {
    for bug in Bug::ALL {
        let found = (1..=200).find_map(|seed| {
            let violation = play(seed, Some(bug), false).2.err()?;
            Some((seed, violation))
        });
        let (seed, violation) = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        println!("{bug:?}: seed {seed}: {violation}");
        assert!(bug.explains(&violation), "{bug:?}: {violation}");
    }
}
