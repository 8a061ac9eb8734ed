// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program and a registry in the peer's form: it has no `commitBatches`, no strict genesis,
//! and counters that stay 0. With `VES_PEER_REGISTRY`, which names an artifact, it is the peer's own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::sol_types::SolCall;
use anchor_relay::sink::SetRegistry;
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    Script, ScriptedSource,
    evm::{Evm, peers_own},
    program::{Relay, Site, err, until, until_says},
    proven,
    proxy::Proxy,
    running::all,
    served::Served,
};

const ALONE: [u8; 4] = SetRegistry::commitBatchCall::SELECTOR;
const PROVEN: [u8; 4] = SetRegistry::commitBatchWithStarkProofCall::SELECTOR;
const TOGETHER: [u8; 4] = SetRegistry::commitBatchesCall::SELECTOR;

/// What a command says in JSON; it must succeed.
async fn said(site: &Site, args: &[&str]) -> Value {
    let done = site.command(args).await;
    assert_eq!(done.status.code(), Some(0), "{args:?}: {}", err(&done));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Waits until so many batches and proofs are anchored; the chain goes on meanwhile.
async fn anchored(relay: &Relay, site: &Site, evm: &Evm, wanted: (u64, u64)) {
    until("anchors", relay, async || {
        evm.mine(1).await;
        site.anchored().await == wanted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_batches_go_alone_and_once_through_a_kill_none_behind_a_first_that_may_be_lost() {
    let script = Script::regular(3, 4);
    let batches = all(&script);
    let of_some = batches.iter().step_by(2);
    let proofs: Vec<_> = of_some
        .map(|batch| proven(batch, batch.block_number))
        .collect();
    let source = ScriptedSource::new(script, 2);
    source.change(|inner| inner.proofs = proofs.clone());
    let served = Served::start(source.clone()).await;
    let evm = Evm::in_the_peers_form().await;
    // The confirmed block has the contract.
    evm.mine(20).await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let site = Site::new(&served.url, &proxy.url, &evm, "20", "");

    // The first batch of each stream. Any other would be taken as a first one, too: they wait.
    let relay = site.start().await;
    until("the first batches", &relay, async || {
        evm.committed().await.len() == 3
    })
    .await;
    until_says(&relay, "ves_relay_open_batches 6\n").await;
    let looks = || proxy.counts()["None"];
    let before = looks();
    until("looks", &relay, async || looks() > before + 60).await;
    assert_eq!(evm.committed().await.len(), 3);

    // Killed while the answer to one of the second batches is on its way.
    proxy.hold_answers(Duration::from_secs(60));
    evm.mine(20).await;
    until("a second batch", &relay, async || {
        evm.committed().await.len() > 3
    })
    .await;
    relay.kill_nine();
    proxy.hold_answers(Duration::ZERO);

    source.change(|inner| inner.finalized = 4);
    let relay = site.start().await;
    anchored(&relay, &site, &evm, (12, 6)).await;
    assert_eq!(relay.terminate(), Some(0));
    evm.audit(&batches).await;
    let records: Vec<_> = proofs.into_iter().map(|(record, ..)| record).collect();
    evm.audit_proofs(&records).await;
    assert_eq!(evm.reverted().await, 0);
    let commits = evm.commits().await;
    let alone = |commit: &([u8; 4], usize)| commit.1 == 1 && [ALONE, PROVEN].contains(&commit.0);
    assert!(
        commits.len() == 12 && commits.iter().all(alone),
        "{commits:?}"
    );
    let with_proof = commits.iter().filter(|commit| commit.0 == PROVEN).count();
    let sent = u64::try_from(commits.len() + records.len() - with_proof).unwrap();
    assert_eq!(evm.relay_transactions().await, sent, "nothing went twice");

    // Its own count is of no use, and nothing is made of it.
    assert_eq!(evm.total_commitments().await, 0);
    let audit = said(&site, &["verify", "--json", "--complete"]).await;
    assert_eq!(audit["batches_anchored"], 12, "{audit}");
    assert_eq!(audit["proofs_anchored"], 6, "{audit}");
    assert_eq!(audit["differences"], 0, "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_proof_known_in_time_goes_with_its_batch_in_the_combined_call() {
    let script = Script::regular(1, 3);
    let batches = all(&script);
    let proofs: Vec<_> = batches.iter().map(|batch| proven(batch, 3)).collect();
    let source = ScriptedSource::all(script);
    source.change(|inner| inner.proofs = proofs.clone());
    let served = Served::start(source).await;
    let evm = Evm::in_the_peers_form().await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "proof_wait_secs = 60");
    let relay = site.start().await;
    anchored(&relay, &site, &evm, (3, 3)).await;
    assert_eq!(relay.terminate(), Some(0));
    evm.audit(&batches).await;
    let records: Vec<_> = proofs.into_iter().map(|(record, ..)| record).collect();
    evm.audit_proofs(&records).await;
    assert_eq!(evm.commits().await, [(PROVEN, 1); 3]);
    assert_eq!(evm.relay_transactions().await, 3);
    assert_eq!(evm.reverted().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_plan_shows_single_calls_and_status_that_nothing_guards_where_a_stream_begins() {
    let served = Served::start(ScriptedSource::all(Script::regular(3, 2))).await;
    let evm = Evm::in_the_peers_form().await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    let plan = said(&site, &["plan", "--json"]).await;
    assert_eq!(plan["parked"], json!([]));
    let transactions = plan["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), 3, "the first batch of each: {plan}");
    for tx in transactions {
        assert_eq!(tx["call"], "commitBatch", "{tx}");
        assert_eq!(tx["carries"].as_array().unwrap().len(), 1, "{tx}");
        assert_eq!(tx["refused"], Value::Null, "{tx}");
        assert!(tx["gas_estimated"].as_u64().unwrap() > 100_000, "{tx}");
    }
    let relay = site.start().await;
    anchored(&relay, &site, &evm, (6, 0)).await;
    until_says(&relay, "ves_relay_open_batches 0\n").await;
    assert_eq!(relay.get("/ready").0, 200);
    assert_eq!(relay.terminate(), Some(0));
    let status = said(&site, &["status", "--json"]).await;
    let gate = &status["destination"]["gate"];
    assert_eq!(gate["parked"], json!([]), "{gate}");
    assert_eq!(gate["strict"], true, "{gate}");
    assert_eq!(gate["strict_genesis"], false, "{gate}");
    assert_eq!(gate["implementation"], json!(evm.implementation().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_after_an_upgrade_to_our_contract_batches_share_transactions() {
    if peers_own().is_some() {
        // It keeps its records in other places: no proxy of it can become one of ours.
        return;
    }
    let script = Script::regular(3, 3);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    let served = Served::start(source.clone()).await;
    let evm = Evm::in_the_peers_form().await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    let relay = site.start().await;
    until_says(&relay, "ves_relay_anchored_total 3").await;
    assert_eq!(evm.commits().await, [(ALONE, 1); 3]);
    evm.upgrade().await;
    until_says(&relay, "ves_relay_contract_upgrades_total 1").await;
    source.change(|inner| inner.finalized = 3);
    until_says(&relay, "ves_relay_anchored_total 9").await;
    assert_eq!(relay.terminate(), Some(0));
    evm.audit(&batches).await;
    let commits = evm.commits().await;
    let (one_by_one, together) = commits.split_at(3);
    assert_eq!(one_by_one, [(ALONE, 1); 3]);
    assert!(
        together.iter().all(|commit| commit.0 == TOGETHER),
        "{commits:?}"
    );
    assert_eq!(
        together.iter().map(|commit| commit.1).sum::<usize>(),
        6,
        "{commits:?}"
    );
    assert_eq!(evm.total_commitments().await, 9);
    assert_eq!(evm.reverted().await, 0);
}
