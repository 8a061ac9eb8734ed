// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Nonces, signing, sending again, and finding out what became of each transaction.
//!
//! Order of every submission: nonce reserved in the journal, signed, signed bytes in the journal,
//! given to the network, that noted in the journal. A stop between any two steps loses nothing:
//! the next start sends the journalled bytes again, and the chain mines a nonce once.

use super::{
    chain::{Block, Chain, ChainError},
    contract::Payload,
    fees::{FeeLimits, suggest},
    key::{Key, SignError},
    outgoing::Receipt,
    resend::Trouble,
    revert::Refusal,
};
use crate::{
    Observer, Point,
    clock::now,
    journal::{Attempt, Journal, JournalError, Send, SendState},
};
use alloy::{
    consensus::TxEip1559,
    primitives::{B256, TxKind, U256},
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Times a transaction must be missing before its nonce counts as used by somebody else: one node
/// behind a load balancer may lag.
const MISSING_LOOKS: u32 = 3;

/// How long the fees of a block are taken as known: a base fee may rise before the next block.
const FEES_HOLD: Duration = Duration::from_millis(500);
/// Receipts asked for at the same time.
const CONCURRENT: usize = 8;

/// How to send.
#[derive(Clone, Copy, Debug)]
pub struct SendPolicy {
    /// Fee bounds.
    pub fees: FeeLimits,
    /// Gas limit when the call cannot be estimated because its predecessor is still in flight,
    /// and the least limit ever used.
    pub gas_default: u64,
    /// Most gas a transaction may need.
    pub gas_cap: u64,
    /// After this long without inclusion a transaction is replaced by a dearer one.
    pub bump_after: Duration,
}

/// What became of a submission.
#[derive(Debug)]
pub enum SubmitOutcome {
    /// Signed and given to a node.
    Sent,
    /// Signed and journalled; no node took it yet. It is sent again later.
    Pending(ChainError),
    /// The simulation reverted; nothing was signed.
    Refused(Refusal),
    /// The call needs more gas than allowed; nothing was signed.
    GasAboveCap(u64),
    /// The base fee is above the limit; nothing was signed.
    FeeAboveLimit(u128),
}

/// What a look at the chain found.
#[derive(Clone, Debug, Default)]
pub struct SendReport {
    /// Newly included.
    pub included: u64,
    /// Newly included, and the contract took what it carried.
    pub took_effect: u64,
    /// Newly included but reverted.
    pub reverted: u64,
    /// Newly final.
    pub settled: u64,
    /// Left the chain.
    pub reorged: u64,
    /// Nonces used by somebody else.
    pub lost: u64,
    /// Wei paid for what was newly included.
    pub fees_paid: u128,
}

/// The only sender of this key.
#[derive(Debug)]
pub struct Sender {
    pub(super) chain: Arc<Chain>,
    key: Key,
    pub(super) policy: SendPolicy,
    pub(super) observer: Observer,
    /// The latest block at the last look; a different hash at its height is a reorg.
    pub(super) seen: Option<Block>,
    /// Height at which each nonce's last attempt was given to a node.
    pub(super) given: BTreeMap<u64, u64>,
    /// What nodes refused, by nonce.
    pub(super) refused: BTreeMap<u64, Trouble>,
    /// Times a nonce's transaction was not found although the nonce is used.
    missing: BTreeMap<u64, u32>,
    /// Nonces given to a node since this process started.
    pub(super) announced: BTreeSet<u64>,
    /// Base fee and tip as last asked, and at which block.
    fees: Option<(Instant, B256, (u128, u128))>,
}

/// Errors of sending.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The signer.
    #[error("cannot sign: {0}")]
    Sign(#[from] SignError),
    /// The journal holds bytes that are not a transaction of ours.
    #[error("the journal's transaction {0} cannot be read; move the journal away and restart")]
    Unreadable(u64),
}

/// A node's answer to a raw transaction.
pub(super) enum Answer {
    Taken,
    /// The nonce is used; the next look at the chain tells by what.
    Used,
    Underpriced,
    /// Not because of the transaction itself: our account cannot pay, one before it is missing, the
    /// pool is full.
    NotNow(String),
    /// The node does not want this transaction.
    Refused(String),
    /// Nobody knows whether it arrived.
    Failed(ChainError),
}

impl Sender {
    /// Sends with `key` to `chain`.
    pub fn new(chain: Arc<Chain>, key: Key, policy: SendPolicy, observer: Observer) -> Self {
        Self {
            chain,
            key,
            policy,
            observer,
            seen: None,
            missing: BTreeMap::new(),
            announced: BTreeSet::new(),
            given: BTreeMap::new(),
            refused: BTreeMap::new(),
            fees: None,
        }
    }

    /// Finds out what became of each transaction. `confirmed`: the block up to which things count as
    /// done; `used`: our transaction count at the latest block, `used_confirmed`: at the confirmed one.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn look(
        &mut self,
        journal: &Journal,
        latest: &Block,
        confirmed: &Block,
        used: u64,
        used_confirmed: u64,
    ) -> Result<SendReport, SendError> {
        let mut report = SendReport::default();
        let reorg = self.reorg_since_last_look(latest).await?;
        if reorg {
            self.take_back(journal).await?;
        }
        // Deeper than the confirmation rule: what counted as done is not.
        let undone = self.undo(journal, used).await?;
        let mut unmined: Vec<u64> = undone.iter().map(|send| send.nonce).collect();
        let mut settled = Vec::new();
        let mut lost = Vec::new();
        let (mined, free): (Vec<_>, Vec<_>) = journal
            .live_sends()
            .await?
            .into_iter()
            .partition(|send| send.nonce < used);
        let gone = free.iter().filter(|send| send.state == SendState::Included);
        unmined.extend(gone.map(|send| send.nonce));
        let to_find = mined.into_iter().filter(|send| {
            let in_confirmed = send
                .block_number
                .is_some_and(|number| number <= confirmed.number);
            send.state != SendState::Included || reorg || in_confirmed
        });
        let found: Vec<_> = stream::iter(to_find)
            .map(|send| async {
                let found = self.find(journal, &send).await?;
                Ok::<_, SendError>((send, found))
            })
            .buffered(CONCURRENT)
            .try_collect()
            .await?;
        for (send, found) in found {
            match found {
                Some((attempt, receipt)) => {
                    self.missing.remove(&send.nonce);
                    self.included(journal, &send, &attempt, &receipt, &mut report)
                        .await?;
                    if receipt.block_number <= confirmed.number {
                        settled.push(send.nonce);
                    }
                }
                None => {
                    let looks = self.missing.entry(send.nonce).or_default();
                    *looks += 1;
                    if *looks >= MISSING_LOOKS && send.nonce < used_confirmed {
                        lost.push(send.nonce);
                    }
                }
            }
        }
        report.reorged += len(&unmined);
        for nonce in &unmined {
            self.announced.remove(nonce);
        }
        if !unmined.is_empty() {
            tracing::warn!(nonces = ?unmined, "reorg: transactions left the chain, sending again");
            journal.mark_unmined(&unmined).await?;
        }
        if !settled.is_empty() {
            journal.settle(&settled, &confirmed.checkpoint()).await?;
            self.observer.at(Point::Settled);
        }
        if !lost.is_empty() {
            tracing::error!(nonces = ?lost, "somebody else uses this key: nonces were taken");
            self.missing.retain(|nonce, _| !lost.contains(nonce));
            journal.lose(&lost).await?;
        }
        report.settled = len(&settled);
        report.lost = len(&lost);
        self.seen = Some(*latest);
        Ok(report)
    }

    async fn find(
        &self,
        journal: &Journal,
        send: &Send,
    ) -> Result<Option<(Attempt, Receipt)>, SendError> {
        for attempt in journal.attempts(send.nonce).await? {
            if let Some(receipt) = self.chain.receipt(&attempt.tx_hash).await? {
                return Ok(Some((attempt, receipt)));
            }
        }
        Ok(None)
    }

    async fn included(
        &self,
        journal: &Journal,
        send: &Send,
        attempt: &Attempt,
        receipt: &Receipt,
        report: &mut SendReport,
    ) -> Result<(), SendError> {
        if send.block_hash == Some(receipt.block_hash.0) {
            return Ok(());
        }
        if send.state == SendState::Included {
            tracing::warn!(
                nonce = send.nonce,
                "reorg: a transaction moved to another block"
            );
            report.reorged += 1;
        }
        let hash = &attempt.tx_hash;
        let filler = self.is_filler(attempt);
        // What only fills the nonce has not done what the nonce was for: the items are free again.
        let (number, ok) = (receipt.block_number, receipt.ok && !filler);
        journal
            .mark_included(
                send.nonce,
                hash,
                number,
                &receipt.block_hash.0,
                ok,
                receipt.fee,
            )
            .await?;
        self.observer.at(Point::Included);
        report.fees_paid = report.fees_paid.saturating_add(receipt.fee);
        report.included += 1;
        if ok {
            report.took_effect += 1;
            tracing::info!(
                nonce = send.nonce,
                tx = %format_args!("0x{}", hex::encode(hash)), block = number, "included"
            );
        } else if filler {
            tracing::warn!(
                nonce = send.nonce,
                block = number,
                "a transfer to ourselves fills the nonce whose transaction the node refused"
            );
        } else {
            report.reverted += 1;
            tracing::warn!(
                nonce = send.nonce,
                tx = %format_args!("0x{}", hex::encode(hash)), block = number, "reverted"
            );
        }
        Ok(())
    }

    /// Base fee and tip to reckon with: asked once for many transactions in a row.
    pub(super) async fn fee_inputs(&mut self, latest: &Block) -> Result<(u128, u128), SendError> {
        match self.fees {
            Some((asked, at, fees))
                if at == latest.hash && now().duration_since(asked) < FEES_HOLD =>
            {
                Ok(fees)
            }
            _ => {
                let fees = self.chain.fee_inputs(latest).await?;
                self.fees = Some((now(), latest.hash, fees));
                Ok(fees)
            }
        }
    }

    pub(super) async fn sign(&self, tx: TxEip1559) -> Result<Attempt, SendError> {
        let (nonce, max_fee, tip) = (tx.nonce, tx.max_fee_per_gas, tx.max_priority_fee_per_gas);
        let (raw, hash) = self.key.sign(tx).await?;
        Ok(Attempt {
            tx_hash: hash.0,
            nonce,
            raw,
            max_fee,
            tip,
        })
    }

    /// Submits batches or a proof. `used`: our transaction count at the latest block.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn submit(
        &mut self,
        journal: &Journal,
        payload: &Payload<'_>,
        simulate: bool,
        latest: &Block,
        used: u64,
    ) -> Result<SubmitOutcome, SendError> {
        let call = payload.encode();
        let mut gas_limit = payload
            .gas_limit(self.policy.gas_default)
            .min(self.policy.gas_cap);
        if simulate {
            // An estimate runs the call, many times over; the reason of a refusal is clearer, and on
            // some nodes there only, when it is run once.
            let needed = match self.chain.estimate(&call).await {
                Err(refused @ ChainError::Refused(_)) => {
                    Err(self.chain.simulate(&call).await.err().unwrap_or(refused))
                }
                other => other,
            };
            let needed = match needed {
                Ok(needed) => needed,
                Err(ChainError::Refused(refusal)) => return Ok(SubmitOutcome::Refused(refusal)),
                Err(error) => return Err(error.into()),
            };
            if needed > self.policy.gas_cap {
                return Ok(SubmitOutcome::GasAboveCap(needed));
            }
            // A fifth on top: storage refunds and warm slots differ between estimate and block.
            let with_margin = needed.saturating_add(needed / 5);
            gas_limit = with_margin
                .max(self.policy.gas_default)
                .min(self.policy.gas_cap);
        }
        let (base_fee, tip) = self.fee_inputs(latest).await?;
        let Some(fees) = suggest(base_fee, tip, &self.policy.fees) else {
            return Ok(SubmitOutcome::FeeAboveLimit(base_fee));
        };
        let nonce = used.max(journal.next_nonce().await?);
        let items = payload.items();
        journal.reserve(nonce, &items, gas_limit).await?;
        self.observer.at(Point::Reserved);
        let identity = self.chain.identity();
        let attempt = self
            .sign(TxEip1559 {
                chain_id: identity.chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fees.max_fee,
                max_priority_fee_per_gas: fees.tip,
                to: TxKind::Call(identity.registry),
                value: U256::ZERO,
                access_list: Default::default(),
                input: call,
            })
            .await?;
        journal.add_attempt(&attempt).await?;
        self.observer.at(Point::Signed);
        tracing::info!(
            nonce, items = items.len(),
            first = %items.first().map(|i| format!("{}/{}", i.stream, i.batch_index))
                .unwrap_or_default(),
            tx = %format_args!("0x{}", hex::encode(attempt.tx_hash)), "sending"
        );
        match self.announce(journal, &attempt).await? {
            Answer::Taken | Answer::Used => Ok(SubmitOutcome::Sent),
            Answer::Underpriced => Ok(SubmitOutcome::Pending(ChainError::Rejected(
                "the fee is below what the node accepts".into(),
            ))),
            Answer::NotNow(words) | Answer::Refused(words) => {
                Ok(SubmitOutcome::Pending(ChainError::Rejected(words)))
            }
            Answer::Failed(error) => Ok(SubmitOutcome::Pending(error)),
        }
    }

    /// Gives a journalled transaction to the node.
    pub(super) async fn announce(
        &mut self,
        journal: &Journal,
        attempt: &Attempt,
    ) -> Result<Answer, JournalError> {
        let answer = match self.chain.send_raw(&attempt.raw).await {
            Ok(()) => Answer::Taken,
            Err(ChainError::Rejected(message)) => classify(message),
            Err(error) => Answer::Failed(error),
        };
        if let Answer::Refused(_) = answer {
            let trouble = self.refused.entry(attempt.nonce).or_default();
            trouble.attempts.insert(attempt.tx_hash);
        }
        // One that says "used" and has nothing may be asked again before there is a block.
        if let Some(seen) = self.seen
            && !matches!(answer, Answer::Used)
        {
            self.given.insert(attempt.nonce, seen.number);
        }
        if matches!(answer, Answer::Taken | Answer::Used) {
            self.observer.at(Point::Announced);
            journal.mark_sent(attempt.nonce).await?;
            self.announced.insert(attempt.nonce);
            self.observer.at(Point::Sent);
        }
        Ok(answer)
    }
}

