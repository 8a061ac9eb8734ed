// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `status` and `plan`: what the journal and the contract say, without changing either.

use crate::{
    config::Config,
    journal::{Journal, JournalError, now_ms},
    metrics::StreamLag,
    plan::{Action, Limits},
    sink::{Chain, Gate, Park},
    view::{TickError, plan_with_records, snapshot},
};
use alloy::primitives::Address;
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

/// Open proofs that `plan` names.
const PROOFS_SHOWN: u32 = 1024;

/// What `status` prints.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The appchain, once known.
    pub genesis: Option<String>,
    /// Finalized height taken over.
    pub cursor: Option<u32>,
    /// Batches taken over.
    pub batches: u64,
    /// Of these, anchored.
    pub anchored: u64,
    /// Verified proofs taken over.
    pub proofs: u64,
    /// Of these, anchored.
    pub proofs_anchored: u64,
    /// Of these, set aside.
    pub proofs_set_aside: u64,
    /// Gwei paid in the last 24 hours.
    pub spent_gwei_24h: u64,
    /// Transactions by state.
    pub transactions: BTreeMap<String, u64>,
    /// Streams, by id.
    pub streams: Vec<StreamStatus>,
    /// The contract's side.
    pub destination: Destination,
}

/// One stream in `status`.
#[derive(Debug, Serialize)]
pub struct StreamStatus {
    /// The journal's side.
    #[serde(flatten)]
    pub journal: StreamLag,
    /// Last sequence in the contract's latest state; absent when it cannot be read.
    pub contract_head: Option<u64>,
}

/// The contract's side of `status`.
#[derive(Debug, Serialize)]
pub struct Destination {
    /// Configured chain id.
    pub chain_id: u64,
    /// The registry.
    pub registry: Address,
    /// The sender, once the relay has run.
    pub sender: Option<Address>,
    /// Latest block; absent when the L2 cannot be reached.
    pub latest_block: Option<u64>,
    /// Height up to which anchors count as done.
    pub confirmed_block: Option<u64>,
    /// What keeps the relay from sending.
    pub gate: Gate,
}

/// Reads the journal and, as far as it answers, the contract.
///
/// # Errors
/// When the journal cannot be read.
pub async fn status(config: &Config) -> Result<Status, JournalError> {
    let journal = Journal::open_read_only(&config.journal).await?;
    // Without opening the key: that may ask for a passphrase.
    let sender = journal.sender().await?.map(Address::from);
    let mut destination = Destination {
        chain_id: config.chain_id,
        registry: config.registry,
        sender,
        latest_block: None,
        confirmed_block: None,
        gate: Gate::default(),
    };
    let rows = journal.streams().await?;
    let mut heads = BTreeMap::new();
    match connect(config, sender.unwrap_or_default()).await {
        Ok(chain) => {
            let keys: Vec<_> = rows.iter().map(|row| (row.tenant, row.store)).collect();
            let read = async {
                let latest = chain.latest().await?;
                destination.latest_block = Some(latest.number);
                let confirmed = chain
                    .confirmed(&latest, config.settings.confirmation)
                    .await?;
                destination.confirmed_block = Some(confirmed.number);
                if sender.is_some() {
                    destination.gate = chain.gate(config.settings.min_balance).await?;
                }
                let found = chain.heads(&keys, &latest).await?;
                heads = rows.iter().map(|row| row.stream).zip(found).collect();
                Ok::<_, crate::sink::ChainError>(())
            };
            if let Err(error) = read.await {
                destination.gate.parked.push(Park::Unreachable {
                    error: error.to_string(),
                });
            }
        }
        Err(park) => destination.gate.parked.push(park),
    }
    let now = now_ms();
    let (batches, anchored) = journal.totals().await?;
    let (proofs, proofs_anchored, proofs_set_aside) = journal.proof_totals().await?;
    let status = Status {
        genesis: journal.genesis().await?.map(|genesis| genesis.to_string()),
        cursor: journal.cursor().await?.map(|cursor| cursor.number),
        batches,
        anchored,
        proofs,
        proofs_anchored,
        proofs_set_aside,
        spent_gwei_24h: journal.spent_since(now.saturating_sub(86_400_000)).await?,
        transactions: journal.send_counts().await?.into_iter().collect(),
        streams: rows
            .iter()
            .map(|row| StreamStatus {
                journal: StreamLag::of(row, now),
                contract_head: heads.get(&row.stream).map(|head| head.sequence),
            })
            .collect(),
        destination,
    };
    journal.close().await;
    Ok(status)
}

