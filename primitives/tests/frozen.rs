// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! SCALE layouts that cross a boundary: calls, storage, digests, runtime APIs. A change here breaks
//! clients, relays and stored state.

mod common;

use codec::{Compact, DecodeAll, Encode, MaxEncodedLen};
use common::*;
use ves_primitives::{
    proof::{BatchEntry, BatchProofSubmission, BudgetStep, ProofRefusal, ProofSubmission},
    registry::{
        Author, AuthorProblem, DirectoryEntry, EncryptionKeyRecord, Group, GroupMember,
        GroupRecipient, GroupRecipients, GroupRole, KeyPolicy, KeyProblem, KeyRotation,
        PolicyBreach, Quota, RecordedAt, Revocation, RotationRefusal, SchemaEntry, SchemaRecord,
        SchemaStatus, SigningKeyRecord, ValidityWindow,
    },
    sequencer::{
        Admission, BlockIndex, EMPTY_SUBMISSION_CODE, EventRecord, IndexedEvent, IndexedRejection,
        KeptBatches, Rejection, SequencerLimits, pool_code_name,
    },
    *,
};

/// Asserts the encoding and that it decodes to the same value.
fn frozen<T>(value: &T, parts: &[&[u8]])
where
    T: Encode + DecodeAll + PartialEq + std::fmt::Debug,
{
    let expected = parts.concat();
    assert_eq!(
        hex::encode(value.encode()),
        hex::encode(&expected),
        "{value:?}"
    );
    assert_eq!(T::decode_all(&mut &expected[..]).as_ref(), Ok(value));
}

fn envelope() -> Envelope {
    Envelope {
        ves_version: 2,
        event_id: EventId([1; 16]),
        tenant_id: TenantId([2; 16]),
        store_id: StoreId([3; 16]),
        source_agent_id: AgentId([4; 16]),
        agent_key_id: KeyId(5),
        entity_type: b"order".to_vec().try_into().expect("fits"),
        entity_id: b"ORD-001".to_vec().try_into().expect("fits"),
        event_type: b"order.created".to_vec().try_into().expect("fits"),
        created_at: b"2026-11-23T18:14:41Z".to_vec().try_into().expect("fits"),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: PayloadPlainHash([6; 32]),
        payload_cipher_hash: PayloadCipherHash([7; 32]),
        command_id: Some(CommandId([8; 16])),
        base_version: Some(0x0908_0706_0504_0302),
        agent_signature: Signature([9; 64]),
    }
}

const fn compact(length: u8) -> [u8; 1] {
    [length << 2]
}

fn envelope_bytes() -> Vec<u8> {
    [
        &[2, 0, 0, 0][..],
        &[1; 16],
        &[2; 16],
        &[3; 16],
        &[4; 16],
        &[5, 0, 0, 0],
        &compact(5),
        b"order",
        &compact(7),
        b"ORD-001",
        &compact(13),
        b"order.created",
        &compact(20),
        b"2026-11-23T18:14:41Z",
        &[0],
        &[6; 32],
        &[7; 32],
        &[1],
        &[8; 16],
        &[1],
        &[2, 3, 4, 5, 6, 7, 8, 9],
        &[9; 64],
    ]
    .concat()
}

#[test]
fn envelope_encoding_is_frozen() {
    frozen(&envelope(), &[&envelope_bytes()]);
    let bare = Envelope {
        payload_kind: PayloadKind::Encrypted,
        command_id: None,
        base_version: None,
        ..envelope()
    };
    let raw = bare.encode();
    assert_eq!(
        raw[raw.len() - 131..],
        [&[1][..], &[6; 32], &[7; 32], &[0, 0], &[9; 64]].concat()
    );
}

