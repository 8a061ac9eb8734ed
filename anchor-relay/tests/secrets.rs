// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Keys in the URLs of nodes are in nothing that the built program shows: routes, logs, output.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use axum::{Json, Router, extract::Request, http::StatusCode, response::IntoResponse};
use base64::Engine as _;
use serde_json::json;
use std::path::Path;
use support::program::{REGISTRY, Relay, err, out, place, program};
use tempfile::TempDir;

/// One for each place in a URL, each recognised alone.
const SECRETS: [&str; 5] = [
    "user-secret-1f",
    "pass-secret-2e",
    "path-secret-3d",
    "query-secret-4c",
    "short3",
];

/// A URL with all of them.
fn url(scheme: &str, address: &str) -> String {
    let [user, pass, path, query, short] = SECRETS;
    format!("{scheme}://{user}:{pass}@{address}/v2/{path}/{short}?token={query}")
}

/// A place whose settings name URLs with secrets.
fn secret_place(node: &str, witness: &str, l2: &str) -> TempDir {
    let dir = place();
    let config = format!(
        "[source]\nnode_url = \"{node}\"\nwitness_url = \"{witness}\"\n\
         [destination]\nrpc_url = \"{l2}\"\nwitness_url = \"{l2}\"\nchain_id = 31337\n\
         registry = \"{REGISTRY}\"\nconfirmations = \"1\"\ntimeout_secs = 2\n\
         [key]\nfile = \"relay.json\"\npassphrase_file = \"passphrase\"\n\
         [send]\npoll_ms = 50\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(dir.path().join("relay.toml"), config).unwrap();
    dir
}

fn nothing_secret(place: &str, text: &str) {
    let [user, pass, ..] = SECRETS;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{pass}"));
    for secret in SECRETS.into_iter().chain([basic.as_str()]) {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{secret} is shown in {place}: {line}");
        }
    }
}

/// Runs the relay until both sides have failed, and looks at all that it shows.
fn look_everywhere(dir: &Path, shown: &[&str]) {
    let relay = Relay::start_as(
        program(dir)
            .args(["--config", "relay.toml", "run"])
            // Libraries write whole URLs at this level.
            .env("RUST_LOG", "trace"),
    );
    relay.until("ves_relay_parked{reason=\"unreachable\"} 1");
    relay.until("ves_relay_endpoint_errors{endpoint=");
    let failed = || relay.get("/stats").1.contains("source_error\":\"");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !failed() {
        assert!(std::time::Instant::now() < deadline, "{}", relay.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let mut all = String::new();
    for route in ["/health", "/ready", "/metrics", "/stats", "/errors"] {
        let (_, body) = relay.get(route);
        nothing_secret(route, &body);
        all.push_str(&body);
    }
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["config", "check"],
        &["plan"],
        &["plan", "--json"],
        &["verify"],
        &["verify", "--json"],
    ] {
        let done = program(dir)
            .args(["--config", "relay.toml"])
            .args(command)
            .env("RUST_LOG", "trace")
            .output()
            .unwrap();
        for text in [out(&done), err(&done)] {
            nothing_secret(&format!("{command:?}"), &text);
            all.push_str(&text);
        }
    }
    nothing_secret("the log", &relay.log());
    for text in shown {
        assert!(all.contains(text), "{text} is not shown: {all}");
    }
    assert_eq!(relay.terminate(), Some(0));
}

#[test]
fn d15_keys_in_urls_are_shown_nowhere_when_nobody_answers() {
    let dead = "127.0.0.1:1";
    let (node, one) = (url("ws", dead), url("http", dead));
    let l2 = format!("{one},{one}");
    // Two of the L2, so that one takes over from the other.
    let dir = secret_place(&node, &url("ws", dead), &l2);
    look_everywhere(dir.path(), &["ws://127.0.0.1:1", "http://127.0.0.1:1"]);
}

/// A server that sends back what it was asked, as some do with a key that they do not know.
async fn echo(request: Request) -> impl IntoResponse {
    let uri = request.uri().to_string();
    let error = json!({ "code": -32001, "message": format!("no project at {uri}") });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "error": error });
    (StatusCode::UNAUTHORIZED, Json(body))
}

/// The same in an answer that is one by its status.
async fn echo_politely(request: Request) -> impl IntoResponse {
    let uri = request.uri().to_string();
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let call: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let error = json!({ "code": -32001, "message": format!("no project at {uri}") });
    Json(json!({ "jsonrpc": "2.0", "id": call["id"], "error": error }))
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn d15_keys_in_urls_are_shown_nowhere_when_a_server_repeats_them() {
    let rude = serve(Router::new().fallback(echo)).await;
    let polite = serve(Router::new().fallback(echo_politely)).await;
    for address in [rude, polite] {
        let looked = move || {
            let http = url("http", &address);
            let dir = secret_place(&http, &http, &http);
            let shown = format!("http://{address}");
            look_everywhere(dir.path(), &[&shown, "no project at"]);
        };
        tokio::task::spawn_blocking(looked).await.unwrap();
    }
}

#[test]
fn d15_the_help_does_not_show_what_the_environment_holds() {
    let dir = place();
    for args in [&["--help"][..], &["-h"], &["run", "--help"]] {
        let done = program(dir.path())
            .env("VES_RELAY_L2_URL", url("http", "l2"))
            .env("VES_RELAY_NODE_URL", url("ws", "node"))
            .args(args)
            .output()
            .unwrap();
        let text = out(&done);
        assert!(text.contains("VES_RELAY_L2_URL"), "{text}");
        nothing_secret("the help", &text);
    }
}

#[test]
fn d15_an_error_in_the_settings_does_not_show_a_url() {
    let dir = place();
    let bad = [
        // A quote is missing.
        format!("[destination]\nrpc_url = \"{}\n", url("http", "l2")),
        // No port.
        format!(
            "[destination]\nrpc_url = \"{}\"\nchain_id = 1\nregistry = \"{REGISTRY}\"\n",
            url("http", "l2:port")
        ),
        format!(
            "[destination]\nrpc_url = \"{}\"\nchain_id = 1\nregistry = \"{REGISTRY}\"\n",
            url("ftp", "l2")
        ),
    ];
    for config in bad {
        std::fs::write(dir.path().join("bad.toml"), &config).unwrap();
        let done = program(dir.path())
            .args([
                "--config",
                "bad.toml",
                "--key-file",
                "relay.key",
                "--plain-key",
                "run",
            ])
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(2), "{config}");
        nothing_secret("the error", &err(&done));
        assert!(!out(&done).contains("secret"));
    }
}
