// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `append`

use super::{Context, groups, push::wishes_of};
use crate::{
    capture::{self, Audience, Captured, Draft},
    chain::Chain,
    cli::AppendArgs,
    error::{Exit, Failure, Result},
    home::read_bounded,
    output::Report,
    proofs::{policy, wishes},
    push::current_signing_key,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{io::Read, path::Path};
use ves_primitives::{
    AgentId, CommandId, EncryptionPublicKey, EventId, GroupId, RecipientKid, TenantId, jcs, limits,
    registry::{EncryptionKeyRecord, RecordedAt},
};

/// Largest payload file: white space and escapes may be several times the canonical form.
const MAX_PAYLOAD_FILE_BYTES: u64 = limits::MAX_PAYLOAD_BYTES as u64 * 8;
/// Largest batch file.
const MAX_BATCH_FILE_BYTES: u64 = 256 * 1024 * 1024;

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
    if !wishes.is_empty() && !args.encrypt_to_self && !args.encrypt_to.contains(&template.agent_id)
    {
        return Err(Failure::usage(
            "proof_needs_self",
            "--prove needs --encrypt-to-self: a proof is made from what the agent can read",
        ));
    }
    let mut drafts = drafts(args, &template)?;
    let public = args.encrypt_to.is_empty() && args.to_group.is_empty() && !args.encrypt_to_self;
    let recipients = if public {
        Vec::new()
    } else {
        // Refuse bad input before the node is asked for anybody's keys.
        for draft in &drafts {
            draft.build()?;
        }
        let (audience, recipients) = audience(context, args, &template).await?;
        for draft in &mut drafts {
            draft.audience = audience.clone();
        }
        recipients
    };

    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut captured = Vec::with_capacity(drafts.len());
    for draft in &drafts {
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
    Ok(report(&captured, &recipients).field("wishes", described))
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
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|e| Failure::io("read", path, &e))?;
        bytes
    } else {
        read_bounded(path, limit)?
    };
    String::from_utf8(bytes).map_err(|_| {
        Failure::usage(
            "payload_invalid",
            format!("{} is not UTF-8", path.display()),
        )
    })
}

struct Reader {
    agent: AgentId,
    kid: RecipientKid,
}

/// Everybody's active keys at the finalized state, and the key that will sign.
async fn audience(
    context: &Context,
    args: &AppendArgs,
    template: &Draft,
) -> Result<(Audience, Vec<Reader>)> {
    let chain = context.connect().await?;
    let mut agents = args.encrypt_to.clone();
    if args.encrypt_to_self && !agents.contains(&template.agent_id) {
        agents.push(template.agent_id);
    }
    let mut distinct = agents.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != agents.len() {
        return Err(Failure::usage(
            "recipient_repeated",
            "a recipient is named twice",
        ));
    }
    let mut keys = Vec::new();
    let mut readers = Vec::new();
    for agent in agents {
        for (kid, key) in active_keys(&chain, template.tenant_id, agent).await? {
            keys.push((kid, key));
            readers.push(Reader { agent, kid });
        }
    }
    for group in &args.to_group {
        for (agent, entry) in group_keys(&chain, template.tenant_id, *group, args).await? {
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
    let key_id = current_signing_key(
        &context.keys(),
        &chain,
        template.tenant_id,
        template.agent_id,
    )
    .await?;
    Ok((Audience::Recipients { key_id, keys }, readers))
}

/// The key of each member of a group, at the finalized state.
async fn group_keys(
    chain: &crate::chain::live::Live,
    tenant: TenantId,
    group: GroupId,
    args: &AppendArgs,
) -> Result<Vec<(AgentId, EncryptionKeyRecord)>> {
    let found = groups::find(chain, tenant, group).await?;
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

async fn active_keys(
    chain: &crate::chain::live::Live,
    tenant: TenantId,
    agent: AgentId,
) -> Result<Vec<(RecipientKid, EncryptionPublicKey)>> {
    let finalized = chain.finalized().await?;
    let now: RecordedAt = chain.now(finalized).await?;
    let active: Vec<_> = chain
        .encryption_keys(tenant, agent, finalized)
        .await?
        .into_iter()
        .filter(|entry| entry.record.check_now(&now).is_ok())
        .map(|entry| (entry.record.kid, entry.record.public_key))
        .collect();
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
    Ok(active)
}

fn report(captured: &[Captured], readers: &[Reader]) -> Report {
    let events: Vec<_> = captured
        .iter()
        .map(|event| {
            json!({
                "event_id": event.event_id,
                "local_seq": event.local_seq,
                "state": "queued",
                "encrypted": event.encrypted,
                "payload_plain_hash": event.payload_plain_hash,
            })
        })
        .collect();
    let recipients: Vec<_> = readers
        .iter()
        .map(|reader| json!({ "agent_id": reader.agent, "recipient_kid": reader.kid }))
        .collect();
    let mut report = Report::new("ves.cli.append")
        .field("captured", captured.len())
        .field("recipients", recipients);
    if let [event] = captured {
        // The common case without a list to unpack.
        report = report
            .field("event_id", event.event_id)
            .field("local_seq", event.local_seq)
            .field("state", "queued")
            .field("encrypted", event.encrypted)
            .field("payload_plain_hash", event.payload_plain_hash)
            .line(format!("captured event {}", event.event_id));
    } else {
        report = report.line(format!("captured {} events", captured.len()));
    }
    if !readers.is_empty() {
        report = report.line(format!("encrypted to {} key(s)", readers.len()));
    }
    report
        .field("events", events)
        .line("next: stateset-sync push")
}
