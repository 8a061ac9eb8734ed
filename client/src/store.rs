// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The node's event store: finalized events, batches and proofs (`ves_*` methods).
//!
//! `None` means that the finalized chain does not have what was asked for. A node whose store is
//! still catching up answers with [`codes::NOT_INDEXED_YET`](ves_primitives::wire::codes::NOT_INDEXED_YET)
//! instead, which is retryable.

use crate::{ChainClient, ClientError};
use jsonrpsee::rpc_params;
use ves_primitives::{
    AgentId, EventId, FinalityProof, StoreId, TenantId,
    wire::{
        AgentCursorJson, AnchoredJson, BatchJson, BundleJson, EntityHistoryJson, EventFilter,
        EventsPageJson, FoundEventsJson, HeadJson, InclusionJson, MultiInclusionJson,
        RejectionJson, SequencedEventJson, StoreHealthJson,
    },
};

impl ChainClient {
    /// Where a stream stands at the newest indexed finalized block.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_head(
        &self,
        tenant: TenantId,
        store: StoreId,
    ) -> Result<HeadJson, ClientError> {
        self.rpc()
            .call("ves_head", rpc_params![tenant, store])
            .await
    }

    /// A page of a stream from sequence `from` on; `limit` 1 to 1000, the node's 100 if `None`.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_events(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: u64,
        limit: Option<u32>,
    ) -> Result<EventsPageJson, ClientError> {
        self.rpc()
            .call("ves_events", rpc_params![tenant, store, from, limit])
            .await
    }

    /// One event with its place.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_event(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> Result<Option<SequencedEventJson>, ClientError> {
        self.rpc()
            .call("ves_event", rpc_params![tenant, store, event])
            .await
    }

    /// A stream's batch by its number, from 0.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_batch(
        &self,
        tenant: TenantId,
        store: StoreId,
        index: u64,
    ) -> Result<Option<BatchJson>, ClientError> {
        self.rpc()
            .call("ves_batch", rpc_params![tenant, store, index])
            .await
    }

    /// The batch that holds a sequence.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_batch_of_sequence(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<BatchJson>, ClientError> {
        self.rpc()
            .call("ves_batchOfSequence", rpc_params![tenant, store, sequence])
            .await
    }

    /// The batch with this id, whichever stream it is of: 32 bytes in hex, or the UUID made of them.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_batch_by_id(&self, id: &str) -> Result<Option<BatchJson>, ClientError> {
        self.rpc().call("ves_batchById", rpc_params![id]).await
    }

    /// The way from an event's leaf to the header of its block.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequence: u64,
    ) -> Result<Option<InclusionJson>, ClientError> {
        self.rpc()
            .call("ves_inclusionProof", rpc_params![tenant, store, sequence])
            .await
    }

    /// Everything needed to verify one event offline, except an anchor.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_bundle(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> Result<Option<BundleJson>, ClientError> {
        self.rpc()
            .call("ves_bundle", rpc_params![tenant, store, event])
            .await
    }

    /// The chain's refusals of an event, oldest first.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_rejections(
        &self,
        tenant: TenantId,
        store: StoreId,
        event: EventId,
    ) -> Result<Vec<RejectionJson>, ClientError> {
        self.rpc()
            .call("ves_rejections", rpc_params![tenant, store, event])
            .await
    }

    /// That the canonical block at this height is final; `None` if it is not yet.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn finality(&self, number: u32) -> Result<Option<FinalityProof>, ClientError> {
        self.rpc().call("ves_finality", rpc_params![number]).await
    }

    /// The next changes of the authority set above a height, oldest first; none when there are no
    /// more.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn set_changes(&self, above: u32) -> Result<Vec<FinalityProof>, ClientError> {
        self.rpc().call("ves_setChanges", rpc_params![above]).await
    }

    /// How far the node's event store is.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_health(&self) -> Result<StoreHealthJson, ClientError> {
        self.rpc().call("ves_health", rpc_params![]).await
    }

    /// A page of the events that a filter lets through; `cursor` is that of the page before.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_find(
        &self,
        tenant: TenantId,
        store: StoreId,
        filter: &EventFilter,
        newest_first: bool,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<FoundEventsJson, ClientError> {
        let params = rpc_params![tenant, store, filter, newest_first, cursor, limit];
        self.rpc().call("ves_findEvents", params).await
    }

    /// A page of an entity's versions; `cursor` is that of the page before, `limit` 1 to 1000, the
    /// node's 100 if `None`.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_entity_history(
        &self,
        tenant: TenantId,
        store: StoreId,
        entity: (&str, &str),
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<EntityHistoryJson, ClientError> {
        let params = rpc_params![tenant, store, entity.0, entity.1, cursor, limit];
        self.rpc().call("ves_entityHistory", params).await
    }

    /// One proof for several events of a batch, by ascending sequences.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_multi_inclusion(
        &self,
        tenant: TenantId,
        store: StoreId,
        sequences: &[u64],
    ) -> Result<Option<MultiInclusionJson>, ClientError> {
        self.rpc()
            .call("ves_multiProof", rpc_params![tenant, store, sequences])
            .await
    }

    /// How far a stream is reported to be anchored.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_anchored(
        &self,
        tenant: TenantId,
        store: StoreId,
    ) -> Result<AnchoredJson, ClientError> {
        self.rpc()
            .call("ves_anchored", rpc_params![tenant, store])
            .await
    }

    /// An agent's durable cursors in a stream.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_agent_cursors(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
    ) -> Result<Vec<AgentCursorJson>, ClientError> {
        self.rpc()
            .call("ves_agentCursors", rpc_params![tenant, store, agent])
            .await
    }

    /// Moves a durable cursor, signed by its agent.
    ///
    /// # Errors
    /// Any transport or node error.
    pub async fn store_set_agent_cursor(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        cursor: &AgentCursorJson,
    ) -> Result<AgentCursorJson, ClientError> {
        self.rpc()
            .call(
                "ves_setAgentCursor",
                rpc_params![tenant, store, agent, cursor],
            )
            .await
    }
}
