// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `prove` and `proofs`

use super::{Context, resolve_event, unknown_event};
use crate::{
    amount,
    chain::{BlockRef, Chain, ChainError, live::Live},
    cli::{ProofsArgs, ProveArgs},
    error::{Exit, Failure, Result},
    inbox, outbox,
    output::Report,
    push::{Signers, current_signing_key},
    reading::Reader,
    verify::record_event,
};
use serde_json::{Value, json};
use std::time::Duration;
use ves_client::{BlockHash, ClientError};
use ves_primitives::{
    AmountCommitment, AmountSalt, CurrencyTag, Envelope, EventId, EventSigningHash, Payload,
    Policy, Signature, SubmittedEvent, endorsement_hash,
    proof::{ProofRecord, ProofSubmission},
    verify_ed25519,
};
use ves_stark_air::{Salt, Statement, commit};
use ves_stark_prover::{Opening, ProveError, Stage};
use zeroize::Zeroizing;

/// A sequenced event: as pulled and verified, else as this outbox saw it finalized.
struct Sequenced {
    event: SubmittedEvent,
    signing_hash: EventSigningHash,
    sequence: u64,
}

async fn sequenced(context: &Context, text: &str) -> Result<Sequenced> {
    let pool = context.pool().await?;
    let id = resolve_event(Some(&pool), text).await?;
    if let Some(record) = inbox::find(&pool, id).await? {
        return Ok(Sequenced {
            event: record_event(&record)?,
            signing_hash: record.event_signing_hash,
            sequence: record.sequence,
        });
    }
    let entry = outbox::find(&pool, id)
        .await?
        .ok_or_else(|| unknown_event(id))?;
    let sequence = entry.sequence.ok_or_else(|| {
        Failure::usage(
            "event_not_sequenced",
            format!("event {id} is not on the chain yet"),
        )
        .hint("run `stateset-sync push`")
    })?;
    Ok(Sequenced {
        signing_hash: entry
            .event
            .envelope
            .signing_hash()
            .map_err(Failure::unexpected)?,
        event: entry.event,
        sequence,
    })
}

/// The payload of an encrypted event that can be read here, and its salt.
struct Clear {
    payload: Value,
    salt: Zeroizing<[u8; 16]>,
}

impl Clear {
    fn open(context: &Context, event: &SubmittedEvent) -> Result<Self> {
        let Payload::Encrypted(bundle) = &event.payload else {
            return Err(Failure::usage(
                "payload_public",
                "the payload is public, there is nothing to hide",
            )
            .hint(
                "anyone can compare the amount with the limit; proofs are for encrypted events",
            ));
        };
        let mut reader = Reader::new(&context.keys(), context.config.agent()?)?;
        let opened = reader.open_bundle(event, bundle, &|| context.unlock())?;
        Ok(Self {
            payload: serde_json::from_str(&opened.json).map_err(Failure::unexpected)?,
            salt: opened.salt,
        })
    }

    /// The amount, and the salt of its commitment.
    fn amount(
        &self,
        event: EventId,
        path: &str,
        currency: CurrencyTag,
    ) -> Result<(u64, AmountSalt)> {
        let amount = amount::of_payload(&self.payload, path, currency)?;
        Ok((amount, AmountSalt::derive(&self.salt, event)))
    }
}

