// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `keys expiry`

use super::Context;
use crate::{
    chain::{BlockRef, Chain},
    cli::ExpiryArgs,
    config::ConfigFile,
    error::{Exit, Failure, Result},
    keys::{Enforcement, KeyFile, KeyStore, Purpose, UsePolicy, Wear, policy_of, uses_of},
    output::{Report, Tone},
};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::SqlitePool;
use std::{collections::BTreeMap, sync::Mutex};
use ves_primitives::{AgentId, KeyId, TenantId};

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

/// How the key that is used for a purpose stands.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    purpose: Purpose,
    key_id: KeyId,
    severity: Severity,
    /// Why.
    reason: &'static str,
    /// Milliseconds since 1970.
    ends_ms: Option<i64>,
    /// Events that it signed here, and may sign.
    uses: Option<u64>,
    max_uses: Option<u64>,
}

impl Finding {
    fn until(&self) -> String {
        self.ends_ms
            .and_then(DateTime::<Utc>::from_timestamp_millis)
            .map_or_else(String::new, |at| format!(" until {}", at.to_rfc3339()))
    }

    /// What its owner should know; none if all is well.
    pub(super) fn warning(&self) -> Option<String> {
        let (name, key) = (self.purpose.name(), self.key_id);
        let at = || {
            self.ends_ms
                .and_then(DateTime::<Utc>::from_timestamp_millis)
                .map_or_else(|| "an unknown time".to_owned(), |at| at.to_rfc3339())
        };
        match (self.severity, self.reason) {
            (Severity::Fine, _) => None,
            (Severity::Expired, REVOKED) => Some(format!("{name} key {key} was revoked")),
            (Severity::Expired, AGE) => Some(format!(
                "{name} key {key} reached its greatest age at {} and signs no new event",
                at()
            )),
            (Severity::Expired, USES) => Some(format!(
                "{name} key {key} has signed the {} events that it may sign, and signs no more",
                self.max_uses.unwrap_or_default()
            )),
            (Severity::Warning, USES) => Some(format!(
                "{name} key {key} is due to be rotated: it has signed {} of the {} events that it may \
                 sign",
                self.uses.unwrap_or_default(),
                self.max_uses.unwrap_or_default()
            )),
            (Severity::Expired, _) => Some(format!("{name} key {key} expired at {}", at())),
            (Severity::Warning, AGE) => Some(format!(
                "{name} key {key} is due to be rotated: it reaches its greatest age at {}",
                at()
            )),
            (Severity::Warning, _) => Some(format!("{name} key {key} expires at {}", at())),
        }
    }
}

/// What to do about keys that end.
pub(super) const FIX: &str = "run `stateset-sync keys:rotate`, or keys:generate and keys:register";
const REVOKED: &str = "revoked";
const AGE: &str = "age";
const USES: &str = "uses";

/// From when on somebody wants to hear of the keys of one purpose.
#[derive(Clone, Debug)]
struct Bounds {
    /// So many milliseconds before a key ends.
    warn: i64,
    /// How much and how long a key may be used.
    policy: UsePolicy,
    /// Whether the policy refuses a key that is too old. A flag or the configuration only asks to be
    /// told.
    refuses_age: bool,
}

/// What is known of an agent's keys on this machine.
struct Known {
    signing: Bounds,
    encryption: Bounds,
    /// Events that each signing key signed.
    uses: BTreeMap<KeyId, u64>,
}

impl Known {
    /// By the flags if there are any, else by the agent's policy, else by the configuration.
    async fn new(
        context: &Context,
        pool: &SqlitePool,
        agent: AgentId,
        (warn, max_age): (Option<u32>, Option<u32>),
    ) -> Result<Self> {
        let configured =
            |field: fn(&ConfigFile) -> &Option<u32>| context.config.get(field).map(|s| s.value);
        let bounds = async |purpose| -> Result<Bounds> {
            let policy = policy_of(pool, agent, purpose).await?.unwrap_or_default();
            let hours = warn
                .or(policy.warn_hours)
                .or_else(|| configured(|c| &c.key_warn_hours))
                .unwrap_or(DEFAULT_WARN_HOURS);
            let refuses = policy.enforcement == Enforcement::Refuse;
            Ok(Bounds {
                warn: i64::from(hours).saturating_mul(HOUR_MS),
                refuses_age: refuses && max_age.is_none() && policy.max_age_hours.is_some(),
                policy: UsePolicy {
                    max_age_hours: max_age
                        .or(policy.max_age_hours)
                        .or_else(|| configured(|c| &c.key_max_age_hours)),
                    ..policy
                },
            })
        };
        Ok(Self {
            signing: bounds(Purpose::Signing).await?,
            encryption: bounds(Purpose::Encryption).await?,
            uses: uses_of(pool, agent).await?,
        })
    }

