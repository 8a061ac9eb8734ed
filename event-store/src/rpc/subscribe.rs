// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Subscriptions to a stream: from a sequence on, without a gap, for ever.
//!
//! A subscriber is a place in a stream that is read from the store page by page; nothing piles up for
//! it. What it has not read of the one page on its way makes the node wait, for a while; then the
//! subscription ends with an error that says where to go on.

use super::{VesRpc, args::Args, errors::named};
use crate::{Store, pages::Topic};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionCloseResponse, SubscriptionMessage, SubscriptionSink,
    core::{RpcResult, server::SendTimeoutError},
    types::{ErrorObjectOwned, Params},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use ves_primitives::{
    StoreId, TenantId,
    wire::{
        EventFilter,
        codes::{SUBSCRIBER_TOO_SLOW, TOO_MANY_SUBSCRIPTIONS},
    },
};

/// How many subscriptions there may be, and how patient the node is with each.
pub(super) struct Subscriptions {
    permits: Arc<Semaphore>,
    most: usize,
    patience: Duration,
}

impl Subscriptions {
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(most)),
            most,
            patience,
        }
    }
}

/// What is subscribed to, and from where on.
struct Wanted {
    topic: Topic,
    from: Option<u64>,
}

impl Wanted {
    fn parse(params: &Params<'_>) -> RpcResult<Self> {
        let mut args = Args::parse(params, &["tenant_id", "store_id", "from", "filter"])?;
        let tenant: TenantId = args.take("tenant_id")?;
        let store: StoreId = args.take("store_id")?;
        let from = args.take("from")?;
        let filter: Option<EventFilter> = args.take("filter")?;
        Ok(Self {
            topic: Topic::new(tenant, store, filter.unwrap_or_default()),
            from,
        })
    }
}

impl VesRpc {
    /// Serves one subscription until it is over.
    pub(super) async fn subscribe(
        &self,
        params: &Params<'_>,
        pending: PendingSubscriptionSink,
    ) -> SubscriptionCloseResponse {
        let wanted = match Wanted::parse(params) {
            Ok(wanted) => wanted,
            Err(error) => {
                pending.reject(error).await;
                return SubscriptionCloseResponse::None;
            }
        };
        let Ok(_permit) = Arc::clone(&self.subscriptions.permits).try_acquire_owned() else {
            let text = format!(
                "{} subscriptions are served already",
                self.subscriptions.most
            );
            let error = named(TOO_MANY_SUBSCRIPTIONS, text, json!({}));
            pending.reject(error).await;
            return SubscriptionCloseResponse::None;
        };
        let from = match wanted.from {
            Some(from) => from.max(1),
            None => match self
                .store
                .head(wanted.topic.tenant, wanted.topic.store)
                .await
            {
                Ok(head) => head.sequence.saturating_add(1),
                Err(error) => {
                    pending.reject(ErrorObjectOwned::from(error)).await;
                    return SubscriptionCloseResponse::None;
                }
            },
        };
        let Ok(sink) = pending.accept().await else {
            return SubscriptionCloseResponse::None;
        };
        let serving = serve(
            &self.store,
            &wanted.topic,
            from,
            &sink,
            self.subscriptions.patience,
        );
        match serving.await {
            Ok(()) => SubscriptionCloseResponse::None,
            // Delivered when the subscriber has read what is before it.
            Err(error) => SubscriptionMessage::from_json(&error).map_or(
                SubscriptionCloseResponse::None,
                SubscriptionCloseResponse::NotifErr,
            ),
        }
    }
}

/// Sends everything from sequence `from` on. Ends well when the subscriber leaves.
async fn serve(
    store: &Store,
    topic: &Topic,
    from: u64,
    sink: &SubscriptionSink,
    patience: Duration,
) -> Result<(), ErrorObjectOwned> {
    // Before the first look, so that no block falls between the two.
    let mut indexed = store.watch_indexed();
    let mut next = from;
    loop {
        let at = *indexed.borrow_and_update();
        loop {
            let page = store.shared_page(topic, next, at).await?;
            if let Some(message) = &page.message {
                let Ok(message) = SubscriptionMessage::from_json(message) else {
                    return Ok(());
                };
                match sink.send_timeout(message, patience).await {
                    Ok(()) => {}
                    Err(SendTimeoutError::Closed(_)) => return Ok(()),
                    Err(SendTimeoutError::Timeout(_)) => {
                        let text = format!(
                            "nothing was read for {} s; subscribe again from {next}",
                            patience.as_secs()
                        );
                        let more = json!({ "next_sequence": next });
                        return Err(named(SUBSCRIBER_TOO_SLOW, text, more));
                    }
                }
            }
            next = page.next;
            if !page.more {
                break;
            }
            if sink.is_closed() {
                return Ok(());
            }
        }
        tokio::select! {
            changed = indexed.changed() => if changed.is_err() { return Ok(()) },
            () = sink.closed() => return Ok(()),
        }
    }
}
