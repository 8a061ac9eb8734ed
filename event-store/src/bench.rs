// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Not checks but figures, by `scripts/bench-store.sh`. Real rows, real proofs, real WebSockets; only
//! the chain is made of primitives alone, so what the runtime takes to index a block is not in them.

use crate::{
    Store,
    both::Place,
    rpc::{self, tests::Node},
    testing::*,
};
use jsonrpsee::{
    RpcModule,
    core::client::{Subscription, SubscriptionClientT},
    rpc_params,
    server::Server,
    ws_client::WsClientBuilder,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use ves_primitives::{AgentId, SubmittedEvent, limits::MAX_EVENTS_PER_BLOCK};

/// Events of a block: as many as the chain's fullest (`docs/adr/0016-throughput.md`).
const BLOCK: u64 = 8_400;
const SUBSCRIBERS: usize = 1_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn place() -> (&'static str, Place) {
    match std::env::var("VES_BENCH_DATABASE").as_deref() {
        Ok("postgres") => ("postgres", Place::postgres()),
        _ => ("sqlite", Place::sqlite()),
    }
}

/// An agent that has one event in 200,000 of the first kind, as many of the others as other agents.
const RARELY_FIRST: u64 = 99;

/// One of 10,000 orders, 20 kinds of events, 100 agents; 256 bytes of payload.
fn nth_event(n: u64, payload: &str) -> SubmittedEvent {
    let mut event = event(STORE, n, payload);
    let envelope = &mut event.envelope;
    envelope.entity_id = format!("o-{}", n % 10_000).into_bytes().try_into().unwrap();
    let mut kind = n / 10_000 % 20;
    if kind == 0 && n % 100 == RARELY_FIRST && n % 10_000 != RARELY_FIRST {
        kind = 1;
    }
    envelope.event_type = format!("order.step{kind}").into_bytes().try_into().unwrap();
    envelope.source_agent_id = AgentId([(n % 100) as u8; 16]);
    event
}

fn percentiles(mut times: Vec<Duration>) -> Value {
    times.sort();
    let at =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    json!({ "count": times.len(), "p50_ms": at(0.5), "p95_ms": at(0.95), "max_ms": at(1.0) })
}

async fn timed(
    module: &RpcModule<()>,
    count: u64,
    question: impl Fn(u64) -> (&'static str, Value),
) -> Value {
    let mut times = Vec::new();
    for n in 0..count {
        let (method, params) = question(n);
        let request =
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let begun = Instant::now();
        let (answer, _) = module.raw_json_request(&request, 1).await.unwrap();
        times.push(begun.elapsed());
        assert!(!answer.contains("\"error\""), "{answer}");
        assert!(answer.len() > 500, "{answer}");
    }
    percentiles(times)
}

async fn filled(store: &Store, chain: &mut Chain, events: u64) -> Value {
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(248));
    let (mut checked, mut appended) = (Duration::ZERO, Duration::ZERO);
    let mut n = 0;
    while n < events {
        let count = BLOCK.min(events - n);
        let events = (n..n + count).map(|n| nth_event(n, &payload)).collect();
        n += count;
        let raw = chain.block_of(vec![(STORE, events)]);
        let begun = Instant::now();
        let block = prepared(raw);
        checked += begun.elapsed();
        let begun = Instant::now();
        store.append(&[block]).await.unwrap();
        appended += begun.elapsed();
    }
    let seconds = (checked + appended).as_secs_f64();
    json!({
        "events": events,
        "seconds": seconds,
        "checked_s": checked.as_secs_f64(),
        "appended_s": appended.as_secs_f64(),
        "events_per_s": events as f64 / seconds,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, asserts nothing"]
async fn indexing_and_reading() {
    let events = setting("VES_BENCH_EVENTS", 1_000_000);
    let (database, place) = place();
    let store = place.open().await;
    let mut chain = Chain::default();
    let indexing = filled(&store, &mut chain, events).await;
    println!("{}", json!({ "database": database, "indexing": indexing }));
    store.report_finalized(store.cursor().await.unwrap().number, false);
    if database == "postgres" {
        // What the server does by itself within a minute.
        let mut transaction = store.db.write().await.unwrap();
        transaction.execute("ANALYZE", Vec::new()).await.unwrap();
        transaction.commit().await.unwrap();
    }
    // How many kinds of events there are.
    let kinds = events.div_ceil(10_000).min(20);
    let module = rpc::module(store.clone(), Arc::new(Node));
    let place = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (events - 200) + 1;
    let page = timed(&module, 2_000, |n| {
        ("ves_events", json!([TENANT, STORE, place(n), 100]))
    })
    .await;
    println!("{}", json!({ "database": database, "page_of_100": page }));
    let find = timed(&module, 1_000, |n| {
        let filter = json!({ "entity_type": "order", "entity_id": format!("o-{}", n % 10_000) });
        (
            "ves_findEvents",
            json!([TENANT, STORE, filter, true, null, 100]),
        )
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "filter_by_entity": find })
    );
    let find = timed(&module, 500, |n| {
        let agent = AgentId([(n % 100) as u8; 16]);
        let filter = json!({ "agent_id": agent, "event_type": format!("order.step{}", n % kinds) });
        (
            "ves_findEvents",
            json!([TENANT, STORE, filter, n % 2 == 0, null, 100]),
        )
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "filter_by_agent_and_type_100": find })
    );
    let find = timed(&module, 500, |n| {
        let agent = AgentId([RARELY_FIRST as u8; 16]);
        let filter = json!({ "agent_id": agent, "event_type": "order.step0" });
        (
            "ves_findEvents",
            json!([TENANT, STORE, filter, n % 2 == 0, null, 100]),
        )
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "filter_by_agent_and_type_that_rarely_meet": find })
    );
    let history = timed(&module, 1_000, |n| {
        (
            "ves_entityHistory",
            json!([TENANT, STORE, "order", format!("o-{n}"), null, 100]),
        )
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "entity_history": history })
    );
    let proof = timed(&module, 1_000, |n| {
        ("ves_inclusionProof", json!([TENANT, STORE, place(n)]))
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "inclusion_proof_in_8400": proof })
    );
    // The largest batch there can be.
    let payload = "{}";
    let largest = (0..u64::from(MAX_EVENTS_PER_BLOCK)).map(|n| nth_event(events + n, payload));
    let block = chain.block_of(vec![(STORE, largest.collect())]);
    store.append(&[prepared(block)]).await.unwrap();
    let proof = timed(&module, 300, |n| {
        let sequence = events + 1 + n.wrapping_mul(7_919) % u64::from(MAX_EVENTS_PER_BLOCK);
        ("ves_inclusionProof", json!([TENANT, STORE, sequence]))
    })
    .await;
    println!(
        "{}",
        json!({ "database": database, "inclusion_proof_in_16384": proof })
    );
}

