// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events, batches, streams: what the store alone answers.

use super::{VesRpc, errors::invalid, page_cursor::PageCursor, page_limit};
use crate::{BadBatchName, BatchName, Found, MAX_PAGE_BYTES, Order, StoredEvent};
use jsonrpsee::core::RpcResult;
use ves_primitives::{
    CommandId, EventId, StoreId, TenantId, stream_id,
    wire::{
        BatchJson, BatchesPageJson, BlockCommitmentJson, EntityHistoryJson, EntityVersionJson,
        EventFilter, EventsPageJson, FoundEventsJson, HeadJson, RejectionJson, SequencedEventJson,
        StreamsPageJson,
    },
};

/// Most events with one command id that are listed, the newest. The chain forgets commands after three
/// days, so there can be several.
const MAX_EVENTS_BY_COMMAND: u32 = 16;

fn to_json(found: &Found) -> RpcResult<Vec<SequencedEventJson>> {
    let events: Result<_, _> = found.events.iter().map(StoredEvent::to_json).collect();
    Ok(events?)
}

impl VesRpc {
    /// Where a stream stands at the newest indexed block.
    pub(super) async fn head(&self, tenant_id: TenantId, store_id: StoreId) -> RpcResult<HeadJson> {
        Ok(self.store.head(tenant_id, store_id).await?)
    }

