// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Exported evidence with one thing changed: each refused, each with its own reason.

use super::{BUNDLES, People, chains::from_agent, orders::bundle_file};
use crate::{
    report::Evidence,
    stage::{Stage, Typed, same, text},
    tamper::What,
};
use anyhow::{Result, ensure};
use clap::ValueEnum;

/// Exit code of a verification that failed.
const EXIT_NOT_VERIFIED: i32 = 7;

/// Id, claim, change, and the reason to be given.
const FORGERIES: [(&str, &str, What, &str); 7] = [
    (
        "forged-payload",
        "An altered payload is noticed",
        What::Payload,
        "payload_hash_invalid",
    ),
    (
        "forged-signature",
        "An altered signature is noticed",
        What::Signature,
        "signature_invalid",
    ),
    (
        "forged-stream",
        "An event moved to another store is noticed",
        What::Store,
        "stream_mismatch",
    ),
    (
        "forged-sibling",
        "A wrong Merkle sibling is noticed",
        What::Sibling,
        "inclusion_invalid",
    ),
    (
        "forged-receipt",
        "A forged receipt is noticed",
        What::Receipt,
        "receipt_invalid",
    ),
    (
        "forged-root",
        "Another events root is noticed",
        What::EventsRoot,
        "inclusion_invalid",
    ),
    (
        "forged-justification",
        "A justification with a signature that an authority did not make is noticed",
        What::Justification,
        "justification_invalid",
    ),
];

/// Every forgery, against the genuine bundle as control.
pub(super) async fn forge(stage: &mut Stage, people: &People) {
    for (id, claim, what, reason) in FORGERIES {
        stage
            .check(id, claim, async |s| {
                forgery(s, people, id, what, reason).await
            })
            .await;
    }
}

async fn forgery(
    stage: &mut Stage,
    people: &People,
    id: &str,
    what: What,
    reason: &str,
) -> Result<Evidence> {
    let genuine = from_agent(BUNDLES, &bundle_file(0));
    let forged = from_agent(BUNDLES, &format!("{id}.json"));
    let name = what
        .to_possible_value()
        .map(|v| v.get_name().to_owned())
        .unwrap_or_default();
    let mut command = Typed::new(stage, &stage.tools.demo, "ves-demo", people.b.name)
        .args(["tamper", &name, &genuine, &forged]);
    if what == What::Store {
        command = command.arg("--store").arg(people.other_store.to_string());
    }
    let done = command.run(stage).await?;
    ensure!(done.code == Some(0), "tamper: {}", done.stderr.trim());

    let control = people
        .b
        .ask(stage, &["verify", "--bundle", &genuine])
        .await?
        .success()?;
    same(
        "the genuine bundle verifies",
        control["verified"] == true,
        true,
    )?;
    let refused = people
        .b
        .ask(stage, &["verify", "--bundle", &forged])
        .await?
        .failure(EXIT_NOT_VERIFIED)?;
    let found = text(&refused, "/failed")?;
    same("the reason", found.as_str(), reason)?;
    Ok(Evidence::new()
        .with("refused", found)
        .with("exit code", EXIT_NOT_VERIFIED)
        .with("message", text(&refused, "/error/message")?))
}
