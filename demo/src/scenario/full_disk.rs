// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A full disk, first the agent's, then the relay's: what was acknowledged stays, what was refused
//! leaves no trace, and the relay sends nothing that it could not write down before.

use super::{
    Agent, Chains, PATIENCE, TRIAL_STREAM, append_order,
    chains::{self, relay_command, relay_status, run_relay},
};
use crate::{
    disk::SmallDisk,
    processes::{Service, wait_for},
    report::Evidence,
    stage::{Answer, Stage, Stopped, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{collections::BTreeSet, time::Duration};

/// Directory on the small disk.
const DISK: &str = "small";
/// The relay's journal.
const JOURNAL: &str = "small/relay.db";
/// What the relay says.
const FULL: &str = "the disk of the journal is full. Make room";
/// Exit code of `stateset-sync` when its database cannot be used.
const EXIT_DATABASE: i32 = 9;
/// Events captured in one transaction, so that it needs some room.
const BATCH: usize = 24;
/// Most pages to give back one by one until that transaction fits.
const PAGES_MAX: u64 = 300;
/// How long the relay must keep silent: several blocks of both chains.
const SILENCE: Duration = Duration::from_secs(5);

/// Plays it all.
pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    stage.report.chapter("Chains");
    let chains = chains::start(stage).await?;

    stage.report.chapter("The agent's disk");
    let disk = stage
        .claim("small-disk", "An agent lives on a small disk", async |s| {
            let disk = SmallDisk::make(&s.path(DISK))?;
            let evidence = Evidence::new().with("disk", disk.kind);
            Ok((disk, evidence))
        })
        .await?;
    let agent = stage
        .claim(
            "agent",
            "It is registered and captures an order",
            async |s| enroll(s, &chains).await,
        )
        .await?;
    stage
        .claim(
            "append-full",
            "append on a full disk refuses and says what to do",
            async |s| {
                tidy(s).await?;
                let room = disk.fill()?;
                let hint = refused(&append(s, &agent, "A-2").await?)?;
                Ok((
                    (),
                    Evidence::new()
                        .with("filled, bytes", room)
                        .with("hint", hint),
                ))
            },
        )
        .await?;
    stage
        .claim(
            "append-tight",
            "Page by page there is room again: an append is whole or not at all",
            async |s| append_tight(s, &agent, &disk).await,
        )
        .await?;
    stage
        .claim(
            "push-full",
            "push on a full disk refuses and sends nothing",
            async |s| push_full(s, &chains, &agent, &disk).await,
        )
        .await?;
    stage
        .claim(
            "agent-room",
            "With room again, everything captured becomes final, without gaps",
            async |s| push_all(s, &chains, &agent, &disk).await,
        )
        .await?;

    stage.report.chapter("The relay's disk");
    let mut relay = chains::start_relay(stage, &chains, JOURNAL).await?;
    let batches = stage
        .claim(
            "waiting",
            "A paused contract keeps a batch waiting in the relay's journal",
            async |s| wait_in_journal(s, &chains, &agent).await,
        )
        .await?;
    let reader = stage
        .claim(
            "relay-full",
            "The contract goes on, the disk is full: the relay says so and sends nothing",
            async |s| keep_silent(s, &chains, &disk, &mut relay, batches).await,
        )
        .await?;
    stage
        .claim(
            "relay-room",
            "With room again, it anchors the batch by itself, once",
            async |s| anchor(s, &chains, &disk, &mut relay, reader, batches).await,
        )
        .await?;
    stage
        .claim(
            "relay-start",
            "Started on a full disk, it says so and ends; with room again, it runs",
            async |s| start_full(s, &disk, relay).await,
        )
        .await
}

async fn enroll(stage: &mut Stage, chains: &Chains) -> Result<(Agent, Evidence)> {
    let agent = super::enroll(stage, DISK, &chains.node_url).await?;
    let id = append_order(stage, &agent, "A-1", &[]).await?;
    let evidence = Evidence::new()
        .with("agent", agent.id.clone())
        .with("event", id);
    Ok((agent, evidence))
}

/// Empties the log beside the agent's database. A program may end before SQLite has done so, and
/// then there is room for the next one in that log, however full the disk is.
async fn tidy(stage: &Stage) -> Result<()> {
    let database = stage.path(DISK).join(".stateset/state.db");
    let log = database.with_extension("db-wal");
    let options = SqliteConnectOptions::new().filename(&database);
    let mut connection = options.connect().await?;
    connection
        .execute("PRAGMA wal_checkpoint(TRUNCATE)")
        .await?;
    connection.close().await?;
    ensure!(!log.exists(), "{} is still there", log.display());
    Ok(())
}

async fn append(stage: &mut Stage, agent: &Agent, order: &str) -> Result<Answer> {
    let args = ["append", "--entity-type", "order", "--entity-id", order];
    let what = ["--event-type", "order.created", "--payload", "{}"];
    agent.ask(stage, &[&args[..], &what].concat()).await
}

/// The hint of a command that failed for want of room.
fn refused(answer: &Answer) -> Result<String> {
    let error = &answer.json["error"];
    ensure!(
        answer.code == Some(EXIT_DATABASE) && error["code"] == "disk_full",
        "exit code {:?}: {error}",
        answer.code
    );
    let hint = text(error, "/hint")?;
    ensure!(hint.contains("free some space"), "the hint is {hint:?}");
    Ok(hint)
}

async fn append_tight(
    stage: &mut Stage,
    agent: &Agent,
    disk: &SmallDisk,
) -> Result<((), Evidence)> {
    let lines: Vec<String> = (0..BATCH)
        .map(|n| {
            json!({
                "entity_type": "order", "entity_id": format!("B-{n}"),
                "event_type": "order.created", "payload": { "note": "x".repeat(500) },
            })
            .to_string()
        })
        .collect();
    let file = stage.path("orders.jsonl");
    std::fs::write(&file, lines.join("\n"))?;
    let file = file.display().to_string();
    stage.typed(agent.cli(stage).args(["append", "--batch", &file]).text());
    let mut pages = 0;
    loop {
        let command = agent
            .cli(stage)
            .args(["append", "--json", "--batch", &file]);
        let answer = Answer::read(&command.run_quietly(&stage.guard).await?)?;
        if answer.code == Some(0) {
            break;
        }
        refused(&answer)?;
        pages += 1;
        ensure!(pages <= PAGES_MAX, "it does not fit into {pages} pages");
        disk.give_a_page()?;
    }
    ensure!(pages > 0, "there was room from the start");
    let entries = agent.show_outbox(stage).await?;
    same("events in the outbox", entries.len(), 1 + BATCH)?;
    let ids: BTreeSet<&String> = entries.iter().map(|entry| &entry.id).collect();
    same("ids in the outbox", ids.len(), 1 + BATCH)?;
    let evidence = Evidence::new()
        .with("refused", pages)
        .with("then captured", BATCH)
        .with("in the outbox", entries.len());
    Ok(((), evidence))
}

/// A figure of the head of the agent's stream.
async fn head(chains: &Chains, figure: &str) -> Result<u64> {
    let stream = TRIAL_STREAM.map(Value::from);
    number(&chains.peek("ves_head", &stream).await?, figure)
}

async fn push_full(
    stage: &mut Stage,
    chains: &Chains,
    agent: &Agent,
    disk: &SmallDisk,
) -> Result<((), Evidence)> {
    let before = head(chains, "/sequence").await?;
    disk.make_room()?;
    tidy(stage).await?;
    disk.fill()?;
    let hint = refused(&agent.ask(stage, &["push"]).await?)?;
    let pool = chains.ask(stage, "author_pendingExtrinsics", &[]).await?;
    ensure!(list(&pool, "")?.is_empty(), "the node's pool has {pool}");
    let from = chains.client.finalized_header().await?.number;
    wait_for("two more blocks", chains.node.log(), PATIENCE, async || {
        let now = chains.client.finalized_header().await?.number;
        Ok((now >= from.saturating_add(2)).then_some(()))
    })
    .await?;
    same(
        "the chain's sequence",
        head(chains, "/sequence").await?,
        before,
    )?;
    Ok((
        (),
        Evidence::new().with("hint", hint).with("sequence", before),
    ))
}

async fn push_all(
    stage: &mut Stage,
    chains: &Chains,
    agent: &Agent,
    disk: &SmallDisk,
) -> Result<((), Evidence)> {
    disk.make_room()?;
    append_order(stage, agent, "A-2", &[]).await?;
    let expected = u64::try_from(BATCH)?.saturating_add(2);
    let done = agent.ask(stage, &["push"]).await?.success()?;
    same("finalized", number(&done, "/finalized")?, expected)?;
    let mut sequences: Vec<u64> = list(&done, "/events")?
        .iter()
        .map(|event| number(event, "/sequence"))
        .collect::<Result<_>>()?;
    sequences.sort_unstable();
    let wanted: Vec<u64> = (1..=expected).collect();
    ensure!(sequences == wanted, "the sequences are {sequences:?}");
    chains
        .served(&TRIAL_STREAM.map(Value::from), expected)
        .await?;
    let pulled = agent.ask(stage, &["pull"]).await?.success()?;
    same(
        "quarantined",
        list(&pulled, "/quarantined").map_or(0, <[_]>::len),
        0,
    )?;
    Ok((
        (),
        Evidence::new().with("sequences", format!("1 to {expected}")),
    ))
}

/// Makes a batch that the relay has and may not send. Returns how many there are.
async fn wait_in_journal(
    stage: &mut Stage,
    chains: &Chains,
    agent: &Agent,
) -> Result<(u64, Evidence)> {
    // A push may be in more than one block, so that the chain is asked, not the relay.
    let made = head(chains, "/batch_count").await?;
    wait_for(
        "the first anchors",
        chains.anvil.log(),
        PATIENCE,
        async || {
            let status = relay_status(stage).await?;
            Ok((number(&status, "/anchored")? == made).then_some(()))
        },
    )
    .await?;
    chains.as_owner(stage, "pause()").await?;
    append_order(stage, agent, "A-3", &[]).await?;
    agent.ask(stage, &["push"]).await?.success()?;
    let batches = made.saturating_add(1);
    let status = wait_for(
        "the batch in the journal",
        chains.anvil.log(),
        PATIENCE,
        async || {
            let status = relay_status(stage).await?;
            Ok((number(&status, "/batches")? == batches).then_some(status))
        },
    )
    .await?;
    let evidence = Evidence::new()
        .with("batches", batches)
        .with("anchored", number(&status, "/anchored")?)
        .with("parked", status["destination"]["gate"]["parked"].clone());
    Ok((batches, evidence))
}

/// Reads the journal and goes on reading, as a backup would. Without such a reader SQLite finds room
/// on a full disk, in its log, which it may write anew once nobody needs what is in it.
async fn snapshot(stage: &Stage) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(stage.path(JOURNAL))
        .read_only(true);
    let mut reader = options.connect().await?;
    reader.execute("BEGIN").await?;
    reader.fetch_one("SELECT count(*) FROM sends").await?;
    Ok(reader)
}

