// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";

import {RegistryTest} from "./RegistryTest.sol";

/// @notice Deployment, writers, switches and ownership.
contract AdminTest is RegistryTest {
    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);

    // --- Deployment ---

    function test_a_new_registry_has_its_owner_one_sequencer_and_strict_mode() public view {
        assertEq(registry.owner(), OWNER);
        assertTrue(registry.authorizedSequencers(SEQUENCER));
        assertEq(registry.authorizedSequencerCount(), 1);
        assertTrue(registry.strictModeEnabled());
        assertFalse(registry.paused());
        assertFalse(registry.strictGenesisEnabled());
        assertFalse(registry.legacyFunctionsEnabled());
    }

    function test_a_registry_may_start_without_a_sequencer() public {
        assertEq(_deploy(OWNER, address(0)).authorizedSequencerCount(), 0);
    }

    function test_a_registry_needs_an_owner() public {
        bytes memory reason =
            abi.encodeWithSelector(OwnableUpgradeable.OwnableInvalidOwner.selector, address(0));
        vm.expectRevert(reason);
        _deploy(address(0), SEQUENCER);
    }

    function test_a_registry_is_initialized_once_and_its_implementation_never() public {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        registry.initialize(STRANGER, STRANGER);
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        implementation.initialize(STRANGER, STRANGER);
    }

    // --- Writers ---

    function test_authorization_is_given_and_taken_with_an_event() public {
        vm.startPrank(OWNER);
        vm.expectEmit(address(registry));
        emit SequencerAuthorized(STRANGER, true);
        registry.setSequencerAuthorization(STRANGER, true);
        assertTrue(registry.authorizedSequencers(STRANGER));
        assertEq(registry.authorizedSequencerCount(), 2);
        vm.expectEmit(address(registry));
        emit SequencerAuthorized(STRANGER, false);
        registry.setSequencerAuthorization(STRANGER, false);
        assertFalse(registry.authorizedSequencers(STRANGER));
        assertEq(registry.authorizedSequencerCount(), 1);
    }

    function test_repeating_an_authorization_counts_once_but_emits_again() public {
        vm.startPrank(OWNER);
        vm.expectEmit(address(registry));
        emit SequencerAuthorized(SEQUENCER, true);
        registry.setSequencerAuthorization(SEQUENCER, true);
        assertEq(registry.authorizedSequencerCount(), 1);
        registry.setSequencerAuthorization(STRANGER, false);
        assertEq(registry.authorizedSequencerCount(), 1);
    }

    function test_the_zero_address_cannot_be_authorized() public {
        vm.prank(OWNER);
        vm.expectRevert(InvalidAddress.selector);
        registry.setSequencerAuthorization(address(0), true);
    }

    function test_several_are_authorized_at_once_all_or_none() public {
        address[] memory sequencers = new address[](3);
        vm.startPrank(OWNER);
        vm.expectRevert(EmptyArray.selector);
        registry.batchSetSequencerAuthorization(new address[](0), true);
        (sequencers[0], sequencers[1]) = (address(1), address(2));
        vm.expectRevert(InvalidAddress.selector);
        registry.batchSetSequencerAuthorization(sequencers, true);
        assertEq(registry.authorizedSequencerCount(), 1);
        sequencers[2] = address(1);
        registry.batchSetSequencerAuthorization(sequencers, true);
        assertEq(registry.authorizedSequencerCount(), 3);
        bool[] memory authorized = registry.areSequencersAuthorized(sequencers);
        assertTrue(authorized[0] && authorized[1] && authorized[2]);
        registry.batchSetSequencerAuthorization(sequencers, false);
        assertEq(registry.authorizedSequencerCount(), 1);
    }

    // --- Switches ---

    function test_switches_emit_events() public {
        vm.startPrank(OWNER);
        vm.expectEmit(address(registry));
        emit StrictModeUpdated(false);
        registry.setStrictMode(false);
        assertFalse(registry.strictModeEnabled());
        vm.expectEmit(address(registry));
        emit StrictGenesisUpdated(true);
        registry.setStrictGenesis(true);
        assertTrue(registry.strictGenesisEnabled());
        vm.expectEmit(address(registry));
        emit LegacyFunctionsUpdated(true);
        registry.setLegacyFunctionsEnabled(true);
        assertTrue(registry.legacyFunctionsEnabled());
        vm.expectEmit(address(registry));
        emit Paused(OWNER);
        registry.pause();
        assertTrue(registry.paused());
        vm.expectEmit(address(registry));
        emit Unpaused(OWNER);
        registry.unpause();
        assertFalse(registry.paused());
    }

    function test_pausing_needs_the_other_state() public {
        vm.startPrank(OWNER);
        vm.expectRevert(ExpectedPause.selector);
        registry.unpause();
        registry.pause();
        vm.expectRevert(EnforcedPause.selector);
        registry.pause();
    }

    // They share a word of storage.
    function testFuzz_switches_and_counters_do_not_disturb_one_another(bool[4] memory on, uint8 sequencers)
        public
    {
        _commitNext(10);
        _commitWithProof(_next(10), _proof());
        vm.startPrank(OWNER);
        for (uint160 i = 1; i <= sequencers; ++i) {
            registry.setSequencerAuthorization(address(i), true);
        }
        registry.setStrictMode(on[0]);
        registry.setStrictGenesis(on[1]);
        registry.setLegacyFunctionsEnabled(on[2]);
        if (on[3]) registry.pause();
        assertEq(registry.strictModeEnabled(), on[0]);
        assertEq(registry.strictGenesisEnabled(), on[1]);
        assertEq(registry.legacyFunctionsEnabled(), on[2]);
        assertEq(registry.paused(), on[3]);
        assertEq(registry.totalCommitments(), 2);
        assertEq(registry.totalStarkProofs(), 1);
        assertEq(registry.authorizedSequencerCount(), uint256(sequencers) + 1);
    }

    function test_only_the_owner_administers() public {
        address[] memory one = new address[](1);
        one[0] = STRANGER;
        bytes[] memory calls = new bytes[](13);
        calls[0] = abi.encodeCall(registry.setSequencerAuthorization, (STRANGER, true));
        calls[1] = abi.encodeCall(registry.batchSetSequencerAuthorization, (one, true));
        calls[2] = abi.encodeCall(registry.setStrictMode, (false));
        calls[3] = abi.encodeCall(registry.setStrictGenesis, (true));
        calls[4] = abi.encodeCall(registry.registerGenesis, (TENANT, STORE, 1, 0));
        calls[5] = abi.encodeCall(registry.setStreamSubmitter, (TENANT, STORE, STRANGER));
        calls[6] = abi.encodeCall(registry.setStreamVesStrict, (TENANT, STORE, true));
        calls[7] = abi.encodeCall(registry.setLegacyFunctionsEnabled, (true));
        calls[8] = abi.encodeCall(registry.pause, ());
        calls[9] = abi.encodeCall(registry.unpause, ());
        calls[10] = abi.encodeCall(registry.transferOwnership, (STRANGER));
        calls[11] = abi.encodeCall(registry.renounceOwnership, ());
        calls[12] = abi.encodeCall(registry.upgradeToAndCall, (address(implementation), ""));
        for (uint256 i = 0; i < calls.length; ++i) {
            // A sequencer is no administrator either.
            vm.prank(SEQUENCER);
            (bool success, bytes memory reason) = address(registry).call(calls[i]);
            assertFalse(success);
            assertEq(
                reason,
                abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, SEQUENCER)
            );
        }
    }

    // --- Ownership ---

    function test_ownership_moves_when_the_new_owner_accepts() public {
        vm.prank(OWNER);
        registry.transferOwnership(STRANGER);
        assertEq(registry.owner(), OWNER);
        assertEq(registry.pendingOwner(), STRANGER);
        vm.expectEmit(address(registry));
        emit OwnershipTransferred(OWNER, STRANGER);
        vm.prank(STRANGER);
        registry.acceptOwnership();
        assertEq(registry.owner(), STRANGER);
    }

    function test_ownership_is_not_taken_by_others_and_an_offer_can_be_withdrawn() public {
        vm.prank(OWNER);
        registry.transferOwnership(STRANGER);
        vm.prank(SEQUENCER);
        vm.expectRevert();
        registry.acceptOwnership();
        vm.prank(OWNER);
        registry.transferOwnership(address(0));
        vm.prank(STRANGER);
        vm.expectRevert();
        registry.acceptOwnership();
        assertEq(registry.owner(), OWNER);
    }

    function test_a_timelock_can_own_the_registry_and_authorizes_after_its_delay() public {
        address[] memory proposers = new address[](1);
        proposers[0] = OWNER;
        TimelockController timelock = new TimelockController(1 hours, proposers, proposers, address(0));
        bytes memory accept = abi.encodeCall(registry.acceptOwnership, ());
        bytes memory authorize = abi.encodeCall(registry.setSequencerAuthorization, (STRANGER, true));
        vm.startPrank(OWNER);
        registry.transferOwnership(address(timelock));
        timelock.schedule(address(registry), 0, accept, 0, 0, 1 hours);
        vm.warp(NOW + 1 hours);
        timelock.execute(address(registry), 0, accept, 0, 0);
        assertEq(registry.owner(), address(timelock));

        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, OWNER));
        registry.setSequencerAuthorization(STRANGER, true);
        timelock.schedule(address(registry), 0, authorize, 0, 0, 1 hours);
        vm.warp(NOW + 2 hours - 1);
        vm.expectPartialRevert(TimelockController.TimelockUnexpectedOperationState.selector);
        timelock.execute(address(registry), 0, authorize, 0, 0);
        assertFalse(registry.authorizedSequencers(STRANGER));
        vm.warp(NOW + 2 hours);
        timelock.execute(address(registry), 0, authorize, 0, 0);
        assertTrue(registry.authorizedSequencers(STRANGER));
    }

    function test_ownership_cannot_be_renounced() public {
        vm.prank(OWNER);
        vm.expectRevert(RenounceDisabled.selector);
        registry.renounceOwnership();
        assertEq(registry.owner(), OWNER);
    }
}
