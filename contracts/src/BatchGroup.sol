// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ISetRegistryTypes} from "./ISetRegistryTypes.sol";
import {BatchInfo, tagOf} from "./BatchInfo.sol";

/// @title The part of the records of one multi-batch transaction that is kept outside of storage
/// @notice A storage slot costs 690 gas per byte, code of an account 200. So the batches of one transaction share an
///         account whose code holds, after a STOP byte (nobody can run or destroy it), one record for each:
///
/// | bytes | field |
/// | ----- | ----- |
/// | 8     | first sequence number |
/// | 14    | tag of the previous state root, see {BatchInfo} |
/// | 32    | new state root |
/// @dev Creating the account costs 32,000, so it pays from four batches on. The code never changes and calls nothing.
library BatchGroup {
    /// @notice Fewer batches are cheaper in storage.
    uint256 internal constant MIN_BATCHES = 4;
    /// @notice More do not fit the code of an account: 24,576 bytes (EIP-170).
    uint256 internal constant MAX_BATCHES = 455;
    uint256 private constant RECORD_SIZE = 54;

    /// @notice Whether so many batches are kept as a group.
    function fits(uint256 batches) internal pure returns (bool) {
        // Bounds as they are named and documented; strict ones would save 6 gas in 300,000.
        // solhint-disable-next-line gas-strict-inequalities
        return batches >= MIN_BATCHES && batches <= MAX_BATCHES;
    }

    /// @notice Creates the account. The batches need not be valid: a later revert undoes it.
    function write(ISetRegistryTypes.BatchInput[] calldata batches) internal returns (address group) {
        bytes memory records = new bytes(batches.length * RECORD_SIZE);
        uint256 at;
        // By hand, as no type is 54 bytes long: `abi.encodePacked` would copy the records before at each batch.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            at := add(records, 0x20)
        }
        for (uint256 i = 0; i < batches.length; ++i) {
            uint256 head = uint256(batches[i].sequenceStart) << 192 | tagOf(batches[i].prevStateRoot) << 80;
            bytes32 root = batches[i].newStateRoot;
            assembly ("memory-safe") {
                // 22 bytes, of which the second write covers the rest; it ends where the record does.
                mstore(at, head)
                mstore(add(at, 22), root)
                at := add(at, RECORD_SIZE)
            }
        }
        // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns what follows, STOP first.
        // RETURNDATASIZE is a zero here.
        // The cast is safe: 455 records and one byte are below 2^16.
        bytes memory init =
            bytes.concat(hex"61", bytes2(uint16(records.length + 1)), hex"80600a3d393df300", records);
        assembly ("memory-safe") {
            group := create(0, add(init, 0x20), mload(init))
            // Fails only when it runs out of gas.
            if iszero(group) { revert(0, 0) }
        }
    }

    /// @notice The record of a grouped batch.
    function read(BatchInfo info)
        internal
        view
        returns (uint64 sequenceStart, uint256 tag, bytes32 newStateRoot)
    {
        (address group, uint256 index) = info.groupPlace();
        uint256 head;
        // By hand, as `group.code` would copy the records of the whole group.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // 54 bytes fit the scratch space.
            extcodecopy(group, 0x00, add(1, mul(index, RECORD_SIZE)), RECORD_SIZE)
            head := mload(0x00)
            newStateRoot := mload(22)
        }
        return (uint64(head >> 192), uint112(head >> 80), newStateRoot);
    }
}
