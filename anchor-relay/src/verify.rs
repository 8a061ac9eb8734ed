// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `verify`: an audit that trusts neither the relay nor its journal.
//!
//! The appchain is walked anew from block 1 with all the checks of the relay, into a journal of its
//! own; then the contract's record of every batch and proof, and the head of every stream, is read
//! at one block and compared. The block is the one up to which anchors count as done, by default the
//! finalized one: what a reorg may still take away is not anchored. It is chosen before the last step
//! of the walk, so that nothing in it can be newer than what was walked. A contract stores a batch's id
//! once, and a stream's head is compared by sequence, state root and id. What a contract in strict mode
//! would refuse, the same events once more under another id, changes none of these: the registry's own
//! count tells, where nobody else uses it.

use crate::{
    config::Config,
    journal::{Journal, JournalError, StreamRow},
    plan::Head,
    report::connect,
    sink::{Block, Chain, ChainError, SetRegistry, same_proof, same_record},
    source::{Source, WalkError, Walker},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::{fmt, time::Duration};
use ves_primitives::{BatchCommitment, limits};

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
    /// The block of the contract's chain at which everything was read.
    pub contract_block: u64,
    /// Its hash.
    pub contract_hash: B256,
    /// The rule by which it was chosen: `finalized`, `safe` or a number of blocks.
    pub confirmations: String,
    /// Streams.
    pub streams: u64,
    /// Finalized batches.
    pub batches: u64,
    /// Of these, in the contract with equal fields.
    pub batches_anchored: u64,
    /// Batches in the contract by its own count, those of other users included.
    pub contract_batches: u64,
    /// Of these, not of this appchain's history: of other users, or a second time under another id.
    pub foreign_batches: u64,
    /// Batches whose ids are in the contract, whatever it holds under them.
    #[serde(skip)]
    held: u64,
    /// Verified proofs.
    pub proofs: u64,
    /// Of these, in the contract with equal fields.
    pub proofs_anchored: u64,
    /// Batches and proofs that are not in the contract.
    pub missing: u64,
    /// Of these, so young that they need not be there yet.
    pub young: u64,
    /// Number of differences.
    pub differences: u64,
    /// The first 100 of them, in words.
    pub shown: Vec<String>,
}

impl Audit {
    /// Does the contract hold the appchain's history? `complete`: all of it that is not young.
    pub const fn holds(&self, complete: bool) -> bool {
        self.differences == 0 && (!complete || self.missing == self.young)
    }

    /// Something of this block of the appchain is not in the contract. `young_from`: from there on it
    /// need not be.
    fn lacks(&mut self, block: u32, young_from: u32) {
        self.missing += 1;
        self.young += u64::from(block >= young_from);
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
        writeln!(
            f,
            "contract     at block {} ({}) {}",
            self.contract_block, self.confirmations, self.contract_hash
        )?;
        let line = |f: &mut fmt::Formatter<'_>, what, done, all| {
            writeln!(f, "{what}{done} of {all} anchored with equal fields")
        };
        line(f, "batches      ", self.batches_anchored, self.batches)?;
        if self.foreign_batches > 0 {
            writeln!(
                f,
                "registry     {} batches in all, {} of them not of this appchain",
                self.contract_batches, self.foreign_batches
            )?;
        }
        line(f, "proofs       ", self.proofs_anchored, self.proofs)?;
        write!(f, "missing      {}", self.missing)?;
        match self.young {
            0 => writeln!(f)?,
            young => writeln!(f, ", {young} of them younger than asked for")?,
        }
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
    /// No place for it.
    #[error("cannot make a temporary directory: {0}")]
    Scratch(#[from] std::io::Error),
}

/// What to audit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// What is younger than this by the appchain's slots need not be anchored yet: on an L2 that is
    /// final after half an hour the newest batches never are.
    pub grace: Duration,
    /// Nobody else uses the registry: any further batch in it is a difference.
    pub alone: bool,
}

