// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod finality;
mod followed;
mod offline;
pub mod proofs;
mod report;
pub mod rules;
mod trust;

pub use followed::{FollowedSets, Forced, Question, justified_height, unjudged};
pub use offline::{MAX_BUNDLE_BYTES, NotABundle, offline, parse_bundle};
pub use report::{Check, Verdict, Verification, caveats};
pub use trust::{AnchoredBatch, TrustAnchors, TrustedAuthorities};
