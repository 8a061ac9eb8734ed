// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! VES-ENC-1: AES-256-GCM content encryption, content keys wrapped by RFC 9180 HPKE in base mode.
//!
//! Every hash and layout comes from `ves_primitives`; this module only holds the secrets and the
//! randomness. Whose keys to encrypt to: [`recipients`].

pub mod recipients;

use aes_gcm::{Aes256Gcm, Key, KeyInit, Nonce, Tag, aead::AeadInPlace};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{Infallible, TryCryptoRng, TryRng},
    single_shot_open, single_shot_seal_with_rng,
};
use rand::{RngCore, rngs::OsRng};
use std::fmt;
use ves_primitives::{
    EncryptedPayload, EncryptionPublicKey, Envelope, PayloadAad, PayloadKind, Recipient,
    RecipientKid, payload_plain_hash,
};
use zeroize::Zeroizing;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Bytes of salt in front of the canonical JSON.
const SALT_BYTES: usize = 16;

/// The operating system's randomness in the form the HPKE library asks for.
struct SystemRng;

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(OsRng.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(OsRng.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        OsRng.fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

/// Why a payload could not be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptProblem {
    /// Nobody to encrypt to.
    NoRecipients,
    /// The same key is named twice.
    DuplicateRecipient(RecipientKid),
    /// More recipients than the chain takes.
    TooManyRecipients,
    /// The recipient's key is unusable.
    RecipientKey(RecipientKid),
    /// The encrypted payload is longer than the chain takes.
    TooLarge,
}

impl fmt::Display for EncryptProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipients => f.write_str("an encrypted payload needs at least one recipient"),
            Self::DuplicateRecipient(kid) => write!(f, "recipient key {kid} is named twice"),
            Self::TooManyRecipients => f.write_str("too many recipients"),
            Self::RecipientKey(kid) => write!(f, "recipient key {kid} is not usable"),
            Self::TooLarge => f.write_str("the encrypted payload is too long"),
        }
    }
}

impl std::error::Error for EncryptProblem {}

/// Why a payload did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecryptProblem {
    /// No wrapped key for any of the keys at hand.
    NotARecipient,
    /// The wrapped content key does not open: altered, or wrapped for another event.
    WrappedKey,
    /// The ciphertext does not open with the content key.
    Ciphertext,
    /// The plaintext is too short to hold the salt.
    Truncated,
    /// The plaintext does not hash to the signed value.
    PlainHash,
    /// The plaintext is not canonical JSON.
    NotCanonical,
}

impl DecryptProblem {
    /// Stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotARecipient => "not_a_recipient",
            Self::WrappedKey => "wrapped_key_invalid",
            Self::Ciphertext => "ciphertext_invalid",
            Self::Truncated => "plaintext_truncated",
            Self::PlainHash => "plain_hash_mismatch",
            Self::NotCanonical => "payload_not_canonical",
        }
    }
}

impl fmt::Display for DecryptProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotARecipient => "the payload is not encrypted to any key of this agent",
            Self::WrappedKey => "the wrapped content key does not open",
            Self::Ciphertext => "the ciphertext does not open",
            Self::Truncated => "the plaintext is too short",
            Self::PlainHash => "the plaintext does not match the hash its author signed",
            Self::NotCanonical => "the plaintext is not canonical JSON",
        })
    }
}

impl std::error::Error for DecryptProblem {}

/// An X25519 private key, erased when dropped.
pub struct EncryptionSecret(PrivateKey);

impl fmt::Debug for EncryptionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionSecret(..)")
    }
}

impl EncryptionSecret {
    /// A new random key.
    pub fn generate() -> Self {
        Self(X25519HkdfSha256::gen_keypair_with_rng(&mut SystemRng).0)
    }

    /// Reads the 32 bytes of a key. Any 32 bytes are one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        PrivateKey::from_bytes(bytes).ok().map(Self)
    }

    /// The 32 bytes, for sealing at rest.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0u8; 32]);
        self.0.write_exact(out.as_mut());
        out
    }

    /// The public half.
    pub fn public_key(&self) -> EncryptionPublicKey {
        let mut out = [0u8; 32];
        X25519HkdfSha256::sk_to_pk(&self.0).write_exact(&mut out);
        EncryptionPublicKey(out)
    }
}

/// Encrypts a canonical payload for `recipients` and sets the envelope's payload kind and hashes.
/// All other fields of the envelope, the agent's key id among them, must be final already, because
/// they are bound into the ciphertext.
///
/// # Errors
/// See [`EncryptProblem`].
pub fn encrypt(
    envelope: &mut Envelope,
    canonical_json: &[u8],
    recipients: &[(RecipientKid, EncryptionPublicKey)],
) -> Result<EncryptedPayload, EncryptProblem> {
    let mut ordered = recipients.to_vec();
    ordered.sort_unstable_by_key(|(kid, _)| *kid);
    if ordered.is_empty() {
        return Err(EncryptProblem::NoRecipients);
    }
    if let Some([(kid, _), _]) = ordered.array_windows().find(|[(a, _), (b, _)]| a == b) {
        return Err(EncryptProblem::DuplicateRecipient(*kid));
    }

    let mut salt = [0u8; SALT_BYTES];
    let mut dek = Zeroizing::new([0u8; 32]);
    let mut nonce = [0u8; 12];
    OsRng.fill_bytes(&mut salt);
    OsRng.fill_bytes(dek.as_mut());
    OsRng.fill_bytes(&mut nonce);

    envelope.payload_kind = PayloadKind::Encrypted;
    envelope.payload_plain_hash = payload_plain_hash(Some(&salt), canonical_json);
    let aad = envelope.payload_aad();
    let (ciphertext, tag) = seal_content(&dek, &nonce, &aad, &salt, canonical_json);

    let wrapped = ordered
        .iter()
        .map(|(kid, key)| wrap(*kid, key, &aad, &dek))
        .collect::<Result<Vec<_>, _>>()?;
    let payload = EncryptedPayload {
        nonce,
        ciphertext: ciphertext
            .try_into()
            .map_err(|_| EncryptProblem::TooLarge)?,
        tag,
        recipients: wrapped
            .try_into()
            .map_err(|_| EncryptProblem::TooManyRecipients)?,
    };
    envelope.payload_cipher_hash = payload.cipher_hash(&aad);
    Ok(payload)
}