#[test]
fn submitted_event_encoding_is_frozen() {
    let plain = SubmittedEvent {
        envelope: envelope(),
        payload: Payload::Plain(b"{}".to_vec().try_into().unwrap()),
    };
    frozen(&plain, &[&envelope_bytes(), &[0], &compact(2), b"{}"]);
    let recipient = |kid, byte| Recipient {
        recipient_kid: RecipientKid(kid),
        enc: [byte; 32],
        ct: [byte; 48],
    };
    let encrypted = SubmittedEvent {
        envelope: envelope(),
        payload: Payload::Encrypted(EncryptedPayload {
            nonce: [1; 12],
            ciphertext: vec![2; 3].try_into().unwrap(),
            tag: [3; 16],
            recipients: vec![recipient(1, 4), recipient(0x0201, 5)]
                .try_into()
                .unwrap(),
        }),
    };
    frozen(
        &encrypted,
        &[
            &envelope_bytes(),
            &[1],
            &[1; 12],
            &compact(3),
            &[2; 3],
            &[3; 16],
            &compact(2),
            &[1, 0, 0, 0],
            &[4; 32],
            &[4; 48],
            &[1, 2, 0, 0],
            &[5; 32],
            &[5; 48],
        ],
    );
}

#[test]
fn texts_and_lists_above_their_limits_do_not_decode() {
    let head = &envelope_bytes()[..72];
    for (length, fits) in [(128, true), (129, false), (u32::MAX, false)] {
        let mut raw = head.to_vec();
        Compact(length).encode_to(&mut raw);
        raw.extend(vec![b'x'; length.min(200) as usize]);
        raw.extend_from_slice(&envelope_bytes()[78..]);
        assert_eq!(
            Envelope::decode_all(&mut &raw[..]).is_ok(),
            fits,
            "{length}"
        );
    }
    let recipients = |count: u32| {
        let mut raw = [&[0; 12][..], &compact(0), &[0; 16]].concat();
        Compact(count).encode_to(&mut raw);
        raw.extend(vec![0; 84 * count.min(100) as usize]);
        EncryptedPayload::decode_all(&mut &raw[..])
    };
    assert!(recipients(limits::MAX_RECIPIENTS).is_ok());
    assert!(recipients(limits::MAX_RECIPIENTS + 1).is_err());
    assert!(recipients(u32::MAX >> 2).is_err());
    // A path claims a length that its bytes do not have.
    let mut raw = [0; 8].to_vec();
    Compact(u32::MAX).encode_to(&mut raw);
    assert!(InclusionProof::decode_all(&mut &raw[..]).is_err());
}

/// Quotas, weights and pool limits are computed from these.
#[test]
fn maximum_encoded_lengths_are_frozen() {
    let texts = (2 + 128) + (2 + 512) + (2 + 256) + (2 + 64);
    let envelope = 4 + 4 * 16 + 4 + texts + 1 + 2 * 32 + (1 + 16) + (1 + 8) + 64;
    let bundle = 12 + (4 + 65_536) + 16 + (2 + 64 * 84);
    assert_eq!((envelope, bundle), (1_195, 70_946));
    assert_eq!(Envelope::max_encoded_len(), envelope);
    assert_eq!(EncryptedPayload::max_encoded_len(), bundle);
    assert_eq!(SubmittedEvent::max_encoded_len(), envelope + 1 + bundle);
    assert_eq!(BatchCommitment::max_encoded_len(), 192);
    assert_eq!(BlockCommitment::max_encoded_len(), 37);
    assert_eq!(StreamTip::max_encoded_len(), 48);
}

#[test]
fn batch_commitment_encoding_is_frozen() {
    let batch = BatchCommitment {
        batch_id: BatchId([1; 32]),
        tenant_id: TenantId([2; 16]),
        store_id: StoreId([3; 16]),
        batch_index: 4,
        block_number: 5,
        sequence_start: 6,
        sequence_end: 0x0100,
        leaf_count: 7,
        events_root: EventsRoot([8; 32]),
        prev_state_root: StateRoot([9; 32]),
        new_state_root: StateRoot([10; 32]),
    };
    frozen(
        &batch,
        &[
            &[1; 32],
            &[2; 16],
            &[3; 16],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            &[5, 0, 0, 0],
            &[6, 0, 0, 0, 0, 0, 0, 0],
            &[0, 1, 0, 0, 0, 0, 0, 0],
            &[7, 0, 0, 0],
            &[8; 32],
            &[9; 32],
            &[10; 32],
        ],
    );
    frozen(
        &StreamTip {
            sequence: 1,
            state_root: StateRoot([2; 32]),
            batch_count: 3,
        },
        &[
            &[1, 0, 0, 0, 0, 0, 0, 0],
            &[2; 32],
            &[3, 0, 0, 0, 0, 0, 0, 0],
        ],
    );
}

