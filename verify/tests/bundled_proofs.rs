// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bundles with compliance proofs: an honest one, and one for each way to forge it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::Encode;
use common::{GENESIS, event, key, record_of, sign};
use ed25519_zebra::SigningKey;
use ves_finality::{BlockHash, testing};
use ves_primitives::{
    AmountSalt, CurrencyTag, GenesisHash, KeyId, Policy, ProofHash, Signature, SubmittedEvent,
    endorsement_hash, limits,
    proof::{ProofBytes, ProofRecord, ProofSubmission},
    registry::{RecordedAt, Revocation},
    wire::{BundleJson, ProofJson},
};
use ves_stark_air::Statement;
use ves_stark_prover::Opening;
use ves_verify::{
    TrustAnchors, Verdict, Verification, caveats, offline, parse_bundle, proofs, rules::Reason,
};

const BLOCK: u32 = 7;
const PROVEN_IN: u32 = 9;
const AMOUNT: u64 = 98_000;
const POLICY: Policy = Policy::AmlThreshold { threshold: 100_000 };

/// A proof about the event at sequence 1, endorsed with this key.
fn submission(event: &SubmittedEvent, key: &SigningKey, key_id: KeyId) -> ProofSubmission {
    let currency: CurrencyTag = "USD:2".parse().unwrap();
    let salt = AmountSalt::derive(&[7; 16], event.envelope.event_id);
    let opening = Opening::new(AMOUNT, salt);
    let commitment = opening.commit(currency).unwrap().into();
    let hash = event.envelope.signing_hash().unwrap();
    let mut submission = ProofSubmission {
        envelope: event.envelope.clone(),
        policy: POLICY,
        commitment,
        currency,
        endorsement: sign(key, &endorsement_hash(&hash, &commitment, currency)),
        key_id,
        budget: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: ProofBytes::default(),
    };
    let statement = Statement::of(&submission, &GENESIS, 1).unwrap();
    let proof = ves_stark_prover::prove(&statement, &[opening], &mut |_| {}).unwrap();
    submission.proof = proof.try_into().unwrap();
    submission
}

fn bundle() -> BundleJson {
    let header = testing::header(BlockHash([1; 32]), BLOCK, vec![common::commitment(BLOCK)]);
    BundleJson {
        proofs: vec![proof(&submission(&event(1), &key(5), KeyId(1)))],
        ..common::bundle(&header)
    }
}

fn proof(submission: &ProofSubmission) -> ProofJson {
    ProofJson {
        block_number: PROVEN_IN,
        submission: submission.encode(),
        signing_key: None,
    }
}

fn verify(bundle: &BundleJson) -> Verification {
    offline(bundle, &TrustAnchors::default())
}

fn verdict(v: &Verification, name: &str) -> Option<Verdict> {
    let check = v.checks.iter().find(|check| check.name == name);
    check.map(|check| check.verdict)
}

/// The first failure names what was altered.
fn expect(honest: &BundleJson, name: &str, reason: Reason, alter: impl FnOnce(&mut BundleJson)) {
    let mut altered = honest.clone();
    alter(&mut altered);
    let v = verify(&altered);
    let first = v
        .first_failure()
        .unwrap_or_else(|| panic!("{name} went unnoticed"));
    assert_eq!((first.name, first.reason), (name, Some(reason)), "{v:#?}");
}

