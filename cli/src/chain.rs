// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What push, pull and verify ask of a node. A trait, so that their logic runs in tests against a
//! chain that can be made to lie.

use crate::error::{Exit, Failure};
use std::{fmt, future::Future};
use ves_primitives::{
    AgentId, AuthoritySet, EventId, FinalityProof, GenesisHash, KeyId, StoreId, StreamId,
    SubmittedEvent, TenantId,
    registry::{DirectoryEntry, RecordedAt, SigningKeyRecord},
    sequencer::{Admission, EventRecord, SequencerLimits, pool_code_name},
    wire::{BundleJson, EventsPageJson, HeadJson, InclusionJson, SequencedEventJson},
};

pub mod live;
pub mod proofs;
mod state;

/// A block by number and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Height.
    pub number: u32,
    /// Hash.
    pub hash: [u8; 32],
}

/// A rejection as the event store reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectionRecord {
    /// Block that rejected the event.
    pub block_number: u32,
    /// The chain's reason.
    pub reason: String,
}

/// What can go wrong between us and the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// No connection, or it broke.
    Unreachable(String),
    /// No answer in time.
    Timeout(String),
    /// The pool refused a submission because of its first event that is not a replay.
    PoolRefused(u8),
    /// Every event of the submission was sequenced before.
    AllSequenced,
    /// The submission waits in the pool already.
    AlreadyInPool,
    /// The pool refused for a reason that is not the events' own; worth another try.
    PoolBusy(String),
    /// The node answered with an error or with nonsense.
    Node(String),
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the node cannot be reached: {why}"),
            Self::Timeout(what) => write!(f, "the node did not answer in time: {what}"),
            Self::PoolRefused(code) => match pool_code_name(*code) {
                Some(name) => write!(f, "the node refused the submission: {name}"),
                None => write!(f, "the node refused the submission with code {code}"),
            },
            Self::AllSequenced => f.write_str("every event was sequenced before"),
            Self::AlreadyInPool => f.write_str("the submission waits in the pool already"),
            Self::PoolBusy(why) => write!(f, "the node's pool does not take it now: {why}"),
            Self::Node(why) => write!(f, "the node answered with an error: {why}"),
        }
    }
}

impl std::error::Error for ChainError {}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        let message = error.to_string();
        match error {
            ChainError::Unreachable(_) => Self::new(Exit::Unreachable, "node_unreachable", message)
                .hint("start the node or give its address with --node; nothing was lost"),
            ChainError::Timeout(_) => Self::new(Exit::Unreachable, "node_timeout", message)
                .hint("run the command again; it resumes where it stopped"),
            ChainError::PoolBusy(_) => Self::new(Exit::Unreachable, "pool_busy", message)
                .hint("run the command again in a moment; it resumes where it stopped"),
            ChainError::PoolRefused(_) => Self::new(Exit::Rejected, "events_rejected", message),
            ChainError::AllSequenced | ChainError::AlreadyInPool => {
                Self::new(Exit::Unexpected, "unexpected", message)
            }
            ChainError::Node(_) => Self::new(Exit::Unreachable, "node_error", message)
                .hint("check that node and stateset-sync are of the same release"),
        }
    }
}

/// Result of a question to the node.
pub type ChainResult<T> = Result<T, ChainError>;

/// A node and the chain behind it.
pub trait Chain: Sync {
    /// Hash of block 0.
    fn genesis_hash(&self) -> GenesisHash;
    /// Newest final block.
    fn finalized(&self) -> impl Future<Output = ChainResult<BlockRef>> + Send;
    /// Newest block.
    fn best(&self) -> impl Future<Output = ChainResult<BlockRef>> + Send;
    /// Number and chain time of a block.
    fn now(&self, at: BlockRef) -> impl Future<Output = ChainResult<RecordedAt>> + Send;
    /// The chain's first authority set, by the node's word.
    fn first_authorities(&self) -> impl Future<Output = ChainResult<AuthoritySet>> + Send;
    /// That the canonical block at a height is final.
    fn finality(
        &self,
        number: u32,
    ) -> impl Future<Output = ChainResult<Option<FinalityProof>>> + Send;
    /// The next changes of the authority set above a height; none when there are no more.
    fn set_changes(
        &self,
        above: u32,
    ) -> impl Future<Output = ChainResult<Vec<FinalityProof>>> + Send;
    /// Hash of the canonical block at a height.
    fn block_hash(&self, number: u32)
    -> impl Future<Output = ChainResult<Option<[u8; 32]>>> + Send;
    /// The limits to keep.
    fn limits(&self, at: BlockRef) -> impl Future<Output = ChainResult<SequencerLimits>> + Send;
    /// What would happen to each event if the list were submitted at this state.
    fn can_submit(
        &self,
        events: &[SubmittedEvent],
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Vec<Admission>>> + Send;
    /// What this state knows of an event.
    fn event_status(
        &self,
        stream: StreamId,
        event: EventId,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Option<EventRecord>>> + Send;
    /// A signing key with its history.
    fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Option<SigningKeyRecord>>> + Send;
    /// An agent's encryption keys.
    fn encryption_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        at: BlockRef,
    ) -> impl Future<Output = ChainResult<Vec<DirectoryEntry>>> + Send;
    /// Hands events to the pool; returns the extrinsic's hash.
    fn submit(
        &self,
        events: &[SubmittedEvent],
    ) -> impl Future<Output = ChainResult<[u8; 32]>> + Send;
    /// Where a stream stands in the node's event store.
    fn head(
        &self,
        tenant: TenantId,
        store: StoreId,
    ) -> impl Future<Output = ChainResult<HeadJson>> + Send;
    /// A page of a stream.
    fn events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
    ) -> impl Future<Output = ChainResult<EventsPageJson>> + Send;
    /// One event by id.
    fn event(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> impl Future<Output = ChainResult<Option<SequencedEventJson>>> + Send;
    /// The way from an event to its block's header.
    fn inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> impl Future<Output = ChainResult<Option<InclusionJson>>> + Send;
    /// Everything about one event.
    fn bundle(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> impl Future<Output = ChainResult<Option<BundleJson>>> + Send;
    /// Every rejection of an event id so far.
    fn rejections(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> impl Future<Output = ChainResult<Vec<RejectionRecord>>> + Send;
}
