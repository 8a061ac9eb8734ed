// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys policy` without a key: how much and how long this agent's keys may be used.

use super::Context;
use crate::{
    cli::UsePolicyArgs,
    error::{Failure, Result},
    keys::{Enforcement, Purpose, UsePolicy, policy_of, set_policy, uses_of},
    output::Report,
};
use serde_json::json;

pub(super) async fn run(context: &Context, args: &UsePolicyArgs) -> Result<Report> {
    let (agent, purpose) = (context.config.agent()?, args.purpose);
    if purpose == Purpose::Encryption && (args.max_usage.is_some() || args.enforcement.is_some()) {
        return Err(Failure::usage(
            "policy_invalid",
            "others use an encryption key; only a signing key has uses that can be counted and refused",
        )
        .hint("give --max-age and --warning, which `keys:expiry` and `doctor` tell of"));
    }
    let pool = context.pool().await?;
    let policy = match args.is_change() {
        false => policy_of(&pool, agent, purpose).await?,
        // Read and written under one lock: two processes may each set a part.
        true if !context.dry_run => {
            let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
            let known = policy_of(&mut *tx, agent, purpose).await?;
            let policy = changed(known, args);
            set_policy(&mut tx, agent, purpose, policy.as_ref()).await?;
            tx.commit().await?;
            policy
        }
        true => changed(policy_of(&pool, agent, purpose).await?, args),
    };
    let mut report = Report::new("ves.cli.keys.use-policy")
        .field("agent_id", agent)
        .field("purpose", purpose)
        .field("policy", &policy);
    report = match &policy {
        None => report.line("no policy: what the configuration says counts"),
        Some(policy) => shown(report, policy),
    };
    let mut rows = Vec::new();
    if purpose == Purpose::Signing {
        let uses = uses_of(&pool, agent).await?;
        for file in context.keys().list(agent, purpose)? {
            let used = uses.get(&file.key_id).copied().unwrap_or(0);
            report = report.line(format!("key {} has signed {used} events", file.key_id));
            rows.push(json!({ "key_id": file.key_id, "uses": used }));
        }
    }
    Ok(report
        .field("keys", rows)
        .dry_if(context.dry_run && args.is_change()))
}

/// The policy with what the flags say; what they leave out stays.
fn changed(known: Option<UsePolicy>, args: &UsePolicyArgs) -> Option<UsePolicy> {
    if args.reset {
        return None;
    }
    let known = known.unwrap_or_default();
    Some(UsePolicy {
        max_uses: args.max_usage.or(known.max_uses).filter(|uses| *uses > 0),
        max_age_hours: args
            .max_age
            .or(known.max_age_hours)
            .filter(|hours| *hours > 0),
        warn_hours: args.warning.or(known.warn_hours),
        grace_hours: args.grace_period.or(known.grace_hours),
        enforcement: args.enforcement.unwrap_or(known.enforcement),
    })
}

fn shown(report: Report, policy: &UsePolicy) -> Report {
    let hours = |hours: Option<u32>| match hours {
        Some(hours) => format!("{hours} hours"),
        None => "as configured".to_owned(),
    };
    report
        .pair(
            "uses",
            match policy.max_uses {
                Some(uses) => format!("{uses} events a key"),
                None => "no limit".to_owned(),
            },
        )
        .pair("age", hours(policy.max_age_hours))
        .pair("warning", hours(policy.warn_hours))
        .pair("grace", hours(policy.grace_hours))
        .pair(
            "beyond",
            match policy.enforcement {
                Enforcement::Warn => "told of",
                Enforcement::Refuse => "signs no new event",
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> UsePolicyArgs {
        UsePolicyArgs {
            purpose: Purpose::Signing,
            max_usage: None,
            max_age: None,
            warning: None,
            grace_period: None,
            enforcement: None,
            reset: false,
        }
    }

    #[test]
    fn flags_change_what_they_name_and_zero_lifts_a_limit() {
        let first = UsePolicyArgs {
            max_usage: Some(100),
            max_age: Some(720),
            enforcement: Some(Enforcement::Refuse),
            ..args()
        };
        let policy = changed(None, &first).unwrap();
        let second = UsePolicyArgs {
            max_usage: Some(0),
            warning: Some(48),
            ..args()
        };
        let policy = changed(Some(policy), &second);
        let expected = UsePolicy {
            max_uses: None,
            max_age_hours: Some(720),
            warn_hours: Some(48),
            grace_hours: None,
            enforcement: Enforcement::Refuse,
        };
        assert_eq!(policy, Some(expected));
        let reset = UsePolicyArgs {
            reset: true,
            ..args()
        };
        assert_eq!(changed(policy, &reset), None);
    }

    #[test]
    fn only_flags_that_set_something_are_a_change() {
        assert!(!args().is_change());
        let encryption = UsePolicyArgs {
            purpose: Purpose::Encryption,
            ..args()
        };
        assert!(!encryption.is_change());
        let warned = UsePolicyArgs {
            enforcement: Some(Enforcement::Warn),
            ..args()
        };
        assert!(warned.is_change());
    }
}
