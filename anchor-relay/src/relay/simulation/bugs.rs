// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Relays with a bug each, made by what is around the relay's code: its node, its settings, its
//! journal. The simulation must find every one.

use super::{KEYS, Settings, world::World};
use crate::{
    journal::Journal,
    sink::{Confirmation, Key},
};
use rand::Rng;
use std::time::Duration;

/// A bug to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// The best block passes for the finalized one.
    FinalityIgnored,
    /// The batches of a block are passed over.
    BlockSkipped,
    /// A transaction reaches the network before the journal: a stop in between loses it there.
    JournalledAfterwards,
    /// What is in flight is forgotten, its nonce is used again.
    NonceReused,
    /// Two relays have one key.
    KeyShared,
    /// The daily budget is not kept.
    BudgetIgnored,
    /// What is in the latest block counts as anchored.
    ConfirmedAtOnce,
    /// What nodes lose is not sent again.
    NeverSentAgain,
}

impl Bug {
    pub(super) const ALL: [Self; 8] = [
        Self::FinalityIgnored,
        Self::BlockSkipped,
        Self::JournalledAfterwards,
        Self::NonceReused,
        Self::KeyShared,
        Self::BudgetIgnored,
        Self::ConfirmedAtOnce,
        Self::NeverSentAgain,
    ];

    /// Is this what the bug leads to, and not something else?
    pub(super) fn explains(self, violation: &str) -> bool {
        let says = |words: &[&str]| words.iter().any(|words| violation.contains(words));
        match self {
            Self::FinalityIgnored => says(&["not a final batch", "halted", "not final"]),
            Self::BlockSkipped => says(&["not everything is anchored"]),
            Self::JournalledAfterwards | Self::NonceReused | Self::KeyShared => {
                says(&["carried two calls", "there already"])
            }
            Self::BudgetIgnored => says(&["budget"]),
            Self::ConfirmedAtOnce => says(&["counts as anchored and is not"]),
            Self::NeverSentAgain => says(&["not everything is anchored"]),
        }
    }
}

pub(super) fn key(number: usize, bug: Option<Bug>) -> Key {
    let number = if bug == Some(Bug::KeyShared) {
        0
    } else {
        number
    };
    Key::from_hex(KEYS[number], "simulation").unwrap()
}

/// How many relays run.
pub(super) fn relays(world: &mut World, bug: Option<Bug>) -> usize {
    let two = world.rng.gen_bool(0.3);
    match bug {
        Some(Bug::KeyShared) => 2,
        // A second relay would do what the first one leaves undone.
        Some(_) => 1,
        None => 1 + usize::from(two),
    }
}

/// Makes sure that the bug can show.
pub(super) fn mark(world: &mut World, bug: Option<Bug>) {
    if bug == Some(Bug::ConfirmedAtOnce) {
        world.confirmation = Confirmation::Finalized;
    }
    if bug == Some(Bug::BudgetIgnored) {
        world.actors[0].budget = Some(10_000);
    }
}

pub(super) fn misconfigure(settings: &mut Settings, bug: Option<Bug>) {
    match bug {
        Some(Bug::BudgetIgnored) => settings.daily_budget_gwei = None,
        Some(Bug::ConfirmedAtOnce) => settings.confirmation = Confirmation::Blocks(1),
        Some(Bug::NeverSentAgain) => {
            settings.send.bump_after = Duration::from_secs(u64::MAX / 2000);
        }
        _ => {}
    }
}

pub(super) async fn on_restart(journal: &Journal, bug: Option<Bug>) {
    if bug == Some(Bug::JournalledAfterwards) {
        let last = "DELETE FROM sends WHERE state IN ('signed', 'sent') \
                    AND nonce = (SELECT MAX(nonce) FROM sends)";
        journal.tamper(last).await.unwrap();
    }
}

pub(super) async fn before_look(journal: &Journal, bug: Option<Bug>) {
    if bug == Some(Bug::NonceReused) {
        let forget = "DELETE FROM sends WHERE state IN ('signed', 'sent')";
        journal.tamper(forget).await.unwrap();
    }
}
