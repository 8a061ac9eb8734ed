// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reads of the destination chain, each with a timeout.
//!
//! State is read by block hash, not by height: two reads in one tick see the same chain, or the
//! second one fails because a reorg took the block away. That it must be in the chain is said
//! explicitly (EIP-1898): not all nodes take a bare hash.

use super::{
    EndpointStats, Gate, Park, contract::SetRegistry, endpoints::Endpoints, revert::Refusal,
};
use crate::{journal::Checkpoint, plan::Head};
use alloy::{
    contract::Error as CallError,
    eips::{BlockId, BlockNumberOrTag},
    network::Ethereum,
    primitives::{Address, B256, U256},
    providers::{Provider, RootProvider},
    transports::TransportError,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};
use ves_primitives::{BatchCommitment, StateRoot, StoreId, TenantId};

/// Streams or batches per `eth_call`.
const CHUNK: usize = 100;
/// Calls at the same time.
pub(super) const CONCURRENT: usize = 8;

/// When an anchor counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// This many blocks, the one with the transaction included.
    Blocks(u64),
    /// The chain's `safe` block.
    Safe,
    /// The chain's `finalized` block.
    Finalized,
}

impl FromStr for Confirmation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "safe" => Ok(Self::Safe),
            "finalized" => Ok(Self::Finalized),
            number => match number.parse() {
                Ok(n) if n > 0 => Ok(Self::Blocks(n)),
                _ => Err("expected finalized, safe or a number of blocks from 1".into()),
            },
        }
    }
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(n) => write!(f, "{n}"),
            Self::Safe => f.write_str("safe"),
            Self::Finalized => f.write_str("finalized"),
        }
    }
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No answer, or one that says "later".
    #[error("the destination's RPC does not answer ({what}): {reason}")]
    Unavailable {
        /// The call.
        what: &'static str,
        /// The transport's words.
        reason: String,
    },
    /// The contract reverted.
    #[error("{0}")]
    Refused(Refusal),
    /// The node refused a transaction; its words.
    #[error("the destination's node refused the transaction: {0}")]
    Rejected(String),
    /// There is no code at the address in the block asked for.
    #[error("no contract at the registry's address")]
    NoCode,
}

/// A block of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Base fee, wei per gas.
    pub base_fee: u128,
}

impl Block {
    /// What is remembered of it.
    pub const fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            number: self.number,
            hash: self.hash.0,
        }
    }
}

/// The destination the operator named.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Expected chain id.
    pub chain_id: u64,
    /// The registry, a proxy.
    pub registry: Address,
    /// Our address.
    pub sender: Address,
}

/// The destination chain.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) identity: Identity,
    pub(super) timeout: Duration,
    pub(super) witness: Option<Arc<Self>>,
}

pub(super) fn unavailable(what: &'static str, error: impl fmt::Display) -> ChainError {
    ChainError::Unavailable {
        what,
        reason: error.to_string(),
    }
}

impl Chain {
    /// Talks to the JSON-RPC at `urls`, separated by commas. Does not connect yet.
    ///
    /// # Errors
    /// When one is not a URL.
    pub fn new(urls: &str, identity: Identity, timeout: Duration) -> Result<Self, String> {
        Ok(Self {
            endpoints: Arc::new(Endpoints::new(urls)?),
            identity,
            timeout,
            witness: None,
        })
    }

    /// Talks to what `providers` lead to.
    #[cfg(test)]
    pub(crate) fn over(
        providers: Vec<RootProvider<Ethereum>>,
        identity: Identity,
        timeout: Duration,
    ) -> Self {
        Self {
            endpoints: Arc::new(Endpoints::of(providers)),
            identity,
            timeout,
            witness: None,
        }
    }

    pub(super) fn provider(&self) -> &RootProvider<Ethereum> {
        self.endpoints.provider()
    }

    /// How the endpoints do.
    pub fn endpoints(&self) -> Vec<EndpointStats> {
        self.endpoints.stats()
    }

