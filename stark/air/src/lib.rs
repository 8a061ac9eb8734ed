// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a VES compliance proof states, as an algebraic intermediate representation for winterfell.
//!
//! Public are an amount commitment C, a limit L and a context digest; secret are an amount `a` and
//! a 192-bit salt. The statement: `C = RescuePrime(a, salt)` and `integer(a) <= L`. A batch states
//! this for many events at once; a budget proof also states that committed amounts, added to a
//! committed previous total, give a committed new total.
//!
//! - [`commitment`]: C and its canonical bytes.
//! - [`statement`]: public inputs, checked when they are built, so that nothing later can fail.
//! - [`shape`]: trace geometry, proof options and header bytes of each statement.
//! - [`single`] and [`blocks`]: the two circuits.
//!
//! Why the circuits are sound and what hides the witness is written in `docs/zk.md`.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod blocks;
pub mod commitment;
mod gadgets;
pub mod layout;
pub mod shape;
pub mod single;
pub mod statement;

pub use commitment::{Commitment, Salt, commit, empty_total};
pub use shape::Shape;
pub use statement::{Entry, Kind, Statement, StatementError};

use winter_crypto::{DefaultRandomCoin, MerkleTree, hashers::Blake3_256};
use winter_math::fields::{CubeExtension, f64::BaseElement};

/// The prime field of 2^64 - 2^32 + 1 elements.
pub type Felt = BaseElement;
/// Its cubic extension: challenges carry 192 bits.
pub type Ext = CubeExtension<Felt>;
/// Hash of every commitment and challenge.
pub type Hash = Blake3_256<Felt>;
/// Merkle trees over rows.
pub type Tree = MerkleTree<Hash>;
/// Fiat-Shamir transcript.
pub type Coin = DefaultRandomCoin<Hash>;

/// Version of the circuits; part of every transcript. A change of any constraint raises it.
pub const CIRCUIT_VERSION: u32 = 1;
