// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Who is in the set, and when.

use crate::{Error, Event, Keys, Members, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, traits::Get},
    frame_system, pallet_grandpa, pallet_session,
    sp_consensus_grandpa::ConsensusLog,
    sp_runtime::{
        DispatchError,
        traits::{Dispatchable, Zero},
    },
};

fn add(validator: u64) {
    assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), validator));
}

fn remove(validator: u64) {
    assert_ok!(Consortium::remove_validator(
        RuntimeOrigin::root(),
        validator
    ));
}

/// Adds a validator with keys and waits until it is in the set.
fn join(validator: u64) {
    add(validator);
    register(validator, 0);
    run_session(&[]);
    run_session(&[]);
    assert!(set().contains(&validator), "{validator}");
}

#[test]
fn governance_alone_adds_and_removes_validators() {
    chain(|| {
        for origin in [RuntimeOrigin::signed(1), RuntimeOrigin::none()] {
            assert_noop!(
                Consortium::add_validator(origin.clone(), 5),
                DispatchError::BadOrigin
            );
            assert_noop!(
                Consortium::remove_validator(origin.clone(), 1),
                DispatchError::BadOrigin
            );
            assert_noop!(
                Consortium::reinstate_validator(origin, 1),
                DispatchError::BadOrigin
            );
        }
        add(5);
        assert_noop!(
            Consortium::add_validator(RuntimeOrigin::root(), 5),
            Error::<Test>::ValidatorExists
        );
        assert_noop!(
            Consortium::remove_validator(RuntimeOrigin::root(), 6),
            Error::<Test>::ValidatorNotFound
        );
    });
}

#[test]
fn a_validator_joins_at_the_session_after_the_next_once_it_has_keys() {
    chain(|| {
        add(5);
        let without_keys = run_session(&[]);
        assert!(without_keys.changes.is_empty());
        run_session(&[]);
        assert_eq!(set(), FOUNDERS);
        register(5, 0);
        let planned = run_session(&[]);
        assert_eq!(set(), FOUNDERS);
        assert!(planned.events.contains(&Event::SetChanges {
            session: 4,
            validators: 5
        }));
        let begun = run_session(&[]);
        assert_eq!(set(), [1, 2, 3, 4, 5]);
        // GRANDPA is told by the block that begins the session, and at once.
        let [ConsensusLog::ScheduledChange(change)] = &begun.changes[..] else {
            panic!("{:?} changes", begun.changes.len());
        };
        assert!(change.delay.is_zero());
        assert_eq!(change.next_authorities.len(), 5);
        assert_eq!(Grandpa::current_set_id(), 1);
        // Nothing more follows from it.
        assert!(run_session(&[]).changes.is_empty());
        assert_eq!(Grandpa::current_set_id(), 1);
    });
}

#[test]
fn sessions_without_a_change_tell_nobody_of_a_new_set() {
    chain(|| {
        for _ in 0..2 * KEPT {
            assert!(run_session(&[]).changes.is_empty());
        }
        assert_eq!(Grandpa::current_set_id(), 0);
        // What is remembered has a bound.
        assert_eq!(Keys::<Test>::iter_keys().count() as u64, KEPT);
    });
}

#[test]
fn keys_need_an_admitted_account_and_proof_that_it_has_them() {
    chain(|| {
        // Nobody admitted it; it cannot even transact.
        assert_noop!(
            Session::set_keys(RuntimeOrigin::signed(5), keys(5, 0), ownership(5, 5, 0)),
            pallet_session::Error::<Test>::NoAssociatedValidatorId
        );
        add(5);
        for proof in [vec![], ownership(1, 5, 0), ownership(5, 5, 1)] {
            assert_noop!(
                Session::set_keys(RuntimeOrigin::signed(5), keys(5, 0), proof),
                pallet_session::Error::<Test>::InvalidProof
            );
        }
        // Another's keys, with a proof of its own making.
        let stolen = ownership(5, 1, 0);
        assert_noop!(
            Session::set_keys(RuntimeOrigin::signed(5), keys(1, 0), stolen),
            pallet_session::Error::<Test>::DuplicatedKey
        );
        register(5, 0);
        assert_eq!(frame_system::Pallet::<Test>::consumers(&5), 1);
    });
}

#[test]
fn a_validator_changes_its_keys_itself() {
    chain(|| {
        register(2, 1);
        run_session(&[]);
        assert_eq!(Grandpa::current_set_id(), 0);
        let begun = run_session(&[]);
        assert_eq!(begun.changes.len(), 1);
        assert_eq!(set(), FOUNDERS);
        let in_use = &Keys::<Test>::get(2).unwrap()[1];
        assert_eq!(in_use.votes, keys(2, 1).grandpa.into_inner().0);
        assert_eq!(in_use.blocks, keys(2, 1).aura.into_inner().0);
        assert_eq!(
            pallet_grandpa::Authorities::<Test>::get()[1].0,
            keys(2, 1).grandpa
        );
    });
}

#[test]
fn a_removed_validator_leaves_and_is_forgotten() {
    chain(|| {
        join(5);
        remove(2);
        assert_noop!(
            Consortium::remove_validator(RuntimeOrigin::root(), 2),
            Error::<Test>::ValidatorNotFound
        );
        run_session(&[]);
        let begun = run_session(&[]);
        assert_eq!(set(), [1, 3, 4, 5]);
        assert_eq!(begun.changes.len(), 1);
        assert!(
            begun
                .events
                .contains(&Event::ValidatorLeft { validator: 2 })
        );
        assert!(Session::load_keys(&2).is_none());
        assert!(Members::<Test>::get().iter().all(|m| m.account != 2));
        assert!(!frame_system::Pallet::<Test>::account_exists(&2));
        // It may come back, by another decision.
        join(2);
    });
}

