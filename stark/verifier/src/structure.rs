// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The byte layout of a winterfell 0.13.1 proof with one trace segment, walked before the library
//! sees it.
//!
//! ```text
//! header | u8 unique queries | u16 len, commitments: trace, constraints, FRI layers, remainder
//! | trace queries | constraint queries          each: vint len, values; vint len, opening
//! | u16 len, 2, trace frame | u16 len, 2, quotient frame
//! | u8 layers | layers (values, opening each u32-prefixed) | u16 len, remainder | u8 partitions
//! | u64 nonce
//! ```
//!
//! An opening is `u8 depth | vint vectors | (vint nodes | digests)…`. Numbers are little-endian; a
//! vint is winterfell's: the trailing zeros of its first byte tell its length.

use crate::VerifyError;
use alloc::vec::Vec;
use ves_stark_air::{
    Hash, Shape,
    shape::{DIGEST_BYTES, EXT_BYTES, FELT_BYTES, FOLDING},
};
use winter_crypto::Hasher;
use winter_utils::{ByteReader, Deserializable, SliceReader};

/// Digest of the hash all commitments use.
pub type Digest = <Hash as Hasher>::Digest;

/// A proof cut into its parts, every length checked against the shape.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// Distinct query positions the prover opened.
    pub unique_queries: usize,
    /// Roots of trace and constraints, of FRI layers, and the hash of the remainder.
    pub commitments: &'a [u8],
    /// Rows of the trace at the positions.
    pub trace_values: &'a [u8],
    /// Their Merkle opening.
    pub trace_opening: &'a [u8],
    /// Rows of the constraint composition polynomial at the positions.
    pub constraint_values: &'a [u8],
    /// Their Merkle opening.
    pub constraint_opening: &'a [u8],
    /// Trace at z and zg.
    pub trace_frame: &'a [u8],
    /// Quotient columns at z and zg.
    pub quotient_frame: &'a [u8],
    /// Values and opening of each FRI layer.
    pub layers: Vec<(&'a [u8], &'a [u8])>,
    /// Coefficients of the FRI remainder, highest first.
    pub remainder: &'a [u8],
    /// Proof-of-work nonce.
    pub nonce: u64,
}

/// Reads forward, never past the end.
struct Walk<'a>(&'a [u8]);

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], VerifyError> {
        let (head, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(VerifyError::Structure)?;
        self.0 = rest;
        Ok(head)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, VerifyError> {
        Ok(self
            .take(bytes)?
            .iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn byte(&mut self) -> Result<usize, VerifyError> {
        usize::try_from(self.number(1)?).map_err(|_| VerifyError::Structure)
    }

    /// winterfell's variable-length integer, in its shortest form and below 2^28.
    fn vint(&mut self) -> Result<usize, VerifyError> {
        let first = *self.0.first().ok_or(VerifyError::Structure)?;
        let length = first.trailing_zeros() + 1;
        if length > 4 {
            return Err(VerifyError::Structure);
        }
        let value = self.number(length as usize)? >> length;
        // Seven bits a byte: one byte fewer must not have been enough.
        if length > 1 && value >> (7 * (length - 1)) == 0 {
            return Err(VerifyError::Structure);
        }
        usize::try_from(value).map_err(|_| VerifyError::Structure)
    }

    /// A run of bytes whose prefix must state exactly `expected`.
    fn exactly(&mut self, stated: usize, expected: usize) -> Result<&'a [u8], VerifyError> {
        if stated != expected {
            return Err(VerifyError::Structure);
        }
        self.take(expected)
    }

    fn short(&mut self, expected: usize) -> Result<&'a [u8], VerifyError> {
        let stated = usize::try_from(self.number(2)?).map_err(|_| VerifyError::Structure)?;
        self.exactly(stated, expected)
    }

    /// Values of known length and an opening of any length, each behind a vint.
    fn queries(&mut self, value_bytes: usize) -> Result<(&'a [u8], &'a [u8]), VerifyError> {
        let stated = self.vint()?;
        let values = self.exactly(stated, value_bytes)?;
        let stated = self.vint()?;
        Ok((values, self.take(stated)?))
    }

    /// A frame: the number of rows (2), then the values.
    fn frame(&mut self, value_bytes: usize) -> Result<&'a [u8], VerifyError> {
        match self.short(value_bytes.saturating_add(1))?.split_first() {
            Some((2, values)) => Ok(values),
            _ => Err(VerifyError::Structure),
        }
    }

    fn end(&self) -> Result<(), VerifyError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(VerifyError::Structure)
        }
    }
}

