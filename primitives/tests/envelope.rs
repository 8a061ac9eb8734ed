// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The signing hash in both versions, and what an event's own bytes prove.

mod common;

use codec::{Decode, DecodeAll, Encode};
use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use ves_primitives::*;

/// The V1 preimage written out, with nothing of the crate in it.
fn v1_preimage(fields: &Value) -> Vec<u8> {
    let uuid = |name: &str| hex::decode(text(&fields[name]).replace('-', "")).expect("hex");
    let u32_be = |name: &str| number32(&fields[name]).to_be_bytes().to_vec();
    [
        b"VES_EVENTSIG_V1".to_vec(),
        u32_be("ves_version"),
        uuid("tenant_id"),
        uuid("store_id"),
        uuid("event_id"),
        uuid("source_agent_id"),
        u32_be("agent_key_id"),
        str_field(text(&fields["entity_type"])),
        str_field(text(&fields["entity_id"])),
        str_field(text(&fields["event_type"])),
        str_field(text(&fields["created_at"])),
        u32_be("payload_kind"),
        bytes(&fields["payload_plain_hash"]),
        bytes(&fields["payload_cipher_hash"]),
    ]
    .concat()
}

#[test]
fn published_v1_signing_hashes_are_reproduced() {
    let rust = vectors("sequencer/transcribed/rust_crypto_hash_rs.json");
    let yellow = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let cli = vectors("cli/ves_crypto_vectors.json");
    let in_cli = cases(&cli["hashes"], 13)
        .iter()
        .find(|case| case["id"] == "event_signing_hash")
        .expect("the signing hash");
    let published = [
        (&cases(&rust["event_signing_hash"], 1)[0], "input"),
        (&yellow["22.1_event_signing"], "input"),
        (&cases(&sdk["event_signing_hash"], 1)[0], "input"),
        (in_cli, "params"),
    ];
    for (case, input) in published {
        let hash = envelope(&case[input]).signing_hash().unwrap();
        assert_eq!(hash, id(&case["expected"]));
    }
    let yellow = &yellow["22.1_event_signing"];
    let preimage = bytes(&yellow["preimage_hex"]);
    assert_eq!(preimage.len() as u64, number(&yellow["preimage_len"]));
    assert_eq!(v1_preimage(&yellow["input"]), preimage);
    assert_eq!(h(&[&preimage]), array::<32>(&yellow["expected"]));
}

#[test]
fn the_published_v2_signing_hash_is_reproduced_and_depends_on_every_control() {
    let file = vectors("sequencer/transcribed/upstream_sdk_tests.json");
    let case = &cases(&file["signing_hash_v2"], 1)[0];
    let signed = envelope(&case["input"]);
    let expected: EventSigningHash = id(&case["expected"]);
    assert_eq!(signed.signing_hash(), Ok(expected));
    for change in cases(&case["must_differ_when"], 4) {
        let mut other = signed.clone();
        match text(change) {
            "base_version absent" => other.base_version = None,
            "base_version 1" => other.base_version = Some(1),
            "command_id absent" => other.command_id = None,
            "ves_version 1" => other.ves_version = 1,
            unknown => panic!("unknown change {unknown}"),
        }
        assert_ne!(other.signing_hash(), Ok(expected), "{change}");
    }
}

