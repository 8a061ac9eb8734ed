// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `append`

use super::{Context, groups, push::wishes_of, recipients};
use crate::{
    capture::{self, Audience, Captured, Draft},
    cli::{AppendArgs, GroupRef},
    config::ReaderName,
    error::{Exit, Failure, Result},
    event_types::{self, Judges, Unknown, Verdict},
    home::read_input,
    output::Report,
    parking,
    proofs::{policy, wishes},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::SqlitePool;
use std::{collections::BTreeMap, path::Path};
use ves_client::{Directory, Wanted};
use ves_primitives::{
    AgentId, CommandId, EncryptionPublicKey, EventId, GroupId, Payload, RecipientKid,
    SubmittedEvent, TenantId, jcs, limits,
    registry::{DirectoryEntry, EncryptionKeyRecord},
    wire::EventJson,
};

/// Largest payload file: white space and escapes may be several times the canonical form.
const MAX_PAYLOAD_FILE_BYTES: u64 = limits::MAX_PAYLOAD_BYTES as u64 * 8;
/// Largest batch file.
const MAX_BATCH_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Largest file with a signed event: a payload in hex or base64url with its envelope.
const MAX_SIGNED_FILE_BYTES: u64 = limits::MAX_PAYLOAD_BYTES as u64 * 16;

/// One line of a batch file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchLine {
    entity_type: String,
    entity_id: String,
    event_type: String,
    payload: Value,
    event_id: Option<EventId>,
    command_id: Option<CommandId>,
    base_version: Option<u64>,
    created_at: Option<String>,
}

pub(super) async fn run(context: &Context, args: &AppendArgs) -> Result<Report> {
    if let Some(path) = &args.signed {
        return carry(context, path).await;
    }
    let pool = context.pool().await?;
    let template = Draft {
        tenant_id: context.config.tenant()?,
        store_id: context.config.store()?,
        agent_id: context.config.agent()?,
        event_id: args.event_id,
        entity_type: args.entity_type.clone().unwrap_or_default(),
        entity_id: args.entity_id.clone().unwrap_or_default(),
        event_type: args.event_type.clone().unwrap_or_default(),
        created_at: args.created_at.clone(),
        payload: String::new(),
        command_id: args.command_id,
        base_version: args.base_version,
        audience: Audience::Public,
    };
    let wishes = wishes_of(&args.wishes)?;
    let may_read = |entity_type: &str| {
        addressees(context, args, entity_type, template.agent_id)
            .is_some_and(|who| who.agents.contains(&template.agent_id))
    };
    if !wishes.is_empty() && args.batch.is_none() && !may_read(&template.entity_type) {
        return Err(Failure::usage(
            "proof_needs_self",
            "--prove needs --encrypt-to-self: a proof is made from what the agent can read",
        ));
    }
    let mut drafts = drafts(args, &template)?;
    // Refuse bad input before the node is asked for anybody's keys.
    for draft in &drafts {
        draft.build()?;
    }
    let parks = match judge(context, args, &drafts)? {
        Judged::Taken(parks) => parks,
        Judged::Misfit(report) => return Ok(report),
    };
    if !wishes.is_empty() && parks.contains(&true) {
        return Err(event_types::unknown_type(
            &template.event_type,
            ", and a parked event gets no proof",
        ));
    }
    let readers = address(context, &pool, args, &template, &mut drafts).await?;
    if context.dry_run {
        return preview(&drafts, &parks, &readers);
    }

    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut captured = Vec::with_capacity(drafts.len());
    let mut parked = Vec::new();
    for (draft, is_parked) in drafts.iter().zip(parks) {
        if is_parked {
            let event = draft.build()?;
            parking::park(&mut tx, &event, parking::TYPE_UNKNOWN).await?;
            parked.push((event.envelope.event_id, draft.event_type.clone()));
            continue;
        }
        let event = capture::append(&mut tx, draft).await?;
        for wish in &wishes {
            let (tenant, store) = (draft.tenant_id, draft.store_id);
            wishes::wish(&mut tx, tenant, store, event.event_id, wish).await?;
        }
        captured.push(event);
    }
    tx.commit().await?;
    let described: Vec<_> = wishes
        .iter()
        .map(|wish| policy::json(&wish.policy, wish.currency))
        .collect();
    Ok(report(&captured, &parked, &readers).field("wishes", described))
}

/// What the schemas say of all drafts.
enum Judged {
    /// Each is to be captured or, if so marked, parked.
    Taken(Vec<bool>),
    /// The first that does not fit.
    Misfit(Report),
}

