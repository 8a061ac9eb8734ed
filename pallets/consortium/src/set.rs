// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which validators are in the set, session by session.

use crate::{
    Absent, Authored, Config, Event, Member, Members, Minimum, Pallet, PendingRecovery, Recovery,
    SessionLength,
    frame_support::{
        BoundedVec,
        traits::{DefensiveResult, Get},
    },
    frame_system::{self, RawOrigin, pallet_prelude::BlockNumberFor},
    pallet_authorship, pallet_grandpa, pallet_session,
    types::threshold,
};
use alloc::vec::Vec;
use sp_staking::SessionIndex;

/// Tells the session pallet that its own hook has nothing to do: this pallet ends sessions.
pub struct EndedByConsortium;

impl<BlockNumber> pallet_session::ShouldEndSession<BlockNumber> for EndedByConsortium {
    fn should_end_session(_: BlockNumber) -> bool {
        false
    }
}

/// A validator had at least so many turns in a session, or nobody is called absent.
const TURNS: u32 = 2;

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl<T: Config> Pallet<T> {
    /// Takes over the session pallet's validators of the genesis, which is built before.
    pub(crate) fn begin(length: BlockNumberFor<T>, minimum: u32) {
        SessionLength::<T>::put(length);
        Minimum::<T>::put(minimum);
        let validators = pallet_session::Validators::<T>::get();
        assert!(
            validators.len() >= minimum as usize,
            "the genesis has fewer validators than its minimum"
        );
        for validator in &validators {
            // The session pallet has given accounts that had none a provider, which is this pallet's,
            // and no consumer, which is its own.
            let system = frame_system::Pallet::<T>::inc_consumers(validator);
            assert!(system.is_ok(), "the genesis has a validator twice");
        }
        let members: Vec<_> = validators
            .into_iter()
            .map(|account| Member::new(account, 0))
            .collect();
        Members::<T>::put(
            BoundedVec::<_, T::MaxValidators>::try_from(members).unwrap_or_else(|_| {
                panic!("the genesis has more validators than the chain has room for")
            }),
        );
        Self::remember_keys(0, pallet_session::QueuedKeys::<T>::get());
    }

    /// Whether it belongs into the set and has keys.
    pub(crate) fn is_ready(member: &Member<T::AccountId>) -> bool {
        member.belongs() && pallet_session::NextKeys::<T>::contains_key(&member.account)
    }

    /// Ends a session and begins the next. Returns how many validators it was about.
    pub(crate) fn next_session() -> u32 {
        Self::note_absent();
        if let Some(recovery) = PendingRecovery::<T>::get().filter(|recovery| recovery.planned) {
            Self::force(recovery);
        }
        // What is queued is in use once the session has begun.
        let keys = pallet_session::QueuedKeys::<T>::get();
        pallet_session::Pallet::<T>::rotate_session();
        let validators = count(
            keys.len()
                .max(Members::<T>::decode_len().unwrap_or_default()),
        );
        Self::remember_keys(pallet_session::CurrentIndex::<T>::get(), keys);
        // A change of the set forgets who was disabled.
        Self::disable_expelled();
        validators
    }

    /// Who made no block in the session that ends.
    fn note_absent() {
        let session = pallet_session::CurrentIndex::<T>::get();
        let set = pallet_session::Validators::<T>::get();
        let authored = Authored::<T>::take();
        let blocks = authored.iter().fold(0u32, |sum, n| sum.saturating_add(*n));
        let long_enough = blocks >= count(set.len()).saturating_mul(TURNS);
        let counts = authored.into_iter().chain(core::iter::repeat(0));
        let absent: Vec<_> = set
            .into_iter()
            .zip(counts)
            .filter(|(_, blocks)| long_enough && *blocks == 0)
            .map(|(validator, _)| validator)
            .collect();
        for validator in absent.iter().cloned() {
            Self::deposit_event(Event::ValidatorAbsent { validator, session });
        }
        Absent::<T>::put(BoundedVec::truncate_from(absent));
    }

    /// Tells GRANDPA that the set which begins now does not need the old one's votes.
    fn force(recovery: Recovery<BlockNumberFor<T>>) {
        PendingRecovery::<T>::kill();
        let done = pallet_grandpa::Pallet::<T>::note_stalled(
            RawOrigin::Root.into(),
            recovery.delay,
            recovery.best_finalized,
        );
        done.defensive_ok();
        let session = pallet_session::CurrentIndex::<T>::get().saturating_add(1);
        Self::deposit_event(Event::Recovered { session });
    }

    /// Whether so many of these made blocks in the session before, or are new, that they could finalize, as
    /// counts: who is there, and who is needed.
    fn strength(validators: &[T::AccountId]) -> (usize, usize) {
        let absent = Absent::<T>::get();
        let present = validators.iter().filter(|one| !absent.contains(one));
        (present.count(), threshold(validators.len()))
    }

    /// The set after the present one, if another begins with this session.
    fn plan(active: &[T::AccountId], session: SessionIndex) -> Option<Vec<T::AccountId>> {
        Self::change(active).or_else(|| Self::renewal(active, session))
    }

    /// The set after the present one, if it is another, or the council has ordered to go on by force.
    ///
    /// Newcomers are admitted as long as those who are known to be present could finalize without
    /// them: nobody has shown yet that they run. Whoever goes, goes only if the rest is large enough
    /// and can finalize; and nothing changes that the present set could not finalize.
    fn change(active: &[T::AccountId]) -> Option<Vec<T::AccountId>> {
        let members = Members::<T>::get();
        let recovery = PendingRecovery::<T>::get();
        let ready: Vec<_> = members
            .iter()
            .filter(|member| Self::is_ready(member))
            .map(|member| &member.account)
            .collect();
        let mut next: Vec<_> = active
            .iter()
            .filter(|account| ready.contains(account))
            .cloned()
            .collect();
        let (present, _) = Self::strength(&next);
        for newcomer in ready {
            if active.contains(newcomer) {
                continue;
            }
            if recovery.is_some() || threshold(next.len().saturating_add(1)) <= present {
                next.push(newcomer.clone());
            }
        }
        if let Some(recovery) = recovery {
            return Self::recover(recovery, next);
        }
        if next == active {
            return None;
        }
        let minimum = Minimum::<T>::get();
        let needed = threshold(next.len());
        let weak = next.is_empty() || next.len() < minimum as usize || present < needed;
        // What the old set does not finalize stands in the way of a recovery later.
        let (old, old_needed) = Self::strength(active);
        if weak || old < old_needed {
            let (present, needed) = match weak {
                true => (present, minimum.max(count(needed))),
                false => (old, count(old_needed)),
            };
            Self::deposit_event(Event::ChangeHeldBack {
                validators: count(next.len()),
                present: count(present),
                needed,
            });
            return None;
        }
        Some(next)
    }

    /// Plans the set that takes over by force. It may be the present one: the set that still has to vote
    /// may be an older one, which will not. An order that this set could not carry out either is dropped,
    /// so that none is carried out when nobody thinks of it any more.
    fn recover(
        recovery: Recovery<BlockNumberFor<T>>,
        next: Vec<T::AccountId>,
    ) -> Option<Vec<T::AccountId>> {
        let (present, needed) = Self::strength(&next);
        if next.is_empty() || present < needed {
            PendingRecovery::<T>::kill();
            Self::deposit_event(Event::RecoveryDropped {
                validators: count(next.len()),
                present: count(present),
                needed: count(needed),
            });
            return None;
        }
        Minimum::<T>::mutate(|minimum| *minimum = (*minimum).min(count(next.len())));
        PendingRecovery::<T>::put(Recovery {
            planned: true,
            ..recovery
        });
        Some(next)
    }

    /// The present set once more, as a new one, if it has a validator that was taken back and answers from
    /// this session on. A vote names its set and no session: without a new set, forgiven votes could be
    /// reported as if they were of today.
    fn renewal(active: &[T::AccountId], session: SessionIndex) -> Option<Vec<T::AccountId>> {
        let is_due = |member: &Member<T::AccountId>| {
            member.answers_from == session && active.contains(&member.account)
        };
        if !Members::<T>::get().iter().any(is_due) {
            return None;
        }
        let (present, needed) = Self::strength(active);
        if present < needed {
            // It would not become final now: a session later.
            Members::<T>::mutate(|members| {
                for member in members.iter_mut().filter(|member| is_due(member)) {
                    member.answers_from = session.saturating_add(1);
                }
            });
            return None;
        }
        Some(active.to_vec())
    }

    /// Forgets those who were removed and are in no set any more.
    fn let_go(active: &[T::AccountId], next: Option<&[T::AccountId]>) {
        let next = next.unwrap_or(active);
        let is_gone = |member: &Member<T::AccountId>| {
            member.leaving && !active.contains(&member.account) && !next.contains(&member.account)
        };
        let members = Members::<T>::get();
        for member in members.iter().filter(|member| is_gone(member)) {
            let validator = member.account.clone();
            if pallet_session::NextKeys::<T>::contains_key(&validator) {
                let signed = RawOrigin::Signed(validator.clone());
                pallet_session::Pallet::<T>::purge_keys(signed.into()).defensive_ok();
            }
            frame_system::Pallet::<T>::dec_providers(&validator).defensive_ok();
            Self::deposit_event(Event::ValidatorLeft { validator });
        }
        if members.iter().any(is_gone) {
            Members::<T>::mutate(|members| members.retain(|member| !is_gone(member)));
        }
    }
}

