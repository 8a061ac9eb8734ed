// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The event envelope and the hash an agent signs (VES v1 §1.1, §1.2).

use crate::{
    AgentId, CommandId, EventId, EventSigningHash, KeyId, LeafHash, PayloadCipherHash,
    PayloadPlainHash, ReceiptHash, Signature, StoreId, StreamId, TenantId, domain,
    hash::Preimage,
    leaf_hash, limits,
    payload::{Payload, PayloadKind},
    receipt_hash, stream_id, time,
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Kind of the entity an event is about, UTF-8.
pub type EntityType = BoundedVec<u8, ConstU32<{ limits::MAX_ENTITY_TYPE_BYTES }>>;
/// Id of the entity an event is about, UTF-8.
pub type EntityId = BoundedVec<u8, ConstU32<{ limits::MAX_ENTITY_ID_BYTES }>>;
/// What happened, UTF-8, by convention `noun.verb`.
pub type EventType = BoundedVec<u8, ConstU32<{ limits::MAX_EVENT_TYPE_BYTES }>>;
/// RFC 3339 text exactly as signed.
pub type CreatedAt = BoundedVec<u8, ConstU32<{ limits::MAX_CREATED_AT_BYTES }>>;

/// The signed statement of an agent, without its payload.
///
/// Field order is the SCALE layout of the `submit_events` call; pinned by
/// `envelope_encoding_is_frozen`.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Envelope {
    /// 1, or 2 when command id and base version are signed too.
    pub ves_version: u32,
    /// Unique within the stream.
    pub event_id: EventId,
    /// Owner of the stream.
    pub tenant_id: TenantId,
    /// Store of the stream.
    pub store_id: StoreId,
    /// The signing agent.
    pub source_agent_id: AgentId,
    /// Which of the agent's keys signed.
    pub agent_key_id: KeyId,
    /// Kind of the entity.
    pub entity_type: EntityType,
    /// Id of the entity.
    pub entity_id: EntityId,
    /// What happened.
    pub event_type: EventType,
    /// RFC 3339 text exactly as signed; never used for ordering.
    pub created_at: CreatedAt,
    /// Plaintext or encrypted.
    pub payload_kind: PayloadKind,
    /// Hash of the canonical payload.
    pub payload_plain_hash: PayloadPlainHash,
    /// Hash of the encrypted bundle, zero when plaintext.
    pub payload_cipher_hash: PayloadCipherHash,
    /// Intent that this event fulfils.
    pub command_id: Option<CommandId>,
    /// Entity version this event builds on.
    pub base_version: Option<u64>,
    /// Ed25519 signature over [`Envelope::signing_hash`].
    pub agent_signature: Signature,
}

/// One event as it travels in an extrinsic: the envelope and its payload bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct SubmittedEvent {
    /// The signed statement.
    pub envelope: Envelope,
    /// What the statement's payload hashes commit to.
    pub payload: Payload,
}

/// The envelope field that broke a structural rule.
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
pub enum Field {
    /// Empty or not UTF-8.
    EntityType,
    /// Empty or not UTF-8.
    EntityId,
    /// Empty or not UTF-8.
    EventType,
    /// Not RFC 3339.
    CreatedAt,
    /// The payload's form contradicts `payload_kind`.
    PayloadKind,
    /// Empty.
    Payload,
    /// The recipient list is empty, unsorted or repeats a key.
    Recipients,
    /// Above 2^63 - 1.
    BaseVersion,
}

impl Field {
    /// The field's wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EntityType => "entity_type",
            Self::EntityId => "entity_id",
            Self::EventType => "event_type",
            Self::CreatedAt => "created_at",
            Self::PayloadKind => "payload_kind",
            Self::Payload => "payload",
            Self::Recipients => "recipients",
            Self::BaseVersion => "base_version",
        }
    }
}

/// Why an event's bytes alone condemn it, whatever the state of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Neither version 1 nor 2.
    UnsupportedVersion,
    /// A structural rule is broken.
    Schema(Field),
    /// The plaintext does not hash to `payload_plain_hash`, or `payload_cipher_hash` is not zero.
    PayloadHash,
    /// The encrypted bundle does not hash to `payload_cipher_hash`.
    CipherHash,
}

/// On which side of the window `created_at` lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Longer ago than `EVENT_WINDOW_MS`.
    TooOld,
    /// More than `EVENT_SKEW_MS` ahead.
    InFuture,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedVersion => f.write_str("unsupported_version"),
            Self::Schema(field) => write!(f, "schema_validation: {}", field.name()),
            Self::PayloadHash => f.write_str("invalid_payload_hash"),
            Self::CipherHash => f.write_str("invalid_cipher_hash"),
        }
    }
}

impl core::error::Error for EnvelopeError {}

impl Envelope {
    /// The stream this event belongs to.
    pub fn stream_id(&self) -> StreamId {
        stream_id(self.tenant_id, self.store_id)
    }

    /// The hash the agent signs: V1 or V2 by `ves_version` (VES v1 §1.2).
    ///
    /// # Errors
    /// [`EnvelopeError::UnsupportedVersion`] for any other version.
    pub fn signing_hash(&self) -> Result<EventSigningHash, EnvelopeError> {
        let inner = self.inner_signing_hash();
        match self.ves_version {
            1 => Ok(EventSigningHash(inner)),
            2 => {
                let preimage = Preimage::new(domain::EVENT_SIG_V2).bytes(&inner);
                let preimage = match &self.command_id {
                    Some(command) => preimage.u8(1).bytes(&command.0),
                    None => preimage.u8(0),
                };
                let preimage = match self.base_version {
                    Some(version) => preimage.u8(1).u64(version),
                    None => preimage.u8(0),
                };
                Ok(EventSigningHash(preimage.finish()))
            }
            _ => Err(EnvelopeError::UnsupportedVersion),
        }
    }

