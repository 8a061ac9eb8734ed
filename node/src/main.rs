// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A validator or archive node of the VES appchain.

#![allow(
    clippy::result_large_err,
    reason = "the size of the SDK's own error type"
)]

mod chain_spec;
mod cli;
mod command;
mod event_store;
mod rpc;
mod service;

fn main() -> polkadot_sdk::sc_cli::Result<()> {
    command::run()
}
