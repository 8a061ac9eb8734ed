// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Genesis presets: `development` (one validator) and `local` (four). Their keys are public
//! knowledge; a production chain is made from operators' own keys (`consortium_spec`).

use crate::{
    AccountId, AgentRegistryConfig, ConsortiumConfig, CouncilConfig, RuntimeGenesisConfig,
    SessionConfig, opaque::SessionKeys,
};
use alloc::{vec, vec::Vec};
use polkadot_sdk::{
    frame_support::build_struct_json_patch,
    sp_genesis_builder::{self, PresetId},
    sp_keyring::{Ed25519Keyring, Sr25519Keyring},
};
use serde_json::Value;
use ves_primitives::{StoreId, TenantId};

/// Preset with four validators.
pub const LOCAL_PRESET: &str = sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET;

/// Tenant that both presets register for trying out: 11111111-1111-4111-8111-111111111111.
pub const TRIAL_TENANT: TenantId = TenantId([
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
]);
/// Store of the trial tenant: 22222222-2222-4222-8222-222222222222.
pub const TRIAL_STORE: StoreId = StoreId([
    0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x42, 0x22, 0x82, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
]);

/// Blocks of a session: short, so that a change can be watched.
const SESSION_BLOCKS: u32 = 12;

/// A validator of a genesis.
pub(crate) struct Validator {
    /// Its account.
    pub(crate) account: AccountId,
    /// Its keys.
    pub(crate) keys: SessionKeys,
}

/// What a genesis is made of.
pub(crate) struct Genesis {
    pub(crate) validators: Vec<Validator>,
    pub(crate) session_blocks: u32,
    pub(crate) minimum: u32,
    pub(crate) council: Vec<AccountId>,
    pub(crate) tenants: Vec<(TenantId, AccountId, Vec<StoreId>)>,
}

impl Genesis {
    /// The patch of the default genesis.
    pub(crate) fn patch(self) -> Value {
        build_struct_json_patch!(RuntimeGenesisConfig {
            session: SessionConfig {
                keys: self
                    .validators
                    .into_iter()
                    .map(|validator| {
                        (validator.account.clone(), validator.account, validator.keys)
                    })
                    .collect::<Vec<_>>(),
            },
            consortium: ConsortiumConfig {
                session_length: self.session_blocks,
                minimum: self.minimum,
            },
            council: CouncilConfig {
                members: self.council.clone()
            },
            agent_registry: AgentRegistryConfig {
                accounts: self.council,
                tenants: self.tenants,
            },
        })
    }
}

/// Validators and council of publicly known keys; the first one administers the trial tenant.
fn trial(keyrings: &[(Sr25519Keyring, Ed25519Keyring)]) -> Value {
    let accounts: Vec<_> = keyrings
        .iter()
        .map(|(account, _)| account.to_account_id())
        .collect();
    let validators = keyrings
        .iter()
        .map(|(blocks, votes)| Validator {
            account: blocks.to_account_id(),
            keys: SessionKeys {
                aura: blocks.public().into(),
                grandpa: votes.public().into(),
            },
        })
        .collect();
    let tenants = accounts
        .first()
        .map(|admin| (TRIAL_TENANT, admin.clone(), vec![TRIAL_STORE]))
        .into_iter()
        .collect();
    Genesis {
        validators,
        session_blocks: SESSION_BLOCKS,
        minimum: u32::try_from(keyrings.len()).unwrap_or(u32::MAX),
        council: accounts,
        tenants,
    }
    .patch()
}

/// One validator, Alice, who is the council too.
pub fn development_config() -> Value {
    trial(&[(Sr25519Keyring::Alice, Ed25519Keyring::Alice)])
}

/// Four validators and a council of the same four.
pub fn local_config() -> Value {
    trial(&[
        (Sr25519Keyring::Alice, Ed25519Keyring::Alice),
        (Sr25519Keyring::Bob, Ed25519Keyring::Bob),
        (Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
        (Sr25519Keyring::Dave, Ed25519Keyring::Dave),
    ])
}

/// The JSON of a preset.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    let preset = match id.as_ref() {
        sp_genesis_builder::DEV_RUNTIME_PRESET => development_config(),
        LOCAL_PRESET => local_config(),
        _ => return None,
    };
    serde_json::to_vec(&preset).ok()
}

/// The presets this runtime knows.
pub fn preset_names() -> Vec<PresetId> {
    vec![
        PresetId::from(sp_genesis_builder::DEV_RUNTIME_PRESET),
        PresetId::from(LOCAL_PRESET),
    ]
}
