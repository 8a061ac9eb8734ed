// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod amount;
mod batch;
mod compliance;
mod cursor;
pub mod domain;
mod event;
mod finality;
mod hash;
mod id;
#[cfg(feature = "jcs")]
pub mod jcs;
mod key;
pub mod limits;
mod merkle;
mod multi_proof;
mod payload;
pub mod proof;
mod receipt;
pub mod registry;
pub mod sequencer;
pub mod time;
#[cfg(feature = "wire")]
pub mod wire;

pub use amount::{AmountSalt, CurrencyTag, endorsement_hash};
pub use batch::*;
pub use compliance::*;
pub use cursor::*;
pub use event::*;
pub use finality::*;
pub use hash::sha256;
pub use id::*;
pub use key::*;
pub use merkle::*;
pub use multi_proof::*;
pub use payload::*;
pub use receipt::*;

/// `spec_name` of the runtime. An upgrade cannot change it, so that another name is another chain.
pub const SPEC_NAME: &str = "ves-appchain";

/// Bounded collections used by the public types.
pub use bounded_collections::{BoundedVec, ConstU32};
