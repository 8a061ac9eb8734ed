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
mod signers;

use batches::chunks;
pub use options::{CrashPoint, PushOptions};
pub use signers::{Signers, current_signing_key};

use crate::{
    chain::{BlockRef, Chain, ChainError, ChainResult},
    error::{Exit, Failure, Result},
    outbox::{self, Entry, Outcome, State},
    output::Ui,
};
use sqlx::SqlitePool;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};
use ves_primitives::{
    StoreId, SubmittedEvent, TenantId,
    sequencer::{Admission, SequencerLimits},
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

    /// The failure to exit with: what stopped the push, else rejected events.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        match self.count(State::Rejected) {
            0 => None,
            n => Some(
                Failure::new(
                    Exit::Rejected,
                    "events_rejected",
                    format!("{n} of {} events were rejected", self.events.len()),
                )
                .hint("the reasons are in the report and in `stateset-sync history`"),
            ),
        }
    }
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
        last_finalized: 0,
        last_progress: Instant::now(),
        resend_after: RESEND_AFTER,
    };
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    let mut after = 0;
    let mut stopped = None;
    loop {
        let due = outbox::open_entries(pool, after, WINDOW).await?;
        let Some(last) = due.last() else {
            break;
        };
        after = last.local_seq;
        let due = options.select(due);
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
    let submissions = push.submissions;
    let events = outbox::by_local_seq(pool, &seen).await?;
    Ok(PushReport {
        events,
        submissions,
        stopped,
    })
}

