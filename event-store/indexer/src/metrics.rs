// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Prometheus figures of the event store, all of finalized blocks. `ves_store_indexed_block` and
//! `ves_store_lag_blocks` are about the store, whoever writes it. Events, rejections, batches and blocks are
//! counted by the process that appends them: nodes with stores of their own count the same, nodes that share a
//! database count a part each, which together are the whole, and a node that reads a replica counts none.

use polkadot_sdk::substrate_prometheus_endpoint::{
    Counter, CounterVec, Gauge, Histogram, HistogramOpts, Opts, PrometheusError, Registry, U64,
    exponential_buckets, register,
};
use ves_event_store::{PreparedBlock, StoreError, retention::Pruned};
use ves_primitives::sequencer::Rejection;

/// Figures that the indexer keeps up to date. Counters count since the start of the process, and only what
/// this process has written.
#[derive(Clone, Debug)]
pub struct Metrics {
    indexed_block: Gauge<U64>,
    lag: Gauge<U64>,
    events: Counter<U64>,
    rejections: CounterVec<U64>,
    batch_events: Histogram,
    block_events: Histogram,
    pruned_below: Gauge<U64>,
    pruned: Counter<U64>,
    retention_failures: Counter<U64>,
}

impl Metrics {
    /// Registers `ves_store_indexed_block`, `ves_store_lag_blocks`, `ves_store_events_total`,
    /// `ves_store_rejections_total` (by `reason`), `ves_store_batch_events`, `ves_store_block_events`,
    /// `ves_store_pruned_below_block`, `ves_store_pruned_events_total` and
    /// `ves_store_retention_failures_total`.
    ///
    /// # Errors
    /// If a metric of one of these names is registered already.
    pub fn register(registry: &Registry) -> Result<Self, PrometheusError> {
        let gauge = |name, help| register(Gauge::new(name, help)?, registry);
        let sizes = |name: &str, help: &str| {
            // 1, 4, 16, … 65,536 events.
            let buckets = exponential_buckets(1.0, 4.0, 9)?;
            let options = HistogramOpts::new(name, help).buckets(buckets);
            register(Histogram::with_opts(options)?, registry)
        };
        Ok(Self {
            indexed_block: gauge(
                "ves_store_indexed_block",
                "Newest finalized block in the event store",
            )?,
            lag: gauge(
                "ves_store_lag_blocks",
                "Finalized blocks that the event store does not have yet",
            )?,
            events: register(
                Counter::new(
                    "ves_store_events_total",
                    "Sequenced events that this process indexed; nodes that share a database index a part each",
                )?,
                registry,
            )?,
            rejections: register(
                CounterVec::new(
                    Opts::new(
                        "ves_store_rejections_total",
                        "Events that a block refused, by reason, in blocks that this process indexed",
                    ),
                    &["reason"],
                )?,
                registry,
            )?,
            batch_events: sizes(
                "ves_store_batch_events",
                "Events of a batch that this process indexed",
            )?,
            block_events: sizes(
                "ves_store_block_events",
                "Sequenced events of a block that has any and that this process indexed",
            )?,
            pruned_below: gauge(
                "ves_store_pruned_below_block",
                "First block whose payloads retention has not forgotten",
            )?,
            pruned: register(
                Counter::new(
                    "ves_store_pruned_events_total",
                    "Events whose payloads this process has forgotten by retention",
                )?,
                registry,
            )?,
            retention_failures: register(
                Counter::new(
                    "ves_store_retention_failures_total",
                    "Steps of retention that failed",
                )?,
                registry,
            )?,
        })
    }

    pub(crate) fn at(&self, indexed: u32, lag: u32) {
        self.indexed_block.set(indexed.into());
        self.lag.set(lag.into());
    }

    /// What a step of retention has done.
    pub fn retention(&self, step: &Result<Pruned, &StoreError>) {
        match step {
            Ok(step) => {
                self.pruned_below.set(step.below.into());
                self.pruned.inc_by(step.events);
            }
            Err(_) => self.retention_failures.inc(),
        }
    }

    pub(crate) fn count(&self, block: &PreparedBlock) {
        let events = u32::try_from(block.event_count()).unwrap_or(u32::MAX);
        if events > 0 {
            self.events.inc_by(events.into());
            self.block_events.observe(events.into());
        }
        for size in block.batch_sizes() {
            self.batch_events.observe(size.into());
        }
        for rejection in block.rejections() {
            self.rejections
                .with_label_values(&[&reason(rejection)])
                .inc();
        }
    }
}

/// The kind of a rejection, without the figures of the single case: labels are few.
fn reason(rejection: &Rejection) -> String {
    let text = rejection.to_string();
    text.split(':').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ves_event_store::RawBlock;
    use ves_primitives::{
        EventId, StreamId,
        sequencer::{BlockIndex, IndexedRejection},
    };

    fn rejected(reason: Rejection) -> IndexedRejection {
        IndexedRejection {
            stream_id: StreamId([1; 32]),
            event_id: EventId([2; 16]),
            extrinsic_index: 1,
            reason,
        }
    }

    #[test]
    fn rejections_are_counted_by_kind_whatever_their_figures() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let conflict = |actual| Rejection::VersionConflict {
            expected: 1,
            actual,
        };
        let rejections = [conflict(2), conflict(3), Rejection::InvalidSignature].map(rejected);
        let block = PreparedBlock::check(RawBlock {
            number: 1,
            hash: [1; 32],
            parent_hash: [0; 32],
            header: Vec::new(),
            commitment: None,
            refused_proofs: Vec::new(),
            index: BlockIndex {
                rejections: rejections.to_vec(),
                ..BlockIndex::default()
            },
        })
        .unwrap();
        metrics.count(&block);
        metrics.at(7, 2);
        for (below, events) in [(4, 0), (5, 9)] {
            metrics.retention(&Ok(Pruned { below, events }));
        }
        metrics.retention(&Err(&StoreError::ReadOnly));
        assert_eq!((metrics.pruned_below.get(), metrics.pruned.get()), (5, 9));
        assert_eq!(metrics.retention_failures.get(), 1);
        let count = |reason| metrics.rejections.with_label_values(&[reason]).get();
        assert_eq!(count("version_conflict"), 2);
        assert_eq!(count("invalid_signature"), 1);
        let names: Vec<String> = registry
            .gather()
            .iter()
            .map(|family| family.get_name().to_owned())
            .collect();
        assert_eq!(
            names,
            [
                "ves_store_batch_events",
                "ves_store_block_events",
                "ves_store_events_total",
                "ves_store_indexed_block",
                "ves_store_lag_blocks",
                "ves_store_pruned_below_block",
                "ves_store_pruned_events_total",
                "ves_store_rejections_total",
                "ves_store_retention_failures_total"
            ]
        );
        assert_eq!((metrics.indexed_block.get(), metrics.lag.get()), (7, 2));
    }
}
