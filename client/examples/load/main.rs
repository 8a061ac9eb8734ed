// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Loads a development chain with signed events and counts what it finalizes.
//!
//! `cargo run -p ves-client --example load -- --url ws://127.0.0.1:9944 --seconds 60`
//!
//! Events are counted from chain data: the leaves of every batch between the first and the last
//! block of the measurement. The time from submission to finality is that of some submissions, as the
//! node reports it. Prints one JSON object.

mod author;
mod junk;
mod report;
mod subscribers;

use author::{Author, Ids, Shape};
use chrono::{TimeDelta, Utc};
use clap::Parser;
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use subscribers::Subscribers;
use tokio::{sync::Semaphore, task::JoinSet};
use ves_client::{ChainClient, TxStatus};
use ves_primitives::SubmittedEvent;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Debug, Parser)]
pub(crate) struct Arguments {
    /// WebSockets of the nodes; submissions take turns with them.
    #[arg(long, default_value = "ws://127.0.0.1:9944", value_delimiter = ',')]
    url: Vec<String>,
    /// Length of the measurement.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Events of one submission, at most 256.
    #[arg(long, default_value_t = 128)]
    batch: u32,
    /// Bytes of each payload.
    #[arg(long, default_value_t = 256)]
    payload: usize,
    /// Streams that the submissions take turns with.
    #[arg(long, default_value_t = 4)]
    streams: u32,
    /// Agents that the submissions take turns with.
    #[arg(long, default_value_t = 1)]
    agents: u32,
    /// Entities that the events are about; 0 makes each event about a new one.
    #[arg(long, default_value_t = 0)]
    entities: u64,
    /// What ids of events and commands look like.
    #[arg(long, value_enum, default_value = "time")]
    ids: Ids,
    /// Let each event fulfil a command.
    #[arg(long)]
    commands: bool,
    /// Let the events of one submission take turns with agents and streams.
    #[arg(long)]
    mixed: bool,
    /// Spoil the signature of the last event of each submission.
    #[arg(long)]
    forged: bool,
    /// Events offered per second.
    #[arg(long, default_value_t = 4_000)]
    rate: u32,
    /// Follow every n-th submission to finality.
    #[arg(long, default_value_t = 10)]
    watch_every: u32,
    /// Offer this many invalid submissions besides, spread over the measurement.
    #[arg(long, default_value_t = 0)]
    junk: u32,
    /// Events of each invalid submission.
    #[arg(long, default_value_t = 1)]
    junk_events: usize,
    /// Let this many readers follow the streams meanwhile, each over a connection of its own.
    #[arg(long, default_value_t = 0)]
    subscribers: usize,
    /// Process of the node, whose processor time is reported.
    #[arg(long)]
    pid: Option<u32>,
}

/// Processor time of one signed event, about: events are made of the time they will be offered at.
const SIGNING: TimeDelta = TimeDelta::microseconds(40);

/// Signs everything before the clock starts, so that the generator does not compete with the node.
async fn prepare(
    chain: &ChainClient,
    authors: &[Author],
    arguments: &Arguments,
) -> Result<Vec<Vec<u8>>, Failure> {
    let submissions = u64::from(arguments.rate) * arguments.seconds / u64::from(arguments.batch);
    let shape = Shape {
        ids: arguments.ids,
        payload: arguments.payload,
        commands: arguments.commands,
        entities: arguments.entities,
    };
    let mut extrinsics = Vec::new();
    let mut number = 0u64;
    let total = i32::try_from(submissions * u64::from(arguments.batch))?;
    let begin = Utc::now() + SIGNING * total;
    for index in 0..submissions {
        let mut events = Vec::new();
        for _ in 0..arguments.batch {
            number += 1;
            let turn = usize::try_from(if arguments.mixed { number } else { index })?;
            let author = &authors[turn % authors.len()];
            let store = author.stores[turn / authors.len() % author.stores.len()];
            let offered = number * 1_000_000 / u64::from(arguments.rate);
            let at = begin + TimeDelta::microseconds(offered.try_into()?);
            events.push(author.event(number, at, store, shape)?);
        }
        if arguments.forged {
            spoil(events.last_mut());
        }
        extrinsics.push(chain.submission(&events).await?);
    }
    Ok(extrinsics)
}

fn spoil(event: Option<&mut SubmittedEvent>) {
    if let Some(event) = event {
        event.envelope.agent_signature.0[0] ^= 1;
    }
}

