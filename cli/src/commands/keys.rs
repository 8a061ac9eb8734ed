// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys …`

use super::{Context, admin, expiry, foreign, rotation, usage};
use crate::{
    chain::{BlockRef, Chain, live::Live},
    cli::{GenerateArgs, KeysCommand, KeysExportArgs, RegisterArgs, RevokeArgs},
    error::{Exit, Failure, Result},
    keys::{KeyFile, Protection, Purpose, Registration},
    output::Report,
    push::current_signing_key,
};
use serde_json::{Value, json};
use ves_client::AdminCall;
use ves_primitives::{
    EncryptionPublicKey, KeyId, RecipientKid, SigningPublicKey, TenantId,
    registry::{RecordedAt, ValidityWindow},
};

pub(super) async fn run(context: &Context, command: &KeysCommand) -> Result<Report> {
    match command {
        KeysCommand::Generate(args) => generate(context, args),
        KeysCommand::List => list(context),
        KeysCommand::Register(args) => register(context, args).await,
        KeysCommand::Rotate(args) => rotation::rotate(context, args).await,
        KeysCommand::Policy(args) => match args.key_id {
            Some(key) => rotation::policy(context, args, key).await,
            None => usage::run(context, &args.usage).await,
        },
        KeysCommand::Revoke(args) => revoke(context, args).await,
        KeysCommand::Export(args) => export(context, args),
        KeysCommand::Import(args) => foreign::import(context, args).await,
        KeysCommand::AddExternal(args) => foreign::add_external(context, args),
        KeysCommand::Expiry(args) => expiry::run(context, args).await,
        KeysCommand::BatchRotate(args) => rotation::batch(context, args).await,
    }
}

pub(super) fn key_json(file: &KeyFile) -> Value {
    json!({
        "purpose": file.purpose,
        "agent_id": file.agent_id,
        "key_id": file.key_id,
        "public_key": format!("0x{}", hex::encode(file.public_key)),
        "created_at": file.created_at,
        "encrypted_at_rest": file.is_locked(),
        "external": file.is_external(),
        "registration": file.registration,
    })
}

pub(super) fn key_line(file: &KeyFile) -> String {
    let state = match file.registration {
        None => "not registered".to_owned(),
        Some(Registration {
            revoked_block: Some(block),
            ..
        }) => format!("revoked from block {block} on"),
        Some(Registration {
            block,
            kid: Some(kid),
            ..
        }) => {
            format!("registered in block {block}, recipient number {kid}")
        }
        Some(Registration { block, .. }) => format!("registered in block {block}"),
    };
    format!(
        "{:<10} {:>3}  0x{}  {state}",
        file.purpose.name(),
        file.key_id,
        hex::encode(file.public_key)
    )
}

fn listing(schema: &'static str, context: &Context, files: &[KeyFile]) -> Result<Report> {
    let agent = context.config.agent()?;
    let report = Report::new(schema)
        .field("agent_id", agent)
        .field("keys", files.iter().map(key_json).collect::<Vec<_>>())
        .pair("agent", agent);
    Ok(files
        .iter()
        .fold(report, |report, file| report.line(key_line(file))))
}

fn purposes(only: Option<Purpose>) -> Vec<Purpose> {
    only.map_or_else(|| Purpose::ALL.to_vec(), |purpose| vec![purpose])
}

fn generate(context: &Context, args: &GenerateArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let agent = context.config.agent()?;
    let protection = if args.insecure_plaintext_keys {
        context
            .ui
            .warn("the private keys are stored in the clear; for development only");
        Protection::Plaintext
    } else {
        Protection::Passphrase(context.passphrases.choose()?)
    };
    let store = context.keys();
    if context.dry_run {
        let numbers = purposes(args.purpose)
            .into_iter()
            .map(|purpose| Ok((purpose, store.next_id(agent, purpose)?)))
            .collect::<Result<Vec<_>>>()?;
        let report = numbers.iter().fold(
            Report::new("ves.cli.keys.generate").field("agent_id", agent),
            |report, (purpose, key)| {
                report.line(format!("would make {} key {key}", purpose.name()))
            },
        );
        let keys: Vec<_> = numbers
            .iter()
            .map(|(purpose, key)| json!({ "purpose": purpose, "key_id": key }))
            .collect();
        return Ok(report.field("keys", keys).dry());
    }
    let files = purposes(args.purpose)
        .into_iter()
        .map(|purpose| store.generate(agent, purpose, &protection))
        .collect::<Result<Vec<_>>>()?;
    Ok(
        listing("ves.cli.keys.generate", context, &files)?
            .line("next: stateset-sync keys:register"),
    )
}

