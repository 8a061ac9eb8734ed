// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Blocks: how long, how heavy, how old.

use crate::{
    AccountId, Block, BlockNumber, Hash, Nonce, PalletInfo, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeOrigin, RuntimeTask, SLOT_DURATION_MS, VERSION,
};
use polkadot_sdk::{
    frame_support::{
        self, derive_impl,
        dispatch::DispatchClass,
        parameter_types,
        traits::ConstU32,
        weights::{
            RuntimeDbWeight, Weight,
            constants::{
                WEIGHT_REF_TIME_PER_MICROS, WEIGHT_REF_TIME_PER_MILLIS, WEIGHT_REF_TIME_PER_NANOS,
            },
        },
    },
    frame_system::{
        self,
        limits::{BlockLength, BlockWeights},
    },
    pallet_timestamp, pallet_utility,
    sp_runtime::{Perbill, traits::AccountIdLookup},
    sp_version::RuntimeVersion,
};

/// Longest block body, bytes. The network's hard ceiling is 16 MiB.
pub const MAXIMUM_BLOCK_LENGTH: u32 = 10 * 1024 * 1024;
/// Execution time of a block: half of the slot. In the other half the next author must get and import
/// it, or it builds on the block before.
const MAXIMUM_BLOCK_REF_TIME: u64 = WEIGHT_REF_TIME_PER_MILLIS * SLOT_DURATION_MS / 2;
/// Share of a block that transactions may fill; the rest is for mandatory and operational work.
const NORMAL_RATIO: Perbill = Perbill::from_percent(90);

parameter_types! {
    pub const BlockHashCount: BlockNumber = 4_096;
    pub const Version: RuntimeVersion = VERSION;
    /// Time limits; no proof size, because this chain is validated by full nodes only.
    pub RuntimeBlockWeights: BlockWeights = BlockWeights::with_sensible_defaults(
        Weight::from_parts(MAXIMUM_BLOCK_REF_TIME, u64::MAX),
        NORMAL_RATIO,
    );
    pub RuntimeBlockLength: BlockLength = BlockLength::builder()
        .max_length(MAXIMUM_BLOCK_LENGTH)
        .modify_max_length_for_class(DispatchClass::Normal, |length| {
            *length = NORMAL_RATIO * MAXIMUM_BLOCK_LENGTH;
        })
        .build();
    pub const SS58Prefix: u8 = 42;
    /// What an access to the state costs beside the work that benchmarks measure in memory: the
    /// lookup in the trie, and of a write its share of the new root and of the commit. Measured,
    /// see `docs/adr/0011-weights.md`.
    pub const DbWeight: RuntimeDbWeight = RuntimeDbWeight {
        read: 8 * WEIGHT_REF_TIME_PER_MICROS,
        write: 25 * WEIGHT_REF_TIME_PER_MICROS,
    };
}

parameter_types! {
    /// What a byte of an event costs whoever imports its block, beside the hash that benchmarks measure:
    /// 8 MiB in payloads of 16 KiB took 9 ns a byte at the worst (`scripts/bench-import.sh kilobytes`).
    pub const ByteWeight: Weight = Weight::from_parts(12 * WEIGHT_REF_TIME_PER_NANOS, 0);
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type BaseCallFilter = super::consensus::KeysStay;
    type BlockWeights = RuntimeBlockWeights;
    type BlockLength = RuntimeBlockLength;
    type AccountId = AccountId;
    type Lookup = AccountIdLookup<AccountId, ()>;
    type Nonce = Nonce;
    type Hash = Hash;
    type BlockHashCount = BlockHashCount;
    type DbWeight = DbWeight;
    type Version = Version;
    // No balances: an account is its nonce and the registrations that refer to it.
    type AccountData = ();
    type SS58Prefix = SS58Prefix;
    type MaxConsumers = ConstU32<16>;
    type SingleBlockMigrations = (
        pallet_agent_registry::migrations::Migrations,
        pallet_ves_sequencer::migrations::Migrations,
        pallet_stark_verifier::migrations::Migrations,
        pallet_consortium::migrations::Migrations,
    );
}

impl pallet_timestamp::Config for Runtime {
    type Moment = u64;
    type OnTimestampSet = crate::Aura;
    type MinimumPeriod = frame_support::traits::ConstU64<{ SLOT_DURATION_MS / 2 }>;
    type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Self>;
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = crate::OriginCaller;
    type WeightInfo = pallet_utility::weights::SubstrateWeight<Self>;
}