/// An opened payload.
pub struct Opened {
    /// Canonical JSON.
    pub json: Zeroizing<String>,
    /// The salt in front of it, from which commitment salts derive.
    pub salt: Zeroizing<[u8; SALT_BYTES]>,
}

/// Opens a payload with the first of `keys` that is a recipient, and checks what came out against
/// the hash the author signed. A key without a known kid is tried on every recipient.
///
/// # Errors
/// See [`DecryptProblem`].
pub fn decrypt(
    envelope: &Envelope,
    payload: &EncryptedPayload,
    keys: &[(Option<RecipientKid>, EncryptionSecret)],
) -> Result<Opened, DecryptProblem> {
    let aad = envelope.payload_aad();
    let mut problem = DecryptProblem::NotARecipient;
    for (kid, secret) in keys {
        for recipient in &payload.recipients {
            if kid.is_some_and(|kid| kid != recipient.recipient_kid) {
                continue;
            }
            match unwrap_key(secret, recipient, &aad) {
                Ok(dek) => return open_content(envelope, payload, &aad, &dek),
                // A guess that misses says nothing; a named recipient that fails does.
                Err(why) if kid.is_some() => problem = why,
                Err(_) => {}
            }
        }
    }
    Err(problem)
}

fn wrap(
    kid: RecipientKid,
    key: &EncryptionPublicKey,
    aad: &PayloadAad,
    dek: &[u8; 32],
) -> Result<Recipient, EncryptProblem> {
    let unusable = || EncryptProblem::RecipientKey(kid);
    key.check().map_err(|_| unusable())?;
    let public = PublicKey::from_bytes(&key.0).map_err(|_| unusable())?;
    let (enc, ct) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &public,
        aad.as_bytes(),
        dek,
        b"",
        &mut SystemRng,
    )
    .map_err(|_| unusable())?;
    let mut recipient = Recipient {
        recipient_kid: kid,
        enc: [0; 32],
        ct: [0; 48],
    };
    enc.write_exact(&mut recipient.enc);
    recipient.ct = ct.try_into().map_err(|_| unusable())?;
    Ok(recipient)
}

fn unwrap_key(
    secret: &EncryptionSecret,
    recipient: &Recipient,
    aad: &PayloadAad,
) -> Result<Zeroizing<[u8; 32]>, DecryptProblem> {
    let enc = EncappedKey::from_bytes(&recipient.enc).map_err(|_| DecryptProblem::WrappedKey)?;
    let dek = single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret.0,
        &enc,
        aad.as_bytes(),
        &recipient.ct,
        b"",
    )
    .map(Zeroizing::new)
    .map_err(|_| DecryptProblem::WrappedKey)?;
    let dek: [u8; 32] = dek
        .as_slice()
        .try_into()
        .map_err(|_| DecryptProblem::WrappedKey)?;
    Ok(Zeroizing::new(dek))
}

fn seal_content(
    dek: &[u8; 32],
    nonce: &[u8; 12],
    aad: &PayloadAad,
    salt: &[u8; SALT_BYTES],
    canonical_json: &[u8],
) -> (Vec<u8>, [u8; 16]) {
    let mut buffer = Vec::with_capacity(SALT_BYTES.saturating_add(canonical_json.len()));
    buffer.extend_from_slice(salt);
    buffer.extend_from_slice(canonical_json);
    let tag = Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(dek))
        .encrypt_in_place_detached(Nonce::from_slice(nonce), aad.as_bytes(), &mut buffer)
        .expect("AES-GCM takes up to 64 GiB and payloads are bounded at 64 KiB; qed");
    (buffer, tag.into())
}

fn open_content(
    envelope: &Envelope,
    payload: &EncryptedPayload,
    aad: &PayloadAad,
    dek: &[u8; 32],
) -> Result<Opened, DecryptProblem> {
    let mut buffer = Zeroizing::new(payload.ciphertext.to_vec());
    Aes256Gcm::new(Key::<Aes256Gcm>::from_slice(dek))
        .decrypt_in_place_detached(
            Nonce::from_slice(&payload.nonce),
            aad.as_bytes(),
            buffer.as_mut_slice(),
            Tag::from_slice(&payload.tag),
        )
        .map_err(|_| DecryptProblem::Ciphertext)?;
    let (salt, json) = buffer
        .split_first_chunk::<SALT_BYTES>()
        .ok_or(DecryptProblem::Truncated)?;
    if payload_plain_hash(Some(salt), json) != envelope.payload_plain_hash {
        return Err(DecryptProblem::PlainHash);
    }
    if !ves_primitives::jcs::is_canonical(json) {
        return Err(DecryptProblem::NotCanonical);
    }
    let json = String::from_utf8(json.to_vec())
        .map(Zeroizing::new)
        .map_err(|_| DecryptProblem::NotCanonical)?;
    Ok(Opened {
        json,
        salt: Zeroizing::new(*salt),
    })
}

#[cfg(test)]
mod tests;
