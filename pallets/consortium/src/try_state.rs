// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pallet's invariants, each a named check.

use crate::{
    Config, Keys, Members, Minimum, Pallet, SessionLength,
    frame_support::traits::Get,
    frame_system, pallet_session,
    sp_runtime::{SaturatedConversion, TryRuntimeError, traits::Zero},
};

impl<T: Config> Pallet<T> {
    /// Runs every check; ask between blocks.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn do_try_state() -> Result<(), TryRuntimeError> {
        Self::members_are_distinct_accounts_that_may_transact()?;
        Self::the_set_consists_of_members_and_is_large_enough()?;
        Self::sessions_follow_from_block_numbers()?;
        Self::keys_of_the_present_set_are_remembered()
    }

    fn members_are_distinct_accounts_that_may_transact() -> Result<(), TryRuntimeError> {
        let members = Members::<T>::get();
        for (place, member) in members.iter().enumerate() {
            let same = |other: &crate::Member<T::AccountId>| other.account == member.account;
            if members.iter().skip(place.saturating_add(1)).any(same) {
                return Err("a validator is a member twice".into());
            }
            if frame_system::Pallet::<T>::providers(&member.account).is_zero() {
                return Err("a validator's account cannot transact".into());
            }
        }
        Ok(())
    }

    fn the_set_consists_of_members_and_is_large_enough() -> Result<(), TryRuntimeError> {
        let set = pallet_session::Validators::<T>::get();
        if set.len() < Minimum::<T>::get() as usize {
            return Err("the set is smaller than its minimum".into());
        }
        let members = Members::<T>::get();
        let is_member =
            |account: &T::AccountId| members.iter().any(|member| member.account == *account);
        let queued = pallet_session::QueuedKeys::<T>::get();
        set.iter()
            .chain(queued.iter().map(|(account, _)| account))
            .all(is_member)
            .then_some(())
            .ok_or_else(|| "a validator is no member".into())
    }

    fn sessions_follow_from_block_numbers() -> Result<(), TryRuntimeError> {
        let length = SessionLength::<T>::get();
        if length.is_zero() {
            return Ok(());
        }
        let now = frame_system::Pallet::<T>::block_number();
        #[expect(clippy::arithmetic_side_effects, reason = "the length is not zero")]
        let index: u32 = (now / length).saturated_into();
        (pallet_session::CurrentIndex::<T>::get() == index)
            .then_some(())
            .ok_or_else(|| "a session did not begin when it should".into())
    }

    fn keys_of_the_present_set_are_remembered() -> Result<(), TryRuntimeError> {
        let keys = Keys::<T>::get(pallet_session::CurrentIndex::<T>::get())
            .ok_or("the keys of this session are not remembered")?;
        let owners = keys.iter().map(|keys| &keys.validator);
        if !owners.eq(pallet_session::Validators::<T>::get().iter()) {
            return Err("the remembered keys are not the set's".into());
        }
        if Keys::<T>::iter_keys().count() > T::KeptSessions::get() as usize {
            return Err("keys of too many sessions are remembered".into());
        }
        Ok(())
    }
}
