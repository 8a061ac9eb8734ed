// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the relay shows of itself: one shared record, read by the HTTP server.

use crate::{
    journal::{StreamRow, now_ms},
    sink::{EndpointStats, Gate, ResendReport, SendReport},
    source::Progress,
};
use prometheus::{Encoder, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use ves_primitives::StreamId;

/// Streams with their own time series; the ones furthest behind. Others only count in the totals.
const STREAMS_SHOWN: usize = 50;
/// Errors kept for `/errors`.
const ERRORS_KEPT: usize = 100;

/// One stream, as `/stats` shows it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StreamLag {
    /// Id.
    pub stream: String,
    /// Owner.
    pub tenant: String,
    /// Store.
    pub store: String,
    /// Finalized batches.
    pub finalized_batches: u64,
    /// Finalized batches that do not count as anchored.
    pub open_batches: u64,
    /// Since the oldest of them was taken over.
    pub lag_seconds: u64,
    /// Why it is set aside.
    pub quarantine: Option<String>,
    /// Why it waits.
    pub note: Option<String>,
}

impl StreamLag {
    /// What the journal knows of a stream at `now`, Unix milliseconds.
    pub fn of(row: &StreamRow, now: u64) -> Self {
        Self {
            stream: row.stream.to_string(),
            tenant: row.tenant.to_string(),
            store: row.store.to_string(),
            finalized_batches: row.tip.batch_count,
            open_batches: row.open,
            lag_seconds: match row.oldest_open_ms {
                0 => 0,
                since => now.saturating_sub(since) / 1000,
            },
            quarantine: row.quarantine.clone(),
            note: None,
        }
    }
}

/// The record behind `/stats`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Finalized height of the appchain.
    pub finalized: Option<u32>,
    /// Height taken over.
    pub cursor: Option<u32>,
    /// Why blocks cannot be followed now.
    pub source_error: Option<String>,
    /// Why anchoring does not go on now.
    pub anchor_error: Option<String>,
    /// Whether the contract accepts us.
    pub gate: Gate,
    /// Finalized batches that do not count as anchored.
    pub open_batches: u64,
    /// Streams set aside.
    pub quarantined: u64,
    /// Proofs known, anchored, set aside.
    pub proofs: (u64, u64, u64),
    /// Gwei paid in the last 24 hours.
    pub spent_gwei_24h: u64,
    /// Why anchored batches cannot be reported to the appchain now.
    pub report_error: Option<String>,
    /// The L2's endpoints.
    pub endpoints: Vec<EndpointStats>,
    /// Transactions by state.
    pub transactions: BTreeMap<String, u64>,
    /// Streams, the furthest behind first, at most 50.
    pub streams: Vec<StreamLag>,
    /// Number of streams.
    pub streams_total: usize,
}

/// One line of `/errors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedError {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// `source`, `destination` or `report`.
    pub side: &'static str,
    /// In words.
    pub error: String,
}

#[derive(Debug, Default)]
struct Inner {
    stats: Stats,
    errors: VecDeque<LoggedError>,
    notes: BTreeMap<StreamId, String>,
    ticked_ms: u64,
    source_ok_ms: u64,
    anchor_ok_ms: u64,
    progress_ms: u64,
}

/// State shared by the loops and the HTTP server.
#[derive(Debug)]
pub struct Shared {
    inner: Mutex<Inner>,
    registry: Registry,
    metrics: Metrics,
    started_ms: u64,
}

