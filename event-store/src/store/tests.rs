// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::{RawBlock, both::on_both_databases, db::args, testing::*};
use ves_primitives::{
    BlockCommitment, InclusionError, StateRoot, StreamTip, SubmittedEvent, sequencer::Rejection,
    stream_id,
};

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

on_both_databases! {
    async fn what_was_appended_is_there_after_reopening(place: Place) {
        let mut chain = Chain::default();
        let blocks: Vec<_> = [
            chain.block(&[(STORE, 300), (OTHER_STORE, 2)], r#"{"a":1}"#),
            chain.block(&[], ""),
            chain.block(&[(STORE, 1)], r#"{"a":2}"#),
        ]
        .map(prepared)
        .into();
        let store = place.open().await;
        store.append(&blocks).await.unwrap();
        drop(store);
        let store = place.open().await;
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

    async fn a_block_that_does_not_follow_is_refused_and_changes_nothing(place: Place) {
        let store = place.open().await;
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

    async fn a_batch_that_does_not_continue_its_stream_is_refused_with_its_whole_transaction(place: Place) {
        let store = place.open().await;
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

    async fn pages_end_at_the_limit_the_byte_cap_and_the_head(place: Place) {
        let store = place.open().await;
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

    async fn every_proof_leads_from_the_event_to_the_header_commitment(place: Place) {
        let store = place.open().await;
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

    async fn rejections_are_listed_oldest_first_with_their_reason(place: Place) {
        let store = place.open().await;
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

    async fn readers_cannot_write(place: Place) {
        let store = place.open().await;
        let mut snapshot = store.snapshot().await.unwrap();
        let result = snapshot.execute("DELETE FROM meta", args![]).await;
        assert!(result.is_err());
    }

    async fn an_id_that_is_used_again_names_its_newest_event(place: Place) {
        // The chain forgets ids after three days. The store must go on, or any agent could stop it.
        let store = place.open().await;
        let mut chain = Chain::default();
        let first = chain.block_of(vec![(STORE, vec![event(STORE, 7, "{}")])]);
        let second = chain.block_of(vec![(STORE, vec![event(STORE, 7, "[]")])]);
        store.append(&[prepared(first), prepared(second)]).await.unwrap();
        let event = store.event(TENANT, STORE, event_id(7)).await.unwrap().unwrap();
        assert_eq!(event.sequence, 2);
        assert_eq!(store.events(TENANT, STORE, 1, 9).await.unwrap().events.len(), 2);
    }

    async fn names_with_nul_are_stored_like_any_other(place: Place) {
        let store = place.open().await;
        let mut odd = event(STORE, 1, "{}");
        odd.envelope.entity_id = b"a\0b".to_vec().try_into().unwrap();
        odd.envelope.event_type = vec![0].try_into().unwrap();
        let block = Chain::default().block_of(vec![(STORE, vec![odd.clone()])]);
        store.append(&[prepared(block)]).await.unwrap();
        let found = store.event(TENANT, STORE, event_id(1)).await.unwrap().unwrap();
        assert_eq!(found.submitted(), Some(odd));
    }

    async fn a_row_that_is_there_already_is_refused_for_good(place: Place) {
        let store = place.open().await;
        let block = prepared(Chain::default().block(&[(STORE, 1)], "{}"));
        store.append(std::slice::from_ref(&block)).await.unwrap();
        // As if the cursor had been set back by hand.
        let mut transaction = store.db.write().await.unwrap();
        for (sql, args) in [
            ("UPDATE meta SET cursor_number = 0, cursor_hash = genesis", args![]),
            (
                "UPDATE streams SET sequence = 0, batch_count = 0, state_root = ?",
                args![StateRoot::GENESIS.0],
            ),
        ] {
            transaction.execute(sql, args).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let error = store.append(&[block]).await.unwrap_err();
        assert!(matches!(error, StoreError::Constraint { number: 1, .. }), "{error}");
        assert!(!error.is_retryable());
    }

    async fn of_two_writers_one_appends_and_the_other_learns_where_the_cursor_is(place: Place) {
        let (one, two) = (place.open().await, place.open().await);
        let mut chain = Chain::default();
        for number in 1..=20u32 {
            let block = [prepared(chain.block(&[(STORE, 3)], "{}"))];
            let (first, second) = tokio::join!(one.append(&block), two.append(&block));
            let lost = match (first, second) {
                (Ok(()), Err(error)) | (Err(error), Ok(())) => error,
                other => panic!("{other:?}"),
            };
            let as_expected = matches!(
                lost,
                StoreError::Gap { cursor, found } if (cursor, found) == (number, number)
            );
            assert!(as_expected, "{lost}");
            assert_eq!(one.cursor().await.unwrap(), two.cursor().await.unwrap());
        }
        assert_eq!(two.head(TENANT, STORE).await.unwrap().sequence, 60);
        // Reading the cursor is how each tells its subscribers of the other's blocks.
        assert_eq!((one.health().indexed_block, two.health().indexed_block), (20, 20));
    }

    async fn pruned_payloads_are_gone_and_everything_else_is_still_proven(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let payload = format!(r#"{{"a":"{}"}}"#, "x".repeat(500));
        let blocks: Vec<_> = (0..40)
            .map(|_| prepared(chain.block(&[(STORE, 3), (OTHER_STORE, 2)], &payload)))
            .collect();
        store.append(&blocks).await.unwrap();
        let before = store.events(TENANT, STORE, 1, 1_000).await.unwrap().events;
        assert_eq!(store.first_block_since(61_000).await.unwrap(), 31);
        assert_eq!(store.first_block_since(1_000_000).await.unwrap(), 41);

        // One step, then a restart, then the rest: as after kill -9.
        let (mut events, more) = store.prune_step(31).await.unwrap();
        assert!(events > 0 && more, "{events}");
        drop(store);
        let store = place.open().await;
        assert!(store.pruned_below().await.unwrap() > 1);
        loop {
            let (step, more) = store.prune_step(31).await.unwrap();
            events += step;
            if !more {
                break;
            }
        }
        assert_eq!((events, store.pruned_below().await.unwrap()), (150, 31));
        assert_eq!(store.prune_step(31).await.unwrap(), (0, false));
        assert_eq!(store.prune_step(5).await.unwrap(), (0, false));

        let after = store.events(TENANT, STORE, 1, 1_000).await.unwrap().events;
        for (event, before) in after.iter().zip(&before) {
            let kept = event.block_number >= 31;
            assert_eq!(SubmittedEvent::try_from(&event.event).is_ok(), kept);
            assert_eq!(event.event.payload.is_some(), kept);
            let mut with_payload = event.clone();
            with_payload.event.payload = before.event.payload.clone();
            assert_eq!(&with_payload, before, "nothing but the payload is gone");
            let proof = store.inclusion(TENANT, STORE, event.sequence).await.unwrap().unwrap();
            let batch = &proof.batch.batch;
            assert_eq!(batch.check_leaf(event.sequence, &event.leaf_hash, &proof.proof), Ok(()));
            assert_eq!(proof.leaf_hash, event.leaf_hash);
        }
        let proof = store.multi_inclusion(TENANT, STORE, &[1, 3]).await.unwrap().flatten().unwrap();
        let batch = &proof.batch.batch;
        assert_eq!(batch.check_leaves(&[1, 3], &proof.leaf_hashes, &proof.proof), Ok(()));
        assert_eq!(
            batch.check_leaves(&[1, 2], &proof.leaf_hashes, &proof.proof),
            Err(InclusionError::IndexOutOfRange)
        );
        let found = store.event(TENANT, STORE, event_id(1)).await.unwrap().unwrap();
        assert_eq!((found.payload.is_none(), found.submitted()), (true, None));
        // Indexing goes on, and a bound beyond the head prunes what there is.
        store.append(&[prepared(chain.block(&[(STORE, 1)], &payload))]).await.unwrap();
        let (events, more) = store.prune_step(u32::MAX).await.unwrap();
        assert!(events > 0 && more);
        while store.prune_step(u32::MAX).await.unwrap().1 {}
        assert_eq!(store.pruned_below().await.unwrap(), 42);
    }

    async fn a_transaction_that_is_dropped_leaves_no_trace(place: Place) {
        let store = place.open().await;
        let blocks = [prepared(Chain::default().block(&[(STORE, 300)], "{}"))];
        drop(store.write(&blocks).await.unwrap());
        assert_eq!(store.cursor().await.unwrap().number, 0);
        assert_eq!(store.counts().await.unwrap(), (0, 0));
        store.append(&blocks).await.unwrap();
        assert_eq!(store.counts().await.unwrap(), (300, 0));
    }

    async fn what_is_above_a_block_is_forgotten_and_indexed_anew(place: Place) {
        let store = place.open().await;
        let mut chain = Chain::default();
        let blocks: Vec<_> = [
            chain.block(&[(STORE, 3)], "{}"),
            chain.block(&[], ""),
            chain.block(&[(STORE, 2), (OTHER_STORE, 2)], "{}"),
            chain.rejection(9, Rejection::InvalidSignature),
        ]
        .map(prepared)
        .into();
        store.append(&blocks).await.unwrap();
        let whole = store.events(TENANT, STORE, 1, 9).await.unwrap();
        let back = Cursor { number: 2, hash: blocks[1].hash() };
        assert!(store.rewind(&back).await.unwrap());
        assert!(!store.rewind(&back).await.unwrap(), "nothing is above it");
        assert_eq!(store.cursor().await.unwrap(), back);
        assert_eq!(store.counts().await.unwrap(), (3, 0));
        assert_eq!(store.head(TENANT, OTHER_STORE).await.unwrap().sequence, 0);
        store.check_ends().await.unwrap();
        store.append(&blocks[2..]).await.unwrap();
        assert_eq!(store.events(TENANT, STORE, 1, 9).await.unwrap(), whole);
        assert_eq!(store.counts().await.unwrap(), (7, 1));
        store.check_ends().await.unwrap();
    }

    async fn commands_open_only_what_a_node_has_used(place: Place) {
        let error = Store::open_existing(&place.config).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        drop(place.open().await);
        assert_eq!(Store::open_existing(&place.config).await.unwrap().genesis(), GENESIS);
    }

    async fn a_store_of_another_chain_is_refused(place: Place) {
        drop(place.open().await);
        let error = Store::open(&place.config, GenesisHash([1; 32])).await.unwrap_err();
        assert!(matches!(error, StoreError::WrongChain { found: GENESIS, .. }));
    }
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
async fn a_store_of_another_chain_or_no_store_at_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::Sqlite(folder.path().join("deep/er/events.sqlite"));
    drop(Store::open(&config, GENESIS).await.unwrap());
    let error = Store::open(&config, GenesisHash([1; 32]))
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        StoreError::WrongChain { found: GENESIS, .. }
    ));

    let file = folder.path().join("no.sqlite");
    std::fs::write(&file, vec![0x5a; 4_096]).unwrap();
    let config = StoreConfig::Sqlite(file);
    let error = Store::open(&config, GENESIS).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    for url in [
        "postgres://nobody:secret@127.0.0.1:1/none",
        "postgres://nobody:secret@[/none",
    ] {
        let config: StoreConfig = url.parse().unwrap();
        let error = Store::open(&config, GENESIS).await.unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

/// What a full disk does to a commit: SQLite ends the transaction by itself, and sqlx, whose commit
/// and rollback both fail, goes on counting it.
#[tokio::test]
async fn after_a_failed_commit_the_same_blocks_are_appended() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let blocks = [prepared(Chain::default().block(&[(STORE, 3)], "{}"))];
    let mut transaction = store.write(&blocks).await.unwrap();
    transaction.execute("ROLLBACK", args![]).await.unwrap();
    transaction.commit().await.unwrap_err();
    store.append(&blocks).await.unwrap();
    assert_eq!(store.head(TENANT, STORE).await.unwrap().sequence, 3);
}
