// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary: dry runs, decisions, settings, the shell, and what a kill leaves behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{AGENT, Project};
use serde_json::{Value, json};
use stateset_sync::capture::{Audience, Draft};
use std::{collections::BTreeMap, fs, path::Path, process::Stdio, time::Duration};
use ves_primitives::{KeyId, RecipientKid, Signature, wire::EventJson};

const GROUP: &str = "55555555-5555-4555-8555-555555555555";

/// Every file below a directory with its content, but for the database, whose bytes move without its
/// content: [`Project::run`] `history` shows that.
fn snapshot(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.extend(snapshot(&path));
        } else if !name.contains("state.db") {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn event_id(project: &Project) -> String {
    let captured = project.append("{}").json();
    captured["event_id"].as_str().unwrap().to_owned()
}

fn state_of(project: &Project, id: &str) -> Value {
    project.run(&["show", id, "--json"]).json()["outbox"]["state"].clone()
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = Project::empty();
    let init = [
        "init",
        "--offline",
        "--json",
        "--tenant",
        common::TENANT,
        "--store",
        common::STORE,
    ];
    let dry = project.run(&[&init[..], &["--dry-run"]].concat()).json();
    assert_eq!(dry["dry_run"], true);
    assert!(!project.state().exists());

    let project = Project::new();
    let id = event_id(&project);
    project.run(&["abandon", &id, "--yes"]);
    let history = || project.run(&["history", "--json"]).stdout;
    let (before, events) = (snapshot(&project.state()), history());
    let append = [
        "append",
        "--entity-type",
        "order",
        "--entity-id",
        "1",
        "--event-type",
        "order.created",
        "--payload",
        r#"{"b":1,"a":2}"#,
    ];
    for args in [
        &append[..],
        &["keys:generate", "--insecure-plaintext-keys"],
        &["config:set", "node-url", "ws://other:1"],
        &["retry", &id],
        &["abandon", &id],
        &["rebase"],
        &["man", "--out", "pages"],
        &[
            "keys:add-external",
            "--public-key",
            &format!(
                "0x{}",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
            ),
            "--",
            "true",
        ],
    ] {
        // Flags go before a `--` that ends them.
        let (head, tail) = match args.iter().position(|arg| *arg == "--") {
            Some(at) => args.split_at(at),
            None => (args, &[][..]),
        };
        let whole = [head, &["--dry-run", "--json"], tail].concat();
        let outcome = project.run(&whole);
        if args[0] == "abandon" {
            assert_eq!(outcome.error(), "not_to_be_abandoned");
            continue;
        }
        assert_eq!(outcome.code, 0, "{args:?} {}", outcome.stdout);
        assert_eq!(outcome.json()["dry_run"], true, "{args:?}");
    }
    assert_eq!(snapshot(&project.state()), before);
    assert_eq!(history(), events);
    assert!(!project.path().join("pages").exists());
    let shown = project.run(&[&append[..], &["--dry-run", "--json"]].concat());
    let event = &shown.json()["events"][0];
    assert_eq!(event["payload"], json!({"a": 2, "b": 1}));
}

#[test]
fn an_event_can_be_given_up_and_brought_back() {
    let project = Project::new();
    let id = event_id(&project);
    let unconfirmed = project.run(&["abandon", &id, "--json"]);
    assert_eq!(
        (unconfirmed.code, unconfirmed.error().as_str()),
        (10, "not_confirmed")
    );
    assert_eq!(project.run(&["abandon", &id[..8], "--yes"]).code, 0);
    assert_eq!(state_of(&project, &id), "dead");
    assert_eq!(project.run(&["push", "--json"]).json()["pushed"], 0);
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["reasons"], json!(["dead_outgoing_events"]));
    let retried = project.run(&["retry", "--dead", "--json"]).json();
    assert_eq!(retried["retried"], 1);
    assert_eq!(state_of(&project, &id), "queued");
    let again = project.run(&["retry", &id, "--json"]);
    assert_eq!((again.code, again.error().as_str()), (2, "not_given_up"));
    assert_eq!(project.run(&["retry", "--json"]).error(), "usage");
}

#[test]
fn an_outbox_without_conflicts_says_so() {
    let project = Project::new();
    let id = event_id(&project);
    let none = project.run(&["conflicts", "--json"]);
    assert_eq!((none.code, &none.json()["conflicts"]), (0, &json!([])));
    let resolve = project.run(&["resolve", &id, "--strategy", "merge", "--json"]);
    assert_eq!(
        (resolve.code, resolve.error().as_str()),
        (2, "conflict_unknown")
    );
    assert_eq!(project.run(&["rebase"]).code, 0);
    let state = project.run(&["state", "--json"]).json();
    assert_eq!(
        (&state["sequence"], &state["entities"]),
        (&json!(0), &json!([]))
    );
    let unknown = project.run(&["state", "order", "A-1", "--json"]);
    assert_eq!(unknown.error(), "entity_unknown");
}

