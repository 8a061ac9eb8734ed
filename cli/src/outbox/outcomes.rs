// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Recording what became of events: thousands at a time, so what is the same for many is one statement.

use super::{Entry, State, forget, note_failure};
use crate::{
    capture::now_rfc3339,
    error::Result,
    journal::{self, Kind},
    keys::check_uses,
};
use serde_json::{Value, json};
use sqlx::{SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// About to be handed to a node, whose best block is this.
    Submitted {
        /// Best block at that time.
        best_block: u32,
    },
    /// The node took it in this extrinsic.
    Carried {
        /// Hash of the extrinsic.
        extrinsic_hash: [u8; 32],
    },
    /// In a block that is not final yet.
    InBlock {
        /// The block.
        block_number: u32,
        /// Its place, should the block become final.
        sequence: u64,
    },
    /// In a block that is proven final.
    Finalized {
        /// The block.
        block_number: u32,
        /// Its place in the stream.
        sequence: u64,
    },
    /// In a block that a node calls final without proving it.
    Unproven {
        /// The block.
        block_number: u32,
        /// Its place in the stream, by the node's word.
        sequence: u64,
        /// What is missing or wrong.
        error: String,
    },
    /// Refused by the chain.
    Rejected {
        /// The chain's reason.
        reason: String,
    },
    /// Refused for now: it keeps its signature and is due again later.
    Deferred {
        /// The chain's reason.
        error: String,
    },
    /// It was marked as handed over and was not.
    NotSent,
    /// Given up after too many attempts.
    GivenUp {
        /// What they had in common.
        error: String,
    },
    /// Something went wrong on the way; the state stays.
    Trouble {
        /// What.
        error: String,
    },
}

/// States in which an outcome still counts. A final state is never left again.
const OPEN: &str = "state IN ('signed', 'submitted', 'in_block')";
const UNPLACED: &str = "block_number = NULL, sequence = NULL";

/// Commits the signatures of freshly signed entries in one transaction, and none of them if a key would
/// then have signed more than its policy allows. The database counts each with the row that it stands in.
/// Left as it is: a row that another process signed, or that somebody decided about, meanwhile.
///
/// # Errors
/// `key_used_up`, or the database's refusal.
pub async fn store_signatures(pool: &SqlitePool, entries: &[&Entry]) -> Result<()> {
    let rows: Vec<Value> = entries
        .iter()
        .filter_map(|entry| {
            let signature = hex::encode(entry.event.envelope.agent_signature.0);
            Some(json!([entry.local_seq, entry.key_id?.0, signature]))
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "UPDATE ves_outbox SET key_id = given.key_id, signature = unhex(given.signature), \
         state = 'signed', updated_at = ?1 \
         FROM (SELECT value ->> 0 AS local_seq, value ->> 1 AS key_id, value ->> 2 AS signature \
         FROM json_each(?2)) AS given \
         WHERE ves_outbox.local_seq = given.local_seq AND state = 'queued' \
         AND ves_outbox.signature IS NULL",
    )
    .bind(now_rfc3339())
    .bind(Value::from(rows).to_string())
    .execute(&mut *tx)
    .await?;
    let used: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| Some((entry.event.envelope.source_agent_id, entry.key_id?)))
        .collect();
    for (agent, key) in used {
        check_uses(&mut tx, agent, key).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Marks events as about to be handed to a node, and says where each stands then: only what is `submitted`
/// may be sent, not what was given up, replaced or settled meanwhile.
///
/// # Errors
/// The database's refusal, or a damaged row.
pub async fn hand_over(
    pool: &SqlitePool,
    positions: &[i64],
    best_block: u32,
) -> Result<BTreeMap<i64, State>> {
    let mark: Vec<(i64, Outcome)> = positions
        .iter()
        .map(|position| (*position, Outcome::Submitted { best_block }))
        .collect();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    record_in(&mut tx, &mark).await?;
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT local_seq, state FROM ves_outbox \
         WHERE local_seq IN (SELECT value FROM json_each(?1))",
    )
    .bind(json!(positions).to_string())
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    rows.into_iter()
        .map(|(position, name)| State::parse(&name).map(|state| (position, state)))
        .collect()
}

/// Records outcomes in one transaction. A final state is never left again.
///
/// # Errors
/// The database's refusal.
pub async fn record(pool: &SqlitePool, outcomes: &[(i64, Outcome)]) -> Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    record_in(&mut tx, outcomes).await?;
    tx.commit().await?;
    Ok(())
}

