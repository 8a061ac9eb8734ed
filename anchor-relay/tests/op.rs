// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay against a chain of the OP stack: fees for L1 data by the real predeploys, and a pool
//! that refuses what is too cheap and keeps what is not mined. Hardhat's, see `support/evm.rs`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{
    primitives::{Address, B256, U256, address},
    providers::Provider,
};
use anchor_relay::{
    Observer, Point,
    journal::Attempt,
    relay::Settings,
    sink::{Confirmation, Park},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    Script, ScriptedSource,
    evm::{Evm, RELAY},
    running::{Running, all, place, settings, start, start_observed},
};
use ves_primitives::BatchCommitment;

const GWEI: u128 = 1_000_000_000;
/// The predeploy that knows L1's fees.
const L1_BLOCK: Address = address!("0x4200000000000000000000000000000000000015");
/// L1 base fees, wei. A batch is some 240 bytes after compression, of which each costs 0.02 gas of
/// L1: with the first one its L1 data costs some ten times what it costs to run.
const DEAR_L1: u64 = 1_000_000_000_000_000;
const DEARER_L1: u64 = 100 * DEAR_L1;

/// The chain's view of L1: its base fee.
async fn l1_base_fee(evm: &Evm, wei: u64) {
    // As OP Mainnet had them in 2024: scalars of the base fee and of the blob base fee.
    let scalars = (U256::from(1_368) << 96) | (U256::from(810_949) << 64);
    for (slot, word) in [(3, scalars), (1, U256::from(wei)), (7, U256::from(1))] {
        let word = B256::from(word);
        evm.rpc(
            "hardhat_setStorageAt",
            json!([L1_BLOCK, format!("{slot:#x}"), word]),
        )
        .await;
    }
    evm.mine(1).await;
}

/// The base fee of the next block. It falls slowly: this chain lowers it by 0.4 % a block.
async fn next_base_fee(evm: &Evm, wei: u128) {
    let wei = format!("{wei:#x}");
    evm.rpc("hardhat_setNextBlockBaseFeePerGas", json!([wei]))
        .await;
}

async fn balance(evm: &Evm) -> U256 {
    evm.provider.get_balance(RELAY).await.unwrap()
}

async fn transaction(evm: &Evm, attempt: &Attempt) -> Value {
    let hash = B256::new(attempt.tx_hash);
    evm.rpc("eth_getTransactionByHash", json!([hash])).await
}

fn number(value: &Value) -> u128 {
    let digits = value.as_str().unwrap().strip_prefix("0x").unwrap();
    u128::from_str_radix(digits, 16).unwrap()
}

/// Receipts of the relay's transactions with these nonces.
async fn receipts(evm: &Evm, relay: &Running, nonces: u64) -> Vec<Value> {
    let mut found = Vec::new();
    for nonce in 0..nonces {
        for attempt in relay.journal.attempts(nonce).await.unwrap() {
            let hash = B256::new(attempt.tx_hash);
            let receipt = evm.rpc("eth_getTransactionReceipt", json!([hash])).await;
            if !receipt.is_null() {
                found.push(receipt);
            }
        }
    }
    let nonces = usize::try_from(nonces).unwrap();
    assert_eq!(found.len(), nonces, "one transaction per nonce is mined");
    found
}

fn patient() -> Settings {
    let mut patient = settings(Confirmation::Blocks(1));
    patient.send.bump_after = Duration::from_secs(600);
    patient
}

async fn until_parked(relay: &Running, why: &str) {
    relay
        .until(why, async |r: &Running| {
            let ready = r.shared.ready(Duration::from_secs(600));
            ready.is_err_and(|reason| reason.contains(why))
        })
        .await;
}

