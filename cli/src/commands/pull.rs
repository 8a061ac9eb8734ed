// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `pull`

use super::{
    Context,
    heads::{Heads, passes, pause},
    recipients,
};
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
use std::ops::ControlFlow;
use ves_primitives::{Payload, registry::TypePattern, wire::SequencedEventJson};

/// Events listed in the output of one pull; all are stored. A pull that is followed by others pauses when
/// it has as many.
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
    context.pool().await?;
    // A node that was never reached may be a wrong address; one that is lost later may come back.
    let mut heads = Some(Heads::open(context).await?);
    let mut failures = 0u32;
    loop {
        match follow_round(context, args, &mut heads).await {
            Ok(Some(last)) => return Ok(last),
            Ok(None) => failures = 0,
            Err(failure) if passes(&failure) => {
                heads = None;
                if pause(context, &failure, &mut failures).await.is_none() {
                    return Err(between());
                }
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// One pull and, once nothing is left to pull, the wait for the next block; the report to end with, if it
/// is one.
async fn follow_round(
    context: &Context,
    args: &PullArgs,
    heads: &mut Option<Heads>,
) -> Result<Option<Report>> {
    // Before the pull: a block that becomes final meanwhile is not waited for twice.
    let heads = match heads {
        Some(heads) => heads,
        None => heads.insert(Heads::open(context).await?),
    };
    let (report, is_paused) = pulled(context, args, Listing::in_pages(&args.filter)).await?;
    if report.failure.as_ref().is_some_and(|f| !passes(f)) {
        return Ok(Some(report));
    }
    if !report.is_idle {
        context.ui.emit(&report);
    }
    if context.ui.is_closed() {
        return Ok(Some(report));
    }
    if let Some(failure) = report.failure {
        return Err(failure);
    }
    if !is_paused {
        let next = context.ui.unless_interrupted(heads.next()).await;
        next.ok_or_else(between)??;
    }
    Ok(None)
}

/// Where following stops most often.
fn between() -> Failure {
    Failure::interrupted("interrupted between two pulls")
}

/// The events of one pull that are listed.
struct Listing<'a> {
    filter: &'a FilterArgs,
    /// The pull pauses when there is enough to list, so that the next one lists the rest.
    pauses: bool,
    records: Vec<SequencedEventJson>,
    /// Events that were to be listed.
    matching: usize,
}

impl<'a> Listing<'a> {
    /// Of a pull up to the head: the first events only.
    const fn of_one(filter: &'a FilterArgs) -> Self {
        Self {
            filter,
            pauses: false,
            records: Vec::new(),
            matching: 0,
        }
    }

    /// Of one pull out of several: every event, by as many pulls as it takes.
    fn in_pages(filter: &'a FilterArgs) -> Self {
        let mut listing = Self::of_one(filter);
        listing.pauses = true;
        listing
    }

    fn take(&mut self, record: SequencedEventJson) -> ControlFlow<()> {
        if is_listed(self.filter, &record) {
            self.matching = self.matching.saturating_add(1);
            if self.pauses || self.records.len() < MAX_LISTED {
                self.records.push(record);
            }
        }
        match self.pauses && self.records.len() >= MAX_LISTED {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    const fn is_truncated(&self) -> bool {
        self.matching > self.records.len()
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

/// One pull up to the head.
pub(super) async fn once(context: &Context, args: &PullArgs) -> Result<Report> {
    let (report, _) = pulled(context, args, Listing::of_one(&args.filter)).await?;
    Ok(report)
}

/// One pull, and whether it paused before the head.
async fn pulled(
    context: &Context,
    args: &PullArgs,
    mut listing: Listing<'_>,
) -> Result<(Report, bool)> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    let chain = context.connect().await?;
    let outcome = pull::pull_into(
        &pool,
        &chain,
        stream,
        context.pinned_authorities().as_ref(),
        &mut |record| listing.take(record),
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
        let fresh = outcome.stored;
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
    for record in &listing.records {
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
        .field("stored", outcome.stored)
        .field("quarantined", &outcome.quarantined)
        .field("pruned", &outcome.pruned)
        .field("settled", outcome.settled)
        .field("decrypted", decrypted)
        .field("events", &events)
        .field("events_truncated", listing.is_truncated())
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
        .line(if outcome.stored == 0 && set_aside == 0 {
            format!("up to date at sequence {}", outcome.to)
        } else {
            format!(
                "{} verified and stored in {} batch(es), {} quarantined, now at sequence {} of {}",
                outcome.stored,
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
    let idle = outcome.stored == 0
        && set_aside == 0
        && outcome.settled == 0
        && proofs.verified.is_empty()
        && proofs.quarantined.is_empty();
    let failure = outcome
        .failure()
        .or(interrupted)
        .or_else(|| proofs.failure());
    Ok((report.idle(idle).failing(failure), outcome.paused))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pull::pull_into,
        testing::{AGENT, FakeChain, pool, proofs::STREAM, signed_events, ui},
    };

    fn none() -> FilterArgs {
        FilterArgs::default()
    }

    fn pattern(text: &str) -> TypePattern {
        text.parse().unwrap()
    }

    /// Events `order.created` of the orders 0, 1, 2 …, two in a batch.
    async fn pulled_into(listing: &mut Listing<'_>, events: u32) -> pull::PullReport {
        let (_dir, db) = pool().await;
        let chain = FakeChain::with_seed();
        for first in (0..events).step_by(2) {
            chain.commit(signed_events(first..first.saturating_add(2)));
        }
        let taker = &mut |record| listing.take(record);
        pull_into(&db, &chain, STREAM, None, taker, &ui())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_event_is_listed_if_every_filter_lets_it_through() {
        let everything = none();
        let mut listing = Listing::of_one(&everything);
        pulled_into(&mut listing, 2).await;
        let record = listing.records.remove(0);
        let other: AgentRef = "99999999-9999-4999-8999-999999999999".parse().unwrap();
        let authors = |author| FilterArgs { author, ..none() };
        let event_types = |event_types| FilterArgs {
            event_types,
            ..none()
        };
        let entity_types = |entity_types| FilterArgs {
            entity_types,
            ..none()
        };
        let entity = |id: &str| FilterArgs {
            entity_id: Some(id.into()),
            ..none()
        };
        let one_of_two = FilterArgs {
            entity_id: Some("1".into()),
            ..event_types(vec![pattern("order.*")])
        };
        for (filter, is_let_through) in [
            (none(), true),
            (authors(vec![AgentRef::Full(AGENT)]), true),
            (authors(vec![other.clone(), AgentRef::Full(AGENT)]), true),
            (authors(vec![other]), false),
            (event_types(vec![pattern("order.created")]), true),
            (event_types(vec![pattern("a"), pattern("order.*")]), true),
            (event_types(vec![pattern("order.updated")]), false),
            (event_types(vec![pattern("orders.*")]), false),
            (entity_types(vec![pattern("order")]), true),
            (entity_types(vec![pattern("refund")]), false),
            (entity("0"), true),
            (entity("1"), false),
            (one_of_two, false),
        ] {
            assert_eq!(is_listed(&filter, &record), is_let_through, "{filter:?}");
        }
    }

    #[tokio::test]
    async fn what_is_left_out_of_a_list_is_told_by_what_was_to_be_listed() {
        let first = FilterArgs {
            entity_id: Some("0".into()),
            ..none()
        };
        let mut listing = Listing::of_one(&first);
        let report = pulled_into(&mut listing, 4).await;
        assert_eq!((report.stored, listing.records.len()), (4, 1));
        assert!(!listing.is_truncated(), "the others do not match");

        let everything = none();
        let mut full = Listing::of_one(&everything);
        let record = listing.records.remove(0);
        for _ in 0..MAX_LISTED {
            assert!(full.take(record.clone()).is_continue());
        }
        assert!(!full.is_truncated());
        assert!(full.take(record.clone()).is_continue());
        assert!(full.is_truncated());
        assert_eq!(full.records.len(), MAX_LISTED);

        let mut page = Listing::in_pages(&everything);
        for _ in 1..MAX_LISTED {
            assert!(page.take(record.clone()).is_continue());
        }
        assert!(page.take(record.clone()).is_break());
        assert!(page.take(record).is_break(), "the rest of the batch");
        assert_eq!(page.records.len(), MAX_LISTED.saturating_add(1));
        assert!(!page.is_truncated());
    }
}
