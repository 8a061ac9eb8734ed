// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Records that were set aside: those that did not verify, and those whose payload the node had pruned.

use super::{Stream, damaged, signed, unsigned};
use crate::{
    capture::now_rfc3339,
    error::{Failure, Result},
    journal::{self, Fact, Kind},
    rules::{Problem, Reason},
};
use serde::Serialize;
use serde_json::json;
use sqlx::{SqliteConnection, SqlitePool};
use ves_primitives::{EventId, wire::SequencedEventJson};

/// Sets a record aside with its problem; a newer finding replaces an older one.
///
/// # Errors
/// The database's refusal.
pub async fn quarantine(
    db: &mut SqliteConnection,
    stream: Stream,
    record: &SequencedEventJson,
    problem: &Problem,
) -> Result<()> {
    let text = serde_json::to_string(record).map_err(Failure::unexpected)?;
    // The same finding about the same record is remembered once.
    let known: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM ves_quarantine WHERE tenant_id = ?1 AND store_id = ?2 AND sequence = ?3 \
         AND reason = ?4 AND record = ?5",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(record.sequence)?)
    .bind(problem.reason.name())
    .bind(&text)
    .fetch_optional(&mut *db)
    .await?;
    // What a node threw away is no failure.
    if known.is_none() && problem.reason != Reason::PayloadPruned {
        let reason = problem.reason.name();
        let fact = Fact {
            kind: Kind::Quarantined,
            event: Some((stream.tenant, stream.store, record.event.event_id)),
            reason: &reason,
            detail: json!({
                "sequence": record.sequence,
                "problem": &problem.detail,
                // As text: what a node sent need not have numbers that JSON can carry.
                "record": &text,
            }),
        };
        journal::note(&mut *db, &fact).await?;
    }
    sqlx::query(
        "INSERT INTO ves_quarantine (tenant_id, store_id, sequence, event_id, reason, detail, \
         record, quarantined_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
         ON CONFLICT (tenant_id, store_id, sequence) DO UPDATE SET event_id = excluded.event_id, \
         reason = excluded.reason, detail = excluded.detail, record = excluded.record, \
         quarantined_at = excluded.quarantined_at",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(signed(record.sequence)?)
    .bind(record.event.event_id.0.as_slice())
    .bind(problem.reason.name())
    .bind(&problem.detail)
    .bind(text)
    .bind(now_rfc3339())
    .execute(db)
    .await?;
    Ok(())
}

/// A quarantined record, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// Its place in the stream.
    pub sequence: u64,
    /// The event.
    pub event_id: EventId,
    /// Name of the broken rule.
    pub reason: String,
    /// What exactly.
    pub detail: String,
}

/// Everything in quarantine, in sequence order.
///
/// # Errors
/// The database's refusal.
pub async fn quarantined(pool: &SqlitePool, stream: Stream) -> Result<Vec<Quarantined>> {
    set_aside(pool, stream, false).await
}

/// Events whose payload the node had pruned, in sequence order: all else about them was verified. They
/// stand beside the quarantine, since a node that keeps payloads can complete them.
///
/// # Errors
/// The database's refusal.
pub async fn pruned(pool: &SqlitePool, stream: Stream) -> Result<Vec<Quarantined>> {
    set_aside(pool, stream, true).await
}

async fn set_aside(pool: &SqlitePool, stream: Stream, pruned: bool) -> Result<Vec<Quarantined>> {
    let rows: Vec<(i64, Vec<u8>, String, String)> = sqlx::query_as(
        "SELECT sequence, event_id, reason, detail FROM ves_quarantine \
         WHERE tenant_id = ?1 AND store_id = ?2 AND (reason = ?3) = ?4 ORDER BY sequence",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(Reason::PayloadPruned.name())
    .bind(pruned)
    .fetch_all(pool)
    .await?;
    rows.into_iter()
        .map(|(sequence, event_id, reason, detail)| {
            Ok(Quarantined {
                sequence: unsigned(sequence)?,
                event_id: EventId(event_id.try_into().map_err(|_| damaged("event id"))?),
                reason,
                detail,
            })
        })
        .collect()
}
