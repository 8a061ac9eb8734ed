// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Signatures, key admission, and the statements that bind a key to its registry entry.

mod common;

use common::*;
use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION, X25519_BASEPOINT},
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
};
use proptest::prelude::*;
use serde_json::json;
use ves_primitives::*;

fn compressed(point: &EdwardsPoint) -> SigningPublicKey {
    SigningPublicKey(point.compress().to_bytes())
}

/// `2^255 - 19 + offset`, little-endian: the second spelling of a small field element.
fn field_prime_plus(offset: i16) -> [u8; 32] {
    let mut out = [0xff; 32];
    out[31] = 0x7f;
    out[0] = u8::try_from(0xed + offset).expect("stays within the last byte");
    out
}

#[test]
fn edge_cases_get_the_verdict_of_zip_215_and_weak_keys_are_not_admitted() {
    let file = vectors("sequencer/generated/ed25519_edge_cases.json");
    let message = bytes(&file["message"]);
    for case in cases(&file["cases"], 7) {
        let (key, signature) = (id(&case["public_key"]), id(&case["signature"]));
        let name = text(&case["name"]);
        let expected = case["zebra_zip215"].as_bool().unwrap();
        assert_eq!(
            verify_ed25519(&key, &message, &signature),
            expected,
            "{name}"
        );
        // The chain accepts whatever the peer accepts.
        assert!(
            expected || !case["dalek_verify"].as_bool().unwrap(),
            "{name}"
        );
        let admission = match name {
            "honest signature"
            | "S + L (malleated scalar)"
            | "order-2 component in R (signer-made)" => Ok(()),
            "identity public key, R = identity, S = 0 (valid for every message)" => {
                Err(WeakKey::SmallOrder)
            }
            "mixed-order public key, even challenge" | "mixed-order public key, odd challenge" => {
                Err(WeakKey::MixedOrder)
            }
            "non-canonical encoding of the identity as R and as key" => Err(WeakKey::NonCanonical),
            unknown => panic!("unknown case {unknown}"),
        };
        assert_eq!(key.check(), admission, "{name}");
    }
}

#[test]
fn every_small_order_signing_key_is_refused_in_every_spelling() {
    let mut canonical = 0;
    for point in EIGHT_TORSION {
        let key = compressed(&point);
        assert_eq!(key.check(), Err(WeakKey::SmallOrder));
        canonical += 1;
    }
    assert_eq!(canonical, 8);
    // All other encodings that decompress to one of these points: y beyond the prime, or x = 0
    // with the sign bit set.
    let mut one_signed = [0; 32];
    (one_signed[0], one_signed[31]) = (1, 0x80);
    let mut minus_one_signed = field_prime_plus(-1);
    minus_one_signed[31] |= 0x80;
    let mut refused = vec![one_signed, minus_one_signed];
    for offset in [0, 1] {
        let y = field_prime_plus(offset);
        let mut signed = y;
        signed[31] |= 0x80;
        refused.extend([y, signed]);
    }
    for raw in &refused {
        let point = CompressedEdwardsY(*raw).decompress().expect("a point");
        assert!(point.is_small_order());
        assert_eq!(
            SigningPublicKey(*raw).check(),
            Err(WeakKey::NonCanonical),
            "{raw:02x?}"
        );
    }
    assert_eq!(refused.len(), 6);
}

#[test]
fn all_spellings_beyond_the_prime_are_refused() {
    for offset in 0..=18 {
        for sign in [0, 0x80] {
            let mut raw = field_prime_plus(offset);
            raw[31] |= sign;
            let verdict = SigningPublicKey(raw).check();
            assert!(
                matches!(verdict, Err(WeakKey::NonCanonical | WeakKey::NotAPoint)),
                "{offset}"
            );
        }
    }
    let mut not_a_point = [0; 32];
    not_a_point[0] = 2;
    assert_eq!(
        SigningPublicKey(not_a_point).check(),
        Err(WeakKey::NotAPoint)
    );
}

#[test]
fn one_signature_of_an_inadmissible_key_fits_every_message() {
    let key = compressed(&EIGHT_TORSION[0]);
    let mut signature = Signature([0; 64]);
    signature.0[0] = 1;
    for message in [&b"pay 1"[..], b"pay 1000000", b""] {
        assert!(verify_ed25519(&key, message, &signature));
    }
    assert_eq!(
        key.check(),
        Err(WeakKey::SmallOrder),
        "which is why it is not admitted"
    );
}

