// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An appchain in memory: blocks with batches, forks above the finalized block, verified proofs.

use crate::source::{BlockHash, Commitment, SourceBlock};
use rand::{Rng, rngs::StdRng};
use std::collections::BTreeMap;
use ves_primitives::{
    AgentId, BatchCommitment, BatchId, BlockCommitment, GenesisHash, LeafHash, Policy, StoreId,
    StreamId, StreamTip, TenantId, batch_proof_hash, proof::BatchProofRecord, sha256,
};

pub(super) const GENESIS: GenesisHash = GenesisHash([7; 32]);

/// A proof as the chain keeps it.
#[derive(Clone)]
pub(super) struct Proven {
    pub(super) stream: StreamId,
    pub(super) record: BatchProofRecord,
    pub(super) bytes: Vec<u8>,
}

#[derive(Clone)]
pub(super) struct AppBlock {
    pub(super) block: SourceBlock,
    pub(super) batches: Vec<BatchCommitment>,
    proofs: Vec<Proven>,
}

pub(super) struct Appchain {
    pub(super) streams: u8,
    /// Are batches proven?
    pub(super) proves: bool,
    /// From block 1 on.
    blocks: Vec<AppBlock>,
    pub(super) finalized: u32,
    salt: u64,
    /// Everything final, by id.
    pub(super) final_batches: BTreeMap<BatchId, BatchCommitment>,
    pub(super) final_proofs: BTreeMap<BatchId, BatchProofRecord>,
}

const fn stream(number: u8) -> (TenantId, StoreId) {
    (TenantId([number + 1; 16]), StoreId([0xA0 | number; 16]))
}

impl Appchain {
    pub(super) const fn new(streams: u8) -> Self {
        Self {
            streams,
            proves: true,
            blocks: Vec::new(),
            finalized: 0,
            salt: 0,
            final_batches: BTreeMap::new(),
            final_proofs: BTreeMap::new(),
        }
    }

    pub(super) fn head(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap()
    }

    pub(super) fn block(&self, number: u32) -> Option<&AppBlock> {
        self.blocks
            .get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    pub(super) fn hash(&self, number: u32) -> BlockHash {
        self.block(number)
            .map_or(BlockHash(GENESIS.0), |block| block.block.hash)
    }

    /// Is this block on the chain that the node follows?
    pub(super) fn number_of(&self, hash: BlockHash) -> Option<u32> {
        if hash.0 == GENESIS.0 {
            return Some(0);
        }
        let found = self.blocks.iter().find(|block| block.block.hash == hash);
        found.map(|block| block.block.number)
    }

    fn tip(&self, tenant: TenantId, store: StoreId) -> StreamTip {
        let batches = self.blocks.iter().rev().flat_map(|block| &block.batches);
        batches
            .into_iter()
            .find(|batch| batch.tenant_id == tenant && batch.store_id == store)
            .map_or(StreamTip::EMPTY, BatchCommitment::tip)
    }

    /// A block on the head, with a batch of some streams and proofs of some older batches.
    pub(super) fn produce(&mut self, rng: &mut StdRng) {
        self.salt += 1;
        let number = self.head() + 1;
        let parent = self.hash(number - 1);
        let mut batches = Vec::new();
        for n in 0..self.streams {
            if !rng.gen_bool(0.5) {
                continue;
            }
            let (tenant, store) = stream(n);
            let tip = self.tip(tenant, store);
            let leaves: Vec<LeafHash> = (0..rng.gen_range(1..4u8))
                .map(|leaf| {
                    let mut bytes = vec![n, leaf];
                    bytes.extend_from_slice(&self.salt.to_be_bytes());
                    LeafHash(sha256(&bytes))
                })
                .collect();
            batches.push(BatchCommitment::commit(tenant, store, number, &tip, &leaves).unwrap());
        }
        let mut proofs = Vec::new();
        let proven: Vec<BatchId> = self
            .proofs(self.head())
            .map(|proof| proof.record.batch_id)
            .collect();
        for batch in self.blocks.iter().flat_map(|block| &block.batches) {
            if self.proves && !proven.contains(&batch.batch_id) && rng.gen_bool(0.15) {
                proofs.push(prove(batch, number));
            }
        }
        let mut bytes = parent.0.to_vec();
        bytes.extend_from_slice(&self.salt.to_be_bytes());
        let commitment =
            BlockCommitment::commit(&batches).map_or(Commitment::Absent, Commitment::Present);
        self.blocks.push(AppBlock {
            block: SourceBlock {
                number,
                hash: BlockHash(sha256(&bytes)),
                parent,
                commitment,
                time_ms: None,
            },
            batches,
            proofs,
        });
    }

    /// Blocks that are not final are replaced by others.
    pub(super) fn fork(&mut self, rng: &mut StdRng) {
        let open = self.head() - self.finalized;
        if open == 0 {
            return;
        }
        let depth = rng.gen_range(1..=open);
        let keep = usize::try_from(self.head() - depth).unwrap();
        self.blocks.truncate(keep);
        for _ in 0..depth {
            self.produce(rng);
        }
    }

    pub(super) fn finalize(&mut self, number: u32) {
        let number = number.min(self.head());
        for n in self.finalized + 1..=number {
            let block = self.block(n).unwrap().clone();
            for batch in block.batches {
                self.final_batches.insert(batch.batch_id, batch);
            }
            for proof in block.proofs {
                self.final_proofs
                    .insert(proof.record.batch_id, proof.record);
            }
        }
        self.finalized = self.finalized.max(number);
    }

    /// Proofs verified up to a block.
    pub(super) fn proofs(&self, number: u32) -> impl Iterator<Item = &Proven> {
        let blocks = self.blocks.iter();
        blocks
            .filter(move |block| block.block.number <= number)
            .flat_map(|block| &block.proofs)
    }
}

fn prove(batch: &BatchCommitment, block: u32) -> Proven {
    let mut bytes = b"proof of ".to_vec();
    bytes.extend_from_slice(&batch.batch_id.0);
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
        proof_hash: batch_proof_hash(&bytes),
        bytes: u32::try_from(bytes.len()).unwrap(),
        block,
        circuit_version: 1,
        agent_id: AgentId([9; 16]),
    };
    Proven {
        stream: batch.stream_id(),
        record,
        bytes,
    }
}
