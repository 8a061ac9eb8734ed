// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `ves-demo submit`: events straight to a node's pool, without the checks of `stateset-sync`.

use crate::tamper;
use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use ves_client::{ChainClient, ClientError};
use ves_primitives::{SubmittedEvent, sequencer::Admission, wire::EventJson};

/// Longest wait for finality.
const FINALITY: Duration = Duration::from_secs(90);
/// Exit code when the chain refuses the submission, as `stateset-sync` has it.
const EXIT_REJECTED: u8 = 5;

/// `submit`
#[derive(Args)]
pub(crate) struct SubmitArgs {
    /// Node endpoint, a WebSocket.
    #[arg(long, value_name = "URL")]
    node: String,
    /// Signed events: output of `stateset-sync show --json`, or bundles.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Runs the command and prints one JSON object.
pub(crate) async fn run(args: &SubmitArgs) -> Result<ExitCode> {
    let events = args
        .files
        .iter()
        .map(|path| {
            let document = tamper::read(path)?;
            event(&document).with_context(|| path.display().to_string())
        })
        .collect::<Result<Vec<_>>>()?;
    let chain = ChainClient::connect(&args.node, None).await?;
    let forecast: Vec<Value> = chain
        .can_submit(&events, None)
        .await?
        .iter()
        .map(admission)
        .collect();
    let (code, mut outcome) = match submit(&chain, &events).await {
        Ok(outcome) => (0, outcome),
        Err(ClientError::PoolRejected { code, name }) => (
            EXIT_REJECTED,
            json!({ "outcome": "refused_by_pool", "reason": name, "pool_code": code }),
        ),
        Err(error @ ClientError::Stale) => (
            EXIT_REJECTED,
            json!({ "outcome": "nothing_new", "reason": error.to_string() }),
        ),
        Err(error) => return Err(error.into()),
    };
    outcome["forecast"] = Value::Array(forecast);
    println!("{outcome:#}");
    Ok(ExitCode::from(code))
}

fn event(document: &Value) -> Result<SubmittedEvent> {
    let found = document
        .pointer(tamper::event_pointer(document))
        .ok_or_else(|| anyhow!("no event in this file"))?;
    let json: EventJson = serde_json::from_value(found.clone())?;
    Ok(SubmittedEvent::try_from(&json)?)
}

async fn submit(chain: &ChainClient, events: &[SubmittedEvent]) -> Result<Value, ClientError> {
    let mut watch = chain.submit_events_and_watch(events).await?;
    let block = watch.finalized(FINALITY).await?;
    let header = chain.header(block).await?;
    Ok(json!({
        "outcome": "finalized",
        "extrinsic_hash": watch.hash().to_string(),
        "block_hash": block.to_string(),
        "block_number": header.map(|header| header.number),
    }))
}

/// What the chain says beforehand about one event.
fn admission(admission: &Admission) -> Value {
    match admission {
        Admission::Acceptable => json!({ "verdict": "acceptable" }),
        Admission::AlreadySequenced { sequence } => {
            json!({ "verdict": "already_sequenced", "sequence": sequence })
        }
        Admission::Rejected(reason) => {
            json!({ "verdict": "rejected", "reason": reason.to_string() })
        }
    }
}
