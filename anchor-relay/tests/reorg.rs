// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! When an anchor counts, and what a reorg of a real EVM chain takes back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use alloy::{primitives::B256, sol_types::SolCall};
use anchor_relay::{
    relay::Settings,
    sink::{Confirmation, proof_call},
};
use serde_json::json;
use std::{path::Path, time::Duration};
use support::{
    Script, ScriptedSource,
    evm::{Admin, Evm, OTHER},
    proven,
    running::{Running, all, place, settings, start},
};
use ves_primitives::{BatchCommitment, proof::BatchProofRecord};

#[tokio::test(flavor = "multi_thread")]
async fn d9_an_anchor_counts_only_at_the_confirmed_block() {
    let evm = Evm::start().await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    let (_dir, path) = place();
    let script = Script::regular(2, 2);
    let batches = all(&script);
    let source = ScriptedSource::all(script);
    let relay = start(&evm, &path, source, settings(Confirmation::Finalized)).await;
    relay
        .until("commitments", async |_: &Running| {
            evm.committed().await.len() == 4
        })
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        relay.journal.totals().await.unwrap().1 < 4,
        "the last ones are not final yet"
    );
    evm.mine(10).await;
    relay.until_anchored(4).await;
    relay.end().await;
    evm.audit(&batches).await;
}

/// The default rule on a chain whose blocks are final after half an hour.
#[tokio::test(flavor = "multi_thread")]
async fn d9_a_busy_stream_does_not_wait_for_its_first_batches_to_be_final() {
    let evm = Evm::final_after(2_000).await;
    evm.admin(Admin::setStrictGenesisCall { enabled: true })
        .await;
    let (_dir, path) = place();
    let script = Script::regular(1, 300);
    let batches = all(&script);
    let mut shared = Settings {
        max_batches: 10,
        per_stream: 64,
        ..settings(Confirmation::Finalized)
    };
    shared.send.gas_cap = 10_000_000;
    let relay = start(&evm, &path, ScriptedSource::all(script), shared).await;
    relay
        .until("all commitments", async |_: &Running| {
            evm.committed().await.len() == batches.len()
        })
        .await;
    assert_eq!(relay.journal.totals().await.unwrap(), (300, 0));
    evm.mine(2_100).await;
    relay.until_anchored(batches.len()).await;
    relay.end().await;
    evm.audit(&batches).await;
    assert_eq!(evm.reverted().await, 0);
}

