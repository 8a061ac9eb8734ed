// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `gen-inputs` and `prove`.

use crate::{
    budget::Step,
    bundle::{self, Bundle, Subject},
    cli::{GenInputs, Prove},
    error::{Failure, Result},
    events,
    files::{self, Pending},
    json::{self, Members},
    output::{Report, Ui},
    secret::Secret,
};
use std::{path::Path, time::Instant};
use ves_primitives::{
    ComplianceInputs, Policy, amount_binding_hash, authorization_receipt_hash,
    compliance_proof_hash, jcs,
};
use ves_stark_air::Statement;
use ves_stark_prover::{Opening, Stage};

/// `gen-inputs`.
///
/// # Errors
/// A wrong policy, a file that cannot be written.
pub(crate) fn gen_inputs(args: &GenInputs) -> Result<Report> {
    let inputs = events::made_up(args.policy.policy()?);
    let text = format!("{:#}", events::to_json(&inputs));
    let Some(path) = &args.output else {
        return Ok(Report::artifact(text));
    };
    files::write(path, &text)?;
    Ok(Report::new("ves.stark.gen-inputs")
        .field("output", path)
        .field("eventId", inputs.event_id)
        .field("publicInputsHash", hex::encode(inputs.public_inputs_hash()))
        .line(format!("Public inputs written to: {}", path.display())))
}

/// `prove`.
///
/// # Errors
/// Wrong arguments or files, an amount over the limit, a file that cannot be written.
pub(crate) fn run(ui: &Ui, args: &Prove) -> Result<Report> {
    let policy = args.policy.policy()?;
    check_budget_args(args, &policy, ui.is_json())?;
    let mut inputs = match &args.inputs {
        Some(path) => expected(events::read(path)?, &policy)?,
        None => events::made_up(policy),
    };
    if let Some(path) = &args.authorization_receipt {
        if !ui.is_json() {
            return Err(Failure::usage(
                "authorization_receipt",
                "--authorization-receipt needs --json: a bare proof has no place for it",
            ));
        }
        bind_receipt(&mut inputs, path)?;
    }
    let secret = Secret::from_args(&args.amount, inputs.event_id)?;
    bind_commitment(&mut inputs, &secret, args)?;
    let step = Step::begin(
        &args.total,
        &policy,
        &secret,
        args.binding.currency,
        (inputs.tenant_id, inputs.store_id),
    )?;
    let subject = Subject {
        inputs,
        currency: args.binding.currency,
        genesis: args.binding.chain.genesis,
        totals: step.as_ref().map(Step::totals).transpose()?,
    };
    let amount = secret.opening()?;
    let openings = match &step {
        None => vec![amount],
        Some(step) => step.openings(amount)?,
    };
    let bundle = make(ui, subject, &openings)?;
    // On disk before the proof is handed out, in place only after.
    let staged = step.as_ref().map(Step::stage).transpose()?;
    let report = hand_out(ui, args, &bundle)?;
    staged.map_or(Ok(()), Pending::commit)?;
    Ok(report)
}

/// Where a budget's totals have no place.
fn check_budget_args(args: &Prove, policy: &Policy, json: bool) -> Result<()> {
    let is_budget = matches!(policy, Policy::AgentBudget { .. });
    if args.total.total_file.is_some() && args.total.total_file == args.output {
        return Err(Failure::usage(
            "total_file",
            "--total-file and --output name the same file",
        ));
    }
    if is_budget && !json {
        return Err(Failure::usage(
            "bare_budget",
            "agent.budget.v1 needs --json: a bare proof has no place for the totals",
        ));
    }
    Ok(())
}

/// Refuses inputs made for another policy.
pub(crate) fn expected(inputs: ComplianceInputs, policy: &Policy) -> Result<ComplianceInputs> {
    match events::policy_difference(policy, &inputs.policy) {
        None => Ok(inputs),
        Some((code, _)) => Err(Failure::bad_input(
            code,
            "the public inputs are for another policy or limit than the flags say",
        )),
    }
}

/// Binds a receipt by its hash. What the receipt says is not judged here.
pub(crate) fn bind_receipt(inputs: &mut ComplianceInputs, path: &Path) -> Result<()> {
    if !matches!(inputs.policy, Policy::AgentAuthorization { .. }) {
        return Err(Failure::usage(
            "authorization_receipt",
            "--authorization-receipt goes with agent.authorization.v1 only",
        ));
    }
    let hash = Artifact::Receipt.hash(path)?;
    if *inputs.authorization_receipt_hash.get_or_insert(hash) != hash {
        return Err(Failure::bad_input(
            "other_receipt",
            "the public inputs name another authorization receipt",
        ));
    }
    Ok(())
}

