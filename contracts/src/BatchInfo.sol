// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Everything of a stored batch but its two roots, in one word. From the highest bit:
///
/// | bits | field |
/// | ---- | ----- |
/// | 112  | tag that binds a proof to the previous state root: first 14 bytes of `keccak256(prevStateRoot)` |
/// | 8    | 1 if the stream was bound to a submitter |
/// | 40   | timestamp in seconds, never 0 |
/// | 32   | event count, never 0 |
/// | 64   | first sequence number |
///
/// The last sequence number is not stored: it is `sequenceStart + eventCount - 1`. All zero means "no batch".
/// @dev A word and not a struct, because the compiler writes a packed struct field by field, with a load and a store
///      for each.
type BatchInfo is uint256;

using {sequenceStart, sequenceEnd, eventCount, timestamp, isBound, isAfter, exists} for BatchInfo global;

/// @dev Packs the fields. The time fits 40 bits until the year 36812.
function packBatchInfo(uint64 start, uint32 count, uint256 time, bool bound, bytes32 prevStateRoot)
    pure
    returns (BatchInfo)
{
    return BatchInfo.wrap(
        uint256(start) | uint256(count) << 64 | time << 96 | (bound ? uint256(1) << 136 : 0)
            | _tag(prevStateRoot) << 144
    );
}

function sequenceStart(BatchInfo info) pure returns (uint64) {
    return uint64(BatchInfo.unwrap(info));
}

function eventCount(BatchInfo info) pure returns (uint32) {
    return uint32(BatchInfo.unwrap(info) >> 64);
}

function timestamp(BatchInfo info) pure returns (uint64) {
    return uint40(BatchInfo.unwrap(info) >> 96);
}

function isBound(BatchInfo info) pure returns (bool) {
    return uint8(BatchInfo.unwrap(info) >> 136) != 0;
}

/// @dev Whether the batch was committed with this previous state root. 112 bits suffice: to pass another root for the
///      real one means to find a second preimage.
function isAfter(BatchInfo info, bytes32 prevStateRoot) pure returns (bool) {
    return BatchInfo.unwrap(info) >> 144 == _tag(prevStateRoot);
}

/// @dev 0 if there is no batch.
function sequenceEnd(BatchInfo info) pure returns (uint64) {
    unchecked {
        // Does not wrap for a batch: its range ends at or below 2^64 - 1.
        return exists(info) ? sequenceStart(info) + eventCount(info) - 1 : 0;
    }
}

function exists(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) != 0;
}

function _tag(bytes32 prevStateRoot) pure returns (uint256) {
    return uint256(keccak256(abi.encode(prevStateRoot))) >> 144;
}
