// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pallets against a reference of plain maps, over random chains: whatever happens, in whatever
//! order, both say the same of every event, and hold the same after every block.
//!
//! `PROPTEST_CASES` raises the number of chains, 256 each by default.

mod making;
mod ops;
mod reference;
mod registry;
mod world;

use ops::ops;
use polkadot_sdk::{sp_io::storage, sp_runtime::StateVersion};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::collections::BTreeMap;
use ves_primitives::sequencer::{EMPTY_SUBMISSION_CODE, pool_code_name};
use world::{World, world};

fn state() -> Vec<u8> {
    storage::root(StateVersion::V1)
}

proptest! {
    #[test]
    fn the_chain_does_what_the_reference_says(ops in ops(40)) {
        world(|mut world| {
            world.run(&ops);
            world.end_block();
        });
    }

    /// A node that follows one fork and then the other ends where a node does that knew of one only.
    #[test]
    fn an_abandoned_fork_leaves_no_trace(
        prefix in ops(16),
        abandoned in ops(12),
        chosen in ops(12),
    ) {
        let end = |mut world: World| {
            world.run(&chosen);
            world.end_block();
            state()
        };
        let mut after_reorg = Vec::new();
        world(|mut world| {
            world.run(&prefix);
            let fork = world.clone();
            let before = state();
            storage::start_transaction();
            world.run(&abandoned);
            world.end_block();
            storage::rollback_transaction();
            assert_eq!(state(), before);
            after_reorg = end(fork);
        });
        world(|mut world| {
            world.run(&prefix);
            assert_eq!(end(world), after_reorg);
        });
    }
}

/// The agreement above would say little if random chains left something out.
#[test]
fn random_chains_reach_every_verdict_several_times() {
    let mut runner = TestRunner::deterministic();
    let mut tally = BTreeMap::new();
    for _ in 0..256 {
        let ops = ops(40).new_tree(&mut runner).expect("nothing is filtered");
        world(|mut world| {
            world.run(&ops.current());
            for (name, count) in world.tally {
                *tally.entry(name).or_insert(0) += count;
            }
        });
    }
    println!("{tally:#?}");
    let rejections = (1..=13).chain(16..=24).chain(32..=43);
    let reachable = rejections
        .filter(|code| *code != EMPTY_SUBMISSION_CODE)
        .filter_map(pool_code_name)
        .chain(["sequenced", "replayed"])
        // Takes 2^63 events; has a test of its own.
        .filter(|name| *name != "sequence_exhausted");
    for name in reachable {
        let reached = tally.get(name).copied().unwrap_or(0);
        assert!(reached >= 5, "{name} was reached {reached} times");
    }
}