fn policy(args: &ProveArgs) -> Result<Policy> {
    let limit = amount::parse(&args.limit, args.currency)?;
    let unsuitable = |message: &str| Failure::usage("policy_invalid", message.to_owned());
    let policy = match (args.policy.as_str(), &args.intent_hash) {
        ("aml.threshold", None) => Policy::AmlThreshold { threshold: limit },
        ("order_total.cap", None) => Policy::OrderTotalCap { cap: limit },
        ("agent.authorization.v1", Some(text)) => {
            let mut intent_hash = [0u8; 32];
            hex::decode_to_slice(text.trim_start_matches("0x"), &mut intent_hash)
                .map_err(|_| unsuitable("--intent-hash takes 64 hex digits"))?;
            Policy::AgentAuthorization {
                max_total: limit,
                intent_hash,
            }
        }
        ("agent.authorization.v1", None) => {
            return Err(unsuitable("agent.authorization.v1 needs --intent-hash"));
        }
        (_, Some(_)) => return Err(unsuitable("--intent-hash is for agent.authorization.v1")),
        ("agent.budget.v1", _) => {
            return Err(unsuitable("budgets are proven with `ves-stark prove`")
                .hint("a budget needs the opening of its previous total"));
        }
        _ => {
            return Err(unsuitable("there is no such policy")
                .hint("aml.threshold, order_total.cap or agent.authorization.v1"));
        }
    };
    policy
        .effective_limit()
        .map_err(|problem| unsuitable(&problem.to_string()))?;
    Ok(policy)
}

fn cannot_prove(error: ProveError) -> Failure {
    match error {
        ProveError::OverLimit { .. } => Failure::new(
            Exit::Refused,
            "over_limit",
            "the event's amount is over the limit: no proof exists",
        )
        .hint("choose the policy that this event obeys"),
        ProveError::AmountTooLarge => Failure::usage("amount_invalid", error.to_string()),
        other => Failure::unexpected(other),
    }
}

pub(super) async fn prove(context: &Context, args: &ProveArgs) -> Result<Report> {
    let policy = policy(args)?;
    let Sequenced {
        event,
        signing_hash,
        sequence,
    } = sequenced(context, &args.event_id).await?;
    let envelope = event.envelope.clone();
    let agent = context.config.agent()?;
    if envelope.source_agent_id != agent {
        return Err(Failure::usage(
            "not_the_author",
            format!(
                "the event is agent {}'s; only its author can endorse its amount",
                envelope.source_agent_id
            ),
        ));
    }
    let (amount, salt) = Clear::open(context, &event)?.amount(
        envelope.event_id,
        &args.amount.amount_field,
        args.currency,
    )?;
    let opening = Opening::new(amount, salt);
    let commitment: AmountCommitment = opening.commit(args.currency).map_err(cannot_prove)?.into();

    let chain = context.connect().await?;
    let keys = context.keys();
    let unlock = || context.unlock();
    let key_id = current_signing_key(&keys, &chain, envelope.tenant_id, agent).await?;
    let mut signers = Signers::new(&keys, &unlock);
    let signer = signers.open(agent, key_id)?;
    let mut submission = ProofSubmission {
        policy,
        commitment,
        currency: args.currency,
        endorsement: signer.sign(&endorsement_hash(&signing_hash, &commitment, args.currency)),
        key_id,
        budget: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: Default::default(),
        envelope,
    };
    let statement =
        Statement::of(&submission, &chain.genesis_hash(), sequence).map_err(Failure::unexpected)?;
    let proof = ves_stark_prover::prove(&statement, &[opening], &mut |stage| {
        context.ui.progress(match stage {
            Stage::Trace => "proving …",
            Stage::Prove => "checking the proof …",
            Stage::Check => "submitting …",
        });
    })
    .map_err(cannot_prove)?;
    context.ui.progress_done();
    submission.proof = proof
        .try_into()
        .map_err(|_| Failure::unexpected("the proof is too long"))?;
    submission.signature = signer.sign(&submission.signing_hash(statement.context()));

    let block = submit(&chain, &submission, Duration::from_secs(args.timeout)).await?;
    let verdicts = verdicts(&chain, &event.envelope, Some(block)).await?;
    let proof_hash = submission.proof_hash();
    if !verdicts
        .iter()
        .any(|verdict| verdict.proof_hash == proof_hash)
    {
        return Err(Failure::new(
            Exit::Rejected,
            "proof_rejected",
            "the chain did not accept the proof",
        )
        .hint("look at the events of the block with polkadot.js"));
    }
    Ok(Report::new("ves.cli.prove")
        .field("event_id", event.envelope.event_id)
        .field("sequence", sequence)
        .field("policy_id", policy.id())
        .field("policy_hash", policy.hash())
        .field("commitment", commitment)
        .field("currency", args.currency)
        .field("proof_hash", proof_hash)
        .field("bytes", submission.proof.len())
        .field("block_hash", block)
        .pair("event", event.envelope.event_id)
        .pair(
            "policy",
            format!("{} {} {}", policy.id(), args.limit, args.currency.code()),
        )
        .pair("commitment", commitment)
        .pair(
            "proof",
            format!("{proof_hash}, {} bytes", submission.proof.len()),
        )
        .line("verified by the chain, final"))
}

