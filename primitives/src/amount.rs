// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Amounts, their currency, the bytes of their commitments and who endorses them (VES-STARK A3,
//! A7). The commitment itself is Rescue-Prime and is computed in `ves-stark-air`.

use crate::{
    AmountCommitment, EventId, EventSigningHash, ParseIdError, PolicyHash, domain, hash::Preimage,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use hkdf::Hkdf;
use scale_info::TypeInfo;
use sha2::Sha256;

/// Modulus of the field amounts live in, 2^64 - 2^32 + 1.
pub const FIELD_MODULUS: u64 = 0xffff_ffff_0000_0001;
/// Largest amount and largest limit: 2^64 - 2^32.
pub const MAX_AMOUNT: u64 = FIELD_MODULUS - 1;
/// Largest budget: sums of 130 numbers up to it stay far below the modulus.
pub const MAX_BUDGET_LIMIT: u64 = 1 << 56;
/// First capacity lane of every commitment, ASCII `VES_AMT1`.
pub const COMMITMENT_DOMAIN: u64 = 0x5645_535f_414d_5431;

/// What an amount is counted in: an upper-case code of 1 to 7 characters and a decimal scale.
/// 59.98 USD is the amount 5998 of `USD` with scale 2.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct CurrencyTag {
    /// ASCII code, zero-padded on the right.
    code: [u8; 7],
    /// Decimal places of one unit.
    scale: u8,
}

/// Why a text names no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidCurrency;

impl fmt::Display for InvalidCurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a currency: 1 to 7 upper-case letters or digits, then optionally a colon and \
             the decimal places (0 to 18), as in USD:2",
        )
    }
}

impl core::error::Error for InvalidCurrency {}

impl CurrencyTag {
    /// No currency: padding, and nothing an event can be endorsed with.
    pub const NONE: Self = Self {
        code: [0; 7],
        scale: 0,
    };
    /// Most decimal places.
    pub const MAX_SCALE: u8 = 18;

    /// A currency by its code and decimal places.
    ///
    /// # Errors
    /// [`InvalidCurrency`] unless the code is 1 to 7 characters of `A-Z` and `0-9` and the scale is
    /// at most 18.
    pub fn new(code: &str, scale: u8) -> Result<Self, InvalidCurrency> {
        let mut padded = [0u8; 7];
        let fits = padded.get_mut(..code.len()).ok_or(InvalidCurrency)?;
        fits.copy_from_slice(code.as_bytes());
        let tag = Self {
            code: padded,
            scale,
        };
        if tag.is_valid() {
            Ok(tag)
        } else {
            Err(InvalidCurrency)
        }
    }

    /// Whether this is a currency: what [`CurrencyTag::new`] can build. Decoded tags are checked
    /// with this.
    pub fn is_valid(&self) -> bool {
        let used = self.code.iter().take_while(|byte| **byte != 0).count();
        let (code, rest) = self.code.split_at(used);
        !code.is_empty()
            && code
                .iter()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && rest.iter().all(|byte| *byte == 0)
            && self.scale <= Self::MAX_SCALE
    }

    /// The code without padding.
    pub fn code(&self) -> &str {
        let used = self.code.iter().take_while(|byte| **byte != 0).count();
        self.code
            .get(..used)
            .and_then(|code| core::str::from_utf8(code).ok())
            .unwrap_or_default()
    }

    /// Decimal places.
    pub const fn scale(&self) -> u8 {
        self.scale
    }

    /// `code[7] || U8(scale)` as one big-endian number: the commitment's second capacity lane.
    /// Below 2^63 for every ASCII code, hence canonical in the field.
    pub fn as_u64(&self) -> u64 {
        self.code
            .iter()
            .chain(core::iter::once(&self.scale))
            .fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

impl fmt::Display for CurrencyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.code(), self.scale)
    }
}

impl fmt::Debug for CurrencyTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CurrencyTag {
    type Err = InvalidCurrency;

