// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What is asked of a node's event store, and its answers, beside the shapes of single events.

use super::{BatchJson, SequencedEventJson, hex_bytes, hex32};
use crate::{
    AgentId, AmountCommitment, BatchCommitment, BatchId, CommandId, EventId, InclusionProof, KeyId,
    LeafHash, MultiProof, PolicyHash, ProofHash, Signature, StateRoot, StoreId, StreamId, TenantId,
    proof::{BatchProofRecord, ProofRecord},
};
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// Which events of a stream are asked for. What is absent restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    /// Kind of the entity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_type: Option<String>,
    /// Id of the entity; needs its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<String>,
    /// What happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The signing agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The intent that it fulfils.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Chain time of the block, milliseconds since the Unix epoch, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Chain time of the block, exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

/// A page of the events that a filter lets through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundEventsJson {
    /// Events in the order asked for.
    pub events: Vec<SequencedEventJson>,
    /// Last indexed sequence of the stream, 0 if none.
    pub head_sequence: u64,
    /// Where the next page starts. A page may be short or even empty and still have one: it has looked
    /// at as many events as one call may. Absent when nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a subscription tells: events, and where to subscribe again after a cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewEventsJson {
    /// Events in sequence order, at least one.
    pub events: Vec<SequencedEventJson>,
    /// The sequence from which a new subscription continues without a gap.
    pub next_sequence: u64,
}

/// One step in the history of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityVersionJson {
    /// The version that the event made, from 1.
    pub version: u64,
    /// The event.
    pub event: SequencedEventJson,
}

/// A page of an entity's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityHistoryJson {
    /// Versions in ascending order.
    pub versions: Vec<EntityVersionJson>,
    /// The version that the entity has, 0 if no event is about it.
    pub current_version: u64,
    /// Where the next page starts; absent when nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A stream and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamJson {
    /// The stream.
    pub stream_id: StreamId,
    /// Its owner.
    pub tenant_id: TenantId,
    /// Its store.
    pub store_id: StoreId,
    /// Last indexed sequence.
    pub sequence: u64,
    /// State root after the last batch.
    pub state_root: StateRoot,
    /// Number of batches.
    pub batch_count: u64,
}

/// A page of all streams with events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamsPageJson {
    /// Streams in the order in which they began.
    pub streams: Vec<StreamJson>,
    /// Newest indexed block.
    pub finalized_block_number: u32,
    /// Where the next page starts; absent when nothing is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// A page of a stream's batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchesPageJson {
    /// Batches in order.
    pub batches: Vec<BatchJson>,
    /// Number of indexed batches of the stream.
    pub batch_count: u64,
    /// Where the next page starts; absent when this page reaches the last batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_index: Option<u64>,
}

/// What a block commits to: all its batches, and the header that carries their root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockCommitmentJson {
    /// Height.
    pub block_number: u32,
    /// Block hash.
    #[serde(with = "hex32")]
    pub block_hash: [u8; 32],
    /// Chain time of the block, milliseconds since the Unix epoch.
    pub block_time_ms: u64,
    /// SCALE-encoded header, whose `VESB` digest item holds the root over `batches`.
    #[serde(with = "hex_bytes")]
    pub header: Vec<u8>,
    /// Batches in stream-id order, the order of the tree's leaves.
    pub batches: Vec<BatchCommitment>,
}

/// From several events of one batch to the header of its block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiInclusionJson {
    /// The leaves, in the order of `proof.leaf_indices`.
    pub leaf_hashes: Vec<LeafHash>,
    /// From the leaves to the batch's events root.
    pub proof: MultiProof,
    /// The batch.
    pub batch: BatchJson,
    /// Path from the batch to the block commitment in the header's `VESB` digest item.
    pub block_proof: InclusionProof,
    /// SCALE-encoded header of the block; its BLAKE2b-256 hash is the block hash.
    #[serde(with = "hex_bytes")]
    pub header: Vec<u8>,
}

/// How far the chain's relays report a stream to be anchored. Their word: readers ask the contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnchoredJson {
    /// The stream.
    pub stream_id: StreamId,
    /// How many batches, counted from the first, are reported as anchored.
    pub anchored_batches: u64,
    /// The last of them, if the store has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_anchored: Option<BatchJson>,
    /// Number of the oldest batch that the chain's state still holds.
    pub oldest_kept_batch: u64,
    /// Number of indexed batches of the stream.
    pub batch_count: u64,
}

