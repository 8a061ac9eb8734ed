// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `sync`: push, then pull, once or for as long as it runs.

use super::{
    Context,
    heads::{Heads, passes, pause},
    pull, push,
};
use crate::{
    cli::{PullArgs, PushArgs, SyncArgs},
    error::{Exit, Failure, Result},
    outbox,
    output::Report,
};
use std::time::Duration;

/// Longest pause without a newly finalized block.
const IDLE: Duration = Duration::from_secs(30);

/// One push and one pull. What the pull found comes out even if the push had something to say.
async fn round(context: &Context, args: &SyncArgs, patient: bool) -> Result<Report> {
    let pushed = push::once(context, &PushArgs::plain(args.timeout), patient).await?;
    if let Some(failure) = pushed.failure.clone().filter(is_interruption) {
        return Ok(Report::new("ves.cli.sync")
            .line(pushed.text())
            .part("push", pushed)
            .failing(Some(failure)));
    }
    let pulled = pull::once(context, &PullArgs::plain()).await?;
    let idle = pushed.is_idle && pulled.is_idle;
    let failure = pushed.failure.clone().or_else(|| pulled.failure.clone());
    Ok(Report::new("ves.cli.sync")
        .line(pushed.text())
        .line(pulled.text())
        .part("push", pushed)
        .part("pull", pulled)
        .idle(idle)
        .failing(failure))
}

/// What a push and a pull would do.
async fn preview(context: &Context, args: &SyncArgs) -> Result<Report> {
    let pushed = push::preview(context, &PushArgs::plain(args.timeout)).await?;
    let pulled = pull::preview(context).await?;
    Ok(Report::new("ves.cli.sync")
        .line(pushed.text())
        .line(pulled.text())
        .part("push", pushed)
        .part("pull", pulled)
        // Both say it in words already.
        .field("dry_run", true))
}

/// Whether the user wants it to stop.
fn is_interruption(failure: &Failure) -> bool {
    failure.exit == Exit::Interrupted
}

pub(super) async fn run(context: &Context, args: &SyncArgs) -> Result<Report> {
    match (args.watch, context.dry_run) {
        (true, true) => return Err(Failure::usage("usage", "--watch cannot be a dry run")),
        (false, true) => return preview(context, args).await,
        (false, false) => return round(context, args, false).await,
        (true, false) => {}
    }
    context.ui.stream();
    let pool = context.pool().await?;
    let mut failures = 0u32;
    loop {
        match round(context, args, true).await {
            Ok(report) => {
                failures = 0;
                let quiet = report.is_idle;
                let stops = report
                    .failure
                    .as_ref()
                    .is_some_and(|failure| failure.exit == Exit::Key || is_interruption(failure));
                if stops {
                    return Ok(report);
                }
                if !quiet || report.failure.is_some() {
                    context.ui.emit(&report);
                }
                // Nobody reads what is found any more.
                if context.ui.is_closed() {
                    return Ok(report);
                }
            }
            Err(failure) if passes(&failure) => {
                match pause(context, &failure, &mut failures).await {
                    Some(()) => continue,
                    None => return Err(between()),
                }
            }
            Err(failure) => return Err(failure),
        }
        let due = match outbox::next_due(&pool).await {
            Ok(due) => due.unwrap_or(IDLE).min(IDLE),
            Err(failure) if passes(&failure) => IDLE,
            Err(failure) => return Err(failure),
        };
        match context.ui.unless_interrupted(next(context, due)).await {
            Some(waited) => waited?,
            None => return Err(between()),
        }
    }
}

/// Where a watch stops most often.
fn between() -> Failure {
    Failure::interrupted("interrupted between two rounds; the outbox is as the last one left it")
}

/// Waits for the next finalized block, or until something is due.
async fn next(context: &Context, due: Duration) -> Result<()> {
    match Heads::open(context).await {
        Ok(mut heads) => {
            tokio::select! {
                _ = heads.next() => {}
                () = tokio::time::sleep(due) => {}
            }
        }
        Err(failure) if passes(&failure) => {
            tokio::time::sleep(due.min(Duration::from_secs(1))).await;
        }
        Err(failure) => return Err(failure),
    }
    Ok(())
}
