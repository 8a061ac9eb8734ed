// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-demo tamper`: one precise change in an event or an exported bundle.

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use ves_primitives::StoreId;

/// `tamper`
#[derive(Args)]
pub(crate) struct TamperArgs {
    /// What to change.
    #[arg(value_enum)]
    what: What,
    /// An event (`stateset-sync show --json`) or a bundle (`stateset-sync export`).
    input: PathBuf,
    /// File to write.
    output: PathBuf,
    /// The other store, for `store`.
    #[arg(long, required_if_eq("what", "store"))]
    store: Option<StoreId>,
}

/// What an attacker may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// The plaintext.
    Payload,
    /// A bit of the author's signature.
    Signature,
    /// The store, and with it the stream.
    Store,
    /// A bit of the stated receipt. Bundles only.
    Receipt,
    /// A bit of the first Merkle sibling. Bundles only.
    Sibling,
    /// A bit of the batch's events root. Bundles only.
    EventsRoot,
    /// A bit of the first authority's signature. Bundles only.
    Justification,
}

/// Runs the command.
pub(crate) fn run(args: &TamperArgs) -> Result<()> {
    let changed = tamper(&read(&args.input)?, args.what, args.store)?;
    std::fs::write(&args.output, format!("{changed:#}\n"))
        .with_context(|| args.output.display().to_string())
}

/// Reads a JSON file.
pub(crate) fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// Where the event is: in a bundle, in the output of `show`, or the whole document.
pub(crate) fn event_pointer(document: &Value) -> &'static str {
    if document.pointer("/event/event").is_some() {
        "/event/event"
    } else if document.get("event").is_some() {
        "/event"
    } else {
        ""
    }
}

/// The document with one thing changed.
pub(crate) fn tamper(document: &Value, what: What, store: Option<StoreId>) -> Result<Value> {
    let mut changed = document.clone();
    let event = event_pointer(document);
    match what {
        What::Payload => {
            let payload = at(&mut changed, &format!("{event}/payload"))?;
            let fields = payload
                .as_object_mut()
                .ok_or_else(|| anyhow!("payload is no object"))?;
            fields.insert("tampered".into(), json!(true));
        }
        What::Signature => flip(at(&mut changed, &format!("{event}/agent_signature"))?)?,
        What::Store => {
            let store = store.ok_or_else(|| anyhow!("--store is missing"))?;
            *at(&mut changed, &format!("{event}/store_id"))? = json!(store.to_string());
        }
        What::Receipt => flip(at(&mut changed, "/event/receipt_hash")?)?,
        What::Sibling => flip(at(&mut changed, "/inclusion/proof/path/0")?)?,
        What::EventsRoot => flip(at(&mut changed, "/inclusion/batch/events_root")?)?,
        What::Justification => flip_byte(
            at(&mut changed, "/finality/justification")?,
            FIRST_SIGNATURE,
        )?,
    }
    if changed == *document {
        bail!("nothing changed");
    }
    Ok(changed)
}

fn at<'a>(document: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    document
        .pointer_mut(pointer)
        .ok_or_else(|| anyhow!("no {pointer} in this file"))
}

/// Where the first vote's signature begins in a justification of up to 63 votes: behind the round,
/// the target, the number of votes and the vote.
const FIRST_SIGNATURE: usize = 8 + 36 + 1 + 36;

/// Flips the lowest bit of the last byte of a hex text.
fn flip(value: &mut Value) -> Result<()> {
    let digits = value.as_str().ok_or_else(|| anyhow!("not a text"))?.len();
    let last = (digits / 2)
        .checked_sub(2)
        .ok_or_else(|| anyhow!("empty"))?;
    flip_byte(value, last)
}

/// Flips the lowest bit of one byte of a hex text.
fn flip_byte(value: &mut Value, index: usize) -> Result<()> {
    let text = value.as_str().ok_or_else(|| anyhow!("not a text"))?;
    let mut bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text))?;
    let byte = bytes.get_mut(index).ok_or_else(|| anyhow!("too short"))?;
    *byte ^= 1;
    *value = json!(format!("0x{}", hex::encode(bytes)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Value {
        json!({
            "event": {
                "receipt_hash": "0x00ff",
                "event": { "payload": { "total": 1 }, "agent_signature": "0x0a", "store_id": "x" },
            },
            "finality": { "justification": format!("0x{}", "00".repeat(90)) },
            "inclusion": { "proof": { "path": ["0x10"] }, "batch": { "events_root": "0x20" } },
        })
    }

    #[test]
    fn each_kind_changes_exactly_one_place() {
        let store = StoreId([7; 16]);
        let signature = format!("0x{}01{}", "00".repeat(81), "00".repeat(8));
        for (what, pointer, wanted) in [
            (
                What::Justification,
                "/finality/justification",
                json!(signature),
            ),
            (What::Payload, "/event/event/payload/tampered", json!(true)),
            (
                What::Signature,
                "/event/event/agent_signature",
                json!("0x0b"),
            ),
            (
                What::Store,
                "/event/event/store_id",
                json!(store.to_string()),
            ),
            (What::Receipt, "/event/receipt_hash", json!("0x00fe")),
            (What::Sibling, "/inclusion/proof/path/0", json!("0x11")),
            (
                What::EventsRoot,
                "/inclusion/batch/events_root",
                json!("0x21"),
            ),
        ] {
            let mut changed = tamper(&bundle(), what, Some(store)).unwrap();
            assert_eq!(changed.pointer(pointer), Some(&wanted));
            match bundle().pointer(pointer) {
                Some(original) => *changed.pointer_mut(pointer).unwrap() = original.clone(),
                None => {
                    let payload = changed.pointer_mut("/event/event/payload").unwrap();
                    payload.as_object_mut().unwrap().remove("tampered");
                }
            }
            assert_eq!(changed, bundle(), "{what:?} changed something else too");
        }
    }

    #[test]
    fn an_event_alone_can_be_tampered_with_too() {
        let event = json!({ "payload": {}, "agent_signature": "0x00" });
        assert_eq!(
            tamper(&event, What::Signature, None).unwrap()["agent_signature"],
            "0x01"
        );
        let shown = json!({ "event": event });
        assert_eq!(event_pointer(&shown), "/event");
        assert!(tamper(&shown, What::Receipt, None).is_err());
    }
}