macro_rules! metrics {
    ($($field:ident: $type:ident = $name:literal, $help:literal;)*) => {
        #[derive(Debug)]
        struct Metrics { $($field: $type,)* stream_open: IntGaugeVec, stream_lag: IntGaugeVec,
            parked: IntGaugeVec, endpoint_up: IntGaugeVec, endpoint_errors: IntGaugeVec }

        impl Metrics {
            fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
                $(
                    let $field = $type::with_opts(Opts::new($name, $help))?;
                    registry.register(Box::new($field.clone()))?;
                )*
                let family = |name: &str, help: &str, label: &str| {
                    let vec = IntGaugeVec::new(Opts::new(name, help), &[label])?;
                    registry.register(Box::new(vec.clone()))?;
                    Ok::<_, prometheus::Error>(vec)
                };
                Ok(Self {
                    $($field,)*
                    stream_open: family("ves_relay_stream_open_batches",
                        "Finalized batches of a stream not anchored yet (furthest behind only)",
                        "stream")?,
                    stream_lag: family("ves_relay_stream_lag_seconds",
                        "Age of a stream's oldest open batch (furthest behind only)", "stream")?,
                    parked: family("ves_relay_parked",
                        "1 while the relay waits for this reason", "reason")?,
                    endpoint_up: family("ves_relay_endpoint_up",
                        "0 while an endpoint of the L2 rests after failures", "endpoint")?,
                    endpoint_errors: family("ves_relay_endpoint_errors",
                        "Failed calls of an endpoint of the L2 since the start", "endpoint")?,
                })
            }
        }
    };
}