/// Sorts the words nodes use; there are no codes for them. Nethermind says one word: `AlreadyKnown`.
fn classify(message: String) -> Answer {
    let text = message.to_lowercase();
    let joined: String = text.split_whitespace().collect();
    let says = |needle: &str| text.contains(needle) || joined.starts_with(&needle.replace(' ', ""));
    if says("already known") || says("already imported") || says("known transaction") {
        Answer::Taken
    } else if says("nonce too low") || says("nonce is too low") || says("old nonce") {
        Answer::Used
    } else if says("underpriced")
        || says("less than block base fee")
        || says("fee too low")
        || says("replacement not allowed")
        || says("too low for the next block")
    {
        Answer::Underpriced
    } else if says("insufficient funds")
        || says("insufficient balance")
        || says("enough funds")
        || says("nonce too high")
        || says("nonce is too high")
        || says("nonce gap")
        || says("gapped")
        || says("pool is full")
        || says("limit exceeded")
    {
        Answer::NotNow(message)
    } else {
        Answer::Refused(message)
    }
}

fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d8_the_words_of_common_nodes_are_understood() {
        assert!(matches!(classify("already known".into()), Answer::Taken));
        assert!(matches!(
            classify("transaction already imported".into()),
            Answer::Taken
        ));
        assert!(matches!(
            classify("nonce too low: next 5".into()),
            Answer::Used
        ));
        let underpriced = "replacement transaction underpriced";
        assert!(matches!(classify(underpriced.into()), Answer::Underpriced));
        let base_fee = "max fee per gas less than block base fee";
        assert!(matches!(classify(base_fee.into()), Answer::Underpriced));
        let next = "Transaction maxFeePerGas (5) is too low for the next block, which has a \
                    baseFeePerGas of 9";
        assert!(matches!(classify(next.into()), Answer::Underpriced));
        let funds = "insufficient funds for gas * price + value";
        assert!(matches!(classify(funds.into()), Answer::NotNow(_)));
        assert!(matches!(classify("AlreadyKnown".into()), Answer::Taken));
        assert!(matches!(classify("OldNonce".into()), Answer::Used));
        for words in ["FeeTooLow", "FeeTooLowToCompete", "ReplacementNotAllowed"] {
            assert!(matches!(classify(words.into()), Answer::Underpriced));
        }
        for words in ["NonceGap", "InsufficientFunds, Account balance: 1"] {
            assert!(matches!(classify(words.into()), Answer::NotNow(_)));
        }
        for words in [
            "exceeds block gas limit",
            "intrinsic gas too low",
            "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)",
            "GasLimitExceeded",
        ] {
            assert!(matches!(classify(words.into()), Answer::Refused(_)));
        }
    }
}
