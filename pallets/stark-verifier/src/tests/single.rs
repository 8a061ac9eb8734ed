// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs about one event.

use super::{does_not_hold, refused, rejected};
use crate::{Event, Proofs, ProofsOfEvent, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_storage_noop, pallet_prelude::TransactionSource},
    frame_system::BlockHash,
    sp_core::H256,
    sp_runtime::DispatchError::BadOrigin,
};
use ves_primitives::{
    AmountCommitment, CurrencyTag, EventId, KeyId, Policy, limits,
    proof::{BudgetStep, ProofRecord, ProofRefusal},
    registry::{AuthorProblem, KeyProblem},
};
use ves_stark_air::CIRCUIT_VERSION;

#[test]
fn a_true_statement_about_a_sequenced_event_becomes_a_verdict() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let submission = proven_with(
            &event(2),
            Policy::AmlThreshold { threshold: 101 },
            &opening(100, 5),
        );
        assert_storage_noop!({
            assert!(pool(&submission).is_ok());
            assert_eq!(Verifier::verify_proof(&submission, 2), Ok(()));
        });
        submit(&submission);
        let bytes = submission.proof.len() as u32;
        assert_eq!(
            outcome(),
            Event::ProofVerified {
                stream_id: stream(),
                event_id: event(2).envelope.event_id,
                sequence: 2,
                agent_id: AGENT,
                policy_hash: submission.policy.hash(),
                limit: 100,
                proof_hash: submission.proof_hash(),
                bytes,
            }
        );
        assert_eq!(
            Verifier::proofs_of_event(stream(), event(2).envelope.event_id),
            [ProofRecord {
                event_id: event(2).envelope.event_id,
                sequence: 2,
                policy: submission.policy,
                commitment: submission.commitment,
                currency: usd(),
                budget: None,
                proof_hash: submission.proof_hash(),
                bytes,
                block: 2,
                circuit_version: CIRCUIT_VERSION,
                agent_id: AGENT,
            }]
        );
        assert_eq!(spent(AGENT), limits::PROOF_VERIFIED_UNITS);
    });
}

#[test]
fn an_event_of_this_very_block_can_be_proven() {
    chain(|| {
        let events = vec![event(1)].try_into().unwrap();
        let origin = polkadot_sdk::frame_system::Origin::<Test>::Authorized;
        Sequencer::submit_events(origin.into(), events).unwrap();
        submit(&proven(&event(1)));
        assert!(matches!(
            outcome(),
            Event::ProofVerified { sequence: 1, .. }
        ));
    });
}

#[test]
fn nobody_can_call_it_any_other_way() {
    chain(|| {
        sequence(&[event(1)]);
        let submission = proven(&event(1));
        for origin in [
            RuntimeOrigin::root(),
            RuntimeOrigin::none(),
            RuntimeOrigin::signed(ADMIN),
        ] {
            let boxed = Box::new(submission.clone());
            assert_noop!(Verifier::submit_proof(origin, boxed), BadOrigin);
        }
    });
}

#[test]
fn the_same_statement_is_proven_once_and_another_policy_or_commitment_beside_it() {
    chain(|| {
        sequence(&[event(1)]);
        submit(&proven(&event(1)));
        refused(&proven(&event(1)), ProofRefusal::AlreadyProven);
        submit(&proven_with(&event(1), cap(99), &opening(50, 9)));
        submit(&proven_with(&event(1), cap(100), &opening(50, 10)));
        assert_eq!(
            Verifier::proofs_of_event(stream(), event(1).envelope.event_id).len(),
            3
        );
    });
}

#[test]
fn the_proofs_of_many_events_are_listed_in_the_order_asked_for() {
    chain(|| {
        sequence(&[event(1), event(2), event(3)]);
        submit(&proven(&event(1)));
        submit(&proven(&event(3)));
        submit(&proven_with(&event(3), cap(99), &opening(50, 9)));
        let id = |n| event(n).envelope.event_id;
        let listed = |events: &[EventId]| -> Vec<EventId> {
            Verifier::proofs_of_events(stream(), events.to_vec())
                .into_iter()
                .map(|record| record.event_id)
                .collect()
        };
        assert_eq!(listed(&[id(3), id(2), id(1)]), [id(3), id(3), id(1)]);
        assert_eq!(listed(&[]), []);
        // The first thousand, whatever is asked for.
        let mut many = vec![id(2); limits::MAX_LISTED_PROOF_EVENTS as usize];
        many.push(id(1));
        assert_eq!(listed(&many), []);
    });
}

