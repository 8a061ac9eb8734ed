// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Trace geometry, proof options and header bytes: all of them follow from the statement, and a
//! verifier accepts no others.

use crate::{
    Felt, Kind, Statement, blocks,
    layout::{self, single},
    single as single_circuit,
};
use alloc::vec::Vec;
use winter_air::{BatchingMethod, FieldExtension, ProofOptions, TraceInfo, proof::Context};
use winter_utils::Serializable;

/// Blowup of the low-degree extension.
pub const BLOWUP: usize = 32;
/// Leading zero bits of the proof of work before the queries are drawn.
pub const GRINDING: u32 = 12;
/// How many times shorter each FRI layer is.
pub const FOLDING: usize = 4;
/// Bytes of an element of the extension.
pub const EXT_BYTES: usize = 24;
/// Bytes of a base-field element.
pub const FELT_BYTES: usize = 8;
/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;

/// Everything about a proof's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    width: usize,
    length: usize,
    active_rows: usize,
    constraints: usize,
    queries: usize,
    remainder_degree: usize,
    /// Columns of the constraint composition polynomial.
    quotients: usize,
}

impl Shape {
    /// The one form that proofs of this statement have.
    pub fn of(statement: &Statement) -> Self {
        let budget = statement.kind() == Kind::Budget;
        match statement.kind() {
            Kind::Single => Self {
                width: single::WIDTH,
                length: single_circuit::LENGTH,
                active_rows: layout::SINGLE_ROWS,
                constraints: single_circuit::degrees().len() + single_circuit::ASSERTIONS,
                queries: 47,
                // No FRI layer: the whole polynomial of 128 coefficients is the remainder. One
                // layer and a shorter remainder would take 8 KB more (ADR 0009).
                remainder_degree: 127,
                quotients: 3,
            },
            Kind::Batch | Kind::Budget => {
                let blocks = statement.entries().len();
                let length = blocks::length(blocks);
                let padded = blocks::padded(blocks);
                Self {
                    width: layout::blocks::width(budget),
                    length,
                    active_rows: layout::BLOCK_ROWS * padded,
                    constraints: blocks::degrees(length, statement).len()
                        + blocks::assertions(padded, budget),
                    queries: if length > 256 { 48 } else { 47 },
                    remainder_degree: 255,
                    quotients: 4,
                }
            }
        }
    }

    /// Columns of the trace.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows of the trace.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Rows that carry constraints.
    pub const fn active_rows(&self) -> usize {
        self.active_rows
    }

    /// Columns of the constraint composition polynomial.
    pub const fn quotients(&self) -> usize {
        self.quotients
    }

    /// Queries drawn, not all of them distinct.
    pub const fn queries(&self) -> usize {
        self.queries
    }

    /// Points of the low-degree extension.
    pub const fn domain(&self) -> usize {
        self.length * BLOWUP
    }

    /// FRI layers before the remainder.
    pub fn fri_layers(&self) -> usize {
        self.options()
            .to_fri_options()
            .num_fri_layers(self.domain())
    }

    /// Coefficients of the FRI remainder.
    pub fn remainder_len(&self) -> usize {
        (0..self.fri_layers()).fold(self.length, |length, _| length / FOLDING)
    }

    /// Trace dimensions, for winterfell.
    pub fn trace_info(&self) -> TraceInfo {
        TraceInfo::new(self.width, self.length)
    }

    /// The only accepted options: 128 bits proven by list decoding (pinned by a test that asks the
    /// library's estimator).
    pub fn options(&self) -> ProofOptions {
        ProofOptions::new(
            self.queries,
            BLOWUP,
            GRINDING,
            FieldExtension::Cubic,
            FOLDING,
            self.remainder_degree,
            BatchingMethod::Linear,
            BatchingMethod::Linear,
        )
    }

    /// The proof's context, which seeds the transcript.
    pub fn context(&self) -> Context {
        Context::new::<Felt>(self.trace_info(), self.options(), self.constraints)
    }

    /// The bytes every proof of this shape begins with.
    pub fn header(&self) -> Vec<u8> {
        self.context().to_bytes()
    }
}
