// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Canonical JSON (RFC 8785) with the refusals that keep it unambiguous (VES v1 §1.3, §15).
//!
//! The canonical form passes every number through a double, so integers beyond 2^53 - 1 would
//! collide. They are refused, as are duplicate keys and lone surrogates; what is accepted has the
//! same bytes as the peer's canonicalizer.

use crate::limits::MAX_SAFE_INTEGER;
use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
};
use core::fmt;
use serde_json::Value;

/// Start of the keys by which `serde_json` marks raw texts and exact numbers inside a `Value`.
///
/// When any crate of a build turns on `raw_value` or `arbitrary_precision`, an object with such a
/// key parses as what its text *contains*: the same bytes would be canonical in one program and
/// not in another. Refused everywhere, so that the features of a build decide nothing.
const RESERVED_KEY_PREFIX: &str = "$serde_json::private::";

/// Why a JSON text has no canonical form here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JcsError {
    /// Not JSON; also raised for lone surrogates, numbers beyond a double, and nesting over 128.
    Syntax(String),
    /// An object names a key twice.
    DuplicateKey(String),
    /// An integer outside ±(2^53 - 1). Write it as a string.
    UnsafeInteger(String),
    /// A key that `serde_json` keeps for itself. Rename it.
    ReservedKey(String),
    /// The payload is `null`, which VES reads as "absent".
    Null,
}

impl fmt::Display for JcsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(why) => write!(f, "not valid JSON: {why}"),
            Self::DuplicateKey(key) => write!(f, "duplicate key {key:?}"),
            Self::UnsafeInteger(number) => write!(
                f,
                "integer {number} is outside ±(2^53-1) and would lose digits; write it as a string"
            ),
            Self::ReservedKey(key) => write!(f, "reserved key {key:?}"),
            Self::Null => f.write_str("a payload may not be null"),
        }
    }
}

impl core::error::Error for JcsError {}

/// Parses strictly and prints the canonical form.
///
/// # Errors
/// See [`JcsError`].
pub fn canonicalize(text: &str) -> Result<String, JcsError> {
    let value = parse_strict(text)?;
    if value.is_null() {
        return Err(JcsError::Null);
    }
    print(&value)
}

/// Canonical form of a value built in memory.
///
/// # Errors
/// [`JcsError::UnsafeInteger`], [`JcsError::ReservedKey`] or [`JcsError::Null`].
pub fn canonicalize_value(value: &Value) -> Result<String, JcsError> {
    canonicalize(&value.to_string())
}

/// Whether the bytes are already the canonical form of some accepted payload.
pub fn is_canonical(bytes: &[u8]) -> bool {
    core::str::from_utf8(bytes)
        .ok()
        .and_then(|text| canonicalize(text).ok())
        .is_some_and(|canonical| canonical.as_bytes() == bytes)
}

fn print(value: &Value) -> Result<String, JcsError> {
    serde_json_canonicalizer::to_string(value).map_err(|e| JcsError::Syntax(e.to_string()))
}

/// Parses a JSON text, refusing duplicate keys, reserved keys and unsafe integers.
///
/// # Errors
/// See [`JcsError`].
pub fn parse_strict(text: &str) -> Result<Value, JcsError> {
    // The library's parser judges the syntax first; the scan below then only meets valid JSON.
    let value: Value = serde_json::from_str(text).map_err(|e| JcsError::Syntax(e.to_string()))?;
    scan(text)?;
    Ok(value)
}

/// Walks the tokens of a valid JSON text and refuses what a parsed value can no longer show.
fn scan(text: &str) -> Result<(), JcsError> {
    // Keys seen so far of each open object; `None` for an open array.
    let mut open: alloc::vec::Vec<Option<BTreeSet<String>>> = alloc::vec::Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'{' => open.push(Some(BTreeSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                while let Some(&inner) = bytes.get(at) {
                    at += 1;
                    match inner {
                        b'\\' => at += 1,
                        b'"' => break,
                        _ => {}
                    }
                }
                let is_key = text[at..].trim_start().starts_with(':');
                if let (true, Some(Some(keys))) = (is_key, open.last_mut()) {
                    let key: String = serde_json::from_str(&text[start..at])
                        .map_err(|e| JcsError::Syntax(e.to_string()))?;
                    if key.starts_with(RESERVED_KEY_PREFIX) {
                        return Err(JcsError::ReservedKey(key));
                    }
                    if !keys.insert(key.clone()) {
                        return Err(JcsError::DuplicateKey(key));
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                while bytes
                    .get(at)
                    .is_some_and(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
                {
                    at += 1;
                }
                check_number(&text[start..at])?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a number whose canonical form is an integer literal that a double cannot carry exactly.
/// Doubles from 10^21 on print with an exponent and are no integer literals, so they pass.
fn check_number(token: &str) -> Result<(), JcsError> {
    let unsafe_integer = || JcsError::UnsafeInteger(token.to_string());
    let is_integer = !token.contains(['.', 'e', 'E']);
    if is_integer {
        let magnitude = token.trim_start_matches('-').parse::<u64>();
        return match magnitude {
            Ok(value) if value <= MAX_SAFE_INTEGER => Ok(()),
            _ => Err(unsafe_integer()),
        };
    }
    let value: f64 = token.parse().map_err(|_| unsafe_integer())?;
    let magnitude = value.abs();
    if magnitude > MAX_SAFE_INTEGER as f64 && magnitude < 1e21 {
        return Err(unsafe_integer());
    }
    Ok(())
}
