// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Test} from "forge-std/Test.sol";

import {ISetRegistryTypes} from "../src/ISetRegistryTypes.sol";
import {SetRegistry} from "../src/SetRegistry.sol";

/// @dev A fresh registry behind a proxy, three actors, and batches to commit.
abstract contract RegistryTest is Test, ISetRegistryTypes {
    struct Proof {
        bytes32 proofHash;
        bytes32 policyHash;
        uint64 policyLimit;
        bool allCompliant;
        uint64 proofSize;
        uint64 provingTimeMs;
    }

    address internal constant OWNER = address(0xA11CE);
    address internal constant SEQUENCER = address(0x5E0);
    address internal constant STRANGER = address(0xBAD);

    bytes32 internal constant TENANT = bytes32(bytes16(hex"11111111222243338444555555555555"));
    bytes32 internal constant STORE = bytes32(bytes16(hex"66666666777748889999aaaaaaaaaaaa"));
    bytes32 internal constant OTHER_TENANT = bytes32(bytes16(hex"22222222333344448555666666666666"));
    bytes32 internal constant OTHER_STORE = bytes32(bytes16(hex"77777777888849990aaabbbbbbbbbbbb"));

    uint64 internal constant NOW = 1_800_000_000;

    SetRegistry internal implementation;
    SetRegistry internal registry;

    function setUp() public virtual {
        vm.warp(NOW);
        implementation = new SetRegistry();
        registry = _deploy(OWNER, SEQUENCER);
    }

    function _deploy(address owner, address sequencer) internal returns (SetRegistry) {
        bytes memory init = abi.encodeCall(SetRegistry.initialize, (owner, sequencer));
        return SetRegistry(address(new ERC1967Proxy(address(implementation), init)));
    }

    // --- Batches ---

    /// @dev Batch of `count` events from `start` of the default stream, whose roots and id follow from its place.
    function _batch(uint64 start, uint32 count, bytes32 prevStateRoot)
        internal
        pure
        returns (BatchInput memory)
    {
        return _batch(TENANT, STORE, start, count, prevStateRoot);
    }

    function _batch(bytes32 tenant, bytes32 store, uint64 start, uint32 count, bytes32 prevStateRoot)
        internal
        pure
        returns (BatchInput memory)
    {
        bytes32 seed = keccak256(abi.encode(tenant, store, start, count, prevStateRoot));
        return BatchInput({
            batchId: keccak256(abi.encode("batch", seed)),
            tenantId: tenant,
            storeId: store,
            eventsRoot: keccak256(abi.encode("events", seed)),
            prevStateRoot: prevStateRoot,
            newStateRoot: keccak256(abi.encode("state", seed)),
            sequenceStart: start,
            sequenceEnd: start + (count - 1),
            eventCount: count
        });
    }

    /// @dev The batch of `count` events that continues the default stream.
    function _next(uint32 count) internal view returns (BatchInput memory) {
        return _next(TENANT, STORE, count);
    }

    function _next(bytes32 tenant, bytes32 store, uint32 count) internal view returns (BatchInput memory) {
        uint64 head = registry.getHeadSequence(tenant, store);
        return _batch(tenant, store, head + 1, count, registry.getLatestStateRoot(tenant, store));
    }

    function _commit(BatchInput memory b) internal {
        _commitAs(SEQUENCER, b);
    }

    function _commitAs(address sender, BatchInput memory b) internal {
        vm.prank(sender);
        registry.commitBatch(
            b.batchId,
            b.tenantId,
            b.storeId,
            b.eventsRoot,
            b.prevStateRoot,
            b.newStateRoot,
            b.sequenceStart,
            b.sequenceEnd,
            b.eventCount
        );
    }

    function _commitNext(uint32 count) internal returns (BatchInput memory b) {
        b = _next(count);
        _commit(b);
    }

    function _refuse(BatchInput memory b, bytes memory reason) internal {
        vm.expectRevert(reason);
        _commit(b);
    }

    function _refuse(BatchInput memory b, bytes4 reason) internal {
        _refuse(b, abi.encodePacked(reason));
    }

    // --- Proofs ---

    function _proof() internal pure returns (Proof memory) {
        return Proof({
            proofHash: keccak256("proof"),
            policyHash: keccak256("policy"),
            policyLimit: 10_000,
            allCompliant: true,
            proofSize: 96_000,
            provingTimeMs: 4_321
        });
    }

    function _prove(BatchInput memory b, Proof memory p) internal {
        _proveAs(SEQUENCER, b, p);
    }

    function _proveAs(address sender, BatchInput memory b, Proof memory p) internal {
        vm.prank(sender);
        registry.commitStarkProof(
            b.batchId,
            p.proofHash,
            b.prevStateRoot,
            b.newStateRoot,
            p.policyHash,
            p.policyLimit,
            p.allCompliant,
            p.proofSize,
            p.provingTimeMs
        );
    }

    function _proveShort(BatchInput memory b, Proof memory p) internal {
        vm.prank(SEQUENCER);
        registry.commitStarkProof(
            b.batchId, p.proofHash, p.policyHash, p.policyLimit, p.allCompliant, p.proofSize, p.provingTimeMs
        );
    }

    function _commitWithProof(BatchInput memory b, Proof memory p) internal {
        vm.prank(SEQUENCER);
        registry.commitBatchWithStarkProof(
            b.batchId,
            b.tenantId,
            b.storeId,
            b.eventsRoot,
            b.prevStateRoot,
            b.newStateRoot,
            b.sequenceStart,
            b.sequenceEnd,
            b.eventCount,
            p.proofHash,
            p.policyHash,
            p.policyLimit,
            p.allCompliant,
            p.proofSize,
            p.provingTimeMs
        );
    }

    // --- Streams ---

    function _key(bytes32 tenant, bytes32 store) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(tenant, store));
    }

    function _setStrict(bool enabled) internal {
        vm.prank(OWNER);
        registry.setStrictMode(enabled);
    }

    function _authorize(address sequencer) internal {
        vm.prank(OWNER);
        registry.setSequencerAuthorization(sequencer, true);
    }

    // --- VES, written down independently of the contract ---

    /// @dev The default stream's state root after the batch.
    function _vesRoot(BatchInput memory b) internal pure returns (bytes32) {
        bytes32 stream = sha256(bytes.concat("VES_STREAM_V1", bytes16(b.tenantId), bytes16(b.storeId)));
        return sha256(
            bytes.concat(
                "VES_STATE_ROOT_V1",
                stream,
                b.prevStateRoot,
                b.eventsRoot,
                bytes8(b.sequenceStart),
                bytes8(b.sequenceEnd),
                bytes4(b.eventCount)
            )
        );
    }

    function _vesNode(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(bytes.concat("VES_NODE_V1", left, right));
    }
}