    /// `USD:2`; without a colon the scale is 2.
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        match text.split_once(':') {
            Some((code, scale)) => Self::new(code, scale.parse().map_err(|_| InvalidCurrency)?),
            None => Self::new(text, 2),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for CurrencyTag {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CurrencyTag {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl AmountCommitment {
    /// Four big-endian words.
    pub fn words(&self) -> [u64; 4] {
        let mut words = [0u64; 4];
        for (word, bytes) in words.iter_mut().zip(self.0.chunks_exact(8)) {
            *word = bytes
                .iter()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte));
        }
        words
    }

    /// The bytes of four words.
    pub fn from_words(words: [u64; 4]) -> Self {
        let mut bytes = [0u8; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        Self(bytes)
    }

    /// Whether each word is below the field's modulus, as in every commitment there is.
    pub fn is_canonical(&self) -> bool {
        self.words().iter().all(|word| *word < FIELD_MODULUS)
    }

    /// 64 lower-case hex digits without prefix: `witnessCommitment` of the public inputs.
    ///
    /// # Errors
    /// [`ParseIdError::Hex`] for anything else.
    pub fn from_plain_hex(text: &str) -> Result<Self, ParseIdError> {
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseIdError::Hex)?;
        Ok(Self(bytes))
    }
}

/// What the event's agent signs to vouch for an amount commitment:
/// `H("VES_AMOUNT_COMMIT_V1" || signing hash || C || currency[7] || U8(scale))`.
///
/// Stored beside the event, so the envelope keeps its VES v1 bytes.
pub fn endorsement_hash(
    event: &EventSigningHash,
    commitment: &AmountCommitment,
    currency: CurrencyTag,
) -> [u8; 32] {
    Preimage::new(domain::AMOUNT_COMMIT)
        .bytes(&event.0)
        .bytes(&commitment.0)
        .bytes(&currency.code)
        .u8(currency.scale)
        .finish()
}

/// 192 bits that hide an amount in its commitment: three canonical field elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AmountSalt([u64; 3]);

impl AmountSalt {
    /// The salt under which every budget begins, at 0: anyone can recompute that commitment.
    pub const ZERO: Self = Self([0; 3]);

    /// The salt that every reader of the payload can recompute:
    /// HKDF-SHA256 (RFC 5869, no extraction salt) of the payload's 16-byte salt with info
    /// `"VES_AMOUNT_SALT_V1" || event id`; of 64 bytes of its output, read as big-endian 64-bit
    /// words, the first three below the modulus.
    pub fn derive(payload_salt: &[u8; 16], event: EventId) -> Self {
        Self::expand(payload_salt, &[domain::AMOUNT_SALT, &event.0])
    }

    /// The salt of a budget's new total, which only its agent can recompute: as
    /// [`AmountSalt::derive`], of the 32-byte seed of the agent's signing key with info
    /// `"VES_TOTAL_SALT_V1" || signing hash || policy hash || previous C`.
    ///
    /// Nothing has to be kept to open a total again but the key and the agent's own events.
    pub fn derive_total(
        seed: &[u8; 32],
        event: &EventSigningHash,
        policy: &PolicyHash,
        previous: &AmountCommitment,
    ) -> Self {
        Self::expand(
            seed,
            &[domain::TOTAL_SALT, &event.0, &policy.0, &previous.0],
        )
    }

    fn expand(secret: &[u8], info: &[&[u8]]) -> Self {
        let mut output = [0u8; 64];
        // Cannot fail: 64 bytes are far below HKDF's limit of 8,160.
        let _ = Hkdf::<Sha256>::new(None, secret).expand_multi_info(info, &mut output);
        let mut words = output.chunks_exact(8).map(|bytes| {
            bytes
                .iter()
                .fold(0, |number, byte| (number << 8) | u64::from(*byte))
        });
        // A word is refused with probability 2^-32, so that six of eight are with 2^-187.
        Self([(); 3].map(|()| words.find(|word| *word < FIELD_MODULUS).unwrap_or_default()))
    }

    /// A salt from three words.
    ///
    /// Returns `None` unless each is below the field's modulus.
    pub fn from_words(words: [u64; 3]) -> Option<Self> {
        words
            .iter()
            .all(|word| *word < FIELD_MODULUS)
            .then_some(Self(words))
    }

    /// The three words, each below the modulus.
    pub const fn words(&self) -> [u64; 3] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_have_one_spelling() {
        let usd: CurrencyTag = "USD:2".parse().expect("valid");
        assert_eq!((usd.code(), usd.scale()), ("USD", 2));
        assert_eq!(usd.as_u64(), u64::from_be_bytes(*b"USD\0\0\0\0\x02"));
        assert_eq!("USD".parse(), Ok(usd));
        for text in [
            "", "usd", "US D", "TOOLONGS", "USD:", "USD:19", "USD:-1", "US\0D",
        ] {
            assert_eq!(
                text.parse::<CurrencyTag>(),
                Err(InvalidCurrency),
                "{text:?}"
            );
        }
        assert!(!CurrencyTag::NONE.is_valid());
    }

    #[test]
    fn a_salt_depends_on_payload_and_event() {
        let event = EventId([7; 16]);
        let salt = AmountSalt::derive(&[1; 16], event);
        assert_eq!(salt.words(), AmountSalt::derive(&[1; 16], event).words());
        assert_ne!(salt.words(), AmountSalt::derive(&[2; 16], event).words());
        assert_ne!(
            salt.words(),
            AmountSalt::derive(&[1; 16], EventId([8; 16])).words()
        );
    }

    #[test]
    fn a_totals_salt_depends_on_key_event_policy_and_previous_total() {
        let salt = |seed, event, policy, previous| {
            AmountSalt::derive_total(
                &[seed; 32],
                &EventSigningHash([event; 32]),
                &PolicyHash([policy; 32]),
                &AmountCommitment([previous; 32]),
            )
            .words()
        };
        let one = salt(1, 1, 1, 1);
        assert_eq!(one, salt(1, 1, 1, 1));
        for other in [
            salt(2, 1, 1, 1),
            salt(1, 2, 1, 1),
            salt(1, 1, 2, 1),
            salt(1, 1, 1, 2),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_word_at_or_above_the_modulus_is_not_canonical() {
        assert!(AmountCommitment::from_words([MAX_AMOUNT; 4]).is_canonical());
        assert!(!AmountCommitment::from_words([0, 0, FIELD_MODULUS, 0]).is_canonical());
        assert!(AmountSalt::from_words([0, 0, FIELD_MODULUS]).is_none());
    }
}
