// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the commands offer to a program that has no shell, the MCP server: the same functions with
//! the same defaults and bounds, because requests go through the same grammar, and the parts that
//! a command line has no words for.

use super::{
    Context, execute,
    history::record_json,
    push::{entry_json, report},
    verify,
};
use crate::{
    capture::{Audience, Draft},
    chain::Chain,
    cli::{Cli, Command, ContractArgs, Global},
    config::process_env,
    error::{Failure, Result},
    event_types::{self, Judges, Unknown, Verdict},
    inbox::{self, Wanted},
    outbox::{self, Entry, State},
    output::{ColorChoice, Format, Report, Ui},
    proofs::wishes::Fulfilled,
    pull,
    push::{self, PushOptions, Signers},
    reading::Readable,
    vault::Answered,
};
use clap::Parser;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use ves_primitives::{
    EventId, EventSigningHash, KeyId, Payload,
    wire::{BundleJson, EventJson},
};
use zeroize::Zeroizing;

/// Open events looked through for the ones to push.
const LOOKED_THROUGH: i64 = 4096;

impl Context {
    /// A context that asks nobody, prints nothing on stdout, and opens what it may.
    pub(crate) fn unattended(global: &Global, readable: Readable) -> Result<Self> {
        let context = Self::new(global, Ui::new(Format::Text, true, ColorChoice::Never))?;
        context.config.check_profile()?;
        Ok(Self {
            passphrases: context.passphrases.unattended(),
            readable,
            ..context
        })
    }

    /// From here on changes nothing.
    pub(crate) const fn only_preview(&mut self, preview: bool) {
        self.dry_run = preview;
    }

    /// From here on opens no payload.
    pub(crate) fn forbid_decryption(&mut self) {
        self.readable = Readable::Entities(Vec::new());
    }

    /// Where the passphrase is once a command has answered it.
    pub(crate) fn answered(&self) -> Answered {
        self.passphrases.answered()
    }

    /// Secrets this process holds, which nothing it says may contain.
    pub(crate) fn secrets(&self) -> Vec<Zeroizing<String>> {
        let admin = process_env("VES_ADMIN_SURI").map(Zeroizing::new);
        self.passphrases.text().into_iter().chain(admin).collect()
    }
}

fn parse(words: Vec<String>) -> Result<Command> {
    let name = std::iter::once("stateset-sync".to_owned());
    Cli::try_parse_from(name.chain(words))
        .map(|cli| cli.command)
        .map_err(|error| {
            let text = error.render().to_string();
            // Behind the first paragraph come usage and advice for a shell.
            let message = text.split("\n\n").next().unwrap_or_default();
            Failure::usage(
                "arguments_invalid",
                message.trim_start_matches("error: ").trim(),
            )
            .hint("correct the argument; the tool's input schema lists what it takes")
        })
}

/// Runs a command. Words are a command's name and its flags, values after `=`; flags of every
/// command have no effect.
pub(crate) async fn command(context: &Context, words: Vec<String>) -> Result<Report> {
    execute(context, parse(words)?).await
}

/// Captured events, newest first, from a place of the outbox backwards.
pub(crate) async fn outbox(
    context: &Context,
    state: Option<State>,
    before: Option<i64>,
    limit: u32,
) -> Result<Report> {
    let pool = context.pool().await?;
    let asked = limit.saturating_add(1);
    let mut entries = outbox::page(&pool, state, before.unwrap_or(i64::MAX), asked).await?;
    let more = cut(&mut entries, limit);
    let next = entries.last().filter(|_| more).map(|last| last.local_seq);
    let counts: serde_json::Map<String, Value> = outbox::counts(&pool)
        .await?
        .into_iter()
        .map(|(state, count)| (state.name().to_owned(), count.into()))
        .collect();
    Ok(Report::new("ves.cli.outbox")
        .field("counts", counts)
        .field("events", entries.iter().map(entry_json).collect::<Vec<_>>())
        .field("has_more", more)
        .field("next_before", next))
}

