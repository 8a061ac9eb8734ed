// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Does the same to the pallets and to the reference, and compares all that either says.

use super::{
    making::{
        EACH, KeyName, admin, agent, make, policy_of, possession, quota_of, rotation, secret,
        store, tenant,
    },
    ops::{self, Anchor, Leap, Op, Plan, RegistryOp},
    reference::{Reference, Signed, Verdict},
};
use crate::{
    Batches, BlockBatches, Commands, EntityVersions, Event, Events, Kept, Memory, Relays, Tips,
    dedupe::command_key, mock::*,
};
use codec::Decode;
use polkadot_sdk::{
    frame_support::pallet_prelude::{
        InvalidTransaction, TransactionSource, TransactionValidityError,
    },
    frame_system::Origin,
    sp_runtime::generic::DigestItem,
};
use std::collections::BTreeMap;
use ves_primitives::{
    BLOCK_COMMITMENT_ENGINE, BatchCommitment, BlockCommitment, EventId, KeyId, StreamId, StreamTip,
    SubmittedEvent, limits,
    registry::ValidityWindow,
    sequencer::{Admission, EventRecord, KeptBatches, pool_code_name},
    stream_id,
};

const RELAY: u64 = 99;
/// Keys that agents have from the beginning, and that they may get.
const FIRST_KEY: KeyId = KeyId(1);

/// Both chains, and every event that was ever submitted to them.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    pub(super) reference: Reference,
    history: Vec<Signed>,
    /// How often each kind of verdict was reached.
    pub(super) tally: BTreeMap<&'static str, usize>,
}

/// Runs the test in block 1 of a chain with two tenants, of two stores and two agents each.
pub(super) fn world(test: impl FnOnce(World)) {
    let tenants = (0..EACH)
        .map(|n| (tenant(n), admin(tenant(n)), (0..EACH).map(store).collect()))
        .collect();
    new_chain(tenants).execute_with(|| {
        begin_block(1);
        let mut world = World::default();
        world.reference.begin_block(1, now_ms());
        for t in (0..EACH).map(tenant) {
            for store in (0..EACH).map(store) {
                world.reference.open_store(t, store);
            }
            for a in (0..EACH).map(agent) {
                let origin = RuntimeOrigin::signed(admin(t));
                Registry::register_agent(origin, t, a).expect("the agent is new");
                world.reference.admit_agent(t, a);
                // One of them has not long to go, and its heirs neither.
                let ends = (t, a) == (tenant(1), agent(1));
                let closes = ends.then(|| now_ms() + 60 * limits::SLOT_MS);
                world.register_key((t, a, FIRST_KEY), (None, closes));
            }
        }
        Relays::<Test>::put(crate::RelayList::<Test>::truncate_from(vec![RELAY]));
        test(world);
    });
}

