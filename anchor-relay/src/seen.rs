// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Since when a block of the appchain is final: what a batch's lag counts from.
//!
//! No block says when it became final, but two looks at the finalized head have it between them. The
//! earlier one counts, so that a lag is never made smaller: by a catch-up, in which a block is taken
//! over long after it was seen, nor by a stop, during which there was no look. No block is final before
//! it is made, so its own time counts where that is later.

use std::collections::VecDeque;

/// Finalized heads kept apart while the walk is behind them; more are taken together.
const MOST_HEADS: usize = 1024;

/// The finalized heads that the walk has not come to.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Heights, rising, each with the last look at which less was final, Unix milliseconds.
    heads: VecDeque<(u32, u64)>,
    /// The last look.
    looked_ms: u64,
}

impl Seen {
    /// `since_ms`: before this the block after the cursor was not final; 0 when that is not known.
    pub(crate) const fn new(since_ms: u64) -> Self {
        Self {
            heads: VecDeque::new(),
            looked_ms: since_ms,
        }
    }

    /// At `asked_ms` a node, not behind the cursor, said that `finalized` is the last final block.
    pub(crate) fn saw(&mut self, finalized: u32, asked_ms: u64, cursor: u32) {
        while self.heads.front().is_some_and(|(head, _)| *head <= cursor) {
            self.heads.pop_front();
        }
        let known = self.heads.back().map_or(cursor, |(head, _)| *head);
        if finalized > known {
            let full = self.heads.len() >= MOST_HEADS;
            match self.heads.back_mut() {
                // With the earlier look of the two.
                Some(last) if full => last.0 = finalized,
                _ => self.heads.push_back((finalized, self.looked_ms)),
            }
        }
        self.looked_ms = asked_ms;
    }

    /// Before this a block was not final, Unix milliseconds; 0 when that is not known.
    pub(crate) fn since(&self, block: u32) -> u64 {
        let head = self.heads.iter().find(|(head, _)| *head >= block);
        head.map_or(self.looked_ms, |(_, since)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d16_a_block_counts_from_the_last_look_at_which_it_was_not_final() {
        let mut seen = Seen::new(0);
        seen.saw(10, 1_000, 10);
        seen.saw(12, 2_000, 10);
        assert_eq!(seen.since(11), 1_000);
        assert_eq!(seen.since(13), 2_000, "not final yet");
        // The walk has not moved meanwhile, more became final.
        seen.saw(13, 3_000, 10);
        assert_eq!((seen.since(12), seen.since(13)), (1_000, 2_000));
        seen.saw(13, 9_000, 13);
        assert_eq!(seen.since(14), 9_000);
    }

    #[test]
    fn d16_a_stop_makes_no_lag_smaller() {
        // The journal knows the look before the stop; everything was final at the first one after it.
        let mut seen = Seen::new(1_000);
        seen.saw(500, 9_000_000, 10);
        seen.saw(500, 9_001_000, 138);
        assert_eq!(seen.since(139), 1_000, "taken over in a later step");
        assert_eq!(seen.since(501), 9_001_000);
    }

    #[test]
    fn d16_many_heads_are_taken_together_and_no_lag_becomes_smaller() {
        let mut seen = Seen::new(7);
        let heads = u32::try_from(MOST_HEADS).unwrap() + 100;
        for n in 1..=heads {
            seen.saw(n, u64::from(n) * 1_000, 0);
        }
        assert_eq!(seen.heads.len(), MOST_HEADS);
        assert_eq!(seen.since(1), 7);
        assert_eq!(seen.since(2), 1_000);
        let last = u64::try_from(MOST_HEADS).unwrap();
        assert_eq!(seen.since(heads), (last - 1) * 1_000);
    }
}
