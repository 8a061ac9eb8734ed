// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Parameters of a call.

use super::errors::invalid;
use jsonrpsee::{core::RpcResult, types::Params};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest parameter list of these methods, bytes of JSON. The longest real ones are filters of long
/// names and lists of sequences.
pub(super) const PARAMS_BYTES_MAX: usize = 8_192;

/// The parameters of one call, by position or by name.
pub(super) struct Args(BTreeMap<&'static str, Value>);

impl Args {
    pub(super) fn parse(params: &Params<'_>, names: &[&'static str]) -> RpcResult<Self> {
        if params.len_bytes() > PARAMS_BYTES_MAX {
            return Err(invalid(
                "parameters",
                format!("longer than {PARAMS_BYTES_MAX} bytes"),
            ));
        }
        let json = params
            .as_str()
            .filter(|json| !json.is_empty())
            .unwrap_or("[]");
        let value: Value =
            serde_json::from_str(json).map_err(|error| invalid("parameters", error))?;
        let mut args = BTreeMap::new();
        match value {
            Value::Array(values) => {
                if values.len() > names.len() {
                    let text = format!("expected {}, found {}", names.len(), values.len());
                    return Err(invalid("parameters", text));
                }
                args.extend(names.iter().copied().zip(values));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let known = names.iter().find(|known| **known == name);
                    let Some(known) = known else {
                        return Err(invalid("parameters", format!("unknown name {name:?}")));
                    };
                    args.insert(*known, value);
                }
            }
            _ => return Err(invalid("parameters", "expected a list or an object")),
        }
        Ok(Self(args))
    }

    /// The value of one parameter; absent ones read as `null`.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> RpcResult<T> {
        let value = self.0.remove(name).unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| invalid(name, error))
    }
}
