// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice The old functions for bare roots, kept for the ABI.
contract LegacyTest is RegistryTest {
    bytes32 private constant ROOT = keccak256("root");

    function test_legacy_registration_is_off_by_default() public {
        _refuse(1, 10, ROOT, LegacyFunctionsDisabled.selector);
    }

    function test_a_registered_root_is_found_by_its_exact_range() public {
        _enable();
        vm.expectEmit(address(registry));
        emit LegacyBatchRootRegistered(1, 10, ROOT);
        _register(1, 10, ROOT);
        assertEq(registry.getBatchRoot(1, 10), ROOT);
        assertEq(registry.getBatchRoot(1, 9), 0);
        assertEq(registry.getBatchRoot(2, 10), 0);
        assertEq(registry.getBatchRoot(1, (uint256(1) << 64) + 10), 0);
        assertEq(registry.getBatchRoot((uint256(1) << 64) + 1, 10), 0);
    }

    function test_a_registered_root_is_counted_and_touches_no_stream() public {
        _enable();
        _register(1, 10, ROOT);
        assertEq(registry.totalCommitments(), 1);
        assertEq(registry.getLatestBatchId(0, 0), 0);
        assertEq(registry.getHeadSequence(0, 0), 0);
        _commit(_batch(0, 0, 1, 10, 0));
        assertEq(registry.getHeadSequence(0, 0), 10);
        assertEq(registry.totalCommitments(), 2);
    }

    function test_a_root_is_registered_once() public {
        _enable();
        _register(1, 10, ROOT);
        _refuse(1, 10, keccak256("other"), BatchAlreadyCommitted.selector);
    }

    // The peer truncates 2^64 + 5 to 5.
    function test_bounds_that_do_not_fit_64_bits_are_refused() public {
        _enable();
        _refuse(1, (uint256(1) << 64) + 5, ROOT, InvalidSequenceRange.selector);
        _refuse((uint256(1) << 64) + 1, (uint256(1) << 64) + 5, ROOT, InvalidSequenceRange.selector);
        _refuse(2, 1, ROOT, InvalidSequenceRange.selector);
        _refuse(1, 10, 0, EmptyEventsRoot.selector);
    }

    function test_registration_needs_a_sequencer_and_no_pause() public {
        _enable();
        vm.expectRevert(NotAuthorizedSequencer.selector);
        registry.registerBatchRoot(1, 10, ROOT);
        vm.prank(OWNER);
        registry.pause();
        _refuse(1, 10, ROOT, EnforcedPause.selector);
    }

    function _enable() private {
        vm.prank(OWNER);
        registry.setLegacyFunctionsEnabled(true);
    }

    function _register(uint256 start, uint256 end, bytes32 root) private {
        vm.prank(SEQUENCER);
        registry.registerBatchRoot(start, end, root);
    }

    function _refuse(uint256 start, uint256 end, bytes32 root, bytes4 reason) private {
        vm.expectRevert(reason);
        _register(start, end, root);
    }
}
