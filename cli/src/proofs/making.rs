// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Making the proof of one event, signed and ready for the chain.

use crate::{
    error::{Exit, Failure, Result},
    keys::Signer,
    output::Ui,
};
use ves_primitives::{
    AmountCommitment, CurrencyTag, EventSigningHash, GenesisHash, Policy, Signature,
    SubmittedEvent, endorsement_hash,
    proof::{BudgetStep, ProofBytes, ProofSubmission},
};
use ves_stark_air::Statement;
use ves_stark_prover::{Opening, ProveError, Stage};

/// An event at its place in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// The event.
    pub event: SubmittedEvent,
    /// What its agent signed.
    pub signing_hash: EventSigningHash,
    /// Its place.
    pub sequence: u64,
}

/// The openings of a budget's total before and after an event.
pub struct Step {
    /// The total so far.
    pub previous: Opening,
    /// The total with the event's amount.
    pub new: Opening,
}

/// What there is to prove about an event.
pub struct Claim<'a> {
    /// The policy.
    pub policy: Policy,
    /// What the amount is counted in.
    pub currency: CurrencyTag,
    /// The event's amount.
    pub amount: &'a Opening,
    /// The step of the total, for a budget.
    pub step: Option<&'a Step>,
}

/// Why there is no proof, as commands say it.
pub fn cannot_prove(error: ProveError) -> Failure {
    match error {
        ProveError::OverLimit { .. } => Failure::new(
            Exit::Refused,
            "over_limit",
            "the amount is over the limit: no proof exists",
        )
        .hint("choose a policy that it obeys"),
        ProveError::AmountTooLarge => Failure::usage("amount_invalid", error.to_string()),
        other => Failure::unexpected(other),
    }
}

/// The commitment that an opening opens.
///
/// # Errors
/// `amount_invalid` for a number that is no amount.
pub fn committed(opening: &Opening, currency: CurrencyTag) -> Result<AmountCommitment> {
    Ok(opening.commit(currency).map_err(cannot_prove)?.into())
}

/// Runs the prover.
///
/// # Errors
/// `over_limit`, or a prover that fails.
pub fn prove(statement: &Statement, openings: &[Opening], ui: &Ui) -> Result<ProofBytes> {
    let proof = ves_stark_prover::prove(statement, openings, &mut |stage| {
        ui.progress(match stage {
            Stage::Trace => "proving …",
            Stage::Prove => "checking the proof …",
            Stage::Check => "submitting …",
        });
    })
    .map_err(cannot_prove)?;
    proof
        .try_into()
        .map_err(|_| Failure::unexpected("the proof is too long"))
}

/// Proves a claim about an event of the signer's own.
///
/// # Errors
/// `over_limit`, `amount_invalid`, or a prover that fails.
pub fn prove_event(
    signer: &Signer,
    genesis: &GenesisHash,
    subject: &Sequenced,
    claim: &Claim<'_>,
    ui: &Ui,
) -> Result<ProofSubmission> {
    let currency = claim.currency;
    let commitment = committed(claim.amount, currency)?;
    let budget = match claim.step {
        None => None,
        Some(step) => Some(BudgetStep {
            previous: committed(&step.previous, currency)?,
            new: committed(&step.new, currency)?,
        }),
    };
    let endorsed = endorsement_hash(&subject.signing_hash, &commitment, currency);
    let mut submission = ProofSubmission {
        envelope: subject.event.envelope.clone(),
        policy: claim.policy,
        commitment,
        currency,
        endorsement: signer.sign(&endorsed)?,
        key_id: signer.key_id,
        budget,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: ProofBytes::default(),
    };
    let statement =
        Statement::of(&submission, genesis, subject.sequence).map_err(Failure::unexpected)?;
    let openings: Vec<Opening> = match claim.step {
        None => vec![claim.amount.clone()],
        Some(step) => vec![
            step.previous.clone(),
            claim.amount.clone(),
            step.new.clone(),
        ],
    };
    submission.proof = prove(&statement, &openings, ui)?;
    submission.signature = signer.sign(&submission.signing_hash(statement.context()))?;
    Ok(submission)
}