    const fn bounds(&self, purpose: Purpose) -> &Bounds {
        match purpose {
            Purpose::Signing => &self.signing,
            Purpose::Encryption => &self.encryption,
        }
    }
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
    let pool = context.pool().await?;
    let known = Known::new(context, &pool, agent, (args.warn, args.max_age)).await?;
    let chain = context.connect().await?;
    let findings = look(&context.keys(), &chain, (tenant, agent), &known).await?;
    let worst = findings
        .iter()
        .map(|finding| finding.severity)
        .max()
        .unwrap_or(Severity::Fine);
    let failing = worst == Severity::Expired || (args.strict && worst == Severity::Warning);
    let failure = failing.then(|| {
        let (code, message) = match worst {
            Severity::Expired => (
                "key_expired",
                "a key has expired, was revoked, or is used up",
            ),
            _ => ("key_expires", "a key is due to be rotated"),
        };
        Failure::new(Exit::Key, code, message).hint(FIX)
    });
    let report = findings.iter().fold(
        Report::new("ves.cli.keys.expiry").field("agent_id", agent),
        |report, finding| {
            let (tone, word) = match finding.severity {
                Severity::Fine => (Tone::Good, "fine"),
                Severity::Warning => (Tone::Warn, "warning"),
                Severity::Expired => (Tone::Bad, "expired"),
            };
            report.line(format!(
                "{:<8} {} key {}: {}{}",
                context.ui.paint(tone, word),
                finding.purpose.name(),
                finding.key_id,
                finding.reason,
                finding.until()
            ))
        },
    );
    let report = match findings.is_empty() {
        true => report.line("no registered keys; next: stateset-sync keys:register"),
        false => report,
    };
    Ok(report.field("keys", findings).failing(failure))
}

/// What the agent's owner should know about its keys, in words; by its policies and the configuration.
///
/// # Errors
/// No tenant or agent, an unreadable key file, or the node's silence.
pub(super) async fn warnings<C: Chain>(context: &Context, chain: &C) -> Result<Vec<String>> {
    let author = (context.config.tenant()?, context.config.agent()?);
    let known = Known::new(context, &context.pool().await?, author.1, (None, None)).await?;
    let findings = look(&context.keys(), chain, author, &known).await?;
    Ok(findings.iter().filter_map(Finding::warning).collect())
}

/// Says on stderr what [`warnings`] are new: a watch pushes again and again. Who cannot be asked about
/// keys is heard of by the push itself.
pub(super) async fn tell<C: Chain>(context: &Context, chain: &C) {
    let Ok(warnings) = warnings(context, chain).await else {
        return;
    };
    for warning in news(&context.told_of_keys, warnings) {
        context.ui.warn(&format!("{warning}; {FIX}"));
    }
}

/// Those of the warnings that were not among the last ones.
fn news(told: &Mutex<Vec<String>>, warnings: Vec<String>) -> Vec<String> {
    let Ok(mut told) = told.lock() else {
        return warnings;
    };
    let before = std::mem::replace(&mut *told, warnings.clone());
    warnings
        .into_iter()
        .filter(|warning| !before.contains(warning))
        .collect()
}

