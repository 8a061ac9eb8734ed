// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What follows from an offence: no blocks from now on, and out of the set.

use crate::{
    Config, Event, Members, Pallet, pallet_session,
    types::{Member, tolerated},
};
use alloc::vec::Vec;
use sp_staking::{
    SessionIndex,
    offence::{Offence, OffenceError, ReportOffence},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn member(account: &T::AccountId) -> Option<Member<T::AccountId>> {
        Members::<T>::get()
            .into_iter()
            .find(|member| member.account == *account)
    }

    /// Whether an offence of that session concerns this validator still.
    pub(crate) fn answers_for(account: &T::AccountId, session: SessionIndex) -> bool {
        Self::member(account).is_some_and(|member| member.answers_from <= session)
    }

    pub(crate) fn is_expelled(account: &T::AccountId) -> bool {
        Self::member(account).is_some_and(|member| member.expelled)
    }

    /// Expels a validator. False if it is expelled already, or none.
    pub(crate) fn expel(validator: T::AccountId, offence: [u8; 16], session: SessionIndex) -> bool {
        let news = Members::<T>::mutate(|members| {
            members
                .iter_mut()
                .find(|member| member.account == validator && !member.expelled)
                .map(|member| member.expelled = true)
                .is_some()
        });
        if news {
            Self::deposit_event(Event::ValidatorExpelled {
                validator,
                offence,
                session,
            });
            Self::disable_expelled();
        }
        news
    }

    /// Takes the right to make blocks from those of the present set that are expelled, up to as many
    /// as may fail: with more, one could not tell whether the chain goes on.
    pub(crate) fn disable_expelled() {
        let set = pallet_session::Validators::<T>::get();
        let mut disabled = pallet_session::Pallet::<T>::disabled_validators();
        for (index, validator) in (0u32..).zip(&set) {
            if disabled.len() >= tolerated(set.len()) {
                return;
            }
            if Self::is_expelled(validator) && !disabled.contains(&index) {
                pallet_session::Pallet::<T>::disable_index(index);
                disabled.push(index);
            }
        }
    }
}

impl<T: Config, O: Offence<T::AccountId>> ReportOffence<T::AccountId, T::AccountId, O>
    for Pallet<T>
{
    fn report_offence(_reporters: Vec<T::AccountId>, offence: O) -> Result<(), OffenceError> {
        let mut news = false;
        for offender in offence.offenders() {
            news |= Self::expel(offender, O::ID, offence.session_index());
        }
        news.then_some(()).ok_or(OffenceError::DuplicateReport)
    }

    /// One offence is as good as another: who is expelled is not reported again, so that nobody fills
    /// the state by signing ever more of them.
    fn is_known_offence(offenders: &[T::AccountId], _: &O::Slot) -> bool {
        offenders.iter().all(Self::is_expelled)
    }
}
