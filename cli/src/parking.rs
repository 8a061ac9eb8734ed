// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Parked events: captured, of a type that nobody described, and on no way to the chain.
//!
//! They stand in a table of their own, so that nothing which reads the outbox can send them. Of an
//! encrypted event the ciphertext alone is kept, as in the outbox.

use crate::{
    capture::{self, Captured, now_rfc3339},
    error::{Exit, Failure, Result},
    journal::{self, Fact, Kind},
};
use codec::{DecodeAll, Encode};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection, SqlitePool};
use ves_primitives::{EventId, PayloadKind, SubmittedEvent, limits};

/// Reason of an event whose type nobody described.
pub const TYPE_UNKNOWN: &str = "type_unknown";

/// A parked event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its number among the parked ones.
    pub parked_id: i64,
    /// The event, unsigned.
    pub event: SubmittedEvent,
    /// Its type.
    pub event_type: String,
    /// Why it was parked.
    pub reason: String,
    /// When.
    pub parked_at: String,
}

impl Parked {
    /// The event's id.
    pub const fn event_id(&self) -> EventId {
        self.event.envelope.event_id
    }

    /// Whether its payload is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.event.envelope.payload_kind == PayloadKind::Encrypted
    }

    /// When it happened, as it says.
    pub fn created_at(&self) -> String {
        String::from_utf8_lossy(&self.event.envelope.created_at).into_owned()
    }

    /// Whether the chain still takes an event from then, so many milliseconds after 1970.
    pub fn is_in_time(&self, now_ms: i64) -> bool {
        let window = i64::try_from(limits::EVENT_WINDOW_MS).unwrap_or(i64::MAX);
        chrono::DateTime::parse_from_rfc3339(&self.created_at())
            .is_ok_and(|at| now_ms.saturating_sub(at.timestamp_millis()) < window)
    }
}

#[derive(FromRow)]
struct Row {
    parked_id: i64,
    event: Vec<u8>,
    event_type: String,
    reason: String,
    parked_at: String,
}

impl TryFrom<Row> for Parked {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self> {
        let event = SubmittedEvent::decode_all(&mut row.event.as_slice()).map_err(|error| {
            Failure::new(
                Exit::Database,
                "database_corrupt",
                format!("parked event {}: {error}", row.parked_id),
            )
        })?;
        Ok(Self {
            parked_id: row.parked_id,
            event,
            event_type: row.event_type,
            reason: row.reason,
            parked_at: row.parked_at,
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn remember(
    db: &mut SqliteConnection,
    kind: Kind,
    event: &SubmittedEvent,
    reason: &str,
) -> Result<()> {
    let e = &event.envelope;
    let fact = Fact {
        kind,
        event: Some((e.tenant_id, e.store_id, e.event_id)),
        reason,
        detail: json!({
            "event_type": text(&e.event_type),
            "entity_type": text(&e.entity_type),
            "entity_id": text(&e.entity_id),
            "payload_plain_hash": e.payload_plain_hash,
        }),
    };
    journal::note(db, &fact).await
}

/// Sets an unsigned event aside, in the caller's transaction.
///
/// # Errors
/// `duplicate_event_id` if the id is parked or in the outbox, or the database's refusal.
pub async fn park(db: &mut SqliteConnection, event: &SubmittedEvent, reason: &str) -> Result<()> {
    let e = &event.envelope;
    let taken: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3 \
         UNION SELECT 1 FROM ves_parked WHERE tenant_id = ?1 AND store_id = ?2 AND event_id = ?3",
    )
    .bind(e.tenant_id.0.as_slice())
    .bind(e.store_id.0.as_slice())
    .bind(e.event_id.0.as_slice())
    .fetch_optional(&mut *db)
    .await?;
    if taken.is_some() {
        return Err(Failure::new(
            Exit::Refused,
            "duplicate_event_id",
            format!("event {} is captured already", e.event_id),
        )
        .hint("leave --event-id out to get a fresh one"));
    }
    sqlx::query(
        "INSERT INTO ves_parked (tenant_id, store_id, event_id, entity_type, entity_id, \
         event_type, created_at, event, reason, parked_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )
    .bind(e.tenant_id.0.as_slice())
    .bind(e.store_id.0.as_slice())
    .bind(e.event_id.0.as_slice())
    .bind(text(&e.entity_type))
    .bind(text(&e.entity_id))
    .bind(text(&e.event_type))
    .bind(text(&e.created_at))
    .bind(event.encode())
    .bind(reason)
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?;
    remember(db, Kind::Parked, event, reason).await
}

/// Parked events, oldest first.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn list(pool: &SqlitePool) -> Result<Vec<Parked>> {
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM ves_parked ORDER BY parked_id")
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(Parked::try_from).collect()
}

/// How many are parked.
///
/// # Errors
/// The database's refusal.
pub async fn count(pool: &SqlitePool) -> Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM ves_parked")
        .fetch_one(pool)
        .await?)
}

async fn remove(db: &mut SqliteConnection, parked: &Parked) -> Result<()> {
    let gone = sqlx::query("DELETE FROM ves_parked WHERE parked_id = ?1")
        .bind(parked.parked_id)
        .execute(db)
        .await?
        .rows_affected();
    match gone {
        1 => Ok(()),
        _ => Err(Failure::usage(
            "event_not_parked",
            format!("event {} is no longer parked", parked.event_id()),
        )),
    }
}

/// Puts a parked event into the outbox, in the caller's transaction.
///
/// # Errors
/// `event_not_parked`, `duplicate_event_id`, `duplicate_command_id`, or the database's refusal.
pub async fn release(db: &mut SqliteConnection, parked: &Parked, why: &str) -> Result<Captured> {
    remove(&mut *db, parked).await?;
    let captured = capture::append_built(&mut *db, &parked.event).await?;
    remember(db, Kind::Released, &parked.event, why).await?;
    Ok(captured)
}

/// Throws a parked event away, in the caller's transaction. The journal keeps that it was there, not what
/// it said.
///
/// # Errors
/// `event_not_parked`, or the database's refusal.
pub async fn drop_event(db: &mut SqliteConnection, parked: &Parked) -> Result<()> {
    remove(&mut *db, parked).await?;
    remember(db, Kind::Dropped, &parked.event, "decided").await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        outbox,
        testing::{draft, pool},
    };

