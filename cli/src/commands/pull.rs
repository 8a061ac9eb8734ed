// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `pull`

use super::Context;
use crate::{
    cli::PullArgs,
    error::Result,
    output::{Report, Tone},
    proofs::{
        clear::Opener,
        received::{self, ProofsPulled, Reading, Received},
    },
    pull,
    reading::Reader,
    verify::record_event,
};
use serde_json::{Value, json};
use ves_primitives::{Payload, wire::SequencedEventJson};

/// Events listed in the output of one pull; all are stored.
const MAX_LISTED: usize = 1000;

pub(super) async fn run(context: &Context, args: &PullArgs) -> Result<Report> {
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
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut opener = Opener::new(&keys, context.config.agent()?, &unlock)?;
    let proofs = if args.no_verify_proofs {
        ProofsPulled::default()
    } else {
        // Nobody is asked for a passphrase only to compare amounts.
        let quietly = args.decrypt || context.can_unlock_quietly() || !opener.is_locked();
        let mut reading = Reading {
            opener: quietly.then_some(&mut opener),
            amount_field: &args.amount.amount_field,
        };
        let fresh = outcome.stored.len();
        received::pull(&pool, &chain, stream, fresh, &mut reading, &context.ui).await
    };

    let mut events = Vec::new();
    let mut decrypted = 0usize;
    for record in outcome.stored.iter().take(MAX_LISTED) {
        let item = describe(context, &mut reader, record, args.decrypt)?;
        decrypted = decrypted.saturating_add(usize::from(item.get("payload").is_some()));
        events.push(item);
    }
    let mut report = Report::new("ves.cli.pull")
        .field("from_sequence", outcome.from.saturating_add(1))
        .field("to_sequence", outcome.to)
        .field("head_sequence", outcome.head)
        .field("finalized_block", outcome.finalized_block)
        .field("batches", outcome.batches)
        .field("stored", outcome.stored.len())
        .field("quarantined", &outcome.quarantined)
        .field("decrypted", decrypted)
        .field("events", &events)
        .field("events_truncated", outcome.stored.len() > MAX_LISTED)
        .field("proofs_checked", !args.no_verify_proofs)
        .field("proofs", proofs.verified.iter().map(Received::json).collect::<Vec<_>>())
        .field(
            "quarantined_proofs",
            proofs.quarantined.iter().map(Received::json).collect::<Vec<_>>(),
        )
        .field("unavailable_proofs", proofs.unavailable)
        .line(if outcome.stored.is_empty() && outcome.quarantined.is_empty() {
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
    Ok(report.failing(outcome.failure().or_else(|| proofs.failure())))
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
                item["payload"] = serde_json::from_str(&text).unwrap_or(Value::Null);
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
