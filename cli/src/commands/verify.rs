// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `verify` and `export`

use super::{Context, bundles, resolve_event, unknown_event};
use crate::{
    anchor::{AnchoredBatch, Contract},
    chain::Chain,
    cli::{ContractArgs, ExportArgs, VerifyArgs},
    error::{Failure, Result},
    finality::{self, Pinned},
    output::{Report, Tone, Ui},
    proofs::evidence,
    rules,
    verify::{self, TrustAnchors, TrustedAuthorities, Verdict, Verification},
};
use std::path::PathBuf;
use ves_primitives::{
    AuthoritySetHash, EventId, GenesisHash, StreamId, stream_id,
    wire::{AnchorJson, BundleJson},
};

pub(super) async fn run(context: &Context, args: &VerifyArgs) -> Result<Report> {
    match (&args.bundle, &args.event_id) {
        (Some(path), _) => of_bundle(context, args, &verify::read_bundle(path)?).await,
        (None, Some(text)) => of_event(context, args, text).await,
        (None, None) => Err(Failure::usage("usage", "give an event id or --bundle")),
    }
}

fn pins(context: &Context, args: &VerifyArgs) -> Result<(TrustAnchors, Option<Pinned>)> {
    let trust = TrustAnchors {
        genesis: args.genesis.or_else(|| context.config.genesis()),
        agent_key: args.agent_key,
        events_root: args.events_root,
        block_hash: args.block_hash.map(|hash| hash.0),
        finality_demanded: args.authorities.is_some(),
        ..TrustAnchors::default()
    };
    let pin = args
        .authorities
        .as_deref()
        .map(Pinned::read)
        .transpose()?
        .or_else(|| context.pinned_authorities());
    Ok((trust, pin))
}

/// Verifies a bundle without asking any node.
pub(super) async fn of_bundle(
    context: &Context,
    args: &VerifyArgs,
    bundle: &BundleJson,
) -> Result<Report> {
    let contract = context.contract(&args.contract)?;
    let (mut trust, pin) = pins(context, args)?;
    trust.stream = pinned_stream(context);
    trust.contract = ask(contract.as_ref(), bundle).await?;
    trust.authorities = match (&pin, args.authorities.is_some()) {
        (Some(pin), true) => Some(trusted(pin)?),
        (pin, _) => match tracked(context, bundle.genesis_hash).await {
            Some(sets) => Some(sets),
            None => pin.as_ref().map(trusted).transpose()?,
        },
    };
    let verification = verify::offline(bundle, &trust);
    Ok(report(&context.ui, "ves.cli.verify", bundle, &verification)
        .field("offline", true)
        .failing(verify::failure(&verification)))
}

/// Fetches the evidence of an event and verifies it.
async fn of_event(context: &Context, args: &VerifyArgs, text: &str) -> Result<Report> {
    let contract = context.contract(&args.contract)?;
    let (mut trust, pin) = pins(context, args)?;
    let stream = context.stream()?;
    let pool = context.pool().await.ok();
    let id = resolve_event(pool.as_ref(), text).await?;
    let chain = context.connect().await?;
    trust.stream = Some(stream_id(stream.tenant, stream.store));
    let bundle = chain
        .bundle(stream.tenant, stream.store, id)
        .await?
        .ok_or_else(|| unknown_event(id))?;
    is_about(&bundle, id)?;
    trust.contract = ask(contract.as_ref(), &bundle).await?;
    let sets = finality::track(pool.as_ref(), &chain, pin.as_ref(), &context.ui).await?;
    trust.authorities = Some(TrustedAuthorities::Sets(sets));
    let mut verification = verify::offline(&bundle, &trust);
    verify::online(&mut verification, &bundle, &chain).await?;
    Ok(
        report(&context.ui, "ves.cli.verify", &bundle, &verification)
            .field("offline", false)
            .failing(verify::failure(&verification)),
    )
}

pub(super) fn trusted(pin: &Pinned) -> Result<TrustedAuthorities> {
    match pin {
        Pinned::Named(hash) => Ok(TrustedAuthorities::Named(*hash)),
        Pinned::Set(set) => finality::first(set.clone()).map(TrustedAuthorities::Sets),
    }
}

/// The sets that this project trusts on a bundle's chain; none outside of a project.
pub(super) async fn tracked(context: &Context, genesis: GenesisHash) -> Option<TrustedAuthorities> {
    let pool = context.pool().await.ok()?;
    let sets = finality::load(&pool, genesis).await.ok()??;
    Some(TrustedAuthorities::Sets(sets))
}

/// Only flags and environment say what a foreign bundle must be about; a project's own settings
/// do not, since bundles come from elsewhere.
fn pinned_stream(context: &Context) -> Option<StreamId> {
    use crate::config::Origin;
    let explicit = |origin: Origin| matches!(origin, Origin::Flag | Origin::Env);
    let tenant = context
        .config
        .get(|c| &c.tenant_id)
        .filter(|s| explicit(s.origin))?;
    let store = context
        .config
        .get(|c| &c.store_id)
        .filter(|s| explicit(s.origin))?;
    Some(stream_id(tenant.value, store.value))
}

fn is_about(bundle: &BundleJson, id: EventId) -> Result<()> {
    if bundle.event.event.event_id == id {
        return Ok(());
    }
    Err(Failure::new(
        crate::error::Exit::NotVerified,
        "event_identity_conflict",
        format!(
            "asked for event {id}, the node gave {}",
            bundle.event.event.event_id
        ),
    )
    .hint("ask another node"))
}

