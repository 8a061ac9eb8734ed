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

/// The named finding of a diagnosis.
fn finding<'a>(doctor: &'a Value, check: &str) -> &'a Value {
    let findings = doctor["findings"].as_array().unwrap();
    findings
        .iter()
        .find(|finding| finding["check"] == check)
        .unwrap_or_else(|| panic!("{doctor}"))
}

fn about_keys(doctor: &Value) -> &Value {
    finding(doctor, "key expiry")
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
fn a_key_that_is_used_up_signs_no_more_and_everybody_says_so() {
    let (project, _node) = project(None);
    let doctor = project.run(&["doctor", "--json"]).json();
    assert_eq!(finding(&doctor, "key policy")["grade"], "ok");
    let limit = ["keys:policy", "--max-usage", "1", "--json"];
    let refuse = [&limit[..], &["--enforcement", "refuse"]].concat();
    // Only looking at what it would be changes nothing.
    let dry = [&refuse[..], &["--dry-run"]].concat();
    assert_eq!(project.run(&dry).json()["policy"]["max_uses"], 1);
    let none = project.run(&["keys:policy", "--json"]).json();
    assert_eq!(none["policy"], Value::Null);
    let set = project.run(&refuse).json();
    assert_eq!(set["policy"]["enforcement"], "refuse");

    // Signed, and killed before anything is sent.
    let first = project.append("{}").json()["event_id"].clone();
    let killed = [("VES_TEST_CRASH_AT", "after-sign")];
    let killed = project.run_env(&["push", "--testing-hooks"], &killed);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let push = ["push", "--no-wait", "--timeout", "1", "--json"];
    let shown = project.run(&["keys:policy", "--json"]).json();
    assert_eq!(shown["keys"], json!([{ "key_id": 1, "uses": 1 }]));
    let first = first.as_str().unwrap();
    assert_eq!(project.run(&["abandon", first, "--yes"]).code, 0);

    project.append_typed("order.created", "{}", &[]);
    let refused = project.run(&push);
    assert_eq!((refused.code, refused.error().as_str()), (8, "key_used_up"));
    let report = refused.json();
    assert_eq!(report["events"][0]["state"], "queued");
    let hint = report["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("keys:rotate"), "{hint}");
    let doctor = project.run(&["doctor", "--json"]).json();
    let policy = finding(&doctor, "key policy");
    assert_eq!(policy["grade"], "problem");
    assert!(policy["fix"].as_str().unwrap().contains("keys:rotate"));
    let expiry = project.run(&["keys:expiry", "--json"]);
    assert_eq!((expiry.code, expiry.error().as_str()), (8, "key_expired"));
    assert_eq!(expiry.json()["keys"][0]["max_uses"], 1);

    // Told of only, it signs on: the node refuses, and not the policy.
    project.run(&["keys:policy", "--enforcement", "warn"]);
    assert_eq!(project.run(&push).error(), "node_error");
    assert_eq!(project.run(&["keys:expiry"]).code, 0);
    assert_eq!(project.run(&["keys:policy", "--reset"]).code, 0);
    let none = project.run(&["keys:policy", "--json"]).json();
    assert_eq!(none["policy"], Value::Null);
    assert_eq!(none["keys"][0]["uses"], 2, "uses are counted all the same");
}

#[test]
fn an_encryption_key_has_no_uses_to_limit() {
    let project = Project::new();
    for flags in [["--max-usage", "5"], ["--enforcement", "refuse"]] {
        let args = [
            &["keys:policy", "--purpose", "encryption", "--json"][..],
            &flags,
        ]
        .concat();
        let outcome = project.run(&args);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (2, "policy_invalid")
        );
    }
    let aged = [
        "keys:policy",
        "--key-type",
        "encryption",
        "--max-age",
        "720",
        "--json",
    ];
    assert_eq!(project.run(&aged).json()["policy"]["max_age_hours"], 720);
    let signing = project.run(&["keys:policy", "--json"]).json();
    assert_eq!(signing["policy"], Value::Null);
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
