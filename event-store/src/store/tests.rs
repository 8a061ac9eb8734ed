// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{RawBlock, fixtures::*};
use ves_primitives::{BlockCommitment, StateRoot, StreamTip, sequencer::Rejection, stream_id};

fn check(raw: RawBlock) -> Result<(), BlockError> {
    PreparedBlock::check(raw).map(drop)
}

mod a_block {
    use super::*;
    use ves_primitives::{LeafHash, ReceiptHash, Signature};

    #[test]
    fn whose_parts_follow_from_each_other_is_accepted() {
        let mut chain = Chain::default();
        assert_eq!(
            check(chain.block(&[(STORE, 5), (OTHER_STORE, 1)], "{}")),
            Ok(())
        );
        assert_eq!(check(chain.block(&[], "")), Ok(()));
        assert_eq!(
            check(chain.rejection(1, Rejection::InvalidSignature)),
            Ok(())
        );
    }

    #[test]
    fn with_a_wrong_leaf_or_receipt_is_refused() {
        let raw = Chain::default().block(&[(STORE, 3)], "{}");
        let mut wrong = raw.clone();
        wrong.index.events[1].leaf = LeafHash([0; 32]);
        assert!(matches!(
            check(wrong),
            Err(BlockError::Hash {
                sequence: 2,
                field: "leaf",
                ..
            })
        ));
        let mut wrong = raw.clone();
        wrong.index.events[1].receipt = ReceiptHash([0; 32]);
        assert!(matches!(
            check(wrong),
            Err(BlockError::Hash {
                field: "receipt",
                ..
            })
        ));
        let mut wrong = raw;
        wrong.index.events[1].event.envelope.agent_signature = Signature([0; 64]);
        assert!(matches!(
            check(wrong),
            Err(BlockError::Hash { field: "leaf", .. })
        ));
    }

    #[test]
    fn with_a_consistent_leaf_outside_the_root_is_refused() {
        let mut raw = Chain::default().block(&[(STORE, 3)], "{}");
        let indexed = &mut raw.index.events[2];
        indexed.event.envelope.agent_signature = Signature([0; 64]);
        let signing_hash = indexed.event.envelope.signing_hash().unwrap();
        indexed.leaf = indexed.event.envelope.leaf_hash(3, &signing_hash);
        assert!(matches!(check(raw), Err(BlockError::EventsRoot { .. })));
    }

    #[test]
    fn with_a_missing_surplus_or_misplaced_event_is_refused() {
        let raw = Chain::default().block(&[(STORE, 3)], "{}");
        let mut wrong = raw.clone();
        wrong.index.events.remove(1);
        assert!(matches!(
            check(wrong),
            Err(BlockError::Sequence {
                expected: 2,
                found: Some(3),
                ..
            })
        ));
        let mut wrong = raw.clone();
        wrong.index.events.pop();
        assert!(matches!(
            check(wrong),
            Err(BlockError::Sequence { found: None, .. })
        ));
        let mut wrong = raw.clone();
        wrong.index.events.swap(0, 1);
        assert!(matches!(
            check(wrong),
            Err(BlockError::Sequence { expected: 1, .. })
        ));
        let mut wrong = raw.clone();
        let extra = wrong.index.events[0].clone();
        wrong.index.events.push(extra);
        assert!(matches!(
            check(wrong),
            Err(BlockError::EventsOutsideBatch { count: 1, .. })
        ));
        let mut wrong = raw;
        wrong.index.events[0].stream_id = stream_id(TENANT, OTHER_STORE);
        assert!(matches!(check(wrong), Err(BlockError::EventStream { .. })));
    }

