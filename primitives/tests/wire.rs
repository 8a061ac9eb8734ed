// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! JSON shapes: the protocol's names, what is refused, and the way there and back.

mod common;

use codec::Encode;
use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use ves_primitives::{
    registry::{RecordedAt, SigningKeyRecord, ValidityWindow},
    wire::*,
    *,
};

/// The JSON of a vector event, in the peer's shape.
fn peer_json(case: &Value) -> Value {
    let mut json = case["envelope"].clone();
    json["agent_signature"] = case["agent_signature"].clone();
    for name in ["payload", "payload_encrypted"] {
        if let Some(value) = case.get(name) {
            json[name] = value.clone();
        }
    }
    json
}

fn read(json: &Value) -> Result<SubmittedEvent, String> {
    let event: EventJson = serde_json::from_str(&json.to_string()).map_err(|e| e.to_string())?;
    SubmittedEvent::try_from(&event).map_err(|e| e.to_string())
}

fn plaintext_json() -> Value {
    peer_json(&vectors("sequencer/generated/events.json")["events"][0])
}

fn encrypted_json() -> Value {
    peer_json(&vectors("sequencer/generated/events.json")["events"][4])
}

#[test]
fn all_generated_events_are_read_from_the_peers_json_and_written_back() {
    let file = vectors("sequencer/generated/events.json");
    let events = submitted_events(&file);
    for (case, event) in cases(&file["events"], 9).iter().zip(&events) {
        let json = peer_json(case);
        assert_eq!(read(&json).as_ref(), Ok(event));
        let written = serde_json::to_value(EventJson::from(event)).unwrap();
        assert_eq!(read(&written).as_ref(), Ok(event));
        // The same names and values, apart from the prefix of hashes.
        let (peer, ours) = (json.as_object().unwrap(), written.as_object().unwrap());
        assert!(peer.keys().all(|name| ours.contains_key(name)), "{peer:?}");
        for (name, value) in ours {
            let expected = match &json[name] {
                Value::String(hex) if name.ends_with("_hash") || name == "agent_signature" => {
                    json!(format!("0x{hex}"))
                }
                other => other.clone(),
            };
            assert_eq!(*value, expected, "{name}");
        }
    }
}

#[test]
fn the_json_of_an_event_has_these_members() {
    let written =
        |json: &Value| serde_json::to_value(EventJson::from(&read(json).unwrap())).unwrap();
    let common = [
        "ves_version",
        "event_id",
        "tenant_id",
        "store_id",
        "source_agent_id",
        "agent_key_id",
        "entity_type",
        "entity_id",
        "event_type",
        "created_at",
        "payload_kind",
        "payload_plain_hash",
        "payload_cipher_hash",
        "agent_signature",
    ];
    let plaintext = written(&plaintext_json());
    assert_members(&plaintext, &[&common[..], &["payload"]].concat());
    let encrypted = written(&encrypted_json());
    assert_members(&encrypted, &[&common[..], &["payload_encrypted"]].concat());
    assert_members(
        &encrypted["payload_encrypted"],
        &[
            "enc_version",
            "aead",
            "nonce_b64u",
            "ciphertext_b64u",
            "tag_b64u",
            "hpke",
            "recipients",
        ],
    );
    assert_eq!(
        encrypted["payload_encrypted"]["hpke"],
        json!({
            "mode": "base",
            "kem": "X25519-HKDF-SHA256",
            "kdf": "HKDF-SHA256",
            "aead": "AES-256-GCM",
        })
    );
    let recipient = &encrypted["payload_encrypted"]["recipients"][0];
    assert_members(recipient, &["recipient_kid", "enc_b64u", "ct_b64u"]);
}

