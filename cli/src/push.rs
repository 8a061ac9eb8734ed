// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Push: from the outbox to finality, with one outcome for each event.
//!
//! A node's word that a block is final settles nothing: the push asks for the evidence, judges it as a
//! pull does, and commits it together with the verdict.
//!
//! Every step commits before the next begins, and every step may be repeated: signing is
//! deterministic, a submitted event is looked up on chain before it is handed over again, and the
//! chain answers an exact replay without sequencing it twice. So a kill at any point loses nothing
//! and doubles nothing; the next push resumes.

mod allowance;
mod batches;
mod options;
mod preview;
mod report;
mod settling;
mod signers;
mod signing;

use allowance::Allowances;
use batches::chunks;
pub use options::{CrashPoint, PushOptions};
pub use preview::{Preview, preview};
pub use report::PushReport;
pub use signers::{Signers, current_signing_key};
use signing::builds_on_one_of;

use crate::{
    chain::{Chain, ChainError},
    conflicts,
    error::{Failure, Result},
    inbox::Stream,
    outbox::{self, Entry, Outcome, State},
    output::Ui,
    pull::OwnEvents,
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

/// Submissions that may wait for a block at the same time: with full ones, more than a block takes.
const MAX_IN_FLIGHT: usize = 64;
/// Bytes of events that may wait for a block at the same time, so that one agent does not fill a pool.
const MAX_BYTES_IN_FLIGHT: usize = 8 * 1024 * 1024;
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

/// How long a node may take to have evidence of what it calls final.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(10);

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
    /// The same as they travel: each list is one submission.
    units: Vec<Vec<i64>>,
    /// Entities of which an event was refused for good: later ones were made on top of it.
    conflicted: HashSet<EntityKey>,
    /// Entities of which an event has to wait: later ones wait with it.
    deferred: HashSet<EntityKey>,
    held: Vec<Entry>,
    /// What the keys may still sign.
    allowances: Allowances,
    /// Entities of which an event may not be signed: later ones were made on top of it.
    unsigned: HashSet<EntityKey>,
    /// Judges what the node calls final.
    proofs: OwnEvents<'a, C>,
    /// Events of which the node has no evidence: left to the next push or pull.
    unproven: HashSet<i64>,
    last_finalized: u32,
    /// Best block when it was last looked for events in blocks.
    last_best: Option<[u8; 32]>,
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
    let mut push = Push::begin(pool, chain, options, ui).await?;
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let waiting = match options.patient {
        true => outbox::waiting(pool).await?,
        false => BTreeSet::new(),
    };
    let stopped = ui
        .unless_interrupted(push.run(&waiting, &mut seen, signers))
        .await
        .unwrap_or_else(|| Err(Failure::interrupted("interrupted")))
        .err();
    ui.progress_done();
    let (submissions, held) = (push.submissions, push.held);
    for entry in &held {
        seen.remove(&entry.local_seq);
    }
    let events = outbox::by_local_seq(pool, &seen).await?;
    let mut report = PushReport {
        events,
        held,
        submissions,
        stopped,
    };
    report.tell_of_interruption();
    Ok(report)
}

impl<'a, C: Chain> Push<'a, C> {
    async fn begin(
        pool: &'a SqlitePool,
        chain: &'a C,
        options: &'a PushOptions,
        ui: &'a Ui,
    ) -> Result<Self> {
        let best = chain.best().await?;
        Ok(Self {
            pool,
            chain,
            options,
            ui,
            limits: chain.limits(best).await?,
            deadline: Instant::now() + options.timeout,
            submissions: 0,
            in_flight: BTreeMap::new(),
            units: Vec::new(),
            conflicted: HashSet::new(),
            deferred: HashSet::new(),
            held: Vec::new(),
            allowances: Allowances::default(),
            unsigned: HashSet::new(),
            proofs: OwnEvents::new(
                pool,
                chain,
                options.authorities.as_ref(),
                ui,
                EVIDENCE_PATIENCE.min(options.timeout),
            ),
            unproven: HashSet::new(),
            last_finalized: 0,
            last_best: None,
            last_progress: Instant::now(),
            resend_after: RESEND_AFTER,
        })
    }
}

