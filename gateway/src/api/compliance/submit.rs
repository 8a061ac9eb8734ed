// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Submitting a proof. The chain takes a proof from the event's own agent only, who endorses the
//! committed amount and signs the submission; without these two signatures the answer says what to
//! sign.

use super::{
    Found, PROOF_TYPE, PROOF_VERSION, ProofSummary, find_event, policy, proof_id, stark, summary,
    value_of,
};
use crate::{
    App,
    error::{Answer, ApiError, Code},
    extract::{Access, Body, Part, Query, part},
    keys::Permission,
    openapi,
};
use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;
use ves_client::{ChainClient, ClientError};
use ves_primitives::{
    AmountCommitment, CurrencyTag, EventId, KeyId, Signature, endorsement_hash,
    limits::MAX_PROOF_BYTES,
    proof::{BudgetStep, ProofRefusal, ProofSubmission},
    verify_ed25519,
};
use ves_stark_air::CIRCUIT_VERSION;

/// `POST /api/v1/ves/compliance/{event}/proofs`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitProof {
    /// `stark`: no other proof can be verified.
    #[schema(max_length = 32)]
    proof_type: String,
    /// 3: form of the bytes, as `ves-stark` writes them.
    proof_version: u32,
    /// The policy.
    #[schema(max_length = 64)]
    policy_id: String,
    /// Its parameters.
    #[serde(default)]
    #[schema(value_type = Object)]
    policy_params: Map<String, Value>,
    /// The proof.
    proof_b64: String,
    /// Commitment to the amount: 64 hex digits, or four numbers.
    #[schema(value_type = Option<Object>)]
    witness_commitment: Option<Value>,
    /// If given, must be the canonical ones, with or without `witnessCommitment`.
    #[schema(value_type = Option<Object>)]
    public_inputs: Option<Value>,
    /// What the amount is counted in, `USD:2` by default.
    #[schema(value_type = Option<String>)]
    currency: Option<CurrencyTag>,
    /// Which of the agent's keys made the two signatures; the event's own by default.
    #[schema(value_type = Option<u32>)]
    agent_key_id: Option<KeyId>,
    /// The agent's signature over the endorsement of the amount.
    #[schema(value_type = Option<String>, pattern = "^(0x)?[0-9a-fA-F]{128}$")]
    endorsement: Option<Signature>,
    /// The agent's signature over the submission.
    #[schema(value_type = Option<String>, pattern = "^(0x)?[0-9a-fA-F]{128}$")]
    submission_signature: Option<Signature>,
    /// Of a budget: the commitment to its total before.
    previous_total_commitment: Option<String>,
    /// Of a budget: the commitment to its total after.
    new_total_commitment: Option<String>,
    /// Hash of an authorization receipt, if the proof goes with one.
    authorization_receipt_hash: Option<String>,
    /// Hash of a payload amount binding, if the proof goes with one.
    amount_binding_hash: Option<String>,
}

/// What became of a proof.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmittedProof {
    /// `<event id>-<proof hash>`.
    proof_id: String,
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    event_id: EventId,
    /// Hash of the proof.
    proof_hash: String,
    /// `verified` by the chain in a final block, or `pending`.
    status: &'static str,
    /// What the chain recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<ProofSummary>,
}

fn hex32(name: &str, text: &str) -> Answer<[u8; 32]> {
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes)
        .map_err(|_| ApiError::value(format!("{name}: expected 32 bytes hex")))?;
    Ok(bytes)
}

fn commitment(value: Option<&Value>) -> Answer<AmountCommitment> {
    let bad = || ApiError::value("witnessCommitment: expected 64 hex digits or four numbers");
    match value {
        None => Err(ApiError::missing("witnessCommitment is missing")),
        Some(Value::String(text)) => hex32("witnessCommitment", text).map(AmountCommitment),
        Some(Value::Array(words)) => {
            // `ves-stark` writes them as decimal texts, since JSON numbers lose digits.
            let word = |word: &Value| match word {
                Value::String(text) => text.parse().ok(),
                other => other.as_u64(),
            };
            let words: Vec<u64> = words.iter().take(5).map_while(word).collect();
            let words: [u64; 4] = words.try_into().map_err(|_| bad())?;
            Ok(AmountCommitment::from_words(words))
        }
        Some(_) => Err(bad()),
    }
}

impl SubmitProof {
    fn budget(&self) -> Answer<Option<BudgetStep>> {
        match (&self.previous_total_commitment, &self.new_total_commitment) {
            (None, None) => Ok(None),
            (Some(previous), Some(new)) => Ok(Some(BudgetStep {
                previous: AmountCommitment(hex32("previousTotalCommitment", previous)?),
                new: AmountCommitment(hex32("newTotalCommitment", new)?),
            })),
            _ => Err(ApiError::missing(
                "previousTotalCommitment and newTotalCommitment belong together",
            )),
        }
    }

