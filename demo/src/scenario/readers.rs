// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! B pulls, verifies and decrypts; C pulls and verifies the same, and cannot decrypt.

use super::{
    Agent, Chains, People,
    orders::{ENCRYPTED, Orders, stream},
};
use crate::{
    report::Evidence,
    stage::{Stage, Stopped, field, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::Value;

/// Exit code of a key that does not fit.
const EXIT_KEY: i32 = 8;

/// Both readers.
pub(super) async fn read(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    orders: &Orders,
) -> Result<(), Stopped> {
    stage
        .claim(
            "pulled",
            "B pulls: signatures, inclusion and finality of all three verify",
            async |s| {
                chains.served(&stream(people), 3).await?;
                let done = pull(s, &people.b, orders).await?;
                let passed = judged(s, &people.b, &orders.ids[0]).await?;
                let evidence = Evidence::new()
                    .with("verified and stored", number(&done, "/stored")?)
                    .with("quarantined", list(&done, "/quarantined")?.len())
                    .with("head", number(&done, "/head_sequence")?)
                    .with("final up to block", number(&done, "/finalized_block")?);
                Ok(((), evidence.with("checks of the first", passed)))
            },
        )
        .await?;
    stage
        .check(
            "decrypted",
            "B decrypts the second order: it is what A wrote",
            async |s| {
                let id = &orders.ids[ENCRYPTED];
                let done = people.b.ask(s, &["decrypt", id]).await?.success()?;
                let payload = field(&done, "/payload")?;
                ensure!(*payload == orders.confidential, "B reads {payload}");
                Ok(Evidence::new().with("payload", payload.to_string()))
            },
        )
        .await;
    stage
        .check(
            "outsider",
            "C verifies the same three and cannot decrypt the second",
            async |s| {
                let done = pull(s, &people.c, orders).await?;
                let second = &list(&done, "/events")?[ENCRYPTED];
                same("encrypted", second["encrypted"] == true, true)?;
                same("readable by C", second["readable"] == true, false)?;
                ensure!(second["payload"].is_null(), "C was given a payload");
                let id = &orders.ids[ENCRYPTED];
                let refused = people.c.ask(s, &["decrypt", id]).await?.failure(EXIT_KEY)?;
                let reason = text(&refused, "/error/code")?;
                same("the reason", reason.as_str(), "not_a_recipient")?;
                Ok(Evidence::new()
                    .with("verified and stored", number(&done, "/stored")?)
                    .with("decrypt refused", reason)
                    .with("exit code", EXIT_KEY))
            },
        )
        .await;
    Ok(())
}

/// The checks that a verification made, all passed, those named here among them.
async fn judged(stage: &mut Stage, agent: &Agent, id: &str) -> Result<Vec<String>> {
    let done = agent.ask(stage, &["verify", id]).await?.success()?;
    let mut passed = Vec::new();
    for check in list(&done, "/checks")? {
        if check["verdict"] == "pass" {
            passed.push(text(check, "/name")?);
        }
    }
    for name in [
        "author_signature",
        "registry_key",
        "inclusion",
        "block_commitment",
        "finality",
    ] {
        ensure!(
            passed.iter().any(|check| check == name),
            "{name} is not among {passed:?}"
        );
    }
    Ok(passed)
}

async fn pull(stage: &mut Stage, agent: &Agent, orders: &Orders) -> Result<Value> {
    let done = agent.ask(stage, &["pull", "--decrypt"]).await?.success()?;
    same("stored", number(&done, "/stored")?, 3)?;
    same("quarantined", list(&done, "/quarantined")?.len(), 0)?;
    for (index, (event, id)) in list(&done, "/events")?.iter().zip(&orders.ids).enumerate() {
        same("the event", &text(event, "/event_id")?, id)?;
        same(
            "its sequence",
            number(event, "/sequence")?,
            index as u64 + 1,
        )?;
    }
    Ok(done)
}
