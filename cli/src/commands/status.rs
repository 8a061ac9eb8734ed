// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `status`

use super::{Context, expiry};
use crate::{
    chain::Chain,
    cli::StatusArgs,
    conflicts,
    error::{Exit, Failure, Result},
    finality,
    inbox::{self, Stream},
    outbox::{self, State},
    output::{Report, Tone},
    parking,
    proofs::{received, wishes},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use ves_finality::TrackedSets;
use ves_primitives::{AuthoritySetHash, GenesisHash, StreamTip};

#[derive(Serialize)]
struct NodeStatus {
    reachable: bool,
    genesis_hash: GenesisHash,
    finalized_block: u32,
    best_block: u32,
    head_sequence: u64,
    indexed_block: u32,
}

pub(super) async fn run(context: &Context, args: &StatusArgs) -> Result<Report> {
    let pool = context.pool().await?;
    let config = &context.config;
    let stream = context.stream()?;
    let counts = outbox::counts(&pool).await?;
    let (verified, quarantined) = inbox::counts(&pool, stream).await?;
    let pruned = inbox::pruned(&pool, stream).await?.len();
    let (proofs, bad_proofs) = received::counts(&pool, stream).await?;
    let wishes = wishes::counts(&pool).await?;
    let tip = match config.genesis() {
        Some(genesis) => inbox::tip(&pool, stream, genesis).await?,
        None => StreamTip::EMPTY,
    };
    let sets = match config.genesis() {
        Some(genesis) => finality::load(&pool, genesis).await?,
        None => None,
    };
    let node = if args.offline {
        None
    } else {
        Some(ask_node(context, stream).await)
    };
    let (node, key_warnings, trouble) = match node {
        None => (None, Vec::new(), None),
        Some(Ok((node, warnings))) => (Some(node), warnings, None),
        Some(Err(failure)) => (None, Vec::new(), Some(failure)),
    };
    let lag = node
        .as_ref()
        .map(|node| node.head_sequence.saturating_sub(tip.sequence));
    let conflicts = conflicts::detect(&pool, stream).await?.len();
    let waiting = outbox::retries(&pool).await?.len();
    let parked = parking::count(&pool).await?;
    let (health, mut reasons) = health(&counts, (quarantined, bad_proofs), lag, trouble.as_ref());
    let health = match (conflicts, health) {
        (0, health) => health,
        (_, health) => {
            reasons.push("unresolved_conflicts");
            if health == "healthy" {
                "degraded"
            } else {
                health
            }
        }
    };

    let mut outbox_json = Map::new();
    for (state, count) in &counts {
        outbox_json.insert(state.name().into(), (*count).into());
    }
    let in_outbox: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let tone = if health == "healthy" {
        Tone::Good
    } else {
        Tone::Warn
    };
    let mut report = Report::new("ves.cli.status")
        .field("health", health)
        .field("reasons", &reasons)
        .field("node_url", config.node_url().value)
        .field("tenant_id", stream.tenant)
        .field("store_id", stream.store)
        .field("agent_id", config.agent().ok())
        .field("genesis_hash", config.genesis())
        .field(
            "authorities",
            sets.as_ref()
                .map(|sets| authorities(sets, config.genesis())),
        )
        .field("outbox", outbox_json)
        .field("conflicts", conflicts)
        .field("waiting_retries", waiting)
        .field("parked", parked)
        .field("local_sequence", tip.sequence)
        .field("local_state_root", tip.state_root)
        .field("verified_events", verified)
        .field("quarantined_events", quarantined)
        .field("pruned_events", pruned)
        .field("verified_proofs", proofs)
        .field("quarantined_proofs", bad_proofs)
        .field(
            "wished_proofs",
            wishes
                .iter()
                .map(|(state, count)| (state.name().to_owned(), Value::from(*count)))
                .collect::<Map<_, _>>(),
        )
        .field("node", &node)
        .field("lag", lag)
        .field("key_warnings", &key_warnings)
        .pair("health", context.ui.paint(tone, health))
        .pair(
            "outbox",
            if in_outbox.is_empty() {
                "empty".into()
            } else {
                in_outbox.join(", ")
            },
        )
        .pair(
            "pulled",
            format!("to sequence {}, {verified} verified", tip.sequence),
        )
        .pair("quarantine", quarantined)
        .pair(
            "pulled proofs",
            format!("{proofs} verified, {bad_proofs} quarantined"),
        );
    if let (Some(sets), Some(genesis)) = (&sets, config.genesis()) {
        let latest = &sets.latest().set;
        report = report.pair(
            "authorities",
            format!(
                "set {} of {}, trusted from set {}, {}",
                latest.set_id,
                latest.authorities.len(),
                sets.first().set.set_id,
                sets.first().set.hash(genesis)
            ),
        );
    }
    if pruned > 0 {
        report = report.pair(
            "no payload",
            format!("{pruned} event(s); a node that keeps payloads completes them"),
        );
    }
    if parked > 0 {
        report = report.pair(
            "parked",
            format!("{parked}, see `stateset-sync parked list`"),
        );
    }
    let wished: Vec<String> = wishes
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", state.name()))
        .collect();
    if !wished.is_empty() {
        report = report.pair("own proofs", wished.join(", "));
    }
    if let Some(node) = &node {
        report = report
            .pair(
                "node",
                format!(
                    "final block {}, best {}",
                    node.finalized_block, node.best_block
                ),
            )
            .pair("stream head", node.head_sequence);
    }
    for warning in &key_warnings {
        report = report.pair("keys", context.ui.paint(Tone::Warn, warning));
    }
    for reason in &reasons {
        report = report.pair("reason", reason);
    }
    let unhealthy = args
        .check
        .then(|| reasons.first().map(|reason| unhealthy(reason)))
        .flatten();
    Ok(report.failing(trouble.or(unhealthy)))
}

/// The failure that `--check` exits with.
fn unhealthy(reason: &'static str) -> Failure {
    let (exit, hint) = match reason {
        "quarantined_events" | "quarantined_proofs" => {
            (Exit::NotVerified, "see `stateset-sync doctor --promote`")
        }
        "rejected_outgoing_events" | "dead_outgoing_events" => (
            Exit::Rejected,
            "see `stateset-sync history`, then `retry` or `abandon`",
        ),
        "unresolved_conflicts" => (Exit::Conflicts, "see `stateset-sync conflicts`"),
        _ => (Exit::Unreachable, "run `stateset-sync sync`"),
    };
    Failure::new(exit, reason, format!("not healthy: {reason}")).hint(hint)
}

/// The sets to which the chain was forced, and that the user accepted.
fn accepted(sets: &TrackedSets, genesis: GenesisHash) -> Vec<AuthoritySetHash> {
    let forced = sets.eras().iter().filter(|era| era.forced);
    forced.map(|era| era.set.hash(genesis)).collect()
}

/// Whom this project trusts to finalize blocks. `trusted` is what `--authorities` takes as a file.
fn authorities(sets: &TrackedSets, genesis: Option<GenesisHash>) -> Value {
    let (first, latest) = (&sets.first().set, &sets.latest().set);
    json!({
        "trusted_hash": genesis.map(|genesis| first.hash(genesis)),
        "trusted": first,
        "accepted": genesis.map(|genesis| accepted(sets, genesis)),
        "present_hash": genesis.map(|genesis| latest.hash(genesis)),
        "present": latest,
    })
}

/// Where the node stands, and what is to be said of this agent's keys.
async fn ask_node(context: &Context, stream: Stream) -> Result<(NodeStatus, Vec<String>)> {
    let chain = context.connect().await?;
    let head = chain.head(stream.tenant, stream.store).await?;
    // Whoever only reads needs no agent.
    let warnings = match context.config.agent() {
        Err(_) => Vec::new(),
        Ok(_) => expiry::warnings(context, &chain)
            .await
            .unwrap_or_else(|failure| vec![format!("when keys end is not known: {failure}")]),
    };
    let node = NodeStatus {
        reachable: true,
        genesis_hash: chain.genesis_hash(),
        finalized_block: chain.finalized().await?.number,
        best_block: chain.best().await?.number,
        head_sequence: head.sequence,
        indexed_block: head.finalized_block_number,
    };
    Ok((node, warnings))
}

fn health(
    counts: &[(State, i64)],
    (quarantined, quarantined_proofs): (i64, i64),
    lag: Option<u64>,
    trouble: Option<&Failure>,
) -> (&'static str, Vec<&'static str>) {
    let count = |wanted: State| {
        counts
            .iter()
            .find(|(state, _)| *state == wanted)
            .map_or(0, |(_, n)| *n)
    };
    let mut reasons = Vec::new();
    if trouble.is_some() {
        reasons.push("node_unreachable");
    }
    if quarantined > 0 {
        reasons.push("quarantined_events");
    }
    if quarantined_proofs > 0 {
        reasons.push("quarantined_proofs");
    }
    if count(State::Rejected) > 0 {
        reasons.push("rejected_outgoing_events");
    }
    if count(State::Dead) > 0 {
        reasons.push("dead_outgoing_events");
    }
    if count(State::Queued).saturating_add(count(State::Signed)) >= 1000 {
        reasons.push("pending_backlog");
    }
    if lag.is_some_and(|lag| lag >= 100) {
        reasons.push("pull_lag");
    }
    let health = match (trouble, reasons.is_empty()) {
        (Some(_), _) => "offline",
        (None, true) => "healthy",
        (None, false) => "degraded",
    };
    (health, reasons)
}
