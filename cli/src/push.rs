// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Push: from the outbox to finality, with one outcome for each event.
//!
//! Every step commits before the next begins, and every step may be repeated: signing is
//! deterministic, a submitted event is looked up on chain before it is handed over again, and the
//! chain answers an exact replay without sequencing it twice. So a kill at any point loses nothing
//! and doubles nothing; the next push resumes.

mod batches;
mod options;
mod preview;
mod settling;
mod signers;

use batches::chunks;
pub use options::{CrashPoint, PushOptions};
pub use preview::{Preview, preview};
pub use signers::{Signers, current_signing_key};

use crate::{
    chain::{Chain, ChainError},
    conflicts,
    error::{Exit, Failure, Result},
    inbox::Stream,
    outbox::{self, Entry, Outcome, State},
    output::Ui,
};
use sqlx::SqlitePool;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    time::{Duration, Instant},
};
use ves_primitives::{
    StreamId, SubmittedEvent,
    sequencer::{Admission, Rejection, SequencerLimits},
};

/// Submissions that may wait for a block at the same time.
const MAX_IN_FLIGHT: usize = 16;
/// Events judged, signed and sent before the next are read.
const WINDOW: i64 = 4096;
/// How often the node is asked for news while waiting.
const POLL: Duration = Duration::from_millis(200);
/// Time without progress after which what no block holds is handed over again: the pool may have
/// dropped it.
const RESEND_AFTER: Duration = Duration::from_secs(60);
/// The same when the pool did not take it: an earlier submission with some of the same events may
/// wait there, or the pool is full.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a push did.
#[derive(Clone, Debug, Default)]
pub struct PushReport {
    /// Events looked at, with their state after the push.
    pub events: Vec<Entry>,
    /// Events left alone because their entity has moved on.
    pub held: Vec<Entry>,
    /// Submissions handed to the node.
    pub submissions: u32,
    /// Why the push stopped before every event was settled.
    pub stopped: Option<Failure>,
}

impl PushReport {
    /// Events in this state after the push.
    pub fn count(&self, state: State) -> usize {
        self.events
            .iter()
            .filter(|entry| entry.state == state)
            .count()
    }

    /// The failure to exit with: what stopped the push, else rejected events, else those that wait for a
    /// decision, else those that wait for a quota.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        let all = self.events.len();
        let rejected = self.count(State::Rejected);
        if rejected > 0 {
            let message = format!("{rejected} of {all} events were rejected");
            return Some(
                Failure::new(Exit::Rejected, "events_rejected", message)
                    .hint("the reasons are in the report and in `stateset-sync history`"),
            );
        }
        if !self.held.is_empty() {
            let message = format!("{} event(s) wait for a decision", self.held.len());
            return Some(
                Failure::new(Exit::Conflicts, "unresolved_conflicts", message)
                    .hint("see `stateset-sync conflicts`, then `resolve` or `rebase`"),
            );
        }
        let deferred = self
            .events
            .iter()
            .filter(|entry| entry.is_deferred())
            .count();
        (deferred > 0).then(|| {
            let message = format!("{deferred} of {all} events wait for a quota");
            Failure::new(Exit::Rejected, "quota_exhausted", message)
                .hint("push again later; the events are kept")
        })
    }
}

/// An entity of a stream.
type EntityKey = (StreamId, Vec<u8>, Vec<u8>);

fn entity_key(entry: &Entry) -> EntityKey {
    let envelope = &entry.event.envelope;
    (
        envelope.stream_id(),
        envelope.entity_type.to_vec(),
        envelope.entity_id.to_vec(),
    )
}

/// What passes by itself: the same event may be sequenced later.
const fn passes(reason: &Rejection) -> bool {
    matches!(
        reason,
        Rejection::TenantQuotaExhausted | Rejection::AgentQuotaExhausted
    )
}

struct Push<'a, C> {
    pool: &'a SqlitePool,
    chain: &'a C,
    options: &'a PushOptions,
    ui: &'a Ui,
    limits: SequencerLimits,
    deadline: Instant,
    submissions: u32,
    /// Events handed over and not settled yet, by outbox position.
    in_flight: BTreeMap<i64, Entry>,
    batches_in_flight: VecDeque<Vec<i64>>,
    /// Entities of which an event was found too old: later ones were made without that news.
    conflicted: HashSet<EntityKey>,
    held: Vec<Entry>,
    last_finalized: u32,
    last_progress: Instant,
    resend_after: Duration,
}

