// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The chain's own business: who may write, and in which order.

use super::governance::TwoThirdsOfCouncil;
use crate::{AccountId, AgentRegistry, Runtime, Timestamp};
use polkadot_sdk::{frame_support::traits::EitherOfDiverse, frame_system::EnsureRoot};

impl pallet_agent_registry::Config for Runtime {
    type GovernanceOrigin = EitherOfDiverse<EnsureRoot<AccountId>, TwoThirdsOfCouncil>;
    type Clock = Timestamp;
    type WeightInfo = pallet_agent_registry::weights::SubstrateWeight<Self>;
}

impl pallet_ves_sequencer::Config for Runtime {
    type Authors = AgentRegistry;
    type WeightInfo = pallet_ves_sequencer::weights::SubstrateWeight<Self>;
}
