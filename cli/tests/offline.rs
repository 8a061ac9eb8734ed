// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary, events and their database, without a node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{AGENT, Project, STORE, TENANT};
use std::fs;

#[test]
fn an_appended_event_is_in_the_outbox() {
    let project = Project::new();
    let captured = project.append(r#"{ "b": 2, "a": 1.0 }"#).json();
    assert_eq!(captured["state"], "queued");
    let id = captured["event_id"].as_str().unwrap();
    let history = project.run(&["history", "--json"]).json();
    assert_eq!(history["events"][0]["event_id"], id);
    let shown = project.run(&["show", id.split('-').next().unwrap(), "--json"]);
    let shown = shown.json();
    assert_eq!(shown["event"]["payload"].to_string(), r#"{"a":1,"b":2}"#);
    assert_eq!(shown["event"]["ves_version"], 2);
    assert_eq!(shown["verified"], false);
    let status = project.run(&["status", "--offline", "--json"]);
    assert_eq!(status.code, 0);
    assert_eq!(status.json()["outbox"]["queued"], 1);
    assert_eq!(project.run(&["outbox"]).code, 0);
}

#[test]
fn bad_payloads_are_refused_by_name_and_capture_nothing() {
    let project = Project::new();
    for payload in [
        "",
        "{",
        "null",
        "{'a':1}",
        r#"{"a":1,"a":2}"#,
        r#"{"n":9007199254740993}"#,
        r#"{"n":1e999}"#,
        r#"{"s":"\ud800"}"#,
    ] {
        let outcome = project.append(payload);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (2, "payload_invalid"),
            "{payload}"
        );
    }
    fs::write(
        project.path().join("large.json"),
        format!("\"{}\"", "x".repeat(70_000)),
    )
    .unwrap();
    fs::write(project.path().join("binary.json"), [0xff, 0xfe, 0x00]).unwrap();
    let from = |file: &str| {
        project.run(&[
            "append",
            "--json",
            "--entity-type",
            "order",
            "--entity-id",
            "1",
            "--event-type",
            "x",
            "--payload-file",
            file,
        ])
    };
    assert_eq!(from("large.json").error(), "payload_too_large");
    assert_eq!(from("binary.json").error(), "payload_invalid");
    assert_eq!(from("missing.json").error(), "file_not_found");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    fs::write(project.path().join("deep.json"), deep).unwrap();
    assert_eq!(from("deep.json").error(), "payload_invalid");
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 0);
}

#[test]
fn ids_are_taken_once() {
    let project = Project::new();
    let append = |event: &str, command: &str| {
        project.run(&[
            "append",
            "--json",
            "--entity-type",
            "o",
            "--entity-id",
            "1",
            "--event-type",
            "x",
            "--payload",
            "{}",
            "--event-id",
            event,
            "--command-id",
            command,
        ])
    };
    assert_eq!(append(AGENT, STORE).code, 0);
    let outcome = append(AGENT, TENANT);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (10, "duplicate_event_id")
    );
    assert_eq!(append(TENANT, STORE).error(), "duplicate_command_id");
}

#[test]
fn a_batch_file_is_captured_whole_or_not_at_all() {
    let project = Project::new();
    let line = |n: u32| {
        format!(r#"{{"entity_type":"o","entity_id":"{n}","event_type":"x","payload":{{"n":{n}}}}}"#)
    };
    let good: Vec<String> = (0..50).map(line).collect();
    let outcome = project.run_stdin(
        &["append", "--batch", "-", "--json"],
        good.join("\n").as_bytes(),
    );
    assert_eq!(outcome.json()["captured"], 50);
    for bad in [
        r#"{"entity_type":"o"}"#,
        r#"{"a":1,"a":2}"#,
        "nonsense",
        r#"{"unknown":1}"#,
    ] {
        let text = format!("{}\n{bad}\n", line(1));
        let outcome = project.run_stdin(&["append", "--batch", "-", "--json"], text.as_bytes());
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (2, "batch_line_invalid")
        );
        assert!(
            outcome.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains("line 2")
        );
    }
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 50);
}

#[test]
fn a_node_that_is_down_costs_nothing() {
    let project = Project::new();
    project.append("{}");
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    for args in [
        &["push", "--json"][..],
        &["pull", "--json"],
        &["status", "--json"],
        &["verify", AGENT, "--json"],
        &["export", AGENT, "--json"],
    ] {
        let outcome = project.run(args);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (4, "node_unreachable"),
            "{args:?}"
        );
    }
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 1);
    let url = project.run(&["pull", "--json", "--node", "gopher://x"]);
    assert_eq!((url.code, url.error().as_str()), (2, "node_url_invalid"));
}

#[test]
fn pushing_an_empty_outbox_asks_nobody() {
    let outcome = Project::new().run(&["push", "--json"]);
    assert_eq!(outcome.code, 0);
    assert_eq!(outcome.json()["pushed"], 0);
}