#[test]
fn one_that_never_had_keys_is_removed_without_ado() {
    chain(|| {
        add(5);
        remove(5);
        run_session(&[]);
        assert!(Members::<Test>::get().iter().all(|m| m.account != 5));
        assert!(!frame_system::Pallet::<Test>::account_exists(&5));
    });
}

#[test]
fn the_set_never_falls_below_its_minimum() {
    chain(|| {
        assert_noop!(
            Consortium::remove_validator(RuntimeOrigin::root(), 1),
            Error::<Test>::TooFewValidators
        );
        // One that is only announced does not count.
        add(5);
        assert_noop!(
            Consortium::remove_validator(RuntimeOrigin::root(), 1),
            Error::<Test>::TooFewValidators
        );
        register(5, 0);
        remove(1);
        assert_noop!(
            Consortium::remove_validator(RuntimeOrigin::root(), 3),
            Error::<Test>::TooFewValidators
        );
    });
}

#[test]
fn newcomers_join_no_faster_than_the_others_could_do_without_them() {
    chain(|| {
        for validator in 5..=8 {
            add(validator);
            register(validator, 0);
        }
        // Four finalize without a fifth, five without a sixth: 5 - 1 = 4, 6 - 1 = 5, 7 - 2 = 5.
        let sizes: Vec<_> = (0..5)
            .map(|_| {
                run_session(&[]);
                set().len()
            })
            .collect();
        assert_eq!(sizes, [4, 5, 7, 8, 8]);
    });
}

#[test]
fn nobody_joins_while_too_few_are_present() {
    chain(|| {
        add(5);
        register(5, 0);
        let silent = run_session(&[4]);
        assert!(silent.events.contains(&Event::ValidatorAbsent {
            validator: 4,
            session: 0
        }));
        run_session(&[4]);
        assert_eq!(set(), FOUNDERS);
        run_session(&[]);
        run_session(&[]);
        assert_eq!(set(), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_set_that_could_not_finalize_is_held_back() {
    chain(|| {
        join(5);
        // 1 is removed while 2 does not run: of the four that remain three are present, enough.
        // With 3 silent as well they are two, too few.
        remove(1);
        let held = run_session(&[2, 3]);
        assert!(held.events.contains(&Event::ChangeHeldBack {
            validators: 4,
            present: 2,
            needed: 4
        }));
        run_session(&[2]);
        assert_eq!(set(), [1, 2, 3, 4, 5]);
        run_session(&[2]);
        assert_eq!(set(), [2, 3, 4, 5]);
    });
}

#[test]
fn one_that_makes_no_block_is_reported_and_stays() {
    chain(|| {
        for session in 0..3 {
            let happened = run_session(&[3]);
            let absent: Vec<_> = happened
                .events
                .into_iter()
                .filter(|event| matches!(event, Event::ValidatorAbsent { .. }))
                .collect();
            assert_eq!(
                absent,
                [Event::ValidatorAbsent {
                    validator: 3,
                    session
                }]
            );
        }
        assert_eq!(set(), FOUNDERS);
        assert!(Session::disabled_validators().is_empty());
    });
}

#[test]
fn a_session_that_is_too_short_for_everybodys_turn_reports_nobody() {
    let founders: Vec<_> = (1..=6).collect();
    chain_of(&founders, MINIMUM, || {
        // Ten blocks by six validators are fewer than two turns each.
        let happened = run_session(&[6]);
        assert!(
            happened
                .events
                .iter()
                .all(|event| !matches!(event, Event::ValidatorAbsent { .. }))
        );
    });
}

#[test]
fn there_is_room_for_a_limited_number() {
    chain(|| {
        for validator in 5..=16 {
            add(validator);
        }
        assert_noop!(
            Consortium::add_validator(RuntimeOrigin::root(), 17),
            Error::<Test>::TooManyValidators
        );
    });
}

#[test]
fn the_end_of_a_session_leaves_the_block_to_transactions() {
    chain(|| {
        run_session(&[]);
        let used = System::block_weight().total();
        let most = <<Test as frame_system::Config>::BlockWeights as Get<
            frame_system::limits::BlockWeights,
        >>::get()
        .max_block;
        assert!(used.ref_time() < most.ref_time() / 10, "{used}");
    });
}

#[test]
fn no_call_of_the_pallet_is_open_to_everybody_but_the_report() {
    chain(|| {
        let hash = Default::default();
        let calls: [RuntimeCall; 6] = [
            crate::Call::add_validator { validator: 9 }.into(),
            crate::Call::remove_validator { validator: 1 }.into(),
            crate::Call::reinstate_validator { validator: 1 }.into(),
            crate::Call::set_council {
                members: vec![9].try_into().unwrap(),
            }
            .into(),
            crate::Call::authorize_upgrade { code_hash: hash }.into(),
            crate::Call::recover_finality {
                delay: 1,
                best_finalized: 1,
            }
            .into(),
        ];
        for call in calls {
            for origin in [RuntimeOrigin::signed(100), RuntimeOrigin::none()] {
                let refused = call.clone().dispatch(origin).unwrap_err();
                assert_eq!(refused.error, DispatchError::BadOrigin);
            }
        }
        let header = Box::new(unsealed(1, 1, 0));
        let report: RuntimeCall = crate::Call::report_double_block {
            offender: Default::default(),
            first: header.clone(),
            second: header,
        }
        .into();
        for origin in [
            RuntimeOrigin::signed(100),
            RuntimeOrigin::none(),
            RuntimeOrigin::root(),
        ] {
            let refused = report.clone().dispatch(origin).unwrap_err();
            assert_eq!(refused.error, DispatchError::BadOrigin);
        }
    });
}
