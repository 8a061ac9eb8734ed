// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Kinds of fields that several tools take.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// A UUID in schemas.
pub(in crate::mcp) enum Uuid {}

impl JsonSchema for Uuid {
    fn schema_name() -> Cow<'static, str> {
        "Uuid".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        })
    }
}

/// 32 bytes in hexadecimal in schemas.
pub(in crate::mcp) enum Hash {}

impl JsonSchema for Hash {
    fn schema_name() -> Cow<'static, str> {
        "Hash".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^0x[0-9a-fA-F]{64}$" })
    }
}

/// A JSON object in schemas.
pub(in crate::mcp) enum Object {}

impl JsonSchema for Object {
    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

/// An event's id or an unambiguous beginning of it. Holds nothing but digits and dashes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::mcp) struct EventRef(pub(in crate::mcp) String);

impl TryFrom<String> for EventRef {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let plausible =
            (4..=36).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if plausible {
            Ok(Self(text))
        } else {
            Err("an event id is a UUID, or at least its first four digits".into())
        }
    }
}

impl JsonSchema for EventRef {
    fn schema_name() -> Cow<'static, str> {
        "EventRef".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-fA-F][0-9a-fA-F-]{3,35}$",
        })
    }
}

/// How many items a page has.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u32")]
pub(in crate::mcp) struct PageSize(pub(in crate::mcp) u32);

impl PageSize {
    const MOST: u32 = 100;
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u32> for PageSize {
    type Error = String;

    fn try_from(size: u32) -> std::result::Result<Self, String> {
        if (1..=Self::MOST).contains(&size) {
            Ok(Self(size))
        } else {
            Err(format!("a page has 1 to {} items", Self::MOST))
        }
    }
}

impl JsonSchema for PageSize {
    fn schema_name() -> Cow<'static, str> {
        "PageSize".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::MOST, "default": 20 })
    }
}

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Nothing {}

/// An event type as a word of a command: no flag, and not longer than the chain takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::mcp) struct EventTypeName(pub(in crate::mcp) String);

impl TryFrom<String> for EventTypeName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        let plausible =
            (1..=256).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if plausible {
            Ok(Self(text))
        } else {
            Err(
                "an event type here is a word of letters, digits, dots, dashes and underscores"
                    .into(),
            )
        }
    }
}

impl JsonSchema for EventTypeName {
    fn schema_name() -> Cow<'static, str> {
        "EventTypeName".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Za-z._:][0-9A-Za-z._:-]{0,255}$" })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct Token {
    /// The token of the first step.
    #[schemars(length(min = 1, max = 128))]
    pub(in crate::mcp) token: String,
}
