// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What becomes of a submitted event: rejections, statuses and the records the chain hands out.

use crate::{
    BatchCommitment, Envelope, EnvelopeError, EventId, Field, LeafHash, ReceiptHash, Staleness,
    StreamId, SubmittedEvent, limits,
    proof::refusal_code_name,
    registry::{AuthorProblem, PolicyBreach, rotation_code_name},
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Why one event of a submission was not sequenced (VES v1 §3.6 and the registry's own reasons).
///
/// SCALE indexes are positions: append only. Pinned by `rejection_encoding_is_frozen`.
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
pub enum Rejection {
    /// Another event of this stream has this id. Choose a new one.
    DuplicateEventId,
    /// The command was already fulfilled by another event.
    DuplicateCommandId,
    /// The plaintext does not match its hash.
    InvalidPayloadHash,
    /// The encrypted bundle does not match its hash.
    InvalidCipherHash,
    /// The signature does not verify with the named key.
    InvalidSignature,
    /// Neither version 1 nor 2.
    UnsupportedVersion,
    /// A structural rule is broken.
    SchemaValidation(Field),
    /// The entity has moved on. Rebase and sign again.
    VersionConflict {
        /// The version the event builds on.
        expected: u64,
        /// The version the entity has.
        actual: u64,
    },
    /// The registry does not let this author write.
    Author(AuthorProblem),
    /// The stream has used up its sequence numbers.
    SequenceExhausted,
    /// `created_at` is longer ago than an event may wait. Capture it anew.
    CreatedAtTooOld,
    /// `created_at` is ahead of the chain's clock. Set the agent's clock right.
    CreatedAtInFuture,
    /// The policy of the key that signed it does not allow it.
    Policy(PolicyBreach),
    /// The tenant has used up what governance lets it have sequenced in a window. Wait.
    TenantQuotaExhausted,
    /// The agent has used up what its tenant lets it have sequenced in a window. Wait.
    AgentQuotaExhausted,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateEventId => f.write_str("duplicate_event_id"),
            Self::DuplicateCommandId => f.write_str("duplicate_command_id"),
            Self::InvalidPayloadHash => EnvelopeError::PayloadHash.fmt(f),
            Self::InvalidCipherHash => EnvelopeError::CipherHash.fmt(f),
            Self::InvalidSignature => f.write_str("invalid_signature"),
            Self::UnsupportedVersion => EnvelopeError::UnsupportedVersion.fmt(f),
            Self::SchemaValidation(field) => EnvelopeError::Schema(*field).fmt(f),
            Self::VersionConflict { expected, actual } => {
                write!(f, "version_conflict: expected {expected}, actual {actual}")
            }
            Self::Author(problem) => problem.fmt(f),
            Self::SequenceExhausted => f.write_str("sequence_exhausted"),
            Self::CreatedAtTooOld => f.write_str("created_at_too_old"),
            Self::CreatedAtInFuture => f.write_str("created_at_in_future"),
            Self::Policy(breach) => breach.fmt(f),
            Self::TenantQuotaExhausted => f.write_str("tenant_quota_exhausted"),
            Self::AgentQuotaExhausted => f.write_str("agent_quota_exhausted"),
        }
    }
}

impl core::error::Error for Rejection {}

impl From<EnvelopeError> for Rejection {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::UnsupportedVersion => Self::UnsupportedVersion,
            EnvelopeError::Schema(field) => Self::SchemaValidation(field),
            EnvelopeError::PayloadHash => Self::InvalidPayloadHash,
            EnvelopeError::CipherHash => Self::InvalidCipherHash,
        }
    }
}

impl From<Staleness> for Rejection {
    fn from(staleness: Staleness) -> Self {
        match staleness {
            Staleness::TooOld => Self::CreatedAtTooOld,
            Staleness::InFuture => Self::CreatedAtInFuture,
        }
    }
}

impl From<AuthorProblem> for Rejection {
    fn from(problem: AuthorProblem) -> Self {
        Self::Author(problem)
    }
}

impl From<PolicyBreach> for Rejection {
    fn from(breach: PolicyBreach) -> Self {
        Self::Policy(breach)
    }
}

impl Rejection {
    /// The number the transaction pool answers with when the first event of a submission cannot be
    /// accepted (`InvalidTransaction::Custom`). Shared namespace of the chain: 1 to 63 are ours.
    pub const fn pool_code(self) -> u8 {
        match self {
            Self::DuplicateEventId => 1,
            Self::DuplicateCommandId => 2,
            Self::InvalidPayloadHash => 3,
            Self::InvalidCipherHash => 4,
            Self::InvalidSignature => 5,
            Self::UnsupportedVersion => 6,
            Self::VersionConflict { .. } => 7,
            Self::SequenceExhausted => 8,
            Self::CreatedAtTooOld => 10,
            Self::CreatedAtInFuture => 11,
            Self::TenantQuotaExhausted => 12,
            Self::AgentQuotaExhausted => 13,
            Self::Author(problem) => problem.pool_code(),
            Self::SchemaValidation(Field::EntityType) => 32,
            Self::SchemaValidation(Field::EntityId) => 33,
            Self::SchemaValidation(Field::EventType) => 34,
            Self::SchemaValidation(Field::CreatedAt) => 35,
            Self::SchemaValidation(Field::PayloadKind) => 36,
            Self::SchemaValidation(Field::Payload) => 37,
            Self::SchemaValidation(Field::Recipients) => 38,
            Self::SchemaValidation(Field::BaseVersion) => 39,
            Self::Policy(PolicyBreach::EventType) => 40,
            Self::Policy(PolicyBreach::EntityType) => 41,
            Self::Policy(PolicyBreach::BaseVersion) => 42,
            Self::Policy(PolicyBreach::PayloadBytes) => 43,
        }
    }
}

