// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the tools take that capture, push, pull and prove.

use super::{EventRef, Object, Uuid};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use ves_primitives::{AgentId, CommandId, CurrencyTag, EventId, GroupId};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Append {
    /// Kind of the entity, for instance `order`.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::mcp) entity_type: String,
    /// Id of the entity.
    #[schemars(length(min = 1, max = 512))]
    pub(in crate::mcp) entity_id: String,
    /// What happened, for instance `order.created`.
    #[schemars(length(min = 1, max = 256))]
    pub(in crate::mcp) event_type: String,
    /// The payload; at most 64 KiB in canonical form.
    #[schemars(with = "Object")]
    pub(in crate::mcp) payload: Map<String, Value>,
    /// Id of the event; a new one if absent. Give one to be able to repeat the call safely.
    #[schemars(with = "Option<Uuid>")]
    pub(in crate::mcp) event_id: Option<EventId>,
    /// Intent that this event fulfils; fulfilled once.
    #[schemars(with = "Option<Uuid>")]
    pub(in crate::mcp) command_id: Option<CommandId>,
    /// Version of the entity that this event builds on; the chain refuses the event if the entity
    /// has moved on.
    pub(in crate::mcp) base_version: Option<u64>,
    /// When it happened, RFC 3339; now if absent.
    #[schemars(length(max = 64))]
    pub(in crate::mcp) created_at: Option<String>,
    /// Encrypt the payload to these agents.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 64))]
    pub(in crate::mcp) encrypt_to: Vec<AgentId>,
    /// Encrypt the payload to the members of these groups.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 64))]
    pub(in crate::mcp) to_group: Vec<GroupId>,
    /// Let this agent read the encrypted payload too.
    #[serde(default)]
    pub(in crate::mcp) encrypt_to_self: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct PushPrepare {
    /// Only these events; else the oldest ones that are due.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 1000))]
    pub(in crate::mcp) event_ids: Vec<EventId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct PushCommit {
    /// The token of `ves_push_prepare`.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::mcp) token: String,
    /// Seconds without news after which to stop waiting for finality; 120 if absent.
    #[schemars(range(min = 1, max = 600))]
    pub(in crate::mcp) timeout_seconds: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Pull {
    /// Leave the compliance proofs of encrypted events alone.
    #[serde(default)]
    pub(in crate::mcp) skip_proofs: bool,
}

/// A policy about one amount.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(in crate::mcp) enum PolicyName {
    /// The amount is below the limit.
    #[serde(rename = "aml.threshold")]
    AmlThreshold,
    /// The amount is at most the limit.
    #[serde(rename = "order_total.cap")]
    OrderTotalCap,
}

impl PolicyName {
    pub(in crate::mcp) const fn id(self) -> &'static str {
        match self {
            Self::AmlThreshold => "aml.threshold",
            Self::OrderTotalCap => "order_total.cap",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Prove {
    /// The event: its id, or an unambiguous beginning of it. One of this agent's own, encrypted,
    /// final, and readable by this agent.
    pub(in crate::mcp) event_id: EventRef,
    /// What to prove.
    pub(in crate::mcp) policy: PolicyName,
    /// The limit in the currency's units, as in `10000` or `9999.99`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub(in crate::mcp) limit: String,
    /// Currency code and decimal places of the amount; `USD:2` if absent.
    #[schemars(with = "Option<String>", length(max = 16))]
    pub(in crate::mcp) currency: Option<CurrencyTag>,
    /// Member of the payload that holds the amount, with dots between names; `total` if absent.
    #[schemars(length(max = 256))]
    pub(in crate::mcp) amount_field: Option<String>,
}
