// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tools that capture, push, pull and prove.

use super::{Call, Nature, Outcome, Tool, flag, foreign, takes, words};
use crate::{
    commands::served::{self, Due},
    error::{Exit, Failure, Result},
    mcp::{
        access::Mode,
        approval::{Kind, Plan},
        confirm::{Consent, consent},
        input, schema,
        values::{Place, Valued},
        volume,
    },
    outbox::Entry,
    output::Report,
    reading::Reader,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Seconds without news after which a push stops waiting.
const PATIENCE: u64 = 120;

const WRITES: Tool = Tool {
    name: "",
    title: "",
    description: "",
    needs: Mode::Write,
    decrypts: false,
    nature: Nature::ADDS,
    input: takes::<input::Nothing>,
    output: schema::anything,
    run: |_| Box::pin(async { Err(Failure::unexpected("no tool")) }),
};

const COMMIT: &str = "ves_push_commit";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ves_event_append",
        title: "Capture an event",
        description: "Captures an event into the local outbox, plain or encrypted to agents or \
                      groups. Nothing is sent: ves_push_prepare shows what would be, and \
                      ves_push_commit sends it.",
        input: takes::<input::Append>,
        output: schema::appended,
        run: |call| Box::pin(append(call)),
        ..WRITES
    },
    Tool {
        name: "ves_push_prepare",
        title: "Prepare a push",
        description: "First step of a push: shows the events that are due with the hash each will \
                      be signed with, public payloads included, and returns a token for exactly \
                      these events. Nothing is signed or sent. Show the events to the user before \
                      the second step.",
        nature: Nature::CATCHES_UP,
        input: takes::<input::PushPrepare>,
        output: schema::push_prepared,
        run: |call| Box::pin(prepare(call)),
        ..WRITES
    },
    Tool {
        name: COMMIT,
        title: "Push",
        description: "Second step of a push: signs and sends the events of the token, waits until \
                      they are final, and returns one outcome for each. What is sent cannot be \
                      taken back. The token holds once and for minutes.",
        nature: Nature::FOR_GOOD,
        input: takes::<input::PushCommit>,
        output: schema::pushed,
        run: |call| Box::pin(commit(call)),
        ..WRITES
    },
    Tool {
        name: "ves_pull",
        title: "Pull",
        description: "Fetches new events of all agents up to the finalized head, verifies each \
                      and stores them; bad ones are quarantined with the reason. Lists what is \
                      new without encrypted payloads.",
        nature: Nature::CATCHES_UP,
        input: takes::<input::Pull>,
        output: schema::pulled,
        run: |call| Box::pin(pull(call)),
        ..WRITES
    },
    Tool {
        name: "ves_quarantine_recheck",
        title: "Recheck the quarantine",
        description: "Fetches every quarantined or pruned record of a verified batch once more and \
                      judges it by what the node shows now: what holds joins the verified events, \
                      what does not stays with the reason. Call it after the cause is mended, for \
                      instance with another node; ves_inbox_list lists the quarantine.",
        nature: Nature::CATCHES_UP,
        input: takes::<input::Nothing>,
        output: schema::rechecked,
        run: |call| Box::pin(recheck(call)),
        ..WRITES
    },
    Tool {
        name: "ves_prove",
        title: "Prove a policy",
        description: "Makes a zero-knowledge proof that the hidden amount of an own event obeys a \
                      policy, and has the chain verify it. That it holds, or not, says something \
                      about the amount: this needs the permission to decrypt.",
        decrypts: true,
        nature: Nature::FOR_GOOD,
        input: takes::<input::Prove>,
        output: schema::proven,
        run: |call| Box::pin(prove(call)),
        ..WRITES
    },
];

