// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The running total of a budget.
//!
//! The chain keeps a commitment to the total. Its opening is kept nowhere: the total is the sum of
//! the amounts of the agent's own proven events, and its salt follows from the agent's signing key.
//! So an opening cannot be lost by a crash between the chain's verdict and a local write, and a new
//! machine with the agent's keys and a pulled stream goes on where the old one stopped.

use super::{
    clear::Opener,
    making::{Sequenced, Step, committed},
    policy::Wish,
    received, wishes,
};
use crate::{
    chain::{BlockRef, proofs::ProofChain},
    error::{Exit, Failure, Result},
    inbox::{self, Stream},
    keys::{KeyStore, Purpose, Signer},
    outbox,
};
use sqlx::SqlitePool;
use std::collections::HashMap;
use ves_primitives::{
    AgentId, AmountCommitment, AmountSalt, EventId, Policy, PolicyHash, limits, proof::ProofRecord,
    stream_id,
};
use ves_stark_air::empty_total;
use ves_stark_prover::Opening;

/// A total and its opening.
pub struct Total {
    amount: u64,
    salt: AmountSalt,
    /// Steps so far.
    pub steps: usize,
}

impl Total {
    const EMPTY: Self = Self {
        amount: 0,
        salt: AmountSalt::ZERO,
        steps: 0,
    };

    fn opening(&self) -> Opening {
        Opening::new(self.amount, self.salt)
    }

    /// The step that adds an event's amount.
    ///
    /// # Errors
    /// `over_limit` if the sum is over the budget.
    pub fn step(
        &self,
        signer: &Signer,
        subject: &Sequenced,
        wish: &Wish,
        amount: u64,
    ) -> Result<Step> {
        let limit = wish.policy.limit();
        let sum = self
            .amount
            .checked_add(amount)
            .filter(|sum| *sum <= limit)
            .ok_or_else(|| {
                Failure::new(
                    Exit::Refused,
                    "over_limit",
                    "the total with this event's amount is over the budget: no proof exists",
                )
                .hint("a larger budget is another policy, whose total starts at 0")
            })?;
        let previous = self.opening();
        let before = committed(&previous, wish.currency)?;
        let policy = wish.policy.hash();
        let salt = signer.total_salt(&subject.signing_hash, &policy, &before)?;
        Ok(Step {
            previous,
            new: Opening::new(sum, salt),
        })
    }
}

fn unknown(why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Refused,
        "total_unknown",
        format!("the budget's total cannot be opened: {why}"),
    )
    .hint("pull the stream, and use the machine or the keys that made the steps so far")
}

/// Finds the opening of the total that the chain knows.
pub struct Recovery<'a, 'b, C> {
    /// Where the events are.
    pub pool: &'a SqlitePool,
    /// The node.
    pub chain: &'a C,
    /// The agent's signing keys.
    pub keys: &'a KeyStore,
    /// The agent's encryption keys.
    pub opener: &'a mut Opener<'b>,
    /// Asks for the passphrase.
    pub unlock: super::clear::Unlock<'b>,
    /// The stream.
    pub stream: Stream,
    /// The agent.
    pub agent: AgentId,
}

impl<C: ProofChain> Recovery<'_, '_, C> {
    /// The total of a budget at this block.
    ///
    /// # Errors
    /// `total_unknown` if a step is not ours to open, a locked key, or the node's silence.
    pub async fn total(&mut self, wish: &Wish, at: BlockRef) -> Result<Total> {
        let id = stream_id(self.stream.tenant, self.stream.store);
        let policy = wish.policy.hash();
        let start = empty_total(wish.currency);
        let known = self.chain.budget_total(id, self.agent, policy, at).await?;
        let Some(current) = known.filter(|total| *total != start) else {
            return Ok(Total::EMPTY);
        };
        let mut steps = self.steps(&wish.policy, at).await?;
        let mut row = Vec::new();
        let mut total = current;
        while total != start {
            let record = steps
                .remove(&total)
                .ok_or_else(|| unknown("a step of it is of no event known here"))?;
            total = record
                .budget
                .map(|step| step.previous)
                .ok_or_else(|| unknown("a step without totals"))?;
            row.push(record);
        }
        let mut sum = 0u64;
        for record in row.iter().rev() {
            sum = sum
                .checked_add(self.amount(record, wish).await?)
                .ok_or_else(|| unknown("the amounts overflow"))?;
        }
        let last = row.first().ok_or_else(|| unknown("there is no step"))?;
        let salt = self.salt(last, wish, &policy, sum, &current).await?;
        Ok(Total {
            amount: sum,
            salt,
            steps: row.len(),
        })
    }

