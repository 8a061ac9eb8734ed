// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Own events that a pull proved final: a push still waited for that, or had given up waiting, or they count
//! as failed here although the chain has them.

use super::{Entry, Outcome, State, forget, record_in, row::RawRow};
use crate::{
    capture::now_rfc3339,
    error::{Failure, Result},
    inbox::Stream,
    journal::{self, Kind},
    rules,
};
use sqlx::SqliteConnection;
use std::collections::HashMap;
use ves_primitives::{EventId, wire::SequencedEventJson};

/// Settles the events of the outbox that are among these verified records, in the caller's transaction,
/// and says how many there were. An event with a known id and another content is somebody else's.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn settle_verified<'r>(
    db: &mut SqliteConnection,
    stream: Stream,
    verified: impl Iterator<Item = &'r SequencedEventJson>,
) -> Result<usize> {
    // Few are open or failed, and thousands are settled: the planner does not know.
    let waiting: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM ves_outbox INDEXED BY ves_outbox_open \
         WHERE tenant_id = ?1 AND store_id = ?2 \
         AND state IN ('queued', 'signed', 'submitted', 'in_block') AND signature IS NOT NULL) \
         OR EXISTS (SELECT 1 FROM ves_outbox INDEXED BY ves_outbox_failed \
         WHERE tenant_id = ?1 AND store_id = ?2 \
         AND state IN ('rejected', 'dead') AND signature IS NOT NULL)",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .fetch_one(&mut *db)
    .await?;
    if !waiting {
        return Ok(0);
    }
    let records: HashMap<EventId, &SequencedEventJson> = verified
        .map(|record| (record.event.event_id, record))
        .collect();
    let ids: Vec<String> = records.keys().map(|id| hex::encode(id.0)).collect();
    let rows: Vec<RawRow> = sqlx::query_as(
        "SELECT * FROM ves_outbox WHERE tenant_id = ?1 AND store_id = ?2 \
         AND state IN ('queued', 'signed', 'submitted', 'in_block', 'rejected', 'dead') \
         AND signature IS NOT NULL AND event_id IN (SELECT unhex(value) FROM json_each(?3))",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(serde_json::to_string(&ids).map_err(Failure::unexpected)?)
    .fetch_all(&mut *db)
    .await?;
    let mut outcomes = Vec::new();
    let mut failed = 0usize;
    for row in rows {
        let entry = Entry::try_from(row)?;
        let Some(record) = records.get(&entry.event_id()) else {
            continue;
        };
        if !is_of(&entry, record) {
            continue;
        }
        if matches!(entry.state, State::Rejected | State::Dead) {
            let settled = settle_failed(&mut *db, &entry, record).await?;
            failed = failed.saturating_add(usize::from(settled));
        } else {
            let outcome = Outcome::Finalized {
                block_number: record.block_number,
                sequence: record.sequence,
            };
            outcomes.push((entry.local_seq, outcome));
        }
    }
    record_in(db, &outcomes).await?;
    Ok(outcomes.len().saturating_add(failed))
}

/// Makes a failed event final that was sequenced all the same. Says whether it did: where another event of the
/// outbox has taken over its command, the row only gets a note.
async fn settle_failed(
    db: &mut SqliteConnection,
    entry: &Entry,
    record: &SequencedEventJson,
) -> Result<bool> {
    let sequence = i64::try_from(record.sequence).map_err(Failure::unexpected)?;
    let moved = sqlx::query(
        "UPDATE ves_outbox SET state = 'finalized', block_number = ?2, sequence = ?3, \
         reason = NULL, last_error = NULL, updated_at = ?4 \
         WHERE local_seq = ?1 AND state IN ('rejected', 'dead') AND NOT EXISTS (\
             SELECT 1 FROM ves_outbox AS other WHERE other.tenant_id = ves_outbox.tenant_id \
             AND other.store_id = ves_outbox.store_id \
             AND other.command_id = ves_outbox.command_id \
             AND other.local_seq <> ves_outbox.local_seq \
             AND other.state NOT IN ('rejected', 'dead', 'superseded'))",
    )
    .bind(entry.local_seq)
    .bind(i64::from(record.block_number))
    .bind(sequence)
    .bind(now_rfc3339())
    .execute(&mut *db)
    .await?
    .rows_affected();
    if moved == 1 {
        let reason = format!("in block {}, was {}", record.block_number, entry.state);
        journal::note_outbox(&mut *db, Kind::Sequenced, entry.local_seq, &reason).await?;
        forget(&mut *db, entry.local_seq).await?;
        return Ok(true);
    }
    let note = format!(
        "it has sequence {}, and another event has its command",
        record.sequence
    );
    sqlx::query(
        "UPDATE ves_outbox SET last_error = ?2 WHERE local_seq = ?1 AND last_error IS NOT ?2",
    )
    .bind(entry.local_seq)
    .bind(note)
    .execute(db)
    .await?;
    Ok(false)
}

fn is_of(entry: &Entry, record: &SequencedEventJson) -> bool {
    match rules::is_pruned(record) {
        true => {
            rules::pruned_form(record).is_ok_and(|shown| shown.envelope == entry.event.envelope)
        }
        false => rules::event_form(record).is_ok_and(|shown| shown == entry.event),
    }
}
