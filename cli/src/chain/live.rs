// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real node, through `ves-client`.

use super::{BlockRef, Chain, ChainError, ChainResult, RejectionRecord};
use crate::error::{Exit, Failure, Result};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use ves_client::{AdminCall, AdminReceipt, BlockHash, ChainClient, ClientError, Signer, Wait};
use ves_primitives::{
    AgentId, AuthoritySet, EventId, FinalityProof, GenesisHash, KeyId, StoreId, StreamId,
    SubmittedEvent, TenantId,
    registry::{DirectoryEntry, RecordedAt, SigningKeyRecord},
    sequencer::{Admission, EventRecord, SequencerLimits},
    wire::{BundleJson, EventsPageJson, HeadJson, InclusionJson, SequencedEventJson, codes},
};

/// How long a node may take to index what it has finalized already.
const INDEX_PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(200);

/// A connection to a node.
#[derive(Clone, Debug)]
pub struct Live {
    client: ChainClient,
}

impl From<ClientError> for ChainError {
    fn from(error: ClientError) -> Self {
        let text = error.to_string();
        match error {
            ClientError::Unreachable { .. } => Self::Unreachable(text),
            ClientError::Timeout { .. } => Self::Timeout(text),
            ClientError::PoolRejected { code, .. } => Self::PoolRefused(code),
            ClientError::Stale => Self::AllSequenced,
            ClientError::AlreadyInPool => Self::AlreadyInPool,
            ClientError::PoolBusy { .. }
            | ClientError::TemporarilyBanned
            | ClientError::LeftPool { .. }
            | ClientError::WatchEnded => Self::PoolBusy(text),
            _ => Self::Node(text),
        }
    }
}

/// What a failed administrative call means to its caller.
fn admin_failure(error: ClientError) -> Failure {
    let text = error.to_string();
    match error {
        ClientError::Dispatch { .. } => Failure::new(Exit::Refused, "call_refused", text)
            .hint("the chain's registry refused the change; its reason is in the message"),
        ClientError::PoolInvalid { .. } | ClientError::Stale => {
            Failure::new(Exit::Refused, "account_refused", text)
                .hint("only registered administrators can sign; check the account")
        }
        ClientError::Signer { .. } => Failure::new(Exit::Key, "admin_secret_invalid", text)
            .hint("give the secret with --admin-suri-file or VES_ADMIN_SURI"),
        ClientError::WrongChain { .. } => Failure::new(Exit::Refused, "wrong_chain", text),
        other => ChainError::from(other).into(),
    }
}

/// Opens the administrator's signer.
///
/// # Errors
/// `admin_secret_invalid`.
pub fn admin_signer(uri: &str) -> Result<Signer> {
    Signer::from_uri(uri).map_err(admin_failure)
}

const fn at(block: BlockRef) -> Option<BlockHash> {
    Some(BlockHash(block.hash))
}

impl Live {
    /// Connects to a node.
    ///
    /// # Errors
    /// `node_unreachable`, or a URL that is none.
    pub async fn connect(url: &str) -> Result<Self> {
        match ChainClient::connect(url, None).await {
            Ok(client) => Ok(Self { client }),
            Err(error @ ClientError::Invalid { .. }) => {
                Err(Failure::usage("node_url_invalid", error.to_string())
                    .hint("give an address such as ws://127.0.0.1:9944 with --node"))
            }
            Err(error) => Err(ChainError::from(error).into()),
        }
    }

    /// The client behind it, for what only commands need.
    pub const fn client(&self) -> &ChainClient {
        &self.client
    }

    /// Signs administrative calls, submits them as one transaction and waits for it.
    ///
    /// # Errors
    /// `call_refused` with the chain's reason, `account_refused`, or the node's silence.
    pub async fn administer(
        &self,
        signer: &Signer,
        calls: &[AdminCall],
        wait: Wait,
    ) -> Result<AdminReceipt> {
        self.client
            .execute(signer, calls, wait)
            .await
            .map_err(admin_failure)
    }

    /// The block with this hash.
    ///
    /// # Errors
    /// The node's silence.
    pub async fn block(&self, hash: BlockHash) -> ChainResult<BlockRef> {
        let header = self
            .client
            .header(hash)
            .await?
            .ok_or_else(|| ChainError::Node(format!("block {hash} is missing")))?;
        Ok(BlockRef {
            number: header.number,
            hash: hash.0,
        })
    }

