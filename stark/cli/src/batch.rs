// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Batches: their JSON, `batch-prove` and `batch-verify`.
//!
//! The batch commitment covers every event of a sequence range; the proof covers those that are
//! proven. Roots and ids are recomputed from the events, never believed.

use crate::{
    bundle::{self, check_versions, contradiction},
    cli::{BatchProve, BatchVerify},
    error::{Failure, Result},
    events, files,
    json::{self, Members},
    output::{Report, Ui},
    prove,
    secret::{self, Secret},
};
use rand::Rng;
use serde_json::{Value, json};
use std::{path::Path, time::Instant};
use ves_primitives::{
    AmountCommitment, BatchCommitment, BatchProofEntry, ComplianceInputs, CurrencyTag, GenesisHash,
    LeafHash, Policy, Signature, StateRoot, StoreId, StreamTip, TenantId, batch_proof_context,
    batch_proof_hash, leaf_hash, limits::MAX_PROOF_EVENTS, stream_id,
};
use ves_stark_air::{CIRCUIT_VERSION, Entry, Statement};
use zeroize::Zeroizing;

/// Format of the batch file.
const BATCH_VERSION: u64 = 1;
/// What the leaves are built over.
const LEAF_SIGNATURE: &str = "zero: made away from a chain, no signed envelopes";

/// One proven event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    /// The event with its commitment.
    pub(crate) inputs: ComplianceInputs,
    /// Currency of amount and limit.
    pub(crate) currency: CurrencyTag,
}

/// What a batch proof is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Range and roots.
    pub(crate) commitment: BatchCommitment,
    /// The chain.
    pub(crate) genesis: GenesisHash,
    /// Events the proof speaks about, in order.
    pub(crate) proven: Vec<Proven>,
    /// Events of the range it does not speak about, in order.
    pub(crate) unproven: Vec<ComplianceInputs>,
}

impl Batch {
    /// A batch that continues `tip`. Together the events must be one stream's next sequences.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput).
    pub(crate) fn new(
        genesis: GenesisHash,
        tip: &StreamTip,
        proven: Vec<Proven>,
        unproven: Vec<ComplianceInputs>,
    ) -> Result<Self> {
        let mut all: Vec<&ComplianceInputs> = proven
            .iter()
            .map(|event| &event.inputs)
            .chain(&unproven)
            .collect();
        all.sort_by_key(|inputs| inputs.sequence);
        let first = *all
            .first()
            .ok_or_else(|| Failure::bad_input("no_events", "a batch needs at least one event"))?;
        let mut leaves: Vec<LeafHash> = Vec::with_capacity(all.len());
        for (inputs, sequence) in all.iter().zip(tip.sequence.saturating_add(1)..) {
            if (inputs.tenant_id, inputs.store_id) != (first.tenant_id, first.store_id) {
                return Err(Failure::bad_input(
                    "mixed_streams",
                    "the events of a batch belong to one tenant and store",
                ));
            }
            if inputs.sequence != sequence {
                return Err(Failure::bad_input(
                    "sequence_gap",
                    "the sequences of a batch follow each other without gap",
                ));
            }
            leaves.push(leaf_hash(
                inputs.tenant_id,
                inputs.store_id,
                sequence,
                &inputs.event_signing_hash,
                &Signature([0; 64]),
            ));
        }
        let commitment = BatchCommitment::commit(first.tenant_id, first.store_id, 0, tip, &leaves)
            .map_err(|error| Failure::bad_input("batch", error.to_string()))?;
        // An index that cannot be, or a sequence of zero.
        commitment
            .check()
            .map_err(|error| Failure::bad_input("batch", error.to_string()))?;
        Ok(Self {
            commitment,
            genesis,
            proven,
            unproven,
        })
    }

