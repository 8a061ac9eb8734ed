// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `journal …`

use super::{Context, resolve_event};
use crate::{
    cli::{JournalCommand, JournalListArgs},
    error::{Failure, Result},
    home::{Existing, write_private},
    journal::{self, Entry},
    output::Report,
};
use std::path::Path;

/// Entries read at once.
const PAGE: i64 = 1000;

pub(super) async fn run(context: &Context, command: &JournalCommand) -> Result<Report> {
    match command {
        JournalCommand::List(args) => list(context, args).await,
        JournalCommand::Export { out } => export(context, out).await,
        JournalCommand::Check { noted } => check(context, noted.as_deref()).await,
    }
}

fn line(entry: &Entry) -> String {
    let event = entry.event_id.map(|id| id.to_string()).unwrap_or_default();
    format!(
        "{:>6}  {}  {:<11} {event}  {}",
        entry.entry, entry.noted_at, entry.kind, entry.reason
    )
}

async fn list(context: &Context, args: &JournalListArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let event = match &args.event {
        None => None,
        Some(text) => Some(resolve_event(Some(&pool), text).await?),
    };
    let entries = journal::latest(&pool, event, args.limit).await?;
    let report = entries
        .iter()
        .fold(Report::new("ves.cli.journal.list"), |report, entry| {
            report.line(line(entry))
        });
    Ok(match entries.is_empty() {
        true => report.line("the journal has no such entries"),
        false => report,
    }
    .field("entries", &entries)
    .listing("entries", "ves.cli.journal.entry"))
}

async fn export(context: &Context, out: &Path) -> Result<Report> {
    let pool = context.pool().await?;
    let checked = journal::check(&pool, None).await?;
    let mut text = String::new();
    let mut last = 0;
    loop {
        let page = journal::after(&pool, last, None, PAGE).await?;
        for entry in &page {
            text.push_str(&serde_json::to_string(entry).map_err(Failure::unexpected)?);
            text.push('\n');
            last = entry.entry;
        }
        if page.is_empty() || last >= checked.entries {
            break;
        }
    }
    let report = Report::new("ves.cli.journal.export")
        .field("entries", last)
        .field("head", &checked.head)
        .field("out", out)
        .line(format!("{last} entries to {}", out.display()))
        .pair("last hash", &checked.head);
    if context.dry_run {
        return Ok(report.dry());
    }
    write_private(out, text.as_bytes(), Existing::Replace)?;
    Ok(report)
}

async fn check(context: &Context, noted: Option<&str>) -> Result<Report> {
    let pool = context.pool().await?;
    let checked = journal::check(&pool, noted).await?;
    Ok(Report::new("ves.cli.journal.check")
        .field("entries", checked.entries)
        .field("head", &checked.head)
        .line(format!(
            "{} entries, each linked to the one before",
            checked.entries
        ))
        .pair("last hash", &checked.head))
}
