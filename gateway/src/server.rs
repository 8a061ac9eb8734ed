// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Listening, the door in front of every route, and ending in good order.

use crate::{
    App,
    api::Routes,
    error::{ApiError, Code},
};
use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
            ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CACHE_CONTROL, ORIGIN, VARY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use rand::{RngCore, rngs::OsRng};
use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tracing::Instrument;

/// Names a request in answers and logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Between two rounds of forgetting who has not asked for long.
const TIDY: Duration = Duration::from_secs(60);

/// What the door needs to know of a route.
#[derive(Clone)]
pub struct Door {
    /// What all requests share.
    pub app: Arc<App>,
    /// The route's path, for logs and metrics.
    pub route: &'static str,
    /// Health checks pass although there is no room, and are not counted.
    pub always_open: bool,
}

/// Every route behind its door.
pub fn router(app: &Arc<App>) -> Router {
    let nowhere = Door {
        app: app.clone(),
        route: "none",
        always_open: false,
    };
    let fallback = axum::routing::any(|| async {
        ApiError::not_found(Code::NotFound, "there is no such route; see /openapi.json")
    });
    let mut router = Router::new();
    for (path, methods) in Routes::all(app).into_parts() {
        router = router.route(path, methods);
    }
    router
        .fallback_service(fallback.layer(from_fn_with_state(nowhere, door)))
        .with_state(app.clone())
}

/// Text that may name a request.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let usable = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given.filter(usable).map_or_else(
        || {
            let mut bytes = [0u8; 16];
            OsRng.fill_bytes(&mut bytes);
            hex::encode(bytes)
        },
        str::to_owned,
    )
}

/// Who asks. Behind a proxy the last entry of `X-Forwarded-For` counts, which the proxy itself
/// wrote; what stands before it is the client's word.
fn client_address(app: &App, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    if !app.settings.behind_tls_proxy {
        return peer;
    }
    let forwarded = request.headers().get_all(FORWARDED_FOR).iter().next_back();
    forwarded
        .and_then(|list| list.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        .unwrap_or(peer)
}

/// What stands in front of every route: names the request, counts it, keeps out who asks too often,
/// ends what takes too long, and turns a panic into an answer.
pub async fn door(State(door): State<Door>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (app, route) = (&door.app, door.route);
    let method = request.method().clone();
    let id = request_id(request.headers());
    let origin = allowed_origin(app, request.headers());
    let span = tracing::info_span!(
        "request",
        id = id.as_str(),
        route,
        method = method.as_str(),
        key = tracing::field::Empty
    );
    app.metrics.in_flight.inc();
    let answered = pass(&door, request, origin.is_some(), next).instrument(span.clone());
    let mut response = match AssertUnwindSafe(answered).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "a fault of the gateway",
        )
        .into_response(),
    };
    app.metrics.in_flight.dec();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response = method_not_allowed(&response);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !app.settings.cors_origins.is_empty() {
        headers.insert(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, x-error-code, retry-after"),
        );
    }
    let took = began.elapsed();
    let status = response.status();
    app.metrics
        .requests
        .with_label_values(&[route, known_method(&method), status.as_str()])
        .inc();
    app.metrics
        .seconds
        .with_label_values(&[route])
        .observe(took.as_secs_f64());
    if !door.always_open {
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| tracing::info!(status = status.as_u16(), millis, "answered"));
    }
    response
}

/// A label of few values, whatever method was sent.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

async fn pass(door: &Door, request: Request, cors: bool, next: Next) -> Response {
    let app = &door.app;
    if door.always_open {
        return next.run(request).await;
    }
    let refused = |why: &str, error: ApiError| {
        app.metrics.refused.with_label_values(&[why]).inc();
        error.into_response()
    };
    if let Err(wait) = app.limits.address(client_address(app, &request)) {
        return refused("rate", ApiError::rate_limited(wait));
    }
    if cors
        && request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    {
        return preflight();
    }
    let Ok(_room) = app.room.try_acquire() else {
        return refused("busy", ApiError::unavailable("too many requests at a time"));
    };
    match tokio::time::timeout(app.settings.request_time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refused(
            "timeout",
            ApiError::new(
                StatusCode::GATEWAY_TIMEOUT,
                Code::Timeout,
                "the request took too long; whether it had an effect is not known",
            ),
        ),
    }
}

fn method_not_allowed(response: &Response) -> Response {
    let allowed = response.headers().get(ALLOW).cloned();
    let mut response = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::Body,
        "this route does not take this method",
    )
    .into_response();
    if let Some(allowed) = allowed {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

fn allowed_origin(app: &App, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let listed = |allowed: &String| allowed.as_bytes() == origin.as_bytes();
    app.settings
        .cors_origins
        .iter()
        .any(listed)
        .then(|| origin.clone())
}

fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, x-api-key, x-request-id",
        ),
        (ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Serves until `end` is over, then answers what is in flight for as long as the settings allow.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    end: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let following = app.clone();
    let follow = tokio::spawn(async move { following.node.follow().await });
    let tidying = app.clone();
    let tidy = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TIDY).await;
            tidying.limits.forget_idle();
        }
    });
    let service = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let (ended, told) = tokio::sync::oneshot::channel::<()>();
    let draining = app.clone();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        end.await;
        draining.begin_draining();
        let _ = ended.send(());
    });
    let drain_time = app.settings.drain_time;
    let given_up = async move {
        if told.await.is_ok() {
            tokio::time::sleep(drain_time).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let outcome = tokio::select! {
        served = serving => served,
        () = given_up => {
            tracing::warn!("requests were still in flight after the time for draining");
            Ok(())
        }
    };
    follow.abort();
    tidy.abort();
    outcome
}
