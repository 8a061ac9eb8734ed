// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The SHA-256 rules of Verifiable Event Sync
/// @notice Domain tags are bare ASCII without a length prefix, integers are big-endian, UUIDs are 16 bytes.
library VesHash {
    /// @notice Whether `id` is a UUID in the first 16 bytes followed by zeros.
    ///         Ids that differ only in the last 16 bytes would share one VES stream id.
    function isUuid(bytes32 id) internal pure returns (bool) {
        return uint128(uint256(id)) == 0;
    }

    /// @notice `SHA256("VES_STREAM_V1" || tenant16 || store16)`.
    function streamId(bytes32 tenantId, bytes32 storeId) internal pure returns (bytes32) {
        return sha256(abi.encodePacked("VES_STREAM_V1", bytes16(tenantId), bytes16(storeId)));
    }

    /// @notice `SHA256("VES_STATE_ROOT_V1" || stream_id || prev || events_root || u64 start || u64 end || u32 count)`.
    function stateRoot(
        bytes32 stream,
        bytes32 prevStateRoot,
        bytes32 eventsRoot,
        uint64 sequenceStart,
        uint64 sequenceEnd,
        uint32 eventCount
    ) internal pure returns (bytes32) {
        return sha256(
            abi.encodePacked(
                "VES_STATE_ROOT_V1", stream, prevStateRoot, eventsRoot, sequenceStart, sequenceEnd, eventCount
            )
        );
    }

    /// @notice Whether `leaf` is at `index` of the tree of `leafCount` leaves with this `root`.
    /// @dev The index is bounded by the leaf count and the path is exactly as long as the tree is deep. So no
    ///      inner node and no padding leaf can pass for a leaf, and each leaf verifies at one index only.
    function isIncluded(bytes32 root, uint256 leafCount, bytes32 leaf, bytes32[] calldata path, uint256 index)
        internal
        view
        returns (bool)
    {
        return isPlace(path.length, leafCount, index) && foldPath(leaf, path, index) == root;
    }

    /// @notice Whether a tree over `leafCount` leaves, padded to a power of two, is `depth` deep and has a leaf that is
    ///         no padding at `index`: depth = ceil(log2 leafCount), index < leafCount.
    /// @dev Assembly, because `&&` branches. With width = 2^depth (0 if that needs more than 256 bits): the leaves must
    ///      fit and more than half of the width must be needed. Both is width - leafCount < width - floor(width / 2),
    ///      as the left side wraps to a huge number if they do not fit.
    function isPlace(uint256 depth, uint256 leafCount, uint256 index) internal pure returns (bool place) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // Meant like this: 1 is shifted by the depth.
            // slither-disable-next-line incorrect-shift
            let width := shl(depth, 1)
            place := and(lt(index, leafCount), lt(sub(width, leafCount), sub(width, shr(1, width))))
        }
    }

    /// @notice Root reached from `leaf` by hashing upwards: `node = SHA256("VES_NODE_V1" || left || right)`;
    ///         bit i of `index` says whether the running hash is the right input at level i.
    /// @dev Assembly, because `sha256(abi.encodePacked(..))` takes fresh memory at every level.
    ///      The preimage is built at fixed addresses, which saves stack shuffling: tag at 0x00 (11 bytes), left child
    ///      at 0x0b, right child at 0x2b. It ends at 0x4b, inside the free memory pointer, which is put back.
    ///      The calls' success needs no check: the precompile fails only when it runs out of gas, and as it was given
    ///      63/64 of it (EIP-150) and needs 96, at most 1 is left, with which nothing after it can run.
    function foldPath(bytes32 leaf, bytes32[] calldata path, uint256 index)
        internal
        view
        returns (bytes32 acc)
    {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            let freeMemory := mload(0x40)
            mstore(0x00, "VES_NODE_V1")
            // Bit 5 says which side the running hash is on: a step of 32 bytes or none.
            index := shl(5, index)
            // Address of the running hash. The precompile leaves its answer where the next level needs it.
            let side := add(0x0b, and(index, 0x20))
            mstore(side, leaf)
            let sibling := path.offset
            let end := add(sibling, shl(5, path.length))
            // Two levels per round, which halves the cost of looping; an odd one goes first.
            if and(path.length, 1) {
                // The other address: the sum of both is 0x36.
                mstore(sub(0x36, side), calldataload(sibling))
                index := shr(1, index)
                side := add(0x0b, and(index, 0x20))
                pop(staticcall(gas(), 0x02, 0x00, 0x4b, side, 0x20))
                sibling := add(sibling, 0x20)
            }
            for {} iszero(eq(sibling, end)) { sibling := add(sibling, 0x40) } {
                mstore(sub(0x36, side), calldataload(sibling))
                side := add(0x0b, and(shr(1, index), 0x20))
                pop(staticcall(gas(), 0x02, 0x00, 0x4b, side, 0x20))
                mstore(sub(0x36, side), calldataload(add(sibling, 0x20)))
                index := shr(2, index)
                side := add(0x0b, and(index, 0x20))
                pop(staticcall(gas(), 0x02, 0x00, 0x4b, side, 0x20))
            }
            acc := mload(side)
            mstore(0x40, freeMemory)
        }
    }
}
