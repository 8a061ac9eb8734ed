// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Quarantined records, looked at once more.
//!
//! A record of a verified batch was set aside because what a node showed of it did not hold: the node may
//! have lied or been wrong, or its registry may not have known a key yet. The batch itself is verified and
//! kept, so nothing but the record has to be asked for again.

use super::{FinalBlocks, Pull, Result, judge_record};
use crate::{
    chain::Chain,
    db,
    error::{Exit, Failure},
    finality::{self, Pinned},
    inbox::{self, Judged, Quarantined, Stream},
    output::Ui,
    rules::{self, Problem, Reason},
};
use serde::Serialize;
use sqlx::SqlitePool;
use std::collections::{HashMap, VecDeque};
use ves_primitives::EventId;

/// What became of one quarantined record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rechecked {
    /// Its place in the stream.
    pub sequence: u64,
    /// The event.
    pub event_id: EventId,
    /// Whether it verifies now; it is then among the verified events.
    pub promoted: bool,
    /// What is still wrong.
    pub problem: Option<String>,
}

/// Judges every quarantined record of a verified batch again, by what this node shows, and promotes those
/// that hold. With `keep`, nothing is written.
///
/// # Errors
/// The node's silence, or the database's refusal.
pub async fn recheck<C: Chain>(
    pool: &SqlitePool,
    chain: &C,
    stream: Stream,
    pin: Option<&Pinned>,
    keep: bool,
    ui: &Ui,
) -> Result<Vec<Rechecked>> {
    let unchanging = match keep {
        true => Some(db::read_only(pool).await?),
        false => None,
    };
    let pool = unchanging.as_ref().unwrap_or(pool);
    let genesis = chain.genesis_hash();
    let tip = inbox::tip(pool, stream, genesis).await?;
    let mut pull = Pull {
        pool,
        chain,
        stream,
        finalized: chain.finalized().await?,
        page: VecDeque::new(),
        finals: FinalBlocks::new(finality::track(Some(pool), chain, pin, ui).await?),
        keys: HashMap::new(),
    };
    let mut found = Vec::new();
    let pruned = inbox::pruned(pool, stream).await?;
    let quarantined = inbox::quarantined(pool, stream).await?;
    for item in quarantined.into_iter().chain(pruned) {
        // Behind the tip nothing is linked to what is known: the next pull judges it.
        if item.sequence > tip.sequence {
            continue;
        }
        let outcome = pull.judge_again(&item, keep).await?;
        found.push(Rechecked {
            sequence: item.sequence,
            event_id: item.event_id,
            promoted: outcome.is_none(),
            problem: outcome.map(|problem| problem.to_string()),
        });
    }
    Ok(found)
}

impl<C: Chain> Pull<'_, C> {
    async fn judge_again(&mut self, item: &Quarantined, keep: bool) -> Result<Option<Problem>> {
        let sequence = item.sequence;
        let known = inbox::batch_at(self.pool, self.stream, sequence)
            .await?
            .ok_or_else(|| {
                Failure::new(
                    Exit::Database,
                    "database_corrupt",
                    format!("the verified batch of sequence {sequence} is missing"),
                )
            })?;
        let inclusion = self.inclusion(sequence).await?;
        if inclusion.batch.batch != known {
            return Ok(Some(Problem::new(
                Reason::BatchDiscontinuous,
                "the node shows another batch than the verified one",
            )));
        }
        self.page.clear();
        let Some(record) = self.records(sequence, sequence).await?.pop() else {
            return Ok(Some(Problem::new(Reason::EventMalformed, "no record")));
        };
        let author = (record.event.source_agent_id, record.event.agent_key_id);
        let _ruling = self.key(author.0, author.1).await?;
        let ruling = match judge_record(&inclusion, &self.keys, &record) {
            Ok(leaf) => rules::position(&record, &known)
                .and_then(|index| rules::inclusion(&inclusion.proof, &known, index, &leaf)),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = ruling {
            return Ok(Some(problem));
        }
        let id = record.event.event_id;
        if let Some(elsewhere) = inbox::sequence_of(self.pool, self.stream, id).await? {
            return Ok(Some(Problem::new(
                Reason::EventIdentityConflict,
                format!("event {id} holds sequence {elsewhere} already"),
            )));
        }
        if !keep {
            let judged = Judged {
                record,
                problem: None,
            };
            let keys = self.verified_keys(std::slice::from_ref(&judged));
            let genesis = self.chain.genesis_hash();
            let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
            let index = known.batch_index;
            inbox::promote(&mut tx, self.stream, genesis, index, &judged, &keys).await?;
            tx.commit().await?;
        }
        Ok(None)
    }
}
