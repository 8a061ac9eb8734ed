// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! This agent's own events, proven final by the rules of a pull, though nothing before them was pulled:
//! what a push asks of a node that says they are.
//!
//! The unit is the batch here too. Its header and the proof of its block's finality are asked for once,
//! and its records are compared with its root as a whole.

use super::{FinalBlocks, PAGE, POLL, Pull, computed_leaf, judge_each};
use crate::{
    chain::{BlockRef, Chain, ChainError},
    error::{Exit, Failure, Result},
    finality::{self, Pinned},
    inbox::{Judged, OwnBatch, Receipt, Stream},
    output::Ui,
    rules::{self, Problem, Reason, Ruling},
};
use sqlx::SqlitePool;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};
use ves_primitives::{
    LeafHash, SubmittedEvent, events_root,
    wire::{EventJson, InclusionJson, SequencedEventJson},
};

/// How many records of others are as much to ask for as one path.
const RECORDS_PER_PATH: usize = 32;

/// An event of this agent, and where a node says it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'e> {
    /// The event as it was signed here.
    pub(crate) event: &'e SubmittedEvent,
    /// Its place in the stream.
    pub(crate) sequence: u64,
    /// Its block.
    pub(crate) block_number: u32,
}

/// What a node could prove of a list of events.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// For each event, in the order of the list: its final block, or what is wrong.
    pub(crate) verdicts: Vec<Ruling<u32>>,
    /// The evidence, to be kept with the verdicts.
    pub(crate) batches: Vec<OwnBatch>,
}

/// Proves own events final, stream by stream.
pub(crate) struct OwnEvents<'a, C> {
    pool: &'a SqlitePool,
    chain: &'a C,
    pin: Option<&'a Pinned>,
    ui: &'a Ui,
    streams: BTreeMap<Stream, Pull<'a, C>>,
    /// How long the node may take to have evidence of what it calls final, in all.
    patience: Duration,
    /// When that is over; counted from the first time that something was missing.
    until: Option<Instant>,
}

impl<'a, C: Chain> OwnEvents<'a, C> {
    pub(crate) const fn new(
        pool: &'a SqlitePool,
        chain: &'a C,
        pin: Option<&'a Pinned>,
        ui: &'a Ui,
        patience: Duration,
    ) -> Self {
        Self {
            pool,
            chain,
            pin,
            ui,
            streams: BTreeMap::new(),
            patience,
            until: None,
        }
    }

