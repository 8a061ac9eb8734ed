// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From handed over to settled: blocks, finality, rejections, and what the pool lost.

use super::{POLL, Push, RESEND_AFTER, batches::chunks, entity_key, options::CrashPoint};
use crate::{
    chain::{BlockRef, Chain, ChainError, ChainResult},
    conflicts,
    error::Result,
    outbox::{self, Entry, Outcome, State},
};
use std::time::Instant;
use ves_primitives::{
    StoreId, SubmittedEvent, TenantId,
    sequencer::{Admission, Rejection},
};

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
    pub(super) async fn judge(&mut self, entries: &[Entry], finalized: BlockRef) -> Result<()> {
        let events: Vec<SubmittedEvent> = entries.iter().map(|entry| entry.event.clone()).collect();
        let verdicts = self.chain.can_submit(&events, finalized).await?;
        let mut outcomes = Vec::new();
        for (entry, verdict) in entries.iter().zip(verdicts) {
            if let Some(outcome) = self.outcome(entry, verdict, finalized).await? {
                outcomes.push((entry.local_seq, outcome));
            }
        }
        if !outcomes.is_empty() {
            self.options.reach(CrashPoint::BeforeSettle)?;
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
        &mut self,
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
        if let Admission::Rejected(reason @ Rejection::DuplicateEventId) = verdict {
            return Ok(Some(Outcome::Rejected {
                reason: reason.to_string(),
            }));
        }
        let (tenant, store) = (envelope.tenant_id, envelope.store_id);
        let rejection = self
            .rejection_since(tenant, store, entry, submitted)
            .await?;
        let Some(reason) = rejection else {
            return Ok(None);
        };
        if reason.starts_with(conflicts::REASON) {
            self.conflicted.insert(entity_key(entry));
        }
        let quotas = [
            Rejection::TenantQuotaExhausted,
            Rejection::AgentQuotaExhausted,
        ];
        Ok(Some(
            match quotas.iter().any(|quota| quota.to_string() == reason) {
                true => Outcome::Deferred { error: reason },
                false => Outcome::Rejected { reason },
            },
        ))
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
        if !outcomes.is_empty() {
            self.options.reach(CrashPoint::AfterInBlock)?;
        }
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
