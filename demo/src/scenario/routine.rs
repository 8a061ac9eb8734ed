// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs as part of push and pull, of whole batches and of a running budget.

use super::{Agent, People, entry_of, push_and_die};
use crate::{
    report::Evidence,
    stage::{Stage, Stopped, field, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Exit code of what policy or limits forbid.
const EXIT_REFUSED: i32 = 10;
/// Exit code of what did not verify.
const EXIT_NOT_VERIFIED: i32 = 7;
/// What A proves of every order.
const WISHES: [&str; 4] = [
    "--prove",
    "aml.threshold=1000",
    "--prove",
    "order_total.cap=2000",
];
const BUDGET: &str = "2000.00";

/// The whole chapter.
pub(super) async fn work(stage: &mut Stage, people: &People) -> Result<(), Stopped> {
    let orders = stage
        .claim(
            "push-proven",
            "A pushes two encrypted orders and, in the same command, two proofs about each",
            async |s| push_proven(s, people).await,
        )
        .await?;
    stage
        .check(
            "push-over-limit",
            "An order over the limit is reported by name and goes out, unless proofs are required",
            async |s| over_limit(s, people).await,
        )
        .await;
    stage
        .claim(
            "push-resumed",
            "Death between push and proof: the next push proves, once",
            async |s| resumed(s, people).await,
        )
        .await?;
    stage
        .claim(
            "pull-proofs",
            "B pulls: it verifies each proof, and that it is about the total B decrypts",
            async |s| pulled(s, people, &orders).await,
        )
        .await?;
    stage
        .check(
            "pull-deceived",
            "A proof about another number than the total is quarantined by B, not its order",
            async |s| deceived(s, people).await,
        )
        .await;
    let batch = stage
        .claim(
            "batch-proven",
            "One proof says that all three orders of a batch are below 1000.00",
            async |s| batch(s, people).await,
        )
        .await?;
    stage
        .check(
            "batch-over-limit",
            "That all of a batch is at most 300.00 cannot be proven if one order is not",
            async |s| {
                let args = [
                    "prove",
                    "--batch-of",
                    &orders[0],
                    "--policy",
                    "order_total.cap",
                    "--limit",
                    "300.00",
                ];
                refused_over_limit(s, &people.a, &args).await
            },
        )
        .await;
    stage
        .claim(
            "budget",
            "A adds two orders to a budget of 2000.00; the chain sees the total grow, not its value",
            async |s| budget(s, people, &orders).await,
        )
        .await?;
    stage
        .check(
            "budget-over-limit",
            "A third order would exceed the budget: no proof exists",
            async |s| {
                let args = ["prove", &batch[2], "--budget", BUDGET];
                refused_over_limit(s, &people.a, &args).await
            },
        )
        .await;
    Ok(())
}

/// Captures an order for B's and A's eyes only.
async fn hide(
    stage: &mut Stage,
    people: &People,
    order: &str,
    payload: &Value,
    extra: &[&str],
) -> Result<String> {
    let payload = payload.to_string();
    let args = [
        "append",
        "--entity-type",
        "order",
        "--entity-id",
        order,
        "--event-type",
        "order.created",
        "--payload",
        &payload,
        "--encrypt-to",
        &people.b.id,
        "--encrypt-to-self",
    ];
    let done = people.a.ask(stage, &[&args, extra].concat()).await?;
    text(&done.success()?, "/event_id")
}

fn total(amount: &str) -> Value {
    json!({ "total": amount })
}

async fn push_proven(stage: &mut Stage, people: &People) -> Result<(Vec<String>, Evidence)> {
    let a = &people.a;
    let ids = vec![
        hide(stage, people, "A-2001", &total("750.00"), &[]).await?,
        hide(stage, people, "A-2002", &total("320.50"), &[]).await?,
    ];
    let done = a.ask(stage, &[&["push"][..], &WISHES].concat()).await?;
    let done = done.success()?;
    same("finalized", number(&done, "/finalized")?, 2)?;
    let mut hashes = Vec::new();
    for proof in list(&done, "/proofs")? {
        same("the state", text(proof, "/state")?.as_str(), "proven")?;
        ensure!(ids.contains(&text(proof, "/event_id")?), "another event");
        hashes.push(text(proof, "/proof_hash")?);
    }
    same("the number of proofs", hashes.len(), 4)?;
    Ok((ids, Evidence::new().with("proofs", hashes)))
}

async fn over_limit(stage: &mut Stage, people: &People) -> Result<Evidence> {
    let a = &people.a;
    let id = hide(stage, people, "A-2003", &total("1500.00"), &[]).await?;
    let push = ["push", "--prove", "aml.threshold=1000"];
    let strict = a
        .ask(stage, &[&push[..], &["--require-proofs"]].concat())
        .await?
        .failure(EXIT_REFUSED)?;
    let outbox = a.show_outbox(stage).await?;
    same(
        "the state",
        entry_of(&outbox, &id)?.state.as_str(),
        "queued",
    )?;
    let done = a.ask(stage, &push).await?.failure(EXIT_REFUSED)?;
    let message = text(&done, "/error/message")?;
    ensure!(message.contains("aml.threshold 1000.00 USD"), "{message}");
    same("finalized", number(&done, "/finalized")?, 1)?;
    ensure!(!done.to_string().contains("150000"), "the amount is told");
    Ok(Evidence::new()
        .with("required", text(&strict, "/error/code")?)
        .with("reported", text(&done, "/error/code")?)
        .with("exit code", EXIT_REFUSED))
}

async fn resumed(stage: &mut Stage, people: &People) -> Result<((), Evidence)> {
    let a = &people.a;
    let wish = ["--prove", "aml.threshold=1000"];
    let id = hide(stage, people, "A-2004", &total("640.00"), &wish).await?;
    push_and_die(stage, a, "before-prove").await?;
    let outbox = a.show_outbox(stage).await?;
    same(
        "the state",
        entry_of(&outbox, &id)?.state.as_str(),
        "finalized",
    )?;
    push_and_die(stage, a, "after-prove").await?;
    let done = a.ask(stage, &["push"]).await?.success()?;
    let proof = field(&done, "/proofs/0")?;
    same("the event", &text(proof, "/event_id")?, &id)?;
    same("the state", text(proof, "/state")?.as_str(), "proven")?;
    let found = a.ask(stage, &["proofs", &id]).await?.success()?;
    same("proofs on chain", list(&found, "/proofs")?.len(), 1)?;
    Ok((
        (),
        Evidence::new()
            .with("died", vec!["before-prove", "after-prove"])
            .with("proofs on chain", 1),
    ))
}

async fn pulled(stage: &mut Stage, people: &People, orders: &[String]) -> Result<((), Evidence)> {
    let done = people.b.ask(stage, &["pull"]).await?.success()?;
    let proofs = list(&done, "/proofs")?;
    let mut of_orders = 0;
    for proof in proofs {
        same("the proof", text(proof, "/proof")?.as_str(), "valid")?;
        same("the payload", text(proof, "/payload")?.as_str(), "matches")?;
        of_orders += usize::from(orders.contains(&text(proof, "/event_id")?));
    }
    same("proofs of the two orders", of_orders, 4)?;
    let again = people.b.ask(stage, &["pull"]).await?.success()?;
    same("news at once after", list(&again, "/proofs")?.len(), 0)?;
    let status = people.b.ask(stage, &["status"]).await?.success()?;
    Ok((
        (),
        Evidence::new()
            .with("verified", number(&status, "/verified_proofs")?)
            .with("quarantined", number(&status, "/quarantined_proofs")?),
    ))
}

async fn deceived(stage: &mut Stage, people: &People) -> Result<Evidence> {
    let payload = json!({ "shipping": "10.00", "total": "5000.00" });
    let id = hide(stage, people, "A-2005", &payload, &[]).await?;
    let push = [
        "push",
        "--prove",
        "aml.threshold=1000",
        "--amount-field",
        "shipping",
    ];
    people.a.ask(stage, &push).await?.success()?;
    let done = people
        .b
        .ask(stage, &["pull"])
        .await?
        .failure(EXIT_NOT_VERIFIED)?;
    same("stored events", number(&done, "/stored")?, 1)?;
    let bad = list(&done, "/quarantined_proofs")?;
    same("quarantined proofs", bad.len(), 1)?;
    same("the event", &text(&bad[0], "/event_id")?, &id)?;
    let reason = text(&bad[0], "/proof/invalid")?;
    same("the reason", reason.as_str(), "amount_mismatch")?;
    people.b.ask(stage, &["decrypt", &id]).await?.success()?;
    Ok(Evidence::new()
        .with("reason", reason)
        .with("exit code", EXIT_NOT_VERIFIED))
}

async fn batch(stage: &mut Stage, people: &People) -> Result<(Vec<String>, Evidence)> {
    let a = &people.a;
    let mut ids = Vec::new();
    for (order, amount) in [
        ("A-2006", "10.00"),
        ("A-2007", "20.00"),
        ("A-2008", "999.00"),
    ] {
        ids.push(hide(stage, people, order, &total(amount), &[]).await?);
    }
    a.ask(stage, &["push"]).await?.success()?;
    a.ask(stage, &["pull"]).await?;
    let args = [
        "prove",
        "--batch-of",
        &ids[0],
        "--policy",
        "aml.threshold",
        "--limit",
        "1000.00",
    ];
    let done = a.ask(stage, &args).await?.success()?;
    same("events", number(&done, "/events")?, 3)?;
    people.b.ask(stage, &["pull"]).await?.success()?;
    let seen = people.b.ask(stage, &["proofs", &ids[1]]).await?.success()?;
    let proof = field(&seen, "/batch_proof")?;
    same("the proof", text(proof, "/proof")?.as_str(), "valid")?;
    same("the payload", text(proof, "/payload")?.as_str(), "matches")?;
    let evidence = Evidence::new()
        .with("events", 3)
        .with("bytes", number(&done, "/bytes")?)
        .with("batch", text(&done, "/batch_id")?);
    Ok((ids, evidence))
}

async fn budget(stage: &mut Stage, people: &People, orders: &[String]) -> Result<((), Evidence)> {
    let mut totals = Vec::new();
    for (steps, id) in (1u64..).zip(orders) {
        let args = ["prove", id, "--budget", BUDGET];
        let done = people.a.ask(stage, &args).await?.success()?;
        same("steps", number(&done, "/steps")?, steps)?;
        totals.push(text(&done, "/new_commitment")?);
    }
    let seen = people
        .b
        .ask(stage, &["proofs", &orders[1]])
        .await?
        .success()?;
    let step = list(&seen, "/proofs")?
        .iter()
        .find(|proof| proof["policy_id"] == "agent.budget.v1")
        .cloned()
        .unwrap_or_default();
    same("the step", text(&step, "/proof")?.as_str(), "valid")?;
    same(
        "where it starts",
        &text(&step, "/budget/previous_commitment")?,
        &totals[0],
    )?;
    Ok(((), Evidence::new().with("totals", totals)))
}

async fn refused_over_limit(stage: &mut Stage, agent: &Agent, args: &[&str]) -> Result<Evidence> {
    let refused = agent.ask(stage, args).await?.failure(EXIT_REFUSED)?;
    let reason = text(&refused, "/error/code")?;
    same("the reason", reason.as_str(), "over_limit")?;
    Ok(Evidence::new()
        .with("refused", reason)
        .with("exit code", EXIT_REFUSED))
}
