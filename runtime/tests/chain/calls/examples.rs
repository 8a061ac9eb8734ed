// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! An example of every call, such that whoever may make it has it carried out. All within the state of a
//! [`super::scene::Scene`], which [`prepare`] makes ready for them; what only one of them needs, it does itself.

use super::scene::{COUNCIL, SLOT, Who, now};
use crate::{
    blocks::{FOUNDERS, NEWCOMER, votes},
    offences::{double_block, double_vote, ownership},
};
use codec::{Decode, DecodeAll, Encode};
use polkadot_sdk::{
    frame_support::dispatch::GetDispatchInfo,
    frame_system, pallet_collective, pallet_grandpa, pallet_session, pallet_timestamp,
    pallet_utility,
    sp_core::{H256, Pair, ed25519, sr25519},
    sp_runtime::traits::{BlakeTwo256, Hash},
};
use ves_primitives::{
    AgentId, BatchCommitment, EncryptionPublicKey, Envelope, EventId, GenesisHash, GroupId, KeyId,
    KeyPurpose, Payload, PayloadCipherHash, PayloadKind, PossessionStatement, SchemaHash,
    Signature, SigningPublicKey, StoreId, StreamTip, SubmittedEvent, TenantId, payload_plain_hash,
    proof::{BatchProofSubmission, ProofSubmission},
    registry::{GroupRole, KeyRotation, SchemaStatus, ValidityWindow},
    sequencer::EventRecord,
    stream_id,
};
use ves_runtime::{
    AgentRegistry, Council, OriginCaller, Runtime, RuntimeCall, RuntimeOrigin, System,
    VesSequencer, configs::CouncilCollective, opaque::SessionKeys,
};

pub(super) const TENANT: TenantId = TenantId([1; 16]);
pub(super) const OTHER_TENANT: TenantId = TenantId([2; 16]);
pub(super) const STORE: StoreId = StoreId([3; 16]);
const AGENT: AgentId = AgentId([4; 16]);
const GROUP: GroupId = GroupId([5; 16]);
/// The key that there is, and the next one:
const KEY: KeyId = KeyId(1);
const NEXT: KeyId = KeyId(2);
/// Alice's X25519 key of RFC 7748, §6.1.
const X25519: [u8; 32] = [
    0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a,
    0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
];
/// Bob's.
const OTHER_X25519: [u8; 32] = [
    0xde, 0x9e, 0xdb, 0x7d, 0x7b, 0x7d, 0xc1, 0xb4, 0xd3, 0x5b, 0x61, 0xc2, 0xec, 0xe4, 0x35, 0x37,
    0x3f, 0x83, 0x43, 0xc8, 0x5b, 0x78, 0x67, 0x4d, 0xad, 0xfc, 0x7e, 0x14, 0x6f, 0x88, 0x2b, 0x4f,
];
/// Proofs as the verifier's pallet has them for its benchmarks: of events that this chain does not know.
const PROOF: &[u8] =
    include_bytes!("../../../../pallets/stark-verifier/src/benchmarking/fixtures/event.scale");
const BATCH_PROOF: &[u8] =
    include_bytes!("../../../../pallets/stark-verifier/src/benchmarking/fixtures/batch-12.scale");

/// Code of a runtime that somebody has authorized.
const CODE: [u8; 64] = [1; 64];

fn key(seed: u8) -> ed25519::Pair {
    ed25519::Pair::from_seed(&[seed; 32])
}

fn public(key: &ed25519::Pair) -> SigningPublicKey {
    SigningPublicKey(key.public().0)
}

fn sign(key: &ed25519::Pair, message: &[u8]) -> Signature {
    Signature(key.sign(message).0)
}

fn genesis() -> GenesisHash {
    GenesisHash(System::block_hash(0).0)
}

fn possession(key_id: KeyId, purpose: KeyPurpose, public_key: [u8; 32]) -> [u8; 32] {
    let statement = PossessionStatement {
        genesis: genesis(),
        tenant: TENANT,
        agent: AGENT,
        key_id,
        purpose,
        public_key,
    };
    statement.hash()
}

type Registry = pallet_agent_registry::Call<Runtime>;

