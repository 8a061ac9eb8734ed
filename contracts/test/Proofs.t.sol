// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice The one proof slot of each batch.
contract ProofsTest is RegistryTest {
    function test_a_proof_is_stored_as_given() public {
        BatchInput memory b = _commitNext(10);
        _prove(b, _proof());
        _assertStored(b.batchId, _proof());
    }

    function testFuzz_any_proof_is_stored_as_given(Proof memory p) public {
        vm.assume(p.proofHash != 0 && p.proofSize != 0);
        BatchInput memory b = _commitNext(10);
        _prove(b, p);
        _assertStored(b.batchId, p);
        BatchInput memory next = _next(10);
        _commitWithProof(next, p);
        _assertStored(next.batchId, p);
    }

    function test_proving_emits_the_event_of_the_peer() public {
        BatchInput memory b = _commitNext(10);
        Proof memory p = _proof();
        vm.expectEmit(address(registry));
        emit StarkProofCommitted(b.batchId, p.proofHash, p.policyHash, p.allCompliant, p.proofSize);
        _prove(b, p);
    }

    function test_the_form_without_state_roots_does_the_same() public {
        BatchInput memory long = _commitNext(10);
        BatchInput memory short = _commitNext(10);
        Proof memory p = _proof();
        _prove(long, p);
        vm.expectEmit(address(registry));
        emit StarkProofCommitted(short.batchId, p.proofHash, p.policyHash, p.allCompliant, p.proofSize);
        _proveShort(short, p);
        _assertStored(long.batchId, p);
        _assertStored(short.batchId, p);
        assertEq(registry.totalStarkProofs(), 2);
    }

    function test_a_proof_is_bound_to_both_state_roots() public {
        _commitNext(10);
        BatchInput memory b = _commitNext(10);
        BatchInput memory wrong = _commitNext(10);
        (wrong.batchId, wrong.prevStateRoot) = (b.batchId, b.prevStateRoot);
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(wrong, _proof());
        // The peer does not look at this one.
        (wrong.prevStateRoot, wrong.newStateRoot) = (0, b.newStateRoot);
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(wrong, _proof());
        _prove(b, _proof());
    }

    function testFuzz_no_other_previous_state_root_passes(bytes32 prev, bytes32 other) public {
        vm.assume(prev != other);
        BatchInput memory b = _batch(1, 10, prev);
        _commit(b);
        b.prevStateRoot = other;
        vm.expectRevert(StateRootMismatchInProof.selector);
        _prove(b, _proof());
        b.prevStateRoot = prev;
        _prove(b, _proof());
    }

    function test_a_proof_needs_a_hash_and_a_size() public {
        BatchInput memory b = _commitNext(10);
        Proof memory p = _proof();
        p.proofHash = 0;
        _refuse(b, p, InvalidProof.selector);
        p = _proof();
        p.proofSize = 0;
        _refuse(b, p, InvalidProof.selector);
    }

    function test_policy_fields_are_free() public {
        BatchInput memory b = _commitNext(10);
        Proof memory p = _proof();
        (p.policyHash, p.policyLimit, p.allCompliant, p.provingTimeMs) = (0, 0, false, 0);
        _prove(b, p);
        _assertStored(b.batchId, p);
        (, bool hasProof, bool compliant) = registry.getBatchWithProofStatus(b.batchId);
        assertTrue(hasProof);
        assertFalse(compliant);
    }

    function test_a_proof_needs_its_batch() public {
        _refuse(_batch(1, 10, 0), _proof(), BatchNotCommitted.selector);
    }

    function test_a_proof_slot_is_filled_once() public {
        BatchInput memory b = _commitNext(10);
        _prove(b, _proof());
        Proof memory p = _proof();
        p.proofHash = keccak256("second");
        _refuse(b, p, StarkProofAlreadyCommitted.selector);
        _assertStored(b.batchId, _proof());
        assertEq(registry.totalStarkProofs(), 1);
    }

    function test_only_an_authorized_sequencer_can_prove() public {
        BatchInput memory b = _commitNext(10);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        _proveAs(STRANGER, b, _proof());
    }

    function test_nothing_can_be_proven_while_paused() public {
        BatchInput memory b = _commitNext(10);
        BatchInput memory next = _next(10);
        vm.prank(OWNER);
        registry.pause();
        _refuse(b, _proof(), EnforcedPause.selector);
        vm.expectRevert(EnforcedPause.selector);
        _commitWithProof(next, _proof());
    }

    function test_a_hash_verifies_only_as_the_proof_of_its_batch() public {
        BatchInput memory b = _commitNext(10);
        assertFalse(registry.verifyStarkProofHash(b.batchId, _proof().proofHash));
        assertFalse(registry.verifyStarkProofHash(b.batchId, 0));
        _prove(b, _proof());
        assertTrue(registry.verifyStarkProofHash(b.batchId, _proof().proofHash));
        assertFalse(registry.verifyStarkProofHash(b.batchId, keccak256("other")));
    }

    // --- Batch and proof at once ---

    function test_the_combined_call_commits_both() public {
        BatchInput memory b = _batch(1, 10, 0);
        Proof memory p = _proof();
        vm.expectEmit(address(registry));
        emit BatchCommitted(b.batchId, _key(TENANT, STORE), b.eventsRoot, b.newStateRoot, 1, 10, 10);
        vm.expectEmit(address(registry));
        emit StarkProofCommitted(b.batchId, p.proofHash, p.policyHash, p.allCompliant, p.proofSize);
        _commitWithProof(b, p);
        assertTrue(registry.batchExists(b.batchId));
        _assertStored(b.batchId, p);
        assertEq(registry.totalCommitments(), 1);
        assertEq(registry.totalStarkProofs(), 1);
    }

    function test_the_combined_call_commits_both_or_none() public {
        Proof memory p = _proof();
        p.proofSize = 0;
        BatchInput memory b = _batch(1, 10, 0);
        vm.expectRevert(InvalidProof.selector);
        _commitWithProof(b, p);
        assertFalse(registry.batchExists(b.batchId));
        assertEq(registry.totalCommitments(), 0);
    }

    // --- Further proofs ---

    function test_a_further_proof_is_logged_and_changes_nothing() public {
        BatchInput memory b = _commitNext(10);
        _prove(b, _proof());
        vm.expectEmit(address(registry));
        emit AdditionalStarkProof(b.batchId, keccak256("second"), keccak256("other policy"), 7, false, 99);
        vm.prank(SEQUENCER);
        registry.logAdditionalStarkProof(
            b.batchId, keccak256("second"), keccak256("other policy"), 7, false, 99
        );
        _assertStored(b.batchId, _proof());
        assertEq(registry.totalStarkProofs(), 1);
    }

    function test_a_further_proof_needs_a_first_one_and_a_hash_and_a_size() public {
        vm.startPrank(SEQUENCER);
        vm.expectRevert(BatchNotCommitted.selector);
        registry.logAdditionalStarkProof(keccak256("none"), keccak256("p"), 0, 0, true, 1);
        vm.stopPrank();
        BatchInput memory b = _commitNext(10);
        vm.prank(SEQUENCER);
        vm.expectRevert(StarkProofNotCommitted.selector);
        registry.logAdditionalStarkProof(b.batchId, keccak256("p"), 0, 0, true, 1);
        _prove(b, _proof());
        vm.prank(SEQUENCER);
        vm.expectRevert(InvalidProof.selector);
        registry.logAdditionalStarkProof(b.batchId, 0, 0, 0, true, 1);
        vm.prank(SEQUENCER);
        vm.expectRevert(InvalidProof.selector);
        registry.logAdditionalStarkProof(b.batchId, keccak256("p"), 0, 0, true, 0);
        vm.prank(STRANGER);
        vm.expectRevert(NotAuthorizedSequencer.selector);
        registry.logAdditionalStarkProof(b.batchId, keccak256("p"), 0, 0, true, 1);
    }

    /// @dev By both forms.
    function _refuse(BatchInput memory b, Proof memory p, bytes4 reason) private {
        vm.expectRevert(reason);
        _prove(b, p);
        vm.expectRevert(reason);
        _proveShort(b, p);
    }

    function _assertStored(bytes32 batchId, Proof memory p) private view {
        StarkProofCommitment memory s;
        (
            s.proofHash,
            s.policyHash,
            s.policyLimit,
            s.allCompliant,
            s.proofSize,
            s.provingTimeMs,
            s.timestamp
        ) = registry.starkProofs(batchId);
        assertEq(s.proofHash, p.proofHash);
        assertEq(s.policyHash, p.policyHash);
        assertEq(s.policyLimit, p.policyLimit);
        assertEq(s.allCompliant, p.allCompliant);
        assertEq(s.proofSize, p.proofSize);
        assertEq(s.provingTimeMs, p.provingTimeMs);
        assertEq(s.timestamp, block.timestamp);
        assertTrue(registry.hasStarkProof(batchId));
    }
}