fn list(context: &Context) -> Result<Report> {
    context.config.require_initialised()?;
    let (store, agent) = (context.keys(), context.config.agent()?);
    let mut files = Vec::new();
    for purpose in Purpose::ALL {
        files.extend(store.list(agent, purpose)?);
    }
    let report = listing("ves.cli.keys.list", context, &files)?;
    Ok(if files.is_empty() {
        report.line("no keys; next: stateset-sync keys:generate")
    } else {
        report
    })
}

fn export(context: &Context, args: &KeysExportArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let (store, agent) = (context.keys(), context.config.agent()?);
    let files = purposes(args.purpose)
        .into_iter()
        .map(|purpose| store.preferred(agent, purpose))
        .collect::<Result<Vec<_>>>()?;
    let mut report = Report::new("ves.cli.keys.export").field("agent_id", agent);
    for file in &files {
        let (name, public) = (
            file.purpose.name(),
            format!("0x{}", hex::encode(file.public_key)),
        );
        report = report
            .field(&format!("{name}_key_id"), file.key_id)
            .field(&format!("{name}_public_key"), &public)
            .line(format!("{name}_key_id={}", file.key_id))
            .line(format!("{name}_public_key={public}"));
    }
    Ok(report)
}

/// A key as the registry has it.
struct Registered {
    public_key: [u8; 32],
    at: RecordedAt,
    kid: Option<RecipientKid>,
    /// First block in which it may not be used.
    revoked: Option<u32>,
}

async fn registered(
    chain: &Live,
    tenant: TenantId,
    file: &KeyFile,
    at: BlockRef,
) -> Result<Option<Registered>> {
    Ok(match file.purpose {
        Purpose::Signing => chain
            .signing_key(tenant, file.agent_id, file.key_id, at)
            .await?
            .map(|record| Registered {
                public_key: record.public_key.0,
                at: record.registered_at,
                kid: None,
                revoked: record
                    .revocation
                    .map(|revocation| revocation.effective_from),
            }),
        Purpose::Encryption => chain
            .encryption_keys(tenant, file.agent_id, at)
            .await?
            .into_iter()
            .find(|entry| entry.key_id == file.key_id)
            .map(|entry| Registered {
                public_key: entry.record.public_key.0,
                at: entry.record.registered_at,
                kid: Some(entry.record.kid),
                revoked: entry.record.revoked_at.map(|revoked| revoked.block),
            }),
    })
}

/// Whether the registry has a key of this number.
pub(super) async fn is_registered(
    chain: &Live,
    tenant: TenantId,
    file: &KeyFile,
    at: BlockRef,
) -> Result<bool> {
    Ok(registered(chain, tenant, file, at).await?.is_some())
}

/// Notes in the key file what the registry says.
pub(super) async fn note(
    context: &Context,
    chain: &Live,
    tenant: TenantId,
    file: &KeyFile,
    at: BlockRef,
) -> Result<KeyFile> {
    let record = registered(chain, tenant, file, at).await?.ok_or_else(|| {
        Failure::new(
            Exit::Unexpected,
            "registration_missing",
            "the registry does not show the key",
        )
    })?;
    context.keys().note_registration(
        file,
        Registration {
            genesis_hash: chain.genesis_hash(),
            tenant_id: tenant,
            block: record.at.block,
            kid: record.kid,
            revoked_block: record.revoked,
        },
    )
}

async fn register(context: &Context, args: &RegisterArgs) -> Result<Report> {
    let (tenant, agent) = (context.config.tenant()?, context.config.agent()?);
    let window = ValidityWindow {
        valid_from: args.valid_from,
        valid_to: args.valid_to,
    };
    if !window.is_well_formed() {
        return Err(Failure::usage(
            "window_invalid",
            "--valid-from is after --valid-to",
        ));
    }
    let store = context.keys();
    let mut files = Vec::new();
    for purpose in purposes(args.purpose) {
        files.push(match args.key_id {
            Some(key) => store.load(agent, purpose, KeyId(key))?,
            None => store
                .list(agent, purpose)?
                .pop()
                .map_or_else(|| store.preferred(agent, purpose), Ok)?,
        });
    }
    let signer = admin::signer(&args.admin)?;
    let chain = context.connect_to_sign().await?;
    let best = chain.best().await?;

    let mut calls = Vec::new();
    let mut new_signing_key = None;
    for file in &files {
        match registered(&chain, tenant, file, best).await? {
            // Registered before, perhaps by a run that was cut short: only the note is due.
            Some(record) if record.public_key == file.public_key => {}
            Some(_) => {
                return Err(Failure::new(
                    Exit::Refused,
                    "key_id_taken",
                    format!(
                        "the registry has another {} key {}",
                        file.purpose.name(),
                        file.key_id
                    ),
                )
                .hint("make a new key with keys:generate; numbers are never used twice"));
            }
            None => {
                if file.purpose == Purpose::Signing {
                    new_signing_key = Some(file.key_id);
                }
                calls.push(
                    registration(context, &chain, tenant, file, window, new_signing_key).await?,
                );
            }
        }
    }
    if context.dry_run {
        let report = listing("ves.cli.keys.register", context, &files)?
            .field("tenant_id", tenant)
            .field("genesis_hash", chain.genesis_hash());
        if calls.is_empty() {
            return Ok(report.line("nothing to do").dry());
        }
        return admin::submit(context, &chain, &args.admin, &calls, report).await;
    }
    let receipt = if calls.is_empty() {
        None
    } else {
        Some(admin::execute(&chain, &args.admin, &signer, &calls).await?)
    };
    let at = chain.best().await?;
    let mut noted = Vec::new();
    for file in &files {
        noted.push(note(context, &chain, tenant, file, at).await?);
    }
    let report = listing("ves.cli.keys.register", context, &noted)?
        .field("tenant_id", tenant)
        .field("genesis_hash", chain.genesis_hash())
        .field("registered_now", calls.len());
    Ok(match receipt {
        Some((receipt, block)) => admin::receipt_fields(report, &args.admin, &receipt, block),
        None => report.line("nothing to do: the registry has these keys already"),
    })
}