#[test]
fn a_post_quantum_label_is_refused_wherever_it_stands() {
    let set = |path: &str, value: Value| {
        let mut json = encrypted_json();
        *json.pointer_mut(path).unwrap() = value;
        json
    };
    for (path, value, name) in [
        ("/payload_encrypted/enc_version", json!(0), "enc_version"),
        ("/payload_encrypted/enc_version", json!(2), "enc_version"),
        ("/payload_encrypted/enc_version", json!(3), "enc_version"),
        ("/payload_encrypted/aead", json!("AES-128-GCM"), "aead"),
        ("/payload_encrypted/aead", json!("aes-256-gcm"), "aead"),
        ("/payload_encrypted/hpke/mode", json!("hybrid-base"), "hpke"),
        ("/payload_encrypted/hpke/mode", json!("pqc-base"), "hpke"),
        (
            "/payload_encrypted/hpke/kem",
            json!("x25519+mlkem768"),
            "hpke",
        ),
        ("/payload_encrypted/hpke/kem", json!("mlkem768"), "hpke"),
        ("/payload_encrypted/hpke/kdf", json!("HKDF-SHA512"), "hpke"),
        (
            "/payload_encrypted/hpke/aead",
            json!("ChaCha20Poly1305"),
            "hpke",
        ),
    ] {
        let event: EventJson = serde_json::from_value(set(path, value)).unwrap();
        assert_eq!(
            SubmittedEvent::try_from(&event),
            Err(WireError::UnsupportedSuite(name)),
            "{path}"
        );
    }
    for scheme in [2, 3, 4, -1] {
        let mut json = plaintext_json();
        json["agent_signature_scheme"] = json!(scheme);
        assert!(
            read(&json).unwrap_err().contains("only Ed25519"),
            "{scheme}"
        );
    }
    let mut json = plaintext_json();
    json["agent_signature_bundle"] = json!({ "ed25519_signature": [], "ml_dsa_65_signature": [] });
    assert!(read(&json).unwrap_err().contains("only Ed25519"));
    for scheme in [json!(0), json!(1), Value::Null] {
        let mut json = plaintext_json();
        json["agent_signature_scheme"] = scheme;
        json["agent_signature_bundle"] = Value::Null;
        assert_eq!(read(&json), read(&plaintext_json()));
    }
}

#[test]
fn an_event_has_exactly_one_payload() {
    let plain = plaintext_json();
    let mut none = plain.clone();
    none.as_object_mut().unwrap().remove("payload");
    let mut null = plain.clone();
    null["payload"] = Value::Null;
    let mut raw_too = plain.clone();
    raw_too["payload_raw_b64u"] = json!("e30");
    let mut encrypted_too = encrypted_json();
    encrypted_too["payload"] = json!({});
    for json in [none, null, raw_too, encrypted_too] {
        assert_eq!(read(&json), Err("schema_validation: payload".into()));
    }
    for (kind, verdict) in [
        (2, "schema_validation: payload_kind"),
        (u32::MAX, "schema_validation: payload_kind"),
    ] {
        let mut json = plain.clone();
        json["payload_kind"] = json!(kind);
        assert_eq!(read(&json), Err(verdict.into()));
    }
    // A kind that contradicts the payload is read, and refused by the event's own check.
    let mut json = plain;
    json["payload_kind"] = json!(1);
    let error = EnvelopeError::Schema(Field::PayloadKind);
    assert_eq!(read(&json).unwrap().check(), Err(error));
}

#[test]
fn a_payload_is_canonicalized_or_refused() {
    let with_payload = |payload: Value| {
        let mut json = plaintext_json();
        json["payload"] = payload;
        let event: EventJson = serde_json::from_value(json).unwrap();
        SubmittedEvent::try_from(&event)
    };
    let event = with_payload(json!({ "b": 1.0, "a": [100.0, -0.0, "é"] })).unwrap();
    let canonical = r#"{"a":[100,0,"é"],"b":1}"#.as_bytes().to_vec();
    assert_eq!(event.payload, Payload::Plain(canonical.try_into().unwrap()));
    assert!(matches!(
        with_payload(json!({ "a": 9_007_199_254_740_993_u64 })),
        Err(WireError::Payload(jcs::JcsError::UnsafeInteger(_)))
    ));
    let longest = limits::MAX_PAYLOAD_BYTES as usize;
    assert!(with_payload(json!("x".repeat(longest - 2))).is_ok());
    assert_eq!(
        with_payload(json!("x".repeat(longest - 1))),
        Err(WireError::Field("payload"))
    );
}

