// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Where the scenario plays: the programs, the working directory, the commands typed so far.

use crate::{
    processes::{Finished, Guard, Process, run, spawn},
    report::{Evidence, Reporter},
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use rand::RngCore;
use serde_json::Value;
use std::{
    ffi::OsStr,
    fmt::Display,
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::process::Command;

/// Longest time one claim may take.
const CLAIM_DEADLINE: Duration = Duration::from_secs(400);

/// The scenario cannot go on: a claim failed on which the rest builds.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The programs under demonstration.
pub(crate) struct Tools {
    pub(crate) node: PathBuf,
    pub(crate) cli: PathBuf,
    pub(crate) relay: PathBuf,
    pub(crate) contracts: PathBuf,
    /// This program, for its own subcommands.
    pub(crate) demo: PathBuf,
}

impl Tools {
    /// Finds what is not named beside this program, and makes sure that everything is there.
    pub(crate) fn find(
        node: Option<PathBuf>,
        cli: Option<PathBuf>,
        relay: Option<PathBuf>,
        contracts: Option<PathBuf>,
    ) -> Result<Self> {
        let demo = std::env::current_exe()?;
        let beside = |given: Option<PathBuf>, name: &str, flag: &str| {
            let path = given.unwrap_or_else(|| demo.with_file_name(name));
            ensure!(
                path.is_file(),
                "{} is missing: build the workspace, or give {flag}",
                path.display()
            );
            path.canonicalize()
                .with_context(|| path.display().to_string())
        };
        let here = std::env::current_dir()?;
        let contracts = contracts
            .or_else(|| {
                let above = demo.ancestors().chain(here.ancestors());
                above
                    .map(|dir| dir.join("contracts"))
                    .find(|dir| dir.join("script/deploy.mjs").is_file())
            })
            .ok_or_else(|| anyhow!("no contracts/ above this program or here: give --contracts"))?
            .canonicalize()
            .context("--contracts")?;
        for tool in ["anvil", "cast"] {
            let path = contracts.join("node_modules/.bin").join(tool);
            ensure!(
                path.exists(),
                "{} is missing: run scripts/setup.sh",
                path.display()
            );
        }
        Ok(Self {
            node: beside(node, "ves-node", "--node-bin")?,
            cli: beside(cli, "stateset-sync", "--cli-bin")?,
            relay: beside(relay, "anchor-relay", "--relay-bin")?,
            contracts,
            demo: demo.clone(),
        })
    }

    /// A program of the contracts' node packages.
    pub(crate) fn package(&self, name: &str) -> PathBuf {
        self.contracts.join("node_modules/.bin").join(name)
    }
}

/// Where the scenario plays.
pub(crate) struct Stage {
    pub(crate) tools: Tools,
    pub(crate) dir: PathBuf,
    pub(crate) report: Reporter,
    pub(crate) guard: Arc<Guard>,
    /// Typed since the last claim.
    commands: Vec<String>,
}

impl Stage {
    /// An empty stage in this directory.
    pub(crate) fn new(tools: Tools, dir: &Path, report: Reporter) -> Result<Self> {
        Ok(Self {
            tools,
            dir: dir.to_owned(),
            report,
            guard: Guard::start()?,
            commands: Vec::new(),
        })
    }

    /// A file of the working directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// Notes a command that a user could type for what is about to happen.
    pub(crate) fn typed(&mut self, command: impl Into<String>) {
        self.commands.push(command.into());
    }

    /// Settles a claim on which later ones build.
    pub(crate) async fn claim<T>(
        &mut self,
        id: &'static str,
        text: &'static str,
        show: impl AsyncFnOnce(&mut Self) -> Result<(T, Evidence)>,
    ) -> Result<T, Stopped> {
        let (outcome, took) = self.show(show).await;
        let commands = std::mem::take(&mut self.commands);
        let (value, outcome) = match outcome {
            Ok((value, evidence)) => (Some(value), Ok(evidence)),
            Err(error) => (None, Err(format!("{error:#}"))),
        };
        self.report.settle(id, text, commands, outcome, took);
        value.ok_or_else(|| {
            self.report
                .stop(format!("claim {id} failed and the rest builds on it"));
            Stopped
        })
    }

    /// Settles a claim on which nothing builds: the scenario goes on whatever comes out.
    pub(crate) async fn check(
        &mut self,
        id: &'static str,
        text: &'static str,
        show: impl AsyncFnOnce(&mut Self) -> Result<Evidence>,
    ) {
        let (outcome, took) = self.show(show).await;
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        let commands = std::mem::take(&mut self.commands);
        self.report.settle(id, text, commands, outcome, took);
    }

    async fn show<T>(
        &mut self,
        show: impl AsyncFnOnce(&mut Self) -> Result<T>,
    ) -> (Result<T>, Duration) {
        self.commands.clear();
        let (began, guard) = (Instant::now(), Arc::clone(&self.guard));
        let outcome = tokio::select! {
            outcome = show(self) => outcome,
            error = guard.await_casualty() => Err(error),
            () = tokio::time::sleep(CLAIM_DEADLINE) => {
                let seconds = CLAIM_DEADLINE.as_secs();
                Err(anyhow!("not settled within {seconds} s; see the logs of the programs"))
            }
        };
        // What failed may only be the echo of a program that is gone: name the cause.
        let outcome = outcome.map_err(|error| match guard.casualty() {
            Some(cause) if !error.to_string().contains("ended unasked") => {
                anyhow!("{error:#}\n{cause}")
            }
            _ => error,
        });
        (outcome, began.elapsed())
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        writeln!(file, "{text}")?;
        Ok(path)
    }
}

/// A command under construction: as it runs and as a user would type it.
pub(crate) struct Typed {
    command: Command,
    shown: String,
    /// Relative name of the directory it runs in.
    place: String,
}

impl Typed {
    /// A program to run in `dir`, relative to the stage. It sees none of the caller's settings.
    pub(crate) fn new(stage: &Stage, program: &Path, shown: &str, dir: &str) -> Self {
        let home = stage.path(dir);
        let mut command = Command::new(program);
        command
            .current_dir(&home)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &home)
            .env("NO_COLOR", "1");
        Self {
            command,
            shown: shown.to_owned(),
            place: dir.to_owned(),
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = arg.as_ref();
        self.command.arg(arg);
        self.shown = format!("{} {}", self.shown, quoted(&arg.to_string_lossy()));
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}={} {}", quoted(value), self.shown);
        self
    }

    /// Shows that the output goes to a file; the caller writes it.
    pub(crate) fn shown_into(mut self, file: &str) -> Self {
        self.shown = format!("{} > {}", self.shown, quoted(file));
        self
    }

    /// The command as text; where it runs stands before it.
    pub(crate) fn text(&self) -> String {
        if self.place.is_empty() {
            self.shown.clone()
        } else {
            format!("({}) {}", self.place, self.shown)
        }
    }

    /// Notes it as typed and hands it out for a program that runs in the background.
    pub(crate) fn into_command(self, stage: &mut Stage) -> Command {
        stage.typed(self.text());
        self.command
    }

    /// Starts it without waiting for its end.
    pub(crate) fn spawn(mut self, stage: &mut Stage) -> Result<Process> {
        stage.typed(self.text());
        spawn(&stage.guard, &mut self.command)
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self, stage: &mut Stage) -> Result<Finished> {
        stage.typed(self.text());
        run(&stage.guard, &mut self.command).await
    }

    /// Runs it to its end without showing it: a look repeated until something happens.
    pub(crate) async fn run_quietly(mut self, guard: &Arc<Guard>) -> Result<Finished> {
        run(guard, &mut self.command).await
    }
}

fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What `stateset-sync --json` answered.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) json: Value,
}

