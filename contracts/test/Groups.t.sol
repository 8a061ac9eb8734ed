// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BatchGroup} from "../src/BatchGroup.sol";
import {SetRegistry} from "../src/SetRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @notice Batches whose records share an account behave like all others.
contract GroupsTest is RegistryTest {
    function test_every_view_shows_the_same_whether_batches_came_alone_or_together() public {
        SetRegistry together = registry;
        SetRegistry alone = _deploy(OWNER, SEQUENCER);
        for (uint256 count = 1; count <= 6; ++count) {
            registry = together;
            BatchInput[] memory batches = _several(count);
            _commitAll(batches);
            bytes32 seen = _seen(batches);
            registry = alone;
            for (uint256 i = 0; i < count; ++i) {
                _commit(batches[i]);
            }
            assertEq(seen, _seen(batches));
        }
    }

    function testFuzz_a_group_keeps_exactly_what_was_given(bytes32 seed, uint64 start, uint16 count) public {
        _setStrict(false);
        start = uint64(bound(start, 0, type(uint64).max - 8 * uint64(count)));
        BatchInput[] memory batches = new BatchInput[](4 + uint256(seed) % 5);
        for (uint256 i = 0; i < batches.length; ++i) {
            bytes32 prev = keccak256(abi.encode(seed, i));
            batches[i] = _batch(start + uint64(i) * count, uint32(count) + 1, prev);
        }
        _commitAll(batches);
        for (uint256 i = 0; i < batches.length; ++i) {
            _assertStored(batches[i]);
            _prove(batches[i], _proof());
        }
    }

    function test_a_group_may_hold_any_number_of_batches() public {
        BatchInput[] memory batches = _chain(BatchGroup.MAX_BATCHES);
        _commitAll(batches);
        assertGt(_groupOf(batches[0]).code.length, 24_530);
        _assertStored(batches[0]);
        _assertStored(batches[BatchGroup.MAX_BATCHES - 1]);
        // One more does not fit the code of an account, so they are stored one by one.
        batches = _chain(BatchGroup.MAX_BATCHES + 1);
        _commitAll(batches);
        _assertStored(batches[0]);
        _assertStored(batches[BatchGroup.MAX_BATCHES]);
    }

    function test_a_stream_goes_on_after_a_group_and_before_one() public {
        _commitNext(3);
        _commitAll(_chain(5));
        BatchInput memory b = _next(4);
        b.prevStateRoot = keccak256("fork");
        _refuse(
            b,
            abi.encodeWithSelector(
                StateRootMismatch.selector, registry.getLatestStateRoot(TENANT, STORE), keccak256("fork")
            )
        );
        uint64 head = registry.getHeadSequence(TENANT, STORE);
        b = _batch(head + 2, 4, registry.getLatestStateRoot(TENANT, STORE));
        _refuse(b, abi.encodeWithSelector(SequenceGap.selector, head + 1, head + 2));
        _commitNext(4);
        _commitAll(_chain(5));
        assertEq(registry.getHeadSequence(TENANT, STORE), 3 + 5 * 10 + 4 + 5 * 10);
        assertEq(registry.totalCommitments(), 12);
    }

    function test_one_wrong_batch_refuses_the_whole_group() public {
        BatchInput[] memory batches = _chain(6);
        batches[4].sequenceStart += 1;
        batches[4].sequenceEnd += 1;
        _refuseAll(batches, abi.encodeWithSelector(SequenceGap.selector, 41, 42));

        batches = _chain(6);
        batches[5].batchId = batches[2].batchId;
        _refuseAll(batches, abi.encodePacked(BatchAlreadyCommitted.selector));

        batches = _chain(6);
        batches[5].prevStateRoot = keccak256("fork");
        _refuseAll(
            batches,
            abi.encodeWithSelector(
                StateRootMismatch.selector, batches[4].newStateRoot, batches[5].prevStateRoot
            )
        );
        assertEq(registry.totalCommitments(), 0);
        assertFalse(registry.batchExists(batches[0].batchId));
    }

    function test_a_proof_of_a_grouped_batch_must_be_for_its_roots() public {
        BatchInput[] memory batches = _chain(5);
        _commitAll(batches);
        BatchInput memory b = batches[3];
        b.prevStateRoot = batches[2].prevStateRoot;
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(b, _proof());
        b.prevStateRoot = batches[2].newStateRoot;
        b.newStateRoot = batches[2].newStateRoot;
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(b, _proof());
        b.newStateRoot = batches[4].prevStateRoot;
        _prove(b, _proof());
        assertTrue(registry.hasStarkProof(b.batchId));
        _proveShort(batches[4], _proof());
        assertTrue(registry.hasStarkProof(batches[4].batchId));
    }

    function test_a_grouped_batch_of_a_bound_stream_is_proven_by_its_submitter_only() public {
        _authorize(STRANGER);
        vm.prank(OWNER);
        registry.setStreamSubmitter(TENANT, STORE, SEQUENCER);
        BatchInput[] memory batches = _chain(4);
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, SEQUENCER));
        vm.prank(STRANGER);
        registry.commitBatches(batches);
        _commitAll(batches);
        vm.expectRevert(abi.encodeWithSelector(NotStreamSubmitter.selector, SEQUENCER));
        _proveAs(STRANGER, batches[1], _proof());
        _prove(batches[1], _proof());
    }

    function test_a_ves_strict_stream_is_checked_in_a_group_too() public {
        vm.prank(OWNER);
        registry.setStreamVesStrict(TENANT, STORE, true);
        BatchInput[] memory batches = new BatchInput[](4);
        bytes32 root;
        for (uint256 i = 0; i < 4; ++i) {
            batches[i] = _batch(1 + 10 * uint64(i), 10, root);
            root = batches[i].newStateRoot = _vesRoot(batches[i]);
        }
        batches[3].newStateRoot = keccak256("other");
        _refuseAll(
            batches, abi.encodeWithSelector(VesStateRootMismatch.selector, root, batches[3].newStateRoot)
        );
        batches[3].newStateRoot = root;
        _commitAll(batches);
        assertTrue(registry.verifyVesStateRoot(batches[3].batchId, TENANT, STORE, batches[3].prevStateRoot));
        assertFalse(registry.verifyVesStateRoot(batches[3].batchId, TENANT, STORE, root));
    }

    /// Later implementations must read what earlier ones wrote.
    function test_the_form_of_a_group_is_frozen() public {
        _commitAll(_chain(3));
        BatchInput[] memory batches = _chain(4);
        _commitAll(batches);
        bytes memory code = bytes.concat(hex"00", bytes5(uint40(NOW)));
        for (uint256 i = 0; i < 4; ++i) {
            code = bytes.concat(code, batches[i].newStateRoot);
        }
        // The second account that the registry created.
        assertEq(vm.computeCreateAddress(address(registry), 2).code, code);
        uint256 tag = uint256(keccak256(abi.encode(batches[2].prevStateRoot))) >> 144;
        uint256 info = 1 << 251 | 1 << 250 | uint256(2) << 238 | 2 << 208 | 10 << 176 | tag << 64;
        assertEq(uint256(_slot(batches[2], 2)), info | batches[2].sequenceStart, "info");
        assertEq(_slot(batches[2], 0), batches[2].eventsRoot, "events root");
        assertEq(_slot(batches[2], 1), 0, "unused");
        // Switch strict, 1 sequencer, 7 commitments.
        uint256 counters = 2 << 224 | 1 << 161 | 1 << 128 | 7;
        assertEq(uint256(vm.load(address(registry), bytes32(uint256(4)))), counters, "number of the group");
    }

    /// The address of a group follows from its number, whose encoding changes at these.
    function test_a_group_is_found_again_whatever_its_number() public {
        uint32[9] memory numbers = [2, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffff, 0x1000000];
        BatchInput[] memory batches = new BatchInput[](27);
        for (uint256 i = 0; i < numbers.length; ++i) {
            _countGroups(numbers[i] - 1);
            BatchInput[] memory group = _chain(3);
            _commitAll(group);
            assertEq(_groupOf(group[0]), vm.computeCreateAddress(address(registry), numbers[i]));
            (batches[3 * i], batches[3 * i + 1], batches[3 * i + 2]) = (group[0], group[1], group[2]);
        }
        for (uint256 i = 0; i < batches.length; ++i) {
            _assertStored(batches[i]);
        }
    }

    /// An implementation before this one created groups too, and did not count them.
    function test_groups_that_were_not_counted_are_counted_when_the_next_one_is_made() public {
        vm.setNonce(address(registry), 200);
        BatchInput[] memory batches = _chain(3);
        _commitAll(batches);
        _assertStored(batches[1]);
        assertEq(uint256(vm.load(address(registry), bytes32(uint256(4)))) >> 224, 200);
        _commitAll(_chain(3));
        assertEq(uint256(vm.load(address(registry), bytes32(uint256(4)))) >> 224, 201);
    }

    function test_a_group_of_the_first_form_is_read_and_continued() public {
        BatchInput[] memory batches = _chain(3);
        for (uint256 i = 0; i < 3; ++i) {
            _commit(batches[i]);
        }
        bytes32 seen = _seen(batches);
        _rewriteInFirstForm(batches);
        assertEq(_seen(batches), seen);

        BatchInput memory wrong = _batch(32, 10, batches[2].newStateRoot);
        _refuse(wrong, abi.encodeWithSelector(SequenceGap.selector, 31, 32));
        wrong = _batch(31, 10, batches[1].newStateRoot);
        _refuse(
            wrong,
            abi.encodeWithSelector(
                StateRootMismatch.selector, batches[2].newStateRoot, batches[1].newStateRoot
            )
        );
        _commitAll(_chain(3));
        _refuse(batches[1], BatchAlreadyCommitted.selector);
        wrong = batches[1];
        wrong.prevStateRoot = batches[2].prevStateRoot;
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(wrong, _proof());
        wrong.prevStateRoot = batches[0].newStateRoot;
        _prove(wrong, _proof());
        _proveShort(batches[2], _proof());
        assertEq(registry.totalStarkProofs(), 2);
    }

    function test_a_number_that_its_type_cannot_hold_is_refused_in_a_group_too() public {
        for (uint256 count = 2; count < 5; ++count) {
            // The last three words of the last batch: first, last, count.
            for (uint256 word = 0; word < 3; ++word) {
                bytes memory call = abi.encodeCall(registry.commitBatches, (_chain(count)));
                // The lowest bit that is too high.
                uint256 bit = word == 2 ? 32 : 64;
                call[call.length - 32 * (2 - word) - 1 - bit / 8] = 0x01;
                vm.prank(SEQUENCER);
                (bool taken, bytes memory reason) = address(registry).call(call);
                assertFalse(taken);
                assertEq(reason.length, 0);
            }
        }
        _commitAll(_chain(4));
    }

    function test_a_call_to_the_account_of_a_group_does_nothing() public {
        BatchInput[] memory batches = _chain(4);
        _commitAll(batches);
        address group = _groupOf(batches[0]);
        bytes memory code = group.code;
        (bool success, bytes memory answer) = group.call(hex"ff");
        assertTrue(success);
        assertEq(answer.length, 0);
        assertEq(group.code, code);
    }

    // --- Helpers ---

    /// @dev Batches of ten events that continue the default stream.
    function _chain(uint256 count) private view returns (BatchInput[] memory batches) {
        batches = new BatchInput[](count);
        BatchInput memory last = _next(10);
        for (uint256 i = 0; i < count; ++i) {
            batches[i] = last;
            last = _batch(last.sequenceEnd + 1, 10, last.newStateRoot);
        }
    }

    /// @dev Batches that continue two streams in turn.
    function _several(uint256 count) private view returns (BatchInput[] memory batches) {
        batches = new BatchInput[](count);
        BatchInput[2] memory last = [_next(7), _next(OTHER_TENANT, OTHER_STORE, 3)];
        for (uint256 i = 0; i < count; ++i) {
            BatchInput memory b = last[i % 2];
            batches[i] = b;
            last[i % 2] = _batch(b.tenantId, b.storeId, b.sequenceEnd + 1, uint32(5 + i), b.newStateRoot);
        }
    }

    function _commitAll(BatchInput[] memory batches) private {
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
    }

    function _refuseAll(BatchInput[] memory batches, bytes memory reason) private {
        vm.expectRevert(reason);
        _commitAll(batches);
    }

    /// @dev Everything the views say about the batches and their streams.
    function _seen(BatchInput[] memory batches) private view returns (bytes32) {
        bytes memory all = abi.encode(registry.totalCommitments());
        for (uint256 i = 0; i < batches.length; ++i) {
            (bytes32 id, bytes32 tenant, bytes32 store) =
                (batches[i].batchId, batches[i].tenantId, batches[i].storeId);
            (bytes32 latest, bytes32 state, uint64 head, bool proven) =
                registry.getTenantStoreSummary(tenant, store);
            (bytes32 root, bytes32 newRoot, uint64 start, uint64 end, uint32 count, uint64 time) =
                registry.commitments(id);
            all = bytes.concat(
                all,
                abi.encode(registry.getBatchCommitment(id), root, newRoot, start, end, count, time),
                abi.encode(latest, state, head, proven, registry.batchExists(id)),
                abi.encode(
                    registry.getLatestStateRoot(tenant, store), registry.getHeadSequence(tenant, store)
                )
            );
        }
        return keccak256(all);
    }

    function _assertStored(BatchInput memory b) private view {
        BatchCommitment memory c = registry.getBatchCommitment(b.batchId);
        BatchCommitment memory expected = BatchCommitment({
            eventsRoot: b.eventsRoot,
            newStateRoot: b.newStateRoot,
            sequenceStart: b.sequenceStart,
            sequenceEnd: b.sequenceEnd,
            eventCount: b.eventCount,
            timestamp: uint64(block.timestamp)
        });
        assertEq(abi.encode(c), abi.encode(expected));
    }

    function _slot(BatchInput memory b, uint256 offset) private view returns (bytes32) {
        uint256 base = uint256(keccak256(abi.encode(b.batchId, uint256(1))));
        return vm.load(address(registry), bytes32(base + offset));
    }

    function _setSlot(BatchInput memory b, uint256 offset, bytes32 value) private {
        uint256 base = uint256(keccak256(abi.encode(b.batchId, uint256(1))));
        vm.store(address(registry), bytes32(base + offset), value);
    }

    function _groupOf(BatchInput memory b) private view returns (address) {
        return vm.computeCreateAddress(address(registry), uint256(_slot(b, 2)) >> 208 & (2 ** 30 - 1));
    }

    /// @dev As if so many groups had been made.
    function _countGroups(uint64 count) private {
        vm.setNonce(address(registry), count + 1);
        uint256 word = uint256(vm.load(address(registry), bytes32(uint256(4))));
        word = word << 32 >> 32 | uint256(count) << 224;
        vm.store(address(registry), bytes32(uint256(4)), bytes32(word));
    }

    /// @dev Keeps batches that were committed alone as the first implementation kept those of a group.
    function _rewriteInFirstForm(BatchInput[] memory batches) private {
        address group = address(0x6120);
        bytes memory code = hex"00";
        for (uint256 i = 0; i < batches.length; ++i) {
            BatchInput memory b = batches[i];
            bytes14 tag = bytes14(keccak256(abi.encode(b.prevStateRoot)));
            code = bytes.concat(code, bytes8(b.sequenceStart), tag, b.newStateRoot);
            uint256 info = 1 << 249 | uint256(NOW) << 208 | 10 << 176 | i << 160 | uint160(group);
            _setSlot(b, 2, bytes32(info));
            _setSlot(b, 1, 0);
        }
        vm.etch(group, code);
    }
}