async fn keep_silent(
    stage: &mut Stage,
    chains: &Chains,
    disk: &SmallDisk,
    relay: &mut Service,
    batches: u64,
) -> Result<(SqliteConnection, Evidence)> {
    let before = chains.relay_nonce(stage).await?;
    let reader = snapshot(stage).await?;
    let room = disk.fill()?;
    chains.as_owner(stage, "unpause()").await?;
    wait_for("the relay to say it", relay.log(), PATIENCE, async || {
        let log = std::fs::read_to_string(relay.log())?;
        let said = |line: &str| line.contains("cannot anchor now") && line.contains(FULL);
        Ok(log.lines().any(said).then_some(()))
    })
    .await?;
    tokio::time::sleep(SILENCE).await;
    relay.check()?;
    let after = chains.relay_nonce(stage).await?;
    same("transactions of the relay", after, before)?;
    let pool = chains.l2_method(stage, &["txpool_status"]).await?;
    let pool: Value = serde_json::from_str(&pool)?;
    for kind in ["pending", "queued"] {
        same(kind, text(&pool, &format!("/{kind}"))?.as_str(), "0x0")?;
    }
    let anchored = chains.anchored_ids(stage).await?.len();
    same(
        "anchors",
        u64::try_from(anchored)?,
        batches.saturating_sub(1),
    )?;
    let evidence = Evidence::new()
        .with("filled, bytes", room)
        .with("the relay", FULL)
        .with("its transactions", after);
    Ok((reader, evidence))
}

