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
    evm::Evm,
    running::{Running, all, place, settings, start, start_observed},
};

const STREAMS: u8 = 50;
const BLOCKS: u32 = 200;

/// As the program's defaults.
fn production() -> Settings {
    Settings {
        window: 16,
        per_stream: 64,
        max_batches: 50,
        poll: Duration::from_secs(1),
        send: anchor_relay::sink::SendPolicy {
            gas_cap: 10_000_000,
            bump_after: Duration::from_secs(12),
            ..settings(Confirmation::Blocks(1)).send
        },
        ..settings(Confirmation::Blocks(1))
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; scripts/bench-relay.sh"]
async fn ten_thousand_batches_of_fifty_streams() {
    // RUST_LOG=anchor_relay=trace shows what each call of the chain takes.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(STREAMS, BLOCKS);
    let batches = all(&script);
    let count = batches.len() as u64;
    let before = peak_kib();
    let begun = Instant::now();
    let relay = start(&evm, &path, ScriptedSource::all(script), production()).await;
    until_anchored(&relay, count, Duration::from_secs(600)).await;
    let took = begun.elapsed().as_secs_f64();
    let peak = peak_kib();
    relay.end().await;
    let sent = evm.relay_transactions().await;
    println!(
        "catch-up: {count} batches in {took:.1} s = {:.0} batches/s, {sent} transactions, peak \
         resident {} MiB (of which {} MiB before the relay started)",
        count as f64 / took,
        peak / 1024,
        before / 1024
    );
    evm.audit(&batches).await;
    assert!(count as f64 / took >= 100.0, "slower than 100 batches/s");
    assert!(peak < 200 * 1024, "more than 200 MiB");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; scripts/bench-relay.sh"]
async fn lag_of_an_idle_relay_in_blocks() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(3, 12);
    let source = ScriptedSource::new(script, 1);
    let relay = start(&evm, &path, source.clone(), production()).await;
    until_anchored(&relay, 3, Duration::from_secs(30)).await;
    evm.rpc("evm_setIntervalMining", serde_json::json!([2]))
        .await;
    let mut worst = 0;
    for height in 2..=12u32 {
        tokio::time::sleep(Duration::from_millis(2000 + u64::from(height) * 170)).await;
        let at = evm.height().await;
        source.change(|inner| inner.finalized = height);
        while evm.committed().await.len() < 3 * height as usize {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        worst = worst.max(evm.height().await - at);
    }
    relay.end().await;
    println!("lag: at most {worst} blocks of 2 s from finality to inclusion, 11 times");
    assert!(worst <= 2, "{worst} blocks");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute; scripts/bench-relay.sh"]
async fn restart_to_the_first_transaction() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(STREAMS, BLOCKS / 2);
    let source = ScriptedSource::new(script, BLOCKS / 2 - 1);
    let relay = start(&evm, &path, source.clone(), production()).await;
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
    let relay = start_observed(&evm, &path, source, production(), observer).await;
    until_anchored(&relay, known + u64::from(STREAMS), Duration::from_secs(60)).await;
    relay.end().await;
    let ms = first.load(Ordering::Relaxed);
    println!("restart: first transaction sent after {ms} ms, with {known} batches in the journal");
    assert!(ms > 0 && ms < 3000, "{ms} ms");
}