#[test]
fn block_commitment_digest_encoding_is_frozen() {
    let block = BlockCommitment {
        version: BlockCommitment::VERSION,
        batch_count: 0x0201,
        root: BlockRoot([3; 32]),
    };
    frozen(&block, &[&[1], &[1, 2, 0, 0], &[3; 32]]);
    assert_eq!(&BLOCK_COMMITMENT_ENGINE, b"VESB");
    frozen(
        &InclusionProof {
            leaf_index: 1,
            leaf_count: 2,
            path: vec![[3; 32]],
        },
        &[&[1, 0, 0, 0], &[2, 0, 0, 0], &compact(1), &[3; 32]],
    );
}

#[test]
fn registry_record_encodings_are_frozen() {
    let window = ValidityWindow {
        valid_from: Some(1),
        valid_to: None,
    };
    let at = |block| RecordedAt { block, time_ms: 3 };
    let window_bytes = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let at_bytes = |block| [block, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0];
    let signing = SigningKeyRecord {
        public_key: SigningPublicKey([4; 32]),
        window,
        registered_at: at(5),
        revocation: Some(Revocation {
            effective_from: 7,
            decided_at: at(6),
        }),
    };
    frozen(
        &signing,
        &[
            &[4; 32],
            &window_bytes,
            &at_bytes(5),
            &[1],
            &[7, 0, 0, 0],
            &at_bytes(6),
        ],
    );
    let record = EncryptionKeyRecord {
        public_key: EncryptionPublicKey([7; 32]),
        kid: RecipientKid(8),
        window,
        registered_at: at(9),
        revoked_at: None,
    };
    let record_bytes = [
        &[7; 32][..],
        &[8, 0, 0, 0],
        &window_bytes,
        &at_bytes(9),
        &[0],
    ]
    .concat();
    frozen(&record, &[&record_bytes]);
    let entry = DirectoryEntry {
        tenant_id: TenantId([1; 16]),
        agent_id: AgentId([2; 16]),
        key_id: KeyId(3),
        record,
    };
    frozen(&entry, &[&[1; 16], &[2; 16], &[3, 0, 0, 0], &record_bytes]);
    for (purpose, byte) in [(KeyPurpose::Signing, 0), (KeyPurpose::Encryption, 1)] {
        frozen(&purpose, &[&[byte]]);
    }
    for (weak, byte) in [
        (WeakKey::NotAPoint, 0),
        (WeakKey::NonCanonical, 1),
        (WeakKey::SmallOrder, 2),
        (WeakKey::MixedOrder, 3),
    ] {
        frozen(&weak, &[&[byte]]);
    }
}

#[test]
fn rotation_encoding_and_codes_are_frozen() {
    let rotation = KeyRotation {
        tenant_id: TenantId([1; 16]),
        agent_id: AgentId([2; 16]),
        outgoing: KeyId(3),
        successor: KeyId(4),
        public_key: SigningPublicKey([5; 32]),
        grace_seconds: 6,
        possession: Signature([7; 64]),
        handover: Signature([8; 64]),
    };
    frozen(
        &rotation,
        &[
            &[1; 16],
            &[2; 16],
            &[3, 0, 0, 0],
            &[4, 0, 0, 0],
            &[5; 32],
            &[6, 0, 0, 0],
            &[7; 64],
            &[8; 64],
        ],
    );
    use RotationRefusal as R;
    for (refusal, code) in [
        (R::Author(AuthorProblem::AgentSuspended), 20),
        (R::NumberTaken, 25),
        (R::HandedOver, 26),
        (R::NumbersExhausted, 27),
        (R::Grace, 28),
        (R::WeakKey(WeakKey::NotAPoint), 29),
        (R::InvalidPossession, 30),
        (R::InvalidHandover, 31),
    ] {
        assert_eq!(refusal.pool_code(), code);
        assert!(pool_code_name(code).is_some());
    }
}

