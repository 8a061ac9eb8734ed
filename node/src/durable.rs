// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Files that are whole after a power cut.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

/// Gives `file`, written under the name `unfinished`, the name `finished` in the same folder, in place of
/// what had it. Returns when contents and name are on disk: a power cut leaves the old file or the new.
///
/// # Errors
///
/// What the file system says. The file then has one of the two names.
pub(crate) fn finish(file: &File, unfinished: &Path, finished: &Path) -> io::Result<()> {
    // In this order, or the name could be there without the contents.
    file.sync_all()?;
    fs::rename(unfinished, finished)?;
    let folder = finished
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}
