// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Provers that break one constraint each are caught.

use super::{batch, budget, committed, opening, single, usd};
use crate::{Opening, masks::Masks, stark::prove_trace, trace::SecretTrace};
use ves_primitives::amount::MAX_AMOUNT;
use ves_stark_air::{
    Entry, Felt, Statement,
    layout::{BLOCK_ROWS, CUBES, OUTPUT_ROW, SINGLE_ROWS, STATE, blocks, single as columns},
};
use ves_stark_verifier::verify;
use winter_math::FieldElement;

/// Whether the verifier accepts what comes of a trace with some cells changed.
fn accepted(
    (statement, openings): &(Statement, Vec<Opening>),
    tamper: impl FnOnce(&mut SecretTrace),
) -> bool {
    let mut masks = Masks::from_entropy(statement, openings).unwrap();
    let mut trace = SecretTrace::fill(statement, openings, &mut masks);
    tamper(&mut trace);
    let proof = prove_trace(statement, trace).unwrap();
    verify(&proof, statement).is_ok()
}

/// Adds one to a cell.
fn bump(column: usize, row: usize) -> impl FnOnce(&mut SecretTrace) {
    move |trace| {
        let value = trace.get(column, row) + Felt::ONE;
        trace.set(column, row, value);
    }
}

#[test]
fn an_untouched_trace_is_accepted() {
    for case in [single(5, 9), batch(2), budget(&[1], 2, 3)] {
        assert!(accepted(&case, |_| ()));
    }
}

#[test]
fn each_constraint_group_of_the_single_circuit_is_enforced() {
    let case = single(5_000, 9_999);
    for (what, column, row) in [
        ("capacity, domain", STATE.start, 0),
        ("capacity, currency", STATE.start + 1, 0),
        ("capacity, zero lanes", STATE.start + 2, 0),
        ("capacity, zero lanes", STATE.start + 3, 0),
        ("amount lane", STATE.start + 4, 0),
        ("salt lane", STATE.start + 7, 0),
        ("forward half-round", STATE.start + 3, 6),
        ("backward half-round", STATE.start + 6, 7),
        ("output", STATE.start + 4, OUTPUT_ROW),
        ("output", STATE.start + 7, OUTPUT_ROW),
        ("rows after the output", STATE.start, SINGLE_ROWS),
        ("forward cube", CUBES.start, 0),
        ("backward cube", CUBES.start + 7, 13),
        ("first rest", columns::REST, 0),
        ("bits", columns::REST, 3),
        ("last rest", columns::REST, SINGLE_ROWS),
        ("first borrow", columns::BORROW, 0),
        ("borrow", columns::BORROW, 20),
        ("last borrow", columns::BORROW, SINGLE_ROWS),
    ] {
        assert!(!accepted(&case, bump(column, row)), "{what}");
    }
}

#[test]
fn each_constraint_group_of_the_block_circuit_is_enforced() {
    let second = BLOCK_ROWS;
    for case in [batch(2), budget(&[7], 3, 100)] {
        for (what, column, row) in [
            ("capacity, domain", STATE.start, second),
            ("capacity, currency", STATE.start + 1, second),
            ("capacity, zero lanes", STATE.start + 3, second),
            ("amount lane", STATE.start + 4, second),
            ("half-round", STATE.start + 2, second + 5),
            ("output", STATE.start + 5, second + OUTPUT_ROW),
            ("cube", CUBES.start + 3, second + 4),
            ("bits", blocks::BITS.start + 3, second),
            ("rest", blocks::REST, second),
            (
                "rest at a block's end",
                blocks::REST,
                second + BLOCK_ROWS - 1,
            ),
            ("borrow at a block's start", blocks::BORROWS.start, second),
            ("borrow within a row", blocks::BORROWS.start + 2, second + 1),
            (
                "borrow at a block's end",
                blocks::BORROWS.start + 3,
                second + BLOCK_ROWS - 1,
            ),
            ("padding block", STATE.start + 4, 7 * BLOCK_ROWS),
        ] {
            assert!(!accepted(&case, bump(column, row)), "{what}");
        }
    }
    let case = budget(&[7], 3, 100);
    for (what, row) in [
        ("first sum", 0),
        ("sum", 5),
        ("sum at the total", 2 * BLOCK_ROWS),
    ] {
        assert!(!accepted(&case, bump(blocks::SUM, row)), "{what}");
    }
}

#[test]
fn masks_may_hold_anything() {
    let case = single(5, 9);
    for column in columns::WITNESS..columns::WIDTH {
        assert!(accepted(&case, bump(column, 3)), "{column}");
    }
    for column in 0..columns::WIDTH {
        assert!(accepted(&case, bump(column, SINGLE_ROWS + 1)), "{column}");
    }
}

#[test]
fn amounts_over_their_limit_are_caught_wherever_they_stand() {
    for (amount, limit) in [
        (10_000, 9_999),
        (1, 0),
        (1 << 63, (1 << 63) - 1),
        (MAX_AMOUNT, MAX_AMOUNT - 1),
        (MAX_AMOUNT, 0),
    ] {
        assert!(
            !accepted(&single(amount, limit), |_| ()),
            "{amount} <= {limit}"
        );
    }
    for over in 0..8u64 {
        let (openings, entries) = (0..8)
            .map(|index| {
                let (opening, commitment) = committed(10 + u64::from(index == over), index);
                (
                    opening,
                    Entry {
                        commitment,
                        limit: 10,
                        tag: usd(),
                    },
                )
            })
            .unzip();
        let statement = Statement::batch(entries, [0; 32]).unwrap();
        assert!(!accepted(&(statement, openings), |_| ()), "event {over}");
    }
}

#[test]
fn the_other_decomposition_of_a_small_amount_is_caught() {
    // 5 and p + 5 are one field element. The bits of the second fit every constraint but the last
    // borrow: they pass no limit below the modulus.
    let case = single(5, MAX_AMOUNT);
    assert!(!accepted(&case, |trace| {
        let (mut rest, mut borrow) = (MAX_AMOUNT + 6, false);
        for row in 0..SINGLE_ROWS {
            trace.set(columns::REST, row, Felt::new(rest));
            trace.set(columns::BORROW, row, Felt::from(u32::from(borrow)));
            let bit = rest & 1 == 1;
            let limit = (MAX_AMOUNT >> row) & 1 == 1;
            borrow = if limit { bit && borrow } else { bit || borrow };
            rest >>= 1;
        }
        assert!(borrow && rest == 0);
        trace.set(columns::BORROW, SINGLE_ROWS, Felt::ZERO);
    }));
}

#[test]
fn totals_that_do_not_add_up_are_caught() {
    let honest = budget(&[7], 3, 100);
    for (previous, amount, new) in [(3, 7, 9), (3, 7, 11), (0, 7, 6), (3, 0, 7)] {
        let openings = vec![opening(previous, 1), opening(amount, 2), opening(new, 3)];
        let c: Vec<_> = openings.iter().map(|o| o.commit(usd()).unwrap()).collect();
        let statement = Statement::budget(c[0], &c[1..2], c[2], 100, usd(), [0; 32]).unwrap();
        assert!(
            !accepted(&(statement, openings), |_| ()),
            "{previous} + {amount} = {new}"
        );
    }
    assert!(accepted(&honest, |_| ()));
}
