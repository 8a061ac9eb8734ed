// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tools that change keys and groups.

use super::{Call, Nature, Outcome, Tool, flag, takes, words};
use crate::{
    commands::served,
    error::{Failure, Result},
    mcp::{
        access::Mode,
        approval::{Kind, Plan},
        confirm::{Consent, consent},
        host::Host,
        input::{self, Change},
        schema,
    },
    output::Report,
};
use std::time::Instant;

const COMMIT: &str = "ves_change_commit";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ves_change_prepare",
        title: "Prepare a change of keys or groups",
        description: "First step of a change of this agent's keys or of the tenant's encryption \
                      groups: returns the command that the second step runs and a token for \
                      exactly this command. Nothing is changed. Show the command to the user \
                      before the second step.",
        needs: Mode::Admin,
        decrypts: false,
        nature: Nature::CATCHES_UP,
        input: takes::<input::ChangePrepare>,
        output: schema::change_prepared,
        run: |call| Box::pin(prepare(call)),
    },
    Tool {
        name: COMMIT,
        title: "Change keys or groups",
        description: "Second step of a change: runs the command of the token. A revoked key and a \
                      removed member's access do not come back. The token holds once and for \
                      minutes.",
        needs: Mode::Admin,
        decrypts: false,
        nature: Nature::FOR_GOOD,
        input: takes::<input::Token>,
        output: schema::changed,
        run: |call| Box::pin(commit(call)),
    },
];

/// The command of a change, as a person would type it.
fn command(change: &Change) -> Vec<String> {
    match change {
        Change::RotateSigningKey { grace_seconds } => {
            let mut words = words(["keys", "rotate"]);
            flag(&mut words, "grace", *grace_seconds);
            words
        }
        Change::RotateEncryptionKey {} => words(["keys", "rotate", "--purpose=encryption"]),
        Change::GenerateKeys { purpose } => {
            let mut words = words(["keys", "generate"]);
            flag(&mut words, "purpose", purpose.map(|p| p.name()));
            words
        }
        Change::RegisterKeys { purpose } => {
            let mut words = words(["keys", "register"]);
            flag(&mut words, "purpose", purpose.map(|p| p.name()));
            words
        }
        Change::RevokeKey { purpose, key_id } => {
            let mut words = words(["keys", "revoke", "--yes"]);
            flag(&mut words, "purpose", Some(purpose.name()));
            flag(&mut words, "key-id", Some(key_id));
            words
        }
        Change::CreateGroup { group_id } => words(["groups", "create", &group_id.to_string()]),
        Change::AddGroupMember {
            group_id,
            agent_id,
            role,
        } => {
            let mut words = words(["groups", "add-member", &group_id.to_string()]);
            flag(&mut words, "member", Some(agent_id));
            flag(&mut words, "role", role.map(|role| role.name()));
            words
        }
        Change::RemoveGroupMember { group_id, agent_id } => {
            let mut words = words(["groups", "remove-member", &group_id.to_string()]);
            flag(&mut words, "member", Some(agent_id));
            words
        }
    }
}

/// Whether a command is signed by an administrator.
fn is_administrators(words: &[String]) -> bool {
    let [group, name, ..] = words else {
        return false;
    };
    let replaces = words.iter().any(|word| word == "--purpose=encryption");
    group == "groups"
        || matches!(name.as_str(), "register" | "revoke")
        || (name == "rotate" && replaces)
}

/// Names the administrator that the operator chose.
fn with_administrator(host: &Host, mut words: Vec<String>) -> Vec<String> {
    if is_administrators(&words) {
        let file = host.args.admin_suri_file.as_ref();
        flag(&mut words, "admin-suri-file", file.map(|f| f.display()));
        flag(&mut words, "dev-admin", host.args.dev_admin.as_ref());
    }
    words
}

fn typed(words: &[String]) -> String {
    format!("stateset-sync {}", words.join(" "))
}

async fn prepare(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::ChangePrepare = call.input()?;
    let words = command(&input.change);
    let agent = call.context.config.agent()?.to_string();
    let plan = Plan::Change {
        words: words.clone(),
        agent: agent.clone(),
    };
    let token = call.host.approvals().issue(plan, Instant::now());
    Ok(Report::new("ves.mcp.change-prepared")
        .field("agent_id", agent)
        .field("command", typed(&words))
        .field("token", token)
        .field("expires_in_seconds", call.host.args.token_seconds)
        .into())
}

async fn commit(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Token = call.input()?;
    let plan = call
        .host
        .approvals()
        .look(&input.token, Kind::Change, Instant::now())?;
    let Plan::Change { words, agent } = plan.as_ref() else {
        return Err(Failure::unexpected("a plan of another kind"));
    };
    let question = format!("Run this for agent {agent}? {}", typed(words));
    let bound = (COMMIT, input.token.as_str());
    if let Consent::Ask(ask) = consent(call.host, call.asking, bound, question).await? {
        return Ok(Outcome::Ask(ask));
    }
    let _turn = call.host.turn.lock().await;
    call.host
        .approvals()
        .take(&input.token, Kind::Change, Instant::now())?;
    if call.context.config.agent()?.to_string() != *agent {
        return Err(Failure::new(
            crate::error::Exit::Refused,
            "approval_stale",
            "the configuration names another agent now",
        )
        .hint("nothing was changed; prepare again"));
    }
    let report =
        served::command(&call.context, with_administrator(call.host, words.clone())).await?;
    // The reports of these commands have little in common; they come as one field.
    let failure = report.failure.clone();
    Ok(Report::new("ves.mcp.changed")
        .field("command", typed(words))
        .field("result", report.to_json())
        .failing(failure)
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser;
    use ves_primitives::{AgentId, GroupId};

    #[test]
    fn every_change_is_a_command_that_exists() {
        let (group_id, agent_id) = (GroupId([1; 16]), AgentId([2; 16]));
        let changes = [
            Change::RotateSigningKey {
                grace_seconds: Some(60),
            },
            Change::RotateEncryptionKey {},
            Change::GenerateKeys {
                purpose: Some(input::KeyPurpose::Encryption),
            },
            Change::RegisterKeys { purpose: None },
            Change::RevokeKey {
                purpose: input::KeyPurpose::Signing,
                key_id: 1,
            },
            Change::CreateGroup { group_id },
            Change::AddGroupMember {
                group_id,
                agent_id,
                role: Some(input::Role::Manager),
            },
            Change::RemoveGroupMember { group_id, agent_id },
        ];
        for change in &changes {
            let mut words = command(change);
            if is_administrators(&words) {
                words.push("--dev-admin=//Alice".into());
            }
            let typed = std::iter::once("stateset-sync".to_owned()).chain(words);
            Cli::try_parse_from(typed).unwrap();
        }
    }
}
