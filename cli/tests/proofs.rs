// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary: what its proof commands say without a node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::Project;

const EVENT: &str = "55555555-5555-4555-8555-555555555555";

const ORDER: [&str; 10] = [
    "append",
    "--json",
    "--entity-type",
    "order",
    "--entity-id",
    "A-1",
    "--event-type",
    "order.created",
    "--payload",
    r#"{"total":"12.00"}"#,
];

fn refused(project: &Project, args: &[&str]) -> (i32, String) {
    let outcome = project.run(args);
    (outcome.code, outcome.error())
}

fn usage(code: &str) -> (i32, String) {
    (2, code.to_owned())
}

#[test]
fn a_proof_is_wished_for_only_where_the_author_can_read() {
    let project = Project::new();
    let wish = ["--prove", "aml.threshold=10000"];
    let args = [&ORDER[..], &wish].concat();
    assert_eq!(refused(&project, &args), usage("proof_needs_self"));
    // Nothing was captured.
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 0);
    assert_eq!(status["wished_proofs"]["wanted"], 0);
}

#[test]
fn a_wish_that_means_nothing_is_refused_before_anything_is_done() {
    let project = Project::new();
    for (wish, code) in [
        ("aml.threshold", "policy_invalid"),
        ("aml.threshold=0", "policy_invalid"),
        ("aml.threshold=ten", "amount_invalid"),
        ("agent.budget.v1=100", "policy_invalid"),
        ("no.such.policy=1", "policy_invalid"),
    ] {
        let args = ["push", "--json", "--prove", wish];
        assert_eq!(refused(&project, &args), usage(code), "{wish}");
    }
}

#[test]
fn pushing_an_empty_outbox_with_wishes_needs_no_node() {
    let project = Project::new();
    let done = project
        .run(&["push", "--json", "--prove", "order_total.cap=10"])
        .json();
    assert_eq!(done["pushed"], 0);
    assert_eq!(done["proofs"].as_array().unwrap().len(), 0);
}

#[test]
fn prove_takes_one_subject_and_one_claim() {
    let project = Project::new();
    let policy = ["--policy", "aml.threshold", "--limit", "10"];
    for args in [
        &["prove", "--json"][..],
        &["prove", "--json", EVENT],
        &["prove", "--json", "--budget", "10"],
        &["prove", "--json", EVENT, "--policy", "aml.threshold"],
        &["prove", "--json", EVENT, "--batch", "0", "--budget", "10"],
        &["prove", "--json", "--batch", "0", "--budget", "10"],
        &[&["prove", "--json", EVENT, "--budget", "10"], &policy[..]].concat(),
        &[
            &["prove", "--json", EVENT, "--batch-of", EVENT],
            &policy[..],
        ]
        .concat(),
    ] {
        assert_eq!(refused(&project, args), usage("usage"), "{args:?}");
    }
}

#[test]
fn prove_says_what_is_missing_before_it_asks_a_node() {
    let project = Project::new();
    let policy = ["--policy", "aml.threshold", "--limit", "10"];
    let unknown = [&["prove", "--json", EVENT], &policy[..]].concat();
    assert_eq!(refused(&project, &unknown), usage("event_unknown"));
    let batch = [&["prove", "--json", "--batch", "7"], &policy[..]].concat();
    assert_eq!(refused(&project, &batch), usage("not_pulled"));
    let batch_of = [&["prove", "--json", "--batch-of", EVENT], &policy[..]].concat();
    assert_eq!(refused(&project, &batch_of), usage("not_pulled"));
    let budget = ["prove", "--json", EVENT, "--budget", "999999999999999999"];
    assert_eq!(refused(&project, &budget), usage("amount_invalid"));
    let budget = ["prove", "--json", EVENT, "--budget", "99999999999999999"];
    assert_eq!(refused(&project, &budget), usage("policy_invalid"));
}

#[test]
fn without_an_event_proofs_lists_what_is_noted_here() {
    let project = Project::new();
    let noted = project.run(&["proofs", "--json"]).json();
    assert_eq!(noted["schema"], "ves.cli.proofs.noted");
    assert_eq!(noted["wishes"].as_array().unwrap().len(), 0);
    assert_eq!(noted["received"].as_array().unwrap().len(), 0);
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(
        (&status["verified_proofs"], &status["quarantined_proofs"]),
        (&0.into(), &0.into())
    );
}