    /// The statement that is proven.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) if there is none.
    pub(crate) fn statement(&self) -> Result<Statement> {
        let mut entries = Vec::with_capacity(self.proven.len());
        let mut bound = Vec::with_capacity(self.proven.len());
        for event in &self.proven {
            let commitment = committed(&event.inputs)?;
            entries.push(Entry::new(
                commitment,
                effective_limit(&event.inputs.policy)?,
                event.currency,
            )?);
            bound.push(BatchProofEntry {
                event: event.inputs.event_signing_hash,
                policy: event.inputs.policy.hash(),
                commitment,
            });
        }
        let stream = stream_id(self.commitment.tenant_id, self.commitment.store_id);
        let context = batch_proof_context(
            &self.genesis,
            CIRCUIT_VERSION,
            &stream,
            &self.commitment,
            bound.iter(),
        );
        Ok(Statement::batch(entries, context)?)
    }
}

fn committed(inputs: &ComplianceInputs) -> Result<AmountCommitment> {
    inputs.commitment.ok_or_else(|| {
        Failure::bad_input("no_commitment", "a proven event has no amount commitment")
    })
}

/// Largest amount of a policy that a batch can hold.
pub(crate) fn effective_limit(policy: &Policy) -> Result<u64> {
    if let Policy::AgentBudget { .. } = policy {
        return Err(Failure::bad_input(
            "budget_in_batch",
            "agent.budget.v1 is proven event by event, not in a batch",
        ));
    }
    policy
        .effective_limit()
        .map_err(|error| Failure::bad_input("limit", error.to_string()))
}

/// A batch with its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BatchProof {
    /// What it is about.
    pub(crate) batch: Batch,
    /// The proof.
    pub(crate) proof: Vec<u8>,
    /// Remarks of the prover; nothing depends on them.
    pub(crate) metadata: Value,
}

impl BatchProof {
    /// Proves a batch.
    ///
    /// # Errors
    /// An amount over its limit.
    pub(crate) fn make(ui: &Ui, batch: Batch, secrets: &[Secret]) -> Result<(Self, f64)> {
        let statement = batch.statement()?;
        let openings = secrets
            .iter()
            .map(Secret::opening)
            .collect::<Result<Vec<_>>>()?;
        let (proof, milliseconds) = prove::prove(ui, &statement, &openings)?;
        let mut metadata = bundle::metadata(&proof, &statement, milliseconds);
        if let Some(map) = metadata.as_object_mut() {
            map.insert("leafSignature".into(), LEAF_SIGNATURE.into());
        }
        let made = Self {
            batch,
            proof,
            metadata,
        };
        Ok((made, milliseconds))
    }

    /// Verifies the proof; returns how long that took, in milliseconds.
    ///
    /// # Errors
    /// [`Exit::Invalid`](crate::error::Exit::Invalid).
    pub(crate) fn verify(&self) -> Result<f64> {
        let statement = self.batch.statement()?;
        let started = Instant::now();
        ves_stark_verifier::verify(&self.proof, &statement)?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }

    /// The batch file.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) for events without commitments.
    pub(crate) fn to_json(&self) -> Result<Value> {
        let events = self
            .batch
            .proven
            .iter()
            .map(|event| {
                Ok(json!({
                    "publicInputs": events::to_json(&event.inputs),
                    "witnessCommitmentHex": hex::encode(committed(&event.inputs)?),
                    "limit": json::number(effective_limit(&event.inputs.policy)?),
                    "currency": event.currency.to_string(),
                }))
            })
            .collect::<Result<Vec<Value>>>()?;
        let unproven: Vec<Value> = self.batch.unproven.iter().map(events::to_json).collect();
        Ok(json!({
            "version": BATCH_VERSION,
            "proofType": bundle::PROOF_TYPE,
            "proofVersion": bundle::PROOF_VERSION,
            "circuitVersion": CIRCUIT_VERSION,
            "genesis": hex::encode(self.batch.genesis),
            "batch": commitment_json(&self.batch.commitment),
            "events": events,
            "unproven": unproven,
            "allCompliant": unproven.is_empty(),
            "proofB64": json::to_base64(&self.proof),
            "proofHash": hex::encode(batch_proof_hash(&self.proof)),
            "metadata": self.metadata,
        }))
    }

