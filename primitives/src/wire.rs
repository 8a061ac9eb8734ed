// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! JSON shapes shared by the `ves_*` RPCs, their clients and exported bundles.
//!
//! Event fields carry the protocol's names (VES v1 §1.1, §5.4). UUIDs are hyphenated lower case,
//! hashes lower-case hex with `0x`; input may leave the prefix out.

use crate::{
    AgentId, BatchCommitment, CommandId, EncryptedPayload, Envelope, EventId, EventSigningHash,
    GenesisHash, InclusionProof, KeyId, LeafHash, Payload, PayloadCipherHash, PayloadKind,
    PayloadPlainHash, ReceiptHash, Recipient, RecipientKid, Signature, StateRoot, StoreId,
    StreamId, SubmittedEvent, TenantId,
    jcs::{self, JcsError},
    registry::SigningKeyRecord,
};
use alloc::{string::String, vec::Vec};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use core::fmt;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, IgnoredAny},
};
use serde_json::Value;

pub mod codes;
mod finality;
mod hexes;
mod store;

pub use finality::FinalityJson;
pub use hexes::{hex_bytes, hex_bytes_list, hex_list, hex32};
pub use store::*;

/// base64url without padding on output; padding is tolerated on input.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A VES-ENC-1 bundle in its JSON form (VES v1 §5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptedJson {
    /// 1.
    pub enc_version: u32,
    /// `AES-256-GCM`.
    pub aead: String,
    /// 12 bytes.
    pub nonce_b64u: String,
    /// Ciphertext without tag.
    pub ciphertext_b64u: String,
    /// 16 bytes.
    pub tag_b64u: String,
    /// The fixed HPKE suite.
    pub hpke: HpkeJson,
    /// Wrapped content keys in strictly ascending kid order.
    pub recipients: Vec<RecipientJson>,
}

/// HPKE suite labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HpkeJson {
    /// `base`.
    pub mode: String,
    /// `X25519-HKDF-SHA256`.
    pub kem: String,
    /// `HKDF-SHA256`.
    pub kdf: String,
    /// `AES-256-GCM`.
    pub aead: String,
}

impl HpkeJson {
    fn suite() -> Self {
        Self {
            mode: "base".into(),
            kem: "X25519-HKDF-SHA256".into(),
            kdf: "HKDF-SHA256".into(),
            aead: AEAD.into(),
        }
    }
}

const AEAD: &str = "AES-256-GCM";

/// One wrapped content key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecipientJson {
    /// Encryption key number.
    pub recipient_kid: u32,
    /// 32 bytes.
    pub enc_b64u: String,
    /// 48 bytes.
    pub ct_b64u: String,
}

/// An event with the protocol's field names.
///
/// Exactly one of `payload`, `payload_raw_b64u` and `payload_encrypted` is there, or none when the node
/// that was asked has pruned the payload: such an event is proven, but cannot be submitted again.
///
/// Reading refuses what would change the meaning of the signature: a scheme label other than
/// Ed25519 (0 or 1), or a bundle of further signatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct EventJson {
    /// 1 or 2.
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
    pub entity_type: String,
    /// Id of the entity.
    pub entity_id: String,
    /// What happened.
    pub event_type: String,
    /// RFC 3339 text as signed.
    pub created_at: String,
    /// 0 plaintext, 1 encrypted.
    pub payload_kind: u32,
    /// The payload of a plaintext event whose bytes are canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// The payload of a plaintext event whose bytes are not: its author broke the rule that the
    /// chain cannot check, and a reader must not take it for JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_raw_b64u: Option<String>,
    /// The bundle of an encrypted event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_encrypted: Option<EncryptedJson>,
    /// Hash of the canonical payload.
    pub payload_plain_hash: PayloadPlainHash,
    /// Hash of the bundle, zero when plaintext.
    pub payload_cipher_hash: PayloadCipherHash,
    /// Ed25519 signature.
    pub agent_signature: Signature,
    /// Intent, signed in version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_id: Option<CommandId>,
    /// Entity version built upon, signed in version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<u64>,
}

