// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Child processes that cannot outlive the demo.
//!
//! Each child leads its own process group. The groups are known to a small shell that holds the
//! other end of a pipe: when this program ends in whatever way, even by `kill -9`, the pipe closes
//! and the shell kills what is left.

use anyhow::{Context, Result, anyhow, bail};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// How often a condition is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// Longest life of a command that is expected to end.
const COMMAND_DEADLINE: Duration = Duration::from_secs(120);
/// Longest wait for a process that was asked to end.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
/// Lines of a log shown when its process failed.
const TAIL_LINES: usize = 8;

const GUARD: &str = r#"
groups=" "
while read -r word group; do
    case $word in
        add) groups="$groups$group " ;;
        drop) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
"#;

/// Kills every registered process group when this program is gone, and notices when one of the
/// programs that must run does not.
pub(crate) struct Guard {
    shell: Mutex<std::process::Child>,
    watched: Mutex<Vec<Watched>>,
}

/// A program whose end would be a surprise.
struct Watched {
    name: &'static str,
    group: u32,
    log: PathBuf,
}

impl Guard {
    /// Starts the shell.
    pub(crate) fn start() -> Result<Arc<Self>> {
        let shell = std::process::Command::new("/bin/sh")
            .args(["-c", GUARD])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("/bin/sh")?;
        Ok(Arc::new(Self {
            shell: Mutex::new(shell),
            watched: Mutex::default(),
        }))
    }