/// Ids as a flag takes several.
fn list<T: ToString>(ids: &[T]) -> Option<String> {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

async fn append(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Append = call.input()?;
    let mut words = words(["append"]);
    flag(&mut words, "entity-type", Some(&input.entity_type));
    flag(&mut words, "entity-id", Some(&input.entity_id));
    flag(&mut words, "event-type", Some(&input.event_type));
    flag(&mut words, "payload", Some(Value::Object(input.payload)));
    flag(&mut words, "event-id", input.event_id);
    flag(&mut words, "command-id", input.command_id);
    flag(&mut words, "base-version", input.base_version);
    flag(&mut words, "created-at", input.created_at);
    flag(&mut words, "encrypt-to", list(&input.encrypt_to));
    flag(&mut words, "to-group", list(&input.to_group));
    if input.encrypt_to_self {
        words.push("--encrypt-to-self".into());
    }
    let _turn = call.host.turn.lock().await;
    Ok(served::command(&call.context, words).await?.into())
}

async fn prepare(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::PushPrepare = call.input()?;
    let most = usize::try_from(call.host.args.max_push_events).unwrap_or(usize::MAX);
    if input.event_ids.len() > most {
        return Err(Failure::usage(
            "too_many_events",
            format!("a push has at most {most} events here"),
        )
        .hint("push them in parts"));
    }
    let (due, more) = served::due(&call.context, &input.event_ids, most).await?;
    let report = Report::new("ves.mcp.push-prepared")
        .field("events", due.iter().map(Due::json).collect::<Vec<_>>())
        .field("count", due.len())
        .field("has_more", more);
    let entries: Vec<&Entry> = due.iter().map(|due| &due.entry).collect();
    let values = values(&call, &entries)?;
    let report = report.field("values", call.host.limits.check_push(&values)?.json());
    if due.is_empty() {
        return Ok(report
            .field("token", None::<String>)
            .field("expires_in_seconds", 0)
            .into());
    }
    let chain = served::chain_of(&call.context).await?;
    let plan = Plan::Push {
        chain: chain.clone(),
        events: due.iter().map(|d| (d.entry.local_seq, d.hash)).collect(),
        ids: due.iter().map(|due| due.entry.event_id()).collect(),
    };
    let token = call.host.approvals().issue(plan, Instant::now());
    Ok(report
        .field("chain", chain)
        .field("token", token)
        .field("expires_in_seconds", call.host.args.token_seconds)
        .into())
}

async fn commit(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::PushCommit = call.input()?;
    let patience = input.timeout_seconds.unwrap_or(PATIENCE).clamp(1, 600);
    let plan = call
        .host
        .approvals()
        .look(&input.token, Kind::Push, Instant::now())?;
    let Plan::Push { chain, events, ids } = plan.as_ref() else {
        return Err(Failure::unexpected("a plan of another kind"));
    };
    let question = format!(
        "Push {} event(s) to the chain {chain}? This cannot be taken back. First: {}",
        ids.len(),
        ids.first().map(ToString::to_string).unwrap_or_default()
    );
    let bound = (COMMIT, input.token.as_str());
    if let Consent::Ask(ask) = consent(call.host, call.asking, bound, question).await? {
        return Ok(Outcome::Ask(ask));
    }
    let _turn = call.host.turn.lock().await;
    // Spent before anything else happens: whatever goes wrong now, the token does not work again.
    call.host
        .approvals()
        .take(&input.token, Kind::Push, Instant::now())?;
    if served::chain_of(&call.context).await? != *chain {
        return Err(Failure::new(
            Exit::Refused,
            "approval_stale",
            "the node is on another chain than the approved one",
        )
        .hint("check the node's address with ves_config_show, then prepare again"));
    }
    let due = check_still_due(&call, events, ids).await?;
    let entries: Vec<&Entry> = due.iter().map(|due| &due.entry).collect();
    let values = values(&call, &entries)?;
    let pool = call.context.pool().await?;
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let now_ms = chrono::Utc::now().timestamp_millis();
    // Refused by either limit, nothing is counted: the transaction ends with the call.
    call.host.limits.take(&mut tx, &values, now_ms).await?;
    let most = call.host.args.max_events_per_hour;
    let places: Vec<Place> = entries.iter().map(|entry| place(entry)).collect();
    volume::take(&mut tx, most, &places, now_ms).await?;
    tx.commit().await?;
    let timeout = Duration::from_secs(patience);
    let report = served::push(&call.context, events.clone(), timeout).await?;
    Ok(report.into())
}

const fn place(entry: &Entry) -> Place {
    let envelope = &entry.event.envelope;
    (envelope.tenant_id, envelope.store_id, envelope.event_id)
}

/// What events are worth, if the operator wants to know.
fn values(call: &Call<'_>, entries: &[&Entry]) -> Result<Vec<Valued>> {
    let limits = &call.host.limits;
    if !limits.is_set() {
        return Ok(Vec::new());
    }
    let context = &call.context;
    let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
    let mut valued = Vec::with_capacity(entries.len());
    for entry in entries {
        let text = reader
            .read(&entry.event, &|| context.unlock())
            .map_err(|failure| {
                Failure::new(
                Exit::Refused,
                "value_unreadable",
                format!(
                    "the value of event {} is not known: {} ({})",
                    entry.event_id(),
                    failure.message,
                    failure.code
                ),
            )
            .hint(
                "the operator limits values: encrypt to this agent too (encrypt_to_self), and ask \
                 for --allow-decrypt for this entity type",
            )
            })?;
        let payload: Value = serde_json::from_str(&text).map_err(Failure::unexpected)?;
        valued.push((place(entry), limits.value(entry.event_id(), &payload)?));
    }
    Ok(valued)
}

/// Refuses to push part of what was approved.
async fn check_still_due(
    call: &Call<'_>,
    events: &BTreeMap<i64, ves_primitives::EventSigningHash>,
    ids: &[ves_primitives::EventId],
) -> Result<Vec<Due>> {
    let stale = |why: String| {
        Err(Failure::new(Exit::Refused, "approval_stale", why)
            .hint("nothing was sent; prepare again and look at what is due now"))
    };
    match served::due(&call.context, ids, ids.len()).await {
        Ok((due, _)) => {
            let now: BTreeMap<_, _> = due.iter().map(|d| (d.entry.local_seq, d.hash)).collect();
            if now == *events {
                Ok(due)
            } else {
                stale("the events are not what was approved".into())
            }
        }
        Err(failure) if failure.code == "event_not_due" => stale(failure.message),
        Err(failure) => Err(failure),
    }
}

async fn pull(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Pull = call.input()?;
    let mut words = words(["pull"]);
    if input.skip_proofs {
        words.push("--no-verify-proofs".into());
    }
    let _turn = call.host.turn.lock().await;
    let report = served::command(&call.context, words).await?;
    Ok(foreign(report, true).into())
}

async fn recheck(mut call: Call<'_>) -> Result<Outcome> {
    call.input::<input::Nothing>()?;
    let _turn = call.host.turn.lock().await;
    let report = served::recheck(&call.context).await?;
    // The reasons quote what did not verify.
    Ok(foreign(report, false).into())
}

async fn prove(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Prove = call.input()?;
    let mut words = words(["prove", &input.event_id.0]);
    flag(&mut words, "policy", Some(input.policy.id()));
    flag(&mut words, "limit", Some(&input.limit));
    flag(&mut words, "currency", input.currency);
    flag(&mut words, "amount-field", input.amount_field);
    let _turn = call.host.turn.lock().await;
    Ok(served::command(&call.context, words).await?.into())
}
