// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys expiry`

use super::Context;
use crate::{
    chain::{BlockRef, Chain, live::Live},
    cli::ExpiryArgs,
    error::{Exit, Failure, Result},
    keys::{KeyFile, Purpose},
    output::{Report, Tone},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use ves_primitives::{KeyId, TenantId};

const DEFAULT_WARN_HOURS: u32 = 24;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// How urgent something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Fine,
    Warning,
    Expired,
}

#[derive(Debug, Serialize)]
struct Finding {
    purpose: Purpose,
    key_id: KeyId,
    severity: Severity,
    /// Why.
    reason: &'static str,
    /// Milliseconds since 1970.
    ends_ms: Option<i64>,
}

/// Judges one moment: past, near, or far.
const fn judge(ends: Option<i64>, now: i64, warn: i64) -> Severity {
    match ends {
        Some(ends) if ends <= now => Severity::Expired,
        Some(ends) if ends.saturating_sub(warn) <= now => Severity::Warning,
        _ => Severity::Fine,
    }
}

pub(super) async fn run(context: &Context, args: &ExpiryArgs) -> Result<Report> {
    context.config.require_initialised()?;
    let (tenant, agent) = (context.config.tenant()?, context.config.agent()?);
    let hours = |hours: u32| i64::from(hours).saturating_mul(HOUR_MS);
    let warn = args
        .warn
        .or_else(|| context.config.get(|c| &c.key_warn_hours).map(|s| s.value))
        .unwrap_or(DEFAULT_WARN_HOURS);
    let max_age = args.max_age.or_else(|| {
        context
            .config
            .get(|c| &c.key_max_age_hours)
            .map(|s| s.value)
    });
    let chain = context.connect().await?;
    let best = chain.best().await?;
    // The chain's clock judges windows, this machine's the age of its own files.
    let chain_now = i64::try_from(chain.now(best).await?.time_ms).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    for purpose in Purpose::ALL {
        let files = context.keys().list(agent, purpose)?;
        let mut open = Vec::new();
        for file in files {
            let window = window(&chain, tenant, &file, best).await?;
            let Some((ends, revoked)) = window else {
                continue;
            };
            // A key that has ended and has a successor is history.
            open.push((file, ends, revoked));
        }
        let usable =
            |ends: Option<i64>, revoked: bool| !revoked && ends.is_none_or(|at| at > chain_now);
        let newest = open
            .iter()
            .rposition(|(_, ends, revoked)| usable(*ends, *revoked))
            .or_else(|| open.len().checked_sub(1));
        let Some((file, ends, revoked)) = newest.and_then(|at| open.get(at)) else {
            continue;
        };
        let severity = if *revoked {
            (Severity::Expired, "revoked", None)
        } else {
            (judge(*ends, chain_now, hours(warn)), "window", *ends)
        };
        let aged = max_age.and_then(|max| {
            let made = DateTime::parse_from_rfc3339(&file.created_at).ok()?;
            Some(made.timestamp_millis().saturating_add(hours(max)))
        });
        // Too old is a matter of one's own policy: a warning, whether near or past.
        let age = match judge(aged, Utc::now().timestamp_millis(), hours(warn)) {
            Severity::Fine => (Severity::Fine, "age", aged),
            _ => (Severity::Warning, "age", aged),
        };
        let (severity, reason, ends_ms) = if age.0 > severity.0 { age } else { severity };
        findings.push(Finding {
            purpose,
            key_id: file.key_id,
            severity,
            reason,
            ends_ms,
        });
    }
    let worst = findings
        .iter()
        .map(|finding| finding.severity)
        .max()
        .unwrap_or(Severity::Fine);
    let failing = worst == Severity::Expired || (args.strict && worst == Severity::Warning);
    let failure = failing.then(|| {
        let (code, message) = match worst {
            Severity::Expired => ("key_expired", "a key has expired or was revoked"),
            _ => ("key_expires", "a key is due to be rotated"),
        };
        Failure::new(Exit::Key, code, message)
            .hint("run `stateset-sync keys:rotate`, or keys:generate and keys:register")
    });
    let report = findings.iter().fold(
        Report::new("ves.cli.keys.expiry").field("agent_id", agent),
        |report, finding| {
            let (tone, word) = match finding.severity {
                Severity::Fine => (Tone::Good, "fine"),
                Severity::Warning => (Tone::Warn, "warning"),
                Severity::Expired => (Tone::Bad, "expired"),
            };
            let ends = finding
                .ends_ms
                .and_then(DateTime::<Utc>::from_timestamp_millis)
                .map_or_else(String::new, |at| format!(" until {}", at.to_rfc3339()));
            report.line(format!(
                "{:<8} {} key {}: {}{ends}",
                context.ui.paint(tone, word),
                finding.purpose.name(),
                finding.key_id,
                finding.reason
            ))
        },
    );
    let report = match findings.is_empty() {
        true => report.line("no registered keys; next: stateset-sync keys:register"),
        false => report,
    };
    Ok(report.field("keys", findings).failing(failure))
}

/// When a registered key ends and whether it was revoked; none if it is not registered.
async fn window(
    chain: &Live,
    tenant: TenantId,
    file: &KeyFile,
    at: BlockRef,
) -> Result<Option<(Option<i64>, bool)>> {
    let ends = |valid_to: Option<u64>| valid_to.and_then(|at| i64::try_from(at).ok());
    Ok(match file.purpose {
        Purpose::Signing => chain
            .signing_key(tenant, file.agent_id, file.key_id, at)
            .await?
            .map(|record| {
                let revoked = record
                    .revocation
                    .is_some_and(|revocation| revocation.effective_from <= at.number);
                (ends(record.window.valid_to), revoked)
            }),
        Purpose::Encryption => chain
            .encryption_keys(tenant, file.agent_id, at)
            .await?
            .into_iter()
            .find(|entry| entry.key_id == file.key_id)
            .map(|entry| {
                let record = entry.record;
                (ends(record.window.valid_to), record.revoked_at.is_some())
            }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_fine_until_shortly_before_its_end() {
        for (ends, severity) in [
            (None, Severity::Fine),
            (Some(201), Severity::Fine),
            (Some(200), Severity::Warning),
            (Some(101), Severity::Warning),
            (Some(100), Severity::Expired),
            (Some(5), Severity::Expired),
        ] {
            assert_eq!(judge(ends, 100, 100), severity, "{ends:?}");
        }
    }
}
