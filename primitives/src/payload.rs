// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Payload forms and their hashes: plaintext (VES v1 §1.4) and VES-ENC-1 (§5.2, §5.3).

use crate::{
    Envelope, EnvelopeError, Field, PayloadAad, PayloadCipherHash, PayloadPlainHash, RecipientKid,
    RecipientsHash, domain, hash::Preimage, limits,
};
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Payload or ciphertext bytes.
pub type PayloadBytes = BoundedVec<u8, ConstU32<{ limits::MAX_PAYLOAD_BYTES }>>;
/// Recipients in strictly ascending kid order.
pub type Recipients = BoundedVec<Recipient, ConstU32<{ limits::MAX_RECIPIENTS }>>;

/// Whether an event's payload is readable by everyone.
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
pub enum PayloadKind {
    /// Canonical JSON in the clear.
    Plaintext,
    /// A VES-ENC-1 bundle.
    Encrypted,
}

impl PayloadKind {
    /// The number that enters the signing hash: 0 plaintext, 1 encrypted.
    pub const fn code(self) -> u32 {
        match self {
            Self::Plaintext => 0,
            Self::Encrypted => 1,
        }
    }
}

/// One wrapped content key.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Recipient {
    /// Number of the encryption key the content key is wrapped for.
    pub recipient_kid: RecipientKid,
    /// HPKE encapsulated key.
    pub enc: [u8; 32],
    /// HPKE-sealed content key: 32 bytes and a 16-byte tag.
    pub ct: [u8; 48],
}

/// A VES-ENC-1 bundle. The algorithm labels of its JSON form are constants (`enc_version` 1), so
/// they do not travel.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct EncryptedPayload {
    /// AES-256-GCM nonce.
    pub nonce: [u8; 12],
    /// AES-256-GCM ciphertext of `salt[16] || canonical JSON`.
    pub ciphertext: PayloadBytes,
    /// AES-256-GCM tag.
    pub tag: [u8; 16],
    /// Wrapped content keys.
    pub recipients: Recipients,
}

/// What an event's payload hashes commit to.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Payload {
    /// Canonical JSON (RFC 8785). The chain hashes the bytes as they are; a reader refuses bytes
    /// that are not canonical.
    Plain(PayloadBytes),
    /// Readable by its recipients only.
    Encrypted(EncryptedPayload),
}

impl Payload {
    /// The form of this payload.
    pub const fn kind(&self) -> PayloadKind {
        match self {
            Self::Plain(_) => PayloadKind::Plaintext,
            Self::Encrypted(_) => PayloadKind::Encrypted,
        }
    }

    /// Bytes of JSON or ciphertext.
    pub fn len(&self) -> usize {
        match self {
            Self::Plain(json) => json.len(),
            Self::Encrypted(bundle) => bundle.ciphertext.len(),
        }
    }

    /// Whether there are no payload bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `H("VES_PAYLOAD_PLAIN_V1" || [salt] || canonical JSON)`; the salt exists only for encrypted
/// payloads (VES v1 §1.4).
pub fn payload_plain_hash(salt: Option<&[u8; 16]>, canonical_json: &[u8]) -> PayloadPlainHash {
    let preimage = Preimage::new(domain::PAYLOAD_PLAIN);
    let preimage = match salt {
        Some(salt) => preimage.bytes(salt),
        None => preimage,
    };
    PayloadPlainHash(preimage.bytes(canonical_json).finish())
}

impl Envelope {
    /// Additional authenticated data and HPKE info of this event's payload (VES v1 §5.2, without
    /// `ves_version`).
    pub fn payload_aad(&self) -> PayloadAad {
        PayloadAad(
            Preimage::new(domain::PAYLOAD_AAD)
                .bytes(&self.tenant_id.0)
                .bytes(&self.store_id.0)
                .bytes(&self.event_id.0)
                .bytes(&self.source_agent_id.0)
                .u32(self.agent_key_id.0)
                .prefixed(&self.entity_type)
                .prefixed(&self.entity_id)
                .prefixed(&self.event_type)
                .prefixed(&self.created_at)
                .bytes(&self.payload_plain_hash.0)
                .finish(),
        )
    }
}

impl EncryptedPayload {
    /// Non-empty ciphertext, at least one recipient, kids strictly ascending (VES v1 §5.4).
    ///
    /// # Errors
    /// [`EnvelopeError::Schema`] naming the payload or the recipients.
    pub fn check_structure(&self) -> Result<(), EnvelopeError> {
        if self.ciphertext.is_empty() {
            return Err(EnvelopeError::Schema(Field::Payload));
        }
        let ascending = self.recipients.windows(2).all(|pair| match pair {
            [a, b] => a.recipient_kid < b.recipient_kid,
            _ => true,
        });
        if self.recipients.is_empty() || !ascending {
            return Err(EnvelopeError::Schema(Field::Recipients));
        }
        Ok(())
    }

    /// Hash of the recipient list in order (VES v1 §5.3).
    pub fn recipients_hash(&self) -> RecipientsHash {
        let preimage = self.recipients.iter().fold(
            Preimage::new(domain::RECIPIENTS),
            |preimage, recipient| {
                preimage
                    .u32(recipient.recipient_kid.0)
                    .prefixed(&recipient.enc)
                    .prefixed(&recipient.ct)
            },
        );
        RecipientsHash(preimage.finish())
    }

    /// Hash of the whole bundle (VES v1 §5.3). The leading `U32(1)` is a constant of the format.
    pub fn cipher_hash(&self, aad: &PayloadAad) -> PayloadCipherHash {
        PayloadCipherHash(
            Preimage::new(domain::PAYLOAD_CIPHER)
                .u32(1)
                .bytes(&self.nonce)
                .bytes(&aad.0)
                .prefixed(&self.ciphertext)
                .bytes(&self.tag)
                .bytes(&self.recipients_hash().0)
                .finish(),
        )
    }
}
