// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain that makes blocks in sessions and decides by the mock's root.

use crate as pallet_consortium;
use codec::Encode;
use polkadot_sdk::{
    frame_support::{
        self, derive_impl,
        traits::{ConstBool, ConstU32, ConstU64, KeyOwnerProofSystem, OnFinalize, OnInitialize},
    },
    frame_system::{self, EnsureRoot},
    pallet_aura, pallet_authorship, pallet_collective, pallet_grandpa, pallet_session,
    pallet_timestamp,
    sp_consensus_aura::{AURA_ENGINE_ID, Slot},
    sp_consensus_grandpa::{self, GRANDPA_ENGINE_ID},
    sp_core::{Pair, ed25519, sr25519},
    sp_io,
    sp_runtime::{
        BuildStorage, Digest, DigestItem, generic, impl_opaque_keys, traits::BlakeTwo256,
    },
};

pub(crate) type Header = generic::Header<u64, BlakeTwo256>;
type Block = frame_system::mocking::MockBlock<Test>;

impl_opaque_keys! {
    pub struct SessionKeys {
        pub aura: Aura,
        pub grandpa: Grandpa,
    }
}

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask
    )]
    pub struct Test;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(2)]
    pub type Aura = pallet_aura;
    #[runtime::pallet_index(3)]
    pub type Grandpa = pallet_grandpa;
    #[runtime::pallet_index(4)]
    pub type Authorship = pallet_authorship;
    #[runtime::pallet_index(5)]
    pub type Session = pallet_session;
    #[runtime::pallet_index(10)]
    pub type Council = pallet_collective<Instance1>;
    #[runtime::pallet_index(12)]
    pub type Consortium = pallet_consortium;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type BlockHashCount = ConstU64<64>;
}

impl pallet_timestamp::Config for Test {
    type Moment = u64;
    type OnTimestampSet = ();
    type MinimumPeriod = ConstU64<1>;
    type WeightInfo = ();
}

impl pallet_aura::Config for Test {
    type AuthorityId = polkadot_sdk::sp_consensus_aura::sr25519::AuthorityId;
    type DisabledValidators = Session;
    type MaxAuthorities = ConstU32<16>;
    type AllowMultipleBlocksPerSlot = ConstBool<false>;
    type SlotDuration = ConstU64<2>;
}

impl pallet_grandpa::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type WeightInfo = ();
    type MaxAuthorities = ConstU32<16>;
    type MaxNominators = ConstU32<0>;
    type MaxSetIdSessionEntries = ConstU64<KEPT>;
    type KeyOwnerProof = crate::KeyOwnership;
    type EquivocationReportSystem = ();
}

impl pallet_authorship::Config for Test {
    type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Aura>;
    type EventHandler = Consortium;
}

impl pallet_session::Config for Test {
    type RuntimeEvent = RuntimeEvent;
    type ValidatorId = u64;
    type ValidatorIdOf = crate::ValidatorIdOf<Self>;
    type ShouldEndSession = crate::EndedByConsortium;
    type NextSessionRotation = ();
    type SessionManager = Consortium;
    type SessionHandler = (Aura, Grandpa);
    type Keys = SessionKeys;
    type DisablingStrategy = ();
    type WeightInfo = ();
    type Currency = crate::no_currency::NoCurrency<RuntimeHoldReason>;
    type KeyDeposit = ConstU32<0>;
}

frame_support::parameter_types! {
    pub const MaxProposalWeight: frame_support::weights::Weight = frame_support::weights::Weight::MAX;
}

impl pallet_collective::Config<pallet_collective::Instance1> for Test {
    type RuntimeOrigin = RuntimeOrigin;
    type Proposal = RuntimeCall;
    type RuntimeEvent = RuntimeEvent;
    type MotionDuration = ConstU64<10>;
    type MaxProposals = ConstU32<4>;
    type MaxMembers = ConstU32<8>;
    type DefaultVote = pallet_collective::PrimeDefaultVote;
    type WeightInfo = ();
    type SetMembersOrigin = EnsureRoot<u64>;
    type MaxProposalWeight = MaxProposalWeight;
    type DisapproveOrigin = EnsureRoot<u64>;
    type KillOrigin = EnsureRoot<u64>;
    type Consideration = ();
}

pub struct CouncilMembers;
impl frame_support::traits::Get<Vec<u64>> for CouncilMembers {
    fn get() -> Vec<u64> {
        pallet_collective::Members::<Test, pallet_collective::Instance1>::get()
    }
}

impl crate::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Council = Council;
    type CouncilChangeWeight = ();
    type CouncilMembers = CouncilMembers;
    type MaxCouncil = ConstU32<8>;
    type MaxValidators = ConstU32<16>;
    type KeptSessions = ConstU32<{ KEPT as u32 }>;
    type WeightInfo = crate::weights::SubstrateWeight<Self>;
}

/// Blocks of a session.
pub(crate) const LENGTH: u64 = 10;
/// Sessions whose keys are remembered.
pub(crate) const KEPT: u64 = 5;
/// The validators of the genesis.
pub(crate) const FOUNDERS: [u64; 4] = [1, 2, 3, 4];
/// The smallest set.
pub(crate) const MINIMUM: u32 = 4;

/// A validator's key for blocks; `turn` counts its rotations.
pub(crate) fn block_pair(validator: u64, turn: u32) -> sr25519::Pair {
    Pair::from_string(&format!("//blocks/{validator}/{turn}"), None).expect("a path")
}

