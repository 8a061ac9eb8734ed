// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The proof bundle of one event (VES-STARK B5): everything a verifier needs, never the amount.

use crate::{
    error::{Failure, Result},
    events,
    json::{self, Members},
};
use serde_json::{Map, Value, json};
use ves_primitives::{
    AmountCommitment, ComplianceInputs, CurrencyTag, GenesisHash, Policy, budget_proof_context,
    bundle_hash, compliance_proof_hash, jcs, proof_context,
};
use ves_stark_air::{CIRCUIT_VERSION, Commitment, Entry, Shape, Statement};

/// Format of the bundle.
const BUNDLE_VERSION: u64 = 1;
/// Form of the proof bytes; the peer's are 2.
pub(crate) const PROOF_VERSION: u64 = 3;
/// The only proof system.
pub(crate) const PROOF_TYPE: &str = "stark";

/// The commitments a budget proof moves between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// To the total before the event.
    pub(crate) previous: AmountCommitment,
    /// To the total after it.
    pub(crate) new: AmountCommitment,
}

/// What one event's proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The event, the policy, and the commitment, which is always there.
    pub(crate) inputs: ComplianceInputs,
    /// Currency of amount and limit.
    pub(crate) currency: CurrencyTag,
    /// The chain.
    pub(crate) genesis: GenesisHash,
    /// For `agent.budget.v1`.
    pub(crate) totals: Option<Totals>,
}

impl Subject {
    /// The statement that is proven.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) or
    /// [`Exit::Usage`](crate::error::Exit::Usage) if there is none.
    pub(crate) fn statement(&self) -> Result<Statement> {
        let limit = self
            .inputs
            .policy
            .effective_limit()
            .map_err(|error| Failure::bad_input("limit", error.to_string()))?;
        let entry = Entry::new(self.commitment()?, limit, self.currency)?;
        let is_budget = matches!(self.inputs.policy, Policy::AgentBudget { .. });
        match self.totals {
            Some(totals) if is_budget => {
                let context = budget_proof_context(
                    &self.genesis,
                    CIRCUIT_VERSION,
                    &self.inputs,
                    &totals.previous,
                    &totals.new,
                );
                Ok(Statement::budget(
                    parsed(totals.previous)?,
                    &[entry.commitment],
                    parsed(totals.new)?,
                    limit,
                    self.currency,
                    context,
                )?)
            }
            None if !is_budget => {
                let context = proof_context(&self.genesis, CIRCUIT_VERSION, &self.inputs);
                Ok(Statement::single(entry, context)?)
            }
            _ => Err(Failure::bad_input(
                "totals",
                "agent.budget.v1, and no other policy, goes with commitments to totals",
            )),
        }
    }

    /// The event's commitment.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) without one.
    pub(crate) fn commitment(&self) -> Result<AmountCommitment> {
        self.inputs
            .commitment
            .ok_or_else(|| Failure::bad_input("no_commitment", "there is no amount commitment"))
    }
}

fn parsed(commitment: AmountCommitment) -> Result<Commitment> {
    Commitment::try_from(commitment)
        .map_err(|error| Failure::bad_input("commitment", error.to_string()))
}

/// A proof with its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// What it is about.
    pub(crate) subject: Subject,
    /// The proof.
    pub(crate) proof: Vec<u8>,
    /// Remarks of the prover; nothing depends on them.
    pub(crate) metadata: Value,
}

/// Remarks of the prover about a proof.
pub(crate) fn metadata(proof: &[u8], statement: &Statement, milliseconds: f64) -> Value {
    let shape = Shape::of(statement);
    json!({
        "provingTimeMs": (milliseconds * 1000.0).round() / 1000.0,
        "traceLength": shape.length(),
        "traceWidth": shape.width(),
        "proofSize": proof.len(),
        "proverVersion": env!("CARGO_PKG_VERSION"),
    })
}

impl Bundle {
    /// The bundle's JSON with its hash.
    ///
    /// # Errors
    /// [`Exit::General`](crate::error::Exit::General) if there is no canonical form.
    pub(crate) fn to_json(&self) -> Result<Value> {
        let subject = &self.subject;
        let commitment = subject.commitment()?;
        let mut value = json!({
            "version": BUNDLE_VERSION,
            "proofType": PROOF_TYPE,
            "proofVersion": PROOF_VERSION,
            "circuitVersion": CIRCUIT_VERSION,
            "genesis": hex::encode(subject.genesis),
            "currency": subject.currency.to_string(),
            "proofB64": json::to_base64(&self.proof),
            "proofHash": hex::encode(compliance_proof_hash(&self.proof)),
            "metadata": self.metadata,
            "witnessCommitment": commitment.words().map(|word| word.to_string()),
            "witnessCommitmentHex": hex::encode(commitment),
            "publicInputs": events::to_json(&subject.inputs),
            "publicInputsHash": hex::encode(subject.inputs.public_inputs_hash()),
            "boundPublicInputsHash": subject.inputs.bound_public_inputs_hash().map(hex::encode),
        });
        if let (Some(totals), Some(map)) = (subject.totals, value.as_object_mut()) {
            map.insert(
                "previousTotalCommitmentHex".into(),
                hex::encode(totals.previous).into(),
            );
            map.insert(
                "newTotalCommitmentHex".into(),
                hex::encode(totals.new).into(),
            );
        }
        let hash = hex::encode(hash_of(&value)?);
        if let Some(map) = value.as_object_mut() {
            map.insert("bundleHash".into(), hash.into());
        }
        Ok(value)
    }

