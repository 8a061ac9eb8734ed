// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How much and how long an agent's owner lets its keys be used. A matter of this machine: what a key may
//! sign is the chain's own policy, and both hold.

use super::{KeyFile, Purpose};
use crate::{
    capture::now_rfc3339,
    error::{Exit, Failure, Result},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{SqliteConnection, SqliteExecutor};
use std::collections::BTreeMap;
use ves_primitives::{AgentId, KeyId};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// From this part of its uses on a key is due to be rotated.
const WARN_PERCENT: u64 = 90;

/// What happens to a key that was used up or is too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Enforcement {
    /// It is told of, and signs on.
    #[default]
    Warn,
    /// It signs no new event.
    Refuse,
}

impl Enforcement {
    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        }
    }
}

/// What the owner set for the keys of one purpose. What is not set is left to the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UsePolicy {
    /// So many events a signing key may sign.
    pub max_uses: Option<u64>,
    /// So old a key may become.
    pub max_age_hours: Option<u32>,
    /// So long before a key ends its owner wants to know.
    pub warn_hours: Option<u32>,
    /// So long the outgoing key may sign on after a rotation.
    pub grace_hours: Option<u32>,
    /// What happens beyond.
    pub enforcement: Enforcement,
}

/// How near to its last use a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wear {
    /// Far.
    Fresh,
    /// Near: it is due to be rotated.
    Worn,
    /// There.
    UsedUp,
}

impl UsePolicy {
    /// How near to its last use a key is after so many.
    pub fn wear(&self, uses: u64) -> Wear {
        match self.max_uses {
            Some(max) if uses >= max => Wear::UsedUp,
            Some(max) if uses.saturating_mul(100) >= max.saturating_mul(WARN_PERCENT) => Wear::Worn,
            _ => Wear::Fresh,
        }
    }

    /// When a key becomes too old, in milliseconds since 1970.
    pub fn too_old_ms(&self, file: &KeyFile) -> Option<i64> {
        let hours = i64::from(self.max_age_hours?);
        let made = DateTime::parse_from_rfc3339(&file.created_at).ok()?;
        let age = hours.saturating_mul(HOUR_MS);
        Some(made.timestamp_millis().saturating_add(age))
    }

    /// How many new events a key may still sign now, and what is said to the one after; none if there is
    /// no limit.
    pub fn allowance(
        &self,
        file: &KeyFile,
        uses: u64,
        now: DateTime<Utc>,
    ) -> Option<(u64, Failure)> {
        if self.enforcement != Enforcement::Refuse {
            return None;
        }
        if self
            .too_old_ms(file)
            .is_some_and(|at| at <= now.timestamp_millis())
        {
            return Some((0, self.too_old(file)));
        }
        let max = self.max_uses?;
        Some((max.saturating_sub(uses), used_up(file.key_id, max)))
    }

    fn too_old(&self, file: &KeyFile) -> Failure {
        let hours = self.max_age_hours.unwrap_or_default();
        refused(
            "key_too_old",
            format!(
                "signing key {} was made at {} and may be used for {hours} hours",
                file.key_id, file.created_at
            ),
        )
    }
}

/// The refusal of one event more.
fn used_up(key: KeyId, max: u64) -> Failure {
    refused(
        "key_used_up",
        format!("signing key {key} has signed the {max} events that its policy lets it sign"),
    )
}

fn refused(code: &'static str, message: String) -> Failure {
    Failure::new(Exit::Key, code, message).hint(
        "hand over to a new key with `stateset-sync keys:rotate`, then push again; the events are kept. \
         `keys:policy` shows and changes the policy",
    )
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("a stored key policy is damaged: {why}"),
    )
    .hint("set it again with `stateset-sync keys:policy`, or restore the database from a backup")
}

/// Columns of a policy, as they stand.
type Row = (Option<i64>, Option<i64>, Option<i64>, Option<i64>, String);

