// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `pull`

use super::{Context, heads::Heads, recipients};
use crate::{
    chain::Chain,
    cli::{AgentRef, FilterArgs, PullArgs},
    error::{Failure, Result},
    inbox,
    output::{Report, Tone},
    proofs::{
        clear::Opener,
        received::{self, ProofsPulled, Reading, Received},
    },
    pull,
    reading::{Reader, without_padding},
    verify::record_event,
};
use serde_json::{Value, json};
use ves_primitives::{Payload, registry::TypePattern, wire::SequencedEventJson};

/// Events listed in the output of one pull; all are stored.
const MAX_LISTED: usize = 1000;

pub(super) async fn run(context: &Context, args: &PullArgs) -> Result<Report> {
    if context.dry_run {
        return preview(context).await;
    }
    if args.follow {
        return follow(context, args).await;
    }
    once(context, args).await
}

/// How far a pull would have to go.
pub(super) async fn preview(context: &Context) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let chain = context.connect().await?;
    let tip = inbox::tip(&pool, stream, chain.genesis_hash()).await?;
    let head = chain.head(stream.tenant, stream.store).await?;
    let missing = head.sequence.saturating_sub(tip.sequence);
    Ok(Report::new("ves.cli.pull")
        .field("from_sequence", tip.sequence.saturating_add(1))
        .field("head_sequence", head.sequence)
        .field("events_to_verify", missing)
        .line(format!(
            "would verify {missing} events, from sequence {} to {}",
            tip.sequence.saturating_add(1),
            head.sequence
        ))
        .dry())
}

/// Pulls at each newly finalized block until interrupted, or until something does not verify.
async fn follow(context: &Context, args: &PullArgs) -> Result<Report> {
    context.ui.stream();
    let mut heads = Heads::open(context).await?;
    loop {
        let report = once(context, args).await?;
        if report.failure.is_some() {
            return Ok(report);
        }
        if !report.is_idle {
            context.ui.emit(&report);
        }
        if context.ui.is_closed() {
            return Ok(report);
        }
        match context.ui.unless_interrupted(heads.next()).await {
            Some(next) => next?,
            None => return Err(Failure::interrupted("interrupted between two pulls")),
        };
    }
}

/// Whether an event is to be listed.
fn is_listed(filter: &FilterArgs, record: &SequencedEventJson) -> bool {
    let event = &record.event;
    let fits = |patterns: &[TypePattern], text: &str| {
        patterns.is_empty() || patterns.iter().any(|p| p.matches(text.as_bytes()))
    };
    (filter.author.is_empty()
        || filter
            .author
            .contains(&AgentRef::Full(event.source_agent_id)))
        && fits(&filter.event_types, &event.event_type)
        && fits(&filter.entity_types, &event.entity_type)
        && filter
            .entity_id
            .as_ref()
            .is_none_or(|id| *id == event.entity_id)
}