/// Pool answer to a submission without events.
pub const EMPTY_SUBMISSION_CODE: u8 = 9;

/// The name behind a pool answer, for clients that only see the number.
pub const fn pool_code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "duplicate_event_id",
        2 => "duplicate_command_id",
        3 => "invalid_payload_hash",
        4 => "invalid_cipher_hash",
        5 => "invalid_signature",
        6 => "unsupported_version",
        7 => "version_conflict",
        8 => "sequence_exhausted",
        EMPTY_SUBMISSION_CODE => "empty_submission",
        10 => "created_at_too_old",
        11 => "created_at_in_future",
        12 => "tenant_quota_exhausted",
        13 => "agent_quota_exhausted",
        16 => "unknown_tenant",
        17 => "tenant_suspended",
        18 => "unknown_store",
        19 => "unknown_agent",
        20 => "agent_suspended",
        21 => "agent_key_invalid: not found",
        22 => "agent_key_invalid: revoked",
        23 => "agent_key_invalid: expired",
        24 => "agent_key_invalid: not yet valid",
        32 => "schema_validation: entity_type",
        33 => "schema_validation: entity_id",
        34 => "schema_validation: event_type",
        35 => "schema_validation: created_at",
        36 => "schema_validation: payload_kind",
        37 => "schema_validation: payload",
        38 => "schema_validation: recipients",
        39 => "schema_validation: base_version",
        40 => "policy_denied: event_type",
        41 => "policy_denied: entity_type",
        42 => "policy_denied: base_version",
        43 => "policy_denied: payload_bytes",
        25..=31 => return rotation_code_name(code),
        _ => return refusal_code_name(code),
    })
}

/// What the chain remembers of a sequenced event.
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
pub struct EventRecord {
    /// Its place in the stream.
    pub sequence: u64,
    /// The block that sequenced it.
    pub block_number: u32,
    /// Its leaf, which tells an exact replay from another event with the same id.
    pub leaf: LeafHash,
}

impl EventRecord {
    /// Whether exactly this event, its signature included, is what was recorded.
    pub fn is_of(&self, envelope: &Envelope) -> bool {
        envelope
            .signing_hash()
            .is_ok_and(|hash| envelope.leaf_hash(self.sequence, &hash) == self.leaf)
    }
}

/// Which batches of a stream the chain still holds, and how many are anchored.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct KeptBatches {
    /// Number of the oldest batch that state holds; the stream's batch count if it holds none.
    pub oldest: u64,
    /// How many batches, counted from the first, are reported as anchored.
    pub anchored: u64,
}

impl KeptBatches {
    /// Whether the oldest batch, committed in `block`, has been kept long enough.
    pub const fn may_drop_oldest(&self, block: u32, now: u32) -> bool {
        let age = now.saturating_sub(block);
        age >= limits::UNANCHORED_RETENTION_BLOCKS
            || (self.oldest < self.anchored && age >= limits::ANCHORED_RETENTION_BLOCKS)
    }
}

/// What was sequenced, as other pallets ask it. The runtime joins it to the sequencer.
pub trait SequencedEvents {
    /// What the chain remembers of an event.
    fn event_record(stream: StreamId, event: EventId) -> Option<EventRecord>;
    /// A batch by its number within the stream, from 0.
    fn batch(stream: StreamId, index: u64) -> Option<BatchCommitment>;
}

/// Answer of the pre-flight check for one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Admission {
    /// It would be sequenced now.
    Acceptable,
    /// It was sequenced before, unchanged; submitting again changes nothing.
    AlreadySequenced {
        /// Its place in the stream.
        sequence: u64,
    },
    /// It would be rejected.
    Rejected(Rejection),
}

/// One sequenced event of a block, as the block's own runtime reports it to indexers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct IndexedEvent {
    /// The stream.
    pub stream_id: StreamId,
    /// Its place in the stream.
    pub sequence: u64,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// Leaf in the batch tree.
    pub leaf: LeafHash,
    /// Receipt.
    pub receipt: ReceiptHash,
    /// The event itself.
    pub event: SubmittedEvent,
}

/// One rejected event of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct IndexedRejection {
    /// The stream.
    pub stream_id: StreamId,
    /// The event.
    pub event_id: EventId,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// Why.
    pub reason: Rejection,
}

/// Everything an indexer needs from one block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct BlockIndex {
    /// Chain time of the block, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Sequenced events, in order of execution.
    pub events: Vec<IndexedEvent>,
    /// Rejected events, in order of execution.
    pub rejections: Vec<IndexedRejection>,
    /// Batches, in stream-id order.
    pub batches: Vec<BatchCommitment>,
}

/// The limits a client must keep, from the chain itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct SequencerLimits {
    /// Most events in one submission.
    pub events_per_submission: u32,
    /// Most events in one block.
    pub events_per_block: u32,
    /// Most streams with events in one block.
    pub streams_per_block: u32,
    /// Longest payload, bytes.
    pub payload_bytes: u32,
    /// Most recipients of one payload.
    pub recipients: u32,
    /// Most bytes of one submission's extrinsic.
    pub submission_bytes: u32,
}
