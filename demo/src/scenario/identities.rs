// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A fresh tenant, two stores, three agents with fresh keys.

use super::{Agent, BUNDLES, Chains, PATIENCE, People, WIRE};
use crate::{
    processes::wait_for,
    report::Evidence,
    stage::{Answer, Stage, Stopped, Typed, fresh, fresh_uuid, list, number, same, text},
};
use anyhow::{Result, anyhow, ensure};
use std::sync::Arc;
use ves_primitives::{AgentId, StoreId, TenantId};

/// Makes and registers everybody.
pub(super) async fn register(stage: &mut Stage, chains: &Chains) -> Result<People, Stopped> {
    let tenant = TenantId(fresh_uuid());
    let (store, other_store) = (StoreId(fresh_uuid()), StoreId(fresh_uuid()));
    let (a, b, c) = stage
        .claim(
            "projects",
            "Three agents bind themselves to this chain, each with fresh keys",
            async |s| {
                prepare(s)?;
                let mut evidence = Evidence::new();
                let a = join(s, chains, tenant, store, "agent-a").await?;
                let b = join(s, chains, tenant, store, "agent-b").await?;
                let c = join(s, chains, tenant, store, "outsider-c").await?;
                for (name, agent) in [("A", &a), ("B", &b), ("C", &c)] {
                    evidence = evidence.with(name, agent.id.clone());
                }
                Ok(((a, b, c), evidence))
            },
        )
        .await?;
    let people = People {
        tenant,
        store,
        other_store,
        a,
        b,
        c,
    };
    stage
        .claim(
            "tenant",
            "Governance registers a tenant; its administrator registers two stores",
            async |s| {
                let a = &people.a;
                let (last, other) = (["--dev-admin", "--no-wait"], other_store.to_string());
                a.ask(s, &[&["admin:create-tenant"], &last[..]].concat())
                    .await?
                    .success()?;
                a.ask(s, &[&["admin:create-store"], &last[..]].concat())
                    .await?
                    .success()?;
                let args = [&["admin:create-store", "--store", &other], &last[..]].concat();
                let done = a.ask(s, &args).await?.success()?;
                let evidence = Evidence::new()
                    .with("tenant", tenant.to_string())
                    .with("stores", vec![store.to_string(), other_store.to_string()])
                    .with("block", number(&done, "/block_number")?);
                Ok(((), evidence))
            },
        )
        .await?;
    stage
        .claim(
            "keys",
            "The registry holds each agent's keys, after a proof of possession",
            async |s| {
                let mut evidence = Evidence::new();
                let agents = [&people.a, &people.b, &people.c];
                let keys = enroll(s, chains, agents).await?;
                for (agent, key) in agents.into_iter().zip(keys) {
                    registered(s, chains, &people, agent, &key).await?;
                    evidence = evidence.with(agent.name, key);
                }
                Ok(((), evidence))
            },
        )
        .await?;
    Ok(people)
}

/// Directories, and one passphrase for all keys of this run.
fn prepare(stage: &Stage) -> Result<()> {
    for name in ["agent-a", "agent-b", "outsider-c", BUNDLES, WIRE] {
        std::fs::create_dir(stage.path(name))?;
    }
    stage.write_secret("passphrase", &hex::encode(fresh::<16>()))?;
    Ok(())
}

async fn join(
    stage: &mut Stage,
    chains: &Chains,
    tenant: TenantId,
    store: StoreId,
    name: &'static str,
) -> Result<Agent> {
    let mut agent = Agent {
        name,
        id: String::new(),
    };
    let (tenant, store) = (tenant.to_string(), store.to_string());
    let args = [
        "init",
        "--node",
        &chains.node_url,
        "--tenant",
        &tenant,
        "--store",
        &store,
        "--passphrase-file",
        "../passphrase",
    ];
    let done = agent.ask(stage, &args).await?.success()?;
    same(
        "the chain of the project",
        text(&done, "/genesis_hash")?,
        chains.genesis.clone(),
    )?;
    agent.id = text(&done, "/agent_id")?;
    let made = agent.ask(stage, &["keys:generate"]).await?.success()?;
    for key in list(&made, "/keys")? {
        ensure!(
            key["encrypted_at_rest"] == true,
            "a key of {name} lies in the clear"
        );
    }
    Ok(agent)
}

/// Registers the agents, then their keys; returns the signing keys.
async fn enroll(stage: &mut Stage, chains: &Chains, agents: [&Agent; 3]) -> Result<Vec<String>> {
    for step in ["admin:register-agent", "keys:register"] {
        let commands = agents.map(|agent| {
            agent
                .cli(stage)
                .args([step, "--dev-admin", "--no-wait", "--json"])
        });
        in_one_block(stage, chains, commands).await?;
    }
    let mut found = Vec::new();
    for agent in agents {
        let listed = agent.ask(stage, &["keys:list"]).await?.success()?;
        let keys = list(&listed, "/keys")?;
        same("the number of keys", keys.len(), 2)?;
        for key in keys {
            ensure!(!key["registration"].is_null(), "key not registered: {key}");
        }
        let signing = keys.iter().find(|key| key["purpose"] == "signing");
        found.push(text(
            signing.ok_or_else(|| anyhow!("no signing key in {listed}"))?,
            "/public_key",
        )?);
    }
    Ok(found)
}

/// Starts each command once the transaction of the one before waits in the pool, where the next
/// nonce is counted; together they need about one block instead of one each.
async fn in_one_block(stage: &mut Stage, chains: &Chains, commands: [Typed; 3]) -> Result<()> {
    let mut running = Vec::new();
    for command in commands {
        stage.typed(command.text());
        let waiting = pending(chains).await?;
        let guard = Arc::clone(&stage.guard);
        let task = tokio::spawn(async move { command.run_quietly(&guard).await });
        wait_for(
            "the transaction to reach the pool",
            chains.node.log(),
            PATIENCE,
            async || Ok((task.is_finished() || pending(chains).await? > waiting).then_some(())),
        )
        .await?;
        running.push(task);
    }
    for task in running {
        Answer::read(&task.await??)?.success()?;
    }
    Ok(())
}

async fn pending(chains: &Chains) -> Result<usize> {
    Ok(list(&chains.peek("author_pendingExtrinsics", &[]).await?, "")?.len())
}

/// Asks the finalized registry itself, not the tool that registered.
async fn registered(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    agent: &Agent,
    key: &str,
) -> Result<()> {
    let exported = agent.ask(stage, &["keys:export"]).await?.success()?;
    same(
        "the exported key",
        text(&exported, "/signing_public_key")?.as_str(),
        key,
    )?;
    let id: AgentId = agent.id.parse().map_err(|e| anyhow!("{e}"))?;
    wait_for(
        "the key in the finalized registry",
        chains.node.log(),
        PATIENCE,
        async || {
            let at = Some(chains.client.finalized_head().await?);
            let found = chains.client.signing_keys(people.tenant, id, at).await?;
            let found: Vec<String> = found
                .iter()
                .map(|(_, record)| record.public_key.to_string())
                .collect();
            ensure!(
                found.is_empty() || found == [key],
                "the registry has {found:?}"
            );
            Ok((!found.is_empty()).then_some(()))
        },
    )
    .await
}
