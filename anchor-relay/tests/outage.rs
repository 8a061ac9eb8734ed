// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program behind a proxy that loses and misreports, on a chain that reorganises, with a
//! contract that refuses: what it must wait out, and go on from by itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{
    primitives::{U256, keccak256},
    providers::Provider,
};
use serde_json::{Value, json};
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER, RELAY},
    id,
    program::{Relay, Site, until, until_says},
    proxy::{Fault, Proxy},
    running::all,
    served::Served,
    stream,
};

/// A registry in which a stream's second batch need not wait for its first.
async fn chain() -> Evm {
    let evm = Evm::start().await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    evm
}

async fn open(relay: &Relay, batches: u64) {
    until_says(relay, &format!("ves_relay_open_batches {batches}\n")).await;
}

/// Waits until the relay has looked at the chain a few times more.
async fn looks(relay: &Relay, proxy: &Proxy) {
    let answers = || proxy.counts()["None"];
    let before = answers();
    until("looks", relay, async || answers() > before + 30).await;
}

async fn survives(fault: Fault) {
    let script = Script::regular(2, 4);
    let batches = all(&script);
    let served = Served::start(ScriptedSource::all(script)).await;
    let evm = chain().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    proxy.next(&[fault, Fault::None, fault, fault]);
    let site = Site::new(&served.url, &proxy.url, &evm, "1", "max_batches = 2");
    let relay = site.start().await;
    until_says(&relay, "ves_relay_anchored_total 8").await;
    assert_eq!(relay.terminate(), Some(0));
    assert_eq!(proxy.pending(), 0, "every fault happened");
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 4, "two batches in each");
    assert_eq!(evm.reverted().await, 0);
}

macro_rules! survives {
    ($($name:ident: $fault:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            survives(Fault::$fault).await;
        }
    )*};
}

survives! {
    d4_a_lost_answer_is_waited_through: Lost;
    d8_a_transaction_that_did_not_arrive_is_sent_again: Refused;
    d8_already_known_is_as_good_as_taken: Known;
    d5_nonce_too_low_is_not_believed_without_a_receipt: NonceTooLow;
    d6_underpriced_is_answered_with_a_higher_fee: Underpriced;
    d13_no_funds_said_by_the_node_is_waited_through: NoFunds;
}

