// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Proofs wished for with `append --prove` and `push --prove`, and fulfilling them.
//!
//! ```text
//! wanted ─► proven                      the chain has verified it, final
//!    ├────► skipped                     the event has no amount
//!    ├────► impossible                  the amount is over the limit, or cannot be read here
//!    └────► refused                     the chain does not take it
//! ```
//!
//! A wish is committed before its event is sent and fulfilled once the event is final, by this push
//! or a later one. Commitments are derived, so a proof that an interrupted push handed over is
//! recognised.

mod store;

pub use store::{
    State, WishEntry, any_due, counts, latest, note_proven, of_event, wish, wish_for_open,
};

use super::{
    clear::Opener,
    making::{Claim, Sequenced, prove_event},
    policy::Wish,
    settle::{Settled, settle},
};
use crate::{
    chain::proofs::ProofChain,
    error::{Exit, Failure, Result},
    outbox::{self, Entry},
    output::Ui,
    push::{CrashPoint, PushOptions, Signers},
};
use sqlx::SqlitePool;
use store::{Outcome, record, wanted};
use ves_primitives::{AgentId, PayloadKind, limits, proof::ProofSubmission};
use ves_stark_prover::Opening;

/// Proofs made and handed over before the first verdicts are waited for.
const CHUNK: i64 = limits::MAX_PROOFS_PER_BLOCK as i64;
/// Events looked at together before a push that requires its proofs.
const WINDOW: i64 = 1024;

/// What became of the wishes of one push.
#[derive(Clone, Debug, Default)]
pub struct Fulfilled {
    /// Wishes looked at, with their state now.
    pub wishes: Vec<WishEntry>,
    /// Why it stopped before all were settled.
    pub stopped: Option<Failure>,
}

impl Fulfilled {
    /// The failure to exit with: what stopped it, else wishes that were not fulfilled.
    pub fn failure(&self) -> Option<Failure> {
        if let Some(stopped) = &self.stopped {
            return Some(stopped.clone());
        }
        let unmet: Vec<&WishEntry> = self
            .wishes
            .iter()
            .filter(|entry| matches!(entry.state, State::Impossible | State::Refused))
            .collect();
        let first = unmet.first()?;
        let reason = first.reason.as_deref().unwrap_or_default();
        let message = format!(
            "{} of {} proofs cannot be had; {} of event {}: {reason}",
            unmet.len(),
            self.wishes.len(),
            first.wish.describe(),
            first.event,
        );
        let (exit, code, hint) = match (first.state, reason) {
            (State::Refused, _) => (
                Exit::Rejected,
                "proof_refused",
                "see `stateset-sync proofs`",
            ),
            (_, "over_limit") => (
                Exit::Refused,
                "over_limit",
                "the events are on the chain; prove the policy that they obey",
            ),
            (_, "not_a_recipient") => (
                Exit::Key,
                "not_a_recipient",
                "let the author read what it proves: `append --encrypt-to-self`",
            ),
            _ => (
                Exit::Refused,
                "proof_impossible",
                "the events are on the chain; the reasons are in the report",
            ),
        };
        Some(Failure::new(exit, code, message).hint(hint))
    }
}

