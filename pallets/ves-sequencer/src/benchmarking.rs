// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What submissions and the end of a block cost, at the worst: every event is accepted, is of an
//! entity of its own, and is really signed.

use crate::{
    BlockBatches, Call, Config, Kept, Load, Pallet, RelayList, Relays, Submission, Tips,
    dedupe::{command_key, event_key},
    frame_support::{
        BoundedVec,
        pallet_prelude::TransactionSource,
        traits::{EnsureOrigin, Hooks},
        weights::Weight,
    },
    frame_system::{self, RawOrigin},
    polkadot_sdk::{
        self,
        frame_benchmarking::{account, v2::*},
        sp_core::crypto::KeyTypeId,
    },
    sp_io,
    sp_runtime::SaturatedConversion,
};
use alloc::{vec, vec::Vec};
use ves_primitives::{
    AgentId, BatchCommitment, CommandId, Envelope, EventId, KeyId, LeafHash, Payload,
    PayloadCipherHash, PayloadKind, Signature, SigningPublicKey, StoreId, StreamId, StreamTip,
    SubmittedEvent, TenantId, limits, payload_plain_hash,
    sequencer::{EventRecord, KeptBatches},
    stream_id,
};

/// Puts authors into the state of the registry that the sequencer asks.
pub trait BenchmarkHelper {
    /// A store whose agent signs with a key.
    fn register(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        key: SigningPublicKey,
    );
}

const KEYS: KeyTypeId = KeyTypeId(*b"vesb");
/// About as many events as a block forgets.
const MOST_FORGOTTEN: u32 = 8_192;
const KEY_ID: KeyId = KeyId(1);
const TENANT: TenantId = TenantId([1; 16]);

