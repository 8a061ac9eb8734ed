// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Whether readers should be sent to this node, and why not. Pure: `health.rs` looks and answers.

use serde::Serialize;

/// Blocks that the event store may be behind finality: a minute of them, from where the alert
/// `VesEventStoreBehind` counts too.
const STORE_LAG: u32 = 30;
/// Blocks that finality may be behind the best block; as `VesFinalityStalled`. It is 2 to 3 as a rule.
const FINALITY_LAG: u32 = 30;
/// Seconds without a new block. Longer than validators that slow down, or fail in a row, leave between two.
const BLOCK_AGE: u64 = 60;

/// What still counts as ready.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Limits {
    /// Blocks that the event store may be behind finality before `/ready` says no.
    #[arg(
        long = "ready-store-lag",
        value_name = "BLOCKS",
        default_value_t = STORE_LAG,
        requires = "health"
    )]
    pub(crate) store_lag: u32,

    /// Blocks that finality may be behind the best block before `/ready` says no.
    #[arg(
        long = "ready-finality-lag",
        value_name = "BLOCKS",
        default_value_t = FINALITY_LAG,
        requires = "health"
    )]
    pub(crate) finality_lag: u32,

    /// Age of the best block from which `/ready` says no.
    #[arg(
        long = "ready-block-age",
        value_name = "SECONDS",
        default_value_t = BLOCK_AGE,
        requires = "health"
    )]
    pub(crate) block_age: u64,
}

/// How the node is.
#[derive(Debug)]
pub(crate) struct Observed {
    /// It is far behind its peers.
    pub(crate) syncing: bool,
    pub(crate) peers: usize,
    /// It was told of others; a development node is alone for good.
    pub(crate) peers_expected: bool,
    pub(crate) best_block: u32,
    /// Seconds since the slot of the best block; none if its header cannot be read.
    pub(crate) block_age: Option<u64>,
    pub(crate) finalized_block: u32,
    /// None of a node that runs without one.
    pub(crate) store: Option<ObservedStore>,
}

/// How the event store is.
#[derive(Debug)]
pub(crate) struct ObservedStore {
    pub(crate) indexed_block: u32,
    /// Somebody still indexes, or looks at what another node indexes.
    pub(crate) running: bool,
    /// The last error, empty if it is well.
    pub(crate) error: String,
}

/// Why readers should go elsewhere.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The node catches up with its peers.
    Syncing,
    /// It is cut off.
    NoPeers,
    /// Nobody makes blocks, or they do not come here.
    BlocksStandStill { seconds: Option<u64>, limit: u64 },
    /// Too few validators vote, or their votes do not come here.
    FinalityBehind { blocks: u32, limit: u32 },
    /// Final events are missing from the answers.
    EventStoreBehind {
        blocks: u32,
        limit: u32,
        #[serde(skip_serializing_if = "String::is_empty")]
        error: String,
    },
    /// No new event will come before somebody has done what the error says.
    EventStoreStopped { error: String },
}

