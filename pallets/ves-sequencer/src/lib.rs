// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use polkadot_sdk::{self, frame_support, frame_system, sp_io, sp_runtime};

mod admission;
mod batch;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod index;
#[cfg(test)]
mod mock;
mod records;
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
    use super::{WeightInfo, frame_support, frame_system, polkadot_sdk};
    use frame_support::pallet_prelude::*;
    use frame_system::{ensure_authorized, pallet_prelude::*};
    use ves_primitives::{
        BatchCommitment, CommandId, EventId, LeafHash, ReceiptHash, StoreId, StreamId, StreamTip,
        SubmittedEvent, TenantId, limits,
        registry::AuthorDirectory,
        sequencer::{EventRecord, Rejection},
    };

    /// Events of one submission.
    pub type Submission =
        BoundedVec<SubmittedEvent, ConstU32<{ limits::MAX_EVENTS_PER_SUBMISSION }>>;
    /// Bound of everything that counts events of a block.
    pub type MaxEventsPerBlock = ConstU32<{ limits::MAX_EVENTS_PER_BLOCK }>;
    /// Bound of everything that counts streams of a block.
    pub type MaxStreamsPerBlock = ConstU32<{ limits::MAX_STREAMS_PER_BLOCK }>;

    // A full submission, and one whose events are all of different streams, must fit into a block.
    const _: () = assert!(limits::MAX_EVENTS_PER_SUBMISSION <= limits::MAX_EVENTS_PER_BLOCK);
    const _: () = assert!(limits::MAX_EVENTS_PER_SUBMISSION <= limits::MAX_STREAMS_PER_BLOCK);

    /// A stream with events in the current block.
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
    pub struct OpenStream {
        /// The stream.
        pub stream_id: StreamId,
        /// Its tenant.
        pub tenant_id: TenantId,
        /// Its store.
        pub store_id: StoreId,
    }

    #[pallet::pallet]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Who may write, and with which key.
        type Authors: AuthorDirectory;
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

    /// Leaves of each stream's batch of this block, in sequence order. Empty between blocks.
    // Hasher: as `Tips`. Bound: `MaxEventsPerBlock` over all streams.
    #[pallet::storage]
    pub type OpenLeaves<T: Config> =
        StorageMap<_, Identity, StreamId, BoundedVec<LeafHash, MaxEventsPerBlock>, ValueQuery>;

    /// Streams with events in this block. Empty between blocks.
    #[pallet::storage]
    pub type OpenStreams<T: Config> =
        StorageValue<_, BoundedVec<OpenStream, MaxStreamsPerBlock>, ValueQuery>;

    /// Events sequenced in this block. Zero between blocks.
    #[pallet::storage]
    pub type EventsInBlock<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// What became of each event: the memory that makes a replay harmless.
    // Hasher: Identity for the stream (as `Tips`), Blake2 for the event id, which agents choose.
    // Bound: one per sequenced event; the dedupe window that forgets them is not drawn yet.
    #[pallet::storage]
    pub type Events<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Blake2_128Concat, EventId, EventRecord>;

    /// Which event fulfilled a command.
    // Hashers: as `Events`. Bound: at most one per sequenced event.
    #[pallet::storage]
    pub type Commands<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Blake2_128Concat, CommandId, EventId>;

    /// Version of each entity: the number of its events.
    // Hasher: Identity - both keys are 256-bit hashes. Bound: at most one per sequenced event.
    #[pallet::storage]
    pub type EntityVersions<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Identity, [u8; 32], u64, ValueQuery>;

    /// Every batch of every stream, by its number within the stream.
    // Hashers: Identity as `Tips`; Twox for the number, which the chain counts itself.
    #[pallet::storage]
    pub type Batches<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Twox64Concat, u64, BatchCommitment>;

    /// Which batches each block committed, in stream-id order.
    // Hasher: Twox - block numbers are no one's choice. Bound: `MaxStreamsPerBlock` per block.
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
        /// An event took its place in its stream. One of these, `EventReplayed` or `EventRejected`
        /// follows for each event of a submission, in order.
        EventSequenced {
            /// The stream.
            stream_id: StreamId,
            /// Its place, from 1.
            sequence: u64,
            /// The event.
            event_id: EventId,
            /// Receipt hash.
            receipt: ReceiptHash,
        },
        /// An event was submitted again unchanged; nothing happened.
        EventReplayed {
            /// The stream.
            stream_id: StreamId,
            /// Its place, as before.
            sequence: u64,
            /// The event.
            event_id: EventId,
            /// Receipt hash, as before.
            receipt: ReceiptHash,
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
        /// [`Event::EventSequenced`], [`Event::EventReplayed`] or [`Event::EventRejected`] for
        /// each event, in order.
        #[pallet::call_index(0)]
        #[pallet::weight(Pallet::<T>::submission_weight(events))]
        #[pallet::authorize(|source, events| Pallet::<T>::authorize_submission(source, events))]
        #[pallet::weight_of_authorize(Pallet::<T>::authorization_weight(events))]
        pub fn submit_events(origin: OriginFor<T>, events: Submission) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::sequence_submission(&events);
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Reserves the part of `on_finalize` that does not depend on what is submitted; each
        /// submission pays for its own leaves and streams.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            T::WeightInfo::commit_block_base()
        }

        fn on_finalize(block: BlockNumberFor<T>) {
            Self::commit_batches(block);
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
