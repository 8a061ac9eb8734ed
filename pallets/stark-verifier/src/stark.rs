// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The verifier's vocabulary in the chain's.

use crate::{
    Config, Pallet,
    frame_system::{self, pallet_prelude::BlockNumberFor},
    sp_io,
    sp_runtime::{SaturatedConversion, traits::Zero},
};
use ves_primitives::{GenesisHash, Signature, SigningPublicKey, proof::ProofRefusal};
use ves_stark_air::{Statement, StatementError};
use ves_stark_verifier::{VerifyError, precheck, verify};

/// Why the verifier refuses, as the chain says it.
const fn flaw(error: VerifyError) -> ProofRefusal {
    match error {
        VerifyError::TooLong => ProofRefusal::ProofTooLong,
        VerifyError::Header => ProofRefusal::ProofHeader,
        VerifyError::Structure => ProofRefusal::ProofStructure,
        VerifyError::ProofOfWork => ProofRefusal::ProofOfWork,
        VerifyError::Positions => ProofRefusal::ProofPositions,
        VerifyError::Remainder => ProofRefusal::ProofRemainder,
        VerifyError::Invalid => ProofRefusal::ProofInvalid,
    }
}

/// Why public inputs make no statement, as the chain says it.
pub(crate) const fn unstatable(error: StatementError) -> ProofRefusal {
    match error {
        StatementError::Commitment => ProofRefusal::InvalidCommitment,
        StatementError::Empty | StatementError::TooManyEvents => ProofRefusal::BatchMismatch,
        StatementError::LimitTooLarge | StatementError::BudgetTooLarge => {
            ProofRefusal::InvalidPolicy
        }
        StatementError::Policy => ProofRefusal::InvalidPolicy,
        StatementError::MixedCurrencies | StatementError::Currency => ProofRefusal::InvalidCurrency,
        StatementError::BudgetStep => ProofRefusal::BudgetStep,
        StatementError::Envelope => ProofRefusal::EventMismatch,
    }
}

/// Whether the bytes have the form of a proof of the statement. Cheap.
pub(crate) fn check_form(proof: &[u8], statement: &Statement) -> Result<(), ProofRefusal> {
    precheck(proof, statement).map_err(flaw)
}

/// Whether the proof holds. Dear: for dispatch and offline questions only.
pub(crate) fn check_proof(proof: &[u8], statement: &Statement) -> Result<(), ProofRefusal> {
    verify(proof, statement).map(|_| ()).map_err(flaw)
}

/// Whether the key made the signature over the hash.
pub(crate) fn signed_by(key: &SigningPublicKey, hash: &[u8; 32], signature: &Signature) -> bool {
    sp_io::crypto::ed25519_verify(&signature.0.into(), hash, &key.0.into())
}

impl<T: Config> Pallet<T> {
    /// The chain's identity in every context.
    pub(crate) fn genesis() -> GenesisHash {
        let hash = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero());
        let mut bytes = [0u8; 32];
        let encoded: &[u8] = hash.as_ref();
        // Every hash of this chain has 32 bytes; with another width no proof would verify.
        if encoded.len() == bytes.len() {
            bytes.copy_from_slice(encoded);
        }
        GenesisHash(bytes)
    }

    pub(crate) fn now() -> u32 {
        frame_system::Pallet::<T>::block_number().saturated_into()
    }
}
