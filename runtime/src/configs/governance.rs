// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The consortium's council. There is no sudo.

use crate::{
    AccountId, BlockNumber, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin, SLOT_DURATION_MS,
    configs::RuntimeBlockWeights,
};
use alloc::vec::Vec;
use polkadot_sdk::{
    frame_support::{parameter_types, traits::Get, weights::Weight},
    frame_system::EnsureRoot,
    pallet_collective,
    sp_runtime::Perbill,
};

/// The council's collective instance.
pub type CouncilCollective = pallet_collective::Instance1;
/// Two thirds of the council.
pub type TwoThirdsOfCouncil =
    pallet_collective::EnsureProportionAtLeast<AccountId, CouncilCollective, 2, 3>;

parameter_types! {
    /// Seven days.
    pub const MotionDuration: BlockNumber = (7 * 24 * 60 * 60 * 1_000 / SLOT_DURATION_MS) as BlockNumber;
    pub const MaxProposals: u32 = 64;
    pub const MaxMembers: u32 = 64;
    /// A council as large as can be is replaced while there are as many motions as can be.
    pub CouncilChangeWeight: Weight =
        <pallet_collective::weights::SubstrateWeight<Runtime> as pallet_collective::WeightInfo>::set_members(
            MaxMembers::get(),
            MaxMembers::get(),
            MaxProposals::get(),
        );
    pub MaxProposalWeight: Weight = Perbill::from_percent(50) * RuntimeBlockWeights::get().max_block;
}

/// The council's members, as the consortium asks for them when it changes them.
pub struct CouncilMembers;

impl Get<Vec<AccountId>> for CouncilMembers {
    fn get() -> Vec<AccountId> {
        pallet_collective::Members::<Runtime, CouncilCollective>::get()
    }
}

impl pallet_collective::Config<CouncilCollective> for Runtime {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = MotionDuration;
    type MaxProposals = MaxProposals;
    type MaxMembers = MaxMembers;
    // Who does not vote has not agreed: there is no prime member.
    type DefaultVote = pallet_collective::PrimeDefaultVote;
    type WeightInfo = pallet_collective::weights::SubstrateWeight<Self>;
    type SetMembersOrigin = EnsureRoot<AccountId>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<AccountId>;
    type KillOrigin = EnsureRoot<AccountId>;
    type Consideration = ();
}
