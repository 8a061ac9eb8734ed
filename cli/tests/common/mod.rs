// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary in a directory of its own, cut off from the caller's settings.

#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod node;

use serde_json::Value;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(crate) const TENANT: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const STORE: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const AGENT: &str = "33333333-3333-4333-8333-333333333333";
/// Nothing listens there.
pub(crate) const NO_NODE: &str = "ws://127.0.0.1:1";

pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr));
        assert!(value["schema"].is_string(), "{value}");
        assert_eq!(value["version"], 1, "{value}");
        value
    }

    /// The error's code; its message is not empty.
    pub(crate) fn error(&self) -> String {
        let value = self.json();
        assert!(
            !value["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .is_empty(),
            "{value}"
        );
        value["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

pub(crate) struct Project {
    pub(crate) dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn empty() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Initialised without a node.
    pub(crate) fn new() -> Self {
        let project = Self::empty();
        let outcome = project.run(&[
            "init",
            "--offline",
            "--json",
            "--node",
            NO_NODE,
            "--tenant",
            TENANT,
            "--store",
            STORE,
            "--agent",
            AGENT,
        ]);
        assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join(".stateset")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stateset-sync"));
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        finish(self.command(args))
    }

    pub(crate) fn run_env(&self, args: &[&str], env: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        finish(command)
    }

    pub(crate) fn run_stdin(&self, args: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        outcome(child.wait_with_output().unwrap())
    }

    /// Describes an event type.
    pub(crate) fn schema(&self, event_type: &str, schema: &str) {
        let folder = self.state().join("schemas");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{event_type}.json")), schema).unwrap();
    }

    /// Captures an event of this type.
    pub(crate) fn append_typed(&self, event_type: &str, payload: &str, more: &[&str]) -> Outcome {
        let args = [
            "append",
            "--json",
            "--entity-type",
            "note",
            "--entity-id",
            "N-1",
        ];
        let typed = ["--event-type", event_type, "--payload", payload];
        self.run(&[&args[..], &typed[..], more].concat())
    }

    pub(crate) fn append(&self, payload: &str) -> Outcome {
        self.run(&[
            "append",
            "--json",
            "--entity-type",
            "order",
            "--entity-id",
            "A-1",
            "--event-type",
            "order.created",
            "--payload",
            payload,
        ])
    }
}

fn finish(mut command: Command) -> Outcome {
    outcome(command.output().unwrap())
}

fn outcome(output: std::process::Output) -> Outcome {
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
