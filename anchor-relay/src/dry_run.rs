// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `plan`: what the relay would send next, in which calls and at what cost. Sends nothing, signs
//! nothing, and changes nothing.
//!
//! It goes by the relay's journal. Before the first run there is none: then the appchain is walked into
//! one that goes away again, as for the audit. What the relay remembers only while it runs, streams that
//! wait after a refusal, is not known here.

use crate::{
    config::Config,
    journal::{Journal, JournalError, ProofRow, now_ms},
    plan::{Action, Limits},
    report::connect,
    sink::{Block, Chain, ChainError, Fees, KeyError, Park, Payload, suggest},
    source::{Source, WalkError, Walker},
    view::{Snapshot, TickError, plan_with_records, snapshot},
};
use alloy::primitives::{Address, keccak256};
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use tempfile::TempDir;
use ves_primitives::{BatchCommitment, StreamId};

/// Open proofs that are looked at.
const PROOFS_SHOWN: u32 = 1024;
const WEI_PER_GWEI: u128 = 1_000_000_000;

/// What `plan` prints.
#[derive(Debug, Serialize)]
pub struct DryRun {
    /// The latest block of the L2, to which all of this refers.
    pub latest_block: u64,
    /// Height up to which anchors count as done.
    pub confirmed_block: u64,
    /// Who would send; absent when the relay never ran and no key is configured.
    pub sender: Option<Address>,
    /// What keeps the relay from sending any of it now.
    pub parked: Vec<Park>,
    /// What would be noted or waited for, in order.
    pub steps: Vec<Step>,
    /// What would be sent, in order.
    pub transactions: Vec<Transaction>,
    /// Wei that all of it may cost at most.
    #[serde(serialize_with = "as_text")]
    pub most_wei: u128,
    /// Wei that all of it costs at the fees of now, as far as it could be tried.
    #[serde(serialize_with = "as_text")]
    pub likely_wei: u128,
}

/// A step that sends nothing.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What would be done.
    pub action: &'static str,
    /// The stream.
    pub stream: String,
    /// The batch, where it is about one.
    pub batch: Option<u64>,
    /// Why, where there is a reason.
    pub reason: Option<String>,
}

/// A transaction that would be sent.
#[derive(Debug, Serialize)]
pub struct Transaction {
    /// Its nonce; absent without a sender.
    pub nonce: Option<u64>,
    /// The function of the registry.
    pub call: &'static str,
    /// What it carries.
    pub carries: Vec<Carried>,
    /// Bytes of the call.
    pub bytes: usize,
    /// Gas by trying it; absent when something before it is not in the contract yet.
    pub gas_estimated: Option<u64>,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Why the contract would refuse it, or why it would not be sent.
    pub refused: Option<String>,
    /// `maxFeePerGas`, wei.
    #[serde(serialize_with = "as_text")]
    pub max_fee_wei: u128,
    /// `maxPriorityFeePerGas`, wei.
    #[serde(serialize_with = "as_text")]
    pub tip_wei: u128,
    /// For L1 data, wei; 0 where there is no such fee.
    #[serde(serialize_with = "as_text")]
    pub l1_wei: u128,
    /// Wei that it may cost at most.
    #[serde(serialize_with = "as_text")]
    pub most_wei: u128,
    /// Wei that it costs at the fees of now.
    #[serde(serialize_with = "as_text")]
    pub likely_wei: u128,
}

/// A batch or proof in a transaction.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The stream.
    pub stream: String,
    /// The batch's number.
    pub batch: u64,
}

