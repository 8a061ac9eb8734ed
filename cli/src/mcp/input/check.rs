// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the tools take that verify and export.

use super::{EventRef, Hash, Object};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use ves_primitives::{
    AuthoritySetHash, EventsRoot, GenesisHash, LeafHash, ReceiptHash, SigningPublicKey,
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Proofs {
    /// Fetch and verify the proofs of this event; without it, list what push and pull noted.
    pub(in crate::mcp) event_id: Option<EventRef>,
}

/// What the caller knows from elsewhere.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Pins {
    /// Genesis hash of the chain; the project's if absent.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) genesis: Option<GenesisHash>,
    /// Hash of the authority set that must have finalized the block, or lead to the one that did.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) authorities: Option<AuthoritySetHash>,
    /// The author's signing key.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) agent_key: Option<SigningPublicKey>,
    /// Events root of the batch, for instance from the contract.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) events_root: Option<EventsRoot>,
    /// Hash of the block, for instance from another node.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) block_hash: Option<String>,
    /// Ask the contract that the configuration names whether it holds the batch.
    #[serde(default)]
    pub(in crate::mcp) anchor: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct VerifyEvent {
    /// The event: its id, or an unambiguous beginning of it.
    pub(in crate::mcp) event_id: EventRef,
    /// What you know from elsewhere and the evidence must agree with.
    #[serde(default)]
    pub(in crate::mcp) pins: Pins,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct VerifyBundle {
    /// The bundle: the object that `ves_proof_export` returns as `bundle`.
    #[schemars(with = "Object")]
    pub(in crate::mcp) bundle: Map<String, Value>,
    /// What you know from elsewhere and the evidence must agree with.
    #[serde(default)]
    pub(in crate::mcp) pins: Pins,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct VerifyReceipt {
    /// The event with its signature: the object that `ves_event_get` returns as `event`.
    #[schemars(with = "Object")]
    pub(in crate::mcp) event: Map<String, Value>,
    /// The place in the stream that the receipt is for.
    #[schemars(range(min = 1))]
    pub(in crate::mcp) sequence: u64,
    /// The receipt's hash.
    #[schemars(with = "Hash")]
    pub(in crate::mcp) receipt_hash: ReceiptHash,
    /// The author's signing key; without it the signature is not judged.
    #[schemars(with = "Option<Hash>")]
    pub(in crate::mcp) agent_key: Option<SigningPublicKey>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct VerifyInclusion {
    /// Hash of the leaf.
    #[schemars(with = "Hash")]
    pub(in crate::mcp) leaf_hash: LeafHash,
    /// Position of the leaf in the tree, from 0.
    pub(in crate::mcp) leaf_index: u32,
    /// Number of leaves of the tree.
    #[schemars(range(min = 1))]
    pub(in crate::mcp) leaf_count: u32,
    /// Siblings from the leaf upwards.
    #[schemars(with = "Vec<Hash>", length(max = 14))]
    #[serde(deserialize_with = "ves_primitives::wire::hex_list::deserialize")]
    pub(in crate::mcp) path: Vec<[u8; 32]>,
    /// Root of the tree.
    #[schemars(with = "Hash")]
    pub(in crate::mcp) events_root: EventsRoot,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Export {
    /// The event: its id, or an unambiguous beginning of it.
    pub(in crate::mcp) event_id: EventRef,
    /// Ask the contract that the configuration names, and put its answer into the bundle.
    #[serde(default)]
    pub(in crate::mcp) anchor: bool,
}
