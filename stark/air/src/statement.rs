// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Public inputs. A [`Statement`] can only be built valid, so circuits and verifier never have to
//! refuse one.

use crate::{CIRCUIT_VERSION, Commitment, Felt, commitment::NonCanonical};
use alloc::vec::Vec;
use core::fmt;
use ves_primitives::{
    AmountCommitment, BatchCommitment, CurrencyTag, EnvelopeError, GenesisHash, Policy,
    PolicyError,
    amount::{MAX_AMOUNT, MAX_BUDGET_LIMIT},
    limits::MAX_PROOF_EVENTS,
    proof::{BatchProofSubmission, ProofSubmission},
};
use winter_math::ToElements;

/// What is stated about the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One committed amount is at most its limit.
    Single,
    /// Each committed amount is at most its own limit.
    Batch,
    /// First entry: previous total; last: new total; between: amounts. Each is at most the limit,
    /// and the new total is the previous one plus the amounts.
    Budget,
}

/// One commitment and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The commitment.
    pub commitment: Commitment,
    /// Largest amount allowed, inclusive.
    pub limit: u64,
    /// Currency and scale of the amount, in the commitment's capacity.
    pub tag: CurrencyTag,
}

impl Entry {
    /// An entry from a commitment's bytes.
    ///
    /// # Errors
    /// [`StatementError::Commitment`] if a word is not canonical.
    pub fn new(
        commitment: AmountCommitment,
        limit: u64,
        tag: CurrencyTag,
    ) -> Result<Self, StatementError> {
        Ok(Self {
            commitment: commitment.try_into()?,
            limit,
            tag,
        })
    }
}

/// Why public inputs make no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementError {
    /// A commitment's bytes are not canonical.
    Commitment,
    /// No event.
    Empty,
    /// More than [`MAX_PROOF_EVENTS`] events.
    TooManyEvents,
    /// A limit is not below the field's modulus.
    LimitTooLarge,
    /// A budget limit so large that sums could wrap around the field.
    BudgetTooLarge,
    /// Totals and amounts of a budget differ in currency or scale.
    MixedCurrencies,
    /// The policy forbids every amount.
    Policy,
    /// Not a currency.
    Currency,
    /// A budget without a step of its total, or a step without a budget.
    BudgetStep,
    /// The event's envelope has no signing hash.
    Envelope,
}

impl fmt::Display for StatementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commitment => "an amount commitment is not canonical",
            Self::Empty => "a statement needs at least one event",
            Self::TooManyEvents => "too many events for one proof (at most 128)",
            Self::LimitTooLarge => "the limit must be at most 2^64 - 2^32",
            Self::BudgetTooLarge => "the budget limit must be at most 2^56",
            Self::MixedCurrencies => "a budget has one currency and one scale",
            Self::Policy => "the policy forbids every amount",
            Self::Currency => "not a currency",
            Self::BudgetStep => {
                "a budget needs a step of its total, and no other policy and no batch has one"
            }
            Self::Envelope => "the event is of a version without a signing hash",
        })
    }
}

impl core::error::Error for StatementError {}

impl From<NonCanonical> for StatementError {
    fn from(_: NonCanonical) -> Self {
        Self::Commitment
    }
}

impl From<PolicyError> for StatementError {
    fn from(_: PolicyError) -> Self {
        Self::Policy
    }
}

impl From<EnvelopeError> for StatementError {
    fn from(_: EnvelopeError) -> Self {
        Self::Envelope
    }
}

/// A complete, valid set of public inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    kind: Kind,
    entries: Vec<Entry>,
    context: [u8; 32],
}

impl Statement {
    /// One amount, one limit. `context` binds the proof to its event, policy and chain.
    ///
    /// # Errors
    /// [`StatementError::LimitTooLarge`].
    pub fn single(entry: Entry, context: [u8; 32]) -> Result<Self, StatementError> {
        Self::checked(Kind::Single, Vec::from([entry]), context)
    }

    /// One to [`MAX_PROOF_EVENTS`] amounts, each with its own limit and currency.
    ///
    /// # Errors
    /// Any [`StatementError`] but the budget's.
    pub fn batch(entries: Vec<Entry>, context: [u8; 32]) -> Result<Self, StatementError> {
        Self::checked(Kind::Batch, entries, context)
    }

    /// Amounts under a budget: `new = previous + sum(amounts)`, all at most `limit`.
    ///
    /// # Errors
    /// Any [`StatementError`].
    pub fn budget(
        previous: Commitment,
        amounts: &[Commitment],
        new: Commitment,
        limit: u64,
        tag: CurrencyTag,
        context: [u8; 32],
    ) -> Result<Self, StatementError> {
        if amounts.is_empty() {
            return Err(StatementError::Empty);
        }
        let entries = core::iter::once(previous)
            .chain(amounts.iter().copied())
            .chain(core::iter::once(new))
            .map(|commitment| Entry {
                commitment,
                limit,
                tag,
            })
            .collect();
        Self::checked(Kind::Budget, entries, context)
    }

