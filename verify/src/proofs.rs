// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs: what must hold of one, so that the chain's verdict need not be believed.
//!
//! What is left to the chain's word: that the totals of a budget form one unbroken row, and in which
//! block a proof was verified. That a committed amount is the payload's is for those to check who
//! can read the payload.

use crate::{
    Verification,
    rules::{Problem, Reason, Ruling},
};
use codec::{DecodeAll, MaxEncodedLen};
use ves_primitives::{
    BatchCommitment, EventSigningHash, GenesisHash, SigningPublicKey, SubmittedEvent,
    endorsement_hash,
    limits::MAX_PROOFS_PER_EVENT,
    proof::{BatchEntry, BatchProofRecord, BatchProofSubmission, ProofRecord, ProofSubmission},
    registry::SigningKeyRecord,
    verify_ed25519,
    wire::{BundleJson, ProofJson},
};
use ves_stark_air::{Statement, StatementError};
use ves_stark_verifier::Verified;

const FORM: (&str, &str) = (
    "proof_event",
    "the proof is a submission about this very event",
);
const KEY: (&str, &str) = (
    "proof_key",
    "the key behind the proof was valid at the block that verified it",
);
const ENDORSEMENT: (&str, &str) = (
    "proof_endorsement",
    "the event's agent endorsed the committed amount as the event's",
);
const STARK: (&str, &str) = ("proof", "the committed amount obeys the policy (STARK)");

/// The submission that a bundle holds.
pub fn submission(proof: &ProofJson) -> Ruling<ProofSubmission> {
    let malformed = |why: String| Problem::new(Reason::ProofMalformed, why);
    let (length, max) = (proof.submission.len(), ProofSubmission::max_encoded_len());
    if length > max {
        return Err(malformed(format!("{length} bytes, at most {max} are read")));
    }
    ProofSubmission::decode_all(&mut proof.submission.as_slice())
        .map_err(|error| malformed(format!("not a submission of a proof: {error}")))
}

/// The submission is about this event.
pub fn about(submission: &ProofSubmission, event: &SubmittedEvent) -> Ruling<()> {
    if submission.envelope == event.envelope {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ProofEventMismatch,
        format!(
            "it is about event {} as its agent signed it then",
            submission.envelope.event_id
        ),
    ))
}

/// The key was registered and not revoked at the block that verified the proof.
pub fn key(key: &SigningKeyRecord, block: u32) -> Ruling<()> {
    if key.registered_at.block > block {
        return Err(Problem::new(
            Reason::KeyUnresolved,
            format!(
                "the key was registered in block {}, after block {block}",
                key.registered_at.block
            ),
        ));
    }
    match &key.revocation {
        Some(revoked) if revoked.effective_from <= block => Err(Problem::new(
            Reason::KeyRevoked,
            format!(
                "the key was revoked from block {} on",
                revoked.effective_from
            ),
        )),
        _ => Ok(()),
    }
}

/// The event's agent endorsed the committed amount.
pub fn endorsement(
    submission: &ProofSubmission,
    event: &EventSigningHash,
    key: &SigningPublicKey,
) -> Ruling<()> {
    let endorsed = endorsement_hash(event, &submission.commitment, submission.currency);
    if verify_ed25519(key, &endorsed, &submission.endorsement) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::EndorsementInvalid,
        "the amount is not endorsed by the event's agent",
    ))
}

/// The STARK holds, for this event at its place in this chain.
pub fn stark(
    submission: &ProofSubmission,
    genesis: &GenesisHash,
    sequence: u64,
) -> Ruling<Verified> {
    holds(
        &submission.proof,
        Statement::of(submission, genesis, sequence),
    )
}

/// The entries are all the events of the batch, in their order.
pub fn batch_entries(submission: &BatchProofSubmission, batch: &BatchCommitment) -> Ruling<()> {
    let same_stream = submission.stream_id() == batch.stream_id();
    let root = submission.events_root(batch.sequence_start);
    if same_stream && root == Some(batch.events_root) {
        return Ok(());
    }
    Err(Problem::new(
        Reason::ProofEventMismatch,
        "its entries are not the events of the batch",
    ))
}

/// The key signed an entry's event and endorsed its amount.
pub fn batch_entry(entry: &BatchEntry, key: &SigningPublicKey) -> Ruling<()> {
    let endorsed = endorsement_hash(&entry.event, &entry.commitment, entry.currency);
    let holds = verify_ed25519(key, &entry.event.0, &entry.agent_signature)
        && verify_ed25519(key, &endorsed, &entry.endorsement);
    if holds {
        return Ok(());
    }
    Err(Problem::new(
        Reason::EndorsementInvalid,
        format!("agent {} did not sign an entry", entry.agent_id),
    ))
}

/// The STARK holds for this batch of this chain.
pub fn batch_stark(
    submission: &BatchProofSubmission,
    genesis: &GenesisHash,
    batch: &BatchCommitment,
) -> Ruling<Verified> {
    holds(
        &submission.proof,
        Statement::of_batch(submission, genesis, batch),
    )
}

