// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The appchain, the EVM chain with the contract, and the relay between them.

use super::PATIENCE;
use crate::{
    processes::{Service, wait_for},
    report::Evidence,
    stage::{Answer, Stage, Stopped, Typed, field, list, number, same, text},
};
use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use ves_client::{AdminCall, ChainClient, Signer, Wait};

/// Chain id of the EVM chain.
pub(super) const L2_CHAIN: u64 = 31_337;
/// Secret of the account that reports what is anchored.
const REPORTER: &str = "//Bob";
/// Seconds between blocks of the EVM chain.
pub(super) const L2_BLOCK_SECONDS: &str = "1";
/// What `BatchCommitted` looks like to `cast`.
const BATCH_COMMITTED: &str =
    "BatchCommitted(bytes32 indexed,bytes32 indexed,bytes32,bytes32,uint64,uint64,uint32)";

/// Both chains.
pub(super) struct Chains {
    pub(super) node: Service,
    pub(super) anvil: Service,
    pub(super) node_url: String,
    pub(super) genesis: String,
    pub(super) l2_url: String,
    pub(super) registry: String,
    pub(super) registry_owner: String,
    pub(super) relay_account: String,
    pub(super) client: ChainClient,
}

/// Starts both chains and deploys the contract.
pub(super) async fn start(stage: &mut Stage) -> Result<Chains, Stopped> {
    let (node, node_url, client) = stage
        .claim(
            "appchain",
            "A development chain produces blocks and finalizes them",
            async |s| start_node(s).await,
        )
        .await?;
    let genesis = client.genesis_hash().to_string();
    let (anvil, l2_url, registry, [registry_owner, relay_account]) = stage
        .claim(
            "contract",
            "SetRegistry stands behind its proxy on an EVM chain and authorizes the relay only",
            async |s| start_l2(s).await,
        )
        .await?;
    Ok(Chains {
        node,
        anvil,
        node_url,
        genesis,
        l2_url,
        registry,
        registry_owner,
        relay_account,
        client,
    })
}

async fn start_node(stage: &mut Stage) -> Result<((Service, String, ChainClient), Evidence)> {
    let log = stage.path("node.log");
    let mut command = Typed::new(stage, &stage.tools.node, "ves-node", "")
        .args(["--dev", "--base-path", "node", "--rpc-port", "0"])
        .args(["--listen-addr", "/ip4/127.0.0.1/tcp/0", "--no-mdns"])
        .args(["--no-prometheus", "--no-telemetry"])
        .into_command(stage);
    let mut node = Service::start(&stage.guard, "ves-node", &mut command, log.clone())?;
    let address = node
        .word_after("Running JSON-RPC server: addr=", PATIENCE)
        .await?;
    let url = format!("ws://{address}");
    let client = ChainClient::connect(&url, None).await?;
    let header = wait_for("a finalized block", &log, PATIENCE, async || {
        let header = client.finalized_header().await?;
        Ok((header.number > 0).then_some(header))
    })
    .await?;
    node.check()?;
    let evidence = Evidence::new()
        .with("genesis", client.genesis_hash().to_string())
        .with("finalized block", header.number)
        .with("hash", header.hash().to_string());
    Ok(((node, url, client), evidence))
}

type L2 = (Service, String, String, [String; 2]);

async fn start_l2(stage: &mut Stage) -> Result<(L2, Evidence)> {
    let (log, accounts) = (stage.path("anvil.log"), stage.path("anvil.json"));
    let mut command = Typed::new(stage, &stage.tools.package("anvil"), "anvil", "")
        .args(["--port", "0", "--chain-id", &L2_CHAIN.to_string()])
        .args(["--block-time", L2_BLOCK_SECONDS, "--slots-in-an-epoch", "1"])
        .args(["--mnemonic-random", "--config-out", "anvil.json"])
        .into_command(stage);
    let mut anvil = Service::start(&stage.guard, "anvil", &mut command, log.clone())?;
    let url = format!(
        "http://{}",
        anvil.word_after("Listening on ", PATIENCE).await?
    );
    let accounts: Value = wait_for("anvil's accounts", &log, PATIENCE, async || {
        Ok(Some(serde_json::from_slice(&std::fs::read(&accounts)?)?))
    })
    .await?;
    let owner = text(&accounts, "/available_accounts/0")?;
    let relay = text(&accounts, "/available_accounts/1")?;
    stage.write_secret("relay.key", &text(&accounts, "/private_keys/1")?)?;

    let chain_id = L2_CHAIN.to_string();
    let deployed = Typed::new(
        stage,
        &stage.tools.contracts.join("script/deploy.mjs"),
        "contracts/script/deploy.mjs",
        "",
    )
    .args(["--rpc-url", &url, "--chain-id", &chain_id])
    .args([
        "--owner",
        &owner,
        "--sequencer",
        &relay,
        "--unlocked",
        &owner,
    ])
    .run(stage)
    .await?;
    ensure!(
        deployed.code == Some(0),
        "deploy.mjs: {}",
        deployed.stderr.trim()
    );
    let deployed: Value = serde_json::from_str(&deployed.stdout).context("deploy.mjs")?;
    let registry = text(&deployed, "/proxy")?;
    anvil.check()?;

    // Asked of the chain itself, not of the script.
    let authorized = "authorizedSequencers(address)(bool)";
    let of_relay = call(stage, &url, &registry, authorized, &[&relay]).await?;
    let of_owner = call(stage, &url, &registry, authorized, &[&owner]).await?;
    same(
        "the relay's authorization",
        of_relay.join(" "),
        "true".into(),
    )?;
    same(
        "the owner's authorization",
        of_owner.join(" "),
        "false".into(),
    )?;
    let evidence = Evidence::new()
        .with("chain id", number(&deployed, "/chainId")?)
        .with("proxy", registry.clone())
        .with("implementation", text(&deployed, "/implementation")?)
        .with("relay", relay.clone())
        .with("transactions", field(&deployed, "/transactions")?.clone());
    Ok(((anvil, url, registry, [owner, relay]), evidence))
}