/// Pushes what is due.
///
/// # Errors
/// What prevents the push from starting: no connection, no key, no database. What happens later is
/// in the report.
pub async fn push<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    signers: &mut Signers<'_>,
    options: &PushOptions,
    ui: &Ui,
) -> Result<PushReport> {
    let best = chain.best().await?;
    let mut push = Push {
        pool,
        chain,
        options,
        ui,
        limits: chain.limits(best).await?,
        deadline: Instant::now() + options.timeout,
        submissions: 0,
        in_flight: BTreeMap::new(),
        batches_in_flight: VecDeque::new(),
        conflicted: HashSet::new(),
        held: Vec::new(),
        last_finalized: 0,
        last_progress: Instant::now(),
        resend_after: RESEND_AFTER,
    };
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let waiting = match options.patient {
        true => outbox::waiting(pool).await?,
        false => BTreeSet::new(),
    };
    let (mut after, mut stopped) = (0, None);
    loop {
        let mut due = outbox::open_entries(pool, after, WINDOW).await?;
        let Some(last) = due.last() else { break };
        after = last.local_seq;
        due.retain(|entry| !waiting.contains(&entry.local_seq));
        let due = push.hold(options.select(due)).await?;
        seen.extend(due.iter().map(|entry| entry.local_seq));
        if let Err(failure) = push.window(due, signers).await {
            stopped = Some(failure);
            break;
        }
    }
    if stopped.is_none() && options.wait {
        stopped = push.settle().await.err();
    }
    ui.progress_done();
    let (submissions, held) = (push.submissions, push.held);
    for entry in &held {
        seen.remove(&entry.local_seq);
    }
    let events = outbox::by_local_seq(pool, &seen).await?;
    Ok(PushReport {
        events,
        held,
        submissions,
        stopped,
    })
}

