// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The MCP server over real stdio, everything that needs no node. `tests/mcp` of the repository goes
//! on with independent clients and a real node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{AGENT, Project};
use rmcp::{
    ClientLifecycleMode, ClientServiceExt, RoleClient, ServiceError,
    model::{CallToolRequestParams, CallToolResult, ErrorCode, ProtocolVersion, Tool},
    service::RunningService,
    transport::TokioChildProcess,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

const EVENT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

type Client = RunningService<RoleClient, ()>;

fn revisions() -> [(ProtocolVersion, ClientLifecycleMode); 2] {
    let latest = ProtocolVersion::V_2026_07_28;
    [
        (
            ProtocolVersion::V_2025_11_25,
            ClientLifecycleMode::Initialize,
        ),
        (
            latest.clone(),
            ClientLifecycleMode::Discover {
                preferred_versions: vec![latest],
            },
        ),
    ]
}

async fn connect_as(project: &Project, flags: &[&str], lifecycle: ClientLifecycleMode) -> Client {
    let args: Vec<&str> = std::iter::once("mcp")
        .chain(flags.iter().copied())
        .collect();
    let mut command = project.command(&args);
    command.env("VES_PASSPHRASE", "a passphrase for tests");
    let command = tokio::process::Command::from(command);
    let transport = TokioChildProcess::new(command).unwrap();
    ().serve_with_lifecycle(transport, lifecycle).await.unwrap()
}

async fn connect(project: &Project, flags: &[&str]) -> Client {
    connect_as(project, flags, ClientLifecycleMode::Initialize).await
}

fn request(name: &str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name.to_owned())
        .with_arguments(arguments.as_object().unwrap().clone())
}

async fn call(client: &Client, name: &str, arguments: Value) -> CallToolResult {
    client.call_tool(request(name, &arguments)).await.unwrap()
}

/// The object of an answer that is no error.
async fn good(client: &Client, name: &str, arguments: Value) -> Value {
    let result = call(client, name, arguments).await;
    assert_eq!(result.is_error, Some(false), "{name}: {result:?}");
    result.structured_content.unwrap()
}

/// The code of an answer that is an error.
async fn bad(client: &Client, name: &str, arguments: Value) -> String {
    let result = call(client, name, arguments).await;
    assert_eq!(result.is_error, Some(true), "{name}: {result:?}");
    let value = result.structured_content.unwrap();
    assert!(value["error"]["message"].is_string(), "{value}");
    value["error"]["code"].as_str().unwrap().to_owned()
}

fn draft(entity: &str) -> Value {
    json!({
        "entity_type": "order",
        "entity_id": entity,
        "event_type": "order.created",
        "payload": { "total": 12 },
    })
}

fn audit_log(project: &Project) -> PathBuf {
    project.state().join("mcp-audit.jsonl")
}

/// The tools of a server, each with what a client decides by.
fn surface(tools: &[Tool]) -> BTreeMap<String, Value> {
    let describe = |tool: &Tool| {
        let a = tool.annotations.as_ref().unwrap();
        let names = |schema: &Value| -> Vec<String> {
            let members = schema["properties"].as_object();
            members.map_or_else(Vec::new, |m| m.keys().cloned().collect())
        };
        json!({
            "title": tool.title,
            "read_only": a.read_only_hint.unwrap(),
            "destructive": a.destructive_hint.unwrap(),
            "idempotent": a.idempotent_hint.unwrap(),
            "open_world": a.open_world_hint.unwrap(),
            "takes": names(&tool.schema_as_json_value()),
            "needs": tool.input_schema.get("required").cloned().unwrap_or_else(|| json!([])),
            "answers": names(&Value::Object(tool.output_schema.as_ref().unwrap().as_ref().clone())),
        })
    };
    tools
        .iter()
        .map(|tool| (tool.name.to_string(), describe(tool)))
        .collect()
}