impl World {
    pub(super) fn run(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Submit(plans) => self.submit(plans),
                Op::NextBlock => self.go_to_block(System::block_number() + 1),
                Op::Leap(leap) => self.leap(*leap),
                Op::Registry(op) => self.change_registry(op),
                Op::Anchor(anchor) => self.anchor(*anchor),
            }
        }
    }

    // Blocks.

    fn leap(&mut self, leap: Leap) {
        let now = System::block_number();
        let window = u64::from(limits::EVENT_QUOTA_WINDOW_BLOCKS);
        let target = match leap {
            Leap::Blocks(n) => now + u64::from(n),
            Leap::QuotaWindow => (now / window + 1) * window,
            Leap::BeforeWindowCloses => now + u64::from(limits::DEDUPE_BLOCKS) - 1,
            Leap::WindowCloses => now + u64::from(limits::DEDUPE_BLOCKS),
            Leap::Day => now + u64::from(limits::ANCHORED_RETENTION_BLOCKS),
            Leap::Month => now + u64::from(limits::UNANCHORED_RETENTION_BLOCKS),
        };
        self.go_to_block(target);
    }

    fn go_to_block(&mut self, target: u64) {
        self.end_block();
        skip_to_block(target);
        let block = u32::try_from(target).expect("a short chain");
        self.reference.begin_block(block, now_ms());
    }

    /// Ends the block and compares everything.
    pub(super) fn end_block(&mut self) {
        let before = outcomes().len();
        end_block();
        let batches = self.reference.end_block();
        let committed: Vec<BatchCommitment> = outcomes()
            .drain(before..)
            .map(|event| match event {
                Event::BatchCommitted { batch, stream_id } => {
                    assert_eq!(stream_id, batch.stream_id());
                    batch
                }
                other => panic!("the end of a block says {other:?}"),
            })
            .collect();
        assert_eq!(committed, batches, "batches of the block");
        let in_header: Vec<_> = System::digest()
            .logs
            .into_iter()
            .filter_map(|item| match item {
                DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, bytes) => {
                    Some(BlockCommitment::decode(&mut &bytes[..]).expect("our own encoding"))
                }
                _ => None,
            })
            .collect();
        let expected: Vec<_> = BlockCommitment::commit(&batches).into_iter().collect();
        assert_eq!(in_header, expected, "the header's commitment");
        self.compare_state();
        Sequencer::do_try_state().expect("the sequencer's invariants hold");
        Registry::do_try_state().expect("the registry's invariants hold");
    }

    fn compare_state(&self) {
        let streams = &self.reference.streams;
        let tips: BTreeMap<_, _> = Tips::<Test>::iter().collect();
        let expected: BTreeMap<_, _> = streams
            .iter()
            .map(|(id, stream)| {
                let tip = StreamTip {
                    sequence: stream.sequence,
                    state_root: stream.state_root,
                    batch_count: stream.batch_count,
                };
                (*id, tip)
            })
            .collect();
        assert_eq!(tips, expected, "tips");

        let held: BTreeMap<_, _> = Batches::<Test>::iter()
            .map(|(stream, index, batch)| ((stream, index), batch))
            .collect();
        let expected: BTreeMap<_, _> = streams
            .iter()
            .flat_map(|(id, stream)| stream.batches.iter().map(|(n, b)| ((*id, *n), b.clone())))
            .collect();
        assert_eq!(held, expected, "batches in state");

        let lists: BTreeMap<_, _> = BlockBatches::<Test>::iter()
            .map(|(block, list)| (block, list.into_inner()))
            .collect();
        assert_eq!(lists, self.reference.listed, "batches by block");

        let remembered: Vec<_> = Memory::<Test>::iter_values()
            .flat_map(|run| run.events.into_iter().map(move |e| (run.stream_id, e)))
            .collect();
        let events: BTreeMap<_, Option<EventRecord>> = remembered
            .iter()
            .map(|(stream, event)| {
                let record = Sequencer::event_record(*stream, event.event_id);
                ((*stream, event.event_id), record)
            })
            .collect();
        let expected: BTreeMap<_, _> = streams
            .iter()
            .flat_map(|(id, s)| {
                s.events
                    .iter()
                    .map(|(event, known)| ((*id, *event), Some(known.record)))
            })
            .collect();
        assert_eq!(events, expected, "remembered events");
        assert_eq!(Events::<Test>::iter_keys().count(), expected.len());

        let commands: BTreeMap<_, _> = remembered
            .iter()
            .filter_map(|(stream, event)| {
                let command = event.command_id?;
                assert!(Commands::<Test>::contains_key(command_key(
                    *stream, command
                )));
                Some(((*stream, command), event.event_id))
            })
            .collect();
        let expected: BTreeMap<_, _> = streams
            .iter()
            .flat_map(|(id, s)| {
                s.commands
                    .iter()
                    .map(|(command, (e, _))| ((*id, *command), *e))
            })
            .collect();
        assert_eq!(commands, expected, "remembered commands");
        assert_eq!(Commands::<Test>::iter_keys().count(), expected.len());

        let mut entities = 0;
        for (id, stream) in streams {
            entities += stream.versions.len();
            for ((entity_type, entity_id), version) in &stream.versions {
                let found = Sequencer::entity_version(*id, entity_type, entity_id);
                assert_eq!(found, *version, "version of an entity");
            }
            let kept = KeptBatches {
                oldest: stream.oldest(),
                anchored: stream.anchored,
            };
            assert_eq!(Kept::<Test>::get(id), kept, "what is kept");
        }
        assert_eq!(EntityVersions::<Test>::iter_keys().count(), entities);

        for t in (0..EACH).map(tenant) {
            for a in (0..EACH).map(agent) {
                let (of_tenant, of_agent) = Sequencer::usage(t, a);
                let (tenant, agent) = self.reference.used(t, a);
                for (found, expected) in [(of_tenant, tenant), (of_agent, agent)] {
                    let found = (found.events, found.payload_bytes);
                    assert_eq!(found, (expected.events, expected.bytes), "quota used");
                }
            }
        }
    }

    // Events.

    fn submit(&mut self, plans: &[Plan]) {
        let submission: Vec<Signed> = plans
            .iter()
            .filter_map(|plan| make(plan, &self.reference, &self.history))
            .collect();
        if submission.is_empty() {
            return;
        }
        let events: Vec<_> = submission
            .iter()
            .map(|signed| signed.event.clone())
            .collect();
        self.ask_pool(&submission, &events);
        let preflight = Sequencer::can_submit(&events);
        let before = outcomes().len();
        let bounded = events.clone().try_into().expect("within the limit");
        Sequencer::submit_events(Origin::<Test>::Authorized.into(), bounded).expect("never fails");
        let told = verdicts(outcomes().split_off(before));

        let verdicts = self.reference.submit(&submission);
        let expected: Vec<_> = events
            .iter()
            .zip(&verdicts)
            .map(|(event, verdict)| {
                let envelope = &event.envelope;
                (envelope.stream_id(), envelope.event_id, *verdict)
            })
            .collect();
        assert_eq!(told, expected, "what becomes of each event");
        let admissions: Vec<_> = verdicts.iter().map(|verdict| admission(*verdict)).collect();
        assert_eq!(preflight, admissions, "the pre-flight check");
        for verdict in verdicts {
            *self.tally.entry(name(verdict)).or_default() += 1;
        }
        self.history.extend(submission);
    }

    /// The first event that is no replay decides.
    fn ask_pool(&self, submission: &[Signed], events: &[SubmittedEvent]) {
        let bounded = events.to_vec().try_into().expect("within the limit");
        let answer = Sequencer::authorize_submission(TransactionSource::External, &bounded);
        let decisive = submission
            .iter()
            .map(|signed| (signed, self.reference.judge(signed)))
            .find(|(_, verdict)| !matches!(verdict, Verdict::Replayed(_)));
        let expected: Result<u64, TransactionValidityError> = match decisive {
            None => Err(InvalidTransaction::Stale.into()),
            Some((_, Verdict::Rejected(reason))) => {
                Err(InvalidTransaction::Custom(reason.pool_code()).into())
            }
            Some((signed, _)) => {
                let envelope = &signed.event.envelope;
                let names = (envelope.tenant_id, envelope.source_agent_id);
                Ok(self.reference.quota_left(names.0, names.1))
            }
        };
        let answer = answer.map(|(valid, _)| valid.priority);
        assert_eq!(answer, expected, "the pool's answer");
    }

    // Registry.

    fn register_key(&mut self, name: KeyName, window: (Option<u64>, Option<u64>)) -> (bool, bool) {
        let (t, a, key_id) = name;
        let secret = secret(name);
        let statement = possession(name);
        let origin = RuntimeOrigin::signed(admin(t));
        let result = Registry::register_signing_key(
            origin,
            t,
            a,
            key_id,
            secret.public,
            ValidityWindow {
                valid_from: window.0,
                valid_to: window.1,
            },
            secret.sign(&statement.hash()),
        );
        let expected = self.reference.register_key(name, secret.public, window);
        (result.is_ok(), expected)
    }

    fn change_registry(&mut self, op: &RegistryOp) {
        let reference = &mut self.reference;
        let root = RuntimeOrigin::root;
        let name = |(t, a, k): (u8, u8, u8)| (tenant(t), agent(a), KeyId(k.into()));
        let (succeeds, expected) = match *op {
            RegistryOp::SuspendTenant(t, suspended) => (
                Registry::set_tenant_suspended(root(), tenant(t), suspended).is_ok(),
                reference.suspend_tenant(tenant(t), suspended),
            ),
            RegistryOp::SuspendAgent(t, a, suspended) => {
                let (t, a) = (tenant(t), agent(a));
                let origin = RuntimeOrigin::signed(admin(t));
                (
                    Registry::set_agent_suspended(origin, t, a, suspended).is_ok(),
                    reference.suspend_agent(t, a, suspended),
                )
            }
            RegistryOp::LimitTenant(t, quota) => {
                let quota = quota.map(quota_of);
                (
                    Registry::set_tenant_quota(root(), tenant(t), quota).is_ok(),
                    reference.limit_tenant(tenant(t), quota),
                )
            }
            RegistryOp::LimitAgent(t, a, quota) => {
                let (t, a, quota) = (tenant(t), agent(a), quota.map(quota_of));
                let origin = RuntimeOrigin::signed(admin(t));
                (
                    Registry::set_agent_quota(origin, t, a, quota).is_ok(),
                    reference.limit_agent(t, a, quota),
                )
            }
            RegistryOp::LimitKey(key, policy) => {
                let (t, a, k) = name(key);
                let origin = RuntimeOrigin::signed(admin(t));
                let facts = policy.map(ops::policy);
                (
                    Registry::set_key_policy(origin, t, a, k, facts.as_ref().map(policy_of))
                        .is_ok(),
                    reference.limit_key((t, a, k), facts),
                )
            }
            RegistryOp::RegisterKey(key, opens, closes) => {
                let now = reference.now_ms;
                let window = (
                    opens.map(|blocks| now + 2_000 * u64::from(blocks)),
                    closes.map(|blocks| now + 2_000 * u64::from(blocks) + 60_000),
                );
                self.register_key(name(key), window)
            }
            RegistryOp::Revoke(key, ahead) => {
                let (t, a, k) = name(key);
                let from = ahead.map(|blocks| reference.block + u32::from(blocks));
                let origin = RuntimeOrigin::signed(admin(t));
                (
                    Registry::revoke_signing_key(origin, t, a, k, from).is_ok(),
                    reference.revoke_key((t, a, k), from),
                )
            }
            RegistryOp::Rotate(key, successor, grace_seconds) => {
                let outgoing = name(key);
                let heir = (outgoing.0, outgoing.1, KeyId(successor.into()));
                let grace_seconds = grace_seconds.into();
                let rotation = rotation(outgoing, heir, grace_seconds);
                let origin = Origin::<Test>::Authorized.into();
                let heir = (heir.2, secret(heir).public);
                (
                    Registry::rotate_signing_key(origin, rotation).is_ok(),
                    reference.rotate_key(outgoing, heir, grace_seconds),
                )
            }
        };
        assert_eq!(succeeds, expected, "{op:?}");
    }

    fn anchor(&mut self, anchor: Anchor) {
        let stream = stream_id(tenant(anchor.tenant), store(anchor.store));
        let count = Tips::<Test>::get(stream).map_or(0, |tip| tip.batch_count);
        let count = (count + 1).saturating_sub(anchor.short_of.into());
        let origin = RuntimeOrigin::signed(RELAY);
        let succeeds = Sequencer::note_anchored(origin, stream, count).is_ok();
        assert_eq!(
            succeeds,
            self.reference.note_anchored(stream, count),
            "{anchor:?}"
        );
    }
}

