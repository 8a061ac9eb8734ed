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

use polkadot_sdk::{
    self, frame_support, frame_system, pallet_authorship, pallet_grandpa, pallet_session, sp_io,
    sp_runtime, sp_session,
};

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod double_blocks;
mod governance;
mod keys;
pub mod migrations;
#[cfg(test)]
mod mock;
pub mod no_currency;
mod offences;
mod set;
mod status;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod try_state;
mod types;
pub mod weights;

pub use double_blocks::{KIND as DOUBLE_BLOCK, MAX_HEADER_BYTES, seal_hash};
pub use keys::ValidatorIdOf;
pub use pallet::*;
pub use set::EndedByConsortium;
pub use types::{KeyOwnership, KeysInUse, Member, Recovery};
pub use weights::WeightInfo;

/// Who runs the chain.
#[frame_support::pallet]
pub mod pallet {
    use super::{
        KeysInUse, Member, Recovery, WeightInfo, frame_support, frame_system, migrations,
        pallet_grandpa, pallet_session, polkadot_sdk, sp_runtime,
    };
    use alloc::{boxed::Box, vec::Vec};
    use frame_support::{pallet_prelude::*, traits::ChangeMembers};
    use frame_system::{ensure_authorized, pallet_prelude::*};
    use polkadot_sdk::sp_core::sr25519;
    use sp_runtime::traits::Zero;
    use sp_staking::SessionIndex;

    #[pallet::pallet]
    #[pallet::storage_version(migrations::STORAGE_VERSION)]
    pub struct Pallet<T>(_);

    #[pallet::config]
    pub trait Config:
        polkadot_sdk::frame_system::Config<RuntimeEvent: From<Event<Self>>>
        + pallet_session::Config<ValidatorId = <Self as frame_system::Config>::AccountId>
        + pallet_grandpa::Config
    {
        /// Who decides: two thirds of the council.
        type GovernanceOrigin: EnsureOrigin<Self::RuntimeOrigin>;
        /// Where the council's members are changed.
        type Council: ChangeMembers<Self::AccountId>;
        /// What [`Self::Council`] may have to do beside: votes in open motions, which the benchmarks of
        /// this pallet do not have.
        type CouncilChangeWeight: Get<Weight>;
        /// The council's members.
        type CouncilMembers: Get<Vec<Self::AccountId>>;
        /// Most members of the council.
        #[pallet::constant]
        type MaxCouncil: Get<u32>;
        /// Most validators, those that wait or leave included.
        #[pallet::constant]
        type MaxValidators: Get<u32>;
        /// Sessions whose keys are remembered, this one included: how long an offence is punished.
        #[pallet::constant]
        type KeptSessions: Get<u32>;
        /// Measured weights.
        type WeightInfo: WeightInfo;
    }

    /// Validators that the council has admitted, in the order of admission.
    // Bound: `MaxValidators`. An entry goes when its validator has left the set.
    #[pallet::storage]
    pub type Members<T: Config> =
        StorageValue<_, BoundedVec<Member<T::AccountId>, T::MaxValidators>, ValueQuery>;

    /// Blocks of a session. Set at genesis: which session a block belongs to follows from its number.
    #[pallet::storage]
    pub type SessionLength<T: Config> = StorageValue<_, BlockNumberFor<T>, ValueQuery>;

    /// Fewer validators than this never are in the set. Set at genesis.
    #[pallet::storage]
    pub type Minimum<T: Config> = StorageValue<_, u32, ValueQuery>;

    /// Blocks of this session by the author's place in the set.
    // Bound: `MaxValidators`. Emptied at the end of each session.
    #[pallet::storage]
    pub type Authored<T: Config> = StorageValue<_, BoundedVec<u32, T::MaxValidators>, ValueQuery>;

    /// Validators that made no block in the session before.
    // Bound: `MaxValidators`. Replaced at the end of each session.
    #[pallet::storage]
    pub type Absent<T: Config> =
        StorageValue<_, BoundedVec<T::AccountId, T::MaxValidators>, ValueQuery>;

    /// With which keys the validators of a session signed, in the order of the set.
    // Hasher: Twox - the chain counts sessions itself. Bound: `KeptSessions` entries of
    // `MaxValidators` each.
    #[pallet::storage]
    pub type Keys<T: Config> = StorageMap<
        _,
        Twox64Concat,
        SessionIndex,
        BoundedVec<KeysInUse<T::AccountId>, T::MaxValidators>,
    >;

    /// The council's order to go on without the votes of the present set, while it is carried out.
    #[pallet::storage]
    pub type PendingRecovery<T: Config> = StorageValue<_, Recovery<BlockNumberFor<T>>>;

