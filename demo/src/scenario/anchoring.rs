// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The batch on the contract, compared field by field, and verification from the contract's root.

use super::{
    BUNDLES, Chains, PATIENCE, People,
    chains::{relay_command, relay_status},
    orders::{Orders, bundle_file},
};
use crate::{
    processes::{POLL, Service, wait_for},
    report::Evidence,
    stage::{Answer, Stage, Stopped, field, list, number, same, text},
    tamper::{self, What},
};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use std::{path::Path, time::Instant};
use ves_primitives::{StreamId, stream_id};

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

/// The proof of a batch on the contract, the report back to the chain, and the relay's own audit.
pub(super) async fn audit(stage: &mut Stage, chains: &Chains, relay: &Service, people: &People) {
    let stream: StreamId = stream_id(people.tenant, people.store);
    stage
        .check(
            "proof-anchored",
            "The contract holds the hash of the batch's proof, as the chain verified it",
            async |s| proof_anchored(s, chains, relay, stream).await,
        )
        .await;
    stage
        .check(
            "anchors-reported",
            "The chain knows from the relay which batches are anchored",
            async |_| {
                let what = "the relay's report";
                let kept = wait_for(what, relay.log(), PATIENCE, async || {
                    let kept = chains.client.kept_batches(stream, None).await?;
                    Ok((kept.anchored > 0).then_some(kept))
                })
                .await?;
                Ok(Evidence::new().with("anchored", kept.anchored))
            },
        )
        .await;
    stage
        .check(
            "audited",
            "An audit of the whole chain finds no difference to the contract",
            async |s| {
                let command = relay_command(s).args(["verify", "--json"]);
                let audit = Answer::read(&command.run(s).await?)?.success()?;
                same("differences", number(&audit, "/differences")?, 0)?;
                let batches = number(&audit, "/batches_anchored")?;
                let proofs = number(&audit, "/proofs_anchored")?;
                ensure!(batches > 0 && proofs > 0, "nothing was compared");
                Ok(Evidence::new()
                    .with("equal batches", batches)
                    .with("equal proofs", proofs))
            },
        )
        .await;
}

async fn proof_anchored(
    stage: &mut Stage,
    chains: &Chains,
    relay: &Service,
    stream: StreamId,
) -> Result<Evidence> {
    let what = "the relay to anchor the proof";
    wait_for(what, relay.log(), PATIENCE, async || {
        let status = relay_status(stage).await?;
        Ok((number(&status, "/proofs_anchored")? > 0).then_some(()))
    })
    .await?;
    let proofs = chains.client.batch_proofs_in(stream, 0, 256, None).await?;
    let proof = proofs.first().context("the chain has no proof")?;
    let signature = "starkProofs(bytes32)(bytes32,bytes32,uint64,bool,uint64,uint64,uint64)";
    let batch = proof.batch_id.to_string();
    let stored = chains.call(stage, signature, &[&batch]).await?;
    let word = |n: usize| stored.get(n).map(String::as_str).unwrap_or_default();
    same(
        "the proof's hash",
        word(0),
        proof.proof_hash.to_string().as_str(),
    )?;
    same(
        "the policy's hash",
        word(1),
        proof.policy_hash.to_string().as_str(),
    )?;
    same("the flag", word(3), "true")?;
    Ok(Evidence::new()
        .with("batch", batch)
        .with("proof", word(0))
        .with("policy", word(1))
        .with("limit", word(2)))
}
