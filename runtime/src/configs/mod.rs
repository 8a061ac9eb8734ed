// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Configuration of each pallet, by concern.

mod consensus;
mod governance;
mod system;
mod ves;

pub use consensus::MAX_VALIDATORS;
pub use governance::CouncilCollective;
pub use system::{MAXIMUM_BLOCK_LENGTH, RuntimeBlockLength, RuntimeBlockWeights};
