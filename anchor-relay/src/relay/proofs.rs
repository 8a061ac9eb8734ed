// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the anchor loop does about proofs. A proof goes with its batch if it is known in time, see
//! `submit`; otherwise here, once the contract holds the batch.

use super::{Hold, MAX_HOLD, anchor::AnchorLoop, submit::Room};
use crate::{
    Point, clock,
    journal::{Item, ItemKind, ProofKey, ProofRow},
    plan::Action,
    sink::{Payload, Refusal, SubmitOutcome, same_proof, same_record},
    view::{Snapshot, TickError},
};
use alloy::primitives::B256;
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::StreamId;

/// Why a proof cannot be anchored.
const OTHER_PROOF: &str = "the contract holds another proof of this batch; somebody else sent it";
const OTHER_PROOF_NOT_CONFIRMED: &str = "the contract holds another proof of this batch at a block \
                                         that is not confirmed yet; set aside once it is";

/// Proofs on their way, or waiting for their block to be confirmed, looked at in one tick.
const CARRIED_AT_ONCE: u32 = 1024;
/// Proofs that may be sent, looked at in one tick, and of these of one stream.
const UNSENT_AT_ONCE: u32 = 512;
const UNSENT_PER_STREAM: u32 = 64;

impl AnchorLoop {
    /// Proofs to mark and proofs to send. Apart: neither those that wait for half an hour until their
    /// block is final, nor those of one stream, keep others from being sent.
    pub(super) async fn open_proofs(
        &mut self,
        snapshot: &Snapshot,
    ) -> Result<Vec<ProofRow>, TickError> {
        let mut rows = self.journal.carried_proofs(CARRIED_AT_ONCE).await?;
        let mut streams = self.journal.streams_with_open_proofs().await?;
        if !streams.is_empty() {
            let first = self.proof_turn % streams.len();
            streams.rotate_left(first);
            self.proof_turn = self.proof_turn.wrapping_add(1);
        }
        let views = snapshot.views.iter();
        let heads: BTreeMap<StreamId, u64> = views
            .map(|view| (view.stream, view.head.sequence))
            .collect();
        let mut left = UNSENT_AT_ONCE;
        for stream in streams {
            if left == 0 {
                break;
            }
            // Without open batches all are in the contract.
            let head = heads.get(&stream).copied().unwrap_or(u64::MAX);
            let limit = left.min(UNSENT_PER_STREAM);
            let found = self.journal.unsent_proofs(stream, head, limit).await?;
            left = left.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            rows.extend(found);
        }
        Ok(rows)
    }

    /// Open proofs of the batches that are to be sent.
    pub(super) async fn proofs_of(&self, actions: &[Action]) -> Result<Vec<ProofRow>, TickError> {
        let mut ranges: BTreeMap<StreamId, (u64, u64)> = BTreeMap::new();
        for action in actions {
            if let Action::Submit { stream, index, .. } = action {
                let range = ranges.entry(*stream).or_insert((*index, *index));
                *range = (range.0.min(*index), range.1.max(*index));
            }
        }
        let mut rows = Vec::new();
        for (stream, (first, last)) in ranges {
            let count = last.saturating_sub(first).saturating_add(1);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let found = self.journal.proofs_from(stream, first, count).await?;
            let open = |row: &ProofRow| !row.anchored && row.set_aside.is_none();
            rows.extend(found.into_iter().filter(open));
        }
        Ok(rows)
    }

