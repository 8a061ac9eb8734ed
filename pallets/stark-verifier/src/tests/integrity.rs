// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The storage version, and runtimes that fit the protocol's limits or do not.

use crate::{migrations::STORAGE_VERSION, mock::*};
use polkadot_sdk::{
    frame_support::{
        dispatch::DispatchClass,
        traits::{GetStorageVersion, StorageVersion},
        weights::Weight,
    },
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
    Verifier::check_runtime(&weights, &length)
}

#[test]
fn genesis_writes_the_version_that_the_code_reads() {
    chain(|| {
        assert_eq!(STORAGE_VERSION, StorageVersion::new(1));
        assert_eq!(Verifier::in_code_storage_version(), STORAGE_VERSION);
        assert_eq!(Verifier::on_chain_storage_version(), STORAGE_VERSION);
    });
}

#[test]
fn a_block_of_a_second_and_some_mebibytes_takes_every_submission() {
    assert_eq!(check(1_000, 10 << 20), Ok(()));
}

#[test]
fn a_runtime_whose_blocks_are_too_small_is_named() {
    let refused = |millis, bytes| check(millis, bytes).expect_err("too small");
    assert!(refused(1, 10 << 20).contains("too heavy"));
    assert!(refused(1_000, 10 << 10).contains("too long"));
}
