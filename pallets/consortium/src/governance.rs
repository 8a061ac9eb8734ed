// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the council decides: who validates, and who sits in it.

use crate::{
    Config, Error, Event, Member, Members, Minimum, Pallet,
    frame_support::{
        ensure,
        pallet_prelude::DispatchResult,
        traits::{ChangeMembers, Get},
    },
    frame_system::Pallet as System,
    pallet_session,
};
use alloc::vec::Vec;

impl<T: Config> Pallet<T> {
    /// The session that begins next. What happens before it is nothing a newcomer answers for.
    fn next_index() -> u32 {
        pallet_session::CurrentIndex::<T>::get().saturating_add(1)
    }

    pub(crate) fn do_add_validator(validator: T::AccountId) -> DispatchResult {
        Members::<T>::try_mutate(|members| {
            let known = members.iter().any(|member| member.account == validator);
            ensure!(!known, Error::<T>::ValidatorExists);
            members
                .try_push(Member::new(validator.clone(), Self::next_index()))
                .map_err(|_| Error::<T>::TooManyValidators)
        })?;
        System::<T>::inc_providers(&validator);
        Self::deposit_event(Event::ValidatorAdded { validator });
        Ok(())
    }

    pub(crate) fn do_remove_validator(validator: T::AccountId) -> DispatchResult {
        Members::<T>::try_mutate(|members| -> DispatchResult {
            let left = members
                .iter()
                .filter(|member| member.account != validator && Self::is_ready(member))
                .count();
            let member = members
                .iter_mut()
                .find(|member| member.account == validator && !member.leaving)
                .ok_or(Error::<T>::ValidatorNotFound)?;
            // One that is no part of the set takes nothing away from it.
            ensure!(
                left >= Minimum::<T>::get() as usize || !Self::is_ready(member),
                Error::<T>::TooFewValidators
            );
            member.leaving = true;
            Ok(())
        })?;
        Self::deposit_event(Event::ValidatorRemoved { validator });
        Ok(())
    }

    pub(crate) fn do_reinstate_validator(validator: T::AccountId) -> DispatchResult {
        Members::<T>::try_mutate(|members| -> DispatchResult {
            let member = members
                .iter_mut()
                .find(|member| member.account == validator)
                .ok_or(Error::<T>::ValidatorNotFound)?;
            ensure!(member.expelled, Error::<T>::NotExpelled);
            member.expelled = false;
            // The set of the next session is planned already; the one after it is a new one.
            member.answers_from = Self::next_index().saturating_add(1);
            Ok(())
        })?;
        if let Some(index) = pallet_session::Pallet::<T>::validator_id_to_index(&validator) {
            pallet_session::Pallet::<T>::reenable_index(index);
        }
        Self::deposit_event(Event::ValidatorReinstated { validator });
        Ok(())
    }

    pub(crate) fn do_set_council(mut members: Vec<T::AccountId>) -> DispatchResult {
        ensure!(!members.is_empty(), Error::<T>::EmptyCouncil);
        members.sort();
        let distinct = members
            .windows(2)
            .all(|pair| matches!(pair, [a, b] if a != b));
        ensure!(distinct, Error::<T>::DuplicateMember);
        let before = T::CouncilMembers::get();
        let (incoming, outgoing) = T::Council::compute_members_diff_sorted(&members, &before);
        for account in &incoming {
            System::<T>::inc_providers(account);
        }
        T::Council::change_members_sorted(&incoming, &outgoing, &members);
        for account in &outgoing {
            System::<T>::dec_providers(account)?;
        }
        let members = u32::try_from(members.len()).unwrap_or(u32::MAX);
        Self::deposit_event(Event::CouncilChanged { members });
        Ok(())
    }
}
