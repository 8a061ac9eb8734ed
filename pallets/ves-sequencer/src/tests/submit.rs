// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events in, places or reasons out.

use crate::{Commands, EntityVersions, Event, Events, OpenBatches, dedupe::command_key, mock::*};
use ed25519_zebra::SigningKey;
use polkadot_sdk::{
    frame_support::{assert_ok, assert_storage_noop, dispatch::GetDispatchInfo},
    frame_system::Origin,
};
use ves_primitives::{
    BoundedVec, ConstU32, EncryptedPayload, Envelope, Field, KeyId, Payload, PayloadKind,
    PayloadPlainHash, Recipient, RecipientKid, Signature, SigningPublicKey, StoreId,
    SubmittedEvent, TenantId, limits,
    registry::{AuthorProblem, KeyPolicy, KeyProblem, KeyRotation, PolicyBreach},
    sequencer::{Admission, Rejection},
};

fn text<const MAX: u32>(bytes: &[u8]) -> BoundedVec<u8, ConstU32<MAX>> {
    bytes.to_vec().try_into().expect("short")
}

fn encrypted(n: u16) -> SubmittedEvent {
    let mut event = draft(n);
    let bundle = EncryptedPayload {
        nonce: [1; 12],
        ciphertext: vec![2; 40].try_into().expect("short"),
        tag: [3; 16],
        recipients: vec![
            Recipient {
                recipient_kid: RecipientKid(1),
                enc: [4; 32],
                ct: [5; 48],
            },
            Recipient {
                recipient_kid: RecipientKid(2),
                enc: [6; 32],
                ct: [7; 48],
            },
        ]
        .try_into()
        .expect("few"),
    };
    event.envelope.payload_kind = PayloadKind::Encrypted;
    event.envelope.payload_plain_hash = PayloadPlainHash([8; 32]);
    event.envelope.payload_cipher_hash = bundle.cipher_hash(&event.envelope.payload_aad());
    event.payload = Payload::Encrypted(bundle);
    signed(event)
}

#[test]
fn sequences_start_at_one_and_continue_over_blocks_without_gaps() {
    chain(|| {
        submit(&[event(1), event(2)]);
        submit(&[event(3)]);
        assert_eq!(sequenced(), [1, 2, 3]);
        next_block();
        submit(&[event(4)]);
        next_block();
        next_block();
        submit(&[event(5)]);
        assert_eq!(sequenced(), [5]);
    });
}

#[test]
fn streams_count_on_their_own() {
    chain(|| {
        let elsewhere = event_with(2, |envelope| envelope.store_id = OTHER_STORE);
        submit(&[event(1), elsewhere, event(3)]);
        assert_eq!(sequenced(), [1, 1, 2]);
    });
}

#[test]
fn both_signing_versions_are_accepted() {
    chain(|| {
        submit(&[
            event_with(1, |e| e.ves_version = 1),
            event_with(2, |e| e.ves_version = 2),
        ]);
        assert_eq!(sequenced(), [1, 2]);
    });
}

#[test]
fn an_encrypted_event_is_sequenced_without_being_read() {
    chain(|| {
        submit(&[encrypted(1)]);
        assert_eq!(sequenced(), [1]);
    });
}

#[test]
fn an_exact_replay_answers_with_the_same_place_and_changes_nothing() {
    chain(|| {
        submit(&[event(1)]);
        assert_eq!(sequenced(), [1]);
        for _ in 0..2 {
            next_block();
            polkadot_sdk::sp_io::storage::start_transaction();
            let before =
                polkadot_sdk::sp_io::storage::root(polkadot_sdk::sp_runtime::StateVersion::V1);
            Sequencer::sequence_submission(&[event(1)]);
            System::reset_events();
            let after =
                polkadot_sdk::sp_io::storage::root(polkadot_sdk::sp_runtime::StateVersion::V1);
            assert_eq!(before, after, "a replay leaves no trace in state");
            polkadot_sdk::sp_io::storage::rollback_transaction();
            submit(&[event(1)]);
            assert_eq!(
                outcomes().pop(),
                Some(Event::EventReplayed {
                    stream_id: stream(),
                    sequence: 1,
                    event_id: event(1).envelope.event_id,
                })
            );
        }
    });
}

#[test]
fn a_replay_within_one_submission_is_recognised_too() {
    chain(|| {
        submit(&[event(1), event(1)]);
        assert_eq!(sequenced(), [1]);
        assert!(matches!(
            outcomes()[..],
            [
                Event::EventsSequenced { .. },
                Event::EventReplayed { sequence: 1, .. }
            ]
        ));
    });
}

