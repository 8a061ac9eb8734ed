// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Steps of a running total.

use super::{does_not_hold, refused};
use crate::{Event, mock::*};
use ves_primitives::{AmountCommitment, Policy, limits, proof::ProofRefusal};

const LIMIT: u64 = 1_000;

fn total() -> Option<AmountCommitment> {
    let policy = Policy::AgentBudget {
        budget_limit: LIMIT,
    };
    crate::BudgetTotals::<Test>::get((stream(), AGENT, policy.hash()))
}

#[test]
fn a_budget_starts_at_nothing_and_every_step_where_the_last_ended() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let (nothing, first, second) = (opening(0, 0), opening(400, 1), opening(1_000, 2));
        assert_eq!(total(), None);
        let one = step(&event(1), LIMIT, &nothing, &opening(400, 7), &first);
        assert!(pool(&one).is_ok());
        submit(&one);
        assert!(matches!(
            outcome(),
            Event::ProofVerified { limit: LIMIT, .. }
        ));
        assert_eq!(total(), Some(committed(&first)));
        let two = step(&event(2), LIMIT, &first, &opening(600, 8), &second);
        submit(&two);
        assert_eq!(total(), Some(committed(&second)));
        let records = Verifier::proofs_of_event(stream(), event(2).envelope.event_id);
        assert_eq!(records[0].budget, two.budget);
        assert_eq!(spent(AGENT), 2);
    });
}

#[test]
fn a_first_step_from_anything_but_nothing_is_refused() {
    chain(|| {
        sequence(&[event(1)]);
        for (start, end) in [(opening(0, 1), 5), (opening(5, 0), 10)] {
            let first = step(&event(1), LIMIT, &start, &opening(5, 7), &opening(end, 3));
            refused(&first, ProofRefusal::BudgetTotal);
        }
        assert_eq!(total(), None);
    });
}

#[test]
fn a_step_that_forgets_what_was_spent_is_refused() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let nothing = opening(0, 0);
        let first = opening(400, 1);
        let forgetful = step(
            &event(2),
            LIMIT,
            &nothing,
            &opening(900, 8),
            &opening(900, 2),
        );
        assert!(pool(&forgetful).is_ok(), "nothing is spent yet");
        submit(&step(&event(1), LIMIT, &nothing, &opening(400, 7), &first));
        refused(&forgetful, ProofRefusal::BudgetTotal);
        assert_eq!(total(), Some(committed(&first)));
    });
}

#[test]
fn a_step_serves_no_other_end() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = step(
            &event(1),
            LIMIT,
            &opening(0, 0),
            &opening(400, 7),
            &opening(400, 1),
        );
        if let Some(step) = &mut submission.budget {
            step.new = committed(&opening(1, 1));
        }
        refused(&submission, ProofRefusal::InvalidSignature);
        resign(&mut submission);
        does_not_hold(&submission);
        assert_eq!(total(), None);
    });
}

#[test]
fn of_two_steps_from_one_total_the_pool_keeps_one() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let tags = |n| {
            let amount = opening(u64::from(n), 7);
            let new = opening(u64::from(n), 1);
            let step = step(&event(n), LIMIT, &opening(0, 0), &amount, &new);
            pool(&step).unwrap().provides
        };
        let (one, two) = (tags(1), tags(2));
        assert_eq!((one.len(), two.len()), (2, 2));
        assert_ne!(one[0], two[0]);
        assert_eq!(one[1], two[1]);
    });
}

#[test]
fn a_budget_too_large_to_be_added_up_is_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = step(
            &event(1),
            LIMIT,
            &opening(0, 0),
            &opening(4, 7),
            &opening(4, 1),
        );
        submission.policy = Policy::AgentBudget {
            budget_limit: ves_primitives::amount::MAX_BUDGET_LIMIT + 1,
        };
        resign(&mut submission);
        refused(&submission, ProofRefusal::InvalidPolicy);
        submission.proof = vec![0; limits::MAX_BATCH_PROOF_BYTES as usize]
            .try_into()
            .unwrap();
        refused(&submission, ProofRefusal::InvalidSignature);
    });
}