    /// Notes whether the endpoint in use answered.
    pub(super) fn note<T>(&self, result: Result<T, ChainError>) -> Result<T, ChainError> {
        match &result {
            Err(ChainError::Unavailable { .. }) => self.endpoints.failed(),
            _ => self.endpoints.worked(),
        }
        result
    }

    /// The destination the operator named.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Waits for an answer, but not for ever.
    pub(super) async fn in_time<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = T>,
    ) -> Result<T, ChainError> {
        let begun = Instant::now();
        let answer = tokio::time::timeout(self.timeout, call).await;
        tracing::trace!(what, ms = begun.elapsed().as_secs_f64() * 1e3, "asked");
        answer.map_err(|_| unavailable(what, format!("no answer in {:?}", self.timeout)))
    }

    pub(super) async fn rpc<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, ChainError> {
        let answer = self.in_time(what, call).await;
        self.note(answer.and_then(|result| result.map_err(|error| unavailable(what, error))))
    }

    pub(super) async fn read<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, ChainError> {
        self.note(match self.in_time(what, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(CallError::ZeroData(..))) => Err(ChainError::NoCode),
            Ok(Err(CallError::AbiError(_))) => Err(ChainError::Refused(Refusal::WrongContract)),
            Ok(Err(CallError::TransportError(error))) => Err(refused_or(what, error)),
            Ok(Err(error)) => Err(unavailable(what, error)),
            Err(error) => Err(error),
        })
    }

    fn registry(&self) -> SetRegistry::SetRegistryInstance<&RootProvider<Ethereum>> {
        SetRegistry::new(self.identity.registry, self.provider())
    }

    /// The chain's id.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn chain_id(&self) -> Result<u64, ChainError> {
        self.rpc("eth_chainId", async {
            self.provider().get_chain_id().await
        })
        .await
    }

    /// Checks that this is the chain and the contract the operator named. Gives block 0's hash.
    ///
    /// # Errors
    /// Why not.
    pub async fn check_identity(&self) -> Result<B256, Park> {
        let Identity {
            chain_id: expected,
            registry,
            ..
        } = self.identity;
        let down = |error: ChainError| Park::Unreachable {
            error: error.to_string(),
        };
        let found = self.chain_id().await.map_err(down)?;
        if found != expected {
            return Err(Park::WrongChain { expected, found });
        }
        let genesis = self
            .block(BlockNumberOrTag::Number(0))
            .await
            .map_err(down)?;
        let code = self
            .rpc("eth_getCode", async {
                self.provider().get_code_at(registry).await
            })
            .await;
        if code.map_err(down)?.is_empty() {
            return Err(Park::NoCode { registry });
        }
        genesis
            .map(|block| block.hash)
            .ok_or_else(|| Park::Unreachable {
                error: "the L2 node has no block 0".into(),
            })
    }

    /// Reads whether we may and can send. `cost`: wei one transaction may need.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn gate(&self, cost: u128) -> Result<Gate, ChainError> {
        let Identity {
            registry, sender, ..
        } = self.identity;
        let contract = self.registry();
        let mut parked = Vec::new();
        let (authorised, paused, strict, strict_genesis, balance, implementation) = tokio::join!(
            self.read("authorizedSequencers", async {
                contract.authorizedSequencers(sender).call().await
            }),
            self.read("paused", async { contract.paused().call().await }),
            self.read("strictModeEnabled", async {
                contract.strictModeEnabled().call().await
            }),
            self.strict_genesis(),
            self.rpc("eth_getBalance", async {
                self.provider().get_balance(sender).await
            }),
            self.implementation(),
        );
        let authorised = match authorised {
            Ok(authorised) => authorised,
            Err(error @ ChainError::Unavailable { .. }) => return Err(error),
            Err(ChainError::NoCode) => {
                return Ok(Gate {
                    parked: vec![Park::NoCode { registry }],
                    ..Gate::default()
                });
            }
            Err(_) => {
                let parked = vec![Park::NotARegistry { registry }];
                return Ok(Gate {
                    parked,
                    ..Gate::default()
                });
            }
        };
        if !authorised {
            parked.push(Park::NotAuthorised { sender });
        }
        if paused? {
            parked.push(Park::Paused);
        }
        let (strict, strict_genesis) = (strict?, strict_genesis?);
        let (balance, implementation) = (balance?, implementation?);
        if balance < U256::from(cost) {
            parked.push(Park::EmptyBalance {
                sender,
                balance: balance.to_string(),
                needed: cost.to_string(),
            });
        }
        Ok(Gate {
            parked,
            strict: Some(strict),
            strict_genesis,
            implementation,
            balance,
            ..Gate::default()
        })
    }

    /// Does the registry refuse a stream that does not begin at its beginning? One that has no such
    /// rule does not.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn strict_genesis(&self) -> Result<bool, ChainError> {
        let contract = self.registry();
        let read = self.read("strictGenesisEnabled", async {
            contract.strictGenesisEnabled().call().await
        });
        match read.await {
            Err(error @ ChainError::Unavailable { .. }) => Err(error),
            read => Ok(read.unwrap_or(false)),
        }
    }

    /// A block by tag or height.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn block(&self, at: BlockNumberOrTag) -> Result<Option<Block>, ChainError> {
        let block = self
            .rpc("eth_getBlockByNumber", async {
                self.provider().get_block_by_number(at).await
            })
            .await?;
        Ok(block.map(|block| Block {
            number: block.header.inner.number,
            hash: block.header.hash,
            base_fee: u128::from(block.header.inner.base_fee_per_gas.unwrap_or_default()),
        }))
    }

    /// The latest block.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn latest(&self) -> Result<Block, ChainError> {
        self.block(BlockNumberOrTag::Latest)
            .await?
            .ok_or_else(|| unavailable("eth_getBlockByNumber", "no latest block"))
    }

    /// The block up to which anchors count as done.
    ///
    /// # Errors
    /// When the chain does not answer, or `latest` is no block of it any more.
    pub async fn confirmed(&self, latest: &Block, rule: Confirmation) -> Result<Block, ChainError> {
        let at = match rule {
            Confirmation::Blocks(1) => return Ok(*latest),
            Confirmation::Blocks(n) => {
                BlockNumberOrTag::Number(latest.number.saturating_sub(n.saturating_sub(1)))
            }
            Confirmation::Safe => BlockNumberOrTag::Safe,
            Confirmation::Finalized => BlockNumberOrTag::Finalized,
        };
        let block = match self.block(at).await? {
            Some(block) => block,
            // Some chains have no such block at first: nothing is confirmed but their first one.
            None => self
                .block(BlockNumberOrTag::Number(0))
                .await?
                .ok_or_else(|| unavailable("eth_getBlockByNumber", "no block 0"))?,
        };
        if block.number < latest.number {
            return Ok(block);
        }
        // The chain went on since `latest` was asked for, perhaps on another branch: an orphaned block
        // confirms nothing, and a node may still serve its state.
        let there = if block.number == latest.number {
            Some(block)
        } else {
            self.block(BlockNumberOrTag::Number(latest.number)).await?
        };
        if there.is_none_or(|there| there.hash != latest.hash) {
            return Err(unavailable(
                "eth_getBlockByNumber",
                "the chain changed between two questions",
            ));
        }
        Ok(*latest)
    }

    /// Transactions of ours up to a block.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn nonce_at(&self, at: &Block) -> Result<u64, ChainError> {
        let sender = self.identity.sender;
        self.rpc("eth_getTransactionCount", async {
            self.provider()
                .get_transaction_count(sender)
                .hash_canonical(at.hash)
                .await
        })
        .await
    }

    /// The contract's heads of streams at a block. `Head::EMPTY` where no contract is yet.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn heads(
        &self,
        streams: &[(TenantId, StoreId)],
        at: &Block,
    ) -> Result<Vec<Head>, ChainError> {
        let at = BlockId::hash_canonical(at.hash);
        let contract = self.registry();
        let mut heads = Vec::with_capacity(streams.len());
        for chunk in streams.chunks(CHUNK) {
            let tenants: Vec<B256> = chunk.iter().map(|(t, _)| t.to_bytes32().into()).collect();
            let stores: Vec<B256> = chunk.iter().map(|(_, s)| s.to_bytes32().into()).collect();
            let sequences = self.read("getBatchHeadSequences", async {
                contract
                    .getBatchHeadSequences(tenants.clone(), stores.clone())
                    .block(at)
                    .call()
                    .await
            });
            let sequences = match sequences.await {
                Err(ChainError::NoCode) => {
                    heads.extend(chunk.iter().map(|_| Head::EMPTY));
                    continue;
                }
                other => other?,
            };
            let roots = self.read("getBatchLatestStateRoots", async {
                contract
                    .getBatchLatestStateRoots(tenants.clone(), stores.clone())
                    .block(at)
                    .call()
                    .await
            });
            let roots = roots.await?;
            if sequences.len() != chunk.len() || roots.len() != chunk.len() {
                return Err(ChainError::Refused(Refusal::WrongContract));
            }
            heads.extend(
                sequences
                    .into_iter()
                    .zip(roots)
                    .map(|(sequence, root)| Head {
                        sequence,
                        state_root: StateRoot(root.0),
                    }),
            );
        }
        Ok(heads)
    }

    /// The contract's records of batches at a block.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn records(
        &self,
        batches: &[&BatchCommitment],
        at: &Block,
    ) -> Result<Vec<SetRegistry::BatchRecord>, ChainError> {
        let contract = self.registry();
        let mut records = Vec::with_capacity(batches.len());
        for chunk in batches.chunks(CHUNK) {
            let ids: Vec<B256> = chunk.iter().map(|batch| batch.batch_id.0.into()).collect();
            let found = self
                .read("getBatchCommitments", async {
                    contract
                        .getBatchCommitments(ids.clone())
                        .block(BlockId::hash_canonical(at.hash))
                        .call()
                        .await
                })
                .await?;
            if found.len() != chunk.len() {
                return Err(ChainError::Refused(Refusal::WrongContract));
            }
            records.extend(found);
        }
        Ok(records)
    }

    /// The contract's proofs of batches at a block; nothing where no contract is yet.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn proofs(
        &self,
        batches: &[B256],
        at: &Block,
    ) -> Result<Vec<Option<SetRegistry::ProofRecord>>, ChainError> {
        let hash = at.hash;
        stream::iter(batches.to_vec())
            .map(async |id| {
                let contract = self.registry();
                let found = self.read("starkProofs", async {
                    contract
                        .starkProofs(id)
                        .block(BlockId::hash_canonical(hash))
                        .call()
                        .await
                });
                let found = match found.await {
                    Ok(found) => found,
                    Err(ChainError::NoCode) => return Ok(None),
                    Err(error) => return Err(error),
                };
                Ok((found.timestamp != 0).then_some(SetRegistry::ProofRecord {
                    proofHash: found.proofHash,
                    policyHash: found.policyHash,
                    policyLimit: found.policyLimit,
                    allCompliant: found.allCompliant,
                    proofSize: found.proofSize,
                    provingTimeMs: found.provingTimeMs,
                    timestamp: found.timestamp,
                }))
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await
    }
}

pub(super) fn refused_or(what: &'static str, error: TransportError) -> ChainError {
    if let Some(response) = error.as_error_resp() {
        if let Some(data) = response.as_revert_data() {
            return ChainError::Refused(Refusal::classify(&data));
        }
        if response.message.contains("revert") {
            return ChainError::Refused(Refusal::WrongContract);
        }
    }
    unavailable(what, error)
}
