// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bundles in files: writing them, making them from what was pulled, taking them in.

use super::{Context, resolve_event, unknown_event, verify::report, verify::trusted};
use crate::{
    cli::{BundleShowArgs, BundlesCommand, ExportArgs, ImportArgs},
    error::{Exit, Failure, Result},
    finality::{self, Pinned},
    home::{Existing, write_private},
    inbox,
    outbox::{self, State},
    output::Report,
    verify::{self, TrustAnchors, TrustedAuthorities},
};
use serde_json::json;
use std::path::PathBuf;
use ves_primitives::{stream_id, wire::BundleJson};

/// Writes a verified bundle, and says what to pin when it is verified elsewhere.
pub(super) fn write(context: &Context, args: &ExportArgs, bundle: &BundleJson) -> Result<Report> {
    let id = bundle.event.event.event_id;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{id}.bundle.json")));
    let mut text = serde_json::to_string_pretty(bundle).map_err(Failure::unexpected)?;
    text.push('\n');
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    if !context.dry_run {
        write_private(&path, text.as_bytes(), existing)?;
    }
    let authority_set = bundle
        .finality
        .as_ref()
        .and_then(|f| f.authorities.as_ref())
        .map(|set| set.hash(bundle.genesis_hash));
    let report = Report::new("ves.cli.export")
        .field("file", &path)
        .field("bytes", text.len())
        .field("verified", true)
        .field("event_id", id)
        .field("sequence", bundle.event.sequence)
        .field("block_number", bundle.event.block_number)
        .field(
            "block_hash",
            format!("0x{}", hex::encode(bundle.event.block_hash)),
        )
        .field("genesis_hash", bundle.genesis_hash)
        .field("authority_set", authority_set)
        .field("agent_key", bundle.signing_key.public_key)
        .field("batch_id", bundle.inclusion.batch.batch.batch_id)
        .field("events_root", bundle.inclusion.batch.batch.events_root)
        .field("anchor", &bundle.anchor)
        .field("proofs", bundle.proofs.len());
    if context.dry_run {
        return Ok(report.line(format!("would write {}", path.display())).dry());
    }
    Ok(report
        .line(format!("wrote {}", path.display()))
        .line(format!(
            "next: stateset-sync verify --bundle {}",
            path.display()
        )))
}

/// Makes a bundle of what a pull kept, or the push that brought the event into a final block: the record,
/// its leaf's path, the header, the proof of finality and the author's key.
pub(super) async fn export_offline(context: &Context, args: &ExportArgs) -> Result<Report> {
    let stream = context.stream()?;
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), &args.event_id).await?;
    let genesis = context.config.genesis().ok_or_else(|| {
        Failure::new(
            Exit::NotConfigured,
            "not_configured",
            "this project is not bound to a chain yet",
        )
        .hint("run `stateset-sync push` or `pull` first")
    })?;
    let incomplete = |what: &str| {
        Failure::new(
            Exit::NotVerified,
            "evidence_missing",
            format!("{what} of event {id} was not kept"),
        )
        .hint("export without --offline, which asks the node")
    };
    let Some(evidence) = inbox::evidence_of(&pool, stream, id).await? else {
        let pulled = inbox::find_in(&pool, stream, id).await?.is_some();
        let captured = outbox::find_in(&pool, stream, id).await?;
        return Err(match captured {
            Some(entry) if !pulled && entry.state != State::Finalized => Failure::new(
                Exit::NotVerified,
                "evidence_missing",
                format!("event {id} is {}, not proven final", entry.state),
            )
            .hint("run `stateset-sync push`, then export it"),
            None if !pulled => unknown_event(id),
            _ => incomplete("the batch"),
        });
    };
    let author = (
        evidence.record.event.source_agent_id,
        evidence.record.event.agent_key_id,
    );
    let key = inbox::key_record(&pool, genesis, stream.tenant, author)
        .await?
        .ok_or_else(|| incomplete("the key"))?;
    let sets = finality::load(&pool, genesis)
        .await?
        .ok_or_else(|| incomplete("the authority set"))?;
    let mut bundle = evidence.bundle(genesis, key);
    if let Some(proof) = &mut bundle.finality {
        // With later sets the reader would need their changes, which only a node has.
        let latest = &sets.latest().set;
        if sets.root_of(latest.set_id).set == *latest {
            proof.authorities = Some(latest.clone());
        }
    }
    let trust = TrustAnchors {
        genesis: Some(genesis),
        stream: Some(stream_id(stream.tenant, stream.store)),
        authorities: Some(TrustedAuthorities::Sets(sets)),
        ..TrustAnchors::default()
    };
    // Nothing leaves this machine as proof that would not convince ourselves.
    let verification = verify::offline(&bundle, &trust);
    if let Some(failure) = verify::failure(&verification) {
        return Ok(
            report(&context.ui, "ves.cli.export", &bundle, &verification)
                .field("file", None::<PathBuf>)
                .failing(Some(failure)),
        );
    }
    write(context, args, &bundle)
}

