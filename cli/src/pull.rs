// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Pull: from the local tip of a stream to the finalized head, verifying everything on the way.
//!
//! The unit is the batch. A batch is taken only if it continues the chain of batches verified so
//! far and a final header commits to it; that shows gaps and rewritten history. Its events are then
//! judged one by one. A bad event goes to quarantine and the stream goes on; a bad batch stops the
//! pull where it stands, because nothing behind it can be linked to what is known.

mod finals;
mod keys;
mod own;
mod recheck;

pub(crate) use own::{OwnEvents, Placed};
pub use recheck::{Rechecked, recheck};

use crate::{
    capture::now_rfc3339,
    chain::{BlockRef, Chain, ChainError},
    error::{Exit, Failure, Result},
    finality::{self, Pinned},
    inbox::{self, Judged, Stream},
    outbox,
    output::Ui,
    rules::{self, Problem, Reason, Ruling},
};
use finals::FinalBlocks;
use keys::Keys;
use serde::Serialize;
use sqlx::SqlitePool;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZero,
    ops::ControlFlow,
    time::{Duration, Instant},
};
use ves_primitives::{
    EventId, LeafHash, StreamTip, SubmittedEvent, events_root,
    wire::{InclusionJson, SequencedEventJson},
};

/// Events asked for at once.
const PAGE: u32 = 1000;
/// Records from which on it is worth to judge them in several threads.
const PARALLEL_FROM: usize = 64;
/// How long to wait for the event store to index what is final already.
const INDEX_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(200);

/// What a pull did.
#[derive(Clone, Debug, Default)]
pub struct PullReport {
    /// Local tip before.
    pub from: u64,
    /// Local tip after.
    pub to: u64,
    /// Finalized head of the stream.
    pub head: u64,
    /// Newest final block.
    pub finalized_block: u32,
    /// Batches verified.
    pub batches: u64,
    /// Events verified and stored.
    pub stored: usize,
    /// Whether the caller had enough before the head was reached.
    pub paused: bool,
    /// Records set aside.
    pub quarantined: Vec<QuarantinedNow>,
    /// Events of which the node has no payload any more; all else about them holds.
    pub pruned: Vec<QuarantinedNow>,
    /// Events of the outbox that this pull proved final.
    pub settled: usize,
    /// Why the pull stopped before the head.
    pub stopped: Option<Failure>,
}

/// A record set aside by this pull.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QuarantinedNow {
    /// Its place in the stream.
    pub sequence: u64,
    /// The event.
    pub event_id: EventId,
    /// The broken rule.
    pub reason: Reason,
    /// What exactly.
    pub detail: String,
}

impl PullReport {
    /// The failure to exit with.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        match self.quarantined.len() {
            0 => None,
            n => Some(
                Failure::new(
                    Exit::NotVerified,
                    "quarantined",
                    format!("{n} event(s) did not verify and were quarantined"),
                )
                .hint("the reasons are in the report; the other events are stored"),
            ),
        }
    }
}

struct Pull<'a, C> {
    pool: &'a SqlitePool,
    chain: &'a C,
    stream: Stream,
    finalized: BlockRef,
    page: VecDeque<SequencedEventJson>,
    /// Blocks that the authorities this project trusts made final.
    finals: FinalBlocks,
    /// Keys as the registry shows them, compared with the pins, once per pull.
    keys: Keys,
}

/// What is done with each event that was verified and stored, in sequence order. Once it breaks off, it
/// still gets the rest of the batch, and the pull ends behind it.
pub type Taker<'a> = dyn FnMut(SequencedEventJson) -> ControlFlow<()> + Send + 'a;

/// Pulls a stream up to its finalized head.
///
/// # Errors
/// What prevents the pull from starting. What happens later is in the report.
pub async fn pull<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    stream: Stream,
    pin: Option<&Pinned>,
    ui: &Ui,
) -> Result<PullReport> {
    let taker = &mut |_: SequencedEventJson| -> ControlFlow<()> { ControlFlow::Continue(()) };
    pull_into(pool, chain, stream, pin, taker, ui).await
}