/// Judges payloads by the schemas of their types, before they are encrypted.
fn judge(context: &Context, args: &AppendArgs, drafts: &[Draft]) -> Result<Judged> {
    if args.unchecked {
        return Ok(Judged::Taken(vec![false; drafts.len()]));
    }
    let types = context.event_types()?;
    let mut judges = Judges::default();
    let mut parks = Vec::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let place = args.batch.as_ref().map(|_| index.saturating_add(1));
        parks.push(
            match types.judge(&mut judges, &draft.event_type, &draft.payload)? {
                Verdict::Fits => false,
                Verdict::Unknown => match types.unknown() {
                    Unknown::Accept => false,
                    Unknown::Park => true,
                    Unknown::Refuse => {
                        return Err(event_types::unknown_type(&draft.event_type, ""));
                    }
                },
                Verdict::Misfits(found) => {
                    let mut failure = event_types::refusal(&draft.event_type, &found);
                    if let Some(place) = place {
                        failure.message = format!("event {place}: {}", failure.message);
                    }
                    return Ok(Judged::Misfit(
                        Report::new("ves.cli.append")
                            .field("captured", 0)
                            .field("event_type", &draft.event_type)
                            .field("misfits", &found)
                            .failing(Some(failure)),
                    ));
                }
            },
        );
    }
    Ok(Judged::Taken(parks))
}

fn drafts(args: &AppendArgs, template: &Draft) -> Result<Vec<Draft>> {
    let Some(batch) = &args.batch else {
        let payload = match (&args.payload, &args.payload_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => read_text(path, MAX_PAYLOAD_FILE_BYTES)?,
            (None, None) => {
                return Err(Failure::usage(
                    "payload_missing",
                    "give --payload or --payload-file",
                ));
            }
        };
        return Ok(vec![Draft {
            payload,
            ..template.clone()
        }]);
    };
    let text = read_text(batch, MAX_BATCH_FILE_BYTES)?;
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let drafts: Vec<Draft> = lines
        .map(|(index, line)| {
            parse_line(line, template).map_err(|failure| Failure {
                message: format!("line {}: {}", index.saturating_add(1), failure.message),
                ..failure
            })
        })
        .collect::<Result<_>>()?;
    if drafts.is_empty() {
        return Err(Failure::usage(
            "batch_empty",
            "the batch file holds no events",
        ));
    }
    Ok(drafts)
}

fn parse_line(line: &str, template: &Draft) -> Result<Draft> {
    let invalid = |why: String| Failure::usage("batch_line_invalid", why);
    // Strictly first: a repeated key would vanish in the parsed value.
    let value = jcs::parse_strict(line).map_err(|e| invalid(e.to_string()))?;
    let line: BatchLine = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    Ok(Draft {
        entity_type: line.entity_type,
        entity_id: line.entity_id,
        event_type: line.event_type,
        payload: line.payload.to_string(),
        event_id: line.event_id,
        command_id: line.command_id,
        base_version: line.base_version,
        created_at: line.created_at,
        ..template.clone()
    })
}

fn read_text(path: &Path, limit: u64) -> Result<String> {
    let bytes = read_input(path, limit)?;
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage(
            "payload_invalid",
            format!("{} is not UTF-8", path.display()),
        )
    })
}

fn plaintext_refused(why: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "plaintext_refused",
        format!("the configuration keeps no plaintext, and {why}"),
    )
}

