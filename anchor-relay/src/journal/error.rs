// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What can go wrong with the journal, and what to do about it.

use super::FORMAT;
use std::path::PathBuf;

/// `SQLITE_IOERR_SHMSIZE`.
const SHM_SIZE: i32 = 4874;

/// Why the journal cannot be used. Nothing was half-written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another relay runs on the same file.
    #[error(
        "another relay is running on the journal {0}. Stop it first, or give this one its own \
         journal.path and its own key"
    )]
    InUse(PathBuf),
    /// Another program holds the database.
    #[error(
        "the journal is locked by another program (a backup, a database shell?). Close it; the \
         relay goes on by itself"
    )]
    Locked,
    /// No space left.
    #[error(
        "the disk of the journal is full. Make room; the relay goes on by itself, and nothing is \
         sent meanwhile"
    )]
    DiskFull,
    /// The file belongs to another deployment.
    #[error(
        "the journal belongs to {what} {expected}, but the configuration says {found}. Use the \
         journal of this deployment, or a new path"
    )]
    Foreign {
        /// What differs.
        what: &'static str,
        /// In the file.
        expected: String,
        /// In the configuration or on the chain.
        found: String,
    },
    /// The directory or file cannot be opened.
    #[error("cannot open the journal {path}: {reason}. Check journal.path and its permissions")]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Written by a newer program.
    #[error("the journal has format {0}, this relay knows {FORMAT}. Use a newer relay")]
    Format(String),
    /// Written by an older program, and not open for writing now.
    #[error(
        "the journal has format {0}, this program reads {FORMAT}. Start the relay: it brings the \
         journal up to date"
    )]
    Old(String),
    /// The content is not what this program writes.
    #[error(
        "the journal is damaged: {0}. Move it away and start with a new one: the relay rebuilds \
         its state from the appchain and the contract"
    )]
    Damaged(String),
    /// Anything else SQLite says.
    #[error("the journal failed: {0}")]
    Sqlite(sqlx::Error),
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(|e| e.code().map(|c| c.into_owned()));
        match code.and_then(|code| code.parse::<i32>().ok()) {
            // No room for the index that SQLite needs even to read.
            Some(SHM_SIZE) => Self::DiskFull,
            // Extended codes keep the primary code in the low byte.
            Some(code) => match code & 0xff {
                5 | 6 => Self::Locked,
                13 => Self::DiskFull,
                11 | 26 => Self::Damaged(error.to_string()),
                _ => Self::Sqlite(error),
            },
            None => Self::Sqlite(error),
        }
    }
}