    /// Marks, sends or sets aside open proofs. `open`: the contract accepts our transactions. Gives
    /// those that the contract does not hold at the latest block although it holds their batch.
    pub(super) async fn anchor_proofs(
        &mut self,
        snapshot: &Snapshot,
        rows: &[ProofRow],
        open: bool,
        room: &mut Room,
    ) -> Result<BTreeSet<ProofKey>, TickError> {
        let mut absent = BTreeSet::new();
        if rows.is_empty() {
            return Ok(absent);
        }
        let (latest, confirmed) = (snapshot.latest, snapshot.confirmed);
        let batches: Vec<_> = rows.iter().map(|row| &row.batch).collect();
        let held = self.chain.records(&batches, &latest).await?;
        let rows: Vec<&ProofRow> = rows
            .iter()
            .zip(held)
            .filter(|(row, record)| record.timestamp != 0 && same_record(record, &row.batch))
            .map(|(row, _)| row)
            .collect();
        let ids: Vec<B256> = rows
            .iter()
            .map(|row| B256::new(row.batch.batch_id.0))
            .collect();
        let now = self.chain.proofs(&ids, &latest).await?;
        let then = if confirmed == latest {
            now.clone()
        } else {
            self.chain.proofs(&ids, &confirmed).await?
        };
        let mut anchored = Vec::new();
        for ((row, now), then) in rows.into_iter().zip(now).zip(then) {
            match (now, then) {
                (Some(now), then) if !same_proof(&now, &row.record) => {
                    if then.is_some_and(|then| !same_proof(&then, &row.record)) {
                        self.proof_aside(row, OTHER_PROOF).await?;
                    } else if !self.proof_holds.contains_key(&row.key()) {
                        // A reorg may free its place: then it is sent at once. Said once.
                        self.hold_proof(row.key(), OTHER_PROOF_NOT_CONFIRMED);
                    }
                }
                (Some(_), Some(then)) if same_proof(&then, &row.record) => {
                    anchored.push(row.key());
                }
                // Confirmed lags behind the latest block: wait.
                (Some(_), _) => {}
                (None, _) => {
                    absent.insert(row.key());
                    if open && room.transactions > 0 {
                        self.send_proof(row, snapshot, room).await?;
                    }
                }
            }
        }
        if !anchored.is_empty() {
            self.journal
                .mark_proofs(&anchored, &confirmed.checkpoint())
                .await?;
            self.observer.at(Point::ProofAnchored);
            self.shared.proofs_anchored(anchored.len());
            for (stream, index) in &anchored {
                self.proof_holds.remove(&(*stream, *index));
                if self.node_said.remove(stream).is_some() {
                    self.shared.stream_note(*stream, None);
                }
                tracing::info!(%stream, batch = index, "proof anchored");
            }
        }
        Ok(absent)
    }

    async fn send_proof(
        &mut self,
        row: &ProofRow,
        snapshot: &Snapshot,
        room: &mut Room,
    ) -> Result<(), TickError> {
        let key = row.key();
        let item = Item {
            kind: ItemKind::Proof,
            stream: key.0,
            batch_index: key.1,
        };
        let carried = self.journal.carried(key.0, key.1).await?;
        let of_proof: BTreeSet<_> = carried
            .iter()
            .filter(|carried| carried.item == item && carried.stands())
            .map(|carried| carried.item)
            .collect();
        let waits = self
            .proof_holds
            .get(&key)
            .is_some_and(|hold| hold.until > clock::now());
        if !of_proof.is_empty() || waits {
            return Ok(());
        }
        if !self.within_budget().await? {
            room.transactions = 0;
            return Ok(());
        }
        let payload = Payload::Proof(&row.batch, &row.record);
        let outcome = self
            .sender
            .submit(&self.journal, &payload, true, &snapshot.latest, room.used)
            .await?;
        match outcome {
            SubmitOutcome::Sent => {
                room.transactions -= 1;
                self.shared.submitted();
            }
            SubmitOutcome::Pending(error) => {
                tracing::warn!(%error, "proof signed but not sent yet");
                room.transactions = 0;
            }
            SubmitOutcome::FeeAboveLimit(_) => room.transactions = 0,
            SubmitOutcome::GasAboveCap(gas) => {
                self.hold_proof(key, &format!("it needs {gas} gas, above send.gas_cap"));
            }
            SubmitOutcome::Refused(refusal) => {
                self.shared.refused();
                match refusal {
                    Refusal::PermanentProof(_) => {
                        self.proof_aside(row, &refusal.to_string()).await?;
                    }
                    // The gate says the rest at the next tick.
                    Refusal::Paused | Refusal::NotAuthorised | Refusal::WrongContract => {
                        room.transactions = 0;
                    }
                    // Committed or reorged just now: the next look tells.
                    _ => self.hold_proof(key, &refusal.to_string()),
                }
            }
        }
        Ok(())
    }

    async fn proof_aside(&self, row: &ProofRow, reason: &str) -> Result<(), TickError> {
        let (stream, index) = row.key();
        tracing::error!(%stream, batch = index, reason, "proof set aside; others go on");
        self.journal
            .set_proof_aside((stream, index), reason)
            .await?;
        self.shared.conflict();
        Ok(())
    }

    pub(super) fn hold_proof(&mut self, key: ProofKey, why: &str) {
        let poll = self.settings.poll;
        let hold = self.proof_holds.entry(key).or_insert_with(|| Hold {
            until: clock::now(),
            tries: 0,
        });
        let time = poll.saturating_mul(1 << hold.tries.min(16)).min(MAX_HOLD);
        hold.tries = hold.tries.saturating_add(1);
        hold.until = clock::now() + time;
        tracing::warn!(stream = %key.0, batch = key.1, wait = ?time, "proof waits: {why}");
    }
}