impl Answer {
    /// Reads the one object on stdout.
    pub(crate) fn read(finished: &Finished) -> Result<Self> {
        let json = serde_json::from_str(&finished.stdout).map_err(|error| {
            let (code, err) = (finished.code, finished.stderr.trim());
            anyhow!("no JSON on stdout ({error}), exit code {code:?}, stderr: {err}")
        })?;
        Ok(Self {
            code: finished.code,
            json,
        })
    }

    /// The object of a command that succeeded.
    pub(crate) fn success(self) -> Result<Value> {
        match self.code {
            Some(0) => Ok(self.json),
            code => bail!("exit code {code:?}: {}", self.problem()),
        }
    }

    /// The object of a command that ended with this exit code.
    pub(crate) fn failure(self, code: i32) -> Result<Value> {
        ensure!(
            self.code == Some(code),
            "exit code {:?} instead of {code}: {}",
            self.code,
            self.problem()
        );
        Ok(self.json)
    }

    fn problem(&self) -> String {
        let error = &self.json["error"];
        if error.is_null() {
            self.json.to_string()
        } else {
            error.to_string()
        }
    }
}

/// A field that must be there.
pub(crate) fn field<'a>(json: &'a Value, pointer: &str) -> Result<&'a Value> {
    json.pointer(pointer)
        .filter(|value| !value.is_null())
        .ok_or_else(|| anyhow!("no {pointer} in {json}"))
}

/// A text field that must be there.
pub(crate) fn text(json: &Value, pointer: &str) -> Result<String> {
    field(json, pointer)?
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("{pointer} is no text"))
}

/// A number field that must be there.
pub(crate) fn number(json: &Value, pointer: &str) -> Result<u64> {
    field(json, pointer)?
        .as_u64()
        .ok_or_else(|| anyhow!("{pointer} is no number"))
}

/// A list field that must be there.
pub(crate) fn list<'a>(json: &'a Value, pointer: &str) -> Result<&'a [Value]> {
    let value = field(json, pointer)?;
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| anyhow!("{pointer} is no list"))
}

/// Two values that must be the same.
pub(crate) fn same<T: PartialEq + Display>(what: &str, seen: T, wanted: T) -> Result<()> {
    ensure!(seen == wanted, "{what} is {seen}, expected {wanted}");
    Ok(())
}

/// A fresh random UUID.
pub(crate) fn fresh_uuid() -> [u8; 16] {
    let mut bytes = fresh::<16>();
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = (*version & 0x0f) | 0x40;
    *variant = (*variant & 0x3f) | 0x80;
    bytes
}

/// Fresh random bytes.
pub(crate) fn fresh<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    rand::rngs::OsRng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_commands_can_be_pasted_into_a_shell() {
        assert_eq!(quoted("ws://127.0.0.1:9944"), "ws://127.0.0.1:9944");
        assert_eq!(quoted(r#"{"total":1}"#), r#"'{"total":1}'"#);
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn fresh_ids_are_random_uuids() {
        let id = ves_primitives::TenantId(fresh_uuid()).to_string();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
        assert_ne!(fresh_uuid(), fresh_uuid());
    }
}
