// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A relay in this process, with what a test may look at.

use super::{
    Script, ScriptedSource,
    evm::{Evm, RELAY_SECRET},
};
use anchor_relay::{
    Observer,
    journal::Journal,
    metrics::Shared,
    relay::{Relay, Settings},
    sink::{Chain, Confirmation, FeeLimits, Key, SendPolicy},
    source::Halt,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use ves_primitives::BatchCommitment;

pub fn settings(confirmation: Confirmation) -> Settings {
    Settings {
        confirmation,
        window: 8,
        per_stream: 3,
        max_batches: 1,
        proof_wait: Duration::ZERO,
        daily_budget_gwei: None,
        approved: Vec::new(),
        poll: Duration::from_millis(40),
        genesis: None,
        min_balance: 0,
        send: SendPolicy {
            fees: FeeLimits {
                min_tip: 1_000_000,
                min_fee: 1,
                max_fee: 1_000_000_000_000,
                max_multiple: 5,
                multiple_from: 1_000_000_000,
            },
            gas_default: 300_000,
            gas_cap: 1_000_000,
            bump_after: Duration::from_millis(700),
        },
    }
}

pub struct Running {
    pub stop: watch::Sender<bool>,
    pub task: JoinHandle<Result<(), Halt>>,
    pub journal: Arc<Journal>,
    pub shared: Arc<Shared>,
}

pub async fn start(evm: &Evm, path: &Path, source: ScriptedSource, settings: Settings) -> Running {
    start_observed(evm, path, source, settings, Observer::default()).await
}

pub async fn start_observed(
    evm: &Evm,
    path: &Path,
    source: ScriptedSource,
    settings: Settings,
    observer: Observer,
) -> Running {
    start_on(evm.chain(), path, source, settings, observer).await
}

/// Starts on any way to the chain.
pub async fn start_on(
    chain: Chain,
    path: &Path,
    source: ScriptedSource,
    settings: Settings,
    observer: Observer,
) -> Running {
    let journal = Arc::new(Journal::open(path).await.unwrap());
    let shared = Arc::new(Shared::new().unwrap());
    let (stop, stopped) = watch::channel(false);
    let relay = Relay {
        journal: Arc::clone(&journal),
        source,
        chain: Arc::new(chain),
        key: Key::from_hex(RELAY_SECRET, "test").unwrap(),
        settings,
        shared: Arc::clone(&shared),
        reporter: None,
        observer,
    };
    Running {
        stop,
        task: tokio::spawn(relay.run(stopped)),
        journal,
        shared,
    }
}

impl Running {
    pub async fn until(&self, what: &str, mut done: impl AsyncFnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(patience());
        while !done(self).await {
            assert!(
                !self.task.is_finished(),
                "the relay ended while waiting for {what}"
            );
            let stats = serde_json::to_string_pretty(&self.shared.stats()).unwrap();
            assert!(Instant::now() < deadline, "no {what} in time: {stats}");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    pub async fn until_anchored(&self, count: usize) {
        let count = u64::try_from(count).unwrap();
        self.until("anchored batches", async |r: &Self| {
            r.journal.totals().await.unwrap().1 == count
        })
        .await;
    }

    /// Waits for anchored proofs.
    pub async fn until_proofs(&self, count: u64) {
        self.until("anchored proofs", async |r: &Self| {
            r.journal.proof_totals().await.unwrap().1 == count
        })
        .await;
    }

    /// Ends it wherever it stands.
    pub async fn cut(self) {
        self.task.abort();
        let _ = self.task.await;
        self.journal.close().await;
    }

    pub async fn end(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}

pub fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    (dir, path)
}

pub fn all(script: &Script) -> Vec<BatchCommitment> {
    script.batches().cloned().collect()
}

/// Seconds that a test waits for a step; a busy machine is slow.
pub fn patience() -> u64 {
    std::env::var("RELAY_TEST_PATIENCE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60)
}
