// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A look at the contract, in the form that [`plan`] works on.

use crate::{
    journal::{ItemKind, Journal, JournalError, OpenBatch, StreamRow},
    plan::{Action, BatchView, Head, Limits, Record, StreamView, plan},
    sink::{Block, Chain, ChainError, SendError, SetRegistry, same_record},
};
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::{BatchCommitment, StreamId};

/// The oldest open batches of one stream, which are next to count as anchored.
const BATCHES_TO_MARK: u32 = 64;
/// Open batches of one stream from the contract's head on, which are next to be sent. A window of
/// their own: what is in the contract and not confirmed yet, hundreds of batches where a block is
/// final after half an hour, must not keep the next ones from being sent.
const BATCHES_TO_SEND: u32 = 64;
/// Rounds of reading records and planning again within one tick.
const PLAN_ROUNDS: usize = 3;

/// Why a tick of the anchor loop did not finish.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// The destination.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sending.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// A look at the contract: heads of all streams with open batches.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The latest block.
    pub latest: Block,
    /// The block up to which anchors count as done.
    pub confirmed: Block,
    /// The streams, ready for [`plan`].
    pub views: Vec<StreamView>,
}

impl Snapshot {
    /// Does the contract keep a batch out at the confirmed block too?
    pub(crate) fn conflict_is_confirmed(&self, stream: StreamId, index: u64) -> bool {
        let mut views = self.views.iter();
        views
            .find(|view| view.stream == stream)
            .is_some_and(|view| view.conflict_is_confirmed(index))
    }

    /// A batch of the snapshot.
    pub(crate) fn batch(&self, stream: StreamId, index: u64) -> Option<&BatchView> {
        self.views
            .iter()
            .find(|view| view.stream == stream)?
            .batches
            .iter()
            .find(|item| item.batch.batch_index == index)
    }
}

/// Reads the contract's heads of all streams that have open batches and are not set aside.
///
/// # Errors
/// When the journal or the chain cannot be read.
pub async fn snapshot(
    journal: &Journal,
    chain: &Chain,
    rows: &[StreamRow],
    latest: Block,
    confirmed: Block,
) -> Result<Snapshot, TickError> {
    let active: Vec<&StreamRow> = rows
        .iter()
        .filter(|row| row.open > 0 && row.quarantine.is_none())
        .collect();
    let keys: Vec<_> = active.iter().map(|row| (row.tenant, row.store)).collect();
    let heads = chain.heads(&keys, &latest).await?;
    let confirmed_heads = if confirmed == latest {
        heads.clone()
    } else {
        chain.heads(&keys, &confirmed).await?
    };
    let mut views = Vec::with_capacity(active.len());
    for ((row, head), confirmed_head) in active.iter().zip(heads).zip(confirmed_heads) {
        let mut open: BTreeMap<u64, OpenBatch> = BTreeMap::new();
        // With the one at the head: it may lie across it.
        let next = BATCHES_TO_SEND.saturating_add(1);
        let next = journal
            .open_batches_at(row.stream, head.sequence, next)
            .await?;
        let first = next.first().map_or(0, |open| open.batch.batch_index);
        let oldest = journal.open_batches(row.stream, BATCHES_TO_MARK).await?;
        open.extend(
            oldest
                .into_iter()
                .chain(next)
                .map(|open| (open.batch.batch_index, open)),
        );
        // Of what is before the head it does not matter how it came there.
        let in_flight: BTreeSet<u64> = journal
            .carried(row.stream, first)
            .await?
            .into_iter()
            .filter(|carried| carried.item.kind == ItemKind::Batch && carried.stands())
            .map(|carried| carried.item.batch_index)
            .collect();
        let batches = open
            .into_values()
            .map(|open| BatchView {
                in_flight: in_flight.contains(&open.batch.batch_index),
                taken_ms: open.taken_ms,
                batch: open.batch,
                latest: Record::Unknown,
                confirmed: Record::Unknown,
            })
            .collect();
        // Two reads of a chain in motion: the confirmed head is never ahead.
        let confirmed = if confirmed_head.sequence > head.sequence {
            Head::EMPTY
        } else {
            confirmed_head
        };
        views.push(StreamView {
            stream: row.stream,
            may_submit: true,
            head,
            confirmed,
            batches,
        });
    }
    Ok(Snapshot {
        latest,
        confirmed,
        views,
    })
}

/// Plans, reads the records the plan asks for, and plans again.
///
/// # Errors
/// When the chain cannot be read.
pub async fn plan_with_records(
    chain: &Chain,
    snapshot: &mut Snapshot,
    limits: Limits,
) -> Result<Vec<Action>, TickError> {
    let mut actions = plan(&snapshot.views, limits);
    for _ in 0..PLAN_ROUNDS {
        let wanted: BTreeSet<(StreamId, u64)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Compare { stream, index } => Some((*stream, *index)),
                _ => None,
            })
            .collect();
        if wanted.is_empty() {
            break;
        }
        compare(chain, snapshot, &wanted).await?;
        actions = plan(&snapshot.views, limits);
    }
    Ok(actions)
}

async fn compare(
    chain: &Chain,
    snapshot: &mut Snapshot,
    wanted: &BTreeSet<(StreamId, u64)>,
) -> Result<(), TickError> {
    let items: Vec<&mut BatchView> = snapshot
        .views
        .iter_mut()
        .flat_map(|view| {
            let stream = view.stream;
            let batches = view.batches.iter_mut();
            batches.filter(move |item| wanted.contains(&(stream, item.batch.batch_index)))
        })
        .collect();
    let batches: Vec<BatchCommitment> = items.iter().map(|item| item.batch.clone()).collect();
    let batches: Vec<&BatchCommitment> = batches.iter().collect();
    let latest = chain.records(&batches, &snapshot.latest).await?;
    let confirmed = if snapshot.confirmed == snapshot.latest {
        latest.clone()
    } else {
        match chain.records(&batches, &snapshot.confirmed).await {
            Ok(records) => records,
            // Before the contract was deployed.
            Err(ChainError::NoCode) => Vec::new(),
            Err(error) => return Err(error.into()),
        }
    };
    for (position, item) in items.into_iter().enumerate() {
        let judge = |record: Option<&SetRegistry::BatchRecord>| match record {
            Some(record) if record.timestamp != 0 => {
                if same_record(record, &item.batch) {
                    Record::Equal
                } else {
                    Record::Different
                }
            }
            _ => Record::Absent,
        };
        let (now, then) = (judge(latest.get(position)), judge(confirmed.get(position)));
        item.latest = now;
        item.confirmed = then;
    }
    Ok(())
}