/// Starts the relay with its journal in this file and waits until it has read both chains.
pub(super) async fn start_relay(
    stage: &mut Stage,
    chains: &Chains,
    journal: &str,
) -> Result<Service, Stopped> {
    stage
        .claim(
            "relay",
            "The relay follows finalized blocks and can write to the contract",
            async |s| {
                let Chains {
                    node_url,
                    genesis,
                    l2_url,
                    registry,
                    ..
                } = chains;
                // The account that reports to the appchain what is anchored.
                s.write_secret("reporter.key", REPORTER)?;
                let relays = vec![Signer::from_uri(REPORTER)?.account_id()];
                let council = Signer::from_uri("//Alice")?;
                let named = [AdminCall::SetRelays { relays }];
                chains
                    .client
                    .execute(&council, &named, Wait::Finalized)
                    .await?;
                let config = format!(
                    "[source]\nnode_url = \"{node_url}\"\ngenesis = \"{genesis}\"\n\
                 report_key_file = \"reporter.key\"\nreport_secs = 2\nprove_reads = true\n\
                 [destination]\nrpc_url = \"{l2_url}\"\nchain_id = {L2_CHAIN}\n\
                 registry = \"{registry}\"\nconfirmations = \"finalized\"\n\
                 [key]\nfile = \"relay.key\"\nplain = true\n[journal]\npath = \"{journal}\"\n\
                 [send]\npoll_ms = 250\n[http]\nlisten = \"127.0.0.1:0\"\n"
                );
                std::fs::write(s.path("relay.toml"), config)?;
                let relay = run_relay(s, "relay-1.log")?;
                let status = wait_for(
                    "the relay to read both chains",
                    relay.log(),
                    PATIENCE,
                    async || {
                        let status = relay_status(s).await?;
                        Ok(status["cursor"]
                            .as_u64()
                            .filter(|cursor| *cursor > 0)
                            .map(|_| status))
                    },
                )
                .await?;
                s.typed(relay_command(s).args(["status", "--json"]).text());
                same(
                    "the relay's appchain",
                    text(&status, "/genesis")?,
                    genesis.clone(),
                )?;
                let parked = list(&status, "/destination/gate/parked")?;
                ensure!(parked.is_empty(), "the relay does not send: {parked:?}");
                let evidence = Evidence::new()
                    .with("at block", number(&status, "/cursor")?)
                    .with("sender", text(&status, "/destination/sender")?)
                    .with("process", relay.id());
                Ok((relay, evidence))
            },
        )
        .await
}

pub(super) fn relay_command(stage: &Stage) -> Typed {
    Typed::new(stage, &stage.tools.relay, "anchor-relay", "").args(["--config", "relay.toml"])
}

/// Starts the relay with its own log for each life.
pub(super) fn run_relay(stage: &mut Stage, log: &str) -> Result<Service> {
    let mut command = relay_command(stage).arg("run").into_command(stage);
    Service::start(&stage.guard, "anchor-relay", &mut command, stage.path(log))
}

/// What `anchor-relay status` says, without showing the command.
pub(super) async fn relay_status(stage: &Stage) -> Result<Value> {
    let finished = relay_command(stage)
        .args(["status", "--json"])
        .run_quietly(&stage.guard)
        .await?;
    ensure!(
        finished.code == Some(0),
        "anchor-relay status: {}",
        finished.stderr.trim()
    );
    serde_json::from_str(&finished.stdout).context("anchor-relay status")
}

fn cast(stage: &Stage, url: &str, subcommand: &str) -> Typed {
    Typed::new(stage, &stage.tools.package("cast"), "cast", "").args([subcommand, "--rpc-url", url])
}

async fn output(stage: &mut Stage, command: Typed, show: bool) -> Result<String> {
    let finished = if show {
        command.run(stage).await?
    } else {
        command.run_quietly(&stage.guard).await?
    };
    ensure!(finished.code == Some(0), "cast: {}", finished.stderr.trim());
    Ok(finished.stdout.trim().to_owned())
}

