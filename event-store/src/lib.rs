// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod batch_name;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod both;
mod check;
mod cursors;
mod db;
mod error;
pub mod export;
mod find;
mod pages;
mod proofs;
mod query;
mod refused;
pub mod retention;
pub mod rpc;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod verify;

pub use batch_name::{BadBatchName, BatchName};
pub use cursors::CursorMove;
pub use db::StoreConfig;
pub use error::{BlockError, StoreError};
pub use find::{Found, MAX_EXAMINED, Order};
pub use query::{MAX_PAGE_BYTES, MAX_PAGE_EVENTS, MAX_REJECTIONS, StoredEvent};
pub use refused::{MAX_REFUSED_PROOFS, ProofSubject, RefusedProof};
pub use store::{Cursor, Store};
pub use verify::{PreparedBlock, RawBlock};
