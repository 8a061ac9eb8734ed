// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchGroup} from "./BatchGroup.sol";
import {BatchInfo} from "./BatchInfo.sol";
import {KeccakMerkle} from "./KeccakMerkle.sol";
import {ProofInfo} from "./ProofInfo.sol";
import {LEGACY_ENABLED, PAUSED, RegistryInfo, STRICT, STRICT_GENESIS} from "./RegistryInfo.sol";
import {SetRegistryStorage} from "./SetRegistryStorage.sol";
import {VesHash} from "./VesHash.sol";

/// @title Everything that can be read
/// @notice Nothing here reverts for something unknown: unknown batches and streams read as zero, and no proof
///         verifies against them. Multi-reads of pairs revert with `ArrayLengthMismatch`.
abstract contract SetRegistryViews is SetRegistryStorage {
    // --- Batches ---

    /// @notice The batch with this id, as separate values; all zero if there is none.
    function commitments(bytes32 batchId)
        external
        view
        returns (
            bytes32 eventsRoot,
            bytes32 newStateRoot,
            uint64 sequenceStart,
            uint64 sequenceEnd,
            uint32 eventCount,
            uint64 timestamp
        )
    {
        BatchCommitment memory batch = _batch(batchId);
        return (
            batch.eventsRoot,
            batch.newStateRoot,
            batch.sequenceStart,
            batch.sequenceEnd,
            batch.eventCount,
            batch.timestamp
        );
    }

    /// @notice The batch with this id; all zero if there is none.
    function getBatchCommitment(bytes32 batchId) external view returns (BatchCommitment memory) {
        return _batch(batchId);
    }

    /// @notice The batches with these ids, in their order.
    function getBatchCommitments(bytes32[] calldata batchIds)
        external
        view
        returns (BatchCommitment[] memory batches)
    {
        batches = new BatchCommitment[](batchIds.length);
        for (uint256 i = 0; i < batchIds.length; ++i) {
            batches[i] = _batch(batchIds[i]);
        }
    }

    /// @notice Whether the batch is committed.
    function batchExists(bytes32 batchId) external view returns (bool) {
        return _exists(batchId);
    }

    /// @notice Whether each batch is committed.
    function batchExists(bytes32[] calldata batchIds) external view returns (bool[] memory exists) {
        exists = new bool[](batchIds.length);
        for (uint256 i = 0; i < batchIds.length; ++i) {
            exists[i] = _exists(batchIds[i]);
        }
    }

    /// @notice The batch, whether it is proven, and whether the proof says that all events comply.
    function getBatchWithProofStatus(bytes32 batchId)
        external
        view
        returns (BatchCommitment memory commitment, bool hasProof, bool compliant)
    {
        ProofInfo proof = _proofs[batchId].info;
        return (_batch(batchId), proof.exists(), proof.allCompliant());
    }

    // --- Proofs ---

    /// @notice The proof of this batch, as separate values; all zero if there is none.
    function starkProofs(bytes32 batchId)
        external
        view
        returns (
            bytes32 proofHash,
            bytes32 policyHash,
            uint64 policyLimit,
            bool allCompliant,
            uint64 proofSize,
            uint64 provingTimeMs,
            uint64 timestamp
        )
    {
        StoredProof storage proof = _proofs[batchId];
        ProofInfo info = proof.info;
        return (
            proof.proofHash,
            proof.policyHash,
            info.policyLimit(),
            info.allCompliant(),
            info.proofSize(),
            info.provingTimeMs(),
            info.timestampOf()
        );
    }

    /// @notice Whether the batch has a proof.
    function hasStarkProof(bytes32 batchId) external view returns (bool) {
        return _proofs[batchId].info.exists();
    }

    /// @notice Whether the batch has a proof and its hash is `proofHash`.
    function verifyStarkProofHash(bytes32 batchId, bytes32 proofHash) external view returns (bool) {
        StoredProof storage proof = _proofs[batchId];
        return proof.info.exists() && proof.proofHash == proofHash;
    }

    /// @notice The main fields of the batch's proof; all zero if there is none.
    function getStarkProofDetails(bytes32 batchId)
        external
        view
        returns (bytes32 proofHash, bytes32 policyHash, bool allCompliant, uint64 timestamp)
    {
        StoredProof storage proof = _proofs[batchId];
        return (proof.proofHash, proof.policyHash, proof.info.allCompliant(), proof.info.timestampOf());
    }

    /// @notice Of each batch: whether it is proven, and whether the proof says that all events comply.
    function getBatchProofStatuses(bytes32[] calldata batchIds)
        external
        view
        returns (bool[] memory hasProofs, bool[] memory compliant)
    {
        hasProofs = new bool[](batchIds.length);
        compliant = new bool[](batchIds.length);
        for (uint256 i = 0; i < batchIds.length; ++i) {
            ProofInfo proof = _proofs[batchIds[i]].info;
            (hasProofs[i], compliant[i]) = (proof.exists(), proof.allCompliant());
        }
    }

    // --- Streams ---

    /// @notice Id of the batch that ends at the head of the stream with this key; zero if there is none.
    function latestCommitment(bytes32 tenantStoreKey) external view returns (bytes32) {
        return _streams[tenantStoreKey].latestBatchId;
    }

    /// @notice Highest committed sequence number of the stream with this key; zero if there is none.
    function headSequence(bytes32 tenantStoreKey) external view returns (uint64) {
        return _headOf(tenantStoreKey);
    }

    /// @notice Id of the batch that ends at the stream's head; zero if there is none.
    function getLatestBatchId(bytes32 tenantId, bytes32 storeId) external view returns (bytes32) {
        return _streams[_key(tenantId, storeId)].latestBatchId;
    }

    /// @notice State root after the batch that ends at the stream's head; zero if there is none.
    function getLatestStateRoot(bytes32 tenantId, bytes32 storeId) external view returns (bytes32) {
        return _stateRootOf(_key(tenantId, storeId));
    }

    /// @notice Highest committed sequence number of the stream; zero if there is none.
    function getHeadSequence(bytes32 tenantId, bytes32 storeId) external view returns (uint64) {
        return _headOf(_key(tenantId, storeId));
    }

    /// @notice State root of each stream (`tenantIds[i]`, `storeIds[i]`).
    function getBatchLatestStateRoots(bytes32[] calldata tenantIds, bytes32[] calldata storeIds)
        external
        view
        returns (bytes32[] memory stateRoots)
    {
        if (tenantIds.length != storeIds.length) revert ArrayLengthMismatch();
        stateRoots = new bytes32[](tenantIds.length);
        for (uint256 i = 0; i < tenantIds.length; ++i) {
            stateRoots[i] = _stateRootOf(_key(tenantIds[i], storeIds[i]));
        }
    }

    /// @notice Highest committed sequence number of each stream (`tenantIds[i]`, `storeIds[i]`).
    function getBatchHeadSequences(bytes32[] calldata tenantIds, bytes32[] calldata storeIds)
        external
        view
        returns (uint64[] memory heads)
    {
        if (tenantIds.length != storeIds.length) revert ArrayLengthMismatch();
        heads = new uint64[](tenantIds.length);
        for (uint256 i = 0; i < tenantIds.length; ++i) {
            heads[i] = _headOf(_key(tenantIds[i], storeIds[i]));
        }
    }

    /// @notice Latest batch, state root and head of the stream, and whether the latest batch is proven.
    function getTenantStoreSummary(bytes32 tenantId, bytes32 storeId)
        external
        view
        returns (bytes32 latestBatchId, bytes32 stateRoot, uint64 head, bool hasLatestProof)
    {
        bytes32 key = _key(tenantId, storeId);
        latestBatchId = _streams[key].latestBatchId;
        (head, stateRoot) = _endOf(latestBatchId);
        hasLatestProof = _proofs[latestBatchId].info.exists();
    }

    /// @notice Submitter the stream is bound to (zero: none), and whether its VES state transitions are checked.
    function getStreamPolicy(bytes32 tenantId, bytes32 storeId)
        external
        view
        returns (address submitter, bool vesStrict)
    {
        StreamPolicy storage policy = _policies[_key(tenantId, storeId)];
        return (policy.submitter, policy.vesStrict);
    }

    /// @notice Where the stream must begin under strict genesis.
    function getGenesis(bytes32 tenantId, bytes32 storeId)
        external
        view
        returns (uint64 sequenceStart, bytes32 prevStateRoot)
    {
        return _genesisOf(_key(tenantId, storeId));
    }

    // --- Inclusion ---

    /// @notice The original keccak256 rule (see {KeccakMerkle}), unchanged. It does not fit VES trees.
    function verifyInclusion(bytes32 batchId, bytes32 leaf, bytes32[] calldata proof, uint256 index)
        external
        view
        returns (bool)
    {
        return _exists(batchId) && KeccakMerkle.isIncluded(_batches[batchId].eventsRoot, leaf, proof, index);
    }

    /// @notice Whether all leaves verify by the keccak256 rule; false if the arrays differ in length, true for none.
    function verifyMultipleInclusions(
        bytes32 batchId,
        bytes32[] calldata leaves,
        bytes32[][] calldata proofs,
        uint256[] calldata indices
    ) external view returns (bool) {
        if (leaves.length != proofs.length || leaves.length != indices.length) {
            return false;
        }
        if (!_exists(batchId)) return false;
        bytes32 root = _batches[batchId].eventsRoot;
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (!KeccakMerkle.isIncluded(root, leaves[i], proofs[i], indices[i])) return false;
        }
        return true;
    }

    /// @notice Whether `leaf` is the VES leaf at `index` of the batch: index = sequence number - sequenceStart.
    ///         The path must have exactly ceil(log2 eventCount) siblings, from the leaf upwards.
    function verifyVesInclusion(bytes32 batchId, bytes32 leaf, bytes32[] calldata path, uint256 index)
        external
        view
        returns (bool)
    {
        StoredBatch storage batch = _batches[batchId];
        // A batch that does not exist has no events, so no index is below its count.
        return VesHash.isIncluded(batch.eventsRoot, batch.info.eventCount(), leaf, path, index);
    }

    /// @notice Whether all leaves verify as in {verifyVesInclusion}; false for none and for arrays of differing
    ///         length.
    function verifyVesMultiple(
        bytes32 batchId,
        bytes32[] calldata leaves,
        bytes32[][] calldata paths,
        uint256[] calldata indices
    ) external view returns (bool) {
        if (leaves.length == 0 || leaves.length != paths.length || leaves.length != indices.length) return false;
        StoredBatch storage batch = _batches[batchId];
        (bytes32 root, uint256 count) = (batch.eventsRoot, batch.info.eventCount());
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (!VesHash.isIncluded(root, count, leaves[i], paths[i], indices[i])) return false;
        }
        return true;
    }

    /// @notice Whether the batch's new state root follows by the VES formula from `prevStateRoot`, the stream
    ///         (`tenantId`, `storeId`) and the stored events root and range. False if an id is not a UUID.
    function verifyVesStateRoot(bytes32 batchId, bytes32 tenantId, bytes32 storeId, bytes32 prevStateRoot)
        external
        view
        returns (bool)
    {
        if (!_exists(batchId) || !VesHash.isUuid(tenantId) || !VesHash.isUuid(storeId)) return false;
        BatchCommitment memory batch = _batch(batchId);
        return batch.newStateRoot
            == VesHash.stateRoot(
            VesHash.streamId(tenantId, storeId),
            prevStateRoot,
            batch.eventsRoot,
            batch.sequenceStart,
            batch.sequenceEnd,
            batch.eventCount
        );
    }

    // --- Registry ---

    /// @notice Number of accepted commitments, roots of the legacy function included.
    function totalCommitments() external view returns (uint256) {
        return _registry.totalCommitments();
    }

    /// @notice Number of batches that have a proof.
    function totalStarkProofs() external view returns (uint256) {
        return _registry.totalStarkProofs();
    }

    /// @notice Counters and main switches.
    function getRegistryStats()
        external
        view
        returns (uint256 commitmentCount, uint256 proofCount, bool isPaused, bool isStrict)
    {
        RegistryInfo registry = _registry;
        return (
            registry.totalCommitments(),
            registry.totalStarkProofs(),
            registry.has(PAUSED),
            registry.has(STRICT)
        );
    }

    /// @notice Counters, main switches, and proofs per commitment in basis points (10000 if there are none).
    function getExtendedRegistryStatus()
        external
        view
        returns (
            uint256 totalBatches,
            uint256 totalProofs,
            uint256 sequencerCount,
            bool isPaused,
            bool isStrict,
            uint256 proofCoverage
        )
    {
        RegistryInfo registry = _registry;
        totalBatches = registry.totalCommitments();
        totalProofs = registry.totalStarkProofs();
        proofCoverage = totalBatches == 0 ? 10_000 : totalProofs * 10_000 / totalBatches;
        return (
            totalBatches,
            totalProofs,
            registry.sequencerCount(),
            registry.has(PAUSED),
            registry.has(STRICT),
            proofCoverage
        );
    }

    /// @notice Whether the address may write.
    function authorizedSequencers(address sequencer) external view returns (bool) {
        return _authorized[sequencer];
    }

    /// @notice Number of addresses that may write.
    function authorizedSequencerCount() external view returns (uint256) {
        return _registry.sequencerCount();
    }

    /// @notice Whether each address may write.
    function areSequencersAuthorized(address[] calldata sequencers)
        external
        view
        returns (bool[] memory authorized)
    {
        authorized = new bool[](sequencers.length);
        for (uint256 i = 0; i < sequencers.length; ++i) {
            authorized[i] = _authorized[sequencers[i]];
        }
    }

    /// @notice Whether streams are chained.
    function strictModeEnabled() external view returns (bool) {
        return _registry.has(STRICT);
    }

    /// @notice Whether the first batch of a stream is checked against its genesis.
    function strictGenesisEnabled() external view returns (bool) {
        return _registry.has(STRICT_GENESIS);
    }

    /// @notice Whether the legacy functions are on.
    function legacyFunctionsEnabled() external view returns (bool) {
        return _registry.has(LEGACY_ENABLED);
    }

    /// @notice Whether writing is paused.
    function paused() external view returns (bool) {
        return _registry.has(PAUSED);
    }

    /// @notice Root registered through the legacy function for exactly this range; zero if there is none.
    function getBatchRoot(uint256 start, uint256 end) external view returns (bytes32) {
        if (start > type(uint64).max || end > type(uint64).max) return 0;
        // Both casts are safe by the line above.
        return _legacyRoots[uint64(start)][uint64(end)];
    }

    // --- Shared ---

    function _exists(bytes32 batchId) internal view returns (bool) {
        return _batches[batchId].info.exists();
    }

    function _batch(bytes32 batchId) internal view returns (BatchCommitment memory) {
        StoredBatch storage batch = _batches[batchId];
        BatchInfo info = batch.info;
        (uint64 start,, bytes32 newStateRoot) = _fields(batch, info);
        (uint64 end,) = _endOf(batchId);
        return BatchCommitment({
            eventsRoot: batch.eventsRoot,
            newStateRoot: newStateRoot,
            sequenceStart: start,
            sequenceEnd: end,
            eventCount: info.eventCount(),
            timestamp: info.isGrouped() ? BatchGroup.timestampOf(info) : info.ownTimestamp()
        });
    }

    function _headOf(bytes32 key) internal view returns (uint64 head) {
        (head,) = _endOf(_streams[key].latestBatchId);
    }

    function _stateRootOf(bytes32 key) internal view returns (bytes32 root) {
        (, root) = _endOf(_streams[key].latestBatchId);
    }
}
