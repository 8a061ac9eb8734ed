// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Submissions that the pool must refuse. No two have the same bytes, since the pool remembers what
//! it has refused.

use crate::{
    Arguments, Failure,
    author::{Author, Shape},
    spoil,
};
use chrono::Utc;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};
use ves_client::ChainClient;
use ves_primitives::{AgentId, CreatedAt, SubmittedEvent};

/// Numbers of these events, beyond those of the valid ones.
const FIRST_NUMBER: u64 = 1 << 40;
/// Final events to submit again.
const REPLAYS: usize = 256;

/// One way to be refused.
struct Kind {
    name: &'static str,
    events: Vec<SubmittedEvent>,
}

/// What is offered, made before the clock starts: the name of its kind, and its bytes.
#[derive(Default)]
pub(crate) struct Plan {
    submissions: Vec<(&'static str, Vec<u8>)>,
    events: usize,
}

/// How many were refused, by kind, and how many were not.
#[derive(Default)]
pub(crate) struct Junk {
    events: usize,
    refused: BTreeMap<&'static str, u64>,
    accepted: BTreeMap<&'static str, u64>,
    seconds: f64,
}

impl Junk {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "events_of_each": self.events,
            "refused": self.refused,
            "accepted": self.accepted,
            "seconds": self.seconds,
        })
    }

    fn count(&mut self, (kind, refused): (&'static str, bool)) {
        let of = if refused {
            &mut self.refused
        } else {
            &mut self.accepted
        };
        *of.entry(kind).or_default() += 1;
    }
}

/// Submissions whose first event cannot be sequenced, and some whose events are all final.
pub(crate) async fn prepare(
    chain: &ChainClient,
    authors: &[Author],
    arguments: &Arguments,
) -> Result<Plan, Failure> {
    if arguments.junk == 0 {
        return Ok(Plan::default());
    }
    let author = authors.first().ok_or("no agent")?;
    let shape = Shape {
        ids: arguments.ids,
        payload: arguments.payload,
        commands: true,
        entities: 0,
    };
    let mut number = FIRST_NUMBER;
    let mut events = |count: usize| -> Result<Vec<SubmittedEvent>, Failure> {
        (0..count)
            .map(|_| {
                number += 1;
                author.event(number, Utc::now(), author.stores[0], shape)
            })
            .collect()
    };
    let each = arguments.junk_events;
    let replays = events(REPLAYS)?;
    let mut watch = chain.submit_events_and_watch(&replays).await?;
    watch.finalized(Duration::from_secs(60)).await?;
    let mut forged = events(each)?;
    spoil(forged.first_mut());
    let mut stranger = events(each)?;
    let mut old = events(each)?;
    let long_ago = CreatedAt::truncate_from(b"2020-01-01T00:00:00Z".to_vec());
    if let (Some(stranger), Some(old)) = (stranger.first_mut(), old.first_mut()) {
        stranger.envelope.source_agent_id = AgentId([0xee; 16]);
        old.envelope.created_at = long_ago;
    }
    let kind = |name, events| Kind { name, events };
    let mut kinds = [
        kind("invalid_signature", forged),
        kind("unknown_agent", stranger),
        kind("created_at_too_old", old),
        kind("replay", replays),
    ];
    let mut submissions = Vec::new();
    for index in 0..arguments.junk {
        let turn = usize::try_from(index)? % kinds.len();
        submissions.push(kinds[turn].submission(chain, index, each).await?);
    }
    Ok(Plan {
        submissions,
        events: each,
    })
}

impl Kind {
    /// The submission with this number.
    async fn submission(
        &mut self,
        chain: &ChainClient,
        index: u32,
        events: usize,
    ) -> Result<(&'static str, Vec<u8>), Failure> {
        if self.name == "replay" {
            self.events.rotate_left(1);
            let some = &self.events[..events.min(self.events.len())];
            return Ok((self.name, chain.submission(some).await?));
        }
        if let Some(first) = self.events.first_mut() {
            first.envelope.agent_signature.0[40..44].copy_from_slice(&index.to_be_bytes());
        }
        Ok((self.name, chain.submission(&self.events).await?))
    }
}

/// Offers them evenly over the time.
pub(crate) async fn offer(chain: &ChainClient, plan: Plan, seconds: u64) -> Result<Junk, Failure> {
    let mut junk = Junk {
        events: plan.events,
        ..Junk::default()
    };
    let total = u32::try_from(plan.submissions.len())?;
    if total == 0 {
        return Ok(junk);
    }
    let started = Instant::now();
    let interval = Duration::from_secs(seconds) / total;
    // So many that the answers' way does not slow the offering.
    let in_flight = Arc::new(Semaphore::new(512));
    let mut sends = JoinSet::new();
    for (index, (kind, bytes)) in (0..total).zip(plan.submissions) {
        tokio::time::sleep_until((started + interval * index).into()).await;
        let permit = in_flight.clone().acquire_owned().await?;
        let chain = chain.clone();
        sends.spawn(async move {
            let refused = chain.submit(&bytes).await.is_err();
            drop(permit);
            (kind, refused)
        });
        while let Some(done) = sends.try_join_next() {
            junk.count(done?);
        }
    }
    while let Some(done) = sends.join_next().await {
        junk.count(done?);
    }
    junk.seconds = started.elapsed().as_secs_f64();
    Ok(junk)
}
