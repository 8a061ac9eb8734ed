// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A journal over a long time: what is final and old goes, what is counted stays counted, and a reorg
//! opens again what was not final.

use super::super::*;
use ves_primitives::{AgentId, LeafHash, Policy, batch_proof_hash, proof::BatchProofRecord};

const KEEP: Retention = Retention {
    proven: 10,
    unproven: 100,
    sends_ms: 1_000,
};

fn at(number: u64) -> Checkpoint {
    Checkpoint {
        number,
        hash: [u8::try_from(number).unwrap(); 32],
    }
}

/// A stream with a batch in each block from 1 on.
fn chain(count: u32) -> Vec<BatchCommitment> {
    let mut tip = StreamTip::EMPTY;
    (1..=count)
        .map(|number| {
            let leaf = LeafHash([u8::try_from(number % 256).unwrap(); 32]);
            let (tenant, store) = (TenantId([1; 16]), StoreId([2; 16]));
            let batch = BatchCommitment::commit(tenant, store, number, &tip, &[leaf]).unwrap();
            tip = batch.tip();
            batch
        })
        .collect()
}

fn proof_of(batch: &BatchCommitment) -> BatchProofRecord {
    let policy = Policy::AmlThreshold { threshold: 1000 };
    BatchProofRecord {
        batch_id: batch.batch_id,
        batch_index: batch.batch_index,
        prev_state_root: batch.prev_state_root,
        new_state_root: batch.new_state_root,
        events: batch.leaf_count,
        policy_hash: policy.hash(),
        policy_limit: policy.effective_limit().unwrap(),
        policy,
        proof_hash: batch_proof_hash(b"proof"),
        bytes: 5,
        block: batch.block_number,
        circuit_version: 1,
        agent_id: AgentId([9; 16]),
    }
}

async fn take(journal: &Journal, batches: &[BatchCommitment], cursor: u32) {
    let blocks: Vec<BlockBatches> = batches
        .iter()
        .map(|batch| BlockBatches {
            batches: vec![batch.clone()],
            final_ms: u64::from(batch.block_number),
            ..BlockBatches::default()
        })
        .collect();
    let cursor = Cursor {
        number: cursor,
        hash: BlockHash([3; 32]),
    };
    journal.take_blocks(cursor, &blocks, 77).await.unwrap();
}

/// A transaction of ours that was found in a block and settled there.
async fn sent(journal: &Journal, nonce: u64, stream: StreamId, index: u64, block: u64, ok: bool) {
    let item = Item {
        kind: ItemKind::Batch,
        stream,
        batch_index: index,
    };
    journal.reserve(nonce, &[item], 1).await.unwrap();
    let attempt = Attempt {
        tx_hash: [u8::try_from(nonce).unwrap(); 32],
        nonce,
        raw: vec![1],
        max_fee: 1,
        tip: 1,
    };
    journal.add_attempt(&attempt).await.unwrap();
    journal
        .mark_included(nonce, &attempt.tx_hash, block, &[0; 32], ok, 1)
        .await
        .unwrap();
    journal.settle(&[nonce], &at(block)).await.unwrap();
}