impl Serialize for EventJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for EventJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Labelled {
            #[serde(flatten, with = "EventJson")]
            event: EventJson,
            #[serde(default)]
            agent_signature_scheme: Option<i32>,
            #[serde(default)]
            agent_signature_bundle: Option<IgnoredAny>,
        }

        let labelled = Labelled::deserialize(deserializer)?;
        if !matches!(labelled.agent_signature_scheme, None | Some(0 | 1))
            || labelled.agent_signature_bundle.is_some()
        {
            return Err(D::Error::custom(
                "unsupported signature scheme: only Ed25519 is accepted",
            ));
        }
        Ok(labelled.event)
    }
}

/// Why a JSON event is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireError {
    /// A field is missing, too long or of the wrong form.
    Field(&'static str),
    /// An algorithm label other than the one suite of `enc_version` 1, post-quantum ones included.
    UnsupportedSuite(&'static str),
    /// The payload has no canonical form.
    Payload(JcsError),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "schema_validation: {name}"),
            Self::UnsupportedSuite(name) => {
                write!(
                    f,
                    "unsupported encryption suite ({name}): only VES-ENC-1 version 1 is accepted"
                )
            }
            Self::Payload(why) => write!(f, "payload: {why}"),
        }
    }
}

impl core::error::Error for WireError {}

fn encode_b64(bytes: &[u8]) -> String {
    BASE64URL.encode(bytes)
}

fn decode_b64(text: &str, field: &'static str) -> Result<Vec<u8>, WireError> {
    BASE64URL.decode(text).map_err(|_| WireError::Field(field))
}

fn decode_b64_exact<const N: usize>(text: &str, field: &'static str) -> Result<[u8; N], WireError> {
    decode_b64(text, field)?
        .try_into()
        .map_err(|_| WireError::Field(field))
}

impl From<&EncryptedPayload> for EncryptedJson {
    fn from(bundle: &EncryptedPayload) -> Self {
        Self {
            enc_version: 1,
            aead: AEAD.into(),
            nonce_b64u: encode_b64(&bundle.nonce),
            ciphertext_b64u: encode_b64(&bundle.ciphertext),
            tag_b64u: encode_b64(&bundle.tag),
            hpke: HpkeJson::suite(),
            recipients: bundle
                .recipients
                .iter()
                .map(|r| RecipientJson {
                    recipient_kid: r.recipient_kid.0,
                    enc_b64u: encode_b64(&r.enc),
                    ct_b64u: encode_b64(&r.ct),
                })
                .collect(),
        }
    }
}

impl TryFrom<&EncryptedJson> for EncryptedPayload {
    type Error = WireError;