/// Audits the contract against the appchain behind `source`.
///
/// # Errors
/// [`AuditError`]; a difference is no error but a result.
pub async fn audit(
    config: &Config,
    source: impl Source,
    scope: Scope,
) -> Result<Audit, AuditError> {
    let chain = connect(config, Address::ZERO)
        .await
        .map_err(|park| AuditError::Destination(park.to_string()))?;
    let scratch = tempfile::tempdir()?;
    let journal = Journal::open(&scratch.path().join("audit.db")).await?;
    let mut walker = Walker::new(source, config.settings.genesis);
    let rule = config.settings.confirmation;
    let mut audit = Audit {
        confirmations: rule.to_string(),
        ..Audit::default()
    };
    // The long part first: nodes forget the state of a block after a time.
    walk(&mut walker, &journal).await?;
    let latest = chain.latest().await?;
    let at = chain.confirmed(&latest, rule).await?;
    let at = chain
        .agreed(at, rule)
        .await?
        .map_err(|park| AuditError::Destination(park.to_string()))?;
    (audit.contract_block, audit.contract_hash) = (at.number, at.hash);
    audit.finalized = walk(&mut walker, &journal).await?;
    // Slots may be empty, so this many blocks took so long or longer.
    let blocks = scope.grace.as_millis() / u128::from(limits::SLOT_MS);
    let blocks = u32::try_from(blocks).unwrap_or(u32::MAX);
    let young_from = audit.finalized.saturating_sub(blocks).saturating_add(1);
    let mut quiet = 0;
    while quiet < QUIET_STEPS {
        quiet = match walker.collect_proofs(&journal).await? {
            0 => quiet + 1,
            _ => 0,
        };
    }
    let rows = journal.streams().await?;
    audit.streams = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    for row in &rows {
        if let Some(reason) = &row.quarantine {
            audit.differs(format!("stream {}: {reason}", row.stream));
        }
        let anchored = batches(&journal, &chain, row, &at, young_from, &mut audit).await?;
        proofs(&journal, &chain, row, &at, young_from, &mut audit).await?;
        head(&chain, row, anchored.as_ref(), &at, &mut audit).await?;
    }
    audit.contract_batches = chain.total_batches(&at).await?;
    audit.foreign_batches = audit.contract_batches.saturating_sub(audit.held);
    if scope.alone && audit.foreign_batches > 0 {
        audit.differs(format!(
            "the registry holds {} batches that this appchain does not have, or has under another id",
            audit.foreign_batches
        ));
    }
    journal.close().await;
    Ok(audit)
}

/// Walks to the finalized head; gives its height.
async fn walk<S: Source>(walker: &mut Walker<S>, journal: &Journal) -> Result<u32, AuditError> {
    loop {
        let progress = walker.advance(journal).await?;
        if !progress.behind() {
            return Ok(progress.cursor);
        }
    }
}

/// Compares a stream's head with the last batch that is anchored.
async fn head(
    chain: &Chain,
    row: &StreamRow,
    last: Option<&BatchCommitment>,
    at: &Block,
    audit: &mut Audit,
) -> Result<(), AuditError> {
    let key = [(row.tenant, row.store)];
    let expected = last.map_or(Head::EMPTY, |batch| Head {
        sequence: batch.sequence_end,
        state_root: batch.new_state_root,
    });
    let id = last.map_or(B256::ZERO, |batch| B256::new(batch.batch_id.0));
    let heads = chain.heads(&key, at).await?;
    let ids = chain.latest_batches(&key, at).await?;
    let stream = row.stream;
    if let Some(found) = heads.first().filter(|head| **head != expected) {
        audit.differs(format!(
            "stream {stream}: the contract's head is {} with state root {}, the last anchored \
             batch ends at {} with {}",
            found.sequence, found.state_root, expected.sequence, expected.state_root
        ));
    } else if let Some(found) = ids.first().filter(|found| **found != id) {
        audit.differs(format!(
            "stream {stream}: the contract's head is batch {found}, which is not the last \
             anchored one"
        ));
    }
    Ok(())
}

/// Compares the batches of a stream; gives the last one that is anchored.
async fn batches(
    journal: &Journal,
    chain: &Chain,
    row: &StreamRow,
    at: &Block,
    young_from: u32,
    audit: &mut Audit,
) -> Result<Option<BatchCommitment>, AuditError> {
    let (mut from, mut last, mut gap) = (0, None, false);
    loop {
        let page = journal.batches_from(row.stream, from, PAGE).await?;
        let refs: Vec<&BatchCommitment> = page.iter().collect();
        let records = match chain.records(&refs, at).await {
            // Deployed after the block: nothing is anchored in it.
            Err(ChainError::NoCode) => vec![absent(); refs.len()],
            records => records?,
        };
        for (batch, record) in page.iter().zip(records) {
            let name = format!("stream {} batch {}", row.stream, batch.batch_index);
            audit.batches += 1;
            audit.held += u64::from(record.timestamp != 0);
            if record.timestamp == 0 {
                audit.lacks(batch.block_number, young_from);
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

/// What a contract without the batch answers.
fn absent() -> SetRegistry::BatchRecord {
    SetRegistry::BatchRecord {
        eventsRoot: B256::ZERO,
        newStateRoot: B256::ZERO,
        sequenceStart: 0,
        sequenceEnd: 0,
        eventCount: 0,
        timestamp: 0,
    }
}

async fn proofs(
    journal: &Journal,
    chain: &Chain,
    row: &StreamRow,
    at: &Block,
    young_from: u32,
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
                (None, None) => audit.lacks(proof.record.block, young_from),
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