#[test]
fn all_generated_events_have_the_expected_hashes_signatures_leaves_and_receipts() {
    let file = vectors("sequencer/generated/events.json");
    let sequencer = signing_key(&file["ed25519_seeds"]["sequencer"]);
    let (mut v2, mut encrypted) = (0, 0);
    for (case, event) in cases(&file["events"], 9)
        .iter()
        .zip(submitted_events(&file))
    {
        let envelope = &event.envelope;
        let sequence = number(&case["sequence_number"]);
        let preimage = bytes(&case["signing_preimage"]);
        assert_eq!(v1_preimage(&case["envelope"]), preimage);
        assert_eq!(h(&[&preimage]), array::<32>(&case["v1_hash"]));

        let signing_hash = envelope.signing_hash().unwrap();
        assert_eq!(signing_hash, id(&case["event_signing_hash"]));
        if envelope.ves_version == 2 {
            v2 += 1;
            let command = envelope
                .command_id
                .map_or_else(|| vec![0], |command| [&[1], command.as_ref()].concat());
            let base = envelope.base_version.map_or_else(
                || vec![0],
                |version| [&[1][..], &version.to_be_bytes()].concat(),
            );
            let recomputed = h(&[
                b"VES_EVENTSIG_V2",
                &bytes(&case["v1_hash"]),
                &command,
                &base,
            ]);
            assert_eq!(signing_hash.0, recomputed);
        }

        let signer = text(&case["signer"]);
        let key = signing_key(&file["ed25519_seeds"][signer]);
        assert_eq!(public_key(&key), id(&file["ed25519_public_keys"][signer]));
        assert_eq!(sign(&key, &signing_hash.0), envelope.agent_signature);
        assert!(verify_ed25519(
            &public_key(&key),
            &signing_hash.0,
            &envelope.agent_signature
        ));

        let receipt = envelope.receipt_hash(sequence, &signing_hash);
        assert_eq!(receipt, id(&case["receipt_hash"]));
        assert_eq!(
            sign(&sequencer, &receipt.0),
            id(&case["sequencer_signature"])
        );
        assert_eq!(
            envelope.leaf_hash(sequence, &signing_hash),
            id(&case["leaf_hash"])
        );

        if event.payload.kind() == PayloadKind::Encrypted {
            encrypted += 1;
        }
        assert_eq!(event.check(), Ok(()), "event {sequence}");
        assert_eq!(
            SubmittedEvent::decode_all(&mut &event.encode()[..]).as_ref(),
            Ok(&event)
        );
        assert!(event.variable_len() < event.encode().len());
    }
    assert_eq!((v2, encrypted), (4, 2));
}

#[test]
fn the_derived_plaintext_event_is_reproduced() {
    let file = vectors("cli/derived_ves_enc_and_sign.json");
    let case = &file["plaintext_event"];
    let mut fields = file["event"].clone();
    for name in ["payload_kind", "payload_plain_hash", "payload_cipher_hash"] {
        fields[name] = case[name].clone();
    }
    let mut signed = envelope(&fields);
    let canonical = text(&file["payload_jcs"]);
    assert_eq!(
        jcs::canonicalize_value(&file["payload"]).as_deref(),
        Ok(canonical)
    );
    assert_eq!(
        payload_plain_hash(None, canonical.as_bytes()),
        signed.payload_plain_hash
    );
    let hash = signed.signing_hash().unwrap();
    assert_eq!(hash, id(&case["event_signing_hash"]));
    let key = signing_key(&file["ed25519"]["seed"]);
    assert_eq!(public_key(&key), id(&file["ed25519"]["public_key"]));
    signed.agent_signature = sign(&key, &hash.0);
    assert_eq!(signed.agent_signature, id(&case["agent_signature"]));
    let sequence = number(&case["sequence_number"]);
    assert_eq!(signed.leaf_hash(sequence, &hash), id(&case["leaf_hash"]));
    assert_eq!(
        signed.receipt_hash(sequence, &hash),
        id(&case["receipt_hash"])
    );
}