#[test]
fn damaged_databases_are_named_and_left_alone() {
    let project = Project::new();
    project.append("{}");
    let path = project.state().join("state.db");
    let remove_log = || {
        for name in ["state.db-wal", "state.db-shm"] {
            let _ = fs::remove_file(project.state().join(name));
        }
    };
    for content in [&b""[..], b"random bytes that are no database", &[0u8; 8192]] {
        remove_log();
        fs::write(&path, content).unwrap();
        let outcome = project.run(&["history", "--json"]);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (9, "database_corrupt")
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    remove_log();
    fs::remove_file(&path).unwrap();
    let outcome = project.run(&[
        "append",
        "--json",
        "--entity-type",
        "o",
        "--entity-id",
        "1",
        "--event-type",
        "x",
        "--payload",
        "{}",
    ]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (9, "database_missing")
    );
}

#[test]
fn a_truncated_database_is_named() {
    let project = Project::new();
    for _ in 0..20 {
        project.append(&format!("\"{}\"", "x".repeat(4000)));
    }
    let path = project.state().join("state.db");
    let content = fs::read(&path).unwrap();
    fs::write(&path, &content[..content.len() / 2]).unwrap();
    let outcome = project.run(&["history", "--limit", "100", "--json"]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (9, "database_corrupt"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_locked_database_is_waited_for_and_then_named() {
    // Covered without the ten seconds of patience by the mapping of SQLite's codes: here only that
    // a second process may write while the first one is done.
    let project = Project::new();
    let children: Vec<_> = (0..4)
        .map(|n| {
            let id = n.to_string();
            project
                .command(&[
                    "append",
                    "--entity-type",
                    "o",
                    "--entity-id",
                    &id,
                    "--event-type",
                    "x",
                    "--payload",
                    "{}",
                ])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 4);
}

#[test]
fn random_bytes_are_no_bundle() {
    let project = Project::empty();
    for content in [
        &b""[..],
        b"{}",
        b"[1,2,3]",
        b"\xff\xfe\x00random",
        br#"{"schema":"ves.bundle","version":1}"#,
    ] {
        fs::write(project.path().join("b.json"), content).unwrap();
        let outcome = project.run(&["verify", "--bundle", "b.json", "--json"]);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (7, "bundle_invalid")
        );
    }
    let outcome = project.run(&["verify", "--bundle", "missing.json", "--json"]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (2, "file_not_found")
    );
    fs::write(project.path().join("b.json"), vec![b' '; 5 << 20]).unwrap();
    let outcome = project.run(&["verify", "--bundle", "b.json", "--json"]);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (2, "file_too_large")
    );
}

#[test]
fn ids_are_found_by_an_unambiguous_beginning() {
    let project = Project::new();
    let append = |id: &str| {
        project.run(&[
            "append",
            "--entity-type",
            "o",
            "--entity-id",
            "1",
            "--event-type",
            "x",
            "--payload",
            "{}",
            "--event-id",
            id,
        ])
    };
    append("aaaabbbb-0000-4000-8000-000000000001");
    append("aaaacccc-0000-4000-8000-000000000002");
    let show = |id: &str| project.run(&["show", id, "--json"]);
    assert_eq!(show("aaaabb").code, 0);
    assert_eq!(show("aaaa").error(), "event_id_ambiguous");
    assert_eq!(show("dddd").error(), "event_unknown");
    assert_eq!(show("zz").error(), "event_id_invalid");
    assert_eq!(show("%%%%").error(), "event_id_invalid");
}

#[test]
fn an_interrupt_exits_130_and_leaves_the_outbox_consistent() {
    // Somebody who accepts the connection and then says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", silent.local_addr().unwrap());
    let project = Project::new();
    project.append("{}");
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    let child = project
        .command(&["push", "--json", "--node", &url])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (_connection, _) = silent.accept().unwrap();
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["error"]["code"], "interrupted");
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 1);
}

#[test]
fn a_watch_without_a_node_stops_at_a_signal_and_says_so() {
    for signal in ["-INT", "-TERM"] {
        let project = Project::new();
        project.run(&["keys:generate", "--insecure-plaintext-keys"]);
        project.append("{}");
        let mut child = project
            .command(&["sync", "--watch", "--json"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // Its first complaint: from here on it waits for the next attempt.
        let mut said = [0; 8];
        std::io::Read::read_exact(child.stderr.as_mut().unwrap(), &mut said).unwrap();
        let kill = std::process::Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}");
        let text = String::from_utf8(output.stdout).unwrap();
        let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "interrupted", "{signal}");
    }
}

/// Closing a file drops the locks that the whole process has on it: whoever opens a database must not look
/// into its file beside SQLite.
#[tokio::test]
async fn opening_the_database_again_does_not_drop_the_locks_of_the_first_connection() {
    let project = Project::new();
    let path = project.state().join("state.db");
    let pool = stateset_sync::db::open(&path, false).await.unwrap();
    let transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let again = stateset_sync::db::open(&path, false).await.unwrap();
    again.close().await;
    let outcome = project.append("{}");
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (9, "database_busy")
    );
    transaction.rollback().await.unwrap();
    assert_eq!(project.append("{}").code, 0);
}