    /// The submission, with signatures of zeros where none was given.
    fn submission(self, found: &Found) -> Answer<ProofSubmission> {
        if !self.proof_type.eq_ignore_ascii_case(PROOF_TYPE) {
            return Err(ApiError::value(
                "proofType: only stark proofs can be verified, and no others are kept",
            ));
        }
        if self.proof_version != PROOF_VERSION {
            return Err(ApiError::value(format!(
                "proofVersion: expected {PROOF_VERSION}, as ves-stark writes it"
            )));
        }
        let budget = self.budget()?;
        let optional =
            |name: &str, text: Option<&String>| text.map(|text| hex32(name, text)).transpose();
        let receipt = optional(
            "authorizationReceiptHash",
            self.authorization_receipt_hash.as_ref(),
        )?;
        let binding = optional("amountBindingHash", self.amount_binding_hash.as_ref())?;
        let too_long = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::PayloadTooLarge,
                format!("proofB64: at most {MAX_PROOF_BYTES} bytes"),
            )
        };
        let most = usize::try_from(MAX_PROOF_BYTES).unwrap_or(usize::MAX);
        if self.proof_b64.len() / 4 > most / 3 + 1 {
            return Err(too_long());
        }
        let proof = STANDARD
            .decode(&self.proof_b64)
            .map_err(|_| ApiError::value("proofB64: expected base64"))?;
        if proof.len() > most {
            return Err(too_long());
        }
        let currency = match self.currency {
            Some(currency) => currency,
            None => "USD:2"
                .parse()
                .map_err(|_| ApiError::value("currency is missing"))?,
        };
        let none = Signature([0; 64]);
        Ok(ProofSubmission {
            envelope: found.envelope.clone(),
            policy: policy(&self.policy_id, self.policy_params)?,
            commitment: commitment(self.witness_commitment.as_ref())?,
            currency,
            endorsement: self.endorsement.unwrap_or(none),
            key_id: self.agent_key_id.unwrap_or(found.envelope.agent_key_id),
            budget,
            authorization_receipt_hash: receipt,
            amount_binding_hash: binding,
            signature: self.submission_signature.unwrap_or(none),
            proof: proof.try_into().map_err(|_| too_long())?,
        })
    }
}

/// What the agent has to sign.
struct ToSign {
    endorsement: [u8; 32],
    submission: [u8; 32],
}

impl ToSign {
    fn of(submission: &ProofSubmission, chain: &ChainClient, found: &Found) -> Answer<Self> {
        let context = submission
            .context(&chain.genesis_hash(), CIRCUIT_VERSION, found.sequence)
            .map_err(|_| ApiError::node("the node's event has no signing hash"))?;
        Ok(Self {
            endorsement: endorsement_hash(
                &found.signing_hash,
                &submission.commitment,
                submission.currency,
            ),
            submission: submission.signing_hash(&context),
        })
    }

    fn details(&self) -> Value {
        json!({
            "endorsement": hex::encode(self.endorsement),
            "submissionSignature": hex::encode(self.submission),
        })
    }
}

/// If public inputs were sent, they must be the event's.
fn check_inputs(sent: Option<&Value>, submission: &ProofSubmission, found: &Found) -> Answer<()> {
    let Some(sent) = sent else { return Ok(()) };
    let whole = submission
        .inputs(found.sequence)
        .map_err(|_| ApiError::node("the node's event has no signing hash"))?;
    let mut bare = whole;
    bare.commitment = None;
    if *sent == value_of(&whole) || *sent == value_of(&bare) {
        return Ok(());
    }
    Err(ApiError::value(
        "publicInputs: not the canonical inputs of this event and policy",
    ))
}

