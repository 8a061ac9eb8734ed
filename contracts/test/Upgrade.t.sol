// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

import {SetRegistry} from "../src/SetRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @dev A later version: one more variable, behind everything else.
contract SetRegistryNext is SetRegistry {
    uint256 public answer;

    function setAnswer(uint256 value) external onlyOwner {
        answer = value;
    }
}

/// @notice Replacing the implementation, and where things are stored.
contract UpgradeTest is RegistryTest {
    event Upgraded(address indexed implementation);

    function test_an_upgrade_keeps_everything_stored() public {
        vm.startPrank(OWNER);
        registry.setStrictGenesis(true);
        registry.setLegacyFunctionsEnabled(true);
        registry.registerGenesis(OTHER_TENANT, STORE, 7, keccak256("moved"));
        registry.setStreamSubmitter(OTHER_TENANT, OTHER_STORE, SEQUENCER);
        registry.setStreamVesStrict(TENANT, OTHER_STORE, true);
        registry.transferOwnership(STRANGER);
        vm.stopPrank();
        vm.prank(SEQUENCER);
        registry.registerBatchRoot(1, 10, keccak256("root"));
        _commitNext(10);
        BatchInput memory b = _next(5);
        _commitWithProof(b, _proof());
        BatchInput memory bound = _batch(OTHER_TENANT, OTHER_STORE, 1, 5, 0);
        _commit(bound);
        BatchInput[] memory group = new BatchInput[](4);
        for (uint256 i = 0; i < 4; ++i) {
            group[i] = _batch(
                TENANT, OTHER_TENANT, 1 + uint64(i), 1, i == 0 ? bytes32(0) : group[i - 1].newStateRoot
            );
        }
        vm.prank(SEQUENCER);
        registry.commitBatches(group);
        bytes32 before = _everything(b.batchId);
        bytes memory groupBefore = abi.encode(registry.getBatchCommitment(group[2].batchId));

        SetRegistryNext next = new SetRegistryNext();
        vm.expectEmit(address(registry));
        emit ContractUpgraded(address(next), OWNER);
        vm.expectEmit(address(registry));
        emit Upgraded(address(next));
        vm.prank(OWNER);
        registry.upgradeToAndCall(address(next), abi.encodeCall(next.setAnswer, (42)));

        assertEq(SetRegistryNext(address(registry)).answer(), 42);
        assertEq(_everything(b.batchId), before);
        assertEq(abi.encode(registry.getBatchCommitment(group[2].batchId)), groupBefore);
        _prove(group[2], _proof());
        _commitNext(10);
        _prove(bound, _proof());
        vm.expectRevert(StarkProofAlreadyCommitted.selector);
        _prove(b, _proof());
    }

    function test_an_upgrade_needs_an_implementation_of_the_same_kind() public {
        vm.startPrank(OWNER);
        vm.expectRevert(
            abi.encodeWithSelector(ERC1967Utils.ERC1967InvalidImplementation.selector, address(this))
        );
        registry.upgradeToAndCall(address(this), "");
        vm.expectRevert();
        registry.upgradeToAndCall(STRANGER, "");
    }

    function test_an_upgrade_works_through_the_proxy_only() public {
        vm.prank(OWNER);
        vm.expectRevert(UUPSUpgradeable.UUPSUnauthorizedCallContext.selector);
        implementation.upgradeToAndCall(address(implementation), "");
        vm.expectRevert(UUPSUpgradeable.UUPSUnauthorizedCallContext.selector);
        registry.proxiableUUID();
        assertEq(registry.UPGRADE_INTERFACE_VERSION(), "5.0.0");
    }

    /// Relays and upgrades rely on these slots: see the table in `SetRegistryStorage`.
    function test_the_storage_layout_is_frozen() public {
        vm.startPrank(OWNER);
        registry.registerGenesis(OTHER_TENANT, STORE, 7, keccak256("moved"));
        registry.setStreamSubmitter(TENANT, STORE, SEQUENCER);
        registry.setStreamVesStrict(TENANT, STORE, true);
        registry.setLegacyFunctionsEnabled(true);
        vm.stopPrank();
        BatchInput memory b = _batch(1, 10, 0);
        b.newStateRoot = _vesRoot(b);
        _commitWithProof(b, _proof());
        vm.prank(SEQUENCER);
        registry.registerBatchRoot(3, 4, keccak256("root"));
        bytes32 key = _key(TENANT, STORE);

        assertEq(uint256(_at(0, bytes32(uint256(uint160(SEQUENCER))), 0)), 1, "sequencer");
        assertEq(_at(1, b.batchId, 0), b.eventsRoot, "events root");
        assertEq(_at(1, b.batchId, 1), b.newStateRoot, "state root");
        uint256 tag = uint256(keccak256(abi.encode(b.prevStateRoot))) >> 144;
        uint256 info = 1 << 248 | uint256(NOW) << 208 | 10 << 176 | tag << 64 | 1;
        assertEq(uint256(_at(1, b.batchId, 2)), info, "info");
        assertEq(_at(2, key, 0), b.batchId, "latest");
        assertEq(uint256(_at(3, key, 0)), 1 << 160 | uint160(SEQUENCER), "policy");
        // 2 commitments, 1 proof, 1 sequencer, switches strict, legacy and has-policies.
        assertEq(
            uint256(vm.load(address(registry), bytes32(uint256(4)))),
            1 << 164 | 1 << 163 | 1 << 161 | 1 << 128 | 1 << 64 | 2,
            "registry"
        );
        Proof memory p = _proof();
        assertEq(_at(5, b.batchId, 0), p.proofHash, "proof hash");
        assertEq(_at(5, b.batchId, 1), p.policyHash, "policy hash");
        uint256 packed = uint256(NOW) << 200 | 1 << 192 | uint256(p.provingTimeMs) << 128;
        packed |= uint256(p.proofSize) << 64 | p.policyLimit;
        assertEq(uint256(_at(5, b.batchId, 2)), packed, "proof fields");
        bytes32 other = _key(OTHER_TENANT, STORE);
        assertEq(_at(6, other, 0), keccak256("moved"), "genesis root");
        assertEq(uint256(_at(6, other, 1)), 1 << 64 | 7, "genesis start");
        assertEq(_at(7, b.batchId, 0), key, "stream of a bound batch");
        BatchInput memory free = _batch(OTHER_TENANT, STORE, 7, 10, keccak256("moved"));
        _commit(free);
        tag = uint256(keccak256(abi.encode(keccak256("moved")))) >> 144;
        info = uint256(NOW) << 208 | 10 << 176 | tag << 64 | 7;
        assertEq(uint256(_at(1, free.batchId, 2)), 1 << 250 | info, "info without policy");
        vm.prank(OWNER);
        registry.setStreamSubmitter(OTHER_TENANT, STORE, SEQUENCER);
        assertEq(uint256(_at(1, free.batchId, 2)), info, "info, policy to be looked for");
        bytes32 inner = keccak256(abi.encode(uint256(3), uint256(8)));
        assertEq(
            vm.load(address(registry), keccak256(abi.encode(uint256(4), inner))),
            keccak256("root"),
            "legacy root"
        );
        for (uint256 slot = 9; slot < 59; ++slot) {
            assertEq(vm.load(address(registry), bytes32(slot)), 0, "gap");
        }
    }

    /// @dev Word `offset` of the value at `key` of the mapping in `slot`.
    function _at(uint256 slot, bytes32 key, uint256 offset) private view returns (bytes32) {
        return vm.load(address(registry), bytes32(uint256(keccak256(abi.encode(key, slot))) + offset));
    }

    function _everything(bytes32 batchId) private view returns (bytes32) {
        return keccak256(bytes.concat(_registryPart(), _streamPart(), _batchPart(batchId)));
    }

    function _registryPart() private view returns (bytes memory) {
        (uint256 batches, uint256 proofs, uint256 sequencers, bool paused, bool strict, uint256 coverage) =
            registry.getExtendedRegistryStatus();
        return bytes.concat(
            abi.encode(batches, proofs, sequencers, paused, strict, coverage, registry.owner()),
            abi.encode(
                registry.pendingOwner(),
                registry.strictGenesisEnabled(),
                registry.legacyFunctionsEnabled(),
                registry.authorizedSequencers(SEQUENCER),
                registry.getBatchRoot(1, 10)
            )
        );
    }

    function _streamPart() private view returns (bytes memory) {
        (uint64 start, bytes32 root) = registry.getGenesis(OTHER_TENANT, STORE);
        (address submitter,) = registry.getStreamPolicy(OTHER_TENANT, OTHER_STORE);
        (, bool vesStrict) = registry.getStreamPolicy(TENANT, OTHER_STORE);
        (bytes32 latest, bytes32 state, uint64 head, bool proven) =
            registry.getTenantStoreSummary(TENANT, STORE);
        return abi.encode(start, root, submitter, vesStrict, latest, state, head, proven);
    }

    function _batchPart(bytes32 batchId) private view returns (bytes memory) {
        (bytes32 hash, bytes32 policy, bool compliant, uint64 time) = registry.getStarkProofDetails(batchId);
        return abi.encode(registry.getBatchCommitment(batchId), hash, policy, compliant, time);
    }
}
