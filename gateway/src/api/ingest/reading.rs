// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A request's events, read one by one.

use super::rejection;
use crate::{
    error::{Answer, ApiError},
    extract::Stream,
    wire::{IngestRequest, Receipt, RejectionOut},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use ves_primitives::{
    AgentId, EventId, StoreId, SubmittedEvent, TenantId, jcs,
    wire::{EventJson, WireError},
};

/// What is known of an event's fate.
pub(super) enum Fate {
    /// To be sequenced, as far as is known.
    Open(Box<SubmittedEvent>),
    /// Sequenced before, unchanged; the receipt is to be fetched.
    Replay(Box<SubmittedEvent>),
    /// It has its place; whether this request gave it that.
    Sequenced(Receipt, bool),
    /// It will not be sequenced.
    Rejected(RejectionOut),
}

/// One event of a request.
pub(super) struct Item {
    pub(super) id: EventId,
    pub(super) fate: Fate,
}

/// Without these an event cannot even be rejected by name.
#[derive(Deserialize)]
struct Ids {
    event_id: EventId,
    tenant_id: TenantId,
    store_id: StoreId,
    source_agent_id: AgentId,
}

/// Reads the events. What is wrong with one of them is its own fate; what is wrong with all of them
/// is an error.
///
/// # Errors
/// 400: no events, several streams, another agent's event, or no ids in an event.
pub(super) fn read(request: &IngestRequest) -> Answer<(Stream, Vec<Item>)> {
    let mut stream = None;
    let mut seen = HashSet::new();
    let mut items = Vec::with_capacity(request.events.len());
    for (place, raw) in request.events.iter().enumerate() {
        let text = raw.get();
        let bad = |error: serde_json::Error| ApiError::value(format!("events[{place}]: {error}"));
        let ids: Ids = serde_json::from_str(text).map_err(bad)?;
        let of = Stream {
            tenant: ids.tenant_id,
            store: ids.store_id,
        };
        if *stream.get_or_insert(of) != of {
            return Err(ApiError::value(
                "all events of a request must be of one tenant and store",
            ));
        }
        if ids.source_agent_id != request.agent_id {
            return Err(ApiError::value(format!(
                "events[{place}]: source_agent_id is not the request's agentId"
            )));
        }
        let fate = if seen.insert(ids.event_id) {
            match event(text) {
                Ok(event) => Fate::Open(Box::new(event)),
                Err((reason, message)) => Fate::Rejected(rejection(ids.event_id, &reason, message)),
            }
        } else {
            // The first one counts, even if it turns out to be invalid.
            Fate::Rejected(rejection(
                ids.event_id,
                "duplicate_event_id",
                "an earlier event of this request has this id",
            ))
        };
        items.push(Item {
            id: ids.event_id,
            fate,
        });
    }
    let stream = stream.ok_or_else(|| ApiError::value("events: there are none"))?;
    Ok((stream, items))
}

/// An event whose own bytes do not condemn it, or the reason and what exactly is wrong.
fn event(text: &str) -> Result<SubmittedEvent, (String, String)> {
    let schema = |message: String| ("schema_validation".to_owned(), message);
    // Stricter than the peer: what its canonical form would change silently is refused.
    let value: Value = jcs::parse_strict(text).map_err(|error| schema(error.to_string()))?;
    let json: EventJson =
        serde_json::from_value(value).map_err(|error| schema(error.to_string()))?;
    if json.payload_raw_b64u.is_some() {
        return Err((
            "schema_validation: payload".into(),
            "payload_raw_b64u is how readers are told of bytes that are no canonical JSON".into(),
        ));
    }
    let event = SubmittedEvent::try_from(&json).map_err(|error| match error {
        WireError::Field(_) => {
            let reason = error.to_string();
            (reason.clone(), reason)
        }
        other => schema(other.to_string()),
    })?;
    event
        .check()
        .map_err(|error| (error.to_string(), error.to_string()))?;
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use ves_primitives::payload_plain_hash;

    fn envelope() -> Value {
        json!({
            "ves_version": 1,
            "event_id": "00000000-0000-4000-8000-000000000001",
            "tenant_id": "64527dd3-a654-4410-9327-e58a1492ce77",
            "store_id": "91def158-819a-4461-b5c9-7759750ad157",
            "source_agent_id": "80441726-74e2-430a-95ae-97ce21c6351b",
            "agent_key_id": 1,
            "event_type": "order.created",
            "entity_type": "order",
            "entity_id": "ORD-001",
            "created_at": "2025-12-20T17:51:10.243Z",
            "payload_kind": 0,
            "payload": {"orderId": "ORD-001", "amount": 100, "currency": "USD"},
            "payload_plain_hash": "3b59dd85b9522f40c655ed4635ec76d2c8b0492e3b67322c45e698c95cc222c6",
            "payload_cipher_hash": "0".repeat(64),
            "agent_signature": "f34c157ca14cbcbb8a00de5ced7f8b2161806b2cf4dcfef1368f3f68c7a9e8fb31f056911e0aee12cb402663dc275a1a09b2f6390f402e9f48c1fb4fe9156a07",
        })
    }

    fn read_events(events: &[Value]) -> Answer<Vec<Item>> {
        let request = json!({
            "agentId": "80441726-74e2-430a-95ae-97ce21c6351b",
            "events": events,
        });
        let request: IngestRequest = serde_json::from_str(&request.to_string()).unwrap();
        read(&request).map(|(_, items)| items)
    }

    fn reason(item: &Item) -> &str {
        match &item.fate {
            Fate::Rejected(rejection) => &rejection.reason,
            Fate::Open(_) => "open",
            _ => "other",
        }
    }

    fn with(name: &str, value: Value) -> Value {
        let mut event = envelope();
        event[name] = value;
        event
    }

    #[test]
    fn the_published_event_is_read_and_its_signing_hash_is_the_published_one() {
        let items = read_events(&[envelope()]).ok().unwrap();
        let Fate::Open(event) = &items[0].fate else {
            panic!("{}", reason(&items[0]))
        };
        assert_eq!(
            hex::encode(event.envelope.signing_hash().unwrap()),
            "af1a8dec96f5187c947be9e3f3f10d1f95bddb11d5e1208e45511865d90f1f2c"
        );
    }

    #[test]
    fn what_is_wrong_with_one_event_is_told_of_that_one() {
        let id = |n: u8| json!(format!("00000000-0000-4000-8000-0000000000{n:02x}"));
        let wrong = [
            (with("ves_version", json!(3)), "unsupported_version"),
            (
                with("entity_type", json!("")),
                "schema_validation: entity_type",
            ),
            (
                with("entity_type", json!("a".repeat(129))),
                "schema_validation: entity_type",
            ),
            (
                with("created_at", json!("yesterday")),
                "schema_validation: created_at",
            ),
            (
                with("payload", json!({"amount": 1})),
                "invalid_payload_hash",
            ),
            (with("payload", Value::Null), "schema_validation: payload"),
            (
                with("payload_kind", json!(1)),
                "schema_validation: payload_kind",
            ),
            (
                with("payload_kind", json!(2)),
                "schema_validation: payload_kind",
            ),
            (
                with("payload", json!({"n": 9_007_199_254_740_993_u64})),
                "schema_validation",
            ),
            (with("agent_signature", json!("00")), "schema_validation"),
            (
                with("agent_signature_scheme", json!(2)),
                "schema_validation",
            ),
            (
                with("payload_raw_b64u", json!("e30")),
                "schema_validation: payload",
            ),
            (
                with("payload", json!("a".repeat(70_000))),
                "schema_validation: payload",
            ),
            (with("payload_encrypted", json!({})), "schema_validation"),
        ];
        let mut events: Vec<Value> = vec![envelope()];
        for (n, (event, _)) in (2u8..).zip(&wrong) {
            let mut event = event.clone();
            event["event_id"] = id(n);
            events.push(event);
        }
        let items = read_events(&events).ok().unwrap();
        assert_eq!(reason(&items[0]), "open");
        for (item, (event, expected)) in items[1..].iter().zip(&wrong) {
            assert_eq!(reason(item), *expected, "{event}");
        }
    }

    #[test]
    fn the_first_event_of_an_id_counts_even_if_it_is_invalid() {
        let items = read_events(&[with("ves_version", json!(9)), envelope()])
            .ok()
            .unwrap();
        assert_eq!(reason(&items[0]), "unsupported_version");
        assert_eq!(reason(&items[1]), "duplicate_event_id");
    }

    #[test]
    fn a_request_without_one_stream_and_one_agent_is_refused_as_a_whole() {
        let other = json!("00000000-0000-4000-8000-00000000000f");
        assert!(read_events(&[]).is_err());
        assert!(read_events(&[json!(null)]).is_err());
        assert!(read_events(&[with("event_id", json!("x"))]).is_err());
        assert!(read_events(&[envelope(), with("store_id", other.clone())]).is_err());
        assert!(read_events(&[with("source_agent_id", other)]).is_err());
    }

    #[test]
    fn keys_that_stand_twice_are_refused() {
        let mut event = envelope().to_string();
        event.insert_str(1, r#""ves_version":1,"#);
        let text =
            format!(r#"{{"agentId":"80441726-74e2-430a-95ae-97ce21c6351b","events":[{event}]}}"#);
        let request: IngestRequest = serde_json::from_str(&text).unwrap();
        let (_, items) = read(&request).ok().unwrap();
        assert_eq!(reason(&items[0]), "schema_validation");
    }

    #[test]
    fn any_json_payload_but_null_is_taken() {
        for payload in [json!([1]), json!("text"), json!(1.5), json!(false)] {
            let canonical = jcs::canonicalize_value(&payload).unwrap();
            let mut event = with("payload", payload);
            event["payload_plain_hash"] =
                json!(payload_plain_hash(None, canonical.as_bytes()).to_string());
            let items = read_events(&[event]).ok().unwrap();
            assert_eq!(reason(&items[0]), "open");
        }
    }
}
