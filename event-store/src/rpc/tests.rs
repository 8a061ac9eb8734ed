// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod agent_cursors;
mod discover;
mod events;
mod follow;
mod subscribe;

use super::*;
use crate::testing::*;
use ed25519_zebra::{SigningKey, VerificationKey};
use jsonrpsee::{core::EmptyServerParams, types::error::INVALID_PARAMS_CODE};
use serde_json::{Value, json};
use ves_primitives::{
    AgentId, AmountCommitment, CurrencyTag, EventId, FinalityProof, InclusionError, KeyId, Policy,
    PolicyHash, ProofHash, SigningPublicKey, StateRoot, StoreId, StreamId, SubmittedEvent,
    TenantId,
    limits::{MAX_MULTI_PROOF_LEAVES, MAX_SET_CHANGES},
    proof::{BatchProofRecord, BudgetStep, ProofRecord},
    registry::{AuthorProblem, KeyProblem, RecordedAt, SigningKeyRecord, ValidityWindow},
    sequencer::{KeptBatches, Rejection},
    stream_id,
    wire::{
        BatchJson, BundleJson, EventsPageJson, HeadJson, InclusionJson, MultiInclusionJson,
        RejectionJson, SequencedEventJson, StoreHealthJson,
        codes::{self, NOT_INDEXED_YET, STATE_UNAVAILABLE},
    },
};

const AGENT: AgentId = AgentId([0x44; 16]);

/// The key of [`AGENT`], its number 1.
fn agent_key() -> SigningKey {
    SigningKey::from([7; 32])
}

/// What the node says. Blocks 1 and 2 are final, proven by two headers and six bytes; block 3 is not;
/// what is asked about block 9 is lost.
pub(crate) struct Node;

fn evidence(headers: u8) -> FinalityProof {
    FinalityProof {
        headers: (0..headers).map(|n| vec![n; 3]).collect(),
        justification: vec![7; 6],
    }
}

fn proof_record(event_id: EventId) -> ProofRecord {
    ProofRecord {
        event_id,
        sequence: 2,
        policy: Policy::AgentBudget { budget_limit: 900 },
        commitment: AmountCommitment([1; 32]),
        currency: CurrencyTag::new("USD", 2).unwrap(),
        budget: Some(BudgetStep {
            previous: AmountCommitment([2; 32]),
            new: AmountCommitment([3; 32]),
        }),
        proof_hash: ProofHash([4; 32]),
        bytes: 30_000,
        block: 2,
        circuit_version: 1,
        agent_id: AGENT,
    }
}

impl ChainSource for Node {
    fn signing_key(
        &self,
        _: TenantId,
        _: AgentId,
        key: KeyId,
    ) -> Result<Option<SigningKeyRecord>, String> {
        Ok((key == KeyId(1)).then_some(SigningKeyRecord {
            public_key: SigningPublicKey([8; 32]),
            window: ValidityWindow::default(),
            registered_at: RecordedAt {
                block: 1,
                time_ms: 2_000,
            },
            revocation: None,
        }))
    }

