// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The four policies about amounts.

use crate::{PolicyHash, amount::MAX_AMOUNT, domain, hash::Preimage, limits::MAX_SAFE_INTEGER};
use alloc::{format, string::String};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// A rule about an amount, with its parameters.
///
/// SCALE indexes are positions: append only.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Policy {
    /// `aml.threshold`: the amount is below the threshold.
    AmlThreshold {
        /// First amount that is not allowed.
        threshold: u64,
    },
    /// `order_total.cap`: the amount is at most the cap.
    OrderTotalCap {
        /// Largest amount allowed.
        cap: u64,
    },
    /// `agent.authorization.v1`: the amount is at most what a commerce intent authorises.
    AgentAuthorization {
        /// Largest amount allowed.
        max_total: u64,
        /// Hash of the intent.
        intent_hash: [u8; 32],
    },
    /// `agent.budget.v1`: the running total is at most the budget.
    AgentBudget {
        /// Largest total allowed.
        budget_limit: u64,
    },
}

/// Why a policy can hold for no amount, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyError {
    /// A threshold of zero forbids every amount.
    ZeroThreshold,
    /// No such policy id.
    UnknownId,
    /// The parameters are not those of this policy.
    Params,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroThreshold => "a threshold of 0 forbids every amount",
            Self::UnknownId => {
                "unknown policy (aml.threshold, order_total.cap, agent.authorization.v1, \
                 agent.budget.v1)"
            }
            Self::Params => "the parameters are not those of this policy",
        })
    }
}

impl core::error::Error for PolicyError {}

impl Policy {
    /// The policy's id.
    pub const fn id(&self) -> &'static str {
        match self {
            Self::AmlThreshold { .. } => "aml.threshold",
            Self::OrderTotalCap { .. } => "order_total.cap",
            Self::AgentAuthorization { .. } => "agent.authorization.v1",
            Self::AgentBudget { .. } => "agent.budget.v1",
        }
    }

    /// The number in the parameters.
    pub const fn limit(&self) -> u64 {
        match self {
            Self::AmlThreshold { threshold } => *threshold,
            Self::OrderTotalCap { cap } => *cap,
            Self::AgentAuthorization { max_total, .. } => *max_total,
            Self::AgentBudget { budget_limit } => *budget_limit,
        }
    }

    /// Largest amount the policy allows, as the circuits state it: `threshold - 1` for the one
    /// strict policy, and never above what the field holds.
    ///
    /// # Errors
    /// [`PolicyError::ZeroThreshold`].
    pub fn effective_limit(&self) -> Result<u64, PolicyError> {
        let limit = match self {
            Self::AmlThreshold { threshold } => {
                threshold.checked_sub(1).ok_or(PolicyError::ZeroThreshold)?
            }
            other => other.limit(),
        };
        Ok(limit.min(MAX_AMOUNT))
    }

    /// Canonical JSON of the parameters. Numbers up to 2^53 - 1 are JSON numbers, larger ones
    /// decimal strings, since a JSON number beyond is rounded by many readers.
    pub fn params_json(&self) -> String {
        let limit = json_number(self.limit());
        match self {
            Self::AmlThreshold { .. } => format!(r#"{{"threshold":{limit}}}"#),
            Self::OrderTotalCap { .. } => format!(r#"{{"cap":{limit}}}"#),
            Self::AgentAuthorization { intent_hash, .. } => format!(
                r#"{{"intentHash":"{}","maxTotal":{limit}}}"#,
                hex::encode(intent_hash)
            ),
            Self::AgentBudget { .. } => format!(r#"{{"budgetLimit":{limit}}}"#),
        }
    }

    /// `H("STATESET_VES_COMPLIANCE_POLICY_HASH_V1" || {"policyId":…,"policyParams":…})`.
    pub fn hash(&self) -> PolicyHash {
        policy_hash_of_canonical(
            format!(
                r#"{{"policyId":"{}","policyParams":{}}}"#,
                self.id(),
                self.params_json()
            )
            .as_bytes(),
        )
    }

    /// A policy from its id and the JSON of its parameters; unknown members are refused.
    ///
    /// # Errors
    /// [`PolicyError`].
    #[cfg(feature = "jcs")]
    pub fn from_json(id: &str, params: &serde_json::Value) -> Result<Self, PolicyError> {
        let params = params.as_object().ok_or(PolicyError::Params)?;
        let number = |name: &str| match params.get(name) {
            Some(serde_json::Value::Number(number)) => number
                .as_u64()
                .filter(|value| *value <= MAX_SAFE_INTEGER)
                .ok_or(PolicyError::Params),
            Some(serde_json::Value::String(text)) => text
                .parse()
                .ok()
                .filter(|value: &u64| *value > MAX_SAFE_INTEGER && value.to_string() == *text)
                .ok_or(PolicyError::Params),
            _ => Err(PolicyError::Params),
        };
        let members = params.len();
        match id {
            "aml.threshold" if members == 1 => Ok(Self::AmlThreshold {
                threshold: number("threshold")?,
            }),
            "order_total.cap" if members == 1 => Ok(Self::OrderTotalCap {
                cap: number("cap")?,
            }),
            "agent.authorization.v1" if members == 2 => {
                let text = params
                    .get("intentHash")
                    .and_then(serde_json::Value::as_str)
                    .ok_or(PolicyError::Params)?;
                let mut intent_hash = [0u8; 32];
                hex::decode_to_slice(text, &mut intent_hash).map_err(|_| PolicyError::Params)?;
                if hex::encode(intent_hash) != text {
                    return Err(PolicyError::Params);
                }
                Ok(Self::AgentAuthorization {
                    max_total: number("maxTotal")?,
                    intent_hash,
                })
            }
            "agent.budget.v1" if members == 1 => Ok(Self::AgentBudget {
                budget_limit: number("budgetLimit")?,
            }),
            "aml.threshold" | "order_total.cap" | "agent.authorization.v1" | "agent.budget.v1" => {
                Err(PolicyError::Params)
            }
            _ => Err(PolicyError::UnknownId),
        }
    }
}

/// Canonical JSON of an unsigned number; beyond 2^53 - 1 a decimal string.
pub(super) fn json_number(value: u64) -> String {
    if value <= MAX_SAFE_INTEGER {
        format!("{value}")
    } else {
        format!(r#""{value}""#)
    }
}

/// `H("STATESET_VES_COMPLIANCE_POLICY_HASH_V1" || canonical JSON)` where the JSON is
/// `{"policyId":…,"policyParams":…}` in canonical form.
pub fn policy_hash_of_canonical(canonical_json: &[u8]) -> PolicyHash {
    PolicyHash(Preimage::new(domain::POLICY).bytes(canonical_json).finish())
}

/// Policy hash of an id and its parameters (VES v1 §6.1).
///
/// # Errors
/// [`crate::jcs::JcsError`] if the parameters have no canonical form.
#[cfg(feature = "jcs")]
pub fn policy_hash(
    policy_id: &str,
    params: &serde_json::Value,
) -> Result<PolicyHash, crate::jcs::JcsError> {
    let json = serde_json::json!({ "policyId": policy_id, "policyParams": params });
    let canonical = crate::jcs::canonicalize_value(&json)?;
    Ok(policy_hash_of_canonical(canonical.as_bytes()))
}
