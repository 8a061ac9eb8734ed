// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the registry stores of a batch besides its roots, in one word. From the highest bit:
///
/// | bits | field |
/// | ---- | ----- |
/// | 8    | flags: 1 if the stream was bound to a submitter, 2 if the batch is part of a group |
/// | 40   | timestamp in seconds, never 0 |
/// | 32   | event count, never 0 |
/// | 176  | alone: 112 bits tag, 64 bits first sequence number; in a group: 16 bits place in it, 160 bits its address |
///
/// The tag binds a proof to the previous state root: it is the first 14 bytes of `keccak256(prevStateRoot)`. Of a
/// grouped batch, {BatchGroup} holds tag, first sequence number and new state root.
/// The last sequence number is not stored: it is the first plus `eventCount - 1`. All zero means "no batch".
/// @dev A word and not a struct, because the compiler writes a packed struct field by field, with a load and a store
///      for each.
type BatchInfo is uint256;

using {
    eventCount,
    timestamp,
    isBound,
    isGrouped,
    groupPlace,
    ownSequenceStart,
    ownTag,
    exists
} for BatchInfo global;

uint256 constant BOUND = 1 << 248;
uint256 constant GROUPED = 1 << 249;

/// @dev Of a batch that stands alone. The time fits 40 bits until the year 36812.
function packBatchInfo(uint64 start, uint32 count, uint256 time, bool bound, bytes32 prevStateRoot)
    pure
    returns (BatchInfo)
{
    return BatchInfo.wrap(
        uint256(start) | tagOf(prevStateRoot) << 64 | uint256(count) << 176 | time << 208
            | (bound ? BOUND : 0)
    );
}

/// @dev Of a batch whose further fields are the record at `index` of `group`.
function packGroupedInfo(address group, uint256 index, uint32 count, uint256 time, bool bound)
    pure
    returns (BatchInfo)
{
    return BatchInfo.wrap(
        uint256(uint160(group)) | index << 160 | uint256(count) << 176 | time << 208 | (bound ? BOUND : 0)
            | GROUPED
    );
}

function eventCount(BatchInfo info) pure returns (uint32) {
    return uint32(BatchInfo.unwrap(info) >> 176);
}

function timestamp(BatchInfo info) pure returns (uint64) {
    return uint40(BatchInfo.unwrap(info) >> 208);
}

function isBound(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & BOUND != 0;
}

function isGrouped(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & GROUPED != 0;
}

/// @dev Of a grouped batch only.
function groupPlace(BatchInfo info) pure returns (address group, uint256 index) {
    return (address(uint160(BatchInfo.unwrap(info))), uint16(BatchInfo.unwrap(info) >> 160));
}

/// @dev Of a batch that stands alone only.
function ownSequenceStart(BatchInfo info) pure returns (uint64) {
    return uint64(BatchInfo.unwrap(info));
}

/// @dev Of a batch that stands alone only.
function ownTag(BatchInfo info) pure returns (uint256) {
    return uint112(BatchInfo.unwrap(info) >> 64);
}

function exists(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) != 0;
}

/// @dev 112 bits suffice: to pass another root for the real one means to find a second preimage.
function tagOf(bytes32 prevStateRoot) pure returns (uint256 tag) {
    // In the scratch space: `abi.encode` would take fresh memory in every write.
    assembly ("memory-safe") {
        mstore(0x00, prevStateRoot)
        tag := shr(144, keccak256(0x00, 0x20))
    }
}
