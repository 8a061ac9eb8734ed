// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Files: bounded reads, atomic writes.

use crate::error::{Exit, Failure, Result};
use rand::{RngCore, rngs::OsRng};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Longest proof file: a bundle of the longest batch with 128 events' public inputs.
pub(crate) const MAX_PROOF_FILE: u64 = 1 << 20;
/// Longest file of public inputs or events.
pub(crate) const MAX_INPUT_FILE: u64 = 1 << 20;
/// Longest file that holds one secret.
pub(crate) const MAX_SECRET_FILE: u64 = 4096;

/// Reads a file, or stdin for `-`, erased when dropped. Reads no more than one byte over the cap.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn read(path: &Path, cap: u64) -> Result<Zeroizing<Vec<u8>>> {
    if path.as_os_str() == "-" {
        return read_from(io::stdin().lock(), path, cap);
    }
    let file = File::open(path).map_err(|error| Failure::read(path, &error))?;
    read_from(file, path, cap)
}

fn read_from(source: impl Read, path: &Path, cap: u64) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    source
        .take(cap.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::read(path, &error))?;
    if bytes.len() as u64 > cap {
        return Err(Failure::bad_input(
            "file_too_large",
            format!("{} is larger than {cap} bytes", path.display()),
        ));
    }
    Ok(bytes)
}

/// Reads UTF-8 text.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_text(path: &Path, cap: u64) -> Result<Zeroizing<String>> {
    let bytes = read(path, cap)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::bad_input("not_text", format!("{} is not UTF-8 text", path.display()))
    })?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// A file that is written but not yet in place. Removed when dropped without
/// [`Pending::commit`].
pub(crate) struct Pending {
    temporary: PathBuf,
    path: PathBuf,
    placed: bool,
}

impl Pending {
    /// Writes and syncs a temporary file beside `path`, with the given mode on Unix.
    ///
    /// # Errors
    /// [`Exit::General`](crate::error::Exit::General).
    pub(crate) fn write(path: &Path, text: &[u8], mode: u32) -> Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{:016x}.tmp", OsRng.next_u64()));
        let pending = Self {
            temporary: path.with_file_name(name),
            path: path.to_owned(),
            placed: false,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
        #[cfg(not(unix))]
        let _ = mode;
        options
            .open(&pending.temporary)
            .and_then(|mut file| file.write_all(text).and_then(|()| file.sync_all()))
            .map_err(|error| Failure::write(path, &error))?;
        Ok(pending)
    }

    /// Puts the file in its place, replacing what is there.
    ///
    /// # Errors
    /// [`Exit::General`](crate::error::Exit::General).
    pub(crate) fn commit(mut self) -> Result<()> {
        fs::rename(&self.temporary, &self.path)
            .map_err(|error| Failure::write(&self.path, &error))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.placed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Keeps other runs away from a file while this one reads and replaces it. Let go when dropped, or
/// when the process ends in whatever way.
pub(crate) struct Lock(File);

impl Lock {
    /// Locks `<path>.lock`, an empty file that stays: the file itself is replaced by renaming, and
    /// a lock would go with the old one.
    ///
    /// # Errors
    /// [`Exit::General`](crate::error::Exit::General) if another run holds it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock)
            .map_err(|error| Failure::write(&lock, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Failure::new(
                Exit::General,
                "total_file_busy",
                format!("another run is using {}", path.display()),
            )
            .hint("run the command again when it is done")),
            Err(fs::TryLockError::Error(error)) => Err(Failure::write(&lock, &error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Renames a file over another.
///
/// # Errors
/// [`Exit::General`](crate::error::Exit::General).
pub(crate) fn replace(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|error| Failure::write(to, &error))
}

/// Removes a file that may stay if it cannot be removed.
pub(crate) fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// Writes a file that readers see either as it was or complete.
///
/// # Errors
/// [`Exit::General`](crate::error::Exit::General).
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    // A rename would replace a device or a pipe with a file.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let why = io::Error::other("there is something that is no file");
        return Err(Failure::write(path, &why));
    }
    let mut text = text.trim_end().to_owned();
    text.push('\n');
    Pending::write(path, text.as_bytes(), 0o644)?.commit()
}
