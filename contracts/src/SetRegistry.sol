// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchGroup} from "./BatchGroup.sol";
import {BatchInfo, packBatchInfo, packGroupedInfo, tagOf} from "./BatchInfo.sol";
import {HAS_POLICIES, LEGACY_ENABLED, PAUSED, RegistryInfo, STRICT, STRICT_GENESIS} from "./RegistryInfo.sol";
import {SetRegistryAdmin} from "./SetRegistryAdmin.sol";
import {SetRegistryViews} from "./SetRegistryViews.sol";
import {VesHash} from "./VesHash.sol";

/// @title SetRegistry: where the appchain's finalized event batches are anchored
/// @notice Authorized sequencers commit the events root and state root of each batch of a stream, and once per batch
///         the hash of a STARK proof about it. Proofs themselves are neither stored nor verified here.
///
/// What holds at any time:
/// 1. A committed batch and a committed proof never change.
/// 2. The head of a stream never moves back, and its latest batch is the one that ends at the head.
/// 3. While strict mode is on, or for a VES-strict stream, each batch starts right after the head, from the latest
///    state root.
/// 4. For a VES-strict stream, each new state root is the VES hash of its predecessor and the batch.
/// 5. The counters equal the number of accepted commitments and proofs.
///
/// All write functions revert with `EnforcedPause` while paused, then with `NotAuthorizedSequencer` for other callers.
/// They call no other contract (the accounts that {BatchGroup} creates run nothing), so they need no guard against
/// re-entrance.
contract SetRegistry is SetRegistryAdmin, SetRegistryViews {
    constructor() {
        _disableInitializers();
    }

    /// @notice Sets up a new proxy: strict mode on, all other switches off.
    /// @param owner The administrator. Reverts with `OwnableInvalidOwner` for zero.
    /// @param initialSequencer First authorized sequencer, or zero for none.
    function initialize(address owner, address initialSequencer) external initializer {
        __Ownable_init(owner);
        _registry = _registry.set(STRICT, true);
        emit StrictModeUpdated(true);
        if (initialSequencer != address(0)) _setAuthorization(initialSequencer, true);
    }

    // --- Batches ---

    /// @notice Commits the next batch of a stream.
    /// @dev Checks in this order, with these errors: `NotStreamSubmitter` (bound stream), `InvalidSequenceRange`,
    ///      `InvalidEventCount`, `EmptyEventsRoot`, `ZeroBatchId`, `BatchAlreadyCommitted`, then for a chained stream
    ///      (or a first batch under strict genesis) `StateRootMismatch` and `SequenceGap`, then `ZeroStateRoot` (strict
    ///      mode) and `VesStateRootMismatch` (VES-strict stream). Emits `BatchCommitted`.
    /// @param batchId Unique over all streams, not zero.
    /// @param tenantId UUID in the first 16 bytes.
    /// @param storeId UUID in the first 16 bytes.
    /// @param eventsRoot Merkle root over the events, not zero.
    /// @param prevStateRoot State root before the batch; zero for the first batch of a stream.
    /// @param newStateRoot State root after the batch.
    /// @param sequenceStart First sequence number.
    /// @param sequenceEnd Last sequence number, inclusive.
    /// @param eventCount `sequenceEnd - sequenceStart + 1`.
    function commitBatch(
        bytes32 batchId,
        bytes32 tenantId,
        bytes32 storeId,
        bytes32 eventsRoot,
        bytes32 prevStateRoot,
        bytes32 newStateRoot,
        uint64 sequenceStart,
        uint64 sequenceEnd,
        uint32 eventCount
    ) external {
        RegistryInfo registry = _authorizeWrite();
        _commitAlone(
            registry,
            BatchInput({
                batchId: batchId,
                tenantId: tenantId,
                storeId: storeId,
                eventsRoot: eventsRoot,
                prevStateRoot: prevStateRoot,
                newStateRoot: newStateRoot,
                sequenceStart: sequenceStart,
                sequenceEnd: sequenceEnd,
                eventCount: eventCount
            })
        );
        _registry = registry.plusCommitments(1);
    }

    /// @notice Commits several batches of any streams in the given order, all or none.
    /// @dev Reverts with `EmptyArray`, or as {commitBatch} does for the first batch that fails.
    ///      From four batches on, part of their records is kept in a {BatchGroup}, which is cheaper. No view shows it.
    function commitBatches(BatchInput[] calldata batches) external {
        RegistryInfo registry = _authorizeWrite();
        if (batches.length == 0) revert EmptyArray();
        if (BatchGroup.fits(batches.length)) {
            _commitGroup(registry, batches);
        } else {
            for (uint256 i = 0; i < batches.length; ++i) {
                _commitAlone(registry, batches[i]);
            }
        }
        _registry = registry.plusCommitments(batches.length);
    }

    /// @notice Commits the next batch of a stream together with its proof, all or none.
    /// @dev Errors as in {commitBatch}, then `InvalidProof`. Emits `BatchCommitted` and `StarkProofCommitted`.
    ///      Parameters as in {commitBatch} and {commitStarkProof}.
    function commitBatchWithStarkProof(
        bytes32 batchId,
        bytes32 tenantId,
        bytes32 storeId,
        bytes32 eventsRoot,
        bytes32 prevStateRoot,
        bytes32 newStateRoot,
        uint64 sequenceStart,
        uint64 sequenceEnd,
        uint32 eventCount,
        bytes32 proofHash,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize,
        uint64 provingTimeMs
    ) external {
        RegistryInfo registry = _authorizeWrite();
        _commitAlone(
            registry,
            BatchInput({
                batchId: batchId,
                tenantId: tenantId,
                storeId: storeId,
                eventsRoot: eventsRoot,
                prevStateRoot: prevStateRoot,
                newStateRoot: newStateRoot,
                sequenceStart: sequenceStart,
                sequenceEnd: sequenceEnd,
                eventCount: eventCount
            })
        );
        _storeProof(batchId, proofHash, policyHash, policyLimit, allCompliant, proofSize, provingTimeMs);
        _registry = registry.plusCommitments(1).plusStarkProof();
    }

    // --- Proofs ---

    /// @notice Fills the batch's proof slot, once and for good.
    /// @dev Errors in this order: `BatchNotCommitted`, `NotStreamSubmitter` (batch of a bound stream),
    ///      `StarkProofAlreadyCommitted`, `StateRootMismatchInProof` (either root), `InvalidProof`.
    ///      Emits `StarkProofCommitted`.
    /// @param batchId The proven batch.
    /// @param proofHash Hash of the proof bytes, not zero.
    /// @param prevStateRoot The batch's state root before; not the prover's field elements.
    /// @param newStateRoot The batch's state root after.
    /// @param policyHash Hash of the policy that the proof is about.
    /// @param policyLimit The policy's limit, in the policy's unit.
    /// @param allCompliant Whether the proof says that all events comply.
    /// @param proofSize Bytes of the proof, not zero.
    /// @param provingTimeMs Milliseconds that proving took, as reported by the prover.
    function commitStarkProof(
        bytes32 batchId,
        bytes32 proofHash,
        bytes32 prevStateRoot,
        bytes32 newStateRoot,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize,
        uint64 provingTimeMs
    ) external {
        RegistryInfo registry = _authorizeWrite();
        _checkProvable(batchId);
        StoredBatch storage batch = _batches[batchId];
        (, uint256 tag, bytes32 root) = _fields(batch, batch.info);
        if (newStateRoot != root || tagOf(prevStateRoot) != tag) revert StateRootMismatchInProof();
        _storeProof(batchId, proofHash, policyHash, policyLimit, allCompliant, proofSize, provingTimeMs);
        _registry = registry.plusStarkProof();
    }

    /// @notice The same without the state roots: they are the batch's.
    /// @dev Errors as in the form with state roots, without `StateRootMismatchInProof`.
    function commitStarkProof(
        bytes32 batchId,
        bytes32 proofHash,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize,
        uint64 provingTimeMs
    ) external {
        RegistryInfo registry = _authorizeWrite();
        _checkProvable(batchId);
        _storeProof(batchId, proofHash, policyHash, policyLimit, allCompliant, proofSize, provingTimeMs);
        _registry = registry.plusStarkProof();
    }

    /// @notice Logs a further proof of a proven batch, e.g. for another policy. Nothing is stored or counted.
    /// @dev Errors in this order: `BatchNotCommitted`, `NotStreamSubmitter`, `StarkProofNotCommitted`,
    ///      `InvalidProof`. Emits `AdditionalStarkProof`. Parameters as in {commitStarkProof}.
    function logAdditionalStarkProof(
        bytes32 batchId,
        bytes32 proofHash,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize
    ) external {
        _authorizeWrite();
        _checkBatchAccess(batchId);
        if (_proofs[batchId].timestamp == 0) revert StarkProofNotCommitted();
        if (proofHash == 0 || proofSize == 0) revert InvalidProof();
        emit AdditionalStarkProof(batchId, proofHash, policyHash, policyLimit, allCompliant, proofSize);
    }

    // --- Legacy ---

    /// @notice Registers a bare root for a range, outside of all streams. Off unless the owner switches it on.
    /// @dev Errors in this order: `LegacyFunctionsDisabled`, `InvalidSequenceRange` (also when a bound does not fit
    ///      64 bits), `EmptyEventsRoot`, `BatchAlreadyCommitted` (the range has a root).
    ///      Emits `LegacyBatchRootRegistered`.
    function registerBatchRoot(uint256 start, uint256 end, bytes32 root) external {
        RegistryInfo registry = _authorizeWrite();
        if (!registry.has(LEGACY_ENABLED)) revert LegacyFunctionsDisabled();
        if (end < start || end > type(uint64).max) revert InvalidSequenceRange();
        if (root == 0) revert EmptyEventsRoot();
        // Both casts are safe: start <= end < 2^64.
        (uint64 first, uint64 last) = (uint64(start), uint64(end));
        if (_legacyRoots[first][last] != 0) revert BatchAlreadyCommitted();
        _legacyRoots[first][last] = root;
        _registry = registry.plusCommitments(1);
        emit LegacyBatchRootRegistered(first, last, root);
    }

    // --- Shared ---

    /// @dev First line of every write. Returns the switches and counters so that they are read once.
    function _authorizeWrite() private view returns (RegistryInfo registry) {
        registry = _registry;
        if (registry.has(PAUSED)) revert EnforcedPause();
        if (!_authorized[msg.sender]) revert NotAuthorizedSequencer();
    }

    function _commitAlone(RegistryInfo registry, BatchInput memory batch) private {
        bool bound = _acceptBatch(registry, batch);
        StoredBatch storage stored = _batches[batch.batchId];
        stored.newStateRoot = batch.newStateRoot;
        stored.info =
            packBatchInfo(batch.sequenceStart, batch.eventCount, block.timestamp, bound, batch.prevStateRoot);
    }

    function _commitGroup(RegistryInfo registry, BatchInput[] calldata batches) private {
        // First, because each batch may have to continue one before it, whose record is in the group.
        address group = BatchGroup.write(batches);
        for (uint256 i = 0; i < batches.length; ++i) {
            BatchInput memory batch = batches[i];
            bool bound = _acceptBatch(registry, batch);
            _batches[batch.batchId].info = packGroupedInfo(group, i, batch.eventCount, block.timestamp, bound);
        }
    }

    /// @dev Everything but the counter, which the caller writes once, and the batch's new state root and info.
    ///      Returns whether the stream is bound to a submitter.
    function _acceptBatch(RegistryInfo registry, BatchInput memory batch) private returns (bool bound) {
        bytes32 key = _key(batch.tenantId, batch.storeId);
        bool vesStrict = false;
        if (registry.has(HAS_POLICIES)) {
            address submitter;
            (submitter, vesStrict) = (_policies[key].submitter, _policies[key].vesStrict);
            bound = submitter != address(0);
            if (bound && submitter != msg.sender) revert NotStreamSubmitter(submitter);
        }
        _checkBatch(batch);

        bytes32 latest = _latest[key];
        if (latest == 0) {
            if (registry.has(STRICT_GENESIS)) _checkGenesis(key, batch);
            _latest[key] = batch.batchId;
        } else {
            (uint64 head, bytes32 root) = _endOf(latest);
            if (registry.has(STRICT) || vesStrict) _checkNext(head, root, batch);
            // Without chaining an older range may be filled in later: it is recorded, but the head stays.
            if (batch.sequenceEnd > head) _latest[key] = batch.batchId;
        }
        if (registry.has(STRICT) && batch.newStateRoot == 0) revert ZeroStateRoot();
        if (vesStrict) _checkVesTransition(batch);

        _batches[batch.batchId].eventsRoot = batch.eventsRoot;
        if (bound) _streamOfBoundBatch[batch.batchId] = key;
        emit BatchCommitted(
            batch.batchId,
            key,
            batch.eventsRoot,
            batch.newStateRoot,
            batch.sequenceStart,
            batch.sequenceEnd,
            batch.eventCount
        );
    }

    function _checkBatch(BatchInput memory batch) private view {
        if (batch.sequenceEnd < batch.sequenceStart) revert InvalidSequenceRange();
        uint64 count;
        unchecked {
            // Wraps to 0 for the range of all 2^64 numbers only, which is refused with the counts that do not fit.
            count = batch.sequenceEnd - batch.sequenceStart + 1;
        }
        if (count == 0 || count > type(uint32).max || count != batch.eventCount) {
            revert InvalidEventCount(count, batch.eventCount);
        }
        if (batch.eventsRoot == 0) revert EmptyEventsRoot();
        if (batch.batchId == 0) revert ZeroBatchId();
        if (_exists(batch.batchId)) revert BatchAlreadyCommitted();
    }

    function _checkGenesis(bytes32 key, BatchInput memory batch) private view {
        (uint64 start, bytes32 root) = _genesisOf(key);
        _checkLink(batch, root, start);
    }

    function _checkNext(uint64 head, bytes32 root, BatchInput memory batch) private pure {
        // No number follows the last one.
        if (head == type(uint64).max) revert InvalidSequenceRange();
        _checkLink(batch, root, head + 1);
    }

    function _checkLink(BatchInput memory batch, bytes32 root, uint64 start) private pure {
        if (batch.prevStateRoot != root) revert StateRootMismatch(root, batch.prevStateRoot);
        if (batch.sequenceStart != start) revert SequenceGap(start, batch.sequenceStart);
    }

    function _checkVesTransition(BatchInput memory batch) private pure {
        bytes32 expected = VesHash.stateRoot(
            // Both ids are UUIDs: the owner could not switch the check on otherwise.
            VesHash.streamId(batch.tenantId, batch.storeId),
            batch.prevStateRoot,
            batch.eventsRoot,
            batch.sequenceStart,
            batch.sequenceEnd,
            batch.eventCount
        );
        if (batch.newStateRoot != expected) revert VesStateRootMismatch(expected, batch.newStateRoot);
    }

    function _checkProvable(bytes32 batchId) private view {
        _checkBatchAccess(batchId);
        if (_proofs[batchId].timestamp != 0) revert StarkProofAlreadyCommitted();
    }

    function _checkBatchAccess(bytes32 batchId) private view {
        BatchInfo info = _batches[batchId].info;
        if (!info.exists()) revert BatchNotCommitted();
        if (!info.isBound()) return;
        address submitter = _policies[_streamOfBoundBatch[batchId]].submitter;
        if (submitter != address(0) && submitter != msg.sender) revert NotStreamSubmitter(submitter);
    }

    function _storeProof(
        bytes32 batchId,
        bytes32 proofHash,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize,
        uint64 provingTimeMs
    ) private {
        if (proofHash == 0 || proofSize == 0) revert InvalidProof();
        _proofs[batchId] = StoredProof({
            proofHash: proofHash,
            policyHash: policyHash,
            policyLimit: policyLimit,
            proofSize: proofSize,
            provingTimeMs: provingTimeMs,
            allCompliant: allCompliant,
            timestamp: uint56(block.timestamp)
        });
        emit StarkProofCommitted(batchId, proofHash, policyHash, allCompliant, proofSize);
    }
}
