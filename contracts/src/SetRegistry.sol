// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchGroup} from "./BatchGroup.sol";
import {BatchInfo, BOUND, GROUPED, NO_POLICY, packBatchInfo, packPlace, tagOf} from "./BatchInfo.sol";
import {packProofInfo} from "./ProofInfo.sol";
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
    ///      From three batches on, part of their records is kept in a {BatchGroup}, which is cheaper. No view shows it.
    function commitBatches(BatchInput[] calldata batches) external {
        RegistryInfo registry = _authorizeWrite();
        if (batches.length == 0) revert EmptyArray();
        if (BatchGroup.fits(batches.length)) {
            registry = registry.withLatestGroup(_commitGroup(registry, batches));
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
        if (!_proofs[batchId].info.exists()) revert StarkProofNotCommitted();
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
        StoredBatch storage stored = _commit(registry, batch, 0, block.timestamp);
        stored.newStateRoot = batch.newStateRoot;
    }

    /// @dev Returns the number of the group, which the caller writes with the counters.
    function _commitGroup(RegistryInfo registry, BatchInput[] calldata batches)
        private
        returns (uint256 group)
    {
        // First, because each batch may have to continue one before it, whose state root is in the group.
        group = BatchGroup.write(batches, registry.latestGroup());
        // Filled below, batch by batch.
        // slither-disable-next-line uninitialized-local
        BatchInput memory batch;
        for (uint256 i = 0; i < batches.length; ++i) {
            _load(batch, batches, i);
            _commit(registry, batch, GROUPED, packPlace(group, i));
        }
    }

    /// @dev Copies batch `i`, which is there, to memory in use. The compiler's own copy takes fresh memory and three
    ///      times the gas. As there, a number that its type cannot hold reverts without a reason.
    function _load(BatchInput memory batch, BatchInput[] calldata batches, uint256 i) private pure {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            calldatacopy(batch, add(batches.offset, mul(i, 0x120)), 0x120)
            // First, last, count.
            let excess := or(shr(64, mload(add(batch, 0xc0))), shr(64, mload(add(batch, 0xe0))))
            if or(excess, shr(32, mload(add(batch, 0x100)))) { revert(0, 0) }
        }
    }

    /// @dev Everything but the counters, which the caller writes once, and the batch's new state root.
    ///      `flags` and `middle` are those of {BatchInfo} that follow from where the state root is kept.
    function _commit(RegistryInfo registry, BatchInput memory batch, uint256 flags, uint256 middle)
        private
        returns (StoredBatch storage stored)
    {
        bytes32 key = _key(batch.tenantId, batch.storeId);
        Stream storage stream = _streams[key];
        bytes32 latest = stream.latestBatchId;
        StoredBatch storage last = _batches[latest];
        BatchInfo lastInfo = BatchInfo.wrap(0);
        if (latest != 0) lastInfo = last.info;

        bool vesStrict = false;
        // Apart, as `||` costs more.
        if (lastInfo.hasNoPolicy()) {
            flags |= NO_POLICY;
        } else if (!registry.has(HAS_POLICIES)) {
            flags |= NO_POLICY;
        } else {
            uint256 policy;
            (policy, vesStrict) = _applyPolicy(key, batch.batchId);
            flags |= policy;
        }
        stored = _batches[batch.batchId];
        _checkBatch(batch, stored);

        bool chained = registry.has(STRICT) || vesStrict;
        if (latest == 0) {
            if (registry.has(STRICT_GENESIS)) {
                (uint64 first, bytes32 root) = _genesisOf(key);
                _checkLink(batch, root, first);
            }
            stream.latestBatchId = batch.batchId;
        } else {
            (uint256 head, bytes32 root) = _end(last, lastInfo);
            if (chained) {
                unchecked {
                    _checkLink(batch, root, head + 1);
                }
                stream.latestBatchId = batch.batchId;
            } else if (batch.sequenceEnd > head) {
                // An older range may be filled in later: it is recorded, but the head stays.
                stream.latestBatchId = batch.batchId;
            }
        }
        // In this order, because the first is rarely true.
        if (batch.newStateRoot == 0 && registry.has(STRICT)) revert ZeroStateRoot();
        if (vesStrict) _checkVesTransition(batch);

        stored.eventsRoot = batch.eventsRoot;
        stored.info = packBatchInfo(flags, middle, batch.eventCount, batch.prevStateRoot, batch.sequenceStart);
        _emitBatchCommitted(batch, key);
    }

    /// @dev For a batch of a stream that may have a policy: the flags that follow from it, and whether it is VES-strict.
    function _applyPolicy(bytes32 key, bytes32 batchId) private returns (uint256 flags, bool vesStrict) {
        StreamPolicy storage policy = _policies[key];
        address submitter = policy.submitter;
        vesStrict = policy.vesStrict;
        if (submitter == address(0)) return (vesStrict ? 0 : NO_POLICY, vesStrict);
        if (submitter != msg.sender) revert NotStreamSubmitter(submitter);
        // The batch may yet be refused, which undoes this.
        _streamOfBoundBatch[batchId] = key;
        return (BOUND, vesStrict);
    }

    /// @dev Emits the event. The fields of a batch from the fifth on are those of the event, if the events root takes the
    ///      place of the previous state root, which nothing needs any more; so they are not copied.
    function _emitBatchCommitted(BatchInput memory batch, bytes32 key) private {
        bytes32 topic = BatchCommitted.selector;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            mstore(add(batch, 0x80), mload(add(batch, 0x60)))
            log3(add(batch, 0x80), 0xa0, topic, mload(batch), key)
        }
    }

    /// @dev One branch for all: what is wrong is found out only if something is.
    function _checkBatch(BatchInput memory batch, StoredBatch storage stored) private view {
        BatchInfo info = stored.info;
        bool wrong;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let count := mload(add(batch, 0x100))
            // As words, which hold the length of any range. Zero for the right count of a range that does not end
            // before it starts, and for the count 0 of one that ends right before it.
            wrong := xor(sub(add(mload(add(batch, 0xe0)), 1), mload(add(batch, 0xc0))), count)
            // Count, events root and id must not be zero, and the id be new.
            wrong := or(or(wrong, iszero(count)), iszero(mload(add(batch, 0x60))))
            wrong := iszero(iszero(or(or(wrong, iszero(mload(batch))), info)))
        }
        if (wrong) _refuseBatch(batch);
    }

    function _refuseBatch(BatchInput memory batch) private pure {
        if (batch.sequenceEnd < batch.sequenceStart) revert InvalidSequenceRange();
        uint64 count;
        unchecked {
            // Wraps to 0 for the range of all 2^64 numbers only, which is refused with the counts that do not fit.
            count = batch.sequenceEnd - batch.sequenceStart + 1;
        }
        if (count == 0 || count != batch.eventCount) revert InvalidEventCount(count, batch.eventCount);
        if (batch.eventsRoot == 0) revert EmptyEventsRoot();
        if (batch.batchId == 0) revert ZeroBatchId();
        revert BatchAlreadyCommitted();
    }

    /// @dev `start` is a word, as none of 64 bits follows the last sequence number.
    function _checkLink(BatchInput memory batch, bytes32 root, uint256 start) private pure {
        bool wrong;
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let off := or(xor(mload(add(batch, 0x80)), root), xor(mload(add(batch, 0xc0)), start))
            wrong := iszero(iszero(off))
        }
        if (wrong) _refuseLink(batch, root, start);
    }

    /// @dev What is wrong with a link is found out only if something is.
    function _refuseLink(BatchInput memory batch, bytes32 root, uint256 start) private pure {
        if (start > type(uint64).max) revert InvalidSequenceRange();
        if (batch.prevStateRoot != root) revert StateRootMismatch(root, batch.prevStateRoot);
        // The cast is safe by the first line.
        revert SequenceGap(uint64(start), batch.sequenceStart);
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
        if (_proofs[batchId].info.exists()) revert StarkProofAlreadyCommitted();
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
        StoredProof storage stored = _proofs[batchId];
        stored.proofHash = proofHash;
        stored.policyHash = policyHash;
        stored.info = packProofInfo(policyLimit, proofSize, provingTimeMs, allCompliant, block.timestamp);
        emit StarkProofCommitted(batchId, proofHash, policyHash, allCompliant, proofSize);
    }
}