/// All reasons that hold; a node without any is ready.
pub(crate) fn reasons(observed: Observed, limits: &Limits) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if observed.syncing {
        reasons.push(Reason::Syncing);
    }
    if observed.peers_expected && observed.peers == 0 {
        reasons.push(Reason::NoPeers);
    }
    if observed.block_age.is_none_or(|age| age > limits.block_age) {
        reasons.push(Reason::BlocksStandStill {
            seconds: observed.block_age,
            limit: limits.block_age,
        });
    }
    let blocks = observed.best_block.saturating_sub(observed.finalized_block);
    if blocks > limits.finality_lag {
        let limit = limits.finality_lag;
        reasons.push(Reason::FinalityBehind { blocks, limit });
    }
    if let Some(store) = observed.store {
        // Of this node's finality: what the store knows of it stands still once nobody feeds it.
        let blocks = observed.finalized_block.saturating_sub(store.indexed_block);
        let (limit, error) = (limits.store_lag, store.error);
        if !store.running {
            reasons.push(Reason::EventStoreStopped { error });
        } else if blocks > limit {
            reasons.push(Reason::EventStoreBehind {
                blocks,
                limit,
                error,
            });
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LIMITS: Limits = Limits {
        store_lag: STORE_LAG,
        finality_lag: FINALITY_LAG,
        block_age: BLOCK_AGE,
    };

    /// An archive node as it should be, at the very edge of every limit.
    fn well() -> Observed {
        Observed {
            syncing: false,
            peers: 1,
            peers_expected: true,
            best_block: 1_000 + FINALITY_LAG,
            block_age: Some(BLOCK_AGE),
            finalized_block: 1_000,
            store: Some(ObservedStore {
                indexed_block: 1_000 - STORE_LAG,
                running: true,
                error: String::new(),
            }),
        }
    }

    fn why_not(change: impl FnOnce(&mut Observed)) -> Vec<Reason> {
        let mut observed = well();
        change(&mut observed);
        reasons(observed, &LIMITS)
    }

    fn store(change: impl FnOnce(&mut ObservedStore)) -> Vec<Reason> {
        why_not(|observed| change(observed.store.as_mut().unwrap()))
    }

    #[test]
    fn a_node_within_every_limit_is_ready() {
        assert_eq!(why_not(|_| ()), []);
    }

    #[test]
    fn one_that_catches_up_is_not() {
        assert_eq!(why_not(|node| node.syncing = true), [Reason::Syncing]);
    }

    #[test]
    fn one_without_peers_is_not_unless_it_was_told_of_none() {
        assert_eq!(why_not(|node| node.peers = 0), [Reason::NoPeers]);
        let alone = why_not(|node| {
            node.peers = 0;
            node.peers_expected = false;
        });
        assert_eq!(alone, []);
    }

    #[test]
    fn one_that_hears_of_no_blocks_or_cannot_read_them_is_not() {
        let still = |seconds| Reason::BlocksStandStill {
            seconds,
            limit: BLOCK_AGE,
        };
        let old = Some(BLOCK_AGE + 1);
        assert_eq!(why_not(|node| node.block_age = old), [still(old)]);
        assert_eq!(why_not(|node| node.block_age = None), [still(None)]);
    }

    #[test]
    fn one_whose_finality_stalls_is_not() {
        let stalled = Reason::FinalityBehind {
            blocks: FINALITY_LAG + 1,
            limit: FINALITY_LAG,
        };
        assert_eq!(why_not(|node| node.best_block += 1), [stalled]);
    }

    #[test]
    fn one_whose_store_is_behind_is_not_and_says_why_if_it_knows() {
        let behind = |error: &str| Reason::EventStoreBehind {
            blocks: STORE_LAG + 1,
            limit: STORE_LAG,
            error: error.into(),
        };
        assert_eq!(store(|store| store.indexed_block -= 1), [behind("")]);
        let full = store(|store| {
            store.indexed_block -= 1;
            store.error = "disk full".into();
        });
        assert_eq!(full, [behind("disk full")]);
    }

    #[test]
    fn an_error_that_may_pass_is_no_reason_while_the_store_keeps_up() {
        assert_eq!(store(|store| store.error = "locked".into()), []);
    }

    #[test]
    fn one_whose_store_has_stopped_is_not_however_near_it_was() {
        let stopped = store(|store| {
            store.indexed_block = 1_000;
            store.running = false;
            store.error = "another history".into();
        });
        let error = "another history".into();
        assert_eq!(stopped, [Reason::EventStoreStopped { error }]);
    }

    #[test]
    fn a_store_ahead_of_the_node_and_no_store_at_all_are_no_reasons() {
        assert_eq!(store(|store| store.indexed_block = 2_000), []);
        assert_eq!(why_not(|node| node.store = None), []);
    }

    #[test]
    fn every_reason_that_holds_is_said() {
        let observed = Observed {
            syncing: true,
            peers: 0,
            peers_expected: true,
            best_block: 2_000,
            block_age: None,
            finalized_block: 1_000,
            store: Some(ObservedStore {
                indexed_block: 1,
                running: true,
                error: String::new(),
            }),
        };
        let said = serde_json::to_value(reasons(observed, &LIMITS)).unwrap();
        let expected = json!([
            { "reason": "syncing" },
            { "reason": "no_peers" },
            { "reason": "blocks_stand_still", "seconds": null, "limit": 60 },
            { "reason": "finality_behind", "blocks": 1_000, "limit": 30 },
            { "reason": "event_store_behind", "blocks": 999, "limit": 30 },
        ]);
        assert_eq!(said, expected);
    }
}
