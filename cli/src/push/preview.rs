// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a push would do, without doing it.

use super::{
    Signers, allowance::Allowances, batches::chunks, builds_on_one_of, entity_key,
    signing::sign_in_memory,
};
use crate::{
    chain::Chain,
    conflicts,
    error::{Failure, Result},
    inbox::Stream,
    outbox::{self, Entry},
};
use sqlx::SqlitePool;
use std::collections::{BTreeSet, HashSet};
use ves_primitives::{SubmittedEvent, sequencer::Admission};

/// Most events that are looked at.
const MAX_EVENTS: i64 = 1000;

/// What would become of the events that are due.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Each event, signed in memory with the bytes that a push would send, and the chain's verdict.
    pub events: Vec<(Entry, Admission)>,
    /// Those that would be left alone.
    pub held: Vec<Entry>,
    /// Those that would not be signed, and what builds on them.
    pub unsigned: Vec<Entry>,
    /// Why not, of the first.
    pub refusal: Option<Failure>,
    /// Submissions they would travel in.
    pub submissions: usize,
}

/// Signs in memory and asks the node for its verdict; commits nothing and hands over nothing.
///
/// # Errors
/// No connection, no key, no database.
pub async fn preview<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    signers: &mut Signers<'_>,
    batch_size: usize,
) -> Result<Preview> {
    let due = outbox::open_entries(pool, 0, MAX_EVENTS).await?;
    let streams: BTreeSet<Stream> = due
        .iter()
        .map(|entry| Stream {
            tenant: entry.event.envelope.tenant_id,
            store: entry.event.envelope.store_id,
        })
        .collect();
    let waits = conflicts::held(pool, &streams).await?;
    let (held, open): (Vec<Entry>, Vec<Entry>) = due
        .into_iter()
        .partition(|entry| waits.contains(&entry.local_seq));
    let mut allowances = Allowances::default();
    let (mut due, mut unsigned, mut waiting) = (Vec::new(), Vec::new(), HashSet::new());
    for mut entry in open {
        if builds_on_one_of(&entry, &waiting) {
            unsigned.push(entry);
            continue;
        }
        if !entry.signed
            && !sign_in_memory(pool, chain, signers, &mut allowances, &mut entry).await?
        {
            waiting.insert(entity_key(&entry));
            unsigned.push(entry);
            continue;
        }
        due.push(entry);
    }
    let best = chain.best().await?;
    let limits = chain.limits(best).await?;
    let mut events = Vec::with_capacity(due.len());
    let mut submissions = 0usize;
    for chunk in chunks(&due, &limits, batch_size) {
        submissions = submissions.saturating_add(1);
        let asked: Vec<SubmittedEvent> = chunk.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = chain.can_submit(&asked, best).await?;
        events.extend(chunk.iter().cloned().zip(verdicts));
    }
    Ok(Preview {
        events,
        held,
        unsigned,
        refusal: allowances.refusal,
        submissions,
    })
}
