// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The gateway over real sockets, without a node: the door, the document, and what is answered while
//! nobody is behind it. With a node: `tests/gateway`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use ves_gateway::{
    App,
    api::Routes,
    config::{Given, Settings},
    keys::{self, NewKey, OPERATOR, Permission},
    openapi, server,
};
use ves_primitives::TenantId;

const STREAM: &str =
    "tenant_id=11111111-1111-4111-8111-111111111111&store_id=22222222-2222-4222-8222-222222222222";

struct Gateway {
    app: Arc<App>,
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
    folder: tempfile::TempDir,
    client: Client,
}

impl Gateway {
    async fn start(given: Given) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nobody listens on port 1.
        let given = Given {
            node: Some("ws://127.0.0.1:1".into()),
            keys: Some(folder.path().join("keys.json")),
            ..given
        };
        let app = Arc::new(App::new(Settings::load(given, None).unwrap()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, told) = oneshot::channel();
        let until = async move {
            let _ = told.await;
        };
        let serving = tokio::spawn(server::serve(app.clone(), listener, until));
        Self {
            app,
            address,
            end: Some(end),
            serving,
            folder,
            client: Client::new(),
        }
    }

    fn key(&self, tenant: TenantId, permissions: &[Permission]) -> String {
        let new = NewKey {
            name: String::new(),
            tenant,
            stores: Vec::new(),
            agent: None,
            permissions: permissions.to_vec(),
            per_minute: None,
        };
        keys::create(&self.folder.path().join("keys.json"), new)
            .unwrap()
            .0
    }

    fn operator(&self) -> String {
        self.key(
            OPERATOR,
            &[Permission::Read, Permission::Write, Permission::Admin],
        )
    }

    async fn get(&self, path: &str, key: Option<&str>) -> Response {
        let mut request = self.client.get(format!("http://{}{path}", self.address));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, key: &str, body: impl Into<reqwest::Body>) -> Response {
        self.client
            .post(format!("http://{}{path}", self.address))
            .header("x-api-key", key)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }
}

async fn body(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn given() -> Given {
    Given {
        per_address_per_minute: Some(1_000_000.try_into().unwrap()),
        per_key_per_minute: Some(1_000_000.try_into().unwrap()),
        ..Given::default()
    }
}

#[tokio::test]
async fn the_committed_document_is_the_served_one() {
    let gateway = Gateway::start(given()).await;
    let served = gateway
        .get("/openapi.json", None)
        .await
        .text()
        .await
        .unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        served == committed,
        "write it anew: ves-gateway openapi > gateway/openapi.json"
    );
}

