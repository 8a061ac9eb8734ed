// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The programs under test: four validators, an archive, an EVM chain with the contract, the relay.

use crate::{
    clock::Clock,
    faults::VALIDATORS,
    machine::{Machine, SmallDisk},
    process::{Guard, Process, run},
    refused::other_specification,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use ves_client::Rpc;

/// The nodes in the order of their devices, which begin with 1.
pub(crate) const NAMES: [&str; 5] = ["alice", "bob", "charlie", "dave", "archive"];
/// Place of the archive among the nodes.
pub(crate) const ARCHIVE: usize = 4;
/// The node whose disk can be filled.
pub(crate) const ON_SMALL_DISK: usize = 3;
const RELAY: usize = 6;
const EVM: usize = 7;
const TWIN: usize = 8;
const SPACES: [&str; 8] = [
    "alice", "bob", "charlie", "dave", "archive", "relay", "evm", "twin",
];
/// Room on it, bytes.
const SMALL_DISK: u64 = 512 * 1024 * 1024;
/// Name of a node's event store; its journals have more of a name.
const STORE: &str = "event-store.sqlite";
const RPC_PORT: u16 = 9_944;
const EVM_PORT: u16 = 8_545;
const EVM_CHAIN: u64 = 31_337;
/// Final on the EVM chain is what has twice as many blocks above it: more than a reorg takes away.
const EVM_EPOCH: &str = "6";
/// Longest time until a node answers.
const START_MAX: Duration = Duration::from_secs(240);
/// After this time the unit of a validator restarts it: `RestartSec`.
pub(crate) const RESTART: Duration = Duration::from_secs(30);
/// Longest time until a node has reached another one.
const REACH_MAX: Duration = Duration::from_secs(60);
/// Name of the chain's specification.
const SPECIFICATION: &str = "spec.json";
const BATCH_COMMITTED: &str =
    "BatchCommitted(bytes32 indexed,bytes32 indexed,bytes32,bytes32,uint64,uint64,uint32)";

/// What a node loses. It keeps its keys as long as it keeps anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Its database; the event store is ahead of it then.
    Database,
    /// Database and event store.
    Both,
    /// All that it has.
    Everything,
}

/// Where the programs are.
#[derive(Clone)]
pub(crate) struct Tools {
    /// `ves-node`.
    pub(crate) node: PathBuf,
    /// `anchor-relay`.
    pub(crate) relay: PathBuf,
    /// The directory of the contracts, with their node packages.
    pub(crate) contracts: PathBuf,
}

impl Tools {
    fn package(&self, name: &str) -> PathBuf {
        self.contracts.join("node_modules/.bin").join(name)
    }
}

struct Node {
    base: PathBuf,
    process: Option<Process>,
    /// Its clock, if that is not the machine's.
    clock: Option<Clock>,
}

/// The contract, and who may write to it.
pub(crate) struct Contract {
    /// JSON-RPC of the EVM chain.
    pub(crate) url: String,
    /// Address of the registry.
    pub(crate) address: String,
    /// First topic of `BatchCommitted`.
    pub(crate) topic: String,
}

/// All of it, running.
pub(crate) struct Network {
    guard: Arc<Guard>,
    tools: Tools,
    dir: PathBuf,
    nodes: Vec<Node>,
    peers: Vec<String>,
    /// Counts the starts of each node.
    pub(crate) lives: Arc<Vec<AtomicU32>>,
    /// The contract.
    pub(crate) contract: Contract,
    relay: Option<Process>,
    twin: Option<Process>,
    /// Of [`ON_SMALL_DISK`], if asked for.
    pub(crate) disk: Option<SmallDisk>,
    // Last, so that what uses them ends first.
    _evm: Process,
    /// Namespaces and links.
    pub(crate) machine: Machine,
}

/// Deletes the database of this directory, and the event store beside it if that goes too.
fn wipe(database: &Path, loss: Loss) -> Result<()> {
    fs::remove_dir_all(database)?;
    if loss == Loss::Database {
        return Ok(());
    }
    let mut removed = 0;
    for entry in fs::read_dir(database.parent().context("no chain")?)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(STORE) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    ensure!(removed > 0, "there is no event store to lose");
    Ok(())
}