    /// Proves events of one stream. What the node cannot or does not show is a verdict.
    ///
    /// # Errors
    /// The node's silence, or the database's refusal.
    pub(crate) async fn prove(
        &mut self,
        stream: Stream,
        finalized: BlockRef,
        placed: &[Placed<'_>],
    ) -> Result<Proven> {
        let mut order: Vec<usize> = (0..placed.len()).collect();
        order.sort_by_key(|index| placed.get(*index).map(|place| place.sequence));
        let sorted: Vec<Placed<'_>> = order
            .iter()
            .filter_map(|index| placed.get(*index).copied())
            .collect();
        let mut verdicts = Vec::with_capacity(sorted.len());
        let mut batches = Vec::new();
        let mut rest = sorted.as_slice();
        while !rest.is_empty() {
            let (count, found) = self.prove_patiently(stream, finalized, rest).await?;
            let (done, left) = rest.split_at(count.clamp(1, rest.len()));
            match found {
                Ok((rulings, batch)) => {
                    verdicts.extend(rulings);
                    batches.extend(batch);
                }
                Err(problem) => verdicts.extend(done.iter().map(|_| Err(problem.clone()))),
            }
            rest = left;
        }
        let mut in_order: Vec<(usize, Ruling<u32>)> = order.into_iter().zip(verdicts).collect();
        in_order.sort_by_key(|(index, _)| *index);
        Ok(Proven {
            verdicts: in_order.into_iter().map(|(_, ruling)| ruling).collect(),
            batches,
        })
    }

    /// A node finalizes a block a moment before it has all that proves it.
    async fn prove_patiently(
        &mut self,
        stream: Stream,
        finalized: BlockRef,
        own: &[Placed<'_>],
    ) -> Result<(usize, Ruling<Batch>)> {
        loop {
            let found = self.prove_next(stream, finalized, own).await?;
            let missing = found.1.as_ref().err().is_some_and(is_missing);
            if !missing {
                return Ok(found);
            }
            let patience = self.patience;
            let until = *self.until.get_or_insert_with(|| Instant::now() + patience);
            if Instant::now() >= until {
                return Ok(found);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn prove_next(
        &mut self,
        stream: Stream,
        finalized: BlockRef,
        own: &[Placed<'_>],
    ) -> Result<(usize, Ruling<Batch>)> {
        let block = own.first().map(|place| place.block_number);
        let of_block = own
            .iter()
            .take_while(|place| Some(place.block_number) == block)
            .count();
        let proven = match self.of_stream(stream, finalized).await {
            Ok(pull) => pull.prove_batch(own, of_block).await,
            Err(failure) => Err(failure),
        };
        match proven {
            // A node without evidence is no reason to stop pushing; an absent node is.
            Err(failure) if failure.exit == Exit::NotVerified || failure.code == "node_error" => {
                let problem = Problem::new(Reason::FinalityMissing, failure.message);
                Ok((of_block, Err(problem)))
            }
            other => other,
        }
    }

    /// The part of a pull that judges batches of this stream.
    async fn of_stream(&mut self, stream: Stream, finalized: BlockRef) -> Result<&mut Pull<'a, C>> {
        use std::collections::btree_map::Entry;
        let pull = match self.streams.entry(stream) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(slot) => {
                let (pool, chain) = (self.pool, self.chain);
                let sets = finality::track(Some(pool), chain, self.pin, self.ui).await?;
                slot.insert(Pull {
                    pool,
                    chain,
                    stream,
                    finalized,
                    page: VecDeque::new(),
                    finals: FinalBlocks::new(sets),
                    keys: HashMap::new(),
                })
            }
        };
        if pull.finalized != finalized {
            pull.finalized = finalized;
            // The registry may say something else by now.
            pull.keys.clear();
        }
        Ok(pull)
    }
}

/// Whether a node may still come to have what is missing.
const fn is_missing(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::NotFinal | Reason::FinalityMissing)
}

/// What holds of the events that stand in one batch, and the batch if it proves any of them.
type Batch = (Vec<Ruling<u32>>, Option<OwnBatch>);

impl<C: Chain> Pull<'_, C> {
    /// Proves what stands in the batch of the first of these events, which come in the order of their
    /// sequences; says how many of them that are, or how many it is of no use to ask about.
    async fn prove_batch(
        &mut self,
        own: &[Placed<'_>],
        of_block: usize,
    ) -> Result<(usize, Ruling<Batch>)> {
        let Some(first) = own.first() else {
            return Ok((0, Ok((Vec::new(), None))));
        };
        let (tenant, store) = (self.stream.tenant, self.stream.store);
        let asked = self.chain.inclusion(tenant, store, first.sequence).await?;
        let Some(inclusion) = asked else {
            let problem = Problem::new(
                Reason::FinalityMissing,
                format!("the node has no evidence for sequence {}", first.sequence),
            );
            return Ok((of_block, Err(problem)));
        };
        let batch = &inclusion.batch.batch;
        let range = batch.sequence_start..=batch.sequence_end;
        if !range.contains(&first.sequence) {
            let problem = Problem::new(
                Reason::PositionMismatch,
                format!(
                    "sequence {} is outside the batch's {}..{}",
                    first.sequence, batch.sequence_start, batch.sequence_end
                ),
            );
            return Ok((1, Err(problem)));
        }
        let count = own
            .iter()
            .take_while(|place| range.contains(&place.sequence))
            .count();
        let own = own.get(..count).unwrap_or_default();
        if let Err(problem) = self.judge_batch(&inclusion, None).await? {
            return Ok((count, Err(problem)));
        }
        self.prove_records(inclusion, own)
            .await
            .map(|found| (count, Ok(found)))
    }

    /// Proves that a final batch holds these events.
    async fn prove_records(
        &mut self,
        inclusion: InclusionJson,
        own: &[Placed<'_>],
    ) -> Result<Batch> {
        let batch = inclusion.batch.batch.clone();
        let (shown, others) = self.shown(&inclusion, own).await?;
        let mut records = Vec::with_capacity(own.len());
        let mut identity = Vec::with_capacity(own.len());
        for (place, record) in own.iter().zip(shown) {
            let author = &place.event.envelope;
            let _ruling = self
                .key(author.source_agent_id, author.agent_key_id)
                .await?;
            identity.push(is_same(place, &record).err());
            // The payload is kept here, whether the node still has it or not.
            records.push(SequencedEventJson {
                event: EventJson::from(place.event),
                ..record
            });
        }
        let judged = judge_each(&inclusion, &self.keys, &records)?;
        let leaves = others.and_then(|others| {
            let mine = records.iter().zip(&judged);
            let mine = mine.map(|(record, (leaf, _))| Some((record.sequence, (*leaf)?)));
            let all: BTreeMap<u64, LeafHash> = mine.chain(others).collect::<Option<_>>()?;
            let leaves: Vec<LeafHash> = all.into_values().collect();
            (events_root(&leaves) == Some(batch.events_root)).then_some(leaves)
        });
        let mut items = Vec::with_capacity(records.len());
        let mut paths = Vec::with_capacity(records.len());
        let verdicts = judged.into_iter().zip(identity);
        for (record, ((leaf, problem), other)) in records.into_iter().zip(verdicts) {
            let mut problem = other.or(problem);
            let mut path = None;
            if problem.is_none()
                && leaves.is_none()
                && let Some(leaf) = leaf
            {
                let proof = self.inclusion(record.sequence).await?.proof;
                problem = rules::position(&record, &batch)
                    .and_then(|index| rules::inclusion(&proof, &batch, index, &leaf))
                    .err();
                path = Some(proof);
            }
            paths.push(path);
            items.push(Judged { record, problem });
        }
        let keys = self.verified_keys(&items);
        let mut verdicts = Vec::with_capacity(items.len());
        let mut receipts = Vec::new();
        for (item, path) in items.into_iter().zip(paths) {
            match item.problem {
                Some(problem) => verdicts.push(Err(problem)),
                None => {
                    verdicts.push(Ok(batch.block_number));
                    let record = item.record;
                    receipts.push(Receipt { record, path });
                }
            }
        }
        let finality = self
            .finals
            .proof_of(batch.block_number)
            .ok_or_else(|| Failure::unexpected("a block was proven final and its proof is gone"))?;
        let kept = (!receipts.is_empty()).then_some(OwnBatch {
            stream: self.stream,
            inclusion,
            finality,
            leaves,
            receipts,
            keys,
        });
        Ok((verdicts, kept))
    }

    /// What the node shows at the places of these events; and the leaves at the other places of the
    /// batch, unless it is cheaper to ask for a path for each event.
    async fn shown(
        &mut self,
        inclusion: &InclusionJson,
        own: &[Placed<'_>],
    ) -> Result<(Vec<SequencedEventJson>, Option<Vec<OtherLeaf>>)> {
        let batch = &inclusion.batch.batch;
        let (start, end) = (batch.sequence_start, batch.sequence_end);
        let leaves = usize::try_from(batch.leaf_count).unwrap_or(usize::MAX);
        let is_whole = own.len().saturating_mul(RECORDS_PER_PATH) >= leaves;
        let mut records = BTreeMap::new();
        let runs = match is_whole {
            true => vec![(start, end)],
            false => own
                .chunk_by(|a, b| a.sequence.saturating_add(1) == b.sequence)
                .filter_map(|run| Some((run.first()?.sequence, run.last()?.sequence)))
                .collect(),
        };
        for (first, last) in runs {
            // Nothing beyond: it belongs to others.
            self.page.clear();
            let count = last.saturating_sub(first).saturating_add(1);
            let page = u32::try_from(count).unwrap_or(PAGE).min(PAGE);
            let read = self.read(first, last, page).await?;
            records.extend(read.into_iter().map(|record| (record.sequence, record)));
        }
        let shown: Vec<SequencedEventJson> = own
            .iter()
            .filter_map(|place| records.remove(&place.sequence))
            .collect();
        if shown.len() != own.len() {
            return Err(
                ChainError::Node("several events at one place of the stream".into()).into(),
            );
        }
        let others = is_whole.then(|| {
            let leaf =
                |record: &SequencedEventJson| Some((record.sequence, computed_leaf(record)?));
            records.values().map(leaf).collect()
        });
        Ok((shown, others))
    }
}

/// Another's place in a batch and its leaf, if the record has one.
type OtherLeaf = Option<(u64, LeafHash)>;

/// The node shows the event that was signed here, with or without its payload.
fn is_same(place: &Placed<'_>, record: &SequencedEventJson) -> Ruling<()> {
    let same = match rules::is_pruned(record) {
        true => rules::pruned_form(record)?.envelope == place.event.envelope,
        false => rules::event_form(record)? == *place.event,
    };
    if same {
        return Ok(());
    }
    Err(Problem::new(
        Reason::EventIdentityConflict,
        format!(
            "the node shows another event at sequence {}",
            place.sequence
        ),
    ))
}
