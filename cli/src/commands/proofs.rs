// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `proofs`

use super::{Context, resolve_event, unknown_event};
use crate::{
    chain::{BlockRef, Chain, live::Live, proofs::ProofChain},
    cli::ProofsArgs,
    error::{Exit, Failure, Result},
    inbox::{self, Stream},
    output::Report,
    proofs::{
        budget,
        checks::{self, Finding, Judge, PayloadVerdict, Verdict},
        clear::Opener,
        making::Sequenced,
        policy,
        received::{self, Reading, look_at},
        wishes::{self, WishEntry},
    },
    reading::NOT_ALLOWED,
};
use serde_json::{Value, json};
use sqlx::SqlitePool;
use ves_primitives::{limits, proof::BatchProofRecord};

/// An event that is on the chain, by the beginning of its id.
pub(super) async fn find(context: &Context, pool: &SqlitePool, text: &str) -> Result<Sequenced> {
    let id = resolve_event(Some(pool), text).await?;
    let stream = context.stream()?;
    if let Some(found) = budget::find(pool, stream, id).await? {
        return Ok(found);
    }
    match crate::outbox::find(pool, id).await? {
        None => Err(unknown_event(id)),
        Some(entry) if entry.sequence.is_none() => Err(Failure::usage(
            "event_not_sequenced",
            format!("event {id} is not on the chain yet"),
        )
        .hint("run `stateset-sync push`")),
        Some(_) => Err(
            Failure::usage("event_unknown", format!("event {id} is of another stream"))
                .hint("name its stream with --tenant and --store"),
        ),
    }
}

pub(super) async fn run(context: &Context, args: &ProofsArgs) -> Result<Report> {
    match &args.event_id {
        Some(event) => of_event(context, args, event).await,
        None => noted(context).await,
    }
}

async fn of_event(context: &Context, args: &ProofsArgs, event: &str) -> Result<Report> {
    let pool = context.pool().await?;
    let subject = find(context, &pool, event).await?;
    let envelope = &subject.event.envelope;
    let stream = Stream {
        tenant: envelope.tenant_id,
        store: envelope.store_id,
    };
    let chain = context.connect().await?;
    let finalized = chain.finalized().await?;
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut opener = Opener::new(&keys, context.config.agent()?, &unlock)?;
    let mut judge = Judge::new(&pool, &chain, finalized);
    let path = &args.amount.amount_field;

    let records = chain
        .proofs_of_events(envelope.stream_id(), &[envelope.event_id], finalized)
        .await?;
    let mut reading = Reading {
        opener: Some(&mut opener),
        amount_field: path,
    };
    let mut found = Vec::new();
    let mut unavailable = 0usize;
    for record in &records {
        match look_at(&mut judge, &mut reading, &subject, record).await? {
            Some(received) => {
                received::store(&pool, stream, &received).await?;
                found.push(received);
            }
            None => unavailable = unavailable.saturating_add(1),
        }
    }
    let batch = batch_proof(&pool, &chain, stream, &subject, finalized, &mut judge).await?;
    let batch = match batch {
        None => None,
        Some(mut batch) => {
            batch.payload = batch.compare(&mut opener, &subject, path)?;
            Some(batch)
        }
    };

    let failing = found.iter().filter(|received| !received.holds()).count()
        + usize::from(batch.as_ref().is_some_and(|batch| !batch.holds()));
    let all = found.len() + usize::from(batch.is_some());
    let mut report = Report::new("ves.cli.proofs")
        .field("event_id", envelope.event_id)
        .field(
            "proofs",
            found
                .iter()
                .map(received::Received::json)
                .collect::<Vec<_>>(),
        )
        .field("batch_proof", batch.as_ref().map(BatchProof::json))
        .field("unavailable", unavailable)
        .failing((failing > 0).then(|| {
            Failure::new(
                Exit::NotVerified,
                "proof_invalid",
                format!("{failing} of {all} proofs do not hold"),
            )
            .hint("do not rely on them; ask the author")
        }));
    if all == 0 && unavailable == 0 {
        report = report.line("no proofs");
    }
    for received in &found {
        report = report.line(received.line());
    }
    if let Some(batch) = &batch {
        report = report.line(batch.line());
    }
    if unavailable > 0 {
        report = report.line(format!(
            "{unavailable} proof(s) are in blocks that the node no longer has"
        ));
    }
    Ok(report)
}

/// The proof about an event's batch.
struct BatchProof {
    record: BatchProofRecord,
    verdict: Verdict,
    /// The event's own entry.
    entry: Option<ves_primitives::proof::BatchEntry>,
    payload: PayloadVerdict,
}

