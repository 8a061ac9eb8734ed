// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What follows from an offence.

use crate::{Error, Event, KeyOwnership, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok, traits::KeyOwnerProofSystem},
    sp_core::{Pair, crypto::key_types},
    sp_runtime::Perbill,
};
use sp_staking::offence::{Kind, Offence, OffenceError, ReportOffence};

/// An offence of any kind.
struct Deed(u64, u32);

impl Offence<u64> for Deed {
    const ID: Kind = *b"of any kind at a";
    type Slot = u64;

    fn offenders(&self) -> Vec<u64> {
        vec![self.0]
    }

    fn session_index(&self) -> u32 {
        self.1
    }

    fn validator_set_count(&self) -> u32 {
        4
    }

    fn slot(&self) -> u64 {
        0
    }

    fn slash_fraction(&self, _: u32) -> Perbill {
        Perbill::zero()
    }
}

fn report(validator: u64) -> Result<(), OffenceError> {
    <Consortium as ReportOffence<u64, u64, Deed>>::report_offence(vec![], Deed(validator, 0))
}

fn check(validator: u64, turn: u32, proof: KeyOwnership) -> Option<u64> {
    let key = (key_types::GRANDPA, vote_pair(validator, turn).public());
    Consortium::check_proof(key, proof)
}

#[test]
fn an_expelled_validator_makes_no_more_blocks_and_leaves_as_soon_as_the_set_can_do_without_it() {
    chain(|| {
        assert_ok!(report(3));
        assert!(Session::disabled_validators().contains(&2));
        // Four are needed, so that it stays, without blocks, and it is said why.
        let held = run_session(&[]);
        assert!(held.events.contains(&Event::ChangeHeldBack {
            validators: 3,
            present: 3,
            needed: 4
        }));
        run_session(&[]);
        assert_eq!(set(), FOUNDERS);
        assert_eq!(Session::disabled_validators(), [2]);
        assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), 5));
        register(5, 0);
        run_session(&[]);
        let begun = run_session(&[]);
        assert_eq!(set(), [1, 2, 4, 5]);
        assert_eq!(begun.changes.len(), 1);
        assert!(Session::disabled_validators().is_empty());
        // Until the council decides it is remembered, and does not come back.
        run_session(&[]);
        run_session(&[]);
        assert_eq!(set(), [1, 2, 4, 5]);
    });
}

#[test]
fn a_validator_is_expelled_once() {
    chain(|| {
        assert!(!<Consortium as ReportOffence<u64, u64, Deed>>::is_known_offence(&[3], &0));
        assert_ok!(report(3));
        assert_eq!(
            events().last(),
            Some(&Event::ValidatorExpelled {
                validator: 3,
                offence: Deed::ID,
                session: 0
            })
        );
        assert!(<Consortium as ReportOffence<u64, u64, Deed>>::is_known_offence(&[3], &0));
        assert!(matches!(report(3), Err(OffenceError::DuplicateReport)));
        assert!(matches!(report(9), Err(OffenceError::DuplicateReport)));
    });
}

#[test]
fn a_third_and_more_are_expelled_but_the_chain_goes_on() {
    chain(|| {
        for validator in [1, 2, 3] {
            assert_ok!(report(validator));
        }
        // One of four may fail; if the others had no turns either, nobody could tell what comes next.
        assert_eq!(Session::disabled_validators(), [0]);
        run_session(&[]);
        assert_eq!(set(), FOUNDERS);
    });
    chain_of(&[1], 1, || {
        assert_ok!(report(1));
        assert!(Session::disabled_validators().is_empty());
        run_session(&[]);
        assert_eq!(set(), [1]);
    });
}