/// Submits a proof about an event and waits for the chain's verdict.
#[utoipa::path(post, path = "/api/v1/ves/compliance/{event_id}/proofs", tag = "compliance",
    params(("event_id" = String, Path, format = "uuid"),
        ("tenant_id" = Option<String>, Query, format = "uuid"), ("store_id" = Option<String>, Query, format = "uuid")),
    request_body = SubmitProof,
    responses((status = 201, description = "The chain verified it", body = SubmittedProof),
        (status = 200, description = "The chain has this very proof already", body = SubmittedProof),
        (status = 202, description = "Its verdict is not final yet; send it again", body = SubmittedProof),
        (status = 409, description = "Another proof is in its place", body = openapi::ErrorBody),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn submit(
    State(app): State<Arc<App>>,
    access: Access,
    Part(event): Part,
    query: Query,
    Body(mut request): Body<SubmitProof>,
) -> Answer<(StatusCode, Json<SubmittedProof>)> {
    let event: EventId = part("event_id", &event)?;
    let (chain, found) = find_event(&app, &access, &query, event).await?;
    access.stream(Permission::Write, found.stream)?;
    let agent = found.envelope.source_agent_id;
    access.agent(agent)?;
    let unsigned = request.endorsement.is_none() || request.submission_signature.is_none();
    let sent_inputs = request.public_inputs.take();
    let submission = request.submission(&found)?;
    check_inputs(sent_inputs.as_ref(), &submission, &found)?;
    let hash = submission.proof_hash();
    let answer = |status: &'static str, record: Option<ProofSummary>| {
        Json(SubmittedProof {
            proof_id: proof_id(event, hash),
            event_id: event,
            proof_hash: hex::encode(hash),
            status,
            record,
        })
    };
    let known = chain
        .proofs_of_event(found.stream.id(), event, None)
        .await?;
    if let Some(record) = known.iter().find(|record| record.proof_hash == hash) {
        let record = summary(found.stream, record);
        return Ok((StatusCode::OK, answer("verified", Some(record))));
    }
    let to_sign = ToSign::of(&submission, &chain, &found)?;
    if unsigned {
        return Err(ApiError::missing(
            "endorsement and submissionSignature are missing: the event's agent must sign the 32 \
             bytes of each in details",
        )
        .details(to_sign.details()));
    }
    let key = chain
        .signing_key(found.stream.tenant, agent, submission.key_id, None)
        .await?
        .ok_or_else(|| ApiError::not_found(Code::NotFound, "the agent has no such key"))?
        .public_key;
    for (name, message, signature) in [
        ("endorsement", &to_sign.endorsement, &submission.endorsement),
        (
            "submissionSignature",
            &to_sign.submission,
            &submission.signature,
        ),
    ] {
        if !verify_ed25519(&key, message, signature) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                Code::InvalidSignature,
                format!("{name} does not verify with the agent's key"),
            )
            .details(to_sign.details()));
        }
    }
    // Cheaper here than on the chain, where a proof that does not hold costs the agent's quota.
    if let Some(error) = stark(&app, submission.clone(), &chain, found.sequence).await? {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            Code::VerificationFailed,
            format!("stark_invalid: {error}"),
        ));
    }
    if let Err(refusal) = chain.can_submit_proof(&submission, None).await? {
        return Err(refused(refusal));
    }
    match chain.submit_proof(&submission).await {
        // Of bytes that the pool has seen before, the chain tells what became of them.
        Ok(_) | Err(ClientError::TemporarilyBanned | ClientError::Stale) => {}
        Err(ClientError::PoolRejected { name, .. }) => {
            return Err(ApiError::conflict(format!("the chain refuses it: {name}")));
        }
        Err(error) => return Err(error.into()),
    }
    let record = verified(&app, &chain, &found, &submission).await?;
    Ok(match record {
        Some(record) => (StatusCode::CREATED, answer("verified", Some(record))),
        None => (StatusCode::ACCEPTED, answer("pending", None)),
    })
}

fn refused(refusal: ProofRefusal) -> ApiError {
    let text = format!("the chain refuses it: {refusal}");
    match refusal {
        ProofRefusal::AlreadyProven
        | ProofRefusal::TooManyProofs
        | ProofRefusal::BudgetTotal
        | ProofRefusal::EventMismatch => ApiError::conflict(text),
        ProofRefusal::QuotaExhausted => ApiError::unavailable(text).retry_after(60),
        ProofRefusal::Author(_) | ProofRefusal::CircuitDisabled => {
            ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text)
        }
        _ => ApiError::value(text),
    }
}

/// Waits for the verdict in a final block, as long as the settings allow.
async fn verified(
    app: &App,
    chain: &ChainClient,
    found: &Found,
    submission: &ProofSubmission,
) -> Answer<Option<ProofSummary>> {
    let until = Instant::now() + app.settings.wait_time;
    let mut heads = app.node.watch();
    let hash = submission.proof_hash();
    loop {
        let at = app.node.heads()?.finalized_hash;
        let records = chain
            .proofs_of_event(found.stream.id(), submission.envelope.event_id, Some(at))
            .await?;
        if let Some(record) = records.iter().find(|record| record.proof_hash == hash) {
            return Ok(Some(summary(found.stream, record)));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || timeout(left, heads.changed()).await.is_err() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_read_in_every_form_that_is_written() {
        let hex = format!("{:016x}{:016x}{:016x}{:016x}", 1, 2, 3, u64::MAX);
        let expected = AmountCommitment::from_words([1, 2, 3, u64::MAX]);
        for value in [
            json!(hex),
            json!(format!("0x{hex}")),
            json!([1, 2, 3, u64::MAX]),
            json!(["1", "2", "3", u64::MAX.to_string()]),
        ] {
            assert_eq!(commitment(Some(&value)).ok(), Some(expected), "{value}");
        }
        for value in [
            json!(null),
            json!("ab"),
            json!([1, 2, 3]),
            json!([1, 2, 3, 4, 5]),
            json!([1, 2, 3, -4]),
            json!(["1", "2", "x", "4"]),
        ] {
            assert!(commitment(Some(&value)).is_err(), "{value}");
        }
        assert!(commitment(None).is_err());
    }
}
