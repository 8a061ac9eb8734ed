// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A scripted appchain: blocks and batches as the real one makes them, finalized on command.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a part of each test program"
)]

#[path = "appchain.rs"]
pub mod appchain;
#[path = "evm.rs"]
pub mod evm;
#[path = "program.rs"]
pub mod program;
#[path = "proxy.rs"]
pub mod proxy;
#[path = "running.rs"]
pub mod running;
#[path = "served.rs"]
pub mod served;

use anchor_relay::source::{BlockHash, Commitment, Source, SourceBlock, SourceError};
use async_trait::async_trait;
use codec::Encode;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use ves_client::{DigestItem, Header};
use ves_primitives::{
    AgentId, BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, GenesisHash, LeafHash,
    Policy, SPEC_NAME, StoreId, StreamId, StreamTip, TenantId, batch_proof_hash, limits,
    proof::BatchProofRecord, sha256, stream_id,
};

pub const GENESIS: GenesisHash = GenesisHash([7; 32]);

/// Tenant and store of the scripted stream `number`.
pub fn stream(number: u8) -> (TenantId, StoreId) {
    (
        TenantId([number.wrapping_add(1); 16]),
        StoreId([0xA0 | (number & 0x0f); 16]),
    )
}

pub fn id(number: u8) -> StreamId {
    let (tenant, store) = stream(number);
    stream_id(tenant, store)
}

/// Blocks in order; `blocks[0]` is block 1.
#[derive(Clone)]
pub struct Script {
    pub blocks: Vec<(SourceBlock, Vec<BatchCommitment>)>,
    /// Their headers, which have the blocks' hashes.
    pub headers: Vec<Header>,
    tips: BTreeMap<u8, StreamTip>,
    salt: u8,
}

impl Script {
    pub fn new() -> Self {
        Self {
            blocks: Vec::new(),
            headers: Vec::new(),
            tips: BTreeMap::new(),
            salt: 0,
        }
    }

    /// The same content with other block hashes: another fork.
    pub fn forked(mut self, salt: u8) -> Self {
        self.salt = salt;
        self
    }

    /// Adds a block in which each of `streams` gets a batch with this many events.
    pub fn block(mut self, streams: &[(u8, u32)]) -> Self {
        let number = u32::try_from(self.blocks.len()).unwrap() + 1;
        let mut batches = Vec::new();
        for (stream_number, events) in streams {
            let (tenant, store) = stream(*stream_number);
            let tip = self.tips.entry(*stream_number).or_insert(StreamTip::EMPTY);
            let leaves: Vec<LeafHash> = (0..*events)
                .map(|n| {
                    let sequence = tip.sequence + 1 + u64::from(n);
                    let mut bytes = vec![*stream_number];
                    bytes.extend_from_slice(&sequence.to_be_bytes());
                    LeafHash(sha256(&bytes))
                })
                .collect();
            let batch = BatchCommitment::commit(tenant, store, number, tip, &leaves).unwrap();
            *tip = batch.tip();
            batches.push(batch);
        }
        self.push(batches);
        self
    }

    /// Adds a block with these batches, whatever they are.
    pub fn push(&mut self, batches: Vec<BatchCommitment>) {
        let number = u32::try_from(self.blocks.len()).unwrap() + 1;
        let parent = self
            .blocks
            .last()
            .map_or(BlockHash(GENESIS.0), |(block, _)| block.hash);
        let commitment = BlockCommitment::commit(&batches);
        let said =
            |said: &BlockCommitment| DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, said.encode());
        let header = Header {
            parent_hash: parent,
            number,
            state_root: [self.salt; 32],
            extrinsics_root: [0; 32],
            digest: commitment.iter().map(said).collect(),
        };
        let block = SourceBlock {
            number,
            hash: header.hash(),
            parent,
            commitment: commitment.map_or(Commitment::Absent, Commitment::Present),
            time_ms: None,
        };
        self.headers.push(header);
        self.blocks.push((block, batches));
    }

    pub fn batches(&self) -> impl Iterator<Item = &BatchCommitment> {
        self.blocks.iter().flat_map(|(_, batches)| batches)
    }

    /// `blocks` blocks in which each of `streams` streams gets one or two events.
    pub fn regular(streams: u8, blocks: u32) -> Self {
        let mut script = Self::new();
        for number in 0..blocks {
            let list: Vec<(u8, u32)> = (0..streams)
                .map(|n| (n, 1 + (u32::from(n) + number) % 2))
                .collect();
            script = script.block(&list);
        }
        script
    }
}

