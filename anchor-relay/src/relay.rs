// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The two loops: finalized blocks into the journal, open batches into the contract.
//!
//! Neither loop ends on an error that can pass: node down, L2 down, contract paused, key not
//! authorised, no funds, disk full. They wait, say why, and go on by themselves. Only a
//! contradiction in the appchain's finalized blocks ends the program ([`Halt`]).

use crate::{
    Observer, Point,
    journal::{Journal, JournalError, StreamRow, now_ms},
    metrics::{Shared, StreamLag},
    plan::{Action, Conflict, Limits, StreamView},
    sink::{
        Block, Chain, ChainError, Confirmation, Gate, Key, Park, Refusal, SendPolicy, Sender,
        SubmitOutcome, same_record,
    },
    source::{Halt, Source, WalkError, Walker},
    view::{Snapshot, TickError, plan_with_records, snapshot},
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Notify, watch};
use ves_primitives::{BatchCommitment, GenesisHash, StreamId};

/// Longest pause between tries of a stream that the contract refuses.
const MAX_HOLD: Duration = Duration::from_secs(600);
/// Longest pause after an error.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Settings of the loops.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// When an anchor counts as done.
    pub confirmation: Confirmation,
    /// Transactions that may be in flight.
    pub window: usize,
    /// Transactions of one stream that may be in flight.
    pub per_stream: usize,
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
            observer,
        } = self;
        let wake = Arc::new(Notify::new());
        let walk = walk_loop(
            Walker::new(source, settings.genesis),
            &journal,
            &settings,
            &shared,
            &observer,
            &wake,
            stop.clone(),
        );
        let mut anchor = AnchorLoop {
            sender: Sender::new(Arc::clone(&chain), key, settings.send, observer.clone()),
            journal: Arc::clone(&journal),
            chain,
            settings,
            shared: Arc::clone(&shared),
            observer: observer.clone(),
            identified: false,
            holds: BTreeMap::new(),
            turn: 0,
        };
        let anchor = async {
            anchor.run(&wake, stop).await;
            Ok(())
        };
        let result = tokio::try_join!(walk, anchor);
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

async fn walk_loop<S: Source>(
    mut walker: Walker<S>,
    journal: &Journal,
    settings: &Settings,
    shared: &Shared,
    observer: &Observer,
    wake: &Notify,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Halt> {
    let mut failures = 0u32;
    while !stopping(&stop) {
        match walker.advance(journal).await {
            Ok(progress) => {
                failures = 0;
                shared.source_progress(&progress);
                if progress.batches > 0 {
                    observer.at(Point::Taken);
                    wake.notify_one();
                }
                if !progress.behind() {
                    pause(&mut stop, settings.poll).await;
                }
            }
            Err(WalkError::Halt(halt)) => {
                tracing::error!(%halt, "stopped: the appchain node contradicts finality");
                return Err(halt);
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%error, "finalized blocks cannot be followed now, trying again");
                }
                shared.source_error(&error.to_string());
                failures = failures.saturating_add(1);
                pause(&mut stop, backoff(failures, settings.poll)).await;
            }
        }
    }
    Ok(())
}

struct AnchorLoop {
    sender: Sender,
    journal: Arc<Journal>,
    chain: Arc<Chain>,
    settings: Settings,
    shared: Arc<Shared>,
    observer: Observer,
    identified: bool,
    holds: BTreeMap<StreamId, Hold>,
    turn: usize,
}

