// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runs the real binary in a directory of its own.

#![allow(dead_code, reason = "every test file uses its own part of this module")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// An amount that no hash or time contains by chance.
pub(crate) const AMOUNT: &str = "867530912345";

/// A directory that is gone after the test.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With `inputs.json` of `aml.threshold` 2^40.
    pub(crate) fn with_inputs() -> Self {
        let scratch = Self::new();
        run(&scratch, "gen-inputs -l 1099511627776 -o inputs.json").ok();
        scratch
    }

    /// With `proof.json` too, a bundle.
    pub(crate) fn with_proof() -> Self {
        let scratch = Self::with_inputs();
        run(
            &scratch,
            &format!("prove -a {AMOUNT} -l 1099511627776 -i inputs.json -o proof.json --json"),
        )
        .ok();
        scratch
    }

    /// With `inputs.json`, `proof.b64` and the file `commitment`.
    pub(crate) fn with_bare_proof() -> Self {
        let scratch = Self::with_inputs();
        let made = run(
            &scratch,
            &format!("prove -a {AMOUNT} -l 1099511627776 -i inputs.json -o proof.b64"),
        )
        .ok();
        let line = made
            .stderr
            .lines()
            .find(|line| line.starts_with("commitment:"));
        scratch.write(
            "commitment",
            line.unwrap().split_whitespace().last().unwrap(),
        );
        scratch
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }
}

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.all());
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Fails with an exit code and, in JSON mode, a named reason.
    #[track_caller]
    pub(crate) fn fails(&self, exit: i32, code: &str) {
        assert_eq!(self.code, exit, "{}", self.all());
        assert_eq!(self.json()["error"]["code"], code, "{}", self.all());
    }
}

pub(crate) fn run(scratch: &Scratch, arguments: &str) -> Run {
    run_with(scratch, arguments, &[], "")
}

pub(crate) fn run_with(
    scratch: &Scratch,
    arguments: &str,
    env: &[(&str, &str)],
    stdin: &str,
) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ves-stark"))
        .args(arguments.split_whitespace())
        .current_dir(scratch.0.path())
        .env_remove("STATESET_API_KEY")
        .env_remove("VES_STARK_AMOUNT")
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that reads nothing may be over before this is written.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A base64 proof's bytes after a change.
pub(crate) fn edit(proof: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = STANDARD.decode(proof.trim()).unwrap();
    change(&mut bytes);
    bytes
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