#[tokio::test]
async fn every_route_stands_in_the_document_and_nothing_else_does() {
    let gateway = Gateway::start(given()).await;
    let routes: BTreeSet<(String, String)> = Routes::all(&gateway.app)
        .names()
        .iter()
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    let document = serde_json::to_value(openapi::document()).unwrap();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    assert_eq!(routes, documented);
    // And each of them is there.
    for (method, path) in &routes {
        let url = format!("http://{}{path}", gateway.address);
        let request = match method.as_str() {
            "get" => gateway.client.get(url),
            _ => gateway.client.post(url),
        };
        let status = request.send().await.unwrap().status();
        assert_ne!(status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
}

#[tokio::test]
async fn every_route_but_health_and_document_wants_a_key() {
    let gateway = Gateway::start(given()).await;
    let open = ["/health", "/ready", "/openapi.json"];
    let document = serde_json::to_value(openapi::document()).unwrap();
    for (method, path) in Routes::all(&gateway.app).names() {
        let url = format!("http://{}{path}", gateway.address);
        let request = match *method {
            "get" => gateway.client.get(url),
            _ => gateway.client.post(url),
        };
        let response = request.send().await.unwrap();
        let is_open = open.contains(path);
        assert_eq!(
            response.status() != StatusCode::UNAUTHORIZED,
            is_open,
            "{path}"
        );
        let security = &document["paths"][path][method]["security"];
        assert_eq!(*security == json!([{}]), is_open, "{path}: {security}");
        if !is_open {
            assert_eq!(response.headers()["x-error-code"], "1001");
            assert_eq!(body(response).await["code"], "missing_auth");
        }
    }
}

#[tokio::test]
async fn without_a_node_it_lives_is_not_ready_and_says_when_to_come_back() {
    let gateway = Gateway::start(given()).await;
    let key = gateway.operator();
    assert_eq!(gateway.get("/health", None).await.status(), StatusCode::OK);
    for path in [
        "/ready".to_owned(),
        format!("/api/v1/ves/head?{STREAM}"),
        format!("/api/v1/ves/events?{STREAM}"),
    ] {
        let response = gateway.get(&path, Some(&key)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(body(response).await["error"]["code"], 8002);
    }
    let metrics = gateway
        .get("/metrics", Some(&key))
        .await
        .text()
        .await
        .unwrap();
    assert!(metrics.contains("ves_gateway_node_best_block -1"));
    assert!(metrics.contains("ves_gateway_api_keys 1"));
}

#[tokio::test]
async fn a_tenants_key_opens_no_operators_route() {
    let gateway = Gateway::start(given()).await;
    let every = [Permission::Read, Permission::Write, Permission::Admin];
    let key = gateway.key(TenantId([0x11; 16]), &every);
    for path in ["/metrics", "/v1/commitments/pending"] {
        let response = gateway.get(path, Some(&key)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let other = format!(
        "/api/v1/ves/head?{}",
        STREAM.replace("1111-1111", "1111-1112")
    );
    let response = gateway.get(&other, Some(&key)).await;
    assert_eq!(body(response).await["code"], "insufficient_permissions");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_whether_announced_or_not() {
    let gateway = Gateway::start(Given {
        body_bytes: Some(2_048),
        ..given()
    })
    .await;
    let key = gateway.operator();
    let path = "/api/v1/ves/proofs/verify";
    let response = gateway.post(path, &key, "x".repeat(2_049)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(body(response).await["error"]["code"], 3004);

    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    for _ in 0..3 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = vec![0; 64];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn who_sends_a_body_too_slowly_is_given_up() {
    let gateway = Gateway::start(Given {
        request_seconds: Some(1),
        wait_seconds: Some(0),
        ..given()
    })
    .await;
    let key = gateway.operator();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /api/v1/ves/proofs/verify HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let mut answer = vec![0; 64];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn more_requests_than_there_is_room_for_are_turned_away_and_health_is_not() {
    let gateway = Gateway::start(Given {
        in_flight: Some(1),
        ..given()
    })
    .await;
    let key = gateway.operator();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /api/v1/ves/proofs/verify HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Until the slow request is inside.
    let mut status = StatusCode::OK;
    for _ in 0..200 {
        status = gateway.get("/metrics", Some(&key)).await.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(gateway.get("/health", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_end_waits_for_who_is_in_flight_but_not_for_ever() {
    let mut gateway = Gateway::start(Given {
        drain_seconds: Some(1),
        ..given()
    })
    .await;
    let key = gateway.operator();
    let free = gateway.app.room.available_permits();
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "POST /api/v1/ves/proofs/verify HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    while gateway.app.room.available_permits() == free {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    gateway.end.take().unwrap().send(()).unwrap();
    gateway.serving.await.unwrap().unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(gateway.app.is_draining());
    assert!(TcpStream::connect(gateway.address).await.is_err());
}

#[tokio::test]
async fn no_bytes_make_it_fail() {
    let gateway = Gateway::start(given()).await;
    let key = gateway.operator();
    let mut random = StdRng::seed_from_u64(7);
    let names = Routes::all(&gateway.app).names().to_vec();
    let pieces: [&[u8]; 12] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"agentId\":",
        b"\"events\":",
        b"null",
        b"1e999",
        b"\"\\ud800\"",
        b"\"00000000-0000-4000-8000-000000000001\"",
        b",",
        b"\xff",
    ];
    for round in 0..600 {
        let (method, path) = names[random.gen_range(0..names.len())];
        let part: String = (0..random.gen_range(1..40))
            .map(|_| char::from(random.gen_range(b'!'..=b'~')))
            .filter(|c| !"/?#{}%".contains(*c))
            .collect();
        let mut path = path.to_owned();
        while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
            path.replace_range(start..=end, &format!("x{part}"));
        }
        let bytes: Vec<u8> = (0..random.gen_range(0..30))
            .flat_map(|_| pieces[random.gen_range(0..pieces.len())].to_vec())
            .collect();
        let response = if method == "get" {
            gateway.get(&format!("{path}?{part}"), Some(&key)).await
        } else {
            gateway.post(&path, &key, bytes.clone()).await
        };
        let status = response.status();
        let fine = !status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(fine, "round {round}: {status} for {path} {bytes:?}");
        assert!(response.headers().contains_key("x-request-id"));
    }
}

#[tokio::test]
async fn raw_garbage_on_the_socket_is_survived() {
    let gateway = Gateway::start(given()).await;
    let mut random = StdRng::seed_from_u64(11);
    for _ in 0..60 {
        let mut bytes = vec![0u8; random.gen_range(1..400)];
        random.fill(bytes.as_mut_slice());
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let _ = stream.write_all(&bytes).await;
    }
    assert_eq!(gateway.get("/health", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn behind_a_proxy_the_last_forwarded_address_counts() {
    let gateway = Gateway::start(Given {
        behind_tls_proxy: Some(true),
        per_address_per_minute: Some(1.try_into().unwrap()),
        ..given()
    })
    .await;
    let ask = |forwarded: &'static str| {
        let url = format!("http://{}/openapi.json", gateway.address);
        gateway
            .client
            .get(url)
            .header("x-forwarded-for", forwarded)
            .send()
    };
    assert_eq!(ask("192.0.2.1").await.unwrap().status(), StatusCode::OK);
    // What the client claims to be stands first, what the proxy saw last.
    let again = ask("198.51.100.9, 192.0.2.1").await.unwrap();
    assert_eq!(again.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(body(again).await["code"], "rate_limited");
    assert_eq!(ask("192.0.2.2").await.unwrap().status(), StatusCode::OK);
}
