// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What became of submitted events, read from the chain.

use super::{
    Work, explained,
    reading::{Fate, Item},
    rejection,
};
use crate::{
    error::Answer,
    stored,
    wire::{Receipt, chain_uuid, time_text},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use ves_client::{BlockHash, ClientError};
use ves_primitives::{
    EventId, SubmittedEvent,
    sequencer::{Admission, EventRecord, Rejection},
};

/// Questions to the node at a time.
const AT_A_TIME: usize = 16;

/// Blocks behind finality whose state every node still has.
const RECENT_BLOCKS: u32 = 64;

/// A block as receipts name it.
#[derive(Clone, Copy)]
struct Block {
    number: u32,
    hash: [u8; 32],
    time_ms: u64,
}

/// The fate of an event that the chain would reject for this reason. The chain forgets ids after
/// some days and then refuses a replay for its age; the event store forgets at most its payload.
pub(super) async fn refused(
    work: &Work<'_>,
    event: &SubmittedEvent,
    reason: Rejection,
) -> Answer<Option<Fate>> {
    let envelope = &event.envelope;
    if reason == Rejection::CreatedAtTooOld {
        let known = work
            .chain
            .store_event(envelope.tenant_id, envelope.store_id, envelope.event_id)
            .await?;
        if let Some(found) = known {
            if stored::is_of(&found, event) {
                let block = Block {
                    number: found.block_number,
                    hash: found.block_hash,
                    time_ms: found.block_time_ms,
                };
                let receipt = receipt(work, event, found.sequence, block, true);
                return Ok(Some(Fate::Sequenced(receipt, false)));
            }
            let message = explained(Rejection::DuplicateEventId);
            let known = rejection(envelope.event_id, "duplicate_event_id", message);
            return Ok(Some(Fate::Rejected(known)));
        }
    }
    let text = reason.to_string();
    Ok(Some(Fate::Rejected(rejection(
        envelope.event_id,
        &text,
        explained(reason),
    ))))
}

/// Gives every open or replayed event that is in a block, at `at` or at least at the best one, its receipt, and every one that the chain
/// would not take now its rejection. The others stay as they are.
pub(super) async fn settle(
    work: &Work<'_>,
    items: &mut [Item],
    at: Option<BlockHash>,
    finalized: u32,
) -> Answer<()> {
    let asked: Vec<(usize, Box<SubmittedEvent>, bool)> = items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| match &item.fate {
            Fate::Open(event) => Some((place, event.clone(), true)),
            Fate::Replay(event) => Some((place, event.clone(), false)),
            _ => None,
        })
        .collect();
    let chain = &work.chain;
    let ids: Vec<EventId> = asked
        .iter()
        .map(|(_, event, _)| event.envelope.event_id)
        .collect();
    let records: Vec<Option<EventRecord>> = stream::iter(ids)
        .map(|id| async move {
            match chain.event_status(work.stream, id, at).await? {
                None if at.is_some() => chain.event_status(work.stream, id, None).await,
                found => Ok(found),
            }
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut blocks = BTreeMap::new();
    for record in records.iter().flatten() {
        if let std::collections::btree_map::Entry::Vacant(vacant) =
            blocks.entry(record.block_number)
            && let Some(block) =
                block(work, record.block_number, record.sequence, finalized).await?
        {
            vacant.insert(block);
        }
    }
    for ((place, event, new), record) in asked.into_iter().zip(records) {
        let fate = match record {
            Some(record) if record.is_of(&event.envelope) => {
                let Some(block) = blocks.get(&record.block_number) else {
                    continue;
                };
                let is_final = block.number <= finalized;
                let receipt = receipt(work, &event, record.sequence, *block, is_final);
                Fate::Sequenced(receipt, new)
            }
            Some(_) => Fate::Rejected(rejection(
                event.envelope.event_id,
                "duplicate_event_id",
                explained(Rejection::DuplicateEventId),
            )),
            None => match unplaced(work, &event).await? {
                Some(fate) => fate,
                None => continue,
            },
        };
        if let Some(item) = items.get_mut(place) {
            item.fate = fate;
        }
    }
    Ok(())
}

/// Of an event that is in no block: whether the chain would refuse it now.
async fn unplaced(work: &Work<'_>, event: &SubmittedEvent) -> Answer<Option<Fate>> {
    let alone = std::slice::from_ref(event);
    match work.chain.can_submit(alone, None).await?.first() {
        Some(Admission::Rejected(reason)) => refused(work, event, *reason).await,
        _ => Ok(None),
    }
}

/// The block that holds a sequence. A node may no longer have the state of an older one; its event
/// store has indexed that one since.
async fn block(
    work: &Work<'_>,
    number: u32,
    sequence: u64,
    finalized: u32,
) -> Result<Option<Block>, ClientError> {
    if number.saturating_add(RECENT_BLOCKS) <= finalized {
        let page = work
            .chain
            .store_events(work.of.tenant, work.of.store, sequence, Some(1))
            .await?;
        return Ok(page.events.first().map(|found| Block {
            number: found.block_number,
            hash: found.block_hash,
            time_ms: found.block_time_ms,
        }));
    }
    let Some(hash) = work.chain.block_hash(number).await? else {
        return Ok(None);
    };
    let now = work.chain.now(Some(hash)).await?;
    Ok(Some(Block {
        number,
        hash: hash.0,
        time_ms: now.time_ms,
    }))
}

fn receipt(
    work: &Work<'_>,
    event: &SubmittedEvent,
    sequence: u64,
    block: Block,
    finalized: bool,
) -> Receipt {
    let envelope = &event.envelope;
    let hash = envelope
        .signing_hash()
        .map(|signing| hex::encode(envelope.receipt_hash(sequence, &signing)))
        .unwrap_or_default();
    Receipt {
        sequencer_id: chain_uuid(work.chain.genesis_hash()),
        event_id: envelope.event_id,
        sequence_number: sequence,
        sequenced_at: time_text(block.time_ms),
        receipt_hash: hash,
        signature_alg: "none".into(),
        sequencer_signature: String::new(),
        sequencer_key_version: 0,
        block_number: block.number,
        block_hash: hex::encode(block.hash),
        finalized,
    }
}