    /// The V1 preimage, with whatever version the envelope states.
    fn inner_signing_hash(&self) -> [u8; 32] {
        Preimage::new(domain::EVENT_SIG_V1)
            .u32(self.ves_version)
            .bytes(&self.tenant_id.0)
            .bytes(&self.store_id.0)
            .bytes(&self.event_id.0)
            .bytes(&self.source_agent_id.0)
            .u32(self.agent_key_id.0)
            .prefixed(&self.entity_type)
            .prefixed(&self.entity_id)
            .prefixed(&self.event_type)
            .prefixed(&self.created_at)
            .u32(self.payload_kind.code())
            .bytes(&self.payload_plain_hash.0)
            .bytes(&self.payload_cipher_hash.0)
            .finish()
    }

    /// The event's leaf once it holds `sequence` (VES v1 §4.1).
    pub fn leaf_hash(&self, sequence: u64, signing_hash: &EventSigningHash) -> LeafHash {
        leaf_hash(
            self.tenant_id,
            self.store_id,
            sequence,
            signing_hash,
            &self.agent_signature,
        )
    }

    /// The event's receipt once it holds `sequence` (VES v1 §3.7).
    pub fn receipt_hash(&self, sequence: u64, signing_hash: &EventSigningHash) -> ReceiptHash {
        receipt_hash(
            self.tenant_id,
            self.store_id,
            self.event_id,
            sequence,
            signing_hash,
        )
    }

    /// Whether `created_at` lies within the window around the chain's time in which an event is
    /// sequenced. A text that is no date-time is not judged here.
    ///
    /// # Errors
    /// On which side it lies outside.
    pub fn check_freshness(&self, now_ms: u64) -> Result<(), Staleness> {
        let Some(created) = time::rfc3339_ms(&self.created_at) else {
            return Ok(());
        };
        let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
        if created < now.saturating_sub_unsigned(limits::EVENT_WINDOW_MS) {
            Err(Staleness::TooOld)
        } else if created > now.saturating_add_unsigned(limits::EVENT_SKEW_MS) {
            Err(Staleness::InFuture)
        } else {
            Ok(())
        }
    }

    /// Version, texts, time and base version: all that needs no hashing.
    fn check_structure(&self) -> Result<(), EnvelopeError> {
        if !matches!(self.ves_version, 1 | 2) {
            return Err(EnvelopeError::UnsupportedVersion);
        }
        check_text(&self.entity_type, Field::EntityType)?;
        check_text(&self.entity_id, Field::EntityId)?;
        check_text(&self.event_type, Field::EventType)?;
        if !time::is_rfc3339(&self.created_at) {
            return Err(EnvelopeError::Schema(Field::CreatedAt));
        }
        if self
            .base_version
            .is_some_and(|version| version > limits::MAX_SEQUENCE)
        {
            return Err(EnvelopeError::Schema(Field::BaseVersion));
        }
        Ok(())
    }
}

impl SubmittedEvent {
    /// Everything the event's own bytes can prove or disprove, cheap checks first, in the order of
    /// VES v1 §3.2 step 5. Keys, signatures and sequences need the chain and are not checked here.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self) -> Result<(), EnvelopeError> {
        self.check_structure()?;
        self.check_payload_hashes()
    }

    /// The part of [`SubmittedEvent::check`] that hashes nothing.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check_structure(&self) -> Result<(), EnvelopeError> {
        self.envelope.check_structure()?;
        if self.envelope.payload_kind != self.payload.kind() {
            return Err(EnvelopeError::Schema(Field::PayloadKind));
        }
        match &self.payload {
            Payload::Plain(json) if json.is_empty() => Err(EnvelopeError::Schema(Field::Payload)),
            Payload::Plain(_) => Ok(()),
            Payload::Encrypted(bundle) => bundle.check_structure(),
        }
    }

    /// The part of [`SubmittedEvent::check`] whose cost grows with the payload.
    ///
    /// # Errors
    /// [`EnvelopeError::PayloadHash`] or [`EnvelopeError::CipherHash`].
    pub fn check_payload_hashes(&self) -> Result<(), EnvelopeError> {
        let envelope = &self.envelope;
        match &self.payload {
            Payload::Plain(json) => {
                if envelope.payload_cipher_hash != PayloadCipherHash::PLAINTEXT
                    || crate::payload_plain_hash(None, json) != envelope.payload_plain_hash
                {
                    return Err(EnvelopeError::PayloadHash);
                }
            }
            Payload::Encrypted(bundle) => {
                if bundle.cipher_hash(&envelope.payload_aad()) != envelope.payload_cipher_hash {
                    return Err(EnvelopeError::CipherHash);
                }
            }
        }
        Ok(())
    }

    /// Bytes of what is as long as its author chose: payload and texts. What hashing and decoding
    /// cost grows with it.
    pub fn variable_len(&self) -> usize {
        let envelope = &self.envelope;
        [
            envelope.entity_type.len(),
            envelope.entity_id.len(),
            envelope.event_type.len(),
            envelope.created_at.len(),
            self.payload.len(),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

fn check_text(text: &[u8], field: Field) -> Result<(), EnvelopeError> {
    if text.is_empty() || core::str::from_utf8(text).is_err() {
        return Err(EnvelopeError::Schema(field));
    }
    Ok(())
}