fn as_text<S: Serializer>(value: &u128, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(value)
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum DryRunError {
    /// The destination is not the one configured.
    #[error("{0}")]
    Parked(Park),
    /// Reading failed.
    #[error(transparent)]
    Read(#[from] TickError),
    /// The appchain, which is walked when there is no journal.
    #[error(transparent)]
    Source(#[from] WalkError),
    /// The key, which tells the sender when there is no journal.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// No place for a journal of its own.
    #[error("cannot make a temporary directory: {0}")]
    Scratch(#[from] std::io::Error),
}

impl From<Park> for DryRunError {
    fn from(park: Park) -> Self {
        Self::Parked(park)
    }
}

impl From<ChainError> for DryRunError {
    fn from(error: ChainError) -> Self {
        TickError::from(error).into()
    }
}

impl From<JournalError> for DryRunError {
    fn from(error: JournalError) -> Self {
        TickError::from(error).into()
    }
}

/// What the relay would send next.
///
/// # Errors
/// When the journal, the appchain in its stead, or the L2 cannot be read.
pub async fn dry_run(config: &Config, source: impl Source) -> Result<DryRun, DryRunError> {
    let (journal, scratch) = journal(config, source).await?;
    let found = look(config, &journal).await;
    journal.close().await;
    drop(scratch);
    found
}

/// The relay's journal, or one made anew from the appchain.
async fn journal(
    config: &Config,
    source: impl Source,
) -> Result<(Journal, Option<TempDir>), DryRunError> {
    if config.journal.exists() {
        return Ok((Journal::open_read_only(&config.journal).await?, None));
    }
    let scratch = tempfile::tempdir()?;
    let journal = Journal::open(&scratch.path().join("plan.db")).await?;
    let mut walker = Walker::new(source, config.settings.genesis);
    while walker.advance(&journal).await?.behind() {}
    while walker.collect_proofs(&journal).await? > 0 {}
    Ok((journal, Some(scratch)))
}

async fn look(config: &Config, journal: &Journal) -> Result<DryRun, DryRunError> {
    let sender = match (journal.sender().await?, &config.key) {
        (Some(sender), _) => Some(Address::from(sender)),
        (None, Some(_)) => Some(config.key().await?.address()),
        (None, None) => None,
    };
    let chain = connect(config, sender.unwrap_or_default()).await?;
    let settings = &config.settings;
    let latest = chain.latest().await?;
    let confirmed = chain.confirmed(&latest, settings.confirmation).await?;
    let mut parked = Vec::new();
    let confirmed = match chain.agreed(confirmed, settings.confirmation).await? {
        Ok(agreed) => agreed,
        Err(park) => {
            parked.push(park);
            confirmed
        }
    };
    let rows = journal.streams().await?;
    let mut snapshot = snapshot(journal, &chain, &rows, latest, confirmed).await?;
    let live = journal.live_sends().await?;
    let in_flight = live.iter().filter(|send| send.state.is_pending()).count();
    let window = settings.window.saturating_sub(in_flight);
    let limits = Limits {
        open: true,
        free: window.saturating_mul(settings.max_batches),
        per_stream: settings.per_stream,
        strict_genesis: chain.strict_genesis().await?,
    };
    let actions = plan_with_records(&chain, &mut snapshot, limits).await?;
    let proofs = unsent(journal, journal.open_proofs(PROOFS_SHOWN).await?).await?;
    let mut steps: Vec<Step> = actions
        .iter()
        .filter_map(|action| Step::of(action, &snapshot))
        .collect();
    let proof_wait = u64::try_from(settings.proof_wait.as_millis()).unwrap_or(u64::MAX);
    let most = match chain.takes_many().await? {
        true => settings.max_batches,
        false => 1,
    };
    let loads = Loads {
        snapshot: &snapshot,
        proofs: &proofs,
        proof_wait,
        most,
    }
    .of(&actions, &mut steps);
    let used = match sender {
        Some(_) => Some(
            chain
                .nonce_at(&latest)
                .await?
                .max(journal.next_nonce().await?),
        ),
        None => None,
    };
    let mut transactions = Vec::new();
    for (n, load) in (0u64..).zip(loads.iter().take(window)) {
        let nonce = used.map(|used| used.saturating_add(n));
        transactions.push(price(config, &chain, &latest, nonce, load).await?);
    }
    let sum =
        |of: fn(&Transaction) -> u128| transactions.iter().map(of).fold(0, u128::saturating_add);
    let (most_wei, likely_wei) = (sum(|tx| tx.most_wei), sum(|tx| tx.likely_wei));
    if sender.is_some() {
        // One transaction must be payable, as the relay asks.
        let first = transactions.first().map_or(0, |tx| tx.most_wei);
        parked.extend(chain.gate(first.max(settings.min_balance)).await?.parked);
    }
    Ok(DryRun {
        latest_block: latest.number,
        confirmed_block: confirmed.number,
        sender,
        parked,
        steps,
        transactions,
        most_wei,
        likely_wei,
    })
}

/// Those of the proofs that no transaction carries.
async fn unsent(journal: &Journal, rows: Vec<ProofRow>) -> Result<Vec<ProofRow>, JournalError> {
    let mut out = Vec::new();
    for row in rows {
        let (stream, index) = row.key();
        let carried = journal.carried(stream, index).await?;
        let on_its_way = carried.iter().any(|carried| {
            carried.item.batch_index == index
                && carried.item.kind == crate::journal::ItemKind::Proof
                && carried.stands()
        });
        if !on_its_way {
            out.push(row);
        }
    }
    Ok(out)
}

/// What one transaction would carry.
struct Load<'a> {
    payload: Payload<'a>,
    /// Everything before it is in the contract: trying it tells the truth.
    simulate: bool,
}

/// Sorts batches and proofs into transactions, as the relay does.
struct Loads<'a> {
    snapshot: &'a Snapshot,
    proofs: &'a [ProofRow],
    proof_wait: u64,
    most: usize,
}

impl<'a> Loads<'a> {
    fn of(&self, actions: &[Action], steps: &mut Vec<Step>) -> Vec<Load<'a>> {
        let by_key: BTreeMap<_, _> = self.proofs.iter().map(|row| (row.key(), row)).collect();
        let mut loads = Vec::new();
        let mut group: Vec<&'a BatchCommitment> = Vec::new();
        let (mut of_group, mut truth) = (BTreeSet::new(), true);
        let mut waiting: BTreeSet<StreamId> = BTreeSet::new();
        let mut sent = BTreeSet::new();
        let now = now_ms();
        for action in actions {
            let Action::Submit {
                stream,
                index,
                simulate,
            } = action
            else {
                continue;
            };
            let Some(item) = self.snapshot.batch(*stream, *index) else {
                continue;
            };
            let proof = by_key.get(&(*stream, *index));
            let early = now.saturating_sub(item.taken_ms) < self.proof_wait;
            if waiting.contains(stream) || (proof.is_none() && early) {
                waiting.insert(*stream);
                steps.push(Step {
                    action: "wait",
                    stream: stream.to_string(),
                    batch: Some(*index),
                    reason: Some("for its proof, or behind a batch that does".into()),
                });
                continue;
            }
            sent.insert((*stream, *index));
            if proof.is_none() && self.most > 1 {
                // Only the first batch of a stream can have its predecessor outside.
                if of_group.insert(*stream) {
                    truth &= simulate;
                }
                group.push(&item.batch);
                if group.len() < self.most {
                    continue;
                }
            }
            flush(&mut group, truth, &mut loads);
            (of_group, truth) = (BTreeSet::new(), true);
            let payload = match proof {
                Some(proof) => Payload::Proven(&item.batch, &proof.record),
                None if self.most > 1 => continue,
                None => Payload::Batch(&item.batch),
            };
            loads.push(Load {
                payload,
                simulate: *simulate,
            });
        }
        flush(&mut group, truth, &mut loads);
        for row in self.proofs.iter().filter(|row| !sent.contains(&row.key())) {
            if row.batch_anchored {
                loads.push(Load {
                    payload: Payload::Proof(&row.batch, &row.record),
                    simulate: true,
                });
            } else {
                steps.push(Step {
                    action: "wait",
                    stream: row.stream.to_string(),
                    batch: Some(row.record.batch_index),
                    reason: Some("a proof: until its batch is anchored".into()),
                });
            }
        }
        loads
    }
}

fn flush<'a>(group: &mut Vec<&'a BatchCommitment>, simulate: bool, loads: &mut Vec<Load<'a>>) {
    let payload = match group.as_slice() {
        [] => return,
        [one] => Payload::Batch(one),
        _ => Payload::Batches(group.clone()),
    };
    loads.push(Load { payload, simulate });
    group.clear();
}

