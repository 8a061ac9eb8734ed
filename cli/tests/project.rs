// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary, projects, settings, keys and help, without a node.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{AGENT, NO_NODE, Project, STORE, TENANT};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn init_makes_a_private_project_once() {
    let project = Project::new();
    let mode = |name: &str| {
        fs::metadata(project.state().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(""), 0o700);
    assert_eq!(mode("sync.json"), 0o600);
    assert_eq!(mode("state.db"), 0o600);

    let again = project.run(&["init", "--json", "--offline"]);
    assert_eq!(
        (again.code, again.error().as_str()),
        (10, "already_initialised")
    );
    let other = "44444444-4444-4444-8444-444444444444";
    let forced = project.run(&["init", "--json", "--offline", "--force", "--store", other]);
    let json = forced.json();
    assert_eq!(json["agent_id"], AGENT, "the agent id is kept");
    assert_eq!(json["store_id"], other);
    assert_eq!(json["tenant_id"], TENANT);
}

#[test]
fn init_without_a_node_warns_and_goes_on() {
    let project = Project::empty();
    let args = [
        "init", "--node", NO_NODE, "--tenant", TENANT, "--store", STORE, "--json",
    ];
    let outcome = project.run(&args);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome.stderr.contains("cannot be reached"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.json()["node_reachable"], false);
}

#[test]
fn every_command_of_a_directory_without_project_says_what_to_do() {
    let project = Project::empty();
    for args in [
        &["push", "--json"][..],
        &["pull", "--json"],
        &["status", "--json"],
        &["history", "--json"],
        &["keys:list", "--json"],
        &["keys", "generate", "--json"],
        &["show", AGENT, "--json"],
    ] {
        let outcome = project.run(args);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (3, "not_configured"),
            "{args:?}"
        );
        assert!(
            outcome.json()["error"]["hint"]
                .as_str()
                .unwrap()
                .contains("init")
        );
    }
    assert!(
        !project.state().exists(),
        "a refused command leaves nothing behind"
    );
}

#[test]
fn grammar_errors_are_json_in_json_mode_and_exit_2() {
    let project = Project::new();
    for args in [
        &["nonsense", "--json"][..],
        &["append", "--json"],
        &["push", "--batch-size", "0", "--json"],
        &["--tenant", "not-a-uuid", "status", "--json"],
        &["append", "--json", "--event-id", "12", "--payload", "{}"],
        &["verify", "--json"],
        &["verify", "--json", "--genesis", "0x12", "--bundle", "x"],
    ] {
        let outcome = project.run(args);
        assert_eq!(
            (outcome.code, outcome.error().as_str()),
            (2, "usage"),
            "{args:?}"
        );
        assert_eq!(outcome.stderr, "", "{args:?}");
    }
    let text = project.run(&["nonsense"]);
    assert_eq!((text.code, text.stdout.as_str()), (2, ""));
    assert!(text.stderr.contains("nonsense"));
}

#[test]
fn failures_in_text_mode_go_to_stderr_with_a_hint() {
    let outcome = Project::empty().run(&["status"]);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("error: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("hint: "), "{}", outcome.stderr);
}

#[test]
fn keys_are_encrypted_at_rest_and_never_in_the_clear_by_accident() {
    let project = Project::new();
    let refused = project.run(&["keys:generate", "--json"]);
    assert_eq!((refused.code, refused.error().as_str()), (8, "key_locked"));
    let weak = project.run_env(&["keys:generate", "--json"], &[("VES_PASSPHRASE", "short")]);
    assert_eq!(
        (weak.code, weak.error().as_str()),
        (10, "passphrase_too_short")
    );
    assert!(
        !project
            .state()
            .join("keys")
            .join(AGENT)
            .join("signing-1.json")
            .exists()
    );

    let passphrase = [("VES_PASSPHRASE", "correct horse")];
    let made = project
        .run_env(&["keys", "generate", "--json"], &passphrase)
        .json();
    assert_eq!(made["keys"].as_array().unwrap().len(), 2);
    assert_eq!(made["keys"][0]["encrypted_at_rest"], true);
    let file = project
        .state()
        .join("keys")
        .join(AGENT)
        .join("signing-1.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("argon2id") && text.contains("xchacha20poly1305"),
        "{text}"
    );

    let open = project.run(&["keys:generate", "--insecure-plaintext-keys", "--json"]);
    assert!(open.stderr.contains("in the clear"));
    let listed = project.run(&["keys:list", "--json"]).json();
    let ids: Vec<_> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|k| k["key_id"].clone())
        .collect();
    assert_eq!(ids, [1, 2, 1, 2]);
    for output in [&made, &listed] {
        assert!(
            !output.to_string().contains("secret"),
            "no secret is ever printed"
        );
    }
}

