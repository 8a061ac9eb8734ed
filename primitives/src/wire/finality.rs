// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Evidence of finality in a bundle.

use crate::{AuthoritySet, FinalityProof};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// That a bundle's block is final.
///
/// Nodes give `proof` alone. Whoever exports a bundle adds the authority set that it trusts and the
/// changes since, so that a reader needs to know that set only, or its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalityJson {
    /// The set from which `set_changes` start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<AuthoritySet>,
    /// Changes of the set up to the one that finalized the block.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_changes: Vec<FinalityProof>,
    /// From the bundle's block to a justified one.
    #[serde(flatten)]
    pub proof: FinalityProof,
}

impl From<FinalityProof> for FinalityJson {
    fn from(proof: FinalityProof) -> Self {
        Self {
            authorities: None,
            set_changes: Vec::new(),
            proof,
        }
    }
}
