// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod finality;
#[cfg(test)]
mod fixtures;
pub mod ingest;
mod metrics;
mod query;
pub mod rpc;
mod store;
mod verify;

pub use error::{BlockError, IngestError, StoreError};
pub use finality::Grandpa;
pub use metrics::Metrics;
pub use query::{MAX_PAGE_BYTES, MAX_PAGE_EVENTS, MAX_REJECTIONS, StoredEvent};
pub use store::{Cursor, Store, StoreConfig};
pub use verify::{PreparedBlock, RawBlock};
