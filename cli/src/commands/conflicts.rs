// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `conflicts`, `resolve` and `rebase`

use super::{Context, payloads::Payloads, push::entry_json, recipients, resolve_event};
use crate::{
    capture::{Audience, Captured},
    cli::{RebaseArgs, ResolveArgs},
    conflicts::{self, Conflict, Field, Resolution, Strategy},
    error::{Exit, Failure, Result},
    output::{Report, Tone},
};
use serde_json::{Value, json};
use sqlx::SqlitePool;
use ves_client::Wanted;
use ves_primitives::{EncryptedPayload, Payload};

/// The strategy that loses nothing: a merge without clashes, else nothing but the remote side is safe.
async fn suggested(
    context: &Context,
    pool: &SqlitePool,
    conflict: &Conflict,
    payloads: &mut Payloads,
) -> Strategy {
    for strategy in [Strategy::Merge, Strategy::Reapply] {
        let planned = plan(context, pool, conflict, strategy, payloads).await;
        if planned.is_ok_and(|resolution| resolution.clashes().is_empty()) {
            return strategy;
        }
    }
    Strategy::RemoteWins
}

async fn plan(
    context: &Context,
    pool: &SqlitePool,
    conflict: &Conflict,
    strategy: Strategy,
    payloads: &mut Payloads,
) -> Result<Resolution> {
    let stream = context.stream()?;
    let (mut reader, mut own) = payloads.split(context);
    conflicts::plan(pool, stream, conflict, strategy, &mut reader, &mut own).await
}

fn conflict_json(conflict: &Conflict, suggested: Strategy) -> Value {
    let (entity_type, entity_id) = conflict.entity();
    json!({
        "id": conflict.id(),
        "cause": conflict.cause,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "base_version": conflict.base_version,
        "remote_version": conflict.remote_version,
        "pulled": conflict.pulled,
        "incomplete": conflict.incomplete,
        "suggested_strategy": suggested,
        "events": conflict.events().map(entry_json).collect::<Vec<_>>(),
    })
}

pub(super) async fn list(context: &Context) -> Result<Report> {
    let pool = context.pool().await?;
    let found = conflicts::detect(&pool, context.stream()?).await?;
    // A listing asks nobody for a passphrase.
    let mut payloads = Payloads::quiet(context)?;
    let mut report = Report::new("ves.cli.conflicts");
    let mut rows = Vec::new();
    for conflict in &found {
        let strategy = suggested(context, &pool, conflict, &mut payloads).await;
        let (entity_type, entity_id) = conflict.entity();
        report = report.line(format!(
            "{}  {entity_type} {entity_id}  built on version {}, now at {}{}{}  {} event(s)  suggested: {}",
            conflict.id(),
            conflict.base_version,
            conflict.remote_version,
            match (conflict.incomplete, conflict.pulled) {
                (true, _) => " (incomplete: events are in quarantine)",
                (false, true) => "",
                (false, false) => " (not pulled)",
            },
            match conflict.cause {
                conflicts::Cause::MovedOn => "",
                conflicts::Cause::LostBase => ", made on top of an event that is lost",
            },
            conflict.followers.len().saturating_add(1),
            strategy.name().replace('_', "-"),
        ));
        rows.push(conflict_json(conflict, strategy));
    }
    let failure = match found.len() {
        0 => {
            report = report.line("no conflicts");
            None
        }
        n => Some(
            Failure::new(
                Exit::Conflicts,
                "unresolved_conflicts",
                format!("{n} conflict(s) wait for a decision"),
            )
            .hint("look with `stateset-sync resolve <id> --strategy merge --dry-run`"),
        ),
    };
    Ok(report
        .field("conflicts", rows)
        .listing("conflicts", "ves.cli.conflicts.conflict")
        .failing(failure))
}

pub(super) async fn resolve(context: &Context, args: &ResolveArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), &args.event_id).await?;
    let conflict = conflicts::of_event(&pool, context.stream()?, id)
        .await?
        .ok_or_else(|| {
            Failure::usage("conflict_unknown", format!("event {id} is in no conflict"))
                .hint("`stateset-sync conflicts` lists them")
        })?;
    let mut payloads = Payloads::asking(context)?;
    let (row, lines, failure) =
        decide(context, &pool, &conflict, args.strategy, &mut payloads).await?;
    let report = lines
        .iter()
        .fold(Report::new("ves.cli.resolve"), |report, line| {
            report.line(line)
        })
        .field("strategy", args.strategy)
        .field("conflict", row);
    Ok(report.dry_if(context.dry_run).failing(failure))
}

pub(super) async fn rebase(context: &Context, args: &RebaseArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let found = conflicts::detect(&pool, context.stream()?).await?;
    let mut payloads = Payloads::asking(context)?;
    let mut report = Report::new("ves.cli.rebase").field("strategy", args.strategy);
    let (mut rows, mut left, mut resolved) = (Vec::new(), 0usize, 0usize);
    for conflict in &found {
        match decide(context, &pool, conflict, args.strategy, &mut payloads).await {
            Ok((row, lines, failure)) => {
                report = lines.iter().fold(report, |report, line| report.line(line));
                rows.push(row);
                match failure {
                    None => resolved = resolved.saturating_add(1),
                    Some(_) => left = left.saturating_add(1),
                }
            }
            // One that cannot be decided so does not hold up the others; a locked key does.
            Err(failure)
                if failure.exit == Exit::Conflicts || failure.code == "state_incomplete" =>
            {
                report = report.line(format!("{}  {failure}", conflict.id()));
                rows.push(json!({
                    "id": conflict.id(),
                    "error": { "code": failure.code, "message": failure.message },
                }));
                left = left.saturating_add(1);
            }
            Err(failure) => return Err(failure),
        }
    }
    let failure = (left > 0).then(|| {
        Failure::new(
            Exit::Conflicts,
            "unresolved_conflicts",
            format!("{left} conflict(s) are left"),
        )
        .hint("decide about each with `stateset-sync resolve`")
    });
    let verb = if context.dry_run {
        "would be resolved"
    } else {
        "resolved"
    };
    let report = report
        .line(format!("{resolved} {verb}, {left} left"))
        .field("resolved", resolved)
        .field("left", left)
        .field("conflicts", rows);
    Ok(report.dry_if(context.dry_run).failing(failure))
}

