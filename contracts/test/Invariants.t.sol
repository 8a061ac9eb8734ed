// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SetRegistry} from "../src/SetRegistry.sol";
import {RegistryTest} from "./RegistryTest.sol";

/// @dev Sends random writes, right and wrong ones, from three senders to three streams, while the owner turns the
///      switches and upgrades. Keeps a model of what must have come of it, and checks of every write that the registry takes it if
///      and only if the model does.
contract Handler is RegistryTest {
    struct StreamModel {
        bytes32 latest;
        bytes32 stateRoot;
        uint64 head;
        bool started;
        address submitter;
        bool vesStrict;
    }

    /// A committed batch, with what its stream looked like before.
    struct Committed {
        BatchInput batch;
        uint256 stream;
        bool chained;
        bool first;
        uint64 headBefore;
        bytes32 rootBefore;
        address boundAtCommit;
        bool proven;
    }

    StreamModel[3] public streams;
    Committed[] internal history;
    bool public paused;
    bool public strict = true;
    bool public strictGenesis;
    bool public legacy;
    uint256 public proofs;
    uint256 public legacyRoots;
    mapping(uint256 start => mapping(uint256 end => bytes32)) public legacyRoot;
    bool[3] public authorized = [true, true, false];
    uint256 private nonce;
    uint256 private upgrades;
    address[2] private implementations;

    constructor(SetRegistry registry_) {
        registry = registry_;
        implementations = [address(new SetRegistry()), address(new SetRegistry())];
        vm.startPrank(OWNER);
        registry.setSequencerAuthorization(_sender(0), true);
        registry.setSequencerAuthorization(_sender(1), true);
        vm.stopPrank();
    }

    function historyLength() external view returns (uint256) {
        return history.length;
    }

    function historyAt(uint256 i) external view returns (Committed memory) {
        return history[i];
    }

    function streamAt(uint256 i) external view returns (StreamModel memory) {
        return streams[i];
    }

    function ids(uint256 stream) public pure returns (bytes32 tenant, bytes32 store) {
        return (bytes32(bytes16(keccak256("tenant"))), bytes32(bytes16(keccak256(abi.encode(stream)))));
    }

    // --- Writes ---

    function commit(uint256 stream, uint256 sender, uint256 count, uint256 wrongness, bool withProof)
        external
    {
        stream %= 3;
        BatchInput memory b = _candidate(stream, count, wrongness);
        bool expected = _accepts(stream, _sender(sender), b);
        vm.prank(_sender(sender));
        (bool taken,) = address(registry).call(withProof ? _combinedCall(b) : _commitCall(b));
        assertEq(taken, expected, "commit");
        if (!taken) return;
        _record(stream, b);
        if (withProof) {
            history[history.length - 1].proven = true;
            ++proofs;
        }
    }

    /// @dev Two to six batches of any streams, of which the last may be wrong: kept one by one and as a group.
    function commitMany(uint256 seed, uint256 sender, uint256 count, uint256 wrongness) external {
        BatchInput[] memory batches = new BatchInput[](2 + seed % 5);
        StreamModel[3] memory streamsBefore = streams;
        uint256 lengthBefore = history.length;
        bool expected = true;
        for (uint256 i = 0; i < batches.length; ++i) {
            uint256 stream = uint256(keccak256(abi.encode(seed, i))) % 3;
            batches[i] = _candidate(stream, count % 1000 + i, i + 1 == batches.length ? wrongness : 0);
            expected = expected && _accepts(stream, _sender(sender), batches[i]);
            _record(stream, batches[i]);
        }
        vm.prank(_sender(sender));
        (bool taken,) = address(registry).call(abi.encodeCall(registry.commitBatches, (batches)));
        assertEq(taken, expected, "commitBatches");
        if (taken) return;
        for (uint256 i = 0; i < 3; ++i) {
            streams[i] = streamsBefore[i];
        }
        while (history.length > lengthBefore) {
            history.pop();
        }
    }

    function prove(uint256 which, uint256 sender, bool withRoots, bool wrongRoot) external {
        if (history.length == 0) return;
        Committed storage c = history[which % history.length];
        BatchInput memory b = c.batch;
        if (wrongRoot && withRoots) b.prevStateRoot = keccak256("wrong");
        address submitter = c.boundAtCommit == address(0) ? address(0) : streams[c.stream].submitter;
        bool expected = !paused && authorized[sender % 3] && !c.proven && !(wrongRoot && withRoots)
            && (submitter == address(0) || submitter == _sender(sender));
        vm.prank(_sender(sender));
        (bool taken,) = address(registry).call(withRoots ? _proofCall(b) : _shortProofCall(b));
        assertEq(taken, expected, "prove");
        if (!taken) return;
        c.proven = true;
        ++proofs;
    }

    /// @dev A further proof of the batch, if it has a first one.
    function logFurtherProof(uint256 which, uint256 sender) external {
        if (history.length == 0) return;
        Committed storage c = history[which % history.length];
        address submitter = c.boundAtCommit == address(0) ? address(0) : streams[c.stream].submitter;
        bool expected = !paused && authorized[sender % 3] && c.proven
            && (submitter == address(0) || submitter == _sender(sender));
        bytes memory call = abi.encodeCall(
            registry.logAdditionalStarkProof, (c.batch.batchId, keccak256("further"), 0, 0, true, 1)
        );
        vm.prank(_sender(sender));
        (bool taken,) = address(registry).call(call);
        assertEq(taken, expected, "logAdditionalStarkProof");
    }

    function registerRoot(uint256 start, uint256 length, uint256 sender, bytes32 root) external {
        start %= 4;
        uint256 end = start + length % 4;
        bool expected =
            !paused && authorized[sender % 3] && legacy && root != 0 && legacyRoot[start][end] == 0;
        vm.prank(_sender(sender));
        (bool taken,) = address(registry).call(abi.encodeCall(registry.registerBatchRoot, (start, end, root)));
        assertEq(taken, expected, "registerBatchRoot");
        if (!taken) return;
        legacyRoot[start][end] = root;
        ++legacyRoots;
    }

    // --- Administration ---

    function upgrade() external {
        vm.prank(OWNER);
        registry.upgradeToAndCall(implementations[++upgrades % 2], "");
    }

    function setStrictGenesis(bool enabled) external {
        vm.prank(OWNER);
        registry.setStrictGenesis(strictGenesis = enabled);
    }

    function setLegacy(bool enabled) external {
        vm.prank(OWNER);
        registry.setLegacyFunctionsEnabled(legacy = enabled);
    }

    function setPaused(uint256 dice) external {
        // Mostly unpaused, else little happens.
        bool wanted = dice % 8 == 0;
        if (wanted == paused) return;
        vm.prank(OWNER);
        wanted ? registry.pause() : registry.unpause();
        paused = wanted;
    }

    function setStrict(bool enabled) external {
        vm.prank(OWNER);
        registry.setStrictMode(strict = enabled);
    }

    function setVesStrict(uint256 stream, bool enabled) external {
        stream %= 3;
        (bytes32 tenant, bytes32 store) = ids(stream);
        vm.prank(OWNER);
        registry.setStreamVesStrict(tenant, store, streams[stream].vesStrict = enabled);
    }

    function bind(uint256 stream, uint256 dice) external {
        stream %= 3;
        (bytes32 tenant, bytes32 store) = ids(stream);
        address submitter = dice % 4 != 0 ? address(0) : _sender(dice / 4);
        vm.prank(OWNER);
        registry.setStreamSubmitter(tenant, store, streams[stream].submitter = submitter);
    }

    function authorize(uint256 sender, uint256 dice) external {
        bool wanted = dice % 8 != 0;
        vm.prank(OWNER);
        registry.setSequencerAuthorization(_sender(sender), authorized[sender % 3] = wanted);
    }

    // --- Model ---

    function _sender(uint256 i) private pure returns (address) {
        return address(uint160(0xC000 + i % 3));
    }

    /// @dev The right next batch of the stream, or one that is wrong in one respect.
    function _candidate(uint256 stream, uint256 count, uint256 wrongness)
        private
        returns (BatchInput memory b)
    {
        StreamModel memory s = streams[stream];
        (bytes32 tenant, bytes32 store) = ids(stream);
        uint64 start = s.started ? s.head + 1 : 1;
        wrongness %= 20;
        if (wrongness == 1) start += 1 + uint64(count % 5);
        if (wrongness == 2 && start > 3) start -= 3;
        b = _batch(
            tenant,
            store,
            start,
            uint32(1 + count % 7),
            wrongness == 3 ? keccak256(abi.encode("fork", count)) : s.stateRoot
        );
        b.batchId = keccak256(abi.encode(b.batchId, ++nonce));
        b.newStateRoot = _vesRoot(b);
        if (wrongness == 4) b.newStateRoot = keccak256(abi.encode("other", nonce));
        if (wrongness == 5) b.newStateRoot = 0;
        if (wrongness == 6) b.batchId = 0;
        if (wrongness == 7 && history.length > 0) b.batchId = history[count % history.length].batch.batchId;
        if (wrongness == 8) ++b.eventCount;
        if (wrongness == 9) b.eventsRoot = 0;
    }

    function _accepts(uint256 stream, address sender, BatchInput memory b) private view returns (bool) {
        StreamModel memory s = streams[stream];
        if (paused || !authorized[uint160(sender) - 0xC000]) return false;
        if (s.submitter != address(0) && s.submitter != sender) return false;
        if (b.eventCount != b.sequenceEnd - b.sequenceStart + 1) return false;
        if (b.eventsRoot == 0 || b.batchId == 0) return false;
        for (uint256 i = 0; i < history.length; ++i) {
            if (history[i].batch.batchId == b.batchId) return false;
        }
        bool chained = strict || s.vesStrict;
        if (chained && s.started && (b.prevStateRoot != s.stateRoot || b.sequenceStart != s.head + 1)) {
            return false;
        }
        if (strictGenesis && !s.started && (b.prevStateRoot != 0 || b.sequenceStart != 1)) return false;
        if (strict && b.newStateRoot == 0) return false;
        return !s.vesStrict || b.newStateRoot == _vesRoot(b);
    }

    function _record(uint256 stream, BatchInput memory b) private {
        StreamModel storage s = streams[stream];
        history.push(
            Committed({
                batch: b,
                stream: stream,
                chained: strict || s.vesStrict,
                first: !s.started,
                headBefore: s.head,
                rootBefore: s.stateRoot,
                boundAtCommit: s.submitter,
                proven: false
            })
        );
        if (s.started && b.sequenceEnd <= s.head) return;
        (s.latest, s.stateRoot, s.head, s.started) = (b.batchId, b.newStateRoot, b.sequenceEnd, true);
    }

    // --- Calls ---

    function _commitCall(BatchInput memory b) private view returns (bytes memory) {
        // The arguments are the fields in their order.
        return bytes.concat(registry.commitBatch.selector, abi.encode(b));
    }

    function _combinedCall(BatchInput memory b) private view returns (bytes memory) {
        return bytes.concat(registry.commitBatchWithStarkProof.selector, abi.encode(b), abi.encode(_proof()));
    }

    function _proofCall(BatchInput memory b) private pure returns (bytes memory) {
        Proof memory p = _proof();
        return abi.encodeWithSelector(
            0x20cb49f9,
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

    function _shortProofCall(BatchInput memory b) private pure returns (bytes memory) {
        return bytes.concat(bytes4(0xec974227), b.batchId, abi.encode(_proof()));
    }
}

/// @notice What holds after any interleaving of streams, senders, pauses, switches and upgrades.
contract InvariantsTest is RegistryTest {
    Handler private handler;

    function setUp() public override {
        super.setUp();
        handler = new Handler(registry);
        bytes4[] memory selectors = new bytes4[](18);
        // Some writes for each turn of a switch.
        for (uint256 i = 0; i < 4; ++i) {
            selectors[i] = Handler.commit.selector;
        }
        (selectors[4], selectors[5]) = (Handler.commitMany.selector, Handler.commitMany.selector);
        selectors[6] = Handler.prove.selector;
        selectors[7] = Handler.setPaused.selector;
        selectors[8] = Handler.setStrict.selector;
        selectors[9] = Handler.setVesStrict.selector;
        selectors[10] = Handler.bind.selector;
        selectors[11] = Handler.authorize.selector;
        selectors[12] = Handler.upgrade.selector;
        selectors[13] = Handler.setStrictGenesis.selector;
        selectors[14] = Handler.registerRoot.selector;
        selectors[15] = Handler.setLegacy.selector;
        selectors[16] = Handler.logFurtherProof.selector;
        selectors[17] = Handler.commit.selector;
        targetSelector(FuzzSelector({addr: address(handler), selectors: selectors}));
        targetContract(address(handler));
    }

    function invariant_the_counters_are_the_numbers_of_accepted_writes() public view {
        assertEq(registry.totalCommitments(), handler.historyLength() + handler.legacyRoots());
        assertEq(registry.totalStarkProofs(), handler.proofs());
    }

    function invariant_each_stream_is_where_the_model_says() public view {
        for (uint256 i = 0; i < 3; ++i) {
            Handler.StreamModel memory s = handler.streamAt(i);
            (bytes32 tenant, bytes32 store) = handler.ids(i);
            assertEq(registry.getLatestBatchId(tenant, store), s.latest);
            assertEq(registry.getLatestStateRoot(tenant, store), s.stateRoot);
            assertEq(registry.getHeadSequence(tenant, store), s.head);
            assertEq(registry.getBatchCommitment(s.latest).sequenceEnd, s.head);
        }
    }

    function invariant_heads_never_move_back_and_no_batch_is_beyond_its_head() public view {
        uint64[3] memory head;
        for (uint256 i = 0; i < handler.historyLength(); ++i) {
            Handler.Committed memory c = handler.historyAt(i);
            assertGe(c.headBefore, head[c.stream]);
            head[c.stream] = c.headBefore;
            (bytes32 tenant, bytes32 store) = handler.ids(c.stream);
            assertLe(c.batch.sequenceEnd, registry.getHeadSequence(tenant, store));
        }
    }

    function invariant_each_chained_batch_follows_its_predecessor_without_a_gap() public view {
        for (uint256 i = 0; i < handler.historyLength(); ++i) {
            Handler.Committed memory c = handler.historyAt(i);
            if (!c.chained || c.first) continue;
            assertEq(c.batch.sequenceStart, c.headBefore + 1);
            assertEq(c.batch.prevStateRoot, c.rootBefore);
        }
    }

    function invariant_a_registered_root_stays_and_is_of_no_stream() public view {
        for (uint256 start = 0; start < 4; ++start) {
            for (uint256 end = start; end < start + 4; ++end) {
                assertEq(registry.getBatchRoot(start, end), handler.legacyRoot(start, end));
            }
        }
    }

    function invariant_each_record_is_as_it_was_committed() public view {
        for (uint256 i = 0; i < handler.historyLength(); ++i) {
            Handler.Committed memory c = handler.historyAt(i);
            BatchCommitment memory r = registry.getBatchCommitment(c.batch.batchId);
            assertEq(r.eventsRoot, c.batch.eventsRoot);
            assertEq(r.newStateRoot, c.batch.newStateRoot);
            assertEq(r.sequenceStart, c.batch.sequenceStart);
            assertEq(r.sequenceEnd, c.batch.sequenceEnd);
            assertEq(r.eventCount, c.batch.eventCount);
            assertGe(r.sequenceEnd, r.sequenceStart);
            assertEq(registry.hasStarkProof(c.batch.batchId), c.proven);
        }
    }
}
