// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The OpenRPC document against what the methods do.

use super::*;
use crate::{ProofSubject, RefusedProof};
use std::collections::BTreeSet;
use ves_primitives::{
    CommandId, CursorStatement, Signature,
    proof::ProofRefusal,
    wire::{AgentCursorJson, NewEventsJson},
};

fn document() -> Value {
    serde_json::from_str(OPENRPC).unwrap()
}

/// What the schemas of the document say, as far as they say anything; other words are not allowed.
fn check(document: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{at}: {what}: {value}"));
    let schema = schema.as_object().unwrap();
    for (word, rule) in schema {
        let holds = match word.as_str() {
            "description" => true,
            "$ref" => {
                let name = rule
                    .as_str()
                    .unwrap()
                    .strip_prefix("#/components/schemas/")
                    .unwrap();
                let named = &document["components"]["schemas"][name];
                assert!(named.is_object(), "no schema {name}");
                check(document, named, value, at)?;
                true
            }
            "oneOf" => {
                let of = rule.as_array().unwrap();
                of.iter()
                    .filter(|one| check(document, one, value, at).is_ok())
                    .count()
                    == 1
            }
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_u64(),
                "null" => value.is_null(),
                other => panic!("type {other}"),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_u64() >= rule.as_u64(),
            "maximum" => value.as_u64() <= rule.as_u64(),
            "minItems" => value.as_array().map(|items| items.len() as u64) >= rule.as_u64(),
            "maxItems" => value.as_array().map(|items| items.len() as u64) <= rule.as_u64(),
            "pattern" => {
                let pattern = rule.as_str().unwrap();
                value.as_str().is_some_and(|text| matches(pattern, text))
            }
            "items" => {
                for (n, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, rule, item, &format!("{at}[{n}]"))?;
                }
                true
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => check(document, rule, value, &format!("{at}.{name}"))?,
                        None => assert_eq!(schema["additionalProperties"], false),
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false);
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .all(|(name, _)| known.contains_key(name))
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|name| value.get(name.as_str().unwrap()).is_some()),
            other => panic!("the word {other} is not understood"),
        };
        if !holds {
            return fail(word);
        }
    }
    Ok(())
}

/// The few forms of texts that the document has.
fn matches(pattern: &str, text: &str) -> bool {
    let hex = |text: &str| {
        text.bytes()
            .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
    };
    let prefixed = text.strip_prefix("0x");
    match pattern {
        "^0x[0-9a-f]{64}$" => prefixed.is_some_and(|digits| digits.len() == 64 && hex(digits)),
        "^0x([0-9a-f]{2})*$" => prefixed.is_some_and(|digits| digits.len() % 2 == 0 && hex(digits)),
        "^(0x)?[0-9a-fA-F]{128}$" => {
            let digits = prefixed.unwrap_or(text).to_ascii_lowercase();
            digits.len() == 128 && hex(&digits)
        }
        "^[0-9a-f]{34}([0-9a-f]{16})?$" => matches!(text.len(), 34 | 50) && hex(text),
        "^[A-Za-z0-9_-]*$" => text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-'),
        name if name.starts_with("^([0-9a-fA-F]{8}-?") => text.parse::<crate::BatchName>().is_ok(),
        uuid if uuid.starts_with("^[0-9a-fA-F]{8}-?") => text.parse::<EventId>().is_ok(),
        other => panic!("pattern {other}"),
    }
}

fn described<'a>(document: &'a Value, method: &str) -> &'a Value {
    let methods = document["methods"].as_array().unwrap();
    methods
        .iter()
        .find(|found| found["name"] == method)
        .unwrap()
}

#[tokio::test]
async fn the_document_describes_exactly_the_methods_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    let served = call(&module, "rpc.discover", "[]").await.unwrap();
    assert_eq!(served, document());
    let described: Vec<_> = served["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    let set: BTreeSet<_> = described.iter().copied().collect();
    assert_eq!(set.len(), described.len(), "a method is described twice");
    assert_eq!(set, module.method_names().collect());
}

