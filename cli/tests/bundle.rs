// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `verify --bundle` by the real binary: an honest bundle, and one for each way to forge it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use codec::Encode;
use common::Project;
use serde_json::{Value, json};
use stateset_sync::{
    capture::{Audience, Draft},
    keys::Signer,
};
use std::fs;
use ves_client::{BlockHash, DigestItem, Header, blake2_256};
use ves_finality::testing::{self, Validator, justify, proof};
use ves_primitives::{
    AgentId, AuthoritySet, BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, GenesisHash,
    InclusionProof, KeyId, LeafHash, StoreId, StreamTip, SubmittedEvent, TenantId, block_leaves,
    registry::{RecordedAt, SigningKeyRecord, ValidityWindow},
    wire::{BatchJson, BundleJson, EventJson, FinalityJson, InclusionJson, SequencedEventJson},
};

const TENANT: TenantId = TenantId([0x11; 16]);
const STORE: StoreId = StoreId([0x22; 16]);
const BLOCK: u32 = 7;

fn signer() -> Signer {
    Signer::from_seed(KeyId(1), &[5; 32])
}

fn event(entity: &str) -> SubmittedEvent {
    let draft = Draft {
        tenant_id: TENANT,
        store_id: STORE,
        agent_id: AgentId([0x33; 16]),
        event_id: None,
        entity_type: "order".into(),
        entity_id: entity.into(),
        event_type: "order.created".into(),
        created_at: None,
        payload: r#"{"total":12}"#.into(),
        command_id: None,
        base_version: None,
        audience: Audience::Public,
    };
    let mut event = draft.build().unwrap();
    event.envelope.agent_key_id = KeyId(1);
    let hash = event.envelope.signing_hash().unwrap();
    event.envelope.agent_signature = signer().sign(&hash.0).unwrap();
    event
}

/// The third of five events of the first batch of a stream, in a block with two batches.
fn bundle() -> BundleJson {
    let events: Vec<_> = (0..5).map(|n| event(&n.to_string())).collect();
    let hashes: Vec<_> = events
        .iter()
        .map(|e| e.envelope.signing_hash().unwrap())
        .collect();
    let leaves: Vec<LeafHash> = events
        .iter()
        .zip(&hashes)
        .zip(1..)
        .map(|((event, hash), sequence)| event.envelope.leaf_hash(sequence, hash))
        .collect();
    let commit = |store, leaves: &[LeafHash]| {
        BatchCommitment::commit(TENANT, store, BLOCK, &StreamTip::EMPTY, leaves).unwrap()
    };
    let batch = commit(STORE, &leaves);
    let batches = [batch.clone(), commit(StoreId([0x99; 16]), &leaves[..1])];
    let commitment = BlockCommitment::commit(&batches).unwrap();
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
    let tree: Vec<LeafHash> = block_leaves(&batches).into_iter().map(LeafHash).collect();
    let own = tree
        .iter()
        .position(|leaf| leaf.0 == batch.block_leaf())
        .unwrap();
    let (event, hash, leaf) = (&events[2], hashes[2], leaves[2]);
    BundleJson {
        schema: BundleJson::SCHEMA.into(),
        version: BundleJson::VERSION,
        genesis_hash: GenesisHash([0xaa; 32]),
        event: SequencedEventJson {
            stream_id: batch.stream_id(),
            sequence: 3,
            block_number: BLOCK,
            block_hash,
            block_time_ms: 14_000,
            extrinsic_index: 1,
            event_signing_hash: hash,
            leaf_hash: leaf,
            receipt_hash: event.envelope.receipt_hash(3, &hash),
            event: EventJson::from(event),
        },
        inclusion: InclusionJson {
            leaf_hash: leaf,
            proof: InclusionProof::build(&leaves, 2).unwrap(),
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash,
                batch,
            },
            block_proof: InclusionProof::build(&tree, u32::try_from(own).unwrap()).unwrap(),
            header,
        },
        signing_key: SigningKeyRecord {
            public_key: signer().public_key(),
            window: ValidityWindow::default(),
            registered_at: RecordedAt {
                block: 2,
                time_ms: 4000,
            },
            revocation: None,
        },
        finality: None,
        anchor: None,
        proofs: Vec::new(),
    }
}

