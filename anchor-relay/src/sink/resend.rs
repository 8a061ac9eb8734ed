// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Sending again what no block holds: the same, dearer, or, when no node takes it, a transfer of
//! nothing to ourselves in its place.
//!
//! Nonces are mined in order: one transaction that nodes refuse for good would stop every stream for
//! good. So a refusal ends nothing, older attempts are tried too, and in the end the nonce is filled.
//! What it carried is free again once the filler is mined, as after a failure on chain; nothing is sent until
//! then.

use super::{
    chain::Block,
    fees::{Fees, bump, suggest},
    sender::{Answer, SendError, Sender},
};
use crate::{
    Point,
    clock::now,
    journal::{Attempt, Journal, Send, now_ms},
};
use alloy::{
    consensus::{Transaction, TxEip1559, TxEnvelope},
    eips::Decodable2718,
    primitives::{Bytes, TxKind, U256},
};
use std::{collections::BTreeSet, time::Instant};

/// Looks in a row at which no attempt is taken, over a bump period at least, after which a nonce is
/// filled: a node that is being restarted may say anything.
const REFUSALS: u32 = 5;
/// Gas of a transfer to ourselves.
const GAS_OF_TRANSFER: u64 = 21_000;

/// What nodes refused of one nonce.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The refused attempts: no bump goes out from them.
    pub(super) attempts: BTreeSet<[u8; 32]>,
    /// Looks in a row at which no attempt was taken.
    count: u32,
    /// When the first of them was.
    since: Option<Instant>,
    /// The operator knows.
    told: bool,
}

/// What came of sending again.
#[derive(Clone, Debug, Default)]
pub struct ResendReport {
    /// Replaced by dearer ones.
    pub bumped: u64,
    /// Times a node refused a transaction.
    pub refusals: u64,
    /// Nonces of which no attempt is taken, with a node's words.
    pub refused: Vec<(u64, String)>,
    /// Nonces that were filled.
    pub filled: Vec<u64>,
    /// Sentences for the operator about what happened for the first time.
    pub news: Vec<String>,
    /// A transaction is not taken now, or its nonce is being filled: nothing behind it can be mined, or it would
    /// fail.
    pub blocked: bool,
}

/// One nonce that no block holds.
struct Case<'a> {
    journal: &'a Journal,
    latest: &'a Block,
    send: &'a Send,
    /// The newest first, at least one.
    attempts: &'a [Attempt],
}

impl Sender {
    /// Sends again what no block holds: at once what this process never gave to a node, otherwise
    /// after the bump period, with higher fees as far as the limits allow and if there was a block
    /// since.
    ///
    /// # Errors
    /// [`SendError`]; a refusal by a node is none.
    pub async fn resend(
        &mut self,
        journal: &Journal,
        latest: &Block,
        used: u64,
    ) -> Result<ResendReport, SendError> {
        let mut report = ResendReport::default();
        self.announced.retain(|nonce| *nonce >= used);
        self.given.retain(|nonce, _| *nonce >= used);
        self.refused.retain(|nonce, _| *nonce >= used);
        for send in journal.live_sends().await? {
            if !send.state.is_pending() || send.nonce < used {
                continue;
            }
            let attempts = journal.attempts(send.nonce).await?;
            if attempts.is_empty() {
                continue;
            }
            let case = Case {
                journal,
                latest,
                send: &send,
                attempts: &attempts,
            };
            // What it carried will not be there for what would build on it.
            report.blocked |= attempts.iter().any(|attempt| self.is_filler(attempt));
            let answer = if self.announced.contains(&send.nonce) {
                self.repeat(&case, &mut report).await?
            } else {
                self.introduce(&case, &mut report).await?
            };
            match answer {
                Answer::Taken | Answer::Used => {
                    if let Some(trouble) = self.refused.get_mut(&send.nonce) {
                        (trouble.count, trouble.since, trouble.told) = (0, None, false);
                    }
                }
                Answer::Underpriced => {}
                Answer::NotNow(words) => {
                    report.blocked = true;
                    self.tell(send.nonce, &words, &mut report);
                }
                Answer::Refused(words) => {
                    report.blocked = true;
                    self.tell(send.nonce, &words, &mut report);
                    report.refused.push((send.nonce, words));
                    self.fill(&case, &mut report).await?;
                }
                Answer::Failed(error) => return Err(error.into()),
            }
        }
        Ok(report)
    }

