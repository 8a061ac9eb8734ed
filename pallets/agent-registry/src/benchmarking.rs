// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What registrations cost, at the worst: keys are really admitted and signatures really verified,
//! groups are full, policies and names as long as they may be.

use crate::{
    Agents, Call, Config, EncryptionKeys, Groups, KeyPolicies, Pallet, Schemas, SigningKeys,
    Stores, Tenants,
    frame_support::{pallet_prelude::TransactionSource, traits::EnsureOrigin},
    frame_system::{self, RawOrigin},
    polkadot_sdk::{self, frame_benchmarking::v2::*, sp_core::crypto::KeyTypeId},
    sp_io,
    types::{Agent, Tenant},
};
use alloc::{vec, vec::Vec};
use ves_primitives::{
    AgentId, EncryptionPublicKey, EventType, GroupId, KeyId, KeyPurpose, PossessionStatement,
    SchemaHash, Signature, SigningPublicKey, StoreId, TenantId, limits,
    registry::{
        Group, GroupMember, GroupRole, KeyPolicy, KeyRotation, Quota, SchemaStatus,
        SigningKeyRecord, TypePattern, TypePatterns, ValidityWindow,
    },
};

const KEYS: KeyTypeId = KeyTypeId(*b"vesr");
const TENANT: TenantId = TenantId([1; 16]);
const STORE: StoreId = StoreId([2; 16]);
const AGENT: AgentId = AgentId([3; 16]);
const GROUP: GroupId = GroupId([4; 16]);
const FIRST: KeyId = KeyId(1);
const SECOND: KeyId = KeyId(2);
const QUOTA: Quota = Quota::DEFAULT_AGENT;

impl<T: Config> Pallet<T> {
    /// A store and an agent with a signing key, for benchmarks of pallets that ask for authors.
    pub fn admit_for_benchmark(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        public_key: SigningPublicKey,
    ) {
        Tenants::<T>::insert(tenant, Tenant::new(admin::<T>()));
        Stores::<T>::insert(tenant, store, ());
        let entry = Agent {
            signing_keys: 1,
            ..Agent::default()
        };
        Agents::<T>::insert(tenant, agent, entry);
        let record = SigningKeyRecord {
            public_key,
            window: ValidityWindow::default(),
            registered_at: Self::recorded_now(),
            revocation: None,
        };
        SigningKeys::<T>::insert((tenant, agent), key_id, record);
        let allowed = vec![longest_pattern(); limits::MAX_TYPE_PATTERNS as usize - 1];
        KeyPolicies::<T>::insert((tenant, agent), key_id, policy(allowed));
    }
}

fn admin<T: Config>() -> T::AccountId {
    account("admin", 0, 0)
}

fn signed<T: Config>() -> RawOrigin<T::AccountId> {
    RawOrigin::Signed(admin::<T>())
}

fn governance<T: Config>() -> Result<T::RuntimeOrigin, BenchmarkError> {
    T::GovernanceOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)
}

fn key(n: u32) -> SigningPublicKey {
    let seed = alloc::format!("//{n}").into_bytes();
    SigningPublicKey(sp_io::crypto::ed25519_generate(KEYS, Some(seed)).0)
}

fn sign(key: &SigningPublicKey, hash: &[u8; 32]) -> Signature {
    let signature = sp_io::crypto::ed25519_sign(KEYS, &key.0.into(), hash);
    Signature(signature.expect("the key was generated").0)
}

/// The base point of X25519: as dear to admit as any.
fn encryption_key() -> EncryptionPublicKey {
    let mut bytes = [0; 32];
    bytes[0] = 9;
    EncryptionPublicKey(bytes)
}

fn possession<T: Config>(key_id: KeyId, purpose: KeyPurpose, public_key: [u8; 32]) -> [u8; 32] {
    PossessionStatement {
        genesis: Pallet::<T>::genesis_hash(),
        tenant: TENANT,
        agent: AGENT,
        key_id,
        purpose,
        public_key,
    }
    .hash()
}

/// A tenant, a store, and an agent with a key.
fn admit<T: Config>() -> SigningPublicKey {
    let key = key(1);
    Pallet::<T>::admit_for_benchmark(TENANT, STORE, AGENT, FIRST, key);
    key
}

