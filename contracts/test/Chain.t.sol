// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice How the batches of a stream follow one another.
contract ChainTest is RegistryTest {
    function test_a_batch_continues_the_latest_state_root_and_sequence_number() public {
        BatchInput memory first = _commitNext(10);
        BatchInput memory second = _batch(11, 5, first.newStateRoot);
        _commit(second);
        BatchInput memory third = _batch(16, 1, second.newStateRoot);
        _commit(third);
        assertEq(registry.getHeadSequence(TENANT, STORE), 16);
    }

    function test_another_state_root_is_refused() public {
        BatchInput memory b = _commitNext(10);
        _refuse(
            _batch(11, 5, keccak256("fork")),
            abi.encodeWithSelector(StateRootMismatch.selector, b.newStateRoot, keccak256("fork"))
        );
    }

    function test_a_gap_and_an_overlap_are_refused() public {
        BatchInput memory b = _commitNext(10);
        _refuse(_batch(12, 5, b.newStateRoot), abi.encodeWithSelector(SequenceGap.selector, 11, 12));
        _refuse(_batch(10, 5, b.newStateRoot), abi.encodeWithSelector(SequenceGap.selector, 11, 10));
    }

    function test_a_gap_is_refused_in_the_combined_call_too() public {
        BatchInput memory b = _commitNext(10);
        vm.expectRevert(abi.encodeWithSelector(SequenceGap.selector, 11, 12));
        _commitWithProof(_batch(12, 5, b.newStateRoot), _proof());
    }

    // In the peer, the number after the last one is 0.
    function test_a_stream_that_used_up_its_numbers_takes_no_batch() public {
        BatchInput memory last = _batch(type(uint64).max, 1, 0);
        _commit(last);
        assertEq(registry.getHeadSequence(TENANT, STORE), type(uint64).max);
        _refuse(_batch(0, 1, last.newStateRoot), InvalidSequenceRange.selector);
    }

    function test_a_stream_that_starts_at_sequence_number_0_is_chained() public {
        BatchInput memory b = _batch(0, 1, 0);
        _commit(b);
        assertEq(registry.getHeadSequence(TENANT, STORE), 0);
        _refuse(_batch(0, 2, b.newStateRoot), abi.encodeWithSelector(SequenceGap.selector, 1, 0));
        _commit(_batch(1, 1, b.newStateRoot));
    }

    function test_streams_of_other_tenants_and_stores_are_separate() public {
        _commitNext(10);
        _commit(_batch(OTHER_TENANT, STORE, 1, 3, 0));
        _commit(_batch(TENANT, OTHER_STORE, 1, 4, 0));
        assertEq(registry.getHeadSequence(TENANT, STORE), 10);
        assertEq(registry.getHeadSequence(OTHER_TENANT, STORE), 3);
        assertEq(registry.getHeadSequence(TENANT, OTHER_STORE), 4);
        assertEq(registry.getHeadSequence(STORE, TENANT), 0);
    }

    // The peer accepts a state root that reads as "no batch".
    function test_a_zero_state_root_is_refused_in_strict_mode_only() public {
        BatchInput memory b = _batch(1, 10, 0);
        b.newStateRoot = 0;
        _refuse(b, ZeroStateRoot.selector);
        _setStrict(false);
        _commit(b);
    }

    // --- Strict mode off ---

    function test_forks_and_gaps_are_accepted_when_strict_mode_is_off() public {
        _commitNext(10);
        _setStrict(false);
        _commit(_batch(11, 5, keccak256("fork")));
        _commit(_batch(100, 5, keccak256("gap")));
        assertEq(registry.getHeadSequence(TENANT, STORE), 104);
    }

    // In the peer, the head moves back.
    function test_an_older_range_is_recorded_but_the_head_stays() public {
        _setStrict(false);
        BatchInput memory head = _batch(100, 5, 0);
        _commit(head);
        BatchInput memory older = _batch(1, 99, 0);
        _commit(older);
        assertTrue(registry.batchExists(older.batchId));
        assertEq(registry.getLatestBatchId(TENANT, STORE), head.batchId);
        assertEq(registry.getHeadSequence(TENANT, STORE), 104);
        assertEq(registry.getLatestStateRoot(TENANT, STORE), head.newStateRoot);
        assertEq(registry.totalCommitments(), 2);
    }

    function test_strict_mode_resumes_from_the_head() public {
        _setStrict(false);
        BatchInput memory head = _batch(100, 5, keccak256("anything"));
        _commit(head);
        _setStrict(true);
        _refuse(_batch(106, 1, head.newStateRoot), abi.encodeWithSelector(SequenceGap.selector, 105, 106));
        _commit(_batch(105, 1, head.newStateRoot));
    }

    // --- Genesis ---

    function test_a_stream_may_begin_anywhere_unless_strict_genesis_is_on() public {
        assertFalse(registry.strictGenesisEnabled());
        _commit(_batch(1_000, 10, keccak256("elsewhere")));
    }

    function test_under_strict_genesis_a_stream_begins_at_1_with_state_root_zero() public {
        _setStrictGenesis(true);
        bytes32 root = keccak256("elsewhere");
        _refuse(_batch(1, 10, root), abi.encodeWithSelector(StateRootMismatch.selector, bytes32(0), root));
        _refuse(_batch(0, 10, 0), abi.encodeWithSelector(SequenceGap.selector, 1, 0));
        _refuse(_batch(2, 10, 0), abi.encodeWithSelector(SequenceGap.selector, 1, 2));
        _commit(_batch(1, 10, 0));
        _commitNext(10);
    }

    function test_under_strict_genesis_a_stream_begins_where_it_was_registered() public {
        _setStrictGenesis(true);
        bytes32 root = keccak256("elsewhere");
        vm.expectEmit(address(registry));
        emit GenesisRegistered(_key(TENANT, STORE), 1_000, root);
        vm.prank(OWNER);
        registry.registerGenesis(TENANT, STORE, 1_000, root);
        (uint64 start, bytes32 prev) = registry.getGenesis(TENANT, STORE);
        assertEq(start, 1_000);
        assertEq(prev, root);

        _refuse(_batch(1, 10, 0), abi.encodeWithSelector(StateRootMismatch.selector, root, bytes32(0)));
        _refuse(_batch(1, 10, root), abi.encodeWithSelector(SequenceGap.selector, 1_000, 1));
        _commit(_batch(1_000, 10, root));
        _commit(_batch(OTHER_TENANT, STORE, 1, 10, 0));
    }

    function test_a_stream_can_be_registered_to_begin_at_0() public {
        _setStrictGenesis(true);
        vm.prank(OWNER);
        registry.registerGenesis(TENANT, STORE, 0, 0);
        (uint64 start,) = registry.getGenesis(TENANT, STORE);
        assertEq(start, 0);
        (start,) = registry.getGenesis(OTHER_TENANT, STORE);
        assertEq(start, 1);
        _commit(_batch(0, 10, 0));
    }

    function test_a_genesis_cannot_be_registered_for_a_started_stream() public {
        _commitNext(10);
        vm.expectRevert(StreamAlreadyStarted.selector);
        vm.prank(OWNER);
        registry.registerGenesis(TENANT, STORE, 1, 0);
    }

    function _setStrictGenesis(bool enabled) private {
        vm.expectEmit(address(registry));
        emit StrictGenesisUpdated(enabled);
        vm.prank(OWNER);
        registry.setStrictGenesis(enabled);
        assertEq(registry.strictGenesisEnabled(), enabled);
    }
}