    /// Says once what goes on for a while.
    fn tell(&mut self, nonce: u64, words: &str, report: &mut ResendReport) {
        let trouble = self.refused.entry(nonce).or_default();
        if !std::mem::replace(&mut trouble.told, true) {
            let text = format!("the L2's node does not take transaction {nonce}: {words}");
            tracing::error!("{text}");
            report.news.push(text);
        }
    }

    /// What this process never gave to a node: each attempt, the newest first, until one is taken.
    async fn introduce(
        &mut self,
        case: &Case<'_>,
        report: &mut ResendReport,
    ) -> Result<Answer, SendError> {
        let mut refused = None;
        for attempt in case.attempts {
            match self.announce(case.journal, attempt).await? {
                Answer::Refused(words) => {
                    report.refusals += 1;
                    refused.get_or_insert(words);
                }
                Answer::Underpriced => return self.bump(case, attempt, report).await,
                other => return Ok(other),
            }
        }
        Ok(Answer::Refused(refused.unwrap_or_default()))
    }

    /// What a node took and no block holds after the bump period.
    async fn repeat(
        &mut self,
        case: &Case<'_>,
        report: &mut ResendReport,
    ) -> Result<Answer, SendError> {
        let nonce = case.send.nonce;
        let wait = u64::try_from(self.policy.bump_after.as_millis()).unwrap_or(u64::MAX);
        let waits = |at| now_ms().saturating_sub(at) < wait;
        let base = self.base(nonce, case.attempts);
        let (Some(base), false) = (base, case.send.sent_at_ms.is_some_and(waits)) else {
            return Ok(Answer::Taken);
        };
        // A chain that stands still takes no dearer transaction either.
        let given = self.given.get(&nonce);
        if given.is_some_and(|height| case.latest.number <= *height) {
            return self.again(case, base, report).await;
        }
        match self.bump(case, base, report).await? {
            // The node has the one before, or takes it again.
            Answer::Refused(_) | Answer::NotNow(_) => self.again(case, base, report).await,
            other => Ok(other),
        }
    }

