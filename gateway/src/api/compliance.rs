// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Compliance proofs of single events (VES v1 §6.2).
//!
//! The chain keeps what was proven, its blocks keep the proofs. A proof's id is
//! `<event id>-<proof hash>`, so that the gateway needs to remember none.

mod submit;

pub use submit::*;

use crate::{
    App,
    error::{Answer, ApiError, Code},
    extract::{Access, Body, Part, Query, Stream, part},
    openapi, stored,
};
use axum::{Json, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{sync::Arc, time::Instant};
use utoipa::ToSchema;
use ves_client::{BlockHash, ChainClient};
use ves_primitives::{
    AmountCommitment, ComplianceInputs, Envelope, EventId, EventSigningHash, Policy, ProofHash,
    compliance_proof_hash,
    proof::{ProofRecord, ProofSubmission},
};

/// The only proof system.
const PROOF_TYPE: &str = "stark";
/// Form of the proof bytes, as `ves-stark` writes it; the peer's are 2.
const PROOF_VERSION: u32 = 3;
/// Longest policy id, bytes.
const POLICY_ID_BYTES_MAX: usize = 64;

/// A final event and the stream that holds it. Proofs are about its hashes: no payload is needed, and
/// the node may have forgotten it.
struct Found {
    stream: Stream,
    sequence: u64,
    signing_hash: EventSigningHash,
    envelope: Envelope,
}

async fn find_event(
    app: &App,
    access: &Access,
    query: &Query,
    event: EventId,
) -> Answer<(ChainClient, Found)> {
    let streams = access.streams(query)?;
    let chain = app.node.chain()?;
    for stream in streams {
        let found = chain
            .store_event(stream.tenant, stream.store, event)
            .await?;
        if let Some(record) = found {
            let found = Found {
                stream,
                sequence: record.sequence,
                signing_hash: record.event_signing_hash,
                envelope: stored::envelope(record)?,
            };
            return Ok((chain, found));
        }
    }
    Err(ApiError::not_found(
        Code::EventNotFound,
        "no final event of the streams looked through has this id",
    )
    .about(event))
}

/// A policy with its parameters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRequest {
    /// `aml.threshold`, `order_total.cap`, `agent.authorization.v1` or `agent.budget.v1`.
    #[schema(max_length = 64)]
    policy_id: String,
    /// Its parameters; `{}` if absent.
    #[serde(default)]
    #[schema(value_type = Object)]
    policy_params: Map<String, Value>,
}

fn policy(id: &str, params: Map<String, Value>) -> Answer<Policy> {
    if id.len() > POLICY_ID_BYTES_MAX {
        return Err(ApiError::value("policyId: at most 64 bytes"));
    }
    Policy::from_json(id, &Value::Object(params))
        .map_err(|error| ApiError::value(format!("policy: {error}")))
}

/// The public inputs of an event under a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InputsAnswer {
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    event_id: EventId,
    /// The inputs.
    #[schema(value_type = Object)]
    public_inputs: Value,
    /// SHA-256 of their canonical JSON.
    public_inputs_hash: String,
}

fn inputs_of(found: &Found, policy: Policy) -> ComplianceInputs {
    let envelope = &found.envelope;
    ComplianceInputs {
        event_id: envelope.event_id,
        tenant_id: envelope.tenant_id,
        store_id: envelope.store_id,
        sequence: found.sequence,
        payload_kind: envelope.payload_kind,
        payload_plain_hash: envelope.payload_plain_hash,
        payload_cipher_hash: envelope.payload_cipher_hash,
        event_signing_hash: found.signing_hash,
        policy,
        commitment: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
    }
}

/// The canonical text is JSON by construction.
fn value_of(inputs: &ComplianceInputs) -> Value {
    serde_json::from_str(&inputs.canonical_json()).unwrap_or_default()
}

/// The canonical public inputs of an event.
#[utoipa::path(post, path = "/api/v1/ves/compliance/{event_id}/inputs", tag = "compliance",
    params(("event_id" = String, Path, format = "uuid"),
        ("tenant_id" = Option<String>, Query, format = "uuid"), ("store_id" = Option<String>, Query, format = "uuid")),
    request_body = PolicyRequest,
    responses((status = 200, description = "The inputs", body = InputsAnswer),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn inputs(
    State(app): State<Arc<App>>,
    access: Access,
    Part(event): Part,
    query: Query,
    Body(request): Body<PolicyRequest>,
) -> Answer<Json<InputsAnswer>> {
    let event: EventId = part("event_id", &event)?;
    let policy = policy(&request.policy_id, request.policy_params)?;
    let (_, found) = find_event(&app, &access, &query, event).await?;
    let inputs = inputs_of(&found, policy);
    Ok(Json(InputsAnswer {
        event_id: event,
        public_inputs: value_of(&inputs),
        public_inputs_hash: hex::encode(inputs.public_inputs_hash()),
    }))
}

/// A proof that the chain verified.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofSummary {
    /// `<event id>-<proof hash>`.
    pub proof_id: String,
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    pub event_id: EventId,
    /// The tenant.
    pub tenant_id: String,
    /// The store.
    pub store_id: String,
    /// The event's place in the stream.
    pub sequence_number: u64,
    /// `stark`.
    pub proof_type: &'static str,
    /// Form of the proof bytes.
    pub proof_version: u32,
    /// The policy.
    pub policy_id: &'static str,
    /// Its parameters.
    #[schema(value_type = Object)]
    pub policy_params: Value,
    /// Its hash.
    pub policy_hash: String,
    /// Hash of the proof.
    pub proof_hash: String,
    /// Length of the proof.
    pub proof_bytes: u32,
    /// The commitment to the amount.
    pub witness_commitment: String,
    /// What the amount is counted in.
    pub currency: String,
    /// The step of a budget: its total before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_total_commitment: Option<String>,
    /// Its total after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_total_commitment: Option<String>,
    /// The event's agent.
    pub agent_id: String,
    /// The block that verified it.
    pub block_number: u32,
}