#[test]
fn a_payload_that_is_not_canonical_travels_as_bytes() {
    let mut event = read(&plaintext_json()).unwrap();
    for bytes in [
        &b"not json"[..],
        b"{ }",
        b"null",
        b"\xff\xfe",
        b"1e20",
        br#"{"a":1,"a":2}"#,
        br#"{"$serde_json::private::RawValue":"1"}"#,
        br#"{"$serde_json::private::Number":"1"}"#,
        b"",
    ] {
        event.payload = Payload::Plain(bytes.to_vec().try_into().unwrap());
        let json = EventJson::from(&event);
        assert_eq!(json.payload, None);
        assert!(json.payload_raw_b64u.is_some());
        let text = serde_json::to_string(&json).unwrap();
        let back: EventJson = serde_json::from_str(&text).unwrap();
        assert_eq!(SubmittedEvent::try_from(&back).as_ref(), Ok(&event));
    }
}

#[test]
fn every_field_that_does_not_fit_is_named() {
    let change = |base: fn() -> Value, path: &str, value: Value| {
        let mut json = base();
        *json.pointer_mut(path).unwrap() = value;
        let event: EventJson = serde_json::from_value(json).unwrap();
        SubmittedEvent::try_from(&event)
    };
    for (name, limit) in [
        ("entity_type", 128),
        ("entity_id", 512),
        ("event_type", 256),
        ("created_at", 64),
    ] {
        let path = format!("/{name}");
        assert!(
            change(plaintext_json, &path, json!("x".repeat(limit))).is_ok(),
            "{name}"
        );
        // Bytes, not characters.
        let too_long = json!(format!("{}é", "x".repeat(limit - 1)));
        assert_eq!(
            change(plaintext_json, &path, too_long),
            Err(WireError::Field(name))
        );
    }
    let long = |bytes: usize| json!("A".repeat(bytes.div_ceil(3) * 4));
    for (path, value, name) in [
        ("nonce_b64u", json!("AAAA"), "nonce_b64u"),
        ("nonce_b64u", json!("AAECAwQFBgcICQoLDA"), "nonce_b64u"),
        ("tag_b64u", json!(""), "tag_b64u"),
        ("tag_b64u", json!("not base64url"), "tag_b64u"),
        ("ciphertext_b64u", json!("+/+/"), "ciphertext_b64u"),
        (
            "ciphertext_b64u",
            long(limits::MAX_PAYLOAD_BYTES as usize + 1),
            "ciphertext_b64u",
        ),
        ("recipients/0/enc_b64u", json!("AAAA"), "enc_b64u"),
        ("recipients/0/ct_b64u", json!("A".repeat(80)), "ct_b64u"),
    ] {
        let path = format!("/payload_encrypted/{path}");
        assert_eq!(
            change(encrypted_json, &path, value),
            Err(WireError::Field(name)),
            "{path}"
        );
    }
    let recipient = encrypted_json()["payload_encrypted"]["recipients"][0].clone();
    let list = |count| json!(vec![recipient.clone(); count]);
    let path = "/payload_encrypted/recipients";
    let most = limits::MAX_RECIPIENTS as usize;
    // Order and repetition are judged by the event's own check, the number already here.
    assert!(change(encrypted_json, path, list(most)).is_ok());
    let verdict = change(encrypted_json, path, list(most + 1));
    assert_eq!(verdict, Err(WireError::Field("recipients")));
}

