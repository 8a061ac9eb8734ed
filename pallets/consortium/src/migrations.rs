// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Changes of the storage layout.
//!
//! A change of a stored type raises [`STORAGE_VERSION`] and appends a
//! `VersionedMigration<N, N + 1, …>` to [`Migrations`], with a test that starts from the old bytes.
//! Migrations stay listed until every chain has run them. Version 1 is the first released layout,
//! which genesis writes, so that there is none yet.

use crate::frame_support::traits::StorageVersion;

/// Version of the layout that this code reads and writes.
pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

/// What a runtime upgrade runs, in order.
pub type Migrations = ();
