// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Child processes, namespaces, mounts and control groups that cannot outlive this program.
//!
//! All of them are known to a small shell that holds the other end of a pipe: when this program ends
//! in whatever way, Ctrl-C and `kill -9` included, the pipe closes and the shell removes what is left.

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for a process that was asked to end.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How often a condition is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(100);

const GUARD: &str = r#"
trap '' INT TERM
groups=" " spaces="" mounts="" boxes=""
while read -r word what; do
    case $word in
        add) groups="$groups$what " ;;
        drop) groups="${groups%% $what *} ${groups#* $what }" ;;
        space) spaces="$spaces $what" ;;
        mount) mounts="$mounts $what" ;;
        box) boxes="$boxes $what" ;;
    esac
done
for group in $groups; do kill -KILL "-$group"; done
for mount in $mounts; do umount -l "$mount"; done
for space in $spaces; do ip netns delete "$space"; done
sleep 0.3
for box in $boxes; do rmdir "$box"; done
"#;

/// Removes everything when this program is gone.
pub(crate) struct Guard(Mutex<Child>);

impl Guard {
    /// Starts the shell.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let shell = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("/bin/sh")?;
        Ok(Arc::new(Self(Mutex::new(shell))))
    }

    /// Notes something to remove: `space`, `mount` or `box` with its name.
    pub(crate) fn note(&self, word: &str, what: impl std::fmt::Display) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = &mut shell.stdin {
            let _ = writeln!(pipe, "{word} {what}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let shell = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        let _ = shell.wait();
    }
}

/// Runs a command to its end and returns what it printed; its failure is an error with its words.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{name} cannot be started"))?;
    ensure!(
        done.status.success(),
        "{name} {}: {}",
        command
            .get_args()
            .map(|arg| arg.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" "),
        String::from_utf8_lossy(&done.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A child in its own process group, its output in a file.
pub(crate) struct Process {
    child: Child,
    guard: Arc<Guard>,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts it. Output is appended, so that a restarted program continues its log.
    pub(crate) fn start(
        guard: &Arc<Guard>,
        name: &str,
        command: &mut Command,
        log: &Path,
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        guard.note("add", child.id());
        Ok(Self {
            child,
            guard: Arc::clone(guard),
            name: name.into(),
            log: log.to_owned(),
        })
    }

    /// Process id, of its group too.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name to the group. The standard library only knows SIGKILL.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let group = format!("-{}", self.child.id());
        run(Command::new("/bin/kill").args([&format!("-{name}"), "--", &group])).map(drop)
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + STOP_MAX;
        while self.ended().is_none() {
            if Instant::now() > deadline {
                bail!("{} does not end; see {}", self.name, self.log.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.ended().is_none() {
            self.signal("KILL")?;
        }
        self.wait()
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if self.ended().is_none() {
            self.signal("TERM")?;
        }
        self.wait()
    }

    /// Waits until the log has this text, in what was written from `from` on.
    pub(crate) fn said(&mut self, from: u64, text: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let from = usize::try_from(from)?;
        loop {
            let log = fs::read(&self.log).unwrap_or_default();
            let new = String::from_utf8_lossy(log.get(from..).unwrap_or_default());
            if new.contains(text) {
                return Ok(());
            }
            if let Some(status) = self.ended() {
                let lines: Vec<_> = new.lines().collect();
                let tail = lines
                    .get(lines.len().saturating_sub(4)..)
                    .unwrap_or_default();
                bail!("{} ended with {status}: {}", self.name, tail.join(" | "));
            }
            if Instant::now() > deadline {
                let log = self.log.display();
                bail!("{} did not say {text:?} in time; see {log}", self.name);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        self.guard.note("drop", self.child.id());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(group: u32) -> bool {
        run(Command::new("/bin/kill").args(["-0", "--", &format!("-{group}")])).is_ok()
    }

    fn sleeper(guard: &Arc<Guard>, dir: &Path) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & echo begun; sleep 60"]);
        Process::start(guard, "sleeper", &mut command, &dir.join("log")).unwrap()
    }

    #[test]
    fn the_guard_kills_whole_groups_when_its_pipe_closes() {
        let dir = tempfile::tempdir().unwrap();
        let guard = Guard::start().unwrap();
        let process = std::mem::ManuallyDrop::new(sleeper(&guard, dir.path()));
        assert!(alive(process.id()));
        drop(guard.0.lock().unwrap().stdin.take());
        guard.0.lock().unwrap().wait().unwrap();
        // Nobody waits for it, so that a trace of it stays.
        let stat = format!("/proc/{}/stat", process.id());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(&stat).unwrap().contains(") Z") {
            assert!(Instant::now() < deadline, "it lives");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_process_is_stopped_continued_and_killed() {
        let dir = tempfile::tempdir().unwrap();
        let guard = Guard::start().unwrap();
        let mut process = sleeper(&guard, dir.path());
        process.said(0, "begun", Duration::from_secs(60)).unwrap();
        process.signal("STOP").unwrap();
        process.signal("CONT").unwrap();
        assert!(process.ended().is_none());
        process.kill().unwrap();
        assert!(process.ended().is_some());
    }

    #[test]
    fn a_program_that_ends_before_it_speaks_is_an_error_with_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let guard = Guard::start().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no disk; exit 3"]);
        let log = dir.path().join("log");
        let mut process = Process::start(&guard, "it", &mut command, &log).unwrap();
        let error = process
            .said(0, "ready", Duration::from_secs(60))
            .unwrap_err();
        let error = error.to_string();
        assert!(error.contains("no disk") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let error = run(Command::new("/bin/sh").args(["-c", "echo why >&2; exit 1"]));
        assert!(error.unwrap_err().to_string().contains("why"));
    }
}
