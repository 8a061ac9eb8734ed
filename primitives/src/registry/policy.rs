// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a signing key may be used for.

use crate::{Envelope, limits};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// End of the event types that need no base version: what creates an entity builds on none.
const CREATED: &[u8] = b".created";

/// A set of event or entity types: one exact type, `*` for all, or `prefix.*` for all that begin
/// with `prefix.`.
///
/// Bytes from the chain may be anything; [`KeyPolicy::is_well_formed`] says whether they are one of
/// the three forms. A pattern of another form matches nothing but its own bytes.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TypePattern(pub BoundedVec<u8, ConstU32<{ limits::MAX_TYPE_PATTERN_BYTES }>>);

/// The patterns of one policy rule.
pub type TypePatterns = BoundedVec<TypePattern, ConstU32<{ limits::MAX_TYPE_PATTERNS }>>;

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParsePatternError {
    /// Empty, or longer than [`limits::MAX_TYPE_PATTERN_BYTES`].
    Length,
    /// A `*` stands elsewhere than alone or after the last `.`.
    Star,
}

impl fmt::Display for ParsePatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(
                f,
                "a pattern has 1 to {} bytes",
                limits::MAX_TYPE_PATTERN_BYTES
            ),
            Self::Star => f.write_str("`*` stands alone or ends a pattern as in `order.*`"),
        }
    }
}

impl core::error::Error for ParsePatternError {}

impl TypePattern {
    /// Whether the pattern has one of the three forms.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), ParsePatternError> {
        let bytes = self.0.as_slice();
        if bytes.is_empty() {
            return Err(ParsePatternError::Length);
        }
        let literal = match bytes {
            b"*" => &[][..],
            // At least one byte before the dot.
            [_, .., b'.', b'*'] => bytes.get(..bytes.len().saturating_sub(1)).unwrap_or(bytes),
            _ => bytes,
        };
        if literal.contains(&b'*') || core::str::from_utf8(bytes).is_err() {
            return Err(ParsePatternError::Star);
        }
        Ok(())
    }

    /// Whether the type is in the set.
    pub fn matches(&self, text: &[u8]) -> bool {
        match self.0.as_slice() {
            b"*" => true,
            [prefix @ .., b'*'] if prefix.len() > 1 && prefix.ends_with(b".") => {
                text.starts_with(prefix)
            }
            exact => exact == text,
        }
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(&self.0) {
            Ok(text) => f.write_str(text),
            Err(_) => f.write_str("<not UTF-8>"),
        }
    }
}

impl FromStr for TypePattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes: Vec<u8> = text.into();
        let pattern = Self(bytes.try_into().map_err(|_| ParsePatternError::Length)?);
        pattern.check()?;
        Ok(pattern)
    }
}

#[cfg(feature = "wire")]
impl serde::Serialize for TypePattern {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

#[cfg(feature = "wire")]
impl<'de> serde::Deserialize<'de> for TypePattern {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a signing key may be used for. A key without a policy may be used for anything.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(
    feature = "wire",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct KeyPolicy {
    /// Whether the policy is enforced. One that is not is kept, and refuses nothing.
    pub enabled: bool,
    /// Event types the key may sign; none if empty.
    #[cfg_attr(feature = "wire", serde(with = "patterns"))]
    pub event_types: TypePatterns,
    /// Entity types the key may sign; none if empty.
    #[cfg_attr(feature = "wire", serde(with = "patterns"))]
    pub entity_types: TypePatterns,
    /// Whether an event must state the version it builds on, and sign it (envelope version 2).
    /// Waived for event types that end with `.created`.
    pub require_base_version: bool,
    /// Longest payload, bytes of JSON or ciphertext.
    pub max_payload_bytes: u32,
}

/// The rule of a key's policy that an event breaks.
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
pub enum PolicyBreach {
    /// The key may not sign this event type.
    EventType,
    /// The key may not sign about this entity type.
    EntityType,
    /// The event does not sign the version it builds on.
    BaseVersion,
    /// The payload is longer than the key may sign.
    PayloadBytes,
}

impl PolicyBreach {
    /// Text after `policy_denied: `.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::EntityType => "entity_type",
            Self::BaseVersion => "base_version",
            Self::PayloadBytes => "payload_bytes",
        }
    }
}

impl fmt::Display for PolicyBreach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy_denied: {}", self.name())
    }
}

impl KeyPolicy {
    /// Whether every pattern has one of the three forms and the payload bound is between 1 and
    /// [`limits::MAX_PAYLOAD_BYTES`].
    pub fn is_well_formed(&self) -> bool {
        self.event_types
            .iter()
            .chain(&self.entity_types)
            .all(|pattern| pattern.check().is_ok())
            && (1..=limits::MAX_PAYLOAD_BYTES).contains(&self.max_payload_bytes)
    }

    /// Judges an event by this policy.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self, envelope: &Envelope, payload_len: usize) -> Result<(), PolicyBreach> {
        if !self.enabled {
            return Ok(());
        }
        let any = |patterns: &TypePatterns, text: &[u8]| {
            patterns.iter().any(|pattern| pattern.matches(text))
        };
        if !any(&self.event_types, &envelope.event_type) {
            return Err(PolicyBreach::EventType);
        }
        if !any(&self.entity_types, &envelope.entity_type) {
            return Err(PolicyBreach::EntityType);
        }
        // Version 1 carries a base version without signing it.
        let signs_base = envelope.ves_version >= 2 && envelope.base_version.is_some();
        if self.require_base_version && !signs_base && !envelope.event_type.ends_with(CREATED) {
            return Err(PolicyBreach::BaseVersion);
        }
        if u32::try_from(payload_len).map_or(true, |len| len > self.max_payload_bytes) {
            return Err(PolicyBreach::PayloadBytes);
        }
        Ok(())
    }
}

/// Pattern lists in serde formats: a list of texts, refused when too long.
#[cfg(feature = "wire")]
mod patterns {
    use super::{TypePattern, TypePatterns};
    use alloc::vec::Vec;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(list: &TypePatterns, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<TypePatterns, D::Error> {
        Vec::<TypePattern>::deserialize(d)?
            .try_into()
            .map_err(|_| D::Error::custom("more patterns than a policy may have"))
    }
}
