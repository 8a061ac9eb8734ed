// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{
    chain::Chain,
    inbox,
    proofs::{
        checks::{Flaw, Judge},
        settle::settle_batch,
    },
    testing::{
        AGENT,
        proofs::{Prover as Agent, STREAM, cap, no_passphrase},
        ui,
    },
};
use std::time::Duration;

async fn pulled(totals: &[&str]) -> Agent {
    let agent = Agent::new().await;
    for total in totals {
        agent.hide(&format!(r#"{{"total":"{total}"}}"#)).await;
    }
    agent.push().await;
    agent.pull_events(&agent.pool).await;
    agent
}

async fn batch(agent: &Agent) -> (BatchCommitment, Vec<SequencedEventJson>) {
    inbox::batch(&agent.pool, STREAM, 0).await.unwrap().unwrap()
}

async fn prove_with(agent: &Agent, author: AgentId, limit: u64) -> Result<BatchProofSubmission> {
    let (batch, records) = batch(agent).await;
    let mut signers = Signers::new(&agent.keys, &no_passphrase);
    prove_batch(
        &batch,
        &records,
        &cap(limit),
        Prover {
            agent: author,
            key: KeyId(1),
        },
        &agent.chain.genesis_hash(),
        (&mut agent.opener(), &mut signers),
        &ui(),
    )
}

#[tokio::test]
async fn a_batch_of_own_events_is_proven_and_verified_as_one() {
    let agent = pulled(&["10.00", "20.00", "30.00"]).await;
    let submission = prove_with(&agent, AGENT, 3_000).await.unwrap();
    let record = settle_batch(&agent.chain, &submission, Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!((record.events, record.policy_limit), (3, 3_000));
    let finalized = agent.chain.finalized().await.unwrap();
    let mut judge = Judge::new(&agent.pool, &agent.chain, finalized);
    let (batch, _) = batch(&agent).await;
    assert_eq!(judge.batch(&batch, &record).await.unwrap(), Some(Ok(())));
    assert_eq!(judge.entries(&record).await.unwrap().len(), 3);

    let again = settle_batch(&agent.chain, &submission, Duration::from_secs(5)).await;
    assert_eq!(again.unwrap_err().code, "proof_refused");
    // Told of another batch or another policy, the reader notices.
    let mut other = batch.clone();
    other.events_root.0[0] ^= 1;
    let verdict = judge.batch(&other, &record).await.unwrap().unwrap();
    assert_eq!(verdict.unwrap_err().flaw, Flaw::BatchMismatch);
    let mut other = record.clone();
    other.policy = cap(1).policy;
    let verdict = judge.batch(&batch, &other).await.unwrap().unwrap();
    assert_eq!(verdict.unwrap_err().flaw, Flaw::RecordMismatch);
    let mut other = record;
    other.proof_hash.0[0] ^= 1;
    let verdict = judge.batch(&batch, &other).await.unwrap().unwrap();
    assert_eq!(verdict.unwrap_err().flaw, Flaw::ProofMissing);
}

#[tokio::test]
async fn one_amount_over_the_limit_spoils_the_batch_and_is_named() {
    let agent = pulled(&["10.00", "30.01"]).await;
    let failure = prove_with(&agent, AGENT, 3_000).await.unwrap_err();
    assert_eq!((failure.code, failure.exit), ("over_limit", Exit::Refused));
    let (_, records) = batch(&agent).await;
    let culprit = records[1].event.event_id.to_string();
    assert!(failure.message.contains(&culprit), "{}", failure.message);
}

#[tokio::test]
async fn events_of_others_cannot_be_endorsed() {
    let agent = pulled(&["10.00"]).await;
    let other = AgentId([0x77; 16]);
    let failure = prove_with(&agent, other, 3_000).await.unwrap_err();
    assert_eq!(failure.code, "not_the_author");
}

#[tokio::test]
async fn an_incomplete_or_too_large_batch_is_refused() {
    let agent = pulled(&["10.00", "20.00"]).await;
    let (mut batch, mut records) = batch(&agent).await;
    let mut signers = Signers::new(&agent.keys, &no_passphrase);
    let prover = Prover {
        agent: AGENT,
        key: KeyId(1),
    };
    let genesis = agent.chain.genesis_hash();
    let mut opener = agent.opener();
    records.pop();
    let mut attempt = |batch: &BatchCommitment| {
        prove_batch(
            batch,
            &records,
            &cap(3_000),
            prover,
            &genesis,
            (&mut opener, &mut signers),
            &ui(),
        )
        .unwrap_err()
        .code
    };
    assert_eq!(attempt(&batch), "batch_incomplete");
    batch.leaf_count = limits::MAX_PROOF_EVENTS + 1;
    assert_eq!(attempt(&batch), "batch_too_large");
}