#[test]
fn settings_are_changed_by_name_and_checked() {
    let project = Project::new();
    let set = |name: &str, value: &str| project.run(&["config", "set", name, value, "--json"]);
    assert_eq!(
        set("node-url", "ws://other:1").json()["after"],
        "ws://other:1"
    );
    assert_eq!(
        set("padding", "[256,1024]").json()["after"],
        json!([256, 1024])
    );
    let readers = format!(r#"{{"order":["self","group:{GROUP}"],"*":["agent:{AGENT}"]}}"#);
    assert_eq!(set("default_recipients", &readers).code, 0);
    assert_eq!(set("key-max-age-hours", "720").json()["after"], 720);
    for (name, value, code) in [
        ("nonsense", "1", "setting_unknown"),
        ("schema", "x", "setting_unknown"),
        ("nonsense", "", "setting_unknown"),
        ("padding", "many", "setting_invalid"),
        ("tenant-id", "12", "setting_invalid"),
        (
            "default-recipients",
            r#"{"order":["nobody"]}"#,
            "setting_invalid",
        ),
    ] {
        let outcome = set(name, value);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (2, code),
            "{name}"
        );
    }
    let shown = project.run(&["config:show", "--json"]).json();
    let settings = &shown["settings"];
    assert_eq!(settings["node_url"]["value"], "ws://other:1");
    assert_eq!(settings["padding"]["value"], "[256,1024]");
    assert_eq!(set("padding", "").json()["after"], Value::Null);
    assert_eq!(project.run(&["config", "validate"]).code, 0);
    fs::write(project.state().join("sync.json"), r#"{"node_ulr":1}"#).unwrap();
    let invalid = project.run(&["config:validate", "--json"]);
    assert_eq!(
        (invalid.code, invalid.error().as_str()),
        (3, "config_invalid")
    );
}

#[test]
fn a_project_that_keeps_no_plaintext_captures_none() {
    let project = Project::new();
    project.run(&["config:set", "keep-no-plaintext", "true"]);
    let refused = project.append("{}");
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (10, "plaintext_refused")
    );
    // Named readers are asked for at the node.
    project.run(&["config:set", "default-recipients", r#"{"order":["self"]}"#]);
    let offline = project.append("{}");
    assert_eq!(
        (offline.code, offline.error().as_str()),
        (4, "node_unreachable")
    );
    project.run(&["config:set", "keep-no-plaintext", ""]);
    assert_eq!(project.append("{}").code, 4);
    let public = project.run(&[
        "append",
        "--entity-type",
        "order",
        "--entity-id",
        "1",
        "--event-type",
        "x",
        "--payload",
        "{}",
        "--public",
    ]);
    assert_eq!(public.code, 0, "{}", public.stderr);
}

#[test]
fn a_project_that_keeps_no_plaintext_carries_no_signed_one_either() {
    let project = Project::new();
    let id = event_id(&project);
    let mut event = project.run(&["show", &id, "--json"]).json()["event"].clone();
    event["agent_signature"] = json!(format!("0x{}", "07".repeat(64)));
    event["event_id"] = json!(AGENT);
    let carry = |event: &Value, more: &[&str]| {
        let args = [&["append", "--signed", "-", "--json"][..], more].concat();
        project.run_stdin(&args, event.to_string().as_bytes())
    };
    project.run(&["config:set", "keep-no-plaintext", "true"]);
    for more in [&[][..], &["--dry-run"]] {
        let refused = carry(&event, more);
        assert_eq!(
            (refused.code, refused.error().as_str()),
            (10, "plaintext_refused"),
            "{more:?}"
        );
    }
    assert_eq!(
        project.run(&["show", AGENT, "--json"]).error(),
        "event_unknown"
    );
    // What is encrypted is no plaintext.
    let reader = stateset_sync::crypto::EncryptionSecret::generate().public_key();
    let draft = Draft {
        tenant_id: common::TENANT.parse().unwrap(),
        store_id: common::STORE.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        event_id: None,
        entity_type: "order".into(),
        entity_id: "A-1".into(),
        event_type: "order.created".into(),
        created_at: None,
        payload: "{}".into(),
        command_id: None,
        base_version: None,
        audience: Audience::Recipients {
            key_id: KeyId(1),
            keys: vec![(RecipientKid(7), reader)],
        },
    };
    let mut encrypted = draft.build().unwrap();
    encrypted.envelope.agent_signature = Signature([7; 64]);
    let taken = carry(
        &serde_json::to_value(EventJson::from(&encrypted)).unwrap(),
        &[],
    )
    .json();
    assert_eq!(
        (&taken["captured"], &taken["encrypted"]),
        (&json!(1), &json!(true))
    );
    project.run(&["config:set", "keep-no-plaintext", ""]);
    assert_eq!(carry(&event, &[]).json()["captured"], 1);
}

#[test]
fn a_signed_event_is_taken_as_it_is_or_not_at_all() {
    let project = Project::new();
    let id = event_id(&project);
    let shown = project.run(&["show", &id, "--json"]).json();
    let carry = |event: &Value| {
        project.run_stdin(
            &["append", "--signed", "-", "--json"],
            event.to_string().as_bytes(),
        )
    };
    let mut event = shown["event"].clone();
    assert_eq!(carry(&event).error(), "signature_missing");
    event["agent_signature"] = json!(format!("0x{}", "07".repeat(64)));
    assert_eq!(carry(&event).error(), "duplicate_event_id");
    event["event_id"] = json!(AGENT);
    let taken = carry(&event).json();
    assert_eq!(taken["captured"], 1);
    let (alone, listed) = (&taken["state"], &taken["events"][0]["state"]);
    assert_eq!((alone, listed), (&json!("signed"), &json!("signed")));
    assert_eq!(state_of(&project, AGENT), "signed");
    event["event_id"] = json!(GROUP);
    event["payload"] = json!({"other": 1});
    assert_eq!(carry(&event).error(), "schema_validation");
    for bad in ["", "[]", "{}", r#"{"a":1,"a":2}"#] {
        let outcome = project.run_stdin(&["append", "--signed", "-", "--json"], bad.as_bytes());
        assert_eq!(outcome.error(), "event_invalid", "{bad}");
    }
}

#[test]
fn the_doctor_names_a_fix_for_each_finding() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    let ask = || project.run(&["doctor", "--offline", "--json"]);
    let found = ask();
    assert_eq!((found.code, found.error().as_str()), (8, "problems_found"));
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    let healthy = ask();
    assert_eq!(healthy.code, 0, "{}", healthy.stdout);
    let id = event_id(&project);
    project.run(&["abandon", &id, "--yes"]);
    let open = project.state().join("sync.json");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = ask();
    assert_eq!(outcome.code, 10);
    let findings = outcome.json()["findings"].clone();
    for finding in findings.as_array().unwrap() {
        let fine = finding["grade"] == "ok";
        assert_eq!(finding["fix"].is_null(), fine, "{finding}");
    }
    let checks: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["grade"] != "ok")
        .map(|finding| finding["check"].as_str().unwrap())
        .collect();
    for check in ["permissions", "keys", "dead", "settings"] {
        assert!(checks.contains(&check), "{check} in {checks:?}");
    }
    let text = project.run(&["doctor", "--offline"]).stdout;
    assert!(text.contains("fix: chmod"), "{text}");
    let online = project.run(&["doctor", "--json"]);
    let nodes = online.json()["findings"].to_string();
    assert!(nodes.contains("node_unreachable"), "{nodes}");
}

