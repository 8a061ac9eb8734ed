// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The decision core: what the contract says plus what is finalized gives the next steps.
//!
//! [`plan`] is a pure function. It holds for any input:
//!
//! 1. A batch is submitted only when it continues what the contract holds or what is in flight
//!    before it: nothing is skipped, streams stay in order.
//! 2. A batch that is in flight or on chain is not submitted again.
//! 3. A batch counts as anchored only when the contract's record, read at the confirmed block,
//!    equals it in every stored field.
//! 4. Nothing follows a stream's first batch before the contract holds it at the confirmed block,
//!    unless the registry has strict genesis. Without it any batch is taken as the first: should the
//!    first one fail, say by a pause or because a reorg lets another relay's second one overtake it,
//!    the hole would stay for good.
//! 5. A stream that cannot go on is named with its reason and does not hold up the others.

use std::fmt;
use ves_primitives::{BatchCommitment, StateRoot, StreamId};

/// Where the contract stands with one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Last sequence of the latest commitment; 0 when there is none.
    pub sequence: u64,
    /// State root of the latest commitment; zero when there is none.
    pub state_root: StateRoot,
}

impl Head {
    /// The contract holds nothing of the stream.
    pub const EMPTY: Self = Self {
        sequence: 0,
        state_root: StateRoot::GENESIS,
    };
}

/// What the contract stores under a batch's id, compared with the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// Not read yet.
    Unknown,
    /// Nothing is stored.
    Absent,
    /// All five stored fields are equal.
    Equal,
    /// At least one stored field differs.
    Different,
}

/// A finalized batch that does not yet count as anchored.
#[derive(Clone, Debug)]
pub struct BatchView {
    /// The batch.
    pub batch: BatchCommitment,
    /// When it was taken over, Unix milliseconds.
    pub taken_ms: u64,
    /// A transaction of ours for it is signed, sent or mined and has not failed.
    pub in_flight: bool,
    /// The contract's record at the latest block.
    pub latest: Record,
    /// The contract's record at the confirmed block.
    pub confirmed: Record,
}

/// One stream as [`plan`] sees it.
#[derive(Clone, Debug)]
pub struct StreamView {
    /// The stream.
    pub stream: StreamId,
    /// May batches be submitted? False for a while after a refusal, see `relay`.
    pub may_submit: bool,
    /// The contract's head at the latest block.
    pub head: Head,
    /// The contract's head at the confirmed block.
    pub confirmed: Head,
    /// Batches that are not anchored yet, in order: the oldest ones without a gap, and without a gap
    /// those from the contract's head on. What lies between, all in the contract, may be left out.
    pub batches: Vec<BatchView>,
}

impl StreamView {
    /// Does the contract keep this batch out at the confirmed block too? Until it does, a reorg may
    /// free the batch's place.
    pub fn conflict_is_confirmed(&self, index: u64) -> bool {
        let mut batches = self.batches.iter();
        let Some(item) = batches.find(|item| item.batch.batch_index == index) else {
            return false;
        };
        let batch = &item.batch;
        let head = self.confirmed;
        if batch.sequence_end <= head.sequence {
            return matches!(item.confirmed, Record::Different | Record::Absent);
        }
        let straddled = batch.sequence_start <= head.sequence;
        let next = batch.sequence_start == head.sequence.saturating_add(1);
        straddled || (next && batch.prev_state_root != head.state_root)
    }
}

/// How much may be submitted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The contract accepts our transactions and we can pay for them.
    pub open: bool,
    /// Transactions that may be added to those in flight.
    pub free: usize,
    /// Transactions of one stream that may be in flight.
    pub per_stream: usize,
    /// The registry itself refuses a batch as the first of a stream that is not.
    pub strict_genesis: bool,
}

/// Why a stream was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// The batch's id is taken by a record with other content.
    Different,
    /// The contract's head is at or past the batch's end, but the batch is not there.
    Missing,
    /// The contract's head is inside the batch's range.
    Straddled,
    /// The contract's head is where the batch starts, with another state root.
    ForeignRoot,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Different => {
                "the contract holds other content under this batch id; somebody else committed it"
            }
            Self::Missing => {
                "the contract's head passed this batch, but the batch is not in the contract; \
                 another sequencer committed a different history"
            }
            Self::Straddled => {
                "the contract's head lies inside this batch's range; another sequencer committed a \
                 different history"
            }
            Self::ForeignRoot => {
                "the contract's state root is not the one this batch continues; another sequencer \
                 committed a different history"
            }
        })
    }
}

/// One thing to do. `index` is the batch's number within its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the contract's record of the batch, then plan again.
    Compare {
        /// The stream.
        stream: StreamId,
        /// The batch.
        index: u64,
    },
    /// The batch is in the contract for good.
    Anchored {
        /// The stream.
        stream: StreamId,
        /// The batch.
        index: u64,
    },
    /// Send `commitBatch`.
    Submit {
        /// The stream.
        stream: StreamId,
        /// The batch.
        index: u64,
        /// Its predecessor is in the contract, so a simulation tells the truth.
        simulate: bool,
    },
    /// Batches believed anchored are gone from the contract: take them up again.
    Reopen {
        /// The stream.
        stream: StreamId,
        /// Every batch that starts after this sequence is not anchored.
        above: u64,
    },
    /// Set the stream aside and raise the alarm.
    Quarantine {
        /// The stream.
        stream: StreamId,
        /// The batch that cannot be anchored.
        index: u64,
        /// Why.
        reason: Conflict,
    },
}

