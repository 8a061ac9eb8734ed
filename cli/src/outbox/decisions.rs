// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Moves that somebody decides: giving an event up, replacing it, trying it again.

use super::{Entry, State, row::RawRow};
use crate::{
    capture::now_rfc3339,
    error::Result,
    inbox::Stream,
    journal::{self, Kind},
};
use sqlx::{SqliteConnection, SqlitePool};

/// Events with a base version, oldest first, of the entities of which one is unsent or was rejected for a
/// reason that begins so: what they were made on top of matters too.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn with_base_version(
    pool: &SqlitePool,
    stream: Stream,
    reason: &str,
) -> Result<Vec<Entry>> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 \
         AND base_version IS NOT NULL AND (entity_type, entity_id) IN (\
             SELECT entity_type, entity_id FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 \
             AND base_version IS NOT NULL AND (state IN ('queued', 'signed') \
             OR (state = 'rejected' AND reason LIKE ?3 || '%'))) ORDER BY local_seq",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(reason)
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Gives an event up (`dead`) or notes that another takes its place (`superseded`), if it is still in
/// the state that the decision was made about. Says whether it was.
///
/// # Errors
/// The database's refusal.
pub async fn set_aside(
    db: &mut SqliteConnection,
    local_seq: i64,
    from: State,
    to: State,
) -> Result<bool> {
    let moved = sqlx::query(
        "UPDATE ves_outbox SET state = ?3, updated_at = ?4 WHERE local_seq = ?1 AND state = ?2 \
         AND state IN ('queued', 'signed', 'rejected', 'dead')",
    )
    .bind(local_seq)
    .bind(from.name())
    .bind(to.name())
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?
    .rows_affected();
    if moved == 1 {
        let kind = match to {
            State::Superseded => Kind::Superseded,
            _ => Kind::Dead,
        };
        let reason = format!("decided, was {from}");
        journal::note_outbox(&mut *db, kind, local_seq, &reason).await?;
    }
    super::forget(db, local_seq).await?;
    Ok(moved == 1)
}

/// Puts a dead or rejected event back on its way, with the bytes it has. Says whether it was one.
///
/// # Errors
/// The database's refusal: for instance another event has taken over its command.
pub async fn revive(db: &mut SqliteConnection, local_seq: i64) -> Result<bool> {
    let reason: Option<String> =
        sqlx::query_scalar("SELECT reason FROM ves_outbox WHERE local_seq = ?1")
            .bind(local_seq)
            .fetch_optional(&mut *db)
            .await?
            .flatten();
    let moved = sqlx::query(
        "UPDATE ves_outbox SET state = CASE WHEN signature IS NULL THEN 'queued' ELSE 'signed' END, \
         reason = NULL, last_error = NULL, attempts = 0, updated_at = ?2 \
         WHERE local_seq = ?1 AND state IN ('rejected', 'dead')",
    )
    .bind(local_seq)
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?
    .rows_affected();
    if moved == 1 {
        let was = reason.as_deref().unwrap_or("given up");
        journal::note_outbox(&mut *db, Kind::Revived, local_seq, was).await?;
    }
    super::forget(db, local_seq).await?;
    Ok(moved == 1)
}
