// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay behind a proxy that loses and misreports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::{
    Observer,
    sink::{Chain, Confirmation},
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Script, ScriptedSource,
    evm::Evm,
    proven,
    proxy::{Fault, Proxy},
    running::{Running, all, place, settings, start_on},
};

fn through(evm: &Evm, urls: &str) -> Chain {
    Chain::new(urls, evm.identity(), Duration::from_secs(5)).unwrap()
}

async fn survives(fault: Fault) {
    let evm = Evm::start().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 3);
    let batches = all(&script);
    proxy.next(&[fault, Fault::None, fault, fault]);
    let relay = start_on(
        through(&evm, &proxy.url),
        &path,
        ScriptedSource::all(script),
        settings(Confirmation::Blocks(1)),
        Observer::default(),
    )
    .await;
    relay.until_anchored(6).await;
    relay.end().await;
    assert_eq!(proxy.pending(), 0, "every fault happened");
    evm.audit(&batches).await;
    assert_eq!(
        evm.relay_transactions().await,
        6,
        "one transaction per batch"
    );
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
    d4_a_transaction_whose_answer_is_lost_is_mined_once: Lost;
    d8_a_transaction_that_did_not_arrive_is_sent_again: Refused;
    d8_already_known_is_as_good_as_taken: Known;
    d5_nonce_too_low_is_not_believed_without_a_receipt: NonceTooLow;
    d6_underpriced_is_answered_with_a_higher_fee: Underpriced;
    d13_no_funds_said_by_the_node_is_waited_through: NoFunds;
}