/// Verified events, newest first, from a place of the stream backwards; and what is in quarantine.
pub(crate) async fn inbox(context: &Context, wanted: &Wanted, limit: u32) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let mut records = inbox::page(&pool, stream, wanted, limit.saturating_add(1)).await?;
    let more = cut(&mut records, limit);
    let next = records.last().filter(|_| more).map(|last| last.sequence);
    let quarantined = inbox::quarantined(&pool, stream).await?;
    Ok(Report::new("ves.cli.inbox")
        .field("tenant_id", stream.tenant)
        .field("store_id", stream.store)
        .field(
            "events",
            records.iter().map(record_json).collect::<Vec<_>>(),
        )
        .field("quarantined", quarantined)
        .field("has_more", more)
        .field("next_before", next))
}

/// Judges what is in quarantine anew, by what the node shows now, and takes up what holds.
pub(crate) async fn recheck(context: &Context) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let chain = context.connect().await?;
    let pin = context.pinned_authorities();
    let found = pull::recheck(&pool, &chain, stream, pin.as_ref(), false, &context.ui).await?;
    let promoted = found.iter().filter(|item| item.promoted).count();
    let left = inbox::quarantined(&pool, stream).await?;
    Ok(Report::new("ves.cli.recheck")
        .field("tenant_id", stream.tenant)
        .field("store_id", stream.store)
        .field("rechecked", found)
        .field("promoted", promoted)
        .field("quarantined", left))
}

/// Cuts a list that was asked for one more than the limit; says whether there was more.
fn cut<T>(list: &mut Vec<T>, limit: u32) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = list.len() > limit;
    list.truncate(limit);
    more
}