fn register_signing_key(key_id: KeyId, seed: u8) -> Registry {
    let key = key(seed);
    let public_key = public(&key);
    Registry::register_signing_key {
        tenant: TENANT,
        agent: AGENT,
        key_id,
        public_key,
        window: ValidityWindow::default(),
        proof: sign(&key, &possession(key_id, KeyPurpose::Signing, public_key.0)),
    }
}

fn register_encryption_key(key_id: KeyId, bytes: [u8; 32]) -> Registry {
    Registry::register_encryption_key {
        tenant: TENANT,
        agent: AGENT,
        key_id,
        public_key: EncryptionPublicKey(bytes),
        window: ValidityWindow::default(),
        signing_key_id: KEY,
        proof: sign(&key(1), &possession(key_id, KeyPurpose::Encryption, bytes)),
    }
}

fn event_type() -> ves_primitives::EventType {
    b"order.created".to_vec().try_into().unwrap()
}

fn register_schema(version: u32) -> Registry {
    Registry::register_schema {
        tenant: TENANT,
        event_type: event_type(),
        version,
        hash: SchemaHash([7; 32]),
    }
}

fn add_member() -> Registry {
    Registry::set_group_member {
        tenant: TENANT,
        group: GROUP,
        agent: AGENT,
        role: GroupRole::Reader,
    }
}

/// What the examples build on: an agent with keys, a group, a schema, a relay, a stream.
pub(super) fn prepare() {
    use polkadot_sdk::sp_runtime::traits::Dispatchable;
    let by_admin = [
        Registry::register_agent {
            tenant: TENANT,
            agent: AGENT,
        },
        register_signing_key(KEY, 1),
        register_encryption_key(KEY, X25519),
        Registry::create_group {
            tenant: TENANT,
            group: GROUP,
        },
        register_schema(1),
    ];
    for call in by_admin {
        let origin = RuntimeOrigin::signed(Who::Admin.account());
        RuntimeCall::from(call).dispatch(origin).unwrap();
    }
    let relays = vec![Who::Relay.account()].try_into().unwrap();
    VesSequencer::set_relays(RuntimeOrigin::root(), relays).unwrap();
    pallet_ves_sequencer::Tips::<Runtime>::insert(stream_id(TENANT, STORE), StreamTip::EMPTY);
}

/// The example of a call by its name, `Pallet.call`.
pub(super) fn example(name: &str) -> RuntimeCall {
    let (pallet, call) = name.split_once('.').unwrap();
    let found = match pallet {
        "System" => system(call).map(Into::into),
        "Timestamp" => timestamp(call).map(Into::into),
        "Grandpa" => grandpa(call).map(Into::into),
        "Session" => session(call).map(Into::into),
        "Council" => council(call).map(Into::into),
        "Utility" => utility(call).map(Into::into),
        "Consortium" => consortium(call).map(Into::into),
        "AgentRegistry" => registry(call).or_else(|| of_admins(call)).map(Into::into),
        "VesSequencer" => sequencer(call).map(Into::into),
        "StarkVerifier" => verifier(call).map(Into::into),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("there is no example of {name}"))
}

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1] }.into()
}

fn system(call: &str) -> Option<frame_system::Call<Runtime>> {
    use frame_system::Call;
    let code = CODE.to_vec();
    let code_hash = BlakeTwo256::hash(&code);
    let (place, value) = (vec![0xff; 8], vec![1]);
    Some(match call {
        "remark" => Call::remark { remark: vec![1] },
        "remark_with_event" => Call::remark_with_event { remark: vec![1] },
        "set_heap_pages" => Call::set_heap_pages { pages: 64 },
        "set_code" => Call::set_code { code },
        "set_code_without_checks" => Call::set_code_without_checks { code },
        "set_storage" => Call::set_storage {
            items: vec![(place, value)],
        },
        "kill_storage" => Call::kill_storage { keys: vec![place] },
        "kill_prefix" => Call::kill_prefix {
            prefix: place,
            subkeys: 1,
        },
        "authorize_upgrade" => Call::authorize_upgrade { code_hash },
        "authorize_upgrade_without_checks" => Call::authorize_upgrade_without_checks { code_hash },
        "apply_authorized_upgrade" => {
            System::do_authorize_upgrade(code_hash, true);
            Call::apply_authorized_upgrade { code }
        }
        _ => return None,
    })
}

