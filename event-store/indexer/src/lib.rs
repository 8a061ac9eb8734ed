// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod chain;
mod check;
mod error;
mod finality;
pub mod ingest;
mod metrics;
pub mod replica;

pub use chain::NodeChain;
pub use check::{CheckError, Checked, check};
pub use error::IngestError;
pub use finality::Grandpa;
pub use metrics::Metrics;