async fn until_sent(relay: &Running, count: u64) {
    relay
        .until("sent", async |r: &Running| {
            r.journal.send_counts().await.unwrap() == [("sent".to_owned(), count)]
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_what_is_counted_as_paid_is_what_the_account_lost_l1_data_included() {
    let evm = Evm::op().await;
    l1_base_fee(&evm, DEAR_L1).await;
    let (_dir, path) = place();
    let script = Script::regular(2, 2);
    let batches = all(&script);
    let before = balance(&evm).await;
    let source = ScriptedSource::all(script);
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    relay.until_anchored(4).await;
    relay
        .until("what was paid", async |r: &Running| {
            r.journal.send_counts().await.unwrap() == [("final".to_owned(), 4)]
        })
        .await;
    let lost: u128 = (before - balance(&evm).await).try_into().unwrap();
    let counted = u128::from(relay.journal.spent_since(0).await.unwrap()) * GWEI;
    // Each of the four is rounded up to a gwei.
    assert!(
        (lost..lost + 4 * GWEI).contains(&counted),
        "{counted} counted, {lost} lost"
    );
    let receipts = receipts(&evm, &relay, 4).await;
    let l1: u128 = receipts.iter().map(|r| number(&r["l1Fee"])).sum();
    let run: u128 = receipts
        .iter()
        .map(|r| number(&r["gasUsed"]) * number(&r["effectiveGasPrice"]))
        .sum();
    assert_eq!(l1 + run, lost);
    assert!(l1 > run, "{l1} for L1 data, {run} to run");
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_l1_data_uses_up_the_budget_of_the_day() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 4);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 2);
    let mut thrifty = settings(Confirmation::Blocks(1));
    thrifty.daily_budget_gwei = Some(2_000_000);
    let relay = start(&evm, &path, source.clone(), thrifty).await;
    // Two are within it as long as L1 data is free.
    relay.until_anchored(2).await;
    l1_base_fee(&evm, DEAR_L1).await;
    assert!(relay.shared.ready(Duration::from_secs(600)).is_ok());
    source.change(|inner| inner.finalized = 3);
    relay.until_anchored(3).await;
    until_parked(&relay, "daily_budget_gwei").await;
    source.change(|inner| inner.finalized = 4);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(evm.relay_transactions().await, 3);
    relay.end().await;
    evm.audit(&batches[..3]).await;
}

fn needed(relay: &Running) -> Option<U256> {
    relay.shared.stats().gate.parked.iter().find_map(|park| {
        let Park::EmptyBalance { needed, .. } = park else {
            return None;
        };
        Some(needed.parse().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_what_the_relay_says_it_needs_is_enough_for_a_batch_and_its_l1_data() {
    let evm = Evm::op().await;
    l1_base_fee(&evm, DEAR_L1).await;
    let (_dir, path) = place();
    let script = Script::regular(1, 2);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    evm.set_balance(RELAY, U256::from(1)).await;
    let mut exact = settings(Confirmation::Blocks(1));
    // The tip that the node suggests.
    exact.send.fees.min_tip = GWEI;
    let relay = start(&evm, &path, source.clone(), exact).await;
    until_parked(&relay, "Send it funds").await;
    let cost = needed(&relay).unwrap();
    evm.set_balance(RELAY, cost - U256::from(1)).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(evm.relay_transactions().await, 0);
    evm.set_balance(RELAY, cost).await;
    relay.until_anchored(1).await;

    // Enough to run a hundred batches, not for the L1 data of one.
    evm.set_balance(RELAY, cost * U256::from(10)).await;
    l1_base_fee(&evm, DEARER_L1).await;
    until_parked(&relay, "Send it funds").await;
    source.change(|inner| inner.finalized = 2);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(evm.relay_transactions().await, 1);
    l1_base_fee(&evm, 1).await;
    relay.until_anchored(2).await;
    assert!(
        relay.shared.errors().is_empty(),
        "{:?}",
        relay.shared.errors()
    );
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_no_more_batches_share_a_transaction_than_the_balance_pays_for_on_l1() {
    let evm = Evm::op().await;
    l1_base_fee(&evm, DEAR_L1).await;
    let (_dir, path) = place();
    let script = Script::regular(4, 5);
    let batches = all(&script);
    let mut shared = Settings {
        max_batches: 50,
        per_stream: 64,
        ..patient()
    };
    shared.send.gas_cap = 10_000_000;
    // A batch costs some 6,000,000 gwei.
    evm.set_balance(RELAY, U256::from(40_000_000 * GWEI)).await;
    let relay = start(&evm, &path, ScriptedSource::all(script), shared).await;
    until_parked(&relay, "Send it funds").await;
    relay
        .until("some batches", async |r: &Running| {
            r.journal.totals().await.unwrap().1 >= 3
        })
        .await;
    let anchored = evm.committed().await.len();
    assert!(anchored < batches.len(), "the funds were not for all");
    evm.set_balance(RELAY, U256::from(GWEI).pow(U256::from(2)))
        .await;
    relay.until_anchored(batches.len()).await;
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_transaction_that_a_fee_spike_leaves_in_the_pool_is_replaced_and_mined_once() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 2);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    evm.automine(false).await;
    // Long enough to look at the first one.
    let mut settings = settings(Confirmation::Blocks(1));
    settings.send.bump_after = Duration::from_secs(5);
    let relay = start(&evm, &path, source.clone(), settings).await;
    until_sent(&relay, 1).await;
    let first = relay.journal.attempts(0).await.unwrap().pop().unwrap();
    next_base_fee(&evm, 100 * GWEI).await;
    evm.mine(1).await;
    let pooled = transaction(&evm, &first).await;
    relay
        .until("a replacement", async |r: &Running| {
            r.journal.attempts(0).await.unwrap()[0].max_fee > 100 * GWEI
        })
        .await;
    assert!(
        pooled["blockNumber"].is_null() && !pooled.is_null(),
        "{pooled}"
    );
    relay
        .until("room in a block", async |_: &Running| {
            evm.mine(1).await;
            evm.relay_transactions().await == 1
        })
        .await;
    evm.automine(true).await;
    source.change(|inner| inner.finalized = 2);
    relay.until_anchored(2).await;
    let attempts = relay.journal.attempts(0).await.unwrap();
    for pair in attempts.windows(2) {
        assert!(pair[0].max_fee * 10 >= pair[1].max_fee * 11, "{pair:?}");
        assert!(pair[0].tip * 10 >= pair[1].tip * 11, "{pair:?}");
    }
    assert!(transaction(&evm, &first).await.is_null());
    receipts(&evm, &relay, 2).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_base_fee_above_the_limit_is_waited_out_with_the_transaction_in_the_pool() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    evm.automine(false).await;
    let mut limited = settings(Confirmation::Blocks(1));
    limited.send.fees.max_fee = 50 * GWEI;
    let relay = start(&evm, &path, ScriptedSource::all(script), limited).await;
    until_sent(&relay, 1).await;
    next_base_fee(&evm, 100 * GWEI).await;
    evm.mine(1).await;
    until_parked(&relay, "above send.max_fee_wei").await;
    // Longer than it would take to replace it.
    tokio::time::sleep(Duration::from_millis(900)).await;
    evm.mine(1).await;
    assert_eq!(evm.relay_transactions().await, 0);
    next_base_fee(&evm, GWEI).await;
    evm.mine(1).await;
    relay.until_anchored(1).await;
    let attempts = relay.journal.attempts(0).await.unwrap();
    assert!(attempts.iter().all(|a| a.max_fee <= 50 * GWEI));
    receipts(&evm, &relay, 1).await;
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_node_that_refuses_a_fee_below_the_next_base_fee_is_given_a_higher_one() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    evm.automine(false).await;
    let relay = start(&evm, &path, source.clone(), patient()).await;
    until_sent(&relay, 1).await;
    let first = relay.journal.attempts(0).await.unwrap().pop().unwrap();
    relay.cut().await;
    // The node forgets it. One that mines at once takes nothing that it could not mine.
    let hash = B256::new(first.tx_hash);
    evm.rpc("hardhat_dropTransaction", json!([hash])).await;
    next_base_fee(&evm, 100 * GWEI).await;
    evm.automine(true).await;
    let relay = start(&evm, &path, source, patient()).await;
    relay.until_anchored(1).await;
    assert_eq!(relay.journal.attempts(0).await.unwrap().len(), 2);
    receipts(&evm, &relay, 1).await;
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_replacement_that_the_node_calls_underpriced_is_raised_until_it_is_taken() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    evm.automine(false).await;
    // Of the same key, dearer, and in no journal: an operator who wanted to help.
    let (max_fee, tip) = (20 * GWEI, 10 * GWEI);
    let foreign = json!([{
        "from": RELAY, "to": RELAY, "nonce": "0x0", "gas": "0x5208",
        "maxFeePerGas": format!("{max_fee:#x}"), "maxPriorityFeePerGas": format!("{tip:#x}"),
    }]);
    let foreign = evm.rpc("eth_sendTransaction", foreign).await;
    let mut generous = patient();
    generous.send.fees.max_multiple = 50;
    let relay = start(&evm, &path, ScriptedSource::all(script), generous).await;
    relay
        .until("a replacement", async |r: &Running| {
            let attempts = r.journal.attempts(0).await.unwrap();
            match attempts.first() {
                Some(last) => !transaction(&evm, last).await.is_null(),
                None => false,
            }
        })
        .await;
    let attempts = relay.journal.attempts(0).await.unwrap();
    assert!(attempts.len() > 1, "the first one is refused");
    assert!(attempts[0].max_fee * 10 >= max_fee * 11 && attempts[0].tip * 10 >= tip * 11);
    evm.mine(1).await;
    relay.until_anchored(1).await;
    let receipt = evm.rpc("eth_getTransactionReceipt", json!([foreign])).await;
    assert!(receipt.is_null(), "{receipt}");
    receipts(&evm, &relay, 1).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 1);
}

mod d4_what_is_in_the_pool_when_the_relay_stops {
    use super::*;

    /// Starts a relay that counts what nodes took from it.
    async fn counted(
        evm: &Evm,
        path: &std::path::Path,
        source: ScriptedSource,
    ) -> (Running, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&taken);
        let observer = Observer::new(move |point| {
            if point == Point::Announced {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let relay = start_observed(evm, path, source, patient(), observer).await;
        (relay, taken)
    }

    /// A relay that stopped with three batches in the pool; the source of the next one.
    async fn stopped(evm: &Evm, path: &std::path::Path) -> (Vec<BatchCommitment>, ScriptedSource) {
        let script = Script::regular(3, 1);
        let batches = all(&script);
        let source = ScriptedSource::all(script);
        evm.automine(false).await;
        let relay = start(evm, path, source.clone(), patient()).await;
        until_sent(&relay, 3).await;
        relay.cut().await;
        (batches, source)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn is_mined_once_when_it_goes_on() {
        let evm = Evm::op().await;
        let (_dir, path) = place();
        let (batches, source) = stopped(&evm, &path).await;
        let (relay, taken) = counted(&evm, &path, source).await;
        // The node says that it knows them.
        relay
            .until("all three", async |_: &Running| {
                taken.load(Ordering::Relaxed) == 3
            })
            .await;
        evm.mine(1).await;
        relay.until_anchored(3).await;
        for nonce in 0..3 {
            assert_eq!(relay.journal.attempts(nonce).await.unwrap().len(), 1);
        }
        assert!(
            relay.shared.errors().is_empty(),
            "{:?}",
            relay.shared.errors()
        );
        receipts(&evm, &relay, 3).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn is_mined_once_when_its_journal_is_lost() {
        let evm = Evm::op().await;
        let (_dir, path) = place();
        let (_dir2, fresh) = place();
        let (batches, source) = stopped(&evm, &path).await;
        let (relay, taken) = counted(&evm, &fresh, source).await;
        // This node tries calls on top of its pool, so the relay hears of each batch.
        relay
            .until("a reason to wait", async |r: &Running| {
                let stats = r.shared.stats();
                let notes = stats.streams.iter().filter_map(|lag| lag.note.as_deref());
                notes
                    .filter(|note| note.contains("committed the batch"))
                    .count()
                    == 3
            })
            .await;
        evm.mine(1).await;
        relay.until_anchored(3).await;
        assert_eq!(taken.load(Ordering::Relaxed), 0, "nothing is sent again");
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f29_several_transactions_wait_for_a_block_and_are_mined_in_order() {
    let evm = Evm::op().await;
    let (_dir, path) = place();
    let script = Script::regular(3, 4);
    let batches = all(&script);
    evm.automine(false).await;
    evm.rpc("evm_setIntervalMining", json!([2_000])).await;
    let begun = evm.height().await;
    let relay = start(&evm, &path, ScriptedSource::all(script), patient()).await;
    relay.until_anchored(12).await;
    let receipts = receipts(&evm, &relay, 12).await;
    let mut blocks: Vec<u128> = receipts.iter().map(|r| number(&r["blockNumber"])).collect();
    blocks.dedup();
    assert!(
        blocks.is_sorted() && blocks.len() < 12 && blocks[0] > u128::from(begun),
        "{blocks:?}"
    );
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 12);
}
