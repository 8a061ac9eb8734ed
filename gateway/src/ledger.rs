// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What anchor services reported: a line of JSON for each batch, on disk before it is acknowledged.
//!
//! The gateway does not look at the EVM chain, as little as the peer does: a report is somebody's word.

use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};
use ves_primitives::{BatchId, wire::hex32};

/// Longest line that is read, bytes.
const LINE_BYTES_MAX: u64 = 1_024;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The batch.
    pub batch_id: BatchId,
    /// The transaction on the EVM chain.
    #[serde(with = "hex32")]
    pub chain_tx_hash: [u8; 32],
    /// The EVM chain.
    pub chain_id: u32,
    /// Its block.
    pub block_number: u64,
    /// When it was reported, RFC 3339.
    pub anchored_at: String,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    New,
    /// The same transaction was reported before.
    Known,
    /// Another transaction was reported before.
    Conflict,
}

struct Open {
    file: File,
    reports: HashMap<BatchId, Report>,
}

/// The reports of a file.
pub struct Ledger(Mutex<Open>);

impl Ledger {
    /// Opens the file; makes it if it is missing. A last line that a crash cut off is dropped.
    ///
    /// # Errors
    /// If the file cannot be used or holds something else.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        file.try_lock()
            .map_err(|_| io::Error::other("another gateway uses this ledger"))?;
        let mut reports = HashMap::new();
        let mut whole = 0u64;
        let mut reader = BufReader::new(&file);
        loop {
            let mut line = Vec::new();
            let read = reader
                .by_ref()
                .take(LINE_BYTES_MAX)
                .read_until(b'\n', &mut line)?;
            if read == 0 || line.last() != Some(&b'\n') {
                if read as u64 == LINE_BYTES_MAX {
                    return Err(io::Error::other("a line is too long"));
                }
                break;
            }
            let report: Report = serde_json::from_slice(&line)
                .map_err(|error| io::Error::other(format!("after byte {whole}: {error}")))?;
            reports.insert(report.batch_id, report);
            whole = whole.saturating_add(read as u64);
        }
        drop(reader);
        file.set_len(whole)?;
        Ok(Self(Mutex::new(Open { file, reports })))
    }

    /// What was reported of a batch.
    pub fn find(&self, batch: BatchId) -> Option<Report> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.reports.get(&batch).cloned()
    }

    /// Enters a report.
    ///
    /// # Errors
    /// If it could not be written; nothing is entered then.
    pub fn enter(&self, report: Report) -> io::Result<Entered> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.reports.get(&report.batch_id) {
            return Ok(if known.chain_tx_hash == report.chain_tx_hash {
                Entered::Known
            } else {
                Entered::Conflict
            });
        }
        let mut line = serde_json::to_vec(&report).map_err(io::Error::other)?;
        line.push(b'\n');
        let before = open.file.metadata()?.len();
        let written = open
            .file
            .write_all(&line)
            .and_then(|()| open.file.sync_data());
        if let Err(error) = written {
            // Half a line would hide the ones after it.
            let _ = open.file.set_len(before);
            return Err(error);
        }
        open.reports.insert(report.batch_id, report);
        Ok(Entered::New)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(batch: u8, hash: u8) -> Report {
        Report {
            batch_id: BatchId([batch; 32]),
            chain_tx_hash: [hash; 32],
            chain_id: 31_337,
            block_number: 1,
            anchored_at: "2026-01-01T00:00:00Z".into(),
        }
    }

    #[test]
    fn a_report_is_kept_and_another_one_of_the_same_batch_is_a_conflict() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.enter(report(1, 1)).unwrap(), Entered::New);
        assert_eq!(ledger.enter(report(1, 1)).unwrap(), Entered::Known);
        assert_eq!(ledger.enter(report(1, 2)).unwrap(), Entered::Conflict);
        assert!(Ledger::open(&path).is_err(), "two at a time");
        drop(ledger);
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.find(BatchId([1; 32])), Some(report(1, 1)));
        assert_eq!(ledger.find(BatchId([2; 32])), None);
    }

    #[test]
    fn a_line_that_a_crash_cut_off_is_dropped_and_damage_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::open(&path).unwrap();
        ledger.enter(report(1, 1)).unwrap();
        drop(ledger);
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn.extend_from_slice(br#"{"batch_id":"0x02"#);
        std::fs::write(&path, &torn).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        ledger.enter(report(2, 2)).unwrap();
        drop(ledger);
        assert!(
            Ledger::open(&path)
                .unwrap()
                .find(BatchId([2; 32]))
                .is_some()
        );
        let mut damaged = b"{}\n".to_vec();
        damaged.extend_from_slice(&whole);
        std::fs::write(&path, damaged).unwrap();
        assert!(Ledger::open(&path).is_err());
    }
}