/// What a subscriber looks at.
#[derive(Deserialize)]
struct Message {
    events: Vec<Sequence>,
}

#[derive(Deserialize)]
struct Sequence {
    sequence: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; asserts that no event is missing"]
async fn subscribers() {
    let blocks = setting("VES_BENCH_BLOCKS", 15);
    let per_block = setting("VES_BENCH_BLOCK_EVENTS", 100);
    let (database, place) = place();
    let store = place.open().await;
    store.report_finalized(0, false);
    let server = Server::builder()
        .max_connections(2 * SUBSCRIBERS as u32)
        .build("127.0.0.1:0")
        .await
        .unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    let _server = server.start(rpc::module(store.clone(), Arc::new(Node)));
    let begun = Instant::now();
    let mut readers = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let client = WsClientBuilder::default().build(&url).await.unwrap();
        let mut subscription: Subscription<Message> = client
            .subscribe(
                "ves_subscribeEvents",
                rpc_params![TENANT, STORE, 1],
                "ves_unsubscribeEvents",
            )
            .await
            .unwrap();
        readers.push(tokio::spawn(async move {
            let mut arrivals = Vec::new();
            let mut next = 1;
            while next <= blocks * per_block {
                let message = subscription.next().await.unwrap().unwrap();
                for event in message.events {
                    assert_eq!(event.sequence, next, "a gap");
                    next += 1;
                }
                arrivals.push((next - 1, Instant::now()));
            }
            drop(client);
            arrivals
        }));
    }
    let connected = begun.elapsed();
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(248));
    let mut chain = Chain::default();
    let mut finalized = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    for block in 0..blocks {
        tick.tick().await;
        let events = (0..per_block)
            .map(|n| nth_event(block * per_block + n, &payload))
            .collect();
        let raw = chain.block_of(vec![(STORE, events)]);
        // As late as the indexer hears of it.
        finalized.push(Instant::now());
        store.append(&[prepared(raw)]).await.unwrap();
    }
    let mut late = Vec::new();
    for reader in readers {
        for (last, arrived) in reader.await.unwrap() {
            let block = ((last - 1) / per_block) as usize;
            late.push(arrived.duration_since(finalized[block]));
        }
    }
    println!(
        "{}",
        json!({
            "database": database,
            "subscribers": SUBSCRIBERS,
            "connected_in_s": connected.as_secs_f64(),
            "blocks": blocks,
            "events_per_block": per_block,
            "from_finality_to_subscriber": percentiles(late),
        })
    );
}
