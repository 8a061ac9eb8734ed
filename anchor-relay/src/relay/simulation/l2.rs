// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An honest L2 in memory: blocks with the state after each, a pool with the rules of common nodes,
//! reorgs down to the finalized block.

use super::registry::{Registry, Write};
use crate::sink::Refusal;
use alloy::{
    consensus::TxEnvelope,
    consensus::transaction::Transaction as _,
    eips::Decodable2718,
    primitives::{Address, B256},
};
use rand::{Rng, rngs::StdRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use ves_primitives::sha256;

/// Seconds from block to block.
const BLOCK_TIME: u64 = 2;
/// Most blocks that a reorg takes away.
const DEEPEST_REORG: u64 = 10;
/// Lowest base fee, wei per gas.
pub(super) const CALM_BASE_FEE: u128 = 50_000_000;
/// Gas of a transfer.
const GAS_OF_TRANSFER: u64 = 21_000;
/// Gas that a call takes which reverts.
const GAS_OF_REVERT: u64 = 45_000;

/// What kind of node and chain it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Blocks behind the head that are final.
    pub(super) final_after: u64,
    /// Transactions of blocks that were taken away go back to the pool.
    pub(super) pool_survives_reorgs: bool,
    /// A transaction below the base fee is refused, not kept.
    pub(super) refuses_cheap: bool,
    /// The registry's first batches are strict as well.
    pub(super) strict_genesis: bool,
    /// Blocks are taken back.
    pub(super) reorgs: bool,
    /// State of blocks that are gone can still be read.
    pub(super) remembers_orphans: bool,
    /// Gas of a block: what asks for more is refused for good.
    pub(super) block_gas: u64,
}

/// State after a block.
#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) registry: Registry,
    nonces: BTreeMap<Address, u64>,
    pub(super) balances: BTreeMap<Address, u128>,
}

impl State {
    pub(super) fn nonce(&self, of: Address) -> u64 {
        self.nonces.get(&of).copied().unwrap_or(0)
    }
}

/// Where a transaction ended up.
#[derive(Clone)]
pub(super) struct Mined {
    pub(super) tx: Tx,
    pub(super) gas: u64,
    pub(super) price: u128,
    /// Why it reverted, if it did.
    pub(super) reverted: Option<Refusal>,
}

#[derive(Clone)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) parent: B256,
    pub(super) base_fee: u128,
    pub(super) state: Arc<State>,
    pub(super) mined: Vec<Mined>,
    owner: Vec<Owner>,
}

/// A transaction that the pool knows.
#[derive(Clone)]
pub(super) struct Tx {
    pub(super) hash: B256,
    pub(super) from: Address,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) max_fee: u128,
    pub(super) tip: u128,
    pub(super) call: Vec<u8>,
    /// A transfer to itself.
    pub(super) filler: bool,
}

impl Tx {
    /// Reads signed bytes. The simulation knows who sends: nothing is recovered.
    pub(super) fn decode(from: Address, raw: &[u8]) -> Option<Self> {
        let envelope = TxEnvelope::decode_2718(&mut &*raw).ok()?;
        Some(Self {
            hash: *envelope.tx_hash(),
            from,
            nonce: envelope.nonce(),
            gas_limit: envelope.gas_limit(),
            max_fee: envelope.max_fee_per_gas(),
            tip: envelope.max_priority_fee_per_gas().unwrap_or(0),
            call: envelope.input().to_vec(),
            filler: envelope.to() == Some(from) && envelope.input().is_empty(),
        })
    }
}

/// What the registry's owner does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner {
    Pause(bool),
    Authorise(Address, bool),
    Fund(Address, u128),
    /// Replaces the code by one that knows no `commitBatches`, or (`false`) one that does.
    Replace(bool),
}

pub(super) struct L2 {
    pub(super) rules: Rules,
    blocks: Vec<Block>,
    orphans: Vec<Block>,
    pub(super) pool: BTreeMap<(Address, u64), Tx>,
    pub(super) finalized: u64,
    pub(super) base_fee: u128,
    /// Transactions that reorgs took out of blocks.
    pub(super) taken_back: usize,
    owner: Vec<Owner>,
    salt: u64,
}