/// The key of each purpose that is used: the newest that is registered and may be used, else the newest
/// registered one.
async fn look<C: Chain>(
    keys: &KeyStore,
    chain: &C,
    (tenant, agent): (TenantId, AgentId),
    known: &Known,
) -> Result<Vec<Finding>> {
    let best = chain.best().await?;
    // The chain's clock judges windows, this machine's the age of its own files.
    let chain_now = i64::try_from(chain.now(best).await?.time_ms).unwrap_or(i64::MAX);
    let mut findings = Vec::new();
    for purpose in Purpose::ALL {
        let mut open = Vec::new();
        for file in keys.list(agent, purpose)? {
            let window = window(chain, tenant, &file, best).await?;
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
        let bounds = known.bounds(purpose);
        let ended = match *revoked {
            true => (Severity::Expired, REVOKED, None),
            false => (judge(*ends, chain_now, bounds.warn), "window", *ends),
        };
        let uses = (purpose == Purpose::Signing)
            .then(|| known.uses.get(&file.key_id).copied().unwrap_or(0));
        let own = by_policy(bounds, file, uses);
        // What the chain says goes before what the owner wants, if both are as bad.
        let worst = own
            .into_iter()
            .fold(ended, |worst, next| match next.0 > worst.0 {
                true => next,
                false => worst,
            });
        let (severity, reason, ends_ms) = worst;
        findings.push(Finding {
            purpose,
            key_id: file.key_id,
            severity,
            reason,
            ends_ms,
            uses,
            max_uses: bounds.policy.max_uses.filter(|_| uses.is_some()),
        });
    }
    Ok(findings)
}

/// How a key stands by its owner's own policy. Too old or used up is a warning, unless the policy refuses
/// such keys.
fn by_policy(
    bounds: &Bounds,
    file: &KeyFile,
    uses: Option<u64>,
) -> [(Severity, &'static str, Option<i64>); 2] {
    let policy = &bounds.policy;
    // Others use an encryption key; it is only told of.
    let over = |refuses: bool| match refuses && uses.is_some() {
        true => Severity::Expired,
        false => Severity::Warning,
    };
    let aged = policy.too_old_ms(file);
    let age = match judge(aged, Utc::now().timestamp_millis(), bounds.warn) {
        Severity::Expired => over(bounds.refuses_age),
        other => other,
    };
    let wear = match uses.map(|uses| policy.wear(uses)) {
        Some(Wear::UsedUp) => over(policy.enforcement == Enforcement::Refuse),
        Some(Wear::Worn) => Severity::Warning,
        Some(Wear::Fresh) | None => Severity::Fine,
    };
    [(age, AGE, aged), (wear, USES, None)]
}

/// When a registered key ends and whether it was revoked; none if it is not registered.
async fn window<C: Chain>(
    chain: &C,
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
    use crate::testing::{AGENT, FakeChain, TENANT, key_store};

    /// Bounds by this policy, after so many uses of key 1.
    fn known(policy: UsePolicy, uses: u64) -> Known {
        let refuses_age = policy.enforcement == Enforcement::Refuse;
        let bounds = Bounds {
            warn: 1000,
            policy,
            refuses_age,
        };
        Known {
            signing: bounds.clone(),
            encryption: bounds,
            uses: BTreeMap::from([(KeyId(1), uses)]),
        }
    }

    /// What is said of the only key while the chain's clock stands at 10,000 ms.
    async fn said(
        edit: impl FnOnce(&mut ves_primitives::registry::SigningKeyRecord),
    ) -> Vec<String> {
        let (_dir, keys) = key_store();
        let file = keys.preferred(AGENT, Purpose::Signing).unwrap();
        let chain = FakeChain::new(file.public_key);
        for _ in 0..5 {
            chain.commit(Vec::new());
        }
        let best = chain.best().await.unwrap();
        assert_eq!(chain.now(best).await.unwrap().time_ms, 10_000);
        chain.edit_key(edit);
        let known = known(UsePolicy::default(), 0);
        let findings = look(&keys, &chain, (TENANT, AGENT), &known).await.unwrap();
        assert_eq!(findings.len(), 1);
        findings.iter().filter_map(Finding::warning).collect()
    }

    #[tokio::test]
    async fn a_key_that_ends_is_told_of_in_words_and_one_that_does_not_is_not() {
        assert!(said(|_| {}).await.is_empty());
        let far = said(|key| key.window.valid_to = Some(11_001)).await;
        assert!(far.is_empty(), "{far:?}");
        assert_eq!(
            said(|key| key.window.valid_to = Some(11_000)).await,
            ["signing key 1 expires at 1970-01-01T00:00:11+00:00"]
        );
        assert_eq!(
            said(|key| key.window.valid_to = Some(10_000)).await,
            ["signing key 1 expired at 1970-01-01T00:00:10+00:00"]
        );
        let revocation = ves_primitives::registry::Revocation {
            decided_at: ves_primitives::registry::RecordedAt {
                block: 2,
                time_ms: 4000,
            },
            effective_from: 3,
        };
        assert_eq!(
            said(|key| key.revocation = Some(revocation)).await,
            ["signing key 1 was revoked"]
        );
    }

    #[tokio::test]
    async fn a_key_that_has_a_successor_is_history_and_one_that_is_too_old_is_told_of() {
        let (_dir, keys) = key_store();
        let first = keys.preferred(AGENT, Purpose::Signing).unwrap();
        let second = keys
            .generate(AGENT, Purpose::Signing, &crate::keys::Protection::Plaintext)
            .unwrap();
        let chain = FakeChain::new(first.public_key);
        chain.register(second.key_id, second.public_key);
        chain.commit(Vec::new());
        chain.edit_key(|key| key.window.valid_to = Some(1));
        let told = |policy| {
            let (keys, chain) = (&keys, &chain);
            async move {
                let known = known(policy, 0);
                let findings = look(keys, chain, (TENANT, AGENT), &known).await.unwrap();
                findings
                    .iter()
                    .filter_map(Finding::warning)
                    .collect::<Vec<_>>()
            }
        };
        assert!(told(UsePolicy::default()).await.is_empty());
        let aged = told(UsePolicy {
            max_age_hours: Some(0),
            ..UsePolicy::default()
        })
        .await;
        let [line] = aged.as_slice() else {
            panic!("{aged:?}")
        };
        assert!(
            line.contains("signing key 2 is due to be rotated"),
            "{line}"
        );
    }

    #[tokio::test]
    async fn a_key_near_its_last_use_is_told_of_and_one_that_is_refused_has_ended() {
        let (_dir, keys) = key_store();
        let file = keys.preferred(AGENT, Purpose::Signing).unwrap();
        let chain = FakeChain::new(file.public_key);
        let told = |uses, enforcement| {
            let (keys, chain) = (&keys, &chain);
            async move {
                let policy = UsePolicy {
                    max_uses: Some(100),
                    enforcement,
                    ..UsePolicy::default()
                };
                let known = known(policy, uses);
                let findings = look(keys, chain, (TENANT, AGENT), &known).await.unwrap();
                let finding = findings.first().unwrap();
                assert_eq!((finding.uses, finding.max_uses), (Some(uses), Some(100)));
                (finding.severity, finding.warning().unwrap_or_default())
            }
        };
        for enforcement in [Enforcement::Warn, Enforcement::Refuse] {
            assert_eq!(told(89, enforcement).await, (Severity::Fine, String::new()));
            let (severity, text) = told(90, enforcement).await;
            assert_eq!(severity, Severity::Warning);
            assert!(text.contains("has signed 90 of the 100 events"), "{text}");
        }
        assert_eq!(told(100, Enforcement::Warn).await.0, Severity::Warning);
        let (severity, text) = told(100, Enforcement::Refuse).await;
        assert_eq!(severity, Severity::Expired);
        assert!(text.contains("signs no more"), "{text}");
    }

    #[test]
    fn a_watch_tells_of_a_key_once_and_again_when_something_else_is_to_be_told() {
        let told = Mutex::default();
        let list = |warnings: &[&str]| warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(news(&told, list(&["ends"])), ["ends"]);
        assert!(news(&told, list(&["ends"])).is_empty());
        assert_eq!(news(&told, list(&["ends", "has ended"])), ["has ended"]);
        assert!(news(&told, Vec::new()).is_empty());
        assert_eq!(news(&told, list(&["ends"])), ["ends"]);
    }

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