fn secret_file(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    let mut options = fs::File::options();
    let mut file = options.write(true).create(true).mode(0o600).open(path)?;
    Ok(writeln!(file, "{text}")?)
}

/// Key of a device's address in the network; public.
fn node_key(device: usize) -> String {
    format!("{device:064x}")
}

impl Network {
    /// Starts everything in an empty directory.
    pub(crate) async fn start(
        guard: &Arc<Guard>,
        tools: &Tools,
        dir: &Path,
        seed: u64,
        small_disk: bool,
    ) -> Result<Self> {
        let machine = Machine::make(guard, &SPACES, seed)?;
        let mut peers = Vec::new();
        for device in 1..=NAMES.len() {
            let file = dir.join("node.key");
            secret_file(&file, &node_key(device))?;
            let inspect = ["key", "inspect-node-key", "--file"];
            let id = run(Command::new(&tools.node).args(inspect).arg(&file))?;
            let ip = machine.ip(device);
            peers.push(format!("/ip4/{ip}/tcp/30333/p2p/{}", id.trim()));
        }
        // As operators have it, and quicker: from a preset's name each start would compile the runtime
        // once more, to make the genesis.
        let spec = dir.join(SPECIFICATION);
        let export = ["export-chain-spec", "--chain", "local", "--raw", "--output"];
        run(Command::new(&tools.node).args(export).arg(&spec))?;
        let disk = if small_disk {
            let name = NAMES.get(ON_SMALL_DISK).copied().unwrap_or_default();
            Some(SmallDisk::make(guard, &dir.join(name), SMALL_DISK)?)
        } else {
            None
        };
        let (evm, contract) = start_evm(guard, tools, &machine, dir).await?;
        let node = |name: &&str| Node {
            base: dir.join(name),
            process: None,
            clock: None,
        };
        let mut network = Self {
            guard: Arc::clone(guard),
            machine,
            tools: tools.clone(),
            dir: dir.to_owned(),
            nodes: NAMES.iter().map(node).collect(),
            peers,
            lives: Arc::new(NAMES.iter().map(|_| AtomicU32::new(0)).collect()),
            contract,
            relay: None,
            twin: None,
            disk,
            _evm: evm,
        };
        let all: Vec<_> = (0..NAMES.len()).collect();
        network.start_nodes(&all)?;
        Ok(network)
    }

    /// WebSocket of a node.
    pub(crate) fn url(&self, node: usize) -> String {
        format!("ws://{}:{RPC_PORT}", self.machine.ip(node + 1))
    }

    fn node_command(
        &self,
        chain: &Path,
        device: usize,
        base: &Path,
        identity: Option<&str>,
    ) -> Result<Command> {
        let mut command = self.machine.command(device, &self.tools.node)?;
        let ip = self.machine.ip(device);
        command
            .arg("--chain")
            .arg(chain)
            .arg("--base-path")
            .arg(base)
            .args(["--listen-addr", &format!("/ip4/{ip}/tcp/30333")])
            .args(["--node-key", &node_key(device)])
            .args(["--allow-private-ip", "--no-mdns", "--no-telemetry"])
            .args(["--no-prometheus", "--unsafe-rpc-external", "--rpc-cors=all"])
            .args(["--rpc-port", &RPC_PORT.to_string()])
            .args(["--rpc-methods", "safe", "--rpc-max-connections", "200"]);
        if let Some(name) = identity {
            command.args(["--validator", &format!("--{name}")]);
        }
        for (n, peer) in (1..).zip(&self.peers) {
            if n != device {
                command.args(["--reserved-nodes", peer]);
            }
        }
        Ok(command)
    }

    fn node(&mut self, node: usize) -> Result<&mut Node> {
        self.nodes.get_mut(node).context("no such node")
    }

    /// Log of a node.
    pub(crate) fn log(&self, node: usize) -> PathBuf {
        let name = NAMES.get(node).copied().unwrap_or_default();
        self.dir.join(format!("{name}.log"))
    }

