// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `show` and `decrypt`

use super::{Context, push::entry_json, resolve_event, unknown_event};
use crate::{
    cli::EventArgs,
    error::{Failure, Result},
    inbox, outbox,
    output::Report,
    reading::{Reader, without_padding},
    verify::record_event,
};
use serde_json::Value;
use ves_primitives::{
    EventId, SubmittedEvent,
    wire::{EventJson, SequencedEventJson},
};

/// An event of this machine: as pulled and verified, else as captured.
struct Local {
    event: SubmittedEvent,
    record: Option<SequencedEventJson>,
    entry: Option<outbox::Entry>,
}

async fn find(context: &Context, text: &str) -> Result<(EventId, Local)> {
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), text).await?;
    let record = inbox::find(&pool, id).await?;
    let entry = outbox::find(&pool, id).await?;
    let event = match (&record, &entry) {
        (Some(record), _) => record_event(record)?,
        (None, Some(entry)) => entry.event.clone(),
        (None, None) => return Err(unknown_event(id)),
    };
    Ok((
        id,
        Local {
            event,
            record,
            entry,
        },
    ))
}

fn read(context: &Context, event: &SubmittedEvent) -> Result<Value> {
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    let text = reader.read(event, &|| context.unlock())?;
    serde_json::from_str(&text)
        .map(without_padding)
        .map_err(Failure::unexpected)
}

pub(super) async fn run(context: &Context, args: &EventArgs) -> Result<Report> {
    let (id, local) = find(context, &args.event_id).await?;
    let json = EventJson::from(&local.event);
    let payload = read(context, &local.event);
    let sequenced = local.record.as_ref();
    let mut report = Report::new("ves.cli.show")
        .field("event_id", id)
        .field("verified", sequenced.is_some())
        .field("record", sequenced)
        .field("outbox", local.entry.as_ref().map(entry_json))
        .field("event", &json)
        .pair("event", id)
        .pair("type", &json.event_type)
        .pair("entity", format!("{} {}", json.entity_type, json.entity_id))
        .pair(
            "author",
            format!("{} key {}", json.source_agent_id, json.agent_key_id),
        )
        .pair("created", &json.created_at);
    if let Some(record) = sequenced {
        report = report
            .pair("sequence", record.sequence)
            .pair("block", record.block_number)
            .pair("receipt", record.receipt_hash);
    }
    if let Some(entry) = &local.entry {
        report = report.pair("outbox", entry.state);
    }
    Ok(match payload {
        Ok(payload) => report.pair("payload", &payload).field("payload", payload),
        // The event itself is shown all the same: that is what was asked for.
        Err(failure) => report
            .pair("payload", format!("not readable: {failure}"))
            .field("payload_problem", failure.code),
    })
}

pub(super) async fn decrypt(context: &Context, args: &EventArgs) -> Result<Report> {
    let (id, local) = find(context, &args.event_id).await?;
    let payload = read(context, &local.event)?;
    Ok(Report::new("ves.cli.decrypt")
        .field("event_id", id)
        .field("encrypted", local.event.envelope.payload_kind.code() == 1)
        .line(payload.to_string())
        .field("payload", payload))
}
