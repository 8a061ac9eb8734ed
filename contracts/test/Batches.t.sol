// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice What a single batch must satisfy, and what committing it does.
contract BatchesTest is RegistryTest {
    function test_a_batch_is_stored_as_given() public {
        BatchInput memory b = _batch(1, 10, 0);
        _commit(b);
        _assertStored(b);
    }

    function testFuzz_any_valid_range_is_stored_as_given(
        uint64 start,
        uint32 count,
        bytes32 seed,
        uint40 time
    ) public {
        count = uint32(bound(count, 1, type(uint32).max));
        start = uint64(bound(start, 0, type(uint64).max - count + 1));
        vm.warp(bound(time, 1, type(uint40).max));
        BatchInput memory b = _batch(start, count, seed);
        _commit(b);
        _assertStored(b);
        assertEq(registry.getHeadSequence(TENANT, STORE), b.sequenceEnd);
    }

    function test_a_batch_becomes_the_latest_of_its_stream() public {
        _commitNext(10);
        BatchInput memory b = _commitNext(5);
        bytes32 key = _key(TENANT, STORE);
        assertEq(registry.latestCommitment(key), b.batchId);
        assertEq(registry.getLatestBatchId(TENANT, STORE), b.batchId);
        assertEq(registry.getLatestStateRoot(TENANT, STORE), b.newStateRoot);
        assertEq(registry.getHeadSequence(TENANT, STORE), 15);
        assertEq(registry.headSequence(key), 15);
    }

    function test_committing_emits_the_event_of_the_peer() public {
        BatchInput memory b = _batch(1, 10, 0);
        vm.expectEmit(address(registry));
        emit BatchCommitted(
            b.batchId, _key(TENANT, STORE), b.eventsRoot, b.newStateRoot, b.sequenceStart, b.sequenceEnd, 10
        );
        _commit(b);
    }

    function test_commitments_are_counted() public {
        assertEq(registry.totalCommitments(), 0);
        _commitNext(10);
        _commitNext(10);
        assertEq(registry.totalCommitments(), 2);
        assertEq(registry.totalStarkProofs(), 0);
    }

    function test_only_an_authorized_sequencer_can_commit() public {
        BatchInput memory b = _batch(1, 10, 0);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        _commitAs(STRANGER, b);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        _commitAs(OWNER, b);
    }

    function test_nothing_can_be_committed_while_paused() public {
        BatchInput memory b = _batch(1, 10, 0);
        vm.prank(OWNER);
        registry.pause();
        _refuse(b, EnforcedPause.selector);
        vm.expectRevert(EnforcedPause.selector);
        _commitAs(STRANGER, b);
        vm.prank(OWNER);
        registry.unpause();
        _commit(b);
    }

    function test_a_range_that_ends_before_it_starts_is_refused() public {
        BatchInput memory b = _batch(5, 1, 0);
        b.sequenceEnd = 4;
        _refuse(b, InvalidSequenceRange.selector);
        b.sequenceEnd = 3;
        _refuse(b, InvalidSequenceRange.selector);
    }

    function test_a_batch_without_events_is_refused_alone_and_in_a_group() public {
        // The length of this range is its count.
        BatchInput memory b = _batch(5, 1, 0);
        (b.sequenceEnd, b.eventCount) = (4, 0);
        _refuse(b, InvalidSequenceRange.selector);
        BatchInput[] memory batches = new BatchInput[](3);
        (batches[0], batches[1], batches[2]) = (_batch(1, 4, 0), b, b);
        vm.expectRevert(InvalidSequenceRange.selector);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
    }

    function testFuzz_a_count_that_is_not_the_length_is_refused(uint64 start, uint32 length, uint32 count)
        public
    {
        length = uint32(bound(length, 1, type(uint32).max));
        start = uint64(bound(start, 0, type(uint64).max - length + 1));
        vm.assume(count != length);
        BatchInput memory b = _batch(start, length, 0);
        b.eventCount = count;
        _refuse(b, abi.encodeWithSelector(InvalidEventCount.selector, uint64(length), count));
    }

    function test_a_length_that_does_not_fit_32_bits_is_refused() public {
        BatchInput memory b = _batch(1, 1, 0);
        b.sequenceEnd = uint64(1) << 32;
        b.eventCount = 0;
        _refuse(b, abi.encodeWithSelector(InvalidEventCount.selector, uint64(1) << 32, 0));
    }

    // The peer accepts this: its count wraps to 0.
    function test_the_range_of_all_numbers_is_refused() public {
        BatchInput memory b = _batch(0, 1, 0);
        b.sequenceEnd = type(uint64).max;
        b.eventCount = 0;
        _refuse(b, abi.encodeWithSelector(InvalidEventCount.selector, 0, 0));
        b.eventCount = 7;
        _refuse(b, abi.encodeWithSelector(InvalidEventCount.selector, 0, 7));
    }

    function test_an_empty_events_root_is_refused() public {
        BatchInput memory b = _batch(1, 10, 0);
        b.eventsRoot = 0;
        _refuse(b, EmptyEventsRoot.selector);
    }

    // The peer accepts this, and the stream then looks empty.
    function test_a_zero_batch_id_is_refused_in_every_mode() public {
        BatchInput memory b = _batch(1, 10, 0);
        b.batchId = 0;
        _refuse(b, ZeroBatchId.selector);
        _setStrict(false);
        _refuse(b, ZeroBatchId.selector);
    }

    function test_a_batch_id_can_be_used_once_over_all_streams() public {
        BatchInput memory b = _commitNext(10);
        _refuse(b, BatchAlreadyCommitted.selector);
        BatchInput memory other = _batch(OTHER_TENANT, STORE, 1, 10, 0);
        other.batchId = b.batchId;
        _refuse(other, BatchAlreadyCommitted.selector);
        _assertStored(b);
    }

    function test_checks_run_in_the_order_of_the_peer() public {
        _commitNext(10);
        BatchInput memory b = _batch(20, 10, keccak256("fork"));
        b.batchId = registry.getLatestBatchId(TENANT, STORE);
        b.eventsRoot = 0;
        b.eventCount = 9;
        b.sequenceEnd = 19;
        _refuse(b, InvalidSequenceRange.selector);
        b.sequenceEnd = 29;
        _refuse(b, abi.encodeWithSelector(InvalidEventCount.selector, 10, 9));
        b.eventCount = 10;
        _refuse(b, EmptyEventsRoot.selector);
        b.eventsRoot = keccak256("events");
        _refuse(b, BatchAlreadyCommitted.selector);
        b.batchId = keccak256("new");
        bytes32 root = registry.getLatestStateRoot(TENANT, STORE);
        _refuse(b, abi.encodeWithSelector(StateRootMismatch.selector, root, b.prevStateRoot));
        b.prevStateRoot = root;
        _refuse(b, abi.encodeWithSelector(SequenceGap.selector, 11, 20));
    }

    // --- Several at once ---

    function test_several_batches_are_committed_in_order() public {
        BatchInput[] memory batches = new BatchInput[](3);
        batches[0] = _batch(1, 10, 0);
        batches[1] = _batch(OTHER_TENANT, STORE, 1, 3, 0);
        batches[2] = _batch(11, 5, batches[0].newStateRoot);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        for (uint256 i = 0; i < 3; ++i) {
            _assertStored(batches[i]);
        }
        assertEq(registry.getHeadSequence(TENANT, STORE), 15);
        assertEq(registry.getHeadSequence(OTHER_TENANT, STORE), 3);
        assertEq(registry.totalCommitments(), 3);
    }

    function test_several_batches_are_committed_all_or_none() public {
        BatchInput[] memory batches = new BatchInput[](2);
        batches[0] = _batch(1, 10, 0);
        batches[1] = _batch(12, 5, batches[0].newStateRoot);
        vm.expectRevert(abi.encodeWithSelector(SequenceGap.selector, 11, 12));
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        assertFalse(registry.batchExists(batches[0].batchId));
        assertEq(registry.totalCommitments(), 0);
    }

    function test_several_batches_need_at_least_one_and_the_same_rights() public {
        BatchInput[] memory batches = new BatchInput[](0);
        vm.expectRevert(EmptyArray.selector);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        vm.prank(STRANGER);
        registry.commitBatches(batches);
        vm.prank(OWNER);
        registry.pause();
        vm.expectRevert(EnforcedPause.selector);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
    }

    function test_arguments_wider_than_their_type_are_refused() public {
        BatchInput memory b = _batch(1, 10, 0);
        bytes memory call = abi.encodeCall(
            registry.commitBatch,
            (b.batchId, TENANT, STORE, b.eventsRoot, b.prevStateRoot, b.newStateRoot, 1, 10, 10)
        );
        // Highest byte of the word that holds the 32-bit event count.
        call[4 + 8 * 32] = 0x01;
        vm.prank(SEQUENCER);
        (bool success, bytes memory reason) = address(registry).call(call);
        assertFalse(success);
        assertEq(reason.length, 0);
    }

    function _assertStored(BatchInput memory b) private view {
        BatchCommitment memory c = registry.getBatchCommitment(b.batchId);
        assertEq(c.eventsRoot, b.eventsRoot);
        assertEq(c.newStateRoot, b.newStateRoot);
        assertEq(c.sequenceStart, b.sequenceStart);
        assertEq(c.sequenceEnd, b.sequenceEnd);
        assertEq(c.eventCount, b.eventCount);
        assertEq(c.timestamp, block.timestamp);
        assertTrue(registry.batchExists(b.batchId));
    }
}
