// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program behind a proxy that loses and misreports, on a chain that reorganises, with an
//! appchain node that goes away; killed and stopped at random moments, by a seed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::json;
use std::time::{Duration, Instant};
use support::{
    Script, ScriptedSource,
    evm::Evm,
    program::{Relay, Site},
    proven,
    proxy::Proxy,
    running::all,
    served::Served,
};

/// Longest wait after the last fault.
const PATIENCE: Duration = Duration::from_secs(600);

/// Numbers by a seed.
struct Draw(u64);

impl Draw {
    /// Below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % n
    }

    async fn pause(&mut self, from: u64, more: u64) {
        tokio::time::sleep(Duration::from_millis(from + self.below(more))).await;
    }
}

/// How the program was ended, by count.
#[derive(Debug, Default)]
struct Ends {
    killed: u32,
    /// Killed twice, soon after a start the second time.
    at_start: u32,
    terminated: u32,
}

impl Ends {
    /// Ends the program in one of three ways and starts it again.
    async fn end_and_start(&mut self, relay: Relay, site: &Site, draw: &mut Draw) -> Relay {
        match draw.below(4) {
            0 => {
                let stopped = tokio::task::spawn_blocking(|| relay.terminate());
                assert_eq!(stopped.await.unwrap(), Some(0));
                self.terminated += 1;
            }
            1 => {
                relay.kill_nine();
                let starting = site.start().await;
                draw.pause(0, 60).await;
                starting.kill_nine();
                self.at_start += 1;
            }
            _ => {
                relay.kill_nine();
                self.killed += 1;
            }
        }
        site.start().await
    }
}

/// Every finalized batch and proof once, in order, equal, whatever happens; by one seed.
async fn whatever_happens(streams: u8, blocks: u32, seed: u64) {
    let begun = Instant::now();
    let evm = Evm::start().await;
    evm.mine(8).await;
    let proxy = Proxy::start(&evm.url, seed, 120).await;
    let script = Script::regular(streams, blocks);
    let batches = all(&script);
    let proofs: Vec<_> = batches
        .iter()
        .step_by(7)
        .map(|batch| proven(batch, (batch.block_number + 2).min(blocks)))
        .collect();
    let source = ScriptedSource::new(script, 1);
    source.change(|inner| inner.proofs = proofs.clone());
    let served = Served::start(source.clone()).await;
    let send = "window = 8\nmax_batches = 20\nper_stream = 32";
    let site = Site::new(&served.url, &proxy.url, &evm, "6", send);
    let mut draw = Draw(seed);
    let mut relay = site.start().await;
    let (mut ends, mut reorgs) = (Ends::default(), 0);
    for height in 2..=blocks {
        source.change(|inner| inner.finalized = height);
        draw.pause(20, 120).await;
        match draw.below(10) {
            0 | 1 => relay = ends.end_and_start(relay, &site, &mut draw).await,
            2 | 3 => {
                let depth = 1 + draw.below(3);
                evm.rpc("anvil_reorg", json!([depth, []])).await;
                reorgs += 1;
            }
            4 => source.change(|inner| inner.down = true),
            5..7 => evm.mine(1 + draw.below(3)).await,
            _ => source.change(|inner| inner.down = false),
        }
    }
    source.change(|inner| inner.down = false);
    proxy.set_rate(20);
    let all = (batches.len() as u64, proofs.len() as u64);
    let deadline = Instant::now() + PATIENCE;
    while site.anchored().await != all {
        assert!(
            Instant::now() < deadline,
            "not done in time: {}\n{}",
            relay.get("/stats").1,
            relay.log()
        );
        // The chain goes on, so that what is included becomes confirmed.
        evm.mine(1).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let stopped = tokio::task::spawn_blocking(|| relay.terminate());
    assert_eq!(stopped.await.unwrap(), Some(0));
    evm.audit(&batches).await;
    let records: Vec<_> = proofs.into_iter().map(|(record, ..)| record).collect();
    evm.audit_proofs(&records).await;
    let (sent, reverted) = (evm.relay_transactions().await, evm.reverted().await);
    println!(
        "seed {seed}: {} batches, {} proofs, {sent} transactions, {reverted} of them failed, \
         {ends:?}, {reorgs} reorgs, faults {:?}, {:.1} s",
        batches.len(),
        records.len(),
        proxy.counts(),
        begun.elapsed().as_secs_f64()
    );
    let wasted = 2 + reorgs;
    assert!(
        reverted <= wasted,
        "{reverted} transactions were wasted, at most {wasted} may be"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_everything_is_anchored_once_in_order_and_equal_whatever_happens() {
    whatever_happens(5, 30, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; scripts/long-relay.sh"]
async fn f21_a_thousand_batches_and_random_faults() {
    for seed in [1, 2, 3] {
        whatever_happens(20, 50, seed).await;
    }
}
