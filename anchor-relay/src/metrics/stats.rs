// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The record behind `/stats` and `/errors`.

use crate::{
    journal::StreamRow,
    sink::{EndpointStats, Gate},
};
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// Finalized events in them.
    pub open_sequences: u64,
    /// Since the oldest of them was final on the appchain.
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
            open_sequences: row.open_sequences,
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
    /// Finalized events in them.
    pub open_sequences: u64,
    /// Streams set aside.
    pub quarantined: u64,
    /// Proofs known, anchored, set aside.
    pub proofs: (u64, u64, u64),
    /// Gwei paid in the last 24 hours.
    pub spent_gwei_24h: u64,
    /// How long the balance lasts at that rate; absent when nothing was spent.
    pub runway_seconds: Option<u64>,
    /// Nonces of the relay's key.
    pub nonces: Nonces,
    /// Age of the oldest transaction that was sent and does not count as done; 0 without one.
    pub oldest_unfinal_seconds: u64,
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

/// How far the relay's transactions have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Nonces {
    /// The next one to be given.
    pub next: u64,
    /// Transactions up to the latest block.
    pub latest: u64,
    /// Transactions up to the block at which they count as done.
    pub confirmed: u64,
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
