// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How keys, policies and groups are judged.

mod common;

use common::*;
use ves_primitives::{
    registry::{
        Group, GroupMember, GroupProblem, GroupRole, KeyPolicy, KeyProblem, ParsePatternError,
        PolicyBreach, RecordedAt, RevocationProblem, SigningKeyRecord, TypePattern, TypePatterns,
        ValidityWindow,
    },
    *,
};

const fn at(block: u32, time_ms: u64) -> RecordedAt {
    RecordedAt { block, time_ms }
}

fn key(window: ValidityWindow) -> SigningKeyRecord {
    SigningKeyRecord {
        public_key: SigningPublicKey([1; 32]),
        window,
        registered_at: at(10, 50),
        revocation: None,
    }
}

#[test]
fn a_key_is_judged_at_the_block_of_its_event() {
    let record = key(ValidityWindow {
        valid_from: Some(100),
        valid_to: Some(200),
    });
    for (moment, verdict) in [
        (at(9, 150), Err(KeyProblem::NotFound)),
        (at(10, 99), Err(KeyProblem::NotYetValid)),
        (at(10, 100), Ok(())),
        (at(11, 200), Ok(())),
        (at(11, 201), Err(KeyProblem::Expired)),
    ] {
        assert_eq!(record.check_at(&moment), verdict);
    }
}

#[test]
fn a_revocation_counts_from_its_block_on_and_never_in_the_block_that_decides_it() {
    let mut record = key(ValidityWindow::default());
    let decided = record.revoke(None, at(12, 150)).expect("not revoked yet");
    assert_eq!(decided.effective_from, 13);
    assert_eq!(record.check_at(&at(12, 150)), Ok(()));
    assert_eq!(record.check_at(&at(13, 150)), Err(KeyProblem::Revoked));
    // A block that has passed, or is being made, stands for the next one.
    for asked in [0, 11, 12] {
        let mut record = key(ValidityWindow::default());
        let decided = record.revoke(Some(asked), at(12, 150)).expect("clamped");
        assert_eq!(decided.effective_from, 13);
    }
}

#[test]
fn a_revocation_is_brought_forward_and_never_postponed_or_undone() {
    let mut record = key(ValidityWindow::default());
    record.revoke(Some(100), at(12, 1)).expect("ahead");
    assert_eq!(record.check_at(&at(99, 9)), Ok(()));
    assert_eq!(record.check_at(&at(100, 9)), Err(KeyProblem::Revoked));
    let before = record.clone();
    for later in [100, 101] {
        assert_eq!(
            record.revoke(Some(later), at(13, 2)),
            Err(RevocationProblem::AlreadyRevoked)
        );
    }
    assert_eq!(record, before);
    record.revoke(Some(50), at(14, 3)).expect("brought forward");
    assert_eq!(record.check_at(&at(50, 9)), Err(KeyProblem::Revoked));
    assert_eq!(
        record.revoke(None, at(60, 4)),
        Err(RevocationProblem::AlreadyRevoked),
        "once effective it stays as it is"
    );
}

#[test]
fn a_revocation_lies_at_most_the_notice_ahead() {
    let mut record = key(ValidityWindow::default());
    let last = 12 + limits::MAX_REVOCATION_NOTICE_BLOCKS;
    assert_eq!(
        record.revoke(Some(last + 1), at(12, 1)),
        Err(RevocationProblem::TooFarAhead)
    );
    assert_eq!(record.revocation, None);
    assert!(record.revoke(Some(last), at(12, 1)).is_ok());
    let mut at_the_end = key(ValidityWindow::default());
    let decided = at_the_end.revoke(None, at(u32::MAX, 1)).expect("total");
    assert_eq!(decided.effective_from, u32::MAX);
}

#[test]
fn windows_are_only_ever_shortened() {
    let mut window = ValidityWindow::default();
    window.end_by(7);
    assert_eq!(window.valid_to, Some(7));
    window.end_by(9);
    assert_eq!(window.valid_to, Some(7));
    window.end_by(5);
    assert_eq!(window.valid_to, Some(5));
    let well_formed = |from, to| {
        ValidityWindow {
            valid_from: Some(from),
            valid_to: Some(to),
        }
        .is_well_formed()
    };
    assert!(well_formed(1, 1));
    assert!(!well_formed(2, 1));
}

