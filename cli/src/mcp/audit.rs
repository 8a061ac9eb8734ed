// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The audit log: one JSON line for each call, on the disk before the answer leaves.
//!
//! Each line names the SHA-256 of the line before it, so that a line that was changed, removed or
//! put in breaks the chain. Whoever may write the file can write all of it anew: to be safe from
//! the machine's own users, ship the lines elsewhere. Arguments are in it by their hash only.

use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
    output::Report,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};
use ves_primitives::sha256;

/// Longest line that is written, and that the check reads as one.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// What the first line names as the one before it.
const NOTHING_BEFORE: [u8; 32] = [0; 32];
/// Most event ids in one line.
pub(super) const MAX_EVENT_IDS: usize = 256;

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// About to change something.
    Begun,
    /// Waits for a person's answer.
    Asked,
    /// Done.
    Done,
    /// Tried, and failed.
    Failed,
    /// Not tried.
    Refused,
}

/// Who calls, what, and how it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) time: String,
    /// One run of the server.
    pub(super) run: String,
    pub(super) transport: String,
    pub(super) client: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) mode: String,
    /// Tool, resource or prompt.
    pub(super) call: String,
    pub(super) arguments_hash: String,
    pub(super) verdict: Verdict,
    /// Code of the failure.
    pub(super) code: Option<String>,
    pub(super) event_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// SHA-256 of the line before, without its end.
    previous: String,
    #[serde(flatten)]
    record: Record,
}

/// A log open for appending.
pub(super) struct Audit {
    path: PathBuf,
    file: Mutex<File>,
}

fn hex32(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

fn unavailable(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Unexpected,
        "audit_unavailable",
        format!("cannot write the audit log {}: {error}", path.display()),
    )
    .hint("nothing is done without it: make room, check owner and mode, then try again")
}

impl Audit {
    /// Opens the log, for its owner alone.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| unavailable(path, e))?;
        // It may have existed with another mode.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .map_err(|e| unavailable(path, e))?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }

    /// Appends a record and waits until the disk has it. Servers that share a log take turns.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(super) fn write(&self, record: Record) -> Result<()> {
        let mut file = self
            .file
            .lock()
            .map_err(|_| unavailable(&self.path, "a writer failed before"))?;
        file.lock().map_err(|e| unavailable(&self.path, e))?;
        let written = append(&mut file, record).map_err(|e| unavailable(&self.path, e));
        let unlocked = file.unlock().map_err(|e| unavailable(&self.path, e));
        written.and(unlocked)
    }
}

fn append(file: &mut File, record: Record) -> std::io::Result<()> {
    let last = last_line(file)?;
    let mut text = String::new();
    if last.as_ref().is_some_and(|last| !last.ended) {
        // A crash tore this line. It stays as it is, and the chain goes on over it.
        text.push('\n');
    }
    let previous = last.map_or(NOTHING_BEFORE, |last| sha256(&last.text));
    let line = Line {
        previous: hex32(&previous),
        record,
    };
    text.push_str(&serde_json::to_string(&line)?);
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

struct LastLine {
    text: Vec<u8>,
    ended: bool,
}

fn last_line(file: &mut File) -> std::io::Result<Option<LastLine>> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_LINE_BYTES)))?;
    let mut tail = Vec::new();
    file.take(MAX_LINE_BYTES).read_to_end(&mut tail)?;
    let ended = tail.last() == Some(&b'\n');
    if ended {
        tail.pop();
    }
    let start = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at.saturating_add(1));
    Ok(Some(LastLine {
        text: tail.split_off(start),
        ended,
    }))
}

/// A record of now, about which nothing is known yet.
impl Record {
    pub(super) fn new(call: &str, verdict: Verdict) -> Self {
        Self {
            time: now_rfc3339(),
            run: String::new(),
            transport: String::new(),
            client: None,
            protocol: None,
            mode: String::new(),
            call: call.to_owned(),
            arguments_hash: hex32(&NOTHING_BEFORE),
            verdict,
            code: None,
            event_ids: Vec::new(),
        }
    }

