// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Submissions whose proofs hold, made once, since the chain cannot prove. The test
//! `fixtures_are_made_anew` makes them; others show that they hold.

use alloc::vec::Vec;
use codec::{Decode, DecodeAll, Encode};
use ves_primitives::{
    AgentId, BatchCommitment, SigningPublicKey,
    proof::{BatchProofSubmission, ProofSubmission},
    sequencer::EventRecord,
};

/// A proof about one event, and what the chain must know for it.
#[derive(Clone, Encode, Decode)]
pub(crate) struct EventFixture {
    pub(crate) key: SigningPublicKey,
    pub(crate) record: EventRecord,
    pub(crate) submission: ProofSubmission,
}

/// A proof about a batch, and what the chain must know for it.
#[derive(Clone, Encode, Decode)]
pub(crate) struct BatchFixture {
    pub(crate) keys: Vec<(AgentId, SigningPublicKey)>,
    pub(crate) batch: BatchCommitment,
    pub(crate) submission: BatchProofSubmission,
}

fn decode<F: Decode>(mut bytes: &[u8]) -> F {
    F::decode_all(&mut bytes).expect("fixtures are what `fixtures_are_made_anew` wrote")
}

pub(crate) fn event() -> EventFixture {
    decode(include_bytes!("fixtures/event.scale"))
}

pub(crate) fn budget() -> EventFixture {
    decode(include_bytes!("fixtures/budget.scale"))
}

pub(crate) fn batch_12() -> BatchFixture {
    decode(include_bytes!("fixtures/batch-12.scale"))
}

pub(crate) fn batch_28() -> BatchFixture {
    decode(include_bytes!("fixtures/batch-28.scale"))
}

pub(crate) fn batch_60() -> BatchFixture {
    decode(include_bytes!("fixtures/batch-60.scale"))
}

pub(crate) fn batch_124() -> BatchFixture {
    decode(include_bytes!("fixtures/batch-124.scale"))
}

pub(crate) fn batch_128() -> BatchFixture {
    decode(include_bytes!("fixtures/batch-128.scale"))
}
