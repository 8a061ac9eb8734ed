// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What an observer gets from openings. The argument these tests guard is `docs/zk.md`.

use super::single;
use crate::{
    Opening,
    masks::Masks,
    prove,
    stark::{Challenges, prove_trace},
    trace::SecretTrace,
};
use std::collections::BTreeSet;
use ves_stark_air::{
    Ext, Felt, Shape, Statement,
    layout::{EXTENSION, SINGLE_ROWS, single as columns},
};
use ves_stark_verifier::{
    structure::{Parts, elements},
    transcript, verify,
};
use winter_math::{ExtensionOf, FieldElement, StarkField};
use winter_prover::Trace;

const LENGTH: usize = 128;

/// Values of all Lagrange polynomials of the trace domain at a point.
fn lagrange(x: Ext) -> Vec<Ext> {
    let generator = Felt::get_root_of_unity(LENGTH.ilog2());
    let scale = (x.exp(LENGTH as u64) - Ext::ONE) / Ext::from(LENGTH as u32);
    let mut power = Felt::ONE;
    (0..LENGTH)
        .map(|_| {
            let value = scale * Ext::from(power) / (x - Ext::from(power));
            power *= generator;
            value
        })
        .collect()
}

fn coordinates(x: Ext) -> [Felt; EXTENSION] {
    std::array::from_fn(|index| x.base_element(index))
}

/// The points at which one proof opens its columns.
struct View {
    queries: Vec<Ext>,
    z: Ext,
    zg: Ext,
    zgg: Ext,
    /// All columns at z.
    at_z: Vec<Ext>,
    /// All columns at each query.
    at_queries: Vec<Vec<Felt>>,
}

impl View {
    fn of(proof: &[u8], statement: &Statement) -> Self {
        let shape = Shape::of(statement);
        let parts = Parts::split(proof, &shape).unwrap();
        let positions = transcript::positions(&parts, &shape, statement).unwrap();
        let lde = Felt::get_root_of_unity(shape.domain().ilog2());
        let point = |position: usize| Felt::GENERATOR * lde.exp(position as u64);
        let g = Ext::from(Felt::get_root_of_unity(LENGTH.ilog2()));
        let z = Challenges::of(proof, statement).unwrap().z;
        let frame: Vec<Ext> = elements(parts.trace_frame).unwrap();
        let values: Vec<Felt> = elements(parts.trace_values).unwrap();
        Self {
            queries: positions
                .into_iter()
                .map(|at| Ext::from(point(at)))
                .collect(),
            z,
            zg: z * g,
            zgg: z * g * g,
            at_z: frame[..shape.width()].to_vec(),
            at_queries: values.chunks(shape.width()).map(<[_]>::to_vec).collect(),
        }
    }

    /// The openings of one column as functionals on its rows, in the base field.
    fn functionals(&self) -> Vec<Vec<Felt>> {
        let mut rows: Vec<_> = self.queries.iter().map(|x| base(&lagrange(*x))).collect();
        rows.extend(split(&lagrange(self.z)));
        rows.extend(split(&lagrange(self.zg)));
        rows
    }
}

fn base(values: &[Ext]) -> Vec<Felt> {
    values.iter().map(|value| value.base_element(0)).collect()
}

fn split(values: &[Ext]) -> [Vec<Felt>; EXTENSION] {
    std::array::from_fn(|index| {
        values
            .iter()
            .map(|value| value.base_element(index))
            .collect()
    })
}

fn rank(mut rows: Vec<Vec<Felt>>) -> usize {
    let mut rank = 0;
    for column in 0..rows[0].len() {
        let Some(pivot) = (rank..rows.len()).find(|row| rows[*row][column] != Felt::ZERO) else {
            continue;
        };
        rows.swap(rank, pivot);
        let inverse = rows[rank][column].inv();
        let (done, rest) = rows.split_at_mut(rank + 1);
        for row in rest {
            let factor = row[column] * inverse;
            if factor != Felt::ZERO {
                for (value, above) in row[column..].iter_mut().zip(&done[rank][column..]) {
                    *value -= factor * *above;
                }
            }
        }
        rank += 1;
    }
    rank
}

/// (a) the openings restricted to the random rows, (b) the openings of a `w` column together with
/// the next-row values that pad the quotient, (c) an opened `u` together with its upper part.
fn check_ranks(view: &View) {
    let opened = view.functionals();
    let count = opened.len();
    let random = opened
        .iter()
        .map(|row| row[SINGLE_ROWS + 1..].to_vec())
        .collect();
    assert_eq!(rank(random), count, "random rows");

    let g = Ext::from(Felt::get_root_of_unity(LENGTH.ilog2()));
    let mut quotient = opened;
    let queried: BTreeSet<_> = view
        .queries
        .iter()
        .map(|x| coordinates(*x).map(|c| c.as_int()))
        .collect();
    for x in &view.queries {
        if !queried.contains(&coordinates(*x * g).map(|c| c.as_int())) {
            quotient.push(base(&lagrange(*x * g)));
        }
    }
    quotient.extend(split(&lagrange(view.zgg)));
    let expected = quotient.len();
    assert_eq!(rank(quotient), expected, "quotient");

    let shift = LENGTH - 1 - SINGLE_ROWS;
    let powers = |x: Ext| -> Vec<Ext> {
        std::iter::successors(Some(Ext::ONE), |power| Some(*power * x))
            .take(LENGTH)
            .collect()
    };
    // u(x) on all coefficients; its upper part on the coefficients from n - shift on.
    let upper = |row: &[Ext]| {
        let mut high = vec![Ext::ZERO; LENGTH];
        high[LENGTH - shift..].copy_from_slice(&row[..shift]);
        high
    };
    let mut segments = Vec::new();
    for x in &view.queries {
        let row = powers(*x);
        segments.push(base(&row));
        segments.push(base(&upper(&row)));
    }
    for x in [view.z, view.zg] {
        let row = powers(x);
        segments.extend(split(&row));
        segments.extend(split(&upper(&row)));
    }
    let expected = segments.len();
    assert_eq!(rank(segments), expected, "segments");
}

