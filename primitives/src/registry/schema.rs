// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Schemas of payloads, by hash: the content stays off the chain.

use super::RecordedAt;
use crate::{EventType, SchemaHash};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

/// Whether new events should follow a schema.
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
#[cfg_attr(
    feature = "wire",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum SchemaStatus {
    /// In use.
    Active,
    /// Kept for old events; new ones should follow another version.
    Deprecated,
}

impl fmt::Display for SchemaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
        })
    }
}

/// A registered schema. The hash is never overwritten; the status may change.
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
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct SchemaRecord {
    /// SHA-256 of the schema's canonical JSON.
    pub hash: SchemaHash,
    /// Whether new events should follow it.
    pub status: SchemaStatus,
    /// When it entered the registry.
    pub registered_at: RecordedAt,
}

/// A schema as listed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct SchemaEntry {
    /// The event type whose payloads it describes.
    pub event_type: EventType,
    /// Version of the schema.
    pub version: u32,
    /// The schema.
    pub record: SchemaRecord,
}
