// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Payload hashes, and encrypted payloads opened with foreign implementations of HPKE and AES-GCM.

mod common;

use common::*;
use serde_json::{Value, json};
use ves_primitives::*;

fn canonical(value: &Value) -> String {
    jcs::canonicalize_value(value).expect("a canonical form")
}

#[test]
fn published_payload_hashes_are_reproduced_with_and_without_salt() {
    let mut checked = 0;
    let mut check = |payload: &Value, salt: &Value, expected: &Value| {
        let salt = (!salt.is_null()).then(|| array::<16>(salt));
        let ours = payload_plain_hash(salt.as_ref(), canonical(payload).as_bytes());
        assert_eq!(ours, id(expected), "{payload}");
        checked += 1;
    };
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    for case in cases(&sdk["payload_plain_hash"], 2) {
        check(&case["payload"], &case["salt"], &case["expected"]);
    }
    let upstream = vectors("sequencer/transcribed/upstream_sdk_tests.json");
    for case in cases(&upstream["payload_plain_hash"], 1) {
        check(&case["payload"], &Value::Null, &case["expected"]);
    }
    let cli = vectors("cli/ves_crypto_vectors.json");
    for case in cases(&cli["hashes"], 13) {
        if case["function"] == "computePayloadPlainHash" {
            check(&case["payload"], &case["salt"], &case["expected"]);
        }
    }
    let shared = vectors("cli/cross_binding_v1.json");
    for case in cases(&shared["payload_plain_hash"]["cases"], 3) {
        check(&case["input"], &case["salt_hex"], &case["expected_hex"]);
    }
    assert_eq!(checked, 8);
}

#[test]
fn generated_plaintext_payloads_are_canonical_and_hash_as_stated() {
    let file = vectors("sequencer/generated/events.json");
    let mut checked = 0;
    for case in cases(&file["events"], 9) {
        let Some(stated) = case.get("canonical_payload") else {
            continue;
        };
        assert_eq!(canonical(&case["payload"]), text(stated));
        let hash = payload_plain_hash(None, text(stated).as_bytes());
        assert_eq!(hash, id(&case["envelope"]["payload_plain_hash"]));
        checked += 1;
    }
    assert_eq!(checked, 7);
}

#[test]
fn generated_encrypted_events_hash_as_stated_and_open_for_every_recipient() {
    let file = vectors("sequencer/generated/events.json");
    let events = submitted_events(&file);
    let (mut opened_events, mut opened_wraps) = (0, 0);
    for (case, event) in cases(&file["events"], 9).iter().zip(&events) {
        let Payload::Encrypted(bundle) = &event.payload else {
            continue;
        };
        let aad = event.envelope.payload_aad();
        assert_eq!(aad, id(&case["payload_aad"]));
        assert_eq!(bundle.recipients_hash(), id(&case["recipients_hash"]));
        assert_eq!(bundle.cipher_hash(&aad), event.envelope.payload_cipher_hash);
        assert_eq!(bundle.check_structure(), Ok(()));
        assert_eq!(bundle.nonce, array::<12>(&case["nonce"]));
        let salt = array::<16>(&case["salt"]);
        let clear = [&salt[..], text(&case["canonical"]).as_bytes()].concat();
        assert_eq!(canonical(&case["payload_clear"]), text(&case["canonical"]));
        for recipient in &bundle.recipients {
            let kid = recipient.recipient_kid.0.to_string();
            let secret = array::<32>(&file["x25519_secret_keys_by_kid"][kid.as_str()]);
            let key = open_wrap(&secret, recipient, &aad).expect("the wrap opens");
            assert_eq!(key, bytes(&case["dek"]));
            let content = open_content(&key, bundle, &aad).expect("the content opens");
            assert_eq!(content, clear);
            let hash = payload_plain_hash(Some(&salt), &content[16..]);
            assert_eq!(hash, event.envelope.payload_plain_hash);
            opened_wraps += 1;

            // Neither opens under the AAD of another event.
            let other = PayloadAad([0; 32]);
            assert_eq!(open_wrap(&secret, recipient, &other), None);
            assert_eq!(open_content(&key, bundle, &other), None);
        }
        opened_events += 1;
    }
    assert_eq!((opened_events, opened_wraps), (2, 3));
}

