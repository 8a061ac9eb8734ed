// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `history`

use super::{
    Context,
    push::{entry_json, entry_line},
};
use crate::{
    cli::HistoryArgs,
    error::Result,
    inbox, outbox,
    output::{Report, Tone},
};
use serde_json::{Value, json};
use ves_primitives::wire::SequencedEventJson;

pub(super) async fn run(context: &Context, args: &HistoryArgs) -> Result<Report> {
    if args.pulled {
        return pulled(context, args).await;
    }
    let pool = context.pool().await?;
    let entries = outbox::latest(&pool, args.state, args.limit).await?;
    let mut report = Report::new("ves.cli.history")
        .field("events", entries.iter().map(entry_json).collect::<Vec<_>>())
        .listing("events", "ves.cli.history.event");
    if entries.is_empty() {
        report = report.line("the outbox holds no such events");
    }
    for entry in &entries {
        report = report.line(entry_line(&context.ui, entry));
    }
    Ok(report)
}

/// One verified event as lists show it.
pub(super) fn record_json(record: &SequencedEventJson) -> Value {
    json!({
        "sequence": record.sequence,
        "event_id": record.event.event_id,
        "source_agent_id": record.event.source_agent_id,
        "event_type": record.event.event_type,
        "entity_type": record.event.entity_type,
        "entity_id": record.event.entity_id,
        "block_number": record.block_number,
        "encrypted": record.event.payload_kind == 1,
    })
}

async fn pulled(context: &Context, args: &HistoryArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let records = inbox::latest(&pool, stream, args.limit).await?;
    let quarantined = inbox::quarantined(&pool, stream).await?;
    let pruned = inbox::pruned(&pool, stream).await?;
    let events: Vec<_> = records.iter().map(record_json).collect();
    let mut report = Report::new("ves.cli.history.pulled")
        .field("events", events)
        .field("quarantined", &quarantined)
        .field("pruned", &pruned)
        .listing("events", "ves.cli.history.pulled.event")
        .listing("quarantined", "ves.cli.history.pulled.quarantined")
        .listing("pruned", "ves.cli.history.pulled.pruned");
    for record in &records {
        report = report.line(format!(
            "{:>6}  {}  {} {}",
            record.sequence, record.event.event_id, record.event.event_type, record.event.entity_id
        ));
    }
    for item in &quarantined {
        report = report.line(format!(
            "{:>6}  {}  {} {}: {}",
            item.sequence,
            item.event_id,
            context.ui.paint(Tone::Bad, "quarantined"),
            item.reason,
            item.detail
        ));
    }
    Ok(report)
}
