// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `doctor`: what is wrong, each finding with its cure.

mod machine;

use super::{Context, expiry, runtime};
use crate::{
    chain::{Chain, ChainError, live::Live},
    cli::DoctorArgs,
    conflicts, db,
    error::{Exit, Failure, Result},
    inbox::{self, Stream},
    journal,
    outbox::{self, State},
    output::{Report, Tone},
    parking, pull,
    push::current_signing_key,
};
use serde::Serialize;
use sqlx::SqlitePool;
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};
use ves_client::BlockHash;

/// The chain refuses events that claim to be from further ahead of its clock than this.
const CLOCK_TOLERANCE_MS: i64 = 30_000;
/// Blocks between the newest and the newest final one that are nothing unusual.
const FINALITY_LAG: u32 = 10;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Grade {
    Ok,
    Warning,
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    grade: Grade,
    evidence: String,
    /// What to do; none if nothing is.
    fix: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, evidence: impl Into<String>) {
        self.push(check, Grade::Ok, evidence, None, Exit::Done);
    }

    fn warn(&mut self, check: &'static str, evidence: impl Into<String>, fix: &str) {
        self.push(check, Grade::Warning, evidence, Some(fix), Exit::Done);
    }

    fn problem(&mut self, check: &'static str, exit: Exit, evidence: impl Into<String>, fix: &str) {
        self.push(check, Grade::Problem, evidence, Some(fix), exit);
    }

    fn failed(&mut self, check: &'static str, failure: &Failure) {
        let fix = failure.hint.clone().unwrap_or_else(|| {
            "run the command again with -vv, which logs what happens".to_owned()
        });
        self.push(
            check,
            Grade::Problem,
            failure.to_string(),
            Some(&fix),
            failure.exit,
        );
    }

    fn push(
        &mut self,
        check: &'static str,
        grade: Grade,
        evidence: impl Into<String>,
        fix: Option<&str>,
        exit: Exit,
    ) {
        self.0.push(Finding {
            check,
            grade,
            evidence: evidence.into(),
            fix: fix.map(str::to_owned),
            exit,
        });
    }
}

pub(super) async fn run(context: &Context, args: &DoctorArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let stream = context.stream()?;
    let mut findings = Findings::default();
    machine::settings(context, &mut findings);
    machine::permissions(context, &mut findings);
    machine::schemas(context, &mut findings);
    machine::keys(context, &mut findings);
    machine::passphrase(context, &mut findings);
    let pool = match context.pool().await {
        Ok(pool) => Some(pool),
        Err(failure) => {
            findings.failed("database", &failure);
            None
        }
    };
    let chain = if args.offline {
        None
    } else {
        node(context, stream, &mut findings).await
    };
    let mut rechecked = Vec::new();
    if let Some(pool) = &pool {
        if let Err(failure) = database(pool, &mut findings).await {
            findings.failed("database", &failure);
        }
        if let Err(failure) = machine::key_policy(context, pool, &mut findings).await {
            findings.failed("key policy", &failure);
        }
        outbox(pool, stream, &mut findings).await?;
        kept(context, pool, &mut findings).await?;
        if let (true, Some(chain)) = (args.promote, &chain) {
            rechecked = pull::recheck(
                pool,
                chain,
                stream,
                context.pinned_authorities().as_ref(),
                context.dry_run,
                &context.ui,
            )
            .await?;
        }
        quarantine(pool, stream, &mut findings).await?;
    }
    Ok(report(context, findings.0, &rechecked))
}

fn report(context: &Context, findings: Vec<Finding>, rechecked: &[pull::Rechecked]) -> Report {
    let mut report = Report::new("ves.cli.doctor");
    for finding in &findings {
        let (tone, word) = match finding.grade {
            Grade::Ok => (Tone::Good, "ok"),
            Grade::Warning => (Tone::Warn, "warning"),
            Grade::Problem => (Tone::Bad, "PROBLEM"),
        };
        report = report.line(format!(
            "{}  {:<12} {}",
            context.ui.paint(tone, &format!("{word:<7}")),
            finding.check,
            finding.evidence
        ));
        if let Some(fix) = &finding.fix {
            report = report.line(format!("         fix: {fix}"));
        }
    }
    for item in rechecked {
        report = report.line(match &item.problem {
            None => format!("promoted  sequence {}  {}", item.sequence, item.event_id),
            Some(problem) => format!("still bad sequence {}  {problem}", item.sequence),
        });
    }
    let problems = findings
        .iter()
        .filter(|finding| finding.grade == Grade::Problem)
        .count();
    // The first problem is the deepest: files before database before node before content.
    let failure = findings
        .iter()
        .find(|finding| finding.grade == Grade::Problem)
        .map(|finding| {
            Failure::new(
                finding.exit,
                "problems_found",
                format!("{problems} problem(s), the first: {}", finding.check),
            )
            .hint("each line with a problem names its fix")
        });
    let report = report
        .field("healthy", problems == 0)
        .field("findings", &findings)
        .field("rechecked", rechecked);
    report.dry_if(context.dry_run).failing(failure)
}

