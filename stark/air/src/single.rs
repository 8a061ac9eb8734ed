// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The circuit for one event: 64 rows with constraints, 63 random rows, 30 columns.
//!
//! The permutation runs one half-round a row from row 0 and simply goes on after its output at row
//! 14. Beside it the amount is consumed bit by bit and compared with the limit, whose bits are a
//! public periodic column.

use crate::{
    Felt, Shape, Statement,
    commitment::{RATE, initial_state},
    gadgets::{
        HASH_CONSTRAINTS, bit_of, half_round, is_bit, next_borrow, round_constants, shifted,
        vanishing_on_first,
    },
    layout::{
        EXTENSION, OUTPUT_ROW, SINGLE_ROWS, STATE,
        single::{BORROW, REST, U, W},
    },
};
use alloc::{vec, vec::Vec};
use winter_air::{
    Air, AirContext, Assertion, EvaluationFrame, ProofOptions, TraceInfo,
    TransitionConstraintDegree as Degree,
};
use winter_math::FieldElement;

/// Trace length.
pub(crate) const LENGTH: usize = 128;
/// Boundary assertions: the capacity, the commitment, the borrow's start and end, no bits left.
pub(crate) const ASSERTIONS: usize = 4 + 4 + 2 + 1;

// Order of the periodic columns.
const ALTERNATE: usize = 0;
const FIRST: usize = 1;
const LIMIT: usize = 2;
const VANISHING: usize = 3;
const CONSTANTS: usize = 4;

/// Declared degrees of the transition constraints, in order.
pub(crate) fn degrees() -> Vec<Degree> {
    let mut degrees = vec![Degree::with_cycles(3, vec![2]); HASH_CONSTRAINTS];
    degrees.push(Degree::new(2));
    degrees.push(Degree::with_cycles(2, vec![LENGTH]));
    degrees.push(Degree::with_cycles(1, vec![LENGTH]));
    degrees.extend(vec![Degree::with_cycles(1, vec![LENGTH]); EXTENSION]);
    degrees.extend(vec![Degree::with_cycles(1, vec![LENGTH, 2, 2]); EXTENSION]);
    degrees.extend(vec![Degree::with_cycles(1, vec![LENGTH]); EXTENSION]);
    degrees
}

/// The circuit, for winterfell.
pub struct SingleAir {
    context: AirContext<Felt>,
    statement: Statement,
}

impl Air for SingleAir {
    type BaseField = Felt;
    type PublicInputs = Statement;

    /// The caller has compared trace info and options with [`Shape::of`] before; they are replaced
    /// by the statement's own here, so that nothing an attacker sends can matter.
    fn new(_: TraceInfo, statement: Statement, _: ProofOptions) -> Self {
        let shape = Shape::of(&statement);
        let context = AirContext::new(shape.trace_info(), degrees(), ASSERTIONS, shape.options())
            .set_num_transition_exemptions(LENGTH - SINGLE_ROWS);
        Self { context, statement }
    }

    fn context(&self) -> &AirContext<Felt> {
        &self.context
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        let mut assertions = vec![
            Assertion::single(BORROW, 0, Felt::ZERO),
            Assertion::single(BORROW, SINGLE_ROWS, Felt::ZERO),
            Assertion::single(REST, SINGLE_ROWS, Felt::ZERO),
        ];
        for entry in self.statement.entries().iter().take(1) {
            let capacity = initial_state(entry.tag, 0, &crate::Salt([Felt::ZERO; 3]));
            for (lane, value) in capacity.into_iter().take(RATE).enumerate() {
                assertions.push(Assertion::single(STATE.start + lane, 0, value));
            }
            for (lane, value) in entry.commitment.0.into_iter().enumerate() {
                let column = STATE.start + RATE + lane;
                assertions.push(Assertion::single(column, OUTPUT_ROW, value));
            }
        }
        assertions
    }

    fn evaluate_transition<E: FieldElement<BaseField = Felt>>(
        &self,
        frame: &EvaluationFrame<E>,
        periodic: &[E],
        result: &mut [E],
    ) {
        let (current, next) = (frame.current(), frame.next());
        // The alternating column is X^(n/2): 1 on even rows, -1 on odd ones. Twice the selectors,
        // which changes no zero.
        let alternate = periodic[ALTERNATE];
        let (forward, backward) = (E::ONE + alternate, E::ONE - alternate);
        half_round(frame, &periodic[CONSTANTS..], forward, backward, result);

        let mut at = HASH_CONSTRAINTS;
        let mut put = |value: E| {
            result[at] = value;
            at += 1;
        };
        let bit = current[REST] - next[REST].double();
        put(is_bit(bit));
        put(next[BORROW] - next_borrow(bit, current[BORROW], periodic[LIMIT]));
        put(periodic[FIRST] * (current[REST] - current[STATE.start + RATE]));

        // Masks: zero on every row with constraints, whatever the columns hold.
        let vanishing = periodic[VANISHING];
        let boundary = [vanishing, vanishing * alternate.square()];
        for (index, column) in U.enumerate() {
            put(boundary[index / EXTENSION] * current[column]);
        }
        for column in W {
            put(vanishing * next[column]);
        }
    }

    fn get_periodic_column_values(&self) -> Vec<Vec<Felt>> {
        let mut first = vec![Felt::ZERO; LENGTH];
        first[0] = Felt::ONE;
        let mut limit = vec![Felt::ZERO; LENGTH];
        for entry in self.statement.entries().iter().take(1) {
            for (bit, value) in limit.iter_mut().take(SINGLE_ROWS).enumerate() {
                *value = bit_of(entry.limit, bit);
            }
        }
        // Times X^63: the masks then reach the highest degree a quotient segment has room for.
        let vanishing = shifted(
            vanishing_on_first(SINGLE_ROWS, LENGTH),
            LENGTH - 1 - SINGLE_ROWS,
        );
        let mut columns = vec![vec![Felt::ONE, -Felt::ONE], first, limit, vanishing];
        columns.extend(round_constants());
        columns
    }
}
