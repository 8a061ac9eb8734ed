// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Programs that follow a stream with `ves-client`, whose connections break.

use super::*;
use jsonrpsee::{
    SubscriptionMessage,
    server::{Server, ServerHandle},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use ves_client::{ChainClient, ClientError, Following};
use ves_primitives::{
    GenesisHash,
    wire::{EventFilter, NewEventsJson},
};

/// A node as far as a follower asks it.
async fn serve(mut module: RpcModule<()>, genesis: GenesisHash) -> (String, ServerHandle) {
    module
        .register_method("chain_getBlockHash", move |_, _, _| genesis.to_string())
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap().to_string();
    (address, server.start(module))
}

/// Hands connections on to wherever it is told to, and cuts all of them at each word.
struct Proxy {
    url: String,
    target: watch::Sender<String>,
}

impl Proxy {
    async fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (sender, receiver) = watch::channel(target.to_owned());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut target = receiver.clone();
                tokio::spawn(async move {
                    let address = target.borrow_and_update().clone();
                    let Ok(mut far) = TcpStream::connect(address).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = target.changed() => {}
                    }
                });
            }
        });
        Self {
            url,
            target: sender,
        }
    }

    fn cut(&self) {
        self.target.send_modify(|_| {});
    }

    fn lead_to(&self, target: &str) {
        self.target.send_replace(target.to_owned());
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("in time")
}

/// Reads until sequence `last`, giving up waiting now and then; what came.
async fn read(following: &mut Following, last: u64) -> Vec<SequencedEventJson> {
    let mut all: Vec<SequencedEventJson> = Vec::new();
    soon(async {
        while following.next_sequence().is_none_or(|next| next <= last) {
            let patience = Duration::from_millis(7);
            if let Ok(news) = tokio::time::timeout(patience, following.next()).await {
                all.extend(news.unwrap().events);
            }
        }
    })
    .await;
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_every_event_once_however_often_its_connection_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (address, server) = serve(over(&store, 64), GENESIS).await;
    let proxy = Proxy::to(&address).await;
    let client = ChainClient::connect(&proxy.url, Some(GENESIS))
        .await
        .unwrap();
    let mut all = client.follow(TENANT, STORE, Some(1), EventFilter::default());
    let filter = EventFilter {
        agent_id: Some(AgentId([2; 16])),
        ..EventFilter::default()
    };
    let mut some = client.follow(TENANT, STORE, Some(1), filter);
    let reading = tokio::spawn(async move {
        let all = read(&mut all, 600).await;
        (all, read(&mut some, 600).await)
    });
    let mut chain = Chain::default();
    for block in 0..60u64 {
        let events = (0..10u64).map(|n| {
            let mut event = event(STORE, block * 10 + n, "{}");
            event.envelope.source_agent_id = AgentId([(n % 3) as u8; 16]);
            event
        });
        let raw = chain.block_of(vec![(STORE, events.collect())]);
        store.append(&[prepared(raw)]).await.unwrap();
        if block % 4 == 1 {
            proxy.cut();
        }
        if block == 30 {
            // As while a node restarts: nobody answers for a while.
            proxy.lead_to("127.0.0.1:1");
            tokio::time::sleep(Duration::from_millis(300)).await;
            proxy.lead_to(&address);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (all, some) = soon(reading).await.unwrap();
    assert!(all.iter().map(|event| event.sequence).eq(1..=600));
    let page = store.events(TENANT, STORE, 1, 600).await.unwrap();
    assert_eq!(all, page.events);
    let of_agent = |event: &&SequencedEventJson| event.event.source_agent_id == AgentId([2; 16]);
    assert!(some.iter().eq(all.iter().filter(of_agent)));
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_of_what_is_new_misses_nothing_after_its_first_look() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    store
        .append(&[prepared(chain.block(&[(STORE, 5)], "{}"))])
        .await
        .unwrap();
    store.report_finalized(1, false);
    let (address, _server) = serve(over(&store, 8), GENESIS).await;
    let proxy = Proxy::to(&address).await;
    let client = ChainClient::connect(&proxy.url, None).await.unwrap();
    let mut following = client.follow(TENANT, STORE, None, EventFilter::default());
    assert_eq!(following.next_sequence(), None);
    soon(async {
        while following.next_sequence().is_none() {
            let look = tokio::time::timeout(Duration::from_millis(50), following.next());
            assert!(look.await.is_err(), "nothing is new");
        }
    })
    .await;
    assert_eq!(following.next_sequence(), Some(6));
    proxy.cut();
    store
        .append(&[prepared(chain.block(&[(STORE, 3)], "{}"))])
        .await
        .unwrap();
    let found = read(&mut following, 8).await;
    assert!(found.iter().map(|event| event.sequence).eq(6..=8));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_does_not_go_on_with_another_chain() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    store
        .append(&[prepared(chain.block(&[(STORE, 2)], "{}"))])
        .await
        .unwrap();
    let (address, _server) = serve(over(&store, 8), GENESIS).await;
    let (other, _other) = serve(over(&store, 8), GenesisHash([3; 32])).await;
    let proxy = Proxy::to(&address).await;
    let client = ChainClient::connect(&proxy.url, None).await.unwrap();
    let mut following = client.follow(TENANT, STORE, Some(1), EventFilter::default());
    assert_eq!(soon(following.next()).await.unwrap().events.len(), 2);
    proxy.lead_to(&other);
    let error = soon(following.next()).await.unwrap_err();
    assert!(matches!(error, ClientError::WrongChain { .. }), "{error}");
    // Back at its own, it goes on.
    proxy.lead_to(&address);
    store
        .append(&[prepared(chain.block(&[(STORE, 1)], "{}"))])
        .await
        .unwrap();
    let found = read(&mut following, 3).await;
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_events_out_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    store
        .append(&[prepared(chain.block(&[(STORE, 4)], "{}"))])
        .await
        .unwrap();
    let events = store.events(TENANT, STORE, 1, 4).await.unwrap().events;
    let pick = |sequences: &[usize], next_sequence| NewEventsJson {
        events: sequences.iter().map(|n| events[n - 1].clone()).collect(),
        next_sequence,
    };
    for (lie, everything_only) in [
        (pick(&[2, 3], 4), true),
        (pick(&[1, 3], 4), true),
        (pick(&[1, 2], 4), true),
        (pick(&[2, 1], 3), false),
        (pick(&[1, 1], 3), false),
        (pick(&[1, 2], 2), false),
        (pick(&[], 2), false),
    ] {
        let mut module = RpcModule::new(lie);
        module
            .register_subscription(
                "ves_subscribeEvents",
                "ves_newEvents",
                "ves_unsubscribeEvents",
                |_, pending, lie, _| async move {
                    let sink = pending.accept().await.unwrap();
                    let message = SubscriptionMessage::from_json(&*lie).unwrap();
                    sink.send(message).await.unwrap();
                    sink.closed().await;
                },
            )
            .unwrap();
        let (address, _server) = serve(module.remove_context(), GENESIS).await;
        let client = ChainClient::connect(&format!("ws://{address}"), None)
            .await
            .unwrap();
        let mut following = client.follow(TENANT, STORE, Some(1), EventFilter::default());
        let error = soon(following.next()).await.unwrap_err();
        assert!(matches!(error, ClientError::Decode { .. }), "{error}");
        assert_eq!(following.next_sequence(), Some(1));
        let filter = EventFilter {
            entity_type: Some("order".into()),
            ..EventFilter::default()
        };
        let mut following = client.follow(TENANT, STORE, Some(1), filter);
        assert_eq!(soon(following.next()).await.is_ok(), everything_only);
    }
}
