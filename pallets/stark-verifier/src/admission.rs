// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The pool's judgement of submissions: everything but the STARK, and of a batch but the entries'
//! signatures.

use crate::{
    Config, Pallet,
    frame_support::{
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityError,
            TransactionValidityWithRefund, ValidTransaction,
        },
        weights::Weight,
    },
    weights::WeightInfo,
};
use alloc::{vec, vec::Vec};
use codec::Encode;
use ves_primitives::proof::{BatchProofSubmission, ProofRefusal, ProofSubmission};

/// Blocks that a submission may wait in the pool.
const LONGEVITY: u64 = 64;
/// Lead the tags of this pallet in the pool.
const PROOF_TAG: &[u8] = b"ves/proof";
const BUDGET_TAG: &[u8] = b"ves/budget";
const BATCH_TAG: &[u8] = b"ves/batch-proof";

fn refuse(reason: ProofRefusal) -> TransactionValidityError {
    InvalidTransaction::Custom(reason.pool_code()).into()
}

fn admit(provides: Vec<Vec<u8>>) -> TransactionValidityWithRefund {
    let valid = ValidTransaction {
        priority: 0,
        requires: Vec::new(),
        provides,
        longevity: LONGEVITY,
        propagate: true,
    };
    Ok((valid, Weight::zero()))
}

impl<T: Config> Pallet<T> {
    pub(crate) fn proof_weight(submission: &ProofSubmission) -> Weight {
        match submission.budget {
            None => T::WeightInfo::submit_proof(),
            Some(_) => T::WeightInfo::submit_budget_proof(),
        }
    }

    /// By the most events that fit into the circuit of as many rows.
    pub(crate) fn batch_proof_weight(submission: &BatchProofSubmission) -> Weight {
        match submission.entries.len() {
            ..=12 => T::WeightInfo::submit_batch_proof_12(),
            13..=28 => T::WeightInfo::submit_batch_proof_28(),
            29..=60 => T::WeightInfo::submit_batch_proof_60(),
            61..=124 => T::WeightInfo::submit_batch_proof_124(),
            _ => T::WeightInfo::submit_batch_proof_128(),
        }
    }

    /// Admits a submission that lacks nothing but the proof's verification.
    ///
    /// In a block, what does not depend on state is left to the dispatch, which checks it anyway.
    pub(crate) fn authorize_proof(
        source: TransactionSource,
        submission: &ProofSubmission,
    ) -> TransactionValidityWithRefund {
        if !Self::block_has_room() {
            return Err(InvalidTransaction::ExhaustsResources.into());
        }
        let reviewed = Self::review_proof(submission).map_err(refuse)?;
        if source != TransactionSource::InBlock {
            Self::check_rest(submission, &reviewed).map_err(refuse)?;
        }
        let mut provides = vec![(PROOF_TAG, reviewed.stream_id, reviewed.key).encode()];
        // Of two steps from one total only one can hold.
        if let Some(step) = &submission.budget {
            let agent = submission.envelope.source_agent_id;
            let tag = (
                BUDGET_TAG,
                reviewed.stream_id,
                agent,
                reviewed.policy_hash,
                step.previous,
            );
            provides.push(tag.encode());
        }
        admit(provides)
    }

    /// As [`Self::authorize_proof`]; the entries' signatures too are left to the dispatch, where
    /// they cost the submitter, who has signed for them.
    pub(crate) fn authorize_batch_proof(
        source: TransactionSource,
        submission: &BatchProofSubmission,
    ) -> TransactionValidityWithRefund {
        if !Self::block_has_room() {
            return Err(InvalidTransaction::ExhaustsResources.into());
        }
        match source {
            TransactionSource::InBlock => Self::review_batch_proof(submission).map(|_| ()),
            TransactionSource::Local | TransactionSource::External => {
                Self::admit_batch_proof(submission)
            }
        }
        .map_err(refuse)?;
        let tag = (
            BATCH_TAG,
            submission.stream_id(),
            submission.batch_index,
            submission.policy.hash(),
        );
        admit(vec![tag.encode()])
    }
}
