// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Going on when a third of the validators or more is gone for ever.

use crate::{Error, Event, Minimum, PendingRecovery, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    pallet_grandpa,
    sp_consensus_grandpa::ConsensusLog,
};

#[test]
fn the_next_set_is_announced_by_force_when_it_begins() {
    chain(|| {
        // Two of four are gone. Two come, one of them has keys.
        for validator in [5, 6] {
            assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), validator));
        }
        register(5, 0);
        for _ in 0..2 {
            run_session(&[3, 4]);
        }
        assert_eq!(set(), FOUNDERS, "nothing changes without the old votes");
        assert_ok!(Consortium::remove_validator(RuntimeOrigin::root(), 3));
        assert_noop!(
            Consortium::recover_finality(RuntimeOrigin::root(), LENGTH, 7),
            Error::<Test>::DelayTooLong
        );
        assert_ok!(Consortium::recover_finality(RuntimeOrigin::root(), 8, 7));
        let planned = run_session(&[3, 4]);
        assert!(planned.changes.is_empty());
        let begun = run_session(&[3, 4]);
        assert_eq!(set(), [1, 2, 4, 5]);
        assert!(begun.events.contains(&Event::Recovered { session: 4 }));
        let [ConsensusLog::ForcedChange(7, change)] = &begun.changes[..] else {
            panic!("no forced change");
        };
        assert_eq!(change.delay, 8);
        let announced: Vec<_> = change
            .next_authorities
            .iter()
            .map(|(key, _)| key.clone())
            .collect();
        let expected: Vec<_> = [1, 2, 4, 5].map(|v| keys(v, 0).grandpa).into();
        assert_eq!(announced, expected);
        assert!(!PendingRecovery::<Test>::exists());
        assert!(pallet_grandpa::Stalled::<Test>::get().is_none());
    });
}

/// The set that GRANDPA is told to go on with by force, as many as it has.
fn forced(happened: &Happened) -> Option<usize> {
    match &happened.changes[..] {
        [] => None,
        [ConsensusLog::ForcedChange(_, change)] => Some(change.next_authorities.len()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_that_no_set_could_carry_out_is_void_and_says_so() {
    chain(|| {
        run_session(&[3, 4]);
        assert_ok!(Consortium::recover_finality(RuntimeOrigin::root(), 8, 7));
        let dropped = run_session(&[3, 4]);
        assert!(dropped.events.contains(&Event::RecoveryDropped {
            validators: 4,
            present: 2,
            needed: 3
        }));
        assert!(!PendingRecovery::<Test>::exists());
        assert_eq!(Minimum::<Test>::get(), MINIMUM);
        // Back again, they change as always.
        run_session(&[]);
        assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), 5));
        register(5, 0);
        run_session(&[]);
        let begun = run_session(&[]);
        assert!(matches!(
            begun.changes[..],
            [ConsensusLog::ScheduledChange(_)]
        ));
    });
}

#[test]
fn what_the_present_set_could_not_finalize_is_not_planned() {
    const FIVE: [u64; 5] = [1, 2, 3, 4, 5];
    chain_of(&FIVE, 3, || {
        let gone = [4, 5];
        run_session(&gone);
        run_session(&gone);
        for validator in gone {
            assert_ok!(Consortium::remove_validator(
                RuntimeOrigin::root(),
                validator
            ));
        }
        // The three could finalize among themselves, but four of five have to vote for it.
        let held = run_session(&gone);
        assert!(held.events.contains(&Event::ChangeHeldBack {
            validators: 3,
            present: 3,
            needed: 4
        }));
        run_session(&gone);
        assert_eq!(set(), FIVE);
        assert_ok!(Consortium::recover_finality(RuntimeOrigin::root(), 8, 7));
        assert_eq!(forced(&run_session(&gone)), None);
        assert_eq!(forced(&run_session(&gone)), Some(3));
        assert_eq!(set(), [1, 2, 3]);
    });
}

/// They were there when the change was planned, so that the chain has it; but it never became final.
#[test]
fn a_set_that_has_begun_and_was_never_final_takes_over_by_force_too() {
    chain_of(&[1, 2, 3, 4, 5], 3, || {
        let gone = [4, 5];
        for validator in gone {
            assert_ok!(Consortium::remove_validator(
                RuntimeOrigin::root(),
                validator
            ));
        }
        run_session(&[]);
        run_session(&gone);
        assert_eq!(set(), [1, 2, 3]);
        assert_ok!(Consortium::recover_finality(RuntimeOrigin::root(), 8, 7));
        assert_eq!(forced(&run_session(&gone)), None);
        assert_eq!(forced(&run_session(&gone)), Some(3));
        assert_eq!(set(), [1, 2, 3]);
        assert!(!PendingRecovery::<Test>::exists());
    });
}