/// An amount that can be proven about, or why not.
enum Found {
    Amount(Opening),
    Skipped(&'static str),
    Impossible(&'static str),
}

/// Looks for the amount a wish is about. A locked key stops everything; anything else is said of
/// this wish alone.
fn amount(opener: &mut Opener<'_>, entry: &Entry, wish: &Wish) -> Result<Found> {
    let opened = opener
        .clear(&entry.event)
        .and_then(|clear| clear.amount(&wish.amount_field, wish.currency));
    let failure = match opened {
        Ok((amount, _)) if !allows(wish, amount) => return Ok(Found::Impossible("over_limit")),
        Ok((amount, salt)) => return Ok(Found::Amount(Opening::new(amount, salt))),
        Err(failure) => failure,
    };
    match (failure.exit, failure.code) {
        (_, code @ ("amount_missing" | "payload_public")) => Ok(Found::Skipped(code)),
        (_, "not_a_recipient") | (Exit::Usage | Exit::NotVerified, _) => {
            Ok(Found::Impossible(failure.code))
        }
        _ => Err(failure),
    }
}

fn allows(wish: &Wish, amount: u64) -> bool {
    wish.policy
        .effective_limit()
        .is_ok_and(|limit| amount <= limit)
}

/// Makes sure that every wish about an agent's unsent event can be fulfilled, those committed and `fresh`
/// ones for all encrypted events.
///
/// # Errors
/// `over_limit` or another reason why one cannot, naming event and policy.
pub async fn require(
    pool: &SqlitePool,
    agent: AgentId,
    opener: &mut Opener<'_>,
    fresh: &[Wish],
) -> Result<()> {
    let mut after = 0;
    loop {
        let window = outbox::open_entries(pool, after, WINDOW).await?;
        let Some(last) = window.last() else {
            return Ok(());
        };
        after = last.local_seq;
        for entry in &window {
            let envelope = &entry.event.envelope;
            if envelope.payload_kind != PayloadKind::Encrypted || envelope.source_agent_id != agent
            {
                continue;
            }
            let committed = of_event(pool, envelope).await?;
            let committed = committed
                .iter()
                .filter(|known| known.state == State::Wanted)
                .map(|known| &known.wish);
            for wish in committed.chain(fresh) {
                let Found::Impossible(reason) = amount(opener, entry, wish)? else {
                    continue;
                };
                let code = if reason == "over_limit" {
                    "over_limit"
                } else {
                    "proof_impossible"
                };
                return Err(Failure::new(
                    Exit::Refused,
                    code,
                    format!(
                        "nothing was sent: {} cannot be proven of event {}: {reason}",
                        wish.describe(),
                        entry.event_id(),
                    ),
                )
                .hint("push without --require-proofs, or with a policy that the events obey"));
            }
        }
    }
}

/// Proves what is wished of an agent's final events and waits for the chain's verdicts.
///
/// # Errors
/// The database's refusal. What else goes wrong is in the report.
pub async fn fulfil<C: ProofChain>(
    pool: &SqlitePool,
    chain: &C,
    agent: AgentId,
    (opener, signers): (&mut Opener<'_>, &mut Signers<'_>),
    options: &PushOptions,
    ui: &Ui,
) -> Result<Fulfilled> {
    let mut report = Fulfilled::default();
    let mut after = 0;
    loop {
        let chunk = wanted(pool, agent, after, CHUNK).await?;
        let Some((last, _)) = chunk.last() else { break };
        after = last.wish_id;
        let outcome = fulfil_some(pool, chain, opener, signers, options, ui, &chunk).await;
        let ids: Vec<i64> = chunk.iter().map(|(wish, _)| wish.wish_id).collect();
        report.wishes.extend(store::by_id(pool, &ids).await?);
        if let Err(failure) = outcome {
            report.stopped = Some(failure);
            break;
        }
    }
    ui.progress_done();
    Ok(report)
}

async fn fulfil_some<C: ProofChain>(
    pool: &SqlitePool,
    chain: &C,
    opener: &mut Opener<'_>,
    signers: &mut Signers<'_>,
    options: &PushOptions,
    ui: &Ui,
    chunk: &[(WishEntry, Entry)],
) -> Result<()> {
    options.reach(CrashPoint::BeforeProve)?;
    let mut submissions: Vec<ProofSubmission> = Vec::new();
    let mut pending: Vec<i64> = Vec::new();
    let mut outcomes: Vec<(i64, Outcome)> = Vec::new();
    for (wish, entry) in chunk {
        let opening = match amount(opener, entry, &wish.wish)? {
            Found::Amount(opening) => opening,
            Found::Skipped(why) => {
                outcomes.push((wish.wish_id, Outcome::Skipped(why.into())));
                continue;
            }
            Found::Impossible(why) => {
                outcomes.push((wish.wish_id, Outcome::Impossible(why.into())));
                continue;
            }
        };
        let envelope = &entry.event.envelope;
        let agent = envelope.source_agent_id;
        let key = signers.current(chain, envelope.tenant_id, agent).await?;
        let claim = Claim {
            policy: wish.wish.policy,
            currency: wish.wish.currency,
            amount: &opening,
            step: None,
        };
        let subject = sequenced(entry)?;
        let genesis = chain.genesis_hash();
        let submission = prove_event(signers.open(agent, key)?, &genesis, &subject, &claim, ui)?;
        submissions.push(submission);
        pending.push(wish.wish_id);
    }
    record(pool, &outcomes).await?;
    let settled = settle(chain, &submissions, options.timeout).await?;
    options.reach(CrashPoint::AfterProve)?;
    let mut later = None;
    let mut outcomes = Vec::new();
    for (wish, settled) in pending.into_iter().zip(settled) {
        outcomes.push(match settled {
            Settled::Proven(verdict) => (wish, Outcome::Proven(verdict)),
            Settled::Refused { reason } if is_passing(&reason) => {
                later = Some(reason.clone());
                (wish, Outcome::Later(reason))
            }
            Settled::Refused { reason } => (wish, Outcome::Refused(reason)),
        });
    }
    record(pool, &outcomes).await?;
    match later {
        None => Ok(()),
        Some(reason) => Err(super::settle::refused(&reason)
            .hint("the wishes are kept; push again later to have them proven")),
    }
}

/// Whether a refusal will pass by itself, so that the wish stays.
fn is_passing(reason: &str) -> bool {
    matches!(reason, "proof_quota_exhausted" | "circuit_disabled")
}

fn sequenced(entry: &Entry) -> Result<Sequenced> {
    let sequence = entry
        .sequence
        .ok_or_else(|| Failure::unexpected("a final event without a sequence"))?;
    Ok(Sequenced {
        signing_hash: entry
            .event
            .envelope
            .signing_hash()
            .map_err(Failure::unexpected)?,
        event: entry.event.clone(),
        sequence,
    })
}

#[cfg(test)]
mod tests;