/// Reads a view of the contract; one value a line, annotations cut off.
async fn call(
    stage: &mut Stage,
    url: &str,
    registry: &str,
    signature: &str,
    args: &[&str],
) -> Result<Vec<String>> {
    let command = cast(stage, url, "call")
        .args([registry, signature])
        .args(args);
    let text = output(stage, command, true).await?;
    Ok(text
        .lines()
        .map(|line| line.split(" [").next().unwrap_or(line).trim().to_owned())
        .collect())
}

/// A batch as the contract holds it.
pub(super) struct Stored {
    pub(super) events_root: String,
    pub(super) state_root: String,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) count: u64,
    /// 0 if the contract does not know the batch.
    pub(super) timestamp: u64,
}

impl Chains {
    /// Calls a view of the registry.
    pub(super) async fn call(
        &self,
        stage: &mut Stage,
        signature: &str,
        args: &[&str],
    ) -> Result<Vec<String>> {
        call(stage, &self.l2_url, &self.registry, signature, args).await
    }

    /// Sends a transaction of the registry's owner, without arguments.
    pub(super) async fn as_owner(&self, stage: &mut Stage, signature: &str) -> Result<String> {
        let command = cast(stage, &self.l2_url, "send").args([
            "--json",
            "--unlocked",
            "--from",
            &self.registry_owner,
            &self.registry,
            signature,
        ]);
        output(stage, command, true).await
    }

    /// `getBatchCommitment`. The struct is static, so its fields can be read like several results.
    pub(super) async fn stored(
        &self,
        stage: &mut Stage,
        batch: &str,
        show: bool,
    ) -> Result<Stored> {
        let signature = "getBatchCommitment(bytes32)(bytes32,bytes32,uint64,uint64,uint32,uint64)";
        let command = cast(stage, &self.l2_url, "call").args([&self.registry, signature, batch]);
        let text = output(stage, command, show).await?;
        let words: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let [events_root, state_root, first, last, count, timestamp] = words.as_slice() else {
            return Err(anyhow!("getBatchCommitment answered {text:?}"));
        };
        Ok(Stored {
            events_root: (*events_root).to_owned(),
            state_root: (*state_root).to_owned(),
            first: first.parse()?,
            last: last.parse()?,
            count: count.parse()?,
            timestamp: timestamp.parse()?,
        })
    }

    /// Ids of all batches the contract was ever given, in order, from its log.
    pub(super) async fn anchored_ids(&self, stage: &mut Stage) -> Result<Vec<String>> {
        let command = cast(stage, &self.l2_url, "logs").args([
            "--json",
            "--from-block",
            "0",
            "--address",
            &self.registry,
            BATCH_COMMITTED,
        ]);
        let logs: Value = serde_json::from_str(&output(stage, command, true).await?)?;
        list(&logs, "")?
            .iter()
            .map(|log| text(log, "/topics/1"))
            .collect()
    }

    /// How many transactions the relay's account has in blocks.
    pub(super) async fn relay_nonce(&self, stage: &mut Stage) -> Result<u64> {
        let command = cast(stage, &self.l2_url, "nonce").arg(&self.relay_account);
        Ok(output(stage, command, true).await?.parse()?)
    }

    /// A method of anvil itself.
    pub(super) async fn l2_method(&self, stage: &mut Stage, args: &[&str]) -> Result<String> {
        let command = cast(stage, &self.l2_url, "rpc").args(args);
        output(stage, command, true).await
    }

    /// A method of the node, without showing it.
    pub(super) async fn peek(&self, method: &str, params: &[Value]) -> Result<Value> {
        Ok(self.client.rpc().call(method, params.to_vec()).await?)
    }

    /// A method of the node.
    pub(super) async fn ask(
        &self,
        stage: &mut Stage,
        method: &str,
        params: &[Value],
    ) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let url = self.node_url.replacen("ws://", "http://", 1);
        stage.typed(format!(
            "curl -sH 'content-type: application/json' -d '{body}' {url}"
        ));
        self.peek(method, params).await
    }

    /// Waits until the node serves the stream up to this sequence.
    pub(super) async fn served(&self, stream: &[Value; 2], sequence: u64) -> Result<Value> {
        let what = format!("the node to serve sequence {sequence}");
        wait_for(&what, self.node.log(), PATIENCE, async || {
            let head = self.peek("ves_head", stream).await?;
            Ok((number(&head, "/sequence")? >= sequence).then_some(head))
        })
        .await
    }
}

/// Path of a file as `stateset-sync` in an agent's directory sees it.
pub(super) fn from_agent(directory: &str, name: &str) -> String {
    PathBuf::from("..")
        .join(directory)
        .join(name)
        .display()
        .to_string()
}

/// Reads an answer of `ves-demo submit`.
pub(super) async fn submit(
    stage: &mut Stage,
    chains: &Chains,
    dir: &str,
    files: &[&str],
) -> Result<Answer> {
    let finished = Typed::new(stage, &stage.tools.demo, "ves-demo", dir)
        .args(["submit", "--node", &chains.node_url])
        .args(files)
        .run(stage)
        .await?;
    Answer::read(&finished)
}
