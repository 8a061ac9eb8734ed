// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay against a real EVM chain and the built registry, fed by a scripted appchain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{
    consensus::TxEnvelope,
    eips::Decodable2718,
    primitives::{Bytes, U256},
    sol_types::SolCall,
};
use anchor_relay::sink::{Confirmation, commit_call};
use serde_json::json;
use std::time::Duration;
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER, RELAY},
    id,
    running::{Running, all, place, settings, start},
};

#[tokio::test(flavor = "multi_thread")]
async fn d10_batches_of_several_streams_are_anchored_once_and_in_order() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(6, 8);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 3);
    let relay = start(
        &evm,
        &path,
        source.clone(),
        settings(Confirmation::Blocks(1)),
    )
    .await;
    relay.until_anchored(18).await;
    // Later blocks are anchored as they become final, and not before.
    assert_eq!(evm.committed().await.len(), 18);
    source.change(|inner| inner.finalized = 8);
    relay.until_anchored(48).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(
        evm.relay_transactions().await,
        48,
        "one transaction per batch"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_new_journal_finds_what_is_anchored_and_sends_nothing_again() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let (_dir2, fresh) = place();
    let script = Script::regular(3, 4);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 3);
    let relay = start(
        &evm,
        &path,
        source.clone(),
        settings(Confirmation::Blocks(1)),
    )
    .await;
    relay.until_anchored(9).await;
    relay.end().await;
    source.change(|inner| inner.finalized = 4);
    let relay = start(&evm, &fresh, source, settings(Confirmation::Blocks(1))).await;
    relay.until_anchored(12).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_second_batch_waits_until_the_first_is_confirmed_unless_genesis_is_strict() {
    for strict in [false, true] {
        let evm = Evm::start().await;
        evm.admin(Admin::setStrictGenesisCall { enabled: strict })
            .await;
        let (_dir, path) = place();
        let script = Script::regular(1, 2);
        let batches = all(&script);
        let source = ScriptedSource::all(script);
        let relay = start(&evm, &path, source, settings(Confirmation::Finalized)).await;
        let held = async |count| {
            relay
                .until("commitments", async |_: &Running| {
                    evm.committed().await.len() == count
                })
                .await;
        };
        if strict {
            held(2).await;
        } else {
            held(1).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(evm.committed().await.len(), 1, "the first one is not final");
            evm.mine(10).await;
            held(2).await;
        }
        evm.mine(10).await;
        relay.until_anchored(2).await;
        relay.end().await;
        evm.audit(&batches).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_what_is_on_its_way_counts_against_the_budget_of_the_day() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let source = ScriptedSource::all(Script::regular(4, 1));
    evm.automine(false).await;
    let mut thrifty = settings(Confirmation::Blocks(1));
    thrifty.send.bump_after = Duration::from_secs(600);
    // One batch costs less, and may cost more.
    thrifty.daily_budget_gwei = Some(500_000);
    let relay = start(&evm, &path, source, thrifty).await;
    until_one_is_sent(&relay).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let sent = [("sent".to_owned(), 1)];
    assert_eq!(relay.journal.send_counts().await.unwrap(), sent);
    // What it did cost leaves room.
    evm.mine(1).await;
    relay
        .until("the next one", async |r: &Running| {
            r.journal.next_nonce().await.unwrap() == 2
        })
        .await;
    relay.end().await;
}

mod d3_a_batch_that_another_sequencer_committed {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn with_the_same_content_is_done() {
        let evm = Evm::start().await;
        evm.authorize(OTHER, true).await;
        let (_dir, path) = place();
        let script = Script::regular(2, 2);
        let batches = all(&script);
        evm.commit(OTHER, &batches[0]).await;
        let source = ScriptedSource::all(script);
        let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
        relay.until_anchored(4).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn with_other_content_sets_its_stream_aside_and_no_other() {
        let evm = Evm::start().await;
        evm.authorize(OTHER, true).await;
        let (_dir, path) = place();
        let script = Script::regular(5, 2);
        let batches = all(&script);
        let of = |n: u8| {
            batches
                .iter()
                .filter(move |b| b.stream_id() == id(n))
                .cloned()
        };
        // Stream 0: our id, another root. Stream 1: a history of its own.
        let mut forged = of(0).next().unwrap();
        forged.events_root.0[0] ^= 1;
        evm.commit(OTHER, &forged).await;
        let mut foreign = of(1).next().unwrap();
        foreign.batch_id.0[0] ^= 1;
        foreign.new_state_root.0[0] ^= 1;
        evm.commit(OTHER, &foreign).await;
        let source = ScriptedSource::all(script);
        let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
        relay.until_anchored(6).await;
        relay
            .until("quarantine", async |r: &Running| {
                let rows = r.journal.streams().await.unwrap();
                let reason = |n: u8| {
                    let row = rows.iter().find(|row| row.stream == id(n)).unwrap();
                    row.quarantine.clone().unwrap_or_default()
                };
                reason(0).contains("other content") && reason(1).contains("passed this batch")
            })
            .await;
        relay.end().await;
        assert_eq!(
            evm.relay_transactions().await,
            6,
            "nothing was spent on the two"
        );
    }
}

mod d13_a_contract_that_refuses_everything {
    use super::*;

    async fn waits_and_goes_on(reason: &str, close: impl AsyncFn(&Evm), open: impl AsyncFn(&Evm)) {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let script = Script::regular(2, 3);
        let batches = all(&script);
        let source = ScriptedSource::new(script, 1);
        let relay = start(
            &evm,
            &path,
            source.clone(),
            settings(Confirmation::Blocks(1)),
        )
        .await;
        relay.until_anchored(2).await;
        close(&evm).await;
        relay
            .until("a reason to wait", async |r: &Running| {
                let ready = r.shared.ready(Duration::from_secs(60));
                ready.is_err_and(|why| why.contains(reason))
            })
            .await;
        source.change(|inner| inner.finalized = 3);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(evm.committed().await.len(), 2);
        open(&evm).await;
        relay.until_anchored(6).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(
            evm.relay_transactions().await,
            6,
            "no transaction was wasted"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn because_it_is_paused_is_waited_for() {
        waits_and_goes_on(
            "unpause()",
            async |evm| evm.admin(Admin::pauseCall {}).await,
            async |evm| evm.admin(Admin::unpauseCall {}).await,
        )
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn because_our_key_is_not_authorised_is_waited_for() {
        waits_and_goes_on(
            "setSequencerAuthorization",
            async |evm| evm.authorize(RELAY, false).await,
            async |evm| evm.authorize(RELAY, true).await,
        )
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn because_we_cannot_pay_is_waited_for() {
        waits_and_goes_on(
            "Send it funds",
            async |evm| evm.set_balance(RELAY, U256::from(1)).await,
            async |evm| {
                evm.set_balance(RELAY, U256::from(10).pow(U256::from(18)))
                    .await
            },
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_strict_mode_may_go_off_and_on_while_the_relay_runs() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let source = ScriptedSource::new(script, 1);
    let relay = start(
        &evm,
        &path,
        source.clone(),
        settings(Confirmation::Blocks(1)),
    )
    .await;
    relay.until_anchored(2).await;
    for (enabled, height) in [(false, 2), (true, 3)] {
        evm.admin(Admin::setStrictModeCall { enabled }).await;
        relay
            .until("the mode", async |r: &Running| {
                let text = String::from_utf8(r.shared.text().unwrap()).unwrap();
                text.contains(&format!("ves_relay_contract_strict {}", u8::from(enabled)))
            })
            .await;
        source.change(|inner| inner.finalized = height);
        relay.until_anchored(2 * height as usize).await;
    }
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}

async fn until_one_is_sent(relay: &Running) {
    relay
        .until("sent", async |r: &Running| {
            r.journal.send_counts().await.unwrap() == [("sent".to_owned(), 1)]
        })
        .await;
}

/// Gas limits of the attempts for a nonce, the last one first.
async fn gas_limits(relay: &Running, nonce: u64) -> Vec<u64> {
    let attempts = relay.journal.attempts(nonce).await.unwrap();
    let limit = |raw: &[u8]| {
        let envelope = TxEnvelope::decode_2718(&mut &*raw).unwrap();
        envelope.as_eip1559().unwrap().tx().gas_limit
    };
    attempts.iter().map(|attempt| limit(&attempt.raw)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_gas_is_a_fifth_above_the_estimate_and_stays_when_a_transaction_is_replaced() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    let call = commit_call(&batches[0]).abi_encode();
    let request = json!([{ "from": RELAY, "to": evm.registry, "input": Bytes::from(call) }]);
    let estimate: U256 = evm
        .rpc("eth_estimateGas", request)
        .await
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let estimate: u64 = estimate.try_into().unwrap();
    evm.automine(false).await;
    let mut frugal = settings(Confirmation::Blocks(1));
    frugal.send.gas_default = 21_000;
    let relay = start(&evm, &path, ScriptedSource::all(script), frugal).await;
    until_one_is_sent(&relay).await;
    evm.mine_empty().await;
    relay
        .until("a replacement", async |r: &Running| {
            r.journal.attempts(0).await.unwrap().len() >= 2
        })
        .await;
    let limits = gas_limits(&relay, 0).await;
    assert!(
        limits.iter().all(|limit| *limit == estimate + estimate / 5),
        "{limits:?} for {estimate}"
    );
    evm.mine(1).await;
    evm.automine(true).await;
    relay.until_anchored(1).await;
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_gas_is_never_below_the_floor_and_a_call_above_the_cap_is_not_sent() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let mut low = settings(Confirmation::Blocks(1));
    low.send.gas_default = 21_000;
    low.send.gas_cap = 60_000;
    let relay = start(&evm, &path, source.clone(), low).await;
    relay
        .until("a reason to wait", async |r: &Running| {
            let streams = r.shared.stats().streams;
            let note = |text: &String| text.contains("above send.gas_cap");
            streams
                .iter()
                .any(|lag| lag.note.as_ref().is_some_and(note))
        })
        .await;
    relay.end().await;
    assert_eq!(evm.relay_transactions().await, 0);
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    relay.until_anchored(1).await;
    let limits = gas_limits(&relay, 0).await;
    assert!(limits.iter().all(|limit| *limit == 300_000), "{limits:?}");
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_transaction_that_is_not_mined_is_replaced_and_mined_once() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 2);
    let batches = all(&script);
    evm.automine(false).await;
    let source = ScriptedSource::all(script);
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    until_one_is_sent(&relay).await;
    // Twice the time after which it is replaced, but the chain makes no block.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(relay.journal.attempts(0).await.unwrap().len(), 1);
    evm.mine_empty().await;
    relay
        .until("a replacement", async |r: &Running| {
            let attempts = r.journal.attempts(0).await.unwrap();
            attempts.len() >= 2 && attempts[0].max_fee * 10 >= attempts[1].max_fee * 11
        })
        .await;
    relay
        .until("room in a block", async |_: &Running| {
            evm.mine(1).await;
            evm.relay_transactions().await == 1
        })
        .await;
    evm.automine(true).await;
    relay.until_anchored(2).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.relay_transactions().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_a_transaction_that_the_node_forgot_is_sent_again() {
    let evm = Evm::start().await;
    let (_dir, path) = place();
    let script = Script::regular(1, 1);
    let batches = all(&script);
    evm.automine(false).await;
    let source = ScriptedSource::all(script);
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    until_one_is_sent(&relay).await;
    evm.rpc("anvil_dropAllTransactions", json!([])).await;
    evm.automine(true).await;
    relay.until_anchored(1).await;
    relay.end().await;
    evm.audit(&batches).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_destination_that_is_not_the_one_configured_is_named_and_waited_for() {
    let evm = Evm::bare().await;
    let (_dir, path) = place();
    let source = ScriptedSource::all(Script::regular(1, 1));
    let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
    relay
        .until("a reason", async |r: &Running| {
            let ready = r.shared.ready(Duration::from_secs(60));
            ready.is_err_and(|why| why.contains("there is no contract"))
        })
        .await;
    relay.end().await;
    let identity = anchor_relay::sink::Identity {
        chain_id: 5,
        ..evm.identity()
    };
    let chain = anchor_relay::sink::Chain::new(&evm.url, identity, Duration::from_secs(5)).unwrap();
    let park = chain.check_identity().await.unwrap_err().to_string();
    assert!(park.contains("chain id 31337, expected 5"), "{park}");
}