    /// The newest attempt that no node refused: what a bump goes out from.
    fn base<'a>(&self, nonce: u64, attempts: &'a [Attempt]) -> Option<&'a Attempt> {
        let refused = self.refused.get(&nonce);
        let good = |attempt: &&Attempt| {
            refused.is_none_or(|trouble| !trouble.attempts.contains(&attempt.tx_hash))
        };
        attempts.iter().find(good).or_else(|| attempts.last())
    }

    /// Gives the same transaction to the node once more: nodes drop transactions.
    async fn again(
        &mut self,
        case: &Case<'_>,
        attempt: &Attempt,
        report: &mut ResendReport,
    ) -> Result<Answer, SendError> {
        let answer = self.announce(case.journal, attempt).await?;
        match answer {
            // A try as well: the next one is a period later.
            Answer::Underpriced => case.journal.mark_sent(attempt.nonce).await?,
            Answer::Refused(_) => {
                report.refusals += 1;
                self.announced.remove(&attempt.nonce);
            }
            Answer::NotNow(_) => {
                self.announced.remove(&attempt.nonce);
            }
            Answer::Taken | Answer::Used | Answer::Failed(_) => {}
        }
        Ok(answer)
    }

    /// Replaces a transaction by a dearer one, or sends the old one again at the limit.
    async fn bump(
        &mut self,
        case: &Case<'_>,
        base: &Attempt,
        report: &mut ResendReport,
    ) -> Result<Answer, SendError> {
        let nonce = case.send.nonce;
        let (base_fee, tip) = self.fee_inputs(case.latest).await?;
        let fees = suggest(base_fee, tip, &self.policy.fees)
            .and_then(|suggestion| bump(fees_of(base), suggestion, &self.policy.fees));
        let Some(fees) = fees else {
            tracing::warn!(nonce, "the fee limit is reached, sending the old one");
            return self.again(case, base, report).await;
        };
        let filler = self.is_filler(base);
        let same = |known: &&Attempt| fees_of(known) == fees && self.is_filler(known) == filler;
        let attempt = match case.attempts.iter().find(same) {
            // It was refused or lost: the same once more, not yet another one.
            Some(known) => known.clone(),
            None => self.dearer(case, base, fees).await?,
        };
        let answer = self.announce(case.journal, &attempt).await?;
        match &answer {
            Answer::Taken | Answer::Used => report.bumped += 1,
            Answer::Underpriced => {
                case.journal.mark_sent(nonce).await?;
                report.bumped += 1;
            }
            Answer::Refused(words) => {
                report.refusals += 1;
                tracing::warn!(nonce, words, "the node refuses the dearer transaction");
            }
            Answer::NotNow(_) => {
                // No step of the ladder: the next bump goes out from the one before.
                let trouble = self.refused.entry(nonce).or_default();
                trouble.attempts.insert(attempt.tx_hash);
            }
            Answer::Failed(_) => {}
        }
        Ok(answer)
    }

    async fn dearer(
        &self,
        case: &Case<'_>,
        base: &Attempt,
        fees: Fees,
    ) -> Result<Attempt, SendError> {
        let nonce = case.send.nonce;
        let envelope = TxEnvelope::decode_2718(&mut base.raw.as_slice())
            .map_err(|_| SendError::Unreadable(nonce))?;
        let Some(signed) = envelope.as_eip1559() else {
            return Err(SendError::Unreadable(nonce));
        };
        let mut tx = signed.tx().clone();
        tx.max_fee_per_gas = fees.max_fee;
        tx.max_priority_fee_per_gas = fees.tip;
        let attempt = self.sign(tx).await?;
        case.journal.add_attempt(&attempt).await?;
        self.observer.at(Point::Bumped);
        let Fees { max_fee, tip } = fees;
        tracing::info!(nonce, max_fee, tip, "fees raised");
        Ok(attempt)
    }

    /// No attempt of a nonce is taken: after some looks a transfer to ourselves takes its place.
    async fn fill(&mut self, case: &Case<'_>, report: &mut ResendReport) -> Result<(), SendError> {
        let nonce = case.send.nonce;
        let trouble = self.refused.entry(nonce).or_default();
        trouble.count = trouble.count.saturating_add(1);
        let since = *trouble.since.get_or_insert_with(now);
        let long = now().duration_since(since) >= self.policy.bump_after;
        let early = trouble.count < REFUSALS || !long;
        if early || case.attempts.iter().any(|a| self.is_filler(a)) {
            return Ok(());
        }
        let (base_fee, tip) = self.fee_inputs(case.latest).await?;
        let Some(suggestion) = suggest(base_fee, tip, &self.policy.fees) else {
            return Ok(());
        };
        // Another node may have one of them, which the filler must be able to replace.
        let old = Fees {
            max_fee: case.attempts.iter().map(|a| a.max_fee).max().unwrap_or(0),
            tip: case.attempts.iter().map(|a| a.tip).max().unwrap_or(0),
        };
        let fees = bump(old, suggestion, &self.policy.fees).unwrap_or_else(|| Fees {
            max_fee: old.max_fee.max(suggestion.max_fee),
            tip: old.tip.max(suggestion.tip),
        });
        let gas = self.chain.estimate_transfer().await;
        let identity = *self.chain.identity();
        let filler = self
            .sign(TxEip1559 {
                chain_id: identity.chain_id,
                nonce,
                gas_limit: gas.unwrap_or(GAS_OF_TRANSFER).max(GAS_OF_TRANSFER),
                max_fee_per_gas: fees.max_fee,
                max_priority_fee_per_gas: fees.tip,
                to: TxKind::Call(identity.sender),
                value: U256::ZERO,
                access_list: Default::default(),
                input: Bytes::new(),
            })
            .await?;
        case.journal.add_attempt(&filler).await?;
        self.observer.at(Point::Bumped);
        let text = format!("a transfer to ourselves takes the nonce of transaction {nonce}");
        tracing::error!("{text}");
        report.news.push(text);
        report.filled.push(nonce);
        // Whatever the node answers: the next look goes on from here.
        self.announce(case.journal, &filler).await?;
        Ok(())
    }

    /// Does it only fill its nonce?
    pub(super) fn is_filler(&self, attempt: &Attempt) -> bool {
        TxEnvelope::decode_2718(&mut attempt.raw.as_slice())
            .is_ok_and(|tx| tx.to() == Some(self.chain.identity().sender))
    }
}

const fn fees_of(attempt: &Attempt) -> Fees {
    Fees {
        max_fee: attempt.max_fee,
        tip: attempt.tip,
    }
}