    /// Reads a batch file. Its roots, ids and hashes must be the ones that follow from its events.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) for what is no batch file,
    /// [`Exit::Invalid`](crate::error::Exit::Invalid) for one that contradicts itself.
    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let members = Members::of(value, "the batch")?;
        members.only(&[
            "version",
            "proofType",
            "proofVersion",
            "circuitVersion",
            "genesis",
            "batch",
            "events",
            "unproven",
            "allCompliant",
            "proofB64",
            "proofHash",
            "metadata",
        ])?;
        if members.number("version")? != BATCH_VERSION {
            return Err(Failure::bad_input(
                "batch_version",
                "the batch has another version",
            ));
        }
        check_versions(&members)?;
        let proven = array(&members, "events")?
            .iter()
            .map(proven_from_json)
            .collect::<Result<Vec<_>>>()?;
        let unproven = array(&members, "unproven")?
            .iter()
            .map(|inputs| events::from_json(inputs, "unproven"))
            .collect::<Result<Vec<_>>>()?;
        let stated = members.required("batch")?;
        let head = Members::of(stated, "batch")?;
        let tip = StreamTip {
            sequence: head
                .number("sequenceStart")?
                .checked_sub(1)
                .ok_or_else(|| head.bad("sequenceStart"))?,
            state_root: StateRoot(head.hex("prevStateRoot")?),
            batch_count: head.number("batchIndex")?,
        };
        let batch = Batch::new(GenesisHash(members.hex("genesis")?), &tip, proven, unproven)?;
        if *stated != commitment_json(&batch.commitment) {
            return Err(contradiction(
                "batch_mismatch",
                "the batch's ids, range or roots do not follow from its events",
            ));
        }
        if members.required("allCompliant")? != &json!(batch.unproven.is_empty()) {
            return Err(contradiction(
                "all_compliant",
                "allCompliant does not agree with the list of unproven events",
            ));
        }
        let proof = members.base64("proofB64")?;
        if members.hex("proofHash")? != batch_proof_hash(&proof).0 {
            return Err(contradiction("proof_hash", "proofHash is not the proof's"));
        }
        Ok(Self {
            batch,
            proof,
            metadata: members.optional("metadata").cloned().unwrap_or_default(),
        })
    }

    /// What the batch is about, for a report.
    pub(crate) fn describe(&self, report: Report) -> Report {
        let commitment = &self.batch.commitment;
        let mut policies: Vec<String> = self
            .batch
            .proven
            .iter()
            .map(|event| {
                let policy = &event.inputs.policy;
                format!("{} {} {}", policy.id(), policy.limit(), event.currency)
            })
            .collect();
        policies.sort();
        policies.dedup();
        let (start, end) = (commitment.sequence_start, commitment.sequence_end);
        report
            .field("batch", commitment_json(commitment))
            .field("genesis", hex::encode(self.batch.genesis))
            .field("events", self.batch.proven.len())
            .field("unproven", self.batch.unproven.len())
            .field("allCompliant", self.batch.unproven.is_empty())
            .field("policies", &policies)
            .pair("batch", hex::encode(commitment.batch_id))
            .pair(
                "tenant / store",
                format!("{} / {}", commitment.tenant_id, commitment.store_id),
            )
            .pair("sequences", format!("{start} to {end}"))
            .pair(
                "events",
                format!(
                    "{} proven, {} not proven",
                    self.batch.proven.len(),
                    self.batch.unproven.len()
                ),
            )
            .pair("policies", policies.join("; "))
            .pair("state before", hex::encode(commitment.prev_state_root))
            .pair("state after", hex::encode(commitment.new_state_root))
    }
}

fn commitment_json(commitment: &BatchCommitment) -> Value {
    json!({
        "batchId": hex::encode(commitment.batch_id),
        "tenantId": commitment.tenant_id.to_string(),
        "storeId": commitment.store_id.to_string(),
        "batchIndex": json::number(commitment.batch_index),
        "sequenceStart": json::number(commitment.sequence_start),
        "sequenceEnd": json::number(commitment.sequence_end),
        "leafCount": commitment.leaf_count,
        "eventsRoot": hex::encode(commitment.events_root),
        "prevStateRoot": hex::encode(commitment.prev_state_root),
        "newStateRoot": hex::encode(commitment.new_state_root),
    })
}

