// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs on the chain in memory, and an agent that can make them.

use super::{AGENT, FakeChain, STORE, TENANT, draft, key_store, pool, ui};
use crate::{
    capture::{Audience, Draft, append},
    chain::{BlockRef, Chain, ChainError, ChainResult, proofs::ProofChain},
    error::{Failure, Result},
    inbox::Stream,
    keys::{KeyStore, Protection, Purpose},
    proofs::{
        clear::Opener,
        policy::Wish,
        received::{self, ProofsPulled, Reading},
        wishes::{self, Fulfilled},
    },
    pull::pull,
    push::{PushOptions, Signers, push},
    vault::Passphrase,
};
use sqlx::SqlitePool;
use std::{collections::HashMap, sync::Mutex};
use ves_client::BlockProofs;
use ves_primitives::{
    AgentId, AmountCommitment, BatchCommitment, CurrencyTag, EncryptionPublicKey, EventId, KeyId,
    Policy, PolicyHash, RecipientKid, StreamId,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRecord, ProofRefusal, ProofSubmission},
};
use ves_stark_air::{CIRCUIT_VERSION, Statement, empty_total};

pub(crate) const STREAM: Stream = Stream {
    tenant: TENANT,
    store: STORE,
};

type SubmissionLie = Box<dyn Fn(&mut ProofSubmission) + Send + Sync>;
type RecordLie = Box<dyn Fn(&mut ProofRecord) + Send + Sync>;

/// What the chain in memory keeps of proofs.
#[derive(Default)]
pub(crate) struct Proofs {
    state: Mutex<State>,
    /// Alters proofs on their way out of a block.
    pub(crate) submission_lie: Option<SubmissionLie>,
    /// Alters what the state says.
    pub(crate) record_lie: Option<RecordLie>,
    /// The node has no bodies of blocks any more.
    pub(crate) pruned: bool,
}

#[derive(Default)]
struct State {
    single: Vec<(ProofRecord, ProofSubmission)>,
    batches: Vec<(BatchProofRecord, BatchProofSubmission)>,
    totals: HashMap<(AgentId, PolicyHash), AmountCommitment>,
    refuse: Vec<ProofRefusal>,
    taken: usize,
}

impl FakeChain {
    /// The next submission is refused for this reason.
    pub(crate) fn refuse_proof(&self, reason: ProofRefusal) {
        self.proofs.state.lock().unwrap().refuse.push(reason);
    }

    /// How many proofs were taken.
    pub(crate) fn proofs_taken(&self) -> usize {
        self.proofs.state.lock().unwrap().taken
    }

    fn next_block(&self) -> u32 {
        u32::try_from(self.lock().blocks.len()).unwrap()
    }

    fn judge_proof(&self, submission: &ProofSubmission) -> std::result::Result<(), ProofRefusal> {
        let mut state = self.proofs.state.lock().unwrap();
        if let Some(reason) = state.refuse.pop() {
            return Err(reason);
        }
        let same = |record: &ProofRecord| {
            (record.event_id, record.policy, record.commitment)
                == (
                    submission.envelope.event_id,
                    submission.policy,
                    submission.commitment,
                )
        };
        if state.single.iter().any(|(record, _)| same(record)) {
            return Err(ProofRefusal::AlreadyProven);
        }
        if let Some(step) = &submission.budget {
            let key = (
                submission.envelope.source_agent_id,
                submission.policy.hash(),
            );
            let total = state.totals.get(&key).copied();
            if step.previous != total.unwrap_or_else(|| empty_total(submission.currency)) {
                return Err(ProofRefusal::BudgetTotal);
            }
        }
        Ok(())
    }

    fn batch(&self, index: u64) -> Option<BatchCommitment> {
        self.lock().blocks.iter().find_map(|block| {
            let batch = &block.inclusions.first()?.batch.batch;
            (batch.batch_index == index).then(|| batch.clone())
        })
    }
}

impl ProofChain for FakeChain {
    async fn proofs_of_events(
        &self,
        _: StreamId,
        events: &[EventId],
        at: BlockRef,
    ) -> ChainResult<Vec<ProofRecord>> {
        let state = self.proofs.state.lock().unwrap();
        let mut records: Vec<ProofRecord> = events
            .iter()
            .flat_map(|event| state.single.iter().filter(|(r, _)| r.event_id == *event))
            .map(|(record, _)| record.clone())
            .filter(|record| record.block <= at.number)
            .collect();
        if let Some(lie) = &self.proofs.record_lie {
            records.iter_mut().for_each(lie);
        }
        Ok(records)
    }

