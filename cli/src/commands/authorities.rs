// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `authorities …`

use super::Context;
use crate::{
    chain::Chain,
    cli::AuthoritiesCommand,
    error::Result,
    finality::{self, Followed},
    output::{Report, Tone},
};
use serde_json::{Value, json};
use ves_finality::{Era, TrackedSets};
use ves_primitives::GenesisHash;

pub(super) async fn run(context: &Context, command: &AuthoritiesCommand) -> Result<Report> {
    let pool = context.pool().await?;
    let chain = context.connect().await?;
    let pin = context.pinned_authorities();
    let known = finality::ask(Some(&pool), &chain, pin.as_ref(), &context.ui).await?;
    let (report, (sets, Followed { forced, .. })) = match command {
        AuthoritiesCommand::List => (Report::new("ves.cli.authorities.list"), known),
        AuthoritiesCommand::Accept { set } => {
            let keep = (!context.dry_run).then_some(&pool);
            let known = finality::accept(keep, &chain, known, *set).await?;
            (
                Report::new("ves.cli.authorities.accept").dry_if(context.dry_run),
                known,
            )
        }
    };
    let genesis = chain.genesis_hash();
    let forced = forced.as_ref().map(|forced| &forced.era);
    let report = table(report, &sets, genesis);
    Ok(waiting(context, report, forced, genesis))
}

fn era_json(era: &Era, trust: &str, genesis: GenesisHash) -> Value {
    json!({
        "set_id": era.set.set_id,
        "hash": era.set.hash(genesis),
        "after_block": era.after,
        "members": era.set.authorities.len(),
        "trust": trust,
    })
}

/// Why each set is trusted.
const fn trust(era: &Era, first: bool) -> &'static str {
    match (first, era.forced) {
        (true, _) => "first",
        (_, true) => "accepted",
        (_, false) => "followed",
    }
}

/// Adds the sets that are trusted.
fn table(mut report: Report, sets: &TrackedSets, genesis: GenesisHash) -> Report {
    let mut listed = Vec::new();
    for (n, era) in sets.eras().iter().enumerate() {
        let trust = trust(era, n == 0);
        let (set_id, hash) = (era.set.set_id, era.set.hash(genesis));
        let (members, after) = (era.set.authorities.len(), era.after);
        report = report.line(format!(
            "set {set_id}  {hash}  {members} members, above block {after}, {trust}"
        ));
        listed.push(era_json(era, trust, genesis));
    }
    report.field("authorities", listed)
}

/// Adds a set that waits to be accepted.
fn waiting(
    context: &Context,
    report: Report,
    forced: Option<&Era>,
    genesis: GenesisHash,
) -> Report {
    let Some(era) = forced else {
        return report.field("waiting", Value::Null);
    };
    let (set_id, hash) = (era.set.set_id, era.set.hash(genesis));
    let state = context.ui.paint(Tone::Warn, "NOT trusted");
    report
        .line(format!(
            "set {set_id}  {hash}  {} members, above block {}, {state}: the chain was forced to it",
            era.set.authorities.len(),
            era.after
        ))
        .line(format!(
            "next: ask operators whom you trust; if it is theirs: stateset-sync authorities accept {hash}"
        ))
        .field("waiting", era_json(era, "none", genesis))
}
