// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchGroup} from "./BatchGroup.sol";
import {BatchInfo} from "./BatchInfo.sol";
import {FirstGroups} from "./FirstGroups.sol";
import {ISetRegistryTypes} from "./ISetRegistryTypes.sol";
import {ProofInfo} from "./ProofInfo.sol";
import {RegistryInfo} from "./RegistryInfo.sol";

/// @title Storage of the registry, in one place
/// @notice Append-only. An upgrade may add variables before the gap and shorten the gap by as many slots, and may
///         use the unused bytes of a packed slot. It must never reorder, remove or resize what is here.
///         `test/Upgrade.t.sol` pins the slots. OpenZeppelin's parents use namespaced slots (ERC-7201).
///
/// | slot  | content |
/// | ----- | ------- |
/// | 0     | authorized sequencers |
/// | 1     | batches (`keccak256(batchId . 1)`: events root, +1: state root, unless in a {BatchGroup}, +2: {BatchInfo}) |
/// | 2     | latest batch id of each stream |
/// | 3     | submitter and flags of each stream |
/// | 4     | switches and counters, see {RegistryInfo} |
/// | 5     | proofs |
/// | 6     | registered first state of streams |
/// | 7     | stream of each batch that was committed to a bound stream |
/// | 8     | roots of the legacy function |
/// | 9-58  | gap |
abstract contract SetRegistryStorage is ISetRegistryTypes {
    /// @dev 3 slots; the second is empty for a batch whose state root is in a {BatchGroup}.
    struct StoredBatch {
        bytes32 eventsRoot;
        bytes32 newStateRoot;
        BatchInfo info;
    }

    /// @dev A struct, because a reference to it keeps the slot, where a value of a mapping has it computed at each use.
    struct Stream {
        /// Zero for a stream without batches.
        bytes32 latestBatchId;
    }

    /// @dev 3 slots; the last is full.
    struct StoredProof {
        bytes32 proofHash;
        bytes32 policyHash;
        ProofInfo info;
    }

    /// @dev 1 slot, 11 bytes unused.
    struct StreamPolicy {
        /// Only writer of the stream, or zero for any authorized sequencer.
        address submitter;
        /// State transitions are checked against the VES formula, and chaining cannot be switched off.
        bool vesStrict;
    }

    struct Genesis {
        bytes32 prevStateRoot;
        uint64 sequenceStart;
        bool registered;
    }

    mapping(address sequencer => bool) internal _authorized;
    mapping(bytes32 batchId => StoredBatch) internal _batches;
    mapping(bytes32 tenantStoreKey => Stream) internal _streams;
    mapping(bytes32 tenantStoreKey => StreamPolicy) internal _policies;
    RegistryInfo internal _registry;
    mapping(bytes32 batchId => StoredProof) internal _proofs;
    mapping(bytes32 tenantStoreKey => Genesis) internal _genesis;
    mapping(bytes32 batchId => bytes32 tenantStoreKey) internal _streamOfBoundBatch;
    mapping(uint64 sequenceStart => mapping(uint64 sequenceEnd => bytes32 root)) internal _legacyRoots;

    // Its name in every upgradeable contract.
    // slither-disable-next-line naming-convention
    uint256[50] private __gap;

    /// @dev Key of a stream: `keccak256(tenantId || storeId)`.
    function _key(bytes32 tenantId, bytes32 storeId) internal pure returns (bytes32 key) {
        // In the scratch space: `abi.encode` would take fresh memory in every write.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            mstore(0x00, tenantId)
            mstore(0x20, storeId)
            key := keccak256(0x00, 0x40)
        }
    }

    /// @dev Last sequence number and new state root of a batch, both zero if there is no batch.
    function _endOf(bytes32 batchId) internal view returns (uint64 sequenceEnd, bytes32 newStateRoot) {
        StoredBatch storage batch = _batches[batchId];
        BatchInfo info = batch.info;
        if (!info.exists()) return (0, 0);
        uint256 end;
        (end, newStateRoot) = _end(batch, info);
        // The cast is safe: a batch ends at or below 2^64 - 1.
        return (uint64(end), newStateRoot);
    }

    /// @dev The same of a batch that exists and whose `info` was read, as a word: writes need no more.
    function _end(StoredBatch storage batch, BatchInfo info)
        internal
        view
        returns (uint256 sequenceEnd, bytes32 newStateRoot)
    {
        if (info.isFirstGrouped()) {
            (sequenceEnd,, newStateRoot) = _fields(batch, info);
        } else {
            sequenceEnd = info.ownSequenceStart();
            newStateRoot = _ownStateRoot(batch, info);
        }
        unchecked {
            sequenceEnd += uint256(info.eventCount()) - 1;
        }
    }

    /// @dev The fields of a batch that are in its slots or in its group; all zero if there is no batch.
    function _fields(StoredBatch storage batch, BatchInfo info)
        internal
        view
        returns (uint64 sequenceStart, uint256 tag, bytes32 newStateRoot)
    {
        if (info.isFirstGrouped()) return FirstGroups.read(info);
        return (info.ownSequenceStart(), info.ownTag(), _ownStateRoot(batch, info));
    }

    function _ownStateRoot(StoredBatch storage batch, BatchInfo info) private view returns (bytes32) {
        return info.isGrouped() ? BatchGroup.newStateRootOf(info) : batch.newStateRoot;
    }

    /// @dev First sequence number and state root that the stream must begin with under strict genesis.
    function _genesisOf(bytes32 key) internal view returns (uint64 sequenceStart, bytes32 prevStateRoot) {
        Genesis storage genesis = _genesis[key];
        return genesis.registered ? (genesis.sequenceStart, genesis.prevStateRoot) : (1, bytes32(0));
    }
}
