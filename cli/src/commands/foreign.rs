// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys import` and `keys add-external`: keys whose private half is elsewhere.

use super::{
    Context,
    keys::{key_json, key_line},
};
use crate::{
    chain::Chain,
    cli::{AddExternalArgs, KeysImportArgs},
    error::{Exit, Failure, Result},
    home::read_input,
    inbox,
    output::Report,
};
use serde::Deserialize;
use serde_json::json;
use ves_primitives::{AgentId, KeyId, SigningPublicKey};

const MAX_FILE_BYTES: u64 = 64 * 1024;

/// What `keys export --json` prints, as far as it matters here.
#[derive(Deserialize)]
struct Exported {
    agent_id: AgentId,
    signing_key_id: KeyId,
    signing_public_key: SigningPublicKey,
}

/// Pins another agent's signing key: `pull` then takes no other under that number, whatever a node's
/// registry shows.
pub(super) async fn import(context: &Context, args: &KeysImportArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let tenant = context.config.tenant()?;
    let bytes = read_input(&args.file, MAX_FILE_BYTES)?;
    let key: Exported = serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage("keys_invalid", format!("{}: {error}", args.file.display()))
            .hint("give what `stateset-sync keys:export --json` printed")
    })?;
    key.signing_public_key
        .check()
        .map_err(|error| Failure::usage("keys_invalid", error.to_string()))?;
    let genesis = match context.config.genesis() {
        Some(genesis) => genesis,
        None => context.connect().await?.genesis_hash(),
    };
    let report = Report::new("ves.cli.keys.import")
        .field("agent_id", key.agent_id)
        .field("signing_key_id", key.signing_key_id)
        .field("signing_public_key", key.signing_public_key)
        .line(format!(
            "signing key {} of agent {} is {}",
            key.signing_key_id, key.agent_id, key.signing_public_key
        ));
    if context.dry_run {
        return Ok(report.dry());
    }
    let pinned = inbox::pin_key(
        &pool,
        genesis,
        tenant,
        key.agent_id,
        key.signing_key_id,
        key.signing_public_key,
    )
    .await?;
    let conflict = (pinned != key.signing_public_key).then(|| {
        Failure::new(
            Exit::NotVerified,
            "peer_key_conflict",
            format!("that number was pinned to {pinned} before"),
        )
        .hint("ask the agent's owner which key is right; a pin is never replaced")
    });
    Ok(report.field("pinned", json!(pinned)).failing(conflict))
}

pub(super) fn add_external(context: &Context, args: &AddExternalArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let (store, agent) = (context.keys(), context.config.agent()?);
    args.public_key
        .check()
        .map_err(|error| Failure::usage("public_key_invalid", error.to_string()))?;
    if context.dry_run {
        let key = store.next_id(agent, crate::keys::Purpose::Signing)?;
        return Ok(Report::new("ves.cli.keys.add-external")
            .field("agent_id", agent)
            .field("key_id", key)
            .line(format!("would add signing key {key}"))
            .dry());
    }
    let file = store.add_external(agent, args.public_key, &args.command)?;
    Ok(Report::new("ves.cli.keys.add-external")
        .field("agent_id", agent)
        .field("key", key_json(&file))
        .field("command", &args.command)
        .line(key_line(&file))
        .line("next: stateset-sync keys:register --purpose signing"))
}