fn raw(bytes: &[u8]) -> TypePattern {
    TypePattern(bytes.to_vec().try_into().expect("short"))
}

#[test]
fn a_pattern_is_exact_a_star_or_a_prefix() {
    for (pattern, text, verdict) in [
        ("*", "order.created", true),
        ("order.created", "order.created", true),
        ("order.created", "order.created2", false),
        ("order.*", "order.created", true),
        ("order.*", "order.item.added", true),
        ("order.*", "order", false),
        ("order.*", "orders.created", false),
        ("order.*", "Order.created", false),
        ("a.b.*", "a.b.c", true),
        ("a.b.*", "a.c", false),
    ] {
        let pattern: TypePattern = pattern.parse().expect("a pattern");
        assert_eq!(
            pattern.matches(text.as_bytes()),
            verdict,
            "{pattern} {text}"
        );
    }
}

#[test]
fn other_forms_are_no_patterns_and_match_nothing_else() {
    for text in ["order*", "*.created", "**", ".*", "a.*.b", "a.*.*", "*."] {
        assert_eq!(
            text.parse::<TypePattern>(),
            Err(ParsePatternError::Star),
            "{text}"
        );
        assert!(!raw(text.as_bytes()).matches(b"order.created"), "{text}");
    }
    assert_eq!("".parse::<TypePattern>(), Err(ParsePatternError::Length));
    let long = "a".repeat(limits::MAX_TYPE_PATTERN_BYTES as usize + 1);
    assert_eq!(long.parse::<TypePattern>(), Err(ParsePatternError::Length));
    assert!(raw(&[0xff]).check().is_err(), "no type is not UTF-8");
}

fn patterns(texts: &[&str]) -> TypePatterns {
    texts
        .iter()
        .map(|text| text.parse().expect("a pattern"))
        .collect::<Vec<TypePattern>>()
        .try_into()
        .expect("fits")
}

fn policy() -> KeyPolicy {
    KeyPolicy {
        enabled: true,
        event_types: patterns(&["order.*", "refund.created"]),
        entity_types: patterns(&["order", "refund"]),
        require_base_version: true,
        max_payload_bytes: 100,
    }
}

fn envelope(event_type: &str, entity_type: &str) -> Envelope {
    let mut envelope = submitted_events(&vectors("sequencer/generated/events.json"))
        .swap_remove(0)
        .envelope;
    envelope.ves_version = 2;
    envelope.event_type = event_type.as_bytes().to_vec().try_into().expect("fits");
    envelope.entity_type = entity_type.as_bytes().to_vec().try_into().expect("fits");
    envelope.base_version = Some(1);
    envelope
}

#[test]
fn a_policy_names_the_first_rule_an_event_breaks() {
    let policy = policy();
    assert!(policy.is_well_formed());
    for (event_type, entity_type, len, verdict) in [
        ("order.paid", "order", 100, Ok(())),
        ("refund.created", "refund", 1, Ok(())),
        ("refund.paid", "refund", 1, Err(PolicyBreach::EventType)),
        ("order.paid", "customer", 1, Err(PolicyBreach::EntityType)),
        ("order.paid", "order", 101, Err(PolicyBreach::PayloadBytes)),
        (
            "order.paid",
            "order",
            usize::MAX,
            Err(PolicyBreach::PayloadBytes),
        ),
    ] {
        assert_eq!(
            policy.check(&envelope(event_type, entity_type), len),
            verdict,
            "{event_type} {entity_type} {len}"
        );
    }
}

#[test]
fn a_required_base_version_is_one_that_was_signed() {
    let policy = policy();
    let mut event = envelope("order.paid", "order");
    event.base_version = None;
    assert_eq!(policy.check(&event, 1), Err(PolicyBreach::BaseVersion));
    event.event_type = b"order.created".to_vec().try_into().expect("fits");
    assert_eq!(
        policy.check(&event, 1),
        Ok(()),
        "creation builds on nothing"
    );
    let mut unsigned = envelope("order.paid", "order");
    unsigned.ves_version = 1;
    assert_eq!(policy.check(&unsigned, 1), Err(PolicyBreach::BaseVersion));
    let lax = KeyPolicy {
        require_base_version: false,
        ..policy
    };
    assert_eq!(lax.check(&unsigned, 1), Ok(()));
}