#[test]
fn values_the_peers_documents_invented_are_not_ours() {
    let file = vectors("sequencer/transcribed/docs_embedded_examples.json");
    let event = &file["AGENT_INTEGRATION_event"];
    let canonical = jcs::canonicalize_value(&event["payload"]).unwrap();
    let printed: PayloadPlainHash = id(&event["payload_plain_hash_printed"]);
    assert_eq!(
        printed.0,
        sha256(b""),
        "the document prints the hash of nothing"
    );
    assert_ne!(payload_plain_hash(None, canonical.as_bytes()), printed);
    let mut fields = event.clone();
    fields["ves_version"] = json!(1);
    fields["payload_kind"] = json!(0);
    fields["payload_cipher_hash"] = json!("00".repeat(32));
    for hash in [printed, payload_plain_hash(None, canonical.as_bytes())] {
        fields["payload_plain_hash"] = json!(hash.to_string());
        let envelope = envelope(&fields);
        let signing_hash = envelope.signing_hash().unwrap();
        let receipt = envelope.receipt_hash(number(&event["sequence_number"]), &signing_hash);
        assert_ne!(receipt, id(&event["receipt_hash_printed"]));
    }
    let key = signing_key(&json!("00".repeat(32)));
    assert_eq!(
        public_key(&key),
        id(&file["AGENT_INTEGRATION_public_key"]["printed"])
    );
}

#[test]
fn the_domain_separators_are_the_peers_ascii() {
    let file = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let published = file["22.3_domains_hex"].as_object().unwrap();
    assert_eq!(published.len(), 8);
    for (name, hex) in published {
        let ours = match name.as_str() {
            "VES_EVENTSIG_V1" => domain::EVENT_SIG_V1,
            "VES_LEAF_V1" => domain::LEAF,
            "VES_NODE_V1" => domain::NODE,
            "VES_PAD_LEAF_V1" => domain::PAD_LEAF,
            "VES_STREAM_V1" => domain::STREAM,
            "VES_RECEIPT_V1" => domain::RECEIPT,
            "VES_STATE_ROOT_V1" => domain::STATE_ROOT,
            "VES_PAYLOAD_PLAIN_V1" => domain::PAYLOAD_PLAIN,
            other => panic!("unknown domain {other}"),
        };
        assert_eq!((ours, ours), (name.as_bytes(), &bytes(hex)[..]));
    }
    // Lengths of the whole list of VES v1 §0.1, and no separator begins another.
    let all = [
        (domain::PAYLOAD_PLAIN, 20),
        (domain::PAYLOAD_AAD, 18),
        (domain::PAYLOAD_CIPHER, 21),
        (domain::RECIPIENTS, 17),
        (domain::EVENT_SIG_V1, 15),
        (domain::EVENT_SIG_V2, 15),
        (domain::LEAF, 11),
        (domain::PAD_LEAF, 15),
        (domain::NODE, 11),
        (domain::STREAM, 13),
        (domain::RECEIPT, 14),
        (domain::STATE_ROOT, 17),
        (domain::POLICY, 38),
        (domain::COMPLIANCE_PROOF, 37),
        (domain::BATCH_PROOF, 32),
        (domain::POP, 10),
        (domain::POP_BIND, 15),
        (domain::KEY_ROTATE, 17),
        (domain::BATCH_ID, 15),
        (domain::BLOCK_LEAF, 17),
    ];
    for (i, (domain, length)) in all.iter().enumerate() {
        assert_eq!(domain.len(), *length);
        for (j, (other, _)) in all.iter().enumerate() {
            assert!(i == j || !other.starts_with(domain), "{i} begins {j}");
        }
    }
}

#[test]
fn uuids_are_read_in_printed_order_and_widened_on_the_left() {
    let mut checked = 0;
    let mut check = |uuid: &Value, bytes16: Option<&Value>, bytes32: Option<&Value>| {
        let parsed: TenantId = id(uuid);
        assert_eq!(parsed.to_string(), text(uuid));
        if let Some(expected) = bytes16 {
            assert_eq!(parsed.0, array::<16>(expected));
            assert_eq!(parsed.to_bytes32()[..16], parsed.0);
            assert_eq!(parsed.to_bytes32()[16..], [0; 16]);
        }
        if let Some(expected) = bytes32 {
            assert_eq!(parsed.to_bytes32(), array::<32>(expected));
            assert_eq!(uuid_to_bytes32(&parsed.0), array::<32>(expected));
        }
        checked += 1;
    };
    let file = vectors("sequencer/transcribed/anchor_rs_uuid_bytes32.json");
    for case in cases(&file["vectors"], 3) {
        check(
            &case["uuid"],
            case.get("expected_prefix16"),
            case.get("expected"),
        );
    }
    let file = vectors("sequencer/transcribed/yellowpaper_section_22.json");
    let case = &file["22.6_uuid"];
    check(&case["uuid"], case.get("bytes16"), case.get("bytes32"));
    let file = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    let case = &cases(&file["uuid_to_bytes"], 1)[0];
    check(&case[0], Some(&case[1]), None);
    let file = vectors("cli/ves_crypto_vectors.json");
    let case = cases(&file["encoding"], 10)
        .iter()
        .find(|c| c["id"] == "uuid")
        .unwrap();
    check(&case["input"], Some(&case["expected"]), None);
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    let case = &file["uuid_bytes32"];
    check(&case["uuid"], None, case.get("hex"));
    assert_eq!(checked, 7);
}

