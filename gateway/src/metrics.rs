// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Prometheus metrics.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Everything that is counted.
pub struct Metrics {
    registry: Registry,
    /// Requests by route, method and status.
    pub requests: IntCounterVec,
    /// Seconds a request took, by route.
    pub seconds: HistogramVec,
    /// Events by what became of them: `accepted`, `replayed`, `pending`, or the reason's first word.
    pub events: IntCounterVec,
    /// Requests turned away at the door, by the door keeper's name for it.
    pub refused: IntCounterVec,
    /// Requests being answered.
    pub in_flight: IntGauge,
    /// Keys that are not revoked.
    pub keys: IntGauge,
    /// Best block of the node, -1 while it does not answer.
    pub best: IntGauge,
    /// Newest finalized block of the node, -1 while it does not answer.
    pub finalized: IntGauge,
}

impl Metrics {
    /// New metrics, all at zero.
    ///
    /// # Errors
    /// If two have one name, which no run can differ in.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "ves_gateway_request_seconds",
                "Seconds from a request to its answer",
            )
            .buckets(vec![
                0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0,
            ]),
            &["route"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            requests: counters(
                "ves_gateway_requests_total",
                "Requests answered",
                &["route", "method", "status"],
            )?,
            seconds,
            events: counters(
                "ves_gateway_events_total",
                "Events by outcome",
                &["outcome"],
            )?,
            refused: counters(
                "ves_gateway_refused_total",
                "Requests turned away before any work",
                &["why"],
            )?,
            in_flight: gauge("ves_gateway_in_flight", "Requests being answered")?,
            keys: gauge("ves_gateway_api_keys", "API keys that are not revoked")?,
            best: gauge(
                "ves_gateway_node_best_block",
                "Best block of the node, -1 while it does not answer",
            )?,
            finalized: gauge(
                "ves_gateway_node_finalized_block",
                "Newest finalized block of the node, -1 while it does not answer",
            )?,
            registry,
        })
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