mod d9_a_reorg {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn that_drops_anchors_has_them_sent_again() {
        let evm = Evm::start().await;
        // Several anchors may share a block: the reorg must not reach the deployment.
        evm.mine(5).await;
        let (_dir, path) = place();
        let script = Script::regular(3, 1);
        let batches = all(&script);
        let source = ScriptedSource::all(script);
        let relay = start(&evm, &path, source, settings(Confirmation::Blocks(6))).await;
        relay
            .until("inclusion", async |r: &Running| {
                let counts = r.journal.send_counts().await.unwrap();
                counts
                    .iter()
                    .any(|(state, n)| state == "included" && *n == 3)
            })
            .await;
        evm.rpc("anvil_reorg", json!([3, []])).await;
        relay
            .until("commitments", async |_: &Running| {
                evm.committed().await.len() == 3
            })
            .await;
        evm.mine(8).await;
        relay.until_anchored(3).await;
        let text = String::from_utf8(relay.shared.text().unwrap()).unwrap();
        relay.end().await;
        assert!(text.contains("ves_relay_reorged_total 3"), "{text}");
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 3);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn deeper_than_the_confirmation_rule_is_repaired_too() {
        let evm = Evm::start().await;
        // Several anchors may share a block: the reorg must not reach the deployment.
        evm.mine(5).await;
        let (_dir, path) = place();
        let script = Script::regular(2, 2);
        let batches = all(&script);
        let source = ScriptedSource::all(script);
        let relay = start(&evm, &path, source, settings(Confirmation::Blocks(1))).await;
        relay.until_anchored(4).await;
        relay
            .until("final", async |r: &Running| {
                let counts = r.journal.send_counts().await.unwrap();
                counts == [("final".to_owned(), 4)]
            })
            .await;
        evm.rpc("anvil_reorg", json!([3, []])).await;
        relay
            .until("commitments", async |_: &Running| {
                evm.committed().await.len() == 4
            })
            .await;
        relay.until_anchored(4).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.relay_transactions().await, 4);
    }

    /// A relay before a foreign batch that is in the latest block and not confirmed yet.
    async fn before_a_foreign_batch(evm: &Evm, path: &Path, script: Script) -> Running {
        evm.authorize(OTHER, true).await;
        evm.mine(8).await;
        let mut forged = all(&script).remove(0);
        forged.events_root.0[0] ^= 1;
        evm.commit(OTHER, &forged).await;
        let source = ScriptedSource::all(script);
        let relay = start(evm, path, source, settings(Confirmation::Blocks(6))).await;
        relay
            .until("the batches", async |r: &Running| {
                r.journal.totals().await.unwrap().0 == 2
            })
            .await;
        // Many looks.
        tokio::time::sleep(Duration::from_millis(400)).await;
        let rows = relay.journal.streams().await.unwrap();
        assert!(rows.iter().all(|row| row.quarantine.is_none()), "{rows:?}");
        assert_eq!(evm.relay_transactions().await, 0);
        relay
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_takes_a_foreign_batch_back_frees_its_place() {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let script = Script::regular(1, 2);
        let batches = all(&script);
        let relay = before_a_foreign_batch(&evm, &path, script).await;
        evm.rpc("anvil_reorg", json!([1, []])).await;
        // The second follows once the first, without a predecessor to be checked against, is confirmed.
        for count in 1..=2 {
            relay
                .until("commitments", async |_: &Running| {
                    evm.committed().await.len() == count
                })
                .await;
            evm.mine(8).await;
        }
        relay.until_anchored(2).await;
        relay.end().await;
        evm.audit(&batches).await;
        assert_eq!(evm.reverted().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_does_not_come_leaves_a_foreign_batch_and_its_stream_is_set_aside() {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let relay = before_a_foreign_batch(&evm, &path, Script::regular(1, 2)).await;
        evm.mine(8).await;
        relay
            .until("quarantine", async |r: &Running| {
                let rows = r.journal.streams().await.unwrap();
                rows.iter().all(|row| row.quarantine.is_some())
            })
            .await;
        relay.end().await;
        assert_eq!(evm.relay_transactions().await, 0);
    }

    /// A relay whose only batch is anchored for good, the batch, and its proof, which the appchain has in its
    /// next block.
    async fn before_a_proof(
        evm: &Evm,
        path: &Path,
    ) -> (Running, ScriptedSource, BatchCommitment, BatchProofRecord) {
        let script = Script::regular(1, 1).block(&[]);
        let batch = all(&script).remove(0);
        let source = ScriptedSource::new(script, 1);
        let proof = proven(&batch, 2);
        let record = proof.0.clone();
        source.change(|inner| inner.proofs.push(proof));
        let relay = start(evm, path, source.clone(), settings(Confirmation::Blocks(6))).await;
        relay
            .until("the commitment", async |_: &Running| {
                evm.committed().await.len() == 1
            })
            .await;
        evm.mine(8).await;
        relay.until_anchored(1).await;
        (relay, source, batch, record)
    }

    /// Whether the contract has this proof, at its latest block.
    async fn holds(evm: &Evm, proof: &BatchProofRecord) -> bool {
        let chain = evm.chain();
        let latest = chain.latest().await.unwrap();
        let id = B256::new(proof.batch_id.0);
        let found = chain.proofs(&[id], &latest).await.unwrap().remove(0);
        found.is_some_and(|found| anchor_relay::sink::same_proof(&found, proof))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_drops_a_proof_and_not_its_batch_has_the_proof_sent_again() {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let (relay, source, batch, proof) = before_a_proof(&evm, &path).await;
        source.change(|inner| inner.finalized = 2);
        relay
            .until("inclusion", async |r: &Running| {
                let counts = r.journal.send_counts().await.unwrap();
                let one_is = |what: &str| counts.contains(&(what.to_owned(), 1));
                // The batch's and the proof's.
                one_is("final") && one_is("included") && holds(&evm, &proof).await
            })
            .await;
        assert_eq!(relay.journal.proof_totals().await.unwrap(), (1, 0, 0));
        evm.rpc("anvil_reorg", json!([1, []])).await;
        assert_eq!(evm.committed().await.len(), 1, "its batch stays");
        relay
            .until("the proof again", async |r: &Running| {
                let text = String::from_utf8(r.shared.text().unwrap()).unwrap();
                text.contains("ves_relay_reorged_total 1") && holds(&evm, &proof).await
            })
            .await;
        evm.mine(8).await;
        relay.until_proofs(1).await;
        relay.end().await;
        evm.audit(&[batch]).await;
        evm.audit_proofs(&[proof]).await;
        assert_eq!(evm.relay_transactions().await, 2);
        assert_eq!(evm.reverted().await, 0);
    }

    /// A relay before a foreign proof that is in the latest block and not confirmed yet, and its own proof.
    async fn before_a_foreign_proof(evm: &Evm, path: &Path) -> (Running, BatchProofRecord) {
        evm.authorize(OTHER, true).await;
        let (relay, source, batch, proof) = before_a_proof(evm, path).await;
        let mut foreign = proof.clone();
        foreign.proof_hash.0[0] ^= 1;
        let call = proof_call(&batch, &foreign).abi_encode();
        let sent = evm.try_send(OTHER, Some(evm.registry), call).await;
        evm.mined(sent.unwrap()).await;
        source.change(|inner| inner.finalized = 2);
        relay
            .until("the proof", async |r: &Running| {
                r.journal.proof_totals().await.unwrap().0 == 1
            })
            .await;
        // Many looks.
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(holds(evm, &foreign).await);
        assert_eq!(relay.journal.proof_totals().await.unwrap(), (1, 0, 0));
        assert_eq!(evm.relay_transactions().await, 1, "its batch only");
        (relay, proof)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_takes_a_foreign_proof_back_frees_its_place() {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let (relay, proof) = before_a_foreign_proof(&evm, &path).await;
        evm.rpc("anvil_reorg", json!([1, []])).await;
        relay
            .until("the proof", async |_: &Running| holds(&evm, &proof).await)
            .await;
        evm.mine(8).await;
        relay.until_proofs(1).await;
        assert_eq!(relay.journal.proof_totals().await.unwrap(), (1, 1, 0));
        relay.end().await;
        evm.audit_proofs(&[proof]).await;
        assert_eq!(evm.reverted().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_does_not_come_leaves_a_foreign_proof_and_ours_is_set_aside() {
        let evm = Evm::start().await;
        let (_dir, path) = place();
        let (relay, _) = before_a_foreign_proof(&evm, &path).await;
        evm.mine(8).await;
        relay
            .until("the conflict", async |r: &Running| {
                r.journal.proof_totals().await.unwrap() == (1, 0, 1)
            })
            .await;
        relay.end().await;
        assert_eq!(evm.relay_transactions().await, 1);
    }
}