/// Tries a transaction as far as that tells the truth, and reckons what it costs.
async fn price(
    config: &Config,
    chain: &Chain,
    latest: &Block,
    nonce: Option<u64>,
    load: &Load<'_>,
) -> Result<Transaction, DryRunError> {
    let policy = &config.settings.send;
    let call = load.payload.encode();
    let mut gas_limit = load
        .payload
        .gas_limit(policy.gas_default)
        .min(policy.gas_cap);
    let (mut gas_estimated, mut refused) = (None, None);
    if load.simulate && nonce.is_some() {
        match chain.estimate(&call).await {
            Ok(needed) => {
                let with_margin = needed.saturating_add(needed / 5);
                gas_limit = with_margin.max(policy.gas_default).min(policy.gas_cap);
                gas_estimated = Some(needed);
                if needed > policy.gas_cap {
                    refused = Some(format!("it needs {needed} gas, above send.gas_cap"));
                }
            }
            Err(ChainError::Refused(refusal)) => {
                // Why is clearer when it is run once.
                refused = Some(match chain.simulate(&call).await {
                    Err(ChainError::Refused(clearer)) => clearer.to_string(),
                    _ => refusal.to_string(),
                });
            }
            // Some nodes try nothing for an account that could not pay for it.
            Err(error) => refused = Some(format!("it could not be tried: {error}")),
        }
    }
    let (base_fee, tip) = chain.fee_inputs(latest).await?;
    let fees = suggest(base_fee, tip, &policy.fees).unwrap_or_else(|| {
        refused = Some(format!(
            "the L2's base fee of {base_fee} wei is above send.max_fee_wei"
        ));
        let max_fee = policy.fees.max_fee;
        Fees { max_fee, tip }
    });
    let mut raw = call.to_vec();
    // Stands for fees and signature, which cannot be compressed.
    raw.extend((0u8..4).flat_map(|n| keccak256([n]).0));
    let l1_wei = chain.l1_fee(&raw).await?;
    let cost = |gas: u64, price: u128| {
        let run = u128::from(gas).saturating_mul(price);
        run.saturating_add(l1_wei)
    };
    let now = base_fee.saturating_add(fees.tip).min(fees.max_fee);
    let mut carries: Vec<Carried> = Vec::new();
    for item in load.payload.items() {
        let carried = Carried {
            stream: item.stream.to_string(),
            batch: item.batch_index,
        };
        if !carries.contains(&carried) {
            carries.push(carried);
        }
    }
    Ok(Transaction {
        nonce,
        call: match load.payload {
            Payload::Batch(_) => "commitBatch",
            Payload::Batches(_) => "commitBatches",
            Payload::Proven(..) => "commitBatchWithStarkProof",
            Payload::Proof(..) => "commitStarkProof",
        },
        carries,
        bytes: call.len(),
        gas_estimated,
        gas_limit,
        refused,
        max_fee_wei: fees.max_fee,
        tip_wei: fees.tip,
        l1_wei,
        most_wei: cost(gas_limit, fees.max_fee),
        likely_wei: cost(gas_estimated.unwrap_or(gas_limit), now),
    })
}

