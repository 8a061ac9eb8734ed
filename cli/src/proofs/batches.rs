// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One proof about every event of a batch.
//!
//! Each entry carries its own agent's endorsement, so one agent can prove a batch alone if and only
//! if all its events are the agent's own, encrypted, and readable by it.

use super::{
    clear::Opener,
    making::{committed, prove},
    policy::Wish,
    received::sequenced,
};
use crate::{
    error::{Exit, Failure, Result},
    output::Ui,
    push::Signers,
};
use ves_primitives::{
    AgentId, BatchCommitment, GenesisHash, KeyId, Signature, endorsement_hash, limits,
    proof::{BatchEntry, BatchProofSubmission, ProofBytes},
    wire::SequencedEventJson,
};
use ves_stark_air::Statement;
use ves_stark_prover::Opening;

/// The agent that proves, and the key it submits with.
#[derive(Clone, Copy, Debug)]
pub struct Prover {
    /// The agent.
    pub agent: AgentId,
    /// Its current signing key.
    pub key: KeyId,
}

/// Proves that every event of a pulled batch obeys a policy.
///
/// # Errors
/// `batch_too_large`, `not_the_author`, `payload_public`, `not_a_recipient`, `amount_missing` or
/// `over_limit`, each naming the event; a locked key; or a prover that fails.
pub fn prove_batch(
    batch: &BatchCommitment,
    records: &[SequencedEventJson],
    wish: &Wish,
    prover: Prover,
    genesis: &GenesisHash,
    (opener, signers): (&mut Opener<'_>, &mut Signers<'_>),
    ui: &Ui,
) -> Result<BatchProofSubmission> {
    let limit = limits::MAX_PROOF_EVENTS;
    if batch.leaf_count > limit {
        return Err(Failure::new(
            Exit::Refused,
            "batch_too_large",
            format!(
                "the batch has {} events, a proof speaks about at most {limit}",
                batch.leaf_count
            ),
        )
        .hint("prove the events one by one"));
    }
    if records.len() != batch.leaf_count as usize {
        return Err(Failure::new(
            Exit::NotVerified,
            "batch_incomplete",
            "some events of the batch did not verify and are in quarantine",
        )
        .hint("see `stateset-sync history --pulled`"));
    }
    let mut openings = Vec::with_capacity(records.len());
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        let (entry, opening) = entry(record, wish, prover.agent, opener, signers)
            .map_err(|failure| about(record, failure))?;
        entries.push(entry);
        openings.push(opening);
    }
    let mut submission = BatchProofSubmission {
        tenant_id: batch.tenant_id,
        store_id: batch.store_id,
        batch_index: batch.batch_index,
        policy: wish.policy,
        entries: entries
            .try_into()
            .map_err(|_| Failure::unexpected("more entries than a proof may have"))?,
        agent_id: prover.agent,
        key_id: prover.key,
        signature: Signature([0; 64]),
        proof: ProofBytes::default(),
    };
    let statement =
        Statement::of_batch(&submission, genesis, batch).map_err(Failure::unexpected)?;
    submission.proof = prove(&statement, &openings, ui)?;
    let hash = submission.signing_hash(statement.context());
    submission.signature = signers.open(prover.agent, prover.key)?.sign(&hash)?;
    Ok(submission)
}

fn about(record: &SequencedEventJson, failure: Failure) -> Failure {
    Failure {
        message: format!("event {}: {}", record.event.event_id, failure.message),
        ..failure
    }
}

fn entry(
    record: &SequencedEventJson,
    wish: &Wish,
    agent: AgentId,
    opener: &mut Opener<'_>,
    signers: &mut Signers<'_>,
) -> Result<(BatchEntry, Opening)> {
    let subject = sequenced(record)?;
    let envelope = &subject.event.envelope;
    check_author(envelope.source_agent_id, agent)?;
    let (amount, salt) = opener
        .clear(&subject.event)?
        .amount(&wish.amount_field, wish.currency)?;
    if !wish
        .policy
        .effective_limit()
        .is_ok_and(|limit| amount <= limit)
    {
        return Err(Failure::new(
            Exit::Refused,
            "over_limit",
            "the amount is over the limit: no proof of this batch exists",
        )
        .hint("choose a policy that every event of the batch obeys"));
    }
    let opening = Opening::new(amount, salt);
    let commitment = committed(&opening, wish.currency)?;
    // The key that signed the event: one key stands for both signatures of an entry.
    let signer = signers.open(agent, envelope.agent_key_id)?;
    let endorsed = endorsement_hash(&subject.signing_hash, &commitment, wish.currency);
    let entry = BatchEntry {
        event: subject.signing_hash,
        agent_signature: envelope.agent_signature,
        agent_id: agent,
        key_id: envelope.agent_key_id,
        commitment,
        currency: wish.currency,
        endorsement: signer.sign(&endorsed)?,
    };
    Ok((entry, opening))
}

/// Refuses events of others.
///
/// # Errors
/// `not_the_author`.
pub fn check_author(author: AgentId, agent: AgentId) -> Result<()> {
    if author == agent {
        return Ok(());
    }
    Err(Failure::usage(
        "not_the_author",
        format!("the event is agent {author}'s; only its author can endorse its amount"),
    ))
}

#[cfg(test)]
mod tests;