impl<C: Chain> Push<'_, C> {
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
        let mut again = Vec::new();
        for chunk in chunks(&carried, &self.limits, self.options.batch_size) {
            self.judge(chunk, finalized).await?;
        }
        for entry in carried {
            if outbox::state_of(self.pool, entry.local_seq).await? == Some(State::Finalized) {
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
                None => again.push(entry),
            }
        }
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
                Admission::Rejected(reason) => {
                    outcomes.push((
                        entry.local_seq,
                        Outcome::Rejected {
                            reason: reason.to_string(),
                        },
                    ));
                }
            }
        }
        outbox::record(self.pool, &outcomes).await?;
        Ok(batch)
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
        let reason = match verdicts.get(refused) {
            Some(Admission::Rejected(reason)) => reason.to_string(),
            _ => match error {
                ChainError::PoolRefused(code) => ves_primitives::sequencer::pool_code_name(*code)
                    .map_or_else(|| format!("pool code {code}"), str::to_owned),
                other => other.to_string(),
            },
        };
        let mut rest = batch;
        let entry = rest.remove(refused);
        // It may have been on its way before: nobody waits for it any more.
        self.in_flight.remove(&entry.local_seq);
        outbox::record(
            self.pool,
            &[(entry.local_seq, Outcome::Rejected { reason })],
        )
        .await?;
        Ok(rest)
    }

    /// Waits until every event that was handed over is settled.
    async fn settle(&mut self) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.wait_for_news().await?;
        }
        Ok(())
    }

    /// Waits one poll, then asks what became of the events on their way.
    async fn wait_for_news(&mut self) -> Result<()> {
        self.options.reach(CrashPoint::BeforeFinality)?;
        if Instant::now() >= self.deadline {
            return Err(ChainError::Timeout(format!(
                "{} event(s) are submitted but not final after {} s",
                self.in_flight.len(),
                self.options.timeout.as_secs()
            ))
            .into());
        }
        tokio::time::sleep(POLL).await;
        let finalized = self.chain.finalized().await?;
        if finalized.number != self.last_finalized {
            self.last_finalized = finalized.number;
            // An event cannot be in a block that is not younger than its submission.
            let entries: Vec<Entry> = self
                .in_flight
                .values()
                .filter(|entry| entry.submitted_block.is_none_or(|b| b < finalized.number))
                .cloned()
                .collect();
            for chunk in chunks(&entries, &self.limits, self.options.batch_size) {
                self.judge(chunk, finalized).await?;
            }
        }
        self.look_for_blocks().await?;
        let in_flight = &self.in_flight;
        self.batches_in_flight.retain(|ids| {
            ids.iter()
                .any(|id| in_flight.get(id).is_some_and(|e| e.state != State::InBlock))
        });
        if self.last_progress.elapsed() > self.resend_after {
            self.resend_after = RESEND_AFTER;
            self.last_progress = Instant::now();
            self.resend().await?;
        }
        self.report_progress();
        Ok(())
    }

    /// Settles each event by the state of a final block: sequenced there, or rejected on the way.
    async fn judge(&mut self, entries: &[Entry], finalized: BlockRef) -> Result<()> {
        let events: Vec<SubmittedEvent> = entries.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, finalized).await?;
        let mut outcomes = Vec::new();
        for (entry, verdict) in entries.iter().zip(verdicts) {
            if let Some(outcome) = self.outcome(entry, verdict, finalized).await? {
                outcomes.push((entry.local_seq, outcome));
            }
        }
        outbox::record(self.pool, &outcomes).await?;
        if !outcomes.is_empty() {
            // The time limit is for silence, not for long queues.
            self.last_progress = Instant::now();
            self.deadline = self.last_progress + self.options.timeout;
        }
        for (local_seq, _) in outcomes {
            self.in_flight.remove(&local_seq);
        }
        Ok(())
    }

    async fn outcome(
        &self,
        entry: &Entry,
        verdict: Admission,
        finalized: BlockRef,
    ) -> ChainResult<Option<Outcome>> {
        let envelope = &entry.event.envelope;
        if let Admission::AlreadySequenced { sequence } = verdict {
            let status = self
                .chain
                .event_status(envelope.stream_id(), envelope.event_id, finalized)
                .await?;
            let block_number = status.map_or(finalized.number, |status| status.block_number);
            return Ok(Some(Outcome::Finalized {
                block_number,
                sequence,
            }));
        }
        let Some(submitted) = entry
            .submitted_block
            .filter(|block| *block < finalized.number)
        else {
            return Ok(None);
        };
        if let Admission::Rejected(
            reason @ ves_primitives::sequencer::Rejection::DuplicateEventId,
        ) = verdict
        {
            return Ok(Some(Outcome::Rejected {
                reason: reason.to_string(),
            }));
        }
        let (tenant, store) = (envelope.tenant_id, envelope.store_id);
        let rejection = self
            .rejection_since(tenant, store, entry, submitted)
            .await?;
        Ok(rejection.map(|reason| Outcome::Rejected { reason }))
    }

    /// A rejection recorded in a final block after the event was handed over.
    async fn rejection_since(
        &self,
        tenant: TenantId,
        store: StoreId,
        entry: &Entry,
        submitted: u32,
    ) -> ChainResult<Option<String>> {
        let records = self
            .chain
            .rejections(tenant, store, entry.event_id())
            .await?;
        Ok(records
            .into_iter()
            .rfind(|record| record.block_number > submitted)
            .map(|record| record.reason))
    }

    /// Notes which events are in a block by now, for the order of later ones and for `status`.
    async fn look_for_blocks(&mut self) -> Result<()> {
        let waiting: Vec<Entry> = self
            .in_flight
            .values()
            .filter(|entry| entry.state == State::Submitted)
            .cloned()
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let best = self.chain.best().await?;
        let mut outcomes = Vec::new();
        for entry in waiting {
            let envelope = &entry.event.envelope;
            let status = self
                .chain
                .event_status(envelope.stream_id(), envelope.event_id, best)
                .await?;
            // Submissions are taken in order: what is not there yet, later ones are not either.
            let Some(status) = status else { break };
            let (block_number, sequence) = (status.block_number, status.sequence);
            outcomes.push((
                entry.local_seq,
                Outcome::InBlock {
                    block_number,
                    sequence,
                },
            ));
        }
        outbox::record(self.pool, &outcomes).await?;
        for (local_seq, _) in outcomes {
            if let Some(entry) = self.in_flight.get_mut(&local_seq) {
                entry.state = State::InBlock;
            }
        }
        Ok(())
    }

    /// Hands over again what no block holds although blocks went by: the pool may have dropped it.
    async fn resend(&mut self) -> Result<()> {
        let lost: Vec<Entry> = self
            .in_flight
            .values()
            .filter(|entry| entry.state == State::Submitted)
            .cloned()
            .collect();
        let batches: Vec<Vec<Entry>> = chunks(&lost, &self.limits, self.options.batch_size)
            .map(<[Entry]>::to_vec)
            .collect();
        for batch in batches {
            self.send(batch).await?;
        }
        Ok(())
    }

    fn report_progress(&self) {
        let in_block = self
            .in_flight
            .values()
            .filter(|e| e.state == State::InBlock)
            .count();
        self.ui.progress(&format!(
            "{} on their way, {in_block} of them in a block",
            self.in_flight.len()
        ));
    }
}

#[cfg(test)]
mod tests;