#[test]
fn completions_and_manual_pages_come_from_the_parser() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let outcome = project.run(&["completions", shell]);
        assert_eq!(outcome.code, 0, "{shell}");
        for word in ["stateset-sync", "batch-rotate", "rebase", "dry-run"] {
            assert!(outcome.stdout.contains(word), "{shell} {word}");
        }
        let asks = matches!(shell, "bash" | "zsh" | "fish");
        assert_eq!(outcome.stdout.contains("complete-ids --"), asks, "{shell}");
    }
    assert_eq!(
        project.run(&["completions", "cmd", "--json"]).error(),
        "usage"
    );
    let page = project.run(&["man"]).stdout;
    assert!(page.contains(".TH stateset-sync 1"), "{page}");
    let written = project.run(&["man", "--out", "pages", "--json"]).json();
    let files = written["files"].as_array().unwrap();
    assert!(files.len() > 50, "{}", files.len());
    let page =
        fs::read_to_string(project.path().join("pages/stateset-sync-keys-rotate.1")).unwrap();
    assert!(page.contains("grace"), "{page}");
}

#[test]
fn a_status_that_is_checked_has_the_exit_code_of_what_is_wrong() {
    let project = Project::new();
    let check = ["status", "--offline", "--check", "--json"];
    assert_eq!(project.run(&check).code, 0);
    let id = project.append("{}").json()["event_id"].clone();
    assert_eq!(project.run(&check).code, 0, "what waits is no problem");
    project.run(&["abandon", id.as_str().unwrap(), "--yes"]);
    let outcome = project.run(&check);
    assert_eq!(
        (outcome.code, outcome.error().as_str()),
        (5, "dead_outgoing_events")
    );
    assert_eq!(project.run(&["status", "--offline"]).code, 0);
}