#[test]
fn ids_have_one_spelling_on_output_and_few_on_input() {
    let tenant: TenantId = "64527dd3-a654-4410-9327-e58a1492ce77".parse().unwrap();
    for same in [
        "64527DD3-A654-4410-9327-E58A1492CE77",
        "64527dd3a65444109327e58a1492ce77",
    ] {
        assert_eq!(same.parse(), Ok(tenant));
    }
    for wrong in [
        "",
        "64527dd3-a654-4410-9327-e58a1492ce7",
        "64527dd3-a654-4410-9327-e58a1492ce777",
        "64527dd3a-654-4410-9327-e58a1492ce77",
        "{64527dd3-a654-4410-9327-e58a1492ce77}",
        "urn:uuid:64527dd3-a654-4410-9327-e58a1492ce77",
        "64527dd3-a654-4410-9327-e58a1492ce7g",
        "--------------------------------",
        "------------------------------------",
        "0x64527dd3a65444109327e58a1492ce",
        "６4527dd3-a654-4410-9327-e58a1492ce",
    ] {
        assert_eq!(
            wrong.parse::<TenantId>(),
            Err(ParseIdError::Uuid),
            "{wrong}"
        );
    }
    let root: StateRoot = "ab".repeat(32).parse().unwrap();
    assert_eq!(root.to_string(), format!("0x{}", "ab".repeat(32)));
    assert_eq!(format!("0x{}", "AB".repeat(32)).parse(), Ok(root));
    for wrong in [
        "",
        "0x",
        "0Xab",
        &"ab".repeat(31),
        &"ab".repeat(33),
        &"zz".repeat(32),
    ] {
        assert_eq!(
            wrong.parse::<StateRoot>(),
            Err(ParseIdError::Hex),
            "{wrong}"
        );
    }
}

/// The signed event that every negative case changes in one place.
fn plaintext_event() -> SubmittedEvent {
    submitted_events(&vectors("sequencer/generated/events.json")).swap_remove(0)
}

fn encrypted_event() -> SubmittedEvent {
    submitted_events(&vectors("sequencer/generated/events.json")).swap_remove(4)
}

