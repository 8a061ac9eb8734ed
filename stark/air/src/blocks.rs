// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The circuit for batches and budgets: one block of 16 rows for each commitment, four bits of the
//! amount a row, and a random tail.
//!
//! winterfell lets at most half of the rows go without constraints, so short statements are padded
//! with blocks that commit to zero with a salt of zeros.
//!
//! If all limits and currencies are equal, as under one policy, their columns repeat with every
//! block and cost the verifier nothing; otherwise they are as long as the trace. What is the same in
//! every block is a transition constraint, not an assertion: winterfell's work grows with the square
//! of the number of assertions.

use crate::{
    Commitment, Entry, Felt, Kind, Salt, Shape, Statement, commit,
    commitment::RATE,
    gadgets::{
        HASH_CONSTRAINTS, bit_of, half_round, is_bit, next_borrow, round_constants,
        vanishing_on_first,
    },
    layout::{
        BITS_PER_ROW, BLOCK_ROWS, EXTENSION, OUTPUT_ROW, RANDOM_ROWS, STATE,
        blocks::{BITS, BORROWS, REST, SUM, u, w},
    },
};
use alloc::{vec, vec::Vec};
use ves_primitives::{
    CurrencyTag,
    amount::{COMMITMENT_DOMAIN, MAX_AMOUNT},
};
use winter_air::{
    Air, AirContext, Assertion, EvaluationFrame, ProofOptions, TraceInfo,
    TransitionConstraintDegree as Degree,
};
use winter_math::{FieldElement, StarkField};

/// Shortest trace: a quarter of it must hold the openings of one quotient segment.
const MIN_LENGTH: usize = 256;

// Order of the periodic columns.
const FORWARD: usize = 0;
const BACKWARD: usize = 1;
const FIRST: usize = 2;
const SPREAD: usize = 3;
const VANISHING: usize = 4;
const CONSTANTS: usize = 5;
const LIMITS: usize = CONSTANTS + 8;
const TAG: usize = LIMITS + BITS_PER_ROW;
const LAST_BLOCK: usize = TAG + 1;

/// Trace length for a number of blocks: the next power of two that leaves the random tail.
pub(crate) fn length(blocks: usize) -> usize {
    (BLOCK_ROWS * blocks + 1 + RANDOM_ROWS)
        .next_power_of_two()
        .max(MIN_LENGTH)
}

/// Blocks with padding: at least half of the rows carry constraints.
pub(crate) fn padded(blocks: usize) -> usize {
    blocks.max(length(blocks) / 2 / BLOCK_ROWS)
}

/// Limit and currency of every entry, if they have them in common.
fn common(statement: &Statement) -> Option<(u64, CurrencyTag)> {
    let Entry { limit, tag, .. } = *statement.entries().first()?;
    statement
        .entries()
        .iter()
        .all(|entry| entry.limit == limit && entry.tag == tag)
        .then_some((limit, tag))
}

/// Rows after which the columns of limits and currencies repeat.
fn public_cycle(statement: &Statement, length: usize) -> usize {
    match common(statement) {
        Some(_) => BLOCK_ROWS,
        None => length,
    }
}

/// What fills a padding block: zero, committed to with a salt of zeros, under the common limit and
/// currency or else the largest limit.
pub fn padding(statement: &Statement) -> Entry {
    let (limit, tag) = common(statement).unwrap_or((MAX_AMOUNT, CurrencyTag::NONE));
    Entry {
        commitment: commit(tag, 0, &Salt([Felt::ZERO; 3])),
        limit,
        tag,
    }
}

/// Boundary assertions: the commitment of each block, and the sum's start.
pub(crate) fn assertions(blocks: usize, budget: bool) -> usize {
    4 * blocks + usize::from(budget)
}

/// Declared degrees of the transition constraints, in order.
pub(crate) fn degrees(length: usize, statement: &Statement) -> Vec<Degree> {
    let budget = statement.kind() == Kind::Budget;
    let cycle = public_cycle(statement, length);
    let once_a_block = Degree::with_cycles(1, vec![BLOCK_ROWS]);
    let mut degrees = vec![Degree::with_cycles(3, vec![BLOCK_ROWS]); HASH_CONSTRAINTS];
    for _ in 0..BITS_PER_ROW {
        degrees.push(Degree::new(2));
        degrees.push(Degree::with_cycles(2, vec![cycle]));
    }
    // Rest, its start, the borrow's start, and the capacity.
    degrees.extend(vec![once_a_block.clone(); 3 + RATE]);
    if budget {
        degrees.push(once_a_block);
        degrees.push(Degree::with_cycles(1, vec![length]));
    }
    degrees.extend(vec![
        Degree::with_cycles(1, vec![length, 4, 4, 4]);
        EXTENSION
    ]);
    degrees.extend(vec![Degree::with_cycles(1, vec![length]); EXTENSION]);
    degrees
}

/// The circuit, for winterfell.
pub struct BlocksAir {
    context: AirContext<Felt>,
    entries: Vec<Entry>,
    /// Index of the block with the new total.
    total: Option<usize>,
    /// Rows after which the columns of limits and currencies repeat.
    public_cycle: usize,
}

impl Air for BlocksAir {
    type BaseField = Felt;
    type PublicInputs = Statement;

