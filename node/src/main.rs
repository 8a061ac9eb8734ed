// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A validator or archive node of the VES appchain.

#![allow(
    clippy::result_large_err,
    reason = "the size of the SDK's own error type"
)]

mod back_off;
mod chain_metrics;
mod chain_spec;
mod cli;
mod command;
mod double_blocks;
mod durable;
mod event_store;
mod event_store_command;
mod explorer;
mod health;
mod measure_import;
mod proposer;
mod readiness;
mod refused_proofs;
mod rpc;
mod service;
mod votes;

/// The trie's nodes are many small and short-lived allocations, which the system's allocator is slow
/// with (`docs/adr/0016-throughput.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> polkadot_sdk::sc_cli::Result<()> {
    command::run()
}
