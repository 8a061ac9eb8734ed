// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs from the agent's side: wishing, proving, submitting, verifying.
//!
//! Nothing secret is kept for a proof. The amount and its salt come out of the encrypted payload, a
//! budget's total out of the agent's own events and the salt of the total out of the agent's signing
//! key; so every step may be repeated, and a lost database loses no opening.

pub mod batches;
pub mod budget;
pub mod checks;
pub mod clear;
pub mod evidence;
pub mod making;
pub mod policy;
pub mod received;
pub mod settle;
pub mod wishes;
