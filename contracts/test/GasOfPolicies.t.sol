// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {GasBase} from "./GasBase.sol";

/// @notice What policies cost the streams that have one, and those that have none, see {GasBase}.
/// forge-config: default.isolate = true
contract PoliciesGasTest is GasBase {
    function test_a_policy_of_another_stream_leaves_a_stream_within_all_ceilings() public {
        _precede(After.ALONE, STORE);
        _setPolicyElsewhere();
        for (uint256 i = 0; i < 3; ++i) {
            _precede(After(i), STORE);
            _commit(_dearest(STORE));
            _assertGas(_name("policy elsewhere: commitBatch", After(i)), 119_000);
            _precede(After(i), STORE);
            _commitWithProof(_dearest(STORE), _dearestProof());
            _assertGas(_name("policy elsewhere: commitBatchWithStarkProof", After(i)), 190_000);
            _precede(After(i), STORE);
            _commitAll(_dearestChain(STORE, 10));
            _assertGas(_name("policy elsewhere: commitBatches, 10 of a stream, each", After(i)), 75_000, 10);
            for (uint256 stream = 0; stream < 10; ++stream) {
                _precede(After(i), _store(stream));
            }
            _commitAll(_dearestOfTen());
            _assertGas(_name("policy elsewhere: commitBatches, 10 streams, each", After(i)), 75_000, 10);
        }
    }

    function test_a_stream_that_begins_while_there_are_policies_is_looked_for_once() public {
        _setPolicyElsewhere();
        _commit(_dearest(STORE));
        _assertGas("policy elsewhere: commitBatch, first", 132_200);
        _commit(_dearest(STORE));
        _assertGas("policy elsewhere: commitBatch, second", 119_000);
    }

    function test_a_ves_strict_batch_costs_at_most_123000() public {
        _setVesStrict(STORE);
        _commit(_dearestStrict(STORE));
        _commit(_dearestStrict(STORE));
        _assertGas("VES-strict: commitBatch, next", 123_000);
        _commitWithProof(_dearestStrict(STORE), _dearestProof());
        _assertGas("VES-strict: commitBatchWithStarkProof, next", 194_000);
        BatchInput[] memory batches = _dearestChain(STORE, 10);
        for (uint256 i = 0; i < 10; ++i) {
            if (i > 0) batches[i].prevStateRoot = batches[i - 1].newStateRoot;
            batches[i].newStateRoot = _vesRoot(batches[i]);
        }
        _commitAll(batches);
        _assertGas("VES-strict: commitBatches, 10 of a stream, each", 75_000, 10);
    }

    function test_a_batch_of_a_bound_stream_costs_at_most_a_slot_more() public {
        _precede(After.ALONE, STORE);
        _bind(STORE);
        _commit(_dearest(STORE));
        _assertGas("bound: commitBatch, next", 142_500);
        BatchInput memory b = _dearest(STORE);
        _commit(b);
        _prove(b, _dearestProof());
        _assertGas("bound: commitStarkProof", 115_500);
        _commitWithProof(_dearest(STORE), _dearestProof());
        _assertGas("bound: commitBatchWithStarkProof, next", 213_500);
        _commitAll(_dearestChain(STORE, 10));
        _assertGas("bound: commitBatches, 10 of a stream, each", 90_000, 10);
    }

    function test_both_policies_cost_their_sum() public {
        _bind(STORE);
        _setVesStrict(STORE);
        _commit(_dearestStrict(STORE));
        _commit(_dearestStrict(STORE));
        _assertGas("bound and VES-strict: commitBatch, next", 144_000);
    }
}
