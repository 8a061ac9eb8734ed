// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Agents' signing keys. On the chain a tenant's administrator registers them, and a key must prove
//! that its owner consents (VES v1 §16.1); so the gateway can do it only for tenants whose
//! administrator's secret it was given, and only with the key's signature.

use crate::{
    App,
    error::{Answer, ApiError, Code},
    extract::{Access, Body, Part, Query, part},
    keys::Permission,
    openapi,
    wire::time_text,
};
use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use ves_client::{AdminCall, ChainClient, ClientError, Wait};
use ves_primitives::{
    AgentId, KeyId, KeyPurpose, PossessionStatement, Signature, SigningPublicKey, TenantId,
    registry::{RecordedAt, SigningKeyRecord, ValidityWindow},
    time::rfc3339_ms,
    verify_ed25519,
};

/// `POST /api/v1/agents/keys`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegisterKey {
    /// The tenant.
    #[schema(value_type = String, format = "uuid")]
    tenant_id: TenantId,
    /// The agent; registered too if it is not yet.
    #[schema(value_type = String, format = "uuid")]
    agent_id: AgentId,
    /// Number of the key, which is never used again for another key.
    #[schema(value_type = u32)]
    key_id: KeyId,
    /// Ed25519 public key, 32 bytes hex.
    #[schema(value_type = String, pattern = "^(0x)?[0-9a-fA-F]{64}$")]
    public_key: SigningPublicKey,
    /// First valid moment, RFC 3339.
    #[schema(format = DateTime)]
    valid_from: Option<String>,
    /// Last valid moment, RFC 3339.
    #[schema(format = DateTime)]
    valid_to: Option<String>,
    /// `ed25519` if it is given.
    key_algorithm: Option<String>,
    /// Refused: of post-quantum keys.
    #[schema(value_type = Option<Object>)]
    public_key_bundle: Option<Value>,
    /// Refused: of post-quantum keys.
    #[schema(value_type = Option<Object>)]
    proof_of_possession_bundle: Option<Value>,
    /// The key's signature over its possession statement, 64 bytes hex. Without it the answer says what
    /// to sign.
    #[schema(value_type = Option<String>, pattern = "^(0x)?[0-9a-fA-F]{128}$")]
    proof_of_possession: Option<Signature>,
}

/// A registered signing key.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentKey {
    /// The tenant.
    pub tenant_id: String,
    /// The agent.
    pub agent_id: String,
    /// Number of the key.
    pub key_id: u32,
    /// The key.
    pub public_key: String,
    /// `ed25519`.
    pub key_algorithm: &'static str,
    /// `active`, `revoked`, `expired` or `not_yet_valid`.
    pub status: &'static str,
    /// First valid moment.
    pub valid_from: Option<String>,
    /// Last valid moment.
    pub valid_to: Option<String>,
    /// First block whose events it may not sign.
    pub revoked_from_block: Option<u32>,
    /// When it was registered.
    pub created_at: String,
    /// The block of that.
    pub block_number: u32,
}

fn shown(
    tenant: TenantId,
    agent: AgentId,
    key: KeyId,
    record: &SigningKeyRecord,
    now: &RecordedAt,
) -> AgentKey {
    use ves_primitives::registry::KeyProblem;
    AgentKey {
        tenant_id: tenant.to_string(),
        agent_id: agent.to_string(),
        key_id: key.0,
        public_key: record.public_key.to_string(),
        key_algorithm: "ed25519",
        status: match record.check_at(now) {
            Ok(()) => "active",
            Err(KeyProblem::Revoked) => "revoked",
            Err(KeyProblem::Expired) => "expired",
            Err(KeyProblem::NotYetValid | KeyProblem::NotFound) => "not_yet_valid",
        },
        valid_from: record.window.valid_from.map(time_text),
        valid_to: record.window.valid_to.map(time_text),
        revoked_from_block: record
            .revocation
            .as_ref()
            .map(|revocation| revocation.effective_from),
        created_at: time_text(record.registered_at.time_ms),
        block_number: record.registered_at.block,
    }
}

fn moment(name: &str, text: Option<&str>) -> Answer<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    rfc3339_ms(text.as_bytes())
        .and_then(|ms| u64::try_from(ms).ok())
        .map(Some)
        .ok_or_else(|| ApiError::value(format!("{name}: expected RFC 3339")))
}

impl RegisterKey {
    fn window(&self) -> Answer<ValidityWindow> {
        let window = ValidityWindow {
            valid_from: moment("validFrom", self.valid_from.as_deref())?,
            valid_to: moment("validTo", self.valid_to.as_deref())?,
        };
        if !window.is_well_formed() {
            return Err(ApiError::value("validTo is before validFrom"));
        }
        Ok(window)
    }

    /// What can be judged without the chain.
    fn check(&self) -> Answer<()> {
        let algorithm = self.key_algorithm.as_deref().unwrap_or("ed25519");
        if !algorithm.eq_ignore_ascii_case("ed25519")
            || self.public_key_bundle.is_some()
            || self.proof_of_possession_bundle.is_some()
        {
            return Err(ApiError::value(
                "only Ed25519 keys are taken, without bundles",
            ));
        }
        self.public_key.check().map_err(|weak| {
            ApiError::new(
                StatusCode::BAD_REQUEST,
                Code::PublicKey,
                format!("publicKey: {weak}"),
            )
        })
    }

