// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A JSON-RPC proxy that loses, delays and misreports, by a seed.

use alloy::transports::http::reqwest::Client;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// What the proxy does to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The call does not arrive; the caller sees an error of the server.
    Refused,
    /// The call arrives, its answer does not.
    Lost,
    /// The call arrives; the answer says that the transaction is known.
    Known,
    /// The call does not arrive; the answer says that the nonce is used.
    NonceTooLow,
    /// The call does not arrive; the answer says that the fee is too low.
    Underpriced,
    /// The call does not arrive; the answer says that there are no funds.
    NoFunds,
    /// The answer is an old one.
    Stale,
}

/// Says why a transaction, given its bytes in hex, is refused; it does not arrive then.
type Refuse = Box<dyn Fn(&str) -> Option<&'static str> + Send + Sync>;

/// Changes an answer; given the call.
type Tamper = Box<dyn Fn(&Value, &mut Value) + Send + Sync>;

struct Inner {
    upstream: String,
    client: Client,
    random: AtomicU64,
    /// Faults per 1,000 calls.
    rate: AtomicU64,
    /// Applied to the next transactions, before chance.
    next: Mutex<Vec<Fault>>,
    latest: Mutex<Option<Value>>,
    /// Methods that were called.
    methods: Mutex<std::collections::BTreeSet<String>>,
    /// How long the answer to a transaction that has arrived is held back.
    hold: Mutex<std::time::Duration>,
    /// While it is so, transactions do not arrive and have no answer.
    blocked: tokio::sync::watch::Sender<bool>,
    /// Applied to every answer.
    tamper: Mutex<Option<Tamper>>,
    counts: Mutex<std::collections::BTreeMap<String, u64>>,
    /// Asked about every transaction.
    refuse: Mutex<Option<Refuse>>,
}

#[derive(Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
    pub url: String,
}