fn proof_id(event: EventId, hash: ProofHash) -> String {
    format!("{event}-{}", hex::encode(hash))
}

fn read_proof_id(text: &str) -> Answer<(EventId, ProofHash)> {
    let bad = || ApiError::value("proof_id: expected <event id>-<proof hash>");
    let (event, hash) = text.split_at_checked(36).ok_or_else(bad)?;
    let hash = hash.strip_prefix('-').ok_or_else(bad)?;
    Ok((
        event.parse().map_err(|_| bad())?,
        hash.parse().map_err(|_| bad())?,
    ))
}

fn summary(stream: Stream, record: &ProofRecord) -> ProofSummary {
    let plain = |commitment: AmountCommitment| hex::encode(commitment);
    ProofSummary {
        proof_id: proof_id(record.event_id, record.proof_hash),
        event_id: record.event_id,
        tenant_id: stream.tenant.to_string(),
        store_id: stream.store.to_string(),
        sequence_number: record.sequence,
        proof_type: PROOF_TYPE,
        proof_version: PROOF_VERSION,
        policy_id: record.policy.id(),
        policy_params: serde_json::from_str(&record.policy.params_json()).unwrap_or_default(),
        policy_hash: hex::encode(record.policy.hash()),
        proof_hash: hex::encode(record.proof_hash),
        proof_bytes: record.bytes,
        witness_commitment: plain(record.commitment),
        currency: record.currency.to_string(),
        previous_total_commitment: record.budget.map(|step| plain(step.previous)),
        new_total_commitment: record.budget.map(|step| plain(step.new)),
        agent_id: record.agent_id.to_string(),
        block_number: record.block,
    }
}

/// The proofs of an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofList {
    /// The event.
    #[schema(value_type = String, format = "uuid")]
    event_id: EventId,
    /// Oldest first.
    proofs: Vec<ProofSummary>,
}

async fn records(
    app: &App,
    chain: &ChainClient,
    found: &Found,
) -> Answer<(Vec<ProofRecord>, BlockHash)> {
    let at = app.node.heads()?.finalized_hash;
    let event = found.envelope.event_id;
    let records = chain
        .proofs_of_event(found.stream.id(), event, Some(at))
        .await?;
    Ok((records, at))
}

/// The proofs of an event that the chain verified, in final blocks.
#[utoipa::path(get, path = "/api/v1/ves/compliance/{event_id}/proofs", tag = "compliance",
    params(("event_id" = String, Path, format = "uuid"),
        ("tenant_id" = Option<String>, Query, format = "uuid"), ("store_id" = Option<String>, Query, format = "uuid")),
    responses((status = 200, description = "The proofs", body = ProofList),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn list(
    State(app): State<Arc<App>>,
    access: Access,
    Part(event): Part,
    query: Query,
) -> Answer<Json<ProofList>> {
    let event: EventId = part("event_id", &event)?;
    let (chain, found) = find_event(&app, &access, &query, event).await?;
    let (records, _) = records(&app, &chain, &found).await?;
    Ok(Json(ProofList {
        event_id: event,
        proofs: records
            .iter()
            .map(|record| summary(found.stream, record))
            .collect(),
    }))
}

/// A proof with its bytes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofDetails {
    /// What is known of it.
    #[serde(flatten)]
    summary: ProofSummary,
    /// The proof.
    proof_b64: String,
    /// What it is about.
    #[schema(value_type = Object)]
    public_inputs: Value,
    /// SHA-256 of the canonical JSON without `witnessCommitment`.
    public_inputs_hash: String,
}

/// A record with the submission that led to it, out of its block.
async fn find_proof(
    app: &App,
    access: &Access,
    query: &Query,
    id: &str,
) -> Answer<(ChainClient, Found, ProofRecord, ProofSubmission)> {
    let (event, hash) = read_proof_id(id)?;
    let (chain, found) = find_event(app, access, query, event).await?;
    let (records, _) = records(app, &chain, &found).await?;
    let record = records
        .into_iter()
        .find(|record| record.proof_hash == hash)
        .ok_or_else(|| ApiError::not_found(Code::NotFound, "the event has no such proof"))?;
    let submission = chain.proof_behind(&record).await?.ok_or_else(|| {
        ApiError::not_found(
            Code::NotFound,
            "the node no longer has the block with this proof; the chain's verdict is in the list",
        )
    })?;
    Ok((chain, found, record, submission))
}