    fn try_from(json: &EncryptedJson) -> Result<Self, WireError> {
        if json.enc_version != 1 {
            return Err(WireError::UnsupportedSuite("enc_version"));
        }
        if json.aead != AEAD {
            return Err(WireError::UnsupportedSuite("aead"));
        }
        if json.hpke != HpkeJson::suite() {
            return Err(WireError::UnsupportedSuite("hpke"));
        }
        let recipients: Vec<Recipient> = json
            .recipients
            .iter()
            .map(|r| {
                Ok(Recipient {
                    recipient_kid: RecipientKid(r.recipient_kid),
                    enc: decode_b64_exact(&r.enc_b64u, "enc_b64u")?,
                    ct: decode_b64_exact(&r.ct_b64u, "ct_b64u")?,
                })
            })
            .collect::<Result<_, WireError>>()?;
        Ok(Self {
            nonce: decode_b64_exact(&json.nonce_b64u, "nonce_b64u")?,
            ciphertext: decode_b64(&json.ciphertext_b64u, "ciphertext_b64u")?
                .try_into()
                .map_err(|_| WireError::Field("ciphertext_b64u"))?,
            tag: decode_b64_exact(&json.tag_b64u, "tag_b64u")?,
            recipients: recipients
                .try_into()
                .map_err(|_| WireError::Field("recipients"))?,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl EventJson {
    /// An event with its payload, or without it where a node has pruned it.
    pub fn of(e: &Envelope, payload: Option<&Payload>) -> Self {
        let mut json = Self {
            ves_version: e.ves_version,
            event_id: e.event_id,
            tenant_id: e.tenant_id,
            store_id: e.store_id,
            source_agent_id: e.source_agent_id,
            agent_key_id: e.agent_key_id,
            entity_type: text(&e.entity_type),
            entity_id: text(&e.entity_id),
            event_type: text(&e.event_type),
            created_at: text(&e.created_at),
            payload_kind: e.payload_kind.code(),
            payload: None,
            payload_raw_b64u: None,
            payload_encrypted: None,
            payload_plain_hash: e.payload_plain_hash,
            payload_cipher_hash: e.payload_cipher_hash,
            agent_signature: e.agent_signature,
            command_id: e.command_id,
            base_version: e.base_version,
        };
        match payload {
            Some(Payload::Plain(bytes)) if jcs::is_canonical(bytes) => {
                json.payload = serde_json::from_slice(bytes).ok();
            }
            Some(Payload::Plain(bytes)) => json.payload_raw_b64u = Some(encode_b64(bytes)),
            Some(Payload::Encrypted(bundle)) => json.payload_encrypted = Some(bundle.into()),
            None => {}
        }
        json
    }
}

impl From<&SubmittedEvent> for EventJson {
    fn from(event: &SubmittedEvent) -> Self {
        Self::of(&event.envelope, Some(&event.payload))
    }
}

impl TryFrom<&EventJson> for SubmittedEvent {
    type Error = WireError;

    fn try_from(json: &EventJson) -> Result<Self, WireError> {
        let payload = match (
            &json.payload,
            &json.payload_raw_b64u,
            &json.payload_encrypted,
        ) {
            (Some(value), None, None) => {
                let canonical = jcs::canonicalize_value(value).map_err(WireError::Payload)?;
                let bytes = canonical.into_bytes();
                Payload::Plain(bytes.try_into().map_err(|_| WireError::Field("payload"))?)
            }
            (None, Some(raw), None) => {
                let bytes = decode_b64(raw, "payload_raw_b64u")?;
                Payload::Plain(bytes.try_into().map_err(|_| WireError::Field("payload"))?)
            }
            (None, None, Some(bundle)) => Payload::Encrypted(bundle.try_into()?),
            _ => return Err(WireError::Field("payload")),
        };
        let payload_kind = match json.payload_kind {
            0 => PayloadKind::Plaintext,
            1 => PayloadKind::Encrypted,
            _ => return Err(WireError::Field("payload_kind")),
        };
        let bytes = |text: &str| text.as_bytes().to_vec();
        Ok(Self {
            envelope: Envelope {
                ves_version: json.ves_version,
                event_id: json.event_id,
                tenant_id: json.tenant_id,
                store_id: json.store_id,
                source_agent_id: json.source_agent_id,
                agent_key_id: json.agent_key_id,
                entity_type: bytes(&json.entity_type)
                    .try_into()
                    .map_err(|_| WireError::Field("entity_type"))?,
                entity_id: bytes(&json.entity_id)
                    .try_into()
                    .map_err(|_| WireError::Field("entity_id"))?,
                event_type: bytes(&json.event_type)
                    .try_into()
                    .map_err(|_| WireError::Field("event_type"))?,
                created_at: bytes(&json.created_at)
                    .try_into()
                    .map_err(|_| WireError::Field("created_at"))?,
                payload_kind,
                payload_plain_hash: json.payload_plain_hash,
                payload_cipher_hash: json.payload_cipher_hash,
                command_id: json.command_id,
                base_version: json.base_version,
                agent_signature: json.agent_signature,
            },
            payload,
        })
    }
}

/// A finalized event and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SequencedEventJson {
    /// The stream.
    pub stream_id: StreamId,
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// Block that sequenced it.
    pub block_number: u32,
    /// Hash of that block.
    #[serde(with = "hex32")]
    pub block_hash: [u8; 32],
    /// Chain time of that block, milliseconds since the Unix epoch.
    pub block_time_ms: u64,
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// What the agent signed.
    pub event_signing_hash: EventSigningHash,
    /// Leaf in the batch tree.
    pub leaf_hash: LeafHash,
    /// Receipt.
    pub receipt_hash: ReceiptHash,
    /// The event.
    pub event: EventJson,
}

/// A page of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventsPageJson {
    /// Events in sequence order.
    pub events: Vec<SequencedEventJson>,
    /// Last finalized sequence of the stream, 0 if none.
    pub head_sequence: u64,
    /// Where the next page starts; absent when this page reaches the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_sequence: Option<u64>,
}

/// A batch with the block that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchJson {
    /// The stream.
    pub stream_id: StreamId,
    /// Hash of the block.
    #[serde(with = "hex32")]
    pub block_hash: [u8; 32],
    /// The commitment.
    #[serde(flatten)]
    pub batch: BatchCommitment,
}

/// Where a stream stands at the newest indexed finalized block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadJson {
    /// The stream.
    pub stream_id: StreamId,
    /// Last finalized sequence, 0 if none.
    pub sequence: u64,
    /// State root after the last batch.
    pub state_root: StateRoot,
    /// Number of batches.
    pub batch_count: u64,
    /// Newest indexed finalized block.
    pub finalized_block_number: u32,
    /// Hash of that block.
    #[serde(with = "hex32")]
    pub finalized_block_hash: [u8; 32],
}

