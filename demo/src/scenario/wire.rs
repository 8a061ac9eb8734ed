// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events altered on their way to the chain: refused by the pool, and again in the block.

use super::{
    BUNDLES, Chains, PATIENCE, People, WIRE, append_order,
    chains::{from_agent, submit},
    entry_of,
    orders::{Orders, bundle_file, stream},
    push_and_die, take_from_outbox,
};
use crate::{
    processes::wait_for,
    report::Evidence,
    stage::{Stage, Stopped, fresh_uuid, list, number, same, text},
    tamper::{self, What},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use ves_primitives::StoreId;

/// Exit code of a rejection.
const EXIT_REJECTED: i32 = 5;

/// Two orders, signed but not sent: the material of the attacks.
struct Signed {
    fourth: String,
    fifth: String,
    unknown_store: StoreId,
}

/// All attacks.
pub(super) async fn attack(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    orders: &Orders,
) -> Result<(), Stopped> {
    let signed = stage
        .claim(
            "cut-off",
            "A's push dies between signing and sending: two signed orders stay in the outbox",
            async |s| sign_two(s, people).await,
        )
        .await?;
    for (id, claim, file, reason) in [
        (
            "pool-payload",
            "The chain refuses an altered payload",
            "payload",
            "invalid_payload_hash",
        ),
        (
            "pool-signature",
            "The chain refuses an altered signature",
            "signature",
            "invalid_signature",
        ),
        (
            "pool-stream",
            "The chain refuses an event moved to another store",
            "stream",
            "invalid_signature",
        ),
        (
            "pool-store",
            "The chain refuses an event for an unknown store",
            "store",
            "unknown_store",
        ),
    ] {
        stage
            .check(id, claim, async |s| {
                let file = from_agent(WIRE, &format!("{file}.json"));
                let done = submit(s, chains, people.c.name, &[&file]).await?;
                let refused = done.failure(EXIT_REJECTED)?;
                same(
                    "the outcome",
                    text(&refused, "/outcome")?.as_str(),
                    "refused_by_pool",
                )?;
                let found = text(&refused, "/reason")?;
                same("the reason", found.as_str(), reason)?;
                Ok(Evidence::new()
                    .with("refused", found)
                    .with("pool code", number(&refused, "/pool_code")?))
            })
            .await;
    }
    stage
        .check(
            "replay",
            "A replayed order changes nothing and keeps its receipt",
            async |s| replay(s, chains, people, orders).await,
        )
        .await;
    stage
        .claim(
            "in-block",
            "Smuggled into a block behind a good event, the same forgeries are rejected there",
            async |s| smuggle(s, chains, people, &signed).await,
        )
        .await?;
    stage
        .claim(
            "resumed",
            "A's next push resumes: what others carried is not doubled",
            async |s| resume(s, chains, people, &signed).await,
        )
        .await
}

async fn sign_two(stage: &mut Stage, people: &People) -> Result<(Signed, Evidence)> {
    let a = &people.a;
    let fourth = append_order(stage, a, "A-1004", &[]).await?;
    let fifth = append_order(stage, a, "A-1005", &[]).await?;
    push_and_die(stage, a, "after-sign").await?;
    let entries = a.show_outbox(stage).await?;
    for id in [&fourth, &fifth] {
        same(
            "its state",
            entry_of(&entries, id)?.state.as_str(),
            "signed",
        )?;
    }
    take_from_outbox(stage, a, &fourth, "order-4").await?;
    let (_, shown) = take_from_outbox(stage, a, &fifth, "order-5").await?;
    let unknown_store = StoreId(fresh_uuid());
    for (name, what, store) in [
        ("payload", What::Payload, None),
        ("signature", What::Signature, None),
        ("stream", What::Store, Some(people.other_store)),
        ("store", What::Store, Some(unknown_store)),
    ] {
        let forged = tamper::tamper(&shown, what, store)?;
        let file = stage.path(Path::new(WIRE).join(format!("{name}.json")));
        std::fs::write(file, forged.to_string())?;
    }
    let evidence = Evidence::new().with("signed, not sent", vec![fourth.clone(), fifth.clone()]);
    Ok((
        Signed {
            fourth,
            fifth,
            unknown_store,
        },
        evidence,
    ))
}

async fn replay(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    orders: &Orders,
) -> Result<Evidence> {
    let before = chains.peek("ves_head", &stream(people)).await?;
    let file = from_agent(BUNDLES, &bundle_file(0));
    let done = submit(stage, chains, people.c.name, &[&file])
        .await?
        .failure(EXIT_REJECTED)?;
    same(
        "the outcome",
        text(&done, "/outcome")?.as_str(),
        "nothing_new",
    )?;
    let forecast = text(&done, "/forecast/0/verdict")?;
    same(
        "the chain's forecast",
        forecast.as_str(),
        "already_sequenced",
    )?;
    let sequence = number(&done, "/forecast/0/sequence")?;
    same("its sequence", sequence, 1)?;
    let mut params = stream(people).to_vec();
    params.push(json!(orders.ids[0]));
    let event = chains.ask(stage, "ves_event", &params).await?;
    let receipt = text(&event, "/receipt_hash")?;
    same("its receipt", &receipt, &orders.receipts[0])?;
    let after = chains.ask(stage, "ves_head", &stream(people)).await?;
    let (before, after) = (number(&before, "/sequence")?, number(&after, "/sequence")?);
    same("the head", after, before)?;
    Ok(Evidence::new()
        .with("answer", forecast)
        .with("sequence", sequence)
        .with("receipt", receipt)
        .with("head before and after", vec![before, after]))
}

/// The pool judges a submission by its first new event; behind a good one, the rest gets into a
/// block, where each event is judged on its own.
async fn smuggle(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    signed: &Signed,
) -> Result<((), Evidence)> {
    let files = [
        from_agent(BUNDLES, &bundle_file(0)),
        from_agent(WIRE, "order-4.json"),
        from_agent(WIRE, "payload.json"),
        from_agent(WIRE, "signature.json"),
        from_agent(WIRE, "stream.json"),
        from_agent(WIRE, "store.json"),
    ];
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let done = submit(stage, chains, people.c.name, &files)
        .await?
        .success()?;
    same(
        "the outcome",
        text(&done, "/outcome")?.as_str(),
        "finalized",
    )?;
    let block = text(&done, "/block_hash")?;
    let head = chains.served(&stream(people), 4).await?;
    same("the head", number(&head, "/sequence")?, 4)?;

    let mut found = Vec::new();
    let mut expected = Vec::new();
    for (store, reasons) in [
        (
            people.store,
            &["invalid_payload_hash", "invalid_signature"][..],
        ),
        (people.other_store, &["invalid_signature"]),
        (signed.unknown_store, &["unknown_store"]),
    ] {
        let params = [
            json!(people.tenant.to_string()),
            json!(store.to_string()),
            json!(signed.fifth),
        ];
        let rejections = wait_for("the rejections", chains.node.log(), PATIENCE, async || {
            let answer = chains.peek("ves_rejections", &params).await?;
            Ok((list(&answer, "")?.len() >= reasons.len()).then_some(answer))
        })
        .await?;
        chains.ask(stage, "ves_rejections", &params).await?;
        for rejection in list(&rejections, "")? {
            same("its block", text(rejection, "/block_hash")?, block.clone())?;
            found.push(text(rejection, "/reason")?);
        }
        expected.extend_from_slice(reasons);
    }
    ensure!(
        found == expected,
        "the block gives {found:?}, expected {expected:?}"
    );
    let evidence = Evidence::new()
        .with("block", done["block_number"].clone())
        .with("hash", block)
        .with("sequenced", 1)
        .with("rejected there", found);
    Ok(((), evidence))
}

async fn resume(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    signed: &Signed,
) -> Result<((), Evidence)> {
    let done = people.a.ask(stage, &["push"]).await?.success()?;
    same("finalized", number(&done, "/finalized")?, 2)?;
    let entries = people.a.show_outbox(stage).await?;
    let fourth = entry_of(&entries, &signed.fourth)?.sequence;
    let fifth = entry_of(&entries, &signed.fifth)?.sequence;
    ensure!(
        (fourth, fifth) == (Some(4), Some(5)),
        "sequences {fourth:?} and {fifth:?}"
    );
    let head = chains.served(&stream(people), 5).await?;
    let head = number(&head, "/sequence")?;
    same("the head", head, 5)?;
    let evidence = Evidence::new()
        .with("carried by C", fourth)
        .with("sent by A", fifth)
        .with("head", head)
        .with("submissions", Value::from(number(&done, "/submissions")?));
    Ok(((), evidence))
}
