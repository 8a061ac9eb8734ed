// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Registration and revocation of keys.

use crate::{Error, mock::*};
use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION, X25519_BASEPOINT},
    edwards::EdwardsPoint,
};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchResult,
};
use ves_primitives::{
    EncryptionPublicKey, GenesisHash, KeyId, KeyPurpose, RecipientKid, Signature, SigningPublicKey,
    registry::{RecordedAt, ValidityWindow},
};

fn register_raw(key: SigningPublicKey, proof: Signature) -> DispatchResult {
    let origin = RuntimeOrigin::signed(ADMIN);
    Registry::register_signing_key(origin, TENANT, AGENT, KEY, key, ALWAYS, proof)
}

fn register_x25519(key_id: KeyId, key: EncryptionPublicKey, voucher: u8) -> DispatchResult {
    let statement = statement(key_id, KeyPurpose::Encryption, key.0);
    let proof = sign(&signer(voucher), &statement.hash());
    let origin = RuntimeOrigin::signed(ADMIN);
    Registry::register_encryption_key(origin, TENANT, AGENT, key_id, key, ALWAYS, KEY, proof)
}

fn encode(point: EdwardsPoint) -> SigningPublicKey {
    SigningPublicKey(point.compress().to_bytes())
}

#[test]
fn a_key_with_its_proof_of_possession_is_registered_with_its_history() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let record = Registry::signing_key(TENANT, AGENT, KEY).expect("registered");
        assert_eq!(record.public_key, public(&signer(1)));
        assert_eq!(
            record.registered_at,
            RecordedAt {
                block: 1,
                time_ms: NOW_MS
            }
        );
        assert_eq!(record.revocation, None);
    });
}

#[test]
fn a_proof_for_anything_else_than_this_very_entry_is_refused() {
    chain(|| {
        let key = signer(1);
        let good = statement(KEY, KeyPurpose::Signing, public(&key).0);
        let others = [
            ves_primitives::PossessionStatement {
                genesis: GenesisHash([0; 32]),
                ..good
            },
            ves_primitives::PossessionStatement {
                tenant: OTHER_TENANT,
                ..good
            },
            ves_primitives::PossessionStatement {
                agent: OTHER_AGENT,
                ..good
            },
            ves_primitives::PossessionStatement {
                key_id: KeyId(2),
                ..good
            },
            ves_primitives::PossessionStatement {
                purpose: KeyPurpose::Encryption,
                ..good
            },
            ves_primitives::PossessionStatement {
                public_key: public(&signer(2)).0,
                ..good
            },
        ];
        for other in others {
            assert_noop!(
                register_raw(public(&key), sign(&key, &other.hash())),
                Error::<Test>::InvalidProofOfPossession
            );
        }
        // The peer's unbound challenge is no proof here.
        let unbound = ves_primitives::unbound_challenge(&public(&key));
        assert_noop!(
            register_raw(public(&key), sign(&key, &unbound)),
            Error::<Test>::InvalidProofOfPossession
        );
        // Nor is somebody else's signature over the right statement.
        assert_noop!(
            register_raw(public(&key), sign(&signer(2), &good.hash())),
            Error::<Test>::InvalidProofOfPossession
        );
        assert_ok!(register_raw(public(&key), sign(&key, &good.hash())));
    });
}

#[test]
fn weak_signing_keys_are_refused_whatever_their_proof() {
    chain(|| {
        let proof = Signature([0; 64]);
        for torsion in EIGHT_TORSION {
            assert_noop!(
                register_raw(encode(torsion), proof),
                Error::<Test>::KeySmallOrder
            );
        }
        let mixed = ED25519_BASEPOINT_POINT + EIGHT_TORSION[1];
        assert_noop!(
            register_raw(encode(mixed), proof),
            Error::<Test>::KeyMixedOrder
        );
        // y = p + 1 encodes the point with y = 1 a second time.
        let mut non_canonical = [0xff; 32];
        non_canonical[0] = 0xee;
        non_canonical[31] = 0x7f;
        assert_noop!(
            register_raw(SigningPublicKey(non_canonical), proof),
            Error::<Test>::KeyNonCanonical
        );
        let no_point = (0u8..=255)
            .map(|byte| SigningPublicKey([byte; 32]))
            .find(|key| key.check() == Err(ves_primitives::WeakKey::NotAPoint))
            .expect("half of all encodings are no points");
        assert_noop!(register_raw(no_point, proof), Error::<Test>::KeyNotAPoint);
    });
}