#[test]
fn each_broken_rule_of_a_plaintext_event_is_named() {
    type Change = (fn(&mut SubmittedEvent), EnvelopeError);
    let schema = EnvelopeError::Schema;
    let changes: &[Change] = &[
        (
            |e| e.envelope.ves_version = 0,
            EnvelopeError::UnsupportedVersion,
        ),
        (
            |e| e.envelope.ves_version = 3,
            EnvelopeError::UnsupportedVersion,
        ),
        (
            |e| e.envelope.entity_type = vec![].try_into().unwrap(),
            schema(Field::EntityType),
        ),
        (
            |e| e.envelope.entity_id = vec![].try_into().unwrap(),
            schema(Field::EntityId),
        ),
        (
            |e| e.envelope.entity_id = vec![0xff].try_into().unwrap(),
            schema(Field::EntityId),
        ),
        (
            |e| e.envelope.event_type = vec![0xc0, 0x80].try_into().unwrap(),
            schema(Field::EventType),
        ),
        (
            |e| e.envelope.created_at = vec![].try_into().unwrap(),
            schema(Field::CreatedAt),
        ),
        (
            |e| e.envelope.created_at = b"yesterday".to_vec().try_into().unwrap(),
            schema(Field::CreatedAt),
        ),
        (
            |e| e.envelope.base_version = Some(limits::MAX_SEQUENCE + 1),
            schema(Field::BaseVersion),
        ),
        (
            |e| e.envelope.payload_kind = PayloadKind::Encrypted,
            schema(Field::PayloadKind),
        ),
        (
            |e| e.payload = Payload::Plain(vec![].try_into().unwrap()),
            schema(Field::Payload),
        ),
        (
            |e| e.payload = Payload::Plain(b"{}".to_vec().try_into().unwrap()),
            EnvelopeError::PayloadHash,
        ),
        (
            |e| e.envelope.payload_plain_hash.0[0] ^= 1,
            EnvelopeError::PayloadHash,
        ),
        (
            |e| e.envelope.payload_cipher_hash.0[31] = 1,
            EnvelopeError::PayloadHash,
        ),
    ];
    for (n, (change, error)) in changes.iter().enumerate() {
        let mut event = plaintext_event();
        change(&mut event);
        assert_eq!(event.check(), Err(*error), "change {n}");
    }
    let mut at_the_limit = plaintext_event();
    at_the_limit.envelope.base_version = Some(limits::MAX_SEQUENCE);
    assert_eq!(at_the_limit.check(), Ok(()));
}

#[test]
fn each_broken_rule_of_an_encrypted_event_is_named() {
    type Change = (fn(&mut Envelope, &mut EncryptedPayload), EnvelopeError);
    let recipients = EnvelopeError::Schema(Field::Recipients);
    let changes: &[Change] = &[
        (
            |_, p| p.ciphertext = vec![].try_into().unwrap(),
            EnvelopeError::Schema(Field::Payload),
        ),
        (|_, p| p.recipients = vec![].try_into().unwrap(), recipients),
        (|_, p| p.recipients.as_mut().reverse(), recipients),
        (
            |_, p| p.recipients[1].recipient_kid = p.recipients[0].recipient_kid,
            recipients,
        ),
        (|_, p| p.nonce[0] ^= 1, EnvelopeError::CipherHash),
        (|_, p| p.ciphertext[0] ^= 1, EnvelopeError::CipherHash),
        (|_, p| p.tag[15] ^= 1, EnvelopeError::CipherHash),
        (
            |_, p| p.recipients[0].enc[0] ^= 1,
            EnvelopeError::CipherHash,
        ),
        (
            |_, p| p.recipients[1].ct[47] ^= 1,
            EnvelopeError::CipherHash,
        ),
        (
            |_, p| p.recipients[1].recipient_kid.0 += 1,
            EnvelopeError::CipherHash,
        ),
        (
            |e, _| e.payload_plain_hash.0[0] ^= 1,
            EnvelopeError::CipherHash,
        ),
        (
            |e, _| e.payload_cipher_hash = PayloadCipherHash::PLAINTEXT,
            EnvelopeError::CipherHash,
        ),
        (
            |e, _| e.entity_id = b"another".to_vec().try_into().unwrap(),
            EnvelopeError::CipherHash,
        ),
        (
            |e, _| e.payload_kind = PayloadKind::Plaintext,
            EnvelopeError::Schema(Field::PayloadKind),
        ),
    ];
    for (n, (change, error)) in changes.iter().enumerate() {
        let mut event = encrypted_event();
        let Payload::Encrypted(payload) = &mut event.payload else {
            panic!("encrypted")
        };
        assert_eq!(payload.recipients.len(), 2);
        change(&mut event.envelope, payload);
        assert_eq!(event.check(), Err(*error), "change {n}");
    }
}