#[test]
fn another_event_with_a_known_id_is_a_duplicate() {
    chain(|| {
        submit(&[event(1)]);
        submit(&[event_with(1, |e| e.base_version = Some(1))]);
        assert_eq!(only_rejection(), Rejection::DuplicateEventId);
    });
}

#[test]
fn a_replay_with_other_payload_bytes_is_a_duplicate() {
    chain(|| {
        submit(&[event(1)]);
        let mut altered = event(1);
        altered.payload = Payload::Plain(b"{}".to_vec().try_into().expect("short"));
        submit(&[altered]);
        assert_eq!(only_rejection(), Rejection::DuplicateEventId);
    });
}

#[test]
fn the_same_event_id_is_free_in_another_stream() {
    chain(|| {
        submit(&[event(1), event_with(1, |e| e.store_id = OTHER_STORE)]);
        assert_eq!(sequenced(), [1, 1]);
    });
}

/// Each way to be wrong, and its name.
#[test]
fn every_fault_has_its_own_reason_and_leaves_no_gap() {
    let author = |problem| Rejection::Author(problem);
    let with = |change: fn(&mut Envelope)| event_with(9, change);
    let altered = |change: fn(&mut SubmittedEvent)| {
        let mut event = event(9);
        change(&mut event);
        event
    };
    let altered_bundle = |change: fn(&mut EncryptedPayload)| {
        let mut event = encrypted(9);
        if let Payload::Encrypted(bundle) = &mut event.payload {
            change(bundle);
        }
        event
    };
    let cases: Vec<(SubmittedEvent, Rejection)> = vec![
        (with(|e| e.ves_version = 0), Rejection::UnsupportedVersion),
        (with(|e| e.ves_version = 3), Rejection::UnsupportedVersion),
        (
            event_with(9, |e| e.entity_type = text(b"")),
            Rejection::SchemaValidation(Field::EntityType),
        ),
        (
            event_with(9, |e| e.entity_id = text(b"\xff")),
            Rejection::SchemaValidation(Field::EntityId),
        ),
        (
            event_with(9, |e| e.event_type = text(b"")),
            Rejection::SchemaValidation(Field::EventType),
        ),
        (
            event_with(9, |e| e.created_at = text(b"yesterday")),
            Rejection::SchemaValidation(Field::CreatedAt),
        ),
        (
            with(|e| e.payload_kind = PayloadKind::Encrypted),
            Rejection::SchemaValidation(Field::PayloadKind),
        ),
        (
            with(|e| e.base_version = Some(limits::MAX_SEQUENCE + 1)),
            Rejection::SchemaValidation(Field::BaseVersion),
        ),
        (
            altered(|e| e.payload = Payload::Plain(Default::default())),
            Rejection::SchemaValidation(Field::Payload),
        ),
        (
            altered(|e| e.payload = Payload::Plain(b"{}".to_vec().try_into().expect("short"))),
            Rejection::InvalidPayloadHash,
        ),
        (
            with(|e| e.payload_cipher_hash.0[0] = 1),
            Rejection::InvalidPayloadHash,
        ),
        (
            altered_bundle(|b| b.tag[0] ^= 1),
            Rejection::InvalidCipherHash,
        ),
        (
            altered_bundle(|b| b.recipients = Default::default()),
            Rejection::SchemaValidation(Field::Recipients),
        ),
        (
            altered_bundle(|b| b.recipients[1].recipient_kid = RecipientKid(1)),
            Rejection::SchemaValidation(Field::Recipients),
        ),
        (
            altered_bundle(|b| b.ciphertext = Default::default()),
            Rejection::SchemaValidation(Field::Payload),
        ),
        (
            altered(|e| e.envelope.agent_signature.0[0] ^= 1),
            Rejection::InvalidSignature,
        ),
        (
            altered(|e| e.envelope.agent_signature.0[63] ^= 0x10),
            Rejection::InvalidSignature,
        ),
        (
            altered(|e| e.envelope.command_id = command(1)),
            Rejection::InvalidSignature,
        ),
        (
            altered(|e| e.envelope.base_version = Some(0)),
            Rejection::InvalidSignature,
        ),
        (
            with(|e| e.tenant_id = TenantId([99; 16])),
            author(AuthorProblem::UnknownTenant),
        ),
        (
            with(|e| e.store_id = StoreId([99; 16])),
            author(AuthorProblem::UnknownStore),
        ),
        (
            with(|e| e.source_agent_id.0[0] ^= 1),
            author(AuthorProblem::UnknownAgent),
        ),
        (
            with(|e| e.agent_key_id = KeyId(2)),
            author(AuthorProblem::Key(KeyProblem::NotFound)),
        ),
        (
            with(|e| e.base_version = Some(4)),
            Rejection::VersionConflict {
                expected: 4,
                actual: 0,
            },
        ),
    ];
    for (bad, reason) in cases {
        chain(|| {
            submit(&[event(1), bad.clone(), event(2)]);
            assert_eq!(only_rejection(), reason);
            assert_eq!(sequenced(), [1, 2], "{reason} leaves no gap");
            assert_eq!(
                Sequencer::can_submit(&[bad]),
                [Admission::Rejected(reason)],
                "the pre-flight check gives the same reason"
            );
        });
    }
}