fn timestamp(call: &str) -> Option<pallet_timestamp::Call<Runtime>> {
    let now = SLOT * ves_runtime::SLOT_DURATION_MS;
    (call == "set").then_some(pallet_timestamp::Call::set { now })
}

fn grandpa(call: &str) -> Option<pallet_grandpa::Call<Runtime>> {
    use pallet_grandpa::Call;
    let evidence = || {
        let proof = double_vote(&votes(FOUNDERS[2].1), 0, 7, [1, 2]);
        let key_owner_proof = ownership(&proof).unwrap();
        (Box::new(proof), key_owner_proof)
    };
    Some(match call {
        "report_equivocation" => {
            let (equivocation_proof, key_owner_proof) = evidence();
            Call::report_equivocation {
                equivocation_proof,
                key_owner_proof,
            }
        }
        "report_equivocation_unsigned" => {
            let (equivocation_proof, key_owner_proof) = evidence();
            Call::report_equivocation_unsigned {
                equivocation_proof,
                key_owner_proof,
            }
        }
        "note_stalled" => Call::note_stalled {
            delay: 5,
            best_finalized_block_number: 1,
        },
        _ => return None,
    })
}

/// The validator's next keys, and the proof that it has them, which is void for every other account.
fn session(call: &str) -> Option<pallet_session::Call<Runtime>> {
    use pallet_session::Call;
    Some(match call {
        "set_keys" => {
            let (blocks, votes) = (sr25519::Pair::from_seed(&[6; 32]), votes(NEWCOMER));
            let statement = [b"POP_".to_vec(), Who::Validator.account().encode()].concat();
            Call::set_keys {
                proof: (blocks.sign(&statement), votes.sign(&statement)).encode(),
                keys: SessionKeys {
                    aura: blocks.public().into(),
                    grandpa: votes.public().into(),
                },
            }
        }
        "purge_keys" => Call::purge_keys {},
        _ => return None,
    })
}

/// A motion that waits for votes, or has all that it needs.
fn motion(votes: usize) -> (H256, u32, RuntimeCall) {
    let signed = |n: usize| RuntimeOrigin::signed(COUNCIL[n].to_account_id());
    let proposal = remark();
    let hash = BlakeTwo256::hash_of(&proposal);
    let index = pallet_collective::ProposalCount::<Runtime, CouncilCollective>::get();
    let length = proposal.encoded_size() as u32;
    Council::propose(signed(0), 3, Box::new(proposal.clone()), length).unwrap();
    for n in [0, 2, 3].into_iter().take(votes) {
        Council::vote(signed(n), hash, index, true).unwrap();
    }
    (hash, index, proposal)
}

fn council(call: &str) -> Option<pallet_collective::Call<Runtime, CouncilCollective>> {
    use pallet_collective::Call;
    let proposal = Box::new(remark());
    let length_bound = proposal.encoded_size() as u32;
    Some(match call {
        "set_members" => Call::set_members {
            new_members: vec![COUNCIL[0].to_account_id()],
            prime: None,
            old_count: 4,
        },
        "execute" => Call::execute {
            proposal,
            length_bound,
        },
        "propose" => Call::propose {
            threshold: 3,
            proposal,
            length_bound,
        },
        "vote" => {
            let (proposal, index, _) = motion(1);
            Call::vote {
                proposal,
                index,
                approve: true,
            }
        }
        "disapprove_proposal" => Call::disapprove_proposal {
            proposal_hash: motion(1).0,
        },
        "close" => {
            let (proposal_hash, index, proposal) = motion(3);
            Call::close {
                proposal_hash,
                index,
                proposal_weight_bound: proposal.get_dispatch_info().call_weight,
                length_bound,
            }
        }
        "kill" => Call::kill {
            proposal_hash: motion(1).0,
        },
        "release_proposal_cost" => Call::release_proposal_cost {
            proposal_hash: Default::default(),
        },
        _ => return None,
    })
}

