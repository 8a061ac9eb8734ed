// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys rotate`, `keys batch-rotate` and `keys policy`

use super::{Context, admin, keys};
use crate::{
    chain::{Chain, ChainError, live::Live},
    cli::{AgentRef, BatchRotateArgs, PolicyArgs, RotateArgs, Rotated},
    error::{Exit, Failure, Result},
    keys::{KeyFile, Protection, Purpose, policy_of},
    output::Report,
    push::current_signing_key,
};
use serde_json::json;
use ves_client::{AdminCall, BlockHash, ClientError, Wait};
use ves_primitives::{
    AgentId, KeyId, Signature, SigningPublicKey, limits,
    registry::{KeyPolicy, KeyRotation, ValidityWindow},
};

/// The chain's refusal of a rotation.
fn refusal(error: ClientError) -> Failure {
    let text = error.to_string();
    match error {
        ClientError::PoolRejected { .. } | ClientError::Dispatch { .. } => {
            Failure::new(Exit::Refused, "rotation_refused", text)
                .hint("a key hands over once; without a valid key the administrator registers one")
        }
        other => ChainError::from(other).into(),
    }
}

/// The newest local key if the registry has never seen its number: made by an earlier run that was
/// cut short, or by `keys:generate`. A new key otherwise.
async fn successor(
    context: &Context,
    chain: &Live,
    agent: AgentId,
    purpose: Purpose,
    args: &RotateArgs,
) -> Result<KeyFile> {
    let tenant = context.config.tenant()?;
    let store = context.keys();
    if let Some(newest) = store.list(agent, purpose)?.pop() {
        let best = chain.best().await?;
        if !keys::is_registered(chain, tenant, &newest, best).await? {
            return Ok(newest);
        }
    }
    let protection = if args.insecure_plaintext_keys {
        context
            .ui
            .warn("the private key is stored in the clear; for development only");
        Protection::Plaintext
    } else {
        Protection::Passphrase(context.passphrases.choose()?)
    };
    store.generate(agent, purpose, &protection)
}

pub(super) async fn rotate(context: &Context, args: &RotateArgs) -> Result<Report> {
    let agent = context.config.agent()?;
    let chain = context.connect_to_sign().await?;
    rotate_agent(context, &chain, agent, args).await
}

/// Rotates the keys of several agents; one that fails does not hold up the others.
pub(super) async fn batch(context: &Context, args: &BatchRotateArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let store = context.keys();
    let mut named = args.agents.clone();
    context.find_agents(&mut named).await?;
    let agents: Vec<AgentId> = match named.is_empty() {
        false => named.iter().map(AgentRef::id).collect::<Result<_>>()?,
        true => store
            .agents()?
            .into_iter()
            .filter(|agent| {
                store
                    .list(*agent, Purpose::Signing)
                    .is_ok_and(|keys| !keys.is_empty())
            })
            .collect(),
    };
    let chain = context.connect_to_sign().await?;
    let mut report = Report::new("ves.cli.keys.batch-rotate");
    let (mut rows, mut first) = (Vec::new(), None);
    for agent in &agents {
        match rotate_agent(context, &chain, *agent, &args.rotate).await {
            Ok(done) => {
                for line in done.text().lines() {
                    report = report.line(format!("{agent}  {line}"));
                }
                rows.push(done.to_json());
            }
            Err(failure) => {
                report = report.line(format!("{agent}  {failure}"));
                rows.push(json!({
                    "agent_id": agent,
                    "error": { "code": failure.code, "message": &failure.message },
                }));
                first = first.or(Some(failure));
            }
        }
    }
    if agents.is_empty() {
        report = report.line("no agent has signing keys here");
    }
    Ok(report
        .field("agents", rows)
        .dry_if(context.dry_run)
        .failing(first))
}

/// Seconds for which the outgoing key signs on unless somebody says otherwise: 72 hours.
const DEFAULT_GRACE_SECONDS: u32 = 72 * HOUR_SECONDS;
const HOUR_SECONDS: u32 = 60 * 60;

/// For how long the outgoing key signs on: by the flag, else by the agent's policy.
async fn grace_seconds(context: &Context, agent: AgentId, args: &RotateArgs) -> Result<u32> {
    if let Some(seconds) = args.grace {
        return Ok(seconds);
    }
    let policy = policy_of(&context.pool().await?, agent, Purpose::Signing).await?;
    Ok(policy
        .and_then(|policy| policy.grace_hours)
        .map_or(DEFAULT_GRACE_SECONDS, |hours| {
            hours.saturating_mul(HOUR_SECONDS)
        }))
}

