// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! When to try again: kept in the database, spread at random, and not for ever.

use crate::{capture::now_rfc3339, error::Result};
use rand::Rng;
use serde::Serialize;
use sqlx::{SqliteConnection, SqlitePool};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// First wait, at most.
const BASE: Duration = Duration::from_secs(1);
/// Longest wait.
const CAP: Duration = Duration::from_secs(300);
/// Handing-overs that no block followed after which an event is given up. A node that cannot be reached
/// does not count: that is nobody's event's fault.
pub const MAX_HANDOVERS: i64 = 20;

/// An event that waits for its next attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// Failures in a row.
    pub failures: u32,
    /// The newest of them.
    pub error: String,
    /// Milliseconds since 1970.
    pub next_attempt_ms: i64,
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// A wait after this many failures in a row: anything from nothing to the doubled bound of the failure
/// before ("full jitter"), so that those who failed together do not come back together.
pub fn backoff(failures: u32, rng: &mut impl Rng) -> Duration {
    let doubled = BASE.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1).min(16)));
    let bound = doubled.min(CAP);
    bound.mul_f64(rng.r#gen::<f64>())
}

/// Notes failures of events that stay on their way, in the caller's transaction.
///
/// # Errors
/// The database's refusal.
pub async fn note_failure(db: &mut SqliteConnection, local_seq: i64, error: &str) -> Result<()> {
    let failures: Option<i64> =
        sqlx::query_scalar("SELECT failures FROM ves_retries WHERE local_seq = ?1")
            .bind(local_seq)
            .fetch_optional(&mut *db)
            .await?;
    let failures = failures.unwrap_or(0).saturating_add(1);
    let wait = backoff(
        u32::try_from(failures).unwrap_or(u32::MAX),
        &mut rand::thread_rng(),
    );
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT OR REPLACE INTO ves_retries (local_seq, failures, error, next_attempt_ms, failed_at) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(local_seq)
    .bind(failures)
    .bind(error)
    .bind(now_ms().saturating_add(wait))
    .bind(now_rfc3339())
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets the failures of an event that is settled.
///
/// # Errors
/// The database's refusal.
pub async fn forget(db: &mut SqliteConnection, local_seq: i64) -> Result<()> {
    sqlx::query("DELETE FROM ves_retries WHERE local_seq = ?1")
        .bind(local_seq)
        .execute(db)
        .await?;
    Ok(())
}

/// What waits, by outbox position.
///
/// # Errors
/// The database's refusal.
pub async fn retries(pool: &SqlitePool) -> Result<BTreeMap<i64, Retry>> {
    let rows: Vec<(i64, i64, String, i64)> = sqlx::query_as(
        "SELECT local_seq, failures, error, next_attempt_ms FROM ves_retries ORDER BY local_seq",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(local_seq, failures, error, next_attempt_ms)| {
            let failures = u32::try_from(failures).unwrap_or(u32::MAX);
            let retry = Retry {
                failures,
                error,
                next_attempt_ms,
            };
            (local_seq, retry)
        })
        .collect())
}

/// Positions whose next attempt is still to come.
///
/// # Errors
/// The database's refusal.
pub async fn waiting(pool: &SqlitePool) -> Result<std::collections::BTreeSet<i64>> {
    let waiting: Vec<i64> =
        sqlx::query_scalar("SELECT local_seq FROM ves_retries WHERE next_attempt_ms > ?1")
            .bind(now_ms())
            .fetch_all(pool)
            .await?;
    Ok(waiting.into_iter().collect())
}

/// How long until the next attempt is due; none if nothing waits.
///
/// # Errors
/// The database's refusal.
pub async fn next_due(pool: &SqlitePool) -> Result<Option<Duration>> {
    let next: Option<i64> = sqlx::query_scalar("SELECT min(next_attempt_ms) FROM ves_retries")
        .fetch_one(pool)
        .await?;
    Ok(next.map(|at| {
        let wait = at.saturating_sub(now_ms()).max(0);
        Duration::from_millis(u64::try_from(wait).unwrap_or(0))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn waits_are_spread_over_a_bound_that_doubles_up_to_a_cap() {
        let mut rng = StdRng::seed_from_u64(7);
        for (failures, bound) in [
            (1, 1.0),
            (2, 2.0),
            (5, 16.0),
            (9, 256.0),
            (10, 300.0),
            (99, 300.0),
        ] {
            let waits: Vec<f64> = (0..400)
                .map(|_| backoff(failures, &mut rng).as_secs_f64())
                .collect();
            assert!(waits.iter().all(|wait| *wait <= bound), "{failures}");
            // Full jitter: the lower and the upper tenth are both hit.
            assert!(waits.iter().any(|wait| *wait < bound / 10.0), "{failures}");
            assert!(waits.iter().any(|wait| *wait > bound * 0.9), "{failures}");
        }
    }

    #[tokio::test]
    async fn the_next_attempt_outlives_the_process() {
        let (_dir, pool) = crate::testing::pool().await;
        for _ in 0..12 {
            let mut db = pool.acquire().await.unwrap();
            note_failure(&mut db, 4, "the pool is full").await.unwrap();
        }
        let kept = retries(&pool).await.unwrap();
        assert_eq!(
            (kept[&4].failures, kept[&4].error.as_str()),
            (12, "the pool is full")
        );
        let wait = next_due(&pool).await.unwrap().unwrap();
        assert!(wait <= CAP);
        // Due or not is a matter of the clock alone.
        sqlx::query("UPDATE ves_retries SET next_attempt_ms = 1")
            .execute(&pool)
            .await
            .unwrap();
        assert!(waiting(&pool).await.unwrap().is_empty());
        assert_eq!(next_due(&pool).await.unwrap(), Some(Duration::ZERO));
    }
}