#[test]
fn weak_encryption_keys_are_refused() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let id = KeyId(1);
        for (key, error) in [
            (EncryptionPublicKey([0; 32]), Error::<Test>::KeySmallOrder),
            (
                EncryptionPublicKey({
                    let mut u = [0; 32];
                    u[0] = 1;
                    u
                }),
                Error::<Test>::KeySmallOrder,
            ),
        ] {
            assert_noop!(register_x25519(id, key, 1), error);
        }
        // The base point with the unused top bit set names the same point a second time.
        let mut non_canonical = X25519_BASEPOINT.to_bytes();
        non_canonical[31] |= 0x80;
        assert_noop!(
            register_x25519(id, EncryptionPublicKey(non_canonical), 1),
            Error::<Test>::KeyNonCanonical
        );
        // u = 2 lies on the twist.
        let mut twist = [0; 32];
        twist[0] = 2;
        assert_noop!(
            register_x25519(id, EncryptionPublicKey(twist), 1),
            Error::<Test>::KeyNotAPoint
        );
        assert_ok!(register_x25519(id, x25519(9), 1));
    });
}

#[test]
fn a_key_number_is_never_used_twice_not_even_after_revocation() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(Registry::revoke_signing_key(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        let key = signer(2);
        let proof = sign(
            &key,
            &statement(KEY, KeyPurpose::Signing, public(&key).0).hash(),
        );
        assert_noop!(register_raw(public(&key), proof), Error::<Test>::KeyExists);
    });
}

#[test]
fn a_window_that_ends_before_it_begins_is_refused() {
    chain(|| {
        let key = signer(1);
        let proof = sign(
            &key,
            &statement(KEY, KeyPurpose::Signing, public(&key).0).hash(),
        );
        let window = ValidityWindow {
            valid_from: Some(2),
            valid_to: Some(1),
        };
        let origin = RuntimeOrigin::signed(ADMIN);
        assert_noop!(
            Registry::register_signing_key(origin, TENANT, AGENT, KEY, public(&key), window, proof),
            Error::<Test>::InvalidValidityWindow
        );
    });
}

#[test]
fn keys_of_unknown_or_suspended_agents_are_refused() {
    chain(|| {
        let key = signer(1);
        let origin = || RuntimeOrigin::signed(ADMIN);
        let proof = sign(
            &key,
            &statement(KEY, KeyPurpose::Signing, public(&key).0).hash(),
        );
        assert_noop!(
            Registry::register_signing_key(
                origin(),
                TENANT,
                OTHER_AGENT,
                KEY,
                public(&key),
                ALWAYS,
                proof
            ),
            Error::<Test>::AgentNotFound
        );
        assert_ok!(Registry::set_agent_suspended(origin(), TENANT, AGENT, true));
        assert_noop!(
            register_raw(public(&key), proof),
            Error::<Test>::AgentSuspended
        );
    });
}

#[test]
fn encryption_keys_get_numbers_that_no_two_agents_share() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(register_x25519(KeyId(1), x25519(1), 1));
        assert_ok!(register_x25519(KeyId(2), x25519(2), 1));
        let kids: Vec<_> = Registry::encryption_keys(TENANT, AGENT)
            .into_iter()
            .map(|entry| (entry.key_id, entry.record.kid))
            .collect();
        assert_eq!(
            kids,
            [(KeyId(1), RecipientKid(1)), (KeyId(2), RecipientKid(2))]
        );
        let found = Registry::encryption_key_by_kid(RecipientKid(2)).expect("listed");
        assert_eq!((found.agent_id, found.key_id), (AGENT, KeyId(2)));
        assert_eq!(Registry::encryption_key_by_kid(RecipientKid(3)), None);
    });
}

#[test]
fn an_encryption_key_needs_a_valid_signing_key_of_its_agent_to_vouch_for_it() {
    chain(|| {
        assert_noop!(
            register_x25519(KeyId(1), x25519(1), 1),
            Error::<Test>::VouchingKeyInvalid
        );
        register(KEY, &signer(1), ALWAYS);
        assert_noop!(
            register_x25519(KeyId(1), x25519(1), 2),
            Error::<Test>::InvalidProofOfPossession
        );
        assert_ok!(Registry::revoke_signing_key(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        assert_noop!(
            register_x25519(KeyId(1), x25519(1), 1),
            Error::<Test>::VouchingKeyInvalid
        );
    });
}
