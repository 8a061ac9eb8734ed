// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the anchor loop does about batches: anchored, reopened, set aside, sent alone or together.

use super::anchor::AnchorLoop;
use crate::{
    Point, clock,
    journal::{JournalError, ProofRow, now_ms},
    plan::{Action, Conflict},
    sink::{Block, ChainError, Payload, Refusal, SetRegistry, SubmitOutcome, same_record},
    view::{Snapshot, TickError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use ves_primitives::{BatchCommitment, StreamId};

/// How long the batches of a stream go alone after a shared transaction failed.
const ALONE: Duration = Duration::from_secs(600);

/// What may still be sent in this tick.
pub(super) struct Room {
    /// Transactions.
    pub(super) transactions: usize,
    /// Our transaction count at the latest block.
    pub(super) used: u64,
    /// Batches per transaction that the balance pays for.
    pub(super) affordable: usize,
}

/// What became of one transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// On its way.
    Sent,
    /// Nothing was sent for these batches; their streams wait.
    Held,
    /// Nothing more should be sent in this tick.
    Stop,
}

/// Batches that will share a transaction.
#[derive(Default)]
struct Group<'a> {
    batches: Vec<(&'a BatchCommitment, bool)>,
    streams: BTreeSet<StreamId>,
    /// Every predecessor is in the contract or in the group: a simulation tells the truth.
    simulate: bool,
}

impl<'a> Group<'a> {
    fn push(&mut self, batch: &'a BatchCommitment, simulate: bool) {
        if self.batches.is_empty() {
            self.simulate = true;
        }
        // Only the first batch of a stream can have its predecessor outside.
        if self.streams.insert(batch.stream_id()) {
            self.simulate &= simulate;
        }
        self.batches.push((batch, simulate));
    }
}

impl AnchorLoop {
    pub(super) async fn apply(
        &mut self,
        snapshot: &Snapshot,
        actions: &[Action],
        proofs: &[ProofRow],
        room: &mut Room,
    ) -> Result<(), TickError> {
        let anchored: Vec<(StreamId, u64)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Anchored { stream, index } => Some((*stream, *index)),
                _ => None,
            })
            .collect();
        if !anchored.is_empty() {
            self.journal
                .mark_anchored(&anchored, &snapshot.confirmed.checkpoint())
                .await?;
            self.observer.at(Point::Anchored);
            self.shared.anchored(anchored.len());
            for (stream, index) in &anchored {
                self.holds.remove(stream);
                self.node_said.remove(stream);
                self.shared.stream_note(*stream, None);
                tracing::info!(%stream, batch = index, "anchored");
            }
        }
        let mut suspects = BTreeMap::new();
        for action in actions {
            match action {
                Action::Reopen { stream, above } => {
                    let count = self.journal.reopen(*stream, *above).await?;
                    tracing::warn!(%stream, above, count, "the contract lost batches, again");
                    if count == 0 {
                        // The journal has nothing that closes the gap: it was final and is forgotten.
                        let why = "the contract lost batches that the journal has forgotten; if it \
                                   stays so, start with a new journal";
                        self.hold(*stream, why);
                    }
                }
                Action::Quarantine {
                    stream,
                    index,
                    reason,
                } => {
                    // A reorg between two reads of one look shows what never was: not every node
                    // refuses to answer about a block that is gone. The next look tells.
                    let confirmed = snapshot.conflict_is_confirmed(*stream, *index);
                    let suspect = (*index, *reason, confirmed);
                    let before = self.suspects.get(stream).copied();
                    if confirmed && before == Some(suspect) {
                        self.quarantine(*stream, *index, &reason.to_string())
                            .await?;
                        continue;
                    }
                    let known = before.is_some_and(|(at, why, _)| (at, why) == (*index, *reason));
                    if !confirmed && !known {
                        self.contested(*stream, *index, *reason);
                    }
                    suspects.insert(*stream, suspect);
                }
                Action::Anchored { .. } | Action::Compare { .. } | Action::Submit { .. } => {}
            }
        }
        self.suspects = suspects;
        self.submit_all(snapshot, actions, proofs, room).await
    }

    async fn submit_all(
        &mut self,
        snapshot: &Snapshot,
        actions: &[Action],
        proofs: &[ProofRow],
        room: &mut Room,
    ) -> Result<(), TickError> {
        let now = clock::now();
        self.alone.retain(|_, until| *until > now);
        let proofs: BTreeMap<_, _> = proofs.iter().map(|row| (row.key(), row)).collect();
        let proof_wait = u64::try_from(self.settings.proof_wait.as_millis()).unwrap_or(u64::MAX);
        let failures = self.journal.failures().await?;
        // Streams of which nothing more is sent in this tick: their successors would fail.
        let mut stopped = BTreeSet::new();
        let mut group = Group::default();
        for action in actions {
            let Action::Submit {
                stream,
                index,
                simulate,
            } = action
            else {
                continue;
            };
            if stopped.contains(stream) {
                continue;
            }
            let Some(item) = snapshot.batch(*stream, *index) else {
                continue;
            };
            let batch = &item.batch;
            let proof = proofs.get(&(*stream, *index));
            let reverts = failures.get(&(*stream, *index)).copied().unwrap_or(0);
            let early = now_ms().saturating_sub(item.taken_ms) < proof_wait;
            if (proof.is_none() && early) || self.reverted_before(batch, reverts) {
                stopped.insert(*stream);
                continue;
            }
            let single = proof.is_some()
                || self.alone.contains_key(stream)
                || self.holds.contains_key(stream)
                || room.affordable < 2;
            if !single {
                group.push(batch, *simulate);
                if group.batches.len() < room.affordable {
                    continue;
                }
            }
            // A batch that goes alone must not overtake its predecessor in the group.
            if !self
                .flush(std::mem::take(&mut group), snapshot, room, &mut stopped)
                .await?
            {
                return Ok(());
            }
            if single && !stopped.contains(stream) {
                let payload = match proof {
                    Some(proof) => Payload::Proven(batch, &proof.record),
                    None => Payload::Batch(batch),
                };
                match self
                    .submit(batch, &payload, *simulate, snapshot, room)
                    .await?
                {
                    Outcome::Sent => {}
                    Outcome::Held => {
                        stopped.insert(*stream);
                    }
                    Outcome::Stop => return Ok(()),
                }
            }
        }
        self.flush(group, snapshot, room, &mut stopped).await?;
        Ok(())
    }

    /// Sends a group; false when nothing more should be sent in this tick.
    async fn flush(
        &mut self,
        group: Group<'_>,
        snapshot: &Snapshot,
        room: &mut Room,
        stopped: &mut BTreeSet<StreamId>,
    ) -> Result<bool, TickError> {
        if group.batches.len() > 1 {
            if room.transactions == 0 || !self.within_budget().await? {
                return Ok(false);
            }
            let batches = group.batches.iter().map(|(batch, _)| *batch).collect();
            let payload = Payload::Batches(batches);
            let sent = self
                .sender
                .submit(
                    &self.journal,
                    &payload,
                    group.simulate,
                    &snapshot.latest,
                    room.used,
                )
                .await?;
            match sent {
                SubmitOutcome::Sent => {
                    room.transactions -= 1;
                    self.shared.submitted();
                    return Ok(true);
                }
                SubmitOutcome::Pending(error) => {
                    tracing::warn!(%error, "signed but not sent yet");
                    self.shared.anchor_error(&error.to_string());
                    return Ok(false);
                }
                SubmitOutcome::FeeAboveLimit(_) => return Ok(false),
                // One of them is at fault: each alone tells which.
                SubmitOutcome::GasAboveCap(_) | SubmitOutcome::Refused(_) => {
                    self.shared.refused();
                }
            }
        }
        for (batch, simulate) in group.batches {
            if stopped.contains(&batch.stream_id()) {
                continue;
            }
            let payload = Payload::Batch(batch);
            match self
                .submit(batch, &payload, simulate, snapshot, room)
                .await?
            {
                Outcome::Sent => {}
                Outcome::Held => {
                    stopped.insert(batch.stream_id());
                }
                Outcome::Stop => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn quarantine(
        &self,
        stream: StreamId,
        index: u64,
        reason: &str,
    ) -> Result<(), JournalError> {
        let text = format!("batch {index}: {reason}");
        tracing::error!(%stream, batch = index, reason, "stream set aside; others go on");
        self.journal.quarantine(stream, &text).await?;
        self.shared.conflict();
        Ok(())
    }

    /// A batch that the latest block keeps out waits, and the operator is told: the plan sends it when
    /// a reorg frees its place.
    fn contested(&self, stream: StreamId, index: u64, reason: Conflict) {
        let why = unconfirmed(index, reason);
        tracing::warn!(%stream, batch = index, "waiting with this stream: {why}");
        self.shared.stream_note(stream, Some(&why));
    }

    /// Does the contract hold other content under the batch's id at this block?
    async fn differs(&self, batch: &BatchCommitment, at: &Block) -> Result<bool, TickError> {
        let records = match self.chain.records(&[batch], at).await {
            Ok(records) => records,
            // Before the contract was deployed.
            Err(ChainError::NoCode) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let other = |r: &SetRegistry::BatchRecord| r.timestamp != 0 && !same_record(r, batch);
        Ok(records.iter().any(other))
    }

    /// Submits one batch, perhaps with its proof.
    async fn submit(
        &mut self,
        batch: &BatchCommitment,
        payload: &Payload<'_>,
        simulate: bool,
        snapshot: &Snapshot,
        room: &mut Room,
    ) -> Result<Outcome, TickError> {
        if room.transactions == 0 || !self.within_budget().await? {
            return Ok(Outcome::Stop);
        }
        let stream = batch.stream_id();
        let index = batch.batch_index;
        let outcome = self
            .sender
            .submit(
                &self.journal,
                payload,
                simulate,
                &snapshot.latest,
                room.used,
            )
            .await?;
        match outcome {
            SubmitOutcome::Sent => {
                room.transactions -= 1;
                self.shared.submitted();
                Ok(Outcome::Sent)
            }
            SubmitOutcome::Pending(error) => {
                tracing::warn!(%stream, batch = index, %error, "signed but not sent yet");
                self.shared.anchor_error(&error.to_string());
                Ok(Outcome::Stop)
            }
            SubmitOutcome::FeeAboveLimit(_) => Ok(Outcome::Stop),
            SubmitOutcome::GasAboveCap(gas) => {
                self.hold(
                    stream,
                    &format!("batch {index} needs {gas} gas, above send.gas_cap"),
                );
                Ok(Outcome::Held)
            }
            SubmitOutcome::Refused(refusal) => self.refused(batch, snapshot, refusal).await,
        }
    }

    /// Transactions with this batch failed on chain before: wait longer each time.
    fn reverted_before(&mut self, batch: &BatchCommitment, reverts: u32) -> bool {
        let stream = batch.stream_id();
        if reverts > 0 {
            // Whichever batch was at fault: alone it harms no other.
            self.alone.insert(stream, clock::now() + ALONE);
        }
        let known = self.holds.get(&stream).map_or(0, |hold| hold.tries);
        if reverts <= known {
            return false;
        }
        let mut why = format!("batch {} failed {reverts} times", batch.batch_index);
        if let Some(words) = self.node_said.get(&stream) {
            why = format!("{why}; {words}");
        }
        self.hold(stream, &why);
        true
    }

    async fn refused(
        &mut self,
        batch: &BatchCommitment,
        snapshot: &Snapshot,
        refusal: Refusal,
    ) -> Result<Outcome, TickError> {
        let stream = batch.stream_id();
        self.shared.refused();
        match refusal {
            Refusal::AlreadyCommitted => {
                if !self.differs(batch, &snapshot.latest).await? {
                    self.hold(stream, "somebody committed the batch just now");
                } else if self.differs(batch, &snapshot.confirmed).await? {
                    let reason = Conflict::Different.to_string();
                    self.quarantine(stream, batch.batch_index, &reason).await?;
                } else {
                    let why = unconfirmed(batch.batch_index, Conflict::Different);
                    self.hold(stream, &why);
                }
                Ok(Outcome::Held)
            }
            Refusal::Permanent(_) => {
                self.quarantine(stream, batch.batch_index, &refusal.to_string())
                    .await?;
                Ok(Outcome::Held)
            }
            // The gate says the rest at the next tick.
            Refusal::Paused | Refusal::NotAuthorised | Refusal::WrongContract => Ok(Outcome::Stop),
            Refusal::SequenceGap { .. }
            | Refusal::StateRootMismatch
            | Refusal::NotStreamSubmitter
            | Refusal::PermanentProof(_)
            | Refusal::BatchNotCommitted
            | Refusal::ProofAlreadyCommitted
            | Refusal::Unknown(_) => {
                self.hold(stream, &refusal.to_string());
                Ok(Outcome::Held)
            }
        }
    }
}

/// What the operator reads while a conflict may still go with a reorg.
fn unconfirmed(index: u64, reason: Conflict) -> String {
    format!("batch {index}: {reason}; that block is not confirmed yet, set aside once it is")
}