async fn anchor(
    stage: &mut Stage,
    chains: &Chains,
    disk: &SmallDisk,
    relay: &mut Service,
    reader: SqliteConnection,
    batches: u64,
) -> Result<((), Evidence)> {
    let before = chains.relay_nonce(stage).await?;
    disk.make_room()?;
    drop(reader);
    let status = wait_for("the anchor", relay.log(), PATIENCE, async || {
        let status = relay_status(stage).await?;
        Ok((number(&status, "/anchored")? == batches).then_some(status))
    })
    .await?;
    relay.check()?;
    let nonce = chains.relay_nonce(stage).await?;
    same("its transactions", nonce, before.saturating_add(1))?;
    let mut ids = Vec::new();
    for index in 0..batches {
        let [tenant, store] = TRIAL_STREAM.map(Value::from);
        let batch = chains
            .peek("ves_batch", &[tenant, store, json!(index)])
            .await?;
        ids.push(text(&batch, "/batch_id")?);
    }
    let anchored = chains.anchored_ids(stage).await?;
    ensure!(
        anchored == ids,
        "the contract was given {anchored:?}, the chain has {ids:?}"
    );
    let evidence = Evidence::new()
        .with("anchored", number(&status, "/anchored")?)
        .with("its transactions", nonce);
    Ok(((), evidence))
}

async fn start_full(
    stage: &mut Stage,
    disk: &SmallDisk,
    mut relay: Service,
) -> Result<((), Evidence)> {
    relay.stop().await?;
    disk.fill()?;
    let started = relay_command(stage).arg("run").run(stage).await?;
    let said = [&*started.stdout, &started.stderr].concat();
    ensure!(
        started.code.is_some_and(|code| code != 0) && said.contains(FULL),
        "exit code {:?}: {said}",
        started.code
    );
    disk.make_room()?;
    let mut relay = run_relay(stage, "relay-2.log")?;
    relay.word_after("destination verified ", PATIENCE).await?;
    let evidence = Evidence::new()
        .with("exit code", started.code)
        .with("the relay", FULL);
    Ok(((), evidence))
}