/// What clients call it.
const fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Sequenced(_) => "sequenced",
        Verdict::Replayed(_) => "replayed",
        Verdict::Rejected(reason) => match pool_code_name(reason.pool_code()) {
            Some(name) => name,
            None => "nameless",
        },
    }
}

fn admission(verdict: Verdict) -> Admission {
    match verdict {
        Verdict::Sequenced(_) => Admission::Acceptable,
        Verdict::Replayed(sequence) => Admission::AlreadySequenced { sequence },
        Verdict::Rejected(reason) => Admission::Rejected(reason),
    }
}

/// What pallet events say, event by event.
fn verdicts(told: Vec<Event<Test>>) -> Vec<(StreamId, EventId, Verdict)> {
    told.into_iter()
        .flat_map(|event| match event {
            Event::EventsSequenced {
                stream_id,
                first_sequence,
                event_ids,
            } => (first_sequence..)
                .zip(event_ids)
                .map(|(sequence, id)| (stream_id, id, Verdict::Sequenced(sequence)))
                .collect(),
            Event::EventReplayed {
                stream_id,
                sequence,
                event_id,
            } => vec![(stream_id, event_id, Verdict::Replayed(sequence))],
            Event::EventRejected {
                stream_id,
                event_id,
                reason,
            } => vec![(stream_id, event_id, Verdict::Rejected(reason))],
            other => panic!("a submission says {other:?}"),
        })
        .collect()
}