impl<'a> Parts<'a> {
    /// Cuts a proof of the given shape.
    ///
    /// # Errors
    /// [`VerifyError::Header`] or [`VerifyError::Structure`].
    pub fn split(proof: &'a [u8], shape: &Shape) -> Result<Self, VerifyError> {
        let rest = proof
            .strip_prefix(shape.header().as_slice())
            .ok_or(VerifyError::Header)?;
        let mut walk = Walk(rest);
        let unique_queries = walk.byte()?;
        if unique_queries == 0 || unique_queries > shape.queries() {
            return Err(VerifyError::Structure);
        }
        let fri_layers = shape.fri_layers();
        let commitments = walk.short(DIGEST_BYTES * (3 + fri_layers))?;
        let (trace_values, trace_opening) =
            walk.queries(unique_queries * shape.width() * FELT_BYTES)?;
        let (constraint_values, constraint_opening) =
            walk.queries(unique_queries * shape.quotients() * EXT_BYTES)?;
        let trace_frame = walk.frame(2 * shape.width() * EXT_BYTES)?;
        let quotient_frame = walk.frame(2 * shape.quotients() * EXT_BYTES)?;
        if walk.byte()? != fri_layers {
            return Err(VerifyError::Structure);
        }
        let mut layers = Vec::with_capacity(fri_layers);
        for _ in 0..fri_layers {
            // How many rows depends on the positions; bounded here, exact in `check_openings`.
            let stated = walk.number(4)?;
            let stated = usize::try_from(stated).map_err(|_| VerifyError::Structure)?;
            let values = walk.take(stated)?;
            let stated = walk.number(4)?;
            let stated = usize::try_from(stated).map_err(|_| VerifyError::Structure)?;
            layers.push((values, walk.take(stated)?));
        }
        let remainder = walk.short(shape.remainder_len() * EXT_BYTES)?;
        if walk.byte()? != 0 {
            return Err(VerifyError::Structure);
        }
        let nonce = walk.number(8)?;
        walk.end()?;
        Ok(Self {
            unique_queries,
            commitments,
            trace_values,
            trace_opening,
            constraint_values,
            constraint_opening,
            trace_frame,
            quotient_frame,
            layers,
            remainder,
            nonce,
        })
    }

    /// Every commitment, in the order the transcript takes them.
    ///
    /// # Errors
    /// None for parts that [`Parts::split`] made.
    pub fn digests(&self) -> Result<Vec<Digest>, VerifyError> {
        elements(self.commitments)
    }

    /// The last commitment: hash of the FRI remainder.
    pub(crate) fn remainder_commitment(&self) -> Result<Digest, VerifyError> {
        self.digests()?.pop().ok_or(VerifyError::Structure)
    }

    /// Compares every opening with what the positions need: depth, vectors and nodes.
    pub(crate) fn check_openings(
        &self,
        shape: &Shape,
        positions: &[usize],
    ) -> Result<(), VerifyError> {
        if positions.len() != self.unique_queries {
            return Err(VerifyError::Positions);
        }
        let mut domain = shape.domain();
        check_opening(self.trace_opening, domain, positions)?;
        check_opening(self.constraint_opening, domain, positions)?;
        let mut positions = positions.to_vec();
        for (values, opening) in &self.layers {
            domain /= FOLDING;
            positions
                .iter_mut()
                .for_each(|position| *position %= domain);
            positions.sort_unstable();
            positions.dedup();
            if values.len() != positions.len() * FOLDING * EXT_BYTES {
                return Err(VerifyError::Structure);
            }
            // The library numbers folded positions in order of first appearance; the tree opening
            // depends on the set only.
            check_opening(opening, domain, &positions)?;
        }
        Ok(())
    }
}

/// Walks one Merkle opening and compares it with [`node_counts`].
fn check_opening(opening: &[u8], leaves: usize, positions: &[usize]) -> Result<(), VerifyError> {
    let mut walk = Walk(opening);
    let depth = leaves.ilog2();
    if walk.number(1)? != u64::from(depth) {
        return Err(VerifyError::Structure);
    }
    let expected = node_counts(depth, positions);
    if walk.vint()? != expected.len() {
        return Err(VerifyError::Structure);
    }
    for nodes in expected {
        if walk.vint()? != nodes {
            return Err(VerifyError::Structure);
        }
        walk.take(nodes * DIGEST_BYTES)?;
    }
    walk.end()
}

/// Nodes in each vector of winterfell's batch opening (a variant of Octopus, ePrint 2017/933) of
/// sorted distinct positions: at each level a sibling that is not itself derived is charged to the
/// pair's place in that level's list.
fn node_counts(depth: u32, positions: &[usize]) -> Vec<usize> {
    let mut level: Vec<usize> = Vec::with_capacity(positions.len());
    let mut counts: Vec<usize> = Vec::with_capacity(positions.len());
    let mut rest = positions.iter().copied().peekable();
    while let Some(position) = rest.next() {
        let paired = rest.next_if_eq(&(position | 1)).is_some() && position % 2 == 0;
        counts.push(usize::from(!paired));
        level.push(position / 2);
    }
    for _ in 1..depth {
        let mut next = Vec::with_capacity(level.len());
        let mut at = 0usize;
        while let Some(&node) = level.get(at) {
            if level.get(at + 1) == Some(&(node ^ 1)) {
                at += 1;
            } else if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
            next.push(node / 2);
            at += 1;
        }
        level = next;
    }
    counts
}

/// Reads canonical elements until the bytes end.
///
/// # Errors
/// [`VerifyError::Structure`] if an element is not canonical or the bytes end within one.
pub fn elements<T: Deserializable>(bytes: &[u8]) -> Result<Vec<T>, VerifyError> {
    let mut reader = SliceReader::new(bytes);
    let mut out = Vec::new();
    while reader.has_more_bytes() {
        out.push(T::read_from(&mut reader).map_err(|_| VerifyError::Structure)?);
    }
    Ok(out)
}
