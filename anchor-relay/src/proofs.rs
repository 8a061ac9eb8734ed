// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verified proofs out of finalized state, checked against the batches in the journal.
//!
//! A proof may come long after its batch. The chain keeps the verdict about a batch for ever, so
//! each stream is asked for its newest batches and, a part each time, for all older ones: nothing
//! is lost by an outage or a new journal. The registry has one place for the proof of a batch, and
//! the chain one verdict.

use crate::{
    journal::{Journal, StreamRow},
    source::{BlockHash, Source, WalkError},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::{BatchCommitment, StreamId, batch_proof_hash, proof::BatchProofRecord};

/// Batches per question; the chain's limit.
const WINDOW: u32 = 256;
/// Streams asked in one step.
const STREAMS_PER_STEP: usize = 64;
/// Questions at the same time.
const CONCURRENT: usize = 16;

/// Where the search for proofs stands.
#[derive(Debug, Default)]
pub struct ProofScan {
    /// Which stream is first in the next step.
    turn: usize,
    /// How far the older batches of each stream were asked about.
    older: BTreeMap<StreamId, u64>,
    /// The head of the last full step without more to ask.
    asked_at: Option<BlockHash>,
}

impl ProofScan {
    /// From the beginning.
    pub const fn new() -> Self {
        Self {
            turn: 0,
            older: BTreeMap::new(),
            asked_at: None,
        }
    }

    pub(crate) async fn step(
        &mut self,
        source: &impl Source,
        journal: &Journal,
    ) -> Result<u64, WalkError> {
        let (_, head) = source.finalized_head().await?;
        if self.asked_at == Some(head) {
            return Ok(0);
        }
        // The head may have moved since the walk. Batches that the walk has not come to have proofs,
        // and streams, that are asked about again.
        let cursor = journal.cursor().await?;
        let walked = cursor.is_some_and(|cursor| cursor.hash == head);
        let mut rows = journal.streams().await?;
        rows.retain(|row| row.tip.batch_count > 0);
        let all = rows.len() <= STREAMS_PER_STEP;
        if !rows.is_empty() {
            let first = self.turn % rows.len();
            rows.rotate_left(first);
        }
        rows.truncate(STREAMS_PER_STEP);
        self.turn = self.turn.wrapping_add(rows.len());
        let mut windows: Vec<(StreamId, u64)> = Vec::new();
        for row in &rows {
            // What the journal has forgotten has its proof, or is too old to get one.
            let oldest = journal.oldest_kept(row.stream).await?;
            let oldest = oldest.unwrap_or(row.tip.batch_count);
            let of_stream = self.windows(row, oldest);
            windows.extend(of_stream.into_iter().map(|from| (row.stream, from)));
        }
        let found: Vec<(StreamId, u64, Vec<BatchProofRecord>)> = stream::iter(windows)
            .map(async |(stream, from)| {
                let proofs = source.batch_proofs(stream, from, WINDOW, head).await?;
                Ok::<_, WalkError>((stream, from, proofs))
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        let mut new = 0;
        for (stream, from, proofs) in found {
            new += take(source, journal, stream, from, proofs).await?;
        }
        let caught_up = rows
            .iter()
            .all(|row| self.older.get(&row.stream).copied().unwrap_or(0) == 0);
        self.asked_at = (all && caught_up && walked).then_some(head);
        Ok(new)
    }

    /// The newest window of a stream, and one of its older ones from batch `oldest` on.
    fn windows(&mut self, row: &StreamRow, oldest: u64) -> Vec<u64> {
        let newest = row.tip.batch_count.saturating_sub(u64::from(WINDOW));
        let older = self.older.entry(row.stream).or_default();
        *older = (*older).max(oldest);
        let mut windows = Vec::new();
        if oldest < row.tip.batch_count {
            windows.push(newest);
        }
        if *older < newest {
            windows.push(*older);
            *older += u64::from(WINDOW);
        }
        if *older >= newest {
            *older = 0;
        }
        windows
    }
}

async fn take(
    source: &impl Source,
    journal: &Journal,
    stream: StreamId,
    from: u64,
    proofs: Vec<BatchProofRecord>,
) -> Result<u64, WalkError> {
    if proofs.is_empty() {
        return Ok(0);
    }
    let known: BTreeSet<u64> = journal
        .known_proofs(stream, from, WINDOW)
        .await?
        .into_iter()
        .collect();
    let mut taken = Vec::new();
    for record in proofs {
        if known.contains(&record.batch_index) {
            continue;
        }
        let batch = journal.batches_from(stream, record.batch_index, 1).await?;
        let Some(batch) = batch
            .first()
            .filter(|b| b.batch_index == record.batch_index)
        else {
            // The walk has not come to its batch yet.
            continue;
        };
        let mut reason = contradiction(&record, batch).map(str::to_owned);
        if reason.is_none()
            && let Some(bytes) = source.proof_bytes(stream, &record).await?
        {
            let matches = |proof: &Vec<u8>| {
                batch_proof_hash(proof) == record.proof_hash
                    && u32::try_from(proof.len()) == Ok(record.bytes)
            };
            if !bytes.iter().any(matches) {
                reason = Some(format!(
                    "block {} holds no proof with the hash that the chain reports",
                    record.block
                ));
            }
        }
        if let Some(reason) = &reason {
            tracing::error!(%stream, batch = record.batch_index, reason, "proof set aside");
        }
        taken.push((stream, record, reason));
    }
    Ok(journal.take_proofs(&taken).await?)
}

/// What a verdict says that its batch does not.
fn contradiction(record: &BatchProofRecord, batch: &BatchCommitment) -> Option<&'static str> {
    if record.batch_id != batch.batch_id {
        Some("the proof names another batch id")
    } else if record.prev_state_root != batch.prev_state_root
        || record.new_state_root != batch.new_state_root
    {
        Some("the proof names other state roots than its batch")
    } else if record.events != batch.leaf_count {
        Some("the proof is not about all events of its batch")
    } else if record.bytes == 0 {
        Some("the proof is empty")
    } else if record.policy.hash() != record.policy_hash {
        Some("the proof's policy hash is not that of its policy")
    } else {
        None
    }
}
