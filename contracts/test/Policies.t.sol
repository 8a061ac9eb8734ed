// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice What the owner can require of one stream.
contract PoliciesTest is RegistryTest {
    address private constant OTHER_SEQUENCER = address(0x5E2);

    function setUp() public override {
        super.setUp();
        _authorize(OTHER_SEQUENCER);
    }

    // --- Submitter ---

    function test_without_a_binding_any_sequencer_may_extend_any_stream() public {
        _commitAs(SEQUENCER, _next(10));
        _commitAs(OTHER_SEQUENCER, _next(10));
    }

    function test_a_bound_stream_takes_batches_from_its_submitter_only() public {
        _bind(OTHER_SEQUENCER);
        BatchInput memory b = _next(10);
        _refuse(b, abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        _commitWithProof(b, _proof());
        _commitAs(OTHER_SEQUENCER, b);
        _commitAs(SEQUENCER, _next(OTHER_TENANT, STORE, 10));
    }

    function test_the_batches_of_a_bound_stream_are_proven_by_its_submitter_only() public {
        _bind(OTHER_SEQUENCER);
        BatchInput memory b = _next(10);
        _commitAs(OTHER_SEQUENCER, b);
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        _prove(b, _proof());
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        _proveShort(b, _proof());
        _proveAs(OTHER_SEQUENCER, b, _proof());
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        vm.prank(SEQUENCER);
        registry.logAdditionalStarkProof(b.batchId, keccak256("second"), 0, 0, true, 1);
    }

    function test_a_new_submitter_takes_over_the_unproven_batches() public {
        _bind(OTHER_SEQUENCER);
        BatchInput memory b = _next(10);
        _commitAs(OTHER_SEQUENCER, b);
        _bind(SEQUENCER);
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, SEQUENCER));
        _proveAs(OTHER_SEQUENCER, b, _proof());
        _prove(b, _proof());
    }

    function test_lifting_the_binding_frees_the_stream_and_its_batches() public {
        _bind(OTHER_SEQUENCER);
        BatchInput memory b = _next(10);
        _commitAs(OTHER_SEQUENCER, b);
        _bind(address(0));
        _prove(b, _proof());
        _commitNext(10);
    }

    function test_batches_from_before_the_binding_stay_open_to_all_sequencers() public {
        BatchInput memory b = _commitNext(10);
        _bind(OTHER_SEQUENCER);
        _prove(b, _proof());
    }

    function test_a_submitter_must_be_authorized_too() public {
        _bind(STRANGER);
        BatchInput memory b = _next(10);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        _commitAs(STRANGER, b);
    }

    // --- VES strict ---

    function test_a_ves_strict_stream_takes_the_formulas_state_root_only() public {
        _makeVesStrict(true);
        BatchInput memory b = _next(10);
        _refuse(b, abi.encodeWithSelector(VesStateRootMismatch.selector, _vesRoot(b), b.newStateRoot));
        b.newStateRoot = _vesRoot(b);
        _commit(b);
        b = _next(3);
        b.newStateRoot = _vesRoot(b);
        _commitWithProof(b, _proof());
        assertEq(registry.getLatestStateRoot(TENANT, STORE), b.newStateRoot);
        // Other streams are as before.
        _commit(_next(OTHER_TENANT, STORE, 10));
    }

    function testFuzz_a_ves_strict_stream_agrees_with_the_formula(
        bytes16 tenant,
        bytes16 store,
        uint64 start,
        uint32 count,
        bytes32 prev
    ) public {
        count = uint32(bound(count, 1, type(uint32).max));
        start = uint64(bound(start, 0, type(uint64).max - count + 1));
        vm.prank(OWNER);
        registry.setStreamVesStrict(bytes32(tenant), bytes32(store), true);
        BatchInput memory b = _batch(bytes32(tenant), bytes32(store), start, count, prev);
        b.newStateRoot = _vesRoot(b);
        _commit(b);
        assertTrue(registry.verifyVesStateRoot(b.batchId, b.tenantId, b.storeId, prev));
    }

    function test_a_ves_strict_stream_is_chained_even_when_strict_mode_is_off() public {
        _makeVesStrict(true);
        BatchInput memory first = _next(10);
        first.newStateRoot = _vesRoot(first);
        _commit(first);
        _setStrict(false);
        BatchInput memory b = _batch(12, 5, first.newStateRoot);
        b.newStateRoot = _vesRoot(b);
        _refuse(b, abi.encodeWithSelector(SequenceGap.selector, 11, 12));
        b = _batch(11, 5, keccak256("fork"));
        b.newStateRoot = _vesRoot(b);
        _refuse(b, abi.encodeWithSelector(StateRootMismatch.selector, first.newStateRoot, keccak256("fork")));
    }

    function test_the_check_can_be_switched_off_again() public {
        _makeVesStrict(true);
        _makeVesStrict(false);
        _commitNext(10);
    }

    function test_the_check_needs_ids_that_are_uuids() public {
        bytes32 odd = TENANT | bytes32(uint256(1));
        vm.startPrank(OWNER);
        vm.expectRevert(abi.encodeWithSelector(NotUuid.selector, odd));
        registry.setStreamVesStrict(odd, STORE, true);
        vm.expectRevert(abi.encodeWithSelector(NotUuid.selector, odd));
        registry.setStreamVesStrict(STORE, odd, true);
    }

    function test_both_policies_can_hold_for_one_stream() public {
        _makeVesStrict(true);
        _bind(OTHER_SEQUENCER);
        (address submitter, bool vesStrict) = registry.getStreamPolicy(TENANT, STORE);
        assertEq(submitter, OTHER_SEQUENCER);
        assertTrue(vesStrict);
        BatchInput memory b = _next(10);
        b.newStateRoot = _vesRoot(b);
        _refuse(b, abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        _commitAs(OTHER_SEQUENCER, b);
    }

    // --- Streams that had batches before: their latest one says that there is no policy to look for ---

    function test_a_binding_holds_at_once_for_a_stream_with_batches() public {
        for (uint256 i = 0; i < 3; ++i) {
            _continue(i);
            _bind(OTHER_SEQUENCER);
            _refuse(_next(10), abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
            _refuseGroup(abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
            _commitAs(OTHER_SEQUENCER, _next(10));
            _refuse(_next(10), abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
            _bind(address(0));
        }
    }

    function test_the_check_of_state_roots_holds_at_once_for_a_stream_with_batches() public {
        for (uint256 i = 0; i < 3; ++i) {
            _continue(i);
            _makeVesStrict(true);
            BatchInput memory b = _next(10);
            _refuse(b, abi.encodeWithSelector(VesStateRootMismatch.selector, _vesRoot(b), b.newStateRoot));
            _refuseGroup(abi.encodeWithSelector(VesStateRootMismatch.selector, _vesRoot(b), b.newStateRoot));
            b.newStateRoot = _vesRoot(b);
            _commit(b);
            b = _next(10);
            _refuse(b, abi.encodeWithSelector(VesStateRootMismatch.selector, _vesRoot(b), b.newStateRoot));
            _makeVesStrict(false);
        }
    }

    function test_policies_of_one_stream_leave_those_of_another_in_force() public {
        _commitNext(10);
        _commit(_next(OTHER_TENANT, STORE, 10));
        _bind(OTHER_SEQUENCER);
        _commit(_next(OTHER_TENANT, STORE, 10));
        vm.prank(OWNER);
        registry.setStreamSubmitter(OTHER_TENANT, STORE, OTHER_SEQUENCER);
        _refuse(_next(10), abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER));
        _refuse(
            _next(OTHER_TENANT, STORE, 10),
            abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER)
        );
        // Lifted for one, and looked for in vain there.
        _bind(address(0));
        _commitNext(10);
        _commitNext(10);
        _refuse(
            _next(OTHER_TENANT, STORE, 10),
            abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER)
        );
    }

    /// An implementation before this one set no such flag, and an older batch may fill a hole behind the latest one.
    function test_a_policy_is_found_whatever_the_latest_batch_says_of_others() public {
        _commitNext(10);
        _setStrict(false);
        _bind(OTHER_SEQUENCER);
        _commitAs(OTHER_SEQUENCER, _batch(100, 10, keccak256("later")));
        _commitAs(OTHER_SEQUENCER, _batch(50, 10, keccak256("between")));
        _refuse(
            _batch(200, 10, keccak256("last")),
            abi.encodeWithSelector(NotStreamSubmitter.selector, OTHER_SEQUENCER)
        );
    }

    function test_setting_a_policy_changes_nothing_that_can_be_read_of_a_batch() public {
        BatchInput memory b = _commitNext(10);
        bytes memory before = abi.encode(registry.getBatchCommitment(b.batchId));
        _bind(OTHER_SEQUENCER);
        assertEq(abi.encode(registry.getBatchCommitment(b.batchId)), before);
        // It was committed without a binding, so it stays open to all.
        _proveAs(SEQUENCER, b, _proof());
    }

    /// @dev Continues the stream with a batch alone, with its proof, or as a group.
    function _continue(uint256 how) private {
        if (how == 0) {
            _commitNext(10);
        } else if (how == 1) {
            _commitWithProof(_next(10), _proof());
        } else {
            vm.startPrank(SEQUENCER);
            registry.commitBatches(_three());
            vm.stopPrank();
        }
    }

    function _refuseGroup(bytes memory reason) private {
        BatchInput[] memory batches = _three();
        vm.expectRevert(reason);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
    }

    function _three() private view returns (BatchInput[] memory batches) {
        batches = new BatchInput[](3);
        batches[0] = _next(10);
        for (uint256 i = 1; i < 3; ++i) {
            batches[i] = _batch(batches[i - 1].sequenceEnd + 1, 10, batches[i - 1].newStateRoot);
        }
    }

    function _bind(address submitter) private {
        vm.expectEmit(address(registry));
        emit StreamSubmitterUpdated(_key(TENANT, STORE), submitter);
        vm.prank(OWNER);
        registry.setStreamSubmitter(TENANT, STORE, submitter);
    }

    function _makeVesStrict(bool enabled) private {
        vm.expectEmit(address(registry));
        emit StreamVesStrictUpdated(_key(TENANT, STORE), enabled);
        vm.prank(OWNER);
        registry.setStreamVesStrict(TENANT, STORE, enabled);
    }
}