/// One event in the three layouts that exist (VES v1 §5.5); only the sequencer's is ours.
#[test]
fn of_the_three_encryption_layouts_only_the_sequencers_is_ours() {
    let file = vectors("cli/derived_ves_enc_and_sign.json");
    let inputs = &file["encryption_inputs"];
    let salt = array::<16>(&inputs["salt"]);
    let clear = text(&file["payload_jcs"]).as_bytes();
    assert_eq!(
        payload_plain_hash(Some(&salt), clear),
        id(&inputs["payload_plain_hash_salted"])
    );
    let mut fields = file["event"].clone();
    fields["payload_kind"] = json!(1);
    fields["payload_plain_hash"] = inputs["payload_plain_hash_salted"].clone();
    fields["payload_cipher_hash"] = file["sequencer_code_layout"]["payload_cipher_hash"].clone();
    let event = envelope(&fields);
    let aad = event.payload_aad();
    let bundle = |layout: &Value| EncryptedPayload {
        nonce: array(&inputs["nonce"]),
        ciphertext: bytes(&layout["ciphertext"]).try_into().unwrap(),
        tag: array(&layout["tag"]),
        recipients: vec![Recipient {
            recipient_kid: RecipientKid(number32(&inputs["recipient_kid"])),
            enc: array(&layout["enc"]),
            ct: array(&layout["wrapped_dek"]),
        }]
        .try_into()
        .unwrap(),
    };

    let layout = &file["sequencer_code_layout"];
    let ours = bundle(layout);
    assert_eq!(aad, id(&layout["payload_aad"]));
    assert_eq!(ours.recipients_hash(), id(&layout["recipients_hash"]));
    assert_eq!(ours.cipher_hash(&aad), id(&layout["payload_cipher_hash"]));
    assert_eq!(event.signing_hash(), Ok(id(&layout["event_signing_hash"])));
    let secret = array::<32>(&inputs["recipient_private_key"]);
    let key = open_wrap(&secret, &ours.recipients[0], &aad).expect("the wrap opens");
    assert_eq!(key, bytes(&inputs["dek"]));
    assert_eq!(
        open_content(&key, &ours, &aad),
        Some([&salt[..], clear].concat())
    );
    let submitted = SubmittedEvent {
        envelope: event.clone(),
        payload: Payload::Encrypted(ours),
    };
    assert_eq!(submitted.check(), Ok(()));

    // The document's layout puts `ves_version` into the AAD; the rest of its formulas are ours.
    let layout = &file["spec_layout"];
    let document = bundle(layout);
    assert_ne!(aad, id(&layout["payload_aad"]));
    assert_eq!(document.recipients_hash(), id(&layout["recipients_hash"]));
    assert_ne!(
        document.cipher_hash(&aad),
        id(&layout["payload_cipher_hash"])
    );
    assert_eq!(
        document.cipher_hash(&id(&layout["payload_aad"])),
        id(&layout["payload_cipher_hash"])
    );
    let mut claimed = event;
    claimed.payload_cipher_hash = id(&layout["payload_cipher_hash"]);
    assert_eq!(
        claimed.signing_hash(),
        Ok(id(&layout["event_signing_hash"]))
    );
    let submitted = SubmittedEvent {
        envelope: claimed,
        payload: Payload::Encrypted(document),
    };
    assert_eq!(submitted.check(), Err(EnvelopeError::CipherHash));

    // The SDK's wrapped key is 60 bytes long: it has no place in a bundle at all.
    let layout = &file["cli_layout"];
    assert_eq!(number(&layout["wrapped_dek_len"]), 60);
    assert_ne!(aad, id(&layout["payload_aad"]));
    let recipients: Vec<wire::RecipientJson> =
        serde_json::from_value(layout["recipients"].clone()).unwrap();
    let mut json = wire::EncryptedJson::from(&bundle(&file["sequencer_code_layout"]));
    json.recipients = recipients;
    assert_eq!(
        EncryptedPayload::try_from(&json),
        Err(wire::WireError::Field("ct_b64u"))
    );
}