/// A validator's key for votes.
pub(crate) fn vote_pair(validator: u64, turn: u32) -> ed25519::Pair {
    Pair::from_string(&format!("//votes//{validator}//{turn}"), None).expect("a path")
}

pub(crate) fn keys(validator: u64, turn: u32) -> SessionKeys {
    SessionKeys {
        aura: block_pair(validator, turn).public().into(),
        grandpa: vote_pair(validator, turn).public().into(),
    }
}

/// Proof that whoever signs for the account has the keys.
pub(crate) fn ownership(owner: u64, validator: u64, turn: u32) -> Vec<u8> {
    let statement = [b"POP_".to_vec(), owner.encode()].concat();
    (
        block_pair(validator, turn).sign(&statement),
        vote_pair(validator, turn).sign(&statement),
    )
        .encode()
}

/// Registers keys as the validator would.
pub(crate) fn register(validator: u64, turn: u32) {
    Session::set_keys(
        RuntimeOrigin::signed(validator),
        keys(validator, turn),
        ownership(validator, validator, turn),
    )
    .expect("the validator is a member and has the keys");
}

pub(crate) fn set() -> Vec<u64> {
    Session::validators()
}

/// The header of the block at hand before it is sealed, as its author would make it.
pub(crate) fn unsealed(number: u64, slot: u64, salt: u8) -> Header {
    Header {
        parent_hash: System::block_hash(number - 1),
        number,
        state_root: Default::default(),
        extrinsics_root: [salt; 32].into(),
        digest: Digest {
            logs: vec![DigestItem::PreRuntime(
                AURA_ENGINE_ID,
                Slot::from(slot).encode(),
            )],
        },
    }
}

pub(crate) fn sealed(mut header: Header, key: &sr25519::Pair) -> Header {
    let seal = key.sign(header.hash().as_ref());
    header
        .digest
        .push(DigestItem::Seal(AURA_ENGINE_ID, seal.0.to_vec()));
    header
}

/// Makes the next block in this slot. Returns the change of the GRANDPA set that it announces.
fn block(slot: u64) -> Option<sp_consensus_grandpa::ConsensusLog<u64>> {
    let number = System::block_number() + 1;
    let parent = if number == 1 {
        [69; 32].into()
    } else {
        unsealed(number - 1, slot, 0).hash()
    };
    let digest = unsealed(1, slot, 0).digest;
    System::reset_events();
    System::initialize(&number, &parent, &digest);
    AllPalletsWithSystem::on_initialize(number);
    Timestamp::set(RuntimeOrigin::none(), slot * 2).expect("time goes on");
    AllPalletsWithSystem::on_finalize(number);
    let header = System::finalize();
    header.digest.logs().iter().find_map(|log| match log {
        DigestItem::Consensus(GRANDPA_ENGINE_ID, data) => {
            let log = codec::Decode::decode(&mut &data[..]).expect("a GRANDPA log");
            matches!(
                log,
                sp_consensus_grandpa::ConsensusLog::ScheduledChange(_)
                    | sp_consensus_grandpa::ConsensusLog::ForcedChange(..)
            )
            .then_some(log)
        }
        _ => None,
    })
}

/// What happened while blocks were made.
#[derive(Default)]
pub(crate) struct Happened {
    pub(crate) events: Vec<crate::Event<Test>>,
    pub(crate) changes: Vec<sp_consensus_grandpa::ConsensusLog<u64>>,
}

/// Makes blocks until the next session has begun. Those who are `silent`, or disabled, leave out their
/// turns.
pub(crate) fn run_session(silent: &[u64]) -> Happened {
    let mut happened = Happened::default();
    loop {
        let slot = u64::from(pallet_aura::CurrentSlot::<Test>::get()) + 1;
        let turn = (slot % set().len() as u64) as usize;
        if silent.contains(&set()[turn]) || Session::disabled_validators().contains(&(turn as u32))
        {
            pallet_aura::CurrentSlot::<Test>::put(Slot::from(slot));
            continue;
        }
        happened.changes.extend(block(slot));
        happened.events.extend(events());
        if System::block_number().is_multiple_of(LENGTH) {
            return happened;
        }
    }
}

/// This pallet's events of the block.
pub(crate) fn events() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Consortium(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// A proof of ownership as nodes make it.
pub(crate) fn ownership_of_vote_key(key: &ed25519::Pair) -> Option<crate::KeyOwnership> {
    Consortium::prove((
        polkadot_sdk::sp_core::crypto::key_types::GRANDPA,
        key.public(),
    ))
}

/// Runs the test at block 1 of a chain with four validators, and checks the invariants afterwards.
pub(crate) fn chain(test: impl FnOnce()) {
    chain_of(&FOUNDERS, MINIMUM, test);
}

pub(crate) fn chain_of(founders: &[u64], minimum: u32, test: impl FnOnce()) {
    let storage = RuntimeGenesisConfig {
        session: pallet_session::GenesisConfig {
            keys: founders
                .iter()
                .map(|validator| (*validator, *validator, keys(*validator, 0)))
                .collect(),
            non_authority_keys: vec![],
        },
        council: pallet_collective::GenesisConfig {
            members: vec![100],
            ..Default::default()
        },
        consortium: crate::GenesisConfig {
            session_length: LENGTH,
            minimum,
        },
        ..Default::default()
    }
    .build_storage()
    .expect("genesis is well formed");
    sp_io::TestExternalities::new(storage).execute_with(|| {
        System::inc_providers(&100);
        block(1);
        test();
        Consortium::do_try_state().expect("invariants hold");
    });
}