#[test]
fn signatures_with_changed_bytes_or_keys_are_refused() {
    let key = signing_key(&json!("07".repeat(32)));
    let public = public_key(&key);
    let signature = sign(&key, b"message");
    assert!(verify_ed25519(&public, b"message", &signature));
    assert!(!verify_ed25519(&public, b"other", &signature));
    assert!(!verify_ed25519(&public, b"", &signature));
    for at in 0..64 {
        let mut other = signature;
        other.0[at] ^= 1;
        assert!(!verify_ed25519(&public, b"message", &other), "byte {at}");
    }
    assert!(!verify_ed25519(
        &SigningPublicKey([2; 32]),
        b"message",
        &signature
    ));
    assert!(!verify_ed25519(&public, b"message", &Signature([0xff; 64])));
}

#[test]
fn published_encryption_keys_are_admitted() {
    let file = vectors("sequencer/generated/events.json");
    let keys = file["x25519_public_keys_by_kid"].as_object().unwrap();
    assert_eq!(keys.len(), 2);
    for (kid, public) in keys {
        let public: EncryptionPublicKey = id(public);
        assert_eq!(public.check(), Ok(()));
        let secret = array::<32>(&file["x25519_secret_keys_by_kid"][kid.as_str()]);
        assert_eq!(X25519_BASEPOINT.mul_clamped(secret).0, public.0);
    }
    let file = vectors("cli/derived_ves_enc_and_sign.json");
    for name in ["recipient_public_key", "ephemeral_public_key"] {
        let key: EncryptionPublicKey = id(&file["encryption_inputs"][name]);
        assert_eq!(key.check(), Ok(()));
    }
    assert_eq!(EncryptionPublicKey(X25519_BASEPOINT.0).check(), Ok(()));
}

