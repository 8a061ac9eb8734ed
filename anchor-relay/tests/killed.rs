// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program, killed with SIGKILL at each state of its journal, with several batches in every
//! transaction. `points.rs` does the same
//! between any two steps of the library.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::journal::{Journal, SendState};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::time::Duration;
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm},
    program::{Relay, Site, until},
    proxy::Proxy,
    running::all,
    served::Served,
};

const STREAMS: u8 = 3;

/// Where the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A nonce is reserved, nothing is signed: the journal refuses the signed transaction.
    Intent,
    /// Signed; the network does not have it: it is on its way.
    Signed,
    /// Signed; the network has it: its answer is on its way.
    Announced,
    /// The same, and it is in no block yet.
    AnnouncedInPool,
    /// A node took it, it is in the pool.
    Sent,
    /// A dearer one is signed, too.
    Bumped,
    /// In a block that is not confirmed.
    Included,
    /// In a block that is; the journal refuses to note that the batches are anchored.
    Final,
    /// Just noted.
    Anchored,
}

const ALL: [At; 9] = [
    At::Intent,
    At::Signed,
    At::Announced,
    At::AnnouncedInPool,
    At::Sent,
    At::Bumped,
    At::Included,
    At::Final,
    At::Anchored,
];

impl At {
    /// The state that the journal must be in.
    const fn state(self) -> SendState {
        match self {
            Self::Intent => SendState::Intent,
            Self::Signed | Self::Announced | Self::AnnouncedInPool => SendState::Signed,
            Self::Sent | Self::Bumped => SendState::Sent,
            Self::Included => SendState::Included,
            Self::Final | Self::Anchored => SendState::Final,
        }
    }

    /// A trigger that keeps the journal from going on.
    const fn trap(self) -> Option<&'static str> {
        match self {
            Self::Intent => Some(
                "CREATE TRIGGER trap BEFORE INSERT ON attempts \
                 BEGIN SELECT RAISE(ABORT, 'a test'); END",
            ),
            Self::Final => Some(
                "CREATE TRIGGER trap BEFORE UPDATE OF anchored ON batches \
                 BEGIN SELECT RAISE(ABORT, 'a test'); END",
            ),
            _ => None,
        }
    }

    const fn mines(self) -> bool {
        !matches!(self, Self::AnnouncedInPool | Self::Sent | Self::Bumped)
    }
}

async fn sql(site: &Site, text: &'static str) {
    let options = SqliteConnectOptions::new()
        .filename(site.journal())
        .busy_timeout(Duration::from_secs(10));
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// What the journal says of a nonce: its state, its attempts, what it carries.
async fn send(site: &Site, nonce: u64) -> Option<(String, usize, usize)> {
    let journal = Journal::open_read_only(&site.journal()).await.unwrap();
    let live = journal.live_sends().await.unwrap();
    let attempts = journal.attempts(nonce).await.unwrap().len();
    let items = journal.items(nonce).await.unwrap().len();
    let state = match live.iter().find(|send| send.nonce == nonce) {
        Some(send) => Some(send.state.name().to_owned()),
        // Not live: settled, if it is there at all.
        None => (attempts > 0).then(|| "final".to_owned()),
    };
    journal.close().await;
    state.map(|state| (state, attempts, items))
}

/// Waits until everything up to `count` is anchored; the chain goes on meanwhile.
async fn anchored(relay: &Relay, site: &Site, evm: &Evm, count: u64) {
    until("anchors", relay, async || {
        evm.mine(1).await;
        let journal = Journal::open_read_only(&site.journal()).await.unwrap();
        let anchored = journal.totals().await.unwrap().1;
        journal.close().await;
        anchored == count
    })
    .await;
}

/// Runs the program until it stands at `at` with the transaction of `nonce`, and kills it there.
async fn kill(at: At, site: &Site, evm: &Evm, proxy: &Proxy, nonce: u64) {
    if let Some(trap) = at.trap() {
        sql(site, trap).await;
    }
    evm.automine(at.mines()).await;
    proxy.block_sends(at == At::Signed);
    let announced = matches!(at, At::Announced | At::AnnouncedInPool);
    proxy.hold_answers(Duration::from_secs(if announced { 60 } else { 0 }));
    let relay = site.start().await;
    until(&format!("{at:?}"), &relay, async || {
        if at == At::Bumped {
            // Nothing is replaced before there was a block without it.
            evm.mine_empty().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if matches!(at, At::Final | At::Anchored) {
            evm.mine(1).await;
        }
        let Some((state, attempts, _)) = send(site, nonce).await else {
            return false;
        };
        let there = match at {
            At::Announced => evm.relay_transactions().await == nonce + 1,
            At::AnnouncedInPool => pooled(evm).await == nonce + 1,
            At::Bumped => attempts >= 2,
            At::Anchored => relay.metric("ves_relay_open_batches") == 0,
            _ => true,
        };
        state == at.state().name() && there
    })
    .await;
    relay.kill_nine();
    let (state, _, items) = send(site, nonce).await.unwrap();
    assert_eq!(state, at.state().name(), "{at:?}");
    assert_eq!(
        items,
        usize::from(STREAMS),
        "{at:?}: one transaction carries all"
    );
    proxy.block_sends(false);
    proxy.hold_answers(Duration::ZERO);
    if at.trap().is_some() {
        sql(site, "DROP TRIGGER trap").await;
    }
}

/// Our transactions, those in the pool included.
async fn pooled(evm: &Evm) -> u64 {
    let params = serde_json::json!([support::evm::RELAY, "pending"]);
    let count = evm.rpc("eth_getTransactionCount", params).await;
    u64::from_str_radix(&count.as_str().unwrap()[2..], 16).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_sigkill_at_any_state_of_the_journal_neither_loses_nor_doubles_a_batch() {
    let blocks = u32::try_from(ALL.len()).unwrap() + 1;
    let script = Script::regular(STREAMS, blocks);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    let served = Served::start(source.clone()).await;
    let evm = Evm::start().await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let site = Site::new(&served.url, &proxy.url, &evm, "3", "");
    let mut count = u64::from(STREAMS);
    let relay = site.start().await;
    anchored(&relay, &site, &evm, count).await;
    assert_eq!(relay.terminate(), Some(0));
    for (nonce, at) in (1u64..).zip(ALL) {
        source.change(|inner| inner.finalized += 1);
        count += u64::from(STREAMS);
        kill(at, &site, &evm, &proxy, nonce).await;
        evm.automine(true).await;
        let relay = site.start().await;
        anchored(&relay, &site, &evm, count).await;
        assert_eq!(relay.terminate(), Some(0));
        assert_eq!(
            evm.relay_transactions().await,
            nonce + 1,
            "{at:?}: one transaction and no other"
        );
    }
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}
