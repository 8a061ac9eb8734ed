// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `kill -9` of the agent's tool before, during and after the submission; then one push ends it.

use super::{
    Chains, Entry, PATIENCE, People, append_order, entry_of, orders::stream, push_and_die,
};
use crate::{
    processes::{Process, wait_for},
    report::Evidence,
    stage::{Stage, Stopped, list, number, same, text},
};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use tokio::net::TcpListener;

/// Chances to kill a push that waits for finality.
const KILL_ATTEMPTS: u32 = 12;

/// Kills and resumes.
pub(super) async fn interrupt(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
) -> Result<(), Stopped> {
    let ids = stage
        .claim(
            "kill-before",
            "kill -9 between capture and submission: nothing is lost",
            async |s| before(s, people).await,
        )
        .await?;
    stage
        .claim(
            "kill-handover",
            "Death right after the node took the events: the outbox knows",
            async |s| {
                push_and_die(s, &people.a, "after-submit").await?;
                let states = states(&people.a.show_outbox(s).await?, &ids)?;
                ensure!(
                    states.iter().all(|state| state == "submitted"),
                    "the states are {states:?}"
                );
                Ok(((), Evidence::new().with("states", states)))
            },
        )
        .await?;
    stage
        .claim(
            "kill-waiting",
            "kill -9 while push waits for finality",
            async |s| waiting(s, people).await,
        )
        .await?;
    stage
        .claim(
            "no-duplicate",
            "One more push: every order is on chain exactly once",
            async |s| settle(s, chains, people, &ids).await,
        )
        .await
}

fn states(entries: &[Entry], ids: &[String]) -> Result<Vec<String>> {
    ids.iter()
        .map(|id| Ok(entry_of(entries, id)?.state.clone()))
        .collect()
}

/// The node's place is taken by a listener that never answers: push has everything it needs but
/// cannot hand it over, and is killed there.
async fn before(stage: &mut Stage, people: &People) -> Result<(Vec<String>, Evidence)> {
    let a = &people.a;
    let ids = vec![
        append_order(stage, a, "A-1006", &[]).await?,
        append_order(stage, a, "A-1007", &[]).await?,
    ];
    let silent = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("ws://{}", silent.local_addr()?);
    let mut push = a.cli(stage).args(["push", "--node", &url]).spawn(stage)?;
    let (_connection, _) = tokio::time::timeout(PATIENCE, silent.accept())
        .await
        .context("push did not connect")??;
    kill(stage, &mut push).await?;
    let states = states(&a.show_outbox(stage).await?, &ids)?;
    ensure!(
        states.iter().all(|state| state == "queued"),
        "the states are {states:?}"
    );
    let evidence = Evidence::new()
        .with("events", ids.clone())
        .with("states", states);
    Ok((ids, evidence))
}

/// A push of one more order, killed as soon as the outbox says that the order is on its way. Should
/// finality ever be faster than that look, another order gives another chance.
async fn waiting(stage: &mut Stage, people: &People) -> Result<((), Evidence)> {
    let a = &people.a;
    for number in 1008..1008 + KILL_ATTEMPTS {
        let id = append_order(stage, a, &format!("A-{number}"), &[]).await?;
        let mut push = a.cli(stage).arg("push").spawn(stage)?;
        let log = stage.path("node.log");
        wait_for(
            "the order to leave the outbox",
            &log,
            PATIENCE,
            async || {
                let entries = a.outbox(stage).await?;
                let state = &entry_of(&entries, &id)?.state;
                Ok((!["queued", "signed"].contains(&state.as_str())).then_some(()))
            },
        )
        .await?;
        kill(stage, &mut push).await?;
        let entries = a.show_outbox(stage).await?;
        let state = &entry_of(&entries, &id)?.state;
        if ["submitted", "in_block"].contains(&state.as_str()) {
            let evidence = Evidence::new().with("event", id.as_str());
            return Ok(((), evidence.with("state after the kill", state.as_str())));
        }
    }
    bail!("finality came before the kill, {KILL_ATTEMPTS} times")
}

async fn kill(stage: &mut Stage, process: &mut Process) -> Result<()> {
    stage.typed(format!("kill -9 {}", process.id()));
    process.kill().await
}

async fn settle(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    ids: &[String],
) -> Result<((), Evidence)> {
    let done = people.a.ask(stage, &["push"]).await?.success()?;
    let entries = people.a.show_outbox(stage).await?;
    for id in ids {
        same(
            "its state",
            entry_of(&entries, id)?.state.as_str(),
            "finalized",
        )?;
    }
    let sequences: Vec<u64> = entries.iter().filter_map(|entry| entry.sequence).collect();
    same("events with a sequence", sequences.len(), entries.len())?;
    let head = chains.served(&stream(people), entries.len() as u64).await?;
    let head = number(&head, "/sequence")?;
    let mut params = stream(people).to_vec();
    params.extend([json!(1), json!(1000)]);
    let page = wait_for("all events", chains.node.log(), PATIENCE, async || {
        let page = chains.peek("ves_events", &params).await?;
        Ok((list(&page, "/events")?.len() as u64 >= head).then_some(page))
    })
    .await?;
    chains.ask(stage, "ves_events", &params).await?;
    let mut seen = BTreeSet::new();
    for (index, event) in list(&page, "/events")?.iter().enumerate() {
        same(
            "the sequence",
            number(event, "/sequence")?,
            index as u64 + 1,
        )?;
        let id = text(event, "/event/event_id")?;
        ensure!(seen.insert(id.clone()), "event {id} is there twice");
    }
    let sent: BTreeSet<String> = entries.into_iter().map(|entry| entry.id).collect();
    ensure!(
        seen == sent,
        "the stream and A's outbox hold different events"
    );
    same("the head", head, sent.len() as u64)?;
    let evidence = Evidence::new()
        .with("sequences", sequences)
        .with("events on chain", seen.len())
        .with("head", head)
        .with(
            "submissions of the last push",
            number(&done, "/submissions")?,
        );
    Ok(((), evidence))
}
