// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The hand-over from a signing key to its successor.

use crate::{Agents, Error, Event, KeyPolicies, SigningKeys, Successors, mock::*};
use ed25519_zebra::SigningKey;
use polkadot_sdk::{
    frame_support::{
        assert_noop, assert_ok,
        pallet_prelude::{InvalidTransaction, TransactionSource},
    },
    frame_system::Origin,
    sp_runtime::{DispatchError::BadOrigin, DispatchResult},
};
use ves_primitives::{
    AgentId, GenesisHash, KeyId, Signature, SigningPublicKey, TenantId, limits,
    registry::{
        AuthorDirectory, AuthorProblem, KeyPolicy, KeyProblem, KeyRotation, RotationRefusal,
        ValidityWindow,
    },
};

const NEXT: KeyId = KeyId(2);
const GRACE: u32 = 60;

/// A rotation from key 1 to key 2 before anybody signed it.
fn unsigned(successor: &SigningKey) -> KeyRotation {
    KeyRotation {
        tenant_id: TENANT,
        agent_id: AGENT,
        outgoing: KEY,
        successor: NEXT,
        public_key: public(successor),
        grace_seconds: GRACE,
        possession: Signature([0; 64]),
        handover: Signature([0; 64]),
    }
}

fn signed(mut rotation: KeyRotation, outgoing: &SigningKey, successor: &SigningKey) -> KeyRotation {
    let statement = rotation.statement(Registry::genesis_hash());
    rotation.possession = sign(successor, &statement.successor.hash());
    rotation.handover = sign(outgoing, &statement.hash());
    rotation
}

/// The rotation that an honest agent sends.
fn honest() -> KeyRotation {
    signed(unsigned(&signer(2)), &signer(1), &signer(2))
}

fn rotate(rotation: KeyRotation) -> DispatchResult {
    Registry::rotate_signing_key(Origin::<Test>::Authorized.into(), rotation)
}

fn pool(rotation: &KeyRotation) -> Result<Vec<Vec<u8>>, u8> {
    match Registry::authorize_rotation(TransactionSource::External, rotation) {
        Ok((valid, _)) => Ok(valid.provides),
        Err(error) => Err((0..=u8::MAX)
            .find(|code| error == InvalidTransaction::Custom(*code).into())
            .expect("a rotation is refused with a code")),
    }
}

/// Pool and dispatch refuse alike, and nothing changes.
fn refused(rotation: KeyRotation, refusal: RotationRefusal) {
    assert_eq!(pool(&rotation), Err(refusal.pool_code()), "{refusal:?}");
    assert_noop!(rotate(rotation), Error::<Test>::from(refusal));
}

fn author(key: KeyId) -> Result<SigningPublicKey, AuthorProblem> {
    Registry::author_key(TENANT, STORE, AGENT, key)
}

#[test]
fn a_key_hands_over_to_its_successor_and_signs_until_the_grace_is_over() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        go_to(5, NOW_MS + 8_000);
        assert_ok!(rotate(honest()));
        let end = NOW_MS + 8_000 + u64::from(GRACE) * 1_000;
        System::assert_last_event(
            Event::SigningKeyRotated {
                tenant: TENANT,
                agent: AGENT,
                outgoing: KEY,
                outgoing_valid_to: end,
                successor: NEXT,
            }
            .into(),
        );
        System::assert_has_event(
            Event::SigningKeyRegistered {
                tenant: TENANT,
                agent: AGENT,
                key_id: NEXT,
                public_key: public(&signer(2)),
            }
            .into(),
        );
        assert_eq!(author(NEXT), Ok(public(&signer(2))));
        go_to(6, end);
        assert_eq!(author(KEY), Ok(public(&signer(1))));
        go_to(7, end + 1);
        assert_eq!(author(KEY), Err(AuthorProblem::Key(KeyProblem::Expired)));
        assert_eq!(author(NEXT), Ok(public(&signer(2))));
        assert_eq!(Successors::<Test>::get((TENANT, AGENT), KEY), Some(NEXT));
    });
}