fn id(n: u32) -> [u8; 16] {
    let mut bytes = [0x5a; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Where an event comes from.
#[derive(Clone, Copy)]
struct Author {
    store: StoreId,
    agent: AgentId,
    key: SigningPublicKey,
}

/// The same number makes the same author.
fn author<T: Config>(n: u32) -> Author {
    let seed = alloc::format!("//{n}").into_bytes();
    let key = SigningPublicKey(sp_io::crypto::ed25519_generate(KEYS, Some(seed)).0);
    let (store, agent) = (StoreId(id(n)), AgentId(id(n)));
    T::BenchmarkHelper::register(TENANT, store, agent, KEY_ID, key);
    Author { store, agent, key }
}

fn text<B: TryFrom<Vec<u8>>>(bytes: &[u8]) -> B {
    bytes
        .to_vec()
        .try_into()
        .unwrap_or_else(|_| unreachable!("short texts fit"))
}

/// An event that will be accepted; `n` makes it unlike any other.
fn event(author: Author, n: u32, payload_bytes: u32) -> SubmittedEvent {
    event_with(author, n, payload_bytes, None)
}

fn event_with(
    author: Author,
    n: u32,
    payload_bytes: u32,
    command_id: Option<CommandId>,
) -> SubmittedEvent {
    let json = vec![b'1'; payload_bytes.max(1) as usize];
    let mut envelope = Envelope {
        ves_version: 2,
        event_id: EventId(id(n)),
        tenant_id: TENANT,
        store_id: author.store,
        source_agent_id: author.agent,
        agent_key_id: KEY_ID,
        entity_type: text(b"order"),
        entity_id: text(alloc::format!("order-{n:010}").as_bytes()),
        event_type: text(b"order.created"),
        // The time that the runtime gives its benchmarks.
        created_at: text(b"2027-01-15T08:00:00.000Z"),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
        command_id,
        base_version: Some(0),
        agent_signature: Signature([0; 64]),
    };
    let hash = envelope.signing_hash().expect("version 2 has a hash").0;
    let signature = sp_io::crypto::ed25519_sign(KEYS, &author.key.0.into(), &hash)
        .expect("the key was generated");
    envelope.agent_signature = Signature(signature.0);
    SubmittedEvent {
        envelope,
        payload: Payload::Plain(json.try_into().expect("within the limit")),
    }
}

fn submission(events: Vec<SubmittedEvent>) -> Submission {
    events.try_into().expect("within the limit")
}

fn sequenced<T: Config>(author: Author) -> u64 {
    Pallet::<T>::on_finalize(frame_system::Pallet::<T>::block_number());
    let stream = stream_id(TENANT, author.store);
    Tips::<T>::get(stream).map_or(0, |tip| tip.sequence)
}

#[benchmarks]
mod calls {
    use super::*;

    /// All of one author.
    #[benchmark]
    fn submit_events(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let author = author::<T>(1);
        let events = submission((0..n).map(|n| event(author, n, 2)).collect());
        #[extrinsic_call]
        _(RawOrigin::Authorized, events);
        assert_eq!(sequenced::<T>(author), u64::from(n));
    }

    /// All of one author, each with a command of its own.
    #[benchmark]
    fn submit_commands(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let author = author::<T>(1);
        let events = (0..n).map(|n| event_with(author, n, 2, Some(CommandId(id(n)))));
        let events = submission(events.collect());
        #[extrinsic_call]
        submit_events(RawOrigin::Authorized, events);
        assert_eq!(sequenced::<T>(author), u64::from(n));
    }

    /// What signatures cost once more if one of them does not hold; each of another key.
    #[benchmark]
    fn check_singly(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let signed: Vec<_> = (0..n)
            .map(|n| {
                let SubmittedEvent { envelope, .. } = event(author::<T>(n), n, 2);
                (envelope, author::<T>(n).key)
            })
            .collect();
        #[block]
        {
            for (envelope, key) in &signed {
                let hash = envelope.signing_hash().expect("version 2 has a hash").0;
                let signature = envelope.agent_signature.0.into();
                assert!(sp_io::crypto::ed25519_verify(
                    &signature,
                    &hash,
                    &key.0.into()
                ));
            }
        }
    }

    /// Each of an author and a stream of its own.
    #[benchmark]
    fn submit_events_of_authors(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let authors: Vec<_> = (0..n).map(author::<T>).collect();
        let events = authors.iter().map(|author| event(*author, 1, 2)).collect();
        let events = submission(events);
        #[extrinsic_call]
        submit_events(RawOrigin::Authorized, events);
        assert_eq!(sequenced::<T>(authors[0]), 1);
    }

    /// One event.
    #[benchmark]
    fn submit_payload(b: Linear<1, { limits::MAX_PAYLOAD_BYTES }>) {
        let author = author::<T>(1);
        let events = submission(vec![event(author, 1, b)]);
        #[extrinsic_call]
        submit_events(RawOrigin::Authorized, events);
        assert_eq!(sequenced::<T>(author), 1);
    }

    /// In a block that is full of streams, these among them.
    #[benchmark]
    fn authorize_submission(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let events: Vec<_> = (0..n).map(|n| event(author::<T>(n), 1, 2)).collect();
        for n in 0..limits::MAX_STREAMS_PER_BLOCK {
            open::<T>(1, StoreId(id(n)), 1);
        }
        let events = submission(events);
        #[block]
        {
            Pallet::<T>::authorize_submission(TransactionSource::InBlock, &events)
                .expect("all streams are open");
        }
    }

    /// Replays, each of another run of full length: cheaper than new events.
    #[benchmark(extra)]
    fn submit_replays(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let events = submission(replays::<T>(n));
        #[extrinsic_call]
        submit_events(RawOrigin::Authorized, events);
    }

    /// In the pool; all replays but the last, each of another run of full length. No weight covers
    /// it.
    #[benchmark(extra)]
    fn admit_submission(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let mut events = replays::<T>(n - 1);
        events.push(event(author::<T>(1), u32::MAX, 2));
        let events = submission(events);
        #[block]
        {
            Pallet::<T>::authorize_submission(TransactionSource::External, &events)
                .expect("the last event is new");
        }
    }

    #[benchmark]
    fn forget_nothing() {
        #[block]
        {
            Pallet::<T>::forget_old_events(1u32.saturated_into(), Weight::MAX);
        }
    }

    #[benchmark]
    fn forget_events(n: Linear<1, { MOST_FORGOTTEN }>) {
        remember_all::<T>(n, false);
        #[block]
        {
            let now = limits::DEDUPE_BLOCKS + 1;
            Pallet::<T>::forget_old_events(now.saturated_into(), Weight::MAX);
        }
        assert_eq!(crate::Events::<T>::iter_keys().count(), 0);
    }

    /// Each with a command.
    #[benchmark]
    fn forget_commands(n: Linear<1, { MOST_FORGOTTEN }>) {
        remember_all::<T>(n, true);
        #[block]
        {
            let now = limits::DEDUPE_BLOCKS + 1;
            Pallet::<T>::forget_old_events(now.saturated_into(), Weight::MAX);
        }
        assert_eq!(crate::Events::<T>::iter_keys().count(), 0);
    }

    /// One event each.
    #[benchmark]
    fn forget_runs(r: Linear<1, { MOST_FORGOTTEN }>) {
        let author = author::<T>(1);
        for run in 0..r {
            remember::<T>(author.store, run as u16, 1, false);
        }
        #[block]
        {
            let now = limits::DEDUPE_BLOCKS + 1;
            Pallet::<T>::forget_old_events(now.saturated_into(), Weight::MAX);
        }
        assert_eq!(crate::Events::<T>::iter_keys().count(), 0);
    }

    #[benchmark]
    fn commit_block_base() {
        #[block]
        {
            Pallet::<T>::on_finalize(1u32.saturated_into());
        }
    }

    /// All of one stream.
    #[benchmark]
    fn commit_leaves(l: Linear<1, { limits::MAX_EVENTS_PER_BLOCK }>) {
        open::<T>(1, StoreId(id(1)), l);
        #[block]
        {
            Pallet::<T>::on_finalize(1u32.saturated_into());
        }
        let stream = stream_id(TENANT, StoreId(id(1)));
        assert_eq!(
            Tips::<T>::get(stream).map(|tip| tip.sequence),
            Some(l.into())
        );
    }

    /// One leaf each, and as many batches to prune as a commit may.
    #[benchmark]
    fn commit_streams(s: Linear<1, { limits::MAX_STREAMS_PER_BLOCK }>) {
        for n in 0..s {
            keep_batches::<T>(StoreId(id(n)), limits::MAX_PRUNED_PER_COMMIT);
            open::<T>(later(), StoreId(id(n)), 1);
        }
        #[block]
        {
            Pallet::<T>::on_finalize(later());
        }
        assert_eq!(crate::Batches::<T>::iter_keys().count(), s as usize);
    }

    /// A full block's.
    #[benchmark]
    fn unlist_batches() {
        let list: Vec<_> = (0..limits::MAX_STREAMS_PER_BLOCK)
            .map(|n| (stream_id(TENANT, StoreId(id(n))), 1))
            .collect();
        BlockBatches::<T>::insert(1, BoundedVec::truncate_from(list));
        #[block]
        {
            Pallet::<T>::unlist_old_batches(later());
        }
        assert!(!BlockBatches::<T>::contains_key(1));
    }

    /// In place of as many others as there may be.
    #[benchmark]
    fn set_relays(n: Linear<0, { limits::MAX_RELAYS }>) {
        let governance =
            T::GovernanceOrigin::try_successful_origin().expect("governance can act in benchmarks");
        let named = |role, n| {
            let accounts = (0..n).map(|n| account(role, n, 0)).collect();
            RelayList::<T>::truncate_from(accounts)
        };
        Pallet::<T>::set_relays(governance.clone(), named("former", limits::MAX_RELAYS))
            .expect("each is named once");
        let relays = named("relay", n);
        #[extrinsic_call]
        _(governance as T::RuntimeOrigin, relays.clone());
        assert_eq!(Relays::<T>::get(), relays);
    }

    /// By the last of all relays.
    #[benchmark]
    fn note_anchored(p: Linear<0, { limits::MAX_PRUNED_PER_REPORT }>) {
        let relays: Vec<T::AccountId> = (0..limits::MAX_RELAYS)
            .map(|n| account("relay", n, 0))
            .collect();
        let relay = relays[relays.len() - 1].clone();
        Relays::<T>::put(RelayList::<T>::truncate_from(relays));
        // One that is not old enough is looked at, too.
        keep_batches::<T>(StoreId(id(1)), p);
        let stream = stream_id(TENANT, StoreId(id(1)));
        open::<T>(later(), StoreId(id(1)), 1);
        Kept::<T>::remove(stream);
        Pallet::<T>::on_finalize(later());
        frame_system::Pallet::<T>::set_block_number(later());
        #[extrinsic_call]
        _(RawOrigin::Signed(relay), stream, u64::from(p) + 1);
        assert_eq!(Kept::<T>::get(stream).oldest, u64::from(p));
    }
}

/// A block in which a batch of block 1 has been kept long enough.
fn later<N: From<u32>>() -> N {
    (limits::ANCHORED_RETENTION_BLOCKS + 1).into()
}

/// As if the stream had so many batches, all of block 1 and anchored.
fn keep_batches<T: Config>(store: StoreId, count: u32) {
    let stream = stream_id(TENANT, store);
    let mut tip = StreamTip::EMPTY;
    for _ in 0..count {
        let batch = BatchCommitment::commit(TENANT, store, 1, &tip, &[LeafHash([7; 32])])
            .expect("one leaf makes a batch");
        tip = batch.tip();
        crate::Batches::<T>::insert(stream, batch.batch_index, batch);
    }
    Tips::<T>::insert(stream, tip);
    let kept = KeptBatches {
        oldest: 0,
        anchored: tip.batch_count,
    };
    Kept::<T>::insert(stream, kept);
}

/// As if the block had sequenced this run.
fn insert_run<T: Config>(block: u32, run: u16, stored: crate::Remembered) {
    for (position, event) in (0u8..=u8::MAX).zip(&stored.events) {
        let index = crate::MemoryIndex {
            block,
            run,
            position,
        };
        crate::Events::<T>::insert(event_key(stored.stream_id, event.event_id), index);
        if let Some(command) = event.command_id {
            crate::Commands::<T>::insert(command_key(stored.stream_id, command), index);
        }
    }
    crate::Memory::<T>::insert(block, run, stored);
}

/// A run of events that only their ids tell apart.
fn run_of(store: StoreId, run: u16, events: u32, commands: bool) -> crate::Remembered {
    let events = (0..events)
        .map(|n| {
            let id = id(u32::from(run) * limits::MAX_EVENTS_PER_SUBMISSION + n);
            crate::RememberedEvent {
                event_id: EventId(id),
                command_id: commands.then_some(CommandId(id)),
                leaf: LeafHash([7; 32]),
            }
        })
        .collect();
    crate::Remembered {
        stream_id: stream_id(TENANT, store),
        first_sequence: 1,
        events: crate::Run::truncate_from(events),
    }
}

/// As if block 1 had sequenced these events in one run.
fn remember<T: Config>(store: StoreId, run: u16, events: u32, commands: bool) {
    insert_run::<T>(1, run, run_of(store, run, events, commands));
}

/// As if block 1 had sequenced these events in full submissions.
fn remember_all<T: Config>(events: u32, commands: bool) {
    let author = author::<T>(1);
    let most = limits::MAX_EVENTS_PER_SUBMISSION;
    for run in 0..events.div_ceil(most) {
        let of_run = most.min(events - run * most);
        remember::<T>(author.store, run as u16, of_run, commands);
    }
}

/// Events that were sequenced before, each the last of a run of full length.
fn replays<T: Config>(n: u32) -> Vec<SubmittedEvent> {
    let author = author::<T>(1);
    (0..n)
        .map(|n| {
            let run = n as u16;
            let mut stored = run_of(author.store, run, limits::MAX_EVENTS_PER_SUBMISSION, true);
            let replay = event(author, u32::MAX - 1 - n, 2);
            let sequence = u64::from(limits::MAX_EVENTS_PER_SUBMISSION);
            let hash = replay
                .envelope
                .signing_hash()
                .expect("version 2 has a hash");
            let last = stored.events.last_mut().expect("the run is full");
            last.event_id = replay.envelope.event_id;
            last.leaf = replay.envelope.leaf_hash(sequence, &hash);
            insert_run::<T>(1, run, stored);
            replay
        })
        .collect()
}

/// Opens a stream in the block, with this many leaves.
fn open<T: Config>(block: u32, store_id: StoreId, leaves: u32) {
    let most = limits::MAX_EVENTS_PER_SUBMISSION;
    let mut load = Load::<T>::get();
    for run in 0..leaves.div_ceil(most) {
        let of_run = most.min(leaves - run * most);
        crate::Memory::<T>::insert(block, load.runs, run_of(store_id, load.runs, of_run, true));
        load.runs += 1;
    }
    Load::<T>::put(load);
    let batch = crate::OpenBatch {
        tenant_id: TENANT,
        store_id,
        sequence: leaves.into(),
    };
    let stream_id = stream_id(TENANT, store_id);
    crate::OpenBatches::<T>::insert(stream_id, batch);
    crate::OpenStreams::<T>::try_append(stream_id).expect("within the limit");
}

impl<T: Config> Pallet<T> {
    /// Remembers an event in a run of full length, which takes longest to recall.
    pub fn remember_for_benchmark(stream: StreamId, event: EventId, record: EventRecord) {
        let mut run = run_of(StoreId(id(0)), 0, limits::MAX_EVENTS_PER_SUBMISSION, true);
        run.stream_id = stream;
        run.first_sequence = record.sequence;
        let mut events = run.events.into_inner();
        let first = events.first_mut().expect("the run is full");
        first.event_id = event;
        first.leaf = record.leaf;
        run.events = events.try_into().expect("as long as before");
        insert_run::<T>(record.block_number, 0, run);
    }
}
