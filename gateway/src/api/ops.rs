// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Health, metrics and the document about all this.

use crate::{
    App,
    error::{Answer, ApiError, Code},
    extract::Access,
    keys::Permission,
    openapi,
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// That the gateway runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `healthy`.
    status: &'static str,
    /// Of the gateway.
    version: &'static str,
}

/// That the gateway can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// `ready`.
    status: &'static str,
    /// The chain.
    genesis_hash: String,
    /// Best block of the node.
    best_block: u32,
    /// Newest finalized block of the node.
    finalized_block: u32,
    /// Newest block in the node's event store.
    indexed_block: u32,
}

/// Whether the process lives. Asks nobody.
#[utoipa::path(get, path = "/health", tag = "operations", security(()),
    responses((status = 200, description = "It lives", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health {
        status: "healthy",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// How far behind finality the event store may be.
const LAG_MAX: u32 = 30;

/// Whether requests would be answered: the node answers, its event store keeps up, and the gateway
/// is not about to end. Asks nobody: the gateway looks at the node all the time.
#[utoipa::path(get, path = "/ready", tag = "operations", security(()),
    responses((status = 200, description = "It can do its work", body = Ready),
        (status = 503, description = "Not now", body = openapi::ErrorBody),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn ready(State(app): State<Arc<App>>) -> Answer<Json<Ready>> {
    if app.is_draining() {
        return Err(ApiError::unavailable("the gateway is about to end"));
    }
    let heads = app.node.heads()?;
    let chain = app.node.chain()?;
    let indexed = heads
        .indexed
        .ok_or_else(|| ApiError::unavailable("the node's event store cannot be asked now"))?;
    if heads.finalized.saturating_sub(indexed) > LAG_MAX {
        return Err(ApiError::unavailable(format!(
            "the node's event store is at block {indexed} of {}",
            heads.finalized
        )));
    }
    Ok(Json(Ready {
        status: "ready",
        genesis_hash: chain.genesis_hash().to_string(),
        best_block: heads.best,
        finalized_block: heads.finalized,
        indexed_block: indexed,
    }))
}

/// Prometheus metrics, for an operator's key with `read`.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn metrics(State(app): State<Arc<App>>, access: Access) -> Answer<Response> {
    access.operator(Permission::Read)?;
    let metrics = &app.metrics;
    metrics
        .keys
        .set(i64::try_from(app.keys.active()).unwrap_or(i64::MAX));
    let (best, finalized) = app.node.heads().map_or((-1, -1), |heads| {
        (heads.best.into(), heads.finalized.into())
    });
    metrics.best.set(best);
    metrics.finalized.set(finalized);
    let text = metrics.text().map_err(|error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            error.to_string(),
        )
    })?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object),
        (status = "default", description = "An error", body = openapi::ErrorBody)))]
pub async fn openapi() -> Response {
    (
        [(CONTENT_TYPE, "application/json")],
        openapi::document_text(),
    )
        .into_response()
}