/// Rotates what is asked for of one agent.
async fn rotate_agent(
    context: &Context,
    chain: &Live,
    agent: AgentId,
    args: &RotateArgs,
) -> Result<Report> {
    match args.purpose {
        Rotated::Signing => hand_over(context, chain, agent, args).await,
        Rotated::Encryption => replace_encryption(context, chain, agent, args).await,
        Rotated::All => {
            // Before anything changes: the second half needs an administrator.
            admin::signer(&args.admin)?;
            let signing = hand_over(context, chain, agent, args).await?;
            Ok(
                match replace_encryption(context, chain, agent, args).await {
                    Ok(replaced) => signing
                        .line(replaced.text())
                        .field("encryption", replaced.to_json()),
                    // What was handed over stays handed over.
                    Err(failure) => signing.failing(Some(failure)),
                },
            )
        }
    }
}

/// A new encryption key takes the place of the registered ones, in one transaction: there is no moment
/// without a key to encrypt to.
async fn replace_encryption(
    context: &Context,
    chain: &Live,
    agent: AgentId,
    args: &RotateArgs,
) -> Result<Report> {
    let tenant = context.config.tenant()?;
    let at = chain.best().await?;
    let now = chain.now(at).await?;
    let outgoing: Vec<KeyId> = chain
        .encryption_keys(tenant, agent, at)
        .await?
        .into_iter()
        .filter(|entry| entry.record.check_now(&now).is_ok())
        .map(|entry| entry.key_id)
        .collect();
    let report = Report::new("ves.cli.keys.rotate")
        .field("purpose", Purpose::Encryption)
        .field("tenant_id", tenant)
        .field("agent_id", agent)
        .field("outgoing_key_ids", &outgoing);
    let signer = admin::signer(&args.admin)?;
    if context.dry_run {
        let next = context.keys().next_id(agent, Purpose::Encryption)?;
        return Ok(report
            .field("key_id", next)
            .line(format!(
                "encryption key {next}, or the newest that is not registered, would take the place of \
                 {}",
                named(&outgoing)
            ))
            .dry());
    }
    let file = successor(context, chain, agent, Purpose::Encryption, args).await?;
    let window = ValidityWindow {
        valid_from: None,
        valid_to: None,
    };
    let mut calls = vec![keys::registration(context, chain, tenant, &file, window, None).await?];
    calls.extend(
        outgoing
            .iter()
            .map(|key_id| AdminCall::RevokeEncryptionKey {
                tenant,
                agent,
                key_id: *key_id,
            }),
    );
    let (receipt, block) = admin::execute(chain, &args.admin, &signer, &calls).await?;
    let at = chain.block(receipt.block).await?;
    keys::note(context, chain, tenant, &file, at).await?;
    for key_id in &outgoing {
        // It may live on another machine.
        if let Ok(old) = context.keys().load(agent, Purpose::Encryption, *key_id) {
            keys::note(context, chain, tenant, &old, at).await?;
        }
    }
    let report = report
        .field("key_id", file.key_id)
        .field("public_key", format!("0x{}", hex::encode(file.public_key)))
        .line(format!(
            "encryption key {} takes the place of {}; keep the old ones to read what was encrypted to \
             them",
            file.key_id,
            named(&outgoing)
        ));
    Ok(admin::receipt_fields(report, &args.admin, &receipt, block))
}

