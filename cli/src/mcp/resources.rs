// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a client may attach as context: what the reading tools answer, under an address.

use super::{
    confirm::Asking,
    host::{Ended, Host},
    input::{EventRef, EventTypeName},
    server::error,
    tools,
};
use crate::error::Failure;
use rmcp::{
    ErrorData,
    model::{JsonObject, ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::{Value, json};

const JSON: &str = "application/json";

struct Fixed {
    uri: &'static str,
    name: &'static str,
    description: &'static str,
    tool: &'static str,
    arguments: fn() -> Value,
}

const FIXED: [Fixed; 6] = [
    Fixed {
        uri: "ves://status",
        name: "status",
        description: "Outbox, stream and node: health with reasons.",
        tool: "ves_status",
        arguments: || json!({}),
    },
    Fixed {
        uri: "ves://config",
        name: "config",
        description: "Every setting and its origin, without secrets.",
        tool: "ves_config_show",
        arguments: || json!({}),
    },
    Fixed {
        uri: "ves://keys",
        name: "keys",
        description: "This agent's keys: public halves and registrations.",
        tool: "ves_keys_list",
        arguments: || json!({}),
    },
    Fixed {
        uri: "ves://event-types",
        name: "event-types",
        description: "The event types that are described here, with the hashes of their schemas.",
        tool: "ves_event_types",
        arguments: || json!({}),
    },
    Fixed {
        uri: "ves://outbox",
        name: "outbox",
        description: "The newest captured events and their states.",
        tool: "ves_outbox_list",
        arguments: || json!({ "limit": 50 }),
    },
    Fixed {
        uri: "ves://inbox",
        name: "inbox",
        description: "The newest verified events, and what is in quarantine.",
        tool: "ves_inbox_list",
        arguments: || json!({ "limit": 50 }),
    },
];

/// Where the schema of an event type is.
const OF_TYPE: &str = "ves://event-type/";

struct OfEvent {
    prefix: &'static str,
    name: &'static str,
    description: &'static str,
    tool: &'static str,
}

const OF_EVENT: [OfEvent; 3] = [
    OfEvent {
        prefix: "ves://event/",
        name: "event",
        description: "One event: the verified record, its state in the outbox, its public payload.",
        tool: "ves_event_get",
    },
    OfEvent {
        prefix: "ves://verification/",
        name: "verification",
        description: "Every check of one event, fetched and verified now.",
        tool: "ves_verify_event",
    },
    OfEvent {
        prefix: "ves://bundle/",
        name: "bundle",
        description: "A self-contained proof of one event.",
        tool: "ves_proof_export",
    },
];

pub(super) fn list() -> Vec<Resource> {
    let describe = |fixed: &Fixed| {
        Resource::new(fixed.uri, fixed.name)
            .with_description(fixed.description)
            .with_mime_type(JSON)
    };
    FIXED.iter().map(describe).collect()
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    let describe = |of: &OfEvent| {
        ResourceTemplate::new(format!("{}{{event_id}}", of.prefix), of.name)
            .with_description(of.description)
            .with_mime_type(JSON)
    };
    let of_type = ResourceTemplate::new(format!("{OF_TYPE}{{event_type}}"), "event-type")
        .with_description("The JSON Schema that payloads of one event type must fit.")
        .with_mime_type(JSON);
    OF_EVENT.iter().map(describe).chain([of_type]).collect()
}

/// The tool behind an address, and its arguments.
fn resolve(uri: &str) -> Option<(&'static str, Value)> {
    if let Some(fixed) = FIXED.iter().find(|fixed| fixed.uri == uri) {
        return Some((fixed.tool, (fixed.arguments)()));
    }
    if let Some(name) = uri.strip_prefix(OF_TYPE) {
        let name = EventTypeName::try_from(name.to_owned()).ok()?;
        return Some(("ves_event_types", json!({ "event_type": name.0 })));
    }
    OF_EVENT.iter().find_map(|of| {
        let event = EventRef::try_from(uri.strip_prefix(of.prefix)?.to_owned()).ok()?;
        Some((of.tool, json!({ "event_id": event.0 })))
    })
}

/// Reads a resource.
///
/// # Errors
/// As an error of the protocol: an address that is none, or what the tool failed with.
pub(super) async fn read(
    host: &Host,
    uri: &str,
    asking: &Asking<'_>,
) -> Result<ReadResourceResult, ErrorData> {
    let unknown = || {
        let failure = Failure::usage("resource_unknown", "there is no such resource")
            .hint("resources/list and resources/templates/list name them");
        let data = json!({ "code": failure.code, "hint": failure.hint });
        ErrorData::resource_not_found(failure.message, Some(data))
    };
    let (name, arguments) = resolve(uri).ok_or_else(unknown)?;
    let tool = tools::find(name).filter(|tool| host.has(tool));
    let tool = tool.ok_or_else(unknown)?;
    let arguments: JsonObject = arguments.as_object().cloned().unwrap_or_default();
    match host.perform((tool, uri), arguments, asking).await {
        Ended::Answer(answer) => match &answer.failure {
            // Without the object there is nothing to read; with it the object says what is wrong.
            Some(failure)
                if answer
                    .value
                    .as_object()
                    .is_none_or(|object| object.len() <= 3) =>
            {
                Err(error(failure))
            }
            _ => {
                let text = ResourceContents::text(answer.value.to_string(), uri);
                Ok(ReadResourceResult::new(vec![text.with_mime_type(JSON)]))
            }
        },
        Ended::Ask(_) => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::access::Mode;

    #[test]
    fn addresses_lead_to_reading_tools_only() {
        let event = "01890a5d-ac96-774b-bcce-b302099a8057";
        let of_event = OF_EVENT.iter().map(|of| format!("{}{event}", of.prefix));
        let fixed = FIXED.iter().map(|fixed| fixed.uri.to_owned());
        let of_type = [format!("{OF_TYPE}order.created")];
        for uri in of_event.chain(fixed).chain(of_type) {
            let (name, arguments) = resolve(&uri).unwrap();
            let tool = tools::find(name).unwrap();
            assert!(tool.needs == Mode::Read && !tool.decrypts, "{uri}");
            assert!(arguments.is_object());
        }
    }

    #[test]
    fn an_address_that_is_none_leads_nowhere() {
        for uri in [
            "",
            "ves://",
            "ves://event/",
            "ves://event/../../etc/passwd",
            "ves://event/--home=x",
            "file:///etc/passwd",
            "ves://status/",
            "ves://event-type/",
            "ves://event-type/--own",
            "ves://event-type/../../x",
        ] {
            assert!(resolve(uri).is_none(), "{uri}");
        }
    }
}
