// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Subscriptions over real WebSockets, and the slow and the greedy ones.

use super::*;
use crate::both::on_both_databases;
use jsonrpsee::{
    core::client::{ClientT, Subscription, SubscriptionClientT},
    rpc_params,
    server::{Server, ServerHandle},
    ws_client::{WsClient, WsClientBuilder},
};
use ves_primitives::wire::{EventFilter, NewEventsJson};

async fn serve(module: RpcModule<()>) -> (String, ServerHandle) {
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    (url, server.start(module))
}

async fn client(url: &str) -> WsClient {
    WsClientBuilder::default().build(url).await.unwrap()
}

async fn subscribe(
    client: &WsClient,
    from: Option<u64>,
    filter: Option<EventFilter>,
) -> Subscription<NewEventsJson> {
    let params = rpc_params![TENANT, STORE, from, filter];
    client
        .subscribe("ves_subscribeEvents", params, "ves_unsubscribeEvents")
        .await
        .unwrap()
}

/// Sequences of the messages up to `last`, and where to go on.
async fn sequences(subscription: &mut Subscription<NewEventsJson>, last: u64) -> (Vec<u64>, u64) {
    let mut all = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), subscription.next());
        let message = next.await.expect("an event in time").unwrap().unwrap();
        assert!(!message.events.is_empty());
        all.extend(message.events.iter().map(|event| event.sequence));
        if message.next_sequence > last {
            return (all, message.next_sequence);
        }
    }
}

on_both_databases! {
    async fn a_subscriber_gets_every_event_from_its_sequence_on_and_again_after_a_cut(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let old: Vec<_> = (0..3).map(|_| prepared(chain.block(&[(STORE, 300), (OTHER_STORE, 1)], "{}"))).collect();
        store.append(&old).await.unwrap();
        let (url, _server) = serve(over(&store, 8)).await;
        let first = client(&url).await;
        let mut subscription = subscribe(&first, Some(5), None).await;
        let mut live = subscribe(&first, None, None).await;
        let (seen, next) = sequences(&mut subscription, 900).await;
        assert_eq!((seen, next), ((5..=900).collect(), 901));
        let append = async |chain: &mut Chain| {
            let blocks = [prepared(chain.block(&[], "")), prepared(chain.block(&[(STORE, 7)], "{}"))];
            store.append(&blocks).await.unwrap();
        };
        append(&mut chain).await;
        assert_eq!(sequences(&mut live, 907).await, ((901..=907).collect(), 908));
        let (seen, next) = sequences(&mut subscription, 907).await;
        assert_eq!((seen, next), ((901..=907).collect(), 908));
        // The connection is cut, the chain goes on, another connection continues.
        drop((subscription, first));
        append(&mut chain).await;
        let second = client(&url).await;
        let mut subscription = subscribe(&second, Some(next), None).await;
        append(&mut chain).await;
        assert_eq!(sequences(&mut subscription, 921).await, ((908..=921).collect(), 922));
    }

    async fn a_filtered_subscription_tells_only_what_the_filter_lets_through(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let (url, _server) = serve(over(&store, 8)).await;
        let client = client(&url).await;
        let filter = EventFilter { event_type: Some("order.paid".into()), ..EventFilter::default() };
        let mut subscription = subscribe(&client, Some(1), Some(filter)).await;
        for block in 0..4u64 {
            let events = (1..=10u64).map(|n| {
                let mut event = event(STORE, block * 10 + n, "{}");
                if block == 3 && n == 4 {
                    event.envelope.event_type = b"order.paid".to_vec().try_into().unwrap();
                }
                event
            });
            let block = chain.block_of(vec![(STORE, events.collect())]);
            store.append(&[prepared(block)]).await.unwrap();
        }
        let (seen, next) = sequences(&mut subscription, 34).await;
        assert_eq!(seen, [34]);
        assert!(next > 34, "{next}");
    }
}

