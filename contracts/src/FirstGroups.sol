// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchInfo} from "./BatchInfo.sol";

/// @title Groups as the first implementation wrote them
/// @notice They are read, so that a registry can be upgraded; new ones are a {BatchGroup}. The code of the account holds,
///         after a STOP byte, one record for each batch:
///
/// | bytes | field |
/// | ----- | ----- |
/// | 8     | first sequence number |
/// | 14    | tag of the previous state root, see {BatchInfo} |
/// | 32    | new state root |
library FirstGroups {
    uint256 private constant RECORD_SIZE = 54;

    /// @notice The record of a batch in such a group.
    function read(BatchInfo info)
        internal
        view
        returns (uint64 sequenceStart, uint256 tag, bytes32 newStateRoot)
    {
        (address group, uint256 place) = info.firstGroupPlace();
        uint256 head;
        // By hand, as `group.code` would copy the records of the whole group.
        // slither-disable-next-line assembly
        assembly ("memory-safe") {
            // 54 bytes fit the scratch space.
            extcodecopy(group, 0x00, add(1, mul(place, RECORD_SIZE)), RECORD_SIZE)
            head := mload(0x00)
            newStateRoot := mload(22)
        }
        return (uint64(head >> 192), uint112(head >> 80), newStateRoot);
    }
}
