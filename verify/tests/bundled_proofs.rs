// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bundles with compliance proofs: an honest one, and one for each way to forge it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use codec::Encode;
use ed25519_zebra::SigningKey;
use ves_finality::{BlockHash, DigestItem, Header, blake2_256};
use ves_primitives::{
    AgentId, AmountSalt, BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, CommandId,
    CurrencyTag, Envelope, EventId, GenesisHash, InclusionProof, KeyId, LeafHash, Payload,
    PayloadCipherHash, PayloadKind, Policy, ProofHash, Signature, SigningPublicKey, StoreId,
    StreamTip, SubmittedEvent, TenantId, block_leaves, endorsement_hash, limits,
    payload_plain_hash,
    proof::{ProofBytes, ProofRecord, ProofSubmission},
    registry::{RecordedAt, Revocation, SigningKeyRecord, ValidityWindow},
    wire::{BatchJson, BundleJson, EventJson, InclusionJson, ProofJson, SequencedEventJson},
};
use ves_stark_air::Statement;
use ves_stark_prover::Opening;
use ves_verify::{
    TrustAnchors, Verdict, Verification, caveats, offline, parse_bundle, proofs, rules::Reason,
};

const GENESIS: GenesisHash = GenesisHash([0xaa; 32]);
const TENANT: TenantId = TenantId([0x11; 16]);
const STORE: StoreId = StoreId([0x22; 16]);
const BLOCK: u32 = 7;
const PROVEN_IN: u32 = 9;
const AMOUNT: u64 = 98_000;
const POLICY: Policy = Policy::AmlThreshold { threshold: 100_000 };

fn key(number: u8) -> SigningKey {
    SigningKey::from([number; 32])
}

fn sign(key: &SigningKey, message: &[u8; 32]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

fn record_of(key: &SigningKey) -> SigningKeyRecord {
    SigningKeyRecord {
        public_key: SigningPublicKey(ed25519_zebra::VerificationKey::from(key).into()),
        window: ValidityWindow::default(),
        registered_at: RecordedAt {
            block: 2,
            time_ms: 4_000,
        },
        revocation: None,
    }
}

fn event(id: u8) -> SubmittedEvent {
    let json = br#"{"total":"980.00"}"#.to_vec();
    let mut envelope = Envelope {
        ves_version: 2,
        event_id: EventId([id; 16]),
        tenant_id: TENANT,
        store_id: STORE,
        source_agent_id: AgentId([0x33; 16]),
        agent_key_id: KeyId(1),
        entity_type: b"order".to_vec().try_into().unwrap(),
        entity_id: b"A-1".to_vec().try_into().unwrap(),
        event_type: b"order.created".to_vec().try_into().unwrap(),
        created_at: b"2026-01-01T00:00:00Z".to_vec().try_into().unwrap(),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash([0; 32]),
        command_id: Some(CommandId([id; 16])),
        base_version: None,
        agent_signature: Signature([0; 64]),
    };
    envelope.agent_signature = sign(&key(5), &envelope.signing_hash().unwrap().0);
    SubmittedEvent {
        envelope,
        payload: Payload::Plain(json.try_into().unwrap()),
    }
}

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
    let event = event(1);
    let hash = event.envelope.signing_hash().unwrap();
    let leaf = event.envelope.leaf_hash(1, &hash);
    let batch = BatchCommitment::commit(TENANT, STORE, BLOCK, &StreamTip::EMPTY, &[leaf]).unwrap();
    let commitment = BlockCommitment::commit(std::slice::from_ref(&batch)).unwrap();
    let header = Header {
        parent_hash: BlockHash([1; 32]),
        number: BLOCK,
        state_root: [2; 32],
        extrinsics_root: [3; 32],
        digest: vec![DigestItem::Consensus(
            BLOCK_COMMITMENT_ENGINE,
            commitment.encode(),
        )],
    }
    .bytes();
    let block_hash = blake2_256(&header);
    let tree: Vec<LeafHash> = block_leaves(std::slice::from_ref(&batch))
        .into_iter()
        .map(LeafHash)
        .collect();
    BundleJson {
        schema: BundleJson::SCHEMA.into(),
        version: BundleJson::VERSION,
        genesis_hash: GENESIS,
        event: SequencedEventJson {
            stream_id: batch.stream_id(),
            sequence: 1,
            block_number: BLOCK,
            block_hash,
            block_time_ms: 14_000,
            extrinsic_index: 1,
            event_signing_hash: hash,
            leaf_hash: leaf,
            receipt_hash: event.envelope.receipt_hash(1, &hash),
            event: EventJson::from(&event),
        },
        inclusion: InclusionJson {
            leaf_hash: leaf,
            proof: InclusionProof::build(&[leaf], 0).unwrap(),
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash,
                batch,
            },
            block_proof: InclusionProof::build(&tree, 0).unwrap(),
            header,
        },
        signing_key: record_of(&key(5)),
        finality: None,
        anchor: None,
        proofs: vec![proof(&submission(&event, &key(5), KeyId(1)))],
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
