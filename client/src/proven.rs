// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reading the chain's state without taking a node's word for it.
//!
//! The node names its newest final block. Its header counts once the authorities that the caller tracks
//! have finalized it ([`TrackedSets::prove`]), and a value counts once the trie's nodes lead to it from
//! that header's state root; that there is none is proven the same way. What a node can still do is to
//! show an old state, so the block's own time, read from the same state, must be near the caller's clock.

use crate::{
    BlockHash, ChainClient, ClientError, FinalityError, Header,
    state::{ReadProof, ReadProofError, StorageKey},
};
use codec::Decode;
use std::{future::Future, time::Duration};
use ves_finality::TrackedSets;
use ves_primitives::{
    AgentId, FinalityProof, KeyId, TenantId,
    registry::{DirectoryEntry, RecordedAt},
};

/// Keys asked for in one call.
const KEYS_PER_CALL: usize = 512;

/// What a proven read asks of a node. Nothing of it is believed for having been said.
pub trait StateSource: Sync {
    /// The header that the node says is the newest final one.
    fn newest_header(&self) -> impl Future<Output = Result<Header, ClientError>> + Send;
    /// Why the canonical block at a height is final; `None` if the node has no evidence (yet).
    fn evidence(
        &self,
        number: u32,
    ) -> impl Future<Output = Result<Option<FinalityProof>, ClientError>> + Send;
    /// Nodes of the state's trie that lead to these keys.
    fn trie_nodes(
        &self,
        keys: &[Vec<u8>],
        at: BlockHash,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, ClientError>> + Send;
    /// An agent's encryption keys, all of them. Their numbers say what to have proven.
    fn claimed_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: BlockHash,
    ) -> impl Future<Output = Result<Vec<DirectoryEntry>, ClientError>> + Send;
}

impl StateSource for ChainClient {
    async fn newest_header(&self) -> Result<Header, ClientError> {
        self.finalized_header().await
    }

    async fn evidence(&self, number: u32) -> Result<Option<FinalityProof>, ClientError> {
        self.finality(number).await
    }

    async fn trie_nodes(
        &self,
        keys: &[Vec<u8>],
        at: BlockHash,
    ) -> Result<Vec<Vec<u8>>, ClientError> {
        self.read_proof(keys, at).await
    }

    async fn claimed_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: BlockHash,
    ) -> Result<Vec<DirectoryEntry>, ClientError> {
        self.encryption_keys(tenant, agent, Some(at)).await
    }
}

/// How old a state may be, by the reader's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// The reader's time, milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// How far the block's time may be from it, before or after.
    pub max_age: Duration,
}

impl Freshness {
    /// As long as this before or after the machine's clock.
    pub fn within(max_age: Duration) -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_ms = since_epoch.map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        Self { now_ms, max_age }
    }

    /// Whether a state of this block may be used.
    ///
    /// # Errors
    /// [`ProvenError::Stale`] or [`ProvenError::Ahead`].
    pub fn check(&self, at: &RecordedAt) -> Result<(), ProvenError> {
        let Self { now_ms, max_age } = *self;
        let allowed = u64::try_from(max_age.as_millis()).unwrap_or(u64::MAX);
        let (block, time_ms) = (at.block, at.time_ms);
        if now_ms.saturating_sub(time_ms) > allowed {
            let age = Duration::from_millis(now_ms.saturating_sub(time_ms));
            return Err(ProvenError::Stale {
                block,
                age,
                max_age,
            });
        }
        if time_ms.saturating_sub(now_ms) > allowed {
            let lead = Duration::from_millis(time_ms.saturating_sub(now_ms));
            return Err(ProvenError::Ahead { block, lead });
        }
        Ok(())
    }
}