/// What an event would be, without capturing it.
pub(crate) fn preview(context: &Context, draft: Draft) -> Result<Report> {
    let draft = Draft {
        tenant_id: context.config.tenant()?,
        store_id: context.config.store()?,
        agent_id: context.config.agent()?,
        audience: Audience::Public,
        ..draft
    };
    let event = draft.build()?;
    let types = context.event_types()?;
    let (name, text) = (&draft.event_type, &draft.payload);
    let verdict = types.judge(&mut Judges::default(), name, text)?;
    let misfits = match &verdict {
        Verdict::Misfits(found) => found.clone(),
        _ => Vec::new(),
    };
    let problem = match (&verdict, types.unknown()) {
        (Verdict::Misfits(found), _) => Some(event_types::refusal(name, found)),
        (Verdict::Unknown, Unknown::Refuse) => Some(event_types::unknown_type(name, "")),
        _ => None,
    };
    let json = EventJson::from(&event);
    let canonical = match &event.payload {
        Payload::Plain(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Payload::Encrypted(_) => String::new(),
    };
    Ok(Report::new("ves.cli.prepare")
        .field("valid", problem.is_none())
        .field("described", verdict != Verdict::Unknown)
        .field("misfits", misfits)
        .field("event", json)
        .field("canonical_payload_bytes", canonical.len())
        .field("canonical_payload", canonical)
        .field("payload_plain_hash", event.envelope.payload_plain_hash)
        .failing(problem))
}

/// A self-contained proof of one event, if it convinces us.
pub(crate) async fn bundle(context: &Context, event: &str, anchor: bool) -> Result<Report> {
    let contract = ContractArgs {
        l1_rpc: None,
        registry: None,
        anchor,
    };
    let proven = verify::proven(context, event, &contract).await?;
    if let Some(refusal) = proven.refusal(context) {
        return Ok(refusal);
    }
    Ok(Report::new("ves.cli.export")
        .field("verified", true)
        .field("event_id", proven.id)
        .field("sequence", proven.bundle.event.sequence)
        .field("genesis_hash", proven.bundle.genesis_hash)
        .field("authority_set", proven.authority_set)
        .field("agent_key", proven.bundle.signing_key.public_key)
        .field("bundle", &proven.bundle))
}

/// Verifies a bundle without asking any node. The words are flags of `verify`.
pub(crate) async fn verify_bundle(
    context: &Context,
    bundle: &BundleJson,
    flags: Vec<String>,
) -> Result<Report> {
    let words = ["verify", "--bundle=given"].map(str::to_owned);
    match parse(words.into_iter().chain(flags).collect())? {
        Command::Verify(args) => verify::of_bundle(context, &args, bundle).await,
        _ => Err(Failure::unexpected("`verify` is another command")),
    }
}

/// An event that the next push would send, and the hash that it would sign.
pub(crate) struct Due {
    pub(crate) entry: Entry,
    pub(crate) key: KeyId,
    pub(crate) hash: EventSigningHash,
}

impl Due {
    /// For output: everything that becomes known to others, and what may not.
    pub(crate) fn json(&self) -> Value {
        let mut json = entry_json(&self.entry);
        json["agent_key_id"] = json!(self.key);
        json["event_signing_hash"] = json!(self.hash);
        match &self.entry.event.payload {
            Payload::Plain(bytes) => {
                json["payload"] = serde_json::from_slice(bytes).unwrap_or(Value::Null);
            }
            Payload::Encrypted(bundle) => {
                let kids = bundle.recipients.iter().map(|r| json!(r.recipient_kid));
                json["recipients"] = kids.collect();
            }
        }
        json
    }
}

/// The oldest events that are due, of these ids or of all; and whether there are more.
pub(crate) async fn due(
    context: &Context,
    only: &[EventId],
    most: usize,
) -> Result<(Vec<Due>, bool)> {
    let pool = context.pool().await?;
    let mut open = outbox::open_entries(&pool, 0, LOOKED_THROUGH).await?;
    if !only.is_empty() {
        open.retain(|entry| only.contains(&entry.event_id()));
        let found = |id: &EventId| open.iter().any(|entry| entry.event_id() == *id);
        if let Some(missing) = only.iter().find(|id| !found(id)) {
            return Err(Failure::usage(
                "event_not_due",
                format!("event {missing} is not on its way"),
            )
            .hint("only events that are queued, signed, submitted or in a block can be pushed"));
        }
    }
    let more = open.len() > most;
    open.truncate(most);
    if open.is_empty() {
        return Ok((Vec::new(), false));
    }
    let chain = context.connect().await?;
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut signers = Signers::new(&keys, &unlock);
    let mut due = Vec::with_capacity(open.len());
    for entry in open {
        let mut envelope = entry.event.envelope.clone();
        let key = match entry.key_id {
            Some(key) => key,
            None => {
                let (tenant, agent) = (envelope.tenant_id, envelope.source_agent_id);
                signers.current(&chain, tenant, agent).await?
            }
        };
        envelope.agent_key_id = key;
        let hash = envelope
            .signing_hash()
            .map_err(|error| Failure::unexpected(error.to_string()))?;
        due.push(Due { entry, key, hash });
    }
    Ok((due, more))
}

/// The chain that pushed events go to.
pub(crate) async fn chain_of(context: &Context) -> Result<String> {
    Ok(context.connect().await?.genesis_hash().to_string())
}

/// Pushes exactly what was approved, each event by its place in the outbox and its hash.
pub(crate) async fn push(
    context: &Context,
    approved: BTreeMap<i64, EventSigningHash>,
    timeout: Duration,
) -> Result<Report> {
    let pool = context.pool().await?;
    let chain = context.connect_to_sign().await?;
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut signers = Signers::new(&keys, &unlock);
    let options = PushOptions {
        timeout,
        approved: Some(approved),
        authorities: context.pinned_authorities(),
        ..PushOptions::default()
    };
    let outcome = push::push(&pool, &chain, &mut signers, &options, &context.ui).await?;
    Ok(report(context, &outcome, &Fulfilled::default()))
}
