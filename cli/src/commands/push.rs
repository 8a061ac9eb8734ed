// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `push`

use super::{
    Context, expiry,
    proofs::{wish_json, wish_line},
};
use crate::{
    cli::{PushArgs, WishArgs},
    config::process_env,
    error::{Failure, Result},
    outbox::{Entry, State},
    output::{Report, Tone, Ui},
    proofs::{
        clear::Opener,
        policy::Wish,
        wishes::{self, Fulfilled},
    },
    push::{self, CrashPoint, PushOptions, PushReport, Signers},
};
use serde_json::{Value, json};
use std::time::Duration;
use ves_primitives::{sequencer::Admission, wire::EventJson};

pub(super) async fn run(context: &Context, args: &PushArgs) -> Result<Report> {
    if context.dry_run {
        return preview(context, args).await;
    }
    once(context, args, false).await
}

/// What a push would send, byte for byte, and what the chain says to it.
pub(super) async fn preview(context: &Context, args: &PushArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let keys = context.keys();
    let unlock = || context.unlock();
    let mut signers = Signers::new(&keys, &unlock);
    let chain = context.connect().await?;
    let batch_size = usize::try_from(args.batch_size).unwrap_or(usize::MAX);
    let preview = push::preview(&pool, &chain, &mut signers, batch_size).await?;
    let mut report = Report::new("ves.cli.push");
    let mut rows = Vec::new();
    for (entry, verdict) in &preview.events {
        let verdict = match verdict {
            Admission::Acceptable => "acceptable".to_owned(),
            Admission::AlreadySequenced { sequence } => format!("already at sequence {sequence}"),
            Admission::Rejected(reason) => reason.to_string(),
        };
        report = report.line(format!("{}  {verdict}", entry_line(&context.ui, entry)));
        let bytes = codec::Encode::encode(&entry.event);
        rows.push(json!({
            "event": EventJson::from(&entry.event),
            "signing_hash": entry.event.envelope.signing_hash().ok(),
            "encoded": format!("0x{}", hex::encode(&bytes)),
            "state": entry.state,
            "verdict": verdict,
        }));
    }
    for entry in &preview.held {
        report = report.line(format!(
            "{}  held: conflict",
            entry_line(&context.ui, entry)
        ));
    }
    for entry in &preview.unsigned {
        report = report.line(format!(
            "{}  would not be signed",
            entry_line(&context.ui, entry)
        ));
    }
    if let Some(refusal) = &preview.refusal {
        report = report.line(refusal.message.clone());
        if let Some(hint) = &refusal.hint {
            report = report.line(hint.clone());
        }
    }
    Ok(report
        .field("events", rows)
        .listing("events", "ves.cli.push.event")
        .listing("held", "ves.cli.push.held")
        .field(
            "held",
            preview.held.iter().map(entry_json).collect::<Vec<_>>(),
        )
        .listing("unsigned", "ves.cli.push.unsigned")
        .field(
            "unsigned",
            preview.unsigned.iter().map(entry_json).collect::<Vec<_>>(),
        )
        .field(
            "refusal",
            preview.refusal.as_ref().map(|refusal| refusal.code),
        )
        .field("submissions", preview.submissions)
        .dry())
}

/// One push. A patient one leaves events alone whose next attempt is not due.
pub(super) async fn once(context: &Context, args: &PushArgs, patient: bool) -> Result<Report> {
    let pool = context.pool().await?;
    let crash = match process_env("VES_TEST_CRASH_AT").filter(|_| args.testing_hooks) {
        None => None,
        Some(name) => Some(CrashPoint::parse(&name).ok_or_else(|| {
            Failure::usage(
                "environment_invalid",
                format!("VES_TEST_CRASH_AT={name} is unknown"),
            )
        })?),
    };
    let wishes = wishes_of(&args.wishes)?;
    let nothing_open = crate::outbox::open_entries(&pool, 0, 1).await?.is_empty();
    let agent = context.config.agent()?;
    if nothing_open && !wishes::any_due(&pool, agent).await? {
        return Ok(Report::new("ves.cli.push")
            .field("pushed", 0)
            .field("finalized", 0)
            .field("rejected", 0)
            .field("pending", 0)
            .field("submissions", 0)
            .field("held", Vec::<Value>::new())
            .field("events", Vec::<Value>::new())
            .field("proofs", Vec::<Value>::new())
            .line("nothing to push")
            .idle(true));
    }
    let keys = context.keys();
    let unlock = || context.unlock();
    let mut opener = Opener::new(&keys, agent, &unlock)?;
    if args.require_proofs {
        wishes::require(&pool, agent, &mut opener, &wishes).await?;
    }
    // Committed with the events before anything is sent: whoever resumes finds them.
    wishes::wish_for_open(&pool, agent, &wishes).await?;
    let chain = context.connect_to_sign().await?;
    expiry::tell(context, &chain).await;
    let mut signers = Signers::new(&keys, &unlock);
    let options = PushOptions {
        wait: !args.no_wait,
        timeout: Duration::from_secs(args.timeout),
        batch_size: usize::try_from(args.batch_size).unwrap_or(usize::MAX),
        crash,
        patient,
        authorities: context.pinned_authorities(),
        ..PushOptions::default()
    };
    let outcome = push::push(&pool, &chain, &mut signers, &options, &context.ui).await?;
    let proofs = match &outcome.stopped {
        Some(_) => Fulfilled::default(),
        None => {
            let fulfilling = wishes::fulfil(
                &pool,
                &chain,
                agent,
                (&mut opener, &mut signers),
                &options,
                &context.ui,
            );
            match context.ui.unless_interrupted(fulfilling).await {
                Some(fulfilled) => fulfilled?,
                None => {
                    let interrupted = Failure::interrupted(
                        "interrupted: the events are pushed, wishes for proofs are kept",
                    );
                    let report = report(context, &outcome, &Fulfilled::default());
                    return Ok(report.failing(Some(interrupted)));
                }
            }
        }
    };
    Ok(report(context, &outcome, &proofs))
}

