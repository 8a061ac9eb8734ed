// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Handing proofs over and waiting for final verdicts.
//!
//! A verdict is looked for by what was proven, not by the bytes of the proof: whoever resumes after
//! a crash makes another proof of the same statement and finds that the chain has one.

use crate::{
    chain::{BlockRef, ChainError, proofs::ProofChain},
    error::{Exit, Failure, Result},
};
use std::time::{Duration, Instant};
use ves_primitives::{
    EventId, StreamId, limits,
    proof::{BatchProofRecord, BatchProofSubmission, ProofRecord, ProofRefusal, ProofSubmission},
    sequencer::pool_code_name,
};

const POLL: Duration = Duration::from_millis(200);
/// Time without a verdict after which the node is asked again whether it takes the proof: the pool
/// may have dropped it, or a block may have refused it.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What became of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Verified, in a final block.
    Proven(Box<ProofRecord>),
    /// Not taken.
    Refused {
        /// The chain's name for the reason.
        reason: String,
    },
}

/// What the user is told about a refusal.
pub fn refused(reason: &str) -> Failure {
    let hint = match reason {
        "already_proven" => "the chain has this proof; see `stateset-sync proofs`",
        "proof_quota_exhausted" => "wait for the next window, ten minutes at most",
        "budget_total" => "another step was taken meanwhile; run the command again",
        _ => "pull again, and check the agent's keys with `stateset-sync keys:list`",
    };
    Failure::new(
        Exit::Rejected,
        "proof_refused",
        format!("the chain refuses the proof: {reason}"),
    )
    .hint(hint)
}

fn timeout(open: usize, limit: Duration) -> Failure {
    ChainError::Timeout(format!(
        "{open} proof(s) are submitted but not final after {} s",
        limit.as_secs()
    ))
    .into()
}

fn pool_refusal(code: u8) -> String {
    pool_code_name(code).map_or_else(|| format!("pool code {code}"), str::to_owned)
}

/// Whether a verdict is about what the submission states.
pub fn is_verdict_on(record: &ProofRecord, submission: &ProofSubmission) -> bool {
    record.event_id == submission.envelope.event_id
        && (record.policy, record.commitment) == (submission.policy, submission.commitment)
        && (record.currency, record.budget) == (submission.currency, submission.budget)
}

/// The answer to a submission that decides at once; `None` if there is a verdict to wait for.
async fn hand_over<C: ProofChain>(
    chain: &C,
    submission: &ProofSubmission,
    best: BlockRef,
) -> Result<Option<Settled>> {
    let refused = |reason: String| Ok(Some(Settled::Refused { reason }));
    match chain.can_submit_proof(submission, best).await? {
        Err(ProofRefusal::AlreadyProven) => return Ok(None),
        Err(refusal) => return refused(refusal.to_string()),
        Ok(()) => {}
    }
    match chain.submit_proof(submission).await {
        Ok(()) | Err(ChainError::AllSequenced | ChainError::AlreadyInPool) => Ok(None),
        Err(ChainError::PoolRefused(code)) if code == ProofRefusal::AlreadyProven.pool_code() => {
            Ok(None)
        }
        Err(ChainError::PoolRefused(code)) => refused(pool_refusal(code)),
        Err(error) => Err(error.into()),
    }
}

