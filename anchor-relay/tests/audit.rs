// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! `anchor-relay verify`, the built program, where there is a difference and where there is none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::sol_types::SolCall;
use anchor_relay::sink::proof_call;
use serde_json::{Value, json};
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER},
    id,
    program::{Site, err, out},
    proven,
    running::all,
    served::Served,
};
use ves_primitives::BatchCommitment;

/// What the audit prints as JSON, and its exit code.
async fn verify(site: &Site, args: &[&str]) -> (Value, Option<i32>) {
    let done = site.command(&[&["verify", "--json"], args].concat()).await;
    let json = serde_json::from_slice(&done.stdout);
    (
        json.unwrap_or_else(|e| panic!("{e}: {}", err(&done))),
        done.status.code(),
    )
}

fn shows(audit: &Value, words: &str) -> bool {
    let shown = audit["shown"].as_array().unwrap();
    shown
        .iter()
        .any(|text| text.as_str().unwrap().contains(words))
}

/// A served appchain and a registry into which [`OTHER`] may write.
async fn sides(script: &Script) -> (ScriptedSource, Served, Evm) {
    let source = ScriptedSource::all(script.clone());
    let served = Served::start(source.clone()).await;
    let evm = Evm::start().await;
    evm.authorize(OTHER, true).await;
    (source, served, evm)
}