#[test]
fn every_signed_field_changes_the_signing_hash_and_unsigned_ones_do_not() {
    let signed = encrypted_event().envelope;
    let hash = signed.signing_hash().unwrap();
    let changes: &[fn(&mut Envelope)] = &[
        |e| e.event_id.0[0] ^= 1,
        |e| e.tenant_id.0[0] ^= 1,
        |e| e.store_id.0[0] ^= 1,
        |e| e.source_agent_id.0[0] ^= 1,
        |e| e.agent_key_id.0 ^= 1,
        |e| e.entity_type[0] ^= 1,
        |e| e.entity_id[0] ^= 1,
        |e| e.event_type[0] ^= 1,
        |e| e.created_at[0] ^= 1,
        |e| e.payload_kind = PayloadKind::Plaintext,
        |e| e.payload_plain_hash.0[0] ^= 1,
        |e| e.payload_cipher_hash.0[0] ^= 1,
        // One byte moved over the boundary of two texts.
        |e| {
            let last = e.entity_type.pop().unwrap();
            e.entity_id.try_insert(0, last).unwrap();
        },
    ];
    for (n, change) in changes.iter().enumerate() {
        let mut other = signed.clone();
        change(&mut other);
        assert_ne!(other.signing_hash(), Ok(hash), "change {n}");
    }
    let mut other = signed.clone();
    other.agent_signature = Signature([7; 64]);
    assert_eq!(other.signing_hash(), Ok(hash));
    let mut v1 = Envelope {
        ves_version: 1,
        ..signed
    };
    let unsigned_controls = v1.signing_hash();
    v1.command_id = Some(CommandId([9; 16]));
    v1.base_version = Some(9);
    assert_eq!(
        v1.signing_hash(),
        unsigned_controls,
        "version 1 leaves the controls unsigned"
    );
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail_but_never_panic(
        raw in prop::collection::vec(any::<u8>(), 0..2_048),
    ) {
        if let Ok(event) = SubmittedEvent::decode(&mut &raw[..]) {
            let _ = event.check();
            let _ = event.envelope.signing_hash();
        }
        let _ = Envelope::decode(&mut &raw[..]);
        let _ = EncryptedPayload::decode(&mut &raw[..]);
        let _ = InclusionProof::decode(&mut &raw[..]);
        let _ = BatchCommitment::decode(&mut &raw[..]).map(|batch| (batch.check(), batch.tip()));
        let _ = sequencer::BlockIndex::decode(&mut &raw[..]);
    }

    #[test]
    fn a_damaged_event_never_passes_for_the_original(
        which in 0usize..9,
        at in any::<prop::sample::Index>(),
        flip in 1u8..,
        cut in any::<prop::sample::Index>(),
    ) {
        let file = vectors("sequencer/generated/events.json");
        let original = submitted_events(&file).swap_remove(which);
        let mut raw = original.encode();
        let at = at.index(raw.len());
        raw[at] ^= flip;
        if let Ok(event) = SubmittedEvent::decode_all(&mut &raw[..]) {
            prop_assert_ne!(&event, &original);
            let same_statement = event.envelope.signing_hash() == original.envelope.signing_hash()
                && event.envelope.agent_signature == original.envelope.agent_signature;
            if event.check().is_ok() && same_statement {
                // Version 1 leaves two fields unsigned; nothing else may differ.
                prop_assert_eq!(event.envelope.ves_version, 1);
                let mut restored = event;
                restored.envelope.command_id = original.envelope.command_id;
                restored.envelope.base_version = original.envelope.base_version;
                prop_assert_eq!(&restored, &original);
            }
        }
        raw.truncate(cut.index(raw.len()));
        prop_assert!(SubmittedEvent::decode_all(&mut &raw[..]).is_err());
    }

    #[test]
    fn any_text_parses_as_an_id_or_is_refused(text in any::<String>()) {
        let _ = text.parse::<TenantId>();
        let _ = text.parse::<Signature>();
        let _ = time::is_rfc3339(text.as_bytes());
    }
}