async fn database(pool: &SqlitePool, findings: &mut Findings) -> Result<()> {
    let verdict: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(3)")
        .fetch_all(pool)
        .await?;
    match verdict.as_slice() {
        [ok] if ok == "ok" => {
            findings.ok("database", format!("intact, schema {}", db::SCHEMA_VERSION));
        }
        bad => findings.problem(
            "database",
            Exit::Database,
            bad.join("; "),
            "restore the state directory from a backup",
        ),
    }
    Ok(())
}

async fn node(context: &Context, stream: Stream, findings: &mut Findings) -> Option<Live> {
    let chain = match context.connect().await {
        Ok(chain) => chain,
        Err(failure) => {
            findings.failed("node", &failure);
            return None;
        }
    };
    match runtime::look(context, &chain).await {
        Ok(found) => findings.ok("runtime", format!("{found}, transactions as they were")),
        Err(failure) => findings.failed("runtime", &failure),
    }
    if let Err(failure) = ask_node(context, &chain, stream, findings).await {
        findings.failed("node", &failure);
    }
    Some(chain)
}

async fn ask_node(
    context: &Context,
    chain: &Live,
    stream: Stream,
    findings: &mut Findings,
) -> Result<()> {
    let client = chain.client();
    let version = client
        .runtime_version(None)
        .await
        .map_err(ChainError::from)?;
    let (best, finalized) = (chain.best().await?, chain.finalized().await?);
    let lag = best.number.saturating_sub(finalized.number);
    let text = format!(
        "{} {}, best block {}, final {}",
        version.spec_name, version.spec_version, best.number, finalized.number
    );
    match lag > FINALITY_LAG {
        false => findings.ok("node", text),
        true => findings.warn(
            "node",
            format!("{text}: finality is behind"),
            "ask the chain's operators; events wait until it catches up",
        ),
    }
    let health = client.store_health().await.map_err(ChainError::from)?;
    match (health.last_error.is_empty(), health.backfilling) {
        (true, false) => findings.ok(
            "event store",
            format!("indexed to block {}", health.indexed_block),
        ),
        (true, true) => findings.warn(
            "event store",
            format!("still indexing, at block {}", health.indexed_block),
            "wait, or ask another node with --node",
        ),
        (false, _) => findings.problem(
            "event store",
            Exit::Unreachable,
            health.last_error,
            "ask another node with --node",
        ),
    }
    clock(chain, findings).await?;
    ends(context, chain, findings).await;
    author(context, chain, stream, findings).await
}

/// Keys that end, or have ended, before they keep an event from the chain.
async fn ends(context: &Context, chain: &Live, findings: &mut Findings) {
    const CHECK: &str = "key expiry";
    match expiry::warnings(context, chain).await {
        Ok(warnings) if warnings.is_empty() => findings.ok(CHECK, "no registered key ends soon"),
        Ok(warnings) => {
            for warning in warnings {
                findings.warn(CHECK, warning, expiry::FIX);
            }
        }
        Err(failure) => findings.failed(CHECK, &failure),
    }
}

async fn clock(chain: &Live, findings: &mut Findings) -> Result<()> {
    let best = chain.best().await?;
    let theirs = i64::try_from(chain.now(best).await?.time_ms).unwrap_or(i64::MAX);
    let ours = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0);
    let ahead = ours.saturating_sub(theirs);
    let text = format!("{:.1} s from the newest block's", ahead as f64 / 1000.0);
    match ahead {
        ahead if ahead < -CLOCK_TOLERANCE_MS => findings.problem(
            "clock",
            Exit::Refused,
            format!("behind: {text}"),
            "set this machine's clock, for instance with timedatectl set-ntp true",
        ),
        ahead if ahead > CLOCK_TOLERANCE_MS => findings.warn(
            "clock",
            format!("ahead, or the chain stands still: {text}"),
            "set this machine's clock; if it is right, ask the chain's operators",
        ),
        _ => findings.ok("clock", text),
    }
    Ok(())
}

async fn author(
    context: &Context,
    chain: &Live,
    stream: Stream,
    findings: &mut Findings,
) -> Result<()> {
    let agent = context.config.agent()?;
    let key = match current_signing_key(&context.keys(), chain, stream.tenant, agent).await {
        Ok(key) => key,
        Err(failure) => {
            findings.failed("key on chain", &failure);
            return Ok(());
        }
    };
    let at = Some(BlockHash(chain.best().await?.hash));
    let author = chain
        .client()
        .author(stream.tenant, stream.store, agent, key, at)
        .await
        .map_err(ChainError::from)?;
    match author {
        Ok(author) => findings.ok(
            "key on chain",
            format!(
                "key {key} may write; quota {} events and {} payload bytes a window, no fees",
                author.agent_quota.events, author.agent_quota.payload_bytes
            ),
        ),
        Err(problem) => findings.problem(
            "key on chain",
            Exit::Key,
            format!("agent {agent} may not write: {problem}"),
            "the tenant's administrator registers store, agent and key with `admin:…` and `keys:register`",
        ),
    }
    let finalized = chain.finalized().await?;
    let now = chain.now(finalized).await?;
    let readable = chain
        .encryption_keys(stream.tenant, agent, finalized)
        .await?
        .iter()
        .any(|entry| entry.record.check_now(&now).is_ok());
    match readable {
        true => findings.ok("reading", "others can encrypt to this agent"),
        false => findings.warn(
            "reading",
            "nobody can encrypt to this agent",
            "run `stateset-sync keys:register --purpose encryption`",
        ),
    }
    Ok(())
}

