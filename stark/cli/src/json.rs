// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Strict JSON: no duplicate keys, no rounded numbers, lower-case hex.

use crate::error::{Failure, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use ves_primitives::{jcs, limits::MAX_SAFE_INTEGER};

/// Parses a text strictly; `what` names it in the error, which holds none of its values.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn parse(text: &str, what: &str) -> Result<Value> {
    jcs::parse_strict(text).map_err(|error| {
        let why = match error {
            jcs::JcsError::Syntax(_) => "it is not valid JSON".to_owned(),
            jcs::JcsError::UnsafeInteger(_) => {
                "an integer is outside ±(2^53-1); write it as a string".to_owned()
            }
            other => other.to_string(),
        };
        Failure::bad_input("bad_json", format!("{what}: {why}"))
    })
}

/// A number up to 2^53 - 1 as a JSON number, a larger one as a decimal string.
pub(crate) fn number(value: u64) -> Value {
    if value <= MAX_SAFE_INTEGER {
        value.into()
    } else {
        value.to_string().into()
    }
}

/// The inverse of [`number`]; one number has one form.
pub(crate) fn as_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().filter(|value| *value <= MAX_SAFE_INTEGER),
        Value::String(text) => decimal(text).filter(|value| *value > MAX_SAFE_INTEGER),
        _ => None,
    }
}

/// A decimal number without sign, leading zeros or spaces.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|value: &u64| value.to_string() == text)
}

/// Lower-case hex of `N` bytes without prefix.
pub(crate) fn plain_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0u8; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    (hex::encode(bytes) == text).then_some(bytes)
}

/// Standard base64, padded.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes what [`to_base64`] writes.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Members of an object, with errors that name the member.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    what: &'a str,
    map: &'a Map<String, Value>,
}

impl<'a> Members<'a> {
    /// The members of `value`, if it is an object.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput), as everything here.
    pub(crate) fn of(value: &'a Value, what: &'a str) -> Result<Self> {
        let map = value.as_object().ok_or_else(|| {
            Failure::bad_input("bad_format", format!("{what}: not a JSON object"))
        })?;
        Ok(Self { what, map })
    }

    /// Refuses members without a meaning.
    pub(crate) fn only(&self, known: &[&str]) -> Result<()> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            // The key is not repeated: a file given by mistake may hold anything.
            Some(_) => Err(Failure::bad_input(
                "unknown_member",
                format!(
                    "{}: there is a member besides {}",
                    self.what,
                    known.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }

    /// A member, or `None` if it is absent or null.
    pub(crate) fn optional(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&'a Value> {
        self.optional(name).ok_or_else(|| self.bad(name))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str> {
        self.required(name)?.as_str().ok_or_else(|| self.bad(name))
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64> {
        as_number(self.required(name)?).ok_or_else(|| self.bad(name))
    }

    pub(crate) fn hex<const N: usize>(&self, name: &str) -> Result<[u8; N]> {
        plain_hex(self.text(name)?).ok_or_else(|| self.bad(name))
    }

    pub(crate) fn optional_hex<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>> {
        match self.optional(name) {
            Some(_) => self.hex(name).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn base64(&self, name: &str) -> Result<Vec<u8>> {
        from_base64(self.text(name)?).ok_or_else(|| self.bad(name))
    }

    /// A text with one spelling: an id, a currency.
    pub(crate) fn spelled<T: std::str::FromStr + std::fmt::Display>(
        &self,
        name: &str,
    ) -> Result<T> {
        let text = self.text(name)?;
        text.parse()
            .ok()
            .filter(|value: &T| value.to_string() == text)
            .ok_or_else(|| self.bad(name))
    }

    /// Missing or malformed.
    pub(crate) fn bad(&self, name: &str) -> Failure {
        Failure::bad_input(
            "bad_member",
            format!("{}: member {name} is missing or malformed", self.what),
        )
    }
}
