// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {stdJson} from "forge-std/StdJson.sol";

import {VesHash} from "../src/VesHash.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @notice Inclusion of events and VES state roots, against the vectors shared with the other parts of the project.
contract InclusionTest is RegistryTest {
    using stdJson for string;

    string private constant VECTORS = "../primitives/vectors/sequencer/generated/merkle_commitments.json";
    uint256 private constant TREES = 9;

    string private json;
    bytes32[] private leaves;

    function setUp() public override {
        super.setUp();
        json = vm.readFile(VECTORS);
        string[] memory hexLeaves = json.readStringArray(".leaves");
        for (uint256 i = 0; i < hexLeaves.length; ++i) {
            leaves.push(_parse(hexLeaves[i]));
        }
        _setStrict(false);
    }

    // --- VES inclusion ---

    function testFuzz_a_place_is_right_if_the_tree_is_that_deep_and_has_that_leaf(
        uint256 depth,
        uint256 leafCount,
        uint256 index
    ) public pure {
        if (depth % 4 != 0) (depth, leafCount) = (depth % 40, leafCount % 2 ** 33);
        if (index % 4 != 0 && leafCount < 2 ** 255) index %= leafCount + 2;
        uint256 wanted;
        while (wanted < 256 && 2 ** wanted < leafCount) ++wanted;
        assertEq(
            VesHash.isPlace(depth, leafCount, index), wanted < 256 && depth == wanted && index < leafCount
        );
        assertEq(VesHash.isPlace(wanted, leafCount, 0), leafCount != 0 && wanted < 256);
    }

    function test_no_depth_of_256_or_more_is_right() public pure {
        for (uint256 depth = 255; depth < 259; ++depth) {
            assertEq(VesHash.isPlace(depth, 2 ** 255, 0), depth == 255);
            assertFalse(VesHash.isPlace(depth, type(uint256).max, 0));
            assertFalse(VesHash.isPlace(depth, 1, 0));
            assertFalse(VesHash.isPlace(depth, 0, 0));
        }
    }

    function test_every_leaf_of_every_tree_verifies_at_its_place_and_nowhere_else() public {
        for (uint256 tree = 0; tree < TREES; ++tree) {
            bytes32 batchId = _commitTree(tree);
            uint256 count = tree + 1;
            assertEq(count, json.readUint(string.concat(_tree(tree), ".leaf_count")));
            for (uint256 leaf = 0; leaf < count; ++leaf) {
                bytes32[] memory path = _path(tree, leaf);
                for (uint256 index = 0; index < 2 * count + 2; ++index) {
                    assertEq(
                        registry.verifyVesInclusion(batchId, leaves[leaf], path, index),
                        index == leaf,
                        "index"
                    );
                }
                assertFalse(
                    registry.verifyVesInclusion(batchId, leaves[leaf], path, leaf | (uint256(1) << 255)),
                    "high bit"
                );
            }
        }
    }

    function test_the_ves_tree_of_one_leaf_is_the_leaf() public {
        bytes32 batchId = _commitTree(0);
        assertTrue(registry.verifyVesInclusion(batchId, leaves[0], new bytes32[](0), 0));
        assertFalse(registry.verifyVesInclusion(batchId, leaves[0], new bytes32[](1), 0));
    }

    function test_an_inner_node_is_no_leaf() public {
        bytes32 batchId = _commitTree(3);
        bytes32 node = _vesNode(leaves[0], leaves[1]);
        bytes32[] memory path = new bytes32[](1);
        path[0] = _vesNode(leaves[2], leaves[3]);
        assertEq(_vesNode(node, path[0]), registry.getBatchCommitment(batchId).eventsRoot);
        assertFalse(registry.verifyVesInclusion(batchId, node, path, 0));
        assertFalse(
            registry.verifyVesInclusion(
                batchId, registry.getBatchCommitment(batchId).eventsRoot, new bytes32[](0), 0
            )
        );
    }

    function test_padding_is_no_leaf() public {
        // 5 leaves, 8 places: at place 5 is padding, beside leaf 4.
        bytes32 batchId = _commitTree(4);
        bytes32 pad = sha256("VES_PAD_LEAF_V1");
        assertEq(pad, _parse(json.readString(".pad_leaf")));
        bytes32[] memory path = _path(4, 4);
        assertEq(path[0], pad);
        path[0] = leaves[4];
        assertFalse(registry.verifyVesInclusion(batchId, pad, path, 5));
    }

    function test_a_wrong_path_or_leaf_does_not_verify() public {
        bytes32 batchId = _commitTree(7);
        bytes32[] memory path = _path(7, 3);
        assertFalse(registry.verifyVesInclusion(batchId, leaves[2], path, 3));
        path[1] ^= bytes32(uint256(1));
        assertFalse(registry.verifyVesInclusion(batchId, leaves[3], path, 3));
        assertFalse(registry.verifyVesInclusion(batchId, leaves[3], new bytes32[](2), 3));
        assertFalse(registry.verifyVesInclusion(batchId, leaves[3], new bytes32[](300), 3));
    }

    function test_nothing_is_included_in_an_unknown_batch() public view {
        bytes32 id = keccak256("unknown");
        assertFalse(registry.verifyVesInclusion(id, 0, new bytes32[](0), 0));
        assertFalse(registry.verifyInclusion(id, 0, new bytes32[](0), 0));
        assertFalse(registry.verifyVesStateRoot(id, TENANT, STORE, 0));
        bytes32[] memory one = new bytes32[](1);
        assertFalse(registry.verifyVesMultiple(id, one, new bytes32[][](1), new uint256[](1)));
        assertFalse(registry.verifyMultipleInclusions(id, one, new bytes32[][](1), new uint256[](1)));
    }

    function testFuzz_a_path_verifies_only_with_the_depth_of_the_count(
        uint32 count,
        uint8 depth,
        uint256 index
    ) public {
        count = uint32(bound(count, 1, type(uint32).max));
        depth = uint8(bound(depth, 0, 40));
        index = bound(index, 0, uint256(count) + 1);
        bytes32[] memory path = new bytes32[](depth);
        bytes32 root = keccak256("leaf");
        for (uint256 i = 0; i < depth; ++i) {
            path[i] = keccak256(abi.encode(i));
            root = (index >> i) & 1 == 0 ? _vesNode(root, path[i]) : _vesNode(path[i], root);
        }
        BatchInput memory b = _batch(1, count, 0);
        b.eventsRoot = root;
        _commit(b);
        uint256 wanted = 0;
        while (uint256(1) << wanted < count) ++wanted;
        assertEq(
            registry.verifyVesInclusion(b.batchId, keccak256("leaf"), path, index),
            index < count && depth == wanted
        );
    }

    function test_several_ves_leaves_verify_all_or_not() public {
        bytes32 batchId = _commitTree(6);
        bytes32[] memory some = new bytes32[](2);
        bytes32[][] memory paths = new bytes32[][](2);
        uint256[] memory indices = new uint256[](2);
        (some[0], paths[0], indices[0]) = (leaves[1], _path(6, 1), 1);
        (some[1], paths[1], indices[1]) = (leaves[6], _path(6, 6), 6);
        assertTrue(registry.verifyVesMultiple(batchId, some, paths, indices));
        indices[1] = 5;
        assertFalse(registry.verifyVesMultiple(batchId, some, paths, indices));
        assertFalse(registry.verifyVesMultiple(batchId, some, paths, new uint256[](1)));
        assertFalse(registry.verifyVesMultiple(batchId, some, new bytes32[][](3), indices));
        assertFalse(
            registry.verifyVesMultiple(batchId, new bytes32[](0), new bytes32[][](0), new uint256[](0))
        );
    }

    // --- The original keccak256 rule ---

    function test_all_four_leaves_verify_by_the_original_rule() public {
        (BatchInput memory b, bytes32[4] memory leaf, bytes32[2] memory node) = _commitKeccakTree();
        bytes32[] memory path = new bytes32[](2);
        for (uint256 i = 0; i < 4; ++i) {
            (path[0], path[1]) = (leaf[i ^ 1], node[1 - i / 2]);
            assertTrue(registry.verifyInclusion(b.batchId, leaf[i], path, i));
            assertFalse(registry.verifyInclusion(b.batchId, leaf[i], path, i ^ 1));
            assertFalse(registry.verifyVesInclusion(b.batchId, leaf[i], path, i));
        }
    }

    function test_the_original_rule_keeps_its_quirks() public {
        (BatchInput memory b, bytes32[4] memory leaf, bytes32[2] memory node) = _commitKeccakTree();
        bytes32[] memory path = new bytes32[](2);
        (path[0], path[1]) = (leaf[1], node[1]);
        // Bits of the index above the path are ignored,
        assertTrue(registry.verifyInclusion(b.batchId, leaf[0], path, 4));
        // inner nodes and the root verify as leaves,
        bytes32[] memory shorter = new bytes32[](1);
        shorter[0] = node[1];
        assertTrue(registry.verifyInclusion(b.batchId, node[0], shorter, 0));
        assertTrue(registry.verifyInclusion(b.batchId, b.eventsRoot, new bytes32[](0), 99));
        // and so does no leaf at all.
        assertTrue(
            registry.verifyMultipleInclusions(
                b.batchId, new bytes32[](0), new bytes32[][](0), new uint256[](0)
            )
        );
        // A path longer than the index has bits goes left from there on.
        assertFalse(registry.verifyInclusion(b.batchId, leaf[0], new bytes32[](257), type(uint256).max));
    }

    function test_several_leaves_verify_by_the_original_rule_all_or_not() public {
        (BatchInput memory b, bytes32[4] memory leaf, bytes32[2] memory node) = _commitKeccakTree();
        bytes32[] memory some = new bytes32[](2);
        bytes32[][] memory paths = new bytes32[][](2);
        uint256[] memory indices = new uint256[](2);
        for (uint256 i = 0; i < 2; ++i) {
            (some[i], indices[i], paths[i]) = (leaf[i], i, new bytes32[](2));
            (paths[i][0], paths[i][1]) = (leaf[i ^ 1], node[1]);
        }
        assertTrue(registry.verifyMultipleInclusions(b.batchId, some, paths, indices));
        assertFalse(registry.verifyMultipleInclusions(b.batchId, some, paths, new uint256[](3)));
        assertFalse(registry.verifyMultipleInclusions(b.batchId, some, new bytes32[][](1), indices));
        paths[1][1] = 0;
        assertFalse(registry.verifyMultipleInclusions(b.batchId, some, paths, indices));
    }

    // --- VES state roots ---

    function test_the_chain_of_the_vectors_is_accepted_by_a_ves_strict_stream() public {
        (bytes32 tenant, bytes32 store) =
            (_parseUuid(json.readString(".tenant_id")), _parseUuid(json.readString(".store_id")));
        _setStrict(true);
        vm.startPrank(OWNER);
        registry.setStrictGenesis(true);
        registry.setStreamVesStrict(tenant, store, true);
        vm.stopPrank();
        for (uint256 i = 0; i < 3; ++i) {
            BatchInput memory b = _chainBatch(i);
            (b.tenantId, b.storeId) = (tenant, store);
            _commit(b);
            assertTrue(registry.verifyVesStateRoot(b.batchId, tenant, store, b.prevStateRoot));
            assertFalse(registry.verifyVesStateRoot(b.batchId, store, tenant, b.prevStateRoot));
            assertFalse(registry.verifyVesStateRoot(b.batchId, tenant, store, b.newStateRoot));
            assertFalse(
                registry.verifyVesStateRoot(b.batchId, tenant | bytes32(uint256(1)), store, b.prevStateRoot)
            );
            assertFalse(
                registry.verifyVesStateRoot(b.batchId, tenant, store | bytes32(uint256(1)), b.prevStateRoot)
            );
        }
        assertEq(registry.getHeadSequence(tenant, store), 9);
    }

    function test_the_state_root_of_the_relay_vectors_verifies() public {
        string memory relay = vm.readFile("../primitives/vectors/set/relay_vectors.json");
        BatchInput memory b = _batch(1, 10, relay.readBytes32(".ves_state_root.prev"));
        b.eventsRoot = relay.readBytes32(".ves_state_root.merkle_root");
        b.newStateRoot = relay.readBytes32(".ves_state_root.value");
        _commit(b);
        assertTrue(registry.verifyVesStateRoot(b.batchId, TENANT, STORE, b.prevStateRoot));
        assertEq(_vesRoot(b), b.newStateRoot);
    }

    function test_a_state_root_that_is_not_the_formulas_does_not_verify() public {
        BatchInput memory b = _batch(1, 10, 0);
        _commit(b);
        assertFalse(registry.verifyVesStateRoot(b.batchId, TENANT, STORE, 0));
    }

    // --- Helpers ---

    /// @dev Commits the vectors' tree number `tree`, of `tree + 1` leaves.
    function _commitTree(uint256 tree) private returns (bytes32) {
        BatchInput memory b = _batch(bytes32(tree), STORE, 1, uint32(tree + 1), 0);
        b.eventsRoot = _parse(json.readString(string.concat(_tree(tree), ".merkle_root")));
        _commit(b);
        return b.batchId;
    }

    function _commitKeccakTree()
        private
        returns (BatchInput memory b, bytes32[4] memory leaf, bytes32[2] memory node)
    {
        for (uint256 i = 0; i < 4; ++i) {
            leaf[i] = keccak256(abi.encode("leaf", i));
        }
        for (uint256 i = 0; i < 2; ++i) {
            node[i] = keccak256(bytes.concat(leaf[2 * i], leaf[2 * i + 1]));
        }
        b = _next(4);
        b.eventsRoot = keccak256(bytes.concat(node[0], node[1]));
        _commit(b);
    }

    function _chainBatch(uint256 i) private view returns (BatchInput memory b) {
        string memory item = string.concat(".commitment_chain[", vm.toString(i), "]");
        b.batchId = keccak256(bytes(item));
        b.eventsRoot = _parse(json.readString(string.concat(item, ".merkle_root")));
        b.prevStateRoot = _parse(json.readString(string.concat(item, ".prev_state_root")));
        b.newStateRoot = _parse(json.readString(string.concat(item, ".new_state_root")));
        b.sequenceStart = uint64(json.readUint(string.concat(item, ".sequence_start")));
        b.sequenceEnd = uint64(json.readUint(string.concat(item, ".sequence_end")));
        b.eventCount = uint32(json.readUint(string.concat(item, ".leaf_count")));
    }

    function _path(uint256 tree, uint256 leaf) private view returns (bytes32[] memory path) {
        string[] memory hexPath =
            json.readStringArray(string.concat(_tree(tree), ".proofs[", vm.toString(leaf), "].proof_path"));
        path = new bytes32[](hexPath.length);
        for (uint256 i = 0; i < path.length; ++i) {
            path[i] = _parse(hexPath[i]);
        }
    }

    function _tree(uint256 tree) private pure returns (string memory) {
        return string.concat(".trees[", vm.toString(tree), "]");
    }

    function _parse(string memory hexText) private pure returns (bytes32) {
        return vm.parseBytes32(string.concat("0x", hexText));
    }

    function _parseUuid(string memory uuid) private pure returns (bytes32) {
        return bytes32(bytes16(vm.parseBytes(string.concat("0x", vm.replace(uuid, "-", "")))));
    }
}
