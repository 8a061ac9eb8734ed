// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `anchor-relay plan`, the built program: what it shows is what the relay then does, and it sends
//! nothing itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{primitives::U256, providers::Provider};
use serde_json::{Value, json};
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER, RELAY},
    program::{Site, err, out, until_says},
    proven,
    running::all,
    served::Served,
    stream,
};

async fn plan(site: &Site, args: &[&str]) -> Value {
    let done = site.command(&[&["plan", "--json"], args].concat()).await;
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn calls(plan: &Value) -> Vec<&str> {
    let transactions = plan["transactions"].as_array().unwrap();
    let call = transactions.iter().map(|tx| tx["call"].as_str());
    call.map(Option::unwrap).collect()
}

fn wei(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

/// Neither in a block nor in the pool, nor paid for.
async fn untouched(evm: &Evm, nonce: u64, balance: U256) {
    assert_eq!(evm.relay_transactions().await, nonce);
    let pending = evm.provider.get_transaction_count(RELAY).pending();
    assert_eq!(pending.await.unwrap(), nonce);
    assert_eq!(evm.provider.get_balance(RELAY).await.unwrap(), balance);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_before_the_first_run_names_the_calls_and_costs_of_that_run_and_sends_nothing() {
    let script = Script::regular(3, 2);
    let batches = all(&script);
    let served = Served::start(ScriptedSource::all(script)).await;
    let evm = Evm::start().await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    let before = evm.provider.get_balance(RELAY).await.unwrap();

    let shown = plan(&site, &[]).await;
    untouched(&evm, 0, before).await;
    assert!(!site.journal().exists(), "a journal was made");
    assert_eq!(calls(&shown), ["commitBatches"]);
    let tx = &shown["transactions"][0];
    assert_eq!(tx["nonce"], 0);
    assert_eq!(tx["carries"].as_array().unwrap().len(), batches.len());
    assert_eq!(shown["sender"], json!(RELAY.to_string().to_lowercase()));
    assert_eq!(shown["parked"], json!([]));
    let (gas, limit) = (&tx["gas_estimated"], &tx["gas_limit"]);
    let (gas, limit) = (gas.as_u64().unwrap(), limit.as_u64().unwrap());
    assert!(gas > 100_000 && limit >= gas + gas / 5, "{tx}");
    assert_eq!(
        wei(&tx["most_wei"]),
        u128::from(limit) * wei(&tx["max_fee_wei"])
    );
    assert_eq!(shown["most_wei"], tx["most_wei"]);
    assert!(wei(&shown["likely_wei"]) <= wei(&shown["most_wei"]));

    let text = out(&site.command(&["plan"]).await);
    for words in [
        "send        commitBatches nonce 0",
        "estimated",
        "gwei at most",
        "1 transactions. Nothing was sent",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }

    // The run itself: the same call, within what was shown.
    let relay = site.start().await;
    until_says(&relay, "ves_relay_anchored_total 6").await;
    assert_eq!(relay.terminate(), Some(0));
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 1);
    let paid: u128 = (before - evm.provider.get_balance(RELAY).await.unwrap())
        .try_into()
        .unwrap();
    assert!(
        paid > 0 && paid <= wei(&shown["most_wei"]),
        "{paid}: {shown}"
    );

    // Everything is there: nothing would be sent, by the journal this time.
    let shown = plan(&site, &[]).await;
    assert_eq!(calls(&shown), [""; 0]);
    assert_eq!(wei(&shown["most_wei"]), 0);
    let text = out(&site.command(&["plan"]).await);
    assert!(text.contains("nothing to do"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_beside_a_relay_that_waits_says_what_it_waits_for_and_what_it_would_send() {
    let script = Script::regular(2, 1);
    let served = Served::start(ScriptedSource::all(script)).await;
    let evm = Evm::start().await;
    evm.admin(Admin::pauseCall {}).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "max_batches = 1");
    let before = evm.provider.get_balance(RELAY).await.unwrap();
    let relay = site.start().await;
    until_says(&relay, "ves_relay_open_batches 2").await;
    let shown = plan(&site, &[]).await;
    assert_eq!(shown["parked"][0]["reason"], "paused");
    let refused = &shown["transactions"][0]["refused"];
    assert_eq!(refused, "the contract is paused", "{shown}");
    assert_eq!(relay.terminate(), Some(0));

    evm.admin(Admin::unpauseCall {}).await;
    let shown = plan(&site, &[]).await;
    assert_eq!(shown["parked"], json!([]));
    assert_eq!(calls(&shown), ["commitBatch", "commitBatch"]);
    assert_eq!(shown["transactions"][1]["nonce"], 1);
    untouched(&evm, 0, before).await;

    // Nobody could pay for it.
    evm.set_balance(RELAY, U256::from(1)).await;
    let shown = plan(&site, &[]).await;
    assert_eq!(shown["parked"][0]["reason"], "empty_balance");
    assert_eq!(calls(&shown), ["commitBatch", "commitBatch"]);
    evm.set_balance(RELAY, before).await;

    // One whose stream belongs to somebody else.
    let (tenant, store) = stream(0);
    evm.admin(Admin::setStreamSubmitterCall {
        tenantId: tenant.to_bytes32().into(),
        storeId: store.to_bytes32().into(),
        submitter: OTHER,
    })
    .await;
    let text = out(&site.command(&["plan"]).await);
    assert!(
        text.contains("WOULD BE REFUSED: the stream is bound"),
        "{text}"
    );
    untouched(&evm, 0, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_proofs_with_their_batches_and_behind_them() {
    let script = Script::regular(2, 1);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    source.change(|inner| inner.proofs = vec![proven(&batches[0], 1)]);
    let served = Served::start(source.clone()).await;
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    let shown = plan(&site, &[]).await;
    let mut found = calls(&shown);
    found.sort_unstable();
    assert_eq!(found, ["commitBatch", "commitBatchWithStarkProof"]);
    evm.commit(OTHER, &batches[0]).await;
    evm.commit(OTHER, &batches[1]).await;
    // Not known as anchored before the relay has looked: the proof waits for that.
    let shown = plan(&site, &[]).await;
    assert_eq!(calls(&shown), [""; 0], "{shown}");
    let waits = |step: &Value| step["action"] == "wait" && step["batch"] == 0;
    assert!(
        shown["steps"].as_array().unwrap().iter().any(waits),
        "{shown}"
    );
    assert_eq!(evm.relay_transactions().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_a_key_says_that_nothing_can_be_tried() {
    let served = Served::start(ScriptedSource::all(Script::regular(1, 1))).await;
    let evm = Evm::start().await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    let file = site.dir.path().join("relay.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace("file = \"relay.json\"\n", "");
    std::fs::write(&file, config).unwrap();
    let shown = plan(&site, &[]).await;
    assert_eq!(shown["sender"], Value::Null);
    let tx = &shown["transactions"][0];
    assert_eq!(
        (&tx["nonce"], &tx["gas_estimated"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(tx["gas_limit"], 300_000);
    let text = out(&site.command(&["plan"]).await);
    assert!(text.contains("sender      not known"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_in_the_contract_is_watched_and_sets_a_stream_aside_once_it_is_confirmed() {
    let script = Script::regular(2, 1);
    let mut theirs = all(&script)[0].clone();
    theirs.events_root.0[0] ^= 1;
    let served = Served::start(ScriptedSource::all(script)).await;
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    evm.commit(OTHER, &theirs).await;
    let site = Site::new(&served.url, &evm.url, &evm, "4", "");
    let said = async || {
        let shown = plan(&site, &[]).await;
        let steps = shown["steps"].as_array().unwrap();
        let of_it = |step: &&Value| step["stream"] == theirs.stream_id().to_string();
        let actions = steps
            .iter()
            .filter(of_it)
            .map(|step| step["action"].clone());
        (actions.collect::<Vec<_>>(), calls(&shown).len())
    };
    assert_eq!(said().await, (vec![json!("watch-conflict")], 1));
    evm.mine(4).await;
    assert_eq!(said().await, (vec![json!("quarantine")], 1));
}
