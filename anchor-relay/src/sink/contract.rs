// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The part of `SetRegistry` that the relay calls. A test compares it with the built contract.

#![expect(
    clippy::too_many_arguments,
    reason = "commitBatchWithStarkProof has fifteen, fixed by the contract"
)]

use crate::journal::{Item, ItemKind};
use alloy::{
    primitives::{B256, Bytes},
    sol,
    sol_types::SolCall,
};
use ves_primitives::{BatchCommitment, proof::BatchProofRecord};

sol! {
    /// The registry of anchored batches.
    #[sol(rpc)]
    interface SetRegistry {
        /// Stored under a batch's id; `timestamp` 0 means absent.
        #[derive(Debug, PartialEq, Eq)]
        struct BatchRecord {
            bytes32 eventsRoot;
            bytes32 newStateRoot;
            uint64 sequenceStart;
            uint64 sequenceEnd;
            uint32 eventCount;
            uint64 timestamp;
        }

        /// Stored for a proven batch; `timestamp` 0 means absent.
        #[derive(Debug, PartialEq, Eq)]
        struct ProofRecord {
            bytes32 proofHash;
            bytes32 policyHash;
            uint64 policyLimit;
            bool allCompliant;
            uint64 proofSize;
            uint64 provingTimeMs;
            uint64 timestamp;
        }

        /// One batch of `commitBatches`.
        struct BatchInput {
            bytes32 batchId;
            bytes32 tenantId;
            bytes32 storeId;
            bytes32 eventsRoot;
            bytes32 prevStateRoot;
            bytes32 newStateRoot;
            uint64 sequenceStart;
            uint64 sequenceEnd;
            uint32 eventCount;
        }

        function commitBatches(BatchInput[] batches) external;
        function commitBatchWithStarkProof(bytes32 batchId, bytes32 tenantId, bytes32 storeId, bytes32 eventsRoot, bytes32 prevStateRoot, bytes32 newStateRoot, uint64 sequenceStart, uint64 sequenceEnd, uint32 eventCount, bytes32 proofHash, bytes32 policyHash, uint64 policyLimit, bool allCompliant, uint64 proofSize, uint64 provingTimeMs) external;
        function commitStarkProof(bytes32 batchId, bytes32 proofHash, bytes32 prevStateRoot, bytes32 newStateRoot, bytes32 policyHash, uint64 policyLimit, bool allCompliant, uint64 proofSize, uint64 provingTimeMs) external;
        function starkProofs(bytes32 batchId) external view returns (bytes32 proofHash, bytes32 policyHash, uint64 policyLimit, bool allCompliant, uint64 proofSize, uint64 provingTimeMs, uint64 timestamp);
        function commitBatch(bytes32 batchId, bytes32 tenantId, bytes32 storeId, bytes32 eventsRoot, bytes32 prevStateRoot, bytes32 newStateRoot, uint64 sequenceStart, uint64 sequenceEnd, uint32 eventCount) external;
        function getBatchCommitments(bytes32[] batchIds) external view returns (BatchRecord[]);
        function getBatchHeadSequences(bytes32[] tenantIds, bytes32[] storeIds) external view returns (uint64[]);
        function getBatchLatestStateRoots(bytes32[] tenantIds, bytes32[] storeIds) external view returns (bytes32[]);
        function totalCommitments() external view returns (uint256);
        function getLatestBatchId(bytes32 tenantId, bytes32 storeId) external view returns (bytes32);
        function authorizedSequencers(address sequencer) external view returns (bool);
        function paused() external view returns (bool);
        function strictModeEnabled() external view returns (bool);
        function strictGenesisEnabled() external view returns (bool);

        error NotAuthorizedSequencer();
        error NotStreamSubmitter(address submitter);
        error InvalidSequenceRange();
        error EmptyEventsRoot();
        error BatchAlreadyCommitted();
        error StateRootMismatch(bytes32 expected, bytes32 provided);
        error SequenceGap(uint64 expected, uint64 provided);
        error InvalidEventCount(uint64 expected, uint32 provided);
        error InvalidProof();
        error BatchNotCommitted();
        error StarkProofAlreadyCommitted();
        error StateRootMismatchInProof();
        error EnforcedPause();
        error ZeroBatchId();
        error ZeroStateRoot();
        error NotUuid(bytes32 id);
        error VesStateRootMismatch(bytes32 expected, bytes32 provided);
    }
}

/// The call that anchors a batch.
pub fn commit_call(batch: &BatchCommitment) -> SetRegistry::commitBatchCall {
    SetRegistry::commitBatchCall {
        batchId: B256::new(batch.batch_id.0),
        tenantId: B256::new(batch.tenant_id.to_bytes32()),
        storeId: B256::new(batch.store_id.to_bytes32()),
        eventsRoot: B256::new(batch.events_root.0),
        prevStateRoot: B256::new(batch.prev_state_root.0),
        newStateRoot: B256::new(batch.new_state_root.0),
        sequenceStart: batch.sequence_start,
        sequenceEnd: batch.sequence_end,
        eventCount: batch.leaf_count,
    }
}

