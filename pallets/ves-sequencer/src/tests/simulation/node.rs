// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A node: every block it knows with the state it got by executing it, its best and its finalized
//! block, and a pool as the SDK's, in small.

use super::{
    bugs::Bug,
    chain::{Block, Call, Ledger, State, timely},
};
use polkadot_sdk::sp_core::H256;
use std::{collections::BTreeMap, rc::Rc};
use ves_primitives::SubmittedEvent;

pub(super) struct Known {
    pub(super) block: Block,
    pub(super) state: State,
    pub(super) ledger: Rc<Ledger>,
}

struct Pooled {
    events: Rc<Vec<SubmittedEvent>>,
    tags: Vec<Vec<u8>>,
}

pub(super) struct Node {
    pub(super) number: usize,
    pub(super) blocks: BTreeMap<H256, Known>,
    pub(super) best: H256,
    pub(super) finalized: H256,
    pool: Vec<Pooled>,
    /// Blocks and finality that cannot be taken yet.
    waiting: Vec<Block>,
    finals: Vec<H256>,
    pub(super) skew_ms: i64,
    pub(super) up: bool,
    bug: Option<Bug>,
}

/// What a node has to complain about: nothing if the chain is as it should be.
pub(super) type Verdict = Result<(), String>;

impl Node {
    pub(super) fn new(number: usize, genesis: &Block, state: State, bug: Option<Bug>) -> Self {
        let known = Known {
            block: genesis.clone(),
            state,
            ledger: Rc::default(),
        };
        Self {
            number,
            blocks: BTreeMap::from([(genesis.hash, known)]),
            best: genesis.hash,
            finalized: genesis.hash,
            pool: Vec::new(),
            waiting: Vec::new(),
            finals: Vec::new(),
            skew_ms: 0,
            up: true,
            bug,
        }
    }

    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    pub(super) fn known(&self, hash: H256) -> &Known {
        &self.blocks[&hash]
    }

    pub(super) fn height(&self) -> u64 {
        self.known(self.best).block.number
    }

    /// The block of this number below another.
    pub(super) fn ancestor(&self, of: H256, number: u64) -> Option<H256> {
        let mut at = of;
        loop {
            let known = self.blocks.get(&at)?;
            if known.block.number == number {
                return Some(at);
            }
            if known.block.number < number {
                return None;
            }
            at = known.block.parent;
        }
    }

    /// Is a block on the chain that ends with another?
    pub(super) fn is_below(&self, block: H256, tip: H256) -> bool {
        let number = self.known(block).block.number;
        self.ancestor(tip, number) == Some(block)
    }

    /// Blocks without a child that do not contradict what is final.
    pub(super) fn leaves(&self) -> Vec<H256> {
        let parents: Vec<H256> = self.blocks.values().map(|k| k.block.parent).collect();
        let leaves = self.blocks.keys().filter(|hash| !parents.contains(hash));
        leaves
            .copied()
            .filter(|leaf| self.is_below(self.finalized, *leaf))
            .collect()
    }

    // The pool.

    /// A submission arrives; whether it is taken.
    pub(super) fn submit(&mut self, events: Rc<Vec<SubmittedEvent>>) -> Result<bool, String> {
        let best = self.known(self.best);
        let answer = best.state.ask_pool(best.block.number, self.best, &events);
        let Ok(tags) = answer else {
            return Ok(false);
        };
        let all_known = events.iter().all(|event| {
            let envelope = &event.envelope;
            best.ledger.holds(envelope.stream_id(), &envelope.event_id)
        });
        if all_known {
            let node = self.number;
            return Err(format!(
                "node {node} takes events again that its chain holds"
            ));
        }
        let taken = self.pool.iter().flat_map(|pooled| &pooled.tags);
        if taken.clone().any(|tag| tags.contains(tag)) {
            return Ok(false);
        }
        self.pool.push(Pooled { events, tags });
        Ok(true)
    }

    /// What an author would put into a block, in the pool's order.
    pub(super) fn offers(&self) -> Vec<Call> {
        let pooled = self.pool.iter();
        pooled
            .map(|pooled| Call::Submit(Rc::clone(&pooled.events)))
            .collect()
    }

    pub(super) fn crash(&mut self) {
        self.up = false;
        self.pool.clear();
        self.waiting.clear();
    }

    // Blocks.

