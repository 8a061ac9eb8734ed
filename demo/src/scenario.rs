// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The scenario: two agents and an outsider, from the first order to a proof that needs no server.

mod anchoring;
mod bundles;
mod censorship;
mod chains;
mod crashes;
mod full_disk;
mod identities;
mod lifecycle;
mod offline;
mod orders;
mod outage;
mod proofs;
mod readers;
mod revocation;
mod routine;
mod wire;

use crate::stage::{Answer, Stage, Stopped, Typed, fresh, list, number, text};
use anyhow::{Result, anyhow};
use chains::Chains;
use serde_json::Value;
use std::{path::Path, time::Duration};
use ves_primitives::{StoreId, TenantId};

/// Longest wait for something that takes a few blocks.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where exported bundles go.
const BUNDLES: &str = "bundles";
/// Where events taken from an outbox go.
const WIRE: &str = "wire";

/// Plays everything. What happened is in the stage's report.
pub(crate) async fn play(stage: &mut Stage) {
    // The reason to stop is in the report already.
    let _: Result<(), Stopped> = all(stage).await;
}

/// Plays what happens to agent and relay when a disk is full. Needs a small one, see
/// [`SmallDisk`](crate::disk::SmallDisk).
pub(crate) async fn play_full_disk(stage: &mut Stage) {
    let _: Result<(), Stopped> = full_disk::play(stage).await;
}

/// Plays what becomes of events when most validators take none.
pub(crate) async fn play_censorship(stage: &mut Stage) {
    let _: Result<(), Stopped> = censorship::play(stage).await;
}

async fn all(stage: &mut Stage) -> Result<(), Stopped> {
    stage.report.chapter("Chains");
    let mut chains = chains::start(stage).await?;
    let mut relay = chains::start_relay(stage, &chains, "relay.db").await?;

    stage.report.chapter("Identities");
    let people = identities::register(stage, &chains).await?;

    stage.report.chapter("Orders");
    let orders = orders::place(stage, &chains, &people).await?;

    stage.report.chapter("A second agent, and an outsider");
    readers::read(stage, &chains, &people, &orders).await?;

    stage.report.chapter("A policy about a hidden amount");
    proofs::prove(stage, &chains, &people, &orders).await?;

    stage.report.chapter("Anchored on an EVM chain");
    let anchored = anchoring::check(stage, &chains, &mut relay, &people, &orders).await?;

    stage.report.chapter("Forged evidence");
    bundles::forge(stage, &people).await;

    stage.report.chapter("Forged events");
    wire::attack(stage, &chains, &people, &orders).await?;

    stage.report.chapter("Crashes");
    outage::hold_blocks(stage, &chains).await?;
    crashes::interrupt(stage, &chains, &people).await?;
    let relay = outage::kill_relay(stage, &chains, &people, relay).await?;

    stage.report.chapter("Policies in daily work");
    routine::work(stage, &people).await?;
    anchoring::audit(stage, &chains, &relay, &people).await;

    stage.report.chapter("Keys, policies and groups change");
    lifecycle::show(stage, &people).await?;
    revocation::revoke(stage, &chains, &people).await?;

    stage.report.chapter("Without any node of the appchain");
    offline::prove(stage, &mut chains, relay, &people, &anchored).await
}

/// One agent: a directory of its own, and the identity its `init` made.
struct Agent {
    /// Name of the directory.
    name: &'static str,
    id: String,
}

impl Agent {
    fn cli(&self, stage: &Stage) -> Typed {
        cli_in(stage, self.name)
    }

    /// Runs `stateset-sync` in this agent's directory and reads its answer.
    async fn ask(&self, stage: &mut Stage, args: &[&str]) -> Result<Answer> {
        let finished = self.cli(stage).args(args).arg("--json").run(stage).await?;
        Answer::read(&finished)
    }

    /// The outbox, oldest first, without showing the command.
    async fn outbox(&self, stage: &Stage) -> Result<Vec<Entry>> {
        let command = self.cli(stage).args(["outbox", "--limit", "100", "--json"]);
        entries(Answer::read(&command.run_quietly(&stage.guard).await?)?)
    }

    /// The outbox, oldest first.
    async fn show_outbox(&self, stage: &mut Stage) -> Result<Vec<Entry>> {
        entries(self.ask(stage, &["outbox", "--limit", "100"]).await?)
    }
}

