// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proving that hidden amounts obey public limits.
//!
//! [`prove`] checks the opening of every commitment against the statement, fills a trace with the
//! witness and with masks from the operating system's entropy, runs winterfell, and verifies the
//! result before handing it out. Amounts and salts are erased from the memory this crate owns;
//! copies inside winterfell (the extended trace) are freed, not erased, and proving takes no
//! constant time: prove on machines you trust.
//!
//! ```
//! use ves_primitives::{AmountSalt, CurrencyTag};
//! use ves_stark_air::{Entry, Statement, commit};
//! use ves_stark_prover::{Opening, prove};
//!
//! let usd: CurrencyTag = "USD:2".parse()?;
//! let opening = Opening::new(5_000, AmountSalt::from_words([1, 2, 3]).ok_or("salt")?);
//! let entry = Entry { commitment: opening.commit(usd)?, limit: 9_999, tag: usd };
//! let statement = Statement::single(entry, [7; 32])?;
//! let proof = prove(&statement, &[opening], &mut |_| ())?;
//! assert!(ves_stark_verifier::verify(&proof, &statement).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod masks;
mod stark;
mod trace;

#[cfg(test)]
mod tests;

use masks::Masks;
use trace::SecretTrace;
use ves_primitives::{AmountSalt, CurrencyTag, amount::MAX_AMOUNT};
use ves_stark_air::{Commitment, Kind, Salt, Statement, commit};
use ves_stark_verifier::VerifyError;
use zeroize::Zeroize;

/// An amount and the salt that hides it in its commitment. Erased when dropped; has no `Debug`, so
/// that no log shows it.
#[derive(Clone)]
pub struct Opening {
    amount: u64,
    salt: [u64; 3],
}

impl Opening {
    /// The opening of a commitment.
    pub const fn new(amount: u64, salt: AmountSalt) -> Self {
        Self {
            amount,
            salt: salt.words(),
        }
    }

    /// The commitment this opens.
    ///
    /// # Errors
    /// [`ProveError::AmountTooLarge`] for the 2^32 - 1 numbers that are no field elements.
    pub fn commit(&self, tag: CurrencyTag) -> Result<Commitment, ProveError> {
        if self.amount > MAX_AMOUNT {
            return Err(ProveError::AmountTooLarge);
        }
        Ok(commit(tag, self.amount, &self.salt()))
    }

    pub(crate) const fn amount(&self) -> u64 {
        self.amount
    }

    pub(crate) fn salt(&self) -> Salt {
        Salt(self.salt.map(ves_stark_air::Felt::new))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.amount.zeroize();
        self.salt.zeroize();
    }
}

/// How far proving has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The trace is filled.
    Trace,
    /// The proof is made: by far the longest stage.
    Prove,
    /// The proof is verified.
    Check,
}

/// Why there is no proof. No variant tells an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The statement has another number of commitments.
    #[error("{given} openings for {expected} commitments")]
    OpeningCount {
        /// Openings given.
        given: usize,
        /// Commitments stated.
        expected: usize,
    },
    /// Not a number of the field.
    #[error("an amount must be at most 2^64 - 2^32")]
    AmountTooLarge,
    /// The statement is false: no proof exists.
    #[error("the amount of event {index} is over the limit; this cannot be proven")]
    OverLimit {
        /// Position in the statement.
        index: usize,
    },
    /// Another amount, salt or currency was committed to.
    #[error("the amount and salt of event {index} do not open its commitment")]
    Commitment {
        /// Position in the statement.
        index: usize,
    },
    /// The totals do not add up.
    #[error("the new total is not the previous one plus the amounts")]
    Total,
    /// The operating system gave no randomness.
    #[error("no entropy from the operating system")]
    Entropy,
    /// The library failed.
    #[error("the prover failed; this is a defect, please report it")]
    Prover,
    /// The new proof does not verify.
    #[error("the new proof does not verify ({0}); this is a defect, please report it")]
    SelfCheck(#[from] VerifyError),
}

/// Proves a statement. Two proofs of one statement share no opened value.
///
/// `progress` is told when a [`Stage`] ends.
///
/// # Errors
/// [`ProveError`]; nothing is proven unless every opening fits.
pub fn prove(
    statement: &Statement,
    openings: &[Opening],
    progress: &mut dyn FnMut(Stage),
) -> Result<Vec<u8>, ProveError> {
    check(statement, openings)?;
    loop {
        let mut masks = Masks::from_entropy(statement, openings)?;
        let trace = SecretTrace::fill(statement, openings, &mut masks);
        progress(Stage::Trace);
        let proof = stark::prove_trace(statement, trace)?;
        progress(Stage::Prove);
        ves_stark_verifier::verify(&proof, statement)?;
        progress(Stage::Check);
        // Once in 2^62 proofs the challenges make the masks useless: throw it away.
        if stark::masks_are_independent(&proof, statement)? {
            return Ok(proof);
        }
    }
}

/// Refuses false statements before any work.
fn check(statement: &Statement, openings: &[Opening]) -> Result<(), ProveError> {
    let entries = statement.entries();
    if entries.len() != openings.len() {
        return Err(ProveError::OpeningCount {
            given: openings.len(),
            expected: entries.len(),
        });
    }
    for (index, (entry, opening)) in entries.iter().zip(openings).enumerate() {
        if opening.amount > entry.limit {
            return Err(ProveError::OverLimit { index });
        }
        if opening.commit(entry.tag)? != entry.commitment {
            return Err(ProveError::Commitment { index });
        }
    }
    if statement.kind() == Kind::Budget
        && let Some((new, summands)) = openings.split_last()
    {
        let sum = summands
            .iter()
            .try_fold(0u64, |sum, opening| sum.checked_add(opening.amount));
        if sum != Some(new.amount) {
            return Err(ProveError::Total);
        }
    }
    Ok(())
}
