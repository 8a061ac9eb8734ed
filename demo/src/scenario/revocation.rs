// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A key that signed in time and was revoked before its event reached the chain.

use super::{
    Chains, People, append_order, chains::submit, entry_of, push_and_die, take_from_outbox,
};
use crate::{
    report::Evidence,
    stage::{Stage, Stopped, number, same, text},
};
use anyhow::Result;

const REASON: &str = "agent_key_invalid: revoked";
/// Exit code of a rejection.
const EXIT_REJECTED: i32 = 5;

/// C signs, is revoked, and tries both ways to the chain.
pub(super) async fn revoke(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
) -> Result<(), Stopped> {
    stage
        .claim(
            "revoked-key",
            "The chain refuses what a revoked key signed",
            async |s| show(s, chains, people).await,
        )
        .await
}

async fn show(stage: &mut Stage, chains: &Chains, people: &People) -> Result<((), Evidence)> {
    let c = &people.c;
    let id = append_order(stage, c, "C-1", &[]).await?;
    push_and_die(stage, c, "after-sign").await?;
    let (file, shown) = take_from_outbox(stage, c, &id, "revoked").await?;
    let key = number(&shown, "/event/agent_key_id")?.to_string();
    // The same event would be welcome now: only the revocation stands against it.
    let args = ["keys:revoke", "--key-id", &key, "--yes", "--dev-admin"];
    let revoked = c.ask(stage, &args).await?.success()?;

    let refused = submit(stage, chains, c.name, &[&file])
        .await?
        .failure(EXIT_REJECTED)?;
    same(
        "the pool's reason",
        text(&refused, "/reason")?.as_str(),
        REASON,
    )?;
    let pushed = c.ask(stage, &["push"]).await?.failure(EXIT_REJECTED)?;
    same("rejected", number(&pushed, "/rejected")?, 1)?;
    let entries = c.show_outbox(stage).await?;
    let entry = entry_of(&entries, &id)?;
    let reason = entry.reason.clone().unwrap_or_default();
    same("the reason in the outbox", reason.as_str(), REASON)?;
    let evidence = Evidence::new()
        .with("revoked in block", number(&revoked, "/block_number")?)
        .with("pool code", number(&refused, "/pool_code")?)
        .with("pool and push say", reason)
        .with("exit code", EXIT_REJECTED);
    Ok(((), evidence))
}