/// Waits until the node has given up the only subscriber it has room for.
async fn given_up(module: &RpcModule<()>) {
    let again = async || {
        let params = (TENANT, STORE, 1u64);
        module.subscribe("ves_subscribeEvents", params, 1).await
    };
    let waiting = async {
        while again().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("the place is free in time");
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_told_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(30_000));
    for _ in 0..4 {
        store
            .append(&[prepared(chain.block(&[(STORE, 30)], &payload))])
            .await
            .unwrap();
    }
    let module = over(&store, 1);
    let params = (TENANT, STORE, 1u64);
    let mut slow = module
        .subscribe("ves_subscribeEvents", params, 1)
        .await
        .unwrap();
    // It takes one message and then nothing, for longer than the node's patience.
    let (first, _) = slow.next::<NewEventsJson>().await.unwrap().unwrap();
    given_up(&module).await;
    let (second, _) = slow.next::<NewEventsJson>().await.unwrap().unwrap();
    assert_eq!(second.events[0].sequence, first.next_sequence);
    assert!(second.next_sequence < 120, "{}", second.next_sequence);
    assert!(
        slow.next::<NewEventsJson>().await.is_none(),
        "the subscription has ended"
    );
    // Meanwhile the node answers others, and the place is free again.
    assert!(call(&module, "ves_health", "[]").await.is_ok());
}

/// The error itself, as a client sees it that reads frame by frame.
#[tokio::test]
async fn the_error_of_a_slow_subscriber_has_a_name_and_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(30_000));
    for _ in 0..4 {
        store
            .append(&[prepared(chain.block(&[(STORE, 30)], &payload))])
            .await
            .unwrap();
    }
    let module = over(&store, 1);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "ves_subscribeEvents", "params": [TENANT, STORE, 1]});
    let (answer, mut frames) = module
        .raw_json_request(&request.to_string(), 1)
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer.get("error").is_none(), "{answer}");
    given_up(&module).await;
    let mut next = json!(1);
    loop {
        let frame = tokio::time::timeout(Duration::from_secs(10), frames.recv())
            .await
            .unwrap()
            .unwrap();
        let frame: Value = serde_json::from_str(&frame).unwrap();
        let params = &frame["params"];
        if let Some(error) = params.get("error") {
            assert_eq!(error["code"], codes::SUBSCRIBER_TOO_SLOW);
            assert_eq!(
                error["data"],
                json!({ "name": "subscriber_too_slow", "next_sequence": next })
            );
            break;
        }
        if let Some(result) = params.get("result") {
            assert_eq!(result["events"][0]["sequence"], next);
            next = result["next_sequence"].clone();
        }
    }
}

#[tokio::test]
async fn there_are_only_so_many_subscriptions_and_ended_ones_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = node(folder.path()).await;
    let (url, _server) = serve(over(&store, 2)).await;
    let client = client(&url).await;
    let one = subscribe(&client, None, None).await;
    let _two = subscribe(&client, None, None).await;
    let refused = async || {
        let params = rpc_params![TENANT, STORE];
        let third: Result<Subscription<NewEventsJson>, _> = client
            .subscribe("ves_subscribeEvents", params, "ves_unsubscribeEvents")
            .await;
        match third {
            Ok(third) => Ok(third),
            Err(jsonrpsee::core::client::Error::Call(error)) => Err(error.code()),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(refused().await.err(), Some(codes::TOO_MANY_SUBSCRIPTIONS));
    one.unsubscribe().await.unwrap();
    let mut third = refused().await;
    for _ in 0..100 {
        if third.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        third = refused().await;
    }
    third.unwrap();
    let malformed: Result<Subscription<NewEventsJson>, _> = client
        .subscribe(
            "ves_subscribeEvents",
            rpc_params![TENANT, "x"],
            "ves_unsubscribeEvents",
        )
        .await;
    assert!(malformed.unwrap_err().to_string().contains("store_id: "));
    let _: StoreHealthJson = client.request("ves_health", rpc_params![]).await.unwrap();
}
