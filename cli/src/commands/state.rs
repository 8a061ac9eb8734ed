// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `state`

use super::{Context, payloads::Payloads};
use crate::{
    cli::StateArgs,
    entities::{self, Entity},
    error::{Failure, Result},
    inbox::{self, Missing},
    output::Report,
};
use serde_json::{Value, json};

/// `quarantined` records name the entity: its version and state may lack them.
fn entity_json(
    (entity_type, entity_id): (&str, &str),
    entity: &Entity,
    hash: &[u8; 32],
    quarantined: u64,
) -> Value {
    json!({
        "entity_type": entity_type,
        "entity_id": entity_id,
        "version": entity.version,
        "sequence": entity.sequence,
        "state": entity.state,
        "deleted": entity.deleted,
        "opaque_events": entity.opaque,
        "quarantined_events": quarantined,
        "incomplete": quarantined > 0,
        "state_hash": format!("0x{}", hex::encode(hash)),
    })
}

fn entity_line(
    (entity_type, entity_id): (&str, &str),
    entity: &Entity,
    quarantined: u64,
) -> String {
    let state = match (&entity.state, entity.deleted) {
        (_, true) => "deleted".to_owned(),
        (Some(state), _) => state.to_string(),
        (None, _) => "nothing readable".to_owned(),
    };
    let opaque = match entity.opaque {
        0 => String::new(),
        n => format!("  ({n} of {} events unreadable)", entity.version),
    };
    let incomplete = match quarantined {
        0 => String::new(),
        n => format!("  (incomplete: {n} event(s) in quarantine)"),
    };
    format!(
        "{entity_type} {entity_id}  version {}  {state}{opaque}{incomplete}",
        entity.version
    )
}

fn entity_report(name: (&str, &str), entity: &Entity, hash: &[u8; 32], missing: Missing) -> Report {
    let quarantined = missing.of_entity;
    let report = Report::new("ves.cli.state.entity")
        .field("entity", entity_json(name, entity, hash, quarantined))
        .field("quarantined_events", missing.in_stream)
        .line(entity_line(name, entity, quarantined))
        .pair("state hash", format!("0x{}", hex::encode(hash)));
    match missing.in_stream {
        0 => report,
        n => report.line(format!(
            "{n} event(s) of the stream are in quarantine: the chain may count more versions than this \
             shows; `stateset-sync doctor --promote` looks at them again"
        )),
    }
}

fn unknown((entity_type, entity_id): (&str, &str), missing: Missing) -> Failure {
    let why = format!("no verified event is about {entity_type} {entity_id}");
    match missing.of_entity {
        0 => Failure::usage("entity_unknown", why)
            .hint("run `stateset-sync pull`, and check tenant and store"),
        n => Failure::usage(
            "entity_unknown",
            format!("{why}, and {n} in quarantine name it"),
        )
        .hint("`stateset-sync doctor --promote` looks at them again"),
    }
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
        let missing = inbox::missing(&pool, stream, name).await?;
        if entity.version != version || version == 0 {
            return Err(unknown(name, missing));
        }
        let hash = entity.hash(entity_type, entity_id)?;
        return Ok(entity_report(name, &entity, &hash, missing));
    }
    // In a dry run it stays where it is, and what is shown is the state up to there.
    let projection = {
        let (mut read, _) = payloads.split(context);
        entities::project(&pool, stream, args.rebuild, &mut read).await?
    };
    if let (Some(entity_type), Some(entity_id)) = (&args.entity_type, &args.entity_id) {
        let name = (entity_type.as_str(), entity_id.as_str());
        let missing = inbox::missing(&pool, stream, name).await?;
        let mut db = pool.acquire().await?;
        let (entity, hash) = entities::entity(&mut db, stream, entity_type, entity_id)
            .await?
            .ok_or_else(|| unknown(name, missing))?;
        return Ok(entity_report(name, &entity, &hash, missing).dry_if(context.dry_run));
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
        let name = (entity_type.as_str(), entity_id.as_str());
        // Only a stream with a quarantine has entities to look for in it.
        let missing = match quarantined {
            0 => Missing::default(),
            _ => inbox::missing(&pool, stream, name).await?,
        };
        report = report.line(entity_line(name, entity, missing.of_entity));
        rows.push(entity_json(name, entity, hash, missing.of_entity));
    }
    Ok(report
        .field("entities", rows)
        .pair("entities", projection.entities)
        .pair("sequence", projection.sequence)
        .pair("state hash", state_hash)
        .dry_if(context.dry_run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_with_events_in_quarantine_is_shown_as_incomplete_in_both_forms() {
        let entity = Entity {
            version: 3,
            sequence: 7,
            state: Some(json!({"total": 12})),
            ..Entity::default()
        };
        let name = ("order", "A-1");
        for (quarantined, incomplete) in [(0, false), (2, true)] {
            let row = entity_json(name, &entity, &[0; 32], quarantined);
            assert_eq!(row["incomplete"], incomplete);
            assert_eq!(row["quarantined_events"], quarantined);
            let line = entity_line(name, &entity, quarantined);
            assert_eq!(
                line.contains("incomplete: 2 event(s)"),
                incomplete,
                "{line}"
            );
        }
        let missing = |of_entity| Missing {
            of_entity,
            in_stream: 2,
        };
        assert!(!unknown(name, missing(0)).message.contains("quarantine"));
        assert!(
            unknown(name, missing(2))
                .message
                .contains("2 in quarantine")
        );
        // Of whom the others are, only their own word says.
        let report = entity_report(name, &entity, &[0; 32], missing(0));
        assert_eq!(report.get("quarantined_events"), Some(&json!(2)));
    }
}