fn holds(proof: &[u8], statement: Result<Statement, StatementError>) -> Ruling<Verified> {
    let invalid = |why: String| Problem::new(Reason::ProofInvalid, why);
    let statement = statement.map_err(|why| invalid(why.to_string()))?;
    ves_stark_verifier::verify(proof, &statement).map_err(|why| invalid(why.to_string()))
}

/// The submission behind a verdict of the chain, if it ends this extrinsic. Where it begins depends
/// on who carried it, so each place is tried; the hash of the proof decides.
pub fn behind(extrinsic: &[u8], record: &ProofRecord) -> Option<ProofSubmission> {
    ends::<ProofSubmission>(extrinsic).find(|submission| {
        submission.envelope.event_id == record.event_id
            && submission.proof_hash() == record.proof_hash
    })
}

/// As [`behind`], for a batch.
pub fn behind_batch(extrinsic: &[u8], record: &BatchProofRecord) -> Option<BatchProofSubmission> {
    ends::<BatchProofSubmission>(extrinsic).find(|submission| {
        submission.batch_index == record.batch_index && submission.proof_hash() == record.proof_hash
    })
}

/// Length, version, extensions and the call's number take a few dozen bytes.
const MAX_PREFIX_BYTES: usize = 512;

fn ends<T: DecodeAll>(extrinsic: &[u8]) -> impl Iterator<Item = T> {
    (0..extrinsic.len().min(MAX_PREFIX_BYTES))
        .filter_map(|at| T::decode_all(&mut extrinsic.get(at..)?).ok())
}

/// Checks the proofs that a bundle carries; `event` is its event, if it is one.
pub(crate) fn check(v: &mut Verification, bundle: &BundleJson, event: Option<&SubmittedEvent>) {
    let max = MAX_PROOFS_PER_EVENT as usize;
    if bundle.proofs.len() > max {
        let problem = Problem::new(
            Reason::TooManyProofs,
            format!("{} proofs, an event has at most {max}", bundle.proofs.len()),
        );
        v.rule::<()>(FORM.0, FORM.1, Err(problem), |()| String::new());
        return;
    }
    for proof in &bundle.proofs {
        match event {
            Some(event) => check_one(v, bundle, event, proof),
            None => v.not_judged(STARK.0, STARK.1),
        }
    }
}

fn check_one(v: &mut Verification, bundle: &BundleJson, event: &SubmittedEvent, proof: &ProofJson) {
    let submitted = submission(proof).and_then(|submitted| {
        about(&submitted, event)?;
        Ok(submitted)
    });
    let submitted = v.rule(FORM.0, FORM.1, submitted, |submitted| {
        format!(
            "policy {}, block {}",
            submitted.policy.id(),
            proof.block_number
        )
    });
    let (Some(submitted), Ok(hash)) = (submitted, event.envelope.signing_hash()) else {
        for (name, claim) in [KEY, ENDORSEMENT, STARK] {
            v.not_judged(name, claim);
        }
        return;
    };
    let own = submitted.key_id == event.envelope.agent_key_id;
    let record = match (own, &proof.signing_key) {
        (true, _) => Some(&bundle.signing_key),
        (false, other) => other.as_ref(),
    };
    let ruling = record
        .ok_or_else(|| {
            Problem::new(
                Reason::KeyUnresolved,
                format!("the bundle lacks the record of key {}", submitted.key_id),
            )
        })
        .and_then(|record| key(record, proof.block_number).map(|()| record));
    match ruling {
        // Whoever exported the bundle could name any key here, and no pin is about it.
        Ok(_) if !own => v.trusted(
            KEY.0,
            KEY.1,
            "another key of the agent than the event's; its record is the exporting node's word",
        ),
        ruling => {
            v.rule(KEY.0, KEY.1, ruling, |_| {
                format!("key {}, the event's own", submitted.key_id)
            });
        }
    }
    match record {
        None => v.not_judged(ENDORSEMENT.0, ENDORSEMENT.1),
        Some(record) => {
            let ruling = endorsement(&submitted, &hash, &record.public_key);
            v.rule(ENDORSEMENT.0, ENDORSEMENT.1, ruling, |()| {
                format!("commitment {}", submitted.commitment)
            });
        }
    }
    let ruling = stark(&submitted, &bundle.genesis_hash, bundle.event.sequence);
    v.rule(STARK.0, STARK.1, ruling, |verified| {
        let row = match submitted.budget {
            Some(_) => "; that its totals form one row is the chain's word",
            None => "",
        };
        format!(
            "{} {} in {}, {} bytes, {}{row}",
            submitted.policy.id(),
            submitted.policy.params_json(),
            submitted.currency,
            verified.bytes(),
            submitted.proof_hash(),
        )
    });
}
