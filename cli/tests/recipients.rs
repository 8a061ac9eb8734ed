// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary encrypts to keys that a node proves, and to no others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{
    NO_NODE, Outcome, Project, TENANT,
    node::{Node, now_ms},
};
use stateset_sync::crypto::EncryptionSecret;

const READER: &str = "55555555-5555-4555-8555-555555555555";
const STRANGER: &str = "66666666-6666-4666-8666-666666666666";
const MINUTE_MS: u64 = 60_000;

fn new_key() -> [u8; 32] {
    EncryptionSecret::generate().public_key().0
}

/// A project with a registered signing key, and a node whose registry has one reader.
fn project(node: Node) -> (Project, Node) {
    let project = Project::new();
    project.run(&["config", "set", "node-url", &node.url]);
    project.run(&["keys", "generate", "--insecure-plaintext-keys"]);
    let keys = project.run(&["keys", "export", "--json"]).json();
    node.register(keys["signing_public_key"].as_str().unwrap(), None);
    node.admit(TENANT, READER, new_key());
    (project, node)
}

fn encrypt_to(project: &Project, reader: &str, more: &[&str]) -> Outcome {
    let to = [&["--encrypt-to", reader], more].concat();
    project.append_typed("order.created", "{}", &to)
}

#[test]
fn who_is_encrypted_to_is_proven_and_serves_for_captures_without_a_node_for_a_while() {
    let (project, node) = project(Node::start());
    let first = encrypt_to(&project, READER, &[]);
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    let report = first.json();
    assert_eq!(report["encrypted"], true);
    assert_eq!(report["recipients"][0]["agent_id"], READER);
    assert!(node.asked().contains(&"state_getReadProof".to_owned()));

    let nodeless = encrypt_to(&project, READER, &["--node", NO_NODE]);
    assert_eq!(nodeless.code, 0, "{}{}", nodeless.stdout, nodeless.stderr);
    assert_eq!(nodeless.json()["recipients"], report["recipients"]);
    assert!(nodeless.stderr.contains("no node answers"));

    let unknown = encrypt_to(&project, STRANGER, &["--node", NO_NODE]);
    assert_eq!(unknown.error(), "node_unreachable");
    let message = unknown.json()["error"]["message"].to_string();
    assert!(message.contains(STRANGER), "{message}");
    // That the registry does not have an agent is proven as well.
    assert_eq!(
        encrypt_to(&project, STRANGER, &[]).error(),
        "recipient_without_key"
    );

    project.run(&["config", "set", "recipients-max-age-hours", "0"]);
    let old = encrypt_to(&project, READER, &["--node", NO_NODE]);
    assert_eq!((old.code, old.error().as_str()), (4, "recipients_outdated"));
    let hint = old.json()["error"]["hint"].to_string();
    assert!(hint.contains("stateset-sync pull"), "{hint}");
    assert_eq!(encrypt_to(&project, READER, &[]).code, 0);
}

#[test]
fn a_node_that_shows_a_key_of_its_own_is_refused_and_nothing_is_captured() {
    let (project, node) = project(Node::start());
    node.show_as_everybodys(new_key());
    let refused = encrypt_to(&project, READER, &[]);
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (7, "recipient_key_contradicted")
    );
    let nodeless = encrypt_to(&project, READER, &["--node", NO_NODE]);
    assert_eq!(nodeless.error(), "node_unreachable", "nothing was kept");
    assert_eq!(project.append("{}").json()["local_seq"], 1);
}

#[test]
fn a_node_with_an_old_state_is_refused_unless_the_configuration_takes_it() {
    let (project, _node) = project(Node::start_at(now_ms() - 16 * MINUTE_MS));
    let refused = encrypt_to(&project, READER, &[]);
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (7, "recipients_stale")
    );
    project.run(&["config", "set", "state-max-age-minutes", "30"]);
    assert_eq!(encrypt_to(&project, READER, &[]).code, 0);
}
