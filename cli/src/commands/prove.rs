// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `prove`

use super::{Context, proofs::find, resolve_event};
use crate::{
    chain::{Chain, live::Live, proofs::ProofChain},
    cli::ProveArgs,
    error::{Failure, Result},
    inbox::{self, Stream},
    output::Report,
    proofs::{
        batches::{Prover, check_author, prove_batch},
        budget::Recovery,
        clear::Opener,
        making::{Claim, Sequenced, prove_event},
        policy::{Wish, policy},
        settle::{Settled, is_verdict_on, refused, settle, settle_batch},
        wishes,
    },
    push::Signers,
};
use sqlx::SqlitePool;
use std::time::Duration;
use ves_primitives::{Policy, amount::MAX_BUDGET_LIMIT, proof::ProofSubmission};
use ves_stark_prover::Opening;

pub(super) async fn run(context: &Context, args: &ProveArgs) -> Result<Report> {
    let wish = wish(args)?;
    match &args.event_id {
        Some(event) => prove_one(context, args, &wish, event).await,
        None => prove_all(context, args, &wish).await,
    }
}

/// What the flags ask for.
fn wish(args: &ProveArgs) -> Result<Wish> {
    let policy = match (&args.budget, &args.policy, &args.limit) {
        (Some(budget), _, _) => {
            let budget_limit = crate::amount::parse(budget, args.currency)?;
            if budget_limit > MAX_BUDGET_LIMIT {
                return Err(Failure::usage(
                    "policy_invalid",
                    "a budget is at most 2^56 of the currency's smallest unit",
                ));
            }
            Policy::AgentBudget { budget_limit }
        }
        (None, Some(id), Some(limit)) => {
            policy(id, limit, args.currency, args.intent_hash.as_deref())?
        }
        _ => {
            return Err(Failure::usage(
                "policy_invalid",
                "give --policy with --limit, or --budget",
            ));
        }
    };
    Ok(Wish {
        policy,
        currency: args.currency,
        amount_field: args.amount.amount_field.clone(),
    })
}

async fn prove_one(
    context: &Context,
    args: &ProveArgs,
    wish: &Wish,
    event: &str,
) -> Result<Report> {
    let pool = context.pool().await?;
    let subject = find(context, &pool, event).await?;
    let envelope = subject.event.envelope.clone();
    let agent = context.config.agent()?;
    check_author(envelope.source_agent_id, agent)?;
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut opener = Opener::new(&keys, agent, &unlock)?;
    let (amount, salt) = opener
        .clear(&subject.event)?
        .amount(&wish.amount_field, wish.currency)?;
    let opening = Opening::new(amount, salt);

    let chain = context.connect_to_sign().await?;
    let mut signers = Signers::new(&keys, &unlock);
    let key = signers.current(&chain, envelope.tenant_id, agent).await?;
    let mut total = None;
    if let Policy::AgentBudget { .. } = wish.policy {
        refuse_second_step(&chain, &subject, wish).await?;
        let mut recovery = Recovery {
            pool: &pool,
            chain: &chain,
            keys: &keys,
            opener: &mut opener,
            unlock: &unlock,
            stream: Stream {
                tenant: envelope.tenant_id,
                store: envelope.store_id,
            },
            agent,
        };
        total = Some(recovery.total(wish, chain.best().await?).await?);
    }
    let signer = signers.open(agent, key)?;
    let step = match &total {
        None => None,
        Some(total) => Some(total.step(signer, &subject, wish, amount)?),
    };
    let claim = Claim {
        policy: wish.policy,
        currency: wish.currency,
        amount: &opening,
        step: step.as_ref(),
    };
    let genesis = chain.genesis_hash();
    let submission = prove_event(signer, &genesis, &subject, &claim, &context.ui)?;
    context.ui.progress_done();
    refuse_second_proof(&chain, &submission).await?;
    if context.dry_run {
        return Ok(Report::new("ves.cli.prove")
            .field("event_id", envelope.event_id)
            .field("policy_id", wish.policy.id())
            .field("policy_hash", wish.policy.hash())
            .field("commitment", submission.commitment)
            .field("bytes", submission.proof.len())
            .pair("event", envelope.event_id)
            .pair("policy", wish.describe())
            .pair("commitment", submission.commitment)
            .dry());
    }
    let limit = Duration::from_secs(args.timeout);
    let settled = settle(&chain, std::slice::from_ref(&submission), limit).await?;
    let verdict = match settled.into_iter().next() {
        Some(Settled::Proven(verdict)) => verdict,
        Some(Settled::Refused { reason }) => return Err(refused(&reason)),
        None => return Err(Failure::unexpected("a proof without a verdict")),
    };
    wishes::note_proven(&pool, &envelope, wish, &verdict).await?;
    let block = chain.block_hash(verdict.block).await?;
    let mut report = Report::new("ves.cli.prove")
        .field("event_id", envelope.event_id)
        .field("sequence", subject.sequence)
        .field("policy_id", wish.policy.id())
        .field("policy_hash", wish.policy.hash())
        .field("commitment", verdict.commitment)
        .field("currency", wish.currency)
        .field("proof_hash", verdict.proof_hash)
        .field("bytes", verdict.bytes)
        .field("block", verdict.block)
        .field(
            "block_hash",
            block.map(|hash| format!("0x{}", hex::encode(hash))),
        )
        .pair("event", envelope.event_id)
        .pair("policy", wish.describe())
        .pair("commitment", verdict.commitment)
        .pair(
            "proof",
            format!("{}, {} bytes", verdict.proof_hash, verdict.bytes),
        );
    if let (Some(total), Some(step)) = (&total, &verdict.budget) {
        report = report
            .field("previous_commitment", step.previous)
            .field("new_commitment", step.new)
            .field("steps", total.steps.saturating_add(1))
            .pair("total", step.new)
            .pair("steps", total.steps.saturating_add(1));
    }
    Ok(report.line("verified by the chain, final"))
}