fn utility(call: &str) -> Option<pallet_utility::Call<Runtime>> {
    use pallet_utility::Call;
    let (calls, call_box) = (vec![remark()], Box::new(remark()));
    let admin = frame_system::RawOrigin::Signed(Who::Admin.account());
    let as_origin = Box::new(OriginCaller::system(admin));
    Some(match call {
        "batch" => Call::batch { calls },
        "batch_all" => Call::batch_all { calls },
        "force_batch" => Call::force_batch { calls },
        "as_derivative" => Call::as_derivative {
            index: 1,
            call: call_box,
        },
        "dispatch_as" => Call::dispatch_as {
            as_origin,
            call: call_box,
        },
        "dispatch_as_fallible" => Call::dispatch_as_fallible {
            as_origin,
            call: call_box,
        },
        "with_weight" => Call::with_weight {
            call: call_box,
            weight: Default::default(),
        },
        "if_else" => Call::if_else {
            main: call_box.clone(),
            fallback: call_box,
        },
        _ => return None,
    })
}

fn consortium(call: &str) -> Option<pallet_consortium::Call<Runtime>> {
    use pallet_consortium::Call;
    let bob = Who::Validator.account();
    Some(match call {
        "add_validator" => Call::add_validator {
            validator: [9; 32].into(),
        },
        "remove_validator" => Call::remove_validator { validator: bob },
        "reinstate_validator" => {
            let proof = double_vote(&votes(FOUNDERS[1].1), 0, 7, [1, 2]);
            let key_owner_proof = ownership(&proof).unwrap();
            let by = RuntimeOrigin::none();
            let proof = Box::new(proof);
            ves_runtime::Grandpa::report_equivocation_unsigned(by, proof, key_owner_proof).unwrap();
            Call::reinstate_validator { validator: bob }
        }
        "set_council" => Call::set_council {
            members: vec![COUNCIL[0].to_account_id()].try_into().unwrap(),
        },
        "authorize_upgrade" => Call::authorize_upgrade {
            code_hash: Default::default(),
        },
        "recover_finality" => Call::recover_finality {
            delay: 1,
            best_finalized: 1,
        },
        "report_double_block" => {
            let slot = SLOT + 2;
            let author = FOUNDERS[usize::try_from(slot % 4).unwrap()].0;
            let double = |salt| double_block(author, slot, (System::parent_hash(), now()), salt);
            let (first, second) = (double(1), double(2));
            Call::report_double_block {
                offender: author.public(),
                first: Box::new(first),
                second: Box::new(second),
            }
        }
        _ => return None,
    })
}

/// Calls of governance, of agents and of whom a tenant is offered to.
fn registry(call: &str) -> Option<Registry> {
    Some(match call {
        "register_tenant" => Registry::register_tenant {
            tenant: TenantId([9; 16]),
            admin: [9; 32].into(),
        },
        "set_tenant_suspended" => Registry::set_tenant_suspended {
            tenant: TENANT,
            suspended: true,
        },
        "set_tenant_quota" => Registry::set_tenant_quota {
            tenant: TENANT,
            quota: None,
        },
        "rotate_signing_key" => Registry::rotate_signing_key {
            rotation: rotation(),
        },
        "propose_tenant_admin" => Registry::propose_tenant_admin {
            tenant: TENANT,
            proposed: Who::Other.account(),
        },
        "accept_tenant_admin" => {
            offer();
            Registry::accept_tenant_admin { tenant: TENANT }
        }
        "cancel_tenant_admin" => {
            offer();
            Registry::cancel_tenant_admin { tenant: TENANT }
        }
        _ => return None,
    })
}

/// The tenant is offered to the other one's admin.
fn offer() {
    let by = RuntimeOrigin::signed(Who::Admin.account());
    AgentRegistry::propose_tenant_admin(by, TENANT, Who::Other.account()).unwrap();
}

fn rotation() -> KeyRotation {
    let mut rotation = KeyRotation {
        tenant_id: TENANT,
        agent_id: AGENT,
        outgoing: KEY,
        successor: NEXT,
        public_key: public(&key(2)),
        grace_seconds: 60,
        possession: Signature([0; 64]),
        handover: Signature([0; 64]),
    };
    let statement = rotation.statement(genesis());
    rotation.possession = sign(&key(2), &statement.successor.hash());
    rotation.handover = sign(&key(1), &statement.hash());
    rotation
}

