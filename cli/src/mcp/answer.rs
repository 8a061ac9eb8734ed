// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! From a command's report to what a client receives.

use super::{audit::MAX_EVENT_IDS, secrets::Secrets};
use crate::{
    error::{Failure, Result},
    output::{Report, SCHEMA_VERSION},
};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};

/// Longest text within an answer; what other agents write may be longer.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Most items of a list within an answer; lists that page stay below it.
const MAX_ITEMS: usize = 200;
/// Deepest nesting within an answer.
const MAX_DEPTH: usize = 64;

/// A finished call: the object to hand over, and how it went.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) value: Value,
    pub(super) failure: Option<Failure>,
}

impl Answer {
    /// Cuts what is too long and hides what is secret. A bundle is handed over whole: cut, it would
    /// prove nothing.
    pub(super) fn new(outcome: Result<Report>, secrets: &Secrets) -> Self {
        let (value, failure) = match outcome {
            Ok(report) => (report.to_json(), report.failure),
            Err(failure) => (of_failure(&failure), Some(failure)),
        };
        let mut cut = Vec::new();
        let value = match value {
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match name.as_str() {
                            "bundle" => value,
                            _ => shorten(value, &name, 0, &mut cut),
                        };
                        (name, value)
                    })
                    .collect(),
            ),
            other => other,
        };
        let mut value = secrets.hide_in(value);
        if !cut.is_empty() {
            value["cut"] = json!(cut);
        }
        let failure = failure.map(|failure| Failure {
            message: secrets.hide(&failure.message),
            hint: failure.hint.map(|hint| secrets.hide(&hint)),
            ..failure
        });
        Self { value, failure }
    }

    /// The ids of the events that it is about, for the audit log.
    pub(super) fn event_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        collect_ids(&self.value, &mut ids);
        ids.dedup();
        ids
    }

    /// As the result of a tool. The text repeats the object for clients that read only texts.
    pub(super) fn into_result(self) -> CallToolResult {
        let text = self.value.to_string();
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.is_error = Some(self.failure.is_some());
        result.structured_content = Some(self.value);
        result
    }
}

fn of_failure(failure: &Failure) -> Value {
    json!({
        "schema": "ves.cli.error",
        "version": SCHEMA_VERSION,
        "error": { "code": failure.code, "message": failure.message, "hint": failure.hint },
    })
}

/// Cuts texts and lists, and notes where.
fn shorten(value: Value, place: &str, depth: usize, cut: &mut Vec<String>) -> Value {
    if depth >= MAX_DEPTH {
        cut.push(place.to_owned());
        return Value::Null;
    }
    let below = depth.saturating_add(1);
    match value {
        Value::String(mut text) => {
            if text.len() > MAX_TEXT_BYTES {
                let end = (0..=MAX_TEXT_BYTES)
                    .rev()
                    .find(|at| text.is_char_boundary(*at))
                    .unwrap_or(0);
                text.truncate(end);
                cut.push(place.to_owned());
            }
            Value::String(text)
        }
        Value::Array(items) => {
            if items.len() > MAX_ITEMS {
                cut.push(place.to_owned());
            }
            let items = items.into_iter().take(MAX_ITEMS).enumerate();
            items
                .map(|(index, item)| shorten(item, &format!("{place}[{index}]"), below, cut))
                .collect()
        }
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = shorten(value, &format!("{place}.{name}"), below, cut);
                (name, value)
            })
            .collect(),
        other => other,
    }
}

fn collect_ids(value: &Value, ids: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().filter(|_| name == "event_id") {
                    Some(id) if ids.len() < MAX_EVENT_IDS && id.len() <= 36 => {
                        ids.push(id.to_owned());
                    }
                    Some(_) => {}
                    // What an author put into a payload names nothing here.
                    None if name == "payload" => {}
                    None => collect_ids(value, ids),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(report: Report) -> Answer {
        Answer::new(Ok(report), &Secrets::none())
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_the_places_named() {
        let text = "é".repeat(MAX_TEXT_BYTES);
        let report = Report::new("t")
            .field("short", "x")
            .field("payload", json!({ "note": text }))
            .field("events", vec![1; MAX_ITEMS + 1]);
        let value = answer(report).value;
        assert_eq!(value["cut"], json!(["events", "payload.note"]));
        assert_eq!(value["events"].as_array().unwrap().len(), MAX_ITEMS);
        let note = value["payload"]["note"].as_str().unwrap();
        assert_eq!(note.len(), MAX_TEXT_BYTES);
        assert_eq!(value["short"], "x");
    }

    #[test]
    fn a_bundle_is_whole() {
        let text = "x".repeat(MAX_TEXT_BYTES + 1);
        let report = Report::new("t").field("bundle", json!({ "header": text }));
        let value = answer(report).value;
        assert_eq!(value["bundle"]["header"], text);
        assert!(value.get("cut").is_none());
    }

    #[test]
    fn a_payload_nested_without_end_is_cut() {
        let mut deep = json!(1);
        for _ in 0..1000 {
            deep = json!([deep]);
        }
        let value = answer(Report::new("t").field("payload", deep)).value;
        assert_eq!(value["cut"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_ids_are_those_of_events_and_not_what_a_payload_calls_so() {
        let report = Report::new("t").field(
            "events",
            json!([{ "event_id": "a", "payload": { "event_id": "b" } }]),
        );
        assert_eq!(answer(report).event_ids(), ["a"]);
    }

    #[test]
    fn a_failure_is_an_error_with_code_and_hint() {
        let failure = Failure::usage("bad", "no good").hint("do better");
        let result = Answer::new(Err(failure), &Secrets::none()).into_result();
        assert_eq!(result.is_error, Some(true));
        let error = &result.structured_content.unwrap()["error"];
        assert_eq!(error["code"], "bad");
        assert_eq!(error["hint"], "do better");
    }
}
