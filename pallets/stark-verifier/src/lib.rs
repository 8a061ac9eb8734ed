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
#[cfg(any(test, feature = "runtime-benchmarks"))]
mod benchmarking;
mod integrity;
pub mod migrations;
#[cfg(test)]
mod mock;
mod quota;
mod single;
mod stark;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use pallet::*;
pub use weights::WeightInfo;

/// Proofs, totals and quotas.
#[frame_support::pallet]
pub mod pallet {
    #[cfg(feature = "try-runtime")]
    use super::sp_runtime;
    use super::{WeightInfo, frame_support, frame_system, migrations, polkadot_sdk};
    use alloc::boxed::Box;
    use frame_support::pallet_prelude::*;
    use frame_system::{ensure_authorized, pallet_prelude::*};
    use ves_primitives::{
        AgentId, AmountCommitment, BatchId, EventId, PolicyHash, ProofHash, StateRoot, StreamId,
        TenantId, limits,
        proof::{
            BatchProofRecord, BatchProofSubmission, ProofRecord, ProofRefusal, ProofSubmission,
        },
        registry::AuthorDirectory,
        sequencer::SequencedEvents,
    };
    use ves_stark_air::CIRCUIT_VERSION;

    /// Keys of one event's proofs.
    pub type ProofKeys = BoundedVec<[u8; 32], ConstU32<{ limits::MAX_PROOFS_PER_EVENT }>>;

    /// What an agent has spent on proofs.
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
    pub struct Spending {
        /// Number of the window: block number divided by its length.
        pub window: u32,
        /// Units spent in it.
        pub units: u32,
    }

