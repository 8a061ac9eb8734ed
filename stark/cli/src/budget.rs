// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One step of a budget, from the total file and back into it.
//!
//! The opening of the new total must not be lost once somebody has accepted the step: it is on disk
//! before the proof leaves, and in the total file's place after.

use crate::{
    bundle::Totals,
    cli::TotalArgs,
    error::{Failure, Result},
    files::{self, Lock, Pending},
    secret::{Secret, Total},
};
use std::path::{Path, PathBuf};
use ves_primitives::{CurrencyTag, Policy, StoreId, TenantId};
use ves_stark_prover::Opening;

/// A step that is being taken. Other runs are kept off its total file until this is dropped.
pub(crate) struct Step {
    _lock: Lock,
    path: PathBuf,
    total: Total,
    next: Total,
    currency: CurrencyTag,
}

impl Step {
    /// The step that adds an amount; `None` for policies without a total.
    ///
    /// # Errors
    /// Flags that do not go with the policy, a total file that cannot be used or is being used, or
    /// a step before whose fate is not known.
    pub(crate) fn begin(
        args: &TotalArgs,
        policy: &Policy,
        spent: &Secret,
        currency: CurrencyTag,
        stream: (TenantId, StoreId),
    ) -> Result<Option<Self>> {
        let is_budget = matches!(policy, Policy::AgentBudget { .. });
        let path = match &args.total_file {
            Some(path) if is_budget => path,
            None if !is_budget => return Ok(None),
            Some(_) => {
                return Err(Failure::usage(
                    "total_file",
                    "--total-file goes with agent.budget.v1 only",
                ));
            }
            None => {
                return Err(Failure::usage(
                    "total_file",
                    "agent.budget.v1 needs --total-file",
                ));
            }
        };
        let lock = Lock::take(path)?;
        let submitted = submitted(path);
        if submitted
            .try_exists()
            .map_err(|error| Failure::read(&submitted, &error))?
        {
            let (submitted, path) = (submitted.display(), path.display());
            return Err(Failure::bad_input(
                "total_pending",
                format!("{submitted} is of a step that may have been accepted"),
            )
            .hint(format!(
                "if it was accepted rename it to {path}, else remove it"
            )));
        }
        let total = Total::open(path, args.previous_total.as_deref(), currency, stream)?;
        let next = total.plus(spent)?;
        Ok(Some(Self {
            _lock: lock,
            path: path.clone(),
            total,
            next,
            currency,
        }))
    }

    /// Commitments to the totals before and after.
    ///
    /// # Errors
    /// A total that is no amount.
    pub(crate) fn totals(&self) -> Result<Totals> {
        Ok(Totals {
            previous: self.total.secret.commit(self.currency)?,
            new: self.next.secret.commit(self.currency)?,
        })
    }

    /// What opens the statement, around the amount's own opening.
    ///
    /// # Errors
    /// A damaged salt.
    pub(crate) fn openings(&self, amount: Opening) -> Result<Vec<Opening>> {
        Ok(vec![
            self.total.secret.opening()?,
            amount,
            self.next.secret.opening()?,
        ])
    }

    /// Writes the new total beside its file; [`Pending::commit`] puts it in place.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn stage(&self) -> Result<Pending> {
        self.next.stage(&self.path)
    }

    /// Keeps the new total where it survives this process, whatever becomes of it.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub(crate) fn keep(&self) -> Result<Kept<'_>> {
        let file = submitted(&self.path);
        self.next.stage(&file)?.commit()?;
        Ok(Kept {
            file,
            total: &self.path,
        })
    }
}

fn submitted(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".submitted");
    PathBuf::from(name)
}

/// The new total of a step that was handed to somebody.
pub(crate) struct Kept<'a> {
    file: PathBuf,
    total: &'a Path,
}

impl Kept<'_> {
    /// The step was accepted: the new total is the total.
    ///
    /// # Errors
    /// A file that cannot be renamed; the next run says what to do.
    pub(crate) fn accepted(&self) -> Result<()> {
        files::replace(&self.file, self.total)
    }

    /// The step was refused, or nobody knows. Only a refusal removes the new total.
    pub(crate) fn failed(&self, failure: Failure) -> Failure {
        if may_have_acted(&failure) {
            return failure.hint(format!(
                "the step may have been accepted: its total is kept in {}",
                self.file.display()
            ));
        }
        files::remove(&self.file);
        failure
    }
}

/// Whether the sequencer may have taken the step without our knowing.
fn may_have_acted(failure: &Failure) -> bool {
    matches!(
        failure.code,
        "timeout" | "unreachable" | "bad_answer" | "refused"
    )
}