fn longest_pattern() -> TypePattern {
    let text = vec![b'x'; limits::MAX_TYPE_PATTERN_BYTES as usize];
    TypePattern(text.try_into().expect("as long as it may be"))
}

/// Everything is allowed, by the last pattern.
fn policy(mut patterns: Vec<TypePattern>) -> KeyPolicy {
    patterns.push(TypePattern(vec![b'*'].try_into().expect("short")));
    let patterns = TypePatterns::truncate_from(patterns);
    KeyPolicy {
        enabled: true,
        event_types: patterns.clone(),
        entity_types: patterns,
        require_base_version: true,
        max_payload_bytes: limits::MAX_PAYLOAD_BYTES,
    }
}

fn rotation<T: Config>() -> KeyRotation {
    let outgoing = admit::<T>();
    let successor = key(2);
    let mut rotation = KeyRotation {
        tenant_id: TENANT,
        agent_id: AGENT,
        outgoing: FIRST,
        successor: SECOND,
        public_key: successor,
        grace_seconds: limits::MAX_ROTATION_GRACE_SECONDS,
        possession: Signature([0; 64]),
        handover: Signature([0; 64]),
    };
    let statement = rotation.statement(Pallet::<T>::genesis_hash());
    rotation.possession = sign(&successor, &statement.successor.hash());
    rotation.handover = sign(&outgoing, &statement.hash());
    rotation
}

/// A group with this many members, the agent first among them.
fn group_of<T: Config>(members: u32) {
    let mut members = (0..members)
        .map(|n| {
            let mut id = AGENT.0;
            id[12..].copy_from_slice(&n.to_be_bytes());
            let agent_id = if n == 0 { AGENT } else { AgentId(id) };
            GroupMember {
                agent_id,
                role: GroupRole::Reader,
            }
        })
        .collect::<Vec<_>>();
    members.sort_unstable_by_key(|member| member.agent_id);
    let group = Group {
        epoch: 1,
        dissolved: false,
        members: members.try_into().expect("within the limit"),
    };
    Groups::<T>::insert(TENANT, GROUP, group);
}

fn event_type() -> EventType {
    vec![b'x'; limits::MAX_EVENT_TYPE_BYTES as usize]
        .try_into()
        .expect("as long as it may be")
}

#[benchmarks]
mod calls {
    use super::*;

