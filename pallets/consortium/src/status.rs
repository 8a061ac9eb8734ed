// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the runtime API answers, and how a node of this chain reports.

use crate::{
    Authored, Call, Config, Members, Pallet,
    frame_system::{
        offchain::{CreateAuthorizedTransaction, SubmitTransaction},
        pallet_prelude::HeaderFor,
    },
    pallet_session,
    polkadot_sdk::sp_core::sr25519,
};
use alloc::{boxed::Box, vec::Vec};
use pallet_consortium_runtime_api::ValidatorStatus;

impl<T: Config> Pallet<T> {
    /// Every validator that the council has admitted.
    pub fn statuses() -> Vec<ValidatorStatus<T::AccountId>> {
        let set = pallet_session::Validators::<T>::get();
        let queued = pallet_session::QueuedKeys::<T>::get();
        let disabled = pallet_session::Pallet::<T>::disabled_validators();
        let authored = Authored::<T>::get();
        Members::<T>::get()
            .into_iter()
            .map(|member| {
                let place = set.iter().position(|account| *account == member.account);
                let index = place.and_then(|place| u32::try_from(place).ok());
                ValidatorStatus {
                    has_keys: pallet_session::NextKeys::<T>::contains_key(&member.account),
                    in_set: place.is_some(),
                    in_next_set: queued.iter().any(|(account, _)| *account == member.account),
                    disabled: index.is_some_and(|index| disabled.contains(&index)),
                    leaving: member.leaving,
                    expelled: member.expelled,
                    blocks: place
                        .and_then(|place| authored.get(place).copied())
                        .unwrap_or_default(),
                    account: member.account,
                }
            })
            .collect()
    }

    /// Puts a report of two blocks for one slot into the pool of the node that asks.
    pub fn submit_double_block(
        offender: sr25519::Public,
        first: HeaderFor<T>,
        second: HeaderFor<T>,
    ) -> Option<()>
    where
        T: CreateAuthorizedTransaction<Call<T>>,
    {
        let call = Call::report_double_block {
            offender,
            first: Box::new(first),
            second: Box::new(second),
        };
        let transaction = T::create_authorized_transaction(call.into());
        SubmitTransaction::<T, Call<T>>::submit_transaction(transaction).ok()
    }
}