    async fn batch_proofs_in(
        &self,
        _: StreamId,
        from: u64,
        count: u32,
        at: BlockRef,
    ) -> ChainResult<Vec<BatchProofRecord>> {
        let state = self.proofs.state.lock().unwrap();
        let range = from..from + u64::from(count);
        Ok(state
            .batches
            .iter()
            .map(|(record, _)| record.clone())
            .filter(|record| range.contains(&record.batch_index) && record.block <= at.number)
            .collect())
    }

    async fn proofs_in_block(&self, number: u32) -> ChainResult<Option<BlockProofs>> {
        if self.proofs.pruned {
            return Ok(None);
        }
        let state = self.proofs.state.lock().unwrap();
        let mut proofs = BlockProofs::default();
        for (record, submission) in &state.single {
            if record.block == number {
                proofs.events.push(submission.clone());
            }
        }
        for (record, submission) in &state.batches {
            if record.block == number {
                proofs.batches.push(submission.clone());
            }
        }
        if let Some(lie) = &self.proofs.submission_lie {
            proofs.events.iter_mut().for_each(lie);
        }
        Ok(Some(proofs))
    }

    async fn budget_total(
        &self,
        _: StreamId,
        agent: AgentId,
        policy: PolicyHash,
        _: BlockRef,
    ) -> ChainResult<Option<AmountCommitment>> {
        let state = self.proofs.state.lock().unwrap();
        Ok(state.totals.get(&(agent, policy)).copied())
    }

    async fn can_submit_proof(
        &self,
        submission: &ProofSubmission,
        _: BlockRef,
    ) -> ChainResult<std::result::Result<(), ProofRefusal>> {
        Ok(self.judge_proof(submission))
    }

    async fn can_submit_batch_proof(
        &self,
        submission: &BatchProofSubmission,
        _: BlockRef,
    ) -> ChainResult<std::result::Result<(), ProofRefusal>> {
        let state = self.proofs.state.lock().unwrap();
        let known = state
            .batches
            .iter()
            .any(|(record, _)| record.batch_index == submission.batch_index);
        Ok(if known {
            Err(ProofRefusal::AlreadyProven)
        } else {
            Ok(())
        })
    }

    async fn submit_proof(&self, submission: &ProofSubmission) -> ChainResult<()> {
        if let Err(refusal) = self.judge_proof(submission) {
            return Err(ChainError::PoolRefused(refusal.pool_code()));
        }
        let envelope = &submission.envelope;
        let (_, event) = self.lock().events[&envelope.event_id].clone();
        let statement = Statement::of(submission, &self.genesis_hash(), event.sequence).unwrap();
        ves_stark_verifier::verify(&submission.proof, &statement).unwrap();
        let record = ProofRecord {
            event_id: envelope.event_id,
            sequence: event.sequence,
            policy: submission.policy,
            commitment: submission.commitment,
            currency: submission.currency,
            budget: submission.budget,
            proof_hash: submission.proof_hash(),
            bytes: u32::try_from(submission.proof.len()).unwrap(),
            block: self.next_block(),
            circuit_version: CIRCUIT_VERSION,
            agent_id: envelope.source_agent_id,
        };
        let mut state = self.proofs.state.lock().unwrap();
        if let Some(step) = &submission.budget {
            let key = (envelope.source_agent_id, submission.policy.hash());
            state.totals.insert(key, step.new);
        }
        state.single.push((record, submission.clone()));
        state.taken += 1;
        Ok(())
    }

    async fn submit_batch_proof(&self, submission: &BatchProofSubmission) -> ChainResult<()> {
        let batch = self.batch(submission.batch_index).unwrap();
        let statement = Statement::of_batch(submission, &self.genesis_hash(), &batch).unwrap();
        ves_stark_verifier::verify(&submission.proof, &statement).unwrap();
        let record = BatchProofRecord {
            batch_id: batch.batch_id,
            batch_index: batch.batch_index,
            prev_state_root: batch.prev_state_root,
            new_state_root: batch.new_state_root,
            events: batch.leaf_count,
            policy: submission.policy,
            policy_hash: submission.policy.hash(),
            policy_limit: statement.limit(),
            proof_hash: submission.proof_hash(),
            bytes: u32::try_from(submission.proof.len()).unwrap(),
            block: self.next_block(),
            circuit_version: CIRCUIT_VERSION,
            agent_id: submission.agent_id,
        };
        let mut state = self.proofs.state.lock().unwrap();
        state.batches.push((record, submission.clone()));
        state.taken += 1;
        Ok(())
    }
}

