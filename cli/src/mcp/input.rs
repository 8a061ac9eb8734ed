// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What tools take. The schemas that clients see are derived from these types; unknown fields are
//! refused.

use crate::{
    error::{Failure, Result},
    keys::Purpose,
    outbox::State,
};
use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::borrow::Cow;
use ves_primitives::{
    AgentId, AuthoritySetHash, CommandId, CurrencyTag, EventId, EventsRoot, GenesisHash, GroupId,
    LeafHash, ReceiptHash, SigningPublicKey, registry::GroupRole,
};

/// Reads the arguments of a call.
///
/// # Errors
/// `arguments_invalid`.
pub(super) fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Failure::usage("arguments_invalid", error.to_string())
            .hint("correct the argument; the tool's input schema lists what it takes")
    })
}

/// A UUID in schemas.
enum Uuid {}

impl JsonSchema for Uuid {
    fn schema_name() -> Cow<'static, str> {
        "Uuid".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        })
    }
}

/// 32 bytes in hexadecimal in schemas.
enum Hash {}

impl JsonSchema for Hash {
    fn schema_name() -> Cow<'static, str> {
        "Hash".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0x[0-9a-fA-F]{64}$" })
    }
}

/// A JSON object in schemas.
enum Object {}

impl JsonSchema for Object {
    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// An event's id or an unambiguous beginning of it. Holds nothing but digits and dashes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EventRef(pub(super) String);

impl TryFrom<String> for EventRef {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let plausible =
            (4..=36).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if plausible {
            Ok(Self(text))
        } else {
            Err("an event id is a UUID, or at least its first four digits".into())
        }
    }
}

impl JsonSchema for EventRef {
    fn schema_name() -> Cow<'static, str> {
        "EventRef".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F][0-9a-fA-F-]{3,35}$",
        })
    }
}

/// How many items a page has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct PageSize(pub(super) u32);

impl PageSize {
    const MOST: u32 = 100;
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u32> for PageSize {
    type Error = String;

    fn try_from(size: u32) -> std::result::Result<Self, String> {
        if (1..=Self::MOST).contains(&size) {
            Ok(Self(size))
        } else {
            Err(format!("a page has 1 to {} items", Self::MOST))
        }
    }
}

impl JsonSchema for PageSize {
    fn schema_name() -> Cow<'static, str> {
        "PageSize".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::MOST, "default": 20 })
    }
}

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    /// Do not ask the node.
    #[serde(default)]
    pub(super) offline: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Groups {
    /// Show this group with its members instead of listing all groups.
    #[schemars(with = "Option<Uuid>")]
    pub(super) group_id: Option<GroupId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventTypes {
    /// Show the schema of this event type instead of listing all types.
    pub(super) event_type: Option<EventTypeName>,
}

/// An event type as a word of a command: no flag, and not longer than the chain takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct EventTypeName(pub(super) String);

impl TryFrom<String> for EventTypeName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let plausible =
            (1..=256).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if plausible {
            Ok(Self(text))
        } else {
            Err(
                "an event type here is a word of letters, digits, dots, dashes and underscores"
                    .into(),
            )
        }
    }
}

impl JsonSchema for EventTypeName {
    fn schema_name() -> Cow<'static, str> {
        "EventTypeName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Za-z._:][0-9A-Za-z._:-]{0,255}$" })
    }
}

