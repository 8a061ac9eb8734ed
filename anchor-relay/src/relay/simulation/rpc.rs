// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay's two sides: the L2 as JSON-RPC below `alloy`, the appchain as a [`Source`]. Answers
//! are at once or never, so no timer ever runs.

use super::{
    appchain::GENESIS,
    l2::Block,
    world::{Crash, Fate, Shared, World},
};
use crate::source::{BlockHash, Commitment, Source, SourceBlock, SourceError};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::json_rpc::{RequestPacket, ResponsePacket, SerializedRequest},
    transports::{TransportError, TransportErrorKind, TransportFut},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    panic::resume_unwind,
    task::{Context, Poll},
};
use tower_service::Service;
use ves_primitives::{BatchCommitment, GenesisHash, SPEC_NAME, StreamId, proof::BatchProofRecord};

/// Wei per gas that the node suggests as a tip.
const TIP: u128 = 1_000_000;

/// One endpoint of the L2, as one relay reaches it.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) world: Shared,
    pub(super) relay: usize,
    pub(super) number: usize,
    pub(super) registry: Address,
}

struct Refused {
    code: i64,
    message: String,
    data: Option<Vec<u8>>,
}

fn refused(message: &str) -> Refused {
    Refused {
        code: -32000,
        message: message.into(),
        data: None,
    }
}

type Answer = Result<Value, Refused>;

impl Service<RequestPacket> for Endpoint {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let RequestPacket::Single(request) = request else {
                return Err(TransportErrorKind::custom_str(
                    "no batches of requests here",
                ));
            };
            this.answer(&request)
        })
    }
}