    /// As [`SingleAir`](crate::single::SingleAir): shape and options come from the statement.
    fn new(_: TraceInfo, statement: Statement, _: ProofOptions) -> Self {
        let shape = Shape::of(&statement);
        let length = shape.trace_info().length();
        let budget = statement.kind() == Kind::Budget;
        let mut entries = statement.entries().to_vec();
        let total = budget.then(|| entries.len().saturating_sub(1));
        let public_cycle = public_cycle(&statement, length);
        entries.resize(padded(entries.len()), padding(&statement));
        let context = AirContext::new(
            shape.trace_info(),
            degrees(length, &statement),
            assertions(entries.len(), budget),
            shape.options(),
        )
        .set_num_transition_exemptions(length - BLOCK_ROWS * entries.len());
        Self {
            context,
            entries,
            total,
            public_cycle,
        }
    }

    fn context(&self) -> &AirContext<Felt> {
        &self.context
    }

    fn get_assertions(&self) -> Vec<Assertion<Felt>> {
        let mut assertions = Vec::with_capacity(assertions(self.entries.len(), true));
        for (block, entry) in self.entries.iter().enumerate() {
            let Commitment(output) = entry.commitment;
            for (lane, value) in output.into_iter().enumerate() {
                assertions.push(Assertion::single(
                    STATE.start + RATE + lane,
                    BLOCK_ROWS * block + OUTPUT_ROW,
                    value,
                ));
            }
        }
        if self.total.is_some() {
            assertions.push(Assertion::single(SUM, 0, Felt::ZERO));
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
        // Neither selector is set on a block's last row: the next block starts afresh.
        let (forward, backward) = (periodic[FORWARD], periodic[BACKWARD]);
        let constants = &periodic[CONSTANTS..LIMITS];
        half_round(frame, constants, forward, backward, result);

        let mut at = HASH_CONSTRAINTS;
        let mut put = |value: E| {
            result[at] = value;
            at += 1;
        };
        let within = forward + backward;
        let first = periodic[FIRST];
        let mut digit = E::ZERO;
        for index in 0..BITS_PER_ROW {
            let bit = current[BITS.start + index];
            let borrow = current[BORROWS.start + index];
            // After a block's last bit there must be no borrow: the amount is within its limit.
            let after = if index + 1 == BITS_PER_ROW {
                within * next[BORROWS.start]
            } else {
                current[BORROWS.start + index + 1]
            };
            put(is_bit(bit));
            put(after - next_borrow(bit, borrow, periodic[LIMITS + index]));
            digit += (0..index).fold(bit, |value, _| value.double());
        }
        let sixteen_rest = (0..BITS_PER_ROW).fold(next[REST], |value, _| value.double());
        put(current[REST] - within * sixteen_rest - digit);
        put(first * (current[REST] - current[STATE.start + RATE]));
        put(first * current[BORROWS.start]);
        put(first * (current[STATE.start] - E::from(Felt::new(COMMITMENT_DOMAIN))));
        put(first * current[STATE.start + 1] - periodic[TAG]);
        put(first * current[STATE.start + 2]);
        put(first * current[STATE.start + 3]);
        if self.total.is_some() {
            put(next[SUM] - current[SUM] - first * current[REST]);
            put(periodic[LAST_BLOCK] * (current[SUM] - current[REST]));
        }

        // Masks: zero on every row with constraints, whatever the columns hold.
        let vanishing = periodic[VANISHING];
        let spread = periodic[SPREAD];
        let boundaries = spread + spread.square() + spread.square() * spread;
        for column in u(self.total.is_some()) {
            put(vanishing * boundaries * current[column]);
        }
        for column in w(self.total.is_some()) {
            put(vanishing * next[column]);
        }
    }

    fn get_periodic_column_values(&self) -> Vec<Vec<Felt>> {
        let length = self.context.trace_len();
        let mut forward = vec![Felt::ZERO; BLOCK_ROWS];
        let mut backward = vec![Felt::ZERO; BLOCK_ROWS];
        let mut first = vec![Felt::ZERO; BLOCK_ROWS];
        first[0] = Felt::ONE;
        for row in 0..BLOCK_ROWS - 1 {
            if row % 2 == 0 {
                forward[row] = Felt::ONE;
            } else {
                backward[row] = Felt::ONE;
            }
        }
        // X^(3n/4) on the trace domain: powers of a fourth root of unity.
        let fourth_root = Felt::get_root_of_unity(2);
        let spread = (0..4u64)
            .map(|row| fourth_root.exp_vartime(3 * row))
            .collect();
        let vanishing = vanishing_on_first(BLOCK_ROWS * self.entries.len(), length);

        let mut columns = vec![forward, backward, first, spread, vanishing];
        columns.extend(round_constants());
        for index in 0..BITS_PER_ROW {
            let mut limits = vec![Felt::ZERO; self.public_cycle];
            for (entry, rows) in self.entries.iter().zip(limits.chunks_mut(BLOCK_ROWS)) {
                for (row, value) in rows.iter_mut().enumerate() {
                    *value = bit_of(entry.limit, BITS_PER_ROW * row + index);
                }
            }
            columns.push(limits);
        }
        let mut tags = vec![Felt::ZERO; self.public_cycle];
        for (entry, rows) in self.entries.iter().zip(tags.chunks_mut(BLOCK_ROWS)) {
            rows[0] = Felt::new(entry.tag.as_u64());
        }
        columns.push(tags);
        if let Some(total) = self.total {
            let mut last = vec![Felt::ZERO; length];
            last[BLOCK_ROWS * total] = Felt::ONE;
            columns.push(last);
        }
        columns
    }
}
