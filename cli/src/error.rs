// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The one error type of the tool and the exit codes it maps to.

use std::{fmt, io};

/// Result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Failure>;

/// Process exit codes. The numbers are part of the interface; `help exit-codes` prints them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// Unexpected failure: a bug or an environment problem without a name of its own.
    Unexpected = 1,
    /// The command line or an input value is wrong.
    Usage = 2,
    /// There is no usable configuration.
    NotConfigured = 3,
    /// The node (or the EVM endpoint) cannot be reached or did not answer in time.
    Unreachable = 4,
    /// The chain rejected some or all events.
    Rejected = 5,
    /// Conflicts await a decision.
    Conflicts = 6,
    /// Something did not verify, or was quarantined.
    NotVerified = 7,
    /// A key is locked, missing or expired.
    Key = 8,
    /// The local database is busy, damaged or missing.
    Database = 9,
    /// Refused by policy, or not confirmed.
    Refused = 10,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Exit {
    /// Every exit code with its meaning, in numeric order.
    pub const TABLE: [(Self, &'static str); 12] = [
        (Self::Done, "everything asked for was done"),
        (Self::Unexpected, "unexpected failure"),
        (Self::Usage, "wrong command line or input value"),
        (
            Self::NotConfigured,
            "no usable configuration: run `stateset-sync init`",
        ),
        (
            Self::Unreachable,
            "node or EVM endpoint unreachable, or no answer in time",
        ),
        (
            Self::Rejected,
            "some or all events were rejected by the chain",
        ),
        (Self::Conflicts, "unresolved conflicts"),
        (
            Self::NotVerified,
            "verification failed, or something was quarantined",
        ),
        (Self::Key, "key locked, missing, revoked or expired"),
        (Self::Database, "local database busy, damaged or missing"),
        (Self::Refused, "refused by policy, or not confirmed"),
        (Self::Interrupted, "interrupted"),
    ];

    /// The number the process exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command failed, in a form both a person and a program can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable machine-readable name, `snake_case`.
    pub code: &'static str,
    /// Exit code of the process.
    pub exit: Exit,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            exit,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A wrong command line or input value.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    /// Somebody pressed Ctrl-C.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, "interrupted", message)
            .hint("run the command again; it resumes where it stopped")
    }

    /// A failure nobody foresaw.
    pub fn unexpected(message: impl fmt::Display) -> Self {
        Self::new(Exit::Unexpected, "unexpected", message.to_string())
    }

    /// A file operation that failed, with the hint its kind calls for.
    pub fn io(action: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let message = format!("cannot {action} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(Exit::Usage, "file_not_found", message),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::new(Exit::Unexpected, "permission_denied", message)
                    .hint("check owner and mode of the state directory; it must be writable")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::new(Exit::Unexpected, "disk_full", message)
                    .hint("free some space and run the command again; nothing was half-written")
            }
            _ => Self::new(Exit::Unexpected, "io_error", message),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_IOERR_SHMSIZE: no room for the index that SQLite needs even to read.
        const SHM_SIZE: i32 = 4874;
        // SQLITE_IOERR_SHORT_READ: the file ends before a page that it says it has.
        const SHORT_READ: i32 = 522;
        // SQLite primary result codes; extended codes carry them in the low byte.
        const BUSY: i32 = 5;
        const LOCKED: i32 = 6;
        const READONLY: i32 = 8;
        const CORRUPT: i32 = 11;
        const FULL: i32 = 13;
        const CANTOPEN: i32 = 14;
        const NOTADB: i32 = 26;

        let code = error
            .as_database_error()
            .and_then(|e| e.code())
            .and_then(|code| code.parse::<i32>().ok());
        let primary = match code {
            Some(SHM_SIZE) => Some(FULL),
            Some(SHORT_READ) => Some(CORRUPT),
            other => other.map(|code| code & 0xff),
        };
        let message = error.to_string();
        match primary {
            Some(BUSY | LOCKED) => Self::new(Exit::Database, "database_busy", message)
                .hint("another process holds the database; run the command again when it is done"),
            Some(CORRUPT | NOTADB) => Self::new(Exit::Database, "database_corrupt", message)
                .hint("restore the state directory from a backup, or move the damaged file away"),
            Some(FULL) => Self::new(Exit::Database, "disk_full", message)
                .hint("free some space and run the command again; the transaction was rolled back"),
            Some(READONLY) => Self::new(Exit::Database, "database_read_only", message)
                .hint("make the state directory and its database writable"),
            Some(CANTOPEN) => Self::new(Exit::Database, "database_unavailable", message)
                .hint("check that the state directory exists and is writable"),
            _ if matches!(error, sqlx::Error::PoolTimedOut) => {
                Self::new(Exit::Database, "database_busy", message)
                    .hint("another process holds the database; run the command again")
            }
            _ => Self::new(Exit::Database, "database_error", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_frozen() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130]);
    }
}
