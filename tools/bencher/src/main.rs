// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `frame-omni-bencher`'s `benchmark pallet` without RocksDB and parachain parts: runs the
//! benchmarks inside a runtime's wasm and writes weight files.

use clap::Parser;
use polkadot_sdk::{
    frame_benchmarking_cli::PalletCmd,
    sc_cli::{CliConfiguration, LoggerBuilder, Result},
    sp_runtime::traits::BlakeTwo256,
};

/// Runs the benchmarks of a runtime built with `runtime-benchmarks`.
#[derive(Debug, Parser)]
#[command(version)]
struct Bencher {
    #[command(flatten)]
    pallet: PalletCmd,
}

fn main() -> Result<()> {
    let Bencher { pallet } = Bencher::parse();
    LoggerBuilder::new(pallet.log_filters().unwrap_or_else(|_| "info".into())).init()?;
    pallet.run_with_spec::<BlakeTwo256, ves_host::HostFunctions>(None)
}
