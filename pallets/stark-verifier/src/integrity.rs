// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether the limits of the protocol fit each other, and a runtime them.

use crate::{
    Config, Pallet,
    frame_support::{dispatch::DispatchClass, weights::Weight},
    frame_system::limits::{BlockLength, BlockWeights},
    weights::WeightInfo,
};
use codec::MaxEncodedLen;
use ves_primitives::{
    limits,
    proof::{BatchProofSubmission, ProofSubmission},
};

// A proof that holds must not cost more than one that does not, nor either more than there is.
const _: () = assert!(limits::PROOF_VERIFIED_UNITS <= limits::PROOF_REJECTED_UNITS);
const _: () = assert!(limits::PROOF_REJECTED_UNITS <= limits::PROOF_QUOTA_UNITS);
// Steps of a budget are as long as proofs of batches.
const _: () = assert!(limits::MAX_PROOF_BYTES <= limits::MAX_BATCH_PROOF_BYTES);

impl<T: Config> Pallet<T> {
    /// Whether every submission that the protocol allows has a chance to be included.
    pub(crate) fn check_runtime(
        weights: &BlockWeights,
        length: &BlockLength,
    ) -> Result<(), &'static str> {
        let normal = weights.get(DispatchClass::Normal);
        let calls = [
            (
                T::WeightInfo::submit_proof(),
                T::WeightInfo::authorize_proof(),
            ),
            (
                T::WeightInfo::submit_budget_proof(),
                T::WeightInfo::authorize_proof(),
            ),
            (
                T::WeightInfo::submit_batch_proof_128(),
                T::WeightInfo::authorize_batch_proof(),
            ),
        ];
        let too_heavy =
            |weight: Weight| normal.max_extrinsic.is_some_and(|most| weight.any_gt(most));
        if calls
            .into_iter()
            .any(|(call, authorize)| too_heavy(call.saturating_add(authorize)))
        {
            return Err("a submission is too heavy for a transaction");
        }
        let longest =
            ProofSubmission::max_encoded_len().max(BatchProofSubmission::max_encoded_len());
        if longest > *length.max.get(DispatchClass::Normal) as usize {
            return Err("the longest submission is too long for a block");
        }
        Ok(())
    }
}
