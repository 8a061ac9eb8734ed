// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtimes that fit the protocol's limits, and some that do not.

use crate::mock::*;
use polkadot_sdk::{
    frame_support::{dispatch::DispatchClass, weights::Weight},
    frame_system::limits::{BlockLength, BlockWeights},
    sp_runtime::Perbill,
};

fn check(block_millis: u64, block_bytes: u32) -> Result<(), &'static str> {
    let weights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(block_millis * 1_000_000_000, u64::MAX),
        Perbill::from_percent(80),
    );
    let length = BlockLength::builder()
        .max_length(block_bytes)
        .modify_max_length_for_class(DispatchClass::Normal, |normal| *normal = block_bytes)
        .build();
    Sequencer::check_runtime(&weights, &length)
}

#[test]
fn a_block_of_a_second_and_some_mebibytes_takes_every_submission() {
    assert_eq!(check(1_000, 10 << 20), Ok(()));
}

#[test]
fn a_runtime_whose_blocks_are_too_small_is_named() {
    let refused = |millis, bytes| check(millis, bytes).expect_err("too small");
    assert!(refused(10, 10 << 20).contains("too heavy"));
    assert!(refused(300, 10 << 20).contains("no room"));
    assert!(refused(1_000, 10 << 10).contains("too long"));
}

#[test]
fn a_runtime_that_would_remember_ever_more_is_named() {
    // Forgetting has a third of the mock's block, taking in all of this one.
    let refused = check(100_000, 10 << 20).expect_err("too large");
    assert!(refused.contains("faster than they are forgotten"));
}
