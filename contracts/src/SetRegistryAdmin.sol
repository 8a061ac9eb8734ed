// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {
    Ownable2StepUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {HAS_POLICIES, LEGACY_ENABLED, PAUSED, STRICT, STRICT_GENESIS} from "./RegistryInfo.sol";
import {SetRegistryStorage} from "./SetRegistryStorage.sol";
import {VesHash} from "./VesHash.sol";

/// @title What the owner may do: writers, switches, stream policies, pause and upgrade
/// @notice Every function here reverts with `OwnableUnauthorizedAccount` for anyone but the owner, and every change
///         emits an event.
abstract contract SetRegistryAdmin is SetRegistryStorage, Ownable2StepUpgradeable, UUPSUpgradeable {
    /// @notice Allows or forbids `sequencer` to write.
    /// @dev Reverts with `InvalidAddress` for zero. Emits `SequencerAuthorized`, also when nothing changes.
    function setSequencerAuthorization(address sequencer, bool authorized) external onlyOwner {
        _setAuthorization(sequencer, authorized);
    }

    /// @notice Allows or forbids several addresses to write, all or none.
    /// @dev Reverts with `EmptyArray`, or with `InvalidAddress` if one is zero.
    function batchSetSequencerAuthorization(address[] calldata sequencers, bool authorized)
        external
        onlyOwner
    {
        if (sequencers.length == 0) revert EmptyArray();
        for (uint256 i = 0; i < sequencers.length; ++i) {
            _setAuthorization(sequencers[i], authorized);
        }
    }

    /// @notice Switches chaining: each batch must continue its stream's latest state root and sequence number.
    ///         VES-strict streams are chained even while this is off.
    function setStrictMode(bool enabled) external onlyOwner {
        _registry = _registry.set(STRICT, enabled);
        emit StrictModeUpdated(enabled);
    }

    /// @notice Switches the check of each stream's first batch against its genesis: the registered one, or
    ///         sequence number 1 and state root zero. Off after deployment.
    function setStrictGenesis(bool enabled) external onlyOwner {
        _registry = _registry.set(STRICT_GENESIS, enabled);
        emit StrictGenesisUpdated(enabled);
    }

    /// @notice Sets where a stream that has no batch yet must begin under strict genesis, e.g. a stream that moved
    ///         here from another registry.
    /// @dev Reverts with `StreamAlreadyStarted`.
    function registerGenesis(bytes32 tenantId, bytes32 storeId, uint64 sequenceStart, bytes32 prevStateRoot)
        external
        onlyOwner
    {
        bytes32 key = _key(tenantId, storeId);
        if (_streams[key].latestBatchId != 0) revert StreamAlreadyStarted();
        _genesis[key] =
            Genesis({prevStateRoot: prevStateRoot, sequenceStart: sequenceStart, registered: true});
        emit GenesisRegistered(key, sequenceStart, prevStateRoot);
    }

    /// @notice Binds the stream to one submitter, who must be an authorized sequencer too; zero lifts the binding.
    ///         The submitter also becomes the only one to prove the batches committed while a binding is in force.
    function setStreamSubmitter(bytes32 tenantId, bytes32 storeId, address submitter) external onlyOwner {
        bytes32 key = _key(tenantId, storeId);
        _policies[key].submitter = submitter;
        _lookForPolicy(key);
        emit StreamSubmitterUpdated(key, submitter);
    }

    /// @notice Switches the check of the stream's new state roots against the VES formula.
    /// @dev Reverts with `NotUuid` if an id is not a UUID followed by zeros.
    function setStreamVesStrict(bytes32 tenantId, bytes32 storeId, bool enabled) external onlyOwner {
        if (!VesHash.isUuid(tenantId)) revert NotUuid(tenantId);
        if (!VesHash.isUuid(storeId)) revert NotUuid(storeId);
        bytes32 key = _key(tenantId, storeId);
        _policies[key].vesStrict = enabled;
        _lookForPolicy(key);
        emit StreamVesStrictUpdated(key, enabled);
    }

    /// @notice Switches the legacy functions. Off after deployment.
    function setLegacyFunctionsEnabled(bool enabled) external onlyOwner {
        _registry = _registry.set(LEGACY_ENABLED, enabled);
        emit LegacyFunctionsUpdated(enabled);
    }

    /// @notice Stops all writing by sequencers. Reads and administration go on.
    /// @dev Reverts with `EnforcedPause` if paused.
    function pause() external onlyOwner {
        if (_registry.has(PAUSED)) revert EnforcedPause();
        _registry = _registry.set(PAUSED, true);
        emit Paused(msg.sender);
    }

    /// @notice Resumes writing.
    /// @dev Reverts with `ExpectedPause` if not paused.
    function unpause() external onlyOwner {
        if (!_registry.has(PAUSED)) revert ExpectedPause();
        _registry = _registry.set(PAUSED, false);
        emit Unpaused(msg.sender);
    }

    /// @notice Always reverts with `RenounceDisabled`: without an owner nobody could authorize, pause or upgrade.
    function renounceOwnership() public virtual override onlyOwner {
        revert RenounceDisabled();
    }

    function _setAuthorization(address sequencer, bool authorized) internal {
        if (sequencer == address(0)) revert InvalidAddress();
        if (_authorized[sequencer] != authorized) {
            _authorized[sequencer] = authorized;
            // Once per sequencer of a list: rare, the owner's, and no cheaper form is as plain.
            // slither-disable-next-line costly-loop
            _registry = authorized ? _registry.plusSequencer() : _registry.minusSequencer();
        }
        emit SequencerAuthorized(sequencer, authorized);
    }

    /// @dev Makes every later write to the stream look for its policy.
    function _lookForPolicy(bytes32 key) private {
        _registry = _registry.set(HAS_POLICIES, true);
        bytes32 latest = _streams[key].latestBatchId;
        if (latest != 0) _batches[latest].info = _batches[latest].info.withoutNoPolicy();
    }

    function _authorizeUpgrade(address newImplementation) internal override onlyOwner {
        emit ContractUpgraded(newImplementation, msg.sender);
    }
}
