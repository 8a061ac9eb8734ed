// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How fast and how small: started by scripts/bench-relay.sh. The appchain is played from memory, the
//! EVM chain is a real anvil.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::{Observer, Point, relay::Settings, sink::Confirmation};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm},
    running::{Running, all, place, settings, start, start_observed},
};

const STREAMS: u8 = 50;
const BLOCKS: u32 = 200;
/// Blocks after which one is final: more than a catch-up takes. With those of the catch-up fewer than 500,
/// beyond which anvil writes every state to disk.
const FINAL_AFTER: u64 = 240;

/// As the program's defaults, with this rule.
fn production(confirmation: Confirmation) -> Settings {
    Settings {
        window: 16,
        per_stream: 64,
        max_batches: 50,
        poll: Duration::from_secs(1),
        send: anchor_relay::sink::SendPolicy {
            gas_cap: 10_000_000,
            bump_after: Duration::from_secs(12),
            ..settings(confirmation).send
        },
        ..settings(confirmation)
    }
}

/// Most memory this process ever had resident, KiB; the played appchain included.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn until_anchored(relay: &Running, count: u64, patience: Duration) {
    let deadline = Instant::now() + patience;
    while relay.journal.totals().await.unwrap().1 < count {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            relay.journal.totals().await
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until this many batches are in the contract, by its own count.
async fn until_included(evm: &Evm, count: u64, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        let included = evm.total_commitments().await;
        if included >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{included} of {count}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A chain whose blocks are final late, and a registry as one should set it up.
async fn chain() -> Evm {
    let evm = Evm::final_after(FINAL_AFTER).await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    evm
}

async fn catch_up(confirmation: Confirmation) {
    // RUST_LOG=anchor_relay=trace shows what each call of the chain takes.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let evm = chain().await;
    let (_dir, path) = place();
    let script = Script::regular(STREAMS, BLOCKS);
    let batches = all(&script);
    let count = batches.len() as u64;
    let before = peak_kib();
    let begun = Instant::now();
    let source = ScriptedSource::all(script);
    let relay = start(&evm, &path, source, production(confirmation)).await;
    until_included(&evm, count, Duration::from_secs(600)).await;
    let took = begun.elapsed().as_secs_f64();
    let sent = evm.relay_transactions().await;
    // None of them is final yet; by these all are.
    evm.mine(FINAL_AFTER).await;
    until_anchored(&relay, count, Duration::from_secs(600)).await;
    let peak = peak_kib();
    relay.end().await;
    println!(
        "catch-up: confirmations {confirmation}: {count} batches included in {took:.1} s = {:.0} \
         batches/s, {sent} transactions, peak resident {} MiB (of which {} MiB before the relay \
         started)",
        count as f64 / took,
        peak / 1024,
        before / 1024
    );
    evm.audit(&batches).await;
    assert!(count as f64 / took >= 100.0, "slower than 100 batches/s");
    assert!(peak < 200 * 1024, "more than 200 MiB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; scripts/bench-relay.sh"]
async fn ten_thousand_batches_of_fifty_streams() {
    catch_up(Confirmation::Blocks(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; scripts/bench-relay.sh"]
async fn ten_thousand_batches_of_fifty_streams_under_finalized() {
    catch_up(Confirmation::Finalized).await;
}

/// From the moment at which a batch is final on the appchain to the block of the L2 that holds it, on
/// an idle relay and an L2 with a block every 2 s.
async fn lag(confirmation: Confirmation) {
    const TIMES: u32 = 11;
    let evm = chain().await;
    let (_dir, path) = place();
    let script = Script::regular(3, TIMES + 1);
    let source = ScriptedSource::new(script, 1);
    let relay = start(&evm, &path, source.clone(), production(confirmation)).await;
    until_included(&evm, 3, Duration::from_secs(30)).await;
    evm.rpc("evm_setIntervalMining", serde_json::json!([2]))
        .await;
    let mut took = Vec::new();
    let mut worst = 0;
    for height in 2..=TIMES + 1 {
        // At another place between two blocks each time.
        tokio::time::sleep(Duration::from_millis(2000 + u64::from(height) * 170)).await;
        let at = evm.height().await;
        let begun = Instant::now();
        source.change(|inner| inner.finalized = height);
        until_included(&evm, 3 * u64::from(height), Duration::from_secs(60)).await;
        took.push(begun.elapsed().as_secs_f64());
        worst = worst.max(evm.height().await - at);
    }
    relay.end().await;
    took.sort_by(f64::total_cmp);
    println!(
        "lag: confirmations {confirmation}: from finality to included {:.1} s in the middle, {:.1} s \
         at most, at most {worst} blocks of 2 s, {} times",
        took[took.len() / 2],
        took[took.len() - 1],
        took.len()
    );
    assert!(worst <= 2, "{worst} blocks");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; scripts/bench-relay.sh"]
async fn lag_of_an_idle_relay() {
    lag(Confirmation::Blocks(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; scripts/bench-relay.sh"]
async fn lag_of_an_idle_relay_under_finalized() {
    lag(Confirmation::Finalized).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; scripts/bench-relay.sh"]
async fn restart_to_the_first_transaction() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(STREAMS, BLOCKS / 2);
    let source = ScriptedSource::new(script, BLOCKS / 2 - 1);
    let relay = start(
        &evm,
        &path,
        source.clone(),
        production(Confirmation::Blocks(1)),
    )
    .await;
    let known = u64::from(STREAMS) * u64::from(BLOCKS / 2 - 1);
    until_anchored(&relay, known, Duration::from_secs(600)).await;
    relay.end().await;
    source.change(|inner| inner.finalized = BLOCKS / 2);
    let first = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&first);
    let begun = Instant::now();
    let observer = Observer::new(move |point| {
        if point == Point::Sent {
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap().max(1);
            let _ = seen.compare_exchange(0, ms, Ordering::Relaxed, Ordering::Relaxed);
        }
    });
    let relay = start_observed(
        &evm,
        &path,
        source,
        production(Confirmation::Blocks(1)),
        observer,
    )
    .await;
    until_anchored(&relay, known + u64::from(STREAMS), Duration::from_secs(60)).await;
    relay.end().await;
    let ms = first.load(Ordering::Relaxed);
    println!("restart: first transaction sent after {ms} ms, with {known} batches in the journal");
    assert!(ms > 0 && ms < 3000, "{ms} ms");
}
