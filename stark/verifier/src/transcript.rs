// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The Fiat-Shamir transcript, replayed from a proof's own bytes: it takes a dozen hashes, so the
//! proof of work and the positions can be checked before anything dear.

use crate::{
    VerifyError,
    structure::{Parts, elements},
};
use alloc::vec::Vec;
use ves_stark_air::{Coin, Ext, Felt, Hash, Shape, Statement, shape::GRINDING};
use winter_crypto::{ElementHasher, RandomCoin};
use winter_math::ToElements;

/// The coin before any commitment.
pub fn seed(shape: &Shape, statement: &Statement) -> Coin {
    let mut seed: Vec<Felt> = shape.context().to_elements();
    seed.extend(statement.to_elements());
    Coin::new(&seed)
}

/// Hash of the out-of-domain evaluations in the order the transcript takes them: trace and
/// quotients at z, then at zg.
///
/// # Errors
/// [`VerifyError::Structure`] if a value is not canonical.
pub fn out_of_domain_digest(
    parts: &Parts<'_>,
) -> Result<<Hash as winter_crypto::Hasher>::Digest, VerifyError> {
    let trace: Vec<Ext> = elements(parts.trace_frame)?;
    let quotients: Vec<Ext> = elements(parts.quotient_frame)?;
    let (trace_z, trace_zg) = trace.split_at(trace.len() / 2);
    let (quotients_z, quotients_zg) = quotients.split_at(quotients.len() / 2);
    Ok(Hash::hash_elements(
        &[trace_z, quotients_z, trace_zg, quotients_zg].concat(),
    ))
}

/// The distinct query positions, ascending.
///
/// # Errors
/// [`VerifyError::ProofOfWork`], or [`VerifyError::Structure`] if a value is not canonical.
pub fn positions(
    parts: &Parts<'_>,
    shape: &Shape,
    statement: &Statement,
) -> Result<Vec<usize>, VerifyError> {
    let digests = parts.digests()?;
    let [trace, constraints, fri @ ..] = digests.as_slice() else {
        return Err(VerifyError::Structure);
    };
    let mut coin = seed(shape, statement);
    coin.reseed(*trace);
    coin.reseed(*constraints);
    coin.reseed(out_of_domain_digest(parts)?);
    for layer in fri {
        coin.reseed(*layer);
    }
    if coin.check_leading_zeros(parts.nonce) < GRINDING {
        return Err(VerifyError::ProofOfWork);
    }
    let mut positions = coin
        .draw_integers(shape.queries(), shape.domain(), parts.nonce)
        .map_err(|_| VerifyError::Positions)?;
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}
