// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {GasBase} from "./GasBase.sol";

/// @notice Ceilings of the gas of single batches, proofs and inclusion, see {GasBase}.
/// forge-config: default.isolate = true
contract GasTest is GasBase {
    // The peer's figures, measured in the same way. Ours must never cost more.
    uint256 private constant PEER_FIRST = 131_872;
    uint256 private constant PEER_PROOF = 131_849;
    uint256 private constant PEER_FIRST_WITH_PROOF = 225_199;
    uint256 private constant PEER_INCLUSION_DEPTH_10 = 41_627;

    function test_the_first_batch_of_a_stream_costs_no_more_than_the_peers() public {
        _commit(_dearest(STORE));
        _assertGas("commitBatch, first", PEER_FIRST);
        _commitWithProof(_dearest(OTHER_STORE), _dearestProof());
        _assertGas("commitBatchWithStarkProof, first", PEER_FIRST_WITH_PROOF - 20_000);
    }

    function test_the_next_batch_of_a_chain_costs_at_most_119000_whatever_came_before() public {
        _precede(After.ALONE, STORE);
        for (uint256 i = 0; i < 3; ++i) {
            _precede(After(i), STORE);
            _commit(_dearest(STORE));
            _assertGas(_name("commitBatch", After(i)), 119_000);
        }
    }

    function test_a_batch_with_proof_costs_at_most_190000_whatever_came_before() public {
        _precede(After.ALONE, STORE);
        for (uint256 i = 0; i < 3; ++i) {
            _precede(After(i), STORE);
            _commitWithProof(_dearest(STORE), _dearestProof());
            _assertGas(_name("commitBatchWithStarkProof", After(i)), 190_000);
        }
    }

    function test_a_proof_costs_a_slot_less_than_the_peers() public {
        _precede(After.ALONE, STORE);
        BatchInput memory b = _dearest(STORE);
        _commit(b);
        _prove(b, _dearestProof());
        _assertGas("commitStarkProof", PEER_PROOF - 20_000);
        BatchInput[] memory group = _dearestChain(STORE, 3);
        _commitAll(group);
        _prove(group[1], _dearestProof());
        _assertGas("commitStarkProof, batch of a group", PEER_PROOF - 20_000);
        _proveShort(group[2], _dearestProof());
        _assertGas("commitStarkProof, without roots", PEER_PROOF - 20_000);
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
        BatchInput memory b = _dearest(STORE);
        b.eventsRoot = vesRoot;
        _commit(b);
        _assertTrueByTransaction(abi.encodeCall(registry.verifyVesInclusion, (b.batchId, leaf, path, index)));
        _assertGas("verifyVesInclusion, depth 10", 41_000);

        BatchInput[] memory group = _dearestChain(STORE, 3);
        (group[1].eventsRoot, group[2].eventsRoot) = (vesRoot, keccakRoot);
        _commitAll(group);
        bytes32 id = group[1].batchId;
        _assertTrueByTransaction(abi.encodeCall(registry.verifyVesInclusion, (id, leaf, path, index)));
        _assertGas("verifyVesInclusion, depth 10, batch of a group", 41_000);
        id = group[2].batchId;
        _assertTrueByTransaction(abi.encodeCall(registry.verifyInclusion, (id, leaf, path, index)));
        _assertGas("verifyInclusion, depth 10", PEER_INCLUSION_DEPTH_10);
    }

    /// @dev A low-level call, because the compiler makes a static call of a call to a view, and that is no transaction.
    function _assertTrueByTransaction(bytes memory call) private {
        (bool success, bytes memory answer) = address(registry).call(call);
        assertTrue(success && abi.decode(answer, (bool)));
    }
}
