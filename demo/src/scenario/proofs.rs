// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A proves that the hidden total obeys a policy; the chain and every agent verify it.

use super::{
    Chains, People,
    orders::{ENCRYPTED, Orders},
};
use crate::{
    report::Evidence,
    stage::{Stage, Stopped, list, number, same, text},
};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ves_primitives::{
    EventId, GenesisHash, Policy, StreamId,
    proof::{ProofRecord, ProofRefusal, ProofSubmission},
    stream_id,
};

/// Exit code of what policy or limits forbid.
const EXIT_REFUSED: i32 = 10;
/// Exit code of what the chain rejects.
const EXIT_REJECTED: i32 = 5;
/// The total is 980.00.
const LIMIT: &str = "1000.00";
const SEQUENCE: u64 = 2;

/// The whole chapter.
pub(super) async fn prove(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    orders: &Orders,
) -> Result<(), Stopped> {
    let id = &orders.ids[ENCRYPTED];
    stage
        .claim(
            "proven",
            "A proves that the encrypted order's total is below 1000.00; the chain verifies it",
            async |s| {
                let args = ["prove", id, "--policy", "aml.threshold", "--limit", LIMIT];
                let done = people.a.ask(s, &args).await?.success()?;
                same("the event", &text(&done, "/event_id")?, id)?;
                let evidence = Evidence::new()
                    .with("proof", text(&done, "/proof_hash")?)
                    .with("bytes", number(&done, "/bytes")?)
                    .with("final in", text(&done, "/block_hash")?);
                Ok(((), evidence))
            },
        )
        .await?;
    stage
        .check(
            "over-limit",
            "That it is below 980.00 cannot be proven",
            async |s| {
                let args = [
                    "prove",
                    id,
                    "--policy",
                    "aml.threshold",
                    "--limit",
                    "980.00",
                ];
                let refused = people.a.ask(s, &args).await?.failure(EXIT_REFUSED)?;
                let reason = text(&refused, "/error/code")?;
                same("the reason", reason.as_str(), "over_limit")?;
                let said = refused.to_string();
                ensure!(!said.contains("98000"), "the refusal tells the amount");
                Ok(Evidence::new()
                    .with("refused", reason)
                    .with("exit code", EXIT_REFUSED))
            },
        )
        .await;
    stage
        .check(
            "proven-once",
            "The same proof is not taken twice",
            async |s| {
                let args = ["prove", id, "--policy", "aml.threshold", "--limit", LIMIT];
                let refused = people.a.ask(s, &args).await?.failure(EXIT_REJECTED)?;
                let message = text(&refused, "/error/message")?;
                ensure!(message.contains("already_proven"), "{message}");
                Ok(Evidence::new().with("refused", message))
            },
        )
        .await;
    stage
        .check(
            "proof-read",
            "B verifies the proof itself, and that it is about the total B decrypts",
            async |s| {
                let proof = only_proof(people.b.ask(s, &["proofs", id]).await?.success()?)?;
                same("the proof", text(&proof, "/proof")?.as_str(), "valid")?;
                same("the payload", text(&proof, "/payload")?.as_str(), "matches")?;
                Ok(Evidence::new()
                    .with("policy", text(&proof, "/policy_id")?)
                    .with("commitment", text(&proof, "/commitment")?))
            },
        )
        .await;
    stage
        .check(
            "proof-outsider",
            "C verifies the same proof and learns no amount",
            async |s| {
                let proof = only_proof(people.c.ask(s, &["proofs", id]).await?.success()?)?;
                same("the proof", text(&proof, "/proof")?.as_str(), "valid")?;
                let payload = text(&proof, "/payload")?;
                same("the payload", payload.as_str(), "unreadable")?;
                Ok(Evidence::new()
                    .with("proof", "valid")
                    .with("payload", payload))
            },
        )
        .await;
    stage
        .check(
            "proof-forged",
            "Altered proofs, and the proof for another event, policy or limit, do not hold",
            async |_| forged(chains, people, id).await,
        )
        .await;
    Ok(())
}

fn only_proof(answer: Value) -> Result<Value> {
    let proofs = list(&answer, "/proofs")?;
    same("the number of proofs", proofs.len(), 1)?;
    Ok(proofs[0].clone())
}

type Change = Box<dyn Fn(&mut ProofSubmission)>;

/// Asks the chain's own verifier about every variation. It runs in the runtime's wasm.
async fn forged(chains: &Chains, people: &People, id: &str) -> Result<Evidence> {
    let stream: StreamId = stream_id(people.tenant, people.store);
    let event: EventId = id.parse()?;
    let client = &chains.client;
    let records: Vec<ProofRecord> = client.proofs_of_event(stream, event, None).await?;
    let record = records.first().context("no verdict")?;
    let genuine = client
        .proof_behind(record)
        .await?
        .context("no proof in the block")?;
    let verdict = client.verify_proof(&genuine, SEQUENCE).await?;
    ensure!(verdict.is_ok(), "the genuine proof is refused: {verdict:?}");
    let end = genuine.proof.len();
    // The FRI remainder ends nine bytes before the end: partitions and nonce follow.
    let remainder = end.saturating_sub(9 + 24);
    let byte = |at: usize| -> Change {
        Box::new(move |s: &mut ProofSubmission| {
            if let Some(byte) = s.proof.get_mut(at) {
                *byte ^= 1;
            }
        })
    };
    let changes: Vec<(&'static str, Change)> = vec![
        ("mutated header", byte(3)),
        ("replaced remainder", byte(remainder)),
        ("altered opening", byte(end / 2)),
        (
            "trailing byte",
            Box::new(|s| s.proof.try_push(0).unwrap_or(())),
        ),
        (
            "cut short",
            Box::new(|s| {
                s.proof.pop();
            }),
        ),
        ("other event", Box::new(|s| s.envelope.event_id.0[0] ^= 1)),
        (
            "other policy",
            Box::new(|s| s.policy = Policy::OrderTotalCap { cap: 99_999 }),
        ),
        (
            "lower limit",
            Box::new(|s| s.policy = Policy::AmlThreshold { threshold: 99_999 }),
        ),
        ("other commitment", Box::new(|s| s.commitment.0[31] ^= 1)),
        ("other store", Box::new(|s| s.envelope.store_id.0[0] ^= 1)),
    ];
    let mut evidence = Evidence::new();
    for (name, change) in changes {
        let mut forgery = genuine.clone();
        change(&mut forgery);
        ensure!(forgery != genuine, "{name} changed nothing");
        let verdict: Result<(), ProofRefusal> = client.verify_proof(&forgery, SEQUENCE).await?;
        let refusal = match verdict {
            Ok(()) => anyhow::bail!("{name} was accepted"),
            Err(refusal) => refusal.to_string(),
        };
        evidence = evidence.with(name, refusal);
    }
    // The chain cannot be asked as another chain; the same verifier runs here.
    let elsewhere = GenesisHash([0x5a; 32]);
    ensure!(
        !holds(&genuine, &elsewhere)? && holds(&genuine, &client.genesis_hash())?,
        "the proof serves another chain"
    );
    Ok(evidence.with("other chain", "proof does not hold"))
}

fn holds(submission: &ProofSubmission, genesis: &GenesisHash) -> Result<bool> {
    let statement = ves_stark_air::Statement::of(submission, genesis, SEQUENCE)?;
    Ok(ves_stark_verifier::verify(&submission.proof, &statement).is_ok())
}
