// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Two of four validators are gone for ever, and sessions are as long as in production: how long it takes until
//! the council's new set finalizes. Every block is made, by the clock of a chain that finalizes nothing.
//! With real nodes and short sessions: `tests/polkadotjs/recovery.mjs`.

use crate::blocks::{Chain, FOUNDERS, add_as, executed};
use codec::Decode;
use polkadot_sdk::{
    sp_consensus_grandpa::{ConsensusLog, GRANDPA_ENGINE_ID},
    sp_runtime::DigestItem,
};
use ves_finality::testing::Validator;
use ves_runtime::{AccountId, Header, RuntimeCall, SLOT_DURATION_MS};

/// What `consortium-spec` gives a chain that says nothing else.
const SESSION_BLOCKS: u32 = 300;
/// Most slots that pass without a block on a chain that finalizes nothing, as the node has it.
const MOST_SLOTS: u64 = 4;
/// Blocks of a decision of the council: a proposal, votes, the close, and one more for luck.
const DECISION_BLOCKS: u32 = 4;
/// How far the validators of the new set might reorganise.
const DELAY: u32 = 8;
/// What docs/OPERATIONS.md promises (VesFinalityStalled).
const PROMISED_MINUTES: u64 = 130;

/// A forced change in a block: the number of its new authorities, and its delay.
fn forced(head: &Header) -> Option<(usize, u32)> {
    head.digest.logs().iter().find_map(|log| match log {
        DigestItem::Consensus(GRANDPA_ENGINE_ID, data) => {
            match ConsensusLog::<u32>::decode(&mut &data[..]).unwrap() {
                ConsensusLog::ForcedChange(_, change) => {
                    Some((change.next_authorities.len(), change.delay))
                }
                _ => None,
            }
        }
        _ => None,
    })
}

/// A decision, with the blocks that it takes beside the one in which everything of it stands here.
fn decided(chain: &mut Chain, call: impl Into<RuntimeCall>) {
    assert!(executed(&chain.decide(3, call)));
    for _ in 1..DECISION_BLOCKS {
        chain.block(vec![]);
    }
}

/// Minutes and blocks from the council's begin, so many blocks into a session, until the new set's votes count.
fn recovered_after(into_session: u32) -> (u64, u32) {
    let mut chain = Chain::with_sessions(SESSION_BLOCKS);
    chain.gone = FOUNDERS[2..]
        .iter()
        .map(|(who, _)| who.to_account_id())
        .collect();
    // Nothing has been final for so long that blocks come as slowly as they ever do.
    chain.pace = MOST_SLOTS + 1;
    while chain.head.number % SESSION_BLOCKS != into_session {
        chain.block(vec![]);
    }
    let (slot, number) = (chain.slot, chain.head.number);
    let newcomers: Vec<AccountId> = [4, 5]
        .map(|n| {
            let account = add_as(&mut chain, Validator(n));
            for _ in 1..DECISION_BLOCKS {
                chain.block(vec![]);
            }
            account
        })
        .into();
    for validator in chain.gone.clone() {
        decided(
            &mut chain,
            pallet_consortium::Call::remove_validator { validator },
        );
    }
    let best_finalized = 1;
    decided(
        &mut chain,
        pallet_consortium::Call::recover_finality {
            delay: DELAY,
            best_finalized,
        },
    );
    while forced(&chain.head).is_none() {
        assert!(
            chain.head.number - number < 3 * SESSION_BLOCKS,
            "no forced change"
        );
        chain.block(vec![]);
    }
    assert_eq!(forced(&chain.head), Some((4, DELAY)));
    let set = chain.set();
    assert!(newcomers.iter().all(|account| set.contains(account)));
    assert!(chain.gone.iter().all(|account| !set.contains(account)));
    for _ in 0..DELAY {
        chain.block(vec![]);
    }
    let minutes = (chain.slot - slot) * SLOT_DURATION_MS / 60_000;
    (minutes, chain.head.number - number)
}

#[test]
fn the_new_set_takes_over_in_the_time_that_operators_are_told_wherever_the_session_stands() {
    // Just begun, in the midst, and so late that the order falls into the next one.
    let found = [0, 150, SESSION_BLOCKS - 12].map(|at| (at, recovered_after(at)));
    for (at, (minutes, blocks)) in found {
        println!("begun {at} blocks into a session: {minutes} minutes, {blocks} blocks");
        assert!(minutes <= PROMISED_MINUTES, "{at}: {minutes} minutes");
        assert!(blocks >= SESSION_BLOCKS, "{at}: {blocks} blocks");
    }
    let longest = found.iter().map(|(_, (minutes, _))| minutes).max();
    assert!(longest.is_some_and(|minutes| *minutes > 60), "{found:?}");
}

/// The pace above is the node's, and the promise is the manual's.
#[test]
fn operators_are_told_the_time_that_was_walked_at_the_pace_of_nodes() {
    let node = include_str!("../../../node/src/back_off.rs");
    let pace = format!("const MOST_SLOTS: BlockNumber = {MOST_SLOTS};");
    assert!(node.lines().any(|line| line == pace), "{pace}");
    let manual = include_str!("../../../docs/OPERATIONS.md");
    let (hours, minutes) = (PROMISED_MINUTES / 60, PROMISED_MINUTES % 60);
    let promise = format!("within {hours} hours and {minutes} minutes");
    assert!(manual.contains(&promise), "{promise}");
}
