// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
pub mod header;
mod justification;
mod sets;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::FinalityError;
pub use header::{BlockHash, DigestItem, Header, HeaderError, blake2_256};
pub use justification::{Justification, Precommit, SignedPrecommit, Tally, vote_message};
pub use sets::{Announced, Era, Finalized, GRANDPA_ENGINE, TrackedSets, announced};
