// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Two blocks of one author for one slot.

use crate::{Error, Event, MAX_HEADER_BYTES, mock::*};
use polkadot_sdk::{
    frame_support::pallet_prelude::{DispatchResult, InvalidTransaction, TransactionSource},
    sp_core::{Pair, sr25519},
    sp_runtime::DigestItem,
};

/// Two blocks number 3 of validator 2 for slot 33, at block 10.
fn evidence() -> (sr25519::Public, Header, Header) {
    run_session(&[]);
    let key = block_pair(2, 0);
    let pair = [1, 2].map(|salt| sealed(unsealed(3, 33, salt), &key));
    let [first, second] = pair;
    (key.public(), first, second)
}

fn judge(offender: sr25519::Public, first: &Header, second: &Header) -> DispatchResult {
    let pool =
        Consortium::authorize_double_block(TransactionSource::External, &offender, first, second);
    let chain = Consortium::do_report_double_block(&offender, first, second);
    assert_eq!(pool.is_ok(), chain.is_ok(), "pool and chain agree");
    chain.map_err(Into::into)
}

fn refused(why: Error<Test>) -> DispatchResult {
    Err(why.into())
}

#[test]
fn two_blocks_for_one_slot_expel_their_author() {
    chain(|| {
        let (offender, first, second) = evidence();
        assert_eq!(judge(offender, &first, &second), Ok(()));
        assert_eq!(
            events(),
            [Event::ValidatorExpelled {
                validator: 2,
                offence: crate::DOUBLE_BLOCK,
                session: 0
            }]
        );
        // Reported again, in whatever order, it is old news.
        for (first, second) in [(&first, &second), (&second, &first)] {
            assert_eq!(
                judge(offender, first, second),
                refused(Error::AlreadyExpelled)
            );
        }
        let pool = Consortium::authorize_double_block(
            TransactionSource::External,
            &offender,
            &first,
            &second,
        );
        assert_eq!(pool.unwrap_err(), InvalidTransaction::Stale.into());
    });
}

#[test]
fn everything_else_is_no_proof() {
    chain(|| {
        let (offender, first, second) = evidence();
        let key = block_pair(2, 0);
        // One block, also with a second seal: sr25519 signs differently every time.
        assert_eq!(
            judge(offender, &first, &first),
            refused(Error::NoDoubleBlock)
        );
        let resealed = sealed(unsealed(3, 33, 1), &key);
        assert_ne!(resealed, first);
        assert_eq!(
            judge(offender, &first, &resealed),
            refused(Error::NoDoubleBlock)
        );
        // Two slots.
        let later = sealed(unsealed(3, 37, 2), &key);
        assert_eq!(
            judge(offender, &first, &later),
            refused(Error::NoDoubleBlock)
        );
        // Another's seal, an altered header, no seal, no slot.
        let foreign = sealed(unsealed(3, 33, 2), &block_pair(3, 0));
        assert_eq!(judge(offender, &first, &foreign), refused(Error::BadSeal));
        let mut altered = second.clone();
        altered.state_root = [1; 32].into();
        assert_eq!(judge(offender, &first, &altered), refused(Error::BadSeal));
        assert_eq!(
            judge(offender, &first, &unsealed(3, 33, 2)),
            refused(Error::BadSeal)
        );
        let mut slotless = unsealed(3, 33, 2);
        slotless.digest.logs.clear();
        assert_eq!(
            judge(offender, &first, &sealed(slotless, &key)),
            refused(Error::NoDoubleBlock)
        );
        // An honest validator is not blamed for it.
        assert_eq!(
            judge(block_pair(3, 0).public(), &first, &second),
            refused(Error::BadSeal)
        );
        // Somebody who is none.
        let stranger = block_pair(9, 0);
        let [a, b] = [1, 2].map(|salt| sealed(unsealed(3, 33, salt), &stranger));
        assert_eq!(
            judge(stranger.public(), &a, &b),
            refused(Error::NotAccountable)
        );
        assert_eq!(events(), []);
    });
}

#[test]
fn blocks_of_another_chain_under_the_same_key_are_no_proof() {
    chain(|| {
        let (offender, first, _) = evidence();
        let key = block_pair(2, 0);
        let mut elsewhere = unsealed(3, 33, 2);
        elsewhere.parent_hash = [8; 32].into();
        assert_eq!(
            judge(offender, &first, &sealed(elsewhere, &key)),
            refused(Error::UnknownParent)
        );
        // A height that is still to come has no parent here either.
        let mut ahead = unsealed(3, 33, 2);
        ahead.number = 400;
        assert_eq!(
            judge(offender, &first, &sealed(ahead.clone(), &key)),
            refused(Error::NotAccountable)
        );
        ahead.number = 0;
        assert_eq!(
            judge(offender, &first, &sealed(ahead, &key)),
            refused(Error::NotAccountable)
        );
    });
}

#[test]
fn a_header_is_limited_before_it_is_hashed() {
    chain(|| {
        let (offender, first, _) = evidence();
        let mut long = unsealed(3, 33, 2);
        long.digest
            .push(DigestItem::Other(vec![0; MAX_HEADER_BYTES]));
        assert_eq!(
            judge(offender, &first, &sealed(long, &block_pair(2, 0))),
            refused(Error::HeaderTooLong)
        );
    });
}

#[test]
fn the_block_that_ends_a_session_is_the_old_sets() {
    chain(|| {
        register(2, 1);
        run_session(&[]);
        run_session(&[]);
        run_session(&[]);
        // Block 20 began session 2 with the new key, and was made with the old one.
        let (old, new) = (block_pair(2, 0), block_pair(2, 1));
        let made_with = |key: &sr25519::Pair, number| {
            let [a, b] = [1, 2].map(|salt| sealed(unsealed(number, 77, salt), key));
            judge(key.public(), &a, &b)
        };
        assert_eq!(made_with(&new, 20), refused(Error::NotAccountable));
        assert_eq!(made_with(&old, 21), refused(Error::NotAccountable));
        assert_eq!(made_with(&old, 20), Ok(()));
    });
}

#[test]
fn in_the_block_the_seals_are_left_to_the_dispatch() {
    chain(|| {
        let (offender, first, _) = evidence();
        let forged = sealed(unsealed(3, 33, 2), &block_pair(3, 0));
        let admitted = Consortium::authorize_double_block(
            TransactionSource::InBlock,
            &offender,
            &first,
            &forged,
        );
        assert!(admitted.is_ok());
        let judged = Consortium::do_report_double_block(&offender, &first, &forged);
        assert_eq!(judged.map_err(Into::into), refused(Error::BadSeal));
    });
}
