// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs about all events of a batch.

use super::{batch_refused, batch_rejected};
use crate::{BatchProofs, Event, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_storage_noop, pallet_prelude::TransactionSource},
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{
    CurrencyTag, KeyId, Policy, SubmittedEvent, endorsement_hash, limits,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRefusal},
    registry::{AuthorProblem, KeyProblem},
    sequencer::SequencedEvents,
};
use ves_stark_air::CIRCUIT_VERSION;

type Alteration = fn(&mut BatchProofSubmission);

/// Three events of two agents.
fn events() -> Vec<SubmittedEvent> {
    vec![event(1), event_of(OTHER_AGENT, STORE, 2), event(3)]
}

/// Runs the test with the three events sequenced and a good proof of them.
fn with_batch(test: impl FnOnce(BatchProofSubmission)) {
    chain(|| {
        sequence(&[event(100)]);
        sequence(&events());
        test(proven_batch(&events(), 1));
    });
}

#[test]
fn a_true_statement_about_a_batch_becomes_a_verdict() {
    with_batch(|submission| {
        let batch = Sequencer::batch(stream(), 1).unwrap();
        assert_storage_noop!({
            assert!(batch_pool(&submission).is_ok());
            assert_eq!(Verifier::can_submit_batch_proof(&submission), Ok(()));
            assert_eq!(Verifier::verify_batch_proof(&submission, &batch), Ok(()));
        });
        submit_batch(&submission);
        let bytes = submission.proof.len() as u32;
        assert_eq!(
            outcome(),
            Event::BatchProofVerified {
                stream_id: stream(),
                batch_id: batch.batch_id,
                batch_index: 1,
                agent_id: AGENT,
                policy_hash: cap(100).hash(),
                policy_limit: 100,
                proof_hash: submission.proof_hash(),
                bytes,
                prev_state_root: batch.prev_state_root,
                new_state_root: batch.new_state_root,
            }
        );
        let record = BatchProofRecord {
            batch_id: batch.batch_id,
            batch_index: 1,
            prev_state_root: batch.prev_state_root,
            new_state_root: batch.new_state_root,
            events: 3,
            policy: cap(100),
            policy_hash: cap(100).hash(),
            policy_limit: 100,
            proof_hash: submission.proof_hash(),
            bytes,
            block: 3,
            circuit_version: CIRCUIT_VERSION,
            agent_id: AGENT,
        };
        assert_eq!(
            BatchProofs::<Test>::get(stream(), 1).as_ref(),
            Some(&record)
        );
        let listed = |from, count| Verifier::batch_proofs_in(stream(), from, count);
        assert_eq!(listed(0, u32::MAX), std::slice::from_ref(&record));
        assert_eq!(listed(1, 1), [record]);
        assert_eq!(listed(2, 9), []);
        assert_eq!(listed(0, 1), []);
        assert_eq!(listed(u64::MAX, 9), []);
        assert_eq!(spent(AGENT), limits::PROOF_VERIFIED_UNITS);
        assert_eq!(spent(OTHER_AGENT), 0);
    });
}

#[test]
fn nobody_can_call_it_any_other_way() {
    with_batch(|submission| {
        for origin in [
            RuntimeOrigin::root(),
            RuntimeOrigin::none(),
            RuntimeOrigin::signed(ADMIN),
        ] {
            assert_noop!(
                Verifier::submit_batch_proof(origin, Box::new(submission.clone())),
                BadOrigin
            );
        }
    });
}

#[test]
fn the_first_proof_of_a_batch_stays() {
    with_batch(|submission| {
        submit_batch(&submission);
        let again = proven_batch(&events(), 1);
        batch_refused(&again, ProofRefusal::AlreadyProven);
        assert_eq!(
            BatchProofs::<Test>::get(stream(), 1).unwrap().proof_hash,
            submission.proof_hash()
        );
    });
}

#[test]
fn a_missing_added_or_moved_event_is_refused() {
    with_batch(|good| {
        for entries in [
            vec![0, 1],
            vec![0, 1, 2, 2],
            vec![],
            vec![0, 2, 1],
            vec![0, 0, 2],
        ] {
            let entries: Vec<_> = entries.iter().map(|at| good.entries[*at].clone()).collect();
            let mut submission = good.clone();
            submission.entries = entries.try_into().unwrap();
            resign_batch(&mut submission);
            batch_refused(&submission, ProofRefusal::BatchMismatch);
        }
    });
}

#[test]
fn another_event_signature_is_refused_even_if_signed_for() {
    with_batch(|mut submission| {
        submission.entries[1].agent_signature.0[0] ^= 1;
        resign_batch(&mut submission);
        batch_refused(&submission, ProofRefusal::BatchMismatch);
    });
}

#[test]
fn whoever_carries_a_submission_cannot_spoil_it_at_the_submitters_expense() {
    with_batch(|good| {
        let alterations: [Alteration; 7] = [
            |s| s.entries[1].endorsement.0[0] ^= 1,
            |s| s.entries[1].agent_id = AGENT,
            |s| s.entries[1].key_id = KeyId(2),
            |s| s.entries[1].currency = CurrencyTag::new("EUR", 2).unwrap(),
            |s| s.entries[1].commitment = committed(&opening(1, 1)),
            |s| s.policy = cap(101),
            |s| {
                let last = s.proof.len() - 1;
                s.proof.as_mut()[last] ^= 1;
            },
        ];
        for alter in alterations {
            let mut submission = good.clone();
            alter(&mut submission);
            batch_refused(&submission, ProofRefusal::InvalidSignature);
        }
    });
}

