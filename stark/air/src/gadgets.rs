// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Constraints that both circuits use.

use crate::{
    Felt,
    layout::{CUBES, STATE},
};
use alloc::{vec, vec::Vec};
use winter_air::EvaluationFrame;
use winter_crypto::hashers::RpJive64_256;
use winter_math::{FieldElement, StarkField, batch_inversion};

/// Lanes of the permutation.
pub(crate) const HASH_WIDTH: usize = 8;
/// Constraints of one half-round.
pub(crate) const HASH_CONSTRAINTS: usize = 2 * HASH_WIDTH;

/// One half-round from the current row to the next.
///
/// Forward (`x' = M x^7 + c`) the cube column is `y = x^3` and `x^7 = y^2 x`. Backward
/// (`x' = M x^(1/7) + c`) with `z = M^-1 (x' - c)` it is `y = z^3`, and `y^2 z = x`. Degree 3 both
/// ways; `forward` and `backward` select.
pub(crate) fn half_round<E: FieldElement<BaseField = Felt>>(
    frame: &EvaluationFrame<E>,
    constants: &[E],
    forward: E,
    backward: E,
    result: &mut [E],
) {
    let (current, next) = (frame.current(), frame.next());
    let (state, cubes) = (&current[STATE], &current[CUBES]);
    let mut seventh = [E::ZERO; HASH_WIDTH];
    let mut unshifted = [E::ZERO; HASH_WIDTH];
    for lane in 0..HASH_WIDTH {
        seventh[lane] = cubes[lane].square() * state[lane];
        unshifted[lane] = next[lane] - constants[lane];
    }
    for lane in 0..HASH_WIDTH {
        let mut mixed = E::ZERO;
        let mut root = E::ZERO;
        for from in 0..HASH_WIDTH {
            mixed += seventh[from].mul_base(RpJive64_256::MDS[lane][from]);
            root += unshifted[from].mul_base(RpJive64_256::INV_MDS[lane][from]);
        }
        let (x, y) = (state[lane], cubes[lane]);
        result[lane] = forward * (y - x.square() * x) + backward * (y - root.square() * root);
        result[HASH_WIDTH + lane] =
            forward * (unshifted[lane] - mixed) + backward * (y.square() * root - x);
    }
}

/// Round constants of the half-rounds, one column a lane, with cycle 16: the two half-rounds after
/// the output have none.
pub(crate) fn round_constants() -> Vec<Vec<Felt>> {
    (0..HASH_WIDTH)
        .map(|lane| {
            let mut column = vec![Felt::ZERO; 16];
            for round in 0..RpJive64_256::NUM_ROUNDS {
                column[2 * round] = RpJive64_256::ARK1[round][lane];
                column[2 * round + 1] = RpJive64_256::ARK2[round][lane];
            }
            column
        })
        .collect()
}

/// `x^2 - x`: zero for bits only.
pub(crate) fn is_bit<E: FieldElement>(x: E) -> E {
    x.square() - x
}

/// Borrow after one more bit, lowest first: `limit ? bit AND borrow : bit OR borrow`. The last one
/// tells whether the amount exceeds the limit.
pub(crate) fn next_borrow<E: FieldElement>(bit: E, borrow: E, limit: E) -> E {
    let both = bit * borrow;
    let either = bit + borrow - both;
    either + limit * (both - either)
}

/// Values on the trace domain of `Z(X) = prod_{i < rows} (X - g^i)`, which vanishes exactly on the
/// rows that carry constraints.
///
/// By `Z(g^(i+1)) = g^rows Z(g^i) (g^i - g^-1) / (g^i - g^(rows-1))`. `0 < rows < length`, and
/// `length` is a power of two.
pub(crate) fn vanishing_on_first(rows: usize, length: usize) -> Vec<Felt> {
    let generator = Felt::get_root_of_unity(length.ilog2());
    let mut powers = Vec::with_capacity(length);
    let mut power = Felt::ONE;
    for _ in 0..length {
        powers.push(power);
        power *= generator;
    }
    let mut values = vec![Felt::ZERO; length];
    values[rows] = powers[..rows]
        .iter()
        .fold(Felt::ONE, |product, root| product * (powers[rows] - *root));
    let divisors: Vec<Felt> = powers[rows..length - 1]
        .iter()
        .map(|power| *power - powers[rows - 1])
        .collect();
    for (row, inverse) in (rows..length - 1).zip(batch_inversion(&divisors)) {
        values[row + 1] = powers[rows] * values[row] * (powers[row] - powers[length - 1]) * inverse;
    }
    values
}

/// Multiplies the values on the trace domain by `X^shift`.
pub(crate) fn shifted(values: Vec<Felt>, shift: usize) -> Vec<Felt> {
    let generator = Felt::get_root_of_unity(values.len().ilog2());
    let step = generator.exp_vartime(u64::try_from(shift).unwrap_or(u64::MAX));
    let mut factor = Felt::ONE;
    values
        .into_iter()
        .map(|value| {
            let out = value * factor;
            factor *= step;
            out
        })
        .collect()
}

/// Bit `index` of a limit.
pub(crate) fn bit_of(limit: u64, index: usize) -> Felt {
    Felt::from(u32::from((limit >> index) & 1 == 1))
}