    /// All streams, or those of a tenant.
    pub(super) async fn streams(
        &self,
        tenant_id: Option<TenantId>,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<StreamsPageJson> {
        let limit = page_limit(limit)?;
        let question = ("streams", tenant_id);
        let after = match &cursor {
            Some(text) => {
                let PageCursor([after]) = PageCursor::read(text, &question)?;
                after
            }
            None => 0,
        };
        let (streams, finalized_block_number, last) =
            self.store.streams(tenant_id, after, limit).await?;
        Ok(StreamsPageJson {
            streams,
            finalized_block_number,
            cursor: last.map(|after| PageCursor([after]).write(&question)),
        })
    }

    /// A page of a stream from sequence `from` on.
    pub(super) async fn events(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        from: u64,
        limit: Option<u32>,
    ) -> RpcResult<EventsPageJson> {
        let limit = page_limit(limit)?;
        let mut page = self.store.events(tenant_id, store_id, from, limit).await?;
        let backfilling = self.store.is_backfilling();
        match page.events.last() {
            // The place after the head is where readers wait for new events. Beyond it are events
            // that the caller has heard of, and this store has not if blocks are missing.
            None => {
                let beyond = from > page.head_sequence.saturating_add(1);
                if backfilling || (beyond && self.store.is_behind()) {
                    return Err(self.not_indexed_yet());
                }
            }
            // The head of a store that is catching up is no end.
            Some(last) if backfilling => page.next_sequence = last.sequence.checked_add(1),
            Some(_) => {}
        }
        Ok(page)
    }

    /// A page of what a filter lets through.
    pub(super) async fn find_events(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        filter: Option<EventFilter>,
        newest_first: Option<bool>,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<FoundEventsJson> {
        let limit = page_limit(limit)?;
        let filter = filter.unwrap_or_default();
        let newest_first = newest_first.unwrap_or_default();
        let order = if newest_first {
            Order::NewestFirst
        } else {
            Order::OldestFirst
        };
        let question = (stream_id(tenant_id, store_id), &filter, newest_first);
        let after = match &cursor {
            Some(text) => {
                let PageCursor([after]) = PageCursor::read(text, &question)?;
                Some(after)
            }
            None => None,
        };
        let found = self
            .store
            .find(
                (tenant_id, store_id),
                &filter,
                order,
                after,
                limit,
                MAX_PAGE_BYTES,
            )
            .await?;
        let mut rest = found.rest;
        // The newest events are those of the newest indexed block, as `head_sequence` says; but the
        // end of an ascending walk is one only if nothing is missing.
        if rest.is_none() && !newest_first && self.store.is_backfilling() {
            if found.events.is_empty() {
                return Err(self.not_indexed_yet());
            }
            rest = Some(found.head);
        }
        Ok(FoundEventsJson {
            events: to_json(&found)?,
            head_sequence: found.head,
            cursor: rest.map(|after| PageCursor([after]).write(&question)),
        })
    }

    /// One event.
    pub(super) async fn event(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Option<SequencedEventJson>> {
        let event = self.store.event(tenant_id, store_id, event_id).await?;
        let event = event.map(|event| event.to_json()).transpose()?;
        self.found(event)
    }

    /// The events that fulfilled a command, oldest first.
    pub(super) async fn events_by_command(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        command_id: CommandId,
    ) -> RpcResult<Vec<SequencedEventJson>> {
        let filter = EventFilter {
            command_id: Some(command_id),
            ..EventFilter::default()
        };
        let found = self
            .store
            .find(
                (tenant_id, store_id),
                &filter,
                Order::NewestFirst,
                None,
                MAX_EVENTS_BY_COMMAND,
                MAX_PAGE_BYTES,
            )
            .await?;
        let mut events = to_json(&found)?;
        events.reverse();
        let some = (!events.is_empty()).then_some(events);
        Ok(self.found(some)?.unwrap_or_default())
    }

    /// The versions of an entity, oldest first.
    pub(super) async fn entity_history(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        entity_type: String,
        entity_id: String,
        cursor: Option<String>,
        limit: Option<u32>,
    ) -> RpcResult<EntityHistoryJson> {
        let limit = page_limit(limit)?;
        let question = (stream_id(tenant_id, store_id), &entity_type, &entity_id);
        // The pages so far have counted the versions up to here.
        let (after, before) = match &cursor {
            Some(text) => {
                let PageCursor([after, version]) = PageCursor::read(text, &question)?;
                (Some(after), version)
            }
            None => (None, 0),
        };
        let (found, current_version) = self
            .store
            .entity_history(
                (tenant_id, store_id),
                (&entity_type, &entity_id),
                after,
                limit,
            )
            .await?;
        if found.rest.is_none() && self.store.is_backfilling() {
            return Err(self.not_indexed_yet());
        }
        let versions: Vec<_> = to_json(&found)?
            .into_iter()
            .zip(1u64..)
            .map(|(event, nth)| EntityVersionJson {
                version: before.saturating_add(nth),
                event,
            })
            .collect();
        let last = versions.last().map_or(before, |last| last.version);
        Ok(EntityHistoryJson {
            versions,
            current_version,
            cursor: found
                .rest
                .map(|after| PageCursor([after, last]).write(&question)),
        })
    }

    /// A stream's batch by its number, from 0.
    pub(super) async fn batch(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        batch_index: u64,
    ) -> RpcResult<Option<BatchJson>> {
        self.found(self.store.batch(tenant_id, store_id, batch_index).await?)
    }

    /// A stream's batches from a number on.
    pub(super) async fn batches(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        from: u64,
        limit: Option<u32>,
    ) -> RpcResult<BatchesPageJson> {
        let limit = page_limit(limit)?;
        let page = self.store.batches(tenant_id, store_id, from, limit).await?;
        if page.batches.is_empty() && self.store.is_backfilling() {
            return Err(self.not_indexed_yet());
        }
        Ok(page)
    }

    /// The batch that holds a sequence.
    pub(super) async fn batch_of_sequence(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        sequence: u64,
    ) -> RpcResult<Option<BatchJson>> {
        self.found(
            self.store
                .batch_of_sequence(tenant_id, store_id, sequence)
                .await?,
        )
    }

    /// The batch with this id, or with the UUID made of it, whichever stream it is of.
    pub(super) async fn batch_by_id(&self, batch_id: String) -> RpcResult<Option<BatchJson>> {
        let name: BatchName = batch_id
            .parse()
            .map_err(|error: BadBatchName| invalid("batch_id", error))?;
        self.found(self.store.batch_by_name(&name).await?)
    }

    /// What a block commits to.
    pub(super) async fn block_commitment(
        &self,
        block_number: u32,
    ) -> RpcResult<Option<BlockCommitmentJson>> {
        self.indexed(block_number)?;
        Ok(self.store.block_commitment(block_number).await?)
    }

    /// The chain's refusals of an event, oldest first.
    pub(super) async fn rejections(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Vec<RejectionJson>> {
        let rejections = self.store.rejections(tenant_id, store_id, event_id).await?;
        let some = (!rejections.is_empty()).then_some(rejections);
        Ok(self.found(some)?.unwrap_or_default())
    }
}

/// Strictly ascending and not too many, as one proof takes them.
pub(super) fn check_sequences(sequences: &[u64], most: u32) -> RpcResult<()> {
    if sequences.is_empty() || sequences.len() > most as usize {
        let text = format!("expected 1 to {most}, found {}", sequences.len());
        return Err(invalid("sequences", text));
    }
    if !sequences.is_sorted_by(|a, b| a < b) {
        return Err(invalid("sequences", "not strictly ascending"));
    }
    Ok(())
}
