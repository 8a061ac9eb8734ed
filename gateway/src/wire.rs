// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The peer's JSON. Hashes in receipts, commitments and proofs have no `0x` (VES v1 §1.5); those of
//! envelopes and of pending commitments have it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use ves_primitives::{AgentId, BatchId, EventId, GenesisHash, wire::EventJson};

/// Milliseconds since the Unix epoch as RFC 3339 text in UTC.
pub fn time_text(time_ms: u64) -> String {
    i64::try_from(time_ms)
        .ok()
        .and_then(chrono::DateTime::from_timestamp_millis)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// UUID text of 16 bytes.
fn uuid_text(bytes: [u8; 16]) -> String {
    EventId(bytes).to_string()
}

/// A batch's id where the peer has a UUID.
pub fn batch_uuid(id: BatchId) -> String {
    uuid_text(id.to_uuid_bytes())
}

/// What stands for the peer's `sequencerId`: the chain, named by its genesis as a UUIDv8.
pub fn chain_uuid(genesis: GenesisHash) -> String {
    batch_uuid(BatchId(genesis.0))
}

/// `POST /api/v1/ves/events/ingest`.
#[derive(Deserialize)]
pub struct IngestRequest {
    /// The agent whose events these are.
    #[serde(rename = "agentId", alias = "agent_id")]
    pub agent_id: AgentId,
    /// The events, read one by one, so that one that is no event condemns no other.
    pub events: Vec<Box<RawValue>>,
}

/// Signed events of one agent for one stream.
#[derive(ToSchema)]
#[schema(as = IngestRequest)]
#[allow(dead_code)]
pub struct IngestRequestDoc {
    /// The agent whose events these are.
    #[schema(rename = "agentId", format = "uuid")]
    agent_id: String,
    /// 1 to 256 events of one tenant and store.
    #[schema(min_items = 1, max_items = 256)]
    events: Vec<EventDoc>,
}

/// A signed event (VES v1 §1.1).
#[derive(ToSchema)]
#[schema(as = Event)]
#[allow(dead_code)]
pub struct EventDoc {
    /// 1, or 2 if command id and base version are signed.
    #[schema(minimum = 1, maximum = 2)]
    ves_version: u32,
    /// Unique within the stream.
    #[schema(format = "uuid")]
    event_id: String,
    /// Owner of the stream.
    #[schema(format = "uuid")]
    tenant_id: String,
    /// Store of the stream.
    #[schema(format = "uuid")]
    store_id: String,
    /// The signing agent.
    #[schema(format = "uuid")]
    source_agent_id: String,
    /// Which of the agent's keys signed.
    agent_key_id: u32,
    /// 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128)]
    entity_type: String,
    /// 1 to 512 bytes.
    #[schema(min_length = 1, max_length = 512)]
    entity_id: String,
    /// 1 to 256 bytes.
    #[schema(min_length = 1, max_length = 256)]
    event_type: String,
    /// RFC 3339 text as signed.
    #[schema(format = DateTime)]
    created_at: String,
    /// 0 plaintext, 1 encrypted.
    #[schema(minimum = 0, maximum = 1)]
    payload_kind: u32,
    /// Any JSON but null; of plaintext events.
    #[schema(value_type = Option<Object>)]
    payload: Option<serde_json::Value>,
    /// VES-ENC-1 bundle; of encrypted events.
    #[schema(value_type = Option<Object>)]
    payload_encrypted: Option<serde_json::Value>,
    /// 32 bytes hex, `0x` optional.
    #[schema(pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    payload_plain_hash: String,
    /// 32 bytes hex, zero for plaintext.
    #[schema(pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    payload_cipher_hash: String,
    /// Ed25519 signature, 64 bytes hex.
    #[schema(pattern = "^(0x)?[0-9a-fA-F]{128}$")]
    agent_signature: String,
    /// Intent.
    #[schema(format = "uuid")]
    command_id: Option<String>,
    /// Entity version built upon.
    base_version: Option<u64>,
}

/// Why an event was not sequenced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Rejection)]
pub struct RejectionOut {
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: EventId,
    /// The protocol's reason.
    pub reason: String,
    /// The same for people.
    pub message: String,
}

/// That an event has its place (VES v1 §3.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The chain: its genesis hash as a UUIDv8.
    #[schema(format = "uuid")]
    pub sequencer_id: String,
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: EventId,
    /// Its place in the stream.
    pub sequence_number: u64,
    /// Time of the block that sequenced it.
    pub sequenced_at: String,
    /// Receipt hash.
    pub receipt_hash: String,
    /// `none`: finality of the block is the evidence.
    pub signature_alg: String,
    /// Empty.
    pub sequencer_signature: String,
    /// 0.
    pub sequencer_key_version: u32,
    /// The block that sequenced it.
    pub block_number: u32,
    /// Its hash.
    pub block_hash: String,
    /// Whether that block is final. If not, a reorganisation may still undo it.
    pub finalized: bool,
}

