// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The chain's own business: who may write, in which order, and what is proven of it.

use super::{governance::TwoThirdsOfCouncil, system::ByteWeight};
use crate::{AccountId, AgentRegistry, Runtime, Timestamp, VesSequencer};
use polkadot_sdk::{frame_support::traits::EitherOfDiverse, frame_system::EnsureRoot};

/// Root, or two thirds of the council.
type Governance = EitherOfDiverse<EnsureRoot<AccountId>, TwoThirdsOfCouncil>;

impl pallet_agent_registry::Config for Runtime {
    type GovernanceOrigin = Governance;
    type Clock = Timestamp;
    type WeightInfo = pallet_agent_registry::weights::SubstrateWeight<Self>;
}

impl pallet_ves_sequencer::Config for Runtime {
    type GovernanceOrigin = Governance;
    type Authors = AgentRegistry;
    type Clock = Timestamp;
    type ByteWeight = ByteWeight;
    type WeightInfo = pallet_ves_sequencer::weights::SubstrateWeight<Self>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Fixtures;
}

impl pallet_stark_verifier::Config for Runtime {
    type GovernanceOrigin = Governance;
    type Authors = AgentRegistry;
    type Events = VesSequencer;
    type WeightInfo = pallet_stark_verifier::weights::SubstrateWeight<Self>;
    #[cfg(feature = "runtime-benchmarks")]
    type BenchmarkHelper = crate::benchmarks::Fixtures;
}
