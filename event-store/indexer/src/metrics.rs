// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Prometheus figures of the event store.

use polkadot_sdk::substrate_prometheus_endpoint::{
    Counter, Gauge, PrometheusError, Registry, U64, register,
};

/// Figures that the indexer keeps up to date.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) indexed_block: Gauge<U64>,
    pub(crate) events_total: Counter<U64>,
    pub(crate) rejections_total: Counter<U64>,
}

impl Metrics {
    /// Registers `ves_store_indexed_block`, `ves_store_events_total` and
    /// `ves_store_rejections_total`. The counters count since the start of the process.
    ///
    /// # Errors
    /// If a metric of one of these names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, PrometheusError> {
        Ok(Self {
            indexed_block: register(
                Gauge::new(
                    "ves_store_indexed_block",
                    "Newest finalized block in the event store",
                )?,
                registry,
            )?,
            events_total: register(
                Counter::new("ves_store_events_total", "Events indexed since start")?,
                registry,
            )?,
            rejections_total: register(
                Counter::new(
                    "ves_store_rejections_total",
                    "Rejections indexed since start",
                )?,
                registry,
            )?,
        })
    }
}
