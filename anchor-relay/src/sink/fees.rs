// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Fees of a transaction, computed here and not by the RPC library.

/// Fees of one EIP-1559 transaction, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// `maxFeePerGas`.
    pub max_fee: u128,
    /// `maxPriorityFeePerGas`.
    pub tip: u128,
}

/// Bounds on fees, wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeLimits {
    /// Least tip.
    pub min_tip: u128,
    /// Least `maxFeePerGas`.
    pub min_fee: u128,
    /// Most that `maxFeePerGas` may ever be.
    pub max_fee: u128,
    /// Most times what the chain asks for now that a replacement may offer.
    pub max_multiple: u128,
    /// Up to this fee, wei per gas, the multiple does not bind: of next to nothing many times over is
    /// still next to nothing.
    pub multiple_from: u128,
}

impl FeeLimits {
    /// Most that a replacement may offer.
    fn ceiling(&self, suggestion: Fees) -> u128 {
        suggestion
            .max_fee
            .saturating_mul(self.max_multiple)
            .max(self.multiple_from)
            .min(self.max_fee)
    }
}

/// `tip + 2 x base`, within the limits. `None` when the base fee alone is above the limit: such a
/// transaction would not be mined.
pub fn suggest(base_fee: u128, tip: u128, limits: &FeeLimits) -> Option<Fees> {
    if base_fee > limits.max_fee {
        return None;
    }
    let tip = tip.max(limits.min_tip).min(limits.max_fee);
    let max_fee = base_fee
        .saturating_mul(2)
        .saturating_add(tip)
        .max(limits.min_fee)
        .min(limits.max_fee)
        .max(tip);
    Some(Fees { max_fee, tip })
}

/// The fees of a replacement: both at least 10 % up, rounded up, and at least the suggestion.
/// `None` when that passes the limits: the old transaction is sent again instead.
pub fn bump(old: Fees, suggestion: Fees, limits: &FeeLimits) -> Option<Fees> {
    // 10 % is what nodes ask of a replacement.
    let raise = |fee: u128| {
        fee.saturating_add(fee.div_ceil(10))
            .max(fee.saturating_add(1))
    };
    let tip = raise(old.tip).max(suggestion.tip);
    let max_fee = raise(old.max_fee).max(suggestion.max_fee).max(tip);
    (max_fee <= limits.ceiling(suggestion)).then_some(Fees { max_fee, tip })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: FeeLimits = FeeLimits {
        min_tip: 10,
        min_fee: 100,
        max_fee: 10_000,
        max_multiple: 5,
        multiple_from: 1_000,
    };

    #[test]
    fn d6_the_cap_is_the_tip_and_twice_the_base_fee() {
        assert_eq!(
            suggest(1_000, 50, &LIMITS),
            Some(Fees {
                max_fee: 2_050,
                tip: 50
            })
        );
    }

    #[test]
    fn d6_floors_hold_when_the_chain_is_empty() {
        assert_eq!(
            suggest(0, 0, &LIMITS),
            Some(Fees {
                max_fee: 100,
                tip: 10
            })
        );
    }

    #[test]
    fn d6_a_base_fee_above_the_limit_gives_no_fee() {
        assert_eq!(suggest(10_001, 1, &LIMITS), None);
        assert_eq!(
            suggest(10_000, 1, &LIMITS),
            Some(Fees {
                max_fee: 10_000,
                tip: 10
            })
        );
    }

    #[test]
    fn d6_a_bump_past_the_limit_is_refused() {
        let old = Fees {
            max_fee: 9_500,
            tip: 10,
        };
        assert_eq!(bump(old, old, &LIMITS), None);
    }

    #[test]
    fn d6_a_bump_past_the_multiple_of_what_the_chain_asks_for_is_refused() {
        let suggestion = Fees {
            max_fee: 500,
            tip: 10,
        };
        let old = |max_fee| Fees { max_fee, tip: 10 };
        assert_eq!(bump(old(2_280), suggestion, &LIMITS), None);
        let last = bump(old(2_270), suggestion, &LIMITS).unwrap();
        assert_eq!(last.max_fee, 2_497);
        // The chain asks for more: there is room again.
        let dearer = Fees {
            max_fee: 600,
            tip: 10,
        };
        assert!(bump(old(2_280), dearer, &LIMITS).is_some());
    }

    #[test]
    fn d6_a_tiny_fee_may_rise_past_the_multiple() {
        let suggestion = Fees {
            max_fee: 100,
            tip: 10,
        };
        let old = Fees {
            max_fee: 900,
            tip: 10,
        };
        let new = bump(old, suggestion, &LIMITS).unwrap();
        assert_eq!(new.max_fee, 990);
        assert_eq!(bump(new, suggestion, &LIMITS), None);
    }

    proptest! {
        #[test]
        fn a_bump_raises_both_by_ten_percent_and_stays_in_the_limit(
            max_fee in 1u128..20_000, tip in 1u128..20_000, base in 0u128..20_000,
        ) {
            let old = Fees { max_fee: max_fee.max(tip), tip };
            if let Some(suggestion) = suggest(base, tip, &LIMITS)
                && let Some(new) = bump(old, suggestion, &LIMITS)
            {
                prop_assert!(new.max_fee * 10 >= old.max_fee * 11);
                prop_assert!(new.tip * 10 >= old.tip * 11);
                prop_assert!(new.max_fee <= LIMITS.max_fee);
                prop_assert!(new.tip <= new.max_fee);
            }
        }
    }
}