fn array<'a>(members: &Members<'a>, name: &str) -> Result<&'a Vec<Value>> {
    members
        .required(name)?
        .as_array()
        .filter(|array| array.len() <= MAX_PROOF_EVENTS as usize)
        .ok_or_else(|| members.bad(name))
}

fn proven_from_json(value: &Value) -> Result<Proven> {
    let members = Members::of(value, "an event of the batch")?;
    members.only(&["publicInputs", "witnessCommitmentHex", "limit", "currency"])?;
    let mut inputs = events::from_json(members.required("publicInputs")?, "publicInputs")?;
    let commitment = AmountCommitment(members.hex("witnessCommitmentHex")?);
    if *inputs.commitment.get_or_insert(commitment) != commitment {
        return Err(contradiction(
            "commitment_mismatch",
            "an event's commitments differ from each other",
        ));
    }
    if members.number("limit")? != effective_limit(&inputs.policy)? {
        return Err(contradiction(
            "limit_mismatch",
            "an event's limit is not its policy's",
        ));
    }
    Ok(Proven {
        inputs,
        currency: members.spelled("currency")?,
    })
}

/// `batch-prove`.
///
/// # Errors
/// Wrong files, an amount over its limit, a file that cannot be written.
pub(crate) fn prove(ui: &Ui, args: &BatchProve) -> Result<Report> {
    let currency = args.binding.currency;
    let (proven, secrets) = match &args.events {
        Some(path) => read_events(path, currency)?,
        None => {
            let policy = args.kind.with_limit(args.limit)?;
            let tenant = TenantId(events::random_uuid());
            let store = StoreId(events::random_uuid());
            make_up(
                (tenant, store),
                1..=u64::from(args.num_events),
                policy,
                currency,
            )?
        }
    };
    let first = proven.first().map_or(1, |event| event.inputs.sequence);
    let tip = StreamTip {
        sequence: first
            .checked_sub(1)
            .ok_or_else(|| Failure::bad_input("sequence", "sequences start at 1"))?,
        state_root: args.prev_state_root,
        batch_count: args.batch_index,
    };
    let batch = Batch::new(args.binding.chain.genesis, &tip, proven, Vec::new())?;
    let (made, milliseconds) = BatchProof::make(ui, batch, &secrets)?;
    let text = format!("{:#}", made.to_json()?);
    let Some(path) = &args.output else {
        return Ok(Report::artifact(text));
    };
    files::write(path, &text)?;
    let hash = hex::encode(batch_proof_hash(&made.proof));
    let size = made.proof.len();
    let report = Report::new("ves.stark.batch-prove")
        .field("output", path)
        .field("proofHash", &hash)
        .field("proofSize", size)
        .field("provingTimeMs", milliseconds)
        .line(format!("Batch proof written to: {}", path.display()))
        .pair(
            "proof",
            format!("{size} bytes, made in {milliseconds:.1} ms"),
        )
        .pair("proof hash", hash);
    Ok(made.describe(report))
}

/// Makes up events that obey their policy.
///
/// # Errors
/// [`Exit::General`](crate::error::Exit::General) without entropy.
pub(crate) fn make_up(
    (tenant, store): (TenantId, StoreId),
    sequences: impl Iterator<Item = u64>,
    policy: Policy,
    currency: CurrencyTag,
) -> Result<(Vec<Proven>, Vec<Secret>)> {
    let limit = effective_limit(&policy)?;
    let mut proven = Vec::new();
    let mut secrets = Vec::new();
    for sequence in sequences {
        let secret = Secret::random(rand::thread_rng().gen_range(0..=limit))?;
        let mut inputs = events::made_up_in(tenant, store, sequence, policy);
        inputs.commitment = Some(secret.commit(currency)?);
        proven.push(Proven { inputs, currency });
        secrets.push(secret);
    }
    Ok((proven, secrets))
}

