// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Genesis presets: `development` (one validator) and `local` (four). Their keys are public
//! knowledge; a production chain is made from operators' own keys.

use crate::{
    AccountId, AgentRegistryConfig, AuraConfig, CouncilConfig, GrandpaConfig, RuntimeGenesisConfig,
};
use alloc::{vec, vec::Vec};
use polkadot_sdk::{
    frame_support::build_struct_json_patch,
    sp_consensus_aura::sr25519::AuthorityId as AuraId,
    sp_consensus_grandpa::AuthorityId as GrandpaId,
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

fn genesis(
    validators: Vec<(AuraId, GrandpaId)>,
    council: Vec<AccountId>,
    admin: AccountId,
) -> Value {
    build_struct_json_patch!(RuntimeGenesisConfig {
        aura: AuraConfig {
            authorities: validators
                .iter()
                .map(|(aura, _)| aura.clone())
                .collect::<Vec<_>>(),
        },
        grandpa: GrandpaConfig {
            authorities: validators
                .iter()
                .map(|(_, grandpa)| (grandpa.clone(), 1))
                .collect::<Vec<_>>(),
        },
        council: CouncilConfig {
            members: council.clone()
        },
        agent_registry: AgentRegistryConfig {
            accounts: council,
            tenants: vec![(TRIAL_TENANT, admin, vec![TRIAL_STORE])],
        },
    })
}

fn keyed(keyrings: &[(Sr25519Keyring, Ed25519Keyring)]) -> Vec<(AuraId, GrandpaId)> {
    keyrings
        .iter()
        .map(|(aura, grandpa)| (aura.public().into(), grandpa.public().into()))
        .collect()
}

/// One validator, Alice, who is the council too.
pub fn development_config() -> Value {
    let alice = Sr25519Keyring::Alice.to_account_id();
    genesis(
        keyed(&[(Sr25519Keyring::Alice, Ed25519Keyring::Alice)]),
        vec![alice.clone()],
        alice,
    )
}

/// Four validators and a council of the same four.
pub fn local_config() -> Value {
    let council = [
        Sr25519Keyring::Alice,
        Sr25519Keyring::Bob,
        Sr25519Keyring::Charlie,
        Sr25519Keyring::Dave,
    ];
    genesis(
        keyed(&[
            (Sr25519Keyring::Alice, Ed25519Keyring::Alice),
            (Sr25519Keyring::Bob, Ed25519Keyring::Bob),
            (Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
            (Sr25519Keyring::Dave, Ed25519Keyring::Dave),
        ]),
        council
            .into_iter()
            .map(Sr25519Keyring::to_account_id)
            .collect(),
        Sr25519Keyring::Alice.to_account_id(),
    )
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