    /// Starts a node and waits until it answers.
    pub(crate) fn start_node(&mut self, node: usize) -> Result<()> {
        self.start_nodes(&[node])
    }

    /// Starts nodes at one time and waits until all of them answer.
    pub(crate) fn start_nodes(&mut self, nodes: &[usize]) -> Result<()> {
        let begun = nodes.iter().map(|node| self.spawn_node(*node));
        for (node, (mut process, from)) in nodes.iter().zip(begun.collect::<Result<Vec<_>>>()?) {
            process.said(from, "Running JSON-RPC server", START_MAX)?;
            self.node(*node)?.process = Some(process);
        }
        Ok(())
    }

    /// Starts a node; answers where its log went on from.
    fn spawn_node(&mut self, node: usize) -> Result<(Process, u64)> {
        let (log, guard) = (self.log(node), Arc::clone(&self.guard));
        let name = NAMES.get(node).copied().context("no such node")?;
        let (base, clock) = {
            let node = self.node(node)?;
            (node.base.clone(), node.clock.clone())
        };
        let identity = (node < VALIDATORS).then_some(name);
        let chain = self.dir.join(SPECIFICATION);
        let mut command = self.node_command(&chain, node + 1, &base, identity)?;
        if let Some(clock) = clock {
            clock.rule(&mut command);
        }
        let from = fs::metadata(&log).map_or(0, |log| log.len());
        if let Some(life) = self.lives.get(node) {
            life.fetch_add(1, Ordering::Relaxed);
        }
        Ok((Process::start(&guard, name, &mut command, &log)?, from))
    }

    /// The process of a node that runs.
    pub(crate) fn process(&mut self, node: usize) -> Result<&mut Process> {
        let process = self.node(node)?.process.as_mut();
        process.with_context(|| format!("node {node} does not run"))
    }

    /// Whether a node that was started has ended by itself.
    pub(crate) fn has_ended(&mut self, node: usize) -> Option<String> {
        let process = self.nodes.get_mut(node)?.process.as_mut()?;
        let status = process.ended()?;
        Some(status.to_string())
    }