#[test]
fn sdk_encryption_hashes_are_not_ours() {
    let file = vectors("cli/ves_crypto_vectors.json");
    let by_id = |name: &str| {
        cases(&file["hashes"], 13)
            .iter()
            .find(|case| case["id"] == name)
            .expect("the case")
    };
    let aad = by_id("payload_aad");
    let mut fields = aad["params"].clone();
    fields["payload_kind"] = json!(1);
    fields["payload_cipher_hash"] = json!("00".repeat(32));
    assert_ne!(envelope(&fields).payload_aad(), id(&aad["expected"]));

    // No cipher hash means a plaintext event: that convention is shared.
    assert_eq!(
        PayloadCipherHash::PLAINTEXT,
        id(&by_id("payload_cipher_null")["expected"])
    );

    let cipher = by_id("payload_cipher_params");
    let params = &cipher["params"];
    let parts = [
        bytes(&params["nonce"]),
        bytes(&params["payload_aad"]),
        text(&params["ciphertext_utf8"]).as_bytes().to_vec(),
        bytes(&params["tag"]),
        bytes(&params["recipients_hash"]),
    ]
    .concat();
    assert_eq!(
        h(&[domain::PAYLOAD_CIPHER, &parts]),
        array::<32>(&cipher["expected"])
    );
    // Ours commits to a constant and to the ciphertext's length besides.
    let sdk = vectors("sequencer/transcribed/icommerce_sdk_cross_language.json");
    assert_eq!(
        cases(&sdk["payload_cipher_hash"], 1)[0]["expected"],
        cipher["expected"]
    );
    assert_eq!(
        cases(&sdk["payload_aad"], 1)[0]["expected"],
        aad["expected"]
    );

    // The SDK's recipients are JSON, and these are not even base64url of the right lengths.
    let recipients = by_id("recipients_hash");
    assert_eq!(
        cases(&sdk["recipients_hash"], 1)[0]["expected"],
        recipients["expected"]
    );
    let mut json = wire::EncryptedJson::from(&bundle(
        &vectors("sequencer/generated/events.json")["events"][3]["payload_encrypted"],
    ));
    json.recipients = serde_json::from_value(recipients["recipients"].clone()).unwrap();
    assert_eq!(
        EncryptedPayload::try_from(&json),
        Err(wire::WireError::Field("enc_b64u"))
    );

    // The unsigned pipeline hashes JSON without a domain.
    let legacy = by_id("payload_legacy");
    let json = canonical(&legacy["payload"]);
    assert_eq!(sha256(json.as_bytes()), array(&legacy["expected"]));
    assert_ne!(
        payload_plain_hash(None, json.as_bytes()),
        id(&legacy["expected"])
    );
    assert_eq!(
        cases(&sdk["legacy_payload_hash"], 1)[0]["expected"],
        legacy["expected"]
    );
}

#[test]
fn the_encryption_document_prints_a_hash_that_nothing_has() {
    let file = vectors("sequencer/transcribed/docs_embedded_examples.json");
    let case = &file["ENC_1_11.1_sha256_of_canonical"];
    assert!(jcs::is_canonical(text(&case["canonical"]).as_bytes()));
    assert_eq!(array::<32>(&case["printed"]), sha256(b""));
    assert_ne!(
        array::<32>(&case["printed"]),
        sha256(text(&case["canonical"]).as_bytes())
    );

    let case = &file["ENC_1_11.2_salted_plain_hash"];
    let (salt, json) = (array::<16>(&case["salt"]), canonical(&case["payload"]));
    assert_eq!(
        [&salt[..], json.as_bytes()].concat(),
        bytes(&case["plaintext_printed"])
    );
    assert_ne!(
        payload_plain_hash(Some(&salt), json.as_bytes()),
        id(&case["printed"])
    );
}

#[test]
fn proof_hashes_are_domain_separated_by_what_was_proved() {
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    let case = &file["compliance_proof_hash"];
    let proof = bytes(&case["proof"]);
    assert_eq!(compliance_proof_hash(&proof), id(&case["hash"]));
    // The sequencer's REST hash of a batch proof is another value than the anchored one (§6.3).
    let case = &file["validity_proof_hash"];
    assert_eq!(bytes(&case["proof"]), proof);
    let domain = b"STATESET_VES_VALIDITY_PROOF_HASH_V1";
    assert_eq!(h(&[domain, &proof]), array::<32>(&case["hash"]));
    assert_ne!(batch_proof_hash(&proof), id(&case["hash"]));
    for (proof, expected) in [
        (
            "proof-bytes",
            "3c4e6dc2dbe1aa880873000d2079160520a7d31c3c3d556ba5afa0c6be6851ee",
        ),
        (
            "",
            "c1b2fb81729c01d0154c7932805d44eaede796723a88c708512c6e3a5cc29943",
        ),
    ] {
        assert_eq!(
            batch_proof_hash(proof.as_bytes()),
            expected.parse().unwrap()
        );
    }
}
