// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The gateway in front of a node made up for the test: one that has forgotten payloads and ids, and one
//! with many streams. Real ones: `tests/gateway`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod recorded;

use axum::{Json, Router, extract::State, routing::post};
use codec::Encode;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;
use ves_gateway::{
    App,
    config::{Given, Settings},
    keys::{self, NewKey, OPERATOR, Permission},
    server,
};
use ves_primitives::{
    BatchCommitment, BatchId, EventsRoot, StateRoot, StoreId, StreamTip, TenantId,
    proof::ProofRecord,
    registry::RecordedAt,
    sequencer::{Admission, EventRecord, KeptBatches, Rejection, SequencerLimits},
    stream_id,
    wire::{BatchJson, SequencedEventJson},
};

/// Most batches or streams that the made-up node puts on a page, whatever it is asked for.
const PAGE: usize = 3;
const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// What the node holds.
#[derive(Default)]
struct World {
    /// Its events.
    events: Vec<SequencedEventJson>,
    /// The batches of each store.
    batches: BTreeMap<StoreId, Vec<BatchJson>>,
    /// How often each method was asked.
    asked: Mutex<BTreeMap<String, u32>>,
}

impl World {
    fn asked(&self, method: &str) -> u32 {
        self.asked.lock().unwrap().get(method).copied().unwrap_or(0)
    }

    fn state(call: &str) -> Vec<u8> {
        match call {
            "AgentRegistryApi_now" => RecordedAt {
                block: 100,
                time_ms: 1_000,
            }
            .encode(),
            "VesSequencerApi_limits" => SequencerLimits {
                events_per_submission: 256,
                events_per_block: 4_096,
                streams_per_block: 256,
                payload_bytes: 65_536,
                recipients: 100,
                submission_bytes: 3_000_000,
            }
            .encode(),
            "VesSequencerApi_tip" => StreamTip::EMPTY.encode(),
            // The chain has forgotten every id, and every event is older than it remembers.
            "VesSequencerApi_event_status" => None::<EventRecord>.encode(),
            "VesSequencerApi_can_submit" => {
                vec![Admission::Rejected(Rejection::CreatedAtTooOld)].encode()
            }
            "VesSequencerApi_kept_batches" => KeptBatches {
                oldest: 0,
                anchored: 1,
            }
            .encode(),
            "StarkVerifierApi_proofs_of_event" => Vec::<ProofRecord>::new().encode(),
            other => panic!("{other}"),
        }
    }

    fn answer(&self, method: &str, params: &Value) -> Value {
        let number = |place: usize| usize::try_from(params[place].as_u64().unwrap()).unwrap();
        match method {
            "chain_getBlockHash" | "chain_getFinalizedHead" => json!(HASH),
            "state_call" => {
                let bytes = Self::state(params[0].as_str().unwrap());
                json!(format!("0x{}", hex::encode(bytes)))
            }
            "ves_health" => json!({
                "indexed_block": 100, "finalized_block": 100, "backfilling": false,
            }),
            "ves_event" => {
                let id: String = params[2].as_str().unwrap().into();
                json!(
                    self.events
                        .iter()
                        .find(|event| event.event.event_id.to_string() == id)
                )
            }
            // Asked for the time of a batch's block.
            "ves_events" => json!({"events": &self.events[..1], "head_sequence": 1}),
            "ves_streams" => {
                assert_eq!(params[0], Value::Null);
                assert!(number(2) <= 1_000);
                let after: usize = params[1].as_str().map_or(0, |text| text.parse().unwrap());
                let streams: Vec<Value> = self
                    .batches
                    .iter()
                    .skip(after)
                    .take(PAGE)
                    .map(|(store, batches)| {
                        json!({
                            "stream_id": stream_id(TENANT, *store), "tenant_id": TENANT,
                            "store_id": store, "sequence": batches.len(),
                            "state_root": StateRoot([0; 32]), "batch_count": batches.len(),
                        })
                    })
                    .collect();
                let end = after + streams.len();
                let mut page = json!({"streams": streams, "finalized_block_number": 100});
                if end < self.batches.len() {
                    page["cursor"] = end.to_string().into();
                }
                page
            }
            "ves_head" => {
                let store: StoreId = params[1].as_str().unwrap().parse().unwrap();
                json!({
                    "stream_id": stream_id(TENANT, store), "sequence": 0,
                    "state_root": StateRoot([0; 32]),
                    "batch_count": self.batches.get(&store).map_or(0, Vec::len),
                    "finalized_block_number": 100, "finalized_block_hash": HASH,
                })
            }
            "ves_batches" => {
                let store: StoreId = params[1].as_str().unwrap().parse().unwrap();
                let (from, limit) = (number(2), number(3));
                assert!((1..=1_000).contains(&limit));
                let all = &self.batches[&store];
                let page: Vec<_> = all.iter().skip(from).take(limit.min(PAGE)).collect();
                let end = from + page.len();
                let mut page = json!({"batches": page, "batch_count": all.len()});
                if end < all.len() {
                    page["next_index"] = end.into();
                }
                page
            }
            "ves_batchById" => {
                let id = params[0].as_str().unwrap();
                let is_it = |batch: &&BatchJson| batch.batch.batch_id.to_string() == id;
                json!(self.batches.values().flatten().find(is_it))
            }
            other => panic!("{other}"),
        }
    }
}

