// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The server, asked over HTTP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use reqwest::{
    Method, StatusCode,
    blocking::{Client, Response},
};
use std::{net::SocketAddr, thread};
use ves_explorer::Node;

/// A server on a free port of this machine, for as long as the test runs.
fn serve(node: Node) -> String {
    let (sender, address) = std::sync::mpsc::channel::<SocketAddr>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = ves_explorer::bind("127.0.0.1:0".parse().unwrap())
                .await
                .unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            ves_explorer::serve(listener, &node).await.unwrap();
        });
    });
    format!("http://{}", address.recv().unwrap())
}

fn ask(method: Method, url: &str) -> Response {
    let client = Client::builder().no_proxy().build().unwrap();
    client.request(method, url).send().unwrap()
}

fn get(url: &str) -> Response {
    ask(Method::GET, url)
}

fn header(response: &Response, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[test]
fn the_page_and_all_it_needs_are_served_with_their_types() {
    let server = serve(Node::Port(9944));
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/main.js", "text/javascript; charset=utf-8"),
        ("/pages/verify.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/verifier.js", "text/javascript; charset=utf-8"),
        ("/verifier_bg.wasm", "application/wasm"),
    ] {
        let response = get(&format!("{server}{path}"));
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "content-type"), kind, "{path}");
        assert!(!response.bytes().unwrap().is_empty(), "{path}");
    }
    let wasm = get(&format!("{server}/verifier_bg.wasm")).bytes().unwrap();
    assert_eq!(&wasm[..4], b"\0asm");
}

#[test]
fn every_answer_carries_the_strict_headers_also_refusals() {
    let server = serve(Node::Port(9944));
    let answers = [
        get(&server),
        get(&format!("{server}/config.json")),
        get(&format!("{server}/nothing")),
        ask(Method::POST, &server),
    ];
    let statuses = answers.each_ref().map(Response::status);
    assert_eq!(
        statuses,
        [
            StatusCode::OK,
            StatusCode::OK,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED
        ]
    );
    for response in &answers {
        let policy = header(response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert_eq!(header(response, "x-content-type-options"), "nosniff");
        assert_eq!(header(response, "referrer-policy"), "no-referrer");
        assert_eq!(header(response, "x-frame-options"), "DENY");
        assert_eq!(header(response, "access-control-allow-origin"), "");
    }
}

#[test]
fn the_page_learns_where_its_node_is() {
    let told = |node| {
        let server = serve(node);
        get(&format!("{server}/config.json")).text().unwrap()
    };
    assert_eq!(told(Node::Port(1234)), r#"{"rpc_port":1234}"#);
    let node: Node = "wss://node.example/\"rpc".parse().unwrap();
    assert_eq!(told(node), r#"{"rpc_url":"wss://node.example/\"rpc"}"#);
}

#[test]
fn only_a_websocket_address_names_a_node() {
    for text in [
        "",
        "ws://",
        "http://127.0.0.1:9944",
        "127.0.0.1:9944",
        "ws://a b",
    ] {
        let error = text.parse::<Node>().unwrap_err();
        assert!(error.to_string().contains("WebSocket"), "{text}");
    }
}

#[test]
fn nothing_but_the_pages_own_files_can_be_had() {
    let server = serve(Node::Port(9944));
    for path in [
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
        "/pages",
        "/pages/",
        "/main.js/",
        "/INDEX.HTML",
    ] {
        let response = get(&format!("{server}{path}"));
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn what_the_browser_has_is_not_sent_again_and_head_sends_no_body() {
    let server = serve(Node::Port(9944));
    let wasm = format!("{server}/verifier_bg.wasm");
    let tag = header(&get(&wasm), "etag");
    assert!(!tag.is_empty());
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = |tag: &str| {
        client
            .get(&wasm)
            .header("if-none-match", tag)
            .send()
            .unwrap()
    };
    assert_eq!(ask(&tag).status(), StatusCode::NOT_MODIFIED);
    assert_eq!(ask("\"other\"").status(), StatusCode::OK);
    let head = client.head(&wasm).send().unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.bytes().unwrap().is_empty());
}

#[test]
fn no_file_of_the_page_names_another_host() {
    let server = serve(Node::Port(9944));
    for path in [
        "/",
        "/style.css",
        "/main.js",
        "/rpc.js",
        "/chain.js",
        "/verifier.js",
    ] {
        let text = get(&format!("{server}{path}")).text().unwrap();
        for scheme in ["http://", "https://", "//cdn"] {
            assert!(!text.contains(scheme), "{path} has {scheme}");
        }
    }
}
