// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The example of an agent that is a program of its own. `tests/interop` of the repository runs it against a
//! real node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{NO_NODE, Project};
use std::{path::PathBuf, process::Command};

/// Built by cargo beside the tests.
fn example() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    profile.join("examples/embed")
}

#[tokio::test]
async fn an_agent_that_cannot_push_has_captured_its_change_and_the_event_of_it_all_the_same() {
    let project = Project::new();
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    for run in 1..=2i64 {
        let output = Command::new(example())
            .args([NO_NODE, ".stateset", "agent.db"])
            .current_dir(project.path())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(complaint.contains("node_unreachable"), "{complaint}");
        let path = project.path().join("agent.db");
        let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
            .await
            .unwrap();
        let pairs: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM orders JOIN ves_outbox ON orders.id = ves_outbox.entity_id \
             WHERE state = 'queued'",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(pairs, run);
        pool.close().await;
    }
    // The command line's own outbox is another one.
    let status = project.run(&["status", "--offline", "--json"]).json();
    assert_eq!(status["outbox"]["queued"], 0);
}