    /// Reads a bundle; every hash and every repeated value in it must agree.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) for what is no bundle,
    /// [`Exit::Invalid`](crate::error::Exit::Invalid) for one that contradicts itself.
    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let members = Members::of(value, "the bundle")?;
        members.only(&[
            "version",
            "proofType",
            "proofVersion",
            "circuitVersion",
            "genesis",
            "currency",
            "proofB64",
            "proofHash",
            "metadata",
            "witnessCommitment",
            "witnessCommitmentHex",
            "publicInputs",
            "publicInputsHash",
            "boundPublicInputsHash",
            "previousTotalCommitmentHex",
            "newTotalCommitmentHex",
            "bundleHash",
        ])?;
        if members.number("version")? != BUNDLE_VERSION {
            return Err(Failure::bad_input(
                "bundle_version",
                "the bundle has another version",
            ));
        }
        check_versions(&members)?;
        let mut inputs = events::from_json(members.required("publicInputs")?, "publicInputs")?;
        let commitment = AmountCommitment(members.hex("witnessCommitmentHex")?);
        if *inputs.commitment.get_or_insert(commitment) != commitment
            || members.required("witnessCommitment")?
                != &json!(commitment.words().map(|word| word.to_string()))
        {
            return Err(contradiction(
                "commitment_mismatch",
                "its commitments differ from each other",
            ));
        }
        let previous = members.optional_hex("previousTotalCommitmentHex")?;
        let new = members.optional_hex("newTotalCommitmentHex")?;
        let totals = previous.zip(new).map(|(previous, new)| Totals {
            previous: AmountCommitment(previous),
            new: AmountCommitment(new),
        });
        let bundle = Self {
            subject: Subject {
                inputs,
                currency: members.spelled("currency")?,
                genesis: GenesisHash(members.hex("genesis")?),
                totals,
            },
            proof: members.base64("proofB64")?,
            metadata: members.optional("metadata").cloned().unwrap_or_default(),
        };
        bundle.check_hashes(value, &members)?;
        Ok(bundle)
    }

    fn check_hashes(&self, value: &Value, members: &Members<'_>) -> Result<()> {
        if members.hex("proofHash")? != compliance_proof_hash(&self.proof).0 {
            return Err(contradiction("proof_hash", "proofHash is not the proof's"));
        }
        let inputs = &self.subject.inputs;
        if members.hex("publicInputsHash")? != inputs.public_inputs_hash()
            || Some(members.hex("boundPublicInputsHash")?) != inputs.bound_public_inputs_hash()
        {
            return Err(contradiction(
                "public_inputs_hash",
                "a hash of the public inputs is not theirs",
            ));
        }
        if members.hex("bundleHash")? != hash_of(value)? {
            return Err(contradiction(
                "bundle_hash",
                "bundleHash is not the bundle's",
            ));
        }
        Ok(())
    }
}

/// Proof type, proof version and circuit must be the ones that exist.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn check_versions(members: &Members<'_>) -> Result<()> {
    if members.text("proofType")? != PROOF_TYPE
        || members.number("proofVersion")? != PROOF_VERSION
        || members.number("circuitVersion")? != u64::from(CIRCUIT_VERSION)
    {
        return Err(Failure::bad_input(
            "proof_version",
            format!(
                "not a proof of this kind (proofType {PROOF_TYPE}, proofVersion {PROOF_VERSION}, \
                 circuitVersion {CIRCUIT_VERSION})"
            ),
        ));
    }
    Ok(())
}

/// A file that contradicts itself.
pub(crate) fn contradiction(code: &'static str, message: &str) -> Failure {
    Failure::invalid(code, format!("Proof INVALID: {message}"))
}

/// Hash of a bundle's JSON without its `bundleHash`.
fn hash_of(value: &Value) -> Result<[u8; 32]> {
    let rest: Map<String, Value> = value
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "bundleHash")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let canonical = jcs::canonicalize_value(&Value::Object(rest))
        .map_err(|error| Failure::bad_input("bundle", error.to_string()))?;
    Ok(bundle_hash(&canonical))
}

/// A bare proof: base64 text.
///
/// # Errors
/// [`Exit::BadInput`](crate::error::Exit::BadInput).
pub(crate) fn bare_proof(text: &str) -> Result<Vec<u8>> {
    json::from_base64(text.trim()).ok_or_else(|| {
        Failure::bad_input(
            "bad_format",
            "the proof is neither a JSON bundle nor base64",
        )
    })
}