#[test]
fn policy_quota_and_author_encodings_are_frozen() {
    let policy = KeyPolicy {
        enabled: true,
        event_types: vec!["order.*".parse().expect("a pattern")]
            .try_into()
            .expect("fits"),
        entity_types: vec!["*".parse().expect("a pattern")]
            .try_into()
            .expect("fits"),
        require_base_version: false,
        max_payload_bytes: 2,
    };
    let policy_bytes = [
        &[1][..],
        &compact(1),
        &compact(7),
        b"order.*",
        &compact(1),
        &compact(1),
        b"*",
        &[0],
        &[2, 0, 0, 0],
    ]
    .concat();
    frozen(&policy, &[&policy_bytes]);
    let quota = |events| Quota {
        events,
        payload_bytes: 4,
    };
    let quota_bytes = |events| [events, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    frozen(&quota(3), &[&quota_bytes(3)]);
    let author = Author {
        key: SigningPublicKey([1; 32]),
        policy: Some(policy),
        tenant_quota: quota(5),
        agent_quota: quota(6),
    };
    frozen(
        &author,
        &[
            &[1; 32],
            &[1],
            &policy_bytes,
            &quota_bytes(5),
            &quota_bytes(6),
        ],
    );
    for (breach, byte) in [
        (PolicyBreach::EventType, 0),
        (PolicyBreach::EntityType, 1),
        (PolicyBreach::BaseVersion, 2),
        (PolicyBreach::PayloadBytes, 3),
    ] {
        frozen(&breach, &[&[byte]]);
    }
    assert_eq!(KeyPolicy::max_encoded_len(), 2 * (1 + 16 * 66) + 1 + 1 + 4);
}

#[test]
fn group_and_schema_encodings_are_frozen() {
    let member = GroupMember {
        agent_id: AgentId([1; 16]),
        role: GroupRole::Manager,
    };
    frozen(&member, &[&[1; 16], &[1]]);
    frozen(&GroupRole::Reader, &[&[0]]);
    let group = Group {
        epoch: 2,
        dissolved: false,
        members: vec![member].try_into().expect("fits"),
    };
    frozen(&group, &[&[2, 0, 0, 0], &[0], &compact(1), &[1; 16], &[1]]);
    let recipients = GroupRecipients {
        epoch: 3,
        dissolved: true,
        members: vec![GroupRecipient { member, key: None }],
    };
    frozen(
        &recipients,
        &[&[3, 0, 0, 0], &[1], &compact(1), &[1; 16], &[1], &[0]],
    );
    let record = SchemaRecord {
        hash: SchemaHash([4; 32]),
        status: SchemaStatus::Deprecated,
        registered_at: RecordedAt {
            block: 5,
            time_ms: 6,
        },
    };
    let record_bytes = [&[4; 32][..], &[1], &[5, 0, 0, 0], &[6, 0, 0, 0, 0, 0, 0, 0]].concat();
    frozen(&record, &[&record_bytes]);
    frozen(&SchemaStatus::Active, &[&[0]]);
    let entry = SchemaEntry {
        event_type: b"order.created".to_vec().try_into().expect("fits"),
        version: 7,
        record,
    };
    frozen(
        &entry,
        &[&compact(13), b"order.created", &[7, 0, 0, 0], &record_bytes],
    );
}

/// Every rejection there is, with its encoding and the number the pool answers with.
fn rejections() -> Vec<(Rejection, Vec<u8>, u8)> {
    use AuthorProblem as A;
    use Rejection as R;
    let conflict = R::VersionConflict {
        expected: 1,
        actual: 2,
    };
    vec![
        (R::DuplicateEventId, vec![0], 1),
        (R::DuplicateCommandId, vec![1], 2),
        (R::InvalidPayloadHash, vec![2], 3),
        (R::InvalidCipherHash, vec![3], 4),
        (R::InvalidSignature, vec![4], 5),
        (R::UnsupportedVersion, vec![5], 6),
        (R::SchemaValidation(Field::EntityType), vec![6, 0], 32),
        (R::SchemaValidation(Field::EntityId), vec![6, 1], 33),
        (R::SchemaValidation(Field::EventType), vec![6, 2], 34),
        (R::SchemaValidation(Field::CreatedAt), vec![6, 3], 35),
        (R::SchemaValidation(Field::PayloadKind), vec![6, 4], 36),
        (R::SchemaValidation(Field::Payload), vec![6, 5], 37),
        (R::SchemaValidation(Field::Recipients), vec![6, 6], 38),
        (R::SchemaValidation(Field::BaseVersion), vec![6, 7], 39),
        (conflict, [&[7, 1][..], &[0; 7], &[2], &[0; 7]].concat(), 7),
        (R::Author(A::UnknownTenant), vec![8, 0], 16),
        (R::Author(A::TenantSuspended), vec![8, 1], 17),
        (R::Author(A::UnknownStore), vec![8, 2], 18),
        (R::Author(A::UnknownAgent), vec![8, 3], 19),
        (R::Author(A::AgentSuspended), vec![8, 4], 20),
        (R::Author(A::Key(KeyProblem::NotFound)), vec![8, 5, 0], 21),
        (R::Author(A::Key(KeyProblem::Revoked)), vec![8, 5, 1], 22),
        (R::Author(A::Key(KeyProblem::Expired)), vec![8, 5, 2], 23),
        (
            R::Author(A::Key(KeyProblem::NotYetValid)),
            vec![8, 5, 3],
            24,
        ),
        (R::SequenceExhausted, vec![9], 8),
        (R::CreatedAtTooOld, vec![10], 10),
        (R::CreatedAtInFuture, vec![11], 11),
        (R::Policy(PolicyBreach::EventType), vec![12, 0], 40),
        (R::Policy(PolicyBreach::EntityType), vec![12, 1], 41),
        (R::Policy(PolicyBreach::BaseVersion), vec![12, 2], 42),
        (R::Policy(PolicyBreach::PayloadBytes), vec![12, 3], 43),
        (R::TenantQuotaExhausted, vec![13], 12),
        (R::AgentQuotaExhausted, vec![14], 13),
    ]
}

/// Every refusal of a proof but the author's problems, which have the numbers of rejections.
fn refusals() -> Vec<(ProofRefusal, u8, u8)> {
    use ProofRefusal as R;
    vec![
        (R::CircuitDisabled, 0, 64),
        (R::ProofTooLong, 1, 65),
        (R::UnknownEvent, 2, 66),
        (R::EventMismatch, 3, 67),
        (R::UnknownBatch, 4, 68),
        (R::BatchMismatch, 5, 69),
        (R::AlreadyProven, 6, 70),
        (R::TooManyProofs, 7, 71),
        (R::QuotaExhausted, 8, 72),
        (R::BudgetStep, 10, 73),
        (R::BudgetTotal, 11, 74),
        (R::InvalidSignature, 12, 75),
        (R::InvalidEventSignature, 13, 76),
        (R::InvalidEndorsement, 14, 77),
        (R::InvalidPolicy, 15, 78),
        (R::InvalidCurrency, 16, 79),
        (R::InvalidCommitment, 17, 80),
        (R::ProofHeader, 18, 81),
        (R::ProofStructure, 19, 82),
        (R::ProofOfWork, 20, 83),
        (R::ProofPositions, 21, 84),
        (R::ProofRemainder, 22, 85),
        (R::ProofInvalid, 23, 86),
    ]
}

#[test]
fn refusal_encoding_is_frozen() {
    for (refusal, index, _) in refusals() {
        frozen(&refusal, &[&[index]]);
    }
    let author = ProofRefusal::Author(AuthorProblem::UnknownAgent);
    frozen(&author, &[&[9, 3]]);
    assert_eq!(
        author.pool_code(),
        Rejection::Author(AuthorProblem::UnknownAgent).pool_code()
    );
    for index in 24..=u8::MAX {
        assert!(ProofRefusal::decode_all(&mut &[index][..]).is_err());
    }
}

#[test]
fn proof_submission_encoding_is_frozen() {
    let step = BudgetStep {
        previous: AmountCommitment([1; 32]),
        new: AmountCommitment([2; 32]),
    };
    let submission = ProofSubmission {
        envelope: envelope(),
        policy: Policy::AgentBudget { budget_limit: 3 },
        commitment: AmountCommitment([4; 32]),
        currency: "USD:2".parse().expect("a currency"),
        endorsement: Signature([5; 64]),
        key_id: KeyId(6),
        budget: Some(step),
        authorization_receipt_hash: None,
        amount_binding_hash: Some([7; 32]),
        signature: Signature([8; 64]),
        proof: vec![9, 10].try_into().expect("fits"),
    };
    frozen(
        &submission,
        &[
            &envelope().encode(),
            &[3, 3, 0, 0, 0, 0, 0, 0, 0],
            &[4; 32],
            b"USD\0\0\0\0\x02",
            &[5; 64],
            &[6, 0, 0, 0],
            &[1],
            &[1; 32],
            &[2; 32],
            &[0],
            &[1],
            &[7; 32],
            &[8; 64],
            &compact(2),
            &[9, 10],
        ],
    );
    let entry = BatchEntry {
        event: EventSigningHash([1; 32]),
        agent_signature: Signature([2; 64]),
        agent_id: AgentId([3; 16]),
        key_id: KeyId(4),
        commitment: AmountCommitment([5; 32]),
        currency: "EUR:0".parse().expect("a currency"),
        endorsement: Signature([6; 64]),
    };
    let batch = BatchProofSubmission {
        tenant_id: TenantId([7; 16]),
        store_id: StoreId([8; 16]),
        batch_index: 9,
        policy: Policy::OrderTotalCap { cap: 10 },
        entries: vec![entry].try_into().expect("fits"),
        agent_id: AgentId([11; 16]),
        key_id: KeyId(12),
        signature: Signature([13; 64]),
        proof: vec![14].try_into().expect("fits"),
    };
    frozen(
        &batch,
        &[
            &[7; 16],
            &[8; 16],
            &[9, 0, 0, 0, 0, 0, 0, 0],
            &[1, 10, 0, 0, 0, 0, 0, 0, 0],
            &compact(1),
            &[1; 32],
            &[2; 64],
            &[3; 16],
            &[4, 0, 0, 0],
            &[5; 32],
            b"EUR\0\0\0\0\0",
            &[6; 64],
            &[11; 16],
            &[12, 0, 0, 0],
            &[13; 64],
            &compact(1),
            &[14],
        ],
    );
}

/// The list above is complete when the decoder accepts no other short string.
#[test]
fn rejection_encoding_is_frozen() {
    let all = rejections();
    for (rejection, encoding, _) in &all {
        frozen(rejection, &[encoding]);
    }
    let mut decodable = 0;
    for a in 0..=u8::MAX {
        decodable += usize::from(Rejection::decode_all(&mut &[a][..]).is_ok());
        for b in 0..=u8::MAX {
            decodable += usize::from(Rejection::decode_all(&mut &[a, b][..]).is_ok());
            for c in 0..=u8::MAX {
                decodable += usize::from(Rejection::decode_all(&mut &[a, b, c][..]).is_ok());
            }
        }
    }
    assert_eq!(
        decodable + 1,
        all.len(),
        "all but the version conflict are that short"
    );
}

#[test]
fn pool_codes_are_unique_and_named_after_the_rejection() {
    let all = rejections();
    assert_eq!(all.len(), 33);
    let mut codes = std::collections::BTreeSet::new();
    for (rejection, _, code) in &all {
        assert_eq!(rejection.pool_code(), *code, "{rejection}");
        assert!(codes.insert(*code), "{code} is taken");
        assert!((1..=63).contains(code));
        let name = pool_code_name(*code).expect("a name");
        match rejection {
            // The pool's byte has no room for the two versions.
            Rejection::VersionConflict { .. } => {
                assert_eq!(
                    rejection.to_string(),
                    format!("{name}: expected 1, actual 2")
                );
            }
            _ => assert_eq!(rejection.to_string(), name),
        }
    }
    // The answers of the proof pallet.
    for (refusal, _, code) in refusals() {
        assert_eq!(refusal.pool_code(), code, "{refusal}");
        assert!((64..=95).contains(&code));
        assert!(codes.insert(code), "{code} is taken");
        assert_eq!(Some(refusal.to_string().as_str()), pool_code_name(code));
    }
    for code in 25..=31 {
        assert!(codes.insert(code), "{code} is a rotation's");
    }
    // The one answer that judges a submission, not an event.
    assert!(codes.insert(EMPTY_SUBMISSION_CODE));
    assert_eq!(
        pool_code_name(EMPTY_SUBMISSION_CODE),
        Some("empty_submission")
    );
    for code in 0..=u8::MAX {
        assert_eq!(
            pool_code_name(code).is_some(),
            codes.contains(&code),
            "{code}"
        );
    }
}

#[test]
fn envelope_errors_keep_their_name_when_they_become_rejections() {
    for error in [
        EnvelopeError::UnsupportedVersion,
        EnvelopeError::PayloadHash,
        EnvelopeError::CipherHash,
        EnvelopeError::Schema(Field::Recipients),
    ] {
        assert_eq!(Rejection::from(error).to_string(), error.to_string());
    }
    let problem = AuthorProblem::Key(KeyProblem::Revoked);
    assert_eq!(
        Rejection::from(problem).to_string(),
        "agent_key_invalid: revoked"
    );
}

#[test]
fn sequencer_record_encodings_are_frozen() {
    frozen(
        &EventRecord {
            sequence: 1,
            block_number: 2,
            leaf: LeafHash([3; 32]),
        },
        &[&[1, 0, 0, 0, 0, 0, 0, 0], &[2, 0, 0, 0], &[3; 32]],
    );
    frozen(
        &KeptBatches {
            oldest: 4,
            anchored: 5,
        },
        &[&[4, 0, 0, 0, 0, 0, 0, 0], &[5, 0, 0, 0, 0, 0, 0, 0]],
    );
    frozen(&Admission::Acceptable, &[&[0]]);
    frozen(
        &Admission::AlreadySequenced { sequence: 1 },
        &[&[1, 1, 0, 0, 0, 0, 0, 0, 0]],
    );
    frozen(
        &Admission::Rejected(Rejection::InvalidSignature),
        &[&[2, 4]],
    );
    let event = IndexedEvent {
        stream_id: StreamId([1; 32]),
        sequence: 2,
        extrinsic_index: 3,
        leaf: LeafHash([4; 32]),
        receipt: ReceiptHash([5; 32]),
        event: SubmittedEvent {
            envelope: envelope(),
            payload: Payload::Plain(b"{}".to_vec().try_into().unwrap()),
        },
    };
    let event_bytes = [
        &[1; 32][..],
        &[2, 0, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0],
        &[4; 32],
        &[5; 32],
        &envelope_bytes(),
        &[0],
        &compact(2),
        b"{}",
    ]
    .concat();
    let rejection = IndexedRejection {
        stream_id: StreamId([6; 32]),
        event_id: EventId([7; 16]),
        extrinsic_index: 8,
        reason: Rejection::DuplicateEventId,
    };
    let rejection_bytes = [&[6; 32][..], &[7; 16], &[8, 0, 0, 0], &[0]].concat();
    frozen(&event, &[&event_bytes]);
    frozen(&rejection, &[&rejection_bytes]);
    let index = BlockIndex {
        time_ms: 9,
        events: vec![event],
        rejections: vec![rejection],
        batches: vec![],
    };
    frozen(
        &index,
        &[
            &[9, 0, 0, 0, 0, 0, 0, 0],
            &compact(1),
            &event_bytes,
            &compact(1),
            &rejection_bytes,
            &compact(0),
        ],
    );
    frozen(
        &SequencerLimits {
            events_per_submission: 1,
            events_per_block: 2,
            streams_per_block: 3,
            payload_bytes: 4,
            recipients: 5,
            submission_bytes: 6,
        },
        &[&[
            1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0,
        ]],
    );
}

/// The vectors' first event as an extrinsic carries it: a whole known answer, not only its parts.
#[test]
fn the_first_vector_event_has_a_known_encoding() {
    let event = submitted_events(&vectors("sequencer/generated/events.json")).swap_remove(0);
    assert_eq!(
        hex::encode(sha256(&event.encode())),
        "04cbdc14a22e2e31b50b990e0480dc3c5a03716d0c6ff16348ad2c880a146278"
    );
}