impl<C: Chain> Push<'_, C> {
    /// Sets aside what waits for a decision about a conflict.
    async fn hold(&mut self, due: Vec<Entry>) -> Result<Vec<Entry>> {
        let streams: BTreeSet<Stream> = due
            .iter()
            .filter(|entry| entry.event.envelope.base_version.is_some())
            .map(|entry| Stream {
                tenant: entry.event.envelope.tenant_id,
                store: entry.event.envelope.store_id,
            })
            .collect();
        let held = conflicts::held(self.pool, &streams).await?;
        let (held, free): (Vec<Entry>, Vec<Entry>) = due
            .into_iter()
            .partition(|entry| held.contains(&entry.local_seq));
        self.held.extend(held);
        Ok(free)
    }

    /// Signs, judges and sends one window of due events.
    async fn window(&mut self, due: Vec<Entry>, signers: &mut Signers<'_>) -> Result<()> {
        let signed = self.sign(due, signers).await?;
        self.options.reach(CrashPoint::AfterSign)?;
        let pending = self.recover(signed).await?;
        let mut queue = VecDeque::from(pending);
        while !queue.is_empty() {
            let batch = self.next_batch(&mut queue).await?;
            if !batch.is_empty() {
                self.send(batch).await?;
            }
        }
        Ok(())
    }

    async fn sign(&self, due: Vec<Entry>, signers: &mut Signers<'_>) -> Result<Vec<Entry>> {
        let mut entries = due;
        let mut fresh = Vec::new();
        for (index, entry) in entries.iter_mut().enumerate() {
            if entry.signed {
                continue;
            }
            let (tenant, agent) = (
                entry.event.envelope.tenant_id,
                entry.event.envelope.source_agent_id,
            );
            let key = match entry.key_id {
                Some(key) => key,
                None => signers.current(self.chain, tenant, agent).await?,
            };
            entry.sign(signers.open(agent, key)?)?;
            entry.state = State::Signed;
            fresh.push(index);
        }
        self.options.check(&entries)?;
        let fresh: Vec<&Entry> = fresh.iter().filter_map(|i| entries.get(*i)).collect();
        outbox::store_signatures(self.pool, &fresh).await?;
        Ok(entries)
    }

    /// Settles what an earlier push left behind; returns what still has to be sent.
    async fn recover(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>> {
        let (carried, fresh): (Vec<Entry>, Vec<Entry>) = entries
            .into_iter()
            .partition(|entry| matches!(entry.state, State::Submitted | State::InBlock));
        if carried.is_empty() {
            return Ok(fresh);
        }
        let finalized = self.chain.finalized().await?;
        let best = self.chain.best().await?;
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for chunk in chunks(&carried, &self.limits, self.options.batch_size) {
            self.judge(chunk, finalized).await?;
        }
        for entry in carried {
            let settled = !matches!(
                outbox::state_of(self.pool, entry.local_seq).await?,
                Some(State::Submitted | State::InBlock)
            );
            if settled {
                continue;
            }
            let envelope = &entry.event.envelope;
            let known = self
                .chain
                .event_status(envelope.stream_id(), envelope.event_id, best)
                .await?;
            match known {
                // In a block already: wait for it, do not send again.
                Some(_) => {
                    self.batches_in_flight.push_back(vec![entry.local_seq]);
                    self.in_flight.insert(entry.local_seq, entry);
                }
                None if entry.attempts >= outbox::MAX_HANDOVERS => {
                    let error = format!("handed over {} times, in no block", entry.attempts);
                    given_up.push((entry.local_seq, Outcome::GivenUp { error }));
                }
                None => again.push(entry),
            }
        }
        outbox::record(self.pool, &given_up).await?;
        again.extend(fresh);
        again.sort_unstable_by_key(|entry| entry.local_seq);
        Ok(again)
    }

    /// Takes the next submission off the queue: within the limits, of one stream, judged acceptable
    /// by the node's newest state. Events the chain would reject are settled here.
    async fn next_batch(&mut self, queue: &mut VecDeque<Entry>) -> Result<Vec<Entry>> {
        let head = VecDeque::make_contiguous(queue);
        let size = chunks(head, &self.limits, self.options.batch_size)
            .next()
            .map_or(head.len(), <[Entry]>::len);
        let waits = |entry: &Entry| self.builds_on_in_flight(entry);
        // An event that builds on one still on its way is judged after that one is in a block.
        let size = head.iter().take(size).position(waits).unwrap_or(size);
        if size == 0 || self.batches_in_flight.len() >= MAX_IN_FLIGHT {
            self.wait_for_news().await?;
            return Ok(Vec::new());
        }
        let candidates: Vec<Entry> = queue.drain(..size).collect();
        let best = self.chain.best().await?;
        let events: Vec<SubmittedEvent> =
            candidates.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, best).await?;
        if verdicts.len() != candidates.len() {
            return Err(ChainError::Node("a pre-flight answer of another length".into()).into());
        }
        let mut batch = Vec::new();
        let mut outcomes = Vec::new();
        for (entry, verdict) in candidates.into_iter().zip(verdicts) {
            match verdict {
                Admission::Acceptable if self.is_built_on_sand(&entry) => self.held.push(entry),
                Admission::Acceptable => batch.push(entry),
                Admission::AlreadySequenced { .. } => {
                    // Sequenced by somebody who carried it: wait for finality like our own.
                    outcomes.push((
                        entry.local_seq,
                        Outcome::Submitted {
                            best_block: best.number,
                        },
                    ));
                    self.batches_in_flight.push_back(vec![entry.local_seq]);
                    self.in_flight.insert(entry.local_seq, entry);
                }
                Admission::Rejected(_) if self.is_built_on_sand(&entry) => self.held.push(entry),
                Admission::Rejected(reason) => {
                    outcomes.push((entry.local_seq, self.refused(&entry, &reason)));
                }
            }
        }
        outbox::record(self.pool, &outcomes).await?;
        Ok(batch)
    }

    /// What becomes of an event that the chain does not take.
    fn refused(&mut self, entry: &Entry, reason: &Rejection) -> Outcome {
        if matches!(reason, Rejection::VersionConflict { .. }) {
            self.conflicted.insert(entity_key(entry));
        }
        match passes(reason) {
            true => Outcome::Deferred {
                error: reason.to_string(),
            },
            false => Outcome::Rejected {
                reason: reason.to_string(),
            },
        }
    }

    /// An earlier event of the entity turned out too old, so this one was made without the news too.
    fn is_built_on_sand(&self, entry: &Entry) -> bool {
        entry.event.envelope.base_version.is_some() && self.conflicted.contains(&entity_key(entry))
    }

    fn builds_on_in_flight(&self, entry: &Entry) -> bool {
        let envelope = &entry.event.envelope;
        envelope.base_version.is_some()
            && self.in_flight.values().any(|other| {
                let other_envelope = &other.event.envelope;
                other.state != State::InBlock
                    && other_envelope.stream_id() == envelope.stream_id()
                    && other_envelope.entity_type == envelope.entity_type
                    && other_envelope.entity_id == envelope.entity_id
            })
    }

    async fn send(&mut self, batch: Vec<Entry>) -> Result<()> {
        let best = self.chain.best().await?;
        let mark: Vec<_> = batch
            .iter()
            .map(|entry| {
                (
                    entry.local_seq,
                    Outcome::Submitted {
                        best_block: best.number,
                    },
                )
            })
            .collect();
        // Committed before the node is called: after a crash the event is looked up first.
        outbox::record(self.pool, &mark).await?;
        self.options.reach(CrashPoint::BeforeSubmit)?;

        let mut batch = batch;
        while !batch.is_empty() {
            let events: Vec<SubmittedEvent> =
                batch.iter().map(|entry| entry.event.clone()).collect();
            let answer = self.chain.submit(&events).await;
            self.options.reach(CrashPoint::AfterSubmit)?;
            match answer {
                Ok(extrinsic_hash) => {
                    self.submissions = self.submissions.saturating_add(1);
                    let carried: Vec<_> = batch
                        .iter()
                        .map(|entry| (entry.local_seq, Outcome::Carried { extrinsic_hash }))
                        .collect();
                    outbox::record(self.pool, &carried).await?;
                    break;
                }
                Err(ChainError::AllSequenced | ChainError::AlreadyInPool) => break,
                Err(error @ ChainError::PoolBusy(_)) => {
                    self.note_trouble(&batch, &error).await?;
                    self.resend_after = RETRY_AFTER;
                    break;
                }
                Err(error @ ChainError::PoolRefused(_)) => {
                    // The pool judges by the first event that is no replay.
                    batch = self.drop_refused(batch, &error).await?;
                }
                Err(error) => {
                    self.note_trouble(&batch, &error).await?;
                    return Err(error.into());
                }
            }
        }
        let ids: Vec<i64> = batch.iter().map(|entry| entry.local_seq).collect();
        for mut entry in batch {
            entry.state = State::Submitted;
            entry.submitted_block = Some(best.number);
            self.in_flight.insert(entry.local_seq, entry);
        }
        if !ids.is_empty() {
            self.batches_in_flight.push_back(ids);
        }
        self.report_progress();
        Ok(())
    }

    async fn note_trouble(&self, batch: &[Entry], error: &ChainError) -> Result<()> {
        let trouble = |entry: &Entry| {
            (
                entry.local_seq,
                Outcome::Trouble {
                    error: error.to_string(),
                },
            )
        };
        outbox::record(self.pool, &batch.iter().map(trouble).collect::<Vec<_>>()).await
    }

    /// Finds the event that the pool refused, settles it, and returns the others.
    async fn drop_refused(&mut self, batch: Vec<Entry>, error: &ChainError) -> Result<Vec<Entry>> {
        let best = self.chain.best().await?;
        let events: Vec<SubmittedEvent> = batch.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, best).await?;
        let refused = verdicts
            .iter()
            .position(|verdict| matches!(verdict, Admission::Rejected(_)))
            .or_else(|| {
                verdicts
                    .iter()
                    .position(|v| matches!(v, Admission::Acceptable))
            })
            .unwrap_or(0);
        let mut rest = batch;
        let entry = rest.remove(refused);
        let outcome = match (verdicts.get(refused), error) {
            (Some(Admission::Rejected(reason)), _) => self.refused(&entry, reason),
            (_, ChainError::PoolRefused(code)) => Outcome::Rejected {
                reason: ves_primitives::sequencer::pool_code_name(*code)
                    .map_or_else(|| format!("pool code {code}"), str::to_owned),
            },
            (_, other) => Outcome::Rejected {
                reason: other.to_string(),
            },
        };
        // It may have been on its way before: nobody waits for it any more.
        self.in_flight.remove(&entry.local_seq);
        outbox::record(self.pool, &[(entry.local_seq, outcome)]).await?;
        // Those that build on it were marked as handed over with it, and were not.
        let (held, rest): (Vec<Entry>, Vec<Entry>) = rest
            .into_iter()
            .partition(|entry| self.is_built_on_sand(entry));
        let back: Vec<_> = held
            .iter()
            .map(|entry| (entry.local_seq, Outcome::NotSent))
            .collect();
        outbox::record(self.pool, &back).await?;
        self.held.extend(held);
        Ok(rest)
    }
}

#[cfg(test)]
mod tests;
