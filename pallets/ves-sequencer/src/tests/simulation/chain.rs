// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Blocks that the real pallets execute, on any state, and what a reader makes of them.

use super::bugs::Bug;
use crate::{Event, mock::*};
use codec::{Decode, Encode};
use polkadot_sdk::{
    frame_support::{pallet_prelude::TransactionSource, traits::Hooks},
    sp_core::H256,
    sp_io::TestExternalities,
    sp_runtime::generic::DigestItem,
};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};
use ves_primitives::{
    BLOCK_COMMITMENT_ENGINE, BlockCommitment, EventId, StreamId, StreamTip, SubmittedEvent, limits,
    sha256,
};

/// Chain time of the first block, milliseconds.
pub(super) const BEGIN_MS: u64 = NOW_MS;

#[derive(Clone, Debug)]
pub(super) enum Call {
    Submit(Rc<Vec<SubmittedEvent>>),
    /// The tenant's admin suspends its agent, or lets it go on.
    Suspend(bool),
}

/// A block as it travels.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) hash: H256,
    pub(super) parent: H256,
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) calls: Vec<Call>,
    /// What its author says comes out.
    pub(super) state_root: H256,
    pub(super) commitment: Option<BlockCommitment>,
}

/// State after a block.
#[derive(Clone)]
pub(super) struct State(Rc<RefCell<TestExternalities>>);

/// What the blocks of a branch say, to someone who only reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Ids in order, by stream.
    pub(super) streams: BTreeMap<StreamId, Vec<EventId>>,
    tips: BTreeMap<StreamId, StreamTip>,
}

/// What came out of a block.
pub(super) struct Executed {
    pub(super) state: State,
    pub(super) state_root: H256,
    pub(super) commitment: Option<BlockCommitment>,
    /// Calls that went in.
    pub(super) calls: Vec<Call>,
    outcomes: Vec<Event<Test>>,
}

/// Hash of a header: of what it is made of.
pub(super) fn hash(
    parent: H256,
    number: u64,
    timestamp: u64,
    executed: &Executed,
    salt: u64,
) -> H256 {
    let root = executed.state_root;
    H256(sha256(
        &(parent, number, timestamp, root, executed.commitment, salt).encode(),
    ))
}

impl State {
    /// Block 1: an agent with a key. Made once: nothing is ever written to it.
    pub(super) fn genesis() -> Self {
        thread_local! {
            static GENESIS: State = State::make_genesis();
        }
        GENESIS.with(Clone::clone)
    }

    fn make_genesis() -> Self {
        let mut chain = new_chain(vec![(TENANT, ADMIN, vec![STORE, OTHER_STORE])]);
        chain.execute_with(|| {
            begin_block(1);
            enrol();
            end_block();
            System::finalize();
        });
        chain.commit_all().expect("no transaction is open");
        Self(Rc::new(RefCell::new(chain)))
    }

    /// Runs something on the state and forgets what it changed.
    fn look<R>(&self, f: impl FnOnce() -> R) -> R {
        let mut state = self.0.borrow_mut();
        let result = state.execute_with(f);
        state.reset_overlay();
        result
    }

    /// The pool's answer, as a node gives it on its best block.
    pub(super) fn ask_pool(
        &self,
        number: u64,
        parent: H256,
        events: &[SubmittedEvent],
    ) -> Result<Vec<Vec<u8>>, String> {
        let events = events.to_vec().try_into().expect("within the limit");
        self.look(|| {
            System::initialize(&(number + 1), &parent, &Default::default());
            Sequencer::authorize_submission(TransactionSource::External, &events)
                .map(|(valid, _)| valid.provides)
                .map_err(|error| format!("{error:?}"))
        })
    }

    /// The pallets' own invariants.
    pub(super) fn check(&self) -> Result<(), String> {
        self.look(|| Sequencer::do_try_state().and_then(|()| Registry::do_try_state()))
            .map_err(|error| format!("the pallets' invariants do not hold: {error:?}"))
    }

