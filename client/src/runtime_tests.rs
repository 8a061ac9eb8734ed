// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What this crate builds is what the chain's own runtime understands. No node is needed: the
//! metadata, the call types and the signature check are the runtime's.

use crate::{
    AdminCall, ClientError, RuntimeVersion, Signer,
    admin::{check_events, encode_calls, sign},
    tx::{call_prefix, general_extrinsic},
};
use codec::{DecodeAll, Encode};
use polkadot_sdk::{
    frame_system::{self, EventRecord, Phase},
    pallet_collective,
    sp_core::H256 as SpH256,
    sp_io::TestExternalities,
    sp_runtime::{
        DispatchError, ModuleError,
        generic::{ExtrinsicFormat, Preamble},
        traits::Checkable,
    },
};
use subxt::{
    metadata::{ArcMetadata, Metadata},
    utils::H256,
};
use ves_primitives::{
    AgentId, EncryptionPublicKey, EventType, GroupId, KeyId, SchemaHash, Signature,
    SigningPublicKey, StoreId, SubmittedEvent, TenantId,
    registry::{GroupRole, KeyPolicy, KeyRotation, Quota, SchemaStatus, ValidityWindow},
};
use ves_runtime::{Runtime, RuntimeCall, RuntimeEvent, UncheckedExtrinsic, VERSION};

const TENANT: TenantId = TenantId([1; 16]);
const AGENT: AgentId = AgentId([2; 16]);
const GENESIS: H256 = H256([9; 32]);

fn metadata(version: u32) -> ArcMetadata {
    let opaque = TestExternalities::default()
        .execute_with(|| Runtime::metadata_at_version(version))
        .expect("the runtime offers this version");
    Metadata::decode_from(&opaque).unwrap().arc()
}

fn version() -> RuntimeVersion {
    RuntimeVersion {
        spec_name: ves_primitives::SPEC_NAME.into(),
        spec_version: VERSION.spec_version,
        transaction_version: VERSION.transaction_version,
    }
}

fn every_call() -> Vec<AdminCall> {
    let window = ValidityWindow {
        valid_from: Some(1),
        valid_to: None,
    };
    let (tenant, agent, key_id) = (TENANT, AGENT, KeyId(3));
    let group = GroupId([9; 16]);
    let event_type: EventType = b"order.created".to_vec().try_into().unwrap();
    vec![
        AdminCall::RegisterTenant {
            tenant,
            admin: [4; 32],
        },
        AdminCall::SetTenantSuspended {
            tenant,
            suspended: true,
        },
        AdminCall::RegisterStore {
            tenant,
            store: StoreId([5; 16]),
        },
        AdminCall::RegisterAgent { tenant, agent },
        AdminCall::SetAgentSuspended {
            tenant,
            agent,
            suspended: false,
        },
        AdminCall::RegisterSigningKey {
            tenant,
            agent,
            key_id,
            public_key: SigningPublicKey([6; 32]),
            window,
            proof: Signature([7; 64]),
        },
        AdminCall::RegisterEncryptionKey {
            tenant,
            agent,
            key_id,
            public_key: EncryptionPublicKey([8; 32]),
            window,
            signing_key_id: KeyId(1),
            proof: Signature([7; 64]),
        },
        AdminCall::RevokeSigningKey {
            tenant,
            agent,
            key_id,
            effective_from: Some(10),
        },
        AdminCall::RevokeEncryptionKey {
            tenant,
            agent,
            key_id,
        },
        AdminCall::SetTenantQuota {
            tenant,
            quota: Some(Quota::DEFAULT_TENANT),
        },
        AdminCall::SetAgentQuota {
            tenant,
            agent,
            quota: None,
        },
        AdminCall::SetKeyPolicy {
            tenant,
            agent,
            key_id,
            policy: Some(KeyPolicy {
                enabled: true,
                event_types: vec!["order.*".parse().unwrap()].try_into().unwrap(),
                entity_types: vec!["*".parse().unwrap()].try_into().unwrap(),
                require_base_version: true,
                max_payload_bytes: 9,
            }),
        },
        AdminCall::ProposeTenantAdmin {
            tenant,
            proposed: [4; 32],
        },
        AdminCall::AcceptTenantAdmin { tenant },
        AdminCall::CancelTenantAdmin { tenant },
        AdminCall::CreateGroup { tenant, group },
        AdminCall::SetGroupMember {
            tenant,
            group,
            agent,
            role: GroupRole::Manager,
        },
        AdminCall::RemoveGroupMember {
            tenant,
            group,
            agent,
        },
        AdminCall::DissolveGroup { tenant, group },
        AdminCall::RegisterSchema {
            tenant,
            event_type: event_type.clone(),
            version: 1,
            hash: SchemaHash([6; 32]),
        },
        AdminCall::SetSchemaStatus {
            tenant,
            event_type,
            version: 1,
            status: SchemaStatus::Deprecated,
        },
    ]
}

