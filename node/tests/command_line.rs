// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the program does if it is not told otherwise, and what it does not take.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn node(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ves-node"))
        .args(args)
        .output()
        .unwrap()
}

/// The default that the manual names for an option.
fn default_of(option: &str) -> String {
    let help = String::from_utf8(node(&["--help"]).stdout).unwrap();
    let (_, section) = help.split_once(&format!("\n      {option} ")).unwrap();
    let section = section.split("\n      --").next().unwrap();
    let (_, default) = section.split_once("[default: ").unwrap();
    default.split(']').next().unwrap().to_owned()
}

#[test]
fn named_peers_are_not_left_hanging_unless_somebody_asks_for_it() {
    assert_eq!(default_of("--network-backend"), "libp2p");
}

#[test]
fn what_left_the_pool_can_be_sent_again_after_a_minute() {
    assert_eq!(default_of("--tx-ban-seconds"), "60");
}

#[test]
fn the_limits_of_readiness_are_those_of_the_alerts() {
    let alerts = include_str!("../../ops/alerts.yml");
    assert!(alerts.contains("ves_store_lag_blocks > 30\n"));
    assert!(alerts.contains("substrate_block_height{status=\"finalized\"} > 30\n"));
    assert_eq!(default_of("--ready-store-lag"), "30");
    assert_eq!(default_of("--ready-finality-lag"), "30");
    assert_eq!(default_of("--ready-block-age"), "60");
}

#[test]
fn a_limit_of_readiness_that_nobody_can_ask_for_is_a_mistake() {
    // Were it taken, the node would end for want of its chain.
    let refused = node(&["--chain", "no such file", "--ready-store-lag", "3"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--health"), "{said}");
}
