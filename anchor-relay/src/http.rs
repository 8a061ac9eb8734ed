// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `/health`, `/ready`, `/metrics`, `/stats`, `/errors`.

use crate::metrics::Shared;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::{sync::Arc, time::Duration};

/// Time limits of the two probes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `/health` fails when the main loop has not ticked for this long.
    pub health: Duration,
    /// `/ready` fails when nothing moved for this long although there is something to do.
    pub ready: Duration,
}

type Context = (Arc<Shared>, Limits);

/// The routes.
pub fn router(shared: Arc<Shared>, limits: Limits) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/stats", get(stats))
        .route("/errors", get(errors))
        .with_state((shared, limits))
}

fn probe(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn health(State((shared, limits)): State<Context>) -> Response {
    probe(shared.healthy(limits.health))
}

async fn ready(State((shared, limits)): State<Context>) -> Response {
    probe(shared.ready(limits.ready))
}

async fn metrics(State((shared, _)): State<Context>) -> Response {
    match shared.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn stats(State((shared, _)): State<Context>) -> Response {
    Json(shared.stats()).into_response()
}

async fn errors(State((shared, _)): State<Context>) -> Response {
    Json(shared.errors()).into_response()
}