/// An event of which it is not known yet whether it will be sequenced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PendingEvent {
    /// The event. Send the same bytes again to learn what became of it.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: EventId,
}

/// What became of the events of a request (VES v1 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestAnswer {
    /// Random, without meaning.
    #[schema(format = "uuid")]
    pub batch_id: String,
    /// How many were sequenced by this request. Replays are not counted, but have receipts.
    pub events_accepted: u32,
    /// How many were rejected.
    pub events_rejected: u32,
    /// How many are pending.
    pub events_pending: u32,
    /// First sequence of this request's events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_start: Option<u64>,
    /// Last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_end: Option<u64>,
    /// Last sequence of the stream.
    pub head_sequence: u64,
    /// The rejected ones.
    pub rejections: Vec<RejectionOut>,
    /// The sequenced ones and replays, in order of the request.
    pub receipts: Vec<Receipt>,
    /// The pending ones.
    pub pending: Vec<PendingEvent>,
    /// Whether every receipt is of a final block.
    pub finalized: bool,
}

/// A sequenced event: the envelope and its place. It has no payload if the node has forgotten that.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SequencedEvent {
    /// The event as signed.
    #[serde(flatten)]
    #[schema(value_type = EventDoc)]
    pub event: EventJson,
    /// Its place in the stream.
    pub sequence_number: u64,
    /// Time of the block that sequenced it.
    pub sequenced_at: String,
    /// What its agent signed.
    pub event_signing_hash: String,
    /// Its leaf in the batch tree.
    pub leaf_hash: String,
    /// Its receipt.
    pub receipt_hash: String,
    /// The block that sequenced it.
    pub block_number: u32,
    /// Hash of that block.
    pub block_hash: String,
}

/// A page of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EventsPage {
    /// In sequence order.
    pub events: Vec<SequencedEvent>,
    /// How many.
    pub count: u32,
    /// Last finalized sequence of the stream.
    pub head_sequence: u64,
    /// Where the next page starts: one more than the last sequence of this one, or `from`.
    pub next_sequence: u64,
    /// Whether there is more.
    pub has_more: bool,
}

/// Where a stream stands.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Head {
    /// The tenant.
    pub tenant_id: String,
    /// The store.
    pub store_id: String,
    /// Last finalized sequence, 0 if none.
    pub head_sequence: u64,
    /// State root after the last batch.
    pub state_root: String,
    /// How many batches there are.
    pub batch_count: u64,
    /// Newest indexed finalized block.
    pub block_number: u32,
    /// Its hash.
    pub block_hash: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc_with_milliseconds() {
        assert_eq!(time_text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time_text(1_766_253_070_243), "2025-12-20T17:51:10.243Z");
        assert_eq!(time_text(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_batch_id_reads_as_a_uuid_of_version_8() {
        let uuid = batch_uuid(BatchId([0xff; 32]));
        assert_eq!(uuid, "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