    /// `kill -9`.
    pub(crate) fn kill_node(&mut self, node: usize) -> Result<()> {
        match self.node(node)?.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// SIGTERM, and waits.
    pub(crate) fn stop_node(&mut self, node: usize) -> Result<()> {
        match self.node(node)?.process.take() {
            Some(mut process) => process.stop(),
            None => Ok(()),
        }
    }

    /// Sets a node's clock off by so many seconds. It must be started anew if it had the right time
    /// until now; none gives it the machine's clock at its next start.
    pub(crate) fn set_clock(&mut self, node: usize, offset: Option<i64>) -> Result<()> {
        let Some(offset) = offset else {
            self.node(node)?.clock = None;
            return Ok(());
        };
        if self.node(node)?.clock.is_none() {
            let clock = Clock::make(&self.dir, &format!("clock-{node}"))?;
            self.node(node)?.clock = Some(clock);
        }
        let clock = self.node(node)?.clock.as_ref();
        clock.context("no clock")?.set(offset)
    }

    /// Directory of a node's database.
    pub(crate) fn database(&self, node: usize) -> Result<PathBuf> {
        let base = self.nodes.get(node).map(|node| &node.base);
        let chains = base.context("no such node")?.join("chains");
        let mut places = fs::read_dir(&chains)?;
        let chain = places.next().context("no chain")??.path();
        Ok(chain.join("paritydb/full"))
    }

    /// Deletes what a node loses.
    pub(crate) fn wipe(&mut self, node: usize, loss: Loss) -> Result<()> {
        ensure!(self.node(node)?.process.is_none(), "the node runs");
        if loss == Loss::Everything {
            return Ok(fs::remove_dir_all(&self.node(node)?.base)?);
        }
        let database = self.database(node)?;
        wipe(database.parent().context("no database")?, loss)
    }

    /// Starts a second node with a validator's keys and a place of its own.
    pub(crate) fn start_twin(&mut self, of: usize) -> Result<()> {
        let name = NAMES.get(of).copied().context("no such node")?;
        let (base, log) = (self.dir.join("twin"), self.dir.join("twin.log"));
        let chain = self.dir.join(SPECIFICATION);
        let mut command = self.node_command(&chain, TWIN, &base, Some(name))?;
        let mut process = Process::start(&self.guard, "twin", &mut command, &log)?;
        process.said(0, "Running JSON-RPC server", START_MAX)?;
        self.twin = Some(process);
        Ok(())
    }

    /// Starts a node of another chain with a validator's keys, and waits until it has reached a node of this
    /// one. Answers where it is asked.
    pub(crate) fn start_stranger(&mut self, as_if: usize) -> Result<String> {
        let name = NAMES.get(as_if).copied().context("no such node")?;
        let chain = self.dir.join("other-spec.json");
        let this = fs::read_to_string(self.dir.join(SPECIFICATION))?;
        fs::write(&chain, other_specification(&this)?)?;
        let (base, log) = (self.dir.join("stranger"), self.dir.join("stranger.log"));
        let from = fs::metadata(&log).map_or(0, |log| log.len());
        let mut command = self.node_command(&chain, TWIN, &base, Some(name))?;
        let mut process = Process::start(&self.guard, "stranger", &mut command, &log)?;
        process.said(from, "Running JSON-RPC server", START_MAX)?;
        // What a node says of those that it was told to keep to, once they have shaken hands.
        process.said(from, "is on a different chain", REACH_MAX)?;
        self.twin = Some(process);
        Ok(format!("ws://{}:{RPC_PORT}", self.machine.ip(TWIN)))
    }

    /// Ends either.
    pub(crate) fn stop_twin(&mut self) {
        self.twin = None;
    }

    /// Configures the relay for this chain and starts it.
    pub(crate) fn set_up_relay(&mut self, genesis: &str) -> Result<()> {
        let (node, Contract { url, address, .. }) = (self.url(ARCHIVE), &self.contract);
        let config = format!(
            "[source]\nnode_url = \"{node}\"\ngenesis = \"{genesis}\"\nprove_reads = true\n\
             [destination]\nrpc_url = \"{url}\"\nchain_id = {EVM_CHAIN}\nregistry = \"{address}\"\n\
             confirmations = \"finalized\"\n[key]\nfile = \"relay.key\"\nplain = true\n\
             [journal]\npath = \"relay.db\"\n[send]\npoll_ms = 500\n\
             [http]\nlisten = \"127.0.0.1:0\"\n"
        );
        fs::write(self.dir.join("relay.toml"), config)?;
        self.start_relay()
    }

    /// Starts the relay, again if it has run before.
    pub(crate) fn start_relay(&mut self) -> Result<()> {
        let mut command = self.machine.command(RELAY, &self.tools.relay)?;
        command
            .current_dir(&self.dir)
            .args(["--config", "relay.toml", "run"]);
        let log = self.dir.join("relay.log");
        let relay = Process::start(&self.guard, "anchor-relay", &mut command, &log)?;
        self.relay = Some(relay);
        Ok(())
    }

    /// The relay's process.
    pub(crate) fn relay(&mut self) -> Result<&mut Process> {
        self.relay.as_mut().context("the relay does not run")
    }

    /// Cuts or restores a way of the relay: to its node, or to the EVM chain.
    pub(crate) fn cut_relay(&self, from_node: bool, cut: bool) {
        let other = if from_node { ARCHIVE + 1 } else { EVM };
        self.machine.switch.change(|wires| {
            let link = crate::wire::Link {
                cut,
                ..Default::default()
            };
            wires.set(RELAY, other, link);
            wires.set(other, RELAY, link);
        });
    }

    /// A method of the EVM chain.
    pub(crate) async fn evm(&self, method: &str, params: Value) -> Result<Value> {
        let rpc = Rpc::connect(&self.contract.url).await?;
        let params = params.as_array().cloned().unwrap_or_default();
        Ok(rpc.call(method, params).await?)
    }
}

async fn start_evm(
    guard: &Arc<Guard>,
    tools: &Tools,
    machine: &Machine,
    dir: &Path,
) -> Result<(Process, Contract)> {
    let (ip, log) = (machine.ip(EVM), dir.join("evm.log"));
    let accounts = dir.join("anvil.json");
    let mut command = machine.command(EVM, &tools.package("anvil"))?;
    command
        .args(["--host", &ip, "--port", &EVM_PORT.to_string()])
        .args(["--chain-id", &EVM_CHAIN.to_string(), "--block-time", "1"])
        .args(["--slots-in-an-epoch", EVM_EPOCH, "--mnemonic-random"])
        .arg("--config-out")
        .arg(&accounts);
    let mut process = Process::start(guard, "anvil", &mut command, &log)?;
    process.said(0, "Listening on ", START_MAX)?;
    let accounts: Value = serde_json::from_slice(&fs::read(&accounts)?)?;
    let text = |pointer: &str| {
        let found = accounts.pointer(pointer).and_then(Value::as_str);
        found.with_context(|| format!("anvil's accounts lack {pointer}"))
    };
    let (owner, relay) = (
        text("/available_accounts/0")?,
        text("/available_accounts/1")?,
    );
    secret_file(&dir.join("relay.key"), text("/private_keys/1")?)?;
    let url = format!("http://{ip}:{EVM_PORT}");
    let deploy = tools.contracts.join("script/deploy.mjs");
    let chain = EVM_CHAIN.to_string();
    let deployed = run(Command::new(deploy)
        .args(["--rpc-url", &url, "--chain-id", &chain, "--owner", owner])
        .args(["--sequencer", relay, "--unlocked", owner]))?;
    let deployed: Value = serde_json::from_str(&deployed).context("deploy.mjs")?;
    let address = deployed["proxy"].as_str().context("no proxy")?.to_owned();
    let topic = run(Command::new(tools.package("cast")).args(["sig-event", BATCH_COMMITTED]))?;
    let contract = Contract {
        url,
        address,
        topic: topic.trim().to_owned(),
    };
    Ok((process, contract))
}

/// The filter of the contract's `BatchCommitted` events.
pub(crate) fn batch_filter(contract: &Contract) -> Value {
    json!([{ "fromBlock": "0x0", "address": contract.address, "topics": [contract.topic] }])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain's directory as a node has it.
    fn chain() -> tempfile::TempDir {
        let chain = tempfile::tempdir().unwrap();
        for dir in ["paritydb/full", "keystore"] {
            fs::create_dir_all(chain.path().join(dir)).unwrap();
        }
        for file in [
            "paritydb/full/log0",
            "keystore/key",
            "event-store.sqlite",
            "event-store.sqlite-wal",
        ] {
            fs::write(chain.path().join(file), "x").unwrap();
        }
        chain
    }

    fn left(chain: &Path) -> Vec<String> {
        let entries = fs::read_dir(chain).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_validator_that_ends_comes_back_when_its_unit_starts_it_again() {
        let unit = include_str!("../../ops/systemd/ves-validator.service");
        let wait = format!("RestartSec={}", RESTART.as_secs());
        assert!(unit.lines().any(|line| line == wait), "{wait}");
    }

    #[test]
    fn a_lost_database_leaves_the_event_store_and_the_keys() {
        let chain = chain();
        wipe(&chain.path().join("paritydb"), Loss::Database).unwrap();
        assert_eq!(
            left(chain.path()),
            ["event-store.sqlite", "event-store.sqlite-wal", "keystore"]
        );
    }

    #[test]
    fn an_event_store_is_lost_with_its_journals_and_leaves_the_keys() {
        let chain = chain();
        wipe(&chain.path().join("paritydb"), Loss::Both).unwrap();
        assert_eq!(left(chain.path()), ["keystore"]);
    }

    #[test]
    fn an_event_store_that_is_not_where_it_should_be_is_an_error() {
        let chain = chain();
        fs::remove_file(chain.path().join("event-store.sqlite")).unwrap();
        fs::remove_file(chain.path().join("event-store.sqlite-wal")).unwrap();
        let error = wipe(&chain.path().join("paritydb"), Loss::Both).unwrap_err();
        assert!(error.to_string().contains("event store"), "{error}");
    }
}
