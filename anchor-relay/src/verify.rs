// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `verify`: an audit that trusts neither the relay nor its journal.
//!
//! The appchain is walked anew from block 1 with all the checks of the relay, into a journal of its
//! own; then the contract's record of every batch and proof, and the head of every stream, is read
//! at one block and compared. A contract stores a batch's id once, so equal means exactly once.

use crate::{
    config::Config,
    journal::{Journal, JournalError, StreamRow},
    report::connect,
    sink::{Block, Chain, ChainError, same_proof, same_record},
    source::{Source, WalkError, Walker},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::{fmt, path::PathBuf};
use ves_primitives::BatchCommitment;

/// Batches compared at a time.
const PAGE: u32 = 500;
/// Differences shown.
const SHOWN: usize = 100;
/// Steps of the proof scan that find nothing new before it counts as complete.
const QUIET_STEPS: u32 = 3;

/// What the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Finalized height walked to.
    pub finalized: u32,
    /// Block of the contract's chain that was read.
    pub contract_block: u64,
    /// Streams.
    pub streams: u64,
    /// Finalized batches.
    pub batches: u64,
    /// Of these, in the contract with equal fields.
    pub batches_anchored: u64,
    /// Verified proofs.
    pub proofs: u64,
    /// Of these, in the contract with equal fields.
    pub proofs_anchored: u64,
    /// Batches and proofs that are not in the contract yet.
    pub missing: u64,
    /// Number of differences.
    pub differences: u64,
    /// The first 100 of them, in words.
    pub shown: Vec<String>,
}

impl Audit {
    /// Does the contract hold the appchain's history? `complete`: all of it.
    pub const fn holds(&self, complete: bool) -> bool {
        self.differences == 0 && (!complete || self.missing == 0)
    }

    fn differs(&mut self, text: String) {
        self.differences += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(text);
        }
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "appchain     {} streams, final to block {}",
            self.streams, self.finalized
        )?;
        writeln!(f, "contract     at block {}", self.contract_block)?;
        let line = |f: &mut fmt::Formatter<'_>, what, done, all| {
            writeln!(f, "{what}{done} of {all} anchored with equal fields")
        };
        line(f, "batches      ", self.batches_anchored, self.batches)?;
        line(f, "proofs       ", self.proofs_anchored, self.proofs)?;
        writeln!(f, "differences  {}", self.differences)?;
        for text in &self.shown {
            writeln!(f, "  {text}")?;
        }
        Ok(())
    }
}

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The destination is not the one configured, or does not answer.
    #[error("{0}")]
    Destination(String),
    /// The appchain.
    #[error(transparent)]
    Source(#[from] WalkError),
    /// Reading the contract.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The audit's own journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A directory that goes away with the audit.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Audits the contract against the appchain behind `source`.
///
/// # Errors
/// [`AuditError`]; a difference is no error but a result.
pub async fn audit(config: &Config, source: impl Source) -> Result<Audit, AuditError> {
    let chain = connect(config, Address::ZERO)
        .await
        .map_err(|park| AuditError::Destination(park.to_string()))?;
    let name = format!("anchor-relay-verify-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    let journal = Journal::open(&scratch.0.join("audit.db")).await?;
    let mut walker = Walker::new(source, config.settings.genesis);
    let mut audit = Audit::default();
    loop {
        let progress = walker.advance(&journal).await?;
        audit.finalized = progress.cursor;
        if !progress.behind() {
            break;
        }
    }
    let mut quiet = 0;
    while quiet < QUIET_STEPS {
        quiet = match walker.collect_proofs(&journal).await? {
            0 => quiet + 1,
            _ => 0,
        };
    }
    let at = chain.latest().await?;
    audit.contract_block = at.number;
    let rows = journal.streams().await?;
    audit.streams = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    for row in &rows {
        if let Some(reason) = &row.quarantine {
            audit.differs(format!("stream {}: {reason}", row.stream));
        }
        let anchored = batches(&journal, &chain, row, &at, &mut audit).await?;
        proofs(&journal, &chain, row, &at, &mut audit).await?;
        let heads = chain.heads(&[(row.tenant, row.store)], &at).await?;
        let expected = anchored.map_or(0, |batch| batch.sequence_end);
        if let Some(head) = heads.first().filter(|head| head.sequence != expected) {
            let found = head.sequence;
            audit.differs(format!(
                "stream {}: the contract's head is {found}, the last anchored batch ends at {expected}",
                row.stream
            ));
        }
    }
    journal.close().await;
    Ok(audit)
}

/// Compares the batches of a stream; gives the last one that is anchored.
async fn batches(
    journal: &Journal,
    chain: &Chain,
    row: &StreamRow,
    at: &Block,
    audit: &mut Audit,
) -> Result<Option<BatchCommitment>, AuditError> {
    let (mut from, mut last, mut gap) = (0, None, false);
    loop {
        let page = journal.batches_from(row.stream, from, PAGE).await?;
        let refs: Vec<&BatchCommitment> = page.iter().collect();
        let records = chain.records(&refs, at).await?;
        for (batch, record) in page.iter().zip(records) {
            let name = format!("stream {} batch {}", row.stream, batch.batch_index);
            audit.batches += 1;
            if record.timestamp == 0 {
                audit.missing += 1;
                gap = true;
            } else if !same_record(&record, batch) {
                audit.differs(format!("{name}: the contract holds other content"));
            } else if gap {
                audit.differs(format!("{name} is anchored, one before it is not"));
            } else {
                audit.batches_anchored += 1;
                last = Some(batch.clone());
            }
        }
        match page.last() {
            Some(batch) => from = batch.batch_index + 1,
            None => return Ok(last),
        }
    }
}

async fn proofs(
    journal: &Journal,
    chain: &Chain,
    row: &StreamRow,
    at: &Block,
    audit: &mut Audit,
) -> Result<(), AuditError> {
    let mut from = 0;
    loop {
        let page = journal.proofs_from(row.stream, from, PAGE).await?;
        let ids: Vec<B256> = page
            .iter()
            .map(|proof| B256::new(proof.batch.batch_id.0))
            .collect();
        let records = chain.proofs(&ids, at).await?;
        for (proof, record) in page.iter().zip(records) {
            let name = format!(
                "stream {} proof of batch {}",
                row.stream, proof.record.batch_index
            );
            audit.proofs += 1;
            match (&proof.set_aside, record) {
                (Some(reason), _) => audit.differs(format!("{name}: {reason}")),
                (None, None) => audit.missing += 1,
                (None, Some(record)) if same_proof(&record, &proof.record) => {
                    audit.proofs_anchored += 1;
                }
                (None, Some(_)) => {
                    audit.differs(format!("{name}: the contract holds another proof"));
                }
            }
        }
        match page.last() {
            Some(proof) => from = proof.record.batch_index + 1,
            None => return Ok(()),
        }
    }
}
