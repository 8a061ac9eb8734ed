// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! One JSON-RPC connection to a node.

use crate::ClientError;
use jsonrpsee::{
    core::{
        client::{ClientT, Error as RpcError, Subscription, SubscriptionClientT},
        traits::ToRpcParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// Largest request, bytes: a full submission in hex.
pub const REQUEST_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Largest response, bytes.
pub const RESPONSE_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Time limit of a call unless another is asked for.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time limit of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that vanished without closing is noticed within about twice this.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Parameters of a call, serialized once so that a call can be repeated after a reconnect.
#[derive(Clone)]
struct Params(Option<Box<RawValue>>);

impl ToRpcParams for Params {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        Ok(self.0)
    }
}

enum Transport {
    Ws(Mutex<Option<Arc<WsClient>>>),
    Http(Box<HttpClient>),
}

struct Inner {
    url: String,
    /// The address as it may appear in messages.
    label: String,
    timeout: Duration,
    transport: Transport,
}

/// A connection to one node. Cheap to clone; clones share the connection.
///
/// A dropped WebSocket is opened again by the next call. A call that finds it dropped is repeated
/// once: every method this crate uses may be asked twice without harm.
#[derive(Clone)]
pub struct Rpc(Arc<Inner>);

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rpc").field(&self.0.label).finish()
    }
}

impl Rpc {
    /// Connects to `ws://`, `wss://`, `http://` or `https://` with [`DEFAULT_TIMEOUT`] per call.
    /// Watching transactions needs a WebSocket.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for another address, [`ClientError::Unreachable`] if a WebSocket
    /// cannot be opened. An HTTP address is only tried by the first call.
    pub async fn connect(url: &str) -> Result<Self, ClientError> {
        Self::connect_with(url, DEFAULT_TIMEOUT).await
    }

    /// Like [`Rpc::connect`] with another time limit per call.
    ///
    /// # Errors
    /// As [`Rpc::connect`].
    pub async fn connect_with(url: &str, timeout: Duration) -> Result<Self, ClientError> {
        let label = public_label(url);
        let transport = match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("ws" | "wss") => {
                let client = open(url, timeout)
                    .await
                    .map_err(|error| unreachable_node(&label, &error))?;
                Transport::Ws(Mutex::new(Some(Arc::new(client))))
            }
            Some("http" | "https") => {
                let client = HttpClientBuilder::default()
                    .max_request_size(REQUEST_BYTES_MAX)
                    .max_response_size(RESPONSE_BYTES_MAX)
                    .request_timeout(timeout)
                    .build(url)
                    .map_err(|error| unreachable_node(&label, &error))?;
                Transport::Http(Box::new(client))
            }
            _ => {
                return Err(ClientError::Invalid {
                    what: "url",
                    reason: format!("{label}: expected ws://, wss://, http:// or https://"),
                });
            }
        };
        Ok(Self(Arc::new(Inner {
            url: url.into(),
            label,
            timeout,
            transport,
        })))
    }

    /// The node's address without credentials, path and query.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Calls a method.
    ///
    /// # Errors
    /// Any [`ClientError`] of the transport or the node.
    pub async fn call<R: DeserializeOwned>(
        &self,
        method: &str,
        params: impl ToRpcParams,
    ) -> Result<R, ClientError> {
        let params = self.params(params)?;
        let result = match &self.0.transport {
            Transport::Http(client) => client.request(method, params).await,
            Transport::Ws(_) => match self.ws().await?.request(method, params.clone()).await {
                Err(RpcError::RestartNeeded(_)) => self.ws().await?.request(method, params).await,
                other => other,
            },
        };
        result.map_err(|error| self.error(error, method))
    }

    /// Opens a subscription. It ends with the connection; opening it again is the caller's part.
    ///
    /// # Errors
    /// Any [`ClientError`] of the transport or the node; [`ClientError::Invalid`] over HTTP.
    pub async fn subscribe<N: DeserializeOwned>(
        &self,
        method: &str,
        params: impl ToRpcParams,
        unsubscribe: &str,
    ) -> Result<Subscription<N>, ClientError> {
        let params = self.params(params)?;
        let first = self
            .ws()
            .await?
            .subscribe(method, params.clone(), unsubscribe)
            .await;
        let result = match first {
            Err(RpcError::RestartNeeded(_)) => {
                self.ws()
                    .await?
                    .subscribe(method, params, unsubscribe)
                    .await
            }
            other => other,
        };
        result.map_err(|error| self.error(error, method))
    }

    fn params(&self, params: impl ToRpcParams) -> Result<Params, ClientError> {
        params
            .to_rpc_params()
            .map(Params)
            .map_err(|error| ClientError::Invalid {
                what: "parameters",
                reason: error.to_string(),
            })
    }

    fn error(&self, error: RpcError, method: &str) -> ClientError {
        ClientError::from_rpc(error, &self.0.label, method, self.0.timeout)
    }

    /// The open WebSocket, opened again if it dropped.
    async fn ws(&self) -> Result<Arc<WsClient>, ClientError> {
        let Transport::Ws(slot) = &self.0.transport else {
            return Err(self.error(RpcError::HttpNotImplemented, "subscribe"));
        };
        let mut slot = slot.lock().await;
        if let Some(client) = slot.as_ref().filter(|client| client.is_connected()) {
            return Ok(Arc::clone(client));
        }
        *slot = None;
        let client = open(&self.0.url, self.0.timeout)
            .await
            .map_err(|error| unreachable_node(&self.0.label, &error))?;
        let client = Arc::new(client);
        *slot = Some(Arc::clone(&client));
        Ok(client)
    }
}

async fn open(url: &str, timeout: Duration) -> Result<WsClient, RpcError> {
    WsClientBuilder::default()
        .max_request_size(REQUEST_BYTES_MAX)
        .max_response_size(RESPONSE_BYTES_MAX)
        .request_timeout(timeout)
        .connection_timeout(CONNECT_TIMEOUT)
        .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL))
        .build(url)
        .await
}

fn unreachable_node(label: &str, error: &RpcError) -> ClientError {
    ClientError::Unreachable {
        url: label.into(),
        reason: error.to_string(),
    }
}

/// Scheme, host and port: user names, passwords and access tokens in paths stay out of messages.
fn public_label(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if scheme.is_empty() {
        host.into()
    } else {
        format!("{scheme}://{host}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_neither_credentials_nor_paths() {
        assert_eq!(public_label("ws://127.0.0.1:9944"), "ws://127.0.0.1:9944");
        assert_eq!(
            public_label("wss://me:secret@node.example:443/key?token=1"),
            "wss://node.example:443"
        );
        assert_eq!(public_label("nonsense"), "nonsense");
    }

    #[tokio::test]
    async fn an_address_of_another_kind_is_refused() {
        let error = Rpc::connect("ftp://example").await.unwrap_err();
        assert!(matches!(error, ClientError::Invalid { what: "url", .. }));
    }

    #[tokio::test]
    async fn a_node_that_is_down_is_unreachable_and_worth_a_retry() {
        let error = Rpc::connect("ws://127.0.0.1:1").await.unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }));
        assert!(error.is_retryable());
        let rpc = Rpc::connect("http://127.0.0.1:1").await.unwrap();
        let error = rpc
            .call::<String>("system_chain", [(); 0])
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    }
}
