// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Chains and nodes with a bug each. The simulation must find every one.

use crate::{Commands, Events, Memory, Tips, mock::*};
use ves_primitives::StateRoot;

/// A bug to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Events that stand in the chain are not remembered.
    MemoryLost,
    /// A sequence is passed over.
    SequenceSkipped,
    /// A batch does not continue the one before.
    RootLost,
    /// Importing nodes execute calls in an order of their own.
    OrderOfItsOwn,
    /// Importing nodes execute a block on their best block's state.
    StateOfTheBest,
    /// Importing nodes take the time of their own clock.
    ClockOfItsOwn,
    /// What stood in a block is not submitted again, whether a re-org took it back or not.
    NotSubmittedAgain,
    /// Nodes follow a longer chain past a final block.
    FinalityForgotten,
}

impl Bug {
    pub(super) const ALL: [Self; 8] = [
        Self::MemoryLost,
        Self::SequenceSkipped,
        Self::RootLost,
        Self::OrderOfItsOwn,
        Self::StateOfTheBest,
        Self::ClockOfItsOwn,
        Self::NotSubmittedAgain,
        Self::FinalityForgotten,
    ];

    /// Is this what the bug leads to, and not something else?
    pub(super) fn explains(self, violation: &str) -> bool {
        let says = |words: &[&str]| words.iter().any(|words| violation.contains(words));
        match self {
            // The pool may notice before a block does.
            Self::MemoryLost => says(&["stands twice", "that its chain holds"]),
            // Or, if no event came after it, the pallets' own invariants.
            Self::SequenceSkipped => says(&["follows", "invariants"]),
            Self::RootLost => says(&["does not chain", "invariants"]),
            Self::OrderOfItsOwn | Self::StateOfTheBest | Self::ClockOfItsOwn => {
                says(&["comes out other"])
            }
            Self::NotSubmittedAgain => says(&["never became final"]),
            Self::FinalityForgotten => says(&["left a final block"]),
        }
    }
}

/// What a faulty runtime does to its state.
pub(super) fn before_block(bug: Option<Bug>) {
    match bug {
        Some(Bug::MemoryLost) => {
            let _ = Events::<Test>::clear(u32::MAX, None);
            let _ = Commands::<Test>::clear(u32::MAX, None);
            let _ = Memory::<Test>::clear(u32::MAX, None);
        }
        Some(Bug::SequenceSkipped) => {
            Tips::<Test>::translate_values(|mut tip: ves_primitives::StreamTip| {
                tip.sequence += 1;
                Some(tip)
            });
        }
        Some(Bug::RootLost) => {
            Tips::<Test>::translate_values(|mut tip: ves_primitives::StreamTip| {
                tip.state_root = StateRoot([9; 32]);
                Some(tip)
            });
        }
        _ => {}
    }
}
