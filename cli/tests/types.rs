// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary: event types, parked events, the journal, lines of JSON, without a node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{AGENT, NO_NODE, Project};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

const NOTE: &str =
    r#"{"type":"object","required":["text"],"properties":{"text":{"type":"string"}}}"#;

fn queued(project: &Project) -> Value {
    project.run(&["status", "--offline", "--json"]).json()["outbox"]["queued"].clone()
}

fn kinds(project: &Project) -> Vec<String> {
    let listed = project.run(&["journal", "list", "--json"]).json();
    let entries = listed["entries"].as_array().unwrap().iter().rev();
    entries
        .map(|e| e["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_payload_that_does_not_fit_is_refused_with_a_pointer_and_what_to_do() {
    let project = Project::new();
    project.schema("note.added", NOTE);
    let outcome = project.append_typed("note.added", r#"{"text":7}"#, &[]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (2, "payload_schema_mismatch")
    );
    let refusal = outcome.json();
    assert_eq!(refusal["misfits"][0]["pointer"], "/text");
    let hint = refusal["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("types show note.added") && hint.contains("--unchecked"));
    assert_eq!(queued(&project), 0);
    assert_eq!(
        project
            .append_typed("note.added", r#"{"text":"hi"}"#, &[])
            .code,
        0
    );
    assert_eq!(
        project
            .append_typed("note.added", r#"{"text":7}"#, &["--unchecked"])
            .code,
        0
    );
    assert_eq!(queued(&project), 2);
    // In a batch the event is named, and nothing of the batch is captured.
    let line = |text: &str| {
        format!(
            r#"{{"entity_type":"n","entity_id":"1","event_type":"note.added","payload":{text}}}"#
        )
    };
    let batch = format!("{}\n{}\n", line(r#"{"text":"a"}"#), line("{}"));
    let outcome = project.run_stdin(&["append", "--batch", "-", "--json"], batch.as_bytes());
    assert_eq!(outcome.error(), "payload_schema_mismatch");
    assert!(
        outcome.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("event 2")
    );
    assert_eq!(queued(&project), 2);
}

#[test]
fn an_event_of_an_undescribed_type_is_parked_and_a_later_schema_releases_it() {
    let project = Project::new();
    project.schema("note.added", NOTE);
    let parked = project.append_typed("task.done", r#"{"n":1}"#, &[]).json();
    assert_eq!(
        (&parked["state"], &parked["captured"]),
        (&json!("parked"), &json!(0))
    );
    let id = parked["event_id"].as_str().unwrap().to_owned();
    assert_eq!(queued(&project), 0);
    assert_eq!(
        project.run(&["status", "--offline", "--json"]).json()["parked"],
        1
    );
    // What is parked is not pushed: the outbox has nothing, so no node is asked.
    let pushed = project.run(&["push", "--json"]);
    assert_eq!((pushed.code, &pushed.json()["pushed"]), (0, &json!(0)));
    let listed = project.run(&["parked:list", "--json"]).json();
    assert_eq!(
        (&listed["events"][0]["event_id"], &listed["described"]),
        (&json!(id), &json!(0))
    );
    let shown = project.run(&["parked", "show", &id[..8], "--json"]).json();
    assert_eq!(shown["payload"], json!({"n": 1}));
    // Nobody described it yet.
    let none = project.run(&["parked", "release", "--json"]).json();
    assert_eq!(
        (&none["released"], none["left"].as_array().unwrap().len()),
        (&json!(0), 1)
    );
    assert_eq!(
        project.run(&["parked", "release", &id, "--json"]).error(),
        "event_type_unknown"
    );
    // Described, but otherwise.
    project.schema("task.done", r#"{"required":["who"]}"#);
    let misfit = project.run(&["parked", "release", &id, "--json"]);
    assert_eq!(misfit.error(), "payload_schema_mismatch");
    project.schema("task.done", r#"{"required":["n"]}"#);
    let dry = project
        .run(&["parked", "release", "--dry-run", "--json"])
        .json();
    assert_eq!(
        (&dry["released"], &dry["dry_run"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(queued(&project), 0);
    assert_eq!(
        project.run(&["parked", "release", "--json"]).json()["released"],
        1
    );
    assert_eq!(queued(&project), 1);
    let event = project.run(&["show", &id, "--json"]).json();
    assert_eq!(event["event"]["payload"], json!({"n": 1}));
    assert_eq!(kinds(&project), ["parked", "released"]);
}

#[test]
fn a_parked_event_is_released_unchecked_or_dropped_only_if_somebody_says_so() {
    let project = Project::new();
    project.schema("note.added", NOTE);
    let ids: Vec<String> = (0..2)
        .map(|_| {
            let parked = project.append_typed("task.done", "{}", &[]).json();
            parked["event_id"].as_str().unwrap().to_owned()
        })
        .collect();
    let refused = project.run(&["parked", "drop", &ids[0], "--json"]);
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (10, "not_confirmed")
    );
    assert_eq!(project.run(&["parked", "drop", &ids[0], "--yes"]).code, 0);
    assert_eq!(
        project
            .run(&["parked", "drop", &ids[0], "--yes", "--json"])
            .error(),
        "event_not_parked"
    );
    let released = project
        .run(&["parked", "release", &ids[1], "--unchecked", "--json"])
        .json();
    assert_eq!(released["released"], 1);
    assert_eq!(
        project.run(&["parked", "list", "--json"]).json()["events"],
        json!([])
    );
    assert_eq!(kinds(&project), ["parked", "parked", "dropped", "released"]);
}

#[test]
fn what_happens_to_unknown_types_is_a_setting() {
    let project = Project::new();
    // Nothing is described: everything is taken.
    assert_eq!(
        project.append_typed("task.done", "{}", &[]).json()["state"],
        "queued"
    );
    assert_eq!(
        project
            .run(&["config", "set", "unknown-event-types", "refuse"])
            .code,
        0
    );
    let refused = project.append_typed("task.done", "{}", &[]);
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (10, "event_type_unknown")
    );
    let parked = project.run_env(
        &[
            "append",
            "--json",
            "--entity-type",
            "n",
            "--entity-id",
            "1",
            "--event-type",
            "task.done",
            "--payload",
            "{}",
        ],
        &[("VES_UNKNOWN_EVENT_TYPES", "park")],
    );
    assert_eq!(parked.json()["state"], "parked");
    let wrong = project.run(&["config", "set", "unknown-event-types", "eat", "--json"]);
    assert_eq!(wrong.error(), "setting_invalid");
    assert_eq!(
        project
            .run(&["config", "set", "validate-payloads", "false"])
            .code,
        0
    );
    assert_eq!(project.append_typed("order.created", "[]", &[]).code, 0);
}

#[test]
fn a_schema_that_is_none_is_found_by_whoever_needs_it_and_by_doctor() {
    let project = Project::new();
    project.schema("note.added", r#"{"type":"objekt"}"#);
    assert_eq!(
        project.append_typed("note.added", "{}", &[]).error(),
        "schema_invalid"
    );
    assert_eq!(project.append(r#"{"total":"1.00"}"#).code, 0);
    let listed = project.run(&["types", "list", "--own", "--json"]);
    assert_eq!(
        (listed.code, listed.error().as_str()),
        (2, "schema_invalid")
    );
    let types = listed.json()["types"].clone();
    assert_eq!(
        (types.as_array().unwrap().len(), &types[0]["own"]),
        (1, &json!(true))
    );
    let doctor = project.run(&["doctor", "--offline", "--json"]).json();
    let findings = doctor["findings"].as_array().unwrap();
    let schemas: Vec<_> = findings
        .iter()
        .filter(|f| f["check"] == "schemas")
        .collect();
    assert!(
        schemas.iter().any(|f| f["grade"] == "problem"),
        "{schemas:?}"
    );
    // The folder may be read by others: there is no secret in it.
    assert!(
        findings
            .iter()
            .any(|f| f["check"] == "permissions" && f["grade"] == "ok")
    );
}

#[test]
fn the_hash_of_a_type_is_the_one_that_is_registered() {
    let project = Project::new();
    project.schema("note.added", NOTE);
    let file = project.state().join("schemas/note.added.json");
    let hash = project
        .run(&["schemas", "hash", file.to_str().unwrap(), "--json"])
        .json();
    let shown = project
        .run(&["types", "show", "note.added", "--json"])
        .json();
    assert_eq!(shown["hash"], hash["hash"]);
    assert_eq!(
        project
            .run(&["types", "show", "never.heard", "--json"])
            .error(),
        "event_type_unknown"
    );
}

#[test]
fn decisions_are_in_the_journal_and_the_journal_is_exported_and_checked() {
    let project = Project::new();
    let id = project.append("{}").json()["event_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(project.run(&["abandon", &id, "--yes"]).code, 0);
    assert_eq!(project.run(&["retry", &id]).code, 0);
    assert_eq!(kinds(&project), ["dead", "revived"]);
    let about = project
        .run(&["journal", "list", "--event", &id[..13], "--json"])
        .json();
    assert_eq!(about["entries"].as_array().unwrap().len(), 2);
    let out = project.path().join("journal.jsonl");
    let exported = project.run(&[
        "journal",
        "export",
        "--out",
        out.to_str().unwrap(),
        "--json",
    ]);
    let head = exported.json()["head"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(&out).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((text.lines().count(), &last["hash"]), (2, &json!(head)));
    let checked = project.run(&["journal", "check", "--noted", &head, "--json"]);
    assert_eq!((checked.code, &checked.json()["entries"]), (0, &json!(2)));
    let unknown = format!("0x{}", "7".repeat(64));
    let cut = project.run(&["journal", "check", "--noted", &unknown, "--json"]);
    assert_eq!((cut.code, cut.error().as_str()), (7, "journal_differs"));
}

#[test]
fn on_lines_each_event_is_an_object_with_its_schema_and_the_summary_is_the_last() {
    let project = Project::new();
    for _ in 0..3 {
        project.append("{}");
    }
    let lines = |args: &[&str]| -> Vec<Value> {
        let outcome = project.run(args);
        outcome
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let listed = lines(&["outbox", "--output-format", "jsonl"]);
    let schemas: Vec<_> = listed
        .iter()
        .map(|l| l["schema"].as_str().unwrap())
        .collect();
    let event = "ves.cli.history.event";
    assert_eq!(schemas, [event, event, event, "ves.cli.history"]);
    assert!(listed.iter().all(|line| line["version"] == 1));
    assert!(listed[0]["event_id"].is_string() && listed[3].get("events").is_none());
    // An error is the last line too, of commands and of the grammar.
    for args in [
        &[
            "show",
            "00000000-0000-0000-0000-000000000000",
            "--output-format",
            "jsonl",
        ][..],
        &["pull", "--follow", "--output-format=jsonl"],
        &["sync", "--output-format", "jsonl", "--nonsense"],
    ] {
        let failed = lines(args);
        let last = failed.last().unwrap();
        assert!(last["error"]["code"].is_string(), "{args:?} {last}");
    }
    let both = project.run(&["status", "--json", "--output-format", "jsonl"]);
    assert_eq!(both.code, 2);
    assert_eq!(
        project
            .run(&["status", "--offline", "--output-format", "json"])
            .json()["lag"],
        Value::Null
    );
}

#[test]
fn a_reader_that_goes_away_ends_the_output_quietly() {
    let project = Project::new();
    let line = r#"{"entity_type":"o","entity_id":"1","event_type":"x","payload":{"text":"xxxxxxxxxxxxxxxx"}}"#;
    let batch = vec![line; 2000].join("\n");
    assert_eq!(
        project
            .run_stdin(&["append", "--batch", "-", "--json"], batch.as_bytes())
            .code,
        0
    );
    let mut child = project
        .command(&["outbox", "--limit", "2000", "--output-format", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["schema"], "ves.cli.history.event");
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn an_agent_with_keys_here_is_named_by_the_beginning_of_its_id() {
    let project = Project::new();
    let keys = project.run(&["keys:generate", "--insecure-plaintext-keys", "--json"]);
    assert_eq!(keys.code, 0, "{}{}", keys.stdout, keys.stderr);
    let listed = project
        .run(&["keys:list", "--agent", &AGENT[..6], "--json"])
        .json();
    assert_eq!(listed["agent_id"], AGENT);
    assert_eq!(
        project
            .run(&["keys:list", "--agent", "4444", "--json"])
            .error(),
        "agent_unknown"
    );
    let usage = project.run(&["keys:list", "--agent", "xyz", "--json"]);
    assert_eq!(usage.code, 2);
    // Known as an author by its captured events: the node is asked only then.
    project.append("{}");
    let to = ["--encrypt-to", &AGENT[..8], "--node", NO_NODE];
    assert_eq!(
        project.append_typed("order.created", "{}", &to).error(),
        "node_unreachable"
    );
    let stranger = project.append_typed("order.created", "{}", &["--encrypt-to", "4444"]);
    assert_eq!(stranger.error(), "agent_unknown");
}

#[test]
fn the_passphrase_comes_from_a_program_that_is_asked_when_it_is_needed() {
    let project = Project::new();
    let asked = project.path().join("asked");
    let command = json!([
        "/bin/sh",
        "-c",
        format!("echo x >> {}; echo 'a long passphrase'", asked.display())
    ]);
    let set = project.run(&[
        "config",
        "set",
        "passphrase-command",
        &command.to_string(),
        "--json",
    ]);
    assert_eq!(set.code, 0, "{}", set.stdout);
    assert_eq!(project.run(&["status", "--offline"]).code, 0);
    assert!(!asked.exists());
    assert_eq!(project.run(&["keys:generate", "--json"]).code, 0);
    assert_eq!(fs::read_to_string(&asked).unwrap(), "x\n");
    let wrong = json!(["/bin/sh", "-c", "exit 3"]).to_string();
    let failed = project.run_env(
        &["keys:generate", "--json"],
        &[("VES_PASSPHRASE_COMMAND", &wrong)],
    );
    assert_eq!(
        (failed.code, failed.error().as_str()),
        (8, "passphrase_command_failed")
    );
    let grade = || {
        let doctor = project.run(&["doctor", "--offline", "--json"]).json();
        let findings = doctor["findings"].as_array().unwrap().clone();
        let found = findings
            .iter()
            .find(|f| f["check"] == "passphrase")
            .unwrap();
        found["grade"].as_str().unwrap().to_owned()
    };
    assert_eq!(grade(), "ok");
    let missing = r#"["/nonexistent/program"]"#;
    let set = project.run(&["config", "set", "passphrase-command", missing]);
    assert_eq!(set.code, 0);
    assert_eq!(grade(), "problem");
    let form = project.run_env(
        &["status", "--json"],
        &[("VES_PASSPHRASE_COMMAND", "pass show")],
    );
    assert_eq!(form.error(), "environment_invalid");
}
