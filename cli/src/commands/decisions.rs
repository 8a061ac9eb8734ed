// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `retry` and `abandon`

use super::{
    Context,
    push::{entry_json, entry_line},
    resolve_event, unknown_event,
};
use crate::{
    cli::{AbandonArgs, RetryArgs},
    conflicts,
    error::{Exit, Failure, Result},
    outbox::{self, Entry, State},
    output::Report,
};

/// Most events that are put back at once.
const MAX_AT_ONCE: u32 = 100_000;

pub(super) async fn retry(context: &Context, args: &RetryArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let mut chosen: Vec<Entry> = Vec::new();
    for text in &args.event_ids {
        let id = resolve_event(Some(&pool), text).await?;
        let entry = outbox::find(&pool, id)
            .await?
            .ok_or_else(|| unknown_event(id))?;
        if !matches!(entry.state, State::Dead | State::Rejected) {
            return Err(Failure::usage(
                "not_given_up",
                format!("event {id} is {}, neither dead nor rejected", entry.state),
            )
            .hint("`stateset-sync push` sends what is on its way"));
        }
        chosen.push(entry);
    }
    if args.dead {
        chosen.extend(outbox::latest(&pool, Some(State::Dead), MAX_AT_ONCE).await?);
    }
    if args.rejected {
        // Those in conflict would be rejected again: they need another decision.
        let rejected = outbox::latest(&pool, Some(State::Rejected), MAX_AT_ONCE).await?;
        chosen.extend(rejected.into_iter().filter(|entry| {
            !entry
                .reason
                .as_deref()
                .is_some_and(|reason| reason.starts_with(conflicts::REASON))
        }));
    }
    chosen.sort_unstable_by_key(|entry| entry.local_seq);
    chosen.dedup_by_key(|entry| entry.local_seq);
    if !context.dry_run {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        for entry in &chosen {
            outbox::revive(&mut tx, entry.local_seq)
                .await
                .map_err(|failure| command_taken(entry, failure))?;
        }
        tx.commit().await?;
    }
    let report = chosen
        .iter()
        .fold(Report::new("ves.cli.retry"), |report, entry| {
            report.line(entry_line(&context.ui, entry))
        })
        .field("events", chosen.iter().map(entry_json).collect::<Vec<_>>())
        .field("retried", chosen.len())
        .line(format!("{} event(s) back on their way", chosen.len()));
    Ok(if context.dry_run {
        report.dry()
    } else {
        report.line("next: stateset-sync push")
    })
}

fn command_taken(entry: &Entry, failure: Failure) -> Failure {
    if !failure.message.contains("UNIQUE") {
        return failure;
    }
    Failure::new(
        Exit::Refused,
        "duplicate_command_id",
        format!(
            "another event fulfils the command of event {} by now",
            entry.event_id()
        ),
    )
    .hint("leave this event as it is")
}

pub(super) async fn abandon(context: &Context, args: &AbandonArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), &args.event_id).await?;
    let entry = outbox::find(&pool, id)
        .await?
        .ok_or_else(|| unknown_event(id))?;
    if !matches!(entry.state, State::Queued | State::Signed | State::Rejected) {
        return Err(Failure::new(
            Exit::Refused,
            "not_to_be_abandoned",
            format!("event {id} is {}", entry.state),
        )
        .hint("what was handed over may be in a block at any moment; push again to see"));
    }
    let report = Report::new("ves.cli.abandon")
        .field("event", entry_json(&entry))
        .line(format!("event {id} is given up"));
    if context.dry_run {
        return Ok(report.dry());
    }
    if !args.yes {
        return Err(Failure::new(
            Exit::Refused,
            "not_confirmed",
            "an abandoned event is not sent; `retry` brings it back",
        )
        .hint("repeat the command with --yes"));
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    if !outbox::set_aside(&mut tx, entry.local_seq, entry.state, State::Dead).await? {
        return Err(Failure::new(
            Exit::Refused,
            "not_to_be_abandoned",
            format!("event {id} was handed over meanwhile"),
        ));
    }
    tx.commit().await?;
    Ok(report)
}
