// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The batch on the contract, compared field by field, and verification from the contract's root.

use super::{
    BUNDLES, Chains, PATIENCE, People,
    orders::{Orders, bundle_file},
};
use crate::{
    processes::{POLL, Service},
    report::Evidence,
    stage::{Stage, Stopped, field, list, number, same, text},
    tamper::{self, What},
};
use anyhow::{Result, anyhow, ensure};
use serde_json::Value;
use std::{path::Path, time::Instant};

/// What an auditor learns from the contract.
pub(super) struct Anchored {
    /// The root that the contract holds.
    pub(super) events_root: String,
    /// The batch.
    pub(super) batch_id: String,
}

/// Compares contract and chain.
pub(super) async fn check(
    stage: &mut Stage,
    chains: &Chains,
    relay: &mut Service,
    people: &People,
    orders: &Orders,
) -> Result<Anchored, Stopped> {
    let batch_id = orders.batch["batch_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let events_root = stage
        .claim(
            "anchored",
            "The contract holds exactly the chain's batch",
            async |s| compare(s, chains, relay, &orders.batch, &batch_id).await,
        )
        .await?;
    stage
        .check(
            "contract-root",
            "Each order verifies from the contract's root",
            async |s| {
                let mut seen = Vec::new();
                for id in &orders.ids {
                    let args = [
                        "verify",
                        id,
                        "--l1-rpc",
                        &chains.l2_url,
                        "--registry",
                        &chains.registry,
                    ];
                    let done = people.b.ask(s, &args).await?.success()?;
                    seen.push(anchor_check(&done)?);
                }
                Ok(Evidence::new().with("anchor", seen))
            },
        )
        .await;
    stage
        .check(
            "on-chain-proof",
            "The contract itself accepts a genuine Merkle path and no altered one",
            async |s| ask_contract(s, chains).await,
        )
        .await;
    Ok(Anchored {
        events_root,
        batch_id,
    })
}

async fn compare(
    stage: &mut Stage,
    chains: &Chains,
    relay: &mut Service,
    batch: &Value,
    batch_id: &str,
) -> Result<(String, Evidence)> {
    let deadline = Instant::now() + PATIENCE;
    while chains.stored(stage, batch_id, false).await?.timestamp == 0 {
        relay.check()?;
        ensure!(
            Instant::now() < deadline,
            "not anchored within {} s; see {}",
            PATIENCE.as_secs(),
            relay.log().display()
        );
        tokio::time::sleep(POLL).await;
    }
    let stored = chains.stored(stage, batch_id, true).await?;
    same(
        "events root",
        &stored.events_root,
        &text(batch, "/events_root")?,
    )?;
    same(
        "state root",
        &stored.state_root,
        &text(batch, "/new_state_root")?,
    )?;
    same(
        "first sequence",
        stored.first,
        number(batch, "/sequence_start")?,
    )?;
    same(
        "last sequence",
        stored.last,
        number(batch, "/sequence_end")?,
    )?;
    same("event count", stored.count, number(batch, "/leaf_count")?)?;
    let evidence = Evidence::new()
        .with("batch", batch_id)
        .with("events root", stored.events_root.clone())
        .with("state root", stored.state_root)
        .with("sequences", format!("{}..{}", stored.first, stored.last))
        .with("anchored at", stored.timestamp);
    Ok((stored.events_root, evidence))
}

/// The evidence of the check `anchor`, which must have passed.
pub(super) fn anchor_check(verification: &Value) -> Result<String> {
    let checks = list(verification, "/checks")?;
    let anchor = checks.iter().find(|check| check["name"] == "anchor");
    let anchor = anchor.ok_or_else(|| anyhow!("no check named anchor"))?;
    same("the check", text(anchor, "/verdict")?.as_str(), "pass")?;
    text(anchor, "/evidence")
}

async fn ask_contract(stage: &mut Stage, chains: &Chains) -> Result<Evidence> {
    let bundle = tamper::read(&stage.path(Path::new(BUNDLES).join(bundle_file(0))))?;
    let forged = tamper::tamper(&bundle, What::Sibling, None)?;
    let genuine = included(stage, chains, &bundle).await?;
    let altered = included(stage, chains, &forged).await?;
    same("the answer to the genuine path", genuine.as_str(), "true")?;
    same("the answer to the altered path", altered.as_str(), "false")?;
    Ok(Evidence::new()
        .with("leaf", text(&bundle, "/inclusion/leaf_hash")?)
        .with("siblings", list(&bundle, "/inclusion/proof/path")?.len())
        .with("genuine", genuine)
        .with("altered sibling", altered))
}

async fn included(stage: &mut Stage, chains: &Chains, bundle: &Value) -> Result<String> {
    let path: Vec<&str> = list(bundle, "/inclusion/proof/path")?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let args = [
        text(bundle, "/inclusion/batch/batch_id")?,
        text(bundle, "/inclusion/leaf_hash")?,
        format!("[{}]", path.join(",")),
        field(bundle, "/inclusion/proof/leaf_index")?.to_string(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let signature = "verifyVesInclusion(bytes32,bytes32,bytes32[],uint256)(bool)";
    Ok(chains.call(stage, signature, &args).await?.join(" "))
}
