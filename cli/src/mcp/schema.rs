// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What tools answer, as JSON Schema. The objects are those of the commands' `--json`; a client that
//! checks answers against these schemas is part of the tests.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// A type by its short name: `string`, `integer`, `boolean`, `object`, `any`; with `?` also null, in
/// brackets a list.
fn of(name: &str) -> Value {
    if let Some(item) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        return json!({ "type": "array", "items": of(item) });
    }
    match name.strip_suffix('?') {
        Some(name) => json!({ "type": [name, "null"] }),
        None if name == "any" => json!({}),
        None => json!({ "type": name }),
    }
}

/// An object with these members, all of them present.
fn object(members: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> = members
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    json!({ "type": "object", "properties": properties, "required": names })
}

fn list(item: &Value) -> Value {
    json!({ "type": "array", "items": item })
}

fn nullable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Adds members that may be absent.
fn perhaps(mut schema: Value, members: &[(&str, Value)]) -> Value {
    for (name, member) in members {
        schema["properties"][*name] = member.clone();
    }
    schema
}

/// What every answer has: the name and version of its schema, and in place of the other members, or
/// beside them, an error.
pub(super) fn finish(schema: Value) -> JsonObject {
    let error = object(&[
        ("code", of("string")),
        ("message", of("string")),
        ("hint", of("string?")),
    ]);
    let own = schema["required"].clone();
    let mut whole = perhaps(
        schema,
        &[
            ("schema", of("string")),
            ("version", of("integer")),
            ("error", error),
            ("cut", of("[string]")),
        ],
    );
    whole["required"] = json!(["schema", "version"]);
    whole["anyOf"] = json!([{ "required": own }, { "required": ["error"] }]);
    match whole {
        Value::Object(members) => members,
        _ => JsonObject::new(),
    }
}

pub(super) fn anything() -> Value {
    object(&[])
}

fn provenance() -> Value {
    object(&[
        ("written_by", of("string")),
        ("verified", of("boolean")),
        ("treat_as", of("string")),
    ])
}

/// An event of the outbox.
fn entry() -> Value {
    object(&[
        ("local_seq", of("integer")),
        ("event_id", of("string")),
        ("tenant_id", of("string")),
        ("store_id", of("string")),
        ("source_agent_id", of("string")),
        ("entity_type", of("string")),
        ("entity_id", of("string")),
        ("event_type", of("string")),
        ("created_at", of("string")),
        ("command_id", of("string?")),
        ("base_version", of("integer?")),
        ("encrypted", of("boolean")),
        ("agent_key_id", of("integer?")),
        ("state", of("string")),
        ("attempts", of("integer")),
        ("block_number", of("integer?")),
        ("sequence", of("integer?")),
        ("reason", of("string?")),
        ("last_error", of("string?")),
        ("captured_at", of("string")),
    ])
}

/// An event of the stream, without its payload.
fn record() -> Value {
    object(&[
        ("sequence", of("integer")),
        ("event_id", of("string")),
        ("source_agent_id", of("string")),
        ("event_type", of("string")),
        ("entity_type", of("string")),
        ("entity_id", of("string")),
        ("block_number", of("integer")),
        ("encrypted", of("boolean")),
    ])
}

fn quarantined() -> Value {
    object(&[
        ("sequence", of("integer")),
        ("event_id", of("string")),
        ("reason", of("string")),
        ("detail", of("string")),
    ])
}

pub(super) fn status() -> Value {
    object(&[
        (
            "health",
            json!({ "type": "string", "enum": ["healthy", "degraded", "offline"] }),
        ),
        ("reasons", of("[string]")),
        ("node_url", of("string")),
        ("tenant_id", of("string")),
        ("store_id", of("string")),
        ("agent_id", of("string?")),
        ("genesis_hash", of("string?")),
        ("outbox", of("object")),
        ("local_sequence", of("integer")),
        ("verified_events", of("integer")),
        ("quarantined_events", of("integer")),
        ("verified_proofs", of("integer")),
        ("quarantined_proofs", of("integer")),
        ("node", of("object?")),
        ("lag", of("integer?")),
    ])
}

pub(super) fn diagnosis() -> Value {
    let finding = object(&[
        ("check", of("string")),
        ("grade", of("string")),
        ("evidence", of("string")),
        ("fix", of("string?")),
    ]);
    object(&[("healthy", of("boolean")), ("findings", list(&finding))])
}

pub(super) fn config() -> Value {
    object(&[("home", of("string")), ("settings", of("object"))])
}

