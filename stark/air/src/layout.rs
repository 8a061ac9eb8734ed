// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which column and row means what.
//!
//! Both circuits start with the 8 lanes of the permutation and their cubes. Columns after the
//! witness are masks, filled with randomness by the prover (`docs/zk.md`): `u` hides how the
//! quotient splits into segments, `w` hides the quotient itself, `r` hides the DEEP polynomial.

use core::ops::Range;

/// Lanes of the permutation.
pub const STATE: Range<usize> = 0..8;
/// Cube of each lane, taken before (even rows) or after (odd rows) the linear layer.
pub const CUBES: Range<usize> = 8..16;
/// Row at which a permutation that began at row 0 has ended: two half-rounds for each of 7 rounds.
pub const OUTPUT_ROW: usize = 14;
/// Degree of the extension, and so the columns in one group of masks.
pub const EXTENSION: usize = 3;

/// Rows of the single circuit that carry constraints: one for each bit of the amount.
pub const SINGLE_ROWS: usize = 64;
/// Rows of one event in a batch: four bits each.
pub const BLOCK_ROWS: usize = 16;
/// Bits of the amount per row of a block.
pub const BITS_PER_ROW: usize = 4;
/// Rows at the end of every trace that are random and bound by nothing.
pub const RANDOM_ROWS: usize = 55;

/// Columns of the single circuit.
pub mod single {
    use super::EXTENSION;
    use core::ops::Range;

    /// Bits of the amount not yet consumed, lowest bit first: `rest = 2 rest' + bit`.
    pub const REST: usize = 16;
    /// Whether the bits so far exceed the limit's.
    pub const BORROW: usize = 17;
    /// Masks of the segment boundaries: one group for each of the two.
    pub const U: Range<usize> = 18..18 + 2 * EXTENSION;
    /// Masks of the quotient.
    pub const W: Range<usize> = U.end..U.end + EXTENSION;
    /// Masks of the DEEP polynomial.
    pub const R: Range<usize> = W.end..W.end + EXTENSION;
    /// Columns in all.
    pub const WIDTH: usize = R.end;
    /// Columns that carry the witness.
    pub const WITNESS: usize = U.start;
}

/// Columns of the circuit for batches and budgets.
pub mod blocks {
    use super::{BITS_PER_ROW, EXTENSION};
    use core::ops::Range;

    /// Four bits of the amount, lowest first.
    pub const BITS: Range<usize> = 16..16 + BITS_PER_ROW;
    /// Borrow before each of them.
    pub const BORROWS: Range<usize> = BITS.end..BITS.end + BITS_PER_ROW;
    /// Bits not yet consumed: `rest = 16 rest' + bits`.
    pub const REST: usize = BORROWS.end;
    /// Sum of the amounts of all blocks before this one; budgets only.
    pub const SUM: usize = REST + 1;

    /// First mask column.
    pub const fn masks(budget: bool) -> usize {
        if budget { SUM + 1 } else { SUM }
    }

    /// Masks of the segment boundaries.
    pub const fn u(budget: bool) -> Range<usize> {
        masks(budget)..masks(budget) + EXTENSION
    }

    /// Masks of the quotient.
    pub const fn w(budget: bool) -> Range<usize> {
        u(budget).end..u(budget).end + EXTENSION
    }

    /// Masks of the DEEP polynomial.
    pub const fn r(budget: bool) -> Range<usize> {
        w(budget).end..w(budget).end + EXTENSION
    }

    /// Columns in all.
    pub const fn width(budget: bool) -> usize {
        r(budget).end
    }
}
