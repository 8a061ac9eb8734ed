// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Stores that another process writes.

use super::*;
use crate::{
    both::{Place, Standby, on_both_databases},
    db::args,
    rpc::{self, tests::Node},
    testing::*,
};
use serde_json::{Value, json};
use std::time::Duration;

async fn ask(module: &jsonrpsee::RpcModule<()>, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let (answer, _) = module
        .raw_json_request(&request.to_string(), 1)
        .await
        .unwrap();
    serde_json::from_str(&answer).unwrap()
}

/// Waits until a replica has a block, as a node does that follows it.
async fn follow(replica: &Store, number: u32) {
    for _ in 0..2_000 {
        if replica.cursor().await.unwrap().number >= number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the replica does not get block {number}");
}

/// A replica answers what the store it is of answers, tells subscribers of new blocks, and writes nothing.
async fn reads_and_never_writes(store: &Store, replica: &Store) {
    let mut chain = Chain::default();
    let first = prepared(chain.block(&[(STORE, 200), (OTHER_STORE, 1)], r#"{"a":1}"#));
    store.append(&[first]).await.unwrap();
    follow(replica, 1).await;
    store.report_finalized(1, false);
    replica.report_finalized(1, false);
    let node = rpc::module(store.clone(), Arc::new(Node));
    let reader = rpc::module(replica.clone(), Arc::new(Node));
    for (method, params) in [
        ("ves_events", json!([TENANT, STORE, 150, 100])),
        (
            "ves_findEvents",
            json!([TENANT, STORE, { "entity_type": "order" }, true, null, 50]),
        ),
        (
            "ves_entityHistory",
            json!([TENANT, STORE, "order", "o-1", null, 50]),
        ),
        ("ves_inclusionProof", json!([TENANT, STORE, 77])),
        ("ves_bundle", json!([TENANT, STORE, event_id(9)])),
        ("ves_streams", json!([])),
    ] {
        let answer = ask(&reader, method, params.clone()).await;
        assert!(answer.get("error").is_none(), "{answer}");
        assert_eq!(answer, ask(&node, method, params).await);
    }
    let mut news = replica.watch_indexed();
    news.borrow_and_update();
    let second = prepared(chain.block(&[(STORE, 1)], "{}"));
    store.append(std::slice::from_ref(&second)).await.unwrap();
    follow(replica, 2).await;
    assert!(news.has_changed().unwrap());

    // It says what it is, and how far it is behind.
    replica.report_finalized(5, false);
    let health = ask(&reader, "ves_health", json!([])).await["result"].clone();
    assert_eq!(
        (&health["replica"], &health["lag_blocks"]),
        (&json!(true), &json!(3))
    );
    let health = ask(&node, "ves_health", json!([])).await["result"].clone();
    assert_eq!(health["replica"], json!(false));

    let cursor = replica.cursor().await.unwrap();
    assert!(matches!(
        replica.append(&[second]).await,
        Err(StoreError::ReadOnly)
    ));
    assert!(matches!(
        replica.prune_step(2).await,
        Err(StoreError::ReadOnly)
    ));
    assert!(matches!(
        replica
            .rewind(&Cursor {
                number: 0,
                ..cursor
            })
            .await,
        Err(StoreError::ReadOnly)
    ));
    let sql = "UPDATE meta SET pruned_below = 2";
    assert!(
        replica
            .snapshot()
            .await
            .unwrap()
            .execute(sql, args![])
            .await
            .is_err()
    );
    assert_eq!(store.pruned_below().await.unwrap(), 0);
}

on_both_databases! {
    async fn a_replica_of_the_same_database_reads_and_never_writes(place: Place) {
        let store = place.open().await;
        let replica = Store::open_replica(&place.config, GENESIS).await.unwrap();
        reads_and_never_writes(&store, &replica).await;
    }

    async fn there_is_no_replica_of_what_no_node_has_written(place: Place) {
        let refused = Store::open_replica(&place.config, GENESIS).await;
        assert!(matches!(refused, Err(StoreError::Replica { .. })), "{refused:?}");
        let store = place.open().await;
        let other = GenesisHash([1; 32]);
        let refused = Store::open_replica(&place.config, other).await;
        assert!(matches!(refused, Err(StoreError::WrongChain { .. })), "{refused:?}");
        // Of a version that this program does not know.
        let mut transaction = store.db.write().await.unwrap();
        transaction.execute("UPDATE _sqlx_migrations SET version = version + 1000", args![]).await.unwrap();
        transaction.commit().await.unwrap();
        let refused = Store::open_replica(&place.config, GENESIS).await;
        assert!(matches!(refused, Err(StoreError::Replica { .. })), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streaming_replica_of_a_server_serves_what_its_primary_writes() {
    let place = Place::postgres();
    let store = place.open().await;
    let standby = Standby::start();
    let config = standby.of(&place);
    let replica = Store::open_replica(&config, GENESIS).await.unwrap();
    reads_and_never_writes(&store, &replica).await;
    // The server itself would refuse: it is in recovery.
    assert!(Store::open(&config, GENESIS).await.is_err());
}
