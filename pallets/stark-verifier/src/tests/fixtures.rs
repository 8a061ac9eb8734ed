// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The proofs that benchmarks are measured with.

use crate::{
    Event,
    benchmarking::fixtures::{self, BatchFixture, EventFixture},
    mock::*,
};
use codec::Encode;
use std::path::Path;
use ves_primitives::{
    AgentId, CurrencyTag, SubmittedEvent, limits,
    proof::{BatchProofSubmission, ProofSubmission},
    sequencer::SequencedEvents,
};
use ves_stark_air::{Shape, Statement};
use ves_stark_verifier::structure::Parts;

/// Whether the proof opens as many positions as a proof can.
fn opens_distinct_positions(proof: &[u8], statement: &Statement) -> bool {
    let shape = Shape::of(statement);
    Parts::split(proof, &shape).unwrap().unique_queries == shape.queries()
}

/// An event whose texts are as long as they may be.
fn longest_event(n: u16) -> SubmittedEvent {
    let long = |length: u32| vec![b'x'; length as usize];
    let mut event = event(n);
    let envelope = &mut event.envelope;
    envelope.entity_type = long(limits::MAX_ENTITY_TYPE_BYTES).try_into().unwrap();
    envelope.entity_id = long(limits::MAX_ENTITY_ID_BYTES).try_into().unwrap();
    envelope.event_type = long(limits::MAX_EVENT_TYPE_BYTES).try_into().unwrap();
    resign_event(&mut event);
    event
}

fn of_event(submission: ProofSubmission) -> EventFixture {
    let envelope = &submission.envelope;
    EventFixture {
        key: public_key(envelope.source_agent_id),
        record: Sequencer::event_record(envelope.stream_id(), envelope.event_id).unwrap(),
        submission,
    }
}

/// One event of each of the first agents.
fn events_of_many_agents(count: u8) -> Vec<SubmittedEvent> {
    (0..count)
        .map(|n| {
            let agent = AgentId([100 + n; 16]);
            register(agent);
            event_of(agent, STORE, u16::from(n) + 1)
        })
        .collect()
}

fn of_batch(count: u8) -> BatchFixture {
    let events = events_of_many_agents(count);
    sequence(&events);
    let currencies = ["USD", "EUR"].map(|code| CurrencyTag::new(code, 2).unwrap());
    let submission = std::iter::repeat_with(|| {
        proven_batch_in(&events, 0, |place| currencies[place % currencies.len()])
    })
    .find(|made| opens_distinct_positions(&made.proof, &batch_statement(made)))
    .unwrap();
    let mut keys: Vec<_> = events
        .iter()
        .map(|event| event.envelope.source_agent_id)
        .collect();
    keys.push(submission.agent_id);
    BatchFixture {
        keys: keys
            .into_iter()
            .map(|agent| (agent, public_key(agent)))
            .collect(),
        batch: Sequencer::batch(stream(), 0).unwrap(),
        submission,
    }
}

fn in_chain<R>(make: impl FnOnce() -> R) -> R {
    let mut made = None;
    chain(|| made = Some(make()));
    made.unwrap()
}

#[test]
#[ignore = "writes the files that the benchmarks include"]
fn fixtures_are_made_anew() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/benchmarking/fixtures");
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    let single = in_chain(|| {
        let event = longest_event(1);
        sequence(std::slice::from_ref(&event));
        let good = std::iter::repeat_with(|| proven(&event))
            .find(|made| opens_distinct_positions(&made.proof, &statement(made)));
        of_event(good.unwrap())
    });
    write("event.scale", single.encode());
    let budget = in_chain(|| {
        let event = longest_event(1);
        sequence(std::slice::from_ref(&event));
        let [previous, amount, new] = [opening(400, 1), opening(50, 9), opening(450, 2)];
        let good = std::iter::repeat_with(|| step(&event, 1_000, &previous, &amount, &new))
            .find(|made| opens_distinct_positions(&made.proof, &statement(made)));
        of_event(good.unwrap())
    });
    write("budget.scale", budget.encode());
    for count in [12, 28, 60, 124, 128] {
        let batch = in_chain(|| of_batch(count));
        write(&format!("batch-{count}.scale"), batch.encode());
    }
}

#[test]
fn the_benchmarked_proof_of_an_event_holds() {
    let fixture = fixtures::event();
    chain(|| {
        sequence(&[longest_event(1)]);
        assert_eq!(
            of_event(fixture.submission.clone()).encode(),
            fixture.encode()
        );
        assert!(opens_distinct_positions(
            &fixture.submission.proof,
            &statement(&fixture.submission)
        ));
        assert!(pool(&fixture.submission).is_ok());
        submit(&fixture.submission);
        assert!(matches!(outcome(), Event::ProofVerified { .. }));
    });
}

#[test]
fn the_benchmarked_step_of_a_budget_holds() {
    let fixture = fixtures::budget();
    chain(|| {
        sequence(&[longest_event(1)]);
        assert_eq!(
            of_event(fixture.submission.clone()).encode(),
            fixture.encode()
        );
        let policy = fixture.submission.policy.hash();
        let total = fixture.submission.budget.unwrap().previous;
        crate::BudgetTotals::<Test>::insert((stream(), AGENT, policy), total);
        submit(&fixture.submission);
        assert!(matches!(outcome(), Event::ProofVerified { .. }));
    });
}

#[test]
fn the_benchmarked_proofs_of_batches_hold() {
    let all = [
        (fixtures::batch_12(), 256),
        (fixtures::batch_28(), 512),
        (fixtures::batch_60(), 1_024),
        (fixtures::batch_124(), 2_048),
        (fixtures::batch_128(), 4_096),
    ];
    for (fixture, rows) in all {
        chain(|| {
            let submission: &BatchProofSubmission = &fixture.submission;
            let count = u8::try_from(submission.entries.len()).unwrap();
            sequence(&events_of_many_agents(count));
            assert_eq!(Sequencer::batch(stream(), 0).unwrap(), fixture.batch);
            let statement = batch_statement(submission);
            assert_eq!(Shape::of(&statement).length(), rows);
            assert!(opens_distinct_positions(&submission.proof, &statement));
            submit_batch(submission);
            assert!(matches!(outcome(), Event::BatchProofVerified { .. }));
        });
    }
}