/// Records outcomes in the caller's transaction, for instance with the evidence for them.
///
/// # Errors
/// The database's refusal.
pub async fn record_in(db: &mut SqliteConnection, outcomes: &[(i64, Outcome)]) -> Result<()> {
    let mut submitted: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    let mut carried: BTreeMap<[u8; 32], Vec<i64>> = BTreeMap::new();
    let (mut in_block, mut finalized) = (Vec::new(), Vec::new());
    let mut unproven = Vec::new();
    for (local_seq, outcome) in outcomes {
        match outcome {
            Outcome::Submitted { best_block } => {
                submitted.entry(*best_block).or_default().push(*local_seq);
            }
            Outcome::Carried { extrinsic_hash } => {
                carried.entry(*extrinsic_hash).or_default().push(*local_seq);
            }
            Outcome::InBlock {
                block_number,
                sequence,
            } => in_block.push(json!([local_seq, block_number, sequence])),
            Outcome::Finalized {
                block_number,
                sequence,
            } => finalized.push(json!([local_seq, block_number, sequence])),
            Outcome::Unproven {
                block_number,
                sequence,
                error,
            } => {
                in_block.push(json!([local_seq, block_number, sequence]));
                unproven.push((*local_seq, error.clone()));
            }
            other => record_one(&mut *db, *local_seq, other).await?,
        }
    }
    for (best_block, rows) in submitted {
        let set = "state = 'submitted', submitted_block = ?3, attempts = attempts + 1, \
                   last_error = NULL";
        sqlx::query(&of_many(set))
            .bind(json!(rows).to_string())
            .bind(now_rfc3339())
            .bind(i64::from(best_block))
            .execute(&mut *db)
            .await?;
    }
    for (extrinsic_hash, rows) in carried {
        sqlx::query(&of_many("extrinsic_hash = ?3"))
            .bind(json!(rows).to_string())
            .bind(now_rfc3339())
            .bind(extrinsic_hash.to_vec())
            .execute(&mut *db)
            .await?;
    }
    place(&mut *db, "state = 'in_block', last_error = NULL", in_block).await?;
    place(
        &mut *db,
        "state = 'finalized', last_error = NULL",
        finalized,
    )
    .await?;
    for (local_seq, error) in unproven {
        record_one(&mut *db, local_seq, &Outcome::Trouble { error }).await?;
    }
    Ok(())
}

/// The statement that says the same of many events, whose positions are a JSON list.
fn of_many(set: &str) -> String {
    format!(
        "UPDATE ves_outbox SET updated_at = ?2, {set} \
         WHERE local_seq IN (SELECT value FROM json_each(?1)) AND {OPEN}"
    )
}

/// Gives events their places; each row is a position, a block and a sequence.
async fn place(db: &mut SqliteConnection, set: &str, rows: Vec<Value>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = Value::from(rows).to_string();
    let sql = format!(
        "UPDATE ves_outbox SET updated_at = ?2, block_number = given.block_number, \
         sequence = given.sequence, {set} \
         FROM (SELECT value ->> 0 AS local_seq, value ->> 1 AS block_number, \
         value ->> 2 AS sequence FROM json_each(?1)) AS given \
         WHERE ves_outbox.local_seq = given.local_seq AND {OPEN}"
    );
    sqlx::query(&sql)
        .bind(&rows)
        .bind(now_rfc3339())
        .execute(&mut *db)
        .await?;
    // Whatever went wrong on the way there is over.
    sqlx::query(
        "DELETE FROM ves_retries WHERE local_seq IN (SELECT value ->> 0 FROM json_each(?1))",
    )
    .bind(&rows)
    .execute(db)
    .await?;
    Ok(())
}

/// Records what is different for each event, and rare.
async fn record_one(db: &mut SqliteConnection, local_seq: i64, outcome: &Outcome) -> Result<()> {
    let (set, text) = match outcome {
        Outcome::Rejected { reason } => (
            format!("state = 'rejected', reason = ?3, {UNPLACED}"),
            Some(reason),
        ),
        Outcome::Deferred { error } => (
            format!("state = 'signed', last_error = ?3, {UNPLACED}"),
            Some(error),
        ),
        Outcome::GivenUp { error } => (
            format!("state = 'dead', reason = 'never_included', last_error = ?3, {UNPLACED}"),
            Some(error),
        ),
        Outcome::Trouble { error } => ("last_error = ?3".to_owned(), Some(error)),
        Outcome::NotSent => (
            format!("state = 'signed', attempts = max(attempts - 1, 0), {UNPLACED}"),
            None,
        ),
        // Recorded with others of their kind.
        Outcome::Submitted { .. }
        | Outcome::Carried { .. }
        | Outcome::InBlock { .. }
        | Outcome::Finalized { .. }
        | Outcome::Unproven { .. } => return Ok(()),
    };
    let sql =
        format!("UPDATE ves_outbox SET updated_at = ?2, {set} WHERE local_seq = ?1 AND {OPEN}");
    let query = sqlx::query(&sql).bind(local_seq).bind(now_rfc3339());
    let query = match text {
        Some(text) => query.bind(text.clone()),
        None => query,
    };
    let moved = query.execute(&mut *db).await?.rows_affected() > 0;
    match outcome {
        Outcome::Rejected { reason } if moved => {
            journal::note_outbox(&mut *db, Kind::Rejected, local_seq, reason).await?;
        }
        Outcome::GivenUp { error } if moved => {
            journal::note_outbox(&mut *db, Kind::Dead, local_seq, error).await?;
        }
        _ => {}
    }
    match outcome {
        Outcome::Deferred { error } | Outcome::Trouble { error } => {
            note_failure(db, local_seq, error).await
        }
        Outcome::Rejected { .. } | Outcome::GivenUp { .. } => forget(db, local_seq).await,
        _ => Ok(()),
    }
}
