// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
// Nothing that a block executes may panic or wrap unseen.
#![cfg_attr(
    not(any(test, feature = "runtime-benchmarks")),
    deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)
)]

extern crate alloc;

use polkadot_sdk::{self, frame_support, frame_system, sp_io, sp_runtime};

mod admission;
mod batch;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod dedupe;
mod index;
mod integrity;
pub mod migrations;
#[cfg(test)]
mod mock;
mod quota;
mod records;
mod retention;
mod run;
mod sequence;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use pallet::*;
pub use weights::WeightInfo;

/// Streams, events and batches.
#[frame_support::pallet]
pub mod pallet {
    #[cfg(feature = "try-runtime")]
    use super::sp_runtime;
    use super::{WeightInfo, frame_support, frame_system, migrations, polkadot_sdk};
    use codec::Compact;
    use frame_support::{dispatch::PostDispatchInfo, pallet_prelude::*, traits::UnixTime};
    use frame_system::{ensure_authorized, pallet_prelude::*};
    use ves_primitives::{
        AgentId, BatchCommitment, CommandId, EventId, LeafHash, StoreId, StreamId, StreamTip,
        SubmittedEvent, TenantId, limits,
        registry::AuthorDirectory,
        sequencer::{KeptBatches, Rejection},
    };

    /// Events of one submission.
    pub type Submission =
        BoundedVec<SubmittedEvent, ConstU32<{ limits::MAX_EVENTS_PER_SUBMISSION }>>;
    /// Bound of everything that counts events of a block.
    pub type MaxEventsPerBlock = ConstU32<{ limits::MAX_EVENTS_PER_BLOCK }>;
    /// Bound of everything that counts streams of a block.
    pub type MaxStreamsPerBlock = ConstU32<{ limits::MAX_STREAMS_PER_BLOCK }>;
    /// Accounts that may report what is anchored.
    pub type RelayList<T> =
        BoundedVec<<T as frame_system::Config>::AccountId, ConstU32<{ limits::MAX_RELAYS }>>;

    /// Events that took their place one after another: what one submission adds to a stream at once.
    pub type Run<T> = BoundedVec<T, ConstU32<{ limits::MAX_EVENTS_PER_SUBMISSION }>>;

    /// The batch of a stream that the current block is filling.
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct OpenBatch {
        /// Owner of the stream.
        pub tenant_id: TenantId,
        /// Store of the stream.
        pub store_id: StoreId,
        /// The sequence given out last.
        pub sequence: u64,
    }

    /// What the current block has taken in.
    #[derive(
        Clone,
        Copy,
        Debug,
        Default,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct BlockLoad {
        /// Events sequenced.
        pub events: u32,
        /// Runs of them.
        pub runs: u16,
    }

    /// An event that took its place.
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct RememberedEvent {
        /// The event.
        pub event_id: EventId,
        /// The command it fulfilled.
        pub command_id: Option<CommandId>,
        /// Its leaf, which tells an exact replay from another event with the same id.
        pub leaf: LeafHash,
    }

