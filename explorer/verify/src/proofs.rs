// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs out of their blocks.

use crate::{Answer, json, judge::outcome, parse, unhex};
use parity_scale_codec::{DecodeAll, Encode};
use serde_json::json;
use std::collections::BTreeSet;
use ves_primitives::{
    AgentId, BatchCommitment, GenesisHash, KeyId,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRecord},
    registry::SigningKeyRecord,
};
use ves_verify::{
    Verification, proofs,
    rules::{Problem, Reason, Ruling},
};

fn record<T: DecodeAll>(text: &str) -> Result<T, String> {
    T::decode_all(&mut unhex(text)?.as_slice()).map_err(|error| format!("record: {error}"))
}

/// The first of a block's extrinsics that ends in what is looked for.
fn find<T>(extrinsics: &str, look: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, String> {
    let list: Vec<String> = parse("extrinsics", extrinsics)?;
    for text in &list {
        if let Some(found) = look(&unhex(text)?) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(crate) fn submission(extrinsics: &str, told: &str) -> Answer {
    let told: ProofRecord = record(told)?;
    let found = find(extrinsics, |extrinsic| proofs::behind(extrinsic, &told))?;
    json(&found.map(|found| {
        json!({
            "submission": format!("0x{}", hex::encode(found.encode())),
            "key_id": found.key_id,
            "event_key_id": found.envelope.agent_key_id,
        })
    }))
}

fn batch_submission(
    extrinsics: &str,
    told: &BatchProofRecord,
) -> Result<Option<BatchProofSubmission>, String> {
    find(extrinsics, |extrinsic| {
        proofs::behind_batch(extrinsic, told)
    })
}

fn signers(submission: &BatchProofSubmission) -> BTreeSet<(AgentId, KeyId)> {
    let entries = submission.entries.iter();
    entries
        .map(|entry| (entry.agent_id, entry.key_id))
        .collect()
}

pub(crate) fn batch_keys(extrinsics: &str, told: &str) -> Answer {
    let found = batch_submission(extrinsics, &record(told)?)?;
    json(&found.map(|found| {
        signers(&found)
            .into_iter()
            .map(|(agent, key)| json!({ "agent_id": agent, "key_id": key }))
            .collect::<Vec<_>>()
    }))
}

pub(crate) fn judge_batch(
    genesis: &str,
    batch: &str,
    extrinsics: &str,
    told: &str,
    keys: &str,
) -> Answer {
    let genesis: GenesisHash = genesis.parse().map_err(|_| "genesis: not a hash")?;
    let batch: BatchCommitment = parse("batch", batch)?;
    let told: BatchProofRecord = record(told)?;
    let keys: Vec<Option<SigningKeyRecord>> = parse("keys", keys)?;
    let mut v = Verification::default();
    let found = batch_submission(extrinsics, &told)?.ok_or_else(|| {
        Problem::new(
            Reason::ProofMalformed,
            format!("block {} does not hold it", told.block),
        )
    });
    let found = v.rule(
        "proof_present",
        "the block that is said to hold the proof does",
        found,
        |found| format!("block {}, {} entries", told.block, found.entries.len()),
    );
    if let Some(found) = found {
        v.rule(
            "proof_batch",
            "the proof's entries are the batch's events, in order",
            proofs::batch_entries(&found, &batch),
            |()| format!("events root {}", batch.events_root),
        );
        v.rule(
            "proof_record",
            "the chain's record is about this batch and policy",
            recorded(&told, &batch, &found),
            |()| told.policy_hash.to_string(),
        );
        v.rule(
            "proof_endorsement",
            "each event's agent signed it and endorsed its amount",
            endorsed(&found, &told, &keys),
            |signed| format!("{signed} entries, {} key(s)", keys.len()),
        );
        v.rule(
            "proof",
            "every committed amount obeys the policy (STARK)",
            proofs::batch_stark(&found, &genesis, &batch),
            |verified| {
                let policy = found.policy.params_json();
                format!("{} {policy}, {} bytes", found.policy.id(), verified.bytes())
            },
        );
    }
    json(&outcome(&v))
}

fn recorded(
    told: &BatchProofRecord,
    batch: &BatchCommitment,
    found: &BatchProofSubmission,
) -> Ruling<()> {
    let stated = (told.batch_id, told.policy, told.policy_hash);
    if stated == (batch.batch_id, found.policy, found.policy.hash()) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ProofEventMismatch,
        "the chain's record tells another policy or batch",
    ))
}

fn endorsed(
    found: &BatchProofSubmission,
    told: &BatchProofRecord,
    keys: &[Option<SigningKeyRecord>],
) -> Ruling<usize> {
    let signers: Vec<_> = signers(found).into_iter().collect();
    for entry in &found.entries {
        let signer = (entry.agent_id, entry.key_id);
        let place = signers.iter().position(|known| *known == signer);
        let key = place.and_then(|place| keys.get(place)?.as_ref());
        let key = key.ok_or_else(|| {
            Problem::new(
                Reason::KeyUnresolved,
                format!(
                    "the registry shows no key {} of agent {}",
                    signer.1, signer.0
                ),
            )
        })?;
        proofs::key(key, told.block)?;
        proofs::batch_entry(entry, &key.public_key)?;
    }
    Ok(found.entries.len())
}