metrics! {
    finalized: IntGauge = "ves_relay_source_finalized_block", "Finalized height of the appchain";
    cursor: IntGauge = "ves_relay_source_cursor_block", "Height taken over";
    source_up: IntGauge = "ves_relay_source_up", "1 when the appchain node answered last time";
    destination_up: IntGauge = "ves_relay_destination_up", "1 when the L2 answered last time";
    balance: IntGauge = "ves_relay_balance_gwei", "Balance of the relay's key";
    strict: IntGauge = "ves_relay_contract_strict", "1 when the registry's strict mode is on";
    open: IntGauge = "ves_relay_open_batches", "Finalized batches not anchored yet";
    oldest: IntGauge = "ves_relay_oldest_open_seconds", "Age of the oldest open batch";
    quarantined: IntGauge = "ves_relay_quarantined_streams", "Streams set aside";
    streams: IntGauge = "ves_relay_streams", "Streams known";
    in_flight: IntGauge = "ves_relay_in_flight", "Transactions that no block holds yet";
    submitted: IntCounter = "ves_relay_submitted_total", "Transactions submitted";
    included: IntCounter = "ves_relay_included_total", "Transactions found in a block";
    reverted: IntCounter = "ves_relay_reverted_total", "Transactions that failed on chain";
    refused: IntCounter = "ves_relay_simulation_refused_total", "Batches refused by simulation";
    anchored: IntCounter = "ves_relay_anchored_total", "Batches anchored";
    reorged: IntCounter = "ves_relay_reorged_total", "Transactions moved or dropped by a reorg";
    bumped: IntCounter = "ves_relay_fee_bumps_total", "Replacements with higher fees";
    node_refused: IntCounter = "ves_relay_node_refused_total", "Signed transactions refused by the L2's node";
    filled: IntCounter = "ves_relay_nonces_filled_total", "Nonces given a transfer to ourselves, since the L2's node refused the transaction";
    lost: IntCounter = "ves_relay_nonces_lost_total", "Nonces used by another program";
    conflicts: IntCounter = "ves_relay_conflicts_total", "Streams set aside since start";
    fees_paid: IntCounter = "ves_relay_fees_paid_gwei_total", "Execution fees paid";
    proofs_open: IntGauge = "ves_relay_open_proofs", "Verified proofs not anchored yet";
    proofs_aside: IntGauge = "ves_relay_proofs_set_aside", "Proofs set aside";
    proofs_anchored: IntCounter = "ves_relay_proofs_anchored_total", "Proofs anchored";
    upgrades: IntCounter = "ves_relay_contract_upgrades_total", "Changes of the registry's code";
    spent_day: IntGauge = "ves_relay_spent_24h_gwei", "Fees paid in the last 24 hours";
    nonce: IntGauge = "ves_relay_next_nonce", "Next nonce of the relay's key";
    reported: IntCounter = "ves_relay_reported_total", "Reports of anchored batches to the appchain";
    report_up: IntGauge = "ves_relay_report_up", "0 while anchored batches cannot be reported";
    tick_errors: IntCounter = "ves_relay_errors_total", "Ticks of either loop that failed";
    last_tick: IntGauge = "ves_relay_last_tick_seconds", "Unix time of the last tick";
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
        let registry = Registry::new();
        let metrics = Metrics::new(&registry)?;
        // Not configured counts as well.
        metrics.report_up.set(1);
        let started_ms = now_ms();
        let inner = Inner {
            ticked_ms: started_ms,
            progress_ms: started_ms,
            ..Inner::default()
        };
        Ok(Self {
            inner: Mutex::new(inner),
            registry,
            metrics,
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
        if inner.stats.cursor != Some(progress.cursor) {
            inner.progress_ms = now_ms();
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
            error: error.to_owned(),
        });
    }

    /// What `/errors` answers: the last ones, the newest last.
    pub fn errors(&self) -> Vec<LoggedError> {
        self.lock().errors.iter().cloned().collect()
    }

    pub(crate) fn source_error(&self, error: &str) {
        self.log_error("source", error);
        self.lock().stats.source_error = Some(error.to_owned());
        self.metrics.source_up.set(0);
        self.metrics.tick_errors.inc();
    }

    pub(crate) fn anchor_error(&self, error: &str) {
        self.log_error("destination", error);
        self.lock().stats.anchor_error = Some(error.to_owned());
        self.metrics.destination_up.set(0);
        self.metrics.tick_errors.inc();
    }

    pub(crate) fn gate(&self, gate: &Gate) {
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
        let gwei: u128 = (gate.balance / alloy::primitives::U256::from(1_000_000_000u64))
            .try_into()
            .unwrap_or(u128::MAX);
        self.metrics.balance.set(gauge(gwei));
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
        if report.included + report.settled > 0 {
            self.lock().progress_ms = now_ms();
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
        self.lock().progress_ms = now_ms();
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
        self.lock().progress_ms = now_ms();
    }

    pub(crate) fn proofs_anchored(&self, count: usize) {
        self.metrics
            .proofs_anchored
            .inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        self.lock().progress_ms = now_ms();
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

    pub(crate) fn nonces(&self, next: u64) {
        self.metrics.nonce.set(gauge(next));
    }

    pub(crate) fn endpoints(&self, endpoints: Vec<EndpointStats>) {
        for endpoint in &endpoints {
            let label = [endpoint.endpoint.as_str()];
            let up = i64::from(!endpoint.resting);
            self.metrics.endpoint_up.with_label_values(&label).set(up);
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
                self.lock().stats.report_error = Some(error);
            }
        }
    }

    pub(crate) fn stream_note(&self, stream: StreamId, note: Option<&str>) {
        let mut inner = self.lock();
        match note {
            Some(note) => inner.notes.insert(stream, note.to_owned()),
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
        metrics.oldest.set(gauge(oldest));
        metrics.quarantined.set(gauge(quarantined));
        metrics.streams.set(gauge(lags.len()));
        metrics.stream_open.reset();
        metrics.stream_lag.reset();
        for (_, lag) in lags.iter().take(STREAMS_SHOWN) {
            let label = [lag.stream.as_str()];
            metrics
                .stream_open
                .with_label_values(&label)
                .set(gauge(lag.open_batches));
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
        let stats = &mut inner.stats;
        stats.open_batches = open;
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
        // Streams that are set aside have their own alarm and do not take the relay out.
        let open: u64 = inner
            .stats
            .streams
            .iter()
            .filter(|lag| lag.quarantine.is_none())
            .map(|lag| lag.open_batches)
            .sum();
        let behind = inner.stats.cursor < inner.stats.finalized;
        if (open > 0 || behind) && stale(inner.progress_ms) {
            return Err(format!(
                "{open} batches wait, and nothing moved for a while"
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