/// From an event's leaf to the header of its block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InclusionJson {
    /// The leaf.
    pub leaf_hash: LeafHash,
    /// Path from the leaf to the batch's events root.
    pub proof: InclusionProof,
    /// The batch.
    pub batch: BatchJson,
    /// Path from the batch to the block commitment in the header's `VESB` digest item.
    pub block_proof: InclusionProof,
    /// SCALE-encoded header of the block; its BLAKE2b-256 hash is the block hash.
    #[serde(with = "hex_bytes")]
    pub header: Vec<u8>,
}

/// Where a batch was anchored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorJson {
    /// EVM chain id.
    pub chain_id: u64,
    /// `SetRegistry` address, 20 bytes hex.
    pub registry: String,
    /// Events root as the contract returned it.
    #[serde(with = "hex32")]
    pub events_root: [u8; 32],
    /// State root as the contract returned it.
    #[serde(with = "hex32")]
    pub new_state_root: [u8; 32],
    /// EVM block number at which the contract was read.
    pub read_at_block: u64,
}

/// One refusal of an event by the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionJson {
    /// Block that refused it.
    pub block_number: u32,
    /// Hash of that block.
    #[serde(with = "hex32")]
    pub block_hash: [u8; 32],
    /// Position of the extrinsic in the block.
    pub extrinsic_index: u32,
    /// The protocol's reason, as in [`Rejection`](crate::sequencer::Rejection)'s text.
    pub reason: String,
}

/// Everything needed to verify one event without any server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BundleJson {
    /// `ves.bundle`.
    pub schema: String,
    /// 1.
    pub version: u32,
    /// The chain.
    pub genesis_hash: GenesisHash,
    /// The event.
    pub event: SequencedEventJson,
    /// Its way to the header.
    pub inclusion: InclusionJson,
    /// The key that signed, as registered on chain.
    pub signing_key: SigningKeyRecord,
    /// That the block is final. Bundles of older programs lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finality: Option<FinalityJson>,
    /// Where the batch was anchored, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<AnchorJson>,
    /// What is proven about the event's amount. Nodes leave it out: whoever exports adds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proofs: Vec<ProofJson>,
}

/// A compliance proof in a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofJson {
    /// Block that verified it.
    pub block_number: u32,
    /// The SCALE-encoded [`ProofSubmission`](crate::proof::ProofSubmission).
    #[serde(with = "hex_bytes")]
    pub submission: Vec<u8>,
    /// The key that endorsed, as registered on chain, unless it is the event's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<SigningKeyRecord>,
}

impl BundleJson {
    /// Value of [`BundleJson::schema`].
    pub const SCHEMA: &'static str = "ves.bundle";
    /// Value of [`BundleJson::version`].
    pub const VERSION: u32 = 1;
}

/// What a node's `ves_health` says about its event store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHealthJson {
    /// Newest indexed block.
    pub indexed_block: u32,
    /// Newest finalized block of the node.
    pub finalized_block: u32,
    /// Whether the store is still catching up.
    pub backfilling: bool,
    /// Last error of the indexer, empty if it is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
}

/// Text form of a payload error for JSON answers.
impl From<JcsError> for WireError {
    fn from(error: JcsError) -> Self {
        Self::Payload(error)
    }
}