    /// A block arrives. One that cannot be taken yet waits. Gives the parent that is missing.
    pub(super) fn import(&mut self, block: Block, now_ms: u64) -> Result<Option<H256>, String> {
        if self.blocks.contains_key(&block.hash) {
            return Ok(None);
        }
        let final_number = self.known(self.finalized).block.number;
        let forgotten = self.bug == Some(Bug::FinalityForgotten);
        if block.number <= final_number && !forgotten {
            return Ok(None);
        }
        let Some(parent) = self.blocks.get(&block.parent) else {
            let missing = block.parent;
            self.wait(block);
            return Ok(Some(missing));
        };
        if !timely(block.timestamp, parent.block.timestamp, self.clock(now_ms)) {
            self.wait(block);
            return Ok(None);
        }
        if !forgotten && !self.is_below(self.finalized, block.parent) {
            return Ok(None);
        }
        let mut calls = block.calls.clone();
        let mut on = &self.blocks[&block.parent];
        let (mut timestamp, mut number) = (block.timestamp, block.number);
        match self.bug {
            Some(Bug::OrderOfItsOwn) => calls.reverse(),
            Some(Bug::StateOfTheBest) => {
                on = &self.blocks[&self.best];
                // So that it can be executed at all.
                timestamp = timestamp.max(on.block.timestamp + 1);
                number = number.max(on.block.number + 1);
            }
            Some(Bug::ClockOfItsOwn) => {
                timestamp = self.clock(now_ms).max(on.block.timestamp + 1);
            }
            _ => {}
        }
        let executed = on
            .state
            .execute(block.parent, number, timestamp, &calls, self.bug);
        if executed.state_root != block.state_root
            || executed.commitment != block.commitment
            || executed.calls.len() != block.calls.len()
        {
            let (node, number) = (self.number, block.number);
            return Err(format!("block {number} comes out other at node {node}"));
        }
        let ledger = self.blocks[&block.parent].ledger.read(&executed)?;
        self.adopt(block, executed.state, ledger)?;
        Ok(None)
    }

    fn wait(&mut self, block: Block) {
        if !self.waiting.iter().any(|known| known.hash == block.hash) {
            self.waiting.push(block);
        }
    }

    /// A block is executed and in order.
    pub(super) fn adopt(&mut self, block: Block, state: State, ledger: Ledger) -> Verdict {
        let (hash, number) = (block.hash, block.number);
        let known = Known {
            block,
            state,
            ledger: Rc::new(ledger),
        };
        self.blocks.insert(hash, known);
        if number > self.height() {
            self.follow(hash)?;
        }
        for hash in std::mem::take(&mut self.finals) {
            self.finalize(hash)?;
        }
        Ok(())
    }

    /// What waits is tried again.
    pub(super) fn retry(&mut self, now_ms: u64) -> Result<Vec<H256>, String> {
        loop {
            let mut missing = Vec::new();
            let known = self.blocks.len();
            for block in std::mem::take(&mut self.waiting) {
                missing.extend(self.import(block, now_ms)?);
            }
            // One that was taken may have been the parent of another.
            if self.blocks.len() == known {
                return Ok(missing);
            }
        }
    }

    /// Another block becomes the best. What the old chain took back goes to the pool again, and
    /// what the new one holds leaves it.
    fn follow(&mut self, best: H256) -> Verdict {
        let old = std::mem::replace(&mut self.best, best);
        if !self.is_below(self.finalized, best) {
            let node = self.number;
            return Err(format!("node {node} left a final block"));
        }
        let mut back = Vec::new();
        let mut at = old;
        while !self.is_below(at, best) {
            let block = &self.known(at).block;
            back.extend(block.calls.iter().filter_map(|call| match call {
                Call::Submit(events) => Some(Rc::clone(events)),
                Call::Suspend(_) => None,
            }));
            at = block.parent;
        }
        if self.bug == Some(Bug::NotSubmittedAgain) {
            back.clear();
        }
        let pooled = std::mem::take(&mut self.pool);
        for events in pooled.into_iter().map(|pooled| pooled.events).chain(back) {
            self.submit(events)?;
        }
        Ok(())
    }

    /// A block is final, here as soon as it is known.
    pub(super) fn finalize(&mut self, hash: H256) -> Verdict {
        if !self.blocks.contains_key(&hash) {
            self.finals.push(hash);
            return Ok(());
        }
        if self.is_below(hash, self.finalized) {
            return Ok(());
        }
        if !self.is_below(self.finalized, hash) {
            let node = self.number;
            return Err(format!("node {node} is told to finalize another fork"));
        }
        self.finalized = hash;
        if self.is_below(hash, self.best) || self.bug == Some(Bug::FinalityForgotten) {
            return Ok(());
        }
        let highest = self
            .leaves()
            .into_iter()
            .max_by_key(|leaf| self.known(*leaf).block.number);
        self.follow(highest.expect("the block itself at least"))
    }
}
