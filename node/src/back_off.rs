// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How fast validators make blocks while nothing becomes final.

use polkadot_sdk::sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use std::time::Duration;
use ves_runtime::{BlockNumber, SLOT_DURATION_MS};

/// Blocks without finality until validators slow down.
const SLACK: BlockNumber = 50;
/// Most slots that pass without a block then. The council's recovery of finality needs up to two sessions of
/// blocks on such a chain (docs/OPERATIONS.md, `VesFinalityStalled`): with the SDK's 100 slots and sessions of
/// 300 blocks it would take more than a day.
const MOST_SLOTS: BlockNumber = 4;
/// Blocks without finality for each further slot of waiting.
const BLOCKS_PER_SLOT: BlockNumber = 2;

/// So that a network which finalizes nothing does not pile up blocks that may be given up.
pub(crate) const fn strategy() -> BackoffAuthoringOnFinalizedHeadLagging<BlockNumber> {
    BackoffAuthoringOnFinalizedHeadLagging {
        max_interval: MOST_SLOTS,
        unfinalized_slack: SLACK,
        authoring_bias: BLOCKS_PER_SLOT,
    }
}

/// The part of a slot in which a block is built. Half as long again as a full block takes by its weight, so that
/// a machine that is busy otherwise does not throw away what it built.
pub(crate) const BUILDING: (u16, u16) = (3, 4);
/// Blocks without finality until blocks are built for a shorter time. One to three is what there is always.
const FULL_BLOCKS: u64 = 6;
/// Blocks without finality for each further halving of that time.
const BLOCKS_PER_HALVING: u64 = 2;
/// Most halvings: a block still takes some submissions, and what the council decides.
const MOST_HALVINGS: u64 = 6;

/// For how long to take transactions into a block, of what Aura would allow, with so many blocks without finality
/// below it (ADR 0058). Never for longer than when no slot was missed.
pub(crate) fn building_time(allowed: Duration, behind: u64) -> Duration {
    let (of, parts) = BUILDING;
    let most = Duration::from_millis(SLOT_DURATION_MS) * u32::from(of) / u32::from(parts);
    let halvings = (behind.saturating_sub(FULL_BLOCKS) / BLOCKS_PER_HALVING).min(MOST_HALVINGS);
    allowed.min(most) / (1 << halvings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polkadot_sdk::sc_consensus_slots::BackoffAuthoringBlocksStrategy;

    /// Slots until there are so many blocks without finality, if only every `turn`th slot's author lives.
    fn slots_until(blocks: BlockNumber, turn: u64) -> u64 {
        let strategy = strategy();
        let (mut head, mut slot) = (0, 0u64);
        for number in 0..blocks {
            loop {
                slot += 1;
                let waits = strategy.should_backoff(number, head.into(), 0, slot.into(), "test");
                if slot % turn == 0 && !waits {
                    break;
                }
            }
            head = slot;
        }
        slot
    }

    #[test]
    fn a_chain_that_finalizes_everything_goes_at_full_speed() {
        let strategy = strategy();
        assert!((1..1_000u32).all(|n| {
            let slot = u64::from(n);
            !strategy.should_backoff(n, slot.into(), n - 1, (slot + 1).into(), "test")
        }));
        assert_eq!(slots_until(SLACK, 1), u64::from(SLACK));
    }

    #[test]
    fn a_stalled_one_slows_down_and_still_gets_through_two_sessions_in_two_hours() {
        assert!(slots_until(100, 1) > 200, "it slows down");
        // Sessions of 300 blocks, two of four validators left.
        let minutes = slots_until(600, 2) * SLOT_DURATION_MS / 60_000;
        assert!((60..=120).contains(&minutes), "{minutes} minutes");
    }

    #[test]
    fn blocks_are_built_for_less_time_the_longer_nothing_is_final() {
        let full = Duration::from_millis(1_500);
        for (behind, part) in [(0, 1), (7, 1), (8, 2), (10, 4), (18, 64), (1_000_000, 64)] {
            assert_eq!(building_time(full, behind), full / part, "{behind}");
        }
    }

    #[test]
    fn missed_slots_give_no_time_to_build_more() {
        let full = Duration::from_millis(1_500);
        assert_eq!(building_time(Duration::from_secs(60), 0), full);
        assert_eq!(
            building_time(full / 2, 0),
            full / 2,
            "a slot that has begun"
        );
    }
}
