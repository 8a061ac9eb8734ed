// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A chain with nothing but the registry.

use crate as pallet_agent_registry;
use ed25519_zebra::SigningKey;
use polkadot_sdk::{
    frame_support::{self, derive_impl},
    frame_system::{self, EnsureRoot},
    pallet_timestamp, sp_io,
    sp_runtime::BuildStorage,
};
use ves_primitives::{
    AgentId, EncryptionPublicKey, KeyId, KeyPurpose, PossessionStatement, Signature,
    SigningPublicKey, StoreId, TenantId, registry::ValidityWindow,
};

type Block = frame_system::mocking::MockBlock<Test>;

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
    pub type Registry = pallet_agent_registry;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
}

#[derive_impl(pallet_timestamp::config_preludes::TestDefaultConfig)]
impl pallet_timestamp::Config for Test {}

impl crate::Config for Test {
    type GovernanceOrigin = EnsureRoot<u64>;
    type Clock = Timestamp;
    type WeightInfo = crate::weights::SubstrateWeight<Self>;
}

pub(crate) const TENANT: TenantId = TenantId([1; 16]);
pub(crate) const OTHER_TENANT: TenantId = TenantId([2; 16]);
pub(crate) const STORE: StoreId = StoreId([3; 16]);
pub(crate) const AGENT: AgentId = AgentId([4; 16]);
pub(crate) const OTHER_AGENT: AgentId = AgentId([5; 16]);
pub(crate) const ADMIN: u64 = 7;
pub(crate) const OTHER_ADMIN: u64 = 8;
pub(crate) const KEY: KeyId = KeyId(1);
/// Chain time of block 1, milliseconds.
pub(crate) const NOW_MS: u64 = 1_000_000;
/// A window without limits.
pub(crate) const ALWAYS: ValidityWindow = ValidityWindow {
    valid_from: None,
    valid_to: None,
};

/// Moves to a block and its time.
pub(crate) fn go_to(block: u64, time_ms: u64) {
    System::set_block_number(block);
    pallet_timestamp::Now::<Test>::put(time_ms);
}

/// Runs the test at block 1 of a chain with two tenants, a store and an agent each, and checks the
/// registry's invariants afterwards.
pub(crate) fn chain(test: impl FnOnce()) {
    let storage = RuntimeGenesisConfig {
        registry: crate::GenesisConfig {
            accounts: vec![],
            tenants: vec![
                (TENANT, ADMIN, vec![STORE]),
                (OTHER_TENANT, OTHER_ADMIN, vec![STORE]),
            ],
        },
        ..Default::default()
    }
    .build_storage()
    .expect("genesis is well formed");
    sp_io::TestExternalities::new(storage).execute_with(|| {
        go_to(1, NOW_MS);
        for (admin, tenant) in [(ADMIN, TENANT), (OTHER_ADMIN, OTHER_TENANT)] {
            Registry::register_agent(RuntimeOrigin::signed(admin), tenant, AGENT)
                .expect("agent is new");
        }
        test();
        Registry::do_try_state().expect("invariants hold");
    });
}

pub(crate) fn signer(seed: u8) -> SigningKey {
    SigningKey::from([seed; 32])
}

pub(crate) fn public(key: &SigningKey) -> SigningPublicKey {
    SigningPublicKey(ed25519_zebra::VerificationKeyBytes::from(key).into())
}

pub(crate) fn sign(key: &SigningKey, message: &[u8]) -> Signature {
    Signature(key.sign(message).to_bytes())
}

/// The statement for a key of the first tenant's agent on this chain.
pub(crate) fn statement(key_id: KeyId, purpose: KeyPurpose, key: [u8; 32]) -> PossessionStatement {
    PossessionStatement {
        genesis: Registry::genesis_hash(),
        tenant: TENANT,
        agent: AGENT,
        key_id,
        purpose,
        public_key: key,
    }
}

/// Registers a signing key of the first tenant's agent as its admin would.
pub(crate) fn register(key_id: KeyId, key: &SigningKey, window: ValidityWindow) {
    let proof = sign(
        key,
        &statement(key_id, KeyPurpose::Signing, public(key).0).hash(),
    );
    Registry::register_signing_key(
        RuntimeOrigin::signed(ADMIN),
        TENANT,
        AGENT,
        key_id,
        public(key),
        window,
        proof,
    )
    .expect("key is admissible");
}

/// An honest X25519 key: eight times the base point of Curve25519.
pub(crate) fn x25519(scalar: u8) -> EncryptionPublicKey {
    EncryptionPublicKey(
        curve25519_dalek::MontgomeryPoint::mul_base_clamped([scalar; 32]).to_bytes(),
    )
}