#[test]
fn every_administrative_call_is_one_of_the_runtimes() {
    for version in [15, 16] {
        let metadata = metadata(version);
        for call in every_call() {
            let bytes = encode_calls(&metadata, std::slice::from_ref(&call)).unwrap();
            let decoded = RuntimeCall::decode_all(&mut bytes.as_slice()).unwrap();
            let shown = format!("{decoded:?}");
            assert!(
                shown.contains(call.name()),
                "{} became {shown}",
                call.name()
            );
            let proposed = matches!(decoded, RuntimeCall::Council(_));
            assert_eq!(proposed, call.is_governance());
        }
        let bytes = encode_calls(&metadata, &every_call()).unwrap();
        let decoded = RuntimeCall::decode_all(&mut bytes.as_slice()).unwrap();
        assert!(format!("{decoded:?}").contains("batch_all"));
        assert!(matches!(
            encode_calls(&metadata, &[]),
            Err(ClientError::Invalid { .. })
        ));
    }
}

#[test]
fn a_call_of_another_shape_is_an_error_before_anything_is_signed() {
    let metadata = metadata(16);
    let error = call_prefix(
        &metadata,
        "AgentRegistry",
        "register_agent",
        &["agent", "tenant"],
    );
    assert!(matches!(error, Err(ClientError::Metadata { .. })));
    let error = call_prefix(&metadata, "AgentRegistry", "no_such_call", &[]);
    assert!(matches!(error, Err(ClientError::Metadata { .. })));
    let signer = Signer::from_uri("//Alice").unwrap();
    let mut call = encode_calls(&metadata, &every_call()[3..4]).unwrap();
    call.push(0);
    let error = sign(
        &signer,
        &call,
        0,
        (1, GENESIS),
        GENESIS,
        metadata,
        &version(),
    );
    assert!(matches!(error, Err(ClientError::Metadata { .. })));
}

#[test]
fn a_submission_is_a_general_transaction_of_the_runtime() {
    for version in [15, 16] {
        let metadata = metadata(version);
        let mut call =
            call_prefix(&metadata, "VesSequencer", "submit_events", &["events"]).unwrap();
        Vec::<SubmittedEvent>::new().encode_to(&mut call);
        let bytes = general_extrinsic(&metadata, &call).unwrap();
        let decoded = UncheckedExtrinsic::decode_all(&mut bytes.as_slice()).unwrap();
        assert!(
            matches!(decoded.preamble, Preamble::General(..)),
            "{:?}",
            decoded.preamble
        );
        assert_eq!(decoded.function.encode(), call);
        assert_eq!(decoded.encode(), bytes);
    }
}

#[test]
fn a_rotation_is_a_general_transaction_of_the_runtime() {
    let rotation = KeyRotation {
        tenant_id: TENANT,
        agent_id: AGENT,
        outgoing: KeyId(1),
        successor: KeyId(2),
        public_key: SigningPublicKey([3; 32]),
        grace_seconds: 4,
        possession: Signature([5; 64]),
        handover: Signature([6; 64]),
    };
    let metadata = metadata(16);
    let arguments = ["rotation"];
    let mut call =
        call_prefix(&metadata, "AgentRegistry", "rotate_signing_key", &arguments).unwrap();
    rotation.encode_to(&mut call);
    let bytes = general_extrinsic(&metadata, &call).unwrap();
    let decoded = UncheckedExtrinsic::decode_all(&mut bytes.as_slice()).unwrap();
    assert!(matches!(decoded.preamble, Preamble::General(..)));
    assert_eq!(decoded.function.encode(), call);
    let shown = format!("{:?}", decoded.function);
    assert!(shown.contains("rotate_signing_key"), "{shown}");
}