async fn outbox(pool: &SqlitePool, stream: Stream, findings: &mut Findings) -> Result<()> {
    let counts: BTreeMap<&str, i64> = outbox::counts(pool)
        .await?
        .into_iter()
        .map(|(state, count)| (state.name(), count))
        .collect();
    let count = |state: State| counts.get(state.name()).copied().unwrap_or(0);
    let conflicts = conflicts::detect(pool, stream).await?;
    if !conflicts.is_empty() {
        findings.problem(
            "conflicts",
            Exit::Conflicts,
            format!("{} wait for a decision", conflicts.len()),
            "see `stateset-sync conflicts`, then `resolve` or `rebase`",
        );
    }
    let in_conflict = conflicts
        .iter()
        .flat_map(conflicts::Conflict::events)
        .filter(|entry| entry.state == State::Rejected)
        .count();
    let rejected =
        count(State::Rejected).saturating_sub(i64::try_from(in_conflict).unwrap_or(i64::MAX));
    if rejected > 0 {
        findings.warn(
            "rejected",
            format!("{rejected} event(s); `history --state rejected` says why"),
            "mend the cause and `retry` them, or `abandon` them",
        );
    }
    if count(State::Dead) > 0 {
        findings.warn(
            "dead",
            format!("{} event(s) were given up", count(State::Dead)),
            "`retry <id>` brings one back, `retry --dead` all",
        );
    }
    let waiting = outbox::retries(pool).await?;
    if let Some((_, retry)) = waiting.iter().max_by_key(|(_, retry)| retry.failures) {
        findings.warn(
            "retries",
            format!(
                "{} event(s) wait, the newest error: {}",
                waiting.len(),
                retry.error
            ),
            "`push` tries at once, `sync --watch` when it is due",
        );
    }
    let pending: i64 = [
        State::Queued,
        State::Signed,
        State::Submitted,
        State::InBlock,
    ]
    .into_iter()
    .map(count)
    .sum();
    match pending {
        n if n >= 1000 => findings.warn(
            "outbox",
            format!("{n} events are not final"),
            "run `stateset-sync push`",
        ),
        n => findings.ok("outbox", format!("{n} events are not final")),
    }
    Ok(())
}

/// Parked events, and the journal.
async fn kept(context: &Context, pool: &SqlitePool, findings: &mut Findings) -> Result<()> {
    let parked = parking::list(pool).await?;
    let types = context.event_types()?;
    let mut described = 0usize;
    for event in &parked {
        let is_described = types
            .schema(&event.event_type)
            .is_ok_and(|found| found.is_some());
        described = described.saturating_add(usize::from(is_described));
    }
    match (parked.len(), described) {
        (0, _) => {}
        (all, 0) => findings.warn(
            "parked",
            format!("{all} event(s) of types that nobody described"),
            "`parked list` shows them: put schemas into the project's folder, or `parked drop` them",
        ),
        (all, described) => findings.warn(
            "parked",
            format!("{all} event(s), {described} of types that are described by now"),
            "`parked release` puts them into the outbox",
        ),
    }
    match journal::check(pool, None).await {
        Ok(checked) => findings.ok("journal", format!("{} entries, linked", checked.entries)),
        Err(failure) => findings.failed("journal", &failure),
    }
    Ok(())
}

async fn quarantine(pool: &SqlitePool, stream: Stream, findings: &mut Findings) -> Result<()> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for item in inbox::quarantined(pool, stream).await? {
        *reasons.entry(item.reason).or_default() += 1;
    }
    let pruned = inbox::pruned(pool, stream).await?.len();
    if pruned > 0 {
        findings.warn(
            "payloads",
            format!("{pruned} event(s) verified but for their payload, which the node had pruned"),
            "`doctor --promote --node URL` with a node that keeps payloads",
        );
    }
    if reasons.is_empty() {
        findings.ok("quarantine", "empty");
    }
    for (reason, count) in reasons {
        let fix = match reason.as_str() {
            "key_unresolved" => {
                "the node may be behind: `doctor --promote`, if need be with another --node"
            }
            "peer_key_conflict" => {
                "ask the agent's owner for its key; if the node shows another one, use another node"
            }
            "batch_invalid"
            | "batch_discontinuous"
            | "not_final"
            | "not_canonical"
            | "justification_invalid"
            | "header_hash_mismatch"
            | "header_malformed"
            | "block_commitment_invalid" => "pull from another node with --node",
            _ => "`doctor --promote` asks again; from an honest node the event itself is bad",
        };
        findings.problem(
            "quarantine",
            Exit::NotVerified,
            format!("{count} record(s): {reason}"),
            fix,
        );
    }
    Ok(())
}
