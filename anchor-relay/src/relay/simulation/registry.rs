// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The contract's rules in strict mode, as `SetRegistry.sol` states them: same checks, same order,
//! same errors.

use crate::sink::SetRegistry::{self, BatchInput, BatchRecord, ProofRecord, SetRegistryCalls};
use alloy::{
    primitives::{Address, B256, U256},
    sol_types::{SolCall, SolError, SolInterface},
};
use std::collections::{BTreeMap, BTreeSet};

/// The contract's state.
#[derive(Clone, Default)]
pub(super) struct Registry {
    /// The first batch of a stream must start at 1.
    pub(super) strict_genesis: bool,
    pub(super) paused: bool,
    /// It knows no `commitBatches`, as the peer's.
    pub(super) one_at_a_time: bool,
    pub(super) authorised: BTreeSet<Address>,
    /// Head and its state root, by tenant and store.
    latest: BTreeMap<(B256, B256), (u64, B256)>,
    /// Records, each with the state root before it.
    pub(super) batches: BTreeMap<B256, (BatchRecord, B256)>,
    pub(super) proofs: BTreeMap<B256, ProofRecord>,
}

/// Revert data.
pub(super) type Revert = Vec<u8>;

/// What a call would write.
pub(super) enum Write {
    Batches(Vec<BatchInput>),
    Proven(BatchInput, ProofRecord),
    Proof {
        batch: B256,
        prev: B256,
        new: B256,
        proof: ProofRecord,
    },
}

/// The batch that a call states: two calls state it by members of the same names.
macro_rules! batch_of {
    ($call:ident) => {
        BatchInput {
            batchId: $call.batchId,
            tenantId: $call.tenantId,
            storeId: $call.storeId,
            eventsRoot: $call.eventsRoot,
            prevStateRoot: $call.prevStateRoot,
            newStateRoot: $call.newStateRoot,
            sequenceStart: $call.sequenceStart,
            sequenceEnd: $call.sequenceEnd,
            eventCount: $call.eventCount,
        }
    };
}

impl Write {
    /// Reads the calls that write; `None` for all others.
    pub(super) fn decode(call: &[u8]) -> Option<Self> {
        Some(match SetRegistryCalls::abi_decode(call).ok()? {
            SetRegistryCalls::commitBatches(call) => Self::Batches(call.batches),
            SetRegistryCalls::commitBatch(c) => Self::Batches(vec![batch_of!(c)]),
            SetRegistryCalls::commitBatchWithStarkProof(c) => Self::Proven(
                batch_of!(c),
                ProofRecord {
                    proofHash: c.proofHash,
                    policyHash: c.policyHash,
                    policyLimit: c.policyLimit,
                    allCompliant: c.allCompliant,
                    proofSize: c.proofSize,
                    provingTimeMs: c.provingTimeMs,
                    timestamp: 0,
                },
            ),
            SetRegistryCalls::commitStarkProof(c) => Self::Proof {
                batch: c.batchId,
                prev: c.prevStateRoot,
                new: c.newStateRoot,
                proof: ProofRecord {
                    proofHash: c.proofHash,
                    policyHash: c.policyHash,
                    policyLimit: c.policyLimit,
                    allCompliant: c.allCompliant,
                    proofSize: c.proofSize,
                    provingTimeMs: c.provingTimeMs,
                    timestamp: 0,
                },
            },
            _ => return None,
        })
    }

    /// Batches that the call commits.
    pub(super) fn batches(&self) -> &[BatchInput] {
        match self {
            Self::Batches(batches) => batches,
            Self::Proven(batch, _) => std::slice::from_ref(batch),
            Self::Proof { .. } => &[],
        }
    }

    /// The proof that the call commits, with its batch.
    pub(super) const fn proof(&self) -> Option<(B256, &ProofRecord)> {
        match self {
            Self::Batches(_) => None,
            Self::Proven(batch, proof) => Some((batch.batchId, proof)),
            Self::Proof { batch, proof, .. } => Some((*batch, proof)),
        }
    }