/// Pulls a stream as [`pull`] does and hands over each stored event. A backlog can be long, so none of it
/// is kept here.
///
/// # Errors
/// As [`pull`].
pub async fn pull_into<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    stream: Stream,
    pin: Option<&Pinned>,
    taker: &mut Taker<'_>,
    ui: &Ui,
) -> Result<PullReport> {
    let genesis = chain.genesis_hash();
    let mut tip = inbox::tip(pool, stream, genesis).await?;
    let sets = finality::track(Some(pool), chain, pin, ui).await?;
    let begun_at = now_rfc3339();
    let finalized = chain.finalized().await?;
    let head = indexed_head(chain, stream, finalized).await?;
    let mut report = PullReport {
        from: tip.sequence,
        to: tip.sequence,
        head,
        finalized_block: finalized.number,
        ..PullReport::default()
    };
    if head < tip.sequence {
        report.stopped = Some(
            Failure::new(
                Exit::NotVerified,
                "remote_head_regressed",
                format!(
                    "the node's stream ends at {head}, verified before was {}",
                    tip.sequence
                ),
            )
            .hint("the node is behind or rewrote its history; pull from another node"),
        );
        return Ok(report);
    }
    let mut pull = Pull {
        pool,
        chain,
        stream,
        finalized,
        page: VecDeque::new(),
        finals: FinalBlocks::new(sets),
        keys: HashMap::new(),
    };
    while tip.sequence < head {
        // What is verified is stored whole; until then nothing of it is.
        let verified = ui
            .unless_interrupted(pull.verify(&tip, head, &mut report))
            .await
            .unwrap_or_else(|| {
                Err(Failure::interrupted(format!(
                    "interrupted: verified and stored up to sequence {} of {head}",
                    tip.sequence
                )))
            });
        let stored = match verified {
            Ok((inclusion, judged)) => {
                pull.store(&tip, inclusion, judged, &mut report, taker)
                    .await
            }
            Err(failure) => Err(failure),
        };
        let flow = match stored {
            Ok((next, flow)) => {
                tip = next;
                flow
            }
            Err(failure) => {
                report.stopped = Some(failure);
                break;
            }
        };
        report.to = tip.sequence;
        let done = tip.sequence.saturating_sub(report.from);
        ui.progress_of(done, head.saturating_sub(report.from), "events verified");
        if flow.is_break() && tip.sequence < head {
            report.paused = true;
            break;
        }
    }
    ui.progress_done();
    // What an earlier pull verified while a push still waited for it.
    let known = inbox::verified_and_open(pool, stream).await?;
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let settled = outbox::settle_verified(&mut tx, stream, known.iter()).await?;
    tx.commit().await?;
    report.settled = report.settled.saturating_add(settled);
    if report.stopped.is_none() && !report.paused {
        inbox::note_whole_pull(pool, stream, &begun_at).await?;
    }
    Ok(report)
}

/// The stream's head once the event store has seen the final block that the node has.
async fn indexed_head<C: Chain>(chain: &C, stream: Stream, finalized: BlockRef) -> Result<u64> {
    let patience = Instant::now() + INDEX_PATIENCE;
    loop {
        let head = chain.head(stream.tenant, stream.store).await?;
        if head.finalized_block_number >= finalized.number || Instant::now() >= patience {
            return Ok(head.sequence);
        }
        tokio::time::sleep(POLL).await;
    }
}