#[test]
fn an_empty_list_allows_nothing_and_a_policy_out_of_force_everything() {
    let nothing = KeyPolicy {
        event_types: patterns(&[]),
        ..policy()
    };
    let event = envelope("order.paid", "order");
    assert_eq!(nothing.check(&event, 1), Err(PolicyBreach::EventType));
    let off = KeyPolicy {
        enabled: false,
        ..nothing
    };
    assert_eq!(off.check(&event, 1), Ok(()));
}

#[test]
fn a_malformed_policy_is_recognised() {
    for bad in [
        KeyPolicy {
            max_payload_bytes: 0,
            ..policy()
        },
        KeyPolicy {
            max_payload_bytes: limits::MAX_PAYLOAD_BYTES + 1,
            ..policy()
        },
        KeyPolicy {
            entity_types: vec![raw(b"a*")].try_into().expect("fits"),
            ..policy()
        },
        KeyPolicy {
            event_types: vec![raw(b"")].try_into().expect("fits"),
            ..policy()
        },
    ] {
        assert!(!bad.is_well_formed(), "{bad:?}");
    }
}

#[test]
fn a_policy_reads_and_writes_as_json() {
    let text = r#"{"enabled":true,"event_types":["order.*","refund.created"],"entity_types":["order","refund"],"require_base_version":true,"max_payload_bytes":100}"#;
    assert_eq!(serde_json::from_str::<KeyPolicy>(text).unwrap(), policy());
    assert_eq!(serde_json::to_string(&policy()).unwrap(), text);
    let many = serde_json::json!({
        "enabled": true, "event_types": vec!["*"; 17], "entity_types": [],
        "require_base_version": false, "max_payload_bytes": 1,
    });
    assert!(serde_json::from_value::<KeyPolicy>(many).is_err());
}

fn member(n: u8, role: GroupRole) -> GroupMember {
    GroupMember {
        agent_id: AgentId([n; 16]),
        role,
    }
}

#[test]
fn every_change_of_a_group_has_its_own_epoch() {
    let mut group = Group::default();
    assert_eq!(group.set_member(member(2, GroupRole::Reader)), Ok(1));
    assert_eq!(group.set_member(member(1, GroupRole::Reader)), Ok(2));
    assert_eq!(
        group.set_member(member(1, GroupRole::Reader)),
        Err(GroupProblem::Unchanged)
    );
    assert_eq!(group.set_member(member(1, GroupRole::Manager)), Ok(3));
    assert_eq!(group.role_of(AgentId([1; 16])), Some(GroupRole::Manager));
    let ids: Vec<_> = group.members.iter().map(|m| m.agent_id.0[0]).collect();
    assert_eq!(ids, [1, 2], "in order of agent id");
    assert_eq!(group.remove_member(AgentId([2; 16])), Ok(4));
    assert_eq!(
        group.remove_member(AgentId([2; 16])),
        Err(GroupProblem::NotAMember)
    );
    assert_eq!(group.dissolve(), Ok(5));
    assert!(group.members.is_empty());
    assert_eq!(group.dissolve(), Err(GroupProblem::Dissolved));
    assert_eq!(
        group.set_member(member(3, GroupRole::Reader)),
        Err(GroupProblem::Dissolved)
    );
    assert_eq!(group.epoch, 5);
}

#[test]
fn a_group_has_at_most_as_many_members_as_a_payload_recipients() {
    let mut group = Group::default();
    for n in 0..limits::MAX_RECIPIENTS {
        let n = u8::try_from(n).expect("64 of them");
        assert!(group.set_member(member(n, GroupRole::Reader)).is_ok());
    }
    let before = group.clone();
    assert_eq!(
        group.set_member(member(200, GroupRole::Reader)),
        Err(GroupProblem::Full)
    );
    assert_eq!(group, before);
}