/// One proof.
#[utoipa::path(get, path = "/api/v1/ves/compliance/proofs/{proof_id}", tag = "compliance",
    params(("proof_id" = String, Path, description = "<event id>-<proof hash>"),
        ("tenant_id" = Option<String>, Query, format = "uuid"), ("store_id" = Option<String>, Query, format = "uuid")),
    responses((status = 200, description = "The proof", body = ProofDetails),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn get(
    State(app): State<Arc<App>>,
    access: Access,
    Part(id): Part,
    query: Query,
) -> Answer<Json<ProofDetails>> {
    let (_, found, record, submission) = find_proof(&app, &access, &query, &id).await?;
    let inputs = submission
        .inputs(record.sequence)
        .map_err(|_| ApiError::node("the block's proof is about no event"))?;
    Ok(Json(ProofDetails {
        summary: summary(found.stream, &record),
        proof_b64: STANDARD.encode(&submission.proof),
        public_inputs: value_of(&inputs),
        public_inputs_hash: hex::encode(inputs.public_inputs_hash()),
    }))
}

/// The gateway's own verdict about a proof, beside the chain's.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProofVerdict {
    /// The proof.
    proof_id: String,
    /// Whether its bytes have the hash that the chain recorded.
    proof_hash_match: bool,
    /// Whether it is about the event as sequenced, under the recorded policy.
    public_inputs_match: bool,
    /// Whether the STARK holds.
    stark_valid: bool,
    /// Why it does not.
    stark_error: Option<String>,
    /// How long verifying took.
    stark_verification_time_ms: f64,
    /// Whether all of that holds.
    valid: bool,
    /// What does not.
    reason: Option<&'static str>,
}

/// Verifies a proof anew, from the bytes in its block.
#[utoipa::path(get, path = "/api/v1/ves/compliance/proofs/{proof_id}/verify", tag = "compliance",
    params(("proof_id" = String, Path, description = "<event id>-<proof hash>"),
        ("tenant_id" = Option<String>, Query, format = "uuid"), ("store_id" = Option<String>, Query, format = "uuid")),
    responses((status = 200, description = "The verdict", body = ProofVerdict),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn verify(
    State(app): State<Arc<App>>,
    access: Access,
    Part(id): Part,
    query: Query,
) -> Answer<Json<ProofVerdict>> {
    let (chain, found, record, submission) = find_proof(&app, &access, &query, &id).await?;
    let proof_hash_match = compliance_proof_hash(&submission.proof) == record.proof_hash;
    let public_inputs_match =
        submission.envelope == found.envelope && submission.policy == record.policy;
    let began = Instant::now();
    let stark_error = stark(&app, submission, &chain, record.sequence).await?;
    let stark_verification_time_ms = began.elapsed().as_secs_f64() * 1_000.0;
    let reason = if !proof_hash_match {
        Some("proof_hash_mismatch")
    } else if !public_inputs_match {
        Some("public_inputs_mismatch")
    } else if stark_error.is_some() {
        Some("stark_invalid")
    } else {
        None
    };
    Ok(Json(ProofVerdict {
        proof_id: id,
        proof_hash_match,
        public_inputs_match,
        stark_valid: stark_error.is_none(),
        stark_error,
        stark_verification_time_ms,
        valid: reason.is_none(),
        reason,
    }))
}

/// Verifies a STARK where it holds up no other request; answers what is wrong.
async fn stark(
    app: &App,
    submission: ProofSubmission,
    chain: &ChainClient,
    sequence: u64,
) -> Answer<Option<String>> {
    let genesis = chain.genesis_hash();
    let _room = app
        .verifying
        .acquire()
        .await
        .map_err(|_| ApiError::unavailable("the gateway is about to end"))?;
    tokio::task::spawn_blocking(move || {
        ves_verify::proofs::stark(&submission, &genesis, sequence)
            .err()
            .map(|problem| problem.to_string())
    })
    .await
    .map_err(|_| ApiError::node("the proof could not be verified"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_named_by_its_event_and_its_hash() {
        let (event, hash) = (EventId([7; 16]), ProofHash([0xab; 32]));
        let id = proof_id(event, hash);
        assert!(id.len() <= 128);
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        assert_eq!(read_proof_id(&id).ok().unwrap(), (event, hash));
        let long = "é".repeat(60);
        for text in ["", &id[1..], &id[..100], &id.replace('-', "_"), &long] {
            assert!(read_proof_id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_policies_of_the_chain_are_taken() {
        let params = |text: &str| serde_json::from_str(text).unwrap();
        assert!(policy("aml.threshold", params(r#"{"threshold":1000}"#)).is_ok());
        assert!(policy("aml.threshold", params("{}")).is_err());
        assert!(policy("other", params("{}")).is_err());
        assert!(policy(&"a".repeat(65), params("{}")).is_err());
    }
}