/// A compliance proof of one event, as the chain keeps its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComplianceProofJson {
    /// `verified`: the chain keeps no proof that it refused.
    pub verdict: String,
    /// The event.
    pub event_id: EventId,
    /// Its place in the stream.
    pub sequence: u64,
    /// The event's agent.
    pub agent_id: AgentId,
    /// Name of the policy that it obeys.
    pub policy_id: String,
    /// Hash of the policy with its parameters.
    pub policy_hash: PolicyHash,
    /// The policy's limit in the currency's smallest unit.
    pub policy_limit: u64,
    /// Code of the currency.
    pub currency: String,
    /// Decimal places of the currency.
    pub currency_scale: u8,
    /// Commitment to the amount.
    pub commitment: AmountCommitment,
    /// Of a budget, the committed total before the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_total: Option<AmountCommitment>,
    /// Of a budget, the committed total with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_total: Option<AmountCommitment>,
    /// Hash of the proof.
    pub proof_hash: ProofHash,
    /// Length of the proof.
    pub proof_bytes: u32,
    /// Block that verified it; the proof itself is in its extrinsics.
    pub block_number: u32,
    /// Circuit that it is for.
    pub circuit_version: u32,
}

/// Value of `verdict`.
const VERIFIED: &str = "verified";
/// Value of `verdict` of a proof that the chain refused.
pub const REFUSED: &str = "refused";

/// A compliance proof that the chain refused; it keeps nothing of it, the node's event store this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedProofJson {
    /// [`REFUSED`].
    pub verdict: String,
    /// Whose quota was to pay for it.
    pub agent_id: AgentId,
    /// The protocol's reason, as in [`ProofRefusal`](crate::proof::ProofRefusal)'s text.
    pub reason: String,
    /// What it cost the agent. 0 if the chain refused it before it looked at what the agent stands for:
    /// somebody else may have altered it.
    pub units: u32,
    /// Block that refused it; the proof itself is in its extrinsics.
    pub block_number: u32,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
}

impl From<&ProofRecord> for ComplianceProofJson {
    fn from(record: &ProofRecord) -> Self {
        Self {
            verdict: VERIFIED.into(),
            event_id: record.event_id,
            sequence: record.sequence,
            agent_id: record.agent_id,
            policy_id: record.policy.id().into(),
            policy_hash: record.policy.hash(),
            policy_limit: record.policy.limit(),
            currency: record.currency.code().to_string(),
            currency_scale: record.currency.scale(),
            commitment: record.commitment,
            previous_total: record.budget.map(|step| step.previous),
            new_total: record.budget.map(|step| step.new),
            proof_hash: record.proof_hash,
            proof_bytes: record.bytes,
            block_number: record.block,
            circuit_version: record.circuit_version,
        }
    }
}

/// A compliance proof of a batch, as the chain keeps its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchProofJson {
    /// `verified`: the chain keeps no proof that it refused.
    pub verdict: String,
    /// The batch.
    pub batch_id: BatchId,
    /// Its number within the stream.
    pub batch_index: u64,
    /// State root before the batch.
    pub prev_state_root: StateRoot,
    /// State root after the batch.
    pub new_state_root: StateRoot,
    /// Events proven: all of the batch.
    pub events: u32,
    /// Who submitted it.
    pub agent_id: AgentId,
    /// Name of the policy that the events obey.
    pub policy_id: String,
    /// Hash of the policy with its parameters.
    pub policy_hash: PolicyHash,
    /// Largest amount it allows, inclusive.
    pub policy_limit: u64,
    /// Hash of the proof.
    pub proof_hash: ProofHash,
    /// Length of the proof.
    pub proof_bytes: u32,
    /// Block that verified it; the proof itself is in its extrinsics.
    pub block_number: u32,
    /// Circuit that it is for.
    pub circuit_version: u32,
}

impl From<&BatchProofRecord> for BatchProofJson {
    fn from(record: &BatchProofRecord) -> Self {
        Self {
            verdict: VERIFIED.into(),
            batch_id: record.batch_id,
            batch_index: record.batch_index,
            prev_state_root: record.prev_state_root,
            new_state_root: record.new_state_root,
            events: record.events,
            agent_id: record.agent_id,
            policy_id: record.policy.id().into(),
            policy_hash: record.policy_hash,
            policy_limit: record.policy_limit,
            proof_hash: record.proof_hash,
            proof_bytes: record.bytes,
            block_number: record.block,
            circuit_version: record.circuit_version,
        }
    }
}

/// A durable cursor: where an agent stands in a stream, under its signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCursorJson {
    /// Which of the agent's cursors.
    pub slot: u32,
    /// The last sequence that the agent is done with, 0 for none.
    pub sequence: u64,
    /// Rises with each move.
    pub revision: u64,
    /// Which of the agent's keys signed.
    pub key_id: KeyId,
    /// Over [`CursorStatement::hash`](crate::CursorStatement::hash).
    pub signature: Signature,
}
