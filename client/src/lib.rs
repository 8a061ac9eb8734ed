// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod admin;
pub mod chain;
mod error;
pub mod follow;
pub mod proof;
pub mod proven;
pub mod recipients;
pub mod registry;
pub mod rpc;
#[cfg(test)]
mod runtime_tests;
pub mod state;
pub mod store;
pub mod tx;

pub use admin::{AdminCall, AdminReceipt, Signer, Wait};
pub use chain::{ChainClient, FinalizedHeads, RuntimeVersion};
pub use error::ClientError;
pub use follow::Following;
pub use proof::BlockProofs;
pub use proven::{Freshness, ProvenError, ProvenState, StateSource};
pub use recipients::{Directory, Wanted};
pub use rpc::Rpc;
pub use tx::{TxHash, TxStatus, TxWatch};
pub use ves_finality::{
    BlockHash, DigestItem, FinalityError, Header, HeaderError, blake2_256, header,
};
