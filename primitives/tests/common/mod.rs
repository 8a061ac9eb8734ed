// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reading of the known-answer files, and the events built from them.

#![allow(dead_code, reason = "every test file uses its own part")]

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload as Sealed},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_zebra::SigningKey;
use hpke::{Deserializable, OpModeR, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256};
use serde_json::Value;
use sha2::{Digest, Sha256};
use ves_primitives::*;

/// A file under `vectors/`.
pub(crate) fn vectors(path: &str) -> Value {
    let path = format!("{}/vectors/{path}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The elements of a list, whose length is asserted: a case that vanishes must be noticed.
pub(crate) fn cases(list: &Value, expected: usize) -> &[Value] {
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), expected, "number of cases in the file");
    list
}

/// The names of an object's members must be exactly these.
pub(crate) fn assert_members(object: &Value, expected: &[&str]) {
    let mut found: Vec<&str> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub(crate) fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

pub(crate) fn number32(value: &Value) -> u32 {
    u32::try_from(number(value)).expect("fits 32 bits")
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = text(value);
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).expect("hex")
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the expected length")
}

/// An id, hash, key or signature in its textual form.
pub(crate) fn id<T: std::str::FromStr>(value: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    text(value).parse().expect("a well-formed id")
}

pub(crate) fn base64url<const N: usize>(value: &Value) -> [u8; N] {
    URL_SAFE_NO_PAD
        .decode(text(value))
        .expect("base64url")
        .try_into()
        .expect("length")
}

/// SHA-256 over the concatenation: the independent half of every recomputation.
pub(crate) fn h(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// `STR(s)` of VES v1 §0.
pub(crate) fn str_field(text: &str) -> Vec<u8> {
    let len = u32::try_from(text.len()).expect("short text");
    [&len.to_be_bytes()[..], text.as_bytes()].concat()
}

pub(crate) fn signing_key(seed: &Value) -> SigningKey {
    SigningKey::from(array::<32>(seed))
}

pub(crate) fn public_key(key: &SigningKey) -> SigningPublicKey {
    SigningPublicKey(ed25519_zebra::VerificationKey::from(key).into())
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// An envelope from the fields of a vector; the signature is zero unless the caller sets it.
pub(crate) fn envelope(fields: &Value) -> Envelope {
    let bounded = |name: &str| text(&fields[name]).as_bytes().to_vec();
    let optional = |name: &str| fields.get(name).filter(|value| !value.is_null());
    Envelope {
        ves_version: number32(&fields["ves_version"]),
        event_id: id(&fields["event_id"]),
        tenant_id: id(&fields["tenant_id"]),
        store_id: id(&fields["store_id"]),
        source_agent_id: id(&fields["source_agent_id"]),
        agent_key_id: KeyId(number32(&fields["agent_key_id"])),
        entity_type: bounded("entity_type").try_into().expect("entity_type fits"),
        entity_id: bounded("entity_id").try_into().expect("entity_id fits"),
        event_type: bounded("event_type").try_into().expect("event_type fits"),
        created_at: bounded("created_at").try_into().expect("created_at fits"),
        payload_kind: match number(&fields["payload_kind"]) {
            0 => PayloadKind::Plaintext,
            1 => PayloadKind::Encrypted,
            other => panic!("payload kind {other}"),
        },
        payload_plain_hash: id(&fields["payload_plain_hash"]),
        payload_cipher_hash: id(&fields["payload_cipher_hash"]),
        command_id: optional("command_id").map(id),
        base_version: optional("base_version").map(number),
        agent_signature: Signature([0; 64]),
    }
}

/// A VES-ENC-1 bundle from its JSON form, without the crate's own reader.
pub(crate) fn bundle(json: &Value) -> EncryptedPayload {
    let recipients: Vec<Recipient> = json["recipients"]
        .as_array()
        .expect("recipients")
        .iter()
        .map(|r| Recipient {
            recipient_kid: RecipientKid(number32(&r["recipient_kid"])),
            enc: base64url(&r["enc_b64u"]),
            ct: base64url(&r["ct_b64u"]),
        })
        .collect();
    EncryptedPayload {
        nonce: base64url(&json["nonce_b64u"]),
        ciphertext: URL_SAFE_NO_PAD
            .decode(text(&json["ciphertext_b64u"]))
            .expect("base64url")
            .try_into()
            .expect("fits"),
        tag: base64url(&json["tag_b64u"]),
        recipients: recipients.try_into().expect("fits"),
    }
}

/// The nine events of `events.json` as they would be submitted, signature included.
pub(crate) fn submitted_events(file: &Value) -> Vec<SubmittedEvent> {
    cases(&file["events"], 9)
        .iter()
        .map(|case| {
            let mut envelope = envelope(&case["envelope"]);
            envelope.agent_signature = id(&case["agent_signature"]);
            let payload = match case.get("payload_encrypted") {
                Some(json) => Payload::Encrypted(bundle(json)),
                None => Payload::Plain(
                    text(&case["canonical_payload"])
                        .as_bytes()
                        .to_vec()
                        .try_into()
                        .expect("fits"),
                ),
            };
            SubmittedEvent { envelope, payload }
        })
        .collect()
}

/// Opens one wrap with RFC 9180 HPKE (base mode, empty AAD, info = the payload AAD).
pub(crate) fn open_wrap(
    secret: &[u8; 32],
    recipient: &Recipient,
    aad: &PayloadAad,
) -> Option<Vec<u8>> {
    let secret = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(secret).ok()?;
    let enc = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&recipient.enc).ok()?;
    hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        &aad.0,
        &recipient.ct,
        &[],
    )
    .ok()
}

/// Opens the content with the unwrapped key: `salt[16] || canonical JSON`.
pub(crate) fn open_content(
    key: &[u8],
    bundle: &EncryptedPayload,
    aad: &PayloadAad,
) -> Option<Vec<u8>> {
    let sealed = [&bundle.ciphertext[..], &bundle.tag].concat();
    Aes256Gcm::new_from_slice(key)
        .ok()?
        .decrypt(
            (&bundle.nonce).into(),
            Sealed {
                msg: &sealed,
                aad: &aad.0,
            },
        )
        .ok()
}
