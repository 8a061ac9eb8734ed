// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What must be refused was: blocks of a wrong clock, and a node of another chain.

use super::{Findings, Rule};
use crate::history::History;

/// Clocks that are off by more make no block that others take; up to a slot or two they do.
const FAR_S: i64 = 10;
/// In so many turns a validator whose clock is fast has offered a block.
const JUDGED_TURNS: u32 = 3;

/// R3: neither a block from another time nor a node of another chain is a part of this one. Where nothing was
/// refused that should have been, nothing was shown.
pub(super) fn all(history: &History, findings: &mut Findings) {
    for skew in &history.verdicts.skews {
        let (seed, node, off) = (skew.seed, &skew.node, skew.offset_s);
        if off.abs() < FAR_S {
            continue;
        }
        if skew.in_chain > 0 {
            let blocks = skew.in_chain;
            findings.add(
                Rule::R3,
                format!("seed {seed}: {blocks} blocks of {node} are final, whose clock was off by {off} s"),
            );
        }
        // One whose clock is slow makes blocks that follow none, or none at all.
        if off > 0 && skew.turns >= JUDGED_TURNS && skew.refused == 0 {
            let turns = skew.turns;
            findings.add(
                Rule::Empty,
                format!("seed {seed}: nobody refused a block of {node} in {turns} turns, whose clock was {off} s fast"),
            );
        }
    }
    for stranger in &history.verdicts.strangers {
        let seed = stranger.seed;
        if stranger.same_genesis || stranger.looks == 0 {
            findings.add(
                Rule::Empty,
                format!("seed {seed}: there was no node of another chain to refuse"),
            );
        }
        if stranger.peers_most > 0 {
            let peers = stranger.peers_most;
            findings.add(
                Rule::R3,
                format!("seed {seed}: {peers} nodes took one of another chain for a peer"),
            );
        }
    }
}
