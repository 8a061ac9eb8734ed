// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod batch;
mod budget;
mod fixtures;
mod integrity;
mod quota;
mod single;

use crate::{BatchProofs, BudgetTotals, Event, Proofs, ProofsOfEvent, mock::*};
use ves_primitives::{
    limits,
    proof::{BatchProofSubmission, ProofRefusal, ProofSubmission},
};

/// Everything the pallet keeps of proofs.
fn kept() -> (usize, usize, usize, Vec<[u8; 32]>) {
    (
        Proofs::<Test>::iter().count(),
        ProofsOfEvent::<Test>::iter_values().map(|k| k.len()).sum(),
        BatchProofs::<Test>::iter().count(),
        BudgetTotals::<Test>::iter_values().map(|c| c.0).collect(),
    )
}

/// Dispatches and expects the refusal, its price and no other trace.
fn rejected(submission: &ProofSubmission, expected: impl Fn(ProofRefusal) -> bool, price: u32) {
    let agent = submission.envelope.source_agent_id;
    let before = (kept(), spent(agent));
    submit(submission);
    let Event::ProofRejected {
        event_id,
        agent_id,
        reason,
        units,
        ..
    } = outcome()
    else {
        panic!("not rejected: {:?}", outcome());
    };
    assert!(expected(reason), "{reason}");
    assert_eq!(
        (event_id, agent_id, units),
        (submission.envelope.event_id, agent, price)
    );
    assert_eq!((kept(), spent(agent)), (before.0, before.1 + price));
}

/// Refused by the pool, and by the dispatch at nobody's expense.
fn refused(submission: &ProofSubmission, reason: ProofRefusal) {
    assert_eq!(pool(submission), Err(custom(reason)));
    assert_eq!(Verifier::can_submit_proof(submission), Err(reason));
    rejected(submission, |given| given == reason, 0);
}

/// Well signed, but the proof is about something else: the pool sees it by the transcript, and the
/// agent pays if it ever gets into a block.
fn does_not_hold(submission: &ProofSubmission) {
    let other = |reason| {
        // Once in 4,096 proofs the proof of work fits another transcript by chance.
        matches!(
            reason,
            ProofRefusal::ProofOfWork | ProofRefusal::ProofPositions | ProofRefusal::ProofStructure
        )
    };
    let reason = Verifier::can_submit_proof(submission).expect_err("about something else");
    assert!(other(reason), "{reason}");
    assert_eq!(pool(submission), Err(custom(reason)));
    rejected(submission, other, limits::PROOF_REJECTED_UNITS);
}

/// Dispatches and expects the refusal, its price and no other trace.
fn batch_rejected(submission: &BatchProofSubmission, reason: ProofRefusal, price: u32) {
    let before = (kept(), spent(submission.agent_id));
    submit_batch(submission);
    assert_eq!(
        outcome(),
        Event::BatchProofRejected {
            stream_id: submission.stream_id(),
            batch_index: submission.batch_index,
            agent_id: submission.agent_id,
            reason,
            units: price,
        }
    );
    assert_eq!(
        (kept(), spent(submission.agent_id)),
        (before.0, before.1 + price)
    );
}

/// Refused by the pool, and by the dispatch at nobody's expense.
fn batch_refused(submission: &BatchProofSubmission, reason: ProofRefusal) {
    assert_eq!(batch_pool(submission), Err(custom(reason)));
    batch_rejected(submission, reason, 0);
}
