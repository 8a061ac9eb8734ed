// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `schemas …`

use super::{Context, admin};
use crate::{
    chain::{Chain, ChainError},
    cli::{SchemaName, SchemasCommand},
    error::{Exit, Failure, Result},
    event_types::{MAX_SCHEMA_BYTES, schema_hash},
    home::read_bounded,
    output::Report,
};
use serde_json::json;
use std::path::Path;
use ves_client::{AdminCall, BlockHash};
use ves_primitives::{EventType, SchemaHash, registry::SchemaStatus};

/// SHA-256 of the schema's canonical JSON, so that layout does not matter.
fn hash_file(path: &Path) -> Result<SchemaHash> {
    let bytes = read_bounded(path, MAX_SCHEMA_BYTES)?;
    let invalid = |why: String| {
        Failure::usage("schema_invalid", format!("{}: {why}", path.display()))
            .hint("a schema is one JSON document in UTF-8")
    };
    let text = std::str::from_utf8(&bytes).map_err(|e| invalid(e.to_string()))?;
    schema_hash(text).map_err(invalid)
}

fn event_type(name: &SchemaName) -> Result<EventType> {
    let bytes = name.event_type.clone().into_bytes();
    EventType::try_from(bytes)
        .ok()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            Failure::usage(
                "event_type_invalid",
                "an event type is neither empty nor longer than the chain takes",
            )
        })
}

fn named(report: Report, name: &SchemaName) -> Report {
    report
        .field("event_type", &name.event_type)
        .field("version", name.schema_version)
}

pub(super) async fn run(context: &Context, command: &SchemasCommand) -> Result<Report> {
    match command {
        SchemasCommand::Hash(args) => {
            let hash = hash_file(&args.file)?;
            Ok(Report::new("ves.cli.schemas.hash")
                .field("hash", hash)
                .line(hash.to_string()))
        }
        SchemasCommand::Register(args) => {
            let tenant = context.config.tenant()?;
            let hash = hash_file(&args.file)?;
            let call = AdminCall::RegisterSchema {
                tenant,
                event_type: event_type(&args.name)?,
                version: args.name.schema_version,
                hash,
            };
            admin::signer(&args.admin)?;
            let chain = context.connect().await?;
            let report = named(Report::new("ves.cli.schemas.register"), &args.name)
                .field("tenant_id", tenant)
                .field("hash", hash)
                .line(format!("registered {hash}"));
            admin::submit(context, &chain, &args.admin, &[call], report).await
        }
        SchemasCommand::Deprecate(args) => {
            let tenant = context.config.tenant()?;
            let status = if args.lift {
                SchemaStatus::Active
            } else {
                SchemaStatus::Deprecated
            };
            let call = AdminCall::SetSchemaStatus {
                tenant,
                event_type: event_type(&args.name)?,
                version: args.name.schema_version,
                status,
            };
            admin::signer(&args.admin)?;
            let chain = context.connect().await?;
            let report = named(Report::new("ves.cli.schemas.deprecate"), &args.name)
                .field("tenant_id", tenant)
                .field("status", status)
                .line(format!(
                    "schema {} version {} is {status}",
                    args.name.event_type, args.name.schema_version
                ));
            admin::submit(context, &chain, &args.admin, &[call], report).await
        }
        SchemasCommand::List => list(context).await,
        SchemasCommand::Check(args) => check(context, &args.file, &args.name).await,
    }
}

async fn list(context: &Context) -> Result<Report> {
    let tenant = context.config.tenant()?;
    let chain = context.connect().await?;
    let at = BlockHash(chain.finalized().await?.hash);
    let schemas = chain
        .client()
        .schemas(tenant, Some(at))
        .await
        .map_err(ChainError::from)?;
    let mut report = Report::new("ves.cli.schemas.list").field("tenant_id", tenant);
    let mut listed = Vec::new();
    for entry in schemas {
        let event_type = String::from_utf8_lossy(&entry.event_type);
        report = report.line(format!(
            "{event_type:<24} {:>4}  {:<10}  {}",
            entry.version, entry.record.status, entry.record.hash
        ));
        listed.push(json!({
            "event_type": event_type,
            "version": entry.version,
            "hash": entry.record.hash,
            "status": entry.record.status,
            "registered_at": entry.record.registered_at,
        }));
    }
    if listed.is_empty() {
        report = report.line("no schemas; next: stateset-sync schemas:register");
    }
    Ok(report.field("schemas", listed))
}

async fn check(context: &Context, file: &Path, name: &SchemaName) -> Result<Report> {
    let tenant = context.config.tenant()?;
    let found = hash_file(file)?;
    let chain = context.connect().await?;
    let at = BlockHash(chain.finalized().await?.hash);
    let record = chain
        .client()
        .schema(tenant, &event_type(name)?, name.schema_version, Some(at))
        .await
        .map_err(ChainError::from)?
        .ok_or_else(|| {
            Failure::usage(
                "schema_unknown",
                format!(
                    "tenant {tenant} has no schema {} version {}",
                    name.event_type, name.schema_version
                ),
            )
            .hint("`stateset-sync schemas:list` lists the schemas")
        })?;
    if record.hash != found {
        return Err(Failure::new(
            Exit::NotVerified,
            "schema_differs",
            format!(
                "the file has the hash {found}, the registry has {}",
                record.hash
            ),
        ));
    }
    Ok(named(Report::new("ves.cli.schemas.check"), name)
        .field("tenant_id", tenant)
        .field("hash", found)
        .field("status", record.status)
        .line(format!(
            "the file is the registered schema ({})",
            record.status
        )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> Result<SchemaHash> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("schema.json");
        std::fs::write(&path, text).unwrap();
        hash_file(&path)
    }

    #[test]
    fn the_hash_is_of_the_content_not_of_its_layout() {
        let one = hash("{\"type\":\"object\",\"required\":[\"total\"]}").unwrap();
        let other = hash("{ \"required\": [ \"total\" ],\n  \"type\": \"object\" }\n").unwrap();
        assert_eq!(one, other);
        assert_ne!(one, hash("{\"type\":\"object\"}").unwrap());
        // SHA-256 of `{"type":"object"}`, computed elsewhere.
        assert_eq!(
            hash("{\"type\":\"object\"}").unwrap().to_string(),
            "0xa2c799262a3ce3c19ef5cdd983bf3d12b43ab3c426227091b909dcb7054738c0"
        );
    }

    #[test]
    fn what_is_not_one_json_document_has_no_hash() {
        for text in ["", "{", "{} {}", "{\"a\":1,\"a\":2}"] {
            let failure = hash(text).unwrap_err();
            assert_eq!(failure.code, "schema_invalid", "{text}");
        }
    }
}