impl Endpoint {
    fn answer(&self, request: &SerializedRequest) -> Result<ResponsePacket, TransportError> {
        let whole: Value =
            serde_json::from_str(request.serialized().get()).map_err(TransportErrorKind::custom)?;
        let method = request.method();
        let params = &whole["params"];
        let mut world = self.world.lock();
        let fate = world.fate(self.relay);
        let lost = || Err(TransportErrorKind::custom_str("the connection was reset"));
        match fate {
            Fate::CrashBefore => {
                drop(world);
                resume_unwind(Box::new(Crash));
            }
            Fate::Lost => return lost(),
            Fate::Late if method == "eth_sendRawTransaction" => {
                world.announce_late(self.relay, &bytes(&params[0]));
                return lost();
            }
            Fate::Twice => {
                let _ = self.serve(&mut world, method, params);
            }
            _ => {}
        }
        let answer = self.serve(&mut world, method, params);
        match fate {
            Fate::CrashAfter => {
                drop(world);
                resume_unwind(Box::new(Crash));
            }
            Fate::AnswerLost | Fate::Late => return lost(),
            _ => {}
        }
        let answer = match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": whole["id"], "result": result}),
            Err(Refused {
                code,
                message,
                data,
            }) => {
                let data = data.map(Bytes::from);
                let error = json!({"code": code, "message": message, "data": data});
                json!({"jsonrpc": "2.0", "id": whole["id"], "error": error})
            }
        };
        let text = answer.to_string();
        world.note(
            "rpc",
            &(self.relay, self.number, method, &params.to_string(), &text),
        );
        serde_json::from_str(&text).map_err(TransportErrorKind::custom)
    }

    fn serve(&self, world: &mut World, method: &str, params: &Value) -> Answer {
        let view = world.view(self.relay, self.number);
        Ok(match method {
            "eth_chainId" => json!(U256::from(super::CHAIN_ID)),
            "eth_getCode" => json!(Bytes::from(world.l2.head().state.registry.code())),
            "eth_getStorageAt" => json!(B256::ZERO),
            "eth_gasPrice" => json!(U256::from(world.l2.base_fee + TIP)),
            "eth_maxPriorityFeePerGas" => json!(U256::from(TIP)),
            "eth_getBlockByNumber" => {
                let number = match params[0].as_str().unwrap_or_default() {
                    "latest" => view,
                    "safe" => world.l2.safe().min(view),
                    "finalized" => world.final_view(self.relay, self.number),
                    number => u64::from_str_radix(number.trim_start_matches("0x"), 16)
                        .map_err(|_| refused("invalid block number"))?,
                };
                if number > view {
                    return Ok(Value::Null);
                }
                world.l2.block(number).map_or(Value::Null, header)
            }
            "eth_getBalance" => {
                let state = &self.at(world, &params[1], view)?.state;
                let of: Address = address(&params[0]);
                json!(U256::from(state.balances.get(&of).copied().unwrap_or(0)))
            }
            "eth_getTransactionCount" => {
                let state = &self.at(world, &params[1], view)?.state;
                json!(U256::from(state.nonce(address(&params[0]))))
            }
            "eth_getTransactionReceipt" => {
                let hash: B256 = serde_json::from_value(params[0].clone())
                    .map_err(|_| refused("invalid hash"))?;
                world
                    .l2
                    .receipt(hash, view)
                    .map_or(Value::Null, |(block, mined)| {
                        json!({
                            "blockNumber": U256::from(block.number),
                            "blockHash": block.hash,
                            "status": if mined.reverted.is_none() { "0x1" } else { "0x0" },
                            "gasUsed": U256::from(mined.gas),
                            "effectiveGasPrice": U256::from(mined.price),
                        })
                    })
            }
            "eth_sendRawTransaction" => {
                let raw = bytes(&params[0]);
                match world.announce(self.relay, &raw) {
                    Ok(()) => json!(B256::ZERO),
                    Err(words) => return Err(refused(words)),
                }
            }
            "eth_call" => self.run(world, &params[0], &params[1], view)?,
            "eth_estimateGas" => {
                self.run(world, &params[0], &Value::Null, view)?;
                let write = super::registry::Write::decode(&bytes(input(&params[0])));
                json!(U256::from(write.map_or(30_000, |write| write.gas())))
            }
            _ => return Err(refused("the method does not exist")),
        })
    }

    fn at<'a>(&self, world: &'a World, at: &Value, view: u64) -> Result<&'a Block, Refused> {
        let found = match at.get("blockHash") {
            Some(hash) => {
                let hash = serde_json::from_value(hash.clone())
                    .map_err(|_| refused("invalid block hash"))?;
                world.l2.by_hash(hash, view)
            }
            None => world.l2.block(view),
        };
        found.ok_or_else(|| refused("header not found"))
    }

    fn run(&self, world: &World, call: &Value, at: &Value, view: u64) -> Answer {
        let block = self.at(world, at, view)?;
        let data = bytes(input(call));
        if address(&call["to"]) != self.registry {
            return Ok(json!("0x"));
        }
        let registry = &block.state.registry;
        if let Some(answer) = registry.view(&data) {
            return Ok(json!(Bytes::from(answer)));
        }
        let time = block.number;
        match registry.clone().run(address(&call["from"]), &data, time) {
            Ok(()) => Ok(json!("0x")),
            Err(data) => Err(Refused {
                code: 3,
                message: "execution reverted".into(),
                data: Some(data),
            }),
        }
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    let read: Option<Bytes> = serde_json::from_value(value.clone()).ok();
    read.unwrap_or_default().to_vec()
}

fn input(call: &Value) -> &Value {
    call.get("input").unwrap_or_else(|| &call["data"])
}

fn address(value: &Value) -> Address {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

fn header(block: &Block) -> Value {
    let zero = B256::ZERO;
    json!({
        "number": U256::from(block.number), "hash": block.hash, "parentHash": block.parent,
        "baseFeePerGas": U256::from(block.base_fee), "sha3Uncles": zero,
        "miner": Address::ZERO, "stateRoot": zero, "transactionsRoot": zero,
        "receiptsRoot": zero, "logsBloom": Bytes::from(vec![0; 256]), "difficulty": "0x0",
        "gasLimit": "0x1c9c380", "gasUsed": "0x0", "timestamp": U256::from(block.number * 2),
        "extraData": "0x", "mixHash": zero, "nonce": "0x0000000000000000", "size": "0x0",
        "uncles": [], "transactions": [],
    })
}

/// What a node of the appchain does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    /// It belongs to another chain.
    Genesis,
    /// Its finalized block is on another fork than the blocks below.
    Fork,
    /// A batch is not the one that the header commits to.
    Batch,
    /// The header speaks a newer language.
    Newer,
}

