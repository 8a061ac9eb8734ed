// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Two blocks of one author for one slot. The SDK reports no such offence for Aura, so this pallet
//! judges the two headers itself.

use crate::{
    Config, Error, Pallet, SessionLength,
    frame_support::{
        ensure,
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityWithRefund, ValidTransaction,
        },
        weights::Weight,
    },
    frame_system::{self, pallet_prelude::HeaderFor},
    polkadot_sdk::{
        sp_consensus_aura::{AURA_ENGINE_ID, Slot},
        sp_core::{crypto::key_types, sr25519},
    },
    sp_io,
    sp_runtime::{
        DigestItem, SaturatedConversion,
        traits::{Header as _, One, Saturating, Zero},
    },
};
use alloc::vec;
use codec::{Decode, Encode};
use sp_staking::SessionIndex;

/// Name of the offence.
pub const KIND: [u8; 16] = *b"ves:double-block";
/// Longest header that is looked at. With a change of the largest set in it, a header has about 5 KiB.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Blocks that a report may wait in the pool.
const LONGEVITY: u64 = 64;
const TAG: &[u8] = b"ves/double-block";

fn slot_of<T: Config>(header: &HeaderFor<T>) -> Option<Slot> {
    header.digest().logs().iter().find_map(|log| match log {
        DigestItem::PreRuntime(AURA_ENGINE_ID, data) => Slot::decode(&mut &data[..]).ok(),
        _ => None,
    })
}

/// What the author has signed: the hash of the header without its seal. And the seal.
pub fn seal_hash<H: polkadot_sdk::sp_runtime::traits::Header>(
    header: &H,
) -> Option<(H::Hash, sr25519::Signature)> {
    let mut header = header.clone();
    let Some(DigestItem::Seal(AURA_ENGINE_ID, seal)) = header.digest_mut().pop() else {
        return None;
    };
    let seal = <[u8; 64]>::try_from(seal).ok()?;
    Some((header.hash(), sr25519::Signature::from_raw(seal)))
}

impl<T: Config> Pallet<T> {
    /// Whose blocks the session's validators make: the block that ends a session is still made by the
    /// old set.
    fn session_of(header: &HeaderFor<T>) -> Option<SessionIndex> {
        let length = SessionLength::<T>::get();
        let number = *header.number();
        if number.is_zero() || length.is_zero() {
            return None;
        }
        #[expect(clippy::arithmetic_side_effects, reason = "the length is not zero")]
        Some((number.saturating_sub(One::one()) / length).saturated_into())
    }

    /// Everything but the seals: who it is about. Cheap checks first.
    fn review_double_block(
        offender: &sr25519::Public,
        headers: [&HeaderFor<T>; 2],
    ) -> Result<(T::AccountId, SessionIndex), Error<T>> {
        let [first, second] = headers;
        for header in headers {
            ensure!(
                header.encoded_size() <= MAX_HEADER_BYTES,
                Error::<T>::HeaderTooLong
            );
        }
        let slot = slot_of::<T>(first).ok_or(Error::<T>::NoDoubleBlock)?;
        ensure!(
            slot_of::<T>(second) == Some(slot),
            Error::<T>::NoDoubleBlock
        );
        let mut accused = None;
        for header in headers {
            let session = Self::session_of(header).ok_or(Error::<T>::NotAccountable)?;
            let (owner, _) = Self::key_owner(session, key_types::AURA, offender.as_ref())
                .ok_or(Error::<T>::NotAccountable)?;
            ensure!(
                Self::answers_for(&owner, session),
                Error::<T>::NotAccountable
            );
            ensure!(
                accused.as_ref().is_none_or(|(other, _)| *other == owner),
                Error::<T>::NotAccountable
            );
            accused = Some((owner, session));
        }
        let (owner, session) = accused.ok_or(Error::<T>::NotAccountable)?;
        ensure!(!Self::is_expelled(&owner), Error::<T>::AlreadyExpelled);
        for header in headers {
            let parent = header.number().saturating_sub(One::one());
            let known = frame_system::Pallet::<T>::block_hash(parent);
            ensure!(
                known != Default::default() && known == *header.parent_hash(),
                Error::<T>::UnknownParent
            );
        }
        // Two seals of one block are one block.
        let unsealed = headers.map(|header| seal_hash(header).map(|(hash, _)| hash));
        let [a, b] = unsealed;
        ensure!(a.is_some() && b.is_some(), Error::<T>::BadSeal);
        ensure!(a != b, Error::<T>::NoDoubleBlock);
        Ok((owner, session))
    }

    fn check_seals(offender: &sr25519::Public, headers: [&HeaderFor<T>; 2]) -> bool {
        headers.into_iter().all(|header| {
            seal_hash(header).is_some_and(|(hash, seal)| {
                sp_io::crypto::sr25519_verify(&seal, hash.as_ref(), offender)
            })
        })
    }

    pub(crate) fn do_report_double_block(
        offender: &sr25519::Public,
        first: &HeaderFor<T>,
        second: &HeaderFor<T>,
    ) -> Result<(), Error<T>> {
        let headers = [first, second];
        let (owner, session) = Self::review_double_block(offender, headers)?;
        ensure!(Self::check_seals(offender, headers), Error::<T>::BadSeal);
        ensure!(
            Self::expel(owner, KIND, session),
            Error::<T>::AlreadyExpelled
        );
        Ok(())
    }

    /// Admits a report that would succeed now. In the block the seals are left to the dispatch, which
    /// checks them anyway.
    pub(crate) fn authorize_double_block(
        source: TransactionSource,
        offender: &sr25519::Public,
        first: &HeaderFor<T>,
        second: &HeaderFor<T>,
    ) -> TransactionValidityWithRefund {
        let headers = [first, second];
        let (owner, _) =
            Self::review_double_block(offender, headers).map_err(|error| match error {
                Error::<T>::AlreadyExpelled => InvalidTransaction::Stale,
                _ => InvalidTransaction::BadProof,
            })?;
        if source != TransactionSource::InBlock && !Self::check_seals(offender, headers) {
            return Err(InvalidTransaction::BadProof.into());
        }
        let valid = ValidTransaction {
            priority: u64::MAX,
            requires: vec![],
            provides: vec![(TAG, owner).encode()],
            longevity: LONGEVITY,
            propagate: true,
        };
        Ok((valid, Weight::zero()))
    }
}
