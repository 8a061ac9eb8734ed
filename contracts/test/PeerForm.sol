// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {SetRegistry} from "../src/SetRegistry.sol";
import {SetRegistryAdmin} from "../src/SetRegistryAdmin.sol";
import {SetRegistryViews} from "../src/SetRegistryViews.sol";

/// @title A registry in the peer's form, to test against: our rules behind the peer's functions
/// @notice An implementation for the same proxy. It answers the functions of the peer's contract, and everything else
///         as a contract does that has no such function: it reverts without data. Owner and upgrade are its own, in
///         one step as there, in the storage where {SetRegistry} keeps them too: after an upgrade to that
///         everything is still there.
/// @dev The rules stay ours where they are stricter than the peer's, see "Differences to the peer" in the README. Its
///      three counters read zero, as there; `getRegistryStats` and `getExtendedRegistryStatus` tell the true ones.
contract PeerForm is OwnableUpgradeable, UUPSUpgradeable {
    /// @dev The implementation whose code runs for what {_isPeers} names.
    address private immutable REGISTRY;

    /// @dev Of `commitStarkProof` with the state roots; the overload without them is ours alone.
    bytes4 private constant COMMIT_STARK_PROOF = 0x20cb49f9;

    constructor(address registry) {
        REGISTRY = registry;
        _disableInitializers();
    }

    /// @dev Not payable, as all that it passes on.
    fallback(bytes calldata input) external returns (bytes memory) {
        if (!_isPeers(msg.sig)) revert();
        return Address.functionDelegateCall(REGISTRY, input);
    }

    function totalCommitments() external pure returns (uint256) {
        return 0;
    }

    function totalStarkProofs() external pure returns (uint256) {
        return 0;
    }

    function headSequence(bytes32) external pure returns (uint64) {
        return 0;
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}

    function _isPeers(bytes4 f) private pure returns (bool) {
        return _writes(f) || _administers(f) || _readsBatches(f) || _readsStreams(f) || _readsRegistry(f);
    }

    function _writes(bytes4 f) private pure returns (bool) {
        return f == SetRegistry.commitBatch.selector || f == SetRegistry.commitBatchWithStarkProof.selector
            || f == SetRegistry.registerBatchRoot.selector || f == COMMIT_STARK_PROOF;
    }

    function _administers(bytes4 f) private pure returns (bool) {
        return f == SetRegistry.initialize.selector || f == SetRegistryAdmin.pause.selector
            || f == SetRegistryAdmin.unpause.selector || f == SetRegistryAdmin.setStrictMode.selector
            || f == SetRegistryAdmin.setLegacyFunctionsEnabled.selector
            || f == SetRegistryAdmin.setSequencerAuthorization.selector
            || f == SetRegistryAdmin.batchSetSequencerAuthorization.selector;
    }

    function _readsBatches(bytes4 f) private pure returns (bool) {
        return f == SetRegistryViews.commitments.selector || f == SetRegistryViews.starkProofs.selector
            || f == SetRegistryViews.getBatchCommitment.selector
            || f == SetRegistryViews.getBatchCommitments.selector
            || f == bytes4(keccak256("batchExists(bytes32)"))
            || f == bytes4(keccak256("batchExists(bytes32[])"))
            || f == SetRegistryViews.getBatchWithProofStatus.selector
            || f == SetRegistryViews.hasStarkProof.selector
            || f == SetRegistryViews.verifyStarkProofHash.selector
            || f == SetRegistryViews.getStarkProofDetails.selector
            || f == SetRegistryViews.getBatchProofStatuses.selector
            || f == SetRegistryViews.verifyInclusion.selector
            || f == SetRegistryViews.verifyMultipleInclusions.selector
            || f == SetRegistryViews.getBatchRoot.selector;
    }

    function _readsStreams(bytes4 f) private pure returns (bool) {
        return f == SetRegistryViews.latestCommitment.selector
            || f == SetRegistryViews.getLatestBatchId.selector
            || f == SetRegistryViews.getLatestStateRoot.selector
            || f == SetRegistryViews.getHeadSequence.selector
            || f == SetRegistryViews.getBatchLatestStateRoots.selector
            || f == SetRegistryViews.getBatchHeadSequences.selector
            || f == SetRegistryViews.getTenantStoreSummary.selector;
    }

    function _readsRegistry(bytes4 f) private pure returns (bool) {
        return f == SetRegistryViews.paused.selector || f == SetRegistryViews.strictModeEnabled.selector
            || f == SetRegistryViews.legacyFunctionsEnabled.selector
            || f == SetRegistryViews.authorizedSequencers.selector
            || f == SetRegistryViews.authorizedSequencerCount.selector
            || f == SetRegistryViews.areSequencersAuthorized.selector
            || f == SetRegistryViews.getRegistryStats.selector
            || f == SetRegistryViews.getExtendedRegistryStatus.selector;
    }
}