async fn ask(
    contract: Option<&Contract>,
    bundle: &BundleJson,
) -> Result<Option<Option<AnchoredBatch>>> {
    match contract {
        None => Ok(None),
        Some(contract) => contract
            .read(bundle.inclusion.batch.batch.batch_id)
            .await
            .map(Some),
    }
}

pub(super) fn report(
    ui: &Ui,
    schema: &'static str,
    bundle: &BundleJson,
    verification: &Verification,
) -> Report {
    let batch = &bundle.inclusion.batch.batch;
    let caveats = verify::caveats(verification);
    let mut report = Report::new(schema)
        .field("verified", verification.holds())
        .field("event_id", bundle.event.event.event_id)
        .field("sequence", bundle.event.sequence)
        .field("block_number", bundle.event.block_number)
        .field(
            "block_hash",
            format!("0x{}", hex::encode(bundle.event.block_hash)),
        )
        .field("batch_id", batch.batch_id)
        .field("events_root", batch.events_root)
        .field("new_state_root", batch.new_state_root)
        .field("receipt_hash", bundle.event.receipt_hash)
        .field(
            "failed",
            verification.first_failure().and_then(|check| check.reason),
        )
        .field("checks", &verification.checks)
        .field("relies_on", &caveats);
    for check in &verification.checks {
        let (tone, word) = match check.verdict {
            Verdict::Pass => (Tone::Good, "pass"),
            Verdict::Fail => (Tone::Bad, "FAIL"),
            Verdict::NotJudged => (Tone::Warn, "----"),
            Verdict::Trusted => (Tone::Dim, "open"),
        };
        let reason = check.reason.map(|r| format!("{r}: ")).unwrap_or_default();
        report = report.line(format!(
            "{}  {:<18} {}: {reason}{}",
            ui.paint(tone, word),
            check.name,
            check.claim,
            check.evidence
        ));
    }
    for caveat in caveats {
        report = report.line(format!(
            "{} {caveat}",
            ui.paint(Tone::Warn, "relies on trust:")
        ));
    }
    let verdict = if verification.holds() {
        ui.paint(Tone::Good, "verified")
    } else {
        ui.paint(Tone::Bad, "NOT verified")
    };
    report.line(format!("event {} {verdict}", bundle.event.event.event_id))
}

/// A bundle that convinced us, or why it did not.
pub(super) struct Proven {
    pub(super) id: EventId,
    pub(super) bundle: BundleJson,
    pub(super) authority_set: Option<AuthoritySetHash>,
    verification: Verification,
}

impl Proven {
    /// What is wrong with it, as a report; nothing leaves this machine as proof then.
    pub(super) fn refusal(&self, context: &Context) -> Option<Report> {
        let failure = verify::failure(&self.verification)?;
        let schema = "ves.cli.export";
        Some(report(&context.ui, schema, &self.bundle, &self.verification).failing(Some(failure)))
    }
}

/// Gathers the evidence of an event and verifies it.
pub(super) async fn proven(
    context: &Context,
    event: &str,
    contract: &ContractArgs,
) -> Result<Proven> {
    let stream = context.stream()?;
    let contract = context.contract(contract)?;
    let pool = context.pool().await.ok();
    let id = resolve_event(pool.as_ref(), event).await?;
    let chain = context.connect().await?;
    let mut bundle = chain
        .bundle(stream.tenant, stream.store, id)
        .await?
        .ok_or_else(|| unknown_event(id))?;
    is_about(&bundle, id)?;
    let pin = context.pinned_authorities();
    let sets = finality::track(pool.as_ref(), &chain, pin.as_ref(), &context.ui).await?;
    if let Ok(header) = rules::header(&bundle.inclusion) {
        bundle.finality = finality::evidence(&chain, &sets, &header, &context.ui).await?;
    }
    bundle.proofs = evidence::of_event(&chain, &bundle).await?;
    let authority_set = bundle
        .finality
        .as_ref()
        .and_then(|f| f.authorities.as_ref())
        .map(|set| set.hash(bundle.genesis_hash));
    let mut trust = TrustAnchors {
        genesis: Some(chain.genesis_hash()),
        stream: Some(stream_id(stream.tenant, stream.store)),
        authorities: Some(TrustedAuthorities::Sets(sets)),
        ..TrustAnchors::default()
    };
    trust.contract = ask(contract.as_ref(), &bundle).await?;
    if let Some(Some(found)) = &trust.contract {
        bundle.anchor = Some(AnchorJson::from(found));
    }
    // Nothing leaves this machine as proof that would not convince ourselves.
    let mut verification = verify::offline(&bundle, &trust);
    verify::online(&mut verification, &bundle, &chain).await?;
    Ok(Proven {
        id,
        bundle,
        authority_set,
        verification,
    })
}

pub(super) async fn export(context: &Context, args: &ExportArgs) -> Result<Report> {
    if args.offline {
        return bundles::export_offline(context, args).await;
    }
    let proven = proven(context, &args.event_id, &args.contract).await?;
    match proven.refusal(context) {
        Some(report) => Ok(report.field("file", None::<PathBuf>)),
        None => bundles::write(context, args, &proven.bundle),
    }
}