#[tokio::test(flavor = "multi_thread")]
async fn d12_another_endpoint_takes_over_from_one_that_fails() {
    let evm = Evm::start().await;
    let broken = Proxy::start(&evm.url, 1, 1000).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 2);
    let batches = all(&script);
    let urls = format!("{},{}", broken.url, evm.url);
    let relay = start_on(
        through(&evm, &urls),
        &path,
        ScriptedSource::all(script),
        settings(Confirmation::Blocks(1)),
        Observer::default(),
    )
    .await;
    relay.until_anchored(4).await;
    let endpoints = relay.shared.stats().endpoints;
    assert!(
        endpoints[0].errors > 0 && endpoints[1].active,
        "{endpoints:?}"
    );
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_chain_id_that_changes_while_the_relay_runs_is_waited_for() {
    let evm = Evm::start().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    let relay = start_on(
        through(&evm, &proxy.url),
        &path,
        source.clone(),
        settings(Confirmation::Blocks(1)),
        Observer::default(),
    )
    .await;
    relay.until_anchored(2).await;
    proxy.tamper(|call, answer| {
        if call["method"] == "eth_chainId" {
            answer["result"] = json!("0x5");
        }
    });
    relay
        .until("a reason to wait", async |r: &Running| {
            let ready = r.shared.ready(Duration::from_secs(60));
            ready.is_err_and(|why| why.contains("chain id 5"))
        })
        .await;
    source.change(|inner| inner.finalized = 3);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(evm.relay_transactions().await, 2, "sent to another chain");
    proxy.honest();
    relay.until_anchored(6).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_conflict_that_one_look_shows_and_the_next_does_not_is_none() {
    let evm = Evm::start().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 3);
    let batches = all(&script);
    // As a reorg between two reads: heads with the batches, once a record without.
    let shown = Arc::new(AtomicBool::new(false));
    let once = Arc::clone(&shown);
    proxy.tamper(move |call, answer| {
        let records = call["params"][0]["input"]
            .as_str()
            .is_some_and(|input| input.starts_with("0x8ca34629"));
        if let Some(result) = answer["result"].as_str()
            && records
            && !once.swap(true, Ordering::Relaxed)
        {
            let (kept, lost) = result.split_at(2 + 2 * 64);
            answer["result"] = json!(format!("{kept}{}", "0".repeat(lost.len())));
        }
    });
    let relay = start_on(
        through(&evm, &proxy.url),
        &path,
        ScriptedSource::all(script),
        settings(Confirmation::Blocks(1)),
        Observer::default(),
    )
    .await;
    relay.until_anchored(6).await;
    let rows = relay.journal.streams().await.unwrap();
    assert!(rows.iter().all(|row| row.quarantine.is_none()), "{rows:?}");
    assert!(shown.load(Ordering::Relaxed), "it was not shown");
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d14_no_log_is_ever_asked_for() {
    let evm = Evm::start().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let proof = proven(&batches[0], 1);
    let source = ScriptedSource::all(script);
    source.change(|inner| inner.proofs.push(proof.clone()));
    let start = async |path| {
        let settings = settings(Confirmation::Blocks(1));
        let chain = through(&evm, &proxy.url);
        start_on(chain, path, source.clone(), settings, Observer::default()).await
    };
    let relay = start(&path).await;
    relay.until_anchored(6).await;
    relay.until_proofs(1).await;
    relay.end().await;
    // Nor by one that finds out what another has anchored.
    let (_dir, path) = place();
    let relay = start(&path).await;
    relay.until_anchored(6).await;
    relay.end().await;
    let asked = proxy.methods();
    let logs = |method: &&String| method.contains("Log") || method.contains("Filter");
    assert!(asked.contains("eth_call"), "{asked:?}");
    assert_eq!(asked.iter().find(logs), None, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d18_two_relays_with_different_keys_lose_nothing() {
    let evm = Evm::start().await;
    let second = support::evm::OTHER_SECRET;
    evm.authorize(support::evm::OTHER, true).await;
    let (_dir, path) = place();
    let (_dir2, other) = place();
    let script = Script::regular(4, 6);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let one = support::running::start(
        &evm,
        &path,
        source.clone(),
        settings(Confirmation::Blocks(1)),
    )
    .await;
    let identity = anchor_relay::sink::Identity {
        sender: support::evm::OTHER,
        ..evm.identity()
    };
    let journal = std::sync::Arc::new(anchor_relay::journal::Journal::open(&other).await.unwrap());
    let shared = std::sync::Arc::new(anchor_relay::metrics::Shared::new().unwrap());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let relay = anchor_relay::relay::Relay {
        journal: std::sync::Arc::clone(&journal),
        source,
        chain: std::sync::Arc::new(Chain::new(&evm.url, identity, Duration::from_secs(5)).unwrap()),
        key: anchor_relay::sink::Key::from_hex(second, "test").unwrap(),
        settings: settings(Confirmation::Blocks(1)),
        shared: std::sync::Arc::clone(&shared),
        reporter: None,
        observer: Observer::default(),
    };
    let two = Running {
        stop,
        task: tokio::spawn(relay.run(stopped)),
        journal,
        shared,
    };
    one.until_anchored(24).await;
    two.until_anchored(24).await;
    one.end().await;
    two.end().await;
    evm.audit(&batches).await;
}

mod d5_a_transaction_that_the_node_refuses_for_good {
    use super::*;
    use alloy::{
        consensus::Transaction, consensus::TxEnvelope, eips::Decodable2718, primitives::hex,
    };
    use support::evm::RELAY;

    /// Nonce and call of a transaction that is no transfer to ourselves.
    fn read(raw: &str) -> Option<(u64, String)> {
        let bytes = hex::decode(raw).unwrap();
        let tx = TxEnvelope::decode_2718(&mut bytes.as_slice()).unwrap();
        let filler = tx.to() == Some(RELAY);
        assert!(!filler || (tx.input().is_empty() && tx.gas_limit() == 21_000));
        (!filler).then(|| (tx.nonce(), hex::encode(tx.input())))
    }

    async fn start(evm: &Evm, proxy: &Proxy, path: &std::path::Path, script: Script) -> Running {
        start_on(
            through(evm, &proxy.url),
            path,
            ScriptedSource::all(script),
            settings(Confirmation::Blocks(1)),
            Observer::default(),
        )
        .await
    }

    fn metric(relay: &Running, name: &str) -> u64 {
        let text = String::from_utf8(relay.shared.text().unwrap()).unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn gives_way_to_a_transfer_to_ourselves_and_what_it_carried_goes_with_another_nonce() {
        let evm = Evm::start().await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        proxy.refuse(|raw| {
            let (nonce, _) = read(raw)?;
            (nonce == 2).then_some("exceeds block gas limit")
        });
        let (_dir, path) = place();
        let script = Script::regular(2, 3);
        let batches = all(&script);
        let relay = start(&evm, &proxy, &path, script).await;
        relay.until_anchored(6).await;
        assert_eq!(metric(&relay, "ves_relay_nonces_filled_total"), 1);
        assert!(metric(&relay, "ves_relay_node_refused_total") >= 5);
        let errors = relay.shared.errors();
        let said = |words| errors.iter().any(|e| e.error.contains(words));
        assert!(said("exceeds block gas limit") && said("transfer to ourselves"));
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 7);
        assert_eq!(evm.reverted().await, 0, "nothing was sent behind it");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn because_of_what_it_carries_stops_its_stream_and_no_other() {
        let evm = Evm::start().await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        let (_dir, path) = place();
        let script = Script::regular(4, 4);
        let batches = all(&script);
        let poison = batches[5].clone();
        let needle = hex::encode(poison.batch_id.0);
        proxy.refuse(move |raw| {
            let (_, call) = read(raw)?;
            call.contains(&needle).then_some("intrinsic gas too low")
        });
        let relay = start(&evm, &proxy, &path, script).await;
        let stream = poison.stream_id();
        let healthy = batches.iter().filter(|b| b.stream_id() != stream).count();
        // The stream's first batch as well.
        relay.until_anchored(healthy + 1).await;
        relay
            .until("the reason", async |r: &Running| {
                let stats = r.shared.stats();
                let lag = stats.streams.into_iter().find(|lag| lag.open_batches > 0);
                let note = lag.and_then(|lag| lag.note).unwrap_or_default();
                note.contains("intrinsic gas too low")
            })
            .await;
        assert!(metric(&relay, "ves_relay_nonces_filled_total") >= 1);
        // The node is mended.
        proxy.refuse(|_| None);
        relay.until_anchored(batches.len()).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.reverted().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn because_it_is_dear_leaves_the_one_before_in_the_pool() {
        let evm = Evm::start().await;
        let proxy = Proxy::start(&evm.url, 1, 0).await;
        let (_dir, path) = place();
        let script = Script::regular(1, 1);
        let batches = all(&script);
        evm.automine(false).await;
        let first = Arc::new(std::sync::Mutex::new(None::<String>));
        let known = Arc::clone(&first);
        proxy.refuse(move |raw| {
            let mut known = known.lock().unwrap();
            let same = known.get_or_insert_with(|| raw.to_owned()).as_str() == raw;
            (!same).then_some("tx fee (1.20 ether) exceeds the configured cap (1.00 ether)")
        });
        let relay = start(&evm, &proxy, &path, script).await;
        relay
            .until("some refusals", async |r: &Running| {
                evm.mine_empty().await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                metric(r, "ves_relay_node_refused_total") >= 3
            })
            .await;
        let attempts = relay.journal.attempts(0).await.unwrap();
        assert_eq!(
            attempts.len(),
            2,
            "the same step is tried, not ever higher ones"
        );
        relay
            .until("the first one in a block", async |_: &Running| {
                evm.mine(1).await;
                evm.relay_transactions().await == 1
            })
            .await;
        relay.until_anchored(1).await;
        assert_eq!(metric(&relay, "ves_relay_nonces_filled_total"), 0);
        relay.end().await;
        evm.audit(&batches).await;
    }
}
