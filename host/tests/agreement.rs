// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Signatures checked together get the verdicts they get alone, on every edge of Ed25519.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use ves_host::{SignedHash, verify_each};
use ves_primitives::{Signature, SigningPublicKey, verify_ed25519};

const EDGE_CASES: &str =
    include_str!("../../primitives/vectors/sequencer/generated/ed25519_edge_cases.json");
const TAMING: &str = include_str!("../../primitives/vectors/eddsa/taming_the_many_eddsas.json");

fn honest(n: u8) -> SignedHash {
    let key = SigningKey::from([n; 32]);
    let message = [n.wrapping_mul(3); 32];
    SignedHash {
        key: VerificationKeyBytes::from(&key).into(),
        signature: key.sign(&message).to_bytes(),
        message,
    }
}

fn alone(signed: &SignedHash) -> bool {
    verify_ed25519(
        &SigningPublicKey(signed.key),
        &signed.message,
        &Signature(signed.signature),
    )
}

fn bytes<const N: usize>(value: &serde_json::Value) -> [u8; N] {
    let text = value.as_str().unwrap();
    let bytes: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect();
    bytes.try_into().unwrap()
}

/// Published cases with the verdict of ZIP-215.
fn published() -> Vec<(SignedHash, bool)> {
    let edge: serde_json::Value = serde_json::from_str(EDGE_CASES).unwrap();
    let taming: serde_json::Value = serde_json::from_str(TAMING).unwrap();
    let case = |case: &serde_json::Value, message, verdict: &str| {
        let signed = SignedHash {
            key: bytes(&case["public_key"]),
            signature: bytes(&case["signature"]),
            message: bytes(message),
        };
        (signed, case[verdict].as_bool().unwrap())
    };
    let edge_cases = edge["cases"].as_array().unwrap().iter();
    let taming_cases = taming["cases"].as_array().unwrap().iter();
    edge_cases
        .map(|c| case(c, &edge["message"], "zebra_zip215"))
        .chain(taming_cases.map(|c| case(c, &c["message"], "zip215")))
        .collect()
}

/// The 14 encodings of points of small order, canonical and not.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings: Vec<_> = curve25519_dalek::constants::EIGHT_TORSION
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    let field_prime_plus = |offset: u8, sign: bool| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (0xed + offset, if sign { 0xff } else { 0x7f });
        bytes
    };
    // y = 1 and y = -1 have x = 0, which has no sign; y = 0 and y = 1 have a second spelling.
    let mut one = [0; 32];
    (one[0], one[31]) = (1, 0x80);
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    encodings.extend([
        one,
        minus_one,
        field_prime_plus(0, false),
        field_prime_plus(0, true),
        field_prime_plus(1, false),
        field_prime_plus(1, true),
    ]);
    encodings
}

/// All pairs of key and R of small order with S = 0: the 196 cases of ZIP-215, each of which holds
/// for every message.
fn small_order_cases() -> Vec<SignedHash> {
    let encodings = small_order_encodings();
    let mut cases = Vec::new();
    for key in &encodings {
        for r in &encodings {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(r);
            cases.push(SignedHash {
                key: *key,
                signature,
                message: [cases.len() as u8; 32],
            });
        }
    }
    cases
}

#[test]
fn published_edge_cases_get_the_verdict_of_zip_215_alone_and_among_others() {
    let published = published();
    assert_eq!(published.len(), 7 + 12);
    for (signed, expected) in &published {
        assert_eq!(alone(signed), *expected, "{signed:?}");
        assert_eq!(verify_each(&[*signed]), [*expected]);
        let among = [honest(1), *signed, honest(2), honest(1)];
        assert_eq!(verify_each(&among), [true, *expected, true, true]);
    }
}

#[test]
fn the_196_cases_of_zip_215_hold_together_and_alone() {
    let cases = small_order_cases();
    assert_eq!(cases.len(), 196);
    assert!(cases.iter().all(alone));
    assert_eq!(verify_each(&cases), vec![true; 196]);
    for signed in &cases {
        assert_eq!(verify_each(&[honest(1), *signed, honest(2)]), [true; 3]);
    }
}

#[test]
fn edge_cases_that_hold_make_one_batch_with_honest_signatures() {
    let mut all: Vec<_> = published()
        .into_iter()
        .filter_map(|(signed, holds)| holds.then_some(signed))
        .collect();
    all.extend(small_order_cases().into_iter().step_by(5));
    all.extend((1..=100).map(honest));
    assert_eq!(verify_each(&all), vec![true; all.len()]);
}

#[test]
fn two_wrongs_that_would_cancel_out_are_both_refused() {
    // S of two signatures of one key exchanged the same amount in opposite directions: their plain
    // sum is right, a random combination is not.
    let (mut a, mut b) = (honest(1), honest(1));
    b.message = [99; 32];
    b.signature = SigningKey::from([1; 32]).sign(&b.message).to_bytes();
    assert_eq!(verify_each(&[a, b, honest(2)]), [true; 3]);
    a.signature[32] = a.signature[32].wrapping_add(1);
    b.signature[32] = b.signature[32].wrapping_sub(1);
    assert_eq!(verify_each(&[a, b, honest(2)]), [false, false, true]);
}

#[test]
fn every_changed_byte_is_refused_and_its_neighbours_are_not() {
    let good: Vec<_> = (1..=8).map(honest).collect();
    for at in 0..128 {
        let mut changed = good.clone();
        let item = &mut changed[at % 8];
        match at {
            0..32 => item.key[at] ^= 1,
            32..96 => item.signature[at - 32] ^= 1,
            _ => item.message[at - 96] ^= 1,
        }
        let expected: Vec<_> = changed.iter().map(alone).collect();
        assert_eq!(verify_each(&changed), expected);
        assert_eq!(expected.iter().filter(|holds| !**holds).count(), 1);
    }
}

#[test]
fn nothing_asked_is_nothing_answered() {
    assert!(verify_each(&[]).is_empty());
}

#[test]
fn an_incomplete_item_has_no_answer() {
    let SignedHash {
        key,
        signature,
        message,
    } = honest(1);
    let item = [&key[..], &signature, &message].concat();
    let asked = [&item[..], &item[..127]].concat();
    assert_eq!(ves_host::ves_crypto::ed25519_verify_each(&asked), [true]);
    assert!(ves_host::ves_crypto::ed25519_verify_each(&item[..127]).is_empty());
}
