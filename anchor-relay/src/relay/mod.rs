// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The loops: finalized blocks and proofs into the journal, open batches and proofs into the
//! contract, and what is anchored back to the appchain.
//!
//! No loop ends on an error that can pass: node down, L2 down, contract paused, key not
//! authorised, no funds, disk full. They wait, say why, and go on by themselves. Only a
//! contradiction in the appchain's finalized blocks ends the program ([`Halt`]).

mod anchor;
mod code;
mod finality;
mod proofs;
mod reports;
#[cfg(test)]
mod simulation;
mod submit;
mod walk;

pub use code::Approved;
pub use reports::{Reporter, ReporterSettings};

use crate::{
    Observer,
    journal::{Journal, now_ms},
    metrics::Shared,
    sink::{Chain, Confirmation, Key, SendPolicy},
    source::{Halt, Source, Walker},
};
use anchor::AnchorLoop;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};
use ves_primitives::GenesisHash;

/// Longest pause between tries of a stream that the contract refuses.
const MAX_HOLD: Duration = Duration::from_secs(600);
/// Longest pause after an error.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Settings of the loops.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When an anchor counts as done.
    pub confirmation: Confirmation,
    /// Transactions that may be in flight.
    pub window: usize,
    /// Batches of one stream that may be in flight.
    pub per_stream: usize,
    /// Batches that may share a transaction.
    pub max_batches: usize,
    /// How long a batch waits for its proof, so that both go in one transaction.
    pub proof_wait: Duration,
    /// Gwei that may be spent in 24 hours.
    pub daily_budget_gwei: Option<u64>,
    /// Code that the registry may run; empty: any.
    pub approved: Vec<Approved>,
    /// Pause between looks at the appchain and at the contract.
    pub poll: Duration,
    /// The operator's pin of the appchain.
    pub genesis: Option<GenesisHash>,
    /// Least balance, wei, on top of the cost of one transaction.
    pub min_balance: u128,
    /// How to send.
    pub send: SendPolicy,
}

#[derive(Debug)]
struct Hold {
    until: Instant,
    tries: u32,
}

/// Everything the loops work with.
#[derive(Debug)]
pub struct Relay<S> {
    /// What must survive a crash.
    pub journal: Arc<Journal>,
    /// The appchain.
    pub source: S,
    /// The destination.
    pub chain: Arc<Chain>,
    /// The sender's key.
    pub key: Key,
    /// Settings.
    pub settings: Settings,
    /// What `/metrics` and the others show.
    pub shared: Arc<Shared>,
    /// Tells the appchain what is anchored, if configured.
    pub reporter: Option<Reporter>,
    /// For tests.
    pub observer: Observer,
}

impl<S: Source> Relay<S> {
    /// Runs until `stop` says so.
    ///
    /// # Errors
    /// [`Halt`] when the appchain's data must not be trusted.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), Halt> {
        let Self {
            journal,
            source,
            chain,
            key,
            settings,
            shared,
            reporter,
            observer,
        } = self;
        let wake = Arc::new(Notify::new());
        let walk = walk::walk_loop(
            Walker::new(source, settings.genesis),
            &journal,
            &settings,
            &shared,
            &observer,
            &wake,
            stop.clone(),
        );
        let mut anchor = AnchorLoop::new(
            Arc::clone(&journal),
            chain,
            key,
            settings.clone(),
            Arc::clone(&shared),
            observer.clone(),
        );
        let anchor = async {
            anchor.run(&wake, stop.clone()).await;
            Ok(())
        };
        let report = async {
            if let Some(reporter) = reporter {
                reporter.run(&journal, &shared, stop.clone()).await;
            }
            Ok(())
        };
        let result = tokio::try_join!(walk, anchor, report);
        journal.close().await;
        result.map(|_| ())
    }
}

/// Waits, but not longer than the operator wants to wait for the end.
async fn pause(stop: &mut watch::Receiver<bool>, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

fn stopping(stop: &watch::Receiver<bool>) -> bool {
    // A dropped sender means that nobody is left who wants us to run.
    *stop.borrow() || stop.has_changed().is_err()
}

/// Doubles per failure, with a spread so that many relays do not knock at the same time.
fn backoff(failures: u32, poll: Duration) -> Duration {
    let doubled = poll.saturating_mul(1 << failures.min(8)).min(MAX_BACKOFF);
    let spread = u64::from(doubled.subsec_nanos() ^ u32::try_from(now_ms() & 0xffff).unwrap_or(0));
    doubled.saturating_add(Duration::from_millis(spread % 250))
}