    /// Names the arguments by the hash of their JSON text.
    #[must_use]
    pub(super) fn arguments(mut self, text: &str) -> Self {
        self.arguments_hash = hex32(&sha256(text.as_bytes()));
        self
    }
}

/// Whether the log is one unbroken chain.
///
/// # Errors
/// The file system's refusal. What is broken is in the report.
pub(super) fn check(path: &Path) -> Result<Report> {
    let file = File::open(path).map_err(|e| Failure::io("read", path, &e))?;
    let mut reader = BufReader::new(file);
    let (mut lines, mut torn, mut previous) = (0u64, 0u64, NOTHING_BEFORE);
    let mut broken = None;
    loop {
        let mut text = Vec::new();
        let read = (&mut reader)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut text)
            .map_err(|e| Failure::io("read", path, &e))?;
        if read == 0 {
            break;
        }
        lines = lines.saturating_add(1);
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        match serde_json::from_slice::<Line>(&text) {
            Ok(line) if line.previous == hex32(&previous) => {}
            Ok(_) => {
                broken.get_or_insert(lines);
            }
            Err(_) => torn = torn.saturating_add(1),
        }
        previous = sha256(&text);
    }
    let failure = broken.map(|line| {
        Failure::new(
            Exit::NotVerified,
            "audit_broken",
            format!(
                "line {line} of {} does not follow the one before it",
                path.display()
            ),
        )
        .hint("somebody changed the log: compare it with a copy kept elsewhere")
    });
    Ok(Report::new("ves.cli.mcp.audit")
        .field("file", path)
        .field("lines", lines)
        .field("torn_lines", torn)
        .field("unbroken", broken.is_none())
        .field("last", hex32(&previous))
        .line(format!("{lines} lines, {torn} torn by a crash"))
        .line(match broken {
            None => "unbroken".to_owned(),
            Some(line) => format!("BROKEN at line {line}"),
        })
        .failing(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn record(call: &str) -> Record {
        Record::new(call, Verdict::Done).arguments("{}")
    }

    fn log_of(calls: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        // Opened anew for each line, as by servers that follow each other.
        for call in calls {
            Audit::open(&path).unwrap().write(record(call)).unwrap();
        }
        (dir, path)
    }

    fn verdict(path: &Path) -> Option<&'static str> {
        check(path).unwrap().failure.map(|failure| failure.code)
    }

    #[test]
    fn lines_follow_each_other_and_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path) = log_of(&["a", "b", "c"]);
        assert_eq!(verdict(&path), None);
        assert_eq!(check(&path).unwrap().to_json()["lines"], 3);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_changed_a_removed_and_an_inserted_line_break_the_chain() {
        let (_dir, path) = log_of(&["a", "b", "c"]);
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let changed = text.replacen("\"call\":\"a\"", "\"call\":\"x\"", 1);
        let removed = format!("{}\n{}\n", lines[0], lines[2]);
        let inserted = format!("{}\n{}\n{}\n{}\n", lines[0], lines[1], lines[1], lines[2]);
        for doctored in [changed, removed, inserted] {
            fs::write(&path, &doctored).unwrap();
            assert_eq!(verdict(&path), Some("audit_broken"), "{doctored}");
        }
    }

    #[test]
    fn a_line_torn_by_a_crash_is_counted_and_the_chain_goes_on() {
        let (_dir, path) = log_of(&["a", "b"]);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 20]).unwrap();
        Audit::open(&path).unwrap().write(record("c")).unwrap();
        let report = check(&path).unwrap();
        assert_eq!(report.failure, None);
        assert_eq!(report.to_json()["torn_lines"], 1);
        assert_eq!(report.to_json()["lines"], 3);
    }

    #[test]
    fn two_servers_share_one_chain() {
        let (_dir, path) = log_of(&[]);
        let servers = [Audit::open(&path).unwrap(), Audit::open(&path).unwrap()];
        std::thread::scope(|scope| {
            for server in &servers {
                scope.spawn(|| {
                    for _ in 0..20 {
                        server.write(record("a")).unwrap();
                    }
                });
            }
        });
        assert_eq!(verdict(&path), None);
        assert_eq!(check(&path).unwrap().to_json()["lines"], 40);
    }
}
