// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice What the reads answer, for known and unknown things.
contract ViewsTest is RegistryTest {
    BatchInput private first;
    BatchInput private second;

    function setUp() public override {
        super.setUp();
        first = _commitNext(10);
        second = _next(5);
        _commitWithProof(second, _proof());
    }

    function test_unknown_batches_and_streams_read_as_zero() public view {
        bytes32 id = keccak256("unknown");
        BatchCommitment memory c = registry.getBatchCommitment(id);
        BatchCommitment memory zero;
        assertEq(abi.encode(c), abi.encode(zero));
        assertFalse(registry.batchExists(id));
        assertFalse(registry.hasStarkProof(id));
        assertFalse(registry.verifyStarkProofHash(id, 0));
        assertEq(registry.getLatestBatchId(OTHER_TENANT, STORE), 0);
        assertEq(registry.getLatestStateRoot(OTHER_TENANT, STORE), 0);
        assertEq(registry.getHeadSequence(OTHER_TENANT, STORE), 0);
        assertEq(registry.latestCommitment(id), 0);
        assertEq(registry.headSequence(id), 0);
        (bytes32 latest, bytes32 root, uint64 head, bool proven) =
            registry.getTenantStoreSummary(OTHER_TENANT, STORE);
        assertTrue(latest == 0 && root == 0 && head == 0 && !proven);
    }

    function test_both_forms_of_a_batch_are_the_same() public view {
        (bytes32 root, bytes32 state, uint64 start, uint64 end, uint32 count, uint64 time) =
            registry.commitments(second.batchId);
        BatchCommitment memory c = registry.getBatchCommitment(second.batchId);
        assertEq(abi.encode(c), abi.encode(root, state, start, end, count, time));
        (BatchCommitment memory d, bool hasProof, bool compliant) =
            registry.getBatchWithProofStatus(second.batchId);
        assertEq(abi.encode(c), abi.encode(d));
        assertTrue(hasProof && compliant);
    }

    function test_the_main_fields_of_a_proof_can_be_read_alone() public view {
        (bytes32 proofHash, bytes32 policyHash, bool compliant, uint64 time) =
            registry.getStarkProofDetails(second.batchId);
        assertEq(proofHash, _proof().proofHash);
        assertEq(policyHash, _proof().policyHash);
        assertTrue(compliant);
        assertEq(time, NOW);
    }

    function test_batches_can_be_read_together() public view {
        bytes32[] memory ids = new bytes32[](3);
        (ids[0], ids[1], ids[2]) = (second.batchId, keccak256("unknown"), first.batchId);
        BatchCommitment[] memory c = registry.getBatchCommitments(ids);
        assertEq(c[0].sequenceStart, 11);
        assertEq(c[1].timestamp, 0);
        assertEq(c[2].sequenceEnd, 10);
        bool[] memory exists = registry.batchExists(ids);
        assertTrue(exists[0] && !exists[1] && exists[2]);
        (bool[] memory proven, bool[] memory compliant) = registry.getBatchProofStatuses(ids);
        assertTrue(proven[0] && !proven[1] && !proven[2]);
        assertTrue(compliant[0] && !compliant[1] && !compliant[2]);
    }

    function test_streams_can_be_read_together() public view {
        bytes32[] memory tenants = new bytes32[](2);
        bytes32[] memory stores = new bytes32[](2);
        (tenants[0], tenants[1], stores[0], stores[1]) = (TENANT, OTHER_TENANT, STORE, STORE);
        bytes32[] memory roots = registry.getBatchLatestStateRoots(tenants, stores);
        assertEq(roots[0], second.newStateRoot);
        assertEq(roots[1], 0);
        uint64[] memory heads = registry.getBatchHeadSequences(tenants, stores);
        assertEq(heads[0], 15);
        assertEq(heads[1], 0);
    }

    function test_reading_streams_together_needs_pairs() public {
        vm.expectRevert(ArrayLengthMismatch.selector);
        registry.getBatchLatestStateRoots(new bytes32[](2), new bytes32[](1));
        vm.expectRevert(ArrayLengthMismatch.selector);
        registry.getBatchHeadSequences(new bytes32[](0), new bytes32[](1));
    }

    function test_reading_nothing_together_gives_nothing() public view {
        bytes32[] memory none = new bytes32[](0);
        assertEq(registry.getBatchCommitments(none).length, 0);
        assertEq(registry.batchExists(none).length, 0);
        assertEq(registry.getBatchHeadSequences(none, none).length, 0);
    }

    function test_a_stream_can_be_read_as_a_whole() public {
        (bytes32 latest, bytes32 root, uint64 head, bool proven) =
            registry.getTenantStoreSummary(TENANT, STORE);
        assertEq(latest, second.batchId);
        assertEq(root, second.newStateRoot);
        assertEq(head, 15);
        assertTrue(proven);
        _commitNext(1);
        (,,, proven) = registry.getTenantStoreSummary(TENANT, STORE);
        assertFalse(proven);
    }

    // The peer answers 0 batches, 0 proofs and full coverage for ever.
    function test_the_statistics_are_true() public {
        (uint256 batches, uint256 proofs, bool paused, bool strict) = registry.getRegistryStats();
        assertTrue(batches == 2 && proofs == 1 && !paused && strict);
        uint256 sequencers;
        uint256 coverage;
        (batches, proofs, sequencers, paused, strict, coverage) = registry.getExtendedRegistryStatus();
        assertTrue(batches == 2 && proofs == 1 && sequencers == 1 && !paused && strict);
        assertEq(coverage, 5_000);
        (,,,,, coverage) = _deploy(OWNER, SEQUENCER).getExtendedRegistryStatus();
        assertEq(coverage, 10_000);
    }

    function test_the_key_of_a_stream_is_the_keccak_of_both_ids() public view {
        string memory vectors = vm.readFile("../primitives/vectors/set/relay_vectors.json");
        assertEq(_key(TENANT, STORE), vm.parseJsonBytes32(vectors, ".tenantStoreKey.key"));
        assertEq(
            registry.latestCommitment(vm.parseJsonBytes32(vectors, ".tenantStoreKey.key")), second.batchId
        );
    }

    function test_reads_go_on_while_paused() public {
        vm.prank(OWNER);
        registry.pause();
        assertEq(registry.getHeadSequence(TENANT, STORE), 15);
        (,, bool paused,) = registry.getRegistryStats();
        assertTrue(paused);
    }
}