impl Action {
    /// The stream it is about.
    pub const fn stream(&self) -> StreamId {
        match self {
            Self::Compare { stream, .. }
            | Self::Anchored { stream, .. }
            | Self::Submit { stream, .. }
            | Self::Reopen { stream, .. }
            | Self::Quarantine { stream, .. } => *stream,
        }
    }
}

/// What one stream needs: steps to take now, then batches in the order to submit them.
struct StreamPlan {
    stream: StreamId,
    submit: Vec<(u64, bool)>,
}

/// Decides the next steps. Steps other than [`Action::Submit`] come first; submissions go round
/// the streams, one batch each, until `limits.free` is used up.
pub fn plan(streams: &[StreamView], limits: Limits) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut plans: Vec<StreamPlan> = streams
        .iter()
        .map(|view| plan_stream(view, limits, &mut actions))
        .collect();
    if !limits.open {
        return actions;
    }
    let mut free = limits.free;
    let mut round = 0usize;
    loop {
        let mut any = false;
        for plan in &mut plans {
            let Some((index, simulate)) = plan.submit.get(round).copied() else {
                continue;
            };
            if free == 0 {
                return actions;
            }
            free -= 1;
            any = true;
            actions.push(Action::Submit {
                stream: plan.stream,
                index,
                simulate,
            });
        }
        if !any {
            return actions;
        }
        round += 1;
    }
}

fn plan_stream(view: &StreamView, limits: Limits, actions: &mut Vec<Action>) -> StreamPlan {
    let stream = view.stream;
    let mut out = StreamPlan {
        stream,
        submit: Vec::new(),
    };
    let head = view.head;
    let mut anchored_so_far = true;
    let mut before = None;
    // Where the stream stands once everything in flight has landed.
    let mut reached = head;
    // From the first batch that is not in flight on, only submissions follow.
    let mut submitting = false;
    let mut in_flight = 0usize;
    for (position, item) in view.batches.iter().enumerate() {
        let batch = &item.batch;
        let index = batch.batch_index;
        // What was left out is not anchored, so nothing after it is.
        anchored_so_far &= before.is_none_or(|before: u64| index == before.saturating_add(1));
        before = Some(index);
        if batch.sequence_end <= head.sequence {
            match item.latest {
                Record::Unknown => {
                    actions.push(Action::Compare { stream, index });
                    anchored_so_far = false;
                }
                Record::Equal => {
                    let past = batch.sequence_end <= view.confirmed.sequence;
                    match item.confirmed {
                        Record::Equal if past && anchored_so_far => {
                            actions.push(Action::Anchored { stream, index });
                        }
                        Record::Unknown if past => {
                            actions.push(Action::Compare { stream, index });
                            anchored_so_far = false;
                        }
                        // Confirmed lags behind the latest block: wait.
                        _ => anchored_so_far = false,
                    }
                }
                Record::Different => {
                    actions.push(quarantine(view, index, Conflict::Different));
                    return out;
                }
                Record::Absent => {
                    actions.push(quarantine(view, index, Conflict::Missing));
                    return out;
                }
            }
            continue;
        }
        if batch.sequence_start <= head.sequence {
            actions.push(quarantine(view, index, Conflict::Straddled));
            return out;
        }
        if item.in_flight {
            if submitting {
                // A predecessor failed while this one was in flight: this one fails too. Wait for
                // that, so that transactions of a stream are never out of order.
                out.submit.clear();
                return out;
            }
            in_flight += 1;
            reached = Head {
                sequence: batch.sequence_end,
                state_root: batch.new_state_root,
            };
            continue;
        }
        if batch.sequence_start != reached.sequence.saturating_add(1) {
            // Only the first open batch can find the head behind its predecessor.
            if position == 0 && in_flight == 0 {
                actions.push(Action::Reopen {
                    stream,
                    above: head.sequence,
                });
            }
            return out;
        }
        if batch.prev_state_root != reached.state_root {
            if reached == head {
                actions.push(quarantine(view, index, Conflict::ForeignRoot));
            }
            return out;
        }
        let simulate = reached.sequence == head.sequence;
        submitting = true;
        let behind_the_first =
            !limits.strict_genesis && view.confirmed == Head::EMPTY && reached != Head::EMPTY;
        let room = in_flight + out.submit.len() < limits.per_stream;
        if view.may_submit && room && !behind_the_first {
            out.submit.push((index, simulate));
        }
        reached = Head {
            sequence: batch.sequence_end,
            state_root: batch.new_state_root,
        };
    }
    out
}

const fn quarantine(view: &StreamView, index: u64, reason: Conflict) -> Action {
    Action::Quarantine {
        stream: view.stream,
        index,
        reason,
    }
}
