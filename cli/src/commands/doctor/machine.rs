// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What is wrong on this machine: settings, permissions, schemas, keys, where the passphrase is.

use super::{Context, Findings, expiry};
use crate::{
    config::process_env,
    error::{Exit, Result},
    keys::{Purpose, Wear, policy_of, uses_of},
};
use chrono::Utc;
use sqlx::SqlitePool;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

pub(super) fn settings(context: &Context, findings: &mut Findings) {
    let config = &context.config;
    match (config.genesis(), config.authority_set()) {
        (Some(genesis), Some(_)) => {
            findings.ok("settings", format!("bound to chain {genesis}, authorities pinned"));
        }
        (Some(_), None) => findings.warn(
            "settings",
            "the chain's authorities are trusted on first sight",
            "compare `status` with what the operators publish, then `init --force --authorities HASH`",
        ),
        (None, _) => findings.warn(
            "settings",
            "not bound to a chain",
            "the first connection binds; or `init --force --genesis HASH`",
        ),
    }
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path)
        .ok()
        .map(|meta| meta.permissions().mode() & 0o777)
}

/// Files and directories that others may read.
fn exposed(dir: &Path, found: &mut Vec<PathBuf>) {
    if mode(dir).is_some_and(|mode| mode & 0o077 != 0) {
        found.push(dir.to_path_buf());
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        // Links lead elsewhere, and what is there is not ours.
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            exposed(&path, found);
        } else if kind.is_file() && mode(&path).is_some_and(|mode| mode & 0o077 != 0) {
            found.push(path);
        }
    }
}

pub(super) fn permissions(context: &Context, findings: &mut Findings) {
    let home = context.config.home.path();
    let mut found = Vec::new();
    exposed(home, &mut found);
    // Schemas are no secret: the chain registers their hashes.
    found.retain(|path| !path.starts_with(context.schemas_folder()));
    match found.first() {
        None => findings.ok("permissions", format!("{} is private", home.display())),
        Some(first) => findings.problem(
            "permissions",
            Exit::Refused,
            format!(
                "{} of {} path(s) may be read by others",
                first.display(),
                found.len()
            ),
            &format!("chmod -R go= {}", home.display()),
        ),
    }
}

pub(super) fn keys(context: &Context, findings: &mut Findings) {
    let Ok(agent) = context.config.agent() else {
        findings.problem(
            "keys",
            Exit::NotConfigured,
            "no agent is configured",
            "run `stateset-sync init --force`",
        );
        return;
    };
    for purpose in Purpose::ALL {
        match context.keys().list(agent, purpose) {
            Err(failure) => findings.failed("keys", &failure),
            Ok(files) if files.is_empty() => findings.problem(
                "keys",
                Exit::Key,
                format!("no {} key", purpose.name()),
                "run `stateset-sync keys:generate`",
            ),
            Ok(files) => {
                let open = files
                    .iter()
                    .filter(|file| !file.is_locked() && !file.is_external())
                    .count();
                let text = format!("{} {} key(s)", files.len(), purpose.name());
                match open {
                    0 => findings.ok("keys", text),
                    n => findings.warn(
                        "keys",
                        format!("{text}, {n} stored in the clear"),
                        "make an encrypted one with `keys:generate`, then `keys:rotate`",
                    ),
                }
            }
        }
    }
}

/// How near the signing key is to the end that its owner's policy sets.
pub(super) async fn key_policy(
    context: &Context,
    pool: &SqlitePool,
    findings: &mut Findings,
) -> Result<()> {
    const CHECK: &str = "key policy";
    let Ok(agent) = context.config.agent() else {
        return Ok(());
    };
    let Some(policy) = policy_of(pool, agent, Purpose::Signing).await? else {
        findings.ok(CHECK, "none; `keys:policy` sets one");
        return Ok(());
    };
    let Ok(file) = context.keys().preferred(agent, Purpose::Signing) else {
        return Ok(());
    };
    let uses = uses_of(pool, agent).await?;
    let uses = uses.get(&file.key_id).copied().unwrap_or(0);
    if let Some((0, failure)) = policy.allowance(&file, uses, Utc::now()) {
        findings.failed(CHECK, &failure);
        return Ok(());
    }
    let may = policy
        .max_uses
        .map_or_else(|| "any number of".to_owned(), |max| max.to_string());
    let text = format!(
        "signing key {} has signed {uses} of {may} events; beyond its limits: {}",
        file.key_id,
        policy.enforcement.name()
    );
    match policy.wear(uses) {
        Wear::Fresh => findings.ok(CHECK, text),
        Wear::Worn | Wear::UsedUp => findings.warn(CHECK, text, expiry::FIX),
    }
    Ok(())
}

/// Where the passphrase comes from. Nobody is asked for it.
pub(super) fn passphrase(context: &Context, findings: &mut Findings) {
    const CHECK: &str = "passphrase";
    let file = context.config.get(|c| &c.passphrase_file);
    let command = context.config.get(|c| &c.passphrase_command);
    if let Some(path) = file.map(|setting| setting.value) {
        let shown = path.display();
        return match mode(&path) {
            None => findings.problem(
                CHECK,
                Exit::Key,
                format!("{shown} cannot be read"),
                "correct passphrase-file, or remove it with `config set passphrase-file \"\"`",
            ),
            Some(mode) if mode & 0o077 != 0 => findings.warn(
                CHECK,
                format!("{shown} may be read by others"),
                &format!("chmod go= {shown}"),
            ),
            Some(_) => findings.ok(CHECK, format!("from {shown}")),
        };
    }
    if process_env("VES_PASSPHRASE").is_some() {
        return findings.ok(CHECK, "from VES_PASSPHRASE");
    }
    let Some(command) = command.map(|setting| setting.value) else {
        return findings.ok(CHECK, "asked for at a terminal");
    };
    let program = command.first().map_or("", String::as_str);
    match is_program(program) {
        true => findings.ok(CHECK, format!("from {program}, when it is needed")),
        false => findings.problem(
            CHECK,
            Exit::Key,
            format!("{program:?}, which should give it, is no program here"),
            "install it, or correct passphrase-command with `config set`",
        ),
    }
}

/// Whether this names a file, or a program on the search path.
fn is_program(name: &str) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    !name.is_empty() && std::env::split_paths(&folders).any(|folder| folder.join(name).is_file())
}

/// Each schema of the project's own is one.
pub(super) fn schemas(context: &Context, findings: &mut Findings) {
    let types = match context.event_types() {
        Ok(types) => types,
        Err(failure) => return findings.failed("schemas", &failure),
    };
    let mut own = 0usize;
    for name in types.own_names() {
        own = own.saturating_add(1);
        if let Err(failure) = types.check_schema(name) {
            findings.failed("schemas", &failure);
        }
    }
    findings.ok(
        "schemas",
        format!(
            "{own} of the project's own; unknown types: {}",
            types.unknown()
        ),
    );
}