    #[benchmark]
    fn register_tenant() -> Result<(), BenchmarkError> {
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, TENANT, admin::<T>());
        assert!(Tenants::<T>::contains_key(TENANT));
        Ok(())
    }

    #[benchmark]
    fn set_tenant_suspended() -> Result<(), BenchmarkError> {
        let origin = governance::<T>()?;
        admit::<T>();
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, TENANT, true);
        Ok(())
    }

    #[benchmark]
    fn register_store() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, StoreId([9; 16]));
    }

    #[benchmark]
    fn register_agent() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AgentId([9; 16]));
    }

    #[benchmark]
    fn set_agent_suspended() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AGENT, true);
    }

    #[benchmark]
    fn register_signing_key() {
        admit::<T>();
        let public_key = key(2);
        let hash = possession::<T>(SECOND, KeyPurpose::Signing, public_key.0);
        let proof = sign(&public_key, &hash);
        let window = ValidityWindow::default();
        #[extrinsic_call]
        _(
            signed::<T>(),
            TENANT,
            AGENT,
            SECOND,
            public_key,
            window,
            proof,
        );
        assert!(SigningKeys::<T>::contains_key((TENANT, AGENT), SECOND));
    }

    #[benchmark]
    fn register_encryption_key() {
        let voucher = admit::<T>();
        let public_key = encryption_key();
        let hash = possession::<T>(FIRST, KeyPurpose::Encryption, public_key.0);
        let proof = sign(&voucher, &hash);
        let window = ValidityWindow::default();
        #[extrinsic_call]
        _(
            signed::<T>(),
            TENANT,
            AGENT,
            FIRST,
            public_key,
            window,
            FIRST,
            proof,
        );
        assert!(EncryptionKeys::<T>::contains_key((TENANT, AGENT), FIRST));
    }

    #[benchmark]
    fn revoke_signing_key() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AGENT, FIRST, None);
    }

    #[benchmark]
    fn revoke_encryption_key() -> Result<(), BenchmarkError> {
        let voucher = admit::<T>();
        let public_key = encryption_key();
        let hash = possession::<T>(FIRST, KeyPurpose::Encryption, public_key.0);
        Pallet::<T>::register_encryption_key(
            signed::<T>().into(),
            TENANT,
            AGENT,
            FIRST,
            public_key,
            ValidityWindow::default(),
            FIRST,
            sign(&voucher, &hash),
        )?;
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AGENT, FIRST);
        Ok(())
    }

    #[benchmark]
    fn rotate_signing_key() {
        let rotation = rotation::<T>();
        #[extrinsic_call]
        _(RawOrigin::Authorized, rotation);
        assert!(SigningKeys::<T>::contains_key((TENANT, AGENT), SECOND));
    }

    /// In a block, where the signatures are left to the dispatch.
    #[benchmark]
    fn authorize_rotation() {
        let rotation = rotation::<T>();
        #[block]
        {
            Pallet::<T>::authorize_rotation(TransactionSource::InBlock, &rotation)
                .expect("a good rotation is admitted");
        }
    }

    #[benchmark]
    fn set_key_policy() {
        admit::<T>();
        let patterns = vec![longest_pattern(); limits::MAX_TYPE_PATTERNS as usize - 1];
        let policy = Some(policy(patterns));
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AGENT, FIRST, policy);
    }

    #[benchmark]
    fn set_tenant_quota() -> Result<(), BenchmarkError> {
        let origin = governance::<T>()?;
        admit::<T>();
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, TENANT, Some(QUOTA));
        Ok(())
    }

    #[benchmark]
    fn set_agent_quota() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, AGENT, Some(QUOTA));
    }

    /// Another was proposed before, who leaves.
    #[benchmark]
    fn propose_tenant_admin() -> Result<(), BenchmarkError> {
        admit::<T>();
        let before = account("before", 0, 0);
        Pallet::<T>::propose_tenant_admin(signed::<T>().into(), TENANT, before)?;
        #[extrinsic_call]
        _(signed::<T>(), TENANT, account("next", 0, 0));
        Ok(())
    }

    #[benchmark]
    fn accept_tenant_admin() -> Result<(), BenchmarkError> {
        admit::<T>();
        frame_system::Pallet::<T>::inc_providers(&admin::<T>());
        let next: T::AccountId = account("next", 0, 0);
        Pallet::<T>::propose_tenant_admin(signed::<T>().into(), TENANT, next.clone())?;
        #[extrinsic_call]
        _(RawOrigin::Signed(next), TENANT);
        Ok(())
    }

    #[benchmark]
    fn cancel_tenant_admin() -> Result<(), BenchmarkError> {
        admit::<T>();
        let next = account("next", 0, 0);
        Pallet::<T>::propose_tenant_admin(signed::<T>().into(), TENANT, next)?;
        #[extrinsic_call]
        _(signed::<T>(), TENANT);
        Ok(())
    }

    #[benchmark]
    fn create_group() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, GROUP);
    }

    #[benchmark]
    fn set_group_member() {
        admit::<T>();
        group_of::<T>(limits::MAX_RECIPIENTS);
        #[extrinsic_call]
        _(signed::<T>(), TENANT, GROUP, AGENT, GroupRole::Manager);
    }

    #[benchmark]
    fn remove_group_member() {
        admit::<T>();
        group_of::<T>(limits::MAX_RECIPIENTS);
        #[extrinsic_call]
        _(signed::<T>(), TENANT, GROUP, AGENT);
    }

    #[benchmark]
    fn dissolve_group() {
        admit::<T>();
        group_of::<T>(limits::MAX_RECIPIENTS);
        #[extrinsic_call]
        _(signed::<T>(), TENANT, GROUP);
    }

    #[benchmark]
    fn register_schema() {
        admit::<T>();
        #[extrinsic_call]
        _(signed::<T>(), TENANT, event_type(), 1, SchemaHash([7; 32]));
        assert_eq!(Schemas::<T>::iter_keys().count(), 1);
    }

    #[benchmark]
    fn set_schema_status() -> Result<(), BenchmarkError> {
        admit::<T>();
        let hash = SchemaHash([7; 32]);
        Pallet::<T>::register_schema(signed::<T>().into(), TENANT, event_type(), 1, hash)?;
        let status = SchemaStatus::Deprecated;
        #[extrinsic_call]
        _(signed::<T>(), TENANT, event_type(), 1, status);
        Ok(())
    }
}
