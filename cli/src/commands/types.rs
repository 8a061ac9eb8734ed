// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `types …`

use super::Context;
use crate::{
    chain::{Chain, ChainError},
    cli::TypesCommand,
    error::{Exit, Failure, Result},
    event_types::{EventTypes, Schema, Source},
    output::{Report, Tone},
};
use serde_json::{Value, json};
use std::path::PathBuf;
use ves_client::BlockHash;
use ves_primitives::registry::SchemaStatus;

impl Context {
    /// The folder of the project's own schemas.
    pub(crate) fn schemas_folder(&self) -> PathBuf {
        self.config
            .get(|c| &c.schemas_dir)
            .map_or_else(|| self.config.home.schemas(), |setting| setting.value)
    }

    /// The event types that are known here.
    pub(crate) fn event_types(&self) -> Result<EventTypes> {
        let unknown = self.config.get(|c| &c.unknown_event_types);
        let validates = self.config.get(|c| &c.validate_payloads);
        EventTypes::of(
            &self.schemas_folder(),
            unknown.map(|setting| setting.value),
            validates.is_none_or(|setting| setting.value),
        )
    }
}

pub(super) async fn run(context: &Context, command: &TypesCommand) -> Result<Report> {
    match command {
        TypesCommand::List { own } => list(context, *own),
        TypesCommand::Show(args) => show(context, &args.event_type),
        TypesCommand::Check => check(context).await,
    }
}

fn list(context: &Context, own: bool) -> Result<Report> {
    let types = context.event_types()?;
    let mut report = Report::new("ves.cli.types.list")
        .field("folder", context.schemas_folder())
        .field("unknown", types.unknown())
        .field("validates", types.validates());
    let (mut listed, mut bad) = (Vec::new(), None);
    for name in types.names() {
        let (source, hash, problem) = match types.schema(&name) {
            Ok(Some(found)) => {
                let problem = types.check_schema(&name).err();
                (found.source.name(), Some(found.hash), problem)
            }
            Ok(None) => continue,
            Err(failure) => (name.clone(), None, Some(failure)),
        };
        let is_own = source != Source::BuiltIn.name();
        if own && !is_own {
            continue;
        }
        report = report.line(match (&problem, hash) {
            (Some(failure), _) => format!(
                "{name:<40} {}",
                context.ui.paint(Tone::Bad, &failure.message)
            ),
            (None, hash) => format!(
                "{name:<40} {}  {source}",
                hash.map(|hash| hash.to_string()).unwrap_or_default()
            ),
        });
        listed.push(json!({
            "event_type": name,
            "source": source,
            "own": is_own,
            "hash": hash,
            "problem": problem.as_ref().map(|failure| &failure.message),
        }));
        bad = bad.or(problem);
    }
    Ok(report
        .line(format!("events of other types: {}", types.unknown()))
        .field("types", listed)
        .listing("types", "ves.cli.types.type")
        .failing(bad))
}

fn show(context: &Context, event_type: &str) -> Result<Report> {
    let found = context.event_types()?.schema(event_type)?;
    let Schema {
        source,
        hash,
        schema,
    } = found.ok_or_else(|| {
        Failure::usage(
            "event_type_unknown",
            format!("nobody described events of type {event_type}"),
        )
        .hint("`stateset-sync types list` lists the types")
    })?;
    Ok(Report::new("ves.cli.types.show")
        .field("event_type", event_type)
        .field("source", source.name())
        .field("hash", hash)
        .line(format!("{schema:#}"))
        .field("payload_schema", schema))
}

/// Compares the project's own schemas with the tenant's hashes on the chain.
async fn check(context: &Context) -> Result<Report> {
    let types = context.event_types()?;
    let tenant = context.config.tenant()?;
    let chain = context.connect().await?;
    let at = BlockHash(chain.finalized().await?.hash);
    let registered = chain
        .client()
        .schemas(tenant, Some(at))
        .await
        .map_err(ChainError::from)?;
    let mut rows: Vec<(String, &str, Value)> = Vec::new();
    for name in types.names() {
        let Some(found) = types.schema(&name)? else {
            continue;
        };
        let on_chain: Vec<_> = registered
            .iter()
            .filter(|entry| entry.event_type.as_slice() == name.as_bytes())
            .collect();
        let same = on_chain
            .iter()
            .rfind(|entry| entry.record.hash == found.hash);
        let state = match (same, on_chain.is_empty(), &found.source) {
            (Some(entry), _, _) if entry.record.status == SchemaStatus::Active => "registered",
            (Some(_), _, _) => "deprecated",
            (None, false, _) => "differs",
            (None, true, Source::File(_)) => "not_registered",
            (None, true, Source::BuiltIn) => continue,
        };
        let version = same.map(|entry| entry.version);
        rows.push((
            name,
            state,
            json!({ "hash": found.hash, "version": version }),
        ));
    }
    for entry in &registered {
        let name = String::from_utf8_lossy(&entry.event_type).into_owned();
        let is_known = rows.iter().any(|(known, _, _)| *known == name);
        if !is_known && entry.record.status == SchemaStatus::Active {
            let detail = json!({ "hash": entry.record.hash, "version": entry.version });
            rows.push((name, "missing_here", detail));
        }
    }
    let mut report = Report::new("ves.cli.types.check").field("tenant_id", tenant);
    let mut listed = Vec::new();
    for (name, state, detail) in &rows {
        let tone = match *state {
            "registered" => Tone::Good,
            "differs" => Tone::Bad,
            _ => Tone::Warn,
        };
        report = report.line(format!("{name:<40} {}", context.ui.paint(tone, state)));
        let mut row = detail.clone();
        row["event_type"] = json!(name);
        row["state"] = json!(state);
        listed.push(row);
    }
    if rows.is_empty() {
        report = report.line("neither the project nor the chain has schemas of this tenant");
    }
    let differing = rows
        .iter()
        .filter(|(_, state, _)| *state == "differs")
        .count();
    let failure = (differing > 0).then(|| {
        Failure::new(
            Exit::NotVerified,
            "schema_differs",
            format!("{differing} schema(s) differ from what the tenant registered"),
        )
        .hint(
            "get the registered schema, or register this one as a new version with \
             `stateset-sync schemas:register`",
        )
    });
    Ok(report
        .field("types", listed)
        .listing("types", "ves.cli.types.checked")
        .failing(failure))
}