/// A node of the appchain, as one relay reaches it.
#[derive(Clone)]
pub(super) struct AppNode {
    pub(super) world: Shared,
    pub(super) relay: usize,
    /// A bug to be found: the best block passes for the finalized one.
    pub(super) best_is_final: bool,
    /// A bug to be found: batches of this block are passed over.
    pub(super) skips: Option<u32>,
}

impl AppNode {
    fn ask<T>(&self, f: impl FnOnce(&World) -> Option<T>) -> Result<T, SourceError> {
        let mut world = self.world.lock();
        let down = || SourceError::Unavailable("connection refused".into());
        match world.fate(self.relay) {
            Fate::CrashBefore | Fate::CrashAfter => {
                drop(world);
                resume_unwind(Box::new(Crash));
            }
            Fate::Lost | Fate::AnswerLost | Fate::Late => Err(down()),
            Fate::Twice | Fate::Answered => {
                f(&world).ok_or_else(|| SourceError::Unavailable("no such block".into()))
            }
        }
    }

    fn lie(&self, world: &World) -> Option<Lie> {
        world.actors[self.relay].lie
    }

    fn skipped(&self, number: u32) -> bool {
        self.skips == Some(number)
    }
}

#[async_trait]
impl Source for AppNode {
    async fn genesis_hash(&self) -> Result<GenesisHash, SourceError> {
        self.ask(|world| {
            Some(match self.lie(world) {
                Some(Lie::Genesis) => GenesisHash([8; 32]),
                _ => GENESIS,
            })
        })
    }

    /// Asked only together with the genesis, whose fate is drawn.
    async fn spec_name(&self) -> Result<String, SourceError> {
        Ok(SPEC_NAME.into())
    }

    async fn finalized_head(&self) -> Result<(u32, BlockHash), SourceError> {
        self.ask(|world| {
            let chain = &world.appchain;
            let shown = if self.best_is_final {
                chain.head()
            } else {
                chain
                    .finalized
                    .saturating_sub(world.actors[self.relay].app_lag)
            };
            let mut hash = chain.hash(shown);
            if self.lie(world) == Some(Lie::Fork) && shown > 0 {
                hash.0[0] ^= 1;
            }
            Some((shown, hash))
        })
    }

    async fn block(&self, number: u32) -> Result<SourceBlock, SourceError> {
        self.ask(|world| {
            let mut block = world.appchain.block(number)?.block;
            if self.lie(world) == Some(Lie::Newer) {
                block.commitment = Commitment::Unreadable;
            }
            if self.skipped(number) {
                block.commitment = Commitment::Absent;
            }
            Some(block)
        })
    }

    async fn batches(
        &self,
        number: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchCommitment>, SourceError> {
        self.ask(|world| {
            // A block that is gone is unknown here, as its state is on a node that pruned it.
            world.appchain.number_of(at)?;
            let mut batches = world.appchain.block(number)?.batches.clone();
            if self.lie(world) == Some(Lie::Batch)
                && let Some(batch) = batches.first_mut()
            {
                batch.events_root.0[0] ^= 1;
            }
            Some(batches)
        })
    }

    async fn batch_proofs(
        &self,
        stream: StreamId,
        from: u64,
        count: u32,
        at: BlockHash,
    ) -> Result<Vec<BatchProofRecord>, SourceError> {
        self.ask(|world| {
            let number = world.appchain.number_of(at)?;
            let range = from..from + u64::from(count);
            let found = world.appchain.proofs(number).filter(|proof| {
                proof.stream == stream && range.contains(&proof.record.batch_index)
            });
            Some(found.map(|proof| proof.record.clone()).collect())
        })
    }

    async fn proof_bytes(
        &self,
        stream: StreamId,
        record: &BatchProofRecord,
    ) -> Result<Option<Vec<Vec<u8>>>, SourceError> {
        self.ask(|world| {
            let head = world.appchain.head();
            let found = world.appchain.proofs(head).filter(|proof| {
                proof.stream == stream && proof.record.batch_index == record.batch_index
            });
            Some(Some(found.map(|proof| proof.bytes.clone()).collect()))
        })
    }
}
