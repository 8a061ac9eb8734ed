// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bytes behind the right header, to a verdict. Start it from the corpus of `proof_edits`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use ves_primitives::{AmountSalt, CurrencyTag};
use ves_stark_air::{Entry, Shape, Statement};
use ves_stark_prover::Opening;

static STATEMENT: LazyLock<Statement> = LazyLock::new(|| {
    let tag = CurrencyTag::new("USD", 2).unwrap();
    let opening = Opening::new(5_000, AmountSalt::from_words([1, 2, 3]).unwrap());
    let commitment = opening.commit(tag).unwrap();
    let entry = Entry {
        commitment,
        limit: 9_999,
        tag,
    };
    Statement::single(entry, [1; 32]).unwrap()
});

fuzz_target!(|bytes: &[u8]| {
    let mut proof = Shape::of(&STATEMENT).header();
    proof.extend_from_slice(bytes);
    assert!(ves_stark_verifier::verify(&proof, &STATEMENT).is_err());
    assert!(ves_stark_verifier::verify(bytes, &STATEMENT).is_err());
});