#[test]
fn one_statement_has_one_tag_in_the_pool() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let tags = |submission| pool(&submission).unwrap().provides;
        let valid = pool(&proven(&event(1))).unwrap();
        assert!(valid.propagate && valid.longevity < u64::MAX && valid.requires.is_empty());
        assert_eq!(valid.provides, tags(proven(&event(1))));
        assert_ne!(valid.provides, tags(proven(&event(2))));
        let policy = proven_with(&event(1), cap(99), &opening(50, 9));
        assert_ne!(valid.provides, tags(policy));
    });
}

#[test]
fn an_event_the_chain_does_not_know_cannot_be_proven() {
    chain(|| {
        sequence(&[event(1)]);
        refused(&proven(&event(2)), ProofRefusal::UnknownEvent);
    });
}

#[test]
fn another_envelope_with_the_events_id_is_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.envelope.agent_signature.0[0] ^= 1;
        refused(&submission, ProofRefusal::EventMismatch);
        let mut submission = proven(&event(1));
        submission.envelope.entity_id = b"2".to_vec().try_into().unwrap();
        endorse(&mut submission);
        resign(&mut submission);
        refused(&submission, ProofRefusal::EventMismatch);
    });
}

#[test]
fn a_proof_serves_no_other_event_however_signed() {
    chain(|| {
        sequence(&[event(1), event(2)]);
        let mut submission = proven(&event(1));
        submission.envelope = event(2).envelope;
        refused(&submission, ProofRefusal::InvalidSignature);
        resign(&mut submission);
        refused(&submission, ProofRefusal::InvalidEndorsement);
        endorse(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn a_proof_serves_no_other_policy_even_with_the_same_limit() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.policy = Policy::AmlThreshold { threshold: 101 };
        refused(&submission, ProofRefusal::InvalidSignature);
        resign(&mut submission);
        does_not_hold(&submission);
        submission.policy = cap(99);
        resign(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn a_proof_serves_no_other_currency_or_commitment() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.currency = CurrencyTag::new("EUR", 2).unwrap();
        refused(&submission, ProofRefusal::InvalidEndorsement);
        endorse(&mut submission);
        does_not_hold(&submission);
        let mut submission = proven(&event(1));
        submission.commitment = committed(&opening(51, 9));
        resign(&mut submission);
        refused(&submission, ProofRefusal::InvalidEndorsement);
        endorse(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn a_proof_serves_no_other_receipt_or_binding() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.authorization_receipt_hash = Some([1; 32]);
        resign(&mut submission);
        does_not_hold(&submission);
        submission.authorization_receipt_hash = None;
        submission.amount_binding_hash = Some([1; 32]);
        resign(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn a_proof_serves_no_other_chain() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        BlockHash::<Test>::insert(0, H256([7; 32]));
        refused(&submission, ProofRefusal::InvalidSignature);
        resign(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn a_proof_serves_no_other_stream() {
    chain(|| {
        sequence(&[event(1)]);
        sequence(&[event_of(AGENT, OTHER_STORE, 1)]);
        let mut submission = proven(&event(1));
        submission.envelope = event_of(AGENT, OTHER_STORE, 1).envelope;
        endorse(&mut submission);
        resign(&mut submission);
        does_not_hold(&submission);
    });
}

#[test]
fn another_agents_signature_is_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let good = proven(&event(1));
        let mut submission = good.clone();
        submission.signature = proven(&event(1)).signature;
        refused(&submission, ProofRefusal::InvalidSignature);
        let context = good.context(&genesis(), CIRCUIT_VERSION, 1).unwrap();
        submission.signature = sign(OTHER_AGENT, &good.signing_hash(&context));
        refused(&submission, ProofRefusal::InvalidSignature);
        assert_eq!((spent(AGENT), spent(OTHER_AGENT)), (0, 0));
    });
}

#[test]
fn an_altered_endorsement_is_refused_at_nobodys_expense() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.endorsement.0[3] ^= 1;
        refused(&submission, ProofRefusal::InvalidEndorsement);
        let event = submission.envelope.signing_hash().unwrap();
        let hash = ves_primitives::endorsement_hash(&event, &submission.commitment, usd());
        submission.endorsement = sign(OTHER_AGENT, &hash);
        refused(&submission, ProofRefusal::InvalidEndorsement);
    });
}

#[test]
fn an_agent_or_key_that_may_not_sign_is_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.key_id = KeyId(9);
        let missing = AuthorProblem::Key(KeyProblem::NotFound);
        refused(&submission, ProofRefusal::Author(missing));
        let admin = RuntimeOrigin::signed(ADMIN);
        Registry::set_agent_suspended(admin, TENANT, AGENT, true).unwrap();
        let suspended = AuthorProblem::AgentSuspended;
        refused(&proven(&event(1)), ProofRefusal::Author(suspended));
    });
}