async fn count(journal: &Journal, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    sqlx::query_scalar(&sql)
        .fetch_one(&journal.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_final_and_old_goes_and_every_total_stays_true() {
    let journal = Journal::in_memory().await.unwrap();
    let batches = chain(3);
    let stream = batches[0].stream_id();
    take(&journal, &batches, 3).await;
    journal
        .take_proofs(&[(stream, proof_of(&batches[0]), None)])
        .await
        .unwrap();
    for (nonce, index) in [(0, 0), (1, 1)] {
        sent(&journal, nonce, stream, index, 5, true).await;
    }
    sent(&journal, 2, stream, 2, 6, false).await;
    journal
        .mark_anchored(&[(stream, 0), (stream, 1)], &at(5))
        .await
        .unwrap();
    journal.mark_proofs(&[(stream, 0)], &at(6)).await.unwrap();
    let later = now_ms() + 10_000;

    // Old, but nothing is final on the destination yet.
    take(&journal, &[], 11).await;
    assert!(!journal.make_final(4, &KEEP).await.unwrap());
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (0, 0));

    // The batches are final, the proof of the first is not.
    assert!(journal.make_final(5, &KEEP).await.unwrap());
    assert_eq!(journal.final_to().await.unwrap(), 5);
    assert_eq!(journal.checkpoints().await.unwrap(), [at(6)]);
    let fresh = now_ms();
    assert_eq!(journal.forget(&KEEP, fresh).await.unwrap(), (0, 0));
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (0, 2));

    // Both are: the first goes ten blocks after its own, the second one waits for a proof.
    assert!(journal.make_final(6, &KEEP).await.unwrap());
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (1, 0));
    assert_eq!(journal.oldest_kept(stream).await.unwrap(), Some(1));
    take(&journal, &[], 101).await;
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (0, 0));
    take(&journal, &[], 102).await;
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (1, 0));

    // The open batch stays, with the transaction that failed, which has the newest nonce as well.
    for (table, left) in [
        ("batches", 1),
        ("proofs", 0),
        ("sends", 1),
        ("items", 1),
        ("attempts", 1),
    ] {
        assert_eq!(count(&journal, table).await, left, "{table}");
    }
    assert_eq!(journal.totals().await.unwrap(), (3, 2));
    assert_eq!(journal.proof_totals().await.unwrap(), (1, 1, 0));
    let counts = [("final".to_owned(), 3)];
    assert_eq!(journal.send_counts().await.unwrap(), counts);
    assert_eq!(journal.next_nonce().await.unwrap(), 3);
    assert_eq!(
        journal.anchored_prefixes().await.unwrap(),
        [(stream, 2)],
        "what is forgotten is anchored"
    );
    let row = &journal.streams().await.unwrap()[0];
    assert_eq!((row.open, row.oldest_open_ms), (1, 3));
    assert_eq!(row.tip, batches[2].tip());
    // And the last one as well.
    journal.mark_anchored(&[(stream, 2)], &at(7)).await.unwrap();
    journal.make_final(7, &KEEP).await.unwrap();
    take(&journal, &[], 103).await;
    assert_eq!(journal.forget(&KEEP, later).await.unwrap(), (1, 0));
    assert_eq!(journal.anchored_prefixes().await.unwrap(), [(stream, 3)]);
    assert_eq!(
        journal.next_nonce().await.unwrap(),
        3,
        "it is never used twice"
    );
}

#[tokio::test]
async fn a_proof_that_comes_late_keeps_its_batch_until_it_is_anchored_itself() {
    let journal = Journal::in_memory().await.unwrap();
    let batches = chain(2);
    let stream = batches[0].stream_id();
    take(&journal, &batches, 2).await;
    let both = [(stream, 0), (stream, 1)];
    journal.mark_anchored(&both, &at(5)).await.unwrap();
    journal.make_final(5, &KEEP).await.unwrap();
    let aside = Some("not so".to_owned());
    journal
        .take_proofs(&[
            (stream, proof_of(&batches[0]), None),
            (stream, proof_of(&batches[1]), aside),
        ])
        .await
        .unwrap();
    take(&journal, &[], 1_000).await;
    assert_eq!(journal.forget(&KEEP, 0).await.unwrap(), (0, 0));
    assert_eq!(journal.open_proofs(9).await.unwrap().len(), 1);
    journal.mark_proofs(&[(stream, 0)], &at(6)).await.unwrap();
    assert_eq!(journal.forget(&KEEP, 0).await.unwrap(), (0, 0));
    journal.make_final(6, &KEEP).await.unwrap();
    assert_eq!(journal.forget(&KEEP, 0).await.unwrap(), (1, 0));
    // The one that is set aside is for the operator.
    assert_eq!(journal.proof_totals().await.unwrap(), (2, 1, 1));
    assert!(journal.release(stream).await.unwrap());
    assert_eq!(journal.proof_totals().await.unwrap(), (2, 1, 0));
    journal.mark_proofs(&[(stream, 1)], &at(7)).await.unwrap();
    journal.make_final(7, &KEEP).await.unwrap();
    assert_eq!(journal.forget(&KEEP, 0).await.unwrap(), (1, 0));
}