    /// That the key's owner agrees to this entry of this chain's registry.
    fn possession(&self, chain: &ChainClient) -> Answer<Signature> {
        let statement = PossessionStatement {
            genesis: chain.genesis_hash(),
            tenant: self.tenant_id,
            agent: self.agent_id,
            key_id: self.key_id,
            purpose: KeyPurpose::Signing,
            public_key: self.public_key.0,
        }
        .hash();
        let details = json!({
            "statement": hex::encode(statement),
            "genesisHash": chain.genesis_hash(),
        });
        let Some(proof) = self.proof_of_possession else {
            return Err(ApiError::missing(
                "proofOfPossession is missing: the key must sign the 32 bytes of details.statement",
            )
            .details(details));
        };
        if !verify_ed25519(&self.public_key, &statement, &proof) {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                Code::InvalidSignature,
                "proofOfPossession does not verify: the key must sign the 32 bytes of \
                 details.statement",
            )
            .details(details));
        }
        Ok(proof)
    }
}

/// Registers an agent's signing key, for a key with `admin` of the tenant. Waits until it is final.
#[utoipa::path(post, path = "/api/v1/agents/keys", tag = "agents", request_body = RegisterKey,
    responses((status = 201, description = "It is registered", body = AgentKey),
        (status = 200, description = "It was registered before, with this very key", body = AgentKey),
        (status = 403, description = "Also: the gateway may not administer this tenant", body = openapi::ErrorBody),
        (status = 409, description = "Another key has this number", body = openapi::ErrorBody),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn register(
    State(app): State<Arc<App>>,
    access: Access,
    Body(request): Body<RegisterKey>,
) -> Answer<(StatusCode, Json<AgentKey>)> {
    let (tenant, agent, key) = (request.tenant_id, request.agent_id, request.key_id);
    access.tenant(Permission::Admin, tenant)?;
    access.agent(agent)?;
    request.check()?;
    let window = request.window()?;
    let chain = app.node.chain()?;
    let proof = request.possession(&chain)?;
    let registered =
        |record: SigningKeyRecord, now: &RecordedAt| Json(shown(tenant, agent, key, &record, now));
    if let Some(known) = chain.signing_key(tenant, agent, key, None).await? {
        if known.public_key != request.public_key {
            return Err(ApiError::conflict("another key has this number"));
        }
        let now = chain.now(None).await?;
        return Ok((StatusCode::OK, registered(known, &now)));
    }
    let call = AdminCall::RegisterSigningKey {
        tenant,
        agent,
        key_id: key,
        public_key: request.public_key,
        window,
        proof,
    };
    let Some(admin) = app.settings.admins.get(&tenant) else {
        let bytes = chain.encode(std::slice::from_ref(&call)).await?;
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            Code::Forbidden,
            "the gateway has no administrator's key for this tenant: its administrator must sign \
             and submit the call, for instance with stateset-sync keys:register",
        )
        .details(json!({ "call": format!("0x{}", hex::encode(bytes)) })));
    };
    let _one_at_a_time = app.signing.lock().await;
    let alone = [call];
    let outcome = if chain.signing_keys(tenant, agent, None).await?.is_empty() {
        let both = [AdminCall::RegisterAgent { tenant, agent }, alone[0].clone()];
        match chain.execute(admin, &both, Wait::Finalized).await {
            // Registered without keys so far.
            Err(ClientError::Dispatch { error, .. }) if error.ends_with("AgentExists") => {
                chain.execute(admin, &alone, Wait::Finalized).await
            }
            outcome => outcome,
        }
    } else {
        chain.execute(admin, &alone, Wait::Finalized).await
    };
    let receipt = outcome.map_err(refused)?;
    let record = chain
        .signing_key(tenant, agent, key, Some(receipt.block))
        .await?
        .ok_or_else(|| ApiError::node("the node does not know the key that it registered"))?;
    let now = chain.now(Some(receipt.block)).await?;
    Ok((StatusCode::CREATED, registered(record, &now)))
}

/// What the registry's refusal means for who asked.
fn refused(error: ClientError) -> ApiError {
    match &error {
        ClientError::Dispatch { error, docs } => {
            let name = error.rsplit("::").next().unwrap_or(error);
            let text = format!("{name}: {docs}");
            match name {
                "KeyExists" => ApiError::conflict(text),
                "NotTenantAdmin" | "TenantSuspended" => {
                    ApiError::new(StatusCode::FORBIDDEN, Code::Forbidden, text)
                }
                "TenantNotFound" => ApiError::not_found(Code::NotFound, text),
                _ => ApiError::value(text),
            }
        }
        _ => error.into(),
    }
}

/// An agent's signing keys.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentKeys {
    /// The tenant.
    pub tenant_id: String,
    /// The agent.
    pub agent_id: String,
    /// In order of their numbers.
    pub keys: Vec<AgentKey>,
    /// The finalized block that was asked.
    pub block_number: u32,
}

/// An agent's signing keys at the newest finalized block. Not signed: the chain is the directory.
#[utoipa::path(get, path = "/api/v1/agents/{agent_id}/signing-keys", tag = "agents",
    params(("agent_id" = String, Path, format = "uuid"), ("tenant_id" = String, Query, format = "uuid")),
    responses((status = 200, description = "The keys", body = AgentKeys),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn keys(
    State(app): State<Arc<App>>,
    access: Access,
    Part(agent): Part,
    query: Query,
) -> Answer<Json<AgentKeys>> {
    let agent: AgentId = part("agent_id", &agent)?;
    let tenant: TenantId = query.get("tenant_id")?;
    access.tenant(Permission::Read, tenant)?;
    let chain = app.node.chain()?;
    // Asked for anew: whoever was told that a key is registered finds it.
    let at = Some(chain.finalized_head().await?);
    let now = chain.now(at).await?;
    let found = chain.signing_keys(tenant, agent, at).await?;
    Ok(Json(AgentKeys {
        tenant_id: tenant.to_string(),
        agent_id: agent.to_string(),
        keys: found
            .iter()
            .map(|(key, record)| shown(tenant, agent, *key, record, &now))
            .collect(),
        block_number: now.block,
    }))
}
