// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a node answers, read with the protocol's types.

use crate::{Answer, json, parse, unhex};
use parity_scale_codec::{Decode, DecodeAll, Encode};
use serde::Deserialize;
use serde_json::{Value, json};
use ves_finality::{BlockHash, DigestItem, Header};
use ves_primitives::{
    Authority, BatchCommitment, FinalityProof,
    limits::MAX_HEADER_BYTES,
    proof::{BatchProofRecord, ProofRecord},
    registry::SigningKeyRecord,
    sequencer::KeptBatches,
    wire::{BundleJson, FinalityJson, ProofJson},
};
use ves_verify::{FollowedSets, justified_height, unjudged};

pub(crate) fn scale<T: Decode>(bytes: &[u8]) -> Result<T, String> {
    T::decode_all(&mut &*bytes).map_err(|error| error.to_string())
}

pub(crate) fn read(kind: &str, answer: &str) -> Answer {
    let bytes = unhex(answer)?;
    match kind {
        "batches" => json(&scale::<Vec<BatchCommitment>>(&bytes)?),
        "kept" => {
            let kept: KeptBatches = scale(&bytes)?;
            json(&json!({ "oldest": kept.oldest, "anchored": kept.anchored }))
        }
        "proofs" => {
            let records: Vec<ProofRecord> = scale(&bytes)?;
            json(&records.iter().map(record).collect::<Vec<_>>())
        }
        "batch_proofs" => {
            let records: Vec<BatchProofRecord> = scale(&bytes)?;
            json(&records.iter().map(batch_record).collect::<Vec<_>>())
        }
        "authorities" => json(&scale::<Vec<Authority>>(&bytes)?),
        "signing_key" => json(&scale::<Option<SigningKeyRecord>>(&bytes)?),
        _ => Err(format!("nothing is known as {kind:?}")),
    }
}

/// `scale` goes back into [`crate::submission`]. Amounts are text: they may exceed what a script's
/// numbers hold.
fn record(record: &ProofRecord) -> Value {
    json!({
        "event_id": record.event_id,
        "sequence": record.sequence,
        "policy_id": record.policy.id(),
        "policy_params": record.policy.params_json(),
        "policy_hash": record.policy.hash(),
        "currency": record.currency,
        "commitment": record.commitment,
        "budget": record.budget.map(|step| json!({ "previous": step.previous, "new": step.new })),
        "proof_hash": record.proof_hash,
        "bytes": record.bytes,
        "block": record.block,
        "circuit_version": record.circuit_version,
        "agent_id": record.agent_id,
        "scale": format!("0x{}", hex::encode(record.encode())),
    })
}

fn batch_record(record: &BatchProofRecord) -> Value {
    json!({
        "batch_id": record.batch_id,
        "batch_index": record.batch_index,
        "events": record.events,
        "policy_id": record.policy.id(),
        "policy_params": record.policy.params_json(),
        "policy_hash": record.policy_hash,
        "policy_limit": record.policy_limit.to_string(),
        "proof_hash": record.proof_hash,
        "bytes": record.bytes,
        "block": record.block,
        "circuit_version": record.circuit_version,
        "agent_id": record.agent_id,
        "scale": format!("0x{}", hex::encode(record.encode())),
    })
}

/// A header as the SDK's RPCs write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderJson {
    parent_hash: BlockHash,
    number: String,
    state_root: BlockHash,
    extrinsics_root: BlockHash,
    digest: DigestJson,
}

#[derive(Deserialize)]
struct DigestJson {
    logs: Vec<String>,
}

pub(crate) fn header(text: &str) -> Answer {
    if text.len() > 3 * MAX_HEADER_BYTES as usize {
        return Err("longer than any header".into());
    }
    let told: HeaderJson = parse("header", text)?;
    let digits = told.number.strip_prefix("0x").unwrap_or(&told.number);
    let number = u32::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
    let digest = told.digest.logs.iter();
    let digest = digest
        .map(|log| scale::<DigestItem>(&unhex(log)?))
        .collect::<Result<Vec<_>, _>>()?;
    let header = Header {
        parent_hash: told.parent_hash,
        number,
        state_root: told.state_root.0,
        extrinsics_root: told.extrinsics_root.0,
        digest,
    };
    let commitment = match header.block_commitment() {
        Ok(found) => json!(found.map(|found| json!({
            "version": found.version,
            "batch_count": found.batch_count,
            "root": found.root,
        }))),
        Err(unreadable) => json!({ "unreadable": unreadable.to_string() }),
    };
    json(&json!({
        "hash": header.hash(),
        "number": number,
        "parent_hash": header.parent_hash,
        "state_root": BlockHash(header.state_root),
        "extrinsics_root": BlockHash(header.extrinsics_root),
        "commitment": commitment,
    }))
}

/// What a node's bundle lacks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Evidence {
    /// At nodes that forget old states: there the first authority set is not known, and with it what
    /// leads where. Readers then have to know a set.
    set_changes: Vec<FinalityProof>,
    proofs: Vec<ProofJson>,
}

#[derive(Deserialize)]
struct Response {
    result: Option<BundleJson>,
}

fn bundle(answer: &str) -> Result<BundleJson, String> {
    let answer: Response = parse("ves_bundle", answer)?;
    Ok(answer.result.ok_or("the node knows no such event")?)
}

/// Height of the justified block, if the bundle has evidence of finality.
pub(crate) fn height(bundle: &BundleJson) -> Result<Option<u32>, String> {
    let Some(finality) = &bundle.finality else {
        return Ok(None);
    };
    let header = Header::decode(&bundle.inclusion.header).map_err(|error| error.to_string())?;
    let height = justified_height(&header, &finality.proof);
    height.map(Some).map_err(|error| error.to_string())
}

pub(crate) fn justified(answer: &str) -> Answer {
    json(&height(&bundle(answer)?)?)
}

pub(crate) fn assemble(answer: &str, evidence: &str, sets: Option<&FollowedSets>) -> Answer {
    let mut bundle = bundle(answer)?;
    let evidence: Evidence = parse("evidence", evidence)?;
    let height = height(&bundle)?.unwrap_or_default();
    bundle.finality = bundle
        .finality
        .map(|FinalityJson { proof, .. }| match sets {
            Some(sets) => sets.evidence(height, proof),
            None => FinalityJson {
                authorities: None,
                set_changes: unjudged(evidence.set_changes, height),
                proof,
            },
        });
    bundle.proofs = evidence.proofs;
    let mut text = serde_json::to_string_pretty(&bundle).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}