async fn batch_proof(
    pool: &SqlitePool,
    chain: &Live,
    stream: Stream,
    subject: &Sequenced,
    finalized: BlockRef,
    judge: &mut Judge<'_, Live>,
) -> Result<Option<BatchProof>> {
    let event = subject.event.envelope.event_id;
    let Some(index) = inbox::batch_of(pool, stream, event).await? else {
        return Ok(None);
    };
    let Some((batch, _)) = inbox::batch(pool, stream, index).await? else {
        return Ok(None);
    };
    let records = chain
        .batch_proofs_in(batch.stream_id(), index, 1, finalized)
        .await?;
    let Some(record) = records.into_iter().next() else {
        return Ok(None);
    };
    let Some(verdict) = judge.batch(&batch, &record).await? else {
        return Ok(None);
    };
    let entries = judge.entries(&record).await?;
    let entry = entries
        .into_iter()
        .find(|entry| entry.event == subject.signing_hash);
    Ok(Some(BatchProof {
        record,
        verdict,
        entry,
        payload: PayloadVerdict::Unchecked,
    }))
}

impl BatchProof {
    fn holds(&self) -> bool {
        self.verdict.is_ok() && self.payload != PayloadVerdict::Differs
    }

    fn compare(
        &self,
        opener: &mut Opener<'_>,
        subject: &Sequenced,
        path: &str,
    ) -> Result<PayloadVerdict> {
        let Some(entry) = &self.entry else {
            return Ok(PayloadVerdict::Unchecked);
        };
        match opener.clear(&subject.event) {
            Ok(clear) => checks::payload(&clear, &entry.commitment, entry.currency, path),
            Err(failure) if matches!(failure.code, "not_a_recipient" | "payload_public") => {
                Ok(PayloadVerdict::Unreadable)
            }
            Err(failure) if failure.code == NOT_ALLOWED => Ok(PayloadVerdict::Unchecked),
            Err(failure) => Err(failure),
        }
    }

    fn problem(&self) -> Option<&Finding> {
        self.verdict.as_ref().err()
    }

    fn json(&self) -> Value {
        let record = &self.record;
        json!({
            "batch_id": record.batch_id,
            "batch_index": record.batch_index,
            "events": record.events,
            "policy_id": record.policy.id(),
            "policy_hash": record.policy_hash,
            "limit": record.policy.limit().to_string(),
            "currency": self.entry.as_ref().map(|entry| entry.currency),
            "proof_hash": record.proof_hash,
            "bytes": record.bytes,
            "block": record.block,
            "proof": match self.problem() {
                None => json!("valid"),
                Some(finding) => json!({
                    "invalid": finding.flaw, "detail": finding.detail,
                }),
            },
            "payload": self.payload,
        })
    }

    fn line(&self) -> String {
        let record = &self.record;
        let policy = match &self.entry {
            Some(entry) => policy::describe(&record.policy, entry.currency),
            None => format!("{} {}", record.policy.id(), record.policy.limit()),
        };
        let proof = match self.problem() {
            None => "holds".to_owned(),
            Some(finding) => format!("FAILS: {finding}"),
        };
        format!(
            "batch {} of {} events: {policy}  proof {proof}, payload {}",
            record.batch_index,
            record.events,
            self.payload.name()
        )
    }
}

/// What push and pull noted, without asking anybody.
async fn noted(context: &Context) -> Result<Report> {
    const LISTED: u32 = limits::MAX_LISTED_PROOF_EVENTS;
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let wishes = wishes::latest(&pool, LISTED).await?;
    let received = received::latest(&pool, stream, LISTED).await?;
    let mut report = Report::new("ves.cli.proofs.noted")
        .field("wishes", wishes.iter().map(wish_json).collect::<Vec<_>>())
        .field(
            "received",
            received
                .iter()
                .map(received::Received::json)
                .collect::<Vec<_>>(),
        );
    if wishes.is_empty() && received.is_empty() {
        report = report.line("no proofs are noted here");
    }
    for wish in &wishes {
        report = report.line(wish_line(wish));
    }
    for item in &received {
        report = report.line(format!(
            "pulled     {}  {}",
            item.record.event_id,
            item.line()
        ));
    }
    Ok(report)
}

/// One wish for output.
pub(super) fn wish_json(entry: &WishEntry) -> Value {
    let mut json = policy::json(&entry.wish.policy, entry.wish.currency);
    json["event_id"] = json!(entry.event);
    json["state"] = json!(entry.state);
    json["reason"] = json!(entry.reason);
    json["proof_hash"] = json!(entry.proof_hash);
    json["block"] = json!(entry.block);
    json
}

/// One wish as a line.
pub(super) fn wish_line(entry: &WishEntry) -> String {
    let reason = entry
        .reason
        .as_ref()
        .map(|reason| format!("  {reason}"))
        .unwrap_or_default();
    format!(
        "{:<10} {}  {}{reason}",
        entry.state.name(),
        entry.event,
        entry.wish.describe()
    )
}
