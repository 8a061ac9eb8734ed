// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @notice Ceilings for the gas of whole transactions through the proxy: 21,000, calldata and cold storage included.
///         In isolation, each call of a test is a transaction of its own.
/// forge-config: default.isolate = true
contract GasTest is RegistryTest {
    // The peer's figures, measured in the same way. Ours must never cost more.
    uint256 private constant PEER_FIRST = 131_872;
    uint256 private constant PEER_PROOF = 131_849;
    uint256 private constant PEER_FIRST_WITH_PROOF = 225_199;
    uint256 private constant PEER_INCLUSION_DEPTH_10 = 41_627;
    /// A zero byte of calldata costs 12 less than another: a hash without one is the dearest.
    bytes32 private constant NO_ZERO_BYTE = bytes32(type(uint256).max / 255);

    function test_the_first_batch_of_a_stream_costs_no_more_than_the_peers() public {
        _commit(_next(10));
        _assertGas("commitBatch, first", PEER_FIRST);
    }

    function test_the_next_batch_of_a_chain_costs_at_most_119000() public {
        _commitNext(10);
        _commit(_next(10));
        _assertGas("commitBatch, next", 119_000);
    }

    function test_a_ves_strict_batch_costs_at_most_123000() public {
        vm.prank(OWNER);
        registry.setStreamVesStrict(TENANT, STORE, true);
        for (uint256 i = 0; i < 2; ++i) {
            BatchInput memory b = _next(10);
            b.newStateRoot = _vesRoot(b);
            _commit(b);
        }
        _assertGas("commitBatch, next, VES strict", 123_000);
    }

    function test_a_proof_costs_a_slot_less_than_the_peers() public {
        BatchInput memory b = _commitNext(10);
        _prove(b, _proof());
        _assertGas("commitStarkProof", PEER_PROOF - 20_000);
        b = _commitNext(10);
        _proveShort(b, _proof());
        _assertGas("commitStarkProof, without roots", PEER_PROOF - 20_000);
    }

    function test_a_batch_with_proof_costs_at_most_190000() public {
        _commitWithProof(_next(10), _proof());
        _assertGas("commitBatchWithStarkProof, first", PEER_FIRST_WITH_PROOF - 20_000);
        _commitWithProof(_next(10), _proof());
        _assertGas("commitBatchWithStarkProof, next", 190_000);
    }

    function test_ten_batches_of_one_stream_in_a_transaction_cost_at_most_75000_each() public {
        BatchInput memory last = _commitNext(10);
        BatchInput[] memory batches = new BatchInput[](10);
        for (uint256 i = 0; i < batches.length; ++i) {
            batches[i] = _batch(last.sequenceEnd + 1, 10, last.newStateRoot);
            last = batches[i];
        }
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        _assertGas("commitBatches, 10 of one stream, each", 75_000, 10);
    }

    function test_a_chain_goes_on_after_a_group_for_at_most_119000() public {
        BatchInput[] memory batches = new BatchInput[](4);
        BatchInput memory last = _next(10);
        for (uint256 i = 0; i < batches.length; ++i) {
            batches[i] = last;
            last = _batch(last.sequenceEnd + 1, 10, last.newStateRoot);
        }
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        _assertGas("commitBatches, 4 of one stream, each", 87_000, 4);
        _commit(last);
        _assertGas("commitBatch, next, after commitBatches", 119_000);
    }

    function test_ten_batches_of_ten_streams_in_a_transaction_cost_at_most_80000_each() public {
        BatchInput[] memory batches = new BatchInput[](10);
        for (uint256 i = 0; i < batches.length; ++i) {
            bytes32 store = bytes32(bytes16(keccak256(abi.encode("store", i))));
            _commit(_next(TENANT, store, 10));
            batches[i] = _next(TENANT, store, 10);
        }
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        _assertGas("commitBatches, 10 streams, each", 80_000, 10);
    }

    function test_inclusion_at_depth_10_costs_at_most_41000() public {
        (bytes32 leaf, uint256 index) = (keccak256("leaf") | NO_ZERO_BYTE, 0x155);
        bytes32[] memory path = new bytes32[](10);
        (bytes32 vesRoot, bytes32 keccakRoot) = (leaf, leaf);
        for (uint256 i = 0; i < path.length; ++i) {
            bytes32 s = keccak256(abi.encode("sibling", i)) | NO_ZERO_BYTE;
            path[i] = s;
            bool right = (index >> i) & 1 == 1;
            vesRoot = right ? _vesNode(s, vesRoot) : _vesNode(vesRoot, s);
            keccakRoot =
                right ? keccak256(bytes.concat(s, keccakRoot)) : keccak256(bytes.concat(keccakRoot, s));
        }
        BatchInput memory b = _next(1024);
        b.batchId |= NO_ZERO_BYTE;
        b.eventsRoot = vesRoot;
        _commit(b);
        _assertTrueByTransaction(abi.encodeCall(registry.verifyVesInclusion, (b.batchId, leaf, path, index)));
        _assertGas("verifyVesInclusion, depth 10", 41_000);

        b = _next(1024);
        b.batchId |= NO_ZERO_BYTE;
        b.eventsRoot = keccakRoot;
        _commit(b);
        _assertTrueByTransaction(abi.encodeCall(registry.verifyInclusion, (b.batchId, leaf, path, index)));
        _assertGas("verifyInclusion, depth 10", PEER_INCLUSION_DEPTH_10);
    }

    function _assertGas(string memory name, uint256 ceiling) private {
        _assertGas(name, ceiling, 1);
    }

    function _assertGas(string memory name, uint256 ceiling, uint256 batches) private {
        uint256 gas = vm.lastCallGas().gasTotalUsed / batches;
        emit log_named_uint(name, gas);
        assertLe(gas, ceiling, name);
    }

    /// @dev A low-level call, because the compiler makes a static call of a call to a view, and that is no transaction.
    function _assertTrueByTransaction(bytes memory call) private {
        (bool success, bytes memory answer) = address(registry).call(call);
        assertTrue(success && abi.decode(answer, (bool)));
    }
}
