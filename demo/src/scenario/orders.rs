// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Agent A captures three orders, one of them for B's eyes only, and pushes them.

use super::{BUNDLES, Chains, PATIENCE, People, chains::from_agent};
use crate::{
    processes::wait_for,
    report::Evidence,
    stage::{Stage, Stopped, field, fresh, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Entity ids of the orders.
const NAMES: [&str; 3] = ["A-1001", "A-1002", "A-1003"];
/// Which of them is encrypted.
pub(super) const ENCRYPTED: usize = 1;

/// The three orders.
pub(super) struct Orders {
    /// Event ids.
    pub(super) ids: Vec<String>,
    /// The clear payload of the encrypted one.
    pub(super) confidential: Value,
    /// The chain's batch, as the node's event store has it.
    pub(super) batch: Value,
    /// Receipts by event.
    pub(super) receipts: Vec<String>,
}

/// Tenant and store, as the node's methods take them.
pub(super) fn stream(people: &People) -> [Value; 2] {
    [
        json!(people.tenant.to_string()),
        json!(people.store.to_string()),
    ]
}

/// File of an exported order.
pub(super) fn bundle_file(index: usize) -> String {
    format!("order-{}.json", index.saturating_add(1))
}

/// Captures, shows, pushes and looks at the receipts.
pub(super) async fn place(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
) -> Result<Orders, Stopped> {
    // Nobody could guess it: where it can be read, the encryption has failed.
    let secret = hex::encode(fresh::<16>());
    let confidential = json!({ "customer": secret, "order": NAMES[ENCRYPTED], "total": "980.00" });
    let ids = stage
        .claim(
            "captured",
            "A captures three orders, the second encrypted to B and itself",
            async |s| capture(s, people, &confidential).await,
        )
        .await?;
    stage
        .check(
            "outbox",
            "They wait in A's outbox; nothing was sent",
            async |s| {
                let entries = people.a.show_outbox(s).await?;
                same("the number of events", entries.len(), ids.len())?;
                for (entry, id) in entries.iter().zip(&ids) {
                    same("the event", &entry.id, id)?;
                    same("its state", entry.state.as_str(), "queued")?;
                }
                let head = chains.ask(s, "ves_head", &stream(people)).await?;
                same("the chain's sequence", number(&head, "/sequence")?, 0)?;
                Ok(Evidence::new()
                    .with("queued", entries.len())
                    .with("sequence on chain", 0))
            },
        )
        .await;
    stage
        .claim(
            "finalized",
            "Pushed, they are final, in order, without gaps",
            async |s| push(s, people, &ids).await,
        )
        .await?;
    let receipts = stage
        .claim(
            "receipts",
            "Each has a receipt that anyone can recompute",
            async |s| receipts(s, chains, people, &ids).await,
        )
        .await?;
    stage
        .check(
            "ciphertext",
            "The chain never saw the encrypted order's content",
            async |s| {
                let mut params = stream(people).to_vec();
                params.push(json!(ids[ENCRYPTED]));
                let event = chains.ask(s, "ves_event", &params).await?;
                ensure!(
                    !event.to_string().contains(&secret),
                    "the node shows the content"
                );
                same("payload_kind", number(&event, "/event/payload_kind")?, 1)?;
                let to = list(&event, "/event/payload_encrypted/recipients")?;
                same("the number of recipients", to.len(), 2)?;
                Ok(Evidence::new()
                    .with("cipher hash", text(&event, "/event/payload_cipher_hash")?)
                    .with("recipients", to.len()))
            },
        )
        .await;
    let batch = stage
        .claim(
            "batch",
            "The block's header commits to one batch that holds all three",
            async |s| batch(s, chains, people, &ids).await,
        )
        .await?;
    Ok(Orders {
        ids,
        confidential,
        batch,
        receipts,
    })
}

async fn capture(
    stage: &mut Stage,
    people: &People,
    confidential: &Value,
) -> Result<(Vec<String>, Evidence)> {
    let mut ids = Vec::new();
    for (index, name) in NAMES.iter().enumerate() {
        let payload = if index == ENCRYPTED {
            confidential.to_string()
        } else {
            json!({ "order": name, "currency": "EUR", "total": format!("{}.50", 100 + index) })
                .to_string()
        };
        let mut args = vec![
            "append",
            "--entity-type",
            "order",
            "--entity-id",
            name,
            "--event-type",
            "order.created",
            "--payload",
            &payload,
        ];
        if index == ENCRYPTED {
            // A too: what it cannot read again it cannot prove anything about.
            args.extend(["--encrypt-to", &people.b.id, "--encrypt-to-self"]);
        }
        let done = people.a.ask(stage, &args).await?.success()?;
        same("encrypted", done["encrypted"] == true, index == ENCRYPTED)?;
        ids.push(text(&done, "/event_id")?);
    }
    let evidence = Evidence::new().with("events", ids.clone());
    Ok((ids, evidence))
}

async fn push(stage: &mut Stage, people: &People, ids: &[String]) -> Result<((), Evidence)> {
    let done = people.a.ask(stage, &["push"]).await?.success()?;
    same("finalized", number(&done, "/finalized")?, 3)?;
    let mut sequences = Vec::new();
    for (event, id) in list(&done, "/events")?.iter().zip(ids) {
        same("the event", &text(event, "/event_id")?, id)?;
        same("its state", text(event, "/state")?.as_str(), "finalized")?;
        sequences.push(number(event, "/sequence")?);
    }
    ensure!(sequences == [1, 2, 3], "the sequences are {sequences:?}");
    let first = field(&done, "/events/0")?;
    let evidence = Evidence::new()
        .with("sequences", sequences)
        .with("block", number(first, "/block_number")?)
        .with("submissions", number(&done, "/submissions")?)
        .with("extrinsic", text(first, "/extrinsic_hash")?);
    Ok(((), evidence))
}

async fn receipts(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    ids: &[String],
) -> Result<(Vec<String>, Evidence)> {
    chains.served(&stream(people), 3).await?;
    let mut receipts = Vec::new();
    for id in ids {
        let done = people.a.ask(stage, &["verify", id]).await?.success()?;
        same("verified", done["verified"] == true, true)?;
        receipts.push(text(&done, "/receipt_hash")?);
    }
    let evidence = Evidence::new().with("receipts", receipts.clone());
    Ok((receipts, evidence))
}

async fn batch(
    stage: &mut Stage,
    chains: &Chains,
    people: &People,
    ids: &[String],
) -> Result<(Value, Evidence)> {
    let mut params = stream(people).to_vec();
    params.push(json!(0));
    let batch = wait_for("the batch", chains.node.log(), PATIENCE, async || {
        let batch = chains.peek("ves_batch", &params).await?;
        Ok((!batch.is_null()).then_some(batch))
    })
    .await?;
    chains.ask(stage, "ves_batch", &params).await?;
    for (index, id) in ids.iter().enumerate() {
        let file = from_agent(BUNDLES, &bundle_file(index));
        // `export` writes nothing that it has not verified, header and block commitment included.
        let done = people
            .a
            .ask(stage, &["export", id, "--out", &file])
            .await?
            .success()?;
        same(
            "batch",
            text(&done, "/batch_id")?,
            text(&batch, "/batch_id")?,
        )?;
        same(
            "root",
            text(&done, "/events_root")?,
            text(&batch, "/events_root")?,
        )?;
    }
    same("its events", number(&batch, "/leaf_count")?, 3)?;
    let evidence = Evidence::new()
        .with("batch", text(&batch, "/batch_id")?)
        .with("events root", text(&batch, "/events_root")?)
        .with("block", number(&batch, "/block_number")?)
        .with("hash", text(&batch, "/block_hash")?);
    Ok((batch, evidence))
}