/// The policy for an agent's keys of one purpose, if one was set.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn policy_of(
    db: impl SqliteExecutor<'_>,
    agent: AgentId,
    purpose: Purpose,
) -> Result<Option<UsePolicy>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT max_uses, max_age_hours, warn_hours, grace_hours, enforcement \
         FROM ves_key_policies WHERE agent_id = ?1 AND purpose = ?2",
    )
    .bind(agent.0.as_slice())
    .bind(purpose.name())
    .fetch_optional(db)
    .await?;
    let Some((max_uses, max_age, warn, grace, enforcement)) = row else {
        return Ok(None);
    };
    let hours = |value: Option<i64>| {
        value
            .map(|hours| u32::try_from(hours).map_err(|_| damaged("hours")))
            .transpose()
    };
    Ok(Some(UsePolicy {
        max_uses: max_uses
            .map(|uses| u64::try_from(uses).map_err(|_| damaged("uses")))
            .transpose()?,
        max_age_hours: hours(max_age)?,
        warn_hours: hours(warn)?,
        grace_hours: hours(grace)?,
        enforcement: match enforcement.as_str() {
            "refuse" => Enforcement::Refuse,
            _ => Enforcement::Warn,
        },
    }))
}

/// Sets the policy for an agent's keys of one purpose, or takes it away.
///
/// # Errors
/// The database's refusal.
pub async fn set_policy(
    db: &mut SqliteConnection,
    agent: AgentId,
    purpose: Purpose,
    policy: Option<&UsePolicy>,
) -> Result<()> {
    let Some(policy) = policy else {
        sqlx::query("DELETE FROM ves_key_policies WHERE agent_id = ?1 AND purpose = ?2")
            .bind(agent.0.as_slice())
            .bind(purpose.name())
            .execute(db)
            .await?;
        return Ok(());
    };
    let uses = policy
        .max_uses
        .map(|uses| i64::try_from(uses).map_err(|_| damaged("uses")))
        .transpose()?;
    sqlx::query(
        "INSERT OR REPLACE INTO ves_key_policies (agent_id, purpose, max_uses, max_age_hours, \
         warn_hours, grace_hours, enforcement, set_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(agent.0.as_slice())
    .bind(purpose.name())
    .bind(uses)
    .bind(policy.max_age_hours.map(i64::from))
    .bind(policy.warn_hours.map(i64::from))
    .bind(policy.grace_hours.map(i64::from))
    .bind(policy.enforcement.name())
    .bind(now_rfc3339())
    .execute(db)
    .await?;
    Ok(())
}

/// How many events each signing key of an agent has signed here.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn uses_of(db: impl SqliteExecutor<'_>, agent: AgentId) -> Result<BTreeMap<KeyId, u64>> {
    let rows: Vec<(i64, i64)> =
        sqlx::query_as("SELECT key_id, uses FROM ves_key_uses WHERE agent_id = ?1")
            .bind(agent.0.as_slice())
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|(key, uses)| {
            let key = u32::try_from(key).map_err(|_| damaged("key id"))?;
            Ok((
                KeyId(key),
                u64::try_from(uses).map_err(|_| damaged("uses"))?,
            ))
        })
        .collect()
}

/// Refuses signatures that were just counted if they are more than the policy allows: the last word, in
/// the transaction that stores them, whatever another process signed meanwhile.
///
/// # Errors
/// `key_used_up`, or the database's refusal.
pub async fn check_uses(db: &mut SqliteConnection, agent: AgentId, key: KeyId) -> Result<()> {
    let Some(policy) = policy_of(&mut *db, agent, Purpose::Signing).await? else {
        return Ok(());
    };
    let (Some(max), Enforcement::Refuse) = (policy.max_uses, policy.enforcement) else {
        return Ok(());
    };
    let uses = uses_of(db, agent).await?.get(&key).copied().unwrap_or(0);
    match uses > max {
        true => Err(used_up(key, max)),
        false => Ok(()),
    }
}
