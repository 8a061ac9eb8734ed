// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What the registry stores of a proof besides its two hashes, in one word. From the highest bit:
///
/// | bits | field |
/// | ---- | ----- |
/// | 56   | timestamp in seconds, never 0 |
/// | 8    | 1 if the proof says that all events comply, else 0 |
/// | 64   | milliseconds that proving took |
/// | 64   | bytes of the proof |
/// | 64   | the policy's limit |
/// All zero means "no proof".
/// @dev A word and not a struct for the reason given in {BatchInfo}.
type ProofInfo is uint256;

using {policyLimit, proofSize, provingTimeMs, allCompliant, timestampOf, exists} for ProofInfo global;

/// @dev The time fits 56 bits for the next two thousand million years.
function packProofInfo(uint64 limit, uint64 size, uint64 milliseconds, bool compliant, uint256 time)
    pure
    returns (ProofInfo)
{
    return ProofInfo.wrap(
        uint256(limit) | uint256(size) << 64 | uint256(milliseconds) << 128
            | (compliant ? uint256(1) : uint256(0)) << 192 | time << 200
    );
}

function policyLimit(ProofInfo info) pure returns (uint64) {
    return uint64(ProofInfo.unwrap(info));
}

function proofSize(ProofInfo info) pure returns (uint64) {
    return uint64(ProofInfo.unwrap(info) >> 64);
}

function provingTimeMs(ProofInfo info) pure returns (uint64) {
    return uint64(ProofInfo.unwrap(info) >> 128);
}

function allCompliant(ProofInfo info) pure returns (bool) {
    return ProofInfo.unwrap(info) >> 192 & 1 != 0;
}

function timestampOf(ProofInfo info) pure returns (uint64) {
    return uint56(ProofInfo.unwrap(info) >> 200);
}

function exists(ProofInfo info) pure returns (bool) {
    return ProofInfo.unwrap(info) != 0;
}