#[test]
fn the_council_takes_a_validator_back_and_what_was_before_does_not_count_any_more() {
    chain(|| {
        assert_noop!(
            Consortium::reinstate_validator(RuntimeOrigin::root(), 3),
            Error::<Test>::NotExpelled
        );
        let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        assert_eq!(check(3, 0, proof.clone()), Some(3));
        assert_ok!(report(3));
        assert_ok!(Consortium::reinstate_validator(RuntimeOrigin::root(), 3));
        assert!(Session::disabled_validators().is_empty());
        assert_eq!(check(3, 0, proof.clone()), None);
        // Nor under the name of a later session of the same set: votes do not tell the session.
        assert!(run_session(&[]).changes.is_empty());
        assert_eq!(check(3, 0, proof.clone()), None);
        let next = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        assert_eq!((next.session, check(3, 0, next)), (1, None));
        // With a new set of the same validators it answers again.
        let begun = run_session(&[]);
        assert_eq!((begun.changes.len(), set()), (1, FOUNDERS.to_vec()));
        assert_eq!(check(3, 0, proof), None);
        let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        assert_eq!(check(3, 0, proof), Some(3));
        assert!(run_session(&[]).changes.is_empty(), "one new set is enough");
    });
}

#[test]
fn the_new_set_for_one_that_is_taken_back_waits_until_the_present_one_could_finalize_it() {
    chain(|| {
        assert_ok!(report(3));
        run_session(&[1, 2]);
        assert_ok!(Consortium::reinstate_validator(RuntimeOrigin::root(), 3));
        for _ in 0..3 {
            assert!(run_session(&[1, 2]).changes.is_empty());
            let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
            assert_eq!(check(3, 0, proof), None);
        }
        run_session(&[]);
        assert_eq!(run_session(&[]).changes.len(), 1);
        let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        assert_eq!(check(3, 0, proof), Some(3));
    });
}

#[test]
fn keys_are_known_by_the_session_they_signed_in_however_soon_they_were_changed() {
    chain(|| {
        register(3, 1);
        let before = ownership_of_vote_key(&vote_pair(3, 0)).expect("is still in use");
        assert_eq!(ownership_of_vote_key(&vote_pair(3, 1)), None);
        run_session(&[]);
        run_session(&[]);
        assert_eq!(check(3, 0, before.clone()), Some(3));
        assert_eq!(ownership_of_vote_key(&vote_pair(3, 0)), None);
        let now = ownership_of_vote_key(&vote_pair(3, 1)).expect("is in use");
        assert_eq!(now.session, 2);
        assert_eq!(check(3, 1, now), Some(3));
        // A wrong session, a wrong number of validators, another's key.
        assert_eq!(check(3, 1, before.clone()), None);
        let miscounted = KeyOwnership {
            validators: 5,
            ..before.clone()
        };
        assert_eq!(check(3, 0, miscounted), None);
        assert_eq!(check(9, 0, before), None);
    });
}

#[test]
fn an_offence_is_forgotten_with_the_keys_of_its_session() {
    chain(|| {
        let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        for _ in 1..KEPT {
            run_session(&[]);
            assert_eq!(check(3, 0, proof.clone()), Some(3));
        }
        run_session(&[]);
        assert_eq!(check(3, 0, proof), None);
    });
}

#[test]
fn who_has_left_answers_for_nothing() {
    chain(|| {
        assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), 5));
        register(5, 0);
        assert_ok!(Consortium::remove_validator(RuntimeOrigin::root(), 3));
        let proof = ownership_of_vote_key(&vote_pair(3, 0)).unwrap();
        for _ in 0..2 {
            run_session(&[]);
        }
        assert_eq!(set(), [1, 2, 4, 5]);
        assert_eq!(check(3, 0, proof), None);
        assert!(report(3).is_err());
    });
}

#[test]
fn one_that_is_expelled_while_it_leaves_still_leaves() {
    chain(|| {
        assert_ok!(Consortium::add_validator(RuntimeOrigin::root(), 5));
        register(5, 0);
        assert_ok!(Consortium::remove_validator(RuntimeOrigin::root(), 3));
        assert_ok!(report(3));
        run_session(&[]);
        let left = run_session(&[]);
        assert!(left.events.contains(&Event::ValidatorLeft { validator: 3 }));
    });
}
