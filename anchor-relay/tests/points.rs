// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay, killed with SIGKILL between any two of its steps: a process of this test stands still
//! there until it is killed. `killed.rs` kills the built program at what its journal shows.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::{
    Observer, Point,
    journal::Journal,
    metrics::Shared,
    relay::Relay,
    sink::{Confirmation, Key},
};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use support::{
    Script, ScriptedSource,
    evm::{Evm, RELAY, RELAY_SECRET},
    id, proven,
    running::{all, place, settings, start},
};
use tokio::sync::watch;
use ves_primitives::{StreamId, proof::BatchProofRecord};

const CHILD: &str = "child_that_stops_at_a_point";
const STREAMS: u8 = 3;

/// Every point, with a chain that mines at once (true) and one that leaves everything in the
/// pool (false), where the point can come.
fn schedule() -> Vec<(Point, bool)> {
    use Point::{
        Anchored, Announced, Bumped, Included, ProofAnchored, Reserved, Sent, Settled, Signed,
        Taken,
    };
    let pooled = [Taken, Reserved, Signed, Announced, Sent, Bumped];
    let mined = [
        Taken, Reserved, Signed, Announced, Sent, Included, Settled, Anchored,
    ];
    let with = |points: &[Point], mining| points.iter().map(|p| (*p, mining)).collect();
    let parts: [Vec<_>; 5] = [
        with(&mined, true),
        with(&pooled, false),
        with(&[Included, Settled, Anchored], true),
        with(&[ProofAnchored, ProofAnchored], true),
        with(&[Announced, Bumped], false),
    ];
    parts.concat()
}

fn script() -> Script {
    Script::regular(STREAMS, u32::try_from(schedule().len()).unwrap())
}

/// A proof of one batch in each block whose relay is killed at [`Point::ProofAnchored`].
fn proofs(script: &Script) -> Vec<(BatchProofRecord, StreamId, Vec<u8>)> {
    let killed = |number: u32| schedule()[number as usize - 1].0 == Point::ProofAnchored;
    script
        .batches()
        .filter(|batch| batch.stream_id() == id(0) && killed(batch.block_number))
        .map(|batch| proven(batch, batch.block_number))
        .collect()
}

/// Not a test of its own: the process that `d4_sigkill_at_every_point…` starts and kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by d4_sigkill_at_every_point_neither_loses_nor_doubles_an_anchor"]
async fn child_that_stops_at_a_point() {
    let env = |name: &str| std::env::var(name).unwrap();
    let wanted = env("RELAY_TEST_POINT");
    let finalized: u32 = env("RELAY_TEST_FINALIZED").parse().unwrap();
    let script = script();
    let proofs = proofs(&script);
    let source = ScriptedSource::new(script, finalized);
    source.change(|inner| inner.proofs = proofs);
    let observer = Observer::new(move |point| {
        if format!("{point:?}") == wanted {
            println!("\nAT {wanted}");
            // Stands still in the middle of its work until it is killed.
            loop {
                std::thread::park();
            }
        }
    });
    let identity = anchor_relay::sink::Identity {
        chain_id: support::evm::CHAIN_ID,
        registry: env("RELAY_TEST_REGISTRY").parse().unwrap(),
        sender: RELAY,
    };
    let url = env("RELAY_TEST_URL");
    let chain = anchor_relay::sink::Chain::new(&url, identity, Duration::from_secs(5)).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let relay = Relay {
        journal: Arc::new(
            Journal::open(Path::new(&env("RELAY_TEST_JOURNAL")))
                .await
                .unwrap(),
        ),
        source,
        chain: Arc::new(chain),
        key: Key::from_hex(RELAY_SECRET, "test").unwrap(),
        settings: settings(Confirmation::Blocks(1)),
        shared: Arc::new(Shared::new().unwrap()),
        reporter: None,
        observer,
    };
    relay.run(stopped).await.unwrap();
}

/// Runs the child until it stands at `point`, then kills it with SIGKILL.
fn kill_at(evm_url: &str, registry: &str, journal: &Path, point: Point, finalized: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", CHILD, "--nocapture"])
        .env("RELAY_TEST_POINT", format!("{point:?}"))
        .env("RELAY_TEST_FINALIZED", finalized.to_string())
        .env("RELAY_TEST_URL", evm_url)
        .env("RELAY_TEST_REGISTRY", registry)
        .env("RELAY_TEST_JOURNAL", journal)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let wanted = format!("AT {point:?}");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (found, reached) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let seen = lines.any(|line| line.is_ok_and(|line| line == wanted));
        let _ = found.send(seen);
    });
    let reached = reached.recv_timeout(Duration::from_secs(60)) == Ok(true);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(reached, "the relay never came to {point:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_sigkill_at_every_point_neither_loses_nor_doubles_an_anchor() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = script();
    let batches = all(&script);
    let proofs = proofs(&script);
    for (n, (point, mining)) in schedule().into_iter().enumerate() {
        evm.automine(mining).await;
        if mining {
            // What is in the pool already.
            evm.mine(1).await;
        }
        let (url, registry) = (evm.url.clone(), evm.registry.to_string());
        let journal = path.clone();
        let kill = move || kill_at(&url, &registry, &journal, point, n + 1);
        let mut killed = tokio::task::spawn_blocking(kill);
        loop {
            let wait = Duration::from_millis(400);
            match tokio::time::timeout(wait, &mut killed).await {
                Ok(done) => break done.unwrap(),
                // Nothing is replaced before there was a block without it.
                Err(_) if point == Point::Bumped => evm.mine_empty().await,
                Err(_) => {}
            }
        }
    }
    evm.automine(true).await;
    evm.mine(1).await;
    let source = ScriptedSource::all(script);
    source.change(|inner| inner.proofs = proofs.clone());
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    relay.until_anchored(batches.len()).await;
    relay.until_proofs(2).await;
    relay.end().await;
    evm.audit(&batches).await;
    let records: Vec<_> = proofs.into_iter().map(|(record, ..)| record).collect();
    evm.audit_proofs(&records).await;
    // Each batch and proof took one nonce, or a proof that of its batch: nothing was sent
    // twice, nothing reverted.
    let sent = usize::try_from(evm.relay_transactions().await).unwrap();
    let most = batches.len() + records.len();
    assert!(
        (batches.len()..=most).contains(&sent),
        "{sent} transactions"
    );
    assert_eq!(evm.reverted().await, 0);
}
