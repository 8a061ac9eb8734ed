// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The registry's original inclusion rule, kept for compatibility
/// @notice keccak256 pairs without domain tags; bit i of the index picks the side at level i. Neither the index
///         nor the length of the path is bounded, so an inner node verifies as a leaf. VES trees never verify
///         here (except those of a single leaf): use {VesHash} for them.
library KeccakMerkle {
    /// @notice Whether folding `leaf` along `path` gives `root`.
    function isIncluded(bytes32 root, bytes32 leaf, bytes32[] calldata path, uint256 index)
        internal
        pure
        returns (bool)
    {
        bytes32 acc = leaf;
        for (uint256 i = 0; i < path.length; ++i) {
            // A shift by 256 or more gives 0, as in the rule: bits above the index are 0.
            acc = (index >> i) & 1 == 0 ? _pair(acc, path[i]) : _pair(path[i], acc);
        }
        return acc == root;
    }

    function _pair(bytes32 left, bytes32 right) private pure returns (bytes32 hash) {
        // In the scratch space: `abi.encode` would take fresh memory at every level.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            hash := keccak256(0x00, 0x40)
        }
    }
}