pub(super) async fn run(context: &Context, command: &BundlesCommand) -> Result<Report> {
    match command {
        BundlesCommand::List => list(context).await,
        BundlesCommand::Show(args) => show(context, args).await,
    }
}

async fn list(context: &Context) -> Result<Report> {
    let pool = context.pool().await?;
    let mut report = Report::new("ves.cli.bundles.list");
    let mut rows = Vec::new();
    for (imported_at, bundle) in inbox::bundles(&pool).await? {
        let event = &bundle.event.event;
        report = report.line(format!(
            "{}  {} {}  sequence {}  imported {imported_at}",
            event.event_id, event.event_type, event.entity_id, bundle.event.sequence
        ));
        rows.push(json!({
            "event_id": event.event_id,
            "genesis_hash": bundle.genesis_hash,
            "tenant_id": event.tenant_id,
            "store_id": event.store_id,
            "source_agent_id": event.source_agent_id,
            "entity_type": event.entity_type,
            "entity_id": event.entity_id,
            "event_type": event.event_type,
            "sequence": bundle.event.sequence,
            "block_number": bundle.event.block_number,
            "imported_at": imported_at,
        }));
    }
    if rows.is_empty() {
        report = report.line("no bundles; next: stateset-sync import FILE");
    }
    Ok(report.field("bundles", rows))
}

/// Judges an imported bundle anew: what is trusted may have changed since it was taken in.
async fn show(context: &Context, args: &BundleShowArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), &args.event_id).await?;
    let (imported_at, bundle) = inbox::bundle_of(&pool, id).await?.ok_or_else(|| {
        Failure::usage(
            "bundle_unknown",
            format!("no bundle of event {id} was imported"),
        )
        .hint("`stateset-sync bundles list` lists them")
    })?;
    let authorities = match super::verify::tracked(context, bundle.genesis_hash).await {
        Some(sets) => Some(sets),
        None => context
            .pinned_authorities()
            .as_ref()
            .map(trusted)
            .transpose()?,
    };
    let trust = TrustAnchors {
        genesis: context.config.genesis(),
        authorities,
        finality_demanded: true,
        ..TrustAnchors::default()
    };
    let verification = verify::offline(&bundle, &trust);
    let mut report = report(&context.ui, "ves.cli.bundles.show", &bundle, &verification)
        .field("imported_at", imported_at)
        .field("bundle", &bundle)
        .field("file", &args.out);
    if let Some(path) = &args.out {
        let mut text = serde_json::to_string_pretty(&bundle).map_err(Failure::unexpected)?;
        text.push('\n');
        let existing = if args.force {
            Existing::Replace
        } else {
            Existing::Keep
        };
        if !context.dry_run {
            write_private(path, text.as_bytes(), existing)?;
            report = report.line(format!("wrote {}", path.display()));
        }
    }
    Ok(report
        .dry_if(context.dry_run)
        .failing(verify::failure(&verification)))
}

/// Verifies a bundle as `verify` does and keeps it.
pub(super) async fn import(context: &Context, args: &ImportArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let bundle = verify::read_bundle(&args.file)?;
    let pin = args
        .authorities
        .as_deref()
        .map(Pinned::read)
        .transpose()?
        .or_else(|| context.pinned_authorities());
    let genesis = bundle.genesis_hash;
    let authorities = match (&pin, args.authorities.is_some()) {
        (Some(pin), true) => Some(trusted(pin)?),
        (pin, _) => match super::verify::tracked(context, genesis).await {
            Some(sets) => Some(sets),
            None => pin.as_ref().map(trusted).transpose()?,
        },
    };
    let trust = TrustAnchors {
        genesis: context.config.genesis(),
        agent_key: args.agent_key,
        authorities,
        // What is kept as proven is proven, or it is not kept.
        finality_demanded: true,
        ..TrustAnchors::default()
    };
    let verification = verify::offline(&bundle, &trust);
    let report = report(&context.ui, "ves.cli.import", &bundle, &verification);
    if let Some(failure) = verify::failure(&verification) {
        return Ok(report.field("imported", false).failing(Some(failure)));
    }
    if context.dry_run {
        return Ok(report.field("imported", false).dry());
    }
    inbox::keep_bundle(&pool, &bundle).await?;
    Ok(report
        .field("imported", true)
        .line(format!("kept event {}", bundle.event.event.event_id)))
}
