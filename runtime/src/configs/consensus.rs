// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Block production (Aura, sr25519) and finality (GRANDPA).

use crate::{Aura, Runtime, RuntimeEvent, SLOT_DURATION_MS};
use polkadot_sdk::{
    frame_support::traits::{ConstBool, ConstU32, ConstU64},
    pallet_aura, pallet_authorship, pallet_grandpa,
    sp_consensus_aura::sr25519::AuthorityId as AuraId,
};

/// Most validators.
type MaxAuthorities = ConstU32<64>;

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = ();
    type MaxAuthorities = MaxAuthorities;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = ConstU64<SLOT_DURATION_MS>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = MaxAuthorities;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<0>;
    type KeyOwnerProof = polkadot_sdk::sp_core::Void;
    type EquivocationReportSystem = ();
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = AuraAuthor;
    type EventHandler = ();
}

/// The account whose bytes are the author's Aura key, until validators have accounts of their own.
pub struct AuraAuthor;

impl polkadot_sdk::frame_support::traits::FindAuthor<crate::AccountId> for AuraAuthor {
    fn find_author<'a, I>(digests: I) -> Option<crate::AccountId>
    where
        I: 'a + IntoIterator<Item = (polkadot_sdk::sp_runtime::ConsensusEngineId, &'a [u8])>,
    {
        use polkadot_sdk::sp_core::ByteArray;
        let index = Aura::find_author(digests)?;
        let authorities = pallet_aura::Authorities::<Runtime>::get();
        let key = authorities.get(usize::try_from(index).ok()?)?;
        <[u8; 32]>::try_from(key.as_slice()).ok().map(Into::into)
    }
}
