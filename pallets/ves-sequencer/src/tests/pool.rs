// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the transaction pool lets in.

use crate::{BlockLoad, Load, OpenStreams, mock::*};
use polkadot_sdk::{
    frame_support::{
        assert_noop,
        pallet_prelude::{
            InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
        },
    },
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{
    StoreId, StreamId, SubmittedEvent, limits,
    sequencer::{EMPTY_SUBMISSION_CODE, Rejection},
};

fn ask(
    source: TransactionSource,
    events: &[SubmittedEvent],
) -> Result<ValidTransaction, TransactionValidityError> {
    let events = events.to_vec().try_into().expect("within the limit");
    Sequencer::authorize_submission(source, &events).map(|(valid, _)| valid)
}

pub(super) fn pool(
    events: &[SubmittedEvent],
) -> Result<ValidTransaction, TransactionValidityError> {
    ask(TransactionSource::External, events)
}

fn custom(code: u8) -> TransactionValidityError {
    InvalidTransaction::Custom(code).into()
}

#[test]
fn a_good_submission_provides_one_tag_per_event() {
    chain(|| {
        let valid = pool(&[event(1), event(2)]).expect("admitted");
        assert_eq!(valid.provides.len(), 2);
        assert_ne!(valid.provides[0], valid.provides[1]);
        assert!(valid.requires.is_empty());
        assert!(valid.propagate);
        let again = pool(&[event(2)]).expect("admitted");
        assert_eq!(
            again.provides[0], valid.provides[1],
            "one event has one tag, however carried"
        );
    });
}

/// The SDK's pool asserts that the transaction it removes is the one that provides each of its
/// tags: a tag given twice brings every node down that has the transaction in its pool.
#[test]
fn an_event_that_occurs_twice_gives_one_tag() {
    chain(|| {
        let valid = pool(&[event(1), event(2), event(1)]).expect("admitted");
        assert_eq!(valid.provides.len(), 2);
        assert_ne!(valid.provides[0], valid.provides[1]);
    });
}

#[test]
fn junk_with_anothers_event_id_does_not_keep_its_event_out() {
    chain(|| {
        let mine = event(2);
        let mut other_signature = mine.clone();
        other_signature.envelope.agent_signature.0[0] ^= 1;
        let mut other_payload = mine.clone();
        other_payload.payload =
            ves_primitives::Payload::Plain(b"{}".to_vec().try_into().expect("short"));
        let tag = pool(&[mine]).expect("admitted").provides;
        for junk in [other_signature, other_payload] {
            let carried = pool(&[event(1), junk]).expect("later events are judged in the block");
            assert!(!carried.provides.contains(&tag[0]));
        }
    });
}

#[test]
fn nobody_can_call_it_any_other_way() {
    chain(|| {
        for origin in [
            RuntimeOrigin::root(),
            RuntimeOrigin::none(),
            RuntimeOrigin::signed(ADMIN),
        ] {
            let events = vec![event(1)].try_into().expect("one");
            assert_noop!(Sequencer::submit_events(origin, events), BadOrigin);
        }
    });
}

#[test]
fn a_submission_without_events_is_refused() {
    chain(|| assert_eq!(pool(&[]), Err(custom(EMPTY_SUBMISSION_CODE))));
}

#[test]
fn the_first_event_decides_and_its_reason_is_the_answer() {
    chain(|| {
        let mut forged = event(1);
        forged.envelope.agent_signature.0[5] ^= 1;
        let refused = Err(custom(Rejection::InvalidSignature.pool_code()));
        assert_eq!(pool(&[forged.clone(), event(2)]), refused);
        assert!(
            pool(&[event(2), forged]).is_ok(),
            "later events are judged in the block"
        );
        let unknown = event_with(3, |e| e.store_id = StoreId([99; 16]));
        let problem = ves_primitives::registry::AuthorProblem::UnknownStore;
        assert_eq!(
            pool(&[unknown]),
            Err(custom(Rejection::Author(problem).pool_code()))
        );
    });
}

#[test]
fn replays_alone_are_stale_and_do_not_hide_what_follows() {
    chain(|| {
        submit(&[event(1), event(2)]);
        next_block();
        assert_eq!(
            pool(&[event(1), event(2)]),
            Err(InvalidTransaction::Stale.into())
        );
        assert!(pool(&[event(1), event(3)]).is_ok());
        let bad = event_with(3, |e| e.ves_version = 9);
        assert_eq!(
            pool(&[event(1), bad]),
            Err(custom(Rejection::UnsupportedVersion.pool_code()))
        );
    });
}

#[test]
fn in_the_block_everything_is_left_to_the_dispatch() {
    chain(|| {
        let mut forged = event(1);
        forged.envelope.agent_signature.0[5] ^= 1;
        assert!(ask(TransactionSource::InBlock, std::slice::from_ref(&forged)).is_ok());
        submit(&[forged]);
        assert_eq!(only_rejection(), Rejection::InvalidSignature);
    });
}

#[test]
fn a_full_block_puts_submissions_off() {
    chain(|| {
        Load::<Test>::put(BlockLoad {
            events: limits::MAX_EVENTS_PER_BLOCK - 1,
            runs: 0,
        });
        assert!(pool(&[event(1)]).is_ok());
        assert_eq!(
            pool(&[event(1), event(2)]),
            Err(InvalidTransaction::ExhaustsResources.into())
        );
        Load::<Test>::kill();
    });
}

#[test]
fn a_block_full_of_streams_still_takes_events_of_open_ones() {
    chain(|| {
        submit(&[event(1)]);
        for n in 1..limits::MAX_STREAMS_PER_BLOCK {
            let mut id = [0xaa; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            OpenStreams::<Test>::try_append(StreamId(id)).expect("within the limit");
        }
        let elsewhere = event_with(2, |e| e.store_id = OTHER_STORE);
        assert_eq!(
            pool(&[elsewhere]),
            Err(InvalidTransaction::ExhaustsResources.into())
        );
        assert!(pool(&[event(3)]).is_ok());
        OpenStreams::<Test>::mutate(|open| open.truncate(1));
    });
}
