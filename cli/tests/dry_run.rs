// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary with --dry-run: no command changes a row, a file or the chain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use clap::CommandFactory;
use common::{Project, node::Node};
use serde_json::json;
use sqlx::{ConnectOptions, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// How a command of the table ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Well, and it says that it was a dry run.
    Dry,
    /// Well.
    Well,
    /// With this error.
    With(&'static str),
    /// Somehow: it needs more of a node than this one has.
    Somehow,
}
use Ends::{Dry, Somehow, Well, With};

const KEY: &str = "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// Commands that neither have a project nor write anything but their output.
const WITHOUT_PROJECT: [&str; 3] = ["completions", "exit-codes", "complete-ids"];

/// Every command, with what stands in for ids and files.
const TABLE: &[(&str, Ends)] = &[
    ("init --force", Dry),
    ("init --force --offline", Dry),
    ("keys generate --insecure-plaintext-keys", Dry),
    ("keys list", Well),
    ("keys register --dev-admin", Somehow),
    ("keys register --purpose signing --dev-admin", Dry),
    ("keys rotate", Dry),
    ("keys rotate --purpose all --dev-admin", Dry),
    ("keys policy", Well),
    ("keys policy --max-usage 5 --enforcement refuse", Dry),
    ("keys policy --reset", Dry),
    ("keys policy --key-id 1 --lift --dev-admin", Somehow),
    ("keys revoke --key-id 1 --yes --dev-admin", Somehow),
    ("keys export", Well),
    ("keys import peer.json", Dry),
    ("keys add-external --public-key KEY -- true", Dry),
    ("keys expiry", Well),
    ("keys batch-rotate", Dry),
    (
        "append --entity-type order --entity-id 1 --event-type order.created --payload {}",
        Dry,
    ),
    ("append --batch batch.jsonl", Dry),
    ("append --signed signed.json", Dry),
    ("push", Dry),
    ("push --prove aml.threshold=10", Dry),
    ("pull", Dry),
    ("pull --follow", Dry),
    ("sync", Dry),
    ("sync --watch", With("usage")),
    ("status", Well),
    ("status --offline", Well),
    ("doctor --promote", Somehow),
    ("conflicts", Well),
    ("resolve QUEUED --strategy merge", With("conflict_unknown")),
    ("rebase", Dry),
    ("retry DEAD", Dry),
    ("retry --dead --rejected", Dry),
    ("abandon QUEUED --yes", Dry),
    ("state", Dry),
    ("state --rebuild", Dry),
    ("verify QUEUED", With("event_unknown")),
    ("export QUEUED", With("event_unknown")),
    ("export QUEUED --offline", Somehow),
    ("import peer.json", Somehow),
    ("bundles list", Well),
    ("bundles show QUEUED", With("bundle_unknown")),
    ("authorities list", Well),
    ("authorities accept HASH", With("authorities_unknown")),
    ("show QUEUED", Well),
    ("decrypt QUEUED", Well),
    (
        "prove QUEUED --policy aml.threshold --limit 10",
        With("event_not_sequenced"),
    ),
    ("proofs", Well),
    ("proofs QUEUED", With("event_not_sequenced")),
    ("history", Well),
    ("config show", Well),
    ("config set key-warn-hours 7", Dry),
    ("config accept-runtime", Dry),
    ("config validate", Well),
    ("groups create --dev-admin", Somehow),
    ("groups list", Somehow),
    ("groups show 5a5a", With("group_unknown")),
    ("groups add-member 5a5a --member AGENT --dev-admin", Somehow),
    (
        "groups remove-member 5a5a --member AGENT --dev-admin",
        Somehow,
    ),
    ("groups dissolve 5a5a --yes --dev-admin", Somehow),
    ("groups my-groups", Somehow),
    ("groups refresh-key 5a5a", Somehow),
    ("schemas hash schema.json", Well),
    (
        "schemas register schema.json --event-type a --schema-version 1 --dev-admin",
        Somehow,
    ),
    ("schemas list", Somehow),
    (
        "schemas check schema.json --event-type a --schema-version 1",
        Somehow,
    ),
    (
        "schemas deprecate --event-type a --schema-version 1 --dev-admin",
        Somehow,
    ),
    ("types list", Well),
    ("types show order.created", Somehow),
    ("types check", Somehow),
    ("parked list", Well),
    ("parked show PARKED", Well),
    ("parked release PARKED --unchecked", Dry),
    ("parked drop PARKED --yes", Dry),
    ("journal list", Well),
    ("journal export --out journal.jsonl", Dry),
    ("journal check", Well),
    ("admin create-tenant --dev-admin", Somehow),
    ("admin suspend-tenant --dev-admin", Somehow),
    ("admin tenant-quota --unset --dev-admin", Somehow),
    ("admin propose-admin HASH --dev-admin", Somehow),
    ("admin accept-admin --dev-admin", Somehow),
    ("admin cancel-admin --dev-admin", Somehow),
    ("admin create-store --dev-admin", Somehow),
    ("admin register-agent --dev-admin", Somehow),
    ("admin suspend-agent --dev-admin", Somehow),
    ("admin agent-quota --unset --dev-admin", Somehow),
    ("mcp --allow-admin", With("usage")),
    ("man --out pages", Dry),
];

/// Every row of every table, in words.
fn rows(path: &Path) -> BTreeSet<String> {
    async fn all(path: &Path) -> BTreeSet<String> {
        let options = SqliteConnectOptions::new().filename(path);
        let mut db: SqliteConnection = options.connect().await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
                .fetch_all(&mut db)
                .await
                .unwrap();
        let mut found = BTreeSet::new();
        for table in tables {
            let columns: Vec<String> =
                sqlx::query_scalar(&format!("SELECT name FROM pragma_table_info('{table}')"))
                    .fetch_all(&mut db)
                    .await
                    .unwrap();
            let quoted: Vec<String> = columns
                .iter()
                .map(|column| format!("quote(\"{column}\")"))
                .collect();
            let sql = format!("SELECT {} FROM \"{table}\"", quoted.join(" || ' ' || "));
            for row in sqlx::query(&sql).fetch_all(&mut db).await.unwrap() {
                found.insert(format!("{table}: {}", row.get::<String, _>(0)));
            }
        }
        found
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(all(path))
}

/// Every file below a directory with its content, but for the database: its bytes move without its rows.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.is_dir() {
            found.insert(name, Vec::new());
            found.extend(files(&path));
        } else if !name.contains("state.db") {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// A project with something of everything, and its node.
struct Stage {
    project: Project,
    node: Node,
    queued: String,
    dead: String,
    parked: String,
}

impl Stage {
    fn new() -> Self {
        let (project, node) = (Project::new(), Node::start());
        let set = |name: &str, value: &str| {
            let outcome = project.run(&["config", "set", name, value, "--json"]);
            assert_eq!(outcome.code, 0, "{}", outcome.stdout);
        };
        set("node-url", &node.url);
        project.run(&["keys", "generate", "--insecure-plaintext-keys"]);
        let keys = project.run(&["keys", "export", "--json"]);
        node.register(keys.json()["signing_public_key"].as_str().unwrap(), None);
        let id = |outcome: common::Outcome| {
            let captured = outcome.json();
            captured["event_id"].as_str().unwrap().to_owned()
        };
        let dead = id(project.append("{}"));
        project.run(&["abandon", &dead, "--yes"]);
        set("unknown-event-types", "park");
        let parked = id(project.append_typed("nobody.knows", "{}", &[]));
        set("unknown-event-types", "accept");
        let queued = id(project.append("{}"));
        let mut signed = project.run(&["show", &queued, "--json"]).json()["event"].clone();
        signed["event_id"] = json!(common::AGENT);
        signed["agent_signature"] = json!(format!("0x{}", "07".repeat(64)));
        let line = r#"{"entity_type":"o","entity_id":"1","event_type":"x","payload":{}}"#;
        for (name, text) in [
            ("peer.json", keys.stdout.as_str()),
            ("signed.json", &signed.to_string()),
            ("batch.jsonl", line),
            ("schema.json", "{\"type\":\"object\"}"),
        ] {
            fs::write(project.path().join(name), text).unwrap();
        }
        Self {
            project,
            node,
            queued,
            dead,
            parked,
        }
    }

    fn run(&self, line: &str, more: &[&str]) -> common::Outcome {
        let words: Vec<&str> = line
            .split(' ')
            .map(|word| match word {
                "QUEUED" => self.queued.as_str(),
                "DEAD" => self.dead.as_str(),
                "PARKED" => self.parked.as_str(),
                "AGENT" => common::AGENT,
                "KEY" => KEY,
                "HASH" => HASH,
                word => word,
            })
            .collect();
        // Flags go before a `--` that ends them.
        let (head, tail) = match words.iter().position(|word| *word == "--") {
            Some(at) => words.split_at(at),
            None => (&words[..], &[][..]),
        };
        self.project.run(&[head, more, tail].concat())
    }

    fn content(&self) -> (BTreeSet<String>, BTreeMap<String, Vec<u8>>) {
        (
            rows(&self.project.state().join("state.db")),
            files(self.project.path()),
        )
    }
}

fn leaves(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    let below: Vec<&clap::Command> = command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
        .collect();
    if below.is_empty() {
        found.push(name.trim().to_owned());
    }
    for command in below {
        leaves(command, &format!("{name} {}", command.get_name()), found);
    }
}

#[test]
fn the_table_names_every_command() {
    let mut all = Vec::new();
    leaves(&stateset_sync::cli::Cli::command(), "", &mut all);
    assert!(all.len() > 60, "{all:?}");
    for command in all {
        let named = TABLE
            .iter()
            .any(|(line, _)| *line == command || line.starts_with(&format!("{command} ")));
        let needs_none = WITHOUT_PROJECT.contains(&command.as_str());
        assert!(named != needs_none, "{command}");
    }
}

#[test]
fn no_command_changes_anything_in_a_dry_run() {
    let stage = Stage::new();
    let before = stage.content();
    for (line, ends) in TABLE {
        let outcome = stage.run(line, &["--dry-run", "--json"]);
        let found = outcome.json();
        let code = found["error"]["code"].as_str().unwrap_or_default();
        match ends {
            Dry => assert_eq!(
                (code, &found["dry_run"]),
                ("", &json!(true)),
                "{line}: {found}"
            ),
            Well => assert_eq!(code, "", "{line}: {found}"),
            With(wanted) => assert_eq!(code, *wanted, "{line}: {found}"),
            // Whatever it is, the command was understood, and nothing had to be refused by the database.
            Somehow => {
                let told = found["error"]["message"].as_str().unwrap_or_default();
                assert!(
                    !matches!(code, "usage" | "database_read_only"),
                    "{line}: {told}"
                );
            }
        }
        let after = stage.content();
        assert_eq!(after.0, before.0, "rows after {line}");
        assert_eq!(after.1, before.1, "files after {line}");
    }
    let asked = stage.node.asked();
    let sent = asked.iter().find(|method| method.starts_with("author_"));
    assert_eq!(sent, None);
    // The comparison sees what a command changes.
    stage.run("pull", &[]);
    let after = stage.content();
    assert_ne!(after.0, before.0, "the authorities are trusted now");
    assert_ne!(after.1, before.1, "the project is bound to the chain now");
}

#[test]
fn a_dry_sync_shows_what_push_and_pull_would_do() {
    let stage = Stage::new();
    let shown = stage.run("sync", &["--dry-run", "--json"]).json();
    let (push, pull) = (&shown["push"], &shown["pull"]);
    assert_eq!(push["events"][0]["event"]["event_id"], stage.queued);
    assert_eq!(push["events"][0]["verdict"], "acceptable");
    assert_eq!(
        (&push["submissions"], &pull["events_to_verify"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(
        (&push["dry_run"], &pull["dry_run"]),
        (&json!(true), &json!(true))
    );
    let text = stage.run("sync", &["--dry-run"]).stdout;
    assert!(text.contains("would verify 0 events"), "{text}");
    let entry = stage.run("show QUEUED", &["--json"]).json()["outbox"].clone();
    assert_eq!(entry["state"], "queued");
}
