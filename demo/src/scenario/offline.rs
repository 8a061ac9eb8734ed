// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node is gone; the bundles still prove what they proved.

use super::{
    BUNDLES, Chains, People,
    anchoring::{Anchored, anchor_check},
    chains::from_agent,
    cli_in,
    orders::bundle_file,
};
use crate::{
    processes::Service,
    report::Evidence,
    stage::{Answer, Stage, Stopped, field, list, same, text},
};
use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

/// Exit code of a node that cannot be reached.
const EXIT_UNREACHABLE: i32 = 4;
/// A directory without project, keys or configuration.
const AUDITOR: &str = "auditor";

/// Stops the node and verifies.
pub(super) async fn prove(
    stage: &mut Stage,
    chains: &mut Chains,
    relay: Service,
    people: &People,
    anchored: &Anchored,
) -> Result<(), Stopped> {
    let key = stage
        .claim(
            "node-stopped",
            "The node is stopped; the agents cannot reach it",
            async |s| stop(s, chains, relay, people).await,
        )
        .await?;
    stage
        .check(
            "offline",
            "An auditor without node verifies every order from pinned key, chain and root",
            async |s| audit(s, chains, &key, &anchored.events_root).await,
        )
        .await;
    stage
        .check(
            "offline-finality",
            "The bundle's justification proves its block final from the authorities' hash alone",
            async |s| finality(s, chains, people, &key).await,
        )
        .await;
    stage
        .check(
            "offline-forged-finality",
            "Without node a doctored justification, and other authorities, are refused by name",
            async |s| forged_finality(s, people).await,
        )
        .await;
    stage
        .check(
            "offline-contract",
            "The contract alone vouches for the batch",
            async |s| {
                let bundle = from_agent(BUNDLES, &bundle_file(0));
                let args = [
                    "verify",
                    "--bundle",
                    &bundle,
                    "--genesis",
                    &chains.genesis,
                    "--agent-key",
                    &key,
                    "--l1-rpc",
                    &chains.l2_url,
                    "--registry",
                    &chains.registry,
                ];
                let done = ask(s, &args).await?.success()?;
                same("the batch", &text(&done, "/batch_id")?, &anchored.batch_id)?;
                Ok(Evidence::new()
                    .with("anchor", anchor_check(&done)?)
                    .with("left to trust", field(&done, "/relies_on")?.clone()))
            },
        )
        .await;
    stage
        .check(
            "offline-forgery",
            "Without node a forged bundle is still refused",
            async |s| {
                let forged = from_agent(BUNDLES, "forged-sibling.json");
                let refused = ask(s, &["verify", "--bundle", &forged]).await?.failure(7)?;
                let reason = text(&refused, "/failed")?;
                same("the reason", reason.as_str(), "inclusion_invalid")?;
                Ok(Evidence::new().with("refused", reason))
            },
        )
        .await;
    Ok(())
}

async fn stop(
    stage: &mut Stage,
    chains: &mut Chains,
    mut relay: Service,
    people: &People,
) -> Result<(String, Evidence)> {
    std::fs::create_dir(stage.path(AUDITOR))?;
    let exported = people.a.ask(stage, &["keys:export"]).await?.success()?;
    let key = text(&exported, "/signing_public_key")?;
    stage.typed(format!("kill {}", relay.id()));
    relay.stop().await?;
    stage.typed(format!("kill {}", chains.node.id()));
    let status = chains.node.stop().await?;
    let refused = people
        .b
        .ask(stage, &["pull"])
        .await?
        .failure(EXIT_UNREACHABLE)?;
    let evidence = Evidence::new()
        .with("node ended with", status)
        .with("pull says", text(&refused, "/error/code")?)
        .with("exit code", EXIT_UNREACHABLE);
    Ok((key, evidence))
}

/// The hash of the authority set that A trusted when it met the chain.
async fn trusted_authorities(stage: &mut Stage, people: &People) -> Result<String> {
    let status = people
        .a
        .ask(stage, &["status", "--offline"])
        .await?
        .success()?;
    text(&status, "/authorities/trusted_hash")
}

async fn finality(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    key: &str,
) -> Result<Evidence> {
    let authorities = trusted_authorities(stage, people).await?;
    let bundle = from_agent(BUNDLES, &bundle_file(0));
    let args = [
        "verify",
        "--bundle",
        &bundle,
        "--genesis",
        &chains.genesis,
        "--agent-key",
        key,
        "--authorities",
        &authorities,
    ];
    let done = ask(stage, &args).await?.success()?;
    ensure!(
        list(&done, "/relies_on")?.is_empty(),
        "left to trust: {}",
        done["relies_on"]
    );
    let checks = list(&done, "/checks")?;
    let justification = checks.iter().find(|c| c["name"] == "justification");
    let justification = justification.ok_or_else(|| anyhow!("no such check"))?;
    same("verdict", justification["verdict"] == "pass", true)?;
    Ok(Evidence::new()
        .with("finalized", text(justification, "/evidence")?)
        .with("pinned authorities", authorities))
}

async fn forged_finality(stage: &mut Stage, people: &People) -> Result<Evidence> {
    let authorities = trusted_authorities(stage, people).await?;
    let others = "11".repeat(32);
    let mut reasons = Vec::new();
    for (file, pin, reason) in [
        (
            "forged-justification.json".to_owned(),
            &authorities,
            "justification_invalid",
        ),
        (bundle_file(0), &others, "authorities_mismatch"),
    ] {
        let bundle = from_agent(BUNDLES, &file);
        let args = ["verify", "--bundle", &bundle, "--authorities", pin];
        let refused = ask(stage, &args).await?.failure(7)?;
        let found = text(&refused, "/failed")?;
        same("the reason", found.as_str(), reason)?;
        reasons.push(found);
    }
    Ok(Evidence::new().with("refused", reasons))
}

async fn ask(stage: &mut Stage, args: &[&str]) -> Result<Answer> {
    Answer::read(
        &cli_in(stage, AUDITOR)
            .args(args)
            .arg("--json")
            .run(stage)
            .await?,
    )
}

async fn audit(stage: &mut Stage, chains: &Chains, key: &str, root: &str) -> Result<Evidence> {
    let mut verified: Vec<Value> = Vec::new();
    for index in 0..3 {
        let bundle = from_agent(BUNDLES, &bundle_file(index));
        let args = [
            "verify",
            "--bundle",
            &bundle,
            "--genesis",
            &chains.genesis,
            "--agent-key",
            key,
            "--events-root",
            root,
        ];
        let done = ask(stage, &args).await?.success()?;
        same("verified", done["verified"] == true, true)?;
        same("offline", done["offline"] == true, true)?;
        ensure!(
            list(&done, "/relies_on")?.is_empty(),
            "left to trust: {}",
            done["relies_on"]
        );
        verified.push(field(&done, "/sequence")?.clone());
    }
    Ok(Evidence::new()
        .with("verified sequences", verified)
        .with("pinned root", root)
        .with("pinned key", key)
        .with("left to trust", Vec::<String>::new()))
}