fn named(keys: &[KeyId]) -> String {
    match keys {
        [] => "none".into(),
        keys => keys
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

/// The signing key hands over to a new one and signs on for the grace.
async fn hand_over(
    context: &Context,
    chain: &Live,
    agent: AgentId,
    args: &RotateArgs,
) -> Result<Report> {
    let tenant = context.config.tenant()?;
    let store = context.keys();
    let outgoing_id = current_signing_key(&store, chain, tenant, agent).await?;
    let grace = grace_seconds(context, agent, args).await?;
    if context.dry_run {
        let next = store.next_id(agent, Purpose::Signing)?;
        return Ok(Report::new("ves.cli.keys.rotate")
            .field("purpose", Purpose::Signing)
            .field("tenant_id", tenant)
            .field("agent_id", agent)
            .field("outgoing_key_id", outgoing_id)
            .field("key_id", next)
            .field("grace_seconds", grace)
            .line(format!(
                "signing key {outgoing_id} would hand over to key {next}, or to the newest that is \
                 not registered"
            ))
            .dry());
    }
    let outgoing = store
        .load(agent, Purpose::Signing, outgoing_id)?
        .signer(|| context.unlock())?;
    let file = successor(context, chain, agent, Purpose::Signing, args).await?;
    let new = file.signer(|| context.unlock())?;
    let mut rotation = KeyRotation {
        tenant_id: tenant,
        agent_id: agent,
        outgoing: outgoing_id,
        successor: file.key_id,
        public_key: SigningPublicKey(file.public_key),
        grace_seconds: grace,
        possession: Signature([0; 64]),
        handover: Signature([0; 64]),
    };
    let statement = rotation.statement(chain.genesis_hash());
    rotation.possession = new.sign(&statement.successor.hash())?;
    rotation.handover = outgoing.sign(&statement.hash())?;
    let wait = if args.admin.no_wait {
        Wait::InBlock
    } else {
        Wait::Finalized
    };
    let receipt = chain
        .client()
        .rotate_signing_key(&rotation, wait)
        .await
        .map_err(refusal)?;
    let block = chain.block(receipt.block).await?;
    keys::note(context, chain, tenant, &file, block).await?;
    let ended = chain.signing_key(tenant, agent, outgoing_id, block).await?;
    Ok(Report::new("ves.cli.keys.rotate")
        .field("purpose", Purpose::Signing)
        .field("tenant_id", tenant)
        .field("agent_id", agent)
        .field("outgoing_key_id", outgoing_id)
        .field(
            "outgoing_valid_to",
            ended.and_then(|record| record.window.valid_to),
        )
        .field("key_id", file.key_id)
        .field("public_key", rotation.public_key)
        .field("grace_seconds", grace)
        .field("extrinsic_hash", receipt.hash)
        .field("block_hash", receipt.block)
        .field("block_number", block.number)
        .field("finalized", !args.admin.no_wait)
        .line(format!(
            "signing key {outgoing_id} has handed over to key {}; it may sign for {grace} s more",
            file.key_id
        ))
        .pair("block", block.number))
}

/// What the chain lets a signing key sign.
pub(super) async fn policy(context: &Context, args: &PolicyArgs, key: u32) -> Result<Report> {
    let (tenant, agent) = (context.config.tenant()?, context.config.agent()?);
    let key_id = KeyId(key);
    let report = Report::new("ves.cli.keys.policy")
        .field("tenant_id", tenant)
        .field("agent_id", agent)
        .field("key_id", key_id);
    if !args.lift && args.event_types.is_empty() {
        let chain = context.connect_to_sign().await?;
        let at = BlockHash(chain.finalized().await?.hash);
        let policy = chain
            .client()
            .key_policy(tenant, agent, key_id, Some(at))
            .await
            .map_err(ChainError::from)?;
        return Ok(shown(report, policy.as_ref()));
    }
    let policy = (!args.lift).then(|| build(args)).transpose()?;
    admin::signer(&args.admin)?;
    let chain = context.connect_to_sign().await?;
    let call = AdminCall::SetKeyPolicy {
        tenant,
        agent,
        key_id,
        policy: policy.clone(),
    };
    let report = shown(report, policy.as_ref());
    admin::submit(context, &chain, &args.admin, &[call], report).await
}

fn build(args: &PolicyArgs) -> Result<KeyPolicy> {
    let too_many = |_| {
        Failure::usage(
            "policy_invalid",
            format!("a rule has at most {} patterns", limits::MAX_TYPE_PATTERNS),
        )
    };
    Ok(KeyPolicy {
        enabled: !args.disabled,
        event_types: args.event_types.clone().try_into().map_err(too_many)?,
        entity_types: args.entity_types.clone().try_into().map_err(too_many)?,
        require_base_version: args.require_base_version,
        max_payload_bytes: args.max_payload_bytes.unwrap_or(limits::MAX_PAYLOAD_BYTES),
    })
}

fn shown(report: Report, policy: Option<&KeyPolicy>) -> Report {
    let report = report.field("policy", policy);
    let Some(policy) = policy else {
        return report.line("no policy: the key may be used for anything");
    };
    let list = |patterns: &ves_primitives::registry::TypePatterns| {
        patterns
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    report
        .pair("enforced", policy.enabled)
        .pair("event types", list(&policy.event_types))
        .pair("entity types", list(&policy.entity_types))
        .pair("base version", policy.require_base_version)
        .pair("payload", format!("{} bytes", policy.max_payload_bytes))
}
