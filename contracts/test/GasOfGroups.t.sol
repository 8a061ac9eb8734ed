// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {GasBase} from "./GasBase.sol";

/// @notice Ceilings of the gas of several batches in a transaction, see {GasBase}.
/// forge-config: default.isolate = true
contract GroupsGasTest is GasBase {
    function test_ten_batches_of_one_stream_cost_at_most_75000_each_whatever_came_before() public {
        _commitAll(_dearestChain(STORE, 10));
        _assertGas("commitBatches, 10 of a new stream, each", 75_000, 10);
        for (uint256 i = 0; i < 3; ++i) {
            _precede(After(i), STORE);
            _commitAll(_dearestChain(STORE, 10));
            _assertGas(_name("commitBatches, 10 of a stream, each", After(i)), 75_000, 10);
        }
    }

    function test_a_batch_of_each_of_ten_streams_costs_at_most_75000_whatever_came_before() public {
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 stream = 0; stream < 10; ++stream) {
                _precede(After(i), _store(stream));
            }
            _commitAll(_dearestOfTen());
            _assertGas(_name("commitBatches, 10 streams, each", After(i)), 75_000, 10);
        }
        // The streams' batches before are of one group, so only one account is read.
        _commitAll(_dearestOfTen());
        _assertGas("commitBatches, 10 streams, each, after the same of them", 75_000, 10);
    }

    /// The ceiling is not the 75,000 of batches that continue a stream: see the README for what a new one must cost.
    function test_a_first_batch_of_each_of_ten_streams_costs_no_more_than_now() public {
        _commitAll(_dearestOfTen());
        _assertGas("commitBatches, 10 new streams, each", 86_500, 10);
    }

    function test_a_group_is_cheaper_than_its_batches_alone_from_three_on() public {
        _precede(After.ALONE, STORE);
        _commitAll(_dearestChain(STORE, 2));
        _assertGas("commitBatches, 2 of a stream, each", 97_000, 2);
        uint256 alone = vm.lastCallGas().gasTotalUsed / 2;
        _commitAll(_dearestChain(STORE, 3));
        _assertGas("commitBatches, 3 of a stream, each", 85_000, 3);
        assertLt(vm.lastCallGas().gasTotalUsed / 3, alone - 10_000);
    }
}
