// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program: settings, exit codes, probes, signals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{
    evm::{Evm, RELAY_SECRET},
    program::{PASSPHRASE, REGISTRY, Relay, err, place, program, run},
};

#[test]
fn d15_config_check_tells_good_from_bad_by_exit_code() {
    let dir = place();
    let good = run(dir.path(), &["--config", "relay.toml", "config", "check"]);
    assert_eq!(good.status.code(), Some(0), "{}", err(&good));
    let shown = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        shown.contains("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        "{shown}"
    );
    assert!(!shown.contains(&RELAY_SECRET[..12]), "the secret is shown");
    assert!(shown.contains("encrypted keystore relay.json"), "{shown}");

    let missing = run(dir.path(), &["config", "check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        err(&missing).contains("destination.rpc_url is not set"),
        "{}",
        err(&missing)
    );

    let args = [
        "--config",
        "relay.toml",
        "--key-file",
        "relay.key",
        "config",
        "check",
    ];
    let plain = run(dir.path(), &args);
    assert_eq!(plain.status.code(), Some(3));
    assert!(err(&plain).contains("not encrypted"), "{}", err(&plain));
    let allowed = run(dir.path(), &[&args[..], &["--plain-key"]].concat());
    assert_eq!(allowed.status.code(), Some(0), "{}", err(&allowed));
    let shown = String::from_utf8_lossy(&allowed.stdout).into_owned();
    assert!(shown.contains("relay.key, NOT ENCRYPTED"), "{shown}");

    std::fs::write(dir.path().join("relay.json"), "zz").unwrap();
    let key = run(dir.path(), &["--config", "relay.toml", "config", "check"]);
    assert_eq!(key.status.code(), Some(3), "{}", err(&key));
}

#[test]
fn a_flag_stands_over_the_environment_and_that_over_the_file() {
    let dir = place();
    let shown = |envs: &[(&str, &str)], args: &[&str]| {
        let mut command = program(dir.path());
        command
            .envs(envs.iter().copied())
            .args(["--config", "relay.toml"])
            .args(args);
        let output = command.args(["config", "check"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let variable = [("VES_RELAY_CHAIN_ID", "5")];
    assert!(shown(&[], &[]).contains("chain 31337"));
    assert!(shown(&variable, &[]).contains("chain 5\n"));
    assert!(shown(&variable, &["--chain-id", "6"]).contains("chain 6\n"));
}

#[test]
fn d15_a_key_in_the_environment_needs_the_flag_for_development() {
    let dir = place();
    let base = [
        "--l2-url",
        "http://127.0.0.1:1",
        "--chain-id",
        "1",
        "--registry",
        REGISTRY,
    ];
    let check = |flag: &[&str]| {
        let mut command = program(dir.path());
        command
            .env("VES_RELAY_DEV_KEY", RELAY_SECRET)
            .args(base)
            .args(flag);
        command.args(["config", "check"]).output().unwrap()
    };
    assert_eq!(check(&[]).status.code(), Some(3));
    assert_eq!(check(&["--dev-key-from-env"]).status.code(), Some(0));
}

#[test]
fn d15_a_new_key_is_kept_encrypted_and_told_by_its_address() {
    let dir = place();
    let new = |args: &[&str]| {
        run(
            dir.path(),
            &[&["key", "new", "new.json"][..], args].concat(),
        )
    };
    // Neither file nor variable nor terminal.
    let unasked = new(&[]);
    assert_eq!(unasked.status.code(), Some(3));
    assert!(
        err(&unasked).contains("VES_RELAY_PASSPHRASE"),
        "{}",
        err(&unasked)
    );
    let made = new(&["--passphrase-file", "passphrase"]);
    assert_eq!(made.status.code(), Some(0), "{}", err(&made));
    let again = new(&["--passphrase-file", "passphrase"]);
    assert_eq!(again.status.code(), Some(3), "a key was replaced");

    let mut command = program(dir.path());
    command.env("VES_RELAY_PASSPHRASE", PASSPHRASE);
    let shown = command
        .args(["key", "address", "new.json"])
        .output()
        .unwrap();
    assert_eq!(shown.stdout, made.stdout, "{}", err(&shown));
    assert!(shown.stdout.starts_with(b"0x"));
    let mut command = program(dir.path());
    command.env("VES_RELAY_PASSPHRASE", "another passphrase");
    let wrong = command
        .args(["key", "address", "new.json"])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(3));
    assert!(err(&wrong).contains("does not open"), "{}", err(&wrong));
}

#[test]
fn d16_the_relay_lives_while_both_chains_are_away_and_ends_on_sigterm() {
    let dir = place();
    let relay = Relay::start(dir.path(), &[]);
    relay.until("ves_relay_parked{reason=\"unreachable\"} 1");
    assert_eq!(relay.get("/health").0, 200);
    let (status, why) = relay.get("/ready");
    assert_eq!(status, 503);
    assert!(why.contains("node"), "{why}");
    let (status, text) = relay.get("/metrics");
    assert_eq!(status, 200);
    assert!(text.contains("ves_relay_source_up 0"), "{text}");
    let (status, text) = relay.get("/stats");
    assert_eq!(status, 200);
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["gate"]["parked"][0]["reason"], "unreachable");
    assert_eq!(relay.get("/nothing").0, 404);

    let second = run(dir.path(), &["--config", "relay.toml", "run"]);
    assert_eq!(second.status.code(), Some(5), "{}", err(&second));
    assert!(
        err(&second).contains("another relay is running"),
        "{}",
        err(&second)
    );

    let status = run(dir.path(), &["--config", "relay.toml", "status", "--json"]);
    assert_eq!(status.status.code(), Some(0), "{}", err(&status));
    let json: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(json["batches"], 0);
    assert_eq!(
        json["destination"]["gate"]["parked"][0]["reason"],
        "unreachable"
    );

    assert_eq!(relay.terminate(), Some(0));
}

#[test]
fn status_and_plan_without_a_journal_say_so() {
    let dir = place();
    let status = run(dir.path(), &["--config", "relay.toml", "status"]);
    assert_eq!(status.status.code(), Some(5));
    assert!(err(&status).contains("journal.path"), "{}", err(&status));
    assert!(
        !dir.path().join("anchor-relay.db").exists(),
        "nothing is created"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_the_program_sees_a_real_registry_and_another_chain_id() {
    let evm = Evm::start().await;
    let (url, registry) = (evm.url.clone(), evm.registry.to_string());
    tokio::task::spawn_blocking(move || {
        let dir = place();
        let args = ["--l2-url", &url, "--registry", &registry];
        let relay = Relay::start(dir.path(), &args);
        relay.until("ves_relay_destination_up 1");
        relay.until("ves_relay_contract_strict 1");
        assert_eq!(relay.terminate(), Some(0));

        let dir = place();
        let args = [&args[..], &["--chain-id", "5"]].concat();
        let relay = Relay::start(dir.path(), &args);
        relay.until("ves_relay_parked{reason=\"wrong_chain\"} 1");
        assert_eq!(relay.terminate(), Some(0));
    })
    .await
    .unwrap();
}

#[test]
fn d18_a_second_relay_with_the_same_key_and_a_journal_of_its_own_does_not_start() {
    let dir = place();
    let relay = Relay::start(dir.path(), &[]);
    let other = ["--config", "relay.toml", "--journal", "other.db", "run"];
    let second = run(dir.path(), &other);
    assert_eq!(second.status.code(), Some(3), "{}", err(&second));
    assert!(
        err(&second).contains("another relay uses the key relay.json"),
        "{}",
        err(&second)
    );
    // What only reads is let through, and a key that nobody holds any more is free.
    let check = run(dir.path(), &["--config", "relay.toml", "config", "check"]);
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    relay.kill_nine();
    let next = Relay::start(dir.path(), &["--journal", "other.db"]);
    assert_eq!(next.terminate(), Some(0));
}
