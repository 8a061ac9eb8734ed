// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";

/// @dev What the gas of whole transactions through the proxy is measured with: 21,000, calldata and cold storage
///      included. A contract that derives from this must run in isolation, so that each call of a test is a
///      transaction of its own.
///
///      The inputs are the dearest that occur. A zero byte of calldata costs 12 less than another, so hashes have none,
///      and streams are at 2^24 events already. The address of a group is dearer to find the longer its number is, so
///      there were 2^16 groups before.
abstract contract GasBase is RegistryTest {
    /// How the batch was committed that comes before.
    enum After {
        ALONE,
        WITH_PROOF,
        IN_GROUP
    }

    bytes32 internal constant NO_ZERO_BYTE = bytes32(type(uint256).max / 255);
    uint64 private constant FAR = 0x01010101;
    uint32 private constant EVENTS = 1000;
    uint64 private constant GROUPS_BEFORE = 0x010101;
    uint256 private constant SLOT_OF_SWITCHES_AND_COUNTERS = 4;

    function setUp() public override {
        super.setUp();
        // A group is an account that the registry creates, numbered by the registry's nonce.
        vm.setNonce(address(registry), GROUPS_BEFORE + 1);
        bytes32 slot = bytes32(SLOT_OF_SWITCHES_AND_COUNTERS);
        vm.store(
            address(registry), slot, vm.load(address(registry), slot) | bytes32(uint256(GROUPS_BEFORE) << 224)
        );
    }

    // --- Inputs ---

    /// @dev The dearest batch that continues the stream, or begins it.
    function _dearest(bytes32 store) internal view returns (BatchInput memory b) {
        bytes32 root = registry.getLatestStateRoot(TENANT, store);
        uint64 head = registry.getHeadSequence(TENANT, store);
        b = _batch(TENANT, store, head == 0 ? FAR : head + 1, EVENTS, root);
        b.batchId |= NO_ZERO_BYTE;
        b.eventsRoot |= NO_ZERO_BYTE;
        b.newStateRoot |= NO_ZERO_BYTE;
    }

    /// @dev The same for a VES-strict stream.
    function _dearestStrict(bytes32 store) internal view returns (BatchInput memory b) {
        b = _dearest(store);
        b.newStateRoot = _vesRoot(b);
    }

    function _dearestProof() internal pure returns (Proof memory p) {
        p = _proof();
        p.proofHash |= NO_ZERO_BYTE;
        p.policyHash |= NO_ZERO_BYTE;
    }

    /// @dev Batches of one stream, each continuing the one before.
    function _dearestChain(bytes32 store, uint256 count) internal view returns (BatchInput[] memory batches) {
        batches = new BatchInput[](count);
        batches[0] = _dearest(store);
        for (uint256 i = 1; i < count; ++i) {
            BatchInput memory last = batches[i - 1];
            batches[i] = _batch(TENANT, store, last.sequenceEnd + 1, EVENTS, last.newStateRoot);
            batches[i].batchId |= NO_ZERO_BYTE;
            batches[i].eventsRoot |= NO_ZERO_BYTE;
            batches[i].newStateRoot |= NO_ZERO_BYTE;
        }
    }

    /// @dev The next batch of each of ten streams.
    function _dearestOfTen() internal view returns (BatchInput[] memory batches) {
        batches = new BatchInput[](10);
        for (uint256 i = 0; i < batches.length; ++i) {
            batches[i] = _dearest(_store(i));
        }
    }

    function _store(uint256 i) internal pure returns (bytes32) {
        return bytes32(bytes16(keccak256(abi.encode("store", i)) | NO_ZERO_BYTE));
    }

    // --- Transactions ---

    function _commitAll(BatchInput[] memory batches) internal {
        vm.prank(SEQUENCER);
        registry.commitBatches(batches);
    }

    /// @dev Continues the stream in this way.
    function _precede(After kind, bytes32 store) internal {
        if (kind == After.ALONE) _commit(_dearest(store));
        else if (kind == After.WITH_PROOF) _commitWithProof(_dearest(store), _dearestProof());
        else _commitAll(_dearestChain(store, 4));
    }

    function _name(string memory what, After kind) internal pure returns (string memory) {
        string memory suffix = kind == After.ALONE
            ? ", after commitBatch"
            : kind == After.WITH_PROOF ? ", after commitBatchWithStarkProof" : ", after commitBatches";
        return string.concat(what, suffix);
    }

    /// @dev Some stream, which no test writes to, is given a policy.
    function _setPolicyElsewhere() internal {
        vm.prank(OWNER);
        registry.setStreamSubmitter(OTHER_TENANT, OTHER_STORE, SEQUENCER);
    }

    function _bind(bytes32 store) internal {
        vm.prank(OWNER);
        registry.setStreamSubmitter(TENANT, store, SEQUENCER);
    }

    function _setVesStrict(bytes32 store) internal {
        vm.prank(OWNER);
        registry.setStreamVesStrict(TENANT, store, true);
    }

    // --- The last transaction ---

    function _assertGas(string memory name, uint256 ceiling) internal {
        _assertGas(name, ceiling, 1);
    }

    function _assertGas(string memory name, uint256 ceiling, uint256 batches) internal {
        uint256 gas = vm.lastCallGas().gasTotalUsed / batches;
        emit log_named_uint(name, gas);
        assertLe(gas, ceiling, name);
    }
}
