// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Policies as people name them.

use crate::{
    amount,
    error::{Failure, Result},
};
use serde_json::{Value, json};
use ves_primitives::{CurrencyTag, Policy};

/// A policy, what its amounts are counted in and where they stand in the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The policy.
    pub policy: Policy,
    /// What the amount is counted in.
    pub currency: CurrencyTag,
    /// Path of the amount in the payload.
    pub amount_field: String,
}

impl Wish {
    /// `aml.threshold=10000.00`, as `push --prove` takes it.
    ///
    /// # Errors
    /// `policy_invalid` or `amount_invalid`.
    pub fn parse(text: &str, currency: CurrencyTag, amount_field: &str) -> Result<Self> {
        let (id, limit) = text.split_once('=').ok_or_else(|| {
            unsuitable("--prove takes POLICY=LIMIT").hint("as in aml.threshold=10000")
        })?;
        let policy = match id {
            "aml.threshold" | "order_total.cap" => policy(id, limit, currency, None)?,
            "agent.authorization.v1" | "agent.budget.v1" => {
                return Err(unsuitable(
                    "--prove takes policies that hold for each event by itself",
                )
                .hint("prove this one with `stateset-sync prove <event-id>` after the push"));
            }
            _ => return Err(unknown()),
        };
        Ok(Self {
            policy,
            currency,
            amount_field: amount_field.to_owned(),
        })
    }

    /// For people: `aml.threshold 10000.00 USD`.
    pub fn describe(&self) -> String {
        describe(&self.policy, self.currency)
    }
}

/// For people: `aml.threshold 10000.00 USD`.
pub fn describe(policy: &Policy, currency: CurrencyTag) -> String {
    format!(
        "{} {} {}",
        policy.id(),
        amount::format(policy.limit(), currency),
        currency.code()
    )
}

/// The members every listing shows of a policy.
pub fn json(policy: &Policy, currency: CurrencyTag) -> Value {
    json!({
        "policy_id": policy.id(),
        "policy_hash": policy.hash(),
        "limit": policy.limit().to_string(),
        "currency": currency,
    })
}

fn unsuitable(message: &str) -> Failure {
    Failure::usage("policy_invalid", message.to_owned())
}

fn unknown() -> Failure {
    unsuitable("there is no such policy")
        .hint("aml.threshold, order_total.cap or agent.authorization.v1")
}

/// A policy from its id, its limit in the currency's units and, for one of them, an intent's hash.
///
/// # Errors
/// `policy_invalid` or `amount_invalid`.
pub fn policy(
    id: &str,
    limit: &str,
    currency: CurrencyTag,
    intent_hash: Option<&str>,
) -> Result<Policy> {
    let limit = amount::parse(limit, currency)?;
    let policy = match (id, intent_hash) {
        ("aml.threshold", None) => Policy::AmlThreshold { threshold: limit },
        ("order_total.cap", None) => Policy::OrderTotalCap { cap: limit },
        ("agent.authorization.v1", Some(text)) => {
            let mut intent_hash = [0u8; 32];
            hex::decode_to_slice(text.trim_start_matches("0x"), &mut intent_hash)
                .map_err(|_| unsuitable("--intent-hash takes 64 hex digits"))?;
            Policy::AgentAuthorization {
                max_total: limit,
                intent_hash,
            }
        }
        ("agent.authorization.v1", None) => {
            return Err(unsuitable("agent.authorization.v1 needs --intent-hash"));
        }
        (_, Some(_)) => return Err(unsuitable("--intent-hash is for agent.authorization.v1")),
        ("agent.budget.v1", _) => {
            return Err(unsuitable("a budget is a running total")
                .hint("give it with --budget MAX_TOTAL instead of --policy and --limit"));
        }
        _ => return Err(unknown()),
    };
    policy
        .effective_limit()
        .map_err(|problem| unsuitable(&problem.to_string()))?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> CurrencyTag {
        CurrencyTag::new("USD", 2).unwrap()
    }

    #[test]
    fn a_wish_is_a_policy_and_its_limit_in_units_of_the_currency() {
        let wish = Wish::parse("aml.threshold=10000", usd(), "total").unwrap();
        let threshold = 1_000_000;
        assert_eq!(wish.policy, Policy::AmlThreshold { threshold });
        assert_eq!(wish.describe(), "aml.threshold 10000.00 USD");
        let yen = CurrencyTag::new("JPY", 0).unwrap();
        let wish = Wish::parse("order_total.cap=500", yen, "order.total").unwrap();
        assert_eq!(wish.policy, Policy::OrderTotalCap { cap: 500 });
        assert_eq!(wish.describe(), "order_total.cap 500 JPY");
    }

    #[test]
    fn what_cannot_be_wished_for_is_refused_by_name() {
        for (text, code) in [
            ("aml.threshold", "policy_invalid"),
            ("aml.threshold=0", "policy_invalid"),
            ("aml.threshold=1.234", "amount_invalid"),
            ("aml.threshold=", "amount_invalid"),
            ("other=1", "policy_invalid"),
            ("agent.budget.v1=1", "policy_invalid"),
            ("agent.authorization.v1=1", "policy_invalid"),
        ] {
            let failure = Wish::parse(text, usd(), "total").unwrap_err();
            assert_eq!(failure.code, code, "{text}");
        }
    }
}