#[test]
fn events_before_a_rotation_stay_valid_for_every_later_reader() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let before = Registry::recorded_now();
        go_to(9, NOW_MS + 16_000);
        let mut rotation = unsigned(&signer(2));
        rotation.grace_seconds = 0;
        assert_ok!(rotate(signed(rotation, &signer(1), &signer(2))));
        let record = SigningKeys::<Test>::get((TENANT, AGENT), KEY).expect("kept");
        assert_eq!(record.check_at(&before), Ok(()));
        assert_eq!(record.check_at(&Registry::recorded_now()), Ok(()));
        go_to(10, NOW_MS + 18_000);
        assert_eq!(
            record.check_at(&Registry::recorded_now()),
            Err(KeyProblem::Expired)
        );
    });
}

#[test]
fn nobody_calls_it_without_the_keys_own_authorisation() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        for origin in [
            RuntimeOrigin::root(),
            RuntimeOrigin::none(),
            RuntimeOrigin::signed(ADMIN),
        ] {
            assert_noop!(Registry::rotate_signing_key(origin, honest()), BadOrigin);
        }
    });
}

#[test]
fn a_signature_for_anything_else_is_no_hand_over() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        register(KeyId(3), &signer(1), ALWAYS);
        let good = honest();
        let elsewhere = |genesis| {
            let mut rotation = good;
            rotation.handover = sign(&signer(1), &good.statement(genesis).hash());
            rotation
        };
        refused(
            elsewhere(GenesisHash([7; 32])),
            RotationRefusal::InvalidHandover,
        );
        for changed in [
            // Whoever carries it chooses neither the grace nor the number nor the key that ends.
            KeyRotation {
                grace_seconds: GRACE + 1,
                ..good
            },
            KeyRotation {
                grace_seconds: 0,
                ..good
            },
            KeyRotation {
                successor: KeyId(4),
                ..good
            },
            KeyRotation {
                outgoing: KeyId(3),
                ..good
            },
            KeyRotation {
                public_key: public(&signer(5)),
                ..good
            },
            KeyRotation {
                handover: good.possession,
                ..good
            },
        ] {
            refused(changed, RotationRefusal::InvalidHandover);
        }
        // The successor must sign too: nobody takes over with a key that he does not hold.
        refused(
            KeyRotation {
                possession: sign(
                    &signer(1),
                    &good.statement(Registry::genesis_hash()).successor.hash(),
                ),
                ..good
            },
            RotationRefusal::InvalidPossession,
        );
        assert_ok!(rotate(good));
    });
}

#[test]
fn a_key_hands_over_once_not_even_during_its_grace_again() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(rotate(honest()));
        let mut thief = unsigned(&signer(9));
        thief.successor = KeyId(3);
        refused(
            signed(thief, &signer(1), &signer(9)),
            RotationRefusal::HandedOver,
        );
        refused(honest(), RotationRefusal::HandedOver);
        let mut onward = unsigned(&signer(3));
        onward.outgoing = NEXT;
        onward.successor = KeyId(3);
        assert_ok!(rotate(signed(onward, &signer(2), &signer(3))));
    });
}

#[test]
fn a_successor_gets_no_more_than_its_key_had() {
    chain(|| {
        let window = ValidityWindow {
            valid_from: Some(NOW_MS - 5),
            valid_to: Some(NOW_MS + 30_000),
        };
        register(KEY, &signer(1), window);
        let policy = KeyPolicy {
            enabled: true,
            event_types: vec!["order.*".parse().expect("a pattern")]
                .try_into()
                .expect("one"),
            entity_types: vec![].try_into().expect("none"),
            require_base_version: false,
            max_payload_bytes: 10,
        };
        assert_ok!(Registry::set_key_policy(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            AGENT,
            KEY,
            Some(policy.clone())
        ));
        assert_ok!(rotate(honest()));
        let record = Registry::signing_key(TENANT, AGENT, NEXT).expect("registered");
        assert_eq!(record.window.valid_to, window.valid_to);
        assert_eq!(
            KeyPolicies::<Test>::get((TENANT, AGENT), NEXT).as_ref(),
            Some(&policy)
        );
        System::assert_has_event(
            Event::KeyPolicyChanged {
                tenant: TENANT,
                agent: AGENT,
                key_id: NEXT,
                policy: Some(policy),
            }
            .into(),
        );
        let outgoing = Registry::signing_key(TENANT, AGENT, KEY).expect("kept");
        assert_eq!(
            outgoing.window.valid_to, window.valid_to,
            "the grace ends no later than the key would have"
        );
    });
}

