// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `parked …`

use super::Context;
use crate::{
    cli::{DropArgs, ParkedArgs, ParkedCommand, ReleaseArgs},
    error::{Exit, Failure, Result},
    event_types::{self, EventTypes, Judges, Verdict},
    output::Report,
    parking::{self, Parked},
    reading::{Reader, without_padding},
};
use chrono::Utc;
use serde_json::{Value, json};
use ves_primitives::wire::EventJson;

pub(super) async fn run(context: &Context, command: &ParkedCommand) -> Result<Report> {
    match command {
        ParkedCommand::List => list(context).await,
        ParkedCommand::Show(args) => show(context, args).await,
        ParkedCommand::Release(args) => release(context, args).await,
        ParkedCommand::Drop(args) => drop_events(context, args).await,
    }
}

/// What a schema says of a parked event by now; what cannot be read here nobody can judge.
fn verdict(
    context: &Context,
    types: &EventTypes,
    judges: &mut Judges,
    parked: &Parked,
) -> Result<Verdict> {
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    // Whether there is a schema at all needs no payload.
    if types.schema(&parked.event_type)?.is_none() {
        return Ok(Verdict::Unknown);
    }
    let text = reader.read(&parked.event, &|| context.unlock())?;
    let text = if parked.is_encrypted() {
        let value: Value = serde_json::from_str(&text).map_err(Failure::unexpected)?;
        without_padding(value).to_string()
    } else {
        text.to_string()
    };
    types.judge(judges, &parked.event_type, &text)
}

fn parked_json(parked: &Parked) -> Value {
    let event = EventJson::from(&parked.event);
    json!({
        "event_id": parked.event_id(),
        "event_type": parked.event_type,
        "entity_type": event.entity_type,
        "entity_id": event.entity_id,
        "created_at": event.created_at,
        "encrypted": parked.is_encrypted(),
        "reason": parked.reason,
        "parked_at": parked.parked_at,
    })
}

fn line(parked: &Parked, state: &str) -> String {
    format!("{}  {}  {state}", parked.event_id(), parked.event_type)
}

async fn list(context: &Context) -> Result<Report> {
    let pool = context.pool().await?;
    let types = context.event_types()?;
    let mut report = Report::new("ves.cli.parked.list");
    let mut events = Vec::new();
    let mut described = 0usize;
    for parked in parking::list(&pool).await? {
        let is_described = types.schema(&parked.event_type)?.is_some();
        described = described.saturating_add(usize::from(is_described));
        let in_time = parked.is_in_time(Utc::now().timestamp_millis());
        let state = match (is_described, in_time) {
            (_, false) => "too old for the chain",
            (true, true) => "described by now",
            (false, true) => "not described",
        };
        report = report.line(line(&parked, state));
        let mut item = parked_json(&parked);
        item["described"] = json!(is_described);
        item["in_time"] = json!(in_time);
        events.push(item);
    }
    if events.is_empty() {
        report = report.line("nothing is parked");
    } else if described > 0 {
        report = report.line("next: stateset-sync parked release");
    } else {
        report = report.line(format!(
            "next: put schemas into {}, then `stateset-sync parked release`",
            context.schemas_folder().display()
        ));
    }
    Ok(report
        .field("described", described)
        .field("events", events)
        .listing("events", "ves.cli.parked.event"))
}

/// The parked events that are named, each by its id or an unambiguous beginning.
async fn find(context: &Context, names: &[String]) -> Result<Vec<Parked>> {
    let pool = context.pool().await?;
    let all = parking::list(&pool).await?;
    let mut found: Vec<Parked> = Vec::new();
    for name in names {
        let digits: String = name.chars().filter(|c| *c != '-').collect();
        let digits = digits.to_lowercase();
        let fits = |parked: &&Parked| hex::encode(parked.event_id().0).starts_with(&digits);
        let mut fitting = all.iter().filter(fits);
        let parked = match (digits.len() >= 4, fitting.next(), fitting.next()) {
            (true, Some(parked), None) => parked,
            (true, Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "event_id_ambiguous",
                    format!("several parked ids begin with {name}"),
                )
                .hint("give more digits"));
            }
            _ => {
                return Err(Failure::usage(
                    "event_not_parked",
                    format!("there is no parked event {name}"),
                )
                .hint("`stateset-sync parked list` lists them"));
            }
        };
        if !found.contains(parked) {
            found.push(parked.clone());
        }
    }
    Ok(found)
}