impl<C: Chain> Push<'_, C> {
    /// Sends what is due, window by window, and waits for it. May be dropped at any await: every step
    /// is committed before the next.
    async fn run(
        &mut self,
        waiting: &BTreeSet<i64>,
        seen: &mut BTreeSet<i64>,
        signers: &mut Signers<'_>,
    ) -> Result<()> {
        let mut after = 0;
        let mut left_out = HashSet::new();
        loop {
            let due = outbox::open_entries(self.pool, after, WINDOW).await?;
            let Some(last) = due.last() else { break };
            after = last.local_seq;
            let due = self.choose(due, waiting, &mut left_out);
            let due = self.hold(due).await?;
            seen.extend(due.iter().map(|entry| entry.local_seq));
            self.window(due, signers).await?;
        }
        if self.options.wait {
            self.settle().await?;
        }
        // Last, so that what was signed before the key's end is on its way all the same.
        self.allowances.refusal.take().map_or(Ok(()), Err)
    }

    /// Leaves out what is not due or not approved, and what was made on top of that.
    fn choose(
        &mut self,
        due: Vec<Entry>,
        waiting: &BTreeSet<i64>,
        left_out: &mut HashSet<EntityKey>,
    ) -> Vec<Entry> {
        let mut chosen = Vec::with_capacity(due.len());
        for entry in due {
            let approved = self.options.approves(&entry);
            if !approved || waiting.contains(&entry.local_seq) {
                if matches!(entry.state, State::Queued | State::Signed) {
                    left_out.insert(entity_key(&entry));
                }
            } else if entry.event.envelope.base_version.is_none()
                || !left_out.contains(&entity_key(&entry))
            {
                chosen.push(entry);
            } else if self.options.approved.is_some() {
                self.held.push(entry);
            }
        }
        chosen
    }

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
        let mut found = Vec::new();
        for chunk in chunks(&carried, &self.limits, self.options.batch_size) {
            found.extend(self.judge(chunk, finalized).await?);
        }
        self.conclude(found, finalized).await?;
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for chunk in chunks(&carried, &self.limits, self.options.batch_size) {
            let positions = chunk.iter().map(|entry| entry.local_seq).collect();
            let left = outbox::by_local_seq(self.pool, &positions).await?;
            let left: Vec<Entry> = left
                .into_iter()
                .filter(|entry| matches!(entry.state, State::Submitted | State::InBlock))
                .filter(|entry| !self.unproven.contains(&entry.local_seq))
                .collect();
            let placed = self.placed(&left, best).await?;
            let mut unit = Vec::new();
            for (entry, place) in left.into_iter().zip(placed) {
                match place {
                    // In a block already: wait for it, do not send again.
                    Some(_) => {
                        unit.push(entry.local_seq);
                        self.in_flight.insert(entry.local_seq, entry);
                    }
                    None if entry.attempts >= outbox::MAX_HANDOVERS => {
                        let error = format!("handed over {} times, in no block", entry.attempts);
                        given_up.push((entry.local_seq, Outcome::GivenUp { error }));
                    }
                    None => again.push(entry),
                }
            }
            if !unit.is_empty() {
                self.units.push(unit);
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
        // An event that builds on one still on its way is judged after that one is in a block.
        let size = self
            .free_of_in_flight(head.iter().take(size))
            .unwrap_or(size);
        if size == 0 || self.is_full() {
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
        let mut sequenced = Vec::new();
        for (entry, verdict) in candidates.into_iter().zip(verdicts) {
            match verdict {
                Admission::AlreadySequenced { .. } => {
                    // Sequenced by somebody who carried it: wait for finality like our own.
                    let best_block = best.number;
                    outcomes.push((entry.local_seq, Outcome::Submitted { best_block }));
                    sequenced.push(entry.local_seq);
                    self.in_flight.insert(entry.local_seq, entry);
                }
                _ if self.is_built_on_sand(&entry) => self.held.push(entry),
                // It would fit by its number, and not by what its author knew.
                Admission::Acceptable if self.waits_for_another(&entry) => {
                    let error = "an earlier event of the entity waits".to_owned();
                    outcomes.push((entry.local_seq, Outcome::Deferred { error }));
                }
                Admission::Acceptable => batch.push(entry),
                Admission::Rejected(reason) => {
                    let outcome = self.refused(&entry, reason.to_string(), passes(&reason));
                    outcomes.push((entry.local_seq, outcome));
                }
            }
        }
        if !sequenced.is_empty() {
            self.units.push(sequenced);
        }
        outbox::record(self.pool, &outcomes).await?;
        Ok(batch)
    }

    /// What becomes of an event that the chain does not take. One that has to wait makes those that
    /// build on it wait; one that is refused for good leaves them without what they build on.
    fn refused(&mut self, entry: &Entry, reason: String, passes: bool) -> Outcome {
        let waits = self.waits_for_another(entry) && reason.starts_with(conflicts::REASON);
        if passes || waits {
            self.deferred.insert(entity_key(entry));
            return Outcome::Deferred { error: reason };
        }
        if entry.event.envelope.base_version.is_some() {
            self.conflicted.insert(entity_key(entry));
        }
        Outcome::Rejected { reason }
    }

    /// An earlier event of the entity was refused, so what this one was made on top of is not there.
    fn is_built_on_sand(&self, entry: &Entry) -> bool {
        entry.event.envelope.base_version.is_some() && self.conflicted.contains(&entity_key(entry))
    }

    /// An earlier event of the entity has to wait, for instance for a quota.
    fn waits_for_another(&self, entry: &Entry) -> bool {
        entry.event.envelope.base_version.is_some() && self.deferred.contains(&entity_key(entry))
    }

    /// How many of these come before the first that builds on an event still on its way; none if all do.
    fn free_of_in_flight<'e>(&self, mut events: impl Iterator<Item = &'e Entry>) -> Option<usize> {
        let mut on_their_way: Option<HashSet<EntityKey>> = None;
        events.position(|entry| {
            entry.event.envelope.base_version.is_some()
                && on_their_way
                    .get_or_insert_with(|| {
                        self.in_flight
                            .values()
                            .filter(|other| other.state != State::InBlock)
                            .map(entity_key)
                            .collect()
                    })
                    .contains(&entity_key(entry))
        })
    }

    /// As much as may wait for a block at once does.
    fn is_full(&self) -> bool {
        let mut bytes = 0usize;
        let waiting = self.units.iter().filter(|unit| {
            let mut waits = false;
            for entry in unit.iter().filter_map(|id| self.in_flight.get(id)) {
                if entry.state != State::InBlock {
                    bytes = bytes.saturating_add(entry.event.payload.len());
                    waits = true;
                }
            }
            waits
        });
        let units = waiting.count();
        units >= MAX_IN_FLIGHT || bytes >= MAX_BYTES_IN_FLIGHT
    }

    async fn send(&mut self, batch: Vec<Entry>) -> Result<()> {
        let best = self.chain.best().await?;
        // Committed before the node is called: after a crash the event is looked up first.
        let positions: Vec<i64> = batch.iter().map(|entry| entry.local_seq).collect();
        let states = outbox::hand_over(self.pool, &positions, best.number).await?;
        let mut batch = self.leave_out(batch, &states).await?;
        self.options.reach(CrashPoint::BeforeSubmit)?;

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
                    self.options.reach(CrashPoint::AfterCarried)?;
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
            self.units.push(ids);
        }
        self.report_progress();
        Ok(())
    }

    /// The events of a submission without those that are not to be sent by now: somebody gave them up or
    /// replaced them, or they are settled. What was made on top of the former waits.
    async fn leave_out(
        &mut self,
        batch: Vec<Entry>,
        states: &BTreeMap<i64, State>,
    ) -> Result<Vec<Entry>> {
        let mut rest = Vec::with_capacity(batch.len());
        let mut back = Vec::new();
        let mut gone: HashSet<EntityKey> = HashSet::new();
        for entry in batch {
            match states.get(&entry.local_seq) {
                // What was on its way before goes on.
                Some(State::Submitted) if !builds_on_one_of(&entry, &gone) => rest.push(entry),
                Some(State::Submitted) => {
                    back.push((entry.local_seq, Outcome::NotSent));
                    self.held.push(entry);
                }
                Some(State::Finalized) => {
                    self.in_flight.remove(&entry.local_seq);
                }
                _ => {
                    self.in_flight.remove(&entry.local_seq);
                    gone.insert(entity_key(&entry));
                }
            }
        }
        outbox::record(self.pool, &back).await?;
        self.conflicted.extend(gone);
        Ok(rest)
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
            (Some(Admission::Rejected(reason)), _) => {
                self.refused(&entry, reason.to_string(), passes(reason))
            }
            (_, ChainError::PoolRefused(code)) => {
                let name = ves_primitives::sequencer::pool_code_name(*code)
                    .map_or_else(|| format!("pool code {code}"), str::to_owned);
                self.refused(&entry, name, false)
            }
            (_, other) => self.refused(&entry, other.to_string(), false),
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