pub(crate) async fn connect(config: &Config, sender: Address) -> Result<Chain, Park> {
    let chain = Chain::new(&config.rpc_url, config.identity(sender), config.timeout)
        .map_err(|error| Park::Unreachable { error })?;
    chain.check_identity().await?;
    Ok(chain)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let genesis = self.genesis.as_deref().unwrap_or("not seen yet");
        writeln!(
            f,
            "appchain    genesis {genesis}, block {}",
            self.cursor.unwrap_or(0)
        )?;
        let d = &self.destination;
        write!(
            f,
            "destination chain {} registry {}",
            d.chain_id, d.registry
        )?;
        match d.latest_block {
            Some(latest) => writeln!(
                f,
                ", block {latest}, confirmed {}",
                d.confirmed_block.unwrap_or_default()
            )?,
            None => writeln!(f)?,
        }
        for park in &d.gate.parked {
            writeln!(f, "waiting     {park}")?;
        }
        writeln!(
            f,
            "batches     {} of {} anchored",
            self.anchored, self.batches
        )?;
        write!(
            f,
            "proofs      {} of {} anchored",
            self.proofs_anchored, self.proofs
        )?;
        match self.proofs_set_aside {
            0 => writeln!(f)?,
            count => writeln!(f, ", {count} SET ASIDE")?,
        }
        writeln!(f, "spent       {} gwei in 24 hours", self.spent_gwei_24h)?;
        for (state, count) in &self.transactions {
            writeln!(f, "sent        {count} {state}")?;
        }
        for stream in &self.streams {
            let s = &stream.journal;
            write!(
                f,
                "stream      {} / {}: {} open",
                s.tenant, s.store, s.open_batches
            )?;
            if let Some(head) = stream.contract_head {
                write!(f, ", contract at sequence {head}")?;
            }
            if let Some(reason) = &s.quarantine {
                write!(f, ", SET ASIDE: {reason}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// One line of `plan`.
#[derive(Debug, Serialize)]
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

impl Step {
    fn of(action: &Action) -> Self {
        let stream = action.stream().to_string();
        let (action, batch, reason) = match action {
            Action::Compare { index, .. } => ("compare", Some(*index), None),
            Action::Anchored { index, .. } => ("mark-anchored", Some(*index), None),
            Action::Submit { index, .. } => ("submit", Some(*index), None),
            Action::Reopen { above, .. } => (
                "reopen",
                None,
                Some(format!("the contract is back at sequence {above}")),
            ),
            Action::Quarantine { index, reason, .. } => {
                ("quarantine", Some(*index), Some(reason.to_string()))
            }
        };
        Self {
            action,
            stream,
            batch,
            reason,
        }
    }
}

/// What the relay would do next with what its journal holds.
///
/// # Errors
/// When the journal or the L2 cannot be read.
pub async fn dry_run(config: &Config) -> Result<Vec<Step>, DryRunError> {
    let journal = Journal::open_read_only(&config.journal)
        .await
        .map_err(TickError::from)?;
    let chain = connect(config, Address::ZERO).await?;
    let latest = chain.latest().await.map_err(TickError::from)?;
    let confirmed = chain
        .confirmed(&latest, config.settings.confirmation)
        .await
        .map_err(TickError::from)?;
    let rows = journal.streams().await.map_err(TickError::from)?;
    let mut snapshot = snapshot(&journal, &chain, &rows, latest, confirmed).await?;
    let limits = Limits {
        open: true,
        free: config
            .settings
            .window
            .saturating_mul(config.settings.max_batches),
        per_stream: config.settings.per_stream,
        strict_genesis: chain.strict_genesis().await.map_err(TickError::from)?,
    };
    let actions = plan_with_records(&chain, &mut snapshot, limits).await?;
    let proofs = journal
        .open_proofs(PROOFS_SHOWN)
        .await
        .map_err(TickError::from)?;
    journal.close().await;
    let proofs = proofs.iter().map(|row| Step {
        action: "anchor-proof",
        stream: row.stream.to_string(),
        batch: Some(row.record.batch_index),
        reason: (!row.batch_anchored).then(|| "with its batch or behind it".to_owned()),
    });
    Ok(actions.iter().map(Step::of).chain(proofs).collect())
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
}

impl From<Park> for DryRunError {
    fn from(park: Park) -> Self {
        Self::Parked(park)
    }
}
