// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Serving clients over streamable HTTP at `/mcp`.
//!
//! Bound to a loopback address only: for other machines there is a proxy with TLS. Every request
//! must present the token, name a host that is allowed, and come from no web page that is not.
//! There are no sessions: nothing is kept between requests, so that nothing can pile up.

use super::{host::Host, server::Server};
use crate::error::{Exit, Failure, Result};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::Semaphore};
use ves_primitives::sha256;

/// Requests that are served at the same time.
const MAX_REQUESTS: usize = 32;
/// Largest body. Arguments have a lower limit of their own, which is answered by name.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

struct Gate {
    /// Compared as hashes: how much of a guess is right cannot be timed.
    token: [u8; 32],
    requests: Arc<Semaphore>,
}

/// Serves until interrupted.
pub(super) async fn serve(host: Arc<Host>, address: SocketAddr) -> Result<()> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage(
            "http_address_public",
            format!("{address} can be reached from other machines"),
        )
        .hint(
            "give a loopback address such as 127.0.0.1:8090, put a proxy with TLS before it, and \
             name the proxy's host with --http-allow-host",
        ));
    }
    let token = host.token.as_ref().map(|token| sha256(token.as_bytes()));
    let gate = Gate {
        token: token.ok_or_else(|| Failure::unexpected("HTTP without a token"))?,
        requests: Arc::new(Semaphore::new(MAX_REQUESTS)),
    };
    let mut hosts = vec!["localhost".to_owned(), address.ip().to_string()];
    hosts.extend(host.args.http_allow_host.iter().cloned());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(host.args.http_allow_origin.iter().cloned())
        .enforce_origin_validation()
        .with_max_request_body_bytes(MAX_BODY_BYTES);
    let served = Arc::clone(&host);
    let service = StreamableHttpService::new(
        move || Ok(Server(Arc::clone(&served))),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let router = Router::new()
        .nest_service("/mcp", service)
        .layer(middleware::from_fn_with_state(Arc::new(gate), admit));
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Unexpected,
            "http_failed",
            format!("cannot serve {address}: {error}"),
        )
        .hint("choose a free port with --http")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    // On stderr, for whoever started the server with port 0.
    eprintln!("serving http://{bound}/mcp");
    axum::serve(listener, router).await.map_err(failed)
}

async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let presented = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if presented.map(|token| sha256(token.trim().as_bytes())) != Some(gate.token) {
        let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        let advice = "present the server's token as `Authorization: Bearer …`\n";
        return (StatusCode::UNAUTHORIZED, challenge, advice).into_response();
    }
    match gate.requests.try_acquire() {
        Ok(_slot) => next.run(request).await,
        Err(_) => {
            let later = [(header::RETRY_AFTER, HeaderValue::from_static("1"))];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                later,
                "too many requests at the same time\n",
            )
                .into_response()
        }
    }
}
