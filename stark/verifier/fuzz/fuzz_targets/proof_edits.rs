// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Edits of valid proofs: any change but the empty one must be refused.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use ves_primitives::{AmountSalt, CurrencyTag};
use ves_stark_air::{Entry, Statement};
use ves_stark_prover::{Opening, prove};

#[derive(Arbitrary, Debug)]
enum Edit {
    Set(u16, u8),
    Insert(u16, Vec<u8>),
    Remove(u16, u8),
    Copy(u16, u16, u8),
    Truncate(u16),
}

static CASES: LazyLock<Vec<(Statement, Vec<u8>)>> = LazyLock::new(|| {
    let tag = CurrencyTag::new("USD", 2).unwrap();
    [1u64, 3, 13]
        .map(|events| {
            let openings: Vec<Opening> = (0..events)
                .map(|index| Opening::new(5_000, AmountSalt::from_words([index, 2, 3]).unwrap()))
                .collect();
            let entries: Vec<Entry> = openings
                .iter()
                .map(|opening| Entry {
                    commitment: opening.commit(tag).unwrap(),
                    limit: 9_999,
                    tag,
                })
                .collect();
            let statement = match entries.as_slice() {
                [one] => Statement::single(*one, [1; 32]),
                _ => Statement::batch(entries, [1; 32]),
            }
            .unwrap();
            let proof = prove(&statement, &openings, &mut |_| ()).unwrap();
            (statement, proof)
        })
        .into()
});

fuzz_target!(|input: (u8, Vec<Edit>)| {
    let (which, edits) = input;
    let (statement, original) = &CASES[usize::from(which) % CASES.len()];
    let mut proof = original.clone();
    for edit in edits {
        let length = proof.len().max(1);
        let at = |position: u16| usize::from(position) % length;
        match edit {
            Edit::Set(position, value) => {
                if let Some(byte) = proof.get_mut(at(position)) {
                    *byte = value;
                }
            }
            Edit::Insert(position, bytes) => {
                let at = at(position).min(proof.len());
                proof.splice(at..at, bytes);
            }
            Edit::Remove(position, count) => {
                let start = at(position).min(proof.len());
                let end = (start + usize::from(count)).min(proof.len());
                proof.drain(start..end);
            }
            Edit::Copy(from, to, count) => {
                let (from, to) = (at(from), at(to));
                let count = usize::from(count).min(proof.len() - from.max(to).min(proof.len()));
                proof.copy_within(from..from + count, to);
            }
            Edit::Truncate(position) => proof.truncate(at(position)),
        }
    }
    let verdict = ves_stark_verifier::verify(&proof, statement);
    assert_eq!(verdict.is_ok(), &proof == original);
});
