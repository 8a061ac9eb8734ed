// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchInfo} from "./BatchInfo.sol";
import {ISetRegistryTypes} from "./ISetRegistryTypes.sol";

/// @title The part of the records of one multi-batch transaction that is kept outside of storage
/// @notice A storage slot costs 690 gas per byte, code of an account 200. So the batches of one transaction share an
///         account, created by the registry, whose code is:
///
/// | bytes | field |
/// | ----- | ----- |
/// | 1     | STOP: nobody can run or destroy it |
/// | 5     | timestamp in seconds |
/// | 32    | new state root, for each batch |
///
/// A {BatchInfo} has no room for an address of 20 bytes. It holds the nonce with which the registry created the account,
/// from which the address follows.
/// @dev Creating the account costs 32,000, so it pays from three batches on. The code never changes and calls nothing.
library BatchGroup {
    /// @notice Fewer batches are cheaper in storage.
    uint256 internal constant MIN_BATCHES = 3;
    /// @notice More do not fit the code of an account: 24,576 bytes (EIP-170).
    uint256 internal constant MAX_BATCHES = 767;
    /// @dev Bytes before the first root.
    uint256 private constant HEAD_SIZE = 6;

    /// @notice Whether so many batches are kept as a group.
    function fits(uint256 batches) internal pure returns (bool) {
        // Bounds as they are named and documented; strict ones would save 6 gas in 200,000.
        // solhint-disable-next-line gas-strict-inequalities
        return batches >= MIN_BATCHES && batches <= MAX_BATCHES;
    }

    /// @notice Creates the account. The batches need not be valid: a later revert undoes it.
    /// @param previous Number of the registry's latest group, 0 for none.
    /// @return number Number of the group, for its batches to refer to. It fits its 30 bits: so many groups cannot be made,
    ///         as each takes 180,000 gas and more.
    function write(ISetRegistryTypes.BatchInput[] calldata batches, uint256 previous)
        internal
        returns (uint256 number)
    {
        uint256 size = HEAD_SIZE + 32 * batches.length;
        // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns what follows.
        // RETURNDATASIZE is a zero here. The size is below 2^16, the time below 2^40 until the year 36812.
        bytes memory init = new bytes(10 + size);
        uint256 head = 0x61 << 120 | size << 104 | 0x80600a3d393df3 << 48 | block.timestamp;
        address group;
        // By hand, as `bytes.concat` would copy the roots before at each batch.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            mstore(add(init, 0x20), shl(128, head))
            // `newStateRoot` is the sixth of nine words.
            let root := add(batches.offset, 0xa0)
            let end := add(root, mul(batches.length, 0x120))
            for { let place := add(init, 0x30) } lt(root, end) {
                root := add(root, 0x120)
                place := add(place, 0x20)
            } { mstore(place, calldataload(root)) }
            group := create(0, add(init, 0x20), mload(init))
            // Fails only when it runs out of gas.
            if iszero(group) { revert(0, 0) }
        }
        // The next nonce, as only groups are created. Except for the first one after an upgrade from an implementation
        // that did not count them: so it is looked for, and never assumed.
        number = previous;
        do {
            ++number;
        } while (_account(number) != group);
    }

    /// @notice New state root of a grouped batch.
    function newStateRootOf(BatchInfo info) internal view returns (bytes32) {
        unchecked {
            return _read(info, HEAD_SIZE + 32 * info.placeInGroup());
        }
    }

    /// @notice Timestamp of a grouped batch.
    function timestampOf(BatchInfo info) internal view returns (uint64) {
        return uint40(uint256(_read(info, 1)) >> 216);
    }

    /// @dev 32 bytes of the group's code.
    function _read(BatchInfo info, uint256 from) private view returns (bytes32 word) {
        address group = _account(info.group());
        // By hand, as `group.code` would copy the roots of the whole group.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            extcodecopy(group, 0x00, from, 0x20)
            word := mload(0x00)
        }
    }

    /// @dev Address of the account that the registry created with this nonce, which is not 0 and below 2^32: the last 20
    ///      bytes of the hash of the RLP list of both.
    function _account(uint256 nonce) private view returns (address account) {
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // 0xc0 plus the bytes that follow, 0x94 (20 do), address, 0x80 plus the bytes of the nonce, nonce. A nonce
            // below 0x80 stands for itself. All that ends where a word does, so its first byte is at `from`.
            let list := or(or(shl(184, 0xd894), shl(16, 0x82)), shl(24, address()))
            let from := 7
            if gt(nonce, 0xffff) {
                list := or(or(shl(192, 0xd994), shl(24, 0x83)), shl(32, address()))
                from := 6
                if gt(nonce, 0xffffff) {
                    list := or(or(shl(200, 0xda94), shl(32, 0x84)), shl(40, address()))
                    from := 5
                }
            }
            if lt(nonce, 0x100) {
                list := or(or(shl(176, 0xd794), shl(8, 0x81)), shl(16, address()))
                from := 8
                if lt(nonce, 0x80) {
                    list := or(shl(168, 0xd694), shl(8, address()))
                    from := 9
                }
            }
            mstore(0x00, or(list, nonce))
            account := and(keccak256(from, sub(0x20, from)), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }
}
