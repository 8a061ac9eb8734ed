// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the relay reads from a real node of the appchain, and what it does when the node lies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use anchor_relay::{
    journal::Journal,
    node::NodeSource,
    sink::{secret_from_hex, write_keystore},
    source::{Halt, Source, SourceError, WalkError, Walker},
};
use codec::Encode;
use serde_json::{Value, json};
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    appchain::Appchain,
    evm::{CHAIN_ID, Evm, RELAY_SECRET},
    proven,
    proxy::Proxy,
    running::{patience, place},
};
use ves_primitives::{BatchCommitment, StreamId};

/// A real chain with one batch.
async fn appchain() -> Appchain {
    tokio::task::spawn_blocking(|| {
        let chain = Appchain::start();
        chain.submit_an_event();
        chain
    })
    .await
    .unwrap()
}

fn encoded(value: &impl Encode) -> Value {
    json!(format!("0x{}", hex::encode(value.encode())))
}

/// Walks a new journal up to the first batch.
async fn walk(source: NodeSource) -> Result<BatchCommitment, WalkError> {
    let (_dir, path) = place();
    let journal = Journal::open(&path).await.unwrap();
    let mut walker = Walker::new(source, None);
    let deadline = Instant::now() + Duration::from_secs(2 * patience());
    loop {
        let progress = walker.advance(&journal).await?;
        walker.collect_proofs(&journal).await?;
        if let Some(row) = journal.streams().await.unwrap().first() {
            let batches = journal.batches_from(row.stream, 0, 1).await.unwrap();
            return Ok(batches.into_iter().next().unwrap());
        }
        assert!(Instant::now() < deadline, "no batch: {progress:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Answers of one runtime call are replaced.
fn forge(proxy: &Proxy, method: &'static str, result: Value) {
    proxy.tamper(move |call, answer| {
        if call["method"] == "state_call" && call["params"][0] == method {
            answer["result"] = result.clone();
        }
    });
}

fn contradicted(result: Result<BatchCommitment, WalkError>) -> String {
    match result {
        Err(WalkError::Halt(Halt::Contradicted { what })) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_what_a_real_node_reads_is_proven_and_a_forged_answer_halts_the_relay() {
    let chain = appchain().await;
    let url = format!("http://{}", chain.address);
    let proxy = Proxy::start(&url, 1, 0).await;
    let through = || NodeSource::new(proxy.url.clone(), None, true);

    let batch = walk(through()).await.unwrap();
    assert_eq!(batch.batch_index, 0);

    // Another batch in the place of the real one, a batch left out, one made up.
    let mut other = batch.clone();
    other.events_root.0[0] ^= 1;
    for batches in [vec![other], vec![], vec![batch.clone(), batch.clone()]] {
        forge(
            &proxy,
            "VesSequencerApi_batches_in_block",
            encoded(&batches),
        );
        let what = contradicted(walk(through()).await);
        assert!(
            what.contains("other batches of block") || what.contains("another batch"),
            "{what}"
        );
    }
    // Without proofs the header's commitment still catches it.
    forge(
        &proxy,
        "VesSequencerApi_batches_in_block",
        encoded(&Vec::<BatchCommitment>::new()),
    );
    let unproven = walk(NodeSource::new(proxy.url.clone(), None, false)).await;
    assert!(
        matches!(unproven, Err(WalkError::Halt(Halt::Inconsistent { .. }))),
        "{unproven:?}"
    );

    // A verdict that the chain never gave: nothing but the proof tells.
    let (record, stream, _) = proven(&batch, batch.block_number);
    forge(
        &proxy,
        "StarkVerifierApi_batch_proofs_in",
        encoded(&vec![record.clone()]),
    );
    let asked = async |source: NodeSource| -> Result<usize, SourceError> {
        let (_, head) = source.finalized_head().await?;
        Ok(source.batch_proofs(stream, 0, 256, head).await?.len())
    };
    let unproven = NodeSource::new(proxy.url.clone(), None, false);
    assert_eq!(asked(unproven).await.unwrap(), 1);
    let what = asked(through()).await.unwrap_err().to_string();
    assert!(what.contains("other verdicts"), "{what}");

    // A proof in which one byte is changed, and one that is cut short.
    for cut in [false, true] {
        proxy.tamper(move |call, answer| {
            if call["method"] == "state_getReadProof" {
                let nodes = answer["result"]["proof"].as_array_mut().unwrap();
                if cut {
                    nodes.pop();
                } else {
                    let node = nodes[0].as_str().unwrap();
                    let last = if node.ends_with('0') { "1" } else { "0" };
                    nodes[0] = json!(format!("{}{last}", &node[..node.len() - 1]));
                }
            }
        });
        let what = contradicted(walk(through()).await);
        assert!(what.contains("does not lead"), "{what}");
    }
    proxy.honest();
    assert_eq!(walk(through()).await.unwrap(), batch);
    assert_eq!(asked(through()).await.unwrap(), 0);
    let nobody = StreamId([9; 32]);
    let (_, head) = through().finalized_head().await.unwrap();
    let none = through().batch_proofs(nobody, 0, 256, head).await;
    assert!(none.unwrap().is_empty());

    a_witness_must_agree(&url).await;
}

/// Part of the test above, which has the node.
async fn a_witness_must_agree(url: &str) {
    let witness = Proxy::start(url, 1, 0).await;
    let source = || NodeSource::new(url.to_owned(), Some(witness.url.clone().into()), false);
    let (_, hash) = source().finalized_head().await.unwrap();

    // A witness that is behind: the lower of the two heights counts.
    let genesis = source().genesis_hash().await.unwrap();
    witness.tamper(move |call, answer| {
        if call["method"] == "chain_getFinalizedHead" {
            answer["result"] = json!(genesis.to_string());
        }
    });
    assert_eq!(source().finalized_head().await.unwrap().0, 0);

    // One that is on another fork.
    witness.tamper(|call, answer| {
        if call["method"] == "chain_getBlockHash" && call["params"][0] != 0 {
            answer["result"] = json!(format!("0x{}", "11".repeat(32)));
        }
    });
    let error = source().finalized_head().await.unwrap_err();
    assert!(matches!(error, SourceError::Contradicted(_)), "{error}");

    // One that is not there is waited for.
    let gone = NodeSource::new(url.to_owned(), Some("http://127.0.0.1:1".into()), false);
    let error = gone.finalized_head().await.unwrap_err();
    assert!(matches!(error, SourceError::Unavailable(_)), "{error}");
    assert_ne!(hash.0, [0; 32]);
}

/// Starts the built program with a configuration that is already there.
fn program(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_anchor-relay"))
        .current_dir(dir)
        .args(["--config", "relay.toml", "run"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

async fn terminate(mut relay: Child) -> Option<i32> {
    let pid = relay.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success());
    for _ in 0..300 {
        if let Some(status) = relay.try_wait().unwrap() {
            return status.code();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    relay.kill().unwrap();
    relay.wait().unwrap();
    panic!("SIGTERM is ignored");
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(2 * patience());
    while !done().await {
        assert!(Instant::now() < deadline, "no {what} in time");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d17_sigterm_in_the_middle_of_a_send_ends_the_program_and_loses_nothing() {
    let chain = appchain().await;
    let evm = Evm::start().await;
    let proxy = Proxy::start(&evm.url, 1, 0).await;
    let (dir, _) = place();
    let passphrase = dir.path().join("passphrase");
    std::fs::write(&passphrase, "a passphrase of a test").unwrap();
    std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    let secret = secret_from_hex(RELAY_SECRET, "test").unwrap();
    write_keystore(
        &dir.path().join("relay.json"),
        Some(&secret),
        Some(&passphrase),
    )
    .unwrap();
    let config = format!(
        "[source]\nnode_url = \"ws://{}\"\nprove_reads = true\n\
         [destination]\nrpc_url = \"{}\"\nchain_id = {CHAIN_ID}\nregistry = \"{}\"\n\
         confirmations = \"1\"\n\
         [key]\nfile = \"relay.json\"\npassphrase_file = \"passphrase\"\n\
         [send]\npoll_ms = 100\n[http]\nlisten = \"127.0.0.1:0\"\n",
        chain.address, proxy.url, evm.registry
    );
    std::fs::write(dir.path().join("relay.toml"), config).unwrap();

    // The transaction is in the chain, and the program still waits for the answer.
    proxy.hold_answers(Duration::from_secs(4));
    let relay = program(dir.path());
    until("transaction", async || evm.relay_transactions().await == 1).await;
    assert_eq!(terminate(relay).await, Some(0));

    proxy.hold_answers(Duration::ZERO);
    let relay = program(dir.path());
    let journal = dir.path().join("anchor-relay.db");
    until("anchor", async || {
        let journal = Journal::open_read_only(&journal).await.unwrap();
        let (known, anchored) = journal.totals().await.unwrap();
        journal.close().await;
        (known, anchored) == (1, 1)
    })
    .await;
    assert_eq!(terminate(relay).await, Some(0));
    let url = format!("http://{}", chain.address);
    let batch = walk(NodeSource::new(url, None, true)).await.unwrap();
    evm.audit(&[batch]).await;
    assert_eq!(evm.relay_transactions().await, 1);
}