impl<T: Config> pallet_session::SessionManager<T::AccountId> for Pallet<T> {
    fn new_session(session: SessionIndex) -> Option<Vec<T::AccountId>> {
        // At genesis the session pallet takes its own list, of which this pallet learns later.
        if !Members::<T>::exists() {
            return None;
        }
        let active = pallet_session::Validators::<T>::get();
        let next = Self::plan(&active, session);
        if let Some(next) = &next {
            let validators = count(next.len());
            Self::deposit_event(Event::SetChanges {
                session,
                validators,
            });
        }
        Self::let_go(&active, next.as_deref());
        next
    }

    fn start_session(_: SessionIndex) {}

    fn end_session(_: SessionIndex) {}
}

impl<T: Config> pallet_authorship::EventHandler<T::AccountId, BlockNumberFor<T>> for Pallet<T> {
    fn note_author(author: T::AccountId) {
        let Some(index) = pallet_session::Pallet::<T>::validator_id_to_index(&author) else {
            return;
        };
        let index = index as usize;
        if index >= T::MaxValidators::get() as usize {
            return;
        }
        Authored::<T>::mutate(|authored| {
            if authored.len() <= index {
                authored.bounded_resize(index.saturating_add(1), 0);
            }
            if let Some(blocks) = authored.get_mut(index) {
                *blocks = blocks.saturating_add(1);
            }
        });
    }
}