/// Why a state was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenError {
    /// The node did not answer, or with an error.
    #[error(transparent)]
    Node(#[from] ClientError),
    /// The node has no evidence that the block it calls final is.
    #[error("the node does not prove that block {0} is final")]
    NoEvidence(u32),
    /// The evidence does not hold: another header, other authorities, too few of them.
    #[error("block {block} is not proven final: {reason}")]
    NotFinal {
        /// Height that the header states.
        block: u32,
        /// The rule broken.
        reason: FinalityError,
    },
    /// The proof does not say what the state holds.
    #[error("{what} at block {block}: {reason}")]
    Unproven {
        /// What was asked about.
        what: String,
        /// The block.
        block: u32,
        /// What is wrong with the proof.
        reason: ReadProofError,
    },
    /// The state has no time: it is not one of this chain's.
    #[error("the state of block {0} has no time")]
    NoTime(u32),
    /// The block is too old: the node is behind, finality stands still, or the node hides what came
    /// later.
    #[error(
        "the newest block that the node proves final, {block}, is {} s old; at most {} s are taken",
        age.as_secs(), max_age.as_secs()
    )]
    Stale {
        /// The block.
        block: u32,
        /// How old it is.
        age: Duration,
        /// How old it may be.
        max_age: Duration,
    },
    /// The block is of the future by the reader's clock, by which nothing can then be called recent.
    #[error("block {block} is {} s ahead of this machine's clock", lead.as_secs())]
    Ahead {
        /// The block.
        block: u32,
        /// How far.
        lead: Duration,
    },
    /// The node shows fewer keys of an agent than the registry has.
    #[error(
        "agent {agent} has {registered} encryption key(s) at block {block}, the node shows {shown}"
    )]
    KeysWithheld {
        /// The agent.
        agent: AgentId,
        /// The block.
        block: u32,
        /// Keys by the registry's own count, which is proven.
        registered: u32,
        /// Keys that the node shows.
        shown: usize,
    },
    /// The node shows a key of an agent that the registry does not hold so.
    #[error(
        "encryption key {key} of agent {agent} is another one at block {block} than the node shows"
    )]
    KeyContradicted {
        /// The agent.
        agent: AgentId,
        /// The key's number.
        key: KeyId,
        /// The block.
        block: u32,
    },
}

impl ProvenError {
    /// Whether the same question may be answered later without anyone's doing.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Node(error) => error.is_retryable(),
            Self::NoEvidence(_) | Self::Stale { .. } => true,
            _ => false,
        }
    }
}

/// The state of a block that is proven final, as far as it was asked for.
#[derive(Debug)]
pub struct ProvenState<'a, S> {
    source: &'a S,
    header: Header,
    hash: BlockHash,
    at: RecordedAt,
    nodes: Vec<Vec<u8>>,
    proof: ReadProof,
}

impl<'a, S: StateSource> ProvenState<'a, S> {
    /// The state of the node's newest final block, with what it holds under these keys.
    ///
    /// # Errors
    /// [`ProvenError`], except those about agents.
    pub async fn open(
        source: &'a S,
        sets: &TrackedSets,
        fresh: Freshness,
        keys: &[Vec<u8>],
    ) -> Result<Self, ProvenError> {
        let header = source.newest_header().await?;
        let block = header.number;
        let evidence = source.evidence(block).await?;
        let evidence = evidence.ok_or(ProvenError::NoEvidence(block))?;
        sets.prove(&header, &evidence)
            .map_err(|reason| ProvenError::NotFinal { block, reason })?;
        let clock = StorageKey::item("Timestamp", "Now").into_bytes();
        let mut state = Self {
            source,
            hash: header.hash(),
            at: RecordedAt { block, time_ms: 0 },
            nodes: Vec::new(),
            proof: ReadProof::new(header.state_root, Vec::new()),
            header,
        };
        state.ask(&[&[clock.clone()][..], keys].concat()).await?;
        state.at.time_ms = state
            .get("the time", &clock)?
            .ok_or(ProvenError::NoTime(block))?;
        fresh.check(&state.at)?;
        Ok(state)
    }

    /// Has the node prove what the same state holds under more keys.
    ///
    /// # Errors
    /// The node's silence.
    pub async fn ask(&mut self, keys: &[Vec<u8>]) -> Result<(), ProvenError> {
        for keys in keys.chunks(KEYS_PER_CALL) {
            let nodes = self.source.trie_nodes(keys, self.hash).await?;
            self.nodes.extend(nodes);
        }
        self.proof = ReadProof::new(self.header.state_root, self.nodes.clone());
        Ok(())
    }

    /// The value under a key that was asked for; `None` if the state is proven to hold none.
    ///
    /// # Errors
    /// [`ProvenError::Unproven`], which names `what`.
    pub fn get<T: Decode>(&self, what: &str, key: &[u8]) -> Result<Option<T>, ProvenError> {
        self.proof.get(key).map_err(|reason| ProvenError::Unproven {
            what: what.to_owned(),
            block: self.at.block,
            reason,
        })
    }

    /// The block: number, and its own time.
    pub const fn at(&self) -> RecordedAt {
        self.at
    }

    /// The block's hash.
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }

    /// The block's header.
    pub const fn header(&self) -> &Header {
        &self.header
    }
}