#[test]
fn low_order_twisted_and_misspelt_encryption_keys_are_refused() {
    let hex32 = |hex: &str| -> [u8; 32] { hex::decode(hex).unwrap().try_into().unwrap() };
    let mut one = [0; 32];
    one[0] = 1;
    let mut two = [0; 32];
    two[0] = 2;
    let low_order = [
        ([0; 32], Err(WeakKey::SmallOrder)),
        (one, Err(WeakKey::SmallOrder)),
        (
            hex32("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
            Err(WeakKey::SmallOrder),
        ),
        (
            hex32("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
            Err(WeakKey::SmallOrder),
        ),
        // u = -1 lies on the twist; Curve25519 itself has no such point.
        (field_prime_plus(-1), Err(WeakKey::NotAPoint)),
        (field_prime_plus(0), Err(WeakKey::NonCanonical)),
        (field_prime_plus(1), Err(WeakKey::NonCanonical)),
        // A point of the twist.
        (two, Err(WeakKey::NotAPoint)),
    ];
    for (key, verdict) in low_order {
        assert_eq!(EncryptionPublicKey(key).check(), verdict, "{key:02x?}");
    }
    // The high bit is ignored by X25519, so it would be a second spelling.
    let mut high_bit = X25519_BASEPOINT.0;
    high_bit[31] |= 0x80;
    assert_eq!(
        EncryptionPublicKey(high_bit).check(),
        Err(WeakKey::NonCanonical)
    );
    for torsion in EIGHT_TORSION.iter().skip(1) {
        let mixed = (ED25519_BASEPOINT_POINT + torsion).to_montgomery();
        assert_eq!(
            EncryptionPublicKey(mixed.0).check(),
            Err(WeakKey::MixedOrder)
        );
    }
}

#[test]
fn the_peers_unbound_challenge_is_reproduced() {
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    let case = &file["pop_ed25519"];
    let key: SigningPublicKey = id(&case["public_key"]);
    let challenge = unbound_challenge(&key);
    assert_eq!(challenge, array::<32>(&case["challenge"]));
    assert!(verify_ed25519(&key, &challenge, &id(&case["signature"])));

    let file = vectors("cli/derived_ves_enc_and_sign.json");
    let key: SigningPublicKey = id(&file["ed25519"]["public_key"]);
    let challenge = unbound_challenge(&key);
    assert_eq!(challenge, array::<32>(&file["pop"]["ed25519_challenge"]));
    assert!(verify_ed25519(
        &key,
        &challenge,
        &id(&file["pop"]["ed25519_pop"])
    ));
    let signed = sign(&signing_key(&file["ed25519"]["seed"]), &challenge);
    assert_eq!(signed, id(&file["pop"]["ed25519_pop"]));
}

#[test]
fn the_hybrid_challenge_is_another_one() {
    let file = vectors("sequencer/generated/proofs_pop_x402_legacy.json");
    let case = &file["pop_hybrid"];
    let key: SigningPublicKey = id(&case["ed25519_public_key"]);
    assert_ne!(unbound_challenge(&key), array::<32>(&case["challenge"]));
    let signature = id(&case["ed25519_signature"]);
    assert!(verify_ed25519(&key, &bytes(&case["challenge"]), &signature));
    assert!(!verify_ed25519(&key, &unbound_challenge(&key), &signature));
}

fn statement() -> PossessionStatement {
    PossessionStatement {
        genesis: GenesisHash([1; 32]),
        tenant: TenantId([2; 16]),
        agent: AgentId([3; 16]),
        key_id: KeyId(0x0405_0607),
        purpose: KeyPurpose::Signing,
        public_key: [8; 32],
    }
}

#[test]
fn the_bound_proof_of_possession_follows_the_written_formula() {
    for (purpose, code) in [(KeyPurpose::Signing, 1), (KeyPurpose::Encryption, 2)] {
        let statement = PossessionStatement {
            purpose,
            ..statement()
        };
        let pop = h(&[
            b"VES_POP_BIND_V1",
            &[1; 32],
            &[2; 16],
            &[3; 16],
            &[4, 5, 6, 7],
            &[code],
            &[8; 32],
        ]);
        assert_eq!(statement.hash(), pop);
        let rotation = RotationStatement {
            successor: statement,
            outgoing: KeyId(9),
            grace_seconds: 86_400,
        };
        assert_eq!(
            rotation.hash(),
            h(&[
                b"VES_KEY_ROTATE_V2",
                &pop,
                &[0, 0, 0, 9],
                &[0, 1, 0x51, 0x80]
            ])
        );
    }
    // Known answers, computed outside of this crate.
    assert_eq!(
        hex::encode(statement().hash()),
        "2b1488011e3fa5f9be6b88cf8e6dbe93b10f230c20a5807aef93a3cbe41d1192"
    );
    assert_eq!(
        hex::encode(
            RotationStatement {
                successor: statement(),
                outgoing: KeyId(9),
                grace_seconds: 86_400,
            }
            .hash()
        ),
        "945e941c626aee06287cbabf64a903a0dfb7be83fe6c4d5dd14fd76bb1aee112"
    );
}

#[test]
fn a_proof_of_possession_is_void_for_any_other_entry() {
    let key = signing_key(&json!("09".repeat(32)));
    let public = public_key(&key);
    let bound = PossessionStatement {
        public_key: public.0,
        ..statement()
    };
    let proof = sign(&key, &bound.hash());
    assert!(verify_ed25519(&public, &bound.hash(), &proof));
    for other in [
        PossessionStatement {
            genesis: GenesisHash([9; 32]),
            ..bound
        },
        PossessionStatement {
            tenant: TenantId([9; 16]),
            ..bound
        },
        PossessionStatement {
            agent: AgentId([9; 16]),
            ..bound
        },
        PossessionStatement {
            key_id: KeyId(9),
            ..bound
        },
        PossessionStatement {
            purpose: KeyPurpose::Encryption,
            ..bound
        },
        PossessionStatement {
            public_key: [9; 32],
            ..bound
        },
    ] {
        assert!(!verify_ed25519(&public, &other.hash(), &proof), "{other:?}");
    }
    let rotation = RotationStatement {
        successor: bound,
        outgoing: KeyId(1),
        grace_seconds: 0,
    };
    assert!(
        !verify_ed25519(&public, &rotation.hash(), &proof),
        "nor does it rotate a key"
    );
    assert!(!verify_ed25519(
        &public,
        &unbound_challenge(&public),
        &proof
    ));
}

proptest! {
    #[test]
    fn honest_keys_are_admitted_and_their_signatures_verify(
        seed in any::<[u8; 32]>(),
        message in any::<Vec<u8>>(),
    ) {
        let key = ed25519_zebra::SigningKey::from(seed);
        let public = public_key(&key);
        prop_assert_eq!(public.check(), Ok(()));
        prop_assert!(verify_ed25519(&public, &message, &sign(&key, &message)));
        let encryption = EncryptionPublicKey(X25519_BASEPOINT.mul_clamped(seed).0);
        prop_assert_eq!(encryption.check(), Ok(()));
    }

    #[test]
    fn an_honest_key_with_any_torsion_is_refused(
        scalar in any::<[u8; 32]>(),
        torsion in 1usize..8,
    ) {
        let point = EdwardsPoint::mul_base(&Scalar::from_bytes_mod_order(scalar));
        let mixed = point + EIGHT_TORSION[torsion];
        let verdict = compressed(&mixed).check();
        prop_assert!(matches!(verdict, Err(WeakKey::MixedOrder | WeakKey::SmallOrder)));
    }

    #[test]
    fn any_bytes_get_a_verdict(
        key in any::<[u8; 32]>(),
        signature in prop::collection::vec(any::<u8>(), 64),
        message in any::<Vec<u8>>(),
    ) {
        let signature = Signature(signature.try_into().unwrap());
        prop_assert!(!verify_ed25519(&SigningPublicKey(key), &message, &signature));
        let _ = EncryptionPublicKey(key).check();
        if SigningPublicKey(key).check().is_ok() {
            let point = CompressedEdwardsY(key).decompress().unwrap();
            prop_assert!(point.is_torsion_free());
            prop_assert_eq!(point.compress().0, key);
        }
    }
}
