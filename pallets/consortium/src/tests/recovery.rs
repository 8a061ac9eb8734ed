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

#[test]
fn without_another_set_there_is_nothing_to_go_on_with() {
    chain(|| {
        assert_ok!(Consortium::recover_finality(RuntimeOrigin::root(), 8, 7));
        for _ in 0..3 {
            assert!(run_session(&[]).changes.is_empty());
        }
        // The order stands until there is one.
        assert!(PendingRecovery::<Test>::exists());
        assert_eq!(Minimum::<Test>::get(), MINIMUM);
    });
}
