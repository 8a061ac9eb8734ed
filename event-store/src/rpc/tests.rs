// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::fixtures::*;
use jsonrpsee::core::EmptyServerParams;
use ves_primitives::{
    SigningPublicKey, SubmittedEvent,
    registry::{RecordedAt, ValidityWindow},
    sequencer::Rejection,
    wire::StoreHealthJson,
};

struct OneKey;

impl KeySource for OneKey {
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
}

/// Blocks 1 and 2 are final, proven by two headers and six bytes; block 3 is not; what is asked about
/// block 9 is lost.
struct Evidence;

fn evidence(headers: u8) -> FinalityProof {
    FinalityProof {
        headers: (0..headers).map(|n| vec![n; 3]).collect(),
        justification: vec![7; 6],
    }
}

impl FinalitySource for Evidence {
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

async fn node(folder: &std::path::Path) -> (Store, RpcModule<()>) {
    let store = open(folder).await;
    let mut chain = Chain::default();
    let blocks = [
        chain.block(&[(STORE, 3), (OTHER_STORE, 1)], r#"{"total":"12.50"}"#),
        chain.rejection(9, Rejection::DuplicateCommandId),
    ];
    store.append(&blocks.map(prepared)).await.unwrap();
    store.report_finalized(2, false);
    let module = register(VesRpc {
        store: store.clone(),
        keys: Arc::new(OneKey),
        finality: Arc::new(Evidence),
    });
    (store, module)
}

/// Calls a method with JSON text as parameters; the error code if it fails.
async fn call(module: &RpcModule<()>, method: &str, params: &str) -> Result<Value, (i64, String)> {
    let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let (answer, _) = module.raw_json_request(&request, 1).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    match answer.get("error") {
        Some(error) => Err((
            error["code"].as_i64().unwrap(),
            error["message"].as_str().unwrap().to_owned(),
        )),
        None => Ok(answer["result"].clone()),
    }
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
            &format!(r#"["{}"]"#, "a".repeat(PARAMS_BYTES_MAX)),
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
    for method in ["ves_event", "ves_bundle", "ves_rejections"] {
        let (code, message) = call(&module, method, &absent).await.unwrap_err();
        assert_eq!(code, i64::from(NOT_INDEXED_YET));
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
