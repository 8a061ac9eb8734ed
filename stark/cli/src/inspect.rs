// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `inspect`: what a proof file says.

use crate::{
    batch::BatchProof,
    bundle::{self, Bundle},
    cli::Inspect,
    error::Result,
    files, json,
    output::Report,
};
use serde_json::Value;
use ves_primitives::{batch_proof_hash, compliance_proof_hash};

/// `inspect`.
///
/// # Errors
/// A file that is no proof file, or contradicts itself.
pub(crate) fn run(args: &Inspect) -> Result<Report> {
    let text = files::read_text(&args.proof, files::MAX_PROOF_FILE)?;
    if !text.trim_start().starts_with('{') {
        return Ok(bare(&bundle::bare_proof(&text)?));
    }
    let value = json::parse(&text, "the proof file")?;
    let report = Report::new("ves.stark.inspect");
    if value.get("batch").is_some() {
        Ok(batch(report, &BatchProof::from_json(&value)?))
    } else {
        single(report, &Bundle::from_json(&value)?, &value)
    }
}

fn bare(proof: &[u8]) -> Report {
    let hash = hex::encode(compliance_proof_hash(proof));
    Report::new("ves.stark.inspect")
        .field("format", "base64")
        .field("proofSize", proof.len())
        .field("proofHash", &hash)
        .pair("format", "bare proof, base64")
        .pair("proof size", format!("{} bytes", proof.len()))
        .pair("proof hash", hash)
}

fn single(report: Report, bundle: &Bundle, value: &Value) -> Result<Report> {
    let subject = &bundle.subject;
    let inputs = &subject.inputs;
    let proof_hash = hex::encode(compliance_proof_hash(&bundle.proof));
    let commitment = hex::encode(subject.commitment()?);
    let limit = json::number(inputs.policy.limit());
    let hash_of = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let report = report
        .field("format", "bundle")
        .field("proofVersion", bundle::PROOF_VERSION)
        .field("proofSize", bundle.proof.len())
        .field("proofHash", &proof_hash)
        .field("eventId", inputs.event_id)
        .field("tenantId", inputs.tenant_id)
        .field("storeId", inputs.store_id)
        .field("sequenceNumber", json::number(inputs.sequence))
        .field("policyId", inputs.policy.id())
        .field("limit", &limit)
        .field("currency", subject.currency)
        .field("genesis", hex::encode(subject.genesis))
        .field("witnessCommitmentHex", &commitment)
        .field("publicInputsHash", hash_of("publicInputsHash"))
        .field("boundPublicInputsHash", hash_of("boundPublicInputsHash"))
        .field("bundleHash", hash_of("bundleHash"))
        .field("metadata", &bundle.metadata)
        .pair(
            "format",
            "bundle; its hashes agree, the proof is not verified here",
        )
        .pair("proof size", format!("{} bytes", bundle.proof.len()))
        .pair("proof hash", proof_hash)
        .pair("event", inputs.event_id)
        .pair(
            "tenant / store",
            format!("{} / {}", inputs.tenant_id, inputs.store_id),
        )
        .pair("sequence", inputs.sequence)
        .pair(
            "policy",
            format!(
                "{} {} {}",
                inputs.policy.id(),
                inputs.policy.limit(),
                subject.currency
            ),
        )
        .pair("genesis", hex::encode(subject.genesis))
        .pair("commitment", commitment)
        .pair("inputs hash", hash_of("publicInputsHash"))
        .pair("bound hash", hash_of("boundPublicInputsHash"))
        .pair("bundle hash", hash_of("bundleHash"));
    Ok(match subject.totals {
        Some(totals) => report
            .field("previousTotalCommitmentHex", hex::encode(totals.previous))
            .field("newTotalCommitmentHex", hex::encode(totals.new))
            .pair("total before", hex::encode(totals.previous))
            .pair("total after", hex::encode(totals.new)),
        None => report,
    })
}

fn batch(report: Report, batch: &BatchProof) -> Report {
    let hash = hex::encode(batch_proof_hash(&batch.proof));
    batch
        .describe(report)
        .field("format", "batch")
        .field("proofSize", batch.proof.len())
        .field("proofHash", &hash)
        .field("metadata", &batch.metadata)
        .pair(
            "format",
            "batch; its hashes and roots agree, the proof is not verified here",
        )
        .pair("proof size", format!("{} bytes", batch.proof.len()))
        .pair("proof hash", hash)
}
