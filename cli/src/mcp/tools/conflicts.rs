// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Tools about events whose entity has moved on: looking at them, and deciding in two steps.

use super::{Call, Nature, Outcome, Tool, flag, foreign, takes, words};
use crate::{
    commands::served,
    error::{Exit, Failure, Result},
    mcp::{
        access::Mode,
        approval::{Kind, Plan},
        confirm::{Consent, consent},
        input, schema,
    },
    output::Report,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::time::Instant;
use ves_primitives::{jcs, sha256};

/// What to do about a conflict.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ConflictStrategy {
    /// The events give way.
    RemoteWins,
    /// The same payloads are captured anew, on the present version.
    LocalWins,
    /// Each side keeps the fields it changed; a field that both changed is a clash.
    Merge,
    /// As merge, and a number that both changed is moved by as much as the event moved it.
    Reapply,
    /// The events are given up, and the conflict counts as seen.
    Skip,
}

impl ConflictStrategy {
    /// As the command line names it.
    const fn flag(self) -> &'static str {
        match self {
            Self::RemoteWins => "remote-wins",
            Self::LocalWins => "local-wins",
            Self::Merge => "merge",
            Self::Reapply => "reapply",
            Self::Skip => "skip",
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConflictPreview {
    /// An event of the conflict: its id, or an unambiguous beginning of it. Without it, all
    /// conflicts.
    event_id: Option<input::EventRef>,
    /// What to do.
    strategy: ConflictStrategy,
}

const RESOLVE: &str = "ves_conflict_resolve";

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "ves_conflicts_list",
        title: "Conflicts",
        description: "Captured events that cannot go out as they are, since their entity has moved \
                      on or what they were made on top of is lost; each with the strategy that \
                      loses nothing. Call it when a push holds events back. Pull first.",
        needs: Mode::Read,
        decrypts: false,
        nature: Nature::LOCAL,
        input: takes::<input::Nothing>,
        output: schema::conflicts,
        run: |call| Box::pin(list(call)),
    },
    Tool {
        name: "ves_conflict_preview",
        title: "Preview a decision",
        description: "What a strategy would make of one conflict or of all: base, remote, local and \
                      resulting value of each field, and the payloads that would be captured. \
                      Changes nothing. Where administering is allowed it returns a token for \
                      exactly this decision; show it to the user before ves_conflict_resolve.",
        needs: Mode::Read,
        decrypts: false,
        nature: Nature::LOCAL,
        input: takes::<ConflictPreview>,
        output: schema::conflict_previewed,
        run: |call| Box::pin(preview(call)),
    },
    Tool {
        name: RESOLVE,
        title: "Decide about conflicts",
        description: "Second step of a decision: captures what the preview of the token showed, and \
                      sets the events aside whose place it takes. Nothing is sent; the next push \
                      does that. The token holds once and for minutes.",
        needs: Mode::Admin,
        decrypts: false,
        nature: Nature::FOR_GOOD,
        input: takes::<input::Token>,
        output: schema::conflict_resolved,
        run: |call| Box::pin(resolve(call)),
    },
];

async fn list(mut call: Call<'_>) -> Result<Outcome> {
    call.input::<input::Nothing>()?;
    let report = served::command(&call.context, words(["conflicts"])).await?;
    // That there are conflicts is the answer here, and not a failure of the call.
    Ok(foreign(report.failing(None), true).into())
}

fn command(input: &ConflictPreview) -> Vec<String> {
    let mut words = match &input.event_id {
        Some(event) => words(["resolve", &event.0]),
        None => words(["rebase"]),
    };
    flag(&mut words, "strategy", Some(input.strategy.flag()));
    words
}

/// What a command would decide, and the digest of that.
async fn shown(call: &mut Call<'_>, words: &[String]) -> Result<(Report, [u8; 32])> {
    call.context.only_preview(true);
    let report = served::command(&call.context, words.to_vec()).await;
    call.context.only_preview(false);
    let report = report?;
    let decided: Vec<&Value> = ["conflict", "conflicts"]
        .into_iter()
        .filter_map(|name| report.get(name))
        .collect();
    let text = serde_json::to_value(&decided)
        .map_err(Failure::unexpected)
        .and_then(|value| jcs::canonicalize_value(&value).map_err(Failure::unexpected))?;
    let digest = sha256(text.as_bytes());
    Ok((report, digest))
}

/// Whether anything would be decided at all.
fn decides(report: &Report) -> bool {
    match report.get("resolved").and_then(Value::as_u64) {
        Some(resolved) => resolved > 0,
        None => report.failure.is_none(),
    }
}

async fn preview(mut call: Call<'_>) -> Result<Outcome> {
    let input: ConflictPreview = call.input()?;
    let words = command(&input);
    let (report, digest) = shown(&mut call, &words).await?;
    let token = (call.host.mode >= Mode::Admin && decides(&report)).then(|| {
        let plan = Plan::Resolve {
            words,
            shown: digest,
        };
        call.host.approvals().issue(plan, Instant::now())
    });
    let report = report
        .field("token", token)
        .field("expires_in_seconds", call.host.args.token_seconds);
    Ok(foreign(report, true).into())
}

async fn resolve(mut call: Call<'_>) -> Result<Outcome> {
    let input: input::Token = call.input()?;
    let plan = call
        .host
        .approvals()
        .look(&input.token, Kind::Resolve, Instant::now())?;
    let Plan::Resolve {
        words,
        shown: approved,
    } = plan.as_ref()
    else {
        return Err(Failure::unexpected("a plan of another kind"));
    };
    let question = format!("Decide about conflicts? stateset-sync {}", words.join(" "));
    let bound = (RESOLVE, input.token.as_str());
    if let Consent::Ask(ask) = consent(call.host, call.asking, bound, question).await? {
        return Ok(Outcome::Ask(ask));
    }
    let host = call.host;
    let _turn = host.turn.lock().await;
    host.approvals()
        .take(&input.token, Kind::Resolve, Instant::now())?;
    let stale = |why: String| {
        Failure::new(Exit::Refused, "approval_stale", why)
            .hint("nothing was decided; look at the preview again")
    };
    let (_, now) = shown(&mut call, words)
        .await
        .map_err(|failure| stale(failure.message))?;
    if now != *approved {
        return Err(stale("the conflicts are not what was shown".into()));
    }
    let report = served::command(&call.context, words.clone()).await?;
    Ok(foreign(report, true).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use ConflictStrategy::{LocalWins, Merge, Reapply, RemoteWins, Skip};
    use clap::Parser;

    #[test]
    fn every_decision_is_a_command_that_exists() {
        for strategy in [RemoteWins, LocalWins, Merge, Reapply, Skip] {
            for event_id in [None, Some(input::EventRef("0192".into()))] {
                let words = command(&ConflictPreview { event_id, strategy });
                let typed = std::iter::once("stateset-sync".to_owned()).chain(words);
                Cli::try_parse_from(typed).unwrap();
            }
        }
    }
}