fn cli_in(stage: &Stage, dir: &str) -> Typed {
    Typed::new(stage, &stage.tools.cli, "stateset-sync", dir)
}

/// One event of an outbox.
struct Entry {
    id: String,
    state: String,
    sequence: Option<u64>,
    block: Option<u32>,
    reason: Option<String>,
}

fn entries(answer: Answer) -> Result<Vec<Entry>> {
    let json = answer.success()?;
    let mut found = Vec::new();
    for event in list(&json, "/events")? {
        let entry = Entry {
            id: text(event, "/event_id")?,
            state: text(event, "/state")?,
            sequence: event["sequence"].as_u64(),
            block: event["block_number"]
                .as_u64()
                .and_then(|n| n.try_into().ok()),
            reason: event["reason"].as_str().map(str::to_owned),
        };
        found.push((number(event, "/local_seq")?, entry));
    }
    found.sort_by_key(|(local_seq, _)| *local_seq);
    Ok(found.into_iter().map(|(_, entry)| entry).collect())
}

/// The entry of this event.
fn entry_of<'a>(entries: &'a [Entry], id: &str) -> Result<&'a Entry> {
    entries
        .iter()
        .find(|entry| entry.id == id)
        .ok_or_else(|| anyhow!("{id} is not in the outbox"))
}

/// Everybody.
struct People {
    tenant: TenantId,
    store: StoreId,
    /// Registered too, and not the one the agents use.
    other_store: StoreId,
    a: Agent,
    b: Agent,
    c: Agent,
}

/// Takes a captured and signed event out of an outbox, as its transport would.
async fn take_from_outbox(
    stage: &mut Stage,
    agent: &Agent,
    id: &str,
    name: &str,
) -> Result<(String, Value)> {
    let file = format!("../{WIRE}/{name}.json");
    let finished = agent
        .cli(stage)
        .args(["show", id, "--json"])
        .shown_into(&file)
        .run(stage)
        .await?;
    let json = Answer::read(&finished)?.success()?;
    std::fs::write(
        stage.path(Path::new(WIRE).join(format!("{name}.json"))),
        &finished.stdout,
    )?;
    Ok((file, json))
}

/// The development chains' own tenant and store.
const TRIAL_STREAM: [&str; 2] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
];

/// Registers an agent, who lives in this directory, for the development chains' own stream.
async fn enroll(stage: &mut Stage, name: &'static str, node_url: &str) -> Result<Agent> {
    let passphrase = stage.write_secret("passphrase", &hex::encode(fresh::<16>()))?;
    let passphrase = passphrase.display().to_string();
    let mut agent = Agent {
        name,
        id: String::new(),
    };
    let [tenant, store] = TRIAL_STREAM;
    let init = [
        ["init", "--node", node_url],
        ["--tenant", tenant, "--store"],
        [store, "--passphrase-file", &passphrase],
    ];
    let done = agent.ask(stage, &init.concat()).await?.success()?;
    agent.id = text(&done, "/agent_id")?;
    for args in [
        &["keys:generate"][..],
        &["admin:register-agent", "--dev-admin", "--no-wait"],
        &["keys:register", "--dev-admin"],
    ] {
        agent.ask(stage, args).await?.success()?;
    }
    Ok(agent)
}

/// Captures a plaintext order and returns its event id.
async fn append_order(
    stage: &mut Stage,
    agent: &Agent,
    order: &str,
    extra: &[&str],
) -> Result<String> {
    let payload = format!(r#"{{"order":"{order}","total":"42.00"}}"#);
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
    ];
    text(
        &agent
            .ask(stage, &[&args, extra].concat())
            .await?
            .success()?,
        "/event_id",
    )
}

/// Runs `push` so that it dies at a point of its own choosing, and makes sure that it did.
async fn push_and_die(stage: &mut Stage, agent: &Agent, point: &str) -> Result<()> {
    let finished = agent
        .cli(stage)
        .args(["push", "--testing-hooks", "--json"])
        .env("VES_TEST_CRASH_AT", point)
        .run(stage)
        .await?;
    match finished.code {
        None => Ok(()),
        Some(code) => Err(anyhow!(
            "push did not die at {point}: exit code {code}, {}",
            finished.stdout
        )),
    }
}