    /// Executes a block on this state. Calls that the block cannot take are left out.
    pub(super) fn execute(
        &self,
        parent: H256,
        number: u64,
        timestamp: u64,
        calls: &[Call],
        bug: Option<Bug>,
    ) -> Executed {
        let mut state = self.0.borrow_mut();
        let (state_root, commitment, calls, outcomes) = state.execute_with(|| {
            System::reset_events();
            System::initialize(&number, &parent, &Default::default());
            super::bugs::before_block(bug);
            Sequencer::on_initialize(number);
            Timestamp::set(RuntimeOrigin::none(), timestamp).expect("an inherent");
            next_extrinsic();
            let mut taken = Vec::new();
            for call in calls {
                if apply(call) {
                    taken.push(call.clone());
                    next_extrinsic();
                }
            }
            Sequencer::on_finalize(number);
            Timestamp::on_finalize(number);
            let outcomes = outcomes();
            let header = System::finalize();
            let said = header.digest.logs.iter().find_map(|item| match item {
                DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, bytes) => {
                    Some(BlockCommitment::decode(&mut &bytes[..]).expect("our own encoding"))
                }
                _ => None,
            });
            (header.state_root, said, taken, outcomes)
        });
        let mut after = TestExternalities::new_empty();
        after.backend = state.as_backend();
        state.reset_overlay();
        Executed {
            state: Self(Rc::new(RefCell::new(after))),
            state_root,
            commitment,
            calls,
            outcomes,
        }
    }
}

/// Applies a call as a block does; false if the block cannot take it.
fn apply(call: &Call) -> bool {
    match call {
        Call::Submit(events) => {
            let bounded = events.to_vec().try_into().expect("within the limit");
            let room = Sequencer::authorize_submission(TransactionSource::InBlock, &bounded);
            if room.is_err() {
                return false;
            }
            submit(events);
        }
        Call::Suspend(suspended) => {
            let admin = RuntimeOrigin::signed(ADMIN);
            Registry::set_agent_suspended(admin, TENANT, AGENT, *suspended).expect("it exists");
        }
    }
    true
}

impl Ledger {
    /// Reads a block on top. R2 for this branch: gap-free, each id once, batches chained.
    pub(super) fn read(&self, executed: &Executed) -> Result<Self, String> {
        let mut next = self.clone();
        let mut batches = Vec::new();
        for event in &executed.outcomes {
            match event {
                Event::EventsSequenced {
                    stream_id,
                    first_sequence,
                    event_ids,
                } => {
                    let known = next.streams.entry(*stream_id).or_default();
                    if *first_sequence != known.len() as u64 + 1 {
                        let count = known.len();
                        return Err(format!("sequence {first_sequence} follows {count} events"));
                    }
                    for id in event_ids {
                        if known.contains(id) {
                            return Err(format!("event {id} stands twice on one branch"));
                        }
                        known.push(*id);
                    }
                }
                Event::EventReplayed {
                    stream_id,
                    sequence,
                    event_id,
                } => {
                    let known = next.streams.get(stream_id);
                    let at = usize::try_from(*sequence).expect("few") - 1;
                    if known.and_then(|known| known.get(at)) != Some(event_id) {
                        return Err(format!("event {event_id} is no replay of {sequence}"));
                    }
                }
                Event::BatchCommitted { stream_id, batch } => {
                    let tip = next.tips.get(stream_id).copied();
                    batch
                        .check_continues(&tip.unwrap_or(StreamTip::EMPTY))
                        .map_err(|error| format!("a batch does not chain: {error}"))?;
                    next.tips.insert(*stream_id, batch.tip());
                    batches.push(batch.clone());
                }
                _ => {}
            }
        }
        for (stream, events) in &next.streams {
            let committed = next.tips.get(stream).map_or(0, |tip| tip.sequence);
            if committed != events.len() as u64 {
                return Err(format!(
                    "{committed} of {} events are in batches",
                    events.len()
                ));
            }
        }
        if executed.commitment != BlockCommitment::commit(&batches) {
            return Err("the header commits to other batches".into());
        }
        Ok(next)
    }

    pub(super) fn holds(&self, stream: StreamId, event: &EventId) -> bool {
        self.streams
            .get(&stream)
            .is_some_and(|events| events.contains(event))
    }
}

/// May a node with this clock take a block of this time?
pub(super) const fn timely(timestamp: u64, parent: u64, clock: u64) -> bool {
    // As `pallet_timestamp` has it in `check_inherent`.
    const MAX_DRIFT_MS: u64 = 30_000;
    timestamp > parent && timestamp <= clock + MAX_DRIFT_MS
}

/// Is an event of this moment fresh at this chain time?
pub(super) const fn fresh(created_ms: u64, now_ms: u64) -> bool {
    created_ms + limits::EVENT_WINDOW_MS >= now_ms && created_ms <= now_ms + limits::EVENT_SKEW_MS
}
