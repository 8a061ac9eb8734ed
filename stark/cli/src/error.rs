// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Failures and the exit codes they map to. No message ever holds an amount or a salt.

use std::{fmt, io, path::Path};
use ves_stark_air::StatementError;
use ves_stark_prover::ProveError;
use ves_stark_verifier::VerifyError;

/// Result of everything here that can fail.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Process exit codes: part of the interface, printed by `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// A failure without a code of its own.
    General = 1,
    /// Wrong command line.
    Usage = 2,
    /// The proof does not hold for what was asked.
    Invalid = 3,
    /// An input file cannot be used.
    BadInput = 4,
    /// The statement is false.
    Unprovable = 5,
    /// The sequencer cannot be reached or answers wrongly.
    Network = 6,
}

impl Exit {
    /// The number the process exits with.
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// Why a command failed, for a person and for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub(crate) exit: Exit,
    /// Stable name, `snake_case`.
    pub(crate) code: &'static str,
    /// What happened.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            exit,
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    pub(crate) fn bad_input(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, code, message)
    }

    /// The proof is not one of what was asked for.
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, code, message)
    }

    pub(crate) fn network(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Network, code, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A file that cannot be read.
    pub(crate) fn read(path: &Path, error: &io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => "file_not_found",
            _ => "file_unreadable",
        };
        Self::bad_input(code, format!("cannot read {}: {error}", path.display()))
    }

    /// A file that cannot be written.
    pub(crate) fn write(path: &Path, error: &io::Error) -> Self {
        let message = format!("cannot write {}: {error}", path.display());
        Self::new(Exit::General, "file_unwritable", message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ProveError> for Failure {
    fn from(error: ProveError) -> Self {
        let (exit, code) = match error {
            ProveError::OverLimit { .. } => (Exit::Unprovable, "over_limit"),
            ProveError::AmountTooLarge => (Exit::Unprovable, "amount_too_large"),
            ProveError::Total => (Exit::Unprovable, "total"),
            ProveError::Commitment { .. } => (Exit::BadInput, "commitment"),
            ProveError::Entropy => (Exit::General, "entropy"),
            ProveError::OpeningCount { .. } | ProveError::Prover | ProveError::SelfCheck(_) => {
                (Exit::General, "prover")
            }
        };
        Self::new(exit, code, error.to_string())
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let code = match error {
            VerifyError::TooLong => "proof_too_long",
            VerifyError::Header => "proof_header",
            VerifyError::Structure => "proof_structure",
            VerifyError::ProofOfWork => "proof_of_work",
            VerifyError::Positions => "proof_positions",
            VerifyError::Remainder => "proof_remainder",
            VerifyError::Invalid => "proof_invalid",
        };
        Self::invalid(code, format!("Proof INVALID: {error}"))
    }
}

impl From<StatementError> for Failure {
    fn from(error: StatementError) -> Self {
        let (exit, code) = match error {
            StatementError::Commitment => (Exit::BadInput, "commitment"),
            StatementError::Empty => (Exit::BadInput, "no_events"),
            StatementError::TooManyEvents => (Exit::BadInput, "too_many_events"),
            StatementError::LimitTooLarge | StatementError::BudgetTooLarge => {
                (Exit::Usage, "limit_too_large")
            }
            StatementError::MixedCurrencies => (Exit::BadInput, "mixed_currencies"),
            StatementError::Policy => (Exit::BadInput, "policy"),
            StatementError::Currency => (Exit::BadInput, "currency"),
            StatementError::BudgetStep => (Exit::BadInput, "budget_step"),
            StatementError::Envelope => (Exit::BadInput, "envelope"),
        };
        Self::new(exit, code, error.to_string())
    }
}
