// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The storage version.

use crate::{migrations::STORAGE_VERSION, mock::*};
use polkadot_sdk::frame_support::traits::{GetStorageVersion, StorageVersion};

#[test]
fn genesis_writes_the_version_that_the_code_reads() {
    chain(|| {
        assert_eq!(STORAGE_VERSION, StorageVersion::new(1));
        assert_eq!(Registry::in_code_storage_version(), STORAGE_VERSION);
        assert_eq!(Registry::on_chain_storage_version(), STORAGE_VERSION);
    });
}