#[test]
fn the_runtime_accepts_the_signature_and_every_extensions_data() {
    let signer = Signer::from_uri("//Alice").unwrap();
    let metadata = metadata(16);
    let call = encode_calls(&metadata, &every_call()[2..4]).unwrap();
    let start = (70, H256([7; 32]));
    let signed = |genesis| {
        let extrinsic = sign(
            &signer,
            &call,
            3,
            start,
            genesis,
            metadata.clone(),
            &version(),
        )
        .unwrap();
        UncheckedExtrinsic::decode_all(&mut extrinsic.as_slice()).unwrap()
    };
    let chain = || {
        let mut chain = TestExternalities::default();
        chain.execute_with(|| {
            frame_system::BlockHash::<Runtime>::insert(0, SpH256(GENESIS.0));
            frame_system::BlockHash::<Runtime>::insert(70, SpH256([7; 32]));
            frame_system::Pallet::<Runtime>::set_block_number(80);
        });
        chain
    };
    chain().execute_with(|| {
        let checked = signed(GENESIS).check(&frame_system::ChainContext::<Runtime>::default());
        let Ok(checked) = checked.map_err(|error| format!("{error:?}")) else {
            unreachable!("the runtime refuses the signature");
        };
        assert_eq!(checked.function.encode(), call);
        let ExtrinsicFormat::Signed(account, _) = checked.format else {
            unreachable!("not a signed transaction");
        };
        assert_eq!(AsRef::<[u8]>::as_ref(&account), signer.account_id());
        // For another chain the same call needs another signature.
        let foreign =
            signed(H256([8; 32])).check(&frame_system::ChainContext::<Runtime>::default());
        assert!(foreign.is_err());
    });
}

fn outcome(events: Vec<RuntimeEvent>) -> Result<(), ClientError> {
    let records: Vec<EventRecord<RuntimeEvent, SpH256>> = events
        .into_iter()
        .map(|event| EventRecord {
            phase: Phase::ApplyExtrinsic(1),
            event,
            topics: vec![],
        })
        .collect();
    check_events(records.encode(), 1, GENESIS, metadata(16), &version())
}

fn registry_error() -> DispatchError {
    use polkadot_sdk::frame_support::traits::PalletInfoAccess;
    let index = u8::try_from(ves_runtime::AgentRegistry::index()).unwrap();
    DispatchError::Module(ModuleError {
        index,
        error: [0; 4],
        message: None,
    })
}

#[test]
fn failures_carry_the_pallets_error_and_its_documentation() {
    let success = || {
        RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess {
            dispatch_info: Default::default(),
        })
    };
    assert_eq!(outcome(vec![success()]), Ok(()));
    let failed = RuntimeEvent::System(frame_system::Event::ExtrinsicFailed {
        dispatch_error: registry_error(),
        dispatch_info: Default::default(),
    });
    let executed = |result| {
        RuntimeEvent::Council(pallet_collective::Event::Executed {
            proposal_hash: SpH256::zero(),
            result,
        })
    };
    for events in [
        vec![failed],
        vec![executed(Err(registry_error())), success()],
    ] {
        let Err(ClientError::Dispatch { error, docs }) = outcome(events) else {
            unreachable!("a failed call passed for a success");
        };
        assert!(error.starts_with("AgentRegistry::"), "{error}");
        assert!(!docs.is_empty());
    }
    assert_eq!(outcome(vec![executed(Ok(())), success()]), Ok(()));
    let refused = outcome(vec![executed(Err(DispatchError::BadOrigin)), success()]);
    assert!(matches!(refused, Err(ClientError::Dispatch { error, .. }) if error == "Bad origin."));
    assert!(matches!(outcome(vec![]), Err(ClientError::Decode { .. })));
}

#[test]
fn truncated_events_are_an_error_not_a_success() {
    for bytes in [vec![], vec![4], vec![0xff; 40]] {
        let result = check_events(bytes, 1, GENESIS, metadata(16), &version());
        assert!(
            matches!(result, Err(ClientError::Decode { .. })),
            "{result:?}"
        );
    }
}