#[test]
fn keys_that_may_not_sign_do_not_hand_over() {
    let admin = || RuntimeOrigin::signed(ADMIN);
    let key = |problem| RotationRefusal::Author(AuthorProblem::Key(problem));
    chain(|| {
        refused(honest(), key(KeyProblem::NotFound));
        register(KEY, &signer(1), ALWAYS);
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, true));
        refused(honest(), AuthorProblem::AgentSuspended.into());
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, false));
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        refused(honest(), AuthorProblem::TenantSuspended.into());
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            false
        ));
        // Under notice, long before it counts.
        assert_ok!(Registry::revoke_signing_key(
            admin(),
            TENANT,
            AGENT,
            KEY,
            Some(1_000)
        ));
        assert_eq!(author(KEY), Ok(public(&signer(1))));
        refused(honest(), key(KeyProblem::Revoked));
        let mut nobody = honest();
        nobody.agent_id = AgentId([99; 16]);
        refused(nobody, AuthorProblem::UnknownAgent.into());
        nobody.tenant_id = TenantId([99; 16]);
        refused(nobody, AuthorProblem::UnknownTenant.into());
    });
    chain(|| {
        let window = ValidityWindow {
            valid_from: Some(NOW_MS + 10),
            valid_to: Some(NOW_MS + 20),
        };
        register(KEY, &signer(1), window);
        refused(honest(), key(KeyProblem::NotYetValid));
        go_to(2, NOW_MS + 21);
        refused(honest(), key(KeyProblem::Expired));
    });
}

#[test]
fn bad_numbers_graces_and_keys_are_refused() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let mut same = unsigned(&signer(2));
        same.successor = KEY;
        refused(
            signed(same, &signer(1), &signer(2)),
            RotationRefusal::NumberTaken,
        );
        let mut long = unsigned(&signer(2));
        long.grace_seconds = limits::MAX_ROTATION_GRACE_SECONDS + 1;
        refused(signed(long, &signer(1), &signer(2)), RotationRefusal::Grace);
        let mut weak = unsigned(&signer(2));
        weak.public_key = SigningPublicKey([0; 32]);
        let problem = weak.public_key.check().expect_err("order 4");
        refused(
            signed(weak, &signer(1), &signer(2)),
            RotationRefusal::WeakKey(problem),
        );
    });
}

/// An agent that hands over from key to key leaves its admin numbers to register by.
#[test]
fn the_last_numbers_are_the_admins() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let free = limits::MAX_KEYS_PER_AGENT - limits::ADMIN_RESERVED_KEYS;
        let counted = |n| {
            Agents::<Test>::mutate(TENANT, AGENT, |entry| {
                entry.as_mut().expect("registered").signing_keys = n;
            });
        };
        counted(free);
        refused(honest(), RotationRefusal::NumbersExhausted);
        register(KeyId(3), &signer(3), ALWAYS);
        counted(2);
    });
}

#[test]
fn the_pool_keeps_one_rotation_of_a_key_and_one_claim_on_a_number() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        register(KeyId(5), &signer(5), ALWAYS);
        let tags = pool(&honest()).expect("admitted");
        assert_eq!(tags.len(), 2);
        let mut other = unsigned(&signer(9));
        other.successor = KeyId(3);
        let rival = pool(&signed(other, &signer(1), &signer(9))).expect("admitted");
        assert_eq!((rival[0] == tags[0], rival[1] == tags[1]), (true, false));
        let mut other = unsigned(&signer(9));
        other.outgoing = KeyId(5);
        let rival = pool(&signed(other, &signer(5), &signer(9))).expect("admitted");
        assert_eq!((rival[0] == tags[0], rival[1] == tags[1]), (false, true));
    });
}

#[test]
fn in_the_block_the_signatures_are_left_to_the_dispatch() {
    chain(|| {
        register(KEY, &signer(1), ALWAYS);
        let forged = unsigned(&signer(2));
        assert!(Registry::authorize_rotation(TransactionSource::InBlock, &forged).is_ok());
        assert_noop!(rotate(forged), Error::<Test>::InvalidHandover);
    });
}