/// What became of the submissions.
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) offered: u64,
    pub(crate) offering_s: f64,
    pub(crate) refused: u64,
    /// Seconds from submission to finality of those that were followed.
    pub(crate) latencies: Vec<f64>,
    /// Followed ones that the node dropped from its pool.
    pub(crate) dropped: u64,
    /// Followed ones that were not final in time.
    pub(crate) unfinalized: u64,
}

/// What a followed submission came to.
enum Followed {
    Final(f64),
    Refused,
    Dropped,
    Late,
}

async fn follow(chain: ChainClient, extrinsic: Vec<u8>) -> Followed {
    let begun = Instant::now();
    let Ok(mut watch) = chain.submit_and_watch(&extrinsic).await else {
        return Followed::Refused;
    };
    let ends = async {
        while let Some(Ok(status)) = watch.next().await {
            match status {
                TxStatus::Finalized(_) => return Followed::Final(begun.elapsed().as_secs_f64()),
                TxStatus::Dropped | TxStatus::Invalid | TxStatus::Usurped(_) => {
                    return Followed::Dropped;
                }
                _ => {}
            }
        }
        Followed::Late
    };
    tokio::time::timeout(Duration::from_secs(90), ends)
        .await
        .unwrap_or(Followed::Late)
}

async fn offer(
    chains: &[ChainClient],
    extrinsics: Vec<Vec<u8>>,
    arguments: &Arguments,
) -> Result<Traffic, Failure> {
    let mut traffic = Traffic::default();
    let started = Instant::now();
    let interval = Duration::from_secs_f64(f64::from(arguments.batch) / f64::from(arguments.rate));
    let in_flight = Arc::new(Semaphore::new(64));
    let mut watches = JoinSet::new();
    let mut sends = JoinSet::new();
    for (index, extrinsic) in (0u32..).zip(extrinsics) {
        tokio::time::sleep_until((started + interval * index).into()).await;
        if started.elapsed() > Duration::from_secs(arguments.seconds) {
            break;
        }
        traffic.offered += u64::from(arguments.batch);
        let chain = chains[usize::try_from(index)? % chains.len()].clone();
        if index.is_multiple_of(arguments.watch_every) {
            watches.spawn(follow(chain, extrinsic));
        } else {
            let permit = in_flight.clone().acquire_owned().await?;
            sends.spawn(async move {
                let result = chain.submit(&extrinsic).await;
                drop(permit);
                result.is_ok()
            });
        }
    }
    traffic.offering_s = started.elapsed().as_secs_f64();
    while let Some(sent) = sends.join_next().await {
        traffic.refused += u64::from(!sent?);
    }
    while let Some(followed) = watches.join_next().await {
        match followed? {
            Followed::Final(seconds) => traffic.latencies.push(seconds),
            Followed::Refused => traffic.refused += 1,
            Followed::Dropped => traffic.dropped += 1,
            Followed::Late => traffic.unfinalized += 1,
        }
    }
    traffic.latencies.sort_by(f64::total_cmp);
    Ok(traffic)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let mut chains = Vec::new();
    for url in &arguments.url {
        chains.push(ChainClient::connect(url, None).await?);
    }
    let chain = chains.first().ok_or("no node was named")?;
    let authors = Author::register(chain, arguments.agents, arguments.streams).await?;
    eprintln!(
        "signing {} events",
        u64::from(arguments.rate) * arguments.seconds
    );
    let extrinsics = prepare(chain, &authors, &arguments).await?;
    let junk = junk::prepare(chain, &authors, &arguments).await?;
    let readers = match arguments.subscribers {
        0 => None,
        count => Some(Subscribers::start(&arguments.url, &authors, count).await?),
    };
    eprintln!("offering");

    let first = chain.finalized_header().await?.number + 1;
    let cpu = report::processor_seconds(arguments.pid)?;
    let begun = Instant::now();
    let (traffic, junk) = tokio::join!(
        offer(&chains, extrinsics, &arguments),
        junk::offer(chain, junk, arguments.seconds)
    );
    let used = report::processor_seconds(arguments.pid)?.zip(cpu);
    let load = used.map(|(after, before)| (after - before, begun.elapsed().as_secs_f64()));
    let mut report = report::report(chain, first, &arguments, &traffic?, &junk?, load).await?;
    if let Some(readers) = readers {
        report["subscribers"] = readers.finish(chain).await?;
    }
    println!("{report}");
    Ok(())
}