    /// Gas it takes.
    pub(super) fn gas(&self) -> u64 {
        let batches = u64::try_from(self.batches().len()).unwrap();
        60_000 + batches * 90_000 + u64::from(self.proof().is_some()) * 80_000
    }
}

impl Registry {
    /// Runs a write, all or nothing.
    pub(super) fn run(&mut self, from: Address, call: &[u8], time: u64) -> Result<(), Revert> {
        let Some(write) = Write::decode(call) else {
            return Err(Vec::new());
        };
        let selector = SetRegistry::commitBatchesCall::SELECTOR;
        if self.one_at_a_time && call.starts_with(&selector) {
            return Err(Vec::new());
        }
        let mut next = self.clone();
        next.write(from, &write, time)?;
        *self = next;
        Ok(())
    }

    fn write(&mut self, from: Address, write: &Write, time: u64) -> Result<(), Revert> {
        if self.paused {
            return Err(SetRegistry::EnforcedPause {}.abi_encode());
        }
        if !self.authorised.contains(&from) {
            return Err(SetRegistry::NotAuthorizedSequencer {}.abi_encode());
        }
        for batch in write.batches() {
            self.commit(batch, time)?;
        }
        match write {
            Write::Batches(_) => Ok(()),
            Write::Proven(batch, proof) => self.store_proof(batch.batchId, proof, time),
            Write::Proof {
                batch,
                prev,
                new,
                proof,
            } => {
                let Some((record, before)) = self.batches.get(batch) else {
                    return Err(SetRegistry::BatchNotCommitted {}.abi_encode());
                };
                if self.proofs.contains_key(batch) {
                    return Err(SetRegistry::StarkProofAlreadyCommitted {}.abi_encode());
                }
                if record.newStateRoot != *new || before != prev {
                    return Err(SetRegistry::StateRootMismatchInProof {}.abi_encode());
                }
                self.store_proof(*batch, proof, time)
            }
        }
    }

    fn commit(&mut self, batch: &BatchInput, time: u64) -> Result<(), Revert> {
        if batch.sequenceEnd < batch.sequenceStart {
            return Err(SetRegistry::InvalidSequenceRange {}.abi_encode());
        }
        let expected = batch.sequenceEnd - batch.sequenceStart + 1;
        if expected != u64::from(batch.eventCount) {
            let provided = batch.eventCount;
            return Err(SetRegistry::InvalidEventCount { expected, provided }.abi_encode());
        }
        if batch.eventsRoot.is_zero() {
            return Err(SetRegistry::EmptyEventsRoot {}.abi_encode());
        }
        if batch.batchId.is_zero() {
            return Err(SetRegistry::ZeroBatchId {}.abi_encode());
        }
        if self.batches.contains_key(&batch.batchId) {
            return Err(SetRegistry::BatchAlreadyCommitted {}.abi_encode());
        }
        let key = (batch.tenantId, batch.storeId);
        let latest = self.latest.get(&key).copied();
        if let Some((head, root)) =
            latest.or_else(|| self.strict_genesis.then_some((0, B256::ZERO)))
        {
            if batch.prevStateRoot != root {
                let (expected, provided) = (root, batch.prevStateRoot);
                return Err(SetRegistry::StateRootMismatch { expected, provided }.abi_encode());
            }
            if batch.sequenceStart != head + 1 {
                let (expected, provided) = (head + 1, batch.sequenceStart);
                return Err(SetRegistry::SequenceGap { expected, provided }.abi_encode());
            }
        }
        if batch.newStateRoot.is_zero() {
            return Err(SetRegistry::ZeroStateRoot {}.abi_encode());
        }
        self.latest
            .insert(key, (batch.sequenceEnd, batch.newStateRoot));
        let record = BatchRecord {
            eventsRoot: batch.eventsRoot,
            newStateRoot: batch.newStateRoot,
            sequenceStart: batch.sequenceStart,
            sequenceEnd: batch.sequenceEnd,
            eventCount: batch.eventCount,
            timestamp: time,
        };
        self.batches
            .insert(batch.batchId, (record, batch.prevStateRoot));
        Ok(())
    }