/// The registration call with its proof of possession, bound to this chain, tenant, agent and key
/// number. A signing key proves itself; an encryption key is vouched for by a signing key.
pub(super) async fn registration(
    context: &Context,
    chain: &Live,
    tenant: TenantId,
    file: &KeyFile,
    window: ValidityWindow,
    new_signing_key: Option<KeyId>,
) -> Result<AdminCall> {
    let statement = file.possession(chain.genesis_hash(), tenant).hash();
    let (agent, key_id) = (file.agent_id, file.key_id);
    match file.purpose {
        Purpose::Signing => {
            let proof = file.signer(|| context.unlock())?.sign(&statement)?;
            let public_key = SigningPublicKey(file.public_key);
            Ok(AdminCall::RegisterSigningKey {
                tenant,
                agent,
                key_id,
                public_key,
                window,
                proof,
            })
        }
        Purpose::Encryption => {
            let store = context.keys();
            let signing_key_id = match new_signing_key {
                Some(key) => key,
                None => current_signing_key(&store, chain, tenant, agent).await?,
            };
            let voucher = store.load(agent, Purpose::Signing, signing_key_id)?;
            let proof = voucher.signer(|| context.unlock())?.sign(&statement)?;
            Ok(AdminCall::RegisterEncryptionKey {
                tenant,
                agent,
                key_id,
                public_key: EncryptionPublicKey(file.public_key),
                window,
                signing_key_id,
                proof,
            })
        }
    }
}

async fn revoke(context: &Context, args: &RevokeArgs) -> Result<Report> {
    let (tenant, agent) = (context.config.tenant()?, context.config.agent()?);
    if !args.yes {
        return Err(Failure::new(
            Exit::Refused,
            "not_confirmed",
            "a revocation cannot be undone, and events not sequenced yet will be rejected",
        )
        .hint("push the outbox first, then repeat the command with --yes"));
    }
    if args.purpose == Purpose::Encryption && args.effective_from.is_some() {
        return Err(Failure::usage(
            "effective_from_invalid",
            "senders stop using an encryption key at once; --effective-from is for signing keys",
        ));
    }
    let key_id = KeyId(args.key_id);
    let call = match args.purpose {
        Purpose::Signing => AdminCall::RevokeSigningKey {
            tenant,
            agent,
            key_id,
            effective_from: args.effective_from,
        },
        Purpose::Encryption => AdminCall::RevokeEncryptionKey {
            tenant,
            agent,
            key_id,
        },
    };
    let signer = admin::signer(&args.admin)?;
    let chain = context.connect_to_sign().await?;
    if context.dry_run {
        let report = Report::new("ves.cli.keys.revoke")
            .field("agent_id", agent)
            .field("tenant_id", tenant)
            .field("purpose", args.purpose)
            .field("key_id", key_id)
            .field("effective_from", args.effective_from);
        return admin::submit(context, &chain, &args.admin, &[call], report).await;
    }
    let (receipt, block) = admin::execute(&chain, &args.admin, &signer, &[call]).await?;
    // The key may live on another machine: an administrator can revoke it all the same.
    if let Ok(file) = context.keys().load(agent, args.purpose, key_id) {
        let at = chain.best().await?;
        note(context, &chain, tenant, &file, at).await?;
    }
    let report = Report::new("ves.cli.keys.revoke")
        .field("agent_id", agent)
        .field("tenant_id", tenant)
        .field("purpose", args.purpose)
        .field("key_id", key_id)
        .field("effective_from", args.effective_from)
        .line(match args.effective_from {
            Some(from) => format!("signing key {key_id} of agent {agent} ends with block {from}"),
            None => format!(
                "{} key {key_id} of agent {agent} is revoked",
                args.purpose.name()
            ),
        });
    Ok(admin::receipt_fields(report, &args.admin, &receipt, block))
}