    #[test]
    fn whose_header_commits_to_something_else_is_refused() {
        let mut chain = Chain::default();
        let raw = chain.block(&[(STORE, 1), (OTHER_STORE, 1)], "{}");
        let mut wrong = raw.clone();
        wrong.commitment = None;
        assert_eq!(check(wrong), Err(BlockError::CommitmentMismatch));
        let mut wrong = raw.clone();
        wrong.index.batches.pop();
        assert_eq!(check(wrong), Err(BlockError::CommitmentMismatch));
        let mut wrong = raw.clone();
        wrong.index.batches.swap(0, 1);
        assert!(matches!(check(wrong), Err(BlockError::BatchOrder { .. })));
        let mut wrong = raw;
        wrong.number += 1;
        assert!(matches!(
            check(wrong),
            Err(BlockError::BatchBlock { found: 1, .. })
        ));
        let mut empty = chain.block(&[], "");
        empty.commitment = Some(BlockCommitment {
            version: 1,
            batch_count: 0,
            root: ves_primitives::BlockRoot([0; 32]),
        });
        assert_eq!(check(empty), Err(BlockError::CommitmentMismatch));
    }

    #[test]
    fn whose_batch_contradicts_itself_is_refused() {
        let mut raw = Chain::default().block(&[(STORE, 3)], "{}");
        raw.index.batches[0].new_state_root = StateRoot([1; 32]);
        raw.commitment = BlockCommitment::commit(&raw.index.batches);
        assert!(matches!(check(raw), Err(BlockError::Batch { .. })));
    }
}

#[tokio::test]
async fn what_was_appended_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut chain = Chain::default();
    let blocks: Vec<_> = [
        chain.block(&[(STORE, 300), (OTHER_STORE, 2)], r#"{"a":1}"#),
        chain.block(&[], ""),
        chain.block(&[(STORE, 1)], r#"{"a":2}"#),
    ]
    .map(prepared)
    .into();
    let store = open(folder.path()).await;
    store.append(&blocks).await.unwrap();
    drop(store);
    let store = open(folder.path()).await;
    assert_eq!(store.cursor().await.unwrap().number, 3);
    let head = store.head(TENANT, STORE).await.unwrap();
    assert_eq!(
        (head.sequence, head.batch_count, head.finalized_block_number),
        (301, 2, 3)
    );
    assert_eq!(store.counts().await.unwrap(), (303, 0));
    let event = store
        .event(TENANT, STORE, event_id(303))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (event.sequence, event.block_number, event.block_time_ms),
        (301, 3, 6_000)
    );
}

#[tokio::test]
async fn a_block_that_does_not_follow_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let first = prepared(chain.block(&[(STORE, 1)], "{}"));
    let second = prepared(chain.block(&[(STORE, 1)], "{}"));
    let error = store
        .append(std::slice::from_ref(&second))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        StoreError::Gap {
            cursor: 0,
            found: 2
        }
    ));
    store.append(std::slice::from_ref(&first)).await.unwrap();
    let error = store.append(&[first]).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Gap {
            cursor: 1,
            found: 1
        }
    ));
    let mut fork = second.clone();
    fork.parent_hash = [0; 32];
    let error = store.append(&[fork]).await.unwrap_err();
    assert!(matches!(
        error,
        StoreError::Fork {
            number: 2,
            cursor: 1
        }
    ));
    assert_eq!(store.cursor().await.unwrap().number, 1);
    store.append(&[second]).await.unwrap();
}

#[tokio::test]
async fn a_batch_that_does_not_continue_its_stream_is_refused_with_its_whole_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let first = chain.block(&[(STORE, 2)], "{}");
    // The same height from another history: it starts the stream over, yet claims `first` as parent.
    let mut other = Chain::at(1);
    let mut second = other.block(&[(STORE, 1)], "{}");
    second.parent_hash = first.hash;
    let error = store
        .append(&[prepared(first), prepared(second)])
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Block {
                number: 2,
                source: BlockError::Batch { .. }
            }
        ),
        "{error}"
    );
    assert_eq!(store.cursor().await.unwrap().number, 0);
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 0);
}

#[tokio::test]
async fn an_event_id_that_is_stored_already_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let first = chain.block_of(vec![(STORE, vec![event(STORE, 7, "{}")])]);
    let second = chain.block_of(vec![(STORE, vec![event(STORE, 7, "[]")])]);
    store.append(&[prepared(first)]).await.unwrap();
    let error = store.append(&[prepared(second)]).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Constraint { number: 2, .. }),
        "{error}"
    );
    assert!(!error.is_retryable());
    assert_eq!(store.cursor().await.unwrap().number, 1);
}