pub(super) fn keys() -> Value {
    let key = object(&[
        ("purpose", of("string")),
        ("agent_id", of("string")),
        ("key_id", of("integer")),
        ("public_key", of("string")),
        ("created_at", of("string")),
        ("encrypted_at_rest", of("boolean")),
        ("registration", of("object?")),
    ]);
    object(&[("agent_id", of("string")), ("keys", list(&key))])
}

pub(super) fn event_types() -> Value {
    perhaps(
        object(&[]),
        &[
            ("types", of("[object]")),
            ("folder", of("string")),
            ("unknown", of("string")),
            ("validates", of("boolean")),
            ("event_type", of("string")),
            ("source", of("string")),
            ("hash", of("string")),
            ("payload_schema", of("any")),
        ],
    )
}

pub(super) fn groups() -> Value {
    perhaps(
        object(&[("tenant_id", of("string"))]),
        &[
            ("groups", of("[object]")),
            ("group_id", of("string")),
            ("epoch", of("integer")),
            ("dissolved", of("boolean")),
            ("members", of("[object]")),
        ],
    )
}

pub(super) fn outbox() -> Value {
    object(&[
        ("counts", of("object")),
        ("events", list(&entry())),
        ("has_more", of("boolean")),
        ("next_before", of("integer?")),
    ])
}

pub(super) fn inbox() -> Value {
    object(&[
        ("tenant_id", of("string")),
        ("store_id", of("string")),
        ("events", list(&record())),
        ("quarantined", list(&quarantined())),
        ("has_more", of("boolean")),
        ("next_before", of("integer?")),
        ("provenance", provenance()),
    ])
}

pub(super) fn event() -> Value {
    perhaps(
        object(&[
            ("event_id", of("string")),
            ("verified", of("boolean")),
            ("record", of("object?")),
            ("outbox", nullable(&entry())),
            ("event", of("object")),
            ("provenance", provenance()),
        ]),
        &[("payload", of("any")), ("payload_problem", of("string"))],
    )
}

pub(super) fn decrypted() -> Value {
    object(&[
        ("event_id", of("string")),
        ("encrypted", of("boolean")),
        ("payload", of("any")),
        ("provenance", provenance()),
    ])
}

pub(super) fn prepared() -> Value {
    perhaps(
        object(&[
            ("valid", of("boolean")),
            ("event", of("object")),
            ("canonical_payload", of("string")),
            ("canonical_payload_bytes", of("integer")),
            ("payload_plain_hash", of("string")),
            ("described", of("boolean")),
        ]),
        &[("misfits", of("[object]"))],
    )
}

pub(super) fn verification() -> Value {
    let check = perhaps(
        object(&[
            ("name", of("string")),
            ("claim", of("string")),
            ("verdict", of("string")),
            ("evidence", of("string")),
        ]),
        &[("reason", of("any"))],
    );
    perhaps(
        object(&[
            ("verified", of("boolean")),
            ("event_id", of("string")),
            ("sequence", of("integer")),
            ("block_number", of("integer")),
            ("block_hash", of("string")),
            ("batch_id", of("string")),
            ("events_root", of("string")),
            ("receipt_hash", of("string")),
            ("failed", of("any")),
            ("checks", list(&check)),
            ("relies_on", of("[string]")),
            ("offline", of("boolean")),
        ]),
        &[("provenance", provenance())],
    )
}

pub(super) fn receipt() -> Value {
    object(&[
        ("valid", of("boolean")),
        ("receipt_matches", of("boolean")),
        ("signature_holds", of("boolean?")),
        ("event_id", of("string")),
        ("sequence", of("integer")),
        ("event_signing_hash", of("string")),
        ("expected_receipt_hash", of("string")),
    ])
}

pub(super) fn inclusion() -> Value {
    object(&[
        ("valid", of("boolean")),
        ("leaf_hash", of("string")),
        ("events_root", of("string")),
    ])
}

pub(super) fn export() -> Value {
    object(&[
        ("verified", of("boolean")),
        ("event_id", of("string")),
        ("sequence", of("integer")),
        ("genesis_hash", of("string")),
        ("authority_set", of("string?")),
        ("agent_key", of("string")),
        ("bundle", of("object")),
        ("provenance", provenance()),
    ])
}

pub(super) fn proofs() -> Value {
    perhaps(
        object(&[]),
        &[
            ("event_id", of("string")),
            ("proofs", of("[object]")),
            ("batch_proof", of("object?")),
            ("unavailable", of("integer")),
            ("wishes", of("[object]")),
            ("received", of("[object]")),
        ],
    )
}

