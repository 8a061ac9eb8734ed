// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary with a node of a few answers: keys that end, groups by the beginnings of their ids.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    Project,
    node::{Node, now_ms},
};
use serde_json::{Value, json};

const HOUR_MS: u64 = 60 * 60 * 1000;

/// A project with a signing key that is registered until then.
fn project(valid_to: Option<u64>) -> (Project, Node) {
    let (project, node) = (Project::new(), Node::start());
    project.run(&["config", "set", "node-url", &node.url]);
    project.run(&["keys", "generate", "--insecure-plaintext-keys"]);
    let keys = project.run(&["keys", "export", "--json"]).json();
    node.register(keys["signing_public_key"].as_str().unwrap(), valid_to);
    (project, node)
}

fn about_keys(doctor: &Value) -> &Value {
    let findings = doctor["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["check"] == "key expiry")
        .unwrap_or_else(|| panic!("{doctor}"))
}

#[test]
fn a_key_that_ends_is_told_of_by_status_doctor_and_push() {
    for (valid_to, word) in [
        (now_ms() + HOUR_MS, "signing key 1 expires at "),
        (now_ms() - HOUR_MS, "signing key 1 expired at "),
    ] {
        let (project, _node) = project(Some(valid_to));
        let status = project.run(&["status", "--json"]).json();
        let warning = status["key_warnings"][0].as_str().unwrap_or_default();
        assert!(warning.starts_with(word), "{status}");
        let text = project.run(&["status"]).stdout;
        assert!(text.contains(word), "{text}");
        let doctor = project.run(&["doctor", "--json"]).json();
        let finding = about_keys(&doctor);
        assert_eq!(finding["grade"], "warning");
        assert_eq!(finding["evidence"], warning);
        let fix = finding["fix"].as_str().unwrap();
        assert!(fix.contains("keys:rotate"), "{fix}");
        project.append("{}");
        let push = project.run(&["push", "--no-wait", "--timeout", "1", "--json"]);
        assert!(push.stderr.contains(word), "{}", push.stderr);
        assert!(!push.stdout.contains(word), "{}", push.stdout);
    }
}

#[test]
fn a_key_that_does_not_end_soon_is_not_told_of() {
    for valid_to in [None, Some(now_ms() + 48 * HOUR_MS)] {
        let (project, _node) = project(valid_to);
        let status = project.run(&["status", "--json"]).json();
        assert_eq!(status["key_warnings"], json!([]), "{status}");
        let doctor = project.run(&["doctor", "--json"]).json();
        assert_eq!(about_keys(&doctor)["grade"], "ok");
        project.append("{}");
        let push = project.run(&["push", "--no-wait", "--timeout", "1"]);
        assert!(!push.stderr.contains("signing key 1"), "{}", push.stderr);
    }
    // The configuration says what soon is.
    let (project, _node) = project(Some(now_ms() + 48 * HOUR_MS));
    project.run(&["config", "set", "key-warn-hours", "72"]);
    let status = project.run(&["status", "--json"]).json();
    assert_eq!(status["key_warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn an_event_is_encrypted_to_a_group_that_is_named_by_a_beginning() {
    let (project, _node) = project(None);
    let append =
        |groups: &str| project.append_typed("order.created", "{}", &["--to-group", groups]);
    let whole = "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a";
    // The node knows the group's id and says that it has no members: as for the whole id.
    let named = append("5A5A5a5a-5a").json()["error"].clone();
    assert_eq!(named["code"], "group_unknown");
    assert!(
        named["message"].as_str().unwrap().contains(whole),
        "{named}"
    );
    assert_eq!(append(whole).json()["error"], named);
    assert_eq!(append("5c5c").error(), "group_unknown");
    assert_eq!(append("5b5b").error(), "group_id_ambiguous");
    assert_eq!(append("5a5").error(), "usage");
    assert_eq!(append("5a5a,5b5b").error(), "group_id_ambiguous");
}