    fn watched(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwatch(&self, group: u32) {
        self.watched().retain(|program| program.group != group);
    }

    /// The program that has ended although nobody stopped it, if there is one.
    pub(crate) fn casualty(&self) -> Option<anyhow::Error> {
        let watched = self.watched();
        let program = watched.iter().find(|program| has_ended(program.group))?;
        let (name, log) = (program.name, program.log.display());
        Some(anyhow!(
            "{name} ended unasked; see {log}:\n{}",
            tail(&program.log)
        ))
    }

    /// Waits for a casualty.
    pub(crate) async fn await_casualty(&self) -> anyhow::Error {
        loop {
            if let Some(error) = self.casualty() {
                return error;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn tell(&self, word: &str, group: u32) {
        let mut shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = &mut shell.stdin {
            let _ = writeln!(pipe, "{word} {group}");
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let shell = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        let _ = shell.wait();
    }
}

/// Whether a child is gone or waits to be collected.
fn has_ended(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name before the state is in parentheses and may itself contain some.
    stat.rsplit_once(") ")
        .is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Sends a signal to a process group. The standard library only knows SIGKILL to one process.
fn signal(name: &str, group: u32) {
    let _ = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("kill -{name} -{group}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// A child in its own process group.
pub(crate) struct Process {
    child: Child,
    group: u32,
    guard: Arc<Guard>,
}

impl Process {
    fn spawn(guard: &Arc<Guard>, command: &mut Command) -> Result<Self> {
        let name = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        let child = command
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let group = child.id().ok_or_else(|| anyhow!("{name} ended at once"))?;
        guard.tell("add", group);
        Ok(Self {
            child,
            group,
            guard: Arc::clone(guard),
        })
    }

    /// Process id.
    pub(crate) const fn id(&self) -> u32 {
        self.group
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        signal("KILL", self.group);
        tokio::time::timeout(STOP_DEADLINE, self.child.wait())
            .await
            .map_err(|_| anyhow!("process {} survived kill -9", self.group))??;
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<String>> {
        Ok(self.child.try_wait()?.map(|status| status.to_string()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.guard.unwatch(self.group);
        signal("KILL", self.group);
        self.guard.tell("drop", self.group);
    }
}

/// What a command printed and returned.
pub(crate) struct Finished {
    /// Exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Starts a command whose output will be collected.
pub(crate) fn spawn(guard: &Arc<Guard>, command: &mut Command) -> Result<Process> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Process::spawn(guard, command)
}

/// Runs a command to its end.
pub(crate) async fn run(guard: &Arc<Guard>, command: &mut Command) -> Result<Finished> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let mut process = spawn(guard, command)?;
    let (mut out, mut err) = (process.child.stdout.take(), process.child.stderr.take());
    let work = async {
        let (stdout, stderr) = tokio::join!(read(&mut out), read(&mut err));
        Ok::<_, anyhow::Error>((process.child.wait().await?, stdout?, stderr?))
    };
    let (status, stdout, stderr) = tokio::time::timeout(COMMAND_DEADLINE, work)
        .await
        .map_err(|_| anyhow!("{name} did not end within {} s", COMMAND_DEADLINE.as_secs()))??;
    Ok(Finished {
        code: status.code(),
        stdout,
        stderr,
    })
}

async fn read(pipe: &mut Option<impl tokio::io::AsyncRead + Unpin>) -> Result<String> {
    use tokio::io::AsyncReadExt;
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A program that runs beside the scenario, with its output in a log file.
pub(crate) struct Service {
    name: &'static str,
    process: Process,
    log: PathBuf,
}

impl Service {
    /// Starts it. Output is appended, so that a restarted program continues its log.
    pub(crate) fn start(
        guard: &Arc<Guard>,
        name: &'static str,
        command: &mut Command,
        log: PathBuf,
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let process = Process::spawn(guard, command)?;
        guard.watched().push(Watched {
            name,
            group: process.group,
            log: log.clone(),
        });
        Ok(Self { name, process, log })
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Process id.
    pub(crate) const fn id(&self) -> u32 {
        self.process.id()
    }

    /// An error if it is not running any more.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.ended()? {
            None => Ok(()),
            Some(status) => {
                let tail = tail(&self.log);
                bail!(
                    "{} ended with {status}; see {}:\n{tail}",
                    self.name,
                    self.log.display()
                )
            }
        }
    }

    /// Waits for a text in the log and returns what follows it up to the next blank or comma.
    pub(crate) async fn word_after(&mut self, marker: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let text = fs::read_to_string(&self.log).unwrap_or_default();
            let found = text.split_once(marker).and_then(|(_, rest)| {
                // Only a complete word: the line may be half-written.
                let end = rest.find(|c: char| c.is_whitespace() || c == ',')?;
                rest.get(..end).map(str::to_owned)
            });
            if let Some(word) = found {
                return Ok(word);
            }
            self.check()?;
            if Instant::now() >= deadline {
                let (name, log) = (self.name, self.log.display());
                bail!(
                    "{name} did not say {marker:?} within {} s; see {log}",
                    limit.as_secs()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.check()?;
        self.process.guard.unwatch(self.id());
        self.process.kill().await
    }

    /// Asks it to end (SIGTERM) and waits until it has; returns how it ended.
    pub(crate) async fn stop(&mut self) -> Result<String> {
        self.check()?;
        self.process.guard.unwatch(self.id());
        signal("TERM", self.process.group);
        let status = tokio::time::timeout(STOP_DEADLINE, self.process.child.wait())
            .await
            .map_err(|_| {
                anyhow!(
                    "{} does not end on SIGTERM; see {}",
                    self.name,
                    self.log.display()
                )
            })??;
        Ok(status.to_string())
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(TAIL_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

/// Looks at a condition until it holds. `what` completes "waited in vain for …"; `log` is where to
/// look for the cause.
pub(crate) async fn wait_for<T>(
    what: &str,
    log: &Path,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = match look().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= deadline {
            let why = last.map(|error| format!(": {error:#}")).unwrap_or_default();
            let (seconds, tail, log) = (limit.as_secs(), tail(log), log.display());
            bail!("waited {seconds} s in vain for {what}{why}; see {log}:\n{tail}");
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(group: u32) -> bool {
        std::process::Command::new("/bin/sh")
            .args(["-c", &format!("kill -0 -{group} 2>/dev/null")])
            .status()
            .unwrap()
            .success()
    }

    fn sleeper(guard: &Arc<Guard>) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 60 & sleep 60"]);
        spawn(guard, &mut command).unwrap()
    }

    #[tokio::test]
    async fn a_dropped_process_takes_its_children_along() {
        let guard = Guard::start().unwrap();
        let process = sleeper(&guard);
        let group = process.id();
        assert!(alive(group));
        drop(process);
        wait_for(
            "its end",
            Path::new("-"),
            Duration::from_secs(60),
            async || Ok((!alive(group)).then_some(())),
        )
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn the_guard_kills_what_was_never_dropped() {
        let guard = Guard::start().unwrap();
        let dropped = sleeper(&guard).id();
        let process = sleeper(&guard);
        let group = process.id();
        // Like kill -9 of this program: no destructor of the process runs, the pipe just closes.
        let mut process = std::mem::ManuallyDrop::new(process);
        drop(guard.shell.lock().unwrap().stdin.take());
        wait_for(
            "its end",
            Path::new("-"),
            Duration::from_secs(60),
            async || {
                process.ended()?;
                Ok((!alive(group) && !alive(dropped)).then_some(()))
            },
        )
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_wait_in_vain_names_the_log() {
        let log = Path::new("node.log");
        let outcome = wait_for("a miracle", log, Duration::ZERO, async || Ok(None::<()>)).await;
        let text = outcome.unwrap_err().to_string();
        assert!(
            text.contains("a miracle") && text.contains("node.log"),
            "{text}"
        );
    }
}