    /// Asks the event store, giving it time to index what is final already.
    async fn stored<T, F>(&self, ask: impl Fn() -> F) -> ChainResult<T>
    where
        F: Future<Output = std::result::Result<T, ClientError>>,
    {
        let patience = Instant::now() + INDEX_PATIENCE;
        loop {
            match ask().await {
                Err(ClientError::Rpc {
                    code: codes::NOT_INDEXED_YET,
                    ..
                }) if Instant::now() < patience => {
                    tokio::time::sleep(POLL).await;
                }
                other => return Ok(other?),
            }
        }
    }
}

impl Chain for Live {
    fn genesis_hash(&self) -> GenesisHash {
        self.client.genesis_hash()
    }

    async fn finalized(&self) -> ChainResult<BlockRef> {
        let header = self.client.finalized_header().await?;
        Ok(BlockRef {
            number: header.number,
            hash: header.hash().0,
        })
    }

    async fn best(&self) -> ChainResult<BlockRef> {
        // The state's own number: no gap between asking for the block and asking at it matters.
        let number = self.client.now(None).await?.block;
        let hash = self.client.block_hash(number).await?;
        let hash = hash.ok_or_else(|| ChainError::Node("the best block is missing".into()))?;
        Ok(BlockRef {
            number,
            hash: hash.0,
        })
    }

    async fn now(&self, block: BlockRef) -> ChainResult<RecordedAt> {
        Ok(self.client.now(at(block)).await?)
    }

    async fn first_authorities(&self) -> ChainResult<AuthoritySet> {
        let genesis = BlockHash(self.client.genesis_hash().0);
        Ok(self.client.authority_set(genesis).await?)
    }

    async fn finality(&self, number: u32) -> ChainResult<Option<FinalityProof>> {
        Ok(self.client.finality(number).await?)
    }

    async fn set_changes(&self, above: u32) -> ChainResult<Vec<FinalityProof>> {
        Ok(self.client.set_changes(above).await?)
    }

    async fn block_hash(&self, number: u32) -> ChainResult<Option<[u8; 32]>> {
        Ok(self.client.block_hash(number).await?.map(|hash| hash.0))
    }

    async fn limits(&self, block: BlockRef) -> ChainResult<SequencerLimits> {
        Ok(self.client.limits(at(block)).await?)
    }

    async fn can_submit(
        &self,
        events: &[SubmittedEvent],
        block: BlockRef,
    ) -> ChainResult<Vec<Admission>> {
        let verdicts = self.client.can_submit(events, at(block)).await?;
        if verdicts.len() != events.len() {
            return Err(ChainError::Node(
                "a pre-flight answer of another length".into(),
            ));
        }
        Ok(verdicts)
    }

    async fn event_status(
        &self,
        stream: StreamId,
        event: EventId,
        block: BlockRef,
    ) -> ChainResult<Option<EventRecord>> {
        Ok(self.client.event_status(stream, event, at(block)).await?)
    }

    async fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
        block: BlockRef,
    ) -> ChainResult<Option<SigningKeyRecord>> {
        Ok(self
            .client
            .signing_key(tenant, agent, key, at(block))
            .await?)
    }

    async fn encryption_keys(
        &self,
        tenant: TenantId,
        agent: AgentId,
        block: BlockRef,
    ) -> ChainResult<Vec<DirectoryEntry>> {
        Ok(self
            .client
            .encryption_keys(tenant, agent, at(block))
            .await?)
    }

    async fn submit(&self, events: &[SubmittedEvent]) -> ChainResult<[u8; 32]> {
        // After a reconnect another chain may answer at the same address.
        self.client.check_chain().await?;
        Ok(self.client.submit_events(events).await?.0)
    }

    async fn head(&self, tenant: TenantId, store: StoreId) -> ChainResult<HeadJson> {
        self.stored(|| self.client.store_head(tenant, store)).await
    }

    async fn events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: u32,
    ) -> ChainResult<EventsPageJson> {
        self.stored(|| self.client.store_events(tenant, store, from, Some(limit)))
            .await
    }

    async fn event(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> ChainResult<Option<SequencedEventJson>> {
        self.stored(|| self.client.store_event(tenant, store, event))
            .await
    }

    async fn inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> ChainResult<Option<InclusionJson>> {
        self.stored(|| self.client.store_inclusion(tenant, store, sequence))
            .await
    }

    async fn bundle(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> ChainResult<Option<BundleJson>> {
        self.stored(|| self.client.store_bundle(tenant, store, event))
            .await
    }

    async fn rejections(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> ChainResult<Vec<RejectionRecord>> {
        let records = self
            .stored(|| self.client.store_rejections(tenant, store, event))
            .await?;
        Ok(records
            .into_iter()
            .map(|r| RejectionRecord {
                block_number: r.block_number,
                reason: r.reason,
            })
            .collect())
    }
}