    /// Every step of this budget among the agent's own events, by the total it led to.
    async fn steps(
        &self,
        policy: &Policy,
        at: BlockRef,
    ) -> Result<HashMap<AmountCommitment, ProofRecord>> {
        let id = stream_id(self.stream.tenant, self.stream.store);
        let own = inbox::own_encrypted(self.pool, self.stream, self.agent).await?;
        let mut steps = HashMap::new();
        for page in own.chunks(limits::MAX_LISTED_PROOF_EVENTS as usize) {
            for record in self.chain.proofs_of_events(id, page, at).await? {
                if record.policy == *policy
                    && let Some(step) = record.budget
                {
                    steps.insert(step.new, record);
                }
            }
        }
        Ok(steps)
    }

    async fn subject(&self, event: EventId) -> Result<Sequenced> {
        find(self.pool, self.stream, event)
            .await?
            .ok_or_else(|| unknown(format!("event {event} is not here")))
    }

    /// The amount that a step added: at the path noted when it was proven, else at today's.
    async fn amount(&mut self, record: &ProofRecord, wish: &Wish) -> Result<u64> {
        let subject = self.subject(record.event_id).await?;
        let clear = self.opener.clear(&subject.event)?;
        let noted = wishes::of_event(self.pool, &subject.event.envelope).await?;
        let paths = noted
            .iter()
            .filter(|noted| noted.wish.policy == record.policy)
            .map(|noted| noted.wish.amount_field.as_str())
            .chain([wish.amount_field.as_str()]);
        for path in paths {
            let Ok((amount, salt)) = clear.amount(path, record.currency) else {
                continue;
            };
            if committed(&Opening::new(amount, salt), record.currency)? == record.commitment {
                return Ok(amount);
            }
        }
        Err(unknown(format!(
            "the amount of event {} is at another path",
            record.event_id
        )))
    }

    /// The salt of the current total, under whichever of the agent's keys made the last step.
    async fn salt(
        &self,
        last: &ProofRecord,
        wish: &Wish,
        policy: &PolicyHash,
        sum: u64,
        current: &AmountCommitment,
    ) -> Result<AmountSalt> {
        let subject = self.subject(last.event_id).await?;
        let before = last
            .budget
            .map(|step| step.previous)
            .ok_or_else(|| unknown("a step without totals"))?;
        let files = self.keys.list(self.agent, Purpose::Signing)?;
        for file in files.iter().rev() {
            if file.is_external() {
                continue;
            }
            let signer = file.signer(self.unlock)?;
            let salt = signer.total_salt(&subject.signing_hash, policy, &before)?;
            if committed(&Opening::new(sum, salt), wish.currency)? == *current {
                return Ok(salt);
            }
        }
        Err(unknown("no signing key of this machine made the last step"))
    }
}

/// An event of the stream at its place: as pulled, else as the outbox saw it finalized.
///
/// # Errors
/// The database's refusal.
pub async fn find(pool: &SqlitePool, stream: Stream, event: EventId) -> Result<Option<Sequenced>> {
    if let Some(record) = inbox::find_in(pool, stream, event).await? {
        return received::sequenced(&record).map(Some);
    }
    let Some(entry) = outbox::find(pool, event).await? else {
        return Ok(None);
    };
    let envelope = &entry.event.envelope;
    if (envelope.tenant_id, envelope.store_id) != (stream.tenant, stream.store) {
        return Ok(None);
    }
    let Some(sequence) = entry.sequence else {
        return Ok(None);
    };
    Ok(Some(Sequenced {
        signing_hash: envelope.signing_hash().map_err(Failure::unexpected)?,
        event: entry.event,
        sequence,
    }))
}

#[cfg(test)]
mod tests;
