// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a revert of a commitment means for the relay.

use super::contract::SetRegistry::SetRegistryErrors as Revert;
use alloy::sol_types::SolInterface;
use std::fmt;

/// A revert, by what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The id is taken: compare the record. Equal is done, different is a conflict.
    AlreadyCommitted,
    /// The predecessor is missing or was reorged away: read the head again.
    SequenceGap {
        /// Next sequence the contract accepts.
        expected: u64,
    },
    /// The contract is on another history of this stream: read the head again.
    StateRootMismatch,
    /// The contract is paused: wait, everything.
    Paused,
    /// Our key may not write: wait, everything.
    NotAuthorised,
    /// The stream is bound to another submitter: wait, this stream.
    NotStreamSubmitter,
    /// This batch can never be accepted: set the stream aside.
    Permanent(&'static str),
    /// This proof can never be accepted: set it aside.
    PermanentProof(&'static str),
    /// The proof's batch is missing or was reorged away: behind it.
    BatchNotCommitted,
    /// The batch has a proof: compare. Equal is done, different is a conflict.
    ProofAlreadyCommitted,
    /// No reason given: not a registry, or a proxy without code.
    WrongContract,
    /// A reason this relay does not know.
    Unknown(String),
}

impl Refusal {
    /// Classifies revert data.
    pub fn classify(data: &[u8]) -> Self {
        if data.is_empty() {
            return Self::WrongContract;
        }
        let Ok(revert) = Revert::abi_decode(data) else {
            return Self::Unknown(format!("0x{}", hex::encode(data.get(..64).unwrap_or(data))));
        };
        match revert {
            Revert::BatchAlreadyCommitted(_) => Self::AlreadyCommitted,
            Revert::SequenceGap(gap) => Self::SequenceGap {
                expected: gap.expected,
            },
            Revert::StateRootMismatch(_) => Self::StateRootMismatch,
            Revert::EnforcedPause(_) => Self::Paused,
            Revert::NotAuthorizedSequencer(_) => Self::NotAuthorised,
            Revert::NotStreamSubmitter(_) => Self::NotStreamSubmitter,
            Revert::InvalidSequenceRange(_) => Self::Permanent("InvalidSequenceRange"),
            Revert::InvalidEventCount(_) => Self::Permanent("InvalidEventCount"),
            Revert::EmptyEventsRoot(_) => Self::Permanent("EmptyEventsRoot"),
            Revert::ZeroBatchId(_) => Self::Permanent("ZeroBatchId"),
            Revert::ZeroStateRoot(_) => Self::Permanent("ZeroStateRoot"),
            Revert::NotUuid(_) => Self::Permanent("NotUuid"),
            Revert::VesStateRootMismatch(_) => Self::Permanent("VesStateRootMismatch"),
            Revert::InvalidProof(_) => Self::PermanentProof("InvalidProof"),
            Revert::StateRootMismatchInProof(_) => Self::PermanentProof("StateRootMismatchInProof"),
            Revert::BatchNotCommitted(_) => Self::BatchNotCommitted,
            Revert::StarkProofAlreadyCommitted(_) => Self::ProofAlreadyCommitted,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyCommitted => f.write_str("the batch id is already committed"),
            Self::SequenceGap { expected } => {
                write!(f, "sequence gap: the contract expects {expected}")
            }
            Self::StateRootMismatch => f.write_str("the contract holds another state root"),
            Self::Paused => f.write_str("the contract is paused"),
            Self::NotAuthorised => f.write_str("the relay's key is not an authorised sequencer"),
            Self::NotStreamSubmitter => {
                f.write_str("the stream is bound to another submitter (setStreamSubmitter)")
            }
            Self::Permanent(name) => write!(f, "the contract can never accept the batch: {name}"),
            Self::PermanentProof(name) => {
                write!(f, "the contract can never accept the proof: {name}")
            }
            Self::BatchNotCommitted => f.write_str("the proof's batch is not in the contract"),
            Self::ProofAlreadyCommitted => f.write_str("the batch already has a proof"),
            Self::WrongContract => f.write_str(
                "the contract reverted without a reason: destination.registry is not a SetRegistry",
            ),
            Self::Unknown(data) => write!(f, "the contract refused with an unknown error {data}"),
        }
    }
}