impl Proxy {
    pub async fn start(upstream: &str, seed: u64, rate: u64) -> Self {
        let inner = Arc::new(Inner {
            upstream: upstream.to_owned(),
            client: Client::new(),
            random: AtomicU64::new(seed | 1),
            rate: AtomicU64::new(rate),
            next: Mutex::default(),
            latest: Mutex::default(),
            methods: Mutex::default(),
            hold: Mutex::default(),
            blocked: tokio::sync::watch::Sender::new(false),
            tamper: Mutex::default(),
            counts: Mutex::default(),
            refuse: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/", post(handle))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { inner, url }
    }

    /// These faults happen to the next transactions.
    pub fn next(&self, faults: &[Fault]) {
        self.inner.next.lock().unwrap().extend(faults);
    }

    /// From now on answers are changed like this.
    pub fn tamper(&self, how: impl Fn(&Value, &mut Value) + Send + Sync + 'static) {
        *self.inner.tamper.lock().unwrap() = Some(Box::new(how));
    }

    /// From now on these transactions are refused.
    pub fn refuse(&self, which: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) {
        *self.inner.refuse.lock().unwrap() = Some(Box::new(which));
    }

    /// From now on answers are left as they are.
    pub fn honest(&self) {
        *self.inner.tamper.lock().unwrap() = None;
    }

    pub fn pending(&self) -> usize {
        self.inner.next.lock().unwrap().len()
    }

    pub fn set_rate(&self, rate: u64) {
        self.inner.rate.store(rate, Ordering::Relaxed);
    }

    /// Methods that were called.
    pub fn methods(&self) -> std::collections::BTreeSet<String> {
        self.inner.methods.lock().unwrap().clone()
    }

    /// From now on a transaction arrives at once and its answer comes this much later.
    pub fn hold_answers(&self, time: std::time::Duration) {
        *self.inner.hold.lock().unwrap() = time;
    }

    /// From now on transactions stop here, or those that did are lost.
    pub fn block_sends(&self, blocked: bool) {
        self.inner.blocked.send_replace(blocked);
    }

    /// What happened how often.
    pub fn counts(&self) -> std::collections::BTreeMap<String, u64> {
        self.inner.counts.lock().unwrap().clone()
    }
}

impl Inner {
    /// xorshift64*: the same seed gives the same faults for the same calls.
    fn draw(&self) -> u64 {
        let step = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^ (x >> 27)
        };
        let old = self
            .random
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(step(x)))
            .unwrap();
        step(old).wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    fn fault(&self, call: &Value) -> Fault {
        let sending = call["method"] == "eth_sendRawTransaction";
        if sending
            && let Some(fault) = {
                let mut next = self.next.lock().unwrap();
                (!next.is_empty()).then(|| next.remove(0))
            }
        {
            return fault;
        }
        if self.draw() % 1000 >= self.rate.load(Ordering::Relaxed) {
            return Fault::None;
        }
        let latest = call["method"] == "eth_getBlockByNumber" && call["params"][0] == "latest";
        let faults: &[Fault] = if sending {
            &[
                Fault::Refused,
                Fault::Lost,
                Fault::Known,
                Fault::NonceTooLow,
                Fault::Underpriced,
                Fault::NoFunds,
            ]
        } else if latest {
            &[Fault::Refused, Fault::Lost, Fault::Stale]
        } else {
            &[Fault::Refused, Fault::Lost]
        };
        faults[usize::try_from(self.draw()).unwrap() % faults.len()]
    }
}

async fn handle(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let call: Value = serde_json::from_slice(&body).unwrap();
    let fault = inner.fault(&call);
    let method = call["method"].as_str().unwrap().to_owned();
    let sending = method == "eth_sendRawTransaction";
    inner.methods.lock().unwrap().insert(method);
    *inner
        .counts
        .lock()
        .unwrap()
        .entry(format!("{fault:?}"))
        .or_default() += 1;
    let refuse = |message: &str| {
        let error = json!({ "code": -32000, "message": message });
        axum::Json(json!({ "jsonrpc": "2.0", "id": call["id"], "error": error })).into_response()
    };
    if sending
        && let Some(refused) = inner.refuse.lock().unwrap().as_ref()
        && let Some(words) = refused(call["params"][0].as_str().unwrap())
    {
        return refuse(words);
    }
    if sending && *inner.blocked.borrow() {
        let mut blocked = inner.blocked.subscribe();
        blocked.wait_for(|blocked| !blocked).await.unwrap();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match fault {
        Fault::Refused => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fault::NonceTooLow => return refuse("nonce too low"),
        Fault::Underpriced => return refuse("replacement transaction underpriced"),
        Fault::NoFunds => return refuse("insufficient funds for gas * price + value"),
        Fault::Stale => {
            let old = inner.latest.lock().unwrap().clone();
            if let Some(mut old) = old {
                old["id"] = call["id"].clone();
                return axum::Json(old).into_response();
            }
        }
        Fault::None | Fault::Lost | Fault::Known => {}
    }
    let request = inner
        .client
        .post(&inner.upstream)
        .header("content-type", "application/json")
        .body(body);
    let Ok(answer) = request.send().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let bytes = answer.bytes().await.unwrap_or_default();
    if sending {
        let hold = *inner.hold.lock().unwrap();
        tokio::time::sleep(hold).await;
    }
    match fault {
        Fault::Lost => return StatusCode::GATEWAY_TIMEOUT.into_response(),
        Fault::Known => return refuse("already known"),
        _ => {}
    }
    if let Some(tamper) = inner.tamper.lock().unwrap().as_ref() {
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
        tamper(&call, &mut answer);
        return axum::Json(answer).into_response();
    }
    if call["method"] == "eth_getBlockByNumber" && call["params"][0] == "latest" {
        let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
        // Now and then, so that a stale answer is some blocks old.
        if inner.draw().is_multiple_of(4) {
            *inner.latest.lock().unwrap() = answer;
        }
    }
    ([("content-type", "application/json")], bytes).into_response()
}
