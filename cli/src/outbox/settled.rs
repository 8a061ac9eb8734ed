// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Own events that a pull proved final while a push still waited for that, or had given up waiting.

use super::{Entry, Outcome, record_in, row::RawRow};
use crate::{
    error::{Failure, Result},
    inbox::Stream,
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
    // Few are open, and thousands are settled: the planner does not know.
    let waiting: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM ves_outbox INDEXED BY ves_outbox_open \
         WHERE tenant_id = ?1 AND store_id = ?2 \
         AND state IN ('queued', 'signed', 'submitted', 'in_block') AND signature IS NOT NULL)",
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
         AND state IN ('queued', 'signed', 'submitted', 'in_block') AND signature IS NOT NULL \
         AND event_id IN (SELECT unhex(value) FROM json_each(?3))",
    )
    .bind(stream.tenant.0.as_slice())
    .bind(stream.store.0.as_slice())
    .bind(serde_json::to_string(&ids).map_err(Failure::unexpected)?)
    .fetch_all(&mut *db)
    .await?;
    let mut outcomes = Vec::new();
    for row in rows {
        let entry = Entry::try_from(row)?;
        let Some(record) = records.get(&entry.event_id()) else {
            continue;
        };
        if is_of(&entry, record) {
            let outcome = Outcome::Finalized {
                block_number: record.block_number,
                sequence: record.sequence,
            };
            outcomes.push((entry.local_seq, outcome));
        }
    }
    record_in(db, &outcomes).await?;
    Ok(outcomes.len())
}

fn is_of(entry: &Entry, record: &SequencedEventJson) -> bool {
    match rules::is_pruned(record) {
        true => {
            rules::pruned_form(record).is_ok_and(|shown| shown.envelope == entry.event.envelope)
        }
        false => rules::event_form(record).is_ok_and(|shown| shown == entry.event),
    }
}