type Decided = (Value, Vec<String>, Option<Failure>);

/// Plans one decision and, unless this is a dry run or fields clash, commits it.
async fn decide(
    context: &Context,
    pool: &SqlitePool,
    conflict: &Conflict,
    strategy: Strategy,
    payloads: &mut Payloads,
) -> Result<Decided> {
    let mut resolution = plan(context, pool, conflict, strategy, payloads).await?;
    let failure = resolution.failure();
    let captured = match (&failure, context.dry_run) {
        (None, false) => {
            encrypt_again(context, pool, &mut resolution).await?;
            conflicts::commit(pool, &resolution).await?
        }
        _ => Vec::new(),
    };
    let lines = preview(context, conflict, &resolution, &captured);
    let (entity_type, entity_id) = conflict.entity();
    let events: Vec<Value> = resolution
        .events
        .iter()
        .enumerate()
        .map(|(at, planned)| {
            json!({
                "event_id": planned.entry.event_id(),
                "fields": planned.fields,
                "payload": planned.draft.as_ref().and_then(|draft|
                    serde_json::from_str::<Value>(&draft.payload).ok()),
                "base_version": planned.draft.as_ref().and_then(|draft| draft.base_version),
                "replacement_id": captured.get(at).map(|event| event.event_id),
            })
        })
        .collect();
    let row = json!({
        "id": conflict.id(),
        "entity_type": entity_type,
        "entity_id": entity_id,
        "base_version": conflict.base_version,
        "remote_version": conflict.remote_version,
        "clashes": resolution.clashes(),
        "resolved": failure.is_none() && !context.dry_run,
        "events": events,
    });
    Ok((row, lines, failure))
}

fn preview(
    context: &Context,
    conflict: &Conflict,
    resolution: &Resolution,
    captured: &[Captured],
) -> Vec<String> {
    let (entity_type, entity_id) = conflict.entity();
    let mut lines = vec![format!(
        "{entity_type} {entity_id}: built on version {}, now at {}",
        conflict.base_version, conflict.remote_version
    )];
    let show = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    for (at, planned) in resolution.events.iter().enumerate() {
        lines.push(format!("  event {}", planned.entry.event_id()));
        for Field {
            path,
            base,
            remote,
            local,
            result,
            clash,
        } in &planned.fields
        {
            let (tone, mark) = match (clash, result == remote) {
                (true, _) => (Tone::Bad, "clash"),
                (false, true) => (Tone::Dim, "remote"),
                (false, false) => (Tone::Good, "local"),
            };
            lines.push(format!(
                "    {}  {path}: {} -> remote {}, local {} => {}",
                context.ui.paint(tone, &format!("{mark:<6}")),
                show(base),
                show(remote),
                show(local),
                show(result),
            ));
        }
        match (&planned.draft, captured.get(at)) {
            (_, Some(event)) => lines.push(format!("    captured anew as {}", event.event_id)),
            (Some(draft), None) => lines.push(format!("    payload {}", draft.payload)),
            (None, None) => lines.push("    gives way".to_owned()),
        }
    }
    lines
}

/// A replacement of an encrypted event is encrypted to the same readers: to the same keys, or to the newest
/// of whoever may not be sent to with his old one any more.
async fn encrypt_again(
    context: &Context,
    pool: &SqlitePool,
    resolution: &mut Resolution,
) -> Result<()> {
    for planned in &mut resolution.events {
        let (Payload::Encrypted(bundle), Some(draft)) =
            (&planned.entry.event.payload, &mut planned.draft)
        else {
            continue;
        };
        draft.audience =
            same_readers(context, pool, bundle, draft.tenant_id, draft.agent_id).await?;
        if let Some(sizes) = context.config.get(|c| &c.padding) {
            draft.payload = crate::capture::pad(&draft.payload, &sizes.value)?;
        }
    }
    Ok(())
}

async fn same_readers(
    context: &Context,
    pool: &SqlitePool,
    bundle: &EncryptedPayload,
    tenant: ves_primitives::TenantId,
    agent: ves_primitives::AgentId,
) -> Result<Audience> {
    let readers = bundle.recipients.iter();
    let wanted = Wanted {
        numbers: readers.map(|reader| reader.recipient_kid).collect(),
        ..Wanted::default()
    };
    let found = recipients::look_up(context, pool, &wanted).await?;
    let mut keys = Vec::new();
    for kid in wanted.numbers {
        let entry = found.directory.in_place_of(kid).ok_or_else(|| {
            Failure::new(
                Exit::Key,
                "recipient_without_key",
                format!(
                    "the registry has no usable key for the reader with recipient number {kid}"
                ),
            )
        })?;
        let key = (entry.record.kid, entry.record.public_key);
        // Two old keys of one reader may have the same one in their place.
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let key_id = found.signing_key(context, tenant, agent).await?;
    Ok(Audience::Recipients { key_id, keys })
}
