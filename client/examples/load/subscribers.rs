// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Readers who follow the streams meanwhile, each over a connection of its own.

use crate::{Failure, author::Author, report::percentile};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use ves_client::{ChainClient, Following};
use ves_primitives::{StoreId, TenantId, wire::EventFilter};

/// How long the last events may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

type Stream = (TenantId, StoreId);
/// Up to which sequence each stream is to be read, once it is known.
type Ends = Option<BTreeMap<Stream, u64>>;

/// When something of a block came: its number, and the time.
type Arrival = (u32, Instant);

/// What one reader has seen.
struct Seen {
    /// Events, each of which followed the one before.
    events: u64,
    arrivals: Vec<Arrival>,
}

/// Readers at work.
pub(crate) struct Subscribers {
    readers: JoinSet<Result<Seen, Failure>>,
    ends: watch::Sender<Ends>,
    streams: Vec<Stream>,
    heads: JoinHandle<()>,
    finalized: watch::Receiver<BTreeMap<u32, Instant>>,
}

impl Subscribers {
    /// Connects this many readers, who take turns with the authors' streams and read each from its
    /// beginning.
    pub(crate) async fn start(
        urls: &[String],
        authors: &[Author],
        count: usize,
    ) -> Result<Self, Failure> {
        let streams: Vec<Stream> = authors.iter().flat_map(Author::streams).collect();
        let (ends, told) = watch::channel(None);
        let url = urls.first().ok_or("no node was named")?;
        let chain = ChainClient::connect(url, None).await?;
        let mut numbers = chain.finalized_heads().await?;
        let (record, finalized) = watch::channel(BTreeMap::new());
        let heads = tokio::spawn(async move {
            // The subscription ends with its connection.
            let _chain = chain;
            while let Some(number) = numbers.next().await {
                record.send_modify(|moments| {
                    moments.insert(number, Instant::now());
                });
            }
        });
        let mut readers = JoinSet::new();
        for (stream, url) in streams.iter().cycle().zip(urls.iter().cycle()).take(count) {
            let chain = ChainClient::connect(url, None).await?;
            let (tenant, store) = *stream;
            let following = chain.follow(tenant, store, Some(1), EventFilter::default());
            readers.spawn(read(*stream, following, told.clone()));
        }
        Ok(Self {
            readers,
            ends,
            streams,
            heads,
            finalized,
        })
    }

    /// Waits until each reader has every event that its stream has now.
    ///
    /// # Errors
    /// If one misses an event.
    pub(crate) async fn finish(mut self, chain: &ChainClient) -> Result<Value, Failure> {
        let mut ends = BTreeMap::new();
        for (tenant, store) in self.streams {
            let head = chain.store_head(tenant, store).await?.sequence;
            ends.insert((tenant, store), head);
        }
        let total: u64 = ends.values().sum();
        self.ends.send_replace(Some(ends));
        let (mut count, mut events, mut late) = (0u64, 0, Vec::new());
        while let Some(seen) = self.readers.join_next().await {
            let seen = seen??;
            count += 1;
            events += seen.events;
            let finalized = self.finalized.borrow();
            for (number, arrived) in seen.arrivals {
                // A head finalizes the blocks below it, too.
                if let Some((_, moment)) = finalized.range(number..).next() {
                    late.push(arrived.saturating_duration_since(*moment).as_secs_f64());
                }
            }
        }
        self.heads.abort();
        late.sort_by(f64::total_cmp);
        Ok(json!({
            "count": count,
            "events_in_streams": total,
            "events_received": events,
            "messages": late.len(),
            "finality_to_subscriber_s": {
                "p50": percentile(&late, 0.50),
                "p95": percentile(&late, 0.95),
                "most": late.last(),
            },
        }))
    }
}

/// Reads one stream without a gap, until all is read that it is told of.
async fn read(
    stream: Stream,
    mut following: Following,
    mut told: watch::Receiver<Ends>,
) -> Result<Seen, Failure> {
    let mut seen = Seen {
        events: 0,
        arrivals: Vec::new(),
    };
    let mut end = None;
    let mut deadline = None;
    while end.is_none_or(|end| seen.events < end) {
        let news = tokio::select! {
            news = following.next() => news?,
            changed = told.changed(), if end.is_none() => {
                changed?;
                end = told.borrow().as_ref().and_then(|ends| ends.get(&stream).copied());
                deadline = Some(Instant::now() + PATIENCE);
                continue;
            }
            () = until(deadline) => {
                return Err(format!("a reader has {} events of {end:?}", seen.events).into());
            }
        };
        let arrived = Instant::now();
        for event in news.events {
            seen.events += 1;
            if event.sequence != seen.events {
                return Err(format!("sequence {} came for {}", event.sequence, seen.events).into());
            }
            if seen
                .arrivals
                .last()
                .is_none_or(|(last, _)| *last != event.block_number)
            {
                seen.arrivals.push((event.block_number, arrived));
            }
        }
    }
    Ok(seen)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
