// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay with a key of AWS KMS, by its real client and a stand-in on loopback for the service. Only
//! with the feature `aws-kms`: `scripts/check-kms.sh`.

#![cfg(feature = "aws-kms")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{
    primitives::B256,
    signers::{SignerSync, k256::ecdsa::Signature, local::PrivateKeySigner},
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use support::{
    appchain::Appchain,
    evm::{CHAIN_ID, Evm, RELAY_SECRET},
    running::{patience, place},
};

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/relay";
/// DER of a SubjectPublicKeyInfo up to the 65 bytes of an uncompressed secp256k1 point (RFC 5480).
const SPKI: &str = "3056301006072a8648ce3d020106052b8104000a034200";

/// What the service does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Honest,
    /// Signs with a key that it did not show.
    OtherKey,
    /// Has no such key, or lets nobody use it.
    Refusing,
}

struct Service {
    mood: Mood,
    signed: usize,
}

type Shared = Arc<Mutex<Service>>;

/// GetPublicKey and Sign of the service's JSON protocol.
async fn answer(
    State(service): State<Shared>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> impl IntoResponse {
    let asked: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(asked["KeyId"], KEY);
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .starts_with("AWS4-HMAC-SHA256 ")
    );
    let mut service = service.lock().unwrap();
    if service.mood == Mood::Refusing {
        let refused = json!({"__type": "DisabledException", "message": "the key is disabled"});
        return (StatusCode::BAD_REQUEST, Json(refused));
    }
    let key: PrivateKeySigner = RELAY_SECRET.parse().unwrap();
    let target = headers["x-amz-target"].to_str().unwrap();
    let answer = match target {
        "TrentService.GetPublicKey" => {
            let point = key.credential().verifying_key().to_encoded_point(false);
            let der = [&hex::decode(SPKI).unwrap(), point.as_bytes()].concat();
            json!({"KeyId": KEY, "PublicKey": BASE64_STANDARD.encode(der),
                   "KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_SECG_P256K1"})
        }
        "TrentService.Sign" => {
            assert_eq!(asked["MessageType"], "DIGEST");
            assert_eq!(asked["SigningAlgorithm"], "ECDSA_SHA_256");
            let digest = BASE64_STANDARD
                .decode(asked["Message"].as_str().unwrap())
                .unwrap();
            let key = match service.mood {
                Mood::OtherKey => PrivateKeySigner::from_slice(&[7; 32]).unwrap(),
                _ => key,
            };
            let signature = key.sign_hash_sync(&B256::from_slice(&digest)).unwrap();
            let (r, s) = (
                signature.r().to_be_bytes::<32>(),
                signature.s().to_be_bytes::<32>(),
            );
            let der = Signature::from_scalars(r, s).unwrap().to_der();
            service.signed += 1;
            json!({"KeyId": KEY, "Signature": BASE64_STANDARD.encode(der.as_bytes()),
                   "SigningAlgorithm": "ECDSA_SHA_256"})
        }
        other => panic!("{other} is not expected"),
    };
    (StatusCode::OK, Json(answer))
}

/// The service's address.
async fn serve(service: Shared) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().route("/", post(answer)).with_state(service);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Ended with the test, also when that fails.
struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn relay(dir: &Path, service: &str) -> Relay {
    let child = Command::new(env!("CARGO_BIN_EXE_anchor-relay"))
        .current_dir(dir)
        .args(["--config", "relay.toml", "run"])
        .env_clear()
        .env("AWS_ENDPOINT_URL", service)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "of-a-test")
        .env("AWS_SECRET_ACCESS_KEY", "of-a-test")
        .stderr(Stdio::from(std::fs::File::create(dir.join("log")).unwrap()))
        .spawn();
    Relay(child.unwrap())
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(2 * patience());
    while !done().await {
        assert!(Instant::now() < deadline, "no {what} in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_a_key_of_aws_kms_anchors_and_a_signature_by_another_key_is_never_sent() {
    let chain = tokio::task::spawn_blocking(|| {
        let chain = Appchain::start();
        chain.submit_an_event();
        chain
    })
    .await
    .unwrap();
    let evm = Evm::start().await;
    let service = Arc::new(Mutex::new(Service {
        mood: Mood::Refusing,
        signed: 0,
    }));
    let url = serve(service.clone()).await;
    let (dir, _) = place();
    let config = format!(
        "[source]\nnode_url = \"ws://{}\"\n\
         [destination]\nrpc_url = \"{}\"\nchain_id = {CHAIN_ID}\nregistry = \"{}\"\n\
         confirmations = \"1\"\n[key]\naws_kms = \"{KEY}\"\n\
         [send]\npoll_ms = 100\n[http]\nlisten = \"127.0.0.1:0\"\n",
        chain.address, evm.url, evm.registry
    );
    std::fs::write(dir.path().join("relay.toml"), config).unwrap();
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap();

    // A key that may not be used ends the program with what the service said.
    let mut refused = relay(dir.path(), &url);
    until("end", async || refused.0.try_wait().unwrap().is_some()).await;
    assert_eq!(refused.0.wait().unwrap().code(), Some(3), "{}", log());
    assert!(log().contains("the key is disabled"), "{}", log());

    // A signature that does not recover to the address shown before is not used.
    service.lock().unwrap().mood = Mood::OtherKey;
    let _relay = relay(dir.path(), &url);
    until("signature", async || service.lock().unwrap().signed > 1).await;
    assert_eq!(evm.relay_transactions().await, 0, "{}", log());

    // The same process goes on when the service is itself again.
    service.lock().unwrap().mood = Mood::Honest;
    until("anchor", async || evm.committed().await.len() == 1).await;
    assert_eq!(evm.relay_transactions().await, 1, "{}", log());
}