async fn submit(chain: &Live, submission: &ProofSubmission, limit: Duration) -> Result<BlockHash> {
    let refused = |reason: String| {
        let hint = match reason.as_str() {
            "already_proven" => "the chain has this proof; see `stateset-sync proofs`",
            "proof_quota_exhausted" => "wait for the next window",
            _ => "pull again, and check the agent's keys with `stateset-sync keys:list`",
        };
        Failure::new(
            Exit::Rejected,
            "proof_refused",
            format!("the chain refuses the proof: {reason}"),
        )
        .hint(hint)
    };
    let node = |error: ClientError| Failure::from(ChainError::from(error));
    let client = chain.client();
    if let Err(refusal) = client
        .can_submit_proof(submission, None)
        .await
        .map_err(node)?
    {
        return Err(refused(refusal.to_string()));
    }
    let mut watch = client
        .submit_proof_and_watch(submission)
        .await
        .map_err(node)?;
    watch.finalized(limit).await.map_err(node)
}

async fn verdicts(
    chain: &Live,
    envelope: &Envelope,
    at: Option<BlockHash>,
) -> Result<Vec<ProofRecord>> {
    chain
        .client()
        .proofs_of_event(envelope.stream_id(), envelope.event_id, at)
        .await
        .map_err(|error| ChainError::from(error).into())
}

/// What this machine found out about one proof, each check on its own.
struct Checked {
    record: ProofRecord,
    /// `Err` tells what is wrong.
    proof: std::result::Result<(), String>,
    /// Whether the payload's amount opens the commitment; `None` if the payload cannot be read.
    payload: Option<std::result::Result<(), String>>,
}

impl Checked {
    fn holds(&self) -> bool {
        self.proof.is_ok() && !matches!(self.payload, Some(Err(_)))
    }

    fn json(&self) -> Value {
        let verdict = |result: &std::result::Result<(), String>| match result {
            Ok(()) => json!("valid"),
            Err(problem) => json!({ "invalid": problem }),
        };
        json!({
            "policy_id": self.record.policy.id(),
            "policy_hash": self.record.policy.hash(),
            "limit": self.record.policy.limit().to_string(),
            "currency": self.record.currency,
            "commitment": self.record.commitment,
            "proof_hash": self.record.proof_hash,
            "bytes": self.record.bytes,
            "block": self.record.block,
            "proof": verdict(&self.proof),
            "payload": self.payload.as_ref().map_or_else(|| json!("not readable here"), verdict),
        })
    }
}

