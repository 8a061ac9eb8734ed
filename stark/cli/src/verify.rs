// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `verify`: whether a proof is one of the event, policy, limit, currency and chain asked for.

use crate::{
    bundle::{self, Bundle, Subject},
    cli::Verify,
    error::{Failure, Result},
    events, files, json,
    output::Report,
    prove::Artifact,
};
use std::time::{Duration, Instant};
use ves_primitives::{AmountCommitment, ComplianceInputs, Policy, compliance_proof_hash};

/// `verify`.
///
/// # Errors
/// The first thing that is not as asked.
pub(crate) fn run(args: &Verify) -> Result<Report> {
    let policy = args.policy.policy()?;
    let inputs = args.inputs.as_deref().map(events::read).transpose()?;
    let text = files::read_text(&args.proof, files::MAX_PROOF_FILE)?;
    let (subject, proof) = if text.trim_start().starts_with('{') {
        let bundle = Bundle::from_json(&json::parse(&text, "the bundle")?)?;
        if let Some(inputs) = &inputs {
            matches(events::difference(inputs, &bundle.subject.inputs))?;
        }
        (bundle.subject, bundle.proof)
    } else {
        let proof = bundle::bare_proof(&text)?;
        (bare_subject(args, inputs)?, proof)
    };
    check(args, &policy, &subject)?;
    let statement = subject.statement()?;
    let started = Instant::now();
    ves_stark_verifier::verify(&proof, &statement)?;
    let took = started.elapsed();
    report(&subject, &proof, took)
}

/// The subject of a proof that carries none.
fn bare_subject(args: &Verify, inputs: Option<ComplianceInputs>) -> Result<Subject> {
    let mut inputs = inputs.ok_or_else(|| {
        Failure::usage("no_inputs", "a bare proof does not say what it is about")
            .hint("give --inputs and --witness-commitment-hex, or a bundle (prove --json)")
    })?;
    if let Policy::AgentBudget { .. } = inputs.policy {
        return Err(Failure::usage(
            "bare_budget",
            "a budget proof is verified as a bundle only",
        ));
    }
    let given = args.witness_commitment_hex;
    inputs.commitment = inputs.commitment.or(given);
    if inputs.commitment.is_none() {
        return Err(Failure::usage(
            "no_commitment",
            "a bare proof needs --witness-commitment-hex",
        ));
    }
    if let Some(path) = &args.authorization_receipt {
        let hash = Artifact::Receipt.hash(path)?;
        inputs.authorization_receipt_hash.get_or_insert(hash);
    }
    if let Some(path) = &args.amount_binding {
        let hash = Artifact::AmountBinding.hash(path)?;
        inputs.amount_binding_hash.get_or_insert(hash);
    }
    Ok(Subject {
        inputs,
        currency: args.binding.currency,
        genesis: args.binding.chain.genesis,
        totals: None,
    })
}

/// A difference is a proof of something else.
fn matches(difference: Option<(&'static str, &'static str)>) -> Result<()> {
    difference.map_or(Ok(()), |(code, why)| Err(bundle::contradiction(code, why)))
}

/// Compares what the proof is about with what was asked for.
fn check(args: &Verify, policy: &Policy, subject: &Subject) -> Result<()> {
    let inputs = &subject.inputs;
    matches(events::policy_difference(policy, &inputs.policy))?;
    if subject.genesis != args.binding.chain.genesis {
        let failure = bundle::contradiction("other_genesis", "the proof is for another chain");
        return Err(failure.hint(format!(
            "to accept it give --genesis {}",
            hex::encode(subject.genesis)
        )));
    }
    if subject.currency != args.binding.currency {
        let failure = bundle::contradiction("other_currency", "the proof is in another currency");
        return Err(failure.hint(format!("to accept it give --currency {}", subject.currency)));
    }
    check_commitment(args.witness_commitment_hex, inputs.commitment)?;
    if let Some(expected) = args.previous_commitment_hex
        && Some(expected) != subject.totals.map(|totals| totals.previous)
    {
        return Err(bundle::contradiction(
            "other_total",
            "the proof starts from another total",
        ));
    }
    for (path, artifact, bound) in [
        (
            &args.authorization_receipt,
            Artifact::Receipt,
            inputs.authorization_receipt_hash,
        ),
        (
            &args.amount_binding,
            Artifact::AmountBinding,
            inputs.amount_binding_hash,
        ),
    ] {
        if let Some(path) = path
            && Some(artifact.hash(path)?) != bound
        {
            return Err(bundle::contradiction(
                "not_bound",
                &format!(
                    "the proof is not bound to this file's {}",
                    artifact.member()
                ),
            ));
        }
    }
    Ok(())
}

fn check_commitment(
    expected: Option<AmountCommitment>,
    proven: Option<AmountCommitment>,
) -> Result<()> {
    if expected.is_some() && expected != proven {
        return Err(bundle::contradiction(
            "other_commitment",
            "the proof is for another amount commitment",
        ));
    }
    Ok(())
}

fn report(subject: &Subject, proof: &[u8], took: Duration) -> Result<Report> {
    let inputs = &subject.inputs;
    let limit = subject.inputs.policy.limit();
    let commitment = hex::encode(subject.commitment()?);
    let proof_hash = hex::encode(compliance_proof_hash(proof));
    let report = Report::new("ves.stark.verify")
        .field("valid", true)
        .field("verificationTimeMs", took.as_secs_f64() * 1e3)
        .field("eventId", inputs.event_id)
        .field("tenantId", inputs.tenant_id)
        .field("storeId", inputs.store_id)
        .field("policyId", inputs.policy.id())
        .field("limit", json::number(limit))
        .field("currency", subject.currency)
        .field("genesis", hex::encode(subject.genesis))
        .field("witnessCommitmentHex", &commitment)
        .field("proofHash", &proof_hash)
        .field("proofSize", proof.len())
        .line(format!(
            "Proof VALID (verified in {:.3} ms)",
            took.as_secs_f64() * 1e3
        ))
        .pair("event", inputs.event_id)
        .pair(
            "policy",
            format!("{} {limit} {}", inputs.policy.id(), subject.currency),
        )
        .pair("commitment", commitment);
    Ok(match subject.totals {
        Some(totals) => report
            .field("previousTotalCommitmentHex", hex::encode(totals.previous))
            .field("newTotalCommitmentHex", hex::encode(totals.new))
            .pair("total before", hex::encode(totals.previous))
            .pair("total after", hex::encode(totals.new)),
        None => report,
    })
}