    async fn one_parked(pool: &SqlitePool) -> Parked {
        let event = draft().build().unwrap();
        park(&mut pool.acquire().await.unwrap(), &event, "type_unknown")
            .await
            .unwrap();
        list(pool).await.unwrap().remove(0)
    }

    async fn kinds(pool: &SqlitePool) -> Vec<String> {
        let entries = journal::after(pool, 0, None, 100).await.unwrap();
        entries.into_iter().map(|entry| entry.kind).collect()
    }

    #[tokio::test]
    async fn a_parked_event_is_on_no_way_to_the_chain_until_it_is_released_unchanged() {
        let (_dir, pool) = pool().await;
        let parked = one_parked(&pool).await;
        assert!(outbox::open_entries(&pool, 0, 10).await.unwrap().is_empty());
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        release(&mut tx, &parked, "described").await.unwrap();
        tx.commit().await.unwrap();
        let open = outbox::open_entries(&pool, 0, 10).await.unwrap();
        assert_eq!((open.len(), &open[0].event), (1, &parked.event));
        assert_eq!(count(&pool).await.unwrap(), 0);
        assert_eq!(kinds(&pool).await, ["parked", "released"]);
    }

    #[tokio::test]
    async fn an_event_is_released_or_dropped_once() {
        let (_dir, pool) = pool().await;
        let parked = one_parked(&pool).await;
        let mut db = pool.acquire().await.unwrap();
        drop_event(&mut db, &parked).await.unwrap();
        for again in [
            drop_event(&mut db, &parked).await.unwrap_err(),
            release(&mut db, &parked, "described").await.unwrap_err(),
        ] {
            assert_eq!(again.code, "event_not_parked");
        }
        assert_eq!(kinds(&pool).await, ["parked", "dropped"]);
    }

    #[tokio::test]
    async fn an_id_is_parked_or_captured_but_not_both() {
        let (_dir, pool) = pool().await;
        let parked = one_parked(&pool).await;
        let mut db = pool.acquire().await.unwrap();
        let again = park(&mut db, &parked.event, "type_unknown")
            .await
            .unwrap_err();
        assert_eq!(again.code, "duplicate_event_id");
        release(&mut db, &parked, "described").await.unwrap();
        let again = park(&mut db, &parked.event, "type_unknown")
            .await
            .unwrap_err();
        assert_eq!(again.code, "duplicate_event_id");
    }

    #[tokio::test]
    async fn what_is_parked_does_not_change() {
        let (_dir, pool) = pool().await;
        one_parked(&pool).await;
        let change = "UPDATE ves_parked SET event = x'00'";
        assert!(sqlx::query(change).execute(&pool).await.is_err());
    }

    #[tokio::test]
    async fn an_event_that_waited_too_long_is_known_to_be_too_late() {
        let (_dir, pool) = pool().await;
        let parked = one_parked(&pool).await;
        let created = chrono::DateTime::parse_from_rfc3339(&parked.created_at()).unwrap();
        let (created, day) = (created.timestamp_millis(), 24 * 60 * 60 * 1000);
        assert!(parked.is_in_time(created + 2 * day));
        assert!(!parked.is_in_time(created + 3 * day));
    }
}