    #[pallet::genesis_config]
    #[derive(frame_support::DefaultNoBound)]
    pub struct GenesisConfig<T: Config> {
        /// Blocks of a session.
        pub session_length: BlockNumberFor<T>,
        /// Fewer validators than this never are in the set.
        pub minimum: u32,
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            Pallet::<T>::begin(self.session_length, self.minimum);
        }
    }

    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config> {
        /// The council has admitted a validator. It joins the set once it has registered keys.
        ValidatorAdded {
            /// Its account.
            validator: T::AccountId,
        },
        /// The council has removed a validator. It leaves the set at the end of the next session at
        /// the latest, or when the set can do without it.
        ValidatorRemoved {
            /// Its account.
            validator: T::AccountId,
        },
        /// A removed validator is in no set any more; its keys are forgotten.
        ValidatorLeft {
            /// Its account.
            validator: T::AccountId,
        },
        /// A validator was proven to have signed twice. It makes no more blocks, and leaves the set
        /// as one that is removed.
        ValidatorExpelled {
            /// Its account.
            validator: T::AccountId,
            /// What it did: `grandpa:equivoca` or `ves:double-block`.
            offence: [u8; 16],
            /// The session in which it did that.
            session: SessionIndex,
        },
        /// The council takes a validator back that was expelled.
        ValidatorReinstated {
            /// Its account.
            validator: T::AccountId,
        },
        /// A validator made no block in a whole session.
        ValidatorAbsent {
            /// Its account.
            validator: T::AccountId,
            /// The session.
            session: SessionIndex,
        },
        /// The set changes with this session, or begins anew, so that a validator which was taken back
        /// answers for its votes again.
        SetChanges {
            /// First session of the new set.
            session: SessionIndex,
            /// Validators it has.
            validators: u32,
        },
        /// A change is held back: the new set would be too small, or could not finalize with those
        /// validators that made blocks in the session before, or the present one could not finalize
        /// the change with those.
        ChangeHeldBack {
            /// Validators the new set would have.
            validators: u32,
            /// Those of them that are known to be present; if the present set is at fault, those of that.
            present: u32,
            /// How many must be present, or the smallest set, whichever is more.
            needed: u32,
        },
        /// The council has other members.
        CouncilChanged {
            /// How many it has.
            members: u32,
        },
        /// The council has ordered to go on with the next set without the votes of the present one.
        RecoveryOrdered,
        /// The set changes by force.
        Recovered {
            /// First session of the new set.
            session: SessionIndex,
        },
        /// The order to go on by force is void: the next set could not finalize either.
        RecoveryDropped {
            /// Validators the next set would have.
            validators: u32,
            /// Those of them that are not known to be absent.
            present: u32,
            /// How many must be present.
            needed: u32,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// The account is a validator already.
        ValidatorExists,
        /// The account is no validator.
        ValidatorNotFound,
        /// There is no room for another validator.
        TooManyValidators,
        /// Without it there are fewer validators with keys than the chain needs. Add one first.
        TooFewValidators,
        /// The validator was not expelled.
        NotExpelled,
        /// A council has members.
        EmptyCouncil,
        /// The council has an account twice.
        DuplicateMember,
        /// The delay is not shorter than a session.
        DelayTooLong,
        /// The report names a validator that does not answer for it: it has left, was taken back
        /// since, or the session is too long ago.
        NotAccountable,
        /// The validator is expelled already.
        AlreadyExpelled,
        /// A header is longer than any of this chain.
        HeaderTooLong,
        /// The headers are not two of one slot.
        NoDoubleBlock,
        /// A header does not follow a block of this chain that is remembered.
        UnknownParent,
        /// A header is not sealed by this key.
        BadSeal,
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Admits a validator.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// The account may then transact and register keys (`Session.set_keys`). With keys it joins
        /// the set, no faster than those that are known to be present can finalize with it.
        /// ## Errors
        /// [`Error::ValidatorExists`], [`Error::TooManyValidators`].
        /// ## Events
        /// [`Event::ValidatorAdded`].
        #[pallet::call_index(0)]
        #[pallet::weight(<T as Config>::WeightInfo::add_validator())]
        pub fn add_validator(origin: OriginFor<T>, validator: T::AccountId) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_add_validator(validator)
        }

        /// Removes a validator.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// It stays in the set until the session after the next begins, and longer if the set could
        /// not finalize without it.
        /// ## Errors
        /// [`Error::ValidatorNotFound`], [`Error::TooFewValidators`].
        /// ## Events
        /// [`Event::ValidatorRemoved`].
        #[pallet::call_index(1)]
        #[pallet::weight(<T as Config>::WeightInfo::remove_validator())]
        pub fn remove_validator(origin: OriginFor<T>, validator: T::AccountId) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_remove_validator(validator)
        }

        /// Takes a validator back that was expelled.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// What it did up to the session after this one does not count any more: with the session after
        /// that, a new set begins, of the same validators unless others are due. It may make blocks at once.
        /// ## Errors
        /// [`Error::ValidatorNotFound`], [`Error::NotExpelled`].
        /// ## Events
        /// [`Event::ValidatorReinstated`].
        #[pallet::call_index(2)]
        #[pallet::weight(<T as Config>::WeightInfo::reinstate_validator())]
        pub fn reinstate_validator(
            origin: OriginFor<T>,
            validator: T::AccountId,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_reinstate_validator(validator)
        }

        /// Sets the council's members.
        ///
        /// ## Dispatch Origin
        /// Governance: the present council.
        /// ## Details
        /// Members may transact as long as they are members. Votes of those who leave are void.
        /// ## Errors
        /// [`Error::EmptyCouncil`], [`Error::DuplicateMember`].
        /// ## Events
        /// [`Event::CouncilChanged`].
        #[pallet::call_index(3)]
        #[pallet::weight(
            <T as Config>::WeightInfo::set_council().saturating_add(T::CouncilChangeWeight::get())
        )]
        pub fn set_council(
            origin: OriginFor<T>,
            members: BoundedVec<T::AccountId, T::MaxCouncil>,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            Self::do_set_council(members.into_inner())
        }

        /// Authorizes the code with this hash as the next runtime.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// First of two steps: anybody may then bring the code (`System.apply_authorized_upgrade`).
        /// It must be of this chain and of a higher version.
        /// ## Events
        /// `System.UpgradeAuthorized`.
        #[pallet::call_index(4)]
        #[pallet::weight(<T as Config>::WeightInfo::authorize_upgrade())]
        pub fn authorize_upgrade(origin: OriginFor<T>, code_hash: T::Hash) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            frame_system::Pallet::<T>::do_authorize_upgrade(code_hash, true);
            Ok(())
        }

        /// Goes on without the votes of the present set, of which a third or more is gone for ever.
        ///
        /// ## Dispatch Origin
        /// Governance.
        /// ## Details
        /// At the end of this session the next set is planned of all that belong into it, whoever is
        /// present and however few they are; the least number of validators falls to that. When it
        /// begins, it is announced to GRANDPA as a forced change, which takes effect `delay` blocks later
        /// without being final. Readers cannot follow it by themselves: they have to be told the new set.
        /// It may have the members of the present set. If more of those are absent than may fail, the
        /// order is void.
        /// ## Errors
        /// [`Error::DelayTooLong`].
        /// ## Events
        /// [`Event::RecoveryOrdered`], later [`Event::Recovered`] or [`Event::RecoveryDropped`].
        #[pallet::call_index(5)]
        #[pallet::weight(<T as Config>::WeightInfo::recover_finality())]
        pub fn recover_finality(
            origin: OriginFor<T>,
            delay: BlockNumberFor<T>,
            best_finalized: BlockNumberFor<T>,
        ) -> DispatchResult {
            T::GovernanceOrigin::ensure_origin(origin)?;
            // Another change could not be announced while this one waits.
            ensure!(delay < SessionLength::<T>::get(), Error::<T>::DelayTooLong);
            PendingRecovery::<T>::put(Recovery {
                delay,
                best_finalized,
                planned: false,
            });
            Self::deposit_event(Event::RecoveryOrdered);
            Ok(())
        }

        /// Reports two blocks that one validator made for one slot.
        ///
        /// ## Dispatch Origin
        /// Anybody, without an account: the proof speaks for itself.
        /// ## Details
        /// Both headers must follow blocks of this chain that it remembers, so that blocks of another
        /// chain under the same key are no proof. The transaction pool refuses what would fail here.
        /// ## Errors
        /// [`Error::NotAccountable`], [`Error::AlreadyExpelled`], [`Error::HeaderTooLong`],
        /// [`Error::NoDoubleBlock`], [`Error::UnknownParent`], [`Error::BadSeal`].
        /// ## Events
        /// [`Event::ValidatorExpelled`].
        #[pallet::call_index(6)]
        #[pallet::weight(<T as Config>::WeightInfo::report_double_block())]
        #[pallet::authorize(|source, offender, first, second| {
            Pallet::<T>::authorize_double_block(source, offender, first, second)
        })]
        #[pallet::weight_of_authorize(<T as Config>::WeightInfo::authorize_double_block())]
        pub fn report_double_block(
            origin: OriginFor<T>,
            offender: sr25519::Public,
            first: Box<HeaderFor<T>>,
            second: Box<HeaderFor<T>>,
        ) -> DispatchResult {
            ensure_authorized(origin)?;
            Self::do_report_double_block(&offender, &first, &second)?;
            Ok(())
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        /// Ends the session after its last block. The session pallet would do so itself, and declare
        /// the whole block as used.
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            let length = SessionLength::<T>::get();
            #[expect(clippy::arithmetic_side_effects, reason = "only zero has no remainder")]
            if length.is_zero() || !(now % length).is_zero() {
                return <T as Config>::WeightInfo::note_author();
            }
            let validators = Self::next_session();
            <T as Config>::WeightInfo::note_author()
                .saturating_add(<T as Config>::WeightInfo::next_session(validators))
        }

        fn integrity_test() {
            assert!(
                T::MaxValidators::get() <= <T as pallet_grandpa::Config>::MaxAuthorities::get(),
                "GRANDPA must have room for every validator",
            );
            assert!(
                u64::from(T::KeptSessions::get()) <= T::MaxSetIdSessionEntries::get(),
                "GRANDPA must know the sets of all remembered sessions",
            );
            let most = T::BlockWeights::get().max_block.div(10);
            assert!(
                <T as Config>::WeightInfo::next_session(T::MaxValidators::get()).all_lte(most),
                "the end of a session takes too much of a block",
            );
        }

        #[cfg(feature = "try-runtime")]
        fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::do_try_state()
        }
    }
}