#[test]
fn base64url_is_written_without_padding_and_read_with_or_without() {
    let event = read(&encrypted_json()).unwrap();
    let mut json = serde_json::to_value(EventJson::from(&event)).unwrap();
    let tag = json.pointer_mut("/payload_encrypted/tag_b64u").unwrap();
    assert!(!text(tag).contains('='));
    *tag = json!(format!("{}==", text(tag)));
    assert_eq!(read(&json), Ok(event));
}

#[test]
fn envelope_members_are_neither_repeated_nor_missing() {
    let json = plaintext_json().to_string();
    let twice = format!(r#"{{"ves_version":1,{}"#, &json[1..]);
    let error = serde_json::from_str::<EventJson>(&twice)
        .unwrap_err()
        .to_string();
    assert!(error.contains("duplicate field"), "{error}");
    for name in [
        "ves_version",
        "event_id",
        "payload_plain_hash",
        "agent_signature",
        "created_at",
    ] {
        let mut json = plaintext_json();
        json.as_object_mut().unwrap().remove(name);
        let error = read(&json).unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    for (name, value) in [
        ("ves_version", json!(-1)),
        ("ves_version", json!(4_294_967_296_u64)),
        ("agent_key_id", json!("1")),
        ("base_version", json!(1.5)),
        ("event_id", json!("not a uuid")),
        ("agent_signature", json!("00")),
        ("payload_plain_hash", json!([0, 0])),
    ] {
        let mut json = plaintext_json();
        json[name] = value;
        assert!(read(&json).is_err(), "{name}");
    }
}

fn batch() -> BatchCommitment {
    let leaves = [LeafHash([3; 32]), LeafHash([4; 32])];
    BatchCommitment::commit(
        TenantId([1; 16]),
        StoreId([2; 16]),
        9,
        &StreamTip::EMPTY,
        &leaves,
    )
    .expect("a committable batch")
}

#[test]
fn a_batch_has_one_flat_json_object() {
    let batch = batch();
    let json = BatchJson {
        stream_id: batch.stream_id(),
        block_hash: [5; 32],
        batch: batch.clone(),
    };
    let written = serde_json::to_value(&json).unwrap();
    assert_eq!(
        written,
        json!({
            "stream_id": batch.stream_id().to_string(),
            "block_hash": format!("0x{}", "05".repeat(32)),
            "batch_id": batch.batch_id.to_string(),
            "tenant_id": "01010101-0101-0101-0101-010101010101",
            "store_id": "02020202-0202-0202-0202-020202020202",
            "batch_index": 0,
            "block_number": 9,
            "sequence_start": 1,
            "sequence_end": 2,
            "leaf_count": 2,
            "events_root": batch.events_root.to_string(),
            "prev_state_root": format!("0x{}", "00".repeat(32)),
            "new_state_root": batch.new_state_root.to_string(),
        })
    );
    let back: BatchJson = serde_json::from_str(&written.to_string()).unwrap();
    assert_eq!(back, json);
}

#[test]
fn a_rejection_has_these_members_and_the_protocols_reason() {
    let json = RejectionJson {
        block_number: 9,
        block_hash: [5; 32],
        extrinsic_index: 1,
        reason: sequencer::Rejection::DuplicateCommandId.to_string(),
    };
    let written = serde_json::to_value(&json).unwrap();
    assert_eq!(
        written,
        json!({
            "block_number": 9,
            "block_hash": format!("0x{}", "05".repeat(32)),
            "extrinsic_index": 1,
            "reason": "duplicate_command_id",
        })
    );
    let back: RejectionJson = serde_json::from_value(written).unwrap();
    assert_eq!(back, json);
}

#[test]
fn the_error_codes_of_the_nodes_methods_never_change() {
    let codes = [
        codes::NOT_INDEXED_YET,
        codes::STORE_UNAVAILABLE,
        codes::STORE_DAMAGED,
        codes::STATE_UNAVAILABLE,
        codes::SUBSCRIBER_TOO_SLOW,
        codes::TOO_MANY_SUBSCRIPTIONS,
        codes::CURSOR_UNAUTHORIZED,
        codes::CURSOR_OUTDATED,
    ];
    assert!(codes.iter().copied().eq((-32057..=-32050).rev()));
    let names: std::collections::BTreeSet<_> = codes.map(codes::name).into();
    assert_eq!((names.len(), names.contains(&None)), (codes.len(), false));
    assert_eq!(codes::name(-32_602), None);
}

#[test]
fn a_bundle_survives_the_way_there_and_back() {
    let event = read(&encrypted_json()).unwrap();
    let batch = batch();
    let proof = InclusionProof {
        leaf_index: 1,
        leaf_count: 2,
        path: vec![[3; 32]],
    };
    let bundle = BundleJson {
        schema: BundleJson::SCHEMA.into(),
        version: BundleJson::VERSION,
        genesis_hash: GenesisHash([6; 32]),
        event: SequencedEventJson {
            stream_id: batch.stream_id(),
            sequence: limits::MAX_SEQUENCE,
            block_number: 9,
            block_hash: [5; 32],
            block_time_ms: u64::MAX,
            extrinsic_index: 2,
            event_signing_hash: event.envelope.signing_hash().unwrap(),
            leaf_hash: LeafHash([4; 32]),
            receipt_hash: ReceiptHash([7; 32]),
            event: EventJson::from(&event),
        },
        inclusion: InclusionJson {
            leaf_hash: LeafHash([4; 32]),
            proof: proof.clone(),
            batch: BatchJson {
                stream_id: batch.stream_id(),
                block_hash: [5; 32],
                batch,
            },
            block_proof: proof,
            header: vec![1, 2, 3],
        },
        signing_key: SigningKeyRecord {
            public_key: SigningPublicKey([8; 32]),
            window: ValidityWindow {
                valid_from: Some(1),
                valid_to: None,
            },
            registered_at: RecordedAt {
                block: 1,
                time_ms: 2,
            },
            revocation: None,
        },
        finality: Some(FinalityJson {
            authorities: Some(AuthoritySet {
                set_id: 2,
                authorities: vec![Authority {
                    key: AuthorityKey([8; 32]),
                    weight: u64::MAX,
                }],
            }),
            set_changes: vec![FinalityProof::default()],
            proof: FinalityProof {
                headers: vec![vec![1, 2], vec![]],
                justification: vec![0xff],
            },
        }),
        anchor: Some(AnchorJson {
            chain_id: 84_532_001,
            registry: "0x00".into(),
            events_root: [1; 32],
            new_state_root: [2; 32],
            read_at_block: 3,
        }),
        proofs: vec![ProofJson {
            block_number: 10,
            submission: vec![4, 5],
            signing_key: None,
        }],
    };
    let written = serde_json::to_string(&bundle).unwrap();
    let back: BundleJson = serde_json::from_str(&written).unwrap();
    assert_eq!(back, bundle);
    // A program that passes the bundle through an untyped value loses nothing either.
    let untyped: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        serde_json::from_value::<BundleJson>(untyped).unwrap(),
        bundle
    );
    assert!(written.contains(r#""path":["0x0303"#), "{written}");
    assert!(written.contains(r#""header":"0x010203""#));
}

fn text_field(max: usize) -> impl Strategy<Value = Vec<u8>> {
    any::<String>().prop_map(move |text| {
        let mut text = text;
        while text.len() > max {
            text.pop();
        }
        text.into_bytes()
    })
}

fn payload() -> impl Strategy<Value = (PayloadKind, Payload)> {
    let json = any::<(String, i32, f64, Option<bool>)>().prop_map(|(text, int, float, flag)| {
        let float = if float.abs() < 1e15 { float } else { 0.5 };
        let value = json!({ "text": text, "int": int, "float": float, "list": [flag, text] });
        jcs::canonicalize_value(&value).expect("fits").into_bytes()
    });
    let plain = prop_oneof![json, prop::collection::vec(any::<u8>(), 0..200)].prop_map(|bytes| {
        (
            PayloadKind::Plaintext,
            Payload::Plain(bytes.try_into().expect("fits")),
        )
    });
    let recipient = (
        any::<u32>(),
        any::<[u8; 32]>(),
        prop::collection::vec(any::<u8>(), 48),
    )
        .prop_map(|(kid, enc, ct)| Recipient {
            recipient_kid: RecipientKid(kid),
            enc,
            ct: ct.try_into().expect("fits"),
        });
    let encrypted = (
        any::<[u8; 12]>(),
        prop::collection::vec(any::<u8>(), 0..200),
        any::<[u8; 16]>(),
        prop::collection::vec(recipient, 0..5),
    )
        .prop_map(|(nonce, ciphertext, tag, recipients)| {
            let bundle = EncryptedPayload {
                nonce,
                ciphertext: ciphertext.try_into().expect("fits"),
                tag,
                recipients: recipients.try_into().expect("fits"),
            };
            (PayloadKind::Encrypted, Payload::Encrypted(bundle))
        });
    prop_oneof![plain, encrypted]
}

prop_compose! {
    fn submitted()(
        (ves_version, key_id) in any::<(u32, u32)>(),
        ids in any::<[[u8; 16]; 4]>(),
        entity_type in text_field(128),
        entity_id in text_field(512),
        event_type in text_field(256),
        created_at in text_field(64),
        (payload_kind, payload) in payload(),
        hashes in any::<[[u8; 32]; 2]>(),
        command in any::<Option<[u8; 16]>>(),
        base_version in any::<Option<u64>>(),
        signature in prop::collection::vec(any::<u8>(), 64),
    ) -> SubmittedEvent {
        SubmittedEvent {
            envelope: Envelope {
                ves_version,
                event_id: EventId(ids[0]),
                tenant_id: TenantId(ids[1]),
                store_id: StoreId(ids[2]),
                source_agent_id: AgentId(ids[3]),
                agent_key_id: KeyId(key_id),
                entity_type: entity_type.try_into().expect("fits"),
                entity_id: entity_id.try_into().expect("fits"),
                event_type: event_type.try_into().expect("fits"),
                created_at: created_at.try_into().expect("fits"),
                payload_kind,
                payload_plain_hash: PayloadPlainHash(hashes[0]),
                payload_cipher_hash: PayloadCipherHash(hashes[1]),
                command_id: command.map(CommandId),
                base_version,
                agent_signature: Signature(signature.try_into().expect("fits")),
            },
            payload,
        }
    }
}

proptest! {
    #[test]
    fn any_event_survives_the_way_to_json_and_back(event in submitted()) {
        let json = EventJson::from(&event);
        let written = serde_json::to_string(&json).unwrap();
        let back: EventJson = serde_json::from_str(&written).unwrap();
        let read = SubmittedEvent::try_from(&back);
        prop_assert_eq!(read.as_ref(), Ok(&event));
        prop_assert_eq!(read.unwrap().encode(), event.encode());
        let untyped: Value = serde_json::from_str(&written).unwrap();
        let back: EventJson = serde_json::from_value(untyped).unwrap();
        prop_assert_eq!(SubmittedEvent::try_from(&back), Ok(event));
    }

    #[test]
    fn damaged_event_json_gets_a_verdict(
        event in submitted(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        noise in any::<String>(),
    ) {
        let mut raw = serde_json::to_vec(&EventJson::from(&event)).unwrap();
        let at = at.index(raw.len());
        raw[at] = with;
        let event = serde_json::from_slice(&raw).ok();
        let event = event.and_then(|json: EventJson| SubmittedEvent::try_from(&json).ok());
        let _ = event.map(|event| event.check());
        let _ = serde_json::from_str::<EventJson>(&noise);
        let _ = serde_json::from_str::<BundleJson>(&noise);
    }
}
