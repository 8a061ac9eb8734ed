// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The state directory `.stateset/`: where it is, its permissions, and writes that cannot tear.

use crate::error::{Exit, Failure, Result};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Name of the state directory in a project.
pub const DIRECTORY: &str = ".stateset";
/// The file that stands for the right to change the other files of a directory.
const LOCK: &str = ".lock";
/// How long another process may take for its change.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The state directory of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Uses this directory, existing or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The state directory of the nearest enclosing project, else the one to create in `start`.
    pub fn discover(start: &Path) -> Self {
        start
            .ancestors()
            .map(|dir| dir.join(DIRECTORY))
            .find(|dir| dir.join("sync.json").is_file() || dir.join("sync.toml").is_file())
            .map_or_else(|| Self(start.join(DIRECTORY)), Self)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Outbox, pulled events and cursors.
    pub fn database(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// Private keys, one directory for each agent.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The project's own schemas of event types.
    pub fn schemas(&self) -> PathBuf {
        self.0.join("schemas")
    }

    /// Creates the directory for the owner alone.
    ///
    /// # Errors
    /// The file system's refusal.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        create_private_dir(&self.0)?;
        // It may have existed with another mode.
        fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700))
            .map_err(|e| Failure::io("restrict the mode of", &self.0, &e))
    }

    /// The right to change the settings, until it is dropped.
    ///
    /// # Errors
    /// As [`lock`].
    pub fn lock(&self) -> Result<Lock> {
        lock(&self.0)
    }
}

/// The right to change files of a directory. A process that ends gives it back, however it ends.
#[derive(Debug)]
#[must_use = "what is read and written after it is dropped may be another process's work"]
pub struct Lock {
    _file: File,
}

/// Waits for the right to change files of a directory: held from reading what is to be changed until it
/// is written, no change of another process is lost.
///
/// # Errors
/// `home_busy` if another process keeps it, or the file system's refusal.
pub fn lock(dir: &Path) -> Result<Lock> {
    lock_within(dir, LOCK_PATIENCE)
}

fn lock_within(dir: &Path, patience: Duration) -> Result<Lock> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| Failure::io("open", &path, &e))?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) if begun.elapsed() < patience => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    Exit::Database,
                    "home_busy",
                    format!("another process is changing {}", dir.display()),
                )
                .hint("run the command again when it is done"));
            }
            Err(fs::TryLockError::Error(e)) => return Err(Failure::io("lock", &path, &e)),
        }
    }
}

/// Creates a directory, parents included, that only its owner may enter.
///
/// # Errors
/// The file system's refusal.
pub fn create_private_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| Failure::io("create directory", path, &e))
}

/// What to do when the target exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Put the new content in its place.
    Replace,
    /// Leave it and fail with `file_exists`.
    Keep,
}

/// Writes a file for the owner alone, whole or not at all: a temporary file beside it, synced, then
/// moved over the target, then the directory synced.
///
/// # Errors
/// The file system's refusal, or `file_exists`.
pub fn write_private(path: &Path, content: &[u8], existing: Existing) -> Result<()> {
    let dir = path.parent().unwrap_or_else(|| Path::new("."));
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let temporary = dir.join(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()));

    let outcome = write_synced(&temporary, content)
        .map_err(|e| Failure::io("write", path, &e))
        .and_then(|()| publish(&temporary, path, existing));
    // After a rename the temporary name is gone already; after anything else it must go.
    let _ = fs::remove_file(&temporary);
    outcome?;
    File::open(dir)
        .and_then(|handle| handle.sync_all())
        .map_err(|e| Failure::io("sync directory", dir, &e))
}

fn write_synced(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn publish(temporary: &Path, path: &Path, existing: Existing) -> Result<()> {
    match existing {
        Existing::Replace => {
            fs::rename(temporary, path).map_err(|e| Failure::io("write", path, &e))
        }
        // A hard link fails if the name is taken: no window between a check and the write.
        Existing::Keep => fs::hard_link(temporary, path).map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => Failure::new(
                Exit::Refused,
                "file_exists",
                format!("{} exists already", path.display()),
            )
            .hint("choose another name or remove the file first"),
            _ => Failure::io("write", path, &e),
        }),
    }
}

/// Reads a file, or standard input if it is named `-`, of at most `limit` bytes.
///
/// # Errors
/// As [`read_bounded`].
pub fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    if path != Path::new("-") {
        return read_bounded(path, limit);
    }
    let mut content = Vec::new();
    std::io::stdin()
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|e| Failure::io("read", path, &e))?;
    if content.len() as u64 > limit {
        return Err(Failure::usage(
            "file_too_large",
            format!("standard input has more than {limit} bytes"),
        ));
    }
    Ok(content)
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// The file system's refusal, or `file_too_large`.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|e| Failure::io("read", path, &e))?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > limit {
        return Err(Failure::usage(
            "file_too_large",
            format!("{} is larger than {limit} bytes", path.display()),
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn private_files_are_readable_by_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("state"));
        home.create().unwrap();
        let file = home.path().join("x");
        write_private(&file, b"secret", Existing::Keep).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.path()), 0o700);
        assert_eq!(mode(&file), 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_existing_file_is_kept_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x");
        write_private(&file, b"first", Existing::Keep).unwrap();
        let refusal = write_private(&file, b"second", Existing::Keep).unwrap_err();
        assert_eq!(refusal.code, "file_exists");
        assert_eq!(fs::read(&file).unwrap(), b"first");
        write_private(&file, b"third", Existing::Replace).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"third");
    }

    #[test]
    fn one_at_a_time_changes_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let busy = lock_within(dir.path(), Duration::from_millis(50)).unwrap_err();
        assert_eq!((busy.code, busy.exit), ("home_busy", Exit::Database));
        drop(held);
        let _again = lock_within(dir.path(), Duration::ZERO).unwrap();
        let mode = fs::metadata(dir.path().join(LOCK)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn the_nearest_enclosing_project_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(Home::discover(&inner).path(), inner.join(DIRECTORY));
        fs::create_dir_all(dir.path().join(DIRECTORY)).unwrap();
        fs::write(dir.path().join(DIRECTORY).join("sync.json"), "{}").unwrap();
        assert_eq!(Home::discover(&inner).path(), dir.path().join(DIRECTORY));
    }
}