#[test]
fn a_v1_envelope_does_not_sign_its_command() {
    chain(|| {
        let mut carried = event_with(1, |e| e.ves_version = 1);
        carried.envelope.command_id = command(1);
        submit(&[carried]);
        assert_eq!(
            sequenced(),
            [1],
            "the known weakness of V1; clients sign V2"
        );
    });
}

#[test]
fn suspended_authors_are_refused_at_once_and_revoked_keys_from_the_next_block_on() {
    let admin = || RuntimeOrigin::signed(ADMIN);
    chain(|| {
        submit(&[event(1)]);
        assert_ok!(Registry::revoke_signing_key(
            admin(),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        next_block();
        submit(&[event(2)]);
        assert_eq!(
            only_rejection(),
            Rejection::Author(AuthorProblem::Key(KeyProblem::Revoked))
        );
    });
    chain(|| {
        assert_ok!(Registry::set_agent_suspended(admin(), TENANT, AGENT, true));
        submit(&[event(1)]);
        assert_eq!(
            only_rejection(),
            Rejection::Author(AuthorProblem::AgentSuspended)
        );
    });
    chain(|| {
        assert_ok!(Registry::set_tenant_suspended(
            RuntimeOrigin::root(),
            TENANT,
            true
        ));
        submit(&[event(1)]);
        assert_eq!(
            only_rejection(),
            Rejection::Author(AuthorProblem::TenantSuspended)
        );
    });
}

#[test]
fn a_replay_of_an_event_whose_key_was_revoked_since_still_has_its_place() {
    chain(|| {
        submit(&[event(1)]);
        assert_ok!(Registry::revoke_signing_key(
            RuntimeOrigin::signed(ADMIN),
            TENANT,
            AGENT,
            KEY,
            None
        ));
        next_block();
        submit(&[event(1)]);
        assert!(matches!(
            outcomes()[..],
            [Event::EventReplayed { sequence: 1, .. }]
        ));
    });
}

#[test]
fn a_command_is_fulfilled_by_one_event_and_freed_by_a_rejected_one() {
    chain(|| {
        let conflicting = event_with(1, |e| {
            e.command_id = command(5);
            e.base_version = Some(3);
        });
        submit(&[conflicting]);
        let command_key = command_key(stream(), ves_primitives::CommandId([5; 16]));
        assert!(!Commands::<Test>::contains_key(command_key));
        submit(&[event_with(2, |e| e.command_id = command(5))]);
        assert_eq!(sequenced(), [1]);
        next_block();
        submit(&[event_with(3, |e| e.command_id = command(5))]);
        assert_eq!(only_rejection(), Rejection::DuplicateCommandId);
        next_block();
        let elsewhere = event_with(4, |e| {
            e.store_id = OTHER_STORE;
            e.command_id = command(5);
        });
        submit(&[elsewhere]);
        assert_eq!(
            sequenced(),
            [1],
            "commands of another stream are another matter"
        );
    });
}

#[test]
fn later_events_of_a_submission_see_the_versions_of_earlier_ones() {
    chain(|| {
        let at = |n: u16, base: u64| {
            event_with(n, |e| {
                e.entity_id = b"one order".to_vec().try_into().expect("short");
                e.base_version = Some(base);
            })
        };
        submit(&[at(1, 0), at(2, 1), at(3, 1), at(4, 2)]);
        assert_eq!(sequenced(), [1, 2, 3]);
        assert_eq!(
            only_rejection(),
            Rejection::VersionConflict {
                expected: 1,
                actual: 2
            }
        );
        assert_eq!(
            Sequencer::entity_version(stream(), b"order", b"one order"),
            3
        );
        assert_eq!(
            Sequencer::entity_version(other_stream(), b"order", b"one order"),
            0
        );
    });
}

#[test]
fn a_stream_that_is_out_of_numbers_says_so() {
    chain(|| {
        let exhausted = ves_primitives::StreamTip {
            sequence: limits::MAX_SEQUENCE,
            ..ves_primitives::StreamTip::EMPTY
        };
        crate::Tips::<Test>::insert(stream(), exhausted);
        submit(&[event(1)]);
        assert_eq!(only_rejection(), Rejection::SequenceExhausted);
        crate::Tips::<Test>::remove(stream());
    });
}

#[test]
fn the_preflight_check_sees_the_order_of_the_list_and_leaves_no_trace() {
    chain(|| {
        submit(&[event(1)]);
        assert_storage_noop!({
            let answer =
                Sequencer::can_submit(&[event(1), event(2), event_with(2, |e| e.ves_version = 1)]);
            assert_eq!(
                answer,
                [
                    Admission::AlreadySequenced { sequence: 1 },
                    Admission::Acceptable,
                    Admission::Rejected(Rejection::DuplicateEventId),
                ]
            );
        });
    });
}

#[test]
fn state_keeps_hashes_only() {
    chain(|| {
        submit(&[event(1)]);
        assert_eq!(Events::<Test>::iter().count(), 1);
        assert_eq!(EntityVersions::<Test>::iter().count(), 1);
        next_block();
        assert_eq!(
            OpenBatches::<Test>::iter().count(),
            0,
            "open batches do not outlive their block"
        );
    });
}

#[test]
fn what_a_keys_policy_does_not_allow_is_rejected_by_name_and_leaves_no_gap() {
    chain(|| {
        let policy = KeyPolicy {
            enabled: true,
            event_types: vec!["order.*".parse().expect("a pattern")]
                .try_into()
                .expect("one"),
            entity_types: vec!["*".parse().expect("a pattern")]
                .try_into()
                .expect("one"),
            require_base_version: true,
            max_payload_bytes: 100,
        };
        let admin = RuntimeOrigin::signed(ADMIN);
        assert_ok!(Registry::set_key_policy(
            admin,
            TENANT,
            AGENT,
            KEY,
            Some(policy)
        ));
        let kind = |text: &[u8]| text.to_vec().try_into().expect("short");
        submit(&[
            event_with(1, |e| e.event_type = kind(b"refund.created")),
            event_with(2, |e| e.event_type = kind(b"order.paid")),
            event(3),
        ]);
        let reasons: Vec<_> = outcomes()
            .into_iter()
            .filter_map(|event| match event {
                Event::EventRejected { reason, .. } => Some(reason),
                _ => None,
            })
            .collect();
        assert_eq!(
            reasons,
            [
                Rejection::Policy(PolicyBreach::EventType),
                Rejection::Policy(PolicyBreach::BaseVersion)
            ]
        );
        assert_eq!(sequenced(), [1]);
    });
}

#[test]
fn after_a_rotation_both_keys_sign_until_the_grace_is_over() {
    chain(|| {
        let successor = SigningKey::from([43; 32]);
        let mut rotation = KeyRotation {
            tenant_id: TENANT,
            agent_id: AGENT,
            outgoing: KEY,
            successor: KeyId(2),
            public_key: SigningPublicKey(
                ed25519_zebra::VerificationKeyBytes::from(&successor).into(),
            ),
            grace_seconds: 4,
            possession: Signature([0; 64]),
            handover: Signature([0; 64]),
        };
        let statement = rotation.statement(Registry::genesis_hash());
        rotation.possession = Signature(successor.sign(&statement.successor.hash()).to_bytes());
        rotation.handover = sign(&statement.hash());
        assert_ok!(Registry::rotate_signing_key(
            Origin::<Test>::Authorized.into(),
            rotation
        ));
        let by_successor = |n| {
            let mut event = draft(n);
            event.envelope.agent_key_id = KeyId(2);
            let hash = event.envelope.signing_hash().expect("version 2");
            event.envelope.agent_signature = Signature(successor.sign(&hash.0).to_bytes());
            event
        };
        submit(&[event(1), by_successor(2)]);
        assert_eq!(sequenced(), [1, 2]);
        next_block();
        next_block();
        submit(&[event(3), by_successor(4)]);
        assert_eq!(sequenced(), [3, 4], "the last moment of the grace");
        next_block();
        submit(&[event(5), by_successor(6)]);
        assert_eq!(
            only_rejection(),
            Rejection::Author(AuthorProblem::Key(KeyProblem::Expired))
        );
        assert_eq!(sequenced(), [5]);
    });
}

#[test]
fn a_submission_declares_what_its_bytes_cost_the_block() {
    let weight_of = |bytes: usize| {
        let mut long = draft(1);
        long.payload = Payload::Plain(vec![b' '; bytes].try_into().expect("within the limit"));
        let events = vec![long].try_into().expect("one event");
        crate::Call::<Test>::submit_events { events }
            .get_dispatch_info()
            .call_weight
    };
    let longest = limits::MAX_PAYLOAD_BYTES;
    let more = weight_of(longest as usize).ref_time() - weight_of(0).ref_time();
    let in_the_block = <Test as crate::Config>::ByteWeight::get().ref_time() * u64::from(longest);
    assert!(in_the_block > 0);
    // The rest is the work on them, which the benchmarks measure.
    assert!(more > in_the_block, "{more}");
}