const TENANT: TenantId = TenantId([1; 16]);

async fn respond(State(world): State<Arc<World>>, Json(call): Json<Value>) -> Json<Value> {
    let method = call["method"].as_str().unwrap();
    *world
        .asked
        .lock()
        .unwrap()
        .entry(method.into())
        .or_default() += 1;
    let result = world.answer(method, &call["params"]);
    Json(json!({"jsonrpc": "2.0", "id": call["id"], "result": result}))
}

struct Gateway {
    base: String,
    key: String,
    world: Arc<World>,
    client: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl Gateway {
    async fn start(world: World, anchoring: &str) -> Self {
        let world = Arc::new(world);
        let node = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", node.local_addr().unwrap());
        let routes = Router::new()
            .route("/", post(respond))
            .with_state(world.clone());
        tokio::spawn(async move { axum::serve(node, routes).await });

        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let ledger = folder.path().join("ledger");
        let text = format!("[anchoring]\nledger = {ledger:?}\n{anchoring}\n");
        std::fs::write(&config, text).unwrap();
        let keys = folder.path().join("keys.json");
        let given = Given {
            keys: Some(keys.clone()),
            ..Given::default()
        };
        let settings = Settings {
            // Operators must use a WebSocket; the client speaks both.
            node: url,
            ..Settings::load(given, Some(&config)).unwrap()
        };
        let app = Arc::new(App::new(settings).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(server::serve(app, listener, std::future::pending()));
        let new = NewKey {
            name: String::new(),
            tenant: OPERATOR,
            stores: Vec::new(),
            agent: None,
            permissions: vec![Permission::Read, Permission::Write, Permission::Admin],
            per_minute: None,
        };
        let gateway = Self {
            base,
            key: keys::create(&keys, new).unwrap().0,
            world,
            client: reqwest::Client::new(),
            _folder: folder,
        };
        for _ in 0..200 {
            if gateway.get("/ready").await.0 == 200 {
                return gateway;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!(
            "the gateway is not ready: {:?}",
            gateway.get("/ready").await
        );
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.header("x-api-key", &self.key).send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        )
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.answer(self.client.get(format!("{}{path}", self.base)))
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base));
        self.answer(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await
    }
}

/// The recorded requests, and what a node has of their events: with their payloads or without.
fn recorded(pruned: bool) -> (Vec<Value>, World) {
    let requests = recorded::requests();
    let stored = |(sequence, request): (u64, &Value)| {
        let event = recorded::event(request);
        recorded::record(sequence, &event, (!pruned).then_some(&event.payload))
    };
    let world = World {
        events: (1u64..).zip(&requests).map(stored).collect(),
        ..World::default()
    };
    (requests, world)
}

const INGEST: &str = "/api/v1/ves/events/ingest";

#[tokio::test]
async fn a_replay_that_the_chain_has_forgotten_has_its_receipt_even_if_its_payload_is_pruned() {
    for pruned in [false, true] {
        let (requests, world) = recorded(pruned);
        let gateway = Gateway::start(world, "").await;
        for (sequence, request) in (1u64..).zip(&requests) {
            let (status, answer) = gateway.post(INGEST, request).await;
            assert_eq!(status, 200, "{answer}");
            assert_eq!(answer["rejections"], json!([]), "pruned: {pruned}");
            let receipt = &answer["receipts"][0];
            assert_eq!(receipt["sequenceNumber"], sequence);
            assert_eq!(receipt["finalized"], true);
            assert_eq!(receipt["eventId"], request["events"][0]["event_id"]);
            assert_eq!(answer["eventsAccepted"], 0);
        }
    }
}

#[tokio::test]
async fn another_event_with_the_id_of_a_forgotten_one_is_refused_pruned_or_not() {
    for pruned in [false, true] {
        let (requests, world) = recorded(pruned);
        let gateway = Gateway::start(world, "").await;
        for request in requests {
            for (name, value) in [
                ("agent_signature", json!("11".repeat(64))),
                ("entity_id", json!("another")),
                ("created_at", json!("2025-12-20T17:51:10.244Z")),
            ] {
                let mut other = request.clone();
                other["events"][0][name] = value;
                // An encrypted payload's hash covers these, so the event's own bytes condemn it.
                let expected = match (&request["events"][0]["payload_kind"], name) {
                    (kind, "entity_id" | "created_at") if *kind == 1 => "invalid_cipher_hash",
                    _ => "duplicate_event_id",
                };
                let (status, answer) = gateway.post(INGEST, &other).await;
                assert_eq!(status, 200, "{answer}");
                assert_eq!(answer["receipts"], json!([]), "{name}");
                assert_eq!(answer["rejections"][0]["reason"], expected, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn an_event_that_nobody_knows_is_refused_for_its_age() {
    let (requests, world) = recorded(true);
    let gateway = Gateway::start(world, "").await;
    let mut unknown = requests[0].clone();
    unknown["events"][0]["event_id"] = json!("00000000-0000-4000-8000-0000000000ff");
    let (_, answer) = gateway.post(INGEST, &unknown).await;
    assert_eq!(answer["rejections"][0]["reason"], "created_at_too_old");
}

#[tokio::test]
async fn compliance_needs_no_payload() {
    let mut of_both = Vec::new();
    for pruned in [false, true] {
        let (requests, world) = recorded(pruned);
        let gateway = Gateway::start(world, "").await;
        let mut answers = Vec::new();
        for request in &requests {
            let event = &request["events"][0];
            let text = |name: &str| event[name].as_str().unwrap().to_owned();
            let (id, tenant, store) = (text("event_id"), text("tenant_id"), text("store_id"));
            let at = format!("/api/v1/ves/compliance/{id}");
            let stream = format!("tenant_id={tenant}&store_id={store}");
            let policy = json!({"policyId": "aml.threshold", "policyParams": {"threshold": 1_000}});
            let (status, inputs) = gateway
                .post(&format!("{at}/inputs?{stream}"), &policy)
                .await;
            assert_eq!(status, 200, "{inputs}");
            assert_eq!(inputs["publicInputs"]["eventId"], event["event_id"]);
            let (status, proofs) = gateway.get(&format!("{at}/proofs?{stream}")).await;
            assert_eq!((status, &proofs["proofs"]), (200, &json!([])));
            let (status, none) = gateway
                .get(&format!(
                    "/api/v1/ves/compliance/proofs/{id}-{}?{stream}",
                    "ab".repeat(32)
                ))
                .await;
            assert_eq!((status, &none["error"]["code"]), (404, &json!(4001)));
            answers.push(inputs);
        }
        of_both.push(answers);
    }
    assert_eq!(of_both[0], of_both[1], "the payload made a difference");
}

fn batch_id(store: u8, index: u8) -> [u8; 32] {
    let mut id = [store; 32];
    id[1] = index;
    id
}

/// Stores 1 to `stores`, store `n` with `n` batches and one more, in turns.
fn chain(stores: u8) -> World {
    let (_, mut world) = recorded(false);
    for store in 1..=stores {
        let batches = (0..=u64::from(store)).map(|index| {
            let block_number = u32::try_from(index).unwrap() * 100 + u32::from(store);
            let batch = BatchCommitment {
                batch_id: BatchId(batch_id(store, u8::try_from(index).unwrap())),
                tenant_id: TENANT,
                store_id: StoreId([store; 16]),
                batch_index: index,
                block_number,
                sequence_start: index + 1,
                sequence_end: index + 1,
                leaf_count: 1,
                events_root: EventsRoot([2; 32]),
                prev_state_root: StateRoot([3; 32]),
                new_state_root: StateRoot([4; 32]),
            };
            BatchJson {
                stream_id: batch.stream_id(),
                block_hash: [5; 32],
                batch,
            }
        });
        world
            .batches
            .insert(StoreId([store; 16]), batches.collect());
    }
    world
}

/// Store and first sequence of each.
fn shown(pending: &Value) -> Vec<(String, u64)> {
    pending["commitments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| {
            let store = batch["store_id"].as_str().unwrap()[..2].to_owned();
            (store, batch["sequence_start"].as_u64().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn all_streams_are_offered_page_by_page_and_the_oldest_batches_first() {
    let gateway = Gateway::start(chain(8), "streams = \"all\"").await;
    let (status, pending) = gateway.get("/v1/commitments/pending").await;
    assert_eq!(status, 200, "{pending}");
    // The first batch of every stream is anchored.
    let mut expected = Vec::new();
    for index in 1u64..=8 {
        expected.extend(
            (1u8..=8)
                .filter(|store| u64::from(*store) >= index)
                .map(|store| (hex::encode([store]), index + 1)),
        );
    }
    assert_eq!(shown(&pending), expected);
    assert_eq!(pending["total"], expected.len());
    assert_eq!(gateway.world.asked("ves_streams"), 3, "8 streams, 3 a page");
    assert_eq!(gateway.world.asked("ves_batch"), 0);
    // ceil(n / 3) pages of the n batches that store n has after the anchored one.
    assert_eq!(
        gateway.world.asked("ves_batches"),
        1 + 1 + 1 + 2 + 2 + 2 + 3 + 3
    );

    let (_, few) = gateway.get("/v1/commitments/pending?limit=5").await;
    assert_eq!(shown(&few), expected[..5]);

    // A report takes its batch off the list, whichever stream it is of.
    let second = &pending["commitments"][1];
    let report = json!({"chain_tx_hash": "ab".repeat(32), "chain_id": 1, "block_number": 1});
    let id = hex::encode(batch_id(2, 1));
    let (status, answer) = gateway
        .post(&format!("/v1/commitments/0x{id}/anchored"), &report)
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["batch_id"], second["batch_id"]);
    let (_, left) = gateway.get("/v1/commitments/pending").await;
    let mut others = expected.clone();
    others.remove(1);
    assert_eq!(shown(&left), others);
}

#[tokio::test]
async fn a_list_of_streams_offers_no_others_and_without_one_nothing_is_offered() {
    let list = format!("streams = [\"{TENANT}/{}\"]", StoreId([4; 16]));
    let gateway = Gateway::start(chain(8), &list).await;
    let (_, pending) = gateway.get("/v1/commitments/pending").await;
    let of_four: Vec<_> = (2u64..=5)
        .map(|sequence| ("04".to_owned(), sequence))
        .collect();
    assert_eq!(shown(&pending), of_four);
    assert_eq!(gateway.world.asked("ves_streams"), 0);
    let report = json!({"chain_tx_hash": "ab".repeat(32), "chain_id": 1, "block_number": 1});
    for (store, expected) in [(4u8, 200), (5, 404)] {
        let id = hex::encode(batch_id(store, 1));
        let (status, answer) = gateway
            .post(&format!("/v1/commitments/0x{id}/anchored"), &report)
            .await;
        assert_eq!(status, expected, "{answer}");
    }

    let silent = Gateway::start(chain(8), "").await;
    let (status, pending) = silent.get("/v1/commitments/pending").await;
    assert_eq!((status, &pending["total"]), (200, &json!(0)));
}

#[tokio::test]
async fn a_page_of_commitments_is_asked_for_in_pages_of_the_node() {
    let gateway = Gateway::start(chain(8), "").await;
    let stream = format!("tenant_id={TENANT}&store_id={}", StoreId([8; 16]));
    let path = format!("/api/v1/ves/commitments?{stream}&include_anchored=true");
    let (status, all) = gateway.get(&path).await;
    assert_eq!(status, 200, "{all}");
    assert_eq!((&all["count"], &all["total"]), (&json!(9), &json!(9)));
    assert_eq!(gateway.world.asked("ves_batches"), 3);
    let (_, some) = gateway.get(&format!("{path}&from=2&limit=4")).await;
    let indexes: Vec<u64> = some["commitments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| batch["batch_index"].as_u64().unwrap())
        .collect();
    assert_eq!(indexes, [2, 3, 4, 5]);
    assert_eq!(some["next_from"], 6);
    let (status, beyond) = gateway.get(&format!("{path}&from=9")).await;
    assert_eq!((status, &beyond["count"]), (200, &json!(0)));
}
