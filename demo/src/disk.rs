// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A disk that can be filled: a small file system in memory.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// Size of a disk of our own, bytes.
const SIZE: u64 = 2 * 1024 * 1024;
/// Largest shared memory that is filled instead: what containers get, and no machine's real one.
const BORROWED_MAX: u64 = 128 * 1024 * 1024;
/// What such file systems hand out at a time, bytes.
const PAGE: u64 = 4_096;
const SHARED_MEMORY: &str = "/dev/shm";
const BALLAST: &str = "ballast";

/// A directory on a small disk, gone with this value.
pub(crate) struct SmallDisk {
    /// Where it is.
    dir: PathBuf,
    /// How it came about.
    pub(crate) kind: &'static str,
    /// Directory on a borrowed file system.
    borrowed: Option<PathBuf>,
}

impl SmallDisk {
    /// Makes `dir` such a directory: a file system of its own where mounting is allowed, otherwise a
    /// part of the small shared memory that containers have.
    pub(crate) fn make(dir: &Path) -> Result<Self> {
        fs::create_dir(dir)?;
        let options = format!("size={SIZE},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir)
            .output()
            .context("mount")?;
        if mounted.status.success() {
            return Ok(Self {
                dir: dir.to_owned(),
                kind: "tmpfs of its own",
                borrowed: None,
            });
        }
        let (kind, room) = file_system(Path::new(SHARED_MEMORY))?;
        if kind != "tmpfs" || room > BORROWED_MAX {
            bail!(
                "no small disk: {} (run it as root, or through `unshare --map-root-user --mount`), \
                 and {SHARED_MEMORY} is a {kind} with {room} bytes",
                String::from_utf8_lossy(&mounted.stderr).trim()
            );
        }
        let borrowed = Path::new(SHARED_MEMORY).join(format!("ves-demo-{}", std::process::id()));
        fs::create_dir(&borrowed)?;
        fs::remove_dir(dir)?;
        symlink(&borrowed, dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            kind: "shared memory",
            borrowed: Some(borrowed),
        })
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join(BALLAST)
    }

    /// Takes all the room there is; returns how much that was.
    pub(crate) fn fill(&self) -> Result<u64> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.ballast())?;
        let page = [0u8; PAGE as usize];
        loop {
            match file.write(&page) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error.into()),
            }
        }
        let (_, room) = file_system(&self.dir)?;
        ensure!(room == 0, "{room} bytes are left on the full disk");
        Ok(file.metadata()?.len())
    }

    /// Gives one page back.
    pub(crate) fn give_a_page(&self) -> Result<()> {
        let file = File::options().write(true).open(self.ballast())?;
        let rest = file.metadata()?.len().checked_sub(PAGE);
        Ok(file.set_len(rest.context("nothing is left to give back")?)?)
    }

    /// Gives all room back.
    pub(crate) fn make_room(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match &self.borrowed {
            Some(dir) => {
                let _ = fs::remove_dir_all(dir);
            }
            // Lazily: programs may have files open in it until they are killed.
            None => {
                let _ = Command::new("umount").arg("-l").arg(&self.dir).output();
            }
        }
    }
}

/// Type of the file system and its room in bytes.
fn file_system(path: &Path) -> Result<(String, u64)> {
    let done = Command::new("df")
        .args(["--output=fstype,avail", "-B1"])
        .arg(path)
        .output()
        .context("df")?;
    let text = String::from_utf8(done.stdout)?;
    let line = text.lines().nth(1).unwrap_or_default();
    let (kind, room) = line.trim().split_once(' ').context("df")?;
    Ok((kind.to_owned(), room.trim().parse()?))
}
