// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The events of a stream as they become final.
//!
//! A subscription ends with its connection, with a node that restarts, or because nobody read for a
//! while. [`Following`] subscribes again from the sequence after the last one that it handed out, so
//! that its caller sees every event once, in order, whatever happens between.

use crate::{ChainClient, ClientError};
use jsonrpsee::{core::client::Subscription, rpc_params};
use std::time::Duration;
use tokio::task::JoinHandle;
use ves_primitives::{
    StoreId, TenantId,
    wire::{EventFilter, NewEventsJson},
};

/// First and longest pause before it is tried again to subscribe.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl ChainClient {
    /// Follows a stream from sequence `from` on, or from the next event if `None`. Nothing is asked of
    /// the node before [`Following::next`] is. Needs a WebSocket.
    pub fn follow(
        &self,
        tenant: TenantId,
        store: StoreId,
        from: Option<u64>,
        filter: EventFilter,
    ) -> Following {
        Following {
            chain: self.clone(),
            tenant,
            store,
            filter,
            next: from.map(|from| from.max(1)),
            line: Line::Closed,
            pause: Duration::ZERO,
        }
    }
}

/// The subscription on its way. What opens it is a task, so that a caller who waits in short steps gets on.
#[derive(Debug)]
enum Line {
    Closed,
    Opening(JoinHandle<Opened>),
    Open(Subscription<NewEventsJson>),
}

/// Where to go on, as far as it is known, and the subscription.
type Opened = (
    Option<u64>,
    Result<Subscription<NewEventsJson>, ClientError>,
);

/// A place in a stream that moves on with its events.
#[derive(Debug)]
pub struct Following {
    chain: ChainClient,
    tenant: TenantId,
    store: StoreId,
    filter: EventFilter,
    /// The sequence to go on from; none until the head is known.
    next: Option<u64>,
    line: Line,
    pause: Duration,
}

impl Following {
    /// The sequence from which the next events come: to be stored by whoever goes on later. Unknown
    /// before the first answer if none was given.
    pub const fn next_sequence(&self) -> Option<u64> {
        self.next
    }

    /// The next events, at least one, in sequence order. Waits for them as long as it takes, across
    /// whatever may pass by itself. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// What does not pass by itself: another chain at the address, a node without an event store or
    /// with a damaged one, an answer with a gap. The same call may be made again.
    pub async fn next(&mut self) -> Result<NewEventsJson, ClientError> {
        loop {
            match &mut self.line {
                Line::Closed => {
                    let pause = self.pause;
                    self.pause = pause.saturating_mul(2).clamp(RETRY.0, RETRY.1);
                    self.line = Line::Opening(tokio::spawn(open(
                        self.chain.clone(),
                        (self.tenant, self.store),
                        self.filter.clone(),
                        self.next,
                        pause,
                    )));
                }
                Line::Opening(task) => {
                    let opened = task.await;
                    self.line = Line::Closed;
                    // Only a runtime that shuts down ends the task otherwise.
                    let Ok((next, opened)) = opened else { continue };
                    self.next = next;
                    match opened {
                        Ok(subscription) => self.line = Line::Open(subscription),
                        Err(error) if error.is_retryable() => {}
                        Err(error) => return Err(error),
                    }
                }
                Line::Open(subscription) => {
                    let news = match subscription.next().await {
                        Some(Ok(news)) => self.check(news),
                        Some(Err(error)) => Err(ClientError::decode("ves_newEvents", error)),
                        // It ended, or its connection did.
                        None => {
                            self.line = Line::Closed;
                            continue;
                        }
                    };
                    match &news {
                        Ok(news) => {
                            self.next = Some(news.next_sequence);
                            self.pause = Duration::ZERO;
                        }
                        Err(_) => self.line = Line::Closed,
                    }
                    return news;
                }
            }
        }
    }

    /// That nothing is missing, as far as the message itself shows.
    fn check(&self, news: NewEventsJson) -> Result<NewEventsJson, ClientError> {
        let mut expected = self.next.unwrap_or(1);
        let everything = self.filter == EventFilter::default();
        for event in &news.events {
            let found = event.sequence;
            if found < expected || (everything && found != expected) {
                return Err(gap(expected, found));
            }
            expected = found.saturating_add(1);
        }
        let next = news.next_sequence;
        if news.events.is_empty() || next < expected || (everything && next != expected) {
            return Err(gap(expected, next));
        }
        Ok(news)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Line::Opening(task) = &self.line {
            task.abort();
        }
    }
}

async fn open(
    chain: ChainClient,
    (tenant, store): (TenantId, StoreId),
    filter: EventFilter,
    mut next: Option<u64>,
    pause: Duration,
) -> Opened {
    tokio::time::sleep(pause).await;
    let subscription = async {
        // After a cut another chain may answer at the address.
        chain.check_chain().await?;
        let from = match next {
            Some(next) => next,
            None => {
                let head = chain.store_head(tenant, store).await?;
                *next.insert(head.sequence.saturating_add(1))
            }
        };
        let params = rpc_params![tenant, store, from, filter];
        let (subscribe, unsubscribe) = ("ves_subscribeEvents", "ves_unsubscribeEvents");
        chain.rpc().subscribe(subscribe, params, unsubscribe).await
    }
    .await;
    (next, subscription)
}

fn gap(expected: u64, found: u64) -> ClientError {
    let reason = format!("sequence {found} where {expected} follows");
    ClientError::decode("ves_newEvents", reason)
}
