// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The runtime as a chain: real transactions, motions and signatures, block by block; who may make which call;
//! and what of it is part of the wire format.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod calls;
mod council;
mod metadata;
mod offences;
mod recovery;
mod validators;
