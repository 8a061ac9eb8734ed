// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The event types of the VES vocabulary.

use super::schema_hash;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};
use ves_primitives::SchemaHash;

const FILE: &str = include_str!("../../schemas/builtin.json");

/// Types that share a schema.
#[derive(Deserialize)]
struct Family {
    types: Vec<String>,
    schema: Value,
}

static FAMILIES: LazyLock<BTreeMap<String, Family>> =
    // A test reads the file.
    LazyLock::new(|| serde_json::from_str(FILE).unwrap_or_default());

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FAMILIES
        .values()
        .flat_map(|family| family.types.iter().map(String::as_str))
}

pub(super) fn schema(event_type: &str) -> Option<(Value, SchemaHash)> {
    let family = FAMILIES
        .values()
        .find(|family| family.types.iter().any(|name| name == event_type))?;
    let hash = schema_hash(&family.schema.to_string()).ok()?;
    Some((family.schema.clone(), hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_built_in_type_is_named_once_and_has_a_schema_with_a_hash() {
        let families: BTreeMap<String, Family> = serde_json::from_str(FILE).unwrap();
        let names: Vec<&String> = families.values().flat_map(|f| &f.types).collect();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "a type is listed twice"
        );
        assert!(names.len() >= 100);
        for name in names {
            assert!(schema(name).is_some(), "{name}");
        }
    }
}
