// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `state`

use super::{Context, payloads::Payloads};
use crate::{
    cli::StateArgs,
    entities::{self, Entity},
    error::{Failure, Result},
    inbox,
    output::Report,
};
use serde_json::{Value, json};

fn entity_json(entity_type: &str, entity_id: &str, entity: &Entity, hash: &[u8; 32]) -> Value {
    json!({
        "entity_type": entity_type,
        "entity_id": entity_id,
        "version": entity.version,
        "sequence": entity.sequence,
        "state": entity.state,
        "deleted": entity.deleted,
        "opaque_events": entity.opaque,
        "state_hash": format!("0x{}", hex::encode(hash)),
    })
}

fn entity_line(entity_type: &str, entity_id: &str, entity: &Entity) -> String {
    let state = match (&entity.state, entity.deleted) {
        (_, true) => "deleted".to_owned(),
        (Some(state), _) => state.to_string(),
        (None, _) => "nothing readable".to_owned(),
    };
    let opaque = match entity.opaque {
        0 => String::new(),
        n => format!("  ({n} of {} events unreadable)", entity.version),
    };
    format!(
        "{entity_type} {entity_id}  version {}  {state}{opaque}",
        entity.version
    )
}

fn unknown(entity_type: &str, entity_id: &str) -> Failure {
    Failure::usage(
        "entity_unknown",
        format!("no verified event is about {entity_type} {entity_id}"),
    )
    .hint("run `stateset-sync pull`, and check tenant and store")
}

pub(super) async fn run(context: &Context, args: &StateArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    // The projection lies on disk: with that setting nothing decrypted may.
    let mut payloads = match (context.config.keeps_no_plaintext(), args.decrypt) {
        (true, _) => Payloads::none(),
        (false, true) => Payloads::asking(context)?,
        (false, false) => Payloads::quiet(context)?,
    };
    if let (Some(entity_type), Some(entity_id), Some(version)) =
        (&args.entity_type, &args.entity_id, args.at_version)
    {
        // Not stored anywhere, so it may be read all the same.
        let mut payloads = match args.decrypt {
            true => Payloads::asking(context)?,
            false => Payloads::quiet(context)?,
        };
        let (mut read, _) = payloads.split(context);
        let name = (entity_type.as_str(), entity_id.as_str());
        let (entity, _) = entities::at_version(&pool, stream, name, version, &mut read).await?;
        if entity.version != version || version == 0 {
            return Err(unknown(entity_type, entity_id));
        }
        let hash = entity.hash(entity_type, entity_id)?;
        return Ok(Report::new("ves.cli.state.entity")
            .field(
                "entity",
                entity_json(entity_type, entity_id, &entity, &hash),
            )
            .line(entity_line(entity_type, entity_id, &entity))
            .pair("state hash", format!("0x{}", hex::encode(hash))));
    }
    let projection = {
        let (mut read, _) = payloads.split(context);
        let rebuild = args.rebuild && !context.dry_run;
        entities::project(&pool, stream, rebuild, &mut read).await?
    };
    if let (Some(entity_type), Some(entity_id)) = (&args.entity_type, &args.entity_id) {
        let mut db = pool.acquire().await?;
        let (entity, hash) = entities::entity(&mut db, stream, entity_type, entity_id)
            .await?
            .ok_or_else(|| unknown(entity_type, entity_id))?;
        return Ok(Report::new("ves.cli.state.entity")
            .field(
                "entity",
                entity_json(entity_type, entity_id, &entity, &hash),
            )
            .line(entity_line(entity_type, entity_id, &entity))
            .pair("state hash", format!("0x{}", hex::encode(hash))));
    }
    let listed = entities::list(&pool, stream, args.entity_type.as_deref(), args.limit).await?;
    let (_, quarantined) = inbox::counts(&pool, stream).await?;
    let state_hash = format!("0x{}", hex::encode(projection.state_hash));
    let mut report = Report::new("ves.cli.state")
        .field("sequence", projection.sequence)
        .field("applied", projection.applied)
        .field("entities_total", projection.entities)
        .field("quarantined_events", quarantined)
        .field("state_hash", &state_hash);
    let mut rows = Vec::new();
    for (entity_type, entity_id, entity, hash) in &listed {
        report = report.line(entity_line(entity_type, entity_id, entity));
        rows.push(entity_json(entity_type, entity_id, entity, hash));
    }
    Ok(report
        .field("entities", rows)
        .pair("entities", projection.entities)
        .pair("sequence", projection.sequence)
        .pair("state hash", state_hash))
}
