// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What must be refused.

use super::{super::*, breaks, good};
use crate::history::{SkewRecord, StrangerRecord};

fn skew(offset_s: i64, in_chain: u32, refused: u32) -> Vec<SkewRecord> {
    vec![SkewRecord {
        seed: 1,
        node: "bob".into(),
        offset_s,
        turns: 5,
        in_chain,
        refused,
    }]
}

fn stranger(looks: u32, peers_most: u64, same_genesis: bool) -> Vec<StrangerRecord> {
    vec![StrangerRecord {
        seed: 1,
        looks,
        peers_most,
        same_genesis,
    }]
}

fn keeps(change: impl FnOnce(&mut History)) {
    let mut history = good();
    change(&mut history);
    let report = check(&history);
    assert!(report.violations.is_empty(), "{:?}", report.violations);
}

#[test]
fn blocks_of_a_wrong_clock_in_the_chain_are_found() {
    breaks(Rule::R3, |history| history.verdicts.skews = skew(30, 1, 4));
    breaks(Rule::R3, |history| history.verdicts.skews = skew(-30, 2, 0));
    keeps(|history| history.verdicts.skews = skew(30, 0, 4));
    keeps(|history| history.verdicts.skews = skew(-30, 0, 0));
    // Off by a slot, it goes on.
    keeps(|history| history.verdicts.skews = skew(2, 5, 0));
}

#[test]
fn a_fast_clock_of_which_nobody_refused_a_block_shows_nothing() {
    breaks(Rule::Empty, |history| {
        history.verdicts.skews = skew(30, 0, 0)
    });
    keeps(|history| {
        let mut short = skew(30, 0, 0);
        short[0].turns = 2;
        history.verdicts.skews = short;
    });
}

#[test]
fn a_node_of_another_chain_that_has_a_peer_is_found() {
    breaks(Rule::R3, |history| {
        history.verdicts.strangers = stranger(4, 1, false)
    });
    keeps(|history| history.verdicts.strangers = stranger(4, 0, false));
}

#[test]
fn a_node_of_this_chain_or_one_that_nobody_looked_at_shows_nothing() {
    breaks(Rule::Empty, |history| {
        history.verdicts.strangers = stranger(4, 0, true)
    });
    breaks(Rule::Empty, |history| {
        history.verdicts.strangers = stranger(0, 0, false)
    });
}