#[test]
fn exported_keys_are_the_public_halves() {
    let project = Project::new();
    let generate = ["keys:generate", "--insecure-plaintext-keys", "--json"];
    let made = project.run(&generate).json();
    let exported = project.run(&["keys:export", "--json"]).json();
    assert_eq!(
        exported["signing_public_key"],
        made["keys"][0]["public_key"]
    );
    assert_eq!(
        exported["encryption_public_key"],
        made["keys"][1]["public_key"]
    );
    let text = project.run(&["keys:export", "--purpose", "signing"]).stdout;
    assert!(text.contains("signing_public_key=0x"), "{text}");
}

#[test]
fn an_administrators_secret_is_never_a_flag() {
    let project = Project::new();
    project.run(&["keys:generate", "--insecure-plaintext-keys"]);
    let missing = project.run(&["keys:register", "--json"]);
    assert_eq!(
        (missing.code, missing.error().as_str()),
        (8, "admin_secret_missing")
    );
    let phrase =
        "--dev-admin=bottom drive obey lake curtain smoke basket hold race lonely fit walk";
    let refused = project.run(&["keys:register", "--json", phrase]);
    assert_eq!(
        (refused.code, refused.error().as_str()),
        (2, "dev_admin_invalid")
    );
    let unconfirmed = project.run(&["keys:revoke", "--key-id", "1", "--dev-admin", "--json"]);
    assert_eq!(
        (unconfirmed.code, unconfirmed.error().as_str()),
        (10, "not_confirmed")
    );
    let offline = project.run(&["admin:register-agent", "--dev-admin", "//Alice", "--json"]);
    assert_eq!(
        (offline.code, offline.error().as_str()),
        (4, "node_unreachable")
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let project = Project::empty();
    fs::write(project.path().join("file"), "").unwrap();
    let args = [
        "init",
        "--offline",
        "--json",
        "--home",
        "file/state",
        "--tenant",
        TENANT,
        "--store",
        STORE,
    ];
    let outcome = project.run(&args);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.error().starts_with("io_error"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn settings_show_where_they_come_from() {
    let project = Project::new();
    let env = [("VES_NODE_URL", "ws://env:1"), ("VES_STORE_ID", AGENT)];
    let args = ["config:show", "--json", "--node", "ws://flag:1"];
    let settings = project.run_env(&args, &env).json()["settings"].clone();
    let origin = |name: &str| {
        settings[name]["origin"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    assert_eq!(origin("node_url"), "flag");
    assert_eq!(origin("store_id"), "env");
    assert_eq!(origin("tenant_id"), "project");
    assert_eq!(origin("l1_registry"), "none");
    let bad = project.run_env(&["config", "show", "--json"], &[("VES_STORE_ID", "x")]);
    assert_eq!((bad.code, bad.error().as_str()), (2, "environment_invalid"));
    fs::write(project.state().join("sync.json"), "{").unwrap();
    let bad = project.run(&["config", "show", "--json"]);
    assert_eq!((bad.code, bad.error().as_str()), (3, "config_invalid"));
}

#[test]
fn a_toml_project_file_works_too() {
    let project = Project::new();
    fs::remove_file(project.state().join("sync.json")).unwrap();
    let text =
        format!("tenant_id = \"{TENANT}\"\nstore_id = \"{STORE}\"\nagent_id = \"{AGENT}\"\n");
    fs::write(project.state().join("sync.toml"), text).unwrap();
    assert_eq!(project.append("{}").code, 0);
}

#[test]
fn colour_only_where_it_is_wanted() {
    let project = Project::new();
    project.append("{}");
    assert!(!project.run(&["history"]).stdout.contains('\u{1b}'));
    assert!(
        project
            .run(&["history", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
    let json = project.run(&["history", "--color", "always", "--json"]);
    assert!(!json.stdout.contains('\u{1b}'));
}

#[test]
fn the_help_is_the_manual() {
    let project = Project::empty();
    let help = project.run(&["help", "exit-codes"]);
    assert_eq!(help.code, 0);
    for code in ["  0 ", "  5 ", "  7 ", " 10 ", "130 "] {
        assert!(help.stdout.contains(code), "{}", help.stdout);
    }
    let codes = project.run(&["exit-codes", "--json"]).json();
    assert_eq!(codes["exit_codes"].as_array().unwrap().len(), 12);
    let top = project.run(&["--help"]).stdout;
    for command in [
        "init",
        "keys",
        "append",
        "push",
        "pull",
        "status",
        "verify",
        "export",
        "show",
        "decrypt",
        "history",
        "config",
        "admin",
        "Examples:",
    ] {
        assert!(top.contains(command), "{command}\n{top}");
    }
    assert_eq!(project.run(&["help", "keys:generate"]).code, 0);
    assert_eq!(project.run(&["--version"]).code, 0);
}

#[test]
fn profiles_are_made_chosen_and_shown_with_where_each_value_comes_from() {
    let project = Project::new();
    let set = |args: &[&str]| {
        let args = [&["config:set", "--json"][..], args].concat();
        let outcome = project.run(&args);
        assert_eq!(outcome.code, 0, "{args:?} {}", outcome.stdout);
        outcome.json()
    };
    let made = set(&["--profile", "live", "node-url", "ws://live:1"]);
    assert_eq!(made["profile"], "live");
    set(&["--profile", "test", "node-url", "ws://test:1"]);
    let node = |outcome: &common::Outcome| {
        let shown = outcome.json()["settings"]["node_url"].clone();
        format!("{} {}", shown["value"], shown["origin"]).replace('"', "")
    };
    let show = ["config:show", "--json"];
    let shown = project.run(&show);
    assert_eq!(node(&shown), format!("{} project", common::NO_NODE));
    assert_eq!(shown.json()["profiles"].to_string(), r#"["live","test"]"#);
    let flag = project.run(&["config:show", "--json", "--profile", "live"]);
    assert_eq!(node(&flag), "ws://live:1 project_profile");
    let variable = project.run_env(&show, &[("VES_PROFILE", "test")]);
    assert_eq!(node(&variable), "ws://test:1 project_profile");
    let nearer = project.run_env(
        &["config:show", "--json", "--node", "ws://flag:1"],
        &[("VES_PROFILE", "test")],
    );
    assert_eq!(node(&nearer), "ws://flag:1 flag");
    set(&["profile", "live"]);
    let chosen = project.run(&show);
    assert_eq!(node(&chosen), "ws://live:1 project_profile");
    assert_eq!(chosen.json()["settings"]["profile"]["origin"], "project");
    set(&["profile", ""]);
    assert_eq!(
        node(&project.run(&show)),
        format!("{} project", common::NO_NODE)
    );

    let unknown = project.run(&["status", "--offline", "--json", "--profile", "prod"]);
    assert_eq!(
        (unknown.code, unknown.error().as_str()),
        (3, "profile_unknown")
    );
    for bad in [
        &[
            "config:set",
            "--json",
            "--profile",
            "a b",
            "node-url",
            "ws://x",
        ][..],
        &["config:set", "--json", "--profile", "live", "profile", "x"],
        &[
            "config:set",
            "--json",
            "profiles",
            r#"{"x":{"profiles":{}}}"#,
        ],
        &["init", "--json", "--force", "--profile", "live"],
    ] {
        assert_eq!(project.run(bad).code, 2, "{bad:?}");
    }
}

#[test]
fn settings_that_are_changed_at_the_same_time_are_all_kept() {
    let project = Project::new();
    for round in 1..=5 {
        let hours = (round * 10).to_string();
        let url = format!("ws://node-{round}:1");
        let settings = [
            ("node-url", url.as_str()),
            ("key-max-age-hours", hours.as_str()),
            ("key-warn-hours", hours.as_str()),
            ("l1-rpc-url", url.as_str()),
            ("l1-registry", url.as_str()),
            ("schemas-dir", url.as_str()),
        ];
        let children: Vec<_> = settings
            .iter()
            .map(|(name, value)| {
                let mut command = project.command(&["config", "set", name, value]);
                command.stdout(std::process::Stdio::null());
                command.spawn().unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let shown = project.run(&["config:show", "--json"]).json();
        for (name, value) in settings {
            let kept = &shown["settings"][name.replace('-', "_")]["value"];
            assert_eq!(kept, value, "{name} of round {round}");
        }
    }
}

#[test]
fn init_asks_nothing_and_says_so_when_told_not_to() {
    let project = Project::empty();
    let args = ["init", "--offline", "--non-interactive", "--json"];
    let missing = project.run(&args);
    assert_eq!(missing.error(), "stream_missing");
    let ids = ["--tenant", common::TENANT, "--store", common::STORE];
    let outcome = project.run(&[&args[..], &ids].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let help = project.run(&["init", "--help"]).stdout;
    assert!(help.contains("--non-interactive"), "{help}");
}