/// Reads an events file.
fn read_events(path: &Path, currency: CurrencyTag) -> Result<(Vec<Proven>, Vec<Secret>)> {
    let text = files::read_text(path, files::MAX_INPUT_FILE)?;
    let value = json::parse(&text, "the events file")?;
    let list = value
        .as_array()
        .filter(|list| list.len() <= MAX_PROOF_EVENTS as usize)
        .ok_or_else(|| {
            Failure::bad_input(
                "bad_format",
                "the events file: not an array of at most 128 events",
            )
        })?;
    let mut proven = Vec::with_capacity(list.len());
    let mut secrets = Vec::with_capacity(list.len());
    for value in list {
        let members = Members::of(value, "an event")?;
        members.only(&["amount", "publicInputs", "currency", "payloadSalt"])?;
        let amount = members.required("amount")?;
        let amount = json::as_number(amount)
            .or_else(|| amount.as_str().and_then(json::decimal))
            .map(Zeroizing::new)
            .ok_or_else(|| members.bad("amount"))?;
        let currency = match members.optional("currency") {
            Some(_) => members.spelled("currency")?,
            None => currency,
        };
        let mut inputs = events::from_json(members.required("publicInputs")?, "publicInputs")?;
        let salt = match members.optional("payloadSalt") {
            Some(_) => secret::derived_salt(members.text("payloadSalt")?, inputs.event_id)
                .ok_or_else(|| members.bad("payloadSalt"))?,
            None => secret::random_salt()?,
        };
        let secret = Secret::new(amount, salt);
        let commitment = secret.commit(currency)?;
        if *inputs.commitment.get_or_insert(commitment) != commitment {
            return Err(Failure::bad_input(
                "other_commitment",
                "an event holds a commitment that its amount and salt do not open",
            ));
        }
        proven.push(Proven { inputs, currency });
        secrets.push(secret);
    }
    Ok((proven, secrets))
}

/// `batch-verify`.
///
/// # Errors
/// The first thing that is not as asked.
pub(crate) fn verify(args: &BatchVerify) -> Result<Report> {
    let text = files::read_text(&args.proof, files::MAX_PROOF_FILE)?;
    let made = BatchProof::from_json(&json::parse(&text, "the batch")?)?;
    let batch = &made.batch;
    if batch.genesis != args.chain.genesis {
        let failure = contradiction("other_genesis", "the proof is for another chain");
        return Err(failure.hint(format!(
            "to accept it give --genesis {}",
            hex::encode(batch.genesis)
        )));
    }
    if let Some(currency) = args.currency
        && batch.proven.iter().any(|event| event.currency != currency)
    {
        return Err(contradiction(
            "other_currency",
            "an event is in another currency",
        ));
    }
    if args
        .prev_state_root
        .is_some_and(|root| root != batch.commitment.prev_state_root)
    {
        return Err(contradiction(
            "discontinuous",
            "the batch continues another state root",
        ));
    }
    if let Some(path) = &args.inputs {
        check_inputs(path, batch)?;
    }
    let took = made.verify()?;
    let report = Report::new("ves.stark.batch-verify")
        .field("valid", true)
        .field("verificationTimeMs", took)
        .field("proofSize", made.proof.len())
        .field("proofHash", hex::encode(batch_proof_hash(&made.proof)))
        .line(format!("Batch Proof VALID! (verified in {took:.3} ms)"));
    Ok(made.describe(report))
}

fn check_inputs(path: &Path, batch: &Batch) -> Result<()> {
    let text = files::read_text(path, files::MAX_INPUT_FILE)?;
    let value = json::parse(&text, "the inputs file")?;
    let expected = value.as_array().ok_or_else(|| {
        Failure::bad_input(
            "bad_format",
            "the inputs file: not an array of public inputs",
        )
    })?;
    if expected.len() != batch.proven.len() {
        return Err(contradiction(
            "event_count",
            "the proof is for another number of events",
        ));
    }
    for (expected, event) in expected.iter().zip(&batch.proven) {
        let expected = events::from_json(expected, "the inputs file")?;
        if let Some((code, why)) = events::difference(&expected, &event.inputs) {
            return Err(contradiction(code, why));
        }
    }
    Ok(())
}
