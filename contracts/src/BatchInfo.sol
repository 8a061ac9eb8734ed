// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the registry stores of a batch besides its roots, in one word. From the highest bit:
///
/// | bits | field |
/// | ---- | ----- |
/// | 8    | the flags below |
/// | 40   | alone: timestamp in seconds, never 0; in a group: 10 bits place in it, 30 bits number of the group, never 0 |
/// | 32   | event count, never 0 |
/// | 112  | tag |
/// | 64   | first sequence number |
///
/// The tag binds a proof to the previous state root: it is the first 14 bytes of `keccak256(prevStateRoot)`. Of a
/// grouped batch, {BatchGroup} holds timestamp and new state root.
/// The last sequence number is not stored: it is the first plus `eventCount - 1`. All zero means "no batch".
///
/// A batch of the first form of groups, which is read but no longer written, has its timestamp here, and in the place of
/// tag and first sequence number 16 bits place and 160 bits address, see {FirstGroups}.
/// @dev A word and not a struct, because the compiler writes a packed struct field by field, with a load and a store
///      for each.
type BatchInfo is uint256;

using {
    eventCount,
    ownTimestamp,
    isBound,
    isFirstGrouped,
    isGrouped,
    hasNoPolicy,
    withoutNoPolicy,
    group,
    placeInGroup,
    firstGroupPlace,
    ownSequenceStart,
    ownTag,
    exists
} for BatchInfo global;

/// @dev The stream was bound to a submitter.
uint256 constant BOUND = 1 << 248;
/// @dev The batch is in a group of the first form.
uint256 constant FIRST_GROUPED = 1 << 249;
/// @dev Of the latest batch of a stream: the stream has no policy, so a write need not look for one. Says nothing of
///      other batches. Not set in a batch that was committed before there was this flag.
uint256 constant NO_POLICY = 1 << 250;
/// @dev The batch is in a group.
uint256 constant GROUPED = 1 << 251;

uint256 constant PLACE_BITS = 10;
uint256 constant GROUP_BITS = 30;

/// @dev `middle` is the timestamp, which fits 40 bits until the year 36812, or {packPlace}.
function packBatchInfo(uint256 flags, uint256 middle, uint32 count, bytes32 prevStateRoot, uint64 start)
    pure
    returns (BatchInfo)
{
    return BatchInfo.wrap(
        flags | middle << 208 | uint256(count) << 176 | tagOf(prevStateRoot) << 64 | uint256(start)
    );
}

/// @dev Both must fit their bits.
function packPlace(uint256 number, uint256 place) pure returns (uint256) {
    return place << GROUP_BITS | number;
}

function eventCount(BatchInfo info) pure returns (uint32) {
    return uint32(BatchInfo.unwrap(info) >> 176);
}

/// @dev Not of a batch in a group.
function ownTimestamp(BatchInfo info) pure returns (uint64) {
    return uint40(BatchInfo.unwrap(info) >> 208);
}

function isBound(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & BOUND != 0;
}

function isFirstGrouped(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & FIRST_GROUPED != 0;
}

function isGrouped(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & GROUPED != 0;
}

function hasNoPolicy(BatchInfo info) pure returns (bool) {
    return BatchInfo.unwrap(info) & NO_POLICY != 0;
}

function withoutNoPolicy(BatchInfo info) pure returns (BatchInfo) {
    return BatchInfo.wrap(BatchInfo.unwrap(info) & ~NO_POLICY);
}

/// @dev Number of the group of a grouped batch.
function group(BatchInfo info) pure returns (uint256) {
    return BatchInfo.unwrap(info) >> 208 & ((1 << GROUP_BITS) - 1);
}

/// @dev Of a grouped batch only.
function placeInGroup(BatchInfo info) pure returns (uint256) {
    return BatchInfo.unwrap(info) >> (208 + GROUP_BITS) & ((1 << PLACE_BITS) - 1);
}

/// @dev Of a batch in a group of the first form only.
function firstGroupPlace(BatchInfo info) pure returns (address account, uint256 place) {
    return (address(uint160(BatchInfo.unwrap(info))), uint16(BatchInfo.unwrap(info) >> 160));
}

/// @dev Not of a batch in a group of the first form.
function ownSequenceStart(BatchInfo info) pure returns (uint64) {
    return uint64(BatchInfo.unwrap(info));
}

/// @dev Not of a batch in a group of the first form.
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