/// The contract or our account refuses everything; later it does not.
async fn waits(reason: &str, close: impl AsyncFn(&Evm), reopen: impl AsyncFn(&Evm)) {
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    let served = Served::start(source.clone()).await;
    let evm = chain().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let site = Site::new(&served.url, &proxy.url, &evm, "1", "");
    let relay = site.start().await;
    until_says(&relay, "ves_relay_anchored_total 2").await;
    let sent = evm.relay_transactions().await;
    close(&evm).await;
    until_says(
        &relay,
        &format!("ves_relay_parked{{reason=\"{reason}\"}} 1"),
    )
    .await;
    assert_eq!(relay.get("/ready").0, 503);
    source.change(|inner| inner.finalized = 3);
    open(&relay, 4).await;
    looks(&relay, &proxy).await;
    assert_eq!(evm.relay_transactions().await, sent, "nothing is tried");
    reopen(&evm).await;
    until_says(&relay, "ves_relay_anchored_total 6").await;
    open(&relay, 0).await;
    assert_eq!(relay.get("/ready").0, 200);
    assert_eq!(relay.terminate(), Some(0));
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_paused_contract_is_waited_for() {
    waits(
        "paused",
        async |evm| evm.admin(Admin::pauseCall {}).await,
        async |evm| evm.admin(Admin::unpauseCall {}).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_a_key_that_is_not_authorised_any_more_is_waited_for() {
    waits(
        "not_authorised",
        async |evm| evm.authorize(RELAY, false).await,
        async |evm| evm.authorize(RELAY, true).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d13_an_empty_account_is_waited_for_until_it_is_filled() {
    waits(
        "empty_balance",
        async |evm| evm.set_balance(RELAY, U256::from(1)).await,
        async |evm| {
            evm.set_balance(RELAY, U256::from(10).pow(U256::from(18)))
                .await;
        },
    )
    .await;
}

mod d9_a_reorg {
    use super::*;

    /// Blocks after the anchors, then a reorg of this depth; everything is there again afterwards.
    async fn repaired(rule: &str, blocks_after: u64, depth: u64, drops: bool) {
        let script = Script::regular(3, 2);
        let batches = all(&script);
        let served = Served::start(ScriptedSource::all(script)).await;
        // Safe after six blocks, final after twelve.
        let evm = Evm::final_after(12).await;
        evm.admin(Admin::setStrictGenesisCall { enabled: true })
            .await;
        // No reorg reaches the deployment.
        evm.mine(20).await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        let site = Site::new(&served.url, &proxy.url, &evm, rule, "max_batches = 2");
        let relay = site.start().await;
        until("commitments", &relay, async || {
            evm.committed().await.len() == 6
        })
        .await;
        // The journal knows where they are.
        until_says(&relay, "ves_relay_included_total 3").await;
        if blocks_after > 0 {
            evm.mine(blocks_after).await;
            open(&relay, 0).await;
        }
        evm.rpc("anvil_reorg", json!([depth, []])).await;
        if drops {
            until("the reorg", &relay, async || {
                relay.metric("ves_relay_reorged_total") > 0
            })
            .await;
        }
        until("all again", &relay, async || {
            evm.mine(1).await;
            evm.committed().await.len() == 6 && relay.metric("ves_relay_open_batches") == 0
        })
        .await;
        if !drops {
            assert_eq!(relay.metric("ves_relay_reorged_total"), 0);
        }
        assert_eq!(relay.terminate(), Some(0));
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 3, "each nonce once");
        assert_eq!(evm.reverted().await, 0);
    }

    macro_rules! repaired {
        ($($name:ident: $rule:literal, $after:literal, $depth:literal, $drops:literal;)*) => {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                repaired($rule, $after, $depth, $drops).await;
            }
        )*};
    }

    repaired! {
        of_one_block_that_drops_the_last_anchor_has_it_sent_again: "3", 0, 1, true;
        of_three_blocks_that_drops_anchors_has_them_sent_again: "6", 0, 3, true;
        deeper_than_the_confirmation_rule_has_them_sent_again: "3", 3, 8, true;
        that_comes_before_the_anchors_are_safe_has_them_sent_again: "safe", 0, 3, true;
        above_what_is_safe_changes_nothing: "safe", 8, 1, false;
        below_what_was_safe_has_them_sent_again: "safe", 8, 11, true;
        that_comes_before_the_anchors_are_final_has_them_sent_again: "finalized", 0, 3, true;
    }
}

mod d11_a_poison_batch_among_fifty_streams {
    use super::*;

    const POISONED: u8 = 7;

    async fn bind(evm: &Evm, submitter: alloy::primitives::Address) {
        let (tenant, store) = stream(POISONED);
        evm.admin(Admin::setStreamSubmitterCall {
            tenantId: tenant.to_bytes32().into(),
            storeId: store.to_bytes32().into(),
            submitter,
        })
        .await;
    }

    fn note(relay: &Relay) -> String {
        let stats: Value = serde_json::from_str(&relay.get("/stats").1).unwrap();
        let streams = stats["streams"].as_array().unwrap();
        let of_it = |lag: &&Value| lag["stream"] == id(POISONED).to_string();
        let note = streams.iter().find(of_it).map(|lag| lag["note"].clone());
        note.unwrap_or_default().as_str().unwrap_or_default().into()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_a_simulation_refuses_costs_nothing_and_holds_up_nobody() {
        let script = Script::regular(50, 2);
        let batches = all(&script);
        let served = Served::start(ScriptedSource::all(script)).await;
        let evm = chain().await;
        bind(&evm, OTHER).await;
        let site = Site::new(&served.url, &evm.url, &evm, "1", "");
        let relay = site.start().await;
        open(&relay, 2).await;
        until("the reason", &relay, async || {
            note(&relay).contains("another submitter")
        })
        .await;
        assert_eq!(evm.committed().await.len(), 98);
        assert_eq!(evm.reverted().await, 0, "nothing was spent on it");
        bind(&evm, RELAY).await;
        open(&relay, 0).await;
        assert_eq!(relay.terminate(), Some(0));
        evm.audit(&batches).await;
        assert_eq!(evm.reverted().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_fails_on_chain_each_time_costs_little_and_holds_up_nobody() {
        let script = Script::regular(50, 1);
        let batches = all(&script);
        let served = Served::start(ScriptedSource::all(script)).await;
        let evm = chain().await;
        bind(&evm, OTHER).await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        // A node that finds nothing wrong with it.
        proxy.tamper(|call, answer| {
            if call["method"] == "eth_estimateGas" && answer.get("error").is_some() {
                let id = call["id"].clone();
                *answer = json!({ "jsonrpc": "2.0", "id": id, "result": "0x7a1200" });
            }
        });
        let site = Site::new(&served.url, &proxy.url, &evm, "1", "");
        let relay = site.start().await;
        open(&relay, 1).await;
        until("failures", &relay, async || note(&relay).contains("failed")).await;
        assert_eq!(evm.committed().await.len(), 49);
        let healthy = evm.relay_transactions().await - evm.reverted().await;
        assert!(healthy <= 49, "{healthy}");
        bind(&evm, RELAY).await;
        proxy.honest();
        open(&relay, 0).await;
        assert_eq!(relay.terminate(), Some(0));
        evm.audit(&batches).await;
        let wasted = evm.reverted().await;
        // The shared one, then alone after pauses that double.
        assert!((2..=12).contains(&wasted), "{wasted} were wasted");
    }
}

mod d1_an_upgrade_of_the_registry {
    use super::*;

    fn runs(implementation: alloy::primitives::Address) -> String {
        format!("ves_relay_contract_implementation{{address=\"{implementation}\"}} 1")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn under_a_running_relay_is_reported_and_anchoring_goes_on() {
        let script = Script::regular(3, 3);
        let batches = all(&script);
        let source = ScriptedSource::new(script, 1);
        let served = Served::start(source.clone()).await;
        let evm = chain().await;
        let site = Site::new(&served.url, &evm.url, &evm, "1", "");
        let relay = site.start().await;
        until_says(&relay, "ves_relay_anchored_total 3").await;
        until_says(&relay, &runs(evm.implementation().await)).await;
        assert_eq!(relay.metric("ves_relay_contract_upgrades_total"), 0);
        let next = evm.upgrade().await;
        until_says(&relay, "ves_relay_contract_upgrades_total 1").await;
        until_says(&relay, &runs(next)).await;
        assert!(
            relay.log().contains("the registry was upgraded"),
            "{}",
            relay.log()
        );
        source.change(|inner| inner.finalized = 3);
        until_says(&relay, "ves_relay_anchored_total 9").await;
        assert_eq!(relay.terminate(), Some(0));
        let status = site.command(&["status", "--json"]).await;
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        let gate = &status["destination"]["gate"];
        assert_eq!(gate["implementation"], json!(next));
        assert!(gate["upgraded_ms"].as_u64().unwrap() > 0, "{gate}");
        evm.audit(&batches).await;
        assert_eq!(evm.reverted().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn to_code_that_is_not_on_the_list_is_waited_with_until_it_is() {
        let script = Script::regular(2, 2);
        let batches = all(&script);
        let source = ScriptedSource::new(script, 1);
        let served = Served::start(source.clone()).await;
        let evm = chain().await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        let site = Site::new(&served.url, &proxy.url, &evm, "1", "");
        let known = evm.implementation().await.to_string();
        let relay = site.start_with(&["--implementations", &known]).await;
        until_says(&relay, "ves_relay_anchored_total 2").await;
        let next = evm.upgrade().await;
        until_says(
            &relay,
            "ves_relay_parked{reason=\"unknown_implementation\"} 1",
        )
        .await;
        source.change(|inner| inner.finalized = 2);
        open(&relay, 2).await;
        looks(&relay, &proxy).await;
        assert_eq!(evm.committed().await.len(), 2);
        assert_eq!(relay.terminate(), Some(0));
        // Code is code wherever it is: its hash will do as well as its address.
        let code = evm.provider.get_code_at(next).await.unwrap();
        let both = format!("{known},{}", keccak256(code));
        let relay = site.start_with(&["--implementations", &both]).await;
        until_says(&relay, "ves_relay_anchored_total 2").await;
        until_says(&relay, &runs(next)).await;
        assert_eq!(relay.terminate(), Some(0));
        evm.audit(&batches).await;
    }
}

/// Each sends what it does not find in the contract; whoever is slower fails with that, once.
#[tokio::test(flavor = "multi_thread")]
async fn d18_two_programs_with_different_keys_lose_nothing_and_fail_once_for_each_item_at_most() {
    let script = Script::regular(4, 6);
    let batches = all(&script);
    let count = u64::try_from(batches.len()).unwrap();
    let served = Served::start(ScriptedSource::all(script)).await;
    let evm = chain().await;
    evm.authorize(OTHER, true).await;
    let one = Site::new(&served.url, &evm.url, &evm, "1", "max_batches = 2");
    let two = Site::of_other(&served.url, &evm.url, &evm, "1", "max_batches = 2");
    let (one, two) = tokio::join!(one.start(), two.start());
    for relay in [&one, &two] {
        until_says(relay, &format!("ves_relay_anchored_total {count}\n")).await;
    }
    assert_eq!((one.terminate(), two.terminate()), (Some(0), Some(0)));
    evm.audit(&batches).await;
    let wasted = evm.reverted().await + evm.reverted_of(OTHER).await;
    assert!(wasted <= count, "{wasted} transactions failed");
}
