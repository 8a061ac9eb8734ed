// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A clock that is wrong, for one node. `libfaketime` would do, but it waits for ever in a program whose
//! allocator asks for the time, as jemalloc does.

use crate::process::run;
use anyhow::Result;
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

const SOURCE: &str = include_str!("clock.c");

/// The clock of a node. Its right time comes back with a start without it.
#[derive(Clone)]
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// Compiles what a node loads; its files are called `name`. The clock is right at first.
    pub(crate) fn make(dir: &Path, name: &str) -> Result<Self> {
        let clock = Self {
            library: dir.join(format!("{name}.so")),
            file: dir.join(name),
        };
        let source = dir.join(format!("{name}.c"));
        fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-o"]);
        run(compiler.arg(&clock.library).arg(&source))?;
        clock.set(0)?;
        Ok(clock)
    }

    /// Sets it off by so many seconds, at once. The file keeps its length: programs have it mapped.
    pub(crate) fn set(&self, seconds: i64) -> Result<()> {
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true);
        Ok(file
            .open(&self.file)?
            .write_all_at(&seconds.to_ne_bytes(), 0)?)
    }

    /// Has a command run by it.
    pub(crate) fn rule(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("VES_CLOCK", &self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{BufRead, BufReader, Write},
        process::Stdio,
        time::{SystemTime, UNIX_EPOCH},
    };

    #[test]
    fn a_programs_clock_is_off_and_jumps_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Clock::make(dir.path(), "clock").unwrap();
        clock.set(30).unwrap();
        // One process that tells the time whenever it is asked.
        let mut command = Command::new("bash");
        command.args(["-c", r#"while read -r; do printf '%(%s)T\n'; done"#]);
        clock.rule(&mut command);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut ask = child.stdin.take().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let now = || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            i64::try_from(now.as_secs()).unwrap()
        };
        let mut is_off_by = |offset: i64| {
            let before = now();
            ask.write_all(b"\n").unwrap();
            let mut line = String::new();
            told.read_line(&mut line).unwrap();
            let told = line.trim().parse::<i64>().unwrap() - offset;
            (before - 2..=now() + 1).contains(&told)
        };
        assert!(is_off_by(30));
        clock.set(-2).unwrap();
        assert!(is_off_by(-2));
        drop(ask);
        child.wait().unwrap();
    }
}
