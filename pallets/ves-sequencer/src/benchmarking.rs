// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What submissions and the end of a block cost, at the worst: every event is accepted, is of an
//! entity and a command of its own, and is really signed.

use crate::{
    BlockBatches, Call, Config, Kept, Pallet, RelayList, Relays, Submission, Tips,
    frame_support::{
        BoundedVec,
        pallet_prelude::TransactionSource,
        traits::{EnsureOrigin, Hooks},
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
    PayloadCipherHash, PayloadKind, Signature, SigningPublicKey, StoreId, StreamTip,
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
        command_id: Some(CommandId(id(n))),
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
            Pallet::<T>::open_for_benchmark(TENANT, StoreId(id(n)), 1);
        }
        let events = submission(events);
        #[block]
        {
            Pallet::<T>::authorize_submission(TransactionSource::InBlock, &events)
                .expect("all streams are open");
        }
    }

    /// In the pool; all replays but the last. No weight covers it.
    #[benchmark(extra)]
    fn admit_submission(n: Linear<1, { limits::MAX_EVENTS_PER_SUBMISSION }>) {
        let author = author::<T>(1);
        let events: Vec<_> = (0..n).map(|n| event(author, n, 2)).collect();
        let replays = submission(events[..events.len() - 1].to_vec());
        Pallet::<T>::submit_events(RawOrigin::Authorized.into(), replays)
            .expect("an authorised submission is settled");
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
            Pallet::<T>::forget_old_events(1u32.saturated_into());
        }
    }

    /// Each with a command.
    #[benchmark]
    fn forget_events(n: Linear<1, { limits::MAX_FORGOTTEN_PER_BLOCK }>) {
        let author = author::<T>(1);
        let mut left = n;
        let mut run = 0;
        while left > 0 {
            let events = left.min(limits::MAX_EVENTS_PER_SUBMISSION);
            remember::<T>(author.store, run, events);
            run += 1;
            left -= events;
        }
        #[block]
        {
            Pallet::<T>::forget_old_events((limits::DEDUPE_BLOCKS + 1).saturated_into());
        }
        assert_eq!(crate::Events::<T>::iter_keys().count(), 0);
    }

    /// One event each.
    #[benchmark]
    fn forget_runs(r: Linear<1, { limits::MAX_FORGOTTEN_PER_BLOCK }>) {
        let author = author::<T>(1);
        for run in 0..r {
            remember::<T>(author.store, run, 1);
        }
        #[block]
        {
            Pallet::<T>::forget_old_events((limits::DEDUPE_BLOCKS + 1).saturated_into());
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
        Pallet::<T>::open_for_benchmark(TENANT, StoreId(id(1)), l);
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
            Pallet::<T>::open_for_benchmark(TENANT, StoreId(id(n)), 1);
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
        Pallet::<T>::open_for_benchmark(TENANT, StoreId(id(1)), 1);
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

/// As if block 1 had sequenced these events in one run.
fn remember<T: Config>(store: StoreId, run: u32, events: u32) {
    let stream_id = stream_id(TENANT, store);
    let ids: Vec<_> = (0..events).map(|n| id(run * 256 + n)).collect();
    for id in &ids {
        let record = EventRecord {
            sequence: 1,
            block_number: 1,
            leaf: LeafHash([7; 32]),
        };
        crate::Events::<T>::insert(stream_id, EventId(*id), record);
        crate::Commands::<T>::insert(stream_id, CommandId(*id), EventId(*id));
    }
    let events = ids
        .into_iter()
        .map(|id| (EventId(id), Some(CommandId(id))))
        .collect::<Vec<_>>();
    let remembered = crate::Remembered {
        stream_id,
        events: events.try_into().expect("within the limit"),
    };
    crate::Memory::<T>::insert(1, run, remembered);
}

impl<T: Config> Pallet<T> {
    /// Opens a stream with this many leaves.
    fn open_for_benchmark(tenant_id: TenantId, store_id: StoreId, leaves: u32) {
        let stream_id = stream_id(tenant_id, store_id);
        let most = limits::MAX_EVENTS_PER_SUBMISSION;
        let runs = leaves.div_ceil(most);
        for run in 0..runs {
            let hashes = vec![LeafHash([7; 32]); most.min(leaves - run * most) as usize];
            crate::OpenLeaves::<T>::insert(stream_id, run, crate::Run::truncate_from(hashes));
        }
        let batch = crate::OpenBatch {
            tenant_id,
            store_id,
            sequence: leaves.into(),
            runs,
        };
        crate::OpenBatches::<T>::insert(stream_id, batch);
        crate::OpenStreams::<T>::try_append(stream_id).expect("within the limit");
    }
}