    /// A run of events: leaves of its stream's batch, and what is forgotten together.
    #[derive(
        Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
    )]
    pub struct Remembered {
        /// The stream.
        pub stream_id: StreamId,
        /// Place of the first of its events.
        pub first_sequence: u64,
        /// Its events, in order of their places.
        pub events: Run<RememberedEvent>,
    }

    /// Where an event or a command is remembered.
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct MemoryIndex {
        /// The block that sequenced it.
        pub block: u32,
        /// Its run within the block.
        pub run: u16,
        /// Its position within the run.
        pub position: u8,
    }

    /// The run of events to be forgotten next.
    #[derive(
        Clone,
        Copy,
        Debug,
        Default,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct ForgetNext {
        /// The block that sequenced it.
        pub block: u32,
        /// Its number within the block.
        pub run: u16,
    }

    /// What was sequenced for somebody in a window.
    #[derive(
        Clone,
        Copy,
        Debug,
        Default,
        PartialEq,
        Eq,
        Encode,
        Decode,
        DecodeWithMemTracking,
        MaxEncodedLen,
        TypeInfo,
    )]
    pub struct Usage {
        /// Number of the window: block number divided by its length.
        pub window: u32,
        /// Events, rejected ones that stood behind an accepted one included.
        pub events: u32,
        /// Bytes of their payloads.
        pub payload_bytes: u64,
    }

    #[pallet::pallet]
    #[pallet::storage_version(migrations::STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Who names the relays: the consortium's governance.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Who may write, and with which key.
        type Authors: AuthorDirectory;
        /// Chain time, by which the age of events is judged.
        type Clock: UnixTime;
        /// What a byte of payload or text costs a block beside the work that benchmarks measure: its way
        /// into the runtime, the root of the extrinsics, the database.
        type ByteWeight: Get<Weight>;
        /// Measured weights.
        type WeightInfo: WeightInfo;
        /// Registers the authors that benchmarks write with.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::BenchmarkHelper;
    }

    /// Where each stream stands after its last batch.
    // Hasher: Identity - a stream id is a SHA-256 output. Bound: one per registered store. Kept for
    // ever: sequences must never restart.
    #[pallet::storage]
    pub type Tips<T: Config> = StorageMap<_, Identity, StreamId, StreamTip, OptionQuery>;

    /// The batches this block is filling. Empty between blocks.
    // Hasher: as `Tips`. Bound: `MaxStreamsPerBlock`.
    #[pallet::storage]
    pub type OpenBatches<T: Config> = StorageMap<_, Identity, StreamId, OpenBatch>;

    /// Streams with events in this block. Empty between blocks.
    #[pallet::storage]
    pub type OpenStreams<T: Config> =
        StorageValue<_, BoundedVec<StreamId, MaxStreamsPerBlock>, ValueQuery>;

    /// How full this block is. Absent between blocks.
    #[pallet::storage]
    pub type Load<T: Config> = StorageValue<_, BlockLoad, ValueQuery>;

    /// Where each event is remembered, by the beginning of its id and a hash of stream and id.
    // Hasher: Identity - the key ends in 96 bits of a hash: who finds two events of its own with one key
    // has the second refused as a duplicate of the first, and hurt nobody else. Short keys and values
    // make the entry part of its parent's trie node. Lifetime: `DEDUPE_BLOCKS`, after which the event
    // would be refused for its age. Bound: the events of as many blocks, and those that `Memory`
    // still holds.
    #[pallet::storage]
    pub type Events<T: Config> = StorageMap<_, Identity, [u8; 18], MemoryIndex>;

    /// Where the event that fulfilled a command is remembered, by the beginning of the command's id and
    /// a hash of stream and id.
    // Hasher, bound and lifetime: as `Events`.
    #[pallet::storage]
    pub type Commands<T: Config> = StorageMap<_, Identity, [u8; 18], MemoryIndex>;

    /// What each tenant has had sequenced in its last window.
    // Hasher: Blake2 - ids are chosen freely. Bound: one per registered tenant. Overwritten.
    #[pallet::storage]
    pub type TenantUsage<T: Config> = StorageMap<_, Blake2_128Concat, TenantId, Usage, ValueQuery>;

    /// What each agent has had sequenced in its last window.
    // Hashers: Blake2 - ids are chosen freely. Bound: one per registered agent. Overwritten.
    #[pallet::storage]
    pub type AgentUsage<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        TenantId,
        Blake2_128Concat,
        AgentId,
        Usage,
        ValueQuery,
    >;

    /// Which events each block sequenced, by run: the leaves of its batches, the memory that makes a
    /// replay harmless, and what is to be forgotten, in order.
    // Hashers: Twox - the chain counts both. Bound and lifetime: as `Events`. One entry for a whole
    // run costs the trie next to nothing for each of its events.
    #[pallet::storage]
    pub type Memory<T: Config> =
        StorageDoubleMap<_, Twox64Concat, u32, Twox64Concat, u16, Remembered>;

    /// How far events are forgotten.
    #[pallet::storage]
    pub type Forgotten<T: Config> = StorageValue<_, ForgetNext, ValueQuery>;

    /// Version of each entity: the number of its events. The key is a hash of stream and entity.
    // Hasher: Identity - the key is a hash, of 128 bits: an agent that finds two entities of its own
    // with one key has joined their versions, and hurt nobody else. Short keys and values make the
    // entry part of its parent's trie node. Bound: one per entity. Kept for ever: a version must
    // never restart.
    #[pallet::storage]
    pub type EntityVersions<T: Config> = StorageMap<_, Identity, [u8; 16], Compact<u64>>;

    /// The batches of every stream that are not yet pruned, by their number within the stream.
    // Hashers: Identity as `Tips`; Twox for the number, which the chain counts itself. Lifetime:
    // `ANCHORED_RETENTION_BLOCKS` once anchored, `UNANCHORED_RETENTION_BLOCKS` otherwise, and from
    // then on until the stream's next batch or report. Bound: one per stream and block of these, and
    // those of streams that stand still.
    #[pallet::storage]
    pub type Batches<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Twox64Concat, u64, BatchCommitment>;

    /// Where each stream's batches begin in state, and how many are anchored.
    // Hasher: Identity as `Tips`. Bound: one per registered store. Kept for ever: it says what was
    // pruned.
    #[pallet::storage]
    pub type Kept<T: Config> = StorageMap<_, Identity, StreamId, KeptBatches, ValueQuery>;

    /// Who may report what is anchored. Each keeps a reference that lets its account transact.
    #[pallet::storage]
    pub type Relays<T: Config> = StorageValue<_, RelayList<T>, ValueQuery>;

    /// Which batches each block committed, in stream-id order.
    // Hasher: Twox - block numbers are no one's choice. Bound: `MaxStreamsPerBlock` per block.
    // Lifetime: `ANCHORED_RETENTION_BLOCKS`.
    #[pallet::storage]
    pub type BlockBatches<T: Config> = StorageMap<
        _,
        Twox64Concat,
        u32,
        BoundedVec<(StreamId, u64), MaxStreamsPerBlock>,
        ValueQuery,
    >;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Events took their places in their stream, one after another. Each event of a submission
        /// is named once, in order, in one of these, `EventReplayed` or `EventRejected`.
        EventsSequenced {
            /// The stream.
            stream_id: StreamId,
            /// Place of the first.
            first_sequence: u64,
            /// The events, in order of their places.
            event_ids: Run<EventId>,
        },
        /// An event was submitted again unchanged; nothing happened.
        EventReplayed {
            /// The stream.
            stream_id: StreamId,
            /// Its place, as before.
            sequence: u64,
            /// The event.
            event_id: EventId,
        },
        /// An event was refused; it left no gap.
        EventRejected {
            /// The stream.
            stream_id: StreamId,
            /// The event.
            event_id: EventId,
            /// Why.
            reason: Rejection,
        },
        /// A stream's events of this block became a batch.
        BatchCommitted {
            /// The stream.
            stream_id: StreamId,
            /// The commitment.
            batch: BatchCommitment,
        },
        /// A relay reported a stream's first batches as anchored.
        BatchesAnchored {
            /// The stream.
            stream_id: StreamId,
            /// How many, counted from the first.
            batch_count: u64,
            /// Who reported it.
            relay: T::AccountId,
        },
        /// Governance named who may report what is anchored.
        RelaysChanged {
            /// They, and nobody else.
            relays: RelayList<T>,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// An account is named twice.
        RelayNamedTwice,
        /// The signer is not among those who may report what is anchored.
        NotARelay,
        /// The stream has no batch.
        StreamNotFound,
        /// The stream has fewer batches.
        AnchoredBeyondTip,
        /// More batches were reported as anchored before.
        AnchoredBefore,
    }

    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// Most events in one submission.
        fn max_events_per_submission() -> u32 {
            limits::MAX_EVENTS_PER_SUBMISSION
        }
        /// Most events in one block.
        fn max_events_per_block() -> u32 {
            limits::MAX_EVENTS_PER_BLOCK
        }
        /// Most streams with events in one block.
        fn max_streams_per_block() -> u32 {
            limits::MAX_STREAMS_PER_BLOCK
        }
        /// Longest payload, bytes.
        fn max_payload_bytes() -> u32 {
            limits::MAX_PAYLOAD_BYTES
        }
        /// How long after its `created_at` an event may be sequenced, milliseconds.
        fn event_window_ms() -> u64 {
            limits::EVENT_WINDOW_MS
        }
        /// How far `created_at` may be ahead of the chain's time, milliseconds.
        fn event_skew_ms() -> u64 {
            limits::EVENT_SKEW_MS
        }
        /// Blocks for which event and command ids are remembered.
        fn dedupe_blocks() -> u32 {
            limits::DEDUPE_BLOCKS
        }
        /// Blocks for which an anchored batch, and a block's list of batches, stay in state.
        fn anchored_retention_blocks() -> u32 {
            limits::ANCHORED_RETENTION_BLOCKS
        }
        /// Blocks for which a batch that nobody reports as anchored stays in state.
        fn unanchored_retention_blocks() -> u32 {
            limits::UNANCHORED_RETENTION_BLOCKS
        }
        /// Most accounts that may report what is anchored.
        fn max_relays() -> u32 {
            limits::MAX_RELAYS
        }
        /// Blocks of one window of quotas.
        fn quota_window_blocks() -> u32 {
            limits::EVENT_QUOTA_WINDOW_BLOCKS
        }
        /// Most recipients of one encrypted payload.
        fn max_recipients() -> u32 {
            limits::MAX_RECIPIENTS
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Submits signed events for sequencing.
        ///
        /// ## Dispatch Origin
        /// Nobody: the envelopes' own signatures authorise the call, and anyone may carry it. No
        /// account, no nonce, no fee.
        /// ## Details
        /// Events are judged one by one, in order. Each is sequenced, recognised as a replay or
        /// rejected with a named reason; a rejection leaves no gap and touches no other event.
        /// The transaction pool refuses the whole submission if its first event that is not a
        /// replay would be rejected.
        /// ## Errors
        /// None: what cannot be sequenced is an event, not an error.
        /// ## Events
        /// [`Event::EventsSequenced`], [`Event::EventReplayed`] and [`Event::EventRejected`], which
        /// together name each event once, in order.
        #[pallet::call_index(0)]
        #[pallet::weight(Pallet::<T>::submission_weight(events))]
        #[pallet::authorize(|source, events| Pallet::<T>::authorize_submission(source, events))]
        #[pallet::weight_of_authorize(Pallet::<T>::authorization_weight(events))]
        pub fn submit_events(
            origin: OriginFor<T>,
            events: Submission,
        ) -> DispatchResultWithPostInfo {
            ensure_authorized(origin)?;
            let settled = Self::sequence_submission(&events);
            Ok(PostDispatchInfo {
                actual_weight: settled
                    .all_signatures_hold
                    .then(|| Self::honest_weight(&events)),
                pays_fee: Pays::No,
            })
        }

        /// Names the accounts that may report what is anchored, in place of those before.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// The accounts come into being: from now on they can sign transactions.
        /// ## Errors
        /// [`Error::RelayNamedTwice`].
        /// ## Events
        /// [`Event::RelaysChanged`].
        #[pallet::call_index(1)]
        #[pallet::weight(T::WeightInfo::set_relays(
            u32::try_from(relays.len()).unwrap_or(limits::MAX_RELAYS)
        ))]
        pub fn set_relays(origin: OriginFor<T>, relays: RelayList<T>) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_set_relays(relays)
        }

        /// Reports that the first `batch_count` batches of a stream are anchored, and prunes some of
        /// those that have been kept long enough.
        ///
        /// ## Dispatch Origin
        /// A relay that governance named, signed.
        /// ## Details
        /// The chain cannot look into another chain and takes the relay's word. A report decides no
        /// more than how long batches stay in state; the event store keeps all of them. The same
        /// number may be reported again, which prunes a stream that stands still.
        /// ## Errors
        /// [`Error::NotARelay`], [`Error::StreamNotFound`], [`Error::AnchoredBeyondTip`],
        /// [`Error::AnchoredBefore`].
        /// ## Events
        /// [`Event::BatchesAnchored`] if the number is new.
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::note_anchored(limits::MAX_PRUNED_PER_REPORT))]
        pub fn note_anchored(
            origin: OriginFor<T>,
            stream_id: StreamId,
            batch_count: u64,
        ) -> DispatchResultWithPostInfo {
            let relay = ensure_signed(origin)?;
            let pruned = Self::do_note_anchored(relay, stream_id, batch_count)?;
            Ok(PostDispatchInfo {
                actual_weight: Some(T::WeightInfo::note_anchored(pruned)),
                pays_fee: Pays::No,
            })
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Forgets events and lists of batches that are past their time, and reserves the part of
        /// `on_finalize` that does not depend on what is submitted; each submission pays for its own
        /// leaves and streams.
        fn on_initialize(block: BlockNumberFor<T>) -> Weight {
            Self::forget_old_events(block, Self::forgetting_budget())
                .saturating_add(Self::unlist_old_batches(block))
                .saturating_add(Self::weight_of_empty_commit())
        }

        fn on_finalize(block: BlockNumberFor<T>) {
            Self::commit_batches(block);
        }

        fn integrity_test() {
            let checked = Self::check_runtime(&T::BlockWeights::get(), &T::BlockLength::get());
            assert_eq!(
                checked,
                Ok(()),
                "the runtime does not fit the protocol's limits"
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
