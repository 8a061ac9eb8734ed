// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What tools take. The schemas that clients see are derived from these types; unknown fields are
//! refused.

mod act;
mod change;
mod check;
mod fields;
mod look;

pub(super) use act::*;
pub(super) use change::*;
pub(super) use check::*;
pub(super) use fields::*;
pub(super) use look::*;

use crate::error::{Failure, Result};
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads the arguments of a call.
///
/// # Errors
/// `arguments_invalid`.
pub(super) fn parse<T: DeserializeOwned>(arguments: JsonObject) -> Result<T> {
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Failure::usage("arguments_invalid", error.to_string())
            .hint("correct the argument; the tool's input schema lists what it takes")
    })
}