fn batch_input(batch: &BatchCommitment) -> SetRegistry::BatchInput {
    let call = commit_call(batch);
    SetRegistry::BatchInput {
        batchId: call.batchId,
        tenantId: call.tenantId,
        storeId: call.storeId,
        eventsRoot: call.eventsRoot,
        prevStateRoot: call.prevStateRoot,
        newStateRoot: call.newStateRoot,
        sequenceStart: call.sequenceStart,
        sequenceEnd: call.sequenceEnd,
        eventCount: call.eventCount,
    }
}

/// What one transaction carries.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// A batch.
    Batch(&'a BatchCommitment),
    /// Several batches of any streams, all or none.
    Batches(Vec<&'a BatchCommitment>),
    /// A batch with its proof.
    Proven(&'a BatchCommitment, &'a BatchProofRecord),
    /// The proof of a batch that the contract holds.
    Proof(&'a BatchCommitment, &'a BatchProofRecord),
}

impl Payload<'_> {
    /// The bytes of the call.
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Batch(batch) => commit_call(batch).abi_encode(),
            Self::Batches(batches) => SetRegistry::commitBatchesCall {
                batches: batches.iter().map(|batch| batch_input(batch)).collect(),
            }
            .abi_encode(),
            Self::Proven(batch, proof) => {
                let call = commit_call(batch);
                SetRegistry::commitBatchWithStarkProofCall {
                    batchId: call.batchId,
                    tenantId: call.tenantId,
                    storeId: call.storeId,
                    eventsRoot: call.eventsRoot,
                    prevStateRoot: call.prevStateRoot,
                    newStateRoot: call.newStateRoot,
                    sequenceStart: call.sequenceStart,
                    sequenceEnd: call.sequenceEnd,
                    eventCount: call.eventCount,
                    proofHash: B256::new(proof.proof_hash.0),
                    policyHash: B256::new(proof.policy_hash.0),
                    policyLimit: proof.policy_limit,
                    allCompliant: true,
                    proofSize: proof.bytes.into(),
                    provingTimeMs: PROVING_TIME_MS,
                }
                .abi_encode()
            }
            Self::Proof(batch, proof) => proof_call(batch, proof).abi_encode(),
        }
        .into()
    }

    /// What the journal remembers of it.
    pub fn items(&self) -> Vec<Item> {
        let of = |kind, batch: &BatchCommitment| Item {
            kind,
            stream: batch.stream_id(),
            batch_index: batch.batch_index,
        };
        match self {
            Self::Batch(batch) => vec![of(ItemKind::Batch, batch)],
            Self::Batches(batches) => batches
                .iter()
                .map(|batch| of(ItemKind::Batch, batch))
                .collect(),
            Self::Proven(batch, _) => {
                vec![of(ItemKind::Batch, batch), of(ItemKind::Proof, batch)]
            }
            Self::Proof(batch, _) => vec![of(ItemKind::Proof, batch)],
        }
    }

    /// Gas limit where the call cannot be simulated. `one`: that of a single batch.
    pub fn gas_limit(&self, one: u64) -> u64 {
        let further = match self {
            Self::Batches(batches) => u64::try_from(batches.len().saturating_sub(1)).unwrap_or(0),
            _ => 0,
        };
        one.saturating_add(further.saturating_mul(GAS_OF_FURTHER_BATCH))
    }
}

/// Most gas that a further batch in `commitBatches` takes, with some room: the first batch of a
/// stream takes most.
pub const GAS_OF_FURTHER_BATCH: u64 = 130_000;
/// The chain does not know how long proving took.
const PROVING_TIME_MS: u64 = 0;

/// The call that anchors a proof; the chain accepts a batch's proof only when all events comply.
pub fn proof_call(
    batch: &BatchCommitment,
    proof: &BatchProofRecord,
) -> SetRegistry::commitStarkProofCall {
    SetRegistry::commitStarkProofCall {
        batchId: B256::new(batch.batch_id.0),
        proofHash: B256::new(proof.proof_hash.0),
        prevStateRoot: B256::new(batch.prev_state_root.0),
        newStateRoot: B256::new(batch.new_state_root.0),
        policyHash: B256::new(proof.policy_hash.0),
        policyLimit: proof.policy_limit,
        allCompliant: true,
        proofSize: proof.bytes.into(),
        provingTimeMs: PROVING_TIME_MS,
    }
}

/// Do the stored proof hash, policy hash, limit, flag and size equal the chain's?
pub fn same_proof(record: &SetRegistry::ProofRecord, proof: &BatchProofRecord) -> bool {
    record.proofHash.0 == proof.proof_hash.0
        && record.policyHash.0 == proof.policy_hash.0
        && record.policyLimit == proof.policy_limit
        && record.allCompliant
        && record.proofSize == u64::from(proof.bytes)
}

/// Do all five stored fields equal the batch's?
pub fn same_record(record: &SetRegistry::BatchRecord, batch: &BatchCommitment) -> bool {
    record.eventsRoot.0 == batch.events_root.0
        && record.newStateRoot.0 == batch.new_state_root.0
        && record.sequenceStart == batch.sequence_start
        && record.sequenceEnd == batch.sequence_end
        && record.eventCount == batch.leaf_count
}