/// What a push did, for output.
pub(super) fn report(context: &Context, outcome: &PushReport, proofs: &Fulfilled) -> Report {
    let (finalized, rejected) = (
        outcome.count(State::Finalized),
        outcome.count(State::Rejected),
    );
    let pending = outcome
        .events
        .len()
        .saturating_sub(finalized)
        .saturating_sub(rejected);
    let mut report = Report::new("ves.cli.push")
        .field("pushed", outcome.events.len())
        .field("finalized", finalized)
        .field("rejected", rejected)
        .field("pending", pending)
        .field("submissions", outcome.submissions)
        .field(
            "held",
            outcome.held.iter().map(entry_json).collect::<Vec<_>>(),
        )
        .field(
            "events",
            outcome.events.iter().map(entry_json).collect::<Vec<_>>(),
        )
        .field(
            "proofs",
            proofs.wishes.iter().map(wish_json).collect::<Vec<_>>(),
        )
        .listing("held", "ves.cli.push.held")
        .listing("events", "ves.cli.push.event")
        .listing("proofs", "ves.cli.push.proof")
        .line(format!(
            "{finalized} finalized, {rejected} rejected, {pending} pending of {}",
            outcome.events.len()
        ));
    for entry in outcome.events.iter().filter(|e| e.state == State::Rejected) {
        report = report.line(entry_line(&context.ui, entry));
    }
    for entry in outcome.events.iter().filter(|entry| entry.is_unproven()) {
        let why = entry.last_error.as_deref().unwrap_or_default();
        report = report.line(format!("{}  {why}", entry_line(&context.ui, entry)));
    }
    for entry in &outcome.held {
        report = report.line(format!(
            "{}  held: conflict",
            entry_line(&context.ui, entry)
        ));
    }
    for wish in &proofs.wishes {
        report = report.line(wish_line(wish));
    }
    report.failing(outcome.failure().or_else(|| proofs.failure()))
}

/// The wishes on a command line.
pub(super) fn wishes_of(args: &WishArgs) -> Result<Vec<Wish>> {
    args.prove
        .iter()
        .map(|text| Wish::parse(text, args.currency, &args.amount.amount_field))
        .collect()
}

/// One event of the outbox as JSON.
pub(super) fn entry_json(entry: &Entry) -> Value {
    let envelope = &entry.event.envelope;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "local_seq": entry.local_seq,
        "event_id": envelope.event_id,
        "tenant_id": envelope.tenant_id,
        "store_id": envelope.store_id,
        "source_agent_id": envelope.source_agent_id,
        "entity_type": text(&envelope.entity_type),
        "entity_id": text(&envelope.entity_id),
        "event_type": text(&envelope.event_type),
        "created_at": text(&envelope.created_at),
        "command_id": envelope.command_id,
        "base_version": envelope.base_version,
        "encrypted": envelope.payload_kind.code() == 1,
        "agent_key_id": entry.key_id,
        "state": entry.state,
        "attempts": entry.attempts,
        "extrinsic_hash": entry.extrinsic_hash.map(|h| format!("0x{}", hex::encode(h))),
        "block_number": entry.block_number,
        "sequence": entry.sequence,
        "reason": entry.reason,
        "last_error": entry.last_error,
        "captured_at": entry.captured_at,
    })
}

/// One event of the outbox as a line.
pub(super) fn entry_line(ui: &Ui, entry: &Entry) -> String {
    let tone = match entry.state {
        State::Finalized => Tone::Good,
        State::Rejected | State::Dead => Tone::Bad,
        State::Queued | State::Signed | State::Superseded => Tone::Dim,
        State::Submitted | State::InBlock => Tone::Warn,
    };
    let state = ui.paint(tone, &format!("{:<10}", entry.state.name()));
    let envelope = &entry.event.envelope;
    let place = entry
        .sequence
        .map(|n| format!("  sequence {n}"))
        .unwrap_or_default();
    let reason = entry
        .reason
        .as_ref()
        .map(|r| format!("  {r}"))
        .unwrap_or_default();
    format!(
        "{state} {}  {} {}{place}{reason}",
        envelope.event_id,
        String::from_utf8_lossy(&envelope.event_type),
        String::from_utf8_lossy(&envelope.entity_id),
    )
}
