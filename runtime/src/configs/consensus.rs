// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Block production (Aura, sr25519), finality (GRANDPA), and who takes part in them.

use super::governance::{CouncilChangeWeight, CouncilMembers, MaxMembers, TwoThirdsOfCouncil};
use crate::{
    AccountId, Aura, Consortium, Council, Grandpa, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeHoldReason, SLOT_DURATION_MS, Session, TxExtension, UncheckedExtrinsic,
    opaque::SessionKeys,
};
use polkadot_sdk::{
    frame_support::traits::{ConstBool, ConstU32, ConstU64},
    frame_system::{
        self,
        offchain::{
            CreateAuthorizedTransaction, CreateBare, CreateTransaction, CreateTransactionBase,
        },
    },
    pallet_aura, pallet_authorship, pallet_grandpa, pallet_session,
    sp_consensus_aura::sr25519::AuthorityId as AuraId,
    sp_runtime::generic::Era,
};

/// Most validators.
pub const MAX_VALIDATORS: u32 = 64;
/// Sessions whose keys are remembered: a week of sessions of ten minutes.
const KEPT_SESSIONS: u32 = 1_008;
/// Blocks that a report of an offence is worth bringing.
const REPORT_LONGEVITY: u64 = 300;

type MaxAuthorities = ConstU32<MAX_VALIDATORS>;

impl pallet_aura::Config for Runtime {
    type AuthorityId = AuraId;
    type DisabledValidators = Session;
    type MaxAuthorities = MaxAuthorities;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = ConstU64<SLOT_DURATION_MS>;
}

impl pallet_grandpa::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = MaxAuthorities;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<{ KEPT_SESSIONS as u64 }>;
    type KeyOwnerProof = pallet_consortium::KeyOwnership;
    type EquivocationReportSystem = pallet_grandpa::EquivocationReportSystem<
        Self,
        Consortium,
        Consortium,
        ConstU64<REPORT_LONGEVITY>,
    >;
}

impl pallet_authorship::Config for Runtime {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Aura>;
    type EventHandler = Consortium;
}

impl pallet_session::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = AccountId;
    type ValidatorIdOf = pallet_consortium::ValidatorIdOf<Self>;
    type ShouldEndSession = pallet_consortium::EndedByConsortium;
    type NextSessionRotation = ();
    type SessionManager = Consortium;
    type SessionHandler = (Aura, Grandpa);
    type Keys = SessionKeys;
    // What follows from an offence is the consortium's.
    type DisablingStrategy = ();
    type WeightInfo = pallet_session::weights::SubstrateWeight<Self>;
    type Currency = pallet_consortium::no_currency::NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU32<0>;
}

impl pallet_consortium::Config for Runtime {
    type GovernanceOrigin = TwoThirdsOfCouncil;
    type Council = Council;
    type CouncilChangeWeight = CouncilChangeWeight;
    type CouncilMembers = CouncilMembers;
    type MaxCouncil = MaxMembers;
    type MaxValidators = MaxAuthorities;
    type KeptSessions = ConstU32<KEPT_SESSIONS>;
    type WeightInfo = pallet_consortium::weights::SubstrateWeight<Self>;
}

impl<C> CreateTransactionBase<C> for Runtime
where
    RuntimeCall: From<C>,
{
    type Extrinsic = UncheckedExtrinsic;
    type RuntimeCall = RuntimeCall;
}

impl<C> CreateBare<C> for Runtime
where
    RuntimeCall: From<C>,
{
    fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_bare(call)
    }
}

impl<C> CreateTransaction<C> for Runtime
where
    RuntimeCall: From<C>,
{
    type Extension = TxExtension;

    fn create_transaction(call: RuntimeCall, extension: TxExtension) -> UncheckedExtrinsic {
        UncheckedExtrinsic::new_transaction(call, extension)
    }
}

impl<C> CreateAuthorizedTransaction<C> for Runtime
where
    RuntimeCall: From<C>,
{
    fn create_extension() -> TxExtension {
        (
            frame_system::AuthorizeCall::new(),
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckMortality::from(Era::Immortal),
            frame_system::CheckNonce::from(0),
            frame_system::CheckWeight::new(),
        )
    }
}

/// The one call that nobody may make: keys of validators go with the validator. Without them the set
/// would shrink behind the back of those who look after its size.
pub struct KeysStay;

impl polkadot_sdk::frame_support::traits::Contains<RuntimeCall> for KeysStay {
    fn contains(call: &RuntimeCall) -> bool {
        !matches!(
            call,
            RuntimeCall::Session(pallet_session::Call::purge_keys { .. })
        )
    }
}