    #[pallet::pallet]
    #[pallet::storage_version(migrations::STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config: polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// Who may switch a circuit off and on.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Who may sign, and with which key.
        type Authors: AuthorDirectory;
        /// What was sequenced.
        type Events: SequencedEvents;
        /// Measured weights.
        type WeightInfo: WeightInfo;
        /// Puts into state what benchmarks prove things about.
        #[cfg(feature = "runtime-benchmarks")]
        type BenchmarkHelper: crate::BenchmarkHelper;
    }

    /// Verified proofs of single events, by stream and the hash of event, policy and commitment.
    // Hashers: Identity - a stream id is a SHA-256, a key a Blake2 output. Bound:
    // `MAX_PROOFS_PER_EVENT` per sequenced event. Kept for ever: verdicts are what the pallet is for.
    #[pallet::storage]
    pub type Proofs<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Identity, [u8; 32], ProofRecord>;

    /// Keys of an event's proofs, oldest first.
    // Hashers: Identity for the stream (as `Proofs`), Blake2 for the event id, which agents choose.
    // Bound and lifetime: as `Proofs`.
    #[pallet::storage]
    pub type ProofsOfEvent<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Blake2_128Concat, EventId, ProofKeys, ValueQuery>;

    /// The verified proof of a batch, by stream and number of the batch; the first one stays.
    // Hashers: Identity as `Proofs`; Twox for the number, which the chain counts itself. Bound: one
    // per batch. Kept for ever: the relay may be down for long.
    #[pallet::storage]
    pub type BatchProofs<T: Config> =
        StorageDoubleMap<_, Identity, StreamId, Twox64Concat, u64, BatchProofRecord>;

    /// What each agent has spent on proofs in its last window.
    // Hashers: Blake2 - tenants and agents choose their ids. Bound: one per registered agent.
    // Overwritten, never removed.
    #[pallet::storage]
    pub type QuotaSpent<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        TenantId,
        Blake2_128Concat,
        AgentId,
        Spending,
        ValueQuery,
    >;

    /// Submissions of proofs dispatched in this block. Zero between blocks.
    #[pallet::storage]
    pub type ProofsInBlock<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// The committed total of each budget: by stream, agent and policy.
    // Hashers: Identity for stream and policy (SHA-256 outputs), Blake2 for the agent's id. Bound:
    // one per verified budget proof. Kept for ever: a total must never restart.
    #[pallet::storage]
    pub type BudgetTotals<T: Config> = StorageNMap<
        _,
        (
            NMapKey<Identity, StreamId>,
            NMapKey<Blake2_128Concat, AgentId>,
            NMapKey<Identity, PolicyHash>,
        ),
        AmountCommitment,
    >;

    /// Circuits that governance has switched off.
    // Hasher: Twox - governance chooses. Bound: one per circuit version. Removed when switched on.
    #[pallet::storage]
    pub type DisabledCircuits<T: Config> = StorageMap<_, Twox64Concat, u32, ()>;

    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// An event is proven to obey a policy.
        ProofVerified {
            /// The stream.
            stream_id: StreamId,
            /// The event.
            event_id: EventId,
            /// Its place in the stream.
            sequence: u64,
            /// Its agent.
            agent_id: AgentId,
            /// The policy.
            policy_hash: PolicyHash,
            /// Largest amount the policy allows, inclusive.
            limit: u64,
            /// Hash of the proof.
            proof_hash: ProofHash,
            /// Length of the proof.
            bytes: u32,
        },
        /// A proof about an event was refused; nothing of it is kept.
        ProofRejected {
            /// The stream.
            stream_id: StreamId,
            /// The event.
            event_id: EventId,
            /// Its agent.
            agent_id: AgentId,
            /// Why.
            reason: ProofRefusal,
            /// What it cost the agent.
            units: u32,
        },
        /// Every event of a batch is proven to obey a policy.
        BatchProofVerified {
            /// The stream.
            stream_id: StreamId,
            /// The batch.
            batch_id: BatchId,
            /// Its number within the stream.
            batch_index: u64,
            /// Who submitted the proof.
            agent_id: AgentId,
            /// The policy.
            policy_hash: PolicyHash,
            /// Largest amount the policy allows, inclusive.
            policy_limit: u64,
            /// Hash of the proof, as anchored.
            proof_hash: ProofHash,
            /// Length of the proof.
            bytes: u32,
            /// State root before the batch.
            prev_state_root: StateRoot,
            /// State root after the batch.
            new_state_root: StateRoot,
        },
        /// A proof about a batch was refused; nothing of it is kept.
        BatchProofRejected {
            /// The stream.
            stream_id: StreamId,
            /// Number of the batch within the stream.
            batch_index: u64,
            /// Who submitted the proof.
            agent_id: AgentId,
            /// Why.
            reason: ProofRefusal,
            /// What it cost the submitter.
            units: u32,
        },
        /// Governance switched a circuit on or off.
        CircuitSet {
            /// The circuit.
            version: u32,
            /// Whether its proofs are accepted.
            enabled: bool,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// This runtime has no circuit of that version.
        UnknownCircuit,
    }

    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// Version of the circuits this runtime verifies.
        fn circuit_version() -> u32 {
            CIRCUIT_VERSION
        }
        /// Longest proof of one event without a budget, bytes.
        fn max_proof_bytes() -> u32 {
            limits::MAX_PROOF_BYTES
        }
        /// Longest proof of a batch or a budget step, bytes.
        fn max_batch_proof_bytes() -> u32 {
            limits::MAX_BATCH_PROOF_BYTES
        }
        /// Most events of one batch proof.
        fn max_proof_events() -> u32 {
            limits::MAX_PROOF_EVENTS
        }
        /// Most submissions of proofs in one block.
        fn max_proofs_per_block() -> u32 {
            limits::MAX_PROOFS_PER_BLOCK
        }
        /// Most proofs kept of one event.
        fn max_proofs_per_event() -> u32 {
            limits::MAX_PROOFS_PER_EVENT
        }
        /// Units an agent may spend in one window.
        fn quota_units() -> u32 {
            limits::PROOF_QUOTA_UNITS
        }
        /// Blocks of one window.
        fn quota_window_blocks() -> u32 {
            limits::PROOF_QUOTA_WINDOW_BLOCKS
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Submits a proof that one event obeys a policy.
        ///
        /// ## Dispatch Origin
        /// Nobody: the signature of the event's agent authorises the call, and anyone may carry it.
        /// No account, no nonce, no fee.
        /// ## Details
        /// Checks go from cheap to dear; the transaction pool makes all but the proof's own
        /// verification. A submission that its agent signed costs the agent one unit of quota, or
        /// eight if the proof does not hold.
        /// ## Errors
        /// None: a refusal is an event, so that it can cost.
        /// ## Events
        /// [`Event::ProofVerified`] or [`Event::ProofRejected`].
        #[pallet::call_index(0)]
        #[pallet::weight(Pallet::<T>::proof_weight(submission))]
        #[pallet::authorize(|source, submission| Pallet::<T>::authorize_proof(source, submission))]
        #[pallet::weight_of_authorize(T::WeightInfo::authorize_proof())]
        pub fn submit_proof(
            origin: OriginFor<T>,
            submission: Box<ProofSubmission>,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::settle_proof(*submission);
            Ok(())
        }

        /// Submits a proof that every event of a batch obeys a policy.
        ///
        /// ## Dispatch Origin
        /// Nobody: the signature of an agent of the tenant authorises the call, and anyone may
        /// carry it. No account, no nonce, no fee.
        /// ## Details
        /// The entries must be all events of the batch in order, each endorsed by its own agent.
        /// Costs the submitter one unit of quota, or eight if an entry or the proof does not hold.
        /// ## Errors
        /// None: a refusal is an event, so that it can cost.
        /// ## Events
        /// [`Event::BatchProofVerified`] or [`Event::BatchProofRejected`].
        #[pallet::call_index(1)]
        #[pallet::weight(Pallet::<T>::batch_proof_weight(submission))]
        #[pallet::authorize(|source, submission| {
            Pallet::<T>::authorize_batch_proof(source, submission)
        })]
        #[pallet::weight_of_authorize(T::WeightInfo::authorize_batch_proof())]
        pub fn submit_batch_proof(
            origin: OriginFor<T>,
            submission: Box<BatchProofSubmission>,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::settle_batch_proof(*submission);
            Ok(())
        }

        /// Switches a circuit off or on.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// Proofs for a circuit that is off are refused by pool and dispatch. Verdicts stay.
        /// ## Errors
        /// [`Error::UnknownCircuit`].
        /// ## Events
        /// [`Event::CircuitSet`].
        #[pallet::call_index(2)]
        #[pallet::weight(T::WeightInfo::set_circuit_enabled())]
        pub fn set_circuit_enabled(
            origin: OriginFor<T>,
            version: u32,
            enabled: bool,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            ensure!(version == CIRCUIT_VERSION, Error::<T>::UnknownCircuit);
            if enabled {
                DisabledCircuits::<T>::remove(version);
            } else {
                DisabledCircuits::<T>::insert(version, ());
            }
            Self::deposit_event(Event::CircuitSet { version, enabled });
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Reserves `on_finalize`.
        fn on_initialize(_: BlockNumberFor<T>) -> Weight {
            T::WeightInfo::end_block()
        }

        fn on_finalize(_: BlockNumberFor<T>) {
            ProofsInBlock::<T>::kill();
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