/// Calls of the tenant's admin.
fn of_admins(call: &str) -> Option<Registry> {
    let (tenant, agent, group) = (TENANT, AGENT, GROUP);
    Some(match call {
        "register_store" => Registry::register_store {
            tenant,
            store: StoreId([9; 16]),
        },
        "register_agent" => Registry::register_agent {
            tenant,
            agent: AgentId([9; 16]),
        },
        "set_agent_suspended" => Registry::set_agent_suspended {
            tenant,
            agent,
            suspended: true,
        },
        "register_signing_key" => register_signing_key(NEXT, 2),
        "register_encryption_key" => register_encryption_key(NEXT, OTHER_X25519),
        "revoke_signing_key" => Registry::revoke_signing_key {
            tenant,
            agent,
            key_id: KEY,
            effective_from: None,
        },
        "revoke_encryption_key" => Registry::revoke_encryption_key {
            tenant,
            agent,
            key_id: KEY,
        },
        "set_key_policy" => Registry::set_key_policy {
            tenant,
            agent,
            key_id: KEY,
            policy: None,
        },
        "set_agent_quota" => Registry::set_agent_quota {
            tenant,
            agent,
            quota: None,
        },
        "create_group" => Registry::create_group {
            tenant,
            group: GroupId([9; 16]),
        },
        "set_group_member" => add_member(),
        "remove_group_member" => {
            let by = RuntimeOrigin::signed(Who::Admin.account());
            AgentRegistry::set_group_member(by, tenant, group, agent, GroupRole::Reader).unwrap();
            Registry::remove_group_member {
                tenant,
                group,
                agent,
            }
        }
        "dissolve_group" => Registry::dissolve_group { tenant, group },
        "register_schema" => register_schema(2),
        "set_schema_status" => Registry::set_schema_status {
            tenant,
            event_type: event_type(),
            version: 1,
            status: SchemaStatus::Deprecated,
        },
        _ => return None,
    })
}

/// An event that the agent has signed.
fn event() -> SubmittedEvent {
    let json = br#"{"n":1}"#.to_vec();
    let mut envelope = Envelope {
        ves_version: 2,
        event_id: EventId([8; 16]),
        tenant_id: TENANT,
        store_id: STORE,
        source_agent_id: AGENT,
        agent_key_id: KEY,
        entity_type: b"order".to_vec().try_into().unwrap(),
        entity_id: b"1".to_vec().try_into().unwrap(),
        event_type: event_type(),
        created_at: b"2027-01-15T08:00:00Z".to_vec().try_into().unwrap(),
        payload_kind: PayloadKind::Plaintext,
        payload_plain_hash: payload_plain_hash(None, &json),
        payload_cipher_hash: PayloadCipherHash::PLAINTEXT,
        command_id: None,
        base_version: None,
        agent_signature: Signature([0; 64]),
    };
    let hash = envelope.signing_hash().unwrap();
    envelope.agent_signature = sign(&key(1), &hash.0);
    SubmittedEvent {
        envelope,
        payload: Payload::Plain(json.try_into().unwrap()),
    }
}

fn sequencer(call: &str) -> Option<pallet_ves_sequencer::Call<Runtime>> {
    use pallet_ves_sequencer::Call;
    Some(match call {
        "submit_events" => Call::submit_events {
            events: vec![event()].try_into().unwrap(),
        },
        "set_relays" => Call::set_relays {
            relays: vec![[9; 32].into()].try_into().unwrap(),
        },
        "note_anchored" => Call::note_anchored {
            stream_id: stream_id(TENANT, STORE),
            batch_count: 0,
        },
        _ => return None,
    })
}

fn fixture<F: Decode>(mut bytes: &[u8]) -> F {
    F::decode_all(&mut bytes).unwrap()
}

fn verifier(call: &str) -> Option<pallet_stark_verifier::Call<Runtime>> {
    use pallet_stark_verifier::Call;
    type OfEvent = (SigningPublicKey, EventRecord, ProofSubmission);
    type OfBatch = (
        Vec<(AgentId, SigningPublicKey)>,
        BatchCommitment,
        BatchProofSubmission,
    );
    Some(match call {
        "submit_proof" => Call::submit_proof {
            submission: Box::new(fixture::<OfEvent>(PROOF).2),
        },
        "submit_batch_proof" => Call::submit_batch_proof {
            submission: Box::new(fixture::<OfBatch>(BATCH_PROOF).2),
        },
        "set_circuit_enabled" => Call::set_circuit_enabled {
            version: 1,
            enabled: false,
        },
        _ => return None,
    })
}
