// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod adversary;
mod hiding;
mod parameters;
mod proofs;

use crate::Opening;
use ves_primitives::{AmountSalt, CurrencyTag};
use ves_stark_air::{Commitment, Entry, Statement};

fn usd() -> CurrencyTag {
    CurrencyTag::new("USD", 2).unwrap()
}

fn opening(amount: u64, salt: u64) -> Opening {
    Opening::new(
        amount,
        AmountSalt::from_words([salt, salt + 1, !0 >> 1]).unwrap(),
    )
}

fn committed(amount: u64, salt: u64) -> (Opening, Commitment) {
    let opening = opening(amount, salt);
    let commitment = opening.commit(usd()).unwrap();
    (opening, commitment)
}

fn single(amount: u64, limit: u64) -> (Statement, Vec<Opening>) {
    let (opening, commitment) = committed(amount, 11);
    let entry = Entry {
        commitment,
        limit,
        tag: usd(),
    };
    (Statement::single(entry, [9; 32]).unwrap(), vec![opening])
}

fn batch(count: u64) -> (Statement, Vec<Opening>) {
    let (openings, entries) = (0..count)
        .map(|index| {
            let (opening, commitment) = committed(5_000 + index, index);
            (
                opening,
                Entry {
                    commitment,
                    limit: 9_999 + index,
                    tag: usd(),
                },
            )
        })
        .unzip();
    (Statement::batch(entries, [9; 32]).unwrap(), openings)
}

fn budget(amounts: &[u64], previous: u64, limit: u64) -> (Statement, Vec<Opening>) {
    let mut openings = vec![opening(previous, 1)];
    openings.extend(
        amounts
            .iter()
            .enumerate()
            .map(|(at, amount)| opening(*amount, at as u64)),
    );
    openings.push(opening(previous + amounts.iter().sum::<u64>(), 2));
    let c: Vec<Commitment> = openings.iter().map(|o| o.commit(usd()).unwrap()).collect();
    let statement = Statement::budget(
        c[0],
        &c[1..c.len() - 1],
        c[c.len() - 1],
        limit,
        usd(),
        [9; 32],
    );
    (statement.unwrap(), openings)
}