/// One pull.
pub(super) async fn once(context: &Context, args: &PullArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    let chain = context.connect().await?;
    let outcome = pull::pull(
        &pool,
        &chain,
        stream,
        context.pinned_authorities().as_ref(),
        &context.ui,
    )
    .await?;
    if outcome.stopped.is_none() {
        let refreshing = recipients::refresh(context, &pool, &chain);
        context.ui.unless_interrupted(refreshing).await;
    }
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut opener = Opener::new(&keys, context.config.agent()?, &unlock)?;
    let mut interrupted = None;
    let proofs = if args.no_verify_proofs || context.ui.interrupt().is_raised() {
        ProofsPulled::default()
    } else {
        // Nobody is asked for a passphrase only to compare amounts.
        let quietly = args.decrypt || context.can_unlock_quietly() || !opener.is_locked();
        let mut reading = Reading {
            opener: quietly.then_some(&mut opener),
            amount_field: &args.amount.amount_field,
        };
        let fresh = outcome.stored.len();
        let looking = received::pull(&pool, &chain, stream, fresh, &mut reading, &context.ui);
        let found = context.ui.unless_interrupted(looking).await;
        if found.is_none() {
            interrupted = Some(Failure::interrupted(
                "interrupted: the events are stored, their proofs are verified by the next pull",
            ));
        }
        found.unwrap_or_default()
    };

    let mut events = Vec::new();
    let mut decrypted = 0usize;
    let listed = outcome
        .stored
        .iter()
        .filter(|record| is_listed(&args.filter, record));
    for record in listed.take(MAX_LISTED) {
        let item = describe(context, &mut reader, record, args.decrypt)?;
        decrypted = decrypted.saturating_add(usize::from(item.get("payload").is_some()));
        events.push(item);
    }
    let set_aside = outcome
        .quarantined
        .len()
        .saturating_add(outcome.pruned.len());
    let mut report = Report::new("ves.cli.pull")
        .field("from_sequence", outcome.from.saturating_add(1))
        .field("to_sequence", outcome.to)
        .field("head_sequence", outcome.head)
        .field("finalized_block", outcome.finalized_block)
        .field("batches", outcome.batches)
        .field("stored", outcome.stored.len())
        .field("quarantined", &outcome.quarantined)
        .field("pruned", &outcome.pruned)
        .field("settled", outcome.settled)
        .field("decrypted", decrypted)
        .field("events", &events)
        .field("events_truncated", outcome.stored.len() > MAX_LISTED)
        .field("proofs_checked", !args.no_verify_proofs)
        .field(
            "proofs",
            proofs
                .verified
                .iter()
                .map(Received::json)
                .collect::<Vec<_>>(),
        )
        .field(
            "quarantined_proofs",
            proofs
                .quarantined
                .iter()
                .map(Received::json)
                .collect::<Vec<_>>(),
        )
        .field("unavailable_proofs", proofs.unavailable)
        .listing("events", "ves.cli.pull.event")
        .listing("quarantined", "ves.cli.pull.quarantined")
        .listing("pruned", "ves.cli.pull.pruned")
        .listing("proofs", "ves.cli.pull.proof")
        .listing("quarantined_proofs", "ves.cli.pull.quarantined-proof")
        .line(if outcome.stored.is_empty() && set_aside == 0 {
            format!("up to date at sequence {}", outcome.to)
        } else {
            format!(
                "{} verified and stored in {} batch(es), {} quarantined, now at sequence {} of {}",
                outcome.stored.len(),
                outcome.batches,
                outcome.quarantined.len(),
                outcome.to,
                outcome.head
            )
        });
    if outcome.settled > 0 {
        report = report.line(format!(
            "{} event(s) of the outbox are proven final",
            outcome.settled
        ));
    }
    for item in &events {
        report = report.line(event_line(item));
    }
    for item in &outcome.quarantined {
        report = report.line(format!(
            "{} {}  {}: {}",
            context.ui.paint(Tone::Bad, "quarantined"),
            item.event_id,
            item.reason,
            item.detail
        ));
    }
    for item in &outcome.pruned {
        report = report.line(format!(
            "{} {}  {}",
            context.ui.paint(Tone::Warn, "without payload"),
            item.event_id,
            item.detail
        ));
    }
    if !outcome.pruned.is_empty() {
        report =
            report.line("next: stateset-sync doctor --promote --node <one that keeps payloads>");
    }
    for proof in &proofs.verified {
        report = report.line(format!(
            "proof   {}  {}",
            proof.record.event_id,
            proof.line()
        ));
    }
    for proof in &proofs.quarantined {
        report = report.line(format!(
            "{} {}  {}",
            context.ui.paint(Tone::Bad, "quarantined proof"),
            proof.record.event_id,
            proof.line()
        ));
    }
    let idle = outcome.stored.is_empty()
        && set_aside == 0
        && outcome.settled == 0
        && proofs.verified.is_empty()
        && proofs.quarantined.is_empty();
    Ok(report.idle(idle).failing(
        outcome
            .failure()
            .or(interrupted)
            .or_else(|| proofs.failure()),
    ))
}

/// One pulled event for output. With `decrypt`, the clear payload or the reason why there is none.
fn describe(
    context: &Context,
    reader: &mut Reader,
    record: &SequencedEventJson,
    decrypt: bool,
) -> Result<Value> {
    let event = record_event(record)?;
    let (encrypted, readable) = match &event.payload {
        Payload::Plain(_) => (false, true),
        Payload::Encrypted(bundle) => (true, reader.may_read(bundle)),
    };
    let mut item = json!({
        "sequence": record.sequence,
        "event_id": record.event.event_id,
        "source_agent_id": record.event.source_agent_id,
        "entity_type": record.event.entity_type,
        "entity_id": record.event.entity_id,
        "event_type": record.event.event_type,
        "created_at": record.event.created_at,
        "block_number": record.block_number,
        "encrypted": encrypted,
        "readable": readable,
    });
    if decrypt && readable {
        match reader.read(&event, &|| context.unlock()) {
            Ok(text) => {
                let payload = serde_json::from_str(&text).unwrap_or(Value::Null);
                item["payload"] = without_padding(payload);
            }
            // A locked key is a question to the user, a bad bundle a finding about the event.
            Err(failure)
                if failure.exit == crate::error::Exit::Key && failure.code != "not_a_recipient" =>
            {
                return Err(failure);
            }
            Err(failure) => item["payload_problem"] = json!(failure.code),
        }
    }
    Ok(item)
}

fn event_line(item: &Value) -> String {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let payload = match (&item["payload"], item["encrypted"].as_bool()) {
        (Value::Null, Some(true)) if item["readable"] == json!(true) => "  encrypted to us".into(),
        (Value::Null, Some(true)) => "  encrypted to others".into(),
        (Value::Null, _) => String::new(),
        (payload, _) => format!("  {payload}"),
    };
    format!(
        "{:>6}  {}  {} {}{payload}",
        item["sequence"],
        text("event_id"),
        text("event_type"),
        text("entity_id")
    )
}
