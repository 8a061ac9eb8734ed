// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What can happen to a chain, and how often it is drawn.

use super::registry::Policy;
use proptest::{collection::vec, option, prelude::*};
use ves_primitives::limits;

#[derive(Clone, Debug)]
pub(super) enum Op {
    Submit(Vec<Plan>),
    NextBlock,
    Leap(Leap),
    Registry(RegistryOp),
    Anchor(Anchor),
}

/// Many blocks without a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leap {
    Blocks(u8),
    QuotaWindow,
    BeforeWindowCloses,
    WindowCloses,
    Day,
    Month,
}

#[derive(Clone, Debug)]
pub(super) enum Plan {
    New(New),
    /// An earlier event, perhaps changed on its way.
    Again(usize, Option<Tamper>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Tamper {
    Payload,
    Signature,
    Command,
}

/// Names beyond those that exist are drawn too.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) tenant: u8,
    pub(super) store: u8,
    pub(super) agent: u8,
    /// None for the agent's newest.
    pub(super) key: Option<u8>,
    pub(super) event: u8,
    pub(super) entity: u8,
    pub(super) event_type: u8,
    pub(super) command: Option<u8>,
    pub(super) base: Base,
    pub(super) moment: Moment,
    pub(super) version: u8,
    pub(super) bytes: u16,
    pub(super) encrypted: bool,
    pub(super) fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Unstated,
    /// The version that the entity has when the event is made.
    Current,
    Fixed(u64),
}

impl Base {
    pub(super) const fn of(self, current: u64) -> Option<u64> {
        match self {
            Self::Unstated => None,
            Self::Current => Some(current),
            Self::Fixed(version) => Some(version),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    Now,
    Ago(u64),
    Ahead(u64),
}

impl Moment {
    pub(super) const fn of(self, now_ms: u64) -> u64 {
        match self {
            Self::Now => now_ms,
            Self::Ago(ms) => now_ms - ms,
            Self::Ahead(ms) => now_ms + ms,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Version,
    EntityType,
    EntityId,
    EventType,
    CreatedAt,
    BaseVersion,
    PayloadKind,
    Recipients,
    Empty,
    PlainHash,
    CipherHash,
    Signature,
    OthersKey,
}

type KeyNo = (u8, u8, u8);

#[derive(Clone, Copy, Debug)]
pub(super) enum RegistryOp {
    SuspendTenant(u8, bool),
    SuspendAgent(u8, u8, bool),
    /// Events and payload bytes.
    LimitTenant(u8, Option<(u8, u16)>),
    LimitAgent(u8, u8, Option<(u8, u16)>),
    LimitKey(KeyNo, Option<u8>),
    /// Blocks until it may sign, and until it may no longer, less 30.
    RegisterKey(KeyNo, Option<u8>, Option<u8>),
    /// Blocks ahead.
    Revoke(KeyNo, Option<u8>),
    /// Successor and grace, seconds.
    Rotate(KeyNo, u8, u8),
}

/// A report of one batch more than there are, less a few.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) tenant: u8,
    pub(super) store: u8,
    pub(super) short_of: u8,
}

const POLICIES: [Policy; 5] = [
    Policy {
        enabled: true,
        events: &["*"],
        entities: &["*"],
        base_version: false,
        bytes: 40,
    },
    Policy {
        enabled: true,
        events: &["order.*"],
        entities: &["order"],
        base_version: false,
        bytes: 1_000,
    },
    Policy {
        enabled: true,
        events: &["order.created", "order.paid"],
        entities: &["*"],
        base_version: true,
        bytes: 1_000,
    },
    Policy {
        enabled: false,
        events: &[],
        entities: &[],
        base_version: true,
        bytes: 1,
    },
    Policy {
        enabled: true,
        events: &["*"],
        entities: &["order.*"],
        base_version: false,
        bytes: 1_000,
    },
];

pub(super) const fn policy(n: u8) -> Policy {
    POLICIES[n as usize]
}

/// One of two that exist, seldom one that does not.
fn one_of_two() -> impl Strategy<Value = u8> {
    prop_oneof![30 => 0..2u8, 1 => Just(2)]
}

fn key_no() -> impl Strategy<Value = u8> {
    prop_oneof![30 => Just(1), 6 => Just(2), 3 => 3..6u8]
}

fn key() -> impl Strategy<Value = KeyNo> {
    (0..2u8, 0..2u8, key_no())
}

fn moment() -> impl Strategy<Value = Moment> {
    let (window, skew) = (limits::EVENT_WINDOW_MS, limits::EVENT_SKEW_MS);
    prop_oneof![
        20 => Just(Moment::Now),
        3 => (0..window).prop_map(Moment::Ago),
        3 => (0..=skew).prop_map(Moment::Ahead),
        1 => Just(Moment::Ago(window)),
        1 => Just(Moment::Ago(window + 1)),
        2 => Just(Moment::Ahead(skew)),
        1 => Just(Moment::Ahead(skew + 1)),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    let faults = vec![
        Fault::Version,
        Fault::EntityType,
        Fault::EntityId,
        Fault::EventType,
        Fault::CreatedAt,
        Fault::BaseVersion,
        Fault::PayloadKind,
        Fault::Recipients,
        Fault::Empty,
        Fault::PlainHash,
        Fault::CipherHash,
        Fault::Signature,
        Fault::OthersKey,
    ];
    prop_oneof![9 => Just(None), 1 => prop::sample::select(faults).prop_map(Some)]
}

fn base() -> impl Strategy<Value = Base> {
    prop_oneof![
        3 => Just(Base::Unstated),
        3 => Just(Base::Current),
        1 => (0..3u64).prop_map(Base::Fixed),
    ]
}

fn new_event() -> impl Strategy<Value = New> {
    let names = (
        one_of_two(),
        one_of_two(),
        one_of_two(),
        option::weighted(0.6, key_no()),
    );
    let content = (
        0..60u8,
        0..4u8,
        0..3u8,
        option::weighted(0.3, 0..12u8),
        base(),
    );
    let form = (
        moment(),
        prop_oneof![1 => Just(1u8), 3 => Just(2)],
        1..60u16,
        prop::bool::weighted(0.2),
        fault(),
    );
    (names, content, form).prop_map(|(names, content, form)| New {
        tenant: names.0,
        store: names.1,
        agent: names.2,
        key: names.3,
        event: content.0,
        entity: content.1,
        event_type: content.2,
        command: content.3,
        base: content.4,
        moment: form.0,
        version: form.1,
        bytes: form.2,
        encrypted: form.3,
        fault: form.4,
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let tamper = prop_oneof![
        Just(Tamper::Payload),
        Just(Tamper::Signature),
        Just(Tamper::Command)
    ];
    prop_oneof![
        5 => new_event().prop_map(Plan::New),
        1 => (any::<usize>(), option::weighted(0.4, tamper)).prop_map(|(n, t)| Plan::Again(n, t)),
    ]
}

fn registry_op() -> impl Strategy<Value = RegistryOp> {
    // Seldom the narrow side, so that most events still find an author.
    let on = || prop::bool::weighted(0.4);
    let quota = || option::weighted(0.6, (0..12u8, 0..600u16));
    prop_oneof![
        1 => (0..2u8, on()).prop_map(|(t, s)| RegistryOp::SuspendTenant(t, s)),
        2 => (0..2u8, 0..2u8, on()).prop_map(|(t, a, s)| RegistryOp::SuspendAgent(t, a, s)),
        1 => (0..2u8, quota()).prop_map(|(t, q)| RegistryOp::LimitTenant(t, q)),
        1 => (0..2u8, 0..2u8, quota()).prop_map(|(t, a, q)| RegistryOp::LimitAgent(t, a, q)),
        6 => (key(), option::weighted(0.8, 0..5u8)).prop_map(|(k, p)| RegistryOp::LimitKey(k, p)),
        3 => (0..2u8, 0..2u8, 2..4u8, option::weighted(0.6, 0..40u8), option::weighted(0.3, 0..8u8))
            .prop_map(|(t, a, k, from, to)| RegistryOp::RegisterKey((t, a, k), from, to)),
        1 => (key(), option::weighted(0.6, 0..9u8)).prop_map(|(k, n)| RegistryOp::Revoke(k, n)),
        4 => (key(), 2..6u8, 0..20u8).prop_map(|(k, s, grace)| RegistryOp::Rotate(k, s, grace)),
    ]
}

fn leap() -> impl Strategy<Value = Leap> {
    prop_oneof![
        6 => (1..9u8).prop_map(Leap::Blocks),
        3 => Just(Leap::QuotaWindow),
        2 => Just(Leap::BeforeWindowCloses),
        2 => Just(Leap::WindowCloses),
        3 => Just(Leap::Day),
        1 => Just(Leap::Month),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        10 => vec(plan(), 1..8).prop_map(Op::Submit),
        5 => Just(Op::NextBlock),
        2 => leap().prop_map(Op::Leap),
        4 => registry_op().prop_map(Op::Registry),
        2 => (0..2u8, 0..2u8, 0..5u8).prop_map(|(tenant, store, short_of)| {
            Op::Anchor(Anchor { tenant, store, short_of })
        }),
    ]
}

/// Up to so many of them.
pub(super) fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..most)
}