#[tokio::test]
async fn a_transaction_cut_off_before_its_commit_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut chain = Chain::default();
    let blocks: Vec<_> = (0..3)
        .map(|_| prepared(chain.block(&[(STORE, 200)], r#"{"a":1}"#)))
        .collect();
    let store = open(folder.path()).await;
    store.append(&blocks[..1]).await.unwrap();
    let transaction = store.write(&blocks[1..]).await.unwrap();
    // What a reader sees while the writer is at work, and what a crash would leave in the files.
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 200);
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    let crashed = open(copy.path()).await;
    assert_eq!(crashed.cursor().await.unwrap().number, 1);
    assert_eq!(crashed.head(TENANT, STORE).await.unwrap().sequence, 200);
    crashed.append(&blocks[1..]).await.unwrap();
    assert_eq!(crashed.head(TENANT, STORE).await.unwrap().sequence, 600);
    drop(transaction);
    assert_eq!(store.cursor().await.unwrap().number, 1);
    store.append(&blocks[1..]).await.unwrap();
    assert_eq!(store.counts().await.unwrap(), (600, 0));
}

#[tokio::test]
async fn pages_end_at_the_limit_the_byte_cap_and_the_head() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let small = chain.block(&[(STORE, 250)], r#"{"a":1}"#);
    let large = chain.block(
        &[(STORE, 100)],
        &format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000)),
    );
    store
        .append(&[prepared(small), prepared(large)])
        .await
        .unwrap();

    let page = store.events(TENANT, STORE, 1, 100).await.unwrap();
    assert_eq!(
        (page.events.len(), page.next_sequence, page.head_sequence),
        (100, Some(101), 350)
    );
    let page = store.events(TENANT, STORE, 201, 50).await.unwrap();
    assert_eq!((page.events.len(), page.next_sequence), (50, Some(251)));
    let page = store.events(TENANT, STORE, 251, 1_000).await.unwrap();
    assert!(page.events.len() < 100, "{}", page.events.len());
    let json = serde_json::to_vec(&page).unwrap().len();
    assert!(
        json < crate::MAX_PAGE_BYTES && json > crate::MAX_PAGE_BYTES / 2,
        "{json}"
    );
    let mut next = page.next_sequence;
    let mut seen = page.events.len();
    while let Some(from) = next {
        let page = store.events(TENANT, STORE, from, 1_000).await.unwrap();
        assert_eq!(page.events[0].sequence, from);
        seen += page.events.len();
        next = page.next_sequence;
    }
    assert_eq!(seen, 100);
    for from in [351, u64::MAX] {
        let page = store.events(TENANT, STORE, from, 10).await.unwrap();
        assert_eq!((page.events.len(), page.next_sequence), (0, None));
    }
    assert_eq!(
        store.events(TENANT, STORE, 0, 1).await.unwrap().events[0].sequence,
        1
    );
}