#[tokio::test]
async fn a_year_of_rows_goes_in_portions() {
    let journal = Journal::in_memory().await.unwrap();
    let batches = chain(1_100);
    let stream = batches[0].stream_id();
    take(&journal, &batches, 1_100).await;
    let all: Vec<ProofKey> = (0..1_100).map(|index| (stream, index)).collect();
    journal.mark_anchored(&all, &at(5)).await.unwrap();
    take(&journal, &[], 10_000).await;
    let mut portions = Vec::new();
    while journal.make_final(9, &KEEP).await.unwrap() {
        portions.push(journal.forget(&KEEP, 0).await.unwrap().0);
    }
    assert_eq!(portions, [512, 512, 76]);
    assert_eq!(count(&journal, "batches").await, 0);
    assert_eq!(journal.totals().await.unwrap(), (1_100, 1_100));
}

#[tokio::test]
async fn d9_a_reorg_opens_what_was_done_after_the_last_block_that_is_still_there() {
    let journal = Journal::in_memory().await.unwrap();
    let batches = chain(3);
    let stream = batches[0].stream_id();
    take(&journal, &batches, 3).await;
    journal
        .take_proofs(&[(stream, proof_of(&batches[0]), None)])
        .await
        .unwrap();
    for (index, block) in [(0, 4), (1, 6), (2, 8)] {
        sent(&journal, index, stream, index, block, true).await;
        journal
            .mark_anchored(&[(stream, index)], &at(block))
            .await
            .unwrap();
    }
    journal.mark_proofs(&[(stream, 0)], &at(8)).await.unwrap();
    journal.make_final(4, &KEEP).await.unwrap();
    let undone = journal.reopen_after(6).await.unwrap();
    let expected = Undone {
        anchored: 2,
        settled: 1,
    };
    assert_eq!(undone, expected, "the third batch and the proof");
    assert_eq!(journal.totals().await.unwrap(), (3, 2));
    assert_eq!(journal.proof_totals().await.unwrap(), (1, 0, 0));
    assert_eq!(journal.checkpoints().await.unwrap(), [at(6)]);
    let live = journal.live_sends().await.unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!((live[0].nonce, live[0].state), (2, SendState::Included));
    // Deeper: what is final stays, whatever happens to the blocks after it.
    journal.reopen_after(4).await.unwrap();
    assert_eq!(journal.totals().await.unwrap(), (3, 1));
    assert_eq!(journal.reopen_after(0).await.unwrap().anchored, 0);
    assert_eq!(journal.totals().await.unwrap(), (3, 1));
}

#[tokio::test]
async fn d1_the_code_seen_last_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.db");
    let journal = Journal::open(&path).await.unwrap();
    assert_eq!(journal.deployed().await.unwrap(), None);
    let mut deployed = Deployed {
        implementation: Some([1; 20]),
        code_hash: [2; 32],
        upgraded_ms: 0,
    };
    journal.note_deployed(&deployed).await.unwrap();
    (deployed.code_hash, deployed.upgraded_ms) = ([3; 32], 9);
    journal.note_deployed(&deployed).await.unwrap();
    journal.close().await;
    drop(journal);
    let journal = Journal::open(&path).await.unwrap();
    assert_eq!(journal.deployed().await.unwrap(), Some(deployed));
    assert_eq!(journal.next_final_ms().await.unwrap(), 0);
}
