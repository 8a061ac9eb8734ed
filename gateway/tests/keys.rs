// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every route of the document, asked with the keys of others. Parameters and bodies are good ones, so that a
//! refusal is about the key. A route that is new needs a line in [`body`] or [`EXCEPTIONS`], or this fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::oneshot};
use ves_gateway::{
    App,
    config::{Given, Settings},
    keys::{self, NewKey, OPERATOR, Permission},
    openapi, server,
};
use ves_primitives::TenantId;

const TENANT: TenantId = TenantId([0x11; 16]);
const OTHER_TENANT: TenantId = TenantId([0x33; 16]);
const UUID: &str = "22222222-2222-4222-8222-222222222222";

/// Of RFC 8032, §7.1, test 1: a point, unlike most bytes.
const PUBLIC_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/// Open to everybody.
const OPEN: [&str; 3] = ["/health", "/openapi.json", "/ready"];
/// For operators alone: the tenant's own key is refused as well.
const OPERATORS: [&str; 3] = [
    "/metrics",
    "/v1/commitments/pending",
    "/v1/commitments/{batch_id}/anchored",
];
/// What another tenant's key gets where it is not 403, and why.
const EXCEPTIONS: [(&str, &str, u16); 3] = [
    // It computes what it is given, of which nothing is anybody's.
    ("post", "/api/v1/ves/proofs/verify", 200),
    // There is nothing to create, for nobody.
    ("post", "/api/v1/ves/commitments", 409),
    // The node's limits come before the events, and there is no node here: with one it is 403, which
    // `tests/gateway/refusals.mjs` shows.
    ("post", "/api/v1/ves/events/ingest", 503),
];

/// A good body for what takes one.
fn body(path: &str) -> Value {
    let hash = "11".repeat(32);
    match path {
        "/api/v1/ves/events/ingest" => json!({ "agentId": UUID, "events": [] }),
        "/api/v1/agents/keys" => json!({
            "tenantId": TENANT, "agentId": UUID, "keyId": 1, "publicKey": PUBLIC_KEY,
        }),
        "/api/v1/ves/proofs/verify" => json!({
            "leaf_hash": hash, "merkle_root": hash, "proof_path": [], "leaf_index": 0,
        }),
        "/api/v1/ves/compliance/{event_id}/inputs" => json!({
            "policyId": "aml.threshold", "policyParams": { "threshold": 10_000 },
        }),
        "/api/v1/ves/compliance/{event_id}/proofs" => json!({
            "proofType": "stark", "proofVersion": 3, "policyId": "aml.threshold", "proofB64": "",
        }),
        "/v1/commitments/{batch_id}/anchored" => json!({
            "chain_tx_hash": hash, "chain_id": 1, "block_number": 1,
        }),
        "/api/v1/ves/commitments" => json!({}),
        _ => panic!("no body for {path}: add one"),
    }
}

/// The path with its parts filled in, and the stream that it is about.
fn address(path: &str) -> String {
    let hash = "11".repeat(32);
    let filled = path
        .replace("{agent_id}", UUID)
        .replace("{event_id}", UUID)
        .replace("{batch_id}", UUID)
        .replace("{proof_id}", &format!("{UUID}-{hash}"))
        .replace("{sequence_number}", "1")
        .replace("{entity_type}", "order")
        .replace("{entity_id}", "A-1");
    assert!(!filled.contains('{'), "{path}: a part without a value");
    format!("{filled}?tenant_id={TENANT}&store_id={UUID}")
}

/// Methods and paths of the document.
fn routes() -> Vec<(String, String)> {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.clone(), path.clone()))
    });
    routes.collect()
}

/// A gateway without a node.
struct Gateway {
    address: SocketAddr,
    folder: tempfile::TempDir,
    client: Client,
    _end: oneshot::Sender<()>,
}

impl Gateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let many = Some(1_000_000.try_into().unwrap());
        let given = Given {
            // Nobody listens on port 1.
            node: Some("ws://127.0.0.1:1".into()),
            keys: Some(folder.path().join("keys.json")),
            per_address_per_minute: many,
            per_key_per_minute: many,
            ..Given::default()
        };
        let app = Arc::new(App::new(Settings::load(given, None).unwrap()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, told) = oneshot::channel();
        tokio::spawn(server::serve(app, listener, async move {
            let _ = told.await;
        }));
        Self {
            address,
            folder,
            client: Client::new(),
            _end: end,
        }
    }

    /// A key that may do everything with its tenant, and its id.
    fn key(&self, tenant: TenantId) -> (String, String) {
        let new = NewKey {
            name: String::new(),
            tenant,
            stores: Vec::new(),
            agent: None,
            permissions: vec![Permission::Read, Permission::Write, Permission::Admin],
            per_minute: None,
        };
        let file = self.folder.path().join("keys.json");
        let (key, record) = keys::create(&file, new).unwrap();
        (key, record.id)
    }

    async fn status(&self, method: &str, path: &str, key: Option<&str>) -> StatusCode {
        let url = format!("http://{}{}", self.address, address(path));
        let method: Method = method.to_uppercase().parse().unwrap();
        let mut request = self.client.request(method.clone(), url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        if method != Method::GET {
            request = request.json(&body(path));
        }
        request.send().await.unwrap().status()
    }
}

#[tokio::test]
async fn without_a_key_with_an_invented_and_with_a_revoked_one_every_route_is_shut() {
    let gateway = Gateway::start().await;
    let (revoked, id) = gateway.key(TENANT);
    keys::revoke(&gateway.folder.path().join("keys.json"), &id).unwrap();
    let invented = format!("ss_11111111{}", "0".repeat(80));
    for (method, path) in routes() {
        for key in [None, Some(invented.as_str()), Some(revoked.as_str())] {
            let status = gateway.status(&method, &path, key).await;
            let shut = status == StatusCode::UNAUTHORIZED;
            assert_eq!(
                shut,
                !OPEN.contains(&path.as_str()),
                "{method} {path}: {status}"
            );
        }
    }
}

#[tokio::test]
async fn with_another_tenants_key_every_route_is_out_of_reach() {
    let gateway = Gateway::start().await;
    let (key, _) = gateway.key(OTHER_TENANT);
    let mut exceptions = EXCEPTIONS.to_vec();
    for (method, path) in routes() {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let at = exceptions
            .iter()
            .position(|(m, p, _)| (*m, *p) == (method.as_str(), path.as_str()));
        let expected = at.map_or(403, |at| exceptions.swap_remove(at).2);
        let status = gateway.status(&method, &path, Some(&key)).await;
        assert_eq!(status.as_u16(), expected, "{method} {path}");
    }
    assert_eq!(exceptions, [], "an exception for a route that is not there");
}

/// Else a refusal above could be about anything.
#[tokio::test]
async fn with_the_right_key_no_route_refuses_the_key_or_the_request() {
    let gateway = Gateway::start().await;
    let (own, _) = gateway.key(TENANT);
    let (operator, _) = gateway.key(OPERATOR);
    for (method, path) in routes() {
        let right = gateway.status(&method, &path, Some(&operator)).await;
        for wrong in [400, 401, 403, 405, 413, 415] {
            assert_ne!(right.as_u16(), wrong, "{method} {path} by an operator");
        }
        let status = gateway.status(&method, &path, Some(&own)).await;
        let refused = status == StatusCode::FORBIDDEN;
        let is_operators = OPERATORS.contains(&path.as_str());
        assert_eq!(refused, is_operators, "{method} {path}: {status}");
    }
}
