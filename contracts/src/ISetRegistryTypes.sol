// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The vocabulary of the registry: records, events and errors
/// @notice Sequence numbers are inclusive and dense within a stream. A stream is a (tenant, store) pair; its
///         on-chain key is `keccak256(tenantId || storeId)`. Tenant and store ids are UUIDs in the first
///         16 bytes of the `bytes32`, the rest zero. Times are block timestamps in seconds.
interface ISetRegistryTypes {
    /// @notice A committed batch, as the views return it. `timestamp == 0` means "no such batch".
    struct BatchCommitment {
        bytes32 eventsRoot;
        bytes32 newStateRoot;
        uint64 sequenceStart;
        uint64 sequenceEnd;
        uint32 eventCount;
        uint64 timestamp;
    }

    /// @notice The proof of a batch, as the views return it. `timestamp == 0` means "no proof".
    ///         `proofSize` is in bytes, `provingTimeMs` in milliseconds.
    struct StarkProofCommitment {
        bytes32 proofHash;
        bytes32 policyHash;
        uint64 policyLimit;
        bool allCompliant;
        uint64 proofSize;
        uint64 provingTimeMs;
        uint64 timestamp;
    }

    /// @notice One batch of {SetRegistry-commitBatches}: the nine arguments of `commitBatch`, in their order.
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

    // --- Events of the write path ---

    /// @notice A batch was committed.
    event BatchCommitted(
        bytes32 indexed batchId,
        bytes32 indexed tenantStoreKey,
        bytes32 eventsRoot,
        bytes32 newStateRoot,
        uint64 sequenceStart,
        uint64 sequenceEnd,
        uint32 eventCount
    );

    /// @notice The proof slot of a batch was filled, once and for good.
    event StarkProofCommitted(
        bytes32 indexed batchId, bytes32 proofHash, bytes32 policyHash, bool allCompliant, uint64 proofSize
    );

    /// @notice A further proof of an already proven batch was logged. It is not stored.
    event AdditionalStarkProof(
        bytes32 indexed batchId,
        bytes32 indexed proofHash,
        bytes32 policyHash,
        uint64 policyLimit,
        bool allCompliant,
        uint64 proofSize
    );

    /// @notice A root was registered through the legacy function.
    event LegacyBatchRootRegistered(uint64 sequenceStart, uint64 sequenceEnd, bytes32 root);

    // --- Events of the administration ---

    /// @notice `sequencer` may (not) write from now on. Also emitted when nothing changed.
    event SequencerAuthorized(address indexed sequencer, bool authorized);
    /// @notice Chaining of every stream was switched.
    event StrictModeUpdated(bool enabled);
    /// @notice Checking of every stream's first batch was switched.
    event StrictGenesisUpdated(bool enabled);
    /// @notice The legacy functions were switched.
    event LegacyFunctionsUpdated(bool enabled);
    /// @notice Under strict genesis, the stream must begin with this sequence number and state root.
    event GenesisRegistered(bytes32 indexed tenantStoreKey, uint64 sequenceStart, bytes32 prevStateRoot);
    /// @notice Only `submitter` may write to the stream from now on; zero lifts the restriction.
    event StreamSubmitterUpdated(bytes32 indexed tenantStoreKey, address indexed submitter);
    /// @notice Checking of the stream's VES state transitions was switched.
    event StreamVesStrictUpdated(bytes32 indexed tenantStoreKey, bool enabled);
    /// @notice `authorizer` replaced the implementation.
    event ContractUpgraded(address indexed newImplementation, address indexed authorizer);
    // The peer's, who does not index the account either.
    // slither-disable-start unindexed-event-address
    /// @notice Writing was stopped by `account`.
    event Paused(address account);
    /// @notice Writing was resumed by `account`.
    event Unpaused(address account);
    // slither-disable-end unindexed-event-address

    // --- Errors: caller ---

    /// @notice The caller is not an authorized sequencer.
    error NotAuthorizedSequencer();
    /// @notice The stream is bound to another submitter.
    error NotStreamSubmitter(address submitter);
    /// @notice Writing is paused.
    error EnforcedPause();
    /// @notice `unpause` without a pause.
    error ExpectedPause();
    /// @notice The registry must keep an owner: hand over with `transferOwnership` and `acceptOwnership`.
    error RenounceDisabled();

    // --- Errors: batch ---

    /// @notice `sequenceEnd < sequenceStart`, or the stream has used up all 2^64 sequence numbers.
    error InvalidSequenceRange();
    /// @notice The count is not `sequenceEnd - sequenceStart + 1` or that does not fit 32 bits.
    error InvalidEventCount(uint64 expected, uint32 provided);
    /// @notice The events root is zero.
    error EmptyEventsRoot();
    /// @notice The batch id is zero, which means "no batch" everywhere.
    error ZeroBatchId();
    /// @notice The new state root is zero, which means "before the first batch". Refused in strict mode.
    error ZeroStateRoot();
    /// @notice The batch id is in use, in this or another stream.
    error BatchAlreadyCommitted();
    /// @notice The batch does not start from the stream's latest (or registered first) state root.
    error StateRootMismatch(bytes32 expected, bytes32 provided);
    /// @notice The batch does not start right after the stream's head (or at its registered first number).
    error SequenceGap(uint64 expected, uint64 provided);
    /// @notice The new state root of a VES-strict stream is not the one that the VES formula gives.
    error VesStateRootMismatch(bytes32 expected, bytes32 provided);
    /// @notice The id is not a UUID followed by 16 zero bytes, so it names no VES stream.
    error NotUuid(bytes32 id);
    /// @notice A genesis can only be registered before the stream's first batch.
    error StreamAlreadyStarted();

    // --- Errors: proof ---

    /// @notice Proof hash or proof size is zero.
    error InvalidProof();
    /// @notice No batch has this id.
    error BatchNotCommitted();
    /// @notice The proof slot of the batch is filled.
    error StarkProofAlreadyCommitted();
    /// @notice The batch has no proof yet: commit the first one before logging further ones.
    error StarkProofNotCommitted();
    /// @notice The proof is for other state roots than the batch's.
    error StateRootMismatchInProof();

    // --- Errors: arguments ---

    /// @notice The address is zero.
    error InvalidAddress();
    /// @notice Two arrays that belong together differ in length.
    error ArrayLengthMismatch();
    /// @notice The array has no elements.
    error EmptyArray();
    /// @notice The legacy functions are switched off.
    error LegacyFunctionsDisabled();
}