/// An event counts once against a budget.
async fn refuse_second_step(chain: &Live, subject: &Sequenced, wish: &Wish) -> Result<()> {
    let envelope = &subject.event.envelope;
    let (best, id) = (chain.best().await?, envelope.event_id);
    let known = chain
        .proofs_of_events(envelope.stream_id(), &[id], best)
        .await?;
    if known.iter().any(|record| record.policy == wish.policy) {
        return Err(refused("already_proven"));
    }
    Ok(())
}

/// Says so if the chain has this proof, instead of waiting for its old verdict.
async fn refuse_second_proof(chain: &Live, submission: &ProofSubmission) -> Result<()> {
    let (best, id) = (chain.best().await?, submission.envelope.event_id);
    let known = chain
        .proofs_of_events(submission.stream_id(), &[id], best)
        .await?;
    if known.iter().any(|record| is_verdict_on(record, submission)) {
        return Err(refused("already_proven"));
    }
    Ok(())
}

async fn batch_index(args: &ProveArgs, pool: &SqlitePool, stream: Stream) -> Result<u64> {
    if let Some(index) = args.batch {
        return Ok(index);
    }
    let text = args.batch_of.as_deref().unwrap_or_default();
    let event = resolve_event(Some(pool), text).await?;
    inbox::batch_of(pool, stream, event)
        .await?
        .ok_or_else(|| not_pulled(format!("event {event}")))
}

fn not_pulled(what: impl std::fmt::Display) -> Failure {
    Failure::usage("not_pulled", format!("{what} is not among the pulled ones"))
        .hint("run `stateset-sync pull`: a batch is proven from its verified events")
}

async fn prove_all(context: &Context, args: &ProveArgs, wish: &Wish) -> Result<Report> {
    let pool = context.pool().await?;
    let stream = context.stream()?;
    let index = batch_index(args, &pool, stream).await?;
    let (batch, records) = inbox::batch(&pool, stream, index)
        .await?
        .ok_or_else(|| not_pulled(format!("batch {index}")))?;
    let agent = context.config.agent()?;
    let (keys, unlock) = (context.keys(), || context.unlock());
    let mut opener = Opener::new(&keys, agent, &unlock)?;
    let mut signers = Signers::new(&keys, &unlock);
    let chain = context.connect_to_sign().await?;
    let known = chain
        .batch_proofs_in(batch.stream_id(), index, 1, chain.best().await?)
        .await?;
    if !known.is_empty() {
        return Err(refused("already_proven"));
    }
    let key = signers.current(&chain, stream.tenant, agent).await?;
    let submission = prove_batch(
        &batch,
        &records,
        wish,
        Prover { agent, key },
        &chain.genesis_hash(),
        (&mut opener, &mut signers),
        &context.ui,
    )?;
    context.ui.progress_done();
    if context.dry_run {
        return Ok(Report::new("ves.cli.prove.batch")
            .field("batch_index", index)
            .field("events", records.len())
            .field("policy_id", wish.policy.id())
            .field("bytes", submission.proof.len())
            .pair("batch", format!("{index}, {} events", records.len()))
            .pair("policy", wish.describe())
            .dry());
    }
    let limit = Duration::from_secs(args.timeout);
    let verdict = settle_batch(&chain, &submission, limit).await?;
    Ok(Report::new("ves.cli.prove.batch")
        .field("batch_id", verdict.batch_id)
        .field("batch_index", verdict.batch_index)
        .field("events", verdict.events)
        .field("policy_id", wish.policy.id())
        .field("policy_hash", verdict.policy_hash)
        .field("currency", wish.currency)
        .field("proof_hash", verdict.proof_hash)
        .field("bytes", verdict.bytes)
        .field("block", verdict.block)
        .pair("batch", format!("{index}, {} events", verdict.events))
        .pair("policy", wish.describe())
        .pair(
            "proof",
            format!("{}, {} bytes", verdict.proof_hash, verdict.bytes),
        )
        .line("verified by the chain, final"))
}