    fn author(
        &self,
        _: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Result<SigningPublicKey, AuthorProblem>, String> {
        if agent != AGENT {
            return Ok(Err(AuthorProblem::UnknownAgent));
        }
        if store == OTHER_STORE {
            return Err("pruned".into());
        }
        Ok(match key {
            KeyId(1) => {
                let key = VerificationKey::from(&agent_key());
                Ok(SigningPublicKey(key.into()))
            }
            _ => Err(AuthorProblem::Key(KeyProblem::Revoked)),
        })
    }

    fn kept_batches(&self, stream: StreamId) -> Result<KeptBatches, String> {
        let known = stream == stream_id(TENANT, STORE);
        Ok(KeptBatches {
            oldest: 0,
            anchored: known.into(),
        })
    }

    fn proofs_of_event(&self, _: StreamId, event: EventId) -> Result<Vec<ProofRecord>, String> {
        let proven = event == event_id(2);
        Ok(proven.then(|| proof_record(event)).into_iter().collect())
    }

    fn batch_proof(&self, _: StreamId, index: u64) -> Result<Option<BatchProofRecord>, String> {
        Ok((index == 0).then_some(BatchProofRecord {
            batch_id: ves_primitives::BatchId([1; 32]),
            batch_index: 0,
            prev_state_root: StateRoot::GENESIS,
            new_state_root: StateRoot([2; 32]),
            events: 3,
            policy: Policy::AmlThreshold { threshold: 1_000 },
            policy_hash: PolicyHash([3; 32]),
            policy_limit: 999,
            proof_hash: ProofHash([4; 32]),
            bytes: 90_000,
            block: 2,
            circuit_version: 1,
            agent_id: AGENT,
        }))
    }

    fn prove(&self, number: u32) -> Result<Option<FinalityProof>, String> {
        match number {
            9 => Err("pruned".into()),
            0..3 => Ok(Some(evidence(2))),
            _ => Ok(None),
        }
    }

    fn set_changes(&self, above: u32, limit: usize) -> Result<Vec<FinalityProof>, String> {
        let changes = (1..4).filter(|n| u32::from(*n) > above).map(evidence);
        Ok(changes.take(limit).collect())
    }
}

/// The methods over a store, with little patience.
fn over(store: &Store, subscriptions: usize) -> RpcModule<()> {
    register(VesRpc {
        store: store.clone(),
        chain: Arc::new(Node),
        subscriptions: Subscriptions::new(subscriptions, Duration::from_millis(300)),
    })
}

async fn node(folder: &std::path::Path) -> (Store, RpcModule<()>) {
    let store = open(folder).await;
    let mut chain = Chain::default();
    let blocks = [
        chain.block(&[(STORE, 3), (OTHER_STORE, 1)], r#"{"total":"12.50"}"#),
        chain.rejection(9, Rejection::DuplicateCommandId),
    ];
    store.append(&blocks.map(prepared)).await.unwrap();
    store.report_finalized(2, false);
    let module = over(&store, 8);
    (store, module)
}

/// Calls a method with JSON text as parameters; the error code if it fails.
async fn call(module: &RpcModule<()>, method: &str, params: &str) -> Result<Value, (i64, String)> {
    let answer = raw_call(module, method, params).await;
    match answer.get("error") {
        Some(error) => Err((
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().to_owned(),
        )),
        None => Ok(answer["result"].clone()),
    }
}

async fn raw_call(module: &RpcModule<()>, method: &str, params: &str) -> Value {
    let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let (answer, _) = module.raw_json_request(&request, 1).await.unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[tokio::test]
async fn every_method_answers_in_the_shapes_of_the_wire_module() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let head: HeadJson = module.call("ves_head", (TENANT, STORE)).await.unwrap();
    assert_eq!((head.sequence, head.finalized_block_number), (3, 2));
    let page: EventsPageJson = module
        .call("ves_events", (TENANT, STORE, 2u64, None::<u32>))
        .await
        .unwrap();
    assert_eq!(page.events.len(), 2);
    let event: Option<SequencedEventJson> = module
        .call("ves_event", (TENANT, STORE, event_id(2)))
        .await
        .unwrap();
    let event = event.unwrap();
    assert_eq!(event, page.events[0]);
    let submitted = SubmittedEvent::try_from(&event.event).unwrap();
    assert_eq!(
        submitted.envelope.signing_hash().unwrap(),
        event.event_signing_hash
    );
    let batch: Option<BatchJson> = module
        .call("ves_batch", (TENANT, STORE, 0u64))
        .await
        .unwrap();
    let of_sequence: Option<BatchJson> = module
        .call("ves_batchOfSequence", (TENANT, STORE, 3u64))
        .await
        .unwrap();
    assert_eq!(batch, of_sequence);
    let proof: Option<InclusionJson> = module
        .call("ves_inclusionProof", (TENANT, STORE, 2u64))
        .await
        .unwrap();
    let bundle: Option<BundleJson> = module
        .call("ves_bundle", (TENANT, STORE, event_id(2)))
        .await
        .unwrap();
    let bundle = bundle.unwrap();
    assert_eq!(Some(&bundle.inclusion), proof.as_ref());
    assert_eq!((bundle.genesis_hash, bundle.event), (GENESIS, event));
    let rejections: Vec<RejectionJson> = module
        .call("ves_rejections", (TENANT, STORE, event_id(9)))
        .await
        .unwrap();
    assert_eq!(rejections[0].reason, "duplicate_command_id");
    let health: StoreHealthJson = module
        .call("ves_health", EmptyServerParams::new())
        .await
        .unwrap();
    assert_eq!(
        (
            health.indexed_block,
            health.finalized_block,
            health.backfilling
        ),
        (2, 2, false)
    );
}

#[tokio::test]
async fn parameters_may_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let params = format!(r#"{{"tenant_id":"{TENANT}","store_id":"{STORE}","from":1,"limit":1}}"#);
    let page = call(&module, "ves_events", &params).await.unwrap();
    assert_eq!(page["next_sequence"], 2);
}

#[tokio::test]
async fn malformed_parameters_are_named_and_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let cases = [
        ("[]", "tenant_id"),
        ("{}", "tenant_id"),
        (r#""x""#, "parameters"),
        (&format!(r#"["{TENANT}"]"#), "store_id"),
        (&format!(r#"["{TENANT}","not-a-uuid",1]"#), "store_id"),
        (&format!(r#"["{TENANT}","{STORE}"]"#), "from"),
        (&format!(r#"["{TENANT}","{STORE}",-1]"#), "from"),
        (&format!(r#"["{TENANT}","{STORE}",1.5]"#), "from"),
        (
            &format!(r#"["{TENANT}","{STORE}",18446744073709551616]"#),
            "from",
        ),
        (&format!(r#"["{TENANT}","{STORE}",1,0]"#), "limit"),
        (&format!(r#"["{TENANT}","{STORE}",1,1001]"#), "limit"),
        (&format!(r#"["{TENANT}","{STORE}",1,1,1]"#), "parameters"),
        (r#"{"tenant":"x"}"#, "parameters"),
        (
            &format!(r#"["{}"]"#, "a".repeat(args::PARAMS_BYTES_MAX)),
            "parameters",
        ),
    ];
    for (params, name) in cases {
        let (code, message) = call(&module, "ves_events", params).await.unwrap_err();
        assert_eq!(code, i64::from(INVALID_PARAMS_CODE), "{params}");
        assert!(
            message.starts_with(&format!("{name}: ")),
            "{params}: {message}"
        );
    }
}

#[tokio::test]
async fn absence_is_only_stated_by_a_store_that_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let (store, module) = node(folder.path()).await;
    let absent = format!(r#"["{TENANT}","{STORE}","{}"]"#, event_id(99));
    for method in ["ves_event", "ves_bundle"] {
        assert_eq!(call(&module, method, &absent).await, Ok(Value::Null));
    }
    assert_eq!(
        call(&module, "ves_rejections", &absent).await,
        Ok(Value::Array(vec![]))
    );
    store.report_finalized(500, true);
    for method in [
        "ves_event",
        "ves_bundle",
        "ves_rejections",
        "ves_eventsByCommand",
    ] {
        let answer = raw_call(&module, method, &absent).await;
        assert_eq!(answer["error"]["code"], NOT_INDEXED_YET);
        assert_eq!(
            answer["error"]["data"],
            json!({ "name": "not_indexed_yet", "indexed_block": 2, "finalized_block": 500 })
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("2 of 500"), "{message}");
    }
    let present = format!(r#"["{TENANT}","{STORE}","{}"]"#, event_id(1));
    assert!(call(&module, "ves_event", &present).await.is_ok());
}

#[tokio::test]
async fn evidence_of_finality_is_given_for_a_block_and_in_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let found = call(&module, "ves_finality", "[1]").await.unwrap();
    assert_eq!(
        found,
        serde_json::json!({
            "headers": ["0x000000", "0x010101"],
            "justification": "0x070707070707",
        })
    );
    assert_eq!(
        call(&module, "ves_finality", "[3]").await.unwrap(),
        Value::Null
    );
    let (code, text) = call(&module, "ves_finality", "[9]").await.unwrap_err();
    assert_eq!((code, text.as_str()), (STATE_UNAVAILABLE.into(), "pruned"));

    let bundle: Option<BundleJson> = module
        .call("ves_bundle", (TENANT, STORE, event_id(2)))
        .await
        .unwrap();
    let carried = bundle.unwrap().finality.unwrap();
    assert_eq!(carried.proof, evidence(2));
    assert_eq!((carried.authorities, carried.set_changes), (None, vec![]));
}

#[tokio::test]
async fn changes_of_the_authority_set_are_listed_from_a_height_on() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let changes: Vec<FinalityProof> = module.call("ves_setChanges", (1u32, 1u32)).await.unwrap();
    assert_eq!(changes, [evidence(2)]);
    let changes: Vec<FinalityProof> = module.call("ves_setChanges", (1u32, ())).await.unwrap();
    assert_eq!(changes, [evidence(2), evidence(3)]);
    for limit in [0, MAX_SET_CHANGES + 1] {
        let (code, _) = call(&module, "ves_setChanges", &format!("[1, {limit}]"))
            .await
            .unwrap_err();
        assert_eq!(code, i64::from(INVALID_PARAMS_CODE));
    }
}

#[tokio::test]
async fn one_proof_is_given_for_several_events_of_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let (store, module) = node(folder.path()).await;
    let proof: Option<MultiInclusionJson> = module
        .call("ves_multiProof", (TENANT, STORE, [1u64, 3]))
        .await
        .unwrap();
    let proof = proof.unwrap();
    let batch = &proof.batch.batch;
    assert_eq!(
        batch.check_leaves(&[1, 3], &proof.leaf_hashes, &proof.proof),
        Ok(())
    );
    assert_eq!(
        batch.check_leaves(&[1, 2], &proof.leaf_hashes, &proof.proof),
        Err(InclusionError::IndexOutOfRange)
    );
    let alone = store.inclusion(TENANT, STORE, 1).await.unwrap().unwrap();
    assert_eq!(
        (alone.header, alone.block_proof),
        (proof.header, proof.block_proof)
    );

    let many: Vec<u64> = (1..=u64::from(MAX_MULTI_PROOF_LEAVES) + 1).collect();
    for (sequences, code) in [
        (json!([]), -32_602),
        (json!([2, 1]), -32_602),
        (json!([1, 1]), -32_602),
        (json!(many), -32_602),
        // Not indexed, or of another batch.
        (json!([1, 4]), -32_602),
    ] {
        let params = json!([TENANT, STORE, sequences]).to_string();
        assert_eq!(
            call(&module, "ves_multiProof", &params)
                .await
                .unwrap_err()
                .0,
            code
        );
    }
    let params = json!([TENANT, STORE, [4, 5]]).to_string();
    assert_eq!(
        call(&module, "ves_multiProof", &params).await,
        Ok(Value::Null)
    );
    store.report_finalized(500, true);
    let (code, _) = call(&module, "ves_multiProof", &params).await.unwrap_err();
    assert_eq!(code, i64::from(NOT_INDEXED_YET));
}

#[tokio::test]
async fn verdicts_and_anchors_are_those_of_the_newest_finalized_block() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let params = json!([TENANT, STORE, event_id(2)]).to_string();
    let proofs = call(&module, "ves_complianceProofs", &params)
        .await
        .unwrap();
    assert_eq!(proofs[0]["verdict"], "verified");
    assert_eq!(proofs[0]["policy_id"], "agent.budget.v1");
    assert_eq!(
        (
            &proofs[0]["policy_limit"],
            &proofs[0]["currency"],
            &proofs[0]["currency_scale"]
        ),
        (&json!(900), &json!("USD"), &json!(2))
    );
    let params = json!([TENANT, STORE, event_id(1)]).to_string();
    assert_eq!(
        call(&module, "ves_complianceProofs", &params).await,
        Ok(json!([]))
    );
    let params = json!([TENANT, STORE, 0]).to_string();
    let proof = call(&module, "ves_batchProof", &params).await.unwrap();
    assert_eq!(
        (&proof["verdict"], &proof["events"]),
        (&json!("verified"), &json!(3))
    );
    let params = json!([TENANT, STORE, 1]).to_string();
    assert_eq!(
        call(&module, "ves_batchProof", &params).await,
        Ok(Value::Null)
    );

    let params = json!([TENANT, STORE]).to_string();
    let anchored = call(&module, "ves_anchored", &params).await.unwrap();
    assert_eq!(
        (&anchored["anchored_batches"], &anchored["batch_count"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(anchored["last_anchored"]["sequence_end"], 3);
    let params = json!([TENANT, OTHER_STORE]).to_string();
    let anchored = call(&module, "ves_anchored", &params).await.unwrap();
    assert_eq!(
        (&anchored["anchored_batches"], &anchored["batch_count"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(anchored.get("last_anchored"), None);
}
