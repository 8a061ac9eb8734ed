// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{draft_envelope, vector_events};
use hpke::aead::AesGcm128;
use ves_primitives::{Payload, SubmittedEvent};

fn unhex<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// RFC 9180 A.1.1: the RFC publishes X25519 with AES-128-GCM only; KEM, KDF, mode and key schedule
/// are ours, the AEAD differs by its identifier. AES-256-GCM is pinned by the vectors below.
#[test]
fn the_hpke_library_answers_rfc_9180_a_1_1() {
    let secret = PrivateKey::from_bytes(&unhex::<32>(
        "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
    ))
    .unwrap();
    let enc = EncappedKey::from_bytes(&unhex::<32>(
        "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
    ))
    .unwrap();
    let ct = hex::decode(concat!(
        "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a9",
        "6d8770ac83d07bea87e13c512a",
    ))
    .unwrap();
    let plain = single_shot_open::<AesGcm128, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &enc,
        b"Ode on a Grecian Urn",
        &ct,
        b"Count-0",
    )
    .unwrap();
    assert_eq!(plain, b"Beauty is truth, truth beauty");
}

#[test]
fn published_encrypted_events_open_and_their_content_seals_to_the_same_bytes() {
    let mut seen = 0;
    for vector in vector_events() {
        let Payload::Encrypted(bundle) = &vector.event.payload else {
            continue;
        };
        seen += 1;
        vector.event.check().unwrap();
        for (kid, secret) in &vector.recipient_secrets {
            let secret = EncryptionSecret::from_bytes(secret).unwrap();
            let keys = [(Some(*kid), secret)];
            let clear = decrypt(&vector.event.envelope, bundle, &keys).unwrap().json;
            assert_eq!(clear.as_str(), vector.canonical);
        }
        let (ciphertext, tag) = seal_content(
            &vector.dek.unwrap(),
            &bundle.nonce,
            &vector.event.envelope.payload_aad(),
            &vector.salt.unwrap(),
            vector.canonical.as_bytes(),
        );
        assert_eq!(ciphertext, bundle.ciphertext.to_vec());
        assert_eq!(tag, bundle.tag);
    }
    assert!(seen >= 2, "the vectors hold at least two encrypted events");
}

fn sealed_for(recipients: &[(u32, &EncryptionSecret)]) -> (Envelope, EncryptedPayload) {
    let mut envelope = draft_envelope();
    let recipients: Vec<_> = recipients
        .iter()
        .map(|(kid, secret)| (RecipientKid(*kid), secret.public_key()))
        .collect();
    let payload = encrypt(&mut envelope, br#"{"total":12}"#, &recipients).unwrap();
    (envelope, payload)
}

fn keys(
    kid: Option<u32>,
    secret: &EncryptionSecret,
) -> [(Option<RecipientKid>, EncryptionSecret); 1] {
    [(
        kid.map(RecipientKid),
        EncryptionSecret::from_bytes(&secret.to_bytes()).unwrap(),
    )]
}

#[test]
fn every_recipient_reads_and_nobody_else() {
    let (a, b, outsider) = (
        EncryptionSecret::generate(),
        EncryptionSecret::generate(),
        EncryptionSecret::generate(),
    );
    // Given out of order: the bundle is sorted.
    let (envelope, payload) = sealed_for(&[(9, &b), (4, &a)]);
    let event = SubmittedEvent {
        envelope,
        payload: Payload::Encrypted(payload),
    };
    event.check().unwrap();
    let Payload::Encrypted(payload) = &event.payload else {
        unreachable!()
    };
    for (kid, secret) in [(Some(4), &a), (Some(9), &b), (None, &a)] {
        let clear = decrypt(&event.envelope, payload, &keys(kid, secret))
            .unwrap()
            .json;
        assert_eq!(clear.as_str(), r#"{"total":12}"#);
    }
    for kid in [Some(5), None] {
        let problem = decrypt(&event.envelope, payload, &keys(kid, &outsider))
            .err()
            .unwrap();
        assert_eq!(problem, DecryptProblem::NotARecipient);
    }
    let problem = decrypt(&event.envelope, payload, &keys(Some(4), &outsider))
        .err()
        .unwrap();
    assert_eq!(problem, DecryptProblem::WrappedKey);
}

#[test]
fn each_altered_part_is_named() {
    let a = EncryptionSecret::generate();
    let (envelope, payload) = sealed_for(&[(4, &a)]);
    let attempt = |envelope: &Envelope, payload: &EncryptedPayload| {
        decrypt(envelope, payload, &keys(Some(4), &a))
            .err()
            .unwrap()
    };

    let mut altered = payload.clone();
    altered.recipients[0].ct[0] ^= 1;
    assert_eq!(attempt(&envelope, &altered), DecryptProblem::WrappedKey);

    let mut altered = payload.clone();
    altered.recipients[0].enc[0] ^= 1;
    assert_eq!(attempt(&envelope, &altered), DecryptProblem::WrappedKey);

    let mut altered = payload.clone();
    altered.ciphertext[20] ^= 1;
    assert_eq!(attempt(&envelope, &altered), DecryptProblem::Ciphertext);

    let mut altered = payload.clone();
    altered.tag[0] ^= 1;
    assert_eq!(attempt(&envelope, &altered), DecryptProblem::Ciphertext);

    // The bundle moved into another event: the info string differs, the wrapped key does not open.
    let mut other = envelope.clone();
    other.event_id.0[0] ^= 1;
    assert_eq!(attempt(&other, &payload), DecryptProblem::WrappedKey);
}

#[test]
fn an_author_who_signs_another_hash_than_the_plaintexts_is_found_out() {
    let a = EncryptionSecret::generate();
    let mut envelope = draft_envelope();
    envelope.payload_kind = PayloadKind::Encrypted;
    envelope.payload_plain_hash = payload_plain_hash(Some(&[1; 16]), b"{\"claimed\":1}");
    let aad = envelope.payload_aad();
    let (ciphertext, tag) = seal_content(&[3; 32], &[0; 12], &aad, &[1; 16], b"{\"real\":2}");
    let payload = EncryptedPayload {
        nonce: [0; 12],
        ciphertext: ciphertext.try_into().unwrap(),
        tag,
        recipients: vec![wrap(RecipientKid(4), &a.public_key(), &aad, &[3; 32]).unwrap()]
            .try_into()
            .unwrap(),
    };
    let problem = decrypt(&envelope, &payload, &keys(Some(4), &a))
        .err()
        .unwrap();
    assert_eq!(problem, DecryptProblem::PlainHash);
}

#[test]
fn unusable_recipient_lists_are_refused() {
    let a = EncryptionSecret::generate().public_key();
    let attempt = |recipients: &[(RecipientKid, EncryptionPublicKey)]| {
        encrypt(&mut draft_envelope(), b"{}", recipients).unwrap_err()
    };
    let kid = RecipientKid;
    assert_eq!(attempt(&[]), EncryptProblem::NoRecipients);
    assert_eq!(
        attempt(&[(kid(2), a), (kid(2), a)]),
        EncryptProblem::DuplicateRecipient(kid(2))
    );
    let zero = EncryptionPublicKey([0; 32]);
    assert_eq!(
        attempt(&[(kid(3), zero)]),
        EncryptProblem::RecipientKey(kid(3))
    );
    let many: Vec<_> = (0..65).map(|n| (kid(n), a)).collect();
    assert_eq!(attempt(&many), EncryptProblem::TooManyRecipients);
}
