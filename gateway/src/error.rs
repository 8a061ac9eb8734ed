// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Errors as the peer words them (VES v1 §3.6): `{"error": {code, message, …}}` with the number in
//! `x-error-code`, and from the door keeper `{"error": text, "code": name}`.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::{fmt, time::Duration};
use ves_client::ClientError;
use ves_primitives::wire::codes;

/// Carries [`Code`]'s number.
pub const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");

/// The peer's numbers of errors, as far as they occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// No credential.
    AuthRequired = 1001,
    /// The key is unknown or revoked.
    InvalidApiKey = 1002,
    /// A token of a kind that is not taken.
    InvalidToken = 1003,
    /// The credential does not reach this.
    Forbidden = 1005,
    /// Too many requests.
    RateLimited = 2001,
    /// The body is not what was expected.
    Body = 3001,
    /// A field is missing.
    MissingField = 3002,
    /// A field has a value that cannot be used.
    FieldValue = 3003,
    /// The body is too large.
    PayloadTooLarge = 3004,
    /// Too many events, or too many bytes of them.
    BatchTooLarge = 3005,
    /// There is no such thing.
    NotFound = 4001,
    /// There is no such event.
    EventNotFound = 4002,
    /// There is no such batch.
    BatchNotFound = 4003,
    /// There is such a thing already, and it is another.
    Exists = 5004,
    /// A signature does not verify.
    InvalidSignature = 6001,
    /// A proof does not hold.
    VerificationFailed = 6002,
    /// A public key may not be used.
    PublicKey = 6003,
    /// The node cannot be asked now.
    Unavailable = 8002,
    /// It took too long.
    Timeout = 8003,
    /// The node's answer makes no sense, or a fault of this program.
    Internal = 8999,
    /// Nobody set up what anchoring needs.
    AnchorNotConfigured = 9001,
}

#[derive(Debug)]
struct Problem {
    status: StatusCode,
    code: Code,
    message: String,
    /// The door keeper's name for it, which asks for its other shape.
    door: Option<&'static str>,
    retry_after: Option<u64>,
    resource_id: Option<String>,
    details: Option<Value>,
}

/// An answer that is an error.
#[derive(Debug)]
pub struct ApiError(Box<Problem>);

/// What a handler gives.
pub type Answer<T> = Result<T, ApiError>;

impl ApiError {
    /// An error with its status, number and text.
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            status,
            code,
            message: message.into(),
            door: None,
            retry_after: None,
            resource_id: None,
            details: None,
        }))
    }

    /// 400: a value that cannot be used.
    pub fn value(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::FieldValue, message)
    }

    /// 400: something is missing.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::MissingField, message)
    }

    /// 404.
    pub fn not_found(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, Code::Exists, message)
    }

    /// 413: more events, or bytes of them, than one submission carries.
    pub fn batch_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::BatchTooLarge, message)
    }

    /// 503, worth another try.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message).retry_after(2)
    }

    /// 502: the node's answer is of no use.
    pub fn node(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, Code::Internal, message)
    }

    /// The door keeper's errors.
    fn door(
        status: StatusCode,
        code: Code,
        name: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let mut error = Self::new(status, code, message);
        error.0.door = Some(name);
        error
    }

    /// 401: no credential.
    pub fn missing_auth() -> Self {
        Self::door(
            StatusCode::UNAUTHORIZED,
            Code::AuthRequired,
            "missing_auth",
            "an API key is needed: Authorization: ApiKey ss_…, or x-api-key",
        )
    }

    /// 401: unknown or revoked.
    pub fn invalid_api_key() -> Self {
        Self::door(
            StatusCode::UNAUTHORIZED,
            Code::InvalidApiKey,
            "invalid_api_key",
            "the API key is not known here, or was revoked",
        )
    }

    /// 401: a kind of credential that is not taken.
    pub fn invalid_jwt() -> Self {
        Self::door(
            StatusCode::UNAUTHORIZED,
            Code::InvalidToken,
            "invalid_jwt",
            "this gateway takes API keys, no tokens",
        )
    }

    /// 403: not for this credential.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::door(
            StatusCode::FORBIDDEN,
            Code::Forbidden,
            "insufficient_permissions",
            message,
        )
    }

    /// 403: not this store.
    pub fn store_denied() -> Self {
        Self::door(
            StatusCode::FORBIDDEN,
            Code::Forbidden,
            "store_access_denied",
            "the API key does not reach this store",
        )
    }

    /// 429.
    pub fn rate_limited(wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        Self::door(
            StatusCode::TOO_MANY_REQUESTS,
            Code::RateLimited,
            "rate_limited",
            format!("too many requests; try again in {seconds} s"),
        )
        .retry_after(seconds)
    }

    /// After how many seconds another try makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// What it is about.
    #[must_use]
    pub fn about(mut self, resource: impl fmt::Display) -> Self {
        self.0.resource_id = Some(resource.to_string());
        self
    }

    /// What a program needs to do better.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// The status it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The text.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl From<ClientError> for ApiError {
    /// What the node's failure means for who asked the gateway. Addresses of nodes are not told.
    fn from(error: ClientError) -> Self {
        tracing::debug!(%error, "the node refused or failed");
        match &error {
            ClientError::Unreachable { .. } => Self::unavailable("the node cannot be reached"),
            ClientError::Timeout { .. } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                Code::Timeout,
                "the node did not answer in time",
            )
            .retry_after(2),
            ClientError::Rpc { code, .. } if *code == codes::NOT_INDEXED_YET => {
                Self::unavailable("the node's event store has not indexed this yet")
            }
            ClientError::PoolBusy { .. } | ClientError::TemporarilyBanned => {
                Self::unavailable("the transaction pool does not take it now").retry_after(5)
            }
            ClientError::WrongChain { .. } => Self::unavailable("the node runs another chain"),
            error if error.is_retryable() => Self::unavailable("the node cannot answer now"),
            _ => Self::node("the node's answer is of no use"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = *self.0;
        let number = problem.code as u16;
        let body = match problem.door {
            Some(name) => json!({ "error": problem.message, "code": name }),
            None => {
                let mut error = json!({ "code": number, "message": problem.message });
                if let Some(seconds) = problem.retry_after {
                    error["retry_after"] = seconds.into();
                }
                if let Some(resource) = problem.resource_id {
                    error["resource_id"] = resource.into();
                }
                if let Some(details) = problem.details {
                    error["details"] = details;
                }
                json!({ "error": error })
            }
        };
        let mut response = (problem.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(ERROR_CODE, HeaderValue::from(number));
        if let Some(seconds) = problem.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if problem.status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("ApiKey"));
        }
        response
    }
}
