// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchInfo} from "./BatchInfo.sol";
import {ISetRegistryTypes} from "./ISetRegistryTypes.sol";
import {RegistryInfo} from "./RegistryInfo.sol";

/// @title Storage of the registry, in one place
/// @notice Append-only. An upgrade may add variables before the gap and shorten the gap by as many slots, and may
///         use the unused bytes of a packed slot. It must never reorder, remove or resize what is here.
///         `test/Upgrade.t.sol` pins the slots. OpenZeppelin's parents use namespaced slots (ERC-7201).
///
/// | slot  | content |
/// | ----- | ------- |
/// | 0     | authorized sequencers |
/// | 1     | batches (`keccak256(batchId . 1)`: events root, +1: state root, +2: {BatchInfo}) |
/// | 2     | latest batch id of each stream |
/// | 3     | submitter and flags of each stream |
/// | 4     | switches and counters, see {RegistryInfo} |
/// | 5     | proofs |
/// | 6     | registered first state of streams |
/// | 7     | stream of each batch that was committed to a bound stream |
/// | 8     | roots of the legacy function |
/// | 9-58  | gap |
abstract contract SetRegistryStorage is ISetRegistryTypes {
    /// @dev 3 slots.
    struct StoredBatch {
        bytes32 eventsRoot;
        bytes32 newStateRoot;
        BatchInfo info;
    }

    /// @dev 3 slots; the last is full.
    struct StoredProof {
        bytes32 proofHash;
        bytes32 policyHash;
        uint64 policyLimit;
        uint64 proofSize;
        uint64 provingTimeMs;
        bool allCompliant;
        uint56 timestamp;
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
    mapping(bytes32 tenantStoreKey => bytes32 batchId) internal _latest;
    mapping(bytes32 tenantStoreKey => StreamPolicy) internal _policies;
    RegistryInfo internal _registry;
    mapping(bytes32 batchId => StoredProof) internal _proofs;
    mapping(bytes32 tenantStoreKey => Genesis) internal _genesis;
    mapping(bytes32 batchId => bytes32 tenantStoreKey) internal _streamOfBoundBatch;
    mapping(uint64 sequenceStart => mapping(uint64 sequenceEnd => bytes32 root)) internal _legacyRoots;

    uint256[50] private __gap;

    /// @dev Key of a stream: `keccak256(tenantId || storeId)`.
    function _key(bytes32 tenantId, bytes32 storeId) internal pure returns (bytes32) {
        return keccak256(abi.encode(tenantId, storeId));
    }

    /// @dev First sequence number and state root that the stream must begin with under strict genesis.
    function _genesisOf(bytes32 key) internal view returns (uint64 sequenceStart, bytes32 prevStateRoot) {
        Genesis storage genesis = _genesis[key];
        return genesis.registered ? (genesis.sequenceStart, genesis.prevStateRoot) : (1, bytes32(0));
    }
}
