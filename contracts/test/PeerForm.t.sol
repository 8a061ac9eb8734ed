// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {SetRegistry} from "../src/SetRegistry.sol";
import {PeerForm} from "./PeerForm.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @dev What the relay's tests take for a registry of the peer's must have the peer's functions and no other.
contract PeerFormTest is RegistryTest {
    string private constant FACTS = "../primitives/vectors/set/abi_facts.json";

    function setUp() public override {
        super.setUp();
        PeerForm form = new PeerForm(address(implementation));
        bytes memory init = abi.encodeCall(SetRegistry.initialize, (OWNER, SEQUENCER));
        registry = SetRegistry(address(new ERC1967Proxy(address(form), init)));
    }

    function test_it_has_every_function_of_the_peer() public {
        string[] memory signatures = vm.parseJsonKeys(vm.readFile(FACTS), ".functions");
        assertEq(signatures.length, 49);
        for (uint256 i = 0; i < signatures.length; ++i) {
            assertTrue(_has(bytes4(keccak256(bytes(signatures[i])))), signatures[i]);
        }
    }

    function test_it_has_no_function_of_ours_alone() public {
        bytes4[15] memory ours = [
            registry.commitBatches.selector,
            bytes4(keccak256("commitStarkProof(bytes32,bytes32,bytes32,uint64,bool,uint64,uint64)")),
            registry.logAdditionalStarkProof.selector,
            registry.strictGenesisEnabled.selector,
            registry.setStrictGenesis.selector,
            registry.registerGenesis.selector,
            registry.getGenesis.selector,
            registry.setStreamSubmitter.selector,
            registry.setStreamVesStrict.selector,
            registry.getStreamPolicy.selector,
            registry.verifyVesInclusion.selector,
            registry.verifyVesMultiple.selector,
            registry.verifyVesStateRoot.selector,
            registry.acceptOwnership.selector,
            registry.pendingOwner.selector
        ];
        for (uint256 i = 0; i < ours.length; ++i) {
            assertFalse(_has(ours[i]));
        }
        assertFalse(_has(bytes4(0)));
    }

    function test_what_it_took_is_there_after_an_upgrade_to_ours() public {
        BatchInput memory first = _commitNext(3);
        _prove(first, _proof());
        BatchInput memory second = _next(2);
        _commitWithProof(second, _proof());
        assertEq(registry.totalCommitments(), 0);
        vm.expectRevert();
        vm.prank(STRANGER);
        registry.upgradeToAndCall(address(implementation), "");
        vm.prank(OWNER);
        registry.upgradeToAndCall(address(implementation), "");
        assertEq(registry.owner(), OWNER);
        assertEq(registry.totalCommitments(), 2);
        assertEq(registry.totalStarkProofs(), 2);
        assertEq(registry.getLatestBatchId(TENANT, STORE), second.batchId);
        BatchInput[] memory batches = new BatchInput[](3);
        batches[0] = _next(1);
        batches[1] = _batch(7, 2, batches[0].newStateRoot);
        batches[2] = _next(OTHER_TENANT, STORE, 1);
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
        assertEq(registry.getHeadSequence(TENANT, STORE), 8);
        assertEq(registry.totalCommitments(), 5);
    }

    function test_it_refuses_in_the_registrys_words() public {
        BatchInput memory first = _commitNext(3);
        _refuse(first, BatchAlreadyCommitted.selector);
        vm.prank(OWNER);
        registry.pause();
        _refuse(_next(1), EnforcedPause.selector);
    }

    /// @dev A call of a function that is there fails with an error of its own, if it fails: with data. Enough zeros
    ///      for every function's arguments, so that it gets as far as that.
    function _has(bytes4 f) private returns (bool) {
        (bool ok, bytes memory answer) = address(registry).call(bytes.concat(f, new bytes(1024)));
        return ok || answer.length != 0;
    }
}