impl AnchorLoop {
    async fn run(&mut self, wake: &Notify, mut stop: watch::Receiver<bool>) {
        let mut failures = 0u32;
        while !stopping(&stop) {
            let wait = match self.tick().await {
                Ok(()) => {
                    failures = 0;
                    self.settings.poll
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "cannot anchor now, trying again");
                    }
                    if !matches!(error, TickError::Journal(_)) {
                        // The endpoint may be another one when it comes back.
                        self.identified = false;
                    }
                    self.shared.anchor_error(&error.to_string());
                    failures = failures.saturating_add(1);
                    backoff(failures, self.settings.poll)
                }
            };
            self.shared.ticked();
            tokio::select! {
                () = pause(&mut stop, wait) => {}
                // New batches are anchored at once, unless something is wrong.
                () = wake.notified(), if failures == 0 => {}
            }
        }
    }

    async fn tick(&mut self) -> Result<(), TickError> {
        if !self.identified && !self.identify().await {
            return Ok(());
        }
        let latest = self.chain.latest().await?;
        let gate = self.gate(&latest).await?;
        self.shared.gate(&gate);
        let confirmed = self
            .chain
            .confirmed(&latest, self.settings.confirmation)
            .await?;
        let used = self.chain.nonce_at(&latest).await?;
        let used_confirmed = if confirmed == latest {
            used
        } else {
            self.chain.nonce_at(&confirmed).await?
        };
        // Nothing was ever signed for these: a stop came in between.
        self.journal.drop_intents().await?;
        let report = self
            .sender
            .look(
                &self.journal,
                &latest,
                confirmed.number,
                used,
                used_confirmed,
            )
            .await?;
        self.shared.sent_report(&report);
        if gate.is_open() {
            let bumped = self.sender.resend(&self.journal, &latest, used).await?;
            self.shared.bumped(bumped);
        }
        let rows = self.journal.streams().await?;
        let mut snapshot = snapshot(&self.journal, &self.chain, &rows, latest, confirmed).await?;
        self.apply_holds(&mut snapshot.views, &rows);
        if !snapshot.views.is_empty() {
            // Another stream is first each time, so that none is always the last.
            let first = self.turn % snapshot.views.len();
            snapshot.views.rotate_left(first);
            self.turn = self.turn.wrapping_add(1);
        }
        let in_flight = self.in_flight().await?;
        let limits = Limits {
            open: gate.is_open(),
            free: self.settings.window.saturating_sub(in_flight),
            per_stream: self.settings.per_stream,
        };
        let actions = plan_with_records(&self.chain, &mut snapshot, limits).await?;
        self.apply(&snapshot, &actions, used).await?;
        self.publish().await
    }

    async fn identify(&mut self) -> bool {
        let park = match self.chain.check_identity().await {
            Ok(genesis) => {
                let id = self.chain.identity();
                let pinned = self
                    .journal
                    .pin_destination(id.chain_id, &genesis.0, &id.registry.0.0, &id.sender.0.0)
                    .await;
                match pinned {
                    Ok(()) => {
                        self.identified = true;
                        tracing::info!(
                            chain_id = id.chain_id, registry = %id.registry, sender = %id.sender,
                            "destination verified"
                        );
                        return true;
                    }
                    Err(error) => Park::ForeignJournal {
                        error: error.to_string(),
                    },
                }
            }
            Err(park) => park,
        };
        self.shared.gate(&Gate {
            parked: vec![park],
            ..Gate::default()
        });
        false
    }

    async fn gate(&self, latest: &Block) -> Result<Gate, ChainError> {
        let limits = &self.settings.send.fees;
        let price = latest
            .base_fee
            .saturating_mul(2)
            .saturating_add(limits.min_tip);
        let price = price.max(limits.min_fee).min(limits.max_fee);
        let cost = price.saturating_mul(u128::from(self.settings.send.gas_default));
        let mut gate = self.chain.gate(cost.max(self.settings.min_balance)).await?;
        if latest.base_fee > limits.max_fee {
            gate.parked.push(Park::FeeAboveLimit {
                base_fee: latest.base_fee.to_string(),
            });
        }
        Ok(gate)
    }

    async fn in_flight(&self) -> Result<usize, JournalError> {
        let live = self.journal.live_sends().await?;
        Ok(live.iter().filter(|send| send.state.is_pending()).count())
    }

    fn apply_holds(&mut self, views: &mut [StreamView], rows: &[StreamRow]) {
        let now = Instant::now();
        self.holds
            .retain(|stream, _| rows.iter().any(|row| row.stream == *stream && row.open > 0));
        for view in views {
            if self
                .holds
                .get(&view.stream)
                .is_some_and(|hold| hold.until > now)
            {
                view.may_submit = false;
            }
        }
    }

    fn hold(&mut self, stream: StreamId, why: &str) {
        let hold = self.holds.entry(stream).or_insert_with(|| Hold {
            until: Instant::now(),
            tries: 0,
        });
        let time = self
            .settings
            .poll
            .saturating_mul(1 << hold.tries.min(16))
            .min(MAX_HOLD);
        hold.tries = hold.tries.saturating_add(1);
        hold.until = Instant::now() + time;
        tracing::warn!(%stream, wait = ?time, "waiting with this stream: {why}");
        self.shared.stream_note(stream, Some(why));
    }

    async fn apply(
        &mut self,
        snapshot: &Snapshot,
        actions: &[Action],
        used: u64,
    ) -> Result<(), TickError> {
        let anchored: Vec<(StreamId, u64)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Anchored { stream, index } => Some((*stream, *index)),
                _ => None,
            })
            .collect();
        if !anchored.is_empty() {
            self.journal.mark_anchored(&anchored).await?;
            self.observer.at(Point::Anchored);
            self.shared.anchored(anchored.len());
            for (stream, index) in &anchored {
                self.holds.remove(stream);
                self.shared.stream_note(*stream, None);
                tracing::info!(%stream, batch = index, "anchored");
            }
        }
        for action in actions.iter().copied() {
            match action {
                Action::Anchored { .. } | Action::Compare { .. } => {}
                Action::Reopen { stream, above } => {
                    let count = self.journal.reopen(stream, above).await?;
                    tracing::warn!(%stream, above, count, "the contract lost batches, again");
                }
                Action::Quarantine {
                    stream,
                    index,
                    reason,
                } => {
                    self.quarantine(stream, index, &reason.to_string()).await?;
                }
                Action::Submit {
                    stream,
                    index,
                    simulate,
                } => {
                    let Some(batch) = snapshot.batch(stream, index) else {
                        continue;
                    };
                    if !self.submit(batch, simulate, &snapshot.latest, used).await? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn quarantine(
        &self,
        stream: StreamId,
        index: u64,
        reason: &str,
    ) -> Result<(), JournalError> {
        let text = format!("batch {index}: {reason}");
        tracing::error!(%stream, batch = index, reason, "stream set aside; others go on");
        self.journal.quarantine(stream, &text).await?;
        self.shared.conflict();
        Ok(())
    }

    /// Submits one batch; false when nothing more should be submitted in this tick.
    async fn submit(
        &mut self,
        batch: &BatchCommitment,
        simulate: bool,
        latest: &Block,
        used: u64,
    ) -> Result<bool, TickError> {
        let stream = batch.stream_id();
        let index = batch.batch_index;
        if self.reverted_before(batch).await? {
            return Ok(true);
        }
        let outcome = self
            .sender
            .submit(&self.journal, batch, simulate, latest, used)
            .await?;
        match outcome {
            SubmitOutcome::Sent => {
                self.shared.submitted();
                Ok(true)
            }
            SubmitOutcome::Pending(error) => {
                tracing::warn!(%stream, batch = index, %error, "signed but not sent yet");
                self.shared.anchor_error(&error.to_string());
                Ok(false)
            }
            SubmitOutcome::FeeAboveLimit(_) => Ok(false),
            SubmitOutcome::GasAboveCap(gas) => {
                self.hold(
                    stream,
                    &format!("batch {index} needs {gas} gas, above send.gas_cap"),
                );
                Ok(true)
            }
            SubmitOutcome::Refused(refusal) => self.refused(batch, latest, refusal).await,
        }
    }

    /// A transaction for this batch failed on chain before: wait longer each time.
    async fn reverted_before(&mut self, batch: &BatchCommitment) -> Result<bool, TickError> {
        let stream = batch.stream_id();
        let sends = self.journal.sends_of(stream, batch.batch_index).await?;
        let reverts = sends
            .iter()
            .filter(|send| send.batch_index == batch.batch_index && send.ok == Some(false))
            .count();
        let known = self.holds.get(&stream).map_or(0, |hold| hold.tries);
        if u32::try_from(reverts).unwrap_or(u32::MAX) <= known {
            return Ok(false);
        }
        self.hold(
            stream,
            &format!("batch {} reverted {reverts} times", batch.batch_index),
        );
        Ok(true)
    }

    async fn refused(
        &mut self,
        batch: &BatchCommitment,
        latest: &Block,
        refusal: Refusal,
    ) -> Result<bool, TickError> {
        let stream = batch.stream_id();
        self.shared.refused();
        match refusal {
            Refusal::AlreadyCommitted => {
                let records = self.chain.records(&[batch], latest).await?;
                if records
                    .iter()
                    .any(|r| r.timestamp != 0 && !same_record(r, batch))
                {
                    let reason = Conflict::Different.to_string();
                    self.quarantine(stream, batch.batch_index, &reason).await?;
                } else {
                    self.hold(stream, "somebody committed the batch just now");
                }
                Ok(true)
            }
            Refusal::Permanent(_) => {
                self.quarantine(stream, batch.batch_index, &refusal.to_string())
                    .await?;
                Ok(true)
            }
            // The gate says the rest at the next tick.
            Refusal::Paused | Refusal::NotAuthorised | Refusal::WrongContract => Ok(false),
            Refusal::SequenceGap { .. }
            | Refusal::StateRootMismatch
            | Refusal::NotStreamSubmitter
            | Refusal::Unknown(_) => {
                self.hold(stream, &refusal.to_string());
                Ok(true)
            }
        }
    }

    async fn publish(&mut self) -> Result<(), TickError> {
        let rows = self.journal.streams().await?;
        let now = now_ms();
        let lags = rows
            .iter()
            .map(|row| (row.stream, StreamLag::of(row, now)))
            .collect();
        let counts = self.journal.send_counts().await?;
        self.shared.streams(lags, counts);
        Ok(())
    }
}
