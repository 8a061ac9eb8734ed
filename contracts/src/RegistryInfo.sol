// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Switches and counters of the registry, in one word. Every write reads the switches anyway, which pays for
///         reading the counters. From the lowest bit:
///
/// | bits | field |
/// | ---- | ----- |
/// | 64   | number of accepted commitments |
/// | 64   | number of proven batches |
/// | 32   | number of authorized sequencers |
/// | 1 each | the switches below, in their order |
/// | (59) | unused |
/// | 32   | number of the latest {BatchGroup} |
/// @dev A word and not a struct for the reason given in {BatchInfo}. The counters cannot overflow: 2^64 transactions
///      (2^32 for the sequencers) cannot be sent.
type RegistryInfo is uint256;

using {
    totalCommitments,
    totalStarkProofs,
    sequencerCount,
    has,
    set,
    plusCommitments,
    plusStarkProof,
    plusSequencer,
    minusSequencer,
    latestGroup,
    withLatestGroup
} for RegistryInfo global;

/// @notice A bit of the word.
type Switch is uint256;

Switch constant PAUSED = Switch.wrap(1 << 160);
Switch constant STRICT = Switch.wrap(1 << 161);
Switch constant STRICT_GENESIS = Switch.wrap(1 << 162);
Switch constant LEGACY_ENABLED = Switch.wrap(1 << 163);
/// @dev Some stream was given a policy. As long as this is off, writes need not look for one.
Switch constant HAS_POLICIES = Switch.wrap(1 << 164);

function totalCommitments(RegistryInfo info) pure returns (uint64) {
    return uint64(RegistryInfo.unwrap(info));
}

function totalStarkProofs(RegistryInfo info) pure returns (uint64) {
    return uint64(RegistryInfo.unwrap(info) >> 64);
}

function sequencerCount(RegistryInfo info) pure returns (uint32) {
    return uint32(RegistryInfo.unwrap(info) >> 128);
}

function has(RegistryInfo info, Switch bit) pure returns (bool) {
    return RegistryInfo.unwrap(info) & Switch.unwrap(bit) != 0;
}

function set(RegistryInfo info, Switch bit, bool enabled) pure returns (RegistryInfo) {
    uint256 cleared = RegistryInfo.unwrap(info) & ~Switch.unwrap(bit);
    return RegistryInfo.wrap(enabled ? cleared | Switch.unwrap(bit) : cleared);
}

function plusCommitments(RegistryInfo info, uint256 count) pure returns (RegistryInfo) {
    unchecked {
        return RegistryInfo.wrap(RegistryInfo.unwrap(info) + count);
    }
}

function plusStarkProof(RegistryInfo info) pure returns (RegistryInfo) {
    unchecked {
        return RegistryInfo.wrap(RegistryInfo.unwrap(info) + (1 << 64));
    }
}

function plusSequencer(RegistryInfo info) pure returns (RegistryInfo) {
    unchecked {
        return RegistryInfo.wrap(RegistryInfo.unwrap(info) + (1 << 128));
    }
}

/// @dev Only called for a sequencer that was counted.
function minusSequencer(RegistryInfo info) pure returns (RegistryInfo) {
    unchecked {
        return RegistryInfo.wrap(RegistryInfo.unwrap(info) - (1 << 128));
    }
}

function latestGroup(RegistryInfo info) pure returns (uint256) {
    return RegistryInfo.unwrap(info) >> 224;
}

function withLatestGroup(RegistryInfo info, uint256 number) pure returns (RegistryInfo) {
    return RegistryInfo.wrap(RegistryInfo.unwrap(info) << 32 >> 32 | number << 224);
}
