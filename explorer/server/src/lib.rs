// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Serves the explorer page. The page asks its node itself, over JSON-RPC; this server holds the
//! page's files in memory, tells it where the node is, and knows nothing else.

#![forbid(unsafe_code)]

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{
            ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::{io, net::SocketAddr, str::FromStr, sync::Arc};
use tokio::net::TcpListener;

/// Where the page is served unless told otherwise: this machine only.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:9950";

/// A file of the page.
struct File {
    /// Path in the address.
    path: &'static str,
    /// Its `ETag`.
    tag: &'static str,
    bytes: &'static [u8],
}

const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Scripts and styles of this server only, no inline ones, no markup from strings, no frames, no
/// forms. Nodes may be anywhere: `?rpc=` names them.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'";

const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Which node the page asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// One on the host that the page was loaded from, at this port.
    Port(u16),
    /// One at this WebSocket address.
    Url(String),
}

/// Text that is not the address of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the WebSocket address of a node (ws://… or wss://…)")]
pub struct NotAnAddress(String);

impl FromStr for Node {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let host = ["ws://", "wss://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        match host {
            Some(host) if !host.is_empty() && !text.contains(char::is_whitespace) => {
                Ok(Self::Url(text.to_owned()))
            }
            _ => Err(NotAnAddress(text.to_owned())),
        }
    }
}

impl Node {
    fn config(&self) -> String {
        match self {
            Self::Port(port) => json!({ "rpc_port": port }),
            Self::Url(url) => json!({ "rpc_url": url }),
        }
        .to_string()
    }
}

/// The page and where its node is.
pub fn router(node: &Node) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::from(node.config()))
}

/// Binds the address.
///
/// # Errors
/// If it cannot be had.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the future is dropped.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, node: &Node) -> io::Result<()> {
    axum::serve(listener, router(node)).await
}

async fn answer(
    State(config): State<Arc<str>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut response = if method == Method::GET || method == Method::HEAD {
        content(&config, uri.path(), &headers)
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response()
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn content(config: &str, path: &str, headers: &HeaderMap) -> Response {
    if path == "/config.json" {
        let kind = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
        ];
        return (kind, config.to_owned()).into_response();
    }
    let path = if path == "/" { "/index.html" } else { path };
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    // Kept by the browser, and asked for again each time: a newer node serves a newer page.
    let cached = [(ETAG, file.tag), (CACHE_CONTROL, "no-cache")];
    let known = headers.get(IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == file.tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    let kind = [(CONTENT_TYPE, media_type(path))];
    (cached, kind, Body::from(file.bytes)).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
