// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Benchmarks of the calls, and the proofs they are measured with.

#[cfg(feature = "runtime-benchmarks")]
mod calls;
pub(crate) mod fixtures;

#[cfg(feature = "runtime-benchmarks")]
pub use calls::BenchmarkHelper;