/// What clients see is committed, so that a change of it is seen in review. `VES_BLESS=1` writes it.
#[tokio::test]
async fn the_tools_are_the_committed_ones() {
    let project = Project::new();
    let mut found = BTreeMap::new();
    for (mode, flags) in [
        ("read-only", &[][..]),
        ("decrypting", &["--allow-decrypt"]),
        ("write", &["--allow-write"]),
        ("admin", &["--allow-admin", "--allow-decrypt"]),
    ] {
        let client = connect(&project, flags).await;
        let tools = client.list_all_tools().await.unwrap();
        found.insert(mode, surface(&tools));
        client.cancel().await.unwrap();
    }
    // Every tool once, and which modes have it.
    let mut whole = serde_json::Map::new();
    for (name, described) in &found["admin"] {
        let mut described = described.clone();
        let modes = found.iter().filter(|(_, tools)| tools.contains_key(name));
        described["modes"] = modes.map(|(mode, _)| json!(mode)).collect();
        whole.insert(name.clone(), described);
    }
    let text = format!("{:#}\n", Value::Object(whole));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mcp-tools.json");
    if std::env::var_os("VES_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn both_revisions_of_the_protocol_are_served_as_themselves() {
    let project = Project::new();
    for (version, lifecycle) in revisions() {
        let client = connect_as(&project, &[], lifecycle).await;
        assert_eq!(client.peer_info().unwrap().protocol_version, version);
        let status = good(&client, "ves_status", json!({ "offline": true })).await;
        assert_eq!(status["agent_id"], AGENT);
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn a_read_only_server_neither_lists_nor_runs_what_changes_something() {
    let project = Project::new();
    for (_, lifecycle) in revisions() {
        let client = connect_as(&project, &[], lifecycle).await;
        for name in [
            "ves_event_append",
            "ves_pull",
            "ves_quarantine_recheck",
            "ves_change_commit",
            "ves_conflict_resolve",
            "no_such_tool",
        ] {
            let refusal = client.call_tool(request(name, &draft("A-1"))).await;
            let Err(ServiceError::McpError(error)) = refusal else {
                panic!("{name}: {refusal:?}");
            };
            assert_eq!(error.code, ErrorCode::INVALID_PARAMS, "{name}");
            assert!(error.data.unwrap()["hint"].is_string(), "{name}");
        }
        let outbox = good(&client, "ves_outbox_list", json!({})).await;
        assert_eq!(outbox["events"], json!([]));
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn an_event_is_captured_and_found_again() {
    let project = Project::new();
    let client = connect(&project, &["--allow-write"]).await;
    let captured = good(&client, "ves_event_append", draft("A-1")).await;
    let id = captured["event_id"].as_str().unwrap();
    let event = good(&client, "ves_event_get", json!({ "event_id": &id[..8] })).await;
    assert_eq!(event["event_id"], id);
    assert_eq!(event["payload"], json!({ "total": 12 }));
    assert_eq!(event["provenance"]["verified"], false);
    // The command line sees the same.
    let shown = project.run(&["show", id, "--json"]).json();
    assert_eq!(shown["event"], event["event"]);
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_answered_so_that_a_model_can_correct_them() {
    let project = Project::new();
    let client = connect(&project, &["--allow-write"]).await;
    for (name, arguments) in [
        ("ves_status", json!({ "offline": 1 })),
        ("ves_status", json!({ "unknown": true })),
        ("ves_outbox_list", json!({ "limit": 1000 })),
        ("ves_event_get", json!({ "event_id": "../state.db" })),
        ("ves_event_get", json!({ "event_id": "--json" })),
        ("ves_event_append", json!({ "entity_type": "order" })),
        ("ves_quarantine_recheck", json!({ "sequence": 6 })),
        (
            "ves_verify_receipt",
            json!({ "event": {}, "sequence": 1, "receipt_hash": "0x" }),
        ),
    ] {
        let code = bad(&client, name, arguments.clone()).await;
        assert_eq!(code, "arguments_invalid", "{name} {arguments}");
    }
    for (size, code) in [
        (70_000, "payload_too_large"),
        (2_000_000, "arguments_too_large"),
    ] {
        let mut large = draft("A-1");
        large["payload"] = json!({ "note": "x".repeat(size) });
        assert_eq!(bad(&client, "ves_event_append", large).await, code);
    }
    assert_eq!(
        bad(&client, "ves_event_get", json!({ "event_id": EVENT })).await,
        "event_unknown"
    );
    assert_eq!(
        bad(
            &client,
            "ves_verify_bundle",
            json!({ "bundle": { "schema": "x" } })
        )
        .await,
        "bundle_invalid"
    );
    let unreadable = json!({
        "event": { "ves_version": 1 },
        "sequence": 1,
        "receipt_hash": format!("0x{}", "00".repeat(32)),
    });
    assert_eq!(
        bad(&client, "ves_verify_receipt", unreadable).await,
        "event_malformed"
    );
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn what_needs_the_node_says_so_when_there_is_none() {
    let project = Project::new();
    let client = connect(&project, &["--allow-write"]).await;
    good(&client, "ves_event_append", draft("A-1")).await;
    for name in ["ves_pull", "ves_push_prepare", "ves_quarantine_recheck"] {
        assert_eq!(bad(&client, name, json!({})).await, "node_unreachable");
    }
    // The status itself is an answer, and says why it is not a good one.
    let status = call(&client, "ves_status", json!({})).await;
    assert_eq!(status.is_error, Some(true));
    let status = status.structured_content.unwrap();
    assert_eq!(status["health"], "offline");
    assert_eq!(status["error"]["code"], "node_unreachable");
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_never_handed_out_pushes_nothing() {
    let project = Project::new();
    let client = connect(&project, &["--allow-admin"]).await;
    for token in ["x".to_owned(), "00".repeat(32)] {
        for name in ["ves_push_commit", "ves_change_commit"] {
            let code = bad(&client, name, json!({ "token": token })).await;
            assert_eq!(code, "token_unknown", "{name}");
        }
    }
    let change = json!({ "change": { "kind": "create_group", "group_id": EVENT } });
    let prepared = good(&client, "ves_change_prepare", change).await;
    let token = json!({ "token": prepared["token"] });
    assert_eq!(
        bad(&client, "ves_push_commit", token.clone()).await,
        "token_mismatch"
    );
    // Spent by the attempt, though nobody administers here.
    assert_eq!(
        bad(&client, "ves_change_commit", token.clone()).await,
        "admin_secret_missing"
    );
    assert_eq!(
        bad(&client, "ves_change_commit", token).await,
        "token_spent"
    );
    client.cancel().await.unwrap();
}

/// An event that was made on top of one that was given up: a conflict without anybody else.
fn orphan(project: &Project) -> String {
    let event = |base: &str, payload: &str| {
        let args = [
            &[
                "append",
                "--json",
                "--entity-type",
                "order",
                "--entity-id",
                "A-1",
            ][..],
            &["--event-type", "order.updated", "--base-version", base],
            &["--payload", payload],
        ];
        let id = project.run(&args.concat()).json()["event_id"].clone();
        id.as_str().unwrap().to_owned()
    };
    let first = event("0", r#"{"status":"new"}"#);
    let second = event("1", r#"{"status":"paid"}"#);
    assert_eq!(project.run(&["abandon", &first, "--yes"]).code, 0);
    second
}

#[tokio::test]
async fn a_conflict_is_shown_to_whoever_reads_and_decided_in_two_steps() {
    let project = Project::new();
    let id = orphan(&project);
    let asked = json!({ "event_id": &id[..13], "strategy": "local_wins" });

    for flags in [&[][..], &["--allow-write"]] {
        let reader = connect(&project, flags).await;
        let listed = good(&reader, "ves_conflicts_list", json!({})).await;
        assert_eq!(listed["conflicts"][0]["id"], id);
        assert_eq!(listed["conflicts"][0]["cause"], "lost_base");
        assert_eq!(listed["conflicts"][0]["incomplete"], false);
        let shown = good(&reader, "ves_conflict_preview", asked.clone()).await;
        assert_eq!(
            shown["token"],
            Value::Null,
            "who may not decide gets no token"
        );
        assert_eq!(shown["conflict"]["events"][0]["base_version"], 0);
        let decide = request("ves_conflict_resolve", &json!({ "token": "00" }));
        let Err(ServiceError::McpError(error)) = reader.call_tool(decide).await else {
            panic!("{flags:?}: deciding is not refused");
        };
        let hint = error.data.unwrap()["hint"].to_string();
        assert!(hint.contains("--allow-admin"), "{hint}");
        reader.cancel().await.unwrap();
    }

    let writer = connect(&project, &["--allow-admin"]).await;
    let token = |shown: &Value| json!({ "token": shown["token"] });
    let shown = good(&writer, "ves_conflict_preview", asked.clone()).await;
    let all = json!({ "strategy": "remote_wins" });
    let other = good(&writer, "ves_conflict_preview", all.clone()).await;
    assert_eq!((&other["resolved"], &other["left"]), (&json!(1), &json!(0)));
    let (token, other) = (token(&shown), token(&other));
    assert_eq!(
        bad(&writer, "ves_push_commit", token.clone()).await,
        "token_mismatch"
    );
    let decided = good(&writer, "ves_conflict_resolve", token.clone()).await;
    assert_eq!(decided["conflict"]["resolved"], true);
    assert_eq!(
        bad(&writer, "ves_conflict_resolve", token).await,
        "token_spent"
    );
    // What the other preview showed is not there any more.
    assert_eq!(
        bad(&writer, "ves_conflict_resolve", other).await,
        "approval_stale"
    );
    let listed = good(&writer, "ves_conflicts_list", json!({})).await;
    assert_eq!(listed["conflicts"], json!([]));
    let outbox = good(&writer, "ves_outbox_list", json!({ "state": "queued" })).await;
    assert_eq!(outbox["events"][0]["base_version"], 0);
    assert_eq!(
        bad(&writer, "ves_conflict_preview", asked).await,
        "conflict_unknown"
    );
    writer.cancel().await.unwrap();
}

#[tokio::test]
async fn keys_are_made_in_two_steps_and_never_shown() {
    let project = Project::new();
    let client = connect(&project, &["--allow-admin"]).await;
    let change = json!({ "change": { "kind": "generate_keys" } });
    let prepared = good(&client, "ves_change_prepare", change).await;
    assert_eq!(prepared["command"], "stateset-sync keys generate");
    assert_eq!(
        good(&client, "ves_keys_list", json!({})).await["keys"],
        json!([])
    );
    let token = json!({ "token": prepared["token"] });
    let made = good(&client, "ves_change_commit", token).await;
    let listed = good(&client, "ves_keys_list", json!({})).await;
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2);
    let said = format!("{made}{listed}");
    for purpose in ["signing", "encryption"] {
        let file = project
            .state()
            .join(format!("keys/{AGENT}/{purpose}-1.json"));
        let key: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let sealed = key.to_string();
        let ciphertexts = sealed.split('"').filter(|text| text.len() > 80);
        for ciphertext in ciphertexts {
            assert!(!said.contains(ciphertext));
        }
    }
    assert!(!said.contains("a passphrase for tests"));
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn resources_and_prompts_are_served() {
    let project = Project::new();
    let client = connect(&project, &[]).await;
    let resources = client.list_all_resources().await.unwrap();
    assert_eq!(resources.len(), 6);
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 4);
    let types = rmcp::model::ReadResourceRequestParams::new("ves://event-types");
    let types = format!("{:?}", client.read_resource(types).await.unwrap());
    assert!(types.contains("order.created") && types.contains("built in"));
    let schema = rmcp::model::ReadResourceRequestParams::new("ves://event-type/order.created");
    let schema = format!("{:?}", client.read_resource(schema).await.unwrap());
    assert!(schema.contains("payload_schema") && schema.contains("total"));
    let unheard = rmcp::model::ReadResourceRequestParams::new("ves://event-type/never.heard");
    assert!(client.read_resource(unheard).await.is_err());
    let read = rmcp::model::ReadResourceRequestParams::new("ves://config");
    let read = client.read_resource(read).await.unwrap();
    assert!(format!("{read:?}").contains("node_url"));
    let missing = rmcp::model::ReadResourceRequestParams::new(format!("ves://event/{EVENT}"));
    assert!(client.read_resource(missing).await.is_err());
    assert_eq!(client.list_all_prompts().await.unwrap().len(), 5);
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn every_call_is_in_the_audit_log_by_the_hash_of_its_arguments() {
    let project = Project::new();
    let client = connect(&project, &["--allow-write"]).await;
    let captured = good(&client, "ves_event_append", draft("very-private")).await;
    let _ = client
        .call_tool(request("ves_change_commit", &json!({})))
        .await;
    client.cancel().await.unwrap();
    let text = fs::read_to_string(audit_log(&project)).unwrap();
    assert!(!text.contains("very-private"));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines
        .iter()
        .map(|l| (l["call"].as_str().unwrap(), l["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        seen,
        [
            ("ves_event_append", "begun"),
            ("ves_event_append", "done"),
            ("ves_change_commit", "refused"),
        ]
    );
    assert_eq!(lines[1]["event_ids"][0], captured["event_id"]);
    assert_eq!(lines[1]["mode"], "write");
    assert_eq!(lines[0]["arguments_hash"], lines[1]["arguments_hash"]);
    let check = project.run(&["mcp", "--check-audit", "--json"]);
    assert_eq!((check.code, &check.json()["unbroken"]), (0, &json!(true)));
    fs::write(audit_log(&project), text.replacen("done", "failed", 1)).unwrap();
    let check = project.run(&["mcp", "--check-audit", "--json"]);
    assert_eq!((check.code, check.error().as_str()), (7, "audit_broken"));
}

#[test]
fn stdout_holds_nothing_but_the_protocol_whatever_comes_in() {
    let project = Project::new();
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "raw", "version": "1" },
        },
    });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let call = json!({
        "jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": { "name": "ves_status", "arguments": { "offline": true } },
    });
    let long = format!(
        "{{\"jsonrpc\":\"2.0\",\"x\":\"{}\"}}",
        "x".repeat(5 * 1024 * 1024)
    );
    let input = format!("{hello}\n{ready}\nno json\n{{}}\n[]\n\u{0}\n{long}\n{list}\n{call}\n");
    let outcome = project.run_stdin(&["mcp"], input.as_bytes());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let answers: Vec<Value> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(answers.iter().all(|answer| answer["jsonrpc"] == "2.0"));
    for id in 1..=3 {
        let answer = answers.iter().find(|answer| answer["id"] == id);
        assert!(answer.unwrap()["result"].is_object(), "{id}");
    }
}

#[test]
fn a_server_that_cannot_serve_says_what_to_do() {
    let empty = Project::empty();
    let outcome = empty.run(&["mcp"]);
    assert_eq!(outcome.code, 3);
    assert!(outcome.stderr.contains("stateset-sync init"));

    let project = Project::new();
    for (args, code, advice) in [
        (&["mcp", "--json"][..], 2, "--json"),
        (
            &["mcp", "--read-only", "--allow-write"],
            2,
            "cannot be used",
        ),
        (&["mcp", "--dev-admin"], 2, "--allow-admin"),
        (&["mcp", "--allow-decrypt=a*b"], 2, "allow-decrypt"),
        (&["mcp", "--http", "127.0.0.1:0"], 2, "VES_MCP_TOKEN"),
        (&["mcp", "--audit-log", "."], 1, "audit log"),
    ] {
        let outcome = project.run(args);
        assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains(advice), "{args:?}: {said}");
    }
    let token = [("VES_MCP_TOKEN", "0123456789abcdef0123456789abcdef")];
    let outcome = project.run_env(&["mcp", "--http", "0.0.0.0:0"], &token);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("proxy"), "{}", outcome.stderr);
}

#[tokio::test]
async fn a_payload_that_does_not_fit_its_type_is_answered_with_what_is_wrong_and_not_captured() {
    let project = Project::new();
    project.schema(
        "order.created",
        r#"{"required":["total"],"properties":{"total":{"type":"string"}}}"#,
    );
    let client = connect(&project, &["--allow-write"]).await;
    let shown = good(
        &client,
        "ves_event_types",
        json!({"event_type": "order.created"}),
    )
    .await;
    assert_eq!(shown["payload_schema"]["required"], json!(["total"]));
    for tool in ["ves_event_prepare", "ves_event_append"] {
        let result = call(&client, tool, draft("A-1")).await;
        assert_eq!(result.is_error, Some(true), "{tool}");
        let value = result.structured_content.unwrap();
        assert_eq!(value["error"]["code"], "payload_schema_mismatch", "{value}");
        assert_eq!(value["misfits"][0]["pointer"], "/total");
    }
    let mut unknown = draft("A-1");
    unknown["event_type"] = json!("never.heard");
    let parked = good(&client, "ves_event_append", unknown).await;
    assert_eq!(
        (&parked["state"], &parked["captured"]),
        (&json!("parked"), &json!(0))
    );
    let outbox = good(&client, "ves_outbox_list", json!({})).await;
    assert_eq!(outbox["events"], json!([]));
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_server_does_not_start_with_a_limit_it_cannot_read() {
    let project = Project::new();
    for flags in [
        ["mcp", "--max-push-value", "USD"],
        ["mcp", "--max-value-per-hour", "USD=1,USD=2"],
        ["mcp", "--max-push-value", "USD=-5"],
    ] {
        let outcome = project.run(&flags);
        assert_eq!(outcome.code, 2, "{}{}", outcome.stdout, outcome.stderr);
        assert!(
            outcome.stderr.contains("setting_invalid"),
            "{}",
            outcome.stderr
        );
    }
}