/// Hands proofs over and waits until each is verified in a final block, or refused.
///
/// # Errors
/// The node's silence. Whatever was handed over may still be verified: run again and see.
pub async fn settle<C: ProofChain>(
    chain: &C,
    submissions: &[ProofSubmission],
    limit: Duration,
) -> Result<Vec<Settled>> {
    let best = chain.best().await?;
    let mut settled = Vec::with_capacity(submissions.len());
    for submission in submissions {
        settled.push(hand_over(chain, submission, best).await?);
    }
    let mut last_news = Instant::now();
    let mut asked = Instant::now();
    let mut seen = None;
    loop {
        let finalized = chain.finalized().await?;
        if seen != Some(finalized) {
            seen = Some(finalized);
            if look_for_verdicts(chain, submissions, &mut settled, finalized).await? {
                last_news = Instant::now();
            }
        }
        let open = settled.iter().filter(|slot| slot.is_none()).count();
        if open == 0 {
            return Ok(settled.into_iter().flatten().collect());
        }
        if last_news.elapsed() >= limit {
            return Err(timeout(open, limit));
        }
        if asked.elapsed() >= ASK_AGAIN {
            asked = Instant::now();
            let best = chain.best().await?;
            for (submission, slot) in submissions.iter().zip(&mut settled) {
                if slot.is_none() {
                    *slot = hand_over(chain, submission, best).await?;
                }
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Fills in the verdicts of a final block; whether there was one.
async fn look_for_verdicts<C: ProofChain>(
    chain: &C,
    submissions: &[ProofSubmission],
    settled: &mut [Option<Settled>],
    finalized: BlockRef,
) -> Result<bool> {
    let mut open: Vec<(StreamId, EventId)> = submissions
        .iter()
        .zip(settled.iter())
        .filter(|(_, slot)| slot.is_none())
        .map(|(submission, _)| (submission.stream_id(), submission.envelope.event_id))
        .collect();
    open.sort_unstable();
    open.dedup();
    let mut records = Vec::new();
    for of_stream in open.chunk_by(|a, b| a.0 == b.0) {
        let Some((stream, _)) = of_stream.first() else {
            continue;
        };
        let ids: Vec<EventId> = of_stream.iter().map(|(_, id)| *id).collect();
        for page in ids.chunks(limits::MAX_LISTED_PROOF_EVENTS as usize) {
            records.extend(chain.proofs_of_events(*stream, page, finalized).await?);
        }
    }
    let mut news = false;
    for (submission, slot) in submissions.iter().zip(settled) {
        if slot.is_some() {
            continue;
        }
        let verdict = records
            .iter()
            .find(|record| is_verdict_on(record, submission));
        if let Some(record) = verdict {
            *slot = Some(Settled::Proven(Box::new(record.clone())));
            news = true;
        }
    }
    Ok(news)
}

/// Hands a proof about a batch over and waits until it is verified in a final block.
///
/// # Errors
/// `proof_refused` with the chain's reason, or the node's silence.
pub async fn settle_batch<C: ProofChain>(
    chain: &C,
    submission: &BatchProofSubmission,
    limit: Duration,
) -> Result<BatchProofRecord> {
    let best = chain.best().await?;
    if let Err(refusal) = chain.can_submit_batch_proof(submission, best).await? {
        return Err(refused(&refusal.to_string()));
    }
    match chain.submit_batch_proof(submission).await {
        Ok(()) | Err(ChainError::AlreadyInPool) => {}
        Err(ChainError::AllSequenced) => return Err(refused("already_proven")),
        Err(ChainError::PoolRefused(code)) => return Err(refused(&pool_refusal(code))),
        Err(error) => return Err(error.into()),
    }
    let begun = Instant::now();
    let (stream, index) = (submission.stream_id(), submission.batch_index);
    let mut asked = Instant::now();
    loop {
        let finalized = chain.finalized().await?;
        let found = chain.batch_proofs_in(stream, index, 1, finalized).await?;
        match found.first() {
            Some(record) if record.proof_hash == submission.proof_hash() => {
                return Ok(record.clone());
            }
            Some(_) => return Err(refused("already_proven")),
            None => {}
        }
        if begun.elapsed() >= limit {
            return Err(timeout(1, limit));
        }
        if asked.elapsed() >= ASK_AGAIN {
            asked = Instant::now();
            let best = chain.best().await?;
            match chain.can_submit_batch_proof(submission, best).await? {
                Ok(()) | Err(ProofRefusal::AlreadyProven) => {}
                Err(refusal) => return Err(refused(&refusal.to_string())),
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