#[test]
fn public_inputs_that_state_nothing_are_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.policy = Policy::AmlThreshold { threshold: 0 };
        resign(&mut submission);
        refused(&submission, ProofRefusal::InvalidPolicy);
        let mut submission = proven(&event(1));
        submission.currency = CurrencyTag::NONE;
        endorse(&mut submission);
        refused(&submission, ProofRefusal::InvalidCurrency);
        let mut submission = proven(&event(1));
        submission.commitment = AmountCommitment([0xff; 32]);
        endorse(&mut submission);
        resign(&mut submission);
        refused(&submission, ProofRefusal::InvalidCommitment);
    });
}

#[test]
fn a_step_without_a_budget_policy_and_a_budget_policy_without_a_step_are_refused() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.budget = Some(BudgetStep {
            previous: submission.commitment,
            new: submission.commitment,
        });
        resign(&mut submission);
        refused(&submission, ProofRefusal::BudgetStep);
        let mut submission = proven(&event(1));
        submission.policy = Policy::AgentBudget { budget_limit: 100 };
        resign(&mut submission);
        refused(&submission, ProofRefusal::BudgetStep);
    });
}

#[test]
fn bytes_that_are_no_proof_are_refused_by_the_pool_and_cost_in_a_block() {
    chain(|| {
        sequence(&[event(1)]);
        let good = proven(&event(1));
        let mut appended = good.proof.to_vec();
        appended.push(0);
        let mut header = good.proof.to_vec();
        header[15] ^= 1;
        for (bytes, reason) in [
            (vec![], ProofRefusal::ProofHeader),
            (header, ProofRefusal::ProofHeader),
            (good.proof[..1_000].to_vec(), ProofRefusal::ProofStructure),
            (appended, ProofRefusal::ProofStructure),
        ] {
            let mut submission = good.clone();
            submission.proof = bytes.try_into().unwrap();
            refused_signature(&submission);
            resign(&mut submission);
            assert_eq!(pool(&submission), Err(custom(reason)));
            rejected(&submission, |given| given == reason, 8);
        }
        let mut submission = good;
        let long = limits::MAX_PROOF_BYTES as usize + 1;
        submission.proof = vec![0; long].try_into().unwrap();
        resign(&mut submission);
        refused(&submission, ProofRefusal::ProofTooLong);
    });
}

/// The signature covers the proof's bytes.
fn refused_signature(submission: &ves_primitives::proof::ProofSubmission) {
    refused(submission, ProofRefusal::InvalidSignature);
}

#[test]
fn a_false_proof_passes_the_pool_and_costs_eight_units_in_the_block() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        let broken = break_proof(&submission.proof, &statement(&submission));
        submission.proof = broken.try_into().unwrap();
        resign(&mut submission);
        assert!(pool(&submission).is_ok());
        assert_eq!(
            Verifier::verify_proof(&submission, 1),
            Err(ProofRefusal::ProofInvalid)
        );
        rejected(&submission, |given| given == ProofRefusal::ProofInvalid, 8);
    });
}

#[test]
fn in_the_block_signatures_are_left_to_the_dispatch() {
    chain(|| {
        sequence(&[event(1)]);
        let mut submission = proven(&event(1));
        submission.signature.0[3] ^= 1;
        assert!(ask(TransactionSource::InBlock, &submission).is_ok());
        refused(&submission, ProofRefusal::InvalidSignature);
        submit(&proven(&event(1)));
        let again = proven(&event(1));
        assert_eq!(
            ask(TransactionSource::InBlock, &again),
            Err(custom(ProofRefusal::AlreadyProven))
        );
    });
}

#[test]
fn an_event_keeps_at_most_eight_proofs() {
    chain(|| {
        sequence(&[event(1)]);
        let id = event(1).envelope.event_id;
        for salt in 0..u64::from(limits::MAX_PROOFS_PER_EVENT) {
            submit(&proven_with(&event(1), cap(100), &opening(50, salt)));
        }
        assert_eq!(Proofs::<Test>::iter().count(), 8);
        assert_eq!(ProofsOfEvent::<Test>::get(stream(), id).len(), 8);
        refused(&proven(&event(1)), ProofRefusal::TooManyProofs);
    });
}