    /// What a submission states of its event, should that stand at `sequence`.
    ///
    /// # Errors
    /// Any [`StatementError`].
    pub fn of(
        submission: &ProofSubmission,
        genesis: &GenesisHash,
        sequence: u64,
    ) -> Result<Self, StatementError> {
        let context = submission.context(genesis, CIRCUIT_VERSION, sequence)?;
        Self::in_context(submission, context)
    }

    /// As [`Statement::of`], with the submission's context computed already.
    ///
    /// # Errors
    /// Any [`StatementError`].
    pub fn in_context(
        submission: &ProofSubmission,
        context: [u8; 32],
    ) -> Result<Self, StatementError> {
        let (limit, tag) = (
            submission.policy.effective_limit()?,
            currency(submission.currency)?,
        );
        let is_budget = matches!(submission.policy, Policy::AgentBudget { .. });
        match &submission.budget {
            None if !is_budget => {
                Self::single(Entry::new(submission.commitment, limit, tag)?, context)
            }
            Some(step) if is_budget => Self::budget(
                step.previous.try_into()?,
                &[submission.commitment.try_into()?],
                step.new.try_into()?,
                limit,
                tag,
                context,
            ),
            _ => Err(StatementError::BudgetStep),
        }
    }

    /// What a submission states of all events of a batch.
    ///
    /// # Errors
    /// Any [`StatementError`].
    pub fn of_batch(
        submission: &BatchProofSubmission,
        genesis: &GenesisHash,
        batch: &BatchCommitment,
    ) -> Result<Self, StatementError> {
        let context = submission.context(genesis, CIRCUIT_VERSION, batch);
        Self::batch_in_context(submission, context)
    }

    /// As [`Statement::of_batch`], with the submission's context computed already.
    ///
    /// # Errors
    /// Any [`StatementError`].
    pub fn batch_in_context(
        submission: &BatchProofSubmission,
        context: [u8; 32],
    ) -> Result<Self, StatementError> {
        if matches!(submission.policy, Policy::AgentBudget { .. }) {
            return Err(StatementError::BudgetStep);
        }
        let limit = submission.policy.effective_limit()?;
        let entries: Result<Vec<Entry>, StatementError> = submission
            .entries
            .iter()
            .map(|entry| Entry::new(entry.commitment, limit, currency(entry.currency)?))
            .collect();
        Self::batch(entries?, context)
    }

    fn checked(kind: Kind, entries: Vec<Entry>, context: [u8; 32]) -> Result<Self, StatementError> {
        let totals = if kind == Kind::Budget { 2 } else { 0 };
        let first = entries.first().ok_or(StatementError::Empty)?;
        if entries.len().saturating_sub(totals) > MAX_PROOF_EVENTS as usize {
            return Err(StatementError::TooManyEvents);
        }
        if entries.iter().any(|entry| entry.limit > MAX_AMOUNT) {
            return Err(StatementError::LimitTooLarge);
        }
        if kind == Kind::Budget {
            if entries.iter().any(|entry| entry.limit > MAX_BUDGET_LIMIT) {
                return Err(StatementError::BudgetTooLarge);
            }
            if entries.iter().any(|entry| entry.tag != first.tag) {
                return Err(StatementError::MixedCurrencies);
            }
        }
        Ok(Self {
            kind,
            entries,
            context,
        })
    }

    /// What is stated.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Commitments and limits, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The largest limit among the entries. Those of one submission have one and the same.
    pub fn limit(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| entry.limit)
            .max()
            .unwrap_or_default()
    }

    /// Digest of everything else the proof is bound to.
    pub const fn context(&self) -> &[u8; 32] {
        &self.context
    }
}

impl ToElements<Felt> for Statement {
    /// Everything public, for the transcript. Injective: lengths come first, 64-bit numbers and
    /// the digest go in as 32-bit words.
    fn to_elements(&self) -> Vec<Felt> {
        let kind = match self.kind {
            Kind::Single => 1u32,
            Kind::Batch => 2,
            Kind::Budget => 3,
        };
        let count = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut out: Vec<Felt> = [CIRCUIT_VERSION, kind, count].map(Felt::from).into();
        for entry in &self.entries {
            out.extend(entry.commitment.0);
            out.extend(words(entry.limit));
            out.extend(words(entry.tag.as_u64()));
        }
        for chunk in self.context.chunks_exact(4) {
            let word = chunk
                .iter()
                .rev()
                .fold(0u32, |word, byte| (word << 8) | u32::from(*byte));
            out.push(Felt::from(word));
        }
        out
    }
}

fn currency(tag: CurrencyTag) -> Result<CurrencyTag, StatementError> {
    if tag.is_valid() {
        Ok(tag)
    } else {
        Err(StatementError::Currency)
    }
}

/// Low and high half of a 64-bit number.
fn words(value: u64) -> [Felt; 2] {
    let low = u32::try_from(value & 0xffff_ffff).unwrap_or(u32::MAX);
    let high = u32::try_from(value >> 32).unwrap_or(u32::MAX);
    [Felt::from(low), Felt::from(high)]
}
