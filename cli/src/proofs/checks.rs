// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Verifying a proof here, so that the chain's verdict need not be believed.
//!
//! The record in the chain's state tells where the proof is; the proof comes out of its block, is
//! verified with the same code that the chain runs, and must be endorsed by the event's agent with a
//! key that could sign then. What is left to the chain's word: that a budget's totals form one
//! unbroken row, and when the proof was verified.

use super::{clear::Clear, making::Sequenced};
use crate::{
    chain::{BlockRef, proofs::ProofChain},
    error::{Exit, Result},
    inbox, rules,
};
use serde::Serialize;
use sqlx::SqlitePool;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};
use ves_client::BlockProofs;
use ves_primitives::{
    AgentId, AmountCommitment, BatchCommitment, CurrencyTag, KeyId, TenantId,
    proof::{BatchEntry, BatchProofRecord, BatchProofSubmission, ProofRecord, ProofSubmission},
    registry::SigningKeyRecord,
};
use ves_stark_air::{Salt, commit};
use ves_verify::proofs;

/// Blocks whose proofs are kept at hand.
const BLOCKS_MAX: usize = 64;

/// What is wrong with a proof. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The block that is said to hold the proof does not.
    ProofMissing,
    /// It is about another event, or about the event at another place.
    EventMismatch,
    /// The chain's record tells another policy, commitment or total.
    RecordMismatch,
    /// The entries are not the events of the batch.
    BatchMismatch,
    /// The key behind an endorsement is unknown, revoked, or another one than before.
    KeyInvalid,
    /// The event's agent did not endorse the amount.
    EndorsementInvalid,
    /// The proof does not hold.
    ProofInvalid,
    /// The committed amount is not the payload's.
    AmountMismatch,
}

impl Flaw {
    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProofMissing => "proof_missing",
            Self::EventMismatch => "event_mismatch",
            Self::RecordMismatch => "record_mismatch",
            Self::BatchMismatch => "batch_mismatch",
            Self::KeyInvalid => "key_invalid",
            Self::EndorsementInvalid => "endorsement_invalid",
            Self::ProofInvalid => "proof_invalid",
            Self::AmountMismatch => "amount_mismatch",
        }
    }
}

/// A flaw and what exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub flaw: Flaw,
    /// What exactly.
    pub detail: String,
}

impl Finding {
    fn new(flaw: Flaw, detail: impl fmt::Display) -> Self {
        Self {
            flaw,
            detail: detail.to_string(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.flaw.name(), self.detail)
    }
}

/// `Err` tells what is wrong.
pub type Verdict = std::result::Result<(), Finding>;

/// Whether the committed amount is the payload's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadVerdict {
    /// It is.
    Matches,
    /// It is not.
    Differs,
    /// The payload has no amount where it was looked for.
    NoAmount,
    /// This agent cannot read the payload.
    Unreadable,
    /// Nobody looked: the keys were locked.
    Unchecked,
}

impl PayloadVerdict {
    /// Every verdict.
    pub const ALL: [Self; 5] = [
        Self::Matches,
        Self::Differs,
        Self::NoAmount,
        Self::Unreadable,
        Self::Unchecked,
    ];

    /// The name in database and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Matches => "matches",
            Self::Differs => "differs",
            Self::NoAmount => "no_amount",
            Self::Unreadable => "unreadable",
            Self::Unchecked => "unchecked",
        }
    }
}

/// Compares a payload's amount with a commitment.
///
/// # Errors
/// A failure that is not about this payload.
pub fn payload(
    clear: &Clear,
    commitment: &AmountCommitment,
    currency: CurrencyTag,
    path: &str,
) -> Result<PayloadVerdict> {
    let (amount, salt) = match clear.amount(path, currency) {
        Ok(opened) => opened,
        Err(failure) if failure.exit == Exit::Usage => return Ok(PayloadVerdict::NoAmount),
        Err(failure) => return Err(failure),
    };
    let ours: AmountCommitment = commit(currency, amount, &Salt::from(&salt)).into();
    Ok(if ours == *commitment {
        PayloadVerdict::Matches
    } else {
        PayloadVerdict::Differs
    })
}