/// State of an event in the outbox.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutboxState {
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
pub(super) struct Outbox {
    /// Only events in this state.
    pub(super) state: Option<OutboxState>,
    /// How many events.
    #[serde(default)]
    pub(super) limit: PageSize,
    /// Go on from here: `next_before` of the page before.
    pub(super) before: Option<i64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbox {
    /// Only events of entities of this type.
    #[schemars(length(max = 128))]
    pub(super) entity_type: Option<String>,
    /// Only events of the entity with this id.
    #[schemars(length(max = 512))]
    pub(super) entity_id: Option<String>,
    /// Only events of this type.
    #[schemars(length(max = 256))]
    pub(super) event_type: Option<String>,
    /// How many events.
    #[serde(default)]
    pub(super) limit: PageSize,
    /// Go on from here: `next_before` of the page before.
    pub(super) before: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    /// The event: its id, or an unambiguous beginning of it.
    pub(super) event_id: EventRef,
}

/// What happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepare {
    /// Kind of the entity, for instance `order`.
    #[schemars(length(min = 1, max = 128))]
    pub(super) entity_type: String,
    /// Id of the entity.
    #[schemars(length(min = 1, max = 512))]
    pub(super) entity_id: String,
    /// What happened, for instance `order.created`.
    #[schemars(length(min = 1, max = 256))]
    pub(super) event_type: String,
    /// The payload; at most 64 KiB in canonical form.
    #[schemars(with = "Object")]
    pub(super) payload: Map<String, Value>,
    /// Version of the entity that this event builds on; the chain refuses the event if the entity
    /// has moved on.
    pub(super) base_version: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Append {
    /// Kind of the entity, for instance `order`.
    #[schemars(length(min = 1, max = 128))]
    pub(super) entity_type: String,
    /// Id of the entity.
    #[schemars(length(min = 1, max = 512))]
    pub(super) entity_id: String,
    /// What happened, for instance `order.created`.
    #[schemars(length(min = 1, max = 256))]
    pub(super) event_type: String,
    /// The payload; at most 64 KiB in canonical form.
    #[schemars(with = "Object")]
    pub(super) payload: Map<String, Value>,
    /// Id of the event; a new one if absent. Give one to be able to repeat the call safely.
    #[schemars(with = "Option<Uuid>")]
    pub(super) event_id: Option<EventId>,
    /// Intent that this event fulfils; fulfilled once.
    #[schemars(with = "Option<Uuid>")]
    pub(super) command_id: Option<CommandId>,
    /// Version of the entity that this event builds on; the chain refuses the event if the entity
    /// has moved on.
    pub(super) base_version: Option<u64>,
    /// When it happened, RFC 3339; now if absent.
    #[schemars(length(max = 64))]
    pub(super) created_at: Option<String>,
    /// Encrypt the payload to these agents.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 64))]
    pub(super) encrypt_to: Vec<AgentId>,
    /// Encrypt the payload to the members of these groups.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 64))]
    pub(super) to_group: Vec<GroupId>,
    /// Let this agent read the encrypted payload too.
    #[serde(default)]
    pub(super) encrypt_to_self: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushPrepare {
    /// Only these events; else the oldest ones that are due.
    #[serde(default)]
    #[schemars(with = "Vec<Uuid>", length(max = 1000))]
    pub(super) event_ids: Vec<EventId>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PushCommit {
    /// The token of `ves_push_prepare`.
    #[schemars(length(min = 1, max = 128))]
    pub(super) token: String,
    /// Seconds without news after which to stop waiting for finality; 120 if absent.
    #[schemars(range(min = 1, max = 600))]
    pub(super) timeout_seconds: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// The token of the first step.
    #[schemars(length(min = 1, max = 128))]
    pub(super) token: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pull {
    /// Leave the compliance proofs of encrypted events alone.
    #[serde(default)]
    pub(super) skip_proofs: bool,
}

/// A policy about one amount.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
pub(super) enum PolicyName {
    /// The amount is below the limit.
    #[serde(rename = "aml.threshold")]
    AmlThreshold,
    /// The amount is at most the limit.
    #[serde(rename = "order_total.cap")]
    OrderTotalCap,
}

impl PolicyName {
    pub(super) const fn id(self) -> &'static str {
        match self {
            Self::AmlThreshold => "aml.threshold",
            Self::OrderTotalCap => "order_total.cap",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Prove {
    /// The event: its id, or an unambiguous beginning of it. One of this agent's own, encrypted,
    /// final, and readable by this agent.
    pub(super) event_id: EventRef,
    /// What to prove.
    pub(super) policy: PolicyName,
    /// The limit in the currency's units, as in `10000` or `9999.99`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub(super) limit: String,
    /// Currency code and decimal places of the amount; `USD:2` if absent.
    #[schemars(with = "Option<String>", length(max = 16))]
    pub(super) currency: Option<CurrencyTag>,
    /// Member of the payload that holds the amount, with dots between names; `total` if absent.
    #[schemars(length(max = 256))]
    pub(super) amount_field: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proofs {
    /// Fetch and verify the proofs of this event; without it, list what push and pull noted.
    pub(super) event_id: Option<EventRef>,
}

/// What the caller knows from elsewhere.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pins {
    /// Genesis hash of the chain; the project's if absent.
    #[schemars(with = "Option<Hash>")]
    pub(super) genesis: Option<GenesisHash>,
    /// Hash of the authority set that must have finalized the block, or lead to the one that did.
    #[schemars(with = "Option<Hash>")]
    pub(super) authorities: Option<AuthoritySetHash>,
    /// The author's signing key.
    #[schemars(with = "Option<Hash>")]
    pub(super) agent_key: Option<SigningPublicKey>,
    /// Events root of the batch, for instance from the contract.
    #[schemars(with = "Option<Hash>")]
    pub(super) events_root: Option<EventsRoot>,
    /// Hash of the block, for instance from another node.
    #[schemars(with = "Option<Hash>")]
    pub(super) block_hash: Option<String>,
    /// Ask the contract that the configuration names whether it holds the batch.
    #[serde(default)]
    pub(super) anchor: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyEvent {
    /// The event: its id, or an unambiguous beginning of it.
    pub(super) event_id: EventRef,
    /// What you know from elsewhere and the evidence must agree with.
    #[serde(default)]
    pub(super) pins: Pins,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyBundle {
    /// The bundle: the object that `ves_proof_export` returns as `bundle`.
    #[schemars(with = "Object")]
    pub(super) bundle: Map<String, Value>,
    /// What you know from elsewhere and the evidence must agree with.
    #[serde(default)]
    pub(super) pins: Pins,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyReceipt {
    /// The event with its signature: the object that `ves_event_get` returns as `event`.
    #[schemars(with = "Object")]
    pub(super) event: Map<String, Value>,
    /// The place in the stream that the receipt is for.
    #[schemars(range(min = 1))]
    pub(super) sequence: u64,
    /// The receipt's hash.
    #[schemars(with = "Hash")]
    pub(super) receipt_hash: ReceiptHash,
    /// The author's signing key; without it the signature is not judged.
    #[schemars(with = "Option<Hash>")]
    pub(super) agent_key: Option<SigningPublicKey>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyInclusion {
    /// Hash of the leaf.
    #[schemars(with = "Hash")]
    pub(super) leaf_hash: LeafHash,
    /// Position of the leaf in the tree, from 0.
    pub(super) leaf_index: u32,
    /// Number of leaves of the tree.
    #[schemars(range(min = 1))]
    pub(super) leaf_count: u32,
    /// Siblings from the leaf upwards.
    #[schemars(with = "Vec<Hash>", length(max = 14))]
    #[serde(deserialize_with = "ves_primitives::wire::hex_list::deserialize")]
    pub(super) path: Vec<[u8; 32]>,
    /// Root of the tree.
    #[schemars(with = "Hash")]
    pub(super) events_root: EventsRoot,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// The event: its id, or an unambiguous beginning of it.
    pub(super) event_id: EventRef,
    /// Ask the contract that the configuration names, and put its answer into the bundle.
    #[serde(default)]
    pub(super) anchor: bool,
}

/// What a key is for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyPurpose {
    Signing,
    Encryption,
}

impl KeyPurpose {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Signing => Purpose::Signing.name(),
            Self::Encryption => Purpose::Encryption.name(),
        }
    }
}

/// What a member of a group may do.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    Reader,
    Manager,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reader => GroupRole::Reader.name(),
            Self::Manager => GroupRole::Manager.name(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePrepare {
    /// What to change.
    pub(super) change: Change,
}

/// A change of keys or groups.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Change {
    /// Make a new signing key and hand over to it; the old one signs on for the grace period.
    RotateSigningKey {
        /// Seconds for which the old key still signs; 72 hours if absent, a week at most.
        #[schemars(range(max = 604800))]
        grace_seconds: Option<u32>,
    },
    /// Make and register a new encryption key in place of those before, which still open what was
    /// encrypted to them.
    RotateEncryptionKey {},
    /// Make new keys on this machine.
    GenerateKeys {
        /// Only a key for this purpose; else one for each.
        purpose: Option<KeyPurpose>,
    },
    /// Register the newest keys on chain.
    RegisterKeys {
        /// Only the key for this purpose; else both.
        purpose: Option<KeyPurpose>,
    },
    /// Revoke a key for good.
    RevokeKey {
        /// What the key is for.
        purpose: KeyPurpose,
        /// Which key.
        key_id: u32,
    },
    /// Create an encryption group.
    CreateGroup {
        /// Its id.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
    },
    /// Admit an agent to a group, or change its role.
    AddGroupMember {
        /// The group.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
        /// The agent.
        #[schemars(with = "Uuid")]
        agent_id: AgentId,
        /// Its role; reader if absent.
        role: Option<Role>,
    },
    /// Remove an agent from a group: it reads nothing encrypted to the group from then on.
    RemoveGroupMember {
        /// The group.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
        /// The agent.
        #[schemars(with = "Uuid")]
        agent_id: AgentId,
    },
}