impl<C: Chain> Pull<'_, C> {
    /// Fetches and verifies the batch after `tip`.
    async fn verify(
        &mut self,
        tip: &StreamTip,
        head: u64,
        report: &mut PullReport,
    ) -> Result<(InclusionJson, Vec<Judged>)> {
        let start = tip.sequence.saturating_add(1);
        let inclusion = self.inclusion(start).await?;
        let batch = &inclusion.batch.batch;
        let end = batch.sequence_end;
        if let Err(problem) = self.judge_batch(&inclusion, Some(tip)).await? {
            let failure = self.stop_at(start, end.min(head), problem, report).await?;
            return Err(failure);
        }
        let records = self.records(start, end).await?;
        let judged = self.judge_records(&inclusion, records).await?;
        Ok((inclusion, judged))
    }

    /// Stores a verified batch, unless another process was faster.
    async fn store(
        &mut self,
        tip: &StreamTip,
        inclusion: InclusionJson,
        judged: Vec<Judged>,
        report: &mut PullReport,
        taker: &mut Taker<'_>,
    ) -> Result<(StreamTip, ControlFlow<()>)> {
        let batch = &inclusion.batch.batch;
        let genesis = self.chain.genesis_hash();
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        if inbox::tip(&mut *tx, self.stream, genesis).await? != *tip {
            return Err(Failure::new(
                Exit::Database,
                "database_busy",
                "another process pulled this stream meanwhile",
            )
            .hint("run the command again; it goes on where the other one stopped"));
        }
        let keys = self.verified_keys(&judged);
        inbox::store_batch(&mut tx, self.stream, genesis, &inclusion, &judged, &keys).await?;
        if let Some(finality) = self.finals.proof_of(batch.block_number) {
            inbox::store_evidence(&mut tx, self.stream, &inclusion, &finality).await?;
        }
        let verified = judged
            .iter()
            .filter(|item| item.problem.as_ref().is_none_or(is_about_payload))
            .map(|item| &item.record);
        let settled = outbox::settle_verified(&mut tx, self.stream, verified).await?;
        tx.commit().await?;
        report.settled = report.settled.saturating_add(settled);

        report.batches = report.batches.saturating_add(1);
        let mut flow = ControlFlow::Continue(());
        for item in judged {
            match item.problem {
                None => {
                    report.stored = report.stored.saturating_add(1);
                    if taker(item.record).is_break() {
                        flow = ControlFlow::Break(());
                    }
                }
                Some(problem) if is_about_payload(&problem) => {
                    report.pruned.push(note(&item.record, problem));
                }
                Some(problem) => report.quarantined.push(note(&item.record, problem)),
            }
        }
        Ok((batch.tip(), flow))
    }

    async fn inclusion(&self, sequence: u64) -> Result<InclusionJson> {
        let (tenant, store) = (self.stream.tenant, self.stream.store);
        self.chain
            .inclusion(tenant, store, sequence)
            .await?
            .ok_or_else(|| {
                ChainError::Node(format!(
                    "no evidence for sequence {sequence}, which is below the head"
                ))
                .into()
            })
    }

    /// The batch continues what is known, if anything is; its header commits to it, and the block is
    /// final.
    async fn judge_batch(
        &mut self,
        inclusion: &InclusionJson,
        tip: Option<&StreamTip>,
    ) -> Result<Ruling<()>> {
        let batch = &inclusion.batch.batch;
        let own = (self.stream.tenant, self.stream.store);
        if (batch.tenant_id, batch.store_id) != own {
            return Ok(Err(Problem::new(
                Reason::StreamMismatch,
                format!("the batch is of stream {}", batch.stream_id()),
            )));
        }
        let continues = |tip: &StreamTip| {
            batch
                .check_continues(tip)
                .map_err(|e| Problem::new(Reason::BatchDiscontinuous, e))
        };
        let offline = rules::batch(batch)
            .and_then(|()| tip.map_or(Ok(()), continues))
            .and_then(|()| rules::header(inclusion))
            .and_then(|header| {
                rules::block_commitment(&header, batch, &inclusion.block_proof).map(|_| header)
            });
        let hash = inclusion.batch.block_hash;
        match offline {
            Ok(header) => {
                let (pool, chain) = (self.pool, self.chain);
                self.finals.judge(pool, chain, &header, hash).await
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// Sets the records of an unacceptable batch aside, and says why the pull stops; the tip stays where
    /// it is.
    async fn stop_at(
        &mut self,
        start: u64,
        end: u64,
        problem: Problem,
        report: &mut PullReport,
    ) -> Result<Failure> {
        let end = end.clamp(
            start,
            start.saturating_add(u64::from(PAGE)).saturating_sub(1),
        );
        let records = self.records(start, end).await.unwrap_or_default();
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for record in &records {
            inbox::quarantine(&mut tx, self.stream, record, &problem).await?;
        }
        tx.commit().await?;
        report
            .quarantined
            .extend(records.iter().map(|record| note(record, problem.clone())));
        Ok(Failure::new(
            Exit::NotVerified,
            "batch_not_verified",
            format!("the batch from sequence {start} does not verify: {problem}"),
        )
        .hint("nothing behind it was taken; pull again, if possible from another node"))
    }

    /// The records of a sequence range, from the page at hand or the next one.
    async fn records(&mut self, start: u64, end: u64) -> Result<Vec<SequencedEventJson>> {
        self.read(start, end, PAGE).await
    }

    /// The same with at most so many records asked for at once.
    async fn read(&mut self, start: u64, end: u64, page: u32) -> Result<Vec<SequencedEventJson>> {
        let mut out = Vec::new();
        let mut next = start;
        while next <= end {
            self.page.retain(|record| record.sequence >= next);
            if self.page.is_empty() {
                let (tenant, store) = (self.stream.tenant, self.stream.store);
                let answer = self.chain.events(tenant, store, next, page).await?;
                self.page = answer.events.into();
            }
            match self.page.pop_front() {
                Some(record) if record.sequence == next => out.push(record),
                other => {
                    self.page.clear();
                    let got = other.map_or_else(|| "nothing".into(), |r| r.sequence.to_string());
                    return Err(ChainError::Node(format!(
                        "asked for sequence {next}, the node gave {got}"
                    ))
                    .into());
                }
            }
            next = next.saturating_add(1);
        }
        Ok(out)
    }

    async fn judge_records(
        &mut self,
        inclusion: &InclusionJson,
        records: Vec<SequencedEventJson>,
    ) -> Result<Vec<Judged>> {
        // Asked for here, judged below with each record.
        for record in &records {
            let author = (record.event.source_agent_id, record.event.agent_key_id);
            let _ruling = self.key(author.0, author.1).await?;
        }
        let verdicts = judge_each(inclusion, &self.keys, &records)?;
        let taken = inbox::taken_ids(self.pool, self.stream, &records).await?;
        let mut judged = Vec::with_capacity(records.len());
        let mut leaves = Vec::with_capacity(records.len());
        let mut ids = HashSet::with_capacity(records.len());
        for (record, (leaf, mut problem)) in records.into_iter().zip(verdicts) {
            let id = record.event.event_id;
            if problem.is_none() && (!ids.insert(id) || taken.contains(&id)) {
                problem = Some(Problem::new(
                    Reason::EventIdentityConflict,
                    format!("event {id} holds another sequence already"),
                ));
            }
            leaves.push(leaf);
            judged.push(Judged { record, problem });
        }
        self.judge_inclusion(inclusion, &leaves, &mut judged)
            .await?;
        Ok(judged)
    }

    /// The whole batch by its root; only if that fails, event by event.
    async fn judge_inclusion(
        &self,
        inclusion: &InclusionJson,
        leaves: &[Option<LeafHash>],
        judged: &mut [Judged],
    ) -> Result<()> {
        let batch = &inclusion.batch.batch;
        let all: Option<Vec<LeafHash>> = leaves.iter().copied().collect();
        if all.as_deref().and_then(events_root) == Some(batch.events_root) {
            return Ok(());
        }
        for (item, leaf) in judged.iter_mut().zip(leaves) {
            let Some(leaf) = leaf else {
                continue;
            };
            if !item.problem.as_ref().is_none_or(is_about_payload) {
                continue;
            }
            let sequence = item.record.sequence;
            let proof = self.inclusion(sequence).await?.proof;
            let ruling = rules::position(&item.record, batch)
                .and_then(|index| rules::inclusion(&proof, batch, index, leaf));
            item.problem = ruling.err().or_else(|| item.problem.take());
        }
        Ok(())
    }
}

/// The leaf of a record, if it has one, and what is wrong with it.
type Verdict = (Option<LeafHash>, Option<Problem>);

/// Judges each record by itself, with all processors: signatures are most of a pull's work.
fn judge_each(
    inclusion: &InclusionJson,
    keys: &Keys,
    records: &[SequencedEventJson],
) -> Result<Vec<Verdict>> {
    let judge = |record: &SequencedEventJson| match judge_record(inclusion, keys, record) {
        Ok(leaf) => (Some(leaf), None),
        Err(problem) => (computed_leaf(record), Some(problem)),
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    if records.len() < PARALLEL_FROM || threads == 1 {
        return Ok(records.iter().map(judge).collect());
    }
    std::thread::scope(|scope| {
        let parts: Vec<_> = records
            .chunks(records.len().div_ceil(threads))
            .map(|part| scope.spawn(move || part.iter().map(judge).collect::<Vec<_>>()))
            .collect();
        let mut verdicts = Vec::with_capacity(records.len());
        for part in parts {
            let part = part
                .join()
                .map_err(|_| Failure::unexpected("a verifying thread panicked"))?;
            verdicts.extend(part);
        }
        Ok(verdicts)
    })
}

fn judge_record(
    inclusion: &InclusionJson,
    keys: &Keys,
    record: &SequencedEventJson,
) -> Ruling<LeafHash> {
    let batch = &inclusion.batch.batch;
    let is_pruned = rules::is_pruned(record);
    let event = any_form(record)?;
    rules::scope(record, &event, Some(batch))?;
    if !is_pruned {
        rules::payload_hash(&event)?;
        rules::payload_canonical(&event)?;
    }
    rules::position(record, batch)?;
    if record.block_hash != inclusion.batch.block_hash {
        return Err(Problem::new(
            Reason::PositionMismatch,
            "event and batch name different blocks",
        ));
    }
    let author = (event.envelope.source_agent_id, event.envelope.agent_key_id);
    let key = keys.get(&author).cloned().unwrap_or_else(|| {
        Err(Problem::new(
            Reason::KeyUnresolved,
            "nobody asked the registry for the key",
        ))
    })?;
    rules::author_signature(&event, &key.public_key)?;
    rules::author_key(&key, &rules::recorded_at(record))?;
    let hash = rules::signing_hash(record, &event)?;
    rules::receipt(record, &event, &hash)?;
    let leaf = rules::leaf(record, &event, &hash)?;
    // Last: whatever else is wrong is worse.
    match is_pruned {
        true => Err(rules::payload_pruned()),
        false => Ok(leaf),
    }
}

/// The event of a record, with an empty payload if it was pruned.
fn any_form(record: &SequencedEventJson) -> Ruling<SubmittedEvent> {
    match rules::is_pruned(record) {
        true => rules::pruned_form(record),
        false => rules::event_form(record),
    }
}

/// Whether all that is wrong is that the node has no payload any more.
fn is_about_payload(problem: &Problem) -> bool {
    problem.reason == Reason::PayloadPruned
}

/// The leaf that a record's own bytes give, for the batch root, even if the record is bad.
fn computed_leaf(record: &SequencedEventJson) -> Option<LeafHash> {
    let event = any_form(record).ok()?;
    let hash = event.envelope.signing_hash().ok()?;
    Some(event.envelope.leaf_hash(record.sequence, &hash))
}

fn note(record: &SequencedEventJson, problem: Problem) -> QuarantinedNow {
    QuarantinedNow {
        sequence: record.sequence,
        event_id: record.event.event_id,
        reason: problem.reason,
        detail: problem.detail,
    }
}

#[cfg(test)]
mod tests;
