// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the registry changes while agents work: a key hands over, a policy limits it, a group gains
//! and loses a member. In the second store, so that the first keeps its story.

use super::{Agent, People};
use crate::{
    report::Evidence,
    stage::{Stage, Stopped, list, number, same, text},
};
use anyhow::{Result, ensure};
use serde_json::Value;

/// Exit code of a rejection.
const EXIT_REJECTED: i32 = 5;
/// Exit code of a key that does not fit.
const EXIT_KEY: i32 = 8;
/// Exit code of a refusal.
const EXIT_REFUSED: i32 = 10;

/// Rotation, policy, group.
pub(super) async fn show(stage: &mut Stage, people: &People) -> Result<(), Stopped> {
    stage
        .claim(
            "rotated",
            "C hands over to a new key without any administrator, and writes with it",
            async |s| rotate(s, people).await,
        )
        .await?;
    stage
        .check(
            "policy",
            "A policy confines the new key to orders; the chain refuses a refund by name",
            async |s| limit(s, people).await,
        )
        .await;
    stage
        .check(
            "group",
            "Members of a group read what is encrypted to it; who has left reads nothing new",
            async |s| group(s, people).await,
        )
        .await;
    Ok(())
}

/// Runs a command in the second store.
async fn ask(stage: &mut Stage, people: &People, agent: &Agent, args: &[&str]) -> Result<Value> {
    let store = people.other_store.to_string();
    let all = [args, &["--store", &store]].concat();
    agent.ask(stage, &all).await?.success()
}

async fn append(
    stage: &mut Stage,
    people: &People,
    agent: &Agent,
    (entity, event_type): (&str, &str),
    extra: &[&str],
) -> Result<String> {
    let args = [
        "append",
        "--entity-type",
        entity,
        "--entity-id",
        "L-1",
        "--event-type",
        event_type,
        "--payload",
        r#"{"total":"7.00"}"#,
    ];
    let done = ask(stage, people, agent, &[&args, extra].concat()).await?;
    text(&done, "/event_id")
}

async fn rotate(stage: &mut Stage, people: &People) -> Result<((), Evidence)> {
    let c = &people.c;
    let rotated = ask(stage, people, c, &["keys:rotate", "--grace", "600"]).await?;
    let (old, new) = (
        number(&rotated, "/outgoing_key_id")?,
        number(&rotated, "/key_id")?,
    );
    ensure!(new > old, "key {new} took over from key {old}");
    let id = append(stage, people, c, ("order", "order.created"), &[]).await?;
    let pushed = ask(stage, people, c, &["push"]).await?;
    same("rejected", number(&pushed, "/rejected")?, 0)?;
    let shown = ask(stage, people, c, &["show", &id]).await?;
    same(
        "the signing key",
        number(&shown, "/event/agent_key_id")?,
        new,
    )?;
    let evidence = Evidence::new()
        .with("outgoing key", old)
        .with("successor", new)
        .with("grace, s", number(&rotated, "/grace_seconds")?)
        .with("block", number(&rotated, "/block_number")?)
        .with("event by the successor", id);
    Ok(((), evidence))
}

async fn limit(stage: &mut Stage, people: &People) -> Result<Evidence> {
    let c = &people.c;
    let admin = ["--dev-admin"];
    let policy =
        |rest: &[&'static str]| [&["keys:policy", "--key-id", "2"], rest, &admin[..]].concat();
    let set = policy(&["--event-types", "order.*", "--entity-types", "*"]);
    ask(stage, people, c, &set).await?;
    let id = append(stage, people, c, ("refund", "refund.created"), &[]).await?;
    let store = people.other_store.to_string();
    let pushed = c
        .ask(stage, &["push", "--store", &store])
        .await?
        .failure(EXIT_REJECTED)?;
    same("rejected", number(&pushed, "/rejected")?, 1)?;
    let entries = c.show_outbox(stage).await?;
    let reason = super::entry_of(&entries, &id)?
        .reason
        .clone()
        .unwrap_or_default();
    same("the reason", reason.as_str(), "policy_denied: event_type")?;
    ask(stage, people, c, &policy(&["--lift"])).await?;
    Ok(Evidence::new()
        .with("the chain says", reason)
        .with("exit code", EXIT_REJECTED))
}

async fn group(stage: &mut Stage, people: &People) -> Result<Evidence> {
    // C writes; B stays and A leaves.
    let (writer, stays, leaves) = (&people.c, &people.b, &people.a);
    let created = ask(stage, people, writer, &["groups:create", "--dev-admin"]).await?;
    let group = text(&created, "/group_id")?;
    for member in [stays, leaves] {
        let args = [
            "groups:add-member",
            &group,
            "--member",
            &member.id,
            "--dev-admin",
        ];
        ask(stage, people, writer, &args).await?;
    }
    let to_group = ["--to-group", group.as_str()];
    let first = append(stage, people, writer, ("order", "order.noted"), &to_group).await?;
    let remove = [
        "groups:remove-member",
        &group,
        "--member",
        &leaves.id,
        "--dev-admin",
    ];
    ask(stage, people, writer, &remove).await?;
    let second = append(stage, people, writer, ("order", "order.noted"), &to_group).await?;
    let pushed = ask(stage, people, writer, &["push"]).await?;
    same("rejected", number(&pushed, "/rejected")?, 0)?;
    for reader in [stays, leaves] {
        ask(stage, people, reader, &["pull"]).await?;
        ask(stage, people, reader, &["decrypt", &first]).await?;
    }
    ask(stage, people, stays, &["decrypt", &second]).await?;
    let store = people.other_store.to_string();
    let refused = leaves
        .ask(stage, &["decrypt", &second, "--store", &store])
        .await?
        .failure(EXIT_KEY)?;
    let reason = text(&refused, "/error/code")?;
    same("the reason", reason.as_str(), "not_a_recipient")?;
    let shown = ask(stage, people, writer, &["groups:show", &group]).await?;
    same("members", list(&shown, "/members")?.len(), 1)?;
    // Nobody but the tenant's admin changes a group.
    let args = [
        "groups:add-member",
        &group,
        "--member",
        &leaves.id,
        "--dev-admin",
        "//Bob",
    ];
    writer.ask(stage, &args).await?.failure(EXIT_REFUSED)?;
    Ok(Evidence::new()
        .with("group", group)
        .with("epoch", number(&shown, "/epoch")?)
        .with("after leaving, decrypt refused", reason))
}
