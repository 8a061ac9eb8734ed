// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How many events models pushed within an hour.
//!
//! They are counted in the project's database: a server that is started anew goes on counting, and two of
//! them share the limit. An event that is pushed again counts once, from its last time on.

use super::values::{HOUR_MS, Place, forget_old};
use crate::error::{Exit, Failure, Result};
use sqlx::SqliteConnection;
use std::collections::BTreeSet;
use ves_primitives::{EventId, StoreId, TenantId};

/// In `ves_spent` in the place of a currency; no currency is called so.
pub(super) const EVENTS: &str = "#";

/// Counts events that are about to go out, in the caller's transaction, which must hold the right to
/// write. Whoever is refused must not commit it.
///
/// # Errors
/// `limit_reached`, or the database's refusal.
pub(super) async fn take(
    db: &mut SqliteConnection,
    most: u32,
    events: &[Place],
    now_ms: i64,
) -> Result<()> {
    forget_old(db, now_ms).await?;
    let mut counted = counted(db, now_ms).await?;
    let before = counted.len();
    counted.extend(events);
    let fresh = counted.len().saturating_sub(before);
    if counted.len() > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(Failure::new(
            Exit::Refused,
            "limit_reached",
            format!(
                "{before} events went out within the last hour, {fresh} more would be over the limit \
                 of {most}"
            ),
        )
        .hint("wait, push fewer events, or ask the operator to raise --max-events-per-hour"));
    }
    for (tenant, store, event) in events {
        sqlx::query(
            "INSERT INTO ves_spent (tenant_id, store_id, event_id, currency, value, spent_ms) \
             VALUES (?1, ?2, ?3, ?4, '1', ?5) ON CONFLICT (tenant_id, store_id, event_id, currency) \
             DO UPDATE SET spent_ms = max(spent_ms, excluded.spent_ms)",
        )
        .bind(tenant.0.as_slice())
        .bind(store.0.as_slice())
        .bind(event.0.as_slice())
        .bind(EVENTS)
        .bind(now_ms)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The events that count: those of the last hour.
async fn counted(db: &mut SqliteConnection, now_ms: i64) -> Result<BTreeSet<Place>> {
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT tenant_id, store_id, event_id FROM ves_spent WHERE currency = ?1 AND spent_ms > ?2",
    )
    .bind(EVENTS)
    .bind(now_ms.saturating_sub(HOUR_MS))
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(tenant, store, event)| {
            let id = |bytes: Vec<u8>| <[u8; 16]>::try_from(bytes).map_err(|_| damaged());
            Ok((
                TenantId(id(tenant)?),
                StoreId(id(store)?),
                EventId(id(event)?),
            ))
        })
        .collect()
}

fn damaged() -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        "a row about what models pushed is damaged",
    )
    .hint("restore the database from a backup")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        mcp::values::Limits,
        testing::{STORE, TENANT, pool},
    };
    use sqlx::SqlitePool;

    fn places(range: std::ops::Range<u8>) -> Vec<Place> {
        range.map(|n| (TENANT, STORE, EventId([n; 16]))).collect()
    }

    /// As a server does it: each call stands for another one.
    async fn push(pool: &SqlitePool, events: std::ops::Range<u8>, now: i64) -> Result<()> {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        take(&mut tx, 10, &places(events), now).await?;
        tx.commit().await.unwrap();
        Ok(())
    }

    #[tokio::test]
    async fn the_limit_of_an_hour_outlives_the_server_and_is_shared() {
        let (_dir, pool) = pool().await;
        let now = 10 * HOUR_MS;
        push(&pool, 0..6, now).await.unwrap();
        let refused = push(&pool, 6..11, now + 1).await.unwrap_err();
        assert_eq!(refused.code, "limit_reached");
        assert!(
            refused.message.starts_with("6 events") && refused.message.contains("5 more"),
            "{refused}"
        );
        // Nothing of what was refused is counted.
        push(&pool, 6..10, now + 2).await.unwrap();
        assert!(push(&pool, 10..11, now + HOUR_MS - 1).await.is_err());
        push(&pool, 10..16, now + HOUR_MS).await.unwrap();
        assert!(push(&pool, 16..17, now + HOUR_MS).await.is_err());
    }

    #[tokio::test]
    async fn an_event_that_is_pushed_again_counts_once_from_its_last_time_on() {
        let (_dir, pool) = pool().await;
        let now = 10 * HOUR_MS;
        push(&pool, 0..10, now).await.unwrap();
        push(&pool, 0..10, now + HOUR_MS / 2).await.unwrap();
        assert!(push(&pool, 10..11, now + HOUR_MS).await.is_err());
        push(&pool, 10..11, now + HOUR_MS * 3 / 2).await.unwrap();
    }

    #[tokio::test]
    async fn events_are_no_value_and_values_are_no_events() {
        let (_dir, pool) = pool().await;
        let limits = Limits {
            per_push: None,
            per_hour: Some("USD=1".parse().unwrap()),
            fields: vec!["total".into()],
        };
        let event = EventId([1; 16]);
        let payload = serde_json::json!({"total": 1, "currency": "USD"});
        let valued = (
            (TENANT, STORE, event),
            limits.value(event, &payload).unwrap(),
        );
        let now = 10 * HOUR_MS;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        take(&mut tx, 10, &places(0..9), now).await.unwrap();
        limits.take(&mut tx, &[valued], now).await.unwrap();
        take(&mut tx, 10, &places(9..10), now).await.unwrap();
        assert!(take(&mut tx, 10, &places(10..11), now).await.is_err());
    }
}