/// Flips one hex digit of the text at this place.
fn flip(value: &mut Value, pointer: &str) {
    let text = value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let last = text.chars().last().unwrap();
    let other = if last == '0' { '1' } else { '0' };
    let altered = format!("{}{other}", &text[..text.len() - 1]);
    *value.pointer_mut(pointer).unwrap() = altered.into();
}

#[test]
fn an_honest_bundle_verifies_offline_and_says_what_it_relies_on() {
    let project = Project::empty();
    let bundle = bundle();
    fs::write(
        project.path().join("b.json"),
        serde_json::to_vec(&bundle).unwrap(),
    )
    .unwrap();
    let outcome = project.run(&["verify", "--bundle", "b.json", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
    let json = outcome.json();
    assert_eq!(json["verified"], true);
    assert_eq!(json["offline"], true);
    assert_eq!(json["relies_on"].as_array().unwrap().len(), 3);

    let pins = [
        "--genesis",
        &bundle.genesis_hash.to_string(),
        "--agent-key",
        &bundle.signing_key.public_key.to_string(),
        "--block-hash",
        &hex::encode(bundle.event.block_hash),
        "--events-root",
        &bundle.inclusion.batch.batch.events_root.to_string(),
        "--tenant",
        &TENANT.to_string(),
        "--store",
        &STORE.to_string(),
    ]
    .map(str::to_owned);
    let mut args = vec!["verify", "--bundle", "b.json", "--json"];
    args.extend(pins.iter().map(String::as_str));
    let pinned = project.run(&args);
    assert_eq!(pinned.code, 0, "{}", pinned.stdout);
    assert_eq!(pinned.json()["relies_on"], json!([]));

    let text = project.run(&["verify", "--bundle", "b.json"]).stdout;
    assert!(text.contains("pass  author_signature"), "{text}");
    assert!(text.contains("relies on trust:"), "{text}");
    assert!(text.trim_end().ends_with("verified"), "{text}");
}

/// The same bundle with the justification of a block two further on, by three of four authorities.
fn final_bundle() -> (BundleJson, AuthoritySet) {
    let mut bundle = bundle();
    let validators: Vec<Validator> = (0..4).map(Validator).collect();
    let set = testing::set(0, &validators);
    let own = Header::decode(&bundle.inclusion.header).unwrap();
    let next = testing::header(own.hash(), BLOCK + 1, vec![]);
    let last = testing::header(next.hash(), BLOCK + 2, vec![]);
    let justification = justify(&last, 3, 0, &validators[1..]);
    bundle.finality = Some(FinalityJson {
        authorities: Some(set.clone()),
        set_changes: vec![],
        proof: proof(&[next, last], &justification),
    });
    (bundle, set)
}

#[test]
fn finality_is_proven_offline_from_a_pinned_hash_or_file() {
    let project = Project::empty();
    let (bundle, set) = final_bundle();
    let write = |name: &str, value: Value| {
        fs::write(project.path().join(name), value.to_string()).unwrap();
    };
    write("b.json", serde_json::to_value(&bundle).unwrap());
    write("set.json", serde_json::to_value(&set).unwrap());
    let hash = set.hash(bundle.genesis_hash).to_string();
    let genesis = bundle.genesis_hash.to_string();
    let key = bundle.signing_key.public_key.to_string();
    let verify = |authorities: &str| {
        project.run(&[
            "verify",
            "--bundle",
            "b.json",
            "--json",
            "--genesis",
            &genesis,
            "--agent-key",
            &key,
            "--authorities",
            authorities,
        ])
    };
    for pin in [hash.as_str(), "set.json"] {
        let outcome = verify(pin);
        assert_eq!(outcome.code, 0, "{}", outcome.stdout);
        assert_eq!(outcome.json()["relies_on"], json!([]), "{pin}");
    }
    let other = verify(&"11".repeat(32));
    assert_eq!(
        (other.code, other.json()["failed"].as_str()),
        (7, Some("authorities_mismatch"))
    );
    assert_eq!(verify("nothing.json").code, 2);

    let mut doctored = serde_json::to_value(&bundle).unwrap();
    flip(&mut doctored, "/finality/justification");
    write("b.json", doctored);
    let refused = verify(&hash);
    assert_eq!(
        (refused.code, refused.json()["failed"].as_str()),
        (7, Some("justification_invalid"))
    );

    // A bundle of an older program proves no finality; demanded, that is a failure.
    let mut old = bundle;
    old.finality = None;
    write("b.json", serde_json::to_value(&old).unwrap());
    let refused = verify(&hash);
    assert_eq!(
        (refused.code, refused.json()["failed"].as_str()),
        (7, Some("finality_missing"))
    );
}

#[test]
fn each_forgery_has_its_own_failure_and_exit_7() {
    type Forge = fn(&mut Value);
    let forgeries: [(&str, Forge); 8] = [
        ("payload_hash_invalid", |b| {
            b["event"]["event"]["payload"] = json!({"total": 13})
        }),
        ("signature_invalid", |b| {
            flip(b, "/event/event/agent_signature")
        }),
        ("inclusion_invalid", |b| flip(b, "/inclusion/proof/path/0")),
        ("stream_mismatch", |b| flip(b, "/event/event/store_id")),
        ("receipt_invalid", |b| flip(b, "/event/receipt_hash")),
        ("header_hash_mismatch", |b| flip(b, "/inclusion/header")),
        ("block_commitment_invalid", |b| {
            flip(b, "/inclusion/block_proof/path/0")
        }),
        ("batch_invalid", |b| {
            flip(b, "/inclusion/batch/new_state_root")
        }),
    ];
    let project = Project::empty();
    for (reason, forge) in forgeries {
        let mut value = serde_json::to_value(bundle()).unwrap();
        forge(&mut value);
        fs::write(project.path().join("b.json"), value.to_string()).unwrap();
        let outcome = project.run(&["verify", "--bundle", "b.json", "--json"]);
        assert_eq!(outcome.code, 7, "{reason}");
        let json = outcome.json();
        assert_eq!(json["failed"], reason, "{json:#}");
        assert_eq!(json["verified"], false);
        assert_eq!(json["error"]["code"], "verification_failed");
    }
}

#[test]
fn a_pin_that_differs_is_a_failure() {
    let project = Project::empty();
    fs::write(
        project.path().join("b.json"),
        serde_json::to_vec(&bundle()).unwrap(),
    )
    .unwrap();
    let other = "11".repeat(32);
    for (flag, reason) in [
        ("--genesis", "genesis_mismatch"),
        ("--agent-key", "agent_key_mismatch"),
        ("--events-root", "events_root_mismatch"),
        ("--block-hash", "block_hash_mismatch"),
    ] {
        let outcome = project.run(&["verify", "--bundle", "b.json", "--json", flag, &other]);
        assert_eq!(
            (outcome.code, outcome.json()["failed"].as_str()),
            (7, Some(reason))
        );
    }
    let wrong_store = [
        "verify",
        "--bundle",
        "b.json",
        "--json",
        "--tenant",
        common::TENANT,
        "--store",
        common::STORE,
    ];
    assert_eq!(
        project.run(&wrong_store).json()["failed"],
        "stream_mismatch"
    );
}

#[test]
fn an_unreachable_contract_is_not_a_verdict() {
    let project = Project::empty();
    fs::write(
        project.path().join("b.json"),
        serde_json::to_vec(&bundle()).unwrap(),
    )
    .unwrap();
    let args = [
        "verify",
        "--bundle",
        "b.json",
        "--json",
        "--l1-rpc",
        "http://127.0.0.1:1",
        "--registry",
        "0x0000000000000000000000000000000000000001",
    ];
    let outcome = project.run(&args);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (4, "l1_unreachable")
    );
    let outcome = project.run(&[
        "verify",
        "--bundle",
        "b.json",
        "--json",
        "--registry",
        "0x12",
        "--l1-rpc",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (2, "registry_invalid")
    );
    let outcome = project.run(&["verify", "--bundle", "b.json", "--json", "--anchor"]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (2, "contract_incomplete")
    );
}