pub(super) fn appended() -> Value {
    perhaps(
        object(&[
            ("captured", of("integer")),
            ("event_id", of("string")),
            ("state", of("string")),
            ("recipients", of("[object]")),
            ("parked", of("[object]")),
        ]),
        &[
            ("local_seq", of("integer")),
            ("encrypted", of("boolean")),
            ("payload_plain_hash", of("string")),
            ("misfits", of("[object]")),
        ],
    )
}

fn conflict() -> Value {
    object(&[
        ("id", of("string")),
        ("cause", of("string")),
        ("entity_type", of("string")),
        ("entity_id", of("string")),
        ("base_version", of("integer")),
        ("remote_version", of("integer")),
        ("pulled", of("boolean")),
        ("incomplete", of("boolean")),
        ("suggested_strategy", of("string")),
        ("events", list(&entry())),
    ])
}

pub(super) fn conflicts() -> Value {
    object(&[
        ("conflicts", list(&conflict())),
        ("provenance", provenance()),
    ])
}

/// One conflict, or all with the counts of what can be decided so and what cannot.
fn decision() -> Value {
    perhaps(
        object(&[("strategy", of("string"))]),
        &[
            ("conflict", of("object")),
            ("conflicts", of("[object]")),
            ("resolved", of("integer")),
            ("left", of("integer")),
            ("provenance", provenance()),
        ],
    )
}

pub(super) fn conflict_previewed() -> Value {
    perhaps(
        decision(),
        &[
            ("dry_run", of("boolean")),
            ("token", of("string?")),
            ("expires_in_seconds", of("integer")),
        ],
    )
}

pub(super) fn conflict_resolved() -> Value {
    decision()
}

pub(super) fn push_prepared() -> Value {
    let event = perhaps(
        entry(),
        &[
            ("event_signing_hash", of("string")),
            ("payload", of("any")),
            ("recipients", of("[integer]")),
        ],
    );
    perhaps(
        object(&[
            ("events", list(&event)),
            ("count", of("integer")),
            ("has_more", of("boolean")),
            ("token", of("string?")),
            ("expires_in_seconds", of("integer")),
        ]),
        &[("chain", of("string")), ("values", of("object"))],
    )
}

pub(super) fn pushed() -> Value {
    object(&[
        ("pushed", of("integer")),
        ("finalized", of("integer")),
        ("rejected", of("integer")),
        ("pending", of("integer")),
        ("submissions", of("integer")),
        ("events", list(&entry())),
    ])
}

pub(super) fn pulled() -> Value {
    let event = perhaps(
        record(),
        &[("readable", of("boolean")), ("created_at", of("string"))],
    );
    object(&[
        ("from_sequence", of("integer")),
        ("to_sequence", of("integer")),
        ("head_sequence", of("integer")),
        ("finalized_block", of("integer")),
        ("batches", of("integer")),
        ("stored", of("integer")),
        ("quarantined", of("[object]")),
        ("pruned", of("[object]")),
        ("settled", of("integer")),
        ("events", list(&event)),
        ("events_truncated", of("boolean")),
        ("proofs", of("[object]")),
        ("quarantined_proofs", of("[object]")),
        ("provenance", provenance()),
    ])
}

pub(super) fn rechecked() -> Value {
    let item = object(&[
        ("sequence", of("integer")),
        ("event_id", of("string")),
        ("promoted", of("boolean")),
        ("problem", of("string?")),
    ]);
    object(&[
        ("tenant_id", of("string")),
        ("store_id", of("string")),
        ("rechecked", list(&item)),
        ("promoted", of("integer")),
        ("quarantined", list(&quarantined())),
        ("provenance", provenance()),
    ])
}

pub(super) fn proven() -> Value {
    object(&[
        ("event_id", of("string")),
        ("sequence", of("integer")),
        ("policy_id", of("string")),
        ("policy_hash", of("string")),
        ("commitment", of("string")),
        ("proof_hash", of("string")),
        ("bytes", of("integer")),
        ("block", of("integer")),
    ])
}

pub(super) fn change_prepared() -> Value {
    object(&[
        ("agent_id", of("string")),
        ("command", of("string")),
        ("token", of("string")),
        ("expires_in_seconds", of("integer")),
    ])
}

pub(super) fn changed() -> Value {
    object(&[("command", of("string")), ("result", of("object"))])
}