#[tokio::test]
async fn the_parameters_are_the_described_ones_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (_, module) = node(folder.path()).await;
    for method in document()["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        if name == "ves_unsubscribeEvents" {
            continue;
        }
        let params = method["params"].as_array().unwrap();
        // One more than there are, and one with another name.
        let surplus = vec![Value::Null; params.len() + 1];
        let (code, text) = call(&module, name, &json!(surplus).to_string())
            .await
            .unwrap_err();
        assert_eq!(
            (code, text),
            (
                -32_602,
                format!(
                    "parameters: expected {}, found {}",
                    params.len(),
                    params.len() + 1
                )
            )
        );
        let (_, text) = call(&module, name, r#"{"nonsense":1}"#).await.unwrap_err();
        assert_eq!(text, r#"parameters: unknown name "nonsense""#);
        // Each is known by its name, and wrong as an empty list; the first wrong one is named.
        let all: serde_json::Map<_, _> = params
            .iter()
            .map(|param| (param["name"].as_str().unwrap().to_owned(), json!([[]])))
            .collect();
        for at in 0..params.len() {
            let mut some = all.clone();
            for before in &params[..at] {
                let good = match before["name"].as_str().unwrap() {
                    "filter" => json!({}),
                    "sequences" => json!([1]),
                    "newest_first" => json!(true),
                    "entity_type" | "entity_id" => json!("x"),
                    "cursor" | "limit" => Value::Null,
                    number
                        if before["schema"]["$ref"] != "#/components/schemas/Uuid"
                            && number != "tenant_id" =>
                    {
                        json!(1)
                    }
                    _ => json!(TENANT),
                };
                some.insert(before["name"].as_str().unwrap().into(), good);
            }
            let wanted = params[at]["name"].as_str().unwrap();
            let answer = call(&module, name, &Value::Object(some).to_string()).await;
            let (code, text) = answer.unwrap_err();
            assert!(
                code == -32_602 && text.starts_with(&format!("{wanted}: ")),
                "{name} {wanted}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn real_questions_and_answers_are_as_described() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let with_command = {
        let mut event = event(STORE, 2, r#"{"b":[1,2]}"#);
        event.envelope.ves_version = 2;
        event.envelope.command_id = Some(CommandId([6; 16]));
        event.envelope.base_version = Some(1);
        event
    };
    let events = vec![
        event(STORE, 1, r#"{"a":"x"}"#),
        with_command,
        encrypted_event(STORE, 3),
        event(STORE, 4, "not JSON"),
    ];
    let mut blocks = [
        chain.block_of(vec![
            (STORE, events),
            (OTHER_STORE, vec![event(OTHER_STORE, 1, "{}")]),
        ]),
        chain.block(&[(STORE, 200)], "{}"),
        chain.rejection(9, Rejection::DuplicateCommandId),
    ];
    for subject in [ProofSubject::Event(event_id(9)), ProofSubject::Batch(0)] {
        blocks[2].refused_proofs.push(RefusedProof {
            stream_id: stream_id(TENANT, STORE),
            subject,
            agent_id: AGENT,
            extrinsic_index: 2,
            reason: ProofRefusal::ProofInvalid,
            units: 8,
        });
    }
    store.append(&blocks.map(prepared)).await.unwrap();
    store.report_finalized(3, false);
    let module = over(&store, 8);
    let document = document();
    let batch = store.batch(TENANT, STORE, 0).await.unwrap().unwrap().batch;
    let (batch_id, uuid) = (batch.batch_id, EventId(batch.batch_id.to_uuid_bytes()));
    let statement = CursorStatement {
        genesis: GENESIS,
        tenant_id: TENANT,
        store_id: STORE,
        agent_id: AGENT,
        key_id: KeyId(1),
        slot: 0,
        sequence: 3,
        revision: 1,
    };
    let cursor = AgentCursorJson {
        slot: 0,
        sequence: 3,
        revision: 1,
        key_id: KeyId(1),
        signature: Signature(agent_key().sign(&statement.hash()).into()),
    };
    let calls = [
        ("ves_head", json!([TENANT, STORE])),
        ("ves_streams", json!([])),
        ("ves_streams", json!([TENANT, null, 1])),
        ("ves_events", json!([TENANT, STORE, 1, 4])),
        ("ves_events", json!([TENANT, STORE, 1, 1000])),
        (
            "ves_findEvents",
            json!([TENANT, STORE, { "event_type": "order.created", "since_ms": 1 }, true, null, 3]),
        ),
        ("ves_findEvents", json!([TENANT, STORE])),
        ("ves_event", json!([TENANT, STORE, event_id(3)])),
        ("ves_event", json!([TENANT, STORE, event_id(9_999)])),
        (
            "ves_eventsByCommand",
            json!([TENANT, STORE, CommandId([6; 16])]),
        ),
        (
            "ves_entityHistory",
            json!([TENANT, STORE, "order", "o-1", null, 2]),
        ),
        ("ves_batch", json!([TENANT, STORE, 0])),
        ("ves_batches", json!([TENANT, STORE, 0, 1])),
        ("ves_batchOfSequence", json!([TENANT, STORE, 5])),
        ("ves_batchById", json!([batch_id])),
        ("ves_batchById", json!([uuid])),
        ("ves_batchById", json!([ves_primitives::BatchId([0; 32])])),
        ("ves_blockCommitment", json!([1])),
        ("ves_inclusionProof", json!([TENANT, STORE, 6])),
        ("ves_multiProof", json!([TENANT, STORE, [5, 9, 100]])),
        ("ves_bundle", json!([TENANT, STORE, event_id(2)])),
        ("ves_rejections", json!([TENANT, STORE, event_id(9)])),
        ("ves_refusedProofs", json!([TENANT, STORE, event_id(9)])),
        ("ves_refusedBatchProofs", json!([TENANT, STORE, 0])),
        ("ves_finality", json!([1])),
        ("ves_setChanges", json!([0])),
        ("ves_anchored", json!([TENANT, STORE])),
        ("ves_complianceProofs", json!([TENANT, STORE, event_id(2)])),
        ("ves_batchProof", json!([TENANT, STORE, 0])),
        ("ves_setAgentCursor", json!([TENANT, STORE, AGENT, cursor])),
        ("ves_agentCursors", json!([TENANT, STORE, AGENT])),
        ("ves_health", json!([])),
        ("rpc.discover", json!([])),
    ];
    let mut asked = BTreeSet::from(["ves_subscribeEvents", "ves_unsubscribeEvents"]);
    for (method, params) in &calls {
        asked.insert(method);
        let described = described(&document, method);
        let given = params.as_array().unwrap();
        for (n, param) in described["params"].as_array().unwrap().iter().enumerate() {
            match given.get(n) {
                Some(value) => check(&document, &param["schema"], value, method).unwrap(),
                None => assert_eq!(param["required"], false, "{method} {param}"),
            }
        }
        let answer = call(&module, method, &params.to_string()).await.unwrap();
        check(&document, &described["result"]["schema"], &answer, method).unwrap();
        if *method != "rpc.discover" {
            // The schemas say something: without one of its fields, an answer is not as described.
            let mut broken = answer.clone();
            let target = if broken.is_array() {
                &mut broken[0]
            } else {
                &mut broken
            };
            if let Some(field) = target
                .as_object()
                .and_then(|fields| fields.keys().next().cloned())
            {
                target[format!("x{field}")] = Value::Null;
                let told = check(&document, &described["result"]["schema"], &broken, method);
                assert!(told.is_err(), "{method} takes any field");
            }
        }
    }
    assert_eq!(
        asked,
        module.method_names().collect(),
        "every method is asked"
    );

    let params = json!([TENANT, STORE, 1, { "agent_id": AGENT }]);
    let mut subscription = module
        .subscribe(
            "ves_subscribeEvents",
            (TENANT, STORE, 1, json!({ "agent_id": AGENT })),
            8,
        )
        .await
        .unwrap();
    let described = described(&document, "ves_subscribeEvents");
    for (value, param) in params
        .as_array()
        .unwrap()
        .iter()
        .zip(described["params"].as_array().unwrap())
    {
        check(&document, &param["schema"], value, "ves_subscribeEvents").unwrap();
    }
    let (message, _) = subscription.next::<Value>().await.unwrap().unwrap();
    check(
        &document,
        &described["x-notification"]["schema"],
        &message,
        "ves_newEvents",
    )
    .unwrap();
    let message: NewEventsJson = serde_json::from_value(message).unwrap();
    assert_eq!(message.events.len(), 204);
}

#[test]
fn the_described_errors_are_the_codes_that_programs_decide_by() {
    let document = document();
    let errors = document["components"]["errors"].as_object().unwrap();
    let mut described = BTreeSet::new();
    for (name, error) in errors {
        let code = i32::try_from(error["code"].as_i64().unwrap()).unwrap();
        assert_eq!(error["data"]["name"].as_str(), codes::name(code), "{name}");
        described.insert(code);
    }
    let all: BTreeSet<_> = (-33_000..-32_000)
        .filter(|code| codes::name(*code).is_some())
        .chain([-32_602])
        .collect();
    assert_eq!(described, all);
    for method in document["methods"].as_array().unwrap() {
        for error in method["errors"].as_array().unwrap() {
            let name = error["$ref"]
                .as_str()
                .unwrap()
                .strip_prefix("#/components/errors/")
                .unwrap();
            assert!(errors.contains_key(name), "{name}");
        }
    }
}