pub struct Inner {
    pub script: Script,
    pub finalized: u32,
    pub genesis: GenesisHash,
    pub spec_name: &'static str,
    pub down: bool,
    /// What it says about proofs contradicts finalized state.
    pub contradicted: bool,
    /// Verified proofs with their bytes; seen once their block is final.
    pub proofs: Vec<(BatchProofRecord, StreamId, Vec<u8>)>,
}

/// The chain's verdict about a proof of `batch`, verified in `block`, and the proof's bytes.
pub fn proven(batch: &BatchCommitment, block: u32) -> (BatchProofRecord, StreamId, Vec<u8>) {
    let mut proof = b"proof of ".to_vec();
    proof.extend_from_slice(&batch.batch_id.0);
    let policy = Policy::AmlThreshold { threshold: 1000 };
    let record = BatchProofRecord {
        batch_id: batch.batch_id,
        batch_index: batch.batch_index,
        prev_state_root: batch.prev_state_root,
        new_state_root: batch.new_state_root,
        events: batch.leaf_count,
        policy_hash: policy.hash(),
        policy_limit: policy.effective_limit().unwrap(),
        policy,
        proof_hash: batch_proof_hash(&proof),
        bytes: u32::try_from(proof.len()).unwrap(),
        block,
        circuit_version: 1,
        agent_id: AgentId([9; 16]),
    };
    (record, batch.stream_id(), proof)
}

/// A node that plays a [`Script`].
#[derive(Clone)]
pub struct ScriptedSource(pub Arc<Mutex<Inner>>);

impl ScriptedSource {
    pub fn new(script: Script, finalized: u32) -> Self {
        let inner = Inner {
            script,
            finalized,
            genesis: GENESIS,
            spec_name: SPEC_NAME,
            down: false,
            contradicted: false,
            proofs: Vec::new(),
        };
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Everything in the script is final.
    pub fn all(script: Script) -> Self {
        let finalized = u32::try_from(script.blocks.len()).unwrap();
        Self::new(script, finalized)
    }

    pub fn change(&self, f: impl FnOnce(&mut Inner)) {
        f(&mut self.0.lock().unwrap());
    }

    fn ask<T>(&self, f: impl FnOnce(&Inner) -> Option<T>) -> Result<T, SourceError> {
        let inner = self.0.lock().unwrap();
        if inner.down {
            return Err(SourceError::Unavailable("connection refused".into()));
        }
        f(&inner).ok_or_else(|| SourceError::Unavailable("no such block".into()))
    }
}

#[async_trait]
impl Source for ScriptedSource {
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError> {
        self.ask(|inner| Some(inner.genesis))
    }

    async fn spec_name(&self) -> Result<String, SourceError> {
        self.ask(|inner| Some(inner.spec_name.into()))
    }

    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError> {
        self.ask(|inner| match inner.finalized {
            0 => Some((0, BlockHash(inner.genesis.0))),
            n => inner
                .script
                .blocks
                .get(n as usize - 1)
                .map(|(block, _)| (n, block.hash)),
        })
    }

    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError> {
        self.ask(|inner| {
            inner
                .script
                .blocks
                .get(number as usize - 1)
                .map(|(block, _)| *block)
        })
    }

    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError> {
        self.ask(|inner| {
            let blocks = &inner.script.blocks;
            let (asked, _) = blocks.iter().rev().find(|(block, _)| block.hash == at)?;
            let (_, batches) = blocks.get(number as usize - 1)?;
            // As the chain: it lists the batches of a block for so long.
            let listed = asked.number - number < limits::ANCHORED_RETENTION_BLOCKS;
            Some(if listed { batches.clone() } else { Vec::new() })
        })
    }

    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError> {
        if self.0.lock().unwrap().contradicted {
            return Err(SourceError::Contradicted(
                "a proof that is not there".into(),
            ));
        }
        self.ask(|inner| {
            let blocks = &inner.script.blocks;
            let number = match blocks.iter().find(|(block, _)| block.hash == at) {
                Some((block, _)) => block.number,
                None if at.0 == inner.genesis.0 => 0,
                None => return None,
            };
            let range = from..from + u64::from(count);
            let found = inner.proofs.iter().filter(|(record, of, _)| {
                *of == stream && range.contains(&record.batch_index) && record.block <= number
            });
            Some(found.map(|(record, ..)| record.clone()).collect())
        })
    }

    async fn proof_bytes(
        &self,
        stream: StreamId,
        record: &BatchProofRecord,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        self.ask(|inner| {
            let about = |(other, of, _): &&(BatchProofRecord, StreamId, Vec<u8>)| {
                *of == stream && other.batch_index == record.batch_index
            };
            let found = inner.proofs.iter().filter(about);
            Some(Some(found.map(|(_, _, bytes)| bytes.clone()).collect()))
        })
    }
}
