// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How fast validators make blocks while nothing becomes final.

use polkadot_sdk::sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use ves_runtime::BlockNumber;

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

#[cfg(test)]
mod tests {
    use super::*;
    use polkadot_sdk::sc_consensus_slots::BackoffAuthoringBlocksStrategy;
    use ves_runtime::SLOT_DURATION_MS;

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
        assert!((1..1_000).all(|n| !strategy.should_backoff(
            n,
            n.into(),
            n - 1,
            (n + 1).into(),
            "test"
        )));
        assert_eq!(slots_until(SLACK, 1), u64::from(SLACK));
    }

    #[test]
    fn a_stalled_one_slows_down_and_still_gets_through_two_sessions_in_two_hours() {
        assert!(slots_until(100, 1) > 200, "it slows down");
        // Sessions of 300 blocks, two of four validators left.
        let minutes = slots_until(600, 2) * SLOT_DURATION_MS / 60_000;
        assert!((60..=120).contains(&minutes), "{minutes} minutes");
    }
}
