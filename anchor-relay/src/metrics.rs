// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the relay shows of itself: one shared record, read by the HTTP server.

mod series;
mod stats;
mod waiting;

pub use stats::{LoggedError, Nonces, Stats, StreamLag};
pub(crate) use waiting::Absent;

use crate::{
    journal::{Send, SendState, now_ms},
    secret_url::Secrets,
    sink::{EndpointStats, Gate, Park, ResendReport, SendReport},
    source::Progress,
};
use prometheus::{Encoder, Registry, TextEncoder};
use series::Metrics;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use ves_primitives::StreamId;
use waiting::Waiting;

/// Streams with their own time series; the ones furthest behind. Others only count in the totals.
const STREAMS_SHOWN: usize = 50;
const DAY_SECONDS: u128 = 24 * 60 * 60;
/// Errors kept for `/errors`.
const ERRORS_KEPT: usize = 100;

#[derive(Debug, Default)]
struct Inner {
    stats: Stats,
    errors: VecDeque<LoggedError>,
    notes: BTreeMap<StreamId, String>,
    ticked_ms: u64,
    source_ok_ms: u64,
    anchor_ok_ms: u64,
    /// When the source made progress, or was not behind.
    source_moved_ms: u64,
    /// When the destination took something, or nothing waited for it. Apart from the source: blocks
    /// come all the time and would hide that nothing is anchored.
    anchor_moved_ms: u64,
    absent: Absent,
    waiting: Waiting,
}

/// State shared by the loops and the HTTP server.
#[derive(Debug)]
pub struct Shared {
    inner: Mutex<Inner>,
    registry: Registry,
    metrics: Metrics,
    secrets: Secrets,
    started_ms: u64,
}

fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