#[test]
fn openings_of_1000_proofs_are_independent_of_the_witness() {
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for amount in 0..500 {
                    let (statement, openings) = single(amount, 9_999);
                    let proof = prove(&statement, &openings, &mut |_| ()).unwrap();
                    check_ranks(&View::of(&proof, &statement));
                }
            });
        }
    });
}

#[test]
fn two_proofs_of_one_statement_share_no_opened_value() {
    let (statement, openings) = single(5_000, 9_999);
    let [a, b] = [(); 2].map(|()| {
        let proof = prove(&statement, &openings, &mut |_| ()).unwrap();
        View::of(&proof, &statement)
    });
    for column in 0..columns::WIDTH {
        assert_ne!(a.at_z[column], b.at_z[column], "column {column} at z");
        let values = |view: &View| -> BTreeSet<u64> {
            view.at_queries
                .iter()
                .map(|row| row[column].as_int())
                .collect()
        };
        assert!(values(&a).is_disjoint(&values(&b)), "column {column}");
    }
}

/// A proof from a trace some of whose randomness was dropped.
fn weakened(
    (statement, openings): &(Statement, Vec<Opening>),
    drop: impl Fn(usize, usize) -> bool,
) -> Vec<u8> {
    let mut masks = Masks::from_entropy(statement, openings).unwrap();
    let mut trace = SecretTrace::fill(statement, openings, &mut masks);
    for column in 0..columns::WIDTH {
        for row in 0..LENGTH {
            if drop(column, row) {
                trace.set(column, row, Felt::ZERO);
            }
        }
    }
    prove_trace(statement, trace).unwrap()
}

/// Columns whose opening at z is what a trace without any mask would show: the observer can
/// compute them from a guessed witness.
fn predictable((statement, openings): &(Statement, Vec<Opening>), proof: &[u8]) -> Vec<usize> {
    let view = View::of(proof, statement);
    let mut masks = Masks::from_entropy(statement, openings).unwrap();
    let trace = SecretTrace::fill(statement, openings, &mut masks);
    let weights = lagrange(view.z);
    (0..columns::WIDTH)
        .filter(|column| {
            // Cubes end one row before the other witness columns.
            let rows = match column {
                8..16 => SINGLE_ROWS,
                column if *column < columns::WITNESS => SINGLE_ROWS + 1,
                _ => 0,
            };
            let plain = trace.main_segment().get_column(*column)[..rows]
                .iter()
                .zip(&weights)
                .fold(Ext::ZERO, |sum, (value, weight)| {
                    sum + weight.mul_base(*value)
                });
            plain == view.at_z[*column]
        })
        .collect()
}

fn is_random(column: usize, row: usize) -> bool {
    match column {
        8..16 => row >= SINGLE_ROWS,
        column if column < columns::WITNESS => row > SINGLE_ROWS,
        _ => true,
    }
}

#[test]
fn a_dropped_mask_is_noticed() {
    let case = single(5_000, 9_999);
    let honest = prove(&case.0, &case.1, &mut |_| ()).unwrap();
    assert_eq!(predictable(&case, &honest), Vec::<usize>::new());
    // A proof without masks still verifies: only these tests tell.
    for column in 0..columns::WIDTH {
        let proof = weakened(&case, |at, row| at == column && is_random(at, row));
        assert!(verify(&proof, &case.0).is_ok());
        assert_eq!(predictable(&case, &proof), vec![column]);
    }
}

/// The attack on proofs without masks: a column follows from the amount alone, so guess it and
/// compare with the opening at z.
fn extract(proof: &[u8], statement: &Statement, guesses: std::ops::Range<u64>) -> Option<u64> {
    let view = View::of(proof, statement);
    let weights = lagrange(view.z);
    guesses.into_iter().find(|amount| {
        let rest = weights[..SINGLE_ROWS]
            .iter()
            .enumerate()
            .fold(Ext::ZERO, |sum, (row, weight)| {
                sum + weight.mul_base(Felt::new(amount >> row))
            });
        rest == view.at_z[columns::REST]
    })
}

#[test]
fn the_amount_is_extracted_from_unmasked_proofs_and_from_no_others() {
    let case = single(5_000, 9_999);
    let unmasked = weakened(&case, is_random);
    assert!(verify(&unmasked, &case.0).is_ok());
    assert_eq!(extract(&unmasked, &case.0, 0..10_000), Some(5_000));
    for _ in 0..10 {
        let proof = prove(&case.0, &case.1, &mut |_| ()).unwrap();
        assert_eq!(extract(&proof, &case.0, 0..10_000), None);
    }
}

#[test]
fn masks_depend_on_the_statement_even_without_entropy() {
    let (statement, openings) = single(5_000, 9_999);
    let (other, _) = single(5_000, 9_998);
    let mut a = Masks::from_seed(&[0; 32], &statement, &openings);
    let mut b = Masks::from_seed(&[0; 32], &other, &openings);
    assert_ne!(a.next(), b.next());
}