/// A file beside a proof, which the proof is bound to by a hash.
#[derive(Clone, Copy)]
pub(crate) enum Artifact {
    /// A commerce authorization receipt.
    Receipt,
    /// A payload amount binding.
    AmountBinding,
}

impl Artifact {
    /// The member that states the hash of all the others.
    pub(crate) const fn member(self) -> &'static str {
        match self {
            Self::Receipt => "receiptHash",
            Self::AmountBinding => "bindingHash",
        }
    }

    /// The hash of a file, recomputed.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) if the file is no such artifact, or states
    /// another hash than its content has.
    pub(crate) fn hash(self, path: &Path) -> Result<[u8; 32]> {
        let what = path.display().to_string();
        let text = files::read_text(path, files::MAX_INPUT_FILE)?;
        let mut value = json::parse(&text, &what)?;
        let stated: [u8; 32] = Members::of(&value, &what)?.hex(self.member())?;
        if let Some(members) = value.as_object_mut() {
            members.remove(self.member());
        }
        let canonical = jcs::canonicalize_value(&value)
            .map_err(|_| Failure::bad_input("bad_json", format!("{what}: not canonical")))?;
        let hash = match self {
            Self::Receipt => authorization_receipt_hash(&canonical),
            Self::AmountBinding => amount_binding_hash(&canonical),
        };
        if hash == stated {
            Ok(hash)
        } else {
            Err(Failure::bad_input(
                "artifact_hash",
                format!(
                    "{what}: its {} is not the hash of its content",
                    self.member()
                ),
            ))
        }
    }
}

/// Puts the commitment into the inputs; inputs that have one must have this one.
fn bind_commitment(inputs: &mut ComplianceInputs, secret: &Secret, args: &Prove) -> Result<()> {
    let commitment = secret.commit(args.binding.currency)?;
    if *inputs.commitment.get_or_insert(commitment) != commitment {
        return Err(Failure::bad_input(
            "other_commitment",
            "the public inputs hold a commitment that amount and salt do not open",
        )
        .hint("give the payload salt the commitment was made with: --payload-salt"));
    }
    Ok(())
}

/// Proves a subject.
///
/// # Errors
/// A false statement, or a prover that fails.
pub(crate) fn make(ui: &Ui, subject: Subject, openings: &[Opening]) -> Result<Bundle> {
    let statement = subject.statement()?;
    let (proof, milliseconds) = prove(ui, &statement, openings)?;
    Ok(Bundle {
        metadata: bundle::metadata(&proof, &statement, milliseconds),
        subject,
        proof,
    })
}

/// Proves a statement and says how long it took, in milliseconds.
///
/// # Errors
/// A false statement, or a prover that fails.
pub(crate) fn prove(
    ui: &Ui,
    statement: &Statement,
    openings: &[Opening],
) -> Result<(Vec<u8>, f64)> {
    let started = Instant::now();
    let proof = ves_stark_prover::prove(statement, openings, &mut |stage| {
        ui.progress(match stage {
            Stage::Trace => "proving…",
            Stage::Prove => "checking the proof…",
            Stage::Check => "",
        });
    })?;
    Ok((proof, started.elapsed().as_secs_f64() * 1e3))
}

/// Writes or prints the proof, and tells what belongs to it.
fn hand_out(ui: &Ui, args: &Prove, bundle: &Bundle) -> Result<Report> {
    let subject = &bundle.subject;
    let commitment = hex::encode(subject.commitment()?);
    let proof_hash = hex::encode(compliance_proof_hash(&bundle.proof));
    ui.note(&format!("policy:      {}", subject.inputs.policy.id()));
    ui.note(&format!("event:       {}", subject.inputs.event_id));
    ui.note(&format!("currency:    {}", subject.currency));
    ui.note(&format!(
        "proof:       {} bytes, {proof_hash}",
        bundle.proof.len()
    ));
    ui.note(&format!("commitment:  {commitment}"));
    let text = if ui.is_json() {
        format!("{:#}", bundle.to_json()?)
    } else {
        if args.inputs.is_none() {
            ui.note(&format!("inputs:      {}", subject.inputs.canonical_json()));
        }
        json::to_base64(&bundle.proof)
    };
    let Some(path) = &args.output else {
        return Ok(Report::artifact(text));
    };
    files::write(path, &text)?;
    Ok(Report::new("ves.stark.prove")
        .field("output", path)
        .field("eventId", subject.inputs.event_id)
        .field("policyId", subject.inputs.policy.id())
        .field("proofHash", proof_hash)
        .field("proofSize", bundle.proof.len())
        .field("witnessCommitmentHex", commitment)
        .field("metadata", &bundle.metadata)
        .line(format!("Proof written to: {}", path.display())))
}
