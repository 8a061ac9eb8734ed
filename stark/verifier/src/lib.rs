// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Total verification of compliance proofs: any bytes in, a verdict out.
//!
//! winterfell 0.13.1 assumes that proof bytes are well formed: it panics on a bad header, allocates
//! what a length prefix asks for, ignores trailing bytes and does not compare the FRI remainder
//! with its commitment. So [`verify`] looks before the library does, cheap checks first:
//!
//! 1. length cap;
//! 2. header equal to the one the statement's [`Shape`] has;
//! 3. a walk over every length prefix, with full consumption ([`mod@structure`]);
//! 4. transcript replayed up to the queries: proof of work, number of distinct positions, and the
//!    exact number of nodes in each opening ([`transcript`]);
//! 5. FRI remainder equal to its commitment;
//! 6. the library's verification, with exactly one accepted set of options.
//!
//! Steps 3 and 4 leave one encoding for each proof: no byte can be changed or added without
//! another proof resulting.
//!
//! The same function runs in the pallet, the relay and the command lines. It measures no time and
//! draws no randomness.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod structure;
pub mod transcript;

use core::fmt;
use structure::Parts;
use ves_primitives::limits::{MAX_BATCH_PROOF_BYTES, MAX_PROOF_BYTES};
use ves_stark_air::{
    Coin, Ext, Hash, Kind, Shape, Statement, Tree, blocks::BlocksAir, single::SingleAir,
};
use winter_air::proof::Proof;
use winter_crypto::ElementHasher;
use winter_verifier::AcceptableOptions;

/// A proof held: what was verified cannot be built otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    kind: Kind,
    bytes: u32,
}

impl Verified {
    /// What was stated.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Length of the proof.
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }
}

/// Why bytes are not a proof of a statement, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// Longer than any honest proof.
    TooLong,
    /// Trace, field, options or number of constraints are not the statement's.
    Header,
    /// A length prefix or count is not what the shape needs, or bytes are missing or left over.
    Structure,
    /// The proof of work falls short.
    ProofOfWork,
    /// Openings are for another number of positions than the transcript draws.
    Positions,
    /// The FRI remainder is not the one committed to.
    Remainder,
    /// Everything has the right form, and the proof does not hold.
    Invalid,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the proof is longer than any honest one",
            Self::Header => "the proof was made for another circuit, size or parameters",
            Self::Structure => "the bytes are not a well-formed proof",
            Self::ProofOfWork => "the proof of work falls short",
            Self::Positions => "the openings are not those the transcript asks for",
            Self::Remainder => "the FRI remainder is not the committed one",
            Self::Invalid => "the proof does not hold for these public inputs",
        })
    }
}

impl core::error::Error for VerifyError {}

/// Most bytes a proof of this kind may have.
pub const fn max_proof_bytes(kind: Kind) -> u32 {
    match kind {
        Kind::Single => MAX_PROOF_BYTES,
        Kind::Batch | Kind::Budget => MAX_BATCH_PROOF_BYTES,
    }
}

/// All that [`verify`] does before the library's verification: steps 1 to 5, without opening a
/// single commitment. Cheap enough for a transaction pool; says nothing about the statement's truth.
///
/// # Errors
/// [`VerifyError`], the first check that fails; never [`VerifyError::Invalid`].
pub fn precheck(proof: &[u8], statement: &Statement) -> Result<(), VerifyError> {
    check_form(proof, statement, &Shape::of(statement)).map(|_| ())
}

/// Steps 1 to 5; the length of the proof.
fn check_form(proof: &[u8], statement: &Statement, shape: &Shape) -> Result<u32, VerifyError> {
    let length = u32::try_from(proof.len()).map_err(|_| VerifyError::TooLong)?;
    if length > max_proof_bytes(statement.kind()) {
        return Err(VerifyError::TooLong);
    }
    let parts = Parts::split(proof, shape)?;
    let positions = transcript::positions(&parts, shape, statement)?;
    parts.check_openings(shape, &positions)?;
    check_remainder(&parts)?;
    Ok(length)
}

/// Verifies a proof of a statement.
///
/// # Errors
/// [`VerifyError`], the first check that fails.
pub fn verify(proof: &[u8], statement: &Statement) -> Result<Verified, VerifyError> {
    let shape = Shape::of(statement);
    let length = check_form(proof, statement, &shape)?;
    let parsed = Proof::from_bytes(proof).map_err(|_| VerifyError::Structure)?;
    let options = AcceptableOptions::OptionSet(alloc::vec![shape.options()]);
    let verdict = match statement.kind() {
        Kind::Single => winter_verifier::verify::<SingleAir, Hash, Coin, Tree>(
            parsed,
            statement.clone(),
            &options,
        ),
        Kind::Batch | Kind::Budget => winter_verifier::verify::<BlocksAir, Hash, Coin, Tree>(
            parsed,
            statement.clone(),
            &options,
        ),
    };
    verdict.map_err(|_| VerifyError::Invalid)?;
    Ok(Verified {
        kind: statement.kind(),
        bytes: length,
    })
}

/// The library draws its queries from the remainder's commitment and then believes whatever
/// remainder it is given; this closes the gap.
fn check_remainder(parts: &Parts<'_>) -> Result<(), VerifyError> {
    let remainder = structure::elements::<Ext>(parts.remainder)?;
    if Hash::hash_elements(&remainder) == parts.remainder_commitment()? {
        Ok(())
    } else {
        Err(VerifyError::Remainder)
    }
}