/// Test agents have their keys in the clear.
pub(crate) fn no_passphrase() -> Result<Passphrase> {
    Err(Failure::unexpected("asked for a passphrase"))
}

pub(crate) fn usd() -> CurrencyTag {
    CurrencyTag::new("USD", 2).unwrap()
}

/// At most so many cents.
pub(crate) fn cap(cap: u64) -> Wish {
    Wish {
        policy: Policy::OrderTotalCap { cap },
        currency: usd(),
        amount_field: "total".into(),
    }
}

/// An agent with keys and an outbox, and a chain that knows it.
pub(crate) struct Prover {
    _dirs: (tempfile::TempDir, tempfile::TempDir),
    pub(crate) pool: SqlitePool,
    pub(crate) keys: KeyStore,
    pub(crate) chain: FakeChain,
}

impl Prover {
    pub(crate) async fn new() -> Self {
        let (db_dir, pool) = pool().await;
        let (key_dir, keys) = key_store();
        keys.generate(AGENT, Purpose::Encryption, &Protection::Plaintext)
            .unwrap();
        let signing = keys.load(AGENT, Purpose::Signing, KeyId(1)).unwrap();
        Self {
            _dirs: (db_dir, key_dir),
            pool,
            keys,
            chain: FakeChain::new(signing.public_key),
        }
    }

    pub(crate) fn opener(&self) -> Opener<'static> {
        Opener::new(&self.keys, AGENT, &no_passphrase).unwrap()
    }

    /// Captures an event that only its author can read.
    pub(crate) async fn hide(&self, payload: &str) -> EventId {
        let reader = self
            .keys
            .load(AGENT, Purpose::Encryption, KeyId(1))
            .unwrap();
        self.hide_from(payload, reader.public_key).await
    }

    /// Captures an event that the owner of this key can read.
    pub(crate) async fn hide_from(&self, payload: &str, reader: [u8; 32]) -> EventId {
        let draft = Draft {
            payload: payload.into(),
            audience: Audience::Recipients {
                key_id: KeyId(1),
                keys: vec![(RecipientKid(1), EncryptionPublicKey(reader))],
            },
            ..draft()
        };
        append(&mut self.pool.acquire().await.unwrap(), &draft)
            .await
            .unwrap()
            .event_id
    }

    /// Sends everything and waits until it is final.
    pub(crate) async fn push(&self) {
        let mut signers = Signers::new(&self.keys, &no_passphrase);
        let options = PushOptions::default();
        let report = push(&self.pool, &self.chain, &mut signers, &options, &ui()).await;
        assert_eq!(report.unwrap().failure(), None);
    }

    pub(crate) async fn fulfil_with(&self, options: PushOptions) -> Fulfilled {
        let mut signers = Signers::new(&self.keys, &no_passphrase);
        let (pool, chain) = (&self.pool, &self.chain);
        let mut opener = self.opener();
        let keys = (&mut opener, &mut signers);
        wishes::fulfil(pool, chain, AGENT, keys, &options, &ui())
            .await
            .unwrap()
    }

    pub(crate) async fn fulfil(&self) -> Fulfilled {
        self.fulfil_with(PushOptions::default()).await
    }

    /// Pushes an event with this total, proven to be at most 1000.00.
    pub(crate) async fn proven(&self, total: &str) -> EventId {
        let id = self.hide(&format!(r#"{{"total":"{total}"}}"#)).await;
        wishes::wish_for_open(&self.pool, AGENT, &[cap(100_000)])
            .await
            .unwrap();
        self.push().await;
        assert_eq!(self.fulfil().await.failure(), None);
        id
    }

    /// Pulls the stream into a database.
    pub(crate) async fn pull_events(&self, db: &SqlitePool) -> usize {
        let report = pull(db, &self.chain, STREAM, None, &ui()).await.unwrap();
        assert_eq!(report.failure(), None);
        report.stored
    }

    /// Verifies the proofs of what a database has, with or without the agent's keys.
    pub(crate) async fn pull_proofs(&self, db: &SqlitePool, readable: bool) -> ProofsPulled {
        let mut opener = self.opener();
        let mut reading = Reading {
            opener: readable.then_some(&mut opener),
            amount_field: "total",
        };
        let report = received::pull(db, &self.chain, STREAM, 0, &mut reading, &ui()).await;
        assert_eq!(report.stopped, None);
        report
    }
}
