// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `status`: what the journal and the contract say, without changing either.

use crate::{
    config::Config,
    journal::{Journal, JournalError, now_ms},
    metrics::StreamLag,
    sink::{Chain, Gate, Park},
};
use alloy::primitives::{Address, B256};
use serde::Serialize;
use std::{collections::BTreeMap, fmt};

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
                let agreed = chain
                    .agreed(confirmed, config.settings.confirmation)
                    .await?;
                destination.gate.parked.extend(agreed.err());
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
    // As the relay saw it, also when the L2 cannot be reached.
    if let Some(code) = journal.deployed().await? {
        let gate = &mut destination.gate;
        gate.implementation = gate
            .implementation
            .or_else(|| code.implementation.map(Address::from));
        gate.code_hash = Some(B256::new(code.code_hash));
        gate.upgraded_ms = code.upgraded_ms;
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
    let chain = config
        .chain(sender)
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
        if let Some(code) = d.gate.code_hash {
            write!(f, "contract    code {code}")?;
            match d.gate.upgraded_ms {
                0 => writeln!(f)?,
                at => writeln!(f, ", REPLACED, seen at Unix time {}", at / 1000)?,
            }
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
