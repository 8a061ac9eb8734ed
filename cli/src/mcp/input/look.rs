// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the tools take that show something.

use super::{EventRef, EventTypeName, Object, PageSize, Uuid};
use crate::outbox::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use ves_primitives::GroupId;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Status {
    /// Do not ask the node.
    #[serde(default)]
    pub(in crate::mcp) offline: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Groups {
    /// Show this group with its members instead of listing all groups.
    #[schemars(with = "Option<Uuid>")]
    pub(in crate::mcp) group_id: Option<GroupId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct EventTypes {
    /// Show the schema of this event type instead of listing all types.
    pub(in crate::mcp) event_type: Option<EventTypeName>,
}

/// State of an event in the outbox.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum OutboxState {
    Queued,
    Signed,
    Submitted,
    InBlock,
    Finalized,
    Rejected,
    Dead,
    Superseded,
}

impl From<OutboxState> for State {
    fn from(state: OutboxState) -> Self {
        match state {
            OutboxState::Queued => Self::Queued,
            OutboxState::Signed => Self::Signed,
            OutboxState::Submitted => Self::Submitted,
            OutboxState::InBlock => Self::InBlock,
            OutboxState::Finalized => Self::Finalized,
            OutboxState::Rejected => Self::Rejected,
            OutboxState::Dead => Self::Dead,
            OutboxState::Superseded => Self::Superseded,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Outbox {
    /// Only events in this state.
    pub(in crate::mcp) state: Option<OutboxState>,
    /// How many events.
    #[serde(default)]
    pub(in crate::mcp) limit: PageSize,
    /// Go on from here: `next_before` of the page before.
    pub(in crate::mcp) before: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Inbox {
    /// Only events of entities of this type.
    #[schemars(length(max = 128))]
    pub(in crate::mcp) entity_type: Option<String>,
    /// Only events of the entity with this id.
    #[schemars(length(max = 512))]
    pub(in crate::mcp) entity_id: Option<String>,
    /// Only events of this type.
    #[schemars(length(max = 256))]
    pub(in crate::mcp) event_type: Option<String>,
    /// How many events.
    #[serde(default)]
    pub(in crate::mcp) limit: PageSize,
    /// Go on from here: `next_before` of the page before.
    pub(in crate::mcp) before: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Event {
    /// The event: its id, or an unambiguous beginning of it.
    pub(in crate::mcp) event_id: EventRef,
}

/// What happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Prepare {
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
    /// Version of the entity that this event builds on; the chain refuses the event if the entity
    /// has moved on.
    pub(in crate::mcp) base_version: Option<u64>,
}