/// Verifies proofs, remembering keys and blocks from one to the next.
pub struct Judge<'a, C> {
    pool: &'a SqlitePool,
    chain: &'a C,
    finalized: BlockRef,
    keys: HashMap<(TenantId, AgentId, KeyId), std::result::Result<SigningKeyRecord, Finding>>,
    blocks: BTreeMap<u32, Option<BlockProofs>>,
}

impl<'a, C: ProofChain> Judge<'a, C> {
    /// A judge that sees the registry as of this final block.
    pub fn new(pool: &'a SqlitePool, chain: &'a C, finalized: BlockRef) -> Self {
        Self {
            pool,
            chain,
            finalized,
            keys: HashMap::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// Verifies what a record says about an event. `None` if the node does not have the block any
    /// more: that says nothing about the proof.
    ///
    /// # Errors
    /// The node's silence, or the database's refusal.
    pub async fn event(
        &mut self,
        subject: &Sequenced,
        record: &ProofRecord,
    ) -> Result<Option<Verdict>> {
        let Some(block) = self.block(record.block).await? else {
            return Ok(None);
        };
        let candidates: Vec<ProofSubmission> = block.behind(record).cloned().collect();
        let mut verdict = Err(Finding::new(
            Flaw::ProofMissing,
            format!("block {} does not hold it", record.block),
        ));
        for submission in &candidates {
            verdict = self.submission(subject, record, submission).await?;
            if verdict.is_ok() {
                break;
            }
        }
        Ok(Some(verdict))
    }

    async fn submission(
        &mut self,
        subject: &Sequenced,
        record: &ProofRecord,
        submission: &ProofSubmission,
    ) -> Result<Verdict> {
        let envelope = &subject.event.envelope;
        if submission.envelope != *envelope || record.sequence != subject.sequence {
            return Ok(Err(Finding::new(
                Flaw::EventMismatch,
                "it is about another event or place",
            )));
        }
        if !super::settle::is_verdict_on(record, submission) {
            return Ok(Err(Finding::new(
                Flaw::RecordMismatch,
                "the chain's record tells another policy, commitment or total",
            )));
        }
        let author = (
            envelope.tenant_id,
            envelope.source_agent_id,
            submission.key_id,
        );
        let key = match self.key(author, record.block).await? {
            Ok(key) => key,
            Err(finding) => return Ok(Err(finding)),
        };
        let genesis = self.chain.genesis_hash();
        let endorsed = proofs::endorsement(submission, &subject.signing_hash, &key.public_key)
            .map_err(|problem| Finding::new(Flaw::EndorsementInvalid, problem.detail));
        Ok(endorsed.and_then(|()| {
            proofs::stark(submission, &genesis, subject.sequence)
                .map(|_| ())
                .map_err(|problem| Finding::new(Flaw::ProofInvalid, problem.detail))
        }))
    }

    /// Verifies what a record says about a batch that was verified before.
    ///
    /// # Errors
    /// The node's silence, or the database's refusal.
    pub async fn batch(
        &mut self,
        batch: &BatchCommitment,
        record: &BatchProofRecord,
    ) -> Result<Option<Verdict>> {
        let Some(block) = self.block(record.block).await? else {
            return Ok(None);
        };
        let candidates: Vec<BatchProofSubmission> = block.behind_batch(record).cloned().collect();
        let mut verdict = Err(Finding::new(
            Flaw::ProofMissing,
            format!("block {} does not hold it", record.block),
        ));
        for submission in &candidates {
            verdict = self.batch_submission(batch, record, submission).await?;
            if verdict.is_ok() {
                break;
            }
        }
        Ok(Some(verdict))
    }

    async fn batch_submission(
        &mut self,
        batch: &BatchCommitment,
        record: &BatchProofRecord,
        submission: &BatchProofSubmission,
    ) -> Result<Verdict> {
        if let Err(problem) = proofs::batch_entries(submission, batch) {
            return Ok(Err(Finding::new(Flaw::BatchMismatch, problem.detail)));
        }
        let told = (record.batch_id, record.policy, record.policy_hash);
        if told != (batch.batch_id, submission.policy, submission.policy.hash()) {
            return Ok(Err(Finding::new(
                Flaw::RecordMismatch,
                "the chain's record tells another policy or batch",
            )));
        }
        for entry in &submission.entries {
            let verdict = self.entry(batch.tenant_id, record.block, entry).await?;
            if verdict.is_err() {
                return Ok(verdict);
            }
        }
        let genesis = self.chain.genesis_hash();
        Ok(proofs::batch_stark(submission, &genesis, batch)
            .map(|_| ())
            .map_err(|problem| Finding::new(Flaw::ProofInvalid, problem.detail)))
    }

    async fn entry(&mut self, tenant: TenantId, block: u32, entry: &BatchEntry) -> Result<Verdict> {
        let author = (tenant, entry.agent_id, entry.key_id);
        let key = match self.key(author, block).await? {
            Ok(key) => key,
            Err(finding) => return Ok(Err(finding)),
        };
        Ok(proofs::batch_entry(entry, &key.public_key)
            .map_err(|problem| Finding::new(Flaw::EndorsementInvalid, problem.detail)))
    }

    /// The submission behind a batch's record, should its block be at hand: for its commitments.
    ///
    /// # Errors
    /// The node's silence.
    pub async fn entries(&mut self, record: &BatchProofRecord) -> Result<Vec<BatchEntry>> {
        let block = self.block(record.block).await?;
        let found = block.and_then(|block| block.behind_batch(record).next());
        Ok(found.map_or_else(Vec::new, |submission| submission.entries.to_vec()))
    }

    async fn block(&mut self, number: u32) -> Result<Option<&BlockProofs>> {
        if !self.blocks.contains_key(&number) {
            let proofs = self.chain.proofs_in_block(number).await?;
            while self.blocks.len() >= BLOCKS_MAX {
                self.blocks.pop_first();
            }
            self.blocks.insert(number, proofs);
        }
        Ok(self.blocks.get(&number).and_then(Option::as_ref))
    }

    /// The author's key, unless another one is pinned, if it was not revoked before that block.
    async fn key(
        &mut self,
        author: (TenantId, AgentId, KeyId),
        block: u32,
    ) -> Result<std::result::Result<SigningKeyRecord, Finding>> {
        let known = match self.keys.get(&author) {
            Some(known) => known.clone(),
            None => {
                let resolved = self.resolve_key(author).await?;
                self.keys.insert(author, resolved.clone());
                resolved
            }
        };
        Ok(known.and_then(|key| match &key.revocation {
            Some(revoked) if revoked.effective_from <= block => Err(Finding::new(
                Flaw::KeyInvalid,
                format!(
                    "the key was revoked from block {} on",
                    revoked.effective_from
                ),
            )),
            _ => Ok(key),
        }))
    }

    async fn resolve_key(
        &self,
        (tenant, agent, key): (TenantId, AgentId, KeyId),
    ) -> Result<std::result::Result<SigningKeyRecord, Finding>> {
        let found = self
            .chain
            .signing_key(tenant, agent, key, self.finalized)
            .await?;
        let Some(record) = found else {
            return Ok(Err(Finding::new(
                Flaw::KeyInvalid,
                format!("the registry does not know key {key} of agent {agent}"),
            )));
        };
        let (genesis, shown) = (self.chain.genesis_hash(), record.public_key);
        // Pins are for pull to make: that an endorsement fits this key is the node's word on both sides.
        let pinned = inbox::pinned_key(self.pool, genesis, tenant, (agent, key)).await?;
        if pinned.is_some_and(|pinned| pinned != shown) {
            return Ok(Err(Finding::new(
                Flaw::KeyInvalid,
                format!(
                    "{}: key {key} of agent {agent}",
                    rules::Reason::PeerKeyConflict
                ),
            )));
        }
        Ok(Ok(record))
    }
}
