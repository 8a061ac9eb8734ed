// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `kill -9` of the relay with transactions under way, while the EVM chain stands still.

use super::{
    Chains, PATIENCE, People,
    chains::{L2_BLOCK_SECONDS, relay_status, run_relay},
    orders::stream,
};
use crate::{
    processes::{Service, wait_for},
    report::Evidence,
    stage::{Stage, Stopped, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// States of a transaction that is signed and not settled.
const UNDER_WAY: [&str; 3] = ["signed", "sent", "included"];

/// The EVM chain makes no blocks: what the relay sends from now on stays under way.
pub(super) async fn hold_blocks(stage: &mut Stage, chains: &Chains) -> Result<(), Stopped> {
    stage
        .claim(
            "l2-stalls",
            "The EVM chain stops making blocks; the appchain goes on",
            async |s| {
                caught_up(s, chains, BATCHES_BEFORE).await?;
                chains.l2_method(s, &["evm_setIntervalMining", "0"]).await?;
                let block = chains.l2_method(s, &["eth_blockNumber"]).await?;
                Ok((
                    (),
                    Evidence::new().with("last block", block.trim_matches('"')),
                ))
            },
        )
        .await
}

/// Batches before the outage: three orders, the carried one, the resumed one.
const BATCHES_BEFORE: u64 = 3;

/// Waits until the relay has settled this many batches.
async fn caught_up(stage: &Stage, chains: &Chains, batches: u64) -> Result<Value> {
    let what = format!("{batches} settled anchors");
    wait_for(&what, chains.anvil.log(), PATIENCE, async || {
        let status = relay_status(stage).await?;
        Ok((number(&status, "/anchored")? >= batches).then_some(status))
    })
    .await
}

/// Kills the relay twice with the same transaction under way, then lets the EVM chain go on.
pub(super) async fn kill_relay(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    relay: Service,
) -> Result<Service, Stopped> {
    let batches = stage
        .claim(
            "relay-killed",
            "kill -9 of the relay, twice, with a transaction under way",
            async |s| kill_twice(s, chains, people, relay).await,
        )
        .await?;
    stage
        .claim(
            "relay-recovered",
            "Restarted, it anchors every batch once: none lost, none doubled",
            async |s| recover(s, chains, people, batches).await,
        )
        .await
}

async fn kill_twice(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    relay: Service,
) -> Result<(u64, Evidence)> {
    let head = chains.peek("ves_head", &stream(people)).await?;
    let batches = number(&head, "/batch_count")?;
    ensure!(
        batches > BATCHES_BEFORE,
        "no batch was made during the outage"
    );
    let mut seen = Vec::new();
    let mut relay = relay;
    for life in 1..=2 {
        let status = wait_for(
            "a transaction under way",
            relay.log(),
            PATIENCE,
            async || {
                let status = relay_status(stage).await?;
                let all = number(&status, "/batches")? == batches;
                Ok((all && !under_way(&status).is_empty()).then_some(status))
            },
        )
        .await?;
        stage.typed(format!("kill -9 {}", relay.id()));
        relay.kill().await?;
        seen.push(under_way(&status).join(" and "));
        if life == 1 {
            relay = run_relay(stage, "relay-2.log")?;
            relay.word_after("address=", PATIENCE).await?;
        }
    }
    let pending = chains.l2_method(stage, &["txpool_status"]).await?;
    let evidence = Evidence::new()
        .with("batches", batches)
        .with("under way at the kills", seen)
        .with("pool of the EVM chain", pending);
    Ok((batches, evidence))
}

fn under_way(status: &Value) -> Vec<String> {
    UNDER_WAY
        .iter()
        .filter_map(|state| {
            let count = status["transactions"][*state]
                .as_u64()
                .filter(|count| *count > 0)?;
            Some(format!("{count} {state}"))
        })
        .collect()
}

async fn recover(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    batches: u64,
) -> Result<(Service, Evidence)> {
    let relay = run_relay(stage, "relay-3.log")?;
    chains
        .l2_method(stage, &["evm_setIntervalMining", L2_BLOCK_SECONDS])
        .await?;
    let status = caught_up(stage, chains, batches).await?;
    ensure!(
        under_way(&status).is_empty(),
        "still under way: {}",
        status["transactions"]
    );

    let mut ids = Vec::new();
    for index in 0..batches {
        let mut params = stream(people).to_vec();
        params.push(json!(index));
        ids.push(text(
            &chains.peek("ves_batch", &params).await?,
            "/batch_id",
        )?);
    }
    let anchored = chains.anchored_ids(stage).await?;
    ensure!(
        anchored == ids,
        "the contract was given {anchored:?}, the chain has {ids:?}"
    );
    let nonce = chains.relay_nonce(stage).await?;
    // Batches that wait together share a transaction.
    ensure!(
        nonce <= batches,
        "{nonce} transactions for {batches} batches"
    );
    let streams = list(&status, "/streams")?;
    let quarantined = streams
        .iter()
        .filter(|stream| !stream["quarantine"].is_null())
        .count();
    same("streams set aside", quarantined, 0)?;
    let evidence = Evidence::new()
        .with("batches of the chain", ids.len())
        .with("anchors on the contract", anchored.len())
        .with("transactions of the relay", nonce);
    Ok((relay, evidence))
}
