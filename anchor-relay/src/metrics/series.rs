// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The names of the time series. ops/test.sh compares them with what alerts and dashboard ask for.

use prometheus::{Gauge, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

macro_rules! metrics {
    ($($field:ident: $type:ident = $name:literal, $help:literal;)*) => {
        #[derive(Debug)]
        pub(super) struct Metrics {
            $(pub(super) $field: $type,)*
            pub(super) stream_open: IntGaugeVec,
            pub(super) stream_sequences: IntGaugeVec,
            pub(super) stream_lag: IntGaugeVec,
            pub(super) parked: IntGaugeVec,
            pub(super) implementation: IntGaugeVec,
            pub(super) endpoint_up: IntGaugeVec,
            pub(super) endpoint_active: IntGaugeVec,
            pub(super) endpoint_errors: IntGaugeVec,
        }

        impl Metrics {
            pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
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
                    stream_sequences: family("ves_relay_stream_open_sequences",
                        "Finalized events of a stream not anchored yet (furthest behind only)",
                        "stream")?,
                    stream_lag: family("ves_relay_stream_lag_seconds",
                        "How long a stream's oldest open batch has been final (furthest behind only)",
                        "stream")?,
                    parked: family("ves_relay_parked",
                        "1 while the relay waits for this reason", "reason")?,
                    endpoint_up: family("ves_relay_endpoint_up",
                        "0 while an endpoint of the L2 rests after failures", "endpoint")?,
                    implementation: family("ves_relay_contract_implementation",
                        "1 for the address of the code that the registry runs", "address")?,
                    endpoint_active: family("ves_relay_endpoint_active",
                        "1 for the endpoint of the L2 that is in use", "endpoint")?,
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
    paused: IntGauge = "ves_relay_contract_paused", "1 when the registry is paused";
    authorised: IntGauge = "ves_relay_contract_authorised", "1 when the registry lets the relay's key write";
    open: IntGauge = "ves_relay_open_batches", "Finalized batches not anchored yet";
    sequences: IntGauge = "ves_relay_open_sequences", "Finalized events not anchored yet";
    oldest: IntGauge = "ves_relay_oldest_open_seconds", "How long the oldest open batch has been final";
    quarantined: IntGauge = "ves_relay_quarantined_streams", "Streams set aside";
    streams: IntGauge = "ves_relay_streams", "Streams known";
    in_flight: IntGauge = "ves_relay_in_flight", "Transactions that no block holds yet";
    unfinal: IntGauge = "ves_relay_oldest_unfinal_seconds", "Age of the oldest transaction that was sent and does not count as done";
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
    fees_paid: IntCounter = "ves_relay_fees_paid_gwei_total", "Fees paid, those for L1 data included";
    proofs_open: IntGauge = "ves_relay_open_proofs", "Verified proofs not anchored yet";
    proofs_aside: IntGauge = "ves_relay_proofs_set_aside", "Proofs set aside";
    proofs_anchored: IntCounter = "ves_relay_proofs_anchored_total", "Proofs anchored";
    upgrades: IntCounter = "ves_relay_contract_upgrades_total", "Changes of the registry's code";
    upgraded: IntGauge = "ves_relay_contract_upgraded_seconds", "Unix time at which other code of the registry was seen last, also before a restart; 0: never";
    spent_day: IntGauge = "ves_relay_spent_24h_gwei", "Fees paid in the last 24 hours";
    runway: Gauge = "ves_relay_runway_seconds", "How long the balance lasts at the rate of the last 24 hours; infinite when nothing was spent";
    nonce: IntGauge = "ves_relay_next_nonce", "Next nonce of the relay's key";
    nonce_latest: IntGauge = "ves_relay_nonce_latest", "The relay's transactions up to the latest block";
    nonce_confirmed: IntGauge = "ves_relay_nonce_confirmed", "The relay's transactions up to the block that counts as final";
    reported: IntCounter = "ves_relay_reported_total", "Reports of anchored batches to the appchain";
    report_up: IntGauge = "ves_relay_report_up", "0 while anchored batches cannot be reported";
    tick_errors: IntCounter = "ves_relay_errors_total", "Ticks of either loop that failed";
    last_tick: IntGauge = "ves_relay_last_tick_seconds", "Unix time of the last tick";
}