pub(super) async fn list(context: &Context, args: &ProofsArgs) -> Result<Report> {
    let found = sequenced(context, &args.event_id).await?;
    let chain = context.connect().await?;
    let finalized = chain.finalized().await?;
    let verdicts = verdicts(
        &chain,
        &found.event.envelope,
        Some(BlockHash(finalized.hash)),
    )
    .await?;
    // Opened once for all proofs, and not at all without any: it may ask for the passphrase.
    let clear = if verdicts.is_empty() {
        None
    } else {
        match Clear::open(context, &found.event) {
            Ok(clear) => Some(clear),
            Err(failure) if matches!(failure.code, "not_a_recipient" | "payload_public") => None,
            Err(failure) => return Err(failure),
        }
    };
    let mut checked = Vec::new();
    for verdict in verdicts {
        let proof = check_proof(&chain, finalized, &found, &verdict).await?;
        let event = found.event.envelope.event_id;
        let payload = match &clear {
            Some(clear) => Some(check_payload(
                clear,
                event,
                &verdict,
                &args.amount.amount_field,
            )?),
            None => None,
        };
        checked.push(Checked {
            record: verdict,
            proof,
            payload,
        });
    }
    let failing = checked.iter().filter(|proof| !proof.holds()).count();
    let mut report = Report::new("ves.cli.proofs")
        .field("event_id", found.event.envelope.event_id)
        .field(
            "proofs",
            checked.iter().map(Checked::json).collect::<Vec<_>>(),
        )
        .failing((failing > 0).then(|| {
            Failure::new(
                Exit::NotVerified,
                "proof_invalid",
                format!("{failing} of {} proofs do not hold", checked.len()),
            )
            .hint("do not rely on them; ask the author")
        }));
    if checked.is_empty() {
        report = report.line("no proofs");
    }
    for proof in &checked {
        let words = |result: &std::result::Result<(), String>| match result {
            Ok(()) => "holds".to_owned(),
            Err(problem) => format!("FAILS: {problem}"),
        };
        report = report.line(format!(
            "{} {} {}  proof {}, payload {}",
            proof.record.policy.id(),
            proof.record.policy.limit(),
            proof.record.currency,
            words(&proof.proof),
            proof
                .payload
                .as_ref()
                .map_or_else(|| "not readable here".to_owned(), words),
        ));
    }
    Ok(report)
}

/// Fetches the proof out of its block and verifies everything about it again, so that the chain's
/// verdict need not be believed.
async fn check_proof(
    chain: &Live,
    finalized: BlockRef,
    sequenced: &Sequenced,
    verdict: &ProofRecord,
) -> Result<std::result::Result<(), String>> {
    let found = chain
        .client()
        .proof_behind(verdict)
        .await
        .map_err(|error| Failure::from(ChainError::from(error)))?;
    let Some(submission) = found else {
        return Ok(Err("the node does not have the proof's block".into()));
    };
    let envelope = &sequenced.event.envelope;
    if submission.envelope != *envelope {
        return Ok(Err("it is about another event".into()));
    }
    if (
        submission.policy,
        submission.commitment,
        submission.currency,
    ) != (verdict.policy, verdict.commitment, verdict.currency)
    {
        return Ok(Err(
            "the chain's record tells another policy or commitment".into()
        ));
    }
    if submission.budget.is_some() {
        return Ok(Err("budget steps are verified with `ves-stark`".into()));
    }
    let key = chain
        .signing_key(
            envelope.tenant_id,
            envelope.source_agent_id,
            submission.key_id,
            finalized,
        )
        .await?;
    let endorsed = endorsement_hash(
        &sequenced.signing_hash,
        &submission.commitment,
        submission.currency,
    );
    if !key.is_some_and(|key| verify_ed25519(&key.public_key, &endorsed, &submission.endorsement)) {
        return Ok(Err("the amount is not endorsed by the event's agent".into()));
    }
    let statement = match Statement::of(&submission, &chain.genesis_hash(), sequenced.sequence) {
        Ok(statement) => statement,
        Err(problem) => return Ok(Err(problem.to_string())),
    };
    Ok(ves_stark_verifier::verify(&submission.proof, &statement)
        .map(|_| ())
        .map_err(|problem| problem.to_string()))
}

/// Compares the payload's amount with the commitment.
fn check_payload(
    clear: &Clear,
    event: EventId,
    verdict: &ProofRecord,
    path: &str,
) -> Result<std::result::Result<(), String>> {
    let (amount, salt) = match clear.amount(event, path, verdict.currency) {
        Ok(opened) => opened,
        Err(failure) if failure.exit == Exit::Usage => return Ok(Err(failure.message)),
        Err(failure) => return Err(failure),
    };
    let ours: AmountCommitment = commit(verdict.currency, amount, &Salt::from(&salt)).into();
    Ok(if ours == verdict.commitment {
        Ok(())
    } else {
        Err("the committed amount is not the payload's".into())
    })
}
