// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs and shared transactions against a real EVM chain and the built registry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{primitives::B256, sol_types::SolCall};
use anchor_relay::{
    relay::Approved,
    sink::{Confirmation, Payload, proof_call},
};
use serde_json::json;
use std::time::Duration;
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER},
    id, proven,
    running::{Running, all, place, settings, start},
    stream,
};

fn shared(max_batches: usize) -> anchor_relay::relay::Settings {
    let mut shared = anchor_relay::relay::Settings {
        max_batches,
        per_stream: 64,
        ..settings(Confirmation::Blocks(1))
    };
    shared.send.gas_cap = 10_000_000;
    shared
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_proof_known_in_time_goes_with_its_batch_in_one_transaction() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 3);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let proofs: Vec<_> = batches.iter().map(|batch| proven(batch, 3)).collect();
    source.change(|inner| inner.proofs = proofs.clone());
    let mut waits = shared(50);
    // The proofs are read after the blocks; a batch waits for them.
    waits.proof_wait = Duration::from_secs(30);
    let relay = start(&evm, &path, source, waits).await;
    relay.until_anchored(3).await;
    relay.until_proofs(3).await;
    relay.end().await;
    evm.audit(&batches).await;
    let records: Vec<_> = proofs.into_iter().map(|(record, ..)| record).collect();
    evm.audit_proofs(&records).await;
    assert_eq!(evm.relay_transactions().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn s5_a_proof_that_comes_later_is_anchored_behind_its_batch() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(2, 2).block(&[]);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 2);
    let relay = start(&evm, &path, source.clone(), shared(50)).await;
    relay.until_anchored(4).await;
    let sent = evm.relay_transactions().await;
    let proof = proven(&batches[3], 3);
    source.change(|inner| {
        inner.proofs.push(proof.clone());
        inner.finalized = 3;
    });
    relay.until_proofs(1).await;
    relay.end().await;
    evm.audit(&batches).await;
    evm.audit_proofs(&[proof.0]).await;
    assert_eq!(evm.relay_transactions().await, sent + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn d9_a_proof_that_a_reorg_drops_with_its_batch_is_anchored_again() {
    let evm = Evm::start().await;
    evm.mine(5).await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let proof = proven(&batches[0], 1);
    source.change(|inner| inner.proofs.push(proof.clone()));
    let relay = start(&evm, &path, source, shared(50)).await;
    relay.until_anchored(1).await;
    relay.until_proofs(1).await;
    evm.rpc("anvil_reorg", json!([4, []])).await;
    relay
        .until("commitments", async |_: &Running| {
            evm.committed().await.len() == 1
        })
        .await;
    relay.until_anchored(1).await;
    relay.until_proofs(1).await;
    relay
        .until("the proof", async |_: &Running| {
            let chain = evm.chain();
            let latest = chain.latest().await.unwrap();
            let id = B256::new(proof.0.batch_id.0);
            chain.proofs(&[id], &latest).await.unwrap()[0].is_some()
        })
        .await;
    relay.end().await;
    evm.audit(&batches).await;
    evm.audit_proofs(&[proof.0]).await;
    assert_eq!(evm.reverted().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_another_proof_in_the_contract_is_a_conflict_that_holds_up_nothing_else() {
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    let (_dir, path) = place();
    let script = Script::regular(1, 2).block(&[]);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 2);
    let relay = start(&evm, &path, source.clone(), shared(50)).await;
    relay.until_anchored(2).await;
    let (mut foreign, ..) = proven(&batches[0], 3);
    foreign.proof_hash.0[0] ^= 1;
    let call = proof_call(&batches[0], &foreign).abi_encode();
    let sent = evm.relay_transactions().await;
    evm.try_send(OTHER, Some(evm.registry), call).await.unwrap();
    evm.mine(1).await;
    source.change(|inner| {
        inner.proofs = batches.iter().map(|batch| proven(batch, 3)).collect();
        inner.finalized = 3;
    });
    relay.until_proofs(1).await;
    relay
        .until("a conflict", async |r: &Running| {
            r.journal.proof_totals().await.unwrap() == (2, 1, 1)
        })
        .await;
    // An operator lets it be tried again, to the same end.
    assert!(relay.journal.release(id(0)).await.unwrap());
    relay
        .until("the conflict again", async |r: &Running| {
            r.journal.proof_totals().await.unwrap() == (2, 1, 1)
        })
        .await;
    relay.end().await;
    assert_eq!(
        evm.relay_transactions().await,
        sent + 1,
        "nothing was spent on it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_proofs_of_a_stream_that_is_set_aside_hold_up_no_other_proof() {
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    let (_dir, path) = place();
    let mut script = Script::new().block(&[(1, 1)]);
    for _ in 0..1_100 {
        script = script.block(&[(0, 1)]);
    }
    let batches = all(&script);
    let mut foreign = batches[1].clone();
    foreign.events_root.0[0] ^= 1;
    evm.commit(OTHER, &foreign).await;
    let source = ScriptedSource::new(script.block(&[]), 1_101);
    let proofs = batches[1..].iter().map(|batch| proven(batch, 1_101));
    source.change(|inner| inner.proofs = proofs.collect());
    let relay = start(&evm, &path, source.clone(), shared(50)).await;
    relay.until_anchored(1).await;
    relay
        .until("all proofs and a conflict", async |r: &Running| {
            let aside = |row: &anchor_relay::journal::StreamRow| row.quarantine.is_some();
            r.journal.proof_totals().await.unwrap().0 == 1_100
                && r.journal.streams().await.unwrap().iter().any(aside)
        })
        .await;
    let healthy = proven(&batches[0], 1_102);
    source.change(|inner| {
        inner.proofs.push(healthy.clone());
        inner.finalized = 1_102;
    });
    relay.until_proofs(1).await;
    relay.end().await;
    evm.audit_proofs(&[healthy.0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d19_a_proof_that_is_not_what_the_chain_says_is_never_sent() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 4);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let mut proofs: Vec<_> = batches.iter().map(|batch| proven(batch, 4)).collect();
    proofs[0].2.push(0);
    proofs[1].0.new_state_root.0[0] ^= 1;
    proofs[2].0.events += 1;
    source.change(|inner| inner.proofs = proofs.clone());
    let relay = start(&evm, &path, source, shared(50)).await;
    relay.until_anchored(4).await;
    relay.until_proofs(1).await;
    assert_eq!(relay.journal.proof_totals().await.unwrap(), (4, 1, 3));
    relay.end().await;
    evm.audit(&batches).await;
    evm.audit_proofs(&[proofs[3].0.clone()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_a_backlog_of_several_streams_shares_transactions() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(6, 20);
    let batches = all(&script);
    let relay = start(&evm, &path, ScriptedSource::all(script), shared(30)).await;
    relay.until_anchored(120).await;
    relay.end().await;
    evm.audit(&batches).await;
    let sent = evm.relay_transactions().await;
    assert!(sent <= 6, "{sent} transactions for 120 batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_stream_that_the_contract_refuses_holds_up_no_other_of_its_transaction() {
    let evm = Evm::start().await;
    let (tenant, store) = stream(2);
    let bind = |submitter| Admin::setStreamSubmitterCall {
        tenantId: tenant.to_bytes32().into(),
        storeId: store.to_bytes32().into(),
        submitter,
    };
    evm.admin(bind(OTHER)).await;
    let (_dir, path) = place();
    let script = Script::regular(6, 5);
    let batches = all(&script);
    let relay = start(&evm, &path, ScriptedSource::all(script), shared(30)).await;
    relay.until_anchored(25).await;
    let stats = relay.shared.stats();
    let waiting = stats.streams.iter().find(|lag| lag.note.is_some()).unwrap();
    assert_eq!(waiting.stream, id(2).to_string());
    evm.admin(bind(alloy::primitives::Address::ZERO)).await;
    relay.until_anchored(30).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d10_a_shared_transaction_that_fails_on_chain_is_repaired_batch_by_batch() {
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    let (_dir, path) = place();
    let script = Script::regular(3, 2);
    let batches = all(&script);
    evm.automine(false).await;
    let mut slow = shared(30);
    slow.send.bump_after = Duration::from_secs(600);
    let relay = start(&evm, &path, ScriptedSource::all(script), slow).await;
    relay
        .until("sent", async |r: &Running| {
            r.journal.send_counts().await.unwrap() == [("sent".to_owned(), 1)]
        })
        .await;
    // Another sequencer is faster with one of the batches, in the same block.
    let data = Payload::Batch(&batches[0]).encode();
    let hurried = json!([{
        "from": OTHER, "to": evm.registry, "data": data, "gas": "0x5b8d80",
        "maxPriorityFeePerGas": "0x174876e800", "maxFeePerGas": "0x2e90edd000",
    }]);
    evm.rpc("eth_sendTransaction", hurried).await;
    evm.mine(1).await;
    evm.automine(true).await;
    relay.until_anchored(6).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(
        evm.reverted().await,
        1,
        "the shared one, and nothing after it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_nothing_is_sent_when_the_budget_of_the_day_is_spent() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 3);
    let source = ScriptedSource::new(script, 1);
    let mut thrifty = shared(50);
    thrifty.daily_budget_gwei = Some(1);
    let relay = start(&evm, &path, source.clone(), thrifty).await;
    relay.until_anchored(1).await;
    relay
        .until("a reason to wait", async |r: &Running| {
            let ready = r.shared.ready(Duration::from_secs(600));
            ready.is_err_and(|why| why.contains("daily_budget_gwei"))
        })
        .await;
    source.change(|inner| inner.finalized = 3);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(evm.committed().await.len(), 1);
    relay.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_code_that_the_operator_did_not_approve_is_waited_for() {
    let evm = Evm::start().await;
    let found = evm.chain().implementation().await.unwrap().unwrap();
    let (_dir, path) = place();
    let (_dir2, other) = place();
    let script = Script::regular(1, 1);
    let source = ScriptedSource::all(script);
    let mut strict = shared(50);
    strict.approved = vec![Approved::At(OTHER)];
    let relay = start(&evm, &path, source.clone(), strict.clone()).await;
    relay
        .until("a reason to wait", async |r: &Running| {
            let ready = r.shared.ready(Duration::from_secs(600));
            ready.is_err_and(|why| why.contains("destination.implementations"))
        })
        .await;
    relay.end().await;
    assert_eq!(evm.relay_transactions().await, 0);
    strict.approved = vec![Approved::At(OTHER), Approved::At(found)];
    let relay = start(&evm, &other, source, strict).await;
    relay.until_anchored(1).await;
    relay.end().await;
}