fn of(batches: &[BatchCommitment], stream: u8) -> Vec<BatchCommitment> {
    let id = id(stream);
    let of_stream = batches.iter().filter(|batch| batch.stream_id() == id);
    of_stream.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_reads_at_the_finalized_block_and_says_which_one_that_was() {
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let (_, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "finalized", "");
    for batch in &batches {
        evm.commit(OTHER, batch).await;
    }
    // The last of them are in no final block yet: at the latest block all would be there.
    let (audit, code) = verify(&site, &[]).await;
    let block = evm
        .rpc("eth_getBlockByNumber", json!(["finalized", false]))
        .await;
    let number = block["number"].as_str().unwrap();
    let number = u64::from_str_radix(&number[2..], 16).unwrap();
    assert_eq!(audit["contract_block"], number);
    assert_eq!(audit["contract_hash"], block["hash"]);
    assert_eq!(audit["confirmations"], "finalized");
    assert_eq!(audit["finalized"], 3);
    let missing = audit["missing"].as_u64().unwrap();
    assert!(missing > 0, "{audit}");
    assert_eq!(audit["batches_anchored"], 6 - missing);
    assert_eq!((audit["differences"].as_u64(), code), (Some(0), Some(0)));
    let (_, code) = verify(&site, &["--complete"]).await;
    assert_eq!(code, Some(6), "not everything is anchored");
    // The appchain has three blocks of 2 s: what is missing may be of the last, and is not of the first.
    let of = async |grace: &str| {
        let (audit, code) = verify(&site, &["--complete", "--grace-secs", grace]).await;
        (audit["young"].as_u64().unwrap(), code)
    };
    assert_eq!(of("1").await, (0, Some(6)));
    assert_eq!(of("6").await, (missing, Some(0)));
    // By another rule they are.
    let (audit, code) = verify(&site, &["--complete", "--confirmations", "1"]).await;
    assert_eq!((&audit["batches_anchored"], code), (&json!(6), Some(0)));
    assert_eq!(audit["contract_block"], evm.height().await);
    assert_eq!(audit["confirmations"], "1");

    evm.mine(10).await;
    let (audit, code) = verify(&site, &["--complete"]).await;
    assert_eq!((&audit["missing"], code), (&json!(0), Some(0)), "{audit}");
    let text = out(&site.command(&["verify"]).await);
    let line = format!(
        "contract     at block {} (finalized) {}",
        audit["contract_block"],
        audit["contract_hash"].as_str().unwrap()
    );
    assert!(text.contains(&line), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_before_the_contract_was_final_finds_nothing_anchored() {
    let script = Script::regular(1, 1);
    let (_, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "finalized", "");
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!((&audit["missing"], code), (&json!(1), Some(0)), "{audit}");
    let (_, code) = verify(&site, &["--complete"]).await;
    assert_eq!(code, Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_contract_does_not_hold_is_missing_and_one_behind_it_a_difference() {
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let (_, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    // Stream 0 as far as it goes, of stream 1 the first and the third.
    let (whole, holed) = (of(&batches, 0), of(&batches, 1));
    for batch in &whole {
        evm.commit(OTHER, batch).await;
    }
    evm.commit(OTHER, &holed[0]).await;
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!((&audit["missing"], code), (&json!(2), Some(0)), "{audit}");
    let (_, code) = verify(&site, &["--complete"]).await;
    assert_eq!(code, Some(6));
    evm.admin(Admin::setStrictModeCall { enabled: false }).await;
    evm.commit(OTHER, &holed[2]).await;
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!((&audit["missing"], code), (&json!(1), Some(6)), "{audit}");
    assert!(
        shows(&audit, "batch 2 is anchored, one before it is not"),
        "{audit}"
    );
    assert_eq!(audit["batches_anchored"], 4);
    let done = site.command(&["verify"]).await;
    assert_eq!(done.status.code(), Some(6));
    assert!(
        err(&done).contains("contract and appchain differ"),
        "{}",
        err(&done)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_of_a_batch_that_is_not_equal_is_a_difference() {
    let script = Script::new().block(&[(0, 3), (1, 3), (2, 3), (3, 3), (4, 3)]);
    let batches = all(&script);
    let (_, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    for (stream, batch) in (0u8..).zip(&batches) {
        let mut forged = batch.clone();
        match stream {
            0 => forged.events_root.0[0] ^= 1,
            1 => forged.new_state_root.0[31] ^= 1,
            // Ranges and counts must fit each other, or the contract would not take them.
            2 => {
                forged.sequence_end += 1;
                forged.leaf_count += 1;
            }
            3 => {
                forged.sequence_start += 1;
                forged.leaf_count -= 1;
            }
            _ => {}
        }
        evm.commit(OTHER, &forged).await;
    }
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!(code, Some(6));
    assert_eq!(audit["batches_anchored"], 1, "{audit}");
    assert_eq!(audit["missing"], 0);
    for stream in 0..4 {
        let words = format!(
            "stream {} batch 0: the contract holds other content",
            id(stream)
        );
        assert!(shows(&audit, &words), "{words}: {audit}");
    }
    assert!(!shows(&audit, &id(4).to_string()), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_appchain_does_not_know_is_a_difference() {
    let script = Script::regular(2, 3);
    let batches = all(&script);
    let (source, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    source.change(|inner| inner.finalized = 2);
    for batch in &batches[..4] {
        evm.commit(OTHER, batch).await;
    }
    let (audit, code) = verify(&site, &["--complete"]).await;
    assert_eq!(code, Some(0), "{audit}");
    // What follows is not what the appchain has, and not even final there.
    let mut foreign = of(&batches, 0)[2].clone();
    foreign.batch_id.0[0] ^= 1;
    evm.commit(OTHER, &foreign).await;
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!(code, Some(6));
    assert_eq!(audit["differences"], 1);
    assert!(shows(&audit, "the contract's head is"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_anchored_twice_is_a_difference() {
    let script = Script::regular(1, 2);
    let batches = all(&script);
    let (_, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    for batch in &batches {
        evm.commit(OTHER, batch).await;
    }
    let (audit, code) = verify(&site, &["--complete", "--alone"]).await;
    assert_eq!((&audit["foreign_batches"], code), (&json!(0), Some(0)));
    // The same events under a second id. Only without strict mode does the contract take it.
    evm.admin(Admin::setStrictModeCall { enabled: false }).await;
    let mut twin = batches[1].clone();
    twin.batch_id.0[0] ^= 1;
    evm.commit(OTHER, &twin).await;
    // Record and head are as they were. It may be of somebody else, unless there is nobody else.
    let (audit, code) = verify(&site, &["--complete"]).await;
    assert_eq!((&audit["foreign_batches"], code), (&json!(1), Some(0)));
    assert_eq!(audit["contract_batches"], 3);
    let (audit, code) = verify(&site, &["--complete", "--alone"]).await;
    assert_eq!(code, Some(6));
    assert!(
        shows(&audit, "holds 1 batches that this appchain does not have"),
        "{audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_missing_and_one_that_is_another_are_told_apart() {
    let script = Script::regular(2, 2);
    let batches = all(&script);
    let (source, served, evm) = sides(&script).await;
    let site = Site::new(&served.url, &evm.url, &evm, "1", "");
    for batch in &batches {
        evm.commit(OTHER, batch).await;
    }
    let proofs: Vec<_> = batches[..2].iter().map(|batch| proven(batch, 2)).collect();
    source.change(|inner| inner.proofs = proofs.clone());
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!(
        (&audit["proofs"], &audit["proofs_anchored"]),
        (&json!(2), &json!(0))
    );
    assert_eq!((&audit["missing"], code), (&json!(2), Some(0)), "{audit}");
    let (_, code) = verify(&site, &["--complete"]).await;
    assert_eq!(code, Some(6));

    let send = async |batch: &BatchCommitment, record| {
        let call = proof_call(batch, record).abi_encode();
        let hash = evm.try_send(OTHER, Some(evm.registry), call).await.unwrap();
        evm.mined(hash).await;
    };
    send(&batches[0], &proofs[0].0).await;
    let mut other = proofs[1].0.clone();
    other.proof_hash.0[0] ^= 1;
    send(&batches[1], &other).await;
    let (audit, code) = verify(&site, &[]).await;
    assert_eq!(code, Some(6));
    assert_eq!(
        (&audit["proofs_anchored"], &audit["missing"]),
        (&json!(1), &json!(0))
    );
    assert!(shows(&audit, "the contract holds another proof"), "{audit}");
    assert_eq!(audit["differences"], 1);
}