impl Step {
    /// What sends nothing; `None` for a submission.
    fn of(action: &Action, snapshot: &Snapshot) -> Option<Self> {
        let stream = action.stream().to_string();
        let (action, batch, reason) = match action {
            Action::Compare { index, .. } => ("compare", Some(*index), None),
            Action::Anchored { index, .. } => ("mark-anchored", Some(*index), None),
            Action::Submit { .. } => return None,
            Action::Reopen { above, .. } => (
                "reopen",
                None,
                Some(format!("the contract is back at sequence {above}")),
            ),
            Action::Quarantine {
                stream,
                index,
                reason,
            } => {
                // As the relay: what a reorg may still take back is waited for.
                let action = match snapshot.conflict_is_confirmed(*stream, *index) {
                    true => "quarantine",
                    false => "watch-conflict",
                };
                (action, Some(*index), Some(reason.to_string()))
            }
        };
        Some(Self {
            action,
            stream,
            batch,
            reason,
        })
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "contract    block {}, confirmed {}",
            self.latest_block, self.confirmed_block
        )?;
        match self.sender {
            Some(sender) => writeln!(f, "sender      {sender}")?,
            None => writeln!(
                f,
                "sender      not known: set a key, so that gas is estimated"
            )?,
        }
        for park in &self.parked {
            writeln!(f, "waiting     {park}")?;
        }
        for step in &self.steps {
            write!(f, "{:<11} {}", step.action, step.stream)?;
            if let Some(batch) = step.batch {
                write!(f, " batch {batch}")?;
            }
            match &step.reason {
                Some(reason) => writeln!(f, ": {reason}")?,
                None => writeln!(f)?,
            }
        }
        for tx in &self.transactions {
            write!(f, "send        {tx}")?;
        }
        if self.transactions.is_empty() && self.steps.is_empty() {
            return writeln!(f, "nothing to do");
        }
        writeln!(
            f,
            "cost        {} gwei at most, {} gwei at the fees of now, {} transactions. Nothing was \
             sent",
            self.most_wei.div_ceil(WEI_PER_GWEI),
            self.likely_wei.div_ceil(WEI_PER_GWEI),
            self.transactions.len()
        )
    }
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        if let Some(nonce) = self.nonce {
            write!(f, " nonce {nonce}")?;
        }
        write!(f, ", {} bytes, gas limit {}", self.bytes, self.gas_limit)?;
        if let Some(gas) = self.gas_estimated {
            write!(f, " ({gas} estimated)")?;
        }
        writeln!(
            f,
            ", fee {} wei and tip {} wei per gas, {} gwei at most, {} gwei at the fees of now",
            self.max_fee_wei,
            self.tip_wei,
            self.most_wei.div_ceil(WEI_PER_GWEI),
            self.likely_wei.div_ceil(WEI_PER_GWEI)
        )?;
        if let Some(why) = &self.refused {
            writeln!(f, "            WOULD BE REFUSED: {why}")?;
        }
        for carried in &self.carries {
            writeln!(f, "            {} batch {}", carried.stream, carried.batch)?;
        }
        Ok(())
    }
}
