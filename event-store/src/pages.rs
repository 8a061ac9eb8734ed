// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What subscriptions send, read and written as JSON once for all that stand at the same place: a
//! thousand subscribers at the head of a stream cost one query for each block.

use crate::{Order, Store, StoreError, StoredEvent};
use serde_json::value::RawValue;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;
use ves_primitives::{
    StoreId, TenantId, sha256, stream_id,
    wire::{EventFilter, NewEventsJson},
};

/// Most events of one message.
const MAX_MESSAGE_EVENTS: u32 = 256;
/// Most bytes of one message, estimated.
const MAX_MESSAGE_BYTES: usize = 512 * 1024;
/// Pages that are kept: with the above, at most about 16 MiB.
const MAX_PAGES: usize = 32;

/// What a subscription is about.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) tenant: TenantId,
    pub(crate) store: StoreId,
    pub(crate) filter: EventFilter,
    /// Tells topics from each other.
    tag: [u8; 32],
}

impl Topic {
    pub(crate) fn new(tenant: TenantId, store: StoreId, filter: EventFilter) -> Self {
        // Writing a filter does not fail; topics that could not be written would share nothing.
        let text = serde_json::to_vec(&(stream_id(tenant, store), &filter)).unwrap_or_default();
        Self {
            tenant,
            store,
            filter,
            tag: sha256(&text),
        }
    }
}

/// The next part of a stream for its subscribers.
#[derive(Debug)]
pub(crate) struct SharedPage {
    /// A [`NewEventsJson`]; nothing if no event that was looked at is let through.
    pub(crate) message: Option<Box<RawValue>>,
    /// The sequence from which the next page is to be read.
    pub(crate) next: u64,
    /// Whether there is more already.
    pub(crate) more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    topic: [u8; 32],
    from: u64,
    indexed: u32,
}

type Slot = Arc<OnceCell<Arc<SharedPage>>>;

/// The pages read last.
#[derive(Debug, Default)]
pub(crate) struct Pages(Mutex<VecDeque<(Key, Slot)>>);

impl Pages {
    fn slot(&self, key: Key) -> Slot {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = pages.iter().find(|(known, _)| *known == key) {
            return Arc::clone(slot);
        }
        if pages.len() >= MAX_PAGES {
            pages.pop_front();
        }
        let slot = Slot::default();
        pages.push_back((key, Arc::clone(&slot)));
        slot
    }
}

impl Store {
    /// The events from sequence `from` on, as they are when block `indexed` is.
    pub(crate) async fn shared_page(
        &self,
        topic: &Topic,
        from: u64,
        indexed: u32,
    ) -> Result<Arc<SharedPage>, StoreError> {
        let slot = self.pages.slot(Key {
            topic: topic.tag,
            from,
            indexed,
        });
        let page = slot.get_or_try_init(|| self.read_page(topic, from)).await?;
        Ok(Arc::clone(page))
    }

    async fn read_page(&self, topic: &Topic, from: u64) -> Result<Arc<SharedPage>, StoreError> {
        let found = self
            .find(
                (topic.tenant, topic.store),
                &topic.filter,
                Order::OldestFirst,
                from.checked_sub(1),
                MAX_MESSAGE_EVENTS,
                MAX_MESSAGE_BYTES,
            )
            .await?;
        let through = found.rest.unwrap_or(found.head);
        let next = from.max(through.saturating_add(1));
        let events: Vec<_> = found
            .events
            .iter()
            .map(StoredEvent::to_json)
            .collect::<Result<_, _>>()?;
        let message = if events.is_empty() {
            None
        } else {
            let message = NewEventsJson {
                events,
                next_sequence: next,
            };
            let damaged = |_| StoreError::Corrupt { what: "event" };
            let text = serde_json::to_string(&message).map_err(damaged)?;
            Some(RawValue::from_string(text).map_err(damaged)?)
        };
        Ok(Arc::new(SharedPage {
            message,
            next,
            more: found.rest.is_some(),
        }))
    }
}
