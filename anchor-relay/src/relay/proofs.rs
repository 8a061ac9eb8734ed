// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the anchor loop does about proofs. A proof goes with its batch if it is known in time, see
//! `submit`; otherwise here, once the contract holds the batch.

use super::{Hold, MAX_HOLD, anchor::AnchorLoop, submit::Room};
use crate::{
    Point, clock,
    journal::{Item, ItemKind, ProofKey, ProofRow},
    sink::{Payload, Refusal, SubmitOutcome, same_proof, same_record},
    view::{Snapshot, TickError},
};
use alloy::primitives::B256;
use std::collections::BTreeSet;

/// Why a proof cannot be anchored.
const OTHER_PROOF: &str = "the contract holds another proof of this batch; somebody else sent it";

impl AnchorLoop {
    /// Marks, sends or sets aside open proofs. `open`: the contract accepts our transactions.
    pub(super) async fn anchor_proofs(
        &mut self,
        snapshot: &Snapshot,
        rows: &[ProofRow],
        open: bool,
        room: &mut Room,
    ) -> Result<(), TickError> {
        if rows.is_empty() {
            return Ok(());
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
                (Some(now), _) if !same_proof(&now, &row.record) => {
                    self.proof_aside(row, OTHER_PROOF).await?;
                }
                (Some(_), Some(then)) if same_proof(&then, &row.record) => {
                    anchored.push(row.key());
                }
                // Confirmed lags behind the latest block: wait.
                (Some(_), _) => {}
                (None, _) if open && room.transactions > 0 => {
                    self.send_proof(row, snapshot, room).await?
                }
                (None, _) => {}
            }
        }
        if !anchored.is_empty() {
            self.journal.mark_proofs(&anchored, true).await?;
            self.observer.at(Point::ProofAnchored);
            self.shared.proofs_anchored(anchored.len());
            for (stream, index) in &anchored {
                self.proof_holds.remove(&(*stream, *index));
                tracing::info!(%stream, batch = index, "proof anchored");
            }
        }
        Ok(())
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

    fn hold_proof(&mut self, key: ProofKey, why: &str) {
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
