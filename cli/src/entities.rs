// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the verified events of a stream say about each entity.
//!
//! One rule turns an event into a change: its payload is a JSON merge patch (RFC 7396) of the entity's
//! state, and an event type that ends in `.deleted` removes the state. Each event raises the entity's
//! version by one, as on chain. A payload that this machine cannot read, or that the node had pruned,
//! changes nothing but the count of opaque events, so the state says how much of it is missing. An event
//! in quarantine does not count at all: an entity that such a record names is incomplete
//! ([`inbox::missing`](crate::inbox::missing)), and its version may be too low.
//!
//! Two machines that can read the same events get the same hash, in whatever steps they got there.

mod store;

pub use store::{Listed, Projection, at_version, entity, list, project};

use crate::{
    error::{Failure, Result},
    rules,
};
use serde_json::{Map, Value, json};
use ves_primitives::{jcs, sha256, wire::SequencedEventJson};

/// How an event type that removes an entity's state ends.
const DELETED: &str = ".deleted";

/// What the event of a record says. Of a pruned one nobody here can read it.
///
/// # Errors
/// What `read` says.
pub(crate) fn content_of(
    record: &SequencedEventJson,
    read: &mut (dyn FnMut(&SequencedEventJson) -> Result<Content> + Send),
) -> Result<Content> {
    match rules::is_pruned(record) {
        true => Ok(Content::Opaque),
        false => read(record),
    }
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A payload that can be read.
    Clear(Value),
    /// One that cannot.
    Opaque,
}

/// What is known of one entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entity {
    /// One for each event.
    pub version: u64,
    /// Place of the newest event in the stream.
    pub sequence: u64,
    /// None without a readable payload, or after a deletion.
    pub state: Option<Value>,
    /// Whether the newest readable event removed it.
    pub deleted: bool,
    /// Events whose payload could not be read.
    pub opaque: u64,
}

impl Entity {
    /// Takes the next event of the entity.
    pub fn apply(&mut self, event_type: &str, sequence: u64, content: Content) {
        self.version = self.version.saturating_add(1);
        self.sequence = sequence;
        match content {
            _ if event_type.ends_with(DELETED) => {
                self.state = None;
                self.deleted = true;
            }
            Content::Opaque => self.opaque = self.opaque.saturating_add(1),
            Content::Clear(patch) => {
                self.deleted = false;
                self.state = Some(merge_patch(self.state.take(), patch));
            }
        }
    }

    /// SHA-256 of the canonical JSON of everything above but the sequence, with the entity's name.
    ///
    /// # Errors
    /// Only a state that is no canonical JSON, which no verified event makes.
    pub fn hash(&self, entity_type: &str, entity_id: &str) -> Result<[u8; 32]> {
        let whole = json!({
            "schema": "ves.entity-state",
            "version": 1,
            "entity_type": entity_type,
            "entity_id": entity_id,
            "entity_version": self.version,
            "state": self.state,
            "deleted": self.deleted,
            "opaque": self.opaque,
        });
        let text = jcs::canonicalize_value(&whole).map_err(Failure::unexpected)?;
        Ok(sha256(text.as_bytes()))
    }
}

/// RFC 7396.
pub fn merge_patch(target: Option<Value>, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    let mut members = match target {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    for (name, change) in patch {
        if change.is_null() {
            members.remove(&name);
        } else {
            let merged = merge_patch(members.remove(&name), change);
            members.insert(name, merged);
        }
    }
    Value::Object(members)
}

/// The hash of a whole stream's state at a sequence: over the hashes of its entities in the order of
/// their names.
fn stream_hash(
    tenant: impl std::fmt::Display,
    store: impl std::fmt::Display,
    sequence: u64,
    entities: &[[u8; 32]],
) -> Result<[u8; 32]> {
    let whole = json!({
        "schema": "ves.stream-state",
        "version": 1,
        "tenant_id": tenant.to_string(),
        "store_id": store.to_string(),
        "sequence": sequence,
        "entities": entities.iter().map(hex::encode).collect::<Vec<_>>(),
    });
    let text = jcs::canonicalize_value(&whole).map_err(Failure::unexpected)?;
    Ok(sha256(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A.
    #[test]
    fn a_payload_is_a_merge_patch_of_the_state() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            assert_eq!(
                merge_patch(Some(target.clone()), patch.clone()),
                result,
                "{target} {patch}"
            );
        }
    }

    #[test]
    fn every_event_counts_and_what_cannot_be_read_is_counted_as_such() {
        let mut entity = Entity::default();
        entity.apply("order.created", 3, Content::Clear(json!({"total": 12})));
        entity.apply("order.updated", 5, Content::Opaque);
        entity.apply(
            "order.updated",
            6,
            Content::Clear(json!({"status": "paid"})),
        );
        assert_eq!(
            entity,
            Entity {
                version: 3,
                sequence: 6,
                state: Some(json!({"total": 12, "status": "paid"})),
                deleted: false,
                opaque: 1,
            }
        );
        entity.apply("order.deleted", 7, Content::Opaque);
        assert_eq!((entity.state.clone(), entity.deleted), (None, true));
        entity.apply("order.created", 9, Content::Clear(json!({"total": 1})));
        assert_eq!(entity.state, Some(json!({"total": 1})));
        assert_eq!(entity.version, 5);
    }

    #[test]
    fn the_hash_depends_on_name_version_state_and_what_is_missing() {
        let mut entity = Entity::default();
        entity.apply("order.created", 1, Content::Clear(json!({"b": 1, "a": 2})));
        let base = entity.hash("order", "1").unwrap();
        let mut same = Entity::default();
        same.apply("order.created", 9, Content::Clear(json!({"a": 2, "b": 1})));
        assert_eq!(base, same.hash("order", "1").unwrap(), "not on the place");
        assert_ne!(base, entity.hash("order", "2").unwrap());
        assert_ne!(base, entity.hash("return", "1").unwrap());
        for change in [
            Entity {
                version: 2,
                ..entity.clone()
            },
            Entity {
                opaque: 1,
                ..entity.clone()
            },
            Entity {
                deleted: true,
                ..entity.clone()
            },
            Entity {
                state: Some(json!({"a": 2})),
                ..entity.clone()
            },
        ] {
            assert_ne!(base, change.hash("order", "1").unwrap());
        }
    }
}
