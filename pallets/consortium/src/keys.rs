// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whose keys signed in which session.
//!
//! The session pallet's proofs of ownership are made from the keys that are registered now. Whoever
//! registers others right after an offence could not be found any more. So the chain remembers the
//! keys in use (`docs/adr/0040-validators.md`).

use crate::{
    Config, KeyOwnership, Keys, KeysInUse, Members, Pallet,
    frame_support::{
        BoundedVec,
        traits::{Get, KeyOwnerProofSystem},
    },
    pallet_session,
    polkadot_sdk::sp_core::crypto::{KeyTypeId, key_types},
    sp_runtime::traits::{Convert, OpaqueKeys},
};
use alloc::vec::Vec;
use sp_staking::SessionIndex;

/// Who may register session keys: validators that the council has admitted.
pub struct ValidatorIdOf<T>(core::marker::PhantomData<T>);

impl<T: Config> Convert<T::AccountId, Option<T::AccountId>> for ValidatorIdOf<T> {
    fn convert(account: T::AccountId) -> Option<T::AccountId> {
        Members::<T>::get()
            .iter()
            .any(|member| member.account == account && !member.leaving)
            .then_some(account)
    }
}

impl<T: Config> Pallet<T> {
    /// Remembers the keys of a session that begins, and forgets those of the oldest.
    pub(crate) fn remember_keys(session: SessionIndex, keys: Vec<(T::AccountId, T::Keys)>) {
        let raw = |keys: &T::Keys, kind| -> [u8; 32] {
            keys.get_raw(kind).try_into().unwrap_or_default()
        };
        let in_use = keys
            .into_iter()
            .map(|(validator, keys)| KeysInUse {
                validator,
                blocks: raw(&keys, key_types::AURA),
                votes: raw(&keys, key_types::GRANDPA),
            })
            .collect();
        Keys::<T>::insert(session, BoundedVec::truncate_from(in_use));
        if let Some(oldest) = session.checked_sub(T::KeptSessions::get()) {
            Keys::<T>::remove(oldest);
        }
    }

    /// Whose key it was in this session, and how many validators there were.
    pub(crate) fn key_owner(
        session: SessionIndex,
        kind: KeyTypeId,
        key: &[u8],
    ) -> Option<(T::AccountId, u32)> {
        let keys = Keys::<T>::get(session)?;
        let validators = u32::try_from(keys.len()).ok()?;
        let owner = keys
            .into_iter()
            .find(|keys| keys.of(kind).is_some_and(|own| own == key))?;
        Some((owner.validator, validators))
    }

    /// Names the session of a GRANDPA set in which this key was somebody's.
    pub fn key_ownership(
        session: SessionIndex,
        kind: KeyTypeId,
        key: &[u8],
    ) -> Option<KeyOwnership> {
        Self::key_owner(session, kind, key).map(|(_, validators)| KeyOwnership {
            session,
            validators,
        })
    }
}

impl<T: Config, D: AsRef<[u8]>> KeyOwnerProofSystem<(KeyTypeId, D)> for Pallet<T> {
    type Proof = KeyOwnership;
    type IdentificationTuple = T::AccountId;

    fn prove((kind, key): (KeyTypeId, D)) -> Option<KeyOwnership> {
        let session = pallet_session::CurrentIndex::<T>::get();
        Self::key_ownership(session, kind, key.as_ref())
    }

    /// The owner, if it answers for that session.
    fn check_proof((kind, key): (KeyTypeId, D), proof: KeyOwnership) -> Option<T::AccountId> {
        let (owner, validators) = Self::key_owner(proof.session, kind, key.as_ref())?;
        (validators == proof.validators && Self::answers_for(&owner, proof.session))
            .then_some(owner)
    }
}