async fn show(context: &Context, args: &ParkedArgs) -> Result<Report> {
    let parked = find(context, std::slice::from_ref(&args.event_id))
        .await?
        .remove(0);
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    let mut report = Report::new("ves.cli.parked.show")
        .field("parked", parked_json(&parked))
        .field("event", EventJson::from(&parked.event))
        .pair("event", parked.event_id())
        .pair("type", &parked.event_type)
        .pair("created", parked.created_at())
        .pair("parked", &parked.parked_at);
    match reader.read(&parked.event, &|| context.unlock()) {
        Ok(text) => {
            let payload = serde_json::from_str(&text).unwrap_or(Value::Null);
            let payload = without_padding(payload);
            report = report.pair("payload", &payload).field("payload", payload);
        }
        Err(failure) => {
            report = report
                .pair("payload", format!("not readable: {failure}"))
                .field("payload_problem", failure.code);
        }
    }
    Ok(report)
}

async fn release(context: &Context, args: &ReleaseArgs) -> Result<Report> {
    let pool = context.pool_to_roll_back().await?;
    let types = context.event_types()?;
    let mut judges = Judges::default();
    let named = !args.event_ids.is_empty();
    let candidates = match named {
        true => find(context, &args.event_ids).await?,
        false => parking::list(&pool).await?,
    };
    let (mut ready, mut left) = (Vec::new(), Vec::new());
    for parked in candidates {
        let problem = match ready_to_go(context, &types, &mut judges, &parked, args.unchecked) {
            Ok(()) => None,
            Err(failure) if named => return Err(failure),
            Err(failure) => Some(failure),
        };
        match problem {
            None => ready.push(parked),
            Some(failure) => left.push((parked, failure)),
        }
    }
    let why = if args.unchecked {
        "decided"
    } else {
        "described"
    };
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for parked in &ready {
        parking::release(&mut tx, parked, why).await?;
    }
    match context.dry_run {
        true => tx.rollback().await?,
        false => tx.commit().await?,
    }
    let mut report = Report::new("ves.cli.parked.release").field("released", ready.len());
    for parked in &ready {
        report = report.line(line(parked, "released"));
    }
    let mut kept = Vec::new();
    for (parked, failure) in &left {
        report = report.line(line(parked, &format!("stays: {}", failure.message)));
        let mut item = parked_json(parked);
        item["problem"] = json!({ "code": failure.code, "message": failure.message });
        kept.push(item);
    }
    let events: Vec<Value> = ready.iter().map(parked_json).collect();
    report = report
        .field("events", events)
        .field("left", kept)
        .listing("events", "ves.cli.parked.event")
        .listing("left", "ves.cli.parked.left")
        .line(format!("{} released, {} left", ready.len(), left.len()));
    Ok(if context.dry_run {
        report.dry()
    } else if ready.is_empty() {
        report
    } else {
        report.line("next: stateset-sync push")
    })
}

/// Why a parked event cannot go, if it cannot.
fn ready_to_go(
    context: &Context,
    types: &EventTypes,
    judges: &mut Judges,
    parked: &Parked,
    unchecked: bool,
) -> Result<()> {
    if !parked.is_in_time(Utc::now().timestamp_millis()) {
        return Err(Failure::new(
            Exit::Refused,
            "event_too_old",
            format!(
                "event {} is of {}; the chain takes events for three days",
                parked.event_id(),
                parked.created_at()
            ),
        )
        .hint("`parked show` prints its payload: capture it anew, then `parked drop` this one"));
    }
    if unchecked {
        return Ok(());
    }
    match verdict(context, types, judges, parked)? {
        Verdict::Fits => Ok(()),
        Verdict::Unknown => Err(event_types::unknown_type(&parked.event_type, "")),
        Verdict::Misfits(found) => Err(event_types::refusal(&parked.event_type, &found)),
    }
}

async fn drop_events(context: &Context, args: &DropArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let chosen = find(context, &args.event_ids).await?;
    let report = chosen
        .iter()
        .fold(Report::new("ves.cli.parked.drop"), |report, parked| {
            report.line(line(parked, "dropped"))
        })
        .field("dropped", chosen.len())
        .field("events", chosen.iter().map(parked_json).collect::<Vec<_>>())
        .listing("events", "ves.cli.parked.event");
    if context.dry_run {
        return Ok(report.dry());
    }
    if !args.yes {
        return Err(Failure::new(
            Exit::Refused,
            "not_confirmed",
            format!("{} parked event(s) would be gone for good", chosen.len()),
        )
        .hint("repeat the command with --yes"));
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    for parked in &chosen {
        parking::drop_event(&mut tx, parked).await?;
    }
    tx.commit().await?;
    Ok(report)
}