/// Captures an event that somebody signed already.
async fn carry(context: &Context, path: &Path) -> Result<Report> {
    let pool = context.pool_to_roll_back().await?;
    let text = read_text(path, MAX_SIGNED_FILE_BYTES)?;
    let invalid = |why: String| {
        Failure::usage("event_invalid", format!("{}: {why}", path.display()))
            .hint("give one event in JSON, as `stateset-sync show --json` prints it under `event`")
    };
    // Strictly first: a repeated key would vanish in the parsed value.
    let value = jcs::parse_strict(&text).map_err(|e| invalid(e.to_string()))?;
    let json: EventJson = serde_json::from_value(value).map_err(|e| invalid(e.to_string()))?;
    let event = SubmittedEvent::try_from(&json).map_err(|e| invalid(e.to_string()))?;
    let is_clear = matches!(event.payload, Payload::Plain(_));
    if is_clear && context.config.keeps_no_plaintext() {
        return Err(plaintext_refused("the signed event is in the clear").hint(
            "whoever signed it has to encrypt its payload first: the signature covers the payload",
        ));
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let captured = capture::append_signed(&mut tx, &event).await?;
    if context.dry_run {
        tx.rollback().await?;
        return Ok(Report::new("ves.cli.append")
            .field("events", [EventJson::from(&event)])
            .line(format!("would carry event {}", event.envelope.event_id))
            .dry());
    }
    tx.commit().await?;
    Ok(report(&[captured], &[], &[]))
}

/// The events that would be captured. Encrypted ones differ each time: keys are drawn anew.
fn preview(drafts: &[Draft], parks: &[bool], readers: &[Reader]) -> Result<Report> {
    let mut events = Vec::new();
    let mut report = Report::new("ves.cli.append");
    for (draft, is_parked) in drafts.iter().zip(parks) {
        let event = EventJson::from(&draft.build()?);
        report = report.line(format!(
            "would {} {} of {} {}",
            if *is_parked { "park" } else { "capture" },
            event.event_type,
            event.entity_type,
            event.entity_id
        ));
        events.push(event);
    }
    let parked = parks.iter().filter(|is_parked| **is_parked).count();
    Ok(report
        .field("would_park", parked)
        .field("events", events)
        .field("recipients", readers_json(readers))
        .dry())
}

/// To whom payloads are encrypted.
#[derive(Clone, Default, PartialEq, Eq)]
struct Addressees {
    agents: Vec<AgentId>,
    groups: Vec<GroupId>,
}

/// By the flags if there are any, else by the configuration; none means public.
fn addressees(
    context: &Context,
    args: &AppendArgs,
    entity_type: &str,
    own: AgentId,
) -> Option<Addressees> {
    let mut found = Addressees {
        agents: args
            .encrypt_to
            .iter()
            .filter_map(|agent| agent.id().ok())
            .collect(),
        groups: args.to_group.iter().filter_map(GroupRef::id).collect(),
    };
    if args.encrypt_to_self && !found.agents.contains(&own) {
        found.agents.push(own);
    }
    if args.public {
        return None;
    }
    if found == Addressees::default() {
        let configured = context.config.get(|c| &c.default_recipients)?.value;
        let names = configured
            .get(entity_type)
            .or_else(|| configured.get("*"))?;
        for name in names {
            match name {
                ReaderName::Own if !found.agents.contains(&own) => found.agents.push(own),
                ReaderName::Own => {}
                ReaderName::Agent(agent) => found.agents.push(*agent),
                ReaderName::Group(group) => found.groups.push(*group),
            }
        }
    }
    (found != Addressees::default()).then_some(found)
}

/// Gives each draft its readers, and its payload the length that the configuration asks for.
async fn address(
    context: &Context,
    pool: &SqlitePool,
    args: &AppendArgs,
    template: &Draft,
    drafts: &mut [Draft],
) -> Result<Vec<Reader>> {
    let sizes = match args.pad.is_empty() {
        false => args.pad.clone(),
        true => context
            .config
            .get(|c| &c.padding)
            .map(|setting| setting.value)
            .unwrap_or_default(),
    };
    let mut known: BTreeMap<String, (Audience, Vec<Reader>)> = BTreeMap::new();
    for draft in drafts {
        let Some(who) = addressees(context, args, &draft.entity_type, draft.agent_id) else {
            if context.config.keeps_no_plaintext() {
                return Err(plaintext_refused("the event names no reader").hint(
                    "give --encrypt-to, --to-group or --encrypt-to-self, or set default-recipients",
                ));
            }
            continue;
        };
        let audience = match known.get(&draft.entity_type) {
            Some((audience, _)) => audience.clone(),
            None => {
                let found = audience(context, pool, args, template, &who).await?;
                known
                    .entry(draft.entity_type.clone())
                    .or_insert(found)
                    .0
                    .clone()
            }
        };
        draft.audience = audience;
        draft.payload = capture::pad(&draft.payload, &sizes)?;
    }
    let mut readers: Vec<Reader> = Vec::new();
    for reader in known.into_values().flat_map(|(_, readers)| readers) {
        if !readers.iter().any(|seen| seen.kid == reader.kid) {
            readers.push(reader);
        }
    }
    Ok(readers)
}

struct Reader {
    agent: AgentId,
    kid: RecipientKid,
}

/// Everybody's usable keys, as the registry is proven to have them, and the key that will sign.
async fn audience(
    context: &Context,
    pool: &SqlitePool,
    args: &AppendArgs,
    template: &Draft,
    who: &Addressees,
) -> Result<(Audience, Vec<Reader>)> {
    let tenant = template.tenant_id;
    let agents = who.agents.clone();
    let mut distinct = agents.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != agents.len() {
        return Err(Failure::usage(
            "recipient_repeated",
            "a recipient is named twice",
        ));
    }
    let wanted = Wanted {
        agents: agents.iter().map(|agent| (tenant, *agent)).collect(),
        groups: who.groups.iter().map(|group| (tenant, *group)).collect(),
        numbers: Vec::new(),
    };
    let found = recipients::look_up(context, pool, &wanted).await?;
    let mut keys = Vec::new();
    let mut readers = Vec::new();
    for agent in agents {
        for (kid, key) in active_keys(&found.directory, tenant, agent)? {
            keys.push((kid, key));
            readers.push(Reader { agent, kid });
        }
    }
    for group in &who.groups {
        for (agent, entry) in group_keys(&found.directory, tenant, *group, args)? {
            // Who is named twice, as himself or as a member, reads once.
            if !keys.iter().any(|(kid, _)| *kid == entry.kid) {
                keys.push((entry.kid, entry.public_key));
                readers.push(Reader {
                    agent,
                    kid: entry.kid,
                });
            }
        }
    }
    let key_id = found
        .signing_key(context, tenant, template.agent_id)
        .await?;
    Ok((Audience::Recipients { key_id, keys }, readers))
}

/// The key of each member of a group.
fn group_keys(
    directory: &Directory,
    tenant: TenantId,
    group: GroupId,
    args: &AppendArgs,
) -> Result<Vec<(AgentId, EncryptionKeyRecord)>> {
    let found = directory
        .group(tenant, group)
        .ok_or_else(|| groups::unknown(tenant, group))?;
    if found.members.is_empty() {
        return Err(Failure::new(
            Exit::Key,
            "group_empty",
            format!("group {group} has no members"),
        ));
    }
    let keyless: Vec<String> = found
        .members
        .iter()
        .filter(|recipient| recipient.key.is_none())
        .map(|recipient| recipient.member.agent_id.to_string())
        .collect();
    if !keyless.is_empty() && (!args.skip_keyless || keyless.len() == found.members.len()) {
        return Err(Failure::new(
            Exit::Key,
            "recipient_without_key",
            format!(
                "members of group {group} without a usable encryption key: {}",
                keyless.join(", ")
            ),
        )
        .hint("remove them from the group, or leave them out this time with --skip-keyless"));
    }
    Ok(found
        .members
        .into_iter()
        .filter_map(|recipient| Some((recipient.member.agent_id, recipient.key?.record)))
        .collect())
}

fn active_keys(
    directory: &Directory,
    tenant: TenantId,
    agent: AgentId,
) -> Result<Vec<(RecipientKid, EncryptionPublicKey)>> {
    let active = directory.keys(tenant, agent).unwrap_or_default();
    if active.is_empty() {
        return Err(Failure::new(
            Exit::Key,
            "recipient_without_key",
            format!("agent {agent} has no active encryption key in the registry"),
        )
        .hint(
            "the recipient registers one with `stateset-sync keys:register --purpose encryption`",
        ));
    }
    let key = |entry: DirectoryEntry| (entry.record.kid, entry.record.public_key);
    Ok(active.into_iter().map(key).collect())
}

fn readers_json(readers: &[Reader]) -> Vec<Value> {
    readers
        .iter()
        .map(|reader| json!({ "agent_id": reader.agent, "recipient_kid": reader.kid }))
        .collect()
}

fn report(captured: &[Captured], parked: &[(EventId, String)], readers: &[Reader]) -> Report {
    let events: Vec<_> = captured
        .iter()
        .map(|event| {
            json!({
                "event_id": event.event_id,
                "local_seq": event.local_seq,
                "state": event.state,
                "encrypted": event.encrypted,
                "payload_plain_hash": event.payload_plain_hash,
            })
        })
        .collect();
    let mut report = Report::new("ves.cli.append")
        .field("captured", captured.len())
        .field("recipients", readers_json(readers));
    if let [event] = captured {
        // The common case without a list to unpack.
        report = report
            .field("event_id", event.event_id)
            .field("local_seq", event.local_seq)
            .field("state", event.state)
            .field("encrypted", event.encrypted)
            .field("payload_plain_hash", event.payload_plain_hash)
            .line(format!("captured event {}", event.event_id));
    } else if parked.is_empty() || !captured.is_empty() {
        report = report.line(format!("captured {} events", captured.len()));
    }
    for (event, event_type) in parked {
        report = report.line(format!(
            "parked event {event}: nobody described the type {event_type}"
        ));
    }
    if let ([], [(event, _)]) = (captured, parked) {
        report = report.field("event_id", event).field("state", "parked");
    }
    if !readers.is_empty() {
        report = report.line(format!("encrypted to {} key(s)", readers.len()));
    }
    let waiting: Vec<_> = parked
        .iter()
        .map(|(event, event_type)| {
            json!({ "event_id": event, "event_type": event_type, "state": "parked" })
        })
        .collect();
    report
        .field("events", events)
        .field("parked", waiting)
        .listing("events", "ves.cli.append.event")
        .listing("parked", "ves.cli.append.parked")
        .line(if captured.is_empty() {
            "next: stateset-sync parked list"
        } else {
            "next: stateset-sync push"
        })
}
