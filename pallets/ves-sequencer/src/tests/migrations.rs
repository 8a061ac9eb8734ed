// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The storage version and the layout it stands for.

use crate::{migrations::STORAGE_VERSION, mock::*};
use polkadot_sdk::{
    frame_support::{
        __private::metadata_ir::{StorageEntryTypeIR, StorageHasherIR},
        traits::{GetStorageVersion, StorageVersion},
    },
    sp_io::hashing::twox_128,
};

#[test]
fn genesis_writes_the_version_that_the_code_reads() {
    chain(|| {
        assert_eq!(STORAGE_VERSION, StorageVersion::new(1));
        assert_eq!(Sequencer::in_code_storage_version(), STORAGE_VERSION);
        assert_eq!(Sequencer::on_chain_storage_version(), STORAGE_VERSION);
    });
}

/// Another name or hasher leaves old entries unread: a change needs a migration.
#[test]
fn names_and_hashers_of_storage_are_frozen() {
    use StorageHasherIR::{Blake2_128Concat as Blake, Identity, Twox64Concat as Twox};
    let metadata = Sequencer::storage_metadata();
    let found: Vec<_> = metadata
        .entries
        .iter()
        .map(|entry| match &entry.ty {
            StorageEntryTypeIR::Plain(_) => (entry.name, vec![]),
            StorageEntryTypeIR::Map { hashers, .. } => (entry.name, hashers.clone()),
        })
        .collect();
    let expected = [
        ("Tips", vec![Identity]),
        ("OpenBatches", vec![Identity]),
        ("OpenStreams", vec![]),
        ("Load", vec![]),
        ("Events", vec![Identity]),
        ("Commands", vec![Identity]),
        ("TenantUsage", vec![Blake]),
        ("AgentUsage", vec![Blake, Blake]),
        ("Memory", vec![Twox, Twox]),
        ("Forgotten", vec![]),
        ("EntityVersions", vec![Identity]),
        ("Batches", vec![Identity, Twox]),
        ("Kept", vec![Identity]),
        ("Relays", vec![]),
        ("BlockBatches", vec![Twox]),
    ];
    let shown = |layout: &[(&str, Vec<StorageHasherIR>)]| format!("{layout:#?}");
    assert_eq!(shown(&found), shown(&expected));
}

#[test]
fn an_entry_lies_under_pallet_item_and_key() {
    let key = crate::Tips::<Test>::hashed_key_for(stream());
    let prefix = [twox_128(b"Sequencer"), twox_128(b"Tips")].concat();
    assert_eq!(key, [prefix.as_slice(), &stream().0].concat());
}