#[test]
fn a_bundles_proofs_are_verified_and_each_forgery_fails_by_name() {
    let honest = bundle();
    let text = serde_json::to_vec(&honest).unwrap();
    let read = parse_bundle(&text).unwrap();
    assert_eq!(read, honest);
    let v = verify(&read);
    assert!(v.holds(), "{v:#?}");
    for name in ["proof_event", "proof_key", "proof_endorsement", "proof"] {
        assert_eq!(verdict(&v, name), Some(Verdict::Pass), "{name}");
    }

    let submitted = proofs::submission(&honest.proofs[0]).unwrap();
    let altered = |alter: &dyn Fn(&mut ProofSubmission)| {
        let mut other = submitted.clone();
        alter(&mut other);
        vec![proof(&other)]
    };
    use Reason::*;
    expect(&honest, "proof_event", ProofMalformed, |b| {
        b.proofs[0].submission.push(0);
    });
    expect(&honest, "proof_event", ProofMalformed, |b| {
        b.proofs[0].submission = vec![0; 4_000_000];
    });
    expect(&honest, "proof_event", TooManyProofs, |b| {
        b.proofs = vec![b.proofs[0].clone(); limits::MAX_PROOFS_PER_EVENT as usize + 1];
    });
    expect(&honest, "proof_event", ProofEventMismatch, |b| {
        b.proofs = vec![proof(&submission(&event(2), &key(5), KeyId(1)))];
    });
    expect(&honest, "proof_key", KeyRevoked, |b| {
        b.signing_key.revocation = Some(Revocation {
            effective_from: PROVEN_IN,
            decided_at: RecordedAt {
                block: 8,
                time_ms: 16_000,
            },
        });
    });
    expect(&honest, "proof_endorsement", EndorsementInvalid, |b| {
        b.proofs = altered(&|s| s.endorsement.0[0] ^= 1);
    });
    expect(&honest, "proof_endorsement", EndorsementInvalid, |b| {
        b.proofs = altered(&|s| s.currency = "EUR:2".parse().unwrap());
    });
    // A stricter policy than the one proven: everything else is as its agent endorsed it.
    expect(&honest, "proof", ProofInvalid, |b| {
        b.proofs = altered(&|s| s.policy = Policy::AmlThreshold { threshold: 99_000 });
    });
    expect(&honest, "proof", ProofInvalid, |b| {
        b.proofs = altered(&|s| {
            let middle = s.proof.len() / 2;
            let mut bytes = s.proof.to_vec();
            bytes[middle] ^= 1;
            s.proof = bytes.try_into().unwrap();
        });
    });
    // The same proof, for another chain.
    expect(&honest, "proof", ProofInvalid, |b| {
        b.genesis_hash = GenesisHash([1; 32]);
    });
}

#[test]
fn a_proof_endorsed_with_another_key_rests_on_the_exporters_word_and_says_so() {
    let mut bundle = bundle();
    bundle.proofs = vec![proof(&submission(&event(1), &key(6), KeyId(2)))];
    let v = verify(&bundle);
    let first = v.first_failure().unwrap();
    assert_eq!(
        (first.name, first.reason),
        ("proof_key", Some(Reason::KeyUnresolved))
    );
    bundle.proofs[0].signing_key = Some(record_of(&key(6)));
    let v = verify(&bundle);
    assert!(v.holds(), "{v:#?}");
    assert_eq!(verdict(&v, "proof_key"), Some(Verdict::Trusted));
    assert!(caveats(&v).iter().any(|caveat| caveat.contains("vouches")));
}

#[test]
fn every_changed_byte_of_a_submission_is_refused_unless_it_says_nothing_about_the_amount() {
    let honest = bundle();
    let length = honest.proofs[0].submission.len();
    // The submitter's signature matters to the pool only: it pays with quota.
    let submitted = proofs::submission(&honest.proofs[0]).unwrap();
    let signature =
        length - submitted.proof.encode().len() - 64..length - submitted.proof.encode().len();
    for at in (0..length).step_by(97).chain(0..600) {
        let mut altered = honest.clone();
        altered.proofs[0].submission[at] ^= 1;
        let v = verify(&altered);
        assert_eq!(v.holds(), signature.contains(&at), "byte {at} of {length}");
    }
    for end in (0..length).step_by(211) {
        let mut altered = honest.clone();
        altered.proofs[0].submission.truncate(end);
        assert!(!verify(&altered).holds(), "{end} bytes");
    }
}

#[test]
fn the_submission_behind_a_record_is_found_wherever_it_begins_by_the_hash_of_its_proof() {
    let honest = bundle();
    let submitted = proofs::submission(&honest.proofs[0]).unwrap();
    let mut record = ProofRecord {
        event_id: submitted.envelope.event_id,
        sequence: 1,
        policy: submitted.policy,
        commitment: submitted.commitment,
        currency: submitted.currency,
        budget: None,
        proof_hash: submitted.proof_hash(),
        bytes: 1,
        block: PROVEN_IN,
        circuit_version: 1,
        agent_id: submitted.envelope.source_agent_id,
    };
    for prefix in [0usize, 3, 40, 300] {
        let mut extrinsic = vec![0x45; prefix];
        submitted.encode_to(&mut extrinsic);
        assert_eq!(
            proofs::behind(&extrinsic, &record).as_ref(),
            Some(&submitted)
        );
        extrinsic.push(0);
        assert_eq!(proofs::behind(&extrinsic, &record), None);
    }
    assert_eq!(proofs::behind(&[], &record), None);
    record.proof_hash = ProofHash([0; 32]);
    assert_eq!(proofs::behind(&submitted.encode(), &record), None);
}
