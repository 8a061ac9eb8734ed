// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From handed over to settled: blocks, finality, rejections, and what the pool lost.

use super::{POLL, Push, RESEND_AFTER, batches::chunks, options::CrashPoint};
use crate::{
    chain::{BlockRef, Chain, ChainError, ChainResult},
    error::Result,
    inbox::{self, OwnBatch, Stream},
    outbox::{self, Entry, Outcome, State},
    pull::Placed,
};
use std::{
    collections::{BTreeMap, HashSet},
    time::Instant,
};
use ves_primitives::{
    SubmittedEvent,
    sequencer::{Admission, Rejection},
};

/// Block and sequence.
type Place = (u32, u64);
/// An event and what a node says became of it.
type Found = (Entry, Outcome);

impl<C: Chain> Push<'_, C> {
    /// Waits until every event that was handed over is settled.
    pub(super) async fn settle(&mut self) -> Result<()> {
        while !self.in_flight.is_empty() {
            self.wait_for_news().await?;
        }
        Ok(())
    }

    /// Waits one poll, then asks what became of the events on their way.
    pub(super) async fn wait_for_news(&mut self) -> Result<()> {
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
            self.judge_units(finalized).await?;
        }
        self.look_for_blocks().await?;
        if self.last_progress.elapsed() > self.resend_after {
            self.resend_after = RESEND_AFTER;
            self.last_progress = Instant::now();
            self.resend().await?;
        }
        self.report_progress();
        Ok(())
    }

    /// Judges the submissions that a final block may have settled, all of them before any is settled:
    /// one batch may hold several, and is proven once.
    async fn judge_units(&mut self, finalized: BlockRef) -> Result<()> {
        let mut found = Vec::new();
        for unit in self.units.clone() {
            let entries: Vec<Entry> = unit
                .iter()
                .filter_map(|id| self.in_flight.get(id))
                // An event cannot be in a block that is not younger than its submission.
                .filter(|entry| entry.submitted_block.is_none_or(|b| b < finalized.number))
                .cloned()
                .collect();
            if let Some(first) = entries.first()
                && self.was_executed(first, finalized).await?
            {
                found.extend(self.judge(&entries, finalized).await?);
            }
        }
        self.conclude(found, finalized).await?;
        let in_flight = &self.in_flight;
        self.units
            .retain(|unit| unit.iter().any(|id| in_flight.contains_key(id)));
        Ok(())
    }

    /// Whether a final block holds the submission: one that was executed leaves a trace of its first
    /// event, whatever became of it. Spares asking about each event of those that still wait.
    async fn was_executed(&self, first: &Entry, finalized: BlockRef) -> Result<bool> {
        let envelope = &first.event.envelope;
        let (stream, event) = (envelope.stream_id(), envelope.event_id);
        if self
            .chain
            .event_status(stream, event, finalized)
            .await?
            .is_some()
        {
            return Ok(true);
        }
        let Some(submitted) = first.submitted_block else {
            return Ok(true);
        };
        let rejection = self.rejection_since(first, submitted).await?;
        Ok(rejection.is_some())
    }

    /// What the state of a final block says of each event: sequenced there, or rejected on the way.
    pub(super) async fn judge(
        &mut self,
        entries: &[Entry],
        finalized: BlockRef,
    ) -> Result<Vec<Found>> {
        let events: Vec<SubmittedEvent> = entries.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, finalized).await?;
        let placed = self.places(entries, &verdicts, finalized).await?;
        let mut found = Vec::new();
        for ((entry, verdict), place) in entries.iter().zip(verdicts).zip(placed) {
            let outcome = match place {
                Some((block_number, sequence)) => Some(Outcome::Finalized {
                    block_number,
                    sequence,
                }),
                None => self.refusal(entry, verdict, finalized).await?,
            };
            found.extend(outcome.map(|outcome| (entry.clone(), outcome)));
        }
        Ok(found)
    }

    /// Settles events by what a node says of them; that they are final it has to prove. Evidence and
    /// verdict are one transaction, so that nothing is called final without the evidence.
    pub(super) async fn conclude(&mut self, found: Vec<Found>, finalized: BlockRef) -> Result<()> {
        if found.is_empty() {
            return Ok(());
        }
        let (outcomes, batches) = self.prove(found, finalized).await?;
        self.options.reach(CrashPoint::BeforeSettle)?;
        let genesis = self.chain.genesis_hash();
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for batch in &batches {
            inbox::keep_receipts(&mut tx, genesis, batch).await?;
        }
        outbox::record_in(&mut tx, &outcomes).await?;
        tx.commit().await?;
        self.options.reach(CrashPoint::AfterSettle)?;
        // The time limit is for silence, not for long queues.
        self.last_progress = Instant::now();
        self.deadline = self.last_progress + self.options.timeout;
        for (local_seq, outcome) in outcomes {
            self.in_flight.remove(&local_seq);
            if matches!(outcome, Outcome::Unproven { .. }) {
                self.unproven.insert(local_seq);
            }
        }
        Ok(())
    }

    /// Has the node prove what it calls final, stream by stream. What it cannot prove becomes a note.
    async fn prove(
        &mut self,
        found: Vec<Found>,
        finalized: BlockRef,
    ) -> Result<(Vec<(i64, Outcome)>, Vec<OwnBatch>)> {
        let mut claimed: BTreeMap<Stream, Vec<(&Entry, u32, u64)>> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(found.len());
        for (entry, outcome) in &found {
            match outcome {
                Outcome::Finalized {
                    block_number,
                    sequence,
                } => {
                    let envelope = &entry.event.envelope;
                    let stream = Stream {
                        tenant: envelope.tenant_id,
                        store: envelope.store_id,
                    };
                    let place = (entry, *block_number, *sequence);
                    claimed.entry(stream).or_default().push(place);
                }
                other => outcomes.push((entry.local_seq, other.clone())),
            }
        }
        let mut batches = Vec::new();
        for (stream, places) in claimed {
            let asked: Vec<Placed<'_>> = places
                .iter()
                .map(|(entry, block_number, sequence)| Placed {
                    event: &entry.event,
                    sequence: *sequence,
                    block_number: *block_number,
                })
                .collect();
            let proven = self.proofs.prove(stream, finalized, &asked).await?;
            batches.extend(proven.batches);
            for ((entry, block_number, sequence), ruling) in places.into_iter().zip(proven.verdicts)
            {
                let outcome = match ruling {
                    Ok(block_number) => Outcome::Finalized {
                        block_number,
                        sequence,
                    },
                    Err(problem) => Outcome::Unproven {
                        block_number,
                        sequence,
                        error: format!("not proven final: {problem}"),
                    },
                };
                outcomes.push((entry.local_seq, outcome));
            }
        }
        Ok((outcomes, batches))
    }

    /// Block and sequence of each event of one stream that a state knows.
    pub(super) async fn placed(
        &self,
        entries: &[Entry],
        at: BlockRef,
    ) -> Result<Vec<Option<Place>>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let events: Vec<SubmittedEvent> = entries.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, at).await?;
        Ok(self.places(entries, &verdicts, at).await?)
    }

    /// The same by verdicts of that state. Blocks do not fall while the sequences of a stream rise, so
    /// where two events stand in one block, all between them do, and nobody asks about these.
    async fn places(
        &self,
        entries: &[Entry],
        verdicts: &[Admission],
        at: BlockRef,
    ) -> ChainResult<Vec<Option<Place>>> {
        let mut known: Vec<(u64, usize)> = verdicts
            .iter()
            .enumerate()
            .filter_map(|(index, verdict)| match verdict {
                Admission::AlreadySequenced { sequence } => Some((*sequence, index)),
                _ => None,
            })
            .collect();
        known.sort_unstable();
        let mut places: Vec<Option<Place>> = vec![None; entries.len()];
        let mut set = |index: usize, block: u32, sequence: u64| {
            if let Some(place) = places.get_mut(index) {
                *place = Some((block, sequence));
            }
        };
        // Parts of the row whose ends are still to be asked about.
        let mut parts: Vec<&[(u64, usize)]> = vec![known.as_slice()];
        while let Some(part) = parts.pop() {
            let (Some((_, first)), Some((_, last))) = (part.first(), part.last()) else {
                continue;
            };
            let low = self.block_of(entries.get(*first), at).await?;
            let high = match part.len() {
                1 => low,
                _ => self.block_of(entries.get(*last), at).await?,
            };
            if low == high || part.len() <= 2 {
                for (place, (sequence, index)) in part.iter().enumerate() {
                    set(*index, if place == 0 { low } else { high }, *sequence);
                }
            } else {
                let (front, back) = part.split_at(part.len() / 2);
                parts.extend([front, back]);
            }
        }
        Ok(places)
    }

    async fn block_of(&self, entry: Option<&Entry>, at: BlockRef) -> ChainResult<u32> {
        let Some(entry) = entry else {
            return Ok(at.number);
        };
        let envelope = &entry.event.envelope;
        let status = self
            .chain
            .event_status(envelope.stream_id(), envelope.event_id, at)
            .await?;
        Ok(status.map_or(at.number, |status| status.block_number))
    }

    /// What became of an event that a final state does not know: refused there, or still waiting.
    async fn refusal(
        &mut self,
        entry: &Entry,
        verdict: Admission,
        finalized: BlockRef,
    ) -> ChainResult<Option<Outcome>> {
        let Some(submitted) = entry
            .submitted_block
            .filter(|block| *block < finalized.number)
        else {
            return Ok(None);
        };
        if let Admission::Rejected(reason @ Rejection::DuplicateEventId) = verdict {
            return Ok(Some(self.refused(entry, reason.to_string(), false)));
        }
        let Some(reason) = self.rejection_since(entry, submitted).await? else {
            return Ok(None);
        };
        let quotas = [
            Rejection::TenantQuotaExhausted,
            Rejection::AgentQuotaExhausted,
        ];
        let passes = quotas.iter().any(|quota| quota.to_string() == reason);
        Ok(Some(self.refused(entry, reason, passes)))
    }

    /// A rejection recorded in a final block after the event was handed over.
    async fn rejection_since(&self, entry: &Entry, submitted: u32) -> ChainResult<Option<String>> {
        let envelope = &entry.event.envelope;
        let (tenant, store) = (envelope.tenant_id, envelope.store_id);
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
        let best = self.chain.best().await?;
        if self.last_best == Some(best.hash) {
            return Ok(());
        }
        let mut outcomes = Vec::new();
        for unit in &self.units {
            let waiting: Vec<Entry> = unit
                .iter()
                .filter_map(|id| self.in_flight.get(id))
                .filter(|entry| entry.state == State::Submitted)
                .cloned()
                .collect();
            let Some(first) = waiting.first() else {
                continue;
            };
            let envelope = &first.event.envelope;
            let status = self
                .chain
                .event_status(envelope.stream_id(), envelope.event_id, best)
                .await?;
            // What waits is asked about at its ends only, and not event by event.
            if status.is_none() && !self.has_last(&waiting, best).await? {
                continue;
            }
            let placed = self.placed(&waiting, best).await?;
            outcomes.extend(waiting.iter().zip(placed).filter_map(|(entry, place)| {
                let (block_number, sequence) = place?;
                let outcome = Outcome::InBlock {
                    block_number,
                    sequence,
                };
                Some((entry.local_seq, outcome))
            }));
        }
        outbox::record(self.pool, &outcomes).await?;
        if !outcomes.is_empty() {
            self.options.reach(CrashPoint::AfterInBlock)?;
        }
        self.last_best = Some(best.hash);
        for (local_seq, _) in outcomes {
            if let Some(entry) = self.in_flight.get_mut(&local_seq) {
                entry.state = State::InBlock;
            }
        }
        Ok(())
    }

    /// The first event of a submission may have been refused, and the last one taken.
    async fn has_last(&self, unit: &[Entry], best: BlockRef) -> ChainResult<bool> {
        let Some(last) = unit.last().filter(|_| unit.len() > 1) else {
            return Ok(false);
        };
        let envelope = &last.event.envelope;
        let status = self
            .chain
            .event_status(envelope.stream_id(), envelope.event_id, best)
            .await?;
        Ok(status.is_some())
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
        // They travel anew; the old submissions hold only what is in a block.
        let lost: HashSet<i64> = lost.iter().map(|entry| entry.local_seq).collect();
        for unit in &mut self.units {
            unit.retain(|id| !lost.contains(id));
        }
        self.units.retain(|unit| !unit.is_empty());
        for batch in batches {
            self.send(batch).await?;
        }
        Ok(())
    }

    pub(super) fn report_progress(&self) {
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