#[test]
fn entries_that_do_not_hold_cost_the_submitter_who_signed_for_them() {
    with_batch(|good| {
        let cases: [(Alteration, ProofRefusal); 4] = [
            (
                |s| s.entries[1].endorsement.0[0] ^= 1,
                ProofRefusal::InvalidEndorsement,
            ),
            (
                |s| {
                    let entry = &mut s.entries[1];
                    let hash = endorsement_hash(&entry.event, &entry.commitment, entry.currency);
                    entry.endorsement = sign(AGENT, &hash);
                },
                ProofRefusal::InvalidEndorsement,
            ),
            (
                |s| s.entries[1].agent_id = AGENT,
                ProofRefusal::InvalidEventSignature,
            ),
            (
                |s| s.entries[1].key_id = KeyId(2),
                ProofRefusal::Author(AuthorProblem::Key(KeyProblem::NotFound)),
            ),
        ];
        for (alter, reason) in cases {
            let mut submission = good.clone();
            alter(&mut submission);
            resign_batch(&mut submission);
            assert!(batch_pool(&submission).is_ok(), "two signatures per entry");
            assert_eq!(Verifier::can_submit_batch_proof(&submission), Err(reason));
            batch_rejected(&submission, reason, limits::PROOF_REJECTED_UNITS);
        }
    });
}

#[test]
fn a_false_proof_costs_eight_units() {
    with_batch(|mut submission| {
        let broken = break_proof(&submission.proof, &batch_statement(&submission));
        submission.proof = broken.try_into().unwrap();
        resign_batch(&mut submission);
        assert!(batch_pool(&submission).is_ok());
        batch_rejected(&submission, ProofRefusal::ProofInvalid, 8);
    });
}

#[test]
fn a_proof_serves_no_other_policy_batch_or_stream() {
    with_batch(|good| {
        let mut submission = good.clone();
        submission.policy = cap(101);
        resign_batch(&mut submission);
        assert!(batch_pool(&submission).is_err());
        let mut submission = good.clone();
        submission.batch_index = 0;
        batch_refused(&submission, ProofRefusal::BatchMismatch);
        submission.batch_index = 2;
        batch_refused(&submission, ProofRefusal::UnknownBatch);
        let mut submission = good;
        submission.store_id = OTHER_STORE;
        batch_refused(&submission, ProofRefusal::UnknownBatch);
    });
}

#[test]
fn a_budget_is_no_policy_of_a_batch() {
    with_batch(|mut submission| {
        submission.policy = Policy::AgentBudget { budget_limit: 100 };
        resign_batch(&mut submission);
        batch_refused(&submission, ProofRefusal::BudgetStep);
    });
}

#[test]
fn public_inputs_that_state_nothing_are_refused() {
    with_batch(|good| {
        let mut submission = good.clone();
        submission.policy = Policy::AmlThreshold { threshold: 0 };
        resign_batch(&mut submission);
        batch_refused(&submission, ProofRefusal::InvalidPolicy);
        let mut submission = good.clone();
        submission.entries[0].currency = CurrencyTag::NONE;
        resign_batch(&mut submission);
        batch_refused(&submission, ProofRefusal::InvalidCurrency);
        let mut submission = good;
        submission.entries[0].commitment.0 = [0xff; 32];
        resign_batch(&mut submission);
        batch_refused(&submission, ProofRefusal::InvalidCommitment);
    });
}

#[test]
fn a_stranger_cannot_submit() {
    with_batch(|mut submission| {
        submission.agent_id = ves_primitives::AgentId([9; 16]);
        let problem = AuthorProblem::UnknownAgent;
        batch_refused(&submission, ProofRefusal::Author(problem));
        submission.agent_id = OTHER_AGENT;
        batch_refused(&submission, ProofRefusal::InvalidSignature);
        resign_batch(&mut submission);
        assert!(
            batch_pool(&submission).is_ok(),
            "any agent of the tenant may"
        );
    });
}

#[test]
fn in_the_block_signatures_are_left_to_the_dispatch() {
    with_batch(|mut submission| {
        submission.signature.0[0] ^= 1;
        let asked = Verifier::authorize_batch_proof(TransactionSource::InBlock, &submission);
        assert!(asked.is_ok());
        batch_refused(&submission, ProofRefusal::InvalidSignature);
    });
}

#[test]
fn a_full_batch_proof_is_verified() {
    chain(|| {
        let events: Vec<_> = (0..limits::MAX_PROOF_EVENTS as u16).map(event).collect();
        sequence(&events);
        let submission = proven_batch(&events, 0);
        assert!(batch_pool(&submission).is_ok());
        submit_batch(&submission);
        assert!(matches!(outcome(), Event::BatchProofVerified { .. }));
    });
}