    fn store_proof(&mut self, batch: B256, proof: &ProofRecord, time: u64) -> Result<(), Revert> {
        if proof.proofHash.is_zero() || proof.proofSize == 0 {
            return Err(SetRegistry::InvalidProof {}.abi_encode());
        }
        let mut proof = proof.clone();
        proof.timestamp = time;
        self.proofs.insert(batch, proof);
        Ok(())
    }

    /// What tells this code from other.
    pub(super) fn code(&self) -> Vec<u8> {
        vec![0x60, u8::from(self.one_at_a_time)]
    }

    /// Where a stream stands.
    pub(super) fn head(&self, tenant: B256, store: B256) -> (u64, B256) {
        self.latest
            .get(&(tenant, store))
            .copied()
            .unwrap_or_default()
    }

    /// Answers a call that only reads.
    pub(super) fn view(&self, call: &[u8]) -> Option<Vec<u8>> {
        let absent = || BatchRecord {
            eventsRoot: B256::ZERO,
            newStateRoot: B256::ZERO,
            sequenceStart: 0,
            sequenceEnd: 0,
            eventCount: 0,
            timestamp: 0,
        };
        let heads = |tenants: &[B256], stores: &[B256]| -> Vec<(u64, B256)> {
            let keys = tenants.iter().zip(stores);
            keys.map(|(tenant, store)| self.head(*tenant, *store))
                .collect()
        };
        Some(match SetRegistryCalls::abi_decode(call).ok()? {
            SetRegistryCalls::getBatchCommitments(c) => {
                let records = c.batchIds.iter().map(|id| {
                    self.batches
                        .get(id)
                        .map_or_else(absent, |(record, _)| record.clone())
                });
                SetRegistry::getBatchCommitmentsCall::abi_encode_returns(&records.collect())
            }
            SetRegistryCalls::getBatchHeadSequences(c) => {
                let heads = heads(&c.tenantIds, &c.storeIds);
                let heads: Vec<u64> = heads.into_iter().map(|(head, _)| head).collect();
                SetRegistry::getBatchHeadSequencesCall::abi_encode_returns(&heads)
            }
            SetRegistryCalls::getBatchLatestStateRoots(c) => {
                let heads = heads(&c.tenantIds, &c.storeIds);
                let roots: Vec<B256> = heads.into_iter().map(|(_, root)| root).collect();
                SetRegistry::getBatchLatestStateRootsCall::abi_encode_returns(&roots)
            }
            SetRegistryCalls::starkProofs(c) => {
                // Seven static words, in the order of the struct.
                let mut words = vec![U256::ZERO; 7];
                if let Some(p) = self.proofs.get(&c.batchId) {
                    words = vec![
                        U256::from_be_bytes(p.proofHash.0),
                        U256::from_be_bytes(p.policyHash.0),
                        U256::from(p.policyLimit),
                        U256::from(u8::from(p.allCompliant)),
                        U256::from(p.proofSize),
                        U256::from(p.provingTimeMs),
                        U256::from(p.timestamp),
                    ];
                }
                words
                    .iter()
                    .flat_map(|word| word.to_be_bytes::<32>())
                    .collect()
            }
            SetRegistryCalls::authorizedSequencers(c) => {
                let known = self.authorised.contains(&c.sequencer);
                SetRegistry::authorizedSequencersCall::abi_encode_returns(&known)
            }
            SetRegistryCalls::paused(_) => {
                SetRegistry::pausedCall::abi_encode_returns(&self.paused)
            }
            SetRegistryCalls::strictModeEnabled(_) => {
                SetRegistry::strictModeEnabledCall::abi_encode_returns(&true)
            }
            SetRegistryCalls::strictGenesisEnabled(_) => {
                SetRegistry::strictGenesisEnabledCall::abi_encode_returns(&self.strict_genesis)
            }
            _ => return None,
        })
    }
}