impl L2 {
    pub(super) fn new(rules: Rules, senders: &[Address], funds: u128) -> Self {
        let mut state = State::default();
        state.registry.strict_genesis = rules.strict_genesis;
        for sender in senders {
            state.registry.authorised.insert(*sender);
            state.balances.insert(*sender, funds);
        }
        let genesis = Block {
            number: 0,
            hash: B256::new(sha256(b"L2")),
            parent: B256::ZERO,
            base_fee: CALM_BASE_FEE,
            state: Arc::new(state),
            mined: Vec::new(),
            owner: Vec::new(),
        };
        Self {
            rules,
            blocks: vec![genesis],
            orphans: Vec::new(),
            pool: BTreeMap::new(),
            finalized: 0,
            base_fee: CALM_BASE_FEE,
            taken_back: 0,
            owner: Vec::new(),
            salt: 0,
        }
    }

    pub(super) fn head(&self) -> &Block {
        self.blocks.last().unwrap()
    }

    pub(super) fn block(&self, number: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(number).ok()?)
    }

    /// A block by hash, for a node that has seen the chain up to `view`.
    pub(super) fn by_hash(&self, hash: B256, view: u64) -> Option<&Block> {
        let seen = self.blocks.iter().filter(|block| block.number <= view);
        let orphans = self.rules.remembers_orphans;
        let orphans = self.orphans.iter().filter(|_| orphans);
        seen.chain(orphans).find(|block| block.hash == hash)
    }

    pub(super) fn receipt(&self, hash: B256, view: u64) -> Option<(&Block, &Mined)> {
        let seen = self.blocks.iter().filter(|block| block.number <= view);
        seen.flat_map(|block| block.mined.iter().map(move |mined| (block, mined)))
            .find(|(_, mined)| mined.tx.hash == hash)
    }

    /// The `safe` block: half way to the final one.
    pub(super) fn safe(&self) -> u64 {
        let depth = self.rules.final_after / 2;
        self.head().number.saturating_sub(depth).max(self.finalized)
    }

    /// A transaction arrives; the words of a refusal are those of common nodes.
    pub(super) fn accept(&mut self, tx: Tx) -> Result<(), &'static str> {
        let key = (tx.from, tx.nonce);
        let state = &self.head().state;
        let gone = self.blocks.iter().flat_map(|block| &block.mined);
        if gone.clone().any(|mined| mined.tx.hash == tx.hash) {
            return Err("already known");
        }
        if tx.nonce < state.nonce(tx.from) {
            return Err("nonce too low: next nonce is higher");
        }
        if tx.gas_limit > self.rules.block_gas {
            return Err("exceeds block gas limit");
        }
        let cost = u128::from(tx.gas_limit).saturating_mul(tx.max_fee);
        if state.balances.get(&tx.from).copied().unwrap_or(0) < cost {
            return Err("insufficient funds for gas * price + value");
        }
        if self.rules.refuses_cheap && tx.max_fee < self.base_fee {
            return Err("max fee per gas less than block base fee");
        }
        if let Some(known) = self.pool.get(&key) {
            if known.hash == tx.hash {
                return Err("already known");
            }
            let dearer = |old: u128, new: u128| new * 10 >= old * 11;
            if !dearer(known.max_fee, tx.max_fee) || !dearer(known.tip, tx.tip) {
                return Err("replacement transaction underpriced");
            }
        }
        self.pool.insert(key, tx);
        Ok(())
    }

    /// A node loses what it has not mined.
    pub(super) fn lose(&mut self, rng: &mut StdRng) {
        self.pool.retain(|_, _| rng.gen_bool(0.5));
    }

    pub(super) fn owner(&mut self, action: Owner) {
        self.owner.push(action);
    }

    /// Makes a block of what pays its base fee; each sender's part ends early now and then.
    pub(super) fn mine(&mut self, rng: &mut StdRng) {
        self.salt += 1;
        let parent = self.head();
        let number = parent.number + 1;
        let mut bytes = parent.hash.0.to_vec();
        bytes.extend_from_slice(&self.salt.to_be_bytes());
        let mut block = Block {
            number,
            hash: B256::new(sha256(&bytes)),
            parent: parent.hash,
            base_fee: self.base_fee,
            state: Arc::clone(&parent.state),
            mined: Vec::new(),
            owner: std::mem::take(&mut self.owner),
        };
        let state = Arc::make_mut(&mut block.state);
        for action in &block.owner {
            match *action {
                Owner::Pause(paused) => state.registry.paused = paused,
                Owner::Authorise(who, true) => {
                    state.registry.authorised.insert(who);
                }
                Owner::Authorise(who, false) => {
                    state.registry.authorised.remove(&who);
                }
                Owner::Replace(one_at_a_time) => state.registry.one_at_a_time = one_at_a_time,
                Owner::Fund(who, balance) => {
                    state.balances.insert(who, balance);
                }
            }
        }
        let mut senders: Vec<Address> = self.pool.keys().map(|(from, _)| *from).collect();
        senders.dedup();
        if rng.gen_bool(0.5) {
            senders.reverse();
        }
        for from in senders {
            while rng.gen_bool(0.9) {
                let nonce = state.nonce(from);
                let Some(tx) = self.pool.get(&(from, nonce)) else {
                    break;
                };
                let balance = state.balances.get(&from).copied().unwrap_or(0);
                let cost = u128::from(tx.gas_limit).saturating_mul(tx.max_fee);
                if tx.max_fee < block.base_fee || balance < cost {
                    break;
                }
                let tx = self.pool.remove(&(from, nonce)).unwrap();
                let time = number * BLOCK_TIME;
                let none = if tx.filler {
                    GAS_OF_TRANSFER
                } else {
                    GAS_OF_REVERT
                };
                let needed = Write::decode(&tx.call).map_or(none, |write| write.gas());
                let run = if tx.filler {
                    Ok(())
                } else if needed > tx.gas_limit {
                    Err(Refusal::Unknown("out of gas".into()))
                } else {
                    let run = state.registry.run(from, &tx.call, time);
                    run.map_err(|data| Refusal::classify(&data))
                };
                let gas = if run.is_ok() { needed } else { GAS_OF_REVERT };
                let price = tx.max_fee.min(block.base_fee + tx.tip);
                let paid = u128::from(gas) * price;
                state.balances.insert(from, balance - paid.min(balance));
                state.nonces.insert(from, nonce + 1);
                block.mined.push(Mined {
                    tx,
                    gas,
                    price,
                    reverted: run.err(),
                });
            }
        }
        let state = Arc::clone(&block.state);
        self.pool
            .retain(|(from, nonce), _| *nonce >= state.nonce(*from));
        self.blocks.push(block);
        self.finalized = self
            .finalized
            .max(number.saturating_sub(self.rules.final_after));
        // As on mainnet it comes down by itself.
        self.base_fee = (self.base_fee * 7 / 8).max(CALM_BASE_FEE);
    }

    /// Takes blocks away, none that is final, and puts `new` others in their place.
    pub(super) fn reorg(&mut self, rng: &mut StdRng, depth: u64, new: u64) -> u64 {
        let depth = depth
            .min(DEEPEST_REORG)
            .min(self.head().number - self.finalized);
        for _ in 0..depth {
            let block = self.blocks.pop().unwrap();
            self.taken_back += block.mined.len();
            let mut owner = block.owner.clone();
            owner.append(&mut self.owner);
            self.owner = owner;
            if self.rules.pool_survives_reorgs {
                for mined in &block.mined {
                    let key = (mined.tx.from, mined.tx.nonce);
                    self.pool.entry(key).or_insert_with(|| mined.tx.clone());
                }
            }
            self.orphans.push(block);
        }
        for _ in 0..new {
            self.mine(rng);
        }
        depth
    }

    /// Nonces whose transaction failed in a block that is gone and did its work in another one.
    pub(super) fn revived(&self) -> usize {
        let of = |blocks: &[Block], failed: bool| -> BTreeSet<(Address, u64)> {
            let mined = blocks.iter().flat_map(|block| &block.mined);
            mined
                .filter(|mined| mined.reverted.is_some() == failed)
                .map(|mined| (mined.tx.from, mined.tx.nonce))
                .collect()
        };
        let failed = of(&self.orphans, true);
        failed.intersection(&of(&self.blocks, false)).count()
    }

    /// What a sender paid on the chain as it is, wei.
    pub(super) fn paid(&self, from: Address) -> u128 {
        let mined = self.blocks.iter().flat_map(|block| &block.mined);
        mined
            .filter(|mined| mined.tx.from == from)
            .map(|mined| u128::from(mined.gas) * mined.price)
            .sum()
    }

    /// Why transactions of a sender reverted, on the chain as it is.
    pub(super) fn reverts(&self) -> impl Iterator<Item = (Address, &Refusal)> {
        let mined = self.blocks.iter().flat_map(|block| &block.mined);
        mined.filter_map(|mined| Some((mined.tx.from, mined.reverted.as_ref()?)))
    }
}