#[tokio::test]
async fn every_proof_leads_from_the_event_to_the_header_commitment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let third_store = ves_primitives::StoreId([0x77; 16]);
    let raws = [
        chain.block(&[(STORE, 5)], "{}"),
        chain.block(&[(STORE, 7), (OTHER_STORE, 1), (third_store, 3)], "{}"),
    ];
    let commitments: Vec<_> = raws.iter().map(|raw| raw.commitment.unwrap()).collect();
    store.append(&raws.map(prepared)).await.unwrap();
    for (id, last) in [(STORE, 12), (OTHER_STORE, 1), (third_store, 3)] {
        let mut tip = StreamTip::EMPTY;
        for sequence in 1..=last {
            let inclusion = store
                .inclusion(TENANT, id, sequence)
                .await
                .unwrap()
                .unwrap();
            let page = store.events(TENANT, id, sequence, 1).await.unwrap();
            let batch = &inclusion.batch.batch;
            assert_eq!(page.events[0].leaf_hash, inclusion.leaf_hash);
            assert_eq!(inclusion.batch.block_hash, page.events[0].block_hash);
            inclusion
                .proof
                .verify(&batch.events_root.0, &inclusion.leaf_hash.0)
                .unwrap();
            let commitment = commitments[batch.block_number as usize - 1];
            inclusion
                .block_proof
                .verify(&commitment.root.0, &batch.block_leaf())
                .unwrap();
            assert_eq!(inclusion.block_proof.leaf_count, commitment.batch_count);
            if batch.sequence_start == sequence {
                batch.check_continues(&tip).unwrap();
                tip = batch.tip();
            }
        }
        for sequence in [0, last + 1, u64::MAX] {
            assert!(
                store
                    .inclusion(TENANT, id, sequence)
                    .await
                    .unwrap()
                    .is_none()
            );
            assert!(
                store
                    .batch_of_sequence(TENANT, id, sequence)
                    .await
                    .unwrap()
                    .is_none()
            );
        }
    }
    let batch = store.batch(TENANT, STORE, 1).await.unwrap().unwrap();
    assert_eq!(
        (batch.batch.sequence_start, batch.batch.sequence_end),
        (6, 12)
    );
    assert_eq!(
        store.batch_of_sequence(TENANT, STORE, 6).await.unwrap(),
        Some(batch)
    );
    assert!(store.batch(TENANT, STORE, 2).await.unwrap().is_none());
    assert!(
        store
            .batch(TENANT, STORE, u64::MAX)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn rejections_are_listed_oldest_first_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let conflict = Rejection::VersionConflict {
        expected: 1,
        actual: 2,
    };
    let blocks = [
        chain.rejection(5, Rejection::InvalidSignature),
        chain.rejection(5, conflict),
    ];
    store.append(&blocks.map(prepared)).await.unwrap();
    let rejections = store.rejections(TENANT, STORE, event_id(5)).await.unwrap();
    let reasons: Vec<_> = rejections
        .iter()
        .map(|r| (r.block_number, r.extrinsic_index, r.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            (1, 2, "invalid_signature"),
            (2, 2, "version_conflict: expected 1, actual 2")
        ]
    );
    assert!(
        store
            .rejections(TENANT, STORE, event_id(6))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_store_of_another_chain_or_no_store_at_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        path: folder.path().join("deep/er/events.sqlite"),
    };
    drop(Store::open(&config, GENESIS).await.unwrap());
    let error = Store::open(&config, GenesisHash([1; 32]))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        StoreError::WrongChain { found: GENESIS, .. }
    ));

    let config = StoreConfig {
        path: folder.path().join("no.sqlite"),
    };
    std::fs::write(&config.path, vec![0x5a; 4_096]).unwrap();
    let error = Store::open(&config, GENESIS).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let result = sqlx::query("DELETE FROM meta")
        .execute(&store.readers)
        .await;
    assert!(result.is_err());
}

/// What a full disk does to a commit: SQLite ends the transaction by itself, and sqlx, whose commit
/// and rollback both fail, goes on counting it.
#[tokio::test]
async fn after_a_failed_commit_the_same_blocks_are_appended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let blocks = [prepared(Chain::default().block(&[(STORE, 3)], "{}"))];
    let mut transaction = store.write(&blocks).await.unwrap();
    sqlx::query("ROLLBACK")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap_err();
    store.append(&blocks).await.unwrap();
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 3);
}

/// Not a check but a figure: `cargo test -p ves-event-store -- --ignored --nocapture throughput`.
#[tokio::test]
#[ignore = "measures, asserts nothing"]
async fn throughput() {
    const BLOCKS: u32 = 40;
    const EVENTS: u64 = 1_280;
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut chain = Chain::default();
    let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(248));
    let raws: Vec<_> = (0..BLOCKS)
        .map(|_| chain.block(&[(STORE, EVENTS)], &payload))
        .collect();
    let start = std::time::Instant::now();
    let blocks: Vec<_> = raws.into_iter().map(prepared).collect();
    let checked = start.elapsed();
    for step in blocks.chunks(8) {
        store.append(step).await.unwrap();
    }
    let appended = start.elapsed() - checked;
    let proof = std::time::Instant::now();
    store.inclusion(TENANT, STORE, 700).await.unwrap().unwrap();
    println!(
        "{} events of 256 B: checked in {checked:?}, appended in {appended:?}; a proof in {:?}",
        EVENTS * u64::from(BLOCKS),
        proof.elapsed(),
    );
}
