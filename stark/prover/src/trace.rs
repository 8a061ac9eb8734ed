// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The execution trace: masks everywhere first, then the witness over them.

use crate::{Opening, masks::Masks};
use ves_primitives::CurrencyTag;
use ves_stark_air::{
    Entry, Felt, Kind, Shape, Statement,
    blocks::padding,
    commitment::initial_state,
    layout::{self, BITS_PER_ROW, BLOCK_ROWS, CUBES, STATE, blocks, single},
};
use winter_air::{EvaluationFrame, TraceInfo};
use winter_crypto::hashers::RpJive64_256 as Permutation;
use winter_math::FieldElement;
use winter_prover::{Trace, matrix::ColMatrix};

/// 1/7 modulo p - 1: the inverse of the S-box.
const INVERSE_SBOX: u64 = 10_540_996_611_094_048_183;
const LANES: usize = 8;

/// A trace whose memory is overwritten when it is dropped.
pub(crate) struct SecretTrace {
    info: TraceInfo,
    columns: ColMatrix<Felt>,
}

impl Drop for SecretTrace {
    fn drop(&mut self) {
        for column in self.columns.columns_mut() {
            column.fill(Felt::ZERO);
            // Keeps the compiler from dropping writes nobody reads.
            std::hint::black_box(&column);
        }
    }
}

impl Trace for SecretTrace {
    type BaseField = Felt;

    fn info(&self) -> &TraceInfo {
        &self.info
    }

    fn main_segment(&self) -> &ColMatrix<Felt> {
        &self.columns
    }

    fn read_main_frame(&self, row: usize, frame: &mut EvaluationFrame<Felt>) {
        let next = (row + 1) % self.columns.num_rows();
        self.columns.read_row_into(row, frame.current_mut());
        self.columns.read_row_into(next, frame.next_mut());
    }
}

impl SecretTrace {
    /// Fills the trace of a statement. The openings need not be honest: the verifier, not the
    /// trace, decides.
    pub(crate) fn fill(statement: &Statement, openings: &[Opening], masks: &mut Masks) -> Self {
        let shape = Shape::of(statement);
        let mut rows = Rows(
            (0..shape.width())
                .map(|_| (0..shape.length()).map(|_| masks.next()).collect())
                .collect(),
        );
        match statement.kind() {
            Kind::Single => {
                for (entry, opening) in statement.entries().iter().zip(openings) {
                    rows.single(entry, opening);
                }
            }
            Kind::Batch | Kind::Budget => rows.blocks(statement, openings, &shape),
        }
        Self {
            info: shape.trace_info(),
            columns: ColMatrix::new(rows.0),
        }
    }

    /// Writes one cell, for tests that cheat.
    #[cfg(test)]
    pub(crate) fn set(&mut self, column: usize, row: usize, value: Felt) {
        self.columns.set(column, row, value);
    }

    #[cfg(test)]
    pub(crate) fn get(&self, column: usize, row: usize) -> Felt {
        self.columns.get(column, row)
    }
}

struct Rows(Vec<Vec<Felt>>);

impl Rows {
    /// The permutation from `row`, `rounds` half-rounds long; the last row written has no cubes.
    fn permutation(&mut self, row: usize, half_rounds: usize, tag: CurrencyTag, opening: &Opening) {
        let mut state = initial_state(tag, opening.amount(), &opening.salt());
        for step in 0..=half_rounds {
            for (column, value) in STATE.zip(state) {
                self.0[column][row + step] = value;
            }
            if step == half_rounds {
                break;
            }
            let phase = step % 16;
            let constants = match (phase / 2, phase % 2) {
                (round, 0) if round < Permutation::NUM_ROUNDS => Permutation::ARK1[round],
                (round, _) if round < Permutation::NUM_ROUNDS => Permutation::ARK2[round],
                _ => [Felt::ZERO; LANES],
            };
            let powers = state.map(|x| {
                if step % 2 == 0 {
                    x.exp(7u64)
                } else {
                    x.exp(INVERSE_SBOX)
                }
            });
            for lane in 0..LANES {
                let base = if step % 2 == 0 {
                    state[lane]
                } else {
                    powers[lane]
                };
                self.0[CUBES.start + lane][row + step] = base.square() * base;
            }
            state = std::array::from_fn(|lane| {
                (0..LANES).fold(constants[lane], |sum, from| {
                    sum + Permutation::MDS[lane][from] * powers[from]
                })
            });
        }
    }

    fn single(&mut self, entry: &Entry, opening: &Opening) {
        self.permutation(0, layout::SINGLE_ROWS, entry.tag, opening);
        let mut rest = opening.amount();
        let mut borrow = false;
        for row in 0..=layout::SINGLE_ROWS {
            self.0[single::REST][row] = Felt::new(rest);
            self.0[single::BORROW][row] = Felt::from(u32::from(borrow));
            if row < layout::SINGLE_ROWS {
                borrow = next_borrow(rest, entry.limit >> row, borrow);
                rest >>= 1;
            }
        }
    }

    fn blocks(&mut self, statement: &Statement, openings: &[Opening], shape: &Shape) {
        let budget = statement.kind() == Kind::Budget;
        let zero = Opening {
            amount: 0,
            salt: [0; 3],
        };
        let filler = padding(statement);
        let entries = statement
            .entries()
            .iter()
            .zip(openings)
            .chain(std::iter::repeat((&filler, &zero)));
        let mut sum = Felt::ZERO;
        for (block, (entry, opening)) in (0..shape.active_rows() / BLOCK_ROWS).zip(entries) {
            let first = BLOCK_ROWS * block;
            self.permutation(first, BLOCK_ROWS - 1, entry.tag, opening);
            let mut rest = opening.amount();
            let mut borrow = false;
            for row in first..first + BLOCK_ROWS {
                self.0[blocks::REST][row] = Felt::new(rest);
                for index in 0..BITS_PER_ROW {
                    let place = BITS_PER_ROW * (row - first) + index;
                    self.0[blocks::BITS.start + index][row] = Felt::new(rest & 1);
                    self.0[blocks::BORROWS.start + index][row] = Felt::from(u32::from(borrow));
                    borrow = next_borrow(rest, entry.limit >> place, borrow);
                    rest >>= 1;
                }
                if budget {
                    self.0[blocks::SUM][row] = sum;
                    if row == first {
                        sum += Felt::new(opening.amount());
                    }
                }
            }
            if budget {
                self.0[blocks::SUM][first + BLOCK_ROWS] = sum;
            }
        }
    }
}

/// Borrow after the lowest bits of the rest of amount and limit.
const fn next_borrow(amount: u64, limit: u64, borrow: bool) -> bool {
    let bit = amount & 1 == 1;
    if limit & 1 == 1 {
        bit && borrow
    } else {
        bit || borrow
    }
}
