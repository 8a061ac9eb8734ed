// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Four validators of which three take no event into their blocks: the fourth one's turn comes within
//! four slots, and what it takes becomes final, since the others vote for valid blocks all the same.

use super::{Agent, PATIENCE, append_order};
use crate::{
    processes::{Service, wait_for},
    report::Evidence,
    stage::{Stage, Stopped, Typed, same},
};
use anyhow::{Result, anyhow, ensure};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use ves_client::{ChainClient, DigestItem, Header};
use ves_primitives::limits;

/// Directory of the agent.
const AGENT: &str = "agent";
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// Key of the first node's address in the network; public.
const NODE_KEY: &str = "0000000000000000000000000000000000000000000000000000000000000001";
/// Its peer id.
const PEER_ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
/// Submissions whose way is watched.
const ORDERS: usize = 4;
/// How long a network may take to find together.
const ASSEMBLY: Duration = Duration::from_secs(180);

struct Network {
    /// Held so that they run.
    _nodes: Vec<Service>,
    url: String,
    client: ChainClient,
}

/// Plays it all.
pub(super) async fn play(stage: &mut Stage) -> Result<(), Stopped> {
    stage
        .report
        .chapter("Four validators, three of them take no events");
    let network = stage
        .claim(
            "network",
            "Four validators finalize blocks together; three of them have no room for any event",
            async |s| assemble(s).await,
        )
        .await?;
    let agent = stage
        .claim(
            "agent",
            "An agent is registered by way of the fourth",
            async |s| enroll(s, &network).await,
        )
        .await?;
    stage
        .claim(
            "inclusion",
            "Each event is taken at the fourth one's next turn and becomes final",
            async |s| submit(s, &network, &agent).await,
        )
        .await
}

fn start(stage: &mut Stage, turn: usize, bootnode: Option<&str>) -> Result<Service> {
    let name = VALIDATORS[turn];
    let log = stage.path(format!("{name}.log"));
    let mut typed = Typed::new(stage, &stage.tools.node, "ves-node", "")
        .args(["--chain", "local", &format!("--{name}"), "--validator"])
        .args(["--base-path", name, "--rpc-port", "0", "--no-mdns"])
        .args([
            "--listen-addr",
            "/ip4/127.0.0.1/tcp/0",
            "--allow-private-ip",
        ])
        .args(["--no-prometheus", "--no-telemetry"]);
    typed = match bootnode {
        None => typed.args(["--node-key", NODE_KEY]),
        // A pool without room: the others' submissions find no place in it, nor in its blocks.
        Some(address) => typed
            .args(["--bootnodes", address, "--unsafe-force-node-key-generation"])
            .args(["--pool-kbytes", "0", "--no-event-store"]),
    };
    let mut command = typed.into_command(stage);
    Service::start(&stage.guard, name, &mut command, log)
}

async fn assemble(stage: &mut Stage) -> Result<(Network, Evidence)> {
    let mut first = start(stage, 0, None)?;
    let address = first
        .word_after("Running JSON-RPC server: addr=", PATIENCE)
        .await?;
    let url = format!("ws://{address}");
    let client = ChainClient::connect(&url, None).await?;
    let port = wait_for("the node's address", first.log(), PATIENCE, async || {
        let addresses: Vec<String> = client
            .rpc()
            .call("system_localListenAddresses", Vec::<Value>::new())
            .await?;
        Ok(addresses.iter().find_map(|address| {
            let (_, rest) = address.split_once("/tcp/")?;
            Some(rest.split('/').next()?.to_owned())
        }))
    })
    .await?;
    let bootnode = format!("/ip4/127.0.0.1/tcp/{port}/p2p/{PEER_ID}");
    let mut nodes = vec![first];
    for turn in 1..VALIDATORS.len() {
        nodes.push(start(stage, turn, Some(&bootnode))?);
    }
    let log = stage.path("alice.log");
    let header = wait_for("finality by all four", &log, ASSEMBLY, async || {
        let header = client.finalized_header().await?;
        Ok((header.number > 3).then_some(header))
    })
    .await?;
    for node in &mut nodes {
        node.check()?;
    }
    let evidence = Evidence::new()
        .with("validators", VALIDATORS.len())
        .with("finalized block", header.number);
    let network = Network {
        _nodes: nodes,
        url,
        client,
    };
    Ok((network, evidence))
}

async fn enroll(stage: &mut Stage, network: &Network) -> Result<(Agent, Evidence)> {
    std::fs::create_dir(stage.path(AGENT))?;
    let agent = super::enroll(stage, AGENT, &network.url).await?;
    let evidence = Evidence::new().with("agent", agent.id.clone());
    Ok((agent, evidence))
}

async fn header(client: &ChainClient, number: u32) -> Result<Header> {
    let hash = client.block_hash(number).await?;
    let hash = hash.ok_or_else(|| anyhow!("there is no block {number}"))?;
    let header = client.header(hash).await?;
    header.ok_or_else(|| anyhow!("block {number} has no header"))
}

/// The slot that the block's author says it is of. Authors take turns with slots.
fn slot(header: &Header) -> Result<u64> {
    let slot = header.digest.iter().find_map(|item| match item {
        DigestItem::PreRuntime([b'a', b'u', b'r', b'a'], slot) => {
            slot.as_slice().try_into().ok().map(u64::from_le_bytes)
        }
        _ => None,
    });
    slot.ok_or_else(|| anyhow!("block {} names no slot", header.number))
}

const fn turn(slot: u64) -> u64 {
    slot % VALIDATORS.len() as u64
}

async fn submit(stage: &mut Stage, network: &Network, agent: &Agent) -> Result<((), Evidence)> {
    let client = &network.client;
    let mut waits = Vec::new();
    for order in 0..ORDERS {
        append_order(stage, agent, &format!("A-{order}"), &[]).await?;
        agent.ask(stage, &["push", "--no-wait"]).await?.success()?;
        // The slot that had begun when the fourth one had it does not count as waiting.
        let begun = unix_ms()? / limits::SLOT_MS;
        agent.ask(stage, &["push"]).await?.success()?;
        let outbox = agent.outbox(stage).await?;
        let block = outbox.last().and_then(|entry| entry.block);
        let block = block.ok_or_else(|| anyhow!("order {order} is in no block"))?;
        let taken = slot(&header(client, block).await?)?;
        same("turn of the block's author", turn(taken), 0)?;
        not_passed_over(client, block, begun).await?;
        waits.push(taken.saturating_sub(begun));
    }
    let head = client.finalized_header().await?.number;
    let mut turns = BTreeSet::new();
    for number in head.saturating_sub(16)..=head {
        turns.insert(turn(slot(&header(client, number.max(1)).await?)?));
    }
    same("validators that made blocks", turns.len(), VALIDATORS.len())?;
    let evidence = Evidence::new()
        .with("slots waited", waits)
        .with("authors of the last blocks", turns.len());
    Ok(((), evidence))
}

/// That the fourth one made no block below this one that is of a later slot than `begun`: on a machine that is
/// too busy for one of its slots, its next turn comes four slots later.
async fn not_passed_over(client: &ChainClient, block: u32, begun: u64) -> Result<()> {
    for number in (1..block).rev() {
        let slot = slot(&header(client, number).await?)?;
        if slot <= begun {
            break;
        }
        ensure!(
            turn(slot) != 0,
            "what is in block {block} was passed over in block {number}"
        );
    }
    Ok(())
}

fn unix_ms() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_millis())?)
}
