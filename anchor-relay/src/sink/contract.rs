// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The part of `SetRegistry` that the relay calls. A test compares it with the built contract.

#![expect(
    clippy::too_many_arguments,
    reason = "commitBatch has nine, fixed by the contract"
)]

use alloy::{primitives::B256, sol};
use ves_primitives::BatchCommitment;

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

        function commitBatch(bytes32 batchId, bytes32 tenantId, bytes32 storeId, bytes32 eventsRoot, bytes32 prevStateRoot, bytes32 newStateRoot, uint64 sequenceStart, uint64 sequenceEnd, uint32 eventCount) external;
        function getBatchCommitments(bytes32[] batchIds) external view returns (BatchRecord[]);
        function getBatchHeadSequences(bytes32[] tenantIds, bytes32[] storeIds) external view returns (uint64[]);
        function getBatchLatestStateRoots(bytes32[] tenantIds, bytes32[] storeIds) external view returns (bytes32[]);
        function authorizedSequencers(address sequencer) external view returns (bool);
        function paused() external view returns (bool);
        function strictModeEnabled() external view returns (bool);

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

/// Do all five stored fields equal the batch's?
pub fn same_record(record: &SetRegistry::BatchRecord, batch: &BatchCommitment) -> bool {
    record.eventsRoot.0 == batch.events_root.0
        && record.newStateRoot.0 == batch.new_state_root.0
        && record.sequenceStart == batch.sequence_start
        && record.sequenceEnd == batch.sequence_end
        && record.eventCount == batch.leaf_count
}