impl Shared {
    /// Fresh counters.
    ///
    /// # Errors
    /// Only when two metrics have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        Self::hiding(Secrets::default())
    }

    /// Fresh counters, and nothing of these secrets in what they show.
    ///
    /// # Errors
    /// Only when two metrics have one name.
    pub fn hiding(secrets: Secrets) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        // Not configured counts as well.
        metrics.report_up.set(1);
        let started_ms = now_ms();
        let inner = Inner {
            ticked_ms: started_ms,
            source_moved_ms: started_ms,
            anchor_moved_ms: started_ms,
            ..Inner::default()
        };
        Ok(Self {
            inner: Mutex::new(inner),
            registry,
            metrics,
            secrets,
            started_ms,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The record is plain data: a panic elsewhere does not make it wrong.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ticked(&self) {
        self.lock().ticked_ms = now_ms();
        self.metrics.last_tick.set(gauge(now_ms() / 1000));
    }

    pub(crate) fn source_progress(&self, progress: &Progress) {
        let mut inner = self.lock();
        inner.source_ok_ms = now_ms();
        // A block that is final after a long silence is no standstill.
        if inner.stats.cursor != Some(progress.cursor) || !progress.behind() {
            inner.source_moved_ms = now_ms();
        }
        inner.stats.finalized = Some(progress.finalized);
        inner.stats.cursor = Some(progress.cursor);
        inner.stats.source_error = None;
        self.metrics.source_up.set(1);
        self.metrics.finalized.set(gauge(progress.finalized));
        self.metrics.cursor.set(gauge(progress.cursor));
    }

    fn log_error(&self, side: &'static str, error: &str) {
        let mut inner = self.lock();
        if inner.errors.len() == ERRORS_KEPT {
            inner.errors.pop_front();
        }
        inner.errors.push_back(LoggedError {
            at_ms: now_ms(),
            side,
            error: self.shown(error),
        });
    }

    /// What others said, as it may be shown.
    fn shown(&self, text: &str) -> String {
        self.secrets.hide(text).into_owned()
    }

    fn shown_gate(&self, gate: &Gate) -> Gate {
        let mut gate = gate.clone();
        for park in &mut gate.parked {
            if let Park::Unreachable { error }
            | Park::WitnessAway { error }
            | Park::ForeignJournal { error } = park
            {
                *error = self.shown(error);
            }
        }
        gate
    }

    /// What `/errors` answers: the last ones, the newest last.
    pub fn errors(&self) -> Vec<LoggedError> {
        self.lock().errors.iter().cloned().collect()
    }

    pub(crate) fn source_error(&self, error: &str) {
        self.log_error("source", error);
        self.lock().stats.source_error = Some(self.shown(error));
        self.metrics.source_up.set(0);
        self.metrics.tick_errors.inc();
    }

    pub(crate) fn anchor_error(&self, error: &str) {
        self.log_error("destination", error);
        self.lock().stats.anchor_error = Some(self.shown(error));
        self.metrics.destination_up.set(0);
        self.metrics.tick_errors.inc();
    }

    pub(crate) fn gate(&self, gate: &Gate) {
        let gate = &self.shown_gate(gate);
        let mut inner = self.lock();
        for park in &gate.parked {
            if !inner.stats.gate.parked.contains(park) {
                tracing::warn!("waiting: {park}");
            }
        }
        if gate.is_open() && !inner.stats.gate.is_open() {
            tracing::info!("the destination accepts us again");
        }
        inner.stats.gate = gate.clone();
        self.metrics.parked.reset();
        for park in &gate.parked {
            let reason = serde_json::to_value(park).ok();
            let reason = reason
                .as_ref()
                .and_then(|v| v.get("reason"))
                .and_then(|v| v.as_str());
            self.metrics
                .parked
                .with_label_values(&[reason.unwrap_or("other")])
                .set(1);
        }
        self.metrics
            .strict
            .set(i64::from(gate.strict.unwrap_or(false)));
        // A look that did not come to the code says nothing about it.
        if gate.upgraded_ms > 0 {
            self.metrics.upgraded.set(gauge(gate.upgraded_ms / 1000));
        }
        // Only a registry that answered says these.
        if gate.strict.is_some() {
            let says = |found: fn(&Park) -> bool| i64::from(gate.parked.iter().any(found));
            let refused = says(|park| matches!(park, Park::NotAuthorised { .. }));
            self.metrics.authorised.set(1 - refused);
            self.metrics
                .paused
                .set(says(|park| matches!(park, Park::Paused)));
            self.metrics.implementation.reset();
            let address = gate.implementation.map(|address| address.to_string());
            self.metrics
                .implementation
                .with_label_values(&[address.as_deref().unwrap_or("no proxy")])
                .set(1);
        }
        let gwei: u128 = (gate.balance / alloy::primitives::U256::from(1_000_000_000u64))
            .try_into()
            .unwrap_or(u128::MAX);
        self.metrics.balance.set(gauge(gwei));
        let spent = inner.stats.spent_gwei_24h;
        let runway = (spent > 0 && gate.strict.is_some()).then(|| {
            let seconds = gwei.saturating_mul(DAY_SECONDS) / u128::from(spent);
            u64::try_from(seconds).unwrap_or(u64::MAX)
        });
        inner.stats.runway_seconds = runway;
        let seconds = runway.map_or(f64::INFINITY, |seconds| seconds as f64);
        self.metrics.runway.set(seconds);
    }

    pub(crate) fn sent_report(&self, report: &SendReport) {
        let metrics = &self.metrics;
        metrics.included.inc_by(report.included);
        metrics.reverted.inc_by(report.reverted);
        metrics.reorged.inc_by(report.reorged);
        metrics.lost.inc_by(report.lost);
        metrics
            .fees_paid
            .inc_by(u64::try_from(report.fees_paid / 1_000_000_000).unwrap_or(0));
        // One that failed, or only filled its nonce, brought nothing into the contract.
        if report.took_effect > 0 {
            self.lock().anchor_moved_ms = now_ms();
        }
    }

    pub(crate) fn resent(&self, report: &ResendReport) {
        let metrics = &self.metrics;
        metrics.bumped.inc_by(report.bumped);
        metrics.node_refused.inc_by(report.refusals);
        metrics
            .filled
            .inc_by(gauge(report.filled.len()).unsigned_abs());
        for text in &report.news {
            self.log_error("destination", text);
        }
    }

    pub(crate) fn submitted(&self) {
        self.metrics.submitted.inc();
    }

    pub(crate) fn refused(&self) {
        self.metrics.refused.inc();
    }

    pub(crate) fn conflict(&self) {
        self.metrics.conflicts.inc();
    }

    pub(crate) fn anchored(&self, count: usize) {
        self.metrics
            .anchored
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        self.lock().anchor_moved_ms = now_ms();
    }

    pub(crate) fn proofs_anchored(&self, count: usize) {
        self.metrics
            .proofs_anchored
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        self.lock().anchor_moved_ms = now_ms();
    }

    /// What the look that is about to end did not find in the contract.
    pub(crate) fn absent(&self, absent: Absent) {
        self.lock().absent = absent;
    }

    pub(crate) fn proofs(&self, (known, anchored, aside): (u64, u64, u64)) {
        let open = known.saturating_sub(anchored).saturating_sub(aside);
        self.metrics.proofs_open.set(gauge(open));
        self.metrics.proofs_aside.set(gauge(aside));
        self.lock().stats.proofs = (known, anchored, aside);
    }

    pub(crate) fn upgraded(&self) {
        self.metrics.upgrades.inc();
    }

    pub(crate) fn spent_today(&self, gwei: u64) {
        self.metrics.spent_day.set(gauge(gwei));
        self.lock().stats.spent_gwei_24h = gwei;
    }

    pub(crate) fn next_nonce(&self, next: u64) {
        self.metrics.nonce.set(gauge(next));
        self.lock().stats.nonces.next = next;
    }

    /// Our transaction counts at the latest and at the confirmed block.
    pub(crate) fn nonces(&self, latest: u64, confirmed: u64) {
        self.metrics.nonce_latest.set(gauge(latest));
        self.metrics.nonce_confirmed.set(gauge(confirmed));
        let nonces = &mut self.lock().stats.nonces;
        (nonces.latest, nonces.confirmed) = (latest, confirmed);
    }

    /// The transactions that are not settled.
    pub(crate) fn live(&self, sends: &[Send], now: u64) {
        let sent = |send: &&Send| matches!(send.state, SendState::Sent | SendState::Included);
        let oldest = sends.iter().filter(sent).filter_map(|send| send.sent_at_ms);
        let seconds = oldest
            .min()
            .map_or(0, |since| now.saturating_sub(since) / 1000);
        self.metrics.unfinal.set(gauge(seconds));
        self.lock().stats.oldest_unfinal_seconds = seconds;
    }

    pub(crate) fn endpoints(&self, endpoints: Vec<EndpointStats>) {
        for endpoint in &endpoints {
            let label = [endpoint.endpoint.as_str()];
            let up = i64::from(!endpoint.resting);
            self.metrics.endpoint_up.with_label_values(&label).set(up);
            self.metrics
                .endpoint_active
                .with_label_values(&label)
                .set(i64::from(endpoint.active));
            self.metrics
                .endpoint_errors
                .with_label_values(&label)
                .set(gauge(endpoint.errors));
        }
        self.lock().stats.endpoints = endpoints;
    }

    pub(crate) fn reported(&self, result: Result<u64, String>) {
        self.metrics.report_up.set(i64::from(result.is_ok()));
        match result {
            Ok(count) => {
                self.metrics.reported.inc_by(count);
                self.lock().stats.report_error = None;
            }
            Err(error) => {
                self.log_error("report", &error);
                self.lock().stats.report_error = Some(self.shown(&error));
            }
        }
    }

    pub(crate) fn stream_note(&self, stream: StreamId, note: Option<&str>) {
        let mut inner = self.lock();
        match note {
            Some(note) => inner.notes.insert(stream, self.shown(note)),
            None => inner.notes.remove(&stream),
        };
    }

    /// The anchor loop finished a tick.
    pub(crate) fn streams(&self, mut lags: Vec<(StreamId, StreamLag)>, counts: Vec<(String, u64)>) {
        let mut inner = self.lock();
        inner.anchor_ok_ms = now_ms();
        inner.stats.anchor_error = None;
        let metrics = &self.metrics;
        metrics.destination_up.set(1);
        for (stream, lag) in &mut lags {
            lag.note = inner.notes.get(stream).cloned();
        }
        lags.sort_by(|(_, a), (_, b)| {
            let urgent = |lag: &StreamLag| (lag.quarantine.is_some(), lag.lag_seconds);
            urgent(b).cmp(&urgent(a))
        });
        let open: u64 = lags.iter().map(|(_, lag)| lag.open_batches).sum();
        let sequences: u64 = lags.iter().map(|(_, lag)| lag.open_sequences).sum();
        let quarantined = lags
            .iter()
            .filter(|(_, lag)| lag.quarantine.is_some())
            .count();
        let oldest = lags
            .iter()
            .map(|(_, lag)| lag.lag_seconds)
            .max()
            .unwrap_or(0);
        metrics.open.set(gauge(open));
        metrics.sequences.set(gauge(sequences));
        metrics.oldest.set(gauge(oldest));
        metrics.quarantined.set(gauge(quarantined));
        metrics.streams.set(gauge(lags.len()));
        metrics.stream_open.reset();
        metrics.stream_sequences.reset();
        metrics.stream_lag.reset();
        for (_, lag) in lags.iter().take(STREAMS_SHOWN) {
            let label = [lag.stream.as_str()];
            metrics
                .stream_open
                .with_label_values(&label)
                .set(gauge(lag.open_batches));
            metrics
                .stream_sequences
                .with_label_values(&label)
                .set(gauge(lag.open_sequences));
            metrics
                .stream_lag
                .with_label_values(&label)
                .set(gauge(lag.lag_seconds));
        }
        let pending = ["intent", "signed", "sent"];
        let in_flight: u64 = counts
            .iter()
            .filter(|(s, _)| pending.contains(&s.as_str()))
            .map(|(_, n)| n)
            .sum();
        metrics.in_flight.set(gauge(in_flight));
        let waiting = Waiting::of(&inner.absent, &lags, in_flight);
        // A wait begins with what waits, not with the last progress before it.
        if waiting.is_empty() {
            inner.anchor_moved_ms = now_ms();
        }
        inner.waiting = waiting;
        let stats = &mut inner.stats;
        stats.open_batches = open;
        stats.open_sequences = sequences;
        stats.quarantined = gauge(quarantined).unsigned_abs();
        stats.transactions = counts.into_iter().collect();
        stats.streams_total = lags.len();
        stats.streams = lags
            .into_iter()
            .take(STREAMS_SHOWN)
            .map(|(_, lag)| lag)
            .collect();
    }

    /// What `/stats` answers.
    pub fn stats(&self) -> Stats {
        self.lock().stats.clone()
    }

    /// What `/metrics` answers.
    ///
    /// # Errors
    /// When the text cannot be encoded.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }

    /// Does the anchor loop still run? `Err` says why not.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn healthy(&self, within: Duration) -> Result<(), String> {
        let age = now_ms().saturating_sub(self.lock().ticked_ms);
        if u128::from(age) <= within.as_millis() {
            return Ok(());
        }
        Err(format!("the main loop has not ticked for {} s", age / 1000))
    }

    /// Does the relay make progress, or is there nothing to do? `Err` says why not.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn ready(&self, within: Duration) -> Result<(), String> {
        let inner = self.lock();
        let now = now_ms();
        let stale = |at: u64| u128::from(now.saturating_sub(at)) > within.as_millis();
        if inner.source_ok_ms == 0 || stale(inner.source_ok_ms) {
            let error = inner.stats.source_error.as_deref();
            return Err(error
                .unwrap_or("the appchain node was not reached yet")
                .to_owned());
        }
        if let Some(park) = inner.stats.gate.parked.first() {
            return Err(park.to_string());
        }
        if inner.anchor_ok_ms == 0 || stale(inner.anchor_ok_ms) {
            let error = inner.stats.anchor_error.as_deref();
            return Err(error
                .unwrap_or("the destination was not reached yet")
                .to_owned());
        }
        let seconds = |since: u64| now.saturating_sub(since) / 1000;
        if inner.stats.cursor < inner.stats.finalized && stale(inner.source_moved_ms) {
            return Err(format!(
                "final blocks of the appchain wait, and none was taken over for {} s",
                seconds(inner.source_moved_ms)
            ));
        }
        if !inner.waiting.is_empty() && stale(inner.anchor_moved_ms) {
            return Err(format!(
                "{}, and the destination took nothing for {} s",
                inner.waiting,
                seconds(inner.anchor_moved_ms)
            ));
        }
        Ok(())
    }

    /// Unix time of the start, milliseconds.
    pub const fn started_ms(&self) -> u64 {
        self.started_ms
    }
}

#[cfg(test)]
mod tests;