/// The shell's own functions, with the script that the program prints.
#[test]
fn bash_completes_ids_of_events_and_names_of_profiles() {
    let project = Project::new();
    let ids: Vec<String> = ["1", "2"]
        .iter()
        .map(|n| {
            let id = project.append(&format!("{{\"n\":{n}}}")).json()["event_id"].clone();
            id.as_str().unwrap().to_owned()
        })
        .collect();
    project.run(&["config:set", "--profile", "live", "node-url", "ws://live:1"]);
    let script = project.run(&["completions", "bash"]).stdout;
    fs::write(project.path().join("complete.bash"), script).unwrap();
    let program = env!("CARGO_BIN_EXE_stateset-sync");
    let complete = |line: &[&str]| -> Vec<String> {
        let words: Vec<String> = line.iter().map(|word| format!("'{word}'")).collect();
        let text = format!(
            "source complete.bash; COMP_WORDS=('{program}' {}); COMP_CWORD={}; \
             _stateset_sync_ids '{program}' '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            line.len(),
            line.last().unwrap(),
            if line.len() > 1 {
                line[line.len() - 2]
            } else {
                program
            },
        );
        let output = std::process::Command::new("bash")
            .args(["--norc", "-c", &text])
            .current_dir(project.path())
            .env("HOME", project.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut found = complete(&["show", ""]);
    found.sort();
    let mut all = ids.clone();
    all.sort();
    assert_eq!(found, all);
    assert_eq!(complete(&["abandon", &ids[1]]), [ids[1].clone()]);
    assert_eq!(complete(&["push", "--profile", "l"]), ["live"]);
    assert_eq!(complete(&["show", "ffff"]), [""; 0]);
    // Commands and flags are the generated script's.
    assert!(complete(&["keys", "batch"]).contains(&"batch-rotate".to_owned()));
    assert!(complete(&["show", "--dry"]).contains(&"--dry-run".to_owned()));
    // Where there is no project, nothing is said.
    let empty = Project::empty();
    let outcome = empty.run(&["complete-ids", "--", "show", ""]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
}

#[test]
fn an_outcome_can_go_to_a_file() {
    let project = Project::new();
    let outcome = project.run(&["status", "--offline", "--output", "status.json"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
    let text = fs::read_to_string(project.path().join("status.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], "ves.cli.status");
    let failed = project.run(&["--output", "error.json", "show", "dddd"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (2, ""));
    let text = fs::read_to_string(project.path().join("error.json")).unwrap();
    assert!(text.contains("event_unknown"), "{text}");
}

#[test]
fn nothing_is_drawn_where_nobody_looks() {
    let project = Project::new();
    project.append("{}");
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    for args in [&["push"][..], &["pull"], &["status"], &["doctor"]] {
        let outcome = project.run(args);
        for stream in [&outcome.stdout, &outcome.stderr] {
            assert!(!stream.contains(['\u{1b}', '\r']), "{args:?} {stream:?}");
        }
    }
}

#[test]
fn a_misspelt_command_is_answered_with_the_right_one() {
    let outcome = Project::empty().run(&["stauts"]);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("'status'"), "{}", outcome.stderr);
}

#[test]
fn a_kill_during_a_capture_leaves_all_of_it_or_nothing() {
    let project = Project::new();
    let lines: Vec<String> = (0..2000)
        .map(|n| {
            format!(
                r#"{{"entity_type":"o","entity_id":"{n}","event_type":"x","payload":{{"n":{n}}}}}"#
            )
        })
        .collect();
    fs::write(project.path().join("batch.jsonl"), lines.join("\n")).unwrap();
    let mut expected = 0;
    for wait in [0, 5, 20, 60, 150, 400, 900] {
        let mut child = project
            .command(&["append", "--batch", "batch.jsonl"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let status = project.run(&["status", "--offline", "--json"]).json();
        let queued = status["outbox"]["queued"].as_u64().unwrap();
        assert!(
            queued == expected || queued == expected + 2000,
            "{queued} after {wait} ms"
        );
        expected = queued;
    }
}
