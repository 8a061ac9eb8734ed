// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What can and cannot be proven, and what a proof is good for.

use super::{batch, budget, committed, opening, single, usd};
use crate::{Opening, ProveError, Stage, prove};
use ves_primitives::{
    AmountSalt, CurrencyTag,
    amount::{MAX_AMOUNT, MAX_BUDGET_LIMIT},
};
use ves_stark_air::{Entry, Kind, Statement, StatementError};
use ves_stark_verifier::{VerifyError, verify};

fn proven(statement: &Statement, openings: &[Opening]) -> Vec<u8> {
    prove(statement, openings, &mut |_| ()).unwrap()
}

#[test]
fn every_kind_of_statement_is_proven_and_verified() {
    for (statement, openings) in [
        single(5_000, 9_999),
        single(9_999, 9_999),
        single(0, 0),
        single(MAX_AMOUNT, MAX_AMOUNT),
        single(1 << 63, MAX_AMOUNT - 1),
        batch(1),
        batch(8),
        batch(13),
        budget(&[5], 0, 5),
        budget(&[0], 0, 0),
        budget(&[100, 200, 300], 400, 1_000),
        budget(
            &[MAX_BUDGET_LIMIT / 2],
            MAX_BUDGET_LIMIT / 2,
            MAX_BUDGET_LIMIT,
        ),
    ] {
        let proof = proven(&statement, &openings);
        let verified = verify(&proof, &statement).unwrap();
        assert_eq!(verified.kind(), statement.kind());
        assert_eq!(verified.bytes() as usize, proof.len());
    }
}

#[test]
fn the_largest_batch_is_proven_and_verified_within_the_cap() {
    let (openings, entries): (Vec<_>, Vec<_>) = (0..128)
        .map(|index| {
            let (opening, commitment) = committed(index, index);
            (
                opening,
                Entry {
                    commitment,
                    limit: 200,
                    tag: usd(),
                },
            )
        })
        .unzip();
    let statement = Statement::batch(entries.clone(), [0; 32]).unwrap();
    assert!(verify(&proven(&statement, &openings), &statement).is_ok());
    let too_many = [entries.as_slice(), &entries[..1]].concat();
    assert_eq!(
        Statement::batch(too_many, [0; 32]),
        Err(StatementError::TooManyEvents)
    );
}

#[test]
fn false_statements_are_refused_before_proving() {
    let refused = |statement: &Statement, openings: &[Opening]| {
        prove(statement, openings, &mut |_| panic!("no work may begin")).unwrap_err()
    };
    let (statement, openings) = single(10_000, 9_999);
    assert_eq!(
        refused(&statement, &openings),
        ProveError::OverLimit { index: 0 }
    );
    let (statement, _) = single(1, 9_999);
    assert_eq!(
        refused(&statement, &[opening(2, 11)]),
        ProveError::Commitment { index: 0 }
    );
    assert_eq!(
        refused(&statement, &[opening(1, 12)]),
        ProveError::Commitment { index: 0 }
    );
    assert_eq!(
        refused(&statement, &[]),
        ProveError::OpeningCount {
            given: 0,
            expected: 1
        }
    );
    let (statement, mut openings) = budget(&[1, 2], 3, 10);
    openings.swap(0, 3);
    assert_eq!(
        refused(&statement, &openings),
        ProveError::Commitment { index: 0 }
    );
    let (a, c1) = committed(1, 1);
    let (b, c2) = committed(5, 2);
    let wrong_sum = Statement::budget(c1, &[c1], c2, 10, usd(), [0; 32]).unwrap();
    assert_eq!(refused(&wrong_sum, &[a.clone(), a, b]), ProveError::Total);
}

#[test]
fn numbers_that_are_no_field_elements_have_no_commitment() {
    let salt = AmountSalt::from_words([1, 2, 3]).unwrap();
    assert!(Opening::new(MAX_AMOUNT, salt).commit(usd()).is_ok());
    for amount in [MAX_AMOUNT + 1, u64::MAX] {
        assert_eq!(
            Opening::new(amount, salt).commit(usd()),
            Err(ProveError::AmountTooLarge)
        );
    }
}

#[test]
fn limits_that_could_wrap_make_no_statement() {
    let (_, c) = committed(1, 1);
    let entry = Entry {
        commitment: c,
        limit: MAX_AMOUNT + 1,
        tag: usd(),
    };
    assert_eq!(
        Statement::single(entry, [0; 32]),
        Err(StatementError::LimitTooLarge)
    );
    assert_eq!(
        Statement::budget(c, &[c], c, MAX_BUDGET_LIMIT + 1, usd(), [0; 32]),
        Err(StatementError::BudgetTooLarge)
    );
    assert_eq!(
        Statement::budget(c, &[], c, 1, usd(), [0; 32]),
        Err(StatementError::Empty)
    );
    assert_eq!(
        Statement::batch(vec![], [0; 32]),
        Err(StatementError::Empty)
    );
}

#[test]
fn a_proof_serves_no_other_statement() {
    let (statement, openings) = single(5_000, 9_999);
    let proof = proven(&statement, &openings);
    let entry = statement.entries()[0];
    let (_, other_commitment) = committed(5_000, 12);
    let eur = CurrencyTag::new("EUR", 2).unwrap();
    let cents = CurrencyTag::new("USD", 3).unwrap();
    for (changed, context) in [
        (
            Entry {
                limit: 9_998,
                ..entry
            },
            [9; 32],
        ),
        (
            Entry {
                limit: 10_000,
                ..entry
            },
            [9; 32],
        ),
        (Entry { tag: eur, ..entry }, [9; 32]),
        (
            Entry {
                tag: cents,
                ..entry
            },
            [9; 32],
        ),
        (
            Entry {
                commitment: other_commitment,
                ..entry
            },
            [9; 32],
        ),
        (entry, [8; 32]),
    ] {
        let other = Statement::single(changed, context).unwrap();
        let verdict = verify(&proof, &other).unwrap_err();
        assert!(
            matches!(
                verdict,
                VerifyError::ProofOfWork
                    | VerifyError::Positions
                    | VerifyError::Structure
                    | VerifyError::Invalid
            ),
            "{verdict:?}"
        );
    }
    let as_batch = Statement::batch(vec![entry], [9; 32]).unwrap();
    assert_eq!(verify(&proof, &as_batch), Err(VerifyError::Header));
}

#[test]
fn the_order_of_a_batch_is_part_of_its_statement() {
    let (statement, openings) = batch(3);
    let proof = proven(&statement, &openings);
    let mut swapped = statement.entries().to_vec();
    swapped.swap(0, 1);
    let swapped = Statement::batch(swapped, *statement.context()).unwrap();
    assert!(verify(&proof, &swapped).is_err());
    // Five entries share the padded shape of three; only the transcript tells them apart.
    let (five, _) = batch(5);
    assert!(verify(&proof, &five).is_err());
}

#[test]
fn stages_are_reported_in_order() {
    let (statement, openings) = single(1, 2);
    let mut seen = Vec::new();
    prove(&statement, &openings, &mut |stage| seen.push(stage)).unwrap();
    assert_eq!(seen, [Stage::Trace, Stage::Prove, Stage::Check]);
    assert_eq!(statement.kind(), Kind::Single);
}
